"""Forks processes that have begun already: `python -P tests/prepared.py FOLDER LISTENER`, for `tests.processes`.

This process imports what commands need, loads the rules, and listens. For each request it forks. The child takes
streams, variables, folder and words of the request and goes on as `python -m scanner` or `python -c`. This process has
one thread and says how each child ended. It ends when it is asked to, or with the process that started it, which holds
its standard input.
"""

import atexit
import gc
import importlib
import io
import locale
import marshal
import os
import pkgutil
import runpy
import selectors
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Final

LATE: Final = ("azure.identity.aio", "azure.mgmt.network", "azure.mgmt.storage", "azure.storage.blob.aio")
"""What commands import when they need it, beside the modules of the scanner."""
MOST: Final = 65_536
END: Final = bytes(8)
"""What asks this process to end: a request of no bytes."""

Request = dict[str, Any]


def prepare() -> None:
    """Import what commands import, and load the rules."""
    import scanner

    for each in pkgutil.walk_packages(scanner.__path__, "scanner."):
        if not each.name.endswith(("__main__", "az_parser")):
            with suppress(ImportError):
                importlib.import_module(each.name)
    for name in LATE:
        importlib.import_module(name)
    from scanner.rulebook.loader import load

    load(packages=False)
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()


class Prepared:
    """Forks, and tells each caller how its child ended."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.selector = selectors.DefaultSelector()
        self.selector.register(0, selectors.EVENT_READ)
        self.selector.register(listener, selectors.EVENT_READ)
        self.children: dict[int, tuple[int, socket.socket]] = {}
        """What a child's descriptor stands for: its id, and the connection of its caller."""

    def serve(self) -> Request | None:
        """Return the request in a child, whose streams are set; None in this process, when it is to end."""
        while True:
            for key, _ in self.selector.select():
                if key.fd == 0:
                    self._end()
                    return None
                if key.fileobj is not self.listener:
                    self._ended(key.fd)
                    continue
                connection, _ = self.listener.accept()
                text, descriptors, _, _ = socket.recv_fds(connection, MOST, 3)
                size = int.from_bytes(text[:8])
                while len(text) < 8 + size and (more := connection.recv(MOST)):
                    text += more
                if text == END:
                    self._end()
                    return None
                if len(text) < 8 + size or not size:
                    # Its caller is gone.
                    connection.close()
                    for each in descriptors:
                        os.close(each)
                elif self._is_child(connection, descriptors):
                    request: Request = marshal.loads(text[8:])
                    _take(descriptors, request["streams"])
                    return request

    def _is_child(self, connection: socket.socket, descriptors: list[int]) -> bool:
        """Fork. Return whether this is the child."""
        pid = os.fork()
        if not pid:
            self._close(connection)
            return True
        for each in descriptors:
            os.close(each)
        watched = os.pidfd_open(pid)
        self.children[watched] = pid, connection
        self.selector.register(watched, selectors.EVENT_READ)
        with suppress(OSError):
            connection.sendall(pid.to_bytes(8))
        return False

    def _ended(self, watched: int) -> None:
        pid, connection = self.children.pop(watched)
        self.selector.unregister(watched)
        os.close(watched)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with connection, suppress(OSError):
            connection.sendall(code.to_bytes(8, signed=True))

    def _close(self, connection: socket.socket) -> None:
        self.selector.close()
        self.listener.close()
        connection.close()
        for watched, (_, other) in self.children.items():
            os.close(watched)
            other.close()

    def _end(self) -> None:
        for pid, _ in self.children.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _take(descriptors: list[int], streams: list[int]) -> None:
    """Make descriptors those of standard input, output and error; those that were not sent are closed."""
    for number in range(3):
        if number in streams:
            os.dup2(descriptors[streams.index(number)], number)
        else:
            os.close(number)
    for each in descriptors:
        os.close(each)


def become(request: Request) -> None:
    """Set what a new process takes from its environment."""
    env: dict[str, str] = request["env"]
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(request["cwd"])
    os.umask(request["umask"])
    if request["session"]:
        os.setsid()
    time.tzset()
    sys.dont_write_bytecode = bool(env.get("PYTHONDONTWRITEBYTECODE"))
    first = "" if request["code"] is not None else str(Path.cwd())
    named = [str(Path(each).absolute()) for each in env.get("PYTHONPATH", "").split(os.pathsep) if each]
    sys.path[:] = [*([] if request["safe"] else [first]), *named, *sys.path[len(before) :]]
    if (value := _locale()) == "C" and not env.get("LC_ALL"):
        os.environ["LC_CTYPE"] = "C.UTF-8"  # as a new interpreter does
    errors = "surrogateescape" if value in ("C", "POSIX", "C.UTF-8") else "strict"
    unbuffered = bool(env.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = _stream(0, "r", errors, unbuffered=False)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _stream(1, "w", errors, unbuffered)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, "w", "backslashreplace", unbuffered)  # type: ignore[misc]


def _locale() -> str:
    """Return the locale that the variables name; that of C where it is not installed."""
    try:
        return locale.setlocale(locale.LC_CTYPE, "")
    except locale.Error:
        return "C"


def _stream(number: int, mode: str, errors: str, unbuffered: bool) -> io.TextIOWrapper | None:
    """Return a standard stream as Python opens it; None where it is closed."""
    try:
        os.fstat(number)
    except OSError:
        return None
    raw = open(number, f"{mode}b", 0 if unbuffered else -1, closefd=False)  # noqa: SIM115
    by_line = not unbuffered and (number == 2 or os.isatty(number))
    made = io.TextIOWrapper(raw, "utf-8", errors, line_buffering=by_line, write_through=unbuffered)
    made.mode = mode  # type: ignore[misc]
    return made


def run(request: Request) -> None:
    """Run the program of a request."""
    words: list[str] = request["words"]
    if (code := request["code"]) is None:
        sys.argv[:] = ["-m", *words]
        runpy.run_module("scanner", run_name="__main__", alter_sys=True)
        return
    sys.argv[:] = ["-c", *words]
    main = sys.modules["__main__"] = ModuleType("__main__")
    exec(compile(code, "<string>", "exec"), main.__dict__)


def finish(request: Request) -> None:
    """Run the program of a request, and end as the interpreter does, but let the system take the memory back."""
    code: Any = 0
    try:
        run(request)
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        code = end.code or 0
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            code = 120
    os._exit(code & 0xFF)


def main() -> None:
    folder, listener = sys.argv[1:]
    try:
        with socket.socket(fileno=int(listener)) as accepting:
            prepare()
            request = Prepared(accepting).serve()
        if request is None:
            shutil.rmtree(folder, ignore_errors=True)
            return
    except BaseException:
        traceback.print_exc()
        raise
    become(request)
    (run if request["to_the_end"] else finish)(request)


if __name__ == "__main__":
    main()
