"""The state of every control of every framework, by what its rules found. Pure.

What was not read is never passed. A control with a waived finding failed: a waiver accepts a risk, it closes nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct, field

from scanner.document.framework_rows import CONTROL_STATES, ControlRow, ControlState, FrameworkRow, NotAssessed
from scanner.document.schema import Coverage, Document, FindingRow, GapRow
from scanner.model.framework import Framework, in_order
from scanner.model.ids import segments
from scanner.model.rule import Rule
from scanner.rulebook.loader import RuleSet

Rules = Mapping[str, Collection[str]]
"""The ids of rules, by control."""


class Tally(Struct):
    """The checks of each rule by status. `unread`: the rules of which a check is inconclusive because a read failed."""

    checks: dict[str, Counter[str]] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)

    def finding(self, row: FindingRow) -> None:
        """Count a finding."""
        self._of(row.rule)[row.status] += 1
        if row.status == "unknown" and row.gaps:
            self.unread.add(row.rule)

    def passed(self, rules: Iterable[str]) -> None:
        """Count the rules that passed on a resource."""
        known = self.checks
        for rule in rules:
            (known.get(rule) or self._of(rule))["pass"] += 1

    def join(self, checks: Mapping[str, Mapping[str, int]], unread: Iterable[str]) -> None:
        """Add the checks of another part of a scan."""
        for rule, counts in checks.items():
            self._of(rule).update(counts)
        self.unread.update(unread)

    def _of(self, rule: str) -> Counter[str]:
        result = self.checks.get(rule)
        if result is None:
            result = self.checks[rule] = Counter()
        return result


def tally_of(document: Document) -> Tally:
    """Return the checks of a whole document."""
    tally = Tally()
    for finding in document.findings:
        tally.finding(finding)
    for rules in document.passed.values():
        tally.passed(rules)
    return tally


def assessed(rules: RuleSet, tally: Tally, coverage: Coverage, gaps: Iterable[GapRow] = ()) -> list[FrameworkRow]:
    """Return every framework with the states of its controls, in order. `gaps`: the failed reads of the scan."""
    # A rule that was not loaded may have tested any control.
    off = set(rules.questions()) if coverage.rules_broken else _off(rules, coverage)
    is_whole = _is_whole(coverage, gaps)
    framework_rows = []
    tested = tested_by(rules.rules.values())
    for framework in in_order(rules.frameworks.values()):
        by_control = tested.get(framework.name, {})
        states = {
            control.id: _assessed(
                testing,
                tally,
                is_off=not off.isdisjoint(testing),
                in_part=bool(control.rest),
                is_whole=is_whole,
            )
            for control in framework.controls.values()
            if (testing := by_control.get(control.id))
        }
        framework_rows.append(framework_row(framework, states))
    return framework_rows


def of_owner(frameworks: Iterable[FrameworkRow], owned: Document, tally: Tally | None = None) -> list[FrameworkRow]:
    """Return the frameworks of a document with the checks of a part of it, such as the document of one owner.

    `tally`: those checks, where they are counted already.
    """
    tally, is_whole = tally or tally_of(owned), _is_whole(owned.coverage, owned.gaps)
    by_control: dict[tuple[str, str], list[str]] = {}
    for id, rule in owned.rules.items():
        for framework, controls in rule.controls.items():
            for control in controls:
                by_control.setdefault((framework, control), []).append(id)

    def state(whole: ControlRow, rules: Sequence[str]) -> ControlRow:
        # Rules that were off are not listed. One matters, unless the state of the whole shows that it did not.
        is_off = bool(owned.coverage.rules_broken) or (
            len(rules) < whole.rules and whole.state != "passed" and whole.why != "no-resource"
        )
        row = _assessed(rules, tally, is_off=is_off, in_part=whole.in_part, is_whole=is_whole)
        return msgspec.structs.replace(row, rules=whole.rules)

    return [
        with_states(row, {id: state(whole, by_control.get((row.name, id), ())) for id, whole in row.tested.items()})
        for row in frameworks
    ]


def with_states(row: FrameworkRow, tested: dict[str, ControlRow]) -> FrameworkRow:
    """Return a framework with other states of its tested controls."""
    states = Counter[str](control.state for control in tested.values())
    of_rest = {state: row.states[state] for state in ("not-testable", "not-covered")}
    return msgspec.structs.replace(
        row, tested=tested, states={state: of_rest.get(state, states[state]) for state in CONTROL_STATES}
    )


def _is_whole(coverage: Coverage, gaps: Iterable[GapRow]) -> bool:
    """Return whether every subscription was seen as a whole."""
    return all(scope.view == "full" for scope in coverage.scopes) and not any(map(_is_of_scope, gaps))


def _is_of_scope(gap: GapRow) -> bool:
    """Return whether it is the read of a tenant, management group or subscription, for which no check stands."""
    pieces = segments(gap.url)
    return len(pieces) <= len(("subscriptions", "id")) or pieces[0] == "tenants" or "managementgroups" in pieces


def covered(rules: RuleSet) -> list[FrameworkRow]:
    """Return every framework as it stands without a scan: what rules test is not assessed, because nothing was read."""
    return assessed(rules, Tally(), Coverage(scopes=[], types=[], rules_off=[]))


def tested_by(rules: Iterable[Rule]) -> dict[str, dict[str, list[str]]]:
    """Return the ids of the rules that test each control, by framework and control."""
    result: dict[str, dict[str, list[str]]] = {}
    for rule in rules:
        for framework, controls in rule.controls.items():
            by_control = result.setdefault(framework, {})
            for control in controls:
                testing = by_control.setdefault(control, [])
                if testing[-1:] != [rule.id]:
                    testing.append(rule.id)
    return result


def _off(rules: RuleSet, coverage: Coverage) -> set[str]:
    """Return the rules that were off although there are resources of their types, or they were not looked for."""
    counted = {row.type.lower(): row.resources > 0 or not row.complete for row in coverage.types}
    read = {type.lower() for rule in rules.enabled.values() for type in rule.resource_type.types}
    return {
        rules.rules[key].id
        for key in rules.rules.keys() - rules.enabled.keys()
        if any(counted.get(type.lower(), type.lower() not in read) for type in rules.rules[key].resource_type.types)
    }


def _assessed(rules: Sequence[str], tally: Tally, *, is_off: bool, in_part: bool, is_whole: bool) -> ControlRow:
    checks: dict[str, int] = defaultdict(int)
    counted = [tally.checks[rule] for rule in rules if rule in tally.checks]
    for counts in counted:
        for status, count in counts.items():
            checks[status] += count
    state, why = _state(rules, checks, tally, is_off=is_off, is_whole=is_whole)
    return ControlRow(
        state=state,
        why=why,
        in_part=in_part,
        rules=len(rules),
        used=len(counted),
        failed=checks["fail"],
        waived=checks["waived"],
        inconclusive=checks["unknown"] + checks["error"],
        passed=checks["pass"],
    )


def _state(
    rules: Sequence[str], checks: Mapping[str, int], tally: Tally, *, is_off: bool, is_whole: bool
) -> tuple[ControlState, NotAssessed]:
    """Return the state of a control, and why it is not assessed."""
    if checks.get("fail") or checks.get("waived"):
        return "failed", ""
    if not tally.unread.isdisjoint(rules):
        return "not-assessed", "not-read"
    if checks.get("unknown") or checks.get("error"):
        return "not-assessed", "inconclusive"
    if not is_whole:
        return "not-assessed", "not-read"
    if is_off:
        return "not-assessed", "rule-off"
    return ("passed", "") if checks.get("pass") else ("not-assessed", "no-resource")


def framework_row(framework: Framework, tested: dict[str, ControlRow]) -> FrameworkRow:
    """Return a framework of which these controls are tested."""
    not_testable: dict[str, list[str]] = {}
    not_covered: list[str] = []
    for control in framework.controls.values():
        if control.id in tested:
            continue
        if control.not_testable:
            not_testable.setdefault(control.not_testable, []).append(control.id)
        else:
            not_covered.append(control.id)
    states = Counter[str](row.state for row in tested.values())
    states["not-testable"] = sum(map(len, not_testable.values()))
    states["not-covered"] = len(not_covered)
    return FrameworkRow(
        id=framework.id,
        name=framework.name,
        title=framework.title,
        version=framework.version,
        publisher=framework.publisher,
        url=framework.url,
        controls=len(framework.controls),
        states={state: states[state] for state in CONTROL_STATES},
        tested=tested,
        not_testable=not_testable,
        not_covered=not_covered,
        listed=framework.listed,
    )
