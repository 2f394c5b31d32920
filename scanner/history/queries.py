"""What people ask of a history: its scans, one scan, two scans against each other; what may go; all of it as rows."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from sqlalchemy import ColumnElement, Connection, Subquery, and_, bindparam, delete, func, or_, select

from scanner.errors import InputError
from scanner.history import revisions as schema
from scanner.history import tables
from scanner.history.compare import Change, Item, News, between, worst_first
from scanner.history.database import place
from scanner.history.store import CELL, FIELDS, History, ScanRecord, chunks, latest, records
from scanner.history.tables import TABLES, events, items, scans, subscriptions
from scanner.model.exposure import LOCKS
from scanner.model.ids import subscription_of
from scanner.model.verdict import Severity

NEWS = get_args(News)


@dataclass(frozen=True, slots=True)
class Shown:
    """A scan, what changed in it, and what stood open in its subscriptions, the oldest first, then the worst."""

    scan: ScanRecord
    changes: list[Change]
    open: list[Item]


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from a scan to a later one, and how many items that count stood open after it just as before."""

    old: ScanRecord
    new: ScanRecord
    changes: list[Change]
    same: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much a pruning took away, and how many items are left."""

    scans: int
    events: int
    items: int
    left: int


def all_scans(history: History) -> list[ScanRecord]:
    """Every scan, the oldest first."""
    with history.reading() as connection:
        return records(connection, select(scans).order_by(scans.c.number))


def find(history: History, word: str = "") -> ScanRecord:
    """The scan with that number, that id (or its beginning), or the last one of that day; the last of all without a
    word. InputError where there is none.
    """
    with history.reading() as connection:
        return _find(connection, history, word)


def show(history: History, word: str = "") -> Shown:
    """What one scan found."""
    with history.reading() as connection:
        scan = _find(connection, history, word)
        here = events.c.scan == scan.number
        now, was = _state(connection, scan.number), _state(connection, scan.number - 1, here)
        happened = select(events.c.item, events.c.news, events.c.why).where(here)
        changes = [Change(news, now[item], was.get(item), why) for item, news, why in connection.execute(happened)]
    of = set(scan.subscriptions)
    stands = [item for number, item in now.items() if item.state == "open" and subscription_of(item.resource) in of]
    return Shown(scan, sorted(changes, key=_place), sorted(stands, key=lambda item: (item.since, *worst_first(item))))


def diff(history: History, first: str, then: str) -> Difference:
    """What changed from one scan to a later one (the order of the two words does not matter)."""
    with history.reading() as connection:
        found = (_find(connection, history, first), _find(connection, history, then))
        old, new = sorted(found, key=lambda scan: scan.number)
        span = and_(events.c.scan > old.number, events.c.scan <= new.number)
        was, now = _state(connection, old.number, span), _state(connection, new.number, span)
        happened = select(events.c.item, events.c.news, events.c.why).where(span).order_by(events.c.scan)
        those = connection.execute(happened).all()
        stands = _open(connection, new.number)
    first_looked = {item for item, news, _ in those if news == "first-looked"}
    why = {(item, news): said for item, news, said in those}
    changes = []
    for number, item in now.items():
        answer = between(was.get(number), item, looked=number not in first_looked)
        if isinstance(answer, Change):
            said = answer.why or why.get((number, answer.news), "")
            changes.append(replace(answer, why=said))
    changed = sum(each.item.state == "open" and each.item.counts for each in changes)
    return Difference(old, new, sorted(changes, key=_place), stands - changed)


def prune(history: History, day: str) -> Pruned:
    """Forget the scans that were taken before a day (YYYY-MM-DD), but the last of each selection; what became of an
    item where no scan that is left needs it; and items that were fixed before. What stands open stays, with its first
    day.
    """
    with history.writing() as connection:
        lasts = set(connection.execute(select(func.max(scans.c.number)).group_by(scans.c.selection)).scalars())
        old = set(connection.execute(select(scans.c.number).where(scans.c.taken < day)).scalars()) - lasts
        for chunk in chunks(sorted(old)):
            connection.execute(delete(subscriptions).where(subscriptions.c.scan.in_(chunk)))
            connection.execute(delete(scans).where(scans.c.number.in_(chunk)))
        left = sorted(connection.execute(select(scans.c.number)).scalars())
        doomed, forgotten = _needless(connection, left)
        if doomed:
            query = delete(events).where(events.c.item == bindparam("of"), events.c.scan == bindparam("at"))
            connection.execute(query, [{"of": item, "at": scan} for item, scan in doomed])
        for chunk in chunks(forgotten):
            connection.execute(delete(tables.told).where(tables.told.c.item.in_(chunk)))
            connection.execute(delete(items).where(items.c.number.in_(chunk)))
        count = connection.execute(select(func.count()).select_from(items)).scalar() or 0
    if history.place.path is not None:
        history.place.raw("VACUUM")
    return Pruned(len(old), len(doomed), len(forgotten), count)


def export(history: History) -> Iterator[dict[str, Any]]:
    """All that is remembered: what it is, then each row of each table in the order of its key."""
    yield {"history": {"id": history.standing.id, "schema": int(history.standing.revision)}}
    with history.reading() as connection:
        for table in TABLES:
            query = select(table).order_by(*table.primary_key.columns)
            for row in connection.execution_options(yield_per=1000).execute(query).mappings():
                yield {table.name: dict(row)}


def upgrade(url: str, *, at: str = "") -> tuple[int, int]:
    """Bring a history to the newest schema, and make it where the database is empty. Its schema before (0: none) and
    after.
    """
    where = place(url, at=at)
    with where.writing() as connection:
        before = schema.standing(connection, where)
        after = schema.upgrade(connection, where)
    where.close()
    return int(before.revision or 0), int(after.revision)


def _find(connection: Connection, history: History, word: str) -> ScanRecord:
    if not word:
        if (last := latest(connection)) is None:
            raise history.place.error("the history holds no scan yet", "twolocks scan --history does the first")
        return last
    query = select(scans).order_by(scans.c.number.desc())
    if word.isdecimal() and len(word) < 8:
        query = query.where(scans.c.number == int(word))
    else:
        named = scans.c.taken if word[4:5] == "-" else scans.c.id
        query = query.where(named.startswith(word, autoescape=True))
    found = records(connection, query.limit(1))
    if not found:
        do = "give a number, an id or a day: twolocks history list"
        raise InputError(f'the history has no scan "{word}"', at=history.place.where, do=do)
    return found[0]


def _newest(scan: int, changed: ColumnElement[bool] | None = None) -> Subquery:
    """Item and scan of the last event of each item up to a scan; of those alone that have a `changed` event, too."""
    last = select(events.c.item, func.max(events.c.scan).label("scan")).where(events.c.scan <= scan)
    if changed is not None:
        last = last.where(events.c.item.in_(select(events.c.item).where(changed)))
    return last.group_by(events.c.item).subquery()


def _state(connection: Connection, scan: int, changed: ColumnElement[bool] | None = None) -> dict[int, Item]:
    """Items as they stood after a scan, by number; those that no scan had seen by then are not there."""
    newest = _newest(scan, changed)
    fixed = [items.c[name] for name in FIELDS if name not in CELL]
    query = (
        select(items.c.number, *fixed, *(events.c[name] for name in CELL))
        .join(events, events.c.item == items.c.number)
        .join(newest, and_(newest.c.item == events.c.item, newest.c.scan == events.c.scan))
    )
    names = [column.name for column in fixed] + list(CELL)
    return {number: Item(**dict(zip(names, row, strict=True))) for number, *row in connection.execute(query)}


def _open(connection: Connection, scan: int) -> int:
    """How many items that count stood open after a scan."""
    newest = _newest(scan)
    here = and_(newest.c.item == events.c.item, newest.c.scan == events.c.scan)
    counts = or_(items.c.kind == "exposure", items.c.category.not_in(LOCKS))
    there = events.join(newest, here).join(items, items.c.number == events.c.item)
    query = select(func.count()).select_from(there).where(events.c.state == "open", counts)
    return connection.execute(query).scalar() or 0


def _needless(connection: Connection, left: list[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """Events (item, scan) that say nothing about a scan that is left, and the items that are fixed in all of them."""
    found: dict[int, list[tuple[int, str]]] = {}
    for item, scan, state in connection.execute(select(events.c.item, events.c.scan, events.c.state)):
        found.setdefault(item, []).append((scan, state))
    doomed: list[tuple[int, int]] = []
    forgotten: list[int] = []
    there = set(left)
    for item, happened in found.items():
        happened.sort()
        ends = [scan for scan, _ in happened[1:]] + [left[-1] + 1 if left else 0]
        kept = [each for each, end in zip(happened, ends, strict=True) if _needed(each[0], end, left)]
        if all(state == "fixed" and scan not in there for scan, state in kept):
            forgotten.append(item)
            kept = []
        doomed += [(item, scan) for scan, _ in set(happened) - set(kept)]
    return doomed, forgotten


def _needed(scan: int, end: int, left: list[int]) -> bool:
    """Whether one of the scans that are left lies from `scan` to before `end`."""
    at = bisect_left(left, scan)
    return at < len(left) and left[at] < end


def _place(change: Change) -> tuple[Any, ...]:
    rank: Mapping[str, int] = Severity.__members__
    return NEWS.index(change.news), -rank.get(change.item.severity, -1), change.item.key
