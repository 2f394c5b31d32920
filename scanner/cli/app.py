"""The command line: a typer application whose commands are the rows of `scanner.config.commands`.

`--help` imports only this, the rows and typer.
"""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import click
import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from scanner.cli import completion, help
from scanner.config.command import Command
from scanner.config.commands import COMMANDS
from scanner.config.options import Option
from scanner.cycle_collector import command_starts, program_starts
from scanner.terminal import streams


class _Command(TyperCommand):
    """A command with the help of its row."""

    def __init__(self, row: Command) -> None:
        params: list[click.Parameter] = [
            _argument(row.name, position, word) for position, word in enumerate(row.arguments)
        ]
        params += [_option(each) for each in row.rows if isinstance(each, Option)]
        super().__init__(row.name.rpartition(" ")[2], params=params, callback=_callback(row), rich_markup_mode=None)
        self.row = row

    def get_help(self, ctx: click.Context) -> str:
        return help.text(self.row)


class _Group(TyperGroup):
    """A group of commands, in the order of the rows. A command is made where it is asked for."""

    def __init__(self, *, name: str = "", **more: Any) -> None:
        self.row = COMMANDS[name]
        self.rows = {each.name.rpartition(" ")[2]: each for each in help.below(self.row)}
        super().__init__(name=name or "twolocks", **{**more, "rich_markup_mode": None, "suggest_commands": False})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = self.rows.get(cmd_name)
        if row is not None and cmd_name not in self.commands:
            self.commands[cmd_name] = _Command(row) if row.runs else _Group(name=row.name)
        return self.commands.get(cmd_name)

    def get_help(self, ctx: click.Context) -> str:
        return help.text(self.row)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.rows)


def _argument(command: str, position: int, word: str) -> TyperArgument:
    names, completes = [f"argument_{position}"], completion.of_argument(command, word)
    if word.startswith("["):
        return TyperArgument(
            param_decls=names, metavar=word.strip("[]"), required=False, default="", shell_complete=completes
        )
    return TyperArgument(param_decls=names, metavar=word, required=True, shell_complete=completes)


def _option(option: Option) -> TyperOption:
    names = [*([option.short] if option.short else []), f"--{option.name}", option.key]
    completes = completion.of_option(option)
    return TyperOption(param_decls=names, is_flag=option.flag or None, multiple=option.many, shell_complete=completes)


def _callback(row: Command) -> Callable[..., int]:
    """Return what a command does: it resolves its settings and calls the function of its row."""

    def call(**given: Any) -> int:
        from scanner.cli.common import settings_of

        arguments = [given.pop(f"argument_{position}") for position in range(len(row.arguments))]
        settings = settings_of(row, given, arguments)
        command_starts()
        module, _, function = row.runs.partition(":")
        code: int = getattr(import_module(f"scanner.cli.{module}"), function)(settings, *arguments)
        return code

    return call


app = typer.Typer(
    cls=_Group,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from scanner import version

        print(f"twolocks {version()}")
        raise typer.Exit


@app.callback()
def _twolocks(
    version: Annotated[bool, typer.Option("--version", "-V", is_eager=True, callback=_version)] = False,
) -> None:
    """Find Azure endpoints that lack a lock."""


def root() -> click.Group:
    """Return `twolocks`, with all its commands."""
    group = typer.main.get_group(app)
    group.params += completion.options()
    return group


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code."""
    program_starts()
    streams.install()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = _run(words)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - one place reports whatever ends a command
        from scanner.cli.failures import report

        code = report(error, words)
    sys.exit(code)


def _run(words: list[str]) -> int:
    """Run a command and return its code. `click.Command.main` would end with 1 where the reader of a pipe left."""
    group = root()
    if (asked := os.environ.get(completion.VARIABLE)) and (text := completion.answer(group, asked)) is not None:
        sys.stdout.write(text)
        return 0
    try:
        with group.make_context("twolocks", list(words)) as context:
            code = group.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    return code if isinstance(code, int) else 0
