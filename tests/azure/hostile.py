"""A hostile ARM: real sockets, and answers that no ARM gives. `python -m tests.azure.hostile` measures peak memory."""

import asyncio
import gzip
import re
import sys
import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from scanner.azure.answers import DEFAULTS, LINK_BYTES
from scanner.azure.clients import ConnectionOptions
from scanner.config.limits import Limits
from scanner.sandbox.errors import HttpAnswer, answer
from scanner.sandbox.server import Sandbox
from tests.azure.requests import ESTATE, S1, SITE, SUBSCRIPTIONS, Result, scanned

LIST = f"/subscriptions/{S1}/providers/Microsoft.KeyVault/vaults"
JSON = "application/json; charset=utf-8"
VAULT = f"/subscriptions/{S1}/resourceGroups/rg-a/providers/Microsoft.KeyVault/vaults"
Made = HttpAnswer | bytes | None
MadeBy = Callable[["HostileSandbox", str], Made]


class HostileSandbox(Sandbox):
    """A sandbox in which one path answers with what `made` returns: an answer, raw bytes of HTTP, or None: hang up."""

    made: MadeBy
    path = LIST
    count = 0

    def is_hit(self, path: str) -> bool:
        return path.lower() == self.path.lower()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if not self.is_hit(path):
            return await super()._handle(request)
        self.count += 1
        made = self.made(self, query)
        if isinstance(made, HttpAnswer):
            headers = {**made.headers, "Content-Type": made.content_type}
            return web.Response(body=made.body, status=made.status, headers=headers)
        assert request.transport is not None
        if made is not None:
            request.transport.write(made)
            await asyncio.sleep(0.05)
        if request.transport is not None:
            request.transport.close()
        return web.Response()


def peak_mb() -> int:
    """The peak memory of this process. getrusage would count that of the process that started it, too."""
    match = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
    assert match is not None
    return int(match[1]) >> 10


def text(body: bytes | str, status: int = 200, **headers: str) -> MadeBy:
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda box, query: HttpAnswer(status, raw, named, JSON)


def lazily(body: Callable[[], bytes], encoding: str = "") -> MadeBy:
    """The same for a large body, which is made when it is asked for."""
    headers = {"Content-Encoding": encoding} if encoding else {}
    return lambda box, query: HttpAnswer(200, body(), dict(headers), JSON)


def json(value: Any, status: int = 200, **headers: str) -> MadeBy:
    return text(msgspec.json.encode(value), status, **headers)


def link(to: Any) -> MadeBy:
    """A page whose next link is this; `HOST` stands for the sandbox."""

    def made(box: HostileSandbox, query: str) -> Made:
        result = to.replace("HOST", box.url.removeprefix("https://")) if isinstance(to, str) else to
        return answer({"value": [], "nextLink": result})

    return made


def endless(box: HostileSandbox, query: str) -> Made:
    """Each page links to another one, for ever."""
    return answer({"value": [], "nextLink": f"{box.url}{LIST}?api-version=2024-11-01&$skiptoken={box.count}"})


def ring(box: HostileSandbox, query: str) -> Made:
    """Three pages, the last of which links to the first."""
    return answer({"value": [], "nextLink": f"{box.url}{LIST}?api-version=2024-11-01&$skiptoken={box.count % 3}"})


@cache
def bomb(megabytes: int, encoding: str = "gzip") -> bytes:
    """JSON of this size, compressed to a thousandth."""
    packed = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS if encoding == "gzip" else -zlib.MAX_WBITS)
    chunks = [packed.compress(b'{"value": [], "x": "'), *(packed.compress(b"0" * (1 << 20)) for _ in range(megabytes))]
    return b"".join([*chunks, packed.compress(b'"}'), packed.flush()])


def raw(head: str, body: bytes = b"") -> MadeBy:
    return lambda box, query: head.replace("\n", "\r\n").encode("latin-1") + body


