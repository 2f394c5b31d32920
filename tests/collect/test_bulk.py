"""Reads that one request makes for many resources: rows of Resource Graph, a list of the subscription, a list below."""

from typing import Any

import pytest

from scanner.collect.collector import Plan, Scope
from scanner.model.bulk_reads import GraphRows, SubscriptionRows
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.sandbox.errors import HttpAnswer
from scanner.sandbox.faults import Fault
from scanner.sandbox.served_estate import ErrorReply, Refusal, ResponseOverrides, RoleGrant
from scanner.sandbox.server import Sandbox
from tests.azure.requests import S1, SITE, SLOT, Result, box, child, repeated, resource, scanned

SERVERS = [resource("Microsoft.Sql/servers", f"sql{n}", "rg-b") for n in range(3)]
DATABASES = [
    {**child(server, f"databases/{name}", zone=zone), "location": "norwayeast"}
    for server, name, zone in ((SERVERS[0], "master", True), (SERVERS[0], "a", False), (SERVERS[1], "master", None))
]
MACHINES = [resource("Microsoft.Compute/virtualMachines", f"vm{n}", "rg-b") for n in range(3)]
VIEWS: list[Any] = [
    {"id": f"{each['id']}/instanceView", "statuses": [{"code": code}]}
    for each, code in zip(MACHINES, ("PowerState/running", "PowerState/deallocated", "PowerState/running"), strict=True)
]
FACTORY = resource("Microsoft.Batch/batchAccounts", "batch0", "rg-b")
OTHERS = [resource("Microsoft.Batch/batchAccounts", f"batch{n}", "rg-b") for n in (1, 2)]
DENIAL = {
    "id": f"/subscriptions/{S1}/providers/Microsoft.Authorization/denyAssignments/d0",
    "properties": {"permissions": [{"actions": ["Microsoft.Sql/servers/databases/*"], "notActions": []}]},
}
ESTATE = [*SERVERS, *DATABASES, *MACHINES, *VIEWS, FACTORY, *OTHERS, child(FACTORY, "pools/p"), SITE, SLOT]


def plan(**more: Any) -> Plan:
    """Return a plan of databases, instance views, pools and slots. `more`: of the rows of databases."""
    server = ResourceType("Microsoft.Sql/servers", api="2025-01-01")
    server.child("databases", graph=GraphRows(**{"holds": ("properties.zone",), **more}))
    machine = ResourceType("Microsoft.Compute/virtualMachines", api="2025-11-01")
    rows = SubscriptionRows("", at="properties.instanceView", query=(("statusOnly", "true"),), holds=("statuses",))
    machine.child("instanceView", one=True, together=rows)
    account = ResourceType("Microsoft.Batch/batchAccounts", api="2024-07-01")
    account.child("pools", graph=GraphRows("batchresources"))
    sites = ResourceType("Microsoft.Web/sites", api="2024-11-01")
    slots = ResourceType("Microsoft.Web/sites/slots", api="2024-11-01")
    types = (server, machine, account, sites, slots)
    return Plan(types, [read for each in types for read in each.children])


def paths(running: Sandbox, end: str) -> list[str]:
    """Return the names of the resources below which something was read."""
    matches = [
        each.path for each in running.requests if each.path.endswith(f"/{end}") and "/resourceGroups/" in each.path
    ]
    return sorted(path.rsplit("/", 2)[1] for path in matches)


def same_bundles(first: Result, second: Result) -> None:
    assert set(first.resources) == set(second.resources)
    assert {url: count for url, count in first.reads.items() if "/resourceGroups/" in url} == {
        url: count for url, count in second.reads.items() if "/resourceGroups/" in url
    }


def test_rows_of_graph_stand_for_lists_where_each_holds_what_decides() -> None:
    running = box(ESTATE)
    result = scanned(running, plan=plan())
    assert paths(running, "databases") == ["sql1"], "null decides nothing; sql2 has none"
    assert result.by[DATABASES[1]["id"]] == "graph"
    assert result.by[DATABASES[2]["id"]] == "list"
    assert result.reads[f"{SERVERS[2]['id']}/databases"] == 0
    assert repeated(running) == []
    same_bundles(result, scanned(box(ESTATE), Scope(graph=False), plan=plan()))


@pytest.mark.parametrize(
    ("more", "read"),
    [
        ({"holds": None}, ["sql0", "sql1"]),
        ({"holds": ()}, []),
        ({"includes": ("model",)}, ["sql0", "sql1"]),
        ({"check": lambda row: row.name != "a"}, ["sql0", "sql1"]),
        ({"check": lambda row: row.get("properties.zone.deeper")}, ["sql0", "sql1"]),
    ],
)
def test_rows_that_say_too_little_only_say_which_parents_have_any(more: dict[str, Any], read: list[str]) -> None:
    running = box(ESTATE)
    scanned(running, plan=plan(**more))
    assert paths(running, "databases") == read


def test_a_row_never_says_that_something_is_absent() -> None:
    row = Resource(dict(DATABASES[1]), by="graph")
    assert row.why_absent_is_unknown


