"""Items of renamed and merged rules: each is known by the first id that its rule ever had. Pure."""

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.document.schema import Document, finding_fingerprint
from scanner.history.items import Item, ItemState, rank
from scanner.model.ids import bundle_of, resource_type_of
from scanner.rulebook.loader import RuleSet

_STATES: tuple[ItemState, ...] = ("fixed", "accepted", "open")


class FirstIds(Struct, frozen=True):
    """What findings of a rule are known by, for good: its first id, or that of a rule on many types for one type."""

    of: Mapping[str, str] = field(default_factory=dict)
    """The first id of each rule that has more than one, by each of its ids."""
    types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The keys of a rule on many types by type (lower case), by each id that it had for all of them."""

    def __call__(self, rule: str, resource: str = "", fingerprint: str = "") -> str:
        """Return the first id of a rule; of one on many types the key for a finding on this resource.

        Where a subscription was not listed, the fingerprint of the finding says for which type.
        """
        keys = self.types.get(rule)
        if keys is None:
            return self.of.get(rule, rule)
        value = keys.get(resource_type_of(bundle_of(resource)).lower())
        if value is None and fingerprint:
            value = next((key for key in keys.values() if finding_fingerprint(key, resource) == fingerprint), None)
        return value or rule

    def evaluated(self, document: Document) -> set[str]:
        """Return what the findings of a document's rules are known by."""
        off = set(document.coverage.rules_off)
        result = {self(rule) for rule in document.rules if rule not in self.types}
        for rule in self.types.keys() & document.rules.keys():
            left = {each.lower().partition(":")[2] for each in off if each.startswith(f"{rule}:")}
            gone = {self.types[rule].get(type) for type in left}
            result |= set(self.types[rule].values()) - gone
        return result

    def fingerprint(self, rule: str, resource: str, known: str) -> str:
        """Return the fingerprint of a finding by the first id of its rule. `known`: the one that it has."""
        first = self.of.get(rule)
        return known if first is None else finding_fingerprint(first, resource)

    def item(self, item: Item) -> Item:
        """Return an item under its present fingerprint."""
        fingerprint = self.fingerprint(item.rule, item.resource, item.fingerprint)
        return item if fingerprint == item.fingerprint else replace(item, fingerprint=fingerprint)

    def update(self, document: Document) -> None:
        """Give the findings of a document their present fingerprints."""
        if not self.of.keys() & document.rules.keys():
            return
        document.findings = [
            replace(row, fingerprint=self.fingerprint(row.rule, row.resource, row.fingerprint))
            for row in document.findings
        ]


def first_ids(rules: RuleSet) -> FirstIds:
    """Return the first ids of the rules that have more than one id, or many types."""
    of: dict[str, str] = {}
    types: dict[str, dict[str, str]] = {}
    for rule in rules.rules.values():
        if rule.of_many is None:
            of |= dict.fromkeys((rule.id, *rule.old_ids), rule.first_id) if rule.old_ids else {}
            continue
        of |= dict.fromkeys(rule.of_many.was, rule.key)
        for id in {rule.id, *rule.old_ids} - set(rule.of_many.was):
            types.setdefault(id, {}).update((type.lower(), rule.key) for type in rule.resource_type.types)
    return FirstIds(of, types)


def joined(one: Item, other: Item) -> Item:
    """Return the item that two of a merged rule become: the open or more severe one, since the first time of both."""
    kept = max(one, other, key=_weight)
    return replace(kept, since=min(one.since, other.since), seen=max(one.seen, other.seen))


def _weight(item: Item) -> tuple[int, int, bool, str]:
    return _STATES.index(item.state), rank(item.severity), item.visible, item.seen
