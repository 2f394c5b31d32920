"""The paths that a pinned api-version returns: `paths.toml` beside the rules.

["Microsoft.Storage/storageAccounts"]   a type, or a read below it by its path ("Microsoft.Web/sites/config/web")
api = "2025-08-01"                      the api-version that it is read with
source = "..."                          the page or model that lists these paths for this version
paths = ["properties.x", "properties.list[].y"]
[".../newer"]                           path = source, of paths that the source does not list
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scanner.errors import InputError
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import Rule
from scanner.model.rule_row import FunctionCheck
from scanner.text.toml import text_of, toml_tables

ENVELOPE = frozenset(("id", "name", "type", "location", "tags", "managedBy", "properties"))
"""What every ARM resource may have (azure-mgmt-resource GenericResource)."""

Pins = dict[str, dict[str, Any]]


def read_pins(path: Path) -> Pins:
    """Return the pinned paths by type or read; {} where there is no file. Raise InputError for a bad file."""
    if not path.is_file():
        return {}
    try:
        result = toml_tables(text_of(path))
    except (OSError, ValueError) as error:
        raise InputError(f"the pinned paths were not loaded: {error}", at=str(path), do="fix it") from None
    for name, entry in result.items():
        lacking = [key for key in ("api", "source", "paths") if not isinstance(entry, dict) or not entry.get(key)]
        if lacking:
            raise InputError(
                f'"{name}" has no {" and no ".join(lacking)}', at=str(path), do="give each type api, source and paths"
            )
    return result


def row_paths(rule: Rule) -> Iterator[tuple[str, str, str]]:
    """Yield type or read, api-version and path of each property that a row reads."""
    for read, path in row_reads(rule):
        for type in read.tops if isinstance(read, Read) else read.types:
            yield pinned_name(type, read), read.api, path


def row_reads(rule: Rule) -> Iterator[tuple[ResourceType | Read, str]]:
    """Yield the type or read, and the path, of each property that a row reads."""
    row, single = rule.row, next((read for read in rule.reads if read.one), None)
    if row is None or row.check is None or isinstance(row.check, FunctionCheck):
        return
    read = [(row.check.of, path) for path in row.check.paths]
    for of, path in (*read, *((each.of, each.path) for each in row.unless if each.path)):
        yield (single if of else None) or rule.subject or rule.resource_type, path


def pinned_name(type: str, read: ResourceType | Read) -> str:
    """Return the name under which the paths of a type, or of a read below it, are pinned: an extension has its own."""
    return read.type if isinstance(read, Read) and read.is_extension else type + path_below(read)


def path_below(read: ResourceType | Read | None) -> str:
    """Return the path of a read below its resource type: `/config/web`."""
    return f"{path_below(read.parent)}/{read.path}" if isinstance(read, Read) else ""


def not_returned(rule: Rule, pins: Pins) -> list[str]:
    """Return what is wrong with the paths of a row, by the types and reads whose paths are pinned."""
    faults = []
    for name, api, path in row_paths(rule):
        entry = pins.get(name)
        if entry is None or path in ENVELOPE or path.startswith("tags."):
            continue
        if entry["api"] != api:
            faults.append(f"paths.toml pins {name} at {entry['api']}, the rule reads {api}")
        elif not any(pattern(each).fullmatch(path) for each in (*entry["paths"], *entry.get("newer", ()))):
            faults.append(f"{path} is not returned by {name} at {api} (paths.toml)")
    return list(dict.fromkeys(faults))


def pattern(path: str) -> re.Pattern[str]:
    """Return what a listed path stands for: itself, and the objects and lists on the way to it. `**` is all below."""
    steps = re.split(r"(\.|\[\])", path)
    text = ""
    for position in range(len(steps) - 1, -1, -1):
        expression = {"*": "[^.]+", "**": ".+"}.get(steps[position]) or re.escape(steps[position])
        text = f"{expression}(?:{text})?" if text else expression
    return re.compile(text.replace("[^.]+", r"(?:\*|[^.]+?)"))
