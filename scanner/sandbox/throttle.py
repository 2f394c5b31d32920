"""The limits of ARM and Resource Graph, which the sandbox enforces.

Numbers: learn.microsoft.com, "Understand how Azure Resource Manager throttles requests" (250 reads, 25 a second, per
subscription and principal), "Azure Storage scalability targets" (800 reads, 100 lists in 5 minutes, per subscription
and region), "Guidance for throttled requests in Azure Resource Graph" (15 queries in 5 seconds per user).
"""

import math
import time
from collections.abc import Callable

import msgspec

from scanner.sandbox import errors
from scanner.sandbox.errors import HttpAnswer
from scanner.sandbox.paths import ArmPath

UNLIMITED = "11999"
"""What a sandbox without limits says is left, as ARM did where it counted 12,000 reads an hour."""


class ThrottleLimits(msgspec.Struct, frozen=True):
    """The limits. The defaults are Azure's; tests set smaller ones."""

    reads: int = 250
    reads_a_second: float = 25.0
    storage_reads: int = 800
    storage_lists: int = 100
    storage_seconds: float = 300.0
    queries: int = 15
    query_seconds: float = 5.0


class TokenBucket:
    """A limit of `size` requests that is refilled with `rate` requests a second."""

    def __init__(self, size: float, rate: float, now: float) -> None:
        self.size, self.rate, self.left, self.at = size, rate, float(size), now

    def take(self, now: float) -> float:
        """Count a request. Return 0, or the seconds until one is allowed."""
        self.left = min(self.size, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left >= 1:
            self.left -= 1
            return 0.0
        return (1 - self.left) / self.rate


class FixedWindow:
    """A limit of `size` requests that starts anew after `seconds`."""

    def __init__(self, size: int, seconds: float, now: float) -> None:
        self.size, self.seconds, self.left, self.ends = size, seconds, size, now + seconds

    def take(self, now: float) -> float:
        """Count a request. Return 0, or the seconds until the window ends."""
        if now >= self.ends:
            self.left, self.ends = self.size, now + self.seconds
        if self.left > 0:
            self.left -= 1
            return 0.0
        return self.ends - now


class Throttle:
    """All limits of a sandbox, by their key. `clock` is for tests."""

    def __init__(self, limits: ThrottleLimits | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.clock = clock
        self.buckets: dict[str, TokenBucket | FixedWindow] = {}

    def read(self, at: ArmPath | None, region: str) -> tuple[HttpAnswer | None, dict[str, str]]:
        """Count an ARM read. Return the 429 where it is too much, and the headers that say how many are left."""
        if at is None:
            return None, {}
        if self.limits is None:
            return None, {"x-ms-ratelimit-remaining-subscription-reads": UNLIMITED} if at.subscription else {}
        now, limits = self.clock(), self.limits
        where = at.subscription or "tenant"
        bucket = self._bucket(where, lambda: TokenBucket(limits.reads, limits.reads_a_second, now))
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

    def _storage(self, at: ArmPath, region: str, now: float) -> HttpAnswer | None:
        if self.limits is None or not at.kind.lower().startswith("microsoft.storage/"):
            return None
        size = self.limits.storage_reads if at.name else self.limits.storage_lists
        what, seconds = "Get" if at.name else "List", self.limits.storage_seconds
        window = self._bucket(f"storage {what} {at.subscription} {region}", lambda: FixedWindow(size, seconds, now))
        wait = window.take(now)
        if not wait:
            return None
        text = (
            f"The request is being throttled as the limit has been reached for operation type - {what}. "
            "For more information, see - https://aka.ms/srpthrottlinglimits"
        )
        return errors.throttled("TooManyRequests", text, math.ceil(wait))

    def query(self) -> tuple[HttpAnswer | None, dict[str, str]]:
        """Count a Resource Graph query. Return the 429 where it is too much, and the headers."""
        if self.limits is None:
            return None, {"x-ms-user-quota-remaining": "15", "x-ms-user-quota-resets-after": "00:00:05"}
        now, limits = self.clock(), self.limits
        window = self._bucket("graph", lambda: FixedWindow(limits.queries, limits.query_seconds, now))
        wait = window.take(now)
        rest = math.ceil(window.ends - now) if isinstance(window, FixedWindow) else 0
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

    def _bucket(self, key: str, make: Callable[[], TokenBucket | FixedWindow]) -> TokenBucket | FixedWindow:
        if key not in self.buckets:
            self.buckets[key] = make()
        return self.buckets[key]
