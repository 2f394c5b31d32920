"""Paths from outside: what the examples of the rules (tests/rules/cases/machines.toml) do not show."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.model.index import Index, build
from scanner.model.message import Message
from scanner.model.resource import Children, Resource
from scanner.model.verdict import Unread
from scanner.reach.networks.peerings import peers_of, unseen_peers
from scanner.reach.paths.network_paths import EVERY_PORT, NetworkPath, PortMapping, chained
from scanner.reach.paths.open_ports import open_ports
from scanner.reach.paths.scale_sets import scale_set_paths
from scanner.reach.paths.topology import Topology, groups_on_paths, topology
from scanner.reach.rules.known_ports import known
from scanner.reach.services.private_endpoints import private_endpoint_scope

NET = "/subscriptions/5a000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.Network"
NIC = f"{NET}/networkInterfaces/nic"
CONFIGURATION = f"{NIC}/ipConfigurations/ip"
VNET = f"{NET}/virtualNetworks/vnet"
FRONT = f"{NET}/loadBalancers/lb/frontendIPConfigurations/front"
POOL = f"{NET}/loadBalancers/lb/backendAddressPools/pool"

Body = dict[str, Any]


def rule(name: str, port: str, source: str = "*", protocol: str = "Tcp") -> Body:
    return {
        "name": name,
        "properties": {
            "priority": 100,
            "direction": "Inbound",
            "access": "Allow",
            "protocol": protocol,
            "sourceAddressPrefix": source,
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            "destinationPortRange": port,
        },
    }


def group(*rules: Body) -> Body:
    return {"id": f"{NET}/networkSecurityGroups/nsg", "properties": {"securityRules": list(rules)}}


def network(*, peer: str = "", name: str = "vnet", prefix: str = "10.0.0.0/24", guarded: bool = True) -> Body:
    subnet: Body = {"addressPrefix": prefix}
    if guarded:
        subnet["networkSecurityGroup"] = {"id": f"{NET}/networkSecurityGroups/nsg"}
    peerings = [{"properties": {"remoteVirtualNetwork": {"id": peer}}}] if peer else []
    id = f"{NET}/virtualNetworks/{name}"
    subnets = [
        {"id": f"{id}/subnets/app", "name": "app", "properties": subnet},
        {"id": f"{id}/subnets/AzureFirewallSubnet", "properties": {"addressPrefix": "10.0.99.0/26"}},
    ]
    return {"id": id, "properties": {"subnets": subnets, "virtualNetworkPeerings": peerings}}


def nic(address: str = "10.0.0.4", public: str = "", at: str = VNET, name: str = "nic") -> Body:
    inner: Body = {"privateIPAddress": address, "subnet": {"id": f"{at}/subnets/app"}}
    if public:
        inner["publicIPAddress"] = {"id": f"{NET}/publicIPAddresses/{public}"}
    return {
        "id": f"{NET}/networkInterfaces/{name}",
        "properties": {"ipConfigurations": [{"name": "ip", "properties": inner}]},
    }


def public(name: str = "pip", address: str = "192.0.2.1", sku: Any = "Standard") -> Body:
    return {
        "id": f"{NET}/publicIPAddresses/{name}",
        "sku": {"name": sku},
        "properties": {"ipAddress": address},
    }


def balancer(pool: Body | None = None, front: Body | None = None, **more: Any) -> Body:
    members = pool if pool is not None else {"backendIPConfigurations": [{"id": CONFIGURATION}]}
    inner = front if front is not None else {"publicIPAddress": {"id": f"{NET}/publicIPAddresses/pip"}}
    return {
        "id": f"{NET}/loadBalancers/lb",
        "sku": {"name": "Standard"},
        "properties": {
            "frontendIPConfigurations": [{"id": FRONT, "name": "front", "properties": inner}],
            "backendAddressPools": [{"id": POOL, "name": "pool", "properties": members}],
            **more,
        },
    }


def balanced(front: int, back: int, **more: Any) -> Body:
    inner = {"protocol": "Tcp", "frontendPort": front, "backendPort": back, **more}
    ids = {"frontendIPConfiguration": {"id": FRONT}, "backendAddressPool": {"id": POOL}}
    return {"name": "rule", "properties": {**ids, **inner}}


def firewall(rules: list[Body], **more: Any) -> Body:
    collection = {"name": "in", "properties": {"action": {"type": "Dnat"}, "rules": rules}}
    ip = {
        "subnet": {"id": f"{VNET}/subnets/AzureFirewallSubnet"},
        "publicIPAddress": {"id": f"{NET}/publicIPAddresses/pip-fw"},
    }
    inner = {"ipConfigurations": [{"properties": ip}], "natRuleCollections": [collection], **more}
    return {"id": f"{NET}/azureFirewalls/fw", "properties": inner}


def dnat(**more: Any) -> Body:
    return {
        "name": "dnat",
        "protocols": ["TCP"],
        "sourceAddresses": ["*"],
        "destinationAddresses": ["192.0.2.9"],
        "destinationPorts": ["2222"],
        "translatedAddress": "10.0.0.4",
        "translatedPort": "22",
        **more,
    }


def made(*bodies: Body, missing: tuple[str, ...] = ()) -> Topology:
    index: Index = build([Resource(body, by="get") for body in bodies])
    index.missing = {type.lower(): Unread(type, Message("not collected")) for type in missing}
    return topology(index)


def paths(result: Topology, name: str = "nic") -> list[NetworkPath]:
    return result.paths(result.fabric.nics[f"{NET}/networkInterfaces/{name}".lower()])


def shown(result: Topology, name: str = "nic") -> dict[str, str]:
    """What is open to a network interface: "address label" to the widest sure way."""
    open_endpoints = open_ports(paths(result, name), result.fabric, result.index)
    return {
        f"{endpoint.address} {endpoint.label}": endpoint.reach.widest.level.name if endpoint.reach.widest else "unknown"
        for endpoint in open_endpoints
    }


def test_the_address_of_a_prefix_and_members_by_address() -> None:
    prefix = {
        "id": f"{NET}/publicIPPrefixes/px",
        "sku": {"name": "Standard"},
        "properties": {"ipPrefix": "192.0.2.64/28"},
    }
    members = {
        "virtualNetwork": {"id": VNET},
        "loadBalancerBackendAddresses": [{"properties": {"ipAddress": "10.0.0.4"}}],
    }
    lb = balancer(members, {"publicIPPrefix": {"id": prefix["id"]}}, loadBalancingRules=[balanced(80, 22)])
    result = made(network(), group(rule("ssh", "22")), nic(), prefix, lb)
    assert shown(result) == {"192.0.2.64/28 tcp/80": "internet"}
    elsewhere = {**members, "virtualNetwork": {"id": f"{NET}/virtualNetworks/other"}}
    lb = balancer(elsewhere, {"publicIPPrefix": {"id": prefix["id"]}}, loadBalancingRules=[balanced(80, 22)])
    assert shown(made(network(), group(rule("ssh", "22")), nic(), prefix, lb)) == {}


def test_a_member_through_its_configuration() -> None:
    link = {"networkInterfaceIPConfiguration": {"id": CONFIGURATION.upper()}}
    lb = balancer({"loadBalancerBackendAddresses": [{"properties": link}]}, loadBalancingRules=[balanced(2022, 22)])
    result = made(network(), group(rule("ssh", "22")), nic(), public(), lb)
    assert shown(result) == {"192.0.2.1 tcp/2022": "internet"}


def test_a_rule_of_another_protocol_leads_nowhere() -> None:
    lb = balancer(loadBalancingRules=[balanced(2022, 22, protocol="Udp")])
    assert shown(made(network(), group(rule("ssh", "22")), nic(), public(), lb)) == {}
    lb = balancer(loadBalancingRules=[balanced(2022, 22, protocol="Sctp")])
    assert shown(made(network(), group(rule("ssh", "22")), nic(), public(), lb)) == {"192.0.2.1 tcp/2022": "internet"}


def test_a_gateway_load_balancer_is_a_hop_that_cannot_be_read() -> None:
    front = {
        "publicIPAddress": {"id": f"{NET}/publicIPAddresses/pip"},
        "gatewayLoadBalancer": {"id": f"{NET}/loadBalancers/gw/frontendIPConfigurations/front"},
    }
    lb = balancer(front=front, loadBalancingRules=[balanced(22, 22)])
    result = made(network(), group(rule("ssh", "22")), nic(), public(), lb)
    hops = paths(result)[0].front_end.hops
    assert [(hop.kind, hop.name, hop.allows) for hop in hops] == [
        ("public-ip", "pip", True),
        ("gateway-load-balancer", "gw", None),
        ("load-balancer", "lb", True),
    ]
    assert shown(result) == {"192.0.2.1 tcp/22": "internet"}


def test_an_address_of_a_kind_that_is_unknown_may_be_open() -> None:
    has_other_reasons = (network(guarded=False), nic(public="pip"))
    result = made(*has_other_reasons, public(sku="Gold"))
    assert set(shown(result).values()) == {"unknown"}
    assert shown(made(*has_other_reasons, public(sku="StandardV2"))) == {}
    assert shown(made(*has_other_reasons, public(sku=None)))["192.0.2.1 */*"] == "internet"


def test_an_address_that_a_stopped_machine_has_not_now_is_still_a_path() -> None:
    address = {"id": f"{NET}/publicIPAddresses/pip", "sku": {"name": "Standard"}, "properties": {}}
    result = made(network(), group(rule("ssh", "22")), nic(public="pip"), address)
    assert shown(result) == {" tcp/22": "internet"}
    assert paths(result)[0].front_end.hops[0].detail == "has no address now"


def test_ranges_and_protocols_of_a_firewall() -> None:
    bodies = (network(), group(), nic(), public("pip-fw", "192.0.2.9"))
    ranged = dnat(destinationPorts=["2200-2209"], translatedPort="22")
    assert shown(made(*bodies, firewall([ranged]))) == {"192.0.2.9 tcp/2200-2209": "internet"}
    both = dnat(protocols=["Any"], destinationPorts=["53"], translatedPort="53")
    assert shown(made(*bodies, firewall([both]))) == {"192.0.2.9 */53": "internet"}
    azure = dnat(sourceAddresses=["198.51.100.7", "198.51.100.8-198.51.100.9"])
    assert shown(made(*bodies, firewall([azure]))) == {"192.0.2.9 tcp/2222": "selected"}
    broken = dnat(sourceAddresses=["everybody"])
    assert shown(made(*bodies, firewall([broken]))) == {"192.0.2.9 tcp/2222": "unknown"}
    private = dnat(sourceAddresses=["10.1.0.0/16"])
    assert shown(made(*bodies, firewall([private]))) == {}


def test_a_firewall_reaches_its_network_and_the_peers_only() -> None:
    spoke = network(name="spoke", prefix="10.1.0.0/24")
    at = f"{NET}/virtualNetworks/spoke"
    bodies = (spoke, group(), nic("10.1.0.4", at=at), public("pip-fw", "192.0.2.9"))
    lone = made(network(), *bodies, firewall([dnat(translatedAddress="10.1.0.4")]))
    assert shown(lone) == {}
    peered = made(network(peer=at), *bodies, firewall([dnat(translatedAddress="10.1.0.4")]))
    assert shown(peered) == {"192.0.2.9 tcp/2222": "internet"}
    for state, open_now in (("Connected", True), ("Initiated", False), ("disconnected", False), ("Perhaps", True)):
        hub = network(peer=at)
        hub["properties"]["virtualNetworkPeerings"][0]["properties"]["peeringState"] = state
        assert bool(shown(made(hub, *bodies, firewall([dnat(translatedAddress="10.1.0.4")])))) is open_now, state


@pytest.mark.parametrize("peerings", [None, "", 7, [7], [{}], [{"properties": {"remoteVirtualNetwork": {"id": 7}}}]])
def test_a_firewall_in_a_network_whose_peerings_cannot_be_read(peerings: Any) -> None:
    hub = network(name="hub", peer=VNET)
    subnet = {"id": f"{hub['id']}/subnets/AzureFirewallSubnet"}
    at_hub = _without(firewall([dnat()]), "properties", "ipConfigurations", 0, "properties", "subnet", value=subnet)
    bodies = (group(), nic(), public("pip-fw", "192.0.2.9"), at_hub)
    strange = _without(hub, "properties", "virtualNetworkPeerings", value=peerings)
    assert shown(made(network(), hub, *bodies)) == {"192.0.2.9 tcp/2222": "internet"}
    assert shown(made(network(), strange, *bodies)) == {"192.0.2.9 tcp/2222": "unknown"}
    # The other side tells of it as well.
    assert shown(made(network(peer=hub["id"]), strange, *bodies)) == {"192.0.2.9 tcp/2222": "internet"}


@pytest.mark.parametrize("value", [7, "", {}, {"id": None}])
def test_an_address_of_a_firewall_that_cannot_be_read_may_be_that_of_a_rule(value: Any) -> None:
    configurations = [{"properties": {"publicIPAddress": {"id": f"{NET}/publicIPAddresses/pip"}}}]
    configurations.append({"properties": {"publicIPAddress": value}})
    bodies = (network(), group(), nic(), public())
    result = made(*bodies, firewall([dnat()], ipConfigurations=configurations))
    assert shown(result) == {"192.0.2.9 tcp/2222": "unknown"}
    of_hub = {"publicIPs": {"count": 2, "addresses": [{"address": "192.0.2.1"}, {"address": value}]}}
    result = made(*bodies, firewall([dnat()], ipConfigurations=[], hubIPAddresses=of_hub))
    assert shown(result) == {"192.0.2.9 tcp/2222": "unknown"}


def test_the_address_of_a_firewall_that_was_not_read() -> None:
    result = made(network(), group(), nic(), firewall([dnat()]))
    assert shown(result) == {"192.0.2.9 tcp/2222": "unknown"}


@pytest.mark.parametrize(("own", "expected"), [("one", {"192.0.2.9 tcp/2222": "internet"}), ("two", {})])
def test_nat_rules_of_a_parent_policy_are_not_inherited(own: str, expected: dict[str, str]) -> None:
    collection = {"ruleCollectionType": "FirewallPolicyNatRuleCollection", "rules": [dnat()]}
    filtering = {"ruleCollectionType": "FirewallPolicyFilterRuleCollection", "rules": [dnat()]}
    one, two = f"{NET}/firewallPolicies/one", f"{NET}/firewallPolicies/two"
    bodies = [
        {"id": one, "properties": {"basePolicy": {"id": two}}},
        {"id": two, "properties": {}},
        {
            "id": f"{NET}/firewallPolicies/{own}/ruleCollectionGroups/g",
            "properties": {"ruleCollections": [collection, filtering]},
        },
    ]
    fw = firewall([], firewallPolicy={"id": one.upper()})
    result = made(network(), group(), nic(), public("pip-fw", "192.0.2.9"), fw, *bodies)
    assert shown(result) == expected
    assert len(paths(result)) == len(expected)


HUB = f"{NET}/virtualHubs/hub"
MANAGED = "/subscriptions/0a/resourceGroups/RG_hub/providers/Microsoft.Network/virtualNetworks/HV_{}_5d2f7c11-90ab"


def of_hub(**more: Any) -> Body:
    addresses = {"publicIPs": {"addresses": [{"address": "192.0.2.9"}]}}
    return firewall([dnat()], ipConfigurations=[], virtualHub={"id": HUB}, hubIPAddresses=addresses, **more)


@pytest.mark.parametrize(
    ("hub", "stem", "wan", "expected"),
    [
        ("hub", "hub", "a", "internet"),
        ("hub", "other", "a", "unknown"),  # of the same virtual WAN: whether it sends there is not known
        ("hub", "other", "b", ""),
        ("hub", "unseen", "a", "unknown"),
        ("a-hub-with-a-long-name-indeed", "a-hub-with-a-long-na", "a", "internet"),
        ("hub", None, "a", ""),
    ],
)
def test_the_firewall_of_a_hub_leads_to_connected_networks(hub: str, stem: str | None, wan: str, expected: str) -> None:
    hubs = [
        {"id": f"{NET}/virtualHubs/{hub}", "properties": {"virtualWan": {"id": "/a"}}},
        {"id": f"{NET}/virtualHubs/other", "properties": {"virtualWan": {"id": f"/{wan}"}}},
    ]
    fw = of_hub()
    fw["properties"]["virtualHub"]["id"] = hubs[0]["id"]
    target = network(peer=MANAGED.format(stem) if stem else "")
    assert shown(made(target, group(), nic(), fw, *hubs)) == ({"192.0.2.9 tcp/2222": expected} if expected else {})


def _limited(target: dict[str, Any], member: bool = False) -> Body:
    """A group that denies SSH, but to these sources."""
    asg = {"sourceApplicationSecurityGroups": [{"id": f"{NET}/applicationSecurityGroups/asg"}]}
    allow, deny = rule("some", "22"), rule("rest", "22")
    allow["properties"] |= {"sourceAddressPrefix": "", **(asg if member else target)}
    deny["properties"] |= {"access": "Deny", "priority": 200}
    return group(allow, deny)


@pytest.mark.parametrize(
    ("sources", "hub_prefix", "expected"),
    [
        (["10.0.99.0/26"], None, "internet"),
        (["10.0.99.4/32"], None, "unknown"),  # it shows one of the addresses of its subnet
        (["10.0.98.0/26"], None, ""),
        ([], None, ""),  # an application security group alone: a firewall is in none
        (["10.9.0.0/24"], "10.9.0.0/24", "internet"),
        (["10.9.0.0/25"], "10.9.0.0/24", "unknown"),
        (["10.8.0.0/24"], "10.9.0.0/24", ""),
        ([], "10.9.0.0/24", ""),
        (["10.9.0.0/24"], "", "unknown"),  # the prefix of the hub is not known
        (["0.0.0.0/0"], "", "internet"),
    ],
)
def test_behind_a_firewall_rules_meet_one_of_its_own_addresses(
    sources: list[str], hub_prefix: str | None, expected: str
) -> None:
    limited = _limited({"sourceAddressPrefixes": sources}, member=not sources)
    if hub_prefix is None:
        result = made(network(), limited, nic(), public("pip-fw", "192.0.2.9"), firewall([dnat()]))
    else:
        hub = {"id": HUB, "properties": {"virtualWan": {"id": "/a"}, "addressPrefix": hub_prefix}}
        result = made(network(peer=MANAGED.format("hub")), limited, nic(), of_hub(), hub)
    assert shown(result) == ({"192.0.2.9 tcp/2222": expected} if expected else {})


def linked(one: Body, two: Body, **more: Any) -> None:
    """Give the peering of `one` with `two` more members."""
    for each in one["properties"]["virtualNetworkPeerings"]:
        if each["properties"]["remoteVirtualNetwork"]["id"] == two["id"]:
            each["properties"] |= more


@pytest.mark.parametrize(
    ("from_hub", "from_spoke", "expected"),
    [
        (True, True, "internet"),
        (None, None, "internet"),
        (False, False, ""),
        (False, True, "unknown"),
        (True, False, "unknown"),
        (False, None, "unknown"),
    ],
)
def test_a_peering_that_allows_no_access_on_both_sides_carries_nothing(
    from_hub: Any, from_spoke: Any, expected: str
) -> None:
    hub = network(name="hub", peer=VNET)
    spoke = network(peer=hub["id"])
    linked(hub, spoke, allowVirtualNetworkAccess=from_hub)
    linked(spoke, hub, allowVirtualNetworkAccess=from_spoke)
    result = made(hub, spoke, group(), nic(), public("pip-fw", "192.0.2.9"), at_hub(hub))
    assert shown(result) == ({"192.0.2.9 tcp/2222": expected} if expected else {})
    assert bool(peers_of(result.index)) is bool(expected)


def at_hub(hub: Body) -> Body:
    subnet = {"id": f"{hub['id']}/subnets/AzureFirewallSubnet"}
    return _without(firewall([dnat()]), "properties", "ipConfigurations", 0, "properties", "subnet", value=subnet)


@pytest.mark.parametrize(
    ("local", "remote", "expected"),
    [
        (["AzureFirewallSubnet"], ["app"], "internet"),
        (["AzureFirewallSubnet"], ["other"], ""),
        (["app"], ["app"], ""),
        (["AZUREFIREWALLSUBNET", "app"], ["APP", "x"], "internet"),
        ([], ["app"], "unknown"),
        (None, None, "unknown"),
    ],
)
def test_subnet_peering_carries_traffic_of_the_named_subnets(local: Any, remote: Any, expected: str) -> None:
    hub = network(name="hub", peer=VNET)
    linked(hub, network(), peerCompleteVnets=False, localSubnetNames=local, remoteSubnetNames=remote)
    result = made(hub, network(), group(), nic(), public("pip-fw", "192.0.2.9"), at_hub(hub))
    assert shown(result) == ({"192.0.2.9 tcp/2222": expected} if expected else {})


def test_the_spoke_s_side_of_a_subnet_peering_counts_too() -> None:
    hub = network(name="hub", peer=VNET)
    spoke = network(peer=hub["id"])
    linked(spoke, hub, peerCompleteVnets=False, localSubnetNames=["other"], remoteSubnetNames=["AzureFirewallSubnet"])
    assert shown(made(hub, spoke, group(), nic(), public("pip-fw", "192.0.2.9"), at_hub(hub))) == {}


def test_a_firewall_before_a_group_that_was_not_read() -> None:
    result = made(network(), nic(), public("pip-fw", "192.0.2.9"), firewall([dnat()]))
    assert shown(result) == {"192.0.2.9 tcp/2222": "unknown"}


def test_a_gateway_load_balancer_that_an_interface_is_chained_to_is_a_hop() -> None:
    gateway = f"{NET}/loadBalancers/gwlb/frontendIPConfigurations/f"
    body = nic(public="pip")
    body["properties"]["ipConfigurations"][0]["properties"]["gatewayLoadBalancer"] = {"id": gateway}
    network_paths = paths(made(network(), _SSH, body, public()))
    assert [(hop.kind, hop.name, hop.allows) for hop in network_paths[0].front_end.hops] == [
        ("public-ip", "pip", True),
        ("gateway-load-balancer", "gwlb", None),
    ]


def test_a_load_balancer_over_regions() -> None:
    everywhere = f"{NET}/loadBalancers/all"
    front, pool = f"{everywhere}/frontendIPConfigurations/f", f"{everywhere}/backendAddressPools/p"
    member = {"properties": {"loadBalancerFrontendIPConfiguration": {"id": FRONT}}}
    over = {
        "id": everywhere,
        "properties": {
            "frontendIPConfigurations": [
                {"id": front, "properties": {"publicIPAddress": {"id": f"{NET}/publicIPAddresses/global"}}}
            ],
            "backendAddressPools": [{"id": pool, "properties": {"loadBalancerBackendAddresses": [member]}}],
            "loadBalancingRules": [
                balanced(80, 443, frontendIPConfiguration={"id": front}, backendAddressPool={"id": pool})
            ],
        },
    }
    bodies = (network(), group(rule("ssh", "22")), nic(), public(), public("global", "192.0.2.2"), over)
    result = made(*bodies, balancer(loadBalancingRules=[balanced(443, 22)]))
    assert shown(result) == {"192.0.2.1 tcp/443": "internet", "192.0.2.2 tcp/80": "internet"}
    assert set(shown(made(*bodies, balancer(loadBalancingRules=[balanced(444, 22)])))) == {"192.0.2.1 tcp/444"}


def _to(address: str) -> Body:
    """A group that lets SSH in to one destination."""
    ssh = rule("ssh", "22")
    ssh["properties"]["destinationAddressPrefix"] = address
    return group(ssh)


def _over_regions(front_port: int, back_port: int, **more: Any) -> Body:
    """A load balancer over regions, whose one member is the front end of `balancer`."""
    everywhere = f"{NET}/loadBalancers/all"
    front, pool = f"{everywhere}/frontendIPConfigurations/f", f"{everywhere}/backendAddressPools/p"
    ends: Body = {"frontendIPConfiguration": {"id": front}, "backendAddressPool": {"id": pool}, **more}
    member = {"properties": {"loadBalancerFrontendIPConfiguration": {"id": FRONT}}}
    outer = {"publicIPAddress": {"id": f"{NET}/publicIPAddresses/global"}}
    return {
        "id": everywhere,
        "properties": {
            "frontendIPConfigurations": [{"id": front, "properties": outer}],
            "backendAddressPools": [{"id": pool, "properties": {"loadBalancerBackendAddresses": [member]}}],
            "loadBalancingRules": [balanced(front_port, back_port, **ends)],
        },
    }


def test_a_kept_address_is_that_of_the_last_front() -> None:
    """A packet to a load balancer over regions bears the regional front's; one from a firewall the inner one."""
    over = _over_regions(80, 22)
    kept = balancer(loadBalancingRules=[balanced(22, 22, enableFloatingIP=True)])
    bodies = (network(), nic(), public(), public("global", "192.0.2.2"), over, kept)
    both = {"192.0.2.1 tcp/22": "internet", "192.0.2.2 tcp/80": "internet"}
    assert shown(made(*bodies, _to("192.0.2.1"))) == both
    assert shown(made(*bodies, _to("192.0.2.2"))) == {}
    inner = balancer(front={"privateIPAddress": "10.0.0.9", "subnet": {"id": f"{VNET}/subnets/app"}}, **_KEPT)
    walled = (network(), nic(), inner, public("pip-fw", "192.0.2.9"), firewall([dnat(translatedAddress="10.0.0.9")]))
    assert shown(made(*walled, _to("10.0.0.9"))) == {"192.0.2.9 tcp/2222": "internet"}
    closed = rule("no", "*")
    closed["properties"]["access"] = "Deny"
    beside = _to("192.0.2.9")
    beside["properties"]["securityRules"].append({**closed, "properties": {**closed["properties"], "priority": 200}})
    assert shown(made(*walled, beside)) == {}


