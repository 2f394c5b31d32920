"""Policies: one list a subscription of definitions, and one of initiatives, of the customer alone."""

from typing import Any

from rules.policies import DEFINITIONS, SETS, reduced, reduced_set

from scanner.collect.collector import Plan
from tests.azure.requests import S1, box, repeated, scanned

S = f"/subscriptions/{S1}"
URL = f"{S}/providers/Microsoft.Authorization/policyDefinitions"
ABOVE = "/providers/Microsoft.Management/managementGroups"
CONDITION = {"field": "location", "notIn": ["norwayeast"]}


def definition(name: str, kind: str = "Custom", condition: Any = None, **then: Any) -> dict[str, Any]:
    rule = {"if": condition or CONDITION, "then": {"effect": "deny", **then}}
    type = "Microsoft.Authorization/policyDefinitions"
    properties = {"policyType": kind, "mode": "All", "policyRule": rule}
    return {"id": f"{S}/providers/{type}/{name}", "name": name, "type": type, "properties": properties}


def test_definitions_of_microsoft_are_not_listed() -> None:
    running = box([definition("regions"), definition("allowed-locations", "BuiltIn")])
    result = scanned(running, plan=Plan([DEFINITIONS.resource_type], [DEFINITIONS, SETS], ()))
    assert [id for id in result.resources if "policydefinitions" in id.lower()] == [f"{URL}/regions"]
    assert result.reads[URL] == 1
    assert not result.gaps
    assert repeated(running) == []


def test_what_an_effect_deploys_is_not_kept() -> None:
    body = reduced(definition("regions", details={"deployment": {"properties": {"template": {"secret": "x"}}}}))
    assert body["properties"]["policyRule"] == {"if": CONDITION, "then": {"effect": "deny"}}


def test_a_condition_about_something_else_is_not_kept() -> None:
    tags = {"field": "tags.owner", "exists": "false"}
    assert reduced(definition("tags", condition=tags))["properties"]["policyRule"] == {"then": {"effect": "deny"}}
    any_field = {"field": "[parameters('field')]", "exists": "false"}
    assert reduced(definition("any", condition=any_field))["properties"]["policyRule"]["if"] == any_field


def test_definitions_of_microsoft_in_an_initiative_are_not_kept_where_they_are_about_something_else() -> None:
    built_in = "/providers/Microsoft.Authorization/policyDefinitions"
    ids = [
        f"{built_in}/{name}"
        for name in ("404c3081-a854-4457-ae30-26a93ef643f9", "E56962A6-4747-49cd-b67b-bf8b01975c4c")
    ]
    ids.append(f"{ABOVE}/agency{built_in}/own")
    body = {"properties": {"policyDefinitions": [{"policyDefinitionId": each} for each in ids] + [{"strange": 1}]}}
    kept = reduced_set(body)["properties"]["policyDefinitions"]
    assert kept == [{"policyDefinitionId": ids[1]}, {"policyDefinitionId": ids[2]}, {"strange": 1}]
    assert reduced_set({"properties": {"policyDefinitions": None}}) == {"properties": {"policyDefinitions": None}}
    assert reduced({"properties": {}}) == {"properties": {}}
