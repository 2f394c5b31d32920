"""A scan in parts: what is read, and with `--broker` evaluated too, by workers or in this process."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from scanner.document.writer import Writer
from scanner.evaluate.run import Evaluation
from scanner.output.storage import Storage
from scanner.scan.job import Job, code_of
from scanner.scan.joined import joined
from scanner.scan.parted import PartedRun
from scanner.scan.resuming import deciding, fingerprint
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader
    from scanner.fleet.spreading import FleetRun


def collect_shards(
    job: Job,
    storage: Storage,
    screen: Screen,
    stop: Stop,
    signed_in: "Callable[[AzureReader, Store], None]",
    *,
    ends: float | None,
    limits: bool,
) -> "tuple[Store, FleetRun]":
    """Read Azure subscription by subscription, here or by workers. Raises UserError, Stopped."""
    from scanner.fleet.coordinator import Coordinator
    from scanner.fleet.planning import PartedScan
    from scanner.fleet.queue import Queue, graph_turn, open_broker, unprotected
    from scanner.fleet.spreading import FleetRun

    assert isinstance(job.journal, PartedRun)
    broker = open_broker(job.settings) if job.settings["broker"] else None
    if broker is not None and (note := unprotected(job.settings)):
        screen.write([Line(note, "Note", whole=True)], "parts", note)
    scan = PartedScan(
        settings=job.settings,
        rules=job.rules,
        tool=job.tool,
        header=job.header(),
        residency=job.policy.residency,
        exclusions=job.exclusions,
        storage=storage,
        screen=screen,
        stop=stop,
        joined=lambda store: joined(job.rules, store, graph=not job.settings["no-graph"]),
        signed_in=signed_in,
        fingerprint=fingerprint(deciding(job.settings)),
        started=job.journal.begin,
        ends=ends,
        limits=limits,
        queue=Queue(broker) if broker is not None else None,
        turn=graph_turn(broker) if broker is not None else None,
    )
    made = Coordinator(scan)
    code = code_of(job.settings)
    store = made.collect()
    job.journal.is_left = made.is_left
    assert made.shards is not None
    return store, FleetRun(made.shards, scan.queue, code, made.is_left)


def spread_evaluation(
    run: "FleetRun", evaluation: Evaluation, writer: Writer, screen: Screen, stop: Stop, ends: float | None
) -> bool:
    """Let workers evaluate, where the scan has any and that is worth it, and return whether they do."""
    from scanner.fleet.spreading import spread

    made = spread(run, evaluation, writer, screen, stop, ends)
    if made is None:
        return False
    evaluation.use(made.fragments())
    return True
