"""Samples of what takes long: `make test` tries some of it, `make test-all` all."""

import os
from collections.abc import Iterable
from typing import TypeVar

import pytest

T = TypeVar("T")
VARIABLE = "TWOLOCKS_TEST_ALL"


def is_all() -> bool:
    """Return whether everything is tried."""
    return bool(os.environ.get(VARIABLE))


def only_all(reason: str) -> pytest.MarkDecorator:
    """Leave a test to `make test-all`, for a reason."""
    return pytest.mark.skipif(not is_all(), reason=f"make test-all: {reason}")


def some(every: Iterable[T], most: int) -> list[T]:
    """Return at most so many of these, evenly spread, in their order; all of them where the variable is set."""
    ts = list(every)
    if is_all() or len(ts) <= most:
        return ts
    return [ts[position * len(ts) // most] for position in range(most)]
