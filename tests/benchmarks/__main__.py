"""`make bench`: every figure of docs/dev/performance.md, medians of fresh processes; writes that page.

python -m tests.benchmarks [NAME...]
    only these: startup, rules, evaluate, copies, million, report, large, network, history, scan, faults

The figures of each part are kept in figures.json with the day on which they were measured, so that only some may be
measured again. The page names the parts of which there are none.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PAGE = Path("docs/dev/performance.md")
KEPT = Path(__file__).with_name("figures.json")
RUNS = 5
Figures = dict[str, Any]


def child(*words: str, env: dict[str, str] | None = None) -> Figures:
    """What a fresh process prints as JSON."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, env={**os.environ, **(env or {})}, check=True, stdout=subprocess.PIPE, text=True)
    answer: Figures = json.loads(done.stdout.splitlines()[-1])
    return answer


def medians(runs: list[Figures]) -> Figures:
    """The median of each number; of all else the first run's."""
    out: Figures = {}
    for key, value in runs[0].items():
        if isinstance(value, dict) and key != "by_kind":
            out[key] = medians([run[key] for run in runs])
        elif isinstance(value, int | float):
            median = round(statistics.median(run[key] for run in runs), 3)
            out[key] = int(median) if isinstance(value, int) else median
        else:
            out[key] = value
    return out


def five(*words: str, env: dict[str, str] | None = None) -> Figures:
    return medians([child(*words, env=env) for _ in range(RUNS)])


