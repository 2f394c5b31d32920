"""The table of Log Analytics and its queries: the columns are those that are sent, and Kusto takes each query."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from scanner.report.sheets.log_rows import COLUMNS, OF_SCAN
from tests.deploy import bicep
from tests.sampled import only_all

FOLDER = Path(__file__).parents[2] / "deploy" / "sentinel"
MODULES = Path(__file__).parents[1] / "output" / "node_modules"
PAGE = (Path(__file__).parents[2] / "docs" / "queries.md").read_text("utf-8")
QUERIES = dict(
    re.findall(r"^### (.*?)\n.*?^```kql\n(.*?)^```", PAGE.partition("\n## Log Analytics")[2], re.MULTILINE | re.DOTALL)
)
SENT = [*OF_SCAN.items(), *((name, kind) for name, (_, kind) in COLUMNS.items())]
RESERVED = {"TenantId", "Type", "Id", "Title_", "UniqueId", "ResourceId", "_ResourceId", "_SubscriptionId"}


def faults(queries: dict[str, str]) -> dict[str, list[str]]:
    """Return what Microsoft's language service finds wrong with each query on the table."""
    columns = [{"name": name, "type": kind} for name, kind in SENT]
    given = json.dumps({"table": "Twolocks_CL", "columns": columns, "queries": queries})
    node = shutil.which("node")
    assert node is not None
    script = Path(__file__).with_name("kql.js")
    done = subprocess.run([node, str(script), str(MODULES)], input=given, capture_output=True, text=True, check=True)
    result: dict[str, list[str]] = json.loads(done.stdout)
    return result


def test_the_table_and_the_stream_have_the_columns_that_are_sent() -> None:
    text = (FOLDER / "main.bicep").read_text()
    assert re.findall(r"\{ name: '(\w+)', type: '(\w+)' \}", text) == SENT
    assert not RESERVED & {name for name, _ in SENT}


def test_every_query_is_valid_and_reads_columns_that_are_there() -> None:
    assert len(QUERIES) == PAGE.count("```kql")
    assert faults(QUERIES) == {title: [] for title in QUERIES}


@only_all("the program is pinned: it finds the same each time")
def test_the_judge_finds_a_column_that_is_not_there() -> None:
    assert faults({"x": "Twolocks_CL | where NoSuchColumn == 1"})["x"]


def test_the_template_makes_a_table_a_rule_and_one_right_to_send() -> None:
    made = {each.symbol: each for each in bicep.resources(bicep.parse(FOLDER / "main.bicep"))}
    assert set(made) >= {"table", "rule", "sends"}
    assert made["table"].body["name"] == "Twolocks_CL"
    assert made["rule"].body["kind"] == "Direct"
    right = (FOLDER / "main.bicep").read_text().partition("resource sends ")[2]
    assert "  scope: rule\n" in right
    assert "3913510d-42f4-4e42-8a64-420c390055eb" in right
