"""Step 1: reads what a plan names from Azure into a sink. It knows no rule, and imports no SDK."""

import asyncio
import re
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from scanner.azure.errors import NothingReadable, ReadError, read_action
from scanner.errors import InputError
from scanner.index import EXTENSIONS, INDEX_TYPES
from scanner.resource import By, Resource, group_of, member, segments, subscription_of, type_of
from scanner.rule import Child, Kind

Json = dict[str, Any]
Lane = tuple[str, ...]
Job = Callable[[], Awaitable[None]]

WIDTH = 32
"""Bundles read at once of one provider in one subscription and region."""

PERMISSIONS = "2022-04-01"
PROBES = 3
"""Lists that are tried before a subscription counts as seen in part."""

QUERY = "/providers/Microsoft.ResourceGraph/resources"
INDEX_APIS = {
    "microsoft.network/virtualnetworks": "2025-05-01",
    "microsoft.network/networksecuritygroups": "2025-09-01",
    "microsoft.network/networkinterfaces": "2025-09-01",
    "microsoft.network/routetables": "2025-09-01",
    "microsoft.network/publicipaddresses": "2025-09-01",
    "microsoft.network/publicipprefixes": "2025-09-01",
    "microsoft.network/loadbalancers": "2025-09-01",
    "microsoft.network/natgateways": "2025-09-01",
    "microsoft.network/azurefirewalls": "2025-09-01",
    "microsoft.network/firewallpolicies": "2025-09-01",
    "microsoft.network/firewallpolicies/rulecollectiongroups": "2025-09-01",
    "microsoft.network/ipgroups": "2025-09-01",
    "microsoft.network/virtualhubs": "2025-09-01",
    "microsoft.network/applicationgateways": "2025-09-01",
    "microsoft.network/bastionhosts": "2025-09-01",
    "microsoft.network/virtualnetworkgateways": "2025-09-01",
    "microsoft.network/privatelinkservices": "2025-09-01",
    "microsoft.network/privateendpoints": "2025-05-01",
    "microsoft.network/networksecurityperimeters": "2025-05-01",
    "microsoft.network/networksecurityperimeters/profiles": "2025-05-01",
    "microsoft.network/networksecurityperimeters/profiles/accessrules": "2025-05-01",
    "microsoft.network/networksecurityperimeters/resourceassociations": "2025-05-01",
    "microsoft.network/frontdoors": "2025-11-01",
    "microsoft.cdn/profiles": "2025-12-01",
    "microsoft.web/hostingenvironments": "2025-03-01",
    "microsoft.app/managedenvironments": "2025-07-01",
}
"""The api-versions with which types of the index are listed where Resource Graph is not asked."""

_LISTED = frozenset({"microsoft.network/networkinterfaces"})
"""Types of the index that are listed through ARM as well: what a row of Resource Graph lacks must not close a path."""

_KEPT = (
    "id",
    "name",
    "type",
    "location",
    "kind",
    "sku",
    "tags",
    "identity",
    "managedBy",
    "zones",
    "etag",
    "systemData",
)
_GRAPH_ONLY = ("tenantId", "subscriptionId", "resourceGroup")
_GONE = frozenset({"resourcenotfound", "parentresourcenotfound", "resourcegroupnotfound", "notfound"})
_NAME = re.compile(r"[\w().-]{1,90}")
_UNREGISTERED = "missingsubscriptionregistration"


class Subscription(Protocol):
    """What is known of a subscription; not `readable`: disabled, or (`state` "") not seen by the login."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def readable(self) -> bool: ...


class Account(Protocol):
    """Whose login reads."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def tenant(self) -> str: ...


class Reader(Protocol):
    """What `scanner.azure.connect` offers. All reads raise ReadError."""

    @property
    def account(self) -> Account: ...
    async def subscriptions(self) -> Sequence[Subscription]: ...
    async def named(self, wanted: Sequence[str]) -> Sequence[Subscription]: ...
    async def below(self, groups: Sequence[str]) -> Sequence[Subscription]: ...
    async def tenants(self) -> list[tuple[str, str]]: ...
    def pages(self, path: str, api: str, region: str = "") -> AsyncIterator[list[Json]]: ...
    async def get(self, path: str, api: str, region: str = "") -> Json: ...
    async def query(self, kql: str, subscriptions: Sequence[str], batch: int = 1000) -> list[Json]: ...


