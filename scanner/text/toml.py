"""TOML texts that other people wrote: parsed in bounded time, however deep they are."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

Key = tuple[str | int, ...]
"""The names of tables and keys down to a value, and the places in lists."""

MOST_MB: Final = 8
"""The size of a file: 20,000 waivers, or ten times the rows of the largest service."""

LEVELS = 100
"""More parts than any key of our files has. The time of a parser grows with the square of this number."""
_DEEP = re.compile(rf"""(?<![\w.-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){{{LEVELS}}}""")


class NestedTooDeeply(tomllib.TOMLDecodeError):
    """A key of too many parts, or too many values inside each other."""


class TooLarge(tomllib.TOMLDecodeError):
    """A file of more bytes than any of ours has."""


def text_of(path: Path, encoding: str = "utf-8") -> str:
    """Return the text of a file. Raise OSError, UnicodeDecodeError, TooLarge: no more than that is read."""
    most = MOST_MB << 20
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise TooLarge(f"A file of more than {MOST_MB} MB (at line 1, column 1)")
    return data.decode(encoding).replace("\r\n", "\n")


_TOKEN = re.compile(r"""\"{3}|'{3}|"(?:[^"\\]|\\.)*"|'[^']*'|\#.*|[\[\]{}]""")
_ENDS = {'"' * 3: re.compile(r'(?:\\.|(?!"{3}).)*"{3,5}'), "'" * 3: re.compile(r"(?:(?!'{3}).)*'{3,5}")}


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement of a valid text with the number of its first line: a header, or a key and its value."""
    held: list[str] = []
    start, depth, quote = 1, 0, ""
    for number, row in enumerate(text.split("\n"), 1):
        start = start if held else number
        held.append(row)
        at = 0
        while at < len(row):
            if quote:
                end = _ENDS[quote].match(row, at)
                if end is None:
                    break
                at, quote = end.end(), ""
                continue
            match = _TOKEN.search(row, at)
            if match is None:
                break
            at, token = match.end(), match[0]
            quote = token if token in _ENDS else ""
            depth += (token in ("[", "{")) - (token in ("]", "}"))
        if not depth and not quote:
            yield start, "\n".join(held)
            held = []


def header_key(parsed: dict[str, Any], counts: dict[Key, int]) -> Key:
    """Return the path of a header; for an array of tables with the index of the entry."""
    key: Key = ()
    at: Any = parsed
    while isinstance(at, dict) and at:
        name = next(iter(at))
        key, at = (*key, name), at[name]
        if isinstance(at, list):
            counts[key] = counts.get(key, -1) + 1
            key, at = (*key, counts[key]), at[0]
        elif key in counts:
            key = (*key, counts[key])
    return key


_PIECE = re.compile(
    r'"{3}(?:\\.|(?!"{3}).)*"{3,5}|"(?:[^"\\\n]|\\.)*"'
    r"|'{3}(?:(?!'{3}).)*'{3,5}|'[^'\n]*'"
    r"|#[^\n]*|[\[\]{},=\n]|[^\s\"'\[\]{},=#]+",
    re.DOTALL,
)
"""A text, a comment, a sign, the end of a line, or a word of a value or key."""


def key_lines(text: str) -> dict[Key, int]:
    """Return the line of each table, key and entry of a list of a valid text, by its path."""
    result: dict[Key, int] = {}
    counts: dict[Key, int] = {}
    table: Key = ()
    for start, statement in statements(text):
        if statement.lstrip().startswith("["):
            table = header_key(tomllib.loads(statement), counts)
            result.setdefault(table, start)
            continue
        pieces, line = [], start
        for piece in _PIECE.findall(statement):
            if piece[0] not in "#\n":
                pieces.append((piece, line))
            line += piece.count("\n")
        _add_members(iter([*pieces, ("}", line)]), table, result)
    return result


def _add_members(pieces: Iterator[tuple[str, int]], above: Key, result: dict[Key, int]) -> None:
    """Add the keys of an inline table, or of one statement, up to its end."""
    name = ""
    for piece, line in pieces:
        if piece == "}":
            return
        if piece == ",":
            name = ""
        elif piece != "=":
            name += piece
        else:
            key, at = above, tomllib.loads(f"{name} = 0")
            while isinstance(at, dict):
                step = next(iter(at))
                key, at = (*key, step), at[step]
                result.setdefault(key, line)
            name = ""
            if not _add_value(pieces, key, result):
                return


def _add_value(pieces: Iterator[tuple[str, int]], key: Key, result: dict[Key, int]) -> bool:
    """Add what is in a value. Return False where it ended its inline table."""
    for piece, _ in pieces:
        if piece == "{":
            _add_members(pieces, key, result)
        elif piece == "[":
            _add_entries(pieces, key, result)
        elif piece in (",", "}"):
            return piece == ","
    return False


def _add_entries(pieces: Iterator[tuple[str, int]], key: Key, result: dict[Key, int]) -> None:
    """Add the entries of a list, up to its end."""
    offset = 0
    for piece, line in pieces:
        if piece == "]":
            return
        if piece == ",":
            offset += 1
            continue
        result.setdefault((*key, offset), line)
        if piece == "{":
            _add_members(pieces, (*key, offset), result)
        elif piece == "[":
            _add_entries(pieces, (*key, offset), result)


def toml_tables(text: str) -> dict[str, Any]:
    """Return what a text says. Raise TOMLDecodeError, NestedTooDeeply where it is too deep."""
    check_depth(text)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise NestedTooDeeply("Values are nested too deeply (at line 1, column 1)") from None
    except ValueError as error:
        if isinstance(error, tomllib.TOMLDecodeError):
            raise
        raise tomllib.TOMLDecodeError("A number has too many digits (at line 1, column 1)") from None


def check_depth(text: str) -> None:
    """Raise NestedTooDeeply where a key has more than LEVELS parts."""
    # A key is on one line. Counting dots is 50 times faster than the pattern.
    if all(line.count(".") < LEVELS for line in text.split("\n") if len(line) >= LEVELS):
        return
    if match := _DEEP.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise NestedTooDeeply(f"A key has more than {LEVELS} parts (at line {line}, column 1)")
