"""Access through approved private endpoint connections."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from scanner.model.exposure import Hop, Lock, PossibleGrant, Reach
from scanner.model.ids import name_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_one, objects_at, same, text_at, texts_at
from scanner.model.message import NOTHING, Message, Number, listed
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import Unread, absent_at_unknown_version, not_a_list
from scanner.reach.networks.fabric import fabric_of, id_or_empty
from scanner.reach.networks.peerings import is_live, peers_of
from scanner.reach.paths.network_paths import parsed_addresses
from scanner.reach.rules.sources import MAX_LISTED, cached, grants_from_ids

SETTLED: Final = ("Rejected", "Disconnected", "Failed", "Removed", "Timeout")
"""The states of a connection that ended, or never came about: private-link/manage-private-endpoint; bicep-types-az for
Failed (Elastic SAN), Removed (HDInsight) and Timeout (Machine Learning). Only Approved connects.
"""
_NOT_CONNECTED: Final = ("Pending", *SETTLED)


class Connections(NamedTuple):
    """Where the body of a type has its private endpoint connections, and a connection its state and its endpoint. Of
    several paths one has a value: api-versions differ.
    """

    paths: tuple[str, ...] = ("properties.privateEndpointConnections",)
    states: tuple[str, ...] = ("properties.privateLinkServiceConnectionState.status",)
    targets: tuple[str, ...] = ("properties.privateEndpoint.id",)

    def path(self, resource: Resource) -> str:
        """Return the path of the connections in this body; the usual one where it has none."""
        held = [path for path in self.paths if not is_absent(resource.get(path))]
        return next((path for path in held if resource.get(path) != []), held[0] if held else self.paths[0])

    def state(self, connection: Any) -> Any:
        """Return the state of a connection; MISSING without one."""
        return get_path(connection, self.state_path(connection))

    def state_path(self, connection: Any) -> str:
        """Return the path of the state in a connection."""
        return _path_of(connection, self.states)

    def target(self, connection: Any) -> Any:
        """Return the id of the private endpoint of a connection; MISSING without one."""
        return get_path(connection, _path_of(connection, self.targets))


def _path_of(connection: Any, paths: tuple[str, ...]) -> str:
    return next((path for path in paths if not is_absent(get_path(connection, path))), paths[0])


USUAL: Final = Connections()
IN_ENVELOPES: Final = Connections(
    states=(*(f"properties.{path}" for path in USUAL.states), *USUAL.states),
    targets=(*(f"properties.{path}" for path in USUAL.targets), *USUAL.targets),
)
"""Those of a static web app: each is the properties of another resource (bicep-types-az, Microsoft.Web/staticSites)."""
OF_REGISTRY: Final = Connections(
    paths=("properties.registryPrivateEndpointConnections", *USUAL.paths),
    states=("properties.registryPrivateLinkServiceConnectionState.status", *USUAL.states),
)
"""Those of a Machine Learning registry: bicep-types-az, Microsoft.MachineLearningServices/registries 2026-05-01."""


def private_endpoints(
    resource: Resource, index: Index, where: str | Connections | Read | None, groups: tuple[str, ...] = ()
) -> Lock:
    """Return the lock of approved private endpoints: `private` from own subscriptions, `selected` from others.

    `groups`: the sub-resources (group ids) of which one must be the endpoint's, because a private endpoint leads to its
    own alone (private-link/private-endpoint-overview); () counts all, "!x" all but x. One whose groups are not known
    counts.
    """
    if where is None:
        return Lock()
    name = " ".join((where.key if isinstance(where, Read) else str(where), *groups))
    return resource.once(f"private endpoints {name}", None, lambda: _private_endpoints(resource, index, where, groups))


def _private_endpoints(
    resource: Resource, index: Index, where: str | Connections | Read, groups: tuple[str, ...]
) -> Lock:
    shape = where if isinstance(where, Connections) else USUAL
    path = where if isinstance(where, str) else where.path if isinstance(where, Read) else where.path(resource)
    connections, missing = _connections(resource, where if isinstance(where, Read) else path)
    approved: list[str] = []
    possible_grants: list[PossibleGrant] = []
    for each in connections:
        status = shape.state(each)
        if groups and not _leads_to(each, shape.target(each), resource, index, groups):
            continue
        if same(status, "Approved"):
            target = shape.target(each)
            approved.append(target if isinstance(target, str) else "")
        elif not is_one(status, _NOT_CONNECTED):
            possible_grants.append(
                PossibleGrant(Reach.selected, Unread(path, Message("a connection with an unrecognized status")))
            )
    if missing is not None:
        possible_grants.append(PossibleGrant(Reach.selected, missing))
    if missing is not None or (isinstance(where, Read) and not where.needed(resource)):
        known = _known_endpoints(resource, index)
        approved += [each for each in known if _serves(_groups_of(each, resource, index), groups)]
    grants = grants_from_ids(resource, index, path, dict.fromkeys(approved), Message("a private endpoint"))
    hops = [
        Hop("private-endpoint", _endpoint_name(target), _approved(index, target), target)
        for target in list(dict.fromkeys(approved))[:MAX_LISTED]
    ]
    return Lock(grants, tuple(possible_grants), tuple(hops))


def _leads_to(connection: Any, endpoint: Any, resource: Resource, index: Index, groups: tuple[str, ...]) -> bool:
    """Return whether a connection leads to one of some sub-resources: by what it says, or by its private endpoint."""
    named = texts_at(connection, "properties.groupIds")
    if one := text_at(connection, "properties.groupId"):
        named = [*named, one]
    return _serves(named or _groups_of(endpoint if isinstance(endpoint, str) else "", resource, index), groups)


def _groups_of(endpoint: str, resource: Resource, index: Index) -> list[str]:
    """Return the sub-resources of a resource that a private endpoint (its id) leads to; [] where they are not known."""
    result = index.resources.get(id_or_empty(endpoint)) if endpoint else None
    if result is None:
        return []
    named: list[str] = []
    for path in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections"):
        for each in objects_at(result.body, f"properties.{path}"):
            if id_or_empty(text_at(each, "properties.privateLinkServiceId")) == resource.key:
                named += texts_at(each, "properties.groupIds")
    return named


def _serves(named: list[str], groups: tuple[str, ...]) -> bool:
    """Return whether one of the group ids is asked for. `blob_secondary` is a host of `blob` too."""
    wanted = {each.lower() for each in groups if not each.startswith("!")}
    others = {each[1:].lower() for each in groups if each.startswith("!")}
    names = [each.lower().removesuffix("_secondary") for each in named]
    return not names or not groups or any(each in wanted or (others and each not in others) for each in names)


def _endpoint_name(endpoint: str) -> str:
    return name_of(endpoint) or Message("private endpoint")


def _approved(index: Index, endpoint: str) -> Message:
    scope = private_endpoint_scope(index, endpoint)
    return Message("Approved; {scope}", scope=scope) if scope else Message("Approved")


def _connections(resource: Resource, where: str | Read) -> tuple[list[Any], Unread | None]:
    if isinstance(where, Read):
        children = resource.children(where)
        return [child.body for child in children.items], children.gap
    value = resource.get(where)
    if isinstance(value, list):
        return value, None
    if is_absent(value):
        if resource.has_no_properties:
            return [], Unread(where, resource.why_absent_is_unknown)
        return [], absent_at_unknown_version(where) if resource.api_version_unknown else None
    return [], not_a_list(where)


def _known_endpoints(resource: Resource, index: Index) -> list[str]:
    """Return the approved private endpoints in scope that point at the resource: the other end of the same
    connections.
    """
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
    """Return the path of the slot that a private endpoint of an app serves (its group is `sites-<slot>`); "" for the
    app.
    """
    names = [name for name in groups if isinstance(name, str)] if isinstance(groups, list) else []
    slot = next((name[len("sites-") :] for name in names if name.lower().startswith("sites-")), "")
    return f"/slots/{slot}" if slot else ""


def private_endpoint_scope(index: Index, endpoint: str) -> Message:
    """Return the networks that can use a private endpoint (its id) as a clause: its own, the peers, a gateway.

    "" where its network is not known.
    """
    resource = index.resources.get(id_or_empty(endpoint))
    subnet = id_or_empty(text_at(resource.body, "properties.subnet.id")) if resource is not None else ""
    network = index.resources.get(subnet.partition("/subnets/")[0])
    if network is None:
        return NOTHING
    peers = peers_of(index).get(network.key, [])
    seen = [index.resources[each] for each in peers if each in index.resources]
    prefixes = [
        each for body in (network, *seen) for each in texts_at(body.body, "properties.addressSpace.addressPrefixes")
    ]
    segments = [network.name]
    if peers:
        unseen = Message(" ({value} not visible)", value=len(peers) - len(seen)) if len(seen) < len(peers) else NOTHING
        segments.append(f"{len(peers)} peer{'s' if len(peers) > 1 else ''}{unseen}")
    every = objects_at(network.body, "properties.virtualNetworkPeerings")
    live = [each for each in every if is_live(index, network.key, each)]
    segments += _carried(live)
    if f"{network.key}/subnets/gatewaysubnet" in fabric_of(index).subnets:
        segments.append(Message("traffic through its gateway"))
    dead = len(every) - len(live)
    rest = f"; {dead} peering{'s are' if dead > 1 else ' is'} not connected" if dead else ""
    return Message(
        "open to {parts}: {value} addresses{rest}",
        parts=listed(segments),
        value=Number(parsed_addresses(prefixes)[0].size(4)),
        rest=rest,
    )


def _carried(peerings: list[Any]) -> Iterator[str]:
    """Return what comes over peerings besides the peers themselves."""
    if any(same(get_path(each, "properties.allowForwardedTraffic"), True) for each in peerings):
        yield Message("traffic forwarded over a peering")
    for each in peerings:
        if same(get_path(each, "properties.useRemoteGateways"), True):
            network = name_of(text_at(each, "properties.remoteVirtualNetwork.id"))
            yield f"traffic through the gateway of {network or '?'}"
