"""The first screen in a real browser: its numbers, links and keys; the legend; the title of the page."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from playwright.sync_api import Page, expect

from scanner.evaluate.counts import Counts, count
from scanner.report.html.first_screen import OpenBySubscription, by_subscription, severity_bar
from scanner.report.language.words import Words
from tests.report import sample
from tests.report.conftest import Reader, drawn, scrolls_sideways, show

Make = Callable[[dict[str, Any]], Path]


@pytest.fixture(scope="module")
def history() -> dict[str, Any]:
    return sample.with_history(200)


@pytest.fixture(scope="module")
def with_history(make: Make, history: dict[str, Any]) -> Path:
    return make(history)


def counted(page: Page, selector: str) -> int:
    """The first number of a text, 0 for an empty one."""
    return int((re.findall(r"[\d,]+", page.locator(selector).inner_text()) or ["0"])[0].replace(",", ""))


def test_the_severity_bar_counts_what_its_links_show(reader: Reader, report: Path, document: dict[str, Any]) -> None:
    page = reader.open(report)
    links = page.locator(".severity-bar a")
    expected = {name: n for name, n in count(sample.typed(document)).by_severity.items() if n}
    shown = dict(text.lower().split(":")[0].split()[::-1] for text in links.all_text_contents())
    assert {name: int(n.replace(",", "")) for name, n in shown.items()} == expected
    for at, (name, total) in enumerate(expected.items()):
        show(page, report)
        links.nth(at).click()
        drawn(page)
        if page.evaluate("location.hash").startswith("#findings"):
            assert counted(page, ".status") == total, name
        else:
            endpoints, others = counted(page, "#h-endpoints small"), counted(page, "#endpoint-note")
            assert endpoints + others == total, name
            if others:
                page.get_by_role("link", name="show", exact=True).click()
                drawn(page)
                assert counted(page, ".status") == others


@pytest.mark.parametrize(
    "open_counts", [{"critical": 1}, {"critical": 1, "info": 5000}, {"high": 3, "low": 3}, {}], ids=str
)
def test_the_bar_is_full_and_each_part_is_seen(open_counts: dict[str, int]) -> None:
    bar = severity_bar(Counts(open=Counter(open_counts)), Words())
    assert bar["total"] == sum(open_counts.values())
    assert all(segment["width"] >= 14 for segment in bar["parts"])
    ends = [segment["x"] + segment["width"] for segment in bar["parts"]]
    assert all(950 < end <= 1000 for end in ends[-1:])


def test_exposure_by_subscription_counts_and_filters(reader: Reader, report: Path, document: dict[str, Any]) -> None:
    page = reader.open(report)
    rows = page.locator(".by-subscription tbody tr")
    exposures = [row for row in document["exposures"] if row["state"] == "open" and row["severity"]]
    result: Counter[str] = Counter(sample.SUBSCRIPTIONS[row["resource"].split("/")[2]] for row in exposures)
    assert rows.count() == len(result)
    for at in range(rows.count()):
        name = rows.nth(at).get_by_role("link").inner_text()
        numbers = [int(text.replace(",", "")) for text in rows.nth(at).locator("td").all_inner_texts()]
        assert sum(numbers) == result[name]
        rows.nth(at).get_by_role("link").click()
        expect(page.locator("#h-endpoints small")).to_have_text(re.compile(f"^{result[name]} endpoints?: .*{name}"))


def test_subscriptions_of_one_name_and_with_spaces_are_filtered_apart() -> None:
    document = sample.document(60, hostile=False)
    for scope, name in zip(document["coverage"]["scopes"], ("same", "same", "with, a comma"), strict=True):
        scope["name"] = name
    made, opened = sample.typed(document), OpenBySubscription()
    for row in made.exposures:
        opened.add(row)
    result = by_subscription(made, Words(), opened)
    queries = [unquote_plus(row["href"].partition("q=")[2]) for row in result["rows"]]
    ids = [f"status:open sub:={key}" for key in list(sample.SUBSCRIPTIONS)[:2]]
    assert sorted(queries) == sorted(['status:open sub:"=with, a comma"', *ids])


def test_the_line_of_the_last_scans(reader: Reader, with_history: Path, report: Path) -> None:
    page = reader.open(with_history)
    line = page.get_by_role("img", name=re.compile("^Open endpoints and other failed findings: "))
    assert line.is_visible()
    assert len((page.locator(".spark-line").get_attribute("d") or "").split("L")) == 30
    show(page, report)
    assert page.locator(".spark").count() == 0


@pytest.mark.parametrize("name", ["report", "with_history"])
def test_the_first_copy_button_is_within_fifteen_tabs(
    reader: Reader, request: pytest.FixtureRequest, name: str
) -> None:
    page = reader.open(request.getfixturevalue(name))
    for _ in range(15):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('copy')"):
            break
    assert page.evaluate("document.activeElement.classList.contains('copy')")


def test_the_matrix_is_one_stop_and_arrows_move_in_it(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    cells = page.locator("a.cell")
    assert page.locator("a.cell[tabindex='0']").count() == 1
    cells.first.focus()
    page.keyboard.press("ArrowRight")
    expect(cells.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(cells.last).to_be_focused()
    page.keyboard.press("ArrowUp")
    above = page.evaluate("document.activeElement.closest('tr').rowIndex")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('tr').rowIndex") > above
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(cells.first).to_have_attribute("aria-current", "true")


def test_the_title_of_the_page_follows_the_view(reader: Reader, with_history: Path, history: dict[str, Any]) -> None:
    page = reader.open(with_history)
    assert page.title().startswith("Endpoints · Twolocks: ")
    for key, name in (("2", "Findings"), ("3", "Not assessed"), ("4", "Changes")):
        page.keyboard.press(key)
        expect(page).to_have_title(re.compile(f"^{name} · Twolocks: "))
    page.keyboard.press("2")
    page.locator("#filter").fill("status:fail")
    expect(page).to_have_title(re.compile(r"^Findings \(status:fail\) · "))
    finding = history["findings"][0]
    show(page, with_history, f"#findings?f={finding['fingerprint']}")
    expect(page).to_have_title(re.compile(" - .* · Twolocks: "))


def test_the_legend_explains_every_row_column_and_severity(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    page.get_by_role("button", name="Legend").focus()
    page.keyboard.press("Enter")
    legend = page.get_by_role("dialog", name="How to read this report")
    assert legend.is_visible()
    terms = legend.locator("dt").all_inner_texts()
    headers = page.locator(".matrix thead th span:not(.vh), .matrix tbody th").all_text_contents()
    assert set(headers) <= set(terms)
    assert {"open", "not assessed", "waived", "intended", "closed", "not fully assessed"} <= {
        each.strip() for each in terms
    }
    shown = {each.strip() for each in legend.locator(".severity-table .badge").all_inner_texts()}
    assert shown == {"Critical", "High", "Medium", "Low", "Closed"}
    page.keyboard.press("1")
    assert legend.is_visible(), "keys of the page do nothing in a dialog"
    page.keyboard.press("Escape")
    assert not legend.is_visible()


@pytest.fixture(scope="module")
def owned() -> dict[str, Any]:
    return sample.with_owners(sample.document(400))


def test_owners_and_dates_are_on_the_first_screen(reader: Reader, make: Make, owned: dict[str, Any]) -> None:
    page = reader.open(make(owned))
    shown = [page.locator(".due"), *page.locator(".first-changes li").all()[:5]]
    bottoms = [box["y"] + box["height"] for each in shown if (box := each.bounding_box())]
    assert len(bottoms) == 6
    assert max(bottoms) <= 800
    assert page.locator(".due li").count() == 5 + 3
    assert page.locator(".due :is(i, b b)").count() == 0
    counts = count(sample.typed(owned)).by_severity
    for severity in ("critical", "high"):
        numbers = page.locator(f".due .sev.{severity}").all_inner_texts()
        assert sum(int(each.split()[0]) for each in numbers) == counts[severity]


def test_a_phone_shows_what_was_not_assessed_before_owners(reader: Reader, make: Make, owned: dict[str, Any]) -> None:
    page = reader.open(make(owned), viewport={"width": 390, "height": 844})
    gap, due = page.locator(".not-assessed h2").bounding_box(), page.locator(".due").bounding_box()
    assert gap is not None
    assert due is not None
    assert gap["y"] + gap["height"] <= 844 < due["y"]
    assert scrolls_sideways(page) == []


def test_a_date_leads_to_what_is_accepted_until_then(reader: Reader, make: Make, owned: dict[str, Any]) -> None:
    path = make(owned)
    page = reader.open(path)
    ends = Counter(row["waiver"]["expires"] for row in owned["findings"] if row.get("waiver"))
    days = [day for day in sorted(ends) if day < "2026-12-25"]
    links = page.locator(".due a")
    assert links.count() == len(days) == 3
    for at, day in enumerate(days):
        show(page, path)
        text = page.locator(".due ul[data-roving] li").nth(at).inner_text()
        assert f" {ends[day]} finding" in text
        links.nth(at).click()
        drawn(page)
        assert counted(page, ".status") == ends[day]
        assert page.evaluate("location.hash") == f"#findings?q=expires:{day}"
    for query, kept in (
        ("expires<=2026-12-15", lambda day: day <= "2026-12-15"),
        ("expires>=2026-12-24", lambda day: day >= "2026-12-24"),
        ("expires:2026-12,2027-11", lambda _: True),
        ("is:waived expires:2026-12", lambda _: False),
    ):
        show(page, path, f"#findings?q={query}")
        drawn(page)
        assert counted(page, ".status") == sum(n for day, n in ends.items() if kept(day)), query
