"""Bytes as decisions: a fuzzer changes bytes, and each change is another decision of a target."""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from tests.rules.hostile import STRANGE, JsonPath, paths_of, replaced

T = TypeVar("T")
WORDS: tuple[Any, ...] = (
    *STRANGE,
    "*",
    "Enabled",
    "Disabled",
    "Allow",
    "Deny",
    "Internet",
    "VirtualNetwork",
    "AzureCloud.norwayeast",
    "::/0",
    "10.0.0.0/33",
    "10.0.0.9-10.0.0.1",
    "1-70000",
    "22",
    "TLS1_2",
    "2026-11-26T02:00:00Z",
    "/subscriptions/x/providers",
    "a" * 5000,
    -(2**63),
    1e308,
    {"a": {"a": {"a": {"a": []}}}},
)
"""Values that a body, a line or a row may hold: strange ones, and words that mean something somewhere."""


class Choices:
    """A reader of bytes. After the last byte every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> bool:
        return self.at < len(self.data)

    def number(self, below: int) -> int:
        """Return a number from 0; two bytes where `below` needs them."""
        if below <= 1:
            return 0
        size = 1 if below <= 256 else 2
        value = int.from_bytes(self.data[self.at : self.at + size], "big")
        self.at += size
        return value % below

    def one(self, of: Sequence[T]) -> T:
        return of[self.number(len(of))]

    def changed(self, body: Any, most: int = 6) -> Any:
        """Return a copy of a JSON value with up to `most` places changed."""
        for _ in range(1 + self.number(most)):
            body = self._change(body)
            if not self.left:
                break
        return body

    def _change(self, body: Any) -> Any:
        matches: list[JsonPath] = list(paths_of(body))
        if not matches:
            return body
        at = self.one(matches)
        match self.number(4):
            case 0:
                return _without(body, at)
            case 1:
                return replaced(body, at, _value(body, self.one(matches)))
            case _:
                return replaced(body, at, self.one(WORDS))


def _value(body: Any, at: JsonPath) -> Any:
    for each in at:
        body = body[each]
    return body


def _without(body: Any, at: JsonPath) -> Any:
    """Return a copy of a JSON value without one of its places."""
    above = _value(body, at[:-1])
    if isinstance(above, dict):
        return replaced(body, at[:-1], {key: value for key, value in above.items() if key != at[-1]})
    return replaced(body, at[:-1], [value for position, value in enumerate(above) if position != at[-1]])


def json_line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
