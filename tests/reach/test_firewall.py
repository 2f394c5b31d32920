"""Each firewall shape, open, half open and closed, and the traps that reach has met."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.model.exposure import Lock
from scanner.model.resource import Resource
from scanner.model.verdict import Unread
from scanner.reach.services.firewall import firewall
from scanner.reach.services.firewall_row import Firewall
from tests.reach import shapes
from tests.reach.shapes import (
    EVENTS_RULES,
    GUEST,
    NEIGHBOUR,
    REDIS_RULES,
    ROWS,
    SQL_RULES,
    SQL_RULES6,
    SQL_SUBNETS,
    UNSEEN,
    endpoint,
    make,
    reach,
    subnet,
)


def evaluated(service: str, *args: Any, **more: Any) -> Lock:
    around = more.pop("index", None) or shapes.index()
    return firewall(make(service, *args, **more), around, ROWS[service])


def acl(default: str | None = "Deny", **lists: Any) -> dict[str, Any]:
    rules = {"defaultAction": default, "ipRules": [], "ipv6Rules": [], "virtualNetworkRules": [], **lists}
    return {"publicNetworkAccess": "Enabled", "networkAcls": rules, "privateEndpointConnections": []}


def values(*addresses: str) -> list[dict[str, str]]:
    return [{"value": each, "action": "Allow"} for each in addresses]


STORAGE = {
    "default action Allow": (acl("Allow"), "internet"),
    "rules do nothing beside Allow": (acl("Allow", ipRules=values("203.0.113.7")), "internet"),
    "Deny without rules": (acl(), "none"),
    "a value in another case": (acl("deny"), "none"),
    "one address": (acl(ipRules=values("203.0.113.7")), "selected"),
    "IPv6 rules are read": (acl(ipv6Rules=values("2000::/3")), "internet"),
    "one IPv6 network": (acl(ipv6Rules=values("2a00:1450::/48")), "selected"),
    "two halves of the internet": (acl(ipRules=values("0.0.0.0/1", "128.0.0.0/1")), "internet"),
    "small ranges that add up": (acl(ipRules=values(*(f"40.{n}.0.0/17" for n in range(3)))), "wide"),
    "a deny rule lets nobody in": (acl(ipRules=[{"value": "203.0.113.7", "action": "Deny"}]), "none"),
    "own networks are not wide": (acl(ipRules=values("20.0.0.0/8")), "selected"),
    "own networks beside one more": (acl(ipRules=values("20.0.0.0/8", "203.0.113.7")), "selected"),
    "private ranges have no effect": (acl(ipRules=values("10.0.0.0/8", "192.168.0.0/16")), "none"),
    "0.0.0.0 means nobody here": (acl(ipRules=values("0.0.0.0")), "none"),
    "own subnet": (acl(virtualNetworkRules=[{"id": subnet()}]), "private"),
    "subnet of a visible subscription": (acl(virtualNetworkRules=[{"id": subnet(NEIGHBOUR)}]), "private"),
    "subnet of another tenant": (acl(virtualNetworkRules=[{"id": subnet(GUEST)}]), "selected"),
    "subnet that cannot be seen": (acl(virtualNetworkRules=[{"id": subnet(UNSEEN)}]), "selected"),
    "subnet without id": (acl(virtualNetworkRules=[{}]), "selected"),
    "disabled": (acl("Allow") | {"publicNetworkAccess": "Disabled"}, "none"),
    "switch absent": ({"networkAcls": {"defaultAction": "Allow"}}, "internet"),
    "nothing but a name": ({}, "internet"),
    "switch that nobody knows": (acl("Allow") | {"publicNetworkAccess": "Sometimes"}, "unknown, may internet"),
    "unknown switch before closed rules": (acl() | {"publicNetworkAccess": "Sometimes"}, "unknown, may internet"),
    "default action that nobody knows": (acl("Perhaps"), "unknown, may internet"),
    "rules beside an unknown default": (acl("X", ipRules=values("203.0.113.7")), "selected, may internet"),
    "a list that nobody knows": (acl(ipv8Rules=values("1::")), "unknown, may internet"),
    "an empty list that nobody knows": (acl(ipv8Rules=[]), "none"),
    "a list that is none": (acl(ipRules="203.0.113.7"), "unknown, may internet"),
    "an address that is none": (acl(ipRules=values("203.0.113.7", "AzureCloud")), "selected, may internet"),
    "an entry without address": (acl(ipRules=[{"action": "Allow"}]), "unknown, may internet"),
    "an entry that is null": (acl(ipRules=[None]), "unknown, may internet"),
    "resource instances are no reach": (acl(resourceAccessRules=[{"resourceId": "/x"}]), "none"),
    "secured by a perimeter that is not there": (acl("Allow") | {"publicNetworkAccess": "SecuredByPerimeter"}, "none"),
}


@pytest.mark.parametrize("case", STORAGE)
def test_storage(case: str) -> None:
    properties, expected = STORAGE[case]
    read = {shapes.STORAGE_PERIMETERS: list[dict[str, Any]]()}
    assert reach(evaluated("storage", properties, children=read)) == expected


VAULT = {
    "no firewall at all": ({"publicNetworkAccess": "Enabled"}, "internet"),
    "null firewall": ({"publicNetworkAccess": "Enabled", "networkAcls": None}, "internet"),
    "Deny": (acl(), "none"),
    "disabled": ({"publicNetworkAccess": "disabled"}, "none"),
    "disabled with an approved endpoint": (
        {"publicNetworkAccess": "Disabled", "privateEndpointConnections": [endpoint()]},
        "private",
    ),
    "a pending endpoint lets nobody in": (
        {"publicNetworkAccess": "Disabled", "privateEndpointConnections": [endpoint(status="Pending")]},
        "none",
    ),
    "an endpoint of somebody else": (
        {"publicNetworkAccess": "Disabled", "privateEndpointConnections": [endpoint(UNSEEN)]},
        "selected",
    ),
    "an endpoint does not close the public side": (
        {"publicNetworkAccess": "Enabled", "privateEndpointConnections": [endpoint()]},
        "internet",
    ),
    "a connection without status": (
        {"publicNetworkAccess": "Disabled", "privateEndpointConnections": [{"properties": {}}]},
        "unknown, may selected",
    ),
}


@pytest.mark.parametrize("case", VAULT)
def test_vault(case: str) -> None:
    properties, expected = VAULT[case]
    assert reach(evaluated("vault", properties)) == expected


def test_bypass_is_reported_and_is_no_reach() -> None:
    lock = evaluated("vault", acl(bypass="AzureServices") | {"publicNetworkAccess": "Disabled"})
    assert reach(lock) == "none"
    assert lock.admits == (
        "trusted Microsoft services are still allowed (properties.networkAcls.bypass is AzureServices)",
    )
    lock = evaluated("vault", acl(bypass="None, AzureServices"))
    assert "None, AzureServices" in lock.admits[0]
    assert reach(evaluated("vault", acl(bypass="AzureServices, Backups"))) == "unknown, may internet"
    assert (
        reach(evaluated("vault", acl(bypass="Backups") | {"publicNetworkAccess": "Disabled"}))
        == "unknown, may internet"
    )
    secured = acl(bypass="AzureServices") | {"publicNetworkAccess": "SecuredByPerimeter"}
    assert evaluated("storage", secured, children={shapes.STORAGE_PERIMETERS: []}).admits == ()
    assert evaluated("vault", acl("Allow", bypass="AzureServices")).admits == ()
    assert evaluated("vault", acl(bypass="None")).admits == ()


def span(start: str, end: str) -> dict[str, Any]:
    return {"properties": {"startIpAddress": start, "endIpAddress": end}}


def sql(rules: list[dict[str, Any]], **more: Any) -> Lock:
    children = {SQL_RULES: rules, SQL_RULES6: more.pop("six", []), SQL_SUBNETS: more.pop("subnets", [])}
    return evaluated("sql", {"publicNetworkAccess": "Enabled", **more.pop("properties", {})}, children=children, **more)


SQL = {
    "no rule is closed": ([], "none"),
    "every Azure tenant": ([span("0.0.0.0", "0.0.0.0")], "azure"),
    "every Azure tenant beside an address": ([span("0.0.0.0", "0.0.0.0"), span("203.0.113.7", "203.0.113.7")], "azure"),
    "the whole internet": ([span("0.0.0.0", "255.255.255.255")], "internet"),
    "nearly the whole internet": ([span("1.0.0.0", "254.255.255.255")], "internet"),
    "one address": ([span("203.0.113.7", "203.0.113.7")], "selected"),
    "65,536 addresses": ([span("40.0.0.0", "40.0.255.255")], "selected"),
    "65,537 addresses": ([span("40.0.0.0", "40.1.0.0")], "wide"),
    "a private range": ([span("10.0.0.0", "10.255.255.255")], "none"),
    "a range that ends before it starts": ([span("203.0.113.9", "203.0.113.7")], "unknown, may internet"),
}


@pytest.mark.parametrize("case", SQL)
def test_sql(case: str) -> None:
    rules, expected = SQL[case]
    assert reach(sql(rules)) == expected


def test_sql_reads_all_three_lists() -> None:
    six = [{"properties": {"startIPv6Address": "::", "endIPv6Address": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}}]
    assert reach(sql([], six=six)) == "internet"
    assert reach(sql([], subnets=[{"properties": {"virtualNetworkSubnetId": subnet()}}])) == "private"


def test_a_refused_rule_list_is_a_possible_grant_and_no_closed_endpoint() -> None:
    rest: dict[Any, list[dict[str, Any]]] = {SQL_RULES6: [], SQL_SUBNETS: []}
    lock = evaluated("sql", {"publicNetworkAccess": "Enabled"}, children=rest, gaps={SQL_RULES: "AuthorizationFailed"})
    assert reach(lock) == "unknown, may internet"
    assert lock.widest_possible is not None
    assert lock.widest_possible.missing.gap is not None
    assert [hop.allows for hop in lock.hops if hop.kind == "firewall"] == [None]
    rest = {SQL_RULES: [span("203.0.113.7", "203.0.113.7")], SQL_SUBNETS: []}
    lock = evaluated("sql", {"publicNetworkAccess": "Enabled"}, children=rest, gaps={SQL_RULES6: "AuthorizationFailed"})
    assert reach(lock) == "selected, may internet"


def test_rules_that_were_not_read_do_not_matter_behind_a_closed_switch() -> None:
    assert reach(evaluated("sql", {"publicNetworkAccess": "Disabled"})) == "none"


def cosmos(*addresses: str, subnets: tuple[str, ...] = (), filter: object = False) -> dict[str, Any]:
    return {
        "publicNetworkAccess": "Enabled",
        "ipRules": [{"ipAddressOrRange": each} for each in addresses],
        "virtualNetworkRules": [{"id": each} for each in subnets],
        "isVirtualNetworkFilterEnabled": filter,
    }


COSMOS = {
    "no rule is open": (cosmos(), "internet"),
    "a filter without rules is closed": (cosmos(filter=True), "none"),
    "a filter given as text": (cosmos(filter="true"), "none"),
    "0.0.0.0 is every Azure tenant": (cosmos("0.0.0.0"), "azure"),
    "0.0.0.0/0 is the internet": (cosmos("0.0.0.0/0"), "internet"),
    "the portal's addresses": (cosmos("104.42.195.92", "40.76.54.131", "52.176.6.30", "52.169.50.45"), "selected"),
    "one subnet closes the rest": (cosmos(subnets=(subnet(),), filter=True), "private"),
    "an address and a subnet": (cosmos("203.0.113.7", subnets=(subnet(),), filter=True), "selected"),
}


@pytest.mark.parametrize("case", COSMOS)
def test_cosmos(case: str) -> None:
    properties, expected = COSMOS[case]
    assert reach(evaluated("cosmos", properties)) == expected


def test_cosmos_names_the_resources_that_bypass() -> None:
    properties = cosmos("203.0.113.7") | {"networkAclBypassResourceIds": ["/subscriptions/x/synapse"]}
    assert evaluated("cosmos", properties).admits == ("the resource /subscriptions/x/synapse",)


def test_redis() -> None:
    enabled = {"publicNetworkAccess": "Enabled"}
    one = {"properties": {"startIP": "203.0.113.7", "endIP": "203.0.113.7"}}
    assert reach(evaluated("redis", enabled, children={REDIS_RULES: []})) == "internet"
    assert reach(evaluated("redis", enabled, children={REDIS_RULES: [one]})) == "selected"
    assert reach(evaluated("redis", enabled, gaps={REDIS_RULES: "AuthorizationFailed"})) == "unknown, may internet"
    assert reach(evaluated("redis", enabled | {"subnetId": subnet()})) == "private"
    assert reach(evaluated("redis", enabled | {"subnetId": subnet(UNSEEN)})) == "selected"


def test_injection_decides_before_the_switch() -> None:
    lock = evaluated("redis", {"publicNetworkAccess": "Enabled", "subnetId": subnet()})
    assert reach(lock) == "private"
    assert [hop.kind for hop in lock.hops] == ["source", "subnet"]


def rule_set(default: str = "Deny", switch: str = "Enabled", **lists: Any) -> dict[Any, list[dict[str, Any]]]:
    properties = {"publicNetworkAccess": switch, "defaultAction": default, "ipRules": [], "virtualNetworkRules": []}
    return {EVENTS_RULES: [{"properties": properties | lists}]}


EVENTS = {
    "Allow": (rule_set("Allow"), "Enabled", "internet"),
    "Deny without any rule is open": (rule_set(), "Enabled", "internet"),
    "Deny with a rule": (rule_set(ipRules=[{"ipMask": "203.0.113.7", "action": "Allow"}]), "Enabled", "selected"),
    "Deny with a subnet": (rule_set(virtualNetworkRules=[{"subnet": {"id": subnet()}}]), "Enabled", "private"),
    "both switches closed": (rule_set(switch="Disabled"), "Disabled", "none"),
    "switches that disagree, rules open": (rule_set(), "Disabled", "unknown, may internet"),
    "switches that disagree the other way": (rule_set("Allow", "Disabled"), "Enabled", "unknown, may internet"),
    "a second switch that nobody knows": (rule_set(switch="Sometimes"), "Enabled", "unknown, may internet"),
    "a list that nobody knows": (rule_set(ipv6Rules=[{"ipMask": "::/0"}]), "Enabled", "unknown, may internet"),
}


@pytest.mark.parametrize("case", EVENTS)
def test_event_hubs(case: str) -> None:
    children, switch, expected = EVENTS[case]
    lock = evaluated("events", {"publicNetworkAccess": switch}, children=children, sku={"name": "Standard"})
    assert reach(lock) == expected


def test_event_hubs_basic_has_no_firewall() -> None:
    lock = evaluated("events", {"publicNetworkAccess": "Enabled"}, sku={"name": "Basic"}, children=rule_set())
    assert reach(lock) == "internet"
    assert lock.grants[0].evidence[-1].path == "sku.name"


@pytest.mark.parametrize("switch", ["Enabled", "Disabled", "SecuredByPerimeter"])
def test_a_rule_set_that_was_refused_leaves_each_switch_open(switch: str) -> None:
    lock = evaluated(
        "events",
        {"publicNetworkAccess": switch},
        sku={"name": "Standard"},
        gaps={EVENTS_RULES: "AuthorizationFailed"},
    )
    assert reach(lock) == "unknown, may internet"
    why = {possible.missing.what: bool(possible.missing.gap) for possible in lock.possible_grants}
    perimeter = {"networkSecurityPerimeterConfigurations": False} if switch == "SecuredByPerimeter" else {}
    assert why == {"networkRuleSets/default": True, **perimeter}


def search(*addresses: str, **more: Any) -> dict[str, Any]:
    return {
        "publicNetworkAccess": "enabled",
        "networkRuleSet": {"ipRules": values(*addresses), "bypass": "None"},
        **more,
    }


def test_search() -> None:
    assert reach(evaluated("search", search())) == "internet"
    assert reach(evaluated("search", search("203.0.113.7"), sku={"name": "basic"})) == "selected"
    assert reach(evaluated("search", search("203.0.113.7"), sku={"name": "free"})) == "internet"
    assert reach(evaluated("search", search(publicNetworkAccess="disabled"))) == "none"
    assert reach(evaluated("search", {"publicNetworkAccess": "enabled"})) == "internet"


def test_registry() -> None:
    closed = {"defaultAction": "Deny", "ipRules": []}
    some = {"defaultAction": "Deny", "ipRules": values("203.0.113.0/24")}
    own = {"defaultAction": "Deny", "ipRules": values("198.51.100.0/25", "20.1.0.0/16")}
    assert reach(evaluated("registry", {"publicNetworkAccess": "Enabled"})) == "internet"
    assert reach(evaluated("registry", {"publicNetworkAccess": "Enabled", "networkRuleSet": closed})) == "none"
    assert reach(evaluated("registry", {"publicNetworkAccess": "Enabled", "networkRuleSet": some})) == "selected"
    lock = evaluated("registry", {"publicNetworkAccess": "Enabled", "networkRuleSet": own})
    assert reach(lock) == "selected"
    assert lock.grants[0].description.startswith("the organisation's own networks")


def test_app_configuration_closes_by_itself_with_an_approved_endpoint_only() -> None:
    def config(*endpoints: dict[str, Any]) -> dict[str, Any]:
        return {"publicNetworkAccess": None, "privateEndpointConnections": list(endpoints)}

    assert reach(evaluated("config", config())) == "internet"
    assert reach(evaluated("config", config(endpoint(status="Pending")))) == "internet"
    assert reach(evaluated("config", config(endpoint()))) == "private"
    assert reach(evaluated("config", config(endpoint(UNSEEN)))) == "selected"
    assert reach(
        evaluated("config", {"publicNetworkAccess": "Enabled", "privateEndpointConnections": [endpoint()]})
    ) == ("internet")
    assert reach(evaluated("config", {"publicNetworkAccess": None, "privateEndpointConnections": "?"})) == (
        "unknown, may internet"
    )


def test_cluster() -> None:
    def cluster(**profile: Any) -> dict[str, Any]:
        return {"apiServerAccessProfile": profile}

    assert reach(evaluated("cluster", {})) == "internet"
    assert reach(evaluated("cluster", cluster(enablePrivateCluster=True))) == "none"
    assert reach(evaluated("cluster", cluster(enablePrivateCluster="True"))) == "none"
    assert reach(evaluated("cluster", cluster(authorizedIPRanges=["0.0.0.0/32"]))) == "none"
    assert reach(evaluated("cluster", cluster(authorizedIPRanges=["203.0.113.0/24", "0.0.0.0/32"]))) == "selected"
    assert reach(evaluated("cluster", cluster(authorizedIPRanges=[]))) == "internet"


# Thin records: of an imported file or a Resource Graph row what is absent may fail, never pass.


def test_what_a_graph_row_lacks_is_no_closed_endpoint() -> None:
    deny = {"publicNetworkAccess": "Enabled", "networkAcls": {"defaultAction": "Deny"}}
    assert reach(evaluated("storage", deny, by="import")) == "unknown, may internet"
    assert reach(evaluated("storage", {}, by="graph")) == "internet"
    full = acl()
    assert reach(evaluated("storage", full, by="graph")) == "none"


def test_what_a_graph_row_does_not_say_of_injection_may_be_a_network() -> None:
    closed = {"publicNetworkAccess": "Disabled", "privateEndpointConnections": []}
    assert reach(evaluated("redis", closed, by="graph")) == "unknown, may private"
    assert reach(evaluated("redis", closed)) == "none"


def test_null_connections_of_a_graph_row_may_be_a_private_endpoint() -> None:
    nulls = {"publicNetworkAccess": "Disabled", "privateEndpointConnections": None}
    assert reach(evaluated("vault", nulls, by="graph")) == "unknown, may selected"
    pe = Resource(
        {
            "id": shapes.identity("Microsoft.Network/privateEndpoints", "pe"),
            "properties": {
                "privateLinkServiceConnections": [
                    {
                        "properties": {
                            "privateLinkServiceId": make("vault").id.upper(),
                            "privateLinkServiceConnectionState": {"status": "Approved"},
                        }
                    }
                ]
            },
        }
    )
    assert reach(evaluated("vault", nulls, by="graph", index=shapes.index(pe))) == "private, may selected"
    auto = {"publicNetworkAccess": None, "privateEndpointConnections": None}
    assert reach(evaluated("config", auto, by="graph")) == "unknown, may internet"
    assert reach(evaluated("config", auto, by="graph", index=shapes.index(pe))) == "unknown, may internet"


def test_a_graph_row_that_is_missing_beside_one_that_is_not_is_a_possible_grant() -> None:
    properties = cosmos(subnets=(subnet(),), filter=True)
    properties["ipRules"] = None
    assert reach(evaluated("cosmos", properties, by="graph")) == "private, may internet"


# What is told


def test_hops_run_from_the_source_to_the_private_endpoint() -> None:
    properties = acl(ipRules=values("203.0.113.7")) | {"privateEndpointConnections": [endpoint()]}
    lock = evaluated("storage", properties)
    assert [(hop.kind, hop.allows) for hop in lock.hops] == [
        ("source", True),
        ("switch", True),
        ("firewall", True),
        ("private-endpoint", True),
    ]
    assert lock.hops[0].detail == "203.0.113.7"
    closed = evaluated("vault", {"publicNetworkAccess": "Disabled"})
    assert [(hop.kind, hop.allows) for hop in closed.hops] == [("source", True), ("switch", False)]
    assert closed.hops[0].name == "Internet"


def test_evidence_says_what_decides() -> None:
    opened = evaluated("storage", acl("Allow"))
    assert [(fact.path.rsplit(".", 1)[-1], fact.value) for fact in opened.grants[0].evidence] == [
        ("publicNetworkAccess", "Enabled"),
        ("defaultAction", "Allow"),
    ]
    closed = evaluated("storage", acl())
    assert ("ipRules", "0 rules") in [(fact.path.rsplit(".", 1)[-1], fact.value) for fact in closed.grants[0].evidence]
    private = evaluated("storage", acl(ipRules=values("10.0.0.0/8", "203.0.113.7")))
    assert any("no effect" in str(fact.expected) for fact in private.grants[0].evidence)


def test_a_wide_range_says_how_many_addresses() -> None:
    lock = evaluated("storage", acl(ipRules=values("40.0.0.0/12")))
    assert lock.grants[0].description == "1,048,576 public IPv4 addresses (40.0.0.0/12)"


def test_a_subnet_that_is_not_visible_is_named() -> None:
    lock = evaluated("storage", acl(virtualNetworkRules=[{"id": subnet(UNSEEN)}]))
    assert lock.grants[0].description == "inner, a subnet in an external subscription (not visible to this scan)"
    assert lock.grants[0].evidence[-1].value == [subnet(UNSEEN)]


def test_a_row_needs_a_source() -> None:
    with pytest.raises(TypeError):
        Firewall(empty="open", source="")


# Hostile and random bodies

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["Allow", "Deny", "Enabled", "0.0.0.0", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "id", "properties", "status", "ipRules", "defaultAction", "startIP"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
MEMBERS = (
    "publicNetworkAccess",
    "networkAcls",
    "ipRules",
    "virtualNetworkRules",
    "privateEndpointConnections",
    "subnetId",
)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(ROWS)), st.dictionaries(st.sampled_from(MEMBERS), JUNK))
def test_no_body_crashes_the_reader(service: str, properties: dict[str, Any]) -> None:
    with suppress(Unread):
        lock = evaluated(service, properties)
        assert lock.grants or lock.possible_grants
        assert lock.hops[0].kind == "source"


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from(["203.0.113.7", "40.0.0.0/12", "0.0.0.0/1", "10.0.0.0/8", "20.0.0.0/8", "?"]), max_size=4)
)
def test_one_more_rule_never_narrows(addresses: list[str]) -> None:
    def level(lock: Lock) -> int:
        return max([grant.level for grant in lock.grants] + [possible.level for possible in lock.possible_grants])

    for count in range(len(addresses)):
        fewer = evaluated("storage", acl(ipRules=values(*addresses[:count])))
        more = evaluated("storage", acl(ipRules=values(*addresses[: count + 1])))
        assert level(fewer) <= level(more)


def test_unread_lists_are_named() -> None:
    lock = evaluated("redis", {"publicNetworkAccess": "Enabled"})
    assert lock.possible_grants[0].missing.what == "firewallRules"
