"""Packs the data block into the page: small things as JSON, columns of numbers and texts as bytes."""

import base64
import json
import operator
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

import msgspec

from scanner.model.message import Message, message_text
from scanner.report.html.stored_columns import COLUMNS, ByteColumn, FirstTexts, LongText, NumberColumn
from scanner.store.spool import Spool

Columns = dict[str, Any]
Numbers: TypeAlias = "NumberColumn | array[int]"
_GZIP = 31
"""What zlib calls a window of 32 kB with the head and the tail of gzip."""
_encode = msgspec.json.Encoder(order="sorted", enc_hook=message_text).encode


class Differences:
    """A column of numbers, most of which rise, stored as differences: these are small and pack well."""

    def __init__(self, values: "array[int]") -> None:
        self._values = values

    def numbers(self) -> "array[int]":
        """Return the difference of each number to the one before it; of the first to 0."""
        return array("i", map(operator.sub, self._values, chain((0,), self._values)))


class Packer:
    """Packs a block as base64 of gzip: JSON in one line, then the columns as bytes, which the page need not parse.

    In the JSON a column of whole numbers is `at` (bytes after the line), `length` and `bytes` (of a number: 1, 2 or 4,
    signed, little endian), with `differences` where each number is the difference to the one before it. A column of
    texts is `at`, `length` (bytes of UTF-8) and `ends`, the column of their lengths in code units of UTF-16.
    """

    def __init__(self, block: Columns) -> None:
        self._block = block
        self._columns: list[Callable[[], Iterator[bytes]]] = []
        self._size = 0
        self._short = ByteColumn(Spool(COLUMNS))
        """The columns that were in memory."""
        self._encoder = msgspec.json.Encoder(order="sorted", enc_hook=self._store)

    def pack(self) -> Iterator[bytes]:
        """Yield the packed block in pieces. The same block gives the same text."""
        packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
        rest = b""
        for piece in chain(self._pieces(self._block), (b"\n",), self._numbers(), (None,)):
            packed = rest + (packer.flush() if piece is None else packer.compress(piece))
            whole = len(packed) if piece is None else len(packed) // 3 * 3
            rest = packed[whole:]
            yield base64.b64encode(packed[:whole])

    def _pieces(self, block: Columns) -> Iterator[bytes]:
        yield b"{"
        for at, name in enumerate(sorted(block)):
            yield b"%b%b:" % (b"," if at else b"", _encode(name))
            value = block[name]
            yield from self._pieces(value) if isinstance(value, dict) else (self._encoded(value),)
        yield b"}"

    def _encoded(self, value: Any) -> bytes:
        try:
            return self._encoder.encode(value)
        except UnicodeEncodeError:
            return json.dumps(msgspec.to_builtins(value, enc_hook=self._store), sort_keys=True).encode()

    def _store(self, column: "Numbers | Differences | FirstTexts | LongText | Message") -> Any:
        """Keep a column for the end of the block, and return what stands for it in the JSON."""
        if isinstance(column, Message):
            return str(column)
        if isinstance(column, FirstTexts):
            return list(column.texts()) if column.is_odd else self._store_texts(column)
        if isinstance(column, LongText):
            return [column.text()] if column.is_odd else self._store_text(column)
        if isinstance(column, Differences):
            return {**self._store_numbers(column.numbers()), "differences": True}
        return self._store_numbers(column)

    def _store_texts(self, column: FirstTexts) -> dict[str, Any]:
        at = self._keep(column.size, column.pieces)
        return {"at": at, "length": column.size, "ends": self._store_numbers(column.lengths())}

    def _store_text(self, column: LongText) -> dict[str, Any]:
        size = len(column.bytes)
        at = self._keep(size, column.bytes.pieces)
        return {"at": at, "length": size, "ends": self._store_numbers(array("i", [column.units]))}

    def _store_numbers(self, column: "Numbers") -> dict[str, int]:
        code = _narrowest(column)
        length, width = len(column), array(code).itemsize
        pieces = partial(_packed, column, code)
        if isinstance(column, array):
            start = len(self._short)
            for piece in pieces():
                self._short.append(piece)
            pieces = partial(self._short.pieces, start, length * width)
        return {"at": self._keep(length * width, pieces), "length": length, "bytes": width}

    def _keep(self, size: int, pieces: Callable[[], Iterator[bytes]]) -> int:
        """Add a column to the end of the block. Return where it is."""
        at, padding = self._size, -size % 4
        self._columns += (pieces, lambda: iter((bytes(padding),)))
        self._size += size + padding
        return at

    def _numbers(self) -> Iterator[bytes]:
        return chain.from_iterable(pieces() for pieces in self._columns)


def _narrowest(column: "Numbers") -> str:
    """Return the code of the narrowest numbers that hold those of a column."""
    if isinstance(column, NumberColumn):
        least, greatest = column.least, column.greatest
    else:
        least, greatest = min(column, default=0), max(column, default=0)
    bits = max(least if least >= 0 else ~least, greatest if greatest >= 0 else ~greatest).bit_length()
    return "b" if bits < 8 else "h" if bits < 16 else "i"


def _packed(column: "Numbers", code: str) -> Iterator[bytes]:
    """Yield the numbers of a column as little endian bytes."""
    for numbers in column.arrays() if isinstance(column, NumberColumn) else (column,):
        narrow = array(code, numbers)
        if sys.byteorder == "big":
            narrow.byteswap()
        yield narrow.tobytes()