def cpu(*words: str) -> Figures:
    """CPU and wall milliseconds of one command."""
    code = (
        "import json,os,subprocess,sys,time;w=time.perf_counter();"
        "p=subprocess.Popen(sys.argv[1:],stdout=subprocess.DEVNULL);_,_,u=os.wait4(p.pid,0);"
        "print(json.dumps({'cpu_ms':(u.ru_utime+u.ru_stime)*1000,'wall_ms':(time.perf_counter()-w)*1000}))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], check=True, stdout=subprocess.PIPE, text=True)
    answer: Figures = json.loads(done.stdout)
    return answer


def startup() -> Figures:
    command = str(Path(sys.executable).with_name("twolocks"))
    return {
        "twolocks --help": medians([cpu(command, "--help") for _ in range(RUNS)]),
        "twolocks scan --help": medians([cpu(command, "scan", "--help") for _ in range(RUNS)]),
        "python -c pass": medians([cpu(sys.executable, "-c", "pass") for _ in range(RUNS)]),
    }


def evaluate() -> Figures:
    return five("tests.benchmarks.evaluate", "10000")


COPIES = {"25": 4, "50": 2, "100": 1, "200": 2}
"""The numbers of copies, each with its number of runs: about three minutes together on an idle machine."""


def copies() -> Figures:
    """Return the medians by number of copies. The sizes take turns, so that a busy minute slows several of them."""
    runs: dict[str, list[Figures]] = {count: [] for count in COPIES}
    with tempfile.TemporaryDirectory() as folder:
        estate = str(Path(folder) / "estate.jsonl")
        child("tests.benchmarks.copies", "collect", estate)
        for turn in range(max(COPIES.values())):
            for count in (count for count, most in COPIES.items() if turn < most):
                runs[count].append(child("tests.benchmarks.copies", count, estate))
    figures = {count: medians(matches) for count, matches in runs.items()}
    first, *_, last = figures.values()
    return {**figures, "ratio": round(last["ms_a_resource"] / first["ms_a_resource"], 3)}


SIZES = ("10000", "100000", "1000000")
OUTPUTS = ("json", "csv", "sarif", "html", "junit.xml")
"""The formats that are written of each size. Of the last size the first three are written by one scan; a report of a
million resources is more than a browser opens.
"""


def million() -> Figures:
    """Return CPU, wall time and peak memory of a scan of a snapshot by size and format, in one process. `ratio`: CPU
    for each resource of the second size against the first, both written as JSON.
    """
    module, figures = "tests.benchmarks.million", {}
    with tempfile.TemporaryDirectory() as folder:
        estate = str(Path(folder) / "estate.jsonl")
        child(module, "prepare", estate)
        for size in SIZES:
            file = str(Path(folder) / f"{size}.jsonl.zst")
            made = child(module, "make", file, size, estate)
            written = {}
            for outputs in [(each,) for each in OUTPUTS] if size != SIZES[-1] else [OUTPUTS[:3]]:
                files = ",".join(str(Path(folder) / f"out.{each}") for each in outputs)
                written[", ".join(outputs)] = child(module, "scan", file, files, "1")
            figures[size] = {**made, "written": written}
    first, last = (figures[size]["written"]["json"]["cpu_s"] / figures[size]["resources"] for size in SIZES[:2])
    return {**figures, "ratio": round(last / first, 3)}


def report() -> Figures:
    """Return the figures of a small report, and of one run of a large one: making its findings takes half a minute."""
    return {"50000": five("tests.benchmarks.report", "50000"), "200000": child("tests.benchmarks.report", "200000")}


def large() -> Figures:
    """Return the figures of 50,000 findings and 101,000 endpoints: of one run a form, and of five openings of the page.

    `ratio`: CPU for each row, against a tenth of the findings in the same run.
    """
    module, figures = "tests.benchmarks.large_report", {}
    with tempfile.TemporaryDirectory() as folder:
        whole, tenth, page = (str(Path(folder) / name) for name in ("whole.json", "tenth.json", "whole.html"))
        rows, less = child(module, "make", whole), child(module, "make", tenth, "5000", "10000")
        figures["html"] = child(module, "write", whole, page)
        small = child(module, "write", tenth, str(Path(folder) / "tenth.html"))
        figures["html --redact"] = child(module, "write", whole, str(Path(folder) / "redacted.html"), "--redact")
        figures["json --redact"] = child(module, "write", whole, str(Path(folder) / "redacted.json"), "--redact")
        split = ("--split", "subscription")
        figures["json --split subscription"] = child(module, "write", whole, str(Path(folder) / "p.json"), *split)
        opened = child(module, "page", page)
    ratio = figures["html"]["cpu_s"] / small["cpu_s"] * less["findings"] / rows["findings"]
    return {"rows": rows, "written": figures, "page": opened, "ratio": round(ratio, 3)}


def network() -> Figures:
    return {count: child("tests.benchmarks.network", count) for count in ("5000", "20000", "50000", "200000")}


def history() -> Figures:
    return {kind: child("tests.benchmarks.history", kind) for kind in ("sqlite", "postgresql")}


def scan() -> Figures:
    """The estate tenfold at 60 ms a call: without throttling and limiter, and with both."""
    figures: Figures = {}
    for name, throttle in (("limiter off", "off"), ("limiter on", "on")):
        runs = RUNS if throttle == "off" else 1
        figures[name] = medians([_scan(throttle) for _ in range(runs)])
    return figures


def _scan(throttle: str) -> Figures:
    command = [sys.executable, "-m", "tests.benchmarks.scan", "serve", "10", "0.06", throttle]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        stated = json.loads(server.stdout.readline())
        env = {**stated["environment"], "TWOLOCKS_BENCH_SERVER": json.dumps(stated)}
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder) / "paths.json"
            figures = child("tests.benchmarks.scan", "read", throttle, env={**env, "TWOLOCKS_BENCH_PATHS": str(record)})
            if throttle == "off":
                bare = child("tests.benchmarks.scan", "bare", str(record), env=env)
                figures["client_cpu_s"] = child("tests.benchmarks.scan", "client", str(record), env=env)["cpu_s"]
                figures["bare_wall_s"], figures["bare_cpu_s"] = bare["wall_s"], bare["cpu_s"]
                figures["times_bare"] = round(figures["reading_s"] / bare["wall_s"], 2)
        server.stdin.close()
    return figures


def faults() -> Figures:
    return child("tests.benchmarks.faults")


def rules() -> Figures:
    """Load the built-in rules, and 3,000 of them by copies."""
    return {count: five("tests.benchmarks.rules", count) for count in ("0", "3000")}


