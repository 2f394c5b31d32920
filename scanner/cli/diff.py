"""`twolocks diff`: compares two findings files or snapshots."""

import os
import sys

from scanner import version
from scanner.cli.common import show_broken, stopping
from scanner.config.settings import Settings
from scanner.history.documents import compared
from scanner.output.formats import DIFF_FORMATS
from scanner.output.storage import Storage
from scanner.output.targets import STDOUT, parse_targets, refuse_inputs
from scanner.output.writers import write_difference
from scanner.report.html import diff as differences
from scanner.report.language.words import Words
from scanner.scan.job import chosen
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.streams import json_output
from scanner.terminal.tables import table

DIFF_HEADS = ("change", "severity", "name", "fingerprint", "reason")


def run(settings: Settings, old: str, new: str) -> int:
    """Print and write the differences, and return the exit code. Raises InputError."""
    outs = parse_targets(settings["out"], settings.at, DIFF_FORMATS)
    named = ((out.name, settings.at("out", out.name)) for out in outs)
    refuse_inputs(named, [(old, "the old file"), (new, "the new file")])
    screen = Screen()
    rules = chosen(settings, screen)
    with stopping(screen) as stop:
        storage = Storage(settings, stop.run, prompt=screen.tell, busy=screen.busy)
        storage.check((out.name, settings.at("out", out.name)) for out in outs)
        with storage.reading(old, old) as first, storage.reading(new, new) as second:
            diff_document = compared(
                *(first, second, rules, f"twolocks {version()}", (old, new)),
                accept_version_1=settings["accept-version-1"],
            )
        files = [out for out in outs if out.format != STDOUT]
        wrote = write_difference(diff_document, files, storage, settings.report_language)
    if settings["format"] == "json" or any(out.format == STDOUT for out in outs):
        differences.write_json(diff_document, json_output())
    else:
        rows, text = differences.rows(diff_document), differences.sentence(diff_document)
        if not sys.stdout.isatty():
            sys.stdout.write(text + "\n")
        table(rows, sys.stdout, os.environ, 2, heads=DIFF_HEADS if rows else (), summary=text)
    lines = [Line(note, "Note") for note in differences.remarks(diff_document, Words())]
    screen.last([*lines, *([Line(", ".join(wrote), "Wrote", whole=True)] if wrote else [])])
    show_broken(rules.broken)
    return 2 if rules.broken else 0
