"""`twolocks config show`: prints each setting of a scan, its value and its source."""

import os
import sys

from scanner.cli.common import print_json
from scanner.config.settings import Settings
from scanner.rulebook.loader import installed
from scanner.terminal.tables import table


def show(settings: Settings) -> int:
    """Print the settings, and return the exit code."""
    rows = [*sources(settings), *settings.rows()]
    if settings["format"] == "json":
        print_json([{"name": name, "value": value, "source": source} for name, value, source in rows])
    else:
        table(rows, sys.stdout, os.environ, 1, heads=("setting", "value", "source"))
    return 0


def sources(settings: Settings) -> list[tuple[str, str, str]]:
    """Return the settings file and the installed rule packages, as rows of name, value and source."""
    settings_location = settings.location
    file = (
        [("file", str(settings_location.path), settings_location.how)]
        if settings_location is not None
        else [("file", "-", "default")]
    )
    used = "left out" if settings["no-rule-packages"] else "used"
    return [*file, *(("rule-package", str(each), used) for each in installed())]
