"""Scans in parts over a real broker: one process, this process shard by shard, 1, 2, ... workers; and kills.

    python -m tests.benchmarks.fleet [SHARDS [WORKERS...]]       40 shards; 0 (no broker), 1 and 2 workers by default
    python -m tests.benchmarks.fleet kills SHARDS KILLS [KILLS]  kills of workers, then of coordinators; 2 workers
    python -m tests.benchmarks.fleet evaluation FILE [WORKERS...]  evaluation of a snapshot (`million make`); 0, 1 and 2

Each subscription is the sample's second one under another id (170 resources, about 75 reads). The sandbox is served by
a process of its own. CPU and memory are those of the processes of Twolocks, the broker and the sandbox left out.
Workers evaluate in all of these but the scans without a broker, however little there is. `evaluation` measures that
alone, from the snapshot in the store to the last row: as one process does it, and by workers that have loaded nothing.
"""

import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import msgspec

from scanner import version
from scanner.config.settings import resolve
from scanner.document.writer import Writer
from scanner.evaluate.run import Evaluation
from scanner.fleet.messages import RunPlan, digest_of
from scanner.fleet.queue import Queue, open_broker
from scanner.fleet.shard_store import ShardStore, new_run
from scanner.fleet.spreading import FleetRun, spread
from scanner.output.storage import Storage
from scanner.rulebook.digest import digest_of_code
from scanner.rulebook.loader import load
from scanner.sandbox.estate import Estate, load_estate
from scanner.snapshot.bundles import of_store
from scanner.snapshot.files import lines_of_shard
from scanner.snapshot.store import Store
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop
from tests.fleet.broker import ROOT, broker, wait_until

SOURCE = "c4e0f7d2-7a31-4b8e-8d0c-91b6f2a3e5d4"
FIRST = "5b1d7c1e-0d2a-4c6b-9f53-2f6a1c0e7a10"
LATENCY = 0.02


def estate(shards: int) -> Estate:
    """The sample's second subscription, so many times."""
    result = load_estate()
    (own,) = [each for each in result.subscriptions if each["subscriptionId"] == SOURCE]
    text = msgspec.json.encode([own, [each for each in result.resources if SOURCE in each["id"]]]).decode()
    made: list[Any] = []
    for number in range(shards):
        id = str(uuid5(UUID(SOURCE), str(number)))
        copy, resources = msgspec.json.decode(text.replace(SOURCE, id))
        made.append(({**copy, "displayName": f"sub-{number:03}", "view": "full"}, resources))
    return Estate(
        tenant=result.tenant,
        subscriptions=[each for each, _ in made],
        resources=[each for _, resources in made for each in resources],
        refusals=[],
        grants=[],
        overrides={},
    )


def serve(shards: int) -> None:
    """Serve until standard input ends; print the environment first."""
    from scanner.sandbox.server import running, sandbox

    with running(sandbox(estate(shards), latency=LATENCY)) as box:
        print(json.dumps({**box.environment(), "TWOLOCKS_SCAN_ARM_ENDPOINT": box.url}), flush=True)
        sys.stdin.read()


PROGRAM = """
import sys
from scanner.cli.app import main
from scanner.fleet import spreading
spreading.LEAST_BYTES, spreading.RANGE_BYTES = 1, 200_000
main(sys.argv[1:])
"""
"""Twolocks, where workers evaluate however little there is."""


class Process:
    """A process of Twolocks, and what it took."""

    def __init__(self, folder: Path, env: dict[str, str], *words: str) -> None:
        given = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), **env}
        self.began = time.monotonic()
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], cwd=folder, env=given, stderr=log)

    def wait(self) -> dict[str, float]:
        """Wall and CPU seconds, peak MB, exit code."""
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return {
            "wall": round(time.monotonic() - self.began, 1),
            "cpu": round(used.ru_utime + used.ru_stime, 1),
            "mb": round(used.ru_maxrss / 1024),
            "code": self.process.returncode,
        }

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)


