"""The script that the browser copies is what the command line writes, byte for byte."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, expect

from scanner.cli import app
from scanner.document.schema import Document
from scanner.fix.script import SCRIPT_IN_ENGLISH, header, joined, piece_of
from scanner.report.html.rendering import write_html
from scanner.report.views.summary import ordered_findings
from tests.report import sample
from tests.report.conftest import Reader

Make = Callable[[dict[str, Any]], Path]
HIGH = ("--severity", "high")


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the findings file of the sample estate."""
    folder = tmp_path_factory.mktemp("estate")
    # The browser of this process has an event loop, beside which no scan runs.
    subprocess.run([sys.executable, "-m", "scanner", "demo", "--quiet", "--dir", folder], check=True)
    return folder / "findings.json"


@pytest.fixture(scope="module")
def page_of_estate(estate: Path) -> Path:
    write_html(read(estate), estate.with_name("report.html"))
    return estate.with_name("report.html")


def read(file: Path) -> Document:
    return msgspec.json.decode(file.read_bytes(), type=Document)


def of_command_line(file: Path, *words: str) -> str:
    out = file.with_name("script.sh")
    with pytest.raises(SystemExit) as end:
        app.main(["fix", str(file), "--out", str(out), *words])
    assert end.value.code == 0
    return out.read_bytes().decode()


def copied(page: Page, name: str = "Copy script") -> str:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.locator("#toast")).to_contain_text("Bash")
    return str(page.evaluate("navigator.clipboard.readText()"))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("#findings?q=status:fail", ()),
        ("#findings?q=status:fail+severity>=high", HIGH),
        ("#findings", ()),
        ("#findings?q=status:fail+severity>=high&sort=resource", HIGH),
    ],
)
def test_the_browser_copies_what_the_command_line_writes(
    reader: Reader, estate: Path, page_of_estate: Path, state: str, words: tuple[str, ...]
) -> None:
    page = reader.open(page_of_estate, state)
    assert copied(page) == of_command_line(estate, *words)


def test_a_selection_is_the_same_as_its_fingerprints(reader: Reader, estate: Path, page_of_estate: Path) -> None:
    rows = [row for row in read(estate).findings if row.rule in ("storage-network-unrestricted", "nsg-no-log")]
    failed = [row for row in rows if row.status == "fail"]
    words = [word for row in failed for word in ("--finding", row.fingerprint[:16])]
    page = reader.open(page_of_estate, "#findings?q=status:fail+rule:storage-network-unrestricted,nsg-no-log")
    assert copied(page) == of_command_line(estate, *words)
    assert len(failed) > 1


def test_hostile_names_are_the_same_in_both(reader: Reader, make: Make) -> None:
    document = sample.document()
    expected = sample.typed(document)
    page = reader.open(make(document), "#findings?q=status:fail")
    pieces = [made for row in ordered_findings(expected.findings) if (made := piece_of(row)) is not None]
    assert copied(page) == joined(header(expected), pieces)


def test_a_report_in_norwegian_has_the_script_in_english(reader: Reader, estate: Path) -> None:
    file = estate.with_name("nb.html")
    write_html(read(estate), file, language="nb")
    text = copied(reader.open(file, "#findings?q=status:fail+severity>=high"), "Kopier skript")
    assert SCRIPT_IN_ENGLISH in text
    assert text.replace(SCRIPT_IN_ENGLISH, "") == of_command_line(estate, *HIGH)


def test_a_script_has_the_values_that_were_typed(
    reader: Reader, estate: Path, page_of_estate: Path, tmp_path: Path
) -> None:
    made = next(
        row for row in read(estate).findings if row.fix is not None and "<YOUR_RANGE>" in "".join(row.fix.commands)
    )
    page = reader.open(page_of_estate, f"#findings?q=status:fail+rule:{made.rule}")
    page.locator("#finding-list tr.finding .c-title").first.click()
    field, name = page.locator("input[data-input=YOUR_RANGE]:visible").first, "YOUR_RANGE"
    written = copied(page)
    assert f"{name}=''" in written
    for hostile in ("1.2.3.4'; touch pwned; '", "$(touch pwned)", "1.2.3.4 5.6.7.8", "`x`"):
        field.fill(hostile)
        assert copied(page) == written
    field.fill("192.0.2.7")
    assert copied(page) == written.replace(f"{name}=''", f"{name}='192.0.2.7'")
    file = tmp_path / "typed.sh"
    file.write_text(copied(page), "utf-8")
    subprocess.run(["bash", "-n", str(file)], check=True)
