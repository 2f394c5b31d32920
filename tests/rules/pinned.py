"""The paths that rules read, and where it says that Azure returns them.

What rules read follows from the rows, and from the examples for Python code. That Azure returns it at the api-version
that a scan reads is shown by `schema_paths.toml`, which `make paths` writes from Azure's schema. What the schema does
not have is listed by hand, in `paths.toml` or beside the examples of a service as [paths."TYPE"]:

["Microsoft.Storage/storageAccounts"]       a type, or a read below it by its path ("Microsoft.Web/sites/config/web")
source = "..."                              what was read to know that this version returns these paths; names it
paths = ["properties.x", "properties.list[].y"]
below.PATH = ["properties.z"]               the paths of a read below it, with the same source
more = ["properties.list[].z"]              paths that the schema has and code reads, though no example shows it
no_sdk = "..."                              why no SDK has an operation for it or what is below it, where none has
["...".each]                                path = its source, or why code looks at it although this read lacks it
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import pytest

from scanner.fix.undo import Undo
from scanner.model.index import INDEX_TYPES, MANAGER_TYPES
from scanner.model.index_apis import INDEX_APIS
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule_row import FunctionCheck
from scanner.reach.networks.fabric import Fabric
from scanner.rulebook import pinned_paths
from scanner.rulebook.pinned_paths import ENVELOPE, pattern
from tests.rules import examples, schema
from tests.rules.examples import Case
from tests.rules.traced import Compared, Log, plain, traced, untraced


@lru_cache
def by_hand() -> dict[str, dict[str, Any]]:
    """Return what is listed by hand, by type or read."""
    result = examples.by_type("paths")
    for read, entry in list(result.items()):
        for path, paths in entry.get("below", {}).items():
            result[f"{read}/{path}"] = {"source": entry["source"], "paths": paths}
    return result


@lru_cache
def pinned() -> dict[str, set[str]]:
    """Return all paths of which it says somewhere that Azure returns them, by type or read, with those of rows."""
    result: dict[str, set[str]] = defaultdict(set)
    for each in (row_paths(), schema.paths()):
        for read, paths in each.items():
            result[read].update(paths)
    for read, entry in by_hand().items():
        result[read].update(entry.get("paths", ()), entry.get("more", ()))
    return result


@lru_cache
def read_paths() -> dict[str, dict[str, str]]:
    """Return what rows and Python code read, by type or read: the paths, with where."""
    result = {read: dict.fromkeys(paths, "a row") for read, paths in row_paths().items()}
    for read, seen in looked_at().items():
        result[read] = {**seen, **result.get(read, {})}
    for read, entry in by_hand().items():
        result[read] = {**dict.fromkeys(entry.get("more", ()), "by hand"), **result.get(read, {})}
    return {read: paths for read, paths in result.items() if paths}


@lru_cache
def row_paths() -> dict[str, set[str]]:
    """Return the paths that rows look at, by type or read."""
    result: dict[str, set[str]] = defaultdict(set)
    for rule in examples.all_rules():
        for read, _, path in pinned_paths.row_paths(rule):
            result[read].add(path)
    return {read: paths - ENVELOPE for read, paths in result.items()}


@dataclass(frozen=True, slots=True)
class Pin:
    """A type, or a read below it. `type`: its ARM type; `pattern` matches the ids (lower case) that come from it."""

    name: str
    type: str
    api: str
    pattern: re.Pattern[str]


@lru_cache
def pins() -> tuple[Pin, ...]:
    """Every type and read of the rule files, then the types of the index that no rule file reads."""
    matches = [_pin(type, kind, kind.api) for kind in examples.rules().kinds for type in kind.types]
    matches += [
        _pin(type, child, child.api)
        for kind in examples.rules().kinds
        for child in kind.children
        for type in kind.types
    ]
    known = {pin.name.lower() for pin in matches}
    matches += [
        Pin(type, type, INDEX_APIS.get(type.lower(), ""), re.compile(_type_pattern(type)))
        for type in (*INDEX_TYPES, *MANAGER_TYPES)
        if type.lower() not in known
    ]
    return tuple(matches)


@lru_cache
def by_name() -> dict[str, Pin]:
    """Return the types and reads by name."""
    return {pin.name: pin for pin in pins()}


def _pin(type: str, read: ResourceType | Read, api: str) -> Pin:
    if isinstance(read, Read) and read.is_extension:
        return Pin(read.type, read.type, api, re.compile(_type_pattern(read.type)))
    own = type + read.type[len(read.resource_type.type) :] if isinstance(read, Read) else type
    return Pin(type + _below(read)[0], own, api, re.compile(_type_pattern(type) + _below(read)[1]))


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
    matches = [pin for pin in pins() if pin.pattern.fullmatch(key)]
    return min(matches, key=lambda pin: pin.pattern.pattern.count("[^/]+")).name if matches else ""


def looked_at() -> dict[str, dict[str, str]]:
    """Return what the rules look at over all examples: by type or read, the paths with an example that shows it."""
    return _traced()[0]


def compared() -> dict[str, dict[tuple[str, str], str]]:
    """Return the texts that Python code compares values with: by type or read, path and text with an example."""
    return _traced()[1]


@lru_cache
def _traced() -> tuple[dict[str, dict[str, str]], dict[str, dict[tuple[str, str], str]]]:
    paths: dict[str, dict[str, str]] = defaultdict(dict)
    texts: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for case in (*examples.cases(), *_of_functions()):
        bundle, run = examples.bundle(case), examples.evaluation(case)
        logs: list[tuple[Resource, Log, Compared]] = []
        made = Bundle(bundle.id, reads=bundle.reads, skips=bundle.skips, gaps=bundle.gaps)
        for each in bundle.resources.values():
            logs.append((each, set(), set()))
            body = traced(each.body, *logs[-1][1:])
            made.add(Resource(body, api=each.api, by=each.by, bundle=made))
        for each in run.index.resources.values():
            logs.append((each, set(), set()))
            each.body = traced(each.body, *logs[-1][1:])
        with _groups_untraced(), _no_undo():
            run.evaluate(made)
        for each, log, compared in logs:
            read = read_of(each) if log or compared else ""
            for path in plain(log):
                paths[read].setdefault(path, case.id)
            for pair in compared:
                texts[read].setdefault(pair, case.id)
    return paths, texts


@contextmanager
def _groups_untraced() -> Iterator[None]:
    """Give the network security groups that fixes are tried on without notes: only plain texts can be packed."""
    with_group = Fabric.with_group

    def untraced_group(fabric: Fabric, group: Resource) -> AbstractContextManager[None]:
        return with_group(fabric, Resource(untraced(group.body), api=group.api, by=group.by, bundle=Bundle(group.id)))

    Fabric.with_group = untraced_group  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Fabric.with_group = with_group  # type: ignore[method-assign]


@contextmanager
def _no_undo() -> Iterator[None]:
    """Make no undo of fixes: it looks at the whole of what a fix changes, and says where that is not known."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scanner.fix.rows.undo_of", lambda *_: Undo())
        yield


