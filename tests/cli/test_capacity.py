"""`twolocks show capacity`: its table, what is tight, JSON, and a document of before."""

import json
from pathlib import Path
from typing import Any

import pytest

from scanner.cli.app import main
from tests.report import sample


def run(tmp_path: Path, document: dict[str, Any], capsys: pytest.CaptureFixture[str], *words: str) -> str:
    file = tmp_path / "findings.json"
    file.write_text(json.dumps(document), "utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["show", "capacity", str(file), *words])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_it_shows_every_row_the_least_left_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = sample.with_capacity(sample.document(20))
    lines = run(tmp_path, document, capsys).splitlines()
    assert len(lines) == len(document["capacity"])
    assert lines[0].startswith("nothing left\tquota\t")
    assert "\u202e" not in "".join(lines)
    unknown = next(each for each in lines if "northeurope" in each)
    assert unknown.startswith("not known\t")
    assert "403" in unknown


def test_only_what_is_tight_or_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = sample.with_capacity(sample.document(20))
    result = json.loads(run(tmp_path, document, capsys, "--tight", "--format", "json"))
    assert [each["kind"] for each in result] == ["quota"] * 3 + ["reservation", "spread"]
    assert {each.get("state", "unknown") for each in result if "rule" not in each} == {"full", "near", "unknown"}


def test_a_document_of_before_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, sample.document(10), capsys, "--format", "json").strip() == "[]"
