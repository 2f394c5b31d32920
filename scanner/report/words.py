"""The report's texts in one language, with plurals, numbers and dates."""

import tomllib
from datetime import UTC, datetime
from typing import Any

from scanner.content import content

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


class Words:
    """The texts of `templates/report/<language>.toml`.

    `words("headline.open", 3)` picks the plural form for 3 and fills `{n}`; named values fill the other braces.
    Raises KeyError for a key that the file does not have.
    """

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self.catalogue: dict[str, Any] = tomllib.loads(
            (content("templates") / "report" / f"{language}.toml").read_text("utf-8")
        )

    def __call__(self, key: str, count: int | None = None, **values: object) -> str:
        entry: Any = self.catalogue
        for part in key.split("."):
            entry = entry[part]
        if isinstance(entry, dict):
            entry = entry["one" if count == 1 else "other"]
        if count is not None:
            values["n"] = self.number(count)
        text = str(entry)
        for name, value in values.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def number(self, value: int) -> str:
        """Return 1204 as `1,204`."""
        return f"{value:,}"

    def date(self, iso: str) -> str:
        """Return an ISO 8601 time as `25 November 2026`, and any other text unchanged."""
        time = parse_time(iso)
        return f"{time.day} {_MONTHS[time.month - 1]} {time.year}" if time else iso

    def date_and_time(self, iso: str) -> str:
        """Return an ISO 8601 time as `25 November 2026, 14:12 UTC`, and any other text unchanged."""
        time = parse_time(iso)
        return f"{self.date(iso)}, {time:%H:%M} {self('utc')}" if time else iso


def scanned(words: Words, taken: str, evaluated: str) -> str:
    """Return when a scan read Azure, and beside it when that was evaluated, "" where both are one run."""
    said = words.date_and_time(taken)
    return words("evaluated", taken=said, evaluated=words.date_and_time(evaluated)) if evaluated else said


def parse_time(iso: str) -> datetime | None:
    """Return an ISO 8601 time in UTC, None for any other text."""
    try:
        time = datetime.fromisoformat(iso)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
