"""Limits how fast Azure is asked. A limiter stays below the known limits, and learns the others from answers."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import NamedTuple, Protocol

from msgspec import Struct, field

from scanner.azure.errors import ReadError
from scanner.azure.turns import RANK, RankedLock

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
SharedTurn = Callable[[], Awaitable[float]]
"""Counts one request within a limit that other processes share. Returns 0, or the seconds to wait for another try."""
OnWait = Callable[[str, float], None]
"""Called with the name of the limit that requests wait for, and with the seconds."""

PATIENCE = 120.0
"""The seconds without one success, beyond what Azure announced, after which a limiter that answers 429 gives up. Its
waiting reads become gaps. So does a read of a type of which none succeeds."""
SOON = 10.0
"""The same for a query of Resource Graph. Where lists of ARM replace it, they begin soon. Where nothing does, what it
asks for is inconclusive: Resource Graph counts queries in spans of 5 seconds, so that others use it up all the time.
"""
ALONE: ContextVar[bool] = ContextVar("ALONE", default=False)
"""Whether nothing else says what the queries of Resource Graph of a task say. Where the pause of earlier refusals has
ended, each of them is sent once more.
"""
ANNOUNCED = 300.0
"""The longest `Retry-After` that is waited for."""
BUDGET = 600.0
"""The seconds for which one read is refused, while others of its type succeed, before it becomes a gap."""
DEADLINE = "Deadline"
"""The code of a read that was not made before the deadline of the scan."""

GATHER_SECONDS = 0.4
"""The seconds that requests wait longer than a limit requires, so that several go at once. Sent one by one, each wakes
this process up for itself, and costs twice the CPU."""

SHORTEST = 1e-6
"""The shortest wait in seconds. A shorter one is lost where it is added to the time of a clock, and never ends."""

SILENT = 3
"""The reads that Azure is late to answer, while it answers no other one, from which on others under their narrowest
limit wait for an answer, but for one. Where there is no answer to any, they are not sent.
"""

RETRIES = 100.0
"""The retries that one limiter may spend on failures. Each success earns a tenth of a retry back."""


class KnownLimit(Protocol):
    """A documented limit."""

    def delay(self, now: float, count: int = 1) -> float:
        """Return the seconds until so many requests may be sent."""

    def take(self, now: float) -> None:
        """Count a request that is sent now."""

    def learn(self, left: int, uncounted: int, now: float) -> None:
        """Take over how many requests are left, as Azure says it.

        `uncounted`: how many requests that were sent it may not have counted yet.
        """

    def refused(self) -> None:
        """Note a 429."""


class RefillingLimit:
    """A limit of `burst` requests that is refilled with `per_second` requests a second (ARM's reads)."""

    def __init__(self, burst: int, per_second: float) -> None:
        self.burst = float(burst)
        self.per_second = per_second
        self.left = float(burst)
        self.at = 0.0

    def delay(self, now: float, count: int = 1) -> float:
        self.left = min(self.burst, self.left + max(0.0, now - self.at) * self.per_second)
        self.at = now
        return 0.0 if self.left >= count else (count - self.left) / self.per_second

    def take(self, now: float) -> None:
        self.left -= 1

    def learn(self, left: int, uncounted: int, now: float) -> None:
        self.delay(now)
        self.left = float(left) if left < self.left else max(self.left, float(left - uncounted))
        self.burst = max(self.burst, self.left)

    def refused(self) -> None:
        """Change nothing: the pause that Azure asks for is enough."""


class SlidingWindow:
    """A limit of `count` requests in any span of `seconds` (Resource Graph, the Storage provider)."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seconds = seconds
        self.sent: deque[float] = deque()

    def delay(self, now: float, count: int = 1) -> float:
        while self.sent and self.sent[0] <= now - self.seconds:
            self.sent.popleft()
        over = len(self.sent) + count - self.count
        if over <= 0:
            return 0.0
        rounds, position = divmod(over - 1, self.count)
        first = self.sent[position] if position < len(self.sent) else now
        return first + self.seconds * (1 + rounds) - now

    def take(self, now: float) -> None:
        self.sent.append(now)

    def learn(self, left: int, uncounted: int, now: float) -> None:
        for _ in range(self.count - len(self.sent) - max(0, left)):
            self.sent.append(now)

    def refused(self) -> None:
        """Change nothing: the pause that Azure asks for is enough."""


class AssumedWindow(SlidingWindow):
    """A limit of which it is not known whether it counts these requests. It applies from the first 429 on.

    Azure then says when to come back, so what was sent before does not count.
    """

    def __init__(self, count: int, seconds: float) -> None:
        super().__init__(count, seconds)
        self.applies = False

    def delay(self, now: float, count: int = 1) -> float:
        return super().delay(now, count) if self.applies else 0.0

    def take(self, now: float) -> None:
        if self.applies:
            super().take(now)

    def refused(self) -> None:
        """Apply from now on, with nothing sent."""
        self.applies = True
        self.sent.clear()


class RateLimiter(Struct):
    """One limit: what is documented (`known`), and what was learnt from answers.

    `pause`: the time until which no request is sent. `spacing`: the seconds between requests after that. `next`: the
    time of the next request by that spacing. `refused_since`: the time of the first 429 without a success since;
    `announced`: the longest time that Azure then asked to wait.
    `reported_until`: the end of the wait that was reported last. `sent`, `ended`: the requests that were sent, and
    those of them that were answered or lost. Times are those of the clock. `waiting`: the requests of which it is the
    narrowest limit, and that wait. `answers`: how many answers there were; since the last one, `late`: the reads that
    turned out to be late, and `unanswered`: whether one was sent and ended without an answer, `is_tried`: whether
    another one was sent while several were late. `is_watched`: the first of those that wait does for this limit.
    `narrower`: the limits of parts of what this one limits.
    """

    name: str
    known: KnownLimit | None = None
    pause: float = 0.0
    spacing: float = 0.0
    next: float = 0.0
    refused_since: float | None = None
    announced: float = 0.0
    given_up: bool = False
    retries: float = RETRIES
    reported_until: float = 0.0
    sent: int = 0
    ended: int = 0
    waiting: int = 0
    answers: int = 0
    late: int = 0
    unanswered: bool = False
    is_tried: bool = False
    is_watched: bool = False
    narrower: list["RateLimiter"] = field(default_factory=list)
    turn: SharedTurn | None = None
    """Asked before each request, where other processes share the limit."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when Azure answers again, or when a read ended without an answer."""
    lock: RankedLock = field(default_factory=RankedLock)
    """Only the request that holds it watches the clock. All others sleep until it is released."""

    def delay(self, now: float, count: int = 1) -> float:
        """Return the seconds until so many requests may be sent."""
        known = self.known.delay(now, count) if self.known else 0.0
        result = max(known, max(self.pause, self.next) + self.spacing * (count - 1) - now)
        return max(result, SHORTEST) if result > 0 else 0.0

    @property
    def line(self) -> int:
        """Return how many requests wait for this limit. Those that a narrower one holds up do not."""
        return max(1, self.waiting + sum(each.waiting for each in self.narrower if not each.is_watched))

    def take(self, now: float) -> None:
        """Count a request that is sent now."""
        self.sent += 1
        self.next = now + self.spacing
        if self.known:
            self.known.take(now)

    @property
    def is_silent(self) -> bool:
        """Return whether Azure has stopped answering."""
        return self.unanswered and self.late >= SILENT

    async def wait_while_late(self, most: float) -> None:
        """Wait while Azure is late to answer several reads, for `most` seconds at the latest. One read does not wait,
        because others may be answered.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(most):
                while self.late >= SILENT and not self.unanswered and self.is_tried:
                    await self.news.wait()
        self.is_tried = self.late >= SILENT

    def answered(self) -> None:
        """Note an answer of any kind."""
        self.answers += 1
        if self.late or self.unanswered:
            self.late, self.unanswered, self.is_tried = 0, False, False
            self._tell()

    def not_answered(self, answers: int) -> None:
        """Note a read that ended without an answer. `answers`: how many there were when it was sent."""
        if answers == self.answers and not self.unanswered:
            self.unanswered = True
            self._tell()

    def _tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()

    def succeeded(self) -> None:
        """Note an answer other than 429, and send closer together again."""
        self.refused_since, self.announced = None, 0.0
        self.retries = min(RETRIES, self.retries + 0.1)
        self.spacing = 0.0 if self.spacing < 0.02 else self.spacing * 0.8

    def refused(self, now: float, after: float, patience: float) -> None:
        """Note a 429 that asks to come back `after` seconds. Give up where that exceeds the patience."""
        if self.refused_since is None:
            self.refused_since = now
        self.announced = max(self.announced, after)
        if is_over(now + after - self.refused_since, self.announced, patience):
            self.given_up = True
        self.pause = max(self.pause, now + after)
        if self.known:
            self.known.refused()
        self.spacing = min(2.0, max(0.05, self.spacing * 2))

    def retry(self) -> bool:
        """Return whether one more failure may be tried again, and count that retry."""
        if self.retries < 1:
            return False
        self.retries -= 1
        return True


class LimitKey(NamedTuple):
    """What decides which limits apply to a request. `region` is "" where it is not known."""

    subscription: str
    provider: str
    region: str = ""
    listing: bool = False
    graph: bool = False
    type: str = ""
    """The ARM type in lower case; what is known of it is known in its subscription."""


def is_over(seconds: float, announced: float, patience: float) -> bool:
    """Return whether a read was in vain for too long. `announced`: the longest wait that Azure asked for."""
    return announced > ANNOUNCED or seconds > patience + announced


class RateLimiters(Struct):
    """All limiters of a scan. `on=False` ignores the documented limits; 429 answers are honoured in any case.

    `names`: the names of subscriptions by their id in lower case, for `on_wait`. `ends`: the deadline of the scan, by
    the clock. `graph_turn`: where other processes share the limit of Resource Graph.
    """

    on: bool = True
    patience: float = PATIENCE
    budget: float = BUDGET
    ends: float | None = None
    on_wait: OnWait = lambda what, seconds: None
    graph_turn: SharedTurn | None = None
    clock: Clock = time.monotonic
    sleep: Sleep = asyncio.sleep
    names: dict[str, str] = field(default_factory=dict)
    _limiters: dict[tuple[str, ...], RateLimiter] = field(default_factory=dict)
    _of: dict[LimitKey, tuple[RateLimiter, ...]] = field(default_factory=dict)
    _succeeded: dict[tuple[str, str], float] = field(default_factory=dict)

    def is_hopeless(self, key: LimitKey, *, was_sent: bool) -> bool:
        """Return whether a request is not sent (again), because it is a query of Resource Graph that follows one
        without an answer, or that was refused for `SOON` seconds, or will be. `was_sent`: it is not the first time.
        """
        if not key.graph:
            return False
        limiter, now = self.of(key)[0], self.clock()
        if limiter.unanswered:
            return True
        has_share = ALONE.get() and not was_sent and limiter.pause <= now
        since = now if has_share or limiter.refused_since is None else limiter.refused_since
        return max(now - since, limiter.pause - now) > SOON

    def note_success(self, key: LimitKey) -> None:
        """Note that a read of a type succeeded now."""
        self._succeeded[key.subscription, key.type] = self.clock()

    def last_success(self, key: LimitKey, since: float) -> float:
        """Return when a read of the type succeeded last; `since` where none did after that."""
        return max(since, self._succeeded.get((key.subscription, key.type), since))

    @asynccontextmanager
    async def until_deadline(self, path: str) -> AsyncIterator[None]:
        """Raise ReadError in place of a read of `path` that does not end before the deadline of the scan."""
        if self.ends is None:
            yield
            return
        left = self.ends - self.clock()
        late = ReadError(path, 0, DEADLINE, message="the scan reached its deadline")
        if left <= 0:
            raise late
        try:
            async with asyncio.timeout(left) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise late from None

    def of(self, key: LimitKey) -> tuple[RateLimiter, ...]:
        """Return the limiters of a request, the widest first. A 429 pauses the last one, the narrowest."""
        rate_limiters = self._of.get(key)
        if rate_limiters is None:
            rate_limiters = self._of[key] = self._made(key)
        return rate_limiters

    def _made(self, key: LimitKey) -> tuple[RateLimiter, ...]:
        if key.graph:
            name = "Resource Graph (15 queries in 5 seconds)"
            graph = self._limiter(("graph",), name, lambda: SlidingWindow(15, 5))
            graph.turn = self.graph_turn if self.on else None
            return (graph,)
        subscription = self.names.get(key.subscription, key.subscription)
        whose = " ".join(filter(None, (subscription, key.region)))
        name = f"ARM reads (25 a second), {subscription or 'the tenant'}"
        reads = self._limiter(("arm", key.subscription), name, lambda: RefillingLimit(250, 25))
        if key.provider == "microsoft.storage":
            return reads, self._storage(key, whose, reads)
        if not key.provider:
            return (reads,)
        service = key.provider.removeprefix("microsoft.")
        kind = "lists" if key.listing else "reads"
        name = f"{service} {kind} (429), {whose}"
        return reads, self._limiter((key.provider, key.subscription, key.region, kind), name, None, reads)

    def _storage(self, key: LimitKey, whose: str, within: RateLimiter) -> RateLimiter:
        """Return the limiter of the Storage provider.

        Microsoft documents 100 lists in 5 minutes as a limit of "storage account management operations". Whether lists
        below an account count is not said, so they have a limiter of their own, which assumes it after a 429.
        """
        kind, count = ("lists", 100) if key.listing else ("reads", 800)
        name = f"storage {kind} ({count} in 5 minutes), {whose}"
        below = key.listing and key.type.count("/") > 1
        where = ("storage", key.subscription, key.region, f"{kind} below" if below else kind)
        window = AssumedWindow if below else SlidingWindow
        return self._limiter(where, name, lambda: window(count, 300), within)

    def _limiter(
        self,
        key: tuple[str, ...],
        name: str,
        known: Callable[[], KnownLimit] | None,
        within: RateLimiter | None = None,
    ) -> RateLimiter:
        rate_limiter = self._limiters.get(key)
        if rate_limiter is None:
            rate_limiter = self._limiters[key] = RateLimiter(name, known() if known and self.on else None)
            if within is not None:
                within.narrower.append(rate_limiter)
        return rate_limiter

    async def wait_for_turn(self, limiters: tuple[RateLimiter, ...]) -> bool:
        """Wait until all limiters allow a request, and count it. Return False where one gave up: nothing may be sent.

        Requests of a smaller `RANK` go first. What waits for a narrower limit delays nothing in the wide one.
        """
        wide, narrow, rank = limiters[0], limiters[-1], RANK.get()
        narrow.waiting += 1
        try:
            if not narrow.lock.is_held and narrow.delay(self.clock()) <= 0:
                async with wide.lock.held(rank):
                    if not await self._wait_for(wide):
                        return False
                    if wide is narrow:
                        await self._shared_turn(wide)
                    if wide is narrow or (narrow.delay(self.clock()) <= 0 and not narrow.given_up):
                        return self._take(limiters)
            return await self._wait_for_narrow(limiters, rank)
        finally:
            narrow.waiting -= 1

    async def _wait_for_narrow(self, limiters: tuple[RateLimiter, ...], rank: int) -> bool:
        """Wait until the narrowest limiter allows a request, then the widest one, as `wait_for_turn` says. One request
        at a time does, because each that goes may make the others wait.
        """
        wide, narrow = limiters[0], limiters[-1]
        async with narrow.lock.held(rank):
            while await self._wait_for(narrow):
                if wide is narrow:
                    await self._shared_turn(wide)
                    return self._take(limiters)
                async with wide.lock.held(rank, within=narrow.lock):
                    if not await self._wait_for(wide):
                        return False
                    if narrow.delay(self.clock()) <= 0:
                        return self._take(limiters)
        return False

    async def _shared_turn(self, limiter: RateLimiter) -> None:
        """Wait until the limit that other processes share allows a request."""
        while limiter.turn is not None and (seconds := await limiter.turn()) > 0:
            self._report(limiter, self.clock(), seconds)
            await self.sleep(seconds)

    async def _wait_for(self, limiter: RateLimiter) -> bool:
        """Wait until one limiter allows a request. Return False where it gave up."""
        while not limiter.given_up:
            now = self.clock()
            seconds = limiter.delay(now)
            if seconds <= 0:
                if limiter.reported_until > now + 1:
                    self._report(limiter, now, limiter.delay(now, limiter.line))
                return True
            line = limiter.line
            self._report(limiter, now, limiter.delay(now, line))
            if not limiter.spacing:
                seconds = min(limiter.delay(now, line), seconds + GATHER_SECONDS)
            limiter.is_watched = True
            try:
                await self.sleep(max(seconds, 0.001))
            finally:
                limiter.is_watched = False
        return False

    def _report(self, limiter: RateLimiter, now: float, seconds: float) -> None:
        """Report how long the last in line waits, where that is a second or more, or was to be, and is news."""
        if max(seconds, limiter.reported_until - now) > 1 and abs(now + seconds - limiter.reported_until) > 0.5:
            limiter.reported_until = now + seconds
            self.on_wait(limiter.name, seconds)

    def _take(self, limiters: tuple[RateLimiter, ...]) -> bool:
        for limiter in limiters:
            limiter.take(self.clock())
        return True

    def learn(self, limiters: tuple[RateLimiter, ...], headers: Mapping[str, str], ended: int) -> None:
        """Take over how many requests are left, as the headers of an answer say it.

        `ended`: how many requests of the widest limiter had ended when the request of this answer was sent. Azure may
        have answered it before it counted any later one, and any that was then on its way.
        """
        now, wide = self.clock(), limiters[0]
        reads = headers.get("x-ms-ratelimit-remaining-subscription-reads", "")
        if _is_count(reads) and wide.known:
            wide.known.learn(int(reads), max(0, wide.sent - ended - 1), now)
        quota = headers.get("x-ms-user-quota-remaining", "")
        if _is_count(quota) and int(quota) == 0:
            wide.pause = max(wide.pause, now + _clock_time(headers.get("x-ms-user-quota-resets-after", "")))


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def _clock_time(text: str) -> float:
    """Return the seconds of `hh:mm:ss`, at most 60. For other texts 5, which is Resource Graph's own span."""
    segments = text.split(":")
    if len(segments) == 3 and all(_is_count(segment.replace(".", "", 1)) for segment in segments):
        return min(60.0, float(segments[0]) * 3600 + float(segments[1]) * 60 + float(segments[2]))
    return 5.0
