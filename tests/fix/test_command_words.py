"""The words of a command are those of `shlex`."""

import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanner.fix.command_words import words_in

PIECES = st.sampled_from(
    ["az", " ", "  ", "\t", "\n", "\u3000", "\x0b", "'", '"', "\\", "#", "--set", "a b", "''", "é", "$x", "=", "{"]
)
WORDS = st.lists(st.text(max_size=6), max_size=6)


def expected(command: str) -> tuple[str, ...] | None:
    try:
        return tuple(shlex.split(command))
    except ValueError:
        return None


@given(st.lists(PIECES, max_size=10).map("".join))
@example("az resource update --ids /a/b --set 'properties.a={\"b\": 1}'")
@example("az x --name 'it'\"'\"'s'")
@example('az x "a\\"b"')
@example("az x 'open")
def test_words_are_those_of_a_shell(command: str) -> None:
    if (words := expected(command)) is not None:
        assert words_in(command) == words
    else:
        with pytest.raises(ValueError, match="No "):
            words_in(command)


@given(WORDS)
def test_quoted_words_come_back(words: list[str]) -> None:
    assert words_in(shlex.join(words)) == tuple(words)


def test_quoted_names_are_not_read_letter_by_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["az", "it's", "two words", '{"a": "b"}', "", "--set"]
    command = shlex.join(words)
    monkeypatch.delattr(shlex, "split")
    assert words_in(command) == tuple(words)
