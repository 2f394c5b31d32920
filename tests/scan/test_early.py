"""Early sight: what a terminal shows while a scan reads is open in the end too, and is in no file."""

import asyncio
import random
import re
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

import pytest

from scanner.document.schema import ExposureRow
from scanner.evaluate.policy import Policy
from scanner.model.ids import is_below, root_of
from scanner.rulebook.loader import RuleSet, load
from scanner.scan import early
from scanner.scan.early import SHOWN, EarlySight, open_endpoints
from scanner.snapshot.files import lines_of_shard
from scanner.snapshot.format import Header, SnapshotLine, url_of
from scanner.snapshot.store import Store
from scanner.terminal.screen import Screen
from tests.sampled import is_all


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    made = load([], packages=False)
    made.select()
    return made


@pytest.fixture(scope="module")
def taken(demo_folder: Path) -> tuple[Header, Sequence[SnapshotLine]]:
    header, lines = lines_of_shard(demo_folder / "snapshot.jsonl")
    return header, list(lines)


def opened(rows: Iterable[ExposureRow]) -> set[tuple[str, str, str]]:
    return {(row.resource, row.endpoint, row.address) for row in rows}


def some_of(lines: Sequence[SnapshotLine], chance: random.Random) -> list[SnapshotLine]:
    """Return what was read when some reads below resources had not been made."""
    reads = [
        line for line in lines if line.read is not None and root_of(url_of(line)) not in ("", url_of(line).lower())
    ]
    left = {url_of(line).lower() for line in reads if chance.random() < 0.3}
    return [
        line
        for line in lines
        if line.scope is not None or not any(is_below(url_of(line), url) for url in _above(url_of(line)) & left)
    ]


def _above(url: str) -> set[str]:
    segments = url.lower().split("/")
    return {"/".join(segments[:end]) for end in range(1, len(segments) + 1)}


def test_what_is_open_by_a_part_of_the_reads_is_open_by_all(
    rules: RuleSet, taken: tuple[Header, Sequence[SnapshotLine]]
) -> None:
    header, lines = taken
    whole = opened(open_endpoints(rules, Policy(), header, (), lines))
    assert len(whole) > 5
    for _ in range(20 if is_all() else 3):
        seed = random.randrange(10**6)
        part = some_of(lines, random.Random(seed))
        assert len(part) < len(lines)
        assert opened(open_endpoints(rules, Policy(), header, (), part)) <= whole, seed


def test_a_terminal_shows_them_and_a_log_does_not(
    rules: RuleSet, taken: tuple[Header, Sequence[SnapshotLine]], monkeypatch: pytest.MonkeyPatch
) -> None:
    header, lines = taken
    store = Store(header)
    out = StringIO()
    screen = Screen(out, environ={})
    monkeypatch.setattr(screen, "mode", "live")
    asyncio.run(EarlySight(rules, Policy(), store, screen).show(list(lines)))
    text = out.getvalue()
    count = len(open_endpoints(rules, Policy(), header, (), lines))
    assert f"{count} critical endpoints so far; the scan goes on" in text
    assert len(re.findall(r"^critical ", text, re.MULTILINE)) == min(SHOWN, count)
    assert list(store.lines()) == [], "nothing is kept of it"


def test_a_fault_ends_no_scan(
    rules: RuleSet, taken: tuple[Header, Sequence[SnapshotLine]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(early, "open_endpoints", broken)
    out = StringIO()
    asyncio.run(EarlySight(rules, Policy(), Store(taken[0]), Screen(out, environ={})).show([]))
    assert out.getvalue() == ""


def test_nothing_is_said_where_nothing_critical_is_open(
    rules: RuleSet, taken: tuple[Header, Sequence[SnapshotLine]]
) -> None:
    out = StringIO()
    screen = Screen(out, environ={})
    asyncio.run(EarlySight(rules, Policy(), Store(taken[0]), screen).show([]))
    assert out.getvalue() == ""
