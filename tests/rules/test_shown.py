"""What an endpoint shows beside its two locks: the ports that it has, and what its fix begins with."""

from copy import deepcopy
from typing import Any

import pytest
from msgspec.structs import replace

from scanner.model.exposure import Exposure
from tests.rules import examples


def shown(type: str, endpoint: str, **properties: Any) -> Exposure:
    """Return an endpoint of the healthy resource of a type with other properties."""
    healthy = examples.healthy(type)
    body = deepcopy(healthy.body)
    body["properties"] |= properties
    return examples.judge(replace(healthy, body=body))[1][endpoint]


@pytest.mark.parametrize(("state", "is_first"), [("Stopped", True), ("Running", False)])
def test_a_cluster_is_started_before_it_is_restricted(state: str, is_first: bool) -> None:
    found = shown("Microsoft.ContainerService/managedClusters", "api-server", powerState={"code": state})
    assert {lock: "start it" in each.steps[0] for lock, each in found.fixes.items()} == dict.fromkeys(
        ("network", "authentication") if is_first else (), True
    )


@pytest.mark.parametrize(("transport", "ports"), [("tcp", ("tcp/6379",)), ("Tcp", ("tcp/6379",)), ("auto", ())])
def test_a_container_app_has_a_port_of_its_own_over_tcp_alone(transport: str, ports: tuple[str, ...]) -> None:
    ingress = {"external": True, "transport": transport, "targetPort": 8080, "exposedPort": 6379}
    found = shown("Microsoft.App/containerApps", "ingress", configuration={"ingress": ingress})
    assert found.ports == ports
    assert set(found.fixes) == ({"anonymous-access"} if ports else set())


@pytest.mark.parametrize(
    ("name", "ports"), [("EnableCassandra", ("tcp/10350", "tcp/443")), ("EnableTable", ()), ("EnableGremlin", ())]
)
def test_a_cosmos_account_has_the_port_of_its_api(name: str, ports: tuple[str, ...]) -> None:
    found = shown("Microsoft.DocumentDB/databaseAccounts", "cosmos", capabilities=[{"name": name}])
    assert found.ports == ports


def test_a_request_that_only_an_address_rule_may_allow_is_not_said_to_be_allowed() -> None:
    rules = {
        "publicNetwork": {"allow": ["ClientConnection"], "deny": ["ServerConnection", "RESTAPI", "Trace"]},
        "ipRules": [{"value": "0.0.0.0/0", "action": "Allow"}],
    }
    found = shown("Microsoft.SignalRService/signalR", "server", networkACLs=rules)
    assert [each.allows for each in found.reach.hops if each.kind == "firewall"] == [None]
