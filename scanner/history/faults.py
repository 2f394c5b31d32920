"""What a database answered, as an error that a person can act on. No message holds a password or a statement."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from scanner.errors import HistoryError

Told = tuple[str, str]
"""What, and what to do."""

HELD = ("another process has held the history for 30 s", "run again when the other scan has ended")
_READ_ONLY = (
    "the history may not be written here",
    "let this account write it: the file, and the folder that it is in",
)
_FULL = ("no space is left for the history", "free space, then run again")
_DAMAGED = ("the history is damaged", "restore it from a backup, or start a new one")
_GONE = ("the history is gone: it was deleted, or moved, since this command began", "restore it, then run again")
_BROKEN = ("the connection to the history's server was lost", "run again when the server is back")
_NO_WAY = ("the history's server does not answer", "look whether it runs, and whether this machine may connect to it")

_SQLITE: dict[str, Told] = {
    "SQLITE_BUSY": HELD,
    "SQLITE_LOCKED": HELD,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_PERM": _READ_ONLY,
    "SQLITE_READONLY_DBMOVED": _GONE,
    "SQLITE_FULL": _FULL,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": ("this file is no database", "give another file; a scan makes a new history"),
    "SQLITE_IOERR": ("the disk failed under the history", "look at the disk and the file system, then run again"),
    "SQLITE_PROTOCOL": ("this file system cannot lock the history", "keep it on a local disk, or in PostgreSQL"),
}
_STATES: dict[str, Told] = {
    "08": _NO_WAY,
    "25006": ("the history's server is read-only", "connect to the primary, not to a replica"),
    "28": (
        "the history's server refused this login",
        "look at user and password: PGUSER, PGPASSWORD, pgpass or TWOLOCKS_SCAN_HISTORY",
    ),
    "3D000": ("the history's server has no such database", "createdb, then: twolocks history upgrade"),
    "3F000": ("the schema that search_path names is not there", "CREATE SCHEMA, then: twolocks history upgrade"),
    "42501": ("this login may not work on the history", "grant it USAGE and CREATE on the schema, and its tables"),
    "42703": _DAMAGED,
    "42P01": ("the history is gone: its tables were dropped since this command began", "twolocks history upgrade"),
    "53100": _FULL,
    "53": ("the history's server has no room for this connection", "run again later"),
    "55P03": HELD,
    "57014": ("the history's server cancelled the work", "run again; statement_timeout may be too short"),
    "57": _BROKEN,
    "XX001": _DAMAGED,
}
_SAID: tuple[tuple[str, Told], ...] = (
    ("resolve host", ("the history's server was not found", "look at the host's name")),
    ("translate host name", ("the history's server was not found", "look at the host's name")),
    ("name or service not known", ("the history's server was not found", "look at the host's name")),
    ("no password supplied", _STATES["28"]),
    ("authentication failed", _STATES["28"]),
    ("no pg_hba.conf entry", _STATES["28"]),
    ("does not exist", _STATES["3D000"]),
    ("too many clients", _STATES["53"]),
    ("timeout", _NO_WAY),
    ("refused", _NO_WAY),
    ("closed", _BROKEN),
    ("terminat", _BROKEN),
    ("lost", _BROKEN),
)


def fault(error: DBAPIError, where: str, path: Path | None, *, may_create: bool = False) -> HistoryError:
    """The error for what a driver raised; `may_create`: whether the file at `path` need not have been there."""
    what, do = _sqlite(error.orig, may_create or path.exists()) if path is not None else _server(error.orig)
    return HistoryError(what, at=where, do=do)


def _sqlite(error: BaseException | None, there: bool) -> Told:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_CANTOPEN"):
        return _READ_ONLY if there else _GONE
    known = [_SQLITE[each] for each in (name, "_".join(name.split("_")[:2])) if each in _SQLITE]
    if known:
        return known[0]
    if isinstance(error, sqlite3.OperationalError) and ("no such" in str(error) or "no column" in str(error)):
        return _DAMAGED
    return f"the history failed: {name or type(error).__name__}", "report it"


def _server(error: Any) -> Told:
    state = getattr(error, "sqlstate", None) or ""
    known = [_STATES[each] for each in (state, state[:2]) if each in _STATES]
    if known:
        return known[0]
    text = str(error).lower()
    found = next((told for sign, told in _SAID if sign in text), None)
    return found or (f"the history failed: {state or type(error).__name__}", "report it")