@pytest.mark.parametrize(
    "id", ["", "sql", "/", f"{SERVERS[0]['id']}/databases/..", f"{SERVERS[0]['id'].upper()}/DATABASES/B"]
)
def test_an_id_of_a_row_leads_nowhere_else(id: str) -> None:
    running = box(ESTATE)
    answer = running.graph.query

    def strange(body: bytes, tenant: str) -> Any:
        return HttpAnswer(200, answer(body, tenant).body.replace(DATABASES[1]["id"].encode(), id.encode()))

    running.graph.query = strange  # type: ignore[method-assign]
    result = scanned(running, plan=plan())
    below = [each for each in result.resources if each.lower().startswith(f"{SERVERS[0]['id']}/".lower())]
    assert all(each.startswith(f"{SERVERS[0]['id']}/databases/") and ".." not in each for each in below)
    assert not any(".." in each.url for each in running.requests)


ALL = ["sql0", "sql1", "sql2"]


@pytest.mark.parametrize(
    "options",
    [
        {"grants": [RoleGrant(not_actions=("Microsoft.Sql/servers/databases/read",))]},
        {"refusals": [Refusal(action="Microsoft.Authorization/denyAssignments/read")]},
        {"overrides": ResponseOverrides(no_permissions=405)},
        {"resources": [*ESTATE, DENIAL]},
        {"refusals": [Refusal(action="Microsoft.ResourceGraph/*")]},
    ],
    ids=["a role without the read", "denials unread", "permissions unread", "denied", "Graph refuses"],
)
def test_where_graph_may_hide_rows_each_list_is_read(options: dict[str, Any]) -> None:
    running = box(**{"resources": ESTATE, **options})
    scanned(running, plan=plan())
    assert paths(running, "databases") == ALL
    assert repeated(running) == []


def test_a_table_that_fails_is_not_believed() -> None:
    running = box(ESTATE)
    answer = running.graph.query

    def failing(body: bytes, tenant: str) -> Any:
        return answer(
            body.replace(b"resources | where type in~ ('microsoft.web", b"nothing | where type in~ ('"), tenant
        )

    running.graph.query = failing  # type: ignore[method-assign]
    scanned(running, plan=plan())
    assert paths(running, "databases") == ALL
    assert paths(running, "slots") == ["app"]


def test_that_a_type_of_its_own_table_is_absent_is_believed_where_the_table_has_the_type() -> None:
    running = box(ESTATE)
    result = scanned(running, plan=plan())
    assert paths(running, "pools") == ["batch0"]
    assert result.reads[f"{OTHERS[0]['id']}/pools"] == 0
    running = box([each for each in ESTATE if "/pools/" not in each["id"]])
    scanned(running, plan=plan())
    assert paths(running, "pools") == ["batch0", "batch1", "batch2"], (
        "this cloud may not have the type in Resource Graph"
    )


def test_no_row_says_nothing_of_a_type_that_the_table_lacks() -> None:
    """Image versions looked like none where Resource Graph does not have their type."""
    absent = ResponseOverrides(absent_from_graph=("*/databases/*", "*/slots/*"))
    running = box(ESTATE, overrides=absent)
    result = scanned(running, plan=plan())
    assert (paths(running, "databases"), paths(running, "slots")) == (ALL, ["app"])
    assert {DATABASES[1]["id"], SLOT["id"]} <= result.resources.keys()


def test_the_rows_of_one_type_say_nothing_of_another_one_of_the_same_read() -> None:
    """Replicas of Web PubSub looked like none where Resource Graph had some of SignalR."""
    service = ResourceType("Microsoft.SignalRService/signalR", "Microsoft.SignalRService/webPubSub", api="2024-03-01")
    service.child("replicas", graph=GraphRows(holds=("location",)))
    signalr = [resource("Microsoft.SignalRService/signalR", f"sr{n}", "rg-b") for n in range(3)]
    pubsub = resource("Microsoft.SignalRService/webPubSub", "ps", "rg-b")
    below = [{**child(each, "replicas/r"), "location": "norwayeast"} for each in (signalr[0], pubsub)]
    absent = ResponseOverrides(absent_from_graph=("*/webPubSub/*/replicas/*",))
    running = box([*signalr, pubsub, *below], overrides=absent)
    result = scanned(running, plan=Plan([service], service.children))
    assert paths(running, "replicas") == ["ps"]
    assert below[1]["id"] in result.resources


def test_a_table_is_not_asked_for_two_parents() -> None:
    running = box([each for each in ESTATE if each is not OTHERS[1]])
    scanned(running, plan=plan())
    assert paths(running, "pools") == ["batch0", "batch1"]
    assert not any("batchresources" in each.body for each in running.requests)


def test_instance_views_are_one_list() -> None:
    running = box(ESTATE)
    result = scanned(running, plan=plan())
    assert paths(running, "instanceView") == []
    assert len([each for each in running.requests if "statusOnly=true" in each.url]) == 1
    assert [result.resources[each["id"]]["statuses"] for each in VIEWS] == [each["statuses"] for each in VIEWS]
    assert set(result.resources) == set(scanned(box(ESTATE), Scope(groups=("rg-b",)), plan=plan()).resources)


