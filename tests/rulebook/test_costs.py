"""What selected rules cost: what those that are off would read, and whether quotas are needed."""

import pytest

from scanner.rulebook import loader
from scanner.rulebook.costs import CostOff, cost_off

STORAGE = "microsoft.storage/storageaccounts"
BUS = "microsoft.servicebus/namespaces"


@pytest.mark.parametrize(
    ("only", "resources", "cost"),
    [
        (["storage-replication-outside*"], {STORAGE: 7}, CostOff(1, 7)),
        (["storage-replication-outside*"], {}, CostOff(0, 0)),
        (["storage-replication-outside"], {STORAGE: 7}, CostOff(0, 0)),
        # Both rules need the same list.
        (["storage-scope-*"], {STORAGE: 7}, CostOff(2, 7)),
        # A list that was not read counts as one resource each: the queues, and the rules of one queue.
        (["servicebus-queue-manage-*"], {BUS: 3}, CostOff(1, 6)),
        # A list that is read: the databases.
        (["sql-short-*", "sql-database-unencrypted"], {"microsoft.sql/servers/databases": 5}, CostOff(1, 5)),
        # Resource Graph has them all in one query.
        (["machine-extension-*"], {"microsoft.compute/virtualmachines": 9}, CostOff(1, 0)),
    ],
)
def test_what_is_off_costs_a_read_for_each_parent(only: list[str], resources: dict[str, int], cost: CostOff) -> None:
    rules = loader.load()
    rules.select(only)
    assert cost_off(rules, resources) == cost


def test_what_the_patterns_do_not_select_is_not_off_by_cost() -> None:
    rules = loader.load()
    rules.select(skip=["storage-replication-outside"])
    assert not {rule.id for rule in rules.off_by_cost.values()} & {"storage-replication-outside", "storage-plain-http"}
    assert "storage-scope-platform-key" in rules.off_by_cost
    assert not rules.off_by_cost.keys() & rules.enabled.keys()


@pytest.mark.parametrize("id", ["sql-database-unencrypted", "site-recovery-failing", "site-recovery-outside"])
def test_what_a_severity_is_worth_is_on(id: str) -> None:
    assert id in loader.load().enabled_questions()


@pytest.mark.parametrize(
    ("only", "are_needed"),
    [
        ([], True),
        (["region-outside"], True),
        (["*-single-zone"], True),
        (["storage-plain-http"], False),
        (["category:network"], False),
    ],
)
def test_quotas_are_needed_where_rules_ask_about_places_or_their_loss(only: list[str], are_needed: bool) -> None:
    rules = loader.load()
    rules.select(only)
    assert rules.needs_quotas == are_needed
