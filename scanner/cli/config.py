"""`twolocks config show`: prints each setting of a scan, its value and its source."""

import os
import sys

from scanner.config.settings import Settings
from scanner.terminal.lines import table


def show(settings: Settings) -> int:
    """Print the settings, and return the exit code."""
    table(settings.rows(), sys.stdout, os.environ, 1)
    return 0
