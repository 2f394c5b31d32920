"""A scan with `--history`: what it knows of earlier scans, how it compares, and what it writes."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scanner.config.settings import Settings
from scanner.document.schema import ChangesRow, ScanRow, TrendRow
from scanner.document.writer import Writer
from scanner.errors import HistoryError, UserError
from scanner.evaluate.counts import Counts
from scanner.history import baseline
from scanner.history.baseline import Doubts, Last, Noting, Past
from scanner.history.compare import Changes, Item, Key
from scanner.rulebook.loader import RuleSet
from scanner.scan.reverify import Reverification, show_gaps, wanted
from scanner.snapshot.files import Snapshot, Store
from scanner.terminal.screen import Line, Screen
from scanner.terminal.signals import Stop

if TYPE_CHECKING:
    from scanner.history.store import History, ScanRecord


@dataclass(slots=True)
class HistorySession:
    """One scan and its history. A history that fails never ends the scan: `errors` are reported at its end."""

    settings: Settings
    rules: RuleSet
    tool: str
    live: bool
    errors: list[HistoryError] = field(default_factory=list)
    changes: Changes | None = None
    row: ChangesRow | None = None
    past: Past = field(default_factory=Past)
    doubts: Doubts = field(default_factory=Doubts)
    """What the re-verification could not confirm."""
    beyond: int = 0
    """The number of resources that one re-verification is too short for."""
    trend: list[TrendRow] = field(default_factory=list)
    """The earlier scans of the same selection, the oldest first."""
    record: "ScanRecord | None" = None
    """The scan as the history holds it."""
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The chosen tags of each resource that has any, by its id in lower case."""

    def open(self) -> "History":
        """Open the history. Raises HistoryError."""
        from scanner.history.store import History

        name = self.settings["history"]
        return History.open(name, at=self.settings.at("history", name))

    def check(self, screen: Screen) -> None:
        """Report at once what is wrong with the history; the scan goes on."""
        try:
            with self.open() as history:
                for note in history.notes:
                    screen.write([Line(note, "History")], "scope", f"history: {note}")
        except HistoryError as error:
            self._lost(error)
            said = f"{error.what}; the scan goes on without it"
            screen.write([Line(said, "History")], "error", f"history: {said}")

    def _lost(self, error: HistoryError) -> None:
        self.errors.append(error)
        self.past, self.changes, self.row = Past(), None, None

    # Before the evaluation

    def writer(self, taken: Snapshot) -> Writer:
        """Return the writer of the evaluation: it marks what is new, where the history can be read."""
        if not self.errors:
            try:
                selection = baseline.selection(self.settings, taken)
                past = self._recall(baseline.seen(taken), selection, baseline.scopes(taken))
                self.past = past if self.live else baseline.since_then(past, taken.head.taken)
            except HistoryError as error:
                self._lost(error)
        if self.errors:
            return Writer()
        taken.more = baseline.missing(self.past, taken, self.doubts) if self.live else []
        noting = Noting(self.past, taken.head.taken, baseline.first_ids(self.rules))
        self.tags = noting.tags
        return noting

    def _recall(self, subscriptions: Set[str], selection: str, scopes: tuple[str, ...]) -> Past:
        with self.open() as history:
            record = history.last(selection)
            last = Last(record.taken, record.tool, frozenset(record.subscriptions)) if record is not None else None
            known = history.known(subscriptions | (last.subscriptions if last else frozenset()))
            self.trend = history.trend(selection, baseline.TREND - 1) if record is not None else []
            return Past(known, history.before(scopes), last)

    # After the evaluation

    def reverify(self, store: Store, taken: Snapshot, writer: Writer, screen: Screen, stop: Stop) -> Store | None:
        """Return the collection with a second read of what seems new and critical, fixed or gone; None where nothing
        does.
        """
        if not isinstance(writer, Noting):
            return None
        show_gaps(taken.more, screen)
        found = wanted(self.rules, self.past, taken, writer)
        asked, rest = found[: baseline.AGAIN], found[baseline.AGAIN :]
        self.beyond = len(rest)
        self.doubts = Doubts()
        if not asked:
            return None
        reverification = Reverification(self.settings, self.rules, self.tool, screen, stop)
        both, self.doubts = reverification.run(store, asked, rest)
        return both

    def compare(self, scan: ScanRow, taken: Snapshot, counts: Counts, writer: Writer) -> None:
        """Compare with what was known when the scan began. Set `changes` and `row`."""
        if not isinstance(writer, Noting):
            return
        self.changes = self._changes(self.past.known, taken, writer)
        own = TrendRow(taken=scan.taken, undecided=counts.statuses["unknown"], **counts.by_severity)
        self.row = baseline.changes_row(
            self.changes,
            self.past,
            writer.sight,
            confirmed=self._is_confirmed,
            notes=baseline.remarks(
                self.past,
                scan.taken,
                self.tool,
                confirmed=self.live,
                doubts=self.doubts,
                beyond=self.beyond,
                older=self.changes.older,
            ),
            trend=[*self.trend, own],
        )

    @property
    def _is_confirmed(self) -> bool:
        return self.live and not self.doubts.all_unconfirmed

    def _changes(self, known: Mapping[Key, Item], taken: Snapshot, noting: Noting) -> Changes:
        looked = baseline.looked(taken, self.rules, self.past)
        gone = self.doubts.is_gone if self.live else baseline.listed_without(taken)
        return baseline.judge(known, self.past, noting.sight, looked, self.doubts, gone)

    def write(self, scan: ScanRow, taken: Snapshot, counts: Counts, writer: Writer) -> None:
        """Write the scan into the history in one transaction, after its files are written.

        A scan that is stopped before is not in the history, and the next one reports what it found: rather twice than
        never.
        """
        if not isinstance(writer, Noting):
            return
        from scanner.history import notified

        record = self._record(scan, taken, counts)
        try:
            with self.open() as history:
                if self.settings["notify"]:
                    notified.begin(history, self.settings["notify"], record.selection)
                history.record(record, lambda known, before, last: self._changes(known, taken, writer))
                self.record = record
        except HistoryError as error:
            self.errors.append(error)

    def _record(self, scan: ScanRow, taken: Snapshot, counts: Counts) -> "ScanRecord":
        from scanner.history.store import ScanRecord

        return ScanRecord(
            id=scan.id,
            taken=scan.taken,
            started=scan.started,
            finished=scan.finished,
            tool=scan.tool,
            selection=baseline.selection(self.settings, taken),
            subscriptions=tuple(sorted(baseline.seen(taken))),
            scopes=baseline.scopes(taken),
            words=baseline.words(self.rules),
            complete=scan.complete,
            confirmed=self._is_confirmed,
            standing=counts.by_severity,
            undecided=counts.statuses["unknown"],
        )

    def errors_with(self, wrote: Sequence[str]) -> list[UserError]:
        """Return the errors of the history; each names the files that were written all the same."""
        files = f"{', '.join(wrote)} {'was' if len(wrote) == 1 else 'were'} written, " if wrote else ""
        return [
            HistoryError(f"{each.what}; {files}this scan is not in the history", at=each.at, do=each.do)
            for each in self.errors
        ]
