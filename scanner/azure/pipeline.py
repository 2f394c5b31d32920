"""What every request to ARM goes through: limits and retries, authentication, the record, and the read-only guard."""

import asyncio
import base64
import json
import re
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import AzureError, ServiceRequestTimeoutError, ServiceResponseTimeoutError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest

from scanner.azure.answers import LimitReached
from scanner.azure.clouds import Cloud, origin
from scanner.azure.credentials import EARLY_SECONDS, TokenCache
from scanner.azure.errors import ReadError, Unanswered, parse_error, retry_after
from scanner.azure.limits import SILENT, LimitKey, RateLimiter, RateLimiters, is_over
from scanner.azure.second_requests import OnLate, Response, SecondRequests
from scanner.azure.transport import FIRST_REQUESTS, MAX_REQUESTS, READ_SECONDS, WAIT_SECONDS
from scanner.errors import InputError
from scanner.store.temporary import AtomicFile
from scanner.text.masks import masked

Request = PipelineRequest[HttpRequest]
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

_INSUFFICIENT = re.compile(r'\berror ?= ?"?insufficient_claims\b', re.I)
_CLAIMS = re.compile(r'\bclaims ?= ?"?([A-Za-z0-9_-]+)', re.I)
_TRY_AGAIN = frozenset({408, 500, 502, 503, 504})
_WHOLE_SUBSCRIPTION = "subscriptionrequeststhrottled"
_RENEW_TOKEN = frozenset({"expiredauthenticationtoken", "invalidauthenticationtoken", "authenticationfailed"})


class NotARead(Exception):
    """A defect of Twolocks: something other than a read of ARM was about to be sent. Nothing was sent."""


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


class ArmRead(NamedTuple):
    """A read of ARM. `content`: the JSON that is posted."""

    method: str
    url: str
    content: bytes = b""


SendOnce = Callable[[OnLate | None], Awaitable[Response]]
"""Sends a request, and returns its answer with its body. Calls what it is given when no answer begins for long."""


class RequestSlots(asyncio.Semaphore):
    """Limits the requests under way at once, over all clients. Each that waits for long raises the limit by one."""

    def __init__(self) -> None:
        super().__init__(FIRST_REQUESTS)
        self._size = FIRST_REQUESTS

    async def acquire(self) -> Literal[True]:
        """Wait until one more request may be sent."""
        if not self.locked():
            return await super().acquire()
        growth = asyncio.get_running_loop().call_later(WAIT_SECONDS, self._grow)
        try:
            return await super().acquire()
        finally:
            growth.cancel()

    def _grow(self) -> None:
        if self._size < MAX_REQUESTS:
            self._size += 1
            self.release()


