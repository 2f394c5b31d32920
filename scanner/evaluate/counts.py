"""The numbers of a scan, counted once. Every output takes its numbers from here, while rows are made or from a decoded
document. `docs/concepts.md` explains each number.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

import msgspec
from msgspec import Struct, field

from scanner.document import schema as rows
from scanner.document.numbers import NumbersRow, ReasonsRow
from scanner.document.states import STATES
from scanner.document.tenants import tenant_of
from scanner.evaluate.fix_groups import FIRST, SEVERE, FirstChanges, FixGroup, FixGroups, GroupsFragment
from scanner.evaluate.frameworks import Tally
from scanner.model.exposure import LOCKS
from scanner.model.ids import root_of, type_of
from scanner.model.severity import SEVERITIES, Severity, severity_rank

CHECKS = ("fail", "unknown", "error", "waived", "pass", "not-applicable")
"""The statuses of checks, in the order in which people read them."""
UNTRUSTED = ("azure", "wide")
"""The reaches besides `internet` that are not one's own networks: any Azure tenant, and broad ranges."""


class InfoGroup(Struct):
    """The findings of severity info on resources of one type: their numbers by rule."""

    type: str
    rules: Counter[str] = field(default_factory=Counter)

    def count(self) -> str:
        total = self.rules.total()
        return f"{total:,} finding{'' if total == 1 else 's'}"

    def names(self, most: int) -> tuple[list[str], int]:
        """Return the rules with the most findings, at most `most`, and how many others there are."""
        ordered = sorted(self.rules, key=lambda rule: (-self.rules[rule], rule))
        return ordered[:most], len(ordered[most:])


_SUMS = (
    "endpoints",
    "public",
    "public_apps",
    "accepted_public",
    "nearly_public",
    "shared_key_only",
    "in_part",
    "accepted_inconclusive",
    "resources",
    "reads",
)
_COUNTERS = (
    "open",
    "states",
    "statuses",
    "other_failures",
    "endpoint_failures",
    "inconclusive_by_gap",
    "inapplicable",
)
_BY_GAPS = ("not_fully_assessed", "inconclusive")


class CountsFragment(msgspec.Struct, array_like=True):
    """The numbers of a part of a scan: those of `_SUMS`, of `_COUNTERS` and of `_BY_GAPS`, and the others by name.

    `tally`: the checks by rule; `unread`: see `Tally`. `groups`: the fix groups.
    """

    sums: list[int]
    counters: list[dict[str, int]]
    by_gaps: list[list[tuple[tuple[str, ...], int]]]
    info: list[tuple[str, dict[str, int]]]
    worst_by_gap: dict[str, Severity]
    tally: dict[str, dict[str, int]]
    unread: list[str]
    groups: GroupsFragment


