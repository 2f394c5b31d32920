"""What each command does, behind `scanner.cli.app`; and how whatever ends one is told. Each returns its exit code."""

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from scanner.config.settings import Settings, resolve
from scanner.errors import InputError, UserError, nearest
from scanner.terminal import screen as terminal
from scanner.terminal.screen import Line, Screen, error_lines
from scanner.terminal.signals import Stop, Stopped

DEFECT = 70
FORMATS = ("text", "json")


def _ready(command: str, given: Mapping[str, Any], config: str | None = None) -> Settings:
    terminal.prepare()
    return resolve(command, given, os.environ, config=Path(config) if config else None)


def _watch(screen: Screen) -> Stop:
    def tell(code: int) -> None:
        how = "Ctrl-C again stops at once" if code == 130 else "SIGTERM again stops at once"
        screen.write([Line(f"Stopping; {how}", column=0)], "done", f"stopping; {how}")

    return Stop(tell)


def scan(given: Mapping[str, Any]) -> int:
    from scanner.scan.job import prepare
    from scanner.scan.outcome import show
    from scanner.scan.pipeline import run
    from scanner.version import version

    settings = _ready("scan", given, given.get("config"))
    screen = Screen(quiet=settings["quiet"], verbose=settings["verbose"])
    screen.start(f"twolocks {version()}, reads only")
    with _watch(screen).watching() as stop:
        outcome = run(prepare(settings), screen, stop)
        show(outcome, screen)
    return outcome.end.code


def demo(given: Mapping[str, Any]) -> int:
    from scanner.cli.demo import demo as run

    settings = _ready("demo", given)
    screen = Screen(quiet=settings["quiet"], verbose=settings["verbose"])
    with _watch(screen).watching() as stop:
        return run(settings, screen, stop)


def reach(resource: str, given: Mapping[str, Any]) -> int:
    from scanner.cli.reach import ask

    settings = _ready("reach", given)
    screen = Screen()
    with _watch(screen).watching() as stop:
        return ask(resource, settings, screen, stop)


def report(file: str, given: Mapping[str, Any]) -> int:
    from scanner.output.storage import Storage
    from scanner.output.targets import parse_targets
    from scanner.output.writers import convert

    settings = _ready("report", given)
    if not settings["out"]:
        raise InputError("nothing says where to write", do=f"twolocks report {file} --out report.html")
    screen = Screen()
    with _watch(screen).watching() as stop:
        storage = Storage(settings, stop.run, prompt=screen.tell, busy=screen.busy, parts=stop.parts)
        wrote = convert(file, parse_targets(settings["out"], settings.at), storage, settings.at)
    if wrote:
        screen.last([Line(", ".join(wrote), "Wrote", whole=True)])
    return 0


def diff(old: str, new: str, given: Mapping[str, Any]) -> int:
    from scanner.history.documents import compared
    from scanner.output.formats import DIFF_FORMATS
    from scanner.output.storage import Storage
    from scanner.output.targets import STDOUT, parse_targets
    from scanner.output.writers import write_difference
    from scanner.report import diff as differences
    from scanner.scan.job import chosen
    from scanner.version import version

    settings = _ready("diff", given)
    _format(settings, FORMATS)
    outs = parse_targets(settings["out"], settings.at, DIFF_FORMATS)
    rules = chosen(settings)
    screen = Screen()
    with _watch(screen).watching() as stop:
        storage = Storage(settings, stop.run, prompt=screen.tell, busy=screen.busy, parts=stop.parts)
        storage.check((out.name, settings.at("out", out.name)) for out in outs)
        with storage.reading(old, old) as first, storage.reading(new, new) as second:
            found = compared(first, second, rules, f"twolocks {version()}", (old, new))
        wrote = write_difference(found, [out for out in outs if out.format != STDOUT], storage)
    if settings["format"] == "json" or any(out.format == STDOUT for out in outs):
        differences.write_json(found, sys.stdout.buffer)
    else:
        sys.stdout.write(differences.sentence(found) + "\n")
        terminal.table(differences.rows(found), sys.stdout, os.environ, 2)
    lines = [Line(note, "Note") for note in found.notes]
    screen.last([*lines, *([Line(", ".join(wrote), "Wrote", whole=True)] if wrote else [])])
    _broken(rules.broken)
    return 2 if rules.broken else 0


