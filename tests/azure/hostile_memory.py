"""Answers that take as much memory as every limit allows, to a whole scan in a process of its own.

`python -m tests.azure.hostile_memory` prints the peak memory (VmHWM of that process), the exit code and the gap.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from scanner.azure.answers import DEFAULTS
from scanner.sandbox.server import Sandbox, running
from tests.azure.requests import S1

ROOT = Path(__file__).parents[2]
MOST_MB = 500
LIST = re.compile(r"/subscriptions/[^/]+/providers/[^/]+/[^/]+", re.IGNORECASE)
VAULTS = f"/subscriptions/{S1}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults"
ACCOUNTS = f"/subscriptions/{S1}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts"
CONTAINERS = re.compile(r".*/blobServices/default/containers", re.IGNORECASE)
GRAPH = "/providers/Microsoft.ResourceGraph/resources"
PERMISSIONS = re.compile(r".*/Microsoft.Authorization/permissions", re.IGNORECASE)
NEAR = 31 << 20
"""A page near the 32 MB of one answer."""


def deflated(text: bytes, last: bool = False) -> bytes:
    """A part of a deflate stream, which others may follow."""
    packed = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packed.compress(text) + packed.flush(zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH)


def filled(head: str, tail: str, count: int = 1, fill: str = "0", size: int = NEAR) -> bytes:
    """The rows of a page of this size, each one letter between `head` (with a number) and `tail`."""
    each = max(0, size // count - len(head) - len(tail))
    rows = (f"{head.replace('NUMBER', str(n))}{fill * each}{tail}" for n in range(count))
    return ",".join(rows).encode()


def nested() -> bytes:
    """Near every limit of one answer at once: the values, 90 levels, and the bytes."""
    row = '{"a":' * 90 + "0" + "}" * 90
    count = DEFAULTS.answer_values // 91 - 10
    rows = ",".join([row] * count)
    return f'{{"id":"{VAULTS}/kv","properties":{{"x":[{rows}],"y":"{"0" * (NEAR - len(rows) - 1000)}"}}}}'.encode()


class FullSandbox(Sandbox):
    """A sandbox in which paths answer with endless pages, each the same rows, deflated.

    `pages`: the rows, by a pattern of paths. `key`: the key of the rows; `more`: other keys, before it.
    """

    pages: dict[re.Pattern[str], bytes]
    key = "value"
    more = ""
    sent = 0

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        rest = next((each for pattern, each in self.pages.items() if pattern.fullmatch(path)), None)
        if rest is None:
            return await super()._handle(request)
        if request.can_read_body:
            await request.read()
        self.sent += 1
        version = re.search(r"api-version=[^&]*", query)
        link = f"{self.url}{path}?{version[0] if version else ''}&$skiptoken={self.sent}"
        head = f'{{"nextLink":"{link}","$skipToken":"{self.sent}",{self.more}"{self.key}":['
        headers = {"Content-Type": "application/json", "Content-Encoding": "deflate"}
        return web.Response(body=deflated(head.encode()) + rest, headers=headers)


@dataclass(frozen=True)
class Load:
    """What is answered. `pages`: rows by pattern; `seconds`: when the scan is stopped, because it would take hours."""

    pages: Callable[[], dict[str, bytes]]
    limits: str = ""
    words: tuple[str, ...] = ("--only", "type:Microsoft.KeyVault/vaults", "--no-graph")
    key: str = "value"
    more: str = ""
    seconds: float = 300.0
    resources: tuple[Any, ...] = ()


EACH = f"/subscriptions/{S1}/providers/[^/]+/[^/]+"
KEY_VAULTS = f"/subscriptions/{S1}/providers/Microsoft.KeyVault/vaults"
STORAGE = f"/subscriptions/{S1}/providers/Microsoft.Storage/storageAccounts"
ROW = f'{{"id":"{VAULTS}/kvNUMBER","location":"x","properties":{{"JUNK":"'
SMALL = ",".join(f'{{"id":"{VAULTS}/k{n}","properties":{{}}}}' for n in range(100_000)).encode()
ALL = ("--no-graph",)


def accounts(count: int, size: int) -> bytes:
    return filled(
        f'{{"id":"{ACCOUNTS}/stNUMBER","location":"x","properties":{{"allowBlobPublicAccess":true,"x":"',
        '"}}',
        count,
        size=size,
    )


LOADS: dict[str, Load] = {
    "one answer at every limit": Load(lambda: {KEY_VAULTS: nested()}),
    "pages at the limit, one row each": Load(lambda: {KEY_VAULTS: filled(ROW, '"}}')}),
    "pages at the limit, 30,000 rows each": Load(lambda: {KEY_VAULTS: filled(ROW, '"}}', 30_000)}),
    "pages at the limit, kept by rules": Load(lambda: {KEY_VAULTS: filled(ROW.replace("JUNK", "vaultUri"), '"}}')}),
    "pages of small rows": Load(lambda: {KEY_VAULTS: SMALL}),
    "all lists at once": Load(
        lambda: {EACH: filled(f'{{"id":"/subscriptions/{S1}/resourceGroups/g/providers/A/b/c","x":"', '"}')},
        '[limits]\nlist-size = "64 MB"',
        ALL,
    ),
    "all lists at once, nested": Load(lambda: {EACH: nested()}, '[limits]\nlist-size = "64 MB"', ALL, seconds=120),
    "resources with large bodies": Load(
        lambda: {STORAGE: accounts(30, NEAR)}, words=("--only", "type:Microsoft.Storage/*", "--no-graph"), seconds=60
    ),
    "many resources to read below": Load(
        lambda: {STORAGE: accounts(100_000, 0)}, words=("--only", "type:Microsoft.Storage/*", "--no-graph"), seconds=60
    ),
    "large lists below resources": Load(
        lambda: {
            STORAGE: accounts(40, 0),
            CONTAINERS.pattern: filled('{"name":"cNUMBER","properties":{"x":"', '"}}', 30),
        },
        '[limits]\nlist-size = "96 MB"\nlist-pages = 5',
        ("--only", "type:Microsoft.Storage/*", "--no-graph"),
        seconds=150,
    ),
    "many rows below resources": Load(
        lambda: {
            STORAGE: accounts(4, 0),
            CONTAINERS.pattern: filled('{"name":"cNUMBER","properties":{"x":"', '"}}', 100_000, size=0),
        },
        words=("--only", "type:Microsoft.Storage/*", "--no-graph"),
        seconds=120,
    ),
    "rows of Resource Graph": Load(
        lambda: {GRAPH: filled(
            f'{{"id":"/subscriptions/{S1}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vNUMBER",'
            '"type":"microsoft.network/virtualnetworks","properties":{"x":"', '"}}', 1000)},
        words=("--only", "type:Microsoft.KeyVault/vaults"),
        key="data",
        more='"totalRecords":17000,"resultTruncated":"false",',
    ),
    "permissions": Load(lambda: {PERMISSIONS.pattern: filled('{"actions":["', '"]}', 100)}),
    "subscriptions": Load(
        lambda: {"/subscriptions": ",".join(
            f'{{"subscriptionId":"{S1[:-12]}{n:012}","displayName":"x","state":"Enabled"}}' for n in range(100_000)
        ).encode()},
        seconds=60,
    ),
    "tenants": Load(lambda: {"/tenants": filled(f'{{"tenantId":"{S1}","displayName":"', '"}', 1000)}),
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """The exit code (None: stopped), the peak memory in MB, the seconds, and the gap."""

    code: int | None
    peak: int
    seconds: float
    said: str


def peak_mb(pid: int) -> int:
    """The peak memory of a process, 0 where it has ended."""
    try:
        match = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text("ascii"), re.MULTILINE)
    except OSError:
        return 0
    return int(match[1]) >> 10 if match else 0


def measured(load: Load) -> Measured:
    """Scan, and measure the process of the scan."""
    box = FullSandbox(load.resources, [{"subscriptionId": S1, "displayName": "prod"}])
    box.pages = {
        re.compile(each, re.IGNORECASE): deflated(rows + b"]}", last=True) for each, rows in load.pages().items()
    }
    box.key, box.more = load.key, load.more
    with running(box), tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "limits.toml"
        config.write_text(load.limits)
        words = ["scan", "--config", str(config), "--fail-on", "never", "--out", f"{folder}/findings.json"]
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": folder, **box.environment()}
        with (Path(folder) / "log").open("w+b") as log:
            began = time.monotonic()
            process = subprocess.Popen(
                [sys.executable, "-m", "scanner", *words, *load.words], cwd=folder, env=env, stderr=log, stdout=log
            )
            peak = max(_peaks(process, began + load.seconds))
            code = process.poll()
            if code is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
            log.seek(0)
            return Measured(code, peak, time.monotonic() - began, _said(log.read().decode()))


def _peaks(process: "subprocess.Popen[bytes]", ends: float) -> Iterator[int]:
    while process.poll() is None and time.monotonic() < ends:
        yield peak_mb(process.pid)
        time.sleep(0.02)
    yield 0


def _said(log: str) -> str:
    lines = log.splitlines()
    matches = [each for each in lines if re.match(r"(\S+ +)?(gap|error)", each) and "limit" in each] or lines[-1:]
    return matches[0][:150] if matches else ""


def main() -> None:
    """Print a line for each load."""
    for name in sys.argv[1:] or list(LOADS):
        result = measured(LOADS[name])
        code = "stopped" if result.code is None else result.code
        print(f"{name}\t{code}\t{result.peak} MB\t{result.seconds:.0f} s\t{result.said}", flush=True)


if __name__ == "__main__":
    main()