class Counts(Struct):
    """The numbers of a scan. Feed each exposure, finding and gap row once; the rest is set as a whole."""

    endpoints: int = 0
    open: Counter[str] = field(default_factory=Counter)
    """Open exposures by severity name."""
    states: Counter[str] = field(default_factory=Counter)
    """Exposures by state, one of STATES; their sum is `endpoints`."""
    public: int = 0
    """Open data and admin endpoints without authentication that are reachable from the internet."""
    public_apps: int = 0
    """Open apps without platform sign-in that are reachable from the internet."""
    accepted_public: int = 0
    """Waived and intended endpoints, apps too, that would otherwise be `public` or `public_apps`."""
    nearly_public: int = 0
    """Open data and admin endpoints without authentication that are reachable from any Azure tenant or broad ranges."""
    shared_key_only: int = 0
    """Open data and admin endpoints behind a shared key or password, reachable from the internet, any Azure tenant or
    broad ranges.
    """
    in_part: int = 0
    """Exposures that are open, waived or intended, and that an unread part could make worse."""
    not_fully_assessed: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Exposures in the state `unknown` and those `in_part`, by the URLs of the gaps that are a reason (lower case)."""
    inconclusive: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Inconclusive checks, by the URLs of the gaps that are a reason (lower case)."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Checks by status: `fail`, `unknown`, `error`, `waived`, `pass`, `not-applicable`."""
    other_failures: Counter[str] = field(default_factory=Counter)
    """Failed findings without an endpoint, by severity name."""
    endpoint_failures: Counter[str] = field(default_factory=Counter)
    """Failed findings of the lock categories that name endpoints, by severity name. The endpoints are counted in
    their place, unless none of these is open at that severity (a rule whose severity the settings raise).
    """
    info: dict[str, InfoGroup] = field(default_factory=dict)
    """Failed findings of severity info, by type in lower case."""
    accepted_inconclusive: int = 0
    """Inconclusive checks that a waiver file accepts."""
    inconclusive_by_gap: Counter[str] = field(default_factory=Counter)
    """Inconclusive checks by the URL of each gap that makes them so; "" where no gap does and it is not accepted."""
    worst_by_gap: dict[str, Severity] = field(default_factory=dict)
    """The worst severity that those checks could have, by the same URL."""
    gaps: int = 0
    accepted_gaps: int = 0
    missing_tenants: int = 0
    """Tenants that were not read, and that no waiver accepts."""
    refused: set[str] = field(default_factory=set)
    """The URLs (lower case) of the gaps where a permission is missing."""
    resources: int = 0
    reads: int = 0
    """Reads that were answered."""
    types: list[rows.TypeRow] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    """The checks of each rule."""
    inapplicable: Counter[str] = field(default_factory=Counter)
    """On how many resources each rule does not apply."""
    _groups: FixGroups = field(default_factory=FixGroups)

    @property
    def checks(self) -> int:
        return self.statuses.total()

    @property
    def not_assessed(self) -> int:
        """Exposures in the state `unknown`."""
        return self.states["unknown"]

    @property
    def by_state(self) -> dict[str, int]:
        """Exposures by each of STATES, also those without one."""
        return {state: self.states[state] for state in STATES}

    @property
    def unaccepted_checks(self) -> int:
        """Inconclusive checks that are not accepted."""
        return self.statuses["unknown"] - self.accepted_inconclusive

    @property
    def unaccepted_gaps(self) -> int:
        return self.gaps - self.accepted_gaps

    @property
    def by_severity(self) -> dict[str, int]:
        """Open exposures and other failures together, by severity name, critical first."""
        return {name: self.open[name] + self.other_failures[name] for name in SEVERITIES}

    @property
    def uncovered(self) -> list[rows.TypeRow]:
        """The types that no rule covers."""
        return [each for each in self.types if not each.judged and each.complete]

    @property
    def incomplete_types(self) -> list[rows.TypeRow]:
        """The types of which resources were not read."""
        return [each for each in self.types if not each.complete]

    def exposure(self, row: rows.ExposureRow) -> None:
        """Count an exposure."""
        self.endpoints += 1
        self.states[row.state] += 1
        in_part = may_be_worse(row)
        self.in_part += in_part
        if in_part or row.state == "unknown":
            self.not_fully_assessed[_urls(row.gaps or ())] += 1
        if row.state != "open":
            is_public = row.authentication == "anonymous" and row.reach == "internet"
            self.accepted_public += is_public and row.state in ("waived", "intended")
            return
        self.open[str(row.severity)] += 1
        self._locks(row)
        if row.severity:
            self._groups.exposure(row)

    def finding(self, row: rows.FindingRow) -> None:
        """Count a finding."""
        self.statuses[row.status] += 1
        self.tally.finding(row)
        if row.status == "fail":
            failures = self.other_failures if row.is_counted else self.endpoint_failures
            failures[str(row.severity)] += 1
            if row.category in LOCKS and row.endpoints:
                self._groups.name(row)
            elif row.is_counted and row.severity != "info":
                self._groups.finding(row)
        if row.status == "fail" and row.severity == "info":
            type = type_of(row.resource)
            self.info.setdefault(type.lower(), InfoGroup(type)).rules[row.rule] += 1
        elif row.status == "unknown":
            self._inconclusive(row)

    def passed(self, rules: Collection[str]) -> None:
        """Count the rules that passed on a resource."""
        self.statuses["pass"] += len(rules)
        self.tally.passed(rules)

    def not_applicable(self, rules: Collection[str]) -> None:
        """Count the rules that do not apply to a resource."""
        self.statuses["not-applicable"] += len(rules)
        self.inapplicable.update(tuple(rules))

    def gap(self, row: rows.GapRow) -> None:
        """Count a gap."""
        self.gaps += 1
        self.accepted_gaps += row.accepted
        self.missing_tenants += bool(tenant_of(row.url)) and not row.accepted
        if misses_permission(row):
            self.refused.add(row.url.lower())

    def fix_groups(self) -> list[FixGroup]:
        """Return what is open by the fix that answers it, see `FixGroups.ordered`; but findings of severity info."""
        return self._groups.ordered()

    def first_changes(self) -> FirstChanges:
        """Return the changes that answer the most of the most severe."""
        groups = [group for group in self.fix_groups() if group.severe_answered][:FIRST]
        severe = sum(self.by_severity[name] for name in SEVERE)
        return FirstChanges(groups, self._groups.severe_changes, sum(each.severe_answered for each in groups), severe)

    def info_groups(self) -> list[InfoGroup]:
        """Return the findings of severity info by type, the type with the most findings first."""
        return sorted(self.info.values(), key=lambda group: (-group.rules.total(), group.type.lower()))

    def reasons(self, result: Counter[tuple[str, ...]]) -> ReasonsRow:
        """Return how many of these things were not assessed for which reason, a missing permission first."""
        refused = sum(count for urls, count in result.items() if not self.refused.isdisjoint(urls))
        return ReasonsRow(
            total=result.total(),
            missing_permission=refused,
            failed_read=result.total() - refused - result[()],
            no_value=result[()],
        )

    def numbers(self) -> NumbersRow:
        """Return all numbers of the scan."""
        return NumbersRow(
            endpoints=self.endpoints,
            states=self.by_state,
            severities={name: self.open[name] for name in SEVERITIES},
            public=self.public,
            public_apps=self.public_apps,
            accepted_public=self.accepted_public,
            nearly_public=self.nearly_public,
            shared_key_only=self.shared_key_only,
            not_fully_assessed=self.reasons(self.not_fully_assessed),
            in_part=self.in_part,
            other_findings={name: self.other_failures[name] for name in SEVERITIES},
            checks={name: self.statuses[name] for name in CHECKS},
            inconclusive=self.reasons(self.inconclusive),
            accepted_inconclusive=self.accepted_inconclusive,
            resources=self.resources,
            reads=self.reads,
            gaps=self.gaps,
            accepted_gaps=self.accepted_gaps,
        )

    def _locks(self, row: rows.ExposureRow) -> None:
        """Count an open exposure by its two locks."""
        if row.authentication == "anonymous":
            self.public_apps += row.kind == "app" and row.reach == "internet"
            self.public += row.kind != "app" and row.reach == "internet"
            self.nearly_public += row.kind != "app" and row.reach in UNTRUSTED
        elif row.authentication == "shared" and row.kind != "app":
            self.shared_key_only += row.reach == "internet" or row.reach in UNTRUSTED

    def _inconclusive(self, row: rows.FindingRow) -> None:
        self.inconclusive[_urls(row.gaps)] += 1
        self.accepted_inconclusive += row.waiver is not None
        for url in row.gaps or (("",) if row.waiver is None else ()):
            self.inconclusive_by_gap[url] += 1
            if row.severity is not None:
                worst = Severity[row.severity]
                self.worst_by_gap[url] = max(worst, self.worst_by_gap.get(url, worst))

    # Parts of a scan

    def fragment(self) -> CountsFragment:
        """Return the numbers as those of a part, before any gap is counted."""
        return CountsFragment(
            [getattr(self, name) for name in _SUMS],
            [getattr(self, name) for name in _COUNTERS],
            [list(getattr(self, name).items()) for name in _BY_GAPS],
            [(each.type, each.rules) for each in self.info.values()],
            self.worst_by_gap,
            dict(self.tally.checks),
            list(self.tally.unread),
            self._groups.fragment(),
        )

    def join(self, fragment: CountsFragment) -> None:
        """Add the numbers of the part that comes next in the document."""
        for name, number in zip(_SUMS, fragment.sums, strict=True):
            setattr(self, name, getattr(self, name) + number)
        for name, counter in zip(_COUNTERS, fragment.counters, strict=True):
            getattr(self, name).update(counter)
        for name, pairs in zip(_BY_GAPS, fragment.by_gaps, strict=True):
            getattr(self, name).update(dict(pairs))
        for type, rules in fragment.info:
            self.info.setdefault(type.lower(), InfoGroup(type)).rules.update(rules)
        for url, worst in fragment.worst_by_gap.items():
            self.worst_by_gap[url] = max(worst, self.worst_by_gap.get(url, worst))
        self.tally.join(fragment.tally, fragment.unread)
        self._groups.join(fragment.groups)