OK = "HTTP/1.1 200 OK\nContent-Type: application/json\n"
BEHAVIOURS: dict[str, MadeBy] = {
    "link to itself": lambda box, query: answer({"value": [], "nextLink": f"{box.url}{LIST}?{query}"}),
    "ring of links": ring,
    "endless links": endless,
    "link to another host": link("https://management.example.org/next"),
    "link to another port": link("https://127.0.0.1:1/next"),
    "link with http": link("http://HOST/next"),
    "link with file": link("file:///etc/passwd"),
    "link with javascript": link("javascript:alert(1)"),
    "link without a host": link("https:///next"),
    "link with a broken IPv6 address": link("https://[::1/next"),
    "link with a bracket": link("https://a]b/next"),
    "link with port 99999": link("https://127.0.0.1:99999/next"),
    "link with port 0": link("https://127.0.0.1:0/next"),
    "link with port -1": link("https://127.0.0.1:-1/next"),
    "link with a port of letters": link("https://127.0.0.1:abc/next"),
    "link with a user": link("https://user:pass@HOST/next"),
    "link with a line end": link("https://HOST/next\r\nX-Header: 1"),
    "link with a null": link("https://HOST/\x00"),
    "link with letters of other scripts": link("https://HOST/ø\u2028"),
    "link with two slashes": link("//example.org/next"),
    "link with a backslash": link("https://HOST\\@example.org/next"),
    "link of a megabyte": link("https://HOST/" + "a" * (1 << 20)),
    "link is a number": link(7),
    "link is an object": link({"href": "x"}),
    "link is a list": link(["https://HOST/"]),
    "link is true": link(True),
    "no JSON": text("<html>"),
    "empty body": text(b""),
    "null": json(None),
    "a number": json(7),
    "a string": json("x"),
    "no value": json({"values": []}),
    "value is null": json({"value": None}),
    "value is an object": json({"value": {}}),
    "value of numbers": json({"value": [1, 2]}),
    "value of nulls": json({"value": [None]}),
    "value of lists": json({"value": [[]]}),
    "rows without an id": json({"value": [{"name": "a"}]}),
    "rows whose id is a number": json({"value": [{"id": 7}]}),
    "rows of another subscription": json({"value": [{"id": "/subscriptions/x/resourceGroups/g"}]}),
    "rows whose id is a path upwards": json({"value": [{"id": f"{VAULT}/../../x"}]}),
    "two JSON values": text('{"value": []} {"value": []}'),
    "half of JSON": text('{"value": [{"id": "'),
    "not UTF-8": text(b'{"value": [], "x": "\xff\xfe"}'),
    "a lone surrogate": text('{"value": [{"id": "\\ud800"}]}'),
    "NaN": text('{"value": [NaN]}'),
    "a number of 5,000 digits": text('{"value": [' + "9" * 5000 + "]}"),
    "1e999": text('{"value": [1e999]}'),
    "deep arrays": text('{"value": ' + "[" * 50_000 + "]" * 50_000 + "}"),
    "nesting beyond the limit": text(
        '{"value": [' + '{"a":' * (DEFAULTS.answer_depth + 5) + "1" + "}" * (DEFAULTS.answer_depth + 5) + "]}"
    ),
    "gzip bomb": lazily(lambda: bomb(200), "gzip"),
    "deflate bomb": lazily(lambda: bomb(200, "deflate"), "deflate"),
    "gzip of something else": text(b'{"value": []}', Content_Encoding="gzip"),
    "half of gzip": text(bomb(1)[:500], Content_Encoding="gzip"),
    "an unknown encoding": text(bomb(1), Content_Encoding="br"),
    "gzip twice": text(gzip.compress(bomb(1)), Content_Encoding="gzip, gzip"),
    "more bytes than the limit": lazily(
        lambda: b'{"value": [], "x": "' + b"0" * (DEFAULTS.answer_size + (1 << 20)) + b'"}'
    ),
    "more values than the limit": lazily(lambda: b'{"value": [' + b"[]," * DEFAULTS.answer_values + b"[]]}"),
    "a redirect": text(b"", 302, Location="https://example.org/"),
    "a redirect to itself": text(b"", 307, Location=LIST),
    "status 299": text(b"", 299),
    "status 204": text(b"", 204),
    "status 418 with an error that is a list": json({"error": [1]}, 418),
    "status 403 with a deep error": text('{"error": ' * 3000 + "1" + "}" * 3000, 403),
    "status 400 with titles": text("<title>" * 100_000, 400),
    "status 403 with an action of a megabyte": json(
        {"error": {"code": "x", "message": "does not have authorization to perform action '" + "a/" * 500_000}}, 403
    ),
    "200 with an error": json({"error": {"code": "##vso[x]", "message": "::error::x"}}),
    "429 with a Retry-After of ages": text(b"", 429, Retry_After="9" * 400),
    "429 with a broken Retry-After": text(b"", 429, Retry_After="Mon, 99 Foo 99999 99:99:99 GMT"),
    "429 with a broken date": json({"error": {"code": "x", "message": "after '2026-99-99T99:99:99Z'"}}, 429),
    "429 with strange quotas": text(
        b"", 429, Retry_After="²", x_ms_ratelimit_remaining_subscription_reads="²", x_ms_user_quota_remaining="9" * 5000
    ),
    "a closed connection": lambda box, query: None,
    "no HTTP": lambda box, query: b"SSH-2.0-OpenSSH_9.6\r\n",
    "a header of a megabyte": raw(f"{OK}X-Long: {'a' * (1 << 20)}\n\n"),
    "100,000 headers": raw(OK + "X-A: b\n" * 100_000 + "\n"),
    "a negative length": raw(f"{OK}Content-Length: -5\n\n", b"{}"),
    "a length that is too long": raw(f"{OK}Content-Length: 500\n\n", b'{"value": []}'),
    "broken chunks": raw(f"{OK}Transfer-Encoding: chunked\n\n", b"zz\r\n{}"),
    "length and chunks": raw(f"{OK}Transfer-Encoding: chunked\nContent-Length: 2\n\n", b"2\r\n{}\r\n"),
}
"""Each answers the list of key vaults. None of them is an answer that counts as read."""

