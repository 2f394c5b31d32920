"""Role assignments: one list a subscription, of which the rows are kept that may matter for keys."""

from typing import Any

import pytest
from rules.vault_roles import ROLES

from scanner.collect.collector import Plan
from scanner.model.ids import bundle_of
from scanner.model.resource import Resource
from scanner.rulebook import loader
from scanner.sandbox.served_estate import RoleGrant
from tests.azure.requests import S1, S2, VAULT, box, repeated, scanned

S = f"/subscriptions/{S1}"
URL = f"{S}/providers/Microsoft.Authorization/roleAssignments"
USER = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
KEY_VAULT = f"{S}/resourceGroups/rg-a/providers/Microsoft.KeyVault/vaults/kv"
ABOVE = "/providers/Microsoft.Management/managementGroups/mg"


def assigned(name: str, scope: str, role: str = USER, type: str = "ServicePrincipal", **more: Any) -> dict[str, Any]:
    definition = f"{S}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    properties = {"roleDefinitionId": definition, "principalId": "p", "principalType": type, "scope": scope, **more}
    id = f"{scope.rstrip('/')}/providers/Microsoft.Authorization/roleAssignments/{name}"
    return {"id": id, "name": name, "type": "Microsoft.Authorization/roleAssignments", "properties": properties}


KEPT = [
    assigned("subscription", S),
    assigned("group", f"{S}/resourceGroups/rg-a", type="Group"),
    assigned("vault", KEY_VAULT),
    assigned("key", f"{KEY_VAULT}/keys/journal"),
    assigned("above", ABOVE),
    assigned("custom", S, role="0a000000-0000-4000-8000-000000000001"),
    assigned("strange", S, type="a-kind-nobody-knows"),
    assigned("malformed", S, roleDefinitionId=7),
]
LEFT = [
    assigned("person", S, type="User"),
    assigned("reader", S, READER, "Group"),
    assigned("reader-above", ABOVE, READER),
    assigned("account", f"{S}/resourceGroups/rg-a/providers/Microsoft.Storage/storageAccounts/st"),
    assigned("custom-elsewhere", f"{S}/resourceGroups/rg-a/providers/Microsoft.Web/sites/a", role="x"),
]


def plan() -> Plan:
    return Plan([ROLES.resource_type], [ROLES], ())


def test_only_rows_that_may_matter_for_keys_are_kept() -> None:
    running = box([*KEPT, *LEFT])
    result = scanned(running, plan=plan())
    names = {id.rsplit("/", 1)[-1] for id in result.resources if "roleassignments" in id.lower()}
    assert names == {each["name"] for each in KEPT}
    assert result.reads[URL] == len(KEPT)
    assert not result.gaps
    assert repeated(running) == []


def test_each_belongs_to_the_bundle_of_its_subscription_wherever_it_is_set() -> None:
    result = scanned(box(KEPT), plan=plan())
    ids = [id for id in result.resources if "roleassignments" in id.lower() and S2 not in id]
    assert {bundle_of(id) for id in ids} == {S.lower()}
    assert {Resource({"id": id}).list_key for id in ids} == {URL.lower()}


def test_a_subscription_has_one_request_however_long_the_list_is() -> None:
    running = box([*KEPT, *LEFT, VAULT])
    scanned(running, plan=plan())
    asked = [each for each in running.requests if "roleassignments" in each.path.lower()]
    assert sorted(each.path.split("/")[2] for each in asked) == [S1, S2]


def test_a_role_without_the_right_is_a_gap_that_names_it() -> None:
    result = scanned(box(KEPT, grants=[RoleGrant("/", ("*/read",), (ROLES.action,))]), plan=plan())
    assert result.gaps[URL]["action"] == "Microsoft.Authorization/roleAssignments/read"


@pytest.mark.parametrize("given", [{}, {"properties": None}, {"properties": {"scope": 7}}, {"properties": []}])
def test_a_row_that_cannot_be_judged_is_kept(given: dict[str, Any]) -> None:
    row = {"id": f"{URL}/odd", "name": "odd", **given}
    result = scanned(box([row]), plan=plan())
    assert f"{URL}/odd" in result.resources


def test_every_plan_with_subscriptions_reads_them_because_vaults_elsewhere_need_them() -> None:
    rule_set = loader.load(packages=False)
    assert any(each.type == ROLES.type for each in rule_set.looked_up())
