"""Step 3: bundles in, findings and exposures out. Pure; knows no Azure and nothing of where a snapshot came from."""

import heapq
import traceback
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Protocol

from scanner.document import schema as rows
from scanner.evaluate import locks
from scanner.evaluate.rows import Rows, filled, managed, resource_row, rule_row, seen_row
from scanner.model.addresses import EMPTY, AddressSet
from scanner.model.exposure import LOCKS, Exposure, unread
from scanner.model.ids import root_of, segments, subscription_of, type_of
from scanner.model.index import EXTENSIONS, INDEX_TYPES, Index
from scanner.model.resource import Bundle, Gap, Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.rule import Rule
from scanner.model.verdict import Fail, NotApplicable, Pass, Severity, Unknown, Unread, Verdict, unknown
from scanner.reach.front_ends import publishers
from scanner.reach.networks import ADMIN_RULES
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.files import Snapshot


@dataclass(frozen=True, slots=True)
class Intended:
    """An endpoint that is meant to be public, by the settings; patterns with `*`, without case."""

    resource: str
    endpoint: str
    reason: str

    def covers(self, resource_id: str, endpoint: str) -> bool:
        return fnmatchcase(resource_id.lower(), self.resource.lower()) and fnmatchcase(
            endpoint.lower(), self.endpoint.lower()
        )


@dataclass(frozen=True, slots=True)
class Spot:
    """What is accepted of a failed finding: an endpoint with its cell ("kind/authentication/reach") and severity.

    The finding of a property rule has one spot, with its severity alone.
    """

    endpoint: str = ""
    address: str = ""
    cell: str = ""
    severity: Severity | None = None


class Waivers(Protocol):
    """What accepted findings and gaps look like from here; see `scanner.config.waivers`."""

    def waived(self, rule: Rule, resource: str, tags: Mapping[str, str], spot: Spot) -> rows.WaiverRow | None:
        """The waiver that covers one spot of a failed finding."""

    def past(self, rule: Rule, resource: str, tags: Mapping[str, str], spot: Spot) -> rows.WaiverRow | None:
        """The waiver that covered it, and has expired."""

    def undecided(self, rule: Rule, resource: str) -> None:
        """Take in that a rule is Unknown, or crashed, on a resource or on something below it."""

    def begin(self) -> None:
        """Forget what an earlier evaluation asked."""

    def accepted(self, gap: Gap) -> rows.WaiverRow | None:
        """The entry that accepts a gap, so that it does not make the scan incomplete."""

    def settled(self, rule: Rule, resource: str) -> rows.WaiverRow | None:
        """The entry that accepts that a rule is Unknown on a resource; asked only where no other gap is the reason."""

    def notes(self, enabled: Iterable[Rule], subscriptions: Collection[str], *, whole: bool) -> list[str]:
        """What to tell of single waivers after a scan that saw these subscriptions (lower case) in full; `whole`: and
        nothing else.
        """


