"""The finding on activity log alerts: what it lists, and what alerts of other subscriptions say."""

from scanner.document.schema import FindingRow
from tests.rules import examples
from tests.rules.examples import Case

RULE = "activity-log-alerts-missing"


def case(name: str) -> Case:
    (found,) = (each for each in examples.cases() if each.id.endswith(name))
    return found


def finding(case: Case) -> FindingRow:
    bundle_result = examples.evaluation(case).evaluate(examples.bundle(case))
    (row,) = (each for each in bundle_result.findings if each.rule == RULE)
    return row


def test_alerts_of_other_subscriptions_are_no_evidence() -> None:
    elsewhere = case("an alert elsewhere, with conditions of an unknown form")
    other = examples.nulls(next(each for each in elsewhere.also if "/elsewhere-" in each["id"]))
    conditions = [{"field": "operationName", "equals": "Microsoft.Network/networkSecurityGroups/write"}]
    other["properties"]["condition"] = {"allOf": conditions}
    assert [each.path for each in finding(elsewhere).evidence] == ["Microsoft.Network/networkSecurityGroups/write"]


def test_the_finding_lists_each_operation_and_why_an_alert_of_it_does_not_count() -> None:
    paths = [each.path for each in finding(case("an alert disabled")).evidence]
    assert paths[0] == "Microsoft.Network/networkSecurityGroups/write"
    assert [each.rpartition(" ")[2] for each in paths[1:]] == ["properties.enabled"]


def test_the_fix_names_what_is_missing_and_nothing_else() -> None:
    fix = finding(case("an alert disabled")).fix
    assert fix is not None
    (command,) = fix.commands
    assert command.count("operationName") == 1


def test_an_operation_that_is_not_known_is_said_beside_those_without_an_alert() -> None:
    row = finding(case("an alert that may notify no one beside operations without any"))
    assert "Microsoft.Network/networkSecurityGroups/write" not in [each.path for each in row.evidence]
    assert row.status == "fail"
