"""`twolocks places`: where the data of a scan's resources may be, by configuration."""

import os
import sys
from pathlib import Path

import msgspec

from scanner.cli.common import print_json, say
from scanner.config.settings import Settings
from scanner.config.waiver_proposal import read_findings
from scanner.document.schema import DataPlaceRow
from scanner.model.ids import name_of, root_of
from scanner.report.headline import left_out
from scanner.report.places import VERDICT_NAMES, ordered, sentence, where
from scanner.report.words import Words
from scanner.terminal.tables import table

HEADS = ("verdict", "place", "resource", "what", "evidence")


def run(settings: Settings, file: str) -> int:
    """Print the places of a findings file, and return the exit code. Raises InputError."""
    document = read_findings(Path(file), file)
    rows = [row for row in ordered(document.places) if not settings["leaving"] or row.verdict != "stays"]
    said = " ".join([sentence(document), *(f"{each}." for each in left_out(document.scan, Words()))])
    if settings["format"] == "json":
        print_json([msgspec.to_builtins(row, enc_hook=str) for row in rows])
        return 0
    if not table([_cells(row) for row in rows], sys.stdout, os.environ, 2, heads=HEADS if rows else (), summary=said):
        say(said)
    return 0


def _cells(row: DataPlaceRow) -> tuple[str, ...]:
    verdict = "accepted" if row.waiver is not None else VERDICT_NAMES[row.verdict]
    return verdict, where(row), _name(row.resource), row.what, row.why or f"{row.path}: {row.value}"


def _name(resource: str) -> str:
    """Return the name of a resource, with that of the one that it belongs to."""
    root = root_of(resource)
    return name_of(resource) if root in ("", resource.lower()) else f"{name_of(root)}/{name_of(resource)}"
