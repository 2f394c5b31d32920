"""Collecting from a sandbox, through the real clients over a real socket."""

import asyncio
import json
from io import BytesIO
from typing import Any

import msgspec
import pytest

from scanner.azure.errors import NothingReadable
from scanner.collect.bodies import with_child_id
from scanner.collect.collector import Plan, Scope, collect
from scanner.document.writer import Writer
from scanner.errors import InputError
from scanner.evaluate.run import Evaluation
from scanner.model.index import RESOURCE_GRAPH
from scanner.model.resource_type import ResourceType
from scanner.rulebook import loader
from scanner.rulebook.kept import kept_paths
from scanner.sandbox.errors import HttpAnswer
from scanner.sandbox.faults import Fault
from scanner.sandbox.served_estate import Refusal, ResponseOverrides, RoleGrant
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header, SnapshotLine
from scanner.snapshot.store import Store
from tests.azure.requests import (
    ESTATE,
    KINDS,
    PERIMETER,
    PLAN,
    S1,
    S2,
    SITE,
    SLOT,
    STORAGE,
    SUBSCRIPTIONS,
    VAULT,
    Result,
    account,
    box,
    child,
    repeated,
    resource,
    scan,
    scanned,
)

LISTS = f"/subscriptions/{S1}/providers"
ST0, ST1 = ESTATE[0]["id"], ESTATE[4]["id"]


def test_the_whole_estate_is_read_and_nothing_else() -> None:
    running = box()
    result = scanned(running)
    assert set(result.resources) == {each["id"] for each in ESTATE} - {
        f"{ST1}/blobServices/default/containers/c{n}" for n in (0, 1)
    }
    assert not result.gaps
    assert result.views == {S1: "full", S2: "full"}
    assert {request.method for request in running.requests} == {"GET", "POST"}
    posts = {request.path for request in running.requests if request.method == "POST"}
    assert {path.rsplit("/", 1)[-1] for path in posts} == {"resources", "token"}
    assert repeated(running) == []


def test_each_read_says_how_many_there_were() -> None:
    result = scanned(box())
    assert result.reads[f"{LISTS}/Microsoft.Storage/storageAccounts"] == 3
    assert result.reads[f"{LISTS}/Microsoft.KeyVault/vaults"] == 0
    assert result.reads[f"{ST0}/blobServices/default/containers"] == 2
    assert result.reads[f"{ST0}/blobServices/default"] == 1
    assert result.reads[f"{SITE['id']}/slots"] == 1
    assert result.reads[f"{SLOT['id']}/config/web"] == 1


def test_a_read_that_is_not_needed_is_a_skip() -> None:
    result = scanned(box())
    assert result.skips == {f"{ST1}/blobServices/default/containers": "not needed"}


def test_a_condition_that_crashes_asks_for_the_read() -> None:
    kind = ResourceType("Microsoft.KeyVault/vaults", api="2024-11-01")
    read = kind.child("keys", when=lambda vault: vault.body["no such member"])
    result = scanned(box(), plan=Plan([kind], [read]))
    assert result.reads[f"{VAULT['id']}/keys"] == 0


def test_what_a_list_names_twice_is_read_once() -> None:
    running = box()
    read = running.arm.read

    def doubled(path: str, query: str, base: str, tenant: str) -> object:
        http_answer = read(path, query, base, tenant)
        if path.endswith(("/storageAccounts", "/slots", "/containers")):
            body = msgspec.json.decode(http_answer.body)
            http_answer = HttpAnswer(200, msgspec.json.encode({**body, "value": body["value"] * 2}))
        return http_answer

    running.arm.read = doubled  # type: ignore[method-assign, assignment]
    result = scanned(running)
    assert result.reads[f"{SITE['id']}/slots"] == 1
    assert result.reads[f"{ST0}/blobServices/default/containers"] == 2
    assert repeated(running) == []


def test_only_types_that_exist_are_listed() -> None:
    running = box()
    scanned(running)
    listed = {request.path.rsplit("/", 1)[-1] for request in running.requests if request.path.startswith(LISTS)}
    assert listed == {"storageAccounts", "sites", "permissions"}


def test_a_type_is_listed_at_its_pinned_version_once_a_subscription() -> None:
    running = box()
    scanned(running)
    urls = [request.url for request in running.requests if request.path == f"{LISTS}/Microsoft.Storage/storageAccounts"]
    assert urls == [f"{LISTS}/Microsoft.Storage/storageAccounts?api-version={STORAGE.api}"]


def test_pages_are_followed() -> None:
    estate = [row for number in range(23) for row in account(f"p{number:02}")]
    running = box(estate, page_size=4)
    result = scanned(running)
    assert result.reads[f"{LISTS}/Microsoft.Storage/storageAccounts"] == 23
    assert len(result.resources) == len(estate)
    assert repeated(running) == []


