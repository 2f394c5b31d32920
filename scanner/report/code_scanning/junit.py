"""Write the findings as JUnit XML for the test results of a CI system: one suite per subscription, one test per rule
and resource.

A rule that failed is a failure. An inconclusive rule is an error, not a skipped test, because skipped tests look
passed. Accepted findings and accepted inconclusive checks are skipped, with owner and reason. Rules that do not apply
to a resource are not tests. A failed read is a test of its own, so that a subscription that could not be read does not
look well tested.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from msgspec import Struct, field

from scanner.document.schema import Document, FindingRow, GapRow, RuleRow, ScanRow, WaiverRow
from scanner.document.states import STATES
from scanner.document.value_messages import with_title
from scanner.model.ids import subscription_of
from scanner.report.language.plain_fixes import PlainFixes
from scanner.report.language.text import field_lines, shortened
from scanner.report.language.words import Words
from scanner.report.views.gaps import answer, waiver_of
from scanner.report.views.headline import limited
from scanner.store.sorted_rows import SortedRows, sort_key

ELSEWHERE = "outside a subscription"
READ = "everything-was-read"
EXCLUDED = "excluded"
LIMITED = "limited"
_LONGEST = 2_000


class _Test(Struct, frozen=True):
    """A test: a rule on a resource, `READ` on the URL of a read, or `EXCLUDED` on a scope that was left out.

    `outcome` is `failure`, `error`, `skipped`, or "" for a test that passed. `details` are the lines below the message.
    """

    rule: str
    resource: str
    outcome: str = ""
    type: str = ""
    message: str = ""
    details: Sequence[str] = field(default=())


def write_junit(document: Document, out: IO[bytes]) -> None:
    """Write a findings document as JUnit XML. The same document gives the same bytes."""
    names = {scope.subscription.lower(): scope.name for scope in document.coverage.scopes}
    suites, states = _Suites(document), _states(document)
    whole = sum(suites.counts.values(), Counter())
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuites name="twolocks"{_counts(whole)}>']
    tests = suites.in_order()  # of one subscription after the other
    taken = _attribute("timestamp", document.scan.taken.removesuffix("Z"))
    for subscription in sorted(suites.counts.keys() | states.keys()):
        name = _attribute("name", names.get(subscription, subscription) or ELSEWHERE) + _attribute("id", subscription)
        lines.append(f"<testsuite{name}{taken}{_counts(suites.counts[subscription])}>")
        lines += _properties(states[subscription], document.scan)
        out.write(("\n".join(lines) + "\n").encode())
        out.writelines(islice(tests, suites.counts[subscription].total()))
        lines = ["</testsuite>"]
    out.write(("\n".join([*lines, "</testsuites>"]) + "\n").encode())


class _Suites:
    """The encoded tests of each subscription (its id in lower case), and how many of them have which outcome."""

    def __init__(self, document: Document) -> None:
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._rules = document.rules
        self._tests = SortedRows()
        fixes = PlainFixes(document)
        for finding in document.findings:
            self._add(subscription_of(finding.resource), _finding_test(finding, fixes))
        for resource, rules in document.passed.items():
            for rule in rules:
                self._add(subscription_of(resource), _Test(rule, resource))
        for gap in document.gaps:
            self._add(subscription_of(gap.url), _gap_test(gap))
        if text := limited(document.scan.limited or None, Words()):
            self._add("", _Test(LIMITED, "", "skipped", message=text))
        for row in document.scan.excluded or []:
            message = "excluded (--exclude): nothing in it was scanned"
            self._add(subscription_of(row.scope), _Test(EXCLUDED, row.scope, "skipped", message=message))

    def _add(self, subscription: str, test: _Test) -> None:
        self.counts[subscription][test.outcome] += 1
        lines = ("\n".join(_test_case(test, self._rules)) + "\n").encode()
        self._tests.add(sort_key(subscription, test.resource.lower(), test.rule), lines)

    def in_order(self) -> Iterator[bytes]:
        """Yield all tests, by subscription, resource and rule."""
        return (lines for _, lines in self._tests.in_order())


def _states(document: Document) -> dict[str, Counter[str]]:
    """Return the number of endpoints by state, for each subscription (its id in lower case)."""
    states: dict[str, Counter[str]] = defaultdict(Counter)
    for exposure in document.exposures:
        states[subscription_of(exposure.resource)][exposure.state] += 1
    return states


def _properties(states: Mapping[str, int], scan: ScanRow) -> Iterator[str]:
    yield "<properties>"
    times = (("taken", scan.taken), ("evaluated", scan.finished))
    yield from (f"<property{_attribute('name', name)}{_attribute('value', value)}/>" for name, value in times)
    if states:
        yield from (f'<property name="endpoints.{state}" value="{states[state]}"/>' for state in STATES)
    yield "</properties>"


def _finding_test(finding: FindingRow, fixes: PlainFixes) -> _Test:
    if finding.status == "waived" or (finding.status == "unknown" and finding.waiver):
        return _skipped(finding.rule, finding.resource, finding.status, finding.waiver, with_title(finding))
    details = [
        *([f"endpoints: {', '.join(finding.endpoints)}"] if finding.endpoints else []),
        *([f"fix{' in Bash' if finding.fix.commands else ''}: {fixes.text(finding)}"] if finding.fix else []),
        *(f"fill in {line}" for line in field_lines(finding.fix)),
        *([f"impact: {fixes.impact(finding)}"] if finding.fix and finding.fix.commands and finding.fix.impact else []),
        *(f"failed read: {url}" for url in finding.gaps),
        *(["new since the previous scan"] if finding.new else []),
        *([f"first seen: {finding.since}"] if finding.since else []),
        f"resource: {finding.resource}",
        *([f"fingerprint: {finding.fingerprint}"] if finding.fingerprint else []),
    ]
    if finding.status == "fail":
        return _Test(finding.rule, finding.resource, "failure", finding.severity or "", with_title(finding), details)
    type = "inconclusive" if finding.status == "unknown" else "rule crashed"
    return _Test(finding.rule, finding.resource, "error", type, _inconclusive(finding.message), details)


def _gap_test(gap: GapRow) -> _Test:
    message = f"this read failed: {answer(gap)}" + (f", missing permission {gap.action}" if gap.action else "")
    if gap.accepted:
        waiver = waiver_of(gap) or WaiverRow(owner="the waivers", reason="the gap is accepted", expires="")
        return _skipped(READ, gap.url, "waived", waiver, message)
    details = [*(f"inconclusive because of it: {rule}" for rule in gap.rules), f"resource: {gap.url}"]
    return _Test(READ, gap.url, "error", "inconclusive", _inconclusive(message), details)


def _inconclusive(message: str) -> str:
    return f"Inconclusive, not passed: {message}"


def _skipped(rule: str, resource: str, status: str, waiver: WaiverRow | None, message: str) -> _Test:
    owner, reason, expires = (waiver.owner, waiver.reason, waiver.expires) if waiver else ("", "", "")
    until = f" until {expires}" if expires else ""
    accepted = f"accepted by {owner or 'the settings'}{until}: {reason or message}"
    if status == "unknown":
        accepted = f"Inconclusive, not passed; {accepted}"
    return _Test(rule, resource, "skipped", message=accepted)


def _counts(outcomes: Mapping[str, int]) -> str:
    counted = {
        "tests": sum(outcomes.values()),
        "failures": outcomes.get("failure", 0),
        "errors": outcomes.get("error", 0),
        "skipped": outcomes.get("skipped", 0),
    }
    return "".join(f' {name}="{count}"' for name, count in counted.items()) + ' time="0"'


def _test_case(test: _Test, rules: Mapping[str, RuleRow]) -> Iterator[str]:
    # CI systems group tests by class, so the class is the resource: group, type and name.
    segments = test.resource.strip("/").split("/")
    path = "/".join(segments[2:]) if segments[0].lower() == "subscriptions" and len(segments) > 2 else test.resource
    title = rules[test.rule].title if test.rule in rules else ""
    name = f"{test.rule}: {title}" if title else test.rule
    head = f'<testcase{_attribute("classname", path)}{_attribute("name", name)} time="0"'
    if not test.outcome:
        yield head + "/>"
        return
    yield head + ">"
    yield _result(test)
    yield "</testcase>"


def _result(test: _Test) -> str:
    message = _attribute("message", test.message)
    if test.outcome == "skipped":
        return f"<skipped{message}/>"
    body = "\n".join(escape(shortened(line, _LONGEST)) for line in (test.message, *test.details))
    return f"<{test.outcome}{_attribute('type', test.type)}{message}>{body}</{test.outcome}>"


def _attribute(name: str, value: str) -> str:
    return f" {name}={quoteattr(shortened(value, _LONGEST))}"
