"""A notice as JSON of ours, signed, so that the receiver knows who sent it and when."""

import hashlib
import hmac

import msgspec

from scanner.notify.notice import Notice

ITEMS = 500
LARGEST = 1 << 20


class Body(Notice, kw_only=True, frozen=True):
    """What is posted: the notice, and how many of its items were left out."""

    more: int = 0


def body(notice: Notice) -> bytes:
    """The JSON document, of at most 1 MiB."""
    count = min(len(notice.items), ITEMS)
    while True:
        text = msgspec.json.encode(_with(notice, count))
        if len(text) <= LARGEST or not count:
            return text
        count //= 2


def _with(notice: Notice, count: int) -> Body:
    parts = {name: getattr(notice, name) for name in notice.__struct_fields__}
    return Body(**{**parts, "items": notice.items[:count], "more": len(notice.items) - count})


def signature(secret: str, timestamp: str, text: bytes) -> str:
    """What the header X-Twolocks-Signature holds: HMAC-SHA256 over the timestamp, a dot, and the body as it is sent."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + text, hashlib.sha256).hexdigest()


def headers(secret: str, timestamp: str, text: bytes) -> dict[str, str]:
    return {"X-Twolocks-Timestamp": timestamp, "X-Twolocks-Signature": signature(secret, timestamp, text)}
