"""`make bench`: every figure of docs/performance.md, medians of five fresh processes; writes that page.

python -m tests.benchmarks [NAME...]        only these: startup, evaluate, report, scan
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAGE = Path("docs/performance.md")
RUNS = 5
Figures = dict[str, Any]


def child(*words: str, env: dict[str, str] | None = None) -> Figures:
    """What a fresh process prints as JSON."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, env={**os.environ, **(env or {})}, check=True, capture_output=True, text=True)  # noqa: S603
    answer: Figures = json.loads(done.stdout.splitlines()[-1])
    return answer


def medians(runs: list[Figures]) -> Figures:
    """The median of each number; of all else the first run's."""
    out: Figures = {}
    for key, value in runs[0].items():
        if isinstance(value, dict) and key != "by_kind":
            out[key] = medians([run[key] for run in runs])
        elif isinstance(value, int | float):
            out[key] = round(statistics.median(run[key] for run in runs), 3)
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
    done = subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True)  # noqa: S603
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


def report() -> Figures:
    return {count: five("tests.benchmarks.report", count) for count in ("50000", "200000")}


def scan() -> Figures:
    """The estate tenfold at 60 ms a call: without throttling and limiter, and with both."""
    figures: Figures = {}
    for name, throttle in (("limiter off", "off"), ("limiter on", "on")):
        runs = RUNS if throttle == "off" else 1
        figures[name] = medians([_scan(throttle) for _ in range(runs)])
    return figures


def _scan(throttle: str) -> Figures:
    command = [sys.executable, "-m", "tests.benchmarks.scan", "serve", "10", "0.06", throttle]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        assert server.stdout is not None
        assert server.stdin is not None
        said = json.loads(server.stdout.readline())
        env = {**said["environment"], "TWOLOCKS_BENCH_SERVER": json.dumps(said)}
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder) / "paths.json"
            figures = child("tests.benchmarks.scan", "read", throttle, env={**env, "TWOLOCKS_BENCH_PATHS": str(record)})
            if throttle == "off":
                bare = child("tests.benchmarks.scan", "bare", str(record), env=env)
                figures["bare_wall_s"], figures["bare_cpu_s"] = bare["wall_s"], bare["cpu_s"]
                figures["times_bare"] = round(figures["reading_s"] / bare["wall_s"], 2)
        server.stdin.close()
    return figures


PARTS: dict[str, Callable[[], Figures]] = {"startup": startup, "evaluate": evaluate, "report": report, "scan": scan}


def main(names: list[str]) -> None:
    figures = {name: PARTS[name]() for name in names or PARTS}
    print(json.dumps(figures, indent=2))
    if not names:
        PAGE.write_text(page(figures), "utf-8")
        print(f"wrote {PAGE}", file=sys.stderr)


def table(rows: list[tuple[str, ...]]) -> str:
    head, *rest = rows
    lines = [head, tuple("---" for _ in head), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(figures: Figures) -> str:
    """The page of figures, with what limits each."""
    start, judged, html, read = (figures[name] for name in ("startup", "evaluate", "report", "scan"))
    off, on = read["limiter off"], read["limiter on"]
    return (
        "\n\n".join(
            [
                "# Performance",
                f"Written by `make bench`: medians of {RUNS} fresh processes (the throttled scan: one run), "
                f"{os.cpu_count()} cores, Python {platform.python_version()}. Single figures swing on a shared machine; "
                "ratios within one run are firm.",
                "## Start\n\n"
                + table(
                    [
                        ("command", "CPU ms", "wall ms"),
                        *((name, f"{row['cpu_ms']:.0f}", f"{row['wall_ms']:.0f}") for name, row in start.items()),
                    ]
                )
                + "\n\nWhat limits it: typer and click; nothing of Azure, jinja2 or the rules is imported for help.",
                "## Judging a snapshot and writing the findings\n\n"
                + table(
                    [
                        ("input", "resources", "CPU s", "resources/s a core", "KB a resource", "peak MB"),
                        *(
                            (
                                name,
                                f"{row['resources']:,}",
                                f"{row['cpu_s']}",
                                f"{row['resources_a_second']:,}",
                                f"{row['kb_a_resource']}",
                                f"{row['peak_mb']}",
                            )
                            for name, row in judged.items()
                        ),
                    ]
                )
                + "\n\nBundles are copies of the rules' examples, children and exposures included; peak memory holds the input too. "
                "What limits it: exposure functions and rules, in Python.",
                "## Report\n\n"
                + table(
                    [
                        ("findings", "MB", "CPU s", "more memory MB"),
                        *(
                            (f"{int(name):,}", f"{row['mb']}", f"{row['cpu_s']}", f"{row['more_memory_mb']}")
                            for name, row in html.items()
                        ),
                    ]
                )
                + "\n\nWhat limits it: compression of the data island.",
                "## Scan of the sample estate tenfold, 60 ms a call\n\n"
                + table(
                    [
                        ("", "resources", "requests", "reading s", "in all s", "CPU s", "peak MB"),
                        *(
                            (
                                name,
                                f"{row['resources']:,}",
                                f"{row['requests']:,}",
                                f"{row['reading_s']}",
                                f"{row['wall_s']}",
                                f"{row['cpu_s']}",
                                f"{row['peak_mb']}",
                            )
                            for name, row in (("limiter off", off), ("limiter on, server throttles as ARM does", on))
                        ),
                    ]
                )
                + f"\n\nA bare concurrent reader makes the same GETs in {off['bare_wall_s']} s ({off['bare_cpu_s']} s of CPU): "
                f"{off['times_bare']} x. What limits it: latency times depth (a child waits for its parent) without the limiter, "
                "ARM's own quotas (100 lists in 5 minutes of the storage provider) with it.\n\n"
                + table([("requests", "count"), *((name, str(count)) for name, count in off["by_kind"].items())]),
            ]
        )
        + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
