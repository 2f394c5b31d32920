"""A scan of the sample estate tenfold, at 60 ms a call, against a sandbox in a process of its own.

python -m tests.benchmarks.scan serve TIMES LATENCY THROTTLE   prints the environment as JSON, serves until it is killed
python -m tests.benchmarks.scan read LIMITER                   collects, evaluates, writes JSON and HTML; prints figures
python -m tests.benchmarks.scan bare FILE                      the same GETs by a bare concurrent reader
python -m tests.benchmarks.scan client FILE                    the same GETs by the scanner's client, not stored
"""

import asyncio
import collections
import json
import os
import resource as usage
import ssl
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import msgspec

from scanner.azure.clients import ConnectionOptions, connect
from scanner.azure.errors import ReadError
from scanner.azure.transport import MAX_REQUESTS
from scanner.collect.collector import Plan, Scope, collect
from scanner.collect.queue import run_some
from scanner.document.schema import Document, now
from scanner.document.writer import Writer
from scanner.evaluate.run import Evaluation
from scanner.report.html.rendering import write_html
from scanner.rulebook import loader
from scanner.sandbox.copies import copies
from scanner.sandbox.estate import load_estate
from scanner.sandbox.server import Sandbox
from scanner.sandbox.throttle import ThrottleLimits
from scanner.scan.joined import joined
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store

GRAPH = "/providers/Microsoft.ResourceGraph/resources"


async def serve(times: int, latency: float, throttle: bool) -> None:
    """The sandbox, until its standard input is closed."""
    box = Sandbox.from_estate(
        copies(load_estate(), times), latency=latency, limits=ThrottleLimits() if throttle else None
    )
    async with box:
        stated = {"url": box.url, "ca": str(box.ca_file), "environment": box.environment(), "token": box.token()}
        print(json.dumps(stated), flush=True)
        await asyncio.to_thread(sys.stdin.read)


class Quiet:
    """A progress that nobody looks at."""

    def __getattr__(self, name: str) -> Any:
        return lambda *words, **more: None


def read(url: str, limiter: bool) -> dict[str, Any]:
    """One scan: figures of this process, and its requests by kind."""
    requests: list[tuple[str, str]] = []
    store = Store(Header(taken=now()))
    rule_set = loader.load(packages=False)
    wall, cpu = time.perf_counter(), time.process_time()

    async def main() -> None:
        def received(method: str, path: str, status: int, milliseconds: float) -> None:
            requests.append((method, path))

        way = ConnectionOptions(arm_endpoint=url, auth="environment", limits=limiter)
        async with connect(way, on_request=received) as reader:
            last = partial(joined, rule_set, store, graph=True)
            plan = Plan(rule_set.kinds, rule_set.reads(), places=rule_set.needs_places, joined=last)
            await collect(reader, Scope(), plan, store, Quiet())

    asyncio.run(main())
    reading = time.perf_counter() - wall
    evaluation = Evaluation(of_store(store), rule_set)
    writer = Writer()
    result = evaluation.run(writer)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "findings.json"
        with path.open("wb") as out:
            scan = evaluation.scan_row(started=now(), finished=now(), tool="bench")
            writer.finish(out, scan, evaluation.rule_rows(), result.gaps, evaluation.coverage())
        write_html(msgspec.json.decode(path.read_bytes(), type=Document), Path(folder) / "report.html")
    if record := os.environ.get("TWOLOCKS_BENCH_PATHS"):
        Path(record).write_text(json.dumps([path for method, path in requests if method == "GET"]))
    kinds = collections.Counter(_kind(method, path) for method, path in requests)
    return {
        "resources": result.counts.resources,
        "requests": len(requests),
        "by_kind": dict(kinds.most_common(12)),
        "reading_s": round(reading, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "peak_mb": round(usage.getrusage(usage.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _kind(method: str, path: str) -> str:
    if method == "POST":
        return "Resource Graph" if path.startswith(GRAPH) else "token"
    segments = path.split("?")[0].split("/providers/")[-1].split("/")
    return "/".join(segment for segment in segments[1::2]) or "subscriptions"


async def _bare(url: str, ca: str, token: str, paths: list[str]) -> float:
    context = ssl.create_default_context(cafile=ca)
    connector = aiohttp.TCPConnector(ssl=context, limit=MAX_REQUESTS)
    headers = {"Authorization": f"Bearer {token}"}
    begin = time.perf_counter()
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def get(path: str) -> None:
            async with session.get(url + path) as answer:
                msgspec.json.decode(await answer.read())

        await asyncio.gather(*(get(path) for path in paths))
    return time.perf_counter() - begin


def bare(server: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """The same GETs, 64 at a time, decoded and thrown away."""
    cpu = time.process_time()
    wall = asyncio.run(_bare(server["url"], server["ca"], server["token"], paths))
    return {"requests": len(paths), "wall_s": round(wall, 2), "cpu_s": round(time.process_time() - cpu, 2)}


async def _client(url: str, paths: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of these GETs."""
    async with connect(ConnectionOptions(arm_endpoint=url, auth="environment", limits=False)) as reader:

        async def get(path: str) -> None:
            where, _, query = path.partition("?")
            named = dict(parse_qsl(query))
            with suppress(ReadError):
                await reader._arm.get(where, named.pop("api-version", ""), query=named)

        await reader.subscriptions()
        for path in {path.split("/providers/")[-1].split("/")[0]: path for path in paths}.values():
            await get(path)  # imports the management client
        wall, cpu = time.perf_counter(), time.process_time()
        jobs = (partial(get, path) for path in paths)
        await run_some(jobs)
        return time.perf_counter() - wall, time.process_time() - cpu


def client(server: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """The same GETs through the client of a scan, with all its guards but the documented limits."""
    wall, cpu = asyncio.run(_client(server["url"], paths))
    return {"requests": len(paths), "wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}


def main(words: list[str]) -> None:
    if words[0] == "serve":
        asyncio.run(serve(int(words[1]), float(words[2]), words[3] == "on"))
        return
    server = json.loads(os.environ["TWOLOCKS_BENCH_SERVER"])
    if words[0] == "read":
        print(json.dumps(read(server["url"], words[1] == "on")))
    else:
        made = client if words[0] == "client" else bare
        print(json.dumps(made(server, json.loads(Path(words[1]).read_text()))))


if __name__ == "__main__":
    main(sys.argv[1:])
