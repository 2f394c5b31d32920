"""What a sender inside may send, and the address that others see of it."""

from __future__ import annotations

from typing import Any

import pytest

from scanner.model.addresses import parse
from scanner.model.exposure import SHARED, Exposure, Grant, Lock, Reach
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.reach.paths.appliances import appliances_before
from scanner.reach.paths.internal_paths import internal_paths
from scanner.reach.paths.topology import topology
from scanner.reach.questions.callers import Caller, caller_of_resource
from scanner.reach.questions.port_query import AskedPort, ask_port
from scanner.reach.questions.query import ask_endpoint
from tests.reach.bodies import manager_rows

NET = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.Network"
Body = dict[str, Any]


def rule(direction: str, access: str, source: str, target: str, priority: int = 100, port: str = "*") -> Body:
    properties = {"priority": priority, "direction": direction, "access": access, "protocol": "Tcp"}
    properties |= {"sourceAddressPrefix": source, "destinationAddressPrefix": target}
    properties |= {"sourcePortRange": "*", "destinationPortRange": port}
    return {"name": f"{access}-{direction}".lower(), "properties": properties}


def group(name: str, *rules: Body) -> Body:
    return {"id": f"{NET}/networkSecurityGroups/{name}", "properties": {"securityRules": list(rules)}}


def network(name: str, prefix: str, group: str = "", table: str = "", **peering: Any) -> Body:
    id = f"{NET}/virtualNetworks/{name}"
    inner: Body = {"addressPrefix": prefix, "serviceEndpoints": []}
    inner |= {"networkSecurityGroup": {"id": f"{NET}/networkSecurityGroups/{group}"}} if group else {}
    inner |= {"routeTable": {"id": f"{NET}/routeTables/{table}"}} if table else {}
    peer = peering.pop("peer", "")
    remote = {"remoteVirtualNetwork": {"id": f"{NET}/virtualNetworks/{peer}"}, "peeringState": "Connected", **peering}
    properties: Body = {"addressSpace": {"addressPrefixes": [prefix]}, "virtualNetworkPeerings": []}
    properties |= {"virtualNetworkPeerings": [{"properties": remote}]} if peer else {}
    return {
        "id": id,
        "properties": {**properties, "subnets": [{"id": f"{id}/subnets/s", "name": "s", "properties": inner}]},
    }


def nic(name: str, network: str, address: str, public: str = "") -> Body:
    inner: Body = {"privateIPAddress": address, "subnet": {"id": f"{NET}/virtualNetworks/{network}/subnets/s"}}
    inner |= {"publicIPAddress": {"id": f"{NET}/publicIPAddresses/{public}"}} if public else {}
    configurations = [{"name": "ip", "properties": inner}]
    return {"id": f"{NET}/networkInterfaces/{name}", "properties": {"ipConfigurations": configurations}}


def table(name: str, prefix: str, hop: str, address: str = "") -> Body:
    route = {"addressPrefix": prefix, "nextHopType": hop, "nextHopIpAddress": address}
    return {"id": f"{NET}/routeTables/{name}", "properties": {"routes": [{"properties": route}]}}


def public(name: str, address: str) -> Body:
    return {"id": f"{NET}/publicIPAddresses/{name}", "sku": {"name": "Standard"}, "properties": {"ipAddress": address}}


def index(*bodies: Body) -> Index:
    made = Index(live=False)
    for each in bodies:
        made.add(Resource(each))
    return made


def caller(made: Index, name: str = "a") -> Caller:
    result = caller_of_resource(name, f"{NET}/networkInterfaces/{name}", topology(made))
    assert result is not None
    return result


def asked(made: Index, port: int = 22) -> tuple[str, list[bool | None]]:
    """From the interface `a` to the interface `b`."""
    result, sender = topology(made), caller(made)
    target = result.fabric.nics[f"{NET}/networkInterfaces/b".lower()]
    top = Resource({"id": f"{NET}/machines/vm", "name": "vm"})
    paths = [*internal_paths(result, [target.id]), *result.paths(target)]
    given = ask_port(AskedPort("tcp", port), paths, (), top, sender, result)
    return given.verdict, [hop.allows for hop in given.hops]


