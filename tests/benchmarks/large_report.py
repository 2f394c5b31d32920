"""The report of a large estate: the demo's findings repeated with other ids, written by `twolocks report`.

    python -m tests.benchmarks.large_report make FILE [COPIES]     145 copies: 50,000 findings, 101,000 endpoints
    python -m tests.benchmarks.large_report write FILE OUT         CPU s and VmHWM MB of one process, MB of OUT
    python -m tests.benchmarks.large_report page REPORT            Chromium: ms to the first drawing and to data; ms of
                                                                   a filter; MB of the heap

Each prints JSON.
"""

import hashlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from playwright.sync_api import Page, sync_playwright

from scanner.document.schema import Document, ScopeRow, decode_document
from scanner.document.writer import Writer, fill

COPIES = 145
_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_FINGERPRINT = re.compile(rb'(?<="fingerprint":")[0-9a-f]{16}')
_CHILD = (
    "import json, resource, runpy, sys\n"
    "try: runpy.run_module('scanner', run_name='__main__', alter_sys=True)\n"
    "finally:\n"
    "    used = resource.getrusage(resource.RUSAGE_SELF)\n"
    "    peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
    "    print(json.dumps({'cpu_s': round(used.ru_utime + used.ru_stime, 2), 'hwm_mb': int(peak.split()[1]) >> 10}))\n"
)


def demo() -> bytes:
    """Return the findings document of `twolocks demo`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "scanner", "demo", "--quiet", "--dir", folder]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return (Path(folder) / "findings.json").read_bytes()


def copy(text: bytes, number: int) -> Document:
    """Return the document with other subscriptions and fingerprints; the first copy, number 0, is the document."""

    def other(hit: re.Match[bytes]) -> bytes:
        digits = hashlib.sha256(hit[0] + b"%d" % number).hexdigest()
        if len(hit[0]) == 16:
            return digits[:16].encode()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32])).encode()

    return decode_document(text if not number else _FINGERPRINT.sub(other, _ID.sub(other, text)))


def make(file: Path, copies: int) -> dict[str, Any]:
    """Write the demo's findings so many times; return the numbers of rows."""
    writer, text, scopes = Writer(), demo(), list[ScopeRow]()
    first, gaps = decode_document(text), []
    for number in range(copies):
        made = copy(text, number)
        fill(writer, made)
        gaps += made.gaps
        scopes += [msgspec.structs.replace(scope, name=f"{scope.name} {number:03}") for scope in made.coverage.scopes]
    scan = msgspec.structs.replace(first.scan, resources=first.scan.resources * copies, cloud="public")
    coverage = msgspec.structs.replace(first.coverage, scopes=scopes)
    with file.open("wb") as out:
        writer.finish(out, scan, first.rules, gaps, coverage)
    writer.close()
    rows = {name: len(getattr(first, name)) * copies for name in ("exposures", "findings", "resources")}
    return {**rows, "mb": round(file.stat().st_size / 1e6)}


def write(file: Path, out: str) -> dict[str, Any]:
    """Write a report in a child process."""
    command = [sys.executable, "-c", _CHILD, "report", str(file), "--out", out]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**figures, "mb": round(Path(out).stat().st_size / 1e6, 2)}


def page(report: Path) -> dict[str, Any]:
    """Open a report five times; return medians, of the wall clock as a browser has no other."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--enable-precise-memory-info"])
        runs = [_open(browser.new_page(viewport={"width": 1280, "height": 800}), report) for _ in range(5)]
        browser.close()
    return {name: round(statistics.median(run[name] for run in runs), 1) for name in runs[0]}


def _open(opened: Page, report: Path) -> dict[str, float]:
    opened.goto(report.as_uri(), wait_until="commit")
    opened.wait_for_selector("html[data-ready]", timeout=60_000)
    figures: dict[str, float] = opened.evaluate(
        """async () => {
            const painted = performance.getEntriesByName("first-contentful-paint")[0];
            return {paint_ms: painted ? painted.startTime : -1, ready_ms: performance.now()};
        }"""
    )
    for name, state in {"endpoints_ms": "#endpoints", "findings_ms": "#findings"}.items():
        figures[name] = _shown(opened, state)
    figures["filter_ms"] = _shown(opened, "#findings?q=storage+severity:high")
    figures["word_ms"] = _shown(opened, "#findings?q=public+access")
    opened.context.new_cdp_session(opened).send("HeapProfiler.collectGarbage")
    figures["heap_mb"] = opened.evaluate("performance.memory.usedJSHeapSize / 1e6")
    opened.close()
    return figures


def _shown(opened: Page, state: str) -> float:
    """Return the milliseconds until the page has drawn a state."""
    drawn: float = opened.evaluate(
        """(state) => new Promise((done) => {
            const start = performance.now();
            location.hash = state;
            addEventListener("hashchange", () => requestAnimationFrame(() => setTimeout(
                () => done(performance.now() - start))), {once: true});
        })""",
        state,
    )
    return drawn


def main() -> None:
    """Run one of the three."""
    task, file, *more = sys.argv[1:]
    started = time.perf_counter()
    if task == "make":
        figures = make(Path(file), int(more[0]) if more else COPIES)
    else:
        figures = page(Path(file).absolute()) if task == "page" else write(Path(file), more[0])
    print(json.dumps({**figures, "wall_s": round(time.perf_counter() - started, 1)}))


if __name__ == "__main__":
    main()
