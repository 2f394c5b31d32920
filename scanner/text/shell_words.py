"""The words of a command."""

import re
import shlex

_WORD = re.compile(r"""[ \t\r\n]*((?:[^ \t\r\n'"\\]+|'[^']*'|"[^"\\]*")+)[ \t\r\n]*""")
_PIECE = re.compile(r"""'([^']*)'|"([^"]*)"|([^'"]+)""")


def shell_words(command: str) -> list[str]:
    """Return the words of a command, as `shlex.split` does.

    That reads letter by letter, which took a twentieth of the time of an evaluation. Raise ValueError where a quote
    is not closed.
    """
    words: list[str] = []
    position = 0
    while position < len(command):
        found = _WORD.match(command, position)
        if found is None:
            return shlex.split(command)
        word = found[1]
        is_plain = "'" not in word and '"' not in word
        words.append(
            word if is_plain else "".join(filter(None, (one for each in _PIECE.findall(word) for one in each)))
        )
        position = found.end()
    return words
