"""Whoever reaches the broker ends no worker, makes no gap, and holds no scan up."""

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from scanner.azure.limits import SharedTurn
from scanner.config.settings import resolve
from scanner.errors import InputError
from scanner.fleet.broker import MOST_BYTES, QUEUE
from scanner.fleet.queue import QUERY_SECONDS, Queue, ShardMessage, graph_turn, open_broker, unprotected
from scanner.fleet.shard import MOST_AT_ONCE, MOST_ERRORS, MOST_LOST
from scanner.fleet.shard_store import ShardStore, new_run
from scanner.output.storage import Storage
from tests.azure.requests import S1
from tests.fleet.broker import wait_until
from tests.fleet.lab import Lab, meanwhile
from tests.terminals import twolocks

MOSTLY_WAITS = True
ENVELOPE = {"body": "W10=", "content-type": "application/json", "content-encoding": "utf-8", "properties": {}}
NONE_OF_OURS = [
    b"",
    b"\xff\xfe",
    b"{}",
    b"[]",
    b"null",
    b'"shard"',
    b"[" * 5000,
    b'{"task": "shard"}',
    json.dumps(ENVELOPE | {"headers": {"task": "twolocks.shard", "retries": 99}}).encode(),
    json.dumps(ENVELOPE | {"content-type": "application/x-python-serialize", "headers": ["x"]}).encode(),
    json.dumps({"task": "shard", "run": "r", "subscription": S1, "parts": "p", "retries": 99}).encode(),
    json.dumps({"task": "shard", "run": 1, "subscription": S1, "parts": "p"}).encode(),
    json.dumps({"task": "other", "run": "r", "subscription": S1, "parts": "p"}).encode(),
    gzip.compress(b"0" * 100),
]


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    made = redis.Redis.from_url(url)
    made.flushall()
    yield made
    made.flushall()


async def once(turn: SharedTurn) -> float:
    return await turn()


def queue_of(url: str, after: str = "1h") -> Queue:
    return Queue(open_broker(resolve("fleet worker", {"broker": url, "redeliver_after": after}, {}, use_file=False)))


def test_messages_that_are_none_are_dropped(url: str, client: redis.Redis) -> None:
    queue = queue_of(url)
    for each in NONE_OF_OURS:
        client.lpush(QUEUE, each)
    for each in NONE_OF_OURS:
        taken = queue.take()
        assert (taken.message, taken.delivery.body) == (None, each)
        queue.done(taken)
    assert queue.take().delivery.body is None
    assert client.zcard(f"{QUEUE}:taken") == 0


def test_a_large_message_is_not_fetched(url: str, client: redis.Redis) -> None:
    queue = queue_of(url)
    client.lpush(QUEUE, b"0" * (64 << 20), b"1" * (MOST_BYTES + 1))
    queue.send("r", S1, "p")
    client.zadd(f"{QUEUE}:taken", {b"2" * (MOST_BYTES + 1): 1})
    taken = queue.take()
    assert (taken.delivery.dropped, taken.message) == (2, ShardMessage("r", S1, "p"))
    assert client.zcard(f"{QUEUE}:taken") == 1


def test_a_counter_far_in_the_future_holds_nobody_up(url: str, client: redis.Redis) -> None:
    turn = graph_turn(queue_of(url).broker)
    assert turn is not None
    client.zadd(f"{QUEUE}:graph", {str(each): 10**15 for each in range(40)})
    assert asyncio.run(once(turn)) == 0
    client.set(f"{QUEUE}:graph", "x")
    assert asyncio.run(once(turn)) == 0
    now = int(time.time() * 1000)
    client.zadd(f"{QUEUE}:graph", {str(each): now for each in range(40)})
    assert 0 < asyncio.run(once(turn)) <= QUERY_SECONDS


