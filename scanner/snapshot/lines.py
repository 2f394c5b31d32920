"""The lines of a file, read one by one, and the limits of one line and of one document."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from scanner.errors import InputError

LINE_MB = 32
"""The size of one line. One answer of Azure, which holds many resources, has the same limit."""
LINE_BYTES = LINE_MB << 20
LINE_VALUES = 1_000_000
"""How many values a line may hold: those of one answer of Azure."""
DOCUMENT_MB = 100
"""The size of a file of bare resources that is one JSON document. Files with one resource a line have no such limit."""
DOCUMENT_VALUES = 3_000_000
SPARE = 256
"""How much shorter than the limits the lines are that a store takes, because its file adds a checkpoint to some."""

_COUNTED = 1 << 30
"""How far a line beyond the limit is read to name its size."""
_CHUNK = 1 << 20


def values_of(text: bytes) -> int:
    """Return how many values a JSON text holds at most; it is the count of commas and brackets."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def fits(line: bytes) -> bool:
    """Return whether a line may be written."""
    if len(line) <= LINE_VALUES - SPARE:
        return True
    return len(line) <= LINE_BYTES - SPARE and values_of(line) <= LINE_VALUES - SPARE


class Lines:
    """The lines of a file with what ends them. `number` is that of the last one. Reads at most one line ahead."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file
        self.number = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the rest of the lines. Raises InputError for one beyond the limits."""
        while line := self.next():
            self.check(line)
            yield line

    def next(self) -> bytes:
        """Return the next line, b"" at the end. One beyond the limit of bytes ends before its newline."""
        line = self.file.readline(LINE_BYTES + 1)
        self.number += bool(line)
        return line

    def check(self, line: bytes) -> None:
        """Raise InputError for a line beyond the limits."""
        at, do = f"{self.path}:{self.number}", "collect it again; of a line of this size nothing is evaluated"
        if len(line) > LINE_BYTES:
            text = f"line {self.number:,} has {self._size(line)}, the limit is {LINE_BYTES:,} ({LINE_MB} MB)"
            raise InputError(text, at=at, do=do)
        if len(line) > LINE_VALUES and (count := values_of(line)) > LINE_VALUES:
            text = f"line {self.number:,} has {count:,} values, the limit is {LINE_VALUES:,}"
            raise InputError(text, at=at, do=do)

    def document(self, first: bytes) -> bytes:
        """Return the rest of the file as one document, after its first line. Raises InputError beyond its limits."""
        limit = DOCUMENT_MB << 20
        text = b"".join((first, self.file.read(max(limit + 1 - len(first), 1))))
        do = "write one resource a line: jq -c '.[]' FILE > FILE.jsonl (.value[] where they are in value)"
        if len(text) > limit:
            message = f"one JSON document of more than {limit:,} bytes; the limit is {DOCUMENT_MB} MB"
            raise InputError(message, at=f"{self.path}:{self.number}", do=do)
        if (count := values_of(text)) > DOCUMENT_VALUES:
            message = f"one JSON document of {count:,} values; the limit is {DOCUMENT_VALUES:,}"
            raise InputError(message, at=f"{self.path}:{self.number}", do=do)
        return text

    def _size(self, line: bytes) -> str:
        """Return the size of a line that was read in part, for people. An endless one is not read to its end."""
        size = len(line)
        while not line.endswith(b"\n") and size < _COUNTED and (line := self.file.readline(_CHUNK)):
            size += len(line)
        return f"{size:,} bytes" if size < _COUNTED else f"more than {_COUNTED:,} bytes"
