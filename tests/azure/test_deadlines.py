"""What Azure withholds ends: by the patience for a type, and by the deadline of the scan. No time is waited."""

import asyncio
import time
from typing import Any

import pytest

from scanner.azure import pipeline
from scanner.azure.clients import ConnectionOptions, connect
from scanner.azure.errors import ReadError
from scanner.azure.limits import BUDGET, DEADLINE, PATIENCE, SOON, LimitKey, RateLimiters
from scanner.collect.collector import Scope, collect
from scanner.collect.index_types import QUERY
from scanner.sandbox.faults import Fault
from scanner.sandbox.server import Sandbox
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.azure.requests import PLAN, S1, S2, RecordedProgress, Result, box, environment, scanned
from tests.azure.test_limits import Clock, limits

VAULTS = f"/subscriptions/{S2}/providers/Microsoft.KeyVault/vaults"
KEY = LimitKey("s", "microsoft.sql", type="microsoft.sql/servers")
GRAPH = "*/providers/Microsoft.ResourceGraph/resources"
STORAGE = f"/subscriptions/{S1}/providers/Microsoft.Storage/storageAccounts"


def timed(running: Sandbox, **way: Any) -> tuple[Result, float]:
    """A collection, and the seconds that it took by a clock that only waiting moves."""
    clock = Clock()
    progress, store = RecordedProgress(), Store(Header(taken="2026-11-25T00:00:00Z"))

    async def main() -> None:
        async with running:
            with environment(running):
                options = ConnectionOptions(arm_endpoint=running.url, auth="environment", **way)
                async with connect(options, on_wait=progress.wait) as reader:
                    reader._arm.limiters.clock, reader._arm.limiters.sleep = clock, clock.sleep
                    await collect(reader, Scope(), PLAN, store, progress)

    asyncio.run(main())
    return Result(list(store.lines()), progress), clock.now - 1000


@pytest.mark.parametrize(("after", "most"), [(1, 122), (17, 154), (60, 240), (300, 301)])
def test_a_list_that_is_throttled_for_ever_is_a_gap_after_the_patience(after: int, most: float) -> None:
    result, took = timed(box(faults=[Fault("throttle", VAULTS, retry_after=after)]))
    assert result.gaps[VAULTS]["status"] == 429
    assert "resources" not in result.gaps[VAULTS], "the vault that Resource Graph shows is not missing"
    assert took <= most
    assert STORAGE in result.reads, "others are read"


def test_a_wait_that_is_announced_beyond_300_seconds_is_a_gap_at_once() -> None:
    result, took = timed(box(faults=[Fault("throttle", VAULTS, retry_after=900)]))
    assert result.gaps[VAULTS]["status"] == 429
    assert took < 1


def test_one_announced_wait_of_300_seconds_is_waited_for() -> None:
    result, took = timed(box(faults=[Fault("throttle", VAULTS, retry_after=300, times=1)]))
    assert result.reads[VAULTS] == 1
    assert 300 <= took < 305


@pytest.mark.parametrize(("after", "most"), [(1, SOON + 2), (5, SOON + 5), (60, 1)])
def test_resource_graph_that_is_throttled_for_ever_is_left_for_lists_soon(after: int, most: float) -> None:
    result, took = timed(box(faults=[Fault("throttle", GRAPH, retry_after=after)]))
    assert not result.gaps
    assert result.reads[VAULTS] == 1
    assert took <= most


def test_resource_graph_that_is_throttled_for_a_moment_is_waited_for() -> None:
    result, took = timed(box(faults=[Fault("throttle", GRAPH, retry_after=4, times=2)]))
    assert QUERY not in result.skips
    assert took >= 4


@pytest.mark.parametrize(("kind", "most"), [("reset", 10), ("truncate", 1), ("status", 10)])
def test_a_list_that_fails_for_ever_is_a_gap_soon(kind: Any, most: float) -> None:
    result, took = timed(box(faults=[Fault(kind, VAULTS, status=503)]))
    assert VAULTS in result.gaps
    assert took <= most


def test_503_with_retry_after_is_a_gap_after_the_patience() -> None:
    result, took = timed(box(faults=[Fault("status", VAULTS, status=503, headers={"Retry-After": "60"})]))
    assert VAULTS in result.gaps
    assert took <= PATIENCE + 60


def test_a_hanging_list_is_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "ALL_SECONDS", 0.5)
    running = box(faults=[Fault("slow", VAULTS, seconds=8)])
    result, _ = timed(running)
    assert result.gaps[VAULTS]["code"] == "Timeout"
    assert sum(each.path == VAULTS for each in running.requests) <= 2


def begun() -> tuple[Clock, RateLimiters, pipeline._Attempts]:
    """A read whose first try was sent now."""
    clock = Clock()
    made = limits(clock)
    attempts = pipeline._Attempts(made, made.of(KEY), KEY)
    attempts.begin()
    return clock, made, attempts


def test_a_read_that_took_as_long_as_the_patience_is_not_tried_again() -> None:
    """An answer that arrives byte by byte ends with the time limit of one try."""
    clock, _, attempts = begun()
    clock.now += pipeline.ALL_SECONDS
    assert attempts.after_no_answer(ReadError("/x", 0, "Timeout")) is None


def test_a_type_that_has_successes_is_waited_for_longer() -> None:
    clock, made, attempts = begun()
    waited = 0
    while not attempts._is_over(10, 10):
        clock.now += 10
        made.note_success(KEY)
        waited += 10
    assert BUDGET - 20 <= waited <= BUDGET


def test_the_deadline_of_a_scan_makes_gaps_of_what_is_unread() -> None:
    running = box(faults=[Fault("slow", VAULTS, seconds=15), Fault("slow", f"{STORAGE}*", seconds=15)])
    result = scanned(running, way=ConnectionOptions(auth="environment", ends=time.monotonic() + 5))
    assert {gap["code"] for gap in result.gaps.values()} == {DEADLINE}
    assert VAULTS in result.gaps
    assert result.views == {S1: "full", S2: "full"} or DEADLINE in str(result.gaps)


def test_a_deadline_ends_waiting_for_a_limit_too() -> None:
    running = box(faults=[Fault("throttle", VAULTS, retry_after=100)])
    result = scanned(running, way=ConnectionOptions(auth="environment", ends=time.monotonic() + 8), fast=False)
    assert result.gaps[VAULTS]["code"] == DEADLINE


def test_a_subscription_that_stalls_does_not_keep_others_from_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.collect.whole_subscriptions.SUBSCRIPTIONS", 1)
    monkeypatch.setattr("scanner.collect.queue.STALLED_SECONDS", 0.2)
    running = box(faults=[Fault("throttle", f"/subscriptions/{S1}/resourcegroups/*", retry_after=100)])
    way = ConnectionOptions(auth="environment", ends=time.monotonic() + 8)
    result = scanned(running, way=way, fast=False)
    assert result.gaps
    assert [url for url in result.gaps if not url.lower().startswith(f"/subscriptions/{S1}/resourcegroups/")] == []
    assert VAULTS in result.reads
