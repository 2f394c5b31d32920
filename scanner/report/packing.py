"""Packs the data block into the page: small things as JSON, columns of numbers and texts as bytes."""

import base64
import json
import operator
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec

Columns = dict[str, Any]
_GZIP = 31
"""What zlib calls a window of 32 kB with the head and the tail of gzip."""
_encode = msgspec.json.Encoder(order="sorted").encode


class PackedTexts:
    """A column of texts."""

    def __init__(self, values: Iterable[Any]) -> None:
        self.values: list[str] = list(values)

    def encoded(self) -> bytes | None:
        """Return the texts as UTF-8, None where one has half a surrogate pair, which UTF-8 cannot write."""
        try:
            return "".join(self.values).encode()
        except UnicodeEncodeError:
            return None

    def lengths(self) -> "array[int]":
        """Return the length of each text in code units of UTF-16, as scripts count."""
        return array("i", [len(each) if each.isascii() else len(each.encode("utf-16-le")) // 2 for each in self.values])


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
        self._columns: list[bytes] = []
        self._size = 0
        self._encoder = msgspec.json.Encoder(order="sorted", enc_hook=self._place)

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
            return json.dumps(msgspec.to_builtins(value, enc_hook=self._place), sort_keys=True).encode()

    def _place(self, column: "array[int] | PackedTexts | Differences") -> Any:
        """Keep a column for the end of the block, and return what stands for it in the JSON."""
        if isinstance(column, PackedTexts):
            return self._place_texts(column)
        if isinstance(column, Differences):
            return {**self._place_numbers(column.numbers()), "differences": True}
        return self._place_numbers(column)

    def _place_texts(self, column: PackedTexts) -> Any:
        text = column.encoded()
        if text is None:
            return column.values
        return {"at": self._keep(text), "length": len(text), "ends": self._place_numbers(column.lengths())}

    def _place_numbers(self, column: "array[int]") -> dict[str, int]:
        narrow = next(filter(None, (_narrow(column, code) for code in "bh")), column)
        if sys.byteorder == "big":
            narrow.byteswap()
        return {"at": self._keep(narrow.tobytes()), "length": len(narrow), "bytes": narrow.itemsize}

    def _keep(self, column: bytes) -> int:
        """Add a column to the end of the block. Return where it is."""
        at = self._size
        self._columns.append(column + bytes(-len(column) % 4))
        self._size += len(self._columns[-1])
        return at

    def _numbers(self) -> Iterator[bytes]:
        yield from self._columns


def _narrow(column: "array[int]", code: str) -> "array[int] | None":
    """Return a column in fewer bytes, None where its numbers do not fit."""
    try:
        return array(code, column)
    except OverflowError:
        return None
