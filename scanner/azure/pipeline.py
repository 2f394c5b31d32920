"""What every request to ARM passes through: patience, signature, record, and a guard that lets only reads out."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import aiohttp
from azure.core.exceptions import AzureError, ServiceRequestTimeoutError, ServiceResponseTimeoutError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy, RequestIdPolicy, UserAgentPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from scanner.azure.clouds import Cloud, origin
from scanner.azure.credentials import Tokens
from scanner.azure.errors import ReadError, retry_after, understand
from scanner.azure.limits import Bucket, Limits
from scanner.azure.transport import IN_FLIGHT
from scanner.errors import InputError

Request = PipelineRequest[HttpRequest]
Response = PipelineResponse[HttpRequest, AsyncHttpResponse]
Heard = Callable[[str, str, int, float], None]
"""Told of every request that left: method, path with query, status (0: no answer), milliseconds."""

GRAPH = "/providers/Microsoft.ResourceGraph/resources"
ALL_SECONDS = 150
"""A whole try, body included: longer than connecting and reading may take, so that a dripping answer ends too."""

EFFECTIVE = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.network/"
    r"(networkinterfaces/[^/]+/effectivenetworksecuritygroups"
    r"|virtualnetworks/[^/]+/listnetworkmanagereffectivesecurityadminrules)",
    re.IGNORECASE,
)
"""The paths of the POSTs of `--effective`: what Azure itself says that applies to a network interface or a network."""

_LATER = frozenset({408, 500, 502, 503, 504})
_WHOLE_SUBSCRIPTION = "subscriptionrequeststhrottled"
_STALE = frozenset({"expiredauthenticationtoken", "invalidauthenticationtoken", "authenticationfailed"})


class NotARead(Exception):
    """A defect of ours: something other than a read of ARM was about to be sent. Nothing left."""


class ReadOnly(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Lets GET and HEAD of one host through, and the POST of a Resource Graph query; all else raises NotARead.

    `effective`: the POSTs that ask for effective rules too.
    """

    def __init__(self, cloud: Cloud, effective: bool = False) -> None:
        super().__init__()
        self._host = cloud.host
        self._effective = effective

    def _may_post(self, path: str) -> bool:
        return path.lower() == GRAPH.lower() or (self._effective and EFFECTIVE.fullmatch(path) is not None)

    async def send(self, request: Request) -> Response:
        method, url = request.http_request.method.upper(), request.http_request.url
        if urlsplit(url).scheme != "https" or origin(url) != self._host:
            raise NotARead(f"{origin(url)} is not {self._host}")
        if method not in ("GET", "HEAD") and not (method == "POST" and self._may_post(urlsplit(url).path)):
            raise NotARead(f"{method} {urlsplit(url).path}")
        return await self.next.send(request)


