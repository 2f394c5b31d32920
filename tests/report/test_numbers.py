"""One set of numbers: every output of a random document shows the numbers of its rows, and they add up."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from datetime import date
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.document.schema import Document, GapRow, ScanRow, decode_document
from scanner.document.states import proven_state
from scanner.document.writer import Writer, fill
from scanner.evaluate.counts import CHECKS, Counts, count
from scanner.evaluate.results import EvaluationResult
from scanner.exit_codes import decide
from scanner.history.items import Changes, ScanRecord
from scanner.history.observation import observe
from scanner.history.store import History
from scanner.model.message import message_text
from scanner.model.rule import CATEGORIES
from scanner.model.severity import SEVERITIES, severity_rank
from scanner.notify.channels.webhook import WebhookBody
from scanner.notify.compose import notice
from scanner.notify.notice import ScanResult
from scanner.notify.wording import scan_sentence
from scanner.report.code_scanning.junit import write_junit
from scanner.report.code_scanning.sarif import write_sarif
from scanner.report.html.rendering import render
from scanner.report.language.words import Words
from scanner.report.markdown import write_markdown
from scanner.report.sheets.csv import write_csv
from scanner.report.views.headline import headline
from scanner.report.views.summary import matrix
from scanner.rulebook.loader import RuleSet
from scanner.scan.last_screen import LastScreen
from tests.notify.sample import reported, target
from tests.report import numbers, sample
from tests.sampled import is_all

SUBSCRIPTIONS = ("5b1d7c1e-0d2a-4c6b-9f53-2f6a1c0e7a10", "c4e0f7d2-7a31-4b8e-8d0c-91b6f2a3e5d4")
REACHES = ("internet", "azure", "wide", "selected", "private", "none", "unknown")
NAMES = ("blob", "dfs", "scm")
WAIVER = {"reason": "r", "owner": "kari", "expires": "2027-01-01"}
ACCOUNTS = [
    f"/subscriptions/{sub}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st{n}"
    for sub in SUBSCRIPTIONS
    for n in range(3)
]
URLS = [f"{account}/blobServices/default/containers" for account in ACCOUNTS]


@st.composite
def exposures(draw: st.DrawFn) -> dict[str, Any]:
    worst, severity = sorted((draw(st.sampled_from([None, *SEVERITIES])) for _ in range(2)), key=severity_rank)
    state: str = proven_state(severity, worst)
    if state == "open":
        state = draw(st.sampled_from(["open", "open", "waived", "intended"]))
    return {
        **dict.fromkeys(("address", "reason"), ""),
        "may": None,
        "evidence": [],
        "hops": [],
        "admits": [],
        "fix": None,
        "breaks": None,
        "title": "t",
        "resource": draw(st.sampled_from(ACCOUNTS)),
        "endpoint": draw(st.sampled_from(NAMES)),
        "kind": draw(st.sampled_from(["data", "admin", "app"])),
        "reach": draw(st.sampled_from(REACHES)),
        "authentication": draw(st.sampled_from(["anonymous", "anonymous", "shared", "identity", "unknown"])),
        "severity": severity,
        "worst": worst,
        "state": state,
        "gaps": draw(st.lists(st.sampled_from(URLS), unique=True, max_size=2)),
    }


@st.composite
def findings(draw: st.DrawFn) -> dict[str, Any]:
    status = draw(st.sampled_from(["fail", "fail", "unknown", "unknown", "error", "waived"]))
    accepted = status == "waived" or (status == "unknown" and draw(st.booleans()))
    return {
        "title": "t",
        "message": "m",
        "evidence": [],
        "fix": None,
        "rule": f"rule-{draw(st.integers(0, 3))}",
        "category": draw(st.sampled_from(sorted(CATEGORIES))),
        "status": status,
        "severity": draw(st.sampled_from(SEVERITIES)),
        "resource": draw(st.sampled_from(ACCOUNTS)),
        "endpoints": draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=2)),
        "gaps": draw(st.lists(st.sampled_from(URLS), unique=True, max_size=2)) if status == "unknown" else [],
        **({"waiver": WAIVER} if accepted else {}),
    }


@st.composite
def gaps(draw: st.DrawFn, url: str) -> dict[str, Any]:
    status, action = draw(st.sampled_from([(403, "Microsoft.Storage/x/read"), (403, ""), (500, ""), (0, "")]))
    accepted = {"accepted": True, "waiver": WAIVER} if draw(st.booleans()) else {}
    return {"url": url, "status": status, "code": "Code", "action": action, "rules": [], **accepted}


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A document with endpoints, findings, gaps and waivers, and with anything that a scan may leave out."""
    made = sample.clean()
    failed = draw(st.lists(st.sampled_from(URLS), unique=True, max_size=3))
    rules = st.lists(st.sampled_from(["rule-0", "rule-1"]), unique=True, min_size=1)
    passed = draw(st.dictionaries(st.sampled_from(ACCOUNTS), rules, max_size=3))
    view = draw(st.sampled_from(["full", "full", "partial", "none"]))
    scopes = [
        {"subscription": sub, "name": f"sub-{n}", "tenant": "t", "view": view} for n, sub in enumerate(SUBSCRIPTIONS)
    ]
    rows: list[dict[str, Any]] = draw(st.lists(exposures(), max_size=15))
    checks: list[dict[str, Any]] = draw(st.lists(findings(), max_size=15))
    for shown_in, row in enumerate([*rows, *checks]):
        row["fingerprint"] = f"{shown_in:016x}"
    made |= {
        "exposures": rows,
        "findings": checks,
        "passed": passed,
        "not_applicable": {draw(st.sampled_from(ACCOUNTS)): {"rule-2": "no"}} if draw(st.booleans()) else {},
        "gaps": [draw(gaps(url)) for url in failed],
        "scan": made["scan"] | {"complete": draw(st.booleans()), "reads": draw(st.integers(0, 2000))},
        "coverage": {"scopes": scopes, "types": [], "rules_off": []},
        "rules": {},
        "resources": {},
    }
    return sample.typed(made)


