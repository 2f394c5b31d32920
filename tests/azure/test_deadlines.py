"""What Azure withholds ends: by the patience for a type, and by the deadline of the scan. No time is waited."""

import asyncio
import time
from typing import Any

import pytest
from msgspec.structs import replace

from scanner.azure import pipeline, transport
from scanner.azure.clients import ConnectionOptions, connect
from scanner.azure.errors import ReadError
from scanner.azure.limits import ALONE, BUDGET, DEADLINE, PATIENCE, SOON, LimitKey, RateLimiters
from scanner.collect.collector import Plan, Scope, collect
from scanner.collect.plan import Joined, NamedResources
from scanner.model.index import RESOURCE_GRAPH
from scanner.sandbox.faults import Fault
from scanner.sandbox.server import Sandbox
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.azure.requests import PLAN, S1, S2, RecordedProgress, Result, box, environment, scanned
from tests.azure.test_limits import Clock, limits

MOSTLY_WAITS = True
VAULTS = f"/subscriptions/{S2}/providers/Microsoft.KeyVault/vaults"
KEY = LimitKey("s", "microsoft.sql", type="microsoft.sql/servers")
GRAPH = "*/providers/Microsoft.ResourceGraph/resources"
STORAGE = f"/subscriptions/{S1}/providers/Microsoft.Storage/storageAccounts"


def timed(running: Sandbox, plan: Plan = PLAN, **way: Any) -> tuple[Result, float]:
    """A collection, and the seconds that it took by a clock that only waiting moves."""
    clock = Clock()
    progress, store = RecordedProgress(), Store(Header(taken="2026-11-25T00:00:00Z"))

    async def main() -> None:
        async with running:
            with environment(running):
                options = ConnectionOptions(arm_endpoint=running.url, auth="environment", **way)
                async with connect(options, on_wait=progress.wait) as reader:
                    reader._arm.limiters.clock, reader._arm.limiters.sleep = clock, clock.sleep
                    await collect(reader, Scope(), plan, store, progress)

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
    assert set(result.gaps) == {RESOURCE_GRAPH}, "no list shows security admin rules"
    assert result.reads[VAULTS] == 1
    assert took <= most


NAMED = NamedResources(ids=tuple(f"{STORAGE}/x{number}".lower() for number in range(250)), accounts=("y",))
ELSEWHERE = replace(PLAN, joined=lambda: Joined(named=NAMED))
"""A plan that asks for resources elsewhere, in four queries."""


@pytest.mark.parametrize(("after", "most"), [(1, SOON + 3), (5, SOON + 5), (60, 1)])
def test_queries_that_nothing_replaces_have_a_share_of_the_patience(after: int, most: float) -> None:
    """They had all of it: 120 seconds more."""
    result, took = timed(box(faults=[Fault("throttle", GRAPH, retry_after=after)]), ELSEWHERE)
    assert (result.gaps[RESOURCE_GRAPH]["status"], result.gaps[RESOURCE_GRAPH]["code"]) == (429, "TooManyRequests")
    assert took <= most
    assert b'"named"' not in b"".join(result.lines), "what was not answered is no answer that there is none"


def test_queries_that_nothing_replaces_are_sent_once_more_after_the_pause_of_earlier_refusals() -> None:
    clock = Clock()
    made, key = limits(clock), LimitKey("", "", graph=True)
    limiter = made.of(key)[0]
    token = ALONE.set(True)
    try:
        limiter.refused(clock.now, 5, made.patience)
        assert not made.is_hopeless(key, was_sent=False), "it was refused once"
        clock.now += SOON + 1
        assert not made.is_hopeless(key, was_sent=False)
        assert made.is_hopeless(key, was_sent=True)
        limiter.refused(clock.now, 5, made.patience)
        assert made.is_hopeless(key, was_sent=False), "it was refused just now"
    finally:
        ALONE.reset(token)


def test_queries_after_one_without_an_answer_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them hung for 20 seconds, one after the other."""
    monkeypatch.setattr(transport, "LATE_SECONDS", 0.3)
    monkeypatch.setattr(transport, "READ_SECONDS", 1.5)
    running = box(faults=[Fault("slow", GRAPH, seconds=30)])
    result, _ = timed(running, ELSEWHERE)
    assert (result.gaps[RESOURCE_GRAPH]["status"], result.gaps[RESOURCE_GRAPH]["code"]) == (0, "Timeout")
    assert sum(running.faults.hits.values()) == 2, "the first query, and its second request"
    assert result.reads[VAULTS] == 1


def test_queries_for_resources_elsewhere_are_sent_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the four is answered. One by one, the others were not sent after the first."""
    whole = box()
    result, _ = timed(whole, ELSEWHERE)
    assert not result.gaps
    assert sum(b'"named"' in line for line in result.lines) == 251
    before = sum("ResourceGraph" in each.path for each in whole.requests) - 4
    monkeypatch.setattr(transport, "LATE_SECONDS", 0.3)
    monkeypatch.setattr(transport, "READ_SECONDS", 1.5)
    running = box(faults=[Fault("slow", GRAPH, times=before), Fault("slow", GRAPH, seconds=30)])
    result, _ = timed(running, ELSEWHERE)
    assert set(result.gaps) == {RESOURCE_GRAPH}
    assert sum(running.faults.hits.values()) >= before + 4


def test_resource_graph_that_is_throttled_for_a_moment_is_waited_for() -> None:
    result, took = timed(box(faults=[Fault("throttle", GRAPH, retry_after=4, times=2)]))
    assert RESOURCE_GRAPH not in result.skips
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