class Guards:
    """What every request to ARM goes through, with any client: limits, retries, token, record, the read-only guard.

    `effective`: allow the POSTs that read effective rules too.
    """

    def __init__(
        self,
        cloud: Cloud,
        tokens: TokenCache,
        limiters: RateLimiters,
        slots: RequestSlots,
        on_request: OnRequest,
        effective: bool = False,
    ) -> None:
        self.limiters = limiters
        self._cloud = cloud
        self._tokens = tokens
        self._slots = slots
        self._on_request = on_request
        self._effective = effective
        self._seconds = SecondRequests()
        self._options: TokenRequestOptions = {}
        self._token: AccessTokenInfo | None = None

    async def send(self, request: HttpRequest, key: LimitKey, once: SendOnce) -> Response:
        """Wait for the limiters, send, and try again what may succeed later. It always ends.

        Returns also an answer that stays a failure. Raises ReadError where there is no answer (`Timeout`, `Reset`), or
        where a limiter gave up (429), and NotARead for what is no read of ARM.
        """
        limiters = self.limiters.of(key)
        attempts = _Attempts(self.limiters, limiters, key)
        while not self.limiters.is_hopeless(key, was_sent=attempts.was_sent) and await self._turn(request, limiters):
            ended = limiters[0].ended
            attempts.begin()
            try:
                answer, authorization = await self._send_once(request, limiters, attempts, once)
            except ReadError as lost:
                wait = attempts.after_no_answer(lost)
                if wait is None:
                    raise
            else:
                http = answer.http_response
                self.limiters.learn(limiters, http.headers, ended)
                wait = attempts.after_answer(http)
                if wait is None:
                    return answer
                if http.status_code == HTTPStatus.UNAUTHORIZED:
                    self._tokens.forget(authorization)
            finally:
                limiters[0].ended += 1
            await self.limiters.sleep(wait)
        if key.graph and limiters[-1].unanswered:
            raise ReadError(urlsplit(request.url).path, 0, "Timeout", message="no answer to an earlier query")
        raise ReadError(urlsplit(request.url).path, 429, "TooManyRequests", message=f"gave up: {limiters[-1].name}")

    async def _send_once(
        self, request: HttpRequest, limiters: tuple[RateLimiter, ...], attempts: "_Attempts", once: SendOnce
    ) -> tuple[Response, str]:
        """Return the answer, and the `Authorization` header of its request. A claims challenge is answered once.

        Where no answer begins, the request is sent a second time next to the first, or ends.
        """

        async def first(on_late: OnLate) -> Response:
            return await self._authorized(request, partial(once, on_late))

        path, second = urlsplit(request.url).path, partial(self._second, request, limiters, once)
        try:
            async with self._slots, asyncio.timeout(ALL_SECONDS):
                self._refuse_silent(request, limiters)
                answer = await self._seconds.first_answer(first, second, attempts.late, path)
                if answer.http_response.status_code == HTTPStatus.UNAUTHORIZED:
                    self._token = None
                    claims = challenged_claims(answer.http_response.headers.get("WWW-Authenticate", ""))
                    self._options = {"claims": claims} if claims else {}
                    if claims:
                        answer = await self._authorized(request, partial(once, None))
                return answer, request.headers["Authorization"]
        except (ServiceRequestTimeoutError, ServiceResponseTimeoutError, TimeoutError) as error:
            raise ReadError(path, 0, "Timeout", message=str(error)) from error
        except (AzureError, aiohttp.ClientError, OSError) as error:
            raise ReadError(path, 0, "Reset", message=str(error)) from error

    async def _turn(self, request: HttpRequest, limiters: tuple[RateLimiter, ...]) -> bool:
        """Wait until the limiters allow a request, and count it. Return False where one gave up. Raises Unanswered."""
        await limiters[-1].wait_while_late(READ_SECONDS)
        self._refuse_silent(request, limiters)
        return await self.limiters.wait_for_turn(limiters)

    def _refuse_silent(self, request: HttpRequest, limiters: tuple[RateLimiter, ...]) -> None:
        """Raise Unanswered in place of a read that Azure would not answer."""
        if limiters[-1].is_silent:
            message = f"the service answers none of {SILENT} earlier reads"
            raise Unanswered(urlsplit(request.url).path, 0, "Timeout", message=message)

    async def _second(self, request: HttpRequest, limiters: tuple[RateLimiter, ...], once: SendOnce) -> Response:
        """Send a request a second time when its limits allow one more, and return the answer. Raises ReadError."""
        if not await self.limiters.wait_for_turn(limiters):
            raise ReadError(urlsplit(request.url).path, 429, "TooManyRequests")
        try:
            async with self._slots:
                return await self._authorized(request, partial(once, None))
        finally:
            limiters[0].ended += 1

    async def _authorized(self, request: HttpRequest, once: Callable[[], Awaitable[Response]]) -> Response:
        """Send a read with a token, and report it. Its headers and bodies are not reported.

        Raises NotARead before it is sent.
        """
        request.headers["Authorization"] = await self._authorization()
        target = self._checked(request.method, request.url)
        sent, status = time.perf_counter(), 0
        try:
            answer = await once()
            status = answer.http_response.status_code
            return answer
        finally:
            self._on_request(request.method, target, status, (time.perf_counter() - sent) * 1000)

    async def _authorization(self) -> str:
        """Return the header with a token, one for the claims that ARM asked for last."""
        if self._token is None or self._token.expires_on - time.time() < EARLY_SECONDS:
            self._token = await self._tokens.get_token_info(self._cloud.scope, options=self._options)
        return f"Bearer {self._token.token}"

    def _checked(self, method: str, url: str) -> str:
        """Return path and query of a read: a GET or HEAD to ARM over https, or the POST of a Resource Graph query.

        Raises NotARead for everything else.
        """
        if url.startswith(self._cloud.arm + "/"):
            target = url[len(self._cloud.arm) :].partition("#")[0]
        else:
            split = urlsplit(url)
            if split.scheme != "https" or origin(url) != self._cloud.host:
                raise NotARead(f"{origin(url)} is not {self._cloud.host}")
            target = f"{split.path}?{split.query}" if split.query else split.path
        if method not in ("GET", "HEAD"):
            path = target.partition("?")[0]
            is_query = path.lower() == GRAPH.lower()
            if method != "POST" or not (is_query or (self._effective and EFFECTIVE.fullmatch(path))):
                raise NotARead(f"{method} {path}")
        return target


def challenged_claims(challenge: str) -> str:
    """Return the claims that a `WWW-Authenticate` header of ARM asks for (continuous access evaluation), else ""."""
    if not _INSUFFICIENT.search(challenge) or not (match := _CLAIMS.search(challenge)):
        return ""
    try:
        return base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4)).decode()
    except ValueError:
        return ""


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
        self._is_late = False
        self._answers = 0

    def late(self) -> bool:
        """Note that no answer of this try has begun for long. Return whether a second request may help: not where one
        before this ended without an answer, and none came since.
        """
        self._is_late = True
        self._narrowest.late += 1
        return not self._narrowest.unanswered

    @property
    def was_sent(self) -> bool:
        """Return whether a try was sent."""
        return self._began is not None

    def begin(self) -> None:
        """Note when the first try was sent, and that another one begins."""
        self._is_late, self._answers = False, self._narrowest.answers
        self._began = self._all.clock() if self._began is None else self._began

    def after_no_answer(self, lost: ReadError) -> float | None:
        """Return the seconds before the next try after no answer; None: there is none."""
        if isinstance(lost, Unanswered):
            self._narrowest.not_answered(self._answers)
            return None
        self._narrowest.answered()
        return None if isinstance(lost, LimitReached) else self._again(2 if lost.code == "Timeout" else 4)

    def after_answer(self, answer: AsyncHttpResponse) -> float | None:
        """Return the seconds before the next try after an answer; None: the answer is final."""
        if answer.status_code == HTTPStatus.GATEWAY_TIMEOUT and self._is_late:
            # Azure waited as long for its service as we for Azure, and the second request was of no use.
            self._narrowest.not_answered(self._answers)
            return None
        self._widest.answered()
        self._narrowest.answered()
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


class GuardPolicy(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """The guards as a policy of a management client. The option `limit_key` of a request decides its limiters."""

    def __init__(self, guards: Guards) -> None:
        super().__init__()
        self._guards = guards

    async def send(self, request: Request) -> Response:
        key = request.context.options.pop("limit_key")
        return await self._guards.send(request.http_request, key, partial(self._once, request))

    async def _once(self, request: Request, on_late: OnLate | None) -> Response:
        request.context.options["on_late"] = on_late
        return await self.next.send(request)
