"""What is asked of a broker: Redis, Valkey or RabbitMQ. Any other client that reaches it may put anything into it.

So nothing of a broker is believed. A message is a few bytes of JSON, or it is dropped before it leaves Redis. None says
how often it was tried, or when it is to be read. A time that has not come yet counts as over. Each call ends within
seconds.
"""

import ssl
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import certifi

from scanner.errors import InputError
from scanner.text.urls import BrokerUrl, masked_urls

if TYPE_CHECKING:
    import amqp

T = TypeVar("T")
_Frame = tuple[int, int, bytes]
_METHOD, _HEADER, _BODY = 1, 2, 3
"""The kinds of frames of AMQP."""
QUEUE = "twolocks"
"""The name of the queue: of the list in Redis, which KEDA counts."""
MOST_BYTES = 8 << 10
"""The bytes of the largest message: the place of the parts is a path or the name of a blob."""
SECONDS = 5.0
"""How long one call of a broker may take."""
_INSTALL = "pip install 'twolocks[fleet]'"

_CLEAN = """
local function is(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""
"""Deletes a key that somebody made into something else, and takes the time of the broker: those of workers differ."""
_PUT = f"{_CLEAN} is(KEYS[1], 'list') redis.call('LPUSH', KEYS[1], ARGV[1])"
_LENGTH = f"{_CLEAN} is(KEYS[1], 'list') return redis.call('LLEN', KEYS[1])"
_TAKE = f"""{_CLEAN}
is(KEYS[1], 'list')
is(KEYS[2], 'zset')
local most, late = tonumber(ARGV[2]), now - tonumber(ARGV[1])
for _, range in ipairs({{{{'-inf', late}}, {{'(' .. now, '+inf'}}}}) do
  for _, message in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], range[1], range[2], 'LIMIT', 0, 100)) do
    redis.call('ZREM', KEYS[2], message)
    if #message <= most then redis.call('RPUSH', KEYS[1], message) end
  end
end
local dropped = 0
while dropped < 1000 do
  local message = redis.call('RPOP', KEYS[1])
  if not message then break end
  if #message <= most then
    redis.call('ZADD', KEYS[2], now, message)
    return {{dropped, message}}
  end
  dropped = dropped + 1
