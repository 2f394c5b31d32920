"""The report on paper, as Chromium prints it: the first page for managers, the order, names and numbers of pages."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize

from tests.report import sample
from tests.report.conftest import Reader

Make = Callable[[dict[str, Any]], Path]
A4: ViewportSize = {"width": 703, "height": 1000}
ROOM = 297 * 96 / 25.4 - (13 + 15) * 96 / 25.4
"""The height of what is printed on one page of A4, in CSS pixels."""


def owned() -> dict[str, Any]:
    made = sample.with_history(400)
    made["scan"]["owner_tag"] = "eier"
    return made


def on_paper(page: Page) -> Page:
    page.emulate_media(media="print", color_scheme="dark")
    return page


def test_the_first_page_is_for_managers_and_fits(reader: Reader, make: Make) -> None:
    page = on_paper(reader.open(make(owned()), viewport=A4))
    for selector in (".print-title", "#endpoints h1", ".matrix", ".print-worst", "#endpoints .not-assessed"):
        box = page.locator(selector).bounding_box()
        assert box is not None, selector
        assert box["y"] + box["height"] <= ROOM, selector
    title = page.locator(".print-title").inner_text()
    assert "Scan of 25 November 2026, 14:10 UTC" in title
    assert "felles-plattform, prod-innbygger, test-innbygger" in title
    worst = page.locator(".print-worst tbody tr")
    assert worst.count() == 5
    assert all(text.startswith("Critical") and text.endswith("plattform") for text in worst.all_inner_texts())
    tint = page.locator("a.cell.critical").first.evaluate("(cell) => getComputedStyle(cell).backgroundColor")
    assert tint == "rgb(251, 221, 230)"


def test_without_an_owner_tag_there_is_no_column_for_it(reader: Reader, make: Make) -> None:
    page = on_paper(reader.open(make(sample.document(60)), viewport=A4))
    assert page.locator(".print-worst th").count() == 3
    page.emulate_media(media="screen")
    assert page.locator(".on-paper:visible").count() == 0


def test_endpoints_come_before_changes_with_and_without_scripts(reader: Reader, make: Make) -> None:
    report = make(owned())
    for scripts in (True, False):
        page = reader.page(java_script_enabled=scripts, viewport=A4)
        page.goto(report.as_uri())
        if scripts:
            page.wait_for_selector("html[data-ready]", timeout=20_000)
        tops = [
            box["y"]
            for box in (
                on_paper(page).locator(f"#{id}").bounding_box() for id in ("endpoints", "endpoint-view", "changes")
            )
            if box
        ]
        assert len(tops) == 3
        assert tops == sorted(tops)


def test_each_page_has_its_number_and_nothing_is_cut(reader: Reader, make: Make) -> None:
    page = reader.open(make(owned()))
    pdf = page.pdf(prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert pages > 3
    assert re.search(rb"/MediaBox\s*\[0 0 59[45]\.\d+ 84[12]\.\d+\]", pdf)
    assert re.search(r"@bottom-right\{content: counter\(page\)", page.content())
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.set_viewport_size(A4)
    on_paper(page)
    cut = """() => [...document.querySelectorAll('.cmd code')]
        .filter((each) => each.clientWidth && each.scrollWidth > each.clientWidth + 1).length"""
    wide = "() => document.documentElement.scrollWidth > innerWidth"
    assert page.evaluate(cut) == 0
    assert not page.evaluate(wide)


def test_references_print_as_addresses_and_what_only_leads_on_does_not_print(reader: Reader, make: Make) -> None:
    """The link to the portal stood on paper as "Open stpost in the Azure portal", and the references were folded."""
    made = owned()
    finding = next(row for row in made["findings"] if row["status"] == "fail")
    page = reader.open(make(made), f"#findings?f={finding['fingerprint']}")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    on_paper(page)
    card = page.locator(".body").first
    assert card.get_by_text(finding["resource"], exact=True).first.is_visible()
    links = card.locator("a:visible")
    assert [text for text in links.all_inner_texts() if "portal" in text] == []
    assert any(text.startswith("https://learn.microsoft.com/") for text in links.all_inner_texts())
    underlined = "(links) => links.filter((a) => getComputedStyle(a).textDecorationLine !== 'none').length"
    assert page.locator("a:visible").evaluate_all(underlined) == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator(".body details[open]").count() == 0
