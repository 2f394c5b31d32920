"""The tables of a history. Migrations make them; a test compares both, on SQLite and on PostgreSQL.

An item has one row, and one event for each scan in which it changed, so that a scan writes no row for each finding.
Times are text (UTC, ISO 8601), as in the findings document. Scopes, and rules and types (`word`), are in lower case.
"""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

MARK = "twolocks history"
"""The value of `twolocks_history.application` in a history."""
APPLICATION_ID = 0x54774C6B
"""The same in the header of an SQLite file (`file history.db` shows it)."""
FILL_FACTOR = 45
"""The percentage of a page that PostgreSQL fills, because each scan rewrites every item and needs room beside it."""
VERSION_TABLE = "twolocks_schema"
"""Alembic's table, which holds the revision of the tables."""
REVISION = "0007"
"""The revision of the tables below: that of the newest migration. The first is 0007; lower ones are from before the
first release."""

metadata = MetaData()

version = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32)),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
"""Alembic's table as Alembic makes it, beside the tables that a migration may change."""
marker = Table(
    "twolocks_history",
    metadata,
    Column("application", Text, primary_key=True),
    # Random, so that a history that replaces another one during a scan is detected.
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
    # The endpoints that were not assessed.
    Column("unknown", Integer, nullable=False),
)
subscriptions = Table(
    "scan_subscriptions",
    metadata,
    Column("scan", ForeignKey("scans.number"), primary_key=True),
    Column("subscription", Text, primary_key=True),
    sqlite_with_rowid=False,
)
# The rules (first ids) and types that a scope was evaluated with, and the number of the first scan that did.
evaluated = Table(
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
    Column("title_data", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("reach", Text, nullable=False),
    Column("authentication", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("seen", Text, nullable=False),
    Column("sighted", Boolean, nullable=False),
    UniqueConstraint("kind", "fingerprint", name="items_key"),
    postgresql_with={"fillfactor": FILL_FACTOR},
)
# What became of an item in a scan, and its state after it. A pruned scan leaves its number here.
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
# The number of the last scan of a selection after which nothing was left to report to a notification.
reported_scans = Table(
    "notices",
    metadata,
    Column("name", Text, primary_key=True),
    Column("selection", Text, primary_key=True),
    Column("scan", Integer, nullable=False),
    sqlite_with_rowid=False,
)
# The number of the scan that reported an item to a notification last. Both may be pruned; scan numbers only grow.
reported_items = Table(
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

TABLES = (scans, subscriptions, evaluated, items, events, reported_scans, reported_items)
"""The tables in the order in which they are written and exported."""
