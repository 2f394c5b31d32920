"""What scans remember: the items that ever stood open, what became of each and when, and the scans themselves."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Select, bindparam, func, insert, select, update

from scanner.document.schema import TrendRow
from scanner.history import revisions as schema
from scanner.history.compare import Change, Changes, Item, Key
from scanner.history.database import Place, place
from scanner.history.tables import events, items, looks, scans, subscriptions
from scanner.model.ids import segments, subscription_of
from scanner.model.verdict import Severity

T = TypeVar("T")
Before = Callable[[str, str], bool]
Judge = Callable[[Mapping[Key, Item], Before, "ScanRecord | None"], Changes]

CHUNK = 1000
"""Values in one `IN (...)`."""
SEVERITIES = tuple(each.name for each in reversed(Severity))
CELL = ("severity", "reach", "authentication", "state", "sighted")
FIELDS = Item.__struct_fields__


@dataclass(frozen=True, slots=True)
class ScanRecord:
    """A scan as it is remembered. `standing`: how many items stood open, by severity; `undecided`: how many verdicts
    could not be given.

    `selection` names what was asked for; scans are compared with the last one of the same selection. `scopes` (lower
    case: `/subscriptions/x`, an id below it, or `/subscriptions/x?tag=a=b`) and `words` (first ids of rules, types) say
    what it looked at; they are kept apart, so that a record that is read back has neither. `number`: its place, from 1.
    """

    id: str
    taken: str
    started: str
    finished: str
    tool: str
    selection: str
    subscriptions: tuple[str, ...]
    scopes: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    complete: bool = True
    confirmed: bool = False
    standing: Mapping[str, int] = field(default_factory=dict)
    undecided: int = 0
    number: int = 0


class History:
    """An open history. No connection is held between calls, so that an hour of scanning holds no lock and no socket.

    Every call raises HistoryError for what went wrong. `notes`: what somebody should know who keeps a history there.
    """

    def __init__(self, where: Place, standing: schema.Standing, notes: tuple[str, ...] = ()) -> None:
        self.place = where
        self.standing = standing
        self.notes = notes

    @classmethod
    def open(cls, url: str, *, at: str = "", create: bool = True) -> "History":
        """The history at a URL or path; `at` says how it was given, for errors. Brings an SQLite file up to date (and
        makes one, unless `create` is false); a PostgreSQL database must be up to date.
        """
        where = place(url, at=at, create=create)
        return opened(where)

    def __enter__(self) -> "History":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.place.close()

    # What a scan asks

    def known(self, of: Set[str]) -> dict[Key, Item]:
        """Every item of these subscriptions (lower case) that is remembered, fixed ones too."""
        with self.reading() as connection:
            return {item.key: item for _, item in _known(connection, of)}

    def before(self, own: Iterable[str] = ()) -> Before:
        """(resource id, word) -> whether an earlier scan looked there with the word: a scope above the resource, or one
        of the `own` scopes of a filtered scan, is remembered with it.
        """
        with self.reading() as connection:
            return _before(_looks(connection), own)

    def last(self, selection: str) -> ScanRecord | None:
        """The last scan of a selection."""
        with self.reading() as connection:
            return _last(connection, selection)

    def latest(self) -> ScanRecord | None:
        """The last scan of all."""
        with self.reading() as connection:
            return latest(connection)

    def trend(self, selection: str, count: int = 60) -> list[TrendRow]:
        """The last scans of a selection, the oldest first."""
        wanted = ("taken", *SEVERITIES, "undecided")
        query = select(*(scans.c[name] for name in wanted)).where(scans.c.selection == selection)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(scans.c.number.desc()).limit(count)).all()
        return [TrendRow(**dict(zip(wanted, row, strict=True))) for row in reversed(rows)]

    # What a scan leaves

    def record(self, scan: ScanRecord, judge: Judge) -> Changes:
        """Write a scan, in one transaction that no other writer can enter.

        `judge` gets what is known of the scan's subscriptions (and of those of the last scan of the selection),
        `before`, and that last scan, and says what changed. Of two scans at once, the second sees what the first one
        wrote. A scan that was taken before the last one is written all the same: the last one's `taken` shows it.
        """
        with self.writing() as connection:
            last = _last(connection, scan.selection)
            numbers: dict[Key, int] = {}
            known: dict[Key, Item] = {}
            for number, item in _known(connection, {*scan.subscriptions, *(last.subscriptions if last else ())}):
                numbers[item.key], known[item.key] = number, item
            looked = _looks(connection)
            changes = judge(known, _before(looked, scan.scopes), last)
            number = _next(connection, scans.c.number)
            connection.execute(insert(scans), _scan_row(scan, number))
            _insert(connection, subscriptions, [{"scan": number, "subscription": each} for each in scan.subscriptions])
            _write_items(connection, number, changes, known, numbers)
            more = [(scope, word) for scope in scan.scopes for word in scan.words - looked.get(scope, set())]
            _insert(connection, looks, [{"scope": scope, "word": word, "scan": number} for scope, word in sorted(more)])
        return changes

    # Transactions, each of which finds the history that was opened

    def reading(self) -> "Checked":
        return Checked(self, write=False)

    def writing(self) -> "Checked":
        return Checked(self, write=True)


class Checked:
    """A transaction on the history that was opened, and no other that took its place."""

    def __init__(self, history: History, *, write: bool) -> None:
        self.history = history
        self.way = history.place.writing() if write else history.place.reading()

    def __enter__(self) -> Connection:
        connection = self.way.__enter__()
        try:
            now = schema.standing(connection, self.history.place)
            if now != self.history.standing:
                what = "another history stands here than the one that was opened"
                raise self.history.place.error(what, "restore it, then run again")
        except BaseException as error:
            self.way.__exit__(type(error), error, error.__traceback__)
            raise
        return connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self.way.__exit__(kind, error, trace)


def opened(where: Place) -> History:
    """The history at a place, up to date."""
    with where.reading() as connection:
        found = schema.standing(connection, where)
    if where.path is None:
        if found.behind:
            newest = schema.revisions()[-1].lstrip("0")
            old = f"the history has schema {found.revision.lstrip('0')}, this version needs {newest}"
            raise where.error(old if found.id else "this database holds no history yet", "twolocks history upgrade")
        return History(where, found)
    notes: tuple[str, ...] = ()
    if not found.id or found.behind:
        mode = where.log_ahead()
        with where.writing() as connection:
            found = schema.upgrade(connection, where)
    else:
        mode = where.raw("PRAGMA journal_mode")
    if mode != "wal":
        notes = (
            f"{where.shown}: this file system has no shared memory for SQLite, so scans and questions wait for each "
            "other; a local disk, or PostgreSQL, serves two at once",
        )
    where.may_create = False
    return History(where, found, notes)


# Reading


def _known(connection: Connection, of: Set[str]) -> Iterator[tuple[int, Item]]:
    of = {each.lower() for each in of}
    query = select(items.c.number, *(items.c[name] for name in FIELDS))
    if len(of) <= CHUNK:
        query = query.where(items.c.subscription.in_(sorted(of)))
    for number, *values in connection.execute(query):
        item = Item(**dict(zip(FIELDS, values, strict=True)))
        if len(of) <= CHUNK or subscription_of(item.resource) in of:
            yield number, item


def _looks(connection: Connection) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for scope, word in connection.execute(select(looks.c.scope, looks.c.word)):
        found.setdefault(scope, set()).add(word)
    return found


def _before(looked: Mapping[str, Set[str]], own: Iterable[str]) -> Before:
    filtered = [scope for scope in own if "?" in scope and scope in looked]

    def before(resource: str, word: str) -> bool:
        parts = segments(resource)
        above = {"/" + "/".join(parts[:end]) for end in range(1, len(parts) + 1)}
        return any(word in looked.get(scope, ()) for scope in above) or any(
            word in looked[scope] and scope.split("?", 1)[0] in above for scope in filtered
        )

    return before


def _last(connection: Connection, selection: str) -> ScanRecord | None:
    query = select(scans).where(scans.c.selection == selection).order_by(scans.c.number.desc()).limit(1)
    return next(iter(records(connection, query)), None)


def latest(connection: Connection) -> ScanRecord | None:
    return next(iter(records(connection, select(scans).order_by(scans.c.number.desc()).limit(1))), None)


def records(connection: Connection, query: Select[Any]) -> list[ScanRecord]:
    """The scans that a query of `scans` answers."""
    rows = connection.execute(query).mappings().all()
    of: dict[int, list[str]] = {row["number"]: [] for row in rows}
    for chunk in chunks(list(of)):
        wanted = select(subscriptions).where(subscriptions.c.scan.in_(chunk)).order_by(subscriptions.c.subscription)
        for scan, subscription in connection.execute(wanted):
            of[scan].append(subscription)
    return [
        ScanRecord(
            **{name: value for name, value in row.items() if name not in SEVERITIES},
            subscriptions=tuple(of[row["number"]]),
            standing={name: row[name] for name in SEVERITIES},
        )
        for row in rows
    ]


def _next(connection: Connection, column: Any) -> int:
    return (connection.execute(select(func.max(column))).scalar() or 0) + 1


# Writing


def _scan_row(scan: ScanRecord, number: int) -> dict[str, Any]:
    plain = ("id", "taken", "started", "finished", "tool", "selection", "complete", "confirmed", "undecided")
    row = {name: getattr(scan, name) for name in plain}
    return {"number": number, **row, **{name: scan.standing.get(name, 0) for name in SEVERITIES}}


def _write_items(
    connection: Connection, scan: int, changes: Changes, known: Mapping[Key, Item], numbers: dict[Key, int]
) -> None:
    """The items as they are after a scan, and an event for each that changed."""
    fresh = [change.item for change in changes.found if change.item.key not in numbers]
    numbers.update(_numbers(connection, fresh))
    first = _next(connection, items.c.number)
    made = [item for item in fresh if item.key not in numbers]
    numbers.update({item.key: first + place for place, item in enumerate(made)})
    new = {item.key for item in made}
    _insert(connection, items, [_item_row(item, numbers[item.key]) for item in made])
    changed = [change.item for change in changes.found if change.item.key not in new]
    seen: dict[str, list[int]] = {}
    for item in changes.same:
        if msgspec.structs.replace(known[item.key], seen=item.seen) != item:
            changed.append(item)
        elif item.seen != known[item.key].seen:
            seen.setdefault(item.seen, []).append(numbers[item.key])
    _update(connection, [_item_row(item, numbers[item.key]) for item in changed])
    for time, those in seen.items():
        for chunk in chunks(those):
            connection.execute(update(items).where(items.c.number.in_(chunk)).values(seen=time))
    _insert(connection, events, [_event_row(change, scan, numbers[change.item.key]) for change in changes.found])


def _numbers(connection: Connection, of: Sequence[Item]) -> dict[Key, int]:
    """The rows that items have already, though they were not among those that the scan was compared with."""
    found: dict[Key, int] = {}
    for chunk in chunks([item.fingerprint for item in of]):
        query = select(items.c.kind, items.c.fingerprint, items.c.number).where(items.c.fingerprint.in_(chunk))
        found |= {(kind, fingerprint): number for kind, fingerprint, number in connection.execute(query)}
    return found


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def _item_row(item: Item, number: int) -> dict[str, Any]:
    row = {name: _kept(getattr(item, name)) for name in FIELDS}
    return {**row, "number": number, "subscription": subscription_of(item.resource)}


def _kept(value: Any) -> Any:
    """A value as every database can hold it: PostgreSQL's text has no NUL, a name from Azure may."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _event_row(change: Change, scan: int, number: int) -> dict[str, Any]:
    cell = {name: getattr(change.item, name) for name in CELL}
    return {"scan": scan, "item": number, "news": change.news, **cell, "why": change.why}


def _insert(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _update(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        names = [name for name in rows[0] if name != "number"]
        query = (
            update(items).where(items.c.number == bindparam("row")).values({name: bindparam(name) for name in names})
        )
        connection.execute(query, [{"row": row.pop("number"), **row} for row in rows])
