"""The four steps of a scan: read, write the snapshot, evaluate, write the outputs."""

import secrets
from collections.abc import Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from scanner.config import waivers
from scanner.config.durations import seconds_of
from scanner.cycle_collector import long_lived_objects
from scanner.document.schema import ScanRow, now
from scanner.document.writer import Writer
from scanner.errors import UserError
from scanner.evaluate.counts import Counts
from scanner.evaluate.policy import Waivers
from scanner.evaluate.processes import can_fork, usable_cores
from scanner.evaluate.results import EvaluationResult
from scanner.evaluate.run import Evaluation
from scanner.exit_codes import Exit, decide
from scanner.output.owner_files import INDEX
from scanner.output.storage import Storage, is_blob
from scanner.scan.aging import aging_of
from scanner.scan.answer_lines import again
from scanner.scan.change_lines import ChangeLines
from scanner.scan.early import EarlySight
from scanner.scan.job import Job, PartedScan, require_kept_tag, snapshot_names
from scanner.scan.joined import joined
from scanner.scan.last_screen import LastScreen
from scanner.scan.narrowing import Narrowing
from scanner.scan.outcome import DISAGREES, SHOWN, Outcome, broken_rules, crashed_rules, disagreeing, stopped
from scanner.scan.outputs import Outputs, Sections
from scanner.scan.resuming import ScanJournal
from scanner.scan.sources import show_logins
from scanner.scan.verifying import read_verified
from scanner.snapshot.bundles import Snapshot, of_store
from scanner.snapshot.signature import Verifier
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop, Stopped
from scanner.text.masks import masked

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader
    from scanner.collect.plan import Plan
    from scanner.scan.session import HistorySession

LEAST = 2
"""The number of batches from which on another process is worth its start."""


class _Context(NamedTuple):
    """The state that the steps of a scan share."""

    job: Job
    storage: Storage
    session: "HistorySession | None"
    """Its history, None without `--history`."""
    outputs: Outputs
    screen: Screen
    stop: Stop
    ends: float | None
    """The deadline, by the monotonic clock."""


class _Collected(NamedTuple):
    """What a scan read."""

    store: Store
    disagreements: Sequence[str] = ()
    """The places where Azure's effective rules differ from ours: defects of Twolocks."""


class _StopShown(Stopped):
    """A signal stopped the scan, and that was shown."""


class _Evaluated(NamedTuple):
    """A snapshot, its evaluation, and the writer of its rows."""

    snapshot: Snapshot
    evaluation: Evaluation
    writer: Writer


def run(job: Job, screen: Screen, stop: Stop, *, limits: bool = True) -> Outcome:
    """Read Azure or open a snapshot, evaluate it, write the outputs. Raises UserError if there is no result, Stopped on
    a signal.
    """
    storage = Storage(job.settings, stop.run, prompt=screen.tell, busy=screen.busy)
    source = job.settings["from"]
    try:
        storage.check(job.blobs())
        with storage.reading(source, job.settings.at("from", source)) as path:
            outputs = Outputs(storage, job.rules, job.settings.report_language, redaction_key=job.redaction_key)
            history = _history(job, screen)
            deadline = job.settings["deadline"]
            ends = monotonic() + seconds_of(deadline, "--deadline") if deadline else None
            return _run(_Context(job, storage, history, outputs, screen, stop, ends), path, limits)
    except _StopShown:
        raise
    except Stopped:
        stopped(
            job,
            screen,
            stop.code,
            "while accessing the storage account" if job.blobs() or is_blob(source) else "before reading",
        )
        raise
    finally:
        if job.journal is not None:
            job.journal.close()


def _history(job: Job, screen: Screen) -> "HistorySession | None":
    """Return the history of the scan, None without `--history`."""
    if not job.settings["history"]:
        return None
    from scanner.scan.session import HistorySession

    session = HistorySession(job.settings, job.rules, job.tool, live=not job.settings["from"])
    session.check(screen)
    return session


def _run(context: _Context, source: Path, limits: bool) -> Outcome:
    job, outputs, screen, stop = context.job, context.outputs, context.screen, context.stop
    started, began = now(), monotonic()
    store, took = None, None
    disagreements: Sequence[str] = ()
    if not job.settings["from"]:
        store, disagreements = _collect(context, limits)
        took = monotonic() - began
        outputs.write_snapshot(store, job.settings["snapshot"], job.signer)
    taken = of_store(store) if store is not None else read_verified(context.storage, job.settings, source, job.verifier)
    narrowing = _narrowed(context, taken) if store is None else None
    _show_expired(job.policy.waivers, screen)
    try:
        evaluated = _evaluate_and_reverify(context, taken, store, narrowing)
        if job.parted is not None:
            job.parted.end()
        # Its lines are not needed any more, and the documents that are written now take memory.
        store = None
        with closing(evaluated.writer):
            scan = _write(context, evaluated, started)
    except Stopped as error:
        screen.finish()
        stopped(job, screen, stop.code, "during evaluation", outputs.wrote)
        raise _StopShown(error.code) from None
    return _outcome(context, evaluated.evaluation, scan, took, disagreements)


