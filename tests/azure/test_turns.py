"""A lock that goes to the smallest rank, of equal ones to the first; no waiter is lost, whoever gives up."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from scanner.azure.turns import RankedLock

RANKS = st.lists(st.integers(0, 4), max_size=30)


async def waiting(lock: RankedLock, rank: int, name: object, went: list[object]) -> None:
    async with lock.held(rank):
        went.append(name)
        await asyncio.sleep(0)


@given(RANKS, st.sets(st.integers(0, 29)))
def test_the_smallest_rank_goes_first_and_of_equal_ones_the_first(ranks: list[int], given_up: set[int]) -> None:
    async def run() -> list[object]:
        lock, went = RankedLock(), list[object]()
        async with lock.held(0):
            tasks = [asyncio.create_task(waiting(lock, rank, (rank, at), went)) for at, rank in enumerate(ranks)]
            await asyncio.sleep(0)
            for at in given_up:
                if at < len(tasks):
                    tasks[at].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not lock.is_held
        return went

    assert asyncio.run(run()) == sorted((rank, at) for at, rank in enumerate(ranks) if at not in given_up)


@given(RANKS, st.integers(0, 29))
def test_who_gives_up_when_its_turn_has_come_passes_it_on(ranks: list[int], at: int) -> None:
    async def run() -> int:
        lock, went = RankedLock(), list[object]()
        async with lock.held(0):
            tasks = [asyncio.create_task(waiting(lock, rank, rank, went)) for rank in ranks]
            await asyncio.sleep(0)
        # The first one has its turn now, and has not run.
        if at < len(tasks):
            tasks[at].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not lock.is_held
        return len(went)

    assert asyncio.run(run()) == len(ranks) - (at < len(ranks))


def test_one_that_holds_a_lock_waits_for_another_as_the_best_behind_it_would() -> None:
    async def within(narrow: RankedLock, wide: RankedLock, rank: int, went: list[object]) -> None:
        async with narrow.held(rank), wide.held(rank, within=narrow):
            went.append(rank)

    async def run() -> list[object]:
        narrow, wide, went = RankedLock(), RankedLock(), list[object]()
        async with wide.held(0):
            tasks = [asyncio.create_task(within(narrow, wide, 4, went))]
            await asyncio.sleep(0)
            tasks += [asyncio.create_task(waiting(wide, 2, 2, went)) for _ in range(3)]
            await asyncio.sleep(0)
            tasks.append(asyncio.create_task(within(narrow, wide, 1, went)))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        return went

    went = asyncio.run(run())
    assert went[0] == 4, "it goes for 1, which waits behind it"
    assert went.index(1) <= 2, "one goes while 1 comes from behind"