def test_with_floating_ip_over_regions_and_behind_them_no_address_is_certain() -> None:
    over, kept = _over_regions(22, 22, enableFloatingIP=True), balancer(**_KEPT)
    bodies = (network(), nic(), public(), public("global", "192.0.2.2"), over, kept)
    assert shown(made(*bodies, _to("192.0.2.1"))) == {"192.0.2.1 tcp/22": "internet", "192.0.2.2 tcp/22": "unknown"}
    assert shown(made(*bodies, _to("192.0.2.2"))) == {"192.0.2.2 tcp/22": "unknown"}


_KEPT: Body = {"loadBalancingRules": [balanced(22, 22, enableFloatingIP=True)]}


@pytest.mark.parametrize("value", ["perhaps", 1, [], {"on": True}])
def test_a_floating_address_that_cannot_be_read_is_no_address_for_sure(value: Any) -> None:
    odd = balancer(loadBalancingRules=[balanced(22, 22, enableFloatingIP=value)])
    for address in ("10.0.0.4", "192.0.2.1"):
        assert shown(made(network(), _to(address), nic(), public(), odd)) == {"192.0.2.1 tcp/22": "unknown"}
    assert shown(made(network(), _to("*"), nic(), public(), odd)) == {"192.0.2.1 tcp/22": "internet"}