def _narrowed(context: _Context, taken: Snapshot) -> Narrowing:
    """Set what of a snapshot is evaluated, and show it."""
    job, narrowing = context.job, Narrowing(context.job.settings, context.job.exclusions)
    try:
        require_kept_tag(job, taken)
        narrowing.apply(taken)
    except BaseException:
        taken.close()
        raise
    _show_source(taken, context.screen, job.verifier)
    return narrowing


# Steps 1 and 2


def _collect(context: _Context, limits: bool) -> _Collected:
    """Read Azure, with progress."""
    job, screen, stop = context.job, context.screen, context.stop
    if job.parted is not None:
        return _collect_parts(context, job.parted, limits)
    store = Store(job.header())
    for note in store.header.notes:
        screen.write([Line(note, "Note")], "found", note)
    screen.begin("Reading")
    try:
        disagreements = stop.run(_read(context, store, limits))
    except Stopped as error:
        screen.finish()
        known = f"{screen.progress.done:,} of {screen.progress.done + screen.progress.to_come:,} known reads"
        stopped(job, screen, stop.code, f"after {known}")
        raise _StopShown(error.code) from None
    finally:
        screen.finish()
    if isinstance(job.journal, ScanJournal):
        job.journal.pause()
    store.header.scopes = [subscription for subscription, _, _ in screen.scopes]
    if job.read_log is not None:
        job.read_log.add_skips(store)
    return _Collected(store, disagreements=disagreements)


def _collect_parts(context: _Context, parted: PartedScan, limits: bool) -> _Collected:
    job, screen, stop = context.job, context.screen, context.stop
    signed_in = partial(_sign_in, context)
    try:
        return _Collected(
            parted.collect(job, context.storage, screen, stop, signed_in, ends=context.ends, limits=limits)
        )
    except Stopped as error:
        screen.finish()
        stopped(job, screen, stop.code, "while the parts were read")
        raise _StopShown(error.code) from None
    except UserError as error:
        more = parted.kept()
        error.do = "; ".join(filter(None, (error.do, f"then go on: {more}" if more else "")))
        raise


def _sign_in(context: _Context, reader: "AzureReader", store: Store) -> None:
    """Note who reads in the header of the snapshot."""
    settings, screen = context.job.settings, context.screen
    store.header.cloud, store.header.principal = reader.cloud, reader.account.name
    store.header.tenants = dict(reader.labels)
    store.header.note(*show_logins(reader.labels, reader.notes, screen))
    store.header.resources = list(settings["resource"])
    store.header.groups, store.header.tags = list(settings["resource-group"]), list(settings["tag"])


def _plan(job: Job, store: Store, screen: Screen, *, graph: bool, resumed: bool) -> "Plan":
    """Return what a scan reads. `graph`: Resource Graph is used. `resumed`: it goes on from a journal."""
    from scanner.collect.plan import Plan

    rules, residency = job.rules, job.policy.residency
    asks_quotas = not rules.until and (rules.needs_quotas or residency.is_set)
    return Plan(
        rules.read(),
        rules.reads(),
        ranks=rules.ranks(),
        unasked=rules.unasked_reads(),
        places=rules.needs_places,
        quotas=residency if asks_quotas else None,
        joined=partial(joined, rules, store, graph=graph, excludes=bool(job.exclusions)),
        resumed=resumed,
        early=EarlySight(rules, job.policy, store, screen).show if screen.mode == "live" else None,
    )


