"""The Terraform of a rule changes no more than its command: a child of a list has a resource of its own."""

import re
from collections import defaultdict
from collections.abc import Iterator

from scanner.fix.sample_commands import below, sample
from scanner.model.ids import type_of
from scanner.model.rule import Rule
from tests.rules import examples

_RESOURCE = re.compile(r'^resource "azurerm_(\w+)"', re.MULTILINE)
WITHIN = {"managed_redis": "its only database is a block of it"}
"""Resources that hold a child of a list as a block."""


def changed_types(rule: Rule) -> set[str]:
    """Return the types (lower case) that the own fix of a rule changes."""
    top = sample(rule.resource_type.type)
    subject = top if rule.subject is None else below(rule.subject, top)
    return {type_of(each.resource).lower() for each in rule.fix.changes(subject, top)}


def of_children() -> Iterator[tuple[Rule, set[str]]]:
    """Yield the rules with Terraform whose command changes children of a list alone, and the types of these."""
    for rule in examples.all_rules():
        types = changed_types(rule) if rule.fix.terraform else set()
        if types and rule.subject is not None and not rule.subject.one and rule.resource_type.type.lower() not in types:
            yield rule, types


def test_terraform_for_one_child_does_not_change_its_parent() -> None:
    parents: dict[str, set[str]] = defaultdict(set)
    for rule in examples.all_rules():
        type = rule.resource_type.type.lower()
        if changed_types(rule) == {type}:
            for name in _RESOURCE.findall(rule.fix.terraform):
                parents[name].add(type)
    wrong = {
        rule.id: name
        for rule, _ in of_children()
        for name in _RESOURCE.findall(rule.fix.terraform)
        if rule.resource_type.type.lower() in parents[name] and name not in WITHIN
    }
    assert wrong == {}
    assert len(list(of_children())) > 5
