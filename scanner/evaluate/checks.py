"""The checks of one bundle: each enabled rule of its type, on its top-level resource and on what lies below that."""

import traceback
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct, field

from scanner.document.schema import FixRow, WaiverRow
from scanner.document.states import State, proven_state
from scanner.evaluate import locks
from scanner.evaluate.endpoints import by_subject, exposures_of, parents_of
from scanner.evaluate.fixes import Fixes
from scanner.evaluate.gaps import GapLedger, ends
from scanner.evaluate.keys import store_keys
from scanner.evaluate.places import accept_place, place_rows
from scanner.evaluate.policy import Policy
from scanner.evaluate.results import BundleResult, Crash
from scanner.evaluate.rows import ExposureRows, crashed_row, failed_row, inconclusive_row
from scanner.evaluate.shared import SharedCauses
from scanner.evaluate.waiving import AcceptedLocks, accept_endpoints, accept_lock, accept_property, intended_of
from scanner.fix.bicep import Versions
from scanner.model.exposure import LOCKS, EndpointId, Exposure
from scanner.model.index import Index
from scanner.model.message import Message, joined
from scanner.model.resource import Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import Rule
from scanner.model.severity import Severity
from scanner.model.verdict import Fail, NotApplicable, Pass, Unknown, Unread, Verdict, unknown
from scanner.rulebook.loader import RuleSet, reads_of


class TypeRules(NamedTuple):
    """The rules of a type. `disabled_locks`: the lock rules that are not enabled."""

    locks: Sequence[Rule]
    others: Sequence[Rule]
    disabled_locks: Sequence[Rule]


class RulesByType(dict[ResourceType, TypeRules]):
    """The rules of each type, sorted when they are first asked for."""

    def __init__(self, rules: RuleSet) -> None:
        super().__init__()
        self._rules = rules

    def __missing__(self, kind: ResourceType) -> TypeRules:
        every, enabled = self._rules.rules_of(kind), self._rules.enabled
        type_rules = self[kind] = TypeRules(
            locks=[rule for rule in every if rule.lock and rule.key in enabled],
            others=[rule for rule in every if not rule.lock and rule.key in enabled],
            disabled_locks=[rule for rule in every if rule.lock and rule.key not in enabled],
        )
        return type_rules


class Context(Struct):
    """What all checks of an evaluation share."""

    rules: RuleSet
    rules_by_type: RulesByType
    policy: Policy
    index: Index
    gaps: GapLedger
    crashes: list[Crash] = field(default_factory=list)
    exposure_rows: ExposureRows = field(default_factory=ExposureRows)
    shared: SharedCauses = field(default_factory=SharedCauses)
    versions: Versions = field(default_factory=dict)


def check_resource(context: Context, result: BundleResult, kind: ResourceType, top: Resource) -> None:
    """Check a top-level resource, and what lies below it, by the rules of one type."""
    fixes = _check_locks(context, result, kind, top)
    for rule in context.rules_by_type[kind].others:
        findings, places = len(result.findings), len(result.places)
        _check_property(context, result, rule, top, fixes)
        if top.bundle.ages:
            _tell_age(result, rule, top, findings, places)


def check_unread(context: Context, result: BundleResult, kind: ResourceType, path: str, *missing: Unread) -> None:
    """Make every rule of a type inconclusive on a subscription, a list or a resource that was not read."""
    for rule in context.rules.rules_of(kind):
        if rule.key not in context.rules.enabled:
            continue
        _add(context, result, rule, path, unknown(*missing, worst=_most(rule)))


# Property rules


def _check_property(context: Context, result: BundleResult, rule: Rule, top: Resource, fixes: Fixes) -> None:
    if rule.subject is None:
        _check_subject(context, result, rule, top, top, fixes)
        return
    for subject, known in subjects_of(rule.subject, top, rule.severity):
        if known is None:
            _check_subject(context, result, rule, subject, top, fixes)
        else:
            result.describe(subject, top)
            _add(context, result, rule, subject.id, known)


