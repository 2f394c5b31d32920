"""The command line: parses, calls, prints, exits. For `--help` nothing is imported but this, the texts, and typer."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import click
import typer
from typer.core import TyperCommand, TyperGroup

from scanner.cli import help as texts

Many = list[str] | None
Text = str | None


class _Command(TyperCommand):
    """A command whose help is a text of `scanner.cli.help`."""

    def get_help(self, ctx: click.Context) -> str:
        return _text(ctx)


class _Group(TyperGroup):
    def get_help(self, ctx: click.Context) -> str:
        return _text(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _text(ctx: click.Context) -> str:
    words = ctx.command_path.split()[1:]
    return str(getattr(texts, "_".join(words).upper() or "MAIN"))


def _typer() -> typer.Typer:
    return typer.Typer(cls=_Group, rich_markup_mode=None, add_completion=False, no_args_is_help=True)


app, rules, access, config = _typer(), _typer(), _typer(), _typer()
history, notify = _typer(), _typer()


def _command(of: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return of.command(name, cls=_Command)


def _version(wanted: bool) -> None:
    if wanted:
        from scanner.version import version

        print(f"twolocks {version()}")
        raise typer.Exit


@app.callback()
def _main(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None: ...


@_command(app, "demo")
def demo(
    dir: Annotated[Text, typer.Option()] = None,
    open: Annotated[bool, typer.Option("--open")] = False,
    fail_on: Annotated[Text, typer.Option()] = None,
    quiet: Annotated[bool, typer.Option("--quiet")] = False,
    verbose: Annotated[bool, typer.Option("--verbose")] = False,
) -> None:
    given = {"dir": dir, "open": open, "fail_on": fail_on, "quiet": quiet, "verbose": verbose}
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.demo(given))


@_command(app, "scan")
def scan(
    subscription: Annotated[Many, typer.Option("-s", "--subscription")] = None,
    management_group: Annotated[Many, typer.Option()] = None,
    resource: Annotated[Many, typer.Option()] = None,
    resource_group: Annotated[Many, typer.Option()] = None,
    tag: Annotated[Many, typer.Option()] = None,
    source: Annotated[Text, typer.Option("--from")] = None,
    only: Annotated[Many, typer.Option()] = None,
    skip: Annotated[Many, typer.Option()] = None,
    rules: Annotated[Many, typer.Option()] = None,
    waivers: Annotated[Text, typer.Option()] = None,
    fail_on: Annotated[Text, typer.Option()] = None,
    out: Annotated[Many, typer.Option()] = None,
    snapshot: Annotated[Text, typer.Option()] = None,
    history: Annotated[Text, typer.Option()] = None,
    notify: Annotated[Many, typer.Option()] = None,
    auth: Annotated[Text, typer.Option()] = None,
    tenant: Annotated[Text, typer.Option()] = None,
    cloud: Annotated[Text, typer.Option()] = None,
    arm_endpoint: Annotated[Text, typer.Option()] = None,
    no_graph: Annotated[bool, typer.Option("--no-graph")] = False,
    effective: Annotated[bool, typer.Option("--effective")] = False,
    record: Annotated[Text, typer.Option()] = None,
    quiet: Annotated[bool, typer.Option("--quiet")] = False,
    verbose: Annotated[bool, typer.Option("--verbose")] = False,
    config: Annotated[Text, typer.Option()] = None,
) -> None:
    given = dict(locals())
    given["from"] = given.pop("source")
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.scan(given))


@_command(app, "reach")
def reach(
    resource: str,
    source: Annotated[Text, typer.Option()] = None,
    port: Annotated[Text, typer.Option()] = None,
    file: Annotated[Text, typer.Option("--from")] = None,
    subscription: Annotated[Many, typer.Option("-s", "--subscription")] = None,
    auth: Annotated[Text, typer.Option()] = None,
    tenant: Annotated[Text, typer.Option()] = None,
    cloud: Annotated[Text, typer.Option()] = None,
    arm_endpoint: Annotated[Text, typer.Option()] = None,
) -> None:
    given = dict(locals())
    given["from"] = given.pop("file")
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.reach(given.pop("resource"), given))


@_command(rules, "list")
def rules_list(
    only: Annotated[Many, typer.Option()] = None,
    skip: Annotated[Many, typer.Option()] = None,
    rules: Annotated[Many, typer.Option()] = None,
    format: Annotated[Text, typer.Option()] = None,
) -> None:
    given = dict(locals())
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.rules_list(given))


@_command(rules, "show")
def rules_show(
    id: str,
    rules: Annotated[Many, typer.Option()] = None,
    format: Annotated[Text, typer.Option()] = None,
) -> None:
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.rules_show(id, {"rules": rules, "format": format}))


@_command(access, "check")
def access_check(
    scope: Annotated[Many, typer.Option()] = None,
    subscription: Annotated[Many, typer.Option("-s", "--subscription")] = None,
    management_group: Annotated[Many, typer.Option()] = None,
    effective: Annotated[bool, typer.Option("--effective")] = False,
    only: Annotated[Many, typer.Option()] = None,
    skip: Annotated[Many, typer.Option()] = None,
    rules: Annotated[Many, typer.Option()] = None,
    auth: Annotated[Text, typer.Option()] = None,
    tenant: Annotated[Text, typer.Option()] = None,
    cloud: Annotated[Text, typer.Option()] = None,
    arm_endpoint: Annotated[Text, typer.Option()] = None,
    format: Annotated[Text, typer.Option()] = None,
) -> None:
    given = dict(locals())
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.access_check(given))


@_command(access, "role")
def access_role(
    scope: Annotated[Many, typer.Option()] = None,
    format: Annotated[Text, typer.Option()] = None,
    effective: Annotated[bool, typer.Option("--effective")] = False,
    only: Annotated[Many, typer.Option()] = None,
    skip: Annotated[Many, typer.Option()] = None,
    rules: Annotated[Many, typer.Option()] = None,
) -> None:
    given = dict(locals())
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.access_role(given))


@_command(app, "report")
def report(
    file: str,
    out: Annotated[Many, typer.Option()] = None,
    auth: Annotated[Text, typer.Option()] = None,
    tenant: Annotated[Text, typer.Option()] = None,
    cloud: Annotated[Text, typer.Option()] = None,
) -> None:
    given = dict(locals())
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.report(given.pop("file"), given))


@_command(app, "waive")
def waive(
    fingerprint: str,
    file: Annotated[Text, typer.Option("--in")] = None,
    reason: Annotated[Text, typer.Option()] = None,
    owner: Annotated[Text, typer.Option()] = None,
    expires: Annotated[Text, typer.Option()] = None,
    ticket: Annotated[Text, typer.Option()] = None,
    waivers: Annotated[Text, typer.Option()] = None,
    rules: Annotated[Many, typer.Option()] = None,
    config: Annotated[Text, typer.Option()] = None,
) -> None:
    given = dict(locals())
    given["in"] = given.pop("file")
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.waive(given.pop("fingerprint"), given))


@_command(history, "list")
def history_list(
    history: Annotated[Text, typer.Option()] = None,
    format: Annotated[Text, typer.Option()] = None,
    config: Annotated[Text, typer.Option()] = None,
) -> None:
    _history("list", {"history": history, "format": format, "config": config})


@_command(history, "show")
def history_show(
    scan: Annotated[Text, typer.Argument()] = None,
    history: Annotated[Text, typer.Option()] = None,
    format: Annotated[Text, typer.Option()] = None,
    config: Annotated[Text, typer.Option()] = None,
) -> None:
    _history("show", {"history": history, "format": format, "config": config}, scan or "")


@_command(history, "diff")
def history_diff(
    first: Annotated[str, typer.Argument(metavar="SCAN")],
    then: Annotated[str, typer.Argument(metavar="SCAN")],
    history: Annotated[Text, typer.Option()] = None,
    format: Annotated[Text, typer.Option()] = None,
    config: Annotated[Text, typer.Option()] = None,
) -> None:
    _history("diff", {"history": history, "format": format, "config": config}, first, then)


@_command(history, "trend")
def history_trend(
    scan: Annotated[Text, typer.Argument()] = None,
    history: Annotated[Text, typer.Option()] = None,
    format: Annotated[Text, typer.Option()] = None,
    config: Annotated[Text, typer.Option()] = None,
) -> None:
    _history("trend", {"history": history, "format": format, "config": config}, scan or "")


@_command(history, "upgrade")
def history_upgrade(
    history: Annotated[Text, typer.Option()] = None,
    config: Annotated[Text, typer.Option()] = None,
) -> None:
    _history("upgrade", {"history": history, "config": config})


@_command(history, "prune")
def history_prune(
    older_than: Annotated[Text, typer.Option()] = None,
    history: Annotated[Text, typer.Option()] = None,
    config: Annotated[Text, typer.Option()] = None,
) -> None:
    _history("prune", {"older_than": older_than, "history": history, "config": config})


@_command(history, "export")
def history_export(
    out: Annotated[Text, typer.Option()] = None,
    history: Annotated[Text, typer.Option()] = None,
    config: Annotated[Text, typer.Option()] = None,
) -> None:
    _history("export", {"out": out, "history": history, "config": config})


def _history(command: str, given: dict[str, Any], *scans: str) -> None:
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.history(command, given, *scans))


@_command(notify, "test")
def notify_test(name: str, config: Annotated[Text, typer.Option()] = None) -> None:
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.notify_test(name, config))


@_command(config, "show")
def config_show(config: Annotated[Text, typer.Option()] = None) -> None:
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.config_show(config))


@_command(app, "diff")
def diff(
    old: str,
    new: str,
    out: Annotated[Many, typer.Option()] = None,
    format: Annotated[Text, typer.Option()] = None,
    only: Annotated[Many, typer.Option()] = None,
    skip: Annotated[Many, typer.Option()] = None,
    rules: Annotated[Many, typer.Option()] = None,
    auth: Annotated[Text, typer.Option()] = None,
    tenant: Annotated[Text, typer.Option()] = None,
    cloud: Annotated[Text, typer.Option()] = None,
) -> None:
    given = dict(locals())
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.diff(given.pop("old"), given.pop("new"), given))


@_command(app, "sandbox")
def sandbox(
    file: Annotated[Text, typer.Argument()] = None,
    port: Annotated[Text, typer.Option()] = None,
    latency: Annotated[Text, typer.Option()] = None,
) -> None:
    from scanner.cli import commands as commandline

    raise typer.Exit(commandline.sandbox(file, {"port": port, "latency": latency}))


app.add_typer(rules, name="rules")
app.add_typer(access, name="access")
app.add_typer(history, name="history")
app.add_typer(notify, name="notify")
app.add_typer(config, name="config")


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code."""
    words = sys.argv[1:] if arguments is None else arguments
    command: Any = typer.main.get_command(app)
    try:
        code = command.main(args=words, prog_name="twolocks", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - whatever ends a command is told in one place
        from scanner.cli import commands as commandline

        code = commandline.failed(error, words)
    sys.stdout.flush() if not sys.stdout.closed else None
    sys.exit(code if isinstance(code, int) else 0)
