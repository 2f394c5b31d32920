"""What a history remembers, on SQLite and on PostgreSQL."""

import multiprocessing
import os
import random
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from scanner.errors import HistoryError
from scanner.history.compare import EvaluatedBefore
from scanner.history.database import revisions
from scanner.history.items import Change, ChangeKind, Changes, Item, ItemKey, ScanRecord
from scanner.history.queries import all_scans, show
from scanner.history.store import History
from tests.history.runs import (
    OTHER,
    SEVERITIES,
    SUB,
    after,
    comparison_of,
    expected,
    item,
    scan,
    scheduled_run,
    standing,
    taken,
)
from tests.history.server import Server

FORK = multiprocessing.get_context("fork")


def test_the_first_scan_is_the_baseline_and_nothing_in_it_is_new(url: str) -> None:
    with History.open(url) as history:
        assert history.latest() is None
        assert history.last("all") is None
        assert history.known({SUB}) == {}
        changes = scheduled_run(history, 1)
        assert {each.kind for each in changes.changed} == {"first-looked"}
        assert not changes.alerts()


def test_each_scan_is_remembered_as_the_comparison_says(url: str) -> None:
    news = set()
    for number in range(1, 16):
        with History.open(url) as history:
            changes = scheduled_run(history, number)
            news |= {each.kind for each in changes.changed}
            known, wanted = expected(number)
            assert changes == wanted
            assert history.known({SUB}) == known
    with History.open(url) as history:
        assert [each.number for each in all_scans(history)] == list(range(1, 16))
    assert news == {"first-looked", "new", "fixed", "reopened", "worse", "better"}


def test_a_scan_that_is_read_back_says_what_was_written(url: str) -> None:
    given = replace(
        scan(1, SUB, OTHER, id="abc"), complete=False, confirmed=True, undecided=7, standing={"critical": 2, "info": 1}
    )
    with History.open(url) as history:
        history.record(given, comparison_of(1, []))
        there = history.last("all")
        assert there == history.latest()
    assert there is not None
    counts = {"critical": 2, "high": 0, "medium": 0, "low": 0, "info": 1}
    assert there == replace(given, number=1, standing=counts, scopes=(), rules_and_types=frozenset())


def test_last_is_of_the_same_selection_and_latest_is_of_all(url: str) -> None:
    with History.open(url) as history:
        for number, selection in enumerate(("all", "one", "all", "one"), 1):
            history.record(scan(number, selection=selection), comparison_of(number, []))
        assert [each and each.number for each in (history.last("all"), history.last("one"))] == [3, 4]
        assert history.last("other") is None
        latest = history.latest()
        assert latest is not None
        assert latest.number == 4


def test_what_is_known_of_a_subscription_is_known_in_every_selection(url: str) -> None:
    with History.open(url) as history:
        history.record(scan(1, SUB, OTHER), comparison_of(1, [item(2), item(4, subscription=OTHER)]))
        assert {each.resource.split("/")[2] for each in history.known({OTHER}).values()} == {OTHER}
        many = {str(each) for each in range(1500)}
        assert len(history.known({SUB, OTHER, *many})) == 2
        assert len(history.known({SUB, *many})) == 1
        changes = history.record(scan(2, SUB, selection="one"), comparison_of(2, [item(2)]))
        assert (len(changes.changed), len(changes.unchanged)) == (0, 1)


def test_a_subscription_that_the_last_scan_saw_is_compared_too(url: str) -> None:
    seen: list[Mapping[ItemKey, Item]] = []

    def evaluated(known: Mapping[ItemKey, Item], *_: object) -> Changes:
        seen.append(known)
        return Changes()

    with History.open(url) as history:
        history.record(scan(1, SUB, OTHER), comparison_of(1, [item(2), item(4, subscription=OTHER)]))
        history.record(scan(2, SUB), evaluated)
    assert len(seen[0]) == 2


