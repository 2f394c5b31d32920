"""OCSF: each event is valid by the schema, and says of a finding what the document says."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ocsf.v1_6_0.events import ComplianceFinding

from scanner.report.ocsf import READ, SCANNED, VERSION, milliseconds, write_ocsf
from tests.report import sample
from tests.report.ocsf_schema import faults


def events(document: dict[str, Any]) -> list[dict[str, Any]]:
    out = io.BytesIO()
    write_ocsf(sample.typed(document), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_every_event_is_valid_by_the_schema(document: dict[str, Any]) -> None:
    matches = events(document)
    assert [fault for event in matches for fault in faults(event, VERSION)] == []
    for event in matches:
        ComplianceFinding.model_validate(event)


def test_an_event_for_each_finding_and_each_failed_read(document: dict[str, Any]) -> None:
    matches = events(document)
    controls = [event["compliance"]["control"] for event in matches]
    assert len(matches) == len(document["findings"]) + len(document["gaps"])
    assert controls.count(READ) == len(document["gaps"]) > 0
    assert [event["finding_info"]["uid"] for event in matches if event["compliance"]["control"] != READ] == [
        row["fingerprint"] for row in document["findings"]
    ]


def test_only_what_is_proven_fails_and_nothing_passes(document: dict[str, Any]) -> None:
    by_status: dict[str, set[str]] = {}
    for event, row in zip(events(document), document["findings"], strict=False):
        by_status.setdefault(row["status"], set()).add(event["compliance"]["status"])
    assert by_status == {"fail": {"Fail"}, "waived": {"Fail"}, "unknown": {"Inconclusive"}} | (
        {"error": {"Inconclusive"}} if "error" in by_status else {}
    )


def test_a_waiver_suppresses_and_says_why() -> None:
    document = sample.accepted()
    accepted = [event for event in events(document) if event["status"] == "Suppressed"]
    waived = [row for row in document["findings"] if row.get("waiver")]
    assert len(accepted) == len(waived) + sum(bool(gap.get("waiver")) for gap in document["gaps"])
    assert all("accepted by" in event["comment"] for event in accepted)


def test_what_is_known_from_before_is_an_update() -> None:
    document = sample.document(5)
    document["findings"][0] |= {"new": True, "since": "2026-11-25T02:00:00Z"}
    document["findings"][1] |= {"new": False, "since": "2026-11-01T02:00:00Z"}
    first, second, third = events(document)[:3]
    assert [each["activity_name"] for each in (first, second, third)] == ["Create", "Update", "Create"]
    assert second["type_uid"] == 200302
    assert second["finding_info"]["first_seen_time"] == milliseconds("2026-11-01T02:00:00Z") == 1_793_498_400_000
    assert "first_seen_time" not in third["finding_info"]


@pytest.mark.parametrize("time", ["", "soon", "2026-13-01"])
def test_a_time_that_is_none_is_the_epoch(time: str) -> None:
    assert milliseconds(time) == 0


@settings(max_examples=60)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_of_azure_gives_one_valid_line(name: str, message: str) -> None:
    document = sample.document(2)
    resource = document["findings"][0]["resource"]
    document["resources"][resource] |= {"name": name, "resource_group": name, "tags": {name: message}}
    document["findings"][0] |= {"message": message, "title": name}
    matches = events(document)
    assert len(matches) == len(document["findings"])
    assert faults(matches[0], VERSION) == []


def test_every_event_says_what_was_not_scanned_and_events_of_its_own_do() -> None:
    document = sample.document(3)
    excluded = {"scope": "/subscriptions/5f1c0f9a-2222-4c1e-9a52-0d2f4b7c1a02", "name": "test-innbygger"}
    document["scan"] |= {"limited": {"groups": ["rg-kart"]}, "excluded": [excluded]}
    matches = events(document)
    assert [fault for event in matches for fault in faults(event, VERSION)] == []
    limit = "Limited to resource group rg-kart: nothing else was assessed"
    for event in matches:
        ComplianceFinding.model_validate(event)
        assert event["unmapped"]["not_scanned"] == [limit, "1 excluded scope was not scanned: test-innbygger"]
    own = [event for event in matches if event["compliance"]["control"] == SCANNED]
    assert [event["message"] for event in own] == [limit, "test-innbygger: left out by --exclude"]
    assert {event["compliance"]["status"] for event in own} == {"Not assessed"}
    assert own[1]["resources"][0]["uid"] == excluded["scope"]
    document["findings"], document["gaps"] = [], []
    assert [event["message"] for event in events(document)] == [event["message"] for event in own]


def test_a_scan_of_everything_says_nothing_of_it(document: dict[str, Any]) -> None:
    assert all("unmapped" not in event for event in events(document))
