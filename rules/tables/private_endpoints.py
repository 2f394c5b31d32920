"""Checks of private endpoint connections: pending connections, and approved ones of external subscriptions."""

from typing import Any

from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same
from scanner.model.remedy import Cause, Edit, changed
from scanner.model.resource import Resource
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
from scanner.reach.owners import rated
from scanner.reach.sources import in_own_tenant

PATH = "properties.privateEndpointConnections"
STATE = "properties.privateLinkServiceConnectionState.status"
TARGET = "properties.privateEndpoint.id"
SETTLED = ("Approved", "Rejected", "Disconnected")
"""The states of a private endpoint connection besides Pending: private-link/manage-private-endpoint."""


def hidden(resource: Resource) -> bool:
    """Return whether the record may omit the connections."""
    return resource.api_version_unknown and is_absent(resource.get(PATH))


def rejected(resource: Resource, connections: list[Any], connection: Any) -> Cause:
    """Return a connection as the cause of a failure, which its rejection closes."""
    value = changed(connection, Edit(resource.id, STATE, "Rejected")) if isinstance(connection, dict) else connection
    place = next(at for at, each in enumerate(connections) if each is connection)
    return Cause.in_list(resource.id, PATH, connection, place, "privateEndpointConnections", value)


def pending(resource: Resource, index: Index) -> Verdict:
    """Fail where a private endpoint connection is pending approval."""
    if hidden(resource):
        return unknown(absent_at_unknown_version(PATH))
    connections = resource.items(PATH)
    if not connections:
        return NotApplicable("it has no private endpoint connection")
    unapproved = [each for each in connections if same(get_path(each, STATE), "Pending")]
    if unapproved:
        names = [str(get_path(each, "id") or get_path(each, "name")) for each in unapproved]
        seen = Evidence(f"{PATH}[].{STATE}", names, "no connection that is Pending")
        return Fail((seen,), causes=tuple(rejected(resource, connections, each) for each in unapproved))
    if any(not any(same(get_path(each, STATE), known) for known in SETTLED) for each in connections):
        return unknown(not_returned_or_unknown(f"{PATH}[].{STATE}"))
    return Pass((Evidence(f"{PATH}[].{STATE}", [get_path(each, STATE) for each in connections]),))


def foreign(resource: Resource, index: Index) -> Verdict:
    """Fail where an approved private endpoint is in an external subscription: medium if that is proven another tenant."""
    if hidden(resource):
        return unknown(absent_at_unknown_version(PATH))
    connections = resource.items(PATH)
    rows = [(get_path(each, STATE), get_path(each, TARGET)) for each in connections]
    approved = [target for status, target in rows if same(status, "Approved")]
    others = [each for each in approved if isinstance(each, str) and each and not in_own_tenant(resource, index, each)]
    if others:
        found = [each for each in connections if same(get_path(each, STATE), "Approved")]
        causes = [rejected(resource, connections, each) for each in found if get_path(each, TARGET) in others]
        severity, message = rated(resource, index, others, "private endpoint")
        seen = Evidence(f"{PATH}[].{TARGET}", others, "endpoints in your own tenant")
        return Fail((seen,), message, severity, causes=tuple(causes))
    unclear = [status for status, _ in rows if not any(same(status, each) for each in (*SETTLED, "Pending"))]
    if unclear or not all(isinstance(each, str) and each for each in approved):
        return unknown(Unread(PATH, "Azure did not return who connects, or returned an unrecognized state"))
    if not approved:
        return NotApplicable("no private endpoint is approved")
    return Pass((Evidence(f"{PATH}[].{TARGET}", approved),))


def pending_connection(connection: Resource, index: Index) -> Verdict:
    """Fail where a connection that is a resource of its own is pending approval."""
    status, seen = connection.require(STATE), connection.evidence(STATE, "Approved or Rejected")
    if same(status, "Pending"):
        return Fail((seen,))
    return Pass((seen,)) if any(same(status, each) for each in SETTLED) else unknown(unknown_value(STATE, status))


def foreign_connection(connection: Resource, index: Index) -> Verdict:
    """Fail where a connection that is a resource of its own is approved, and its endpoint in an external subscription."""
    status = connection.require(STATE)
    if any(same(status, each) for each in ("Pending", *SETTLED[1:])):
        return NotApplicable("it is not approved")
    target = connection.require(TARGET)
    if not same(status, "Approved") or not isinstance(target, str) or not target:
        return unknown(Unread(TARGET, "Azure did not return who connects, or returned an unrecognized state"))
    if in_own_tenant(connection, index, target):
        return Pass((connection.evidence(TARGET),))
    severity, message = rated(connection, index, [target], "private endpoint")
    return Fail((connection.evidence(TARGET, "an endpoint in your own tenant"),), message, severity)
