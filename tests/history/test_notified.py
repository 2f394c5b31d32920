"""What notifications were told: what nobody heard is told with the next scan, and nothing is told twice."""

from collections.abc import Mapping

import pytest

from scanner.history import notified
from scanner.history.items import Change, ChangeKind, Changes, Item, ItemKey
from scanner.history.queries import prune
from scanner.history.store import History
from tests.history.runs import OTHER, SUB, item, scan


def write(
    url: str, scheduled_run: int, *changes: tuple[str, Item], selection: str = "all", names: tuple[str, ...] = ()
) -> str:
    """A scan with these changes, that tells these names; its id."""
    subscriptions = sorted({each.resource.split("/")[2] for _, each in changes} or {SUB})
    record = scan(scheduled_run, *subscriptions, selection=selection, id=f"{selection}{scheduled_run}")
    result = Changes([Change(ChangeKind(kind), each) for kind, each in changes])

    def comparison_of(known: Mapping[ItemKey, Item], before: object, last: object) -> Changes:
        return result

    with History.open(url) as history:
        notified.start(history, names, selection)
        history.record(record, comparison_of)
    return record.id


def late(url: str, scan: str, *, name: str = "ops", selection: str = "all", of: tuple[str, ...] = (SUB,)) -> set[str]:
    with History.open(url) as history:
        reported = notified.reported(history, name, selection, scan, set(of))
    return {f"{each.kind} {each.item.fingerprint[:8]}" for each in reported.missed}


def told(url: str, scan: str, *items: Item, name: str = "ops", selection: str = "all") -> None:
    with History.open(url) as history:
        notified.mark_reported(history, name, selection, scan, [each.key for each in items])


ONE, TWO, THREE = item(1), item(2), item(3)
FAR = item(4, subscription=OTHER)


def word(each: Item, news: str = "new") -> str:
    return f"{news} {each.fingerprint[:8]}"


def test_what_is_new_in_this_scan_is_not_late(url: str) -> None:
    first = write(url, 1, ("new", ONE), names=("ops",))
    assert late(url, first) == set()


def test_what_was_not_reported_is_reported_by_the_next_scan(url: str) -> None:
    write(url, 1, ("new", ONE), ("first-looked", TWO), names=("ops",))
    second = write(url, 2, ("worse", THREE), names=("ops",))
    assert late(url, second) == {word(ONE)}
    told(url, second, ONE, THREE)
    assert late(url, write(url, 3, names=("ops",))) == set()


def test_what_was_reported_is_not_reported_again_when_the_next_one_fails(url: str) -> None:
    told(url, write(url, 1, ("new", ONE), names=("ops",)), ONE)
    write(url, 2, ("new", TWO), names=("ops",))
    assert late(url, write(url, 3, names=("ops",))) == {word(TWO)}


def test_the_newest_word_counts_and_what_is_closed_by_then_is_not_new(url: str) -> None:
    write(url, 1, ("new", ONE), ("new", TWO), ("new", THREE), names=("ops",))
    closed = item(2, state="fixed")
    accepted = item(3, state="accepted")
    write(url, 2, ("worse", ONE), ("fixed", closed), ("accepted", accepted), names=("ops",))
    assert late(url, write(url, 3, names=("ops",))) == {word(ONE, "worse")}


def test_another_name_begins_with_its_own_first_scan(url: str) -> None:
    told(url, write(url, 1, ("new", ONE), names=("ops",)), ONE)
    write(url, 2, ("new", TWO), names=("ops", "mail"))
    third = write(url, 3, names=("ops", "mail"))
    assert late(url, third, name="ops") == {word(TWO)}
    assert late(url, third, name="mail") == {word(TWO)}
    assert late(url, third, name="new-one") == {word(ONE), word(TWO)}


def test_what_another_scan_found_first_is_reported_too(url: str) -> None:
    """Somebody scans by hand in the afternoon, and tells nobody: the night does."""
    told(url, write(url, 1, names=("ops",)))
    write(url, 2, ("new", ONE), selection="by hand")
    third = write(url, 3, names=("ops",))
    assert late(url, third) == {word(ONE)}
    told(url, third, ONE)
    assert late(url, write(url, 4, names=("ops",))) == set()


def test_two_selections_that_overlap_tell_once(url: str) -> None:
    told(url, write(url, 1, names=("ops",)))
    told(url, write(url, 2, selection="hourly", names=("ops",)), selection="hourly")
    told(url, write(url, 3, ("new", ONE), selection="hourly", names=("ops",)), ONE, selection="hourly")
    assert late(url, write(url, 4, names=("ops",))) == set()


def test_of_subscriptions_that_the_scan_did_not_look_at_nothing_is_reported(url: str) -> None:
    write(url, 1, ("new", ONE), ("new", FAR), names=("ops",))
    second = write(url, 2, names=("ops",))
    assert late(url, second) == {word(ONE)}
    assert late(url, second, of=(SUB, OTHER)) == {word(ONE), word(FAR)}


def test_the_last_scan_that_was_reported_says_whether_it_was_complete(url: str) -> None:
    first = write(url, 1, names=("ops",))
    told(url, first)
    second = write(url, 2, names=("ops",))
    with History.open(url) as history:
        last = notified.reported(history, "ops", "all", second, {SUB}).last
        assert last is not None
        assert last.id == first
        assert notified.reported(history, "mail", "all", second, {SUB}).last is None


def test_a_scan_that_is_not_in_the_history_is_not_noted(url: str) -> None:
    first = write(url, 1, ("new", ONE), names=("ops",))
    told(url, "elsewhere", ONE)
    assert late(url, write(url, 2, names=("ops",))) == {word(ONE)}
    assert first


@pytest.mark.parametrize("count", [1, 2500])
def test_many_items_at_once(url: str, count: int) -> None:
    many = [item(position) for position in range(count)]
    write(url, 1, *(("new", each) for each in many), names=("ops",))
    second = write(url, 2, names=("ops",))
    assert len(late(url, second)) == count
    told(url, second, *many)
    told(url, second, *many)
    assert late(url, write(url, 3, names=("ops",))) == set()


def test_after_a_pruning_nothing_is_lost(url: str) -> None:
    told(url, write(url, 1, ("new", ONE), names=("ops",)), ONE)
    write(url, 2, ("fixed", item(1, state="fixed")), names=("ops",))
    third = write(url, 3, ("new", TWO), names=("ops",))
    with History.open(url) as history:
        prune(history, "2099-01-01")
    fourth = write(url, 4, ("reopened", THREE), names=("ops",))
    assert word(TWO) in late(url, fourth)
    assert third
