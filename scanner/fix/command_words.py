"""The words of a command, as a POSIX shell reads it."""

import shlex
from functools import lru_cache


@lru_cache(maxsize=256)
def words_in(command: str) -> tuple[str, ...]:
    """Return the words of a command. The commands of a finding are asked for several times. Raises ValueError."""
    return tuple(shlex.split(command))
