"""Tests the cards that show several endpoints of one resource: which ones, and that the page draws the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from scanner.document.schema import ExposureRow, FieldRow, FixRow, May
from scanner.report.html.endpoint_cards import MOST_ROWS, first_cards
from scanner.report.language.text import effect_on_card
from scanner.report.language.words import Words
from scanner.report.views.cards import NAMED, named_endpoints
from scanner.report.views.summary import ordered_exposures, rating
from tests.report import sample
from tests.report.conftest import Reader

Make = Callable[[dict[str, Any]], Path]
FIX = FixRow(commands=["az network nsg update"], fields=[FieldRow(name="YOUR_RANGE", what="The range")], impact="One.")
ROW = {
    "resource": "/r", "endpoint": "tcp/22", "kind": "admin", "reach": "internet", "authentication": "shared",
    "severity": "high", "worst": None, "state": "open",
}  # fmt: skip
PORT = replace(sample.row(ROW), fix=FIX, breaks=FIX.impact)


def ports(count: int, **more: Any) -> list[ExposureRow]:
    """Ports of one machine that the same change closes, of which the fix of each closes itself."""
    rows = []
    for number in range(count):
        name = f"tcp/{1000 + number}"
        fix = replace(PORT.fix, closes=[name], also_closes_count=count - 1) if PORT.fix else None
        rows.append(replace(PORT, endpoint=name, title=f"Port {number}", fix=fix, **more))
    return rows


def test_ports_of_one_machine_that_one_change_closes_are_one_card() -> None:
    cards, walked = first_cards(ports(43), 20)
    assert [len(card) for card in cards] == [43]
    assert walked == 43
    assert effect_on_card(cards[0], Words()) == "Closes 43 endpoints."
    assert named_endpoints([each.endpoint for each in cards[0]], Words()) == "tcp/1000, tcp/1001, tcp/1002, 40 more"


def test_one_more_name_takes_the_place_of_the_words_for_it() -> None:
    assert named_endpoints(["a", "b", "c", "d"][: NAMED + 1], Words()) == "a, b, c, d"
    assert named_endpoints(["a", "a", "b"], Words()) == "a, b"


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "data"},
        {"reach": "selected"},
        {"authentication": "identity"},
        {"may": May(reach="internet", authentication=None)},
        {"worst": "critical"},
        {"severity": "medium"},
        {"state": "waived"},
        {"reason": "another one"},
        {"new": True},
        {"since": "2026-11-01T00:00:00Z"},
        {"resource": PORT.resource + "2"},
        {"fix": None},
        {"fix": replace(FIX, commands=["az network nsg delete"])},
        {"fix": replace(FIX, fields=[])},
        {"fix": replace(FIX, commands=[], steps=["Close it."])},
    ],
    ids="-".join,
)
def test_what_differs_in_what_a_card_says_has_a_card_of_its_own(other: dict[str, Any]) -> None:
    cards, _ = first_cards(ordered_exposures([*ports(2), replace(PORT, endpoint="tcp/9", **other)]), 20)
    assert sorted(len(card) for card in cards) == [1, 2]


def test_only_the_rows_that_decide_the_first_cards_are_looked_at() -> None:
    rows = [replace(row, resource=f"/r/{at:03}") for at in range(30) for row in ports(3)]
    cards, walked = first_cards(rows, 20)
    assert (len(cards), walked) == (20, 60)
    rows = [replace(row, reason=str(at)) for at, row in enumerate(ports(3 * MOST_ROWS))]
    assert first_cards(rows, 20)[1] == MOST_ROWS


@pytest.mark.parametrize(
    ("closes", "says"),
    [
        ([["a", "c"], ["b"]], "Closes 2 endpoints; also closes 4 others."),
        ([["a", "c"], []], "Closes 1 endpoint; also closes 5 others; leaves 1 open."),
        ([["c"], ["c"]], "Fixes one lock; the other is still open; also closes 5 others."),
        ([[], []], "Fixes one lock; the other is still open; also closes 4 others."),
    ],
)
def test_a_card_says_what_the_change_closes_of_its_endpoints(closes: list[list[str]], says: str) -> None:
    card = [
        replace(PORT, endpoint=name, fix=replace(FIX, closes=of, leaves=["d"], also_closes_count=4))
        for name, of in zip("ab", closes, strict=True)
    ]
    assert effect_on_card(card, Words()) == says


SHOWN = """(list) => [...list.querySelectorAll(".exposure")].map((card) => [
  ...card.querySelectorAll("h3 > span:last-child, .where"),
].map((each) => each.textContent.replace(/\\s+/g, " ").trim()))"""


def estate() -> dict[str, Any]:
    """The sample, with a machine of 43 ports and a store of four endpoints, one of which is not known to close."""
    made = sample.document(60)
    first = made["exposures"][0]
    for number in range(43):
        name = f"tcp/{1000 + number}"
        fix = {"commands": ["az network nic update"], "closes": [name], "also_closes_count": 42}
        row = {**first, "endpoint": name, "title": f"Port {number}", "fix": fix, "breaks": "Clients stop."}
        made["exposures"].append({**row, "fingerprint": sample.fingerprint("port", name)})
    return made


def test_the_page_draws_the_cards_that_it_was_written_with(reader: Reader, make: Make) -> None:
    made = estate()
    path = make(made)
    written = reader.page(java_script_enabled=False)
    written.goto(path.as_uri())
    page = reader.open(path, "#endpoints")
    drawn = page.locator("#endpoint-list").evaluate(SHOWN)
    assert written.locator("#endpoint-list").evaluate(SHOWN) == drawn
    assert any("and 42 more endpoints" in title for title, *_ in drawn)
    card = page.locator("#endpoint-list .exposure").filter(has_text="and 42 more endpoints")
    assert card.locator(".effect").inner_text() == "Closes 43 endpoints."
    card.locator("button.fold").click()
    others = card.locator(".exposure-details details")
    assert others.count() == 42
    others.last.locator("summary").click()
    assert others.last.locator("svg.path-drawing").count() == 1


def test_every_endpoint_is_on_one_card(reader: Reader, make: Make) -> None:
    made = estate()
    page = reader.open(make(made), "#endpoints")
    while page.locator("#endpoint-list button.more").count():
        page.locator("#endpoint-list button.more").click()
    cards, _ = first_cards(ordered_exposures(sample.typed(made).exposures), len(made["exposures"]))
    assert page.locator("#endpoint-list .exposure").count() == len(cards)
    assert sum(map(len, cards)) == len(made["exposures"])
    heading = page.locator("#h-endpoints small").inner_text().replace(",", "")
    assert heading == f"{len(made['exposures'])} of {len(made['exposures'])} endpoints"


def test_a_large_report_has_the_rows_of_its_first_cards_in_its_first_block() -> None:
    rows = ordered_exposures(sample.typed(estate()).exposures)
    cards, walked = first_cards(rows, 20)
    first = [(each.resource, rating(each)) for each in rows[:walked]]
    assert sum(map(len, cards)) <= walked
    assert first[-1] != (rows[walked].resource, rating(rows[walked]))
