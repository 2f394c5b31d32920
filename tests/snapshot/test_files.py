"""Snapshots: what was written is read again, in any order and compression; a partial snapshot is not evaluated."""

import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.model.verdict import Unread
from scanner.snapshot import files as snapshot
from scanner.snapshot.bundles import Snapshot, naming_keys, of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.snapshot.sealed import seal

SUB = "/subscriptions/5a000000-0000-4000-8000-000000000001"
ACCOUNT = f"{SUB}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"
NETWORK = f"{SUB}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"


def store(count: int = 2) -> Store:
    made = Store(Header(taken="2026-11-25T00:00:00Z", scopes=["5a000000-0000-4000-8000-000000000001"]))
    for number in reversed(range(count)):
        id = f"{ACCOUNT}{number}"
        made.read(f"{id}/blobServices/default/containers", 1)
        made.resource({"id": f"{id}/blobServices/default/containers/c", "properties": {}}, "2025-08-01", "list")
        made.resource({"id": id, "properties": {"n": number}}, "2025-08-01", "list")
        made.gap(f"{id}/localUsers", 403, "AuthorizationFailed", "Microsoft.Storage/storageAccounts/localUsers/read")
        made.skip(f"{id}/fileServices/default", "not needed")
    made.resource({"id": NETWORK}, "2025-09-01", "graph")
    made.read(f"{SUB}/providers/Microsoft.Storage/storageAccounts", count)
    made.gap(f"{SUB}/providers/Microsoft.Sql/servers", 403, "AuthorizationFailed", "Microsoft.Sql/servers/read")
    made.scope("5a000000-0000-4000-8000-000000000001", "prod", "tenant", "full")
    return made


def whole(read: Snapshot) -> dict[str, Any]:
    """Everything that a snapshot says, in a form that compares."""
    return {
        "scopes": read.scopes,
        "reads": read.reads,
        "gaps": read.gaps,
        "bundles": {
            bundle.id: (
                {key: (each.body, each.api, each.by) for key, each in bundle.resources.items()},
                bundle.reads,
                bundle.skips,
                bundle.gaps,
            )
            for bundle in read.bundles()
        },
    }


@pytest.mark.parametrize("name", ["night.jsonl", "night.jsonl.gz", "night.jsonl.zst"])
def test_what_was_written_is_read_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    store().write(path)
    assert whole(snapshot.read(path)) == whole(of_store(store()))
    assert list(tmp_path.iterdir()) == [path]