class NoWaivers:
    """Nothing is accepted."""

    def waived(self, rule: Rule, resource: str, tags: Mapping[str, str], spot: Spot) -> rows.WaiverRow | None:
        return None

    def past(self, rule: Rule, resource: str, tags: Mapping[str, str], spot: Spot) -> rows.WaiverRow | None:
        return None

    def undecided(self, rule: Rule, resource: str) -> None:
        return

    def begin(self) -> None:
        return

    def accepted(self, gap: Gap) -> rows.WaiverRow | None:
        return None

    def settled(self, rule: Rule, resource: str) -> rows.WaiverRow | None:
        return None

    def notes(self, enabled: Iterable[Rule], subscriptions: Collection[str], *, whole: bool) -> list[str]:
        return []


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say about judging: own networks, intended endpoints, severities, waivers, tags to show.

    `part`: only some resources were asked for, so that a waiver without its finding is no sign.
    """

    networks: AddressSet = EMPTY
    wide_ipv4: int = 65536
    wide_ipv6: int = 48
    intended: tuple[Intended, ...] = ()
    severities: Mapping[str, Severity] = field(default_factory=dict)
    waivers: Waivers = field(default_factory=NoWaivers)
    tags: tuple[str, ...] = ()
    part: bool = False


@dataclass(frozen=True, slots=True)
class Crash:
    """A rule that raised on a resource, and the line of its file (0: it is not among the frames)."""

    rule: str
    resource: str
    message: str
    line: int


@dataclass(slots=True)
class Tally:
    """The counts of a scan, for the summary and the exit code."""

    exposures: Counter[str] = field(default_factory=Counter)
    """Open exposures by severity name; `closed`, `waived`, `intended`, and `undecided` (may be worse) beside them."""
    anyone: int = 0
    """Open exposures rated critical."""
    copied: int = 0
    """Open exposures that a copied key or password opens, from the internet, Azure or wide ranges."""
    others: Counter[str] = field(default_factory=Counter)
    """Failed findings outside the lock categories, by severity name."""
    statuses: Counter[str] = field(default_factory=Counter)
    errors: list["Crash"] = field(default_factory=list)
    worst: list[rows.ExposureRow] = field(default_factory=list)
    undecided: Counter[str] = field(default_factory=Counter)
    """Unknown findings by the URL of the gap that leaves them so; "" without one."""
    undecided_worst: dict[str, Severity] = field(default_factory=dict)
    resources: int = 0
    reads: int = 0
    types: Counter[str] = field(default_factory=Counter)
    judged: set[str] = field(default_factory=set)
    unaccepted: int = 0
    settled: int = 0
    """Unknown findings that are accepted: they hang on accepted gaps alone, or on nothing that an entry leaves open."""
    agreed: int = 0
    """Those of them that an entry accepts by their rule."""
    gaps: list[rows.GapRow] = field(default_factory=list)
    scopes: list[rows.ScopeRow] = field(default_factory=list)
    complete: bool = True


@dataclass(slots=True)
class _Agreed:
    """Whether all rules that are Unknown for a half of an endpoint (its reach, or what it asks) were accepted so."""

    locks: dict[tuple[int, bool], bool] = field(default_factory=dict)

    def note(self, rule: Rule, row: rows.FindingRow, undecided: Sequence[Exposure]) -> None:
        for each in undecided if row.status == "unknown" else ():
            lock = id(each), rule.category == "network"
            self.locks[lock] = self.locks.get(lock, True) and row.waiver is not None

    def left(self, exposure: Exposure) -> Iterator[str]:
        """The gaps that leave open how bad an endpoint is; "" for a doubt without one that nobody accepted."""
        for is_network, lock in ((True, exposure.reach), (False, exposure.authentication)):
            agreed = self.locks.get((id(exposure), is_network), False)
            yield from (each.missing.gap or "" for each in lock.possible_grants if each.missing.gap or not agreed)


@dataclass(slots=True)
class Judged:
    """What one bundle (or the scopes) comes to, before it is written."""

    key: str
    exposures: list[rows.ExposureRow] = field(default_factory=list)
    findings: list[rows.FindingRow] = field(default_factory=list)
    passed: dict[str, list[str]] = field(default_factory=dict)
    not_applicable: dict[str, dict[str, str]] = field(default_factory=dict)
    named: dict[str, Resource] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """A lock rule that failed on an endpoint, its finding, and who accepted that on this endpoint."""

    rule: Rule
    row: rows.FindingRow
    waiver: rows.WaiverRow | None


def spot(exposure: Exposure) -> Spot:
    """An endpoint that fails, as waivers see it."""
    return Spot(exposure.endpoint, exposure.address, locks.cell_text(exposure), exposure.severity)


def _tags(resource: Resource) -> Mapping[str, str]:
    """The tags of a resource; what has none of its own counts with those of its parent."""
    top = resource.bundle.top
    return resource.tags or (top.tags if top is not None else {})


def _until(waiver: rows.WaiverRow) -> str:
    """The date, as it sorts: what the settings intend has no end."""
    return waiver.expires or "9999"


def index_of(snapshot: Snapshot, policy: Policy) -> Index:
    """The small index of the whole: network resources, what of them is missing, and the settings that judge them."""
    index = Index(
        subscriptions={scope.subscription.lower(): scope.tenant for scope in snapshot.scopes if scope.view != "none"},
        networks=policy.networks,
        wide_ipv4=policy.wide_ipv4,
        wide_ipv6=policy.wide_ipv6,
        live=snapshot.head.live,
    )
    for bundle in snapshot.index:
        for resource in bundle.resources.values():
            index.add(resource)
    index.memo["fabric"] = snapshot.fabric
    if snapshot.head.live:
        index.partial = frozenset(scope.subscription.lower() for scope in snapshot.scopes if scope.view == "partial")
        _missing_types(snapshot, index)
        snapshot.fabric.admin_missing = index.missing.get(ADMIN_RULES)
        snapshot.fabric.admin_unlisted = index.unlisted.get(ADMIN_RULES)
    return index


def _missing_types(snapshot: Snapshot, index: Index) -> None:
    for type in INDEX_TYPES:
        ending = f"/providers/{type.lower()}"
        refused = [gap for gap in snapshot.gaps if gap.url.lower().rstrip("/").endswith(ending)]
        below = [
            gap for bundle in snapshot.index for gap in bundle.gaps.values() if type_of(gap.url).lower() == type.lower()
        ]
        if refused or below:
            found = [(subscription_of(gap.url), Unread(type, gap.why(), gap.url)) for gap in (*refused, *below)]
            index.missing[type.lower()] = found[0][1]
            if all(subscription for subscription, _ in found):
                index.unlisted[type.lower()] = dict(reversed(found))
        if type.lower() in EXTENSIONS:
            _not_asked(snapshot, index, type)
        above = type.lower().rsplit("/", 1)[0]
        known = type.lower() in index.missing or above in index.missing
        if not known and not any(url.endswith(ending) for url in snapshot.reads):
            index.missing[type.lower()] = Unread(type, "not among what was read")
        if above in index.missing:
            _inherit(index, type.lower(), above)


def _not_asked(snapshot: Snapshot, index: Index, type: str) -> None:
    """What Resource Graph alone lists is read for each subscription, or is not known there."""
    lower = type.lower()
    seen = [scope.subscription.lower() for scope in snapshot.scopes if scope.view != "none"]
    lacking = [each for each in seen if f"/subscriptions/{each}/providers/{lower}" not in snapshot.reads]
    if lacking and len(lacking) < len(seen) and (lower not in index.missing or lower in index.unlisted):
        missing = dict.fromkeys(lacking, Unread(type, "not among what was read"))
        index.missing.setdefault(lower, missing[lacking[0]])
        index.unlisted[lower] = {**missing, **index.unlisted.get(lower, {})}


def _inherit(index: Index, type: str, above: str) -> None:
    """What is missing of a type is missing of what stands below it."""
    if type not in index.missing:
        index.missing[type] = index.missing[above]
        if above in index.unlisted:
            index.unlisted[type] = index.unlisted[above]
    elif type in index.unlisted and above in index.unlisted:
        index.unlisted[type] = index.unlisted[above] | index.unlisted[type]
    else:
        index.unlisted.pop(type, None)


class Evaluation:
    """One run of the rules over a snapshot. `run` streams into a writer and returns the tally."""

    def __init__(self, snapshot: Snapshot, rules: RuleSet, policy: Policy | None = None) -> None:
        self.snapshot = snapshot
        self.rules = rules
        self.policy = policy or Policy()
        self.policy.waivers.begin()
        self.kinds = rules.by_type()
        snapshot.load(self.kinds.keys())
        self.index = index_of(snapshot, self.policy)
        self.tally = Tally(scopes=snapshot.scopes)
        self._gaps: dict[str, tuple[Gap, set[str]]] = {}
        self._open: set[str] = set()
        """The URLs of gaps that leave something undecided; "" where it is not a gap that does."""
        self._agreed: dict[str, rows.WaiverRow | None] = {}
        """Who accepted a gap, by its URL."""
        self._rules_of: dict[int, list[Rule]] = {}
        self._spelled: dict[str, str] = {}
        self._rows = Rows()

    def run(self, writer: rows.Writer) -> Tally:
        """Judge every bundle, in order, into the writer."""
        scopes = sorted(self._scopes(), key=lambda out: out.key)
        for out in heapq.merge(scopes, self._bundles(), key=lambda out: out.key):
            self._write(out, writer)
        self._finish()
        return self.tally

    def _bundles(self) -> Iterator[Judged]:
        named = {root_of(id) for id in self.snapshot.head.resources}
        for bundle in self.snapshot.index:
            self._take(bundle)
        for bundle in _ordered(self.snapshot):
            mine = not named or _below(bundle.id, named)
            self._count(bundle, mine)
            if mine:
                yield self.judge(bundle)

    def _count(self, bundle: Bundle, judged: bool) -> None:
        tally = self.tally
        tally.resources += len(bundle.resources)
        tally.reads += len(bundle.reads)
        self._take(bundle)
        if bundle.top is not None and judged:
            type = bundle.top.type
            tally.types[self._spelled.setdefault(type.lower(), type)] += 1

    def _take(self, bundle: Bundle) -> None:
        for gap in bundle.gaps.values():
            self._gaps.setdefault(gap.url, (gap, set()))

    # Scopes: what could not be listed at all

    def _scopes(self) -> Iterator[Judged]:
        self.tally.reads += len(self.snapshot.reads)
        self.tally.resources += self.snapshot.parsed.total()
        self.tally.types += self.snapshot.parsed
        outs: dict[str, Judged] = {}
        for (subscription, type), missing in self._unlisted().items():
            scope = f"/subscriptions/{subscription}"
            out = outs.setdefault(scope, Judged(rows.order(scope)))
            for kind in self.kinds.get(type, ()):
                for rule in self._enabled(kind):
                    self._finding(out, rule, scope, None, unknown(*missing, worst=_most(rule)))
        yield from outs.values()

    def _unlisted(self) -> dict[tuple[str, str], list[Unread]]:
        """Subscriptions and types (both in lower case) that were not listed, or not in whole, and why."""
        snapshot = self.snapshot
        found: dict[tuple[str, str], list[Unread]] = {}
        for gap in snapshot.gaps:
            self._gaps.setdefault(gap.url, (gap, set()))
            type = type_of(gap.url)
            found.setdefault((subscription_of(gap.url), type.lower()), []).append(Unread(type, gap.why(), gap.url))
        told = {(subscription_of(url), type_of(url).lower()) for url in (*snapshot.reads, *snapshot.skips)}
        for scope in snapshot.scopes if snapshot.head.live else ():
            subscription = scope.subscription.lower()
            # A skip of the subscription itself: only resources that were named were read, and no lists.
            if scope.view != "full" or (subscription, "") in told:
                continue
            for type in (type for type in self.kinds if type.count("/") == 1):
                if (subscription, type) not in told:
                    found.setdefault((subscription, type), [Unread(type, "it was not listed")])
        return found

    # Bundles

    def _enabled(self, kind: ResourceType) -> list[Rule]:
        found = self._rules_of.get(id(kind))
        if found is None:
            found = self._rules_of[id(kind)] = [
                each for each in self.rules.rules_of(kind) if each.id in self.rules.enabled
            ]
        return found

    def judge(self, bundle: Bundle) -> Judged:
        """All verdicts and exposures of one bundle."""
        out = Judged(rows.order(bundle.id))
        top = bundle.top
        type = type_of(bundle.id).lower()
        for kind in self.kinds.get(type, ()):
            if top is None:
                self._unread_top(out, kind, bundle)
                continue
            self.tally.judged.add(type)
            self._locks(out, kind, top)
            for rule in self._enabled(kind):
                if not rule.lock:
                    self._property(out, rule, top)
        self._unread_below(out, bundle)
        return out

    def _unread_top(self, out: Judged, kind: ResourceType, bundle: Bundle) -> None:
        place = "/" + "/".join(segments(bundle.id))
        gap = bundle.gaps.get(place)
        if gap is None and (place in bundle.skips or not (bundle.resources or bundle.reads or bundle.gaps)):
            return
        missing = Unread(type_of(bundle.id), "only parts of it were read")
        if gap is not None:
            missing = Unread(type_of(bundle.id), gap.why(), gap.url)
        for rule in self._enabled(kind):
            self._finding(out, rule, gap.url if gap else bundle.id, None, unknown(missing, worst=_most(rule)))

    def _unread_below(self, out: Judged, bundle: Bundle) -> None:
        """Types whose resources lie below this one and are bundles of their own, where their list is a gap."""
        for gap in bundle.gaps.values():
            for kind in self.kinds.get(type_of(gap.url).lower(), ()):
                if gap.url.lower().rstrip("/") != bundle.id.lower():
                    missing = Unread(type_of(gap.url), gap.why(), gap.url)
                    for rule in self._enabled(kind):
                        self._finding(out, rule, gap.url, None, unknown(missing, worst=_most(rule)))

    def exposures(self, kind: ResourceType, top: Resource) -> tuple[list[Exposure], Exception | None]:
        """The endpoints of a resource; what its function did not emit since it stopped early is unread, never lost."""
        if kind.endpoint_function is None:
            return [], None
        found: list[Exposure] = []
        problem: Exception | None = None
        missing = Unread("endpoints", "the exposure function did not get that far")
        try:
            for exposure in kind.endpoint_function(top, self.index):
                found.append(exposure)  # noqa: PERF402 - what came before a fault is kept
        except Unread as stop:
            missing = stop
        except Exception as error:  # noqa: BLE001 - a rule file may raise anything; its lock rules become errors
            problem = error
        if top.has_no_properties:
            silent = Unread("properties", top.why_absent_is_unknown)
            found = [_silenced(each, silent) for each in found]
        names = {each.endpoint for each in found}
        left = [name for name in kind.endpoint_kinds if "*" not in name and name not in names]
        if left and problem is None and missing.what == "endpoints":
            problem = ValueError(f"the exposure function of {kind.type} left out {', '.join(left)}")
        if not found and not left and problem is None and missing.what != "endpoints":
            left = list(kind.endpoint_kinds)  # patterns alone: it stopped before the first of them
        found += [unread(name, kind.endpoint_kinds[name], missing) for name in left]
        return [self._published(each, top) for each in found], problem

    def _published(self, exposure: Exposure, top: Resource) -> Exposure:
        """The same, with what publishes it or names it in DNS."""
        told = publishers(self.index).of_endpoint(top.id, exposure.kind, exposure.address)
        if exposure.off or not told:
            return exposure
        return replace(exposure, admits=tuple(dict.fromkeys((*exposure.admits, *told))))

    def _locks(self, out: Judged, kind: ResourceType, top: Resource) -> None:
        enabled = [rule for rule in self._enabled(kind) if rule.lock]
        if not enabled:
            return
        exposures, problem = self.exposures(kind, top)
        intended = self._intended(exposures, top) if self.policy.intended else {}
        failed: dict[int, list[Failed]] = {}
        agreed = _Agreed()
        for rule in enabled:
            if problem is not None:
                self._error(out, rule, top, problem)
                continue
            named = [each for each in exposures if rule.names(each.endpoint)]
            for subject, group in _by_subject(rule, top, named):
                reading = locks.read(rule.category, group, rule.credentials)
                accepted = self._accepted(rule, subject or top, reading, intended)
                row = self._lock(out, rule, subject or top, top, reading, intended, accepted)
                if row is not None:
                    for each in reading.failing:
                        failed.setdefault(id(each), []).append(Failed(rule, row, accepted.get(id(each))))
                    agreed.note(rule, row, reading.undecided)
        for each in exposures:
            mine = failed.get(id(each), [])
            self._exposure(out, top, each, mine, intended.get(id(each)))
            if mine and each.undecided and out.exposures[-1].state in ("open", "waived"):
                # It fails, so that no rule is Unknown for all of it; but it may be worse than it fails.
                self._open.update(agreed.left(each))

    def _intended(self, exposures: list[Exposure], top: Resource) -> dict[int, str]:
        return {
            id(each): entry.reason
            for each in exposures
            for entry in self.policy.intended
            if entry.covers((each.subject or top).id, each.endpoint) or entry.covers(top.id, each.endpoint)
        }

    def _accepted(
        self, rule: Rule, subject: Resource, reading: locks.Reading, intended: Mapping[int, str]
    ) -> dict[int, rows.WaiverRow]:
        """The endpoints that fail and are accepted, each by a waiver of its own or by the settings."""
        found: dict[int, rows.WaiverRow] = {}
        for each in reading.failing:
            if (meant := intended.get(id(each))) is not None:
                found[id(each)] = rows.WaiverRow(meant, "settings", "")
            elif waiver := self.policy.waivers.waived(rule, subject.id, _tags(subject), spot(each)):
                found[id(each)] = waiver
        return found

    def _lock(
        self,
        out: Judged,
        rule: Rule,
        subject: Resource,
        top: Resource,
        reading: locks.Reading,
        intended: Mapping[int, str],
        accepted: Mapping[int, rows.WaiverRow],
    ) -> rows.FindingRow | None:
        """The finding of a lock rule. Where some of its endpoints are accepted it names the others alone."""
        left = [each for each in reading.failing if id(each) not in accepted]
        verdict = reading.verdict
        if accepted and left:
            undecided = [each for each in reading.undecided if id(each) not in intended]
            verdict = locks.read(rule.category, [*left, *undecided], rule.credentials).verdict
        worst = max(left or reading.failing, key=lambda each: each.severity or Severity.info, default=None)
        closing = (worst.closing or worst.remedies.get(rule.category, "")) if worst is not None else ""
        row = self._finding(out, rule, subject.id, subject, verdict, top, closing)
        if row is None or row.status != "fail":
            return row
        if not left:
            row.status, row.waiver = "waived", min(accepted.values(), key=_until)
            return row
        waived = [each.endpoint for each in reading.failing if id(each) in accepted and id(each) not in intended]
        if waived:
            row.message += f" Accepted: {locks.listed(waived)}."
        self._lapse(row, rule, subject, [spot(each) for each in left])
        return row

    def _exposure(
        self,
        out: Judged,
        top: Resource,
        exposure: Exposure,
        failed: list["Failed"],
        intended: str | None,
    ) -> None:
        severity = exposure.severity
        waivers = [each.waiver for each in failed if each.waiver is not None]
        left = [each for each in failed if each.waiver is None]
        if severity is None:
            state, reason = "closed", exposure.off or exposure.hidden
        elif intended is not None:
            state, reason = "intended", intended
        elif failed and not left:
            state, reason = "waived", min(waivers, key=_until).reason
        else:
            state, reason = "open", ""
        order = [(each.rule.fix.cost, LOCKS.index(each.rule.category), each) for each in left or failed]
        cheapest = min(order, key=lambda each: each[:2])[2] if order else None
        fix = breaks = None
        if exposure.closing and severity is not None:
            fix = filled(exposure.closing, exposure.subject or top, top)
        elif cheapest is not None:
            fix, breaks = cheapest.row.fix, cheapest.rule.fix.impact
        row = self._rows.exposure(exposure, top, state, reason or exposure.argument, fix, breaks)
        if state == "waived":
            row.waiver = min(waivers, key=_until)
        out.exposures.append(row)
        out.named[top.id] = top
        self._tally_exposure(exposure, row)

    def _tally_exposure(self, exposure: Exposure, row: rows.ExposureRow) -> None:
        tally = self.tally
        if exposure.undecided:
            tally.exposures["undecided"] += 1
        if row.state != "open":
            tally.exposures[row.state] += 1
            return
        tally.exposures[str(row.severity)] += 1
        if row.severity == "critical":
            tally.anyone += 1
        elif row.authentication == "shared" and row.reach in ("internet", "azure", "wide"):
            tally.copied += 1
        tally.worst.append(row)
        if len(tally.worst) > 400:
            tally.worst = worst_first(tally.worst)[:200]

    # Property rules

    def _property(self, out: Judged, rule: Rule, top: Resource) -> None:
        if rule.subject is None:
            self._judge(out, rule, top, top)
            return
        parents, missing = _parents(rule.subject, top)
        for parent in parents:
            children = parent.children(rule.subject)
            for child in children:
                self._judge(out, rule, child, top)
            if children.gap is not None:
                missing.append(children.gap)
            elif off := parent.off(rule.subject):
                self._finding(out, rule, parent.id, parent, NotApplicable(f"not on this SKU or kind: {off}"), top)
        if missing:
            self._finding(out, rule, top.id, top, unknown(*missing, worst=rule.severity), top)

    def _judge(self, out: Judged, rule: Rule, subject: Resource, top: Resource) -> None:
        assert rule.check is not None
        try:
            verdict = rule.check(subject, self.index)
        except Unread as missing:
            verdict = unknown(missing, worst=rule.severity)
        except Exception as error:  # noqa: BLE001 - a rule file may raise anything; the others go on
            self._error(out, rule, subject, error)
            return
        if subject.has_no_properties and isinstance(verdict, Pass | Fail):
            verdict = unknown(Unread("properties", subject.why_absent_is_unknown), worst=rule.severity)
        row = self._finding(out, rule, subject.id, subject, verdict, top)
        if row is not None and row.status == "fail":
            self._waive(row, rule, subject)

    def _waive(self, row: rows.FindingRow, rule: Rule, subject: Resource) -> None:
        """Waive the finding of a property rule, where all that it names is accepted."""
        severity = Severity[row.severity] if row.severity else None
        spots = [Spot(name, severity=severity) for name in row.endpoints or ("",)]
        asked = self.policy.waivers
        found = [(each, asked.waived(rule, subject.id, _tags(subject), each)) for each in spots]
        left = [each for each, waiver in found if waiver is None]
        if left:
            self._lapse(row, rule, subject, left)
        else:
            row.status, row.waiver = "waived", min((waiver for _, waiver in found if waiver), key=_until)

    def _lapse(self, row: rows.FindingRow, rule: Rule, subject: Resource, spots: Iterable[Spot]) -> None:
        """Say so where a waiver that has expired covered it."""
        asked = self.policy.waivers
        found = [past for each in spots if (past := asked.past(rule, subject.id, _tags(subject), each))]
        if found:
            row.lapsed = max(found, key=_until)
            row.message += f" The waiver of {row.lapsed.owner} expired on {row.lapsed.expires}."

    # Rows

    def _finding(
        self,
        out: Judged,
        rule: Rule,
        id: str,
        subject: Resource | None,
        verdict: Verdict,
        top: Resource | None = None,
        closing: str = "",
    ) -> rows.FindingRow | None:
        if subject is not None:
            out.named[subject.id] = subject
            if top is not None:
                out.named[top.id] = top
        if isinstance(verdict, Pass):
            out.passed.setdefault(id, []).append(rule.id)
            return None
        if isinstance(verdict, NotApplicable):
            out.not_applicable.setdefault(id, {})[rule.id] = verdict.why
            return None
        row = rows.FindingRow(
            rule=rule.id,
            title=rule.title,
            category=rule.category,
            status="fail",
            severity=None,
            resource=id,
            endpoints=[],
            message="",
            evidence=[],
            fix=None,
            gaps=[],
            fingerprint=rows.finding_fingerprint(rule.first_id, id),
        )
        if isinstance(verdict, Fail):
            self._failed(row, rule, verdict, subject, top, closing)
        else:
            self._undecided(row, rule, verdict)
            self.policy.waivers.undecided(rule, id)
        out.findings.append(row)
        return row

    def _failed(
        self,
        row: rows.FindingRow,
        rule: Rule,
        verdict: Fail,
        subject: Resource | None,
        top: Resource | None,
        closing: str,
    ) -> None:
        said = (self.policy.severities.get(rule.id), verdict.severity, rule.severity, Severity.low)
        severity = next(each for each in said if each is not None)
        row.severity = "info" if rule.retired_on else severity.name
        row.message = verdict.message or f"{rule.title}."
        row.evidence = [seen_row(each) for each in verdict.evidence]
        row.endpoints = sorted(verdict.endpoints)
        for missing in verdict.undecided:
            self._open.add(missing.gap or "")
            self._blame(missing.gap, rule)
            if missing.gap and missing.gap not in row.gaps:
                row.gaps.append(missing.gap)
        if verdict.undecided:
            row.message += f" Other endpoints are undecided: {verdict.undecided[0]}."
        if subject is not None and top is not None:
            row.fix = filled(closing or verdict.fix or rule.fix.az, subject, top)
            row.evidence += [seen_row(each) for each in managed(top)]

    def _undecided(self, row: rows.FindingRow, rule: Rule, verdict: Unknown) -> None:
        worst = rule.severity if verdict.worst is None else verdict.worst
        row.status = "unknown"
        row.severity = worst.name if worst is not None else None
        row.message = f"{verdict.why}."
        row.evidence = [seen_row(each) for each in verdict.evidence]
        row.endpoints = sorted(verdict.endpoints)
        row.gaps = list(verdict.gaps)
        row.waiver = self._settled(row, rule, verdict)
        for url in verdict.gaps or (("",) if row.waiver is None else ()):
            self._blame(url, rule)
            self.tally.undecided[url] += 1
            if worst is not None:
                self.tally.undecided_worst[url] = max(worst, self.tally.undecided_worst.get(url, worst))

    def _settled(self, row: rows.FindingRow, rule: Rule, verdict: Unknown) -> rows.WaiverRow | None:
        """Who accepted that it is Unknown: each gap that it hangs on, and the rest of the reason; the first to end."""
        has_other_reasons = verdict.has_other_reasons or not verdict.gaps
        by_gap = [self._agreed_gap(url) for url in verdict.gaps]
        found = [each for each in by_gap if each is not None]
        if len(found) == len(by_gap):
            entry = self.policy.waivers.settled(rule, row.resource)
            if has_other_reasons and entry is not None:
                found.append(entry)
            if not has_other_reasons or entry is not None:
                self.tally.settled += 1
                self.tally.agreed += has_other_reasons
                return min(found, key=_until)
        self._open.update([*verdict.gaps, *([""] if has_other_reasons else [])])
        return None

    def _agreed_gap(self, url: str) -> rows.WaiverRow | None:
        """Who accepted the gap of this URL; what is no gap of the snapshot nobody did."""
        if url not in self._agreed and url in self._gaps:
            self._agreed[url] = self.policy.waivers.accepted(self._gaps[url][0])
        return self._agreed.get(url)

    def _blame(self, url: str | None, rule: Rule) -> None:
        if url and url in self._gaps:
            self._gaps[url][1].add(rule.id)

    def _error(self, out: Judged, rule: Rule, subject: Resource, error: Exception) -> None:
        message = f"{type(error).__name__}: {error}"
        self.policy.waivers.undecided(rule, subject.id)
        out.named[subject.id] = subject
        out.findings.append(
            rows.FindingRow(
                rule=rule.id,
                title=rule.title,
                category=rule.category,
                status="error",
                severity=_most(rule).name,
                resource=subject.id,
                endpoints=[],
                message=f"The rule crashed: {message}",
                evidence=[],
                fix=None,
                gaps=[],
                fingerprint=rows.finding_fingerprint(rule.first_id, subject.id),
            )
        )
        line = _line_in(self.rules.files.get(rule.id, ""), error)
        self.tally.errors.append(Crash(rule.id, subject.id, message, line))

    # Writing

    def _write(self, out: Judged, writer: rows.Writer) -> None:
        tally = self.tally
        for exposure in sorted(out.exposures, key=lambda row: (row.endpoint, row.address)):
            writer.exposure(exposure)
        for row in sorted(out.findings, key=lambda row: (rows.order(row.resource), row.rule)):
            tally.statuses[row.status] += 1
            if row.status == "fail" and row.category not in LOCKS:
                tally.others[str(row.severity)] += 1
            writer.finding(row)
        for id, passed in sorted(out.passed.items(), key=lambda each: rows.order(each[0])):
            tally.statuses["pass"] += len(passed)
            writer.passed(id, sorted(passed))
        for id, why in sorted(out.not_applicable.items(), key=lambda each: rows.order(each[0])):
            tally.statuses["not-applicable"] += len(why)
            writer.not_applicable(id, dict(sorted(why.items())))
        for id, resource in sorted(out.named.items(), key=lambda each: rows.order(each[0])):
            writer.resource(id, resource_row(resource, self.policy.tags))

    def _finish(self) -> None:
        tally = self.tally
        for gap in self.snapshot.more:
            self._gaps.setdefault(gap.url, (gap, set()))
        for gap, rules in sorted(self._gaps.values(), key=lambda each: each[0].url.lower()):
            waiver = self._agreed_gap(gap.url)
            row = rows.GapRow(
                url=gap.url,
                status=gap.status,
                code=gap.code,
                action=gap.action,
                rules=sorted(rules),
                accepted=waiver is not None,
            )
            if waiver is not None:
                row.waiver = waiver
            tally.gaps.append(row)
            tally.unaccepted += waiver is None
        tally.worst = worst_first(tally.worst)
        known = {row.url for row in tally.gaps if row.accepted}
        open_questions = self._open - known
        whole = {url.lower() for url in known}
        seen_whole = all(
            scope.view == "full" or f"/subscriptions/{scope.subscription.lower()}" in whole for scope in tally.scopes
        )
        if tally.unaccepted or open_questions or not seen_whole or self.rules.broken:
            tally.complete = False

    def coverage(self) -> rows.Coverage:
        """What was judged and what was not, after `run`."""
        types = [
            rows.TypeRow(type=type, resources=count, judged=type.lower() in self.tally.judged)
            for type, count in sorted(self.tally.types.items())
        ]
        return rows.Coverage(
            scopes=sorted(self.snapshot.scopes, key=lambda scope: scope.subscription),
            types=types,
            rules_off=self.rules.off(),
            notes=[*self.snapshot.head.notes, *self.notes()],
        )

    def notes(self) -> list[str]:
        """What to tell of single waivers, after `run`."""
        part = self.policy.part or self.snapshot.head.part
        scopes = [] if part else self.tally.scopes
        seen = {scope.subscription.lower() for scope in scopes if scope.view == "full"}
        whole = not part and len(seen) == len(scopes)
        return self.policy.waivers.notes(self.rules.enabled.values(), seen, whole=whole)

    def rule_rows(self) -> dict[str, rows.RuleRow]:
        return {id: rule_row(rule) for id, rule in self.rules.enabled.items()}

    def scan_row(self, *, started: str, finished: str, tool: str, mark: str = "") -> rows.ScanRow:
        """`mark` tells two scans of the same apart that start in the same second."""
        head, tally = self.snapshot.head, self.tally
        scopes = [scope.subscription for scope in self.snapshot.scopes]
        return rows.ScanRow(
            id=rows.fingerprint(head.taken, *sorted(scopes), started, *([mark] if mark else [])),
            started=started,
            finished=finished,
            taken=head.taken,
            tool=tool,
            cloud=head.cloud,
            principal=head.principal,
            scopes=sorted(scopes),
            resources=tally.resources,
            reads=tally.reads,
            complete=tally.complete,
        )


def _ordered(snapshot: Snapshot) -> Iterator[Bundle]:
    return heapq.merge(
        sorted(snapshot.index, key=lambda each: rows.order(each.id)),
        snapshot.rest,
        key=lambda each: rows.order(each.id),
    )


def _below(id: str, roots: Collection[str]) -> bool:
    """Whether a bundle is one of these, or lies below one (a slot of an app)."""
    return any(id == root or id.startswith(f"{root}/") for root in roots)


def _silenced(exposure: Exposure, silent: Unread) -> Exposure:
    """The same endpoint, of which nothing is sure: not even that its feature is off."""
    if exposure.off:
        return unread(exposure.endpoint, exposure.kind, silent, exposure.what)
    return replace(
        exposure, reach=exposure.reach.unproven(silent), authentication=exposure.authentication.unproven(silent)
    )


def _by_subject(rule: Rule, top: Resource, named: list[Exposure]) -> Iterator[tuple[Resource | None, list[Exposure]]]:
    """The endpoints that a lock rule answers for: the resource's own, and each child's where it has a subject."""
    if rule.subject is None:
        yield None, named
        return
    own = [each for each in named if each.subject is None]
    if own:
        yield None, own
    parents, _ = _parents(rule.subject, top)
    for parent in parents:
        for child in parent.children(rule.subject):
            yield child, [each for each in named if each.subject is not None and each.subject.key == child.key]


def _parents(subject: Read, top: Resource) -> tuple[list[Resource], list[Unread]]:
    if isinstance(subject.parent, ResourceType):
        return [top], []
    grand, missing = _parents(subject.parent, top)
    found: list[Resource] = []
    for parent in grand:
        children = parent.children(subject.parent)
        found += children.items
        if children.gap is not None:
            missing.append(children.gap)
    return found, missing


def worst_first(found: list[rows.ExposureRow]) -> list[rows.ExposureRow]:
    """Exposures by severity, then in the order of the document."""
    return sorted(found, key=lambda row: (-Severity[row.severity or "info"], rows.order(row.resource), row.endpoint))


def _line_in(file: str, error: Exception) -> int:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return (lines[-1] or 0) if lines else 0


def _most(rule: Rule) -> Severity:
    """How bad a finding of the rule can be: a lock rule is rated by exposures, so it may be critical."""
    return Severity.critical if rule.severity is None else rule.severity


def now() -> str:
    """The wall clock, UTC, as documents hold it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
