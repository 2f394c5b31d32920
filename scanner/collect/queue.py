"""What the parts of a collection share: what is known of a subscription, the queue of jobs, and what is written."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from scanner.azure.errors import ReadError
from scanner.collect.bodies import allows
from scanner.collect.plan import Json, Plan, Progress, Reader, Sink
from scanner.model.resource import By

Lane = tuple[str, ...]
Job = Callable[[], Awaitable[None]]

WIDTH = 32
"""Bundles read at once of one provider in one subscription and region."""

UNREGISTERED = "missingsubscriptionregistration"
"""The code of a provider that is not in use in a subscription: nothing of it exists there."""


class Gone(Exception):
    """The parent of a read was deleted meanwhile."""


@dataclass(slots=True)
class Seen:
    """A subscription that is read: how much is seen, and what is known to exist in it."""

    id: str
    view: str = "full"
    exists: dict[str, list[str] | None] | None = None
    """Lower-case types to the groups that hold any (None: not known); None: not known of any type, list all."""
    started: dict[str, tuple[list[Json], AsyncIterator[list[Json]]]] = field(default_factory=dict)
    """Lists whose first page the probe has read."""
    refused: dict[str, ReadError] = field(default_factory=dict)
    granted: list[tuple[list[str], list[str]]] | None = None
    """Actions and not-actions of the login's roles on the subscription; None: not known."""

    def sure(self, type: str) -> bool:
        """Whether "Resource Graph shows none" means that there is none: it hides what may not be read."""
        if type.lower() in self.refused:
            return False
        return self.view == "partial" or any(allows(role, f"{type}/read") for role in self.granted or ())


class Crew:
    """Runs jobs, a few at once in each lane, so that a lane that waits for a limit holds no other up."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._jobs: dict[Lane, deque[Job]] = defaultdict(deque)
        self._workers: dict[Lane, int] = defaultdict(int)

    def add(self, lane: Lane, job: Job) -> None:
        self._jobs[lane].append(job)
        if self._workers[lane] < WIDTH:
            self._workers[lane] += 1
            self._tasks.create_task(self._work(lane))

    async def _work(self, lane: Lane) -> None:
        jobs = self._jobs[lane]
        while jobs:
            await jobs.popleft()()
        self._workers[lane] -= 1


class Tally:
    """Counts what was read, for progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.done = self.known = self.resources = self.failed = 0
        self._kinds: dict[str, list[int]] = {}

    def plan(self, what: str, reads: int = 1) -> None:
        self.known += reads
        self._kinds.setdefault(what, [0, 0])[1] += reads

    def ended(self, what: str, of: str = "") -> None:
        self.done += 1
        kind = self._kinds.setdefault(what, [0, 0])
        kind[0] += 1
        self._progress.reading(what, kind[0], max(kind), of)
        self._progress.counts(self.done, max(0, self.known - self.done), self.resources, self.failed)


class Out:
    """What one bundle wrote; it reaches the sink when the bundle is whole, or not at all."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, tuple[Any, ...]]] = []

    def resource(self, body: Json, api: str | None, by: By) -> None:
        self.lines.append(("resource", (body, api, by)))

    def read(self, url: str, count: int, by: str = "") -> None:
        self.lines.append(("read", (url, count, by)))

    def skip(self, url: str, why: str) -> None:
        self.lines.append(("skip", (url, why)))

    def gap(self, url: str, status: int, code: str, action: str = "") -> None:
        self.lines.append(("gap", (url, status, code, action)))


class Desk:
    """One collection's reader, plan, sink and counts."""

    def __init__(self, reader: Reader, plan: Plan, sink: Sink, progress: Progress) -> None:
        self.reader = reader
        self.plan = plan
        self.sink = sink
        self.progress = progress
        self.tally = Tally(progress)
        self.locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def failed(self, out: Sink | Out, url: str, error: ReadError, action: str = "") -> None:
        """Write a failed read as a gap; `action` where the declaration knows better than the answer."""
        self.gap(out, url, error.status, error.code, error.action and (action or error.action))

    def gap(self, out: Sink | Out, url: str, status: int, code: str, action: str) -> None:
        out.gap(url, status, code, action)
        self.tally.failed += 1
        self.progress.gap(url, status, code, action)

    def flush(self, out: Out) -> None:
        """Hand what a bundle wrote to the sink."""
        for kind, words in out.lines:
            getattr(self.sink, kind)(*words)
