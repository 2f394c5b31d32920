"""The first schema. 0001 to 0006 were schemas before the first release; a history of theirs is refused."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "scans",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("id", "taken", "started", "finished", "tool")),
        sa.Column("selection", sa.Text, nullable=False),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("complete", "confirmed")),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("critical", "high", "medium", "low", "info")),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("undecided", "unknown")),
    )
    op.create_index("scans_selection", "scans", ["selection"])
    op.create_table(
        "scan_subscriptions",
        sa.Column("scan", sa.Integer, sa.ForeignKey("scans.number"), primary_key=True),
        sa.Column("subscription", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "looks",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("word", sa.Text, primary_key=True),
        sa.Column("scan", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    texts = (
        "kind",
        "fingerprint",
        "subscription",
        "resource",
        "endpoint",
        "address",
        "rule",
        "category",
        "title",
        "title_data",
    )
    cell = ("severity", "reach", "authentication", "state")
    op.create_table(
        "items",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in (*texts, *cell, "since", "seen")),
        sa.Column("sighted", sa.Boolean, nullable=False),
        sa.UniqueConstraint("kind", "fingerprint", name="items_key"),
        postgresql_with={"fillfactor": 45},
    )
    op.create_index("items_subscription", "items", ["subscription"])
    op.create_table(
        "events",
        sa.Column("item", sa.Integer, sa.ForeignKey("items.number"), primary_key=True),
        sa.Column("scan", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("news", *cell)),
        sa.Column("sighted", sa.Boolean, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("events_scan", "events", ["scan"])
    op.create_table(
        "notices",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("selection", sa.Text, primary_key=True),
        sa.Column("scan", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "told",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("item", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("scan", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