def test_what_exists_in_graph_alone_is_evaluated_as_such() -> None:
    result = scanned(box())
    assert result.by[PERIMETER["id"]] == "graph"
    assert result.by[ST0] == "list"
    assert result.by[f"{ST0}/blobServices/default"] == "get"
    counted = {
        url.rsplit("/", 1)[-1]: count
        for url, count in result.reads.items()
        if url.startswith(f"{LISTS}/Microsoft.Network/")
    }
    assert counted.keys() >= {"networkSecurityGroups", "networkInterfaces", "loadBalancers", "ruleCollectionGroups"}
    assert {name: count for name, count in counted.items() if count or name in ("privateEndpoints", "frontDoors")} == {
        "virtualNetworks": 1,
        "privateEndpoints": 0,
        "networkSecurityPerimeters": 1,
        "profiles": 1,
        "accessRules": 1,
        "resourceAssociations": 1,
        "frontDoors": 0,
    }


@pytest.mark.parametrize("refused", [True, False])
def test_without_resource_graph_everything_is_listed(refused: bool) -> None:
    running = box(refusals=[Refusal(action="Microsoft.ResourceGraph/*")] if refused else [])
    listed = scanned(running, Scope(graph=refused))
    whole = scanned(box())
    assert set(listed.resources) == set(whole.resources)
    unlisted = ("/providers/Microsoft.Web/sites/slots", "/providers/Microsoft.Network/effectiveSecurityAdminRules")
    assert {url for url in whole.reads if not url.endswith(unlisted)} <= set(listed.reads)
    assert set(listed.gaps) == ({RESOURCE_GRAPH} if refused else set()), "no list shows security admin rules"
    assert set(listed.by.values()) == {"list", "get"}
    assert repeated(running) == []


def test_resource_graph_that_loses_rows_is_not_believed() -> None:
    lost = msgspec.json.encode({"totalRecords": 9, "count": 1, "data": [], "resultTruncated": "true"})
    running = box()
    answer = running.graph.query

    def truncated(body: bytes, tenant: str) -> object:
        http_answer = answer(body, tenant)
        http_answer.body = lost
        return http_answer

    running.graph.query = truncated  # type: ignore[method-assign, assignment]
    result = scanned(running)
    assert set(result.by.values()) == {"list", "get"}
    assert any("RowsLost" in why for why in result.skips.values())


def test_a_partial_view_is_a_gap_on_the_subscription() -> None:
    running = box(grants=[RoleGrant(f"/subscriptions/{S1}/resourceGroups/rg-b"), RoleGrant(f"/subscriptions/{S2}")])
    result = scanned(running)
    assert result.views == {S1: "partial", S2: "full"}
    gap = result.gaps[f"/subscriptions/{S1}"]
    assert (gap["status"], gap["code"]) == (403, "AuthorizationFailed")
    assert f"{LISTS}/Microsoft.KeyVault/vaults" not in result.reads, "nothing says that there is none"
    assert ESTATE[8]["id"] in result.resources
    assert ST0 not in result.resources
    assert repeated(running) == []


def test_a_partial_view_without_resource_graph_lists_the_groups_that_are_seen() -> None:
    running = box(grants=[RoleGrant(f"/subscriptions/{S1}/resourceGroups/rg-b")])
    result = scanned(running, Scope(graph=False))
    assert result.views[S1] == "partial"
    assert ESTATE[8]["id"] in result.resources
    assert result.reads[f"/subscriptions/{S1}/resourcegroups"] == 1


def test_a_role_on_one_resource_reads_that_resource() -> None:
    running = box(grants=[RoleGrant(ESTATE[8]["id"])])
    result = scanned(running)
    assert result.views[S1] == "partial"
    assert ESTATE[8]["id"] in result.resources
    assert result.by[ESTATE[8]["id"]] == "get"


def test_each_subscription_is_probed_once() -> None:
    running = box(refusals=[Refusal(action="Microsoft.Storage/storageAccounts/read")])
    result = scanned(running)
    assert result.views[S1] == "full", "another list at subscription scope answers"
    assert (
        result.gaps[f"{LISTS}/Microsoft.Storage/storageAccounts"]["action"] == "Microsoft.Storage/storageAccounts/read"
    )
    lists = [request.url for request in running.requests if request.path.startswith(LISTS)]
    assert len(lists) == len(set(lists))


def test_what_the_login_may_not_read_is_not_taken_as_absent() -> None:
    """Resource Graph hides rows of types that may not be read; the probe has read another type with success."""
    grants = [RoleGrant(actions=("*/read",), not_actions=("Microsoft.Web/*",))]
    running = box(grants=grants)
    result = scanned(running)
    assert result.views[S1] == "full"
    gap = result.gaps[f"{LISTS}/Microsoft.Web/sites"]
    assert (gap["status"], gap["action"]) == (403, "Microsoft.Web/sites/read")
    assert f"{LISTS}/Microsoft.Web/sites" not in result.reads
    assert repeated(running) == []


