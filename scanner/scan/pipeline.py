"""The four steps in a row: what the command line, the demo and a distributed worker call."""

import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from scanner.config import waivers
from scanner.document import schema as rows
from scanner.errors import UserError
from scanner.evaluate.counts import Counting
from scanner.evaluate.run import Evaluation, Waivers, now
from scanner.exit_codes import Exit, decide
from scanner.output.formats import STDOUT, Unwritable, unwritable
from scanner.output.storage import Storage, is_blob
from scanner.scan.change_lines import ChangeLines
from scanner.scan.job import Job
from scanner.scan.last_screen import LastScreen
from scanner.scan.outcome import DISAGREES, SHOWN, Outcome, broken_rules, crashed_rules, disagreeing, stopped
from scanner.scan.session import Night
from scanner.snapshot import files as snapshot
from scanner.snapshot.files import Snapshot, Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop, Stopped


def run(job: Job, screen: Screen, stop: Stop, *, limits: bool = True) -> Outcome:
    """Collect (or open a snapshot), judge, write. Raises UserError where nothing comes of it, Stopped on a signal."""
    stop.parts = job.parts()
    job.storage = Storage(job.settings, stop.run, tell=screen.tell, busy=screen.busy, parts=stop.parts)
    source = job.settings["from"]
    try:
        job.storage.check(job.blobs())
        with job.storage.reading(source, job.settings.at("from", source)) as path:
            return _Scan(job, job.storage, screen, stop, limits, _night(job, screen)).run(path)
    except Stopped:
        if not job.told:
            stopped(job, screen, stop.code, "at the storage account" if job.blobs() or is_blob(source) else "at once")
        raise


def _night(job: Job, screen: Screen) -> Night | None:
    """The history of a scan that was asked to remember."""
    if not job.settings["history"]:
        return None
    night = Night(job.settings, job.rules, job.tool, live=not job.settings["from"])
    night.check(screen)
    return night


