"""Temporary files and folders that no other process can take, and that the next run removes after a kill.

A name holds 16 random digits and is created exclusively, so two containers that are both process 1 never share one,
and a link of that name is refused. Its creator holds a lock (flock) while it lives. A lock that is free says that the
creator is gone, but only on the machine where it was taken: network file systems do not always pass locks on. So the
name holds a mark of this boot too. What bears the mark is removed when its lock is free; all else when it is also
older than a day.
"""

import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from scanner.store import locks

DAY = 86_400
"""Seconds."""
FOLDER = "twolocks-tmp-"
"""The beginning of the names of temporary folders."""
_FRESH = 0 if locks.has_flock() else 60
"""Seconds in which a file of this machine is left alone. Where it is closed before it is renamed, it is free then."""
_LONGEST = 180
"""How many bytes of a target's name the name of its part repeats. File systems allow 255."""

OPEN: list[Path] = []
"""The files that this process is writing. A signal that ends it immediately deletes them."""


def _boot() -> str:
    """Return a mark that all containers on one running kernel share, and no other machine has."""
    try:
        id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        id = platform.node()
    return hashlib.sha256(id.encode()).hexdigest()[:8]


BOOT = _boot()


def mode_of_new(path: Path) -> int:
    """Return the mode of a new file, which holds findings or configuration: for its owner alone (0600).

    Where the folder has a default ACL, that decides: the mode that is asked for would take rights away from whom it
    names (acl(5), object creation and default ACLs).
    """
    with suppress(OSError, AttributeError):
        os.getxattr(path.parent, "system.posix_acl_default")
        return 0o666
    return 0o600


def file_of(owner: object, *, buffering: int = -1) -> IO[bytes]:
    """Return a temporary file without a name, which is closed when its owner is collected."""
    file = tempfile.TemporaryFile(buffering=buffering)  # noqa: SIM115
    close_with(owner, file)
    return file


def close_with(owner: object, file: IO[bytes]) -> None:
    """Close a file when its owner is collected.

    `__del__` of the owner comes too late where that is in a cycle: the file is collected with it, unclosed.
    """
    weakref.finalize(owner, file.close)


def read_at(file: IO[bytes], start: int, size: int) -> bytes:
    """Return bytes of a file that was flushed. Forked processes share the place of a file, so it is not used."""
    if hasattr(os, "pread"):
        return os.pread(file.fileno(), size, start)
    file.seek(start)
    return file.read(size)


class AtomicFile:
    """A file that is written beside its path, and renamed to it only when it is complete.

    A new file is for its owner alone. It keeps the mode of the file that it replaces. What runs that were killed left
    for the same path is removed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> IO[bytes]:
        remove_stale_files(self.path)
        self._file, self.temporary = _create(self.path)
        OPEN.append(self.temporary)
        return self._file

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self._file.flush()
                if not locks.has_flock():
                    self._file.close()  # Windows does not rename an open file
                # The lock is held until the file has its name, so that nobody takes it for one that is left over.
                locks.rename(self.temporary, self.path)
        finally:
            with suppress(OSError):
                self._file.close()
            self.temporary.unlink(missing_ok=True)
            OPEN.remove(self.temporary)


def _create(path: Path) -> tuple[IO[bytes], Path]:
    """Create and lock a part of a path."""
    while True:
        temporary = path.with_name(f"{_prefix(path)}{BOOT}{secrets.token_hex(8)}.part")
        number = locks.create_held(temporary, mode_of_new(temporary))
        if number is None:
            continue
        try:
            if os.name == "posix":
                with suppress(OSError):
                    os.fchmod(number, stat.S_IMODE(path.stat().st_mode))
            return os.fdopen(number, "w+b"), temporary
        except BaseException:
            os.close(number)
            temporary.unlink(missing_ok=True)
            raise


def _prefix(path: Path) -> str:
    return f".{os.fsdecode(os.fsencode(path.name)[:_LONGEST])}."


def remove_stale_files(path: Path) -> None:
    """Remove the parts of a path that runs which were killed have left."""
    prefix = _prefix(path)
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and _SUFFIX.fullmatch(entry.name, len(prefix)):
                _remove_stale(Path(entry.path), here=entry.name.startswith(BOOT, len(prefix)))


# The second form is that of earlier versions: the number of the process.
_SUFFIX = re.compile(r"(?:[0-9a-f]{24}|\d{1,10})\.part")


def _remove_stale(path: Path, *, here: bool, folder: bool = False) -> None:
    """Remove a file or folder whose creator is gone. `here`: it was made on this machine since it started."""
    with suppress(OSError):
        stat_result = os.lstat(path)
        if locks.belongs_to_user(stat_result, folder=folder) and time.time() - stat_result.st_mtime >= (
            _FRESH if here else DAY
        ):
            locks.remove_if_free(path, folder=folder)


_FOLDER = re.compile(re.escape(FOLDER) + r"([0-9a-f]{8})-[a-z0-9_]{8}")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder of this user alone. What runs that were killed left is removed."""
    above = Path(tempfile.gettempdir())
    with suppress(OSError), os.scandir(above) as entries:
        for entry in entries:
            if match := _FOLDER.fullmatch(entry.name):
                _remove_stale(Path(entry.path), here=match[1] == BOOT, folder=True)
    path, number = _locked_folder()
    try:
        yield path
    finally:
        if not locks.has_flock():
            os.close(number)  # Windows does not delete an open file
        shutil.rmtree(path, ignore_errors=True)
        if locks.has_flock():
            os.close(number)


def _locked_folder() -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{BOOT}-"))
        with suppress(OSError):
            number = locks.folder_held(path)
            if number is not None:
                return path, number
