"""The HTML report of many findings: python -m tests.benchmarks.report [COUNT]; prints figures as JSON."""

import json
import resource as usage
import sys
import tempfile
import time
from pathlib import Path

from scanner.report.html.rendering import write_html
from tests.report.sample import document, typed


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    made = typed(document(count))
    before = usage.getrusage(usage.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        write_html(made, path)
        size = path.stat().st_size
    figures = {
        "findings": count,
        "mb": round(size / 1e6, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "more_memory_mb": round((usage.getrusage(usage.RUSAGE_SELF).ru_maxrss - before) / 1024),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
