"""The evaluation of a scan with `--broker`: hands out ranges of bundles, and joins the parts that workers make of them.

What no worker has evaluated, or not in whole, is evaluated here: a verdict never depends on who evaluated.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from typing import IO, Final

import msgspec
import zstandard
from msgspec import Struct, field

from scanner.cycle_collector import existing_objects_not_walked
from scanner.document.writer import Writer
from scanner.errors import UserError
from scanner.evaluate.ledgers import DocumentFragment
from scanner.evaluate.run import Evaluation
from scanner.fleet.evaluation_store import EncodedRange, EvaluationStore, digest
from scanner.fleet.inputs import input_of
from scanner.fleet.queue import Queue
from scanner.fleet.shard import why
from scanner.fleet.shard_store import ShardStore
from scanner.model.message import message_text
from scanner.snapshot.batches import Batches
from scanner.snapshot.needed import needed_lines
from scanner.store.spool import Block, Spool
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop

LEAST_BYTES = 16 << 20
"""The bytes of lines from which on workers evaluate: about 15,000 resources, which take a process 15 s of CPU."""
RANGE_BYTES = 2 << 20
"""The bytes of lines in a range."""
ALONE_SECONDS = 20.0
"""Seconds without any sign of a worker after which this process evaluates."""
PATIENCE = 60.0
"""Seconds after which this process evaluates a range that a worker has begun, or that none has while others stopped."""
FOLDER_SECONDS, BLOB_SECONDS = 0.2, 1.0
"""How often the parts are looked for."""
_MEMORY: Final = 8 << 20
_NAME: Final = 39
"""The length of the name of a range."""


class FleetRun(Struct):
    """A run whose parts are merged."""

    shards: ShardStore
    queue: Queue | None
    """None where no workers are used."""
    code: str
    """See `digest_of_code`."""
    is_left: bool = False
    """Subscriptions were not read that the same run may still read."""

    def end(self) -> None:
        """Note that the run is over, unless something is left to read, and leave the queue."""
        if self.queue is not None:
            self.queue.close()
        # Where it cannot be noted, workers find that every part is there.
        with suppress(UserError):
            if not self.is_left:
                self.shards.end()


class SpreadEvaluation(Struct):
    """One evaluation by workers."""

    evaluation: Evaluation
    writer: Writer
    stored: EvaluationStore
    screen: Screen
    stop: Stop
    ends: float | None = None
    """The deadline, by the monotonic clock."""
    local_ranges: int = 0
    """The ranges evaluated here."""
    _ranges: list[tuple[str, Block]] = field(default_factory=list)
    _marks: set[str] = field(default_factory=set)
    _started: dict[str, float] = field(default_factory=dict)
    """When it was first seen that a worker had begun a range."""
    _since: float = field(default_factory=time.monotonic)
    """When a worker last gave a sign."""
    _has_workers: bool = False
    _is_alone: bool = False
    """Whether broker or place have failed, so that everything that is not there is evaluated here."""

    def hand_out(self, queue: Queue, batches: Iterable[EncodedRange]) -> None:
        """Write the ranges, and add those without a part to the queue. What is written is kept here too."""
        spool = Spool(_MEMORY)
        self._look()
        for each in batches:
            self._ranges.append((each.name, spool.put(each.packed)))
            if self._is_alone or self._is_late() or self._has_fragment(each.name):
                continue
            try:
                self.stored.write_range(each)
                queue.send_range(self.stored.shards.run, self.stored.key, each.name, self.stored.shards.location)
            except UserError as error:
                self.go_on_alone(error)
        self._since = time.monotonic()

    def fragments(self) -> Iterator[DocumentFragment]:
        """Yield the part of each range, in their order."""
        for name, block in self._ranges:
            fragment = self._awaited(name)
            yield fragment if fragment is not None else self._evaluate_locally(EncodedRange(name, block.read()))
        text = (
            f"workers evaluated {len(self._ranges) - self.local_ranges:,} of {len(self._ranges):,} ranges of resources"
        )
        self.screen.write([Line(text, "Parts", whole=True)], "parts", text)
        try:
            self.stored.end()
        except UserError as error:
            self.screen.log("parts", why(error))

    def _evaluate_locally(self, made: EncodedRange) -> DocumentFragment:
        """Evaluate a range here. Its part is written as that of a worker, so that no one evaluates it again."""
        self.local_ranges += 1
        fragment = self.evaluation.fragment(made.batch(), self.writer)
        if not self._is_alone and not fragment.crashes:
            with suppress(UserError):
                self.stored.write_fragment(made.name, fragment)
                self._marks.add(f"{made.name}.zst")  # it is no sign of a worker
        return fragment

    def _has_fragment(self, name: str) -> bool:
        return f"{name}.zst" in self._marks

    def _awaited(self, name: str) -> DocumentFragment | None:
        """Return the part of a range when it is there; None where it has to be evaluated here."""
        if not self._has_fragment(name):
            self._look()
        while not self._has_fragment(name):
            if f"{name}.failed" in self._marks or self._is_lost(name):
                return None
            self.stop.run(asyncio.sleep(BLOB_SECONDS if self.stored.shards.is_blob else FOLDER_SECONDS))
            self._look()
        try:
            return self.stored.fragment(name)
        except (UserError, OSError) as error:
            self.screen.log("parts", f"a range is evaluated again: {why(error)}")
            return None

    def _is_late(self) -> bool:
        return self.ends is not None and time.monotonic() >= self.ends

    def _is_lost(self, name: str) -> bool:
        """Return whether it is not worth to wait for a part any longer."""
        now = time.monotonic()
        if self._is_alone or self._is_late():
            return True
        if now - self._started.get(name, now) > PATIENCE:
            return True
        return now - self._since > (PATIENCE if self._has_workers else ALONE_SECONDS)

    def _look(self) -> None:
        """Look what workers have done."""
        if self._is_alone:
            return
        try:
            matches = self.stored.marks()
        except UserError as error:
            self.go_on_alone(error)
            return
        now = time.monotonic()
        if matches != self._marks:
            self._since, self._has_workers = now, bool(self._ranges)
            for mark in matches - self._marks:
                self._started.setdefault(mark[:_NAME], now)
            self._marks = matches

    def go_on_alone(self, error: UserError) -> None:
        """Use no worker any more, because broker or place have failed."""
        self._is_alone = True
        _tell_alone(self.screen, error)


def spread(
    run: FleetRun, evaluation: Evaluation, writer: Writer, screen: Screen, stop: Stop, ends: float | None
) -> SpreadEvaluation | None:
    """Hand an evaluation out to workers. None where little is to be evaluated, where the deadline is over, where
    settings cannot be written down, or where nothing can be written to the place of the parts.
    """
    taken = evaluation.snapshot
    if run.queue is None or taken.raw is None or (ends is not None and time.monotonic() >= ends):
        return None
    with tempfile.TemporaryFile() as lines, existing_objects_not_walked():
        size, value = _write_needed(lines, taken.raw())
        if size < LEAST_BYTES:
            return None
        try:
            about = input_of(taken, evaluation.policy, writer, run=run.shards.run, code=run.code, lines=value)
            data = msgspec.json.encode(about, enc_hook=message_text)
        except (TypeError, ValueError, OverflowError) as error:
            _tell_alone(screen, error)
            return None
        stored = EvaluationStore(run.shards, digest(data))
        made = SpreadEvaluation(evaluation, writer, stored, screen, stop, ends)
        with screen.busy("Planning", f"the evaluation, to {run.shards.location}"):
            try:
                stored.write_input(data, lines)
            except UserError as error:
                made.go_on_alone(error)
                return None
            batches = Batches(taken, evaluation.sort_keys(), RANGE_BYTES, RANGE_BYTES)
            made.hand_out(run.queue, (EncodedRange.of(number, each) for number, each in enumerate(batches)))
    return made


def _tell_alone(screen: Screen, error: Exception) -> None:
    text = f"this scan evaluates without workers: {why(error)}"
    screen.write([Line(text, "Parts", whole=True)], "parts", text)


def _write_needed(file: IO[bytes], lines: Iterable[bytes]) -> tuple[int, str]:
    """Write what each range needs of a whole snapshot, compressed. Return the bytes of all lines, and the digest of
    what was written.
    """
    size, result = 0, blake2b(digest_size=16)

    def counted() -> Iterator[bytes]:
        nonlocal size
        for line in lines:
            size += len(line)
            yield line

    with zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False) as out:
        for line in needed_lines(counted()):
            result.update(line + b"\n")
            out.write(line + b"\n")
    return size, result.hexdigest()
