"""A server of AMQP on loopback that holds one queue, as far as a worker uses it. It delivers bytes as they are."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from struct import pack, unpack_from
from typing import NamedTuple

FRAME_MAX = 131_072
METHOD, HEADER, BODY = 1, 2, 3
START, START_OK, TUNE, TUNE_OK, OPEN, OPEN_OK = ((10, each) for each in (10, 11, 30, 31, 40, 41))
ANSWERS = {
    START_OK: (TUNE, pack(">HIH", 0, FRAME_MAX, 0)),
    OPEN: (OPEN_OK, b"\0"),
    (20, 10): ((20, 11), bytes(4)),  # a channel
    (85, 10): ((85, 11), b""),  # each publish is confirmed
    (50, 10): ((50, 11), b"\x08twolocks" + bytes(8)),  # a queue
}
"""What the server answers to each method."""
GET, GET_OK, GET_EMPTY, PUBLISH, ACK = ((60, each) for each in (70, 71, 72, 40, 80))


class Message(NamedTuple):
    """`properties`: the flags and what they announce. `key`: the routing key."""

    body: bytes
    properties: bytes = b"\0\0"
    key: bytes = b"twolocks"


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def headers(table: bytes) -> bytes:
    """Return properties that are headers alone."""
    return pack(">HI", 0x2000, len(table)) + table


def nested(levels: int, kind: bytes) -> bytes:
    """Return a table inside a table inside a table."""
    value = b""
    for _ in range(levels):
        value = (short(b"k") if kind == b"F" else b"") + kind + pack(">I", len(value)) + value
    return value if kind == b"F" else short(b"k") + value


class Rabbit:
    """`waiting`: what was sent and not acknowledged, in order. A connection that ends puts back what it took."""

    def __init__(self) -> None:
        self.waiting: list[Message] = []
        self.url = ""

    def serve(self, listening: socket.socket) -> None:
        while True:
            try:
                taken, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[taken], daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with suppress(OSError), peer, peer.makefile("rb") as read:
            read.read(8)
            peer.sendall(_method(0, START, b"\0\x09" + bytes(4) + b"\0\0\0\x05PLAIN" + b"\0\0\0\x05en_US"))
            taken = published = 0
            while len(head := read.read(7)) == 7:
                kind, channel, size = unpack_from(">BHI", head)
                data = read.read(size + 1)[:-1]
                sig = unpack_from(">HH", data) if kind == METHOD else None
                if sig in ANSWERS:
                    answer, rest = ANSWERS[sig]
                    peer.sendall(_method(channel, answer, rest))
                elif sig == GET:
                    peer.sendall(self._delivery(channel, taken))
                    taken += bool(self.waiting)
                elif sig == ACK:
                    del self.waiting[0]
                elif kind == BODY:
                    published += 1
                    self.waiting.append(Message(data))
                    peer.sendall(_method(channel, ACK, pack(">QB", published, 0)))

    def _delivery(self, channel: int, tag: int) -> bytes:
        if not self.waiting:
            return _method(channel, GET_EMPTY, b"\0")
        message = self.waiting[0]
        frames = [
            _method(channel, GET_OK, pack(">QB", tag + 1, 0) + b"\0" + short(message.key) + bytes(4)),
            _frame(HEADER, channel, pack(">HHQ", 60, 0, len(message.body)) + message.properties),
        ]
        step = FRAME_MAX - 8
        frames += [_frame(BODY, channel, message.body[at : at + step]) for at in range(0, len(message.body), step)]
        return b"".join(frames)


def _frame(kind: int, channel: int, data: bytes) -> bytes:
    return pack(">BHI", kind, channel, len(data)) + data + b"\xce"


def _method(channel: int, sig: tuple[int, int], rest: bytes) -> bytes:
    return _frame(METHOD, channel, pack(">HH", *sig) + rest)


@contextmanager
def rabbit() -> Iterator[Rabbit]:
    """A server that ends with the context."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Rabbit()
        made.url = f"amqp://127.0.0.1:{listening.getsockname()[1]}//"
        threading.Thread(target=made.serve, args=[listening], daemon=True).start()
        yield made
        listening.shutdown(socket.SHUT_RDWR)
