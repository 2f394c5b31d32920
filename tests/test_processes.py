"""Processes that are forked where everything has been imported act as new ones do."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import processes
from tests.processes import in_shell, run, start

pytestmark = pytest.mark.skipif(not processes.CAN_FORK, reason="forked on Linux alone")
ALL = """
import os, sys, time
print(sys.argv, os.getcwd(), sorted(os.listdir("/proc/self/fd")), os.getsid(0) == os.getpid(), __name__, sys.path[:2])
print(sorted(os.environ.items()), sys.dont_write_bytecode, os.umask(0), time.tzname)
print([(each.encoding, each.errors, each.line_buffering) for each in (sys.stdin, sys.stdout, sys.stderr)])
print([os.readlink(f"/proc/self/fd/{each}").partition(":")[0] for each in range(3)])
"""


def real(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    pipe = subprocess.PIPE
    return subprocess.run([sys.executable, *words], stdout=pipe, stderr=pipe, text=True, check=False, **options)


@pytest.mark.parametrize("session", [False, True])
@pytest.mark.parametrize("language", ["", "nb_NO.UTF-8"])
def test_what_a_process_has_is_what_a_new_one_has(session: bool, language: str, tmp_path: Path) -> None:
    env = {"PATH": "/bin", "ODD": "\udcff", **({"LANG": language} if language else {})}
    options: dict[str, Any] = {"cwd": tmp_path, "env": env, "stdin": subprocess.DEVNULL, "start_new_session": session}
    expected = real("-c", ALL, "a", "b c", **options)
    result = run("a", "b c", code=ALL, **options)
    assert (result.stdout, result.returncode, result.stderr) == (expected.stdout, 0, "")


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(3)",
        "import sys; sys.exit()",
        "import sys; sys.exit('text')",
        "import sys; sys.exit(256)",
        "import os; os._exit(9)",
        "import os; os.kill(os.getpid(), 9)",
        "import os; os.abort()",
        "raise KeyboardInterrupt",
        "1 / 0",
        "import atexit; atexit.register(print, 'end'); print('begin', end='')",
        "import threading, time; threading.Thread(target=lambda: [time.sleep(0.1), print('thread')]).start()",
        "import sys; sys.stdout = None",
    ],
)
def test_a_program_ends_as_in_a_new_process(code: str) -> None:
    result, expected = run(code=code), real("-c", code)
    assert (result.returncode, result.stdout) == (expected.returncode, expected.stdout)
    assert result.stderr.splitlines()[-1:] == expected.stderr.splitlines()[-1:]
    assert run(code="print(1)").stdout == "1\n", "the next one is not touched"


def test_signals_streams_and_times_are_those_of_popen() -> None:
    waiting = "print('ready', flush=True); print(input()); import time; time.sleep(60)"
    with start(code=waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        assert process.poll() is None
        process.stdin.write("word\n")
        process.stdin.flush()
        assert process.stdout.readline() == "word\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.01)
        process.terminate()
        assert process.communicate() == ("", None)
        assert process.wait() == process.poll() == -signal.SIGTERM
        process.kill()
    large = "x" * 1_000_000
    with start(code="print(input() * 2)", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.communicate(large) == (large * 2 + "\n", None)


def test_two_run_at_once_and_none_is_left(tmp_path: Path) -> None:
    first = start(code="input()", stdin=subprocess.PIPE, text=True)
    assert run(code="print(2)").stdout == "2\n"
    assert first.poll() is None
    first.communicate("\n")
    server = processes._server()
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    assert str(first.pid) not in children.read_text().split()
    until = time.monotonic() + 30
    while children.read_text() and time.monotonic() < until:  # those of other tests
        time.sleep(0.01)
    run(code="", cwd=tmp_path)
    before = descriptors(os.getpid()), descriptors(server.process.pid)
    for _ in range(5):
        run(code="", cwd=tmp_path)
    assert (descriptors(os.getpid()), descriptors(server.process.pid)) == before


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_caller_that_is_gone_harms_nobody() -> None:
    for text in (b"", b"\0", b"\0" * 7 + b"\5", b"\0" * 7 + b"\5abc", b"\0" * 7 + b"\3abc"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(processes._server().path)
            connection.send(text)
    start(code="import time; time.sleep(0.05)").connection.close()  # type: ignore[union-attr]
    assert run(code="print(1)").stdout == "1\n"


OWNER = """
from tests import processes
process = processes.start(code="import time; time.sleep(60)")
print(process.pid, processes._server().folder, flush=True)
{end}
"""


@pytest.mark.parametrize("end", ["", "import os; os.kill(os.getpid(), 9)"])
def test_all_end_with_the_process_that_began_them(end: str) -> None:
    code = OWNER.format(end=end)
    pid, folder = real(
        "-c", code, cwd=processes.ROOT, env={**os.environ, "PYTHONPATH": str(processes.ROOT)}
    ).stdout.split()
    until = time.monotonic() + 30
    while (Path(f"/proc/{pid}").exists() or Path(folder).exists()) and time.monotonic() < until:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(folder).exists()


def test_a_variable_of_python_gets_a_new_process() -> None:
    process = start(code="", env={"PYTHONHASHSEED": "1"})
    process.wait()
    assert isinstance(process, subprocess.Popen)


@pytest.mark.parametrize(("ends", "code"), [("--version", "0"), ("nosuch", "2"), ("--version >&-", "141")])
def test_a_line_of_a_shell(ends: str, code: str) -> None:
    line = f"{in_shell()} {ends}; echo $?"
    assert subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False).stdout.split()[-1] == code


def test_a_signal_to_a_line_of_a_shell_reaches_the_command(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "slow.jsonl")
    line = f"exec {in_shell()} scan --from slow.jsonl"
    shell = subprocess.Popen(["bash", "-c", line], cwd=tmp_path, stderr=subprocess.DEVNULL)
    with shell, (tmp_path / "slow.jsonl").open("w"):
        shell.terminate()
        assert shell.wait(30) == 143
