"""RateLimiters, with a clock of their own: what is known is never exceeded, what is refused is learnt, and it ends."""

import asyncio
from heapq import heappop, heappush
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from scanner.azure.limits import (
    GATHER_SECONDS,
    PATIENCE,
    SHORTEST,
    LimitKey,
    RateLimiter,
    RateLimiters,
    RefillingLimit,
    SlidingWindow,
)
from scanner.azure.turns import RANK
from scanner.sandbox.throttle import TokenBucket

READ = LimitKey("s", "microsoft.sql")
STORAGE = LimitKey("s", "microsoft.storage", "norwayeast")
LIST = LimitKey("s", "microsoft.storage", "norwayeast", listing=True)
BELOW = LIST._replace(type="microsoft.storage/storageaccounts/blobservices/containers")
GRAPH = LimitKey("", "", graph=True)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds
        await asyncio.sleep(0)


def limits(clock: Clock, **more: object) -> RateLimiters:
    return RateLimiters(clock=clock, sleep=clock.sleep, **more)  # type: ignore[arg-type]


async def sent(made: RateLimiters, clock: Clock, keys: list[LimitKey]) -> list[float]:
    """When each of these went."""
    return [clock.now for key in keys if await made.wait_for_turn(made.of(key))]


def most_in(times: list[float], seconds: float) -> int:
    return max(sum(1 for later in times if 0 <= later - first < seconds) for first in times)


def test_arm_gives_250_reads_at_once_and_25_a_second() -> None:
    clock = Clock()
    times = asyncio.run(sent(limits(clock), clock, [READ] * 350))
    assert sum(1 for time in times if time == 1000) == 250
    assert 3.9 < times[-1] - 1000 < 4.1


def test_storage_gives_100_lists_in_any_five_minutes() -> None:
    clock = Clock()
    times = asyncio.run(sent(limits(clock), clock, [LIST] * 350))
    assert most_in(times, 300) == 100


def test_lists_below_an_account_are_not_limited_until_azure_refuses_one() -> None:
    clock = Clock()
    made = limits(clock)
    free = asyncio.run(sent(made, clock, [BELOW] * 250))
    assert most_in(free, 11) == 250, "within the limit of all reads"
    limiter = made.of(BELOW)[-1]
    for _ in range(20):
        limiter.refused(clock.now, 200, 120)
    assert not limiter.given_up
    later = asyncio.run(sent(made, clock, [BELOW] * 350))
    assert later[0] >= free[-1] + 200
    assert most_in(later, 299.9) == 100


def test_storage_gives_800_reads_in_any_five_minutes() -> None:
    clock = Clock()
    times = asyncio.run(sent(limits(clock), clock, [STORAGE] * 900))
    assert most_in(times, 299.9) == 800


def test_resource_graph_gives_15_in_any_five_seconds() -> None:
    clock = Clock()
    times = asyncio.run(sent(limits(clock), clock, [GRAPH] * 40))
    assert most_in(times, 5) == 15


