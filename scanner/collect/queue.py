"""What the parts of a collection share: its context, the queue of jobs, the counts, and the view of a subscription."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count, islice
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Struct, field

from scanner.azure.errors import ReadError
from scanner.azure.turns import FIRST, RANK
from scanner.collect.bodies import Role, allows, quoted_path
from scanner.collect.bulk import BulkReads
from scanner.collect.plan import Json, Plan, Progress
from scanner.collect.shared import SharedAnswers
from scanner.collect.versions import VersionedPages, VersionedReader
from scanner.model.ids import subscription_of
from scanner.model.index import EXTENSIONS, RESOURCE_GRAPH
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.snapshot.store import LineBuffer, LineWriter
from scanner.store.spool import SpooledRows

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader

Result = TypeVar("Result")
QueueKey = tuple[str, ...]
Job = Callable[[], Awaitable[None]]

WIDTH = 32
"""Jobs that run at once under one key: bundles of one provider in one subscription and region."""
MOST = 512
"""Jobs that run at once in all. A bundle in work takes about 20 KB, and 120 requests are under way at once."""
MOST_WAITING = 2_000
"""Jobs of one subscription that wait before its next pages are read. One takes about 3 KB."""
LAST = 1_000_000
"""A rank behind all others."""
LISTS = "lists"
"""The second part of the keys of jobs that read pages. These jobs wait for others, so that none waits for them."""
SUBSCRIPTIONS = 24
"""Subscriptions that are read at once. ARM allows 25 reads a second of each, together more than one process makes."""
HELD_SECONDS = 3.0
"""The time for which reads below resources wait for the lists of their subscription."""
STALLED_SECONDS = 5.0
"""The time after which another subscription begins beside one of which no job has ended."""

WIDE = 256
"""Reads that run at once below one resource, or over all subscriptions. More requests than that are never sent."""

UNREGISTERED = "missingsubscriptionregistration"
"""The error code of a provider that is not registered in a subscription. It has no resources there."""


class ParentDeletedError(Exception):
    """The resource above a read was deleted during the collection."""


class SubscriptionView(Struct):
    """How much of a subscription is visible to the identity, and what is known to exist in it.

    `view`: "full", or "partial" where no list of the whole subscription is allowed.
    `existing_types`: types in lower case, with the groups that hold any (None: not known). None: nothing is known, so
    that every type is listed.
    `known_counts`: how many resources of a type (lower case) Resource Graph counts.
    `first_pages`: lists whose first page the probe has read, with the iterator over the other pages, by type in lower
    case. `refused`: the errors of the lists that the probe tried.
    `roles`: the roles of the identity on the subscription. None: not known; `no_roles`: why, where they were asked for.
    """

    id: str
    view: str = "full"
    existing_types: dict[str, list[str] | None] | None = None
    known_counts: dict[str, int] = field(default_factory=dict)
    first_pages: dict[str, tuple[SpooledRows, VersionedPages]] = field(default_factory=dict)
    refused: dict[str, ReadError] = field(default_factory=dict)
    roles: list[Role] | None = None
    no_roles: ReadError | None = None

    def graph_is_complete(self, type: str) -> bool:
        """Return whether Resource Graph shows every resource of a type. It hides types that may not be read."""
        if type.lower() in self.refused:
            return False
        return self.view == "partial" or any(allows(role, f"{type}/read") for role in self.roles or ())


class JobQueue:
    """Run jobs, at most `WIDTH` at once under each key, so that a key that waits for a limit delays no other one.

    At most `MOST` run at once in all, but for one of each key. The first part of a key is the subscription. Jobs of a
    smaller rank begin first. Those that are not of the first rank wait until the lists of their subscription have
    ended, because these may bring some that are. A list that takes `HELD_SECONDS` is not waited for.
    """

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._jobs: dict[QueueKey, list[tuple[int, int, Job]]] = {}
        """The jobs that wait, as heaps by rank and number, of each key that has a worker."""
        self._numbers = count()
        self._workers: Counter[QueueKey] = Counter()
        self._running = 0
        self._wanting: dict[int, dict[QueueKey, None]] = {}
        """The keys that have more jobs than workers because of `MOST`, by the rank of their first job, in turn."""
        self._left: dict[str, _JobsLeft] = {}
        self._held: dict[str, list[tuple[QueueKey, Job, int]]] = {}
        """The jobs that wait for the lists of their subscription."""

    def add(self, key: QueueKey, job: Job, rank: int = FIRST) -> None:
        """Add a job, and start a worker where there is room for one."""
        left = self._left.setdefault(key[0], _JobsLeft())
        left.add(key, rank)
        if rank > FIRST and left.lists and left.waiting <= MOST_WAITING and not left.was_released:
            self._hold(key, job, rank)
        else:
            self._add(key, job, rank)

    def _hold(self, key: QueueKey, job: Job, rank: int) -> None:
        if key[0] not in self._held:
            self._held[key[0]] = []
            asyncio.get_running_loop().call_later(HELD_SECONDS, self._release, key[0])
        self._held[key[0]].append((key, job, rank))

    def _release(self, subscription: str) -> None:
        """Let the jobs of a subscription begin that waited for its lists."""
        held = self._held.pop(subscription, [])
        if held:
            self._left[subscription].was_released = True
        for key, job, rank in held:
            self._add(key, job, rank)

    def _add(self, key: QueueKey, job: Job, rank: int) -> None:
        heappush(self._jobs.setdefault(key, []), (rank, next(self._numbers), job))
        if self._workers[key] and self._running >= MOST:
            self._want(key)
        elif self._workers[key] < WIDTH:
            self._start(key)

    def _start(self, key: QueueKey) -> None:
        self._workers[key] += 1
        self._running += 1
        self._tasks.create_task(self._work(key, self._next(key)))

    def _next(self, key: QueueKey) -> tuple[int, Job]:
        self._left[key[0]].begin(key)
        rank, _, job = heappop(self._jobs[key])
        return rank, job

    async def _work(self, key: QueueKey, first: tuple[int, Job]) -> None:
        left, (rank, job) = self._left[key[0]], first
        while True:
            RANK.set(rank)
            await job()
            left.end(key, rank)
            if not left.lists:
                self._release(key[0])
            if not self._jobs[key] or self._gives_way(key):
                break
            rank, job = self._next(key)
        self._workers[key] -= 1
        self._running -= 1
        if self._jobs[key]:
            self._want(key)
        elif not self._workers[key]:
            del self._workers[key], self._jobs[key]
        if not left.count:
            self._left.pop(key[0], None)
        self._start_wanting()

    def _want(self, key: QueueKey) -> None:
        self._wanting.setdefault(self._jobs[key][0][0], {})[key] = None

    def _gives_way(self, key: QueueKey) -> bool:
        """Return whether a worker of a key ends, because a job of a smaller rank waits for one of `MOST` places. One
        worker stays, so that no key waits for another one.
        """
        is_full = self._running >= MOST and self._workers[key] > 1
        return is_full and min(self._wanting, default=LAST) < self._jobs[key][0][0]

    def _start_wanting(self) -> None:
        while self._wanting and self._running < MOST:
            rank = min(self._wanting)
            key = next(iter(self._wanting[rank]))
            del self._wanting[rank][key]
            if not self._wanting[rank]:
                del self._wanting[rank]
            if self._jobs.get(key) and self._workers[key] < WIDTH:
                if self._jobs[key][0][0] <= rank:
                    self._start(key)
                if self._jobs[key]:
                    self._want(key)

    async def room(self, subscription: str) -> None:
        """Return when at most `MOST_WAITING` jobs of a subscription wait, besides lists."""
        while subscription in self._left and self._left[subscription].waiting > MOST_WAITING:
            await self._left[subscription].wait()

    async def first_ended(self, subscription: str) -> None:
        """Return when all lists and all jobs of the first rank of a subscription have ended, those that these added
        too.
        """
        while subscription in self._left and self._left[subscription].first:
            await self._left[subscription].wait()

    async def ended(self, subscription: str) -> None:
        """Return when all jobs of a subscription have ended, also those that its jobs added."""
        while subscription in self._left:
            await self._left[subscription].wait()

    async def ended_or_stalled(self, subscription: str) -> None:
        """Return when all jobs of a subscription have ended, or when none has for `STALLED_SECONDS`: what is left waits
        for a limit, or for a service that does not answer.
        """
        before = -1
        while subscription in self._left and self._left[subscription].ended != before:
            before = self._left[subscription].ended
            with suppress(TimeoutError):
                async with asyncio.timeout(STALLED_SECONDS):
                    await self.ended(subscription)


class _JobsLeft:
    """Count the jobs of a subscription that have not ended, and those that have not begun, of these without lists.

    `ended`: how many have ended. `lists`: those of lists that have not. `first`: those of the first rank that have not.
    `was_released`: see `JobQueue._release`.
    """

    def __init__(self) -> None:
        self.count = self.waiting = self.ended = self.lists = self.first = 0
        self.was_released = False
        self._changed = asyncio.Event()

    def add(self, key: QueueKey, rank: int) -> None:
        self.count += 1
        self.first += rank <= FIRST
        self.waiting += key[1:2] != (LISTS,)
        self.lists += key[1:2] == (LISTS,)

    def begin(self, key: QueueKey) -> None:
        self.waiting -= key[1:2] != (LISTS,)
        if self.waiting == MOST_WAITING:
            self._tell()

    def end(self, key: QueueKey, rank: int) -> None:
        self.lists -= key[1:2] == (LISTS,)
        self.first -= rank <= FIRST
        self.count -= 1
        self.ended += 1
        if not self.count or not self.first:
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        """Return when there is room again, or when no job is left."""
        await self._changed.wait()


class ListedIds:
    """The ids of the resources that are read or will be, whatever their case, by subscription."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids: dict[str, set[str]] = {}
        for id in ids:
            self.add(id)

    def __contains__(self, id: str) -> bool:
        lower = id.lower()
        return lower in self._ids.get(subscription_of(lower), ())

    def add(self, id: str) -> None:
        lower = id.lower()
        self._ids.setdefault(subscription_of(lower), set()).add(lower)

    def forget(self, subscription: str) -> None:
        """Forget the ids of a subscription that is read as a whole."""
        self._ids.pop(subscription.lower(), None)


