"""A type of which Azure does not serve the pinned api-version is read at an older one. What is absent there says
nothing.
"""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scanner.azure.errors import MESSAGE, NothingReadable, ReadError
from scanner.azure.served_versions import older_version
from scanner.collect.collector import Scope
from scanner.model.resource import Resource
from scanner.sandbox.errors import HttpAnswer, VersionRefusal, arm_error
from scanner.sandbox.faults import Fault
from scanner.sandbox.server import Sandbox, running
from tests.azure.requests import PLAN, S1, S2, SITE, SLOT, Result, account, box, scanned
from tests.collect.journaled import journaled
from tests.collect.test_bulk import DENIAL, paths, plan
from tests.collect.test_bulk import ESTATE as DATABASE_ESTATE
from tests.terminals import SUB, twolocks

PINNED, OLDER = "2025-06-01", "2023-05-01"
TYPE = "Microsoft.Storage/storageAccounts"
CHILD = f"{TYPE}/blobServices/containers"
SINGLE = f"{TYPE}/blobServices"
LIST = f"/subscriptions/{S1}/providers/{TYPE}"
ST0, ST1, ST2 = account("st0"), account("st1"), account("st2", subscription=S2)
SERVED = ["2026-01-01", "2025-08-01-preview", OLDER, "2022-09-01"]
REFUSALS = get_args(VersionRefusal)


def asked(served: Sandbox, end: str) -> list[tuple[int, str]]:
    """The status and api-version of each request of a path that ends so."""
    recorded_requests = [each for each in served.requests if each.path.endswith(end)]
    return [(each.status, each.url.rsplit("api-version=", 1)[1][:10]) for each in recorded_requests]


def lines(result: Result, kind: str) -> list[dict[str, Any]]:
    """The lines of the resources whose id has this word before the name."""
    matches = [line for line in map(json.loads, result.lines) if "resource" in line]
    return [line for line in matches if line["resource"]["id"].split("/")[-2].lower() == kind.lower()]


# Lists, children and single resources


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("graph", [True, False])
def test_a_list_is_read_at_the_newest_stable_version_that_is_served_and_not_above_the_pin(
    refusal: VersionRefusal, graph: bool
) -> None:
    served = box([*ST0, *ST1, *ST2], api_versions={TYPE: SERVED}, version_refusal=refusal)
    result = scanned(served, Scope(graph=graph))
    assert result.gaps == {}
    assert {line["api"] for line in lines(result, "storageAccounts")} == {OLDER}
    assert {result.by[each[0]["id"]] for each in (ST0, ST1, ST2)} == {"older"}
    assert result.reads[LIST] == 2
    assert result.reads[f"{ST0[0]['id']}/blobServices/default/containers"] == 2, "what is below is read as ever"
    refused = [version for status, version in asked(served, "/storageAccounts") if status != 200]
    assert refused == [PINNED], "one more request for the type, not one in each subscription"
    assert {request.method for request in served.requests if "/providers/Microsoft.Storage" in request.path} == {"GET"}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_so_is_a_child_list_and_it_costs_one_request_for_all_parents(refusal: VersionRefusal) -> None:
    many = [each for n in range(12) for each in account(f"acct{n}")]
    served = box(many, api_versions={CHILD: SERVED}, version_refusal=refusal)
    result = scanned(served)
    assert result.gaps == {}
    assert len(lines(result, "containers")) == 24
    assert {(line["api"], line["by"]) for line in lines(result, "containers")} == {(OLDER, "older")}
    assert {line.get("by", "list") for line in lines(result, "storageAccounts")} == {"list"}
    assert [status for status, _ in asked(served, "/containers")].count(200) == 12
    assert len(asked(served, "/containers")) == 13


def test_so_is_a_single_resource() -> None:
    served = box([*ST0, *ST1], api_versions={SINGLE: SERVED})
    result = scanned(served)
    assert result.gaps == {}
    read = [
        line for line in map(json.loads, result.lines) if line.get("resource", {}).get("id", "").endswith("/default")
    ]
    assert {(line["api"], line["by"]) for line in read} == {(OLDER, "older")}
    assert len(asked(served, "/blobServices/default")) == 3


