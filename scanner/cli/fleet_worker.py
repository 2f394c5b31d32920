"""`twolocks fleet worker`: reads subscriptions, and evaluates ranges of resources, for a scan with `--broker`."""

import asyncio
import os
import platform

from scanner import version
from scanner.cli.fleet_loading import fleet_required
from scanner.config.durations import seconds_of
from scanner.config.settings import Settings
from scanner.errors import InputError
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen


def run(settings: Settings) -> int:
    """Serve until a signal, or until no shard is left, and return the exit code. Raises InputError."""
    screen = Screen(quiet=settings["quiet"], verbose=settings["verbose"])
    screen.start(f"twolocks {version()}, worker, read-only")
    for option in ("broker", "parts"):
        if not settings[option]:
            raise InputError(
                f"a worker needs --{option}", do=f"give --{option}, or set TWOLOCKS_FLEET_{option.upper()}"
            )
    if settings.tenants:
        raise InputError("a worker signs in to one tenant", at="[[tenant]]", do="choose it: --tenant NAME")
    with fleet_required("fleet worker"):
        from scanner.fleet.messages import RuleChoice
        from scanner.fleet.progress import Silent
        from scanner.fleet.queue import Queue, graph_turn, open_broker, unprotected
        from scanner.fleet.range_runner import RangeRunner
        from scanner.fleet.shard import ShardRunner
        from scanner.fleet.worker import Worker
    from scanner.output.storage import Storage
    from scanner.rulebook.loader import RuleSet
    from scanner.scan.job import code_of, load_rules

    def rules(choice: RuleChoice) -> RuleSet:
        rule_set = load_rules(settings, screen)
        choice.apply(rule_set)
        return rule_set

    queue, name = Queue(open_broker(settings)), f"{platform.node()}/{os.getpid()}"
    if note := unprotected(settings):
        screen.write([Line(note, "Note", whole=True)], "queue", note)
    queue.length()
    after = settings["redeliver-after"]
    runner = ShardRunner(
        *(settings, rules, f"twolocks {version()}"),
        progress=Silent,
        on_wait=screen.wait,
        turn=graph_turn(queue.broker),
        name=name,
        patience=seconds_of(after, settings.at("redeliver-after", after)),
        run_coroutine=asyncio.Runner().run,
        keeps=True,
    )
    storage = Storage(settings, asyncio.run, prompt=screen.tell)
    ranges = RangeRunner(runner.rules_of, code_of(settings), name)

    def stated(id: str, what: str) -> None:
        screen.log("shard", f"{id}: {what}")

    worker = Worker(queue, runner, ranges, storage, settings["parts"], stated)
    return worker.serve(until_empty=settings["until-empty"])
