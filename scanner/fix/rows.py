"""A fix as the document has it."""

from collections.abc import Sequence

from scanner.document.schema import FieldRow, FixRow, PlaceRow
from scanner.fix.bicep import Versions, bicep_of
from scanner.fix.causes import more_of, names_cause
from scanner.fix.joins import join_of
from scanner.fix.placeholders import filled
from scanner.model.fix import Fix
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
    also: Sequence[PlaceRow] = (),
    *,
    versions: Versions,
) -> FixRow:
    """Return a fix as the document has it. `versions`: of the types, for Bicep."""
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
    )
