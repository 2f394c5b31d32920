"""The view of places in a real browser: its numbers, the drawing, its list, a narrow page, and without places."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from scanner.report.html.places_view import SIDE
from scanner.report.views.places import groups, sentence
from tests.report import sample
from tests.report.conftest import Reader, accessible, scrolls_sideways, show

Make = Callable[[dict[str, Any]], Path]


def made() -> dict[str, Any]:
    return sample.with_places(sample.document(100))


def test_its_numbers_are_those_of_the_document(reader: Reader, make: Make) -> None:
    document = made()
    counts = Counter("accepted" if "waiver" in row else row["verdict"] for row in document["places"])
    page = reader.open(make(document), "#places")
    lead = page.locator("#places .lead + p").inner_text()
    assert lead.startswith(
        f"{counts['may-leave']} may leave, {counts['unknown']} are unknown, "
        f"{counts['stays']} resources and copies stay by configuration, {counts['accepted']} "
    )
    assert page.locator("#places .leaving > li").count() == len(document["places"]) - counts["stays"]
    regions = {row["region"] for row in document["places"]}
    assert page.locator(".place-node").count() == page.locator(".places-table tbody tr").count() == len(regions)
    assert page.locator(".place-node", has_text="westeurope").get_attribute("class") == "place-node high"
    assert page.locator(".place-node", has_text="any region").count() == 1
    assert "the setting residency.scope of <i>prod" in page.locator("#places").inner_text()
    assert page.locator("#places b b, #places i").count() == 0
    cells = page.locator(".places-table tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.querySelectorAll('td')].slice(1).map((cell) => Number(cell.textContent)))"
    )
    sums = [sum(column) for column in zip(*cells, strict=True)]
    assert sums == [counts[each] for each in ("may-leave", "unknown", "stays", "accepted")]


def test_nodes_do_not_overlap(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#places")
    boxes = [node.bounding_box() for node in page.locator(".place-node rect").all()]
    for at, one in enumerate(boxes):
        for other in boxes[at + 1 :]:
            assert one is not None
            assert other is not None
            apart = abs(one["x"] - other["x"]) >= one["width"] or abs(one["y"] - other["y"]) >= one["height"]
            assert apart


def test_lines_to_the_column_end_at_its_edge_and_never_run_behind_its_boxes(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#places")
    lines = page.locator(".place-edge").evaluate_all(
        """(all) => all.flatMap((each) => [0, 0.25, 0.5, 0.75, 1].map((share) =>
            each.getPointAtLength(share * each.getTotalLength()).x))"""
    )
    assert lines
    assert max(lines) <= SIDE


def test_the_drawing_is_on_paper(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#places")
    page.set_viewport_size({"width": 720, "height": 1000})
    assert not page.locator(".places-map").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".places-map").is_visible()


def test_it_leads_to_the_findings(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#places")
    page.get_by_role("link", name="All findings on residency").click()
    expect(page.locator("#findings")).to_be_visible()
    assert page.evaluate("location.hash") == "#findings?q=category:residency"


def test_it_is_accessible_and_never_wider_than_the_window(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#places")
    accessible(page)
    assert scrolls_sideways(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert not page.locator(".places-map").is_visible()
    expect(page.locator(".places-table")).to_be_visible()


def test_a_phone_shows_every_word_and_number_of_the_table(reader: Reader, make: Make) -> None:
    page = reader.open(make(made()), "#places")
    page.set_viewport_size({"width": 390, "height": 844})
    cut = """(() => { const box = document.querySelector(".wide:has(.places-table)");
        return [box.scrollWidth - box.clientWidth, box.scrollHeight - box.clientHeight]; })()"""
    assert page.evaluate(cut) == [0, 0]
    edge = """(() => { const card = document.querySelector(".panel:has(.places-table)").getBoundingClientRect();
        return [...document.querySelectorAll(".places-table :is(th, td)")]
            .filter((each) => each.getBoundingClientRect().right > card.right).length; })()"""
    assert page.evaluate(edge) == 0


def test_a_document_without_places_has_no_view(reader: Reader, make: Make) -> None:
    page = reader.open(make(sample.document(20)), "#places")
    assert page.locator("#places").count() == 0
    expect(page.locator("#endpoints")).to_be_visible()


def test_it_is_printed_alone(reader: Reader, make: Make) -> None:
    page = reader.page()
    show(page, make(made()), "#places")
    page.emulate_media(media="print")
    assert page.locator(".places-map svg").first.is_visible()
    assert not page.locator("#endpoints").is_visible()


def test_places_are_grouped_with_what_may_leave_first() -> None:
    document = sample.typed(made())
    matches = groups(document.places)
    verdicts = [group.verdict for group in matches]
    assert verdicts == sorted(verdicts, key=("may-leave", "unknown", "stays").index)
    assert sum(len(rows) for group in matches for rows in group.rows.values()) == len(document.places)
    assert f". {len(document.places)} resources and copies: " in sentence(document)
