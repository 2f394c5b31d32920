"""Of everything that a reader walks over there may be several: the second counts as the first does.

Also parts that are not there at all.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from scanner.model.exposure import Lock, Reach, grant
from scanner.model.message import Message
from scanner.model.resource import By, Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import Unread
from scanner.reach.rules.sources import as_possible, grants_from_ids
from scanner.reach.services.access_restrictions import address_list, restrictions
from scanner.reach.services.firewall import firewall
from scanner.reach.services.firewall_row import Firewall, RuleList
from scanner.reach.services.perimeters import perimeters
from tests.reach import shapes
from tests.reach.shapes import EVENTS_RULES, GUEST, ROWS, STORAGE_PERIMETERS, UNSEEN, endpoint, make, reach, subnet

PRIVATE_ENDPOINTS = "Microsoft.Network/privateEndpoints"


def evaluated(service: str, properties: dict[str, Any] | None = None, row: Firewall | None = None, **more: Any) -> Lock:
    around = more.pop("index", None) or shapes.index()
    return firewall(make(service, properties, **more), around, row or ROWS[service])


def storage(**acl: Any) -> dict[str, Any]:
    rules = {"defaultAction": "Deny", "ipRules": [], "ipv6Rules": [], "virtualNetworkRules": [], **acl}
    return {"publicNetworkAccess": "Enabled", "networkAcls": rules, "privateEndpointConnections": []}


# Private endpoints


def test_the_second_private_endpoint_is_in_an_external_subscription() -> None:
    connections = [endpoint(), endpoint(UNSEEN)]
    assert reach(evaluated("storage", {**storage(), "privateEndpointConnections": connections})) == "selected"


def known_from_their_side(*bodies: dict[str, Any]) -> str:
    endpoints = [
        Resource({"id": shapes.identity(PRIVATE_ENDPOINTS, f"pe{number}"), "properties": body})
        for number, body in enumerate(bodies)
    ]
    account = make("storage", {**storage(), "privateEndpointConnections": None}, by="graph")
    return reach(firewall(account, shapes.index(*endpoints), ROWS["storage"]))


def pointing(name: str) -> dict[str, Any]:
    target = shapes.identity("Microsoft.Storage/storageAccounts", name)
    state = {"status": "Approved"}
    return {"properties": {"privateLinkServiceId": target, "privateLinkServiceConnectionState": state}}


@pytest.mark.parametrize(
    "bodies",
    [
        [{"privateLinkServiceConnections": [pointing("thing")]}],
        [
            {"privateLinkServiceConnections": [pointing("other")]},
            {"privateLinkServiceConnections": [pointing("thing")]},
        ],
        [{"privateLinkServiceConnections": [pointing("other"), pointing("thing")]}],
        [{"privateLinkServiceConnections": [], "manualPrivateLinkServiceConnections": [pointing("thing")]}],
    ],
    ids=["one", "the second endpoint", "the second connection", "by hand"],
)
def test_endpoints_that_point_at_an_account_are_found_from_their_side(bodies: list[dict[str, Any]]) -> None:
    assert known_from_their_side(*bodies) == "private, may selected"
    assert known_from_their_side({"privateLinkServiceConnections": [pointing("other")]}) == "unknown, may selected"


# Networks that a resource stands in


def test_the_second_path_puts_a_cache_into_a_network() -> None:
    row = replace(ROWS["redis"], injected=("properties.network", "properties.subnetId"))
    assert reach(evaluated("redis", {"publicNetworkAccess": "Enabled", "subnetId": subnet()}, row)) == "private"


@pytest.mark.parametrize("value", [None, "absent"])
def test_the_second_path_of_a_graph_row_may_put_it_into_a_network(value: str | None) -> None:
    row = replace(ROWS["redis"], injected=("properties.network", "properties.subnetId"))
    body: dict[str, Any] = {"publicNetworkAccess": "Disabled", "privateEndpointConnections": [], "network": ""}
    if value is None:
        body["subnetId"] = None
    assert reach(evaluated("redis", body, row, by="graph")) == "unknown, may private"
    assert reach(evaluated("redis", {**body, "subnetId": ""}, row, by="graph")) == "none"


def test_a_subnet_that_is_no_id_may_be_a_network() -> None:
    body = {"publicNetworkAccess": "Disabled", "privateEndpointConnections": []}
    assert reach(evaluated("redis", {**body, "subnetId": 7})) == "unknown, may private"
    assert reach(evaluated("redis", {**body, "subnetId": ""})) == "none"
    assert reach(evaluated("redis", {**body, "subnetId": None})) == "none"


# Switches and default actions


def test_a_rule_set_without_a_switch_of_its_own_agrees() -> None:
    body = {"publicNetworkAccess": "Disabled", "privateEndpointConnections": []}
    silent: tuple[dict[str, Any], ...] = ({}, {"publicNetworkAccess": None})
    for own in silent:
        rules: dict[Read, list[dict[str, Any]]] = {
            EVENTS_RULES: [{"properties": {"defaultAction": "Deny", "ipRules": [], **own}}]
        }
        assert reach(evaluated("events", body, children=rules)) == "none"


def test_one_of_several_known_values_is_enough() -> None:
    row = replace(
        ROWS["storage"],
        enabled=("Enabled", "On"),
        disabled=("Disabled", "Off"),
        allow=("Allow", "Everybody"),
        deny=("Deny", "Nobody"),
    )
    assert reach(evaluated("storage", {**storage(), "publicNetworkAccess": "Off"}, row)) == "none"
    assert (
        reach(evaluated("storage", {**storage(defaultAction="Everybody"), "publicNetworkAccess": "On"}, row))
        == "internet"
    )
    assert reach(evaluated("storage", storage(defaultAction="Nobody"), row)) == "none"


def test_a_null_default_action_is_what_an_absent_one_is() -> None:
    assert reach(evaluated("storage", storage(defaultAction=None))) == "internet"


@pytest.mark.parametrize(("by", "expected"), [("get", "none"), ("graph", "unknown, may internet")])
def test_an_absent_default_action_that_denies(by: By, expected: str) -> None:
    row = replace(ROWS["storage"], default_absent="deny")
    assert reach(evaluated("storage", storage(defaultAction=None), row, by=by)) == expected


def test_a_rule_set_that_a_sku_does_not_have_leaves_the_default_open() -> None:
    row = replace(ROWS["events"], default_absent="deny", filter="properties.filter", acl="properties")
    namespace = make(
        "events", {"publicNetworkAccess": "Enabled", "privateEndpointConnections": []}, sku={"name": "New"}
    )
    namespace.bundle.skips[namespace.key + EVENTS_RULES.key] = "SKU Basic"
    lock = firewall(namespace, shapes.index(), row)
    assert lock.widest_possible is not None or lock.widest is not None
    assert reach(lock) in ("internet", "unknown, may internet")


def test_a_rule_set_that_a_sku_does_not_have_filters_no_one() -> None:
    row = replace(
        ROWS["events"],
        default="",
        filter="properties.filter",
        sku_without_network_rules=ROWS["storage"].sku_without_network_rules,
    )
    namespace = make("events", {"publicNetworkAccess": "Enabled", "privateEndpointConnections": []})
    namespace.bundle.skips[namespace.key + EVENTS_RULES.key] = "SKU Basic"
    assert reach(firewall(namespace, shapes.index(), row)) == "internet"


# Lists of rules


def test_the_second_list_of_subnets_counts() -> None:
    lists = (RuleList("properties.networkAcls.more", id="id"), *ROWS["storage"].subnets)
    row = replace(ROWS["storage"], subnets=lists)
    assert reach(evaluated("storage", storage(more=[], virtualNetworkRules=[{"id": subnet()}]), row)) == "private"


def test_the_second_subnet_is_in_an_external_subscription() -> None:
    both = [{"id": subnet()}, {"id": subnet(UNSEEN)}]
    assert reach(evaluated("storage", storage(virtualNetworkRules=both))) == "selected"
    account = make("storage")
    assert len(grants_from_ids(account, shapes.index(), "path", [subnet(), subnet(GUEST)], "a subnet")) == 2


def test_what_a_graph_row_lacks_beside_a_subnet_may_be_anyone() -> None:
    body = {
        "publicNetworkAccess": "Enabled",
        "privateEndpointConnections": [],
        "virtualNetworkRules": [{"id": subnet()}],
    }
    assert reach(evaluated("cosmos", body, by="graph")) == "private, may internet"


def test_a_list_that_admits_no_one_is_no_possible_grant() -> None:
    row = replace(ROWS["storage"], other=("audited",))
    assert reach(evaluated("storage", storage(audited=[{"id": "x"}]), row)) == "none"
    assert reach(evaluated("storage", storage(audited=[{"id": "x"}]))) == "unknown, may internet"


def test_a_null_bypass_admits_nothing() -> None:
    assert evaluated("storage", storage(bypass=None)).admits == ()
    assert evaluated("storage", storage(bypass="AzureServices")).admits


def test_the_second_list_of_instances_is_reported() -> None:
    lists = (RuleList("properties.networkAcls.more", id="id"), *ROWS["storage"].instances)
    row = replace(ROWS["storage"], instances=lists)
    reported = evaluated("storage", storage(more=[], resourceAccessRules=[{"resourceId": "/a/b"}]), row).admits
    assert reported == ("the resource /a/b",)


def test_what_is_closed_has_no_possible_grant() -> None:
    assert as_possible(grant(Reach.none), Unread("a", Message("b"))).possible_grants == ()


# Perimeters


def perimeter(name: str) -> str:
    return shapes.identity("Microsoft.Network/networkSecurityPerimeters", name)


def association(name: str, target: str) -> Resource:
    properties = {
        "accessMode": "Enforced",
        "privateLinkResource": {"id": target},
        "profile": {"id": f"{perimeter(name)}/profiles/p"},
    }
    return Resource({"id": f"{perimeter(name)}/resourceAssociations/a", "properties": properties})


def rule(name: str, **properties: Any) -> Resource:
    body = {"direction": "Inbound", **properties}
    return Resource({"id": f"{perimeter(name)}/profiles/p/accessRules/r", "properties": body})


def within(*resources: Resource) -> str:
    account = make("storage", {**storage(), "publicNetworkAccess": "SecuredByPerimeter"})
    return reach(firewall(account, shapes.index(*resources), ROWS["storage"]))


def test_the_second_association_is_of_this_account() -> None:
    account = shapes.identity("Microsoft.Storage/storageAccounts", "thing")
    ours = (association("two", account), rule("two", addressPrefixes=["192.0.2.0/24"]))
    assert within(association("one", f"{account}2"), rule("one", addressPrefixes=["0.0.0.0/0"]), *ours) == "selected"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"addressPrefixes": ["192.0.2.0/24", "40.0.0.0/12"]}, "wide"),
        ({"serviceTags": ["GatewayManager", "AzureCloud"]}, "azure"),
    ],
)
def test_the_second_source_of_a_rule_counts(properties: dict[str, Any], expected: str) -> None:
    account = shapes.identity("Microsoft.Storage/storageAccounts", "thing")
    assert within(association("one", account), rule("one", **properties)) == expected


def test_a_rule_without_properties_may_admit_anyone() -> None:
    account = shapes.identity("Microsoft.Storage/storageAccounts", "thing")
    has_other_reasons = Resource({"id": f"{perimeter('one')}/profiles/p/accessRules/r"})
    assert within(association("one", account), has_other_reasons) == "unknown, may internet"


def test_the_second_configuration_of_an_account_admits() -> None:
    def configuration(name: str, *prefixes: str) -> dict[str, Any]:
        rules = [{"properties": {"direction": "Inbound", "addressPrefixes": list(prefixes)}}] if prefixes else []
        return {
            "name": name,
            "properties": {
                "networkSecurityPerimeter": {"id": perimeter(name)},
                "resourceAssociation": {"accessMode": "Enforced"},
                "profile": {"accessRules": rules},
            },
        }

    body = {**storage(), "publicNetworkAccess": "SecuredByPerimeter"}
    both = {STORAGE_PERIMETERS: [configuration("one"), configuration("two", "40.0.0.0/12")]}
    account = make("storage", body, children=both)
    assert len(perimeters(account, shapes.index(), STORAGE_PERIMETERS).perimeters) == 2
    assert reach(firewall(account, shapes.index(), ROWS["storage"])) == "wide"


# Restrictions


def app(*rules: dict[str, Any], default: str) -> tuple[Resource, Resource]:
    site = Resource({"id": shapes.identity("Microsoft.Web/sites", "app"), "properties": {}})
    properties = {"ipSecurityRestrictions": list(rules), "ipSecurityRestrictionsDefaultAction": default}
    return site, Resource({"id": f"{site.id}/config/web", "properties": properties})


def test_a_deny_rule_with_one_header_that_is_set_blocks_no_one() -> None:
    headers = {"x-forwarded-host": ["a.example.com"], "x-fd-healthprobe": []}
    site, config = app({"ipAddress": "Any", "action": "Deny", "priority": 1, "headers": headers}, default="Allow")
    assert reach(restrictions(site, shapes.index(), config)) == "internet"


def test_only_the_header_of_front_door_names_a_profile() -> None:
    id = "11111111-2222-3333-4444-555555555555"
    profile = Resource({"id": shapes.identity("Microsoft.Cdn/profiles", "door"), "properties": {"frontDoorId": id}})
    headers = {"x-forwarded-host": ["a.example.com"], "x-azure-fdid": [id]}
    entry = {
        "ipAddress": "AzureFrontDoor.Backend",
        "tag": "ServiceTag",
        "action": "Allow",
        "priority": 1,
        "headers": headers,
    }
    site, config = app(entry, default="Deny")
    missing = {"microsoft.cdn/profiles": Unread("Microsoft.Cdn/profiles", Message("refused"))}
    assert reach(restrictions(site, shapes.index(profile, missing=missing), config)) == "selected"


def test_a_container_app_without_address_rules_allows_the_internet() -> None:
    silent: tuple[dict[str, Any], ...] = ({}, {"rules": None}, {"rules": []})
    for properties in silent:
        container = Resource({"id": shapes.identity("Microsoft.App/containerApps", "app"), "properties": properties})
        assert reach(address_list(container, shapes.index(), "properties.rules")) == "internet"


def test_where_a_container_app_allows_and_denies_what_is_allowed_counts() -> None:
    rules = [{"ipAddressRange": "203.0.113.7", "action": each} for each in ("Deny", "Allow")]
    body = {"id": shapes.identity("Microsoft.App/containerApps", "app"), "properties": {"rules": rules}}
    assert reach(address_list(Resource(body), shapes.index(), "properties.rules")) == "selected"
