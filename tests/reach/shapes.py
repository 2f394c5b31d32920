"""Bodies and firewall rows of nine services, written by hand, for the tests of reach."""

from __future__ import annotations

from typing import Any

from scanner.model.addresses import parse_all
from scanner.model.exposure import Lock, Reach
from scanner.model.index import Index, build
from scanner.model.resource import By, Gap, Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.reach.services.firewall_row import Firewall, RuleList

HOME = "00000000-0000-0000-0000-00000000000a"
NEIGHBOUR = "00000000-0000-0000-0000-00000000000b"
GUEST = "00000000-0000-0000-0000-00000000000c"
UNSEEN = "00000000-0000-0000-0000-00000000000f"
SUBSCRIPTIONS = {HOME: "tenant-1", NEIGHBOUR: "tenant-1", GUEST: "tenant-2"}
OWN = parse_all(("198.51.100.0/24", "20.0.0.0/8"))

STORAGE = ResourceType("Microsoft.Storage/storageAccounts", api="2025-08-01")
STORAGE_PERIMETERS = STORAGE.child(
    "networkSecurityPerimeterConfigurations",
    when=lambda account: account.require("properties.publicNetworkAccess") == "SecuredByPerimeter",
)
VAULT = ResourceType("Microsoft.KeyVault/vaults", api="2026-02-01")
SQL = ResourceType("Microsoft.Sql/servers", api="2025-01-01")
SQL_RULES = SQL.child("firewallRules")
SQL_RULES6 = SQL.child("ipv6FirewallRules")
SQL_SUBNETS = SQL.child("virtualNetworkRules")
COSMOS = ResourceType("Microsoft.DocumentDB/databaseAccounts", api="2025-10-15")
REDIS = ResourceType("Microsoft.Cache/redis", api="2024-11-01")
REDIS_RULES = REDIS.child("firewallRules")
EVENTS = ResourceType("Microsoft.EventHub/namespaces", api="2024-01-01")
EVENTS_RULES = EVENTS.child("networkRuleSets/default", one=True, off=("SKU Basic",))
SEARCH = ResourceType("Microsoft.Search/searchServices", api="2025-05-01")
REGISTRY = ResourceType("Microsoft.ContainerRegistry/registries", api="2025-11-01")
CONFIG = ResourceType("Microsoft.AppConfiguration/configurationStores", api="2024-06-01")
CLUSTER = ResourceType("Microsoft.ContainerService/managedClusters", api="2025-10-01")

