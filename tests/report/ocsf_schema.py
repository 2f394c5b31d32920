"""Checks an event against the schema of OCSF: names, types, enumerations, what is required, constraints.

The schema stands in the package `pydantic-ocsf` as the OCSF project publishes it: classes and objects that extend each
other, attributes whose types are in a dictionary.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
_TYPES: dict[str, type | tuple[type, ...]] = {
    "integer_t": int,
    "long_t": int,
    "timestamp_t": int,
    "float_t": (int, float),
    "boolean_t": bool,
    "json_t": object,
}


@cache
def schema(version: str) -> Schema:
    """Return the schema of a version, such as `1.6.0`."""
    spec = find_spec("ocsf")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / "schemas" / f"v{version.replace('.', '_')}.json"
    result: Schema = json.loads(file.read_text())
    assert result["version"] == version
    return result


def faults(event: Schema, version: str, name: str = "compliance_finding") -> list[str]:
    """Return what is wrong with an event, [] where nothing is."""
    return list(_object(schema(version), "events", name, event, name))


def _attributes(of: Schema, kind: str, name: str) -> dict[str, Schema]:
    row = of[kind][name]
    result = dict(_attributes(of, kind, row["extends"])) if row.get("extends") else {}
    for each, attribute in row["attributes"].items():
        if each == "$include":
            continue
        own = {key: value for key, value in attribute.items() if value is not None or key == "profile"}
        merged = {**result.get(each, {}), **own}
        merged["enum"] = {**result.get(each, {}).get("enum", {}), **attribute.get("enum", {})}
        result[each] = merged
    return result


def _object(of: Schema, kind: str, name: str, value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at} is no object"
        return
    known = _attributes(of, kind, name) | (_CLOUD if kind == "events" else {})
    for each in value.keys() - known.keys():
        yield f"{at}.{each} is not in the schema"
    for each, attribute in known.items():
        if attribute.get("requirement") == "required" and each not in value:
            yield f"{at}.{each} is missing"
        if each in value:
            if "@deprecated" in attribute:
                yield f"{at}.{each} is deprecated"
            yield from _attribute(of, each, attribute, value[each], f"{at}.{each}")
    least = (of[kind][name].get("constraints") or {}).get("at_least_one")
    if least and not set(least) & value.keys():
        yield f"{at} has none of {least}"


_CLOUD = {"cloud": {"requirement": "required"}}
"""What the profile `cloud` adds to a class."""


def _attribute(of: Schema, name: str, attribute: Schema, value: Any, at: str) -> Iterator[str]:
    entry = of["dictionary"]["attributes"][name]
    if entry.get("is_array"):
        if not isinstance(value, list) or not value:
            yield f"{at} is no list, or an empty one"
            return
        values = value
    else:
        values = [value]
    enum = {**entry.get("enum", {}), **attribute.get("enum", {})}
    for each in values:
        if name == "unmapped" and isinstance(each, dict):
            continue  # The schema leaves its names to the source of an event.
        if entry["type"] in of["objects"] or entry.get("object_type"):
            yield from _object(of, "objects", entry.get("object_type") or entry["type"], each, at)
            continue
        wanted = _TYPES.get(entry["type"], str)
        if not isinstance(each, wanted) or (wanted is int and isinstance(each, bool)):
            yield f"{at} is {each!r}, and not of the type {entry['type']}"
        elif enum and name not in ("category_uid", "class_uid", "type_uid") and str(each) not in enum:
            yield f"{at} is {each!r}, and not one of {sorted(enum)}"
        elif entry["type"] == "hostname_t" and not re.fullmatch(r"[A-Za-z0-9.-]{1,253}", str(each)):
            yield f"{at} is no host name"