async def _read(context: _Context, store: Store, limits: bool) -> list[str]:
    """Read Azure into a store, with the settings of the scan, and return what `_Collected` calls disagreements."""
    with long_lived_objects():
        # The SDKs are imported here, after the first line was printed.
        from scanner.azure.clients import ConnectionOptions, connect
        from scanner.collect.collector import Scope, collect

    job, session, screen = context.job, context.session, context.screen
    settings, rules = job.settings, job.rules
    scope = Scope(
        subscriptions=settings["subscription"],
        management_groups=settings["management-group"],
        resources=settings["resource"],
        groups=settings["resource-group"],
        tags=tuple((name.strip(), value) for name, _, value in (tag.partition("=") for tag in settings["tag"])),
        graph=not settings["no-graph"],
        exclusions=job.exclusions,
    )
    if session is not None:
        scope = replace(scope, is_known=session.knows, is_repeated=session.has_selection)
    kept = job.journal if isinstance(job.journal, ScanJournal) else None
    journal = kept.open(store.header, rules) if kept is not None else None
    aging = aging_of(job, screen)
    plan = _plan(job, store, screen, graph=scope.graph, resumed=journal is not None and journal.resumed)
    way = ConnectionOptions.of(
        settings,
        agent=job.tool,
        limits=limits,
        effective=settings["effective"],
        ends=context.ends,
        providers=plan.providers(graph=scope.graph),
    )

    def note_response(method: str, path: str, status: int, milliseconds: float) -> None:
        screen.note_response(method, path, status, milliseconds)
        if job.read_log is not None:
            job.read_log.note_response(path, status, milliseconds)

    async with connect(
        way, on_wait=screen.wait, prompt=screen.tell, on_request=note_response, journal=journal
    ) as reader:
        if kept is not None:
            await kept.freshen(reader)
        _sign_in(context, reader, store)
        with closing(aging) if aging is not None else nullcontext():
            if aging is not None:
                plan = replace(plan, ages=await aging.begin(reader, store))
            store.header.excluded = await collect(reader, scope, plan, store, screen)
            if aging is not None:
                aging.end(store)
        if not settings["effective"]:
            return []
        from scanner.collect.effective import differences

        result = await differences(reader, store, screen)
        store.header.note(*(masked(f"{DISAGREES}: {each}") for each in result))
        return result


# Step 3


def _evaluate_and_reverify(
    context: _Context, taken: Snapshot, store: Store | None, narrowing: Narrowing | None
) -> _Evaluated:
    """Evaluate a snapshot; with a history, evaluate again after re-verification of changes."""
    job, _, session, outputs, screen, stop, ends = context
    evaluated = _evaluate(context, taken, narrowing)
    if session is None or store is None:
        return evaluated
    session.ends = ends
    both = session.reverify(store, taken, evaluated.writer, screen, stop)
    if both is None:
        return evaluated
    evaluated.writer.close()
    outputs.write_snapshot(both, job.settings["snapshot"], job.signer)
    return _evaluate(context, of_store(both), None)


def _evaluate(context: _Context, taken: Snapshot, narrowing: Narrowing | None) -> _Evaluated:
    """Evaluate the rules over a snapshot, with progress."""
    job, session, screen = context.job, context.session, context.screen
    writer = session.writer(taken) if session is not None else Writer()
    counts = Counts()

    def begin() -> None:
        screen.begin("Evaluating", lambda: f"{counts.endpoints:,} endpoints so far")

    begin()
    try:
        evaluation = Evaluation(taken, job.rules, job.policy, counts=counts)
        # No process is forked beside the thread that shows the progress.
        screen.finish()
        with closing(evaluation):
            _start_processes(context, evaluation, writer)
            begin()
            evaluation.run(writer)
        _show_lost(evaluation.lost, screen)
        if narrowing is not None:
            narrowing.check(taken, evaluation.selection)
            evaluation.result.excluded = taken.excluded()
    except BaseException:
        writer.close()
        raise
    finally:
        screen.finish()
    return _Evaluated(taken, evaluation, writer)


def _start_processes(context: _Context, evaluation: Evaluation, writer: Writer) -> None:
    """Let workers of `--broker` evaluate, or fork the processes that do: as many as `--jobs` says, else one a core
    where that is worth it.
    """
    given, screen, parted = context.job.settings["jobs"], context.screen, context.job.parted
    if parted is not None and not given and parted.spread(evaluation, writer, screen, context.stop, context.ends):
        return
    jobs = int(given) if given else usable_cores()
    if jobs < 2:
        return
    if given and not can_fork():
        text = f"--jobs {jobs} has no effect here: one process evaluates, because it cannot be forked"
        screen.write([Line(text, "Note")], "found", text)
    evaluation.start(writer, jobs, least=1 if given else LEAST)


def _show_lost(count: int, screen: Screen) -> None:
    """Show that processes were killed, or crashed."""
    if count:
        had = "process ended" if count == 1 else "processes ended"
        text = f"{count} {had} during the evaluation; what was lost was evaluated again"
        screen.write([Line(text, "Note")], "found", text)


# Step 4


def _write(context: _Context, evaluated: _Evaluated, started: str) -> ScanRow:
    """Compare with the history, write every output, then the history."""
    job, session, outputs, screen = context.job, context.session, context.outputs, context.screen
    taken, evaluation, writer = evaluated
    result = evaluation.result
    for note in evaluation.read_notes():
        screen.write([Line(note, "Note")], "found", note)
    _show_notes(evaluation.notes(), screen)
    mark = secrets.token_hex(8)
    scan = evaluation.scan_row(
        started=started, finished=now(), tool=job.tool, mark=mark, owner_tag=job.settings.owner_tag
    )
    if session is not None:
        session.compare(scan, taken, result.counts, writer)
    changes = session.row if session is not None else None
    numbers, frameworks = result.counts.numbers(), evaluation.frameworks()
    rules = evaluation.rule_rows(changes)
    sections = Sections(scan, rules, result.gaps, evaluation.coverage(), changes, numbers, frameworks)
    outputs.write_documents(job.outs, writer, sections, job.by)
    if session is not None:
        session.write(scan, taken, result.counts, writer)
    return scan


