"""Sorted rows come out as `sorted` has them, whether they are in memory or in the database."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.store.sorted_rows import Row, SortedRows, sort_key


@pytest.mark.parametrize("batch", [1, 7, 1000])
@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 2), st.binary(max_size=2), st.binary(max_size=2)), max_size=60))
def test_they_come_in_order(batch: int, added: list[Row]) -> None:
    rows = SortedRows(batch)
    for group, key, row in added:
        rows.add(key, row, group)
    in_order = sorted(added, key=lambda each: each[1])
    assert list(rows.all()) == added
    assert list(rows.in_order()) == [each[1:] for each in in_order]
    assert [added[at] for at in rows.order()] == in_order
    for wanted in {group for group, _, _ in added}:
        assert list(rows.of(wanted)) == [row for group, _, row in in_order if group == wanted]
    for at in {each[:2] for each in added}:
        assert rows.at(*at) == [row for *place, row in added if tuple(place) == at]
    assert rows.at(9, b"") == []


NAMES = st.lists(st.text(st.sampled_from("\0\1a\ud800\U0001f600"), max_size=3), min_size=2, max_size=2)


@settings(max_examples=300, deadline=None)
@given(st.lists(NAMES))
def test_keys_sort_as_their_texts(made: list[list[str]]) -> None:
    assert sorted(made, key=lambda each: sort_key(*each)) == sorted(made)
