"""Checks of private endpoint connections: those that wait for approval, and approved ones of external subscriptions."""

from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, same
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, unknown
from scanner.reach.sources import in_own_tenant

PATH = "properties.privateEndpointConnections"
STATE = "properties.privateLinkServiceConnectionState.status"
TARGET = "properties.privateEndpoint.id"
SETTLED = ("Approved", "Rejected", "Disconnected")
"""The states of a private endpoint connection besides Pending: private-link/manage-private-endpoint."""


def hidden(resource: Resource) -> bool:
    """Return whether the record may leave the connections out."""
    return resource.api_version_unknown and resource.get(PATH) in (MISSING, None)


def pending(resource: Resource, index: Index) -> Verdict:
    """Fail where a private endpoint connection waits for approval."""
    if hidden(resource):
        return unknown(Unread(PATH, "absent in a record whose api-version is not known"))
    connections = resource.items(PATH)
    if not connections:
        return NotApplicable("it has no private endpoint connection")
    waiting = [each for each in connections if same(get_path(each, STATE), "Pending")]
    if waiting:
        names = [str(get_path(each, "id") or get_path(each, "name")) for each in waiting]
        return Fail((Evidence(f"{PATH}[].{STATE}", names, "no connection that is Pending"),))
    if any(not any(same(get_path(each, STATE), known) for known in SETTLED) for each in connections):
        return unknown(Unread(f"{PATH}[].{STATE}", "the answer did not hold it, or its value is not known"))
    return Pass((Evidence(f"{PATH}[].{STATE}", [get_path(each, STATE) for each in connections]),))


def foreign(resource: Resource, index: Index) -> Verdict:
    """Fail where an approved private endpoint belongs to a subscription of another organisation."""
    if hidden(resource):
        return unknown(Unread(PATH, "absent in a record whose api-version is not known"))
    rows = [(get_path(each, STATE), get_path(each, TARGET)) for each in resource.items(PATH)]
    approved = [target for status, target in rows if same(status, "Approved")]
    others = [each for each in approved if isinstance(each, str) and each and not in_own_tenant(resource, index, each)]
    if others:
        return Fail((Evidence(f"{PATH}[].{TARGET}", others, "endpoints of the own tenant"),))
    unclear = [status for status, _ in rows if not any(same(status, each) for each in (*SETTLED, "Pending"))]
    if unclear or not all(isinstance(each, str) and each for each in approved):
        return unknown(Unread(PATH, "the answer did not hold who connects, or the state is not known"))
    if not approved:
        return NotApplicable("no private endpoint is approved")
    return Pass((Evidence(f"{PATH}[].{TARGET}", approved),))
