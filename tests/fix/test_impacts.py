"""What a fix may break is said of its own change, and the rule's Terraform is shown with the rule's own fix alone."""

from collections import defaultdict
from collections.abc import Iterator

from scanner.document.schema import FindingRow
from scanner.fix.causes import RULE_REMOVED, RULES_REMOVED
from scanner.model.fix import Deletion, Fix
from scanner.model.rule import Rule
from tests.rules import examples

TOGETHER = examples.TOGETHER


def failures() -> Iterator[tuple[Rule, FindingRow, Fix]]:
    """Yield the failures of lock rules in all examples, each with its rule and its fix."""
    for file in examples.all_files():
        for case in file.cases:
            bundle_result = examples.result(case)
            for row in bundle_result.findings:
                rule = examples.rule_at(row.rule, row.resource)
                if row.status == "fail" and row.fix is not None and rule.lock:
                    yield rule, row, bundle_result.fixes[row.fingerprint]


def test_the_removal_of_firewall_rules_is_not_said_to_break_what_another_fix_breaks() -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    for rule, row, fix in failures():
        assert row.fix is not None
        if fix.changes and all(isinstance(each, Deletion) for each in fix.changes) and not fix.steps:
            of_rule = all("{cause}" in each for each in rule.fix.az.split(" && "))
            is_own = of_rule or rule.category != "network"
            expected = {rule.fix.impact} if is_own else {RULE_REMOVED, RULES_REMOVED}
            assert row.fix.impact in expected, (rule.id, row.fix.commands, row.fix.impact)
            assert of_rule or not row.fix.of_rule, rule.id
            seen[row.fix.impact].add(rule.id)
    assert len(seen[RULE_REMOVED]) > 5
    assert len(seen[RULES_REMOVED]) > 1


def test_what_is_of_the_rule_runs_the_commands_of_the_rule() -> None:
    of_rule = others = 0
    for rule, row, _ in failures():
        assert row.fix is not None
        assert row.fix.impact, rule.id
        names = [each.split()[:3] for each in rule.fix.az.split(" && ") if each]
        if row.fix.of_rule:
            of_rule += 1
            assert row.fix.impact == rule.fix.impact, rule.id
            assert {tuple(each.split()[:3]) for each in row.fix.commands} <= set(map(tuple, names)), rule.id
        else:
            others += 1
    assert min(of_rule, others) > 100


def test_an_endpoint_says_what_its_own_fix_breaks() -> None:
    for file in examples.all_files():
        for case in file.cases:
            for row in examples.result(case).exposures:
                assert row.breaks == (row.fix.impact if row.fix else None), (case.id, row.endpoint)