def test_a_role_for_one_service_on_the_whole_subscription_is_no_partial_view() -> None:
    running = box(grants=[RoleGrant(actions=("Microsoft.Web/*", "Microsoft.Authorization/permissions/read"))])
    result = scanned(running)
    assert result.views[S1] == "full"
    assert SITE["id"] in result.resources
    assert result.gaps[f"{LISTS}/Microsoft.Storage/storageAccounts"]["status"] == 403


@pytest.mark.parametrize("graph", [True, False])
def test_what_publishes_is_read_and_its_secrets_are_not_kept(graph: bool) -> None:
    service = resource("Microsoft.ApiManagement/service", "apim", properties={"customSecret": "secret-1"})
    door = resource("Microsoft.Cdn/profiles", "afd", sku={"name": "Standard_AzureFrontDoor"})
    other = resource("Microsoft.Cdn/profiles", "cdn", sku={"name": "Standard_Microsoft"})
    origin = child(door, "originGroups/g/origins/o", hostName="app.example.net")
    backend = child(service, "backends/b", url="https://app.example.net", credentials={"query": {"key": ["secret-2"]}})
    api = child(service, "apis/a", serviceUrl="https://app.example.net", authenticationSettings={"x": "secret-3"})
    estate = [service, door, other, child(door, "originGroups/g"), origin, backend, api]
    rules = loader.load(packages=False)
    rules.select(only=["front-door-no-waf", "apim-backend-plain-http"])
    looked_up = {
        "Microsoft.Compute/capacityReservationGroups",
        "Microsoft.Network/FrontDoorWebApplicationFirewallPolicies",
    }
    read = {"Microsoft.Cdn/profiles", "Microsoft.ApiManagement/service"}
    assert {kind.type for kind in rules.read()} == {*read, *looked_up}
    kept = kept_paths(rules).listed()
    result = scanned(box(estate), Scope(graph=graph), Plan(rules.read(), rules.reads()), kept=kept)
    assert result.resources[origin["id"]]["properties"] == {"hostName": "app.example.net"}
    assert result.resources[backend["id"]]["properties"] == {"url": "https://app.example.net"}
    assert result.resources[api["id"]]["properties"] == {"serviceUrl": "https://app.example.net"}
    assert result.skips[f"{other['id']}/originGroups"] == "not needed"
    assert not result.gaps
    assert b"secret-" not in b"".join(result.lines)
    bare = scanned(box(estate), Scope(graph=graph), Plan([], []), kept=kept)
    assert service["id"] in bare.resources
    assert b"secret-1" not in b"".join(bare.lines)


def test_a_policy_is_reduced_before_it_is_kept() -> None:
    """Its XML is one text, of which no path can keep a part."""
    service = resource("Microsoft.ApiManagement/service", "apim", sku={"name": "StandardV2"})
    api = child(service, "apis/a", subscriptionRequired=False)
    xml = "<policies><inbound><base /><set-header name='k'><value>secret-1</value></set-header></inbound></policies>"
    whole = child(service, "policies/policy", value=xml, format="xml")
    own = child(service, "apis/a/policies/policy", value="secret-2 that is no XML", format="xml")
    fragment = child(service, "policyFragments/f", value="<fragment><set-body>secret-3</set-body></fragment>")
    rules = loader.load(packages=False)
    rules.select(only=["apim-api-no-authentication"])
    plan, kept = Plan(rules.read(), rules.reads()), kept_paths(rules).listed()
    result = scanned(box([service, api, whole, own, fragment]), Scope(), plan, kept=kept)
    assert result.resources[whole["id"]]["properties"] == {
        "value": "<policies><inbound><base></base></inbound></policies>"
    }
    assert result.resources[own["id"]]["properties"] == {"value": "<unparsed/>"}
    assert result.resources[fragment["id"]]["properties"] == {"value": "<fragment></fragment>"}
    assert b"secret-" not in b"".join(result.lines)


def test_perimeters_that_may_not_be_read_are_not_taken_as_absent() -> None:
    hidden = "Microsoft.Network/networkSecurityPerimeters/resourceAssociations/read"
    running = box(grants=[RoleGrant(actions=("*/read",), not_actions=(hidden,))])
    result = scanned(running)
    assert result.gaps[f"{PERIMETER['id']}/resourceAssociations"]["action"] == hidden
    assert f"{LISTS}/Microsoft.Network/networkSecurityPerimeters/resourceAssociations" not in result.reads
    assert f"{LISTS}/Microsoft.Network/networkSecurityPerimeters/profiles/accessRules" in result.reads
    assert f"{LISTS}/Microsoft.Network/virtualNetworks" in result.reads


