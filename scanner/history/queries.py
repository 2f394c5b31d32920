"""Answers of a history to people: its scans, one scan, two scans compared, all of its rows. And what to prune."""

from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Subquery, and_, bindparam, delete, func, or_, select

from scanner.errors import InputError
from scanner.history.compare import change_between
from scanner.history.database import database_at, schema_state, upgrade_schema
from scanner.history.item_rows import COLUMNS, EVENT_COLUMNS, chunks, item_of
from scanner.history.items import Change, ChangeKind, Difference, Item, ScanRecord, rank, worst_first
from scanner.history.store import History, latest, records
from scanner.history.tables import TABLES, events, items, reported_items, scans, subscriptions
from scanner.model.exposure import LOCKS
from scanner.model.ids import subscription_of

KINDS = tuple(ChangeKind)
"""The order in which changes are shown."""


class ScanDetails(Struct, frozen=True):
    """A scan, its changes, and the items open in its subscriptions after it: the oldest first, then the most severe."""

    scan: ScanRecord
    changes: list[Change]
    open: list[Item]


class PruneCounts(Struct, frozen=True):
    """How many scans, events and items a pruning deleted, and how many items are left."""

    scans: int
    events: int
    items: int
    left: int


def all_scans(history: History) -> list[ScanRecord]:
    """Return every scan, the oldest first."""
    with history.reading() as connection:
        return records(connection, select(scans).order_by(scans.c.number))


def find(history: History, word: str = "") -> ScanRecord:
    """Return the scan with that number, or that id (or its beginning), or the last scan of that day.

    An empty `word` is the last scan of all. Raises InputError where there is none.
    """
    with history.reading() as connection:
        return _find(connection, history, word)


def show(history: History, word: str = "") -> ScanDetails:
    """Return what one scan found."""
    with history.reading() as connection:
        scan = _find(connection, history, word)
        here = events.c.scan == scan.number
        now, was = _items_at(connection, scan.number), _items_at(connection, scan.number - 1, here)
        happened = select(events.c.item, events.c.news, events.c.why).where(here)
        rows = connection.execute(happened).all()
    try:
        changes = [Change(ChangeKind(kind), now[item], was.get(item), why) for item, kind, why in rows]
    except (KeyError, ValueError) as error:
        do = "restore it from a backup, or start a new one"
        raise history.database.error(f"the history is damaged: unknown word or item {error}", do) from None
    of = set(scan.subscriptions)
    stands = [item for number, item in now.items() if item.state == "open" and subscription_of(item.resource) in of]
    return ScanDetails(
        scan, sorted(changes, key=_shown_order), sorted(stands, key=lambda item: (item.since, *worst_first(item)))
    )


def diff(history: History, first: str, then: str) -> tuple[ScanRecord, ScanRecord, Difference]:
    """Return the earlier and the later of two scans, in whichever order they are named, and what changed."""
    with history.reading() as connection:
        matches = (_find(connection, history, first), _find(connection, history, then))
        old, new = sorted(matches, key=lambda scan: scan.number)
        span = and_(events.c.scan > old.number, events.c.scan <= new.number)
        was, now = _items_at(connection, old.number, span), _items_at(connection, new.number, span)
        happened = select(events.c.item, events.c.news, events.c.why).where(span).order_by(events.c.scan)
        rows = connection.execute(happened).all()
        stands = _open(connection, new.number)
    first_evaluated = {item for item, kind, _ in rows if kind == ChangeKind.first_evaluated}
    reasons = {(item, kind): why for item, kind, why in rows}
    changes = []
    for number, item in now.items():
        answer = change_between(was.get(number), item, evaluated=number not in first_evaluated)
        if isinstance(answer, Change):
            changes.append(replace(answer, why=answer.why or reasons.get((number, answer.kind), "")))
    changed = sum(each.item.state == "open" and each.item.is_counted for each in changes)
    return old, new, Difference(sorted(changes, key=_shown_order), stands - changed)


def prune(history: History, day: str) -> PruneCounts:
    """Delete the scans that were taken before a day (YYYY-MM-DD), except the last of each selection.

    The events that no remaining scan needs go too, and the items that were fixed before. Open items stay, with the time
    of their first scan.
    """
    with history.writing() as connection:
        lasts = set(connection.execute(select(func.max(scans.c.number)).group_by(scans.c.selection)).scalars())
        old = set(connection.execute(select(scans.c.number).where(scans.c.taken < day)).scalars()) - lasts
        for chunk in chunks(sorted(old)):
            connection.execute(delete(subscriptions).where(subscriptions.c.scan.in_(chunk)))
            connection.execute(delete(scans).where(scans.c.number.in_(chunk)))
        left = sorted(connection.execute(select(scans.c.number)).scalars())
        needless, forgotten = _needless(connection, left)
        if needless:
            query = delete(events).where(events.c.item == bindparam("of"), events.c.scan == bindparam("at"))
            connection.execute(query, [{"of": item, "at": scan} for item, scan in needless])
        for chunk in chunks(forgotten):
            connection.execute(delete(reported_items).where(reported_items.c.item.in_(chunk)))
            connection.execute(delete(items).where(items.c.number.in_(chunk)))
        count = connection.execute(select(func.count()).select_from(items)).scalar() or 0
    if history.database.path is not None:
        history.database.run_alone("VACUUM")
    return PruneCounts(len(old), len(needless), len(forgotten), count)


