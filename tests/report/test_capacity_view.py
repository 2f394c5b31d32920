"""The view of capacity in a real browser: its numbers, hostile names, a narrow page, and without capacity."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from scanner.report.views.capacity import Capacity, sentence
from tests.report import sample
from tests.report.conftest import Reader, accessible, scrolls_sideways, show

Make = Callable[[dict[str, Any]], Path]


def made() -> dict[str, Any]:
    return sample.with_capacity(sample.document(60))


def test_its_numbers_are_those_of_the_document(reader: Reader, make: Make) -> None:
    document = made()
    states = Counter(row["state"] for row in document["capacity"] if row["kind"] == "quota" and row.get("quota"))
    page = reader.open(make(document), "#capacity")
    lead = page.locator("#capacity .lead").inner_text()
    assert lead.startswith(f"{states.total()} quotas in use were read, {states['full']} has nothing left")
    assert "in 1 region or subscription some are not known" in lead
    first = page.locator("#capacity tbody tr").first
    assert first.locator("td").all_inner_texts() == ["1", "1", "1", "0"]
    expect(page.locator("#capacity")).to_contain_text("10 of 10 used")
    expect(page.locator("#capacity")).to_contain_text("crg/one")
    assert page.locator("#h-capacity-spread ~ .wide td").all_inner_texts() == ["3", "4", "5"]


def test_a_region_that_was_not_read_has_no_numbers(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#capacity")
    row = page.locator("#capacity tr", has_text="northeurope")
    assert row.locator("td").all_inner_texts() == ["–"] * 4
    expect(page.locator(".capacity-why")).to_contain_text("403 <i>AuthorizationFailed</i>")


def test_names_of_azure_are_text_and_links_lead_to_microsoft_alone(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#capacity")
    assert page.locator("#capacity b b, #capacity i, #capacity code b").count() == 0
    assert "\u202e" not in page.locator("#capacity").inner_text()
    links = page.locator("#capacity .capacity-list a").evaluate_all("all => all.map((each) => each.href)")
    assert links == ["https://learn.microsoft.com/azure/x"]


def test_a_check_leads_to_its_findings(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#capacity")
    page.get_by_role("link", name="In one zone").click()
    expect(page.locator("#findings")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_never_wider_than_the_window(reader: Reader, make: Make, scheme: str) -> None:
    page = reader.open(make(made()), "#capacity")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    accessible(page)
    assert scrolls_sideways(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator(".capacity-list").first).to_be_visible()
    assert scrolls_sideways(page) == []


def test_a_part_without_quotas_says_why(reader: Reader, make: Make) -> None:
    document = made()
    document["capacity"] = [row for row in document["capacity"] if row["kind"] in ("spread", "control-plane")]
    page = reader.open(make(document), "#capacity")
    expect(page.locator("#capacity")).to_contain_text("Quotas belong to whole subscriptions")
    expect(page.locator("#capacity")).to_contain_text("no capacity reservation")
    assert "near its limit" not in page.locator("#capacity").inner_text()
    assert "0 quotas" not in page.locator("#capacity").inner_text()
    assert "no quotas" in sentence(sample.typed(document))


def test_a_document_without_capacity_has_no_view(reader: Reader, make: Make) -> None:
    page = reader.open(make(sample.document(20)), "#capacity")
    assert page.locator("#capacity").count() == 0
    expect(page.locator("#endpoints")).to_be_visible()


def test_it_is_printed_alone_and_whole(reader: Reader, make: Make) -> None:
    page = reader.page()
    page.set_viewport_size({"width": 720, "height": 1000})
    show(page, make(made()), "#capacity")
    page.emulate_media(media="print")
    assert page.locator("#h-capacity-planes").is_visible()
    assert not page.locator("#endpoints").is_visible()


def test_the_least_left_is_first_and_the_sentence_has_the_numbers_of_the_view() -> None:
    document = sample.typed(made())
    capacity = Capacity.of(document.capacity)
    assert [each.state for each in capacity.quotas] == ["full", "near", "room", "unlimited", "unknown"]
    assert [each.region for each in capacity.regions()] == ["norwayeast", "northeurope", "westeurope"]
    assert len(capacity.rows) == len(document.capacity)
    assert sentence(document).startswith("4 quotas in 2 regions: 1 with nothing left, 1 with little; in 1 places")
