"""A scan with `--history`: what it recalls, a second look at what seems new or fixed, and what it writes."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from scanner.config.settings import Settings
from scanner.document import schema as rows
from scanner.errors import AccessError, HistoryError, UserError
from scanner.evaluate.counts import Counting
from scanner.evaluate.run import Evaluation
from scanner.history import baseline as remember
from scanner.history import reverify
from scanner.history.baseline import Baseline, HistoryWriter
from scanner.history.compare import compare
from scanner.history.items import Changes, Item, ItemKey, Reported, ScanRecord
from scanner.history.reverify import Reverification
from scanner.model.ids import root_of
from scanner.model.resource import Gap
from scanner.model.verdict import Severity
from scanner.notify.notice import NoticeItem
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import Snapshot
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from scanner.terminal.screen import Line, Screen
from scanner.terminal.signals import Stop


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
    baseline: Baseline = field(default_factory=Baseline)
    verified: Reverification = field(default_factory=Reverification)
    unverified: int = 0
    trend: list[rows.TrendRow] = field(default_factory=list)
    """The scans before of the same selection, the oldest first."""
    record: ScanRecord | None = None
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
        self.baseline, self.found, self.row = Baseline(), None, None

    def _recall(self, subscriptions: Set[str], selection: str, scopes: tuple[str, ...]) -> Baseline:
        from scanner.history.store import History

        with History.open(self.settings["history"], at=self._at) as history:
            last = history.last(selection)
            known = history.known({*subscriptions, *(last.subscriptions if last else ())})
            self.trend = history.trend(selection, remember.TREND - 1) if last is not None else []
            return Baseline(known, history.evaluated_before(scopes), last)

    def writer(self, taken: Snapshot) -> Counting:
        """The writer that the evaluation runs into."""
        if not self.errors:
            asked = remember.selection(self.settings, taken)
            try:
                baseline = self._recall(remember.visible_subscriptions(taken), asked, remember.scopes(taken))
                self.baseline = baseline if self.live else baseline.as_of(taken.header.taken)
            except HistoryError as error:
                self._lost(error)
        if self.errors:
            return Counting()
        previous = self.baseline.previous_subscriptions
        taken.history_gaps = reverify.history_gaps(previous, taken, self.verified) if self.live else []
        writer = HistoryWriter(self.baseline, taken.header.taken, remember.first_ids(self.rules))
        self.tags = writer.tags
        return writer

    # The second look

    def again(self, store: Store, taken: Snapshot, counting: Counting, screen: Screen, stop: Stop) -> Store | None:
        """The collection after a second look at what seems new and critical, fixed, or gone; None where nothing does.

        One GET of each resource, with what lies below it, and the networks of its subscription. Where nobody can be
        reached any more nothing is fixed, what is new is told, and the scan is incomplete.
        """
        if not isinstance(counting, HistoryWriter):
            return None
        _told(taken.history_gaps, screen)
        at = remember.coverage(taken, self.rules, self.baseline)
        found = compare(self.baseline.known, counting.observation, at, self.baseline.evaluated_before)
        wanted = reverify.resources_to_verify(found, counting.observation, at.subscriptions)
        asked, rest = wanted[: reverify.LIMIT], wanted[reverify.LIMIT :]
        self.unverified = len(rest)
        unconfirmed = frozenset(root_of(each) for each in rest)
        self.verified = Reverification(unconfirmed=unconfirmed)
        if not asked:
            return None
        second = Store(Header(taken=store.header.taken))
        screen.begin("Again", lambda: f"a second look at {len(asked):,} resources whose state changed")
        try:
            gone = stop.run(self._read(asked, second, screen))
        except (AccessError, UserError) as error:
            self.verified = Reverification(all_unconfirmed=True, gaps=(Gap("/subscriptions", 0, "NoSecondLook"),))
            screen.write([Line(f"no second look: {error.what}", "Note")], "scope", f"no second look: {error.what}")
            second.close()
            return store
        finally:
            screen.finish()
        made, verified = reverify.merged(store, second, asked, gone, reverify.exposed_by_networks(self.rules))
        _told(verified.gaps, screen)
        self.verified = replace(verified, unconfirmed=verified.unconfirmed | unconfirmed)
        second.close()
        return made

    async def _read(self, asked: list[str], second: Store, screen: Screen) -> frozenset[str]:
        from scanner.azure.clients import ConnectionOptions, connect
        from scanner.collect.collector import Plan, Scope, reread

        settings = self.settings
        way = ConnectionOptions.of(settings, agent=self.tool, append_record=True)
        scope = Scope(resources=tuple(asked), graph=not settings["no-graph"])
        plan = Plan(self.rules.read(), self.rules.reads())
        async with connect(way, on_wait=screen.wait, prompt=screen.tell, on_request=screen.heard) as reader:
            return await reread(reader, scope, plan, second, Silent())

    # At the end

    def compare(self, scan: rows.ScanRow, taken: Snapshot, evaluation: Evaluation, counting: Counting) -> None:
        """Compare with what was known when the scan began; `found` and `row` say what came of it."""
        if not isinstance(counting, HistoryWriter):
            return
        self.found = self._judge(taken, counting)(self.baseline.known)
        tally = evaluation.tally
        standing = {each.name: tally.exposures[each.name] + tally.others[each.name] for each in Severity}
        own = rows.TrendRow(taken=scan.taken, undecided=tally.statuses["unknown"], **standing)
        self.row = remember.changes_row(
            self.found,
            self.baseline,
            counting.observation,
            confirmed=self.live and not self.verified.all_unconfirmed,
            notes=remember.notes(
                self.baseline.last,
                scan.taken,
                self.tool,
                confirmed=self.live,
                verified=self.verified,
                unverified=self.unverified,
                superseded=self.found.superseded,
            ),
            trend=[*self.trend, own],
        )

    def _judge(self, taken: Snapshot, writer: HistoryWriter) -> Callable[[Mapping[ItemKey, Item]], Changes]:
        at = remember.coverage(taken, self.rules, self.baseline)
        gone = self.verified.is_gone if self.live else remember.gone_by_lists(taken)
        return lambda known: remember.compare_with_baseline(
            known, self.baseline, writer.observation, at, self.verified, gone
        )

    def write(self, scan: rows.ScanRow, taken: Snapshot, evaluation: Evaluation, counting: Counting) -> None:
        """Write the scan into the history in one transaction, when its files are written: a scan that is stopped
        before is not remembered, and what it found is told by the next one; rather twice than never.
        """
        if isinstance(counting, HistoryWriter):
            try:
                self._record(scan, taken, evaluation, self._judge(taken, counting))
            except HistoryError as error:
                self.errors.append(error)

    def _record(
        self,
        scan: rows.ScanRow,
        taken: Snapshot,
        evaluation: Evaluation,
        judged: Callable[[Mapping[ItemKey, Item]], Changes],
    ) -> None:
        from scanner.history import notified
        from scanner.history.store import History

        tally = evaluation.tally
        selection = remember.selection(self.settings, taken)
        record = ScanRecord(
            id=scan.id,
            taken=scan.taken,
            started=scan.started,
            finished=scan.finished,
            tool=scan.tool,
            selection=selection,
            subscriptions=tuple(sorted(remember.visible_subscriptions(taken))),
            scopes=remember.scopes(taken),
            rules_and_types=remember.rules_and_types(self.rules),
            complete=scan.complete,
            confirmed=self.live and not self.verified.all_unconfirmed,
            standing={each.name: tally.exposures[each.name] + tally.others[each.name] for each in Severity},
            undecided=tally.statuses["unknown"],
        )
        with History.open(self.settings["history"], at=self._at) as history:
            if self.settings["notify"]:
                notified.start(history, self.settings["notify"], selection)
            history.record(record, lambda known, before, last: judged(known))
            self.record = record

    def owners(self, tag: str) -> dict[str, str]:
        """The owner of each resource that this tag names one for, by its id in lower case."""
        return {id: tags[tag] for id, tags in self.tags.items() if tags.get(tag)} if tag else {}

    def reported(self, name: str) -> Reported:
        """Return what a notification was told before; nothing where the history does not say, so that an alert is
        rather reported twice than missed.
        """
        if self.record is None or self.errors:
            return Reported()
        from scanner.history import notified
        from scanner.history.store import History

        record = self.record
        try:
            with History.open(self.settings["history"], at=self._at) as history:
                return notified.reported(history, name, record.selection, record.id, set(record.subscriptions))
        except HistoryError:
            return Reported()

    def mark_reported(self, name: str, items: Sequence[NoticeItem]) -> None:
        """Write that a notification was told of these items. Raises HistoryError."""
        if self.record is None or self.errors:
            return
        from scanner.history import notified
        from scanner.history.store import History

        record, keys = self.record, [(each.kind, each.fingerprint) for each in items]
        with History.open(self.settings["history"], at=self._at) as history:
            notified.mark_reported(history, name, record.selection, record.id, keys)

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
