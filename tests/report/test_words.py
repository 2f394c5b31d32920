"""The catalogue: every word that is asked for is there, and none is there for nothing."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import pytest

from scanner.content import content
from scanner.report.html.rendering import render
from scanner.report.language.words import SETS, Words, parse_time, source
from tests.report import sample

FOLDER = content("templates") / "report"
SOURCES = [
    *FOLDER.glob("*.js"),
    *FOLDER.glob("*.j2"),
    *FOLDER.parent.glob("*.j2"),
    *(content("templates").parent / "scanner" / "report").rglob("*.py"),
    *(content("templates").parent / "scanner" / "notify").rglob("*.py"),
    content("templates").parent / "scanner" / "reach" / "paths" / "front_ends.py",  # the kinds of front ends
]
TEXT = "\n".join(path.read_text("utf-8") for path in SOURCES)


def flat(entry: Mapping[str, Any], prefix: str = "") -> list[str]:
    keys = []
    for key, value in entry.items():
        if isinstance(value, dict) and set(value) != {"one", "other"}:
            keys += flat(value, f"{prefix}{key}.")
        else:
            keys.append(prefix + key)
    return keys


KEYS = [key for name in SETS for key in flat(source(name))]


def test_every_word_that_is_asked_for_is_there() -> None:
    asked = set(re.findall(r"""\b(?:t|words|titled|heading|lazyDetails)\(\s*["']([a-z_]+(?:\.[a-z_-]+)?)["']""", TEXT))
    whole = {key for key in asked if not key.endswith(".")}
    assert len(whole) > 100
    assert whole - set(KEYS) == set()


def test_no_word_is_there_for_nothing() -> None:
    def used(key: str) -> bool:
        group, _, name = key.rpartition(".")
        is_built = f'{group}."' in TEXT or f"{group}.{{" in TEXT
        is_named = name in TEXT or name.replace("_", "-") in TEXT
        return key in TEXT or group in ("group", "sort") or (is_built and is_named)

    assert [key for key in KEYS if not used(key)] == []


@pytest.mark.parametrize(("count", "text"), [(0, "0 checks"), (1, "1 check"), (2, "2 checks"), (1204, "1,204 checks")])
def test_units_are_spelled_with_their_number(count: int, text: str) -> None:
    assert Words()("count.checks", count) == text


def test_dates_are_written_in_utc() -> None:
    words = Words()
    assert words.date_and_time("2026-11-25T14:12:03Z") == "25 November 2026, 14:12 UTC"
    assert words.date_and_time("2026-11-25T15:12:03+01:00") == "25 November 2026, 14:12 UTC"
    assert words.date("yesterday") == "yesterday"
    for text in ("", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-13-01T00:00:00Z"):
        assert parse_time(text) is None


def test_an_unknown_word_is_an_error() -> None:
    with pytest.raises(KeyError):
        Words()("headline.nothing")


def test_the_legend_and_the_page_of_concepts_say_the_same() -> None:
    """The legend was written by hand: it said "Both locks are closed" where the page says what may be missing."""
    page = (content("templates").parent / "docs" / "concepts.md").read_text("utf-8")
    marks = re.compile(r"[*`]|</?(?:code|em|strong)>")
    shown = render(sample.typed(sample.document(5)), Words())
    legend = shown[shown.index('<dialog id="legend"') :].partition("</dialog>")[0]
    terms = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", legend)
    assert len(terms) > 30
    for word, text in terms:
        name, message = unescape(re.sub(r"<.*?>", "", word)), marks.sub("", unescape(text))
        rows = [[cell.strip() for cell in line.split("|")] for line in marks.sub("", page).splitlines()]
        assert any(name in row and message in row for row in rows) or name == "open", name
    whole = " ".join(marks.sub("", page).split())
    assert all(marks.sub("", unescape(each)) in whole for each in re.findall(r"<p>(.*?)</p>", legend)[1:])
    table = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", legend)
    lines = [
        f"| {name} | {' | '.join(each.lower() for each in re.findall(r'</svg>(.*?)</span>', cells))} |"
        for name, cells in table
    ]
    assert len(lines) == 6
    assert all(line in page for line in lines)
