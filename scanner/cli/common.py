"""Shared parts of commands: settings, handling of Ctrl-C, errors of rule files, JSON."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from scanner.config.command import Command
from scanner.config.settings import Settings, resolve
from scanner.errors import InputError
from scanner.model.message import message_text
from scanner.store import temporary
from scanner.terminal.lines import Line, error_lines, prepare
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop
from scanner.terminal.streams import json_output, json_without_commands

if TYPE_CHECKING:
    from scanner.rulebook.loader import Broken


def settings_of(row: Command, given: Mapping[str, Any], arguments: Sequence[str]) -> Settings:
    """Return the settings of a command, from its options and arguments as click read them. Raises InputError."""
    prepare()
    config = given.get("config")
    settings = resolve(row.name, given, os.environ, config=Path(config) if config else None)
    _check_encoding([*arguments, str(config or "")], "")
    for name, value in settings.options.items():
        values = value.value if isinstance(value.value, tuple) else (value.value,)
        _check_encoding([each for each in values if isinstance(each, str)], settings.at(name, ""))
    return settings


def _check_encoding(words: Sequence[str], at: str) -> None:
    """Raise InputError for a word of the command line, or of a variable, that is not UTF-8: no output can hold it."""
    for word in words:
        if not word.isascii() and any("\ud800" <= char <= "\udfff" for char in word):
            raise InputError(f'"{word}" is not UTF-8', at=at.strip(), do="write it in UTF-8, and rename a file")


SIGNALS = {130: "Ctrl-C", 143: "SIGTERM", 129: "SIGHUP"}
"""The name of each signal that stops a command, by its exit code."""


@contextmanager
def stopping(screen: Screen) -> Iterator[Stop]:
    """Watch for Ctrl-C, SIGTERM and SIGHUP while a command runs, and print that it stops."""

    def tell(code: int) -> None:
        how = f"{SIGNALS[code]} again stops immediately"
        screen.write([Line(f"Stopping; {how}", column=0)], "done", f"stopping; {how}")

    with Stop(tell, temporary.OPEN).watching() as stop:
        yield stop


def allow_python(folder: Path, *, run_code: bool) -> None:
    """Raise InputError for a rules folder of one's own with Python files, without `--run-code`."""
    from scanner.rulebook.loader import python_files

    paths = python_files(folder)
    if paths and not run_code:
        raise InputError(
            f"{paths[0]} is Python, which runs only with --run-code", do="if you trust this folder: --run-code"
        )


def show_broken(broken: "Sequence[Broken]") -> None:
    """Print the rule files that were not loaded, on standard error."""
    for each in broken:
        error = InputError(f"rule file not loaded: {each.error}", at=f"{each.file}:{each.line}", do="fix it")
        Screen().last(error_lines(error))


def write_line(text: str) -> None:
    """Print one sentence on standard error."""
    Screen().last([Line(text, column=0)])


def json_text(value: object) -> str:
    """Return a value as indented JSON with a line break at its end."""
    return (
        json_without_commands(msgspec.json.format(msgspec.json.encode(value, enc_hook=message_text), indent=2)).decode()
        + "\n"
    )


def print_json(value: object) -> None:
    """Print a value as JSON on standard output."""
    out = json_output()
    out.write(json_text(value).encode())
    out.flush()
