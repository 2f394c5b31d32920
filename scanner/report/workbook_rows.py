"""The rows of a workbook that the CSV does not have: controls of frameworks, and places where data may be."""

from collections.abc import Iterator
from typing import Any

from scanner.document.framework_rows import FrameworkRow
from scanner.document.schema import DataPlaceRow, Document
from scanner.model.framework import NOT_TESTABLE, Framework, in_order
from scanner.model.ids import group_of, name_of
from scanner.report.places import AREA_NAMES, VERDICT_NAMES, ordered, where
from scanner.rulebook.frameworks import catalogues

_WHY = {
    "not-read": "a read failed",
    "inconclusive": "a value is missing or not known",
    "rule-off": "a rule is off",
    "no-resource": "no such resource",
}
_Row = dict[str, Any]


def control_rows(document: Document) -> Iterator[_Row]:
    """Yield a row for each control of each framework, in the order of its catalogue."""
    known = catalogues()
    for framework in in_order(document.frameworks or ()):
        yield from _controls(framework, known.get(framework.id))


def _controls(row: FrameworkRow, known: Framework | None) -> Iterator[_Row]:
    found: dict[str, _Row] = {}
    for id, tested in row.tested.items():
        found[id] = {
            "state": tested.state,
            "why": _WHY.get(tested.why, ""),
            "part": "in part" if tested.in_part else "wholly",
            "failed": tested.failed,
            "waived": tested.waived,
            "inconclusive": tested.inconclusive,
            "passed": tested.passed,
        }
    for reason, ids in row.not_testable.items():
        found |= {id: {"state": "not-testable", "why": NOT_TESTABLE.get(reason, reason)} for id in ids}
    found |= {id: {"state": "not-covered", "why": "no rule tests it yet"} for id in row.not_covered}
    order = {id: place for place, id in enumerate(known.controls)} if known else {}
    for id in sorted(found, key=lambda each: order.get(each, len(order))):
        control = known.controls.get(id) if known else None
        titles = (
            {"title": control.title, "section": known.sections.get(control.section, "")} if known and control else {}
        )
        yield {"framework": row.name, "control": id, **titles, **found[id]}


def place_rows(document: Document) -> Iterator[_Row]:
    """Yield a row for each place that a resource names, those from which data may leave first."""
    for row in ordered(list(document.places)):
        yield _place(row)


def _place(row: DataPlaceRow) -> _Row:
    waiver = row.waiver
    return {
        "verdict": "accepted" if waiver is not None else VERDICT_NAMES.get(row.verdict, row.verdict),
        "place": where(row),
        "area": AREA_NAMES.get(row.area, row.area),
        "what": row.what,
        "name": name_of(row.resource),
        "resource_group": group_of(row.resource),
        "path": row.path,
        "value": "" if row.value is None else str(row.value),
        "allowed": ", ".join(row.allowed),
        "source": row.source,
        "why": row.why,
        "rule": row.rule,
        "waiver_owner": waiver and waiver.owner,
        "waiver_expires": waiver and waiver.expires,
        "waiver_reason": waiver and waiver.reason,
        "resource": row.resource,
    }
