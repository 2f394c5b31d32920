"""What somebody does who reaches the broker of a scan that is spread: he speaks Redis, and knows how messages look."""

import base64
import json
import socket
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis

from scanner.sandbox.server import Sandbox, running
from tests.attacks.lab import OPEN, SUB, SUBSCRIPTION, Lab, Outcome, attack
from tests.fleet.broker import broker
from tests.fleet.rabbit import Message, headers, nested, rabbit
from tests.processes import Started

QUEUE = "twolocks"
LIMIT = 45.0
"""The seconds that a scan of one subscription may take. It takes ten where nobody disturbs it."""
TESTS = "fleet/test_hostile_broker.py::"
RABBIT = "fleet/test_hostile_rabbit.py::"


def envelope(kwargs: object, *, body: bytes | None = None, **headers: object) -> bytes:
    """Return a message as Celery puts it into a list of Redis."""
    text = json.dumps([[], kwargs, {}]).encode() if body is None else body
    id = str(uuid4())
    properties = {
        "correlation_id": id,
        "delivery_mode": 2,
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": id,
        "delivery_info": {"exchange": "", "routing_key": QUEUE},
    }
    made = {
        "body": base64.b64encode(text).decode(),
        "content-encoding": "utf-8",
        "content-type": headers.pop("content_type", "application/json"),
        "headers": {"lang": "py", "task": "twolocks.shard", "id": id, "retries": 0, **headers},
        "properties": properties,
    }
    return json.dumps(made).encode()


class Fleet:
    """A scan that is spread, its broker and its place. Processes end with it."""

    def __init__(self, lab: Lab, folder: Path, url: str, env: dict[str, str]) -> None:
        self.lab, self.folder, self.url, self.env = lab, folder, url, env
        self.redis = redis.Redis.from_url(url)
        self.started: list[Started] = []

    def begin(self, *words: str, is_new: bool = False) -> Started:
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            given = (*words, "--broker", self.url, "--parts", "parts")
            made = self.lab.start(self.folder, *given, env=self.env, is_new=is_new, stdout=log, stderr=log)
        self.started.append(made)
        return made

    def scan(self, *words: str) -> Started:
        return self.begin(
            "scan", "--only", "storage-shared-key-enabled", "--fail-on", "never", "--out", "f.json", *words
        )

    def worker(self, *, is_new: bool = False) -> Started:
        return self.begin("fleet", "worker", is_new=is_new)

    def run(self) -> str:
        """Return the id of the run, when it is planned."""
        until = time.monotonic() + LIMIT
        while time.monotonic() < until:
            for path in self.folder.glob("parts/*/plan.json"):
                return path.parent.name
            time.sleep(0.1)
        raise AssertionError("no run was planned")

    def document(self) -> Any:
        return json.loads((self.folder / "f.json").read_bytes())


@contextmanager
def fleet(lab: Lab, name: str) -> Iterator[Fleet]:
    folder = lab.folder(name)
    with broker(folder.parent) as url, running(Sandbox([OPEN], [SUBSCRIPTION])) as box:
        made = Fleet(lab, folder, url, box.environment())
        try:
            yield made
        finally:
            for each in made.started:
                each.kill()
                each.wait()


def ended(process: Started, seconds: float = LIMIT) -> int | None:
    """Return the exit code of a process; None where it goes on."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def memory(process: Started) -> int:
    """Return the most MB that a process has had."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


def _worker_gets(lab: Lab, name: str, *messages: bytes) -> Outcome:
    """Give messages to a worker, to which the broker delivers again what it did not finish, and start it twice."""
    with fleet(lab, name) as made:
        for each in messages:
            made.redis.lpush(QUEUE, each)
        codes = [ended(made.worker(), 8) for _ in range(2)]
    fell = any(code is not None for code in codes)
    return Outcome(codes[-1], fell, "each worker ended" if fell else "dropped, and the workers go on")


@attack(4, "message without properties", f"{TESTS}test_messages_that_are_none_are_dropped")
def without_properties(lab: Lab) -> Outcome:
    return _worker_gets(lab, "properties", b'{"body": "", "headers": {}}', b'{"body": "", "headers": {}}')


@attack(4, "message of another content type and body", f"{TESTS}test_messages_that_are_none_are_dropped")
def other_content(lab: Lab) -> Outcome:
    odd = json.loads(envelope({}, content_type="application/x-python-serialize", body=b"\x80\x04."))
    odd["headers"] = ["retries"]
    return _worker_gets(lab, "content", envelope({}, body=b"[]"), json.dumps(odd).encode())


