"""A notice as signed JSON, so that the receiver can verify the sender and the time."""

import hashlib
import hmac
import time

import msgspec

from scanner.config.notifications import Target
from scanner.model.message import message_text
from scanner.notify.delivery import Attempt
from scanner.notify.http_post import post_attempt
from scanner.notify.notice import Notice

ITEMS = 500
LARGEST = 1 << 20


class WebhookBody(Notice, kw_only=True, frozen=True):
    """The body of the request: the notice, and in `more` the number of omitted items."""

    more: int = 0


def attempt(notice: Notice, target: Target, tool: str) -> Attempt:
    """Return an attempt that posts the signed notice to the target."""
    text = body(notice)
    scan = notice.scan.id if notice.scan is not None else "test"
    named = {"X-Twolocks-Delivery": f"{scan}/{target.name}"}
    return post_attempt(target.url, text, tool, {**named, **headers(target.secret, str(int(time.time())), text)})


def body(notice: Notice) -> bytes:
    """Return the JSON document, of at most 1 MiB."""
    count = min(len(notice.items), ITEMS)
    while True:
        text = msgspec.json.encode(_with(notice, count), enc_hook=message_text)
        if len(text) <= LARGEST or not count:
            return text
        count //= 2


def _with(notice: Notice, count: int) -> WebhookBody:
    fields = {name: getattr(notice, name) for name in notice.__struct_fields__}
    return WebhookBody(**{**fields, "items": notice.items[:count], "more": len(notice.items) - count})


def signature(secret: str, timestamp: str, text: bytes) -> str:
    """Return the header X-Twolocks-Signature: HMAC-SHA256 of the timestamp, a dot, and the body as it is sent."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + text, hashlib.sha256).hexdigest()


def headers(secret: str, timestamp: str, text: bytes) -> dict[str, str]:
    """Return the headers that sign a body."""
    return {"X-Twolocks-Timestamp": timestamp, "X-Twolocks-Signature": signature(secret, timestamp, text)}