def rules_list(given: Mapping[str, Any]) -> int:
    from scanner.cli.rules import listed, wanted, words
    from scanner.scan.job import chosen

    settings = _ready("rules", given)
    _format(settings, FORMATS)
    rules = chosen(settings)
    if settings["format"] == "json":
        sys.stdout.write(listed(rules, settings))
    else:
        terminal.table(words(rules, settings), sys.stdout, os.environ)
    _broken(rules.broken)
    found = wanted(rules, settings)
    types = len({type for rule in found for type in rule.types})
    said = f"{len(found)} rule{'' if len(found) == 1 else 's'} on {types} type{'' if types == 1 else 's'}."
    said += ' "exposure": rated by what is open. More: twolocks rules show ID'
    Screen().last([Line(said, column=0)])
    return 2 if rules.broken else 0


def rules_show(id: str, given: Mapping[str, Any]) -> int:
    from scanner.cli.rules import page, shown
    from scanner.rulebook.loader import load

    settings = _ready("rules", given)
    _format(settings, FORMATS)
    rules = load([Path(each) for each in settings["rules"]])
    rule = rules.rules.get(id) or next((each for each in rules.rules.values() if id in each.aliases), None)
    if rule is None:
        near = nearest(id, rules.rules)
        hint = f"nearest: {', '.join(near)}; " if near else ""
        raise InputError(f'there is no rule "{id}"', do=f"{hint}all: twolocks rules list")
    if settings["format"] == "json":
        sys.stdout.write(shown(rule))
        return 0
    width = terminal.width_of(sys.stdout)
    for line in page(rule):
        sys.stdout.writelines(row + "\n" for row in line.render(width, terminal.coloured(sys.stdout, os.environ)))
    return 0


def access_check(given: Mapping[str, Any]) -> int:
    from scanner.cli.access import check
    from scanner.scan.job import chosen

    settings = _ready("access", given)
    _format(settings, FORMATS)
    rules = chosen(settings)
    screen = Screen()
    with _watch(screen).watching() as stop:
        code = check(rules, settings, screen, stop)
    _broken(rules.broken)
    return 2 if rules.broken else code


def access_role(given: Mapping[str, Any]) -> int:
    from scanner.rulebook import permissions as access
    from scanner.scan.job import chosen

    settings = _ready("access", given)
    form = _format(settings, access.FORMATS)
    scopes = [access.scope(each, settings.at("scope", each)) for each in settings["scope"]]
    rules = chosen(settings)
    actions = access.actions(rules, settings["effective"])
    sys.stdout.write(access.role(actions, scopes, form) + "\n")
    _broken(rules.broken)
    said = f"Role: {len(actions)} read actions for {len(rules.enabled)} rules; no secrets, no writes."
    if not settings["scope"]:
        said += " Put your subscription into it, or give --scope /subscriptions/ID."
    if form == "json":
        said += " Next:"
    command = Line("az role definition create --role-definition role.json", column=0, whole=True)
    Screen().last([Line(said, column=0), *([command] if form == "json" else [])])
    return 2 if rules.broken else 0


def waive(fingerprint: str, given: Mapping[str, Any]) -> int:
    from scanner.config.waiver_editor import Undecided, undecided_lines
    from scanner.config.waiver_editor import waive as accept
    from scanner.rulebook.loader import load

    settings = _ready("waive", given, given.get("config"))
    rules = load([Path(each) for each in settings["rules"]])
    try:
        written = accept(fingerprint, settings, rules)
    except Undecided as error:
        code = Line(f"exit {error.code}", column=0)
        Screen().last([*error_lines(error), *undecided_lines(error), code])
        return error.code
    Screen().last(written.lines())
    return 0


