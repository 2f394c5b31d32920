"""What to change first is the same in every format; it is counted here by its own code from the rows of a document."""

import io
import re
from collections import Counter, defaultdict
from typing import Any

import pytest
from markupsafe import Markup
from openpyxl import load_workbook

from scanner.evaluate.counts import count
from scanner.report.html.rendering import render
from scanner.report.language.words import Words
from scanner.report.markdown import write_markdown
from scanner.report.sheets.xlsx import FIRST_SHEET, write_xlsx
from scanner.report.views.first_changes import total
from tests.report import sample

SEVERE = ("critical", "high")
ORDER = ("critical", "high", "medium", "low", "info")


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """A document in which some rows share a fix, one closes several endpoints, and one leaves them as they are."""
    document = sample.document(120)
    rows = [row for row in document["exposures"] if row["state"] == "open" and row["severity"]]
    for number, row in enumerate(rows):
        fix: dict[str, Any] = {"commands": [f"az close {number // 4}"], "impact": "Clients lose access."}
        if number % 4 == 0:
            fix["closes"] = [row["endpoint"]]
        elif number % 4 == 1:
            fix["after"] = {row["endpoint"]: "info"}
        elif number % 4 == 2:
            fix["after"] = {row["endpoint"]: row["severity"]}
        row["fix"] = fix | {"shared": True}
    return document


def expected(document: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return the numbers of first changes, of changes, of what the first answer, and of what is critical or high."""
    answered: dict[str, Counter[str]] = defaultdict(Counter)
    severe = 0
    for row in document["exposures"]:
        if row["state"] != "open" or not row["severity"]:
            continue
        severe += row["severity"] in SEVERE
        fix = row["fix"]
        if fix and fix.get("after", {}).get(row["endpoint"]) != row["severity"]:
            answered["\n".join((*fix.get("commands", ()), *fix.get("steps", ())))][row["severity"]] += 1
    for row in document["findings"]:
        is_lock = row["category"] in ("network", "anonymous-access", "authentication")
        if row["status"] != "fail" or (is_lock and row["endpoints"]):
            continue
        severe += row["severity"] in SEVERE
        if fix := row["fix"]:
            answered["\n".join((*fix.get("commands", ()), *fix.get("steps", ())))][row["severity"]] += 1
    first = sorted(tuple(-each[name] for name in SEVERE) for each in answered.values() if any(each[x] for x in SEVERE))
    return len(first[:10]), len(first), -sum(map(sum, first[:10])), severe


def test_every_format_names_the_same_changes(made: dict[str, Any]) -> None:
    document = sample.typed(made)
    first = count(document).first_changes()
    numbers = len(first.groups), first.changes, first.answered, first.severe
    assert numbers == expected(made)
    assert numbers[0] == 10
    said = total(first, Words())
    assert said == "10 of {:,} changes answer {:,} of {:,} critical or high endpoints and findings".format(*numbers[1:])
    page = render(document, Words())
    assert said in page
    shown = re.findall(r'<span class="first-what"><b>(.*?)</b> · <bdi>(.*?)</bdi>', page)
    endpoints = [Markup(endpoint).unescape() for _, endpoint in shown]
    assert "Impact: <bdi>Clients lose access.</bdi>" in page
    out = io.BytesIO()
    write_markdown(document, out)
    assert f"{said}." in out.getvalue().decode()
    book = io.BytesIO()
    write_xlsx(document, book)
    sheets = load_workbook(book)
    assert said in [row[1] for row in sheets["Summary"].iter_rows(values_only=True)]
    head, *rows = sheets[FIRST_SHEET].iter_rows(values_only=True)
    assert [row[head.index("Order")] for row in rows] == list(range(1, 11))
    assert [row[head.index("Endpoint")] for row in rows if row[head.index("Endpoint")]] == endpoints
    for group, row in zip(first.groups, rows, strict=True):
        assert row[head.index("Endpoints and findings")] == group.items == sum(group.by_severity.values())
        assert row[head.index("Impact")] == (group.fix.impact or None if group.fix else None)


def test_without_anything_severe_there_is_nothing_to_do_first() -> None:
    document = sample.document(40)
    for row in (*document["exposures"], *document["findings"]):
        row["severity"] = "low" if row["severity"] else None
    assert not count(sample.typed(document)).first_changes().groups
    assert "h-first" not in render(sample.typed(document), Words())
