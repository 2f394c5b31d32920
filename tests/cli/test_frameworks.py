"""`twolocks rules frameworks`; `twolocks show frameworks` of a snapshot and of findings."""

import json
from pathlib import Path

from scanner.rulebook.loader import load
from tests.terminals import account, closed, snapshot, twolocks


def states(file: Path, framework: str = "cis-azure-6.0") -> dict[str, str]:
    """Return the state of each control, with its reason, and check that the totals are theirs."""
    ended = twolocks("show", "frameworks", file, framework, "--format", "json")
    assert (ended.code, ended.err) == (0, "")
    document = json.loads(ended.out)
    by_state = [each["state"] for each in document["controls"]]
    assert document["states"] == {state: by_state.count(state) for state in document["states"]}
    assert sum(document["states"].values()) == len(by_state) == len(load(packages=False).frameworks[framework].controls)
    return {each["id"]: f"{each['state']} {each.get('why', '')}".strip() for each in document["controls"]}


def test_without_a_scan_it_shows_what_rules_test() -> None:
    ended = twolocks("rules", "frameworks")
    rows = [line.split("\t") for line in ended.out.splitlines()]
    assert {row[0]: sum(map(int, row[2:])) for row in rows} == {row[0]: int(row[1]) for row in rows}
    assert "nsm-2.0\t118\t" in ended.out
    lines = twolocks("rules", "frameworks", "NSM 2.0").out.splitlines()
    assert len(lines) == 118
    assert any(line.startswith("2.7.4\ttested, in part\t") for line in lines)


def test_the_norwegian_framework_is_first_and_of_each_the_newest() -> None:
    first = ["nsm-2.0", "cis-azure-6.0", "cis-azure-5.0", "cis-azure-4.0", "cis-azure-3.0"]
    first += ["cis-azure-compute-2.0", "cis-azure-database-2.0", "cis-azure-storage-1.0", "mcsb-v2", "mcsb-v1"]
    listed = [line.split("\t")[0] for line in twolocks("rules", "frameworks").out.splitlines()]
    assert listed == [*first, "c5-2020", "iso-27001-2022", "nis2", "nist-800-53-r5"]
    assert [each["id"] for each in json.loads(twolocks("rules", "frameworks", "--format", "json").out)] == listed


def test_an_unknown_framework_is_named_with_the_nearest() -> None:
    ended = twolocks("rules", "frameworks", "nsm")
    assert ended.code == 2
    assert "nearest: nsm-2.0" in ended.err


def test_a_snapshot_gives_each_control_its_state(tmp_path: Path) -> None:
    result = states(snapshot(tmp_path / "open.jsonl", closed("st1"), account("st2", supportsHttpsTrafficOnly=False)))
    assert result["9.3.4"] == "failed"  # an account accepts plain HTTP
    assert result["8.5"] == "not-assessed no-resource"  # there is no virtual network
    assert result["5.1.1"] == "not-testable"
    assert result["2.1.11"] == "not-covered"
    assert result["9.2.3"] == "not-assessed inconclusive"  # the blob service of neither account was read
    assert states(snapshot(tmp_path / "closed.jsonl", closed("st1")))["9.3.4"] == "passed"


def test_what_was_not_read_is_never_passed(tmp_path: Path) -> None:
    missing = snapshot(tmp_path / "part.jsonl", closed("st1"), view="partial")
    assert "passed" not in states(missing).values()


def test_a_findings_file_says_the_same_as_its_snapshot(tmp_path: Path) -> None:
    taken = snapshot(tmp_path / "taken.jsonl", closed("st1"), account("st2"))
    ended = twolocks("scan", "--from", taken, "--out", tmp_path / "findings.json", "--fail-on", "never")
    assert ended.code in (0, 3), ended.err
    assert states(tmp_path / "findings.json") == states(taken)
    totals = twolocks("show", "frameworks", tmp_path / "findings.json").out
    assert totals == twolocks("show", "frameworks", taken).out
    on_terminal = twolocks("show", "frameworks", taken, tty=True).out
    assert "NOT COVERED" in on_terminal
