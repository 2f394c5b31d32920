"""Messages for the errors of database drivers. None holds a password or a statement."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from scanner.errors import HistoryError

Message = tuple[str, str]
"""What is wrong, and what to do."""

LOCKED = ("another process has locked the history for 30 s", "run again when the other scan has ended")
_READ_ONLY = (
    "no permission to write the history",
    "give this account write access to the file and its folder",
)
_FULL = ("no space is left for the history", "free space, then run again")
_DAMAGED = ("the history is damaged", "restore it from a backup, or start a new one")
_GONE = ("the history was deleted or moved while this command ran", "restore it, then run again")
_DISCONNECTED = ("the connection to the history's server was lost", "run again when the server is available")
_UNREACHABLE = (
    "the history's server does not respond",
    "check that it runs and that this machine can connect to it",
)

_SQLITE_ERRORS: dict[str, Message] = {
    "SQLITE_BUSY": LOCKED,
    "SQLITE_LOCKED": LOCKED,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_PERM": _READ_ONLY,
    "SQLITE_READONLY_DBMOVED": _GONE,
    "SQLITE_FULL": _FULL,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": ("this file is not a database", "give another file; a scan creates a new history"),
    "SQLITE_IOERR": ("the disk of the history failed", "check the disk and the file system, then run again"),
    "SQLITE_PROTOCOL": ("this file system cannot lock the history", "keep it on a local disk, or in PostgreSQL"),
}
_SQLSTATES: dict[str, Message] = {
    "08": _UNREACHABLE,
    "25006": ("the history's server is read-only", "connect to the primary, not to a replica"),
    "28": (
        "the history's server refused this login",
        "check user and password: PGUSER, PGPASSWORD, pgpass or TWOLOCKS_SCAN_HISTORY",
    ),
    "3D000": ("the history's database does not exist on the server", "createdb, then: twolocks history upgrade"),
    "3F000": ("the schema in search_path does not exist", "CREATE SCHEMA, then: twolocks history upgrade"),
    "42501": ("this login has no permission on the history", "grant it USAGE and CREATE on the schema, and its tables"),
    "42703": _DAMAGED,
    "42P01": ("the tables of the history were dropped while this command ran", "twolocks history upgrade"),
    "53100": _FULL,
    "53": ("the history's server has no free connection", "run again later"),
    "55P03": LOCKED,
    "57014": ("the history's server cancelled the query", "run again; statement_timeout may be too short"),
    "57": _DISCONNECTED,
    "XX001": _DAMAGED,
}
_TEXTS: tuple[tuple[str, Message], ...] = (
    ("resolve host", ("the history's server was not found", "check the host name")),
    ("translate host name", ("the history's server was not found", "check the host name")),
    ("name or service not known", ("the history's server was not found", "check the host name")),
    ("no password supplied", _SQLSTATES["28"]),
    ("authentication failed", _SQLSTATES["28"]),
    ("no pg_hba.conf entry", _SQLSTATES["28"]),
    ("does not exist", _SQLSTATES["3D000"]),
    ("too many clients", _SQLSTATES["53"]),
    ("timeout", _UNREACHABLE),
    ("refused", _UNREACHABLE),
    ("closed", _DISCONNECTED),
    ("terminat", _DISCONNECTED),
    ("lost", _DISCONNECTED),
)


def history_error(error: DBAPIError, at: str, path: Path | None, *, may_create: bool = False) -> HistoryError:
    """Return the error for what a driver raised. `may_create`: the file at `path` need not have existed."""
    what, do = _of_sqlite(error.orig, may_create or path.exists()) if path is not None else _of_server(error.orig)
    return HistoryError(what, at=at, do=do)


def _of_sqlite(error: BaseException | None, exists: bool) -> Message:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_CANTOPEN"):
        return _READ_ONLY if exists else _GONE
    known = [_SQLITE_ERRORS[each] for each in (name, "_".join(name.split("_")[:2])) if each in _SQLITE_ERRORS]
    if known:
        return known[0]
    if isinstance(error, sqlite3.OperationalError) and ("no such" in str(error) or "no column" in str(error)):
        return _DAMAGED
    return f"the history failed: {name or type(error).__name__}", "report it"


def _of_server(error: Any) -> Message:
    state = getattr(error, "sqlstate", None) or ""
    known = [_SQLSTATES[each] for each in (state, state[:2]) if each in _SQLSTATES]
    if known:
        return known[0]
    text = str(error).lower()
    known_text = next((message for sign, message in _TEXTS if sign in text), None)
    return known_text or (f"the history failed: {state or type(error).__name__}", "report it")
