"""A program that runs commands of Twolocks in a process that lacks what Windows lacks.

`python -m tests.not_posix COMMAND...`: each argument is a whole command; `ended.json` then has its exit code and its
standard error. Modules of POSIX cannot be imported, functions, flags and signals are absent, `os.name` and
`sys.platform` are those of Windows for the code of Twolocks, and a text file whose encoding the system would choose is
an error. Paths stay those of POSIX: the rest of the process is Python for Linux.
"""

import asyncio
import importlib
import io
import json
import os
import pkgutil
import select
import shutil
import signal
import socket
import sys
import tempfile  # noqa: F401 - imported while `os` is whole, because it reads all of it
import time
import warnings
from contextlib import redirect_stderr
from pathlib import Path
from types import ModuleType
from typing import Any, Final

MODULES: Final = ("curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")
ABSENT: Final[dict[ModuleType, str]] = {
    os: "O_CLOEXEC O_DIRECTORY O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC chown fchmod fchown fork forkpty getegid geteuid"
    " getgid getgroups getloadavg getpgid getpgrp getpriority getuid getxattr killpg lchown listxattr mkfifo mknod nice"
    " openpty posix_fadvise posix_fallocate pread preadv pwrite pwritev sched_getaffinity sched_setaffinity sendfile"
    " setsid setxattr statvfs sync sysconf ttyname uname wait3 wait4 waitid",
    signal: "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGUSR1 SIGUSR2"
    " SIGWINCH alarm pthread_sigmask setitimer sigwait",
    select: "epoll poll",
    time: "tzset",
}
NOT_OURS: Final = ("scanner.azure.az_parser",)
"""Run by the Python of the Azure CLI alone."""


class Module:
    """A module with one attribute that differs."""

    def __init__(self, module: ModuleType, **differs: str) -> None:
        self.__dict__.update(differs, _module=module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def no_signal_handler(*_: object) -> None:
    """Raise what an event loop raises there."""
    raise NotImplementedError


def take_away() -> None:
    """Remove what Windows lacks from this process."""
    for module, names in ABSENT.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
    os.process_cpu_count = os.cpu_count  # type: ignore[attr-defined, unused-ignore]  # as Python 3.13 has it there
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    # Windows opens no file relative to the descriptor of a folder, so that shutil.rmtree walks by names.
    os.supports_dir_fd.clear()
    os.supports_fd.clear()
    shutil._use_fd_functions = False  # type: ignore[attr-defined]  # from these sets, when it was imported
    asyncio.SelectorEventLoop.add_signal_handler = no_signal_handler  # type: ignore[method-assign, assignment]
    if replacement := getattr(socket, "_fallback_socketpair", None):  # from Python 3.12 on
        socket.socketpair = replacement
        del socket.AF_UNIX


def name_windows() -> list[str]:
    """Import every module of Twolocks, and give it the names of Windows; return the names of the modules."""
    import scanner

    found = [each.name for each in pkgutil.walk_packages(scanner.__path__, "scanner.")]
    modules = [importlib.import_module(name) for name in found if name not in NOT_OURS and "__main__" not in name]
    for module in modules:
        for own, differs in ((os, Module(os, name="nt")), (sys, Module(sys, platform="win32"))):
            if vars(module).get(own.__name__) is own:
                setattr(module, own.__name__, differs)
    return [module.__name__ for module in modules]


def serve_less() -> None:
    """Make the demo serve the storage accounts of its sample and what they name, because more of them show no more."""
    import scanner.sandbox.estate
    from tests.estate.parts import of_types

    scanner.sandbox.estate.load_estate = lambda: of_types("Microsoft.Storage/storageAccounts")  # type: ignore[assignment, misc]


def run(command: str) -> tuple[str, int, str]:
    """Return a command, its exit code and its standard error."""
    from scanner.cli.app import main

    errors = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with redirect_stderr(errors):
        try:
            main(command.split())
        except SystemExit as end:
            errors.seek(0)
            return command, int(end.code or 0), errors.read()
    raise AssertionError(f"{command} did not end")


if __name__ == "__main__":
    take_away()
    name_windows()
    serve_less()
    warnings.filterwarnings("error", category=EncodingWarning, module=r"scanner(\.|$)")
    Path("ended.json").write_text(json.dumps([run(line) for line in sys.argv[1:]]), "utf-8")
