"""Answers as Resource Graph does: rows of what the caller may see, in pages."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from typing import Any

import msgspec

from scanner.sandbox import kusto
from scanner.sandbox.arm import thin
from scanner.sandbox.errors import Answer, answer, graph_error
from scanner.sandbox.world import Json, Node, World, matches

PATH = "/providers/microsoft.resourcegraph/resources"
PAYLOAD = 16_777_216
CHILDREN = (
    "microsoft.sql/servers/databases", "microsoft.sql/servers/elasticpools", "microsoft.sql/managedinstances/databases",
    "microsoft.web/sites/slots", "microsoft.compute/virtualmachines/extensions",
    "microsoft.network/privatednszones/virtualnetworklinks",
    "microsoft.cache/redisenterprise/databases", "microsoft.containerregistry/registries/replications",
    "microsoft.cognitiveservices/accounts/projects",
)  # fmt: skip
"""Child types that the table `resources` has (learn.microsoft.com, "table and resource type reference")."""

NETWORK = (
    "microsoft.network/networksecurityperimeters/",
    "microsoft.network/networkmanagers/",
    "microsoft.network/networkgroupmemberships",
    "microsoft.network/effectivesecurityadminrules",
    "microsoft.network/firewallpolicies/",
)
"""What types begin with that are in the table `networkresources`."""

GROUPS = "microsoft.resources/subscriptions/resourcegroups"


class Graph:
    """Resource Graph over a world. `payload` is the size, in bytes, from which a page is refused."""

    def __init__(self, world: World, payload: int = PAYLOAD) -> None:
        self.world = world
        self.payload = payload
        self.kept: dict[tuple[str, bytes], Answer] = {}
        self.tables: dict[str, list[kusto.Row]] = {}

    def query(self, body: bytes, tenant: str) -> Answer:
        """The answer to one POST."""
        key = (tenant, body)
        if key not in self.kept:
            self.kept[key] = self._answer(body, tenant)
        return self.kept[key]

    def _answer(self, body: bytes, tenant: str) -> Answer:
        try:
            asked = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            return graph_error(400, "BadRequest", "InvalidQuery", "The body is not JSON.")
        options = asked.get("options") or {}
        top, skip = int(options.get("$top") or 100), 0
        if not 1 <= top <= 1000:
            return graph_error(400, "BadRequest", "InvalidQuery", "$top must be from 1 to 1000.")
        query = str(asked.get("query") or "")
        token = options.get("$skipToken")
        if token:
            skip = unpacked(str(token), query)
            if skip < 0:
                return graph_error(400, "BadRequest", "InvalidSkipToken", "The skip token does not fit the query.")
        try:
            result = kusto.run(query, lambda name: self._scoped(name, asked, tenant))
        except kusto.BadQuery as wrong:
            return graph_error(400, "BadRequest", "InvalidQuery", f"Query is invalid: {wrong}.")
        return self._page(result, query, top, skip)

    def _page(self, result: kusto.QueryResult, query: str, top: int, skip: int) -> Answer:
        """One page. Without an order each page may have an order of its own: rows repeat or are lost."""
        rows = result.rows
        if not result.ordered and skip:
            rows = random.Random(skip).sample(rows, len(rows))  # noqa: S311
        page = rows[skip : skip + top]
        more = skip + len(page) < len(rows)
        resumable = more and all("id" in row for row in page)
        body: Json = {"totalRecords": len(rows), "count": len(page), "data": page, "facets": []}
        body["resultTruncated"] = "true" if more and not resumable else "false"
        if resumable:
            body["$skipToken"] = packed(query, skip + len(page))
        found = answer(body)
        if len(found.body) > self.payload:
            text = (
                f"Response payload size is {len(found.body)}, and has exceeded the limit of {self.payload}. "
                "Please consider querying less data at a time and make paginated call if needed."
            )
            return graph_error(400, "BadRequest", "ResponsePayloadTooLarge", text)
        return found

    def _scoped(self, name: str, asked: Json, tenant: str) -> list[kusto.Row]:
        """The rows of a table within what the request names, and within the tenant of the caller."""
        own = {k for k, s in self.world.subscriptions.items() if s["tenantId"].lower() == tenant.lower()}
        if asked.get("subscriptions"):
            own &= {str(s).lower() for s in asked["subscriptions"]}
        return [row for row in self._table(name) if str(row["subscriptionId"]).lower() in own]

    def _table(self, name: str) -> list[kusto.Row]:
        if name not in self.tables:
            if name not in TABLES:
                raise kusto.BadQuery(f"unknown table {name!r}")
            member = TABLES[name]
            self.tables[name] = [self._row(n) for n in self.world.nodes.values() if member(n) and self._shows(n)]
        return self.tables[name]

    def _shows(self, made: Node) -> bool:
        lagging = any(matches(pattern, made.id) for pattern in self.world.quirks.absent_from_graph)
        return bool(made.subscription) and not lagging and self.world.sees(made)

    def _row(self, made: Node) -> kusto.Row:
        """A row: the columns that every row has, empty where ARM has nothing; type and group in lower case."""
        shown = thin(made, self.world)
        known = self.world.subscriptions[made.subscription]
        row: kusto.Row = {
            "id": shown["id"],
            "name": shown.get("name") or str(shown["id"]).rsplit("/", 1)[-1],
            "type": made.type,
            "tenantId": known["tenantId"],
            "kind": shown.get("kind") or "",
            "location": shown.get("location") or "",
            "resourceGroup": made.group,
            "subscriptionId": known["subscriptionId"],
            "managedBy": shown.get("managedBy") or "",
        }
        rest = ("sku", "plan", "properties", "tags", "identity", "zones", "extendedLocation")
        return {**row, **{name: shown.get(name) for name in rest}}


def _resource(made: Node) -> bool:
    if made.type.startswith(NETWORK) or made.type == GROUPS or made.id.count("/providers/") > 1:
        return False
    if made.type.startswith(("microsoft.authorization/", "microsoft.resources/")):
        return False
    return made.top or made.type in CHILDREN


TABLES: dict[str, Callable[[Node], bool]] = {
    "resources": _resource,
    "networkresources": lambda made: made.type.startswith(NETWORK),
}


def packed(query: str, row: int) -> str:
    """A skip token: where the next page starts, and of which query."""
    return base64.urlsafe_b64encode(msgspec.json.encode({"row": row, "query": hash(query)})).decode()


def unpacked(token: str, query: str) -> int:
    """Where the page starts, or -1 if the token is not of this query."""
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(token), type=dict[str, int])
    except (ValueError, msgspec.DecodeError):
        return -1
    return found["row"] if found.get("query") == hash(query) else -1
