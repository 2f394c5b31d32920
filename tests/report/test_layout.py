"""Nothing on the page lies over something else or is cut off, in a real browser."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from scanner.report.html.rendering import write_html
from scanner.report.language.words import Words
from tests.report import sample
from tests.report.conftest import Reader, show
from tests.report.test_map import SUB, hop, with_entries

Make = Callable[[dict[str, Any]], Path]
OVERLAPS = """([first, second, within]) => {
    const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
    const found = [];
    for (const area of document.querySelectorAll(within)) {
        const boxes = (selector) => [...area.querySelectorAll(selector)].filter((each) => each.checkVisibility())
            .map((each) => [each, each.getBoundingClientRect()]);
        for (const [one, box] of boxes(first))
            for (const [other, place] of boxes(second))
                if (one !== other && over(box, place)) found.push(`${one.textContent} / ${other.textContent}`);
    }
    return found;
}"""
MARGINS = """() => [...document.querySelectorAll('.cell b')].flatMap((each) => {
    const text = each.getBoundingClientRect(), cell = each.closest('.cell').getBoundingClientRect();
    const least = Math.min(text.left - cell.left, cell.right - text.right);
    return least < (each.className === 'digits-many' ? 1 : 3) ? [`${each.textContent}: ${least}`] : [];
})"""


def overlaps(page: Page, first: str, second: str, within: str) -> list[str]:
    """Return what lies over each other in each area of a page, by the texts of the two."""
    result: list[str] = page.evaluate(OVERLAPS, [first, second, within])
    return result


def crowded(times: int) -> dict[str, Any]:
    """Return the map's sample so many times over, so that lanes beside each other have numbers of three digits."""
    made = with_entries()
    made["exposures"] = [
        {**row, "endpoint": f"{row['endpoint']}{at or ''}"} for at in range(times) for row in made["exposures"]
    ]
    return made


def test_numbers_of_the_map_do_not_overlap(reader: Reader, make: Make) -> None:
    page = reader.open(make(crowded(30)), "#map")
    numbers = ".map-rest .map-number"
    assert sum(len(each) > 2 for each in page.locator(numbers + " text").all_text_contents()) >= 8
    assert overlaps(page, ".map-number rect", ".map-number rect", ".map-rest") == []


ENTRIES = (
    *("cdn", "front-door", "application-gateway", "api-management", "traffic-manager", "public-ip", "firewall"),
    *("load-balancer", "gateway-load-balancer", "perimeter", "private-endpoint"),
)


def through_every_entry(times: int) -> dict[str, Any]:
    """Return the map's sample, in which endpoints of each service are behind every kind of entry."""
    made = crowded(times)
    for at, row in enumerate(made["exposures"]):
        kind = ENTRIES[at % len(ENTRIES)]
        source, *_, asks, end = row["hops"]
        path = f"{SUB}/Microsoft.Network/{kind}/one"
        row["hops"] = [source, asks, end]
        if kind in ("firewall", "load-balancer", "gateway-load-balancer", "perimeter", "private-endpoint", "public-ip"):
            row["hops"] = [source, hop(kind, "one", "", path), asks, end]
        row["publishers"] = [[hop(kind, "one", "", path)]] if row["hops"][1] is asks else []
        row["admits"] = []
    return made


def test_numbers_of_ten_and_more_kinds_of_entry_do_not_overlap(reader: Reader, make: Make) -> None:
    page = reader.open(make(through_every_entry(60)), "#map")
    numbers = page.locator(".map-rest .map-number")
    sources = {"Internet", "Any Azure tenant", "Broad ranges", "Not assessed"}
    kinds = {text.split(" → ")[0] for text in numbers.locator("title").all_text_contents()} - sources
    assert sum(len(each) > 2 for each in numbers.locator("text").all_text_contents()) >= 20
    assert len(kinds) >= 10
    assert overlaps(page, ".map-number rect", ".map-number rect", ".map-rest") == []


def turned() -> dict[str, Any]:
    """Return the sample with a path whose second row begins with the authentication."""
    made = sample.document(60)
    for row in made["exposures"]:
        source, *_, asks, end = row["hops"]
        between = {"kind": "firewall", "name": "fw", "detail": "", "resource": "", "lets": True}
        row["hops"] = [source, *[between] * 5, asks, end]
    return made


