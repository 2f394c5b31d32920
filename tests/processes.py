"""Starts `twolocks` as a process, most often one that is forked where everything has been imported already.

A new interpreter imports the scanner and compiles its rules for half a second of CPU, before it does anything of what
most tests look at. `start` and `run` ask a process of `tests.prepared` to fork in its place. Like `subprocess`, they
give streams, exit code and signals of a process of its own. A test that looks at the start of the interpreter, at its
memory, or at what is imported starts one by `subprocess`.
"""

import atexit
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Self

from tests.prepared_client import ask

ROOT = Path(__file__).parent.parent
CAN_FORK: Final = sys.platform == "linux" and hasattr(os, "pidfd_open")
CLIENT = ROOT / "tests" / "prepared_client.py"
HEEDED: Final = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHON_VERSION", "PYTHON_SHA256"}
"""The variables of Python that a forked process heeds, or that images set and no Python reads.

With any other one a new interpreter is started.
"""


class _Server:
    """The process that forks for this one, and for those that were forked from this one since."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="twolocks-processes-"))
        self.path, self.owner = str(self.folder / "s"), os.getpid()
        self.log = self.folder / "log"
        with socket.socket(socket.AF_UNIX) as listener, self.log.open("wb") as log:
            listener.bind(self.path)
            listener.listen(64)
            number = listener.fileno()
            env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
            self.process = subprocess.Popen(
                [sys.executable, "-P", ROOT / "tests" / "prepared.py", self.folder, str(number)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[number],
                env={**env, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
                cwd=ROOT,
                start_new_session=True,
            )

    def end(self) -> None:
        """End it, with all that it has forked."""
        assert self.process.stdin is not None
        with suppress(OSError):
            ask(self.path, None, []).close()
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


_SERVER: list[_Server] = []


def begin() -> None:
    """Start the process that forks, so that the processes that are forked from this one share it."""
    if CAN_FORK and not _SERVER:
        _SERVER.append(_Server())


def _server() -> _Server:
    begin()
    return _SERVER[0]


@atexit.register
def end() -> None:
    """End the process that forks, where this one started it."""
    if _SERVER and _SERVER[0].owner == os.getpid():
        _SERVER.pop().end()


class Process:
    """A forked process, to be used like `subprocess.Popen`."""

    def __init__(self, connection: socket.socket, words: list[str], pipes: list[IO[Any] | None]) -> None:
        self.connection, self.args = connection, words
        self.stdin, self.stdout, self.stderr = pipes
        self.returncode: int | None = None
        self._readers: list[_Reader] = []
        try:
            self.pid = self._number()
        except BaseException:
            connection.close()
            raise

    def _number(self, flags: int = 0) -> int:
        value = self.connection.recv(8, flags)
        if not value:
            raise RuntimeError(f"tests/prepared.py ended: {_server().log.read_text()}")
        return int.from_bytes(value, signed=True)

    def poll(self) -> int | None:
        with suppress(BlockingIOError):
            self._end(self._number(socket.MSG_DONTWAIT)) if self.returncode is None else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.connection.settimeout(timeout)
            try:
                self._end(self._number())
            except TimeoutError:
                self.connection.settimeout(None)
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
        assert self.returncode is not None
        return self.returncode

    def _end(self, code: int) -> None:
        self.returncode = code
        self.connection.settimeout(None)
        with suppress(OSError):
            self.connection.recv(1)  # until the other side has closed it: nothing of the process is open there then
        self.connection.close()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Write `input`, read what is left of the outputs, and wait."""
        ends = None if timeout is None else time.monotonic() + timeout
        if not self._readers:
            self._readers = [_Reader(stream) for stream in (self.stdout, self.stderr)]
        if self.stdin is not None and not self.stdin.closed:
            with suppress(BrokenPipeError), self.stdin:
                if input:
                    self.stdin.write(input)
        for each in self._readers:
            each.join(_left(ends))
            if each.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(_left(ends))
        out, err = self._readers
        return out.found, err.found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for each in (self.stdout, self.stderr):
            if each is not None:
                each.close()
        with suppress(BrokenPipeError):
            if self.stdin is not None:
                self.stdin.close()
        self.wait()


