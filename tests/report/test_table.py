"""The table of findings in a real browser: columns, facets, pages, groups, what is done with rows that are ticked."""

import csv
import io
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from scanner.config.waivers import literal
from scanner.model.responsibility import RESPONSIBILITIES
from scanner.report.language.naming import path_name
from scanner.report.sheets.csv import COLUMNS, cell, finding_rows
from scanner.report.views.responsibility import WHOSE, responsibility_of
from tests.report import oracle, sample
from tests.report.conftest import Reader

Make = Callable[[dict[str, Any]], Path]
ROWS = "#finding-list tr.finding"


def status(page: Page) -> str:
    return page.locator(".status").inner_text()


def column(page: Page, name: str) -> list[str]:
    """The first line of each cell of a column."""
    return [text.partition("\n")[0] for text in page.locator(f"{ROWS} .c-{name}").all_inner_texts()]


def facet(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name=name, exact=True)


@pytest.fixture(scope="module")
def owned() -> dict[str, Any]:
    """A document with history whose settings name an owner tag, and some resources have it."""
    made = sample.with_history(200, hostile=False)
    made["scan"]["owner_tag"] = "Eier"
    for at, row in enumerate(made["resources"].values()):
        row["tags"] = {"eier": ("plattform", "kart", "<b>sak")[at % 3]} if at % 4 else {}
    return made


def test_a_row_says_what_where_and_whose(reader: Reader, make: Make, owned: dict[str, Any]) -> None:
    page = reader.open(make(owned), "#findings?q=status:fail")
    headers = [text.split("\n")[0].rstrip("▲▼") for text in page.locator("#finding-table thead th").all_inner_texts()]
    assert headers == ["", "Severity", "Finding", "Resource", "Subscription / group", "Age", "Owner"]
    finding = next(row for row in owned["findings"] if row["status"] == "fail" and row.get("new"))
    page = reader.open(make(owned), f"#findings?q={finding['fingerprint']}")
    resource = owned["resources"][finding["resource"]]
    message = page.locator(ROWS).inner_text()
    for text in (finding["title"], finding["rule"], resource["name"], resource["resource_group"], "New"):
        assert text in message
    assert resource["tags"].get("eier", "") in message


def test_without_an_owner_tag_or_history_there_are_no_such_columns(reader: Reader, report: Path) -> None:
    page = reader.open(report, "#findings?sort=owner")
    assert page.locator(".c-owner, .c-age").count() == 0
    assert page.locator("[aria-sort]").inner_text().startswith("Severity")


def test_columns_sort_by_click_and_key_and_say_so(reader: Reader, make: Make, owned: dict[str, Any]) -> None:
    page = reader.open(make(owned), "#findings?q=status:fail")
    for name, header in (("resource", "Resource"), ("place", "Subscription"), ("owner", "Owner"), ("title", "Finding")):
        button = page.locator("#finding-table thead").get_by_role("button", name=re.compile(header))
        button.focus()
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == f"#findings?q=status:fail&sort={name}"
        expect(button).to_be_focused()
        expect(page.locator("th[aria-sort=ascending]")).to_contain_text(header)
        up = [text.lower().strip() or "\uffff" for text in column(page, name)]
        assert up == sorted(up), name
        button.click()
        assert page.evaluate("location.hash") == f"#findings?q=status:fail&sort=-{name}"
        expect(page.locator("th[aria-sort=descending]")).to_contain_text(header)
        down = [text.lower().strip() or "\uffff" for text in column(page, name)]
        assert down == sorted(down, reverse=True), name


def test_age_sorts_the_new_ones_first(reader: Reader, make: Make, owned: dict[str, Any]) -> None:
    page = reader.open(make(owned), "#findings?q=status:fail&sort=age")
    new = sum(bool(row.get("new")) for row in owned["findings"])
    assert column(page, "age")[: new + 1] == ["New"] * new + ["34 days"]


