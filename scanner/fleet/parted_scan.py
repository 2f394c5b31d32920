"""A scan in parts (`--parts`): which options it excludes, what is read and evaluated by workers or here, and how an
interrupted one goes on.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from scanner.config.durations import seconds_of
from scanner.config.settings import Settings
from scanner.document.writer import Writer
from scanner.errors import InputError
from scanner.evaluate.run import Evaluation
from scanner.fleet.coordinator import Coordinator
from scanner.fleet.planning import FleetScan
from scanner.fleet.queue import Queue, check_broker, graph_turn, open_broker, unprotected
from scanner.fleet.spreading import FleetRun, spread
from scanner.output.storage import Storage
from scanner.scan.answer_lines import NOT_RESUMED, again
from scanner.scan.job import Job, code_of
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader

NOT_SHARDED = ("resource", "resource-group", "tag", "effective", "explain-reads", "record", "max-age", "from")
"""The options of a scan that a scan in parts does not have."""


class PartedRun(Struct):
    """The `PartedScan` of a run."""

    words: Sequence[str]
    """The command of the same scan."""
    run: str = ""
    """The id of the run, "" before it began."""
    fleet: FleetRun | None = None
    """The run once it is read."""

    def begin(self, run: str) -> None:
        """Note the id of the run."""
        self.run = run

    def collect(
        self,
        job: Job,
        storage: Storage,
        screen: Screen,
        stop: Stop,
        signed_in: "Callable[[AzureReader, Store], None]",
        *,
        ends: float | None,
        limits: bool,
    ) -> Store:
        """Read Azure subscription by subscription, here or by workers. Raises UserError, Stopped."""
        broker = open_broker(job.settings) if job.settings["broker"] else None
        if broker is not None and (note := unprotected(job.settings)):
            screen.write([Line(note, "Note", whole=True)], "parts", note)
        scan = FleetScan(
            job=job,
            header=job.header(),
            storage=storage,
            screen=screen,
            stop=stop,
            signed_in=signed_in,
            started=self.begin,
            ends=ends,
            limits=limits,
            queue=Queue(broker) if broker is not None else None,
            turn=graph_turn(broker) if broker is not None else None,
        )
        coordinator, code = Coordinator(scan), code_of(job.settings)
        store = coordinator.collect()
        assert coordinator.shards is not None
        self.fleet = FleetRun(coordinator.shards, scan.queue, code, coordinator.is_left)
        return store

    def spread(self, evaluation: Evaluation, writer: Writer, screen: Screen, stop: Stop, ends: float | None) -> bool:
        """Let workers evaluate, where the scan has any and that is worth it, and return whether they do."""
        made = spread(self.fleet, evaluation, writer, screen, stop, ends) if self.fleet is not None else None
        if made is None:
            return False
        evaluation.use(made.fragments())
        return True

    def end(self) -> None:
        """Note that workers have nothing left to do."""
        if self.fleet is not None:
            self.fleet.end()

    def kept(self) -> str:
        """Return how the scan goes on, "" before it has begun."""
        return shlex.join((*self.words, "--resume", self.run)) if self.run else ""

    def ended(self, gaps: Iterable[tuple[int, str]], *, is_written: bool) -> str:
        """Return how a scan goes on that left subscriptions, else ""."""
        return self.kept() if self.fleet is None or self.fleet.is_left else ""

    def close(self) -> None:
        """Do nothing: parts stay where they are."""


def parted_run(settings: Settings) -> PartedRun:
    """Return the run of a scan with `--parts`. Raises InputError for options that it does not have, and for `--broker`
    without `--parts`.
    """
    given = settings["parts"]
    if not given:
        raise InputError(
            "--broker needs a place for the parts",
            at=settings.at("broker", ""),
            do="add --parts DIR or --parts az://CONTAINER/PATH",
        )
    at = settings.at("parts", given)
    for name in NOT_SHARDED:
        if settings[name]:
            raise InputError(f"--parts reads subscriptions as wholes, so it excludes --{name}", at=at, do="use one")
    if any(each.lower().startswith("group:") for each in settings["exclude"]):
        raise InputError("--parts cannot leave out resource groups", at=at, do="leave out subscriptions: sub:NAME")
    if settings.tenants:
        raise InputError("--parts signs in to one tenant", at="[[tenant]]", do="choose it: --tenant NAME")
    after = settings["redeliver-after"]
    seconds_of(after, settings.at("redeliver-after", after))
    if settings["broker"]:
        check_broker(settings)
    return PartedRun(again(settings, NOT_RESUMED))
