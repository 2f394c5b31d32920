"""The report of a large estate: the demo's findings repeated with other ids, written by `twolocks report`.

    python -m tests.benchmarks.large_report make FILE [FINDINGS ENDPOINTS]     at least 50,000 and 100,000
    python -m tests.benchmarks.large_report write FILE OUT [OPTION...]
                                                     `twolocks report`: CPU s and VmHWM MB of one process, MB of OUT
    python -m tests.benchmarks.large_report page REPORT        Chromium: ms of first drawings, filters and tasks

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
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from playwright.sync_api import Browser, CDPSession, sync_playwright

from scanner.document.capacity_rows import CapacityRow, ControlPlaneRow, QuotaRow, ReservationRow, SpreadRow
from scanner.document.key_rows import KeyStoreRow
from scanner.document.schema import Document, ScopeRow, decode_document
from scanner.document.writer import Writer, fill

FINDINGS, ENDPOINTS = 50_000, 100_000
_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_FINGERPRINT = re.compile(rb'(?<="fingerprint":")[0-9a-f]{16}')
CHILD = (
    "import json, resource, runpy, sys\n"
    "try: runpy.run_module('scanner', run_name='__main__', alter_sys=True)\n"
    "finally:\n"
    "    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]\n"
    "    cpu = sum(used.ru_utime + used.ru_stime for used in both)\n"
    "    peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
    "    peak_mb = {'hwm_mb': int(peak.split()[1]) >> 10, 'child_mb': both[1].ru_maxrss >> 10}\n"
    "    print(json.dumps({'cpu_s': round(cpu, 2), **peak_mb}))\n"
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


def make(file: Path, findings: int, endpoints: int) -> dict[str, Any]:
    """Write the demo's document as often as so many endpoints need, of each copy an even part of the findings.

    Return the numbers of rows.
    """
    writer, text, scopes, stores = Writer(), demo(), list[ScopeRow](), defaultdict[str, list[KeyStoreRow]](list)
    first, gaps = decode_document(text), []
    copies = -(-endpoints // len(first.exposures))
    share = min(-(-findings // copies), len(first.findings))
    for number in range(copies):
        made = copy(text, number)
        each = len(made.findings)
        platform = {row.type: row for row in made.keys if row.holder == "platform"}
        for type, row in platform.items():
            stores[type] += row.stores
        of_microsoft = [msgspec.structs.replace(row, stores=stores[type]) for type, row in platform.items()]
        made.keys = [row for row in made.keys if row.holder != "platform"]
        made.keys += of_microsoft if number == copies - 1 else []
        made.capacity = [row for each in made.capacity for row in _of_copy(each, number, copies)]
        made.findings = [row for at, row in enumerate(made.findings) if (at + 1) * share // each > at * share // each]
        fill(writer, made)
        gaps += made.gaps
        scopes += [msgspec.structs.replace(scope, name=f"{scope.name} {number:03}") for scope in made.coverage.scopes]
    scan = msgspec.structs.replace(first.scan, resources=first.scan.resources * copies, cloud="public")
    coverage = msgspec.structs.replace(first.coverage, scopes=scopes)
    with file.open("wb") as out:
        writer.finish(out, scan, first.rules, gaps, coverage, numbers=first.numbers or None)
    writer.close()
    rows = {"exposures": len(first.exposures), "findings": share, "resources": len(first.resources)}
    return {**{name: count * copies for name, count in rows.items()}, "mb": round(file.stat().st_size / 1e6)}


def _of_copy(row: CapacityRow, number: int, copies: int) -> Iterator[CapacityRow]:
    """Yield the row of a copy; of the whole estate there is one row, with the counts of all copies."""
    if isinstance(row, QuotaRow | ReservationRow):
        yield row
    elif not number and isinstance(row, SpreadRow):
        single, spread, unknown = (count * copies for count in (row.single, row.spread, row.unknown))
        yield msgspec.structs.replace(row, single=single, spread=spread, unknown=unknown)
    elif not number and isinstance(row, ControlPlaneRow):
        count = row.resources and row.resources * copies
        yield msgspec.structs.replace(row, resources=count)


def write(file: Path, out: str, *options: str) -> dict[str, Any]:
    """Write a report in a child process."""
    command = [sys.executable, "-c", CHILD, "report", str(file), "--out", out, *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**figures, "mb": round(Path(out).stat().st_size / 1e6, 2)}


def page(report: Path) -> dict[str, Any]:
    """Open a report five times, as a reader in a hurry does; return medians in ms, of the wall clock but for `cpu`.

    `paint`: the first paint, from the start of the navigation, as `findings` and `whole` are. `input`: from a click on
    Findings at the first paint to the paint of that view. `findings`: the first page of findings is painted. Filters
    are typed then: two keys (`keys`), two words (`words`), a part of an id (`id`), a facet is ticked (`facet`), each to
    the paint of its result, and the rows are sorted by resource (`sort`). `cpu`: of the main thread until the first
    page of findings, and `first_longest_cpu` that of its longest task; `whole` and `whole_cpu`: until every row and
    fingerprint is unpacked. `longest`: the longest task of all, `longest_cpu` its CPU; `filter_longest_cpu` and
    `sort_longest_cpu`: of the tasks while filtering and while sorting.

    A task is what Chromium calls so, or a run of microtasks between tasks: so continue scripts that yielded.
    """
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        arguments = ["--no-sandbox", "--enable-precise-memory-info"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        runs = [_open(browser, report, Path(folder) / "trace.json") for _ in range(RUNS)]
        browser.close()
    return {name: round(statistics.median(run[name] for run in runs), 1) for name in runs[0]}


RUNS = 5
FILTERS = {"keys": "severity:high type:storage", "words": "public access", "id": "resourcegroups/rg-"}
_WATCH = """
const told = {}, figures = {}, all = new Promise((done) => { told.whole = done; });
const isThere = {findings: () => document.getElementById("finding-table"),
    whole: () => document.documentElement?.dataset.ready};