def test_who_always_counts_holds_nobody_up_for_longer_than_a_minute(
    url: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.fleet.queue.LONGEST_WAIT", 0.2)
    turn = graph_turn(queue_of(url).broker)
    assert turn is not None

    async def asked() -> list[float]:
        result = []
        for _ in range(4):
            client.zadd(f"{QUEUE}:graph", {str(each): int(time.time() * 1000) for each in range(40)})
            result.append(await turn())
            await asyncio.sleep(0.15)
        return result

    waits = asyncio.run(asked())
    assert waits[0] > 0
    assert waits[-1] == 0


def test_keys_of_another_kind_are_replaced(url: str, client: redis.Redis) -> None:
    queue = queue_of(url)
    client.set(QUEUE, "x")
    client.set(f"{QUEUE}:taken", "x")
    assert queue.length() == 0
    queue.send("r", S1, "p")
    client.hset(f"{QUEUE}:other", "a", "b")
    assert queue.take().message == ShardMessage("r", S1, "p")


def test_what_was_taken_at_a_time_that_has_not_come_waits_again(url: str, client: redis.Redis) -> None:
    queue = queue_of(url)
    queue.send("r", S1, "p")
    body = queue.take().delivery.body
    assert body is not None
    assert queue.take().message is None
    client.zadd(f"{QUEUE}:taken", {body: 10**15})
    assert queue.take().message == ShardMessage("r", S1, "p")
    client.zadd(f"{QUEUE}:taken", {body: 1})
    assert queue.take().message == ShardMessage("r", S1, "p")


def test_no_message_makes_a_gap(lab: Lab, client: redis.Redis) -> None:
    """Messages of the real run with more than they may have, or thirty times: nothing is given up, and all is read."""
    whole = lab.scan(out="whole.json")

    def hostile() -> None:
        wait_until(lambda: lab.location.exists() and list(lab.location.glob("*/plan.json")))
        words = {"task": "shard", "run": lab.run.name, "subscription": S1, "parts": str(lab.location)}
        for _ in range(30):
            client.rpush(QUEUE, json.dumps(words))
        for more in ({"retries": 99}, {"subscription": "x"}, {"run": "../x"}, {"parts": "/"}, {"task": "range"}):
            client.rpush(QUEUE, json.dumps({**words, **more}))
        for each in NONE_OF_OURS:
            client.rpush(QUEUE, each)

    with lab.worker() as worker, meanwhile(hostile):
        ended = lab.spread()
        wait_until(lambda: not client.llen(QUEUE))
        assert worker.process.poll() is None
        assert worker.stop() == 0
    assert ended.code == whole.code, ended.err
    assert lab.found() == lab.found("whole.json")
    assert not (lab.run / "failed").exists()
    assert "is of another form" in worker.log


def test_attempts_are_counted_by_marks_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(resolve("fleet worker", {}, {}, use_file=False), asyncio.run)
    shards = ShardStore(storage, str(tmp_path), new_run())
    marks = [shards.note_start(S1, "w") for _ in range(5)]
    for mark in marks[:2]:
        shards.note_error(mark, "why")
    attempts = shards.attempts(S1, 3600)
    assert (attempts.errors, attempts.lost, attempts.under_way) == (2, 0, 3)
    later = time.time() + 4000
    monkeypatch.setattr(time, "time", lambda: later)
    attempts = shards.attempts(S1, 3600)
    assert (attempts.errors, attempts.lost, attempts.under_way) == (2, 3, 0)
    (tmp_path / shards.run / "started" / f"{S1}.zzzz").touch()
    assert shards.attempts(S1, 3600).lost == 4
    assert MOST_AT_ONCE < MOST_ERRORS < MOST_LOST


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a broker that takes connections and never answers."""
    with socket.socket() as result:
        result.bind(("127.0.0.1", 0))
        result.listen(50)
        yield f"redis://127.0.0.1:{result.getsockname()[1]}/0"


def test_a_deadline_holds_with_a_broker_that_never_answers(lab: Lab, silent: str) -> None:
    lab.url = silent
    ended = lab.spread("--deadline", "3s", "--fail-on", "never")
    assert ended.code == 3


def test_without_a_broker_the_scan_reads_by_itself(lab: Lab, silent: str) -> None:
    whole = lab.scan(out="whole.json")
    lab.url = silent
    ended = lab.spread()
    assert "this scan reads without workers: the broker does not answer" in ended.err
    assert ended.code == whole.code, ended.err
    assert lab.found() == lab.found("whole.json")


def test_messages_that_somebody_takes_away_make_no_gap(
    lab: Lab, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No worker has begun it, so the scan reads it in the end."""
    monkeypatch.setattr("scanner.fleet.coordinator.GRACE", 0.2)
    whole, over = lab.scan(out="whole.json"), threading.Event()

    def hostile() -> None:
        while not over.wait(0.05):
            client.delete(QUEUE)

    with meanwhile(hostile):
        ended = lab.spread()
        over.set()
    assert ended.code == whole.code, ended.err
    assert lab.found() == lab.found("whole.json")
    assert "is read by this scan, because no worker has begun it" in ended.err


def test_a_place_that_others_can_write_is_refused(lab: Lab) -> None:
    for mode, how in ((0o777, "others can write it"), (0o770, "others can write it")):
        lab.location.mkdir(exist_ok=True)
        lab.location.chmod(mode)
        ended = lab.parted()
        assert (ended.code, how in ended.err) == (2, True), ended.err
    lab.location.chmod(0o700)
    ended = lab.parted()
    assert [oct(each.stat().st_mode & 0o777) for each in (lab.run, lab.run / "parts")] == ["0o700", "0o700"]
    lab.run.chmod(0o777)
    for words in (("--resume", lab.run.name),):
        ended = lab.parted(*words)
        assert (ended.code, "others can write it" in ended.err) == (2, True), ended.err
    lab.run.chmod(0o700)
    moved = lab.location.rename(lab.folder / "elsewhere")
    lab.location.symlink_to(moved)
    ended = lab.parted()
    assert (ended.code, "it is a link" in ended.err) == (2, True), ended.err


def test_a_worker_uses_no_place_that_others_can_write(lab: Lab, client: redis.Redis) -> None:
    lab.location.mkdir(mode=0o777)
    lab.location.chmod(0o777)
    queue_of(lab.url).send(new_run(), S1, str(lab.location))
    with lab.worker() as worker:
        wait_until(lambda: "others can write it" in worker.log)
        assert worker.stop() == 0


def test_errors_of_a_broker_are_input_errors() -> None:
    for url in ("redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"):
        with pytest.raises(InputError, match="the broker does not answer") as raised:
            queue_of(url).length()
        assert raised.value.at == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://broker:6379/0", "no TLS and no password: any client that reaches it can take its messages"),
        ("amqp://10.0.0.4//", "no TLS and no password"),
        ("redis://:hemmelig@broker/0", "no TLS: the network can read the password"),
        ("amqp://me:hemmelig@[fd00::1]//", "no TLS: the network"),
        ("rediss://broker", "no password: any client that reaches it"),
        ("rediss://:hemmelig@broker", ""),
        ("amqps://me:hemmelig@broker", ""),
        *((f"redis://{host}/0", "") for host in ("localhost", "127.0.0.1", "127.8.0.1:6380", "[::1]")),
        ("redis://localhost.example/0", "no TLS and no password"),
    ],
)
def test_what_a_broker_on_another_machine_lacks_is_told(url: str, expected: str) -> None:
    value = unprotected(resolve("fleet worker", {}, {"TWOLOCKS_FLEET_BROKER": url}, use_file=False))
    assert expected in value
    assert bool(expected) == bool(value)
    assert "hemmelig" not in value


def test_a_worker_tells_what_its_broker_lacks(tmp_path: Path) -> None:
    env = {"TWOLOCKS_FLEET_BROKER": "redis://broker.invalid/0"}
    ended = twolocks("fleet", "worker", "--parts", tmp_path / "parts", env=env)
    assert (ended.code, "has no TLS and no password" in ended.err) == (2, True), ended.err
