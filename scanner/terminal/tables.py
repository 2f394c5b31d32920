"""Tables: tabs in a pipe, columns on a terminal, through a pager where they are longer than the screen."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Literal, TextIO

from scanner.terminal.lines import coloured, height_of, is_terminal, paint, width_of
from scanner.terminal.text import cells, printable, wrap

_GAP = 2
_LEAST = 60
"""The least width of a table, which a narrower terminal breaks."""
_SENTENCE = 24
"""The least width of the last column, which holds sentences; below that they stand below the others."""
Row = Sequence[str]
_PIECES = re.compile(r"[^./:_-]+[./:_-]*|[./:_-]+")
"""A part of a name, with the signs after it."""
_MARK = re.compile(r"^( *) (?=::|##|<U\+)")
"""The space before what a CI system takes for a command, or was one: `|` takes its place where a line begins so."""


def table(
    rows: Sequence[Row],
    stream: TextIO,
    environ: Mapping[str, str],
    name: int = -1,
    *,
    heads: Row = (),
    summary: str = "",
) -> bool:
    """Write one row a line, separated by tabs and whole; on a terminal in columns below `heads`, after `summary`.

    A severity may come first. On a terminal the last column and those of several words are wrapped between words, and
    the column `name` also after a sign, so that nothing is lost; all others keep their width. Return whether the
    summary was written.
    """
    names = [[printable(cell) for cell in row] for row in rows]
    colour = coloured(stream, environ)
    if not stream.isatty():
        for row in names:
            stream.write("\t".join([paint(row[0], row[0], colour), *row[1:]]) + "\n")
        return False
    width = width_of(stream, _LEAST)
    lines = [*wrap(printable(summary), width, 0), ""] if summary else []
    if names:
        shown = [[*map(str.upper, heads)], *names] if heads else names
        lines += _drawn(shown, name, width, colour)
    show(lines, stream, environ)
    return bool(summary)


def _drawn(rows: Sequence[Row], name: int, width: int, colour: bool) -> Iterator[str]:
    """Yield the lines of a table. Where the last column has no room, its cell stands below the others of its row."""
    # It takes 35 ms, which only who sees a table pays.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    wide, is_below = _widths(rows, name, width)

    def drawn(some: Sequence[Row]) -> Table:
        made = Table(box=None, show_header=False, show_edge=False, pad_edge=False, padding=(0, _GAP, 0, 0))
        for each in wide:
            made.add_column(width=each, overflow="fold")
        for row in some:
            # Names from Azure are text, never markup.
            rest = [_broken(cell, room) for cell, room in zip(row[1:], wide[1:], strict=False)]
            made.add_row(Text.from_ansi(paint(row[0], row[0], colour)), *map(Text, rest))
        return made

    # What does not fit is left to the terminal, because nothing may be lost.
    file, room = StringIO(), max(width, sum(wide) + _GAP * len(wide))
    system: Literal["standard"] | None = "standard" if colour else None
    screen = Console(file=file, width=room, color_system=system, force_terminal=colour, _environ={})
    if not is_below:
        screen.print(drawn(rows), highlight=False)
    for row in rows if is_below else ():
        screen.print(drawn([row]), highlight=False)
        indent = wide[0] + _GAP
        file.writelines(f"{' ' * indent}{line}\n" for line in wrap(row[-1], width, indent) if line)
    yield from (_MARK.sub(r"\1|", line.rstrip()) for line in file.getvalue().splitlines())


def _broken(cell: str, width: int) -> str:
    """Return a cell whose long words have line breaks after their signs, where they are wider than the column."""
    words = (_PIECES.findall(word) if cells(word) > width else [word] for word in cell.split(" "))
    return " ".join("".join(_lines(pieces, width)) for pieces in words)


def _lines(pieces: Sequence[str], width: int) -> Iterator[str]:
    used = 0
    for piece in pieces:
        if used and used + cells(piece) > width:
            yield "\n"
            used = 0
        used += cells(piece)
        yield piece


def _widths(rows: Sequence[Row], name: int, width: int) -> tuple[list[int], bool]:
    """Return the width of each column, and whether the cells of the last one stand below the others.

    The last column, `name`, and columns of several words may be narrower than their content: the last one
    first, then the widest.
    """
    wide = [max(cells(row[column]) for row in rows) for column in range(len(rows[0]))]
    last, least = len(wide) - 1, list(wide)
    for column in range(1, len(wide)):
        words = [word for row in rows for word in row[column].split(" ")]
        longest = max(map(cells, words))
        least[column] = min(wide[column], _SENTENCE) if column == name else longest
        if column == last:
            least[column] = min(wide[column], max(_SENTENCE, longest))
    is_below = last > 1 and sum(least) + _GAP * last > width
    if is_below:
        del wide[-1]
    over = sum(wide) + _GAP * (len(wide) - 1) - width
    for column in sorted(range(len(wide)), key=lambda column: (column != last, -wide[column])):
        cut = max(0, min(over, wide[column] - least[column]))
        wide[column], over = wide[column] - cut, over - cut
    return wide, is_below


def show(lines: Sequence[str], stream: TextIO, environ: Mapping[str, str]) -> None:
    """Write lines for people, through a pager where they are longer than the screen of the user's own terminal."""
    if (
        len(lines) < height_of(stream)
        or not is_terminal(stream, environ)
        or environ.get("CI")
        or not _is_stdout(stream)
    ):
        stream.writelines(f"{line}\n" for line in lines)
        return
    import click

    stream.flush()
    click.echo_via_pager((f"{line}\n" for line in lines), color=coloured(stream, environ))


def _is_stdout(stream: TextIO) -> bool:
    """Return whether a stream is standard output of this process, and standard input is a terminal too."""
    try:
        return stream.fileno() == 1 and sys.stdin is not None and sys.stdin.isatty()
    except (OSError, ValueError):
        return False
