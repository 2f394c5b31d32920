"""Every failing finding counts: no document with one at or above the threshold ends with 0."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from scanner.document.schema import ExposureRow, FindingRow
from scanner.document.states import STATES
from scanner.evaluate.counts import Counts
from scanner.evaluate.results import EvaluationResult
from scanner.exit_codes import FINDINGS_EXIT, decide
from scanner.model.rule import CATEGORIES
from scanner.model.severity import SEVERITIES, Severity
from tests.terminals import account, snapshot, twolocks

NAMES = ("blob", "dfs", "scm")
REACHES = ("internet", "azure", "wide", "selected", "private", "none", "unknown")


def exposure(**given: Any) -> ExposureRow:
    """An exposure, of which only what is counted differs."""
    fixed: dict[str, Any] = {
        "resource": "/subscriptions/s",
        "address": "",
        "may": None,
        "reason": "",
        "title": "t",
        "fingerprint": "f",
    }
    empty: dict[str, Any] = {"evidence": [], "hops": [], "admits": [], "fix": None, "breaks": None}
    return msgspec.convert({**fixed, **empty, **given}, ExposureRow)


def finding(**given: Any) -> FindingRow:
    """A finding, of which only what is counted differs."""
    fixed = {"rule": "r", "title": "t", "resource": "/subscriptions/s", "message": "m", "fingerprint": "f"}
    return msgspec.convert({**fixed, "evidence": [], "fix": None, "gaps": [], **given}, FindingRow)


EXPOSURES = some.builds(
    exposure,
    endpoint=some.sampled_from(NAMES),
    kind=some.sampled_from(("data", "admin", "app")),
    reach=some.sampled_from(REACHES),
    authentication=some.sampled_from(("anonymous", "shared", "identity", "unknown")),
    severity=some.sampled_from((*SEVERITIES, None)),
    worst=some.sampled_from((*SEVERITIES, None)),
    state=some.sampled_from(STATES),
)
FINDINGS = some.builds(
    finding,
    category=some.sampled_from(sorted(CATEGORIES)),
    status=some.sampled_from(("fail", "unknown", "waived", "error")),
    severity=some.sampled_from(SEVERITIES),
    endpoints=some.lists(some.sampled_from(NAMES), unique=True),
)


@given(some.lists(EXPOSURES, max_size=4), some.lists(FINDINGS, max_size=6), some.sampled_from(SEVERITIES))
@settings(max_examples=400, deadline=None)
def test_no_document_with_a_failing_finding_ends_with_0(
    exposures: list[ExposureRow], findings: list[FindingRow], least: str
) -> None:
    counts = Counts()
    for row in exposures:
        counts.exposure(row)
    for finding_row in findings:
        counts.finding(finding_row)
    failing = [each for each in findings if each.status == "fail" and Severity[str(each.severity)] >= Severity[least]]
    for fail_on in (least, f"new:{least}"):
        ended = decide(EvaluationResult(counts, crashes=[], complete=True), fail_on)
        if failing:
            assert (ended.code, ended.why != "") == (FINDINGS_EXIT, True)


RAISED = '[severity.storage-shared-key-enabled]\nto = "critical"\nreason = "as we see it"\n'


def test_a_severity_that_the_settings_raise_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its endpoint is less than critical: `--fail-on critical` ended with 0, `new:critical` after a baseline too."""
    monkeypatch.chdir(tmp_path)
    acls = {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.7"}]}
    snapshot(Path("night.jsonl"), account("st", allowSharedKeyAccess=True, networkAcls=acls))
    Path("raised.toml").write_text(RAISED)
    scan = ("scan", "--from", "night.jsonl", "--only", "storage-shared-key*", "--fail-on")
    assert twolocks(*scan, "critical").code in (0, 3)
    assert "1 finding" in twolocks(*scan, "critical", "--config", "raised.toml").last[-1]
    new = (*scan, "new:critical", "--history", "nights.db")
    assert twolocks(*new).code in (0, 3)
    ended = twolocks(*new, "--config", "raised.toml")
    assert (ended.code, "1 finding raised" in ended.last[-1]) == (1, True), ended.last


@pytest.mark.parametrize("least", SEVERITIES)
def test_the_command_line_counts_a_finding_without_an_endpoint(
    least: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    snapshot(Path("night.jsonl"), account("st", supportsHttpsTrafficOnly=False))
    rule = "storage-plain-http"
    Path("raised.toml").write_text(f'[severity.{rule}]\nto = "{least}"\nreason = "as we see it"\n')
    for fail_on in SEVERITIES:
        ended = twolocks(
            "scan", "--from", "night.jsonl", "--only", rule, "--fail-on", fail_on, "--config", "raised.toml"
        )
        assert (ended.code == 1) == (Severity[least] >= Severity[fail_on])
