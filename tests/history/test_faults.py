"""What can be wrong with a history: each is told with its place and what helps, and never with a password."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
from sqlalchemy import event

from scanner.errors import HistoryError
from scanner.history import database
from scanner.history.items import Changes
from scanner.history.queries import show, upgrade
from scanner.history.store import History
from tests.history.runs import comparison_of, expected, scan, scheduled_run
from tests.history.server import LOCKED_OUT, Server
from tests.terminals import account, snapshot, twolocks

NEWEST = int(database.revisions()[-1])


@contextmanager
def refused(what: str, do: str = "", at: str = "") -> Iterator[None]:
    with pytest.raises(HistoryError) as caught:
        yield
    error = caught.value
    assert error.code == 2
    assert what in error.what, error.what
    assert do in error.do, error.do
    assert at in error.at, error.at
    assert "secret" not in f"{error.what}{error.at}{error.do}"


# URLs


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///", "sqlite:///:memory:", ":memory:", "sqlite://host/x"])
def test_no_file_is_named(url: str) -> None:
    with refused("no file name", at="--history", do="history.db"):
        History.open(url, at="--history x")


@pytest.mark.parametrize("url", ["mysql://h/x", "postgresql://h/x", "postgres://h/x", "postgresql+asyncpg://h/x"])
def test_another_kind_of_database(url: str) -> None:
    with refused("a history cannot be kept in", do="postgresql+psycopg://host/database"):
        History.open(url)


@pytest.mark.parametrize("host", ["a" * 70, "a..b", "xn--é"])
def test_a_host_that_no_name_server_can_know(host: str) -> None:
    """The command ended with 70."""
    with refused("is not a host name", do="postgresql+psycopg://"):
        History.open(f"postgresql+psycopg://{host}/x")


def test_no_url_at_all() -> None:
    with refused("the URL of the history cannot be used", do="write @ / ? # [ ]"):
        History.open("postgresql+psycopg://[::1/x:y:z")


def test_no_folder(tmp_path: Path) -> None:
    where = tmp_path / "no" / "history.db"
    with refused(f"folder {where.parent} of the history does not exist", do=f"mkdir -p {where.parent}", at=str(where)):
        History.open(str(where))


def test_a_folder(tmp_path: Path) -> None:
    with refused("this is a folder", do=f"{tmp_path}/history.db"):
        History.open(str(tmp_path))


@pytest.mark.parametrize(
    ("at", "reported"),
    [
        ("", "history.db"),
        ("--history history.db", "--history history.db"),
        ("twolocks.toml:5", "history.db (twolocks.toml:5)"),
        ("TWOLOCKS_SCAN_HISTORY", "history.db (TWOLOCKS_SCAN_HISTORY)"),
    ],
)
def test_an_error_says_where_and_how_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, reported: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HistoryError) as caught:
        History.open("history.db", at=at, create=False)
    assert caught.value.at == reported


def test_without_psycopg_only_postgresql_is_missing(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from scanner.errors import HistoryError\nfrom scanner.history.store import History\n"
        "History.open('history.db').close()\n"
        "try:\n    History.open('postgresql+psycopg://host/x')\n"
        "except HistoryError as error:\n    print(error.what, '|', error.do)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True
    )
    assert ran.stdout == "psycopg is not installed | pip install '.[postgres]', in a clone of twolocks\n"


# Files that are not ours, or not whole


def test_a_file_that_is_no_database(file: Path) -> None:
    file.write_text("a diary\n" * 200)
    with refused("this file is not a database", do="another file", at=str(file)):
        History.open(str(file))
    assert file.read_text().startswith("a diary")


@pytest.mark.parametrize("statement", ["CREATE TABLE items (mine INT)", "PRAGMA application_id = 42; VACUUM"])
def test_a_database_of_another_program_is_left_alone(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as raw:
        raw.executescript(statement)
    before = file.read_bytes()
    with refused("a database of another program", do="another file"):
        History.open(str(file))
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "statement", ["DROP TABLE twolocks_history", "DROP TABLE twolocks_schema", "DELETE FROM twolocks_history"]
)
def test_a_history_that_lost_its_mark_is_damaged(file: Path, statement: str) -> None:
    History.open(str(file)).close()
    with closing(sqlite3.connect(file)) as raw:
        raw.executescript(statement)
    with refused("the history is damaged", do="backup"):
        History.open(str(file))


def test_a_history_that_lost_a_table_is_damaged(file: Path) -> None:
    with History.open(str(file)) as history:
        with closing(sqlite3.connect(file)) as raw:
            raw.executescript("DROP TABLE looks")
        with refused("the history is damaged", do="backup"):
            scheduled_run(history, 1)


def test_a_history_that_lost_a_column_is_damaged(url: str, server: Server) -> None:
    with History.open(url) as history:
        if "://" in url:
            server.run("ALTER TABLE scans DROP COLUMN tool", url.rsplit("/", 1)[1])
        else:
            with closing(sqlite3.connect(url)) as raw:
                raw.executescript("ALTER TABLE scans DROP COLUMN tool")
        with refused("the history is damaged", do="backup"):
            history.latest()
        with refused("the history is damaged", do="backup"):
            scheduled_run(history, 1)


def test_an_unexpected_error_has_a_name(file: Path) -> None:
    History.open(str(file)).close()
    with closing(sqlite3.connect(file)) as raw:
        raw.executescript("CREATE TRIGGER fail BEFORE INSERT ON scans BEGIN SELECT RAISE(ABORT, 'secret'); END")
    with History.open(str(file)) as history, refused("the history failed: SQLITE_CONSTRAINT_TRIGGER", do="report it"):
        scheduled_run(history, 1)


TIMES = ("2099-01-01T00:00:00Z", "1999-01-01T00:00:00Z", "[a](https://b)", "", "0001-01-01T00:00:00+14:00")


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        *(("scans", column, value) for column in ("taken", "started", "finished") for value in TIMES),
        *(("items", column, value) for column in ("since", "seen") for value in TIMES),
        *(("scans", column, "x") for column in ("critical", "undecided", "unknown")),
        *(("items", column, "x") for column in ("severity", "reach", "authentication")),
        ("events", "severity", "x"),
        ("events", "state", "x"),
        ("events", "news", "x"),
    ],
)
def test_a_value_that_no_version_writes_is_damage(file: Path, table: str, column: str, value: str) -> None:
    """A scan of 2099 made every later one the older of two; others ended with 70, or were shown as they are."""
    with History.open(str(file)) as history:
        scheduled_run(history, 1)
        record = history.latest()
    assert record is not None
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute(f"UPDATE {table} SET {column} = ?", [value])
    texts: list[str] = []
    with History.open(str(file)) as history:
        for read in (
            lambda: history.last(record.selection),
            lambda: history.known(set(record.subscriptions)),
            lambda: history.trend(record.selection),
            lambda: show(history),
        ):
            try:
                read()
            except HistoryError as error:
                texts.append(error.what)
    assert texts
    assert all(each.startswith("the history is damaged") for each in texts), texts


def test_a_history_with_overwritten_pages_is_damaged(file: Path) -> None:
    with History.open(str(file)) as history:
        scheduled_run(history, 1)
        with file.open("r+b") as raw:
            raw.seek(8192)
            raw.write(os.urandom(file.stat().st_size - 8192))
        with refused("the history is damaged", do="backup"):
            history.known({"11111111-aaaa"})
            scheduled_run(history, 2)


def test_an_empty_file_becomes_a_history(file: Path) -> None:
    file.touch()
    with History.open(str(file)) as history:
        scheduled_run(history, 1)


def test_newer_than_this_version(url: str, server: Server) -> None:
    if "://" in url:
        server.run("UPDATE twolocks_schema SET version_num = '0099'", url.rsplit("/", 1)[1])
    else:
        with closing(sqlite3.connect(url)) as raw:
            History.open(url).close()
            raw.executescript("UPDATE twolocks_schema SET version_num = '0099'")
    for ask in (History.open, upgrade):
        with refused(f"the history has schema 99; this version supports up to {NEWEST}", do="upgrade twolocks"):
            ask(url)


# While a scan works


def test_a_file_that_was_deleted_meanwhile_is_not_made_anew(file: Path) -> None:
    with History.open(str(file)) as history:
        file.unlink()
        with refused("the history was deleted or moved", do="restore it", at=str(file)):
            scheduled_run(history, 1)
        assert not file.exists()


def test_a_file_that_was_deleted_while_it_was_written(file: Path) -> None:
    with History.open(str(file)) as history:
        scheduled_run(history, 1)

        def evaluated(*_: object) -> Changes:
            file.unlink()
            return Changes()

        with refused("the history was deleted or replaced while this scan was written"):
            history.record(scan(2), evaluated)


def test_a_file_that_another_history_replaced(file: Path) -> None:
    with History.open(str(file)) as history:
        file.unlink()
        History.open(str(file)).close()
        with refused("the history was replaced by another one", do="restore it"):
            scheduled_run(history, 1)
        with refused("the history was replaced by another one"):
            history.latest()


def _limited(history: History, pragma: str) -> None:
    event.listen(history.database.engine, "connect", lambda raw, _: raw.execute(pragma))


def test_no_space(file: Path) -> None:
    with History.open(str(file)) as history:
        scheduled_run(history, 1)
        _limited(history, "PRAGMA max_page_count = 40")
        with refused("no space is left", do="free space"):
            history.record(scan(2), comparison_of(2, expected(2, 3000)[0].values()))  # type: ignore[arg-type]
    with History.open(str(file)) as history:
        assert history.known({"11111111-aaaa"}) == expected(1)[0]
        scheduled_run(history, 2)


def test_no_right_to_write(file: Path) -> None:
    with History.open(str(file)) as history:
        scheduled_run(history, 1)
        _limited(history, "PRAGMA query_only = ON")
        with refused("no permission to write", do="give this account write access"):
            scheduled_run(history, 2)


def test_an_account_without_rights(file: Path) -> None:
    History.open(str(file)).close()
    mine = [folder for folder in file.parents if folder.owner() == file.owner() and folder.is_relative_to(gettempdir())]
    for folder in mine[:-1]:
        folder.chmod(0o755)
    file.parent.chmod(0o555)
    try:
        for mode in (0o444, 0o000):
            file.chmod(mode)
            assert _as_nobody(lambda: History.open(str(file))) == "no permission to write the history"
        assert _as_nobody(lambda: History.open(str(file.with_name("new.db")))) == "no permission to write the history"
        file.parent.chmod(0o000)
        assert _as_nobody(lambda: History.open(str(file))) == "the history cannot be reached: permission denied"
    finally:
        file.parent.chmod(0o755)


def _as_nobody(work: Callable[[], Any]) -> str:
    """What the error of some work says when an account without rights does it."""
    into, out = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setresuid(65534, 65534, 65534)
            work()
            os.write(out, b"no error")
        except HistoryError as error:
            os.write(out, error.what.encode())
        except BaseException as error:  # noqa: BLE001 - told to the parent
            os.write(out, repr(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(into, 4096).decode()


def test_held_by_another(url: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_SECONDS", 1)
    holds, may_go = threading.Event(), threading.Event()

    def evaluated(*_: object) -> Changes:
        holds.set()
        may_go.wait(30)
        return Changes()

    def other() -> None:
        with History.open(url) as history:
            history.record(scan(1), evaluated)

    thread = threading.Thread(target=other)
    History.open(url).close()
    thread.start()
    try:
        holds.wait(30)
        with History.open(url) as history:
            with refused("another process has locked the history for 30 s", do="run again"):
                scheduled_run(history, 2)
            may_go.set()
            thread.join(30)
            scheduled_run(history, 2)
            latest = history.latest()
            assert latest is not None
            assert latest.number == 2
    finally:
        may_go.set()
        thread.join(30)


def test_the_wait_is_the_one_that_is_reported() -> None:
    assert database.LOCK_SECONDS == 30


# Servers


def test_a_new_database_needs_an_upgrade(server: Server) -> None:
    url = server.url(server.database())
    with refused("this database has no history yet", do="twolocks history upgrade", at=url):
        History.open(url)
    assert upgrade(url) == (0, NEWEST)
    assert upgrade(url) == (NEWEST, NEWEST)
    History.open(url).close()


@pytest.mark.parametrize("table", ["items", "twolocks_schema"])
def test_tables_of_another_program(server: Server, table: str) -> None:
    name = server.database()
    server.run(f"CREATE TABLE {table} (mine int)", name)
    for ask in (History.open, upgrade):
        with refused(f"tables of another program: {table}", do="search_path"):
            ask(server.url(name))
    assert server.run(f"SELECT count(*) FROM {table}", name) == [(0,)]


def test_a_mark_of_another_program(server: Server) -> None:
    name = server.database()
    server.run("CREATE TABLE twolocks_history (application text, id text)", name)
    with refused("the history is damaged"):
        History.open(server.url(name))


def test_a_schema_that_is_not_there(server: Server) -> None:
    url = server.url(server.database(), query="?options=-csearch_path%3Dnowhere")
    with refused("the schema in search_path does not exist", do="CREATE SCHEMA"):
        upgrade(url)


def test_no_such_host() -> None:
    with refused("server was not found", do="host", at="***@nowhere.invalid"):
        History.open("postgresql+psycopg://test:secret@nowhere.invalid/two")


def test_a_port_without_a_listener() -> None:
    with refused("does not respond", do="check that it runs"):
        History.open("postgresql+psycopg://test:secret@127.0.0.1:1/two?password=secret")


def test_no_such_database(server: Server) -> None:
    with refused("database does not exist", do="createdb"):
        History.open(server.url("nothing_here"))


@pytest.mark.parametrize("login", [f"{LOCKED_OUT}:secret", LOCKED_OUT])
def test_the_password_is_wrong_or_missing(server: Server, database: str, login: str) -> None:
    with refused("refused this login", do="PGPASSWORD"):
        History.open(server.url(database, login))


def test_the_password_may_come_from_the_environment(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {LOCKED_OUT}", database)
    monkeypatch.setenv("PGPASSWORD", "right")
    with History.open(server.url(database, LOCKED_OUT)) as history:
        assert history.latest() is None
        with refused("no permission on the history", do="grant"):
            scheduled_run(history, 1)


def test_a_replica_is_read_only(server: Server, database: str) -> None:
    server.run(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    with History.open(server.url(database)) as history, refused("read-only", do="primary"):
        scheduled_run(history, 1)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        ("53100", "no space is left"),
        ("XX001", "damaged"),
        ("57014", "cancelled the query"),
        ("53300", "no free connection"),
        ("ZZ999", "the history failed: ZZ999"),
    ],
)
def test_what_a_server_answers_in_the_middle(server: Server, database: str, state: str, what: str) -> None:
    server.run(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{state}'; END $$",
        database,
    )
    server.run("CREATE TRIGGER fail BEFORE INSERT ON events EXECUTE FUNCTION fail()", database)
    with History.open(server.url(database)) as history:
        with refused(what):
            scheduled_run(history, 1)
        assert history.latest() is None


def test_a_connection_that_is_lost(server: Server, database: str) -> None:
    with History.open(server.url(database)) as history:
        scheduled_run(history, 1)

        def evaluated(*_: object) -> Changes:
            server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
            return Changes()

        with refused("was lost", do="when the server is available"):
            history.record(scan(2), evaluated)
        latest = history.latest()
        assert latest is not None
        assert latest.number == 1


def test_tables_that_are_dropped_meanwhile(server: Server, database: str) -> None:
    with History.open(server.url(database)) as history:
        server.run("DROP TABLE looks", database)
        with refused("the tables of the history were dropped"):
            scheduled_run(history, 1)


def test_a_database_that_was_emptied_meanwhile(server: Server, database: str) -> None:
    with History.open(server.url(database)) as history:
        server.run("DROP SCHEMA public CASCADE", database)
        server.run("CREATE SCHEMA public", database)
        with refused("the history was replaced by another one"):
            scheduled_run(history, 1)


def test_no_error_shows_a_password_or_a_value(server: Server, database: str) -> None:
    """Not even the chain of errors that --verbose prints."""
    import traceback

    url = server.url(database, f"{LOCKED_OUT}:secret")
    with pytest.raises(HistoryError) as caught:
        History.open(url)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("column", ["severity", "state", "kind"])
def test_a_word_that_no_item_has_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: str) -> None:
    """It ended as a defect."""
    monkeypatch.chdir(tmp_path)
    snapshot(tmp_path / "night.jsonl", account("st", allowSharedKeyAccess=True, publicNetworkAccess="Enabled"))
    words = ("scan", "--from", "night.jsonl", "--history", "h.db", "--fail-on", "never")
    twolocks(*words)
    with closing(sqlite3.connect("h.db")) as base, base:
        base.execute(f"UPDATE items SET {column} = 'dire'")
    ended = twolocks(*words)
    assert (ended.code, "the history is damaged" in ended.err) == (2, True), ended.err