A, B = nic("a", "one", "10.0.0.4"), nic("b", "one", "10.0.0.5")
FAR = nic("b", "two", "10.1.0.5")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((), "yes"),
        ((rule("Outbound", "Deny", "*", "*"),), "no"),
        ((rule("Outbound", "Deny", "*", "10.0.0.5"),), "no"),
        ((rule("Outbound", "Deny", "*", "10.0.0.6"),), "yes"),
        ((rule("Outbound", "Deny", "10.0.0.4", "VirtualNetwork"),), "no"),
        ((rule("Outbound", "Deny", "10.0.0.9", "VirtualNetwork"),), "yes"),
        ((rule("Outbound", "Deny", "*", "*", port="80"),), "yes"),
        ((rule("Outbound", "Deny", "*", "*", 200), rule("Outbound", "Allow", "*", "10.0.0.0/24", 100)), "yes"),
        ((rule("Inbound", "Deny", "*", "*"),), "no"),
        ((rule("Outbound", "Perhaps", "*", "*"),), "not known"),
    ],
)
def test_outbound_rules_of_the_sender_count(rules: tuple[Body, ...], expected: str) -> None:
    assert asked(index(network("one", "10.0.0.0/24", "nsg"), group("nsg", *rules), A, B))[0] == expected


def test_a_group_that_was_not_read_leaves_the_sender_inconclusive() -> None:
    assert asked(index(network("one", "10.0.0.0/24", "nsg"), A, B))[0] == "not known"


def outbound_admin(access: str, target: str = "*", direction: str = "Outbound", **more: Any) -> Body:
    kinds = {True: "ServiceTag", False: "IPPrefix"}
    ends = {"sources": more.pop("source", "*"), "destinations": target}
    properties = {"access": access, "priority": 10, "direction": direction, "protocol": "Tcp"}
    properties |= {"sourcePortRanges": ["0-65535"], "destinationPortRanges": ["22"], **more}
    for name, text in ends.items():
        properties[name] = [{"addressPrefix": text, "addressPrefixType": kinds[text.isalpha()]}]
    return {"id": f"/x/{access}{target}{direction}{properties['priority']}", "properties": properties}


CLOSED = rule("Outbound", "Deny", "*", "*")


@pytest.mark.parametrize(
    ("rules", "groups", "port", "expected"),
    [
        ([outbound_admin("Deny")], (), 22, "no"),
        ([outbound_admin("Deny")], (), 80, "yes"),
        ([outbound_admin("Deny", "10.0.0.5")], (), 22, "no"),
        ([outbound_admin("Deny", "10.0.0.6")], (), 22, "yes"),
        ([outbound_admin("Deny", "VirtualNetwork")], (), 22, "no"),
        ([outbound_admin("Deny", "Internet")], (), 22, "yes"),
        ([outbound_admin("Deny", source="10.0.0.4")], (), 22, "no"),
        ([outbound_admin("Deny", source="10.0.0.5")], (), 22, "yes"),
        ([outbound_admin("Allow")], (), 22, "yes"),
        ([outbound_admin("Allow")], (CLOSED,), 22, "no"),
        ([outbound_admin("AlwaysAllow")], (CLOSED,), 22, "yes"),
        ([outbound_admin("AlwaysAllow", "10.0.0.6")], (CLOSED,), 22, "no"),
        ([outbound_admin("Allow"), outbound_admin("Deny", priority=20)], (), 22, "yes"),
        ([outbound_admin("Perhaps")], (), 22, "not known"),
        ([outbound_admin("Deny", "10.0.0.5", direction="Perhaps")], (), 22, "not known"),
        ([outbound_admin("Perhaps")], (CLOSED,), 22, "not known"),
        ([outbound_admin("Deny", direction="Perhaps")], (CLOSED,), 22, "no"),  # the group blocks in any case
        ([outbound_admin("Deny")], (rule("Perhaps", "Deny", "*", "*"),), 22, "no"),
        ([outbound_admin("Allow")], (rule("Perhaps", "Deny", "*", "*"),), 22, "not known"),
        ([], (), 22, "not known"),  # a configuration is in force, and its rules were not read
    ],
)
def test_outbound_admin_rules_come_before_the_groups_of_the_sender(
    rules: list[Body], groups: tuple[Body, ...], port: int, expected: str
) -> None:
    target = network("one", "10.0.0.0/24", "nsg")
    rows = manager_rows(target["id"], rules)
    assert asked(index(target, group("nsg", *groups), A, B, *rows), port)[0] == expected


