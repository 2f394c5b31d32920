"""Counts, matrix and order."""

from itertools import product
from typing import Any

import msgspec
import pytest

from scanner.document.schema import Document, ExposureRow
from scanner.report.html.rendering import render
from scanner.report.language.words import Words
from scanner.report.views.summary import COLUMNS, matrix, ordered_exposures, ordered_findings, rating, summarize
from tests.report import sample

SEPARATOR = '<span class="vh">;</span></span> '
"""What stands between the two parts of the headline: for readers of the text only."""


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


UNKNOWN = {"severity": None, "reach": "unknown", "state": "unknown"}


def test_a_cell_of_endpoints_that_were_not_assessed_says_so() -> None:
    assert matrix([exposure(**UNKNOWN)])[0][6].rating == "unknown"
    assert matrix([exposure(**UNKNOWN), exposure(severity="high", reach="unknown")])[0][6].rating == "high"


def test_an_open_endpoint_with_an_unread_lock_has_its_proven_severity_and_a_mark() -> None:
    cell = matrix([exposure(authentication="unknown", severity="medium")])[5][0]
    assert (cell.rating, cell.worse) == ("medium", 1)


def test_an_endpoint_that_is_off_is_closed_though_its_authentication_was_not_read() -> None:
    rows = matrix([exposure(authentication="unknown", **CLOSED)])
    assert rows[5][5].rating == "closed"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "critical"),
        ({"severity": "high"}, "high"),
        ({"severity": "medium"}, "medium"),
        ({"severity": "low", "worst": "medium"}, "low"),
        (UNKNOWN, "unknown"),
        ({"state": "waived"}, "waived"),
        (CLOSED, "closed"),
    ],
)
def test_a_badge_is_the_severity_of_an_open_endpoint_else_its_state(changes: dict[str, Any], expected: str) -> None:
    assert rating(exposure(**changes)) == expected


def test_endpoints_are_ordered_worst_first() -> None:
    mixed = [
        exposure(severity="low", worst="low"),
        exposure(**CLOSED),
        exposure(),
        exposure(severity="medium", worst="medium"),
        exposure(severity="low", endpoint="may"),
        exposure(**UNKNOWN, endpoint="queue"),
        exposure(severity="high"),
    ]
    matches = [rating(each) for each in ordered_exposures(mixed)]
    assert matches == ["critical", "high", "low", "unknown", "medium", "low", "closed"]


def test_findings_are_ordered_by_status_then_severity() -> None:
    matches = [(f.status, f.severity) for f in ordered_findings(sample.typed(sample.document()).findings)]
    assert matches[0] == ("fail", "critical")
    assert [s for s, _ in matches] == sorted((s for s, _ in matches), key=["fail", "unknown", "error", "waived"].index)


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


NONE = "No endpoint is publicly accessible without authentication"


@pytest.mark.parametrize(
    ("document", "headline"),
    [
        (with_exposures(exposure(), exposure()), "2 endpoints are publicly accessible without authentication"),
        (with_exposures(exposure()), "1 endpoint is publicly accessible without authentication"),
        (with_exposures(exposure(state="waived")), f"{NONE}, except 1 that is accepted"),
        (
            with_exposures(exposure(), *[exposure(kind="app", severity="medium", worst="medium")] * 2),
            "1 endpoint is publicly accessible without authentication, and 2 apps without platform sign-in",
        ),
        (
            with_exposures(exposure(kind="app", severity="low", worst="low")),
            "1 app is publicly accessible without platform sign-in",
        ),
        (
            with_exposures(exposure(reach="azure")),
            "1 endpoint is accessible without authentication from any Azure tenant or broad ranges",
        ),
        (sample.typed(sample.clean()), NONE),
        (
            sample.typed(sample.clean() | {"gaps": [GAP]}),
            f"Not fully assessed: 1 read{SEPARATOR}no exposed endpoint was found in the rest",
        ),
        (
            with_exposures(exposure(severity="medium", authentication="identity")),
            f"Not fully assessed: 1 endpoint{SEPARATOR}no exposed endpoint was found in the rest",
        ),
        (
            with_exposures(exposure(), exposure(**UNKNOWN)),
            f"Not fully assessed: 1 endpoint{SEPARATOR}1 endpoint is publicly accessible without authentication",
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
    assert f"Not fully assessed: part of the scope{SEPARATOR}no exposed endpoint was found in the rest</h1>" in render(
        document, Words()
    )


def test_the_lead_counts_copied_keys_and_what_may_be_open() -> None:
    key = {"authentication": "shared", "severity": "high", "worst": "high"}
    counts = summarize(
        with_exposures(exposure(), exposure(**key), exposure(**key, reach="selected"), exposure(**UNKNOWN))
    ).counts
    assert (counts.public, counts.shared_key_only, counts.not_assessed) == (1, 1, 1)


def test_that_everything_was_read_is_said() -> None:
    assert "Every read succeeded: 1,308 of 1,308 reads." in render(sample.typed(sample.clean()), Words())
