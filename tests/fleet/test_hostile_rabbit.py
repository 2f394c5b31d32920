"""Whoever sends a message over AMQP ends no worker: its headers are not decoded, and a large body is not kept."""

import tracemalloc
from collections.abc import Iterator
from struct import pack

import pytest

from scanner.config.settings import resolve
from scanner.fleet.broker import MOST_BYTES
from scanner.fleet.queue import Queue, ShardMessage, open_broker
from tests.fleet.rabbit import Message, Rabbit, headers, nested, rabbit, short
from tests.fleet.test_hostile_broker import NONE_OF_OURS

OURS = ShardMessage("r", "s", "p")


@pytest.fixture
def server() -> Iterator[Rabbit]:
    with rabbit() as served:
        yield served


@pytest.fixture
def queue(server: Rabbit) -> Iterator[Queue]:
    made = Queue(open_broker(resolve("fleet worker", {"broker": server.url}, {}, use_file=False)))
    yield made
    made.close()


def test_messages_are_sent_taken_and_deleted(queue: Queue) -> None:
    assert queue.take().delivery.body is None
    queue.send("r", "s", "p")
    taken = queue.take()
    assert taken.message == OURS
    queue.done(taken)
    assert queue.take().delivery.body is None


@pytest.mark.parametrize(
    "message",
    [
        Message(b"x", headers(nested(4000, b"F"))),
        Message(b"x", headers(nested(4000, b"A"))),
        Message(b"x", headers(short(b"k") + b"T" + pack(">Q", 2**63 - 1))),
        Message(b"x", headers(short(b"k") + b"?")),
        Message(b"x", headers(b"\xff")),
        Message(b"x", pack(">H", 0x8000) + short(b"\xff\xfe")),
        Message(b"x", pack(">H", 0x0040) + b"\xff" * 8),
        Message(b"x", b"\xff\xff"),
        Message(b"x", key=b"\xff\xfe"),
        Message(b"x", key=b"k" * 255),
        *map(Message, NONE_OF_OURS),
    ],
)
def test_what_a_message_says_of_itself_is_not_read(server: Rabbit, queue: Queue, message: Message) -> None:
    server.waiting.append(message)
    queue.send("r", "s", "p")
    refused = queue.take()
    assert (refused.message, refused.delivery.body) == (None, message.body)
    queue.done(refused)
    assert queue.take().message == OURS


def test_a_large_message_is_not_kept(server: Rabbit, queue: Queue) -> None:
    server.waiting += [Message(b"0" * (32 << 20)), Message(b"1" * (MOST_BYTES + 1)), Message(b"2" * MOST_BYTES)]
    queue.send("r", "s", "p")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    takens = [queue.take() for _ in range(2)]
    kept = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert [(each.delivery.body, each.delivery.dropped) for each in takens] == [(None, 1), (None, 1)]
    queue.done(queue.take())
    assert queue.take().message == OURS
    assert kept < 80 << 20, "the server of this test has it in frames"