FINE = {
    "an ordinary page": json({"value": [{"id": f"{VAULT}/kv1", "name": "kv1", "properties": {}}]}),
    "an ordinary page, compressed": text(
        gzip.compress(b'{"value": [{"id": "%s/kv1", "name": "kv1"}]}' % VAULT.encode()), Content_Encoding="gzip"
    ),
    "a page of 12 MB, compressed": text(
        gzip.compress(
            b'{"value": ['
            + b",".join(b'{"id": "%s/kv%d", "x": "%s"}' % (VAULT.encode(), n, b"y" * 9000) for n in range(1300))
            + b"]}"
        ),
        Content_Encoding="gzip",
    ),
    "brackets in strings": json({"value": [{"id": f"{VAULT}/kv1", "x": "[{" * 5000}]}),
}
"""Answers that must be read in full."""


PAGES = 50
"""The pages of a list here: the 10,000 of the default take seven minutes, because 25 reads a second are sent."""


def answered(made: MadeBy) -> Result:
    """What a collection keeps of an estate in which the list of key vaults answers so."""
    box = HostileSandbox(
        [{**ESTATE[0], "id": f"{VAULT}/kv1", "name": "kv1", "type": "Microsoft.KeyVault/vaults"}, SITE],
        SUBSCRIPTIONS[:1],
    )
    box.made = partial(made)
    return scanned(box, way=ConnectionOptions(auth="environment", answers=Limits(list_pages=PAGES)))


def main() -> None:
    """Print, for each behaviour, what became of the list, and the peak of memory so far."""
    for name in sys.argv[1:] or list(BEHAVIOURS):
        result = answered(BEHAVIOURS[name])
        peak = peak_mb()
        print(
            f"{name}\t{result.gaps.get(LIST, {}).get('code') or f'read {result.reads.get(LIST)}'}\t{peak} MB",
            flush=True,
        )
    print(f"{len(BEHAVIOURS)} behaviours; link limit {LINK_BYTES} bytes")


if __name__ == "__main__":
    main()
