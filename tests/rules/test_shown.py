"""What an endpoint shows beside its two locks, the ports that it has and what its fix begins with; and causes."""

from copy import deepcopy
from typing import Any

import pytest
from msgspec.structs import replace

from scanner.model.exposure import Exposure
from scanner.model.verdict import Fail
from tests.rules import examples
from tests.rules.verdicts import verdicts


def shown(type: str, endpoint: str, **properties: Any) -> Exposure:
    """Return an endpoint of the healthy resource of a type with other properties."""
    healthy = examples.healthy(type)
    body = deepcopy(healthy.body)
    body["properties"] |= properties
    return examples.judge(replace(healthy, body=body))[1][endpoint]


@pytest.mark.parametrize(("state", "is_first"), [("Stopped", True), ("Running", False)])
def test_a_cluster_is_started_before_it_is_restricted(state: str, is_first: bool) -> None:
    exposure = shown("Microsoft.ContainerService/managedClusters", "api-server", powerState={"code": state})
    assert {lock: "start it" in each.steps[0] for lock, each in exposure.fixes.items()} == dict.fromkeys(
        ("network", "authentication") if is_first else (), True
    )


@pytest.mark.parametrize(("transport", "ports"), [("tcp", ("tcp/6379",)), ("Tcp", ("tcp/6379",)), ("auto", ())])
def test_a_container_app_has_a_port_of_its_own_over_tcp_alone(transport: str, ports: tuple[str, ...]) -> None:
    ingress = {"external": True, "transport": transport, "targetPort": 8080, "exposedPort": 6379}
    exposure = shown("Microsoft.App/containerApps", "ingress", configuration={"ingress": ingress})
    assert exposure.ports == ports
    assert set(exposure.fixes) == ({"anonymous-access"} if ports else set())


@pytest.mark.parametrize(
    ("name", "ports"), [("EnableCassandra", ("tcp/10350", "tcp/443")), ("EnableTable", ()), ("EnableGremlin", ())]
)
def test_a_cosmos_account_has_the_port_of_its_api(name: str, ports: tuple[str, ...]) -> None:
    exposure = shown("Microsoft.DocumentDB/databaseAccounts", "cosmos", capabilities=[{"name": name}])
    assert exposure.ports == ports


def test_a_request_that_only_an_address_rule_may_allow_is_not_said_to_be_allowed() -> None:
    rules = {
        "publicNetwork": {"allow": ["ClientConnection"], "deny": ["ServerConnection", "RESTAPI", "Trace"]},
        "ipRules": [{"value": "0.0.0.0/0", "action": "Allow"}],
    }
    exposure = shown("Microsoft.SignalRService/signalR", "server", networkACLs=rules)
    assert [each.allows for each in exposure.reach.hops if each.kind == "firewall"] == [None]


def firsts(example: str, **profile: Any) -> set[str]:
    """Return what the fixes of the network lock of an example of a machine begin with."""
    case = next(each for each in examples.cases() if each.name == example)
    body = deepcopy(case.body)
    if profile:
        body["properties"]["networkProfile"] = profile
    result = examples.judge(replace(case, body=body))[1].values()
    return {each.fixes["network"].check_first for each in result if "network" in each.fixes}


def test_a_fix_that_names_no_rule_begins_with_the_rules_of_a_known_interface() -> None:
    case = next(each for each in examples.cases() if each.name == "SSH for one office")
    (interface,) = case.body["properties"]["networkProfile"]["networkInterfaces"]
    first = {f"az network nic list-effective-nsg --ids {interface['id']}"}
    assert firsts("SSH for one office") == first
    unread = {"id": interface["id"] + "-that-was-not-read"}
    assert firsts("SSH for one office", networkInterfaces=[unread, {}, interface]) == first


def test_a_fix_of_a_rule_begins_with_the_rule_and_one_of_instances_with_none() -> None:
    (first,) = firsts("SSH on a public address")
    assert first.startswith("az network nsg rule show --ids ")
    assert firsts("instances with Basic addresses and no network security group") == {""}


OLD, NEW = ({"sslPolicy": {"policyName": name}} for name in ("AppGwSslPolicy20170401", "AppGwSslPolicy20220101"))


@pytest.mark.parametrize(
    ("own", "profiles", "causes"),
    [
        (NEW, [("a", OLD), ("b", NEW), ("c", OLD)], [("a", 0, False), ("c", 2, False)]),
        (NEW, [(None, OLD), ("b", OLD)], [("absent", 0, True), ("b", 1, False)]),
        (OLD, [("a", NEW), ("b", OLD)], [("b", 1, False), ("", -1, False)]),
    ],
)
def test_each_old_tls_policy_of_a_gateway_is_a_cause(
    own: dict[str, Any], profiles: list[tuple[str | None, Any]], causes: list[tuple[str, int, bool]]
) -> None:
    type, rule = "Microsoft.Network/applicationGateways", "application-gateway-old-tls"
    body = deepcopy(examples.healthy(type).body)
    body["properties"] |= own | {
        "sslProfiles": [{"properties": each} | ({"name": name} if name else {}) for name, each in profiles]
    }
    case = replace(examples.healthy(type), body=body)
    asked = verdicts([examples.rule_at(rule, case.type)], examples.bundle(case), examples.index_of(case))
    (verdict,) = (verdict for _, _, verdict in asked)
    assert isinstance(verdict, Fail)
    # A profile without a name has no command; it has a step in words, whose effect is shown.
    assert [(each.text, each.position, bool(each.words)) for each in verdict.causes] == causes
    assert [bool(each.effect) for each in verdict.causes] == [in_words for _, _, in_words in causes]
