"""The pinned paths, and what the rules look at in all examples.

What rules read follows from the rows, and from the examples for Python code. That Azure returns it is shown by
`sdk_paths.toml`, which `make paths` writes from the models of the SDKs. What no model has is listed by hand, in
`paths.toml` or beside the examples of a service as [paths."TYPE"]:

["Microsoft.Storage/storageAccounts"]       a type, or a read below it by its path ("Microsoft.Web/sites/config/web")
api = "2025-08-01"                          the api-version that it is read with. Without it `source` names it, and
                                            counts for all paths: none has to be among the recordings
source = "..."                              what was read to know that this version returns these paths
paths = ["properties.x", "properties.list[].y"]
below.PATH = ["properties.z"]               the paths of a read below it, with the same source
no_sdk = "..."                              why no SDK has an operation for it or what is below it, where none has
[".../newer"]                               path = source, of paths that are newer than all recordings
[".../shared"]                              path = why code looks at it, although this read does not return it
"""

import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from scanner.collect.collector import INDEX_APIS
from scanner.model.index import INDEX_TYPES, MANAGER_TYPES
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.rulebook import pinned_paths
from scanner.rulebook.pinned_paths import ENVELOPE, pattern
from tests.rules import examples
from tests.rules.traced import Log, plain, traced

SDK_PATHS = Path(__file__).parent / "sdk_paths.toml"
NESTED = "properties.privateEndpointConnections[]."


@lru_cache
def by_hand() -> dict[str, dict[str, Any]]:
    """Return what is listed by hand, by type or read."""
    found = examples.by_type("paths")
    whole = {read: {**found.get(entry.get("like", ""), {}), **entry} for read, entry in found.items()}
    for read, entry in list(whole.items()):
        for path, paths in entry.get("below", {}).items():
            whole[f"{read}/{path}"] = {"source": entry["source"], "paths": paths}
    return {read: entry if "api" in entry else _as_newer(entry) for read, entry in whole.items()}


def _as_newer(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "newer": dict.fromkeys(entry["paths"], entry["source"])}


@lru_cache
def of_sdks() -> dict[str, dict[str, Any]]:
    """Return what the models of the SDKs have, by type or read."""
    return tomllib.loads(SDK_PATHS.read_text("utf-8")) if SDK_PATHS.exists() else {}


@lru_cache
def pinned() -> dict[str, dict[str, Any]]:
    """Return all pinned paths, by type or read, with those of rows. What only an SDK shows counts as newer."""
    hand, sdk, rows = by_hand(), of_sdks(), row_paths()
    only_sdk = {read: _as_newer(entry) for read, entry in sdk.items() if read not in hand}
    return {
        read: {**entry, "paths": sorted({*entry["paths"], *rows.get(read, ())})}
        for read, entry in {**hand, **only_sdk}.items()
    }


@lru_cache
def read_paths() -> dict[str, dict[str, str]]:
    """Return what rows and Python code read, by type or read: the paths, with where."""
    found = {read: dict.fromkeys(paths, "a row") for read, paths in row_paths().items()}
    for read, seen in looked_at().items():
        found[read] = {**seen, **found.get(read, {})}
    return found


@lru_cache
def row_paths() -> dict[str, set[str]]:
    """Return the paths that rows look at, by type or read."""
    found: dict[str, set[str]] = defaultdict(set)
    for rule in examples.all_rules():
        for read, _, path in pinned_paths.row_paths(rule):
            found[read].add(path)
    return {read: paths - ENVELOPE for read, paths in found.items()}


@dataclass(frozen=True, slots=True)
class Pin:
    """A type, or a read below it; `pattern` matches the ids (lower case) that come from it."""

    name: str
    api: str
    pattern: re.Pattern[str]


@lru_cache
def pins() -> tuple[Pin, ...]:
    """Every type and read of the rule files, then the types of the index that no rule file reads."""
    found = [_pin(type, kind, kind.api) for kind in examples.rules().kinds for type in kind.types]
    found += [
        _pin(type, child, child.api)
        for kind in examples.rules().kinds
        for child in kind.children
        for type in kind.types
    ]
    known = {pin.name.lower() for pin in found}
    found += [
        Pin(type, INDEX_APIS.get(type.lower(), ""), re.compile(_type_pattern(type)))
        for type in (*INDEX_TYPES, *MANAGER_TYPES)
        if type.lower() not in known
    ]
    return tuple(found)


def _pin(type: str, read: ResourceType | Read, api: str) -> Pin:
    if isinstance(read, Read) and read.is_extension:
        return Pin(read.type, api, re.compile(_type_pattern(read.type)))
    return Pin(type + _below(read)[0], api, re.compile(_type_pattern(type) + _below(read)[1]))


def _type_pattern(type: str) -> str:
    namespace, *types = type.lower().split("/")
    return ".*/providers/" + "/".join([re.escape(namespace), *(f"{re.escape(each)}/[^/]+" for each in types)])


def _below(read: ResourceType | Read) -> tuple[str, str]:
    if isinstance(read, ResourceType):
        return "", ""
    path, pattern = _below(read.parent)
    own = re.escape(f"/{read.path.lower()}")
    return f"{path}/{read.path}", pattern + (own if read.one else f"{own}/[^/]+")


def read_of(resource: Resource) -> str:
    """The name of the type or read that a resource comes from; its type where nothing reads it.

    Of a list and of a read of one resource in it, the latter.
    """
    return _read_of(resource.key) or resource.type


@cache
def _read_of(key: str) -> str:
    found = [pin for pin in pins() if pin.pattern.fullmatch(key)]
    return min(found, key=lambda pin: pin.pattern.pattern.count("[^/]+")).name if found else ""


@lru_cache
def looked_at() -> dict[str, dict[str, str]]:
    """What the rules look at over all examples: by type or read, the paths with an example that shows it."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for case in examples.cases():
        bundle, run = examples.bundle(case), examples.evaluation(case)
        logs: list[tuple[Resource, Log]] = []
        made = Bundle(bundle.id, reads=bundle.reads, skips=bundle.skips, gaps=bundle.gaps)
        for each in bundle.resources.values():
            logs.append((each, set()))
            body = traced(each.body, logs[-1][1])
            made.add(Resource(body, api=each.api, by=each.by, bundle=made))
        for each in run.index.resources.values():
            logs.append((each, set()))
            each.body = traced(each.body, logs[-1][1])
        run.evaluate(made)
        for each, log in logs:
            paths = plain(log)
            of_read = found[read_of(each)] if paths else {}
            for path in paths:
                of_read.setdefault(path, case.id)
    return found


@lru_cache
def _listed(read: str) -> tuple[re.Pattern[str], ...]:
    entry = by_hand().get(read, {})
    return tuple(pattern(path) for part in ("paths", "newer", "shared") for path in entry.get(part, ()))


def listed(read: str, path: str) -> bool:
    """Whether a path is listed by hand, or is of every ARM resource. All members of a listed object are listed too."""
    path = path.removesuffix(".*")
    return path.removeprefix(NESTED) in ENVELOPE or any(each.fullmatch(path) for each in _listed(read))


def known(read: str, path: str) -> bool:
    """Whether the rules may look at that path of what a read returns. A value that a message shows whole is no more."""
    path = path.removesuffix(".**")
    return listed(read, path) or path in of_sdks().get(read, {}).get("paths", ())
