"""The coordinator of a scan in parts: plans a run, hands out its shards, merges their parts into one store."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from scanner.azure.clients import ConnectionOptions, connect
from scanner.azure.limits import DEADLINE
from scanner.collect.collector import Plan, Scope, read_joined, survey
from scanner.collect.plan import JoinedRead
from scanner.collect.survey import Survey
from scanner.config.durations import seconds_of
from scanner.config.settings import Settings
from scanner.document.schema import ScopeRow
from scanner.errors import InputError
from scanner.fleet.messages import RunPlan, Shard, ShardInput, digest_of
from scanner.fleet.parts import WHOLE, Parts, new_run
from scanner.fleet.progress import Silent
from scanner.fleet.queue import Queue
from scanner.fleet.shard import ShardRunner, why
from scanner.model.residency import ResidencyPolicy
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.format import Header
from scanner.snapshot.selection import Exclusion
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop

if TYPE_CHECKING:
    from scanner.azure.limits import SharedTurn
    from scanner.azure.reader import AzureReader
    from scanner.output.storage import Storage

FAILED = "ShardFailed"
"""The code of the gap of a subscription that no worker could read."""
RESUMED_WITHIN = timedelta(hours=24)
"""The age up to which a run goes on."""
TRIES = 3
"""How often a shard is handed out: again where its part is broken, or where nothing happened for too long."""
GRACE = 60.0
"""Seconds after the deadline in which workers write what they have."""
ALONE_SECONDS = 60.0
"""Seconds after which the scan says that no worker has begun."""
FOLDER_SECONDS, BLOB_SECONDS = 0.5, 3.0
"""How often the parts are looked for."""


@dataclass(slots=True)
class PartedScan:
    """What a scan in parts needs of the scan. `header`: that of the snapshot. `joined`: what to read last, from what is
    in the store. `signed_in`: called with the reader and the store once. `fingerprint`: of the settings that decide
    what is read. `ends`: the deadline, by the monotonic clock. `queue`: None where the shards run in this process.
    `started`: called with the id of the run. `turn`: the limit of Resource Graph that other processes share.
    """

    settings: Settings
    rules: RuleSet
    tool: str
    header: Header
    residency: ResidencyPolicy
    exclusions: tuple[Exclusion, ...]
    storage: "Storage"
    screen: Screen
    stop: Stop
    joined: Callable[[Store], Iterable[JoinedRead]]
    signed_in: "Callable[[AzureReader, Store], None]"
    fingerprint: str
    started: Callable[[str], None]
    ends: float | None = None
    limits: bool = True
    queue: Queue | None = None
    turn: "SharedTurn | None" = None


class BrokenPart(NamedTuple):
    """Why a part cannot be used, and the digest of its file."""

    why: str
    digest: str


@dataclass(slots=True)
class Coordinator:
    """One run. `left`: the shards whose part is not in the store yet, by id in lower case."""

    scan: PartedScan
    left: dict[str, Shard] = field(default_factory=dict)
    is_left: bool = False
    """Whether subscriptions were not read that the same run may still read."""
    _tries: dict[str, int] = field(default_factory=dict)
    _broken: dict[str, BrokenPart] = field(default_factory=dict)
    _runner: ShardRunner | None = None
    _tells: bool = False
    _total: int = 0

    def collect(self) -> Store:
        """Return the store with everything that was read. Raises UserError, Stopped."""
        scan = self.scan
        plan, parts = self._resumed() if scan.settings["resume"] else self._planned()
        scan.started(plan.run)
        store = Store(plan.header)
        scopes = parts.add_to(store, WHOLE, is_late=True)
        self.left = {each.id.lower(): each for each in plan.shards}
        self._total = len(self.left)
        scan.screen.begin("Reading", self._sentence)
        try:
            self._read_shards(plan, parts, store, scopes)
        finally:
            scan.screen.finish()
        names = {each.subscription.lower(): each for each in scopes}
        store.header.scopes = [names[id.lower()].subscription for id in plan.order if id.lower() in names]
        for each in (names[id.lower()] for id in plan.order if id.lower() in names):
            scan.screen.scope(each.subscription, each.name, each.view)
        self._read_joined(store)
        if not self.is_left:
            parts.end()
        return store

    def _sentence(self) -> str:
        return f"{self._total - len(self.left):,} of {self._total:,} subscriptions read"

    # The plan

    def _planned(self) -> tuple[RunPlan, Parts]:
        """Read what concerns all subscriptions, and write the plan of a new run."""
        scan, settings = self.scan, self.scan.settings
        parts = Parts(scan.storage, settings["parts"], new_run(), settings.at("parts", settings["parts"]))
        parts.check()
        store = Store(scan.header)
        account: list[str] = []
        scan.screen.begin("Reading", lambda: "what concerns all subscriptions")
        try:
            found = scan.stop.run(self._survey(store, account))
        finally:
            scan.screen.finish()
        store.header.excluded = found.excluded
        plan = RunPlan(
            run=parts.run,
            header=store.header,
            account=account[0],
            tenant=account[1],
            only=list(settings["only"]),
            skip=list(settings["skip"]),
            rules=digest_of(scan.rules, scan.tool),
            graph=not settings["no-graph"],
            ends=self._ends(),
            settings=scan.fingerprint,
            order=list(dict.fromkeys(each.id for each in found.targets)),
            shards=[Shard(each.id, each.name, each.tenant) for each in found.readable],
        )
        self._write(parts, plan, found, store)
        return plan, parts

    async def _survey(self, store: Store, account: list[str]) -> Survey:
        scan, settings = self.scan, self.scan.settings
        async with self._connected() as reader:
            scan.signed_in(reader, store)
            account += [reader.account.name, reader.account.tenant]
            scope = Scope(
                subscriptions=settings["subscription"],
                management_groups=settings["management-group"],
                graph=not settings["no-graph"],
                exclusions=scan.exclusions,
            )
            plan = Plan(scan.rules.read(), scan.rules.reads(), places=scan.rules.needs_places)
            return await survey(reader, scope, plan, store, _Quiet(scan.screen))

    def _write(self, parts: Parts, plan: RunPlan, found: Survey, store: Store) -> None:
        """Write what the shards need, and the plan when all of that is there."""
        with self.scan.screen.busy("Planning", f"{len(plan.shards):,} shards to {parts.place}"):
            for each, answers in found.answers():
                allowed = self.scan.residency.of_subscription(each.id, each.name)
                parts.write_input(
                    ShardInput(
                        id=each.id,
                        name=each.name,
                        tenant=each.tenant,
                        state=each.state,
                        regions=None if allowed is None else list(allowed.words),
                        answers=answers,
                    )
                )
            parts.write_part(WHOLE, store)
            parts.write_plan(plan)
        said = f"run {plan.run}: {len(plan.shards):,} subscriptions"
        self.scan.screen.write([Line(said, "Parts", whole=True)], "parts", said)

    def _ends(self) -> float | None:
        return None if self.scan.ends is None else time.time() + self.scan.ends - time.monotonic()

    def _resumed(self) -> tuple[RunPlan, Parts]:
        """Return the plan of an interrupted run. Raises InputError where it cannot go on."""
        scan, settings = self.scan, self.scan.settings
        at = settings.at("resume", settings["resume"])
        parts = Parts(scan.storage, settings["parts"], settings["resume"], at)
        plan = parts.plan()
        own = scan.header
        is_equal = (plan.settings, plan.rules, plan.header.kept_tags) == (
            *(scan.fingerprint, digest_of(scan.rules, scan.tool), own.kept_tags),
        )
        if not is_equal or (plan.only, plan.skip) != (list(settings["only"]), list(settings["skip"])):
            raise InputError(
                "the interrupted run had other settings or rules, or was of another version",
                at=at,
                do="give the options of that scan, or scan again without --resume",
            )
        if datetime.now(UTC) - datetime.fromisoformat(plan.header.taken) > RESUMED_WITHIN:
            raise InputError(
                f"the interrupted run began {plan.header.taken}, more than 24 hours ago",
                at=at,
                do="scan again without --resume",
            )
        if plan.ends != self._ends():
            plan.ends = self._ends()
            parts.write_plan(plan)
        said = f"{len(parts.read()) - 1:,} of {len(plan.shards):,} subscriptions of run {plan.run} were read"
        scan.screen.write([Line(said, "Resumed", whole=True)], "start", f"resumed: {said}")
        return plan, parts

    # The shards

    def _read_shards(self, plan: RunPlan, parts: Parts, store: Store, scopes: list[ScopeRow]) -> None:
        """Hand out the shards, and add their parts as they come. A subscription without one is a gap."""
        watch, began = _Watch(self._patience()), time.monotonic()
        self._hand_out(parts, [id for id in self.left if id not in parts.read()])
        seconds = BLOB_SECONDS if parts.is_blob else FOLDER_SECONDS
        while True:
            self._take(parts, store, scopes)
            if not self.left:
                return
            if self._is_late(GRACE if self.scan.queue else 0):
                self._give_up(store, scopes, list(self.left), DEADLINE, "the scan reached its deadline")
                return
            started = len(parts.started())
            if not started and not self._tells and time.monotonic() - began > ALONE_SECONDS:
                self._tell_alone()
            if watch.is_over((len(self.left), started)):
                self._hand_out(parts, list(self.left))
            for id in [id for id in self.left if self._tries.get(id, 0) > TRIES]:
                reason = self._broken[id].why if id in self._broken else "no worker has read it"
                self._give_up(store, scopes, [id], FAILED, reason)
            if self.left:
                self.scan.stop.run(asyncio.sleep(seconds))

    def _is_late(self, grace: float = 0.0) -> bool:
        """Return whether the deadline is over, by so many seconds."""
        return self.scan.ends is not None and time.monotonic() >= self.scan.ends + grace

    def _tell_alone(self) -> None:
        """Print that no worker has begun, once."""
        self._tells = True
        said = f"no worker has begun: twolocks worker --fleet URL --parts {self.scan.settings['parts']}"
        self.scan.screen.write([Line(said, "Parts", whole=True)], "parts", said)

    def _patience(self) -> float:
        """Return the seconds without any sign of a worker after which shards are handed out again."""
        if self.scan.queue is None:
            return 0.0
        given = self.scan.settings["redeliver-after"]
        return seconds_of(given, self.scan.settings.at("redeliver-after", given)) + GRACE

    def _hand_out(self, parts: Parts, ids: Sequence[str]) -> None:
        """Add shards to the queue; without one, read them now, one after the other."""
        for id in ids:
            self._tries[id] = self._tries.get(id, 0) + 1
        for id in (id for id in ids if self._tries[id] <= TRIES):
            if self.scan.queue is not None:
                self.scan.queue.send(parts.run, self.left[id].id, parts.place)
            else:
                self._run(parts, id)

    def _run(self, parts: Parts, id: str) -> None:
        """Read a shard in this process."""
        scan = self.scan
        if self._runner is None:
            self._runner = ShardRunner(
                *(scan.settings, lambda only, skip: scan.rules, scan.tool),
                progress=lambda: _Quiet(scan.screen),
                on_wait=scan.screen.wait,
                limits=scan.limits,
                run_coroutine=scan.stop.run,
            )
        try:
            self._runner.run(parts, id)
        except Exception as error:  # noqa: BLE001 - as in a worker, whatever ends a shard is a gap of its subscription
            parts.write_failure(id, why(error))

    def _take(self, parts: Parts, store: Store, scopes: list[ScopeRow]) -> None:
        """Add the parts that have come. One that is broken is read again."""
        for id in sorted(parts.read() & self.left.keys()):
            if id in self._broken and self._broken[id].digest == parts.digest(id):
                continue  # no worker has replaced it yet
            self.is_left = self.is_left or self._is_late()
            try:
                scopes += parts.add_to(store, id, is_late=self._is_late())
            except InputError as error:
                self._broken[id] = BrokenPart(f"its part is broken: {error.what}", parts.digest(id))
                self.scan.screen.log("parts", f"{self.left[id].name} is read again: {self._broken[id].why}")
                self._hand_out(parts, [id])
                continue
            del self.left[id]
        for id in sorted(parts.failed() & self.left.keys()):
            self._give_up(store, scopes, [id], FAILED, parts.failure(id))

    def _give_up(self, store: Store, scopes: list[ScopeRow], ids: Sequence[str], code: str, reason: str) -> None:
        """Write gaps for subscriptions that were not read."""
        self.is_left = self.is_left or code == DEADLINE
        for shard in (self.left.pop(id) for id in ids):
            url = f"/subscriptions/{shard.id}"
            store.scope(shard.id, shard.name, shard.tenant, "none")
            store.gap(url, 0, code)
            scopes.append(ScopeRow(subscription=shard.id, name=shard.name, tenant=shard.tenant, view="none"))
            self.scan.screen.gap(url, 0, code, "")
            said = f"{shard.name} was not read: {reason}"
            store.header.notes.append(said)
            self.scan.screen.write([Line(said, "Note")], "parts", said)

    # The end

    def _read_joined(self, store: Store) -> None:
        """Read what only a join of all parts asks for."""
        wanted = list(self.scan.joined(store))
        if wanted:
            self.scan.stop.run(self._joined(store, wanted))
            self.is_left = self.is_left or self._is_late()

    async def _joined(self, store: Store, wanted: Sequence[JoinedRead]) -> None:
        rules = self.scan.rules
        async with self._connected() as reader:
            plan = Plan(rules.read(), rules.reads(), joined=lambda: wanted)
            await read_joined(reader, plan, store, _Quiet(self.scan.screen))

    def _connected(self) -> "AbstractAsyncContextManager[AzureReader]":
        scan = self.scan
        more = {"limits": scan.limits, "ends": scan.ends, "graph_turn": scan.turn}
        way = ConnectionOptions.of(scan.settings, agent=scan.tool, **more)
        return connect(way, on_wait=scan.screen.wait, prompt=scan.screen.tell)


@dataclass(slots=True)
class _Watch:
    """Notices that nothing changes for `patience` seconds."""

    patience: float
    _sign: object = None
    _since: float = 0.0

    def is_over(self, sign: object) -> bool:
        now = time.monotonic()
        if sign != self._sign:
            self._sign, self._since = sign, now
        if now - self._since <= self.patience:
            return False
        self._since = now
        return True


class _Quiet(Silent):
    """Reports accounts and gaps of a collection to the screen. Its scopes come with the parts."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def account(self, name: str, kind: str, tenant: str, others: Sequence[str]) -> None:
        self.screen.account(name, kind, tenant, others)

    def gap(self, url: str, status: int, code: str, action: str) -> None:
        self.screen.gap(url, status, code, action)
