"""Reads the index, which is the network resources that verdicts on other resources look up.

Rows come from Resource Graph, or from ARM lists.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from scanner.azure.errors import ReadError
from scanner.azure.limits import ALONE
from scanner.collect.bodies import display_name, graph_body, has_usable_id, kusto_list, list_path, quoted_path, top_type
from scanner.collect.plan import Json
from scanner.collect.queue import UNREGISTERED, CollectionContext, SubscriptionView, run_some, side_by_side
from scanner.collect.versions import by_version
from scanner.model.ids import subscription_of, type_of
from scanner.model.index import EXTENSIONS, MANAGER_TYPES, RESOURCE_GRAPH
from scanner.model.index_apis import INDEX_APIS
from scanner.model.json_paths import get_path, text_at
from scanner.snapshot.store import LineBuffer
from scanner.store.spool import SpooledRows

_LISTED = frozenset({"microsoft.network/networkinterfaces"})
"""Types that are always listed through ARM too, because a property that a Resource Graph row lacks must not close a
network path."""


class IndexReader:
    """Read the index of one collection."""

    def __init__(self, context: CollectionContext) -> None:
        self.context = context
        self.refused: set[tuple[str, str]] = set()
        """The subscriptions and types (lower case) whose list is a gap."""

    async def read_extensions(self, views: Sequence[SubscriptionView]) -> None:
        """Read the types that only Resource Graph lists, after the rest of the index was listed through ARM.

        They are complete where the list of the type that grants them was allowed. A query that fails is a gap of each
        subscription.
        """
        ALONE.set(True)  # no list shows them
        for type in self._extensions():
            complete = [each for each in views if (each.id.lower(), granting_type(type).lower()) not in self.refused]
            kql = f"networkresources | where type in~ ({kusto_list([type.lower()])}) | order by id asc"
            try:
                rows = await self.context.reader.query(kql, [each.id for each in complete])
            except ReadError as error:
                for each in complete:
                    self.context.add_gap(
                        self.context.store, list_path(each.id, type), error.status, error.code, error.action
                    )
                continue
            counts: dict[str, int] = defaultdict(int)
            ids: set[str] = set()
            for row in rows:
                self.context.store.resource(graph_body(row), None, "graph")
                ids.add(str(row.get("id")).lower())
            for id in ids:
                counts[subscription_of(id)] += 1
            self.context.counts.resources += len(rows)
            await self._read_managers(rows, ())
            for each in complete:
                self.context.store.read(list_path(each.id, type), counts[each.id.lower()], "graph")

    def _extensions(self) -> list[str]:
        return [each for each in self.context.plan.index_types if each.lower() in EXTENSIONS]

    def types(self) -> list[str]:
        """Return the types of the index that are listed for it alone: no rule is about them."""
        evaluated = {type.lower() for type, _ in self.context.plan.types()}
        return [type for type in self.context.plan.index_types if type.lower() not in evaluated]

    async def read(self, views: Sequence[SubscriptionView], graph: bool) -> None:
        """Read the index from Resource Graph (`graph`), and from lists where its answer is refused or not complete."""
        types = self.types()
        if not types:
            return
        tops = list(dict.fromkeys(top_type(type) for type in types if type.lower() not in EXTENSIONS))
        listed = {(each.id, type) for each in views for type in tops}
        if all(each.existing_types is not None for each in views) and graph:
            ALONE.set(True)  # no list shows security admin rules
            counts = await self._counts(types, views)
            if counts is not None:
                listed = self._listed_too(types, views, counts)
        await run_some(
            partial(self._list, each.id, type, types) for each in views for type in tops if (each.id, type) in listed
        )

    async def _counts(
        self, types: Sequence[str], views: Sequence[SubscriptionView]
    ) -> Mapping[tuple[str, str], int] | None:
        """Return how many rows of the index there are, by subscription and type (lower case); None: it is listed."""
        shared = self.context.shared
        if shared is None:
            return await self.query(types, [each.id for each in views])
        if shared.index is None:
            return None
        return {(each.id.lower(), type): count for each in views for type, count in shared.index.items()}

    async def query(self, types: Sequence[str], subscriptions: Sequence[str]) -> Mapping[tuple[str, str], int] | None:
        """Write every row of the index. Return how many there are, by subscription and type (lower case); None where
        Resource Graph refuses.
        """
        try:
            return await self._read_graph(types, subscriptions)
        except ReadError as error:
            self.context.add_unanswered(error, "network resources were listed instead")
            return None

    async def _read_graph(self, types: Sequence[str], subscriptions: Sequence[str]) -> Mapping[tuple[str, str], int]:
        extended = any(type.lower() in EXTENSIONS for type in types)
        rows = await self._rows_of_graph([*types, *(MANAGER_TYPES if extended else ())], subscriptions)
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for row in rows:
            id = row["id"].lower()
            self.context.store.resource(graph_body(row), None, "graph")
            counts[subscription_of(id), type_of(id).lower()] += 1
        self.context.counts.resources += len(rows)
        if extended:
            await self._read_managers(rows, subscriptions)
        return counts

    def _listed_too(
        self, types: Sequence[str], views: Sequence[SubscriptionView], counts: Mapping[tuple[str, str], int]
    ) -> set[tuple[str, str]]:
        """Write the reads of the index that Resource Graph answered. Return what must be listed as well (subscription,
        top-level type).
        """
        hidden = {
            (each.id, top_type(type))
            for each in views
            for type in types
            if not each.graph_is_complete(granting_type(type))
        }
        for each in views:
            for type in types:
                if (each.id, top_type(type)) not in hidden:
                    count = counts.get((each.id.lower(), type.lower()), 0)
                    self.context.store.read(list_path(each.id, type), count, "graph")
                    self.context.counts.expect("network resources")
                    self.context.counts.finish("network resources")
        listed_too = {
            (each.id, type)
            for each in views
            for type in types
            if type.lower() in _LISTED and each.view == "full" and counts.get((each.id.lower(), type.lower()), 0)
        }
        return hidden | listed_too

    async def _rows_of_graph(self, types: Sequence[str], subscriptions: Sequence[str]) -> SpooledRows:
        """Return the rows of both tables, one of each id. Raises ReadError."""
        wanted = kusto_list(type.lower() for type in types)
        spooled_rows = await side_by_side(
            *(
                self.context.reader.query(f"{table} | where type in~ ({wanted}) | order by id asc", subscriptions)
                for table in ("resources", "networkresources")
            )
        )
        rows, ids = SpooledRows(self.context.spool), set[str]()
        for each in spooled_rows:
            rows.add(_distinct(each, ids))
        return rows

    async def _read_managers(self, rows: Iterable[Json], known: Sequence[str]) -> None:
        """Read the security admin rules that rows name, of managers in subscriptions other than the `known` ones.

        Where they cannot be read, the networks that they govern stay inconclusive. Where Azure does not answer, that is
        a gap of each subscription with such a network; where it refuses, the identity may not see the manager.
        """
        managers: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            for id in configurations_of(row):
                managers[subscription_of(id)].add(subscription_of(str(row.get("id"))))
        others = sorted(managers.keys() - {"", *(each.lower() for each in known)})
        if not others:
            return
        try:
            spooled_rows = await self._rows_of_graph(MANAGER_TYPES, others)
        except ReadError as error:
            self.context.store.skip(
                RESOURCE_GRAPH, f"{error.status} {error.code}; security admin rules of {', '.join(others)}"
            )
            if error.is_refusal:
                return
            for governed in sorted({each for other in others for each in managers[other]}):
                for type in self._extensions():
                    self.context.add_failure(self.context.store, list_path(governed, type), error)
            return
        for row in spooled_rows:
            self.context.store.resource(graph_body(row), None, "graph")
        self.context.counts.resources += len(spooled_rows)

    async def _list(self, subscription: str, type: str, types: Sequence[str]) -> None:
        """List one type of the index through ARM, with the types of the index below it."""
        path = list_path(subscription, type)
        buffer = LineBuffer(self.context.spool)
        listed = await self._list_rows(buffer, path, type)
        inside = [each for each in types if each.lower().startswith(f"{type.lower()}/")]
        for lower in sorted(inside, key=lambda each: each.count("/")) if listed is not None else ():
            complete, count = True, 0
            for parent in _ids_of_type(buffer, lower.rsplit("/", 1)[0]):
                result = await self._list_rows(buffer, f"{parent}/{lower.rsplit('/', 1)[1]}", lower)
                complete, count = complete and result is not None, count + (result or 0)
            if complete:
                buffer.read(list_path(subscription, lower), count, "list")
        self.context.flush(buffer)

    async def _list_rows(self, buffer: LineBuffer, path: str, type: str) -> int | None:
        """Write the rows of one list and return how many there are; None where it is a gap: what of it came before
        the failure is written.
        """
        pinned = INDEX_APIS[type.lower()]
        pages = self.context.versions.pages(quoted_path(path), pinned)
        what = display_name(type.rsplit("/", 1)[1])
        self.context.counts.expect(what)
        rows, failure = SpooledRows(self.context.spool), None
        try:
            async for page in pages:
                _check_ids(page, path)
                rows.add(page)
                page.clear()
        except ReadError as error:
            if error.code.lower() == UNREGISTERED:
                error.means_none()
            else:
                failure = error
        ids, api = set[str](), pages.api or pinned
        by = by_version("list", api, pinned)
        for row in rows:
            buffer.resource(self.context.kept(row, type), api, by)
            ids.add(row["id"].lower())
        self.context.counts.resources += len(rows)
        self.context.counts.finish(what)
        if failure is not None:
            self.context.add_failure(buffer, path, failure)
            self.refused.add((subscription_of(path), type.lower()))
            return None
        buffer.read(path, len(ids), by, api)
        return len(rows)


def _distinct(rows: Iterable[Json], ids: set[str]) -> Iterator[Json]:
    """Yield the rows of a query whose ids (in lower case) are not in `ids` yet. Raises ReadError for one without id."""
    for row in rows:
        id = row.get("id")
        if not isinstance(id, str):
            raise ReadError(RESOURCE_GRAPH, 200, "BadJson", message="a row has no id")
        if id.lower() not in ids:
            ids.add(id.lower())
            yield row


def _check_ids(page: list[Json], path: str) -> None:
    """Raise ReadError where a row of a list has no id in the subscription of the list."""
    if not all(has_usable_id(row, subscription_of(path)) for row in page):
        raise ReadError(path, 0, "BadJson", message="a row has no id or the id of another subscription")


def configurations_of(row: Json) -> list[str]:
    """Return the ids of the security admin configurations that are in force in a network, from its row."""
    named = get_path(row, "properties.effectiveSecurityAdminConfigurations")
    return [text_at(each, "id") for each in named] if isinstance(named, list) else []


def granting_type(type: str) -> str:
    """Return the type whose read permission makes a type of the index visible."""
    return "Microsoft.Network/virtualNetworks" if type.lower() in EXTENSIONS else type


def _ids_of_type(buffer: LineBuffer, type: str) -> list[str]:
    ids = [str(line.resource["id"]) for line in buffer if line.resource is not None]
    return [id for id in ids if type_of(id).lower() == type.lower()]
