"""The chain: both groups, admin rules, addresses without a group, what was not read, and the evidence of it all."""

from __future__ import annotations

from typing import Any

import pytest

from scanner.model.addresses import parse
from scanner.model.exposure import Reach
from scanner.model.index import Index, build
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread
from scanner.reach.networks.fabric import Destination, Fabric, destination_of, fabric_of
from scanner.reach.networks.filtering import MAX_CACHED_CHAINS, EntryKind, FilterChain, filter_chain
from scanner.reach.rules.known_ports import known
from scanner.reach.rules.source_grants import describe_sources, grants_from_sources, platform_tags
from scanner.reach.rules.source_sets import NO_SOURCES, OUTSIDE_SOURCES, sources_from_addresses
from tests.reach.bodies import (
    ABOVE,
    BELOW,
    ROOT,
    SUBNET,
    fabric,
    labels,
    manager_rows,
    network,
    nsg,
    one_group,
    routes,
    rule,
)

ALLOW = rule("ssh", 100, "Allow", "Internet", "22")
TABLE = f"{ROOT}/routeTables/table"
NETWORK = f"{ROOT}/virtualNetworks/net"


def target(group: str = "", **more: Any) -> Destination:
    return Destination(SUBNET, group, **{"address": "10.0.0.4", **more})


@pytest.mark.parametrize(
    ("above", "below", "entry", "expected"),
    [
        ([ALLOW], None, "standard", ["tcp/22"]),
        (None, [ALLOW], "standard", ["tcp/22"]),
        ([ALLOW], [ALLOW], "standard", ["tcp/22"]),
        ([ALLOW], [], "standard", []),
        ([], [ALLOW], "standard", []),
        ([ALLOW], [rule("a", 100, "Allow", "*", "80")], "standard", []),
        (None, None, "standard", []),
        ([], None, "basic", []),
        ([ALLOW], None, "basic", ["tcp/22"]),
    ],
)
def test_both_groups_must_let_it_in(
    above: list[dict[str, Any]] | None, below: list[dict[str, Any]] | None, entry: EntryKind, expected: list[str]
) -> None:
    made = fabric(network(ABOVE if above is not None else ""))
    for identity, rules in ((ABOVE, above), (BELOW, below)):
        if rules is not None:
            made.add(nsg(identity, *rules))
    assert labels(filter_chain(made, target(BELOW if below is not None else ""), entry)) == expected


@pytest.mark.parametrize(("entry", "is_open"), [("standard", False), ("basic", True), ("inside", True)])
def test_without_a_group_the_address_decides(entry: EntryKind, is_open: bool) -> None:
    chain = filter_chain(fabric(network()), target(), entry)
    assert ("*/*" in labels(chain)) is is_open
    step = chain.explain("tcp", 22)[0]
    assert (step.kind, step.allows) == ("no-nsg", is_open)
    assert step.detail.startswith("no network security group: ")


def test_the_sources_that_are_left_after_each_hop() -> None:
    made = fabric(
        network(ABOVE),
        nsg(ABOVE, rule("wide", 100, "Allow", "20.0.0.0/8", "22")),
        nsg(BELOW, rule("not that one", 100, "Deny", "20.1.0.0/16", "22"), rule("all", 200, "Allow", "*", "*")),
    )
    (opening,) = filter_chain(made, target(BELOW), "standard").open_ranges
    assert [step.kind for step in opening.steps] == ["subnet-nsg", "nic-nsg"]
    assert [[(ref.name, ref.priority, ref.allows) for ref in step.rules] for step in opening.steps] == [
        [("wide", 100, True)],
        [("all", 200, True)],
    ]
    left = [describe_sources(step.remaining) for step in opening.steps]
    assert left == ["20.0.0.0/8", "20.0.0.0/16 and 20.2.0.0-20.255.255.255"]
    hop = opening.steps[0].hop()
    assert (hop.name, hop.resource, hop.allows) == ("above", ABOVE, True)
    assert hop.detail == "wide (100) allows 20.0.0.0/8"


def test_a_closed_port_names_the_rule_that_blocks_it() -> None:
    passed = one_group(rule("never", 100, "Deny", "*", "22"), rule("all", 200, "Allow", "*", "*"))
    (step,) = passed.explain("tcp", 22)
    assert [(ref.name, ref.allows) for ref in step.rules] == [("never", False)]
    assert (step.allows, step.remaining) == (False, NO_SOURCES)
    assert step.hop().detail == "never (100) allows no one"
    (default,) = one_group().explain("tcp", 22)
    assert [ref.name for ref in default.rules] == ["DenyAllInBound"]


