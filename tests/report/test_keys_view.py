"""The view of keys in a real browser: its numbers, the drawing, its list, a narrow page, and without keys."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from scanner.report.views.keys import ordered, resources, sentence, worst
from tests.report import sample
from tests.report.conftest import Reader, accessible, scrolls_sideways, show

Make = Callable[[dict[str, Any]], Path]


def made() -> dict[str, Any]:
    return sample.with_keys(sample.document(100))


def test_its_numbers_are_those_of_the_document(reader: Reader, make: Make) -> None:
    document = made()
    numbers = {
        holder: len({each["resource"] for row in document["keys"] if row["holder"] == holder for each in row["stores"]})
        for holder in ("customer", "platform", "another-tier", "unknown")
    }
    page = reader.open(make(document), "#encryption-keys")
    lead = page.locator("#encryption-keys .lead").inner_text()
    assert lead.startswith(
        f"{numbers['customer']} resources depend on 5 customer-managed keys, {numbers['platform']} use"
        f" Microsoft-managed keys, {numbers['another-tier']} need another tier for a customer-managed key, of"
    )
    cells = page.locator("#encryption-keys table td").all_inner_texts()
    assert cells[1:] == [str(numbers["platform"]), str(numbers["another-tier"]), "only <i>Premium</i> has keys"]
    assert sum(numbers.values()) == len(document["resources"])
    assert page.locator(".key-list > li").count() == 6
    assert page.locator(".key-node").count() == 5 * 3 + 3
    worst_key = page.locator(".key-list > li").first
    stores = next(row["stores"] for row in document["keys"] if row["state"] == "disabled")
    expect(worst_key).to_contain_text("Without this key")
    worst_key.locator("summary").click()
    shown = page.locator(".key-list > li", has_text="kv-1").locator(".key-stores li").count()
    assert shown == len(stores)
    assert page.locator("#encryption-keys b b, #encryption-keys i").count() == 0


def test_it_says_what_a_key_does_not_protect_against(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#encryption-keys")
    expect(page.locator(".key-truth")).to_contain_text("hypervisor Microsoft runs")
    links = page.locator(".key-truth a").evaluate_all("all => all.map((each) => each.href)")
    assert all(each.startswith("https://learn.microsoft.com/azure/") for each in links)


def test_nodes_do_not_overlap(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#encryption-keys")
    boxes = [node.bounding_box() for node in page.locator(".key-node rect").all()]
    for at, one in enumerate(boxes):
        for other in boxes[at + 1 :]:
            assert one is not None
            assert other is not None
            apart = abs(one["x"] - other["x"]) >= one["width"] - 1 or abs(one["y"] - other["y"]) >= one["height"]
            assert apart


def test_it_leads_to_the_findings(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#encryption-keys")
    page.get_by_role("link", name="All findings on encryption").click()
    expect(page.locator("#findings")).to_be_visible()
    assert page.evaluate("location.hash") == "#findings?q=category:encryption"


def test_it_is_accessible_and_never_wider_than_the_window(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#encryption-keys")
    accessible(page)
    assert scrolls_sideways(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert not page.locator(".keys-map").is_visible()
    expect(page.locator(".key-list")).to_be_visible()
    assert scrolls_sideways(page) == []


def test_a_document_without_keys_has_no_view(reader: Reader, make: Make) -> None:
    page = reader.open(make(sample.document(20)), "#encryption-keys")
    assert page.locator("#encryption-keys").count() == 0
    expect(page.locator("#endpoints")).to_be_visible()


def test_it_is_printed_alone_with_its_drawing(reader: Reader, make: Make) -> None:
    page = reader.page()
    page.set_viewport_size({"width": 720, "height": 1000})
    show(page, make(made()), "#encryption-keys")
    page.emulate_media(media="print")
    assert page.locator(".keys-map svg").first.is_visible()
    assert not page.locator("#endpoints").is_visible()


def test_keys_are_ordered_with_the_worst_first() -> None:
    document = sample.typed(made())
    rows = ordered(document.keys)
    assert [worst(row) for row in rows] == ["high", "high", "high", "unknown", "unknown", "", "", ""]
    assert {each.holder for each in rows[-2:]} == {"another-tier", "platform"}
    assert sum(len(resources(row)) for row in rows) == len(document.resources)
    assert sentence(document).endswith("it is not known.")
