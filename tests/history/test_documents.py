"""`twolocks diff`: each kind of difference, and what is never called fixed."""

import json
from pathlib import Path
from typing import Any

import pytest

from scanner.model.index import INDEX_TYPES
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.history.changing_estate import Json, container, public, server, storage
from tests.snapshot.sealed import seal
from tests.terminals import STORAGE, SUB, TAKEN, Ended, closed, listed, twolocks

ACCOUNT = f"{STORAGE}/stjournal"
EVIL = "st<td><script>alert(1)<b>|`x`"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def taken(name: str, *bodies: Json, gaps: tuple[str, ...] = ()) -> str:
    """A snapshot in which every list was read, those of networks too."""
    store = Store(Header(taken=TAKEN, tool="twolocks test", principal="kari", scopes=[SUB]))
    store.scope(SUB, "prod-journal", "agency.example", "full")
    listed(store)
    for type in INDEX_TYPES:
        store.read(f"/subscriptions/{SUB}/providers/{type}", 0, "list")
    for body in bodies:
        store.resource(body, "2025-08-01", "list")
    for url in gaps:
        store.gap(url, 403, "AuthorizationFailed", "Microsoft.Storage/storageAccounts/read")
    store.write(Path(name))
    return name


def compare(old: str, new: str, *words: str) -> tuple[Json, Ended]:
    ended = twolocks("diff", old, new, "--format", "json", *words)
    assert ended.code == 0, ended.err
    return json.loads(ended.out), ended


def endpoints(rows: list[Json]) -> set[str]:
    return {f"{row['resource'].rsplit('/', 1)[-1]}: {row['endpoint'] or row['rule']}" for row in rows}


def keyed(name: str, **more: Any) -> Json:
    """An account that a key opens from everywhere."""
    return public(name) | {"properties": public(name)["properties"] | {"allowSharedKeyAccess": True, **more}}


def test_a_file_and_itself_do_not_differ() -> None:
    scheduled_run = taken("night.jsonl", keyed("stjournal"), closed("starkiv"))
    document, _ = compare(scheduled_run, scheduled_run)
    assert {name: rows for name, rows in document.items() if isinstance(rows, list) and rows and name != "notes"} == {}
    assert document["same"] > 0


def test_new_fixed_and_changed() -> None:
    one = {"ipRules": [{"value": "198.51.100.7"}], "defaultAction": "Deny", "bypass": "None", "virtualNetworkRules": []}
    old = taken("old.jsonl", keyed("stto"), closed("stny"), keyed("stfire", networkAcls=one))
    new = taken("new.jsonl", closed("stto"), keyed("stny"), keyed("stfire"))
    document, _ = compare(old, new)
    assert "stny: file" in endpoints(document["new"])
    assert all(endpoint.startswith("stny") for endpoint in endpoints(document["new"]))
    assert "stto: file" in endpoints(document["fixed"])
    assert all(endpoint.startswith("stto") for endpoint in endpoints(document["fixed"]))
    why = {row["endpoint"]: row["why"] for row in document["changed"]}
    assert why["file"] == "medium -> high, reach selected -> internet"
    back, _ = compare(new, old)
    assert {row["why"] for row in back["changed"]} == {"high -> medium, reach internet -> selected"}


def test_a_resource_that_is_not_there_is_vanished_and_not_fixed() -> None:
    old, new = taken("old.jsonl", keyed("stto"), closed("stx")), taken("new.jsonl", closed("stx"))
    document, _ = compare(old, new)
    assert document["fixed"] == []
    assert "stto: file" in endpoints(document["vanished"])
    assert {row["why"] for row in document["vanished"]} == {"its resource is not in the new file"}
    assert document["vanished_resources"] == [f"{STORAGE}/stto"]
    back, _ = compare(new, old)
    assert back["appeared_resources"] == [f"{STORAGE}/stto"]
    assert "stto: file" in endpoints(back["new"])


def test_what_cannot_be_decided_any_more_is_unknown_now() -> None:
    whole = taken("old.jsonl", public("stjournal"), container("scans"))
    store = public("stjournal")
    gap = f"{ACCOUNT}/blobServices/default/containers"
    segment = taken("new.jsonl", store, gaps=(gap,))
    document, ended = compare(whole, segment)
    assert document["fixed"] == []
    assert "stjournal: blob/scans" in endpoints(document["unknown"])
    assert "The new scan is incomplete: what it could not read does not count as fixed" in ended.err
    back, _ = compare(segment, whole)
    assert {row["why"] for row in back["new"] if row["endpoint"] == "blob/scans"} == {"it was inconclusive before"}


