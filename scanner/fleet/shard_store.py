"""The place of the parts of a run: a folder, or blobs (`az://container/path`). Nothing in it is ever half-written.

RUN/plan.json                the plan, written last: a run without it has not begun
RUN/input/ID.json.zst        what a worker needs to read one subscription
RUN/started/ID.MARK          an attempt to read it; MARK begins with the time
RUN/ended/ID.MARK            this attempt ended with an error
RUN/parts/ID.jsonl.zst       what was read: a snapshot, whose end line and chain of digests show that it is whole
RUN/failed/ID.json           why it was given up
RUN/evaluation/KEY/          what its evaluation by workers needs and gives (`evaluation_parts`)
RUN/over                     the run is over; nothing is read or evaluated for it any more
"""

import hashlib
import os
import re
import secrets
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from errno import EACCES
from pathlib import Path
from typing import IO, TypeVar

import msgspec
import zstandard
from msgspec import Struct

from scanner.azure.limits import DEADLINE
from scanner.document.schema import ScopeRow
from scanner.errors import InputError
from scanner.fleet.messages import VERSION, GivenUp, RunPlan, ShardInput
from scanner.output.storage import Storage, UploadError, is_blob
from scanner.snapshot.files import lines_of_shard
from scanner.snapshot.format import SnapshotLine
from scanner.snapshot.store import Store
from scanner.store import locks
from scanner.text.packed import UnpackedTooLarge, unpacked

T = TypeVar("T")
WHOLE = "whole"
"""The part of what concerns all subscriptions."""
_RUN = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
_ID = re.compile(r"[0-9a-fA-F-]{36}|whole")
_MARK = re.compile(r"[^.]+\.([0-9a-f]{8})-[0-9a-f]{8}")
_SHARD, _INPUT, _FAILED = ".jsonl.zst", ".json.zst", ".json"
_MOST = 1 << 29
"""The most bytes of a file that is no part, packed and unpacked."""


