"""The schema: up from every earlier version with data in it, all or nothing, and the same as the code's tables."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from msgspec.structs import replace
from sqlalchemy import Boolean, Connection, Integer, MetaData, Table, inspect, select, text

from scanner.document.schema import finding_fingerprint
from scanner.errors import HistoryError
from scanner.history import database as schema
from scanner.history import notified
from scanner.history.compare import EvaluatedBefore, compare
from scanner.history.database import Database, database_at
from scanner.history.items import Changes, Item, ItemKey, ScanRecord
from scanner.history.observation import Observation, ScanCoverage
from scanner.history.queries import upgrade
from scanner.history.store import History
from scanner.history.tables import REVISION, TABLES, VERSION_TABLE, marker, metadata
from scanner.rulebook.renamed import renamed
from tests.history.runs import SUB, expected, item, scan, scheduled_run, taken
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
EARLIER = ["", *schema.revisions()[:-1]]
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


@pytest.mark.parametrize("revision", EARLIER, ids=lambda revision: revision or "nothing")
def test_up_from_every_earlier_version_with_data_in_it(empty: str, revision: str) -> None:
    before: dict[str, list[dict[str, Any]]] = {}
    with opened(empty) as (where, connection):
        if revision:
            schema.upgrade_schema(connection, where, revision)
            fill(connection)
            before = content(connection)
    with opened(empty) as (where, connection):
        assert schema.upgrade_schema(connection, where).revision == schema.revisions()[-1]
        there = content(connection)
    for name, rows in before.items():
        for old, new in zip(rows, there.get(name, rows), strict=True):
            assert {key: new.get(key, value) for key, value in old.items()} == old
    with History.open(empty) as history:
        scheduled_run(history, 1)


# Revision 3: new ids of rules

RULES = [*renamed().items(), ("storage-plain-http", "storage-plain-http")]
OLD, NEW = [old for old, _ in RULES], [new for _, new in RULES]
FILTER = "all only=storage-shared-key only=aks-no-entra skip=category:logging skip=sql-auditing-off"
FILTER_NOW = (
    "all only=aks-entra-disabled only=storage-shared-key-enabled skip=category:logging skip=sql-auditing-disabled"
)


def findings(rules: Iterable[str], number: int) -> list[Item]:
    """Return a finding of each rule, each on a resource of its own, and an exposure."""
    found = [item(0, number)]
    for place, rule in enumerate(rules):
        one = item(2 * place + 1, number, rule=rule)
        found.append(msgspec.structs.replace(one, fingerprint=finding_fingerprint(rule, one.resource)))
    return found


def scanned(history: History, number: int, rules: list[str], items: list[Item], selection: str = "all") -> Changes:
    """Record a scan that evaluated rules on everything that is known, and saw these items."""

    def comparison_of(known: Mapping[ItemKey, Item], before: EvaluatedBefore, last: ScanRecord | None) -> Changes:
        observation = Observation(known, taken(number))
        observation.items = {each.key: each for each in items}
        for each in known.values():
            if each.rule:
                observation.resource(each.resource)
                observation.passed(each.resource, rules)
        return compare(known, observation, ScanCoverage({SUB}, set(rules), set()), before)

    words = frozenset({*rules, "microsoft.storage/storageaccounts"})
    return history.record(replace(scan(number), rules_and_types=words, selection=selection), comparison_of)


@contextmanager
def under_old_ids(url: str, revision: str) -> Iterator[History]:
    """A history of a revision, as the version of it had it open. It has the columns that today's code writes."""
    with opened(url) as (where, connection):
        state = schema.upgrade_schema(connection, where, revision)
        connection.execute(text("ALTER TABLE scans ADD COLUMN unknown INTEGER"))
    with History(database_at(url), state) as history:
        yield history
    with opened(url) as (_, connection):
        connection.execute(text("ALTER TABLE scans DROP COLUMN unknown"))


BEFORE = [revision for revision in EARLIER if "" < revision < "0003"]


@pytest.mark.parametrize("revision", BEFORE)
def test_findings_of_renamed_rules_are_neither_new_nor_fixed(empty: str, revision: str) -> None:
    with under_old_ids(empty, revision) as history:
        scanned(history, 1, OLD, findings(OLD, 1))
        if revision >= "0002":
            notified.start(history, ["ops"], "all")
        scanned(history, 2, OLD, [each for each in findings(OLD, 2) if each.rule not in OLD[:3]])
        late = [each for each in findings(OLD, 3) if each.rule != OLD[1]]
        scanned(history, 3, OLD, late)
        if revision >= "0002":
            notified.mark_reported(history, "ops", "all", scan(3).id, [each.key for each in late[1:2]])
        scanned(history, 4, OLD, late, FILTER)
        known = history.known({SUB})
    with opened(empty) as (_, connection):
        before = content(connection)
    upgrade(empty)
    with opened(empty) as (_, connection):
        after = content(connection)
    names = before.keys() & after.keys()
    assert {name: len(before[name]) for name in names} == {name: len(after[name]) for name in names}
    assert {name for name in names if before[name] != after[name]} == {"items", "looks", "scans"}
    assert not [old for old in renamed() if f"'{old}'" in repr(after)]
    with History.open(empty) as history:
        now = history.known({SUB})
        assert len(now) == len(known)
        assert {each.fingerprint for each in now.values() if each.rule} == {
            finding_fingerprint(each.rule, each.resource) for each in now.values() if each.rule
        }
        assert history.evaluated_before()(now[findings(NEW, 1)[1].key].resource, NEW[0])
        assert [row.taken for row in history.trend(FILTER_NOW)] == [taken(4)]
        seen = [each for each in findings(NEW, 5) if each.rule != NEW[1]]
        same = scanned(history, 5, NEW, seen, FILTER_NOW)
        assert (same.changed, len(same.unchanged)) == ([], len(seen))
        changes = scanned(history, 6, NEW, findings(NEW[:-1], 6))
        assert [(each.kind.value, each.item.rule) for each in changes.changed] == [
            (kind, rule) for _, kind, rule in sorted(
                (each.key, "reopened" if each.rule == NEW[1] else "fixed", each.rule)
                for each in findings(NEW, 6) if each.rule in (NEW[1], NEW[-1])
            )
        ]  # fmt: skip
        assert {each.since for each in history.known({SUB}).values()} == {taken(1)}


