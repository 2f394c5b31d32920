"""The jobs of a collection: how many run at once, in which order they begin, and when a subscription is read."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.collect import queue
from scanner.collect.queue import JobQueue, ListedIds, QueueKey

JOBS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=60)


class Ran:
    """What ran of a queue, and how much of it at once. `more`: the jobs that each job of a key adds."""

    def __init__(self, more: int = 0) -> None:
        self.more = more
        self.ended: list[QueueKey] = []
        self.at_once: Counter[QueueKey] = Counter()
        self.most: Counter[QueueKey] = Counter()
        self.most_in_all = 0

    async def job(self, jobs: JobQueue, key: QueueKey, *, adds: bool = True) -> None:
        self.at_once[key] += 1
        self.most[key] = max(self.most[key], self.at_once[key])
        self.most_in_all = max(self.most_in_all, self.at_once.total())
        await asyncio.sleep(0)
        for _ in range(self.more if adds else 0):
            jobs.add((key[0], "below"), partial(self.job, jobs, (key[0], "below"), adds=False))
        await asyncio.sleep(0)
        self.at_once[key] -= 1
        self.ended.append(key)


@given(JOBS, st.integers(0, 2))
def test_every_job_runs_within_the_limits(pairs: list[tuple[str, str]], more: int) -> None:
    ran = Ran(more)

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            jobs = JobQueue(tasks)
            for key in pairs:
                jobs.add(key, partial(ran.job, jobs, key))
            for subscription in "ab":
                await jobs.ended(subscription)
                assert not [key for key in ran.at_once.elements() if key[0] == subscription]
            assert len(ran.ended) == len(pairs) * (1 + more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "WIDTH", 4)
        patch.setattr(queue, "MOST", 6)
        asyncio.run(run())
    keys = {*pairs, *((key[0], "below") for key in pairs)}
    assert all(count <= 4 for count in ran.most.values())
    assert ran.most_in_all <= 6 + len(keys)


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 4)), max_size=60))
def test_jobs_of_a_smaller_rank_begin_first(ranked: list[tuple[str, int]]) -> None:
    began: list[tuple[str, int]] = []

    async def job(key: str, rank: int) -> None:
        began.append((key, rank))
        await asyncio.sleep(0)

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            jobs = JobQueue(tasks)
            for key, rank in ranked:
                jobs.add(("s", key), partial(job, key, rank), rank)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "WIDTH", 1)
        asyncio.run(run())
    assert sorted(began) == sorted(ranked)
    for key in "xyz":
        first, *others = [rank for each, rank in began if each == key] or [0]
        assert others == sorted(others), f"the first of {key} began when it was added, {first}"


def test_where_all_places_are_taken_a_key_gives_way_to_a_smaller_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST", 4)
    began: list[str] = []

    async def run() -> None:
        ends = {name: asyncio.Event() for name in ("low", "high")}

        async def job(name: str) -> None:
            began.append(name)
            await ends[name].wait()

        async with asyncio.TaskGroup() as tasks:
            jobs = JobQueue(tasks)
            for _ in range(20):
                jobs.add(("s", "low"), partial(job, "low"), 3)
            for _ in range(8):
                jobs.add(("s", "high"), partial(job, "high"), 1)
            await asyncio.sleep(0.01)
            assert Counter(began) == {"low": 4, "high": 1}, "of each key one"
            ends["low"].set()
            await asyncio.sleep(0.01)
            assert Counter(began)["high"] == 4
            assert Counter(began)["low"] == 20, "the last worker of a key goes on"
            ends["high"].set()

    asyncio.run(asyncio.wait_for(run(), 20))
    assert Counter(began) == {"low": 20, "high": 8}


def test_jobs_of_a_larger_rank_wait_for_the_lists_of_their_subscription(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    async def job(name: str) -> None:
        ran.append(name)

    def until(event: asyncio.Event) -> queue.Job:
        async def wait() -> None:
            await event.wait()

        return wait

    async def run() -> None:
        lists_end, forever = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            jobs = JobQueue(tasks)
            jobs.add(("s", queue.LISTS), until(lists_end))
            jobs.add(("t", queue.LISTS), until(forever))
            for name, rank in (("s", 3), ("s", 0), ("t", 2)):
                jobs.add((name, "sql"), partial(job, f"{name} {rank}"), rank)
            await asyncio.sleep(0.01)
            assert ran == ["s 0"]
            lists_end.set()
            await jobs.ended("s")
            assert ran == ["s 0", "s 3"]
            await asyncio.sleep(0.5)
            assert ran[2] == "t 2", "a list that does not end is not waited for"
            jobs.add(("t", "sql"), partial(job, "t 4"), 4)
            await asyncio.sleep(0.01)
            assert ran[3] == "t 4", "and not waited for again"
            forever.set()

    monkeypatch.setattr(queue, "HELD_SECONDS", 0.2)
    asyncio.run(asyncio.wait_for(run(), 20))


def held(ran: list[str], name: str, until: asyncio.Event) -> Callable[[], "asyncio.Future[None]"]:
    async def job() -> None:
        ran.append(name)
        await until.wait()

    return lambda: asyncio.ensure_future(job())


def add_held(jobs: JobQueue, key: QueueKey, ran: list[str], until: asyncio.Event, count: int = 3) -> None:
    for number in range(count):
        jobs.add(key, held(ran, f"{key[0]} {number}", until))


def test_a_key_runs_beside_others_that_fill_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a limit of one subscription delays no other one."""
    monkeypatch.setattr(queue, "MOST", 4)
    ran: list[str] = []

    async def run() -> None:
        forever, now = asyncio.Event(), asyncio.Event()
        now.set()
        async with asyncio.TaskGroup() as tasks:
            jobs = JobQueue(tasks)
            add_held(jobs, ("throttled",), ran, forever, 10)
            add_held(jobs, ("other",), ran, now)
            await jobs.ended("other")
            assert [each for each in ran if each.startswith("other")] == ["other 0", "other 1", "other 2"]
            assert len(ran) == 4 + 3
            forever.set()
        assert len(ran) == 13

    asyncio.run(run())


