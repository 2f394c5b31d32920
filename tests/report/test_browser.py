"""The report in a real browser, offline: what is seen, what keys and links do, what a machine says of it."""

import re
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from scanner.report.html.endpoint_cards import first_cards
from scanner.report.language.words import Words
from scanner.report.views.summary import matrix, matrix_column, matrix_row, ordered_exposures
from scanner.text.invisible import INVISIBLE
from tests.report import oracle, sample
from tests.report.conftest import (
    ALLOWED,
    CONTRAST,
    FLAGS,
    FULL_CHROMIUM,
    Reader,
    accessible,
    contrast,
    outside_links,
    scrolls_sideways,
    show,
    show_finding,
    violations,
)

Make = Callable[[dict[str, Any]], Path]
EACH_KIND_OF_CARD = [
    "#endpoints",
    "#findings?q=severity:critical,low",
    "#findings?q=-status:fail,pass",
    "#findings?q=rule:kv-network",
    "#findings?q=rule:kv&group=rule",
    "#not-assessed",
]
STATES = ["#endpoints", "#findings", "#findings?group=rule", "#findings?q=status:unknown", "#not-assessed"]


def open_first_card(page: Page) -> None:
    card = page.locator(".view.current [data-card]").first
    if card.count():
        card.locator("button.open-row, button.fold").first.click()


def open_cards(page: Page, most: int) -> None:
    """Open so many cards of a view, at once."""
    script = """(most) => {
        for (let at = 0; at < most; at++) {
            const card = document.querySelectorAll(".view.current [data-card]")[at];
            if (card) card.querySelector("button.open-row, button.fold").click();
        }
    }"""
    page.evaluate(script, most)


def status(page: Page) -> str:
    return page.locator(".status").inner_text()


def test_axe_finds_nothing(reader: Reader, make: Make) -> None:
    report = make(sample.document(60))
    page = reader.page()
    for state in EACH_KIND_OF_CARD:
        show(page, report, state)
        open_first_card(page)
        accessible(page)


FAULTS = [
    ("[data-card] button", "(each) => { each.textContent = ''; each.removeAttribute('aria-label'); }", "button-name"),
    (".exposure h3 *", "(each) => { each.style.color = '#ccc'; }", CONTRAST),
    ("[data-card] code", "(each) => { each.setAttribute('role', 'nothing'); }", "aria-roles"),
    ("a[href]", "(each) => { each.replaceChildren(); }", "link-name"),
]


@pytest.mark.parametrize(("where", "change", "rule"), FAULTS)
def test_axe_finds_a_fault_in_one_of_many_equal_components(
    reader: Reader, make: Make, where: str, change: str, rule: str
) -> None:
    page = reader.open(make(sample.document(20)), "#endpoints")
    before = page.content()
    page.locator(f".view.current {where}").locator("visible=true").last.evaluate(change)
    changed = page.content()
    assert before != changed
    assert rule in [value for value, _ in violations(page, rule)]
    assert page.content() == changed, "every component is back where it was"


def test_axe_finds_a_fault_of_the_light_scheme_in_what_only_a_narrow_page_shows(reader: Reader, make: Make) -> None:
    page = reader.open(make(sample.document(20)), "#endpoints")
    open_first_card(page)
    paint = "(each) => { each.style.color = 'light-dark(#ccc, ' + getComputedStyle(each).color + ')'; }"
    page.locator(".view.current .path ol *").first.evaluate(paint)
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert CONTRAST in {rule for rule, _ in contrast(page)}


SHEET = """(each) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("code { color: #ccc !important; }");
    each.ownerDocument.adoptedStyleSheets.push(sheet);
}"""
PAINTED = [
    ("[data-card] code", "(each) => { each.style.color = '#777'; }"),
    ("[data-card] code", "(each) => { each.style.color = '#ccc'; }"),
    (".view.current [data-card]", "(each) => { each.style.background = '#555'; }"),
    ("[data-card] code", SHEET),
]
"""A contrast below 7, one below 4.5, a background behind texts that stay as they are, and a style sheet."""


@pytest.mark.parametrize(("where", "change"), PAINTED)
def test_what_was_checked_is_checked_again_where_its_contrast_is_another(
    reader: Reader, make: Make, where: str, change: str
) -> None:
    page = reader.open(make(sample.document(20)), "#endpoints")
    assert contrast(page) == []
    page.locator(where).locator("visible=true").first.evaluate(change)
    assert [rule for rule, _ in contrast(page)] == [CONTRAST]


