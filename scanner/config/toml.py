"""TOML files: their data, and the line of each key for errors."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from scanner.errors import InputError, nearest
from scanner.text.toml import MOST_MB, Key, NestedTooDeeply, TooLarge, header_key, statements, text_of, toml_tables

_POSITION = re.compile(r"\(at line (\d+), column \d+\)")
_DATE = re.compile(r"=\s*(\d{4}-\d{1,2}-\d{1,2})\b")


class Faults(InputError):
    """All faults of one input file; the message is that of the first."""

    def __init__(self, faults: list[InputError]) -> None:
        first = faults[0]
        super().__init__(first.what, at=first.at, do=first.do)
        self.all = faults


class TomlFile(Struct):
    """A file that was read."""

    path: Path
    data: dict[str, Any]
    lines: Mapping[Key, int]
    """The line of each key, by its path."""
    faults: list[InputError] = field(default_factory=list)
    """The collected faults, for `check`."""

    def at(self, *key: str | int) -> str:
        """Return `file:line` of the key, or of the nearest key above it."""
        while key and key not in self.lines:
            first = (*key, 0)
            key = first if first in self.lines else key[:-1]
        return f"{self.path}:{self.lines[key]}" if key else str(self.path)

    def fault(self, what: str, *key: str | int, do: str = "") -> None:
        """Collect a fault of a key; `do`: the hint."""
        self.faults.append(InputError(what, at=self.at(*key), do=do))

    def unknown(self, what: str, word: str, known: Iterable[str], *key: str | int, more: str = "") -> None:
        """Collect a fault that names the nearest known word."""
        near = nearest(word, known, 1)
        hint = [f"nearest: {near[0]}"] if near else []
        self.fault(what, *key, do="; ".join([*hint, *([more] if more else [])]) or f"known: {', '.join(known)}")

    def refuse_nul(self) -> None:
        """Raise a fault for each text with a NUL character. A waiver may name a resource with one."""
        for key in _with_nul(self.data):
            self.fault("a text has a NUL character, which no path, address or name can have", *key)
        self.check()

    def check(self) -> None:
        """Raise the collected faults, in the order of the lines."""
        if self.faults:
            raise Faults(sorted(self.faults, key=_line))


def _line(fault: InputError) -> int:
    number = fault.at.rpartition(":")[2]
    return int(number) if number.isdigit() else 0


def read(path: Path, option: str) -> TomlFile:
    """Return the file of an option. Raise InputError, with the line, if it cannot be read or is not TOML."""
    try:
        text = text_of(path, "utf-8-sig")
    except TooLarge:
        raise InputError(
            f"the file has more than {MOST_MB} MB", at=f"{option} {path}", do="give another file"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", at=f"{option} {path}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"the file is not UTF-8, at byte {error.start + 1}", at=str(path)) from None
    return parsed(path, text)


def parsed(path: Path, text: str) -> TomlFile:
    """Return a file with this text. Raise the same errors as `read`."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        file = TomlFile(path, toml_tables(text), dict(_lines(text)))
    except (NestedTooDeeply, RecursionError):
        raise InputError("the file is nested too deeply", at=str(path), do="write a table per level") from None
    except tomllib.TOMLDecodeError as error:
        raise _broken(path, text, str(error)) from None
    return file


def _with_nul(value: Any, above: Key = ()) -> Iterator[Key]:
    """Yield the keys of texts with a NUL character: opening a file of such a name raises no OSError."""
    if isinstance(value, str) and "\0" in value:
        yield above
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _with_nul(each, (*above, name))
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _with_nul(each, (*above, position))


def _broken(path: Path, text: str, why: str) -> InputError:
    match = _POSITION.search(why)
    number = int(match[1]) if match else text.count("\n") + 1
    rows = text.split("\n")
    row = rows[number - 1] if number <= len(rows) else ""
    if date := _DATE.search(row):
        return InputError(f'"{date[1]}" is not a date', at=f"{path}:{number}", do="write it as expires = 2026-12-31")
    clause = _POSITION.sub("", why).replace("(at end of document)", "").strip()
    return InputError(f"the file is not TOML: {clause[:1].lower()}{clause[1:]}", at=f"{path}:{number}")


def _lines(text: str) -> Iterator[tuple[Key, int]]:
    """Yield the path and line of each key. Each statement is parsed by itself, because tomllib gives no positions."""
    table: Key = ()
    counts: dict[Key, int] = {}
    for start, statement in statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = header_key(parsed, counts)
            yield table, start
            continue
        for key in _keys(parsed):
            yield table + key, start


def _keys(parsed: dict[str, Any], above: Key = ()) -> Iterator[Key]:
    for name, value in parsed.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _keys(value, (*above, name))