def _outcome(
    context: _Context, evaluation: Evaluation, scan: ScanRow, took: float | None, disagreements: Sequence[str]
) -> Outcome:
    """Decide the exit code, send the notifications, and return how the scan ended."""
    job, session, outputs = context.job, context.session, context.outputs
    errors: list[UserError] = [
        *outputs.errors,
        *broken_rules(job),
        *crashed_rules(job.rules, evaluation.result),
        *disagreeing(disagreements),
        *(session.errors_with(outputs.wrote) if session is not None else []),
    ]
    end = decide(
        evaluation.result,
        job.settings["fail-on"],
        broken=job.rules.broken,
        unwritten=[*outputs.unwritten, *(["the history"] if session is not None and session.errors else [])],
        unheard=outputs.unheard,
        defects=len(disagreements),
        changes=session.changes if session is not None else None,
    )
    asked = (*(out.name for out in job.outs), *snapshot_names(job.settings))
    wrote = [name for name in asked if name in outputs.wrote]
    wrote += [name for name in outputs.wrote if name.endswith(INDEX) and name not in wrote]
    if session is not None and job.whom:
        errors += _notify(context, session, evaluation.result, scan, end, wrote)
    summary = LastScreen(
        evaluation.result,
        job.rules,
        took,
        wrote,
        end,
        job.settings["fail-on"],
        news=_news(session),
        again=again(job.settings),
        resume=_resume(job, evaluation, outputs),
        shown=job.settings["severity"],
    )
    return Outcome(end, summary, errors)


def _resume(job: Job, evaluation: Evaluation, outputs: Outputs) -> str:
    """Return the command with which the scan goes on where reads failed that may succeed later, else ""."""
    gaps = ((gap.status, gap.code) for gap in evaluation.result.gaps if not gap.accepted)
    return job.journal.ended(gaps, is_written=not outputs.unwritten) if job.journal is not None else ""


def _notify(
    context: _Context,
    session: "HistorySession",
    result: EvaluationResult,
    scan: ScanRow,
    end: Exit,
    wrote: Sequence[str],
) -> list[UserError]:
    from scanner.scan.notifying import notify

    job, screen, stop = context.job, context.screen, context.stop
    try:
        return notify(job, session, result, scan, end, wrote, context.outputs.owner_files, screen)
    except Stopped as error:
        screen.finish()
        stopped(job, screen, stop.code, "while sending notices", wrote, left="everything was written")
        raise _StopShown(error.code) from None


def _news(session: "HistorySession | None") -> ChangeLines | None:
    if session is None or session.row is None or session.changes is None:
        return None
    return ChangeLines.of(session.row, session.changes)


# What is shown during the scan


def _show_source(taken: Snapshot, screen: Screen, verifier: Verifier | None) -> None:
    """Show the account and the scopes of a snapshot, and the key that it is signed by."""
    head = taken.header
    text = f"{head.principal}, as of {head.taken}" if head.principal else f"as of {head.taken}"
    screen.write([Line(text, "Account" if head.principal else "Taken", whole=True)], "account", text)
    if verifier is not None:
        message = f"valid for {verifier.name}"
        screen.write([Line(message, "Signature", whole=True)], "account", f"signature {message}")
    screen.tenants.update(head.tenants)
    for scope in taken.evaluated_scopes:
        tenant = head.tenants.get(scope.tenant.lower())
        screen.scope(scope.subscription, f"{tenant} / {scope.name}" if tenant else scope.name, scope.view)
    for note in head.notes:
        screen.write([Line(note, "Note")], "scope", note)


def _show_expired(accepted: Waivers, screen: Screen) -> None:
    """Show how many waivers have expired."""
    count = accepted.expired if isinstance(accepted, waivers.WaiverFile) else 0
    if count:
        have = "waiver has" if count == 1 else "waivers have"
        text = f"{count:,} {have} expired; the findings and gaps that they accepted count again"
        screen.write([Line(text, "Waivers")], "found", text)


def _show_notes(notes: Sequence[str], screen: Screen) -> None:
    """Show waivers that expired or match nothing. A terminal shows the first few; the report lists all."""
    for note in notes:
        screen.log("found", note)
    if screen.mode == "live" and notes:
        more = len(notes) - SHOWN
        lines = [*notes[:SHOWN], *([f"and {more:,} more; the findings list all of them"] if more > 0 else [])]
        screen.write([Line(line, "" if position else "Waivers") for position, line in enumerate(lines)])