def test_no_arrow_of_a_path_points_into_a_label(reader: Reader, make: Make) -> None:
    page = reader.open(make(turned()), "#endpoints")
    page.locator("#endpoint-list button.fold").first.click()
    assert page.locator(".path-drawing .bracket").count() == 2
    assert overlaps(page, ".arrow .head", ".bracket text, .bracket use", ".path-drawing") == []


def test_every_view_is_seen_in_the_bar_at_1280_with_a_history(reader: Reader, make: Make) -> None:
    made = sample.with_capacity(sample.with_keys(sample.with_places(sample.with_history(900))))
    path = make(made)
    for state in ("", "#not-assessed", "#encryption-keys", "#frameworks"):
        page = reader.open(path, state)
        assert page.locator(".bar nav a").count() == 9
        page.evaluate("document.querySelectorAll('.bar .count').forEach((each) => { each.prepend('1,2'); })")
        room = page.evaluate(
            "(() => { const n = document.querySelector('.bar nav'); return n.clientWidth - n.scrollWidth })()"
        )
        assert room >= 0, state


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_numbers_of_the_matrix_keep_off_their_frame(reader: Reader, make: Make, width: int) -> None:
    page = reader.open(make(sample.document(900)), viewport={"width": width, "height": 844})
    assert page.locator(".cell b.digits-3").count() > 0
    assert page.evaluate(MARGINS) == []
    assert overlaps(page, "b, span:not(.vh) .i", "em", ".cell") == []
    show(page, make(crowded(60)))
    many = page.locator(".cell b.digits-many")
    assert many.count() > 0
    assert page.evaluate(MARGINS) == []
    drawn = "(each) => ['', '::before'].map((part) => parseFloat(getComputedStyle(each, part || null).fontSize))"
    sizes = [max(size) for size in many.evaluate_all(f"(all) => all.map({drawn})")]
    assert min(sizes) >= (10 if width == 320 else 11.5)
    name = re.sub(r"[^\d,]+.*", "", many.first.inner_text())
    assert int(name.replace(",", "")) > 999, "the whole number is read aloud"


def test_numbers_of_four_digits_stay_on_one_line_beside_the_line_of_scans(reader: Reader, make: Make) -> None:
    page = reader.open(make(sample.with_history(200)))
    assert page.locator(".spark").is_visible()
    page.evaluate(
        "document.querySelectorAll('.by-subscription td b').forEach((each) => { each.textContent = '1,234'; })"
    )
    heights = page.locator(".by-subscription td b").evaluate_all("(all) => all.map((each) => each.offsetHeight)")
    assert heights
    assert max(heights) < 22
    assert overlaps(page, "td b", "td b, .spark", ".by-subscription") == []


@pytest.mark.parametrize("language", ["en", "nb"])
@pytest.mark.parametrize("width", [1280, 390])
def test_headers_of_findings_with_owners_do_not_overlap(
    reader: Reader, tmp_path: Path, width: int, language: str
) -> None:
    path = tmp_path / "report.html"
    write_html(sample.typed(sample.with_owners(sample.with_history(100))), path, language=language)
    for sort in ("place", "-owner"):
        page = reader.open(path, f"#findings?sort={sort}", viewport={"width": width, "height": 800})
        assert page.locator("#finding-table .c-owner").count() > 1
        assert overlaps(page, "thead button", "thead button", "#finding-table") == []
        right = "(each) => each.getBoundingClientRect().right"
        edges = f"(all) => all.map((each) => ({right})(each) - ({right})(each.parentElement))"
        assert max(page.locator("#finding-table thead button").evaluate_all(edges)) <= 0, sort


@pytest.mark.parametrize(
    ("number", "en", "nb"),
    [(999, "999", "999"), (1000, "1.0k", "1,0k"), (1299, "1.2k", "1,2k"), (12_999, "12k", "12k"),
     (999_999, "999k", "999k"), (1_250_000, "1.2M", "1,2M")],
)  # fmt: skip
def test_a_number_in_a_narrow_place(number: int, en: str, nb: str) -> None:
    assert (Words().short(number), Words("nb").short(number)) == (en, nb)
