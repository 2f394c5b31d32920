"""Lines and errors for a terminal or a pipe; colour and width of a stream."""

import codecs
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from scanner.errors import UserError
from scanner.terminal.text import printable, wrap, wrap_command

COLOURS = {
    "critical": "1;31",
    "high": "31",
    "medium": "33",
    "low": "36",
    "not assessed": "35",
    "fixed": "32",
}
COLUMN = 10
"""The column in which the text after a label starts."""


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}" for char in lost), error.end


def prepare() -> None:
    """Write a character that a stream cannot encode as `\\u00f8`, because it must not end the run."""
    codecs.register_error("twolocks", _escape)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="twolocks")


def is_terminal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    return stream.isatty() and environ.get("TERM", "") not in ("", "dumb")


def coloured(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether to write colours: NO_COLOR overrides FORCE_COLOR, which overrides the check for a terminal."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "") not in ("", "0"):
        return True
    return is_terminal(stream, environ)


def width_of(stream: TextIO, least: int = 80) -> int:
    """Return the width of a stream: from `least` to 200 columns from the terminal, 100 without one."""
    if not stream.isatty():
        return 100
    return min(200, max(least, shutil.get_terminal_size((100, 24)).columns))


def height_of(stream: TextIO) -> int:
    return max(24, shutil.get_terminal_size((100, 24)).lines) if stream.isatty() else 24


def paint(text: str, tone: str, on: bool) -> str:
    return f"\x1b[{COLOURS[tone]}m{text}\x1b[0m" if on and tone in COLOURS else text


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence after a label, in column `column`."""

    text: str = ""
    label: str = ""
    column: int = COLUMN
    tone: str = ""
    """The word of COLOURS that colours the label."""
    whole: bool = False
    """Never wrapped, as paths are."""
    command: bool = False
    """For a POSIX shell; it is wrapped between options, with a backslash."""

    def render(self, width: int, colour: bool) -> Iterator[str]:
        text, label = printable(self.text), printable(self.label)
        head = paint(label, self.tone, colour) + " " * (self.column - len(label)) if label else " " * self.column
        below = self.column or 2  # a name never stands first on a line
        if label and len(label) >= self.column:
            head = paint(label, self.tone, colour) + ("  " if self.tone else " ")
        if self.command:
            rows = list(wrap_command(text, width, self.column))
        else:
            rows = [text] if self.whole else list(wrap(text, width, below))
        for position, row in enumerate(rows):
            yield ((head if position == 0 else " " * below) + row).rstrip()


def rows_of(lines: Iterable[Line], width: int) -> int:
    return sum(1 for line in lines for _ in line.render(width, False))


def error_lines(error: UserError) -> list[Line]:
    """Return the lines of an error: what is wrong, where, and a hint; for all faults if it has several."""
    faults: Sequence[UserError] = getattr(error, "all", None) or [error]
    lines = []
    for fault in faults:
        lines.append(Line(f"error: {fault.what}", column=0, whole=True))
        lines += [Line(f"--> {fault.at}", column=0, whole=True)] if fault.at else []
        lines += [Line(f"hint: {fault.do}", column=0, whole=True)] if fault.do else []
    return lines