def test_the_chromium_with_windows_shows_it_too(browser: Browser, report: Path) -> None:
    with browser.browser_type.launch(executable_path=FULL_CHROMIUM, args=FLAGS) as launched:
        reader = Reader(launched)
        page = reader.open(report, "#findings?q=status:fail")
        expect(page.locator("tr.finding").first).to_be_visible()
        page.keyboard.press("?")
        assert reader.said == []


def test_no_word_of_the_bar_is_broken(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    broken = """() => [...document.querySelectorAll(".mark, .tools button")].filter((each) => {
        const height = each.clientHeight, width = each.clientWidth;
        each.style.whiteSpace = "nowrap";
        const isBroken = each.clientHeight !== height || each.clientWidth !== width;
        each.style.whiteSpace = "";
        return isBroken;
    }).map((each) => each.textContent.trim())"""
    for width in (320, 390, 641, 800, 1000, 1100, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(broken) == [], width
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


def test_nothing_scrolls_sideways(reader: Reader, report: Path) -> None:
    page = reader.page()
    for state in STATES:
        show(page, report, state)
        open_cards(page, 20)
        assert scrolls_sideways(page) == [], state


@pytest.mark.parametrize("document", [sample.empty(), sample.clean()], ids=["empty", "clean"])
def test_a_scan_without_faults(reader: Reader, make: Make, document: dict[str, Any]) -> None:
    report = make(document)
    page = reader.page()
    for state in ("#endpoints", "#findings", "#findings?q=status:unknown", "#not-assessed"):
        show(page, report, state)
        accessible(page)


def test_the_first_screen_shows_what_to_do_first_with_its_command(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    first, *others = page.locator(".first-changes li").all()
    for change in (first, *others[:4]):
        box = change.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800
    assert first.locator(".cmd code").inner_text().startswith("az ")


def test_a_phone_shows_the_whole_matrix_and_the_first_gap(reader: Reader, report: Path) -> None:
    page = reader.open(report, viewport={"width": 390, "height": 844})
    for selector in (".matrix", ".not-assessed h2"):
        box = page.locator(selector).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 844


def test_the_drawing_of_the_matrix_holds_every_endpoint(reader: Reader, report: Path, document: dict[str, Any]) -> None:
    page = reader.open(report)
    numbers = [int(text.replace(",", "")) for text in page.locator("a.cell b").all_inner_texts()]
    assert sum(numbers) == len(document["exposures"])


def test_a_cell_filters_the_endpoints_and_a_second_click_clears_it(
    reader: Reader, report: Path, document: dict[str, Any]
) -> None:
    page = reader.open(report)
    exposures = ordered_exposures(sample.typed(document).exposures)
    expected = [cell for row in matrix(exposures) for cell in row if cell.count]
    for at, cell in enumerate(expected):
        link = page.locator("a.cell").nth(at)
        link.click()
        expect(link).to_have_attribute("aria-current", "true")
        noun = "endpoint" if cell.count == 1 else "endpoints"
        assert page.locator("#h-endpoints small").inner_text().startswith(f"{cell.count} {noun}: ")
        within = [each for each in exposures if (matrix_row(each), matrix_column(each)) == (cell.row, cell.column)]
        assert page.locator("#endpoint-list .exposure").count() == len(first_cards(within, 20)[0])
    link.click()
    expect(page.locator("[aria-current=true]")).to_have_count(0)
    assert page.evaluate("location.hash") == "#endpoints"
    page.go_back()
    expect(link).to_have_attribute("aria-current", "true")


QUERIES: list[tuple[str, list[oracle.Term]]] = [
    ("status:fail", [(False, "status", ":", ["fail"])]),
    ("-status:fail,pass", [(True, "status", ":", ["fail", "pass"])]),
    ("severity>=high", [(False, "severity", ">=", ["high"])]),
    ("sev<=low status:fail", [(False, "severity", "<=", ["low"]), (False, "status", ":", ["fail"])]),
    ("-sev>=medium", [(True, "severity", ">=", ["medium"])]),
    ("category:network,transport", [(False, "category", ":", ["network", "transport"])]),
    ("rule:NETWORK", [(False, "rule", ":", ["network"])]),
    ("type:sql", [(False, "type", ":", ["sql"])]),
    ("sub:felles", [(False, "sub", ":", ["felles"])]),
    ("sub:5f1c0f9a-2222", [(False, "sub", ":", ["5f1c0f9a-2222"])]),
    ("rg:kart,sak -status:pass", [(False, "rg", ":", ["kart", "sak"]), (True, "status", ":", ["pass"])]),
    ("region:norway", [(False, "region", ":", ["norway"])]),
    ("region:norwayeast", [(False, "region", ":", ["norwayeast"])]),
    ("name:skjema", [(False, "name", ":", ["skjema"])]),
    ("endpoint:blob", [(False, "endpoint", ":", ["blob"])]),
    ("kind:admin", [(False, "kind", ":", ["admin"])]),
    ("auth:anonymous", [(False, "auth", ":", ["anonymous"])]),
    ("reach:internet,azure", [(False, "reach", ":", ["internet", "azure"])]),
    ('control:"NIST 800-53"', [(False, "control", ":", ["nist 800-53"])]),
    ("control:CIS", [(False, "control", ":", ["cis"])]),
    ("gap:firewallRules", [(False, "gap", ":", ["firewallrules"])]),
    ("gap:none", [(False, "gap", ":", ["none"])]),
    ("is:new", [(False, "is", ":", ["new"])]),
    ("is:known", [(False, "is", ":", ["known"])]),
    ("kart", [(False, "", ":", ["kart"])]),
    ("-kart skjema", [(True, "", ":", ["kart"]), (False, "", ":", ["skjema"])]),
    ('"reachable from the internet"', [(False, "", ":", ["reachable from the internet"])]),
    ("foo:bar", [(False, "", ":", ["foo:bar"])]),
    ("javascript:alert(3)", [(False, "", ":", ["javascript:alert(3)"])]),
    ("العربية", [(False, "", ":", ["العربية"])]),
]


def test_filters_select_what_a_slow_reading_selects(reader: Reader, report: Path, document: dict[str, Any]) -> None:
    page = reader.open(report, "#findings")
    rows = oracle.rows(document)
    for query, terms in QUERIES:
        page.locator("#filter").fill(query)
        matches = oracle.selected(document, rows, terms)
        counts = [sum(row.status == name for row in matches) for name in ("fail", "unknown", "waived", "pass")]
        expected = "{} of {} findings: {} failed, {} inconclusive, {} waived, {} passed".format(
            len(matches), len(rows), *counts
        )
        assert status(page).replace(",", "").startswith(expected.replace(",", "")), query
    mark = document["findings"][0]["fingerprint"]
    page.locator("#filter").fill(mark)
    assert status(page).startswith("1 of ")


def test_an_unknown_key_is_searched_as_text_and_said(reader: Reader, report: Path) -> None:
    page = reader.open(report, "#findings?q=foo:bar")
    assert "`foo` is not a filter key: searched as text." in status(page)
    assert "Nothing matches this filter." in page.locator("#finding-list").inner_text()
    page.get_by_role("button", name="Clear the filter").click()
    assert page.evaluate("location.hash") == "#findings"


def test_state_is_the_hash_and_back_works(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    page.locator(".chip").first.click()
    assert page.evaluate("location.hash") == "#findings?q=status:fail"
    expect(page.locator("#main")).to_be_focused()
    page.get_by_label("Group by").select_option("category")
    page.get_by_role("group", name="Category").get_by_label("network").check()
    assert page.evaluate("location.hash") == "#findings?q=status:fail+category:network&group=category"
    page.locator("#filter").fill("status:fail kart")
    page.go_back()
    assert page.evaluate("location.hash") == "#findings?q=status:fail&group=category"
    page.go_back()
    page.go_back()
    assert page.evaluate("location.hash") == ""
    expect(page.locator("#endpoints")).to_be_visible()


def test_wrong_parameters_fall_back(reader: Reader, report: Path) -> None:
    page = reader.open(report, "#findings?group=x&sort=y&p=-3&zzz=1&q=" + quote("status:fail"))
    assert page.get_by_label("Group by").input_value() == "none"
    assert page.locator("#finding-list .finding").count() == 50
    show(page, report, "#nowhere")
    assert page.locator("#endpoints").is_visible()


def test_a_finding_has_a_link_of_its_own(reader: Reader, report: Path, document: dict[str, Any]) -> None:
    finding = document["findings"][3]
    page = reader.open(report, f"#findings?f={finding['fingerprint']}")
    assert page.locator("#finding-list .finding").count() == 1
    assert page.locator(".detail .id").inner_text() == finding["resource"]
    page.get_by_role("link", name="Show all").click()
    assert page.evaluate("location.hash") == "#findings"


CARDS = {
    "fail": "Fix",
    "unknown": "Why it was not assessed",
    "error": "KeyError: 'properties'",
    "waived": "Moved behind the gateway in January",
    "pass": "This check passed.",
    "not-applicable": "This SKU does not have the feature",
}


def test_a_card_of_each_status(reader: Reader, report: Path) -> None:
    page = reader.open(report, "#findings")
    for kind, message in CARDS.items():
        page.locator("#filter").fill(f"status:{kind}")
        page.locator("#finding-list .finding .open-row").first.click()
        text = page.locator("#finding-list .detail").first.inner_text()
        assert message in text, kind
        assert ("Fix" in text) == (kind == "fail"), kind


def test_the_card_of_an_undecided_check_says_who_accepted_it(reader: Reader, make: Make) -> None:
    page = reader.open(make(sample.accepted()), "#findings?q=status:unknown gap:none")
    page.locator("#finding-list .finding .open-row").first.click()
    text = page.locator("#finding-list .detail").first.inner_text()
    assert "Why it was not assessed" in text
    assert all(stated in text for stated in ("Accepted", "kari", "2026-12-31", "A preview"))
    assert "Expires soon" not in text


def test_a_waiver_to_paste_names_rule_and_resource(reader: Reader, make: Make) -> None:
    document = sample.document(60, hostile=False)
    every: dict[str, dict[str, Any]] = {}
    for finding in document["findings"]:
        if finding["status"] == "fail":
            every.setdefault(finding["resource"], finding)
    findings = list(every.values())[:5]
    for finding, name in zip(findings, ("stx", *sample.HOSTILE[:2], sample.HOSTILE[7], "\U0001f600"), strict=True):
        id = f"{finding['resource'].rpartition('/')[0]}/{name}"
        document["resources"][id] = document["resources"][finding["resource"]] | {"name": name}
        finding["resource"] = id
    page = reader.open(make(document))
    for finding in findings:
        show_finding(page, finding["fingerprint"])
        page.get_by_text("Accept: waiver to paste").click()
        text = page.locator(".detail pre code").last.text_content() or ""
        waiver = tomllib.loads(text)["waiver"][0]
        assert (waiver["rule"], waiver["resource"]) == (finding["rule"], finding["resource"])
        assert waiver["expires"] == date(2027, 2, 23)


def test_a_first_step_names_the_resource(reader: Reader, make: Make) -> None:
    document = sample.document(30, hostile=False)
    finding = next(f for f in document["findings"] if f["status"] == "fail")
    document["rules"][finding["rule"]]["remediation"]["first_step"] = (
        "az x show --name {name} --ids {top_id} --query {y}"
    )
    page = reader.open(make(document), f"#findings?f={finding['fingerprint']}")
    page.get_by_text("Check first (reads only)").click()
    name = document["resources"][finding["resource"]]["name"]
    assert page.get_by_text(f"az x show --name {name} --ids {finding['resource']} --query {{y}}").is_visible()


def test_a_lock_of_which_nothing_is_known_is_not_drawn_as_open(reader: Reader, make: Make) -> None:
    document = sample.document(30, hostile=False)
    worst = next(row for row in document["exposures"] if row["severity"] == "critical")
    document["exposures"] = [worst | {"reach": "unknown", "severity": None}]
    page = reader.open(make(document))
    page.locator("#endpoint-list button.fold").first.click()
    assert "Network: not assessed" in (page.locator("svg.path-drawing").text_content() or "")


def test_the_keyboard_reaches_a_copied_command_in_two_keys(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(page.locator("#toast")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#endpoint-list .exposure .cmd code").first.text_content()


RANGES = [
    ("20.1.2.0/24", ["20.1.2.0/24", "20.1.2.0/24", "20.1.2.0/24"]),
    (" 20.1.2.0/24  2001:db9::/32 ", ["20.1.2.0/24 2001:db9::/32", "20.1.2.0/24,2001:db9::/32", "<YOUR_RANGE>"]),
    *((wrong, ["<YOUR_RANGE>"] * 3) for wrong in ("20.1.2.0/33", "20.1.2.256", "20.1.2.0/24 x", "1::2::3", "a:b/129")),
]
"""What is typed, and what stands in commands that separate ranges by a space, by a comma, and that take one."""


def test_a_field_takes_several_ranges(reader: Reader, make: Make) -> None:
    document = sample.document(40, hostile=False)
    for number, row in enumerate(document["exposures"]):
        join = [{"join": " "}, {"join": ","}, {}][number % 3]
        fields = [{"name": "YOUR_RANGE", "what": "the range that stays", **join}]
        row["fix"] = {"commands": [f"az x{number % 3} --ids a --range <YOUR_RANGE>"], "fields": fields}
    page = reader.open(make(document))
    for typed, written in RANGES:
        page.locator("#endpoint-list .field input").first.fill(typed)
        codes = page.locator("#endpoint-list .exposure .cmd code").all_text_contents()
        shown = {(text[4], text.partition("--range ")[2]) for text in codes}
        assert shown == set(zip("012", written, strict=True)), typed


def test_a_field_fills_every_command_and_takes_no_markup(reader: Reader, make: Make) -> None:
    document = sample.document(40, hostile=False)
    fields = [{"name": "YOUR_RANGE", "what": "the range that stays"}]
    for number, row in enumerate(document["exposures"]):
        row["fix"] = {"commands": [f"az x --ids a{number} --range <YOUR_RANGE>"], "fields": fields}
    page = reader.open(make(document))
    inputs, codes = page.locator("#endpoint-list .field input"), page.locator("#endpoint-list .exposure .cmd code")
    inputs.first.fill("20.1.2.0/24")
    assert all(text.endswith("--range 20.1.2.0/24") for text in codes.all_text_contents())
    assert len(codes.all_text_contents()) > 1
    assert inputs.nth(1).input_value() == "20.1.2.0/24"
    inputs.first.fill("20.1.2.0/24; rm -rf /")
    assert all(text.endswith("--range <YOUR_RANGE>") for text in codes.all_text_contents())
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_keys(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    assert page.locator("#endpoint-list svg.path-drawing").count() == 1
    page.keyboard.press("/")
    page.keyboard.type("jkc")
    assert page.evaluate("location.hash") == "#findings?q=jkc"
    page.keyboard.press("Escape")
    assert page.evaluate("location.hash") == "#findings"
    page.locator("#main").focus()
    page.keyboard.press("g")
    assert page.evaluate("location.hash") == "#findings?group=rule"
    page.keyboard.press("3")
    assert page.locator("#not-assessed").is_visible()
    page.keyboard.press("t")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.get_by_label("Turn single-letter keys off").check()
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    assert page.locator("#not-assessed").is_visible()


def test_the_tab_key_alone_reaches_everything(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_role("link", name="Findings").first.click()
    expect(page.locator("#findings")).to_be_visible()
    page.locator("#finding-list .open-row").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.role") == "tab"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "copy"


def test_the_network_path_is_drawn_and_listed_when_narrow(reader: Reader, report: Path) -> None:
    page = reader.open(report)
    page.locator("#endpoint-list button.fold").first.click()
    drawing = page.get_by_role("img", name=re.compile("Network path, from source to endpoint. Network: "))
    assert drawing.is_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert not drawing.is_visible()
    assert page.locator("#endpoint-list .path ol").first.is_visible()


def test_a_long_network_path_folds_what_allows_and_never_what_blocks(reader: Reader, make: Make) -> None:
    document = sample.document(40, hostile=False)
    worst = next(row for row in document["exposures"] if row["severity"] == "critical")
    first, switch, *_, asks, last = worst["hops"]
    middle = [switch | {"name": f"Hop {at}", "lets": at != 7} for at in range(20)]
    worst["hops"] = [first, *middle, asks, last]
    document["exposures"] = [worst]
    page = reader.open(make(document))
    page.locator("#endpoint-list button.fold").first.click()
    names = page.locator("svg.path-drawing .hop-name").all_text_contents()
    assert page.locator("svg.path-drawing .hop").count() == 12
    assert "Hop 7" in names
    assert "more hops, all allow the connection" in " ".join(names)
    assert "Network: restricted" in (page.locator("svg.path-drawing").text_content() or "")


def test_an_endpoint_leads_to_its_findings(reader: Reader, report: Path, document: dict[str, Any]) -> None:
    page = reader.open(report)
    page.locator("#endpoint-list button.fold").first.click()
    page.locator("#endpoint-list .exposure-details a").first.click()
    expect(page.locator("#finding-list .finding")).to_have_count(1)


def test_the_undecided_checks_of_a_gap_are_those_that_it_counts(reader: Reader, make: Make) -> None:
    page = reader.open(make(sample.document(400)), "#not-assessed")
    links = page.get_by_role("link", name=re.compile("^Show the .* inconclusive check"))
    for at in range(links.count()):
        counted = re.findall(r"[\d,]+", links.nth(at).inner_text())[0]
        links.nth(at).click()
        expect(page.locator(".status")).to_have_text(re.compile(f"^{counted} of "))
        page.go_back()
        expect(page.locator("#not-assessed")).to_be_visible()


def test_hostile_names_change_nothing_but_text(reader: Reader, make: Make) -> None:
    hostile = sample.document(60)
    page, report = reader.page(), make(hostile)
    for state in ("#endpoints", "#findings?sort=resource", "#findings?q=status:fail&n=100", "#not-assessed"):
        show(page, report, state)
        open_cards(page, 30)
        assert (
            page.evaluate("document.querySelectorAll('img, iframe, object, [onload], [onerror], script').length") == 2
        )
        assert outside_links(page) <= ALLOWED
    boxed = page.locator("#findings .hid").count() or page.locator(".hid").count()
    assert boxed > 0


def test_hidden_characters_are_the_same_in_both_languages(reader: Reader) -> None:
    source = (Path(__file__).parents[2] / "templates" / "report" / "dom.js").read_text("utf-8")
    pattern = re.search(r"const HIDDEN = (/.*/u);", source)
    assert pattern
    script = """() => {
        const found = [];
        for (let at = 0; at <= 0x10ffff; at++) if (HIDDEN.test(String.fromCodePoint(at))) found.push(at);
        return found;
    }"""
    document = reader.page().evaluate(script.replace("HIDDEN", pattern[1]))
    assert document == [at for at in range(0x110000) if INVISIBLE.match(chr(at))]


def test_numbers_are_written_alike_in_both_languages(reader: Reader) -> None:
    values = [0, 7, 999, 1000, 1204, 1234567]
    written = reader.page().evaluate(
        "(values) => values.map((value) => new Intl.NumberFormat('en').format(value))", values
    )
    assert written == [Words().number(value) for value in values]


def test_without_scripts_the_summary_and_the_worst_hundred_stand(reader: Reader, report: Path) -> None:
    page = reader.page(java_script_enabled=False)
    page.goto(report.as_uri())
    assert (
        page.locator("#noscript")
        .inner_text()
        .startswith("Scripts are disabled. This is the whole summary and the 100 most severe of ")
    )
    assert page.locator(".view:visible").count() == 5
    assert page.locator(".finding").count() == 100
    assert page.locator("button:visible").count() == 0


def test_the_first_printed_page_holds_headline_matrix_and_gaps(reader: Reader, report: Path) -> None:
    page = reader.open(report, color_scheme="dark", viewport={"width": 703, "height": 1000})
    page.emulate_media(media="print")
    box = page.locator("#endpoints .panel.not-assessed").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 1016
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".bar").is_visible()


def test_printing_draws_more_and_puts_it_back(reader: Reader, make: Make) -> None:
    page = reader.open(make(sample.document(700)), "#findings?q=status:fail")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#finding-list .finding").count() == 500
    assert page.locator(".part").inner_text().startswith("Findings 1 to 500 of ")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("#finding-list .finding").count() == 50
    page.evaluate("location.hash = '#endpoints'")
    page.wait_for_selector("#endpoints.current")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#endpoint-list svg.path-drawing").count() == 10
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("#endpoint-list svg.path-drawing:visible").count() == 0
    assert page.pdf(format="A4").startswith(b"%PDF")
