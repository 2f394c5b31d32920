"""Reads a findings document row by row, so that a large one never stands whole in memory.

`Writer` writes one row a line. `open_document` reads a file of that form once: it checks every row, and keeps where it
stands. A row is decoded again whenever it is used, which costs a few microseconds.
"""

import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from typing import IO, Any, TypeVar, overload

import msgspec

from scanner.document.capacity_rows import CapacityRow
from scanner.document.framework_rows import FrameworkRow
from scanner.document.key_rows import KeyRow
from scanner.document.numbers import NumbersRow
from scanner.document.schema import (
    SCHEMA,
    ChangesRow,
    Coverage,
    DataPlaceRow,
    Document,
    ExposureRow,
    FindingRow,
    GapRow,
    ResourceRow,
    RuleRow,
    ScanRow,
)
from scanner.document.words import check_rest, check_words

_FIRST_LINE = b'{"schema": "%s",\n' % SCHEMA.encode()
_LAST_SECTIONS: dict[str, Any] = {
    "changes": ChangesRow,
    "numbers": NumbersRow,
    "frameworks": list[FrameworkRow],
    "templates": dict[str, str],
}
"""The parts after `coverage`, in their order; each may be missing."""
_AT_ONCE = 1 << 18
"""Bytes that are read at once where rows are used in their order."""
_Row = TypeVar("_Row")
_Decode = Callable[[bytes], _Row]


class _OtherForm(Exception):
    """The file is not written one row a line."""


class RowSequence(Sequence[_Row]):
    """The rows of a list of a file, decoded when they are used; the file must stay open and unchanged."""

    def __init__(
        self, number: int, starts: "array[int]", decode: _Decode[_Row], decode_all: _Decode[Iterable[_Row]]
    ) -> None:
        self._number = number
        self._starts = starts
        """Where each row begins; the last element is where the last row ends."""
        self._decode = decode
        self._decode_all = decode_all

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, at: int) -> _Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[_Row]: ...
    def __getitem__(self, at: int | slice) -> _Row | list[_Row]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        at = range(len(self))[at]
        start, end = self._starts[at], self._starts[at + 1]
        return self._decode(_row(_read(self._number, start, end)))

    def __iter__(self) -> Iterator[_Row]:
        starts, first = self._starts, 0
        while first < len(self):
            last = max(first + 1, bisect_right(starts, starts[first] + _AT_ONCE) - 1)
            yield from self._decode_all(_row(_read(self._number, starts[first], starts[last])))
            first = last


class RowMapping(Mapping[str, _Row]):
    """The rows of an object of a file by their keys, decoded when they are used. Of a key its hash alone is in memory.

    `hashes`: those of the keys in lower case, in the order of the rows.
    """

    def __init__(self, hashes: "array[int]", rows: RowSequence[dict[str, _Row]]) -> None:
        self._rows = rows
        order = sorted(range(len(hashes)), key=hashes.__getitem__)
        self._hashes = array("q", map(hashes.__getitem__, order))
        self._positions = array("q", order)
        self._refuse_twice()

    def _refuse_twice(self) -> None:
        """Raise _OtherForm where a key stands twice."""
        hashes = self._hashes
        for at in range(1, len(hashes)):
            if hashes[at] == hashes[at - 1]:
                same = range(bisect_left(hashes, hashes[at]), at + 1)
                if len({key for position in same for key in self._rows[self._positions[position]]}) < len(same):
                    raise _OtherForm

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[str]:
        return (key for row in self._rows for key in row)

    def __getitem__(self, key: str) -> _Row:
        for result in self._with_hash(hash(key.lower())):
            if key in result:
                return result[key]
        raise KeyError(key)

    def alike(self, key: str) -> tuple[str, _Row] | None:
        """Return the last key that is equal without case, and its row; None where there is none."""
        lower, last = key.lower(), None
        for result in self._with_hash(hash(lower)):
            last = next(((each, row) for each, row in result.items() if each.lower() == lower), last)
        return last

    def _with_hash(self, wanted: int) -> Iterator[dict[str, _Row]]:
        hashes = self._hashes
        at = bisect_left(hashes, wanted)
        while at < len(hashes) and hashes[at] == wanted:
            yield self._rows[self._positions[at]]
            at += 1

    def items(self) -> ItemsView[str, _Row]:
        return _Items(self)

    def values(self) -> ValuesView[_Row]:
        return _Values(self)

    def in_order(self) -> Iterator[tuple[str, _Row]]:
        """Yield keys and rows as they stand in the file, many of which are read at once."""
        for row in self._rows:
            yield from row.items()


class _Items(ItemsView[str, _Row]):
    def __init__(self, rows: RowMapping[_Row]) -> None:
        super().__init__(rows)
        self._rows = rows

    def __iter__(self) -> Iterator[tuple[str, _Row]]:
        return self._rows.in_order()


class _Values(ValuesView[_Row]):
    def __init__(self, rows: RowMapping[_Row]) -> None:
        super().__init__(rows)
        self._rows = rows

    def __iter__(self) -> Iterator[_Row]:
        return (row for _, row in self._rows.in_order())


def without_case(rows: Mapping[str, _Row]) -> Callable[[str], tuple[str, _Row] | None]:
    """Return a function that finds a key that is equal without case, the last one, and its row."""
    if isinstance(rows, RowMapping):
        return rows.alike
    keys = {key.lower(): key for key in rows}

    def alike(key: str) -> tuple[str, _Row] | None:
        first = keys.get(key.lower())
        return None if first is None else (first, rows[first])

    return alike


