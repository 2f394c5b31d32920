"""Wall time of `twolocks scan` where Azure withholds answers: python -m tests.benchmarks.faults

Each fault hits one subscription of everyday resources (estate A), with and without a deadline of 30 seconds. Six scans
run side by side, because they wait for most of their time. Prints JSON.
"""

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from scanner.sandbox.estate import Estate
from scanner.sandbox.faults import Fault
from scanner.sandbox.server import running, sandbox
from tests.benchmarks.estates import ESTATES, LATENCY, estate, scan

LIST = "*/providers/Microsoft.KeyVault/vaults"
GRAPH = "*/providers/Microsoft.ResourceGraph/resources"
BELOW = "*/providers/Microsoft.Storage/storageAccounts/*"
DEADLINE = "30s"
AT_ONCE = 6
FAULTS = {
    "none": None,
    "a list answers 429, again after 1 s": Fault("throttle", LIST, retry_after=1),
    "a list answers 429, again after 60 s": Fault("throttle", LIST, retry_after=60),
    "a list answers 429, again after 900 s": Fault("throttle", LIST, retry_after=900),
    "a list answers 429 without a time": Fault("throttle", LIST),
    "a list answers 503": Fault("status", LIST, status=503),
    "a list breaks the connection": Fault("reset", LIST),
    "a list does not answer": Fault("slow", LIST, seconds=3600),
    "Resource Graph answers 429, again after 5 s": Fault("throttle", GRAPH, retry_after=5),
    "Resource Graph does not answer": Fault("slow", GRAPH, seconds=3600),
    "each read below storage accounts answers 429, again after 5 s": Fault("throttle", BELOW, retry_after=5),
    "no read below storage accounts answers": Fault("slow", BELOW, seconds=3600),
}
"""What happens to each matching request."""


def measure(served: Estate, fault: Fault | None, *words: str) -> dict[str, Any]:
    """Return wall and CPU seconds, the exit code, the failed reads by code, and the resources that they count."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(sandbox(served, latency=LATENCY, faults=[fault] if fault else [])) as box,
    ):
        figures = scan({"url": box.url, "environment": box.environment()}, Path(folder), *words)
        document = msgspec.json.decode(Path(folder, "findings.json").read_bytes())
    gaps = document["gaps"]
    codes = sorted({each["code"] for each in gaps})
    return {**figures, "gaps": len(gaps), "codes": codes, "counted": sum(each.get("resources", 0) for each in gaps)}


def main() -> None:
    served = estate(*ESTATES["A"])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ways: dict[str, tuple[str, ...]] = {"whole": (), "deadline": ("--deadline", DEADLINE)}
        runs = {
            (name, way): pool.submit(measure, served, fault, *words)
            for name, fault in FAULTS.items()
            for way, words in ways.items()
        }
        print(json.dumps({name: {way: runs[name, way].result() for way in ways} for name in FAULTS}))


if __name__ == "__main__":
    main()
