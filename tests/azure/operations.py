"""What the installed management SDKs send, and what a collection reads: paths that can be compared."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import azure.mgmt

from scanner.azure import subscriptions as scope
from scanner.collect.quotas import APIS as QUOTAS
from scanner.model.ids import SUBSCRIPTION
from scanner.model.index import LISTED_BY_GROUP
from scanner.model.index_apis import INDEX_APIS
from scanner.model.resource_type import Read, ResourceType
from scanner.rulebook import loader
from scanner.rulebook.pinned_paths import pinned_name

ANY = "0000"
NAMESPACES = ("azure.mgmt.resource.resources", "azure.mgmt.resource.subscriptions")
"""Clients in a package without an __init__, which are not found by walking."""


@dataclass(frozen=True)
class Operation:
    """What a typed operation sends; ANY stands where it takes a name."""

    name: str
    method: str
    path: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class PlannedRead:
    """One line of our table; ANY stands for a name in a path, `name` is the type or read of `tests/rules/pinned.py`."""

    what: str
    name: str
    path: tuple[str, ...]
    version: str

    def fits(self, operation: Operation) -> bool:
        """Whether an operation reads the same path; a name that it takes may be a word of ours (`default`)."""
        if len(self.path) != len(operation.path):
            return False
        if not all(b in (a, ANY) for a, b in zip(self.path, operation.path, strict=True)):
            return False
        return ("providers", ANY) not in pairwise(operation.path)  # the generic client reads anything


@lru_cache(maxsize=1)
def operations() -> list[Operation]:
    """Every GET that the installed management SDKs can build, by their own builders."""
    packages = [each.name for each in pkgutil.iter_modules(azure.mgmt.__path__, "azure.mgmt.")]
    names = [name for name in (*packages, *NAMESPACES) if name not in ("azure.mgmt.core", "azure.mgmt.resource")]
    return [each for name in names for each in built(importlib.import_module(f"{name}.operations"))]


def built(module: Any) -> Iterator[Operation]:
    for template in [
        module,
        *(importlib.import_module(f"{module.__name__}.{m.name}") for m in pkgutil.iter_modules(module.__path__)),
    ]:
        for name, builder in inspect.getmembers(template, inspect.isfunction):
            if name.startswith("build_") and name.endswith("_request"):
                yield from called(f"{template.__name__}.{name}", builder)


def called(name: str, builder: Any) -> Iterator[Operation]:
    """The operation of one builder; builders that need more than names are none of our reads."""
    needed = {
        word: ANY
        for word, each in inspect.signature(builder).parameters.items()
        if each.default is inspect.Parameter.empty and each.kind is not inspect.Parameter.VAR_KEYWORD
    }
    try:
        request = builder(**needed)
    except (TypeError, ValueError, AttributeError, KeyError):
        return
    parts = urlsplit(request.url)
    version = parse_qs(parts.query).get("api-version", [""])[0]
    yield Operation(name, request.method, words(parts.path), version)


def words(path: str) -> tuple[str, ...]:
    return tuple(template.lower() for template in path.split("/") if template)


def below(type: str) -> str:
    """The path of a resource of a type in a group, or of a subscription."""
    if type == SUBSCRIPTION:
        return f"/subscriptions/{ANY}"
    namespace, *types = type.split("/")
    return f"/subscriptions/{ANY}/resourcegroups/{ANY}/providers/{namespace}" + "".join(
        f"/{each}/{ANY}" for each in types
    )


def listed(type: str) -> str:
    """The path on which all of a type are listed: in a subscription or group, or below the parent of a nested type."""
    if type == SUBSCRIPTION:
        return "/subscriptions"
    if type.lower() in LISTED_BY_GROUP:
        return f"/subscriptions/{ANY}/resourcegroups/{ANY}/providers/{type}"
    if type.count("/") == 1:
        return f"/subscriptions/{ANY}/providers/{type}"
    parent, name = type.rsplit("/", 1)
    return f"{below(parent)}/{name}"


def table() -> list[PlannedRead]:
    """Everything that a collection reads."""
    rows: dict[tuple[str, ...], PlannedRead] = {}

    def add(what: str, path: str, version: str, name: str = "") -> None:
        rows[words(path)] = PlannedRead(what, name, words(path), version)

    rules = loader.load(packages=False)
    for kind in rules.kinds:
        for type in kind.types:
            if type != SUBSCRIPTION:
                add(f"list {type}", listed(type), kind.api, type)
            add(f"get {type}", below(type), kind.api, type)
            for child in (each for each in kind.children if type in each.tops):
                name = pinned_name(type, child)
                add(f"{child.type} of {type}", f"{above(child, type)}/{child.path}", child.api, name)
    for type, version in INDEX_APIS.items():
        add(f"index {type}", listed(type), version, type)
    for type, version in QUOTAS.items():
        namespace = type.partition("/")[0]
        path = f"/subscriptions/{ANY}/providers/{namespace}/locations/{ANY}/usages"
        add(f"quotas {namespace}", path, version)
    add("subscriptions", "/subscriptions", scope.SUBSCRIPTIONS)
    add("tenants", "/tenants", scope.SUBSCRIPTIONS)
    add("descendants", f"/providers/Microsoft.Management/managementGroups/{ANY}/descendants", scope.GROUPS)
    add("groups", f"/subscriptions/{ANY}/resourcegroups", "2025-04-01")
    return list(rows.values())


def above(child: Read, type: str) -> str:
    """The path of the resource that a child read hangs on; a single one is its own name."""
    parent = child.parent
    if isinstance(parent, ResourceType):
        return below(type)
    own = f"{above(parent, type)}/{parent.path}"
    return own if parent.one else f"{own}/{ANY}"
