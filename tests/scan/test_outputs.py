"""The outputs that are made of a whole document, in memory or row by row."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from scanner.config.settings import Settings
from scanner.evaluate.counts import count
from scanner.output.storage import Storage
from scanner.output.targets import OutputTarget, parse_targets
from scanner.output.writers import convert
from scanner.rulebook.loader import load
from scanner.scan import outputs
from scanner.scan.outputs import Outputs, Sections
from tests.document.filled import filled, written
from tests.report import sample

NAMES = ("report.html", "report.csv", "report.md", "report.sarif", "report.junit.xml", "findings.json")
STORAGE = Storage(Settings({}), asyncio.run)


def targets(folder: Path) -> tuple[OutputTarget, ...]:
    folder.mkdir()
    return parse_targets([str(folder / each) for each in NAMES], lambda option, value: str(value))


def assert_same(one: Path, other: Path, names: tuple[str, ...] = NAMES) -> None:
    for each in names:
        assert (one / each).read_bytes() == (other / each).read_bytes(), each


def test_a_scan_writes_the_same_bytes_in_memory_and_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = sample.typed(sample.with_history(400))
    numbers = count(document).numbers()
    sections = Sections(document.scan, document.rules, document.gaps, document.coverage, document.changes, numbers)
    for name, limit in (("memory", 64 << 20), ("rows", 0)):
        monkeypatch.setattr(outputs, "_IN_MEMORY", limit)
        made, writer = Outputs(STORAGE, load()), filled(document)
        made.write_documents(targets(tmp_path / name), writer, sections)
        writer.close()
        assert len(made.wrote) == len(NAMES)
        assert not made.errors
    assert_same(tmp_path / "memory", tmp_path / "rows")


def test_report_writes_the_same_bytes_of_a_file_in_another_form(tmp_path: Path) -> None:
    texts: list[str] = []

    @contextmanager
    def busy(verb: str, text: Callable[[], str]) -> Iterator[None]:
        yield
        texts.append(f"{verb} {text()}")

    file = written(sample.typed(sample.with_history(400)), tmp_path / "findings.json")
    convert(str(file), targets(tmp_path / "rows"), STORAGE, busy=busy)
    size = f"{file.stat().st_size / 1e6:,.0f}"
    assert texts == [f"Reading {file}, {size} of {size} MB", *(f"Writing {tmp_path / 'rows' / each}" for each in NAMES)]
    file.write_bytes(msgspec.json.format(file.read_bytes(), indent=2))
    convert(str(file), targets(tmp_path / "memory"), STORAGE)
    assert_same(tmp_path / "memory", tmp_path / "rows", NAMES[:-1])
