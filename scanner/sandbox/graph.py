"""Answers as Resource Graph does: the rows that the caller may see, in pages."""

import base64
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from scanner.model.ids import is_subscription, root_of, subscription_of
from scanner.sandbox import kusto
from scanner.sandbox.arm import list_form
from scanner.sandbox.errors import HttpAnswer, answer, graph_error
from scanner.sandbox.paths import matches
from scanner.sandbox.served_estate import Json, ServedEstate, ServedResource

PATH = "/providers/microsoft.resourcegraph/resources"
PAYLOAD = 16_777_216
CHILDREN = (
    "microsoft.sql/servers/databases", "microsoft.sql/servers/elasticpools", "microsoft.sql/managedinstances/databases",
    "microsoft.web/sites/slots", "microsoft.compute/virtualmachines/extensions",
    "microsoft.network/privatednszones/virtualnetworklinks",
    "microsoft.cache/redisenterprise/databases", "microsoft.containerregistry/registries/replications",
    "microsoft.cognitiveservices/accounts/projects", "microsoft.cdn/profiles/afdendpoints",
    "microsoft.cdn/profiles/endpoints", "microsoft.compute/capacityreservationgroups/capacityreservations",
    "microsoft.compute/galleries/images", "microsoft.compute/galleries/images/versions",
    "microsoft.healthcareapis/workspaces/dicomservices", "microsoft.healthcareapis/workspaces/fhirservices",
    "microsoft.machinelearningservices/workspaces/batchendpoints",
    "microsoft.machinelearningservices/workspaces/onlineendpoints",
    "microsoft.machinelearningservices/workspaces/onlineendpoints/deployments",
    "microsoft.machinelearningservices/workspaces/serverlessendpoints",
    "microsoft.netapp/netappaccounts/capacitypools", "microsoft.netapp/netappaccounts/capacitypools/volumes",
    "microsoft.network/networkwatchers/flowlogs", "microsoft.servicenetworking/trafficcontrollers/frontends",
    "microsoft.servicenetworking/trafficcontrollers/securitypolicies", "microsoft.signalrservice/signalr/replicas",
    "microsoft.signalrservice/webpubsub/replicas",
    "microsoft.synapse/workspaces/sqlpools",
)  # fmt: skip
"""Child types that the table `resources` has (learn.microsoft.com, "table and resource type reference")."""

NETWORK = (
    "microsoft.network/networksecurityperimeters/",
    "microsoft.network/networkmanagers/",
    "microsoft.network/networkgroupmemberships",
    "microsoft.network/effectivesecurityadminrules",
    "microsoft.network/firewallpolicies/",
)
"""The beginnings of the types in the table `networkresources`."""

MORE_TABLES: dict[str, tuple[str, ...]] = {
    "appserviceresources": ("microsoft.web/sites/config", "microsoft.web/sites/slots/config"),
    "batchresources": ("microsoft.batch/batchaccounts/pools",),
    "dnsresources": ("microsoft.network/dnszones/cname",),
    "elasticsanresources": ("microsoft.elasticsan/elasticsans/volumegroups",),
    "kubernetesconfigurationresources": ("microsoft.kubernetesconfiguration/fluxconfigurations",),
    "recoveryservicesresources": (
        "microsoft.dataprotection/backupvaults/backupinstances",
        "microsoft.dataprotection/backupvaults/backuppolicies",
        "microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems",
        "microsoft.recoveryservices/vaults/backuppolicies",
    ),
    "servicefabricresources": ("microsoft.servicefabric/managedclusters/nodetypes",),
}
"""The types of other tables, from the same page. Of the configuration of an app the table has `web` alone."""
CHANGES = "resourcechanges"
"""The table of changes (learn.microsoft.com, "Get resource changes")."""

GROUPS = "microsoft.resources/subscriptions/resourcegroups"


