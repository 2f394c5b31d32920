"""New rule ids: the items, evaluated rules and selections of renamed rules get the new ids.

An item keeps its number, so that its events, and what was reported to notifications, stay with it.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from scanner.rulebook.renamed import renamed

revision = "0003"
down_revision = "0002"

scans = sa.table("scans", sa.column("selection"))
notices = sa.table("notices", *map(sa.column, ("name", "selection", "scan")))
looks = sa.table("looks", *map(sa.column, ("scope", "word", "scan")))
items = sa.table("items", *map(sa.column, ("number", "kind", "fingerprint", "resource", "rule", "since")))
events = sa.table("events", *map(sa.column, ("item", "scan")))
told = sa.table("told", *map(sa.column, ("item", "name")))


def upgrade() -> None:
    connection = op.get_bind()
    _rename_items(connection)
    _rename_key(connection, looks, "word", lambda word: renamed().get(word, word))
    _rename_key(connection, notices, "selection", _selection)
    for old in connection.execute(sa.select(scans.c.selection).distinct()).scalars().all():
        if (new := _selection(old)) != old:
            connection.execute(sa.update(scans).where(scans.c.selection == old).values(selection=new))


def _rename_items(connection: sa.Connection) -> None:
    """Give findings their new rules and fingerprints."""
    findings = sa.select(items).where(items.c.kind == "finding")
    known = {row.fingerprint: row for row in connection.execute(findings.where(items.c.rule.in_(renamed().values())))}
    changed = []
    for row in connection.execute(findings.where(items.c.rule.in_(renamed()))).all():
        rule = renamed()[row.rule]
        fingerprint = hashlib.sha256(f"1\n{rule}\n{row.resource.lower()}".encode()).hexdigest()[:16]
        if fingerprint in known:
            _merge(connection, row, known[fingerprint])
        else:
            changed.append({"of": row.number, "id": rule, "digest": fingerprint})
    if changed:
        query = sa.update(items).where(items.c.number == sa.bindparam("of"))
        connection.execute(query.values(rule=sa.bindparam("id"), fingerprint=sa.bindparam("digest")), changed)


def _merge(connection: sa.Connection, old: sa.Row[Any], new: sa.Row[Any]) -> None:
    """Add an item to the one that a scan has already stored under the new id."""
    for table, key in ((events, events.c.scan), (told, told.c.name)):
        there = sa.select(key).where(table.c.item == new.number).scalar_subquery()
        moved = sa.update(table).where(table.c.item == old.number, key.not_in(there))
        connection.execute(moved.values(item=new.number))
        connection.execute(sa.delete(table).where(table.c.item == old.number))
    connection.execute(sa.delete(items).where(items.c.number == old.number))
    since = min(old.since, new.since)
    connection.execute(sa.update(items).where(items.c.number == new.number).values(since=since))


def _rename_key(connection: sa.Connection, table: sa.TableClause, column: str, rename: Callable[[str], str]) -> None:
    """Rename one of the two columns of a key. Rows with the same key become one, with the earliest scan."""
    before = connection.execute(sa.select(table)).mappings().all()
    after: dict[tuple[str, ...], int] = {}
    names = [each.name for each in table.c if each.name != "scan"]
    for row in before:
        key = tuple(rename(row[name]) if name == column else row[name] for name in names)
        after[key] = min(row["scan"], after.get(key, row["scan"]))
    if after.keys() != {tuple(row[name] for name in names) for row in before}:
        connection.execute(sa.delete(table))
        connection.execute(
            sa.insert(table), [{**dict(zip(names, key, strict=True)), "scan": scan} for key, scan in after.items()]
        )


def _selection(text: str) -> str:
    """Return a selection as a scan with the new ids in `--only` and `--skip` writes it."""
    parts = text.split(" ")
    for option in ("only=", "skip="):
        places = [place for place, part in enumerate(parts) if part.startswith(option)]
        ids = [parts[place].removeprefix(option) for place in places]
        for place, id in zip(places, sorted(renamed().get(id, id) for id in ids), strict=True):
            parts[place] = option + id
    return " ".join(parts)
