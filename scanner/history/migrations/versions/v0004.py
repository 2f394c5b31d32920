"""Findings of the lock categories that name no endpoint are counted: `items.endpoint` tells them from the others.

What an earlier version stored does not say which finding names an endpoint. None of these counts until a scan sees it
again, as before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

LOCKS = ("anonymous-access", "authentication", "network")
items = sa.table("items", *map(sa.column, ("kind", "category", "endpoint")))


def upgrade() -> None:
    of_locks = sa.and_(items.c.kind == "finding", items.c.category.in_(LOCKS), items.c.endpoint == "")
    op.get_bind().execute(sa.update(items).where(of_locks).values(endpoint="*"))
