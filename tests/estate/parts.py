"""Parts of the sample estate, for tests that need some of it. With `make test-all` they have the whole."""

from collections import defaultdict
from collections.abc import Callable, Container, Iterator
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from scanner.model.ids import group_of, is_subscription, root_of, type_of
from scanner.sandbox.estate import Estate, load_estate
from tests.sampled import is_all

Bodies = dict[str, list[dict[str, Any]]]
"""The bodies of a resource and of what is below it, by the id of the resource in lower case."""


@lru_cache
def sample_estate() -> Estate:
    """Return the sample estate, made once for all tests. It is not to be changed."""
    return load_estate()


@lru_cache
def one_of_each_type(*names: str) -> Estate:
    """Return a resource of each type and resource group, those of these names, and all that they name, each with what
    is below it.

    A rule says of all resources of a type the same, so that two scans differ in one of them where they differ.
    """
    seen: set[str] = set()

    def is_new(root: str, types: set[str]) -> bool:
        found = {*types, group_of(root).lower()}
        new = not found <= seen
        seen.update(found)
        return new

    return _part(is_new, names)


@lru_cache
def of_types(*types: str) -> Estate:
    """Return the resources of these types, and all that they name, each with what is below it."""
    wanted = {each.lower() for each in types}
    return _part(lambda root, found: bool(found & wanted))


def _part(is_wanted: Callable[[str, set[str]], bool], names: tuple[str, ...] = ()) -> Estate:
    whole = sample_estate()
    if is_all():
        return whole
    bodies: Bodies = defaultdict(list)
    for body in whole.resources:
        bodies[root_of(body["id"]).lower()].append(body)
    wanted = {whole.ids[name].lower() for name in names}
    for root, each in bodies.items():
        if is_subscription(root) or is_wanted(root, {type_of(body["id"]).lower() for body in each}):
            wanted.add(root)
    kept: set[str] = set()
    while wanted:
        kept.add(root := wanted.pop())
        wanted |= {named for body in bodies[root] for named in _named(body, bodies)} - kept
    return replace(
        whole,
        resources=[body for body in whole.resources if root_of(body["id"]).lower() in kept],
        ids={name: id for name, id in whole.ids.items() if root_of(id).lower() in kept},
    )


def _named(value: Any, roots: Container[str]) -> Iterator[str]:
    """Yield the resources that a body names."""
    if isinstance(value, dict):
        for each in value.values():
            yield from _named(each, roots)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each, roots)
    elif isinstance(value, str) and value.startswith("/") and (root := root_of(value).lower()) in roots:
        yield root
