# ruff: noqa: E501
"""What one group lets in: for each field, tag class and trap one that is open, one that looks so, one that does not."""

from __future__ import annotations

from typing import Any

import pytest

from scanner.model.addresses import parse
from scanner.model.resource import Resource
from scanner.reach.rules.nsg import security_rules_of
from scanner.reach.rules.source_grants import describe_sources
from tests.reach.bodies import ABOVE, ASG, labels, nsg, one_group, rule

DENY = rule("deny", 200, "Deny", "*", "*", protocol="*")


def allow(**more: Any) -> dict[str, Any]:
    return rule("allow", 300, "Allow", more.pop("source", "*"), more.pop("ports", "2222"), **more)


OPEN = ["tcp/2222"]
CASES: list[tuple[str, list[dict[str, Any]], list[str]]] = [
    ("no rule of one's own", [], []),
    ("an Allow for everybody", [allow()], OPEN),
    ("plural fields", [allow(source=["*"], ports=["2222"])], OPEN),
    ("plural fields beside empty singular ones", [allow(source=["*"], ports=["2222"], sourceAddressPrefix="")], OPEN),
    ("names of fields in another case", [rule("a", 1, "Allow", None, None, SOURCEADDRESSPREFIX="*", destinationportrange="2222")], OPEN),
    ("values in another case", [allow(source="INTERNET", access="ALLOW", protocol="TCP", direction="inbound")], OPEN),
    ("two halves of the internet", [allow(source=["0.0.0.0/1", "128.0.0.0/1"])], OPEN),
    ("any network with no prefix length", [allow(source="10.0.0.0/0")], OPEN),
    ("a range that holds the port", [allow(ports="2220-2225")], ["tcp/2220-2225"]),
    ("ports with commas", [allow(ports="2222,2224")], ["tcp/2222", "tcp/2224"]),
    ("neighbours are one range", [allow(ports=["2220", "2221-2225"])], ["tcp/2220-2225"]),
    ("a Deny before it", [DENY, allow()], []),
    ("a Deny too late", [rule("deny", 400, "Deny", "*", "*"), allow()], OPEN),
    ("the order of the list is not the order of the rules", [allow(), DENY], []),
    ("a Deny of another protocol", [rule("deny", 200, "Deny", "*", "*", protocol="Udp"), allow()], OPEN),
    ("a Deny of other ports", [rule("deny", 200, "Deny", "*", "3000-4000"), allow()], OPEN),
    ("a Deny of a part of the ports", [rule("deny", 200, "Deny", "*", "2223"), allow(ports="2222-2224")], ["tcp/2222", "tcp/2224"]),
    ("two Denies that are everybody together", [rule("d", 200, "Deny", "0.0.0.0/1", "*"), rule("e", 201, "Deny", "128.0.0.0/1", "*"), allow()], []),
    ("an outbound Allow", [allow(direction="Outbound")], []),
    ("an outbound Deny before it", [rule("deny", 200, "Deny", "*", "*", direction="Outbound"), allow()], OPEN),
    ("a narrow source port is no lock", [allow(sourcePortRange="53")], OPEN),
    ("a Deny of a narrow source port denies nobody", [rule("d", 200, "Deny", "*", "*", sourcePortRange="53"), allow()], OPEN),
    ("a Deny of all source ports in two halves", [rule("d", 200, "Deny", "*", "*", sourcePortRange=None, sourcePortRanges=["0-1000", "1001-65535"]), allow()], []),
    ("private addresses never come from outside", [allow(source=["10.0.0.0/8", "192.168.0.0/16"])], []),
    ("a destination that holds the machine", [allow(destinationAddressPrefix="10.0.0.0/24")], OPEN),
    ("a destination that does not", [allow(destinationAddressPrefix="10.0.1.0/24")], []),
    ("a Deny for another destination", [rule("d", 200, "Deny", "*", "*", destinationAddressPrefix="10.0.0.5"), allow()], OPEN),
    ("a destination tag", [allow(destinationAddressPrefix="VirtualNetwork")], OPEN),
    ("a destination tag that no private address bears", [allow(destinationAddressPrefix="Internet")], []),
    ("an application group of the machine", [allow(destinationAddressPrefix=None, destinationApplicationSecurityGroups=[{"id": ASG.upper()}])], OPEN),
    ("an application group of others", [allow(destinationAddressPrefix=None, destinationApplicationSecurityGroups=[{"id": ASG + "2"}])], []),
    ("a source group is never the internet", [allow(source=None, sourceApplicationSecurityGroups=[{"id": ASG}])], []),
    ("the tag Internet", [allow(source="Internet")], OPEN),
    ("the tag VirtualNetwork is not the internet", [allow(source="VirtualNetwork")], []),
    ("probes of the load balancer", [allow(source="AzureLoadBalancer")], []),
    ("the tag AzureCloud", [allow(source="AzureCloud")], OPEN),
    ("a tag in a plural field", [allow(source=["10.0.0.0/8", "azurecloud.norwayeast"])], OPEN),
    ("a Deny of the internet holds the tags too", [rule("d", 200, "Deny", "Internet", "*"), allow(source="AzureCloud")], []),
    ("a Deny of the tag holds its regions", [rule("d", 200, "Deny", "AzureCloud", "*"), allow(source="AzureCloud.NorwayEast")], []),
    ("a Deny of a region does not hold the tag", [rule("d", 200, "Deny", "AzureCloud.NorwayEast", "*"), allow(source="AzureCloud")], OPEN),
    ("a Deny of a tag leaves the rest", [rule("d", 200, "Deny", "AzureCloud", "*"), allow()], OPEN),
    ("a tag that nobody knows", [allow(source="FooService")], OPEN),
    ("any protocol", [allow(protocol="*")], ["*/2222"]),
    ("ICMP is no port", [allow(protocol="Icmp", ports="*")], []),
    ("an access that nobody knows", [allow(access="Perhaps")], ["(tcp/2222)"]),
    ("a Deny that is not known", [rule("d", 200, "Refuse", "*", "*"), allow()], ["(tcp/*)"]),
    ("a protocol that nobody knows", [allow(protocol="Sctp")], ["(*/2222)"]),
    ("no protocol", [allow(protocol=None)], ["(*/2222)"]),
    ("a direction that nobody knows", [allow(direction="Sideways")], ["(tcp/2222)"]),
    ("a Deny whose protocol nobody knows", [rule("d", 200, "Deny", "*", "2222", protocol=7), allow()], ["(tcp/2222)"]),
    ("a priority that is no number", [rule("d", 200, "Deny", "*", "*"), allow(priority="100")], ["(tcp/2222)"]),
    ("a priority that is true", [rule("d", 200, "Deny", "*", "*"), allow(priority=True)], ["(tcp/2222)"]),
    ("a priority beyond all numbers", [rule("d", 200, "Deny", "*", "*"), allow(priority=10**30)], ["(tcp/2222)"]),
    ("two rules of one priority", [rule("d", 300, "Deny", "*", "*"), allow()], ["(tcp/2222)"]),
    ("an address that is none", [allow(source="10.0.0.300/24")], ["(tcp/2222)"]),
    ("a good address beside one that is none", [allow(source=["20.0.0.1", "789"])], OPEN),
    ("a source of numbers", [allow(source=[1, None])], ["(tcp/2222)"]),
    ("no source", [allow(source=None)], ["(tcp/2222)"]),
    ("0.0.0.0 alone may be everybody", [allow(source="0.0.0.0")], ["(tcp/2222)"]),
    ("a Deny of 0.0.0.0 may be nobody", [rule("d", 200, "Deny", "0.0.0.0", "*"), allow()], ["(tcp/2222)"]),
    ("a destination that is none", [allow(destinationAddressPrefix="1234")], ["(tcp/2222)"]),
    ("a destination tag that nobody knows", [allow(destinationAddressPrefix="FooService")], ["(tcp/2222)"]),
    ("no destination", [allow(destinationAddressPrefix=None)], ["(tcp/2222)"]),
    ("a rule without properties", [{"name": "empty"}], None),  # type: ignore[list-item]
    ("a rule that is no object", [None], None),  # type: ignore[list-item]
]  # fmt: skip