def test_where_permissions_cannot_be_read_all_types_are_listed() -> None:
    running = box(faults=[Fault("status", "*/permissions", status=404, code="NotFound")])
    result = scanned(running)
    listed = {request.path.rsplit("/", 1)[-1] for request in running.requests if request.path.startswith(LISTS)}
    assert {"storageAccounts", "sites", "vaults", "virtualNetworks"} <= listed
    assert not result.gaps


def test_a_refused_child_is_a_gap_with_its_action_and_the_rest_is_read() -> None:
    refusal = Refusal(action="Microsoft.Storage/storageAccounts/blobServices/containers/read")
    result = scanned(box(refusals=[refusal]))
    url = f"{ST0}/blobServices/default/containers"
    assert result.gaps[url] == {"url": url, "status": 403, "code": "AuthorizationFailed", "action": refusal.action}
    assert result.progress.gaps[0][3] == refusal.action
    assert url not in result.reads
    assert f"{ST0}/blobServices/default" in result.resources


def test_a_code_that_means_none_is_a_read_of_nothing() -> None:
    result = scanned(box())
    assert result.reads[f"{SITE['id']}/config/authsettingsV2"] == 0


def test_a_code_that_means_not_on_this_sku_is_a_skip_that_names_it() -> None:
    kind = ResourceType("Microsoft.KeyVault/vaults", api="2024-11-01")
    read = kind.child("keys", off=("FeatureNotSupported",))
    overrides = ResponseOverrides(replies=({"path": "*/keys", "status": 400, "code": "featurenotsupported"},))  # type: ignore[arg-type]
    running = box(overrides=msgspec.convert(msgspec.to_builtins(overrides), ResponseOverrides))
    result = scanned(running, plan=Plan([kind], [read]))
    assert result.skips[f"{VAULT['id']}/keys"] == "FeatureNotSupported"


def test_a_parent_that_was_deleted_meanwhile_is_left_out() -> None:
    fault = Fault("status", f"{ST0}*", status=404, code="ResourceNotFound")
    running = box(faults=[fault])
    result = scanned(running)
    assert ST0 not in result.resources
    assert result.skips[ST0] == "deleted meanwhile"
    assert not result.gaps
    assert sum(request.path == ST0 for request in running.requests) == 1


def test_a_404_on_a_child_alone_is_a_gap() -> None:
    url = f"{ST0}/blobServices/default"
    result = scanned(box(faults=[Fault("status", url, status=404, code="ResourceNotFound")]))
    assert (result.gaps[url]["status"], result.gaps[url]["code"]) == (404, "ResourceNotFound")
    assert ST0 in result.resources


def test_an_unregistered_provider_is_empty_and_complete_and_is_not_registered() -> None:
    running = box(unregistered={S1: ["Microsoft.Storage"], S2: []})
    result = scanned(running, Scope(graph=False))
    assert result.reads[f"{LISTS}/Microsoft.Storage/storageAccounts"] == 0
    assert not result.gaps
    assert not [request for request in running.requests if "register" in request.path]


def test_a_graph_row_is_read_by_itself() -> None:
    running = box(overrides=ResponseOverrides(without_properties=(ST0,)))
    result = scanned(running)
    assert result.by[ST0] == "get"
    assert result.resources[ST0]["properties"] == ESTATE[0]["properties"]
    assert result.by[ST1] == "list"


BACKUP = ResourceType("Microsoft.RecoveryServices/vaults", api="2025-08-01", each=True)
ITEMS = BACKUP.child("backupProtectedItems")
RSV = resource(BACKUP.type, "rsv", "rg-a", securitySettings={"multiUserAuthorization": "Enabled"})


def test_a_type_whose_list_says_too_little_is_read_one_by_one() -> None:
    running = box([RSV, child(RSV, "backupProtectedItems/vm")])
    result = scanned(running, plan=Plan([BACKUP], [ITEMS], ()))
    assert result.by[RSV["id"]] == "get"
    assert result.reads[f"{LISTS}/{BACKUP.type}"] == 1
    assert result.reads[f"{RSV['id']}/backupProtectedItems"] == 1
    assert repeated(running) == []


def test_one_of_them_that_is_refused_is_a_gap_with_its_id() -> None:
    running = box([RSV], faults=[Fault("refuse", "*/vaults/rsv")])
    result = scanned(running, plan=Plan([BACKUP], [ITEMS], ()))
    assert set(result.gaps) == {RSV["id"]}
    assert RSV["id"] not in result.resources


def test_an_item_of_a_vault_is_named_by_its_container_and_itself() -> None:
    url = f"{RSV['id']}/backupProtectedItems"
    inside = f"{RSV['id']}/backupFabrics/Azure/protectionContainers/IaasVMContainer;v2;rg;vm/protectedItems/VM;v2;rg;vm"
    assert with_child_id({"id": inside}, url)["id"] == f"{url}/Azure-IaasVMContainer;v2;rg;vm-VM;v2;rg;vm"


