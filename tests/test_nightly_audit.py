"""Ways in which a night might say that all is well, or cry wolf, each found by looking for them."""

import json
from pathlib import Path
from typing import Any

from tests.nights import SERVER, STORAGE, Json, Told, container, night, public, storage
from tests.terminals import twolocks
from tests.test_nights import EXPORT, PRIVATE, estate

NEWS = ("--fail-on", "new:high")
OTHER = "11111111-2222-3333-4444-555555555555"


def again(file: Path, history: str, folder: Path, *words: str) -> Told:
    """A scan of a snapshot, with a history."""
    out = folder / "again.json"
    ended = twolocks("scan", "--from", file, "--history", history, "--out", out, *words, env={"CI": "1"})
    return Told(ended, json.loads(out.read_text()))


def tagged() -> list[Json]:
    found = storage(public("stprod"), container("x", above=f"{STORAGE}/stprod/blobServices/default/containers"))
    found[0]["tags"] = {"env": "prod"}
    return found


# Files


def test_a_snapshot_of_a_part_says_nothing_of_the_rest(tmp_path: Path) -> None:
    history, other, whole = str(tmp_path / "history.db"), str(tmp_path / "other.db"), [*estate(), *tagged()]
    night(whole, history, tmp_path, *NEWS)
    for words in (("--tag", "env=prod"), ("--resource", SERVER), ("--resource-group", "rg-journal")):
        file = tmp_path / "part.jsonl"
        night(whole, other, tmp_path, *words, "--snapshot", str(file))
        told = again(file, history, tmp_path, *NEWS)
        assert (told.counts, told.ended.code) == ({}, 0), words
    assert night(whole, history, tmp_path, *NEWS).counts == {}


def test_a_snapshot_of_a_part_is_no_first_look_at_the_rest(tmp_path: Path) -> None:
    history, file = str(tmp_path / "history.db"), tmp_path / "part.jsonl"
    night([*estate(), *tagged()], str(tmp_path / "other.db"), tmp_path, "--tag", "env=prod", "--snapshot", str(file))
    again(file, history, tmp_path, *NEWS)
    told = night([*estate(), *tagged()], history, tmp_path, *NEWS)
    assert (told.new(), told.ended.code) == (set(), 0)


def test_a_file_of_bare_resources_is_no_first_look_at_the_rest(tmp_path: Path) -> None:
    history, file = str(tmp_path / "history.db"), tmp_path / "bare.json"
    file.write_text(json.dumps(tagged()[:1]))
    again(file, history, tmp_path, *NEWS)
    told = night([*estate(), *tagged()], history, tmp_path, *NEWS)
    assert (told.new(), told.ended.code) == (set(), 0)
    file.write_text(json.dumps([*tagged()[:1], public("stny")]))
    assert {door.split(":")[0] for door in again(file, history, tmp_path, *NEWS).new()} == {"stny"}


def test_an_older_file_changes_nothing_that_a_later_scan_saw(tmp_path: Path) -> None:
    history, old = str(tmp_path / "history.db"), tmp_path / "old.jsonl"
    night(estate(PRIVATE), str(tmp_path / "other.db"), tmp_path, "--snapshot", str(old))
    earlier(old)
    night(estate(), history, tmp_path, *NEWS)
    night(estate(EXPORT), history, tmp_path, *NEWS)
    told = again(old, history, tmp_path, *NEWS)
    assert (told.counts, told.ended.code) == ({}, 0)
    assert any("later scan" in note for note in told.document["changes"]["notes"])
    told = night(estate(EXPORT), history, tmp_path, *NEWS)
    assert (told.counts, told.ended.code) == ({}, 0)


def test_an_older_file_reopens_nothing_that_was_fixed_since(tmp_path: Path) -> None:
    history, old = str(tmp_path / "history.db"), tmp_path / "old.jsonl"
    night(estate(EXPORT), history, tmp_path, *NEWS, "--snapshot", str(old))
    earlier(old)
    assert night(estate(PRIVATE), history, tmp_path, *NEWS).listed("fixed")
    told = again(old, history, tmp_path, *NEWS)
    assert (told.counts, told.ended.code) == ({}, 0)
    assert night(estate(PRIVATE), history, tmp_path, *NEWS).counts == {}


def earlier(file: Path) -> None:
    """Make a snapshot older than it is."""
    head, rest = file.read_text().split("\n", 1)
    first: Any = json.loads(head)
    first["snapshot"]["taken"] = "2025-11-25T02:00:00Z"
    file.write_text(f"{json.dumps(first)}\n{rest}")