def subjects_of(
    read: Read, top: Resource, severity: Severity | None
) -> Iterator[tuple[Resource, NotApplicable | Unknown | None]]:
    """Yield what a read gave below a resource. What there is nothing to ask about comes with its verdict: a parent that
    has none on its SKU, and the resource itself where something was not read.
    """
    parents, missing = parents_of(read, top)
    for parent in parents:
        children = parent.children(read)
        for child in children:
            yield child, None
        if children.gap is not None:
            missing.append(children.gap)
        elif off := parent.off(read):
            yield parent, NotApplicable(Message("not on this SKU or kind: {off}", off=off))
    if missing:
        yield top, unknown(*missing, worst=severity)


def _check_subject(
    context: Context, result: BundleResult, rule: Rule, subject: Resource, top: Resource, fixes: Fixes
) -> None:
    try:
        verdict = verdict_of(rule, subject, context.index)
    except Exception as error:  # noqa: BLE001 - a rule file may raise anything; the others go on
        _add_crash(context, result, rule, subject, error)
        return
    if subject is not top or top.id not in result.resources:
        result.describe(subject, top)
    if rule.finder is not None and type(verdict) is not NotApplicable:
        result.places += place_rows(rule, rule.finder, subject, context.index, verdict)
    if rule.keys is not None:
        result.keys += store_keys(rule, rule.keys, subject, context.index, verdict)
    if not isinstance(verdict, Fail):
        _add(context, result, rule, subject.id, verdict)
        return
    severity = _severity(context.policy, rule, verdict)
    acceptance = accept_property(context.policy.waivers, rule, subject, sorted(verdict.endpoints), severity)
    if acceptance.waiver is None:
        acceptance = accept_place(verdict) or acceptance
    context.gaps.add_partial(rule, verdict.undecided)
    shown, fix = fixes.property_row(rule, verdict, subject)
    row = failed_row(rule, verdict, subject, top, severity, acceptance, shown, fix, context.index)
    result.findings.append(row)
    result.fixes[row.fingerprint] = fix


def _tell_age(result: BundleResult, rule: Rule, top: Resource, findings: int, places: int) -> None:
    """Say of the verdicts of a rule when the reads were made that it needs, where an earlier scan made them.

    `findings`, `places`: how many there were before.
    """
    ends = tuple(read.key for read in reads_of(rule))
    times = [time for url, time in top.bundle.ages.items() if url.endswith(ends)]
    if not times:
        return
    result.carried.append((top.id, rule.id))
    oldest = min(times)
    time = oldest.replace("T", " ").removesuffix("Z")
    told = Message("It was read by an earlier scan, on {time} UTC.", time=time)
    for position, row in enumerate(result.findings[findings:], findings):
        message = joined(" ", (row.message, told))
        result.findings[position] = msgspec.structs.replace(row, message=message, read_at=oldest)
    for position, place in enumerate(result.places[places:], places):
        what = Message("{what}, read by an earlier scan on {time} UTC", what=place.what, time=time)
        result.places[position] = msgspec.structs.replace(place, what=what)


def verdict_of(rule: Rule, subject: Resource, index: Index) -> Verdict:
    """Return what a property rule says of a resource."""
    assert rule.check is not None
    try:
        verdict = rule.check(subject, index)
    except Unread as missing:
        return unknown(missing.with_traceback(None), worst=rule.severity)
    if subject.has_no_properties and isinstance(verdict, Pass | Fail):
        return unknown(Unread("properties", subject.why_absent_is_unknown), worst=rule.severity)
    return verdict


# Lock rules


class LockFailure(NamedTuple):
    """A lock rule that failed on an endpoint, its finding with its fix, and who accepted that for this endpoint.

    `finding`: its fingerprint.
    """

    rule: Rule
    finding: str
    fix: FixRow
    waiver: WaiverRow | None


class _Endpoints(Struct):
    """What the lock rules found on the endpoints of one resource.

    `disabled`: the lock rules of its type that do not run.
    """

    top: Resource
    fixes: Fixes
    disabled: Sequence[Rule]
    intended: dict[EndpointId, str]
    failures: dict[EndpointId, list[LockFailure]] = field(default_factory=dict)
    accepted: AcceptedLocks = field(default_factory=AcceptedLocks)


