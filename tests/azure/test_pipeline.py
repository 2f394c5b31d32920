"""What leaves, what never leaves, and what comes back in odd forms: real clients, a real socket."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from scanner.azure.arm import ArmClient
from scanner.azure.clients import AzureReader, ConnectionOptions
from scanner.azure.clouds import CLOUDS
from scanner.azure.errors import ReadError
from scanner.azure.limits import LimitKey
from scanner.azure.pipeline import ArmRead, Guards, NotARead
from scanner.errors import InputError
from scanner.sandbox.faults import Fault
from scanner.sandbox.server import Sandbox
from scanner.sandbox.throttle import ThrottleLimits
from tests.azure.requests import (
    ESTATE,
    PLAN,
    S1,
    SITE,
    Json,
    account,
    box,
    quickly,
    reading,
    repeated,
    resource,
    scan,
    scanned,
)

MOSTLY_WAITS = True
LIST = f"/subscriptions/{S1}/providers/Microsoft.Storage/storageAccounts"
API = "2025-06-01"
ROW = {"id": ESTATE[0]["id"], "name": "st0"}


def arm_of(reader: AzureReader) -> ArmClient:
    return reader._arm


def tape(*bodies: Any, path: str = LIST) -> Sandbox:
    """A sandbox that answers a path with each of these in turn; a tuple is a status, headers and a body."""
    exchanges = []
    for body in bodies:
        status, headers, content = body if isinstance(body, tuple) else (200, {}, body)
        kind = {"body_kind": "empty"} if content is None else {"body_kind": "text"} if isinstance(content, str) else {}
        url = f"{path}?api-version={API}"
        exchanges.append({"method": "GET", "url": url, "status": status, "headers": headers, "body": content, **kind})
    return Sandbox.from_exchanges(exchanges)


async def rows(reader: AzureReader, path: str = LIST) -> list[Json]:
    return [row async for page in reader.pages(path, API) for row in page]


def listed(running: Sandbox) -> list[Json]:
    return reading(running, rows)


# Read-only


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST", "OPTIONS"])
def test_nothing_but_reads_leaves(method: str) -> None:
    async def read(reader: AzureReader) -> None:
        arm = arm_of(reader)
        for path in (
            ESTATE[0]["id"],
            f"{ESTATE[0]['id']}/listKeys",
            "/providers/Microsoft.ResourceGraph/resourcesHistory",
        ):
            url = f"{arm.cloud.arm}{path}?api-version={API}"
            with pytest.raises(NotARead):
                await arm._send(ArmRead(method, url), LimitKey(S1, "microsoft.storage"), path)

    running = box()
    reading(running, read)
    assert {request.method for request in running.requests if "/oauth2/" not in request.path} <= {"GET"}
    assert not [request for request in running.requests if ESTATE[0]["id"] in request.path]


def test_the_query_of_resource_graph_is_the_one_post() -> None:
    async def read(reader: AzureReader) -> list[Json]:
        return list(await reader.query("resources | where type =~ 'microsoft.web/sites' | order by id asc", [S1]))

    assert [row["name"] for row in reading(box(), read)] == ["app"]


def test_a_token_is_sent_to_no_other_host() -> None:
    async def read(reader: AzureReader) -> None:
        reader._arm.limiters.sleep = quickly
        for url in (
            "https://127.0.0.1:1/x",
            "https://evil.example/subscriptions",
            reader._arm.cloud.arm.replace("https", "http"),
        ):
            for method in ("GET", "POST"):
                with pytest.raises((NotARead, ReadError)):
                    await arm_of(reader)._send(ArmRead(method, url), LimitKey(S1, ""), "/x")

    running = box()
    reading(running, read)
    assert not [request for request in running.requests if request.path == "/x"]


ARM = "https://management.azure.com"


def checked(method: str, url: str, *, effective: bool = False) -> str:
    none: Any = None
    return Guards(CLOUDS["public"], none, none, none, none, effective)._checked(method, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://management.azure.com.evil.example/x",
        "https://management.azure.com@evil.example/x",
        "https://management.azure.com:443@evil.example/x",
        "https://management.azure.com\\@evil.example/x",
        "https://management.azure.comx/x",
        "https://management.azure.com:8443/x",
        "https://evil.example/https://management.azure.com/x",
        "http://management.azure.com/x",
        "//management.azure.com/x",
        " https://management.azure.com.evil.example/x",
        "/subscriptions",
        "",
    ],
)
def test_what_is_not_arm_is_refused_before_it_is_sent(url: str) -> None:
    for method in ("GET", "POST"):
        with pytest.raises(NotARead):
            checked(method, url)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (f"{ARM}/subscriptions?api-version=1#x", "/subscriptions?api-version=1"),
        (f"{ARM}:443/subscriptions", "/subscriptions"),
        ("HTTPS://Management.Azure.Com/subscriptions?a=b", "/subscriptions?a=b"),
        (f"{ARM}//evil.example/x", "//evil.example/x"),
    ],
)
def test_what_is_arm_is_sent_there(url: str, target: str) -> None:
    assert (URL(url).scheme, URL(url).host, URL(url).port) == ("https", "management.azure.com", 443)
    assert checked("GET", url) == checked("HEAD", url) == target
    for method in ("POST", "PUT", "DELETE", "get", ""):
        with pytest.raises(NotARead):
            checked(method, url)


@pytest.mark.parametrize(
    "host", ["https://evil.example", "http://127.0.0.1:{port}", "https://127.0.0.1.evil.example", "//evil.example"]
)
def test_a_next_link_to_another_host_is_not_followed(host: str) -> None:
    async def read(reader: AzureReader) -> str:
        with pytest.raises(ReadError) as raised:
            await rows(reader)
        return raised.value.code

    running = tape({"value": [ROW], "nextLink": f"{host.format(port=1)}{LIST}?token"})
    assert reading(running, read) == "ForeignNextLink"


def test_a_redirect_is_not_followed() -> None:
    async def read(reader: AzureReader) -> int:
        with pytest.raises(ReadError) as raised:
            await rows(reader)
        return raised.value.status

    assert reading(tape((302, {"Location": "https://evil.example/"}, None)), read) == 302


def test_no_provider_is_registered() -> None:
    async def read(reader: AzureReader) -> str:
        with pytest.raises(ReadError) as raised:
            await rows(reader)
        return raised.value.code

    running = box(unregistered={S1: ["Microsoft.Storage"]})
    assert reading(running, read) == "MissingSubscriptionRegistration"
    assert not [request for request in running.requests if "register" in request.path]


# Lists in odd forms


@pytest.mark.parametrize("end", [{}, {"nextLink": None}, {"nextLink": ""}, {"@nextLink": None}])
def test_the_end_of_a_list(end: Json) -> None:
    assert listed(tape({"value": [ROW], **end})) == [ROW]


def test_a_next_link_that_is_no_text_does_not_end_the_list() -> None:
    async def read(reader: AzureReader) -> str:
        with pytest.raises(ReadError) as raised:
            await rows(reader)
        return raised.value.code

    assert reading(tape({"value": [ROW], "nextLink": 7}), read) == "BadNextLink"


@pytest.mark.parametrize("key", ["nextLink", "@nextLink", "@odata.nextLink"])
@pytest.mark.parametrize(
    "link", ["https://management.azure.com:443{path}", "{path}", "https://management.azure.com{path}"]
)
def test_a_next_link(key: str, link: str) -> None:
    following = f"{LIST}?api-version={API}&$skiptoken=a b"
    exchanges = [
        {
            "method": "GET",
            "url": f"{LIST}?api-version={API}",
            "status": 200,
            "body": {"value": [], key: link.format(path=following)},
        },
        {"method": "GET", "url": following.replace(" ", "%20"), "status": 200, "body": {"value": [ROW]}},
    ]
    assert listed(Sandbox.from_exchanges(exchanges)) == [ROW]


def test_a_list_that_names_itself_as_its_next_page_ends() -> None:
    async def read(reader: AzureReader) -> str:
        with pytest.raises(ReadError) as raised:
            await rows(reader)
        return raised.value.code

    running = tape({"value": [ROW], "nextLink": f"https://management.azure.com{LIST}?api-version={API}"})
    assert reading(running, read) == "EndlessList"
    assert sum(request.path == LIST for request in running.requests) == 1


def test_a_bare_array_and_a_single_object_are_lists() -> None:
    assert listed(tape([ROW])) == [ROW]
    assert listed(tape(ROW)) == [ROW]


@pytest.mark.parametrize(
    "body", [{}, {"value": None}, {"value": ["a"]}, {"value": {}}, "nonsense", None, '"text"', "true"]
)
def test_what_is_no_list_is_a_gap(body: Any) -> None:
    async def read(reader: AzureReader) -> tuple[int, str]:
        with pytest.raises(ReadError) as raised:
            await rows(reader)
        return raised.value.status, raised.value.code

    assert reading(tape(body), read) == (0, "BadJson")


def test_an_error_inside_a_200_is_an_error() -> None:
    async def read(reader: AzureReader) -> str:
        with pytest.raises(ReadError) as raised:
            await rows(reader)
        return raised.value.code

    assert reading(tape({"error": {"code": "Broken", "message": "m"}}), read) == "Broken"


def test_an_answer_that_does_not_decode_is_read_once_more() -> None:
    assert listed(tape("{", {"value": [ROW]})) == [ROW]


def test_numbers_and_unknown_members_are_kept_as_they_are() -> None:
    body = {"value": [{**ROW, "properties": {"Odd": 12345678901234567890, "n": None}}], "count": 1}
    assert listed(tape(body)) == body["value"]


# Trying again, and its end


def failed(running: Sandbox, path: str = LIST) -> ReadError:
    async def read(reader: AzureReader) -> ReadError:
        reader._arm.limiters.sleep = quickly
        with pytest.raises(ReadError) as raised:
            await rows(reader, path)
        return raised.value

    return reading(running, read)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(status: int) -> None:
    running = box(faults=[Fault("status", LIST, status=status, times=1)])
    assert len(listed(running)) == 3


@pytest.mark.parametrize("kind", ["html", "empty", "status"])
def test_a_lasting_failure_ends(kind: str) -> None:
    running = box(faults=[Fault(kind, LIST, status=503, code="ServiceUnavailable")])  # type: ignore[arg-type]
    error = failed(running)
    assert (error.status, error.code) == (503, "ServiceUnavailable")
    assert sum(request.path == LIST for request in running.requests) == 4


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 412])
def test_a_refusal_is_not_tried_again(status: int) -> None:
    running = box(faults=[Fault("status", LIST, status=status, code="No")])
    assert failed(running).status == status
    assert sum(request.path == LIST for request in running.requests) == 1


def test_a_429_that_says_when_is_waited_for() -> None:
    running = box(faults=[Fault("throttle", LIST, retry_after=1, times=2)])
    assert len(listed(running)) == 3


def test_a_429_that_does_not_say_when_is_the_requests_own() -> None:
    """A Functions host that is dead answers so; the others in its bucket go on."""
    running = box(faults=[Fault("throttle", f"{SITE['id']}/config/web")])
    result = scanned(running, fast=True)
    assert list(result.gaps) == [f"{SITE['id']}/config/web"]
    assert result.gaps[f"{SITE['id']}/config/web"]["status"] == 429


def test_a_429_beyond_the_budget_is_a_gap_and_no_hang() -> None:
    running = box(faults=[Fault("throttle", LIST, retry_after=3600)])
    error = failed(running)
    assert (error.status, error.code) == (429, "TooManyRequests")
    assert sum(request.path == LIST for request in running.requests) == 1


def test_what_waits_for_a_bucket_that_was_given_up_is_a_gap_too() -> None:
    running = box(faults=[Fault("throttle", "*/Microsoft.Web/sites/app/*", retry_after=3600)])
    result = scanned(running)
    assert {gap["status"] for gap in result.gaps.values()} == {429}
    assert ESTATE[0]["id"] in result.resources, "other buckets go on"
    assert sum("/Microsoft.Web/sites/app/" in request.path for request in running.requests) <= 3


def test_random_refusals_change_nothing_in_the_end() -> None:
    running = box(faults=[Fault("throttle", "/subscriptions/*", chance=0.2, retry_after=0.05)], seed=7)
    assert set(scanned(running).resources) == set(scanned(box()).resources)
    assert any(request.status == 429 for request in running.requests)


def test_the_limits_of_arm_are_kept_without_one_refusal() -> None:
    estate = [row for number in range(40) for row in account(f"x{number:02}")]
    throttling = ThrottleLimits(reads=40, reads_a_second=100)
    free = box(estate, limits=ThrottleLimits())
    scanned(free)
    assert not [request for request in free.requests if request.status == 429]
    tight = box(estate, limits=throttling)
    result = scanned(tight)
    assert not result.gaps, "what was refused was learnt from headers and Retry-After"
    assert len(result.resources) == len(estate)


def test_lists_below_accounts_wait_where_azure_counts_them() -> None:
    estate = [row for number in range(30) for row in account(f"x{number:02}")]
    tight = box(estate, limits=ThrottleLimits(storage_lists=10, storage_seconds=0.5))
    result = scanned(tight)
    assert any(request.status == 429 for request in tight.requests)
    assert not result.gaps
    assert len(result.resources) == len(estate)


def test_storage_lists_wait_and_progress_says_so() -> None:
    estate = [row for number in range(104) for row in account(f"x{number:03}")]

    received: list[tuple[str, float]] = []

    async def main() -> list[tuple[str, float]]:
        reported = asyncio.Event()

        def hear(what: str, seconds: float) -> None:
            received.append((what, seconds))
            reported.set()

        async with box(estate, limits=ThrottleLimits(reads=10_000)) as running:
            task = asyncio.create_task(scan(running, reported=hear))
            await asyncio.wait_for(reported.wait(), 20)
            task.cancel()
        return received

    (what, seconds), *_ = asyncio.run(main())
    assert what == "storage lists (100 in 5 minutes), prod norwayeast"
    assert 100 < seconds <= 300


def test_an_expired_token_is_renewed() -> None:
    running = box()

    async def read(reader: AzureReader) -> int:
        first = len(await rows(reader))
        for token in running.entra.tokens.values():
            token.expires = 0  # type: ignore[misc]
        return first + len(
            [
                row
                async for page in reader.pages(f"{ESTATE[0]['id']}/blobServices/default/containers", API)
                for row in page
            ]
        )

    running.entra.tokens = _Ageing()
    assert reading(running, read) == 5


class _Ageing(dict[str, Any]):
    """Tokens whose end can be set."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, _Token(value.tenant, value.expires))


