"""One shard: reads a subscription into its part. Workers run it, and a scan without a broker runs it in its process."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from scanner.azure.clients import ConnectionOptions, connect
from scanner.collect.collector import Plan, Progress, collect_one
from scanner.config.settings import Settings
from scanner.errors import InputError, UserError
from scanner.fleet.messages import RunPlan, ShardInput, digest_of
from scanner.fleet.parts import Parts
from scanner.model.residency import ResidencyPolicy
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.store import Store
from scanner.text.masks import masked

if TYPE_CHECKING:
    from scanner.azure.limits import OnWait, SharedTurn

MOST_STARTS = 10
"""The attempts to read one subscription, after which it is given up: each ended without a part and without an error, as
of a process that was killed for its memory. Celery's own retries count too."""


@dataclass(slots=True)
class ShardRunner:
    """Runs shards with the login of these settings. `rules`: loads the rules for `--only` and `--skip`; the rules of a
    run are kept, because the next shard is of the same run. `turn`: the limit of Resource Graph that other processes
    share. `progress`: what a collection reports to. `name`: of this worker. `run_coroutine`: as `asyncio.run`.
    """

    settings: Settings
    rules: Callable[[tuple[str, ...], tuple[str, ...]], RuleSet]
    tool: str
    progress: Callable[[], Progress]
    on_wait: "OnWait" = lambda what, seconds: None
    turn: "SharedTurn | None" = None
    name: str = ""
    limits: bool = True
    run_coroutine: Callable[[Coroutine[Any, Any, Store]], Store] = asyncio.run

    def __post_init__(self) -> None:
        self.rules = lru_cache(maxsize=1)(self.rules)

    def run(self, parts: Parts, id: str) -> str:
        """Read a subscription into its part, and return what was done. Raises UserError where it cannot be read now.

        Nothing is done where the part is there, or the run is over: a shard may be delivered more than once.
        """
        if parts.is_over():
            return "the run is over"
        plan = parts.plan()
        if id.lower() not in {each.id.lower() for each in plan.shards}:
            raise InputError(f"run {plan.run} has no such subscription", at=id)
        if parts.is_whole(id):
            return "it was read already"
        if parts.note_start(id, self.name) > MOST_STARTS:
            parts.write_failure(id, f"{MOST_STARTS} attempts ended without a part, as if each worker was killed")
            return "given up"
        store = self.run_coroutine(self.read(plan, parts.input(id)))
        parts.write_part(id, store)
        store.close()
        return "read"

    async def read(self, plan: RunPlan, found: ShardInput) -> Store:
        """Return what a collection of one subscription wrote. Raises UserError."""
        rules = self.rules(tuple(plan.only), tuple(plan.skip))
        if digest_of(rules, self.tool) != plan.rules:
            raise InputError(
                "this worker has other rules than the scan, or is another version",
                at=self.tool,
                do=f"run workers of {plan.header.tool} with the same --rules",
            )
        header = msgspec.structs.replace(plan.header, scopes=[found.id])
        store = Store(header)
        async with connect(self._way(plan), on_wait=self.on_wait) as reader:
            if (reader.account.name, reader.account.tenant.lower()) != (plan.account, plan.tenant.lower()):
                raise InputError(
                    f"this worker signs in as {reader.account.name}, the scan as {plan.account}: they may see different"
                    " resources",
                    at=f"tenant {reader.account.tenant}",
                    do="give every worker the identity of the scan",
                )
            await collect_one(
                reader,
                found.subscription,
                found.answers,
                Plan(
                    rules.read(),
                    rules.reads(),
                    places=rules.needs_places,
                    quotas=ResidencyPolicy(allowed=tuple(found.regions or ())),
                ),
                store,
                self.progress(),
                graph=plan.graph,
            )
        return store

    def _way(self, plan: RunPlan) -> ConnectionOptions:
        ends = None if plan.ends is None else time.monotonic() + plan.ends - time.time()
        more = {"limits": self.limits, "ends": ends, "graph_turn": self.turn}
        return ConnectionOptions.of(self.settings, agent=self.tool, **more)


def why(error: BaseException) -> str:
    """Return why a shard could not be read, in one line without what looks like a secret."""
    if isinstance(error, UserError):
        return masked(" ".join(filter(None, (error.what, f"({error.at})" if error.at else ""))))
    return masked(f"{type(error).__name__}: {error}"[:300])
