"""Commands that set a property: the Azure CLI does not make the objects that its path leads through."""

import json
import shlex
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from scanner.fix.checked import unchecked
from scanner.fix.command_words import words_in
from scanner.fix.placeholders import filled, quoted, segments_of
from scanner.model.fix import Edit
from scanner.model.json_paths import is_absent
from scanner.model.resource import Resource
from scanner.model.verdict import Unread

_START = "az resource update --ids "
_REST = "az rest "
PATCHED = frozenset(
    (
        "microsoft.apimanagement/service",
        "microsoft.app/containerapps",
        "microsoft.app/jobs",
        "microsoft.app/sessionpools",
        "microsoft.botservice/botservices",
        "microsoft.dashboard/grafana",
        "microsoft.dbforpostgresql/servergroupsv2",
        "microsoft.documentdb/cassandraclusters",
        "microsoft.documentdb/mongoclusters",
        "microsoft.notificationhubs/namespaces",
        "microsoft.sql/managedinstances",
        "microsoft.sql/servers",
        "microsoft.synapse/workspaces",
        "oracle.database/autonomousdatabases",
    )
)
"""Types (lower case) with secrets that GET leaves out, and a PATCH that leaves out what does not change: `az resource
update` would write them back without their secrets."""


def with_parents(command: str, *known: Resource, before: Sequence[str] = ()) -> str:
    """Return a command that sets a property, from the first object on that a resource does not have.

    `--set properties.a.b=1` fails where `properties.a` is missing or null (knack, `set_properties`), so that it becomes
    `--set 'properties.a={"b": 1}'`. Every other command is returned as it is. `known`: where the property may be; what
    was read with these is known too. `before`: the commands that run first; only after others of this kind is it known
    which objects there are.
    """
    matches, earlier = _setting(command), [_setting(each) for each in before]
    if matches is None or None in earlier:
        return command
    id = matches[0]
    made = {each for one in earlier if one and one[0].lower() == id.lower() for each in _objects(*one[1:])}
    return _from_parents(*matches, known, made) or command


def patch_command(id: str, path: str, value: Any) -> str:
    """Return the command that sets a property below `properties`, and sends nothing else."""
    for step in reversed(path.split(".")[1:]):
        value = {step: value}
    return f"az resource patch --ids {quoted(id)} --properties {shlex.quote(json.dumps(value))}"


def subject_command(template: str, subject: Resource, top: Resource) -> str:
    """Return the command of a template `with_parents`; what the template sets is read once."""
    matches = _setting_of(template)
    if matches is None:
        command = filled(template, subject, top)
        return with_parents(command, subject, top) if command.startswith(_START) else command
    missing = _first_missing(matches, subject, top)
    if missing < 0:
        return filled(template, subject, top)
    name, below, path, value = matches
    id = (subject.id if name == "id" else top.id) + below
    return f"{_START}{quoted(id)} --set {_settings(path, value)[missing][1]}"


def _first_missing(matches: tuple[str, str, str, str], subject: Resource, top: Resource) -> int:
    """Return the place of the first missing object that the setting of a template leads through, from the outermost
    (0) on; -1 where none is missing.
    """
    name, below, path, value = matches
    settings = _settings(path, value)
    if not settings:
        return -1
    resource: Resource | None = subject
    if below or name != "id":
        resource = _member_at((subject.id if name == "id" else top.id) + below, (subject, top))
    if resource is None:
        return -1
    return next((position for position, (above, _) in enumerate(settings) if _is_missing(resource, above)), -1)


@lru_cache(maxsize=2048)
def _settings(path: str, value: str) -> tuple[tuple[str, str], ...]:
    """Return the objects that a path of a template leads through, the outermost first, each with the quoted setting
    that makes it.
    """
    steps = path.split(".") if "[" not in path else []
    return tuple(
        (above, _setting_from(above, steps[depth:], value))
        for depth in range(2, len(steps))
        for above in (".".join(steps[:depth]),)
    )