def test_the_index_stands_first_then_bundle_by_bundle(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    store().write(path)
    read = snapshot.read(path)
    assert [bundle.id for bundle in read.index] == [NETWORK.lower()]
    assert [bundle.id for bundle in read.remaining] == [f"{ACCOUNT.lower()}0", f"{ACCOUNT.lower()}1"]


def test_the_end_line_counts_distinct_resources(tmp_path: Path) -> None:
    made = store(1)
    made.resource({"id": ACCOUNT.upper() + "0"}, None, "graph")
    made.write(tmp_path / "night.jsonl")
    last = json.loads((tmp_path / "night.jsonl").read_text().splitlines()[-1])
    assert {**last["end"], "chain": ""} == {"resources": 3, "reads": 2, "gaps": 2, "chain": ""}


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_any_order_says_the_same(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    path = tmp_path_factory.mktemp("order") / "night.jsonl"
    store(3).write(path)
    lines = path.read_text().splitlines()
    head = json.loads(lines[0])
    head["snapshot"]["grouped"] = False
    middle = lines[1:-1]
    random.Random(seed).shuffle(middle)
    path.write_text("\n".join([json.dumps(head), *middle, lines[-1]]) + "\n")
    seal(path)
    assert whole(snapshot.read(path)) == whole(of_store(store(3)))


def _judged(path: Path) -> None:
    for _ in snapshot.read(path).bundles():
        pass


@pytest.mark.parametrize("name", ["night.jsonl", "night.jsonl.gz", "night.jsonl.zst"])
def test_a_truncated_snapshot_is_refused_naming_the_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    store(40).write(path)
    whole_file = path.read_bytes()
    for length in (len(whole_file) // 2, len(whole_file) - 60):
        path.write_bytes(whole_file[:length])
        with pytest.raises(InputError, match="truncated") as caught:
            _judged(path)
        assert path.name in caught.value.at
        assert "a partial snapshot is not evaluated" in caught.value.do


def test_a_snapshot_without_its_end_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    store(2).write(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match="it stops without an end line") as caught:
        _judged(path)
    assert caught.value.at.endswith(f":{len(lines) - 1}, after 5 resources")


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    store(1).write(path)
    lines = path.read_text().splitlines()
    lines[2] = '{"resource": {"id" 3}}'
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=r"this is not JSON: .* at character \d+") as caught:
        _judged(path)
    assert caught.value.at == f"{path}:3"


def test_a_snapshot_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    path.write_text('{"snapshot": {"version": 3, "taken": "2026-11-25T00:00:00Z"}}\n')
    with pytest.raises(InputError, match="version 3"):
        _judged(path)


RECORD = {"id": ACCOUNT, "name": "st", "properties": {}}
FORMS = {
    "array": json.dumps([RECORD]),
    "pretty array": json.dumps([RECORD], indent=2),
    "value": json.dumps({"value": [RECORD]}),
    "pretty value": json.dumps({"value": [RECORD]}, indent=2),
    "az graph query": json.dumps({"count": 1, "data": [RECORD], "skip_token": None}, indent=2),
    "lines": json.dumps(RECORD) + "\n" + json.dumps({**RECORD, "id": ACCOUNT + "2"}) + "\n",
    "one line": json.dumps(RECORD),
    "one pretty": json.dumps(RECORD, indent=2),
    "with a byte order mark": "\ufeff" + json.dumps([RECORD]),
    "recorded": json.dumps({"id": ACCOUNT, "origin": "get", "resource": RECORD}),
    "recorded without an id of its own": json.dumps({"id": ACCOUNT, "resource": {**RECORD, "id": None}}),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_people_have_is_read_and_nothing_of_it_is_complete(tmp_path: Path, form: str) -> None:
    path = tmp_path / "have.json"
    path.write_text(FORMS[form], encoding="utf-8")
    read = snapshot.read(path)
    bundles = list(read.bundles())
    assert bundles[0].top is not None
    assert bundles[0].top.api_version_unknown
    assert not read.header.live
    assert [scope.view for scope in read.scopes] == ["partial"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "empty"),
        ("hello", "not JSON"),
        ("[1]", "not an ARM resource"),
        ('{"a": 1}\n{"b": 2}\n', "not an ARM resource"),
        ('"text"', "contains no resources"),
        ('[{"id": "/x"', "not JSON"),
        ("\x00\x01", "not JSON"),
    ],
)
def test_what_is_no_input_is_refused(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "have.json"
    path.write_text(text)
    with pytest.raises(InputError, match=wrong):
        _judged(path)


def test_broken_compression_is_refused(tmp_path: Path) -> None:
    for name, packed in (("a.gz", gzip.compress(b"{}" * 500)), ("a.zst", zstandard.compress(b"{}" * 500))):
        path = tmp_path / name
        path.write_bytes(packed[: len(packed) // 2])
        with pytest.raises(InputError):
            _judged(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        snapshot.read(tmp_path / "none.jsonl")


def test_two_snapshots_in_one_file_are_not_evaluated_as_one(tmp_path: Path) -> None:
    path = tmp_path / "night.jsonl"
    store().write(path)
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(InputError, match="continues after its end line"):
        whole(snapshot.read(path))


def test_what_names_a_key_is_found_in_a_file_of_bare_resources(tmp_path: Path) -> None:
    """Their lines are no lines of a snapshot: no key had a user, so that no check applied to it."""
    account = f"{SUB}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stjournal"
    key = {"keySource": "Microsoft.Keyvault", "keyvaultproperties": {"keyvaulturi": "https://kv.vault.azure.net/"}}
    path = tmp_path / "bare.json"
    path.write_text(json.dumps([{"id": account, "properties": {"encryption": key}}]), "utf-8")
    assert [each.id for each in naming_keys(snapshot.read(path))] == [account]
    # `scan --from bare.json --snapshot kept.jsonl`: a snapshot that is not live.
    kept = Store(Header(taken="2026-11-25T00:00:00Z", live=False))
    kept.resource({"id": account, "properties": {"encryption": key}}, None, "import")
    for name in ("kept.jsonl", "kept.jsonl.zst"):
        kept.write(tmp_path / name)
        assert [each.id for each in naming_keys(snapshot.read(tmp_path / name))] == [account]


def test_lines_of_a_collection_that_is_gone_are_unread() -> None:
    taken = of_store(Store(Header(taken="2026-11-25T00:00:00Z")))
    assert list(taken.bundles()) == []
    with pytest.raises(Unread, match="no longer in memory"):
        list(naming_keys(taken))


def test_a_snapshot_of_a_version_with_another_index_is_sorted_again(tmp_path: Path) -> None:
    """Key Vaults joined the index later: in older files they stand behind the storage accounts."""
    account = f"{SUB}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stjournal"
    vault = f"{SUB}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv"
    path = tmp_path / "old.jsonl"
    lines: list[dict[str, Any]] = [
        {"snapshot": {"version": 1, "taken": "2026-11-25T12:00:00Z", "grouped": True}},
        *({"resource": {"id": id}, "by": "get"} for id in (account, vault)),
        {"end": {"resources": 2, "reads": 0, "gaps": 0}},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert [bundle.id for bundle in snapshot.read(path, accept_version_1=True).bundles()] == [
        vault.lower(),
        account.lower(),
    ]


@pytest.mark.parametrize(
    "late",
    [
        {"resource": {"id": NETWORK}, "by": "graph"},
        {"gap": {"url": f"{SUB}/providers/Microsoft.Sql/servers", "status": 403, "code": "x"}},
        {"scope": {"subscription": "s", "name": "n", "tenant": "t", "view": "partial"}},
    ],
)
def test_what_stands_too_late_in_a_grouped_snapshot_is_refused(tmp_path: Path, late: dict[str, Any]) -> None:
    path = tmp_path / "night.jsonl"
    store().write(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines.insert(-1, json.dumps(late).encode() + b"\n")
    path.write_bytes(b"".join(lines))
    with pytest.raises(InputError, match="out of order"):
        whole(snapshot.read(path))
    what = {"resource": "resources", "gap": "gaps"}.get(next(iter(late)), "")
    lines[-1] = re.sub(rf'"{what}":(\d+)'.encode(), lambda n: f'"{what}":{int(n[1]) + 1}'.encode(), lines[-1])
    path.write_bytes(b"".join(lines).replace(b'"grouped":true', b'"grouped":false', 1))
    seal(path)
    if "resource" in late:
        with pytest.raises(InputError, match="two records with the id"):
            whole(snapshot.read(path))
    else:
        assert whole(snapshot.read(path))["bundles"]
