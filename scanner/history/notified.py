"""What was reported to notifications, so that a missed alert is sent with the next scan, and only once."""

from collections.abc import Iterable, Set

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from scanner.history.item_rows import COLUMNS, chunks, item_of
from scanner.history.items import ALERTS, Change, ChangeKind, ItemKey, Reported
from scanner.history.store import History, records
from scanner.history.tables import events, items, reported_items, reported_scans, scans


def start(history: History, names: Iterable[str], selection: str) -> None:
    """Let notifications that are new to a selection start with the scan that is written next."""
    with history.writing() as connection:
        query = select(reported_scans.c.name).where(reported_scans.c.selection == selection)
        known = set(connection.execute(query).scalars())
        last = connection.execute(select(func.max(scans.c.number))).scalar() or 0
        rows = [{"name": name, "selection": selection, "scan": last} for name in sorted(set(names) - known)]
        if rows:
            connection.execute(insert(reported_scans), rows)


def reported(history: History, name: str, selection: str, scan: str, subscriptions: Set[str]) -> Reported:
    """Return what a notification got before a scan (its id), and missed of these subscriptions (lower case).

    Scans of other selections count too: what a scan by hand finds first is not new in the next scheduled run.
    """
    with history.reading() as connection:
        since = _last_reported(connection, name, selection)
        here = select(scans).where(scans.c.selection == selection, scans.c.number <= since)
        last = next(iter(records(connection, here.order_by(scans.c.number.desc()).limit(1))), None)
        number = _number(connection, scan)
        same = and_(reported_items.c.item == items.c.number, reported_items.c.name == name)
        query = (
            select(events.c.news, events.c.why, items.c.subscription, *(items.c[each] for each in COLUMNS))
            .select_from(events.join(items, events.c.item == items.c.number).outerjoin(reported_items, same))
            .where(events.c.news.in_([kind.value for kind in ALERTS]), items.c.state == "open")
            .where(events.c.scan > since, events.c.scan > func.coalesce(reported_items.c.scan, 0))
            .order_by(events.c.scan)
        )
        if number:
            query = query.where(events.c.scan < number)
        missed: dict[ItemKey, Change] = {}
        for kind, why, subscription, *values in connection.execute(query):
            item = item_of(values)
            if subscription in subscriptions:
                missed[item.key] = Change(ChangeKind(kind), item, None, why)
    return Reported(last, tuple(missed.values()))


def mark_reported(
    history: History, name: str, selection: str, scan: str, keys: Iterable[ItemKey], *, in_part: bool = False
) -> None:
    """Write that these items were reported to a notification, and that nothing up to a scan is left to report to it.

    `in_part`: others are left to report, because the notice to one of its owners was not delivered.
    """
    with history.writing() as connection:
        number = _number(connection, scan)
        if not number:
            return
        here = and_(reported_scans.c.name == name, reported_scans.c.selection == selection)
        if not in_part and not connection.execute(update(reported_scans).where(here).values(scan=number)).rowcount:
            connection.execute(insert(reported_scans), {"name": name, "selection": selection, "scan": number})
        table = reported_items
        for chunk in chunks(sorted(_items(connection, keys))):
            connection.execute(delete(table).where(table.c.name == name, table.c.item.in_(chunk)))
            connection.execute(insert(table), [{"name": name, "item": item, "scan": number} for item in chunk])


def _last_reported(connection: Connection, name: str, selection: str) -> int:
    query = select(reported_scans.c.scan).where(reported_scans.c.name == name, reported_scans.c.selection == selection)
    return connection.execute(query).scalar() or 0


def _number(connection: Connection, scan: str) -> int:
    return connection.execute(select(func.max(scans.c.number)).where(scans.c.id == scan)).scalar() or 0


def _items(connection: Connection, keys: Iterable[ItemKey]) -> set[int]:
    wanted = set(keys)
    result = set()
    for chunk in chunks(sorted({fingerprint for _, fingerprint in wanted})):
        query = select(items.c.number, items.c.kind, items.c.fingerprint).where(items.c.fingerprint.in_(chunk))
        result |= {number for number, kind, fingerprint in connection.execute(query) if (kind, fingerprint) in wanted}
    return result