def test_a_tenth_of_the_child_reads_refused_leaves_the_rest_as_it_was() -> None:
    estate = [row for number in range(40) for row in account(f"t{number:02}")]
    running = box(estate, faults=[Fault("refuse", "*/blobServices/*", chance=0.1)], seed=3)
    result = scanned(running)
    refused = {request.path for request in running.requests if request.status == 403}
    assert 3 <= len(refused) <= 20
    assert set(result.gaps) == refused
    whole = scanned(box(estate))
    assert set(whole.resources) - set(result.resources) <= {
        id for id in whole.resources if any(id.startswith(url) for url in refused)
    }
    assert {url for url in whole.reads if url not in result.reads} == refused


def test_subscriptions_are_asked_about_in_batches() -> None:
    many = [
        {"subscriptionId": f"aaaaaaaa-0000-0000-0000-{number:012}", "displayName": f"s{number}"} for number in range(7)
    ]
    made = Plan(KINDS, [], ())
    running = box([], many)
    plan = Plan(
        [ResourceType(f"Microsoft.Web/kind{n}", api="2024-11-01") for n in range(300)] + list(made.resource_types),
        [],
        (),
    )
    result = scanned(running, plan=plan)
    assert len(result.views) == 7
    asked = [len(json.loads(request.body)["subscriptions"]) for request in running.requests if request.body]
    assert asked == [3, 3, 1]


def test_a_list_that_always_fails_is_a_gap_and_what_graph_shows_of_it_stays() -> None:
    path = f"{LISTS}/Microsoft.Web/sites"
    result = scanned(box(faults=[Fault("status", path, status=500)]))
    whole = scanned(box())
    assert (result.gaps[path]["status"], result.gaps[path]["code"]) == (500, "InternalServerError")
    assert set(result.resources) == set(whole.resources)
    assert {id for id in result.by if result.by[id] != whole.by[id]} == {SITE["id"]}
    assert result.by[SITE["id"]] == "graph"


def test_a_list_of_networks_that_fails_after_a_page_keeps_that_page() -> None:
    groups = f"/subscriptions/{S1}/resourceGroups/rg/providers/Microsoft.Network/publicIPPrefixes"
    type = "Microsoft.Network/publicIPPrefixes"
    estate = [{"id": f"{groups}/p{at}", "name": f"p{at}", "type": type, "properties": {}} for at in range(5)]
    path = f"{LISTS}/{type}"
    result = scanned(box(estate, page_size=4, faults=[Fault("foreign-link", path)]), Scope(graph=False))
    assert path in result.gaps
    assert path not in result.reads
    assert sum(id.startswith(groups) for id in result.resources) == 4


@pytest.mark.parametrize(("kind", "code"), [("truncate", "BadJson"), ("reset", "Reset"), ("cut", "Reset")])
def test_an_answer_that_cannot_be_used_is_a_gap_without_a_status(kind: str, code: str) -> None:
    url = f"{ST0}/blobServices/default"
    running = box(faults=[Fault(kind, url)])  # type: ignore[arg-type]
    result = scanned(running)
    assert (result.gaps[url]["status"], result.gaps[url]["code"]) == (0, code)
    tries = sum(request.path == url for request in running.requests)
    assert tries == 2 if kind == "truncate" else 4 <= tries <= 8


def test_a_refused_list_of_children_gives_each_rule_one_unknown_on_the_parent() -> None:
    rules = loader.load(packages=False)
    rules.select(only=("type:Microsoft.Storage/*",))
    kinds = [kind for kind in rules.kinds if kind.type == STORAGE.type]
    refusal = Refusal(action="Microsoft.Storage/storageAccounts/blobServices/containers/read")
    result = scanned(box(account("st0"), refusals=[refusal]), plan=Plan(kinds, rules.reads()))
    store = Store(Header(taken="2026-11-25T00:00:00Z"))
    for line in result.lines:
        store.add(msgspec.json.decode(line, type=SnapshotLine))
    evaluation = Evaluation(of_store(store), rules)
    writer, out = Writer(), BytesIO()
    evaluation.run(writer)
    scan_row = evaluation.scan_row(started="2026-11-25T00:00:00Z", finished="2026-11-25T00:00:01Z", tool="t")
    writer.finish(out, scan_row, evaluation.rule_rows(), evaluation.result.gaps, evaluation.coverage())
    writer.close()
    url = f"{ST0}/blobServices/default/containers"
    document = json.loads(out.getvalue())
    unknown = [row for row in document["findings"] if row["status"] == "unknown" and url in row["gaps"]]
    assert unknown
    assert {row["resource"] for row in unknown} == {ST0}
    assert len({row["rule"] for row in unknown}) == len(unknown)
    assert document["gaps"][0]["rules"] == sorted(row["rule"] for row in unknown)
    assert document["scan"]["complete"] is False