def test_keys_get_more_workers_where_others_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST", 3)
    ran: list[str] = []

    async def run() -> None:
        first, second = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            jobs = JobQueue(tasks)
            add_held(jobs, ("first",), ran, first)
            add_held(jobs, ("second",), ran, second)
            await asyncio.sleep(0.01)
            assert len(ran) == 4
            first.set()
            await jobs.ended("first")
            await asyncio.sleep(0.01)
            assert len(ran) == 6
            second.set()

    asyncio.run(run())


def test_a_subscription_stalls_while_no_job_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "STALLED_SECONDS", 0.05)

    async def run() -> None:
        forever = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            jobs = JobQueue(tasks)
            add_held(jobs, ("s",), [], forever)
            await asyncio.wait_for(jobs.ended_or_stalled("s"), 5)
            ended = tasks.create_task(jobs.ended("s"))
            await asyncio.sleep(0)
            assert not ended.done()
            forever.set()
            await asyncio.wait_for(jobs.ended_or_stalled("s"), 5)
            await ended

    asyncio.run(run())


def test_pages_wait_while_many_jobs_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST_WAITING", 2)
    monkeypatch.setattr(queue, "WIDTH", 1)
    ran: list[str] = []

    async def run() -> None:
        held_until = [asyncio.Event() for _ in range(5)]
        async with asyncio.TaskGroup() as tasks:
            jobs = JobQueue(tasks)
            await jobs.room("s")
            for number, until in enumerate(held_until):
                jobs.add(("s", "x"), held(ran, f"{number}", until))
            waiting = tasks.create_task(jobs.room("s"))
            await asyncio.wait_for(jobs.room("another"), 1)
            for until in held_until[:2]:
                assert not waiting.done()
                until.set()
                await asyncio.sleep(0.01)
            assert waiting.done(), "two jobs wait, and a third one runs"
            for until in held_until:
                until.set()
            await jobs.ended("s")
        assert ran == ["0", "1", "2", "3", "4"]

    asyncio.run(run())


def test_ids_are_found_whatever_their_case_until_they_are_forgotten() -> None:
    one, other = "/subscriptions/A/resourceGroups/rg", "/subscriptions/b/resourceGroups/rg"
    listed_ids = ListedIds([one, other])
    assert one.upper() in listed_ids
    assert f"{one}/providers/x/y/z" not in listed_ids
    listed_ids.forget("a")
    assert one not in listed_ids
    assert other in listed_ids
