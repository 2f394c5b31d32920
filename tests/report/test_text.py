"""Foreign text is made visible and inert."""

import pytest

from scanner.report.text import escaped, has_invisible, plain, split_fix


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


@pytest.mark.parametrize(
    ("fix", "sentence", "command"),
    [
        ("az acr update --admin-enabled false", "", "az acr update --admin-enabled false"),
        ("Cannot be closed on Basic. Move to Premium: az x", "Cannot be closed on Basic. Move to Premium.", "az x"),
        ("Ask the owner.", "Ask the owner.", ""),
        (None, "", ""),
    ],
)
def test_a_fix_is_a_sentence_a_command_or_both(fix: str | None, sentence: str, command: str) -> None:
    assert split_fix(fix) == (sentence, command)
