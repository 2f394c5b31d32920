"""The schema: up from every earlier version with data in it, all or nothing, and the same as the code's tables."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Boolean, Connection, Integer, MetaData, Table, inspect, select, text

from scanner.errors import HistoryError
from scanner.history import database as schema
from scanner.history.database import Database, database_at
from scanner.history.queries import upgrade
from scanner.history.store import History
from scanner.history.tables import REVISION, TABLES, VERSION_TABLE, marker, metadata
from tests.history.runs import SUB, expected, scheduled_run
from tests.history.server import Server

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "{to}"
down_revision = "{of}"


def upgrade() -> None:
    with op.batch_alter_table("items") as items:
        items.add_column(sa.Column("colour", sa.Text, nullable=False, server_default="red"))
        items.alter_column("title", new_column_name="name")
    {more}
"""
TODAY = int(schema.revisions()[-1])


@contextmanager
def opened(url: str) -> Iterator[tuple[Database, Connection]]:
    where = database_at(url)
    with where.writing() as connection:
        yield where, connection
    where.close()


def fill(connection: Connection) -> None:
    """Three rows in each table that there is, whatever columns it has."""
    tables = MetaData()
    tables.reflect(connection)
    for table in tables.sorted_tables:
        if table.name not in (VERSION_TABLE, marker.name):
            connection.execute(table.insert(), [_row(table, number) for number in (1, 2, 3)])


def _row(table: Table, number: int) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for column in table.columns:
        word = f"{column.name} {number}"
        row[column.name] = number if isinstance(column.type, Integer) else word
        if isinstance(column.type, Boolean):
            row[column.name] = number == 2
    return row


