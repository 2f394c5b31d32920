"""Virtual network gateways, which ARM lists in resource groups only."""

import pytest

from scanner.collect.collector import Plan, Scope
from scanner.model.resource_type import ResourceType
from scanner.sandbox.faults import Fault
from scanner.sandbox.served_estate import ErrorReply, Refusal, ResponseOverrides, RoleGrant
from tests.azure.requests import S1, S2, SUBSCRIPTIONS, Result, account, box, repeated, resource, scanned

TYPE = "Microsoft.Network/virtualNetworkGateways"
GATEWAYS = ResourceType(TYPE, api="2025-09-01")
STORAGE = ResourceType("Microsoft.Storage/storageAccounts", api="2025-06-01")
PLAN = Plan([STORAGE, GATEWAYS], [])
IN_A, IN_B = resource(TYPE, "vpn-a", "rg-a"), resource(TYPE, "vpn-b", "rg-b")
ESTATE = [*account("st0"), IN_A, IN_B, *account("st1", group="rg-c")]
WHOLE = f"/subscriptions/{S1}/providers/{TYPE}"
NO_GRAPH = [Refusal(action="Microsoft.ResourceGraph/*")]
NOT_GROUPS = RoleGrant(actions=("*/read",), not_actions=("Microsoft.Resources/subscriptions/resourceGroups/read",))


def in_group(group: str, subscription: str = S1) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{TYPE}"


def found(result: Result) -> set[str]:
    return {id.rsplit("/", 1)[1] for id in result.resources if f"/{TYPE}/" in id}


@pytest.mark.parametrize("graph", [True, False])
def test_they_are_found_and_the_list_of_the_subscription_is_never_asked_for(graph: bool) -> None:
    running = box(ESTATE)
    result = scanned(running, Scope(graph=graph), PLAN)
    assert found(result) == {"vpn-a", "vpn-b"}
    assert result.gaps == {}
    assert result.reads[WHOLE] == 2
    assert result.reads[f"/subscriptions/{S2}/providers/{TYPE}"] == 0
    assert WHOLE not in {request.path for request in running.requests}
    assert repeated(running) == []


def test_only_the_groups_that_have_one_are_listed_where_resource_graph_says_which() -> None:
    running = box(ESTATE)
    result = scanned(running, plan=PLAN)
    listed = {request.path for request in running.requests if request.path.endswith("virtualNetworkGateways")}
    assert listed == {in_group("rg-a"), in_group("rg-b")}
    assert result.by[IN_A["id"]] == "list"


def test_the_sandbox_has_no_list_of_a_subscription_as_azure_has_none() -> None:
    running = box(ESTATE)
    answer = running.arm.read(WHOLE, "api-version=2025-09-01", running.url, running.estate.tenant)
    assert (answer.status, b"InvalidResourceType" in answer.body) == (404, True)


def test_a_group_that_is_refused_is_a_gap_and_the_whole_is_not_known() -> None:
    refused = [*NO_GRAPH, Refusal(path=in_group("rg-b"))]
    result = scanned(box(ESTATE, refusals=refused), plan=PLAN)
    assert found(result) == {"vpn-a"}
    assert result.gaps[in_group("rg-b")]["status"] == 403
    assert WHOLE not in result.reads


def test_a_login_that_may_not_see_all_groups_has_a_gap() -> None:
    """ARM leaves groups out of its list, without any sign."""
    result = scanned(box(ESTATE, grants=[NOT_GROUPS]), Scope(graph=False), PLAN)
    action = "Microsoft.Resources/subscriptions/resourceGroups/read"
    assert result.gaps[WHOLE] == {"url": WHOLE, "status": 403, "code": "AuthorizationFailed", "action": action}
    assert WHOLE not in result.reads


def test_where_the_roles_are_not_known_the_groups_are_not_either() -> None:
    running = box(ESTATE, overrides=ResponseOverrides(no_permissions=404))
    result = scanned(running, Scope(graph=False), PLAN)
    assert (result.gaps[WHOLE]["status"], result.gaps[WHOLE]["code"]) == (404, "InvalidResourceType")


def test_groups_that_cannot_be_listed_are_a_gap() -> None:
    groups = f"/subscriptions/{S1}/resourcegroups"
    result = scanned(box(ESTATE, faults=[Fault("refuse", groups)]), Scope(graph=False), PLAN)
    assert groups in result.gaps
    assert WHOLE not in result.reads


def test_a_group_that_was_deleted_meanwhile_has_none() -> None:
    gone = ErrorReply(in_group("rg-c"), 404, "ResourceGroupNotFound")
    result = scanned(box(ESTATE, overrides=ResponseOverrides(replies=(gone,))), Scope(graph=False), PLAN)
    assert result.gaps == {}
    assert result.reads[WHOLE] == 2


def test_a_partial_view_lists_the_groups_that_are_seen() -> None:
    running = box(ESTATE, SUBSCRIPTIONS[:1], grants=[RoleGrant(f"/subscriptions/{S1}/resourceGroups/rg-a")])
    result = scanned(running, plan=PLAN)
    assert result.views[S1] == "partial"
    assert found(result) == {"vpn-a"}
    assert WHOLE not in result.reads


def test_nothing_else_needs_them_so_that_a_scan_of_other_rules_does_not_list_them() -> None:
    running = box(ESTATE)
    result = scanned(running, Scope(graph=False), Plan([STORAGE], []))
    assert found(result) == set()
    assert not [request for request in running.requests if "virtualNetworkGateways" in request.path]


def test_a_scan_of_groups_lists_those_groups() -> None:
    running = box(ESTATE)
    result = scanned(running, Scope(groups=("rg-a",), graph=False), PLAN)
    assert found(result) == {"vpn-a"}
    listed = {request.path for request in running.requests if request.path.endswith("virtualNetworkGateways")}
    assert listed == {in_group("rg-a")}
