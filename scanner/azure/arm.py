"""Reads of Azure Resource Manager: resources, pages of lists, and queries."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlencode, urljoin, urlsplit

import aiohttp
import msgspec
from azure.core.rest import AsyncHttpResponse
from msgspec import Struct, field

from scanner.azure.answers import LINK_BYTES, LimitReached, ListMeter, decode
from scanner.azure.clouds import METADATA, Cloud, cloud, described, endpoint, known_at, origin
from scanner.azure.credentials import TokenCache
from scanner.azure.errors import ReadError, error_inside, read_error, retry_after
from scanner.azure.limits import DEADLINE, LimitKey, RateLimiters
from scanner.azure.management_clients import Imports, ManagementClients
from scanner.azure.pipeline import (
    EFFECTIVE,
    GRAPH,
    ArmRead,
    Guards,
    OnRequest,
    RequestSlots,
)
from scanner.azure.replay import Replay
from scanner.azure.transport import HttpSession, explain_failure
from scanner.config.limits import Limits
from scanner.errors import AccessError, InputError
from scanner.model.ids import subscription_of, type_of
from scanner.reach.paths.effective_rules import ACTIONS
from scanner.store.spool import Spool, SpooledRows

Json = dict[str, Any]
AGENT = "twolocks"
ROWS_LOST = "RowsLost"
"""The code of a list that has fewer rows than it counts."""
OTHER_TENANT = "OtherTenant"
"""The code of a read that would have sent a token for a subscription of another tenant."""
EFFECTIVE_API = "2025-05-01"
EFFECTIVE_SECONDS = 120.0
"""The seconds that Azure may take to work out effective rules, while the caller polls."""

GARBAGE_BYTES = 32 << 20
"""The bytes of decoded answers after which the garbage collector runs."""


class ArmClient(Struct):
    """Reads of ARM with one login.

    `answered`: whether any answer came. Before that, a failed connection or login ends the scan. `foreign`: the ids
    (lower case) of subscriptions that another login of the scan reads; nothing is sent for them.
    """

    cloud: Cloud
    tokens: TokenCache
    limiters: RateLimiters
    http: HttpSession
    on_request: OnRequest
    agent: str = AGENT
    effective: bool = False
    answered: bool = False
    foreign: frozenset[str] = frozenset()
    _decoded_bytes: int = 0
    spool: Spool = field(default_factory=Spool)
    replay: Replay | None = None
    """Answers from the journal of the scan, and writes to it. None: the scan has none."""
    slots: RequestSlots = field(default_factory=RequestSlots)
    imports: Imports = field(default_factory=Imports)
    _clients: ManagementClients | None = None

    @property
    def clients(self) -> ManagementClients:
        """Return what sends the reads of this login."""
        if self._clients is None:
            guards = Guards(self.cloud, self.tokens, self.limiters, self.slots, self.on_request, self.effective)
            self._clients = ManagementClients(self.cloud, self.tokens, self.http, guards, self.agent, self.imports)
        return self._clients

    async def get(self, path: str, api: str, *, region: str = "", query: Mapping[str, str] | None = None) -> Json:
        """Return the JSON object at an ARM path. Raises ReadError."""
        body = await self._object(self._url(path, api, query), self._limit_key(path, region, listing=False), path)
        if not isinstance(body, dict) or not body:
            raise ReadError(path, 0, "BadJson", message="the response is not a JSON object")
        return body

    async def pages(
        self, path: str, api: str, *, region: str = "", query: Mapping[str, str] | None = None
    ) -> AsyncIterator[list[Json]]:
        """Yield the pages of an ARM list, each a list of JSON objects. Raises ReadError, also after some pages.

        A page is emptied when the next one is asked for, so that no list holds a page while it waits. Lists of
        subscriptions and tenants count their rows; one that ends before raises ReadError with the code `ROWS_LOST`.
        """
        url = self._url(path, api, query)
        key = self._limit_key(path, region, listing=True)
        meter, expected = ListMeter(path, self.limits), 0
        if self.replay is not None and self.replay.resumed:
            await self.replay.go_on(url, path, lambda at: self._object(at, key, path), self._next)
        while url:
            meter.start_page(url)
            body = await self._object(url, key, path, meter)
            rows = _rows(body, path)
            meter.add_rows(len(rows))
            expected = max(expected, _total(body))
            link = self._following(body, url, path)
            del body
            yield rows
            rows.clear()
            if isinstance(link, ReadError):
                raise link
            url = link
        if meter.rows < expected:
            raise ReadError(path, 200, ROWS_LOST, message=f"{meter.rows:,} of {expected:,} rows were returned")

    async def rows(self, path: str, api: str) -> SpooledRows:
        """Return all rows of an ARM list. Raises ReadError."""
        spooled_rows = SpooledRows(self.spool)
        async for page in self.pages(path, api):
            spooled_rows.add(page)
            page.clear()
        return spooled_rows

    async def post_query(self, body: Json, meter: ListMeter) -> Json:
        """Return the answer to a Resource Graph query, a page that `meter` counts. Raises ReadError."""
        for each in body.get("subscriptions", ()):
            self._refuse_foreign(f"/subscriptions/{each}", GRAPH)
        result = await self._answer(self.graph_request(body), LimitKey("", "", graph=True), GRAPH, meter)
        if not isinstance(result, dict):
            raise ReadError(GRAPH, 0, "BadJson", message="the response is not a JSON object")
        return result

    async def post_effective(self, path: str, seconds: float = EFFECTIVE_SECONDS) -> Json:
        """Return the effective rules at a path of `--effective`, all pages in one.

        Raises ReadError, with the code Timeout where a page takes longer than `seconds`.
        """
        if EFFECTIVE.fullmatch(path) is None:
            raise ReadError(path, 0, "OddId", message="the id is not one of a network interface or a network")
        url = self._url(path, EFFECTIVE_API, None)
        request, rows, meter = self._post(url, {}), [], ListMeter(path, self.limits)
        while True:
            body = await self._effective_page(request, path, seconds, meter)
            rows += body["value"]
            meter.add_rows(len(body["value"]))
            link, token = self._next(body, url, path), body.get("skipToken")
            if not link and not token:
                return {**body, "value": rows}
            if not link and not isinstance(token, str):
                raise ReadError(path, 200, "BadNextLink", message="the token of the next page is not a string")
            page = link or token
            meter.start_page(str(page))
            # azure-mgmt-network QueryRequestOptions: the token goes into the body of the next question.
            request = ArmRead("GET", link) if link else self._post(url, {"skipToken": token})

    async def _effective_page(self, request: ArmRead, path: str, seconds: float, meter: ListMeter) -> Json:
        """Return one page of effective rules, when Azure has worked it out."""
        key = self._limit_key(path, "", listing=False)
        ends = time.monotonic() + seconds
        while True:
            response = await self._send(request, key, path)
            if response.status_code != HTTPStatus.ACCEPTED:
                meter.add(len(response.content))
                return _decoded_effective(path, response, self.limits)
            where = _joined(self.cloud.arm, response.headers.get("Location", ""))
            if not where or origin(where) != self.cloud.host or where == self.cloud.arm:
                raise ReadError(path, 202, "ForeignLocation", message="the response has no link on the same host")
            if time.monotonic() >= ends:
                raise ReadError(path, 0, "Timeout", message="Azure did not finish the operation in time")
            wait = retry_after(response.headers)
            await asyncio.sleep(min(1.0 if wait is None else wait, 10.0, seconds))
            request = ArmRead("GET", where)

    @property
    def limits(self) -> Limits:
        """Return the limits of answers and lists."""
        return self.http.limits

    async def close(self) -> None:
        await self.clients.close()
        await self.tokens.close()
        await self.http.close()

    def _url(self, path: str, api: str, query: Mapping[str, str] | None) -> str:
        return f"{self.cloud.arm}{path}?{urlencode({**(query or {}), 'api-version': api}, safe='$,()')}"

    def _limit_key(self, path: str, region: str, *, listing: bool) -> LimitKey:
        segments = path.lower().split("/")
        provider = segments[len(segments) - segments[::-1].index("providers")] if "providers" in segments[:-1] else ""
        type = type_of(f"{path}/x" if listing else path).lower()
        return LimitKey(subscription_of(path), provider, region, listing, type=type)

    def _following(self, body: Any, url: str, path: str) -> str | ReadError:
        """Return what `_next` returns, or the error that it raises: the rows of the page come first."""
        try:
            return self._next(body, url, path)
        except ReadError as error:
            return error

    def _next(self, body: Any, url: str, path: str) -> str:
        """Return the URL of the next page, "" after the last. Raises ReadError where it leads to another host."""
        if not isinstance(body, dict):
            return ""
        link = next((body[key] for key in ("nextLink", "@nextLink", "@odata.nextLink") if body.get(key)), "")
        if not link:
            return ""
        if not isinstance(link, str):
            raise ReadError(
                path, 200, "BadNextLink", message="the link to the next page is not a string, so that page was not read"
            )
        if len(link) > LINK_BYTES:
            raise LimitReached(path, f"{LINK_BYTES >> 10} kB of a link to the next page")
        link = _joined(urljoin(self.cloud.arm, url), link)
        if not link or origin(link) != self.cloud.host:
            raise ReadError(path, 200, "ForeignNextLink", message="the next page is on another host and was not read")
        return link

    def graph_request(self, body: Json) -> ArmRead:
        """Return the request of a query of Resource Graph."""
        return self._post(f"{self.cloud.arm}{GRAPH}?api-version=2021-03-01", body)

    @staticmethod
    def _post(url: str, body: Json) -> ArmRead:
        return ArmRead("POST", url, msgspec.json.encode(body))

    async def _answer(self, request: ArmRead, key: LimitKey, path: str, meter: ListMeter | None) -> Any:
        """Return the JSON of an answer: that of the journal, or what Azure answers now."""
        replay, listing = self.replay, key.listing or key.graph
        if replay is None:
            return await self._decoded(request, key, path, meter)
        if replay.resumed:
            return await replay.answer(request, path, lambda: self._decoded(request, key, path, meter), listing=listing)
        try:
            body = await self._decoded(request, key, path, meter)
        except ReadError as error:
            replay.keep_if_none(request, error)
            raise
        return replay.keep(request, path, body, listing=listing)

    async def _object(self, url: str, key: LimitKey, path: str, meter: ListMeter | None = None) -> Any:
        return await self._answer(ArmRead("GET", url), key, path, meter)

    async def _decoded(self, request: ArmRead, key: LimitKey, path: str, meter: ListMeter | None = None) -> Any:
        """Return the JSON of an answer, counted by `meter`. An answer that does not decode is read once more."""
        for last in (False, True):
            response = await self._send(request, key, path)
            if response.status_code >= 300:
                raise read_error(path, response.status_code, response.content)
            if meter is not None:
                meter.add(len(response.content))
            self._collect_garbage(len(response.content))
            try:
                body = decode(response.content, path, self.limits)
            except (msgspec.DecodeError, UnicodeDecodeError):
                if last:
                    raise ReadError(path, 0, "BadJson", message="the response is not JSON") from None
                continue
            inside = error_inside(body)
            if inside is not None:
                raise ReadError(path, response.status_code, inside.code, message=inside.message)
            return body
        raise AssertionError("unreachable")

    def _collect_garbage(self, size: int) -> None:
        """Free the bodies of earlier answers before a body of this size is decoded.

        A resource and its bundle refer to each other, so that only the collector frees them. It counts objects, of
        which a large body may have few.
        """
        self._decoded_bytes += size
        if self._decoded_bytes > GARBAGE_BYTES:
            gc.collect()
            self._decoded_bytes = size

    def _refuse_foreign(self, target: str, path: str) -> None:
        """Raise ReadError for a path or URL in a subscription that another login reads."""
        if self.foreign and subscription_of(unquote(urlsplit(target).path)) in self.foreign:
            raise ReadError(path, 0, OTHER_TENANT, message="another login of this scan reads this subscription")

    async def _send(self, request: ArmRead, key: LimitKey, path: str) -> AsyncHttpResponse:
        """Return the answer to a read, also one that is an error. Raises ReadError and AccessError."""
        self._refuse_foreign(request.url, path)
        try:
            async with self.limiters.until_deadline(path):
                answer = await self.clients.send(request, key)
        except AccessError as ended:
            if self.answered:
                raise ReadError(path, 401, type(ended).__name__, message=ended.what) from ended
            raise
        except ReadError as lost:
            if not self.answered and lost.status == 0 and lost.code != DEADLINE:
                explained = await explain_failure(lost, self.cloud.arm)
                if explained is not None:
                    raise explained from lost
            raise
        self.answered = True
        return answer


def _joined(base: str, link: str) -> str:
    """Return a link as an https URL, "" where it is none: a broken IPv6 address, another scheme, a control character.

    A user name in it is refused too, because the client would send it in place of the token.
    """
    try:
        whole = urljoin(base, link.replace(" ", "%20"))
        split = urlsplit(whole)
        is_fine = split.scheme == "https" and split.username is None and split.port != 0
    except ValueError:
        return ""
    return whole if is_fine and whole.isprintable() and whole.isascii() else ""


def _decoded_effective(path: str, response: AsyncHttpResponse, limits: Limits) -> Json:
    if response.status_code >= 300:
        error = read_error(path, response.status_code, response.content)
        if error.action:
            word = path.rsplit("/", 1)[-1].lower()
            error.action = next(each for each in ACTIONS if each.lower().split("/")[2] == word)
        raise error
    try:
        body = decode(response.content, path, limits)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("value"), list):
        raise ReadError(path, 0, "BadJson", message="the response contains no effective rules")
    return body


def _rows(body: Any, path: str) -> list[Json]:
    """Return the resources of one page, in any of the forms of ARM's lists."""
    rows = body
    if isinstance(body, dict):
        rows = body.get("value")
        if rows is None and isinstance(body.get("id"), str):
            rows = [body]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ReadError(path, 0, "BadJson", message="the response is not a list of resources")
    return rows


