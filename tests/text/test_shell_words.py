"""The words of commands are those of `shlex`."""

import shlex

from hypothesis import example, given
from hypothesis import strategies as st

from scanner.text.shell_words import shell_words

LETTERS = st.text(st.sampled_from("ab-=ø{}#$\u00a0\x0b \t\r\n'\"\\"), max_size=12)
QUOTED = st.lists(st.text(max_size=6).map(shlex.quote) | LETTERS, max_size=5).map(" ".join)


def words_or_error(split: object, command: str) -> object:
    try:
        return split(command)  # type: ignore[operator]
    except ValueError as error:
        return str(error)


@given(LETTERS | QUOTED)
@example("az x --set 'a=b c' \"d e\"'f' ''")
@example("it's")
@example("  ")
def test_words_are_those_of_shlex(command: str) -> None:
    assert words_or_error(shell_words, command) == words_or_error(shlex.split, command)
