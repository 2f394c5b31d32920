"""Runs only where TWOLOCKS_RECORDED names the folder of recordings (`make real-input`), and tells the counts."""

import os

import pytest

from tests.real_input.counts import COUNTS

collect_ignore_glob = [] if os.environ.get("TWOLOCKS_RECORDED") else ["test_*.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in COUNTS:
        terminalreporter.write_line(line)