def test_so_is_a_resource_that_is_named() -> None:
    served = box([*ST0], api_versions={TYPE: SERVED})
    result = scanned(served, Scope(resources=(ST0[0]["id"],)))
    (line,) = lines(result, "storageAccounts")
    assert (line["api"], line["by"]) == (OLDER, "older")


def test_so_are_resources_below_others_that_are_bundles_of_their_own() -> None:
    served = box([SITE, SLOT], api_versions={"Microsoft.Web/sites/slots": ["2023-12-01"]})
    result = scanned(served)
    (line,) = lines(result, "slots")
    assert (line["api"], line["by"]) == ("2023-12-01", "older")


def test_so_is_a_type_of_the_index() -> None:
    served = box(api_versions={"Microsoft.Network/virtualNetworks": ["2024-05-01"]})
    result = scanned(served, Scope(graph=False))
    (line,) = lines(result, "virtualNetworks")
    assert (line["api"], line["by"]) == ("2024-05-01", "older")
    assert result.gaps == {}


def test_so_are_the_groups_and_regions_of_a_subscription() -> None:
    kinds = [f"Microsoft.Resources/subscriptions/{each}" for each in ("resourceGroups", "locations")]
    served = box([*ST0], api_versions={each: ["2021-04-01"] for each in kinds})
    result = scanned(served, plan=replace(PLAN, places=True))
    (group,) = lines(result, "resourceGroups")
    assert (group["api"], group["by"]) == ("2021-04-01", "older")
    assert result.gaps == {}
    assert lines(result, "locations")


PERMISSIONS, DENIALS = (f"Microsoft.Authorization/{each}" for each in ("permissions", "denyAssignments"))
LINKED = plan()


@pytest.mark.parametrize("denied", [False, True])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_so_are_the_permissions_and_deny_assignments_that_say_what_graph_shows(
    refusal: VersionRefusal, denied: bool
) -> None:
    """Without them no row of Resource Graph is believed, and each list is read."""
    older = {PERMISSIONS: ["2018-07-01"], DENIALS: ["2021-05-01"]}
    served = box([*DATABASE_ESTATE, *([DENIAL] if denied else [])], api_versions=older, version_refusal=refusal)
    scanned(served, plan=LINKED)
    assert paths(served, "databases") == (["sql0", "sql1", "sql2"] if denied else ["sql1"])
    permissions = asked(served, f"/subscriptions/{S1}/providers/{PERMISSIONS}")
    assert [api for _, api in permissions] == ["2022-04-01", "2018-07-01"]
    assert permissions[1][0] == 200
    assert (200, "2021-05-01") in asked(served, f"/subscriptions/{S1}/providers/{DENIALS}")


def test_so_is_the_list_of_subscriptions() -> None:
    message = "The api-version '2022-12-01' is invalid. The supported versions are '2021-01-01,2016-06-01'."
    fault = Fault("status", "/subscriptions", status=400, code="InvalidApiVersionParameter", message=message, times=1)
    served = box([*ST0], faults=[fault])
    assert ST0[0]["id"] in scanned(served).resources
    assert asked(served, "/subscriptions") == [(400, "2022-12-01"), (200, "2021-01-01")]


def test_a_list_of_subscriptions_that_names_no_version_stays_unread() -> None:
    fault = Fault("status", "/subscriptions", status=400, code="InvalidApiVersionParameter", message="It is invalid.")
    with pytest.raises(NothingReadable):
        scanned(box([*ST0], faults=[fault]))


def test_the_read_says_the_version_too() -> None:
    result = scanned(box([*ST0], api_versions={TYPE: SERVED, CHILD: SERVED}))
    reads = {line["read"]["url"]: line["read"] for line in map(json.loads, result.lines) if "read" in line}
    for url in (LIST, f"{ST0[0]['id']}/blobServices/default/containers"):
        assert (reads[url]["by"], reads[url]["api"]) == ("older", OLDER)


def test_all_pages_of_a_list_are_read() -> None:
    many = [each for n in range(5) for each in account(f"acct{n}")]
    result = scanned(box(many, api_versions={TYPE: SERVED}, page_size={TYPE.lower(): 2}))
    assert len(lines(result, "storageAccounts")) == 5
    assert result.gaps == {}


# Where there is none


