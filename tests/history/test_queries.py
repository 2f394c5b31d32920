"""What people ask of a history: one scan, two scans, what may go, everything; on SQLite and on PostgreSQL."""

import itertools
from collections.abc import Mapping

import msgspec
import pytest
from msgspec.structs import replace

from scanner.errors import HistoryError, InputError
from scanner.history.compare import change_between
from scanner.history.items import Change, Item, ItemKey
from scanner.history.queries import all_scans, diff, export, find, prune, show, upgrade
from scanner.history.store import History
from tests.history.runs import OTHER, SUB, after, comparison_of, item, scan, scheduled_run, standing, taken
from tests.history.server import Server

NIGHTS = 16


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def history(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> History:
    """Sixteen nights of one selection, only to be read. Between calls it holds no connection that should be closed."""
    if request.param == "sqlite":
        return filled(str(tmp_path_factory.mktemp("read") / "history.db"))
    server: Server = request.getfixturevalue("server")
    url = server.url(server.database())
    upgrade(url)
    return filled(url)


def filled(url: str) -> History:
    result = History.open(url)
    for number in range(1, NIGHTS + 1):
        scheduled_run(result, number, 60)
    return result


def model(scheduled_run: int) -> dict[ItemKey, Item]:
    """What was known after a night, by the book."""
    known: dict[ItemKey, Item] = {}
    for number in range(1, scheduled_run + 1):
        started = number > 1
        known = after(
            known, comparison_of(number, standing(number, 60))(known, lambda *_, started=started: started, None)
        )
    return known


def open_in(known: Mapping[ItemKey, Item]) -> set[tuple[ItemKey, str, str]]:
    return {(key, each.severity, each.since) for key, each in known.items() if each.state == "open"}


# One scan


@pytest.mark.parametrize("number", [1, 2, 9, NIGHTS])
def test_a_scan_shows_what_changed_and_what_stood_open_then(history: History, number: int) -> None:
    scan_details = show(history, str(number))
    was, now = model(number - 1), model(number)
    assert scan_details.scan.number == number
    assert {(each.key, each.severity, each.since) for each in scan_details.open} == open_in(now)
    assert [each.since for each in scan_details.open] == sorted(each.since for each in scan_details.open)
    changed = {each.item.key for each in scan_details.changes}
    assert changed == {key for key in now if key not in was or _cell(was[key]) != _cell(now[key])}
    for change in scan_details.changes:
        before = was.get(change.item.key)
        assert (change.was and _cell(change.was)) == (before and _cell(before))


def _cell(item: Item) -> tuple[str, str, str, str]:
    return item.severity, item.reach, item.authentication, item.state


def test_what_stands_open_elsewhere_is_not_shown(url: str) -> None:
    with History.open(url) as history:
        history.record(scan(1, OTHER, selection="x"), comparison_of(1, [item(2, subscription=OTHER)]))
        history.record(scan(2, SUB), comparison_of(2, [item(2)]))
        assert [each.resource.split("/")[2] for each in show(history).open] == [SUB]


def test_a_scan_is_found_by_number_id_beginning_or_day(history: History) -> None:
    assert find(history).number == NIGHTS
    assert find(history, "3").number == 3
    assert find(history, f"scan{5:012}").number == 5
    assert find(history, taken(7)[:10]).number == 7
    assert find(history, taken(7)).number == 7
    assert find(history, "scan").number == NIGHTS


def test_of_two_scans_of_one_day_the_later_is_found(url: str) -> None:
    with History.open(url) as history:
        for number in (7, 8, 7):
            history.record(scan(number), comparison_of(number, []))
        assert find(history, taken(7)[:10]).number == 3


@pytest.mark.parametrize("word", ["99", "scan9", "2020-01-01", "%", "scan_", "'", "99999999999999999999"])
def test_a_scan_that_is_not_there(history: History, word: str) -> None:
    with pytest.raises(InputError) as caught:
        find(history, word)
    assert "twolocks history list" in caught.value.do


def test_a_history_without_a_scan(url: str) -> None:
    with History.open(url) as history:
        assert all_scans(history) == []
        for ask in (find, show):
            with pytest.raises(HistoryError, match="no scan yet"):
                ask(history)


# Two scans


@pytest.mark.parametrize(("first", "then"), [(1, 2), (1, NIGHTS), (4, 11), (7, 7), (11, 4)])
def test_two_scans_against_each_other(history: History, first: int, then: int) -> None:
    old, new, difference = diff(history, str(first), str(then))
    assert (old.number, new.number) == (min(first, then), max(first, then))
    was, now = model(old.number), model(new.number)
    expected = {}
    for key, each in now.items():
        answer = change_between(was.get(key), each)
        if isinstance(answer, Change):
            expected[key] = (answer.kind, answer.item.severity)
    assert {each.item.key: (each.kind, each.item.severity) for each in difference.changes} == expected
    assert difference.same == len(open_in(now)) - sum(each.item.state == "open" for each in difference.changes)


def test_reasons_and_first_looks_come_through(url: str) -> None:
    with History.open(url) as history:
        history.record(scan(1), comparison_of(1, [item(2)]))
        history.record(scan(2), comparison_of(2, [item(2), item(3)]))
        history.record(scan(3), comparison_of(3, []))
        history.record(scan(4), comparison_of(4, [item(3)], closed=False))
        changes = diff(history, "1", "2")[2].changes
        assert [(each.kind, each.item.rule) for each in changes] == [("new", "storage-plain-http")]
        assert [each.why for each in diff(history, "1", "3")[2].changes] == [""]
        assert [each.kind for each in diff(history, "2", "4")[2].changes] == ["fixed"]


def test_first_looked_is_reported_as_such(url: str) -> None:
    with History.open(url) as history:
        history.record(replace(scan(1), rules_and_types=frozenset()), comparison_of(1, []))
        history.record(scan(2), comparison_of(2, [item(2)]))
        assert [each.kind for each in diff(history, "1", "2")[2].changes] == ["first-looked"]


def test_unseen_is_reported_with_its_reason(url: str) -> None:
    with History.open(url) as history:
        history.record(scan(1), comparison_of(1, [item(2), item(4)]))
        changes = history.record(scan(2), comparison_of(2, [item(4)], closed=False))
        assert [each.kind for each in changes.changed] == ["unseen"]
        reported = diff(history, "1", "2")[2].changes
        assert [(each.kind, each.why) for each in reported] == [(each.kind, each.why) for each in changes.changed]
        assert reported[0].why


# What may go


def test_prune_keeps_what_is_open_and_enough_to_answer(url: str) -> None:
    history = filled(url)
    before = {number: open_in(model(number)) for number in range(1, NIGHTS + 1)}
    answers = {pair: _told(history, *pair) for pair in itertools.combinations(range(10, NIGHTS + 1), 2)}
    known = history.known({SUB})
    gone = prune(history, taken(10)[:10])
    assert gone.scans == 9
    assert gone.events
    assert [each.number for each in all_scans(history)] == list(range(10, NIGHTS + 1))
    for number in range(10, NIGHTS + 1):
        scan_details = show(history, str(number))
        assert {(each.key, each.severity, each.since) for each in scan_details.open} == before[number]
    for pair, reported in answers.items():
        assert _told(history, *pair) == reported
    left = history.known({SUB})
    assert gone.left == len(left)
    assert gone.items == len(known) - len(left)
    assert {key: each for key, each in known.items() if each.state == "open"}.items() <= left.items()
    assert all(known[key].state == "fixed" for key in set(known) - set(left))
    assert prune(history, taken(10)[:10]) == type(gone)(0, 0, 0, gone.left)
    scheduled_run(history, NIGHTS + 1, 60)


def _told(history: History, first: int, then: int) -> list[tuple[str, ItemKey, str]]:
    return [(each.kind, each.item.key, each.why) for each in diff(history, str(first), str(then))[2].changes]


def test_prune_keeps_the_last_scan_of_each_selection(url: str) -> None:
    with History.open(url) as history:
        history.record(scan(1, selection="rare"), comparison_of(1, [item(2), item(4)]))
        for number in range(2, 8):
            history.record(scan(number), comparison_of(number, [item(2)]))
        reported = _told(history, 1, 7)
        gone = prune(history, "2999-01-01")
        assert (gone.scans, gone.items) == (5, 0)
        assert [each.number for each in all_scans(history)] == [1, 7]
        assert _told(history, 1, 7) == reported
        assert len(show(history, "1").open) == 2
        history.record(scan(8), comparison_of(8, [item(2)]))
        latest = history.latest()
        assert latest is not None
        assert latest.number == 8


def test_prune_forgets_what_was_fixed_before(url: str) -> None:
    with History.open(url) as history:
        history.record(scan(1), comparison_of(1, [item(2), item(4)]))
        for number in range(2, 5):
            history.record(scan(number), comparison_of(number, [item(2)]))
        assert prune(history, taken(4)[:10]).items == 1
        changes = history.record(scan(5), comparison_of(5, [item(2), item(4)]))
        assert [each.kind for each in changes.changed] == ["new"]


def test_prune_of_nothing(url: str) -> None:
    with History.open(url) as history:
        assert prune(history, "2999-01-01").left == 0


# Everything


def test_an_export_holds_every_row_in_an_order_of_its_own(history: History) -> None:
    rows = list(export(history))
    assert rows == list(export(history))
    assert rows[0] == {"history": {"id": history.schema.id, "schema": int(history.schema.revision)}}
    tables = [next(iter(row)) for row in rows[1:]]
    assert [name for name, _ in itertools.groupby(tables)] == [
        "scans",
        "scan_subscriptions",
        "looks",
        "items",
        "events",
    ]
    assert tables.count("items") == len(history.known({SUB}))
    assert tables.count("scans") == NIGHTS
    msgspec.json.encode(rows)


def test_between_two_moments() -> None:
    was, low = item(2), item(2, severity="low")
    fixed = msgspec.structs.replace(was, state="fixed")
    lost = msgspec.structs.replace(was, visible=False)
    accepted = msgspec.structs.replace(was, state="accepted")
    expected = [
        (None, was, "new"), (None, fixed, None), (None, lost, "new"), (was, was, None), (was, fixed, "fixed"),
        (was, lost, "unseen"), (lost, lost, None), (lost, was, "again"), (fixed, was, "reopened"), (fixed, fixed, None),
        (was, low, "better"), (low, was, "worse"), (was, accepted, "accepted"), (accepted, was, "reopened"),
        (fixed, lost, "reopened"),
    ]  # fmt: skip
    for old, new, news in expected:
        answer = change_between(old, new)
        assert (answer.kind if isinstance(answer, Change) else None) == news, (old, new)
    answer = change_between(None, was, evaluated=False)
    assert isinstance(answer, Change)
    assert answer.kind == "first-looked"
