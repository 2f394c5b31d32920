"""`twolocks show`: a view of a findings file: endpoints, findings, what was not assessed, places, keys, capacity."""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec import to_builtins

from scanner.cli.common import print_json, write_line
from scanner.config.settings import Settings
from scanner.config.waiver_proposal import read_findings
from scanner.document.schema import Document, ExposureRow, FindingRow
from scanner.model.ids import path_of
from scanner.model.message import message_text
from scanner.model.severity import severity_rank
from scanner.report.language.words import Words
from scanner.report.views.gaps import GapGroup, group_gaps
from scanner.report.views.headline import left_out
from scanner.terminal.tables import table
from scanner.terminal.text import many

Row = TypeVar("Row")

ENDPOINT_HEADS = ("severity", "state", "endpoint", "authentication", "network", "fingerprint", "title")
FINDING_HEADS = ("severity", "status", "rule", "resource", "fingerprint", "message")
GAP_HEADS = ("severity up to", "checks", "what", "scope", "missing or answer")


def endpoints(settings: Settings, file: str) -> int:
    """Print the endpoints of a findings file, the most severe first, and return the exit code. Raises InputError."""
    document, words = read_findings(Path(file), file), Words()
    closed = settings["all"] and not settings["severity"]
    known = [row for row in document.exposures if closed or row.state != "closed"]
    rows = [row for row in sorted(known, key=_rank_of_endpoint) if is_shown(row.severity or row.worst, settings)]

    def cells(row: ExposureRow) -> tuple[str, ...]:
        name = f"{path_of(row.resource)}: {row.endpoint}"
        locks = (words.catalogue[table].get(name, name) for table, name in _locks(row))
        return row.severity or row.worst or "-", row.state, name, *locks, row.fingerprint, row.title

    of = many(len(document.exposures), "endpoint")
    text = f"{len(rows):,} of {of}. Details: twolocks report {shlex.quote(file)} --out report.html."
    return show(document, rows, cells, ENDPOINT_HEADS, text, settings, name=2)


def findings(settings: Settings, file: str) -> int:
    """Print the findings of a file, failures first, and return the exit code. Raises InputError."""
    document = read_findings(Path(file), file)
    rows = [row for row in sorted(document.findings, key=_rank_of_finding) if is_shown(row.severity, settings)]

    def cells(row: FindingRow) -> tuple[str, ...]:
        accepted = "waived" if row.status == "fail" else "accepted"
        status = row.status if row.waiver is None else accepted
        return row.severity or "-", status, row.rule, path_of(row.resource), row.fingerprint, row.message or row.title

    text = f"{many(len(rows), 'finding')}. A rule: twolocks rules show RULE."
    return show(document, rows, cells, FINDING_HEADS, text, settings, name=3)


def gaps(settings: Settings, file: str) -> int:
    """Print what a scan did not assess, and return the exit code. Raises InputError."""
    document, words = read_findings(Path(file), file), Words()
    not_assessed = group_gaps(document, words)
    if settings["format"] == "json":
        print_json([to_builtins(row, enc_hook=message_text) for row in document.gaps])
        return 0

    def cells(group: GapGroup) -> tuple[str, ...]:
        why = group.accepted_by if group.accepted else ", ".join([*group.errors, *filter(None, [group.action])])
        return group.worst or "-", f"{group.checks:,}", group.what, group.scope, why

    text = f"{many(len(document.gaps), 'read')} failed. A role that allows them: twolocks access role."
    if count := not_assessed.unexplained:
        text += f" {many(count, 'more check')} {'is' if count == 1 else 'are'} inconclusive without a failed read."
    return show(document, not_assessed.groups, cells, GAP_HEADS, text, settings, name=2, here=True)


def show(
    document: Document,
    rows: Sequence[Row],
    cells: Callable[[Row], tuple[str, ...]],
    heads: tuple[str, ...],
    text: str,
    settings: Settings,
    *,
    name: int = -1,
    here: bool = False,
) -> int:
    """Print rows as a table or as JSON, with what the scan left out, and return the exit code 0.

    `name`: the column of names, which wraps after a sign too. `here`: the rows are what was not assessed.
    """
    if settings["format"] == "json":
        print_json([to_builtins(row, enc_hook=message_text) for row in rows])
        return 0
    incomplete = [] if here or document.scan.complete else ["The scan is incomplete: twolocks show gaps FILE."]
    text = " ".join([text, *incomplete, *(f"{each}." for each in left_out(document.scan, Words()))])
    if not table([cells(row) for row in rows], sys.stdout, os.environ, name, heads=heads if rows else (), summary=text):
        write_line(text)
    return 0


def _locks(row: ExposureRow) -> Iterable[tuple[str, str]]:
    return ("row", row.authentication), ("column", row.reach)


def is_shown(severity: str | None, settings: Settings) -> bool:
    """Return whether a row is at or above `--severity`. One without a severity may be anything, and is shown."""
    return (
        severity is None or not settings["severity"] or severity_rank(severity) <= severity_rank(settings["severity"])
    )


def _rank_of_endpoint(row: ExposureRow) -> tuple[Any, ...]:
    return severity_rank(row.severity or row.worst), row.state != "open", row.resource, row.endpoint


def _rank_of_finding(row: FindingRow) -> tuple[Any, ...]:
    return row.status != "fail", severity_rank(row.severity), row.rule, row.resource
