"""Access through approved private endpoint connections."""

from collections.abc import Iterable
from typing import Any

from scanner.model.exposure import Hop, Lock, PossibleGrant, Reach
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, same
from scanner.model.resource import Resource
from scanner.model.rule import Read
from scanner.model.verdict import (
    Unread,
    absent_at_unknown_version,
    not_a_list,
)
from scanner.reach.sources import (
    MAX_LISTED,
    cached,
    grants_from_ids,
)
from scanner.reach.topology import private_endpoint_scope

_NOT_CONNECTED = ("Pending", "Rejected", "Disconnected")
"""Microsoft Learn, private-link/manage-private-endpoint: what a connection can be besides Approved."""


def private_endpoints(resource: Resource, index: Index, where: str | Read | None) -> Lock:
    """The ways in through approved private endpoints: `private` from own subscriptions, `selected` from others."""
    if where is None:
        return Lock()
    path = where if isinstance(where, str) else where.path
    connections, missing = _connections(resource, where)
    approved: list[str] = []
    possible_grants: list[PossibleGrant] = []
    for each in connections:
        status = get_path(each, "properties.privateLinkServiceConnectionState.status")
        if same(status, "Approved"):
            target = get_path(each, "properties.privateEndpoint.id")
            approved.append(target if isinstance(target, str) else "")
        elif not any(same(status, each) for each in _NOT_CONNECTED):
            possible_grants.append(
                PossibleGrant(Reach.selected, Unread(path, "a connection whose status is not known"))
            )
    if missing is not None:
        possible_grants.append(PossibleGrant(Reach.selected, missing))
    if missing is not None or (isinstance(where, Read) and not where.needed(resource)):
        approved += _known_endpoints(resource, index)
    ways = grants_from_ids(resource, index, path, dict.fromkeys(approved), "a private endpoint")
    hops = [
        Hop("private-endpoint", _endpoint_name(target), _approved(index, target), target)
        for target in list(dict.fromkeys(approved))[:MAX_LISTED]
    ]
    return Lock(ways, tuple(possible_grants), tuple(hops))


def _endpoint_name(endpoint: str) -> str:
    return endpoint.rstrip("/").rsplit("/", 1)[-1] or "private endpoint"


def _approved(index: Index, endpoint: str) -> str:
    said = private_endpoint_scope(index, endpoint)
    return f"Approved; {said}" if said else "Approved"


def _connections(resource: Resource, where: str | Read) -> tuple[list[Any], Unread | None]:
    if isinstance(where, Read):
        children = resource.children(where)
        return [child.body for child in children.items], children.gap
    value = resource.get(where)
    if isinstance(value, list):
        return value, None
    if value is None or value is MISSING:
        return [], absent_at_unknown_version(where) if resource.api_version_unknown else None
    return [], not_a_list(where)


def _known_endpoints(resource: Resource, index: Index) -> list[str]:
    """The approved private endpoints in scope that point at the resource: the other end of the same connections."""
    return cached(index, "private endpoints", _by_target).get(resource.key, [])


def _by_target(index: Index) -> dict[str, list[str]]:
    known: dict[str, list[str]] = {}
    for endpoint in index.of_type("Microsoft.Network/privateEndpoints")[0]:
        for target in _targets(endpoint):
            known.setdefault(target, []).append(endpoint.id)
    return known


def _targets(endpoint: Resource) -> Iterable[str]:
    for path in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
        value = endpoint.get(f"properties.{path}")
        for each in value if isinstance(value, list) else ():
            target = get_path(each, "properties.privateLinkServiceId")
            status = get_path(each, "properties.privateLinkServiceConnectionState.status")
            if isinstance(target, str) and same(status, "Approved"):
                yield f"{target.rstrip('/')}{_slot(get_path(each, 'properties.groupIds'))}".lower()


def _slot(groups: Any) -> str:
    """The path of the slot that a private endpoint of an app serves (its group is `sites-<slot>`), "" for the app."""
    names = [name for name in groups if isinstance(name, str)] if isinstance(groups, list) else []
    slot = next((name[len("sites-") :] for name in names if name.lower().startswith("sites-")), "")
    return f"/slots/{slot}" if slot else ""
