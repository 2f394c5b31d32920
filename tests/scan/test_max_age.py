"""`scan --max-age`: reads that decide only low and info findings may be of an earlier scan, which every verdict says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scanner.sandbox.server import Sandbox, running
from tests.azure.requests import ESTATE, SUBSCRIPTIONS
from tests.terminals import Ended, twolocks


class Lab:
    """Scans of a sandbox with a cache folder of their own."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.box = box
        self.folder = folder

    def scan(self, *words: object) -> Ended:
        self.box.requests.clear()
        env = {**self.box.environment(), "XDG_CACHE_HOME": str(self.folder / "cache")}
        return twolocks("scan", "--arm-endpoint", self.box.url, "--out", self.folder / "f.json", *words, env=env)

    @property
    def file(self) -> Path:
        return next((self.folder / "cache" / "twolocks" / "answers").glob("*.answers"))

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "f.json").read_bytes()))

    @property
    def paths(self) -> list[str]:
        return [each.path for each in self.box.requests]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with running(Sandbox(ESTATE, SUBSCRIPTIONS)) as served:
        yield Lab(served, tmp_path)


def test_try(lab: Lab) -> None:
    a = lab.scan("--max-age", "low=7d")
    first = len(lab.paths)
    one = lab.document
    b = lab.scan("--max-age", "low=7d")
    print(first, len(lab.paths), lab.file.stat().st_size, a.err[-3000:], b.err[-3000:])
    two = lab.document
    print([each for each in two["findings"] if "read_at" in each][:2])
    assert 0
