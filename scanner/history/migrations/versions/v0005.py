"""Scans count the endpoints that were not assessed: `scans.unknown`.

It is null for earlier scans, which counted these endpoints as closed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("scans", sa.Column("unknown", sa.Integer, nullable=True))