def test_the_least_severe_first_keeps_the_statuses_in_order(reader: Reader, report: Path) -> None:
    page = reader.open(report, "#findings?sort=-severity")
    assert page.locator(f"{ROWS} .badge").first.inner_text() == "Info"


FACETS: dict[str, Callable[[dict[str, Any], oracle.Row], list[str]]] = {
    "Severity": lambda document, row: [row.severity.title()] if row.severity else [],
    "Category": lambda document, row: [document["rules"][row.rule]["category"]],
    "Subscription": lambda document, row: [sample.SUBSCRIPTIONS[document["resources"][row.resource]["subscription"]]],
    "Control": lambda document, row: [
        f"{name} {number}" for name, ids in document["rules"][row.rule]["controls"].items() for number in ids
    ],
}


def shown(field: Locator) -> dict[str, int]:
    """The values of a facet with their counts."""
    lines = [line.inner_text().rsplit(maxsplit=1) for line in field.locator("li:visible").all()]
    return {name.strip(): int(count.replace(",", "")) for name, count in lines}


def test_facets_count_the_current_result(reader: Reader, report: Path, document: dict[str, Any]) -> None:
    page = reader.open(report, "#findings?q=kart+-status:pass")
    rows = oracle.selected(
        document, oracle.rows(document), [(False, "", ":", ["kart"]), (True, "status", ":", ["pass"])]
    )
    for name, values in FACETS.items():
        field = facet(page, name)
        more = field.get_by_role("button")
        if more.is_visible():
            more.click()
        assert shown(field) == Counter(value for row in rows for value in values(document, row)), name


def test_facets_write_the_filter_take_several_values_and_count_what_ticking_shows(
    reader: Reader, report: Path, document: dict[str, Any]
) -> None:
    page = reader.open(report, "#findings?q=kart")
    field = facet(page, "Severity")
    before = shown(field)
    field.get_by_label("High").focus()
    page.keyboard.press("Space")
    assert page.evaluate("location.hash") == "#findings?q=kart+severity:high"
    assert status(page).startswith(f"{before['High']} of ")
    assert shown(field) == before, "a facet is counted without its own choice"
    field.get_by_label("Low").check()
    assert page.locator("#filter").input_value() == "kart severity:high,low"
    assert status(page).startswith(f"{before['High'] + before['Low']} of ")
    facet(page, "Resource type").get_by_role("checkbox").first.check()
    assert " type:=" in page.locator("#filter").input_value()
    page.locator("#filter").fill("kart")
    assert page.locator(".facet input:checked").count() == 0
    page.go_back()
    assert page.locator(".facet input:checked").count() == 3 - 1


def test_a_type_facet_means_the_whole_type(reader: Reader, make: Make) -> None:
    document = sample.document(40, hostile=False)
    parent = next(id for id, row in document["resources"].items() if row["type"] == "Microsoft.Sql/servers")
    child = f"{parent}/databases/default/tables/x"
    document["resources"][child] = document["resources"][parent] | {
        "type": "Microsoft.Sql/servers/databases", "name": "x", "parent": parent,
    }  # fmt: skip
    document["findings"][0] |= {"resource": child}
    page = reader.open(make(document), "#findings")
    field = facet(page, "Resource type")
    if field.get_by_role("button").is_visible():
        field.get_by_role("button").click()
    before = shown(field)["SQL server"]
    field.get_by_label("SQL server").check()
    assert status(page).startswith(f"{before} of ")
    field.get_by_label("SQL server").uncheck()
    field.get_by_label("SQL database").check()
    assert status(page).startswith("1 of ")
    assert f"{document['resources'][parent]['name']}/x" in page.locator(ROWS).inner_text()


def test_facets_fold_on_a_phone(reader: Reader, report: Path) -> None:
    page = reader.open(report, "#findings", viewport={"width": 390, "height": 844})
    assert not facet(page, "Severity").is_visible()
    page.get_by_text("Narrow the result").click()
    facet(page, "Severity").get_by_label("Critical").check()
    assert page.evaluate("location.hash") == "#findings?q=severity:critical"