def export(history: History) -> Iterator[dict[str, Any]]:
    """Return the id and schema of the history, then each row of each table in the order of its key."""
    yield {"history": {"id": history.schema.id, "schema": int(history.schema.revision)}}
    with history.reading() as connection:
        for table in TABLES:
            query = select(table).order_by(*table.primary_key.columns)
            for row in connection.execution_options(yield_per=1000).execute(query).mappings():
                yield {table.name: dict(row)}


def upgrade(url: str, *, at: str = "", token_hosts: Collection[str] = ()) -> tuple[int, int]:
    """Bring a history to the newest schema, and make one where the database is empty.

    Returns its schema before (0: none) and after.
    """
    database = database_at(url, at=at, token_hosts=token_hosts)
    with database.writing() as connection:
        before = schema_state(connection, database)
        after = upgrade_schema(connection, database)
    database.close()
    return int(before.revision or 0), int(after.revision)


def _find(connection: Connection, history: History, word: str) -> ScanRecord:
    if not word:
        if (last := latest(connection)) is None:
            raise history.database.error("the history has no scan yet", "twolocks scan --history creates the first")
        return last
    query = select(scans).order_by(scans.c.number.desc())
    if word.isdecimal() and len(word) < 8:
        query = query.where(scans.c.number == int(word))
    else:
        named = scans.c.taken if word[4:5] == "-" else scans.c.id
        query = query.where(named.startswith(word, autoescape=True))
    scan_records = records(connection, query.limit(1))
    if not scan_records:
        do = "give a number, an id or a day: twolocks history list"
        raise InputError(f'the history has no scan "{word}"', at=history.database.where, do=do)
    return scan_records[0]


def _newest(scan: int, changed: ColumnElement[bool] | None = None) -> Subquery:
    """Return item and scan of the last event of each item up to a scan, if given only of items with a `changed` one."""
    last = select(events.c.item, func.max(events.c.scan).label("scan")).where(events.c.scan <= scan)
    if changed is not None:
        last = last.where(events.c.item.in_(select(events.c.item).where(changed)))
    return last.group_by(events.c.item).subquery()


def _items_at(connection: Connection, scan: int, changed: ColumnElement[bool] | None = None) -> dict[int, Item]:
    """Return the items by number as they were after a scan, without those that no scan had seen by then."""
    newest = _newest(scan, changed)
    columns = [events.c[name] if name in EVENT_COLUMNS else items.c[name] for name in COLUMNS]
    query = (
        select(items.c.number, *columns)
        .join(events, events.c.item == items.c.number)
        .join(newest, and_(newest.c.item == events.c.item, newest.c.scan == events.c.scan))
    )
    return {number: item_of(row) for number, *row in connection.execute(query)}


def _open(connection: Connection, scan: int) -> int:
    """Return the number of counted items that were open after a scan."""
    newest = _newest(scan)
    here = and_(newest.c.item == events.c.item, newest.c.scan == events.c.scan)
    counted = or_(items.c.category.not_in(LOCKS), items.c.endpoint == "")
    there = events.join(newest, here).join(items, items.c.number == events.c.item)
    query = select(func.count()).select_from(there).where(events.c.state == "open", counted)
    return connection.execute(query).scalar() or 0


def _needless(connection: Connection, left: list[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the events (item, scan) that no remaining scan needs, and the items that are fixed in all of them."""
    result: dict[int, list[tuple[int, str]]] = {}
    for item, scan, state in connection.execute(select(events.c.item, events.c.scan, events.c.state)):
        result.setdefault(item, []).append((scan, state))
    needless: list[tuple[int, int]] = []
    forgotten: list[int] = []
    there = set(left)
    for item, happened in result.items():
        happened.sort()
        ends = [scan for scan, _ in happened[1:]] + [left[-1] + 1 if left else 0]
        kept = [each for each, end in zip(happened, ends, strict=True) if _needed(each[0], end, left)]
        if all(state == "fixed" and scan not in there for scan, state in kept):
            forgotten.append(item)
            kept = []
        needless += [(item, scan) for scan, _ in set(happened) - set(kept)]
    return needless, forgotten


def _needed(scan: int, end: int, left: list[int]) -> bool:
    """Return whether a remaining scan lies from `scan` to before `end`."""
    at = bisect_left(left, scan)
    return at < len(left) and left[at] < end


def _shown_order(change: Change) -> tuple[int, int, tuple[str, str]]:
    return KINDS.index(change.kind), -rank(change.item.severity), change.item.key
