"""Where people read commands, it says which shell they are for: their quotes mean something else in PowerShell."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from docs.build import site_pages
from scanner.document.schema import Document
from scanner.report.html import write_html
from scanner.report.markdown import write_markdown
from scanner.report.sarif import write_sarif
from tests.report import sample

ROOT = Path(__file__).parents[2]


def html(document: Document, out: IO[bytes]) -> None:
    write_html(document, out)


@pytest.mark.parametrize("write", [html, write_markdown, write_sarif])
def test_an_output_with_commands_names_bash(write: Callable[[Document, IO[bytes]], None]) -> None:
    out = io.BytesIO()
    write(sample.typed(sample.document()), out)
    text = out.getvalue().decode()
    assert "az " in text
    assert "in Bash" in text or "In Bash" in text


def test_each_rule_of_sarif_with_a_command_names_bash() -> None:
    out = io.BytesIO()
    write_sarif(sample.typed(sample.document()), out)
    rules = [rule for run in json.loads(out.getvalue())["runs"] for rule in run["tool"]["driver"]["rules"]]
    helps = [rule["help"] for rule in rules if "\naz " in rule["help"]["markdown"]]
    assert helps
    for each in helps:
        assert "Azure CLI, in Bash" in each["text"]
        assert "In Bash, as in Azure Cloud Shell:\n\n```sh\naz " in each["markdown"]


def test_each_page_of_a_rule_with_a_command_names_bash() -> None:
    for name, page in site_pages():
        assert "```sh\n" not in page or "In Bash, as in Azure Cloud Shell:" in page, name
