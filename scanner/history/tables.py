"""The tables of a history. A migration makes them; a test holds both to each other, on SQLite and on PostgreSQL.

Findings are not written each night: an item has one row, and an event for each night on which something became of it.
Times are text (UTC, ISO 8601), as in the findings document. Scopes and words are in lower case.
"""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, MetaData, Table, Text, UniqueConstraint

MARK = "twolocks history"
"""What `twolocks_history.application` holds in a database of ours."""
APPLICATION_ID = 0x54774C6B
"""The same for SQLite files, in their header (`file history.db` shows it)."""
ROOM = 45
"""Percent of a page that PostgreSQL fills: each night rewrites every item, and finds room for that beside it."""
VERSIONS = "twolocks_schema"
"""Alembic's table: the revision that the tables have."""

metadata = MetaData()

marker = Table(
    "twolocks_history",
    metadata,
    Column("application", Text, primary_key=True),
    # Random, so that a history that was replaced during a scan is not taken for the one that was opened.
    Column("id", Text, nullable=False),
)
scans = Table(
    "scans",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("taken", Text, nullable=False),
    Column("started", Text, nullable=False),
    Column("finished", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("selection", Text, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("critical", Integer, nullable=False),
    Column("high", Integer, nullable=False),
    Column("medium", Integer, nullable=False),
    Column("low", Integer, nullable=False),
    Column("info", Integer, nullable=False),
    Column("undecided", Integer, nullable=False),
)
subscriptions = Table(
    "scan_subscriptions",
    metadata,
    Column("scan", ForeignKey("scans.number"), primary_key=True),
    Column("subscription", Text, primary_key=True),
    sqlite_with_rowid=False,
)
# With which rules (their first ids) and types a scope was ever looked at, and since which scan (its number).
looks = Table(
    "looks",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("word", Text, primary_key=True),
    Column("scan", Integer, nullable=False),
    sqlite_with_rowid=False,
)
items = Table(
    "items",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("subscription", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("reach", Text, nullable=False),
    Column("authentication", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("seen", Text, nullable=False),
    Column("sighted", Boolean, nullable=False),
    UniqueConstraint("kind", "fingerprint", name="items_key"),
    postgresql_with={"fillfactor": ROOM},
)
# What became of an item in a scan, and how it stood after. The scan may have been pruned, its number stays.
events = Table(
    "events",
    metadata,
    Column("item", ForeignKey("items.number"), primary_key=True),
    Column("scan", Integer, primary_key=True),
    Column("news", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("reach", Text, nullable=False),
    Column("authentication", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("sighted", Boolean, nullable=False),
    Column("why", Text, nullable=False),
    sqlite_with_rowid=False,
)
# The last scan of a selection (its number) after which a notification had heard all that it is told.
notices = Table(
    "notices",
    metadata,
    Column("name", Text, primary_key=True),
    Column("selection", Text, primary_key=True),
    Column("scan", Integer, nullable=False),
    sqlite_with_rowid=False,
)
# With which scan a notification was told of an item last. Both may have been pruned; numbers of scans only grow.
told = Table(
    "told",
    metadata,
    Column("name", Text, primary_key=True),
    Column("item", Integer, primary_key=True, autoincrement=False),
    Column("scan", Integer, nullable=False),
    sqlite_with_rowid=False,
)
Index("scans_selection", scans.c.selection)
Index("items_subscription", items.c.subscription)
Index("events_scan", events.c.scan)

TABLES = (scans, subscriptions, looks, items, events, notices, told)
"""In the order in which they are written and exported."""