def test_one_broken_answer_is_read_once_more() -> None:
    result = scanned(box(faults=[Fault("truncate", f"{ST0}/blobServices/default", times=1)]))
    assert not result.gaps


def test_secrets_are_cut_before_anything_waits_or_is_stored() -> None:
    secret = resource("Microsoft.ContainerInstance/containerGroups", "ci")
    secret["properties"] = {"containers": [{"name": "a", "image": "i", "environmentVariables": [{"value": "hunter2"}]}]}
    kind = ResourceType("Microsoft.ContainerInstance/containerGroups", api="2023-05-01")
    below = kind.child("things")
    estate = [secret, child(secret, "things/t", open=True, password="hunter2")]
    kept = {kind.type: ["properties.containers[].image"], below.type: ["properties.open"]}
    result = scanned(box(estate), plan=Plan([kind], [below]), kept=kept)
    assert result.resources[secret["id"]]["properties"] == {"containers": [{"name": "a", "image": "i"}]}
    assert result.resources[f"{secret['id']}/things/t"]["properties"] == {"open": True}
    assert b"hunter2" not in b"".join(result.lines)


# Scope


def test_subscriptions_by_name_and_by_id_whatever_the_case() -> None:
    for word in ("TEST", S2.upper()):
        result = scanned(box(), Scope(subscriptions=(word,)))
        assert set(result.views) == {S2}
        assert set(result.resources) == {VAULT["id"]}


def test_an_unknown_subscription_names_the_nearest() -> None:
    with pytest.raises(InputError) as raised:
        scanned(box(), Scope(subscriptions=("prodd",)))
    assert raised.value.what == 'subscription "prodd" is none of the 2 that this login can read'
    assert raised.value.do == "nearest: prod; all: az account list --output table"


def test_below_a_management_group_what_cannot_be_read_is_a_named_gap() -> None:
    hidden = "aaaaaaaa-0000-0000-0000-000000000003"
    groups = [{"name": "root", "subscriptions": [S2]}, {"name": "sub", "parent": "root", "subscriptions": [hidden]}]
    result = scanned(box(management_groups=groups), Scope(management_groups=("root",)))
    assert result.views == {S2: "full", hidden: "none"}
    assert result.gaps[f"/subscriptions/{hidden}"]["action"] == "Microsoft.Resources/subscriptions/read"


def test_an_unknown_management_group() -> None:
    with pytest.raises(InputError, match='management group "nope" does not exist'):
        scanned(box(), Scope(management_groups=("nope",)))


def test_a_disabled_subscription_is_named_as_not_evaluated() -> None:
    disabled = {**SUBSCRIPTIONS[1], "state": "Disabled"}
    result = scanned(box(subscriptions=[SUBSCRIPTIONS[0], disabled]))
    assert result.views == {S1: "full", S2: "none"}
    assert result.gaps[f"/subscriptions/{S2}"]["code"] == "SubscriptionDisabled"
    assert VAULT["id"] not in result.resources


@pytest.mark.parametrize("state", ["Warned", "PastDue"])
def test_a_subscription_that_is_warned_is_read(state: str) -> None:
    result = scanned(box(subscriptions=[SUBSCRIPTIONS[0], {**SUBSCRIPTIONS[1], "state": state}]))
    assert result.views[S2] == "full"


def test_a_login_that_reads_nothing() -> None:
    with pytest.raises(NothingReadable) as raised:
        scanned(box(grants=[RoleGrant("/subscriptions/other")]))
    assert raised.value.what == "this login cannot read any subscription"
    assert raised.value.do == "request the Reader role, or a smaller role: twolocks access role > role.json"


def test_what_a_group_does_not_hold_is_a_skip_and_a_group_that_is_nowhere_skips_nothing() -> None:
    result = scanned(box(), Scope(groups=("rg-b",)))
    types = {type.lower() for kind in KINDS for type in kind.types if type.count("/") == 1}

    def reported(each: Result) -> set[str]:
        urls = (*each.reads, *each.skips)
        return {url.lower().split("/providers/")[1] for url in urls if url.lower().count("/") in (5, 7)} & types

    assert reported(result) == types
    with pytest.raises(InputError, match='resource group "typo" does not exist in the 2 subscriptions'):
        scanned(box(), Scope(groups=("typo",)))
    assert reported(scanned(box(), Scope(groups=("typo",), is_known=lambda id: id.endswith("/typo")))) == types


def test_named_resources_say_that_nothing_was_listed() -> None:
    result = scanned(box(), Scope(resources=(VAULT["id"],)))
    assert result.skips["/".join(VAULT["id"].split("/")[:3])] == "only the named resources"


