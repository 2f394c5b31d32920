"""Templates are compiled once for all processes, and a file of compiled ones that does not fit is not used."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

COUNT = """
import os, sys
import jinja2
count, compile = 0, jinja2.Environment.compile
def counted(*words, **more):
    global count
    count += 1
    return compile(*words, **more)
jinja2.Environment.compile = counted
from scanner.report.html.rendering import compile_templates
for line in sys.stdin:
    if os.fork() == 0:
        compile_templates()
        print(count, flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture
def compiled(tmp_path: Path) -> Iterator[Callable[[], int]]:
    """Compile the templates in a new process, and return how many were compiled."""
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", COUNT], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        asked, output = parent.stdin, parent.stdout

        def compiled() -> int:
            asked.write("\n")
            return int(output.readline())

        yield compiled
        asked.close()


def test_templates_are_compiled_once_and_again_where_a_file_does_not_fit(
    compiled: Callable[[], int], tmp_path: Path
) -> None:
    count = compiled()
    files = sorted(tmp_path.rglob("*.jinja"))
    assert count == len(files) > 3
    assert compiled() == 0
    whole = files[0].read_bytes()
    for damaged in (b"", whole[:20], whole[: len(whole) // 2], whole[:12] + b"\xff" * 40, b"x" + whole):
        files[0].write_bytes(damaged)
        assert compiled() == 1
        assert files[0].read_bytes() == whole
