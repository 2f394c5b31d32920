"""`twolocks show keys`: its table, what is at risk, JSON, and a document of before."""

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
        main(["show", "keys", str(file), *words])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_it_shows_every_key_and_how_many_resources_need_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = sample.with_keys(sample.document(40))
    lines = run(tmp_path, document, capsys).splitlines()
    assert len(lines) == len(document["keys"])
    assert lines[0].startswith(("disabled", "expired", "missing"))
    assert "identity may not unwrap?" in lines[0], "what is not assessed has a question mark"
    assert any(line.startswith("Microsoft's\tStorage/storageAccounts") for line in lines)
    (by_tier,) = (line for line in lines if line.startswith("needs another tier\tStorage/storageAccounts"))
    assert "only <i>Premium</i> has keys" in by_tier


def test_only_what_is_at_risk_or_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = sample.with_keys(sample.document(40))
    result = json.loads(run(tmp_path, document, capsys, "--at-risk", "--format", "json"))
    assert {row["holder"] for row in result} == {"customer", "unknown"}
    assert "enabled" not in {row.get("state") for row in result}


def test_a_document_of_before_has_no_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, sample.document(10), capsys, "--format", "json").strip() == "[]"