def test_an_endpoint_that_was_open_and_was_not_assessed_now_is_no_longer_visible() -> None:
    old = taken("old.jsonl", keyed("stto"))
    new = taken("new.jsonl", keyed("stto", publicNetworkAccess="Sometimes"))
    document, _ = compare(old, new)
    assert {"stto: blob", "stto: file"} <= endpoints(document["unknown"])
    assert document["fixed"] == []
    back, _ = compare(new, old)
    assert {"stto: blob", "stto: file"} <= endpoints(back["new"])
    twolocks("scan", "--from", "new.jsonl", "--out", "now.json")
    assert "unknown" in {row["state"] for row in json.loads(Path("now.json").read_text())["exposures"]}


def test_a_rule_that_was_not_evaluated_before_is_not_new() -> None:
    twolocks("scan", "--from", taken("n.jsonl", keyed("stjournal")), "--out", "new.json", "--fail-on", "never")
    twolocks("scan", "--from", "n.jsonl", "--out", "old.json", "--fail-on", "never", "--only", "sql-*")
    document, _ = compare("old.json", "new.json")
    assert document["new"] == []
    assert "stjournal: file" in endpoints(document["first_judged"])
    back, _ = compare("new.json", "old.json")
    assert back["fixed"] == []
    assert "stjournal: file" in endpoints(back["vanished"])


def test_the_first_resource_of_a_type_is_new() -> None:
    old = taken("old.jsonl", *storage(closed("stx")))
    new = taken("new.jsonl", *storage(closed("stx")), *server(("0.0.0.0", "255.255.255.255")))
    document, _ = compare(old, new)
    assert "sqlfag: tds" in endpoints(document["new"])
    assert document["first_judged"] == []


def test_another_subscription_is_no_fix() -> None:
    old = taken("old.jsonl", keyed("stjournal"))
    text = Path("old.jsonl").read_text().replace(SUB, "00000000-0000-4000-8000-000000000001")
    Path("new.jsonl").write_text(text)
    seal(Path("new.jsonl"))
    document, _ = compare(old, "new.jsonl")
    assert document["fixed"] == document["new"] == []
    assert {row["why"] for row in document["vanished"]} == {"its subscription is not in the new file"}
    assert document["first_judged"]


def test_the_table_and_the_files() -> None:
    old, new = taken("old.jsonl", closed(EVIL)), taken("new.jsonl", keyed(EVIL))
    ended = twolocks("diff", old, new, "--out", "d.html", "--out", "d.md", "--out", "d.json")
    assert ended.code == 0
    first, *rows = ended.out.splitlines()
    assert first.endswith("; 0 resources added, 0 removed")
    assert rows[0].split("\t")[:2] == ["new", "high"]
    page = Path("d.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    marked = Path("d.md").read_text()
    lines = [line for line in marked.splitlines() if line.startswith("| high")]
    assert lines
    assert all(line.replace("\\|", "").count("|") == 5 for line in lines)
    assert json.loads(Path("d.json").read_text())["schema"] == "twolocks-diff/1"
    assert ended.err.endswith("Wrote     d.html, d.md, d.json\n")


@pytest.mark.parametrize("text", ["", "{", '{"schema": "twolocks/1"}', '{"schema": "twolocks/9"}', "[1]"])
def test_what_is_neither_findings_nor_a_snapshot(text: str) -> None:
    Path("bad.json").write_text(text)
    ended = twolocks("diff", "bad.json", taken("new.jsonl", closed("stx")))
    assert ended.code == 2
    assert "--> bad.json" in ended.err


EARLIER = "hint: make it again with this version: twolocks scan --from SNAPSHOT --out findings.json"


@pytest.mark.parametrize(
    ("schema", "hint"), [("twolocks/1", EARLIER), ("twolocks/9", "hint: upgrade twolocks"), ("twolocks/x", "hint: up")]
)
@pytest.mark.parametrize("form", ["findings", "old findings", "no findings"])
@pytest.mark.parametrize(
    "command",
    [
        "diff bad.json bad.json",
        "report bad.json --out report.html",
        "waive 0123456789ab --in bad.json --reason x --owner kari --expires 2027-01-01",
    ],
)
def test_a_findings_file_of_another_schema_is_refused_and_its_schema_named(
    schema: str, hint: str, form: str, command: str
) -> None:
    """Fixes were texts in `twolocks/1`: the file does not fit this version's document."""
    twolocks("scan", "--from", taken("new.jsonl", keyed("stto")), "--out", "bad.json", "--fail-on", "never")
    document = json.loads(Path("bad.json").read_text())
    if form == "old findings":
        document["exposures"] = [row | {"fix": "az x"} for row in document["exposures"]]
    if form == "no findings":
        document = {"findings": []}
    Path("bad.json").write_text(json.dumps(document | {"schema": schema}))
    ended = twolocks(*command.split())
    assert ended.code == 2
    assert f"error: the file has schema {schema}; this version supports twolocks/2\n--> bad.json\n{hint}" in ended.err
    assert not Path("report.html").exists()


def test_a_file_that_is_not_there() -> None:
    ended = twolocks("diff", "old.json", "new.json")
    assert (ended.code, "error: old.json cannot be read" in ended.err) == (2, True)
