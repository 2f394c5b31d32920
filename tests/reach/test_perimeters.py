"""Network security perimeters: mode x switch x rule x where the perimeter can be seen, each cell written by hand.

The account's own firewall is on in every cell: default action Deny with the one address 203.0.113.7, which is
`selected` as long as the own rules count. The perimeter's rule is none, the range 192.0.2.0/24, a visible
subscription, or the wide 40.0.0.0/12. "in scope": associations and rules are in the index. "outside": the index has no
such perimeter, but the account's own networkSecurityPerimeterConfigurations were read. "unread": neither was read.
"""

from __future__ import annotations

from typing import Any

import pytest

from scanner.model.exposure import Lock
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread
from scanner.reach.services.firewall import firewall
from scanner.reach.services.perimeters import ACCESS_RULES, ASSOCIATIONS, perimeters
from tests.reach import shapes
from tests.reach.shapes import GUEST, HOME, NEIGHBOUR, ROWS, STORAGE_PERIMETERS, UNSEEN, endpoint, make, reach

RULES: dict[str, dict[str, Any] | None] = {
    "none": None,
    "range": {"addressPrefixes": ["192.0.2.0/24"]},
    "subscription": {"subscriptions": [{"id": f"/subscriptions/{NEIGHBOUR}"}]},
    "wide": {"addressPrefixes": ["40.0.0.0/12"]},
}
SWITCHES = {"Enabled": "Enabled", "Disabled": "Disabled", "Secured": "SecuredByPerimeter", "absent": None}

OWN = "selected selected selected selected"
BOTH = "selected selected selected wide"
THEIRS = "none selected private wide"
CLOSED = "none none none none"
MAY = "unknown,may,internet"
LOST = " ".join([MAY] * 4)
HALF = " ".join(["selected,may,internet"] * 4)

