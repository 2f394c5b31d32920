"""How the evaluation grows: copies of the sample estate in one snapshot, evaluated and written.

    python -m tests.benchmarks.copies collect FILE      write the lines of the estate
    python -m tests.benchmarks.copies COPIES [FILE]     measure; without a file the estate is collected first

The estate is collected once from a sandbox; its lines are then repeated under other resource groups.
Prints JSON: copies, resources, CPU seconds, CPU milliseconds a resource, peak memory.
"""

import asyncio
import json
import resource as usage
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from scanner.azure.clients import ConnectionOptions, connect
from scanner.collect.collector import Plan, Scope, collect
from scanner.document.writer import Writer
from scanner.evaluate.run import Evaluation
from scanner.rulebook import loader
from scanner.rulebook.loader import RuleSet
from scanner.sandbox.copies import GROUP, renamed
from scanner.sandbox.estate import load_estate
from scanner.sandbox.server import Sandbox
from scanner.scan.joined import joined
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header, SnapshotLine, url_of
from scanner.snapshot.store import Store
from tests.azure.requests import environment


class Quiet:
    """A progress that nobody looks at."""

    def __getattr__(self, name: str) -> Any:
        return lambda *words, **more: None


async def collected(rules: RuleSet) -> Store:
    """The sample estate, read once from a sandbox."""
    store = Store(Header(taken="2026-11-25T00:00:00Z"))
    async with Sandbox.from_estate(load_estate()) as box:
        with environment(box):
            way = ConnectionOptions(arm_endpoint=box.url, auth="environment", limits=False)
            async with connect(way) as reader:
                plan = Plan(
                    rules.kinds,
                    rules.reads(),
                    places=rules.needs_places,
                    joined=partial(joined, rules, store, graph=True),
                )
                await collect(reader, Scope(), plan, store, Quiet())
    return store


def repeated(one: Store, times: int) -> Store:
    """The lines of a store that many times over. What belongs to no resource group is there once."""
    out = Store(Header(taken=one.header.taken))
    decode, encode = msgspec.json.Decoder(SnapshotLine).decode, msgspec.json.encode
    lines = list(one.decoded())
    for line in lines:
        out.add(line)
    own = [encode(line).decode() for line in lines if line.scope is None and GROUP.search(url_of(line))]
    for number in range(2, times + 1):
        for text in own:
            out.add(decode(renamed(text, number)))
    return out


def write(path: Path) -> dict[str, Any]:
    """Write the lines of the estate, one a line."""
    lines = list(asyncio.run(collected(loader.load(packages=False))).decoded())
    path.write_bytes(msgspec.json.Encoder().encode_lines(lines))
    return {"lines": len(lines)}


def read(path: Path) -> Store:
    """Return the store of lines that `write` wrote."""
    store = Store(Header(taken="2026-11-25T00:00:00Z"))
    for line in msgspec.json.Decoder(SnapshotLine).decode_lines(path.read_bytes()):
        store.add(line)
    return store


def measure(times: int, path: Path | None = None) -> dict[str, Any]:
    """Evaluate that many copies once, and return what it took."""
    rules = loader.load(packages=False)
    store = repeated(asyncio.run(collected(rules)) if path is None else read(path), times)
    cpu = time.process_time()
    writer = Writer()
    result = Evaluation(of_store(store), rules).run(writer)
    cpu = time.process_time() - cpu
    writer.close()
    return {
        "copies": times,
        "resources": result.counts.resources,
        "cpu_s": round(cpu, 2),
        "ms_a_resource": round(cpu / result.counts.resources * 1000, 3),
        "peak_mb": round(usage.getrusage(usage.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main(words: list[str]) -> None:
    """Write the lines of the estate, or measure."""
    paths = [Path(each) for each in words[1:]]
    print(json.dumps(write(*paths) if words[0] == "collect" else measure(int(words[0]), *paths)))


if __name__ == "__main__":
    main(sys.argv[1:])
