"""The four steps in a row: what the command line, the demo and a distributed worker call."""

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from scanner import finding as rows
from scanner import snapshot, waivers
from scanner.errors import InputError, UserError, nearest
from scanner.evaluate import Crash, Evaluation, NoWaivers, Policy, Waivers, now
from scanner.exit import DEFECT, Exit, decide
from scanner.loader import RuleSet, load
from scanner.news import News
from scanner.night import Night
from scanner.notify.keys import Target
from scanner.settings import Settings
from scanner.snapshot import Snapshot, Store
from scanner.stop import Stop, Stopped
from scanner.storing import Storage, Unstored, is_blob, no_other_url, place
from scanner.summary import Counting, Summary
from scanner.terminal import Line, Screen, error_lines, height_of, width_of

FORMATS = (".html", ".json", ".csv", ".md", ".sarif", ".junit.xml")
SNAPSHOTS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".gz", ".zst", ".ndjson")
STDOUT = "-"
DISAGREES = "Azure disagrees with Twolocks, a defect of Twolocks"
SHOWN = 5


def version() -> str:
    """The version that is installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("twolocks")
    except PackageNotFoundError:
        return "0"


@dataclass(frozen=True, slots=True)
class Out:
    """One `--out`: a path and its format, or standard output."""

    name: str
    format: str

    @property
    def path(self) -> Path:
        return Path(self.name)


@dataclass(slots=True)
class Job:
    """A scan whose input was found right: nothing was read yet."""

    settings: Settings
    rules: RuleSet
    policy: Policy
    outs: tuple[Out, ...]
    tool: str = field(default_factory=lambda: f"twolocks {version()}")
    storage: Storage | None = None
    told: bool = False
    """Whether it was stopped, and that was said."""

    whom: tuple[Target, ...] = ()
    """Whom `--notify` names."""
    disagreements: list[str] = field(default_factory=list)
    """Where Azure's effective rules are not what we worked out: defects of ours."""

    def parts(self) -> list[Path]:
        """The files that may lie beside their places while they are written."""
        names = [out.name for out in self.outs if out.format != STDOUT]
        names += [self.settings["snapshot"]] if self.settings["snapshot"] else []
        return [rows.Beside(Path(name)).part for name in names if not is_blob(name)]

    def blobs(self) -> list[tuple[str, str]]:
        """The blobs that are to be written, each with how it was given."""
        at = self.settings.at
        names = [(out.name, at("out", out.name)) for out in self.outs]
        names.append((self.settings["snapshot"], at("snapshot", self.settings["snapshot"])))
        return [(name, given) for name, given in names if is_blob(name)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scan came to."""

    end: Exit
    summary: Summary
    errors: Sequence[UserError] = ()


# Before anything is read


def prepare(settings: Settings) -> Job:
    """Check all that can be checked without reading. Raises InputError."""
    outs = outputs(settings["out"], settings.at)
    if settings["snapshot"]:
        name = settings["snapshot"]
        no_other_url(name, settings.at("snapshot", name))
        if not name.endswith(SNAPSHOTS):
            raise InputError(
                f"a snapshot has no suffix {Path(name).suffix or 'at all'}; nothing was read",
                at=settings.at("snapshot", name),
                do="known: .jsonl, .jsonl.gz, .jsonl.zst",
            )
        ready(name, settings.at("snapshot", name))
    if settings["record"]:
        _record(settings["record"], settings.at("record", settings["record"]))
    _tags(settings)
    rules = chosen(settings)
    _severities(settings, rules)
    policy = Policy(
        networks=settings.own,
        wide_ipv4=settings.wide_ipv4,
        wide_ipv6=settings.wide_ipv6,
        intended=settings.intended,
        severities=settings.severities,
        waivers=_waivers(settings, rules),
        tags=settings.kept_tags,
        part=any(settings[each] for each in ("resource", "resource-group", "tag")),
    )
    return Job(settings, rules, policy, outs, whom=_whom(settings))


def chosen(settings: Settings) -> RuleSet:
    """The rules of the settings. Raises InputError for a folder or pattern that is wrong."""
    rules = load([Path(each) for each in settings["rules"]])
    for option in ("only", "skip"):
        for pattern in settings[option]:
            try:
                rules.check(pattern, f"--{option}")
            except InputError as error:
                source = settings.options[option].source
                error.at = error.at or ("" if source.startswith("--") else source)
                raise
    rules.select(settings["only"], settings["skip"])
    if not rules.enabled and rules.rules:
        raise InputError(
            "these options leave no rule to judge by", at=_patterns(settings), do="all: twolocks rules list"
        )
    return rules


def _patterns(settings: Settings) -> str:
    given = [f"--{option} {each}" for option in ("only", "skip") for each in settings[option]]
    return " ".join(given)


def _severities(settings: Settings, rules: RuleSet) -> None:
    for rule in settings.severities:
        if rule not in rules.rules:
            near = nearest(rule, rules.rules, 1)
            raise InputError(
                f'there is no rule "{rule}"',
                at=settings.sources.get(f"severity.{rule}", settings.file),
                do=(f"nearest: {near[0]}; " if near else "") + "all: twolocks rules list",
            )


def _waivers(settings: Settings, rules: RuleSet) -> Waivers:
    name = settings["waivers"]
    if not name:
        return NoWaivers()
    return waivers.load(Path(name), rules, max_days=settings.max_days, allow_tag=settings.allow_tag)


def _whom(settings: Settings) -> tuple[Target, ...]:
    if not settings["notify"]:
        return ()
    from scanner.notify.tell import prepared

    return prepared(settings)


def _tags(settings: Settings) -> None:
    for tag in settings["tag"]:
        if not tag.partition("=")[0].strip() or "=" not in tag:
            raise InputError(f'"{tag}" is no tag', at=settings.at("tag", tag), do="write --tag NAME=VALUE")


def outputs(names: Iterable[str], at: Callable[[str, object], str], known: Sequence[str] = FORMATS) -> tuple[Out, ...]:
    """The outputs by their suffixes. Raises InputError for an unknown one, and for a folder that is not there."""
    return tuple(_output(name, at("out", name), known) for name in dict.fromkeys(names))


def _output(name: str, at: str, known: Sequence[str]) -> Out:
    if name == STDOUT:
        return Out(name, STDOUT)
    no_other_url(name, at)
    found = next((suffix for suffix in known if name.lower().endswith(suffix)), None)
    if found is None:
        if is_blob(name) and "?" in name:
            place(name, at)
        suffix = Path(name).suffix
        near = nearest(suffix, known, 1)
        raise InputError(
            f"no format has the suffix {suffix}; nothing was read"
            if suffix
            else "this name has no suffix; nothing was read",
            at=at,
            do=(f"nearest: {near[0]}; " if near else "") + f"known: {' '.join(known)}, or - for JSON",
        )
    ready(name, at)
    return Out(name, found)


def ready(name: str, at: str) -> None:
    """Raises InputError where `name` can be no result: a blob's name is wrong, or a file could not be written there."""
    if is_blob(name):
        place(name, at)
    else:
        folder(Path(name), at)


def _record(name: str, at: str) -> None:
    if is_blob(name):
        raise InputError("--record writes a file, which grows while it lasts, and no blob", at=at, do="name a file")
    folder(Path(name), at)


def folder(path: Path, at: str) -> None:
    """Raises InputError where a file could not be written there."""
    if not path.parent.is_dir():
        raise InputError(
            f"there is no folder {path.parent}; nothing was read", at=at, do=f"mkdir -p {_quoted(str(path.parent))}"
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder; nothing was read", at=at, do="name a file in it")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"the folder {path.parent} cannot be written; nothing was read", at=at)


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


# The steps


def run(job: Job, screen: Screen, stop: Stop, *, limits: bool = True) -> Outcome:
    """Collect (or open a snapshot), judge, write. Raises UserError where nothing comes of it, Stopped on a signal."""
    stop.parts = job.parts()
    job.storage = Storage(job.settings, stop.run, tell=screen.tell, busy=screen.busy, parts=stop.parts)
    source = job.settings["from"]
    try:
        job.storage.check(job.blobs())
        with job.storage.reading(source, job.settings.at("from", source)) as path:
            return _run(job, job.storage, path, screen, stop, limits)
    except Stopped:
        if not job.told:
            stopped(job, screen, stop.code, "at the storage account" if job.blobs() or is_blob(source) else "at once")
        raise


def _run(job: Job, storage: Storage, source: Path, screen: Screen, stop: Stop, limits: bool) -> Outcome:
    started, began = now(), monotonic()
    errors: list[UserError] = []
    wrote: list[str] = []
    night = _night(job, screen)
    store = None
    if job.settings["from"]:
        taken, took = snapshot.read(source), None
    else:
        store = _collected(job, screen, stop, limits)
        took = monotonic() - began
        taken = snapshot.of_store(store)
        if job.settings["snapshot"]:
            _kept(storage, store, job.settings["snapshot"], wrote, errors)
    _seen(taken, screen, live=took is not None)
    _expired(job.policy.waivers, screen)
    try:
        evaluation, counting = _judged(job, taken, night, screen)
        again = night.again(store, taken, counting, screen, stop) if night is not None and store else None
        if again is not None:
            counting.close()
            if job.settings["snapshot"] in wrote:
                wrote.remove(job.settings["snapshot"])
                _kept(storage, again, job.settings["snapshot"], wrote, errors)
            taken = snapshot.of_store(again)
            evaluation, counting = _judged(job, taken, night, screen)
        with closing(counting):
            _noted(evaluation.notes(), screen)
            scan = evaluation.scan_row(started=started, finished=now(), tool=job.tool)
            if night is not None:
                night.compare(scan, taken, evaluation, counting)
            unwritten = _write(job.outs, counting, evaluation, scan, wrote, errors, night, storage)
            if night is not None:
                night.write(scan, taken, evaluation, counting)
    except Stopped:
        screen.finish()
        stopped(job, screen, stop.code, "while judging", wrote)
        raise
    errors += broken_rules(job)
    errors += crashed_rules(job.rules, evaluation)
    errors += disagreeing(job.disagreements)
    errors += night.told(wrote) if night is not None else []
    end = decide(
        evaluation.tally,
        job.settings["fail-on"],
        broken=job.rules.broken,
        unwritten=[*unwritten, *(["the history"] if night is not None and night.errors else [])],
        defects=len(job.disagreements),
        found=night.found if night is not None else None,
    )
    order = [name for name in (*(out.name for out in job.outs), job.settings["snapshot"]) if name in wrote]
    if night is not None and job.whom:
        errors += _tell(job, night, evaluation, scan, end, order, screen, stop)
    summary = Summary(
        evaluation.tally,
        counting,
        job.rules,
        took,
        order,
        end,
        job.settings["fail-on"],
        news=News.of(night.row, night.found) if night is not None and night.row and night.found else None,
    )
    return Outcome(end, summary, errors)


def _tell(
    job: Job,
    night: Night,
    evaluation: Evaluation,
    scan: rows.ScanRow,
    end: Exit,
    wrote: Sequence[str],
    screen: Screen,
    stop: Stop,
) -> list[UserError]:
    """Tell whom the scan was asked to tell; the errors of those that were not reached."""
    from scanner.notify import tell
    from scanner.notify.notice import Facts

    facts = Facts(
        scan=scan,
        tally=evaluation.tally,
        end=end,
        today=datetime.now(UTC).date(),
        row=night.row,
        changes=night.found,
        owners=night.owners(job.settings.owner_tag),
        expiring=waivers.expiring(job.policy.waivers),
        lost=[error.what for error in night.errors],
        files=wrote,
    )
    try:
        return tell.tell(job.whom, facts, night, screen)
    except Stopped:
        screen.finish()
        stopped(job, screen, stop.code, "while notices were sent", wrote, left="all was written")
        raise


def _night(job: Job, screen: Screen) -> Night | None:
    """The history of a scan that was asked to remember."""
    if not job.settings["history"]:
        return None
    night = Night(job.settings, job.rules, job.tool, live=not job.settings["from"])
    night.check(screen)
    return night


def _judged(job: Job, taken: Snapshot, night: Night | None, screen: Screen) -> tuple[Evaluation, Counting]:
    """Step 3, with progress."""
    counting = night.writer(taken) if night is not None else Counting()
    screen.begin("Judging", lambda: f"{counting.endpoints:,} endpoints so far")
    try:
        evaluation = Evaluation(taken, job.rules, job.policy)
        evaluation.run(counting)
    except BaseException:
        counting.close()
        raise
    finally:
        screen.finish()
    return evaluation, counting


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


def _collected(job: Job, screen: Screen, stop: Stop, limits: bool) -> Store:
    """Step 1, with progress."""
    store = Store(snapshot.Head(taken=now(), cloud=job.settings["cloud"], tool=job.tool))
    screen.begin("Reading")
    try:
        stop.run(_read(job, screen, store, limits))
    except Stopped:
        screen.finish()
        stopped(job, screen, stop.code, f"after {screen.done:,} of {screen.done + screen.to_come:,} known reads")
        raise
    finally:
        screen.finish()
    store.head.scopes = [subscription for subscription, _, _ in screen.scopes]
    return store


def _expired(accepted: Waivers, screen: Screen) -> None:
    """Tell how many waivers have expired."""
    count = accepted.expired if isinstance(accepted, waivers.WaiverFile) else 0
    if count:
        said = f"{count:,} {'waiver has' if count == 1 else 'waivers have'} expired; what was accepted by that counts again"
        screen.write([Line(said, "Waivers")], "found", said)


def _noted(notes: Sequence[str], screen: Screen) -> None:
    """Tell of waivers that expired or match nothing; a terminal shows the first few, all are in the report."""
    for note in notes:
        screen.log("found", note)
    if screen.mode == "live" and notes:
        more = len(notes) - SHOWN
        lines = [*notes[:SHOWN], *([f"and {more:,} more; all stand in the findings"] if more > 0 else [])]
        screen.write([Line(line, "" if place else "Waivers") for place, line in enumerate(lines)])


async def _read(job: Job, screen: Screen, store: Store, limits: bool) -> None:
    # The SDKs are imported here, after the first line was printed.
    from scanner.azure.connect import Way, connect
    from scanner.collect import Plan, Scope, collect

    settings, rules = job.settings, job.rules
    kinds = rules.read()
    scope = Scope(
        subscriptions=settings["subscription"],
        management_groups=settings["management-group"],
        resources=settings["resource"],
        groups=settings["resource-group"],
        tags=tuple((name.strip(), value) for name, _, value in (tag.partition("=") for tag in settings["tag"])),
        graph=not settings["no-graph"],
    )
    way = Way(
        cloud=settings["cloud"],
        arm_endpoint=settings["arm-endpoint"],
        auth=settings["auth"],
        tenant=settings["tenant"],
        record=Path(settings["record"]) if settings["record"] else None,
        limits=limits,
        agent=job.tool.replace(" ", "/"),
        effective=settings["effective"],
    )
    async with connect(way, wait=screen.wait, tell=screen.tell, heard=screen.heard) as reader:
        store.head.cloud, store.head.principal = reader.cloud, reader.account.name
        store.head.resources = list(settings["resource"])
        store.head.groups, store.head.tags = list(settings["resource-group"]), list(settings["tag"])
        await collect(reader, scope, Plan(kinds, rules.reads()), store, screen)
        if settings["effective"]:
            from scanner.effective import differences

            job.disagreements += await differences(reader, store, screen)
            store.head.notes += [f"{DISAGREES}: {said}" for said in job.disagreements]


def stopped(job: Job, screen: Screen, code: int, when: str, wrote: Sequence[str] = (), *, left: str = "") -> None:
    """What a stopped scan leaves behind; `left` says so where it is not plain."""
    job.told = True
    asked = [*(out.name for out in job.outs if out.format != STDOUT), job.settings["snapshot"]]
    before = [name for name in asked if name and name not in wrote and (is_blob(name) or Path(name).exists())]
    judged = left or ("not everything was written" if wrote else "nothing was judged")
    said = f"{when}; {judged}" + (
        f". {', '.join(before)} {'is' if len(before) == 1 else 'are'} as before" if before else ""
    )
    kept = [*wrote, *([f"{job.settings['record']} (--record, complete up to here)"] if job.settings["record"] else [])]
    rest = f"kept: {', '.join(kept)}" if kept else "nothing was written"
    lines = [Line(said, "Stopped"), Line(rest, f"Exit {code}")]
    screen.write(lines, "done", f"exit {code}: stopped {said}; {rest}")


def _kept(storage: Storage, store: Store, name: str, wrote: list[str], errors: list[UserError]) -> None:
    try:
        with storage.writing(name) as file:
            store.into(file, Path(name))
        wrote.append(name)
    except OSError as error:
        errors.append(unwritable(name, error, wrote))


def _write(
    outs: Sequence[Out],
    writer: rows.Writer,
    evaluation: Evaluation,
    scan: rows.ScanRow,
    wrote: list[str],
    errors: list[UserError],
    night: Night | None,
    storage: Storage,
) -> list[str]:
    """Write every output; those that could not be written are told, and the others go on."""
    from scanner.report.files import write as made

    changes = night.row if night is not None else None
    words = (scan, evaluation.rule_rows(), evaluation.tally.gaps, evaluation.coverage(), changes)
    unwritten = [error.what_file for error in errors if isinstance(error, Unwritable)]
    document: Any = None
    for out in sorted(outs, key=lambda each: each.format not in (STDOUT, ".json")):
        try:
            if out.format == STDOUT:
                writer.finish(sys.stdout.buffer, *words)
                sys.stdout.buffer.flush()
                continue
            if out.format != ".json" and document is None:
                document = _decoded(writer, words)
            with storage.writing(out.name) as file:
                if out.format == ".json":
                    writer.finish(file, *words)
                else:
                    made(out.format, document, file)
            wrote.append(out.name)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            unwritten.append("standard output")
        except OSError as error:
            errors.append(unwritable(out.name, error, wrote))
            unwritten.append(out.name)
    return unwritten


def _decoded(writer: rows.Writer, words: tuple[Any, ...]) -> Any:
    whole = BytesIO()
    writer.finish(whole, *words)
    return msgspec.json.decode(whole.getbuffer())


class Unwritable(InputError):
    """A file that could not be written; the old one is as before."""

    what_file = ""


def unwritable(name: str, error: OSError, wrote: Sequence[str], source: str | None = None) -> Unwritable:
    """The error for a file that could not be written; `source` is the findings file that it can be made of."""
    if isinstance(error, Unstored):
        found = Unwritable(error.told.what, at=error.told.at, do=error.told.do)
        found.what_file = name
        return found
    path = Path(name)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    old = "; the old one is as before" if path.exists() else ""
    written = f", {', '.join(wrote)} {'was' if len(wrote) == 1 else 'were'} written" if wrote else ""
    what = f"no space left for {path.name}" if full else f"{path.name} cannot be written: {error.strerror}"
    source = source or next((each for each in wrote if each.endswith(".json")), None)
    again = f"twolocks report {source} --out {name}" if source else "scan again"
    found = Unwritable(
        f"{what}{old}{written}",
        at=f"{path.parent}{_free(path.parent) if full else ''}",
        do=f"{'free space' if full else 'mend it'}, then: {again}",
    )
    found.what_file = name
    return found


def _free(folder: Path) -> str:
    try:
        return f" ({shutil.disk_usage(folder).free / 1e6:.1f} MB free)"
    except OSError:
        return ""


def broken_rules(job: Job) -> list[UserError]:
    """Rule files that did not import."""
    count = len(job.rules.enabled)
    return [
        InputError(
            f"a rule file was not loaded: {each.error}",
            at=f"{_near(each.file)}:{each.line}",
            do=f"mend it; the {count:,} other rules ran, and what was asked for is written",
        )
        for each in job.rules.broken
    ]


def crashed_rules(rules: RuleSet, evaluation: Evaluation) -> list[UserError]:
    """Rules that raised, one error a rule."""
    found: dict[str, list[Crash]] = {}
    for crash in evaluation.tally.errors:
        found.setdefault(crash.rule, []).append(crash)
    return [_crashed(crashes, rules.files.get(rule, "")) for rule, crashes in list(found.items())[:5]]


def _crashed(crashes: Sequence[Crash], file: str) -> UserError:
    first, count = crashes[0], len(crashes)
    return UserError(
        f"rule {first.rule} crashed on {first.resource.rstrip('/').rsplit('/', 1)[-1]}: {first.message}",
        at=_near(file) + (f":{first.line}" if first.line else ""),
        do=f"report it; the others went on, its {count:,} {'check is' if count == 1 else 'checks are'}"
        ' "error", none passed',
    )


def disagreeing(found: Sequence[str]) -> list[UserError]:
    """Where Azure's effective rules are not ours, the first few."""
    more = f"; {len(found) - SHOWN:,} more in the report" if len(found) > SHOWN else ""
    do = "report it, with this output; on these paths believe Azure, not this scan"
    return [
        UserError(f"{DISAGREES}: {said}", do=do + (more if place == SHOWN - 1 else ""), code=DEFECT)
        for place, said in enumerate(found[:SHOWN])
    ]


def _near(file: str) -> str:
    """A path from the working folder where it lies below it."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


# The end


def show(outcome: Outcome, screen: Screen) -> None:
    """The last screen, the end of a log, or the one line of `--quiet`."""
    summary = outcome.summary
    if screen.mode == "quiet":
        for error in outcome.errors:
            screen.plain(error_lines(error))
        line = f"exit {summary.end.code}" if outcome.errors else summary.quiet()
        screen.plain([Line(line, column=0, whole=True)] if line else [])
        return
    if screen.mode == "log":
        log(outcome, screen)
        return
    screen.write(summary.body(height_of(screen.stream) - 1, width_of(screen.stream)))
    for error in outcome.errors:
        screen.last(error_lines(error))
    screen.write(summary.tail())


def log(outcome: Outcome, screen: Screen) -> None:
    """The end of a log."""
    summary = outcome.summary
    screen.rest("gap", "gaps")
    screen.log("read", summary.read_log())
    screen.log("found", summary.found())
    if summary.news is not None:
        screen.log("found", summary.news.log())
        for line in summary.news.log_lines():
            screen.limited("found", line)
        for note in summary.news.row.notes:
            screen.log("found", note)
    for line in summary.found_lines():
        screen.limited("found", line)
    screen.rest("found", "open endpoints")
    for sentence in summary.result_sentences():
        screen.log("found", sentence)
    for error in outcome.errors:
        screen.last(error_lines(error))
    for name in summary.wrote:
        screen.log("wrote", name)
    end = summary.end
    screen.log("done", f"exit {end.code}: {summary.why()}")
