"""Which resources the read ones name that the scan did not read: Resource Graph is asked for them."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from scanner.collect.plan import NamedResources
from scanner.evaluate.missing import why_more
from scanner.model.diagnostic_settings import ACCOUNTS, WORKSPACES
from scanner.model.ids import name_of, root_of, subscription_of, type_of
from scanner.model.json_paths import get_path, text_at
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import Rule
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import Snapshot, locations_in, of_store
from scanner.snapshot.format import decoder
from scanner.snapshot.store import Store

Json = dict[str, Any]
_ACCOUNTS = ACCOUNTS.lower()
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NamingPaths = dict[str, set[str]]


def named_elsewhere(rules: RuleSet, *stores: Store, excludes: bool = False) -> NamedResources:
    """Return what resources of the newest of the stores name and none of them holds, where no complete list says that
    it does not exist. `stores`: the collections of one scan. `excludes`: it leaves out parts of its scopes.
    """
    paths = naming_paths(rules)
    if not paths:
        return NamedResources()
    named, taken = _Named(), of_store(stores[0])
    for body in _naming(stores[-1].lines(), paths):
        for path in paths.get(type_of(str(body.get("id"))).lower(), ()):
            for value in _values(body, path):
                named.add(value)
    named.ids = {each for each in named.ids if excludes or _may_be_elsewhere(each, taken)}
    if named.accounts or named.customers or any(subscription_of(each) in _subscriptions(taken) for each in named.ids):
        for store in stores:
            named.leave_out(store)
    return NamedResources(*(tuple(sorted(each)) for each in (named.ids, named.accounts, named.customers)))


class _Named(Struct):
    """What resources name, in lower case: ids of top-level resources, storage accounts, customer ids of workspaces."""

    ids: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)

    def add(self, value: str) -> None:
        """Add what a text names."""
        if subscription_of(value) and type_of(value):
            self.ids.add(root_of(value))
        elif _GUID.fullmatch(value):
            self.customers.add(value.lower())
        elif name := _account(value):
            self.accounts.add(name)

    def leave_out(self, store: Store) -> None:
        """Leave out what a store holds."""
        for id, _ in locations_in(store.lines()):
            self.ids.discard(id)
            if self.accounts and type_of(id) == _ACCOUNTS:
                self.accounts.discard(name_of(id))
        if self.customers:
            for body in _naming(store.lines(), (WORKSPACES.lower(),)):
                self.customers.discard(text_at(body, "properties.customerId").lower())


def naming_paths(rules: RuleSet) -> NamingPaths:
    """Return the paths at which resources of a type (lower case) name others that enabled rules look up."""
    result: NamingPaths = {}
    declarations: list[ResourceType | Read] = [*rules.read(), *rules.reads()]
    for declared in declarations:
        for type in declared.types if declared.names else ():
            result.setdefault(type.lower(), set()).update(declared.names)
    for rule in rules.enabled.values():
        if rule.finder is not None and rule.finder.kind == "target":
            for type in _types(rule):
                result.setdefault(type.lower(), set()).update((rule.finder.path, *rule.finder.also))
    return result


def _types(rule: Rule) -> tuple[str, ...]:
    return rule.subject.types if rule.subject is not None else rule.resource_type.types


def _naming(lines: Iterable[bytes], types: Iterable[str]) -> Iterator[Json]:
    """Yield the bodies in encoded lines that are, or name, a resource of some types (lower case)."""
    marks = tuple({f"/{name_of(each)}/".encode() for each in types})
    for raw in lines:
        folded = raw.lower()
        if any(mark in folded for mark in marks):
            with suppress(msgspec.DecodeError):
                body = decoder.decode(raw).resource
                if body is not None:
                    yield body


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
