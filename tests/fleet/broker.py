"""A real broker on loopback, and workers as processes, for the tests of scans that are spread."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.processes import start

ROOT = Path(__file__).parent.parent.parent
PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """The URL of a broker that keeps nothing on disk."""
    assert PROGRAM, "no Redis: tests/machine says which package brings it"
    with socket.socket() as result:
        result.bind(("127.0.0.1", 0))
        port = int(result.getsockname()[1])
    words = [PROGRAM, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with (folder / "broker.log").open("wb") as log:
        served = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
        try:
            wait_until(lambda: _answers(port))
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            served.terminate()
            served.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


class Worker:
    """A process of `twolocks fleet worker`."""

    def __init__(self, folder: Path, env: Mapping[str, str], *words: object) -> None:
        given = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.path = folder / f"worker-{time.monotonic_ns()}.log"
        with self.path.open("wb") as log:
            self.process = start("fleet", "worker", *words, cwd=folder, env={**given, **env}, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        return self.path.read_text("utf-8")

    def kill(self) -> None:
        """End the process as a machine that is lost: nothing is put back."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """End it as a service manager does. Return its exit code."""
        self.process.terminate()
        return self.process.wait(30)


def wait_until(done: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something that must happen."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)
