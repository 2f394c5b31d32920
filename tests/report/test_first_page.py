"""The first page of a large report: drawn before every row is unpacked, and the same as drawn from all of them."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from scanner.document.schema import Document
from scanner.model.responsibility import RESPONSIBILITIES
from scanner.report.html import data_block
from scanner.report.html.rendering import write_html
from tests.report import sample
from tests.report.conftest import Reader
from tests.report.test_unpacking import HOLD

ROWS = "#finding-list tr.finding"
# What a reader sees of the view of findings; links to one finding come with its fingerprint.
SHOWN = """() => ["finding-tools", "finding-facets", "finding-head", "finding-list"].map((id) => {
    const copy = document.getElementById(id).cloneNode(true);
    return copy.innerHTML;
}).concat(document.title)"""
CARDS = """() => [document.getElementById("h-endpoints").parentElement, document.getElementById("endpoint-list")]
    .map((each) => each.innerHTML)"""


@pytest.fixture(scope="module")
def estate() -> Document:
    made = sample.with_history(400)
    for at, rule in enumerate(made["rules"].values()):
        rule["responsibility"] = ("", *RESPONSIBILITIES)[at % 4]
    for at, row in enumerate(row for row in made["findings"] if row["fix"]):
        row["fix"] = {**row["fix"], "tier": at % 5 == 0}
    return sample.typed(made)


@pytest.fixture(scope="module")
def large(estate: Document, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report that counts as a large one."""
    path = tmp_path_factory.mktemp("first") / "large.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_block, "LARGE", 100)
        write_html(estate, path)
    return path


@pytest.fixture
def held(reader: Reader, large: Path) -> Page:
    """A page that does not unpack the rest before `release()`."""
    page = reader.page(HOLD)
    page.goto(large.as_uri() + "#findings")
    page.wait_for_selector("#finding-table")
    return page


def release(page: Page) -> None:
    page.evaluate("release()")
    page.wait_for_selector("html[data-ready]")


def test_the_first_page_of_findings_is_that_of_all_rows(
    reader: Reader, estate: Document, held: Page, tmp_path: Path
) -> None:
    first = held.evaluate(SHOWN)
    release(held)
    assert held.evaluate(SHOWN) == first
    held.get_by_role("button", name="Severity").click()
    held.get_by_role("button", name="Severity").click()
    drawn_again = held.evaluate(SHOWN)
    write_html(estate, tmp_path / "small.html")
    small = reader.open(tmp_path / "small.html", "#findings")
    assert small.evaluate(SHOWN) == first == drawn_again


def few(failures: int, info: int, others: int) -> Document:
    """A document with so many failures above info, failures of severity info, and inconclusive or waived findings."""
    made = sample.with_history(400)
    above, below, rest = (
        [row for row in made["findings"] if row["status"] == "fail" and row["severity"] != "info"],
        [row for row in made["findings"] if row["status"] == "fail"],
        [row for row in made["findings"] if row["status"] != "fail"],
    )
    kept = above[:failures]
    below = [{**row, "severity": "info"} for row in below if row not in kept][:info]
    made["findings"] = [*kept, *below, *rest[:others]]
    return sample.typed(made)


@pytest.mark.parametrize(
    ("failures", "info", "others"), [(0, 0, 0), (3, 0, 0), (10, 100, 0), (10, 100, 60), (0, 100, 5), (45, 3, 1)]
)
def test_a_report_with_few_failures_fills_the_page_with_what_follows(
    reader: Reader, tmp_path: Path, failures: int, info: int, others: int
) -> None:
    document, path = few(failures, info, others), tmp_path / "large.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_block, "LARGE", 1)
        write_html(document, path)
    page = reader.page(HOLD)
    page.goto(path.as_uri() + "#findings")
    page.wait_for_selector("#finding-table")
    first = page.evaluate(SHOWN)
    release(page)
    assert page.evaluate(SHOWN) == first
    write_html(document, tmp_path / "small.html")
    small = reader.open(tmp_path / "small.html", "#findings")
    assert small.evaluate(SHOWN) == first
    assert page.locator("#finding-list tbody > tr").count() == 50


def test_a_line_of_failures_that_is_opened_early_has_each_of_them(reader: Reader, tmp_path: Path) -> None:
    document, path = few(2, 100, 0), tmp_path / "large.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_block, "LARGE", 1)
        write_html(document, path)
    page = reader.page(HOLD)
    page.goto(path.as_uri() + "#findings")
    counts = [
        int(line.split(" finding")[0].split()[-1])
        for line in page.locator("#finding-list tbody.group .group-line").all_inner_texts()
    ]
    count = max(counts)
    group = page.locator("#finding-list tbody.group").nth(counts.index(count))
    group.locator("button.fold").click()
    assert group.locator("tr.finding").count() == 0
    release(page)
    expect(group.locator("tr.finding")).to_have_count(count)
    assert len(set(group.locator("tr.finding").all_inner_texts())) == count > 1


