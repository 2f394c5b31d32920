"""The fix as Bicep: the properties that its changes set, written from the same overlay as the proof of the fix.

A block holds the final value of what it sets, not a patch: "Properties that aren't included in the template are reset
to the default values" (Microsoft Learn, azure-resource-manager/templates/deployment-modes), so it says where it goes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from scanner.model.fix import ADD, REMOVE, Edit, Fix, changed
from scanner.model.ids import type_of
from scanner.model.json_paths import MISSING, get_path, is_absent, same
from scanner.model.kept import NOT_KEPT
from scanner.model.resource import Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.verdict import Unread

NOTE: Final = """\
// Set these properties in the template that deploys the resource. Do not deploy this block alone:
// a deployment resets the properties that a template leaves out to their defaults.
"""
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset(("true", "false", "null"))
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "$": "\\$"}
_ESCAPED = re.compile(r"[\\'$]")
_SCALARS = frozenset((str, bool, int, type(None)))
_STATES = frozenset(("powerState", "provisioningState", "state"))
"""Properties that Azure reports, and a deployment does not set."""
READ_ONLY = frozenset(
    (
        ("microsoft.authorization/policyassignments", "properties.scope"),
        ("microsoft.compute/disks", "properties.diskstate"),
        ("microsoft.compute/snapshots", "properties.diskstate"),
        ("microsoft.network/virtualnetworks", "properties.flowlogs"),
        ("microsoft.recoveryservices/vaults", "properties.securitysettings.multiuserauthorization"),
        ("microsoft.web/staticsites", "properties.privateendpointconnections"),
    )
)
"""Properties of types, in lower case, that follow from what a fix sets, and that a deployment cannot set."""
COPY = "/networksecurityperimeterconfigurations"
"""The end of types that show what a network security perimeter has, and that a deployment cannot set."""
UNDECLARED = frozenset(
    (
        ("microsoft.documentdb/cassandraclusters", "properties.backupschedules"),
        ("microsoft.elasticsan/elasticsans/volumegroups", "properties.deleteretentionpolicy"),
        ("microsoft.eventgrid/partnernamespaces", "properties.dataresidencyboundary"),
        ("microsoft.eventhub/namespaces", "properties.geodatareplication"),
        ("microsoft.servicebus/namespaces", "properties.geodatareplication"),
    )
)
"""Properties of types, in lower case, that the pinned api-version does not declare: no template at it sets them."""


NEEDED: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "microsoft.app/jobs": {"properties.configuration": ("replicaTimeout", "triggerType")},
    "microsoft.batch/batchaccounts": {"properties.autoStorage": ("storageAccountId",)},
    "microsoft.devices/iothubs": {"properties.networkRuleSets": ("applyToBuiltInEventHubEndpoint", "ipRules")},
    "microsoft.documentdb/databaseaccounts": {"properties.backupPolicy": ("type",)},
    "microsoft.insights/privatelinkscopes": {
        "properties.accessModeSettings": ("ingestionAccessMode", "queryAccessMode")
    },
    "microsoft.network/applicationgateways": {
        "properties.webApplicationFirewallConfiguration": ("enabled", "firewallMode", "ruleSetType", "ruleSetVersion")
    },
    "microsoft.storage/storageaccounts": {"properties.networkAcls": ("defaultAction",)},
}
"""Members without which Azure refuses an object that fixes change in part (Azure/bicep-types-az marks them as
required), by type in lower case: they are written as they are."""


class Version(NamedTuple):
    """The name of an ARM type, its pinned api-version, and whether its bodies are kept whole."""

    type: str
    api: str
    is_whole: bool


Versions = Mapping[str, Version]


def versions_of(kinds: Iterable[ResourceType]) -> Versions:
    """Return the pinned api-version of each type and of what is read below it, by type in lower case."""
    known = tuple(kinds)
    return _versions(known, sum(len(kind.children) for kind in known))


@lru_cache(maxsize=4)
def _versions(kinds: tuple[ResourceType, ...], children: int) -> Versions:
    """Return the same. `children`: the number of reads, so that one that is added later is not left out."""
    result: dict[str, Version] = {}
    for kind in kinds:
        # What a join asks for, such as a version of a key, is nothing that a template deploys.
        typed: list[ResourceType | Read] = [kind, *(each for each in kind.children if not each.joined)]
        for each in typed:
            for type in each.types:
                result.setdefault(type.lower(), Version(type, each.api, not each.keep))
    return result


def bicep_of(fix: Fix, top: Resource, versions: Versions) -> str:
    """Return the changes of a fix as Bicep; "" where a template cannot say them.

    `top`: the resource whose bodies are known. A deletion, a removed property, and a list whose other entries are not
    known cannot be said.
    """
    effects: set[str] = set()
    for cause in fix.closes:
        if cause.words:
            return ""
        effects.update(map(repr, cause.effect))
    edits: dict[str, list[Edit]] = {}
    for step in fix.changes:
        if effects and repr(step) in effects:
            continue
        if not isinstance(step, Edit):
            return ""
        if type_of(step.resource).lower().endswith(COPY):
            continue
        edits.setdefault(step.resource.lower(), []).append(step)
    known = top.bundle.resources
    blocks = [
        _block(position, matches, known.get(id), versions) for position, (id, matches) in enumerate(edits.items())
    ]
    return NOTE + "\n".join(blocks) if blocks and all(blocks) else ""


def _block(position: int, edits: list[Edit], resource: Resource | None, versions: Versions) -> str:
    """Return the block of one resource, its parents before it; "" where it cannot be said."""
    id = edits[0].resource
    version = versions.get(type_of(id).lower())
    if version is None or id.lower().count("/providers/") != 1:
        return ""
    type = version.type.lower()
    edits = [each for each in edits if (type, each.path.lower()) not in READ_ONLY]
    if not edits or any((type, ".".join(each.path.lower().split(".")[:2])) in UNDECLARED for each in edits):
        return ""
    beside = _members_needed(type, edits, resource)
    if beside is None:
        return ""
    items = _items_of([*edits, *beside], resource.body if resource is not None and version.is_whole else None)
    if items is None:
        return ""
    names = id.split("/providers/")[-1].split("/")[2::2]
    if len(names) == 1:
        symbol = _symbol("target", position, 0)
        type = version.type if version.type.count("/") == 1 else "/".join(version.type.split("/")[:2])
        api = versions.get(type.lower(), version).api
        return f"resource {symbol} '{type}@{api}' = {{\n  name: {_string(names[0])}\n{items}}}\n"
    steps = version.type.split("/")
    lines: list[str] = []
    for depth, name in enumerate(names):
        type = "/".join(steps[: depth + 2])
        is_last = depth == len(names) - 1
        symbol = _symbol("target", position, 0) if is_last else _symbol("parent", position, depth)
        parent = f"  parent: {_symbol('parent', position, depth - 1)}\n" if depth else ""
        inner = f"{parent}  name: {_string(name)}\n{items if is_last else ''}"
        api = versions.get(type.lower(), version).api
        lines.append(f"resource {symbol} '{type}@{api}' {'' if is_last else 'existing '}= {{\n{inner}}}\n")
    return "".join(lines)


def _lacking(type: str, edits: Sequence[Edit]) -> Iterator[str]:
    """Yield the paths that objects need, beside those that edits set."""
    paths = {each.path.lower() for each in edits}
    for above, names in NEEDED.get(type, {}).items():
        if any(each.startswith(f"{above.lower()}.") for each in paths):
            yield from (f"{above}.{each}" for each in names if f"{above}.{each}".lower() not in paths)


def _members_needed(type: str, edits: Sequence[Edit], resource: Resource | None) -> list[Edit] | None:
    """Return what a resource has of the members that the objects of edits need; None where it is not known."""
    result: list[Edit] = []
    for path in _lacking(type, edits):
        try:
            value = get_path(resource.body, path) if resource is not None else MISSING
            is_known = not isinstance(value, dict) and not is_absent(value) and _is_known(value)
        except Unread:
            return None
        if not is_known:
            return None
        result.append(Edit("", path, value))
    return result


def _symbol(word: str, position: int, depth: int) -> str:
    """Return a symbolic name that is unique in the file."""
    return word + (f"_{position + 1}" if position else "") + (f"_below_{depth}" if depth else "")


Scalars = tuple[tuple[str, type, Any], ...]
"""Paths and values, with the type of each value: True and 1 are equal."""


def _items_of(edits: list[Edit], body: Any) -> str | None:
    """Return the properties that edits change, as the lines of a block; None where one is not known.

    Edits that set texts, numbers and switches give the same lines whatever the body has, and are written once.
    """
    if (body is None or type(body) is dict) and _is_of_scalars(edits):
        return _items_of_scalars(tuple([(path, type(value), value) for _, path, value, _ in edits]))
    written = properties(edits, body)
    return None if written is None else _items(written)


def _is_of_scalars(edits: Iterable[Edit]) -> bool:
    """Return whether edits set texts, numbers and switches, so that their lines do not depend on the body."""
    return all(each.entry is None and "[]" not in each.path and type(each.value) in _SCALARS for each in edits)


@lru_cache(maxsize=4096)
def _items_of_scalars(matches: Scalars) -> str | None:
    written = properties([Edit("", path, value) for path, _, value in matches], None)
    return None if written is None else _items(written)


def _items(written: dict[str, Any]) -> str:
    return "".join(f"  {_key(key)}: {text(each, '  ')}\n" for key, each in written.items())


def properties(edits: list[Edit], body: Any) -> dict[str, Any] | None:
    """Return the properties that edits change, with their final values; None where one is not known.

    A list is written whole, because a deployment replaces it. A snapshot may have kept only parts of its entries.
    """
    try:
        return _properties(edits, body)
    except Unread:
        return None


def _properties(edits: list[Edit], body: Any) -> dict[str, Any] | None:
    after = body
    for each in edits:
        if each.entry is not None or "[]" in each.path:
            before = get_path(after, _whole(each.path))
            if body is None or not (isinstance(before, list) or each.entry is ADD) or not _is_known(before):
                return None
        after = changed(after, each)
    result: dict[str, Any] = {}
    for each in edits:
        path = _whole(each.path)
        value = get_path(after, path)
        if value is MISSING or value is REMOVE or not _is_known(value) or path.rpartition(".")[2] in _STATES:
            return None
        result = changed(result, Edit("", path, value))
    return result


def _is_known(value: Any) -> bool:
    """Return whether every value below this one was kept. Raise Unread where a member was not."""
    if isinstance(value, dict):
        return all(_is_known(each) for each in value.values())
    if isinstance(value, list):
        return all(_is_known(each) for each in value)
    return not same(value, NOT_KEPT)


def _whole(path: str) -> str:
    """Return the path of the outermost list on a path, or the path."""
    return path.split("[]", 1)[0]


def text(value: Any, indent: str = "") -> str:
    """Return a JSON value as a Bicep expression. Bicep has no decimal numbers: those go through `json()`."""
    deeper = indent + "  "
    match value:
        case str():
            return _string(value)
        case dict():
            items = [f"{deeper}{_key(key)}: {text(each, deeper)}\n" for key, each in value.items()]
            return "{\n" + "".join(items) + indent + "}" if items else "{}"
        case list() | tuple():
            items = [f"{deeper}{text(each, deeper)}\n" for each in value]
            return "[\n" + "".join(items) + indent + "]" if items else "[]"
        case float():
            return f"json('{value!r}')"
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) and name not in _WORDS else _string(name)


@lru_cache(maxsize=1024)
def _string(value: str) -> str:
    if value.isprintable() and not _ESCAPED.search(value):
        return f"'{value}'"
    return "'" + "".join(_character(each) for each in value) + "'"


def _character(char: str) -> str:
    """Return a character as it stands in a Bicep string; those that are invisible or change the direction as codes."""
    return _ESCAPES.get(char) or (char if char.isprintable() else f"\\u{{{ord(char):x}}}")
