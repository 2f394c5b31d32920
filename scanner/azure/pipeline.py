"""The pipeline of every request to ARM: limits and retries, authentication, the record, and the read-only guard."""

import asyncio
import json
import re
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from azure.core.exceptions import AzureError, ServiceRequestTimeoutError, ServiceResponseTimeoutError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy, RequestIdPolicy, UserAgentPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from scanner.azure.answers import LimitReached
from scanner.azure.clouds import Cloud, origin
from scanner.azure.credentials import TokenCache
from scanner.azure.errors import ReadError, parse_error, retry_after
from scanner.azure.limits import LimitKey, RateLimiter, RateLimiters, is_over
from scanner.azure.transport import MAX_REQUESTS
from scanner.document.temporary import AtomicFile
from scanner.errors import InputError
from scanner.text.masks import masked

Request = PipelineRequest[HttpRequest]
Response = PipelineResponse[HttpRequest, AsyncHttpResponse]
OnRequest = Callable[[str, str, int, float], None]
"""Called for every request that left, with method, path with query, status (0: no answer) and milliseconds."""

GRAPH = "/providers/Microsoft.ResourceGraph/resources"
ALL_SECONDS = 120
"""The time limit of one try with its body. It is longer than connecting and reading may take, so that an answer that
arrives byte by byte ends too."""

EFFECTIVE = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.network/"
    r"(networkinterfaces/[^/]+/effectivenetworksecuritygroups"
    r"|virtualnetworks/[^/]+/listnetworkmanagereffectivesecurityadminrules)",
    re.IGNORECASE,
)
"""The paths of the POSTs of `--effective`, with which Azure returns the rules that apply to a network interface or a
network."""

_TRY_AGAIN = frozenset({408, 500, 502, 503, 504})
_WHOLE_SUBSCRIPTION = "subscriptionrequeststhrottled"
_RENEW_TOKEN = frozenset({"expiredauthenticationtoken", "invalidauthenticationtoken", "authenticationfailed"})


class NotARead(Exception):
    """A defect of Twolocks: something other than a read of ARM was about to be sent. Nothing was sent."""


