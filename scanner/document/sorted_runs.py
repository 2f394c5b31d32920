"""Byte strings sorted in runs, which are in a temporary file: however many there are, they take little memory."""

import heapq
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import IO

import msgspec

from scanner.document.temporary import file_of, read_at

_IN_MEMORY = 32 << 20
"""The bytes of a run, which is in memory until it is full."""
_AT_ONCE = 256
"""How many byte strings of a run are read at once."""
_OVERHEAD = 50
"""The bytes that Python needs for a byte string, beside its own."""
_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(list[bytes]).decode


class SortedRuns:
    """Sorts byte strings. `in_memory`: how many bytes of them are in memory before they are in a file."""

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._waiting: list[bytes] = []
        self._size = 0
        self._file: IO[bytes] | None = None
        self._runs: list[list[tuple[int, int]]] = []
        """Where the parts of each run are in the file: start and size."""

    def add(self, key: bytes) -> None:
        """Add a byte string."""
        self._waiting.append(key)
        self._size += len(key) + _OVERHEAD
        if self._size >= self._in_memory:
            self._store()

    def _store(self) -> None:
        """Put what is in memory into the file, which is made where there is none."""
        if self._file is None:
            self._file = file_of(self)
        keys, at, run = sorted(self._waiting), self._file.tell(), []
        for first in range(0, len(keys), _AT_ONCE):
            chunk = _encode(keys[first : first + _AT_ONCE])
            self._file.write(chunk)
            run.append((at, len(chunk)))
            at += len(chunk)
        self._runs.append(run)
        self._waiting, self._size = [], 0

    def in_order(self) -> Iterator[bytes]:
        """Yield every byte string, the least first. Called once all are added."""
        self._waiting.sort()
        if self._file is None:
            yield from self._waiting
            return
        self._file.flush()
        runs = (chain.from_iterable(map(partial(_read_run, self._file), run)) for run in self._runs)
        yield from heapq.merge(*runs, self._waiting)


def _read_run(file: IO[bytes], span: tuple[int, int]) -> list[bytes]:
    return _decode(read_at(file, *span))
