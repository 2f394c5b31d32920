"""What resources name outside of what is read, as the workspace of their logs: Resource Graph is asked for it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scanner.model.index import RESOURCE_GRAPH
from scanner.sandbox.faults import Fault, FaultPlan
from scanner.sandbox.served_estate import RoleGrant
from scanner.sandbox.server import Sandbox, running
from scanner.snapshot.format import SnapshotLine, decoder
from tests.azure.requests import child, resource
from tests.scan import tenants
from tests.terminals import Ended, twolocks

Json = dict[str, Any]
PROD, CENTRAL = (f"aaaaaaaa-0000-4000-8000-00000000000{n}" for n in (1, 2))
SUBSCRIPTIONS: list[Json] = [
    {"subscriptionId": PROD, "displayName": "prod"},
    {"subscriptionId": CENTRAL, "displayName": "sentral"},
]
RULE = "keyvault-no-audit-log"
CAPPING = {"dailyQuotaGb": -1, "dataIngestionStatus": "RespectQuota"}
LOGS = [{"categoryGroup": "audit", "enabled": True}]


def workspace(region: str = "norwayeast", capping: Json | None = CAPPING, group: str = "rg-logg") -> Json:
    made = resource("Microsoft.OperationalInsights/workspaces", "law-felles", group, CENTRAL, location=region)
    return {**made, "properties": {"workspaceCapping": capping} if capping else {}}


WORKSPACE = workspace()["id"]


def vault(**destination: Any) -> list[Json]:
    """A vault whose diagnostic setting sends its logs somewhere."""
    made = resource("Microsoft.KeyVault/vaults", "kv", "rg-a", PROD)
    sent = destination or {"workspaceId": WORKSPACE}
    return [made, child(made, "providers/Microsoft.Insights/diagnosticSettings/alt", logs=LOGS, **sent)]


def box(resources: list[Json], **more: Any) -> Sandbox:
    return Sandbox(resources, SUBSCRIPTIONS, **more)


def scan(
    served: Sandbox, folder: Path, *words: str, only: str = RULE, env: Mapping[str, str] | None = None
) -> tuple[Ended, Json]:
    out = folder / "findings.json"
    given = ("--arm-endpoint", served.url, "--auth", "environment", "--only", only, "--out", out, *words)
    ended = twolocks("scan", *given, env={**served.environment(), **(env or {})})
    return ended, json.loads(out.read_text())


def verdicts(document: Json, rule: str = RULE) -> list[tuple[str, str]]:
    """The states of a rule with their messages."""
    matches = [(each["status"], each["message"]) for each in document["findings"] if each["rule"] == rule]
    return matches or [("pass", "") for rules in document["passed"].values() if rule in rules]


def queries(served: Sandbox) -> list[Json]:
    """The queries that ask for resources by their ids or names."""
    sent = [json.loads(each.body) for each in served.requests if "ResourceGraph" in each.path]
    return [each for each in sent if "id in~" in each["query"] or "name in~" in each["query"]]


def named(snapshot: Path) -> list[SnapshotLine]:
    lines = [decoder.decode(each) for each in snapshot.read_bytes().splitlines()[1:]]
    return [each for each in lines if each.named is not None]


ALONE = ("-s", "prod")
NO_ROW = "Resource Graph shows this identity no such resource"


def test_a_central_workspace_outside_the_scan_gets_the_logs(tmp_path: Path) -> None:
    with running(box([*vault(), workspace()])) as served:
        ended, document = scan(served, tmp_path, *ALONE)
    assert (ended.code, verdicts(document)) == (0, [("pass", "")])
    asked = queries(served)
    assert ["subscriptions" in each for each in asked] == [False]
    assert not [each.path for each in served.requests if CENTRAL in each.path]


@pytest.mark.parametrize(
    ("resources", "more"),
    [
        ([], {}),
        ([workspace()], {"grants": [RoleGrant(f"/subscriptions/{PROD}")]}),
    ],
    ids=["gone", "hidden"],
)
def test_no_row_is_no_proof_that_it_is_gone(tmp_path: Path, resources: list[Json], more: Mapping[str, Any]) -> None:
    with running(box([*vault(), *resources], **more)) as served:
        ended, document = scan(served, tmp_path, *ALONE)
    ((status, message),) = verdicts(document)
    assert (ended.code, status) == (3, "unknown")
    assert NO_ROW in message


def test_what_a_complete_list_lacks_is_gone(tmp_path: Path) -> None:
    with running(box(vault())) as served:
        _, document = scan(served, tmp_path)
    assert [status for status, _ in verdicts(document)] == ["fail"]
    assert queries(served) == []


@pytest.mark.parametrize(
    ("capping", "status"),
    [({"dataIngestionStatus": "ForceOff"}, "fail"), ({**CAPPING, "dailyQuotaGb": 0}, "fail"), (None, "unknown")],
)
def test_a_workspace_elsewhere_that_takes_no_logs_is_no_destination(
    tmp_path: Path, capping: Json | None, status: str
) -> None:
    with running(box([*vault(), workspace(capping=capping)])) as served:
        _, document = scan(served, tmp_path, *ALONE)
    assert [status for status, _ in verdicts(document)] == [status]


@pytest.mark.parametrize("words", [(), ALONE], ids=["in the scan", "elsewhere"])
def test_a_firewall_that_keeps_logs_out_is_followed(tmp_path: Path, words: tuple[str, ...]) -> None:
    account = stored("stlogg")
    account["properties"]["networkAcls"] = {"defaultAction": "Deny", "bypass": "None"}
    settings = vault(storageAccountId=account["id"])
    with running(box([*settings, account])) as served:
        _, document = scan(served, tmp_path, *words, "--only", "storage-plain-http")
    ((status, message),) = verdicts(document)
    assert (status, message) == ("fail", "The destination of its diagnostic setting receives nothing.")


@pytest.mark.parametrize(("region", "status"), [("norwayeast", "pass"), ("eastus", "fail")])
def test_the_region_of_a_destination_elsewhere_is_judged(tmp_path: Path, region: str, status: str) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('[residency]\nallowed = ["norwayeast"]\n')
    rule = "logs-outside"
    with running(box([*vault(), workspace(region)])) as served:
        _, document = scan(served, tmp_path, *ALONE, "--config", str(settings), only=rule)
    assert [status for status, _ in verdicts(document, rule)] == [status]


def test_a_refused_query_leaves_it_inconclusive(tmp_path: Path) -> None:
    with running(
        box([*vault(), workspace()], faults=[Fault("refuse", "/providers/Microsoft.ResourceGraph/*")])
    ) as served:
        ended, document = scan(served, tmp_path, *ALONE)
    assert (ended.code, [status for status, _ in verdicts(document)]) == (3, ["unknown"])


def test_a_query_that_azure_does_not_answer_leaves_it_inconclusive_and_the_gap_says_why(tmp_path: Path) -> None:
    """It was a skip, so that nothing said why."""
    throttled = Fault("throttle", RESOURCE_GRAPH, retry_after=60)
    with running(box([*vault(), workspace()], faults=[throttled])) as served:
        ended, document = scan(served, tmp_path, *ALONE)
    ((status, message),) = verdicts(document)
    assert (ended.code, status) == (3, "unknown")
    assert "429 TooManyRequests" in message
    gaps = [(each["url"], each["status"], each["rules"]) for each in document["gaps"]]
    assert gaps == [(RESOURCE_GRAPH, 429, [RULE])]
    assert "Microsoft.ResourceGraph/resources" in ended.err


def test_a_query_that_azure_does_not_answer_is_no_gap_where_no_verdict_needs_it(tmp_path: Path) -> None:
    throttled = Fault("throttle", RESOURCE_GRAPH, retry_after=60)
    made = vault()[:1]
    with running(box(made, faults=[throttled])) as served:
        ended, document = scan(served, tmp_path, *ALONE, only="keyvault-soft-delete-disabled")
    assert [each["url"] for each in document["gaps"]] == []
    assert (ended.code, document["findings"]) == (0, []), ended.err


def test_without_resource_graph_nothing_is_asked(tmp_path: Path) -> None:
    with running(box([*vault(), workspace()])) as served:
        _, document = scan(served, tmp_path, *ALONE, "--no-graph")
    assert [status for status, _ in verdicts(document)] == ["unknown"]
    assert queries(served) == []


def test_a_snapshot_keeps_what_was_looked_up(tmp_path: Path) -> None:
    file, again = tmp_path / "taken.jsonl", tmp_path / "again.json"
    with running(box([*vault(), workspace()])) as served:
        scan(served, tmp_path, *ALONE, "--snapshot", str(file))
    body = {"id": WORKSPACE, "location": "norwayeast", "properties": {"workspaceCapping": CAPPING}}
    assert [each.named and each.named.resource for each in named(file)] == [body]
    twolocks("scan", "--from", file, "--only", RULE, "--out", again)
    assert verdicts(json.loads(again.read_text())) == [("pass", "")]


@pytest.mark.parametrize(
    "words",
    [("--resource-group", "rg-a"), ("--exclude", "group:sentral/rg-logg"), ("--resource", vault()[0]["id"])],
    ids=["group", "excluded", "resource"],
)
def test_a_destination_in_a_part_that_is_not_read_is_found(tmp_path: Path, words: tuple[str, ...]) -> None:
    account = stored("stlogg")
    with running(box([*vault(storageAccountId=account["id"]), account])) as served:
        _, document = scan(served, tmp_path, *words)
    assert verdicts(document) == [("pass", "")]


def test_types_that_the_rules_only_look_up_are_not_listed(tmp_path: Path) -> None:
    """With `--only` no storage account was listed, and each log that went to one was inconclusive."""
    accounts = [{**stored(f"st{n}"), "id": stored(f"st{n}")["id"].replace(CENTRAL, PROD)} for n in range(3)]
    with running(box([*vault(storageAccountId=accounts[0]["id"]), *accounts])) as served:
        ended, document = scan(served, tmp_path)
    assert (ended.code, verdicts(document)) == (0, [("pass", "")])
    assert [each.path for each in served.requests if each.path.lower().endswith("/storageaccounts")] == []


def test_many_ids_are_asked_for_in_few_queries(tmp_path: Path) -> None:
    vaults = [resource("Microsoft.KeyVault/vaults", f"kv{n}", "rg-a", PROD) for n in range(120)]
    spaces = [resource("Microsoft.OperationalInsights/workspaces", f"law{n}", "rg-x", CENTRAL) for n in range(120)]
    settings = [
        child(each, "providers/Microsoft.Insights/diagnosticSettings/alt", logs=LOGS, workspaceId=space["id"])
        for each, space in zip(vaults, spaces, strict=True)
    ]
    for each in spaces:
        each["properties"] = {"workspaceCapping": CAPPING}
    with running(box([*vaults, *settings, *spaces])) as served:
        _, document = scan(served, tmp_path, *ALONE)
    assert verdicts(document) == [("pass", "")] * 120
    assert len(queries(served)) == 2


# Other resources that name some


def flow_log() -> list[Json]:
    watcher = resource("Microsoft.Network/networkWatchers", "nw", "rg-a", PROD)
    account = f"/subscriptions/{CENTRAL}/resourceGroups/rg-logg/providers/Microsoft.Storage/storageAccounts/stflyt"
    analytics = {"enabled": True, "workspaceResourceId": WORKSPACE}
    log = child(
        watcher,
        "flowLogs/alt",
        enabled=True,
        storageId=account,
        retentionPolicy={"enabled": True, "days": 90},
        flowAnalyticsConfiguration={"networkWatcherFlowAnalyticsConfiguration": analytics},
    )
    return [watcher, {**log, "location": "norwayeast"}]


def component() -> list[Json]:
    made = resource("Microsoft.Insights/components", "appi", "rg-a", PROD)
    made["properties"] = {"IngestionMode": "LogAnalytics", "WorkspaceResourceId": WORKSPACE}
    return [made]


def server(subscription: str = "00000000-0000-0000-0000-000000000000") -> list[Json]:
    made = resource("Microsoft.Sql/servers", "sql", "rg-a", PROD)
    to = {"storageEndpoint": "https://stRevisjon.blob.core.windows.net/", "storageAccountSubscriptionId": subscription}
    return [made, child(made, "auditingSettings/default", state="Enabled", isAzureMonitorTargetEnabled=False, **to)]


CUSTOMER = "cccccccc-0000-4000-8000-000000000001"


def environment() -> list[Json]:
    made = resource("Microsoft.App/managedEnvironments", "cae", "rg-a", PROD)
    logs = {"destination": "log-analytics", "logAnalyticsConfiguration": {"customerId": CUSTOMER}}
    return [{**made, "properties": {"appLogsConfiguration": logs}}]


def with_customer() -> Json:
    made = workspace()
    return {**made, "properties": {**made["properties"], "customerId": CUSTOMER.upper()}}


def stored(name: str) -> Json:
    made = resource("Microsoft.Storage/storageAccounts", name, "rg-logg", CENTRAL)
    return {**made, "properties": {"networkAcls": {"defaultAction": "Allow", "bypass": "AzureServices"}}}


@pytest.mark.parametrize(
    ("rule", "resources"),
    [
        ("flow-log-short-retention", [*flow_log(), stored("stflyt")]),
        ("flow-log-no-traffic-analytics", [*flow_log(), workspace()]),
        ("app-insights-classic", [*component(), workspace()]),
        ("container-environment-no-log", [*environment(), with_customer()]),
        ("sql-audit-no-destination", [*server(), stored("strevisjon")]),
        ("sql-audit-no-destination", [*server(CENTRAL), stored("strevisjon")]),
    ],
)
def test_other_resources_name_some_too(tmp_path: Path, rule: str, resources: list[Json]) -> None:
    with running(box(resources)) as served:
        _, document = scan(served, tmp_path, *ALONE, only=rule)
    assert [status for status, _ in verdicts(document, rule)] == ["pass"]
    with running(box(resources[:-1])) as served:
        _, document = scan(served, tmp_path, *ALONE, only=rule)
    ((status, message),) = verdicts(document, rule)
    assert (status, NO_ROW in message) == ("unknown", True)


def test_a_scan_in_parts_asks_once_for_all_subscriptions(tmp_path: Path) -> None:
    with running(box([*vault(), workspace()])) as served:
        _, document = scan(served, tmp_path, *ALONE, "--parts", str(tmp_path / "parts"))
    assert verdicts(document) == [("pass", "")]
    assert len(queries(served)) == 1


def test_each_tenant_is_asked(tmp_path: Path) -> None:
    """A vault of one tenant sends its logs to a workspace of the other one, of which nothing else is read."""
    made = resource("Microsoft.KeyVault/vaults", "kv", "rg-a", tenants.PROD)
    space = workspace()
    space["id"] = space["id"].replace(CENTRAL, tenants.DRIFT)
    to = child(made, "providers/Microsoft.Insights/diagnosticSettings/alt", logs=LOGS, workspaceId=space["id"])
    with tenants.estate(tmp_path, resources=[made, to, space]) as estate:
        ended = estate.scan("-s", "prod", "--only", RULE)
    assert verdicts(estate.document) == [("pass", "")], ended.err
    assert {each.tenant for each in estate.box.requests if "ResourceGraph" in each.path} == {tenants.NORD, tenants.SYD}


def test_a_scan_that_goes_on_looks_nothing_up_twice(tmp_path: Path) -> None:
    resources = [*vault(), workspace(), *server(), stored("strevisjon")]
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    later = Fault("throttle", "*/providers/Microsoft.Sql/servers", retry_after=301)
    words = (*ALONE, "--only", "sql-audit-no-destination", "--resume")
    with running(box(resources)) as served:
        served.faults = FaultPlan([later])
        _, document = scan(served, tmp_path, *words[:-1], env=cache)
        assert [status for status, _ in verdicts(document, "sql-audit-no-destination")] == ["unknown"]
        served.faults = FaultPlan()
        served.requests.clear()
        (journal,) = (tmp_path / "cache" / "twolocks" / "journals").glob("*")
        ended, document = scan(served, tmp_path, *words, str(journal), env=cache)
    assert verdicts(document) == verdicts(document, "sql-audit-no-destination") == [("pass", "")], ended.err
    assert queries(served) == []
