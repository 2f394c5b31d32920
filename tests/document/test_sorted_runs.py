"""Byte strings sorted in runs come out as `sorted` has them, whether they are in memory or in a file."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.document.sorted_runs import SortedRuns


@pytest.mark.parametrize("in_memory", [0, 400, 1 << 20])
@settings(max_examples=50, deadline=None)
@given(keys=st.lists(st.binary(max_size=4), max_size=60))
def test_they_come_in_order(in_memory: int, keys: list[bytes]) -> None:
    runs = SortedRuns(in_memory)
    for key in keys:
        runs.add(key)
    assert list(runs.in_order()) == sorted(keys)


def test_a_run_is_read_in_parts() -> None:
    runs, keys = SortedRuns(100_000), [b"%d" % (at * 7919 % 5003) for at in range(5003)]
    for key in keys:
        runs.add(key)
    assert list(runs.in_order()) == sorted(keys)
