"""Foreign text is made visible and inert."""

import pytest

from scanner.document.schema import EndpointRow, FieldRow, FixRow
from scanner.report.language.text import effect, escaped, field_lines, has_invisible, split_fix
from scanner.report.language.words import Words
from scanner.text.invisible import plain


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("stjournal", "<bdi>stjournal</bdi>"),
        ("a\u202eb", '<bdi>a<span class="hid">U+202E</span>b</bdi>'),
        ("<b>&\"'", "<bdi>&lt;b&gt;&amp;&#34;&#39;</bdi>"),
        ("\x00", '<bdi><span class="hid">U+0000</span></bdi>'),
        ("\U000e0041", '<bdi><span class="hid">U+E0041</span></bdi>'),
        ("\ud800", '<bdi><span class="hid">U+D800</span></bdi>'),
        ("العربية æøå", "<bdi>العربية æøå</bdi>"),
    ],
)
def test_markup(text: str, markup: str) -> None:
    assert escaped(text) == markup


def test_places_without_markup() -> None:
    assert plain("a\u200bb\n") == "a[U+200B]b[U+000A]"


def test_what_is_invisible() -> None:
    assert has_invisible("a\u2066b")
    assert not has_invisible("a b'\"<>")


RANGE = FieldRow("YOUR_RANGE", "the range that stays")
OTHERS = [EndpointRow("/b", "c"), EndpointRow("/b", "d")]


@pytest.mark.parametrize(
    ("fix", "endpoint", "text"),
    [
        (None, "", ""),
        (FixRow(commands=["az x"]), "blob", ""),
        (FixRow(closes=["a"]), "", "Closes 1 endpoint."),
        (
            FixRow(closes=["a", "b"], leaves=["c"]),
            "a",
            "Closes this endpoint; also closes 1 other; leaves 1 other open.",
        ),
        (FixRow(closes=["b"], leaves=["c", "d"]), "", "Closes 1 endpoint; leaves 2 open."),
        (FixRow(leaves=["c"]), "c", "Fixes one lock; the other is still open."),
        (FixRow(closes=["a"], also_closes=OTHERS), "a", "Closes this endpoint; also closes 2 others."),
        (
            FixRow(closes=["a"], also_closes_count=734, also_closes=OTHERS),
            "a",
            "Closes this endpoint; also closes 734 others (the JSON lists the first 2).",
        ),
    ],
)
def test_a_fix_says_what_it_closes(fix: FixRow | None, endpoint: str, text: str) -> None:
    assert effect(fix, Words(), endpoint) == text


def test_a_fix_has_steps_commands_and_lines_for_its_fields() -> None:
    fix = FixRow(commands=["az x <YOUR_RANGE>"], steps=["First.", "Then."], fields=[RANGE])
    assert split_fix(fix) == ("First. Then.", ["az x <YOUR_RANGE>"])
    assert field_lines(fix) == ["<YOUR_RANGE>: the range that stays"]
