"""Encoded rows in groups, sorted in a temporary database, so that however many there are they take little memory."""

import sqlite3
import weakref
from collections.abc import Iterator
from operator import itemgetter

_BATCH = 4096
"""How many rows are in memory before they are in the database."""
Row = tuple[int, bytes, bytes]
"""The number of a group, the bytes that sort the row, and the row."""
_by_key = itemgetter(1)


def sort_key(*texts: str) -> bytes:
    """Return bytes that sort as the texts one after the other do. UTF-8 sorts as Python sorts texts."""
    joined = "\0\0".join((*texts, ""))
    if joined.count("\0") != 2 * len(texts):
        joined = "".join([text.replace("\0", "\0\1") + "\0\0" for text in texts])
    return joined.encode("utf-8", "surrogatepass")


class SortedRows:
    """Rows by their sort keys, of all groups or of one; those with the same key stay in the order of `add`.

    SQLite keeps what it does not need in files of its own, which the system deletes. `batch`: how many rows are in
    memory before they are in the database.
    """

    def __init__(self, batch: int = _BATCH) -> None:
        self._batch = batch
        self._waiting: list[Row] = []
        self._database: sqlite3.Connection | None = None
        self._is_indexed = False

    def add(self, key: bytes, row: bytes = b"", group: int = 0) -> None:
        """Add a row."""
        self._waiting.append((group, key, row))
        if len(self._waiting) >= self._batch:
            self._store()

    def _store(self) -> sqlite3.Connection:
        """Put the rows into the database, which is made where there is none."""
        if self._database is None:
            # An evaluation may end in another thread than the one that began it; one of them uses it at a time.
            self._database = sqlite3.connect("", check_same_thread=False)
            weakref.finalize(self, self._database.close)
            self._database.execute("PRAGMA page_size = 16384")  # a quarter of the time less than pages of 4,096 bytes
            self._database.execute("PRAGMA journal_mode = OFF")
            self._database.execute("CREATE TABLE found (part INTEGER, place BLOB, row BLOB)")
        if self._waiting:
            self._database.executemany("INSERT INTO found VALUES (?, ?, ?)", self._waiting)
            self._waiting.clear()
        return self._database

    def all(self) -> Iterator[Row]:
        """Yield every row in the order in which they were added."""
        if self._database is not None:
            yield from self._database.execute("SELECT part, place, row FROM found ORDER BY rowid")
        yield from self._waiting

    def in_order(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the sort key of every row, and the row, the least key first. Called once all rows are added."""
        if self._database is None:
            yield from ((key, row) for _, key, row in sorted(self._waiting, key=_by_key))
        else:
            yield from self._store().execute("SELECT place, row FROM found ORDER BY place, rowid")

    def order(self) -> Iterator[int]:
        """Yield for each row of `in_order` how many rows were added before it."""
        if self._database is None:
            yield from sorted(range(len(self._waiting)), key=lambda at: self._waiting[at][1])
        else:
            for (number,) in self._store().execute("SELECT rowid FROM found ORDER BY place, rowid"):
                yield number - 1

    def of(self, group: int) -> Iterator[bytes]:
        """Yield the rows of a group, the least key first. Called once all rows are added."""
        rows = self._indexed().execute("SELECT row FROM found WHERE part = ? ORDER BY place, rowid", (group,))
        return (row for (row,) in rows)

    def at(self, group: int, key: bytes) -> list[bytes]:
        """Return the rows of a group with one key. Called once all rows are added."""
        statement = "SELECT row FROM found WHERE part = ? AND place = ? ORDER BY rowid"
        return [row for (row,) in self._indexed().execute(statement, (group, key))]

    def _indexed(self) -> sqlite3.Connection:
        """Return the database with all rows and its index."""
        database = self._store()
        if not self._is_indexed:
            database.execute("CREATE INDEX sorted ON found (part, place)")
            self._is_indexed = True
        return database