def may_be_worse(row: rows.ExposureRow) -> bool:
    """Return whether an endpoint that is open, waived or intended may be more severe than what is proven."""
    return row.state in ("open", "waived", "intended") and severity_rank(row.worst) < severity_rank(row.severity)


def misses_permission(gap: rows.GapRow) -> bool:
    """Return whether a role resolves a gap: Azure refused and named the permission."""
    return bool(gap.action) and gap.status in (401, 403)


def _urls(gaps: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted({each.lower() for each in gaps})) if gaps else ()


def count(
    document: rows.Document,
    exposures: Iterable[rows.ExposureRow] | None = None,
    findings: Iterable[rows.FindingRow] | None = None,
) -> Counts:
    """Return the numbers of a whole findings document.

    `exposures`, `findings`: those of the document, where something else takes note of them in the same pass.
    """
    counts = Counts(
        resources=document.scan.resources,
        reads=document.scan.reads,
        types=document.coverage.types,
    )
    for exposure in _with_gaps(document, document.exposures if exposures is None else exposures):
        counts.exposure(exposure)
    for finding in document.findings if findings is None else findings:
        counts.finding(finding)
    for passed in document.passed.values():
        counts.passed(passed)
    for reasons in document.not_applicable.values():
        counts.not_applicable(reasons)
    for gap in document.gaps:
        counts.gap(gap)
    return counts


def _with_gaps(document: rows.Document, exposures: Iterable[rows.ExposureRow]) -> Iterator[rows.ExposureRow]:
    """Yield the exposures. Those of older documents do not name their gaps: the findings about them do."""
    result: dict[tuple[str, str], list[str]] | None = None
    for row in exposures:
        if row.gaps is not msgspec.UNSET or not (row.state == "unknown" or may_be_worse(row)):
            yield row
            continue
        if result is None:
            result = _gaps_by_endpoint(document)
        yield msgspec.structs.replace(row, gaps=result.get((root_of(row.resource), row.endpoint), []))


def _gaps_by_endpoint(document: rows.Document) -> dict[tuple[str, str], list[str]]:
    result: dict[tuple[str, str], list[str]] = {}
    for finding in document.findings:
        for endpoint in finding.endpoints if finding.gaps else ():
            result.setdefault((root_of(finding.resource), endpoint), []).extend(finding.gaps)
    return result
