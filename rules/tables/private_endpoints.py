"""Checks of private endpoint connections: pending connections, and approved ones of external subscriptions."""

from typing import Any

from scanner.model.fix import Cause, Edit, changed
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_one, same, spelled
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.networks.managed_endpoints import foreign_endpoints
from scanner.reach.rules.owners import rated
from scanner.reach.rules.sources import in_same_tenant
from scanner.reach.services.private_endpoints import IN_ENVELOPES, OF_REGISTRY, SETTLED, USUAL, Connections

STATE = "properties.privateLinkServiceConnectionState.status"
TARGET = "properties.privateEndpoint.id"
KNOWN = ("Approved", "Pending", *SETTLED)
UNCLEAR = Message("Azure did not return who connects, or returned an unrecognized state")


def hidden(resource: Resource, where: Connections) -> bool:
    """Return whether the record may omit the connections."""
    return resource.api_version_unknown and is_absent(resource.get(where.path(resource)))


def rejected(resource: Resource, where: Connections, connection: Any) -> Cause:
    """Return a connection as the cause of a failure, which its rejection closes."""
    path = where.path(resource)
    is_object = isinstance(connection, dict)
    edit = Edit(resource.id, where.state_path(connection), "Rejected")
    value = changed(connection, edit) if is_object else connection
    position = next(at for at, each in enumerate(resource.items(path)) if each is connection)
    return Cause.in_list(resource.id, path, connection, position, "privateEndpointConnections", value)


def pending(resource: Resource, index: Index, *, where: Connections = USUAL) -> Verdict:
    """Fail where a private endpoint connection is pending approval."""
    path = where.path(resource)
    if hidden(resource, where):
        return unknown(absent_at_unknown_version(path))
    connections = resource.items(path)
    if not connections:
        return NotApplicable(Message("it has no private endpoint connection"))
    states = [where.state(each) for each in connections]
    shown = f"{path}[].{where.state_path(connections[0])}"
    unapproved = [each for each, state in zip(connections, states, strict=True) if same(state, "Pending")]
    if unapproved:
        names = [spelled(get_path(each, "id") or get_path(each, "name")) for each in unapproved]
        seen = Evidence(shown, names, Message("no connection that is Pending"))
        return Fail((seen,), causes=tuple(rejected(resource, where, each) for each in unapproved))
    if not all(is_one(state, KNOWN) for state in states):
        return unknown(not_returned_or_unknown(shown))
    return Pass((Evidence(shown, states),))


def foreign(resource: Resource, index: Index, *, where: Connections = USUAL) -> Verdict:
    """Fail where an approved private endpoint is in an external subscription: medium if that is proven another tenant."""
    path = where.path(resource)
    if hidden(resource, where):
        return unknown(absent_at_unknown_version(path))
    connections = resource.items(path)
    approved = [each for each in connections if same(where.state(each), "Approved")]
    targets = [where.target(each) for each in approved]
    outside = [each for each in targets if isinstance(each, str) and each and not in_same_tenant(resource, index, each)]
    others, unclear = foreign_endpoints(resource, index, outside)
    if others:
        causes = [rejected(resource, where, each) for each in approved if where.target(each) in others]
        severity, message = rated(resource, index, others, Message("private endpoint"))
        seen = Evidence(f"{path}[].{TARGET}", others, Message("endpoints in your own tenant"))
        return Fail((seen,), message, severity, causes=tuple(causes))
    is_clear = all(is_one(where.state(each), KNOWN) for each in connections)
    if not is_clear or not all(isinstance(each, str) and each for each in targets):
        return unknown(Unread(path, UNCLEAR))
    if unclear is not None:
        return unknown(unclear, evidence=(Evidence(f"{path}[].{TARGET}", outside),))
    if not approved:
        return NotApplicable(Message("no private endpoint is approved"))
    return Pass((Evidence(f"{path}[].{TARGET}", targets),))


NOT_READ = NotApplicable(
    Message("its public network access is enabled, and private endpoint connections of such apps are not read")
)


