"""The JSON Schema in docs/ holds for what a scan writes, and would notice if it did not."""

import copy
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from docs.build import schema
from tests.estate.parts import one_of_each_type
from tests.estate.test_expected import Scanned
from tests.history.changing_estate import scheduled_run
from tests.history.test_changing_estate import EXPORT, PRIVATE, estate
from tests.terminals import twolocks

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads(schema())


@lru_cache
def validator() -> Any:
    # Its import takes two seconds, and this file is imported by each process of the suite.
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(SCHEMA)
    return Draft202012Validator(SCHEMA)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return Scanned(estate=one_of_each_type()).document


def test_it_is_a_schema_and_lies_in_docs() -> None:
    assert validator()
    assert json.loads((ROOT / "docs" / "findings.schema.json").read_text("utf-8")) == SCHEMA


def test_it_is_valid_for_a_scan_of_the_sample_estate(document: dict[str, Any]) -> None:
    assert document["findings"]
    assert document["exposures"]
    assert document["gaps"]
    assert [error.message for error in validator().iter_errors(document)] == []


def test_it_is_valid_for_scans_with_a_history(tmp_path: Path) -> None:
    for number, resources in enumerate([estate(EXPORT), estate(PRIVATE), estate(EXPORT, ssh="Internet")]):
        made = scheduled_run(resources, str(tmp_path / "history.db"), tmp_path).document
        assert [error.message for error in validator().iter_errors(made)] == []
        assert len(made["changes"]["trend"]) == number + 1
    assert made["changes"]["reopened"]
    assert any(row.get("new") for row in made["exposures"])
    wrong = {**made, "changes": {**made["changes"], "trend": [{"taken": "2026-11-25T02:00:00Z"}]}}
    assert not validator().is_valid(wrong)


@pytest.mark.parametrize(
    ("segment", "key", "value"),
    [
        ("findings", "rule", None),
        ("findings", "severity", 7),
        ("findings", "endpoints", "blob"),
        ("exposures", "reach", None),
        ("exposures", "hops", [{"kind": "switch"}]),
        ("gaps", "status", "403"),
    ],
)
def test_it_notices_what_is_wrong(document: dict[str, Any], segment: str, key: str, value: Any) -> None:
    few = {name: rows[:1] if isinstance(rows, list) else rows for name, rows in document.items()}
    few |= {name: dict(list(document[name].items())[:1]) for name in ("resources", "passed", "not_applicable")}
    assert validator().is_valid(few)
    wrong = {**few, segment: copy.deepcopy(few[segment])}
    wrong[segment][0][key] = value
    assert not validator().is_valid(wrong)


def test_a_status_that_no_finding_has_is_wrong_input(tmp_path: Path) -> None:
    """The fuzzer found exit code 70."""
    file = Path(__file__).parent.parent / "fuzz" / "corpus" / "findings" / "unknown-status.json"
    ended = twolocks("report", file, "--out", tmp_path / "report.html")
    assert ended.code == 2
    assert "Unknown word 'closed'" in ended.err
