"""JUnit: what a CI system counts, and that hostile names are only text."""

import io
from functools import partial
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped

from scanner.report.code_scanning.junit import READ, write_junit
from scanner.store.sorted_rows import SortedRows
from tests.report import sample


def written(document: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    write_junit(sample.typed(document), out)
    return out.getvalue()


def cases(document: dict[str, Any]) -> list[Any]:
    return [case for suite in JUnitXml.fromstring(written(document)) for case in suite]


def outcome(case: Any) -> type | None:
    return type(case.result[0]) if case.result else None


def test_each_status_has_its_outcome(document: dict[str, Any]) -> None:
    matches = cases(document)
    outcomes = [outcome(case) for case in matches]
    statuses = [row["status"] for row in document["findings"]]
    refused = sum(not gap.get("accepted") for gap in document["gaps"])
    assert outcomes.count(Failure) == statuses.count("fail") > 0
    assert outcomes.count(Error) == statuses.count("unknown") + statuses.count("error") + refused > 0
    assert outcomes.count(None) == sum(len(rules) for rules in document["passed"].values())
    waived = [case for case in matches if outcome(case) is Skipped]
    assert len(waived) == statuses.count("waived") + len(document["gaps"]) - refused > 0
    assert all("accepted by " in case.result[0].message for case in waived)


def test_what_is_undecided_and_accepted_is_skipped_and_says_so() -> None:
    document = sample.accepted()
    matches = [case for case in cases(document) if outcome(case) is Skipped]
    stated = [case.result[0].message for case in matches]
    who = "accepted by kari until 2026-12-31: A preview"
    assert stated.count(f"Inconclusive, not passed; {who}") == sample.agreed(document) > 1
    assert stated.count(who) == 1, "the gap"


def test_counts_of_suites_are_those_of_their_tests(document: dict[str, Any]) -> None:
    whole = JUnitXml.fromstring(written(document))
    for suite in whole:
        outcomes = [outcome(case) for case in suite]
        assert (suite.tests, suite.failures) == (len(outcomes), outcomes.count(Failure))
        assert (suite.errors, suite.skipped) == (outcomes.count(Error), outcomes.count(Skipped))
    assert whole.tests == sum(suite.tests for suite in whole)


def test_tests_that_are_sorted_in_a_file_give_the_same_bytes(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {**document, "findings": [*document["findings"], *document["findings"][::-1]]}
    expected = written(document)
    monkeypatch.setattr("scanner.report.code_scanning.junit.SortedRows", partial(SortedRows, 10))
    assert written(document) == expected


def test_suites_of_ids_with_control_characters_hold_their_own_tests(document: dict[str, Any]) -> None:
    ids = ["a", "a\0b", "a\0", "a\1", "a/b", ""]
    rows = [
        {**row, "resource": f"/subscriptions/{ids[position % len(ids)]}/providers/x/y/{chr(position % 3)}{position}"}
        for position, row in enumerate(document["findings"])
    ]
    whole = JUnitXml.fromstring(written({**document, "findings": rows}))
    for suite in whole:
        assert suite.tests == len(list(suite))
        assert suite.failures == sum(outcome(case) is Failure for case in suite)


def test_a_suite_a_subscription_by_its_name(document: dict[str, Any]) -> None:
    names = {scope["name"] for scope in document["coverage"]["scopes"]}
    assert {suite.name for suite in JUnitXml.fromstring(written(document))} <= names


def test_a_subscription_of_which_nothing_was_read_does_not_look_tested() -> None:
    document = sample.document(0)
    url = f"/subscriptions/{next(iter(sample.SUBSCRIPTIONS))}"
    gap = {"url": url, "status": 403, "code": "AuthorizationFailed", "action": "*/read", "rules": [], "accepted": False}
    document |= {"findings": [], "passed": {}, "gaps": [gap]}
    [case] = cases(document)
    assert (case.name, outcome(case)) == (READ, Error)
    assert "403 AuthorizationFailed, missing permission */read" in case.result[0].message


def test_with_history_a_failure_says_since_when() -> None:
    document = sample.with_history(60)
    texts = [each.text or "" for each in ET.fromstring(written(document)).iter("failure")]
    failed = [row for row in document["findings"] if row["status"] == "fail"]
    assert sum("new since the previous scan" in text for text in texts) == sum(row["new"] for row in failed) > 0
    assert sum("first seen: 2026-10-22T02:00:03Z" in text for text in texts) == sum(not row["new"] for row in failed)


def test_hostile_text_is_text() -> None:
    document = sample.document(40)
    nasty = "]]><failure/>\x00\x1b[31m\u202e\ufffe\ud800\"'&amp;<!--"
    row = next(row for row in document["findings"] if row["status"] == "fail")
    row |= {"message": nasty, "fix": {"commands": [nasty]}, "endpoints": [nasty]}
    tree = ET.fromstring(written(document))
    texts = [each.get("message") for each in tree.iter("failure")]
    assert "]]><failure/>[U+0000][U+001B][31m[U+202E][U+FFFE][U+D800]\"'&amp;<!--" in texts
    assert len(texts) == sum(row["status"] == "fail" for row in document["findings"])


def test_the_same_document_gives_the_same_bytes(document: dict[str, Any]) -> None:
    assert written(document) == written(document)
