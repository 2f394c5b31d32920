"""Runs checks on mutants, each in a process of its own."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext

from tests.mutants.make import Mutant

Check = Callable[[Mutant], str]
PATIENCE = 300
"""Seconds after which a mutant counts as one that never ends."""


def run(wanted: Sequence[Mutant], check: Check, workers: int) -> dict[str, str]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.rules.test_cases", "tests.rules.test_endpoints"])
    with ThreadPoolExecutor(workers) as pool:
        matches = pool.map(lambda each: apart(context, check, each), wanted)
        return {each.name: answer for each, answer in zip(wanted, matches, strict=True)}


def apart(context: ForkServerContext, check: Check, mutant: Mutant) -> str:
    """What a check answers in a process of its own; a mutant that ends it, or never ends, is caught too."""
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_told, args=(there, check, mutant))
    process.start()
    there.close()
    try:
        return str(here.recv()) if here.poll(PATIENCE) else "it does not end"
    except EOFError:
        return "it ends the process"
    finally:
        process.kill()
        process.join()
        here.close()


def _told(there: Connection, check: Check, mutant: Mutant) -> None:
    there.send(check(mutant))
