"""Columns give back what went in, from memory and from a file, and tables of texts number them as they come."""

from array import array
from functools import partial
from io import BytesIO

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.report.html import data_block, index_tables, resource_table, stored_columns
from scanner.report.html.index_tables import HashedNumbers, StoredTexts
from scanner.report.html.rendering import write_html
from scanner.report.html.stored_columns import ByteColumn, LongText, NumberColumn, TextColumn
from scanner.report.views import summary
from scanner.store import spool as spools
from scanner.store.sorted_rows import SortedRows
from scanner.store.spool import Spool
from tests.report import sample

ANY = st.text(st.sampled_from("\0a\u00e9\u20ac\ud800\udc00\U0001f600"), max_size=5)
"""Texts, also with halves of surrogate pairs."""


@pytest.fixture(params=[0, 200, 1 << 20], ids=["file", "both", "memory"])
def spool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Spool:
    """A spool of blocks of 64 bytes, so many of which are in memory."""
    monkeypatch.setattr(stored_columns, "BLOCK", 64)
    monkeypatch.setattr(spools, "SMALL", 0)
    return Spool(request.param)


def test_bytes_are_read_from_any_place(spool: Spool) -> None:
    column, data = ByteColumn(spool), bytes(range(256)) * 2
    for start in range(0, len(data), 50):
        column.append(data[start : start + 50])
    assert b"".join(column.pieces()) == data
    assert len(column) == len(data)
    for start, end in ((0, 0), (0, 64), (3, 60), (60, 70), (100, 400), (500, 512), (512, 512)):
        assert column.read(start, end) == data[start:end]
        assert b"".join(column.pieces(start, end - start)) == data[start:end]


def test_numbers_come_back(spool: Spool) -> None:
    column, numbers = NumberColumn(spool), [7, -5, 1 << 30, *range(90)]
    for chunk in (numbers[:3], [], numbers[3:]):
        column.extend(chunk)
    assert list(column) == numbers
    assert [column[at] for at in range(len(column))] == numbers
    assert (column.least, column.greatest) == (-5, 1 << 30)
    assert array("i", column) == array("i", numbers)


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(ANY, max_size=40), first=st.integers(0, 40))
def test_texts_come_back(texts: list[str], first: int) -> None:
    column, long = TextColumn(Spool(0), is_read=True), LongText(Spool(0))
    for text in texts[:first]:
        column.append(text)
    first_texts = column.so_far()
    for text in texts[first:]:
        column.append(text)
        long.append(text)
    assert [column.text(at) for at in range(len(column))] == texts
    assert list(first_texts.texts()) == texts[:first]
    assert list(column.so_far().texts()) == texts
    assert list(first_texts.lengths()) == [
        len(each.encode("utf-16-le", "surrogatepass")) // 2 for each in texts[:first]
    ]
    assert first_texts.is_odd == any("\ud800" <= letter <= "\udfff" for letter in "".join(texts[:first]))
    assert long.text() == "".join(texts[first:])
    if not first_texts.is_odd:
        assert b"".join(first_texts.pieces()).decode() == "".join(texts[:first])


def test_texts_are_numbered_as_they_come(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_tables, "_RECENT", 500)
    table, texts = StoredTexts(spool), ["", *(f"text {number}" for number in range(3000))]
    assert [table[text] for text in texts] == list(range(len(texts)))
    assert [table[text] for text in reversed(texts)] == list(reversed(range(len(texts))))
    assert len(table.column) == len(texts)


def test_numbers_with_one_hash_are_told_apart() -> None:
    numbers = HashedNumbers()
    for number in range(1500):
        numbers.add((number % 3) << 70 | 0xFFFFFFFF, number)
    assert sorted(numbers.find(0xFFFFFFFF)) == list(range(1500))
    assert numbers.find(1) == []


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly nothing of a report is in memory."""
    monkeypatch.setattr(stored_columns, "BLOCK", 64)
    monkeypatch.setattr(stored_columns, "_AT_ONCE", 3)
    monkeypatch.setattr(spools, "SMALL", 0)
    monkeypatch.setattr(data_block, "COLUMNS", 0)
    monkeypatch.setattr(data_block, "SortedRows", partial(SortedRows, 10))
    monkeypatch.setattr(summary, "SortedRows", partial(SortedRows, 10))
    monkeypatch.setattr(resource_table, "_IDS", 0)
    monkeypatch.setattr(resource_table, "_RECENT", 2)
    monkeypatch.setattr(index_tables, "_RECENT", 500)


@pytest.mark.parametrize("large", [1, 5_000])
def test_a_report_is_the_same_from_files(
    large: int, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(data_block, "LARGE", large)
    document = sample.typed(sample.with_history(300))
    expected, result = BytesIO(), BytesIO()
    write_html(document, expected)
    request.getfixturevalue("small")
    write_html(document, result)
    assert result.getvalue() == expected.getvalue()


NAMES = st.text(st.sampled_from("\0\1/Aa\ud800\U0001f600"), max_size=2)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(NAMES, NAMES, st.lists(NAMES, max_size=3), st.sampled_from(["low", "high", None]))))
def test_findings_are_sorted_as_their_parts(made: list[tuple[str, str, list[str], str | None]]) -> None:
    first = sample.typed(sample.document(12)).findings[0]
    rows = [
        msgspec.structs.replace(first, rule=rule, resource=id, endpoints=endpoints, severity=severity)
        for rule, id, endpoints, severity in made
    ]
    ranks = {"high": 0, "low": 1, None: 2}
    expected = sorted(rows, key=lambda row: (ranks[row.severity], row.rule, row.resource.lower(), row.endpoints))
    assert list(summary.ordered_findings(rows)) == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(NAMES, NAMES, NAMES)))
def test_endpoints_are_sorted_as_their_parts(made: list[tuple[str, str, str]]) -> None:
    first = sample.typed(sample.document(12)).exposures[0]
    rows = [msgspec.structs.replace(first, resource=id, endpoint=name, address=host) for id, name, host in made]
    expected = sorted(rows, key=lambda row: (row.resource.lower(), row.endpoint, row.address))
    assert list(summary.ordered_exposures(rows)) == expected
