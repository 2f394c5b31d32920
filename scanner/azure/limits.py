"""How fast Azure may be asked. A limiter per bucket stays below what is known and learns the rest from answers."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
Told = Callable[[str, float], None]

BUDGET = 600.0
"""Seconds without one success after which a bucket that answers 429 is given up; what waits for it becomes gaps."""

RETRIES = 100.0
"""Retries that one bucket may spend on failures; each success earns a tenth of one back."""


class Rate(Protocol):
    """A limit that is known: how long to wait for the next request, and that one was sent."""

    def delay(self, now: float) -> float: ...
    def take(self, now: float) -> None: ...
    def learn(self, left: int, now: float) -> None: ...


class Refill:
    """A bucket of `burst` requests, refilled at so many a second (ARM's reads)."""

    def __init__(self, burst: int, per_second: float) -> None:
        self.burst = float(burst)
        self.per_second = per_second
        self.left = float(burst)
        self.at = 0.0

    def delay(self, now: float) -> float:
        self.left = min(self.burst, self.left + max(0.0, now - self.at) * self.per_second)
        self.at = now
        return 0.0 if self.left >= 1 else (1 - self.left) / self.per_second

    def take(self, now: float) -> None:
        self.left -= 1

    def learn(self, left: int, now: float) -> None:
        """Azure says how many are left; others use the same bucket, so only fewer is news."""
        self.delay(now)
        self.left = min(self.left, float(left))


class Window:
    """At most `count` requests in any span of `seconds` (Resource Graph, the Storage provider)."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seconds = seconds
        self.sent: deque[float] = deque()

    def delay(self, now: float) -> float:
        while self.sent and self.sent[0] <= now - self.seconds:
            self.sent.popleft()
        return 0.0 if len(self.sent) < self.count else self.sent[0] + self.seconds - now

    def take(self, now: float) -> None:
        self.sent.append(now)

    def learn(self, left: int, now: float) -> None:
        """Azure says how many are left in the span: what it counts more than we sent, others sent."""
        for _ in range(self.count - len(self.sent) - max(0, left)):
            self.sent.append(now)


@dataclass(slots=True)
class Bucket:
    """What is known of one limit, and what was learnt: until when to pause, and how far apart to send after that."""

    name: str
    rate: Rate | None = None
    pause: float = 0.0
    spacing: float = 0.0
    next: float = 0.0
    refused_since: float | None = None
    given_up: bool = False
    retries: float = RETRIES
    told: float = 0.0
    line: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Only its holder, the first in the line, watches the clock; all others sleep until their turn."""

    def delay(self, now: float) -> float:
        """Seconds until a request may go."""
        known = self.rate.delay(now) if self.rate else 0.0
        return max(known, self.pause - now, self.next - now, 0.0)

    def take(self, now: float) -> None:
        """A request goes now."""
        self.next = now + self.spacing
        if self.rate:
            self.rate.take(now)

    def succeeded(self) -> None:
        """An answer came that was no refusal: send closer together again."""
        self.refused_since = None
        self.retries = min(RETRIES, self.retries + 0.1)
        self.spacing = 0.0 if self.spacing < 0.02 else self.spacing * 0.8

    def refused(self, now: float, after: float, budget: float) -> None:
        """A 429 that asks to come back `after` seconds; given up where that ends behind the budget."""
        if self.refused_since is None:
            self.refused_since = now
        if now + after - self.refused_since > budget:
            self.given_up = True
        self.pause = max(self.pause, now + after)
        self.spacing = min(2.0, max(0.05, self.spacing * 2))

    def retry(self) -> bool:
        """Whether one more failure may be tried again."""
        if self.retries < 1:
            return False
        self.retries -= 1
        return True


@dataclass(frozen=True, slots=True)
class Ask:
    """What a limiter must know of a request. `region` "" where the URL and the caller do not tell."""

    subscription: str
    provider: str
    region: str = ""
    listing: bool = False
    graph: bool = False


@dataclass(slots=True)
class Limits:
    """All buckets of a scan. `on=False` switches the known rates off; refusals are honoured all the same."""

    on: bool = True
    budget: float = BUDGET
    told: Told = lambda what, seconds: None
    clock: Clock = time.monotonic
    sleep: Sleep = asyncio.sleep
    names: dict[str, str] = field(default_factory=dict)
    buckets: dict[tuple[str, ...], Bucket] = field(default_factory=dict)

    def of(self, ask: Ask) -> tuple[Bucket, ...]:
        """The buckets that a request falls into; the last one is the narrowest, which a 429 pauses."""
        if ask.graph:
            return (self._bucket(("graph",), "Resource Graph (15 queries in 5 seconds)", lambda: Window(15, 5)),)
        whose = " ".join(filter(None, (self.names.get(ask.subscription, ask.subscription), ask.region)))
        reads = self._bucket(("arm", ask.subscription), f"ARM reads (25 a second), {whose}", lambda: Refill(250, 25))
        if ask.provider == "microsoft.storage":
            return reads, self._storage(ask, whose)
        if not ask.provider:
            return (reads,)
        service = ask.provider.removeprefix("microsoft.")
        kind = "lists" if ask.listing else "reads"
        own = self._bucket((ask.provider, ask.subscription, ask.region, kind), f"{service} {kind} (429), {whose}", None)
        return reads, own

    def _storage(self, ask: Ask, whose: str) -> Bucket:
        """Storage's own limits; whether lists of containers count as lists is not known, so they do."""
        kind, count = ("lists", 100) if ask.listing else ("reads", 800)
        name = f"storage {kind} ({count} in 5 minutes), {whose}"
        return self._bucket(("storage", ask.subscription, ask.region, kind), name, lambda: Window(count, 300))

    def _bucket(self, key: tuple[str, ...], name: str, rate: Callable[[], Rate] | None) -> Bucket:
        found = self.buckets.get(key)
        if found is None:
            found = self.buckets[key] = Bucket(name, rate() if rate and self.on else None)
        return found

    async def turn(self, buckets: tuple[Bucket, ...]) -> bool:
        """Wait until a request may go in all its buckets. False where one was given up: do not send.

        The narrowest comes first, so that who waits for it holds up nobody in the wide one.
        """
        wide, own = buckets[0], buckets[-1]
        async with own.line:
            while await self._free(own):
                if wide is own:
                    return self._take(buckets)
                async with wide.line:
                    if not await self._free(wide):
                        return False
                    if own.delay(self.clock()) <= 0:
                        return self._take(buckets)
        return False

    async def _free(self, bucket: Bucket) -> bool:
        """Wait until a request may go in one bucket; False where it was given up."""
        while not bucket.given_up:
            now = self.clock()
            seconds = bucket.delay(now)
            if seconds <= 0:
                return True
            if seconds > 1 and now + seconds > bucket.told + 0.5:
                bucket.told = now + seconds
                self.told(bucket.name, seconds)
            await self.sleep(max(seconds, 0.001))
        return False

    def _take(self, buckets: tuple[Bucket, ...]) -> bool:
        for bucket in buckets:
            bucket.take(self.clock())
        return True

    def learn(self, buckets: tuple[Bucket, ...], headers: Mapping[str, str]) -> None:
        """Take what an answer's headers say is left."""
        now = self.clock()
        reads = headers.get("x-ms-ratelimit-remaining-subscription-reads", "")
        if reads.isdigit() and buckets[0].rate:
            buckets[0].rate.learn(int(reads), now)
        quota = headers.get("x-ms-user-quota-remaining", "")
        if quota.isdigit() and int(quota) == 0:
            buckets[0].pause = max(buckets[0].pause, now + _clock_time(headers.get("x-ms-user-quota-resets-after", "")))


def _clock_time(text: str) -> float:
    """The seconds of `hh:mm:ss`; 5, Resource Graph's own span, where it is none."""
    parts = text.split(":")
    if len(parts) == 3 and all(part.replace(".", "", 1).isdigit() for part in parts):
        return min(60.0, float(parts[0]) * 3600 + float(parts[1]) * 60 + float(parts[2]))
    return 5.0
