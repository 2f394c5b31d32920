"""The regions of the resources of a large snapshot, in a temporary database."""

import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial

from scanner.model.ids import type_of
from scanner.model.located import Located

IN_MEMORY = 10_000
"""How many resources are located without a database."""
_BATCH = 10_000
_REMEMBERED = 4096
"""How many regions that were looked up are remembered: few ids are named again and again."""


def located(pairs: Iterable[tuple[str, str]]) -> Located:
    """Return where resources are, from pairs of an id in lower case and a region."""
    result: dict[str, str] = {}
    for id, region in (rest := iter(pairs)):
        result[id] = region
        if len(result) > IN_MEMORY:
            return StoredLocations(result, rest)
    return Located(result)


def _region_in(database: sqlite3.Connection, id: str) -> str | None:
    row = database.execute("SELECT region FROM places WHERE id = ?", (id,)).fetchone()
    return None if row is None else str(row[0])


class StoredLocations(Located):
    """The region of each top-level resource. SQLite keeps what it does not need in a file of its own, which it
    deletes.
    """

    def __init__(self, first: dict[str, str], rest: Iterable[tuple[str, str]]) -> None:
        super().__init__({})
        # The evaluation may end in another thread than the one that began it; it is used by one at a time.
        self._database = sqlite3.connect("", check_same_thread=False)
        weakref.finalize(self, self._database.close)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._region = lru_cache(_REMEMBERED)(partial(_region_in, self._database))
        self._database.execute(
            "CREATE TABLE places (id TEXT PRIMARY KEY, region TEXT, type TEXT, name TEXT) WITHOUT ROWID"
        )
        self._add(first.items())
        batch: list[tuple[str, str]] = []
        for pair in rest:
            batch.append(pair)
            if len(batch) >= _BATCH:
                self._add(batch)
                batch.clear()
        self._add(batch)
        self._database.execute("CREATE INDEX named ON places (type, name)")

    def _add(self, pairs: Iterable[tuple[str, str]]) -> None:
        rows = ((id, region, type_of(id), id.rsplit("/", 1)[-1]) for id, region in pairs)
        self._database.executemany("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?)", rows)

    def __getitem__(self, id: str) -> str:
        region = self._region(id)
        if region is None:
            raise KeyError(id)
        return region

    def __iter__(self) -> Iterator[str]:
        return (str(row[0]) for row in self._database.execute("SELECT id FROM places"))

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM places").fetchone()[0])

    def has_name(self, type: str, name: str) -> bool:
        cursor = self._database.execute("SELECT 1 FROM places WHERE type = ? AND name = ? LIMIT 1", (type, name))
        return cursor.fetchone() is not None
