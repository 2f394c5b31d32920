"""How fast snapshots are evaluated: 10,000 storage accounts, the examples of all types, and the recorded mix.

    python -m tests.benchmarks.evaluate [COUNT] [JOBS]

Prints JSON: resources, wall and CPU seconds (decoding, evaluating and writing), resources and checks (a rule on a
resource) a second of CPU, KB a resource. JOBS: how many processes evaluate (1); their CPU counts, not their memory.
"""

import json
import os
import resource as usage
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from scanner.document.schema import now
from scanner.document.writer import Writer
from scanner.evaluate.run import Evaluation
from scanner.model.index import INDEX_TYPES
from scanner.model.resource import Bundle
from scanner.rulebook import loader
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from tests.real_input import recorded
from tests.rules import examples

RECORDED = Path(os.environ.get("RECORDED", "../shared/recorded"))


def estate(bundles: Iterator[Bundle], count: int) -> Store:
    """A snapshot of that many copies of the bundles, each with its own name."""
    store = Store(Header(taken="2026-11-25T00:00:00Z"))
    store.scope(examples.SUBSCRIPTION, "bench", examples.TENANT, "full")
    for type in INDEX_TYPES:
        store.read(f"/subscriptions/{examples.SUBSCRIPTION}/providers/{type}", 0)
    templates = list(bundles)
    for number in range(count):
        _copy(store, templates[number % len(templates)], f"{number:06d}")
    return store


def _copy(store: Store, bundle: Bundle, name: str) -> None:
    top = bundle.top
    assert top is not None
    old, new = top.id, f"{top.id}{name}"
    for each in bundle.resources.values():
        body: dict[str, Any] = {**each.body, "id": each.id.replace(old, new, 1)}
        store.resource(body, "pinned", "get")
    for url, read in bundle.reads.items():
        store.read(url.replace(old.lower(), new, 1), read)
    for url, gap in bundle.gaps.items():
        store.gap(url.replace(old.lower(), new, 1), gap.status, gap.code, gap.action)


def cpu_seconds() -> float:
    """Return the CPU time of this process and of those that it started and that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def measure(store: Store, jobs: int = 1) -> dict[str, Any]:
    """Evaluate and write once. The store keeps the lines that are not in memory."""
    rule_set, snapshot = loader.load(packages=False), of_store(store)
    wall, cpu = time.perf_counter(), cpu_seconds()
    evaluation = Evaluation(snapshot, rule_set)
    writer = Writer()
    if jobs > 1:
        evaluation.start(writer, jobs)
    with closing(evaluation):
        result = evaluation.run(writer)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "findings.json"
        with path.open("wb") as out:
            scan = evaluation.scan_row(started=now(), finished=now(), tool="bench")
            writer.finish(out, scan, evaluation.rule_rows(), result.gaps, evaluation.coverage())
        size = path.stat().st_size
    writer.close()
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    return {
        "resources": result.counts.resources,
        "wall_s": round(wall, 3),
        "cpu_s": round(cpu, 3),
        "resources_a_second": round(result.counts.resources / cpu),
        "checks_a_second": round(result.counts.checks / cpu),
        "kb_a_resource": round(size / result.counts.resources / 1000, 2),
        "findings": result.counts.statuses["fail"] + result.counts.statuses["unknown"],
        "peak_mb": round(usage.getrusage(usage.RUSAGE_SELF).ru_maxrss / 1024),
    }


def bundles(service: str = "") -> Iterator[Bundle]:
    for case in examples.cases():
        if case.file.startswith(service) and case.by == "get":
            yield examples.bundle(case)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    jobs = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    figures = {"storage": measure(estate(bundles("storage"), count), jobs)}
    figures["examples of all types"] = measure(estate(bundles(), count), jobs)
    if RECORDED.is_dir():
        recorded.FOLDER = RECORDED
        rows = [(recorded.bare(each), each["api_version"], "list") for each in recorded.recorded()]
        figures["recorded mix"] = measure(recorded.stored(rows, read=True), jobs)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
