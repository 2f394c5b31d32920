"""Compressed data that somebody else may have written: bounded before it is unpacked.

A frame of Zstandard states its size and its window; neither is believed, because memory is taken for both.
"""

import io
from functools import partial
from typing import IO, BinaryIO, Final

import zstandard

WINDOW: Final = 1 << 27
"""The largest window: that of `zstd -22`. `zstd --long=31` has one of 2 GB."""
MOST_FILE: Final = 1 << 36
"""The most bytes of a file that is read line by line: those of the largest tenant, many times."""
_BLOCK: Final = 1 << 20


class UnpackedTooLarge(ValueError):
    """More bytes than a reader takes."""


def unpacked(packed: bytes, most: int) -> bytes:
    """Return what compressed data holds. Raise zstandard.ZstdError where it is none, and UnpackedTooLarge."""
    pieces, size = [], 0
    with zstandard.ZstdDecompressor(max_window_size=WINDOW).stream_reader(packed) as reader:
        for piece in iter(partial(reader.read, _BLOCK), b""):
            pieces.append(piece)
            size += len(piece)
            if size > most:
                raise UnpackedTooLarge(f"it has more than {most >> 20:,} MB")
    return b"".join(pieces)


def zstandard_reader(file: IO[bytes]) -> io.BufferedReader:
    """Return a compressed file for reading, of at most `MOST_FILE` bytes. Reading raises ZstdError, OSError."""
    zstd_decompression_reader = zstandard.ZstdDecompressor(max_window_size=WINDOW).stream_reader(
        file, read_across_frames=True
    )
    return bounded_reader(zstd_decompression_reader)


def bounded_reader(file: "IO[bytes] | BinaryIO") -> io.BufferedReader:
    """Return an unpacked file for reading that raises OSError beyond `MOST_FILE` bytes."""
    return io.BufferedReader(_Bounded(file), _BLOCK)


class _Bounded(io.RawIOBase):
    def __init__(self, file: "IO[bytes] | BinaryIO") -> None:
        self._file = file
        self._left = MOST_FILE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        text = self._file.read(len(buffer))
        self._left -= len(text)
        if self._left < 0:
            raise OSError(f"it has more than {MOST_FILE >> 30:,} GB, unpacked")
        buffer[: len(text)] = text
        return len(text)

    def close(self) -> None:
        self._file.close()
        super().close()
