"""The table of formats: what it says is what writes, what the pages list, and what a blob is labelled as."""

import re
from itertools import chain
from pathlib import Path

import pytest

from scanner.output.formats import DIFF_FORMATS, FORMATS, Format, format_of, media_type, writer

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_about_formats_has_the_row_of_every_format() -> None:
    page = (DOCS / "formats.md").read_text("utf-8")
    listed = re.findall(r"^\| `(\.[a-z.]+)` \| (.*) \| (.*) \|$", page.partition("\n## ")[0], re.MULTILINE)
    assert sorted(listed) == sorted((each.suffix, each.purpose, each.contents) for each in FORMATS)


@pytest.mark.parametrize(("command", "formats"), [("scan", FORMATS), ("report", FORMATS), ("diff", DIFF_FORMATS)])
def test_the_help_of_out_names_every_format(command: str, formats: tuple[Format, ...]) -> None:
    page = (DOCS / "cli.md").read_text("utf-8")
    text = page.partition(f"\n## twolocks {command}\n")[2].partition("\n## ")[0]
    listed = text.partition("Format by suffix:")[2].partition(";")[0]
    assert listed.split() == [each.suffix for each in formats]


@pytest.mark.parametrize("format", [*FORMATS, *DIFF_FORMATS], ids=lambda format: f"{format.suffix} {format.writer}")
def test_every_format_has_a_writer_but_the_document_itself(format: Format) -> None:
    if format.writer:
        assert callable(writer(format))
    else:
        assert format.suffix == ".json"


def test_a_suffix_has_one_media_type() -> None:
    types = {(each.suffix, each.media_type) for each in chain(FORMATS, DIFF_FORMATS)}
    assert len(types) == len({suffix for suffix, _ in types})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("az://reports/r.HTML", "text/html; charset=utf-8"),
        ("r.junit.xml", "application/xml"),
        ("n.jsonl", "application/x-ndjson"),
        ("n.jsonl.gz", "application/gzip"),
        ("n.jsonl.zst", "application/zstd"),
        ("n", "application/octet-stream"),
    ],
)
def test_media_types(name: str, expected: str) -> None:
    assert media_type(name) == expected


def test_a_suffix_names_a_format_in_any_case() -> None:
    format = format_of("R.Junit.XML")
    assert format is not None
    assert format.suffix == ".junit.xml"
    assert format_of("r.xml") is None
    assert format_of("r.sarif", DIFF_FORMATS) is None
