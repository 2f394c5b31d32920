"""`twolocks show`: its views have the rows of the document, the most severe first, as text and as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from scanner.config.commands import COMMANDS
from scanner.model.severity import severity_rank
from tests.report import sample
from tests.terminals import twolocks


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return sample.document(200)


@pytest.fixture
def file(tmp_path: Path, document: dict[str, Any]) -> Path:
    path = tmp_path / "findings.json"
    path.write_text(json.dumps(document), "utf-8")
    return path


def rows(*words: object) -> list[list[str]]:
    ended = twolocks(*words)
    assert ended.code == 0, ended.err
    return [line.split("\t") for line in ended.out.splitlines()]


def test_endpoints_are_those_of_the_document_by_severity(file: Path, document: dict[str, Any]) -> None:
    known = document["exposures"]
    assert {row[5] for row in rows("show", "endpoints", file, "--all")} == {row["fingerprint"] for row in known}
    shown = rows("show", "endpoints", file)
    assert {row[5] for row in shown} == {row["fingerprint"] for row in known if row["state"] != "closed"}
    assert [severity_rank(row[0]) for row in shown] == sorted(severity_rank(row[0]) for row in shown)
    counted = f"{len(shown):,} of {len(known):,} endpoints"
    assert counted in " ".join(twolocks("show", "endpoints", file).err.split())
    critical = [row for row in known if "critical" in (row["severity"], row["worst"]) and row["state"] == "open"]
    named = {row[5] for row in rows("show", "endpoints", file, "--severity", "critical") if row[1] == "open"}
    assert named == {row["fingerprint"] for row in critical}


def test_findings_are_those_of_the_document_failures_first(file: Path, document: dict[str, Any]) -> None:
    shown = rows("show", "findings", file)
    assert {row[4] for row in shown} == {row["fingerprint"] for row in document["findings"]}
    statuses = [row[1] in ("fail", "waived") for row in shown]
    assert statuses == sorted(statuses, reverse=True)


def test_gaps_are_grouped_and_json_has_each(file: Path, document: dict[str, Any]) -> None:
    assert rows("show", "gaps", file)
    assert "twolocks show gaps" not in twolocks("show", "gaps", file).err
    result = json.loads(twolocks("show", "gaps", file, "--format", "json").out)
    assert [row["url"] for row in result] == [row["url"] for row in document["gaps"]]


@pytest.mark.parametrize("view", ["endpoints", "findings"])
def test_json_is_as_in_the_document(view: str, file: Path, document: dict[str, Any]) -> None:
    every = ("--all",) if view == "endpoints" else ()
    result = json.loads(twolocks("show", view, file, *every, "--format", "json").out)
    name = {"endpoints": "exposures"}.get(view, view)
    assert {row["fingerprint"] for row in result} == {row["fingerprint"] for row in document[name]}


@pytest.mark.parametrize("view", [name for name in COMMANDS if name.startswith("show ")])
def test_a_view_of_no_findings_file_is_refused(view: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    for name in ("x.json", "gone.json"):
        ended = twolocks(*view.split(), tmp_path / name)
        assert (ended.code, ended.out) == (2, "")
        assert "hint: " in ended.err


def test_what_has_no_severity_is_never_left_out_and_a_command_is_quoted(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    made = json.loads(json.dumps(document))
    row = made["exposures"][0]
    row.update(state="unknown", severity=None, worst=None)
    path = tmp_path / "a; id.json"
    path.write_text(json.dumps(made), "utf-8")
    ended = twolocks("show", "endpoints", path, "--severity", "critical")
    assert row["fingerprint"] in ended.out
    assert "a; id.json' --out" in " ".join(ended.err.split())


@pytest.mark.parametrize("view", ["endpoints", "findings", "places", "keys", "capacity"])
def test_a_view_of_an_incomplete_scan_says_so(view: str, file: Path, document: dict[str, Any]) -> None:
    assert not document["scan"]["complete"]
    assert "The scan is incomplete" in " ".join(twolocks("show", view, file).err.split())
