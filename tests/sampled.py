"""Samples of what takes long: `make test` tries some of it, `make test-all` all."""

import os
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")
VARIABLE = "TWOLOCKS_TEST_ALL"


def is_whole() -> bool:
    """Return whether everything is tried."""
    return bool(os.environ.get(VARIABLE))


def some(every: Iterable[T], most: int) -> list[T]:
    """Return at most so many of these, evenly spread, in their order; all of them where the variable is set."""
    found = list(every)
    if is_whole() or len(found) <= most:
        return found
    return [found[place * len(found) // most] for place in range(most)]


def rate(whole: float, part: float) -> float:
    """Return the share that is tried of a random choice: `whole` where the variable is set, else `part`."""
    return whole if is_whole() else part
