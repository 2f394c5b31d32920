"""Locks that end with the process that holds them: flock, and on Windows the rules for open files.

Windows has no flock, but refuses to delete a file that is open. So the holder of a file keeps it open, and the holder
of a folder keeps a file in it open.
"""

import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

EXCLUSIVE = os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
"""The flags to create a file that did not exist, without following a link of its name."""
_BINARY: int = getattr(os, "O_BINARY", 0)
_HOLDER = ".in-use"
_BUSY_SECONDS = 5
_RETRY_SECONDS = 0.05


def has_flock() -> bool:
    """Return whether the system has flock."""
    return fcntl is not None


def create_held(path: Path, mode: int) -> int | None:
    """Create and hold a file, and return its descriptor; None if a run that cleans up removed it before its lock.

    Raises OSError if it exists or cannot be created.
    """
    number = os.open(path, os.O_RDWR | _BINARY | EXCLUSIVE, mode)
    return _held(number, path)


def hold(path: Path) -> int | None:
    """Hold a file that exists, and return its descriptor; None where another process holds it. Raises OSError.

    Without flock nothing is held.
    """
    number = os.open(path, os.O_RDWR | _BINARY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        if fcntl is not None:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        return None
    except BaseException:
        os.close(number)
        raise
    return number


def folder_held(path: Path) -> int | None:
    """Hold a new folder, and return a descriptor; None if a run that cleans up removed it before. Raises OSError."""
    if fcntl is None:
        return os.open(path / _HOLDER, os.O_RDWR | EXCLUSIVE, 0o600)
    return _held(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC), path)


def _held(number: int, path: Path) -> int | None:
    if fcntl is None:
        return number
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)  # a run that cleans up took the lock first, and is removing it
        return None
    except OSError:
        pass  # a file system without locks
    if _is_at(number, path):
        return number
    os.close(number)
    return None


def _is_at(number: int, path: Path) -> bool:
    """Return whether an open file still has its name. A run that cleans up may have removed it before its lock."""
    try:
        there, opened = os.lstat(path), os.fstat(number)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)


def belongs_to_user(stat_result: os.stat_result, *, folder: bool) -> bool:
    """Return whether a file, or a folder, belongs to this user. On Windows the folder above decides who may delete."""
    wanted = stat.S_ISDIR if folder else stat.S_ISREG
    return wanted(stat_result.st_mode) and (not hasattr(os, "getuid") or stat_result.st_uid == os.getuid())


def why_shared(folder: Path) -> str:
    """Return why others may write a folder; "" where only this user can, and for one that does not exist. Raises
    OSError.
    """
    try:
        stat_result = os.lstat(folder)
    except FileNotFoundError:
        return ""
    if stat.S_ISLNK(stat_result.st_mode):
        return "it is a link"
    if not belongs_to_user(stat_result, folder=True):
        return "it belongs to another user" if stat.S_ISDIR(stat_result.st_mode) else "it is no folder"
    return "others can write it" if os.name == "posix" and stat_result.st_mode & 0o022 else ""


def remove_if_free(path: Path, *, folder: bool) -> None:
    """Remove a file or a folder that no process holds. Raises OSError for one that is held or cannot be removed."""
    if fcntl is None:
        (path / _HOLDER if folder else path).unlink()
        if folder:
            shutil.rmtree(path, ignore_errors=True)
        return
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(number, path):
            shutil.rmtree(path, ignore_errors=True) if folder else path.unlink()
    finally:
        os.close(number)


def rename(temporary: Path, path: Path) -> None:
    """Give a file its name, in place of an existing one. Raises OSError.

    Windows refuses it while another process has the existing one open, as a virus scanner does for a moment.
    """
    end = time.monotonic() + (0 if has_flock() else _BUSY_SECONDS)
    while True:
        try:
            temporary.replace(path)
        except PermissionError:
            if time.monotonic() >= end:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


@contextmanager
def edit_lock(folder: Path) -> Iterator[None]:
    """Wait for other processes that edit files of a folder, and lock it. Raise OSError if it cannot be opened.

    A file system without locks is no error: then two edits at once may lose one. On Windows, the processes of one
    user wait for each other.
    """
    if fcntl is None:
        with _edit_file(folder):
            yield
        return
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


@contextmanager
def _edit_file(folder: Path) -> Iterator[None]:
    """Lock a file in the user's temporary folder that stands for a folder, which Windows cannot lock."""
    msvcrt: Any = import_module("msvcrt")
    os.scandir(folder).close()
    name = hashlib.sha256(os.fsencode(os.path.normcase(folder.resolve()))).hexdigest()[:16]
    number = os.open(Path(tempfile.gettempdir()) / f"twolocks-edit-{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            with suppress(OSError):
                msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
                break
            time.sleep(_RETRY_SECONDS)
        yield
    finally:
        os.close(number)