@pytest.mark.parametrize("tag", ["VirtualNetwork", "VIRTUAL_NETWORK"])
def test_whether_virtual_network_covers_the_public_address_that_floating_ip_keeps_is_not_known(tag: str) -> None:
    kept = balancer(**_KEPT)
    assert shown(made(network(), _to(tag), nic(), public(), kept)) == {"192.0.2.1 tcp/22": "unknown"}
    plain = balancer(loadBalancingRules=[balanced(22, 22)])
    assert shown(made(network(), _to(tag), nic(), public(), plain)) == {"192.0.2.1 tcp/22": "internet"}


@pytest.mark.parametrize("value", [7, None, "", "inside", ["10.0.0.9"], {}])
def test_an_internal_front_whose_address_cannot_be_read(value: Any) -> None:
    front = {"privateIPAddress": value, "subnet": {"id": f"{VNET}/subnets/app"}}
    inner = balancer(front=front, loadBalancingRules=[balanced(22, 22)])
    walled = (network(), group(), nic(), inner, public("pip-fw", "192.0.2.9"))
    assert shown(made(*walled, firewall([dnat(translatedAddress="10.0.0.9")])))["192.0.2.9 tcp/2222"] == "unknown"
    assert "internet" not in shown(made(*walled, firewall([dnat(translatedAddress="10.0.0.9")]))).values()
    assert shown(made(*walled, firewall([]))) == {}


