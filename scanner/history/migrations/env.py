"""Run the migrations, in the transaction of `scanner.history.database.upgrade_schema`. Alembic runs this file."""

from alembic import context

from scanner.history.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
