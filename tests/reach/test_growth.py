"""The work of an evaluation for each added row of its document is the same in a small estate and in a large one.

Work is counted in executed lines of `scanner.reach`, `scanner.evaluate` and `rules`, so that no clock decides.
"""

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

import rules as rule_files
import scanner
from scanner.document.schema import ExposureRow
from scanner.document.writer import Writer
from scanner.evaluate.run import Evaluation
from scanner.rulebook import loader
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import of_store
from tests.benchmarks.shapes import SHAPES, store_of
from tests.sampled import some

LAYERS: Final = ("reach", "evaluate", "rules")
PAIRS: Final = ("hubs without a WAN, same addresses", "interfaces without an address")
"""Shapes in which each firewall may lead to each machine, which is an endpoint of the document for each pair."""


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return loader.load(packages=False)


class LineCount:
    """Counts the lines that run while it is active, by part of the package. Each round of a comprehension is a line."""

    def __init__(self) -> None:
        self.by_layer: Counter[str] = Counter()
        self._layers: dict[str, str] = {}

    def __enter__(self) -> "LineCount":
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._before)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        file = frame.f_code.co_filename
        if file not in self._layers:
            above = Path(file).parent
            is_layer = above.parent == Path(scanner.__file__).parent or above == Path(rule_files.__file__).parent
            self._layers[file] = above.name if is_layer else ""
        return self._line if self._layers[file] in LAYERS else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.by_layer[self._layers[frame.f_code.co_filename]] += 1
        return self._line


class CountingWriter(Writer):
    """A writer that counts the endpoints."""

    endpoints = 0

    def exposure(self, row: ExposureRow) -> None:
        self.endpoints += 1
        super().exposure(row)


@dataclass(frozen=True)
class Work:
    """The lines of an evaluation by part of the package, and what it was for."""

    lines: Counter[str]
    resources: int
    endpoints: int

    def rows(self, shape: str) -> int:
        return self.resources + self.endpoints * (shape in PAIRS)


def work(shape: str, places: int, rules: RuleSet) -> Work:
    store, writer = store_of(SHAPES[shape](places)), CountingWriter()
    with LineCount() as lines:
        result = Evaluation(of_store(store), rules).run(writer)
    writer.close()
    assert not result.crashes
    return Work(lines.by_layer, result.counts.resources, writer.endpoints)


# Each line is counted, which makes it slow.
@pytest.mark.parametrize("shape", some(SHAPES, 4))
def test_work_does_not_grow(shape: str, rules: RuleSet) -> None:
    """The first place pays for what is done once; each other one costs the same."""
    small, large, most = (12, 36, 1.10) if shape in PAIRS else (15, 60, 1.05)
    one, few, many = (work(shape, places, rules) for places in (1, small, large))
    for layer in LAYERS:
        before, after = (
            (each.lines[layer] - one.lines[layer]) / (each.rows(shape) - one.rows(shape)) for each in (few, many)
        )
        assert after <= before * most, f"{before:.0f} lines of {layer} for an added row became {after:.0f}"
