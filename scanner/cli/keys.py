"""`twolocks keys`: whose keys encrypt the resources of a scan, and what may happen to the keys."""

import os
import sys
from pathlib import Path

import msgspec

from scanner.cli.common import print_json, say
from scanner.config.settings import Settings
from scanner.config.waiver_proposal import read_findings
from scanner.document.key_rows import KeyRow
from scanner.report.keys import LIVES, name, names, ordered, resources, risks, sentence, worst
from scanner.terminal.tables import table

HEADS = ("state", "key", "resources", "lives in", "expires", "risks", "encrypts")


def run(settings: Settings, file: str) -> int:
    """Print the keys of a findings file, and return the exit code. Raises InputError."""
    document = read_findings(Path(file), file)
    rows = [row for row in ordered(document.keys) if not settings["at-risk"] or worst(row)]
    said = sentence(document)
    if settings["format"] == "json":
        print_json([msgspec.to_builtins(row, enc_hook=str) for row in rows])
        return 0
    if not table([_cells(row) for row in rows], sys.stdout, os.environ, 2, heads=HEADS if rows else (), summary=said):
        say(said)
    return 0


def _cells(row: KeyRow) -> tuple[str, ...]:
    state = row.state if row.holder == "customer" else {"platform": "Microsoft's"}.get(row.holder, "unknown")
    count = f"{len(resources(row)):,}"
    return state, name(row), count, LIVES[row.lives], row.expires, risks(row) or row.why, names(row)
