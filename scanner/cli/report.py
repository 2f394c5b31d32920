"""`twolocks report`: creates a report from a findings file."""

import os
import shlex

from scanner.cli.common import stopping
from scanner.config.settings import Settings
from scanner.errors import InputError
from scanner.output.owner_documents import parse_split
from scanner.output.owner_files import need_files
from scanner.output.redact import key_for
from scanner.output.storage import Storage
from scanner.output.targets import parse_targets
from scanner.output.writers import convert
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen


def run(settings: Settings, file: str) -> int:
    """Write the findings of a file in the formats of `--out`, and return the exit code. Raises InputError."""
    if not settings["out"] and not settings["format"]:
        raise InputError("no output file is set", do=f"twolocks report {shlex.quote(file)} --out report.html")
    targets = parse_targets(settings["out"], settings.at, format=settings["format"])
    at = settings.at("split", settings["split"])
    by = parse_split(settings["split"], at)
    need_files(targets, by, at)
    key, note = key_for(settings, os.environ)
    screen = Screen()
    with stopping(screen) as stop:
        storage = Storage(settings, stop.run, prompt=screen.tell, busy=screen.busy)
        wrote = convert(file, targets, storage, settings.at, screen.busy, settings.report_language, by, key)
    if wrote:
        lines = [Line(note, "Note")] if note else []
        screen.last([*lines, Line(", ".join(wrote), "Wrote", whole=True)])
    return 0
