"""The words of a command are those of `shlex`, whichever way they are read."""

import shlex

from hypothesis import given
from hypothesis import strategies as st

from scanner.fix.command_words import words_in

LETTERS = st.text(st.sampled_from("az/ '\"\\=#$\n\té&{"), max_size=12)


@given(st.one_of(LETTERS, st.lists(st.text(max_size=6), min_size=1).map(shlex.join)))
def test_words_are_those_of_a_shell(command: str) -> None:
    try:
        expected: tuple[str, ...] | None = tuple(shlex.split(command))
    except ValueError:
        expected = None
    try:
        result: tuple[str, ...] | None = words_in(command)
    except ValueError:
        result = None
    assert result == expected
