"""A part of the sample estate: of each type some resources, and what these need."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from scanner.model.ids import root_of, type_of
from scanner.sandbox.estate import Estate, load_estate
from tests.sampled import VARIABLE

GROUPS = 3
"""The number of parts of an id that name a subscription or a resource group: nothing below it is left out."""


@lru_cache
def whole_estate() -> Estate:
    """Return the sample estate, made once for all tests. It is not to be changed."""
    return load_estate()


@lru_cache
def small_estate(*names: str) -> Estate:
    """Return one resource of each type, those of these names, and all that they name; with what is below each.

    What a scan says of a resource depends on it and on what it names, so that a test which compares two scans needs
    each type once. `make test-all` has the whole estate.
    """
    whole = whole_estate()
    if os.environ.get(VARIABLE):
        return whole
    bodies: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for body in whole.resources:
        bodies[root_of(body["id"]).lower()].append(body)
    wanted = {whole.ids[name].lower() for name in names}
    seen: set[str] = set()
    for root, each in bodies.items():
        types = {type_of(body["id"]).lower() for body in each}
        if not types <= seen:
            seen |= types
            wanted.add(root)
    kept: set[str] = set()
    while wanted:
        root = wanted.pop()
        kept.add(root)
        wanted |= {named for body in bodies[root] for named in _named(body, bodies)} - kept
    resources = [body for body in whole.resources if root_of(body["id"]).lower() in kept]
    ids = {name: id for name, id in whole.ids.items() if root_of(id).lower() in kept}
    return replace(whole, resources=resources, ids=ids)


def _named(value: Any, roots: Iterable[str]) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _named(each, roots)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each, roots)
    elif isinstance(value, str) and value.startswith("/") and (root := root_of(value).lower()) in roots:
        yield root
