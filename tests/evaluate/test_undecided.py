"""What was not read, in the seams between collecting and judging: it is undecided, and the scan is incomplete."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from scanner.document.schema import WaiverRow
from scanner.evaluate.policy import Intended, NoWaivers, Policy
from scanner.model.index import INDEX_TYPES, RESOURCE_GRAPH
from scanner.model.resource import Gap
from scanner.rulebook import loader
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.evaluate.test_run import ACCOUNT, INDEX, RULES, SUB, run, store
from tests.rules.hostile import STRANGE

PREFIX = f"/subscriptions/{SUB}/providers"
PERIMETER = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Network/networkSecurityPerimeters/p"
SITE = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Web/sites/app"
APP = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.App/containerApps/app"


@lru_cache
def rules() -> loader.RuleSet:
    """All rules but those on subscriptions, which would need their own reads in each snapshot."""
    rule_set = loader.load(packages=False)
    rule_set.select(skip=["type:Microsoft.Resources/subscriptions"], named=rule_set.rules)
    return rule_set


def listed(*left_out: str) -> Store:
    """A subscription that was seen in full, all its types listed but those."""
    made = Store(Header(taken="2026-11-25T00:00:00Z"))
    made.scope(SUB, "prod", "tenant", "full")
    types = [type for kind in rules().kinds for type in kind.types if type.count("/") == 1]
    for type in dict.fromkeys([*types, *INDEX, "Microsoft.Web/hostingEnvironments"]):
        if type not in left_out:
            made.read(f"{PREFIX}/{type}", 0)
    return made


def status(document: dict[str, Any], rule: str) -> list[tuple[str, str]]:
    return [(row["resource"], row["status"]) for row in document["findings"] if row["rule"] == rule]


class Accepted(NoWaivers):
    """Waivers that accept these gaps."""

    def __init__(self, *urls: str) -> None:
        self.urls = urls

    def accepted_gap(self, gap: Gap) -> WaiverRow | None:
        return WaiverRow("r", "kari", "2026-12-31") if gap.url in self.urls else None


def test_a_type_that_was_not_listed_is_undecided_on_the_subscription() -> None:
    document, evaluation = run(listed(), rules())
    assert document["findings"] == []
    assert evaluation.result.complete
    document, evaluation = run(listed("Microsoft.Sql/servers"), rules())
    assert status(document, "sql-network-unrestricted") == [(f"/subscriptions/{SUB}", "unknown")]
    known = rules()
    asked = [known.named(row["rule"], f"{PREFIX}/Microsoft.Sql/servers/x") for row in document["findings"]]
    assert {each and each.resource_type.types[0] for each in asked} == {"Microsoft.Sql/servers"}
    assert not evaluation.result.complete


def test_a_type_that_was_skipped_for_a_reason_was_not_forgotten() -> None:
    made = listed("Microsoft.Sql/servers")
    made.skip(f"{PREFIX}/Microsoft.Sql/servers", "none in the named groups")
    assert run(made, rules())[1].result.complete


def test_only_what_was_named_is_missed_where_resources_were_named() -> None:
    made = Store(Header(taken="2026-11-25T00:00:00Z"))
    made.scope(SUB, "prod", "tenant", "full")
    made.skip(f"/subscriptions/{SUB}", "only the named resources")
    assert run(made, rules())[1].result.complete


def test_two_refused_lists_of_a_type_make_one_finding() -> None:
    made = listed("Microsoft.Sql/servers")
    urls = [f"/subscriptions/{SUB}/resourceGroups/{group}/providers/Microsoft.Sql/servers" for group in ("a", "b")]
    for url in urls:
        made.gap(url, 403, "AuthorizationFailed", "Microsoft.Sql/servers/read")
    document, _ = run(made, rules())
    assert status(document, "sql-network-unrestricted") == [(f"/subscriptions/{SUB}", "unknown")]
    assert next(row for row in document["findings"])["gaps"] == urls


def test_parts_of_a_resource_that_was_not_read_itself_are_undecided() -> None:
    made = listed()
    made.resource({"id": f"{ACCOUNT}/blobServices/default", "properties": {}}, "2025-08-01", "get")
    document, evaluation = run(made, rules())
    assert status(document, "storage-network-unrestricted") == [(ACCOUNT.lower(), "unknown")]
    assert not evaluation.result.complete


def test_a_resource_that_was_deleted_meanwhile_is_not_missed() -> None:
    made = listed()
    made.skip(ACCOUNT, "deleted meanwhile")
    document, evaluation = run(made, rules())
    assert document["findings"] == []
    assert evaluation.result.complete


def test_slots_that_could_not_be_listed_are_undecided() -> None:
    made = listed()
    made.resource({"id": SITE, "kind": "app", "properties": {"state": "Running"}}, "2025-03-01", "list")
    made.gap(f"{SITE}/slots", 403, "AuthorizationFailed", "Microsoft.Web/sites/slots/read")
    document, _ = run(made, rules())
    assert (f"{SITE}/slots", "unknown") in status(document, "app-no-platform-sign-in")


def test_an_answer_without_properties_does_not_say_that_an_endpoint_is_off() -> None:
    made = listed()
    made.resource({"id": APP}, "2025-07-01", "list")
    document, _ = run(made, rules())
    assert status(document, "container-app-no-platform-sign-in") == [(APP, "unknown")]


def test_rules_of_a_perimeter_whose_profiles_were_refused_may_be_there() -> None:
    made = listed()
    body = {
        "privateLinkResource": {"id": ACCOUNT},
        "accessMode": "Enforced",
        "profile": {"id": f"{PERIMETER}/profiles/a"},
    }
    made.resource({"id": f"{PERIMETER}/resourceAssociations/st", "properties": body}, "2025-05-01", "list")
    made.gap(f"{PERIMETER}/profiles", 500, "InternalServerError", "")
    made.resource({"id": ACCOUNT, "kind": "StorageV2", "properties": {}}, "2026-04-01", "get")
    document, _ = run(made, rules())
    assert status(document, "storage-network-unrestricted") == [(ACCOUNT, "unknown")]


def test_what_is_undecided_beside_a_failure_makes_the_scan_incomplete_also_where_another_is_intended(
    tmp_path: Path,
) -> None:
    body = "yield Exposure('three', 'data', grant(Reach.internet), grant(Auth.identity)); raise Unread('parts', '403')"
    text = RULES.replace("BODY", body).replace('"one", "two")', '"one", "two", "three")').replace('{}["x"]', "Pass()")
    (tmp_path / "mine.py").write_text(text)
    rule_set = loader.load(code=[tmp_path], built_in=False, packages=False)
    policy = Policy(intended=(Intended("*", "one", "meant"),))
    document, evaluation = run(store({"id": ACCOUNT, "properties": {}}), rule_set, policy)
    assert [(row["status"], row["endpoints"]) for row in document["findings"]] == [("fail", ["three"])]
    assert not evaluation.result.complete


def containers_refused(**properties: Any) -> Store:
    made = listed()
    body = {"allowBlobPublicAccess": True, **properties}
    made.resource({"id": ACCOUNT.partition("/providers/")[0], "location": "norwayeast"}, "2022-12-01", "list")
    account = {"id": ACCOUNT, "kind": "BlobStorage", "location": "norwayeast", "sku": {"name": "Standard_LRS"}}
    made.resource({**account, "properties": body}, "2026-04-01", "get")
    service = {
        "deleteRetentionPolicy": {"enabled": True, "days": 30, "allowPermanentDelete": False},
        "containerDeleteRetentionPolicy": {"enabled": True, "days": 30},
        "isVersioningEnabled": True,
        "staticWebsite": {"enabled": False},
    }
    made.resource({"id": f"{ACCOUNT}/blobServices/default", "properties": service}, "2026-04-01", "get")
    made.read(f"{ACCOUNT}/blobServices/default", 1)
    made.resource({"id": f"/subscriptions/{SUB}", "displayName": "prod"}, "2022-12-01", "list")
    for url in (
        f"/subscriptions/{SUB}/providers/Microsoft.Authorization/locks",
        f"{ACCOUNT}/blobServices/default/providers/Microsoft.Insights/diagnosticSettings",
        f"{ACCOUNT}/encryptionScopes",
        f"{ACCOUNT}/networkSecurityPerimeterConfigurations",
        f"{ACCOUNT}/objectReplicationPolicies",
    ):
        made.read(url, 0)
    made.gap(f"{ACCOUNT}/blobServices/default/containers", 403, "AuthorizationFailed", "x/read")
    return made


SET = {
    "minimumTlsVersion": "TLS1_2",
    "supportsHttpsTrafficOnly": True,
    "encryption": {"keySource": "Microsoft.Storage"},
}


def test_an_accepted_gap_settles_what_it_alone_leaves_undecided() -> None:
    policy = Policy(waivers=Accepted(f"{ACCOUNT}/blobServices/default/containers"))
    assert not run(containers_refused(**SET), rules())[1].result.complete
    assert run(containers_refused(**SET), rules(), policy)[1].result.complete


def test_an_accepted_gap_does_not_settle_a_value_that_is_unknown() -> None:
    policy = Policy(waivers=Accepted(f"{ACCOUNT}/blobServices/default/containers"))
    made = containers_refused(**SET, publicNetworkAccess="Sometimes", allowSharedKeyAccess=False)
    assert not run(made, rules(), policy)[1].result.complete


def test_an_endpoint_that_fails_and_may_be_worse_makes_the_scan_incomplete() -> None:
    made = listed()
    target = {"privateLinkServiceConnectionState": {"status": "Moon"}}
    own = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/pe"
    approved = {"privateEndpoint": {"id": own}, "privateLinkServiceConnectionState": {"status": "Approved"}}
    vault = ACCOUNT.replace("Microsoft.Storage/storageAccounts", "Microsoft.AppConfiguration/configurationStores")
    body = {
        "publicNetworkAccess": "Disabled",
        "disableLocalAuth": False,
        "enablePurgeProtection": True,
        "privateEndpointConnections": [{"properties": approved}, {"properties": target}],
    }
    made.resource({"id": vault, "sku": {"name": "standard"}, "properties": body}, "2024-06-01", "get")
    rule_set = loader.load(packages=False)
    rule_set.select(["appconfig-access-keys-enabled"])
    document, evaluation = run(made, rule_set)
    assert [(row["status"], row["severity"]) for row in document["findings"]] == [("fail", "low")]
    assert document["exposures"][0]["worst"] == "medium"
    assert not evaluation.result.complete


def test_a_list_of_which_a_row_was_lost_is_not_known_in_whole() -> None:
    made = listed()
    server = ACCOUNT.replace("Microsoft.Storage/storageAccounts", "Microsoft.Sql/servers")
    body = {"publicNetworkAccess": "Enabled", "administrators": {"azureADOnlyAuthentication": True}}
    made.resource({"id": server, "properties": body}, "2025-01-01", "list")
    rule = {"startIpAddress": "203.0.113.7", "endIpAddress": "203.0.113.7"}
    for _ in range(2):
        made.resource({"id": f"{server}/firewallRules/-", "properties": rule}, "2025-01-01", "list")
    made.read(f"{server}/firewallRules", 2)
    made.read(f"{server}/ipv6FirewallRules", 0)
    made.read(f"{server}/virtualNetworkRules", 0)
    document, _ = run(made, rules())
    assert status(document, "sql-network-unrestricted") == [(server, "unknown")]


NET = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Network"
VM = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"
SSH = {
    "priority": 100,
    "direction": "Inbound",
    "access": "Allow",
    "protocol": "Tcp",
    "sourceAddressPrefix": "*",
    "sourcePortRange": "*",
    "destinationAddressPrefix": "*",
    "destinationPortRange": "22",
}


def networks(*left_out: str) -> Store:
    """The same with every type of the index."""
    made = listed(*left_out)
    for type in INDEX_TYPES:
        if type not in left_out:
            made.read(f"{PREFIX}/{type}", 0)
    return made


def machine(made: Store, view: Any, nics: Any, *allowed: dict[str, Any]) -> dict[str, Any]:
    """The verdicts on a machine with a public address behind a security group of these rules."""
    subnet = {"id": f"{NET}/virtualNetworks/v/subnets/s", "name": "s", "properties": {"addressPrefix": "10.0.0.0/24"}}
    inner = {
        "privateIPAddress": "10.0.0.4",
        "subnet": {"id": subnet["id"]},
        "publicIPAddress": {"id": f"{NET}/publicIPAddresses/pip"},
    }
    group = {"id": f"{NET}/networkSecurityGroups/nsg"}
    bodies = (
        {"id": f"{NET}/virtualNetworks/v", "properties": {"subnets": [subnet], "virtualNetworkPeerings": []}},
        {**group, "properties": {"securityRules": [{"name": "in", "properties": each} for each in allowed]}},
        {
            "id": f"{NET}/publicIPAddresses/pip",
            "sku": {"name": "Standard"},
            "properties": {"ipAddress": "192.0.2.1"},
        },
        {
            "id": f"{NET}/networkInterfaces/nic",
            "properties": {"networkSecurityGroup": group, "ipConfigurations": [{"name": "ip", "properties": inner}]},
        },
        {"id": VM, "properties": {"networkProfile": {"networkInterfaces": nics}}},
        {"id": f"{VM}/instanceView", "statuses": view},
    )
    for body in bodies:
        made.resource(body, "2025-09-01", "list")
    made.read(f"{VM}/instanceView", 1)
    return run(made, rules())[0]


OWN_NIC = [{"id": f"{NET}/networkInterfaces/nic"}]
RUNS = [{"code": "PowerState/running"}]


@pytest.mark.parametrize("strange", STRANGE, ids=lambda value: ascii(value)[:20])
def test_a_machine_that_is_not_as_it_should_be_is_none_without_ports(strange: Any) -> None:
    rule = "machine-management-port-exposed"
    assert status(machine(networks(), RUNS, OWN_NIC, SSH), rule) == [(VM, "fail")]
    assert status(machine(networks(), strange, OWN_NIC, SSH), rule) == [(VM, "fail")]
    assert status(machine(networks(), RUNS, strange, SSH), rule) == [(VM, "unknown")]


def test_admin_rules_that_were_read_in_another_subscription_alone_may_open_a_port() -> None:
    other = "5b000000-0000-4000-8000-000000000001"
    rule, type = "machine-management-port-exposed", "Microsoft.Network/effectiveSecurityAdminRules"
    assert status(machine(networks(), RUNS, OWN_NIC), rule) == []
    made = networks(type)
    made.scope(other, "test", "tenant", "full")
    made.read(f"/subscriptions/{other}/providers/{type}", 0)
    assert (VM, "unknown") in status(machine(made, RUNS, OWN_NIC), rule)
    made = networks()
    made.scope(other, "test", "tenant", "full")
    assert VM not in dict(status(machine(made, RUNS, OWN_NIC), rule))


def test_admin_rules_that_resource_graph_did_not_answer_may_open_a_port_and_its_gap_says_why() -> None:
    rule, type = "machine-management-port-exposed", "Microsoft.Network/effectiveSecurityAdminRules"
    made = networks(type)
    made.gap(RESOURCE_GRAPH, 0, "Timeout")
    document = machine(made, RUNS, OWN_NIC)
    (row,) = (each for each in document["findings"] if each["rule"] == rule)
    assert (row["status"], row["gaps"]) == ("unknown", [RESOURCE_GRAPH])
    assert [each["url"] for each in document["gaps"]] == [RESOURCE_GRAPH]
    assert "Microsoft.ResourceGraph/resources" not in {each["type"] for each in document["coverage"]["types"]}
    made = networks()
    made.gap(RESOURCE_GRAPH, 0, "Timeout")
    assert machine(made, RUNS, OWN_NIC)["gaps"] == [], "no verdict needs it"
