"""Writes `bicep_paths.json`: what the schema of each type has of the properties that fixes write in Bicep.

    .venv/bin/python -m tests.rules.bicep_paths SCHEMA

SCHEMA is a file of JSON lines, made of bicep-types-az: `type`, `api` and `paths` (by path: `v` the values, `open`
whether others are allowed, `ro` read-only). A path that the schema does not have is left out, so that `test_bicep.py`
fails.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.rules.simulate import everything, fix_of
from tests.rules.test_bicep import Reader

FILE = Path(__file__).parent / "bicep_paths.json"
BLOCK = re.compile(r"^resource \w+ '([^'@]+)@([^']+)' = (\{\n.*?^\})$", re.MULTILINE | re.DOTALL)
COMMON = ("name", "parent", "location", "tags", "identity", "sku", "kind", "zones")
"""Members of every resource, which the list of properties does not have."""

BY_HAND: dict[tuple[str, str], dict[str, Any]] = {
    ("microsoft.alertsmanagement/actionrules", "2021-08-08"): {"properties": {}, "properties.enabled": {}},
    ("microsoft.compute/galleries/images/versions", "2025-12-03"): {
        "properties": {},
        "properties.publishingProfile": {},
        "properties.publishingProfile.targetRegions": {},
        "properties.publishingProfile.targetRegions[].name": {},
    },
}
"""Types that the file of the schema lacks (azure-rest-api-specs, AlertProcessingRule and GalleryImageVersion)."""


def written(bicep: str) -> Iterator[tuple[str, str, str, Any]]:
    """Yield type, api-version, path and value of what a piece of Bicep writes."""
    for type, api, body in BLOCK.findall(bicep):
        members = re.sub(r"^  parent: \w+\n", "", body, flags=re.MULTILINE)
        for path, value in leaves(Reader(members).value()):
            if path.partition(".")[0] not in COMMON:
                yield type.lower(), api, path, value


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every path of a value, those of objects and lists too."""
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for each in value:
            if isinstance(each, dict):
                for key, inner in each.items():
                    yield from leaves(inner, f"{path}[].{key}")


def all_written() -> dict[tuple[str, str, str], set[str]]:
    """Return what the Bicep of every failing example writes: type, version and path, with its texts."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for bicep in {fix_of(each).bicep for each in everything()} - {""}:
        for type, api, path, value in written(bicep):
            texts = {str(value)} if isinstance(value, str | bool) else set()
            found.setdefault((type, api, path.lower()), set()).update(texts)
    return found


def fact(paths: dict[str, Any], path: str) -> dict[str, Any] | None:
    """Return what a schema has of a path; None where it has none. A map has any name."""
    lower = {key.lower(): value for key, value in paths.items()}
    steps, known = path.split("."), ""
    found: dict[str, Any] | None = {}
    for step in steps:
        place = f"{known}.{step.removesuffix('[]')}".lstrip(".")
        if place not in lower:
            place = f"{known}.*"
        found = lower.get(place)
        if found is None:
            return {} if known and lower.get(known, lower.get(known.removesuffix("[]"), {})).get("t") == "Any" else None
        if found.get("ro"):
            return {"ro": 1}
        known = place + ("[]" if step.endswith("[]") else "")
    assert found is not None
    return {"v": found["v"]} if found.get("v") and not found.get("open") else {}


def main(schema: str) -> int:
    rows = [json.loads(line) for line in Path(schema).read_text("utf-8").splitlines()]
    schemas = {(row["type"], row["api"]): row["paths"] for row in rows} | BY_HAND
    facts: dict[str, dict[str, Any]] = {}
    for type, api, path in sorted(all_written()):
        paths = schemas.get((type, api))
        found = None if paths is None else fact(paths, path)
        if found is not None:
            facts.setdefault(f"{type}@{api}", {})[path] = found
    FILE.write_text(json.dumps(facts, indent=0).replace("{\n\n}", "{}") + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