class SandboxGraph:
    """Answer queries of an estate as Resource Graph does. A page of more than `payload` bytes is refused."""

    def __init__(self, estate: ServedEstate, payload: int = PAYLOAD) -> None:
        self.estate = estate
        self.payload = payload
        self.kept: dict[tuple[str, bytes], HttpAnswer] = {}
        self.tables: dict[str, list[kusto.Row]] = {}

    def query(self, body: bytes, tenant: str) -> HttpAnswer:
        """Return the answer to one POST."""
        key = (tenant, body)
        if CHANGES.encode() in body:
            return self._answer(body, tenant)
        if key not in self.kept:
            self.kept[key] = self._answer(body, tenant)
        return self.kept[key]

    def _answer(self, body: bytes, tenant: str) -> HttpAnswer:
        try:
            request = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            return graph_error(400, "BadRequest", "InvalidQuery", "The body is not JSON.")
        options = request.get("options") or {}
        top, skip = int(options.get("$top") or 100), 0
        if not 1 <= top <= 1000:
            return graph_error(400, "BadRequest", "InvalidQuery", "$top must be from 1 to 1000.")
        query = str(request.get("query") or "")
        token = options.get("$skipToken")
        if token:
            skip = unpacked(str(token), query)
            if skip < 0:
                return graph_error(400, "BadRequest", "InvalidSkipToken", "The skip token does not fit the query.")
        try:
            result = kusto.run(query, lambda name: self._scoped(name, request, tenant))
        except kusto.BadQuery as wrong:
            return graph_error(400, "BadRequest", "InvalidQuery", f"Query is invalid: {wrong}.")
        return self._page(result, query, top, skip)

    def _page(self, result: kusto.QueryResult, query: str, top: int, skip: int) -> HttpAnswer:
        """Return one page. Without an order each page has its own, so that rows repeat or are lost, as in Azure."""
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
        http_answer = answer(body)
        if len(http_answer.body) > self.payload:
            text = (
                f"Response payload size is {len(http_answer.body)}, and has exceeded the limit of {self.payload}. "
                "Please consider querying less data at a time and make paginated call if needed."
            )
            return graph_error(400, "BadRequest", "ResponsePayloadTooLarge", text)
        return http_answer

    def _scoped(self, name: str, request: Json, tenant: str) -> list[kusto.Row]:
        """Return the rows of a table in the subscriptions of the request that the caller's tenant may read."""
        visible = {key for key, each in self.estate.subscriptions.items() if self.estate.serves(each, tenant)}
        if request.get("subscriptions"):
            visible &= {str(s).lower() for s in request["subscriptions"]}
        return [row for row in self._table(name) if str(row["subscriptionId"]).lower() in visible]

    def _table(self, name: str) -> list[kusto.Row]:
        if name == CHANGES:
            return [_change(*each) for each in self.estate.changes]
        if name not in self.tables:
            if name not in TABLES:
                raise kusto.BadQuery(f"unknown table {name!r}")
            member = TABLES[name]
            self.tables[name] = [self._row(n) for n in self.estate.nodes.values() if member(n) and self._shows(n)]
        return self.tables[name]

    def _shows(self, node: ServedResource) -> bool:
        lagging = any(matches(pattern, node.id) for pattern in self.estate.overrides.absent_from_graph)
        return bool(node.subscription) and not lagging and self.estate.sees(node)

    def _row(self, node: ServedResource) -> kusto.Row:
        """Return the row of a resource. Columns that ARM lacks are empty; type and group are in lower case."""
        shown = list_form(node, self.estate)
        known = self.estate.subscriptions[node.subscription]
        row: kusto.Row = {
            "id": shown["id"],
            "name": shown.get("name") or str(shown["id"]).rsplit("/", 1)[-1],
            "type": node.type,
            "tenantId": known["tenantId"],
            "kind": shown.get("kind") or "",
            "location": shown.get("location") or "",
            "resourceGroup": node.group,
            "subscriptionId": known["subscriptionId"],
            "managedBy": shown.get("managedBy") or "",
        }
        rest = ("sku", "plan", "properties", "tags", "identity", "zones", "extendedLocation")
        return {**row, **{name: shown.get(name) for name in rest}}


def _change(id: str, at: str) -> kusto.Row:
    """Return the row of a change of a resource at a time."""
    properties = {"targetResourceId": id, "changeType": "Update", "changeAttributes": {"timestamp": at}}
    return {
        "id": f"{id}/providers/Microsoft.Resources/changes/x",
        "subscriptionId": subscription_of(id),
        "properties": properties,
    }


def _resource(node: ServedResource) -> bool:
    if node.type.startswith(NETWORK) or node.type == GROUPS or node.id.count("/providers/") > 1:
        return False
    if node.type.startswith(("microsoft.authorization/", "microsoft.resources/subscriptions")) or is_subscription(
        root_of(node.id)
    ):
        return False
    return node.top or node.type in CHILDREN


def _of(types: tuple[str, ...], node: ServedResource) -> bool:
    """Return whether a resource is in a table with some types."""
    return node.type in types and (not node.type.endswith("/config") or node.id.endswith("/web"))


TABLES: dict[str, Callable[[ServedResource], bool]] = {
    "resources": _resource,
    "networkresources": lambda node: node.type.startswith(NETWORK),
    **{table: partial(_of, types) for table, types in MORE_TABLES.items()},
}


def packed(query: str, row: int) -> str:
    """Return a skip token: the row where the next page starts, and the query."""
    return base64.urlsafe_b64encode(msgspec.json.encode({"row": row, "query": hash(query)})).decode()


def unpacked(token: str, query: str) -> int:
    """Return the row where the page starts, or -1 where the token is not of this query."""
    try:
        result = msgspec.json.decode(base64.urlsafe_b64decode(token), type=dict[str, int])
    except (ValueError, msgspec.DecodeError):
        return -1
    return result["row"] if result.get("query") == hash(query) else -1
