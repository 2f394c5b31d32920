"""What Azure does not answer: a second request is sent next to the first, and both end. No time is asserted."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from scanner.azure import pipeline, second_requests, transport
from scanner.azure.clients import AzureReader
from scanner.azure.errors import ReadError
from scanner.azure.limits import SILENT, LimitKey
from scanner.sandbox.faults import Fault
from scanner.sandbox.server import Sandbox
from tests.azure.requests import S1, Json, account, box, quickly, reading

MOSTLY_WAITS = True
T = TypeVar("T")
API = "2025-06-01"
LIST = f"/subscriptions/{S1}/providers/Microsoft.Storage/storageAccounts"
ACCOUNTS = [row for number in range(20) for row in account(f"x{number:02}")]
BLOBS = "*/blobServices/default"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second request after 0.5 s, and the end after 2.5."""
    monkeypatch.setattr(transport, "LATE_SECONDS", 0.5)
    monkeypatch.setattr(transport, "READ_SECONDS", 2.5)


def arrived(running: Sandbox) -> int:
    """How many requests a fault hit."""
    return sum(running.faults.hits.values())


def run(running: Sandbox, read: Callable[[AzureReader], Awaitable[T]]) -> T:
    async def fast(reader: AzureReader) -> T:
        reader._arm.limiters.sleep = quickly
        await reader.subscriptions()  # A first read without an answer ends the scan.
        return await read(reader)

    return reading(running, fast)


async def rows(reader: AzureReader) -> list[Json]:
    return [row async for page in reader.pages(LIST, API) for row in page]


async def lost(reader: AzureReader) -> ReadError:
    with pytest.raises(ReadError) as raised:
        await rows(reader)
    return raised.value


def blob(number: int) -> str:
    """The path of the blob service of an account."""
    return f"{ACCOUNTS[number * 4]['id']}/blobServices/default"


async def read_blobs(reader: AzureReader, *numbers: int) -> list[object]:
    """What each of these reads gave, made at once."""
    made = (reader.get(blob(number), API, "norwayeast") for number in numbers)
    return await asyncio.gather(*made, return_exceptions=True)


def test_a_second_request_gets_what_the_first_does_not() -> None:
    running = box(faults=[Fault("slow", LIST, seconds=30, times=1)])
    assert len(run(running, rows)) == 3
    assert sum(request.path == LIST for request in running.requests) == 1, "the first one is still not answered"


def test_an_answer_that_comes_before_that_of_the_second_request_counts() -> None:
    running = box(faults=[Fault("slow", LIST, seconds=1.5, times=1), Fault("slow", LIST, seconds=30)])
    assert len(run(running, rows)) == 3
    assert arrived(running) == 2


def test_a_failure_of_the_second_request_ends_nothing() -> None:
    running = box(faults=[Fault("slow", LIST, seconds=1.5, times=1), Fault("status", LIST, status=500)])
    assert len(run(running, rows)) == 3
    assert arrived(running) == 2


def test_what_is_answered_in_time_is_sent_once() -> None:
    running = box(faults=[Fault("slow", LIST, seconds=0.01)])
    assert len(run(running, rows)) == 3
    assert arrived(running) == 1


def test_two_requests_without_an_answer_are_a_gap_and_not_sent_again() -> None:
    running = box(faults=[Fault("slow", LIST, seconds=30)])
    error = run(running, lost)
    assert (error.status, error.code) == (0, "Timeout")
    assert arrived(running) == 2


def test_a_504_that_comes_late_is_final() -> None:
    running = box(faults=[Fault("status", LIST, status=504, seconds=1.5)])
    assert run(running, lost).status == 504
    assert arrived(running) == 2


def test_a_504_that_comes_soon_is_tried_again() -> None:
    running = box(faults=[Fault("status", LIST, status=504, times=2)])
    assert len(run(running, rows)) == 3


def test_the_limits_count_both_requests() -> None:
    async def read(reader: AzureReader) -> tuple[int, int]:
        await rows(reader)
        widest = reader._arm.limiters.of(LimitKey(S1, "microsoft.storage"))[0]
        return widest.sent, widest.ended

    assert run(box(), read) == (1, 1)
    assert run(box(faults=[Fault("slow", LIST, seconds=30, times=1)]), read) == (2, 2)


def test_a_second_request_waits_for_its_turn() -> None:
    """The limit allows none while the first one waits, so that none is sent."""

    async def read(reader: AzureReader) -> None:
        limiters = reader._arm.limiters.of(LimitKey(S1, "microsoft.storage", listing=True, type="x"))
        limiters[0].spacing = 1000.0
        reader._arm.limiters.sleep = asyncio.sleep
        await rows(reader)

    running = box(faults=[Fault("slow", LIST, seconds=1.5)])
    reading(running, read)
    assert arrived(running) == 1


