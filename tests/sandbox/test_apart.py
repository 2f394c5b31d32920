"""The sandbox of a demo: in a process of its own that ends with the demo, however that ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scanner.sandbox.apart import serve_sample
from tests.processes import start

SCRIPT = """
import json, multiprocessing, sys, time
from scanner.sandbox.apart import serve_sample
with serve_sample() as box:
    pids = [each.pid for each in multiprocessing.active_children()]
    print(json.dumps([box.url, box.environment(), pids]), flush=True)
    sys.stdin.read(1)
"""


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is forked on Linux alone")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_the_process_ends_with_the_demo_and_leaves_nothing(how: signal.Signals | None) -> None:
    demo = start(code=SCRIPT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with demo:
        assert demo.stdin is not None
        assert demo.stdout is not None
        url, environment, pids = json.loads(demo.stdout.readline())
        assert url.startswith("https://127.0.0.1:")
        assert pids
        assert pids != [demo.pid]
        certificates = Path(environment["REQUESTS_CA_BUNDLE"])
        assert certificates.exists()
        if how is None:
            demo.stdin.write("x")
            demo.stdin.close()
        else:
            os.kill(demo.pid, how)
        demo.wait(30)
        ends = time.monotonic() + 30
        while (any(map(is_alive, pids)) or certificates.exists()) and time.monotonic() < ends:
            time.sleep(0.05)
        assert not any(map(is_alive, pids))
        assert not certificates.exists()


def test_a_process_with_threads_is_not_forked() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with serve_sample() as box:
            assert [each for each in threading.enumerate() if each.name == "sandbox"]
            assert Path(box.environment()["REQUESTS_CA_BUNDLE"]).exists()
    finally:
        done.set()
        thread.join()