def _of_functions() -> Iterator[Case]:
    """Yield the examples that the rows of functions name."""
    for rule in examples.all_rules():
        if rule.row is not None and isinstance(rule.row.check, FunctionCheck):
            yield from examples.of_rule(rule)


@lru_cache
def _listed(read: str) -> tuple[re.Pattern[str], ...]:
    entry = by_hand().get(read, {})
    return tuple(pattern(path) for list_name in ("paths", "more", "each") for path in entry.get(list_name, ()))


GROUPS = ("properties.groupId", "properties.groupIds")
"""What `reach/services/private_endpoints.py` looks up in every connection. Recorded answers have the one (AI Search,
Kusto), the other (Event Grid, Service Bus, Batch) or neither (Storage), and then the private endpoint has the groups.
"""


def listed(read: str, path: str) -> bool:
    """Return whether a path is listed by hand. All members of a listed object are listed too."""
    path = schema.container(path)
    if path.endswith(GROUPS) and "privateendpointconnections" in f"{read}.{path}".lower():
        return True
    return any(each.fullmatch(path) for each in _listed(read))


def known(read: str, path: str) -> bool:
    """Return whether it says somewhere that Azure returns a path, or why code looks at it. Every resource may have the
    members of the envelope.
    """
    return path in ENVELOPE or schema.container(path) in schema.paths().get(read, ()) or listed(read, path)
