"""The work of an evaluation per row of its document is the same in a small estate and in a large one.

Work is counted in executed lines of the package, so that no clock decides.
"""

import sys
from collections import Counter
from types import CodeType, FrameType
from typing import Any

import pytest

from scanner.document.schema import ExposureRow
from scanner.document.writer import Writer
from scanner.evaluate.run import Evaluation
from scanner.rulebook import loader
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import of_store
from tests.benchmarks.shapes import SHAPES, store_of

SMALL, LARGE = 8, 32
MOST_GROWTH = 1.10


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return loader.load(packages=False)


class LineCount:
    """Counts the lines that run while it is active, by function. Also each round of a comprehension is a line."""

    def __init__(self) -> None:
        self.by_code: Counter[CodeType] = Counter()

    def __enter__(self) -> "LineCount":
        self._before = sys.gettrace()
        sys.settrace(lambda frame, event, argument: self._line)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._before)

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.by_code[frame.f_code] += 1
        return self._line


class CountingWriter(Writer):
    """A writer that counts the endpoints."""

    endpoints = 0

    def exposure(self, row: ExposureRow) -> None:
        self.endpoints += 1
        super().exposure(row)


def work(shape: str, count: int, rules: RuleSet) -> tuple[float, float]:
    """Return the lines per resource, and per row: a resource or an endpoint of one."""
    snapshot, writer = of_store(store_of(SHAPES[shape](count))), CountingWriter()
    with LineCount() as lines:
        result = Evaluation(snapshot, rules).run(writer)
    writer.close()
    assert not result.crashes
    rows = result.counts.resources + writer.endpoints
    return lines.by_code.total() / result.counts.resources, lines.by_code.total() / rows


MANY_ROWS = ("hubs of one WAN, same addresses", "hubs without a WAN, same addresses", "interfaces without an address")
"""Shapes in which each firewall may lead to each machine, which is a row of the document for each pair."""


@pytest.mark.parametrize("shape", SHAPES)
def test_work_does_not_grow(shape: str, rules: RuleSet) -> None:
    of_rows = shape in MANY_ROWS
    small, large = (work(shape, count, rules)[of_rows] for count in (SMALL, LARGE))
    assert large <= small * MOST_GROWTH, f"{small:.0f} lines became {large:.0f}"