@pytest.mark.parametrize(
    "served",
    [["2026-01-01"], ["2025-06-01-preview", "2024-01-01-preview"], ["9999-99-99", "0000-00-00", "latest"], []],
    ids=["newer", "previews", "no dates", "none"],
)
def test_where_none_is_at_or_below_the_pin_the_type_is_a_gap_as_ever(served: list[str]) -> None:
    made = box([*ST0], api_versions={TYPE: served})
    result = scanned(made)
    assert (result.gaps[LIST]["status"], result.gaps[LIST]["code"]) == (400, "NoRegisteredProviderFound")
    assert {version for _, version in asked(made, "/storageAccounts")} == {PINNED}


def test_a_version_that_is_named_and_refused_too_is_a_gap_and_not_asked_for_ever() -> None:
    text = f"No registered resource provider found. The supported api-versions are '{OLDER}, 2022-09-01'."
    refused = arm_error(400, "NoRegisteredProviderFound", text)
    made = box([*ST0])
    read = made.arm.read

    def never(path: str, query: str, base: str, tenant: str) -> HttpAnswer:
        return refused if path.lower().endswith("/storageaccounts") else read(path, query, base, tenant)

    made.arm.read = never  # type: ignore[method-assign]
    result = scanned(made)
    assert LIST in result.gaps
    assert len(asked(made, "/storageAccounts")) <= 4


def test_another_error_of_the_same_status_is_no_refusal_of_a_version() -> None:
    made = box([*ST0], faults=[Fault("status", LIST, status=400, code="BadRequest", message=f"not '{OLDER}'")])
    assert scanned(made).gaps[LIST]["code"] == "BadRequest"
    assert {version for _, version in asked(made, "/storageAccounts")} == {PINNED}


# What an answer may say


def refusal(message: str, status: int = 400) -> ReadError:
    return ReadError("/x", status, "NoRegisteredProviderFound", message=message[:MESSAGE])


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("The supported api-versions are '2021-04-01, 2023-05-01, 2026-01-01'.", "2023-05-01"),
        ("The supported api-versions are '2021-04-01-preview,2021-12-01-preview'.", ""),
        ("The supported versions are '2022-09-01,2021-01-01'.", "2022-09-01"),
        ("Supported api versions are: 2022-09-01, 2021-01-01.", "2022-09-01"),
        ("The supported api-versions are '2025-06-01'.", ""),
        ("The supported api-versions are '2023-05-01, 2025-06-01'. The supported locations are 'westus'.", ""),
        ("The api-version '2025-06-01' is not valid. Valid api versions are '2023-05-01;2022-01-01'.", "2023-05-01"),
        ('Supported api-version values are "2023-05-01, 2022-01-01".', "2023-05-01"),
        ("Supported API versions: [2023-05-01, 2022-01-01]", "2023-05-01"),
        ("Available versions: 2022-01-01", "2022-01-01"),
        ("This is an invalid version: 2022-01-01", ""),
        ("The requested resource does not support the API version '2024-01-01'.", ""),
        ("The supported api-versions are '2024-13-01, 2024-02-30, 20240101, 2024-1-1'.", ""),
        ("The supported api-versions are '2024-01-01&x=y, 2024-01-01/../..'.", ""),
        ("The supported api-versions are '２０２４-０１-０１'.", ""),
        ("The supported api-versions are ''.", ""),
        ("2023-05-01", ""),
    ],
)
def test_the_versions_of_a_refusal(message: str, expected: str) -> None:
    assert older_version(refusal(message), PINNED) == expected


def test_a_preview_that_is_pinned_gives_way_to_a_stable_version_of_its_day_or_before() -> None:
    error = refusal("The supported api-versions are '2023-03-02, 2022-11-08, 2022-11-08-preview'.")
    assert older_version(error, "2023-03-02-preview") == "2023-03-02"
    assert older_version(refusal("The supported api-versions are '2022-11-08'."), "2023-03-02-preview") == "2022-11-08"


@pytest.mark.parametrize("status", [200, 401, 403, 409, 429, 500])
def test_only_the_statuses_of_such_a_refusal_count(status: int) -> None:
    assert older_version(refusal("The supported api-versions are '2023-05-01'.", status), PINNED) == ""


