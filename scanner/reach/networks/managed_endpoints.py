"""The private endpoints that services make for us in their own subscriptions: by what our resources say of them.

Front Door, Data Factory, AI Search, Data Explorer, Grafana and Machine Learning say in Azure Resource Manager which
resources they connect to. Synapse and Databricks do not: of these only the name of a private endpoint tells.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from scanner.model.ids import name_of, segments
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, objects_at, peek, same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread
from scanner.reach.networks.fabric import id_or_empty
from scanner.reach.rules.owners import managed_by
from scanner.reach.rules.sources import cached


class ManagedEndpoint(NamedTuple):
    """A private endpoint that a service keeps for one of our resources."""

    name: str
    """What messages call it."""
    service: str
    """As `owners.managed_by` names it."""
    endpoint: str = ""
    """The name that the service gives its private endpoint, "" where that is not known."""


# Type below which resource, its service, the path of the target, and the path of the state of the connection.
_LISTS: Final = (
    (
        "Microsoft.Cdn/profiles/originGroups/origins",
        "Azure Front Door",
        "properties.sharedPrivateLinkResource.privateLink.id",
        "properties.sharedPrivateLinkResource.status",
    ),
    (
        "Microsoft.DataFactory/factories/managedVirtualNetworks/managedPrivateEndpoints",
        "Data Factory",
        "properties.privateLinkResourceId",
        "properties.connectionState.status",
    ),
    (
        "Microsoft.Search/searchServices/sharedPrivateLinkResources",
        "AI Search",
        "properties.privateLinkResourceId",
        "properties.status",
    ),
    ("Microsoft.Kusto/clusters/managedPrivateEndpoints", "Data Explorer", "properties.privateLinkResourceId", ""),
    (
        "Microsoft.Dashboard/grafana/managedPrivateEndpoints",
        "Managed Grafana",
        "properties.privateLinkResourceId",
        "properties.connectionState.status",
    ),
    (
        "Microsoft.MachineLearningServices/workspaces/outboundRules",
        "Machine Learning",
        "properties.destination.serviceResourceId",
        "",
    ),
)
_NAMED_AFTER: Final = ("Microsoft.DataFactory/factories", "Microsoft.Synapse/workspaces")
"""Services whose private endpoints are named `resource.endpoint`."""
_REFUSED: Final = ("Pending", "Rejected", "Disconnected", "Timeout")


def links_of(index: Index) -> dict[str, list[ManagedEndpoint]]:
    """Return the managed private endpoints of our own resources, by the resource (key) that they lead to."""
    return cached(index, "managed private endpoints", _links)


def _links(index: Index) -> dict[str, list[ManagedEndpoint]]:
    result: dict[str, list[ManagedEndpoint]] = defaultdict(list)
    for type, service, target, status in _LISTS:
        for each in index.of_type(type)[0]:
            id = peek(each.body, target)
            state = peek(each.body, status) if status else None
            if isinstance(id, str) and id and (is_absent(state) or not any(same(state, no) for no in _REFUSED)):
                result[id_or_empty(id)].append(_link(each, service))
    for front_door in index.of_type("Microsoft.Network/frontDoors")[0]:
        for pool in objects_at(front_door.body, "properties.backendPools"):
            for each in objects_at(pool, "properties.backends"):
                if (id := text_at(each, "privateLinkResourceId")) and same(
                    get_path(each, "privateEndpointStatus"), "Approved"
                ):
                    result[id_or_empty(id)].append(ManagedEndpoint(f"Front Door {front_door.name}", "Azure Front Door"))
    return dict(result)


def _link(each: Resource, service: str) -> ManagedEndpoint:
    owner, name = segments(each.id)[7], each.name.rsplit("/", 1)[-1]
    endpoint = f"{owner}.{name}".lower() if service == "Data Factory" else ""
    return ManagedEndpoint(f"{service} {owner}", service, endpoint)


class Attributed(NamedTuple):
    """The private endpoints of others, without those that are ours; and why some may be ours all the same."""

    foreign: list[str]
    unclear: Unread | None = None


def foreign_endpoints(resource: Resource, index: Index, endpoints: Iterable[str]) -> Attributed:
    """Return which private endpoints (ids) that lead to a resource are not kept for our own resources.

    One with a name that a service of ours gives is ours; so is one whose id names a service, for each link of ours by
    that service. Where the id says nothing, a link of ours makes it inconclusive.
    """
    left, links = list(dict.fromkeys(endpoints)), list(links_of(index).get(resource.key, ()))
    for match in (_by_name, _by_service):
        for each in list(left):
            managed_endpoint = next((link for link in links if match(each, link)), None)
            if managed_endpoint is not None:
                left.remove(each)
                links.remove(managed_endpoint)
    others = [each for each in left if not managed_by(each) and not _is_named_after(each, index)]
    named = [each for each in left if _is_named_after(each, index)]
    if named:
        left = [each for each in left if each not in named]
        why = Message("{named} has the name of a managed private endpoint of yours", named=name_of(named[0]))
        return Attributed(left, Unread("properties.privateEndpointConnections", why))
    if links and others and len(others) <= len(links):
        left = [each for each in left if each not in others]
        why = Message(
            "{others} may be the managed private endpoint of {name}", others=name_of(others[0]), name=links[0].name
        )
        return Attributed(left, Unread("properties.privateEndpointConnections", why))
    return Attributed(left)


def _by_name(endpoint: str, link: ManagedEndpoint) -> bool:
    name = name_of(endpoint).lower()
    return bool(link.endpoint) and (name == link.endpoint or name.startswith(f"{link.endpoint}-"))


def _by_service(endpoint: str, link: ManagedEndpoint) -> bool:
    return managed_by(endpoint) == link.service


def _is_named_after(endpoint: str, index: Index) -> bool:
    """Return whether the name of a private endpoint begins with that of a factory or workspace of the scan."""
    owner, dot, _ = name_of(endpoint).lower().partition(".")
    located = index.residency.located()
    return bool(dot) and any(located.has_name(type.lower(), owner) for type in _NAMED_AFTER)