def _total(body: Any) -> int:
    """Return how many rows a list counts itself, as `{"count": {"type": "Total", "value": 2}}`; 0 where it does not."""
    count = body.get("count") if isinstance(body, dict) else None
    value = count.get("value") if isinstance(count, dict) and count.get("type") == "Total" else None
    return value if isinstance(value, int) else 0


async def resolve_cloud(
    name: str,
    arm_endpoint: str,
    arm_audience: str,
    http: HttpSession,
    on_request: OnRequest = lambda method, path, status, milliseconds: None,
) -> Cloud:
    """Return the cloud of a name, or that of an ARM endpoint: a known one, else the one that it describes.

    Raises InputError, and an AccessError where the endpoint does not answer.
    """
    if not arm_endpoint:
        return cloud(name)
    arm = endpoint(arm_endpoint)
    known = known_at(arm)
    if known is not None and arm_audience:
        raise InputError(f"the audience of {arm} is known", at=f"--arm-audience {arm_audience}", do="leave it out")
    return known or described(arm, await _metadata(arm, http, on_request), arm_audience)


async def _metadata(arm: str, http: HttpSession, on_request: OnRequest) -> Any:
    """Return the metadata of an ARM endpoint, read without a token. Raises an AccessError where it does not answer."""
    url = arm + METADATA
    sent, status, text = time.perf_counter(), 0, ""
    try:
        async with asyncio.timeout(60):
            answer = await http.get(url)
        status = answer.status_code
        if status == 200:
            return decode(answer.content, METADATA, http.limits)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = "its metadata is not JSON"
    except LimitReached as error:
        text = error.message
    except Exception as error:
        explained = await explain_failure(error, url)
        if explained is None and not isinstance(error, OSError | aiohttp.ClientError):
            raise
        raise explained or AccessError(f"{urlsplit(url).hostname} did not answer: {error}", at=url) from error
    finally:
        on_request("GET", METADATA, status, (time.perf_counter() - sent) * 1000)
    raise AccessError(
        f"{urlsplit(url).hostname} is not an ARM endpoint: {text or f'status {status}'}",
        at=url,
        do="check --arm-endpoint",
    )