def test_one_sender_is_followed_alone() -> None:
    passed = one_group(rule("office", 100, "Allow", "203.0.113.0/24", "22"))
    yes = passed.explain("tcp", 22, sources_from_addresses(parse("203.0.113.9")))
    no = passed.explain("tcp", 22, sources_from_addresses(parse("198.51.100.1")))
    assert [step.allows for step in yes] == [True]
    assert [ref.name for ref in yes[0].rules] == ["office"]
    assert [step.allows for step in no] == [False]
    assert [ref.name for ref in no[0].rules] == ["DenyAllInBound"]


# What was not read


def unread(chain: FilterChain) -> bool:
    return all(not each.certain and each.possible and each.missing for each in chain.open_ranges) and bool(
        chain.open_ranges
    )


def test_a_group_that_was_not_read_may_allow_the_internet() -> None:
    assert unread(filter_chain(fabric(network(ABOVE)), target(), "standard"))
    assert unread(filter_chain(fabric(network()), target(BELOW), "standard"))


def test_a_group_that_was_read_still_blocks_behind_one_that_was_not() -> None:
    made = fabric(network(ABOVE), nsg(BELOW, ALLOW))
    chain = filter_chain(made, target(BELOW), "standard")
    assert labels(chain) == ["(tcp/22)"]
    assert filter_chain(fabric(network(ABOVE), nsg(BELOW)), target(BELOW), "standard").open_ranges == ()
    step = chain.explain("tcp", 22)[0]
    assert (step.allows, step.detail) == (None, "the network security group was not collected")


def test_a_subnet_that_was_not_read_may_have_any_group() -> None:
    assert labels(filter_chain(fabric(nsg(BELOW, ALLOW)), target(BELOW), "standard")) == ["(tcp/22)"]
    assert unread(filter_chain(fabric(), target(), "basic"))
    assert unread(filter_chain(fabric(), Destination(""), "basic"))


def test_a_subnet_without_groups_that_was_not_read_is_not_closed() -> None:
    assert unread(filter_chain(fabric(), target(), "standard"))


# Security admin rules


def admin(
    name: str, priority: int, access: str, /, source: str = "*", ports: str = "22", **more: Any
) -> dict[str, Any]:
    kind = "ServiceTag" if source[:1].isalpha() else "IPPrefix"
    properties = {
        "priority": priority,
        "access": access,
        "direction": "Inbound",
        "protocol": "Any",
        "sources": [{"addressPrefix": source, "addressPrefixType": kind}],
        "destinations": [{"addressPrefix": "*", "addressPrefixType": "IPPrefix"}],
        "sourcePortRanges": ["0-65535"],
        "destinationPortRanges": [ports],
        **more,
    }
    return {"id": f"{ROOT}/networkManagers/m/rules/{name}", "properties": properties}


def managed(*rules: dict[str, Any], group: bool = True, entry: EntryKind = "standard") -> FilterChain:
    made = fabric(network(ABOVE if group else ""), nsg(ABOVE, ALLOW))
    for row in manager_rows(NETWORK, list(rules)):
        made.add(Resource(row))
    return filter_chain(made, target(), entry)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([admin("deny", 1, "Deny")], []),
        ([admin("allow", 1, "Allow"), admin("deny", 2, "Deny")], ["tcp/22"]),
        ([admin("deny", 1, "Deny", ports="80")], ["tcp/22"]),
        ([admin("deny", 1, "Deny", direction="Outbound")], ["tcp/22"]),
        ([admin("always", 1, "AlwaysAllow", ports="2222", protocol="Tcp")], ["tcp/22", "tcp/2222"]),
        ([admin("deny", 1, "Deny", ports="*"), admin("always", 2, "AlwaysAllow", ports="2222")], []),
        ([admin("allow", 1, "Allow", ports="2222")], ["tcp/22"]),
        ([admin("deny", 1, "Deny", source="Internet")], []),
        ([admin("deny", 1, "Deny", source="VirtualNetwork")], ["tcp/22"]),
        ([admin("odd", 1, "Perhaps")], ["(tcp/22)", "(udp/22)"]),
    ],
)
def test_admin_rules_come_first(rules: list[dict[str, Any]], expected: list[str]) -> None:
    assert labels(managed(*rules)) == expected