class Sink(Protocol):
    """Takes what was read, in any order; `scanner.snapshot.Store` is one."""

    def scope(self, subscription: str, name: str, tenant: str, view: str) -> None: ...
    def resource(self, body: Json, api: str | None, by: By) -> None: ...
    def read(self, url: str, count: int, by: str = "") -> None: ...
    def skip(self, url: str, why: str) -> None: ...
    def gap(self, url: str, status: int, code: str, action: str = "") -> None: ...


class Progress(Protocol):
    """Hears how far a collection is. Every call is cheap and may come thousands of times a second."""

    def account(self, name: str, kind: str, tenant: str, others: Sequence[str]) -> None:
        """Who reads, in which tenant (a name where it has one), and which tenants that the login knows are not read."""

    def scope(self, subscription: str, name: str, view: str) -> None:
        """A subscription, and how much of it is seen: full, partial, none."""

    def counts(self, done: int, to_come: int, resources: int, failed: int) -> None:
        """Reads done and known to come, resources found, reads that failed."""

    def reading(self, what: str, done: int, total: int, of: str) -> None:
        """`what` ("containers") was read of `done` of `total` parents (`of`: "storage accounts")."""

    def gap(self, url: str, status: int, code: str, action: str) -> None:
        """A read failed."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What to read. Empty: all subscriptions that the login can read. `graph=False`: list everything instead."""

    subscriptions: tuple[str, ...] = ()
    management_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    graph: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """The table of reads: types, the children that are wanted below them, and the types of the index."""

    kinds: Sequence[Kind]
    children: Collection[Child]
    index_types: Sequence[str] = INDEX_TYPES

    def types(self) -> Iterable[tuple[str, Kind]]:
        """Each type with its declaration."""
        return ((type, kind) for kind in self.kinds for type in kind.types)

    def below(self, parent: Kind | Child) -> list[Child]:
        """The wanted reads directly below."""
        return [child for child in self.children if child.parent is parent]

    def nested(self, type: str) -> list[tuple[str, Kind]]:
        """Types whose resources lie directly below resources of that type and are bundles of their own."""
        return [
            (each, kind)
            for each, kind in self.types()
            if _nested(each) and each.lower().rsplit("/", 1)[0] == type.lower()
        ]


async def collect(reader: Reader, scope: Scope, plan: Plan, sink: Sink, progress: Progress) -> None:
    """Read the scope into the sink. Raises InputError or an AccessError where nothing of it can be read."""
    work = _Collection(reader, scope, plan, sink, progress)
    try:
        await work.run()
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


class _Gone(Exception):
    """The parent of a read was deleted meanwhile."""


@dataclass(slots=True)
class _Seen:
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
        return self.view == "partial" or any(_allows(role, f"{type}/read") for role in self.granted or ())


class _Crew:
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


class _Tally:
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


class _Out:
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


