"""The schema of a history: whether a database is ours, which revision its tables have, and how they get the newest."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table, text

from scanner.history.database import Place
from scanner.history.tables import APPLICATION_ID, MARK, VERSIONS, marker, metadata

MIGRATIONS = Path(__file__).parent / "migrations"


def revisions() -> list[str]:
    """The revisions that this version knows, the oldest first."""
    return sorted(path.stem.removeprefix("v") for path in (MIGRATIONS / "versions").glob("v*.py"))


@dataclass(frozen=True, slots=True)
class Standing:
    """What a database holds: nothing of ours (`revision` ""), or a history, its random id and its revision."""

    id: str = ""
    revision: str = ""

    @property
    def behind(self) -> bool:
        return self.revision != revisions()[-1]


def standing(connection: Connection, place: Place) -> Standing:
    """What stands there; HistoryError where it is somebody else's, damaged, or newer than this version."""
    names = set(inspect(connection).get_table_names())
    application = 0
    if place.path is not None:
        application = connection.execute(text("PRAGMA application_id")).scalar() or 0
    if marker.name not in names:
        _not_foreign(names, application, place)
        return Standing()
    row = connection.execute(select(marker.c.application, marker.c.id)).first()
    if row is None or row.application != MARK or VERSIONS not in names:
        raise place.error("the history is damaged", "restore it from a backup, or start a new one")
    revision = connection.execute(select(column("version_num")).select_from(table(VERSIONS))).scalar() or ""
    known = revisions()
    if revision not in known:
        what = f"the history has schema {revision.lstrip('0')}, this version knows up to {known[-1].lstrip('0')}"
        raise place.error(what, "upgrade twolocks")
    return Standing(row.id, revision)


def _not_foreign(names: set[str], application: int, place: Place) -> None:
    """HistoryError where tables of somebody else stand in the way. In a file any table does."""
    if place.path is not None and (names or application):
        if application == APPLICATION_ID:
            raise place.error("the history is damaged", "restore it from a backup, or start a new one")
        raise place.error("this is a database of another program", "give another file; a scan makes a new history")
    if taken := sorted(names & {*metadata.tables, VERSIONS}):
        raise place.error(
            f"the database has tables of another program: {', '.join(taken)}",
            "give the history a database of its own, or a schema: add ?options=-csearch_path%3DSCHEMA",
        )


def upgrade(connection: Connection, place: Place, to: str = "head") -> Standing:
    """Bring the tables to a revision, inside the caller's transaction: all of it happens, or nothing."""
    from alembic import command
    from alembic.config import Config

    now = standing(connection, place)
    if not now.id:
        metadata.create_all(connection, [marker])
        connection.execute(marker.insert(), {"application": MARK, "id": secrets.token_hex(16)})
        if place.path is not None:
            connection.execute(text(f"PRAGMA application_id = {APPLICATION_ID}"))
    if now.behind:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        command.upgrade(config, to)
    return standing(connection, place)
