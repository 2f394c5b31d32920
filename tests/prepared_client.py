"""Runs `twolocks` in a line of a shell: `python -I -S tests/prepared_client.py SOCKET WORD...`; and asks `prepared`.

The process that `tests.prepared` forks has the streams, the folder and the variables of this one, which passes signals
on to it and ends as it does. It imports little, because it is started often.
"""

import marshal
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any


def ask(path: str, request: dict[str, Any] | None, streams: Sequence[int | None]) -> socket.socket:
    """Send a request with the descriptors of its streams; None asks it to end.

    What is answered: the id of the process, then its code.
    """
    open_ones = [each for each in streams if each is not None]
    numbers = [number for number, each in enumerate(streams) if each is not None]
    body = marshal.dumps({**request, "streams": numbers}) if request else b""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
        socket.send_fds(connection, [len(body).to_bytes(8, "big")], open_ones)
        connection.sendall(body)
    except OSError:
        connection.close()
        raise
    return connection


def main() -> None:
    import signal

    streams: list[int | None] = [0, 1, 2]
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            streams[number] = None
            # So that no other file gets its number.
            os.open(os.devnull, os.O_RDWR)
    request = {
        "words": sys.argv[2:],
        "code": None,
        "env": dict(os.environ),
        "cwd": os.getcwd(),  # noqa: PTH109
        "umask": os.umask(0o22),
        "session": False,
        "safe": False,
        "to_the_end": True,
    }
    connection = ask(sys.argv[1], request, streams)
    for number in range(3):
        os.close(number)
    pid = int.from_bytes(connection.recv(8), "big")
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda number, _: os.kill(pid, number))
    code = int.from_bytes(connection.recv(8), "big", signed=True)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