BENCHMARKS: dict[str, Callable[[], Figures]] = {
    "startup": startup,
    "rules": rules,
    "evaluate": evaluate,
    "copies": copies,
    "million": million,
    "report": report,
    "large": large,
    "network": network,
    "history": history,
    "scan": scan,
    "faults": faults,
}


def timed(name: str) -> Figures:
    """Return the figures of a part. How long it took goes to standard error."""
    start = time.perf_counter()
    figures = BENCHMARKS[name]()
    print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return figures


def main(names: list[str]) -> None:
    kept: dict[str, Figures] = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    for name in names or BENCHMARKS:
        kept[name] = {"measured": datetime.now(UTC).date().isoformat(), "figures": timed(name)}
        KEPT.write_text(json.dumps(kept, indent=2) + "\n", "utf-8")
    PAGE.write_text(page(kept), "utf-8")
    print(f"wrote {PAGE}", file=sys.stderr)


def table(rows: list[tuple[str, ...]]) -> str:
    head, *rest = rows
    lines = [head, tuple("---" for _ in head), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(kept: dict[str, Figures]) -> str:
    """The page of figures, with what limits each."""
    segments = [INTRODUCTION.format(runs=RUNS, cores=os.cpu_count(), python=platform.python_version())]
    for name, section in SECTIONS.items():
        if name in kept:
            head, _, rest = section(kept[name]["figures"]).partition("\n\n")
            segments.append(f"{head}\n\nMeasured on {kept[name]['measured']}.\n\n{rest}")
    if missing := [name for name in SECTIONS if name not in kept]:
        segments.append(f"Not measured: {', '.join(missing)}.")
    segments.append(TRIED)
    return "\n\n".join(segments) + "\n"


INTRODUCTION = """# Performance

Written by `make bench`: medians of {runs} fresh processes (the throttled scan and the large report: one run),
{cores} cores, Python {python}. Single figures vary on a shared machine; ratios within one part are reliable.
`python -m tests.benchmarks NAME` measures one part again."""
TRIED = """## Tried, and not kept

- **mypyc**: 19 modules compiled in 50 s and made storage accounts 1.2 times as fast. Most of the time is spent in
  values that dictionaries hold. It changed what a fix says: a switch became a number where either may be.
- **A file of compiled rules**: parsing TOML takes 18 of 187 ms of loading; the rest makes rules of rows and functions,
  which no file of data can hold.
- **Rows of fixes by form** (written once with marks, names put in later): of 7,560 failures of property rules 540 are
  of one change to a text, number or switch of the resource itself. It was no faster.
- **Evaluation while reading**: [0063](../decisions/0063-evaluation-begins-after-the-last-answer.md).
- **Outputs side by side**: of the time in which the demo is written, HTML takes all but a tenth.
- **Script before the views of the report**: the browser parses the page between its slices; the first page was as slow.

What is about one resource must be found by a table that is made once (`scanner.reach.rules.sources.cached`). If a
profile at two sizes of an estate shows that a resource costs more in the larger one, something goes through all of
them, as vaults once went through all keys, subscriptions through all alerts, and names through all CDN profiles.
`tests/reach/test_growth.py` counts the executed lines."""


def started(document: Figures) -> str:
    rows = [(name, f"{row['cpu_ms']:.0f}", f"{row['wall_ms']:.0f}") for name, row in document.items()]
    return f"""## Start

{table([("command", "CPU ms", "wall ms"), *rows])}

Limited by: click. The help imports neither the Azure SDKs nor jinja2 nor the rules."""


def loaded(document: Figures) -> str:
    rows = [(f"{row['rules']:.0f}", f"{row['cpu_ms']:.0f}") for row in document.values()]
    return f"""## Loading rules

{table([("rules", "CPU ms"), *rows])}

The second row is the built-in rules with copies of their rows. Limited by: the Python of the rule files, and one check
for each row. A process loads them once."""


def evaluated(document: Figures) -> str:
    fields = ("resources", "cpu_s", "resources_a_second", "kb_a_resource", "peak_mb")
    rows = [(name, *(f"{row[field]:,}" for field in fields)) for name, row in document.items()]
    head = ("input", "resources", "CPU s", "resources/s per core", "KB per resource", "peak MB")
    return f"""## Evaluating a snapshot and writing the findings

{table([head, *rows])}

Bundles are copies of the rules' examples, with children and exposures; peak memory includes the input.
Limited by: exposure functions and rules, in Python."""


def grown(document: Figures) -> str:
    fields = ("copies", "resources", "cpu_s", "ms_a_resource", "peak_mb")
    rows = [tuple(f"{document[count][field]:,}" for field in fields) for count in COPIES]
    first, *_, last = COPIES
    runs = ", ".join(str(each) for each in COPIES.values())
    return f"""## Copies of the sample estate in one snapshot

{table([("copies", "resources", "CPU s", "CPU ms per resource", "peak MB"), *rows])}

Medians of {runs} fresh processes; the sizes take turns. From {first} to {last} copies, CPU per resource
grows by {(document["ratio"] - 1) * 100:.0f} %; the aim is at most 10 %. Evaluation and writing alone:
the estate is collected once before. `tests/reach/test_growth.py` counts the work itself."""


def large_estate(document: Figures) -> str:
    fields = ("cpu_s", "wall_s", "hwm_mb", "mb")
    rows = [
        (f"{document[size]['resources']:,}", name, *(f"{row[field]:,}" for field in fields))
        for size in SIZES
        if size in document
        for name, row in document[size]["written"].items()
    ]
    return f"""## `twolocks scan --from` of 10,000 to a million resources

{table([("resources", "format", "CPU s", "wall s", "peak MB", "MB written"), *rows])}

One run each, in one process (`--jobs 1`), start and loading of rules included. 40 % of the resources are storage
accounts and what is below them, 5 % are of networks. CPU for each resource grows by
{(document["ratio"] - 1) * 100:.0f} % from the first size to the second, written as JSON; the aim is at most 10 %.
Limited by: verdicts and their rows, in Python."""


def reported(document: Figures) -> str:
    fields = ("mb", "cpu_s", "more_memory_mb")
    rows = [(f"{int(name):,}", *(f"{row[field]:,}" for field in fields)) for name, row in document.items()]
    return f"""## Report

{table([("findings", "MB", "CPU s", "added memory MB"), *rows])}

Limited by: compressing the data block."""


PAGE_ROWS = {
    "paint": "first paint",
    "input": "reaction to a click at the first paint",
    "findings": "first page of findings",
    "keys": "result of a filter by two keys",
    "words": "result of a filter by two words",
    "id": "result of a filter by a part of an id",
    "longest": "longest task",
    "longest_cpu": "longest task, CPU",
    "cpu": "until the first page of findings, CPU",
    "whole": "until everything is unpacked",
}
"""The figures of a page that are shown, with what each is."""


def opened(document: Figures) -> str:
    """The report of a large estate: writing it in each form, and opening it."""
    rows = [
        (name, *(f"{row[field]:,}" for field in ("mb", "cpu_s", "hwm_mb"))) for name, row in document["written"].items()
    ]
    times = [(what, f"{document['page'][name]:.0f}") for name, what in PAGE_ROWS.items()]
    size = document["rows"]
    return f"""## Report of {size["findings"]:,} findings and {size["exposures"]:,} endpoints

{table([("format", "MB", "CPU s", "peak MB"), *rows])}

One run each; MB of the first file. CPU for each finding is {document["ratio"]} times that of a report with a tenth
of them. Limited by: decoding each row once for each pass over the rows.

{table([("Chromium, HTML", "ms"), *times])}

Medians of five openings from a file, wall clock where CPU is not named; the reader opens the findings at the first
paint. Limited by: parsing the file as HTML, and unpacking.
`python -m tests.benchmarks.large_report` does each alone."""


def reached(document: Figures) -> str:
    fields = ("interfaces", "groups", "rules", "index_mb", "with_answers_mb", "cpu_s", "openings", "hops")
    rows = [(*(f"{row[field]:,}" for field in fields), f"{row['evaluation_s'] or ''}") for row in document.values()]
    head = ("interfaces", "groups", "rules", "index MB", "with answers MB", "CPU s", "open ports", "hops")
    columns = (*head, "whole evaluation, CPU s")
    return f"""## Network index: who can reach each network interface, with the deciding rules

{table([columns, *rows])}

One run each; memory above that of the start. No two groups are equal; half of the rules are an
organisation's standard ones. Limited by: parsing the rules of a group on first use, and iterating over them."""


def remembered(document: Figures) -> str:
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    spans = ("first_night_s", "night_s", "worst_night_s", "first_night_mb", "growth_mb", "mb")
    asked = ("diff_last_s", "diff_all_s", "show_s", "trend_s", "prune_s")
    nights = [(names[kind], *(f"{row[field]:,}" for field in spans)) for kind, row in document.items()]
    questions = [(names[kind], *(f"{row[field]:,}" for field in asked)) for kind, row in document.items()]
    head = ("", "first scan s", "per scan s", "slowest s", "first scan MB", "growth per scan MB", "total MB")
    some = document["sqlite"]
    return f"""## History: {some["runs"]} scans of {some["findings"]:,} findings, of which 1 % change each time

{table([head, *nights])}

One run each. A scan is a whole `record` with its comparison: lock, read the known items, compare, write, commit.
Findings are not written again in each scan: an item has one row, and one event for each scan in which it changed.

{table([("s", "diff of the last two", "diff of first and last", "show", "trend", "prune half"), *questions])}

Without the start of the command. Limited by: SQLAlchemy's rows, and PostgreSQL's new version of each row whose
`seen` changes. Pages are filled to 45 %, so that it fits on the same page
([decision 0043](../decisions/0043-postgresql-fills-pages-to-45-percent.md))."""


def scanned(document: Figures) -> str:
    fields = ("resources", "requests", "reading_s", "wall_s", "cpu_s", "peak_mb")
    names = {"limiter off": "limiter off", "limiter on": "limiter on, with a server that throttles like ARM"}
    rows = [(name, *(f"{document[key][field]:,}" for field in fields)) for key, name in names.items()]
    off = document["limiter off"]
    kinds = [(name, str(count)) for name, count in off["by_kind"].items()]
    return f"""## Scan of ten copies of the sample estate, 60 ms per request

{table([("", "resources", "requests", "reading s", "total s", "CPU s", "peak MB"), *rows])}

A minimal concurrent client makes the same GETs in {off["bare_wall_s"]} s ({off["bare_cpu_s"]} s of CPU).
The client of the scan needs {off["client_cpu_s"]} s of CPU for them, with its guards, and without storing anything.
The scan reads for {off["times_bare"]} times as long. Limited by: latency times depth (a child waits for its
parent) without the limiter; with it, ARM's own quotas (100 lists in 5 minutes of the storage provider).

{table([("requests", "count"), *kinds])}"""


def withheld(document: Figures) -> str:
    """Return how long scans take that meet a fault, with and without a deadline."""
    fields = ("wall_s", "exit", "gaps", "counted")
    rows = [
        (name, *(f"{runs['whole'][field]:,}" for field in fields), f"{runs['deadline']['wall_s']:,}")
        for name, runs in document.items()
    ]
    head = (
        "what Azure does each time",
        "wall s",
        "exit",
        "failed reads",
        "resources they count",
        "wall s, deadline of 30 s",
    )
    return f"""## Scan where Azure withholds answers

{table([head, *rows])}

One run each, six side by side: one subscription of everyday resources, 60 ms per request. Each request that a
fault matches gets the same answer. The machine had other work, so that the first row shows what a start takes.
A type without any success is given up 120 s after what Azure announced, Resource Graph after 10 s of refusals or one
query without an answer, a service after 60 s, and after 20 s more where few reads are left
([interrupted scans and deadlines](../interrupted.md))."""


SECTIONS: dict[str, Callable[[Figures], str]] = {
    "startup": started,
    "rules": loaded,
    "evaluate": evaluated,
    "copies": grown,
    "million": large_estate,
    "report": reported,
    "large": opened,
    "network": reached,
    "history": remembered,
    "scan": scanned,
    "faults": withheld,
}


if __name__ == "__main__":
    main(sys.argv[1:])
