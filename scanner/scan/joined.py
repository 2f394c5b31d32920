"""The second collection: what is read once everything else is in the store, because only a join says what matters."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from functools import partial

from scanner.collect.plan import Joined, JoinedRead, NamedResources
from scanner.model.ids import SUBSCRIPTION, resource_type_of
from scanner.model.index import Index, is_indexed
from scanner.model.json_paths import peek, same
from scanner.model.keys import POOLS, SETS, VAULTS
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.rulebook.loader import RuleSet
from scanner.scan.elsewhere import named_elsewhere
from scanner.snapshot.bundles import Snapshot, naming_keys, of_store
from scanner.snapshot.store import Store

_TYPES = frozenset(each.lower() for each in (VAULTS, POOLS, SETS, SUBSCRIPTION))
_RBAC = "properties.enableRbacAuthorization"


def joined(rules: RuleSet, *stores: Store, graph: bool, excludes: bool = False) -> Joined:
    """Return what to read once everything else is in the stores, the newest last. `graph`: ask Resource Graph too.
    `excludes`: see `named_elsewhere`.
    """
    named = named_elsewhere(rules, *stores, excludes=excludes) if graph else NamedResources()
    return Joined(joined_reads(rules, *stores), named)


def joined_reads(rules: RuleSet, *stores: Store) -> list[JoinedRead]:
    """Return what to read of keys in use: the versions of those keys of which a resource is bound to an older version,
    and what else matters for roles in the subscriptions of vaults with Azure RBAC.

    `stores`: the collections of one scan, the newest last. Only below resources of the newest one.
    """
    reads: dict[str, list[Read]] = defaultdict(list)
    for each in rules.reads():
        if each.joined:
            reads[each.parent.type.lower()].append(each)
    if not reads:
        return []
    index, fresh = Index(), set[str]()
    taken = [of_store(each) for each in stores]
    for one in taken:
        with closing(one):
            fresh = _add_vaults(index, one)
    index.keys.finders = rules.key_finders()
    index.keys.resources = partial(_naming_keys, taken)
    return [
        JoinedRead(read, parent, top)
        for parent, top in _parents(index)
        if parent.key in fresh
        for read in reads.get(parent.type.lower(), ())
    ]


def _parents(index: Index) -> Iterator[tuple[Resource, Resource]]:
    """Yield the resources below which something is read, each with the resource of its bundle."""
    for vault, key in index.keys.bound_to_older(index):
        yield key, vault
    vaults = [each for each in index.keys.vaults_in_use(index) if each.type.lower() == VAULTS.lower()]
    vaults = [each for each in vaults if same(peek(each.body, _RBAC), True)]
    for id in dict.fromkeys(f"/subscriptions/{each.subscription}" for each in vaults):
        if (resource := index.resources.get(id)) is not None:
            yield resource, resource


def _naming_keys(taken: list[Snapshot]) -> Iterator[Resource]:
    """Yield the resources of some collections that may name a key."""
    for each in taken:
        yield from naming_keys(each)


def _add_vaults(index: Index, taken: Snapshot) -> set[str]:
    """Add subscriptions, vaults, keys and disk encryption sets of a collection to an index. Return their keys."""
    result: set[str] = set()
    for bundle in taken.remaining:
        type = resource_type_of(bundle.id)
        if not is_indexed(type):
            break
        for resource in bundle.resources.values() if type.lower() in _TYPES else ():
            index.add(resource)
            result.add(resource.key)
    return result