@pytest.mark.parametrize("value", [7, None, {}, {"id": None}])
def test_an_internal_front_whose_network_cannot_be_read(value: Any) -> None:
    front = {"privateIPAddress": "10.0.0.9", "subnet": value}
    inner = balancer(front=front, loadBalancingRules=[balanced(22, 22)])
    walled = (network(), group(), nic(), inner, public("pip-fw", "192.0.2.9"))
    assert shown(made(*walled, firewall([dnat(translatedAddress="10.0.0.9")])))["192.0.2.9 tcp/2222"] == "unknown"
    assert "192.0.2.9 tcp/2222" not in shown(made(*walled, firewall([])))


def test_a_member_by_an_address_that_is_not_known() -> None:
    by_address = {"loadBalancerBackendAddresses": [{"properties": {"ipAddress": "10.0.0.4"}}]}
    lb = balancer(by_address, loadBalancingRules=[balanced(22, 22)])
    bodies = (network(), group(rule("ssh", "22")), public(), lb)
    assert shown(made(*bodies, nic("10.0.0.4"))) == {"192.0.2.1 tcp/22": "internet"}
    assert shown(made(*bodies, nic("10.0.0.5"))) == {}
    assert shown(made(*bodies, nic(""))) == {"192.0.2.1 tcp/22": "unknown"}


