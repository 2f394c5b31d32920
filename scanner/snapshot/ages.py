"""Answers of earlier scans that may stand for reads of this one, in one file a scope: see docs/ages.md.

Each line is a digest and a JSON text. The digest goes over the line before, so that a changed, missing or foreign line
makes the file useless as a whole.
"""

import os
import re
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
from msgspec import Struct, field

from scanner.model.resource import By
from scanner.snapshot.journal_lines import encoder, packed
from scanner.store import locks
from scanner.store.temporary import AtomicFile

VERSION = 1
LONGEST = 1 << 20
"""The bytes of the longest line. A longer answer is not kept, and read again."""
MOST_BYTES = 1 << 30
"""The size of the largest file that is read."""
_DIGEST = 32
"""The length of a digest: hexadecimal digits."""
_KEY = re.compile(r"[0-9a-f]{32}")


class UnusableAnswersError(Exception):
    """A file of answers does not count. `str` of it: why."""


class AgedAnswer(msgspec.Struct, omit_defaults=True):
    """The resources that one read gave, cut down to what a snapshot keeps."""

    key: str
    """The digest of everything that must be the same for the answer to count."""
    id: str
    """The resource below which it was read."""
    at: int
    """The second (since 1970, by the clock of this machine) in which it came."""
    by: By
    api: str | None = None
    """`api`, `by`: as in a snapshot."""
    rows: list[dict[str, Any]] = []

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise ValueError("the key of an answer is 32 hexadecimal digits")


class _Line(msgspec.Struct, omit_defaults=True):
    """A line. The first one has the version, the last one the number of answers."""

    version: int = 0
    answer: AgedAnswer | None = None
    end: int = -1


_decoder = msgspec.json.Decoder(_Line)


class Stored(NamedTuple):
    """Where an answer stands in the file, how long its JSON is, and the second in which it came."""

    offset: int
    size: int
    at: int


class EarlierAnswers(Struct):
    """The answers that the last scan of a scope left."""

    file: IO[bytes] | None = None
    found: dict[str, Stored] = field(default_factory=dict)
    subscriptions: set[str] = field(default_factory=set)
    """The subscriptions (lower case) that the answers are of."""
    oldest: int = 0
    """The second in which the oldest answer came, 0 without any."""

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()

    def get(self, key: str) -> AgedAnswer | None:
        """Return the answer with a key."""
        stored = self.found.get(key)
        if stored is None or self.file is None:
            return None
        self.file.seek(stored.offset)
        return _decoder.decode(self.file.read(stored.size)).answer


def read_answers(path: Path) -> EarlierAnswers:
    """Return the answers in a file, none where it does not exist. Raises UnusableAnswersError, OSError."""
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return EarlierAnswers()
    file = os.fdopen(number, "rb")
    try:
        stat_result = os.fstat(number)
        if not locks.belongs_to_user(stat_result, folder=False):
            raise UnusableAnswersError("it belongs to another user")
        if os.name == "posix" and stat_result.st_mode & 0o077:
            raise UnusableAnswersError("others can read or write it")
        if stat_result.st_size > MOST_BYTES:
            raise UnusableAnswersError("it is too large")
        result = EarlierAnswers(file)
        for offset, size, answer in _lines(file):
            result.found[answer.key] = Stored(offset, size, answer.at)
            result.subscriptions.add(answer.id.lower().split("/")[2] if answer.id.count("/") > 1 else "")
            result.oldest = min(result.oldest or answer.at, answer.at)
    except BaseException:
        file.close()
        raise
    return result


def _lines(file: IO[bytes]) -> Iterator[tuple[int, int, AgedAnswer]]:
    """Yield the answers with the place and the size of their JSON. Raises UnusableAnswersError."""
    damaged = UnusableAnswersError("it was changed or is damaged")
    chain, offset, count, ended = b"", 0, 0, False
    now = time.time()
    while raw := file.readline(LONGEST + _DIGEST + 3):
        text = raw[_DIGEST + 1 : -1]
        chain = sha256(chain + text).digest()
        if ended or raw[-1:] != b"\n" or raw[:_DIGEST] != chain.hex()[:_DIGEST].encode():
            raise damaged
        try:
            line = _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise damaged from None
        if offset == 0 and line.version != VERSION:
            raise UnusableAnswersError(f"its format is {line.version}, this version reads {VERSION}")
        if line.answer is not None:
            if not 0 <= line.answer.at <= now:
                raise UnusableAnswersError("it has answers of the future: a clock was changed")
            count += 1
            yield offset + _DIGEST + 1, len(text), line.answer
        ended = line.end == count
        offset += len(raw)
    if not ended:
        raise damaged


class AnswersWriter:
    """Writes the answers of a scan beside the file of the last one, and takes its place in the end."""

    def __init__(self, path: Path) -> None:
        """Raise OSError."""
        self._part = AtomicFile(path)
        self._file = self._part.__enter__()
        self._chain = b""
        self._count = 0
        self._is_open = True
        self._write(_Line(version=VERSION))

    def add(self, answer: AgedAnswer) -> None:
        """Write an answer, without what looks like a secret. One that is too long is left out."""
        if self._is_open:
            shown = msgspec.structs.replace(answer, rows=packed(answer.rows))
            self._count += self._write(_Line(answer=shown))

    def _write(self, line: _Line) -> bool:
        try:
            text = encoder.encode(line)
        except (msgspec.EncodeError, TypeError, RecursionError, UnicodeEncodeError):
            return False
        if len(text) > LONGEST:
            return False
        self._chain = sha256(self._chain + text).digest()
        try:
            self._file.write(b"%b %b\n" % (self._chain.hex()[:_DIGEST].encode(), text))
        except OSError:
            self.discard()
        return True

    def take_place(self) -> bool:
        """Take the place of the last scan's file. Return whether that was possible, else it stays as it is."""
        self._write(_Line(end=self._count))
        if not self._is_open:
            return False
        try:
            self._is_open = False
            self._part.__exit__(None, None, None)
        except OSError:
            return False
        return True

    def discard(self) -> None:
        """Write nothing more. The file of the last scan stays as it is."""
        if self._is_open:
            self._is_open = False
            self._part.__exit__(OSError, None, None)
