"""Step 3 of a scan: evaluate the rules over the bundles of a snapshot, as a stream. Pure; knows no Azure."""

import heapq
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePath

from msgspec import UNSET

from scanner.document.framework_rows import FrameworkRow
from scanner.document.schema import Coverage, GapRow, RuleRow, ScanRow, fingerprint, order
from scanner.document.tenants import tenant_of
from scanner.document.writer import Writer
from scanner.evaluate.bicep import versions_of
from scanner.evaluate.capacity import CapacityLedger
from scanner.evaluate.checks import Context, check_resource, check_unread
from scanner.evaluate.counts import Counts
from scanner.evaluate.endpoints import exposures_of
from scanner.evaluate.frameworks import assessed
from scanner.evaluate.gaps import GapLedger
from scanner.evaluate.keys import KeyLedger
from scanner.evaluate.missing import index_of, unlisted, unread_below, unread_top
from scanner.evaluate.policy import Policy
from scanner.evaluate.results import BundleResult, EvaluationResult
from scanner.evaluate.rows import resource_row, rule_row
from scanner.evaluate.types import TypeCounts
from scanner.model.cycle_collector import existing_objects_not_walked, without_cycle_collector
from scanner.model.exposure import Exposure
from scanner.model.ids import resource_type_of, type_of
from scanner.model.index import Index, is_indexed
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import ResourceType
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import Snapshot, naming_keys
from scanner.snapshot.stored import StoredBundle