def test_few_second_requests_are_under_way_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_requests, "MOST", 3)
    running = box(ACCOUNTS, faults=[Fault("slow", BLOBS, seconds=1.5)])
    results = run(running, lambda reader: read_blobs(reader, *range(20)))
    assert all(isinstance(each, dict) for each in results)
    assert arrived(running) == 23


def test_reads_of_a_service_that_answers_none_are_not_sent() -> None:
    async def read(reader: AzureReader) -> list[object]:
        await read_blobs(reader, *range(SILENT))
        return await read_blobs(reader, SILENT)

    running = box(ACCOUNTS, faults=[Fault("slow", BLOBS, seconds=30)])
    (error,) = run(running, read)
    assert isinstance(error, ReadError)
    assert (error.status, error.code) == (0, "Timeout")
    assert arrived(running) == 2 * SILENT


def test_all_reads_but_one_wait_while_a_service_is_late_to_answer_several() -> None:
    """It answers in the end, and so all reads are made."""

    async def read(reader: AzureReader) -> list[object]:
        async def later() -> list[object]:
            await asyncio.sleep(1)
            made = asyncio.ensure_future(read_blobs(reader, *range(SILENT, SILENT + 4)))
            await asyncio.sleep(0.3)
            hits.append(arrived(running))
            return await made

        first, last = await asyncio.gather(read_blobs(reader, *range(SILENT)), later())
        return [*first, *last]

    hits: list[int] = []
    running = box(ACCOUNTS, faults=[Fault("slow", BLOBS, seconds=2)])
    assert all(isinstance(each, dict) for each in run(running, read))
    assert hits == [2 * SILENT + 1]


def test_a_read_after_one_without_an_answer_has_no_second_request() -> None:
    async def read(reader: AzureReader) -> list[object]:
        return [*await read_blobs(reader, 0), *await read_blobs(reader, 1)]

    running = box(ACCOUNTS, faults=[Fault("slow", BLOBS, seconds=30)])
    errors = run(running, read)
    assert [getattr(each, "code", None) for each in errors] == ["Timeout", "Timeout"]
    assert arrived(running) == 3


def test_a_service_that_answers_others_is_asked_on() -> None:
    async def read(reader: AzureReader) -> list[object]:
        async def other() -> None:
            await asyncio.sleep(1)
            await read_blobs(reader, 9)

        await asyncio.gather(read_blobs(reader, *range(SILENT)), other())
        return await read_blobs(reader, 10)

    faults = [Fault("slow", blob(number), seconds=30) for number in range(SILENT)]
    (body,) = run(box(ACCOUNTS, faults=faults), read)
    assert isinstance(body, dict)


def test_a_failure_that_is_answered_is_no_silence() -> None:
    async def read(reader: AzureReader) -> list[object]:
        await read_blobs(reader, *range(2 * SILENT))
        return await read_blobs(reader, 10)

    faults = [Fault("status", blob(number), status=503) for number in range(2 * SILENT)]
    (body,) = run(box(ACCOUNTS, faults=faults), read)
    assert isinstance(body, dict)


def test_a_read_that_arrives_byte_by_byte_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "ALL_SECONDS", 0.2)
    running = box(faults=[Fault("slow", LIST, seconds=30)])
    assert run(running, lost).code == "Timeout"


@pytest.mark.parametrize(("first", "most", "sent"), [(2, 5, 5), (2, 2, 2), (3, 100, 8)])
def test_a_request_that_waits_for_long_allows_one_more(
    monkeypatch: pytest.MonkeyPatch, first: int, most: int, sent: int
) -> None:
    monkeypatch.setattr(pipeline, "FIRST_REQUESTS", first)
    monkeypatch.setattr(pipeline, "MAX_REQUESTS", most)
    monkeypatch.setattr(pipeline, "WAIT_SECONDS", 0.01)

    async def main() -> int:
        slots, under_way = pipeline.RequestSlots(), list[int]()
        enough, end = asyncio.Event(), asyncio.Event()

        async def request() -> None:
            async with slots:
                under_way.append(1)
                if len(under_way) == sent:
                    enough.set()
                await end.wait()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(request())
            await asyncio.sleep(0)
            assert len(under_way) == first, "none waited for long"
            await enough.wait()
            await asyncio.sleep(0.05)
            reached = len(under_way)
            end.set()
        return reached

    assert asyncio.run(main()) == sent


def test_what_waits_for_a_moment_allows_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "FIRST_REQUESTS", 2)

    async def main() -> int:
        slots, under_way, most = pipeline.RequestSlots(), [0], [0]

        async def request() -> None:
            async with slots:
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
                await asyncio.sleep(0)
                under_way[0] -= 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(request())
        return most[0]

    assert asyncio.run(main()) == 2