def history(command: str, given: Mapping[str, Any], *scans: str) -> int:
    settings = _ready("history", given, given["config"])
    _format(settings, FORMATS)
    from scanner.cli import history as commands

    run: dict[str, Callable[..., int]] = {
        "list": commands.listed,
        "show": commands.show,
        "diff": commands.diff,
        "trend": commands.trend,
        "upgrade": commands.upgrade,
        "prune": commands.prune,
        "export": commands.export,
    }
    return run[command](settings, *scans)


def notify_test(name: str, config: str | None) -> int:
    from scanner.notify import after_scan
    from scanner.version import version

    return after_scan.trial(_ready("notify", {}, config), name, f"twolocks {version()}")


def config_show(config: str | None) -> int:
    settings = _ready("config", {}, config)
    terminal.table(settings.rows(), sys.stdout, os.environ, 1)
    return 0


def sandbox(file: str | None, given: Mapping[str, Any]) -> int:
    from scanner.cli.sandbox import serving

    settings = _ready("sandbox", given)
    screen = Screen()
    with _watch(screen).watching() as stop:
        serving(Path(file) if file else None, settings, screen, stop)
    return 0


def _format(settings: Settings, known: Sequence[str]) -> str:
    """The format that was asked for, else the first of those that are known. Raises InputError."""
    given: str = settings["format"] or known[0]
    if given not in known:
        near = nearest(given, known, 1)
        hint = f"nearest: {near[0]}; " if near else ""
        raise InputError(
            f'no format is called "{given}"', at=settings.at("format", given), do=f"{hint}known: {', '.join(known)}"
        )
    return given


def _broken(broken: Sequence[Any]) -> None:
    for each in broken:
        error = InputError(f"a rule file was not loaded: {each.error}", at=f"{each.file}:{each.line}", do="mend it")
        Screen().last(error_lines(error))


# How whatever ends a command is told


def failed(error: BaseException, words: Sequence[str]) -> int:
    """The exit code of an error, after it was told on stderr."""
    terminal.prepare()
    verbose = "--verbose" in words or bool(os.environ.get("TWOLOCKS_SCAN_VERBOSE"))
    if isinstance(error, Stopped):
        return error.code
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else DEFECT
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        sys.stderr.write(error.format_message().rstrip("\n") + "\n")
        return error.exit_code
    found = _usage(error, words) if isinstance(error, click.ClickException) else error
    if not isinstance(found, UserError):
        found = _defect(found)
    if verbose and not isinstance(error, click.ClickException):
        sys.stderr.writelines(traceback.format_exception(error))
    lines = [*error_lines(found), Line(f"exit {found.code}", column=0)]
    Screen(quiet=False).plain(lines)
    return found.code


def _usage(error: click.ClickException, words: Sequence[str]) -> UserError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "twolocks"
    if isinstance(error, click.NoSuchOption):
        known = [option for each in context.command.params for option in each.opts] if context is not None else []
        near = nearest(error.option_name, known, 1)
        what = f"there is no option {error.option_name}"
        return InputError(what, do=(f"nearest: {near[0]}; " if near else "") + f"all: {command} --help")
    text = error.format_message().rstrip(".")
    if text.startswith("No such command") and context is not None and isinstance(context.command, click.Group):
        word = next((each for each in words if not each.startswith("-") and each not in command.split()), "")
        near = nearest(word, context.command.commands, 1)
        what = f'there is no command "{word}"'
        return InputError(what, do=(f"nearest: {near[0]}; " if near else "") + f"all: {command} --help")
    return InputError(text[:1].lower() + text[1:], do=f"{command} --help")


def _defect(error: BaseException) -> UserError:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "scanner" in Path(frame.filename).parts]
    where = "/".join(Path(frames[-1].filename).with_suffix("").parts[-2:]) if frames else "?"
    return UserError(
        f"twolocks failed: {type(error).__name__} in {where}; no file was written",
        do="run again with --verbose and report the output",
        code=DEFECT,
    )