Started = Process | subprocess.Popen[Any]


class _Reader(threading.Thread):
    """Reads a stream to its end."""

    def __init__(self, stream: IO[Any] | None) -> None:
        super().__init__(daemon=True)
        self.stream, self.found = stream, None
        self.start()

    def run(self) -> None:
        if self.stream is not None:
            with self.stream:
                self.found = self.stream.read()


def _left(ends: float | None) -> float | None:
    return None if ends is None else max(0.001, ends - time.monotonic())


def start(
    *words: object,
    code: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    stdin: int | IO[Any] | None = None,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    text: bool = False,
    start_new_session: bool = False,
    safe: bool = False,
    to_the_end: bool = False,
) -> Started:
    """Start `python -m scanner` with these words, or `python -c` with a program; the rest is that of `Popen`.

    `safe`: as `python -P`. `to_the_end`: it ends as an interpreter does, which frees all it has (0.1 s of CPU).
    """
    given = [str(word) for word in words]
    variables = dict(os.environ if env is None else env)
    if not CAN_FORK or not all(map(_is_alike, variables.items())):
        before = [sys.executable, *(["-P"] if safe else []), *(["-m", "scanner"] if code is None else ["-c", code])]
        return subprocess.Popen(
            [*before, *given],
            env=variables,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=text,
            start_new_session=start_new_session,
        )
    umask = os.umask(0o22)
    os.umask(umask)
    request = {
        "words": given,
        "code": code,
        "env": variables,
        "cwd": str(Path(cwd or Path()).absolute()),
        "umask": umask,
        "session": start_new_session,
        "safe": safe,
        "to_the_end": to_the_end,
    }
    own: list[IO[Any] | None] = []
    streams: list[int] = []
    opened: list[int] = []
    for number, stream in enumerate((stdin, stdout, stderr)):
        mine, theirs = _stream(number, stream, streams, text)
        own.append(mine)
        streams.append(theirs)
        if stream in (subprocess.PIPE, subprocess.DEVNULL):
            opened.append(theirs)
    try:
        return Process(ask(_server().path, request, streams), given, own)
    finally:
        for each in opened:
            os.close(each)


def _is_alike(variable: tuple[str, str]) -> bool:
    """Return whether a forked process heeds a variable as a new one does."""
    name, value = variable
    if name in ("LC_ALL", "LC_CTYPE", "LANG"):
        return value in ("", "C") or value.upper().endswith(("UTF-8", "UTF8"))
    return not name.startswith("PYTHON") or name in HEEDED


def _stream(number: int, given: int | IO[Any] | None, before: list[int], text: bool) -> tuple[IO[Any] | None, int]:
    """Return our end of a stream, where it is a pipe, and the descriptor that the process gets."""
    if given is None:
        return None, number
    if given == subprocess.DEVNULL:
        return None, os.open(os.devnull, os.O_RDWR)
    if given == subprocess.STDOUT:
        return None, before[1]
    if given != subprocess.PIPE:
        return None, given if isinstance(given, int) else given.fileno()
    read, write = os.pipe()
    mine, theirs = (read, write) if number else (write, read)
    mode = "r" if number else "w"
    return open(mine, mode if text else f"{mode}b", -1 if text or number else 0), theirs  # noqa: PTH123


def run(*words: object, timeout: float | None = None, **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run `python -m scanner` with these words (see `start`) and return what it printed, as text, and its exit code."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with start(*words, **streams | options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode is not None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def in_shell() -> str:
    """Return the words that run `twolocks` in a line of a shell; it ends as an interpreter does."""
    if not CAN_FORK:
        return shlex.join([sys.executable, "-m", "scanner"])
    return shlex.join([sys.executable, "-I", "-S", str(CLIENT), _server().path])
