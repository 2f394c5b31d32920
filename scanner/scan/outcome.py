"""The end of a scan: errors of rules, the files of a stopped scan, the last screen or the end of a log."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from scanner.errors import InputError, UserError
from scanner.evaluate.results import Crash, EvaluationResult
from scanner.exit_codes import DEFECT, Exit
from scanner.model.ids import name_of
from scanner.model.message import Message
from scanner.output.storage import is_blob
from scanner.output.targets import STDOUT
from scanner.rulebook.loader import RuleSet
from scanner.scan.job import Job
from scanner.scan.last_screen import LastScreen
from scanner.terminal.lines import Line, error_lines, height_of, width_of
from scanner.terminal.screen import LOG_LINES, Screen

DISAGREES = Message("Azure disagrees with Twolocks, a defect of Twolocks")
SHOWN = 5


class Outcome(Struct, frozen=True):
    """How a scan ended: its exit code, its last screen, its errors."""

    end: Exit
    summary: LastScreen
    errors: Sequence[UserError] = ()


def stopped(job: Job, screen: Screen, code: int, when: str, wrote: Sequence[str] = (), *, left: str = "") -> None:
    """Show which files a stopped scan wrote or left unchanged. `left`: a clause instead of the usual one."""
    asked = [*(out.name for out in job.outs if out.format != STDOUT), job.settings["snapshot"]]
    before = [name for name in asked if name and name not in wrote and (is_blob(name) or Path(name).exists())]
    progress = left or ("not everything was written" if wrote else "nothing was evaluated")
    text = f"{when}; {progress}" + (
        f". {', '.join(before)} {'is' if len(before) == 1 else 'are'} unchanged" if before else ""
    )
    kept = [
        *wrote,
        *([f"{job.settings['record']} (--record, complete up to this point)"] if job.settings["record"] else []),
    ]
    rest = f"kept: {', '.join(kept)}" if kept else "nothing was written"
    more = job.journal.kept() if job.journal is not None else ""
    lines = [Line(text, "Stopped"), *([Line(more, "Resume", whole=True)] if more else []), Line(rest, f"Exit {code}")]
    also = f"; to go on: {more}" if more else ""
    screen.write(lines, "done", f"exit {code}: stopped {text}; {rest}{also}")


def broken_rules(job: Job) -> list[UserError]:
    """Return an error for each rule file that could not be imported."""
    count = len(job.rules.enabled_questions())
    return [
        InputError(
            f"rule file not loaded: {each.error}",
            at=f"{_near(each.file)}:{each.line}",
            do=f"fix it; the {count:,} other rules ran, and all outputs were written",
        )
        for each in job.rules.broken
    ]


def crashed_rules(rules: RuleSet, result: EvaluationResult) -> list[UserError]:
    """Return an error for each rule that raised an exception, at most five."""
    matches: dict[str, list[Crash]] = {}
    for crash in result.crashes:
        matches.setdefault(crash.rule, []).append(crash)
    return [_crashed(crashes, _file_of(rules, rule)) for rule, crashes in list(matches.items())[:5]]


def _file_of(rules: RuleSet, id: str) -> str:
    rule = rules.named(id)
    return rules.files.get(rule.key, "") if rule is not None else ""


def _crashed(crashes: Sequence[Crash], file: str) -> UserError:
    first, count = crashes[0], len(crashes)
    return UserError(
        f"rule {first.rule} crashed on {name_of(first.resource)}: {first.message}",
        at=_near(file) + (f":{first.line}" if first.line else ""),
        do=f"report this defect; the other rules ran; {count:,} {'check has' if count == 1 else 'checks have'}"
        ' the status "error", which never counts as passed',
    )


def disagreeing(matches: Sequence[str]) -> list[UserError]:
    """Return errors for the first places where Azure's effective rules differ from ours."""
    more = f"; {len(matches) - SHOWN:,} more in the report" if len(matches) > SHOWN else ""
    do = "report this defect with this output; for these paths trust Azure, not this scan"
    return [
        UserError(f"{DISAGREES}: {text}", do=do + (more if position == SHOWN - 1 else ""), code=DEFECT)
        for position, text in enumerate(matches[:SHOWN])
    ]


def _near(file: str) -> str:
    """Return a path relative to the working folder, where it lies below that."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def show(outcome: Outcome, screen: Screen) -> None:
    """Print the last screen, the end of a log, or the one line of `--quiet`."""
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
    """Print the end of a log."""
    summary = outcome.summary
    screen.rest("gap", "gaps")
    screen.log("read", summary.read_log())
    if off := summary.off():
        screen.log("read", off)
    screen.log("found", summary.found())
    if summary.news is not None:
        screen.log("found", summary.news.log())
        for line in summary.news.log_lines():
            screen.limited("found", line)
        screen.rest("found", "changes")
        for note in summary.news.row.notes:
            screen.log("found", note)
    for line in summary.found_lines(LOG_LINES):
        screen.log("found", line)
    for sentence in summary.result_sentences():
        screen.log("found", sentence)
    for error in outcome.errors:
        screen.last(error_lines(error))
    for name in summary.wrote:
        screen.log("wrote", name)
    if summary.resume:
        screen.log("read", f"to read what was not read: {summary.resume}")
    end = summary.end
    screen.log("done", f"exit {end.code}: {summary.why()}")
