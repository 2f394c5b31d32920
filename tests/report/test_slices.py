"""Filters of many rows are answered in slices: with the same rows and counts as all at once, and the last one wins."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from scanner.document.schema import Document
from scanner.report.html import rendering as html
from scanner.report.html.rendering import joined, write_html
from tests.report import sample
from tests.report.conftest import Reader

QUERIES = (
    "status:fail&group=rule",
    "severity:high&group=resource&sort=age",
    "severity:high status:fail",
    "-status:pass anonymous",
    "severity:high,low type:storage -rg:arkiv",
    "kind:data auth:shared",
    "is:other since>=2026-11-01",
    "gap:none",
    "no-such-word",
)
SHOWN = """() => ["finding-facets", "finding-head", "finding-list", "endpoint-list", "h-endpoints", "endpoint-note"]
    .map((id) => document.getElementById(id).innerHTML).concat(document.title)"""


@pytest.fixture(scope="module")
def estate() -> Document:
    return sample.typed(sample.with_history(400))


@pytest.fixture(scope="module")
def sliced(estate: Document, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report that pauses after every row."""
    path = tmp_path_factory.mktemp("slices") / "sliced.html"

    def small(names: list[str]) -> str:
        text = joined(names)
        changes = (
            ("AT_ONCE = 20000", "AT_ONCE = 0"),
            ("ROWS = 1 << 11", "ROWS = 1"),
            ("PAUSE_AFTER = 12", "PAUSE_AFTER = 0"),
        )
        for before, after in changes:
            assert before in text or "data = null" not in text
            text = text.replace(before, after)
        return text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "joined", small)
        write_html(estate, path)
    return path


def settle(page: Page, hash: str) -> None:
    """Go to a state, and wait until it is drawn."""
    page.evaluate(
        """(hash) => new Promise((done) => {
            const ids = ["finding-list", "endpoint-list"];
            const own = new MutationObserver(() => { own.disconnect(); done(); });
            for (const id of ids) own.observe(document.getElementById(id), {childList: true});
            location.hash = hash;
        })""",
        hash,
    )


@pytest.mark.parametrize("view", ["findings", "endpoints"])
def test_a_sliced_answer_is_the_whole_one(
    reader: Reader, estate: Document, sliced: Path, tmp_path: Path, view: str
) -> None:
    write_html(estate, tmp_path / "whole.html")
    pages = [reader.open(path, f"#{view}") for path in (tmp_path / "whole.html", sliced)]
    for query in QUERIES:
        shown = []
        for page in pages:
            settle(page, f"#{view}?q={query.replace(' ', '+')}")
            shown.append(page.evaluate(SHOWN))
        assert shown[0] == shown[1], query


def test_the_note_below_a_severity_is_counted_in_slices(reader: Reader, sliced: Path) -> None:
    page = reader.open(sliced, "#endpoints")
    settle(page, "#endpoints?q=status:open+severity:high")
    assert "finding" in page.locator("#endpoint-note").inner_text()


def test_the_last_of_several_filters_is_shown(reader: Reader, sliced: Path) -> None:
    page = reader.open(sliced, "#findings")
    page.evaluate(
        """() => { const field = document.getElementById("filter");
            for (const text of ["anonymous", "severity:low", "anonymous", "severity:high status:fail"]) {
                field.value = text;
                field.dispatchEvent(new Event("input"));
            } }"""
    )
    page.wait_for_function("document.querySelectorAll('#finding-list tr.finding:not(.high)').length === 0")
    last = page.locator("#finding-list").inner_html()
    asked = reader.open(sliced, "#findings?q=severity:high+status:fail")
    assert asked.locator("#finding-list").inner_html() == last
    page.locator("#filter").fill("")
    page.wait_for_function("document.querySelectorAll('#finding-list tr.finding:not(.high)').length > 0")
    assert page.evaluate("document.getElementById('main').getAttribute('aria-busy') !== 'true'")


def test_a_filter_that_is_taken_back_leaves_the_list(reader: Reader, sliced: Path) -> None:
    page = reader.open(sliced, "#findings")
    before = page.evaluate(SHOWN)
    page.evaluate(
        """() => { const field = document.getElementById("filter");
            for (const text of ["anonymous", ""]) { field.value = text; field.dispatchEvent(new Event("input")); } }"""
    )
    page.wait_for_timeout(300)
    assert page.evaluate(SHOWN) == before
