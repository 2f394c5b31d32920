"""Faults that the sandbox is told to show: which requests, how often, and what happens to them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from scanner.sandbox import errors
from scanner.sandbox.errors import Answer
from scanner.sandbox.world import Target, matches, target

Kind = Literal["status", "html", "empty", "throttle", "refuse", "truncate", "cut", "reset", "slow", "empty-page"]


class Fault(msgspec.Struct, frozen=True):
    """What happens to requests whose path (without query) fits the pattern, without case.

    `status` answers with `status` and `code`; `html` and `empty` with that status and such a body; `throttle` with 429
    and `retry_after` seconds; `refuse` with 403 and the action that is missing; `truncate` sends the first half of the
    JSON as if it were all; `cut` closes in the middle of the body; `reset` without any answer; `slow` waits `seconds`
    first; `empty-page` puts an empty page with a nextLink before the list.

    `times` is how many requests are hit (None: all), `each` counts them for each path and query; `chance` hits by lot.
    """

    kind: Kind
    path: str = "*"
    status: int = 500
    code: str = "InternalServerError"
    message: str = "The server encountered an internal error. Please retry the request."
    retry_after: float | None = None
    seconds: float = 0.0
    times: int | None = None
    each: bool = False
    chance: float = 1.0
    method: str = "*"


class Faults:
    """The faults of a sandbox, with what they have hit so far. One seed gives one order of lots."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 1) -> None:
        self.faults = list(faults)
        self.hits: Counter[tuple[int, str]] = Counter()
        self.lots = random.Random(seed)  # noqa: S311

    def hit(self, method: str, path: str, query: str) -> Fault | None:
        """The first fault that strikes this request."""
        for number, fault in enumerate(self.faults):
            if not (matches(fault.path, path) and matches(fault.method, method)):
                continue
            key = (number, f"{method} {path.lower()}?{query}" if fault.each else "")
            if fault.times is not None and self.hits[key] >= fault.times:
                continue
            if fault.chance < 1 and self.lots.random() >= fault.chance:
                continue
            self.hits[key] += 1
            return fault
        return None


def instead(fault: Fault, path: str, principal: str) -> Answer | None:
    """The answer that a fault puts in place of the true one; None where it only changes how that is sent."""
    match fault.kind:
        case "status":
            found = errors.arm_error(fault.status, fault.code, fault.message, "service")
        case "html":
            page = b"<html>\r\n<head><title>Service Unavailable</title></head>\r\n<body>Try later.</body>\r\n</html>"
            found = Answer(fault.status, page, {}, "text/html")
        case "empty":
            found = Answer(fault.status)
        case "throttle":
            found = errors.throttled("TooManyRequests", "The request is being throttled.", 0)
            del found.headers["Retry-After"]
        case "refuse":
            at = target(path) or Target(path, "Microsoft.Resources/subscriptions", "", path, "", "", ())
            return errors.forbidden(principal, at.action, at.scope)
        case _:
            return None
    if fault.retry_after is not None:
        found.headers["Retry-After"] = f"{fault.retry_after:g}"
    return found
