"""Items of renamed and merged rules in the tables: each gets its present fingerprint; equal ones become one."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, delete, insert, select, update

from scanner.history.compare import change_between
from scanner.history.first_ids import FirstIds, joined
from scanner.history.item_rows import COLUMNS, EVENT_COLUMNS, chunks, item_of, item_row
from scanner.history.items import Change, Item, ItemKey
from scanner.history.tables import events, items, reported_items

Numbered = tuple[int, Item]


def follow(connection: Connection, first_ids: FirstIds) -> None:
    """Give the findings of renamed and merged rules their present fingerprints.

    Those of one resource that a merged rule has in common become one, with what happened to any of them: it is open
    while one of them is.
    """
    if not first_ids.of:
        return
    groups: dict[ItemKey, list[Numbered]] = {}
    for number, item in _of_rules(connection, list(first_ids.of)):
        groups.setdefault(first_ids.item(item).key, []).append((number, item))
    for (_, fingerprint), matches in groups.items():
        (number, item), *others = sorted(matches, key=lambda each: (each[1].fingerprint != fingerprint, each[0]))
        if not others and item.fingerprint == fingerprint:
            continue
        for other in others:
            item = joined(item, other[1])
        if others:
            _join_events(connection, matches, number)
            _join_reported(connection, [each for each, _ in matches], number)
            connection.execute(delete(items).where(items.c.number.in_([each for each, _ in others])))
        row = item_row(replace(item, fingerprint=fingerprint), number)
        connection.execute(update(items).where(items.c.number == row.pop("number")).values(row))


def _of_rules(connection: Connection, rules: Sequence[str]) -> Iterator[Numbered]:
    for chunk in chunks(rules):
        query = select(items.c.number, *(items.c[name] for name in COLUMNS))
        for number, *values in connection.execute(query.where(items.c.kind == "finding", items.c.rule.in_(chunk))):
            yield number, item_of(values)


def _join_events(connection: Connection, matches: Sequence[Numbered], number: int) -> None:
    """Write what happened to several items as what happened to one of them, `number`."""
    numbers = [each for each, _ in matches]
    query = select(events).where(events.c.item.in_(numbers)).order_by(events.c.scan, events.c.item)
    rows = [dict(each) for each in connection.execute(query).mappings()]
    connection.execute(delete(events).where(events.c.item.in_(numbers)))
    if made := list(_events(dict(matches), rows, number)):
        connection.execute(insert(events), made)


def _events(result: dict[int, Item], rows: Sequence[dict[str, Any]], number: int) -> Iterator[dict[str, Any]]:
    """Yield the events of what several items became. `rows`: theirs, in the order of scans."""
    now: dict[int, Item] = {}
    was: Item | None = None
    for scan in dict.fromkeys(row["scan"] for row in rows):
        of_scan = [row for row in rows if row["scan"] == scan]
        for row in of_scan:
            values = {name: row[name] for name in EVENT_COLUMNS}
            item = result[row["item"]]
            now[row["item"]] = item_of([values.get(name, value) for name, value in _columns(item)])
        both, *others = now.values()
        for other in others:
            both = joined(both, other)
        change = change_between(was, both)
        if was is None:
            first = next(row for row in of_scan if row["state"] == both.state)
            yield {**first, **_cell(both), "item": number}
        elif isinstance(change, Change):
            same = next((row for row in of_scan if row["news"] == change.kind.value), None)
            why = same["why"] if same is not None else change.why
            yield {"item": number, "scan": scan, "news": change.kind.value, **_cell(both), "why": why}
        was = both


def _columns(item: Item) -> Iterator[tuple[str, Any]]:
    row = item_row(item, 0)
    return ((name, row[name]) for name in COLUMNS)


def _cell(item: Item) -> dict[str, Any]:
    row = item_row(item, 0)
    return {name: row[name] for name in EVENT_COLUMNS}


def _join_reported(connection: Connection, numbers: Sequence[int], number: int) -> None:
    """Let an item count as reported to a notification where all that became it were, since the first of these scans."""
    table = reported_items
    reported: dict[str, list[int]] = {}
    for name, scan in connection.execute(select(table.c.name, table.c.scan).where(table.c.item.in_(numbers))):
        reported.setdefault(name, []).append(scan)
    connection.execute(delete(table).where(table.c.item.in_(numbers)))
    rows = [
        {"name": name, "item": number, "scan": min(scans)}
        for name, scans in reported.items()
        if len(scans) == len(numbers)
    ]
    if rows:
        connection.execute(insert(table), rows)