def test_an_instance_that_a_pool_names() -> None:
    """By its address, or by its id: neither the model nor the instance need say so."""
    subnet = {"id": f"{VNET}/subnets/app"}
    model = {"name": "n", "properties": {"ipConfigurations": [{"name": "ip", "properties": {"subnet": subnet}}]}}
    inner = {"privateIPAddress": "10.0.0.4", "subnet": subnet}
    id = f"{NET.replace('Network', 'Compute')}/virtualMachineScaleSets/s/virtualMachines/0/networkInterfaces/n"
    ip = {"id": f"{id}/ipConfigurations/ip", "name": "ip", "properties": inner}
    rows = Children([Resource({"id": id, "properties": {"ipConfigurations": [ip]}})])
    for members in (
        {"loadBalancerBackendAddresses": [{"properties": {"ipAddress": "10.0.0.4"}}]},
        {"backendIPConfigurations": [{"id": ip["id"]}]},
    ):
        lb = balancer(members, loadBalancingRules=[balanced(22, 22)])
        result = made(network(), group(rule("ssh", "22")), public(), lb)
        led = scale_set_paths(result, [model], rows, Children([]))
        assert [path.front_end.address for path in led] == ["192.0.2.1"]


def test_lists_that_were_not_read_may_hide_a_path() -> None:
    bodies = (network(), group(rule("ssh", "22")), nic())
    assert shown(made(*bodies)) == {}
    assert shown(made(*bodies, missing=("Microsoft.Network/loadBalancers",))) == {" tcp/22": "unknown"}
    hidden = shown(made(*bodies, missing=("Microsoft.Network/azureFirewalls",)))
    assert set(hidden.values()) == {"unknown"}
    rules = ("Microsoft.Network/firewallPolicies/ruleCollectionGroups",)
    assert shown(made(*bodies, missing=rules)) == {}
    own = {"id": f"{NET}/firewallPolicies/own", "properties": {}}
    assert shown(made(*bodies, own, firewall([]), public("pip-fw", "192.0.2.9"), missing=rules)) == {}
    walled = firewall([], firewallPolicy={"id": own["id"]})
    assert " */*" in shown(made(*bodies, own, walled, public("pip-fw", "192.0.2.9"), missing=rules))


OTHER = "5b000000-0000-4000-8000-000000000001"


def elsewhere(body: Body) -> Body:
    """The same in another subscription."""
    made: Body = json.loads(json.dumps(body).replace("5a000000-0000-4000-8000-000000000001", OTHER))
    return made


def lacking(type: str, *where: str, bodies: tuple[Body, ...]) -> Topology:
    """A topology of which the type was refused in some subscriptions."""
    result = made(*bodies, missing=(f"Microsoft.Network/{type}",))
    gap = Unread(type, Message("403 AuthorizationFailed"))
    result.index.unlisted = {f"microsoft.network/{type}".lower(): dict.fromkeys(where, gap)}
    result.index.subscriptions = dict.fromkeys(("5a000000-0000-4000-8000-000000000001", OTHER), "t")
    return result


def test_a_list_that_one_subscription_refused_hides_what_its_resources_could_touch() -> None:
    bodies = (network(), group(rule("ssh", "22")), nic())
    own, far = "5a000000-0000-4000-8000-000000000001", OTHER
    # A pool names addresses in a network of any subscription, and the network shows nothing of it.
    assert shown(lacking("loadBalancers", far, bodies=bodies)) == {" tcp/22": "unknown"}
    # A firewall leads to its own network and the peers.
    assert set(shown(lacking("azureFirewalls", own, bodies=bodies)).values()) == {"unknown"}
    assert shown(lacking("azureFirewalls", far, bodies=bodies)) == {}
    hub = elsewhere(network(name="hub"))
    spoke = (network(peer=hub["id"]), hub, *bodies[1:])
    assert set(shown(lacking("azureFirewalls", far, bodies=spoke)).values()) == {"unknown"}
    # The network of a virtual hub stands in a subscription that nobody sees: its firewall may be in any list.
    hidden = (network(peer=hub["id"].replace(OTHER, "5c000000-0000-4000-8000-000000000001")), *bodies[1:])
    assert set(shown(lacking("azureFirewalls", far, bodies=hidden)).values()) == {"unknown"}
    assert set(shown(lacking("azureFirewalls", far, bodies=bodies[1:])).values()) == {"unknown"}
    # A public address stands in the subscription of what bears it.
    has_other_reasons = (network(guarded=False), nic(public="pip"))
    assert set(shown(lacking("publicIPAddresses", own, bodies=has_other_reasons)).values()) == {"unknown"}


@pytest.mark.parametrize(
    "peerings", ["", 7, None, {}, [7], [{}], [{"properties": {"remoteVirtualNetwork": {"id": None}}}]]
)
def test_a_network_whose_peerings_cannot_be_read_may_have_any_firewall(peerings: Any) -> None:
    strange = _without(network(), "properties", "virtualNetworkPeerings", value=peerings)
    bodies = (strange, group(rule("ssh", "22")), nic())
    assert set(shown(lacking("azureFirewalls", OTHER, bodies=bodies)).values()) == {"unknown"}


def test_admin_rules_that_one_subscription_refused_stand_in_may_there_alone() -> None:
    bodies = (network(), group(), nic(public="pip"), public())
    gap = Unread("effectiveSecurityAdminRules", Message("403"))
    for subscription, expected in (("5a000000-0000-4000-8000-000000000001", {"unknown"}), (OTHER, set())):
        result = made(*bodies)
        result.fabric.admin_missing, result.fabric.admin_unlisted = gap, {subscription: gap}
        assert set(shown(result).values()) == expected


def regional(body: Body, location: str) -> Body:
    return {**body, "location": location}