ROWS = {
    "storage": Firewall(
        empty="closed",
        source="specification",
        absent="enabled",
        default="properties.networkAcls.defaultAction",
        default_absent="allow",
        acl="properties.networkAcls",
        addresses=(
            RuleList("properties.networkAcls.ipRules", address="value", action="action"),
            RuleList("properties.networkAcls.ipv6Rules", address="value", action="action"),
        ),
        subnets=(RuleList("properties.networkAcls.virtualNetworkRules", id="id"),),
        instances=(RuleList("properties.networkAcls.resourceAccessRules", id="resourceId"),),
        bypass="properties.networkAcls.bypass",
        configurations=STORAGE_PERIMETERS,
    ),
    "vault": Firewall(
        empty="closed",
        source="key-vault/general/network-security",
        absent="enabled",
        default="properties.networkAcls.defaultAction",
        default_absent="allow",
        acl="properties.networkAcls",
        addresses=(RuleList("properties.networkAcls.ipRules", address="value"),),
        subnets=(RuleList("properties.networkAcls.virtualNetworkRules", id="id"),),
        bypass="properties.networkAcls.bypass",
    ),
    "sql": Firewall(
        empty="closed",
        source="azure-sql/database/firewall-configure",
        absent="enabled",
        zero=True,
        addresses=(
            RuleList(child=SQL_RULES, start="properties.startIpAddress", end="properties.endIpAddress"),
            RuleList(child=SQL_RULES6, start="properties.startIPv6Address", end="properties.endIPv6Address"),
        ),
        subnets=(RuleList(child=SQL_SUBNETS, id="properties.virtualNetworkSubnetId"),),
    ),
    "cosmos": Firewall(
        empty="open",
        source="cosmos-db/how-to-configure-firewall",
        absent="enabled",
        zero=True,
        filter="properties.isVirtualNetworkFilterEnabled",
        addresses=(RuleList("properties.ipRules", address="ipAddressOrRange"),),
        subnets=(RuleList("properties.virtualNetworkRules", id="id"),),
        instances=(RuleList("properties.networkAclBypassResourceIds"),),
        bypass="properties.networkAclBypass",
    ),
    "redis": Firewall(
        empty="open",
        source="azure-cache-for-redis/cache-configure",
        absent="enabled",
        addresses=(RuleList(child=REDIS_RULES, start="properties.startIP", end="properties.endIP"),),
        injected=("properties.subnetId",),
    ),
    "events": Firewall(
        empty="open",
        source="event-hubs/event-hubs-ip-filtering",
        absent="enabled",
        holder=EVENTS_RULES,
        second="properties.publicNetworkAccess",
        default="properties.defaultAction",
        acl="properties",
        addresses=(RuleList("properties.ipRules", address="ipMask", action="action"),),
        subnets=(RuleList("properties.virtualNetworkRules", id="subnet.id"),),
        bypass="properties.trustedServiceAccessEnabled",
        sku_without_network_rules=("sku.name", ("Basic",), ("Standard", "Premium")),
    ),
    "search": Firewall(
        empty="open",
        source="search/service-configure-firewall",
        absent="enabled",
        acl="properties.networkRuleSet",
        addresses=(RuleList("properties.networkRuleSet.ipRules", address="value"),),
        bypass="properties.networkRuleSet.bypass",
        sku_without_network_rules=("sku.name", ("free",), ("basic", "standard")),
    ),
    "registry": Firewall(
        empty="closed",
        source="container-registry/container-registry-access-selected-networks",
        absent="enabled",
        default="properties.networkRuleSet.defaultAction",
        default_absent="allow",
        acl="properties.networkRuleSet",
        addresses=(RuleList("properties.networkRuleSet.ipRules", address="value", action="action"),),
        bypass="properties.networkRuleBypassOptions",
    ),
    "config": Firewall(empty="open", source="azure-app-configuration/howto-disable-public-access", absent="auto"),
    "cluster": Firewall(
        empty="open",
        source="aks/api-server-authorized-ip-ranges",
        public="properties.apiServerAccessProfile.enablePrivateCluster",
        enabled=(False,),
        disabled=(True,),
        secured=(),
        absent="enabled",
        addresses=(RuleList("properties.apiServerAccessProfile.authorizedIPRanges"),),
        endpoints=None,
    ),
}
KINDS = {
    "storage": STORAGE,
    "vault": VAULT,
    "sql": SQL,
    "cosmos": COSMOS,
    "redis": REDIS,
    "events": EVENTS,
    "search": SEARCH,
    "registry": REGISTRY,
    "config": CONFIG,
    "cluster": CLUSTER,
}


def identity(type: str, name: str, subscription: str = HOME) -> str:
    """An ARM id below the resource group `rg`."""
    return f"/subscriptions/{subscription}/resourceGroups/rg/providers/{type}/{name}"


def subnet(subscription: str = HOME) -> str:
    return identity("Microsoft.Network/virtualNetworks", "net/subnets/inner", subscription)


def endpoint(subscription: str = HOME, status: str = "Approved") -> dict[str, Any]:
    """An inline private endpoint connection."""
    target = identity("Microsoft.Network/privateEndpoints", "pe", subscription)
    state = {"status": status}
    return {"properties": {"privateEndpoint": {"id": target}, "privateLinkServiceConnectionState": state}}


def make(
    service: str,
    properties: dict[str, Any] | None = None,
    *,
    children: dict[Read, list[dict[str, Any]]] | None = None,
    gaps: dict[Read, str] | None = None,
    by: By = "list",
    **body: Any,
) -> Resource:
    """A resource of a service; `children` are lists that were read in full, `gaps` reads that were refused."""
    kind = KINDS[service]
    top = Resource({"id": identity(kind.type, "thing"), "properties": properties or {}, **body}, by=by)
    for child, bodies in (children or {}).items():
        top.bundle.reads[top.key + child.key] = len(bodies)
        for number, each in enumerate(bodies):
            id = f"{top.id}/{child.path}" if child.one else f"{top.id}/{child.path}/{each.get('name', number)}"
            top.bundle.add(Resource({"id": id, **each}, bundle=top.bundle))
    for child, code in (gaps or {}).items():
        top.bundle.gaps[top.key + child.key] = Gap(top.url(child), 403, code)
    return top


def index(*resources: Resource, **more: Any) -> Index:
    """An index of a live and complete collection that sees three subscriptions of two tenants."""
    return build(resources, **{"subscriptions": SUBSCRIPTIONS, "networks": OWN, **more})


def reach(lock: Lock) -> str:
    """The widest sure reach, and what may be added: "selected", "unknown, may internet"."""
    grants = "unknown" if lock.widest is None else Reach(lock.widest.level).name
    return grants if lock.widest_possible is None else f"{grants}, may {Reach(lock.widest_possible.level).name}"
