"""The collection of a scan in parts: by workers that `--fleet` reaches, or in this process."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from scanner.scan.job import Job
from scanner.scan.joined import joined_reads
from scanner.scan.parted import PartedRun
from scanner.scan.resuming import deciding, fingerprint
from scanner.snapshot.store import Store
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader


def collect_in_parts(
    job: Job, screen: Screen, stop: Stop, signed_in: "Callable[[AzureReader, Store], None]", *, limits: bool
) -> Store:
    """Read Azure subscription by subscription, here or by workers. Raises UserError, Stopped."""
    from scanner.fleet.coordinator import Coordinator
    from scanner.fleet.planning import PartedScan
    from scanner.fleet.queue import Queue, graph_turn, make_app

    assert job.storage is not None
    assert isinstance(job.journal, PartedRun)
    app = make_app(job.settings) if job.settings["fleet"] else None
    scan = PartedScan(
        settings=job.settings,
        rules=job.rules,
        tool=job.tool,
        header=job.header(),
        residency=job.policy.residency,
        exclusions=job.exclusions,
        storage=job.storage,
        screen=screen,
        stop=stop,
        joined=lambda store: joined_reads(job.rules, store),
        signed_in=signed_in,
        fingerprint=fingerprint(deciding(job.settings)),
        started=job.journal.begin,
        ends=job.ends,
        limits=limits,
        queue=Queue(app) if app is not None else None,
        turn=graph_turn(app) if app is not None else None,
    )
    made = Coordinator(scan)
    store = made.collect()
    job.journal.is_left = made.is_left
    return store