def pending_children(resource: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where one of the connections below a resource is pending approval."""
    if not read.needed(resource):
        return NOT_READ
    connections = resource.children(read)
    unapproved = [each for each in connections if same(each.get(STATE), "Pending")]
    if unapproved:
        seen = Evidence(f"{read.path}[].{STATE}", _names(unapproved), Message("no connection that is Pending"))
        return Fail((seen,), causes=tuple(Cause(each.id, STATE, value="Rejected") for each in unapproved))
    if connections.gap is not None:
        return unknown(connections.gap)
    states = [each.get(STATE) for each in connections]
    if not all(is_one(state, KNOWN) for state in states):
        return unknown(not_returned_or_unknown(f"{read.path}[].{STATE}"))
    if not states:
        return NotApplicable(Message("it has no private endpoint connection"))
    return Pass((Evidence(f"{read.path}[].{STATE}", states),))


def foreign_children(resource: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where one of the connections below a resource is approved, and its endpoint in an external subscription."""
    if not read.needed(resource):
        return NOT_READ
    connections = resource.children(read)
    approved = [each for each in connections if same(each.get(STATE), "Approved")]
    targets = [each.get(TARGET) for each in approved]
    outside = [each for each in targets if isinstance(each, str) and each and not in_same_tenant(resource, index, each)]
    others, unclear = foreign_endpoints(resource, index, outside)
    path = f"{read.path}[].{TARGET}"
    if others:
        causes = (Cause(each.id, STATE, value="Rejected") for each in approved if each.get(TARGET) in others)
        severity, message = rated(resource, index, others, Message("private endpoint"))
        seen = Evidence(path, others, Message("endpoints in your own tenant"))
        return Fail((seen,), message, severity, causes=tuple(causes))
    if connections.gap is not None:
        return unknown(connections.gap)
    is_clear = all(is_one(each.get(STATE), KNOWN) for each in connections)
    if not is_clear or not all(isinstance(each, str) and each for each in targets):
        return unknown(Unread(read.path, UNCLEAR))
    if unclear is not None:
        return unknown(unclear, evidence=(Evidence(path, outside),))
    if not approved:
        return NotApplicable(Message("no private endpoint is approved"))
    return Pass((Evidence(path, targets),))


def _names(connections: list[Resource]) -> list[str]:
    return [each.name.rsplit("/", 1)[-1] for each in connections]


def pending_connection(connection: Resource, index: Index) -> Verdict:
    """Fail where a connection that is a resource of its own is pending approval."""
    status, seen = connection.require(STATE), connection.evidence(STATE, Message("Approved or Rejected"))
    if same(status, "Pending"):
        return Fail((seen,))
    return Pass((seen,)) if is_one(status, KNOWN) else unknown(unknown_value(STATE, status))


def foreign_connection(connection: Resource, index: Index) -> Verdict:
    """Fail where a connection that is a resource of its own is approved, and its endpoint in an external subscription."""
    status = connection.require(STATE)
    if is_one(status, ("Pending", *SETTLED)):
        return NotApplicable(Message("it is not approved"))
    target = connection.require(TARGET)
    if not same(status, "Approved") or not isinstance(target, str) or not target:
        return unknown(Unread(TARGET, UNCLEAR))
    if in_same_tenant(connection, index, target):
        return Pass((connection.evidence(TARGET),))
    owner = connection.bundle.top or connection
    others, unclear = foreign_endpoints(owner, index, [target])
    if unclear is not None:
        return unknown(unclear, evidence=(connection.evidence(TARGET),))
    if not others:
        return Pass((connection.evidence(TARGET),))
    severity, message = rated(connection, index, [target], Message("private endpoint"))
    return Fail((connection.evidence(TARGET, Message("an endpoint in your own tenant")),), message, severity)


__all__ = ["IN_ENVELOPES", "OF_REGISTRY", "foreign", "foreign_connection", "pending", "pending_connection"]