def test_what_was_reported_under_an_old_id_is_not_reported_again(empty: str) -> None:
    one, two = findings(OLD[:2], 2)[1:]
    with under_old_ids(empty, "0002") as history:
        scanned(history, 1, OLD, [])
        notified.start(history, ["ops"], FILTER)
        scanned(history, 2, OLD, [one, two])
        notified.mark_reported(history, "ops", "all", scan(2).id, [one.key])
    upgrade(empty)
    with History.open(empty) as history:
        last = scanned(history, 3, NEW, findings(NEW[:2], 3)[1:], FILTER_NOW)
        assert last.changed == []
        missed = notified.reported(history, "ops", FILTER_NOW, scan(3).id, {SUB}).missed
    assert [(each.kind.value, each.item.rule) for each in missed] == [("new", NEW[1])]


def test_a_finding_that_is_stored_under_both_ids_becomes_one(empty: str) -> None:
    old, new = findings(OLD[:2], 1), findings(NEW[:2], 3)
    with under_old_ids(empty, "0002") as history:
        scanned(history, 1, OLD, old)
        scanned(history, 2, OLD, old[:2])
        scanned(history, 3, NEW, new[:2])
        for name, key in (("ops", old[1].key), ("ops", new[1].key), ("mail", old[1].key)):
            notified.mark_reported(history, name, "all", scan(3).id, [key])
    upgrade(empty)
    with opened(empty) as (_, connection):
        there = content(connection)
    with History.open(empty) as history:
        known = history.known({SUB})
        assert sorted((each.rule, each.since, each.state) for each in known.values()) == [
            ("", taken(1), "open"), (NEW[0], taken(1), "open"), (NEW[1], taken(1), "fixed"),
        ]  # fmt: skip
        number = next(row["number"] for row in there["items"] if row["rule"] == NEW[0])
        assert [row["scan"] for row in there["events"] if row["item"] == number] == [1, 3]
        assert [(row["name"], row["item"]) for row in there["told"]] == [("mail", number), ("ops", number)]
        assert {row["scan"] for row in there["looks"]} == {1}
        assert scanned(history, 4, NEW, new[:2]).changed == []


def test_a_lock_finding_of_an_earlier_version_is_not_counted_before_it_is_seen_again(empty: str) -> None:
    """It may name an endpoint, which is counted in its place."""
    locks = [item(1, 1, rule="subnet-no-nsg", category="network"), item(3, 1, rule="sql-shared", category="network")]
    with under_old_ids(empty, "0003") as history:
        scanned(history, 1, ["subnet-no-nsg", "sql-shared"], [item(0, 1), *locks])
    upgrade(empty)
    with History.open(empty) as history:
        assert [each.is_counted for each in history.known({SUB}).values()] == [True, False, False]
        seen = [
            item(0, 2),
            item(1, 2, rule="subnet-no-nsg", category="network"),
            msgspec.structs.replace(locks[1], endpoint="tds"),
        ]
        assert scanned(history, 2, ["subnet-no-nsg", "sql-shared"], seen).changed == []
        assert [each.is_counted for each in history.known({SUB}).values()] == [True, True, False]


def test_the_migrations_make_what_the_code_expects(url: str) -> None:
    with opened(url) as (where, connection):
        schema.upgrade_schema(connection, where, schema.revisions()[-1])
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def described(connection: Connection) -> dict[str, Any]:
    """Return everything that decides what the tables take and how they are kept, but the order of columns."""
    found: dict[str, Any] = {}
    tables = inspect(connection)
    for name in tables.get_table_names():
        columns = {
            each["name"]: [str(each["type"]), each["nullable"], each["default"]] for each in tables.get_columns(name)
        }
        key, foreign = tables.get_pk_constraint(name), tables.get_foreign_keys(name)
        unique, indexes = tables.get_unique_constraints(name), tables.get_indexes(name)
        found[name] = [columns, key, *(sorted(each, key=str) for each in (foreign, unique, indexes))]
    kept = "SELECT relname, reloptions FROM pg_class WHERE relkind = 'r' AND reloptions IS NOT NULL ORDER BY relname"
    if connection.dialect.name == "sqlite":
        kept = "SELECT name, sql LIKE '%WITHOUT ROWID' FROM sqlite_master WHERE type = 'table' ORDER BY name"
    return {**found, "": [tuple(each) for each in connection.execute(text(kept))]}


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
    found = schema.revisions()
    assert found == [f"{number:04}" for number in range(1, len(found) + 1)]


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
