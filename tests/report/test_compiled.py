"""Templates are compiled once for all processes, and a file of compiled ones that does not fit is not used."""

import os
import subprocess
import sys
from pathlib import Path

COUNT = """
import jinja2
count, compile = 0, jinja2.Environment.compile
def counted(*words, **more):
    global count
    count += 1
    return compile(*words, **more)
jinja2.Environment.compile = counted
from scanner.report.html import compile_templates
compile_templates()
print(count)
"""


def compiled(cache: Path) -> int:
    """Compile the templates in a process of its own, and return how many were compiled."""
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache)}
    done = subprocess.run([sys.executable, "-c", COUNT], env=env, check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_templates_are_compiled_once_and_again_where_a_file_does_not_fit(tmp_path: Path) -> None:
    count = compiled(tmp_path)
    files = sorted(tmp_path.rglob("*.jinja"))
    assert count == len(files) > 3
    assert compiled(tmp_path) == 0
    whole = files[0].read_bytes()
    for damaged in (b"", whole[:20], whole[: len(whole) // 2], whole[:12] + b"\xff" * 40, b"x" + whole):
        files[0].write_bytes(damaged)
        assert compiled(tmp_path) == 1
        assert files[0].read_bytes() == whole