def test_an_external_load_balancer_is_a_possible_grant_for_what_it_could_reach() -> None:
    """Its region; of other subscriptions only what it names; where its pools can be read, their members alone."""
    lb = regional(_without(_BALANCED, "properties"), "norwayeast")
    bodies = (_SSH, nic(), public())
    for where, expected in (("norwayeast", {"unknown"}), ("Norway East", {"unknown"}), ("westeurope", set())):
        assert set(shown(made(regional(network(), where), *bodies, lb)).values()) == expected
    assert set(shown(made(network(), *bodies, lb)).values()) == {"unknown"}
    odd = _without(_BALANCED, "properties", "loadBalancingRules", value=[7])
    assert set(shown(made(network(), *bodies, odd)).values()) == {"unknown"}
    other = (network(), _SSH, nic(), nic("10.0.0.5", name="other"), public())
    assert shown(made(*other, odd), "other") == {}
    named = copy.deepcopy(odd)
    named["properties"]["backendAddressPools"][0]["properties"]["virtualNetwork"] = {"id": VNET}
    assert set(shown(made(*other, named), "other").values()) == {"unknown"}
    own = nic("10.0.0.5", name="other")
    inner = own["properties"]["ipConfigurations"][0]["properties"]
    inner["loadBalancerInboundNatRules"] = [{"id": f"{NET}/loadBalancers/lb/inboundNatRules/one"}]
    assert set(shown(made(network(), _SSH, nic(), own, public(), odd), "other").values()) == {"unknown"}
    blind = _without(odd, "properties", "inboundNatRules", value="Sovereign")
    assert set(shown(made(*other, blind), "other").values()) == {"unknown"}


_BY_ADDRESS: Body = {"loadBalancerBackendAddresses": [{"properties": {"ipAddress": "10.0.0.4"}}]}


@pytest.mark.parametrize("plural", [False, True])
@pytest.mark.parametrize("pools", [None, [], [{"id": f"{POOL}-2", "properties": {}}]])
def test_a_rule_of_a_pool_that_is_not_there_may_lead_to_any_machine(pools: Any, plural: bool) -> None:
    rule = balanced(443, 22)
    if plural:
        rule["properties"]["backendAddressPools"] = [rule["properties"].pop("backendAddressPool")]
    lb = balancer(_BY_ADDRESS, loadBalancingRules=[rule])
    bodies = (network(), _SSH, nic(), public())
    assert shown(made(*bodies, lb)) == {"192.0.2.1 tcp/443": "internet"}
    lb["properties"]["backendAddressPools"] = pools
    assert set(shown(made(*bodies, lb)).values()) == {"unknown"}


@pytest.mark.parametrize("value", ["pool", {}, [7], [{"id": 7}], [{}]])
def test_pools_of_a_rule_that_cannot_be_read(value: Any) -> None:
    rule = balanced(443, 22, backendAddressPools=value)
    rule["properties"].pop("backendAddressPool")
    lb = balancer(_BY_ADDRESS, loadBalancingRules=[rule])
    assert set(shown(made(network(), _SSH, nic(), public(), lb)).values()) == {"unknown"}


@pytest.mark.parametrize(
    "member",
    [{}, {"properties": None}, {"properties": {}}, {"properties": {"ipAddress": 7}}, {"properties": {"ipAddress": ""}}],
)
def test_a_member_that_cannot_be_read(member: Body) -> None:
    lb = balancer({"loadBalancerBackendAddresses": [member]}, loadBalancingRules=[balanced(443, 22)])
    assert set(shown(made(network(), _SSH, nic(), public(), lb)).values()) == {"unknown"}


def test_an_external_load_balancer_over_regions_is_a_possible_grant_behind_the_others() -> None:
    over = {"id": f"{NET}/loadBalancers/all", "sku": {"name": "Standard", "tier": "Global"}, "properties": 7}
    bodies = (network(), _SSH, nic(), nic("10.0.0.5", name="other"), public())
    result = made(*bodies, balancer(loadBalancingRules=[balanced(443, 22)]), over)
    assert set(shown(result).values()) == {"internet", "unknown"}
    assert shown(result, "other") == {}


def test_a_peer_that_was_not_visible_is_reported() -> None:
    """A firewall in it may publish a machine; a doubt for every spoke of a landing zone would hide all others."""
    hub = f"/subscriptions/{OTHER}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/hub"
    text = "the peered network hub is not visible to this scan: a firewall there may publish this machine"
    result = made(network(peer=hub), group(), nic())
    assert unseen_peers(result.index, [f"{VNET}/subnets/app".lower()]) == (text,)
    assert shown(result) == {}
    seen = made(network(peer=hub), elsewhere(network(name="hub")), group(), nic())
    assert unseen_peers(seen.index, [f"{VNET}/subnets/app".lower()]) == ()
    seen.index.partial = frozenset({OTHER})
    assert unseen_peers(seen.index, [f"{VNET}/subnets/app".lower()]) == (f"part of the subscription of {text}",)
    managed = hub.replace("virtualNetworks/hub", "virtualNetworks/HV_weu-hub_0a1b")
    hub_body = {"id": f"{NET}/virtualHubs/weu-hub", "properties": {}}
    assert unseen_peers(made(network(peer=managed), hub_body).index, [f"{VNET}/subnets/app".lower()]) == ()
    assert unseen_peers(made(network(peer=managed)).index, [f"{VNET}/subnets/app".lower()]) != ()


def test_what_a_private_endpoint_is_open_to() -> None:
    hub, spoke, alien = (f"{NET}/virtualNetworks/{name}" for name in ("hub", "spoke", "alien"))
    peers = [{"properties": {"remoteVirtualNetwork": {"id": each}}} for each in (spoke, alien)]
    gateway = [{"id": f"{hub}/subnets/GatewaySubnet", "properties": {"addressPrefix": "10.0.1.0/27"}}]
    endpoint: Body = {"id": f"{NET}/privateEndpoints/pe", "properties": {"subnet": {"id": f"{hub}/subnets/pe"}}}
    bodies = [
        endpoint,
        {"id": spoke, "properties": {"addressSpace": {"addressPrefixes": ["10.1.0.0/24"]}}},
        {
            "id": hub,
            "properties": {
                "addressSpace": {"addressPrefixes": ["10.0.0.0/24", "10.0.0.0/23"]},
                "virtualNetworkPeerings": peers,
                "subnets": gateway,
            },
        },
    ]
    text = "open to hub, 2 peers (1 not visible) and traffic through its gateway: 768 addresses"
    assert private_endpoint_scope(made(*bodies).index, endpoint["id"].upper()) == text
    assert private_endpoint_scope(made(endpoint).index, endpoint["id"]) == ""


