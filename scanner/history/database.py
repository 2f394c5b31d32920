"""Where a history is: an SQLite file, or a PostgreSQL database; and connections to it that wait for each other."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from scanner.config.settings import masked
from scanner.errors import HistoryError
from scanner.history.faults import HELD, fault

WAIT = 30
"""Seconds that a connection waits for another process that writes."""
CONNECT = 10
"""Seconds that a server has to answer."""
LOCK = 0x54774C6B
"""PostgreSQL's advisory lock that whoever writes a history holds to the end of its transaction."""
SERVER = "postgresql+psycopg"


@dataclass(slots=True)
class Place:
    """A history's place. `shown` names it without a password; `at` says how it was given, for errors.

    `may_create`: whether a file that is not there may be made; `vfs` is SQLite's, for tests of odd file systems.
    """

    shown: str
    at: str
    path: Path | None = None
    url: URL | None = None
    may_create: bool = True
    vfs: str = ""
    engine: Engine = field(init=False)

    @property
    def where(self) -> str:
        """`at` of an error."""
        if not self.at or self.at in self.shown:
            return self.shown
        return self.at if self.shown in self.at else f"{self.shown} ({self.at})"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that sees one state."""
        with self._connected(write=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection that holds the history alone from here to its commit."""
        before = self._inode()
        with self._connected(write=True) as connection:
            if self.path is None:
                connection.execute(text(f"SET LOCAL lock_timeout = '{WAIT}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            yield connection
        if self._inode() != before and before is not None:
            raise self.error("the history was deleted, or replaced, while this scan was written to it")

    @contextmanager
    def _connected(self, *, write: bool) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                connection.execution_options(write=write)
                if self.path is None and not write:
                    connection.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    yield connection
        except DBAPIError as error:
            raise fault(error, self.where, self.path, may_create=self.may_create) from error

    def _inode(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat() if self.path is not None else None
        except OSError:
            return None
        return None if found is None else (found.st_dev, found.st_ino)

    def raw(self, statement: str) -> Any:
        """Run a statement outside of any transaction; the first value that it answers."""
        try:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                found = connection.exec_driver_sql(statement)
                return found.scalar() if found.returns_rows else None
        except DBAPIError as error:
            raise fault(error, self.where, self.path, may_create=self.may_create) from error

    def log_ahead(self) -> str:
        """Let an SQLite file have a write-ahead log, so that nobody who reads waits; the mode that it has then. Where
        two processes want that at once SQLite refuses one of them, and does not wait by itself.
        """
        end = time.monotonic() + WAIT
        while True:
            try:
                return str(self.raw("PRAGMA journal_mode = WAL"))
            except HistoryError as error:
                if error.what != HELD[0] or time.monotonic() > end:
                    raise
            time.sleep(0.02)

    def error(self, what: str, do: str = "") -> HistoryError:
        return HistoryError(what, at=self.where, do=do)

    def close(self) -> None:
        self.engine.dispose()


def place(url: str, *, at: str = "", create: bool = True, vfs: str = "") -> Place:
    """The place that a URL or a bare path names; nothing is opened. HistoryError for what is neither."""
    if "://" not in url:
        return _file(url, at, create, vfs)
    if url.startswith("sqlite://"):
        name = url.removeprefix("sqlite://")
        if not name.startswith("/") or not name[1:] or name[1:] == ":memory:":
            raise HistoryError("this names no file", at=at, do="write sqlite:///history.db, or the path alone")
        return _file(name[1:], at, create, vfs)
    return _server(url, at)


def _file(name: str, at: str, create: bool, vfs: str) -> Place:
    if not name or name == ":memory:":
        raise HistoryError("this names no file", at=at, do="write the path of a file, such as history.db")
    path = Path(name)
    found = Place(name, at, path=path, may_create=create, vfs=vfs)
    try:
        _fits(found, path)
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise found.error(
            f"the history cannot be reached: {said}", "let this account enter the folders of it"
        ) from error
    found.engine = create_engine("sqlite://", creator=lambda: _sqlite(found), poolclass=NullPool, hide_parameters=True)
    event.listen(found.engine, "begin", _begin)
    return found


def _fits(found: Place, path: Path) -> None:
    if not path.parent.is_dir():
        raise found.error(f"there is no folder {path.parent} for the history", f"mkdir -p {path.parent}")
    if path.is_dir():
        raise found.error("this is a folder, not a history", f"give a file in it: {path / 'history.db'}")
    if not found.may_create and not path.exists():
        raise found.error("there is no history here", f"a scan makes one: twolocks scan --history {found.shown}")


def _sqlite(found: Place) -> sqlite3.Connection:
    assert found.path is not None
    mode = "rwc" if found.may_create else "rw"
    uri = f"file:{quote(str(found.path.absolute()))}?mode={mode}" + (f"&vfs={found.vfs}" if found.vfs else "")
    connection = sqlite3.connect(uri, uri=True, timeout=WAIT, isolation_level=None)
    try:
        # One commit a night: what it costs to be sure of it after a power cut is one sync.
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _server(given: str, at: str) -> Place:
    scheme = given.split("://", 1)[0]
    if scheme != SERVER:
        do = f"write a file's path, or {SERVER}://host/database"
        raise HistoryError(f'no history is kept in "{scheme}"', at=at, do=do)
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise HistoryError("this is no URL of a database", at=at, do=f"write {SERVER}://host/database") from None
    found = Place(masked(given), at, url=url)
    arguments = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT}
    try:
        found.engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
    except ImportError:
        raise found.error("psycopg is not installed", "pip install '.[postgres]', in a clone of twolocks") from None
    return found
