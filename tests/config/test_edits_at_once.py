"""Commands that edit one file at once, each in a process of its own: every edit is there."""

import json
import multiprocessing
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_rules_new import STORAGE, TEXTS
from tests.terminals import account, snapshot, twolocks

LATER = (datetime.now(UTC).date() + timedelta(days=90)).isoformat()
FORK = multiprocessing.get_context("fork")


def at_once(commands: Sequence[Sequence[str]]) -> list[int]:
    """Run commands at once. Return their exit codes."""
    start, codes = FORK.Barrier(len(commands)), FORK.SimpleQueue()
    started = [FORK.Process(target=_one, args=(start, codes, each)) for each in commands]
    for each in started:
        each.start()
    for each in started:
        each.join()
    return [codes.get() for _ in commands]


def _one(start: Any, codes: Any, words: Sequence[str]) -> None:
    start.wait()
    codes.put(twolocks(*words).code)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_waivers() -> None:
    names = [f"st{number:02}" for number in range(8)]
    snapshot(Path("night.jsonl"), *(account(name, supportsHttpsTrafficOnly=False) for name in names))
    assert twolocks("scan", "--from", "night.jsonl", "--only", "storage-plain-http", "--out", "f.json").code == 1
    rows = json.loads(Path("f.json").read_text())["findings"]
    shared = ("--in", "f.json", "--reason", "Closed in March", "--owner", "kari", "--expires", LATER)
    assert at_once([("waive", each["fingerprint"], *shared) for each in rows]) == [0] * len(names)
    entries = tomllib.loads(Path("waivers.toml").read_text())["waiver"]
    assert sorted(each["resource"].rpartition("/")[2] for each in entries) == names
    assert sorted(path.name for path in Path().iterdir()) == ["f.json", "night.jsonl", "waivers.toml"]


def test_rules() -> None:
    """The last of two rewrote the file that it had read before the first wrote."""
    Path("own").mkdir()
    shared = [word for name, text in {**TEXTS, **STORAGE, "into": "own"}.items() for word in (f"--{name}", text)]
    ids = [f"storage-sftp-{number}" for number in range(8)]
    assert at_once([("rules", "new", id, *shared) for id in ids]) == [0] * len(ids)
    assert sorted(tomllib.loads(Path("own/storage.toml").read_text())) == ids
    assert [path.name for path in Path("own").iterdir()] == ["storage.toml"]