class _Collection:
    def __init__(self, reader: Reader, scope: Scope, plan: Plan, sink: Sink, progress: Progress) -> None:
        self.reader = reader
        self.scope = scope
        self.plan = plan
        self.sink = sink
        self.progress = progress
        self.tally = _Tally(progress)
        self.seen_ids: set[str] = set()
        parents: set[Kind | Child] = {*plan.kinds, *plan.children}
        self.below = {parent: plan.below(parent) for parent in parents}
        self.asked: dict[str, asyncio.Task[bool]] = {}
        self.groups_of: dict[str, asyncio.Task[list[str]]] = {}
        self.groups = {group.lower() for group in scope.groups}

    async def run(self) -> None:
        """The whole collection."""
        async with asyncio.TaskGroup() as tasks:
            subscriptions = tasks.create_task(self._subscriptions())
            tenants = tasks.create_task(self.reader.tenants())
        known = subscriptions.result()
        self._account(tenants.result())
        if self.scope.resources:
            await self._named_resources(known)
            return
        targets = await self._targets(known)
        seen = await self._views(targets)
        if self.scope.graph:
            await self._existence(seen)
        await self._index(seen)
        async with asyncio.TaskGroup() as tasks:
            crew = _Crew(tasks)
            for subscription in seen:
                for type, kind in self.plan.types():
                    if not _nested(type):
                        crew.add((subscription.id, "lists"), self._listing(crew, subscription, type, kind))

    # Who, and where

    def _account(self, tenants: list[tuple[str, str]]) -> None:
        account = self.reader.account
        names = dict(tenants)
        others = [name or id for id, name in tenants if id.lower() != account.tenant.lower()]
        self.progress.account(account.name, account.kind, names.get(account.tenant) or account.tenant, others)

    async def _subscriptions(self) -> Sequence[Subscription]:
        try:
            return await self.reader.subscriptions()
        except ReadError as error:
            account = self.reader.account
            raise NothingReadable(
                f"the subscriptions of this login cannot be listed: {error.status or ''} {error.code}".replace(
                    ": 0", ":"
                ),
                at=f"{account.name}, tenant {account.tenant}",
                do="try again later, or ask for Reader",
            ) from error

    async def _targets(self, known: Sequence[Subscription]) -> list[Subscription]:
        scope = self.scope
        targets = list(known)
        if scope.subscriptions or scope.management_groups:
            found = [*await self.reader.named(scope.subscriptions), *await self.reader.below(scope.management_groups)]
            targets = list({each.id.lower(): each for each in found}.values())
        if not any(each.readable for each in targets):
            account = self.reader.account
            states = ", ".join(sorted({f"{each.name} is {each.state or 'not seen'}" for each in targets})[:5])
            raise NothingReadable(
                "this login can read no subscription" + (f" ({states})" if states else ""),
                at=f"{account.name}, tenant {account.tenant}",
                do="ask for Reader, or for less: twolocks access role > role.json",
            )
        return targets

    async def _views(self, targets: Sequence[Subscription]) -> list[_Seen]:
        """How much of each subscription the login sees."""
        kinds = [kind for kind in self.plan.kinds if not _nested(kind.type)][:PROBES]
        read = [each for each in targets if each.readable]
        async with asyncio.TaskGroup() as tasks:
            probes = [tasks.create_task(self._probe(each.id, kinds)) for each in read]
        seen = [probe.result() for probe in probes]
        views = {each.id: each.view for each in seen}
        for each in targets:
            view = views.get(each.id, "none")
            self.sink.scope(each.id, each.name, each.tenant, view)
            self.progress.scope(each.id, each.name, view)
            url = f"/subscriptions/{each.id}"
            if each.readable and view == "partial":
                refusal = next(iter(next(one for one in seen if one.id == each.id).refused.values()))
                self._gap(self.sink, url, refusal.status, refusal.code, refusal.action)
            elif not each.readable and each.state:
                self._gap(self.sink, url, 0, f"Subscription{_word(each.state)}", "")
            elif not each.readable:
                self._gap(self.sink, url, 403, "AuthorizationFailed", read_action(url))
        return seen

    async def _probe(self, id: str, kinds: Sequence[Kind]) -> _Seen:
        """Try provider lists at subscription scope; who has roles on groups only gets 403 there."""
        seen = _Seen(id)
        if self.scope.graph:
            seen.granted = await self._granted(id)
        for kind in kinds:
            pages = self.reader.pages(_list_path(id, kind.type), kind.api)
            try:
                seen.started[kind.type.lower()] = (await anext(pages, []), pages)
            except ReadError as error:
                if error.code.lower() == _UNREGISTERED:
                    seen.started[kind.type.lower()] = ([], pages)
                    return seen
                seen.refused[kind.type.lower()] = error
            else:
                return seen
        seen.view = "partial" if kinds else "full"
        return seen

    async def _granted(self, id: str) -> list[tuple[list[str], list[str]]] | None:
        path = f"/subscriptions/{id}/providers/Microsoft.Authorization/permissions"
        try:
            rows = [row async for page in self.reader.pages(path, PERMISSIONS) for row in page]
        except ReadError:
            return None
        return [(_texts(row.get("actions")), _texts(row.get("notActions"))) for row in rows]

    # What exists

    async def _existence(self, seen: list[_Seen]) -> None:
        """Which types exist, by Resource Graph: only those are listed. Where it is refused, all are."""
        names = sorted({type.lower() for type, _ in self.plan.types()})
        kql = (
            f"resources | where type in~ ({_quoted(names)}) "
            "| summarize count_=count(), groups=make_set(resourceGroup) by type, subscriptionId "
            "| order by subscriptionId asc, type asc"
        )
        try:
            rows = await self.reader.query(kql, [each.id for each in seen], max(1, 1000 // max(1, len(names))))
        except ReadError as error:
            self.sink.skip(QUERY, f"{error.status} {error.code}; everything was listed instead")
            return
        for each in seen:
            each.exists = {}
        by_id = {each.id.lower(): each for each in seen}
        for row in rows:
            subscription = by_id.get(str(row.get("subscriptionId")).lower())
            if subscription is not None and subscription.exists is not None:
                groups = row.get("groups")
                subscription.exists[str(row.get("type")).lower()] = [str(group) for group in groups or ()]
        for each in seen:
            for type, _ in self.plan.types() if each.view == "full" else ():
                if each.exists is not None and type.lower() not in each.exists:
                    if not each.sure(type):
                        each.exists[type.lower()] = None
                    elif type.lower() not in each.started:
                        self.sink.read(_list_path(each.id, type), 0, "graph")

    # The index

    async def _index(self, seen: list[_Seen]) -> None:
        types = [
            type for type in self.plan.index_types if type.lower() not in {t.lower() for t, _ in self.plan.types()}
        ]
        if not types:
            return
        tops = list(dict.fromkeys(_top(type) for type in types if type.lower() not in EXTENSIONS))
        listed = {(each.id, type) for each in seen for type in tops}
        if all(each.exists is not None for each in seen) and self.scope.graph:
            try:
                listed = await self._index_by_graph(types, seen)
            except ReadError as error:
                self.sink.skip(QUERY, f"{error.status} {error.code}; network resources were listed instead")
        async with asyncio.TaskGroup() as tasks:
            for each in seen:
                for type in tops:
                    if (each.id, type) in listed:
                        tasks.create_task(self._index_by_list(each.id, type, types))

    async def _index_by_graph(self, types: Sequence[str], seen: Sequence[_Seen]) -> set[tuple[str, str]]:
        """Every row of the index; the answer is what must be listed all the same (subscription, top-level type)."""
        asked = _quoted(type.lower() for type in types)
        rows: dict[str, Json] = {}
        for table in ("resources", "networkresources"):
            kql = f"{table} | where type in~ ({asked}) | order by id asc"
            found = await self.reader.query(kql, [each.id for each in seen])
            rows.update({row["id"].lower(): row for row in found if isinstance(row.get("id"), str)})
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for id, row in rows.items():
            body = {key: value for key, value in row.items() if key not in _GRAPH_ONLY and value != ""}
            self.sink.resource(body, None, "graph")
            counts[subscription_of(id), type_of(id).lower()] += 1
        self.tally.resources += len(rows)
        unsure = {(each.id, _top(type)) for each in seen for type in types if not each.sure(_granting(type))}
        for each in seen:
            for type in types:
                if (each.id, _top(type)) not in unsure:
                    self.sink.read(_list_path(each.id, type), counts[each.id.lower(), type.lower()], "graph")
                    self.tally.plan("network resources")
                    self.tally.ended("network resources")
        again = {
            (each.id, type)
            for each in seen
            for type in types
            if type.lower() in _LISTED and each.view == "full" and counts[each.id.lower(), type.lower()]
        }
        return unsure | again

    async def _index_by_list(self, subscription: str, type: str, types: Sequence[str]) -> None:
        """One type of the index through ARM, with what of the index lies below it."""
        path = _list_path(subscription, type)
        out = _Out()
        rows = await self._index_rows(out, path, type)
        inside = [each for each in types if each.lower().startswith(f"{type.lower()}/")]
        for nested in sorted(inside, key=lambda each: each.count("/")) if rows is not None else ():
            whole, count = True, 0
            for parent in _of_type(out, nested.rsplit("/", 1)[0]):
                found = await self._index_rows(out, f"{parent['id']}/{nested.rsplit('/', 1)[1]}", nested)
                whole, count = whole and found is not None, count + len(found or ())
            if whole:
                out.read(_list_path(subscription, nested), count, "list")
        self._flush(out)

    async def _index_rows(self, out: _Out, path: str, type: str) -> list[Json] | None:
        """The rows of one list, written; None where it is a gap."""
        api = INDEX_APIS[type.lower()]
        what = _words(type.rsplit("/", 1)[1])
        self.tally.plan(what)
        rows: list[Json] = []
        try:
            async for page in self.reader.pages(_safe(path), api):
                rows += [row for row in page if _usable(row, subscription_of(path))]
        except ReadError as error:
            if error.code.lower() != _UNREGISTERED:
                self._failed(out, path, error)
                self.tally.ended(what)
                return None
        for row in rows:
            out.resource(row, api, "list")
        out.read(path, len(rows), "list")
        self.tally.resources += len(rows)
        self.tally.ended(what)
        return rows

    # Types

    def _listing(self, crew: _Crew, subscription: _Seen, type: str, kind: Kind) -> Job:
        """The job that lists one type in one subscription, where it exists."""
        paths = self._list_paths(subscription, type)
        self.tally.plan(_words(type.rsplit("/", 1)[1]), len(paths))

        async def job() -> None:
            if subscription.view == "partial" and subscription.exists is None:
                await self._list_groups(crew, subscription, type, kind)
            for path in paths:
                await self._list(crew, subscription, path, type, kind)

        return job

    def _list_paths(self, subscription: _Seen, type: str) -> list[str]:
        """The list paths that together cover what of a type is in scope."""
        exists = subscription.exists
        groups = None if exists is None else exists.get(type.lower(), [])
        if groups == [] and type.lower() not in subscription.started:
            return []
        if self.groups:
            wanted = [
                group for group in self.scope.groups if groups is None or group.lower() in {g.lower() for g in groups}
            ]
            return [_list_path(subscription.id, type, group) for group in wanted]
        if subscription.view == "partial":
            return [_list_path(subscription.id, type, group) for group in groups or ()]
        return [_list_path(subscription.id, type)]

    async def _list_groups(self, crew: _Crew, subscription: _Seen, type: str, kind: Kind) -> None:
        """Without Resource Graph, and seen in part: list the type in each group that is seen."""
        if self.groups:
            return
        task = self.groups_of.get(subscription.id)
        if task is None:
            task = self.groups_of[subscription.id] = asyncio.create_task(self._visible_groups(subscription.id))
        for group in await task:
            self.tally.plan(_words(type.rsplit("/", 1)[1]))
            await self._list(crew, subscription, _list_path(subscription.id, type, group), type, kind)

    async def _visible_groups(self, subscription: str) -> list[str]:
        path = f"/subscriptions/{subscription}/resourcegroups"
        try:
            rows = [row async for page in self.reader.pages(path, "2025-04-01") for row in page]
        except ReadError as error:
            self._failed(self.sink, path, error)
            return []
        self.sink.read(path, len(rows), "list")
        return [str(row.get("name")) for row in rows]

    async def _list(self, crew: _Crew, subscription: _Seen, path: str, type: str, kind: Kind) -> None:
        what = _words(type.rsplit("/", 1)[1])
        count = odd = 0
        try:
            async for page in self._pages(subscription, path, type, kind):
                for row in page:
                    if _usable(row, subscription.id):
                        count += 1
                        self._found(crew, subscription, row, kind)
                    else:
                        odd += 1
        except ReadError as error:
            if error.code.lower() == _UNREGISTERED:
                self.sink.read(path, 0, "list")
            elif not await self._by_ids(crew, subscription, path, kind, error):
                self._failed(self.sink, path, error)
        else:
            if odd:
                self._gap(self.sink, path, 0, "BadJson", "")
            else:
                self.sink.read(path, count, "list")
        self.tally.ended(what)

    async def _by_ids(self, crew: _Crew, subscription: _Seen, path: str, kind: Kind, error: ReadError) -> bool:
        """Who has roles on single resources may list no group, and reads each resource that Resource Graph shows."""
        group = group_of(path)
        if error.status != 403 or subscription.exists is None or not group or not _NAME.fullmatch(group):
            return False
        wanted = f"type =~ '{type_of(path + '/x')}' and resourceGroup =~ '{group}'"
        kql = f"resources | where {wanted} | project id | order by id asc"
        try:
            rows = [row for row in await self.reader.query(kql, [subscription.id]) if _usable(row, subscription.id)]
        except ReadError:
            return False
        for row in rows:
            if row["id"].lower() not in self.seen_ids:
                self.seen_ids.add(row["id"].lower())
                self._get_top(crew, subscription, row["id"], kind)
        if rows:
            self.sink.skip(path, f"{error.status} {error.code}; each resource that is seen was read by itself")
        return bool(rows)

    async def _pages(self, subscription: _Seen, path: str, type: str, kind: Kind) -> AsyncIterator[list[Json]]:
        """The pages of a list; what the probe has read is not read again."""
        whole = path == _list_path(subscription.id, type)
        if whole and (refused := subscription.refused.get(type.lower())):
            raise refused
        started = subscription.started.pop(type.lower(), None) if whole else None
        if started is not None:
            yield started[0]
        async for page in started[1] if started else self.reader.pages(_safe(path), kind.api):
            yield page

    def _found(self, crew: _Crew, subscription: _Seen, row: Json, kind: Kind) -> None:
        """A top-level resource of a list: plan what is read below it."""
        if not self._in_scope(row) or row["id"].lower() in self.seen_ids:
            return
        self.seen_ids.add(row["id"].lower())
        if isinstance(member(row, "properties"), dict):
            self._bundle(crew, subscription, row, kind, "list")
        else:
            self._get_top(crew, subscription, row["id"], kind)

    def _get_top(self, crew: _Crew, subscription: _Seen, id: str, kind: Kind) -> None:
        """A resource of which the list has said too little: read it by itself."""
        what = _words(kind.type.rsplit("/", 1)[1])
        self.tally.plan(what)

        async def job() -> None:
            try:
                body = await self.reader.get(_safe(id), kind.api)
            except ReadError as error:
                if error.status == 404:
                    self.sink.skip(id, "deleted meanwhile")
                else:
                    self._failed(self.sink, id, error)
            else:
                self._bundle(crew, subscription, {**body, "id": id}, kind, "get")
            self.tally.ended(what)

        crew.add((subscription.id, "gets", kind.type), job)

    def _in_scope(self, row: Json) -> bool:
        resource = Resource(row)
        if self.groups and resource.group.lower() not in self.groups:
            return False
        tags = {name.lower(): value for name, value in resource.tags.items()}
        return all(tags.get(name.lower()) == value for name, value in self.scope.tags)

    # Bundles

    def _bundle(self, crew: _Crew, subscription: _Seen, row: Json, kind: Kind, by: By) -> None:
        """One bundle: written at once where nothing lies below, else a job of its lane."""
        body = cut(row, kind.keep)
        resource = Resource(body, api=kind.api, by=by)
        out = _Out()
        children = self._needed(out, resource, kind)
        self.tally.resources += 1
        nested = [each for each in self.plan.nested(resource.type) if _may_exist(subscription, each[0])]
        if not children and not nested:
            out.resource(body, kind.api, by)
            self._flush(out)
            return
        packed = msgspec.json.encode(body)
        lane = (subscription.id, resource.type.split("/", 1)[0].lower(), resource.location)

        async def job() -> None:
            top = Resource(msgspec.json.decode(packed), api=kind.api, by=by)
            out.resource(top.body, kind.api, by)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for child in children:
                        tasks.create_task(self._read(out, top, child, top))
                    for type, below in nested:
                        tasks.create_task(self._nested_kind(crew, subscription, out, top, type, below))
            except* _Gone:
                out.lines.clear()
                out.skip(top.id, "deleted meanwhile")
                self.tally.resources -= 1
            self._flush(out)

        crew.add(lane, job)

    def _needed(self, out: _Out, parent: Resource, declared: Kind | Child) -> list[Child]:
        """The children to read below a resource; those that are not needed are written as skips."""
        needed = []
        for child in self.below.get(declared, ()):
            if child.needed(parent):
                needed.append(child)
                self.tally.plan(_words(child.path))
            else:
                out.skip(parent.url(child), "not needed")
        return needed

    async def _nested_kind(
        self, crew: _Crew, subscription: _Seen, out: _Out, parent: Resource, type: str, kind: Kind
    ) -> None:
        """Bundles of their own that are listed below a resource (slots)."""
        url = f"{parent.id}/{type.rsplit('/', 1)[1]}"
        what = _words(type.rsplit("/", 1)[1])
        self.tally.plan(what)
        count = 0
        try:
            async for page in self.reader.pages(_safe(url), kind.api, parent.location):
                for row in page:
                    count += 1
                    self._bundle(crew, subscription, _placed(row, url), kind, "list")
        except ReadError as error:
            await self._maybe_gone(error, parent, parent)
            self._failed(out, url, error)
        else:
            out.read(url, count, "list")
        self.tally.ended(what, _words(parent.type.rsplit("/", 1)[1]))

    async def _read(self, out: _Out, parent: Resource, child: Child, top: Resource) -> None:
        """One read below a resource, and what lies below its result."""
        url = parent.url(child)
        what, of = _words(child.path), _words(parent.type.rsplit("/", 1)[1])
        found: list[Resource] = []
        try:
            if child.one:
                body = await self.reader.get(_safe(url), child.api, top.location)
                found.append(self._child(out, {**body, "id": url}, child, "get"))
            else:
                async for page in self.reader.pages(_safe(url), child.api, top.location):
                    found += [self._child(out, _placed(row, url), child, "list") for row in page]
        except ReadError as error:
            await self._child_failed(out, url, child, error, parent, top)
        else:
            out.read(url, len(found), "get" if child.one else "list")
        self.tally.ended(what, of)
        async with asyncio.TaskGroup() as tasks:
            for resource in found:
                for below in self._needed(out, resource, child):
                    tasks.create_task(self._read(out, resource, below, top))

    def _child(self, out: _Out, body: Json, child: Child, by: By) -> Resource:
        body = cut(body, child.keep)
        out.resource(body, child.api, by)
        self.tally.resources += 1
        return Resource(body, api=child.api, by=by)

    async def _child_failed(
        self, out: _Out, url: str, child: Child, error: ReadError, parent: Resource, top: Resource
    ) -> None:
        """What a failed child read means: there is none, not on this SKU, deleted meanwhile, or a gap."""
        code = error.code.lower()
        off = next((each for each in child.off if each.lower() == code), None)
        if off is not None:
            out.skip(url, off)
        elif code in {each.lower() for each in child.none} or code == _UNREGISTERED:
            out.read(url, 0, "get" if child.one else "list")
        else:
            await self._maybe_gone(error, parent, top)
            self._failed(out, url, error, child.action if len(child.actions) == 1 else "")

    async def _maybe_gone(self, error: ReadError, parent: Resource, top: Resource) -> None:
        """After a 404 that may mean the parent: ask for it. Raises _Gone where it is not there any more."""
        if error.status != 404 or error.code.lower() not in _GONE or top.by == "get":
            return
        task = self.asked.get(top.key)
        if task is None:
            task = self.asked[top.key] = asyncio.create_task(self._exists(top))
        if not await task:
            raise _Gone

    async def _exists(self, resource: Resource) -> bool:
        try:
            await self.reader.get(_safe(resource.id), resource.api or "", resource.location)
        except ReadError as error:
            return error.status != 404
        return True

    # Single resources

    async def _named_resources(self, known: Sequence[Subscription]) -> None:
        """`--resource`: each by GET, with what lies below; neither probe nor Resource Graph."""
        tops = {top[0].lower(): top for top in (self._top_of(id) for id in self.scope.resources)}
        names = {each.id.lower(): each for each in known}
        seen: dict[str, _Seen] = {}
        for id, _ in tops.values():
            subscription = subscription_of(id)
            found = names.get(subscription)
            if subscription not in seen:
                seen[subscription] = _Seen(found.id if found else subscription)
                name = found.name if found else subscription
                self.sink.scope(seen[subscription].id, name, found.tenant if found else "", "full")
                self.progress.scope(seen[subscription].id, name, "full")
        refused: list[ReadError] = []
        async with asyncio.TaskGroup() as tasks:
            crew = _Crew(tasks)
            tasks.create_task(self._index(list(seen.values())))
            for id, kind in tops.values():
                tasks.create_task(self._one(crew, seen[subscription_of(id)], id, kind, refused))
        if len(refused) == len(tops):
            error = refused[0]
            raise NothingReadable(
                f"{error.url} cannot be read: {error.status or ''} {error.code}",
                at=f"missing {error.action}" if error.action else "",
                do="ask for Reader, or for less: twolocks access role > role.json",
            )

    async def _one(self, crew: _Crew, subscription: _Seen, id: str, kind: Kind, refused: list[ReadError]) -> None:
        self.tally.plan(_words(kind.type.rsplit("/", 1)[1]))
        try:
            body = await self.reader.get(_safe(id), kind.api)
        except ReadError as error:
            if error.status == 404:
                raise InputError(
                    f"there is no resource {id} ({error.code})", at="--resource", do="az resource list --output table"
                ) from error
            refused.append(error)
            self._failed(self.sink, id, error)
        else:
            self._bundle(crew, subscription, {**body, "id": id}, kind, "get")
        self.tally.ended(_words(kind.type.rsplit("/", 1)[1]))

    def _top_of(self, id: str) -> tuple[str, Kind]:
        """The resource that a bundle starts with, of a resource or a child, and its declaration. Raises InputError."""
        kinds = {type.lower(): kind for type, kind in self.plan.types()}
        parts = [part for part in id.split("?", 1)[0].split("/") if part]
        lower = [part.lower() for part in parts]
        if lower[:1] != ["subscriptions"] or "providers" not in lower or {".", ".."} & set(parts):
            raise InputError("this is no resource id", at=f"--resource {id}", do="az resource show ... --query id")
        start = lower.index("providers")
        names = range(len(parts) - (len(parts) - start) % 2, start + 3, -2)
        for end in names:
            candidate = "/" + "/".join(parts[:end])
            kind = kinds.get(type_of(candidate).lower())
            if kind is not None:
                return candidate, kind
        raise InputError(
            f"no enabled rule is about {type_of(id) or 'this'}", at=f"--resource {id}", do="twolocks rules list"
        )

    # Writing

    def _failed(self, out: "Sink | _Out", url: str, error: ReadError, action: str = "") -> None:
        self._gap(out, url, error.status, error.code, error.action and (action or error.action))

    def _gap(self, out: "Sink | _Out", url: str, status: int, code: str, action: str) -> None:
        out.gap(url, status, code, action)
        self.tally.failed += 1
        self.progress.gap(url, status, code, action)

    def _flush(self, out: _Out) -> None:
        for kind, words in out.lines:
            getattr(self.sink, kind)(*words)


NOT_KEPT = "not kept"
"""What stands in a cut body for a value of an unexpected shape: it may be a secret, and is not nothing."""


def cut(body: Json, keep: Sequence[str]) -> Json:
    """A body that carries secrets, cut down to what names it and the paths in `keep`.

    `[]` steps into a list, `*` into each member of an object.
    """
    if not keep:
        return body
    kept = {key: value for key, value in body.items() if key in _KEPT}
    for path in keep:
        _copy(body, kept, path.split("."))
    return kept


def _copy(source: Any, target: Any, steps: Sequence[str]) -> None:
    name, rest = steps[0].removesuffix("[]"), steps[1:]
    if not isinstance(source, dict):
        return
    if name == "*":
        for each in source:
            _copy(source, target, [each, *rest])
        return
    key = next((each for each in source if each.lower() == name.lower()), None)
    if key is None:
        return
    value = source[key]
    if not rest:
        target[key] = value
    elif steps[0].endswith("[]") and isinstance(value, list):
        rows = target.setdefault(key, [{} for _ in value])
        for each, row in zip(value, rows, strict=True):
            _copy(each, row, rest)
    elif isinstance(value, dict):
        _copy(value, target.setdefault(key, {}), rest)
    else:
        target[key] = None if value is None else NOT_KEPT


def _of_type(out: _Out, type: str) -> list[Json]:
    bodies = [words[0] for kind, words in out.lines if kind == "resource"]
    return [body for body in bodies if type_of(str(body["id"])).lower() == type.lower()]


def _usable(row: Json, subscription: str) -> bool:
    """Whether a row has an id that a read may be built on, in the subscription that was asked."""
    id = row.get("id")
    return isinstance(id, str) and subscription_of(id) == subscription.lower() and not {".", ".."} & set(id.split("/"))


def _placed(row: Json, url: str) -> Json:
    """A child with an id below its list; one without, or with one elsewhere, gets it from its names."""
    id = row.get("id") if isinstance(row.get("id"), str) else ""
    if segments(id)[:-1] == segments(url) and id.rsplit("/", 1)[-1] not in (".", ".."):
        return row
    parent = url.rsplit("/", 1)[0]
    inside = id[len(parent) :].strip("/").split("/") if id.lower().startswith(f"{parent.lower()}/") else []
    name = "-".join(inside[1::2])  # virtualMachines/0/networkInterfaces/nic: one name for each instance
    name = name or str(row.get("name") or id).rstrip("/").rsplit("/", 1)[-1] or "-"
    return {**row, "id": f"{url}/{name.replace('..', '-')}"}


def _safe(path: str) -> str:
    """A path as it may stand in a URL; escapes that it has stay."""
    return quote("/" + "/".join(part for part in path.split("/") if part), safe="/-._~!$&'()*+,;=:@%")


def _list_path(subscription: str, type: str, group: str = "") -> str:
    where = f"/resourceGroups/{group}" if group else ""
    return f"/subscriptions/{subscription}{where}/providers/{type}"


def _top(type: str) -> str:
    return "/".join(type.split("/")[:2])


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _allows(role: tuple[list[str], list[str]], action: str) -> bool:
    """Whether a role's actions, less its not-actions, hold an action; `*` spans slashes."""
    given, taken = (any(fnmatchcase(action.lower(), each.lower()) for each in side) for side in role)
    return given and not taken


def _granting(type: str) -> str:
    """The type that a role names, to let somebody see one."""
    return "Microsoft.Network/virtualNetworks" if type.lower() in EXTENSIONS else type


def _nested(type: str) -> bool:
    return type.count("/") > 1


def _may_exist(subscription: _Seen, type: str) -> bool:
    return subscription.exists is None or type.lower() in subscription.exists


def _quoted(types: Iterable[str]) -> str:
    return ", ".join(f"'{type}'" for type in types)


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z]", "", text)[:40]


def _words(path: str) -> str:
    """What a path segment or type reads, for people: `blobServices/default/containers` -> "containers"."""
    last = path.rsplit("/", 1)[-1]
    name = last if last.lower() not in ("default", "web") else " ".join(path.split("/")[-2:])
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()


__all__ = ["Plan", "Progress", "Reader", "Scope", "Sink", "collect", "cut"]
