"""Counts, matrix and order."""

from itertools import product
from typing import Any

import msgspec
import pytest

from scanner.document.schema import Document, ExposureRow
from scanner.report.html import render
from scanner.report.summary import COLUMNS, matrix, ordered_exposures, ordered_findings, rating, summarize
from scanner.report.words import Words
from tests.report import sample


def exposure(**changes: Any) -> ExposureRow:
    made = {
        "resource": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/st",
        "endpoint": "blob",
        "kind": "data",
        "reach": "internet",
        "authentication": "anonymous",
        "severity": "critical",
        "worst": "critical",
        "state": "open",
    }
    return sample.row(made | changes)


CLOSED = {"reach": "none", "severity": None, "worst": None, "state": "closed"}


def test_every_endpoint_is_in_exactly_one_cell() -> None:
    reaches, asks = (
        ("internet", "azure", "wide", "selected", "private", "none", "unknown"),
        ("anonymous", "shared", "identity", "unknown"),
    )
    every = [
        exposure(kind=kind, reach=reach, authentication=ask)
        for kind, reach, ask in product(("data", "admin", "app"), reaches, asks)
    ]
    cells = [cell for row in matrix(every) for cell in row]
    assert sum(cell.count for cell in cells) == len(every)
    assert [cell.column for cell in cells[: len(COLUMNS)]] == list(COLUMNS)


@pytest.mark.parametrize(
    ("exposures", "look", "may_be_worse"),
    [
        ([exposure()], "critical", 0),
        ([exposure(), exposure(severity="high", worst="high")], "critical", 0),
        ([exposure(severity="high", worst="high")], "high", 0),
        ([exposure(state="waived")], "waived", 0),
        ([exposure(state="waived"), exposure(severity="low", worst="low")], "low", 0),
        ([exposure(state="intended")], "intended", 0),
        ([exposure(severity="medium")], "medium", 1),
    ],
)
def test_a_cell_looks_like_its_worst_open_endpoint(exposures: list[ExposureRow], look: str, may_be_worse: int) -> None:
    cell = matrix(exposures)[0][0]
    assert (cell.rating, cell.worse) == (look, may_be_worse)


def test_a_lock_that_was_not_read_is_shown_as_not_assessed_whatever_it_might_be() -> None:
    rows = matrix([exposure(authentication="unknown", severity="medium")])
    assert rows[5][0].rating == "unknown"


def test_an_endpoint_that_is_off_is_closed_though_its_authentication_was_not_read() -> None:
    rows = matrix([exposure(authentication="unknown", **CLOSED)])
    assert rows[5][5].rating == "closed"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "critical"),
        ({"severity": "high"}, "high"),
        ({"severity": "medium"}, "unknown"),
        ({"severity": "low", "worst": "medium"}, "low"),
        ({"severity": None, "worst": "critical", "reach": "unknown"}, "unknown"),
        ({"state": "waived"}, "waived"),
        (CLOSED, "closed"),
    ],
)
def test_an_unread_endpoint_ranks_below_a_proven_one_and_above_a_moderate_one(
    changes: dict[str, Any], expected: str
) -> None:
    assert rating(exposure(**changes)) == expected


def test_endpoints_are_ordered_worst_first() -> None:
    mixed = [
        exposure(severity="low", worst="low"),
        exposure(**CLOSED),
        exposure(),
        exposure(severity=None, reach="unknown"),
        exposure(severity="high"),
    ]
    assert [rating(each) for each in ordered_exposures(mixed)] == ["critical", "high", "unknown", "low", "closed"]


def test_findings_are_ordered_by_status_then_severity() -> None:
    found = [(f.status, f.severity) for f in ordered_findings(sample.typed(sample.document()).findings)]
    assert found[0] == ("fail", "critical")
    assert [s for s, _ in found] == sorted((s for s, _ in found), key=["fail", "unknown", "error", "waived"].index)


def with_exposures(*exposures: ExposureRow) -> Document:
    made = sample.typed(sample.clean())
    made.exposures = list(exposures)
    return made


GAP = {
    "url": "/subscriptions/s/providers/Microsoft.Sql/servers",
    "status": 403,
    "code": "AuthorizationFailed",
    "action": "Microsoft.Sql/servers/read",
    "rules": [],
}


@pytest.mark.parametrize(
    ("document", "headline"),
    [
        (with_exposures(exposure(), exposure()), "2 endpoints are publicly accessible without authentication"),
        (with_exposures(exposure()), "1 endpoint is publicly accessible without authentication"),
        (with_exposures(exposure(state="waived")), "No endpoint is publicly accessible without authentication"),
        (sample.typed(sample.clean()), "No endpoint is publicly accessible without authentication"),
        (
            sample.typed(sample.clean() | {"gaps": [GAP]}),
            "No publicly accessible endpoint was found, but not everything could be assessed",
        ),
        (
            with_exposures(exposure(severity="medium")),
            "No publicly accessible endpoint was found, but not everything could be assessed",
        ),
        (sample.typed(sample.empty()), "No resource of a known type was found in these subscriptions."),
    ],
)
def test_headline(document: Document, headline: str) -> None:
    page = render(document, Words())
    assert f">{headline}</h1>" in page


def test_zero_does_not_look_clean_when_the_scan_is_incomplete() -> None:
    document = sample.typed(sample.clean())
    document.scan = msgspec.structs.replace(document.scan, complete=False)
    assert ">No publicly accessible endpoint was found, but not everything could be assessed</h1>" in render(
        document, Words()
    )


def test_the_lead_counts_copied_keys_and_what_may_be_open() -> None:
    key = {"authentication": "shared", "severity": "high", "worst": "high"}
    counts = summarize(
        with_exposures(
            exposure(),
            exposure(**key),
            exposure(**key, reach="selected"),
            exposure(severity=None, authentication="unknown"),
        )
    ).counts
    assert (counts.without_authentication, counts.shared_key_only, counts.not_assessed) == (1, 1, 1)


def test_that_everything_was_read_is_said() -> None:
    assert "Every read succeeded: 1,308 of 1,308 reads." in render(sample.typed(sample.clean()), Words())
