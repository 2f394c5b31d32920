"""Scans limited by `--resource-group`, `--tag` or `--resource`: every output says that nothing else was assessed."""

import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import pytest

from scanner.document.scopes import LimitRow
from scanner.notify.wording import remarks
from scanner.report.language.words import Words
from scanner.sandbox.estate import load_estate
from scanner.sandbox.server import Sandbox, serve
from tests.history.changing_estate import scheduled_run
from tests.notify.sample import facts
from tests.report.parquet_file import parquet_text
from tests.scan.test_narrowing import document, moved, scan, tagged_estate
from tests.terminals import STORAGE, twolocks

Json = dict[str, Any]
GROUP = "rg-kart"
FIELD_OF_TEXTS = f"Limited to resource group {GROUP}: nothing else was assessed"
SUFFIXES = (".html", ".json", ".csv", ".md", ".sarif", ".junit.xml", ".xlsx", ".ocsf.jsonl", ".parquet")


class Limited:
    """A live scan of a resource group, with its terminal, its snapshot, its history and a file in each format."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.folder, self.snapshot, self.history = folder, folder / "s.jsonl", folder / "h.db"
        outs = [word for suffix in SUFFIXES for word in ("--out", folder / f"report{suffix}")]
        words = ("--resource-group", GROUP, "--snapshot", self.snapshot, "--history", self.history)
        self.ended = scan(box, *words, *outs, "--split", "resource-group")
        self.document: Json = json.loads((folder / "report.json").read_text())

    def text(self, name: str) -> str:
        """Return the text of a file, without what escapes signs in it."""
        data = (self.folder / name).read_bytes()
        if name.endswith(".xlsx"):
            book = ZipFile(BytesIO(data))
            data = b"".join(book.read(each) for each in book.namelist())
        if name.endswith(".parquet"):
            data = parquet_text(data).encode()
        return re.sub(r"\\|<(?!skipped)[^>]*>", "", data.decode())


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limited]:
    with serve(load_estate()) as box:
        yield Limited(box, tmp_path_factory.mktemp("limited"))


def test_the_terminal_says_what_a_scan_is_limited_to(limited: Limited) -> None:
    assert FIELD_OF_TEXTS in " ".join(limited.ended.err.split())


@pytest.mark.parametrize("suffix", [each for each in SUFFIXES if each != ".json"])
def test_every_format_says_what_a_scan_is_limited_to(limited: Limited, suffix: str) -> None:
    assert FIELD_OF_TEXTS in limited.text(f"report{suffix}")


def test_the_document_has_the_limit(limited: Limited) -> None:
    assert limited.document["scan"]["limited"] == {"groups": [GROUP]}


def test_the_page_says_it_first_and_in_its_title_and_where_the_whole_could_be_meant(limited: Limited) -> None:
    page = (limited.folder / "report.html").read_text()
    title = page.partition("</title>")[0].rpartition("<title>")[2]
    assert FIELD_OF_TEXTS in title
    views = re.split(r'<section id="', page)
    for view in ("endpoints", "frameworks"):
        result = next(each for each in views if each.startswith(f'{view}"'))
        assert FIELD_OF_TEXTS in result, view
    assert FIELD_OF_TEXTS in page.partition('<section id="endpoints"')[0].rpartition("<main")[2]
    assert FIELD_OF_TEXTS in page.partition('class="on-paper print-title"')[2].partition("</div>")[0]


def test_the_parts_of_a_limited_scan_say_it_and_so_does_their_index(limited: Limited) -> None:
    assert FIELD_OF_TEXTS in limited.text("report.index.csv")
    segments = [each.name for each in limited.folder.glob("report.*.md")]
    assert len(segments) > 1
    for each in segments:
        assert FIELD_OF_TEXTS in limited.text(each), each


def test_the_history_says_it(limited: Limited) -> None:
    listed = twolocks("history", "list", "--history", limited.history)
    assert f"resource-group={GROUP}" in listed.out


def test_a_snapshot_of_a_limited_scan_says_it_when_it_is_evaluated_later(limited: Limited) -> None:
    later = twolocks("scan", "--from", limited.snapshot, "--fail-on", "never", "--format", "json")
    assert document(later)["scan"]["limited"] == {"groups": [GROUP]}
    assert FIELD_OF_TEXTS in " ".join(later.err.split())
    page = limited.folder / "later.html"
    assert twolocks("scan", "--from", limited.snapshot, "--fail-on", "never", "--out", page).code == 3
    assert FIELD_OF_TEXTS in page.read_text()


def test_commands_on_its_files_say_it(limited: Limited) -> None:
    file = limited.folder / "report.json"
    for words in (("show", "frameworks", file), ("show", "frameworks", file, "nsm-2.0"), ("show", "places", file)):
        ended = twolocks(*words)
        assert FIELD_OF_TEXTS in " ".join((ended.out + ended.err).split()), ended.err


def test_a_redacted_report_says_it_without_names(limited: Limited) -> None:
    file = limited.folder / "redacted.md"
    assert twolocks("report", limited.folder / "report.json", "--out", file, "--redact").code == 0
    text = file.read_text()
    assert "Limited to resource group" in text.replace("\\", "")
    assert GROUP not in text.replace("\\", "")


def test_in_norwegian(limited: Limited) -> None:
    page = limited.folder / "nb.html"
    assert twolocks("report", limited.folder / "report.json", "--out", page, "--language", "nb").code == 0
    assert f"Begrenset til ressursgruppen {GROUP}: ingenting annet er vurdert" in page.read_text()


def test_a_notice_says_it() -> None:
    result = facts()
    scan = msgspec.structs.replace(result.scan, limited=LimitRow(groups=[GROUP]))
    result = msgspec.structs.replace(result, scan=scan)
    texts = list(remarks("news", result, 0, 30, Words(), turned_incomplete=False, whole=True))
    assert texts[0] == f"{FIELD_OF_TEXTS}."


# What the sentence names


def test_tags_and_resources_are_named(tmp_path: Path) -> None:
    history = str(tmp_path / "h.db")
    tagged = scheduled_run(tagged_estate(), history, tmp_path, "--tag", "env=prod")
    assert "Limited to resources with the tag env=prod: nothing else was assessed" in " ".join(tagged.ended.err.split())
    one = ("--resource", f"{STORAGE}/stprod")
    named = scheduled_run(tagged_estate(), history, tmp_path, *one)
    assert "Limited to resource stprod: nothing else was assessed" in " ".join(named.ended.err.split())
    assert named.document["scan"]["limited"] == {"resources": [f"{STORAGE}/stprod"]}


def test_a_part_of_a_snapshot_is_named(tmp_path: Path) -> None:
    snapshot = tmp_path / "s.jsonl"
    both = [*moved("sta", "rg-a"), *moved("stb", "rg-b")]
    scheduled_run(both, str(tmp_path / "h.db"), tmp_path, "--snapshot", str(snapshot))
    whole = twolocks("scan", "--from", snapshot, "--fail-on", "never")
    assert "Limited to" not in whole.err
    narrowed = twolocks("scan", "--from", snapshot, "--fail-on", "never", "--resource-group", "rg-a")
    assert "Limited to resource group rg-a: nothing else was assessed" in " ".join(narrowed.err.split())


# Comparisons


def test_a_comparison_with_a_limited_scan_fixes_nothing_elsewhere(tmp_path: Path) -> None:
    both = [*moved("sta", "rg-a"), *moved("stb", "rg-b")]
    one, two = tmp_path / "whole.json", tmp_path / "part.json"
    for name, words in ((one, ()), (two, ("--resource-group", "rg-a"))):
        scheduled_run(both, str(tmp_path / f"{name.stem}.db"), tmp_path, "--out", str(name), *words)
    ended = twolocks("diff", one, two, "--format", "json")
    gone = document(ended)
    assert (gone["vanished_resources"], gone["fixed"]) == ([], [])
    assert {each["why"] for each in gone["vanished"]} == {"it is outside of what the new scan was limited to"}
    assert (gone["old"].get("limited"), gone["newer"]["limited"]) == (None, {"groups": ["rg-a"]})
    text = "was limited to resource group rg-a: nothing else is compared"
    assert text in " ".join(ended.err.split())
    for file in (tmp_path / "d.md", tmp_path / "d.html"):
        twolocks("diff", one, two, "--out", file)
        assert text in file.read_text().replace("\\", "")
    back = document(twolocks("diff", two, one, "--format", "json"))
    assert (back["appeared_resources"], back["new"], back["fixed"]) == ([], [], [])
    assert back["first_judged"]


def test_a_comparison_with_a_scan_by_tag_calls_nothing_new_or_removed(tmp_path: Path) -> None:
    one, two = tmp_path / "whole.json", tmp_path / "part.json"
    for name, words in ((one, ()), (two, ("--tag", "env=prod"))):
        scheduled_run(tagged_estate(), str(tmp_path / f"{name.stem}.db"), tmp_path, "--out", str(name), *words)
    gone = document(twolocks("diff", one, two, "--format", "json"))
    assert (gone["vanished_resources"], gone["fixed"]) == ([], [])
    back = document(twolocks("diff", two, one, "--format", "json"))
    assert (back["appeared_resources"], back["new"]) == ([], [])


def test_what_a_limited_scan_sees_is_compared(tmp_path: Path) -> None:
    """What is fixed within the limit is fixed, and what is new within it is new."""
    limit = ("--resource-group", "rg-a")
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    before = [*moved("sta", "rg-a"), *moved("stb", "rg-b")]
    scheduled_run(before, str(tmp_path / "1.db"), tmp_path, "--out", str(one), *limit)
    after = [*moved("sta", "rg-a"), *moved("stc", "rg-a"), *moved("stb", "rg-b")]
    scheduled_run(after, str(tmp_path / "2.db"), tmp_path, "--out", str(two), *limit)
    result = document(twolocks("diff", one, two, "--format", "json"))
    assert {each["resource"].split("/")[8] for each in result["new"]} == {"stc"}
    assert [each.split("/")[-1] for each in result["appeared_resources"]] == ["stc"]
