"""The second collection: what is read once everything else is in the store, because only a join says what matters."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial

from scanner.collect.plan import JoinedRead
from scanner.evaluate.keys import finders_of
from scanner.model.ids import resource_type_of
from scanner.model.index import Index, is_indexed
from scanner.model.keys import POOLS, SETS, VAULTS
from scanner.model.resource import Resource
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import Snapshot, naming_keys, of_store
from scanner.snapshot.store import Store

_TYPES = frozenset(each.lower() for each in (VAULTS, POOLS, SETS))


def joined_reads(rules: RuleSet, *stores: Store) -> list[JoinedRead]:
    """Return the lists of versions to read: those of keys of which a resource is bound to an older version.

    `stores`: the collections of one scan, the newest last. Only keys of the newest one are read.
    """
    reads = {each.parent.type.lower(): each for each in rules.reads() if each.joined}
    if not reads:
        return []
    index, fresh = Index(), set[str]()
    taken = [of_store(each) for each in stores]
    for each in taken:
        with closing(each):
            fresh = _add_vaults(index, each)
    index.keys.finders = finders_of(rules)
    index.keys.resources = partial(_naming_keys, taken)
    return [
        JoinedRead(read, key, vault)
        for vault, key in index.keys.bound_to_older(index)
        if key.key in fresh and (read := reads.get(key.type.lower())) is not None
    ]


def _naming_keys(taken: list[Snapshot]) -> Iterator[Resource]:
    """Yield the resources of some collections that may name a key."""
    for each in taken:
        yield from naming_keys(each)


def _add_vaults(index: Index, taken: Snapshot) -> set[str]:
    """Add the vaults, keys and disk encryption sets of a collection to an index. Return their keys."""
    found: set[str] = set()
    for bundle in taken.remaining:
        type = resource_type_of(bundle.id)
        if not is_indexed(type):
            break
        for resource in bundle.resources.values() if type.lower() in _TYPES else ():
            index.add(resource)
            found.add(resource.key)
    return found
