"""Wall time of `twolocks scan` where Azure withholds answers.

    python -m tests.benchmarks.faults                      each fault, with and without a deadline of 30 seconds
    python -m tests.benchmarks.faults compare DIR [TEXT]   each fault whose name has the text, without a deadline: by
                                                           the scanner of another working copy (`before`), and by this

Each fault hits one subscription of everyday resources (estate A). Six scans run side by side, because they wait for
most of their time. Prints JSON.
"""

import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from scanner.sandbox.estate import Estate
from scanner.sandbox.faults import Fault
from scanner.sandbox.server import running, sandbox
from tests.benchmarks.estates import ESTATES, LATENCY, estate, scan
from tests.fleet.broker import ROOT

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


def measure(served: Estate, fault: Fault | None, *words: str, code: Path = ROOT) -> dict[str, Any]:
    """Return wall and CPU seconds, the exit code, the failed reads by code, and the resources that they count.

    `code`: the working copy whose scanner scans.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        running(sandbox(served, latency=LATENCY, faults=[fault] if fault else [])) as box,
    ):
        environment = {**box.environment(), "PYTHONPATH": str(code)}
        figures = scan({"url": box.url, "environment": environment}, Path(folder), *words)
        document = msgspec.json.decode(Path(folder, "findings.json").read_bytes())
    gaps = document["gaps"]
    codes = sorted({each["code"] for each in gaps})
    inconclusive = sum(each["status"] == "unknown" for each in document["findings"])
    return {
        **figures,
        "gaps": len(gaps),
        "codes": codes,
        "counted": sum(each.get("resources", 0) for each in gaps),
        "inconclusive": inconclusive,
    }


def compare(before: Path, text: str) -> dict[str, dict[str, Any]]:
    """Return the figures of the faults whose names have a text, by the scanner of another working copy and by this."""
    served, codes = estate(*ESTATES["A"]), {"before": before, "after": ROOT}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = {
            name: {each: pool.submit(measure, served, fault, code=codes[each]) for each in codes}
            for name, fault in FAULTS.items()
            if text in name
        }
        return {name: {each: run.result() for each, run in made.items()} for name, made in runs.items()}


def main(words: list[str]) -> None:
    if words[:1] == ["compare"]:
        print(json.dumps(compare(Path(words[1]).absolute(), "".join(words[2:3]))))
        return
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
    main(sys.argv[1:])
