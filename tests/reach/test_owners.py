"""What is known of a private endpoint, a subnet, a peered network or a subscription outside the scan."""

from typing import Any

import pytest
from rules.network import approves_external_subscriptions, peered_externally
from rules.tables.private_endpoints import foreign
from rules.tables.subnets import subnets_verdict

from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Bundle, Resource
from scanner.model.severity import Severity
from scanner.model.verdict import Fail, Pass
from scanner.reach.rules.owners import managed_by, rated
from scanner.reach.services.firewall import AllowedSubnets
from tests.rules import examples

HOME, SIBLING, OTHER, UNSEEN = (f"5a000000-0000-4000-8000-00000000000{each}" for each in "1248")
INDEX = Index(subscriptions={HOME: "tenant-a", SIBLING: "TENANT-A", OTHER: "tenant-b"})
CASES = [
    (SIBLING, None, ""),
    (UNSEEN, (Severity.low, "not visible to this scan"), "inconclusive"),
    (OTHER, (Severity.medium, "in an external tenant"), ""),
]


def resource(type: str, properties: dict[str, Any]) -> Resource:
    return Resource({"id": f"/subscriptions/{HOME}/resourceGroups/rg/providers/{type}/x", "properties": properties})


def endpoint(subscription: str, group: str = "rg", name: str = "pe") -> str:
    network = "Microsoft.Network/privateEndpoints"
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{network}/{name}"


def vault(*ids: str) -> Resource:
    state = {"status": "Approved"}
    rows = [
        {"properties": {"privateEndpoint": {"id": each}, "privateLinkServiceConnectionState": state}} for each in ids
    ]
    return resource("Microsoft.KeyVault/vaults", {"privateEndpointConnections": rows})


def network(remote: str) -> Resource:
    peering = {"peeringState": "Connected", "remoteVirtualNetwork": {"id": remote}}
    return resource("Microsoft.Network/virtualNetworks", {"virtualNetworkPeerings": [{"properties": peering}]})


def verdicts(subscription: str) -> dict[str, object]:
    """The verdict of each rule that asks where an id stands."""
    below = f"/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
    link = resource("Microsoft.Network/privateLinkServices", {"autoApproval": {"subscriptions": [subscription]}})
    return {
        "private endpoint": foreign(vault(endpoint(subscription)), INDEX),
        "subnet": subnets_verdict(vault(), INDEX, AllowedSubnets("rules", (f"{below}/subnets/apps",))),
        "peering": peered_externally(network(below), INDEX),
        "private link service": approves_external_subscriptions(link, INDEX),
    }


@pytest.mark.parametrize(("subscription", "expected", "word"), CASES, ids=["own tenant", "not visible", "other tenant"])
def test_only_a_proven_tenant_is_medium(subscription: str, expected: tuple[Severity, str] | None, word: str) -> None:
    for what, verdict in verdicts(subscription).items():
        if expected is None:
            assert isinstance(verdict, Pass), what
            continue
        assert isinstance(verdict, Fail), what
        assert verdict.severity == expected[0], what
        assert expected[1] in verdict.message, what
        assert word in verdict.message, what
        assert word or "inconclusive" not in verdict.message, what


def test_a_private_link_service_that_approves_every_subscription_is_medium() -> None:
    link = resource("Microsoft.Network/privateLinkServices", {"autoApproval": {"subscriptions": ["*"]}})
    verdict = approves_external_subscriptions(link, INDEX)
    assert isinstance(verdict, Fail)
    assert verdict.severity is None
    rule = next(each for each in examples.all_rules() if each.id == "private-link-service-external-subscriptions")
    assert rule.severity is Severity.medium


def test_an_endpoint_of_front_door_is_named() -> None:
    verdict = foreign(vault(endpoint(UNSEEN, "eafd-Prod-norwayeast", "0b1c")), INDEX)
    assert isinstance(verdict, Fail)
    assert verdict.severity is Severity.low
    assert verdict.message.startswith("0b1c is a private endpoint that Azure Front Door manages. ")


def test_of_several_endpoints_each_is_told_by_where_it_is() -> None:
    ids = [
        endpoint(UNSEEN, "eafd-Prod-norwayeast", "0b1c"),
        endpoint(OTHER),
        *(endpoint(UNSEEN, name=n) for n in "abcd"),
    ]
    verdict = foreign(vault(*ids), INDEX)
    assert isinstance(verdict, Fail)
    assert verdict.severity is Severity.medium
    assert verdict.message == (
        "0b1c is a private endpoint that Azure Front Door manages; pe is a private endpoint in an external tenant; "
        "a, b, c and more are private endpoints in an external subscription (not visible to this scan)."
    )


@pytest.mark.parametrize(
    ("id", "service"),
    [
        (endpoint(UNSEEN, "eafd-Prod-uksouth"), "Azure Front Door"),
        (endpoint(UNSEEN, "EAFD-PROD-uksouth"), "Azure Front Door"),
        (
            f"/subscriptions/{UNSEEN}/resourceGroups/rg/providers/Microsoft.DataFactory/factories/f/privateEndpoints/p",
            "Data Factory",
        ),
        (endpoint(UNSEEN, "rg-eafd-Prod"), ""),
        (endpoint(UNSEEN, "eafd"), ""),
        (f"/subscriptions/{UNSEEN}", ""),
        ("", ""),
        ("providers", ""),
    ],
)
def test_services_that_manage_endpoints(id: str, service: str) -> None:
    assert managed_by(id) == service


@pytest.mark.parametrize("what", ["private endpoint", "peered network", "subnet", "subscription"])
def test_several_ids_are_named_in_the_plural(what: Message) -> None:
    id = "/subscriptions/a/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/st"
    resource = Resource({"id": id}, bundle=Bundle(id))
    ids = [f"/subscriptions/{number}" for number in range(5)]
    one, two, many = (rated(resource, Index(), ids[:count], what)[1] for count in (1, 2, 5))
    assert one.startswith(f"0 is a {what} in an external subscription (not visible to this scan). ")
    assert two.startswith(f"0, 1 are {what}s in an external subscription")
    assert many.startswith(f"0, 1, 2 and more are {what}s in an external subscription")