@pytest.mark.parametrize(
    ("prefix", "hop", "expected"),
    [
        ("0.0.0.0/0", "VirtualAppliance", "yes"),  # the network's own prefix is longer
        ("10.0.0.0/8", "None", "yes"),
        ("10.0.0.0/24", "VirtualAppliance", "not known"),
        ("10.0.0.5/32", "None", "no"),
        ("10.0.0.0/24", "VnetLocal", "yes"),
        ("10.0.0.6/32", "None", "yes"),
    ],
)
def test_routes_of_the_sender_count(prefix: str, hop: str, expected: str) -> None:
    made = index(network("one", "10.0.0.0/24", table="rt"), table("rt", prefix, hop, "10.0.0.99"), A, B)
    assert asked(made)[0] == expected


SUBNETS = {"peerCompleteVnets": False, "remoteSubnetNames": ["s"]}


@pytest.mark.parametrize(
    ("peering", "expected"),
    [
        ({"peer": "two"}, "yes"),
        ({"peer": "two", "peeringState": None}, "not known"),
        ({"peer": "two", "peeringState": "Initiated"}, "not known"),
        ({"peer": "two", "peeringState": "Disconnected"}, "not known"),
        ({}, "not known"),
        ({"peer": "three"}, "not known"),
        ({"peer": "two", "allowVirtualNetworkAccess": False}, "not known"),
        ({"peer": "two", "peerCompleteVnets": False, "localSubnetNames": ["s"], "remoteSubnetNames": ["s"]}, "yes"),
        (
            {"peer": "two", "peerCompleteVnets": False, "localSubnetNames": ["x"], "remoteSubnetNames": ["s"]},
            "not known",
        ),
    ],
)
def test_beyond_direct_peering_the_inside_is_not_known(peering: Body, expected: str) -> None:
    made = index(network("one", "10.0.0.0/24", **peering), network("two", "10.1.0.0/24", peer="one"), A, FAR)
    assert asked(made)[0] == expected


def test_a_peering_of_which_one_side_is_missing_is_not_known() -> None:
    made = index(network("one", "10.0.0.0/24", peer="two"), network("two", "10.1.0.0/24"), A, FAR)
    assert asked(made)[0] == "not known"


def test_a_target_that_blocks_the_network_is_closed_whatever_the_path_is() -> None:
    closed = group("nsg", rule("Inbound", "Deny", "*", "*"))
    made = index(network("one", "10.0.0.0/24"), network("two", "10.1.0.0/24", "nsg"), closed, A, FAR)
    assert asked(made)[0] == "no"


GATEWAY = {
    "id": f"{NET}/natGateways/nat",
    "properties": {
        "subnets": [{"id": f"{NET}/virtualNetworks/one/subnets/s"}],
        "publicIpAddresses": [{"id": f"{NET}/publicIPAddresses/nat"}],
    },
}
FIREWALL = {
    "id": f"{NET}/azureFirewalls/fw",
    "properties": {
        "ipConfigurations": [
            {
                "properties": {
                    "privateIPAddress": "10.9.0.4",
                    "publicIPAddress": {"id": f"{NET}/publicIPAddresses/fw"},
                    "subnet": {"id": f"{NET}/virtualNetworks/hub/subnets/AzureFirewallSubnet"},
                }
            }
        ]
    },
}


# What may publish a machine