def _check_locks(context: Context, result: BundleResult, kind: ResourceType, top: Resource) -> Fixes:
    """Check the lock rules of a type on a resource. Return what makes the fixes of its findings."""
    rules, _, disabled = context.rules_by_type[kind]
    if not rules:
        return Fixes(top, context.index, (), (), context.versions)
    exposures, problem = exposures_of(kind, top, context.index)
    fixes = Fixes(top, context.index, exposures, rules, context.versions, kind)
    context.shared.add(top, context.index, exposures, fixes.closed_without)
    intended = intended_of(exposures, top, context.policy.intended)
    endpoints = _Endpoints(top, fixes, disabled, intended)
    for rule in rules:
        if problem is not None:
            _add_crash(context, result, rule, top, problem)
            continue
        for subject, group in by_subject(rule, top, exposures):
            _check_lock(context, result, rule, subject, group, endpoints)
    for each in exposures:
        _add_exposure(context, result, each, endpoints)
    return fixes


def _check_lock(
    context: Context,
    result: BundleResult,
    rule: Rule,
    subject: Resource,
    group: Sequence[Exposure],
    endpoints: _Endpoints,
) -> None:
    """Check a lock rule on the endpoints of one subject. The finding names those that are not accepted, if any."""
    lock_verdict = locks.evaluate(rule.category, group, rule.credentials)
    result.describe(subject, endpoints.top)
    if not isinstance(lock_verdict.verdict, Fail):
        waiver = _add(context, result, rule, subject.id, lock_verdict.verdict)
        if isinstance(lock_verdict.verdict, Unknown):
            endpoints.accepted.add(rule, lock_verdict.inconclusive, waiver)
        return
    waivers, intended = context.policy.waivers, endpoints.intended
    accepted = accept_endpoints(waivers, rule, subject, lock_verdict.failing, intended)
    left = [each for each in lock_verdict.failing if each.id not in accepted]
    verdict: Verdict = lock_verdict.verdict
    if accepted and left:
        inconclusive = [each for each in lock_verdict.inconclusive if each.id not in intended]
        verdict = locks.evaluate(rule.category, [*left, *inconclusive], rule.credentials).verdict
    assert isinstance(verdict, Fail)
    severity = _severity(context.policy, rule, verdict)
    acceptance = accept_lock(waivers, rule, subject, lock_verdict.failing, accepted, intended)
    context.gaps.add_partial(rule, verdict.undecided)
    shown, fix = endpoints.fixes.row(rule, subject, lock_verdict.failing)
    row = failed_row(rule, verdict, subject, endpoints.top, severity, acceptance, shown, fix, context.index)
    result.findings.append(row)
    result.fixes[row.fingerprint] = fix
    for each in lock_verdict.failing:
        failure = LockFailure(rule, row.fingerprint, shown, accepted.get(each.id))
        endpoints.failures.setdefault(each.id, []).append(failure)


def _add_exposure(context: Context, result: BundleResult, exposure: Exposure, endpoints: _Endpoints) -> None:
    top, failures = endpoints.top, endpoints.failures.get(exposure.id, [])
    state, reason, waiver = _state(exposure, failures, endpoints.intended.get(exposure.id))
    best = _best(exposure, failures)
    fix, breaks = (None, None) if best is None else (best.fix, best.fix.impact)
    reason = reason or exposure.justification
    row = context.exposure_rows.row(exposure, top, state=state, reason=reason, waiver=waiver, fix=fix, breaks=breaks)
    if best is not None:
        result.fixed_by[row.fingerprint] = best.finding
    result.exposures.append(row)
    result.describe(top)
    if _is_unresolved(exposure, state, failures, endpoints):
        context.gaps.leave_unresolved(endpoints.accepted.unresolved(exposure))


def _is_unresolved(exposure: Exposure, state: State, failures: Sequence[LockFailure], endpoints: _Endpoints) -> bool:
    """Return whether an endpoint may be worse than proven, and no Unknown rule reports all of that.

    One that was not assessed is resolved where a rule on its unread lock is disabled: the scan was not asked for it.
    """
    if state == "unknown":
        return not (endpoints.accepted.has(exposure) or any(_is_about(rule, exposure) for rule in endpoints.disabled))
    return bool(failures) and exposure.inconclusive and state in ("open", "waived")