class Evaluation:
    """One evaluation of a snapshot. `run` streams rows into a writer; the other methods give the rest of a document.

    `counts` is fed while it runs; `index` replaces the index that is made of the snapshot.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        rules: RuleSet,
        policy: Policy | None = None,
        *,
        counts: Counts | None = None,
        index: Index | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.rules = rules
        self.policy = policy or Policy()
        self.policy.waivers.begin()
        self.kinds = rules.by_type()
        with without_cycle_collector():
            snapshot.load(self.kinds.keys())
        self.index = index or index_of(snapshot, self.policy)
        self._capacity = CapacityLedger(snapshot, rules)
        self._keys = KeyLedger(self.index, rules, snapshot.gaps, is_part=snapshot.is_part)
        if snapshot.raw is not None:
            self.index.keys.resources = partial(naming_keys, snapshot)
        self.counts = counts or Counts()
        self.result = EvaluationResult(
            self.counts,
            scopes=snapshot.evaluated_scopes,
            tenants=snapshot.header.tenants,
            excluded=snapshot.excluded(),
            limited=snapshot.limited(),
        )
        self._gaps = GapLedger(self.policy.waivers)
        versions = versions_of(rules.kinds)
        self._context = Context(rules, self.policy, self.index, self._gaps, self.result.crashes, versions=versions)
        self._types = TypeCounts(self.kinds)
        self._evaluated: set[str] = set()
        self.selection = snapshot.selection

    def run(self, writer: Writer) -> EvaluationResult:
        """Evaluate every bundle and write its rows, in the order of the document."""
        writer.fill = self._context.shared.fill
        with existing_objects_not_walked():
            for found in heapq.merge(self._scopes(), self._bundles(), key=lambda each: each.key):
                self._write(found, writer)
        for key, stores in self._keys.rows():
            writer.key(key, stores)
        self._finish()
        for row in self._capacity.rows(self.counts.tally, self.counts.types):
            writer.capacity(row)
        return self.result

    def evaluate(self, bundle: Bundle) -> BundleResult:
        """Return all rows of one bundle."""
        bundle.memo = {}
        try:
            return self._evaluate(bundle)
        finally:
            bundle.memo = None

    def _evaluate(self, bundle: Bundle) -> BundleResult:
        result = BundleResult(order(bundle.id))
        top, type = bundle.top, resource_type_of(bundle.id).lower()
        unread = unread_top(bundle) if top is None else None
        for kind in self.kinds.get(type, ()):
            if top is not None:
                self._evaluated.add(type)
                check_resource(self._context, result, kind, top)
            elif unread is not None:
                check_unread(self._context, result, kind, *unread)
        for url, missing in unread_below(bundle):
            for kind in self.kinds.get(type_of(url).lower(), ()):
                check_unread(self._context, result, kind, url, missing)
        return result

    def exposures(self, kind: ResourceType, top: Resource) -> tuple[list[Exposure], Exception | None]:
        """Return the exposures of a resource, and the exception that its exposure function raised."""
        return exposures_of(kind, top, self.index)

    # The stream

    def _scopes(self) -> list[BundleResult]:
        """Return the rows of the subscriptions whose types were not listed, or not in whole."""
        self._gaps.add(self.snapshot.gaps, self.selection)
        self._types.add_gaps(gap for gap in self.snapshot.gaps if self.selection.has_place(gap.url))
        found: dict[str, BundleResult] = {}
        for (subscription, type), missing in unlisted(self.snapshot, self.kinds).items():
            self._types.add_incomplete(type)
            scope = f"/subscriptions/{subscription}"
            result = found.setdefault(scope, BundleResult(order(scope)))
            for kind in self.kinds.get(type, ()):
                check_unread(self._context, result, kind, scope, *missing)
        return sorted(found.values(), key=lambda each: each.key)

    def _bundles(self) -> Iterator[BundleResult]:
        for bundle in self.snapshot.index:
            self._gaps.add(bundle.gaps.values(), self.selection)
        for bundle in _ordered(self.snapshot):
            is_wanted = self.selection.has(bundle)
            if is_wanted or is_indexed(resource_type_of(bundle.id)):
                self._count(bundle)
            if is_wanted:
                self._types.add(bundle)
                self._capacity.add(bundle)
                yield self.evaluate(bundle)

    def _count(self, bundle: Bundle) -> None:
        self.counts.resources += len(bundle.resources)
        self.counts.reads += len(bundle.reads)
        self._gaps.add(bundle.gaps.values(), self.selection)

    def _write(self, found: BundleResult, writer: Writer) -> None:
        counts = self.counts
        found.mark(self._context.shared)
        for exposure in sorted(found.exposures, key=lambda row: (row.endpoint, row.address)):
            counts.exposure(exposure)
            writer.exposure(exposure)
        for finding in sorted(found.findings, key=lambda row: (order(row.resource), row.rule)):
            counts.finding(finding)
            writer.finding(finding)
            self._keys.note(finding)
        for place in sorted(found.places, key=lambda row: (order(row.resource), row.rule, row.region)):
            writer.place(place)
        self._keys.add(found.keys)
        for id, rules in sorted(found.passed.items(), key=lambda each: order(each[0])):
            counts.passed(rules)
            writer.passed(id, sorted(rules))
        for id, reasons in sorted(found.not_applicable.items(), key=lambda each: order(each[0])):
            counts.not_applicable(reasons)
            writer.not_applicable(id, dict(sorted(reasons.items())))
        for id, resource in sorted(found.resources.items(), key=lambda each: order(each[0])):
            writer.resource(id, resource_row(resource, self.policy.tags))

    def _finish(self) -> None:
        """Complete counts and result, after the last bundle."""
        snapshot, counts, result = self.snapshot, self.counts, self.result
        counts.reads += len(snapshot.reads)
        counts.resources += snapshot.parsed_counts.total()
        counts.types = self._types.rows(snapshot.parsed_counts, self._evaluated)
        self._gaps.add(snapshot.history_gaps)
        self._gaps.close()
        result.gaps = self._gaps.rows()
        for gap in result.gaps:
            counts.gap(gap)
        result.accepted_by_rule = self._gaps.accepted_by_rule
        result.complete = self._is_complete(result.gaps)

    def _is_complete(self, gaps: Sequence[GapRow]) -> bool:
        """Return whether everything was evaluated that the scan was asked for, but for what is accepted."""
        accepted = {row.url.lower() for row in gaps if row.accepted}
        in_full = all(
            scope.view == "full" or f"/subscriptions/{scope.subscription.lower()}" in accepted
            for scope in self.snapshot.evaluated_scopes
        )
        return in_full and self._gaps.all_accepted(gaps) and not self.rules.broken

    # The rest of the document, after `run`

    def coverage(self) -> Coverage:
        """Return what was evaluated and what was not."""
        return Coverage(
            scopes=sorted(self.snapshot.evaluated_scopes, key=lambda scope: scope.subscription),
            types=self.counts.types,
            rules_off=self.rules.off(),
            notes=[*self.snapshot.header.notes, *self.notes()],
            rules_broken=[PurePath(each.file).name for each in self.rules.broken] or UNSET,
        )

    def frameworks(self) -> list[FrameworkRow]:
        """Return every framework with the states of its controls."""
        return assessed(self.rules, self.counts.tally, self.coverage(), self.result.gaps)

    def notes(self) -> list[str]:
        """Return notes on single waivers."""
        part = self.policy.part or self.snapshot.header.part
        scopes = [] if part else self.snapshot.evaluated_scopes
        seen = {scope.subscription.lower() for scope in scopes if scope.view == "full"}
        is_seen = not any(tenant_of(gap.url) for gap in self.snapshot.gaps)
        whole = not part and is_seen and len(seen) == len(scopes)
        return self.policy.waivers.notes(self.rules.enabled.values(), seen, whole=whole)

    def rule_rows(self) -> dict[str, RuleRow]:
        return {id: rule_row(rule) for id, rule in self.rules.enabled.items()}

    def scan_row(self, *, started: str, finished: str, tool: str, mark: str = "", owner_tag: str = "") -> ScanRow:
        """Return the row of the scan. `mark` tells two equal scans apart that start in the same second."""
        head, scopes = self.snapshot.header, sorted(each.subscription for each in self.snapshot.evaluated_scopes)
        return ScanRow(
            id=fingerprint(head.taken, *scopes, started, *([mark] if mark else [])),
            started=started,
            finished=finished,
            taken=head.taken,
            tool=tool,
            cloud=head.cloud,
            principal=head.principal,
            scopes=scopes,
            resources=self.counts.resources,
            reads=self.counts.reads,
            complete=self.result.complete,
            owner_tag=owner_tag or UNSET,
            tenants=head.tenants or UNSET,
            excluded=self.result.excluded or UNSET,
            limited=self.result.limited or UNSET,
        )


def _ordered(snapshot: Snapshot) -> Iterator[Bundle]:
    index = sorted(snapshot.index, key=lambda each: order(each.id))
    read = (each.read() if isinstance(each, StoredBundle) else each for each in index)
    return heapq.merge(read, snapshot.remaining, key=lambda each: order(each.id))
