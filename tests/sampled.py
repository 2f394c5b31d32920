"""Samples of what takes long: `make test` tries some of it, `make test-all` all."""

import os
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")
VARIABLE = "TWOLOCKS_TEST_ALL"


def some(every: Iterable[T], most: int) -> list[T]:
    """Return at most so many of these, evenly spread, in their order; all of them where the variable is set."""
    found = list(every)
    if os.environ.get(VARIABLE) or len(found) <= most:
        return found
    return [found[place * len(found) // most] for place in range(most)]
