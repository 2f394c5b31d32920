"""The texts of reports, summaries and notices in one language, with plurals, numbers and dates."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import rtoml

from scanner.content import content
from scanner.report.language.translations import WORDS, plural_categories, translations

ENGLISH = "en"
SETS = ("report", "summary", "notice", "concept")
"""The folders of `templates/` that have texts in `en.toml`."""
_FIELD = re.compile(r"\{(\w+)\}")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


class Words:
    """The texts of `templates/*/en.toml`, or their translations.

    `words("headline.open", 3)` picks the plural form for 3 and fills `{n}`; named values fill the other braces.
    Raises KeyError for a key that no file has.

    `catalogue`: those of the page, which its script uses too.
    """

    def __init__(self, language: str = ENGLISH) -> None:
        self.language = language
        sets = {name: _translated(source(name), language) for name in SETS}
        self.catalogue = sets["report"]
        self._texts = {key: text for texts in sets.values() for key, text in texts.items()}

    def __call__(self, key: str, count: int | None = None, **values: object) -> str:
        entry: Any = self._texts
        for segment in key.split("."):
            entry = entry[segment]
        if isinstance(entry, dict):
            entry = entry.get(self._category(count), entry["other"])
        if count is not None:
            values["n"] = self.number(count)
        # One pass: braces in a value, such as a name from Azure, are never filled.
        return _FIELD.sub(lambda hit: str(values.get(hit[1], hit[0])), str(entry))

    def _category(self, count: int | None) -> str:
        """Return the category of CLDR for a count: `one` for 1 in English."""
        if self.language == ENGLISH or count is None:
            return "one" if count == 1 else "other"
        from babel import Locale

        return str(Locale.parse(self.language).plural_form(count))

    def number(self, value: int) -> str:
        """Return 1204 as `1,204`."""
        if self.language == ENGLISH:
            return f"{value:,}"
        from babel.numbers import format_decimal

        return format_decimal(value, locale=self.language)

    def short(self, value: int) -> str:
        """Return 1234 as `1.2k`, rounded down, for a narrow place; below 1,000 the whole number."""
        if value < 1000:
            return str(value)
        unit, letter = (1000, "k") if value < 1_000_000 else (1_000_000, "M")
        tenths = value * 10 // unit
        text = f"{tenths // 10}.{tenths % 10}" if tenths < 100 else str(tenths // 10)
        if self.language != ENGLISH:
            from babel.numbers import get_decimal_symbol

            text = text.replace(".", get_decimal_symbol(self.language))
        return text + letter

    def date(self, iso: str) -> str:
        """Return an ISO 8601 time as `25 November 2026`, and any other text unchanged."""
        time = parse_time(iso)
        if time is None:
            return iso
        if self.language == ENGLISH:
            return f"{time.day} {_MONTHS[time.month - 1]} {time.year}"
        from babel.dates import format_date

        return format_date(time.date(), "long", locale=self.language)

    def date_and_time(self, iso: str) -> str:
        """Return an ISO 8601 time as `25 November 2026, 14:12 UTC`, and any other text unchanged."""
        time = parse_time(iso)
        return f"{self.date(iso)}, {time:%H:%M} {self('utc')}" if time else iso


def scanned(words: Words, taken: str, evaluated: str) -> str:
    """Return when a scan read Azure, and beside it when that was evaluated, "" where both are one run."""
    text = words.date_and_time(taken)
    return words("evaluated", taken=text, evaluated=words.date_and_time(evaluated)) if evaluated else text


@lru_cache
def source(name: str) -> Mapping[str, Any]:
    """Return the English texts of a set: a table of tables of texts, or of `one` and `other` where it has plurals."""
    texts: dict[str, Any] = rtoml.loads((content("templates") / name / "en.toml").read_text("utf-8"))
    return texts


def _translated(texts: Mapping[str, Any], language: str, above: str = "") -> dict[str, Any]:
    """Return texts with the translations that exist; plurals by the categories of the language."""
    if language == ENGLISH:
        return dict(texts)
    known = translations(language, WORDS)
    made: dict[str, Any] = {}
    for name, text in texts.items():
        key = f"{above}{name}"
        if isinstance(text, str):
            made[name] = known.get((key, text), (text,))[0]
        elif "other" not in text:
            made[name] = _translated(text, language, f"{key}.")
        else:
            forms = known.get((key, text["one"]))
            made[name] = {each: forms[at] for each, at in plural_categories(language).items()} if forms else text
    return made


def parse_time(iso: str) -> datetime | None:
    """Return an ISO 8601 time in UTC, None for any other text."""
    try:
        time = datetime.fromisoformat(iso)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
