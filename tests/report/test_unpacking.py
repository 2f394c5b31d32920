"""How the page unpacks its data: what is usable before fingerprints are read, and what a damaged file says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.report import sample
from tests.report.conftest import Reader

# The page waits for the end of the document before it reads fingerprints. This holds that end back.
HOLD = """
const add = document.addEventListener.bind(document), held = [];
Object.defineProperty(document, "readyState", {get: () => "loading"});
document.addEventListener = (name, act, more) => (name === "DOMContentLoaded" ? held.push(act) : add(name, act, more));
window.release = () => held.forEach((act) => act());
"""


@pytest.fixture
def held(reader: Reader, report: Path) -> Page:
    """The view of findings, whose fingerprints are not read before `release()`."""
    page = reader.page(HOLD)
    page.goto(report.as_uri() + "#findings?q=status:fail")
    page.wait_for_selector("#finding-table")
    return page


def test_filters_and_rows_work_before_fingerprints_are_read(held: Page) -> None:
    assert held.evaluate("document.documentElement.dataset.ready") is None
    held.locator("#filter").fill("status:fail severity:high")
    expect(held.locator("#finding-list .finding.high").first).to_be_visible()
    assert held.locator("#finding-list .finding:not(.high)").count() == 0
    held.locator("#finding-list .open-row").first.click()
    permalink = held.locator(".body a[title]").filter(has=held.locator("code"))
    assert permalink.count() == 0
    held.evaluate("release()")
    held.wait_for_selector("html[data-ready]")
    assert permalink.count() == 1


def test_what_asks_for_fingerprints_is_answered_once_they_are_read(held: Page, document: dict[str, Any]) -> None:
    mark = next(row["fingerprint"] for row in document["findings"] if row["status"] == "fail")
    held.evaluate("(mark) => { location.hash = '#findings?f=' + mark; }", mark)
    assert held.locator("#finding-list .finding").count() > 1
    held.evaluate("release()")
    held.wait_for_selector("html[data-ready]")
    expect(held.locator("#finding-list .finding")).to_have_count(1)
    assert mark in held.locator("#finding-list").inner_text()


@pytest.mark.parametrize(("island", "at", "size"), [("island", 3000, 5000), ("island-more", 200, 300)])
def test_a_damaged_file_says_why_and_keeps_the_summary(
    reader: Reader, make: Callable[[dict[str, Any]], Path], tmp_path: Path, island: str, at: int, size: int
) -> None:
    text = make(sample.document(300)).read_text("utf-8")
    start = text.index(f'id="{island}">') + at
    cut = tmp_path / "cut.html"
    cut.write_text(text[:start] + text[start + size :], "utf-8")
    page = reader.page()
    page.goto(cut.as_uri() + "#findings")
    page.wait_for_selector("#noscript:visible")
    assert "its data block is damaged or truncated" in page.locator("#noscript").inner_text()
    assert page.locator(".view:visible").count() == 5
    assert page.locator("#finding-list .finding").count() == 100


def test_a_file_that_ends_early_says_so(reader: Reader, report: Path, tmp_path: Path) -> None:
    text = report.read_text("utf-8")
    cut = tmp_path / "cut.html"
    cut.write_text(text[: text.index('<script type="application/octet-stream" id="island-more">')], "utf-8")
    page = reader.page()
    page.goto(cut.as_uri())
    page.wait_for_selector("#noscript:visible")
    assert "its data block is damaged or truncated" in page.locator("#noscript").inner_text()