end
return {{dropped}}
"""
"""Takes a message, and notes when. One that was taken too long ago, or at a time that has not come yet, waits again.
One that is too large is dropped here: what is compressed is never unpacked, and what is large is never fetched."""


class Delivery(NamedTuple):
    """A message that was taken, None where there is none."""

    body: bytes | None
    tag: Any = None
    """What the broker calls it."""
    dropped: int = 0
    """How many messages were too large."""


class Broker(Protocol):
    """A queue of messages. Each method raises InputError where the broker does not answer."""

    def put(self, body: bytes) -> None:
        """Add a message."""

    def take(self) -> Delivery:
        """Take a message. It is delivered to others until `done`."""

    def done(self, delivery: Delivery) -> None:
        """Delete a message that was taken."""

    def length(self) -> int:
        """Return how many messages no worker has taken yet."""

    def close(self) -> None:
        """End the connection. What was taken and is not done is delivered to others."""


class RedisBroker:
    """A list, and a sorted set of what was taken. `redeliver`: the seconds after which another worker takes it."""

    def __init__(self, url: BrokerUrl, redeliver: float) -> None:
        self._url, self._redeliver = url, redeliver
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise InputError("--broker needs a client of Redis", at="--broker", do=_INSTALL) from None
        tls: dict[str, Any] = {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True} if url.tls else {}
        self.client = redis.Redis(
            host=url.host,
            port=url.port or 6379,
            db=int(url.path or 0),
            username=url.user or None,
            password=url.password or None,
            socket_timeout=SECONDS,
            socket_connect_timeout=SECONDS,
            socket_keepalive=True,
            # Each try may take as long as the first one.
            retry=Retry(NoBackoff(), 0),
            **tls,
        )
        self._put, self._take, self._length = map(self.client.register_script, (_PUT, _TAKE, _LENGTH))

    def asked(self, call: Callable[[], T]) -> T:
        """Return what a call returns. Raises InputError where the broker does not answer."""
        import redis

        try:
            return call()
        except (redis.RedisError, OSError, ValueError) as error:
            raise _no_answer(self._url, error) from None

    def put(self, body: bytes) -> None:
        self.asked(lambda: self._put([QUEUE], [body]))

    def take(self) -> Delivery:
        words = [int(self._redeliver * 1000), MOST_BYTES]
        dropped, *value = self.asked(lambda: self._take([QUEUE, f"{QUEUE}:taken"], words))
        return Delivery(value[0] if value else None, dropped=int(dropped))

    def done(self, delivery: Delivery) -> None:
        body = delivery.body
        if body is not None:
            self.asked(lambda: self.client.zrem(f"{QUEUE}:taken", body))

    def length(self) -> int:
        return int(self.asked(lambda: self._length([QUEUE])))

    def close(self) -> None:
        self.client.close()


def _bodies_alone(connection: "amqp.Connection", callback: Callable[..., None]) -> Callable[[_Frame], bool]:
    """Return what reads frames of AMQP: of a message its tag and no more of its body than shows that it is too large.

    The sender of a message chooses the rest: the client would decode headers that are nested thousands deep, and texts
    that are none, and fail each time that the message is delivered again.
    """
    from amqp.method_framing import frame_handler
    from amqp.spec import Basic

    read = frame_handler(connection, callback)
    got = struct.pack(">HH", *Basic.GetOk)
    kept: dict[int, int] = {}
    """How many bytes of a body are still to be kept, by channel."""

    def on_frame(frame: _Frame) -> bool:
        kind, channel, data = frame[0], frame[1], bytes(frame[2])
        if kind == _METHOD and data.startswith(got):
            # The tag and whether it was delivered before; no exchange and no key; how many messages there are.
            data = data[:13] + b"\0\0" + data[-4:]
        elif kind == _HEADER:
            kept[channel] = min(int.from_bytes(data[4:12], "big"), MOST_BYTES + 1)
            data = data[:4] + kept[channel].to_bytes(8, "big") + b"\0\0"
        elif kind == _BODY:
            data = data[: kept.get(channel, 0)]
            kept[channel] = kept.get(channel, 0) - len(data)
            if not data:
                return False
        return bool(read((kind, channel, data)))

    return on_frame


class RabbitBroker:
    """A durable queue. What a worker took and did not finish is delivered again when its connection ends."""

    def __init__(self, url: BrokerUrl) -> None:
        self._url = url
        self._connection: amqp.Connection | None = None
        self._channel: amqp.Channel | None = None

    def _asked(self, call: "Callable[[amqp.Channel], T]") -> T:
        """Return what a call returns, over a new connection where the last one ended. Raises InputError."""
        try:
            import amqp
        except ImportError:
            raise InputError("--broker needs a client of RabbitMQ", at="--broker", do=_INSTALL) from None
        try:
            if self._channel is None or not self._channel.is_open:
                self._connect()
            assert self._channel is not None
            return call(self._channel)
        except (amqp.AMQPError, OSError, ValueError, struct.error) as error:
            self.close()
            raise _no_answer(self._url, error) from None

    def _connect(self) -> None:
        import amqp

        url = self._url
        context = ssl.create_default_context(cafile=None if _has_custom_ca() else certifi.where()) if url.tls else None
        self._connection = amqp.Connection(
            f"{url.host}:{url.port or (5671 if url.tls else 5672)}",
            userid=url.user or "guest",
            password=url.password or "guest",
            virtual_host=url.path or "/",
            ssl={"context": context, "server_hostname": url.host} if context is not None else False,
            connect_timeout=SECONDS,
            read_timeout=SECONDS,
            write_timeout=SECONDS,
            # A worker that reads a subscription sends nothing: TCP says whether it is there.
            heartbeat=0,
            socket_settings=None,
            confirm_publish=True,
            frame_handler=_bodies_alone,
        )
        self._connection.connect()
        self._channel = self._connection.channel()
        self._channel.auto_decode = False
        self._channel.queue_declare(QUEUE, durable=True, auto_delete=False)

    def put(self, body: bytes) -> None:
        import amqp

        message = amqp.Message(body, content_type="application/json", delivery_mode=2)
        self._asked(lambda channel: channel.basic_publish(message, routing_key=QUEUE, timeout=SECONDS))

    def take(self) -> Delivery:
        value = self._asked(lambda channel: channel.basic_get(QUEUE))
        if value is None:
            return Delivery(None)
        body = bytes(value.body or b"")
        if len(body) <= MOST_BYTES:
            return Delivery(body, value.delivery_tag)
        self._asked(lambda channel: channel.basic_ack(value.delivery_tag))
        return Delivery(None, dropped=1)

    def done(self, delivery: Delivery) -> None:
        if delivery.body is not None:
            self._asked(lambda channel: channel.basic_ack(delivery.tag))

    def length(self) -> int:
        return int(self._asked(lambda channel: channel.queue_declare(QUEUE, passive=True)).message_count)

    def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            connection.collect()


def _has_custom_ca() -> bool:
    import os

    return bool(os.environ.get("SSL_CERT_FILE"))


def _no_answer(url: BrokerUrl, error: Exception) -> InputError:
    text = f"the broker does not answer: {masked_urls(str(error))}"
    return InputError(text, at=str(url), do="check that it runs, and host, TLS and password of its URL")
