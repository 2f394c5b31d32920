"""Lines, tables and errors for a terminal or a pipe; colour and width of a stream."""

import codecs
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from scanner.errors import UserError
from scanner.terminal.text import cells, middle, printable, wrap, wrap_command

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


def width_of(stream: TextIO) -> int:
    """Return the width of a stream: 80 to 200 columns from the terminal, 100 without one."""
    if not stream.isatty():
        return 100
    return min(200, max(80, shutil.get_terminal_size((100, 24)).columns))


def height_of(stream: TextIO) -> int:
    return max(24, shutil.get_terminal_size((100, 24)).lines) if stream.isatty() else 24


def paint(text: str, tone: str, on: bool) -> str:
    return f"\x1b[{COLOURS[tone]}m{text}\x1b[0m" if on and tone in COLOURS else text


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence after a label, in column `column`. `tone`: the word of COLOURS that colours the label. `whole`: never
    wrapped, as paths are. `command`: for a POSIX shell; it is wrapped between options, with a backslash.
    """

    text: str = ""
    label: str = ""
    column: int = COLUMN
    tone: str = ""
    whole: bool = False
    command: bool = False

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
        for place, row in enumerate(rows):
            yield ((head if place == 0 else " " * below) + row).rstrip()


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


_SENTENCE = 24
"""How many columns of the last cell, a sentence that is never cut, count when the width is shared out."""


def table(
    rows: Sequence[Sequence[str]],
    stream: TextIO,
    environ: Mapping[str, str],
    name: int = -1,
    *,
    heads: Sequence[str] = (),
    summary: str = "",
) -> bool:
    """Write one row a line, separated by tabs and whole; on a terminal in columns below `heads`, after `summary`.

    A severity may come first. On a terminal the last column is wrapped between words, and the cells of the column
    `name` lose their middle where a line is too long (default: none do). What is longer than the screen goes through a
    pager. Return whether the summary was written.
    """
    names = [[printable(cell) for cell in row] for row in rows]
    colour = coloured(stream, environ)
    if not stream.isatty():
        for row in names:
            stream.write("\t".join([paint(row[0], row[0], colour), *row[1:]]) + "\n")
        return False
    width = width_of(stream)
    lines = [*wrap(printable(summary), width, 0), ""] if summary else []
    if names:
        shown = [[*map(str.upper, heads)], *names] if heads else names
        wide, name = _widths(shown, name, width)
        lines += [line for row in shown for line in _row(row, wide, name, width, colour)]
    show(lines, stream, environ)
    return bool(summary)


def _row(row: Sequence[str], wide: Sequence[int], name: int, width: int, colour: bool) -> Iterator[str]:
    """Yield the lines of a row: more than one where its last cell is wrapped, or stands below the others."""
    line = ""
    for place, cell in enumerate(row[:-1]):
        shown = middle(cell, wide[place]) if place == name else cell
        line += (paint(shown, shown, colour) if place == 0 else shown) + " " * (wide[place] - cells(shown) + 2)
    column = sum(wide[: len(row) - 1]) + 2 * (len(row) - 1)
    last = middle(row[-1], wide[-1]) if name == len(row) - 1 else row[-1]
    if width - column < min(_SENTENCE, cells(last)) and len(row) > 1:
        yield line.rstrip()
        column = wide[0] + 2
        yield from (" " * column + part for part in wrap(last, width, column))
        return
    for place, part in enumerate(wrap(last, width, column)):
        yield ((line if place == 0 else " " * column) + part).rstrip()


def show(lines: Sequence[str], stream: TextIO, environ: Mapping[str, str]) -> None:
    """Write lines for people, through a pager where they are longer than the screen of the user's own terminal."""
    if len(lines) < height_of(stream) or not is_terminal(stream, environ) or environ.get("CI") or not _is_own(stream):
        stream.writelines(f"{line}\n" for line in lines)
        return
    import click

    stream.flush()
    click.echo_via_pager((f"{line}\n" for line in lines), color=coloured(stream, environ))


def _is_own(stream: TextIO) -> bool:
    """Return whether a stream is standard output of this process, and standard input is a terminal too."""
    try:
        return stream.fileno() == 1 and sys.stdin is not None and sys.stdin.isatty()
    except (OSError, ValueError):
        return False


def _widths(rows: Sequence[Sequence[str]], name: int, room: int) -> tuple[list[int], int]:
    """Return the width of each column, and the place of the column that is cut; -1 for none."""
    wide = [max((cells(row[place]) for row in rows), default=0) for place in range(max(map(len, rows), default=0))]
    if not wide or name < 0:
        return wide, -1
    others = [*wide[:-1], min(wide[-1], _SENTENCE)]
    others.pop(name)
    wide[name] = min(wide[name], max(room - sum(others) - 2 * len(others), 16))
    return wide, name