@given(
    st.lists(
        st.sampled_from([READ, STORAGE, LIST, GRAPH, LimitKey("t", "microsoft.storage", "eastus", listing=True)]),
        max_size=400,
    )
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_mix_of_requests_exceeds_what_is_known(keys: list[LimitKey]) -> None:
    clock = Clock()
    made = limits(clock)

    async def main() -> dict[LimitKey, list[float]]:
        times: dict[LimitKey, list[float]] = {}
        for key in keys:
            await made.wait_for_turn(made.of(key))
            times.setdefault(key, []).append(clock.now)
        return times

    for key, times in asyncio.run(main()).items():
        if key.listing:
            assert most_in(times, 299.9) <= 100
        if key.graph:
            assert most_in(times, 4.9) <= 15


def test_regions_and_subscriptions_have_buckets_of_their_own() -> None:
    made = limits(Clock())
    here, there = made.of(LIST), made.of(LimitKey("s", "microsoft.storage", "eastus", listing=True))
    assert here[0] is there[0]
    assert here[1] is not there[1]
    assert made.of(LimitKey("t", "microsoft.sql"))[0] is not here[0]


def test_only_the_first_in_a_line_wakes_up() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(seconds)

    async def main() -> None:
        made = RateLimiters(sleep=sleep)
        made.of(READ)[0].known = RefillingLimit(10, 200)
        assert all(await asyncio.gather(*(made.wait_for_turn(made.of(READ)) for _ in range(60))))

    asyncio.run(main())
    assert len(slept) <= 150, "all fifty that wait would wake up for each that goes"


@given(
    st.sampled_from(["refill", "window"]),
    st.lists(st.floats(0, 30), max_size=30),
    st.integers(1, 60),
)
@settings(deadline=None)
def test_the_delay_of_many_is_that_of_one_after_the_other(kind: str, pauses: list[float], count: int) -> None:
    """So many requests may be sent after that time, each when it may be sent alone, and no sooner."""
    limit = RefillingLimit(8, 2) if kind == "refill" else SlidingWindow(8, 20)
    now = 1000.0
    for pause in pauses:
        now += max(pause, limit.delay(now + pause))
        limit.take(now)
    stated, at = limit.delay(now, count), now
    for _ in range(count):
        while (more := limit.delay(at)) > 0:
            at += max(more, SHORTEST)
        limit.take(at)
    assert abs(at - now - stated) < 2 * SHORTEST * count


def test_a_wait_ends_by_any_clock() -> None:
    """A wait too short to change the time was waited for again and again, with the time as it was."""
    known = RefillingLimit(8, 2)
    known.left, known.at = 1 - 2e-16, 1e6
    limiter = RateLimiter("reads", known)
    assert 1e6 + known.delay(1e6) == 1e6
    assert 1e6 + limiter.delay(1e6) > 1e6


def test_those_in_a_line_go_several_at_once_and_no_later_than_told() -> None:
    clock, woken = Clock(), 0

    async def sleep(seconds: float) -> None:
        nonlocal woken
        woken += 1
        await clock.sleep(seconds)

    async def main() -> list[float]:
        made = RateLimiters(clock=clock, sleep=sleep)
        times: list[float] = []

        async def one() -> None:
            assert await made.wait_for_turn(made.of(READ))
            times.append(clock.now - 1000)

        await asyncio.gather(*(one() for _ in range(350)))
        return times

    times = asyncio.run(main())
    for position, time in enumerate(times):
        earliest = max(0, position - 249) / 25
        assert earliest - 1e-6 <= time <= earliest + GATHER_SECONDS + 0.05
    assert woken <= 4 / GATHER_SECONDS + 2, "one at a time would wake up a hundred times"
    assert 3.9 < times[-1] < 4.1, "the last does not wait for others"


def test_after_a_refusal_none_waits_for_others() -> None:
    clock = Clock()
    made = limits(clock)
    made.of(READ)[-1].refused(clock.now, 10, made.budget)

    async def main() -> None:
        await asyncio.gather(*(made.wait_for_turn(made.of(READ)) for _ in range(11)))

    asyncio.run(main())
    assert 10.4 < clock.now - 1000 < 10.6


class Timeline(Clock):
    """A clock that goes to the end of the shortest of all sleeps, when nothing else can go on."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeps: list[tuple[float, int, asyncio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        heappush(self.sleeps, (self.now + seconds, id(event), event))
        await event.wait()

    async def run(self, seconds: float) -> None:
        ends = self.now + seconds
        while self.now < ends:
            for _ in range(1000):
                await asyncio.sleep(0)
            if not self.sleeps or self.sleeps[0][0] > ends:
                return
            self.now, _, event = heappop(self.sleeps)
            event.set()


def test_the_whole_line_is_reported_without_what_a_narrower_limit_holds_up() -> None:
    clock, received = Timeline(), list[tuple[str, float]]()
    made = limits(clock, on_wait=lambda what, seconds: received.append((what, seconds)), names={"s": "prod"})

    async def main() -> None:
        keys = [LIST] * 120 + [READ] * 250
        waiting = [asyncio.create_task(made.wait_for_turn(made.of(key))) for key in keys]
        await clock.run(10)
        assert sum(each.done() for each in waiting) == 350
        for each in waiting:
            each.cancel()

    asyncio.run(main())
    storage, reads = "storage lists (100 in 5 minutes), prod norwayeast", "ARM reads (25 a second), prod"
    assert {what for what, _ in received} == {storage, reads}
    assert [seconds for what, seconds in received if what == storage] == [300]
    first = next(seconds for what, seconds in received if what == reads)
    assert 3.9 < first <= 4.1, "100 of 350 reads wait, and the 20 lists that wait for storage do not count"


def test_a_wait_that_is_over_early_is_reported_as_over() -> None:
    clock, received = Timeline(), list[tuple[str, float]]()
    made = limits(clock, on_wait=lambda what, seconds: received.append((what, seconds)))

    async def main() -> None:
        waiting = [asyncio.create_task(made.wait_for_turn(made.of(READ))) for _ in range(550)]
        await clock.run(2)
        made.learn(made.of(READ), {"x-ms-ratelimit-remaining-subscription-reads": "11999"}, ended=200)
        await clock.run(1)
        assert all(each.done() for each in waiting)

    asyncio.run(main())
    assert 11 < max(seconds for _, seconds in received) <= 12
    assert received[-1][1] == 0


def test_who_waits_for_a_narrow_limit_holds_up_no_one_in_the_wide_one() -> None:
    clock = Clock()

    async def forever(seconds: float) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        made = RateLimiters(clock=clock, sleep=forever)
        lists = [asyncio.create_task(made.wait_for_turn(made.of(LIST))) for _ in range(110)]
        await asyncio.sleep(0)
        assert sum(each.done() for each in lists) == 100
        assert await asyncio.wait_for(made.wait_for_turn(made.of(READ)), 10)
        for each in lists:
            each.cancel()

    asyncio.run(main())


@given(
    st.lists(st.tuples(st.sampled_from([READ, STORAGE, READ._replace(provider="microsoft.web")]), st.integers(0, 4)))
)
@settings(deadline=None)
def test_under_a_limit_the_smallest_rank_goes_first_whatever_it_asks(requests: list[tuple[LimitKey, int]]) -> None:
    clock = Timeline()
    made = limits(clock)
    went: list[int] = []

    async def one(key: LimitKey, rank: int) -> None:
        RANK.set(rank)
        assert await made.wait_for_turn(made.of(key))
        went.append(rank)

    async def main() -> None:
        for _ in range(250):
            await made.wait_for_turn(made.of(READ))
        first = asyncio.create_task(one(READ, 4))
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(one(key, rank)) for key, rank in requests]
        await clock.run(20)
        await asyncio.gather(first, *waiting)

    asyncio.run(main())
    assert went[1:] == sorted(rank for _, rank in requests), "the first one watched the clock when the others came"


def test_switched_off_nothing_waits() -> None:
    clock = Clock()
    asyncio.run(sent(limits(clock, on=False), clock, [LIST] * 500))
    assert clock.slept == 0


def test_progress_hears_what_waits_and_for_how_long() -> None:
    clock, received = Clock(), list[tuple[str, float]]()
    made = limits(clock, on_wait=lambda what, seconds: received.append((what, seconds)), names={"s": "prod"})
    asyncio.run(sent(made, clock, [LIST] * 102))
    assert received == [("storage lists (100 in 5 minutes), prod norwayeast", 300.0)]


def test_fewer_that_are_left_count_at_once() -> None:
    clock = Clock()
    made = limits(clock)
    made.learn(made.of(READ), {"x-ms-ratelimit-remaining-subscription-reads": "0"}, ended=0)
    asyncio.run(sent(made, clock, [READ]))
    assert 0.03 < clock.slept < 0.05


def test_more_that_are_left_count_less_what_azure_may_not_have_counted() -> None:
    """A scan of a subscription without that limit waited 28 seconds for 1,159 reads."""
    clock = Clock()
    made = limits(clock)
    limiters = made.of(READ)
    asyncio.run(sent(made, clock, [READ] * 250))
    assert limiters[0].delay(clock.now) > 0
    made.learn(limiters, {"x-ms-ratelimit-remaining-subscription-reads": "11999"}, ended=200)
    asyncio.run(sent(made, clock, [READ] * (11999 - 49)))
    assert clock.slept == 0
    assert limiters[0].delay(clock.now) > 0


class Bucket(RuleBasedStateMachine):
    """Azure's bucket, and a limiter beside it. At most 40 requests are counted and answered in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.all = limits(self.clock)
        self.limiters = self.all.of(READ)
        self.limiters[0].known = RefillingLimit(50, 25)
        self.azure = TokenBucket(100, 25, self.clock.now)
        self.under_way: list[int] = []
        self.counted: list[tuple[int, str]] = []

    @rule(count=st.integers(1, 300))
    def send(self, count: int) -> None:
        for _ in range(count):
            if len(self.under_way) + len(self.counted) == 40 or self.limiters[0].delay(self.clock.now) > 0:
                return
            self.limiters[0].take(self.clock.now)
            self.under_way.append(self.limiters[0].ended)

    @rule(which=st.integers(0, 400), count=st.integers(1, 100))
    def count(self, which: int, count: int) -> None:
        for _ in range(min(count, len(self.under_way))):
            assert self.azure.take(self.clock.now) == 0, "a request was refused"
            self.counted.append((self.under_way.pop(which % len(self.under_way)), str(int(self.azure.left))))

    @rule(which=st.integers(0, 400), count=st.integers(1, 100))
    def answer(self, which: int, count: int) -> None:
        for _ in range(min(count, len(self.counted))):
            ended, left = self.counted.pop(which % len(self.counted))
            self.all.learn(self.limiters, {"x-ms-ratelimit-remaining-subscription-reads": left}, ended)
            self.limiters[0].ended += 1

    @rule(seconds=st.floats(0, 20))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds


def test_no_order_of_answers_makes_a_request_too_many() -> None:
    run_state_machine_as_test(Bucket)


def test_resource_graph_says_when_its_quota_is_used_up() -> None:
    clock = Clock()
    made = limits(clock)
    made.learn(made.of(GRAPH), {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:03"}, ended=0)
    asyncio.run(sent(made, clock, [GRAPH]))
    assert clock.slept == 3


def test_a_refusal_pauses_the_whole_bucket_and_what_follows_goes_one_by_one() -> None:
    clock = Clock()
    made = limits(clock)
    limiter = made.of(READ)[-1]
    limiter.refused(clock.now, 10, made.patience)
    times = asyncio.run(sent(made, clock, [READ] * 5))
    assert times[0] == 1010
    assert all(later - earlier >= 0.049 for earlier, later in pairwise(times))
    for _ in range(30):
        limiter.succeeded()
    assert limiter.spacing == 0


def test_refusals_without_end_are_given_up_after_the_budget() -> None:
    clock = Clock()
    made = limits(clock)
    limiter = made.of(READ)[-1]
    for _ in range(100):
        if not asyncio.run(made.wait_for_turn(made.of(READ))):
            break
        limiter.refused(clock.now, 30, made.patience)
    assert limiter.given_up
    assert 90 < clock.slept <= PATIENCE + 30


@pytest.mark.parametrize(("after", "least", "most"), [(1, 100, 121), (17, 100, 137), (120, 120, 240), (300, 300, 300)])
def test_the_patience_is_120_seconds_beyond_what_azure_announced(after: float, least: float, most: float) -> None:
    clock = Clock()
    made = limits(clock)
    limiter = made.of(READ)[-1]
    while asyncio.run(made.wait_for_turn(made.of(READ))):
        limiter.refused(clock.now, after, made.patience)
    assert least <= clock.slept <= most + after


def test_a_wait_of_more_than_300_seconds_is_not_waited_for() -> None:
    limiter = RateLimiter("b")
    limiter.refused(0, 301, PATIENCE)
    assert limiter.given_up


def test_one_success_starts_the_budget_anew() -> None:
    limiter = RateLimiter("b")
    limiter.refused(0, 250, PATIENCE)
    limiter.succeeded()
    limiter.refused(250, 250, PATIENCE)
    assert not limiter.given_up


def test_retries_of_a_bucket_run_out() -> None:
    limiter = RateLimiter("b")
    assert sum(limiter.retry() for _ in range(500)) == 100
    for _ in range(11):
        limiter.succeeded()
    assert limiter.retry()


def test_a_window_counts_other_senders() -> None:
    window = SlidingWindow(15, 5)
    window.learn(3, 0, 100.0)
    assert len(window.sent) == 12


def test_a_refill_never_holds_more_than_its_burst() -> None:
    refill = RefillingLimit(10, 1)
    refill.delay(1e9)
    assert refill.left == 10
