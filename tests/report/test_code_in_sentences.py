"""Code stands between backticks in sentences: as code on the page and in Markdown, and as plain text in a terminal."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scanner.cli import app
from scanner.document.schema import Document, read_document
from scanner.model.message import message_text
from scanner.report.markdown import prose, write_markdown
from scanner.report.text import code_parts, with_code, without_ticks
from scanner.rulebook.loader import load
from scanner.scan.answer_lines import closing

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
