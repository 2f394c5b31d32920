"""The states of endpoints: each endpoint has one, and every output counts them so that they sum up."""

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from functools import reduce
from io import BytesIO, StringIO
from operator import or_
from typing import cast
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.document.schema import Document, ExposureRow, FixRow, WaiverRow
from scanner.document.states import STATES, State, proven_state, state_word
from scanner.evaluate.checks import LockFailure, _state
from scanner.evaluate.counts import Counts, count
from scanner.evaluate.results import EvaluationResult
from scanner.exit_codes import FINE, decide
from scanner.history.observation import observe
from scanner.model.exposure import NO_GRANT, Auth, EndpointKind, Exposure, Lock, Reach, closed, grant, possible
from scanner.model.message import Message
from scanner.model.rule import Rule
from scanner.model.severity import SEVERITIES, Severity, severity_rank
from scanner.model.verdict import Unread
from scanner.report.code_scanning.junit import write_junit
from scanner.report.code_scanning.sarif import write_sarif
from scanner.report.html.rendering import render
from scanner.report.language.words import Words
from scanner.report.markdown import write_markdown
from scanner.report.sheets.csv import write_csv
from scanner.report.views.summary import matrix
from scanner.rulebook.loader import RuleSet
from scanner.scan.last_screen import LastScreen
from tests.evaluate.test_counts import evaluated
from tests.history.test_compare import account, exposure
from tests.report import sample

__all__ = ["evaluated"]

REACHES = ("internet", "azure", "wide", "selected", "private", "none", "unknown")
RATED = st.sampled_from([None, *SEVERITIES])


@st.composite
def endpoints(draw: st.DrawFn) -> ExposureRow:
    """An endpoint with any severity and a worst one that is at least as bad, in a state that it may have."""
    worst, severity = sorted((draw(RATED), draw(RATED)), key=severity_rank)
    state: State = proven_state(severity, worst)
    if state == "open":
        state = draw(st.sampled_from(["open", "waived", "intended"]))
    row = exposure(
        account(f"st{draw(st.integers(0, 3))}"),
        f"blob/{draw(st.integers(0, 10_000))}",
        reach=draw(st.sampled_from(REACHES)),
        auth=draw(st.sampled_from(["anonymous", "shared", "identity", "unknown"])),
        severity=severity,
        worst=worst,
        state=state,
    )
    return msgspec.structs.replace(row, kind=draw(st.sampled_from(["data", "admin", "app"])))


def document(rows: list[ExposureRow]) -> Document:
    made = sample.typed(sample.clean())
    made.exposures = rows
    return made


def last_screen(counts: Counts) -> LastScreen:
    result = EvaluationResult(counts, complete=not counts.not_assessed)
    return LastScreen(result, RuleSet(), None, [], decide(result, "high"), "high")


def in_csv(made: Document) -> Counter[str]:
    out = BytesIO()
    write_csv(made, out)
    lines = csv.DictReader(StringIO(out.getvalue().decode("utf-8-sig")))
    return Counter(line["status"] for line in lines if line["record"] == "exposure")


def in_markdown(made: Document) -> Counter[str]:
    out = BytesIO()
    write_markdown(made, out)
    line = re.search(r"([\d,]+) endpoints?: (.*?)(?:; |\.\n)", out.getvalue().decode())
    assert line
    assert int(line[1].replace(",", "")) == len(made.exposures)
    return Counter({word: int(number) for number, word in re.findall(r"(\d+) ([a-z ]+)", line[2])})


def in_sarif(made: Document) -> Counter[str]:
    out = BytesIO()
    write_sarif(made, out)
    return Counter(json.loads(out.getvalue())["runs"][0]["properties"]["endpoints"])


def in_junit(made: Document) -> Counter[str]:
    out = BytesIO()
    write_junit(made, out)
    result: Counter[str] = Counter()
    named = (each for each in ET.fromstring(out.getvalue()).iter("property"))
    for each in (each for each in named if each.attrib["name"].startswith("endpoints.")):
        result[each.attrib["name"].removeprefix("endpoints.")] += int(each.attrib["value"])
    return result


def in_html(made: Document) -> Counter[str]:
    page = render(made, Words())
    matches = re.findall(r'href="#endpoints\?q=status:([a-z]+)"><b>([\d,]+)</b>', page)
    return Counter({state: int(number) for state, number in matches})