def in_json(made: Document, counts: Counts) -> dict[str, Any]:
    """The JSON that a scan with these rows writes."""
    writer, out = Writer(), BytesIO()
    fill(writer, made)
    writer.finish(out, made.scan, made.rules, made.gaps, made.coverage, None, counts.numbers())
    writer.close()
    document: dict[str, Any] = json.loads(out.getvalue())
    return document


def result_of(made: Document, counts: Counts) -> EvaluationResult:
    by_rule = counts.accepted_inconclusive
    return EvaluationResult(
        counts, made.gaps, made.coverage.scopes, accepted_by_rule=by_rule, complete=made.scan.complete
    )


def in_words(made: Document, counts: Counts) -> dict[str, numbers.Numbers]:
    """The log and the last screen of the scan, and the body of the web hook."""
    result = result_of(made, counts)
    end = decide(result, "high")
    screen = LastScreen(result, RuleSet(), None, [], end, "high")
    facts = ScanResult(made.scan, result, end, date(2026, 11, 25))
    sent = notice(target(), facts, reported())
    assert sent is not None
    body = json.loads(msgspec.json.encode(WebhookBody(**{n: getattr(sent, n) for n in sent.__struct_fields__})))
    return {
        "log": numbers.in_log(screen.found()),
        "terminal": numbers.in_sentences(" ".join(screen.result_sentences())),
        "web hook": numbers.in_notice(body),
    }


def in_history(url: str, made: Document, counts: Counts) -> numbers.Numbers:
    """The row of the scan in a history."""
    scan: ScanRow = made.scan
    record = ScanRecord(
        id=scan.id, taken=scan.taken, started=scan.started, finished=scan.finished, tool=scan.tool, selection="all",
        subscriptions=SUBSCRIPTIONS, standing=counts.by_severity, undecided=counts.statuses["unknown"],
        unknown=counts.not_assessed,
    )  # fmt: skip
    with History.open(url) as history:
        history.record(record, lambda known, before, last: Changes([]))
        return numbers.in_trend(msgspec.to_builtins(history.trend("all")[-1]))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("history") / "history.db")