TABLE = [
    # mode, switch, perimeter, reach with the rule none, range, subscription, wide; reason
    ("Learning", "Enabled", "in scope", BOTH, "own rules and the perimeter's both admit"),
    ("Learning", "Enabled", "outside", BOTH, "the account's configurations carry mode and rules"),
    ("Learning", "Enabled", "unread", HALF, "the own rules are sure, a perimeter could add to them"),
    ("Learning", "Disabled", "in scope", THEIRS, "Disabled closes the own rules, not the perimeter's"),
    ("Learning", "Disabled", "outside", THEIRS, "the same, seen from the account"),
    ("Learning", "Disabled", "unread", LOST, "a perimeter could admit anybody behind Disabled"),
    ("Learning", "Secured", "in scope", THEIRS, "SecuredByPerimeter leaves the decision to the perimeter alone"),
    ("Learning", "Secured", "outside", THEIRS, "the same, seen from the account"),
    ("Learning", "Secured", "unread", LOST, "the perimeter decides, and it is not known"),
    ("Learning", "absent", "in scope", BOTH, "an absent switch of storage is Enabled"),
    ("Learning", "absent", "outside", BOTH, "an absent switch of storage is Enabled"),
    ("Learning", "absent", "unread", HALF, "an absent switch of storage is Enabled"),
    ("Enforced", "Enabled", "in scope", THEIRS, "Enforced replaces switch and rules, even Enabled"),
    ("Enforced", "Enabled", "outside", THEIRS, "the same, seen from the account"),
    ("Enforced", "Enabled", "unread", HALF, "what is known is the own rules; a perimeter could admit more"),
    ("Enforced", "Disabled", "in scope", THEIRS, "the access rules admit also behind Disabled"),
    ("Enforced", "Disabled", "outside", THEIRS, "the same, seen from the account"),
    ("Enforced", "Disabled", "unread", LOST, "a perimeter could admit anybody behind Disabled"),
    ("Enforced", "Secured", "in scope", THEIRS, "the perimeter decides alone"),
    ("Enforced", "Secured", "outside", THEIRS, "the same, seen from the account"),
    ("Enforced", "Secured", "unread", LOST, "the perimeter decides, and it is not known"),
    ("Enforced", "absent", "in scope", THEIRS, "Enforced asks no switch"),
    ("Enforced", "absent", "outside", THEIRS, "Enforced asks no switch"),
    ("Enforced", "absent", "unread", HALF, "as with Enabled"),
    ("Audit", "Enabled", "in scope", BOTH, "Audit is taken for Learning: it is not documented"),
    ("Audit", "Enabled", "outside", BOTH, "Audit is taken for Learning"),
    ("Audit", "Enabled", "unread", HALF, "the own rules are sure, a perimeter could add to them"),
    ("Audit", "Disabled", "in scope", THEIRS, "Audit is taken for Learning"),
    ("Audit", "Disabled", "outside", THEIRS, "Audit is taken for Learning"),
    ("Audit", "Disabled", "unread", LOST, "a perimeter could admit anybody behind Disabled"),
    ("Audit", "Secured", "in scope", THEIRS, "Audit is taken for Learning"),
    ("Audit", "Secured", "outside", THEIRS, "Audit is taken for Learning"),
    ("Audit", "Secured", "unread", LOST, "the perimeter decides, and it is not known"),
    ("Audit", "absent", "in scope", BOTH, "Audit is taken for Learning"),
    ("Audit", "absent", "outside", BOTH, "Audit is taken for Learning"),
    ("Audit", "absent", "unread", HALF, "as with Enabled"),
    ("none", "Enabled", "in scope", OWN, "a perimeter without association changes nothing"),
    ("none", "Enabled", "outside", OWN, "the account says that it has no perimeter"),
    ("none", "Enabled", "unread", HALF, "whether there is an association is not known"),
    ("none", "Disabled", "in scope", CLOSED, "closed, and no perimeter admits"),
    ("none", "Disabled", "outside", CLOSED, "closed, and the account says that it has no perimeter"),
    ("none", "Disabled", "unread", LOST, "whether a perimeter admits behind Disabled is not known"),
    ("none", "Secured", "in scope", CLOSED, "SecuredByPerimeter without association is closed to the public"),
    ("none", "Secured", "outside", CLOSED, "SecuredByPerimeter without association is closed to the public"),
    ("none", "Secured", "unread", LOST, "whether there is an association is not known"),
    ("none", "absent", "in scope", OWN, "a perimeter without association changes nothing"),
    ("none", "absent", "outside", OWN, "the account says that it has no perimeter"),
    ("none", "absent", "unread", HALF, "whether there is an association is not known"),
]
CELLS = [
    pytest.param(mode, switch, where, rule, cell, id=f"{mode}-{switch}-{where}-{rule}")
    for mode, switch, where, cells, _ in TABLE
    for rule, cell in zip(RULES, cells.split(), strict=True)
]

PERIMETER = "perimeter/profiles/standard"


