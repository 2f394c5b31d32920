"""A fix as the document has it."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from scanner.document.schema import EndpointRow, FieldRow, FixRow, UndoRow
from scanner.fix.bicep import Versions, bicep_of
from scanner.fix.causes import more_of, names_cause
from scanner.fix.joins import join_of
from scanner.fix.placeholders import filled
from scanner.fix.undo import Undo, undo_of
from scanner.model.fix import Fix
from scanner.model.index import Index
from scanner.model.resource import Resource
from scanner.model.rule import Rule

MOST_OTHERS = 200
"""The number of other endpoints that a fix names at most; it counts all of them."""


def fix_row(
    rule: Rule,
    fix: Fix,
    subject: Resource,
    top: Resource,
    closes: Sequence[str] = (),
    leaves: Sequence[str] = (),
    also: Sequence[EndpointRow] = (),
    *,
    versions: Versions,
    index: Index,
) -> FixRow:
    """Return a fix as the document has it. `versions`: of the types, for Bicep. `index`: where else bodies are."""
    more = more_of(fix.closes[0]) if fix.closes else {}
    first = "" if not more and names_cause(rule.fix.check_first) else rule.fix.check_first
    return FixRow(
        commands=list(fix.commands),
        steps=list(fix.steps),
        fields=[
            FieldRow(each.name, each.what, join_of(fix.commands) if each.name == "YOUR_RANGE" else "")
            for each in fix.fields
        ],
        check_first=fix.check_first or filled(first, subject, top, **more),
        closes=list(closes),
        leaves=list(leaves),
        also_closes_count=len(also),
        also_closes=list(also[:MOST_OTHERS]),
        impact=fix.impact or rule.fix.impact,
        bicep=bicep_of(fix, top, versions),
        tier=fix.tier,
        of_rule=fix.of_rule,
        undo=undo_row(undo_of(fix, rule.fix, top, index, defaults_of(rule), versions)),
    )


def undo_row(undo: Undo) -> UndoRow | None:
    """Return an undo as the document has it; None where there is nothing to say."""
    if not (undo.commands or undo.steps or undo.cannot):
        return None
    return UndoRow(
        save=list(undo.save),
        commands=list(undo.commands),
        steps=list(undo.steps),
        cannot=undo.cannot or "",
        source=undo.source,
    )


def defaults_of(rule: Rule) -> dict[str, Any]:
    """Return what properties are where Azure returns none, by path: as the rule's row documents it."""
    check = rule.row.check if rule.row is not None else None
    absent = getattr(check, "absent", UNSET)
    paths: tuple[str, ...] = getattr(check, "paths", ())
    result: dict[str, Any] = {} if absent is UNSET or absent == "" else dict.fromkeys(paths, absent)
    if rule.fix.unset is not None:
        result |= {location.rpartition(" ")[2]: rule.fix.unset for location in rule.fix.change}
    return result
