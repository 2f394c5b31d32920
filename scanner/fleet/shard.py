"""One shard: reads a subscription into its part. Workers run it, and a scan without a broker runs it in its process."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct, field

from scanner.azure.clients import ConnectionOptions, connect
from scanner.collect.collector import Plan, Progress, collect_one
from scanner.config.settings import Settings
from scanner.document.schema import now
from scanner.errors import InputError, UserError
from scanner.fleet.messages import RuleChoice, RunPlan, ShardInput, digest_of
from scanner.fleet.shard_store import ShardStore
from scanner.model.residency import ResidencyPolicy
from scanner.model.resource_type import Read, ResourceType
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.store import Store
from scanner.text.masks import masked

if TYPE_CHECKING:
    from scanner.azure.credentials import SignedInAccount
    from scanner.azure.limits import OnWait, SharedTurn
    from scanner.azure.reader import AzureReader

MOST_ERRORS = 4
"""The attempts to read one subscription that end with an error, after which it is given up."""
MOST_LOST = 10
"""The attempts after which it is given up where they end without an error, as of a process that was killed for its
memory."""
MOST_AT_ONCE = 3
"""The attempts that go on at the same time: a worker drops any message beyond that."""


class ShardFailed(Exception):
    """An attempt to read a subscription ended with an error. `is_last`: it is given up. `seconds`: how long to wait
    before the next attempt.
    """

    def __init__(self, why: str, errors: int) -> None:
        super().__init__(why)
        self.is_last = errors >= MOST_ERRORS
        self.seconds = float(min(2**errors, 30))


class _Loaded(NamedTuple):
    """The rules of a run, and what they read: found once, because the next shard is of the same run."""

    rules: RuleSet
    digest: str
    types: list[ResourceType]
    reads: list[Read]


class ShardRunner(Struct):
    """Runs shards with the login of these settings."""

    settings: Settings
    rules: Callable[[RuleChoice], RuleSet]
    """Loads the rules of a run."""
    tool: str
    progress: Callable[[], Progress]
    """What a collection reports to."""
    on_wait: "OnWait" = lambda what, seconds: None
    turn: "SharedTurn | None" = None
    """The limit of Resource Graph that other processes share."""
    name: str = ""
    """Of this worker."""
    patience: float = 3600.0
    """See `Parts.attempts`."""
    limits: bool = True
    run_coroutine: Callable[[Coroutine[Any, Any, Store]], Store] = asyncio.run
    """As `asyncio.run`."""
    keeps: bool = False
    """The connection stays open for the next shard, because sign-in and TLS cost as much as a small subscription; then
    `run_coroutine` must use one loop.
    """
    _loaded: dict[RuleChoice, _Loaded] = field(default_factory=dict)
    _opened: AsyncExitStack | None = None
    _reader: "AzureReader | None" = None
    _of: object = None

    def run(self, shards: ShardStore, id: str) -> str:
        """Read a subscription into its part, and return what was done. Raises ShardFailed where an attempt ends with an
        error, and UserError for a subscription of no plan.

        Nothing is done where the part is there, or the run is over: a shard may be delivered more than once. How often
        it was tried is counted by the marks of workers, never by what a message says.
        """
        if shards.is_over():
            return "the run is over"
        plan = shards.plan()
        if id.lower() not in {each.id.lower() for each in plan.shards}:
            raise InputError(f"run {plan.run} has no such subscription", at=id)
        if shards.is_whole(id, is_late=plan.ends is not None and time.time() >= plan.ends):
            return "it was read already"
        tried = shards.attempts(id, self.patience)
        if tried.errors + tried.lost >= MOST_LOST:
            shards.write_failure(id, f"{MOST_LOST} attempts ended without a part, as if each worker was killed")
            return "given up"
        if tried.under_way >= MOST_AT_ONCE:
            return "other workers read it"
        mark = shards.note_start(id, self.name)
        try:
            self.read_into(shards, plan, id)
        except Exception as error:
            shards.note_error(mark, why(error))
            failed = ShardFailed(why(error), shards.attempts(id, self.patience).errors)
            if failed.is_last:
                shards.write_failure(id, why(error))
            raise failed from error
        return "read"

    def read_into(self, shards: ShardStore, plan: RunPlan, id: str) -> None:
        """Read a subscription into its part. Raises UserError where it cannot be read, and whatever a defect raises."""
        store = self.run_coroutine(self._read(plan, shards.input(id)))
        shards.write_shard(id, store)
        store.close()

    async def _read(self, plan: RunPlan, shard_input: ShardInput) -> Store:
        """Return what a collection of one subscription wrote: `taken` is when it began. Raises UserError."""
        loaded = self._rules_of(plan)
        store = Store(msgspec.structs.replace(plan.header, scopes=[shard_input.id], taken=now()))
        is_unasked = bool(loaded.rules.until) or (shard_input.regions is None and not loaded.rules.needs_quotas)
        wanted = Plan(
            loaded.types,
            loaded.reads,
            ranks=loaded.rules.ranks(),
            unasked=loaded.rules.unasked_reads(),
            places=loaded.rules.needs_places,
            quotas=None if is_unasked else ResidencyPolicy(allowed=tuple(shard_input.regions or ())),
        )
        is_read = False
        try:
            reader = await self._connected(plan)
            await collect_one(
                reader, shard_input.subscription, shard_input.answers, wanted, store, self.progress(), graph=plan.graph
            )
            is_read = True
        finally:
            if not self.keeps or not is_read:
                await self._close()
        return store

    def rules_of(self, plan: RunPlan) -> RuleSet:
        """Return the rules of a run. Raises InputError where this process has others than the scan."""
        return self._rules_of(plan).rules

    def _rules_of(self, plan: RunPlan) -> _Loaded:
        """Return the rules of a run. Raises InputError where this process has others than the scan."""
        key = plan.choice
        if key not in self._loaded:
            rules = self.rules(key)
            self._loaded = {key: _Loaded(rules, digest_of(rules, self.tool), rules.read(), rules.reads())}
        if self._loaded[key].digest != plan.rules:
            raise InputError(
                "this worker has other rules than the scan, or is another version",
                at=self.tool,
                do=f"run workers of {plan.header.tool} with the same --rules",
            )
        return self._loaded[key]

    async def _connected(self, plan: RunPlan) -> "AzureReader":
        """Return a reader that is signed in as the scan is. Raises UserError."""
        if self._reader is not None and self._of == (plan.run, plan.ends):
            return self._reader
        await self._close()
        self._opened, self._of = AsyncExitStack(), (plan.run, plan.ends)
        self._reader = await self._opened.enter_async_context(connect(self._way(plan), on_wait=self.on_wait))
        check_account(self._reader.account, plan)
        return self._reader

    async def _close(self) -> None:
        opened, self._opened, self._reader = self._opened, None, None
        if opened is not None:
            await opened.aclose()

    def _way(self, plan: RunPlan) -> ConnectionOptions:
        ends = None if plan.ends is None else time.monotonic() + plan.ends - time.time()
        more = {"limits": self.limits, "ends": ends, "graph_turn": self.turn}
        return ConnectionOptions.of(self.settings, agent=self.tool, **more)


def check_account(account: "SignedInAccount", plan: RunPlan) -> None:
    """Raise InputError where another identity reads than the one that planned the run."""
    if (account.name, account.tenant.lower()) != (plan.account, plan.tenant.lower()):
        raise InputError(
            f"this process signs in as {account.name}, the run was planned as {plan.account}: they may see different"
            " resources",
            at=f"tenant {account.tenant}",
            do="give the scan and every worker one identity",
        )


def why(error: BaseException) -> str:
    """Return why a shard could not be read, in one line without what looks like a secret."""
    if isinstance(error, UserError):
        return masked(" ".join(filter(None, (error.what, f"({error.at})" if error.at else ""))))
    return masked(f"{type(error).__name__}: {error}"[:300])