@settings(max_examples=40 if is_all() else 15, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=documents())
def test_every_output_shows_the_numbers_of_the_rows(url: str, made: Document) -> None:
    counts = count(made)
    document = in_json(made, counts)
    assert decode_document(msgspec.json.encode(document)).numbers == counts.numbers()
    shown = {
        **numbers.of_document(made),
        **in_words(made, counts),
        "JSON numbers": numbers.in_numbers(document["numbers"]),
        "history": in_history(url, made, counts),
    }
    assert numbers.differences(numbers.expected(document), shown) == []
    items = [item for item in observe(made, {}).items.values() if item.is_counted and item.state == "open"]
    assert len(items) == sum(counts.by_severity.values())


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=documents())
def test_the_numbers_add_up(made: Document) -> None:
    counts = count(made)
    numbers_row = counts.numbers()
    assert sum(numbers_row.states.values()) == numbers_row.endpoints
    assert sum(numbers_row.severities.values()) == numbers_row.states["open"]
    rest = sum(number for state, number in numbers_row.states.items() if state != "open")
    assert sum(numbers_row.severities.values()) + rest == numbers_row.endpoints
    cells = {(cell.row, cell.column): cell for row in matrix(made.exposures) for cell in row}
    assert sum(cell.count for cell in cells.values()) == numbers_row.endpoints
    assert sum(cell.open for cell in cells.values()) == numbers_row.states["open"]
    assert numbers_row.public == cells["anonymous", "internet"].open
    assert numbers_row.public_apps == cells["app_open", "internet"].open
    assert numbers_row.nearly_public == sum(cells["anonymous", column].open for column in ("azure", "wide"))
    assert numbers_row.shared_key_only == sum(cells["shared", column].open for column in numbers.UNTRUSTED)
    assert sum(cell.worse for cell in cells.values()) == numbers_row.not_fully_assessed.total
    assert numbers_row.not_fully_assessed.total == numbers_row.states["unknown"] + numbers_row.in_part
    assert numbers_row.inconclusive.total == numbers_row.checks["unknown"]
    for each in (numbers_row.not_fully_assessed, numbers_row.inconclusive):
        assert each.missing_permission + each.failed_read + each.no_value == each.total
    assert tuple(numbers_row.checks) == CHECKS
    assert sum(numbers_row.checks.values()) == counts.checks


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=documents())
def test_the_headline_names_each_number_that_is_not_0(made: Document) -> None:
    counts = count(made)
    head = headline(counts, made.coverage.scopes, Words(), complete=made.scan.complete)
    stated, numbers_row = numbers.in_sentences(str(head)), counts.numbers()
    named = {
        "public": numbers_row.public,
        "public apps": numbers_row.public_apps,
        "nearly public": numbers_row.nearly_public,
        "shared key only": numbers_row.shared_key_only,
        "not fully assessed": numbers_row.not_fully_assessed.total,
    }
    assert {name: stated.get(name, 0) for name in named} == named
    is_open = numbers_row.public or numbers_row.public_apps or numbers_row.nearly_public
    missing = numbers_row.not_fully_assessed.total or not made.scan.complete
    claims = "no endpoint is publicly accessible" in str(head).lower()
    assert not (claims and (is_open or missing))


def test_the_demo_shows_one_set_of_numbers(each_type_folder: Path, tmp_path: Path) -> None:
    document, shown = numbers.demo(each_type_folder / "snapshot.jsonl", tmp_path)
    assert numbers.differences(numbers.expected(document), shown) == []
    for view, least in {
        "log": 15,
        "terminal": 10,
        "CSV": 30,
        "Markdown": 20,
        "HTML": 30,
        "HTML panel": 3,
        "web hook": 10,
    }.items():
        assert len(shown[view]) >= least, view


