"""An output that is an input: refused before anything is read, whatever its name."""

import os
from pathlib import Path

import pytest

from scanner.report.code_scanning.sarif import _page
from tests.terminals import account, snapshot, twolocks


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    snapshot(Path("night.jsonl"), account("st", allowSharedKeyAccess=True))
    Path("h.json").write_text("")
    Path("w.json").write_text("")
    Path("s.json").write_text("")
    assert twolocks("scan", "--from", "night.jsonl", "--out", "f.json", "--fail-on", "never").code in (0, 3)
    Path("soft.json").symlink_to("f.json")
    os.link("f.json", "hard.json")
    os.link("night.jsonl", "night.json")
    Path("below").mkdir()


@pytest.mark.parametrize(
    "words",
    [
        "scan --from night.jsonl --out night.json",
        "scan --from night.jsonl --out below/../night.json",
        "scan --from night.jsonl --history h.json --out h.json",
        "scan --from night.jsonl --history sqlite:///h.json --out h.json",
        "scan --from night.jsonl --history new.json --out new.json",
        "scan --from night.jsonl --waivers w.json --out w.json",
        "scan --from night.jsonl --config s.json --out s.json",
        "scan --record o.json --out o.json",
        "report f.json --out f.json",
        "report f.json --out soft.json",
        "report f.json --out hard.json",
        "report soft.json --out f.json",
        "diff f.json f.json --out hard.json",
        "history export --history h.json --out h.json",
    ],
)
def test_an_output_that_is_an_input_is_refused(words: str) -> None:
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    ended = twolocks(*words.split())
    assert (ended.code, "is also" in ended.err) == (2, True), ended.err
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before


@pytest.mark.parametrize("url", ["http://x.org", "javascript:alert(1)", "https://a b", "HTTPS", "https://x\u202e"])
def test_help_links_are_https(url: str) -> None:
    assert _page([url]) == ""
    assert _page([url, "https://learn.microsoft.com/azure"]) == "https://learn.microsoft.com/azure"