def test_the_last_scan_is_given_so_that_a_clock_that_went_back_can_be_reported(url: str) -> None:
    scan_records: list[ScanRecord | None] = []
    with History.open(url) as history:
        for number in (5, 3):

            def evaluated(
                known: Mapping[ItemKey, Item], before: EvaluatedBefore, last: ScanRecord | None, number: int = number
            ) -> Changes:
                scan_records.append(last)
                return comparison_of(number, [item(2)])(known, before, last)

            history.record(scan(number), evaluated)
        assert [each.taken for each in all_scans(history)] == [taken(5), taken(3)]
    assert scan_records[0] is None
    assert scan_records[1] is not None
    assert scan_records[1].taken > taken(3)


def test_unchanged_items_are_seen_again_and_silent_changes_are_kept(url: str) -> None:
    with History.open(url) as history:
        history.record(
            scan(1), comparison_of(1, [item(2, 1), item(3, 1), item(4, 1, reach="azure", authentication="anonymous")])
        )
        renamed = msgspec.structs.replace(item(3, 2), title="It accepts plain HTTP", resource=item(3).resource.upper())
        history.record(scan(2), comparison_of(2, [item(2, 2), renamed, item(4, 2)]))
        known = history.known({SUB})
    assert {each.seen for each in known.values()} == {taken(2)}
    assert {each.since for each in known.values()} == {taken(1)}
    assert known[renamed.key].title == "It accepts plain HTTP"
    assert known[item(4).key].reach == "internet"


def test_an_item_that_was_not_asked_for_is_found_by_its_key(url: str) -> None:
    """An evaluation that answers with an item of a subscription that the scan does not name."""
    with History.open(url) as history:
        history.record(scan(1, OTHER), comparison_of(1, [item(2, subscription=OTHER)]))
        stray = msgspec.structs.replace(item(2, 2, subscription=OTHER), severity="low")
        history.record(scan(2, selection="mine"), lambda *_: Changes([Change(ChangeKind.lowered, stray)]))
        assert list(history.known({OTHER}).values()) == [stray]


def test_a_comparison_that_fails_leaves_nothing(url: str) -> None:
    def broken(*_: object) -> Changes:
        raise ZeroDivisionError

    with History.open(url) as history:
        scheduled_run(history, 1)
        with pytest.raises(ZeroDivisionError):
            history.record(scan(2), broken)
        assert [each.number for each in all_scans(history)] == [1]
        scheduled_run(history, 2)


def test_hostile_names_are_kept_as_they_are(url: str) -> None:
    name = "x'; DROP TABLE items; --\u202e \u00f8 \U0001f512 %s :row"
    hostile = msgspec.structs.replace(item(2), title=name, endpoint=name, address=name)
    with History.open(url) as history:
        history.record(scan(1, id=name, selection=name), comparison_of(1, [hostile]))
        assert history.known({SUB})[hostile.key].title == name
        assert history.last(name) is not None


@pytest.mark.parametrize("seed", range(6))
def test_scans_of_any_scope_leave_what_the_comparison_says(url: str, seed: int) -> None:
    chance = random.Random(seed)
    known: dict[ItemKey, Item] = {}
    looked: set[str] = set()
    with History.open(url) as history:
        for number in range(1, 9):
            of = chance.choice([(SUB,), (OTHER,), (SUB, OTHER)])
            seen = [
                item(position, number, subscription=each, severity=chance.choice(SEVERITIES))
                for each in of
                for position in chance.sample(range(12), 6)
            ]
            evaluated = comparison_of(number, seen, closed=chance.random() < 0.7)
            before = {each.key: each for each in known.values() if each.resource.split("/")[2] in of}
            last = history.last(",".join(of))
            earlier = frozenset(looked)
            wanted = evaluated(before, lambda id, _, earlier=earlier: id.split("/")[2] in earlier, last)  # type: ignore[misc]
            assert history.record(scan(number, *of, selection=",".join(of)), evaluated) == wanted
            known = after(known, wanted)
            looked |= set(of)
            assert history.known({SUB, OTHER}) == known


