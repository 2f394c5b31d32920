"""Encoded rows in groups, sorted in a temporary database, so that however many there are they take no memory."""

import sqlite3
import weakref
from collections.abc import Iterator

_BATCH = 4096
"""How many rows are in memory before they are in the database."""
Row = tuple[int, str, bytes]
"""The number of a group, the text that sorts the row in it, and the row."""


class SortedRows:
    """Rows by the number of their group. SQLite keeps what it does not need in a file of its own, which it deletes."""

    def __init__(self) -> None:
        self._waiting: list[Row] = []
        self._database: sqlite3.Connection | None = None
        self._is_sorted = False

    def add(self, group: int, sort_key: str, row: bytes) -> None:
        """Add a row of a group. `sort_key` sorts the rows of a group; those with the same one stay in their order."""
        self._waiting.append((group, sort_key, row))
        if len(self._waiting) >= _BATCH:
            self._store()

    def _store(self) -> sqlite3.Connection:
        """Put the rows into the database, which is made where there is none."""
        if self._database is None:
            # An evaluation may end in another thread than the one that began it; one of them uses it at a time.
            self._database = sqlite3.connect("", check_same_thread=False)
            weakref.finalize(self, self._database.close)
            self._database.execute("PRAGMA journal_mode = OFF")
            self._database.execute("CREATE TABLE found (part INTEGER, place TEXT, row BLOB)")
        if self._waiting:
            self._database.executemany("INSERT INTO found VALUES (?, ?, ?)", self._waiting)
            self._waiting.clear()
        return self._database

    def all(self) -> Iterator[Row]:
        """Yield every row in the order in which they were added."""
        if self._database is not None:
            cursor = self._database.execute("SELECT part, place, row FROM found ORDER BY rowid")
            yield from ((group, sort_key, bytes(row)) for group, sort_key, row in cursor)
        yield from self._waiting

    def of(self, group: int) -> Iterator[bytes]:
        """Yield the rows of a group. Called once all rows are added."""
        cursor = self._sorted().execute("SELECT row FROM found WHERE part = ? ORDER BY place, rowid", (group,))
        return (bytes(row[0]) for row in cursor)

    def at(self, group: int, sort_key: str) -> list[bytes]:
        """Return the rows of a group that one text sorts. Called once all rows are added."""
        cursor = self._sorted().execute(
            "SELECT row FROM found WHERE part = ? AND place = ? ORDER BY rowid", (group, sort_key)
        )
        return [bytes(row[0]) for row in cursor]

    def _sorted(self) -> sqlite3.Connection:
        """Return the database with all rows and its index."""
        database = self._store()
        if not self._is_sorted:
            database.execute("CREATE INDEX sorted ON found (part, place)")
            self._is_sorted = True
        return database