def test_resource_groups_and_tags_narrow_the_scope() -> None:
    by_group = scanned(box(), Scope(groups=("RG-B",)))
    # Networks and vaults are the index: verdicts on resources of the group look them up, wherever they are.
    tops = {
        id
        for id, body in by_group.resources.items()
        if body.get("location") and not any(each in id for each in ("Microsoft.Network", "Microsoft.KeyVault"))
    }
    assert tops == {ESTATE[8]["id"], SITE["id"], SLOT["id"]}
    by_tag = scanned(box(), Scope(tags=(("team", "blue"),)))
    assert {id for id in by_tag.resources if "Microsoft.Network" not in id} == {VAULT["id"]}


def test_one_resource_is_read_directly_and_not_through_resource_graph() -> None:
    running = box()
    result = scanned(running, Scope(resources=(ST0.upper().replace("SUBSCRIPTIONS", "subscriptions"),)))
    assert not [request for request in running.requests if "ResourceGraph" in request.path]
    assert not [request for request in running.requests if request.path.endswith("storageAccounts")]
    assert len([id for id in result.resources if "storageaccounts" in id.lower()]) == 4
    assert set(result.by.values()) <= {"get", "list"}
    assert PERIMETER["id"] in result.resources
    assert result.views == {S1: "full"}


def test_a_child_names_its_bundle() -> None:
    result = scanned(box(), Scope(resources=(f"{SLOT['id']}/config/web",)))
    assert {id for id in result.resources if "Microsoft.Web" in id} == {SLOT["id"], f"{SLOT['id']}/config/web"}


@pytest.mark.parametrize(
    ("id", "what"),
    [
        ("nonsense", "not a resource id"),
        (f"/subscriptions/{S1}/resourceGroups/a/providers/Microsoft.Storage/../x", "not a resource id"),
        (f"/subscriptions/{S1}/resourceGroups/a/providers/Microsoft.Nothing/things/x", "no enabled rule covers"),
        (f"{ST0}x", "no such resource"),
    ],
)
def test_a_resource_that_cannot_be_scanned(id: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        scanned(box(), Scope(resources=(id,)))


def test_a_refused_resource() -> None:
    with pytest.raises(NothingReadable) as raised:
        scanned(box(refusals=[Refusal(path=ST0)]), Scope(resources=(ST0,)))
    assert raised.value.at == "missing Microsoft.Storage/storageAccounts/read"


# Hostile and odd answers


def test_rows_without_a_usable_id_make_the_list_a_gap() -> None:
    rows = [
        {"name": "a"},
        {"id": f"/subscriptions/{S2}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/x"},
        {"id": 7},
    ]
    running = box()
    path = f"{LISTS}/Microsoft.KeyVault/vaults"
    read = running.arm.read

    def odd(asked: str, query: str, base: str, tenant: str) -> object:
        http_answer = read(asked, query, base, tenant)
        if asked == path:
            http_answer.body = msgspec.json.encode({"value": rows})
        return http_answer

    running.arm.read = odd  # type: ignore[method-assign, assignment]
    result = scanned(running, Scope(graph=False))
    assert result.gaps[path]["code"] == "BadJson"
    assert path not in result.reads


def test_a_child_without_an_id_of_its_own_is_placed_below_its_list() -> None:
    kind = ResourceType("Microsoft.KeyVault/vaults", api="2024-11-01")
    read = kind.child("keys")
    rows = [{"name": "kv/first"}, {"id": "0b7b", "name": "second"}, {"id": "/elsewhere/x/../y", "name": "../../third"}]
    running = box()
    answer = running.arm.read

    def odd(asked: str, query: str, base: str, tenant: str) -> object:
        http_answer = answer(asked, query, base, tenant)
        if asked.endswith("/keys"):
            http_answer.body = msgspec.json.encode({"value": rows})
        return http_answer

    running.arm.read = odd  # type: ignore[method-assign, assignment]
    result = scanned(running, plan=Plan([kind], [read]))
    below = {id.rsplit("/", 1)[-1] for id in result.resources if "/keys/" in id}
    assert below == {"first", "second", "third"}


def test_interfaces_of_instances_keep_a_name_of_their_own() -> None:
    scale_set = f"/subscriptions/{S1}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/web"
    url = f"{scale_set}/networkInterfaces"
    rows = [{"id": f"{scale_set}/virtualMachines/{number}/networkInterfaces/nic", "name": "nic"} for number in (0, 1)]
    assert [with_child_id(row, url)["id"] for row in rows] == [f"{url}/0-nic", f"{url}/1-nic"]
    assert with_child_id({"id": f"{url}/nic"}, url) == {"id": f"{url}/nic"}


def test_network_interfaces_are_listed_since_a_row_of_resource_graph_may_lack_what_opens_them() -> None:
    nic = f"/subscriptions/{S1}/resourceGroups/rg-a/providers/Microsoft.Network/networkInterfaces/nic"
    rule = (
        f"/subscriptions/{S1}/resourceGroups/rg-a/providers/Microsoft.Network/virtualNetworks/v"
        "/providers/microsoft.network/effectivesecurityadminrules/deny"
    )
    body = {"location": "norwayeast", "properties": {"ipConfigurations": []}}
    estate = [{"id": nic, "name": "nic", "type": "Microsoft.Network/networkInterfaces", **body}]
    estate.append(
        {"id": rule, "name": "deny", "type": "microsoft.network/effectivesecurityadminrules", "properties": {}}
    )
    result = scanned(box(estate))
    lines = [line for line in map(msgspec.json.decode, result.lines) if line.get("resource", {}).get("id") == nic]
    assert {line.get("by", "list") for line in lines} == {"graph", "list"}
    assert result.by[rule] == "graph"
    assert result.reads[f"{LISTS}/Microsoft.Network/effectiveSecurityAdminRules"] == 1
    blind = scanned(box(estate), Scope(graph=False))
    assert blind.by[nic] == "list"
    assert f"{LISTS}/Microsoft.Network/effectiveSecurityAdminRules" not in blind.reads


def test_progress_hears_account_scopes_and_counts() -> None:
    received = scanned(box()).progress
    assert received.accounts == [("Twolocks sandbox", "environment", "11111111-1111-1111-1111-111111111111", [])]
    assert received.scopes == {"prod": "full", "test": "full"}
    assert received.read["containers of storage accounts"] == (2, 2)
    assert all(done == total for done, total in received.read.values())
    done, to_come, resources, failed = received.last
    assert sum(total for _, total in received.read.values()) == done
    assert (to_come, failed) == (0, 0)
    assert resources == len(scanned(box()).resources)
    assert done > 10


def test_cancelling_a_collection_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with box(latency=0.2) as running:
            task = asyncio.create_task(scan(running))
            await asyncio.sleep(0.7)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) < 20

    asyncio.run(main())


