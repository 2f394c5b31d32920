"""The numbers of two reports side by side: what is open by severity, and the matrix of the two locks."""

from collections.abc import Iterator
from typing import Any

from scanner.document.schema import ExposureRow
from scanner.history.documents import DiffDocument, DiffSide
from scanner.model.severity import SEVERITIES
from scanner.report.language.words import Words
from scanner.report.views.summary import COLUMNS, MatrixCell, matrix


def before_after(diff_document: DiffDocument, t: Words) -> dict[str, Any] | None:
    """Return severities, matrix and totals, each before and after; None where the files do not say them."""
    sides = (diff_document.old, diff_document.newer)
    if not all(side.endpoints or side.severities for side in sides):
        return None
    before, after = (side.severities for side in sides)
    most = max([*before.values(), *after.values(), 1])
    return {
        "severities": [
            {
                "severity": name,
                "before": before.get(name, 0),
                "after": after.get(name, 0),
                "change": _signed(after.get(name, 0) - before.get(name, 0), t),
                "widths": [100 * side.get(name, 0) / most for side in (before, after)],
            }
            for name in SEVERITIES
            if before.get(name) or after.get(name)
        ],
        "open": (sum(before.values()), sum(after.values())),
        "endpoints": tuple(sum(row.count for row in side.endpoints) for side in sides),
        "columns": COLUMNS,
        "matrix": _cells(diff_document, t),
    }


def _signed(change: int, t: Words) -> str:
    return f"+{t.number(change)}" if change > 0 else f"\u2212{t.number(-change)}" if change else "0"


def _cells(diff_document: DiffDocument, t: Words) -> list[dict[str, Any]]:
    """Return the rows of the matrix; a cell has `before`, `after` and the look of the newer one, else of the older."""
    old, new = matrix(_rows(diff_document.old)), matrix(_rows(diff_document.newer))
    return [
        {"name": t(f"row.{was[0].row}"), "cells": [_cell(*pair) for pair in zip(was, now, strict=True)]}
        for was, now in zip(old, new, strict=True)
    ]


def _cell(was: MatrixCell, now: MatrixCell) -> dict[str, Any]:
    look = now.rating if now.count else "gone" if was.count else "empty"
    return {"before": was.count, "after": now.count, "look": look, "moved": was.count != now.count}


def _rows(side: DiffSide) -> Iterator[ExposureRow]:
    for each in side.endpoints:
        row = ExposureRow(
            resource="", endpoint="", kind=each.kind, address="", reach=each.reach,
            authentication=each.authentication, may=None, severity=each.severity, worst=each.severity, state=each.state,
            reason="", title="", evidence=[], hops=[], admits=[], fix=None, breaks=None, fingerprint="",
        )  # fmt: skip
        yield from [row] * each.count
