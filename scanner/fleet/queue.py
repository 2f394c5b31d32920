"""The queue of shards and ranges, as a scan and its workers use it."""

import asyncio
import ipaddress
import math
import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from scanner.config.durations import seconds_of
from scanner.config.settings import Settings
from scanner.errors import InputError
from scanner.fleet.broker import QUEUE, Broker, Delivery, RabbitBroker, RedisBroker
from scanner.model.message import message_text
from scanner.text.urls import BadUrl, BrokerUrl, has_password, masked_url

if TYPE_CHECKING:
    from scanner.azure.limits import SharedTurn

SCHEMES = ("redis://", "rediss://", "amqp://", "amqps://")
QUERIES, QUERY_SECONDS = 15, 5
"""What Resource Graph allows an identity."""
LONGEST_WAIT = 60.0
"""The seconds after which the count of the broker is not waited for any more: Azure counts, too."""
_WINDOW = """
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local span = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - span)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('ZADD', KEYS[1], now, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], span)
  return 0
end
return tonumber(redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]) + span - now + 1
"""
"""A sliding window by the clock of the broker: those of the workers differ. A mark of a time that has not come yet does
not count. Returns the milliseconds to wait."""


class ShardMessage(msgspec.Struct, frozen=True, tag_field="task", tag="shard", forbid_unknown_fields=True):
    """A subscription to read."""

    run: str
    subscription: str
    parts: str
    """The place of the parts."""

    @property
    def about(self) -> str:
        return self.subscription


class RangeMessage(msgspec.Struct, frozen=True, tag_field="task", tag="range", forbid_unknown_fields=True):
    """A range of an evaluation to evaluate."""

    run: str
    evaluation: str
    range: str
    parts: str

    @property
    def about(self) -> str:
        return self.range


Message = ShardMessage | RangeMessage
_encoder = msgspec.json.Encoder(enc_hook=message_text)
_decoder = msgspec.json.Decoder(Message)


class Taken(NamedTuple):
    """A message that was taken."""

    delivery: Delivery
    message: Message | None
    """None where what came is none."""


def check_broker(settings: Settings) -> BrokerUrl:
    """Return the URL of the broker. Raise InputError for another kind, and for a password that others can see."""
    url = settings["broker"]
    at = masked_url(settings.at("broker", url))
    if not url.startswith(SCHEMES):
        raise InputError("unknown kind of broker", at=at, do=f"known: {', '.join(SCHEMES)}")
    if has_password(url) and not settings.options["broker"].source.startswith("TWOLOCKS_"):
        raise InputError(
            "the URL of the broker contains a password", at=at, do="remove it; use the variable TWOLOCKS_SCAN_BROKER"
        )
    try:
        return BrokerUrl.of(url)
    except BadUrl as error:
        raise InputError(f"the URL of the broker cannot be used: {error}", at=at, do=error.do) from None


def unprotected(settings: Settings) -> str:
    """Return what a broker on another machine lacks, in a sentence; "" where it has both TLS and a password, or is on
    this machine.
    """
    url = check_broker(settings)
    missing = [f"no {what}" for what, has in (("TLS", url.tls), ("password", url.password)) if not has]
    if not missing or _is_loopback(url.host):
        return ""
    harm = (
        "any client that reaches it can take its messages" if not url.password else "the network can read the password"
    )
    return f"the broker {url} has {' and '.join(missing)}: {harm}. Use rediss:// or amqps:// with a password"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def open_broker(settings: Settings) -> Broker:
    """Return the broker of the settings. Raises InputError where its client is not installed."""
    url = check_broker(settings)
    if not url.scheme.startswith("redis"):
        return RabbitBroker(url)
    after = settings["redeliver-after"]
    return RedisBroker(url, seconds_of(after, settings.at("redeliver-after", after)))


class Queue:
    """The queue of a broker. Each method raises InputError where the broker does not answer."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    def send(self, run: str, id: str, location: str) -> None:
        """Add a shard. The message has no secret."""
        self.put(ShardMessage(run, id, location))

    def send_range(self, run: str, key: str, name: str, location: str) -> None:
        """Add a range of an evaluation, as `send`."""
        self.put(RangeMessage(run, key, name, location))

    def put(self, message: Message) -> None:
        """Add a message."""
        self.broker.put(_encoder.encode(message))

    def take(self) -> Taken:
        """Take a message. What is none of ours is no message, and is to be deleted as one that is done."""
        delivery = self.broker.take()
        if delivery.body is None:
            return Taken(delivery, None)
        try:
            return Taken(delivery, _decoder.decode(delivery.body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Taken(delivery, None)

    def done(self, taken: Taken) -> None:
        """Delete a message that was taken."""
        self.broker.done(taken.delivery)

    def length(self) -> int:
        """Return how many messages no worker has taken yet."""
        return self.broker.length()

    def close(self) -> None:
        """End the connection to the broker."""
        self.broker.close()


def graph_turn(broker: Broker) -> "SharedTurn | None":
    """Return the limit of Resource Graph that all processes of this broker share, under any identity; None where
    the broker cannot count (RabbitMQ): then each keeps the limit for itself, and waits where Azure answers 429.
    """
    return SharedWindow(broker) if isinstance(broker, RedisBroker) else None


class SharedWindow:
    """Counts queries in Redis. A client that reaches it can change the count: so each process keeps the limit for
    itself, waits no longer than a minute for the others, and goes on where the broker fails.
    """

    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker
        self._window = broker.client.register_script(_WINDOW)
        self._since: float | None = None
        """When the queries of this process began to wait."""
        self._asks_from = 0.0
        """When a broker that failed is asked again."""

    async def __call__(self) -> float:
        if time.monotonic() < self._asks_from:
            return 0.0
        try:
            seconds = await asyncio.to_thread(self._broker.asked, self._wait)
        except InputError:
            seconds, self._asks_from = 0.0, time.monotonic() + LONGEST_WAIT
        if not 0 < seconds < math.inf:
            self._since = None
            return 0.0
        self._since = self._since if self._since is not None else time.monotonic()
        is_over = time.monotonic() - self._since > LONGEST_WAIT
        return 0.0 if is_over else min(seconds, QUERY_SECONDS)

    def _wait(self) -> float:
        words: list[str | int] = [QUERIES, QUERY_SECONDS * 1000, secrets.token_hex(8)]
        return float(self._window([f"{QUEUE}:graph"], words)) / 1000
