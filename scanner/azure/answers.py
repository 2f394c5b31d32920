"""Holds answers and lists to their limits. An answer or a list beyond one is a read that failed."""

import asyncio
import time
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from io import BytesIO
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
import msgspec

from scanner.azure.errors import ReadError
from scanner.config.limits import Limits, shown_size

DEFAULTS = Limits()
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

    def __init__(self, path: str, limit: str, setting: str = "") -> None:
        """`setting`: the key of [limits] that raises it."""
        text = f"{limit} (raise limits.{setting})" if setting else limit
        super().__init__(path, 0, f"limit: {text}", message=f"the response exceeds a limit of Twolocks: {text}")


class BoundedResponse(aiohttp.ClientResponse):
    """A response whose body is read up to `most` bytes, also after decompression. Streams are not bounded."""

    most = DEFAULTS.answer_size

    async def read(self) -> bytes:
        """Return the body as it was sent. Raises LimitReached, and ClientPayloadError where it does not decompress."""
        if self._body is None:
            self._body = await self._bounded(unpacked=False)
        return self._body

    async def decoded(self) -> bytes:
        """Return the body, decompressed, once. Raises what `read` raises."""
        return await self._bounded(unpacked=True)

    async def _bounded(self, *, unpacked: bool) -> bytes:
        size = _Size(self.url.path, self.most, self.headers.get("Content-Encoding", "").lower())
        body = BytesIO()
        turn: asyncio.Lock | None = None
        try:
            while not self.content.at_eof():
                chunk = await self.content.read(_CHUNK)
                if size.is_large and turn is None:
                    await _large_answers().acquire()
                    turn = _large_answers()
                for plain in size.unpack(chunk):
                    if unpacked:
                        body.write(plain)
                if not unpacked:
                    body.write(chunk)
            if unpacked:
                body.write(size.rest())
            return body.getvalue()
        except BaseException:
            self.close()
            raise
        finally:
            if turn is not None:
                turn.release()


def bounded_by(limits: Limits) -> type[BoundedResponse]:
    """Return the class of the responses that keep to these limits. aiohttp makes responses of a class."""
    return type("BoundedResponse", (BoundedResponse,), {"most": limits.answer_size})


class _Size:
    """Counts the bytes of a body as it arrives, before and after decompression."""

    def __init__(self, path: str, most: int, encoding: str) -> None:
        self.path = path
        self.most = self.left = self.plain_left = most
        mode = _MODES.get(encoding)
        self.unpacked = None if mode is None else zlib.decompressobj(mode)

    @property
    def is_large(self) -> bool:
        return min(self.left, self.plain_left) < self.most - LARGE_BYTES

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        """Count a chunk, and yield what it is after decompression. Raises LimitReached and ClientPayloadError."""
        self.left -= len(chunk)
        if self.unpacked is None:
            yield chunk
        try:
            while self.unpacked is not None and chunk and self.plain_left >= 0:
                plain = self.unpacked.decompress(chunk, 1 << 20)
                self.plain_left -= len(plain)
                yield plain
                chunk = self.unpacked.unconsumed_tail
        except zlib.error as error:
            raise aiohttp.ClientPayloadError(f"the response does not decompress: {error}") from None
        if self.left < 0 or self.plain_left < 0:
            raise LimitReached(self.path, f"{shown_size(self.most)} of one answer", "answer-size")

    def rest(self) -> bytes:
        """Return what decompression holds back after the last chunk, a few bytes."""
        return b"" if self.unpacked is None else self.unpacked.flush()


def decode(body: bytes, path: str, limits: Limits = DEFAULTS) -> Any:
    """Return the JSON of an answer. Raises LimitReached, and msgspec.DecodeError or UnicodeDecodeError."""
    if body.count(b",") + body.count(b"[") + body.count(b"{") > limits.answer_values:
        raise LimitReached(path, f"{limits.answer_values:,} values of one answer", "answer-values")
    deep = LimitReached(path, f"{limits.answer_depth} levels of JSON", "answer-depth")
    try:
        result = msgspec.json.decode(body)
    except RecursionError:
        raise deep from None
    if _may_be_deep(body, limits.answer_depth) and is_deep(result, limits.answer_depth):
        raise deep
    return result


def _may_be_deep(body: bytes, most: int) -> bool:
    """Return False where a JSON text nests at most `most` levels. True where it may be deeper (signs in strings)."""
    signs = body.translate(None, _PLAIN)
    if len(signs) <= most:
        return False
    for _ in range(most):
        signs = signs.replace(b"{}", b"").replace(b"[]", b"")
        if not signs:
            return False
    return True


def is_deep(value: Any, most: int = DEFAULTS.answer_depth) -> bool:
    """Return whether a JSON value nests more than `most` levels."""
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return bool(level)


class ListMeter:
    """Counts the pages, the bytes, the rows and the time of one list. `path`: the list, for errors."""

    def __init__(self, path: str, limits: Limits = DEFAULTS) -> None:
        self.path = path
        self.limits = limits
        self._ends = time.monotonic() + limits.list_minutes * 60
        self._pages: set[bytes] = set()
        self._bytes = 0
        self.rows = 0

    def start_page(self, url: str) -> None:
        """Count a page before it is read. Raises ReadError where the list loops, or has too many pages or no time."""
        digest = blake2b(url.encode("utf-8", "replace"), digest_size=16).digest()
        if digest in self._pages:
            raise ReadError(self.path, 200, "EndlessList", message="a page links to itself as the next page")
        if len(self._pages) >= self.limits.list_pages:
            raise LimitReached(self.path, f"{self.limits.list_pages:,} pages of one list", "list-pages")
        if time.monotonic() > self._ends:
            raise LimitReached(self.path, f"{self.limits.list_minutes:,} minutes of one list", "list-minutes")
        self._pages.add(digest)

    def add(self, size: int) -> None:
        """Count the bytes of a page, after decompression. Raises LimitReached."""
        self._bytes += size
        if self._bytes > self.limits.list_size:
            raise LimitReached(self.path, f"{shown_size(self.limits.list_size)} of one list", "list-size")

    def add_rows(self, count: int) -> None:
        """Count the rows of a page. Raises LimitReached."""
        self.rows += count
        if self.rows > self.limits.list_rows:
            raise LimitReached(self.path, f"{self.limits.list_rows:,} rows of one list", "list-rows")


_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def _large_answers() -> asyncio.Lock:
    """Return the lock that is held while a large answer is read. It is decoded at once after that."""
    return _locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
