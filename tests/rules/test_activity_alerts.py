"""Alerts of one subscription say nothing of another one."""

from tests.rules import examples


def test_alerts_of_other_subscriptions_are_no_evidence() -> None:
    (case,) = (
        each for each in examples.cases() if each.id.endswith("an alert elsewhere, with conditions of an unknown form")
    )
    other = examples.nulls(next(each for each in case.also if "activityLogAlerts" in each["id"]))
    conditions = [{"field": "operationName", "equals": "Microsoft.Network/networkSecurityGroups/write"}]
    other["properties"]["condition"] = {"allOf": conditions}
    bundle_result = examples.evaluation(case).evaluate(examples.bundle(case))
    (row,) = (each for each in bundle_result.findings if each.rule == "no-alert-nsg-written")
    assert [each.path for each in row.evidence] == ["activity log alert"]
