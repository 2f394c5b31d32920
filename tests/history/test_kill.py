"""Kill -9 at random points of the writing: the database opens, no half scan is there, the next night is right."""

import os
import random
import select
import signal
import sqlite3
import time
from contextlib import closing

from scanner.history.items import Changes, Item, ItemKey
from scanner.history.queries import all_scans, show
from scanner.history.store import History
from tests.history.runs import SUB, after, comparison_of, scan, standing
from tests.sampled import some

POINTS = len(some(range(50), 10))
SIZE = 100


class Model:
    """What a history must hold after each night, by the book."""

    def __init__(self) -> None:
        self.runs = 0
        self.known: dict[ItemKey, Item] = {}

    def next(self) -> Changes:
        self.runs += 1
        started = self.runs > 1
        items = standing(self.runs, SIZE)
        changes = comparison_of(self.runs, items)(self.known, lambda *_: started, None)
        self.known = after(self.known, changes)
        return changes


def _loop(url: str, first: int, out: int) -> None:
    """Record night after night; says `b` when the lock is held, and `e` when a night is over."""
    with History.open(url) as history:
        for number in range(first, first + 100):
            items = standing(number, SIZE)
            evaluated = comparison_of(number, items)

            def reported(known: object, before: object, last: object, evaluated: object = evaluated) -> Changes:
                os.write(out, b"b")
                return evaluated(known, before, last)  # type: ignore[operator, no-any-return]

            history.record(scan(number, count=len(items)), reported)
            os.write(out, b"e")


def _killed(url: str, first: int, wait: float) -> str:
    """What a child said that was killed `wait` seconds after it had first held the lock."""
    into, out = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(into)
            _loop(url, first, out)
        finally:
            os._exit(1)
    os.close(out)
    try:
        assert select.select([into], [], [], 60)[0], "the child never began"
        time.sleep(wait)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    text = b""
    while more := os.read(into, 4096):
        text += more
    os.close(into)
    return text.decode()


def test_kill_9_at_random_points_of_the_writing(url: str) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    model = Model()
    with History.open(url) as history:
        model.next()
        items = standing(1, SIZE)
        started = time.monotonic()
        history.record(scan(1, count=len(items)), comparison_of(1, items))
        span = time.monotonic() - started
    inside = 0
    for _ in range(POINTS):
        text = _killed(url, model.runs + 1, chance.uniform(0, 2 * span))
        inside += text.endswith("b")
        if "://" not in url:
            with closing(sqlite3.connect(url)) as raw:
                assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        with History.open(url) as history:
            # The night that was killed is there as a whole or not at all; each that was over is there.
            there = len(all_scans(history))
            assert text.count("e") <= there - model.runs <= text.count("b")
            while model.runs < there:
                changes = model.next()
            assert history.known({SUB}) == model.known
            last = show(history)
            assert len(last.open) == last.scan.standing["high"] == len(standing(there, SIZE))
            # The next night is right.
            number = model.runs + 1
            items = standing(number, SIZE)
            changes = model.next()
            assert history.record(scan(number, count=len(items)), comparison_of(number, items)) == changes
            assert [each.item.key for each in sorted(changes.changed, key=_key)] == [
                each.item.key for each in sorted(show(history).changes, key=_key)
            ]
            assert history.known({SUB}) == model.known
    print(f"{inside} of {POINTS} kills came inside a transaction; {model.runs} nights are kept")
    assert inside > POINTS // 4


def _key(change: object) -> ItemKey:
    return change.item.key  # type: ignore[attr-defined, no-any-return]
