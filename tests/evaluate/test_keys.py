"""Whose key it is where the tier of a resource has no customer-managed keys: another tier is needed."""

from typing import Any

import pytest

from scanner.evaluate.keys import KeyLedger, StoreKey, store_keys
from scanner.model.index import Index
from scanner.model.message import NOTHING
from scanner.model.resource import Resource
from scanner.model.verdict import NotApplicable
from scanner.rulebook.loader import RuleSet, load

GROUP = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers"
TIERS = (
    ("Microsoft.ContainerRegistry/registries", "basic", "Premium"),
    ("Microsoft.EventHub/namespaces", "Standard", "Premium"),
    ("Microsoft.ServiceBus/namespaces", "Basic", "Premium"),
    ("Microsoft.AppConfiguration/configurationStores", "Free", "Standard"),
    ("Microsoft.Databricks/workspaces", "standard", "premium"),
)


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return load()


def keys_of(type: str, rules: RuleSet, sku: object) -> tuple[KeyLedger, list[StoreKey]]:
    """Return the keys of a resource that names none, by every rule that finds keys of its type."""
    body: dict[str, Any] = {"id": f"{GROUP}/{type}/x", "location": "norwayeast", "properties": {}, "sku": {"name": sku}}
    resource = Resource(body, by="get")
    index = Index()
    ledger = KeyLedger(index, rules)
    finders = [rule for rule in rules.rules.values() if rule.keys is not None and type in rule.types]
    verdict = NotApplicable(NOTHING)
    return ledger, [
        key for rule in finders if rule.keys for key in store_keys(rule, rule.keys, resource, index, verdict)
    ]


@pytest.mark.parametrize(("type", "low", "high"), TIERS)
def test_a_tier_without_customer_managed_keys_needs_another_tier(
    type: str, low: str, high: str, rules: RuleSet
) -> None:
    _, keys = keys_of(type, rules, low)
    assert {(each.holder, each.row.path, each.row.value) for each in keys} == {("another-tier", "sku.name", low)}
    assert all("customer-managed keys" in each.row.why for each in keys)
    for other in (high, "NewTier", None):
        _, keys = keys_of(type, rules, other)
        assert {each.holder for each in keys} == {"platform"}, "only a tier that is known to have none"


@pytest.mark.parametrize(("type", "low", "high"), TIERS)
def test_it_is_one_row_beside_that_of_the_other_tiers(type: str, low: str, high: str, rules: RuleSet) -> None:
    ledger, keys = keys_of(type, rules, low)
    ledger.add(keys)
    ledger.add(keys_of(type, rules, high)[1])
    rows = [row for row, _ in ledger.rows()]
    assert [(row.holder, row.type, row.lives) for row in rows] == [
        ("another-tier", type, "microsoft"),
        ("platform", type, "microsoft"),
    ]


def test_every_type_with_such_a_tier_is_here(rules: RuleSet) -> None:
    assert set(rules.tiers_without_keys()) == {type.lower() for type, _, _ in TIERS}
