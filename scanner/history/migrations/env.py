"""Alembic runs this file for an upgrade, with the connection and the transaction of `scanner.history.revisions`."""

from alembic import context

from scanner.history.tables import VERSIONS, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSIONS,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