@pytest.mark.parametrize(
    ("peering", "text"),
    [
        ({"peeringState": "Connected"}, "open to hub and 1 peer: 512 addresses"),
        ({"peeringState": "Perhaps"}, "open to hub and 1 peer: 512 addresses"),
        ({"peeringState": "initiated"}, "open to hub: 256 addresses; 1 peering is not connected"),
        ({"peeringState": "Disconnected"}, "open to hub: 256 addresses; 1 peering is not connected"),
        (
            {"allowForwardedTraffic": True, "useRemoteGateways": True},
            "open to hub, 1 peer, traffic forwarded over a peering and traffic through the gateway of spoke"
            ": 512 addresses",
        ),
        (
            {"peeringState": "Disconnected", "allowForwardedTraffic": True, "useRemoteGateways": True},
            "open to hub: 256 addresses; 1 peering is not connected",
        ),
    ],
)
def test_a_peering_that_is_not_connected_opens_nothing(peering: Body, text: str) -> None:
    hub, spoke = (f"{NET}/virtualNetworks/{name}" for name in ("hub", "spoke"))
    endpoint: Body = {"id": f"{NET}/privateEndpoints/pe", "properties": {"subnet": {"id": f"{hub}/subnets/pe"}}}
    peers = [{"properties": {"remoteVirtualNetwork": {"id": spoke}, **peering}}]
    spaces = [{"addressSpace": {"addressPrefixes": [each]}} for each in ("10.0.0.0/24", "10.1.0.0/24")]
    first = {"id": hub, "properties": {**spaces[0], "virtualNetworkPeerings": peers}}
    result = made(endpoint, first, {"id": spoke, "properties": spaces[1]})
    assert private_endpoint_scope(result.index, endpoint["id"]) == text
    assert bool(peers_of(result.index)) == (" 1 peer" in text.partition(":")[0])


def test_a_peering_that_the_other_side_says_is_not_connected_opens_nothing() -> None:
    hub, spoke = (f"{NET}/virtualNetworks/{name}" for name in ("hub", "spoke"))
    endpoint: Body = {"id": f"{NET}/privateEndpoints/pe", "properties": {"subnet": {"id": f"{hub}/subnets/pe"}}}
    sides = [
        {"virtualNetworkPeerings": [{"properties": {"remoteVirtualNetwork": {"id": remote}, "peeringState": state}}]}
        for remote, state in ((spoke, "Connected"), (hub, "Disconnected"))
    ]
    result = made(endpoint, {"id": hub, "properties": sides[0]}, {"id": spoke, "properties": sides[1]})
    assert private_endpoint_scope(result.index, endpoint["id"]).endswith("1 peering is not connected")
    assert not peers_of(result.index)


def test_groups_on_a_path() -> None:
    nsg = group(rule("ssh", "22"))
    assert groups_on_paths(made(network(), nsg, nic())) == set()
    assert groups_on_paths(made(network(), nsg, nic(public="pip"), public())) == {nsg["id"].lower()}


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        (EVERY_PORT, PortMapping("tcp", 80, 80, 8080), PortMapping("tcp", 80, 80, 8080)),
        (PortMapping("tcp", 2222, 2222, 22), PortMapping("tcp", 22, 22, 2022), PortMapping("tcp", 2222, 2222, 2022)),
        (PortMapping("tcp", 2222, 2222, 23), PortMapping("tcp", 22, 22, 2022), None),
        (PortMapping("udp", 2222, 2222, 22), PortMapping("tcp", 22, 22, 2022), None),
        (PortMapping("*", 22, 22, 22), PortMapping("tcp", 22, 22, 2022), PortMapping("tcp", 22, 22, 2022)),
        (PortMapping("tcp", 100, 199, 0), PortMapping("tcp", 50, 59, 22, True), PortMapping("tcp", 150, 159, 22, True)),
        (
            PortMapping("tcp", 100, 199, 22, True),
            PortMapping("tcp", 22, 22, 2022),
            PortMapping("tcp", 100, 199, 2022, True),
        ),
        (PortMapping("tcp", 443, 443, 8443), EVERY_PORT, PortMapping("tcp", 443, 443, 8443)),
    ],
)
def test_two_translations_in_a_row(outer: PortMapping, inner: PortMapping, expected: PortMapping | None) -> None:
    assert chained(outer, inner) == expected


def test_what_stands_behind_names_the_port_outside() -> None:
    result = made(network(), group(rule("all", "*", protocol="*")), nic(), public(), balancer(
        inboundNatRules=[
            {"name": "a", "properties": {
                "frontendIPConfiguration": {"id": FRONT}, "backendIPConfiguration": {"id": CONFIGURATION},
                "protocol": "Tcp", "frontendPort": 80, "backendPort": 22,
            }},
            {"name": "b", "properties": {
                "frontendIPConfiguration": {"id": FRONT}, "backendIPConfiguration": {"id": CONFIGURATION},
                "protocol": "Tcp", "frontendPort": 1433, "backendPort": 4000,
            }},
        ]))  # fmt: skip
    names = {
        endpoint.label: endpoint.known_port and endpoint.known_port.name
        for endpoint in open_ports(paths(result), result.fabric, result.index)
    }
    assert names == {"tcp/80": "SSH", "tcp/1433": known("tcp", 1433).name}  # type: ignore[union-attr]


KEYS = [
    "id", "name", "properties", "sku", "frontendIPConfigurations", "backendAddressPools", "loadBalancingRules",
    "inboundNatRules", "inboundNatPools", "publicIPAddress", "frontendPort", "backendPort", "ipAddress", "rules",
    "natRuleCollections", "ipConfigurations", "subnet", "destinationPorts", "protocols", "translatedPort",
    "ruleCollections", "ruleCollectionType", "virtualNetworkPeerings", "hubIPAddresses", "firewallPolicy",
]  # fmt: skip
WORDS = st.sampled_from(["", "*", "x", "10.0.0.4", "22", NIC, FRONT, POOL])
STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70000) | WORDS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(KEYS),
        inner,
        max_size=4,
    ),
    max_leaves=14,
)  # fmt: skip
TYPES = (
    "publicIPAddresses",
    "publicIPPrefixes",
    "virtualNetworks",
    "loadBalancers",
    "azureFirewalls",
    "firewallPolicies",
    "applicationGateways",
    "frontDoors",
    "networkInterfaces",
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TYPES), STRANGE), max_size=5))
def test_no_body_breaks_it(strange: list[tuple[str, Any]]) -> None:
    bodies = [{"id": f"{NET}/{type}/{target}", "properties": body} for target, (type, body) in enumerate(strange)]
    result = made(network(), group(rule("ssh", "22")), nic(public="pip"), public(), *bodies)
    shown(result)
    groups_on_paths(result)
    assert "192.0.2.1 tcp/22" in shown(result)


# What a record does not hold as it should is no closed path


def _without(body: Body, *at: Any, value: Any = "Sovereign") -> Body:
    made = copy.deepcopy(body)
    inner: Any = made
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = value
    return made


_SSH = group(rule("ssh", "22"))
_BALANCED = balancer(loadBalancingRules=[balanced(443, 22)])
_AT_NIC: tuple[tuple[Any, ...], ...] = (
    ("properties",),
    ("properties", "ipConfigurations"),
    ("properties", "ipConfigurations", 0),
    ("properties", "ipConfigurations", 0, "properties"),
    ("properties", "ipConfigurations", 0, "properties", "publicIPAddress"),
    ("properties", "ipConfigurations", 0, "properties", "subnet"),
)
_AT_BALANCER: tuple[tuple[Any, ...], ...] = (
    ("properties",),
    ("properties", "frontendIPConfigurations"),
    ("properties", "frontendIPConfigurations", 0, "properties"),
    ("properties", "frontendIPConfigurations", 0, "properties", "publicIPAddress"),
    ("properties", "backendAddressPools"),
    ("properties", "backendAddressPools", 0, "properties", "backendIPConfigurations"),
    ("properties", "loadBalancingRules"),
    ("properties", "loadBalancingRules", 0),
    ("properties", "loadBalancingRules", 0, "properties", "frontendPort"),
    ("properties", "loadBalancingRules", 0, "properties", "backendPort"),
    ("properties", "loadBalancingRules", 0, "properties", "frontendIPConfiguration"),
    ("properties", "loadBalancingRules", 0, "properties", "backendAddressPool"),
)
_AT_FIREWALL: tuple[tuple[Any, ...], ...] = (
    ("properties",),
    ("properties", "natRuleCollections"),
    ("properties", "natRuleCollections", 0, "properties", "rules"),
    *(
        ("properties", "natRuleCollections", 0, "properties", "rules", 0, each)
        for each in ("destinationAddresses", "destinationPorts", "translatedAddress", "translatedPort")
    ),
)