# Where was looked


def test_before_knows_the_scopes_above(url: str) -> None:
    inside = item(2).resource
    group = inside[: inside.index("/providers")].lower()
    with History.open(url) as history:
        history.record(replace(scan(1), scopes=(group,), rules_and_types=frozenset({"word"})), comparison_of(1, []))
        before = history.evaluated_before()
    assert before(inside, "word")
    assert before(f"{inside.upper()}/blobServices/default", "word")
    assert not before(inside, "other")
    assert not before(item(3).resource, "word")
    assert not before(f"/subscriptions/{SUB}", "word")


def test_before_knows_a_filter_only_by_itself(url: str) -> None:
    mine, other = f"/subscriptions/{SUB}?tag=env=prod", f"/subscriptions/{SUB}?tag=env=test"
    with History.open(url) as history:
        history.record(replace(scan(1), scopes=(mine,), rules_and_types=frozenset({"word"})), comparison_of(1, []))
        assert history.evaluated_before((mine,))(item(2).resource, "word")
        assert not history.evaluated_before((mine,))(item(2).resource, "more")
        assert not history.evaluated_before((mine,))(item(2, subscription=OTHER).resource, "word")
        assert not history.evaluated_before((other,))(item(2).resource, "word")
        assert not history.evaluated_before()(item(2).resource, "word")


def test_a_scan_does_not_count_as_its_own_past(url: str) -> None:
    with History.open(url) as history:
        history.record(
            replace(scan(1), rules_and_types=frozenset({"microsoft.storage/storageaccounts"})), comparison_of(1, [])
        )
        changes = history.record(scan(2), comparison_of(2, [item(2), item(3)]))
        assert [each.kind for each in changes.changed] == ["new", "first-looked"]
        changes = history.record(scan(3), comparison_of(3, [item(2), item(3), item(4), item(5)]))
        assert [each.kind for each in changes.changed] == ["new", "new"]


# Trend


def test_the_trend_is_of_one_selection_the_oldest_first(url: str) -> None:
    with History.open(url) as history:
        for number in range(1, 6):
            history.record(
                scan(number, count=number, selection="odd" if number % 2 else "even"), comparison_of(number, [])
            )
        assert [(row.taken, row.high) for row in history.trend("odd")] == [(taken(each), each) for each in (1, 3, 5)]
        assert [row.high for row in history.trend("odd", 2)] == [3, 5]
        assert history.trend("none") == []


# Two scans at once


def _nights(url: str, barrier: Barrier, first: int) -> None:
    barrier.wait()
    with History.open(url) as history:
        for number in range(first, first + 5):
            items = [item(position, number) for position in range(50)] + [item(100 + number * 2, number)]
            history.record(scan(number, id=f"{os.getpid()}-{number}"), comparison_of(number, items, closed=False))


def test_two_scans_at_once_are_both_kept_and_the_second_knows_the_first(
    empty: str, request: pytest.FixtureRequest
) -> None:
    # A file that is not there is made by both.
    url: str = request.getfixturevalue("url")
    barrier = FORK.Barrier(2)
    children = [FORK.Process(target=_nights, args=(url, barrier, first)) for first in (1, 6)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    with History.open(url) as history:
        assert [each.number for each in all_scans(history)] == list(range(1, 11))
        news = [(each.item.key, each.kind) for number in range(1, 11) for each in show(history, str(number)).changes]
        first = [key for key, what in news if what in ("new", "first-looked")]
        assert len(first) == len(set(first)) == 60


def _first(path: Path, barrier: Barrier, number: int) -> None:
    barrier.wait()
    with History.open(str(path)) as history:
        history.record(scan(number), comparison_of(number, []))


def test_who_makes_a_file_waits_for_another_who_does(file: Path) -> None:
    """SQLite refuses to change the journal's mode while another writes, at once and without a wait."""
    file.touch()
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, lambda: other.execute("COMMIT"))
        timer.start()
        History.open(str(file)).close()
        timer.join()


