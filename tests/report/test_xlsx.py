"""XLSX: read again by another library, it has each row, no formula and no link."""

import io
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from openpyxl.workbook import Workbook

from scanner.document.framework_rows import CONTROL_STATES
from scanner.document.states import STATES
from scanner.evaluate.counts import count
from scanner.evaluate.frameworks import covered
from scanner.report.sheets import xlsx
from scanner.report.sheets.xlsx import FIRST_SHEET, LONGEST, SERVICES_SHEET, SHEETS, write_xlsx
from scanner.rulebook.loader import load
from scanner.text.invisible import plain
from tests.report import sample


def written(document: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    write_xlsx(sample.typed(document), out)
    return out.getvalue()


def book(document: dict[str, Any]) -> Workbook:
    return load_workbook(io.BytesIO(written(document)))


def column(document: Workbook, sheet: str, head: str) -> list[Any]:
    rows = list(document[sheet].iter_rows(values_only=True))
    at = rows[0].index(head)
    return [row[at] for row in rows[1:]]


def test_the_page_of_formats_names_every_sheet() -> None:
    page = (Path(__file__).parents[2] / "docs/formats.md").read_text("utf-8")
    section = page.partition("\n## XLSX\n")[2].partition("\n## ")[0]
    assert [
        name for name in (FIRST_SHEET, SERVICES_SHEET, *(each.name for each in SHEETS)) if name not in section
    ] == []


def test_a_row_for_each_exposure_finding_and_failed_read(document: dict[str, Any]) -> None:
    result = book(document)
    assert result.sheetnames == ["Summary", FIRST_SHEET, *(sheet.name for sheet in SHEETS), SERVICES_SHEET]
    for sheet, rows in (("Endpoints", "exposures"), ("Findings", "findings")):
        prints = column(result, sheet, "Fingerprint")
        assert sorted(prints) == sorted(row["fingerprint"] for row in document[rows])
    assert sorted(column(result, "Not assessed", "Path that was read")) == sorted(
        gap["url"] for gap in document["gaps"]
    )


def test_the_summary_has_the_numbers_of_the_scan(document: dict[str, Any]) -> None:
    page = {row[0]: row[1] for row in book(document)["Summary"].iter_rows(values_only=True)}
    numbers = count(sample.typed(document)).numbers()
    assert page["All endpoints"] == numbers.endpoints
    assert {state: page[f"State: {state}"] for state in STATES} == numbers.states
    assert page["Publicly accessible without authentication"] == numbers.public
    assert page["Not fully assessed"] == numbers.not_fully_assessed.total
    assert page["Failed reads"] == numbers.gaps == len(document["gaps"])


def test_every_control_and_place_has_a_row() -> None:
    made = sample.typed(sample.with_places(sample.document(60)))
    made.frameworks = covered(load(packages=False))
    out = io.BytesIO()
    write_xlsx(made, out)
    document = load_workbook(io.BytesIO(out.getvalue()))
    states = column(document, "Frameworks", "State")
    assert len(states) == sum(row.controls for row in made.frameworks) > 500
    assert {row for row in states if row} == set(states) <= set(CONTROL_STATES)
    assert None not in column(document, "Frameworks", "What it asks")
    assert sorted(column(document, "Places", "Resource ID")) == sorted(plain(row.resource) for row in made.places)


def test_each_key_and_resource_has_a_row_and_no_name_is_a_formula() -> None:
    made = sample.with_keys(sample.document(60))
    first = made["keys"][0]
    first |= {"key": '=HYPERLINK("http://x")', "host": "@SUM(A1)", "expires": "2027-01-31", "rotation": "no"}
    first["stores"][0] |= {"what": "=1+1", "value": "+1", "why": "mailto:a@b", "version": "{=1}"}
    document = book(made)
    stores = [store["resource"] for row in made["keys"] for store in row["stores"]]
    assert sorted(column(document, "Keys", "Resource ID")) == sorted(map(plain, stores))
    assert set(column(document, "Keys", "Key of")) == {"customer", "platform", "another-tier", "unknown"}
    states = dict(zip(column(document, "Keys", "Key of"), column(document, "Keys", "State"), strict=True))
    assert (states["platform"], states["unknown"]) == (None, "unknown")
    assert {"=1+1", *column(document, "Keys", "Encrypts")} == {"=1+1", "account"}
    assert datetime(2027, 1, 31) in column(document, "Keys", "Expires")  # noqa: DTZ001
    assert "disabled, identity may not unwrap?" in column(document, "Keys", "Risks")
    assert column(document, "Keys", "Worst risk")[0] == "high"
    _no_formulas(document)


def test_each_row_on_capacity_has_its_numbers_and_what_is_not_known_has_none() -> None:
    made = sample.with_capacity(sample.document(60))
    made["capacity"][0] |= {"name": "=cmd()", "quota": "@x", "region": "http://x"}
    document = book(made)
    kinds = column(document, "Capacity", "Kind")
    assert Counter(kinds) == {"quota": 5, "reservation": 2, "one of zones": 1, "global control plane": 2}
    rows = dict(zip(column(document, "Capacity", "Name"), _numbers(document), strict=True))
    assert rows["=cmd()"] == (10, 10, 0, 0)
    assert rows["crg/one"] == (2, 4, 2, None)
    assert rows["crg/two"] == (None, 4, None, None)
    unread = kinds.index("quota") + 4
    assert column(document, "Capacity", "State")[unread] == "not known"
    assert (
        column(document, "Capacity", "Why unknown, or what depends on it")[unread] == "403 <i>AuthorizationFailed</i>"
    )
    assert _numbers(document)[unread] == (None, None, None, None)
    _no_formulas(document)


def _numbers(document: Workbook) -> list[tuple[Any, ...]]:
    heads = ("Used", "Limit or reserved", "Left", "Left in percent")
    return list(zip(*(column(document, "Capacity", head) for head in heads), strict=True))


def _no_formulas(document: Workbook) -> None:
    for page in document.worksheets:
        for row in page.iter_rows():
            for cell in row:
                assert cell.hyperlink is None
                assert cell.data_type != "f"


def test_heads_are_frozen_and_every_row_is_in_the_filter(document: dict[str, Any]) -> None:
    result = book(document)
    for sheet in SHEETS:
        page = result[sheet.name]
        assert page.freeze_panes == "A2"
        assert page.auto_filter.ref == f"A1:{page.cell(max(page.max_row, 1), len(sheet.columns)).coordinate}"
        assert page.print_title_rows == "$1:$1"


def test_the_worst_stand_first(document: dict[str, Any]) -> None:
    severities = [each for each in column(book(document), "Endpoints", "Severity") if each]
    assert severities[0] == "critical"


def test_dates_are_dates() -> None:
    document = sample.document(5)
    document["findings"][0] |= {"new": False, "since": "2026-11-25T02:00:00Z"}
    assert datetime(2026, 11, 25) in column(book(document), "Findings", "First seen")  # noqa: DTZ001


@settings(max_examples=40)
@given(
    st.one_of(
        st.text(max_size=40),
        st.sampled_from(["=1+1", "@SUM(A1)", "http://x", "{=1}", "mailto:a@b", '=HYPERLINK("x")', "_x0041_"]),
    )
)
def test_no_name_is_a_formula_or_a_link(name: str) -> None:
    document = sample.document(2)
    resource = document["findings"][0]["resource"]
    document["resources"][resource] |= {"name": name, "tags": {name: name}}
    document["findings"][0] |= {"message": name, "title": name}
    _no_formulas(book(document))


def test_a_long_text_is_cut_and_says_so() -> None:
    document = sample.document(2)
    document["findings"][0]["message"] = "x" * 40_000
    longest = max(filter(None, column(book(document), "Findings", "Reason")), key=len)
    assert longest == "x" * LONGEST + " [cut]"


def test_more_rows_than_a_sheet_takes_go_on_in_the_next(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx, "MOST_ROWS", 7)
    result = book(document)
    pages = [page for page in result.worksheets if page.title.startswith("Findings")]
    assert [page.title for page in pages][:2] == ["Findings", "Findings 2"]
    assert sum(page.max_row - 1 for page in pages) == len(document["findings"])


def test_the_same_document_gives_the_same_bytes(document: dict[str, Any]) -> None:
    assert written(document) == written(document)