def content(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    tables = MetaData()
    tables.reflect(connection)
    return {
        table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
        for table in tables.sorted_tables
        if table.name != VERSION_TABLE
    }


def test_an_empty_database_gets_the_tables_of_the_migrations(empty: str) -> None:
    with opened(empty) as (where, connection):
        assert schema.upgrade_schema(connection, where, schema.revisions()[-1]).revision == REVISION
    with History.open(empty) as history:
        assert scheduled_run(history, 1) == expected(1)[1]


def test_the_migrations_make_what_the_code_expects(url: str) -> None:
    with opened(url) as (where, connection):
        schema.upgrade_schema(connection, where, schema.revisions()[-1])
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def described(connection: Connection) -> dict[str, Any]:
    """Return everything that decides what the tables take and how they are kept, but the order of columns."""
    document: dict[str, Any] = {}
    tables = inspect(connection)
    for name in tables.get_table_names():
        columns = {
            each["name"]: [str(each["type"]), each["nullable"], each["default"]] for each in tables.get_columns(name)
        }
        key, foreign = tables.get_pk_constraint(name), tables.get_foreign_keys(name)
        unique, indexes = tables.get_unique_constraints(name), tables.get_indexes(name)
        document[name] = [columns, key, *(sorted(each, key=str) for each in (foreign, unique, indexes))]
    kept = "SELECT relname, reloptions FROM pg_class WHERE relkind = 'r' AND reloptions IS NOT NULL ORDER BY relname"
    if connection.dialect.name == "sqlite":
        kept = "SELECT name, sql LIKE '%WITHOUT ROWID' FROM sqlite_master WHERE type = 'table' ORDER BY name"
    return {**document, "": [tuple(each) for each in connection.execute(text(kept))]}


def test_a_new_history_has_the_tables_that_the_migrations_make(url: str) -> None:
    with opened(url) as (where, connection):
        made = schema.upgrade_schema(connection, where)
        new = described(connection)
        assert made.revision == schema.revisions()[-1] == REVISION
        connection.rollback()
    with opened(url) as (where, connection):
        schema.upgrade_schema(connection, where, schema.revisions()[-1])
        assert described(connection) == new
        assert len(new) == len(TABLES) + 3


def test_a_new_history_needs_no_alembic(tmp_path: Path) -> None:
    code = """
import sys
from scanner.history.store import History
History.open(sys.argv[1]).close()
print("alembic" in sys.modules)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "h.db")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"


def test_revisions_follow_each_other() -> None:
    matches = schema.revisions()
    assert matches == [f"{number:04}" for number in range(7, len(matches) + 7)]


@pytest.mark.parametrize("revision", ["0001", "0006", "0000"])
def test_a_history_from_before_the_first_release_is_refused(url: str, server: Server, revision: str) -> None:
    """Its tables may look like those of the first release: its version alone decides."""
    with History.open(url) as history:
        scheduled_run(history, 1)
    give_revision(url, server, revision)
    for ask in (History.open, upgrade):
        with pytest.raises(HistoryError) as caught:
            ask(url)
        number = int(revision)
        assert caught.value.what == (
            f"the history has schema {number}, of a version before the first release; this version supports "
            f"{schema.revisions()[0].lstrip('0')} and later"
        )
        advice = "give another database" if "://" in url else "move this file away"
        assert caught.value.do == f"start a new history: {advice}, then scan; nothing is new in its first scan"
    give_revision(url, server, schema.revisions()[0])
    with History.open(url) as history:
        assert history.known({SUB}) == expected(1)[0]


@pytest.mark.parametrize("revision", ["", "head", "a1b2c3d4"])
def test_a_history_of_an_unknown_schema_is_refused(url: str, server: Server, revision: str) -> None:
    History.open(url).close()
    give_revision(url, server, revision)
    for ask in (History.open, upgrade):
        with pytest.raises(HistoryError) as caught:
            ask(url)
        assert caught.value.what == f'the history has an unknown schema "{revision}"'
        assert caught.value.do == "restore it from a backup, or start a new one"


def give_revision(url: str, server: Server, revision: str) -> None:
    """Write a revision into a history."""
    statement = f"UPDATE twolocks_schema SET version_num = '{revision}'"
    if "://" in url:
        server.run(statement, url.rsplit("/", 1)[1])
        return
    with closing(sqlite3.connect(url)) as raw:
        raw.executescript(statement)


# A version to come


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version of this program that knows one revision more; its file."""
    folder = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    last = schema.revisions()[-1]
    following = f"{int(last) + 1:04}"
    file = folder / "versions" / f"v{following}.py"
    file.write_text(NEXT.format(of=last, to=following, more=""))
    monkeypatch.setattr(schema, "MIGRATIONS", folder)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    return file


def start(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history as this version leaves it."""
    with monkeypatch.context() as today:
        today.setattr(schema, "MIGRATIONS", Path(schema.__file__).parent / "migrations")
        if "://" in url:
            upgrade(url)
        with History.open(url) as history:
            scheduled_run(history, 1)


def test_up_from_the_version_before_with_data_in_it(url: str, newer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as today:
        today.setattr(schema, "MIGRATIONS", Path(schema.__file__).parent / "migrations")
        History.open(url).close()
    with opened(url) as (_, connection):
        fill(connection)
        before = content(connection)
    assert upgrade(url) == (TODAY, TODAY + 1)
    with opened(url) as (_, connection):
        after = content(connection)
    for row in before["items"]:
        row["name"] = row.pop("title")
    assert after == {**before, "items": [row | {"colour": "red"} for row in before["items"]]}


def test_a_file_is_upgraded_by_opening_it(file: Path, newer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(str(file), monkeypatch)
    History.open(str(file)).close()
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("SELECT count(*), max(colour), max(name) > '' FROM items").fetchone() == (
            len(expected(1)[0]), "red", 1,
        )  # fmt: skip
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        assert raw.execute("SELECT version_num FROM twolocks_schema").fetchall() == [(newer.stem[1:],)]


def test_a_server_is_upgraded_by_a_command(server: Server, newer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = server.database()
    url = server.url(name)
    start(url, monkeypatch)
    with pytest.raises(HistoryError) as caught:
        History.open(url)
    assert caught.value.what == f"the history has schema {TODAY}; this version needs {TODAY + 1}"
    assert caught.value.do == "twolocks history upgrade"
    assert upgrade(url) == (TODAY, TODAY + 1)
    assert server.run("SELECT count(*), max(colour) FROM items", name) == [(len(expected(1)[0]), "red")]


def test_a_history_that_was_upgraded_during_a_scan_is_not_written(
    url: str, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(url, monkeypatch)
    with monkeypatch.context() as today:
        today.setattr(schema, "MIGRATIONS", Path(schema.__file__).parent / "migrations")
        history = History.open(url)
    upgrade(url)
    with history, pytest.raises(HistoryError, match="the history was replaced by another one"):
        scheduled_run(history, 2)


def test_a_migration_that_fails_leaves_the_old_version_whole(
    url: str, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(url, monkeypatch)
    newer.write_text(NEXT.format(of=f"{TODAY:04}", to=f"{TODAY + 1:04}", more="raise ZeroDivisionError"))
    with pytest.raises(ZeroDivisionError):
        upgrade(url)
    monkeypatch.setattr(schema, "MIGRATIONS", Path(schema.__file__).parent / "migrations")
    with History.open(url) as history:
        assert history.known({SUB}) == expected(1)[0]
        assert scheduled_run(history, 2) == expected(2)[1]


def test_kill_9_while_migrating(file: Path, newer: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """From nothing, and from the version before: what is there is the old version, or the new one, and whole."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    History.open(str(file.with_name("warm.db"))).close()
    seen = set()
    for round in range(24):
        path = file.with_name(f"{round}.db")
        if round % 2:
            start(str(path), monkeypatch)
        child = os.fork()
        if child == 0:
            try:
                History.open(str(path)).close()
            finally:
                os._exit(0)
        time.sleep(chance.uniform(0, 0.12))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if path.exists():
            with closing(sqlite3.connect(path)) as raw:
                assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                tables = raw.execute("SELECT name FROM sqlite_master WHERE name = 'twolocks_schema'").fetchall()
                seen.add(raw.execute("SELECT version_num FROM twolocks_schema").fetchall()[0][0] if tables else "")
        with closing(sqlite3.connect(path)) as raw:
            columns = {row[1] for row in raw.execute("PRAGMA table_info(items)")}
        assert not columns or ("colour" in columns) == ("title" not in columns)
        History.open(str(path)).close()
        with closing(sqlite3.connect(path)) as raw:
            assert raw.execute("SELECT count(*) FROM items").fetchone() == (len(expected(1)[0]) * (round % 2),)
            assert raw.execute("SELECT version_num FROM twolocks_schema").fetchall() == [(f"{TODAY + 1:04}",)]
            assert raw.execute("SELECT name FROM sqlite_master WHERE name LIKE '_alembic%'").fetchall() == []
    print(f"found after the kills: {sorted(seen)}")
