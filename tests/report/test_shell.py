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
from scanner.report.code_scanning.junit import write_junit
from scanner.report.code_scanning.sarif import write_sarif
from scanner.report.html.rendering import write_html
from scanner.report.markdown import write_markdown
from scanner.report.ocsf import write_ocsf
from scanner.report.sheets.xlsx import SHEETS
from tests.report import sample

ROOT = Path(__file__).parents[2]


def html(document: Document, out: IO[bytes]) -> None:
    write_html(document, out)


@pytest.mark.parametrize("write", [html, write_markdown, write_sarif, write_ocsf, write_junit])
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


def test_each_event_of_ocsf_with_a_command_names_bash() -> None:
    document = sample.typed(sample.document(hostile=False))
    out = io.BytesIO()
    write_ocsf(document, out)
    stated = [json.loads(line).get("remediation", {}).get("desc", "") for line in out.getvalue().splitlines()]
    commands = [each for each in stated if "\naz " in f"\n{each}"]
    assert len(commands) == sum(bool(row.fix and row.fix.commands) for row in document.findings) > 0
    assert all(each.startswith("In Bash, as in Azure Cloud Shell:\naz ") for each in commands)


@pytest.mark.parametrize("sheet", ["Endpoints", "Findings"])
def test_the_column_of_commands_in_a_workbook_names_bash(sheet: str) -> None:
    (result,) = (each for each in SHEETS if each.name == sheet)
    assert [each.head for each in result.columns if each.cell == "fix"] == ["Fix (commands: in Bash)"]


def test_each_page_of_a_rule_with_a_command_names_bash() -> None:
    for name, page in site_pages():
        assert "```sh\n" not in page or "In Bash, as in Azure Cloud Shell:" in page, name
