"""Words that no version knows, in files of somebody else: exit code 2 with the place, not a defect."""

import json
from pathlib import Path

import pytest

from tests.terminals import account, snapshot, twolocks


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    snapshot(Path("night.jsonl"), account("st", allowSharedKeyAccess=True, publicNetworkAccess="Enabled"))


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        ("exposures", "severity"),
        ("exposures", "worst"),
        ("exposures", "state"),
        ("findings", "severity"),
        ("findings", "status"),
    ],
)
def test_an_unknown_word_is_named(rows: str, key: str) -> None:
    twolocks("scan", "--from", "night.jsonl", "--out", "f.json", "--fail-on", "never")
    document = json.loads(Path("f.json").read_text())
    document[rows][0][key] = "dire"
    Path("f.json").write_text(json.dumps(document))
    for command in (("report", "f.json", "--out", "r.html"), ("diff", "f.json", "f.json")):
        ended = twolocks(*command)
        assert (ended.code, f"$.{rows}[0].{key}" in ended.err) == (2, True), ended.err


@pytest.mark.parametrize("option", ["--config", "--waivers"])
def test_toml_that_is_too_deep_is_wrong_input(option: str) -> None:
    Path("deep.toml").write_text("a = " + "[" * 20_000 + "]" * 20_000 + "\n")
    ended = twolocks("scan", "--from", "night.jsonl", option, "deep.toml")
    assert (ended.code, "nested too deeply" in ended.err) == (2, True), ended.err
