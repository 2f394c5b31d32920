"""What undoes a fix, as data: derived from the changes of the fix and the bodies that were read.

It is data, so that a test can apply a fix and then its undo to bodies. `inverse_of` returns a `Restore` for what was
edited, from the outermost object that the fix made; a `Deletion` for what was made; a `Creation` for what was deleted;
and `Lost` where the value before is not known: it was not kept, is masked, or looks like a secret.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from scanner.fix.set_commands import edits_of
from scanner.model.fix import ADD, REMOVE, Change, Deletion, Edit, Fix
from scanner.model.ids import normalized_id, type_of
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, is_absent, peek, same, spelled
from scanner.model.kept import MARK, NOT_KEPT
from scanner.model.masked_values import masked_value
from scanner.model.message import NOTHING
from scanner.model.resource import Resource
from scanner.model.verdict import Unread
from scanner.text.masks import MASK

COPY: Final = "/networksecurityperimeterconfigurations"
"""The end of types that show what a network security perimeter has: they follow it."""
FOLLOWS: Final = frozenset(
    (
        ("microsoft.network/virtualnetworks", "properties.flowlogs"),
        ("microsoft.recoveryservices/vaults", "properties.securitysettings.multiuserauthorization"),
        ("microsoft.web/staticsites", "properties.privateendpointconnections"),
    )
)
"""Properties of types, in lower case, that follow from another resource, which the fix makes or deletes."""
CONNECTIONS: Final = "privateendpointconnections"
"""The end of paths and types (lower case) of private endpoint connections."""
STATUS: Final = "properties.privateLinkServiceConnectionState.status"
WHOLE: Final[Mapping[str, frozenset[str]]] = {
    "firewallrules": frozenset(("startipaddress", "endipaddress")),
    "ipv6firewallrules": frozenset(("startipv6address", "endipv6address")),
}
"""All properties (lower case) that resources of a type have, by the last part of its name. Source: bicep-types-az."""
_SECRET: Final = re.compile(r"password|pwd|secret|token|credential|connectionstring|(?:access|shared|account)key", re.I)
_ANSWERS: Final = frozenset(("provisioningstate", "etag", "creationtime", "resourceguid"))
"""Properties (lower case) that Azure sets."""


class Creation(NamedTuple):
    """A resource that is created again, with the body that it had."""

    resource: str
    body: dict[str, Any]


class Lost(NamedTuple):
    """What a fix changes, whose value before it is not known. `path` "": the whole resource."""

    resource: str
    path: str = ""


class Restore(NamedTuple):
    """A property as it was before. `value` REMOVE: it was absent."""

    resource: str
    path: str
    value: Any
    after: Any = None
    """What the fix sets."""
    position: int = -1
    """The entry that is removed; -1: all of it."""
    only_added: bool = False
    """The fix changes entries of a list, and only sets what was absent there."""


Step = Restore | Creation | Deletion | Lost


def inverse_of(fix: Fix, top: Resource, index: Index) -> list[Step]:
    """Return what undoes the changes of a fix, the last one first."""
    effects = {
        repr(effect)
        for each in fix.closes
        if not each.words
        for effect in each.effect
        if normalized_id(effect.resource) != normalized_id(each.resource)
    }
    result: dict[tuple[str, str], Step] = {}
    for change in (*fix.changes, *_unsaid(fix)):
        type = type_of(change.resource).lower()
        if repr(change) in effects or type.endswith(COPY):
            continue
        if isinstance(change, Edit) and (type, change.path.lower()) in FOLLOWS:
            continue
        resource = _find(change.resource, top, index)
        step = _connection(change) or _before(change, resource, top)
        key = normalized_id(step.resource), getattr(step, "path", "").lower()
        result[key] = _joined(result[key], step) if key in result else step
    return list(reversed(result.values()))


def _joined(first: Step, second: Step) -> Step:
    """Return the step that undoes two changes of one property: what was before the first, of both."""
    if not (isinstance(first, Restore) and isinstance(second, Restore)):
        return first
    return first._replace(only_added=first.only_added and second.only_added)


def _connection(change: Change) -> Step | None:
    """Return what the state of a private endpoint connection was, of a change of the list that shows it."""
    if not isinstance(change, Edit) or not change.path.lower().endswith(CONNECTIONS) or change.entry in (None, ADD):
        return None
    id, name = peek(change.entry, "id"), peek(change.entry, "name")
    if not isinstance(id, str) or not id.startswith("/"):
        id = f"{change.resource}/privateEndpointConnections/{name}"
    for path in (STATUS, f"properties.{STATUS}"):
        status = peek(change.entry, path)
        if isinstance(status, str):
            return Restore(id, STATUS, status, "Rejected")
    return Lost(id, STATUS)


def _unsaid(fix: Fix) -> Iterator[Edit]:
    """Yield the properties that general commands of a fix set besides its changes."""
    known = [(each.resource.lower(), f"{each.path.lower()}.") for each in fix.changes if isinstance(each, Edit)]
    for edit in (each for command in fix.commands for each in edits_of(command)):
        id, path = edit.resource.lower(), f"{edit.path.lower()}."
        if not any(id == other and (path.startswith(each) or each.startswith(path)) for other, each in known):
            yield edit


def _find(id: str, top: Resource, index: Index) -> Resource | None:
    key = normalized_id(id)
    return top.bundle.resources.get(key) or index.resources.get(key)


def _before(change: Change, resource: Resource | None, top: Resource) -> Step:
    try:
        if isinstance(change, Deletion):
            return Lost(change.resource) if resource is None else _created(resource)
        if resource is None:
            is_known = type_of(change.resource).lower() in MADE and not _is_gap(change.resource, top)
            return Deletion(change.resource) if is_known else Lost(change.resource, change.path)
        return _restored(change, resource)
    except Unread:
        return Lost(change.resource, "" if isinstance(change, Deletion) else change.path)


MADE: Final = frozenset(
    (
        "microsoft.authorization/locks",
        "microsoft.authorization/policyassignments",
        "microsoft.authorization/roleassignments",
        "microsoft.insights/activitylogalerts",
        "microsoft.insights/diagnosticsettings",
        "microsoft.network/networkwatchers/flowlogs",
        "microsoft.security/securitycontacts",
        "microsoft.security/servervulnerabilityassessmentssettings",
    )
)
"""Types (lower case) that a fix makes. Others exist once for each resource, read or not."""


def _is_gap(id: str, top: Resource) -> bool:
    """Return whether the list of a resource was not read."""
    return Resource({"id": id}).list_key in top.bundle.gaps


def _restored(change: Edit, resource: Resource) -> Step:
    """Return what was at the path of an edit. Raise Unread where it is not known."""
    path, value = _outermost(change.path.split("[]", 1)[0], resource)
    if is_absent(value):
        if resource.has_no_properties or resource.api_version_unknown:
            return Lost(resource.id, change.path)
        return Restore(resource.id, path, REMOVE, change.value)
    if change.entry is ADD and isinstance(value, list) and "[]" not in change.path:
        return Restore(resource.id, path, REMOVE, change.value, len(value))
    if not is_printable(value):
        return Lost(resource.id, change.path)
    if change.entry is None:
        return Restore(resource.id, path, value, change.value)
    return Restore(resource.id, path, value, only_added=_holds(change.value, change.entry))


def _holds(value: Any, old: Any) -> bool:
    """Return whether a value has all that an old one had, so that only what was absent there is new."""
    if isinstance(value, dict) and isinstance(old, dict):
        return all(is_absent(each) or (name in value and _holds(value[name], each)) for name, each in old.items())
    return bool(value == old) if isinstance(old, list | dict) else same(value, old)


def _outermost(path: str, resource: Resource) -> tuple[str, Any]:
    """Return a path and its value; where an object on it is missing, the path of that one."""
    if '"' in path:
        raise Unread(path, NOTHING)
    steps = path.split(".")
    for depth in range(2, len(steps)):
        above = ".".join(steps[:depth])
        if is_absent(get_path(resource.body, above)):
            return above, MISSING
    return path, get_path(resource.body, path)


def is_printable(value: Any) -> bool:
    """Return whether a value was kept whole, and nothing of it is a secret. Raise Unread where a part was not kept."""
    return _is_whole(value) and MASK not in spelled(value) and masked_value(value) == value


def _is_whole(value: Any, name: str = "") -> bool:
    if isinstance(value, dict):
        return MARK not in value and all(_is_whole(each, key) for key, each in value.items())
    if isinstance(value, list):
        return all(_is_whole(each, name) for each in value)
    return not same(value, NOT_KEPT) and not (name and isinstance(value, str) and value and _SECRET.search(name))


def _created(resource: Resource) -> Step:
    """Return the creation of a resource that is deleted, as far as its body says all of it."""
    body = resource.body
    if not is_absent(get_path(body, "location")) or "/providers/" not in resource.id:
        return Lost(resource.id)  # tags, zones and identities of a top-level resource are not all kept
    properties = get_path(body, "properties")
    if not isinstance(properties, dict):
        return Lost(resource.id)
    kept = {name: each for name, each in dict.items(properties) if name.lower() not in _ANSWERS}
    all_of = WHOLE.get(type_of(resource.id).lower().rpartition("/")[2], frozenset())
    is_whole = all_of == {name.lower() for name in kept}
    if not is_printable(kept if is_whole else properties):
        return Lost(resource.id)
    return Creation(resource.id, {"properties": kept})
