"""Reads that one request makes for many resources: rows of Resource Graph, and lists of a subscription."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
from msgspec import Struct, field

from scanner.azure.errors import ReadError
from scanner.collect.bodies import Role, allows, graph_body, kusto_list, list_path, quoted_path, texts
from scanner.collect.shared import SharedTable
from scanner.collect.versions import rows_served
from scanner.model.bulk_reads import GraphRows, SubscriptionRows
from scanner.model.ids import is_subscription, segments, type_of
from scanner.model.json_paths import get_path, is_absent
from scanner.model.kept import KeptPaths
from scanner.model.resource import By, Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import Unread
from scanner.store.spool import Block, Spool, SpooledRows

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader
    from scanner.collect.plan import Json, Plan

DENIALS = "Microsoft.Authorization/denyAssignments"
DENIALS_API = "2022-04-01"
LEAST = 3
"""The resources below which a table is asked instead of each of them: a query for fewer saves next to nothing."""
RESOURCES = "resources"
"""The table with what ARM keeps itself."""


class SubscriptionAccess(Protocol):
    """What is known of the access to a subscription: see `SubscriptionView`."""

    id: str
    view: str
    existing_types: dict[str, list[str] | None] | None
    known_counts: dict[str, int]
    roles: list[Role] | None


class BulkRows(NamedTuple):
    """What stands for a read below one resource. `by`: how it was read."""

    bodies: "list[Json]"
    by: By


class GraphTable(Struct):
    """The rows of a table by the list that they stand for (a path in lower case), and the types that have any.

    None in place of rows: there are some, but they say too little, or were taken already.
    """

    rows: dict[str, list[Block] | None] = field(default_factory=dict)
    types: set[str] = field(default_factory=set)

    def add(self, path: str, row: Block | None) -> None:
        """Add a row of a list; None for one that says too little."""
        known = self.rows.setdefault(path, [])
        if row is None:
            self.rows[path] = None
        elif known is not None:
            known.append(row)


class BulkReads:
    """Answer reads of one collection from few requests. Each is made when the first read could use it.

    What cannot be had this way, or is not complete, is None: then the read is made below each resource.
    """

    def __init__(self, reader: "AzureReader", plan: "Plan", spool: Spool, kept: KeptPaths | None) -> None:
        self._kept = kept
        self._reader = reader
        self._plan = plan
        self._spool = spool
        self._locks: dict[tuple[str, ...], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._views: dict[str, SubscriptionAccess] = {}
        self._tables: dict[str, GraphTable | None] = {}
        self._worth: dict[str, bool] = {}
        self._lists: dict[tuple[str, str], dict[str, Block]] = {}
        self._denials: dict[str, tuple[SpooledRows, str] | ReadError] = {}
        self._known: dict[tuple[str, tuple[str, ...]], bool] = {}
        self._parents = {each.parent for each in plan.reads}
        self._hands_on = False
        """Whether another process gets the rows: then nothing is in them but what is kept."""

    def begin(self, views: "Iterable[SubscriptionAccess]") -> None:
        """Allow bulk reads in subscriptions that are read as a whole."""
        self._views = {each.id.lower(): each for each in views}

    async def tables(self) -> dict[str, GraphTable | None]:
        """Return the tables of Resource Graph that are worth a query, for another process; None in place of one that it
        refuses.
        """
        self._hands_on = True
        return {name: await self._table(name) for name in self._names() if self._is_worth(name)}

    def take(self, tables: Mapping[str, SharedTable | None]) -> None:
        """Use tables that another process read, and ask for no other one."""
        self._worth = {name: name in tables for name in self._names()}
        for name, given in tables.items():
            self._tables[name] = None if given is None else self._taken(given)

    def _taken(self, given: SharedTable) -> GraphTable:
        table = GraphTable(types=set(given.types))
        for path, bodies in given.rows.items():
            rows = None if bodies is None else [self._spool.put(msgspec.json.encode(each)) for each in bodies]
            table.rows[path] = rows
        return table

    def _names(self) -> list[str]:
        """Return the tables that may be asked."""
        return sorted({RESOURCES, *(read.graph.table for read in self._plan.reads if read.graph is not None)})

    async def rows(self, read: Read, parent: Resource) -> BulkRows | None:
        """Return what stands for a read below a resource; None where the read must be made. Raises ReadError for one
        that was made already and failed.
        """
        view = self._views.get(parent.subscription)
        if view is None or view.view != "full":
            return None
        if (read.type.lower(), read.api) == (DENIALS.lower(), DENIALS_API) and is_subscription(parent.id):
            return self._known_denials(view)
        if read.together is not None:
            body = await self._listed(view, read, read.together, parent)
            return None if body is None else BulkRows([body], "list")
        if read.graph is None or not self._is_worth(read.graph.table) or not await self._shown(view, *read.actions):
            return None
        table = await self._table(read.graph.table)
        return None if table is None else _graph_rows(table, read, read.graph, parent)

    async def may_have(self, type: str, parent: Resource) -> bool:
        """Return whether a resource may have any of the type below it, which is read as resources of their own."""
        view = self._views.get(parent.subscription)
        if view is None or not self._is_worth(RESOURCES) or not await self._shown(view, f"{type}/read"):
            return True
        table = await self._table(RESOURCES)
        if table is None or type.lower() not in table.types:
            return True
        return f"{parent.key}/{type.rsplit('/', 1)[1].lower()}" in table.rows

    async def _shown(self, view: "SubscriptionAccess", *actions: str) -> bool:
        """Return whether Resource Graph shows all that an action reads in a subscription.

        It hides what a role or a deny assignment does not let the identity read, without any sign.
        """
        if view.existing_types is None or view.view != "full":
            return False
        key = (view.id, actions)
        if key not in self._known:
            self._known[key] = await self._is_allowed(view, actions)
        return self._known[key]

    async def _is_allowed(self, view: "SubscriptionAccess", actions: Sequence[str]) -> bool:
        """Return whether roles allow actions in a subscription and no deny assignment denies one of them."""
        if not all(any(allows(role, each) for role in view.roles or ()) for each in actions):
            return False
        async with self._locks[DENIALS, view.id]:
            if view.id not in self._denials:
                self._denials[view.id] = await self._read_denials(view.id)
        denials = self._denials[view.id]
        return not isinstance(denials, ReadError) and not any(_denies(row, actions) for row in denials[0])

    async def _read_denials(self, subscription: str) -> tuple[SpooledRows, str] | ReadError:
        """Return the deny assignments of a subscription, and the api-version with which they were read."""
        try:
            return await rows_served(self._reader, quoted_path(list_path(subscription, DENIALS)), DENIALS_API)
        except ReadError as error:
            return error

    def _known_denials(self, view: "SubscriptionAccess") -> BulkRows | None:
        """Return the deny assignments of a subscription where they were read already, at the pinned version. Raises
        ReadError.
        """
        denials = self._denials.get(view.id)
        if isinstance(denials, ReadError):
            raise denials
        return BulkRows(list(denials[0]), "list") if denials is not None and denials[1] == DENIALS_API else None

    async def _table(self, name: str) -> GraphTable | None:
        """Return the rows of a table of Resource Graph; None where it refuses."""
        async with self._locks["table", name]:
            if name not in self._tables:
                self._tables[name] = await self._read_table(name)
        return self._tables[name]

    def _types(self, table: str) -> dict[str, "Read | None"]:
        """Return the types to ask a table for, with the read that they stand for; None for resources of their own."""
        nested = (type.lower() for type, _ in self._plan.types() if type.count("/") > 1)
        result: dict[str, Read | None] = dict.fromkeys(nested) if table == RESOURCES else {}
        for read in self._plan.reads:
            if read.graph is not None and read.graph.table == table:
                result.update(
                    dict.fromkeys((read.graph.type,) if read.graph.type else map(str.lower, read.types), read)
                )
        return result

    def _is_worth(self, table: str) -> bool:
        """Return whether a table may save reads below several resources, as Resource Graph counts them."""
        if table in self._worth:
            return self._worth[table]
        nested = {type.rsplit("/", 1)[0].lower() for type, _ in self._plan.types() if type.count("/") > 1}
        tops = {
            type.lower()
            for read in self._plan.reads
            if read.graph is not None and read.graph.table == table
            for type in read.tops
        }
        types = tops | nested if table == RESOURCES else tops
        parents = sum(view.known_counts.get(each, 0) for view in self._views.values() for each in types)
        self._worth[table] = parents >= LEAST
        return self._worth[table]

    async def _read_table(self, name: str) -> GraphTable | None:
        wanted = self._types(name)
        subscriptions = [each.id for each in self._views.values() if each.existing_types is not None]
        kql = f"{name} | where type in~ ({kusto_list(wanted)}) | order by id asc"
        graph_table = GraphTable()
        try:
            for row in await self._reader.query(kql, subscriptions):
                id = row.get("id")
                if not isinstance(id, str):
                    return None
                type = type_of(id).lower()
                graph_table.types.add(type)
                read = wanted.get(type)
                graph_table.add(_list_path(id, read), self._packed(graph_body(row), read))
        except ReadError:
            return None
        return graph_table

    def _packed(self, body: "Json", read: Read | None) -> Block | None:
        """Return what is kept of a row that says all that decides verdicts; None for another one."""
        if read is None or read.graph is None or not is_whole(Resource(body, by="graph"), read.graph):
            return None
        if self._kept is not None and (self._hands_on or read not in self._parents):
            body = self._kept.cut(body, read.type)
        return self._spool.put(msgspec.json.encode(body))

    async def _listed(
        self, view: "SubscriptionAccess", read: Read, source: SubscriptionRows, parent: Resource
    ) -> "Json | None":
        """Return what a list of the subscription holds for one resource; None where it lacks it."""
        key = (view.id, read.type)
        async with self._locks[key]:
            if key not in self._lists:
                self._lists[key] = await self._read_list(view.id, read, source, parent.type)
        block = self._lists[key].get(parent.key)
        if block is None:
            return None
        body: Json = msgspec.json.decode(block.read())
        return {**body, "id": parent.url(read)}

    async def _read_list(self, subscription: str, read: Read, source: SubscriptionRows, type: str) -> dict[str, Block]:
        """Return the bodies that a list of a subscription holds, by the ids of its rows; {} where it fails."""
        result: dict[str, Block] = {}
        path = quoted_path(list_path(subscription, type))
        try:
            async for page in self._reader.pages(path, read.api, "", dict(source.query)):
                for row in page:
                    body = get_path(row, source.at)
                    if isinstance(body, dict) and not any(is_absent(get_path(body, each)) for each in source.holds):
                        result["/" + "/".join(segments(str(row.get("id"))))] = self._spool.put(
                            msgspec.json.encode(body)
                        )
                page.clear()
        except ReadError:
            return {}
        return result


def _list_path(id: str, read: Read | None) -> str:
    """Return the list, in lower case, that a row of Resource Graph stands for; of a single resource its id."""
    if read is None or read.graph is None or not read.graph.type:
        return "/" + "/".join(segments(id)) if read is not None and read.one else _list_key(id)
    above = "/".join(segments(id))
    end = above.find(f"/{read.graph.type[len(read.resource_type.type) + 1 :].split('/')[0]}/")
    return f"/{above[:end]}{read.key}"


def _list_key(id: str) -> str:
    return "/" + "/".join(segments(id)[:-1])


def _graph_rows(table: GraphTable, read: Read, graph: GraphRows, parent: Resource) -> BulkRows | None:
    """Take the rows of a table that stand for a read below a resource; None where they do not say enough."""
    path = parent.key + read.key
    if path not in table.rows:
        return BulkRows([], "graph") if not read.one and _type_below(parent, read, graph) in table.types else None
    blocks, table.rows[path] = table.rows[path], None
    if blocks is None:
        return None
    bodies: list[Json] = [msgspec.json.decode(each.read()) for each in blocks]
    names = {str(body["id"]).rsplit("/", 1)[-1].lower() for body in bodies}
    return BulkRows(bodies, "graph") if {each.lower() for each in graph.includes} <= names else None


def _type_below(parent: Resource, read: Read, graph: GraphRows) -> str:
    """Return the type, in lower case, that a table has of what a read lists below one of its parents."""
    below = read.type if read.is_extension else "/".join([parent.type, *read.path.split("/")[::2]])
    return graph.type or below.lower()


def is_whole(row: Resource, graph: GraphRows) -> bool:
    """Return whether a row says all that decides verdicts."""
    if graph.holds is None:
        return False
    try:
        return all(row.has(each) for each in graph.holds) and (graph.check is None or graph.check(row))
    except Unread:
        return False


def _denies(row: "Json", actions: Sequence[str]) -> bool:
    """Return whether a deny assignment may deny one of the actions. One that cannot be read may."""
    permissions = get_path(row, "properties.permissions")
    if not isinstance(permissions, list):
        return True
    for each in permissions:
        role: Role = (texts(get_path(each, "actions")), texts(get_path(each, "notActions")))
        if any(allows(role, action) for action in actions):
            return True
    return False