@pytest.mark.parametrize(("name", "rules", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_a_group_allows(name: str, rules: list[dict[str, Any]], expected: list[str] | None) -> None:
    passage = one_group(*rules, groups=(ASG,))
    matches = labels(passage)
    if expected is None:
        assert matches
        assert all(label.startswith("(") for label in matches)
    elif "(tcp/*)" in expected:
        assert set(matches) > {"(tcp/*)"}
    else:
        assert [label for label in matches if "icmp" not in label] == expected
    assert bool(passage.missing) == any(label.startswith("(") for label in matches) or name.startswith("a good address")
    assert not any(each.certain and not each.possible for each in passage.open_ranges)


def test_a_known_port_stands_on_its_own() -> None:
    assert labels(one_group(allow(ports="20-25"))) == ["tcp/20-25", "tcp/21", "tcp/22", "tcp/23"]
    assert labels(one_group(allow(ports="22"))) == ["tcp/22"]
    assert labels(one_group(allow(ports="22-23"))) == ["tcp/22", "tcp/23"]


def test_a_closed_known_port_cuts_the_range() -> None:
    rules = (rule("d", 200, "Deny", "*", "22"), allow(ports="21-25"))
    assert labels(one_group(*rules)) == ["tcp/21", "tcp/23", "tcp/24-25"]


def test_everything_is_one_range_beside_the_known_ports() -> None:
    open_ranges = [each for each in one_group(allow(ports="*", protocol="*")).open_ranges if each.known_port is None]
    assert [each.label for each in open_ranges] == ["*/*"]


@pytest.mark.parametrize(
    ("source", "address", "expected"),
    [
        ("*", "fd00::4", OPEN),
        ("::/0", "fd00::4", OPEN),
        ("0.0.0.0/0", "fd00::4", []),
        ("::/0", "10.0.0.4", []),
        ("Internet", "fd00::4", OPEN),
        ("2603:1000::/24", "fd00::4", OPEN),
        ("2603:1000::/24", "10.0.0.4", []),
    ],
)
def test_ip_versions_are_apart(source: str, address: str, expected: list[str]) -> None:
    assert labels(one_group(allow(source=source), address=address)) == expected


def test_default_rules_count_where_the_body_lacks_them() -> None:
    inside = one_group(entry="inside")
    assert [each.label for each in inside.open_ranges if each.known_port is None] == ["*/*"]
    denied = one_group(rule("d", 4096, "Deny", "VirtualNetwork", "*", protocol="*"), entry="inside")
    assert labels(denied) == []


def test_source_groups_and_tags_from_inside() -> None:
    passage = one_group(
        rule("members", 100, "Allow", None, "2222", sourceApplicationSecurityGroups=[{"id": ASG}]),
        rule("nobody else", 200, "Deny", "*", "*", protocol="*"),
        entry="inside",
    )
    assert labels(passage) == OPEN
    who = passage.open_ranges[0].certain
    assert who.holds(parse("10.9.9.9"), f"{ASG.lower()}/")
    assert not who.holds(parse("10.9.9.9"))
    assert describe_sources(who) == "members of web"


@pytest.mark.parametrize(
    "body",
    [{}, {"properties": None}, {"properties": {"securityRules": None}}, {"properties": {"securityRules": "none"}}],
)
def test_rules_that_were_not_read_are_no_closed_endpoint(body: dict[str, Any]) -> None:
    group = security_rules_of(Resource({"id": ABOVE, **body}))
    assert group.missing
    assert not group.exact


def test_an_unknown_address_leaves_rules_with_a_destination_open() -> None:
    rules = (allow(destinationAddressPrefix="10.0.0.4"),)
    assert labels(one_group(*rules, address="")) == ["(tcp/2222)"]
    assert labels(
        one_group(rule("d", 200, "Deny", "*", "*", destinationAddressPrefix="10.0.0.4"), allow(), address="")
    ) == ["(tcp/2222)"]
    assert labels(one_group(*rules, address="not an address")) == ["(tcp/2222)"]
    assert labels(one_group(*rules, address="10.0.0.0/28")) == ["(tcp/2222)"]


def test_usual_default_rules_are_not_kept() -> None:
    rows = [
        {"name": "AllowVnetInBound", "properties": {"priority": 65000, "access": "Allow", "direction": "Inbound", "protocol": "*", "sourceAddressPrefix": "VirtualNetwork", "destinationAddressPrefix": "VirtualNetwork", "sourcePortRange": "*", "destinationPortRange": "*"}},
        {"name": "DenyAllInBound", "properties": {"priority": 65500, "access": "Deny", "direction": "Inbound", "protocol": "*", "sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "sourcePortRange": "*", "destinationPortRange": "*"}},
    ]  # fmt: skip
    assert (
        security_rules_of(nsg(ABOVE, allow(), defaultSecurityRules=rows)).packed
        == security_rules_of(nsg(ABOVE, allow())).packed
    )
