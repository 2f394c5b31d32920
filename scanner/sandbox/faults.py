"""Faults of the sandbox: which requests they hit, how often, and what they do."""

import random
from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from scanner.sandbox import errors
from scanner.sandbox.errors import HttpAnswer
from scanner.sandbox.paths import ArmPath, matches, parse_path

FaultKind = Literal[
    "status", "html", "empty", "throttle", "refuse", "truncate", "cut", "reset", "slow",
    "empty-page", "endless", "foreign-link",
]  # fmt: skip


class Fault(msgspec.Struct, frozen=True):
    """What happens to requests whose path (without query) fits the pattern, without case.

    `status` answers with `status` and `code`, or with `body` as it is; `html` and `empty` with that status and such a
    body; `throttle` with 429 and `retry_after` seconds; `refuse` with 403 and the action that is missing; `truncate`
    sends the first half of the JSON as if it were all; `cut` closes in the middle of the body; `reset` without any
    answer; `slow` changes nothing. Of a list that answers: `empty-page` puts an empty page with a nextLink before it,
    `endless` makes its nextLink lead to the same page, `foreign-link` to another host.
    """

    kind: FaultKind
    path: str = "*"
    status: int = 500
    code: str = "InternalServerError"
    message: str = "The server encountered an internal error. Please retry the request."
    retry_after: float | None = None
    seconds: float = 0.0
    """The time for which a request waits first, whatever the kind."""
    times: int | None = None
    """How many requests are hit (None: all)."""
    each: bool = False
    """Count them for each path and query."""
    chance: float = 1.0
    """The share of requests that are hit at random."""
    method: str = "*"
    body: str | None = None
    content_type: str = errors.JSON
    headers: dict[str, str] = {}
    """More headers to send."""


class FaultPlan:
    """The faults of a sandbox, and how often each was hit. The same seed gives the same random choices."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 1) -> None:
        self.faults = list(faults)
        self.hits: Counter[tuple[int, str]] = Counter()
        self.random = random.Random(seed)  # noqa: S311

    def hit(self, method: str, path: str, query: str) -> Fault | None:
        """Return the first fault that hits a request, and count it."""
        for number, fault in enumerate(self.faults):
            if not (matches(fault.path, path) and matches(fault.method, method)):
                continue
            key = (number, f"{method} {path.lower()}?{query}" if fault.each else "")
            if fault.times is not None and self.hits[key] >= fault.times:
                continue
            if fault.chance < 1 and self.random.random() >= fault.chance:
                continue
            self.hits[key] += 1
            return fault
        return None


def instead(fault: Fault, path: str, principal: str) -> HttpAnswer | None:
    """Return the answer that replaces the true one; None where a fault changes only how that is sent."""
    match fault.kind:
        case "status" if fault.body is not None:
            http_answer = HttpAnswer(fault.status, fault.body.encode(), {}, fault.content_type)
        case "status":
            http_answer = errors.arm_error(fault.status, fault.code, fault.message, "service")
        case "html":
            page = b"<html>\r\n<head><title>Service Unavailable</title></head>\r\n<body>Try later.</body>\r\n</html>"
            http_answer = HttpAnswer(fault.status, page, {}, "text/html")
        case "empty":
            http_answer = HttpAnswer(fault.status)
        case "throttle":
            http_answer = errors.throttled("TooManyRequests", "The request is being throttled.", 0)
            del http_answer.headers["Retry-After"]
        case "refuse":
            at = parse_path(path) or ArmPath(path, "Microsoft.Resources/subscriptions", "", path, "", "", ())
            return errors.forbidden(principal, at.action, at.scope)
        case _:
            return None
    if fault.retry_after is not None:
        http_answer.headers["Retry-After"] = f"{fault.retry_after:g}"
    http_answer.headers.update(fault.headers)
    return http_answer


def changed(fault: Fault, http_answer: HttpAnswer, url: str, base: str) -> HttpAnswer:
    """Return the true answer to a list, changed where the fault is about its nextLink."""
    if http_answer.status != 200 or fault.kind not in ("empty-page", "endless", "foreign-link"):
        return http_answer
    body = msgspec.json.decode(http_answer.body)
    if fault.kind == "endless":
        return errors.answer({**body, "nextLink": f"{base}{url}"})
    if fault.kind == "foreign-link":
        return errors.answer(
            {**body, "nextLink": "https://management.example.org/subscriptions?api-version=2022-12-01"}
        )
    if "skiptoken" in url.lower():
        return http_answer
    return errors.answer({"value": [], "nextLink": f"{base}{url}&%24skiptoken=cm93OjA%3D"})
