"""A list that ARM fails to give: what Resource Graph shows stays, a gap stands beside it, and what is absent says
nothing.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from scanner.collect.collector import Scope
from scanner.sandbox.faults import Fault
from scanner.sandbox.served_estate import Refusal
from scanner.sandbox.server import Sandbox, running
from tests.azure.requests import S1, account, box, repeated, scanned
from tests.terminals import SUB, twolocks

ACCOUNTS = f"/subscriptions/{S1}/providers/Microsoft.Storage/storageAccounts"
CLUSTERS = "Microsoft.ContainerService/managedClusters"
LIST = f"/subscriptions/{SUB}/providers/{CLUSTERS}"
ST0, ST1 = account("st0"), account("st1", group="rg-b")
FAILS = [Fault("status", ACCOUNTS, status=400, code="BadRequest"), Fault("refuse", ACCOUNTS)]


@pytest.mark.parametrize("fault", FAILS, ids=lambda fault: fault.kind)
def test_the_rows_of_resource_graph_stay_beside_the_gap(fault: Fault) -> None:
    running = box([*ST0, *ST1], faults=[fault])
    result = scanned(running)
    assert ACCOUNTS in result.gaps
    assert ACCOUNTS not in result.reads
    assert "resources" not in result.gaps[ACCOUNTS], "none of them is missing from the snapshot"
    assert [result.by[each[0]["id"]] for each in (ST0, ST1)] == ["graph", "graph"]
    assert result.reads[f"{ST0[0]['id']}/blobServices/default/containers"] == 2, "what is below is read as ever"
    assert repeated(running) == []


def test_they_have_no_api_version() -> None:
    lines = [json.loads(each) for each in scanned(box([*ST0], faults=FAILS[:1])).lines]
    (row,) = (each for each in lines if each.get("resource", {}).get("id") == ST0[0]["id"])
    assert (row["by"], "api" in row) == ("graph", False)


def test_what_a_list_gave_before_it_failed_is_not_written_twice() -> None:
    """The second page of the list fails: the first one is read through ARM, the others stay as rows."""
    more = [each for n in range(4) for each in account(f"more{n}")]
    running = box(more, page_size={"microsoft.storage/storageaccounts": 2})
    read = running.arm.read

    def fails(path: str, query: str, base: str, tenant: str) -> Any:
        return read(path, query if "skip" not in query.lower() else "api-version=x", base, tenant)

    running.arm.read = fails  # type: ignore[method-assign]
    result = scanned(running)
    matches = sorted(result.by[each["id"]] for each in more if each["id"].count("/") == 8)
    assert matches == ["graph", "graph", "list", "list"]
    assert ACCOUNTS in result.gaps


def test_the_gap_counts_what_is_not_known_where_resource_graph_refuses_the_rows() -> None:
    running = box([*ST0, *ST1], faults=FAILS[:1])
    ask = running.graph.query

    def counts_only(body: bytes, tenant: str) -> Any:
        return ask(body if b"project id" in body or b"summarize" in body else b"{}", tenant)

    running.graph.query = counts_only  # type: ignore[method-assign]
    assert scanned(running).gaps[ACCOUNTS]["resources"] == 2


def test_without_resource_graph_nothing_is_known_of_a_list_that_fails() -> None:
    result = scanned(box([*ST0], faults=FAILS[:1]), Scope(graph=False))
    assert ST0[0]["id"] not in result.resources


def test_a_refused_group_of_a_subscription_that_is_seen_in_full_is_a_gap() -> None:
    """Each visible resource is read by itself; others may be hidden, and no gap of the subscription says so."""
    inside = f"/subscriptions/{S1}/resourceGroups/rg-a/providers/Microsoft.Storage/storageAccounts"
    running = box([*ST0], refusals=[Refusal(path=inside)])
    result = scanned(running, Scope(groups=("rg-a",)))
    assert result.by[ST0[0]["id"]] == "get"
    assert inside in result.gaps


def cluster(name: str, **pool: Any) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{SUB}/resourceGroups/rg/providers/{CLUSTERS}/{name}",
        "name": name,
        "type": CLUSTERS,
        "location": "norwayeast",
        "properties": {"agentPoolProfiles": [{"name": "pool", **pool}]},
    }


def statuses(tmp_path: Path, **options: Any) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The status of the rule of each cluster, and the gaps."""
    out = tmp_path / "findings.json"
    with running(Sandbox([cluster("open", enableNodePublicIP=True), cluster("silent")], [SUB], **options)) as served:
        twolocks("scan", "--only", "aks-node-public-ip", "--out", out, env=served.environment())
    document = json.loads(out.read_text())
    rows = {each["resource"].rsplit("/", 1)[1].lower(): each["status"] for each in document["findings"]}
    return rows, document["gaps"]


def test_a_known_fault_is_found_and_an_absent_value_does_not_pass(tmp_path: Path) -> None:
    assert statuses(tmp_path)[0]["open"] == "fail"
    assert statuses(tmp_path)[0].get("silent", "pass") == "pass", "ARM's list says what absent means"
    result, gaps = statuses(tmp_path, faults=[Fault("status", LIST, status=400, code="BadRequest")])
    assert (result["open"], result["silent"]) == ("fail", "unknown")
    assert [each["url"] for each in gaps if each["url"].endswith("managedClusters")] == [LIST]