def test_an_instance_view_that_the_list_lacks_is_read_by_itself() -> None:
    bare = {"id": VIEWS[0]["id"], "vmAgent": {}}
    running = box([bare if each is VIEWS[0] else each for each in ESTATE])
    result = scanned(running, plan=plan())
    assert paths(running, "instanceView") == ["vm0"]
    assert VIEWS[0]["id"] in result.resources


def test_one_resource_is_read_alone() -> None:
    running = box(ESTATE)
    scanned(running, Scope(resources=(MACHINES[0]["id"], SERVERS[2]["id"])), plan=plan())
    assert (paths(running, "instanceView"), paths(running, "databases")) == (["vm0"], ["sql2"])


def test_a_group_is_read_alone() -> None:
    running = box(ESTATE)
    scanned(running, Scope(groups=("rg-b",)), plan=plan())
    assert (paths(running, "instanceView"), paths(running, "databases")) == (["vm0", "vm1", "vm2"], ALL)


def within() -> Plan:
    server = ResourceType("Microsoft.DBforPostgreSQL/flexibleServers", api="2025-08-01")
    parameters = server.child("configurations", matters=lambda row: row.name in ("a", "b"))
    for name in ("a", "gone"):
        server.child(f"configurations/{name}", one=True, none=("ResourceNotFound",), within=parameters)
    return Plan([server], server.children)


POSTGRES = resource("Microsoft.DBforPostgreSQL/flexibleServers", "pg", "rg-b")
PARAMETERS = [child(POSTGRES, f"configurations/{name}", value="on") for name in ("a", "b", "c")]


def test_a_resource_within_a_list_is_not_read_again() -> None:
    running = box([POSTGRES, *PARAMETERS])
    result = scanned(running, plan=within())
    read = [each.path.rsplit("/", 1)[-1] for each in running.requests if "/pg/" in each.path]
    assert sorted(read) == ["configurations", "gone"]
    assert result.reads[f"{POSTGRES['id']}/configurations/a"] == 1
    assert result.reads[f"{POSTGRES['id']}/configurations/gone"] == 0


def test_where_the_list_fails_each_resource_within_it_is_read() -> None:
    running = box([POSTGRES, *PARAMETERS], faults=[Fault("refuse", f"{POSTGRES['id']}/configurations")])
    result = scanned(running, plan=within())
    assert result.resources[f"{POSTGRES['id']}/configurations/a"]["properties"] == {"value": "on"}
    assert f"{POSTGRES['id']}/configurations" in result.gaps


def test_a_resource_within_a_list_that_no_rule_reads_is_read_alone() -> None:
    made = within()
    running = box([POSTGRES, *PARAMETERS])
    scanned(running, plan=Plan(made.resource_types, [each for each in made.reads if each.one]))
    assert sorted(each.path.rsplit("/", 1)[-1] for each in running.requests if "/pg/" in each.path) == ["a", "gone"]


def test_administrators_come_with_the_list() -> None:
    server = ResourceType("Microsoft.Sql/servers", api="2025-01-01", expand="administrators/activedirectory")
    admin = child(SERVERS[0], "administrators/ActiveDirectory", login="dba")
    running = box([*SERVERS, admin])
    result = scanned(running, plan=Plan([server], []))
    assert result.resources[SERVERS[0]["id"]]["properties"]["administrators"] == {"login": "dba"}
    assert "administrators" not in result.resources[SERVERS[1]["id"]]["properties"]


def test_a_refused_read_is_not_hidden_by_a_reply() -> None:
    """What Azure answers to a list of one resource is heard where the rows do not stand for it."""
    reply = ErrorReply(f"{SERVERS[1]['id']}/databases", 500, "InternalServerError")
    result = scanned(box(ESTATE, overrides=ResponseOverrides(replies=(reply,))), plan=plan())
    assert f"{SERVERS[1]['id']}/databases" in result.gaps


def following(wanted: bool) -> Plan:
    account = ResourceType("Microsoft.CognitiveServices/accounts", api="2025-06-01")
    deployments = account.child("deployments")
    account.child("raiPolicies", after=(deployments, lambda row: row.get("properties.raiPolicyName") == "own"))
    return Plan([account], account.children if wanted else account.children[1:])


AI = resource("Microsoft.CognitiveServices/accounts", "ai", "rg-b")
POLICIES = f"{AI['id']}/raiPolicies"


@pytest.mark.parametrize(("name", "read"), [("own", True), ("Microsoft.Default", False)])
def test_a_read_that_follows_a_list_is_made_where_a_row_needs_it(name: str, read: bool) -> None:
    result = scanned(box([AI, child(AI, "deployments/d", raiPolicyName=name)]), plan=following(True))
    assert (POLICIES in result.reads) is read
    assert (result.skips.get(POLICIES) == "not needed") is not read


def test_a_read_that_follows_a_list_is_made_where_the_list_failed_or_no_rule_reads_it() -> None:
    refused = box([AI], faults=[Fault("refuse", f"{AI['id']}/deployments")])
    assert POLICIES in scanned(refused, plan=following(True)).reads
    assert POLICIES in scanned(box([AI]), plan=following(False)).reads
