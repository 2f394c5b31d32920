"""Serves the sample estate in a process of its own, so that a demo scans on one core while the other one answers."""

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import NamedTuple

ENDS_IN = 10
"""The seconds that the process has to remove its certificates."""


class ServedSample(NamedTuple):
    """The address of a sandbox, and the environment variables of its clients (see `Sandbox.environment`)."""

    url: str
    environment: dict[str, str]


@contextmanager
def serve_sample(meanwhile: Callable[[], object]) -> Iterator[ServedSample]:
    """Serve the sample estate; `meanwhile` is called while it starts. Raises RuntimeError where it does not start.

    In a process that is forked where that is safe, else in a thread. The process ends with this one, however it ends.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        meanwhile()
        with _served() as served:
            yield served
        return
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(here, there), name="sandbox", daemon=True)
    process.start()
    there.close()
    try:
        meanwhile()
        try:
            found: ServedSample = here.recv()
        except EOFError:
            raise RuntimeError("the sandbox did not start") from None
        yield found
    finally:
        here.close()
        process.join(ENDS_IN)
        if process.is_alive():
            process.kill()


@contextmanager
def _served() -> Iterator[ServedSample]:
    from scanner.sandbox.estate import load_estate
    from scanner.sandbox.server import serve

    with serve(load_estate()) as box:
        yield ServedSample(box.url, box.environment())


def _serve(other_end: Connection, pipe: Connection) -> None:
    """Serve until the other end of the pipe is closed."""
    other_end.close()
    # Ctrl-C and SIGTERM to the group reach both processes; the first one ends this one.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    with _served() as served:
        pipe.send(served)
        with suppress(EOFError, OSError):
            pipe.recv()