def _setting_from(above: str, steps: Sequence[str], value: str) -> str:
    """Return the quoted setting of a property below an object that is missing."""
    inner: Any = _read(value)
    for step in reversed(steps):
        inner = {step: inner}
    return shlex.quote(f"{above}={json.dumps(inner)}")


@lru_cache(maxsize=2048)
def _setting_of(template: str) -> tuple[str, str, str, str] | None:
    """Return of a template that sets one property: the placeholder of the id, what follows it, the path, the value."""
    segments = segments_of(template)
    if (
        segments is None
        or len(segments) != 2
        or segments[0] not in ((_START, "id"), (_START, "top_id"))
        or segments[1][1]
    ):
        return None
    matches = _setting(f"{_START}ID{segments[1][0]}")
    if matches is None or not matches[0].startswith("ID"):
        return None
    return segments[0][1], matches[0][2:], matches[1], matches[2]


def _from_parents(id: str, path: str, value: str, known: Sequence[Resource], made: Collection[str]) -> str:
    """Return the command that sets a property from the first missing object on; "" where none is missing.

    `made`: the paths (lower case) of objects that earlier commands make.
    """
    resource = _member_at(id, known)
    if resource is None or "[" in path:
        return ""
    steps = path.split(".")
    for depth in range(2, len(steps)):
        above = ".".join(steps[:depth])
        if above.lower() not in made and _is_missing(resource, above):
            return f"{_START}{quoted(id)} --set {_setting_from(above, steps[depth:], value)}"
    return ""


def _member_at(id: str, known: Sequence[Resource]) -> Resource | None:
    """Return the resource with an id: a known one, or one of its bundle."""
    lower = id.lower()
    for each in known:
        resource = each if each.id.lower() == lower else each.bundle.resources.get(lower)
        if resource is not None:
            return resource
    return None


def edits_of(command: str) -> Iterator[Edit]:
    """Yield the properties that a general command sets, with their values, or of whose lists it changes entries."""
    command = unchecked(command)
    if command.startswith(_REST):
        yield from _edits_of_request(words_in(command))
    if not command.startswith(_START):
        return
    id, *words = words_in(command)[4:]
    option = ""
    for position, word in enumerate(words):
        if word.startswith("--"):
            option = word
        elif option == "--set":
            path, _, value = word.partition("=")
            yield Edit(id, path.partition("[")[0], _read(value))
        elif option in ("--add", "--remove") and words[position - 1] == option:
            yield Edit(id, word.partition("[")[0])


def _edits_of_request(words: Sequence[str]) -> Iterator[Edit]:
    """Yield the properties that the body of a request has."""
    result = dict(pairwise(words))
    body = _read(result.get("--body", ""))
    properties = body.get("properties") if isinstance(body, dict) else None
    for name, value in properties.items() if isinstance(properties, dict) else ():
        yield Edit(result.get("--url", ""), f"properties.{name}", value)


def _setting(command: str) -> tuple[str, str, str] | None:
    """Return id, path and value of a command that sets one property; None of any other."""
    words = words_in(command) if command.startswith(_START) and " --set " in command else ()
    if len(words) != 7 or words[5] != "--set":
        return None
    path, _, value = words[6].partition("=")
    return words[4], path, value


def _objects(path: str, value: str) -> Iterator[str]:
    """Yield the paths (lower case) of the objects that there are once a property is set."""
    steps = path.lower().split(".")
    yield from (".".join(steps[:depth]) for depth in range(1, len(steps)))
    inner = _read(value)
    if isinstance(inner, dict):
        yield path.lower()
        for name, each in inner.items():
            yield from _objects(f"{path}.{name}", json.dumps(each))


def _is_missing(resource: Resource, path: str) -> bool:
    try:
        return is_absent(resource.get(path))
    except Unread:
        return False


def _read(value: str) -> Any:
    """Return a value as the Azure CLI reads it: JSON, or else a text."""
    try:
        return json.loads(value)
    except ValueError:
        return value
