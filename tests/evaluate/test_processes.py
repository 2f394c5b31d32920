"""Processes that do tasks: results in order, and no process that outlives the program."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from scanner.evaluate.processes import Processes, _cores_of

PROGRAM = """
import itertools, sys
from scanner.evaluate.processes import Processes
processes = Processes(3, lambda task: task, str.encode, bytes.decode)
print(*(each.process.pid for each in processes._workers), flush=True)
try:
    for _ in processes.results(map(str, itertools.count())):
        pass
finally:
    processes.close()
"""


def is_running(pid: int) -> bool:
    """Return whether a process has not ended. The first process of a container may be slow to take note of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_processes_end_with_the_program_however_it_ends(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as program:
        assert program.stdout is not None
        pids = [int(each) for each in program.stdout.readline().split()]
        assert len(pids) == 3
        program.send_signal(number)
        program.wait(60)
    until = time.monotonic() + 30
    while any(map(is_running, pids)):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_raises_in_a_process_raises_here() -> None:
    def work(task: int) -> bytes:
        return b"%d" % (1 // (7 - task))

    done: list[bytes] = []
    with closing(Processes(2, work, bytes, bytes)) as processes, pytest.raises(ZeroDivisionError):
        done.extend(processes.results(range(20)))
    # It raises as soon as it is known, which may be before what the other process does is here.
    assert done == [b"%d" % (1 // (7 - task)) for task in range(7)][: len(done)]


def test_all_is_done_here_where_every_process_was_killed() -> None:
    here = os.getpid()

    def work(task: int) -> bytes:
        if os.getpid() != here and task > 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return b"%d" % task

    with closing(Processes(2, work, bytes, bytes)) as processes:
        assert list(processes.results(range(30))) == [b"%d" % task for task in range(30)]
        assert (processes.lost, len(processes)) == (2, 0)


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000", 8), ("50000 100000", 1), ("250000 100000", 2), ("1600000 100000", 16), ("", 8), ("1 0", 8)],
)
def test_a_container_may_use_as_many_cores_as_its_control_group_allows(limit: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    assert _cores_of(tmp_path / "cpu.max") == cores
    assert _cores_of(tmp_path / "absent") == 8


def test_a_program_that_closes_nothing_ends() -> None:
    """Ctrl-C between the start of processes and their use left a program waiting for them at its exit, for ever."""
    program = PROGRAM[: PROGRAM.index("try:")] + "raise SystemExit(3)"
    ended = subprocess.run([sys.executable, "-c", program], check=False, stdout=subprocess.DEVNULL, timeout=60)
    assert ended.returncode == 3