def pair() -> list[Body]:
    """Two appliances behind an internal load balancer at 10.9.0.9."""
    front = f"{NET}/loadBalancers/nva/frontendIPConfigurations/f"
    pool = f"{NET}/loadBalancers/nva/backendAddressPools/p"
    inner = {"privateIPAddress": "10.9.0.9", "subnet": {"id": f"{NET}/virtualNetworks/hub/subnets/s"}}
    ports = {"protocol": "All", "frontendPort": 0, "backendPort": 0, "frontendIPConfiguration": {"id": front}}
    members = [{"id": f"{NET}/networkInterfaces/nva-{number}/ipConfigurations/ip"} for number in (1, 2)]
    balancer = {
        "id": f"{NET}/loadBalancers/nva",
        "properties": {
            "frontendIPConfigurations": [{"id": front, "properties": inner}],
            "backendAddressPools": [{"id": pool, "properties": {"backendIPConfigurations": members}}],
            "loadBalancingRules": [{"name": "ha", "properties": {**ports, "backendAddressPool": {"id": pool}}}],
        },
    }
    return [balancer, *(nic(f"nva-{number}", "hub", f"10.9.0.{number}") for number in (1, 2))]


SUBNET = f"{NET}/virtualNetworks/one/subnets/s".lower()


@pytest.mark.parametrize(
    ("bodies", "address", "text"),
    [
        (
            pair(),
            "10.9.0.9",
            "the appliances nva-1 and nva-2, on the default route of its subnet, may publish this machine",
        ),
        (pair(), "10.9.0.1", "the appliance nva-1, on the default route of its subnet, may publish this machine"),
        ([], "10.9.0.7", "the appliance at 10.9.0.7, on the default route of its subnet, may publish this machine"),
        ("firewall", "10.9.0.4", ""),
        ([], "", ""),
    ],
)
def test_a_third_party_appliance_before_a_spoke_may_publish_its_machines(bodies: Any, address: str, text: str) -> None:
    more = [FIREWALL] if bodies == "firewall" else bodies
    made = index(
        network("one", "10.0.0.0/24", table="rt"), table("rt", "0.0.0.0/0", "VirtualAppliance", address), *more
    )
    assert appliances_before(topology(made), [SUBNET]) == ((text,) if text else ())


def test_an_appliance_that_is_not_on_the_default_route_is_not_told() -> None:
    made = index(network("one", "10.0.0.0/24", table="rt"), table("rt", "10.1.0.0/16", "VirtualAppliance", "10.9.0.7"))
    assert appliances_before(topology(made), [SUBNET]) == ()


# The address that others see

SERVICE = ResourceType("Microsoft.Sql/servers", api="2023-08-01")
ADDRESSES = (public("own", "20.1.0.1"), public("nat", "20.1.0.2"), public("fw", "20.1.0.3"))


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        ((), "20.1.0.1"),
        ((GATEWAY,), "20.1.0.2"),
        ((GATEWAY, FIREWALL, table("rt", "0.0.0.0/0", "VirtualAppliance", "10.9.0.4")), "20.1.0.3"),
        ((GATEWAY, table("rt", "0.0.0.0/0", "VirtualAppliance", "10.9.0.9")), ""),
        ((GATEWAY, table("rt", "0.0.0.0/0", "VirtualNetworkGateway")), ""),
        ((GATEWAY, table("rt", "0.0.0.0/0", "None")), ""),
        ((GATEWAY, table("rt", "0.0.0.0/0", "Internet")), "20.1.0.2"),
        ((GATEWAY, table("rt", "10.0.0.0/8", "VirtualAppliance", "10.9.0.4")), "20.1.0.2"),
    ],
)
def test_an_appliance_comes_before_the_gateway_and_that_before_the_own_address(
    bodies: tuple[Body, ...], expected: str
) -> None:
    where = network("one", "10.0.0.0/24", table="rt" if any("/routeTables/" in each["id"] for each in bodies) else "")
    made = index(where, nic("a", "one", "10.0.0.4", "own"), *ADDRESSES, *bodies)
    sender = caller(made)
    assert sender.addresses is not None
    assert sender.addresses.describe() == ([expected] if expected else [])
    lock = Lock((Grant(Reach.selected, (), Message("one address"), addresses=parse("20.1.0.1")),))
    service = Resource({"id": "/x/sql", "name": "sql", "type": "Microsoft.Sql/servers"})
    answer = ask_endpoint(Exposure("sql", "data", lock, SHARED, ports=("tcp/1433",)), service, sender, made, SERVICE)
    dropped = any(each["id"].endswith("rt") and "None" in str(each) for each in bodies)
    assert answer.verdict == ("yes" if expected == "20.1.0.1" else "no" if expected or dropped else "not known")
