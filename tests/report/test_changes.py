"""What changed, as the report shows it: its words and numbers, and the view in a real browser."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, expect

from scanner.document.schema import TrendRow
from scanner.model.exposure import LOCKS
from scanner.report.html.rendering import render, write_html
from scanner.report.language.words import Words
from scanner.report.views.cards import first_seen
from scanner.report.views.trend import top, trend
from tests.history.changing_estate import scheduled_run
from tests.history.test_changing_estate import EXPORT, estate
from tests.report import sample
from tests.report.conftest import Reader, accessible, scrolls_sideways, show
from tests.sampled import is_all
from tests.terminals import twolocks

Make = Callable[[dict[str, Any]], Path]
LISTS = ("new", "reopened", "worse", "unseen", "fixed", "better")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return sample.with_history()


@pytest.fixture(scope="module")
def report(document: dict[str, Any], make: Make) -> Path:
    return make(document)


def section(page: Page, name: str) -> Any:
    return page.locator(f"section[aria-labelledby=h-change-{name}]")


# Words and numbers


@pytest.mark.parametrize(
    ("since", "text"),
    [
        (None, ""),
        ("2026-11-25T14:10:40Z", "First seen in this scan"),
        ("2026-11-25T02:00:00Z", "First seen on 25 November 2026"),
        ("2026-11-24T23:59:59Z", "First seen 1 day ago, on 24 November 2026"),
        ("2026-10-22T02:00:03Z", "First seen 34 days ago, on 22 October 2026"),
        ("2026-12-01T00:00:00Z", "First seen on 1 December 2026"),
        ("yesterday", "First seen on yesterday"),
    ],
)
def test_how_long_something_is_known(since: str | None, text: str) -> None:
    assert first_seen(Words(), since, "2026-11-25T14:10:40Z") == text


def headline(document: dict[str, Any]) -> str:
    match = re.search(r'id="changes".*?<h1[^>]*>(.*?)</h1>', render(sample.typed(document), Words()), re.DOTALL)
    assert match
    return match[1]


def test_the_headline_says_what_needs_action() -> None:
    document = sample.with_history(60, changed=1)
    assert headline(document) == "2 new, 1 reopened, 1 raised, 1 no longer visible since 24 November 2026, 02:00 UTC"
    document["changes"]["counts"] |= {"new": 0, "reopened": 0, "worse": 0}
    assert headline(document) == "Nothing is new, 1 no longer visible since 24 November 2026, 02:00 UTC"
    document["changes"]["counts"] |= {"unseen": 0}
    assert headline(document) == "Nothing is new since 24 November 2026, 02:00 UTC"
    assert headline(sample.baseline()) == "This is the baseline: nothing in the first scan is new"


def test_a_scan_without_changes_says_so() -> None:
    page = render(sample.typed(sample.with_history(60, changed=0)), Words())
    assert "Nothing changed. Everything that is open was open before." in page


def test_without_history_there_is_no_such_view() -> None:
    assert 'href="#changes"' not in render(sample.typed(sample.document(5)), Words())


def test_the_list_of_what_is_new_is_as_long_as_its_count(document: dict[str, Any]) -> None:
    rows = [row for row in (*document["exposures"], *document["findings"]) if row.get("new")]
    counted = [row for row in rows if "rule" not in row or row["category"] not in LOCKS]
    assert document["changes"]["counts"]["new"] == len(counted)
    assert f"<small>{len(counted)} · Open now." in render(sample.typed(document), Words())


# The trend


def drawn_trend(scans: list[dict[str, Any]]) -> dict[str, Any]:
    drawn = trend(msgspec.convert(scans, list[TrendRow]), Words())
    assert drawn
    return drawn


def columns(path: str) -> list[tuple[float, float, float]]:
    """The middle, the bottom and the top of each column."""
    matches = re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)h([\d.]+)", path)
    return [(float(left) + float(width) / 2, float(bottom), float(top)) for left, bottom, top, width in matches]


def bar(drawn: dict[str, Any], severity: str) -> list[tuple[float, float, float]]:
    return columns(next(each["path"] for each in drawn["chart"]["bars"] if each["severity"] == severity))


ZERO = dict.fromkeys(("critical", "high", "medium", "low", "info"), 0)


def test_a_scan_stands_at_its_time() -> None:
    days = [0, 1, 2, 10]
    rows = [row | {"taken": f"2026-11-{1 + day:02}T02:00:00Z"} for row, day in zip(sample.trend(4), days, strict=True)]
    drawn = drawn_trend([row | {"high": 3} for row in rows])
    assert [x for x, _, _ in bar(drawn, "high")] == pytest.approx([10 + day * 98 for day in days], abs=0.2)
    assert drawn["paused"] == "Grey: no scan from 3 November 2026 to 11 November 2026"


def test_severities_stand_on_each_other_on_one_scale() -> None:
    rows = [row | ZERO | {"critical": 5, "high": 10, "low": 20} for row in sample.trend(2)]
    drawn = drawn_trend(rows)
    assert drawn["chart"]["axis"] == ["40", "20", "0"]
    assert [bar(drawn, name)[0][1:] for name in ("critical", "high", "low")] == [
        (100, 87.5),
        (87.5, 62.5),
        (62.5, 12.5),
    ]


def test_zero_is_drawn_as_a_scan_that_saw_none() -> None:
    rows = [row | ZERO | {"critical": at % 2} for at, row in enumerate(sample.trend(6))]
    drawn = drawn_trend(rows)
    assert (len(bar(drawn, "critical")), len(columns(drawn["chart"]["zeros"]))) == (3, 3)


def test_opened_and_closed_stand_above_and_below() -> None:
    unknown = {"opened": None, "closed": None}
    assert drawn_trend([row | unknown for row in sample.trend(3)])["moves"] is None
    rows = [row | {"opened": 4 * at, "closed": at} for at, row in enumerate(sample.trend(3))]
    moves = drawn_trend(rows)["moves"]
    assert moves["axis"] == ["10", "0", "10"]
    assert [each[1:] for each in columns(moves["opened"])] == [(50, 30), (50, 10)]
    assert [each[1:] for each in columns(moves["closed"])] == [(55, 50), (60, 50)]
    assert moves["label"] == "12 opened and 3 closed in 3 scans"


@pytest.mark.parametrize(("most", "end"), [(0, 2), (2, 2), (3, 4), (5, 10), (11, 20), (350, 400), (401, 1000)])
def test_an_axis_ends_at_a_round_number(most: int, end: int) -> None:
    assert top(most) == end


@pytest.mark.parametrize("scans", [0, 1])
def test_one_scan_is_no_trend(scans: int) -> None:
    assert trend(msgspec.convert(sample.trend(scans), list[TrendRow]), Words()) is None


def test_two_scans_stand_at_the_ends() -> None:
    drawn = drawn_trend([row | {"low": 2} for row in sample.trend(2)])
    assert [x for x, _, _ in bar(drawn, "low")] == [10, 990]
    assert next(lane["range"] for lane in drawn["lanes"] if lane["look"] == "low") == "steady"


def test_scans_of_one_moment_and_a_clock_that_went_back_are_drawn() -> None:
    row = sample.trend(1)[0] | {"high": 1}
    assert bar(drawn_trend([row, row]), "high")
    back = [row, row | {"taken": "2026-11-20T02:00:00Z"}, row | {"taken": "2026-11-23T02:00:00Z"}]
    assert [x for x, _, _ in bar(drawn_trend(back), "high")][:2] == [990, 10]


def test_no_more_than_sixty_scans_are_drawn() -> None:
    drawn = trend(msgspec.convert(sample.trend(100), list[TrendRow]), Words())
    assert drawn
    assert len(drawn["table"]) == 60
    assert drawn["table"][0][0] == "2026-11-25 14:10"


# Of a scan's file


def test_what_is_new_is_in_every_format(tmp_path: Path) -> None:
    history = str(tmp_path / "history.db")
    scheduled_run(estate(), history, tmp_path)
    reported = scheduled_run(estate(EXPORT, ssh="Internet"), history, tmp_path)
    assert reported.new() == {"stjournal: blob/eksport", "vm-hopp: tcp/22"}
    outs = {suffix: tmp_path / f"again{suffix}" for suffix in (".json", ".html", ".csv", ".md", ".sarif", ".junit.xml")}
    ended = twolocks("report", tmp_path / "findings.json", *(word for out in outs.values() for word in ("--out", out)))
    assert ended.code == 0, ended.err
    text = {suffix: out.read_text("utf-8-sig") for suffix, out in outs.items()}
    assert json.loads(text[".json"]) == reported.document
    rows = list(csv.DictReader(io.StringIO(text[".csv"])))
    assert {
        f"{row['name']}: {row['endpoint']}" for row in rows if (row["record"], row["new"]) == ("exposure", "yes")
    } == (reported.new())
    assert {row["since"] for row in rows if row["new"] == "yes"} == {reported.document["scan"]["taken"]}
    assert text[".md"].count("- **new** critical `stjournal` `blob/eksport`") == 1
    assert '"baselineState":"new"' in text[".sarif"]
    assert "first seen: " in text[".junit.xml"]
    assert f"{reported.document['changes']['counts']['new']} new</b>" in text[".html"]


# The view


def test_axe_finds_nothing_and_nothing_scrolls_sideways(reader: Reader, make: Make) -> None:
    report = make(sample.with_history(60))
    page = reader.page()
    for state in ("#changes", "#changes?f=worse", "#endpoints?q=is:new", "#findings?q=is:new"):
        show(page, report, state)
        for folded in page.locator("#changes details:visible").all():
            folded.locator("summary").click()
        if state != "#changes?f=worse":  # the same page as without `f`, with another focus
            accessible(page)
        assert scrolls_sideways(page) == [], state


@pytest.mark.parametrize("made", [sample.baseline(), sample.with_history(60, changed=0, scans=2)])
def test_a_baseline_and_a_scan_without_changes(reader: Reader, make: Make, made: dict[str, Any]) -> None:
    page = reader.open(make(made), "#changes")
    accessible(page)
    assert page.locator("#changes [data-card]").count() == 0


def test_each_list_holds_what_changed(reader: Reader, report: Path, document: dict[str, Any]) -> None:
    page = reader.open(report, "#changes")
    for name in LISTS:
        counted = document["changes"]["counts"][name]
        assert section(page, name).locator("h2 small").inner_text().startswith(f"{counted} · ")
        cards = section(page, name).locator("[data-card]").count()
        others = section(page, name).locator(".exposure-summary details li").count()
        assert cards + others == counted, name
    assert (
        "Low, authentication: shared key or password, network: private network → "
        in section(page, "worse").inner_text()
    )
    assert "Critical → " in section(page, "better").inner_text()
    assert "Was: " in section(page, "fixed").inner_text()
    assert (
        "the resource no longer exists · First seen on 22 October 2026, last seen on 24 November 2026, 02:00 UTC"
        in (section(page, "fixed").inner_text())
    )
    assert "Not fixed: it is inconclusive" in section(page, "unseen").inner_text()
    assert "Open again: it was fixed before" in section(page, "reopened").inner_text()


def test_tiles_lead_to_their_lists_and_items_to_their_cards(
    reader: Reader, report: Path, document: dict[str, Any]
) -> None:
    page = reader.open(report)
    page.get_by_role("link", name="Changes 8 new").click()
    assert page.evaluate("location.hash") == "#changes"
    page.locator("a.tile.worse").click()
    expect(page.locator("#h-change-worse")).to_be_focused()
    section(page, "worse").locator("a.to-card").first.click()
    expect(page.locator("#endpoint-list .exposure")).to_have_count(1)
    page.go_back()
    section(page, "better").locator("a.to-card").first.click()
    expect(page.locator("#finding-list .finding")).to_have_count(1)
    expect(page.locator("#finding-list .detail")).to_be_visible()
    page.go_back()
    expect(page.locator("#changes")).to_be_visible()
    assert section(page, "fixed").locator("a").count() == 0


def test_keys_walk_through_what_changed(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("4")
    assert page.evaluate("location.hash") == "#changes"
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(page.locator("#toast")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == section(page, "new").locator(".cmd code").first.text_content()
    page.keyboard.press("Enter")
    expect(page.locator("#endpoint-list .exposure:visible, #finding-list .finding:visible")).to_have_count(1)


NEWS = {"new": "new", "reopened": "reopened", "worse": "raised"}


def test_what_is_new_says_so_everywhere(reader: Reader, report: Path, document: dict[str, Any]) -> None:
    exposures = sum(bool(row.get("new")) for row in document["exposures"])
    findings = sum(bool(row.get("new")) for row in document["findings"])
    page = reader.open(report)
    counts = document["changes"]["counts"]
    shown = [" ".join(text.split()) for text in page.locator(".chip[href^='#changes']").all_inner_texts()]
    assert shown == [f"{counts[name]} {word}" for name, word in NEWS.items() if counts[name]]
    page.locator(".chip[href^='#changes']").first.click()
    expect(page.locator("#changes")).to_be_visible()
    assert page.locator("nav a[href='#changes'] .count").inner_text() == f"{counts['new']} new"
    page.evaluate("location.hash = '#endpoints?q=is:new'")
    expect(page.locator("#endpoint-list .badge.new")).to_have_count(exposures)
    expect(page.locator("#endpoint-list .exposure")).to_have_count(exposures)
    assert "First seen in this scan" in page.locator("#endpoint-list .exposure").first.inner_text()
    page.evaluate("location.hash = '#findings?q=is:new'")
    expect(page.locator(".status")).to_have_text(re.compile(f"^{findings} of "))
    page.locator("#finding-list .open-row").first.click()
    assert "First seen in this scan" in page.locator("#finding-list .detail").first.inner_text()
    page.locator("#filter").fill("status:fail")
    page.get_by_role("button", name="Age", exact=True).click()
    assert page.locator("#finding-list .badge.new").count() == findings
    last = page.locator("#finding-list .finding").nth(findings)
    last.locator(".open-row").click()
    assert "First seen 34 days ago, on 22 October 2026" in page.locator("#finding-list .detail").inner_text()


def test_the_first_screen_shows_what_to_do_first_with_history_too(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    for change in page.locator(".first-changes li").all()[:3]:
        box = change.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800
    page.set_viewport_size({"width": 1000, "height": 800})
    inside = "[...document.querySelectorAll('.cell')].every(cell => cell.scrollWidth <= cell.clientWidth + 1)"
    assert page.evaluate(inside)
    old = page.locator("#endpoint-list .exposure").filter(has_text="First seen 34 days ago").first
    old.locator("button.fold").click()
    assert "First seen 34 days ago, on 22 October 2026" in old.inner_text()


def test_filters_on_history(reader: Reader, report: Path, document: dict[str, Any]) -> None:
    page = reader.open(report, "#findings")
    findings, changes = document["findings"], document["changes"]
    better = {row["fingerprint"] for row in changes["better"]}
    seen = [row for row in findings if row.get("since")]
    expected = {
        "is:new": sum(bool(row.get("new")) for row in findings),
        "since:2026-10-22": sum(row["since"].startswith("2026-10-22") for row in seen),
        "since:2026-10,2026-11": len(seen),
        "since:2025": 0,
        "since>=2026-11-01": sum(row["since"] >= "2026-11-01" for row in seen),
        "since<=2026-10-22": sum(row["since"][:10] <= "2026-10-22" for row in seen),
        "since<=2026-11": len(seen),
        "-since:2026": len(findings) - len(seen),
        "is:better": sum(row["fingerprint"] in better for row in findings),
        "is:first": 0,
        "is:constructor": 0,
    }
    for query, count in expected.items():
        page.locator("#filter").fill("status:fail,unknown,error,waived " + query)
        assert page.locator(".status").inner_text().startswith(f"{count} of "), query
    for name in ("new", "reopened", "worse"):
        show(page, report, f"#endpoints?q=is:{name}")
        rows = changes[name] if name != "new" else [row for row in document["exposures"] if row.get("new")]
        assert page.locator("#h-endpoints small").inner_text().startswith(f"{len(rows)} endpoint"), name
    assert "since>=2026-11-25" in page.locator("#filter-help").inner_text()


def test_at_the_baseline_all_is_seen_for_the_first_time(reader: Reader, make: Make) -> None:
    made = sample.baseline()
    page = reader.open(make(made), "#findings?q=is:first")
    seen = sum("since" in row for row in made["findings"])
    assert page.locator(".status").inner_text().startswith(f"{seen} of ")
    assert page.locator(".badge.new").count() == 0


def test_dates_are_written_alike_in_both_languages(reader: Reader) -> None:
    days = [(date(2026, 1, 5) + timedelta(days=31 * month)).isoformat() for month in range(12)]
    source = (Path(__file__).parents[2] / "templates" / "report" / "words.js").read_text("utf-8")
    script = f"(days) => {{ {source}; useWords({{lang: 'en', words: {{}}}}); return days.map(date); }}"
    written = reader.page().evaluate(script, [*days, "yesterday"])
    assert written == [Words().date(day) for day in (*days, "yesterday")]


def test_hostile_names_are_text_here_too(reader: Reader, report: Path) -> None:
    page = reader.open(report, "#changes")
    assert page.evaluate("document.querySelectorAll('img, iframe, object, [onload], [onerror], script').length") == 2
    assert set(page.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href')[0])")) == {"#"}
    assert page.locator("#changes .hid").count() > 0
    assert "alert(1)" in page.locator("#changes .note").inner_text()


def test_without_scripts_changes_follow_the_endpoints(reader: Reader, report: Path) -> None:
    page = reader.page(java_script_enabled=False)
    page.goto(report.as_uri())
    assert [view.get_attribute("id") for view in page.locator(".view:visible").all()] == [
        "endpoints",
        "endpoint-view",
        "changes",
        "findings",
        "not-assessed",
        "frameworks",
    ]
    assert page.locator("#changes button:visible, #changes a.to-card:visible").count() == 0
    page.get_by_text("The trend in numbers").click()
    assert page.locator("#changes tbody tr").count() == 40
    text = page.locator("#changes").get_by_role("img").first.get_attribute("aria-label") or ""
    assert re.fullmatch(
        r"Open at each scan: \d+ now, between \d+ and \d+ from \d+ October 2026 to 25 November 2026", text
    )


def test_on_paper_changes_follow_the_endpoints(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    assert not page.locator("#changes").is_visible()
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    tops = [page.locator(each).bounding_box() for each in ("#h-endpoints", "#changes h1")]
    assert [box["y"] for box in tops if box] == sorted(box["y"] for box in tops if box)
    assert all(tops)
    assert not page.locator("details.numbers").is_visible()
    assert page.locator("#changes .go:visible").count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    show(page, report, "#changes")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.numbers table").is_visible()
    assert not page.locator("#h-endpoints").is_visible()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("#changes details[open]").count() == 0


def test_many_findings_are_small_and_usable(reader: Reader, tmp_path: Path) -> None:
    """A page draws a part of them, however many there are: `make test-all` has 50,000."""
    count = 50_000 if is_all() else 10_000
    made = sample.with_history(count, scans=60, changed=3000)
    path = tmp_path / "big.html"
    write_html(sample.typed(made), path)
    assert path.stat().st_size <= 160 * count
    page = reader.page()
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", timeout=5000)
    page.evaluate("location.hash = '#changes'")
    page.wait_for_selector("#changes.current")
    assert section(page, "new").locator("[data-card]").count() <= 200
    assert f"{'5,800' if is_all() else '4,965'} more:" in section(page, "new").inner_text()
    page.evaluate("location.hash = '#findings'")
    page.wait_for_selector("#findings.current")
    for query in ("kart status:fail", "is:new since>=2026-11-01", "is:better status:fail"):
        page.locator("#filter").fill(query)
        expect(page.locator(".status")).to_have_text(re.compile(r"^[\d,]+ of "))
        assert page.locator("#finding-list .finding").count() == 50