class _Token:
    def __init__(self, tenant: str, expires: float) -> None:
        self.tenant = tenant
        self.expires = expires


# Record


def test_the_record_holds_every_request_and_no_token(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    running = box()
    scanned(running, way=ConnectionOptions(arm_endpoint="", auth="environment", record=path), plan=PLAN)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(set(line) == {"method", "path", "status", "ms"} for line in lines)
    sent = sorted((r.method, r.url) for r in running.requests if "/oauth2/" not in r.path)
    assert sorted((line["method"], line["path"]) for line in lines) == sent
    assert all(token not in path.read_text() for token in running.entra.tokens)
    assert repeated(running) == []


def test_a_record_that_cannot_be_written() -> None:
    with pytest.raises(InputError, match="cannot be written"):
        scanned(box(), way=ConnectionOptions(arm_endpoint="", auth="environment", record=Path("/nowhere/at/all.jsonl")))


def test_connections_stay_alive() -> None:
    estate: Sequence[Json] = [row for number in range(200) for row in account(f"k{number:03}", anonymous=False)]
    running = box(estate)
    connections: set[int] = set()
    handle = running._handle

    async def counting(request: Any) -> Any:
        connections.add(id(request.transport))
        return await handle(request)

    running._handle = counting  # type: ignore[method-assign]
    scanned(running)
    assert len(running.requests) > 200
    assert len(connections) <= 66


def test_a_huge_page_of_resource_graph_is_asked_for_in_halves() -> None:
    estate = [
        resource("Microsoft.Network/virtualNetworks", f"v{n:04}", properties={"pad": "x" * 500}) for n in range(120)
    ]
    running = box(estate, payload=60_000)
    result = scanned(running)
    assert len(result.resources) == 120
    assert not result.skips
    assert repeated(running) == []
