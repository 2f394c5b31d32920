"""The index: network resources that verdicts on others look up, as rows of Resource Graph or as lists."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from scanner.azure.errors import ReadError
from scanner.collect.bodies import cut, list_path, quoted, safe, top, usable, words
from scanner.collect.plan import Json
from scanner.collect.queue import UNREGISTERED, Desk, Out, Seen
from scanner.model.ids import subscription_of, type_of
from scanner.model.index import EXTENSIONS

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
    "microsoft.network/frontdoors": "2025-10-01",
    "microsoft.network/trafficmanagerprofiles": "2022-04-01",
    "microsoft.cdn/profiles": "2025-12-01",
    "microsoft.apimanagement/service": "2024-05-01",
    "microsoft.web/hostingenvironments": "2025-03-01",
    "microsoft.app/managedenvironments": "2025-07-01",
}
"""The api-versions with which types of the index are listed where Resource Graph is not asked."""
_KEEP = {"microsoft.apimanagement/service": ("properties.publicNetworkAccess", "properties.virtualNetworkType")}
"""What to keep of bodies that may carry secrets."""
_LISTED = frozenset({"microsoft.network/networkinterfaces"})
"""Types that are listed through ARM as well: what a row of Resource Graph lacks must not close a path."""
_GRAPH_ONLY = ("tenantId", "subscriptionId", "resourceGroup")


class Index:
    """Reads the index of one collection."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.refused: set[tuple[str, str]] = set()
        """Subscriptions and types (lower case) whose list is a gap."""

    async def extensions(self, seen: Sequence[Seen]) -> None:
        """What only Resource Graph lists, where the rest of the index was listed: complete for who may list the type
        that grants it. A query that fails is a gap of each subscription.
        """
        for type in (each for each in self.desk.plan.index_types if each.lower() in EXTENSIONS):
            sure = [each for each in seen if (each.id.lower(), granting(type).lower()) not in self.refused]
            kql = f"networkresources | where type in~ ({quoted([type.lower()])}) | order by id asc"
            try:
                rows = await self.desk.reader.query(kql, [each.id for each in sure]) if sure else []
            except ReadError as error:
                for each in sure:
                    self.desk.gap(self.desk.sink, list_path(each.id, type), error.status, error.code, error.action)
                continue
            counts: dict[str, int] = defaultdict(int)
            for row in rows:
                body = {key: value for key, value in row.items() if key not in _GRAPH_ONLY and value != ""}
                self.desk.sink.resource(body, None, "graph")
                counts[subscription_of(str(row.get("id")))] += 1
            self.desk.tally.resources += len(rows)
            for each in sure:
                self.desk.sink.read(list_path(each.id, type), counts[each.id.lower()], "graph")

    async def read(self, seen: list[Seen], graph: bool) -> None:
        """Resource Graph's rows, or where it may not be asked or does not know all, lists."""
        types = [
            type
            for type in self.desk.plan.index_types
            if type.lower() not in {t.lower() for t, _ in self.desk.plan.types()}
        ]
        if not types:
            return
        tops = list(dict.fromkeys(top(type) for type in types if type.lower() not in EXTENSIONS))
        listed = {(each.id, type) for each in seen for type in tops}
        if all(each.exists is not None for each in seen) and graph:
            try:
                listed = await self._by_graph(types, seen)
            except ReadError as error:
                self.desk.sink.skip(QUERY, f"{error.status} {error.code}; network resources were listed instead")
        async with asyncio.TaskGroup() as tasks:
            for each in seen:
                for type in tops:
                    if (each.id, type) in listed:
                        tasks.create_task(self._by_list(each.id, type, types))

    async def _by_graph(self, types: Sequence[str], seen: Sequence[Seen]) -> set[tuple[str, str]]:
        """Every row of the index; the answer is what must be listed all the same (subscription, top-level type)."""
        asked = quoted(type.lower() for type in types)
        rows: dict[str, Json] = {}
        for table in ("resources", "networkresources"):
            kql = f"{table} | where type in~ ({asked}) | order by id asc"
            found = await self.desk.reader.query(kql, [each.id for each in seen])
            if not all(isinstance(row.get("id"), str) for row in found):
                raise ReadError(QUERY, 200, "BadJson", message="a row has no id")
            rows.update({row["id"].lower(): row for row in found})
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for id, row in rows.items():
            body = {key: value for key, value in row.items() if key not in _GRAPH_ONLY and value != ""}
            self.desk.sink.resource(cut(body, _KEEP.get(type_of(id).lower(), ())), None, "graph")
            counts[subscription_of(id), type_of(id).lower()] += 1
        self.desk.tally.resources += len(rows)
        unsure = {(each.id, top(type)) for each in seen for type in types if not each.sure(granting(type))}
        for each in seen:
            for type in types:
                if (each.id, top(type)) not in unsure:
                    self.desk.sink.read(list_path(each.id, type), counts[each.id.lower(), type.lower()], "graph")
                    self.desk.tally.plan("network resources")
                    self.desk.tally.ended("network resources")
        again = {
            (each.id, type)
            for each in seen
            for type in types
            if type.lower() in _LISTED and each.view == "full" and counts[each.id.lower(), type.lower()]
        }
        return unsure | again

    async def _by_list(self, subscription: str, type: str, types: Sequence[str]) -> None:
        """One type of the index through ARM, with what of the index lies below it."""
        path = list_path(subscription, type)
        out = Out()
        rows = await self._rows(out, path, type)
        inside = [each for each in types if each.lower().startswith(f"{type.lower()}/")]
        for lower in sorted(inside, key=lambda each: each.count("/")) if rows is not None else ():
            whole, count = True, 0
            for parent in of_type(out, lower.rsplit("/", 1)[0]):
                found = await self._rows(out, f"{parent['id']}/{lower.rsplit('/', 1)[1]}", lower)
                whole, count = whole and found is not None, count + len(found or ())
            if whole:
                out.read(list_path(subscription, lower), count, "list")
        self.desk.flush(out)

    async def _rows(self, out: Out, path: str, type: str) -> list[Json] | None:
        """The rows of one list, written; None where it is a gap."""
        api = INDEX_APIS[type.lower()]
        what = words(type.rsplit("/", 1)[1])
        self.desk.tally.plan(what)
        rows: list[Json] = []
        try:
            async for page in self.desk.reader.pages(safe(path), api):
                if not all(usable(row, subscription_of(path)) for row in page):
                    raise ReadError(path, 0, "BadJson", message="a row has no id, or one of another subscription")
                rows += page
        except ReadError as error:
            if error.code.lower() != UNREGISTERED:
                self.desk.failed(out, path, error)
                self.desk.tally.ended(what)
                self.refused.add((subscription_of(path), type.lower()))
                return None
        for row in rows:
            out.resource(cut(row, _KEEP.get(type.lower(), ())), api, "list")
        out.read(path, len(rows), "list")
        self.desk.tally.resources += len(rows)
        self.desk.tally.ended(what)
        return rows


def granting(type: str) -> str:
    """The type that a role names, to let somebody see one."""
    return "Microsoft.Network/virtualNetworks" if type.lower() in EXTENSIONS else type


def of_type(out: Out, type: str) -> list[Json]:
    bodies = [words[0] for kind, words in out.lines if kind == "resource"]
    return [body for body in bodies if type_of(str(body["id"])).lower() == type.lower()]
