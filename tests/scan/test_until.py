"""`scan --until`: fewer reads, the same verdicts on what was asked for, and nothing fixed of what was not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scanner.rulebook.loader import load
from scanner.rulebook.until import ask_until
from scanner.sandbox.faults import FaultPlan
from scanner.sandbox.server import Sandbox, serve
from tests.estate.parts import one_of_each_type
from tests.history.changing_estate import container, public, scheduled_run, storage
from tests.scan.test_narrowing import verdicts
from tests.scan.test_resume import LATER
from tests.terminals import Ended, twolocks

Json = dict[str, Any]
UNTIL = ("--until", "high")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with serve(one_of_each_type()) as served:
        yield served


def scan(*words: object, env: dict[str, str] | None = None) -> tuple[Ended, Json]:
    ended = twolocks("scan", "--fail-on", "never", "--format", "json", "--no-journal", *words, env=env)
    assert ended.out, ended.err
    return ended, msgspec.json.decode(ended.out)


def test_what_was_asked_for_has_the_verdicts_of_a_whole_scan(
    box: Sandbox, each_type_folder: Path, tmp_path: Path
) -> None:
    whole = verdicts(json.loads((each_type_folder / "findings.json").read_bytes()))
    snapshot = tmp_path / "s.jsonl"
    box.requests.clear()
    ended, document = scan(*UNTIL, "--snapshot", snapshot, env=box.environment())
    paths = [each.path.lower() for each in box.requests]
    assert not [each for each in paths if each.endswith(("/fileservices/default", "/usages"))]
    found = verdicts(document)
    assert {key: now for key, now in found.items() if whole.get(key) != now} == {}

    rules = load(packages=False)
    ask_until(rules, "high")
    ids = {rule.id for rule in rules.enabled.values()}
    left = {key for key in whole if key not in found}
    assert left
    assert {key[-1] for key in left if key[0] == "check"} <= {rule.id for rule in rules.unasked.values()}
    assert {key[-1] for key in found if key[0] == "check"} <= ids
    (note,) = [each for each in document["coverage"]["notes"] if "--until high" in each]
    assert note in " ".join(ended.err.split())
    assert set(document["coverage"]["rules_off"]) >= {rule.id for rule in rules.unasked.values()} - ids

    _, later = scan(*UNTIL, "--from", snapshot)
    assert verdicts(later) == found
    _, all_rules = scan("--from", snapshot)
    (smb,) = {each["message"] for each in all_rules["findings"] if each["rule"] == "storage-smb-rc4"}
    assert smb == "fileServices/default: not collected (not asked for)."
    changed = {key: now[:8] for key, now in verdicts(all_rules).items() if whole.get(key, "")[:8] != now[:8]}
    assert set(changed.values()) <= {'["unknow'}, "nothing passes or fails that was not read"


def estate(versions: str) -> list[Json]:
    bodies = storage(public("stjournal"), container("a"))
    (files,) = [each for each in bodies if each["id"].endswith("fileServices/default")]
    files["properties"]["protocolSettings"] = {"smb": {"versions": versions}}
    return bodies


def test_nothing_is_fixed_that_was_not_asked_for(tmp_path: Path) -> None:
    history = str(tmp_path / "history.db")
    scheduled_run(estate("SMB2.1;"), history, tmp_path)
    night = scheduled_run(estate("SMB3.1.1;"), history, tmp_path, *UNTIL)
    assert not night.listed("fixed"), night.counts
    assert "Everything that --until high asks for was read" in night.ended.err
    again = scheduled_run(estate("SMB3.1.1;"), history, tmp_path)
    assert "stjournal: storage-smb-old-version" in again.listed("fixed")


def test_another_severity_is_another_scan(tmp_path: Path, box: Sandbox) -> None:
    """A journal goes on for the same severity alone."""
    env = {**box.environment(), "XDG_CACHE_HOME": str(tmp_path)}
    box.faults = FaultPlan([LATER])
    twolocks("scan", *UNTIL, "--only", "storage-*", env=env)
    box.faults = FaultPlan()
    (journal,) = (tmp_path / "twolocks" / "journals").glob("*")
    ended = twolocks("scan", "--resume", journal, "--only", "storage-*", env=env)
    assert ended.code == 2, ended.err
    assert "other settings" in ended.err or "was made" in ended.err, ended.err


def test_a_severity_that_is_none_is_refused() -> None:
    ended = twolocks("scan", "--until", "hihg")
    assert (ended.code, ended.last[-4:-2]) == (2, ['error: unknown severity "hihg"', "--> --until hihg"])


def test_a_settings_file_that_was_found_leaves_no_read_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "twolocks.toml").write_text('[scan]\nuntil = "high"\n')
    monkeypatch.chdir(tmp_path)
    ended = twolocks("scan", "--from", tmp_path / "s.jsonl")
    assert ended.code == 2
    assert "hide findings" in ended.err
