"""A remedy as the document has it."""

from collections.abc import Sequence

from scanner.document.schema import FieldRow, FixRow, PlaceRow
from scanner.evaluate.bicep import Versions, bicep_of
from scanner.evaluate.joins import join_of
from scanner.evaluate.placeholders import filled
from scanner.evaluate.remedies import more_of, names_cause
from scanner.model.remedy import Remedy
from scanner.model.resource import Resource
from scanner.model.rule import Rule

MOST_OTHERS = 200
"""The number of other endpoints that a fix names at most; it counts all of them."""


def fix_row(
    rule: Rule,
    remedy: Remedy,
    subject: Resource,
    top: Resource,
    closes: Sequence[str] = (),
    leaves: Sequence[str] = (),
    also: Sequence[PlaceRow] = (),
    *,
    versions: Versions,
) -> FixRow:
    """Return a remedy as the document has it. `versions`: of the types, for Bicep."""
    more = more_of(remedy.closes[0]) if remedy.closes else {}
    first = "" if not more and names_cause(rule.fix.check_first) else rule.fix.check_first
    return FixRow(
        commands=list(remedy.commands),
        steps=list(remedy.steps),
        fields=[
            FieldRow(each.name, each.what, join_of(remedy.commands) if each.name == "YOUR_RANGE" else "")
            for each in remedy.fields
        ],
        check_first=remedy.check_first or filled(first, subject, top, **more),
        closes=list(closes),
        leaves=list(leaves),
        also_closes_count=len(also),
        also_closes=list(also[:MOST_OTHERS]),
        impact=remedy.impact or rule.fix.impact,
        bicep=bicep_of(remedy, top, versions),
        tier=remedy.tier,
        of_rule=remedy.of_rule,
    )
