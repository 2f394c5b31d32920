"""The queue of shards and ranges: Celery over Redis, Valkey or RabbitMQ. It is Celery that delivers and retries."""

import asyncio
import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import certifi

from scanner.config.durations import seconds_of
from scanner.config.settings import Settings, has_password, masked
from scanner.errors import InputError

if TYPE_CHECKING:
    from celery import Celery

    from scanner.azure.limits import SharedTurn

TASK = "twolocks.shard"
RANGE_TASK = "twolocks.range"
QUEUE = "twolocks"
RETRIES = 3
SCHEMES = ("redis://", "rediss://", "amqp://", "amqps://")
QUERIES, QUERY_SECONDS = 15, 5
"""What Resource Graph allows an identity."""
_WINDOW = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local span = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - span)
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('ZADD', KEYS[1], now, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], span)
  return 0
end
return tonumber(redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]) + span - now + 1
"""
"""A sliding window by the clock of the broker: those of the workers differ. Returns the milliseconds to wait."""


def check_broker(settings: Settings) -> None:
    """Raise InputError for a broker of another kind, or a password that others can see."""
    url = settings["fleet"]
    at = masked(settings.at("fleet", url))
    if not url.startswith(SCHEMES):
        raise InputError("unknown kind of broker", at=at, do=f"known: {', '.join(SCHEMES)}")
    if has_password(url) and not settings.options["fleet"].source.startswith("TWOLOCKS_"):
        raise InputError(
            "the URL of the broker contains a password", at=at, do="remove it; use the variable TWOLOCKS_SCAN_FLEET"
        )


def make_app(settings: Settings) -> "Celery":
    """Return the Celery application of the settings. Raises InputError where Celery is not installed."""
    check_broker(settings)
    try:
        from celery import Celery
    except ImportError:
        raise InputError("--fleet needs Celery", at="--fleet", do="pip install 'twolocks[fleet]'") from None
    url = settings["fleet"]
    app = Celery("twolocks", broker=url, set_as_current=False)
    options: dict[str, Any] = {"socket_connect_timeout": 10, "socket_keepalive": True}
    if url.startswith("redis"):
        after = settings["redeliver-after"]
        options["visibility_timeout"] = seconds_of(after, settings.at("redeliver-after", after))
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        event_serializer="json",
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_default_queue=QUEUE,
        worker_prefetch_multiplier=1,
        # Nothing but shards and ranges is taken from the broker: no remote commands, no events.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_transport_options=options if url.startswith("redis") else {},
        # While a shard is read or a range evaluated, the thread that sends heartbeats goes on.
        broker_heartbeat=30,
        broker_use_ssl=_tls(url),
        broker_connection_retry_on_startup=True,
        task_publish_retry_policy={"max_retries": 3, "interval_max": 2},
    )
    return app


def _tls(url: str) -> dict[str, Any] | None:
    """Return the options of TLS: the certificate of the broker is verified, with its name."""
    if url.startswith("rediss://"):
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    if url.startswith("amqps://"):
        return {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": certifi.where(), "server_hostname": urlsplit(url).hostname}
    return None


@contextmanager
def _explained(app: "Celery") -> Iterator[None]:
    from kombu.exceptions import OperationalError

    try:
        yield
    except (OperationalError, OSError) as error:
        raise _no_answer(app, error) from None


def _no_answer(app: "Celery", error: Exception) -> InputError:
    said = f"the broker does not answer: {masked(str(error))}"
    return InputError(said, at=app.connection().as_uri(), do="check that it runs")


class Queue:
    """The queue as a scan uses it."""

    def __init__(self, app: "Celery") -> None:
        self.app = app

    def send(self, run: str, id: str, place: str) -> None:
        """Add a shard. The message has no secret. Raises InputError where the broker does not answer."""
        with _explained(self.app):
            self.app.send_task(TASK, kwargs={"run": run, "subscription": id, "parts": place}, queue=QUEUE)

    def send_range(self, run: str, key: str, name: str, place: str) -> None:
        """Add a range of an evaluation, as `send`."""
        with _explained(self.app):
            words = {"run": run, "evaluation": key, "range": name, "parts": place}
            self.app.send_task(RANGE_TASK, kwargs=words, queue=QUEUE)

    def length(self) -> int:
        """Return how many messages no worker has taken yet. Raises InputError where the broker does not answer."""
        with _explained(self.app), self.app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1)
            with connection.channel() as channel:
                return int(channel.queue_declare(QUEUE, durable=True, auto_delete=False).message_count)


def graph_turn(app: "Celery") -> "SharedTurn | None":
    """Return the limit of Resource Graph that all processes of this broker share, whoever they sign in as; None where
    the broker cannot count (RabbitMQ): then each keeps the limit for itself, and waits where Azure answers 429.
    """
    if not str(app.conf.broker_url).startswith("redis"):
        return None
    import redis

    client = redis.Redis.from_url(app.conf.broker_url, socket_timeout=10)
    window = client.register_script(_WINDOW)

    async def turn() -> float:
        words: list[str | int] = [QUERIES, QUERY_SECONDS * 1000, secrets.token_hex(8)]
        try:
            return float(await asyncio.to_thread(window, keys=[f"{QUEUE}:graph"], args=words)) / 1000
        except redis.RedisError as error:
            raise _no_answer(app, error) from None

    return turn
