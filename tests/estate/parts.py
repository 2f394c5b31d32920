"""Parts of the sample estate, for tests that need some of it. With `make test-all` they have the whole."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
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
    bodies = _bodies()
    kinds = {root: {group_of(root).lower(), *(type_of(body["id"]).lower() for body in bodies[root])} for root in bodies}
    kept = _with_what_they_name(sample_estate().ids[name].lower() for name in names)
    seen = {kind for root in kept for kind in kinds[root]}
    for root in sorted(bodies, key=lambda root: -len(kinds[root])):  # those of many types first: then few are enough
        if is_subscription(root) or not kinds[root] <= seen:
            kept |= (new := _with_what_they_name([root]))
            seen |= {kind for each in new for kind in kinds[each]}
    return _subset(kept)


@lru_cache
def of_types(*types: str) -> Estate:
    """Return the resources of these types, and all that they name, each with what is below it."""
    wanted = {each.lower() for each in types}
    own = [root for root, each in _bodies().items() if wanted & {type_of(body["id"]).lower() for body in each}]
    return _subset(_with_what_they_name([*own, *filter(is_subscription, _bodies())]))


@lru_cache
def _bodies() -> Bodies:
    bodies: Bodies = defaultdict(list)
    for body in sample_estate().resources:
        bodies[root_of(body["id"]).lower()].append(body)
    return dict(bodies)


def _with_what_they_name(roots: Iterable[str]) -> set[str]:
    wanted, kept, bodies = set(roots), set[str](), _bodies()
    while wanted:
        kept.add(root := wanted.pop())
        wanted |= {named for body in bodies[root] for named in _named(body, bodies)} - kept
    return kept


def _subset(kept: set[str]) -> Estate:
    whole = sample_estate()
    if is_all():
        return whole
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
