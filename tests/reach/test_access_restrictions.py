"""Access restrictions of apps: order, default action, tags, header filters, and the address lists of container apps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.model.exposure import Lock
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread
from scanner.reach.services.access_restrictions import address_list, restrictions
from scanner.reach.services.firewall import firewall
from scanner.reach.services.firewall_row import Firewall
from tests.reach import shapes
from tests.reach.shapes import UNSEEN, reach, subnet

SITE = Firewall(
    empty="open",
    source="app-service/overview-access-restrictions",
    absent="auto",
)
OURS = "11111111-2222-3333-4444-555555555555"
THEIRS = "99999999-2222-3333-4444-555555555555"
ALLOW_ALL = {"ipAddress": "Any", "action": "Allow", "priority": 2147483647, "name": "Allow all"}
DENY_ALL = {"ipAddress": "Any", "action": "Deny", "priority": 2147483647, "name": "Deny all"}


def site(properties: dict[str, Any] | None = None) -> Resource:
    body = {"id": shapes.identity("Microsoft.Web/sites", "app"), "properties": properties or {}}
    return Resource(body)


def config(*rules: dict[str, Any], default: str | None = None, **more: Any) -> Resource:
    properties = {"ipSecurityRestrictions": list(rules), "ipSecurityRestrictionsDefaultAction": default, **more}
    return Resource({"id": f"{site().id}/config/web", "properties": properties})


def front_doors(**more: Any) -> Index:
    profile = Resource(
        {"id": shapes.identity("Microsoft.Cdn/profiles", "our-door"), "properties": {"frontDoorId": OURS.upper()}}
    )
    classic = Resource(
        {"id": shapes.identity("Microsoft.Network/frontDoors", "classic"), "properties": {"frontdoorId": None}}
    )
    return shapes.index(profile, classic, **more)


def allow(address: str, priority: int = 100, **more: Any) -> dict[str, Any]:
    return {"ipAddress": address, "action": "Allow", "tag": "Default", "priority": priority, **more}


def deny(address: str, priority: int = 100, **more: Any) -> dict[str, Any]:
    return allow(address, priority, **more) | {"action": "Deny"}


def tag(name: str, *ids: str, **headers: list[str]) -> dict[str, Any]:
    named = {"x-azure-fdid": list(ids)} if ids else {}
    return allow(name, tag="ServiceTag", headers=named | headers)


CASES = {
    "no rule and no default": (config(), "internet"),
    "the rule that Azure shows for no rule": (config(ALLOW_ALL), "internet"),
    "the shown rule without its action": (config(ALLOW_ALL | {"action": None}), "internet"),
    "the shown rule with an action that nobody knows": (config(ALLOW_ALL | {"action": "x"}), "unknown, may internet"),
    "a service tag that names none": (config(tag(" ,")), "unknown, may internet"),
    "a Deny whose place is not known": (
        config(allow("203.0.113.7/32", 100), deny("Any", "1"), default="Deny"),  # type: ignore[arg-type]
        "selected, may internet",
    ),
    "an Allow whose place is not known": (
        config(allow("Any", "9"), deny("Any", 100)),  # type: ignore[arg-type]
        "unknown, may internet",
    ),
    "no rule and Deny": (config(default="Deny"), "none"),
    "an explicit Deny beats the shown rule": (config(ALLOW_ALL, default="Deny"), "none"),
    "an explicit Allow beats the shown rule": (config(DENY_ALL, default="Allow"), "internet"),
    "one address, the rest denied": (config(allow("203.0.113.7/32")), "selected"),
    "one address and the shown Deny": (config(allow("203.0.113.7/32"), DENY_ALL), "selected"),
    "one address and Allow": (config(allow("203.0.113.7/32"), default="Allow"), "internet"),
    "a default that nobody knows": (config(allow("203.0.113.7/32"), default="Ask"), "selected, may internet"),
    "one address denied, the rest by default": (config(deny("203.0.113.7/32"), default="Allow"), "internet"),
    "one address denied, nothing else": (config(deny("203.0.113.7/32")), "none"),
    "everybody allowed": (config(allow("0.0.0.0/0")), "internet"),
    "IPv6 everybody": (config(allow("::/0")), "internet"),
    "two halves": (config(allow("0.0.0.0/1"), allow("128.0.0.0/1", 200)), "internet"),
    "denied first": (config(deny("0.0.0.0/0", 50), deny("::/0", 60), allow("0.0.0.0/0")), "none"),
    "denied too late": (config(deny("0.0.0.0/0", 500), allow("0.0.0.0/0")), "internet"),
    "nearly everybody denied": (config(deny("0.0.0.0/1", 50), deny("128.0.0.0/1", 60), allow("Any")), "internet"),
    "IPv4 denied before": (config(deny("0.0.0.0/0", 50), allow("203.0.113.7/32")), "none"),
    "a private range": (config(allow("10.0.0.0/8")), "none"),
    "own networks": (config(allow("20.0.0.0/8")), "selected"),
    "several in one rule": (config(allow("203.0.113.7/32,192.0.2.0/24")), "selected"),
    "with a netmask": (config(allow("203.0.113.7", subnetMask="255.255.255.255")), "selected"),
    "an address that is none": (config(allow("203.0.113.999/32")), "unknown, may internet"),
    "a deny that cannot be read denies nobody": (config(deny("x", 50), allow("Any")), "internet"),
    "own subnet": (config(allow("", vnetSubnetResourceId=subnet())), "private"),
    "subnet that cannot be seen": (config(allow("", vnetSubnetResourceId=subnet(UNSEEN))), "selected"),
    "subnet refused before": (
        config(deny("", 50, vnetSubnetResourceId=subnet()), allow("", vnetSubnetResourceId=subnet())),
        "none",
    ),
    "an action that nobody knows": (config(allow("203.0.113.7/32") | {"action": "Log"}), "unknown, may internet"),
    "the tag Internet": (config(tag("Internet")), "internet"),
    "the tag AzureCloud of a region": (config(tag("AzureCloud.norwayeast")), "azure"),
    "a tag that nobody knows": (config(tag("NewService")), "azure"),
    "a tag of Microsoft's own probes": (config(tag("AzureTrafficManager")), "none"),
    "two tags in one rule": (config(tag("AzureTrafficManager,AzureEventGrid")), "azure"),
    "a denied tag closes nothing": (config(deny("AzureCloud", 50, tag="ServiceTag"), default="Allow"), "internet"),
    "Front Door of anybody": (config(tag("AzureFrontDoor.Backend")), "azure"),
    "Front Door, our profile": (config(tag("AzureFrontDoor.Backend", OURS)), "selected"),
    "Front Door in another case": (config(tag("azurefrontdoor.backend", OURS.upper())), "selected"),
    "Front Door, an id that cannot be seen": (config(tag("AzureFrontDoor.Backend", THEIRS)), "azure"),
    "Front Door, ours and another": (config(tag("AzureFrontDoor.Backend", OURS, THEIRS)), "azure"),
    "Front Door by health probe header": (
        config(tag("AzureFrontDoor.Backend", **{"x-fd-healthprobe": ["1"]})),
        "azure",
    ),
    "Front Door by host header": (
        config(tag("AzureFrontDoor.Backend", **{"x-forwarded-host": ["a.example"]})),
        "azure",
    ),
    "our id on another tag is forged easily": (config(tag("AzureCloud", OURS)), "azure"),
    "our id on every address is forged easily": (
        config(allow("0.0.0.0/0", headers={"x-azure-fdid": [OURS]})),
        "internet",
    ),
    "a host filter is no lock": (config(allow("Any", headers={"x-forwarded-host": ["a.example"]})), "internet"),
    "a forwarded-for filter is no lock": (config(allow("Any", headers={"x-forwarded-for": ["192.0.2.1"]})), "internet"),
    "empty headers filter nothing": (config(allow("203.0.113.7/32", headers={})), "selected"),
    "a deny by header denies nobody": (
        config(deny("Any", 50, headers={"x-forwarded-host": ["a"]}), allow("203.0.113.7/32")),
        "selected",
    ),
    "a proxy's header as source": (config(allow("203.0.113.7/32", tag="XffProxy")), "unknown, may internet"),
    "rules without priority come late": (
        config({"ipAddress": "Any", "action": "Allow"}, deny("0.0.0.0/0", 1), deny("::/0", 2)),
        "none",
    ),
    "the same priority: allowed first": (config(deny("Any"), allow("203.0.113.7/32")), "selected"),
}


@pytest.mark.parametrize("case", CASES)
def test_restrictions(case: str) -> None:
    body, expected = CASES[case]
    assert reach(restrictions(site(), front_doors(), body)) == expected


def test_the_profile_is_named() -> None:
    lock = restrictions(site(), front_doors(), config(tag("AzureFrontDoor.Backend", OURS)))
    assert lock.grants[0].description == "the Front Door profile our-door"
    lock = restrictions(site(), front_doors(), config(tag("AzureFrontDoor.Backend", THEIRS)))
    assert "not visible to this scan" in lock.grants[0].description
    assert lock.grants[0].evidence[-1].value == [THEIRS]


def test_profiles_that_could_not_be_listed_leave_a_strange_id_open() -> None:
    index = front_doors(missing={"microsoft.cdn/profiles": Unread("profiles", Message("403"))})
    lock = restrictions(site(), index, config(tag("AzureFrontDoor.Backend", THEIRS)))
    assert reach(lock) == "selected, may azure"


@pytest.mark.parametrize("value", [None, "x", {}])
def test_rules_that_were_not_returned_are_a_possible_grant(value: object) -> None:
    body = config(ipSecurityRestrictions=value)
    assert reach(restrictions(site(), shapes.index(), body)) == "unknown, may internet"


def test_scm_has_rules_of_its_own() -> None:
    rules: dict[str, Any] = {
        "scmIpSecurityRestrictions": [ALLOW_ALL],
        "scmIpSecurityRestrictionsDefaultAction": None,
    }
    body = config(allow("203.0.113.7/32"), **rules)
    assert reach(restrictions(site(), shapes.index(), body)) == "selected"
    assert reach(restrictions(site(), shapes.index(), body, scm=True)) == "internet"
    body = config(allow("203.0.113.7/32"), scmIpSecurityRestrictionsUseMain=True, **rules)
    assert reach(restrictions(site(), shapes.index(), body, scm=True)) == "selected"
    rule = allow("203.0.113.7/32")
    own: dict[str, Any] = {"scmIpSecurityRestrictions": [rule], "scmIpSecurityRestrictionsDefaultAction": "Deny"}
    assert reach(restrictions(site(), shapes.index(), config(**own), scm=True)) == "selected"
    strange = config(scmIpSecurityRestrictionsUseMain="perhaps", **own)
    assert reach(restrictions(site(), shapes.index(), strange, scm=True)) == "selected, may internet"


def test_the_switch_stands_before_the_restrictions() -> None:
    def evaluated(properties: dict[str, Any], body: Resource) -> Lock:
        app = site(properties)
        return firewall(app, shapes.index(), SITE, restrictions(app, shapes.index(), body))

    one, everybody, nobody = config(allow("203.0.113.7/32")), config(), config(default="Deny")
    endpoints = {"privateEndpointConnections": [shapes.endpoint()]}
    assert reach(evaluated({"publicNetworkAccess": "Disabled"}, everybody)) == "none"
    assert reach(evaluated({"publicNetworkAccess": ""}, everybody)) == "internet"
    assert reach(evaluated({"publicNetworkAccess": None} | endpoints, everybody)) == "private"
    assert reach(evaluated({"publicNetworkAccess": "Enabled"} | endpoints, everybody)) == "internet"
    assert reach(evaluated({"publicNetworkAccess": "Enabled"}, one)) == "selected"
    closed = evaluated({"publicNetworkAccess": "Enabled"}, nobody)
    assert reach(closed) == "none"
    assert closed.grants[0].evidence[1].value == "Deny"
    assert [(hop.kind, hop.allows) for hop in closed.hops] == [("source", True), ("switch", True), ("firewall", False)]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (None, "internet"),
        ([], "internet"),
        ([{"ipAddressRange": "203.0.113.7/32", "action": "Allow"}], "selected"),
        ([{"ipAddressRange": "203.0.113.7/32", "action": "Deny"}], "internet"),
        ([{"ipAddressRange": "0.0.0.0/0", "action": "Deny"}, {"ipAddressRange": "::/0", "action": "Deny"}], "none"),
        ([{"ipAddressRange": "0.0.0.0/0", "action": "Allow"}], "internet"),
        ([{"ipAddressRange": "?", "action": "Allow"}], "unknown, may internet"),
        ([{"ipAddressRange": "?", "action": "Deny"}], "internet"),
        ([{"ipAddressRange": "203.0.113.7/32", "action": "Log"}], "unknown, may internet"),
        ("x", "unknown, may internet"),
    ],
)
def test_container_apps(rules: object, expected: str) -> None:
    app = Resource(
        {
            "id": shapes.identity("Microsoft.App/containerApps", "app"),
            "properties": {"configuration": {"ingress": {"ipSecurityRestrictions": rules}}},
        }
    )
    path = "properties.configuration.ingress.ipSecurityRestrictions"
    assert reach(address_list(app, shapes.index(), path)) == expected


def test_an_absent_default_action_of_a_graph_row_does_not_say_that_the_rest_is_denied() -> None:
    body = config(allow("203.0.113.7/32")).body
    del body["properties"]["ipSecurityRestrictionsDefaultAction"]
    assert reach(restrictions(site(), shapes.index(), Resource(body, by="get"))) == "selected"
    assert reach(restrictions(site(), shapes.index(), Resource(body, by="import"))) == "selected, may internet"
    shown = config(allow("203.0.113.7/32"), DENY_ALL).body
    assert reach(restrictions(site(), shapes.index(), Resource(shown, by="import"))) == "selected"


RULE = st.fixed_dictionaries(
    {
        "ipAddress": st.sampled_from(["Any", "0.0.0.0/1", "128.0.0.0/1", "203.0.113.7/32", "::/0", "?", None, 7]),
        "action": st.sampled_from(["Allow", "Deny", None, "x"]),
        "priority": st.sampled_from([1, 2, 3, None, "x", True, 2147483647]),
    },
    optional={
        "tag": st.sampled_from(["Default", "ServiceTag", "XffProxy", None, 3]),
        "headers": st.sampled_from([None, {}, {"x-azure-fdid": OURS}, {"x-azure-fdid": [OURS]}, {"a": [1]}, "x"]),
        "vnetSubnetResourceId": st.sampled_from([None, "", subnet(), 7]),
        "name": st.sampled_from(["Allow all", "Deny all", None]),
        "subnetMask": st.sampled_from([None, "255.0.0.0", "x"]),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(RULE | st.none() | st.integers(), max_size=4), st.sampled_from([None, "Allow", "Deny", "x", 3]))
def test_no_rules_crash_the_reader(rules: list[Any], default: Any) -> None:
    lock = restrictions(site(), front_doors(), config(*rules, default=default))
    assert lock.grants or lock.possible_grants
