"""The coordinator of a scan in parts: hands out the shards of a run, and merges their parts into one store."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct, field

from scanner.azure.limits import DEADLINE
from scanner.collect.collector import Plan, read_joined
from scanner.collect.plan import Joined
from scanner.config.durations import seconds_of
from scanner.document.schema import ScopeRow
from scanner.errors import InputError
from scanner.fleet.messages import RunPlan, Shard
from scanner.fleet.planning import FleetScan, Planner, ScreenProgress
from scanner.fleet.shard import ShardRunner, check_account, why
from scanner.fleet.shard_store import WHOLE, ShardStore
from scanner.scan.joined import joined
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line

FAILED = "ShardFailed"
"""The code of the gap of a subscription that no worker could read."""
TRIES = 3
"""How often a shard is handed out: again where its part is broken, or where nothing happened for too long."""
GRACE = 60.0
"""Seconds after the deadline in which workers write what they have."""
ALONE_SECONDS = 60.0
"""Seconds after which the scan says that no worker has begun."""
FOLDER_SECONDS, BLOB_SECONDS = 0.5, 3.0
"""How often the parts are looked for."""


class BrokenShard(NamedTuple):
    """Why a part cannot be used, and the digest of its file."""

    why: str
    digest: str


class Coordinator(Struct):
    """One run."""

    scan: FleetScan
    left: dict[str, Shard] = field(default_factory=dict)
    """The shards whose part is not in the store yet, by id in lower case."""
    shards: ShardStore | None = None
    """Those of the run, once it is planned."""
    is_left: bool = False
    """Whether subscriptions were not read that the same run may still read."""
    _tries: dict[str, int] = field(default_factory=dict)
    _broken: dict[str, BrokenShard] = field(default_factory=dict)
    _runner: ShardRunner | None = None
    _plan: RunPlan | None = None
    _tells: bool = False
    _is_alone: bool = False
    """Whether the broker has failed, so that this process reads what is left."""
    _total: int = 0

    def collect(self) -> Store:
        """Return the store with everything that was read. Raises UserError, Stopped."""
        scan = self.scan
        plan, shards = Planner(scan).plan()
        self.shards, self._plan = shards, plan
        scan.started(plan.run)
        store = Store(plan.header)
        scopes = shards.add_to(store, WHOLE, is_late=True)
        self.left = {each.id.lower(): each for each in plan.shards}
        self._total = len(self.left)
        scan.screen.begin("Reading", self._sentence)
        try:
            self._read_shards(plan, shards, store, scopes)
        finally:
            scan.screen.finish()
        names = {each.subscription.lower(): each for each in scopes}
        store.header.scopes = [names[id.lower()].subscription for id in plan.order if id.lower() in names]
        for each in (names[id.lower()] for id in plan.order if id.lower() in names):
            scan.screen.scope(each.subscription, each.name, each.view)
        self._read_joined(plan, store)
        return store

    def _sentence(self) -> str:
        return f"{self._total - len(self.left):,} of {self._total:,} subscriptions read"

    # The shards

    def _read_shards(self, plan: RunPlan, shards: ShardStore, store: Store, scopes: list[ScopeRow]) -> None:
        """Hand out the shards, and add their parts as they come. A subscription without one is a gap."""
        watch, began = _Watch(), time.monotonic()
        self._hand_out(shards, [id for id in self.left if id not in shards.read()])
        seconds = BLOB_SECONDS if shards.is_blob else FOLDER_SECONDS
        while True:
            self._take(shards, store, scopes)
            if not self.left:
                return
            if self._is_late(GRACE if self._is_begun(shards) else 0):
                self._give_up(store, scopes, list(self.left), DEADLINE, "the scan reached its deadline")
                return
            started = len(shards.started())
            if not started and not self._tells and time.monotonic() - began > ALONE_SECONDS:
                self._tell_alone()
            if watch.is_over((len(self.left), started), self._patience()):
                self._hand_out(shards, list(self.left))
            for id in [id for id in self.left if self._tries.get(id, 0) > TRIES]:
                if self._uses_workers and id not in self._broken and not shards.attempts(id, 0.0):
                    self._read_alone(shards, id)
                    continue
                reason = self._broken[id].why if id in self._broken else "no worker has read it"
                self._give_up(store, scopes, [id], FAILED, reason)
            if self.left:
                self.scan.stop.run(asyncio.sleep(seconds))

    @property
    def _uses_workers(self) -> bool:
        return self.scan.queue is not None and not self._is_alone

    def _is_begun(self, shards: ShardStore) -> bool:
        """Return whether workers have begun something of what is left, so that they may still write it."""
        return self._uses_workers and any(mark.partition(".")[0] in self.left for mark in shards.started())

    def _read_alone(self, shards: ShardStore, id: str) -> None:
        """Read a shard here that no worker has begun: messages may be lost, or taken by somebody else."""
        text = f"{self.left[id].name} is read by this scan, because no worker has begun it"
        self.scan.screen.write([Line(text, "Parts", whole=True)], "parts", text)
        self._run(shards, id)

    def _is_late(self, grace: float = 0.0) -> bool:
        """Return whether the deadline is over, by so many seconds."""
        return self.scan.ends is not None and time.monotonic() >= self.scan.ends + grace

    def _tell_alone(self) -> None:
        """Print that no worker has begun, once."""
        self._tells = True
        text = f"no worker has begun: twolocks fleet worker --broker URL --parts {self.scan.settings['parts']}"
        self.scan.screen.write([Line(text, "Parts", whole=True)], "parts", text)

    def _patience(self) -> float:
        """Return the seconds without any sign of a worker after which shards are handed out again."""
        if not self._uses_workers:
            return 0.0
        given = self.scan.settings["redeliver-after"]
        return seconds_of(given, self.scan.settings.at("redeliver-after", given)) + GRACE

    def _hand_out(self, shards: ShardStore, ids: Sequence[str]) -> None:
        """Add shards to the queue; without one, read them now, one after the other. What the broker does not take is
        read here too.
        """
        for id in ids:
            self._tries[id] = self._tries.get(id, 0) + 1
        for id in (id for id in ids if self._tries[id] <= TRIES):
            if self._uses_workers and not self._is_late():
                self._send(shards, id)
            if not self._uses_workers:
                self._run(shards, id)

    def _send(self, shards: ShardStore, id: str) -> None:
        """Add a shard to the queue. Where the broker fails, this process reads alone from now on."""
        assert self.scan.queue is not None
        try:
            self.scan.queue.send(shards.run, self.left[id].id, shards.location)
        except InputError as error:
            self._is_alone = True
            text = f"this scan reads without workers: {why(error)}"
            self.scan.screen.write([Line(text, "Parts", whole=True)], "parts", text)

    def _run(self, shards: ShardStore, id: str) -> None:
        """Read a shard in this process."""
        scan = self.scan
        if self._runner is None:
            self._runner = ShardRunner(
                *(scan.settings, lambda choice: scan.rules, scan.job.tool),
                progress=lambda: ScreenProgress(scan.screen),
                on_wait=scan.screen.wait,
                limits=scan.limits,
                run_coroutine=scan.stop.run,
            )
        assert self._plan is not None
        shards.note_start(id, "scan")
        try:
            self._runner.read_into(shards, self._plan, id)
        except Exception as error:  # noqa: BLE001 - as in a worker, whatever ends a shard is a gap of its subscription
            shards.write_failure(id, why(error))

    def _take(self, shards: ShardStore, store: Store, scopes: list[ScopeRow]) -> None:
        """Add the parts that have come. One that is broken is read again."""
        for id in sorted(shards.read() & self.left.keys()):
            if id in self._broken and self._broken[id].digest == shards.digest(id):
                continue  # no worker has replaced it yet
            self.is_left = self.is_left or self._is_late()
            try:
                scopes += shards.add_to(store, id, is_late=self._is_late())
            except InputError as error:
                self._broken[id] = BrokenShard(f"its part is broken: {error.what}", shards.digest(id))
                self.scan.screen.log("parts", f"{self.left[id].name} is read again: {self._broken[id].why}")
                self._hand_out(shards, [id])
                continue
            del self.left[id]
        for id in sorted(shards.failed() & self.left.keys()):
            self._give_up(store, scopes, [id], FAILED, shards.failure(id))

    def _give_up(self, store: Store, scopes: list[ScopeRow], ids: Sequence[str], code: str, reason: str) -> None:
        """Write gaps for subscriptions that were not read."""
        self.is_left = self.is_left or code == DEADLINE
        for shard in (self.left.pop(id) for id in ids):
            url = f"/subscriptions/{shard.id}"
            store.scope(shard.id, shard.name, shard.tenant, "none")
            store.gap(url, 0, code)
            scopes.append(ScopeRow(subscription=shard.id, name=shard.name, tenant=shard.tenant, view="none"))
            self.scan.screen.gap(url, 0, code, "")
            text = f"{shard.name} was not read: {reason}"
            store.header.notes.append(text)
            self.scan.screen.write([Line(text, "Note")], "parts", text)

    # The end

    def _read_joined(self, plan: RunPlan, store: Store) -> None:
        """Read what only a join of all parts asks for."""
        wanted = joined(self.scan.rules, store, graph=not self.scan.settings["no-graph"])
        if wanted != Joined():
            self.scan.stop.run(self._joined(plan, store, wanted))
            self.is_left = self.is_left or self._is_late()

    async def _joined(self, plan: RunPlan, store: Store, wanted: Joined) -> None:
        rules = self.scan.rules
        async with self.scan.connected() as reader:
            try:
                check_account(reader.account, plan)
            except InputError as error:
                text = f"what all subscriptions ask for together was not read: {why(error)}"
                store.header.notes.append(text)
                self.scan.screen.write([Line(text, "Note")], "parts", text)
                return
            reads = Plan(rules.read(), rules.reads(), joined=lambda: wanted)
            await read_joined(reader, reads, store, ScreenProgress(self.scan.screen))


class _Watch(Struct):
    """Notices that nothing changes for a while."""

    _sign: object = None
    _since: float = 0.0

    def is_over(self, sign: object, patience: float) -> bool:
        now = time.monotonic()
        if sign != self._sign:
            self._sign, self._since = sign, now
        if now - self._since <= patience:
            return False
        self._since = now
        return True