def test_a_document_of_an_earlier_version_takes_reasons_from_its_findings() -> None:
    made = sample.typed(sample.document(40))
    gap = GapRow(url=URLS[0], status=403, code="AuthorizationFailed", action="Microsoft.Storage/x/read", rules=[])
    row = msgspec.structs.replace(
        made.exposures[0], resource=ACCOUNTS[0], endpoint="blob", severity=None, worst="high", state="unknown"
    )
    finding = msgspec.structs.replace(
        made.findings[0], resource=f"{ACCOUNTS[0]}/blobServices/default", endpoints=["blob"], status="unknown",
        gaps=[URLS[0]],
    )  # fmt: skip
    made.exposures, made.findings, made.gaps = [row], [finding], [gap]
    assert row.gaps is msgspec.UNSET
    assert count(made).numbers().not_fully_assessed.missing_permission == 1


def test_an_open_endpoint_without_a_severity_is_refused() -> None:
    made = sample.document(10)
    made["exposures"][0] |= {"state": "open", "severity": None}
    with pytest.raises(msgspec.ValidationError, match="An open endpoint has a severity"):
        decode_document(msgspec.json.encode(made, enc_hook=message_text))


def test_each_group_of_failed_reads_is_on_the_page() -> None:
    """The page had the first groups alone, and named a file for the others."""
    made = sample.typed(sample.document(10))
    url = f"{ACCOUNTS[0]}/blobServices/default/read"
    made.gaps = [
        GapRow(
            url=f"{url}{at}", status=403, code="AuthorizationFailed", action=f"Microsoft.Storage/a{at}/read", rules=[]
        )
        for at in range(203)
    ]
    made.findings = [row for row in made.findings if row.status != "unknown"]
    page = render(made, Words())
    view = page[page.index('<section id="not-assessed"') :]
    shown = set(re.findall(r'class="gap-need">missing permission <code>(?:<bdi>)?(Microsoft.Storage/a\d+/read)', view))
    assert len(shown) == len(made.gaps)
    assert "100 of 203 groups are shown above" in view
    assert "All 203 groups of failed reads, and how to grant the role" in page
    assert numbers.in_panel(page)["reads failed"] == 203


# Dates

TAKEN, LATER = "2026-11-25T14:10:40Z", "2026-11-26T08:30:00Z"


def dated(started: str, finished: str) -> Document:
    made = sample.typed(sample.document(20))
    made.scan = msgspec.structs.replace(made.scan, taken=TAKEN, started=started, finished=finished)
    return made


@pytest.mark.parametrize("started", [TAKEN, LATER])
def test_the_time_of_the_scan_is_the_date_in_every_format(started: str) -> None:
    """A snapshot that was evaluated a day later had the day of the evaluation in the title of the report."""
    made, later = dated(started, LATER), started == LATER
    page = render(made, Words())
    assert "25 November 2026</title>" in page
    text = "25 November 2026, 14:10 UTC" + (", evaluated 26 November 2026, 08:30 UTC" if later else "")
    assert re.search(re.escape(text) + "( ·|<)", page)
    assert f"{text}; " in numbers.written(write_markdown, made).decode()
    rows = list(csv.DictReader(StringIO(numbers.written(write_csv, made).decode("utf-8-sig"))))
    assert {(row["taken"], row["evaluated"]) for row in rows} == {(TAKEN, LATER if later else "")}
    run = json.loads(numbers.written(write_sarif, made))["runs"][0]["invocations"][0]
    assert (run["startTimeUtc"], run["properties"]["taken"], run["properties"]["evaluated"]) == (TAKEN, TAKEN, LATER)
    suites = list(ET.fromstring(numbers.written(write_junit, made)).iter("testsuite"))
    assert {suite.attrib["timestamp"] for suite in suites} == {TAKEN.removesuffix("Z")}
    values = [{each.attrib["name"]: each.attrib["value"] for each in suite.iter("property")} for suite in suites]
    assert {(each["taken"], each["evaluated"]) for each in values} == {(TAKEN, LATER)}
    counts = count(made)
    result = result_of(made, counts)
    sent = notice(target(), ScanResult(made.scan, result, decide(result, "high"), date(2026, 11, 26)), reported())
    assert sent is not None
    assert sent.scan is not None
    assert (sent.scan.taken, sent.scan.evaluated) == (TAKEN, LATER if later else "")
    assert text in scan_sentence(sent.scan, Words())