@given(st.text(), st.text(max_size=40))
def test_whatever_an_answer_says_what_is_read_is_a_date_not_above_the_pin(text: str, before: str) -> None:
    value = older_version(refusal(f"{before} supported api-versions are '{text}'"), PINNED)
    assert value == "" or (len(value) == 10 and value.isascii() and value < PINNED)


# What it means


def test_a_record_of_an_older_version_is_like_one_of_an_unknown_version() -> None:
    resource = Resource({"id": ST0[0]["id"], "properties": {"a": 1}}, api=OLDER, by="older")
    assert resource.api_version_unknown
    assert resource.why_absent_is_unknown


CLUSTERS = "Microsoft.ContainerService/managedClusters"


def cluster(name: str, **pool: Any) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{SUB}/resourceGroups/rg/providers/{CLUSTERS}/{name}",
        "name": name,
        "type": CLUSTERS,
        "location": "norwayeast",
        "properties": {"agentPoolProfiles": [{"name": "pool", **pool}]},
    }


CLUSTER_ESTATE = [cluster("open", enableNodePublicIP=True), cluster("silent")]


def document(out: Path, *more: str, **options: Any) -> tuple[dict[str, Any], str]:
    with running(Sandbox(CLUSTER_ESTATE, [SUB], **options)) as served:
        ended = twolocks("scan", "--only", "aks-node-public-ip", "--out", out, *more, env=served.environment())
    return json.loads(out.read_text()), ended.err


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {each["resource"].rsplit("/", 1)[1].lower(): each["status"] for each in result["findings"]}


def test_a_fault_is_found_and_an_absent_value_does_not_pass(tmp_path: Path) -> None:
    """Through the whole pipeline: absent means the default at the pinned version, and nothing at an older one."""
    pinned, _ = document(tmp_path / "pinned.json")
    older, text = document(tmp_path / "older.json", api_versions={CLUSTERS: ["2024-01-01"]})
    assert statuses(pinned) == {"open": "fail"}
    assert statuses(older) == {"open": "fail", "silent": "unknown"}
    assert older["gaps"] == []
    note = f"{CLUSTERS} was read at api-version 2024-01-01"
    assert [each for each in older["coverage"]["notes"] if each.startswith(note)]
    assert note in text
    assert not [each for each in pinned["coverage"]["notes"] if "api-version" in each]


@pytest.mark.parametrize("more", [(), ("--jobs", "2")], ids=["one process", "several"])
def test_a_snapshot_says_the_same_later_and_so_does_the_report(tmp_path: Path, more: tuple[str, ...]) -> None:
    snapshot, page = tmp_path / "s.jsonl", tmp_path / "report.html"
    result, _ = document(tmp_path / "a.json", "--snapshot", str(snapshot), api_versions={CLUSTERS: ["2024-01-01"]})
    out = tmp_path / "b.json"
    twolocks("scan", "--from", snapshot, "--only", "aks-node-public-ip", "--out", out, "--out", page, *more)
    later = json.loads(out.read_text())
    assert statuses(later) == statuses(result)
    assert later["coverage"]["notes"] == result["coverage"]["notes"]
    assert f"{CLUSTERS} was read at api-version 2024-01-01" in page.read_text()


def test_a_scan_in_parts_finds_the_same(tmp_path: Path) -> None:
    served = {"api_versions": {CLUSTERS: ["2024-01-01"]}}
    whole, _ = document(tmp_path / "whole.json", **served)
    parted, _ = document(tmp_path / "parted.json", "--parts", str(tmp_path / "parts"), "--no-journal", **served)
    assert statuses(parted) == statuses(whole)
    assert parted["coverage"] == whole["coverage"]


def test_a_scan_that_goes_on_asks_once_more_for_the_version_of_a_type(tmp_path: Path) -> None:
    """The journal has the answers at the older version, and no refusal."""
    served = box([*ST0, *ST1], api_versions={TYPE: SERVED, CHILD: SERVED}, version_refusal="InvalidResourceType")
    first = journaled(served, tmp_path / "a")
    second = journaled(served, tmp_path / "a", resumed=True)
    assert second.lines == first.lines
    again = [(url, status) for _, url, _, status in second.reads if "/storageAccounts" in url]
    assert len(again) <= 2
    assert all(status == 404 and url.endswith(PINNED) for url, status in again)