def open_document(file: IO[bytes], read: Callable[[int], object] = lambda size: None) -> Document | None:
    """Return the document of an open file, whose rows are read when they are used.

    None where it is not of the form of `Writer`, or not a findings document of this schema. `read` is called
    with the number of bytes that were read.
    """
    try:
        return _Parser(file, read).document()
    except (_OtherForm, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _Parser:
    """Reads a file once, line by line."""

    def __init__(self, file: IO[bytes], read: Callable[[int], object]) -> None:
        self._file = file
        self._number = file.fileno()
        self._at = self._told = 0
        self._read = read

    def document(self) -> Document:
        self._file.seek(0)
        if self._line() != _FIRST_LINE:
            raise _OtherForm
        document = Document(
            schema=SCHEMA,
            scan=self._section(b'"scan": ', ScanRow),
            rules=dict(self._mapping("rules", RuleRow)),
            resources=self._mapping("resources", ResourceRow),
            exposures=self._rows("exposures", ExposureRow),
            findings=self._rows("findings", FindingRow),
            passed=self._mapping("passed", list[str]),
            not_applicable=self._mapping("not_applicable", dict[str, str]),
            reasons=self._mapping("reasons", dict[str, list[Any]]) if self._is_next("reasons") else {},
            places=self._rows("places", DataPlaceRow) if self._is_next("places") else (),
            keys=self._rows("keys", KeyRow) if self._is_next("keys") else (),
            capacity=self._rows("capacity", CapacityRow) if self._is_next("capacity") else (),
            gaps=list(self._rows("gaps", GapRow)),
            coverage=self._section(b'"coverage": ', Coverage),
        )
        line = b"" if self._ends else self._line()
        for name, type in _LAST_SECTIONS.items():
            key = b'"%b": ' % name.encode()
            if line.startswith(key):
                setattr(document, name, self._value(line, key, type))
                line = b"" if self._ends else self._line()
        if line or not self._ends:
            raise _OtherForm
        check_rest(document)
        return document

    def _is_next(self, name: str) -> bool:
        """Return whether the next part has this name: documents of earlier versions do not have all."""
        at = self._file.tell()
        head = b'"%b": ' % name.encode()
        result = self._file.read(len(head)) == head
        self._file.seek(at)
        return result

    def _line(self) -> bytes:
        line = self._file.readline()
        self._at += len(line)
        self._read(self._at)
        return line

    def _section(self, head: bytes, type: Callable[..., _Row]) -> _Row:
        """Return a part that is one line. `_ends` is then whether it is the last one."""
        return self._value(self._line(), head, type)

    def _value(self, line: bytes, head: bytes, type: Callable[..., _Row]) -> _Row:
        self._ends = line.endswith(b"}\n") and not self._file.read(1)
        end = -2
        if not line.startswith(head) or not (self._ends or line.endswith(b",\n")):
            raise _OtherForm
        row: _Row = msgspec.json.decode(line[len(head) : end], type=type)
        return row

    def _lines(self, name: str, brackets: bytes) -> Iterator[bytes]:
        """Return the rows of a section, each with its end of line."""
        if self._line() != b'"%s": %c\n' % (name.encode(), brackets[0]):
            raise _OtherForm
        return self._until(b"%c,\n" % brackets[1])

    def _until(self, closing: bytes) -> Iterator[bytes]:
        more, readline = None, self._file.readline
        while (line := readline()) != closing:
            if more is False or not line:
                raise _OtherForm
            more = line.endswith(b",\n")
            self._at += len(line)
            if self._at >= self._told + _AT_ONCE:
                self._told = self._at
                self._read(self._at)
            yield line
        self._at += len(line)
        if more:
            raise _OtherForm

    def _rows(self, name: str, type: Any) -> RowSequence[Any]:
        decode, decode_all = msgspec.json.Decoder(type).decode, msgspec.json.Decoder(list[type]).decode
        lines = self._lines(name, b"[]")
        starts = array("q", [self._at])
        for line in lines:
            check_words(decode(_row(line)), name)
            starts.append(self._at)
        return RowSequence(self._number, starts, decode, lambda rows: decode_all(b"[%b]" % rows))

    def _mapping(self, name: str, type: Any) -> RowMapping[Any]:
        decode = msgspec.json.Decoder(dict[str, type]).decode
        lines, hashes = self._lines(name, b"{}"), array("q")
        starts = array("q", [self._at])
        for line in lines:
            hashes.extend(hash(key.lower()) for key in _pair(decode, line))
            starts.append(self._at)
        rows = RowSequence(self._number, starts, lambda row: _pair(decode, row), lambda rows: [decode(b"{%b}" % rows)])
        return RowMapping(hashes, rows)


def _row(line: bytes) -> bytes:
    """Return one or more lines without the last end, and without the comma that parts them from the next one."""
    return line.rstrip(b"\n").removesuffix(b",")


def _pair(decode: _Decode[dict[str, _Row]], line: bytes) -> dict[str, _Row]:
    result = decode(b"{%b}" % _row(line))
    if len(result) != 1:
        raise _OtherForm
    return result


def _read(number: int, start: int, end: int) -> bytes:
    if hasattr(os, "pread"):
        text = os.pread(number, end - start, start)
    else:  # Windows
        os.lseek(number, start, os.SEEK_SET)
        text = os.read(number, end - start)
    if len(text) != end - start:
        raise OSError("the findings file changed while it was read")
    return text
