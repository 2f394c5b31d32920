"""The plan of a scan in parts: what is read for all subscriptions, for the workers; or that of an earlier run."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from scanner.azure.clients import ConnectionOptions, connect
from scanner.collect.collector import Plan, Scope, survey
from scanner.collect.survey import Survey
from scanner.config.settings import Settings
from scanner.errors import InputError
from scanner.fleet.messages import RuleChoice, RunPlan, Shard, ShardInput, digest_of
from scanner.fleet.progress import Silent
from scanner.fleet.queue import Queue
from scanner.fleet.shard_store import WHOLE, ShardStore, new_run
from scanner.output.storage import Storage
from scanner.rulebook.loader import RuleSet
from scanner.scan.job import Job
from scanner.scan.resuming import deciding, fingerprint
from scanner.snapshot.changes import last_changes, query, shows
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop
from scanner.terminal.text import many

if TYPE_CHECKING:
    from scanner.azure.limits import SharedTurn
    from scanner.azure.reader import AzureReader

RESUMED_WITHIN = timedelta(hours=24)
"""The age up to which a run goes on."""


class FleetScan(Struct):
    """What a scan in parts needs of the scan."""

    job: Job
    header: Header
    """That of the snapshot."""
    storage: Storage
    screen: Screen
    stop: Stop
    signed_in: "Callable[[AzureReader, Store], None]"
    """Called once, with the reader and the store."""
    started: Callable[[str], None]
    """Called with the id of the run."""
    ends: float | None = None
    """The deadline, by the monotonic clock."""
    limits: bool = True
    queue: Queue | None = None
    """None where the shards run in this process."""
    turn: "SharedTurn | None" = None
    """The limit of Resource Graph that other processes share."""

    @property
    def settings(self) -> Settings:
        return self.job.settings

    @property
    def rules(self) -> RuleSet:
        return self.job.rules

    @property
    def fingerprint(self) -> str:
        """Return the name of the settings that decide what is read."""
        return fingerprint(deciding(self.settings))

    def connected(self) -> "AbstractAsyncContextManager[AzureReader]":
        """Open a reader that is signed in. Raises UserError."""
        more = {"limits": self.limits, "ends": self.ends, "graph_turn": self.turn}
        way = ConnectionOptions.of(self.settings, agent=self.job.tool, **more)
        return connect(way, on_wait=self.screen.wait, prompt=self.screen.tell)


class Planner(Struct):
    """Plans a run."""

    scan: FleetScan

    def plan(self) -> tuple[RunPlan, ShardStore]:
        """Return the plan of a new run, or of the one that `--resume` names. Raises UserError, Stopped."""
        return self._resumed() if self.scan.settings["resume"] else self._planned()

    def _planned(self) -> tuple[RunPlan, ShardStore]:
        """Read what concerns all subscriptions, and write the plan of a new run."""
        scan, settings = self.scan, self.scan.settings
        shards = ShardStore(scan.storage, settings["parts"], new_run(), settings.at("parts", settings["parts"]))
        shards.check()
        store = Store(scan.header)
        account: list[str] = []
        scan.screen.begin("Reading", lambda: "what concerns all subscriptions")
        try:
            result = scan.stop.run(self._survey(store, account))
        finally:
            scan.screen.finish()
        store.header.excluded = result.excluded
        plan = RunPlan(
            run=shards.run,
            header=store.header,
            account=account[0],
            tenant=account[1],
            choice=self._choice,
            rules=digest_of(scan.rules, scan.job.tool),
            graph=not settings["no-graph"],
            ends=self._ends(),
            settings=scan.fingerprint,
            order=list(dict.fromkeys(each.id for each in result.targets)),
            shards=[Shard(each.id, each.name, each.tenant) for each in result.readable],
        )
        self._write(shards, plan, result, store)
        return plan, shards

    @property
    def _choice(self) -> RuleChoice:
        settings, rules = self.scan.settings, self.scan.rules
        return RuleChoice(tuple(settings["only"]), tuple(settings["skip"]), rules.until, tuple(rules.unasked))

    async def _survey(self, store: Store, account: list[str]) -> Survey:
        scan, settings = self.scan, self.scan.settings
        async with self.scan.connected() as reader:
            scan.signed_in(reader, store)
            account += [reader.account.name, reader.account.tenant]
            scope = Scope(
                subscriptions=settings["subscription"],
                management_groups=settings["management-group"],
                graph=not settings["no-graph"],
                exclusions=scan.job.exclusions,
            )
            plan = Plan(scan.rules.read(), scan.rules.reads(), places=scan.rules.needs_places)
            return await survey(reader, scope, plan, store, ScreenProgress(scan.screen))

    def _write(self, shards: ShardStore, plan: RunPlan, result: Survey, store: Store) -> None:
        """Write what the shards need, and the plan when all of that is there."""
        with self.scan.screen.busy("Planning", f"{len(plan.shards):,} shards to {shards.location}"):
            for each, answers in result.answers():
                allowed = self.scan.job.policy.residency.of_subscription(each.id, each.name)
                shards.write_input(
                    ShardInput(
                        id=each.id,
                        name=each.name,
                        tenant=each.tenant,
                        state=each.state,
                        regions=None if allowed is None else list(allowed.words),
                        answers=answers,
                    )
                )
            shards.write_shard(WHOLE, store)
            shards.write_plan(plan)
        text = f"run {plan.run}: {len(plan.shards):,} subscriptions"
        self.scan.screen.write([Line(text, "Parts", whole=True)], "parts", text)

    def _ends(self) -> float | None:
        return None if self.scan.ends is None else time.time() + self.scan.ends - time.monotonic()

    def _resumed(self) -> tuple[RunPlan, ShardStore]:
        """Return the plan of an interrupted run. Raises InputError where it cannot go on."""
        scan, settings = self.scan, self.scan.settings
        at = settings.at("resume", settings["resume"])
        shards = ShardStore(scan.storage, settings["parts"], settings["resume"], at)
        shards.check_owner()
        plan = shards.plan()
        header = scan.header
        is_equal = (plan.settings, plan.rules, plan.header.kept_tags) == (
            *(scan.fingerprint, digest_of(scan.rules, scan.job.tool), header.kept_tags),
        )
        if not is_equal or plan.choice != self._choice:
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
            shards.write_plan(plan)
        text = f"{len(shards.read()) - 1:,} of {len(plan.shards):,} subscriptions of run {plan.run} were read"
        scan.screen.write([Line(text, "Resumed", whole=True)], "start", f"resumed: {text}")
        changed = scan.stop.run(self._changed(plan))
        return (plan, shards) if not changed else self._planned_again(plan, shards, changed)

    async def _changed(self, plan: RunPlan) -> dict[str, float]:
        """Return the subscriptions (ids in lower case) in which something changed since a run began, each with the
        time of its last change.

        Where that is not known, a note of the plan says so.
        """
        from scanner.azure.errors import ReadError

        scan, why = self.scan, "without Resource Graph"
        if plan.graph:
            async with scan.connected() as reader:
                if (reader.account.name, reader.account.tenant.lower()) != (plan.account, plan.tenant.lower()):
                    return {}  # it reads nothing: see `check_account`
                try:
                    rows = await reader.query(query(plan.header.taken), [each.id for each in plan.shards])
                    return last_changes(rows)
                except ReadError as error:
                    why = " ".join(filter(None, (str(error.status or ""), error.code)))
        text = (
            f"what changed since {plan.header.taken} is not known ({why}): subscriptions that were read are as of then"
        )
        plan.header.notes.append(text)
        scan.screen.write([Line(text, "Note", whole=True)], "parts", text)
        return {}

    def _planned_again(self, old: RunPlan, before: ShardStore, changed: dict[str, float]) -> tuple[RunPlan, ShardStore]:
        """Return the plan of a new run, which has the parts of an interrupted one that show all changes.

        What Resource Graph says is asked again, because a shard is read with it.
        """
        self.scan.header.taken = old.header.taken
        plan, shards = self._planned()
        kept = [
            each
            for each in plan.shards
            if before.is_whole(each.id, is_late=False)
            and (each.id.lower() not in changed or shows(before.began(each.id), changed[each.id.lower()]))
        ]
        for each in kept:
            shards.copy(each.id, before)
        before.end()
        text = f"{many(len(changed), 'subscription')} changed since, so this is run {plan.run}"
        text += f" with {many(len(kept), 'part')} of run {old.run}"
        self.scan.screen.write([Line(text, "Resumed", whole=True)], "start", f"resumed: {text}")
        return plan, shards


class ScreenProgress(Silent):
    """Reports accounts and gaps of a collection to the screen. Its scopes come with the parts."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def account(self, name: str, kind: str, tenant: str, others: Sequence[str]) -> None:
        self.screen.account(name, kind, tenant, others)

    def gap(self, url: str, status: int, code: str, action: str) -> None:
        self.screen.gap(url, status, code, action)
