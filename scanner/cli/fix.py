"""`twolocks fix`: writes the commands that close the findings of a file, as one script for Bash."""

import sys
from pathlib import Path

from scanner.cli.common import write_line
from scanner.cli.show import is_shown
from scanner.config.settings import Settings
from scanner.config.waiver_proposal import LEAST, read_findings
from scanner.document.schema import FindingRow
from scanner.errors import InputError
from scanner.fix.script import script
from scanner.output.targets import refuse_inputs
from scanner.report.views.summary import ordered_findings
from scanner.store.temporary import AtomicFile
from scanner.terminal.text import many


def run(settings: Settings, file: str) -> int:
    """Write the script of the findings of a file, and return the exit code. Raises InputError."""
    at = settings.at("out", settings["out"])
    refuse_inputs([(settings["out"], at)], [(file, "the findings file")])
    document = read_findings(Path(file), file)
    failed = [row for row in ordered_findings(document.findings) if row.status == "fail"]
    marks = _marks(settings["finding"], failed)
    shown = [row for row in failed if is_shown(row.severity, settings)]
    rows = [row for row in shown if row.fingerprint.startswith(marks)] if marks else shown
    text = script(document, rows)
    left = sum(row.fix is None or not row.fix.commands for row in rows)
    steps = f" {many(left, 'finding')} without a command: see the report." if left else ""
    if not text:
        write_line(f"No finding has a command.{steps}")
        return 0
    _write(text, settings["out"], at)
    write_line(f"A script for {many(len(rows) - left, 'finding')}; nothing was changed.{steps}")
    return 0


def _marks(given: tuple[str, ...], failed: list[FindingRow]) -> tuple[str, ...]:
    """Return the beginnings of fingerprints of `--finding`. Raise InputError for one that no finding has."""
    marks = tuple(each.lower() for each in given)
    for mark in marks:
        if len(mark) < LEAST or not any(each.fingerprint.startswith(mark) for each in failed):
            raise InputError(f'no finding that fails has the fingerprint "{mark}"', do="twolocks show findings FILE")
    return marks


def _write(text: str, out: str, at: str) -> None:
    """Write a script to a file, or to standard output."""
    data = text.encode("utf-8", "backslashreplace")
    if out in ("", "-"):
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        with AtomicFile(Path(out)) as file:
            file.write(data)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise InputError(f"the script was not written: {why}", at=at) from error