def test_always_allow_delivers_past_groups_and_says_so() -> None:
    chain = managed(admin("always", 1, "AlwaysAllow", ports="2222", protocol="Tcp"))
    opening = chain.within("tcp", 2222, 2222)[0]
    assert [(step.kind, [ref.name for ref in step.rules]) for step in opening.steps] == [("admin-rules", ["always"])]
    assert opening.steps[0].rules[0].resource.endswith("/rules/always/snapshots/1")
    assert [step.kind for step in chain.explain("tcp", 2222)] == ["admin-rules"]


def test_always_allow_without_a_group_is_decided_towards_open() -> None:
    assert "tcp/2222" in labels(managed(admin("a", 1, "AlwaysAllow", ports="2222", protocol="Tcp"), group=False))


def test_a_network_group_is_never_the_internet() -> None:
    members = [{"addressPrefix": f"{ROOT}/networkManagers/m/networkGroups/g", "addressPrefixType": "NetworkGroup"}]
    assert labels(managed(admin("a", 1, "AlwaysAllow", ports="2222", sources=members))) == ["tcp/22"]
    aimed = managed(admin("a", 1, "AlwaysAllow", ports="2222", protocol="Tcp", destinations=members))
    assert labels(aimed) == ["tcp/22", "(tcp/2222)"]


def test_admin_rules_that_were_not_read_stand_in_may() -> None:
    made = fabric(network(ABOVE), nsg(ABOVE, ALLOW))
    made.admin_missing = Unread("security admin rules", Message("403 AuthorizationFailed"))
    chain = filter_chain(made, target(), "standard")
    certain = [each for each in chain.open_ranges if each.certain]
    assert [(each.label, each.missing) for each in certain] == [("tcp/22", ())]
    rest = [each for each in chain.open_ranges if not each.certain]
    assert rest
    assert all(each.possible.holds(parse("8.8.8.8")) and made.admin_missing in each.missing for each in rest)


# Default routes


@pytest.mark.parametrize(
    ("hop", "text"),
    [
        ("None", "check: packets arrive, but the default route to None drops the answers"),
        ("VirtualAppliance", "check: packets arrive, but answers go to an appliance, and a stateful one drops them"),
    ],
)
def test_a_default_route_that_loses_answers_leaves_the_port_open_and_says_so(hop: str, text: str) -> None:
    made = fabric(network(ABOVE, TABLE), nsg(ABOVE, ALLOW), routes(TABLE, ("0.0.0.0/0", hop)))
    opened = filter_chain(made, target(), "standard").open_ranges[0]
    assert opened.certain
    assert opened.steps[-1].detail.startswith(text)


@pytest.mark.parametrize(
    ("prefix", "hop", "expected"),
    [
        ("0.0.0.0/0", "VirtualAppliance", True),
        ("::/0", "virtualappliance", True),
        ("0.0.0.0/0", "VirtualNetworkGateway", True),
        ("0.0.0.0/0", "None", True),
        ("0.0.0.0/0", "Internet", False),
        ("10.0.0.0/8", "VirtualAppliance", False),
        ("nonsense", "VirtualAppliance", False),
    ],
)
def test_a_default_route_is_evidence_to_check(prefix: str, hop: str, expected: bool) -> None:
    made = fabric(network(ABOVE, TABLE), nsg(ABOVE, ALLOW), routes(TABLE, (prefix, hop)))
    chain = filter_chain(made, target(), "standard")
    assert labels(chain) == ["tcp/22"]
    assert (chain.route_warning is not None) is expected
    steps = chain.open_ranges[0].steps
    assert (steps[-1].kind == "route" and steps[-1].detail.startswith("check: ")) is expected


def test_a_default_route_is_nothing_to_check_where_the_network_itself_is_held_off() -> None:
    closed = rule("nobody", 4000, "Deny", "*", "*", protocol="*")
    made = fabric(network(ABOVE, TABLE), nsg(ABOVE, closed), routes(TABLE, ("0.0.0.0/0", "VirtualAppliance")))
    warning = filter_chain(made, target(), "standard").route_warning
    assert warning is not None
    assert "VirtualNetwork" not in warning.detail
    made = fabric(network(ABOVE, TABLE), nsg(ABOVE, closed), routes(TABLE, ("0.0.0.0/0", "VirtualNetworkGateway")))
    assert filter_chain(made, target(), "standard").route_warning is None