@dataclass(slots=True)
class _Scan:
    """One run of a job, and what goes on from step to step."""

    job: Job
    storage: Storage
    screen: Screen
    stop: Stop
    limits: bool
    night: Night | None
    started: str = field(default_factory=now)
    began: float = field(default_factory=monotonic)
    took: float | None = None
    """Seconds of reading; None where nothing was read from Azure."""
    wrote: list[str] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)

    def run(self, source: Path) -> Outcome:
        job, night, screen = self.job, self.night, self.screen
        store = None if job.settings["from"] else self._collected()
        taken = snapshot.of_store(store) if store is not None else snapshot.read(source)
        _seen(taken, screen, live=store is not None)
        _expired(job.policy.waivers, screen)
        try:
            taken, evaluation, counting = self._settled(taken, store)
            # Its lines are not needed any more, and the documents that are written now take room.
            store = None
            with closing(counting):
                _noted(evaluation.notes(), screen)
                mark = secrets.token_hex(8)
                scan = evaluation.scan_row(started=self.started, finished=now(), tool=job.tool, mark=mark)
                if night is not None:
                    night.compare(scan, taken, evaluation, counting)
                unwritten = self._write(counting, evaluation, scan)
                if night is not None:
                    night.write(scan, taken, evaluation, counting)
        except Stopped:
            screen.finish()
            stopped(job, screen, self.stop.code, "while judging", self.wrote)
            raise
        self._faults(evaluation)
        return self._outcome(evaluation, counting, scan, unwritten)

    # Step 1

    def _collected(self) -> Store:
        """What was read, with progress."""
        job, screen = self.job, self.screen
        store = Store(snapshot.Head(taken=now(), cloud=job.settings["cloud"], tool=job.tool))
        screen.begin("Reading")
        try:
            self.stop.run(_read(job, screen, store, self.limits))
        except Stopped:
            screen.finish()
            known = f"{screen.progress.done:,} of {screen.progress.done + screen.progress.to_come:,} known reads"
            stopped(job, screen, self.stop.code, f"after {known}")
            raise
        finally:
            screen.finish()
        store.head.scopes = [subscription for subscription, _, _ in screen.scopes]
        self.took = monotonic() - self.began
        self._keep(store)
        return store

    # Step 2

    def _keep(self, store: Store) -> None:
        """Write the snapshot that was asked for."""
        name = self.job.settings["snapshot"]
        if not name:
            return
        if name in self.wrote:
            self.wrote.remove(name)
        try:
            with self.storage.writing(name) as file:
                store.into(file, Path(name))
            self.wrote.append(name)
        except OSError as error:
            self.errors.append(unwritable(name, error, self.wrote))

    # Step 3

    def _settled(self, taken: Snapshot, store: Store | None) -> tuple[Snapshot, Evaluation, Counting]:
        """Judged; where a history is kept, once more after a second look at what seems to have changed."""
        evaluation, counting = self._judged(taken)
        if self.night is None or store is None:
            return taken, evaluation, counting
        again = self.night.again(store, taken, counting, self.screen, self.stop)
        if again is None:
            return taken, evaluation, counting
        counting.close()
        self._keep(again)
        taken = snapshot.of_store(again)
        return taken, *self._judged(taken)

    def _judged(self, taken: Snapshot) -> tuple[Evaluation, Counting]:
        """The rules over a snapshot, with progress."""
        counting = self.night.writer(taken) if self.night is not None else Counting()
        self.screen.begin("Judging", lambda: f"{counting.endpoints:,} endpoints so far")
        try:
            evaluation = Evaluation(taken, self.job.rules, self.job.policy)
            evaluation.run(counting)
        except BaseException:
            counting.close()
            raise
        finally:
            self.screen.finish()
        return evaluation, counting

    # Step 4

    def _write(self, writer: rows.Writer, evaluation: Evaluation, scan: rows.ScanRow) -> list[str]:
        """Write every output. Those that could not be written are named and told; the others go on."""
        from scanner.output.writers import write as made

        changes = self.night.row if self.night is not None else None
        words = (scan, evaluation.rule_rows(), evaluation.tally.gaps, evaluation.coverage(), changes)
        unwritten = [error.what_file for error in self.errors if isinstance(error, Unwritable)]
        document: Any = None
        for out in sorted(self.job.outs, key=lambda each: each.format not in (STDOUT, ".json")):
            try:
                if out.format == STDOUT:
                    writer.finish(sys.stdout.buffer, *words)
                    sys.stdout.buffer.flush()
                    continue
                if out.format != ".json" and document is None:
                    document = _decoded(writer, words)
                with self.storage.writing(out.name) as file:
                    if out.format == ".json":
                        writer.finish(file, *words)
                    else:
                        made(out.format, document, file)
                self.wrote.append(out.name)
            except BrokenPipeError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                unwritten.append("standard output")
            except OSError as error:
                self.errors.append(unwritable(out.name, error, self.wrote))
                unwritten.append(out.name)
        return unwritten

    # The end

    def _faults(self, evaluation: Evaluation) -> None:
        job = self.job
        self.errors += broken_rules(job)
        self.errors += crashed_rules(job.rules, evaluation)
        self.errors += disagreeing(job.disagreements)
        self.errors += self.night.told(self.wrote) if self.night is not None else []

    def _outcome(
        self, evaluation: Evaluation, counting: Counting, scan: rows.ScanRow, unwritten: Sequence[str]
    ) -> Outcome:
        job, night = self.job, self.night
        end = decide(
            evaluation.tally,
            job.settings["fail-on"],
            broken=job.rules.broken,
            unwritten=[*unwritten, *(["the history"] if night is not None and night.errors else [])],
            defects=len(job.disagreements),
            found=night.found if night is not None else None,
        )
        asked = (*(out.name for out in job.outs), job.settings["snapshot"])
        wrote = [name for name in asked if name in self.wrote]
        if night is not None and job.whom:
            self.errors += self._tell(night, evaluation, scan, end, wrote)
        summary = LastScreen(
            evaluation.tally,
            counting,
            job.rules,
            self.took,
            wrote,
            end,
            job.settings["fail-on"],
            news=ChangeLines.of(night.row, night.found) if night is not None and night.row and night.found else None,
        )
        return Outcome(end, summary, self.errors)

    def _tell(
        self, night: Night, evaluation: Evaluation, scan: rows.ScanRow, end: Exit, wrote: Sequence[str]
    ) -> list[UserError]:
        """Tell whom the scan was asked to tell; the errors of those that were not reached."""
        from scanner.notify import after_scan as tell
        from scanner.notify.notice import Facts

        facts = Facts(
            scan=scan,
            tally=evaluation.tally,
            end=end,
            today=datetime.now(UTC).date(),
            row=night.row,
            changes=night.found,
            owners=night.owners(self.job.settings.owner_tag),
            expiring=waivers.expiring(self.job.policy.waivers),
            lost=[error.what for error in night.errors],
            files=wrote,
        )
        try:
            return tell.tell(self.job.whom, facts, night, self.screen)
        except Stopped:
            self.screen.finish()
            stopped(self.job, self.screen, self.stop.code, "while notices were sent", wrote, left="all was written")
            raise


