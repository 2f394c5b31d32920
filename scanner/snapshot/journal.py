"""The journal of a scan: every successful answer, as it comes, so that a scan that was interrupted goes on.

It holds what a snapshot would hold of the answers: cut down to what rules read, without what looks like a secret.
`docs/snapshots.md` has the format.
"""

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct, field

from scanner.errors import InputError
from scanner.model.ids import is_bundle_list, root_of, segments
from scanner.snapshot.answer_shape import AnswerShape, etags_of, following
from scanner.snapshot.journal_lines import (
    LONGEST,
    VERSION,
    AccountLine,
    AnswerLine,
    FailureLine,
    JournalHeader,
    JournalLine,
    line_of,
    packed,
    parsed,
    read_lines,
)
from scanner.store import locks
from scanner.text.masks import masked

SYNC_SECONDS = 1.0
"""How often what was written is made to survive a power cut."""
Key = bytes
_HELD: Final = set[int]()
"""The descriptors of the journals of this process."""


def _closed_in_child() -> None:
    """Close the journals in a forked process, so that it does not hold them when this one was killed."""
    while _HELD:
        os.close(_HELD.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_closed_in_child)


class Kept(NamedTuple):
    """Where an answer stands in the file."""

    offset: int
    size: int
    path: str
    at: int
    """The second in which it came."""


class Journal(Struct):
    """An open journal, locked while the scan runs. Answers are looked up in one that was resumed."""

    path: Path
    number: int
    header: JournalHeader
    shape: AnswerShape
    accounts: dict[str, AccountLine] = field(default_factory=dict)
    resumed: bool = False
    broken: str = ""
    """Why nothing more is written; then the scan goes on without a journal."""
    earlier: int = 0
    """The number of answers of the interrupted scan that count."""
    count: int = 0
    _end: int = 0
    _kept: dict[Key, Kept] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    relisted: bool = False
    """Whether lists of resources are made again, because what changed since could not be asked."""
    _synced: float = 0.0
    _thread: ThreadPoolExecutor | None = None
    _now: Callable[[], float] = time.time

    @classmethod
    def create(cls, path: Path, header: JournalHeader, shape: AnswerShape) -> "Journal":
        """Create and lock a new journal, for its owner alone. Raises OSError."""
        number = locks.create_held(path, 0o600)
        if number is None:
            raise FileNotFoundError(str(path))
        _HELD.add(number)
        made = cls(path, number, header, shape)
        made._write(JournalLine(journal=header))
        return made

    @classmethod
    def resume(cls, path: Path, header: JournalHeader, shape: AnswerShape) -> "Journal":
        """Open the journal of an interrupted scan, to go on as `header` says. Raises InputError, OSError."""
        number = locks.hold(path)
        if number is None:
            raise InputError("another scan uses this journal", at=str(path), do="wait until it has ended")
        try:
            journal = cls(path, number, header, shape, resumed=True)
            journal._load(header)
        except BaseException:
            os.close(number)
            raise
        _HELD.add(number)
        return journal

    def _load(self, wanted: JournalHeader) -> None:
        """Note where the answers stand. Those that rules of now would have kept otherwise do not count."""
        lines = read_lines(self.number, self.path)
        _, self._end, first = next(lines, (0, 0, JournalLine()))
        if first.journal is None:
            raise InputError("this is not the journal of a scan", at=str(self.path), do="scan again without --resume")
        check(first.journal, wanted, self.path)
        self.header = first.journal
        differs = self.shape.differing(first.journal.kept)
        for offset, size, row in lines:
            self._end = offset + size
            if row.account is not None:
                self.accounts[row.account.login] = row.account
            elif row.answer is not None and not differs(row.answer.path):
                self._kept[bytes.fromhex(row.answer.key)] = Kept(offset, size, row.answer.path, row.answer.at)
        self.earlier = len(self._kept)

    def key(self, login: str, method: str, target: str, content: bytes = b"") -> Key:
        """Return the key of a request. `target`: path and query, without the host. `login`: the tenant, where several
        are read.
        """
        digest = blake2b(f"{login} {method} {target}\n".encode("utf-8", "surrogatepass"), digest_size=16)
        digest.update(content)
        return digest.digest()

    def find(self, key: Key) -> AnswerLine | None:
        """Return the answer to a request that was made before the interruption, or since."""
        kept = self._kept.get(key)
        return self._read(kept) if kept is not None else None

    def _read(self, kept: Kept) -> AnswerLine | None:
        os.lseek(self.number, kept.offset, os.SEEK_SET)
        row = parsed(os.read(self.number, kept.size))
        return row.answer if row is not None else None

    def keep(self, key: Key, path: str, body: Any, *, listing: bool) -> None:
        """Write an answer. One whose shape is not known, or that is too large, is not kept."""
        if self.broken:
            return
        shaped = self.shape.of(path, body, listing=listing)
        if shaped is None:
            return
        etags = etags_of(body)
        if etags and not shows_changes(path, listing=listing):
            etags = []
        more = listing and following(body)
        self._answer(key, AnswerLine(key.hex(), masked(path), int(self._now()), packed(shaped), more, etags))

    def keep_failure(self, key: Key, path: str, failure: FailureLine) -> None:
        """Write an error that means that there is nothing to read."""
        if not self.broken:
            failure.message = masked(failure.message[:200])
            self._answer(key, AnswerLine(key.hex(), masked(path), int(self._now()), failure=failure))

    def _answer(self, key: Key, row: AnswerLine) -> None:
        offset, size = self._write(JournalLine(answer=row))
        self.count += 1
        if self.resumed and size:
            self._kept[key] = Kept(offset, size, row.path, row.at)

    def sign(self, account: AccountLine) -> None:
        """Write who reads; where an interrupted scan goes on, check that it is the same. Raises InputError."""
        earlier = self.accounts.get(account.login)
        if earlier is None:
            self.accounts[account.login] = account
            self._write(JournalLine(account=account))
        elif (earlier.name, earlier.tenant.lower()) != (account.name, account.tenant.lower()):
            was, now = (f"{each.name}, tenant {each.tenant}" for each in (earlier, account))
            raise InputError(
                f"the interrupted scan read as {was}; this login is {now}, which may see other resources",
                at=str(self.path),
                do="sign in as before, or scan again without --resume",
            )

    # What changed since

    def kept(self) -> Iterable[tuple[Key, Kept]]:
        """Return the answers that count."""
        return list(self._kept.items())

    def forget(self, keys: Iterable[Key]) -> int:
        """Make reads again. Return how many answers do not count any more."""
        return sum(self._kept.pop(key, None) is not None for key in list(keys))

    # The file

    def _write(self, row: JournalLine) -> tuple[int, int]:
        """Append a line at once. Return its place and size; size 0 where it was not written."""
        try:
            line = line_of(row)
        except (msgspec.EncodeError, TypeError, RecursionError, UnicodeEncodeError):
            return 0, 0
        if len(line) > LONGEST or self.broken:
            return 0, 0
        try:
            if self.resumed:  # looking up an answer moves the place
                os.lseek(self.number, self._end, os.SEEK_SET)
            offset, left = self._end, line
            while left:
                left = left[os.write(self.number, left) :]
        except OSError as error:
            self.broken = error.strerror or type(error).__name__
            with suppress(OSError):
                os.ftruncate(self.number, self._end)
            return 0, 0
        self._end += len(line)
        self._sync_later()
        return offset, len(line)

    def _sync_later(self) -> None:
        now = time.monotonic()
        if now - self._synced < SYNC_SECONDS:
            return
        self._synced = now
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "journal")
        self._thread.submit(_sync, self.number)

    def pause(self) -> None:
        """End the thread that writes to the disk. The next answer starts another one."""
        if self._thread is not None:
            self._thread.submit(_sync, self.number)
            self._thread.shutdown()
            self._thread = None

    def close(self, *, delete: bool) -> None:
        """Close the file. `delete`: the scan ended well, and it is not needed any more."""
        if self.number < 0:
            return
        if self._thread is not None:
            self._thread.shutdown()
        if delete and locks.has_flock():
            with suppress(OSError):
                self.path.unlink()
        if not delete:
            _sync(self.number)
        _HELD.discard(self.number)
        os.close(self.number)
        self.number = -1
        if delete and not locks.has_flock():
            with suppress(OSError):
                self.path.unlink()


