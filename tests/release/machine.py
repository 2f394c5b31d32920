"""A machine that has nothing: an empty home, no settings of pip or uv, one package index, no network but its own."""

import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PYTHON: Final = os.path.realpath(sys.executable)
INSTALLERS: Final = ("pipx", "uv")
INTERFACE: Final = struct.pack("16sh", b"lo", 0x41)
SET_FLAGS: Final = 0x8914


class Failed(Exception):
    """A command that ended with another exit code than it should."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Runs commands with `home` as home and working folder, and `tools` as the folder of pipx and uv."""

    home: Path
    tools: Path
    index: str

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return all variables of a command: nothing of this process counts but the folder of its programs."""
        return {
            "PATH": f"{self.home}/.local/bin:{self.tools}:/usr/bin:/bin",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "PYTHON": PYTHON,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_INDEX_URL": self.index,
            "PIPX_DEFAULT_PYTHON": PYTHON,
            "UV_DEFAULT_INDEX": self.index,
            "UV_NO_CONFIG": "1",
            "UV_PYTHON": PYTHON,
            "UV_PYTHON_DOWNLOADS": "never",
            **more,
        }

    def run(
        self, *words: str | Path, code: int = 0, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Return what a command wrote on both streams. Raises `Failed` where it ends with another code."""
        done = subprocess.run(
            [str(word) for word in words],
            env=self.environment(env or {}),
            cwd=cwd or self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode != code:
            line = " ".join(map(str, words))
            raise Failed(f"{line} ended with {done.returncode}, not {code}:\n{done.stdout[-3000:]}")
        return done.stdout

    def environment_with(self, *requirements: str) -> Path:
        """Return the programs of a new virtual environment, into which pip installs these by name."""
        folder = self.home / f"venv-{len(list(self.home.glob('venv-*')))}"
        self.run(PYTHON, "-m", "venv", folder)
        self.run(folder / "bin" / "pip", "install", "--quiet", *requirements)
        return folder / "bin"


def fetch(files: Path, root: Path) -> None:
    """Download the wheels of the locked dependencies and of the installers, from the index of this machine."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", str(files)]
    for lock in ("requirements.lock", "requirements-setup.lock"):
        subprocess.run([*pip, "--require-hashes", "-r", str(root / lock)], check=True)
    subprocess.run([*pip, *INSTALLERS], check=True)


def leave_the_network() -> bool:
    """Keep this process and those that it starts to a loopback interface of their own; return whether that worked.

    Needs root and Python 3.12. Elsewhere installers have the index alone.
    """
    if sys.version_info < (3, 12) or sys.platform != "linux":
        return False
    import fcntl
    import socket

    with suppress(OSError):
        os.unshare(os.CLONE_NEWNET)
        with socket.socket() as any_socket:
            fcntl.ioctl(any_socket, SET_FLAGS, INTERFACE)
        return True
    return False