def in_log(counts: Counts) -> Counter[str]:
    result: Counter[str] = Counter()
    for number, word in re.findall(r"(\d+) ([a-z ]+)", last_screen(counts).found().partition(";")[0]):
        result["open" if word in SEVERITIES else word] += int(number)
    return result


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(endpoints(), min_size=1, max_size=12))
def test_every_sum_of_states_is_the_number_of_endpoints(rows: list[ExposureRow]) -> None:
    made, expected = document(rows), Counter[str](row.state for row in rows)
    counts = count(made)
    in_words = Counter({state_word(state): number for state, number in expected.items()})
    assert sum(counts.by_state.values()) == counts.endpoints == len(rows)
    assert +Counter(counts.by_state) == +in_sarif(made) == +in_junit(made) == expected
    assert in_csv(made) == in_html(made) == expected
    assert in_markdown(made) == in_log(counts) == in_words
    assert sum(cell.count for cells in matrix(rows) for cell in cells) == len(rows)


@settings(max_examples=100, deadline=None)
@given(st.lists(endpoints(), min_size=1, max_size=12))
def test_an_unknown_endpoint_is_not_open_and_no_sentence_says_that_none_is(rows: list[ExposureRow]) -> None:
    made = document(rows)
    counts = count(made)
    items = observe(made, {})
    assert counts.open.total() == expected_open(rows)
    for row in rows:
        if row.state == "unknown" and ("exposure", row.fingerprint) not in items.items:
            assert items.closed["exposure", row.fingerprint] is True
    first, *more = last_screen(counts).result_sentences()
    if missing := counts.not_fully_assessed.total():
        assert first.startswith(f"Not fully assessed: {missing} endpoint")
        assert not any(sentence.lower().startswith("no endpoint") for sentence in more)
        assert decide(EvaluationResult(counts, complete=False), "never").code != FINE


def expected_open(rows: list[ExposureRow]) -> int:
    return sum(row.state == "open" for row in rows)


def test_an_evaluation_gives_each_endpoint_the_state_of_its_severities(evaluated: tuple[Counts, Document]) -> None:
    counts, made = evaluated
    assert counts.states.total() == counts.endpoints
    assert set(counts.states) <= set(STATES)
    for row in made.exposures:
        proven = proven_state(row.severity, row.worst)
        assert row.state == proven or (proven == "open" and row.state in ("waived", "intended"))
        assert row.state != "unknown" or row.reason
    assert counts.states["unknown"]


@pytest.mark.parametrize("fail_on", ["never", "info", "new:info"])
def test_unknown_never_counts_for_fail_on(fail_on: str) -> None:
    counts = Counts()
    counts.exposure(exposure(severity=None, worst="critical", state="unknown"))
    end = decide(EvaluationResult(counts, complete=False), fail_on)
    assert (end.code, end.why) == (3, "incomplete, 1 endpoint not fully assessed")


MISSING = Unread("the firewall", Message("not collected"))


@st.composite
def locks(draw: st.DrawFn, scale: Sequence[Reach | Auth]) -> Lock:
    """A lock of certain and of possible grants of these levels."""
    sure = [grant(level) for level in draw(st.lists(st.sampled_from(scale), max_size=2))]
    maybe = [possible(level, MISSING) for level in draw(st.lists(st.sampled_from(scale), max_size=2))]
    return reduce(or_, [*sure, *maybe], NO_GRANT)


@given(
    locks(tuple(Reach)),
    locks(tuple(Auth)),
    st.sampled_from(["data", "admin", "app"]),
    st.sampled_from([None, "on purpose"]),
)
def test_a_certain_cell_opens_and_a_possible_cell_alone_is_unknown(
    reach: Lock, auth: Lock, kind: EndpointKind, intended: str | None
) -> None:
    endpoint = Exposure("blob", kind, reach, auth)
    waiver = WaiverRow("r", "kari", "2027-01-01")
    failure = LockFailure(cast("Rule", None), "", FixRow(), waiver)
    for failures in ([], [failure]):
        state, _, accepted = _state(endpoint, failures, intended)
        if endpoint.severity is not None:
            assert state == ("intended" if intended else "waived" if failures else "open")
        else:
            assert state == ("closed" if endpoint.worst_severity is None else "unknown")
            assert accepted is None


def test_low_for_certain_and_critical_at_worst_is_open() -> None:
    reach = grant(Reach.private) | possible(Reach.internet, MISSING)
    auth = grant(Auth.shared) | possible(Auth.anonymous, MISSING)
    endpoint = Exposure("blob", "data", reach, auth)
    assert (endpoint.severity, endpoint.worst_severity) == (Severity.low, Severity.critical)
    assert _state(endpoint, [], None) == ("open", "", None)


def test_an_endpoint_that_is_off_is_closed_with_its_reason() -> None:
    assert _state(closed("sftp", "data", Message("SFTP is off")), [], "on purpose") == ("closed", "SFTP is off", None)
