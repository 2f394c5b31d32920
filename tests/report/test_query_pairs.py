"""Pairs of invented scans, each pair of another subscription, in one folder: queries answer as `twolocks diff` does."""

import random
from pathlib import Path

import msgspec
import pytest

from scanner.document.schema import Document, Remediation, RuleRow, ScopeRow, exposure_fingerprint, finding_fingerprint
from scanner.document.scopes import ExcludedRow
from scanner.history.baseline import endpoint_types
from scanner.model.ids import type_of
from tests.history.test_compare import Row, account, container, exposure, finding
from tests.history.test_compare import document as rows_of
from tests.report.test_queries import GONE, NEW, RULES, Scans, at, by, differences, open_in

LOCK, PLAIN = "storage-shared-key-enabled", "storage-plain-http"
RULE = RuleRow(
    title="",
    category="transport",
    severity="high",
    why="",
    remediation=Remediation(az="", bicep="", terraform="", portal="", breaks="", first_step=""),
    controls={},
    references=[],
)
PAIRS, SEEDS = 15, 2
STATES = (
    ("open", "high", "high"),
    ("open", "medium", "high"),
    ("closed", None, None),
    ("closed", None, "low"),
    ("unknown", None, "high"),
    ("waived", "high", "high"),
    ("intended", "high", "high"),
)
STATUSES = ("fail", "fail", "unknown", "error", "waived", "pass", "pass", "not-applicable")


def invented(seed: int, subscription: str) -> Document:
    """A document that says something about each rule on each resource that it lists."""
    draw = random.Random(seed)
    rules = [each for each in (LOCK, PLAIN) if draw.random() < 0.9]
    view = draw.choice(("full", "full", "full", "partial", "none"))
    listed: list[str] = []
    for name in ("a", "b") if view != "none" else ():
        if draw.random() < 0.8:
            listed += [account(name), *(container(each, name) for each in ("c", "d") if draw.random() < 0.7)]
    rows: list[Row] = []
    passed: dict[str, list[str]] = {}
    not_applicable: dict[str, dict[str, str]] = {}
    for id in listed:
        if LOCK in rules and draw.random() < 0.9:
            state, severity, worst = draw.choice(STATES)
            rows.append(exposure(id, "blob", severity=severity, worst=worst, state=state))
        for rule in rules if id == account("a") or id == account("b") else (each for each in rules if each == PLAIN):
            status, category = draw.choice(STATUSES), "authentication" if rule == LOCK else "transport"
            if status == "pass":
                passed.setdefault(id, []).append(rule)
            elif status == "not-applicable":
                not_applicable.setdefault(id, {})[rule] = "no reason"
            else:
                rows.append(finding(id, rule, category=category, status=status))
    made = rows_of(rows, passed, listed)
    made.not_applicable = not_applicable
    made.rules = dict.fromkeys(rules, RULE)
    made.coverage.scopes[:] = [ScopeRow(subscription=account("a").split("/")[2], name="s", tenant="t", view=view)]
    made.coverage.types[:] = []
    scan = msgspec.structs.replace(made.scan, excluded=msgspec.UNSET, limited=msgspec.UNSET)
    if draw.random() < 0.1 and not listed:
        scan = msgspec.structs.replace(
            scan, excluded=[ExcludedRow(scope=account("a").split("/providers")[0], name="rg")]
        )
    made.scan = scan
    return moved(made, subscription)


def moved(document: Document, subscription: str) -> Document:
    """The document with another subscription, and the fingerprints that follow from it."""
    text = msgspec.json.encode(document).decode().replace(account("a").split("/")[2], subscription)
    made = msgspec.json.decode(text, type=Document)
    replace = msgspec.structs.replace
    made.exposures = [
        replace(row, fingerprint=exposure_fingerprint(row.resource, row.endpoint, "")) for row in made.exposures
    ]
    made.findings = [replace(row, fingerprint=finding_fingerprint(row.rule, row.resource)) for row in made.findings]
    return made


def keys_of(document: Document) -> set[tuple[str, str]]:
    rows = {("exposure", row.fingerprint) for row in document.exposures}
    return rows | {("finding", row.fingerprint) for row in document.findings}


def not_covered(old: Document, late: Document) -> set[tuple[str, str]]:
    """The items of a document that a later scan left out by `--exclude`, or because their rule was off."""
    if late.scan.excluded:
        return open_in(old)
    types = endpoint_types(late, RULES)
    matches = {("exposure", row.fingerprint) for row in old.exposures if type_of(row.resource).lower() not in types}
    return matches | {("finding", row.fingerprint) for row in old.findings if row.rule not in late.rules}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_invented_pairs_differ_as_in_diff(seed: int, tmp_path: Path) -> None:
    names = [f"sub-{number:04}" for number in range(PAIRS)]
    pairs = {
        name: tuple(at(invented(seed * 10_000 + number * 2 + half, name), half + 1, f"-{name}") for half in (0, 1))
        for number, name in enumerate(names)
    }
    scans = Scans(tmp_path).add(*(document for pair in pairs.values() for document in pair))
    new, gone, standing = (
        scans.keys(NEW),
        by(scans.ask(GONE), "why"),
        by(scans.run("FROM standing"), "state"),
    )
    unseen = gone["not listed"] | standing["not seen"] | standing["inconclusive"]
    seen = dict.fromkeys(("new", "fixed", "accepted", "unseen", "open"), 0)
    for name, (old, late) in pairs.items():
        own = keys_of(old) | keys_of(late)

        lists = differences(old, late)
        was, left_out = open_in(old), not_covered(old, late)
        lost = (lists["vanished"] | lists["unknown"]) & was
        answers = {
            "new": (new & own, lists["new"]),
            # What was accepted before was not open, so that it is not gone.
            "fixed": (gone["fixed"] & own, lists["fixed"] & was),
            "accepted": (gone["accepted"] & own, lists["accepted"]),
            "unseen": (unseen & own, lost - left_out),
            # What the later scan left out is as the earlier one says.
            "open": (standing["open"] & own, open_in(late) | (lost & left_out)),
        }
        for what, (matches, right) in answers.items():
            assert matches == right, (name, what)
            seen[what] += len(right)
    assert all(seen.values()), seen
