"""Commands that set a property: the Azure CLI does not make the objects that its path leads through."""

import json
import shlex
from typing import Any

from scanner.model.json_paths import is_absent
from scanner.model.resource import Resource
from scanner.model.verdict import Unread

_START = "az resource update --ids "


def with_parents(command: str, *known: Resource) -> str:
    """Return a command that sets a property, from the first object on that a resource does not have.

    `--set properties.a.b=1` fails where `properties.a` is missing or null (knack, `set_properties`), so that it becomes
    `--set 'properties.a={"b": 1}'`. Every other command is returned as it is. `known`: where the property may be.
    """
    words = shlex.split(command) if command.startswith(_START) and " --set " in command else []
    if len(words) != 7 or words[5] != "--set":
        return command
    path, _, value = words[6].partition("=")
    resource = next((each for each in known if each.id.lower() == words[4].lower()), None)
    if resource is None or "[" in path:
        return command
    steps = path.split(".")
    for depth in range(2, len(steps)):
        if _is_missing(resource, ".".join(steps[:depth])):
            made: Any = _read(value)
            for step in reversed(steps[depth:]):
                made = {step: made}
            setting = f"{'.'.join(steps[:depth])}={json.dumps(made)}"
            return f"{_START}{shlex.quote(words[4])} --set {shlex.quote(setting)}"
    return command


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
