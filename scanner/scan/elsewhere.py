"""Which resources the read ones name that the scan did not read: Resource Graph is asked for them."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec

from scanner.collect.plan import NamedResources
from scanner.evaluate.missing import why_more
from scanner.model.ids import root_of, subscription_of, type_of
from scanner.model.json_paths import get_path
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import Rule
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import Snapshot, locations_in, of_store
from scanner.snapshot.format import decoder
from scanner.snapshot.store import Store

ACCOUNTS = "microsoft.storage/storageaccounts"
NamingPaths = dict[str, set[str]]


def named_elsewhere(rules: RuleSet, *stores: Store, excludes: bool = False) -> NamedResources:
    """Return what resources of the newest of the stores name and none of them holds, where no complete list says that
    it does not exist. `stores`: the collections of one scan. `excludes`: it leaves out parts of its scopes.
    """
    paths = naming_paths(rules)
    wanted, names = _named_in(stores[-1].lines(), paths) if paths else (set[str](), set[str]())
    taken = of_store(stores[0])
    wanted = {each for each in wanted if excludes or _may_be_elsewhere(each, taken)}
    if names or any(subscription_of(each) in _subscriptions(taken) for each in wanted):
        for store in stores:
            for id, _ in locations_in(store.lines()):
                wanted.discard(id)
                if names and type_of(id) == ACCOUNTS:
                    names.discard(id.rsplit("/", 1)[-1])
    return NamedResources(tuple(sorted(wanted)), tuple((ACCOUNTS, each) for each in sorted(names)))


def naming_paths(rules: RuleSet) -> NamingPaths:
    """Return the paths at which resources of a type (lower case) name others that enabled rules look up."""
    found: NamingPaths = {}
    declarations: list[ResourceType | Read] = [*rules.read(), *rules.reads()]
    for declared in declarations:
        for type in declared.types if declared.names else ():
            found.setdefault(type.lower(), set()).update(declared.names)
    for rule in rules.enabled.values():
        if rule.finder is not None and rule.finder.kind == "target":
            for type in _types(rule):
                found.setdefault(type.lower(), set()).update((rule.finder.path, *rule.finder.also))
    return found


def _types(rule: Rule) -> tuple[str, ...]:
    return rule.subject.types if rule.subject is not None else rule.resource_type.types


def _named_in(lines: Iterable[bytes], paths: NamingPaths) -> tuple[set[str], set[str]]:
    """Return the ids (lower case) of the top-level resources that lines name, and names of storage accounts."""
    marks = tuple({f"/{each.rsplit('/', 1)[-1]}/".encode() for each in paths})
    ids, names = set[str](), set[str]()
    for raw in lines:
        folded = raw.lower()
        if not any(mark in folded for mark in marks):
            continue
        with suppress(msgspec.DecodeError):
            body = decoder.decode(raw).resource
            for path in paths.get(type_of(str(body.get("id"))).lower(), ()) if body is not None else ():
                for value in _values(body, path):
                    if subscription_of(value) and type_of(value):
                        ids.add(root_of(value))
                    elif name := _account(value):
                        names.add(name)
    return ids - {""}, names


def _values(body: Any, path: str) -> Iterator[str]:
    """Yield the texts at a path, in which `[]` is each entry of a list."""
    above, is_list, below = path.partition("[]")
    value = get_path(body, above)
    if not is_list:
        yield from (value,) if isinstance(value, str) else ()
        return
    for each in value if isinstance(value, list) else ():
        yield from _values(each, below.lstrip(".")) if below else ((each,) if isinstance(each, str) else ())


def _account(value: str) -> str:
    """Return the name of the storage account of a blob endpoint; "" for another text."""
    with suppress(ValueError):
        host = urlsplit(value).hostname or ""
        name, _, domain = host.partition(".")
        return name.lower() if domain.startswith("blob.") else ""
    return ""


def _subscriptions(taken: Snapshot) -> set[str]:
    return {each.subscription.lower() for each in taken.scopes}


def _may_be_elsewhere(id: str, taken: Snapshot) -> bool:
    """Return whether no complete list of its subscription says that a resource does not exist."""
    subscription = subscription_of(id)
    return subscription not in _subscriptions(taken) or why_more(taken, type_of(id), subscription) is not None