def test_a_route_table_that_was_not_read_is_to_check() -> None:
    chain = filter_chain(fabric(network(ABOVE, TABLE), nsg(ABOVE)), target(), "standard")
    assert chain.route_warning is not None
    assert (chain.route_warning.allows, chain.open_ranges) == (None, ())


# Openings in other hands


def test_senders_that_something_before_it_allows() -> None:
    (opening,) = one_group(ALLOW).open_ranges
    office = sources_from_addresses(parse("203.0.113.0/24"))
    assert describe_sources(opening.limited(office).certain) == "203.0.113.0/24"
    assert not opening.limited(sources_from_addresses(parse("10.0.0.0/8"))).certain


def test_within_cuts_to_what_was_asked() -> None:
    chain = one_group(rule("a", 100, "Allow", "*", "*", protocol="*"))
    assert [each.label for each in chain.within("*", 24, 30)] == ["*/24-30"]
    assert [each.label for each in chain.within("udp", 24, 30)] == ["udp/24-30"]
    assert chain.within("tcp", 22, 22)[0].known_port == known("tcp", 22)


# Rating


def index(**more: Any) -> Index:
    return build((), **more)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([ALLOW], [Reach.internet]),
        ([rule("a", 100, "Allow", "AzureCloud", "22")], [Reach.azure]),
        ([rule("a", 100, "Allow", "FooService", "22")], [Reach.azure]),
        ([rule("a", 100, "Allow", ["20.0.0.0/8"], "22")], [Reach.wide]),
        ([rule("a", 100, "Allow", ["20.0.0.1", "Storage"], "22")], [Reach.selected, Reach.azure]),
        ([rule("a", 100, "Allow", "GatewayManager", "22")], []),
        ([rule("d", 99, "Deny", "AzureCloud", "22"), ALLOW], [Reach.internet]),
    ],
)
def test_exposures_are_rated_in_the_words_of_the_design(rules: list[dict[str, Any]], expected: list[Reach]) -> None:
    (opening,) = one_group(*rules).open_ranges
    assert [grant.level for grant in grants_from_sources(opening.certain, index())] == expected


def test_a_tag_behind_few_addresses_counts_as_these() -> None:
    made = fabric(
        network(ABOVE),
        nsg(ABOVE, rule("a", 100, "Allow", "AzureCloud", "22")),
        nsg(BELOW, rule("b", 100, "Allow", "20.0.0.1", "22")),
    )
    (opening,) = filter_chain(made, target(BELOW), "standard").open_ranges
    assert [grant.level for grant in grants_from_sources(opening.certain, index())] == [Reach.selected]


def test_control_planes_are_reported_without_a_grant() -> None:
    (opening,) = one_group(rule("a", 100, "Allow", "GatewayManager", "22")).open_ranges
    assert platform_tags(opening.certain) == ("GatewayManager: the management traffic of VPN and application gateways",)


def test_own_networks_are_selected() -> None:
    (opening,) = one_group(rule("a", 100, "Allow", "20.0.0.0/8", "22")).open_ranges
    grants = grants_from_sources(opening.certain, index(networks=parse("20.0.0.0/8")))
    assert [grant.level for grant in grants] == [Reach.selected]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("*", "every address"),
        (["20.0.0.0/8"], "20.0.0.0/8"),
        ("AzureCloud", "the service tag AzureCloud"),
        (["203.0.113.7", "Storage.NorwayEast"], "203.0.113.7 and the service tag Storage.norwayeast"),
    ],
)
def test_senders_as_a_clause(sources: Any, expected: str) -> None:
    (opening,) = one_group(rule("a", 100, "Allow", sources, "22")).open_ranges
    assert describe_sources(opening.certain) == expected


def test_many_tags_are_counted() -> None:
    tags = ["Storage", "Sql", "EventHub", "ServiceBus"]
    (opening,) = one_group(
        rule("a", 100, "Allow", [*tags, *(f"20.0.0.{n}" for n in range(1, 11, 2))], "22")
    ).open_ranges
    text = "the service tags EventHub, ServiceBus, Sql and 1 more, 20.0.0.1, 20.0.0.3, 20.0.0.5 and 2 more"
    assert describe_sources(opening.certain) == text


