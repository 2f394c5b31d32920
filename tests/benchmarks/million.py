"""Memory of `twolocks scan --from` at 10,000 to a million resources: the sample estate, of which 40 % is storage.

    python -m tests.benchmarks.million make FILE COUNT [ESTATE]   write a snapshot of about COUNT resources
    python -m tests.benchmarks.million scan FILE OUT [JOBS]       `twolocks scan --from FILE --out OUT --jobs JOBS`;
                                                                  OUT,OUT... for several files of one scan
    python -m tests.benchmarks.million prepare ESTATE             collect the lines of the estate once

The whole estate is repeated under other resource groups, its storage accounts more often than the rest.
Prints JSON: resources and MB of the snapshot; CPU and wall seconds, peak memory in MB of the process and of the largest
one that it started, MB of the files.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from scanner.sandbox.copies import GROUP, HUB, VAULT
from scanner.snapshot.format import Header, SnapshotLine, url_of
from scanner.snapshot.store import Store
from tests.benchmarks import copies
from tests.benchmarks.large_report import CHILD

STORAGE, NETWORK = 0.4, 0.05
"""The shares of storage accounts, with everything below them, and of network resources."""
_STORAGE = re.compile(r"(?i)/providers/microsoft\.storage/storageaccounts/")
_NETWORK = re.compile(r"(?i)/providers/microsoft\.network/")
_GROUP = re.compile(r'(?i)(/resourcegroups/[^/"]+)(/providers/microsoft\.network/)?')


def make(file: Path, count: int, lines: Path) -> dict[str, Any]:
    """Write a snapshot of about `count` resources. Each network is used by resources of several copies."""
    one = list(copies.read(lines).decoded())
    own = [line for line in one if line.scope is None and GROUP.search(url_of(line))]
    storage = [line for line in own if _STORAGE.search(url_of(line))]
    network = [line for line in own if _NETWORK.search(url_of(line))]
    others = [line for line in own if line not in storage and line not in network]
    store = Store(Header(taken="2026-11-25T00:00:00Z"))
    for line in (line for line in one if line not in own):
        store.add(line)
    networks = max(1, round(count * NETWORK / _resources(network)))
    made = 0
    for service, share in ((network, NETWORK), (storage, STORAGE), (others, 1 - STORAGE - NETWORK)):
        times = max(1, round(count * share / _resources(service)))
        made += times * _resources(service)
        for line in _copies(service, times, networks):
            store.add(line)
    store.write(file)
    return {"resources": made, "mb": round(file.stat().st_size / 1e6)}


def _resources(lines: list[SnapshotLine]) -> int:
    return sum(line.resource is not None for line in lines)


def _copies(lines: list[SnapshotLine], times: int, networks: int) -> Iterator[SnapshotLine]:
    """Yield the lines that many times, under other resource groups, with references to one of that many networks."""
    decode = msgspec.json.Decoder(SnapshotLine).decode
    texts = [msgspec.json.encode(line).decode() for line in lines]
    for number in range(1, times + 1):
        for text in texts:
            yield decode(_renamed(text, number, (number - 1) % networks + 1))


def _renamed(text: str, number: int, network: int) -> str:
    """Return a JSON text under the groups of a copy, with references to the networks of another one."""
    text = VAULT.sub(rf"\g<1>\g<2>-{number}", HUB.sub(rf"\g<1>\g<2>-{network}", text))
    return _GROUP.sub(lambda hit: f"{hit[1]}-{network if hit[2] else number}{hit[2] or ''}", text)


def scan(file: Path, out: str, *jobs: str) -> dict[str, Any]:
    """Evaluate a snapshot in a process of its own, and as many below it as `jobs` says."""
    files = out.split(",")
    command = [
        sys.executable,
        "-c",
        CHILD,
        "scan",
        "--from",
        str(file),
        *(f"--out={each}" for each in files),
        "--quiet",
    ]
    command += [f"--jobs={each}" for each in jobs]
    wall = time.perf_counter()
    done = subprocess.run([*command, "--fail-on", "never"], check=False, stdout=subprocess.PIPE, text=True)
    wall = time.perf_counter() - wall
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {
        **figures,
        "wall_s": round(wall, 1),
        "mb": round(sum(Path(each).stat().st_size for each in files) / 1e6),
        "exit": done.returncode,
    }


def main(words: list[str]) -> None:
    """Make a snapshot, or evaluate one."""
    match words:
        case ["prepare", lines]:
            figures = copies.write(Path(lines))
        case ["make", file, count, lines]:
            figures = make(Path(file), int(count), Path(lines))
        case ["make", file, count]:
            with tempfile.TemporaryDirectory() as folder:
                copies.write(Path(folder) / "estate.jsonl")
                figures = make(Path(file), int(count), Path(folder) / "estate.jsonl")
        case ["scan", file, out, *jobs]:
            figures = scan(Path(file), out, *jobs)
        case _:
            raise SystemExit(__doc__)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
