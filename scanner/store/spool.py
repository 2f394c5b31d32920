"""Keeps bytes in memory up to a budget, beyond it in a temporary file: what was read, and columns of a report."""

from collections.abc import Iterable, Iterator
from typing import IO, Any

import msgspec

from scanner.store.temporary import file_of, read_at

MEMORY = 32 << 20
"""The bytes that one spool keeps in memory."""
SMALL = 1 << 10
"""Blocks of this size stay in memory, because their place in a file would take as much."""
_BLOCK_BYTES = 1 << 18
"""The size of a block of rows."""

Json = dict[str, Any]


class Block:
    """Bytes in a spool. They leave it when the block is no longer used."""

    __slots__ = ("_bytes", "_size", "_spool", "_start")

    def __init__(self, spool: "Spool", kept: bytes | None, start: int, size: int) -> None:
        self._spool = spool
        self._bytes = kept
        self._start = start
        self._size = size

    def __len__(self) -> int:
        return self._size

    @property
    def in_memory(self) -> bool:
        """Return whether the bytes are in memory."""
        return self._bytes is not None

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return the bytes, or `size` of them from `start` on."""
        size = self._size if size is None else size
        if self._bytes is not None:
            return self._bytes if size == self._size else self._bytes[start : start + size]
        return self._spool.from_file(self._start + start, size)

    def __del__(self) -> None:
        self._spool.release(self._size, in_memory=self.in_memory)


class Spool:
    """Bytes of many owners under one budget. `memory`: how many of them stay in memory."""

    def __init__(self, memory: int = MEMORY) -> None:
        self.memory = memory
        self._held = 0
        self._filed = 0
        self._file: IO[bytes] | None = None
        self._is_flushed = True

    def put(self, data: bytes) -> Block:
        """Keep bytes."""
        size = len(data)
        if size <= SMALL or self._held + size <= self.memory:
            self._held += size
            return Block(self, data, 0, size)
        if self._file is None:
            self._file = file_of(self)
        start = self._file.seek(0, 2)
        self._file.write(data)
        self._filed += size
        self._is_flushed = False
        return Block(self, None, start, size)

    @property
    def file_size(self) -> int:
        """Return the size of the temporary file."""
        return self._file.seek(0, 2) if self._file is not None else 0

    def from_file(self, start: int, size: int) -> bytes:
        """Return bytes of the file."""
        assert self._file is not None
        if not self._is_flushed:
            self._file.flush()
            self._is_flushed = True
        return read_at(self._file, start, size)

    def release(self, size: int, *, in_memory: bool) -> None:
        """Forget bytes. A file in which nothing is left is emptied."""
        if in_memory:
            self._held -= size
            return
        self._filed -= size
        # Closed: where blocks are collected together with their spool, the file is closed before them.
        if not self._filed and self._file is not None and not self._file.closed:
            self._file.truncate(0)


class SpooledRows:
    """JSON objects in a spool, in the order in which they were added. May be read more than once."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._blocks: list[Block] = []
        self._count = 0
        self.size = 0
        """The bytes of all objects, as JSON."""

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Json]:
        for block in self._blocks:
            for row in block.read().split(b"\n"):
                yield msgspec.json.decode(row)

    def add(self, rows: Iterable[Json]) -> None:
        """Add objects."""
        encoded: list[bytes] = []
        size = 0
        for row in rows:
            encoded.append(msgspec.json.encode(row))
            size += len(encoded[-1])
            if size > _BLOCK_BYTES:
                self._put(encoded)
                encoded, size = [], 0
        if encoded:
            self._put(encoded)

    def _put(self, encoded: list[bytes]) -> None:
        self._blocks.append(self._spool.put(b"\n".join(encoded)))
        self._count += len(encoded)
        self.size += len(self._blocks[-1])

    def take(self, others: "SpooledRows") -> None:
        """Add the objects of others."""
        self._blocks += others._blocks
        self._count += others._count
        self.size += others.size
