"""The report's words: one catalogue a language, with plurals, numbers and dates."""

import tomllib
from datetime import UTC, datetime
from typing import Any

from scanner.content import content

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


class Words:
    """The catalogue `templates/report/<language>.toml`.

    `words("headline.open", 3)` picks the plural form for 3 and fills `{n}`; named values fill the other braces.
    Raises KeyError for a word that the catalogue does not have.
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
        """1204 as `1,204`."""
        return f"{value:,}"

    def date(self, iso: str) -> str:
        """An ISO 8601 moment as `25 November 2026`; what is no moment stays as it is."""
        moment = parse(iso)
        return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}" if moment else iso

    def moment(self, iso: str) -> str:
        """An ISO 8601 moment as `25 November 2026, 14:12 UTC`; what is no moment stays as it is."""
        moment = parse(iso)
        return f"{self.date(iso)}, {moment:%H:%M} {self('utc')}" if moment else iso


def parse(iso: str) -> datetime | None:
    """The moment in UTC, None where the text is none."""
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