def _sync(number: int) -> None:
    with suppress(OSError):
        os.fsync(number)


def shows_changes(path: str, *, listing: bool) -> bool:
    """Return whether a read shows resources that other reads are below of: a list of resources, or one resource."""
    pieces = list(segments(path))
    if not listing:
        return root_of(path) == "/" + "/".join(pieces)
    if pieces[2:3] == ["resourcegroups"]:
        del pieces[2:4]
    return (len(pieces) == 5 and pieces[0] == "subscriptions" and pieces[2] == "providers") or is_bundle_list(path)


def check(header: JournalHeader, wanted: JournalHeader, path: Path) -> None:
    """Raise InputError where the scan of a journal cannot go on with these settings by this version."""
    if header.version != VERSION or _major(header.tool) != _major(wanted.tool):
        raise InputError(
            f"the journal is of {header.tool}, format {header.version}; this is {wanted.tool}, format {VERSION}",
            at=str(path),
            do="scan again without --resume",
        )
    names = sorted({*header.settings, *wanted.settings})
    other = [name for name in names if header.settings.get(name) != wanted.settings.get(name)]
    if header.kept_tags != wanted.kept_tags:
        other.append("tags that are kept")
    if other:
        raise InputError(
            f"the interrupted scan had other settings: {', '.join(other)}",
            at=str(path),
            do="give the options of that scan, or scan again without --resume",
        )


def _major(tool: str) -> str:
    return tool.rpartition(" ")[2].partition(".")[0]
