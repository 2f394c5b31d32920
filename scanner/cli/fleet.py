"""`twolocks fleet status`: how far a scan in parts is."""

import asyncio

from msgspec import Struct
from msgspec.structs import asdict

from scanner.cli.common import print_json
from scanner.cli.fleet_loading import fleet_required
from scanner.config.settings import Settings
from scanner.errors import InputError
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.text import many


class State(Struct, frozen=True):
    """The state of a run."""

    run: str
    taken: str
    subscriptions: int
    read: int
    failed: int
    started: int
    """The attempts to read a subscription."""
    evaluated: int
    ranges: int
    """The ranges of resources that workers evaluate, `evaluated`: those that they have."""
    over: bool
    waiting: int | None
    """The messages in the queue."""


def status(settings: Settings) -> int:
    """Print the state of a run. Raises InputError where there is none."""
    if not settings["parts"]:
        raise InputError("fleet status needs --parts", do="give --parts, or set TWOLOCKS_FLEET_PARTS")
    result = state(settings)
    if settings["format"] == "json":
        print_json(asdict(result))
        return 0
    waiting = "" if result.waiting is None else f"; {many(result.waiting, 'message')} in the queue"
    failed = f"; {result.failed:,} given up" if result.failed else ""
    lines = [
        Line(f"{result.run}, began {result.taken}{', over' if result.over else ''}", "Run", whole=True),
        Line(f"{result.read:,} of {many(result.subscriptions, 'subscription')}{failed}{waiting}", "Read"),
    ]
    if result.ranges:
        lines.append(Line(f"{result.evaluated:,} of {many(result.ranges, 'range')} of resources", "Evaluated"))
    Screen().plain(lines)
    return 0


def state(settings: Settings) -> State:
    """Return the state of the run that the settings name, or of the newest one."""
    with fleet_required("fleet status"):
        from scanner.fleet.evaluation_store import evaluated
        from scanner.fleet.queue import Queue, open_broker
        from scanner.fleet.shard_store import ShardStore, runs
    from scanner.output.storage import Storage

    storage, at = Storage(settings, asyncio.run), settings.at("parts", settings["parts"])
    matches = [settings["run"]] if settings["run"] else runs(storage, settings["parts"])
    if not matches:
        raise InputError("no scan in parts has begun here", at=at, do="twolocks scan --parts DIR")
    stored = ShardStore(storage, settings["parts"], matches[0], at)
    stored.check_owner()
    plan = stored.plan()
    shards = {each.id.lower() for each in plan.shards}
    read = stored.read() & shards
    done, ranges = evaluated(stored)
    return State(
        run=plan.run,
        taken=plan.header.taken,
        subscriptions=len(shards),
        read=len(read),
        failed=len((stored.failed() & shards) - read),
        started=len(stored.started()),
        evaluated=done,
        ranges=ranges,
        over=stored.is_over(),
        waiting=Queue(open_broker(settings)).length() if settings["broker"] else None,
    )
