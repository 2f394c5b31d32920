"""Sandboxes in the background: the file that each one holds, how it ends by itself, and `sandbox --stop`."""

import asyncio
import os
import re
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scanner.errors import InputError
from scanner.store.locks import has_flock

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

VARIABLE = "_TWOLOCKS_SANDBOX_LEADER"
"""Set for a sandbox in the background: the process whose end it does not outlive, 0 for none."""
IDLE = 3600.0
"""Seconds without a request after which a sandbox ends."""
_POLL = 2.0
_NAME = re.compile(r"\b[A-Z][A-Z0-9_]+\b")
_WAIT = 10.0
"""Seconds that `stop` waits for the end of a process."""


def require() -> None:
    """Raise InputError where the system has no sessions and locks of POSIX."""
    if not has_flock():
        raise InputError(
            "a sandbox in the background needs Linux or macOS", do="twolocks sandbox, in a terminal of its own"
        )


def leader() -> int:
    """Return the leader of the session, which is the shell of a terminal; 0 where it is not visible."""
    value = os.getsid(0)
    return value if value and _is_alive(value) else 0


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def folder() -> Path:
    """Return the folder of the user's sandboxes, which no one else can write to. Raises InputError."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    above = Path(given) if Path(given).is_absolute() else Path(tempfile.gettempdir())
    path = above / f"twolocks-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        stat_result = path.lstat()
    except OSError as error:
        raise InputError(f"the folder of sandboxes cannot be made: {error.strerror}", at=str(path)) from None
    if not stat.S_ISDIR(stat_result.st_mode) or stat_result.st_uid != os.getuid() or stat_result.st_mode & 0o022:
        raise InputError("other users can write to the folder of sandboxes", at=str(path), do="remove it")
    return path


@contextmanager
def registered(variables: Iterable[str]) -> Iterator[None]:
    """Hold the file of this process, so that `stop` finds it, and knows that it is no other process of that id.

    The file holds the names of the `variables` that a shell has of it.
    """
    path = folder() / f"sandbox-{os.getpid()}.pid"
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(number, " ".join(variables).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(number)


async def until_idle(requests: Callable[[], int], shell: int, *, idle: float = IDLE, poll: float = _POLL) -> None:
    """Return when the process `shell` (0: none) has ended, or when no request came for `idle` seconds.

    `requests`: the number of requests so far.
    """
    seen, since = requests(), time.monotonic()
    while not shell or _is_alive(shell):
        await asyncio.sleep(poll)
        if (now := requests()) != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since >= idle:
            return


def stop() -> tuple[int, set[str]]:
    """End the sandboxes in the background of this user. Return how many there were, and the names of their variables.

    Raises InputError for one that does not end.
    """
    count, names = 0, set[str]()
    for path in sorted(folder().glob("sandbox-*.pid")):
        with suppress(OSError):
            held = _NAME.findall(path.read_text("ascii", "replace"))
            if _end(path):
                count, names = count + 1, names | set(held)
    return count, names


def _end(path: Path) -> bool:
    """End the process that holds a file, and wait until it has. Remove a file that none holds."""
    pid = path.stem.removeprefix("sandbox-")
    number = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        if not pid.isdecimal() or _locks(number):
            path.unlink(missing_ok=True)
            return False
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)
        until = time.monotonic() + _WAIT
        while not _locks(number):
            if time.monotonic() > until:
                raise InputError("a sandbox does not end", at=f"process {pid}", do=f"kill -9 {pid}")
            time.sleep(0.05)
    finally:
        os.close(number)
    return True


def _locks(number: int) -> bool:
    """Return whether no other process holds the file."""
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