def test_four_scans_make_one_file_at_once(tmp_path: Path) -> None:
    History.open(str(tmp_path / "warm.db")).close()
    for round in range(5):
        path = tmp_path / f"{round}.db"
        barrier = FORK.Barrier(4)
        children = [FORK.Process(target=_first, args=(path, barrier, number)) for number in range(4)]
        for child in children:
            child.start()
        for child in children:
            child.join(60)
        assert [child.exitcode for child in children] == [0] * 4
        with History.open(str(path)) as history:
            assert len(all_scans(history)) == 4


def test_a_question_does_not_wait_for_a_scan(url: str) -> None:
    with History.open(url) as history, History.open(url) as other:
        scheduled_run(history, 1)

        def evaluated(known: Mapping[ItemKey, Item], *_: object) -> Changes:
            assert other.known({SUB}) == known
            assert len(all_scans(other)) == 1
            return Changes()

        history.record(scan(2), evaluated)


def test_between_calls_a_history_holds_no_connection(database: str, server: Server) -> None:
    with History.open(server.url(database)) as history:
        scheduled_run(history, 1)
        assert server.run(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'") == [(0,)]


# Files


def test_at_rest_a_history_is_one_file_of_ours(file: Path) -> None:
    with History.open(f"sqlite:///{file}") as history:
        scheduled_run(history, 1)
        assert history.notes == ()
    assert [path.name for path in file.parent.iterdir()] == ["history.db"]
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("PRAGMA application_id").fetchone() == (0x54774C6B,)
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_file_system_without_shared_memory_serves_and_is_reported(file: Path) -> None:
    """SQLite's own `unix-none` has no shared memory, as SMB shares have none."""
    from scanner.history.database import database_at
    from scanner.history.store import opened

    for number in (1, 2):
        with opened(database_at(str(file), vfs="unix-none")) as history:
            assert "no shared memory" in history.notes[0]
            scheduled_run(history, number)
            assert history.known({SUB}) == expected(number)[0]


@pytest.mark.parametrize("name", ["a b?c#d%41.db", "\u00f8.db"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    with History.open(str(tmp_path / name)) as history:
        scheduled_run(history, 1)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_path_stays_where_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with History.open("history.db") as history:
        scheduled_run(history, 1)
        assert history.database.shown == "history.db"
    assert (tmp_path / "history.db").exists()


def test_a_schema_of_its_own_beside_other_tables(server: Server) -> None:
    from scanner.history.queries import upgrade

    name = server.database()
    server.run("CREATE TABLE items (mine int)", name)
    server.run("CREATE SCHEMA two", name)
    url = server.url(name, query="?options=-csearch_path%3Dtwo")
    assert upgrade(url) == (0, int(revisions()[-1]))
    with History.open(url) as history:
        scheduled_run(history, 1)
        assert len(history.known({SUB})) == len(standing(1))
    assert server.run("SELECT count(*) FROM public.items", name) == [(0,)]


def test_after_says_what_a_history_keeps() -> None:
    """The model that these tests compare with: an item that was fixed stays known."""
    known = after({item(2).key: item(2)}, comparison_of(2, [])({item(2).key: item(2)}, lambda *_: True, None))
    assert known[item(2).key].state == "fixed"


def test_an_open_that_must_not_make_a_file_makes_none(file: Path) -> None:
    with pytest.raises(HistoryError, match="no history exists here"):
        History.open(str(file), create=False)
    assert not file.exists()


def test_a_name_with_a_nul_is_remembered(url: str) -> None:
    odd = item(2, endpoint="blob/a\0b")
    with History.open(url) as history:
        history.record(scan(1), lambda *_: Changes([Change(ChangeKind.new, odd)]))
        history.record(scan(2), lambda *_: Changes([], [msgspec.structs.replace(odd, seen=taken(2))]))
        assert history.known({SUB})[odd.key].endpoint == "blob/a\N{REPLACEMENT CHARACTER}b"
