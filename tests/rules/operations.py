"""`python -m tests.rules.operations GO_SDK COMMON_IDS`: lists the writes of the types that fixes write.

The source is the folder `resource-manager` of hashicorp/go-azure-sdk, which is made of Azure's REST specifications: a
package a version and a resource, with a file a method and a model. COMMON_IDS: `commonids` of go-azure-helpers.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

from scanner.model.ids import type_of

FILE: Path = Path(__file__).parent / "operations.json"
_ID = re.compile(r'^\s*fmtString := "(/[^"]*/providers/[^"]*)"', re.M)
_NAME = re.compile(r"^func \(id (\w+)\) ID\(\)", re.M)
_METHOD = re.compile(r"id ([\w.]+), input (\*?[\w.\[\]]+)[,)]")
_SENT = re.compile(r"HttpMethod:\s*http\.Method(Put|Patch),\s*\n\s*(?:OptionsObject:[^\n]*\n\s*)?Path:\s*(.*?),\n")
_TAIL = re.compile(r'Sprintf\("%s/([\w/]+)"')
_FIELD = re.compile(r'^\s+\w+\s+(\S+)\s+`json:"(\w+)')
_DEPTH = 6


def written(folder: Path, common: Path, types: dict[str, set[str]]) -> str:
    """Return the text of the file: of each type (lower case) the version that was read, whether it has a PUT, and which
    of the wanted paths its PATCH takes.
    """
    result: dict[str, dict[str, object]] = defaultdict(dict)
    shared = {f"commonids.{name}": type for name, type in _ids(common)}
    for package in sorted({each.parent for each in folder.rglob("method_*.go")}, key=lambda each: each.parts[-2]):
        ids = {**shared, **dict(_ids(package))}
        models = _models(package)
        for method in sorted(package.glob("method_*.go")):
            text = method.read_text("utf-8")
            for verb, path in _SENT.findall(text):
                named = _METHOD.search(text)
                type = ids.get(named[1], "") if named else ""
                tail = _TAIL.search(path)
                type = "/".join((type, *tail[1].lower().split("/")[::2])) if tail else type
                if named and type in types:
                    known = result[type]
                    known["version"] = package.parts[-2]
                    taken = _paths(named[2], models, _DEPTH) & types[type]
                    known[verb.lower()] = sorted(taken) if verb == "Patch" else []
    return json.dumps(dict(sorted(result.items())), indent=0, sort_keys=True) + "\n"


def _ids(package: Path) -> list[tuple[str, str]]:
    result = []
    for each in package.glob("*.go"):
        text = each.read_text("utf-8")
        name, form = _NAME.search(text), _ID.search(text)
        if name and form:
            result.append((name[1], type_of(form[1].replace("%s", "x")).lower()))
    return result


def _models(package: Path) -> dict[str, list[tuple[str, str]]]:
    """Return the members of the models of a package, each with its type and its name in JSON."""
    result: dict[str, list[tuple[str, str]]] = {}
    for each in package.glob("model_*.go"):
        lines = each.read_text("utf-8").splitlines()
        name = ""
        for line in lines:
            start = re.match(r"type (\w+) struct", line)
            name = start[1] if start else "" if line == "}" else name
            field = _FIELD.match(line)
            if name and field:
                result.setdefault(name, []).append((field[1], field[2]))
    return result


def _paths(type: str, models: dict[str, list[tuple[str, str]]], depth: int) -> set[str]:
    """Return the dotted paths of a model; those of a list as of its entries."""
    result: set[str] = set()
    for inner, name in models.get(re.sub(r"[*\[\]]", "", type), ()) if depth else ():
        below = _paths(inner, models, depth - 1)
        result |= {name.lower(), *(f"{name.lower()}.{each}" for each in below)}
    return result


if __name__ == "__main__":
    from tests.rules.test_operations import types

    FILE.write_text(written(Path(sys.argv[1]), Path(sys.argv[2]), types()), "utf-8")
