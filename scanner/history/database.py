"""The database of a history, an SQLite file or a PostgreSQL database: its transactions, and the state of its schema."""

import os
import secrets
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import Struct
from sqlalchemy import URL, Connection, Engine, column, create_engine, event, inspect, make_url, select, table, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from scanner.errors import HistoryError
from scanner.history.errors import LOCKED, history_error
from scanner.history.tables import APPLICATION_ID, MARK, REVISION, VERSION_TABLE, marker, metadata, version
from scanner.history.token_hosts import check_hosts
from scanner.store.temporary import mode_of_new
from scanner.text.urls import BadUrl, check_url, has_password, masked_url

LOCK_SECONDS = 30
"""The time that a connection waits for another process that writes."""
CONNECT_SECONDS = 10
"""The time that a server has to answer."""
ADVISORY_LOCK = 0x54774C6B
"""PostgreSQL's advisory lock that a writer of a history holds to the end of its transaction."""
SERVER = "postgresql+psycopg"
MIGRATIONS = Path(__file__).parent / "migrations"


class UnknownWord(ValueError):
    """A row has a word that this version does not know."""


@dataclass(slots=True)
class Database:
    """The database of a history. `shown` names it without a password; `at` says how it was given, for errors."""

    shown: str
    at: str
    path: Path | None = None
    url: URL | None = None
    may_create: bool = True
    """Whether a file that does not exist may be made. `vfs` is SQLite's, for tests of unusual file systems."""
    vfs: str = ""
    engine: Engine = field(init=False)

    @property
    def where(self) -> str:
        """The place that errors name."""
        if not self.at or self.at in self.shown:
            return self.shown
        return self.at if self.shown in self.at else f"{self.shown} ({self.at})"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Return a connection in a transaction that sees one state."""
        with self._connected(write=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Return a connection that no other writer can follow until its commit."""
        before = self._inode()
        with self._connected(write=True) as connection:
            if self.path is None:
                connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            yield connection
        if self._inode() != before and before is not None:
            raise self.error("the history was deleted or replaced while this scan was written to it")

    @contextmanager
    def _connected(self, *, write: bool) -> Iterator[Connection]:
        with self._errors(), self.engine.connect() as connection:
            connection.execution_options(write=write)
            if self.path is None and not write:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise history_error(error, self.where, self.path, may_create=self.may_create) from error
        except UnknownWord as error:
            raise self.error(
                f"the history is damaged: {error}", "restore it from a backup, or upgrade twolocks"
            ) from None

    def _inode(self) -> tuple[int, int] | None:
        try:
            stat_result = self.path.stat() if self.path is not None else None
        except OSError:
            return None
        return None if stat_result is None else (stat_result.st_dev, stat_result.st_ino)

    def run_alone(self, statement: str) -> Any:
        """Run a statement outside of any transaction, and return the first value of its answer."""
        with self._errors(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            result = connection.exec_driver_sql(statement)
            return result.scalar() if result.returns_rows else None

    def enable_wal(self) -> str:
        """Give an SQLite file a write-ahead log, so that readers do not wait, and return its journal mode then.

        It is tried again here because SQLite refuses one of two processes that want it at once, and does not wait.
        """
        end = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return str(self.run_alone("PRAGMA journal_mode = WAL"))
            except HistoryError as error:
                if error.what != LOCKED[0] or time.monotonic() > end:
                    raise
            time.sleep(0.02)

    def error(self, what: str, do: str = "") -> HistoryError:
        """Return an error that names this database."""
        return HistoryError(what, at=self.where, do=do)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def database_at(
    url: str, *, at: str = "", create: bool = True, vfs: str = "", token_hosts: Collection[str] = ()
) -> Database:
    """Return the database that a URL or a path names, without opening it. Raises HistoryError for any other text.

    `token_hosts`: the hosts outside of Azure that may get a token as the password. Raises InputError for others.
    """
    if "://" not in url:
        if has_password(url):
            do = f"write {SERVER}://host/database; a file with such a name as sqlite:///NAME"
            raise HistoryError("the URL of the history has no scheme", at=at, do=do)
        return _file(url, at, create, vfs)
    if url.startswith("sqlite://"):
        name = url.removeprefix("sqlite://")
        if not name.startswith("/") or not name[1:] or name[1:] == ":memory:":
            raise HistoryError("no file name", at=at, do="write sqlite:///history.db, or the path alone")
        return _file(name[1:], at, create, vfs)
    return _server(url, at, token_hosts)


def _file(name: str, at: str, create: bool, vfs: str) -> Database:
    if not name or name == ":memory:":
        raise HistoryError("no file name", at=at, do="write the path of a file, such as history.db")
    path = Path(name)
    database = Database(name, at, path=path, may_create=create, vfs=vfs)
    try:
        _check_path(database, path)
    except OSError as error:
        message = (error.strerror or type(error).__name__).lower()
        raise database.error(
            f"the history cannot be reached: {message}", "give this account access to its folders"
        ) from error
    database.engine = create_engine(
        "sqlite://", creator=lambda: _connect(database), poolclass=NullPool, hide_parameters=True
    )
    event.listen(database.engine, "begin", _begin)
    return database


def _check_path(database: Database, path: Path) -> None:
    if not path.parent.is_dir():
        raise database.error(f"folder {path.parent} of the history does not exist", f"mkdir -p {path.parent}")
    if path.is_dir():
        raise database.error("this is a folder, not a history", f"give a file in it: {path / 'history.db'}")
    if not database.may_create and not path.exists():
        raise database.error("no history exists here", f"a scan creates one: twolocks scan --history {database.shown}")


def _connect(database: Database) -> sqlite3.Connection:
    assert database.path is not None
    mode = "rwc" if database.may_create else "rw"
    if database.may_create:
        with suppress(OSError):  # what SQLite says about it is clearer
            os.close(os.open(database.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode_of_new(database.path)))
    uri = f"file:{quote(os.fsencode(database.path.absolute()))}?mode={mode}" + (
        f"&vfs={database.vfs}" if database.vfs else ""
    )
    connection = sqlite3.connect(uri, uri=True, timeout=LOCK_SECONDS, isolation_level=None)
    try:
        # A scan makes one commit. To keep it after a power cut costs one sync.
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _is_host(name: str) -> bool:
    """Return whether a name can be looked up. `socket.getaddrinfo` raises UnicodeError for any other."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def _server(given: str, at: str, token_hosts: Collection[str]) -> Database:
    scheme = given.split("://", 1)[0]
    if scheme != SERVER:
        do = f"write a file's path, or {SERVER}://host/database"
        raise HistoryError(f'a history cannot be kept in "{scheme}"', at=at, do=do)
    try:
        check_url(given)
        url = make_url(given)
    except BadUrl as error:
        raise HistoryError(f"the URL of the history cannot be used: {error}", at=at, do=error.do) from None
    except (ArgumentError, ValueError):
        raise HistoryError("not a database URL", at=at, do=f"write {SERVER}://host/database") from None
    if not all(map(_is_host, (url.host or "").split(","))):
        raise HistoryError(f'"{url.host}" is not a host name', at=at, do=f"write {SERVER}://host/database")
    database = Database(masked_url(given), at, url=url)
    arguments = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS}
    try:
        database.engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
    except ImportError:
        raise database.error("psycopg is not installed", "pip install '.[postgres]', in a clone of twolocks") from None
    check_hosts(url, os.environ, token_hosts, database.where)
    return database


# The schema


class SchemaState(Struct, frozen=True):
    """What a database holds: no history (`revision` is ""), or a history with its random id and its revision."""

    id: str = ""
    revision: str = ""

    @property
    def is_outdated(self) -> bool:
        """Whether this version knows a newer revision."""
        return self.revision != revisions()[-1]


def revisions() -> list[str]:
    """Return the schema revisions that this version knows, the oldest first."""
    return sorted(path.stem.removeprefix("v") for path in (MIGRATIONS / "versions").glob("v*.py"))


def schema_state(connection: Connection, database: Database) -> SchemaState:
    """Return what a database holds.

    Raises HistoryError database it belongs to another program, is damaged, or is newer than this version.
    """
    names = set(inspect(connection).get_table_names())
    application = 0
    if database.path is not None:
        application = connection.execute(text("PRAGMA application_id")).scalar() or 0
    if marker.name not in names:
        _refuse_foreign(names, application, database)
        return SchemaState()
    row = connection.execute(select(marker.c.application, marker.c.id)).first()
    if row is None or row.application != MARK or VERSION_TABLE not in names:
        raise database.error("the history is damaged", "restore it from a backup, or start a new one")
    revision = connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar() or ""
    if revision not in revisions():
        raise _unknown_revision(revision, database)
    return SchemaState(row.id, revision)


def _unknown_revision(revision: str, database: Database) -> HistoryError:
    """Return the error for a revision that this version has no migration from."""
    known = [int(each) for each in revisions()]
    if not revision.isdecimal():
        return database.error(
            f'the history has an unknown schema "{revision}"', "restore it from a backup, or start a new one"
        )
    number = int(revision)
    if number > known[-1]:
        return database.error(
            f"the history has schema {number}; this version supports up to {known[-1]}", "upgrade twolocks"
        )
    advice = "move this file away" if database.path is not None else "give another database"
    return database.error(
        f"the history has schema {number}, of a version before the first release; this version supports "
        f"{known[0]} and later",
        f"start a new history: {advice}, then scan; nothing is new in its first scan",
    )


def _refuse_foreign(names: set[str], application: int, database: Database) -> None:
    """Raise HistoryError database a file has any table, or a server's database has tables with the names of ours."""
    if database.path is not None and (names or application):
        if application == APPLICATION_ID:
            raise database.error("the history is damaged", "restore it from a backup, or start a new one")
        raise database.error("this is a database of another program", "give another file; a scan creates a new history")
    if taken := sorted(names & {*metadata.tables, VERSION_TABLE}):
        raise database.error(
            f"the database has tables of another program: {', '.join(taken)}",
            "give the history its own database, or a schema: add ?options=-csearch_path%3DSCHEMA",
        )


def upgrade_schema(connection: Connection, database: Database, to: str = "head") -> SchemaState:
    """Bring the tables to a revision, inside the caller's transaction, so that all of it happens or nothing.

    A new history gets the newest tables at once, and needs no Alembic.
    """
    now = schema_state(connection, database)
    if not now.id:
        metadata.create_all(connection, [marker])
        connection.execute(marker.insert(), {"application": MARK, "id": secrets.token_hex(16)})
        if database.path is not None:
            connection.execute(text(f"PRAGMA application_id = {APPLICATION_ID}"))
        if to == "head" and revisions()[-1] == REVISION:
            metadata.create_all(connection)
            version.create(connection)
            connection.execute(version.insert(), {"version_num": REVISION})
            return schema_state(connection, database)
    if now.is_outdated:
        from alembic import command
        from alembic.config import Config

        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        command.upgrade(config, to)
    return schema_state(connection, database)