class ReadOnlyPolicy(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Allow GET and HEAD to one host, and the POST of a Resource Graph query. Raise NotARead for everything else.

    `effective`: allow the POSTs that read effective rules too.
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


class RecordPolicy(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Report every request that leaves, each try by itself. Headers and bodies are not reported."""

    def __init__(self, on_request: OnRequest) -> None:
        super().__init__()
        self._on_request = on_request

    async def send(self, request: Request) -> Response:
        sent, status = time.perf_counter(), 0
        try:
            response = await self.next.send(request)
            status = response.http_response.status_code
            return response
        finally:
            parts = urlsplit(request.http_request.url)
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            self._on_request(request.http_request.method, path, status, (time.perf_counter() - sent) * 1000)


class RecordFile:
    """The file of `--record FILE`: one JSON line a request, without what looks like a secret.

    It appears when it is closed, also where the scan fails; a kill leaves the earlier file.
    """

    def __init__(self, path: Path, append: bool = False) -> None:
        self._path = path
        self._whole = ExitStack()
        try:
            with ExitStack() as opened:
                self._file = opened.enter_context(AtomicFile(path))
                if append and path.exists():
                    with path.open("rb") as earlier:
                        shutil.copyfileobj(earlier, self._file)
                self._whole = opened.pop_all()
        except OSError as error:
            raise self._unwritten(error) from None

    def add(self, method: str, path: str, status: int, milliseconds: float) -> None:
        line = {"method": method, "path": masked(path), "status": status, "ms": round(milliseconds, 1)}
        self._file.write(json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Give the file its name. Raises InputError where it cannot be written."""
        try:
            self._whole.close()
        except OSError as error:
            raise self._unwritten(error) from None

    def _unwritten(self, error: OSError) -> InputError:
        return InputError(f"{self._path} cannot be written: {error.strerror}", at=f"--record {self._path}")


class LimitedRetryPolicy(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Wait for the limiters, send, and try again what may succeed later. It always ends.

    The option `limit_key` of a request decides its limiters. An answer that stays a failure is returned. Raises
    ReadError where there is no answer (`Timeout`, `Reset`), or where a limiter gave up (429).
    """

    def __init__(self, limiters: RateLimiters, tokens: TokenCache, slots: asyncio.Semaphore) -> None:
        super().__init__()
        self._all = limiters
        self._tokens = tokens
        self._slots = slots

    async def send(self, request: Request) -> Response:
        key = request.context.options.pop("limit_key")
        limiters = self._all.of(key)
        path = urlsplit(request.http_request.url).path
        attempts = _Attempts(self._all, limiters, key)
        while await self._all.wait_for_turn(limiters):
            ended = limiters[0].ended
            attempts.begin()
            try:
                response = await self._send_once(request)
            except ReadError as lost:
                wait = None if isinstance(lost, LimitReached) else attempts.after_no_answer(lost.code)
                if wait is None:
                    raise
            else:
                self._all.learn(limiters, response.http_response.headers, ended)
                wait = attempts.after_answer(response)
                if wait is None:
                    return response
                if response.http_response.status_code == HTTPStatus.UNAUTHORIZED:
                    self._tokens.forget(request.http_request.headers.get("Authorization", ""))
            finally:
                limiters[0].ended += 1
            await self._all.sleep(wait)
        raise ReadError(path, 429, "TooManyRequests", message=f"gave up: {limiters[-1].name}")

    async def _send_once(self, request: Request) -> Response:
        path = urlsplit(request.http_request.url).path
        try:
            async with self._slots, asyncio.timeout(ALL_SECONDS):
                return await self.next.send(request)
        except (ServiceRequestTimeoutError, ServiceResponseTimeoutError, TimeoutError) as error:
            raise ReadError(path, 0, "Timeout", message=str(error)) from error
        except (AzureError, aiohttp.ClientError, OSError) as error:
            raise ReadError(path, 0, "Reset", message=str(error)) from error


class _Attempts:
    """The tries of one request: whether there is another one, and after which pause."""

    def __init__(self, all_limiters: RateLimiters, limiters: tuple[RateLimiter, ...], key: LimitKey) -> None:
        self._all = all_limiters
        self._key = key
        self._began: float | None = None
        self._announced = 0.0
        self._widest = limiters[0]
        self._narrowest = limiters[-1]
        self._failed = 0
        self._renewed = False

    def begin(self) -> None:
        """Note when the first try was sent."""
        self._began = self._all.clock() if self._began is None else self._began

    def after_no_answer(self, code: str) -> float | None:
        """Return the seconds before the next try after no answer; None: there is none."""
        return self._again(2 if code == "Timeout" else 4)

    def after_answer(self, response: Response) -> float | None:
        """Return the seconds before the next try after an answer; None: the answer is final."""
        answer = response.http_response
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return self._after_429(answer)
        if answer.status_code in _TRY_AGAIN:
            return self._again(4, retry_after(answer.headers))
        self._widest.succeeded()
        self._narrowest.succeeded()
        self._all.note_success(self._key)
        if answer.status_code == HTTPStatus.UNAUTHORIZED and not self._renewed:
            self._renewed = parse_error(401, answer.content).code.lower() in _RENEW_TOKEN
            return 0.0 if self._renewed else None
        return None

    def _after_429(self, answer: AsyncHttpResponse) -> float | None:
        """Return the seconds before the next try after a 429.

        A 429 that says when to come back pauses its limiter. One that does not concerns this request only.
        """
        problem = parse_error(429, answer.content)
        after = retry_after(answer.headers, problem.message)
        if after is None:
            return self._again(4, unit=1.0)
        after = max(after, 0.1)
        limiter = self._widest if problem.code.lower() == _WHOLE_SUBSCRIPTION else self._narrowest
        limiter.refused(self._all.clock(), after, self._all.patience)
        return None if limiter.given_up or self._is_over(after, after) else 0.0

    def _is_over(self, after: float, announced: float) -> bool:
        """Return whether no try is left after `after` seconds: its type has had no success for too long, or this read
        was refused for longer still while others succeeded. `announced`: the seconds that Azure asked to wait.
        """
        next_try = self._all.clock() + after
        began = next_try if self._began is None else self._began
        self._announced = max(self._announced, announced)
        in_vain = next_try - self._all.last_success(self._key, began)
        return is_over(in_vain, self._announced, self._all.patience) or next_try - began > self._all.budget

    def _again(self, most: int, after: float | None = None, unit: float = 0.5) -> float | None:
        self._failed += 1
        wait = min(60.0, max(after or 0.0, unit * 2.0 ** (self._failed - 1)))
        if self._failed >= most or self._is_over(wait, min(wait, after or 0.0)) or not self._narrowest.retry():
            return None
        return wait


def policies(
    cloud: Cloud,
    tokens: TokenCache,
    limiters: RateLimiters,
    slots: asyncio.Semaphore,
    on_request: OnRequest,
    agent: str,
    effective: bool = False,
) -> list[Any]:
    """Return the policies of one management client, in order. Providers are not registered, redirects not followed."""
    return [
        RequestIdPolicy(),
        UserAgentPolicy(base_user_agent=agent, user_agent_use_env=False),
        LimitedRetryPolicy(limiters, tokens, slots),
        AsyncARMChallengeAuthenticationPolicy(tokens, cloud.scope),
        RecordPolicy(on_request),
        ReadOnlyPolicy(cloud, effective),
    ]


def request_slots() -> asyncio.Semaphore:
    """Return the semaphore that limits the requests under way at once, over all clients."""
    return asyncio.Semaphore(MAX_REQUESTS)
