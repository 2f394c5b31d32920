"""What managers ask: whose job, where data lies, what of a framework is tested, by service, owners and dates. Each
number is the same in every format.
"""

from collections import Counter
from io import BytesIO
from typing import Any

import pytest
from openpyxl import load_workbook

from scanner.document.schema import Document
from scanner.evaluate.counts import count
from scanner.evaluate.frameworks import covered
from scanner.model.responsibility import ANOTHER_TIER
from scanner.report.language.words import Words
from scanner.report.markdown import write_markdown
from scanner.report.sheets.csv import finding_rows
from scanner.report.sheets.xlsx import write_xlsx
from scanner.report.views import frameworks
from scanner.report.views.management import summarize_with_management
from scanner.report.views.places import eea_sentence, groups, outside_eea, sentence
from scanner.rulebook.loader import load
from tests.report import sample

WORDS = Words()


@pytest.fixture(scope="module")
def document() -> Document:
    made: dict[str, Any] = sample.with_places(sample.document(300))
    made["scan"]["owner_tag"] = "owner"
    for at, row in enumerate(made["resources"].values()):
        row["tags"] = {"Owner": ("kari", "ola")[at % 2]} if at % 3 else {}
    fixed = [row for row in made["findings"] if row["status"] == "fail" and row["fix"]]
    for row in fixed[:7]:
        row["fix"] = {**row["fix"], "tier": True}
    return sample.typed(made)


def markdown(document: Document) -> str:
    out = BytesIO()
    write_markdown(document, out)
    return out.getvalue().decode().replace("\\", "")


def summary(document: Document) -> dict[str, Any]:
    out = BytesIO()
    write_xlsx(document, out)
    book = load_workbook(BytesIO(out.getvalue()), read_only=True)
    return {str(row[0]): row[1] for row in book["Summary"].iter_rows(values_only=True) if len(row) > 1}


def test_what_another_tier_closes_is_nobody_elses_job(document: Document) -> None:
    whose = summarize_with_management(document)[1].whose.totals()
    failed = [row for row in document.findings if row.status == "fail"]
    in_csv = Counter(row["responsibility"] for row in finding_rows(document, failed))
    assert whose[ANOTHER_TIER] == 7
    assert {name: n for name, n in in_csv.items() if name} == whose
    assert f"Needs another tier: {whose[ANOTHER_TIER]}" in markdown(document)
    assert summary(document)["Needs another tier"] == whose[ANOTHER_TIER]


def test_what_lies_outside_the_eea_is_one_number(document: Document) -> None:
    result, stated = outside_eea(groups(document.places)), eea_sentence(groups(document.places), WORDS)
    assert result.outside == sum(row.area in ("adequacy", "third") for row in document.places) > 0
    assert result.inside + result.outside + result.any + result.unknown == len(document.places)
    assert sentence(document).startswith(f"{stated}. {len(document.places)} resources and copies")
    assert stated in markdown(document)
    assert summary(document)["Where data may be"] == stated


def test_services_hold_every_endpoint_and_failure(document: Document) -> None:
    rows = summarize_with_management(document)[1].services.rows()
    counts = count(document)
    assert sum(each.endpoints for each in rows) == counts.endpoints
    assert sum(each.open for each in rows) == counts.states["open"]
    assert sum(each.failed.total() for each in rows) == counts.statuses["fail"]


def test_owners_hold_what_is_critical_or_high(document: Document) -> None:
    owners, counts = summarize_with_management(document)[1].due.rows(), count(document)
    assert [sum(each) for each in zip(*(n for _, n in owners), strict=True)] == [
        counts.by_severity["critical"],
        counts.by_severity["high"],
    ]
    assert {owner for owner, _ in owners} == {"kari", "ola", ""}
    assert owners[-1][0] == ""


def test_a_finding_that_is_accepted_for_some_days_counts_once_with_its_endpoint() -> None:
    made = sample.with_owners(sample.document(300))
    endpoint = made["exposures"][0]
    waiver = {"reason": "r", "owner": "ola", "expires": "2026-12-24"}
    endpoint |= {"state": "waived", "waiver": waiver}
    lock = next(row for row in made["findings"] if endpoint["endpoint"] in row["endpoints"])
    lock |= {"resource": endpoint["resource"], "status": "waived", "waiver": waiver}
    findings = Counter(row["waiver"]["expires"] for row in made["findings"] if row.get("waiver"))
    del findings["2027-11-01"]
    both = ends_of(made)
    assert both == {day: (n, 0) for day, n in findings.items()}
    lock |= {"status": "fail"}
    del lock["waiver"]
    assert ends_of(made) == both | {"2026-12-24": (both["2026-12-24"][0] - 1, 1)}
    assert "24 December 2026: 1 endpoint (`ola`)" in markdown(sample.typed(made))


def ends_of(made: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return the findings and endpoints that waivers accept, by the day on which they end."""
    result: dict[str, tuple[int, int]] = {}
    for each in summarize_with_management(sample.typed(made))[1].due.ends():
        findings, endpoints = result.get(each.date, (0, 0))
        result[each.date] = findings + each.findings, endpoints + each.endpoints
    return result


def test_frameworks_say_why_nothing_passed() -> None:

    row = next(each for each in covered(load(packages=False)) if each.id == "nis2")
    assert frameworks.tested(row, WORDS).startswith(f"Rules test {len(row.tested)} of {row.controls} controls")
    assert frameworks.none_passed(row, WORDS) == f"None passed: {len(row.tested)} apply to no resource."