def _is_about(rule: Rule, exposure: Exposure) -> bool:
    """Return whether a lock rule reads a lock of an endpoint that has possible grants."""
    lock = exposure.reach if rule.category == "network" else exposure.authentication
    return bool(lock.possible_grants) and rule.names(exposure.endpoint)


def _state(
    exposure: Exposure, failures: Sequence[LockFailure], intended: str | None
) -> tuple[State, str, WaiverRow | None]:
    """Return the state of an endpoint, its reason, and who accepted it where it is waived.

    Settings and waivers accept what is proven to be open. So one that was not assessed is `unknown`, also where the
    settings intend it.
    """
    proven = proven_state(exposure.severity, exposure.worst_severity)
    if proven == "closed":
        return "closed", exposure.disabled_reason or exposure.hidden_rules, None
    if proven == "unknown":
        return "unknown", _why_unknown(exposure), None
    if intended is not None:
        return "intended", intended, None
    waivers = [each.waiver for each in failures if each.waiver is not None]
    if waivers and len(waivers) == len(failures):
        waiver = min(waivers, key=ends)
        return "waived", waiver.reason, waiver
    return "open", "", None


def _why_unknown(exposure: Exposure) -> Message:
    """Return what was not read of an endpoint, as one text."""
    possible = [*exposure.reach.possible_grants, *exposure.authentication.possible_grants]
    return joined("; ", dict.fromkeys(each.missing.text for each in possible))


def _best(exposure: Exposure, failures: Sequence[LockFailure]) -> LockFailure | None:
    """Return the failure whose fix is that of the endpoint: of those that are not accepted, one that closes it, then
    one with commands, then the cheapest.
    """
    left = [each for each in failures if each.waiver is None] or failures
    return min(left, key=lambda each: _cost(exposure, each), default=None)


def _cost(exposure: Exposure, failure: LockFailure) -> tuple[bool, bool, int, int]:
    rule, fix = failure.rule, failure.fix
    return exposure.endpoint not in fix.closes, not fix.commands, rule.fix.cost, LOCKS.index(rule.category)


# Findings


def _add(
    context: Context, result: BundleResult, rule: Rule, id: str, verdict: Pass | NotApplicable | Unknown
) -> WaiverRow | None:
    """Add a check that did not fail. Return who accepted that it is Unknown."""
    if isinstance(verdict, Pass):
        result.passed.setdefault(id, []).append(rule.id)
        return None
    if isinstance(verdict, NotApplicable):
        result.not_applicable.setdefault(id, {})[rule.id] = verdict.why
        return None
    waiver = context.gaps.accept(rule, id, verdict)
    result.findings.append(inconclusive_row(rule, id, verdict, waiver))
    return waiver


def _add_crash(context: Context, result: BundleResult, rule: Rule, subject: Resource, error: Exception) -> None:
    message = f"{type(error).__name__}: {error}"
    context.policy.waivers.inconclusive(rule, subject.id)
    result.describe(subject)
    result.findings.append(crashed_row(rule, subject.id, _most(rule), message))
    line = _line_in(context.rules.files.get(rule.key, ""), error)
    context.crashes.append(Crash(rule.id, subject.id, message, line))


def _line_in(file: str, error: Exception) -> int:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return (lines[-1] or 0) if lines else 0


def _severity(policy: Policy, rule: Rule, verdict: Fail) -> Severity:
    """Return the severity of a failed check: the settings', else the verdict's, else the rule's."""
    if rule.retired_on:
        return Severity.info
    given = policy.severities.get(rule.key) if policy.severities else None
    if given is None:
        given = rule.severity if verdict.severity is None else verdict.severity
    return Severity.low if given is None else given


def _most(rule: Rule) -> Severity:
    """Return the highest severity of a rule's findings. Exposures rate a lock rule, so it may be critical."""
    return Severity.critical if rule.severity is None else rule.severity