def new_run() -> str:
    """Return the id of a new run. Later ones sort after earlier ones."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


class ShardStore(Struct, frozen=True):
    """The parts of one run."""

    storage: Storage
    location: str
    """The folder or blob path above it."""
    run: str
    at: str = ""
    """Who named it, for errors."""

    def __post_init__(self) -> None:
        if not _RUN.fullmatch(self.run):
            raise InputError(f'"{self.run[:40]}" is not the id of a run', at=self.at, do="twolocks fleet status")

    @property
    def _base(self) -> str:
        return f"{self.location.rstrip('/')}/{self.run}"

    def name(self, *parts: str) -> str:
        """Return the name of a file or folder of the run."""
        return "/".join((self._base, *parts))

    @property
    def is_blob(self) -> bool:
        """Return whether the place is a container of blobs."""
        return is_blob(self.location)

    def check_owner(self) -> None:
        """Raise InputError where others can write the folders of the place or of the run: they decide what is found."""
        if self.is_blob:
            return
        for folder in (Path(self.location), Path(self._base)):
            try:
                shared = locks.why_shared(folder)
            except OSError as error:
                raise InputError(f"{folder} cannot be read: {error.strerror}", at=self.at) from None
            if shared:
                raise InputError(
                    f"{folder} is not used for parts: {shared}",
                    at=self.at,
                    do=f"give a folder that you alone can write: mkdir -m 700 {shlex.quote(f'{self.location}-own')}",
                )

    def check(self) -> None:
        """Raise UserError where nothing can be written to the place, or others can write it."""
        if self.is_blob:
            self.storage.check([(f"{self._base}/plan.json", self.at)])
            return
        path = Path(self.location)
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.check_owner()
            Path(self._base).mkdir(exist_ok=True, mode=0o700)
            if not os.access(path, os.W_OK):
                raise PermissionError(EACCES, os.strerror(EACCES))
        except OSError as error:
            raise InputError(f"{self.location} cannot be written: {error.strerror}", at=self.at) from None

    def write(self, name: str, data: bytes) -> None:
        """Write a file. Raises UserError where it cannot be written."""
        with self.writing(name) as file:
            file.write(data)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file that gets its name when it is complete. Raises UserError where it cannot be written."""
        try:
            if not is_blob(name):
                # The folders between would get the mode of everybody's files.
                for folder in reversed([*Path(name).relative_to(self.location).parents][:-1]):
                    (Path(self.location) / folder).mkdir(exist_ok=True, mode=0o700)
            with self.storage.writing(name) as file:
                yield file
        except UploadError as error:
            raise error.error from None
        except OSError as error:
            raise InputError(f"{name} cannot be written: {error.strerror or error}", at=self.at) from None

    def names(self, *folder: str, prefix: str = "") -> list[str]:
        """Return the names in a folder of the run. Raises UserError where they cannot be read."""
        try:
            return self.storage.names(self.name(*folder), prefix)
        except OSError as error:
            raise InputError(f"{self.location} cannot be read: {error.strerror or error}", at=self.at) from None

    def _read(self, name: str, type: type[T]) -> T:
        """Return a message. Raises InputError where it is not there or is none."""
        with self.storage.reading(name, self.at) as path:
            try:
                with path.open("rb") as file:
                    data = file.read(_MOST + 1)
                if name.endswith(".zst"):
                    data = unpacked(data, _MOST)
                if len(data) > _MOST:
                    raise UnpackedTooLarge(f"it has more than {_MOST >> 20:,} MB")
                return msgspec.json.decode(data, type=type)
            except (OSError, ValueError, RecursionError, zstandard.ZstdError) as error:
                why = error.strerror if isinstance(error, OSError) else error
                raise InputError(f"{name} cannot be read: {why}", at=self.at) from None

    def _ids(self, kind: str, suffix: str) -> set[str]:
        names = self.names(kind)
        return {name.removesuffix(suffix).lower() for name in names if name.endswith(suffix)}

    # The plan

    def write_plan(self, plan: RunPlan) -> None:
        """Write the plan, when everything that the shards need is there."""
        self.write(self.name("plan.json"), msgspec.json.encode(plan))

    def plan(self) -> RunPlan:
        """Return the plan. Raises InputError where the run does not exist, or is of another version."""
        run_plan = self._read(self.name("plan.json"), RunPlan)
        if run_plan.version != VERSION or run_plan.run != self.run:
            raise InputError(f"run {self.run} was planned by another version of Twolocks", at=self.at, do="scan again")
        return run_plan

    def write_input(self, shard_input: ShardInput) -> None:
        data = zstandard.ZstdCompressor(level=3).compress(msgspec.json.encode(shard_input))
        self.write(self.name("input", f"{_checked(shard_input.id)}{_INPUT}"), data)

    def input(self, id: str) -> ShardInput:
        """Return what is needed to read a subscription. Raises InputError."""
        return self._read(self.name("input", f"{_checked(id)}{_INPUT}"), ShardInput)

    def end(self) -> None:
        """Note that the run is over."""
        self.write(self.name("over"), b"")

    def is_over(self) -> bool:
        """Return whether the run is over."""
        return bool(self.names(prefix="over"))

    # The shards

    def note_start(self, id: str, worker: str) -> str:
        """Note an attempt to read a subscription. Return its mark."""
        mark = f"{_checked(id)}.{int(time.time()):08x}-{secrets.token_hex(4)}"
        self.write(self.name("started", mark), worker.encode())
        return mark

    def note_error(self, mark: str, why: str) -> None:
        """Note that an attempt ended with an error."""
        self.write(self.name("ended", mark), why.encode())

    def attempts(self, id: str, patience: float) -> "Attempts":
        """Return the attempts to read a subscription. One that has gone on for longer than `patience` (seconds) is
        taken for lost, with its worker.
        """
        started, ended = (set(self.names(each, prefix=f"{_checked(id)}.")) for each in ("started", "ended"))
        now, attempts = time.time(), Attempts(errors=len(started & ended))
        for mark in started - ended:
            if abs(now - _time_of(mark)) > patience:
                attempts.lost += 1
            else:
                attempts.under_way += 1
        return attempts

    def write_shard(self, id: str, store: Store) -> None:
        """Write the part of a subscription. An earlier one of the same subscription is replaced whole."""
        name = self.name("parts", f"{_checked(id)}{_SHARD}")
        with self.writing(name) as file:
            store.into(file, Path(name))

    def began(self, id: str) -> str:
        """Return when the reading of a subscription began. Raises UserError where its part cannot be read."""
        with self.storage.reading(self.name("parts", f"{_checked(id)}{_SHARD}"), self.at) as path:
            return lines_of_shard(path)[0].taken

    def copy(self, id: str, before: "ShardStore") -> None:
        """Take the part of a subscription from another run. Raises UserError where it cannot be read or written."""
        name = f"{_checked(id)}{_SHARD}"
        target = self.name("parts", name)
        with before.storage.reading(before.name("parts", name), before.at) as path, self.writing(target) as file:
            try:
                with path.open("rb") as part:
                    shutil.copyfileobj(part, file, 1 << 20)
            except OSError as error:
                raise InputError(f"{path} cannot be read: {error.strerror}", at=self.at) from None

    def write_failure(self, id: str, why: str) -> None:
        """Note that a subscription is given up."""
        self.write(self.name("failed", f"{_checked(id)}{_FAILED}"), msgspec.json.encode(GivenUp(why)))

    def failure(self, id: str) -> str:
        """Return why a subscription was given up."""
        return self._read(self.name("failed", f"{_checked(id)}{_FAILED}"), GivenUp).why

    def add_to(self, store: Store, id: str, *, is_late: bool) -> list[ScopeRow]:
        """Add the lines of a part to a store, all or none, and return its subscriptions.

        Raises InputError where it is not whole. `is_late`: the deadline is over, so that what it cut off stays.
        """
        scopes: list[ScopeRow] = []

        def received(lines: Iterator[SnapshotLine]) -> Iterator[SnapshotLine]:
            for line in lines:
                if line.scope is not None:
                    scopes.append(line.scope)
                _check_deadline(line, is_late)
                yield line

        with self.storage.reading(self.name("parts", f"{_checked(id)}{_SHARD}"), self.at) as path:
            header, lines = lines_of_shard(path)
            store.add_shard(header, received(lines))
        return scopes

    def digest(self, id: str) -> str:
        """Return the digest of a part's file, "" where it cannot be read."""
        try:
            name = self.name("parts", f"{_checked(id)}{_SHARD}")
            with self.storage.reading(name, self.at) as path, path.open("rb") as file:
                return hashlib.file_digest(file, "blake2b").hexdigest()
        except (InputError, OSError):
            return ""

    def is_whole(self, id: str, *, is_late: bool) -> bool:
        """Return whether there is a part of a subscription, and all of it. `is_late`: see `add_to`."""
        if id.lower() not in self.read():
            return False
        try:
            with self.storage.reading(self.name("parts", f"{_checked(id)}{_SHARD}"), self.at) as path:
                _, lines = lines_of_shard(path)
                for line in lines:
                    _check_deadline(line, is_late)
        except InputError:
            return False
        return True

    def read(self) -> set[str]:
        """Return the ids (lower case) of the subscriptions that have a part."""
        return self._ids("parts", _SHARD)

    def failed(self) -> set[str]:
        """Return the ids (lower case) of the subscriptions that were given up."""
        return self._ids("failed", _FAILED)

    def started(self) -> set[str]:
        """Return the marks of all attempts."""
        return {name.lower() for name in self.names("started")}


class Attempts(Struct):
    """How many attempts to read a subscription ended with an error, with a worker that was lost, or not yet."""

    errors: int = 0
    lost: int = 0
    under_way: int = 0

    def __bool__(self) -> bool:
        return bool(self.errors or self.lost or self.under_way)


def _time_of(mark: str) -> float:
    """Return when an attempt began; the beginning of time for a mark of another form."""
    match = _MARK.fullmatch(mark)
    return float(int(match[1], 16)) if match else 0.0


def _check_deadline(line: SnapshotLine, is_late: bool) -> None:
    """Raise InputError for a read that an earlier deadline cut off."""
    if line.gap is not None and line.gap.code == DEADLINE and not is_late:
        raise InputError("an earlier deadline cut it off", at=line.gap.url)


def runs(storage: Storage, location: str) -> list[str]:
    """Return the ids of the runs of a place that have begun, the newest first."""
    return sorted((name for name in storage.names(location.rstrip("/")) if _RUN.fullmatch(name)), reverse=True)


def _checked(id: str) -> str:
    """Return an id as the name of a file. Raises InputError for what is none."""
    if not _ID.fullmatch(id):
        raise InputError(f'"{id[:60]}" is not the id of a subscription')
    return id.lower()