def test_everyone_but_a_few_is_shown_as_such() -> None:
    (opening,) = one_group(rule("d", 99, "Deny", ["20.0.0.0/8", "AzureCloud"], "22"), ALLOW).open_ranges
    assert describe_sources(opening.certain) == "every address except 20.0.0.0/8 except AzureCloud"
    assert describe_sources(OUTSIDE_SOURCES) == "every address"


# The fabric


def nic(number: int, **more: Any) -> Resource:
    configuration = {
        "name": "ipconfig1",
        "properties": {"privateIPAddress": f"10.0.0.{number}", "subnet": {"id": SUBNET.upper()}, **more},
    }
    identity = f"{ROOT}/networkInterfaces/nic{number}"
    properties = {"ipConfigurations": [configuration], "networkSecurityGroup": {"id": BELOW.lower()}}
    return Resource({"id": identity, "properties": properties})


def test_interfaces_with_the_same_groups_share_a_passage() -> None:
    made = fabric(network(ABOVE), nsg(ABOVE, ALLOW), nsg(BELOW, ALLOW), nic(4), nic(5))
    first, second = (
        filter_chain(made, destination_of(each, each.configurations[0]), "standard") for each in made.nics.values()
    )
    assert first is second
    assert first.open_ranges is second.open_ranges


def test_a_destination_of_its_own_parts_them() -> None:
    aimed = rule("only five", 100, "Allow", "*", "22", destinationAddressPrefix="10.0.0.5")
    made = fabric(network(), nsg(BELOW, aimed), nic(4), nic(5))
    matches = [
        labels(filter_chain(made, destination_of(each, each.configurations[0]), "standard"))
        for each in made.nics.values()
    ]
    assert matches == [[], ["tcp/22"]]


def test_remembered_passages_are_bounded() -> None:
    made = fabric(network(ABOVE), nsg(ABOVE, ALLOW))
    for number in range(MAX_CACHED_CHAINS + 20):
        filter_chain(made, target(f"{BELOW}{number}"), "standard")
    assert len(made.memo) == MAX_CACHED_CHAINS


def test_hostile_bodies_are_taken_as_they_are() -> None:
    made = Fabric()
    for identity in (ABOVE, NETWORK, f"{ROOT}/networkInterfaces/n", TABLE):
        odd: list[Any] = [{}, None, [], "x", {"ipConfigurations": [None, 1]}, {"subnets": [None, {"name": 3}]}]
        for properties in odd:
            assert made.add(Resource({"id": identity, "properties": properties}))
    made.add(Resource({"id": TABLE, "properties": {"routes": [None, {"properties": {"addressPrefix": 7}}]}}))
    assert not made.add(Resource({"id": f"{ROOT}/publicIPAddresses/ip"}))
    assert made.nics[f"{ROOT}/networkInterfaces/n".lower()].configurations == ()


def test_subnets_are_read_inline_and_as_children() -> None:
    made = fabric(Resource({"id": NETWORK, "properties": {"subnets": [{"name": "inner", "properties": {}}]}}))
    assert made.subnets[SUBNET.lower()].group == ""
    body = {"id": SUBNET, "properties": {"networkSecurityGroup": {"id": ABOVE}, "addressPrefixes": ["10.0.0.0/24"]}}
    made.add(Resource(body))
    subnet = made.subnets[SUBNET.lower()]
    assert (subnet.group, subnet.network, subnet.prefixes) == (ABOVE.lower(), NETWORK.lower(), ("10.0.0.0/24",))


def test_the_fabric_of_an_index_is_made_once() -> None:
    whole = build((network(ABOVE), nsg(ABOVE, ALLOW)), live=False)
    made = fabric_of(whole)
    assert fabric_of(whole) is made
    assert labels(filter_chain(made, target(), "standard")) == ["tcp/22"]
    missing = Unread("effectiveSecurityAdminRules", Message("403"))
    live = build((network(ABOVE),), missing={"microsoft.network/effectivesecurityadminrules": missing})
    assert fabric_of(live).admin_missing is missing


def test_a_network_with_some_admin_rules_may_have_more_where_the_list_was_refused() -> None:
    made = fabric(network(ABOVE), nsg(ABOVE, ALLOW))
    for row in manager_rows(NETWORK, [admin("deny", 1, "Deny")]):
        made.add(Resource(row))
    made.admin_missing = Unread("effectiveSecurityAdminRules", Message("403"))
    assert "(tcp/22)" in labels(filter_chain(made, target(), "standard"))
