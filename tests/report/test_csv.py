"""CSV: what stands in it, and that no cell is a formula."""

import csv
import io
import re
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from scanner.report.sheets.csv import COLUMNS, LONGEST, cell, write_csv
from scanner.text.invisible import INVISIBLE, plain
from tests.report import sample

SIGNS = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"
FORMULA = re.compile(r"[\s\"]*[=+\-@\uff1d\uff0b\uff0d\uff20\u2212]")
GUARDED = re.compile(
    r"(^|[;,])'(?=[\s\"'`\u2018\u2019\u201c\u201d]*[=+\-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212])"
)


def rows(document: dict[str, Any]) -> list[dict[str, str]]:
    out = io.BytesIO()
    write_csv(sample.typed(document), out)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode("utf-8-sig"), newline="")))


def test_a_row_for_each_exposure_finding_and_gap(document: dict[str, Any]) -> None:
    matches = rows(document)
    assert tuple(matches[0]) == COLUMNS
    counted = [row["record"] for row in matches]
    assert counted.count("exposure") == len(document["exposures"])
    assert counted.count("finding") == len(document["findings"])
    assert counted.count("gap") == len(document["gaps"]) > 0
    prints = {each["fingerprint"] for each in (*document["exposures"], *document["findings"])}
    assert {row["fingerprint"] for row in matches} - {""} == prints


def test_gaps_and_undecided_checks_say_who_accepted_them() -> None:
    document = sample.accepted()
    matches = [row for row in rows(document) if row["waiver_owner"] == "kari"]
    stated = {(row["record"], row["status"]) for row in matches}
    assert stated == {("gap", "accepted"), ("finding", "unknown")}
    assert len(matches) == sample.agreed(document) + 1
    assert all((row["waiver_reason"], row["waiver_expires"]) == ("A preview", "2026-12-31") for row in matches)


def test_what_is_undecided_has_no_severity_but_what_it_may_be(document: dict[str, Any]) -> None:
    undecided = [row for row in rows(document) if row["record"] == "finding" and row["status"] == "unknown"]
    assert undecided
    assert {row["severity"] for row in undecided} == {""}
    assert {row["worst"] for row in undecided} & {"critical", "high"}


def test_a_waiver_stands_in_its_row(document: dict[str, Any]) -> None:
    waived = [row for row in rows(document) if row["status"] == "waived" and row["record"] == "finding"]
    assert waived
    assert all(row["waiver_reason"] and row["waiver_owner"] and row["waiver_expires"] for row in waived)


def test_new_and_since_where_there_is_history() -> None:
    document = sample.document(40)
    document["findings"][0] |= {"new": True, "since": "2026-11-25T02:00:00Z"}
    document["findings"][1] |= {"new": False, "since": "2026-11-01T02:00:00Z"}
    first, second, third = [row for row in rows(document) if row["record"] == "finding"][:3]
    assert (first["new"], first["since"]) == ("yes", "2026-11-25T02:00:00Z")
    assert (second["new"], third["new"], third["since"]) == ("no", "", "")


def test_every_field_is_quoted_and_lines_end_as_rfc_4180_says(document: dict[str, Any]) -> None:
    out = io.BytesIO()
    write_csv(sample.typed(document), out)
    text = out.getvalue()
    assert text.startswith(b'\xef\xbb\xbf"record","status"')
    assert text.endswith(b'"\r\n')
    assert text.count(b"\n") == text.count(b"\r\n") == len(rows(document)) + 1


def test_the_same_document_gives_the_same_bytes(document: dict[str, Any]) -> None:
    one, two = io.BytesIO(), io.BytesIO()
    write_csv(sample.typed(document), one)
    write_csv(sample.typed(sample.document(len(document["findings"]))), two)
    again = io.BytesIO()
    write_csv(sample.typed(document), again)
    assert one.getvalue() == again.getvalue()


def test_a_long_text_is_cut_before_a_spreadsheet_would_split_it() -> None:
    value = cell("x" * 40_000)
    assert len(value) == LONGEST
    assert value.endswith(" [cut]")


hostile = st.text(st.sampled_from([*SIGNS, *" \"'`;,|%\n\x00\u202e\ufeff\u2212", "a", "\u00e5"]), max_size=12)


@given(st.one_of(hostile, st.text(max_size=30)))
@example("=cmd|' /C calc'!A0")
@example("'=1+1")
@example(" \"'\uff1d1+1")
@example("a;=1+1")
@example("'")
@example("-")
@settings(max_examples=400)
def test_a_cell_is_no_formula_and_can_be_read_back(value: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow([cell(value)])
    [[read]] = csv.reader(io.StringIO(text.getvalue(), newline=""))
    assert not FORMULA.match(read)
    assert not any(FORMULA.match(piece) for piece in re.split("[;,]", read))
    assert not INVISIBLE.search(read)
    assert GUARDED.sub(r"\1", read) == plain(value)


def test_the_page_about_formats_names_every_column_in_order() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")
    table = page.partition("\n## CSV\n")[2].partition("\n## ")[0].partition("| --- | --- |\n")[2]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    named = [name for cell in cells for name in re.findall("`([a-z_]+)`", cell)]
    assert tuple(named) == COLUMNS
