"""Items of renamed and merged rules: each is known by the first id that its rule ever had. Pure."""

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.document.schema import Document, finding_fingerprint
from scanner.history.items import Item, ItemState, rank
from scanner.rulebook.loader import RuleSet

_STATES: tuple[ItemState, ...] = ("fixed", "accepted", "open")


class FirstIds(Struct, frozen=True):
    """The first id of each rule that has more than one, by each of its ids. Called with any id, it gives the first."""

    of: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, rule: str) -> str:
        return self.of.get(rule, rule)

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
    """Return the first ids of the rules that have more than one id."""
    renamed = (rule for rule in rules.rules.values() if rule.old_ids)
    return FirstIds({id: rule.first_id for rule in renamed for id in (rule.id, *rule.old_ids)})


def joined(one: Item, other: Item) -> Item:
    """Return the item that two of a merged rule become: the open or more severe one, since the first time of both."""
    kept = max(one, other, key=_weight)
    return replace(kept, since=min(one.since, other.since), seen=max(one.seen, other.seen))


def _weight(item: Item) -> tuple[int, int, bool, str]:
    return _STATES.index(item.state), rank(item.severity), item.visible, item.seen
