"""A scan with `--history`: what it recalls, a second look at what seems new or fixed, and what it writes."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from scanner.config.settings import Settings
from scanner.document import schema as rows
from scanner.errors import AccessError, HistoryError, UserError
from scanner.evaluate.counts import Counting
from scanner.evaluate.run import Evaluation
from scanner.history import baseline as remember
from scanner.history.baseline import Doubts, Last, Noting, Past
from scanner.history.compare import Changes, Item, Key, compare
from scanner.model.ids import root_of
from scanner.model.resource import Gap
from scanner.model.verdict import Severity
from scanner.notify.notice import Earlier, Entry
from scanner.rulebook.loader import RuleSet
from scanner.snapshot import files as snapshot
from scanner.snapshot.files import Snapshot, Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop

if TYPE_CHECKING:
    from scanner.history.store import ScanRecord


@dataclass(slots=True)
class Night:
    """One scan and its history. A history that fails never ends the scan: `errors` say so at its end."""

    settings: Settings
    rules: RuleSet
    tool: str
    live: bool
    errors: list[HistoryError] = field(default_factory=list)
    found: Changes | None = None
    row: rows.ChangesRow | None = None
    past: Past = field(default_factory=Past)
    doubts: Doubts = field(default_factory=Doubts)
    beyond: int = 0
    trend: list[rows.TrendRow] = field(default_factory=list)
    """The scans before of the same selection, the oldest first."""
    record: "ScanRecord | None" = None
    """The scan as the history holds it."""
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The chosen tags of each resource that has any, by its id in lower case."""

    @property
    def _at(self) -> str:
        return self.settings.at("history", self.settings["history"])

    def check(self, screen: Screen) -> None:
        """Tell at once what is wrong with the history; the scan goes on."""
        from scanner.history.store import History

        try:
            with History.open(self.settings["history"], at=self._at) as history:
                for note in history.notes:
                    screen.write([Line(note, "History")], "scope", f"history: {note}")
        except HistoryError as error:
            self._lost(error)
            said = f"{error.what}; the scan goes on without it"
            screen.write([Line(said, "History")], "error", f"history: {said}")

    def _lost(self, error: HistoryError) -> None:
        self.errors.append(error)
        self.past, self.found, self.row = Past(), None, None

    def _recall(self, subscriptions: Set[str], selection: str, scopes: tuple[str, ...]) -> Past:
        from scanner.history.store import History

        with History.open(self.settings["history"], at=self._at) as history:
            record = history.last(selection)
            last = Last(record.taken, record.tool, frozenset(record.subscriptions)) if record is not None else None
            known = history.known(subscriptions | (last.subscriptions if last else frozenset()))
            self.trend = history.trend(selection, remember.TREND - 1) if record is not None else []
            return Past(known, history.before(scopes), last)

    def writer(self, taken: Snapshot) -> Counting:
        """The writer that the evaluation runs into."""
        if not self.errors:
            asked = remember.selection(self.settings, taken)
            try:
                past = self._recall(remember.seen(taken), asked, remember.scopes(taken))
                self.past = past if self.live else remember.since_then(past, taken.head.taken)
            except HistoryError as error:
                self._lost(error)
        if self.errors:
            return Counting()
        taken.more = remember.missing(self.past, taken, self.doubts) if self.live else []
        noting = Noting(self.past, taken.head.taken, remember.first_ids(self.rules))
        self.tags = noting.tags
        return noting

    # The second look

    def again(self, store: Store, taken: Snapshot, counting: Counting, screen: Screen, stop: Stop) -> Store | None:
        """The collection after a second look at what seems new and critical, fixed, or gone; None where nothing does.

        One GET of each resource, with what lies below it, and the networks of its subscription. Where nobody can be
        reached any more nothing is fixed, what is new is told, and the scan is incomplete.
        """
        if not isinstance(counting, Noting):
            return None
        _told(taken.more, screen)
        at = remember.looked(taken, self.rules, self.past)
        found = compare(self.past.known, counting.sight, at, self.past.before)
        wanted = remember.doubtful(found, counting.sight, at.subscriptions)
        asked, rest = wanted[: remember.AGAIN], wanted[remember.AGAIN :]
        self.beyond = len(rest)
        unconfirmed = frozenset(root_of(each) for each in rest)
        self.doubts = Doubts(unconfirmed=unconfirmed)
        if not asked:
            return None
        second = Store(snapshot.Head(taken=store.head.taken))
        screen.begin("Again", lambda: f"a second look at {len(asked):,} resources whose state changed")
        try:
            gone = stop.run(self._read(asked, second, screen))
        except (AccessError, UserError) as error:
            self.doubts = Doubts(all_unconfirmed=True, gaps=(Gap("/subscriptions", 0, "NoSecondLook"),))
            screen.write([Line(f"no second look: {error.what}", "Note")], "scope", f"no second look: {error.what}")
            second.close()
            return store
        finally:
            screen.finish()
        made, doubts = remember.settled(store, second, asked, gone, remember.networked(self.rules))
        _told(doubts.gaps, screen)
        self.doubts = replace(doubts, unconfirmed=doubts.unconfirmed | unconfirmed)
        second.close()
        return made

    async def _read(self, asked: list[str], second: Store, screen: Screen) -> frozenset[str]:
        from scanner.azure.clients import Way, connect
        from scanner.collect.collector import Plan, Scope, again

        settings = self.settings
        way = Way.of(settings, agent=self.tool, more=True)
        scope = Scope(resources=tuple(asked), graph=not settings["no-graph"])
        plan = Plan(self.rules.read(), self.rules.reads())
        async with connect(way, wait=screen.wait, tell=screen.tell, heard=screen.heard) as reader:
            return await again(reader, scope, plan, second, Silent())

    # At the end

    def compare(self, scan: rows.ScanRow, taken: Snapshot, evaluation: Evaluation, counting: Counting) -> None:
        """Compare with what was known when the scan began; `found` and `row` say what came of it."""
        if not isinstance(counting, Noting):
            return
        self.found = self._judge(taken, counting)(self.past.known)
        tally = evaluation.tally
        standing = {each.name: tally.exposures[each.name] + tally.others[each.name] for each in Severity}
        own = rows.TrendRow(taken=scan.taken, undecided=tally.statuses["unknown"], **standing)
        self.row = remember.changes_row(
            self.found,
            self.past,
            counting.sight,
            confirmed=self.live and not self.doubts.all_unconfirmed,
            notes=remember.remarks(
                self.past,
                scan.taken,
                self.tool,
                confirmed=self.live,
                doubts=self.doubts,
                beyond=self.beyond,
                older=self.found.older,
            ),
            trend=[*self.trend, own],
        )

    def _judge(self, taken: Snapshot, noting: Noting) -> Callable[[Mapping[Key, Item]], Changes]:
        at = remember.looked(taken, self.rules, self.past)
        gone = self.doubts.is_gone if self.live else remember.listed_without(taken)
        return lambda known: remember.judge(known, self.past, noting.sight, at, self.doubts, gone)

    def write(self, scan: rows.ScanRow, taken: Snapshot, evaluation: Evaluation, counting: Counting) -> None:
        """Write the scan into the history in one transaction, when its files are written: a scan that is stopped
        before is not remembered, and what it found is told by the next one; rather twice than never.
        """
        if isinstance(counting, Noting):
            try:
                self._record(scan, taken, evaluation, self._judge(taken, counting))
            except HistoryError as error:
                self.errors.append(error)

    def _record(
        self,
        scan: rows.ScanRow,
        taken: Snapshot,
        evaluation: Evaluation,
        judged: Callable[[Mapping[Key, Item]], Changes],
    ) -> None:
        from scanner.history import notified as telling
        from scanner.history.store import History, ScanRecord

        tally = evaluation.tally
        selection = remember.selection(self.settings, taken)
        record = ScanRecord(
            id=scan.id,
            taken=scan.taken,
            started=scan.started,
            finished=scan.finished,
            tool=scan.tool,
            selection=selection,
            subscriptions=tuple(sorted(remember.seen(taken))),
            scopes=remember.scopes(taken),
            words=remember.words(self.rules),
            complete=scan.complete,
            confirmed=self.live and not self.doubts.all_unconfirmed,
            standing={each.name: tally.exposures[each.name] + tally.others[each.name] for each in Severity},
            undecided=tally.statuses["unknown"],
        )
        with History.open(self.settings["history"], at=self._at) as history:
            if self.settings["notify"]:
                telling.begin(history, self.settings["notify"], selection)
            history.record(record, lambda known, before, last: judged(known))
            self.record = record

    def owners(self, tag: str) -> dict[str, str]:
        """The owner of each resource that this tag names one for, by its id in lower case."""
        return {id: tags[tag] for id, tags in self.tags.items() if tags.get(tag)} if tag else {}

    def earlier(self, name: str) -> Earlier:
        """What a notification knows of the scans before. Where the history does not say: nothing, so that rather
        something is told twice.
        """
        if self.record is None or self.errors:
            return Earlier()
        from scanner.history import notified as telling
        from scanner.history.store import History

        record = self.record
        try:
            with History.open(self.settings["history"], at=self._at) as history:
                found = telling.earlier(history, name, record.selection, record.id, set(record.subscriptions))
        except HistoryError:
            return Earlier()
        if found.last is None:
            return Earlier(late=found.late)
        return Earlier(date.fromisoformat(found.last.finished[:10]), found.last.complete, found.late)

    def arrived(self, name: str, entries: Sequence[Entry]) -> None:
        """Remember that a notification was told of these. Raises HistoryError."""
        if self.record is None or self.errors:
            return
        from scanner.history import notified as telling
        from scanner.history.store import History

        record, keys = self.record, [(each.kind, each.fingerprint) for each in entries]
        with History.open(self.settings["history"], at=self._at) as history:
            telling.heard(history, name, record.selection, record.id, keys)

    def told(self, wrote: Sequence[str]) -> list[UserError]:
        """What went wrong with the history, with what was written all the same."""
        files = f"{', '.join(wrote)} {'was' if len(wrote) == 1 else 'were'} written, " if wrote else ""
        return [
            HistoryError(f"{each.what}; {files}this scan is not in the history", at=each.at, do=each.do)
            for each in self.errors
        ]


def _told(gaps: Iterable[Gap], screen: Screen) -> None:
    for gap in gaps:
        screen.gap(gap.url, gap.status, gap.code, gap.action)


class Silent:
    """Hears a second look and says nothing: who reads, and where, was told."""

    def account(self, name: str, kind: str, tenant: str, others: Sequence[str]) -> None: ...
    def scope(self, subscription: str, name: str, view: str) -> None: ...
    def counts(self, done: int, to_come: int, resources: int, failed: int) -> None: ...
    def reading(self, what: str, done: int, total: int, of: str) -> None: ...
    def gap(self, url: str, status: int, code: str, action: str) -> None: ...
