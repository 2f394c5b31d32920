"""Which security admin rules are in force in a network: rows of Resource Graph, managers, commits, nonapplication."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from scanner.model.addresses import parse
from scanner.model.resource import Resource
from scanner.reach.networks.fabric import Destination, Fabric
from scanner.reach.networks.filtering import FilterChain, filter_chain
from tests.reach.bodies import ABOVE, ROOT, SUBNET, fabric, labels, manager_rows, network, nsg, rule

NETWORK = f"{ROOT}/virtualNetworks/net"
TENANT = "99999999-0000-0000-0000-000000000009"
ROOT_GROUP = {"managementGroups": [f"/providers/Microsoft.Management/managementGroups/{TENANT}"]}
GROUP = {"managementGroups": ["/providers/Microsoft.Management/managementGroups/mg"]}
OWN = {"subscriptions": ["/subscriptions/00000000-0000-0000-0000-00000000000a"]}
ALLOW = rule("ssh", 100, "Allow", "Internet", "22")
Body = dict[str, Any]


def admin(name: str, access: str, priority: int = 1, ports: str = "*") -> Body:
    any_address = [{"addressPrefix": "*", "addressPrefixType": "IPPrefix"}]
    properties = {"access": access, "priority": priority, "direction": "Inbound", "protocol": "Tcp"}
    properties |= {"sources": any_address, "destinations": any_address}
    properties |= {"sourcePortRanges": ["0-65535"], "destinationPortRanges": [ports]}
    return {"id": f"{ROOT}/x/{name}", "properties": properties}


def made(*rows: Body, subnets: Resource | None = None) -> Fabric:
    result = fabric(subnets or network(ABOVE), nsg(ABOVE, ALLOW), *map(Resource, rows))
    result.security_admin.tenants = frozenset({TENANT})
    return result


def chain(*rows: Body, subnets: Resource | None = None) -> FilterChain:
    return filter_chain(made(*rows, subnets=subnets), Destination(SUBNET, "", "10.0.0.4"), "standard")


def shown(*rows: Body, subnets: Resource | None = None) -> list[str]:
    return labels(chain(*rows, subnets=subnets))


DENY, ALWAYS, PASS = admin("deny", "Deny"), admin("always", "AlwaysAllow", ports="2222"), admin("pass", "Allow")
CONFIGURATION = f"{ROOT}/networkManagers/m/securityAdminConfigurations/c"


def goal(*rules: str, region: str = "norwayeast", time: str = "2026-01-01T00:00:00Z") -> Body:
    """What the manager deployed: names of rules, each with its snapshot."""
    ids = [{"id": f"{CONFIGURATION}/ruleCollections/rc/rules/{each}"} for each in rules]
    properties = {"securityAdminConfigurations": [{"id": f"{CONFIGURATION}/snapshots/1"}], "securityAdminRules": ids}
    id = f"{ROOT}/networkManagers/m/securityAdminRegionalGoalStates/{region}-{time[:4]}"
    return {"id": id, "location": region, "properties": {**properties, "commitTimestamp": time}}


def test_rules_are_found_by_the_ids_that_the_row_of_the_network_names() -> None:
    assert shown(*manager_rows(NETWORK, [DENY])) == []
    assert shown(*manager_rows(f"{ROOT}/virtualNetworks/other", [DENY])) == ["tcp/22"]


@pytest.mark.parametrize("name", ["EffectiveSecurityAdminConfigurations", "effectiveSecurityAdminConfigurations"])
def test_both_spellings_of_the_row(name: str) -> None:
    rows = manager_rows(NETWORK, [DENY])
    rows[0]["properties"] = {name: [{"Id": f"{CONFIGURATION.upper()}/SNAPSHOTS/1"}]}
    assert shown(*rows) == []


def test_a_network_without_a_row_has_no_rules_and_that_is_known() -> None:
    assert shown() == ["tcp/22"]
    empty = manager_rows(NETWORK, [])[0] | {"properties": {"effectiveSecurityAdminConfigurations": []}}
    assert shown(empty) == ["tcp/22"]


@pytest.mark.parametrize(
    "properties",
    [
        {"effectiveSecurityAdminConfigurations": [{"id": f"{CONFIGURATION}/snapshots/1"}]},
        {"effectiveSecurityAdminConfigurations": [{"id": None}]},
        {"effectiveSecurityAdminConfigurations": [7]},
        {"effectiveSecurityAdminConfigurations": "Sovereign"},
        {"access": "Deny", "direction": "Inbound", "priority": 1},  # the form of snapshots before twolocks 0.9
        {},
        None,
    ],
)
def test_a_governed_network_whose_rules_nobody_can_read_is_neither_open_nor_closed(properties: Any) -> None:
    result = chain(manager_rows(NETWORK, [])[0] | {"properties": properties})
    assert not [each for each in result.open_ranges if each.certain]
    assert all(each.possible.holds(parse("8.8.8.8")) and each.missing for each in result.open_ranges)
    assert result.open_ranges
    steps = result.explain("tcp", 22)
    assert (steps[0].kind, steps[0].allows) == ("admin-rules", None)
    assert "could not be read" in steps[0].hop().detail


def test_a_rule_that_was_deployed_and_not_read_leaves_the_network_inconclusive() -> None:
    rows = manager_rows(NETWORK, [PASS])
    assert shown(*rows, goal("pass/snapshots/1")) == ["tcp/22"]
    assert not [each for each in shown(*rows, goal("pass/snapshots/1", "gone/snapshots/1")) if "(" not in each]


def test_the_last_commit_of_the_region_says_what_is_deployed() -> None:
    rows = manager_rows(NETWORK, [DENY, PASS])
    target = Resource({**network(ABOVE).body, "location": "Norway East"})
    assert shown(*rows, goal("pass/snapshots/1"), subnets=target) == ["tcp/22"]
    assert shown(*rows, goal("deny/snapshots/1"), subnets=target) == []
    newer = goal("pass/snapshots/1", time="2027-01-01T00:00:00Z")
    assert shown(*rows, goal("deny/snapshots/1"), newer, subnets=target) == ["tcp/22"]
    elsewhere = goal("pass/snapshots/1", region="westeurope", time="2027-01-01T00:00:00Z")
    assert shown(*rows, goal("deny/snapshots/1"), elsewhere, subnets=target) == []


def test_two_snapshots_of_a_rule_without_a_commit_are_both_possible() -> None:
    rows = manager_rows(NETWORK, [DENY])
    older = deepcopy(rows[1])
    older["id"] = older["id"].replace("/snapshots/1", "/snapshots/0")
    older["properties"]["access"] = "Allow"
    assert shown(*rows, older) == ["(tcp/22)"]


# Managers


@pytest.mark.parametrize(
    ("higher", "lower"),
    [(ROOT_GROUP, GROUP), (ROOT_GROUP, OWN), (GROUP, OWN), (GROUP, {**OWN, "managementGroups": []})],
)
def test_the_manager_of_the_higher_scope_comes_first_whatever_the_priorities(higher: Body, lower: Body) -> None:
    late, early = admin("deny", "Deny", 100), admin("always", "AlwaysAllow", 1, "2222")
    above, below = manager_rows(NETWORK, [late], "a", higher), manager_rows(NETWORK, [early], "b", lower)
    assert shown(*above, *below) == []
    assert shown(*below, *above) == []
    above, below = manager_rows(NETWORK, [late], "a", lower), manager_rows(NETWORK, [early], "b", higher)
    assert shown(*above, *below) == ["tcp/2222"]


@pytest.mark.parametrize("scope", [GROUP, {}, None])
def test_managers_whose_order_is_not_known_leave_their_conflict_inconclusive(scope: Body | None) -> None:
    above = manager_rows(NETWORK, [admin("deny", "Deny")], "a", GROUP)
    below = manager_rows(NETWORK, [admin("always", "AlwaysAllow", 1, "2222")], "b", scope)
    assert shown(*above, *below) == ["(tcp/2222)"]
    assert shown(*above, *manager_rows(NETWORK, [admin("deny", "Deny")], "b", scope)) == []


def test_rules_of_a_higher_manager_that_nobody_can_read_come_before_those_that_were_read() -> None:
    unread = manager_rows(NETWORK, [], "a", GROUP)
    assert not [each for each in shown(*unread, *manager_rows(NETWORK, [PASS], "b", OWN)) if "(" not in each]
    read = manager_rows(NETWORK, [admin("deny", "Deny")], "a", GROUP)
    assert all(each.startswith("(udp/") for each in shown(*read, *manager_rows(NETWORK, [], "b", OWN)))


# Rule collections


def collections(*applied: str) -> list[Body]:
    """A Deny in the collection `one` and an Allow in `two`, which apply to these groups; the network is in `mine`."""
    rows = manager_rows(NETWORK, [DENY, PASS])
    rows[1]["id"] = rows[1]["id"].replace("/rc/", "/one/")
    rows[2]["id"] = rows[2]["id"].replace("/rc/", "/two/")
    groups = f"{ROOT}/networkManagers/m/networkGroups"
    for name, group in zip(("one", "two"), applied, strict=True):
        named = {"appliesToGroups": [{"networkGroupId": f"{groups}/{group}"}]}
        rows.append({"id": f"{CONFIGURATION}/ruleCollections/{name}/snapshots/1", "properties": named})
    return [*rows, {"id": f"{groups}/mine/members/a", "properties": {"memberId": NETWORK}}]


def test_a_rule_collection_applies_to_the_networks_of_its_groups() -> None:
    assert shown(*collections("mine", "mine")) == ["(tcp/22)"]  # of one priority
    assert shown(*collections("other", "mine")) == ["tcp/22"]
    assert shown(*collections("mine", "other")) == []


def test_which_collection_applies_is_not_known_without_the_members_of_its_groups() -> None:
    assert shown(*collections("other", "mine")[:-1]) == ["(tcp/22)"]


def test_a_deployment_that_failed_may_have_applied_nothing() -> None:
    rows = manager_rows(NETWORK, [DENY])
    rows[0]["properties"]["provisioningState"] = "Failed"
    assert shown(*rows) == ["(tcp/22)"]


# Nonapplication


def delegated(service: str) -> Resource:
    document = deepcopy(network(ABOVE).body)
    document["properties"]["subnets"].append(
        {
            "id": f"{NETWORK}/subnets/data",
            "name": "data",
            "properties": {"delegations": [{"properties": {"serviceName": service}}]},
        }
    )
    return Resource(document)


@pytest.mark.parametrize("service", ["Microsoft.Sql/managedInstances", "Microsoft.Databricks/workspaces"])
@pytest.mark.parametrize(
    ("setting", "deny", "always"),
    [
        ([], ["tcp/22"], ["tcp/22"]),
        (["None"], ["tcp/22"], ["tcp/22"]),
        (None, ["tcp/22"], ["tcp/22"]),
        (["AllowRulesOnly"], ["tcp/22"], ["tcp/22", "tcp/2222"]),
        (["All"], [], ["tcp/22", "tcp/2222"]),
        ("unread", ["(tcp/22)"], ["tcp/22", "(tcp/2222)"]),
    ],
)
def test_networks_with_intent_policies_are_skipped_unless_the_configuration_says_otherwise(
    service: str, setting: Any, deny: list[str], always: list[str]
) -> None:
    services = {"applyOnNetworkIntentPolicyBasedServices": setting}
    row = [] if setting == "unread" else [{"id": f"{CONFIGURATION}/snapshots/1", "properties": services}]
    assert shown(*manager_rows(NETWORK, [DENY]), *row, subnets=delegated(service)) == deny
    assert shown(*manager_rows(NETWORK, [ALWAYS]), *row, subnets=delegated(service)) == always


def test_another_delegation_changes_nothing() -> None:
    assert shown(*manager_rows(NETWORK, [DENY]), subnets=delegated("Microsoft.Web/serverFarms")) == []


@pytest.mark.parametrize(
    ("name", "more", "exempt"),
    [
        ("GatewaySubnet", {}, True),
        ("AzureBastionSubnet", {}, True),
        ("AzureFirewallSubnet", {}, True),
        ("AzureFirewallManagementSubnet", {}, True),
        ("RouteServerSubnet", {}, True),
        ("inner", {"applicationGatewayIPConfigurations": [{"id": f"{ROOT}/applicationGateways/g/x/y"}]}, True),
        ("inner", {"ipConfigurations": [{"id": f"{ROOT}/applicationGateways/g/gatewayIPConfigurations/y"}]}, True),
        ("inner", {"ipConfigurations": [{"id": f"{ROOT}/networkInterfaces/n/ipConfigurations/y"}]}, False),
        ("inner", {}, False),
    ],
)
def test_subnets_of_gateways_are_skipped(name: str, more: Body, exempt: bool) -> None:
    subnet = f"{NETWORK}/subnets/{name}"
    properties = {"networkSecurityGroup": {"id": ABOVE}, **more}
    target = Resource(
        {"id": NETWORK, "properties": {"subnets": [{"id": subnet, "name": name, "properties": properties}]}}
    )
    result = filter_chain(made(*manager_rows(NETWORK, [DENY]), subnets=target), Destination(subnet), "standard")
    assert labels(result) == (["tcp/22"] if exempt else [])
