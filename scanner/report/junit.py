"""The findings as JUnit XML, for a CI system's page of tests: a suite a subscription, a test a rule and resource.

A rule that failed is a failure. One that could not be decided is an error, never a skipped test: those look green.
What somebody accepted, also that it is not decided, is skipped, with who and why. Rules that do not apply to a resource
are no tests. A read that failed is a test of its own, so that a subscription of which nothing was seen does not look
well tested.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

from scanner.report.gaps import subscription_of
from scanner.report.text import plain

Item = Mapping[str, Any]

ELSEWHERE = "outside a subscription"
READ = "everything-was-read"
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class _Test:
    """A rule on a resource, or `READ` for a read; `finding` where it did not pass."""

    rule: str
    resource: str
    finding: Item | None = None

    @property
    def outcome(self) -> str:
        """`failure`, `error`, `skipped`, or "" for a test that passed."""
        status = self.finding["status"] if self.finding else "pass"
        if status == "unknown" and self.finding and self.finding.get("waiver"):
            return "skipped"
        return {"fail": "failure", "waived": "skipped", "pass": ""}.get(status, "error")


def write_junit(document: Item, out: IO[bytes]) -> None:
    """Writes a findings document (schema `twolocks/1`, decoded). The same document gives the same bytes."""
    names = {scope["subscription"].lower(): scope["name"] for scope in document["coverage"]["scopes"]}
    suites = _suites(document)
    every = [test for tests in suites.values() for test in tests]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuites name="twolocks"{_counts(every)}>']
    taken = _attribute("timestamp", document["scan"]["taken"].removesuffix("Z"))
    for subscription in sorted(suites):
        who = _attribute("name", names.get(subscription, subscription) or ELSEWHERE) + _attribute("id", subscription)
        lines.append(f"<testsuite{who}{taken}{_counts(suites[subscription])}>")
        out.write(("\n".join(lines) + "\n").encode())
        lines = [line for test in suites[subscription] for line in _case(test, document["rules"])]
        lines.append("</testsuite>")
    out.write(("\n".join([*lines, "</testsuites>"]) + "\n").encode())


def _suites(document: Item) -> dict[str, list[_Test]]:
    """The tests of each subscription (its id in lower case), by resource and rule."""
    suites: dict[str, list[_Test]] = defaultdict(list)
    for finding in document["findings"]:
        suites[subscription_of(finding["resource"])].append(_Test(finding["rule"], finding["resource"], finding))
    for resource, rules in document["passed"].items():
        suites[subscription_of(resource)] += [_Test(rule, resource) for rule in rules]
    for gap in document["gaps"]:
        suites[subscription_of(gap["url"])].append(_Test(READ, gap["url"], _gap(gap)))
    for tests in suites.values():
        tests.sort(key=lambda test: (test.resource.lower(), test.rule))
    return suites


def _gap(gap: Item) -> Item:
    """A read that failed, told as a finding is."""
    answer = " ".join(str(part) for part in (gap["status"], gap["code"]) if part)
    accepted = gap.get("waiver") or {"owner": "the waivers", "reason": "the gap is accepted"}
    return {
        "status": "waived" if gap.get("accepted") else "unknown",
        "severity": None,
        "message": f"this read failed: {answer}" + (f", missing {gap['action']}" if gap["action"] else ""),
        "waiver": accepted if gap.get("accepted") else None,
        "resource": gap["url"],
        "endpoints": (),
        "gaps": gap["rules"],
        "hangs": "not decided for it",
        "fix": None,
        "fingerprint": "",
    }


def _counts(tests: list[_Test]) -> str:
    outcomes = [test.outcome for test in tests]
    counted = {
        "tests": len(tests),
        "failures": outcomes.count("failure"),
        "errors": outcomes.count("error"),
        "skipped": outcomes.count("skipped"),
    }
    return "".join(f' {name}="{count}"' for name, count in counted.items()) + ' time="0"'


def _case(test: _Test, rules: Mapping[str, Item]) -> Iterator[str]:
    # CI systems group tests by the class: the resource, in the order in which people look for it.
    parts = test.resource.strip("/").split("/")
    place = "/".join(parts[2:]) if parts[0].lower() == "subscriptions" and len(parts) > 2 else test.resource
    title = rules.get(test.rule, {}).get("title", "")
    name = f"{test.rule}: {title}" if title else test.rule
    head = f'<testcase{_attribute("classname", place)}{_attribute("name", name)} time="0"'
    if test.finding is None:
        yield head + "/>"
        return
    yield head + ">"
    yield _said(test.outcome, test.finding)
    yield "</testcase>"


def _said(outcome: str, finding: Item) -> str:
    endpoints = ", ".join(finding["endpoints"])
    if outcome == "skipped":
        waiver = finding.get("waiver") or {}
        until = f" until {waiver['expires']}" if waiver.get("expires") else ""
        said = (
            f"accepted by {waiver.get('owner') or 'the settings'}{until}: {waiver.get('reason') or finding['message']}"
        )
        if finding["status"] == "unknown":
            said = f"Not decided, which is no pass; {said}"
        return f"<skipped{_attribute('message', said)}/>"
    kind = {"fail": finding["severity"], "unknown": "not decided"}.get(finding["status"], "rule crashed")
    head = "" if finding["status"] == "fail" else "Not decided, which is no pass: "
    message = f"{head}{finding['message']}"
    lines = [
        message,
        *([f"endpoints: {endpoints}"] if endpoints else []),
        *([f"close it: {finding['fix']}"] if finding["fix"] else []),
        *(f"{finding.get('hangs', 'not read')}: {each}" for each in finding["gaps"]),
        *(["new since the scan before"] if finding.get("new") else []),
        *([f"first seen: {finding['since']}"] if finding.get("since") else []),
        f"resource: {finding['resource']}",
        *([f"fingerprint: {finding['fingerprint']}"] if finding["fingerprint"] else []),
    ]
    body = "\n".join(escape(_short(line)) for line in lines)
    return f"<{outcome}{_attribute('type', kind or '')}{_attribute('message', message)}>{body}</{outcome}>"


def _attribute(name: str, value: str) -> str:
    return f" {name}={quoteattr(_short(value))}"


def _short(text: str) -> str:
    text = plain(text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " [cut]"
