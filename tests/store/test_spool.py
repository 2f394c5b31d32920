"""The spool: what it returns is what was put, and what it holds in memory has a budget."""

import gc
import sys
import warnings

import pytest

from scanner.model.resource import Bundle
from scanner.snapshot.format import SnapshotLine
from scanner.snapshot.store import LineBuffer
from scanner.snapshot.stored import BundleFile
from scanner.store.spool import Spool, SpooledRows


@pytest.mark.usefixtures("new_objects_only")
def test_blocks_beyond_the_budget_are_in_the_file_and_come_back() -> None:
    spool = Spool(memory=10_000)
    data = [bytes([n]) * 4_000 for n in range(5)]
    blocks = [spool.put(each) for each in data]
    assert [each.read() for each in blocks] == data
    assert [each.in_memory for each in blocks] == [True, True, False, False, False]
    blocks.clear()
    gc.collect()
    assert spool.put(data[0]).in_memory


def test_a_file_that_is_not_used_any_more_is_emptied() -> None:
    spool = Spool(memory=0)
    first = spool.put(b"a" * 5_000)
    assert spool.file_size == 5_000
    del first
    assert spool.file_size == 0
    assert spool.put(b"b" * 5_000).read() == b"b" * 5_000


class Cycle:
    """What refers to itself: collected by the collector alone, in no particular order."""

    def __init__(self, *kept: object) -> None:
        self.kept = (self, *kept)


@pytest.mark.usefixtures("new_objects_only")
def test_files_are_closed_where_they_are_collected_in_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    spool, bundles = Spool(memory=0), BundleFile(None)
    block = spool.put(b"a" * 5_000)
    stored = bundles.put(Bundle("/subscriptions/one"))
    spool.cycle = bundles.cycle = Cycle(spool, block, bundles, stored)  # type: ignore[attr-defined]
    del spool, block, bundles, stored
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        gc.collect()
    assert told == []


def test_rows_and_lines_keep_their_order() -> None:
    spool = Spool(memory=0)
    rows = SpooledRows(spool)
    made = [{"n": n, "text": "line\nend" * 5_000} for n in range(20)]
    rows.add(made[:7])
    rows.add([])
    rows.add(made[7:])
    assert (list(rows), list(rows), len(rows)) == (made, made, 20)
    buffer = LineBuffer(spool)
    for row in made:
        buffer.add(SnapshotLine(resource=row))
    assert [line.resource for line in buffer] == made
    buffer.clear()
    assert buffer.lines == []