class JobsInWork:
    """Count jobs that have not ended."""

    def __init__(self) -> None:
        self._count = 0
        self._ended = asyncio.Event()

    def counted(self, job: Job) -> Job:
        """Return a job that counts until it has ended."""
        self._count += 1

        async def run() -> None:
            await job()
            self._count -= 1
            if not self._count:
                self._ended.set()

        return run

    async def wait(self) -> None:
        """Return when all jobs have ended that were counted before."""
        if self._count:
            await self._ended.wait()


async def run_some(jobs: Iterator[Job], width: int = WIDE) -> None:
    """Run the jobs of an iterator, `width` at a time. The next one is made when another has ended."""

    async def work(first: Job) -> None:
        await first()
        for job in jobs:
            await job()

    async with asyncio.TaskGroup() as tasks:
        for first in islice(jobs, width):
            tasks.create_task(work(first))


async def side_by_side(*work: Awaitable[Result]) -> list[Result]:
    """Return what each of these returns, made at once. The first error ends the others, and is raised alone."""

    async def one(each: Awaitable[Result]) -> Result:
        return await each

    try:
        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(one(each)) for each in work]
    except BaseExceptionGroup as group:
        raise first_of(group) from None
    return [each.result() for each in made]


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of a group of tasks."""
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first


class ReadCounts:
    """Count reads and resources, and report them to the progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.done = self.expected = self.resources = self.failed = 0
        self._by_name: dict[str, list[int]] = {}

    def expect(self, what: str, reads: int = 1) -> None:
        """Count reads that will be made."""
        self.expected += reads
        self._by_name.setdefault(what, [0, 0])[1] += reads

    def finish(self, what: str) -> None:
        """Count a read that ended, and report it."""
        self.done += 1
        counts = self._by_name.setdefault(what, [0, 0])
        counts[0] += 1
        self._progress.reading(what, counts[0], max(counts))
        self._progress.counts(self.done, max(0, self.expected - self.done), self.resources, self.failed)


