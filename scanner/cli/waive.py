"""`twolocks waive`: accepts a finding, by an entry in the waiver file."""

from scanner.config.settings import Settings
from scanner.config.waiver_editor import waive
from scanner.config.waiver_proposal import NotAccepted
from scanner.scan.job import load_rules
from scanner.terminal.lines import Line, error_lines
from scanner.terminal.screen import Screen


def run(settings: Settings, fingerprint: str) -> int:
    """Write the entry, print what was accepted, and return the exit code. Raises InputError."""
    rules = load_rules(settings, Screen())
    try:
        written = waive(fingerprint, settings, rules)
    except NotAccepted as error:
        entry = [Line(text, column=2, whole=True) for text in error.entry]
        Screen().last([*error_lines(error), *entry, Line(f"exit {error.code}", column=0)])
        return error.code
    Screen().last(written.lines())
    return 0
