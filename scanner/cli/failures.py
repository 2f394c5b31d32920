"""Reports everything that ends a command: user errors, signals, defects; and returns the exit codes."""

import errno
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from scanner.errors import InputError, UserError, nearest
from scanner.terminal.lines import Line, error_lines, prepare
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stopped
from scanner.terminal.streams import PIPE_CLOSED, OutputLost, discard, lost_output
from scanner.terminal.text import printable
from scanner.text.masks import MASK
from scanner.text.urls import hidden_words

DEFECT = 70
_REFUSED = (errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP, errno.ENOTDIR, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def report(error: BaseException, words: Sequence[str]) -> int:
    """Print an error on standard error, and return its exit code. `words`: the command line."""
    if isinstance(error, OutputLost):
        discard()
    prepare()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        sys.stderr.write(error.format_message().rstrip("\n") + "\n")
        return error.exit_code
    if isinstance(error, click.ClickException):
        return _print(_usage(error, words))
    if (code := _silent(error)) is not None:
        return code
    if isinstance(error, OutputLost):
        return _print(lost_output(error))
    if "--verbose" in words or "-v" in words or os.environ.get("TWOLOCKS_SCAN_VERBOSE"):
        sys.stderr.writelines(_traceback(error))
    return _print(error if isinstance(error, UserError) else _defect(error))


def _traceback(error: BaseException) -> Iterator[str]:
    """Yield the lines of a traceback. The text of an error may hold names of Azure, and stays on one line. It may hold
    a part of a secret that a library took for a host or a port.
    """
    hidden = hidden_words(os.environ)
    for entry in traceback.format_exception(error):
        is_frame = entry.startswith(("Traceback ", "  File ", "\n"))
        text = entry if is_frame else printable(entry.removesuffix("\n")) + "\n"
        for word in () if is_frame else hidden:
            text = text.replace(word, MASK)
        yield text


def _silent(error: BaseException) -> int | None:
    """Return the exit code of errors without a message; None for all others."""
    if isinstance(error, Stopped):
        return error.code
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else DEFECT
    if isinstance(error, OutputLost) and error.is_closed:
        return PIPE_CLOSED
    return None


def _print(error: UserError) -> int:
    Screen(quiet=False).plain([*error_lines(error), Line(f"exit {error.code}", column=0)])
    return error.code


def _usage(error: click.ClickException, words: Sequence[str]) -> UserError:
    """Return click's error as a UserError, with the nearest name."""
    context = getattr(error, "ctx", None)
    if context is None:
        context = click.Context(click.Command("twolocks"), info_name="twolocks")
    command = context.command_path
    if isinstance(error, click.NoSuchOption):
        known = [option for each in context.command.params for option in each.opts]
        return _unknown(f"unknown option {error.option_name}", error.option_name, known, command)
    text = error.format_message().rstrip(".")
    if text.startswith("No such command") and isinstance(context.command, click.Group):
        word = next((each for each in words if not each.startswith("-") and each not in command.split()), "")
        return _unknown(f'unknown command "{word}"', word, context.command.list_commands(context), command)
    return InputError(text[:1].lower() + text[1:], do=f"see {command} --help")


def _unknown(what: str, word: str, known: Iterable[str], command: str) -> InputError:
    near = nearest(word, known, 1)
    return InputError(what, do=(f"nearest: {near[0]}; " if near else "") + f"all: {command} --help")


def _defect(error: BaseException) -> UserError:
    """Return the error that reports an unexpected exception. A path that the system refuses is no defect."""
    if isinstance(error, OSError) and error.filename is not None and error.errno in _REFUSED:
        return InputError(f"{error.filename} cannot be used: {error.strerror}", do="give another path")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "scanner" in Path(frame.filename).parts]
    where = "/".join(Path(frames[-1].filename).with_suffix("").parts[-2:]) if frames else "?"
    return UserError(
        f"twolocks failed: {type(error).__name__} in {where}; no file was written",
        do="run again with --verbose, and report the output as a defect",
        code=DEFECT,
    )
