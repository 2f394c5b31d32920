"""What a command uses of a settings file. Nothing else of the file can stop it, or reach it."""

from collections.abc import Iterator, Mapping, Set
from typing import Any

from msgspec.structs import replace

from scanner.config.channels import SECRET
from scanner.config.command import Command
from scanner.config.commands import SCAN
from scanner.config.keys import TABLES
from scanner.config.toml import TomlFile
from scanner.errors import nearest

_KEYS = tuple(f"{table}.{key.name}" for table, keys in TABLES.items() for key in keys or ()) + tuple(
    f"scan.{option.name}" for option in SCAN
)
"""The keys with known names, as `table.key`."""


def shows_scan(row: Command) -> bool:
    """Return whether the command uses the settings of `scan`."""
    return row.name in ("scan", "config show")


def used_settings(row: Command) -> set[str]:
    """Return the tables that a command uses as a whole, and the keys as `table.key`."""
    if shows_scan(row):
        return set(TABLES)
    return {*row.tables, *(f"scan.{option.name}" for option in row.options if option.shared)}


def used_part(file: TomlFile, row: Command) -> TomlFile:
    """Return the file with what a command uses; a misspelt name is used where the nearest name is."""
    used = used_settings(row)
    data = {name: _used_table(name, value, used) for name, value in file.data.items() if _is_used(name, used)}
    return replace(file, data=data)


def secrets_of_notifications(file: TomlFile) -> frozenset[str]:
    """Return the variables with secrets that [notify] names, valid or not: `--secret-file` may name them."""
    return frozenset(text for text in _texts(file.data.get("notify")) if text.startswith(SECRET))


def _is_used(table: str, used: Set[str]) -> bool:
    """Return whether a command uses something of a table, or of what its misspelt name may mean."""
    meant = [table] if table in TABLES else nearest(table, [*TABLES, *_KEYS], 1)
    tables = {each.partition(".")[0] for each in used}
    return any(each.partition(".")[0] in tables for each in meant) or used >= set(TABLES)


def _used_table(table: str, value: Any, used: Set[str]) -> Any:
    """Return what is used of a table; a value that is no table as it is."""
    if table in used or table not in TABLES or not isinstance(value, Mapping):
        return value
    return {name: each for name, each in value.items() if _is_used_key(f"{table}.{name}", used)}


def _is_used_key(key: str, used: Set[str]) -> bool:
    meant = [key] if key in _KEYS else nearest(key, _KEYS, 1)
    return any(each in used or each.partition(".")[0] in used for each in meant)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)