@pytest.mark.parametrize("at", _AT_NIC, ids=lambda at: str(at[-1]))
@pytest.mark.parametrize("version", [4, 6])
def test_an_interface_that_is_not_as_it_should_be(at: tuple[Any, ...], version: int) -> None:
    own = nic("10.0.0.4" if version == 4 else "fd00::4", "pip")
    result = made(network(), _SSH, public(), _without(own, *at))
    assert "unknown" in shown(result).values()


@pytest.mark.parametrize("at", _AT_BALANCER, ids=lambda at: f"{at[-2:]}")
def test_a_load_balancer_that_is_not_as_it_should_be(at: tuple[Any, ...]) -> None:
    assert "unknown" in shown(made(network(), _SSH, nic(), public(), _without(_BALANCED, *at))).values()
    assert shown(made(network(), group(), nic(), public(), _without(_BALANCED, *at))) == {}


@pytest.mark.parametrize("at", _AT_FIREWALL, ids=lambda at: str(at[-1]))
def test_a_firewall_that_is_not_as_it_should_be(at: tuple[Any, ...]) -> None:
    result = made(network(), group(), nic(), public("pip-fw", "192.0.2.9"), _without(firewall([dnat()]), *at))
    assert "unknown" in shown(result).values()


@pytest.mark.parametrize("where", ["nic", "subnet"])
@pytest.mark.parametrize("value", ["Sovereign", {}, {"id": None}, []])
def test_a_group_that_cannot_be_named_is_not_no_group(where: str, value: Any) -> None:
    wall, own = network(guarded=False), nic(public="pip")
    if where == "nic":
        own["properties"]["networkSecurityGroup"] = value
    else:
        wall["properties"]["subnets"][0]["properties"]["networkSecurityGroup"] = value
    assert "unknown" in shown(made(wall, own, public())).values()


@pytest.mark.parametrize("value", [7, "web", {}, [7], [{}], [{"id": None}]])
def test_application_groups_of_an_interface_that_cannot_be_read(value: Any) -> None:
    ids = [{"id": f"{NET}/applicationSecurityGroups/web"}]
    allow = rule("ssh", "22")
    allow["properties"].pop("destinationAddressPrefix")
    allow["properties"]["destinationApplicationSecurityGroups"] = ids
    at = ("properties", "ipConfigurations", 0, "properties", "applicationSecurityGroups")
    bodies = (network(), group(allow), public())
    assert shown(made(*bodies, _without(nic(public="pip"), *at, value=ids))) == {"192.0.2.1 tcp/22": "internet"}
    assert shown(made(*bodies, _without(nic(public="pip"), *at, value=value))) == {"192.0.2.1 tcp/22": "unknown"}
    assert shown(made(*bodies, _without(nic(public="pip"), *at, value=None))) == {}


def test_a_load_balancer_of_a_subscription_that_is_not_visible() -> None:
    own = nic()
    inner = own["properties"]["ipConfigurations"][0]["properties"]
    inner["loadBalancerBackendAddressPools"] = [{"id": POOL.replace("5a000000", "5b000000")}]
    assert shown(made(network(), _SSH, own)) == {" tcp/22": "unknown"}
    assert shown(made(network(), group(), own)) == {}
    # The machine says in which pool it is, also where the load balancer lists no members.
    inner["loadBalancerBackendAddressPools"] = [{"id": POOL}]
    lb = balancer({}, loadBalancingRules=[balanced(443, 22)])
    assert shown(made(network(), _SSH, own, public(), lb)) == {"192.0.2.1 tcp/443": "internet"}


def test_a_firewall_whose_policy_is_not_visible() -> None:
    fw = firewall([], firewallPolicy={"id": f"{NET}/firewallPolicies/elsewhere"})
    result = made(network(), group(), nic(), public("pip-fw", "192.0.2.9"), fw)
    assert "unknown" in shown(result).values()
    elsewhere = network(name="far", prefix="10.9.0.0/24")
    result = made(network(), elsewhere, group(), nic(at=elsewhere["id"]), public("pip-fw", "192.0.2.9"), fw)
    assert shown(result) == {}


def test_a_firewall_before_a_network_that_was_not_read() -> None:
    result = made(nic(), public("pip-fw", "192.0.2.9"), firewall([dnat()]))
    assert shown(result) == {"192.0.2.9 tcp/2222": "unknown"}


def test_a_firewall_rule_for_every_address_of_it() -> None:
    for stated in ("*", "192.0.2.9/32", "192.0.2.0/28"):
        fw = firewall([dnat(destinationAddresses=[stated])])
        result = made(network(), group(), nic(), public("pip-fw", "192.0.2.9"), fw)
        assert shown(result) == {f"{stated} tcp/2222": "internet"}


def test_a_firewall_and_a_machine_whose_private_address_is_not_known() -> None:
    own = nic("")
    result = made(network(), group(), own, public("pip-fw", "192.0.2.9"), firewall([dnat()]))
    assert shown(result) == {"192.0.2.9 tcp/2222": "unknown"}


def test_a_firewall_rule_that_leads_to_a_name() -> None:
    fw = firewall([dnat(translatedAddress=None, translatedFqdn="app.inner", sourceAddresses=["203.0.113.7"])])
    result = made(network(), group(), nic(), public("pip-fw", "192.0.2.9"), fw)
    assert shown(result) == {"192.0.2.9 tcp/2222": "unknown"}
    assert [
        possible.level.name
        for endpoint in open_ports(paths(result), result.fabric, result.index)
        for possible in endpoint.reach.possible_grants
    ] == ["selected"]


def test_a_subscription_that_is_partially_visible() -> None:
    result = made(network(), group(), nic())
    result.index.partial = frozenset({"5a000000-0000-4000-8000-000000000001"})
    assert set(shown(result).values()) == {"unknown"}
    result.index.partial = frozenset({"5b000000-0000-4000-8000-000000000001"})
    assert shown(result) == {}


def test_a_group_on_a_path_that_may_be_there_is_not_on_one_for_sure() -> None:
    guard = f"{NET}/networkSecurityGroups/nsg".lower()
    result = made(network(), group(), nic(), missing=("Microsoft.Network/loadBalancers",))
    assert (groups_on_paths(result), groups_on_paths(result, certain=False)) == (set(), {guard})
    assert groups_on_paths(made(network(), group(), nic(public="pip"), public())) == {guard}
