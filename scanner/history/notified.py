"""What notifications were told, so that news that nobody heard is told with the next scan, and none is told twice."""

from collections.abc import Iterable, Set
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from scanner.history.compare import PAGING, Change, Item, Key
from scanner.history.store import FIELDS, History, ScanRecord, chunks, records
from scanner.history.tables import events, items, notices, scans, told


@dataclass(frozen=True, slots=True)
class Heard:
    """What a notification knows of a selection: the last scan after which it had heard everything (None: there is none,
    or it was pruned), and what became new, reopened or worse since, was not told to it, and stands open.
    """

    last: ScanRecord | None
    late: tuple[Change, ...] = ()


def begin(history: History, names: Iterable[str], selection: str) -> None:
    """Before a scan is written: notifications that are told of this selection for the first time begin with it."""
    with history.writing() as connection:
        known = set(connection.execute(select(notices.c.name).where(notices.c.selection == selection)).scalars())
        last = connection.execute(select(func.max(scans.c.number))).scalar() or 0
        rows = [{"name": name, "selection": selection, "scan": last} for name in sorted(set(names) - known)]
        if rows:
            connection.execute(insert(notices), rows)


def earlier(history: History, name: str, selection: str, scan: str, subscriptions: Set[str]) -> Heard:
    """What a notification has not heard before a scan (its id), of the subscriptions (lower case) that it looked at.

    Other scans count too, of whatever selection: what somebody's own scan found first is no news to the next night.
    """
    with history.reading() as connection:
        since = _since(connection, name, selection)
        here = select(scans).where(scans.c.selection == selection, scans.c.number <= since)
        last = next(iter(records(connection, here.order_by(scans.c.number.desc()).limit(1))), None)
        number = _number(connection, scan)
        known = and_(told.c.item == items.c.number, told.c.name == name)
        query = (
            select(events.c.news, events.c.why, items.c.subscription, *(items.c[each] for each in FIELDS))
            .select_from(events.join(items, events.c.item == items.c.number).outerjoin(told, known))
            .where(events.c.news.in_(PAGING), items.c.state == "open")
            .where(events.c.scan > since, events.c.scan > func.coalesce(told.c.scan, 0))
            .order_by(events.c.scan)
        )
        if number:
            query = query.where(events.c.scan < number)
        found: dict[Key, Change] = {}
        for news, why, subscription, *values in connection.execute(query):
            item = Item(**dict(zip(FIELDS, values, strict=True)))
            if subscription in subscriptions:
                found[item.key] = Change(news, item, None, why)
    return Heard(last, tuple(found.values()))


def heard(history: History, name: str, selection: str, scan: str, keys: Iterable[Key]) -> None:
    """Take in that a notification knows all that it wants to know up to a scan, and was told of these items."""
    with history.writing() as connection:
        number = _number(connection, scan)
        if not number:
            return
        here = and_(notices.c.name == name, notices.c.selection == selection)
        if not connection.execute(update(notices).where(here).values(scan=number)).rowcount:
            connection.execute(insert(notices), {"name": name, "selection": selection, "scan": number})
        for chunk in chunks(sorted(_items(connection, keys))):
            connection.execute(delete(told).where(told.c.name == name, told.c.item.in_(chunk)))
            connection.execute(insert(told), [{"name": name, "item": item, "scan": number} for item in chunk])


def _since(connection: Connection, name: str, selection: str) -> int:
    query = select(notices.c.scan).where(notices.c.name == name, notices.c.selection == selection)
    return connection.execute(query).scalar() or 0


def _number(connection: Connection, scan: str) -> int:
    return connection.execute(select(func.max(scans.c.number)).where(scans.c.id == scan)).scalar() or 0


def _items(connection: Connection, keys: Iterable[Key]) -> set[int]:
    wanted = set(keys)
    found = set()
    for chunk in chunks(sorted({fingerprint for _, fingerprint in wanted})):
        query = select(items.c.number, items.c.kind, items.c.fingerprint).where(items.c.fingerprint.in_(chunk))
        found |= {number for number, kind, fingerprint in connection.execute(query) if (kind, fingerprint) in wanted}
    return found
