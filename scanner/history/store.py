"""A history: the items that were ever open, what became of each and when, and the scans themselves."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Select, Table, and_, bindparam, case, func, insert, not_, select, update

from scanner.document.schema import TrendRow
from scanner.history.compare import EvaluatedBefore
from scanner.history.database import (
    Database,
    SchemaState,
    UnknownWord,
    database_at,
    revisions,
    schema_state,
    upgrade_schema,
)
from scanner.history.evaluated import EvaluatedScopes
from scanner.history.first_ids import FirstIds, joined
from scanner.history.item_rows import CHUNK, COLUMNS, EVENT_COLUMNS, check_times, chunks, item_of, item_row
from scanner.history.items import Change, ChangeKind, Changes, Item, ItemKey, ScanRecord
from scanner.history.renamed_items import follow
from scanner.history.tables import evaluated, events, items, scans, subscriptions
from scanner.model.exposure import LOCKS
from scanner.model.ids import subscription_of
from scanner.model.message import message_text
from scanner.model.severity import SEVERITIES

T = TypeVar("T")
Comparison = Callable[[Mapping[ItemKey, Item], EvaluatedBefore, ScanRecord | None], Changes]
"""(known items, evaluated_before, the last scan of the selection) -> what changed."""


class History:
    """An open history. No connection is held between calls, so that an hour of scanning holds no lock and no socket.

    Every call raises HistoryError. `notes` say what is unfavourable about the place of the history.
    """

    def __init__(
        self,
        database: Database,
        schema: SchemaState,
        notes: tuple[str, ...] = (),
        first_ids: FirstIds = FirstIds(),  # noqa: B008 - it does not change
    ) -> None:
        self.database = database
        self.schema = schema
        self.notes = notes
        self.first_ids = first_ids

    @classmethod
    def open(
        cls,
        url: str,
        *,
        at: str = "",
        create: bool = True,
        token_hosts: Collection[str] = (),
        first_ids: FirstIds | None = None,
    ) -> "History":
        """Return the history at a URL or path. `at` says how it was given, for errors.

        Brings an SQLite file up to date, and makes one unless `create` is false. A PostgreSQL database must be up to
        date; `token_hosts` are as for `database_at`. `first_ids`: those of the rules of a scan.
        """
        history = opened(database_at(url, at=at, create=create, token_hosts=token_hosts))
        history.first_ids = first_ids or FirstIds()
        return history

    def __enter__(self) -> "History":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    # What a scan reads

    def known(self, of: Set[str]) -> dict[ItemKey, Item]:
        """Return every item of these subscriptions (lower case), fixed ones too, under the first ids of their rules."""
        result: dict[ItemKey, Item] = {}
        with self.reading() as connection:
            for _, stored in _known(connection, of):
                item = self.first_ids.item(stored)
                other = result.get(item.key)
                result[item.key] = item if other is None else joined(other, item)
        return result

    def evaluated_before(self, selected: Iterable[str] = ()) -> EvaluatedScopes:
        """Return whether an earlier scan evaluated a resource with a rule or type.

        It did where it evaluated a scope above the resource with it, or one of the `selected` scopes of a filtered
        scan.
        """
        with self.reading() as connection:
            return EvaluatedScopes(self._evaluated(connection), tuple(selected))

    def last(self, selection: str) -> ScanRecord | None:
        """Return the last scan of a selection."""
        with self.reading() as connection:
            return _last(connection, selection)

    def latest(self) -> ScanRecord | None:
        """Return the last scan of all."""
        with self.reading() as connection:
            return latest(connection)

    def trend(self, selection: str, count: int = 60) -> list[TrendRow]:
        """Return the last scans of a selection, the oldest first."""
        wanted = ("taken", *SEVERITIES, "undecided", "unknown")
        query = select(scans.c.number, *(scans.c[name] for name in wanted)).where(scans.c.selection == selection)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(scans.c.number.desc()).limit(count)).all()
            moves = _moves(connection, [row.number for row in rows])
            none = {"opened": 0, "closed": 0}
            return [
                _converted({**dict(zip(wanted, row[1:], strict=True)), **moves.get(row.number, none)}, TrendRow)
                for row in reversed(rows)
            ]

    # What a scan writes

    def record(self, scan: ScanRecord, compare: Comparison) -> Changes:
        """Write a scan, in one transaction that no other writer can enter, and return what changed.

        `compare` gets the known items of the scan's subscriptions and of those of the last scan of the selection. Of
        two scans at once, the second is compared with what the first one wrote. A scan that was taken before the last
        one is written all the same, because `taken` shows that.
        """
        with self.writing() as connection:
            follow(connection, self.first_ids)
            last = _last(connection, scan.selection)
            numbers: dict[ItemKey, int] = {}
            known: dict[ItemKey, Item] = {}
            for number, item in _known(connection, {*scan.subscriptions, *(last.subscriptions if last else ())}):
                numbers[item.key], known[item.key] = number, item
            before = self._evaluated(connection)
            changes = compare(known, EvaluatedScopes(before, scan.scopes), last)
            number = _next(connection, scans.c.number)
            connection.execute(insert(scans), _scan_row(scan, number))
            _insert(connection, subscriptions, [{"scan": number, "subscription": each} for each in scan.subscriptions])
            _write_items(connection, number, changes, known, numbers)
            more = sorted(
                (scope, word) for scope in scan.scopes for word in scan.rules_and_types - before.get(scope, set())
            )
            _insert(connection, evaluated, [{"scope": scope, "word": word, "scan": number} for scope, word in more])
        return changes

    def _evaluated(self, connection: Connection) -> dict[str, set[str]]:
        """Return the rules, by their first ids, and types that each scope was evaluated with."""
        result: dict[str, set[str]] = {}
        for scope, word in connection.execute(select(evaluated.c.scope, evaluated.c.word)):
            result.setdefault(scope, set()).add(self.first_ids(word))
        return result

    # Transactions

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Return a connection in a transaction that reads this history."""
        with self.database.reading() as connection:
            self._check(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Return a connection in a transaction that writes this history."""
        with self.database.writing() as connection:
            self._check(connection)
            yield connection

    def _check(self, connection: Connection) -> None:
        """Raise HistoryError where another history has replaced the one that was opened."""
        if schema_state(connection, self.database) != self.schema:
            what = "the history was replaced by another one since it was opened"
            raise self.database.error(what, "restore it, then run again")


def opened(database: Database) -> History:
    """Return the history in a database, up to date."""
    with database.reading() as connection:
        schema = schema_state(connection, database)
    if database.path is None:
        if schema.is_outdated:
            newest = revisions()[-1].lstrip("0")
            old = f"the history has schema {schema.revision.lstrip('0')}; this version needs {newest}"
            raise database.error(old if schema.id else "this database has no history yet", "twolocks history upgrade")
        return History(database, schema)
    if not schema.id or schema.is_outdated:
        mode = database.enable_wal()
        with database.writing() as connection:
            schema = upgrade_schema(connection, database)
    else:
        mode = database.run_alone("PRAGMA journal_mode")
    database.may_create = False
    if mode == "wal":
        return History(database, schema)
    note = (
        f"{database.shown}: this file system has no shared memory for SQLite, so scans and questions wait for each "
        "other; a local disk, or PostgreSQL, serves two at once"
    )
    return History(database, schema, (note,))


# Reading


def _known(connection: Connection, of: Set[str]) -> Iterator[tuple[int, Item]]:
    of = {each.lower() for each in of}
    query = select(items.c.number, *(items.c[name] for name in COLUMNS))
    if len(of) <= CHUNK:
        query = query.where(items.c.subscription.in_(sorted(of)))
    for number, *values in connection.execute(query):
        item = item_of(values)
        if len(of) <= CHUNK or subscription_of(item.resource) in of:
            yield number, item


def _converted(row: dict[str, Any], type: type[T]) -> T:
    """Return a row in its type. Raises UnknownWord for a value of another one, and for a time that cannot be."""
    try:
        return msgspec.convert(row, type)
    except msgspec.ValidationError as error:
        raise UnknownWord(str(error)) from None


def _last(connection: Connection, selection: str) -> ScanRecord | None:
    query = select(scans).where(scans.c.selection == selection).order_by(scans.c.number.desc()).limit(1)
    return next(iter(records(connection, query)), None)


def latest(connection: Connection) -> ScanRecord | None:
    """Return the last scan of all."""
    return next(iter(records(connection, select(scans).order_by(scans.c.number.desc()).limit(1))), None)


def records(connection: Connection, query: Select[Any]) -> list[ScanRecord]:
    """Return the scans that a query of the table `scans` selects."""
    rows = connection.execute(query).mappings().all()
    of: dict[int, list[str]] = {row["number"]: [] for row in rows}
    for chunk in chunks(list(of)):
        wanted = select(subscriptions).where(subscriptions.c.scan.in_(chunk)).order_by(subscriptions.c.subscription)
        for scan, subscription in connection.execute(wanted):
            of[scan].append(subscription)
    scan_records = []
    for row in rows:
        words = {f"{name}": value for name, value in row.items() if name not in SEVERITIES}
        standing = {name: row[name] for name in SEVERITIES}
        scan_records.append(_converted({**words, "subscriptions": of[row["number"]], "standing": standing}, ScanRecord))
        check_times(scan_records[-1], ("taken", "started", "finished"))
    return scan_records


def _next(connection: Connection, column: Any) -> int:
    return (connection.execute(select(func.max(column))).scalar() or 0) + 1


# Writing


def _moves(connection: Connection, numbers: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return, by the number of the scan, how many counted items it opened (new, reopened) and closed (fixed)."""
    kinds = {"opened": (ChangeKind.new, ChangeKind.reopened), "closed": (ChangeKind.fixed,)}
    sums = [
        func.sum(case((events.c.news.in_([each.value for each in change_kinds]), 1), else_=0)).label(name)
        for name, change_kinds in kinds.items()
    ]
    is_counted = not_(and_(items.c.category.in_(LOCKS), items.c.endpoint != ""))
    query = (
        select(events.c.scan, *sums)
        .join(items, items.c.number == events.c.item)
        .where(events.c.scan.in_(numbers), is_counted)
        .group_by(events.c.scan)
    )
    return {row.scan: {name: int(row._mapping[name]) for name in kinds} for row in connection.execute(query)}


def _scan_row(scan: ScanRecord, number: int) -> dict[str, Any]:
    of_scan = ("id", "taken", "started", "finished", "tool", "selection", "complete", "confirmed")
    row = {name: getattr(scan, name) for name in (*of_scan, "undecided", "unknown")}
    return {"number": number, **row, **{name: scan.standing.get(name, 0) for name in SEVERITIES}}


def _write_items(
    connection: Connection, scan: int, changes: Changes, known: Mapping[ItemKey, Item], numbers: dict[ItemKey, int]
) -> None:
    """Write the items as a scan left them, and an event for each that changed."""
    fresh = [change.item for change in changes.changed if change.item.key not in numbers]
    numbers.update(_numbers(connection, fresh))
    first = _next(connection, items.c.number)
    made = [item for item in fresh if item.key not in numbers]
    numbers.update({item.key: first + position for position, item in enumerate(made)})
    new = {item.key for item in made}
    _insert(connection, items, [item_row(item, numbers[item.key]) for item in made])
    changed = [change.item for change in changes.changed if change.item.key not in new]
    seen: dict[str, list[int]] = {}
    for item in changes.unchanged:
        if msgspec.structs.replace(known[item.key], seen=item.seen) != item:
            changed.append(item)
        elif item.seen != known[item.key].seen:
            seen.setdefault(item.seen, []).append(numbers[item.key])
    _update(connection, [item_row(item, numbers[item.key]) for item in changed])
    for time, those in seen.items():
        for chunk in chunks(those):
            connection.execute(update(items).where(items.c.number.in_(chunk)).values(seen=time))
    _insert(connection, events, [_event_row(change, scan, numbers[change.item.key]) for change in changes.changed])


def _numbers(connection: Connection, of: Sequence[Item]) -> dict[ItemKey, int]:
    """Return the numbers of items that have a row, though they were not among those of the comparison."""
    result: dict[ItemKey, int] = {}
    for chunk in chunks([item.fingerprint for item in of]):
        query = select(items.c.kind, items.c.fingerprint, items.c.number).where(items.c.fingerprint.in_(chunk))
        result |= {(kind, fingerprint): number for kind, fingerprint, number in connection.execute(query)}
    return result


def _event_row(change: Change, scan: int, number: int) -> dict[str, Any]:
    row = msgspec.to_builtins(change.item, enc_hook=message_text)
    state = {name: row[name] for name in EVENT_COLUMNS}
    return {"scan": scan, "item": number, "news": change.kind.value, **state, "why": change.why}


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _update(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        names = [name for name in rows[0] if name != "number"]
        query = (
            update(items).where(items.c.number == bindparam("row")).values({name: bindparam(name) for name in names})
        )
        connection.execute(query, [{"row": row.pop("number"), **row} for row in rows])
