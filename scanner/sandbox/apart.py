"""Serves the sample estate in a process of its own, so that a demo scans on one core while the other one answers."""

import multiprocessing
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

from msgspec import Struct

ENDS_IN = 10
"""The seconds that the process has to remove its certificates."""
Environment = dict[str, str]


class ServedSample(Struct):
    """The address of a sandbox that starts."""

    url: str
    environment: Callable[[], Environment]
    """Returns the environment variables of its clients (see `Sandbox.environment`) once it answers. Raises RuntimeError
    where it does not start.
    """


@contextmanager
def serve_sample() -> Iterator[ServedSample]:
    """Serve the sample estate: in a process that is forked where that is safe, else in a thread.

    The process ends with this one, however it ends.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        with _served() as (url, environment):
            yield ServedSample(url, lambda: environment)
        return
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(listener, here, there), name="sandbox", daemon=True)
        try:
            process.start()
            there.close()
            listener.close()
            yield ServedSample(url, lambda: _received(here))
        finally:
            here.close()
            if process.pid is not None:
                process.join(ENDS_IN)
                if process.is_alive():
                    process.kill()


def _received(pipe: Connection) -> Environment:
    try:
        result: Environment = pipe.recv()
    except EOFError:
        raise RuntimeError("the sandbox did not start") from None
    return result


@contextmanager
def _served(listener: socket.socket | None = None) -> Iterator[tuple[str, Environment]]:
    from scanner.sandbox.estate import load_estate
    from scanner.sandbox.server import serve

    with serve(load_estate(), listener=listener) as box:
        yield box.url, box.environment()


def _serve(listener: socket.socket, other_end: Connection, pipe: Connection) -> None:
    """Serve until the other end of the pipe is closed."""
    other_end.close()
    # Ctrl-C and SIGTERM to the group reach both processes; the first one ends this one.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with _served(listener) as (_, environment):
        pipe.send(environment)
        with suppress(EOFError, OSError):
            pipe.recv()
