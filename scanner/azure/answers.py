"""The limits of one answer: its bytes, its values, how deep they nest. An answer beyond one is a read that failed."""

import asyncio
import zlib
from contextlib import AsyncExitStack
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
import msgspec

from scanner.azure.errors import ReadError

ANSWER_MB = 32
"""The size of an answer after decompression. Resource Graph stops at 16 MB, and pages of ARM are smaller."""
VALUES = 1_000_000
"""How many values an answer may hold. A page of Resource Graph of 16 MB holds a third of that."""
DEPTH = 100
"""How deep an answer may nest. Bodies of Azure nest 15 levels."""
LARGE_BYTES = 1 << 20
"""Answers of this size are read and decoded one after the other, so that their memory does not add up."""
LINK_BYTES = 1 << 15
"""The length of a link to the next page. Azure's are below 8 kB."""

_CHUNK = 1 << 16
_MODES = {"gzip": 16 + zlib.MAX_WBITS, "deflate": -zlib.MAX_WBITS}
"""The encodings that azure-core decodes, in the same way."""
_PLAIN = bytes(each for each in range(256) if each not in b"[]{}")


class LimitReached(ReadError, ValueError):
    """A limit of ours ended a read. Its code names the limit. It is also a ValueError, because azure-identity's callers
    know no ReadError.
    """

    def __init__(self, path: str, limit: str) -> None:
        super().__init__(path, 0, f"limit: {limit}", message=f"the response exceeds a limit of Twolocks: {limit}")


class BoundedResponse(aiohttp.ClientResponse):
    """A response whose body is read up to `ANSWER_MB`, also after decompression. Streams are not bounded."""

    async def read(self) -> bytes:
        """Return the body as it was sent. Raises LimitReached, and ClientPayloadError where it does not decompress."""
        if self._body is None:
            self._body = await self._bounded()
        return self._body

    async def decoded(self) -> bytes:
        """Return the body, decompressed."""
        body = await self.read()
        mode = _MODES.get(self.headers.get("Content-Encoding", "").lower())
        return body if mode is None or not body else zlib.decompressobj(mode).decompress(body)

    async def _bounded(self) -> bytes:
        size = _Size(self.url.path, self.headers.get("Content-Encoding", "").lower())
        chunks: list[bytes] = []
        async with AsyncExitStack() as held:
            try:
                async for chunk in self.content.iter_chunked(_CHUNK):
                    if size.is_large and not size.is_alone:
                        await held.enter_async_context(_large_answers())
                        size.is_alone = True
                    size.add(chunk)
                    chunks.append(chunk)
            except BaseException:
                self.close()
                raise
            return b"".join(chunks)


class _Size:
    """Counts the bytes of a body as it arrives, before and after decompression."""

    def __init__(self, path: str, encoding: str) -> None:
        self.path = path
        self.left = self.plain_left = ANSWER_MB << 20
        self.is_alone = False
        mode = _MODES.get(encoding)
        self.unpacked = None if mode is None else zlib.decompressobj(mode)

    @property
    def is_large(self) -> bool:
        return min(self.left, self.plain_left) < (ANSWER_MB << 20) - LARGE_BYTES

    def add(self, chunk: bytes) -> None:
        self.left -= len(chunk)
        try:
            while self.unpacked is not None and chunk and self.plain_left >= 0:
                self.plain_left -= len(self.unpacked.decompress(chunk, 1 << 20))
                chunk = self.unpacked.unconsumed_tail
        except zlib.error as error:
            raise aiohttp.ClientPayloadError(f"the response does not decompress: {error}") from None
        if self.left < 0 or self.plain_left < 0:
            raise LimitReached(self.path, f"{ANSWER_MB} MB of one answer")


def decode(body: bytes, path: str) -> Any:
    """Return the JSON of an answer. Raises LimitReached, and msgspec.DecodeError or UnicodeDecodeError."""
    if body.count(b",") + body.count(b"[") + body.count(b"{") > VALUES:
        raise LimitReached(path, f"{VALUES:,} values of one answer")
    try:
        found = msgspec.json.decode(body)
    except RecursionError:
        raise LimitReached(path, f"{DEPTH} levels of JSON") from None
    if _may_be_deep(body) and is_deep(found):
        raise LimitReached(path, f"{DEPTH} levels of JSON")
    return found


def _may_be_deep(body: bytes) -> bool:
    """Return False where a JSON text nests at most `DEPTH` levels. True where it may be deeper (signs in strings)."""
    signs = body.translate(None, _PLAIN)
    if len(signs) <= DEPTH:
        return False
    for _ in range(DEPTH):
        signs = signs.replace(b"{}", b"").replace(b"[]", b"")
        if not signs:
            return False
    return True


def is_deep(value: Any) -> bool:
    """Return whether a JSON value nests more than `DEPTH` levels."""
    level = [value]
    for _ in range(DEPTH + 1):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return bool(level)


_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def _large_answers() -> asyncio.Lock:
    """Return the lock that is held while a large answer is read. It is decoded at once after that."""
    return _locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