@contextmanager
def lab(shards: int) -> Iterator[tuple[Path, dict[str, str], str]]:
    """A folder, the environment of a sandbox, and a broker."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        folder = Path(name)
        words = [sys.executable, "-m", "tests.benchmarks.fleet", "serve", str(shards)]
        served = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        opened.callback(served.kill)
        assert served.stdout is not None
        env: dict[str, str] = json.loads(served.stdout.readline())
        yield folder, env, opened.enter_context(broker(folder))


def findings(file: Path) -> tuple[str, int]:
    """A digest of the findings without their header, and how many gaps there are.

    In a process of its own: the peak memory of a child counts what its parent had when it was started.
    """
    words = [sys.executable, "-m", "tests.benchmarks.fleet", "digest", str(file)]
    digest, gaps = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return digest, int(gaps)


def print_digest(file: Path) -> None:
    document = json.loads(file.read_bytes())
    del document["scan"]
    print(sha256(json.dumps(document).encode()).hexdigest(), len(document["gaps"]))


def measure(shards: int, workers: Sequence[int]) -> None:
    """Print a line a way of scanning; all find the same."""
    with lab(shards) as (folder, env, url):
        plain = Process(folder, env, "scan", "--no-journal", "--quiet", "--out", "plain.json").wait()
        report("one process", plain, [])
        whole = findings(folder / "plain.json")
        for count in workers:
            location = str(folder / f"parts-{count}")
            fleet = ("--broker", url, "--parts", location)
            helpers = [Process(folder, env, "fleet", "worker", "--quiet", *fleet) for _ in range(count)]
            time.sleep(5 if count else 0)
            words = ("scan", "--quiet", "--out", "f.json", *(fleet if count else ("--parts", location)))
            took = Process(folder, env, *words).wait()
            for each in helpers:
                each.kill(signal.SIGTERM)
            report(f"{count} workers" if count else "in parts, no broker", took, [each.wait() for each in helpers])
            assert findings(folder / "f.json") == whole


def report(what: str, scan: dict[str, float], helpers: Sequence[dict[str, float]]) -> None:
    total = round(scan["cpu"] + sum(each["cpu"] for each in helpers), 1)
    print(json.dumps({"what": what, "scan": scan, "workers": helpers, "cpu of all": total}), flush=True)


def kills(shards: int, of_workers: int, of_coordinators: int) -> None:
    """Kill workers at random instants, each replaced at once; then coordinators, each resumed."""
    with lab(shards) as (folder, env, url):
        Process(folder, env, "scan", "--no-journal", "--quiet", "--out", "plain.json").wait()
        whole = findings(folder / "plain.json")
        left, done = [of_workers, of_coordinators], {"runs": 0, "differences": 0, "gaps": 0, "starts": 0}
        while any(left):
            location = folder / f"parts-{done['runs']}"
            interrupted(folder, env, ("--broker", url, "--parts", str(location), "--redeliver-after", "5s"), left)
            matches = findings(folder / "f.json")
            done["runs"] += 1
            done["differences"] += matches != whole
            done["gaps"] += matches[1] - whole[1]
            done["starts"] += len(list(location.glob("*/started/*")))
            report_kills(of_workers - left[0], of_coordinators - left[1], done)


def interrupted(folder: Path, env: dict[str, str], fleet: Sequence[str], left: list[int]) -> None:
    """One scan with two workers. Kills as many of `left` (workers, coordinators) as its time allows."""
    location, chance = Path(fleet[3]), random.Random(left[0])
    helpers = [Process(folder, env, "fleet", "worker", "--quiet", *fleet) for _ in range(2)]
    scan = Process(folder, env, "scan", "--quiet", "--out", "f.json", *fleet)
    process = scan.process
    wait_until(lambda: list(location.glob("*/plan.json")) or process.poll() is not None)
    while scan.process.poll() is None:
        time.sleep(chance.uniform(0.5, 3))
        if scan.process.poll() is None and left[0]:
            left[0] -= 1
            helpers.pop(0).kill()
            helpers.append(Process(folder, env, "fleet", "worker", "--quiet", *fleet))
        elif scan.process.poll() is None and left[1]:
            left[1] -= 1
            scan.kill()
            scan.process.wait()
            (run,) = [each.name for each in location.iterdir()]
            scan = Process(folder, env, "scan", "--quiet", "--out", "f.json", *fleet, "--resume", run)
    for each in helpers:
        each.kill()
    assert scan.process.returncode in (0, 1, 3), (folder / "log").read_text("utf-8")[-3000:]


def report_kills(workers: int, coordinators: int, done: dict[str, int]) -> None:
    print(json.dumps({"workers killed": workers, "coordinators killed": coordinators, **done}), flush=True)


def evaluation(file: Path, workers: Sequence[int]) -> None:
    """Print what an evaluation takes without and with workers; the documents are equal."""
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as url:
        folder, digests = Path(name), set[str]()
        for count in workers:
            location = str(folder / f"parts-{count}")
            fleet = ("--broker", url, "--parts", location)
            helpers = [Process(folder, {}, "fleet", "worker", "--quiet", *fleet) for _ in range(count)]
            time.sleep(5 if count else 0)
            words = [
                sys.executable,
                "-m",
                "tests.benchmarks.fleet",
                "evaluate",
                str(file),
                location,
                url if count else "",
            ]
            took = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
            digests.add(took.pop("digest"))
            for each in helpers:
                each.kill(signal.SIGTERM)
            report(f"evaluation, {count} workers", took, [each.wait() for each in helpers])
        assert len(digests) == 1


def evaluate(file: Path, location: str, url: str) -> None:
    """Evaluate a snapshot in this process, or by the workers of a broker, and print what it took."""
    rules, store = load(), _store(file)
    taken, writer, tool = of_store(store), Writer(), f"twolocks {version()}"
    began, cpu = time.monotonic(), time.process_time()
    made = Evaluation(taken, rules)
    if url:
        settings = resolve("fleet worker", {"broker": url}, {}, use_file=False)
        shards = ShardStore(Storage(settings, asyncio.run), location, new_run())
        header = taken.header
        shards.write_plan(RunPlan(run=shards.run, header=header, account="", tenant="", rules=digest_of(rules, tool)))
        run = FleetRun(shards, Queue(open_broker(settings)), digest_of_code())
        spread_evaluation = spread(run, made, writer, Screen(quiet=True), Stop(lambda code: None), None)
        assert spread_evaluation is not None
        made.use(spread_evaluation.fragments())
    result = made.run(writer)
    took = {"wall": round(time.monotonic() - began, 1), "cpu": round(time.process_time() - cpu, 1)}
    took["mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    with tempfile.TemporaryFile() as out:
        scan = made.scan_row(started="", finished="", tool="")
        writer.finish(out, scan, made.rule_rows(), result.gaps, made.coverage())
        out.seek(0)
        print(json.dumps({**took, "digest": file_digest(out, "sha256").hexdigest()}))


def _store(file: Path) -> Store:
    header, lines = lines_of_shard(file)
    store = Store(header)
    store.add_shard(header, lines)
    return store


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", count]:
            serve(int(count))
        case ["evaluation", name, *counts]:
            evaluation(Path(name), list(map(int, counts)) or [0, 1, 2])
        case ["evaluate", name, place, url]:
            evaluate(Path(name), place, url)
        case ["digest", name]:
            print_digest(Path(name))
        case ["kills", count, *given]:
            numbers = [*map(int, given), 0][:2]
            kills(int(count), *numbers)
        case given:
            numbers = list(map(int, given)) or [40]
            measure(numbers[0], numbers[1:] or [0, 1, 2])
