"""The Norwegian catalogues have no word of banned_nb.toml outside of code and names."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

from scanner.report.language.translations import MESSAGES, RULES, WORDS
from tests.words.texts import ROOT

CODE = re.compile(
    r"Virtual Machine User Login|`[^`]*`|\{\w+(!\w)?\}|\b\w*[a-z][A-Z]\w*\b|\baz [a-z-]+( [a-z-]+)*|\b\w+[._]\w+\b"
)
SOFT_HYPHEN = "\u00ad"
TEXTS = (WORDS, RULES, MESSAGES)


@cache
def banned(name: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return each pattern for the catalogue `name`, with what to write."""
    rows = tomllib.loads((Path(__file__).parent / "banned_nb.toml").read_text("utf-8"))["banned"]
    of_this = [row for row in rows if name in row.get("files", TEXTS)]
    return tuple((re.compile(rf"\b(?:{row['pattern']})\b"), row["use"]) for row in of_this)


def translations(name: str) -> Iterator[str]:
    with (ROOT / "locale" / "nb" / "LC_MESSAGES" / f"{name}.po").open("rb") as file:
        for each in read_po(file, locale="nb"):
            if each.id:
                yield from [each.string] if isinstance(each.string, str) else each.string or ()


def hits(text: str, name: str) -> list[tuple[str, str]]:
    lower = CODE.sub(" ", text.replace(SOFT_HYPHEN, "")).lower()
    return [(match.group(), use) for pattern, use in banned(name) for match in pattern.finditer(lower)]


def test_no_banned_word_is_in_a_translation() -> None:
    assert [(name, text, hits(text, name)) for name in TEXTS for text in translations(name) if hits(text, name)] == []


def test_a_banned_word_is_found() -> None:
    assert hits("app uten plattform\u00adlogin", WORDS) == [("plattformlogin", "pålogging")]
    assert hits("Du kan", RULES) == [("du", "dere, deres")]
    assert hits("Slik leser du", WORDS) == []
    assert hits("Bruk AADLoginForWindows og `az login`.", RULES) == []