def account(switch: str = "Disabled", configurations: list[dict[str, Any]] | None = None, **more: Any) -> Resource:
    acl = {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.7"}], "ipv6Rules": [], "virtualNetworkRules": []}
    properties = {"networkAcls": acl, "publicNetworkAccess": SWITCHES.get(switch, switch), **more}
    children = {} if configurations is None else {STORAGE_PERIMETERS: configurations}
    return make("storage", properties, children=children)


def rule(properties: dict[str, Any], name: str = "in") -> dict[str, Any]:
    return {"name": name, "properties": {"direction": "Inbound", **properties}}


def configuration(mode: str, *rules: dict[str, Any]) -> dict[str, Any]:
    """What a resource says of its own perimeter."""
    where = shapes.identity("Microsoft.Network/networkSecurityPerimeters", "perimeter", UNSEEN)
    return {
        "name": "configuration",
        "properties": {
            "networkSecurityPerimeter": {"id": where},
            "resourceAssociation": {"name": "association", "accessMode": mode},
            "profile": {"name": "standard", "accessRules": list(rules)},
        },
    }


def in_scope(target: Resource, mode: str, *rules: dict[str, Any], subscription: str = HOME, **more: Any) -> Index:
    """An index with a perimeter, its association with `target` and its rules."""
    profile = shapes.identity("Microsoft.Network/networkSecurityPerimeters", PERIMETER, subscription)
    perimeter = profile.removesuffix("/profiles/standard")
    association = {
        "privateLinkResource": {"id": target.id.upper()},
        "profile": {"id": profile.replace("resourceGroups", "resourcegroups")},
        "accessMode": mode,
    }
    resources = [Resource({"id": f"{perimeter}/resourceAssociations/association", "properties": association})]
    resources += [Resource({"id": f"{profile}/accessRules/{number}", **each}) for number, each in enumerate(rules)]
    return shapes.index(*resources, **more)


def unread() -> Index:
    missing = {each.lower(): Unread(each, Message("403 AuthorizationFailed")) for each in (ASSOCIATIONS, ACCESS_RULES)}
    return shapes.index(missing=missing)


def evaluated(resource: Resource, index: Index) -> Lock:
    return firewall(resource, index, ROWS["storage"])


@pytest.mark.parametrize(("mode", "switch", "where", "kind", "expected"), CELLS)
def test_table(mode: str, switch: str, where: str, kind: str, expected: str) -> None:
    properties = RULES[kind]
    rules = [] if properties is None else [rule(properties)]
    if where == "unread":
        lock = evaluated(account(switch), unread())
    elif where == "outside":
        lock = evaluated(account(switch, [] if mode == "none" else [configuration(mode, *rules)]), shapes.index())
    elif mode == "none":
        asked: list[dict[str, Any]] | None = [] if switch == "Secured" else None
        lock = evaluated(account(switch, asked), in_scope(make("vault"), "Enforced", *rules))
    else:
        resource = account(switch)
        lock = evaluated(resource, in_scope(resource, mode, *rules))
    assert reach(lock) == expected.replace(",may,", ", may ")


def test_a_file_of_exported_resources_may_not_hold_all_rules_of_a_perimeter() -> None:
    resource = account("Enabled")
    assert reach(evaluated(resource, in_scope(resource, "Enforced"))) == "none"
    assert reach(evaluated(resource, in_scope(resource, "Enforced", live=False))) == "unknown, may internet"


def test_the_table_is_whole() -> None:
    assert len(CELLS) == 4 * 4 * 4 * 3
    assert len({cell.id for cell in CELLS}) == len(CELLS)
    assert all(reason for *_, reason in TABLE)


# Beyond the table


def test_secured_by_a_perimeter_that_was_not_asked_for_is_a_possible_grant() -> None:
    lock = evaluated(account("Secured"), shapes.index())
    assert reach(lock) == "unknown, may internet"
    file = evaluated(account("Secured"), shapes.index(live=False))
    assert reach(file) == "none"


def test_rules_of_a_known_association_that_were_refused_are_a_possible_grant() -> None:
    resource = account("Enabled")
    missing = {ACCESS_RULES.lower(): Unread(ACCESS_RULES, Message("403 AuthorizationFailed"), "/url")}
    assert reach(evaluated(resource, in_scope(resource, "Enforced", missing=missing))) == "unknown, may internet"
    assert reach(evaluated(resource, in_scope(resource, "Learning", missing=missing))) == "selected, may internet"


def test_rules_of_a_perimeter_in_a_subscription_that_is_not_visible_are_a_possible_grant() -> None:
    resource = account("Disabled")
    assert reach(evaluated(resource, in_scope(resource, "Learning", subscription=UNSEEN))) == "unknown, may internet"


def test_the_own_configuration_counts_before_the_index() -> None:
    resource = account("Secured", [configuration("Enforced", rule({"addressPrefixes": ["*"]}))])
    assert reach(evaluated(resource, in_scope(resource, "Enforced"))) == "internet"


def test_a_configuration_without_rules_is_a_possible_grant() -> None:
    body = configuration("Enforced")
    body["properties"]["profile"] = None
    assert reach(evaluated(account("Enabled", [body]), shapes.index())) == "unknown, may internet"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"addressPrefixes": ["0.0.0.0/0"]}, "internet"),
        ({"addressPrefixes": ["0.0.0.0/1", "128.0.0.0/1"]}, "internet"),
        ({"addressPrefixes": ["20.0.0.0/8"]}, "selected"),
        ({"addressPrefixes": ["10.0.0.0/8"]}, "none"),
        ({"addressPrefixes": ["Internet"]}, "unknown, may internet"),
        ({"addressPrefixes": "0.0.0.0/0"}, "unknown, may internet"),
        ({"direction": "Outbound", "fullyQualifiedDomainNames": ["a.example"]}, "none"),
        ({"direction": "Outbound", "addressPrefixes": ["0.0.0.0/0"]}, "none"),
        ({"direction": "Sideways", "addressPrefixes": ["0.0.0.0/0"]}, "internet"),
        ({"subscriptions": [{"id": f"/subscriptions/{GUEST}"}]}, "selected"),
        ({"subscriptions": [{"id": f"/subscriptions/{UNSEEN}"}]}, "selected"),
        ({"subscriptions": [{"id": f"/subscriptions/{HOME}"}]}, "private"),
        ({"subscriptions": [{}]}, "selected"),
        ({"serviceTags": ["Internet"]}, "internet"),
        ({"serviceTags": ["AzureCloud.norwayeast"]}, "azure"),
        ({"serviceTags": ["NewService"]}, "azure"),
        ({"serviceTags": ["GatewayManager"]}, "none"),
        ({"networkSecurityPerimeters": [{"id": f"/subscriptions/{HOME}/x"}]}, "private"),
        ({"galaxies": ["far away"]}, "unknown, may internet"),
        ({"galaxies": []}, "unknown, may internet"),
    ],
)
def test_access_rules(properties: dict[str, Any], expected: str) -> None:
    resource = account("Disabled")
    assert reach(evaluated(resource, in_scope(resource, "Enforced", rule(properties)))) == expected