const painted = (act) => requestAnimationFrame(() => scheduler.postTask(act, {priority: "user-blocking"}));
const mark = (name) => { figures[name] = performance.now(); performance.mark("at-" + name); told[name]?.(); };
new PerformanceObserver((list) => {
    if ("paint" in figures) return;
    figures.paint = list.getEntries()[0].startTime;
    const start = performance.now();
    document.querySelector(".bar a[href='#findings']").click();
    painted(() => { figures.input = performance.now() - start; });
}).observe({type: "paint", buffered: true});
new MutationObserver((_, own) => {
    for (const name of Object.keys(isThere)) if (isThere[name]()) { delete isThere[name]; painted(() => mark(name)); }
    if (!Object.keys(isThere).length) own.disconnect();
}).observe(document, {childList: true, subtree: true, attributes: true, attributeFilter: ["data-ready"]});
const redrawn = (act) => new Promise((done) => {
    const start = performance.now();
    new MutationObserver((_, own) => { own.disconnect(); painted(() => done(performance.now() - start)); })
        .observe(document.getElementById("finding-list"), {childList: true});
    act();
});
const typed = (text) => redrawn(() => {
    const field = document.getElementById("filter");
    field.value = text;
    field.dispatchEvent(new Event("input", {bubbles: true}));
});
window.measured = async (filters) => {
    await all;
    performance.mark("at-filter");
    for (const [name, text] of Object.entries(filters)) figures[name] = await typed(text);
    await typed("");
    figures.facet = await redrawn(() => document.querySelectorAll(".facet input")[1].click());
    await typed("");
    performance.mark("at-sort");
    figures.sort = await redrawn(() => document.querySelector("button[data-sort=resource]").click());
    performance.mark("at-end");
    return figures;
};
"""


_TASKS = ("ThreadControllerImpl::RunTask", "BlinkScheduler_PerformMicrotaskCheckpoint")


class _Tab:
    """A tab that Playwright does not watch: of what it watches, the browser decodes each file twice."""

    def __init__(self, browser: CDPSession) -> None:
        self._browser = browser
        self._answers = dict[int, Any]()
        self._context = browser.send("Target.createBrowserContext")["browserContextId"]
        wanted = {"url": "about:blank", "browserContextId": self._context}
        self._target = browser.send("Target.createTarget", wanted)["targetId"]
        attached = browser.send("Target.attachToTarget", {"targetId": self._target, "flatten": False})
        self._session = attached["sessionId"]
        browser.on("Target.receivedMessageFromTarget", self._receive)

    def _receive(self, event: dict[str, Any]) -> None:
        answer = json.loads(event["message"])
        if event["sessionId"] == self._session and "id" in answer:
            self._answers[answer["id"]] = answer.get("result", answer)

    def send(self, method: str, **parameters: Any) -> Any:
        """Return the answer to a command of the DevTools protocol."""
        number = len(self._answers) + 1
        message = json.dumps({"id": number, "method": method, "params": parameters})
        self._browser.send("Target.sendMessageToTarget", {"sessionId": self._session, "message": message})
        while number not in self._answers:
            self._browser.send("Browser.getVersion")
            time.sleep(_ASKED_EVERY_S)
        return self._answers[number]

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, of a promise once it is fulfilled."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return answer["result"]["value"]

    def close(self) -> None:
        """Close the tab."""
        self._browser.send("Target.disposeBrowserContext", {"browserContextId": self._context})


_ASKED_EVERY_S = 0.25


def _open(browser: Browser, report: Path, trace: Path) -> dict[str, float]:
    tab = _Tab(browser.new_browser_cdp_session())
    tab.send("Page.enable")
    tab.send("Emulation.setDeviceMetricsOverride", width=1280, height=800, deviceScaleFactor=1, mobile=False)
    tab.send("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)
    browser.start_tracing(path=trace, categories=["toplevel", "blink.user_timing"])
    tab.send("Page.navigate", url=report.as_uri())
    figures: dict[str, float] = tab.evaluate(f"measured({json.dumps(FILTERS)})")
    browser.stop_tracing()
    figures |= _traced(json.loads(trace.read_bytes())["traceEvents"])
    tab.send("HeapProfiler.collectGarbage")
    figures["heap_mb"] = tab.evaluate("performance.memory.usedJSHeapSize / 1e6")
    tab.close()
    return figures


def _traced(events: list[dict[str, Any]]) -> dict[str, float]:
    """Return the ms of CPU of the main thread up to each mark, and of its longest task."""
    marks = {event["name"]: event for event in events if event["name"].startswith("at-")}
    thread, end = (marks["at-end"][key] for key in ("pid", "tid")), marks["at-end"]["ts"]
    start = next(event["ts"] for event in events if event["name"] == "navigationStart" and event["ts"] < end)
    process, number = thread
    tasks, last = [], 0.0
    for event in sorted(events, key=lambda each: (each["ts"], -each.get("dur", 0))):
        is_ours = event["name"] in _TASKS and (event["pid"], event["tid"]) == (process, number)
        if is_ours and max(start, last) <= event["ts"] <= end:
            tasks.append(event)
            last = event["ts"] + event.get("dur", 0)

    def times(first: str = "", until: str = "at-end") -> list[float]:
        since = marks[first]["ts"] if first else start
        until_ts = marks[until]["ts"]
        reaching = (task for task in tasks if task["ts"] + task.get("dur", 0) >= since and task["ts"] < until_ts)
        return [task.get("tdur", 0) / 1000 for task in reaching]

    return {
        "cpu": sum(times(until="at-findings")),
        "first_longest_cpu": max(times(until="at-findings")),
        "whole_cpu": sum(times(until="at-whole")),
        "longest": max(task.get("dur", 0) for task in tasks) / 1000,
        "longest_cpu": max(times()),
        "filter_longest_cpu": max(times("at-filter", "at-sort")),
        "sort_longest_cpu": max(times("at-sort")),
    }


def main() -> None:
    """Run one of the three."""
    task, file, *more = sys.argv[1:]
    started = time.perf_counter()
    if task == "make":
        figures = make(Path(file), *map(int, more or (FINDINGS, ENDPOINTS)))
    else:
        figures = page(Path(file).absolute()) if task == "page" else write(Path(file), *more)
    print(json.dumps({**figures, "wall_s": round(time.perf_counter() - started, 1)}))


if __name__ == "__main__":
    main()
