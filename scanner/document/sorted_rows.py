"""Encoded rows in groups, sorted in a temporary database, so that however many there are they take no memory."""

import sqlite3
from collections.abc import Iterator


class SortedRows:
    """Rows by the number of their group. SQLite keeps what it does not need in a file of its own, which it deletes."""

    def __init__(self) -> None:
        # An evaluation may end in another thread than the one that began it; one of them uses it at a time.
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE found (part INTEGER, place TEXT, row BLOB)")
        self._is_sorted = False

    def add(self, group: int, place: str, row: bytes) -> None:
        """Add a row of a group. `place` sorts the rows of a group; those with the same one stay in their order."""
        self._database.execute("INSERT INTO found VALUES (?, ?, ?)", (group, place, row))

    def of(self, group: int) -> Iterator[bytes]:
        """Yield the rows of a group. Called once all rows are added."""
        if not self._is_sorted:
            self._database.execute("CREATE INDEX sorted ON found (part, place)")
            self._is_sorted = True
        found = self._database.execute("SELECT row FROM found WHERE part = ? ORDER BY place, rowid", (group,))
        return (bytes(row[0]) for row in found)
