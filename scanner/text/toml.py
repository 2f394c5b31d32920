"""TOML texts that other people wrote: parsed in bounded time, however deep they are."""

import re
import tomllib
from typing import Any

LEVELS = 100
"""More parts than any key of our files has. The time of a parser grows with the square of this number."""
_DEEP = re.compile(rf"""(?<![\w.-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){{{LEVELS}}}""")


class NestedTooDeeply(tomllib.TOMLDecodeError):
    """A key of too many parts, or too many values inside each other."""


def toml_tables(text: str) -> dict[str, Any]:
    """Return what a text says. Raise TOMLDecodeError, NestedTooDeeply where it is too deep."""
    check_depth(text)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise NestedTooDeeply("Values are nested too deeply (at line 1, column 1)") from None
    except ValueError as error:
        if isinstance(error, tomllib.TOMLDecodeError):
            raise
        raise tomllib.TOMLDecodeError("A number has too many digits (at line 1, column 1)") from None


def check_depth(text: str) -> None:
    """Raise NestedTooDeeply where a key has more than LEVELS parts."""
    # A key is on one line. Counting dots is 50 times faster than the pattern.
    if all(line.count(".") < LEVELS for line in text.split("\n") if len(line) >= LEVELS):
        return
    if found := _DEEP.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise NestedTooDeeply(f"A key has more than {LEVELS} parts (at line {line}, column 1)")
