"""Code stands between backticks in sentences: as code on the page and in Markdown, and as plain text in a terminal, in
tables, in test results, and where other programs show a text as it is.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest
from openpyxl import load_workbook

from scanner.cli import app
from scanner.document.message_data import with_texts
from scanner.document.schema import Document, FindingRow, FixRow, read_document
from scanner.model.message import Message, message_text
from scanner.report.code_scanning.junit import write_junit
from scanner.report.code_scanning.sarif import write_sarif
from scanner.report.language.plain_fixes import PlainFixes, plain_fix
from scanner.report.language.text import code_parts, with_code, without_ticks
from scanner.report.markdown import prose, write_markdown
from scanner.report.ocsf import write_ocsf
from scanner.report.sheets.csv import write_csv
from scanner.report.sheets.xlsx import write_xlsx
from scanner.rulebook.loader import load
from scanner.scan.answer_lines import closing
from tests.report import sample

SCRIPTS = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL)
SENTENCES = ("steps", "impact", "why", "cannot", "breaks", "portal", "message", "reason")


@pytest.fixture(scope="module")
def demo(demo_folder: Path) -> Document:
    return read_document(demo_folder / "findings.json")


def sentences(value: Any, key: str = "") -> Iterator[str]:
    """Yield the sentences of a document that may have code."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from sentences(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from sentences(each, key)
    elif isinstance(value, str) and key in SENTENCES and "`" in value:
        yield value


def test_every_sentence_of_the_sample_closes_its_code(demo: Document) -> None:
    matches = list(sentences(msgspec.to_builtins([*demo.findings, *demo.exposures], enc_hook=message_text)))
    assert len(matches) > 100
    assert [each for each in matches if each.count("`") % 2] == []
    assert [each for each in matches if "`" in without_ticks(each) or "`" in with_code(each)] == []


def test_the_page_has_elements_for_code(demo_folder: Path) -> None:
    shown = SCRIPTS.sub("", (demo_folder / "report.html").read_text("utf-8"))
    assert "`" not in shown
    assert "<code><bdi>az container create</bdi></code>" in shown


def test_the_terminal_shows_no_backticks(demo: Document) -> None:
    fixes = [row.fix for row in demo.findings if row.fix] + [row.fix for row in demo.exposures if row.fix]
    assert sum("`" in step for fix in fixes for step in fix.steps) > 100
    lines = [line for fix in fixes for line in closing(fix)]
    assert [line.text for line in lines if "`" in line.text and not line.text.startswith("az ")] == []


def test_the_page_of_a_rule_shows_no_backticks(capsys: pytest.CaptureFixture[str]) -> None:
    rules = load(packages=False).rules.values()
    for id in [rule.id for rule in rules if any("`" in each for each in (*rule.fix.steps, rule.why, rule.fix.impact))]:
        with pytest.raises(SystemExit):
            app.main(["rules", "show", id])
        shown = capsys.readouterr().out
        assert "`" not in re.sub(r"(?s)(Bicep|Terraform|Fix in Bash) .*", "", shown), id


def test_markdown_keeps_code(demo: Document, tmp_path: Path) -> None:
    assert prose("Run `az x --set a_b=1`, and *wait*.") == r"Run `az x --set a_b=1`, and \*wait\*\."
    with (tmp_path / "s.md").open("wb") as file:
        write_markdown(demo, file)
    assert r"\`" not in (tmp_path / "s.md").read_text("utf-8")


def written(write: Callable[[Document, IO[bytes]], None], document: Document) -> bytes:
    out = BytesIO()
    write(document, out)
    return out.getvalue()


def in_tables(document: Document) -> dict[str, list[str]]:
    """The texts of a document in formats without Markdown, but for commands."""
    table = csv.DictReader(StringIO(written(write_csv, document).decode("utf-8-sig")))
    book = load_workbook(BytesIO(written(write_xlsx, document)), read_only=True)
    cells = [str(cell) for page in book for row in page.iter_rows(values_only=True) for cell in row if cell]
    events = [json.loads(line) for line in written(write_ocsf, document).splitlines()]
    (run,) = json.loads(written(write_sarif, document))["runs"]
    helps = [each["help"]["text"] for each in run["tool"]["driver"]["rules"]]
    texts = {
        "csv": [row["fix"] for row in table],
        "xlsx": cells,
        "junit": re.findall(r"(?m)^(?:fix|impact): .*", written(write_junit, document).decode()),
        "ocsf": [event["remediation"]["desc"] for event in events if "remediation" in event],
        "sarif": [row["properties"].get("fix", "") for row in run["results"]] + helps,
    }
    return {
        name: [line for text in found for line in text.splitlines() if not re.match(r"\W*az |.*: az ", line)]
        for name, found in texts.items()
    }


def test_tables_and_test_results_show_no_backticks(demo: Document) -> None:
    for name, lines in in_tables(demo).items():
        assert len(lines) > 100, name
        assert [line for line in lines if "`" in line] == [], name


def with_fix(*steps: str, impact: str = "") -> tuple[PlainFixes, FindingRow]:
    """The plain fixes of a document with a finding whose fix has these steps."""
    document = sample.typed(sample.document(20))
    templates: dict[str, str] = {}
    fix = FixRow(steps=list(steps), commands=[], impact=impact)
    row = with_texts(msgspec.structs.replace(document.findings[0], fix=fix), templates)
    return PlainFixes(msgspec.structs.replace(document, templates=templates)), row


def test_a_value_keeps_its_backticks() -> None:
    fixes, row = with_fix(
        Message("Set the tag {tag}, with `az tag update {tag}`.", tag="`a` or `b"),
        Message("See {steps}.", steps=Message("the name {name} of `az x`", name="``")),
        "one ` alone",
        impact=Message("{name} and `code`", name="`"),
    )
    expected = ["Set the tag `a` or `b, with az tag update `a` or `b.", "See the name `` of az x.", "one ` alone"]
    assert fixes.lines(row) == expected
    assert fixes.text(row) == "\n".join(expected)
    assert fixes.impact(row) == "` and code"


def test_commands_keep_their_backticks() -> None:
    command = "az x list --query '[?a == `true`]'"
    fixes, row = with_fix("Run `az x`.")
    fix = FixRow(commands=[command], steps=["not shown"])
    assert fixes.text(msgspec.structs.replace(row, fix=fix)) == plain_fix(fix) == command
    assert plain_fix(row.fix) == "Run az x."
    assert plain_fix(None) == fixes.text(msgspec.structs.replace(row, fix=None)) == ""


@pytest.mark.parametrize("data", [["0c4be1d7"], ["", ["x"]], [1], [["", "a"]], ["77aa02e4", "a", "b"]], ids=str)
def test_a_damaged_file_still_has_a_text(data: list[Any]) -> None:
    fixes, row = with_fix("Run `az x`.")
    for texts in ({"fix.steps.0": data}, msgspec.UNSET):
        assert fixes.text(msgspec.structs.replace(row, texts=texts)) == "Run az x."


@pytest.mark.parametrize(
    ("text", "markup", "plain"),
    [
        ("Run `a <b>`.", "<bdi>Run </bdi><code><bdi>a &lt;b&gt;</bdi></code><bdi>.</bdi>", "Run a <b>."),
        ("no code", "<bdi>no code</bdi>", "no code"),
        ("one ` alone", "<bdi>one ` alone</bdi>", "one ` alone"),
    ],
)
def test_code(text: str, markup: str, plain: str) -> None:
    assert with_code(text) == markup
    assert without_ticks(text) == plain
    assert code_parts("") == []