def test_the_plan_says_what_lies_below_what() -> None:
    assert PLAN.below()[STORAGE] == STORAGE.children
    assert [type for type, _ in PLAN.nested()["microsoft.web/sites"]] == ["Microsoft.Web/sites/slots"]
    assert collect is not None
    assert len(KINDS) == 4


def governed(manager: str) -> list[dict[str, Any]]:
    """A network of the first subscription, and a rule of a network manager in another one."""
    network = f"/subscriptions/{S1}/resourceGroups/rg-a/providers/Microsoft.Network/virtualNetworks/v"
    configuration = (
        f"/subscriptions/{manager}/resourceGroups/rg-a/providers/Microsoft.Network/networkManagers/m"
        "/securityAdminConfigurations/c"
    )
    return [
        {"id": network, "name": "v", "type": "Microsoft.Network/virtualNetworks", "properties": {"subnets": []}},
        {
            "id": f"{network}/providers/Microsoft.Network/effectiveSecurityAdminRules/default",
            "name": "default",
            "type": "microsoft.network/effectivesecurityadminrules",
            "properties": {"effectiveSecurityAdminConfigurations": [{"id": f"{configuration}/snapshots/1"}]},
        },
        {
            "id": f"{configuration}/ruleCollections/rc/rules/deny/snapshots/1",
            "name": "1",
            "type": "microsoft.network/networkmanagers/securityadminconfigurations/rulecollections/rules/snapshots",
            "properties": {"access": "Deny"},
        },
    ]


@pytest.mark.parametrize("manager", [S1, S2])
def test_the_rules_of_a_network_manager_are_read_wherever_it_is(manager: str) -> None:
    estate = governed(manager)
    for scope in (Scope(), Scope(subscriptions=(S1,))):
        result = scanned(box(estate), scope)
        assert {each["id"] for each in estate} <= set(result.resources)
        assert not result.gaps


def test_a_network_manager_whose_query_is_not_answered_is_a_gap_of_what_it_governs() -> None:
    """The queries of the types, and of the two tables of the index, come before the two on the manager."""
    throttled = Fault("throttle", RESOURCE_GRAPH, retry_after=301)
    running = box(governed(S2), faults=[Fault("slow", RESOURCE_GRAPH, seconds=0, times=3), throttled])
    result = scanned(running, Scope(subscriptions=(S1,)))
    url = f"{LISTS}/Microsoft.Network/effectiveSecurityAdminRules"
    assert [(each, gap["status"]) for each, gap in result.gaps.items()] == [(url, 429)]


def test_a_network_manager_that_is_not_visible_is_no_failed_read() -> None:
    estate = governed("99999999-0000-0000-0000-000000000001")[:2]
    result = scanned(box(estate), Scope(subscriptions=(S1,)))
    assert not result.gaps
