"""Access through Azure Monitor private link scopes: private endpoints lead to a scope, and a scope to its resources.

The access modes of a scope (Open, PrivateOnly) say what its networks reach outside the scope. They close no resource
to the public: only the switch of the resource does (azure-monitor/fundamentals/private-link-design).
"""

from typing import Any

from msgspec.structs import replace

from scanner.model.exposure import Lock, PossibleGrant, Reach
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, member
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, absent_at_unknown_version, not_a_list, not_listed, not_returned
from scanner.reach.networks.fabric import id_or_empty
from scanner.reach.services.firewall import Firewall, firewall
from scanner.reach.services.private_endpoints import private_endpoints

SCOPES = "Microsoft.Insights/privateLinkScopes"
CONNECTIONS = "properties.privateEndpointConnections"
_BELOW = "/scopedresources/"


def scoped_firewall(resource: Resource, index: Index, row: Firewall, path: str) -> Lock:
    """Return the network lock of a resource whose private endpoints are those of private link scopes.

    `path`: the list of what ties it to scopes, each with the id of a scope or of an entry in it (`resourceId`).
    """
    direct, scoped = firewall(resource, index, row), scoped_endpoints(resource, index, path)
    if scoped.grants or scoped.possible_grants:
        direct = replace(direct, grants=tuple(each for each in direct.grants if each.level))
    return direct | scoped


def scoped_endpoints(resource: Resource, index: Index, path: str) -> Lock:
    """Return the lock of the approved private endpoints of the scopes that a resource names at a path."""
    value = resource.get(path)
    if is_absent(value):
        gone = resource.api_version_unknown and not resource.has_no_properties
        return _maybe(absent_at_unknown_version(path)) if gone else Lock()
    if not isinstance(value, list):
        return _maybe(not_a_list(path))
    lock = Lock()
    for scope in dict.fromkeys(_scope_of(each) for each in value):
        lock |= _of_scope(scope, resource, index, path)
    return lock


def _scope_of(entry: Any) -> str:
    """Return the key of the scope that an entry names; "" where it names none."""
    id = member(entry, "resourceId")
    return id_or_empty(id).partition(_BELOW)[0] if isinstance(id, str) and id else ""


def _of_scope(scope: str, resource: Resource, index: Index, path: str) -> Lock:
    if not scope:
        return _maybe(not_returned(f"{path}[].resourceId"))
    result = index.resources.get(scope)
    if result is None:
        return _maybe(_why_unknown(scope, index))
    lock = private_endpoints(result, index, CONNECTIONS)
    grants = tuple(
        replace(grant, evidence=tuple(replace(seen, path=f"{result.id} {seen.path}") for seen in grant.evidence))
        for grant in lock.grants
    )
    return replace(lock, grants=grants)


def _why_unknown(scope: str, index: Index) -> Unread:
    if index.live and not index.is_visible(scope):
        return Unread(scope, Message("the private link scope is in a subscription that is not visible to this scan"))
    return (index.missing_in(SCOPES, scope) if index.live else None) or not_listed(scope)


def _maybe(missing: Unread) -> Lock:
    return Lock(possible_grants=(PossibleGrant(Reach.selected, missing),))