def _decoded(writer: rows.Writer, words: tuple[Any, ...]) -> Any:
    whole = BytesIO()
    writer.finish(whole, *words)
    return msgspec.json.decode(whole.getbuffer())


async def _read(job: Job, screen: Screen, store: Store, limits: bool) -> None:
    # The SDKs are imported here, after the first line was printed.
    from scanner.azure.clients import Way, connect
    from scanner.collect.collector import Plan, Scope, collect

    settings, rules = job.settings, job.rules
    scope = Scope(
        subscriptions=settings["subscription"],
        management_groups=settings["management-group"],
        resources=settings["resource"],
        groups=settings["resource-group"],
        tags=tuple((name.strip(), value) for name, _, value in (tag.partition("=") for tag in settings["tag"])),
        graph=not settings["no-graph"],
    )
    way = Way.of(settings, agent=job.tool, limits=limits, effective=settings["effective"])
    async with connect(way, wait=screen.wait, tell=screen.tell, heard=screen.heard) as reader:
        store.head.cloud, store.head.principal = reader.cloud, reader.account.name
        store.head.resources = list(settings["resource"])
        store.head.groups, store.head.tags = list(settings["resource-group"]), list(settings["tag"])
        await collect(reader, scope, Plan(rules.read(), rules.reads()), store, screen)
        if settings["effective"]:
            from scanner.collect.effective import differences

            job.disagreements += await differences(reader, store, screen)
            store.head.notes += [f"{DISAGREES}: {said}" for said in job.disagreements]


# What a person is told on the way


def _seen(taken: Snapshot, screen: Screen, *, live: bool) -> None:
    """Tell what a file says of its account and scopes."""
    if live:
        return
    head = taken.head
    text = f"{head.principal}, as of {head.taken}" if head.principal else f"as of {head.taken}"
    screen.write([Line(text, "Account" if head.principal else "Taken", whole=True)], "account", text)
    for scope in taken.scopes:
        screen.scope(scope.subscription, scope.name, scope.view)
    for note in head.notes:
        screen.write([Line(note, "Note")], "scope", note)


def _expired(accepted: Waivers, screen: Screen) -> None:
    """Tell how many waivers have expired."""
    count = accepted.expired if isinstance(accepted, waivers.WaiverFile) else 0
    if count:
        have = "waiver has" if count == 1 else "waivers have"
        said = f"{count:,} {have} expired; what was accepted by that counts again"
        screen.write([Line(said, "Waivers")], "found", said)


def _noted(notes: Sequence[str], screen: Screen) -> None:
    """Tell of waivers that expired or match nothing; a terminal shows the first few, all are in the report."""
    for note in notes:
        screen.log("found", note)
    if screen.mode == "live" and notes:
        more = len(notes) - SHOWN
        lines = [*notes[:SHOWN], *([f"and {more:,} more; all stand in the findings"] if more > 0 else [])]
        screen.write([Line(line, "" if place else "Waivers") for place, line in enumerate(lines)])
