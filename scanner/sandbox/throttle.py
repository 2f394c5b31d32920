"""ARM's limits, as the sandbox holds callers to them.

Numbers: learn.microsoft.com, "Understand how Azure Resource Manager throttles requests" (250 reads, 25 a second, per
subscription and principal), "Azure Storage scalability targets" (800 reads, 100 lists in 5 minutes, per subscription
and region), "Guidance for throttled requests in Azure Resource Graph" (15 queries in 5 seconds per user).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import msgspec

from scanner.sandbox import errors
from scanner.sandbox.errors import Answer
from scanner.sandbox.world import Target


class Limits(msgspec.Struct, frozen=True):
    """How much a caller may do. Tests set smaller numbers."""

    reads: int = 250
    reads_a_second: float = 25.0
    storage_reads: int = 800
    storage_lists: int = 100
    storage_seconds: float = 300.0
    queries: int = 15
    query_seconds: float = 5.0


class Bucket:
    """A token bucket: `size` tokens, refilled at `rate` a second."""

    def __init__(self, size: float, rate: float, now: float) -> None:
        self.size, self.rate, self.left, self.at = size, rate, float(size), now

    def take(self, now: float) -> float:
        """Take a token: 0, or the seconds until there is one."""
        self.left = min(self.size, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left >= 1:
            self.left -= 1
            return 0.0
        return (1 - self.left) / self.rate


class Window:
    """A count that starts anew after `seconds`."""

    def __init__(self, size: int, seconds: float, now: float) -> None:
        self.size, self.seconds, self.left, self.ends = size, seconds, size, now + seconds

    def take(self, now: float) -> float:
        """Take one: 0, or the seconds until the window ends."""
        if now >= self.ends:
            self.left, self.ends = self.size, now + self.seconds
        if self.left > 0:
            self.left -= 1
            return 0.0
        return self.ends - now


class Throttle:
    """All buckets of a sandbox; `clock` is for tests."""

    def __init__(self, limits: Limits | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.clock = clock
        self.buckets: dict[str, Bucket | Window] = {}

    def read(self, at: Target | None, region: str) -> tuple[Answer | None, dict[str, str]]:
        """For one ARM read: the 429 if it is too much, and the headers that tell what is left."""
        if self.limits is None or at is None:
            return None, {}
        now, limits = self.clock(), self.limits
        where = at.subscription or "tenant"
        bucket = self._bucket(where, lambda: Bucket(limits.reads, limits.reads_a_second, now))
        wait = bucket.take(now)
        kind = "subscription" if at.subscription else "tenant"
        headers = {f"x-ms-ratelimit-remaining-{kind}-reads": str(int(bucket.left))}
        if wait:
            text = (
                f"Number of 'read' requests for {kind} '{where}' exceeded. "
                f"Please try again after '{math.ceil(wait)}' seconds after additional tokens are available."
            )
            return errors.throttled("SubscriptionRequestsThrottled", text, math.ceil(wait)), headers
        return self._storage(at, region, now), headers

    def _storage(self, at: Target, region: str, now: float) -> Answer | None:
        if self.limits is None or not at.kind.lower().startswith("microsoft.storage/"):
            return None
        size = self.limits.storage_reads if at.name else self.limits.storage_lists
        what, seconds = "Get" if at.name else "List", self.limits.storage_seconds
        window = self._bucket(f"storage {what} {at.subscription} {region}", lambda: Window(size, seconds, now))
        wait = window.take(now)
        if not wait:
            return None
        text = (
            f"The request is being throttled as the limit has been reached for operation type - {what}. "
            "For more information, see - https://aka.ms/srpthrottlinglimits"
        )
        return errors.throttled("TooManyRequests", text, math.ceil(wait))

    def query(self) -> tuple[Answer | None, dict[str, str]]:
        """For one Resource Graph query, the same."""
        if self.limits is None:
            return None, {"x-ms-user-quota-remaining": "15", "x-ms-user-quota-resets-after": "00:00:05"}
        now, limits = self.clock(), self.limits
        window = self._bucket("graph", lambda: Window(limits.queries, limits.query_seconds, now))
        wait = window.take(now)
        rest = math.ceil(window.ends - now) if isinstance(window, Window) else 0
        headers = {
            "x-ms-user-quota-remaining": str(int(window.left)),
            "x-ms-user-quota-resets-after": f"00:00:{rest:02}",
        }
        if not wait:
            return None, headers
        text = (
            "Client application has been throttled and should not attempt to repeat the request until an amount of "
            "time has elapsed. Please see https://aka.ms/resourcegraph-throttling for help."
        )
        refused = errors.graph_error(429, "RateLimiting", "RateLimiting", text)
        refused.headers["Retry-After"] = str(math.ceil(wait))
        return refused, headers

    def _bucket(self, key: str, make: Callable[[], Bucket | Window]) -> Bucket | Window:
        if key not in self.buckets:
            self.buckets[key] = make()
        return self.buckets[key]