@attack(4, "message that is compressed", f"{TESTS}test_a_large_message_is_not_fetched")
def compressed(lab: Lab) -> Outcome:
    """300 MB in 300 kB."""
    body = zlib.compress(bytes(300 << 20), 6)
    with fleet(lab, "compressed") as made:
        made.redis.lpush(QUEUE, envelope({}, body=body, compression="application/x-gzip"))
        process = made.worker(is_new=True)
        code = ended(process, 8)
        most = memory(process) if code is None else 0
    fell = code is not None or most > 300
    return Outcome(code, fell, "it was unpacked" if fell else "it was dropped as it is")


@attack(4, "counter of queries far in the future", f"{TESTS}test_a_counter_far_in_the_future_holds_nobody_up")
def far_counter(lab: Lab) -> Outcome:
    with fleet(lab, "counter") as made:
        made.redis.zadd(f"{QUEUE}:graph", {str(each): 10**15 for each in range(30)})
        made.worker()
        code = ended(made.scan())
    return Outcome(code, code is None, "the scan waits for ever" if code is None else "the scan ended")


@attack(4, "counter of queries that is a text", f"{TESTS}test_a_counter_far_in_the_future_holds_nobody_up")
def text_counter(lab: Lab) -> Outcome:
    with fleet(lab, "text") as made:
        made.redis.set(f"{QUEUE}:graph", "x")
        made.worker()
        code = ended(made.scan())
    return Outcome(code, code not in (0, 3), "the scan was stopped" if code not in (0, 3) else "the scan ended")


@attack(4, "message that was tried 99 times", f"{TESTS}test_no_message_makes_a_gap")
def tried(lab: Lab) -> Outcome:
    with fleet(lab, "tried") as made:
        process = made.scan()
        run = made.run()
        parts = str(made.folder / "parts")
        words = {"run": run, "subscription": SUB, "parts": parts}
        made.redis.delete(QUEUE)
        for kwargs in (words, {**words, "more": 1}):
            made.redis.lpush(QUEUE, envelope({**kwargs, "parts": "parts"}, retries=99))
        made.worker()
        deadline = time.monotonic() + 10
        failed = made.folder / "parts" / run / "failed"
        while time.monotonic() < deadline and not failed.exists():
            time.sleep(0.2)
        fell = failed.exists()
        process.kill()
    return Outcome(None, fell, "the subscription is a gap" if fell else "the subscription is not given up")


@attack(4, "key of the queue that is a text", f"{TESTS}test_keys_of_another_kind_are_replaced")
def text_queue(lab: Lab) -> Outcome:
    with fleet(lab, "queue") as made:
        made.redis.set(QUEUE, "x")
        made.worker()
        code = ended(made.scan())
    return Outcome(code, code not in (0, 3), "the scan was stopped" if code not in (0, 3) else "the scan ended")


@attack(
    4, "broker that never answers, with --deadline", f"{TESTS}test_a_deadline_holds_with_a_broker_that_never_answers"
)
def silent(lab: Lab) -> Outcome:
    folder = lab.folder("silent")
    with socket.socket() as mute, running(Sandbox([OPEN], [SUBSCRIPTION])) as box:
        mute.bind(("127.0.0.1", 0))
        mute.listen(50)
        made = Fleet(lab, folder, f"redis://127.0.0.1:{mute.getsockname()[1]}/0", box.environment())
        process = made.scan("--deadline", "3s")
        code = ended(process)
        process.kill()
        process.wait()
    return Outcome(code, code is None, "the scan waits for ever" if code is None else "the scan ended")


@attack(4, "message over AMQP with nested headers", f"{RABBIT}test_what_a_message_says_of_itself_is_not_read")
def nested_headers(lab: Lab) -> Outcome:
    """RabbitMQ delivers again what a worker did not acknowledge."""
    with rabbit() as server, fleet(lab, "nested") as made:
        made.url = server.url
        server.waiting.append(Message(b"x", headers(nested(4000, b"F"))))
        codes = [ended(made.worker(), 8) for _ in range(2)]
        fell = any(code is not None for code in codes) or bool(server.waiting)
    return Outcome(codes[-1], fell, "it is delivered again and again" if fell else "dropped, and the workers go on")