class Record(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Tells of every request that leaves, each try by itself; never a header or a body."""

    def __init__(self, heard: Heard) -> None:
        super().__init__()
        self._heard = heard

    async def send(self, request: Request) -> Response:
        sent, status = time.perf_counter(), 0
        try:
            response = await self.next.send(request)
            status = response.http_response.status_code
            return response
        finally:
            parts = urlsplit(request.http_request.url)
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            self._heard(request.http_request.method, path, status, (time.perf_counter() - sent) * 1000)


class RecordFile:
    """`--record FILE`: one JSON line a request, complete up to the last one whatever ends the scan."""

    def __init__(self, path: Path, more: bool = False) -> None:
        try:
            self._file: IO[str] = path.open("a" if more else "w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}", at=f"--record {path}") from None

    def heard(self, method: str, path: str, status: int, milliseconds: float) -> None:
        line = {"method": method, "path": path, "status": status, "ms": round(milliseconds, 1)}
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self._file.close()


class Patience(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Waits for a turn, sends, and tries again what may succeed later; it always ends.

    The option `ask` says what is asked. An answer that stays a failure is returned as it is; raises ReadError where
    there is no answer (`Timeout`, `Reset`), or where the bucket was given up (429).
    """

    def __init__(self, limits: Limits, tokens: Tokens, flight: asyncio.Semaphore) -> None:
        super().__init__()
        self._limits = limits
        self._tokens = tokens
        self._flight = flight

    async def send(self, request: Request) -> Response:
        buckets = self._limits.of(request.context.options.pop("ask"))
        path = urlsplit(request.http_request.url).path
        tries = _Tries(self._limits, buckets)
        while await self._limits.turn(buckets):
            try:
                response = await self._once(request)
            except ReadError as lost:
                wait = tries.lost(lost.code)
                if wait is None:
                    raise
            else:
                self._limits.learn(buckets, response.http_response.headers)
                wait = tries.answered(response)
                if wait is None:
                    return response
                if response.http_response.status_code == HTTPStatus.UNAUTHORIZED:
                    self._tokens.forget(request.http_request.headers.get("Authorization", ""))
            await self._limits.sleep(wait)
        raise ReadError(path, 429, "TooManyRequests", message=f"given up: {buckets[-1].name}")

    async def _once(self, request: Request) -> Response:
        path = urlsplit(request.http_request.url).path
        try:
            async with self._flight, asyncio.timeout(ALL_SECONDS):
                return await self.next.send(request)
        except (ServiceRequestTimeoutError, ServiceResponseTimeoutError, TimeoutError) as error:
            raise ReadError(path, 0, "Timeout", message=str(error)) from error
        except (AzureError, aiohttp.ClientError, OSError) as error:
            raise ReadError(path, 0, "Reset", message=str(error)) from error


class _Tries:
    """How often one request may still be tried, and after which pause."""

    def __init__(self, limits: Limits, buckets: tuple[Bucket, ...]) -> None:
        self._limits = limits
        self._widest = buckets[0]
        self._bucket = buckets[-1]
        self._failed = 0
        self._renewed = False
        self._refused_since: float | None = None

    def lost(self, code: str) -> float | None:
        """Seconds before the next try after no answer; None: no more."""
        return self._again(2 if code == "Timeout" else 4)

    def answered(self, response: Response) -> float | None:
        """Seconds before the next try after this answer; None: this answer is final."""
        answer = response.http_response
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return self._refused(answer)
        if answer.status_code in _LATER:
            return self._again(4, retry_after(answer.headers))
        self._widest.succeeded()
        self._bucket.succeeded()
        if answer.status_code == HTTPStatus.UNAUTHORIZED and not self._renewed:
            self._renewed = understand(401, answer.content).code.lower() in _STALE
            return 0.0 if self._renewed else None
        return None

    def _refused(self, answer: AsyncHttpResponse) -> float | None:
        """A 429. One that says when to come back pauses its whole bucket; one that does not is this request's own."""
        problem = understand(429, answer.content)
        after = retry_after(answer.headers, problem.message)
        if after is None:
            return self._again(4, unit=1.0)
        now = self._limits.clock()
        self._refused_since = now if self._refused_since is None else self._refused_since
        bucket = self._widest if problem.code.lower() == _WHOLE_SUBSCRIPTION else self._bucket
        bucket.refused(now, max(after, 0.1), self._limits.budget)
        if bucket.given_up or now + after - self._refused_since > self._limits.budget:
            return None
        return 0.0

    def _again(self, most: int, after: float | None = None, unit: float = 0.5) -> float | None:
        self._failed += 1
        if self._failed >= most or not self._bucket.retry():
            return None
        return min(60.0, max(after or 0.0, unit * 2.0 ** (self._failed - 1)))


def policies(
    cloud: Cloud,
    tokens: Tokens,
    limits: Limits,
    flight: asyncio.Semaphore,
    heard: Heard,
    agent: str,
    effective: bool = False,
) -> list[Any]:
    """The pipeline of one management client, in order. No registration of providers, no redirects, no logging."""
    return [
        RequestIdPolicy(),
        UserAgentPolicy(base_user_agent=agent, user_agent_use_env=False),
        Patience(limits, tokens, flight),
        AsyncARMChallengeAuthenticationPolicy(tokens, cloud.scope),
        Record(heard),
        ReadOnly(cloud, effective),
    ]


def flight() -> asyncio.Semaphore:
    """How many requests may be under way at once, over all clients."""
    return asyncio.Semaphore(IN_FLIGHT)