def test_rules_of_a_profile_count_by_their_union() -> None:
    resource = account("Disabled")
    rules = [rule({"addressPrefixes": [f"40.{n}.0.0/17"]}, str(n)) for n in range(3)]
    assert reach(evaluated(resource, in_scope(resource, "Learning", *rules))) == "wide"


def test_enforced_ends_the_bypass_and_the_open_own_rules() -> None:
    resource = account("Enabled", networkAcls={"defaultAction": "Allow", "bypass": "AzureServices"})
    lock = evaluated(resource, in_scope(resource, "Enforced"))
    assert reach(lock) == "none"
    assert lock.admits == ()
    assert lock.grants[0].evidence[-1].value == "Enforced"


def test_private_endpoints_work_in_every_mode() -> None:
    for mode in ("Learning", "Enforced", "Audit"):
        resource = account("Disabled", privateEndpointConnections=[endpoint()])
        assert reach(evaluated(resource, in_scope(resource, mode))) == "private"


def test_a_mode_that_is_unknown_closes_nothing() -> None:
    resource = account("Enabled")
    assert reach(evaluated(resource, in_scope(resource, "Dreaming"))) == "selected"


def test_hops_name_the_perimeter() -> None:
    resource = account("Disabled")
    lock = evaluated(resource, in_scope(resource, "Learning", rule({"addressPrefixes": ["192.0.2.0/24"]})))
    hops = [(hop.kind, hop.name, hop.allows) for hop in lock.hops]
    assert hops == [
        ("source", "Allow-listed networks", True),
        ("switch", "Public network access", True),
        ("perimeter", "perimeter", True),
    ]
    closed = evaluated(resource, in_scope(resource, "Enforced"))
    assert [(hop.kind, hop.allows) for hop in closed.hops] == [
        ("source", True),
        ("switch", False),
        ("perimeter", False),
    ]
    lost = evaluated(resource, unread())
    assert [(hop.kind, hop.allows) for hop in lost.hops] == [("source", True), ("switch", False), ("perimeter", None)]


def test_known_perimeters() -> None:
    resource = account("Disabled")
    result = perimeters(resource, in_scope(resource, "Learning"))
    assert [(each.name, each.mode, each.enforced) for each in result.perimeters] == [("perimeter", "Learning", False)]
    assert result.missing is None
