"""What was reported to notifications."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
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
