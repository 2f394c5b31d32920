"""Step 3 of a scan: evaluate the rules over the bundles of a snapshot, as a stream. Pure; knows no Azure."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial
from itertools import chain, islice
from pathlib import PurePath

from msgspec import UNSET

from scanner.cycle_collector import existing_objects_not_walked, without_cycle_collector
from scanner.document.framework_rows import FrameworkRow
from scanner.document.schema import (
    ChangesRow,
    Coverage,
    GapRow,
    RuleRow,
    ScanRow,
    fingerprint,
    order,
    rules_of,
    with_texts_of,
)
from scanner.document.tenants import tenant_of
from scanner.document.writer import Writer
from scanner.evaluate.bundles import BundleEvaluation, Known, sort_key
from scanner.evaluate.capacity import CapacityLedger
from scanner.evaluate.checks import check_unread
from scanner.evaluate.counts import Counts
from scanner.evaluate.frameworks import assessed
from scanner.evaluate.gaps import GapLedger
from scanner.evaluate.keys import KeyLedger
from scanner.evaluate.ledgers import DocumentFragment, Ledgers, decoder, encoder
from scanner.evaluate.missing import index_of, unlisted
from scanner.evaluate.policy import Policy
from scanner.evaluate.processes import Processes, can_fork
from scanner.evaluate.results import BundleResult, EvaluationResult
from scanner.evaluate.rows import rule_row
from scanner.evaluate.types import TypeCounts
from scanner.model.index import Index
from scanner.model.rule import questions
from scanner.rulebook.loader import RuleSet
from scanner.rulebook.until import notes_of
from scanner.snapshot.batches import Batch, Batches
from scanner.snapshot.bundles import Snapshot, bundles_in, naming_keys


class Evaluation(BundleEvaluation):
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
        policy = policy or Policy()
        policy.waivers.begin()
        with without_cycle_collector():
            snapshot.load(rules.by_type().keys())
        index = index or index_of(snapshot, policy)
        ledgers = Ledgers(
            counts or Counts(),
            GapLedger(policy.waivers),
            KeyLedger(index, rules, snapshot.gaps, is_partial=snapshot.is_partial),
            CapacityLedger(snapshot, rules),
            TypeCounts(rules.by_type()),
            policy.waivers,
            snapshot.selection,
        )
        super().__init__(rules, policy, index, ledgers)
        self.snapshot = snapshot
        if snapshot.raw is not None:
            index.keys.resources = partial(naming_keys, snapshot)
        self.result = EvaluationResult(
            ledgers.counts,
            crashes=ledgers.crashes,
            scopes=snapshot.evaluated_scopes,
            tenants=snapshot.header.tenants,
            excluded=snapshot.excluded(),
            limited=snapshot.limited(),
        )
        self._known: list[Known] | None = None
        self._fragments: Iterable[DocumentFragment] | None = None
        self._processes: Processes[Batch, DocumentFragment] | None = None

    def sort_keys(self) -> list[str]:
        """Return where in the document what is known before comes: see `Batches`."""
        return [sort_key(each) for each in self._begin()]

    def start(self, writer: Writer, jobs: int, *, least: int = 1) -> int:
        """Fork at most `jobs` processes that `run` then uses, each for at least that many batches, and return how many:
        none where one is enough, or where this process cannot be forked. Call it before anything starts a thread, and
        `close` afterwards.
        """
        batches = iter(Batches(self.snapshot, self.sort_keys()))
        first = list(islice(batches, jobs * least))
        batches, jobs = chain(first, batches), min(jobs, len(first) // least)
        work = partial(self.fragment, writer=writer)
        if jobs < 2 or not can_fork():
            self.use(map(work, batches))
            return 0
        self._processes = Processes(jobs, work, encoder.encode, decoder.decode)
        self.use(self._processes.results(batches))
        return len(self._processes)

    def use(self, fragments: Iterable[DocumentFragment]) -> None:
        """Let `run` join parts, which come in the order of the document, and read no bundle."""
        self._fragments = fragments

    def close(self) -> None:
        """End the processes."""
        if self._processes is not None:
            self._processes.close()

    @property
    def lost(self) -> int:
        """Return how many processes ended before their work was done."""
        return self._processes.lost if self._processes is not None else 0

    def run(self, writer: Writer) -> EvaluationResult:
        """Evaluate every bundle and write its rows, in the order of the document."""
        ledgers = self._ledgers
        writer.fill = ledgers.shared.fill
        known = self._begin()
        with existing_objects_not_walked():
            if self._fragments is None:
                self._take(known, self.snapshot.remaining, writer)
            else:
                self._join(self._fragments, writer, self.snapshot.groups)
        for key, stores in ledgers.keys.rows():
            writer.key(key, stores)
        writer.templates |= ledgers.keys.templates
        self._finish()
        for row in ledgers.capacity.rows(self.counts.tally, self.counts.types):
            writer.capacity(row)
        return self.result

    def fragment(self, batch: Batch, writer: Writer) -> DocumentFragment:
        """Return the part of the document that a batch gives. `writer`: that of the whole document."""
        groups: dict[str, str] = {}
        bundles = bundles_in(batch.lines, self.snapshot.kept, groups)
        one = self._with_empty_ledgers()
        with closing(writer.fork()) as rows:
            one._take(self._begin()[batch.start : batch.stop], bundles, rows)
            return one._ledgers.fragment(rows.fragment(), groups)

    def joined(self, fragments: Iterable[DocumentFragment], writer: Writer) -> DocumentFragment:
        """Return consecutive parts as one."""
        groups: dict[str, str] = {}
        one = self._with_empty_ledgers()
        with closing(writer.fork()) as rows:
            one._join(fragments, rows, groups)
            return one._ledgers.fragment(rows.fragment(), groups)

    def _scopes(self) -> list[BundleResult]:
        """Return the rows of the subscriptions whose types were not listed, or not in whole."""
        ledgers = self._ledgers
        ledgers.gaps.add(self.snapshot.gaps, self.selection)
        if self.snapshot.unanswered is not None:
            ledgers.gaps.add_if_needed(self.snapshot.unanswered)
        for type, api in self.snapshot.older_lists:
            ledgers.types.add_older(type, api)
        ledgers.types.add_gaps(gap for gap in self.snapshot.gaps if self.selection.covers(gap.url))
        matches: dict[str, BundleResult] = {}
        for (subscription, type), missing in unlisted(self.snapshot, self.kinds).items():
            ledgers.types.add_incomplete(type)
            scope = f"/subscriptions/{subscription}"
            result = matches.setdefault(scope, BundleResult(order(scope)))
            for kind in self.kinds.get(type, ()):
                check_unread(self._context, result, kind, scope, *missing)
        return list(matches.values())

    def _begin(self) -> Sequence[Known]:
        """Return what is known before any other bundle is read, in the order of the document: the rows of
        subscriptions, and the bundles of the index. Their gaps are known to every part.
        """
        if self._known is None:
            scopes = self._scopes()
            for bundle in self.snapshot.index:
                self._ledgers.gaps.add(bundle.gaps.values(), self.selection)
            self._known = sorted([*scopes, *self.snapshot.index], key=sort_key)
        return self._known

    def _finish(self) -> None:
        """Complete counts and result, after the last bundle."""
        snapshot, counts, result = self.snapshot, self.counts, self.result
        counts.reads += len(snapshot.reads)
        counts.resources += snapshot.parsed_counts.total()
        ledgers = self._ledgers
        counts.types = ledgers.types.rows(snapshot.parsed_counts, ledgers.evaluated)
        result.by_type = ledgers.types.by_type()
        ledgers.gaps.add(snapshot.history_gaps)
        ledgers.gaps.close()
        result.gaps = ledgers.gaps.rows()
        for gap in result.gaps:
            counts.gap(gap)
        result.accepted_by_rule = ledgers.gaps.accepted_by_rule
        result.complete = self._is_complete(result.gaps)

    def _is_complete(self, gaps: Sequence[GapRow]) -> bool:
        """Return whether everything was evaluated that the scan was asked for, but for what is accepted."""
        accepted = {row.url.lower() for row in gaps if row.accepted}
        in_full = all(
            scope.view == "full" or f"/subscriptions/{scope.subscription.lower()}" in accepted
            for scope in self.snapshot.evaluated_scopes
        )
        return in_full and self._ledgers.gaps.all_accepted(gaps) and not self.rules.broken

    # The rest of the document, after `run`

    def coverage(self) -> Coverage:
        """Return what was evaluated and what was not."""
        return Coverage(
            scopes=sorted(self.snapshot.evaluated_scopes, key=lambda scope: scope.subscription),
            types=self.counts.types,
            rules_off=self.rules.off(),
            notes=[*self.snapshot.header.messages, *self.read_notes(), *self.notes()],
            rules_broken=[PurePath(each.file).name for each in self.rules.broken] or UNSET,
        )

    def frameworks(self) -> list[FrameworkRow]:
        """Return every framework with the states of its controls."""
        return assessed(self.rules, self.counts.tally, self.coverage(), self.result.gaps)

    def read_notes(self) -> list[str]:
        """Return a note for each type that was read at an older api-version than the pinned one, and one on what was
        not asked for.
        """
        return [*self._ledgers.types.older_notes(), *notes_of(self.rules)]

    def notes(self) -> list[str]:
        """Return notes on single waivers."""
        is_partial = self.policy.part or self.snapshot.header.is_partial
        scopes = [] if is_partial else self.snapshot.evaluated_scopes
        seen = {scope.subscription.lower() for scope in scopes if scope.view == "full"}
        is_seen = not any(tenant_of(gap.url) for gap in self.snapshot.gaps)
        whole = not is_partial and is_seen and len(seen) == len(scopes)
        return self.policy.waivers.notes(self.rules.enabled.values(), seen, whole=whole)

    def rule_rows(self, changes: ChangesRow | None = None) -> dict[str, RuleRow]:
        """Return the rules that were on, with the texts of those that a check, a failed read or a change names."""
        rules = {id: rule_row(each) for id, each in questions(self.rules.enabled.values()).items()}
        named = {*self.counts.tally.checks, *self.counts.inapplicable}
        named |= {rule for gap in self.result.gaps for rule in gap.rules}
        return with_texts_of(rules, named | rules_of(changes))

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
