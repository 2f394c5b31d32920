"""The view of frameworks: its numbers are those of the document, and lead to the findings that they count."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from playwright.sync_api import Page, expect

from scanner.document.framework_rows import NotAssessed
from scanner.evaluate.frameworks import assessed, tally_of
from scanner.evaluate.rows import rule_row
from scanner.model.framework import NOT_TESTABLE
from scanner.model.message import message_text
from scanner.report.sheets.workbook_rows import control_rows
from scanner.report.views.frameworks import WORDS, framework_block
from scanner.rulebook.loader import load
from tests.report import sample
from tests.report.conftest import Reader, accessible, drawn, show

Make = Callable[[dict[str, Any]], Path]
RULES = load(packages=False)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """A document with the rules of the product, whose findings are theirs, and its frameworks."""
    document = sample.document(600)
    names = dict(zip(document["rules"], RULES.enabled, strict=False))
    document["rules"] = {
        names.get(id, id): msgspec.to_builtins(rule_row(RULES.questions()[names[id]]), enc_hook=message_text)
        if id in names
        else row
        for id, row in document["rules"].items()
    }
    for row in document["findings"]:
        row["rule"] = names.get(row["rule"], row["rule"])
        row["category"] = document["rules"][row["rule"]]["category"] if row["rule"] in document["rules"] else "network"
    document["passed"] = {id: [names.get(each, each) for each in rules] for id, rules in document["passed"].items()}
    typed = sample.typed(document)
    document["frameworks"] = msgspec.to_builtins(assessed(RULES, tally_of(typed), typed.coverage))
    return document


def number(text: str) -> int:
    match = re.search(r"[\d,]+", text)
    assert match is not None
    return int(match[0].replace(",", ""))


def test_a_document_in_another_order_is_shown_in_that_of_every_list(
    made: dict[str, Any], reader: Reader, make: Make
) -> None:
    typed = sample.typed({**made, "frameworks": made["frameworks"][::-1]})
    order = [each["id"] for each in made["frameworks"]]
    assert order[:2] == ["nsm-2.0", "cis-azure-6.0"]
    assert list(dict.fromkeys(row["framework"] for row in control_rows(typed)))[:2] == ["NSM 2.0", "CIS Azure 6.0.0"]
    page = reader.open(make({**made, "frameworks": made["frameworks"][::-1]}), "#frameworks")
    ids = "[...document.querySelectorAll('button[data-framework]')].map((each) => each.dataset.framework)"
    assert page.evaluate(ids) == order


def test_each_framework_shows_its_controls_by_state(made: dict[str, Any], reader: Reader, make: Make) -> None:
    page = reader.open(make(made), "#frameworks")
    for row in made["frameworks"]:
        states = page.locator(f'[id="framework-{row["id"]}"] .framework-states b').all_inner_texts()
        assert [number(each) for each in states] == list(row["states"].values())
    page.locator('button[data-framework="nis2"]').click()
    drawn(page)
    assert page.locator("#controls-nis2 tbody th[scope=row]").count() == 12
    assert "f=nis2" in page.url
    page.locator("#framework-nis2 .framework-states a").nth(3).click()
    drawn(page)
    assert page.locator("#controls-nis2 tbody th[scope=row]").count() == 6


def test_each_number_leads_to_the_findings_that_it_counts(made: dict[str, Any], reader: Reader, make: Make) -> None:
    page = reader.open(make(made), "#frameworks?f=nist-800-53-r5&q=failed")
    links = page.locator(".controls td a").evaluate_all("(all) => all.map((each) => [each.hash, each.textContent])")
    assert links
    for link, text in links[:20]:
        assert findings(page, link) == number(text), link


def test_whose_job_the_findings_are(made: dict[str, Any], reader: Reader, make: Make) -> None:
    page = reader.open(make(made), "#frameworks")
    links = page.locator("#h-responsibility ~ details a").evaluate_all(
        "(all) => all.map((e) => [e.hash, e.textContent])"
    )
    assert links
    for link, text in links:
        assert findings(page, link) == number(text), link


def findings(page: Page, link: str) -> int:
    """Return how many findings a link shows."""
    page.evaluate("(link) => { location.hash = link; }", link)
    drawn(page)
    expect(page.locator("#findings")).to_be_visible()
    return number(page.locator("#finding-head").inner_text())


def test_axe_finds_nothing(made: dict[str, Any], reader: Reader, make: Make) -> None:
    page = reader.open(make(made), "#frameworks?f=nsm-2.0")
    accessible(page)
    show(page, make(sample.clean()), "#frameworks")
    expect(page.locator("#frameworks .nothing")).to_be_visible()
    accessible(page)


def test_every_reason_has_a_word() -> None:
    assert set(WORDS) == {*NOT_TESTABLE, *get_args(NotAssessed)} - {""}


def test_the_norwegian_report_has_norwegian_titles(made: dict[str, Any]) -> None:
    blocks = {language: framework_block(sample.typed(made), language) for language in ("en", "nb")}
    for english, norwegian in zip(blocks["en"], blocks["nb"], strict=True):
        assert english["controls"]
        assert [each[0] for each in english["controls"]] == [each[0] for each in norwegian["controls"]]
        same = [each[0] for each in english["controls"] if each in norwegian["controls"]]
        assert len(same) < len(english["controls"]) / 10, (english["id"], same)
