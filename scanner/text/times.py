"""Times that files state: read in one way, within bounds, and never shown unparsed.

A file dated 2099 would always be the newest scan, and later scans would not report its findings.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

AHEAD = timedelta(minutes=10)
"""How far a time may lie ahead of this machine's clock."""
EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
"""Azure is not older."""
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_DAY = re.compile(r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2})?")


class BadTime(ValueError):
    """A text that is no time, or a time that cannot be."""


def checked_time(text: str) -> str:
    """Return a time of RFC 3339 in the one form that we write, `2026-11-25T02:00:00Z`. Raise BadTime for one that is
    none, that lies ahead of the clock, or that is older than Azure.
    """
    return _checked(text)


@lru_cache(maxsize=4096)
def _checked(text: str) -> str:
    match = _TIME.fullmatch(text) if len(text) <= 40 else None
    if match is None:
        raise BadTime(f"{text[:40]!r} is no time, such as 2026-11-25T02:00:00Z")
    zone = "+00:00" if match[3] in "Zz" else match[3]
    try:
        time = datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadTime(f"{text[:40]!r} is no time, such as 2026-11-25T02:00:00Z") from None
    message = time.strftime("%Y-%m-%dT%H:%M:%SZ")
    if time > datetime.now(UTC) + AHEAD:
        raise BadTime(f"the time {message} lies ahead of the clock of this machine")
    if time < EARLIEST:
        raise BadTime(f"the time {message} is before there was Azure")
    return message


def checked_day(text: str) -> str:
    """Return a day, `2026-11-25`, or "". Raise BadTime for any other text."""
    if _DAY.fullmatch(text):
        try:
            return datetime.strptime(text, "%Y-%m-%d").strftime("%Y-%m-%d") if text else ""  # noqa: DTZ007 - a day
        except ValueError:
            pass
    raise BadTime(f"{text[:40]!r} is no day, such as 2026-11-25")
