"""Kill -9 at random points of the writing: the database opens, no half scan is there, the next night is right."""

import os
import random
import select
import signal
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing

from sqlalchemy import Engine, event

from scanner.history.compare import EvaluatedBefore
from scanner.history.items import Changes, Item, ItemKey, ScanRecord
from scanner.history.queries import all_scans, show
from scanner.history.store import Comparison, History
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


class Statements:
    """The statements that a process sends after it has said `b`; the process ends itself before one of them."""

    def __init__(self, deadly: int | None = None) -> None:
        self.count = 0
        self.deadly = deadly
        self.began = False
        event.listen(Engine, "before_cursor_execute", self._sent)

    def _sent(self, *_: object) -> None:
        self.count += self.began
        if self.count == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def close(self) -> None:
        event.remove(Engine, "before_cursor_execute", self._sent)


def _begun(statements: Statements, compare: Comparison, out: int | None = None) -> Comparison:
    """Compare, and say before it that the lock is held."""

    def compared(known: Mapping[ItemKey, Item], before: EvaluatedBefore, last: ScanRecord | None) -> Changes:
        if out is not None:
            os.write(out, b"b")
        statements.began = True
        return compare(known, before, last)

    return compared


def _loop(url: str, first: int, out: int, deadly: int | None) -> None:
    """Record night after night; says `b` when the lock is held, and `e` when a night is over."""
    statements = Statements(deadly)
    with History.open(url) as history:
        for number in range(first, first + 100):
            items = standing(number, SIZE)
            compare = _begun(statements, comparison_of(number, items), out)
            history.record(scan(number, count=len(items)), compare)
            os.write(out, b"e")


def _killed(url: str, first: int, wait: float, deadly: int | None = None) -> str:
    """What a child said that was killed `wait` seconds after it had first held the lock, or at statement `deadly`."""
    into, out = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(into)
            _loop(url, first, out, deadly)
        finally:
            os._exit(1)
    os.close(out)
    try:
        assert select.select([into], [], [], 60)[0], "the child never began"
        if deadly is not None:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
            child = 0
        time.sleep(wait)
    finally:
        if child:
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
        # The second night is as each further one.
        for number in (1, 2):
            model.next()
            items = standing(number, SIZE)
            statements = Statements()
            started = time.monotonic()
            history.record(scan(number, count=len(items)), _begun(statements, comparison_of(number, items)))
            span = time.monotonic() - started
            statements.close()
    inside = 0
    for point in range(POINTS):
        # In turn by the clock, which also falls between two nights, and at a statement, which is inside a night.
        if point % 2:
            text = _killed(url, model.runs + 1, chance.uniform(0, 2 * span))
        else:
            text = _killed(url, model.runs + 1, 0, chance.randint(1, statements.count))
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
