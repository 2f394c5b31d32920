"""The words of a command, as a POSIX shell reads it."""

import re
import shlex
from functools import lru_cache
from typing import Final

_PIECE: Final = re.compile(r"([ \t\r\n]+)|([^ \t\r\n'\"\\]+)|'([^']*)'|\"([^\"\\]*)\"")
"""Blanks, or a part of a word: plain, in single quotes, or in double quotes without an escape."""


@lru_cache(maxsize=256)
def words_in(command: str) -> tuple[str, ...]:
    """Return what `shlex.split` returns. Raises ValueError as it does.

    That reads letter by letter, which takes as long as the verdict that a command answers.
    """
    words: list[str] = []
    word: str | None = None
    end = 0
    for piece in _PIECE.finditer(command):
        if piece.start() != end:
            break
        end = piece.end()
        if piece.lastindex != 1:
            word = (word or "") + piece[piece.lastindex or 0]
        elif word is not None:
            words.append(word)
            word = None
    if end != len(command):
        return tuple(shlex.split(command))
    return (*words, word) if word is not None else tuple(words)