def test_the_first_page_of_endpoints_is_that_of_all_rows(
    reader: Reader, estate: Document, large: Path, tmp_path: Path
) -> None:
    page = reader.page(HOLD)
    page.goto(large.as_uri() + "#endpoints")
    page.wait_for_selector("#endpoint-list button.fold")
    first = page.evaluate(CARDS)
    write_html(estate, tmp_path / "small.html")
    assert reader.open(tmp_path / "small.html", "#endpoints").evaluate(CARDS) == first
    page.locator("#endpoint-list button.fold").first.click()
    path = page.locator("#endpoint-list .exposure-details").first
    expect(path).to_be_visible()
    assert path.locator("h4 + ul, h4 + p").count() == 0
    release(page)
    assert path.locator("h4 + ul, h4 + p").count() > 0


def test_a_card_opened_early_is_completed(held: Page) -> None:
    held.locator(f"{ROWS} .open-row").first.click()
    card = held.locator("#finding-list .detail")
    expect(card).to_be_visible()
    assert card.locator("a[title] code").count() == 0
    release(held)
    assert card.locator("a[title] code").count() == 1
    expect(card).to_be_visible()


@pytest.mark.parametrize(
    ("act", "query"),
    [
        ("document.getElementById('filter').value = 'severity:high status:fail';"
         "document.getElementById('filter').dispatchEvent(new Event('input'))", "q=severity:high+status:fail"),
        ("document.querySelectorAll('.facet input')[1].click()", "q=severity:high"),
        ("document.querySelector('button[data-sort=resource]').click()", "sort=resource"),
        ("document.querySelector('button[data-sort=title]').click()", "sort=title"),
        ("document.querySelector('button[data-sort=age]').click()", "sort=age"),
        ("document.querySelector('.pager li:last-child a').click()", "p=2"),
        ("document.getElementById('group').value = 'rule';"
         "document.getElementById('group').dispatchEvent(new Event('change'))", "group=rule"),
        ("location.hash = '#findings?q=status:unknown'", "q=status:unknown"),
    ],
)  # fmt: skip
def test_what_is_asked_early_waits_and_is_answered(
    reader: Reader, held: Page, large: Path, act: str, query: str
) -> None:
    before = held.locator(f"{ROWS} .open-row").all_inner_texts()
    held.evaluate(act)
    assert held.url.endswith("#findings?" + query)
    expect(held.locator("#main")).to_have_attribute("aria-busy", "true")
    expect(held.locator("#toast")).to_have_text("The report is still being read")
    assert held.locator(f"{ROWS} .open-row").all_inner_texts() == before
    release(held)
    expect(held.locator("#main")).to_have_attribute("aria-busy", "false")
    assert held.locator("#toast").inner_text() == ""
    texts = [held.locator(".status").inner_text(), *held.locator(f"{ROWS} .open-row").all_inner_texts()]
    asked = reader.open(large, "#findings?" + query)
    assert [asked.locator(".status").inner_text(), *asked.locator(f"{ROWS} .open-row").all_inner_texts()] == texts


def test_who_goes_back_before_it_is_answered_keeps_the_page(held: Page) -> None:
    held.locator(f"{ROWS} .open-row").first.click()
    held.evaluate("location.hash = '#findings?q=status:unknown'")
    expect(held.locator("#main")).to_have_attribute("aria-busy", "true")
    held.evaluate("location.hash = '#findings'")
    expect(held.locator("#main")).to_have_attribute("aria-busy", "false")
    release(held)
    assert held.locator(ROWS).count() == 50


def test_a_hash_with_a_filter_is_answered_once_every_row_is_there(reader: Reader, large: Path) -> None:
    page = reader.page(HOLD)
    page.goto(large.as_uri() + "#findings?q=status:unknown")
    expect(page.locator("#main")).to_have_attribute("aria-busy", "true")
    assert page.locator("#finding-table").count() == 0
    release(page)
    assert set(page.locator(f"{ROWS} .c-severity").all_inner_texts()) == {"Inconclusive"}


def test_a_report_whose_rest_is_damaged_says_so(reader: Reader, large: Path, tmp_path: Path) -> None:
    text = large.read_text("utf-8")
    start = text.index('id="island-more">') + 2000
    cut = tmp_path / "cut.html"
    cut.write_text(text[:start] + text[start + 3000 :], "utf-8")
    page = reader.page()
    page.goto(cut.as_uri() + "#findings")
    page.wait_for_selector("#noscript:visible")
    assert "its data block is damaged or truncated" in page.locator("#noscript").inner_text()
    assert page.locator("#finding-list .finding").count() == 100