class CollectionContext:
    """The reader, plan, store, progress and counts of one collection."""

    def __init__(self, reader: "AzureReader", plan: Plan, store: LineWriter, progress: Progress) -> None:
        self.reader = reader
        self.plan = plan
        self.store = store
        self.progress = progress
        self.counts = ReadCounts(progress)
        self.versions = VersionedReader(reader)
        self.spool = reader.spool
        self.bulk = BulkReads(reader, plan, self.spool, store.kept)
        self.locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.regions: dict[str, Counter[str]] = defaultdict(Counter)
        """How many resources were found in each region, by subscription in lower case."""
        self.shared: SharedAnswers | None = None
        """What another process read for all subscriptions; None where this collection reads it."""

    def share(self, answers: SharedAnswers) -> None:
        """Take what another process read for all subscriptions."""
        self.shared = answers
        self.bulk.take(answers.tables)

    def labelled(self, name: str, tenant: str) -> str:
        """Return the name of a subscription, with that of its tenant (by id) where several are read: `Nord / prod`."""
        label = self.reader.labels.get(tenant.lower())
        return f"{label} / {name}" if label else name

    def of_lookups(self) -> "CollectionContext":
        """Return a context that makes only the reads that verdicts on other resources look up."""
        made = CollectionContext(self.reader, self.plan.looked_up(), self.store, self.progress)
        made.counts = self.counts
        made.bulk, made.versions = self.bulk, self.versions
        return made

    def pages(self, path: str, resource_type: ResourceType) -> VersionedPages:
        """Return the pages of a list of a type. Reading them raises ReadError."""
        return self.versions.pages(quoted_path(path), resource_type.api, query=resource_type.query)

    def kept(self, body: Json, type: str) -> Json:
        """Return what the store keeps of a body that waits for others of its bundle."""
        return body if self.store.kept is None else self.store.kept.cut(body, type)

    def for_conditions(self, resource: Resource) -> Resource:
        """Return a resource as the conditions of reads see it.

        Answers of a journal are cut down, and rows of Resource Graph that another process read. Where a condition looks
        up what was cut, it is inconclusive, so that the read is made.
        """
        kept = self.store.kept
        is_cut = self.plan.resumed or (self.shared is not None and resource.by == "graph")
        if kept is None or not is_cut:
            return resource
        body = msgspec.json.decode(msgspec.json.encode(kept.cut(resource.body, resource.type)))
        return Resource(kept.partial_body(body, resource.type), api=resource.api, by=resource.by)

    def add_failure(self, writer: LineWriter, url: str, error: ReadError, action: str = "", resources: int = 0) -> None:
        """Write a failed read as a gap. `action` replaces the action that was derived from the answer."""
        action = error.action and (action or error.action)
        self.add_gap(writer, url, error.status, error.code, action, resources)

    def add_gap(self, writer: LineWriter, url: str, status: int, code: str, action: str, resources: int = 0) -> None:
        """Write a gap, count it and report it. `resources`: see `Gap`."""
        writer.gap(url, status, code, action, resources)
        self.counts.failed += 1
        self.progress.gap(url, status, code, action)

    def add_unanswered(self, error: ReadError, instead: str) -> None:
        """Write why Resource Graph did not answer a query, and what was done instead. It is a gap where the query was
        for types that no list shows too.
        """
        self.store.skip(RESOURCE_GRAPH, f"{error.status} {error.code}; {instead}")
        if any(each.lower() in EXTENSIONS for each in self.plan.index_types):
            self.add_failure(self.store, RESOURCE_GRAPH, error)

    def flush(self, buffer: LineBuffer) -> None:
        """Write the lines of a finished bundle to the store."""
        for line in buffer:
            self.store.add(line)
