"""SARIF: valid by its schema and by its multitool, and read as GitHub reads it."""

import io
import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scanner.report.code_scanning import sarif
from scanner.report.code_scanning.sarif import SCORES, uri, write_sarif
from tests.report import sample
from tests.sampled import only_all

TOOL = Path(__file__).parents[1] / "output" / "node_modules" / "@microsoft" / "sarif-multitool-linux"
SETTLED = {
    "SARIF2002",  # messages by id, for translation: ours are made where they are needed
    "SARIF2003",  # version control: a subscription is in none
    "SARIF2005",  # the tool's home page: there is none yet
    "SARIF2006",  # reaches out for the URLs of rules
    "SARIF2009",  # ids like CA1000: ours say the fault
    "SARIF2010",  # code snippets: there is no code
    "SARIF2011",
}
"""Notes of the multitool that do not apply."""


def written(document: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    write_sarif(sample.typed(document), out)
    return out.getvalue()


def run_of(document: dict[str, Any]) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(written(document))["runs"][0]
    return run


@pytest.fixture(scope="module")
def run(document: dict[str, Any]) -> dict[str, Any]:
    return run_of(document)


def valid(text: bytes) -> list[str]:
    """What the schema that the multitool ships has against a file."""
    import jsonschema

    assert TOOL.is_dir(), "the SARIF multitool is missing: npm ci --prefix tests/output"
    schema = json.loads((TOOL / "sarif-2.1.0.json").read_text("utf-8-sig"))
    comparison_of = jsonschema.validators.validator_for(schema)(schema)
    return [error.message for error in comparison_of.iter_errors(json.loads(text))]


def evaluated(text: bytes, folder: Path) -> Counter[tuple[str, str]]:
    """Rule and level of everything that the multitool has against a file, by its own rules and GitHub's."""
    (folder / "in.sarif").write_bytes(text)
    out = folder / "out.sarif"
    # The multitool fetches the schema; a proxy where nobody answers makes that end at once.
    env = os.environ | {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "HTTPS_PROXY": "http://127.0.0.1:9"}
    words = ["validate", "in.sarif", "--rule-kind", "Sarif;Ghas", "--level", "Error;Warning;Note"]
    words += ["--output", str(out), "--log", "ForceOverwrite"]
    subprocess.run([str(TOOL / "Sarif.Multitool"), *words], cwd=folder, env=env, check=True, capture_output=True)
    # It ends with 0 whatever it finds, and says nothing at all of a file that it cannot read: so its own file counts.
    [document] = json.loads(out.read_text("utf-8-sig"))["runs"]
    assert document["results"], "it has something to note about every file that it reads"
    return Counter((each["ruleId"], each.get("level", "warning")) for each in document["results"])


def test_it_is_valid_by_the_schema(document: dict[str, Any]) -> None:
    assert valid(written(document)) == []


def test_the_multitool_has_nothing_against_it(document: dict[str, Any], tmp_path: Path) -> None:
    result = evaluated(written(document), tmp_path)
    assert {rule for rule, _ in result} <= SETTLED
    assert "error" not in {level for _, level in result}


@only_all("the program is pinned: it finds the same each time")
def test_the_multitool_would_say_what_is_wrong(document: dict[str, Any], tmp_path: Path) -> None:
    broken = json.loads(written(document))
    broken["runs"][0]["results"][0]["ruleIndex"] = 99_999
    assert evaluated(json.dumps(broken).encode(), tmp_path)["SARIF1009", "error"]


def test_severities_are_those_that_github_reads(document: dict[str, Any], run: dict[str, Any]) -> None:
    rules = run["tool"]["driver"]["rules"]
    severities = {row["fingerprint"]: row["severity"] for row in document["findings"] if row["status"] == "fail"}
    seen = set()
    for result in run["results"]:
        if result["properties"]["status"] == "fail":
            severity = severities[result["partialFingerprints"]["twolocks/v1"]]
            rule = rules[result["ruleIndex"]]
            assert rule["id"] == result["ruleId"]
            assert rule["properties"].get("security-severity") == SCORES.get(severity)
            assert rule["defaultConfiguration"]["level"] == result["level"]
            seen.add((severity, result["level"]))
    assert {("critical", "error"), ("high", "error"), ("medium", "warning"), ("low", "note")} <= seen


def test_what_is_not_proven_has_no_severity_and_is_not_lost(document: dict[str, Any], run: dict[str, Any]) -> None:
    rules = run["tool"]["driver"]["rules"]
    undecided = [each for each in run["results"] if each["properties"]["status"] in ("unknown", "error")]
    assert len(undecided) == sum(row["status"] in ("unknown", "error") for row in document["findings"]) > 0
    for result in undecided:
        assert (result["kind"], result["level"]) == ("open", "none")
        assert result["ruleId"].endswith(".undecided")
        assert "security-severity" not in rules[result["ruleIndex"]]["properties"]
        assert "not passed" in result["message"]["text"]
    [invocation] = run["invocations"]
    assert not invocation["executionSuccessful"]
    reported = " ".join(each["message"]["text"] for each in invocation["toolExecutionNotifications"])
    assert all(gap["action"] in reported for gap in document["gaps"] if gap["action"] and gap["status"] == 403)


def test_waived_findings_are_suppressed_with_who_and_why(document: dict[str, Any], run: dict[str, Any]) -> None:
    waived = {row["fingerprint"]: row["waiver"] for row in document["findings"] if row["status"] == "waived"}
    assert all("suppressions" in each for each in run["results"])
    matches = [each for each in run["results"] if each["suppressions"]]
    assert len(matches) == len(waived) > 0
    for result in matches:
        waiver = waived[result["partialFingerprints"]["twolocks/v1"]]
        [suppression] = result["suppressions"]
        assert (suppression["kind"], suppression["status"]) == ("external", "accepted")
        assert waiver["reason"] in suppression["justification"]
        assert waiver["owner"] in suppression["justification"]
        assert result["ruleId"].endswith(".waived")


def test_what_is_undecided_and_accepted_is_suppressed_and_stays_undecided() -> None:
    document = sample.accepted()
    out = io.BytesIO()
    write_sarif(sample.typed(document), out)
    [run] = json.loads(out.getvalue())["runs"]
    matches = [each for each in run["results"] if each["suppressions"] and each["kind"] == "open"]
    assert len(matches) == sample.agreed(document) > 1
    for result in matches:
        assert result["ruleId"].endswith(".undecided")
        assert result["suppressions"][0]["justification"] == "A preview (kari, until 2026-12-31)"
    notes = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert sum("accepted by kari until 2026-12-31: A preview" in each for each in notes) == 2


def test_with_history_each_result_says_what_became_of_it(tmp_path: Path) -> None:
    document = sample.with_history(200)
    results = run_of(document)["results"]
    states = {each["partialFingerprints"]["twolocks/v1"]: each["baselineState"] for each in results}
    assert Counter(states.values()).keys() == {"new", "updated", "unchanged"}
    assert {mark for mark, state in states.items() if state == "new"} == {
        row["fingerprint"] for row in document["findings"] if row.get("new")
    }
    worse = document["changes"]["worse"][0]
    on = [row for row in document["findings"] if row["resource"] == worse["resource"]]
    assert {states[row["fingerprint"]] for row in on if worse["endpoint"] in row["endpoints"]} == {"updated"}
    assert not set(states) & {row["fingerprint"] for row in document["changes"]["fixed"]}
    assert valid(written(document)) == []
    assert {rule for rule, _ in evaluated(written(document), tmp_path)} <= SETTLED


@pytest.mark.parametrize("made", [sample.document(20), sample.baseline(20)])
def test_without_a_scan_before_no_result_is_compared(made: dict[str, Any]) -> None:
    assert not [each for each in run_of(made)["results"] if "baselineState" in each]


def test_a_fingerprint_does_not_depend_on_case_message_or_order(document: dict[str, Any]) -> None:
    other = json.loads(json.dumps(document))
    other["findings"].reverse()
    for row in other["findings"]:
        row |= {"message": "said otherwise", "resource": row["resource"].upper()}
    key = lambda each: each["partialFingerprints"]["twolocks/v1"]  # noqa: E731

    def identity(run: dict[str, Any]) -> list[tuple[str, str, str]]:
        return [
            (
                each["ruleId"],
                each["partialFingerprints"]["primaryLocationLineHash"],
                each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            )
            for each in sorted(run["results"], key=key)
        ]

    assert identity(run_of(document)) == identity(run_of(other))


def test_what_does_not_fit_is_the_mildest_and_is_reported(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch, run: dict[str, Any]
) -> None:
    monkeypatch.setattr(sarif, "MOST", 10)
    made = run_of(document)
    assert len(made["results"]) == 10
    assert {each["properties"]["severity"] for each in made["results"]} == {"critical"}
    first = made["invocations"][0]["toolExecutionNotifications"][0]
    assert first["level"] == "error"
    assert first["message"]["text"].startswith(
        f"{len(run['results']) - 10:,} results were omitted, the least severe ones ("
    )
    assert {result["ruleIndex"] for result in made["results"]} == set(range(len(made["tool"]["driver"]["rules"])))


def test_hostile_names_make_a_valid_file(tmp_path: Path) -> None:
    document = sample.document(40)
    for row, name in zip(document["findings"], [*sample.HOSTILE, "..", "a/../../b", "", "[x](0) {0}\ud800", "%2e%2e"]):  # noqa: B905
        row |= {"resource": f"/subscriptions/a/providers/b/c/{name}", "message": name, "endpoints": [name]}
        row["fix"] = {"steps": [name]}
    text = written(document)
    assert valid(text) == []
    assert "error" not in {level for _, level in evaluated(text, tmp_path)}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("/subscriptions/A/providers/B/c/d", "subscriptions/a/providers/b/c/d"),
        ("/x/../../etc", "x/%2E%2E/%2E%2E/etc"),
        ("/x/a b?c#d%2e:", "x/a%20b%3Fc%23d%252e%3A"),
        ("//host/x", "host/x"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("", "unknown"),
    ],
)
def test_a_location_is_a_relative_uri_that_does_not_climb(resource: str, expected: str) -> None:
    assert uri(resource) == expected


def test_the_same_document_gives_the_same_bytes(document: dict[str, Any]) -> None:
    assert written(document) == written(document)
