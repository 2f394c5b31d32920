"""A scan with `--history`: reads earlier scans, compares with them, and stores the scan."""

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING

from msgspec import Struct, field

from scanner.config.settings import Settings
from scanner.document.schema import ChangesRow, ScanRow, TrendRow
from scanner.document.writer import Writer
from scanner.errors import HistoryError, UserError
from scanner.evaluate.counts import Counts
from scanner.history import baseline as baselines
from scanner.history import reverify
from scanner.history.baseline import Baseline, HistoryWriter
from scanner.history.first_ids import FirstIds, first_ids
from scanner.history.items import ChangeKind, Changes, Item, ItemKey, ScanRecord
from scanner.history.reverify import Reverification
from scanner.model.ids import bundle_of, subscription_of
from scanner.rulebook.loader import RuleSet
from scanner.scan.reverify import Reverifier, show_gaps, wanted
from scanner.snapshot.bundles import Snapshot
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop

if TYPE_CHECKING:
    from scanner.history.store import History


class HistorySession(Struct):
    """One scan and its history. An error of the history never ends the scan: `errors` are reported at its end."""

    settings: Settings
    rules: RuleSet
    tool: str
    live: bool
    errors: list[HistoryError] = field(default_factory=list)
    changes: Changes | None = None
    row: ChangesRow | None = None
    baseline: Baseline = field(default_factory=Baseline)
    verified: Reverification = field(default_factory=Reverification)
    """The result of the re-verification."""
    unverified: int = 0
    """The number of resources beyond the limit of one re-verification."""
    trend: list[TrendRow] = field(default_factory=list)
    """The earlier scans of the same selection, the oldest first."""
    record: ScanRecord | None = None
    """The scan as it is stored in the history."""
    ends: float | None = None
    """The deadline of the scan, by the monotonic clock."""
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The chosen tags of each resource that has any, by its id in lower case."""

    @property
    def first_ids(self) -> FirstIds:
        return first_ids(self.rules)

    def open(self) -> "History":
        """Open the history. Raises HistoryError, and InputError for a host that may not get the token."""
        from scanner.history.store import History

        name = self.settings["history"]
        hosts = self.settings["postgres-token-host"]
        at = self.settings.at("history", name)
        return History.open(name, at=at, token_hosts=hosts, first_ids=self.first_ids)

    def check(self, screen: Screen) -> None:
        """Report errors of the history immediately; the scan continues."""
        try:
            with self.open() as history:
                for note in history.notes:
                    screen.write([Line(note, "History")], "scope", f"history: {note}")
        except HistoryError as error:
            self._lost(error)
            text = f"{error.what}; the scan continues without the history"
            screen.write([Line(text, "History")], "error", f"history: {text}")

    def _lost(self, error: HistoryError) -> None:
        self.errors.append(error)
        self.baseline, self.changes, self.row = Baseline(), None, None

    # Before anything is read

    def knows(self, id: str) -> bool:
        """Return whether an earlier scan saw a resource at or below an id (lower case)."""
        try:
            with self.open() as history:
                result = history.known({subscription_of(id)})
        except HistoryError:
            return False
        return any(f"{item.resource.lower()}/".startswith(f"{id}/") for item in result.values())

    def has_selection(self) -> bool:
        """Return whether the history has a scan of the same selection."""
        try:
            with self.open() as history:
                return history.last(baselines.live_selection(self.settings, self.first_ids)) is not None
        except HistoryError:
            return False

    # Before the evaluation

    def writer(self, taken: Snapshot) -> Writer:
        """Return the writer of the evaluation. It marks new items if the history can be read."""
        if not self.errors:
            try:
                selection = baselines.selection(self.settings, taken, self.first_ids)
                visible = baselines.visible_subscriptions(taken)
                baseline = self._recall(visible, selection, baselines.scopes(taken))
                self.baseline = baseline if self.live else baseline.as_of(taken.header.taken)
            except HistoryError as error:
                self._lost(error)
        if self.errors:
            return Writer()
        previous = self.baseline.previous_subscriptions
        taken.history_gaps = reverify.history_gaps(previous, taken, self.verified) if self.live else []
        writer = HistoryWriter(self.baseline, taken.header.taken, self.first_ids)
        self.tags = writer.tags
        return writer

    def _recall(self, subscriptions: Set[str], selection: str, scopes: tuple[str, ...]) -> Baseline:
        with self.open() as history:
            last = history.last(selection)
            known = history.known({*subscriptions, *(last.subscriptions if last else ())})
            self.trend = history.trend(selection, baselines.TREND - 1) if last is not None else []
            return Baseline(known, history.evaluated_before(scopes), last)

    # After the evaluation

    def reverify(self, store: Store, taken: Snapshot, writer: Writer, screen: Screen, stop: Stop) -> Store | None:
        """Return the collection after re-verification; None if nothing needs re-verification."""
        if not isinstance(writer, HistoryWriter):
            return None
        show_gaps(taken.history_gaps, screen)
        matches = wanted(self.rules, self.baseline, taken, writer)
        asked, rest = matches[: reverify.LIMIT], matches[reverify.LIMIT :]
        self.unverified = len(rest)
        self.verified = Reverification(unconfirmed=frozenset(bundle_of(each) for each in rest))
        if not asked:
            return None
        reverifier = Reverifier(self.settings, self.rules, self.tool, screen, stop, self.ends)
        both, self.verified = reverifier.run(store, asked, rest)
        return both

    def compare(self, scan: ScanRow, taken: Snapshot, counts: Counts, writer: Writer) -> None:
        """Compare with the history as it was at the start of the scan. Set `changes` and `row`."""
        if not isinstance(writer, HistoryWriter):
            return
        self.changes = self._changes(self.baseline.known, taken, writer)
        trend_row = TrendRow(
            taken=scan.taken,
            undecided=counts.statuses["unknown"],
            unknown=counts.not_assessed,
            opened=len(self.changes.counted(ChangeKind.new, ChangeKind.reopened)),
            closed=len(self.changes.counted(ChangeKind.fixed)),
            **counts.by_severity,
        )
        self.row = baselines.changes_row(
            self.changes,
            self.baseline,
            writer.observation,
            confirmed=self._is_confirmed,
            notes=baselines.notes(
                self.baseline.last,
                scan.taken,
                self.tool,
                confirmed=self.live,
                verified=self.verified,
                unverified=self.unverified,
                superseded=self.changes.superseded,
            ),
            trend=[*self.trend, trend_row],
        )

    @property
    def _is_confirmed(self) -> bool:
        return self.live and not self.verified.all_unconfirmed

    def _changes(self, known: Mapping[ItemKey, Item], taken: Snapshot, writer: HistoryWriter) -> Changes:
        at = baselines.coverage(taken, self.rules, self.baseline)
        gone = self.verified.is_gone if self.live else baselines.gone_by_lists(taken)
        return baselines.compare_with_baseline(known, self.baseline, writer.observation, at, self.verified, gone)

    def write(self, scan: ScanRow, taken: Snapshot, counts: Counts, writer: Writer) -> None:
        """Write the scan into the history in one transaction, after its files are written.

        A scan that is stopped earlier is not in the history. The next scan reports its findings, because reporting
        twice is better than never.
        """
        if not isinstance(writer, HistoryWriter):
            return
        from scanner.history import notified

        record = self._record(scan, taken, counts)
        try:
            with self.open() as history:
                if self.settings["notify"]:
                    notified.start(history, self.settings["notify"], record.selection)
                history.record(record, lambda known, before, last: self._changes(known, taken, writer))
                self.record = record
        except HistoryError as error:
            self.errors.append(error)

    def _record(self, scan: ScanRow, taken: Snapshot, counts: Counts) -> ScanRecord:
        return ScanRecord(
            id=scan.id,
            taken=scan.taken,
            started=scan.started,
            finished=scan.finished,
            tool=scan.tool,
            selection=baselines.selection(self.settings, taken, self.first_ids),
            subscriptions=tuple(sorted(baselines.visible_subscriptions(taken))),
            scopes=baselines.scopes(taken),
            rules_and_types=baselines.rules_and_types(self.rules),
            complete=scan.complete,
            confirmed=self._is_confirmed,
            standing=counts.by_severity,
            undecided=counts.statuses["unknown"],
            unknown=counts.not_assessed,
        )

    def errors_with(self, wrote: Sequence[str]) -> list[UserError]:
        """Return the errors of the history; each names the files that were written."""
        files = f"{', '.join(wrote)} {'was' if len(wrote) == 1 else 'were'} written, " if wrote else ""
        return [
            HistoryError(f"{each.what}; {files}this scan was not stored in the history", at=each.at, do=each.do)
            for each in self.errors
        ]
