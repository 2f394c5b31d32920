"""`twolocks fleet status`: how far a scan in parts is."""

import asyncio

from msgspec import Struct
from msgspec.structs import asdict

from scanner.cli.common import print_json
from scanner.config.settings import Settings
from scanner.errors import InputError
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.text import many


class State(Struct, frozen=True):
    """The state of a run. `started`: the attempts to read a subscription. `ranges`: the ranges of resources that
    workers evaluate, `evaluated`: those that they have. `waiting`: the messages in the queue.
    """

    run: str
    taken: str
    subscriptions: int
    read: int
    failed: int
    started: int
    evaluated: int
    ranges: int
    over: bool
    waiting: int | None


def status(settings: Settings) -> int:
    """Print the state of a run. Raises InputError where there is none."""
    if not settings["parts"]:
        raise InputError("fleet status needs --parts", do="give --parts, or set TWOLOCKS_FLEET_PARTS")
    found = state(settings)
    if settings["format"] == "json":
        print_json(asdict(found))
        return 0
    waiting = "" if found.waiting is None else f"; {many(found.waiting, 'message')} in the queue"
    failed = f"; {found.failed:,} given up" if found.failed else ""
    lines = [
        Line(f"{found.run}, began {found.taken}{', over' if found.over else ''}", "Run", whole=True),
        Line(f"{found.read:,} of {many(found.subscriptions, 'subscription')}{failed}{waiting}", "Read"),
    ]
    if found.ranges:
        lines.append(Line(f"{found.evaluated:,} of {many(found.ranges, 'range')} of resources", "Evaluated"))
    Screen().plain(lines)
    return 0


def state(settings: Settings) -> State:
    """Return the state of the run that the settings name, or of the newest one."""
    from scanner.fleet.evaluation_parts import evaluated
    from scanner.fleet.parts import Parts, runs
    from scanner.fleet.queue import Queue, open_broker
    from scanner.output.storage import Storage

    storage, at = Storage(settings, asyncio.run), settings.at("parts", settings["parts"])
    found = [settings["run"]] if settings["run"] else runs(storage, settings["parts"])
    if not found:
        raise InputError("no scan in parts has begun here", at=at, do="twolocks scan --parts DIR")
    parts = Parts(storage, settings["parts"], found[0], at)
    parts.check_owner()
    plan = parts.plan()
    shards = {each.id.lower() for each in plan.shards}
    read = parts.read() & shards
    done, ranges = evaluated(parts)
    return State(
        run=plan.run,
        taken=plan.header.taken,
        subscriptions=len(shards),
        read=len(read),
        failed=len((parts.failed() & shards) - read),
        started=len(parts.started()),
        evaluated=done,
        ranges=ranges,
        over=parts.is_over(),
        waiting=Queue(open_broker(settings)).length() if settings["broker"] else None,
    )
