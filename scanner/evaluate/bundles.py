"""Evaluates bundles: writes the rows of each, and collects in ledgers what the whole document needs."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from copy import copy

from msgspec.structs import replace

from scanner.document.schema import order
from scanner.document.writer import Writer
from scanner.evaluate import trials
from scanner.evaluate.checks import Context, RulesByType, check_resource, check_unread
from scanner.evaluate.counts import Counts
from scanner.evaluate.endpoints import exposures_of
from scanner.evaluate.ledgers import DocumentFragment, Ledgers
from scanner.evaluate.missing import unread_below, unread_top
from scanner.evaluate.policy import Policy
from scanner.evaluate.results import BundleResult
from scanner.evaluate.rows import ExposureRows, resource_row
from scanner.fix.bicep import versions_of
from scanner.model.exposure import Exposure
from scanner.model.ids import resource_type_of, type_of
from scanner.model.index import Index, is_indexed
from scanner.model.resource import Bundle, Resource
from scanner.model.resource_type import ResourceType
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.selection import Selection

Known = BundleResult | Bundle
"""What is known before other bundles are read: the rows of a subscription, or a bundle of the index."""


def sort_key(each: Known) -> str:
    """Return the place in the document, as text that sorts."""
    return each.key if isinstance(each, BundleResult) else order(each.id)


class BundleEvaluation:
    """Evaluates bundles in the order of the document."""

    def __init__(self, rules: RuleSet, policy: Policy, index: Index, ledgers: Ledgers) -> None:
        self.rules = rules
        self.policy = policy
        self.index = index
        self.kinds = rules.by_type()
        self._ledgers = ledgers
        self._context = Context(
            rules,
            RulesByType(rules),
            policy,
            index,
            ledgers.gaps,
            ledgers.crashes,
            shared=ledgers.shared,
            versions=versions_of(rules.kinds),
        )

    @property
    def counts(self) -> Counts:
        return self._ledgers.counts

    @property
    def selection(self) -> Selection:
        return self._ledgers.selection

    def evaluate(self, bundle: Bundle) -> BundleResult:
        """Return all rows of one bundle."""
        bundle.memo = {}
        try:
            return self._evaluate(bundle)
        finally:
            trials.release(bundle)
            bundle.memo = None

    def _evaluate(self, bundle: Bundle) -> BundleResult:
        result = BundleResult(order(bundle.id))
        top, type = bundle.top, resource_type_of(bundle.id).lower()
        unread = unread_top(bundle) if top is None else None
        for kind in self.kinds.get(type, ()):
            if top is not None:
                self._ledgers.evaluated.add(type)
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

    def _take(self, known: Sequence[Known], bundles: Iterator[Bundle], writer: Writer) -> None:
        """Evaluate bundles beside what is known, and write all rows."""
        for each in heapq.merge(known, bundles, key=sort_key):
            bundle_result = each if isinstance(each, BundleResult) else self._result(each)
            if bundle_result is not None:
                self._write(bundle_result, writer)
            if isinstance(each, Bundle) and not is_indexed(resource_type_of(each.id)):
                each.release()

    def _result(self, bundle: Bundle) -> BundleResult | None:
        """Return all rows of a bundle, None where it is not evaluated."""
        ledgers, is_wanted = self._ledgers, self.selection.has(bundle)
        if is_wanted or is_indexed(resource_type_of(bundle.id)):
            ledgers.counts.resources += len(bundle.resources)
            ledgers.counts.reads += len(bundle.reads)
            ledgers.gaps.add(bundle.gaps.values(), self.selection)
        if not is_wanted:
            return None
        ledgers.types.add(bundle)
        ledgers.capacity.add(bundle)
        return self.evaluate(bundle)

    def _write(self, bundle_result: BundleResult, writer: Writer) -> None:
        counts = self.counts
        bundle_result.mark(self._context.shared)
        for exposure in sorted(bundle_result.exposures, key=lambda row: (row.endpoint, row.address)):
            counts.exposure(exposure)
            writer.exposure(exposure)
        for finding in sorted(bundle_result.findings, key=lambda row: (order(row.resource), row.rule)):
            counts.finding(finding)
            writer.finding(finding)
            self._ledgers.keys.note(finding)
        for place in sorted(bundle_result.places, key=lambda row: (order(row.resource), row.rule, row.region)):
            writer.place(place)
        self._ledgers.keys.add(bundle_result.keys)
        for carried in bundle_result.carried:
            writer.carried(*carried)
        for id, rules in sorted(bundle_result.passed.items(), key=lambda each: order(each[0])):
            counts.passed(rules)
            writer.passed(id, sorted(rules))
        for id, reasons in sorted(bundle_result.not_applicable.items(), key=lambda each: order(each[0])):
            counts.not_applicable(reasons)
            writer.not_applicable(id, dict(sorted(reasons.items())))
        for id, resource in sorted(bundle_result.resources.items(), key=lambda each: order(each[0])):
            writer.resource(id, resource_row(resource, self.policy.tags))

    def _join(self, fragments: Iterable[DocumentFragment], writer: Writer, groups: dict[str, str]) -> None:
        """Add parts. `groups`: takes the names of their resource groups, by path in lower case."""
        for fragment in fragments:
            writer.join(fragment.rows)
            self._ledgers.join(fragment)
            for path, name in fragment.groups.items():
                groups.setdefault(path, name)

    def _with_empty_ledgers(self) -> "BundleEvaluation":
        """Return the same with empty ledgers, for a part of the document."""
        made, ledgers = copy(self), self._ledgers.fork()
        made._ledgers = ledgers
        policy = replace(self.policy, waivers=ledgers.waivers)
        made._context = replace(
            self._context,
            policy=policy,
            gaps=ledgers.gaps,
            crashes=ledgers.crashes,
            shared=ledgers.shared,
            exposure_rows=ExposureRows(),
        )
        return made
