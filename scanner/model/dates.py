"""Times of Azure: seconds since 1970, and ISO 8601. Pure: no clock."""

from datetime import UTC, datetime


def seconds_of(text: str) -> float | None:
    """Return an ISO 8601 time in seconds since 1970; None for any other text."""
    try:
        result = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (result if result.tzinfo else result.replace(tzinfo=UTC)).timestamp()


def date_of(seconds: object) -> str:
    """Return seconds since 1970 as a date, `2026-11-25`; "" for what is no time."""
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return ""
