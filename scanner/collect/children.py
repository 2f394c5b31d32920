"""Reads the bundle of a resource: everything below it, level by level. A bundle is written whole or not at all."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import NamedTuple

import msgspec
from msgspec import Struct

from scanner.azure.errors import ReadError
from scanner.azure.turns import FIRST
from scanner.collect.ages import digest_of, time_of
from scanner.collect.bodies import display_name, quoted_path, with_child_id
from scanner.collect.plan import JoinedRead, Json
from scanner.collect.queue import (
    UNREGISTERED,
    CollectionContext,
    Job,
    JobQueue,
    ListedIds,
    ParentDeletedError,
    SubscriptionView,
    run_some,
)
from scanner.collect.versions import by_version
from scanner.model.ids import name_of, type_of
from scanner.model.resource import By, Resource
from scanner.model.resource_type import After, Read, ResourceType
from scanner.snapshot.format import DELETED, NOT_ASKED, SnapshotLine
from scanner.snapshot.store import LineBuffer
from scanner.store.spool import Block

_MISSING = frozenset({"resourcenotfound", "parentresourcenotfound", "resourcegroupnotfound", "notfound"})


class FollowingRead(NamedTuple):
    """A read that the results of another one may save. `matters`: whether a row of them makes it needed."""

    read: Read
    matters: Callable[[Resource], bool] | None


class NeededRead(NamedTuple):
    """A read to make below a resource. `then`: those that follow it, as far as its results do not save them."""

    read: Read
    then: tuple[FollowingRead, ...]


class BundleReader:
    """Read the bundles of one collection."""

    def __init__(self, context: CollectionContext, listed_ids: ListedIds | None = None) -> None:
        self.context = context
        self.listed_ids = ListedIds() if listed_ids is None else listed_ids
        """The resources whose bundles are read or will be."""
        self._below = context.plan.below()
        self._unasked = frozenset(context.plan.unasked)
        self._nested = context.plan.nested()
        self._open: dict[int, LineBuffer] = {}
        """The lines of the bundles that are not read in whole, by the id of their buffer."""
        self._exists: dict[str, bool] = {}
        """Whether a resource still exists, by its key, where a read below it gave 404."""

    def add(
        self,
        jobs: JobQueue,
        subscription: SubscriptionView,
        row: Json,
        resource_type: ResourceType,
        by: By,
        api: str | None,
    ) -> None:
        """Write a resource at once where nothing is read below it, else add a job that reads its bundle.

        `api`: the api-version with which it was read, None for a row of Resource Graph. `by`: how, at the pinned one.
        """
        by = by if api is None else by_version(by, api, resource_type.api)
        resource = Resource(row, api=api, by=by)
        buffer = LineBuffer(self.context.spool)
        reads = self._needed(buffer, resource, resource_type)
        self.context.counts.resources += 1
        self.context.regions[subscription.id.lower()][resource.location] += 1
        nested = [each for each in self._nested_in(resource.type) if may_exist(subscription, each[0])]
        if not reads and not nested:
            self.context.flush(buffer)
            self.context.store.resource(row, api, by)
            return
        packed = self.context.spool.put(msgspec.json.encode(self.context.kept(row, resource.type)))
        small = self._identity(resource)
        key = (subscription.id, resource.type.split("/", 1)[0].lower(), resource.location)
        phases = Phases(self.context.plan.ranks)
        for each in reads:
            phases.add(LaterRead(each, small, by))
        phases.lists = nested

        async def job() -> None:
            top = Resource(msgspec.json.decode(small), api=resource_type.api, by=by)
            if not phases.begun:
                buffer.resource(msgspec.json.decode(packed.read()), api, by)
            try:
                async with asyncio.TaskGroup() as tasks:
                    lists, later = phases.next()
                    for type, below in lists:
                        tasks.create_task(self._read_nested(jobs, subscription, buffer, top, type, below))
                    for each in later:
                        tasks.create_task(self._read_later(buffer, phases, each, top))
            except* ParentDeletedError:
                phases.clear()
                buffer.clear()
                buffer.skip(top.id, DELETED)
                self.context.counts.resources -= 1
            if phases.is_left:
                jobs.add(key, job, phases.first)
            else:
                self._open.pop(id(buffer), None)
                self.context.flush(buffer)

        self._open[id(buffer)] = buffer
        jobs.add(key, job, phases.first)

    def open_lines(self) -> Iterator[SnapshotLine]:
        """Yield the lines of the bundles that are not read in whole."""
        for buffer in list(self._open.values()):
            yield from buffer

    def _identity(self, resource: Resource) -> bytes:
        """Return a resource without its properties, as JSON: what the reads below it need while they wait.

        `digest`: of all of it, where answers of earlier scans may count below it.
        """
        identity = {"id": resource.id, "location": resource.location}
        if self.context.plan.ages is not None:
            identity["digest"] = digest_of(resource.body)
        return msgspec.json.encode(identity)

    def _nested_in(self, type: str) -> list[tuple[str, ResourceType]]:
        return self._nested.get(type.lower(), [])

    def _needed(self, buffer: LineBuffer, parent: Resource, declared: ResourceType | Read) -> "list[NeededRead]":
        """Return the reads to make below a resource. Those not needed, or not asked for, are written as skips."""
        needed = []
        reads = self._below.get(declared, ())
        shown = self.context.for_conditions(parent) if reads else parent
        for read in reads:
            if _wanted(read, shown) and read in self._unasked:
                buffer.skip(parent.url(read), NOT_ASKED)
            elif _wanted(read, shown):
                needed.append(read)
                self.context.counts.expect(_counted_as(read.path, parent))
            else:
                buffer.skip(parent.url(read), "not needed")
        return _ordered(needed, shown)

    async def _read_nested(
        self,
        jobs: JobQueue,
        subscription: SubscriptionView,
        buffer: LineBuffer,
        parent: Resource,
        type: str,
        resource_type: ResourceType,
    ) -> None:
        """List the resources below a resource that are bundles of their own (slots), and add them."""
        url = f"{parent.id}/{type.rsplit('/', 1)[1]}"
        what = _counted_as(type.rsplit("/", 1)[1], parent)
        self.context.counts.expect(what)
        count = 0
        try:
            may_have = await self.context.bulk.may_have(type, parent)
            pages = self.context.versions.pages(quoted_path(url), resource_type.api, parent.location)
            if may_have:
                async for page in pages:
                    count += self._add_nested(jobs, subscription, url, page, resource_type, pages.api)
        except ReadError as error:
            await self._check_parent(error, parent, parent)
            self.context.add_failure(buffer, url, error)
        else:
            api = pages.api or resource_type.api
            buffer.read(url, count, by_version("list", api, resource_type.api) if may_have else "graph", api)
        self.context.counts.finish(what)

    def _add_nested(
        self,
        jobs: JobQueue,
        subscription: SubscriptionView,
        url: str,
        page: list[Json],
        resource_type: ResourceType,
        api: str,
    ) -> int:
        """Add the bundles of a page. Return how many there are. The page is emptied."""
        count = 0
        for row in (with_child_id(each, url) for each in page):
            if row["id"] not in self.listed_ids:
                self.listed_ids.add(row["id"])
                count += 1
                self.add(jobs, subscription, row, resource_type, "list", api)
        page.clear()
        return count

    async def _read_later(self, buffer: LineBuffer, phases: "Phases", later: "LaterRead", top: Resource) -> None:
        parent = Resource(msgspec.json.decode(later.identity), api=top.api, by=later.by)
        await self._read_children(buffer, phases, parent, later.needed, top)

    async def _read_children(
        self, buffer: LineBuffer, phases: "Phases", parent: Resource, needed: NeededRead, top: Resource
    ) -> None:
        """Make one read below a resource, and the reads below its results, as far as they are of this phase."""
        read, then = needed
        url = parent.url(read)
        what = _counted_as(read.path, parent)
        result: dict[str, _Below | None] = {}
        following = FollowingReads(then)
        page = _Page([], "get" if read.one else "list", read.api)
        try:
            async for page in self._pages(read, parent, top):
                self._add_children(buffer, page, read, result, following)
        except ReadError as error:
            await self._add_failure(buffer, url, read, error, parent, top)
            following.unneeded.clear()
        else:
            buffer.read(url, len(result), page.by, page.api, page.at)
        self.context.counts.finish(what)
        below = self._reads_below(buffer, phases, filter(None, result.values()), read, top)
        await run_some(chain(below, self._reads_after(buffer, phases, following, parent, top)))

    async def _pages(self, read: Read, parent: Resource, top: Resource) -> AsyncIterator["_Page"]:
        """Yield what a read gives: the answer of an earlier scan, where that may stand for it, or what Azure answers.

        Raises ReadError.
        """
        ages, url, key = self.context.plan.ages, parent.url(read), ""
        if ages is not None and read in ages.limits:
            key = await ages.key(read, url, parent.body["digest"])
        answer = ages.find(read, key, url) if ages is not None and key else None
        if answer is not None:
            yield _Page(answer.rows, answer.by, answer.api, time_of(answer.at))
            return
        rows: list[Json] = []
        page = None
        async for page in self._pages_of_azure(read, parent, top):
            rows += [self.context.kept(each, type_of(str(each.get("id")))) for each in page.rows] if key else ()
            yield page
        if ages is not None and key and page is not None and page.by != "graph":
            ages.keep(key, parent.id, page.by, page.api, rows)

    async def _pages_of_azure(self, read: Read, parent: Resource, top: Resource) -> AsyncIterator["_Page"]:
        url = parent.url(read)
        bulk = await self.context.bulk.rows(read, parent)
        if bulk is not None:
            rows = [_bulk_row(each, url, read, bulk.by) for each in bulk.bodies]
            yield _Page(rows, bulk.by, None if bulk.by == "graph" else read.api)
        elif read.one:
            body, api = await self.context.versions.get(quoted_path(url), read.api, top.location)
            yield _Page([{**body, "id": url}], by_version("get", api, read.api), api)
        else:
            pages = self.context.versions.pages(quoted_path(url), read.api, top.location, read.query)
            async for page in pages:
                rows = [with_child_id(each, url) for each in page]
                page.clear()
                yield _Page(rows, by_version("list", pages.api, read.api), pages.api)

    def _reads_after(
        self, buffer: LineBuffer, phases: "Phases", following: "FollowingReads", parent: Resource, top: Resource
    ) -> Iterator[Job]:
        """Yield the reads that another one did not save."""
        for each, _ in following.following:
            if each not in following.unneeded:
                later = LaterRead(NeededRead(each, ()), msgspec.json.encode(parent.body), parent.by)
                if phases.is_now(later):
                    yield partial(self._read_children, buffer, phases, parent, later.needed, top)
                continue
            if each.within is not None:
                buffer.read(parent.url(each), 1, "list")
            else:
                buffer.skip(parent.url(each), "not needed")
            self.context.counts.finish(_counted_as(each.path, parent))

    async def read_joined(self, wanted: Iterable[JoinedRead]) -> None:
        """Make the reads that a join asks for. One below a resource that was deleted meanwhile is a gap."""
        joined_reads = list(wanted)
        for each in joined_reads:
            self.context.counts.expect(_counted_as(each.read.path, each.parent))
        await run_some(partial(self._read_one_joined, each) for each in joined_reads)

    async def _read_one_joined(self, each: JoinedRead) -> None:
        buffer = LineBuffer(self.context.spool)
        top = Resource({"id": each.top.id, "location": each.top.location}, by="get")
        await self._read_children(buffer, Phases(), each.parent, NeededRead(each.read, ()), top)
        self.context.flush(buffer)

    def _reads_below(
        self, buffer: LineBuffer, phases: "Phases", belows: Iterable["_Below"], read: Read, top: Resource
    ) -> Iterator[Job]:
        """Yield the reads below children."""
        for below in belows:
            if below.row is not None:
                yield partial(self._read_row, buffer, below.row, read, top)
            for each in below.reads:
                later = LaterRead(each, below.identity, below.by)
                if phases.is_now(later):
                    yield partial(self._read_later, buffer, phases, later, top)

    async def _read_row(self, buffer: LineBuffer, packed: Block, read: Read, top: Resource) -> None:
        """Read a resource by GET, because its row in a list says too little."""
        what = _counted_as(read.type.rsplit("/", 1)[1], top)
        self.context.counts.expect(what)
        id = str(msgspec.json.decode(packed.read())["id"])
        try:
            body, api = await self.context.versions.get(quoted_path(id), read.api, top.location)
        except ReadError as error:
            self.context.add_failure(buffer, id, error)
            row = msgspec.json.decode(packed.read())
            buffer.resource(row, None, "graph")  # as a row of unknown api-version, where absent is not absence
        else:
            by = by_version("get", api, read.api)
            buffer.resource(self.context.kept({**body, "id": id}, type_of(id)), api, by)
        self.context.counts.finish(what)

    def _add_children(
        self,
        buffer: LineBuffer,
        page: "_Page",
        read: Read,
        result: dict[str, "_Below | None"],
        following: "FollowingReads",
    ) -> None:
        """Write the children of a page that matter; to `result`, by id in lower case, what is read below each. Empties
        the page.
        """
        bodies, by, api = page.rows, page.by, page.api
        for body in map(read.reduce, bodies) if read.reduce is not None else bodies:
            resource = Resource(body, api=api, by=by)
            is_asked = read.matters is not None or following.following
            shown = self.context.for_conditions(resource) if is_asked else resource
            if not _matters(read.matters, shown):
                continue
            following.add(shown)
            kept = self.context.kept(body, resource.type)
            if not read.each:
                buffer.resource(kept, api, by)
            self.context.counts.resources += 1
            reads = self._needed(buffer, resource, read)
            row = self.context.spool.put(msgspec.json.encode(kept)) if read.each else None
            result[resource.id.lower()] = _Below(self._identity(resource), reads, row, by) if reads or row else None
        bodies.clear()

    async def _add_failure(
        self, buffer: LineBuffer, url: str, read: Read, error: ReadError, parent: Resource, top: Resource
    ) -> None:
        """Write what a failed read means: there is none, not on this SKU, deleted meanwhile, or a gap."""
        code = error.code.lower()
        off = next((each for each in read.off if each.lower() == code), None)
        if off is not None:
            error.means_none()
            buffer.skip(url, off)
        elif code in {each.lower() for each in read.none} or code == UNREGISTERED:
            error.means_none()
            buffer.read(url, 0, "get" if read.one else "list")
        else:
            await self._check_parent(error, parent, top)
            self.context.add_failure(buffer, url, error, read.action if len(read.actions) == 1 else "")

    async def _check_parent(self, error: ReadError, parent: Resource, top: Resource) -> None:
        """Read the parent after a 404 that may mean it. Raises ParentDeletedError where it no longer exists."""
        if error.status != 404 or error.code.lower() not in _MISSING or top.by == "get":
            return
        async with self.context.locks[top.key]:
            if top.key not in self._exists:
                self._exists[top.key] = await self._still_exists(top)
        if not self._exists[top.key]:
            raise ParentDeletedError

    async def _still_exists(self, resource: Resource) -> bool:
        try:
            await self.context.versions.get(quoted_path(resource.id), resource.api or "", resource.location)
        except ReadError as error:
            return error.status != 404
        return True


class _Page(NamedTuple):
    """Children as one answer has them. `by`, `api`, `at`: as in a line of a snapshot that tells of a read."""

    rows: list[Json]
    by: By
    api: str | None
    at: str = ""


class LaterRead(NamedTuple):
    """A read to make below a resource, which was read by `by`. `identity`: see `BundleReader._identity`."""

    needed: NeededRead
    identity: bytes
    by: By


class Phases:
    """What is left to read of a bundle, by rank. The reads of each rank are a phase; no phase has reads of a later one.

    `ranks`: see `Plan.ranks`. Without any, everything is one phase.
    """

    def __init__(self, ranks: Mapping[Read, int] | None = None) -> None:
        self._ranks = ranks or {}
        self._rank: int | None = None
        self._left: dict[int, list[LaterRead]] = {}
        self.lists: list[tuple[str, ResourceType]] = []
        """The bundles below the resource, which are listed in the first phase."""

    @property
    def begun(self) -> bool:
        """Return whether the first phase has begun."""
        return self._rank is not None

    @property
    def is_left(self) -> bool:
        """Return whether a phase is left."""
        return bool(self._left)

    @property
    def first(self) -> int:
        """Return the rank of the next phase."""
        return FIRST if self.lists else min(self._left, default=FIRST)

    def add(self, later: LaterRead) -> None:
        """Add a read to the phase that it belongs to."""
        self._left.setdefault(self._rank_of(later.needed), []).append(later)

    def is_now(self, later: LaterRead) -> bool:
        """Return whether a read belongs to this phase; if not, it is added to a later one."""
        if self._rank_of(later.needed) <= (self._rank or FIRST):
            return True
        self.add(later)
        return False

    def _rank_of(self, needed: NeededRead) -> int:
        """Return the rank of a read, or of one that its results may save, whichever is smaller."""
        return min(self._ranks.get(read, FIRST) for read in (needed.read, *(each.read for each in needed.then)))

    def next(self) -> tuple[list[tuple[str, ResourceType]], list[LaterRead]]:
        """Begin the next phase, and return the bundles that it lists, and its reads."""
        self._rank = self.first
        lists, self.lists = self.lists, []
        return lists, self._left.pop(self._rank, [])

    def clear(self) -> None:
        """Forget what is left."""
        self._left, self.lists = {}, []


class FollowingReads:
    """Reads that the results of another one may save. `unneeded`: those that they make unnecessary, as far as heard."""

    def __init__(self, following: "tuple[FollowingRead, ...]") -> None:
        self.following = following
        self.unneeded = {each.read for each in following if each.matters is not None}

    def add(self, row: Resource) -> None:
        """Take a row of the results."""
        for read, matters in self.following:
            if read.within is not None and row.key.endswith(read.key):
                self.unneeded.add(read)
            elif matters is not None and _matters(matters, row):
                self.unneeded.discard(read)


class _Below(Struct):
    """The `reads` below a child. `identity`: see `BundleReader._identity`. `row`: the child, to be read by GET."""

    identity: bytes
    reads: list[NeededRead]
    row: Block | None
    by: By


def _counted_as(path: str, parent: Resource) -> str:
    """Return the name under which reads below resources of one type are counted: `containers of storage accounts`."""
    return f"{display_name(path)} of {display_name(parent.type.rsplit('/', 1)[1])}"


def _bulk_row(body: Json, url: str, read: Read, by: By) -> Json:
    """Return what stands for a read, with the id that ARM gives it, which rows of Graph may spell otherwise."""
    if read.one:
        return {**body, "id": url}
    return with_child_id({**body, "id": f"{url}/{name_of(body['id'])}"} if by == "graph" else body, url)


def _ordered(needed: list[Read], parent: Resource) -> list[NeededRead]:
    """Return reads, with those that follow each of them."""
    then: dict[Read, list[FollowingRead]] = defaultdict(list)
    for read in needed:
        after = _decided_by(read, parent)
        first = read.within if after is None else after[0]
        if first is not None and first in needed:
            then[first].append(FollowingRead(read, None if after is None else after[1]))
    later = {each.read for following_reads in then.values() for each in following_reads}
    return [NeededRead(read, tuple(then[read])) for read in needed if read not in later]


def _decided_by(read: Read, parent: Resource) -> After | None:
    """Return what decides whether a read is needed. Where its condition raises nothing does."""
    try:
        return read.decided_by(parent)
    except Exception:  # noqa: BLE001 - a rule file may raise anything
        return read.after


def _wanted(read: Read, parent: Resource) -> bool:
    """Return whether a read is needed below a resource.

    A read whose condition raises is needed, because the evaluation then names the fault.
    """
    try:
        return read.needed(parent)
    except Exception:  # noqa: BLE001 - a rule file may raise anything
        return True


def _matters(condition: Callable[[Resource], bool] | None, row: Resource) -> bool:
    """Return whether a row counts, as does one of which that cannot be said, because the evaluation names the fault."""
    if condition is None:
        return True
    try:
        return condition(row)
    except Exception:  # noqa: BLE001 - a rule file may raise anything
        return True


def may_exist(subscription: SubscriptionView, type: str) -> bool:
    """Return whether resources of a type exist in a subscription, as far as is known."""
    return subscription.existing_types is None or type.lower() in subscription.existing_types