def test_pages_have_numbers(reader: Reader, make: Make) -> None:
    page = reader.open(make(sample.document(700)), "#findings?q=status:pass&sort=resource")
    pages = page.get_by_role("navigation", name="Pages")
    assert page.locator(ROWS).count() == 50
    total = int(re.findall(r"[\d,]+", status(page))[0].replace(",", ""))
    last = -(-total // 50)
    assert pages.inner_text().split() == ["Previous", "1", "2", "…", str(last - 1), str(last), "Next"]
    first = column(page, "resource")
    pages.get_by_role("link", name="Page 2", exact=True).click()
    assert page.evaluate("location.hash") == "#findings?q=status:pass&sort=resource&p=2"
    expect(pages.locator("[aria-current=page]")).to_have_text("2")
    assert column(page, "resource")[0].lower() >= first[-1].lower()
    pages.get_by_role("link", name="Next").click()
    expect(pages.locator("[aria-current=page]")).to_have_text("3")
    page.get_by_label("Rows per page").select_option("100")
    assert page.evaluate("location.hash") == "#findings?q=status:pass&sort=resource&n=100"
    assert page.locator(ROWS).count() == 100
    page.go_back()
    page.go_back()
    expect(pages.locator("[aria-current=page]")).to_have_text("2")


@pytest.mark.parametrize("group", ["rule", "resource", "subscription", "category"])
def test_groups(reader: Reader, report: Path, document: dict[str, Any], group: str) -> None:
    page = reader.open(report, f"#findings?q=status:fail&group={group}&n=100")
    of: dict[str, Callable[[dict[str, Any]], str]] = {
        "rule": lambda f: f["rule"],
        "resource": lambda f: f["resource"],
        "subscription": lambda f: f["resource"].split("/")[2],
        "category": lambda f: f["category"],
    }
    expected = len({of[group](f) for f in document["findings"] if f["status"] == "fail"})
    groups = page.locator("tbody.group")
    assert groups.count() == min(expected, 100)
    assert page.locator(ROWS).count() <= 100
    first = groups.first.locator("button.fold")
    if first.get_attribute("aria-expanded") == "false":
        first.click()
    assert groups.first.locator(".finding").count() > 0
    assert (groups.first.get_by_role("button", name=re.compile("^Copy")).count() > 0) == (group == "rule")


def test_findings_of_severity_info_are_one_line_a_type(reader: Reader, make: Make) -> None:
    document = sample.document(40)
    failed = [row for row in document["findings"] if row["status"] == "fail" and row["category"] not in sample.LOCKS]
    for row in failed:
        row["severity"] = "info"
    types = Counter(document["resources"][row["resource"]]["type"].lower() for row in failed)
    page = reader.open(make(document), "#findings?n=100")
    groups = page.locator("tbody.group")
    assert groups.count() == len(types)
    for at in range(groups.count()):
        button = groups.nth(at).locator("button.fold")
        assert button.get_attribute("aria-expanded") == "false"
        assert groups.nth(at).locator(".finding").count() == 0
        button.click()
        assert groups.nth(at).locator(".finding").count() == types[button.inner_text().lower()]
    page = reader.open(make(document), "#findings?q=severity:info")
    assert page.locator("tbody.group").count() == 0
    assert page.locator(ROWS).count() >= min(len(failed), 50)


def test_passed_rows_say_what_holds(reader: Reader, make: Make) -> None:
    document = sample.document(30)
    passed = sorted({rule for rules in document["passed"].values() for rule in rules})
    document["rules"][passed[0]]["pass_title"] = "Anonymous access is off"
    page = reader.open(make(document), f"#findings?q=status:pass+rule:{passed[0]}")
    assert column(page, "title")[0].startswith("Anonymous access is off")
    page.locator("#filter").fill('status:pass "access is off"')
    assert page.locator(ROWS).count() > 0
    assert "Not found" not in page.locator("#findings").inner_text()


# What is done with rows that are ticked


@pytest.fixture
def plain() -> dict[str, Any]:
    document = sample.document(60, hostile=False)
    failed = [row for row in document["findings"] if row["status"] == "fail"]
    for row in failed[1:3]:
        row["fix"] = failed[0]["fix"] = {"commands": ["az same --ids x"]}
    return document


def test_commands_of_ticked_rows_are_copied_once_each(reader: Reader, make: Make, plain: dict[str, Any]) -> None:
    page = reader.open(make(plain), "#findings?q=status:fail")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    same = [
        row["fingerprint"] for row in plain["findings"] if (row["fix"] or {}).get("commands") == ["az same --ids x"]
    ]
    for mark in same:
        page.locator("#filter").fill(mark)
        page.locator(f"{ROWS} input").check()
    page.locator("#filter").fill("status:fail")
    bar = page.get_by_role("group", name="For the selected findings")
    assert bar.inner_text().startswith("3 selected:")
    bar.get_by_role("button", name="Copy script").click()
    expect(page.locator("#toast")).to_contain_text("Copied a script of 1 change:")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.count("az same --ids x") == 1
    assert all(mark[:16] in text for mark in same)
    bar.get_by_role("button", name="Clear the selection").click()
    assert bar.inner_text().startswith("For all ")


def test_the_box_of_the_header_ticks_the_page_and_the_bar_the_result(reader: Reader, report: Path) -> None:
    page = reader.open(report, "#findings?q=status:pass")
    page.get_by_label("Select all on this page").focus()
    page.keyboard.press("Space")
    bar = page.locator(".actions")
    assert bar.inner_text().startswith("50 selected:")
    page.locator(f"{ROWS} input").first.uncheck()
    assert page.evaluate("document.querySelector('thead input').indeterminate")
    total = re.findall(r"[\d,]+", status(page))[0]
    bar.get_by_role("button", name=f"Select all {total}").click()
    assert bar.inner_text().startswith(f"{total} selected:")


def saved(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    data = Path(download.value.path()).read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert download.value.suggested_filename == "twolocks-findings.csv"
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_csv_of_the_result_and_of_ticked_rows(reader: Reader, report: Path, document: dict[str, Any]) -> None:
    page = reader.open(report, "#findings?q=status:fail")
    rows = saved(page)
    failed = [row for row in document["findings"] if row["status"] == "fail"]
    assert len(rows) == len(failed)
    assert list(rows[0]) == [name for name in COLUMNS if name != "tags"]
    typed = sample.typed(document)
    by_mark = {row["fingerprint"]: row for row in finding_rows(typed, typed.findings)}
    for row in rows:
        assert row == {name: cell(by_mark[row["fingerprint"]].get(name)) for name in row}
    page.locator(f"{ROWS} input").first.check()
    assert len(saved(page)) == 1


def test_csv_has_the_owners_that_the_csv_output_has(reader: Reader, make: Make, owned: dict[str, Any]) -> None:
    rows = saved(reader.open(make(owned), "#findings?q=status:fail"))
    typed = sample.typed(owned)
    owners = {row["fingerprint"]: cell(row.get("owner")) for row in finding_rows(typed, typed.findings)}
    assert len(set(owners.values())) > 3
    assert {row["fingerprint"]: row["owner"] for row in rows}.items() <= owners.items()


def test_the_page_and_the_document_say_the_same_of_responsibility(reader: Reader, make: Make) -> None:
    """The page works it out from the rule and the fix, as `responsibility_of` does: for each value, in each place."""
    document = sample.document(200)
    for at, rule in enumerate(document["rules"].values()):
        rule["responsibility"] = ("", *RESPONSIBILITIES)[at % 4]
    fixed = [row for row in document["findings"] if row["fix"]]
    for at, row in enumerate(fixed):
        steps = [f'Set {{"tier":true}} and \\"tier\\":true in number {at % 3}.']
        row["fix"] = {**row["fix"], "steps": steps, **({"tier": True} if at % 5 == 0 else {})}
    made = sample.typed(document)
    of = Counter((row.status, responsibility_of(row, made.rules.get(row.rule))) for row in made.findings)
    for ids in [*document["passed"].values()]:
        of.update(("pass", document["rules"][id]["responsibility"]) for id in ids)
    for reasons in document["not_applicable"].values():
        of.update(("not-applicable", document["rules"][id]["responsibility"]) for id in reasons)
    assert {whose for (status, whose), _ in of.items() if status == "fail"} == {"", *WHOSE}
    page = reader.open(make(document), "#findings?q=status:fail")
    failed = {row["fingerprint"]: row["responsibility"] for row in saved(page)}
    assert failed == {
        row.fingerprint: responsibility_of(row, made.rules.get(row.rule))
        for row in made.findings
        if row.status == "fail"
    }
    page.locator("#filter").fill("")
    expect(page.locator(".status")).to_have_text(re.compile(f"{of.total():,} findings"))
    counts = {whose: sum(n for (_, each), n in of.items() if each == whose) for whose in WHOSE}
    names = dict(zip(("Yours", "Shared", "Microsoft's", "Needs another tier"), WHOSE, strict=True))
    assert {names[name]: n for name, n in shown(facet(page, "Responsibility")).items()} == counts
    for whose in WHOSE:
        page.locator("#filter").fill(f"responsibility:{whose}")
        expect(page.locator(".status")).to_have_text(re.compile(f"^{counts[whose]:,} of "))


FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@x",
    "a;=1",
    "a,-1",
    " =1",
    "'=1",
    "\uff1d1",
    "x" * 33_000,
    'a"b',
    "tab\t=1",
    "\u202ea",
    "å",
]


def test_cells_are_those_of_the_csv_output(reader: Reader, make: Make) -> None:
    document = sample.document(40, hostile=False)
    failed = [row for row in document["findings"] if row["status"] == "fail"]
    for row, text in zip(failed, FORMULAS, strict=False):
        row["message"] = text
    page = reader.open(make(document), "#findings?q=status:fail")
    result = {row["fingerprint"]: row["message"] for row in saved(page)}
    for row, text in zip(failed, FORMULAS, strict=False):
        assert result[row["fingerprint"]] == cell(text), text


def test_waivers_of_ticked_rows(reader: Reader, report: Path, document: dict[str, Any]) -> None:
    page = reader.open(report, "#findings?q=status:fail,waived")
    page.get_by_role("button", name="Waiver text").click()
    dialog = page.locator("dialog#text")
    waivers = tomllib.loads(dialog.locator("pre code").text_content() or "")["waiver"]
    failed = {(row["rule"], literal(row["resource"])) for row in document["findings"] if row["status"] == "fail"}
    assert {(each["rule"], each["resource"]) for each in waivers} == failed
    assert "left out" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


@pytest.mark.parametrize(
    ("below", "text"),
    [("/blobServices/default/containers/planer", "st/planer"), ("/databases/a/tables/b", "st/a/b"), ("", "own"),
     ("/providers/Microsoft.Insights/diagnosticSettings/x", "st/x"), ("/databases/default", "st/own")],
)  # fmt: skip
def test_names_of_children_have_the_parents_name(below: str, text: str) -> None:
    top = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/st"
    assert path_name(top + below, top.upper().replace("/ST", "/st") if below else None, "own") == text


def test_the_state_survives_a_hostile_hash(reader: Reader, report: Path) -> None:
    page = reader.open(report, "#findings?n=7&sort=--x&p=1e9&q=" + json.dumps("<img>"))
    assert page.get_by_label("Rows per page").input_value() == "50"
    assert "Nothing matches this filter." in page.locator("#finding-list").inner_text()
