"""Builds wheel and sdist of a commit, as the release does, in a checkout of its own."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Build:
    """What may differ from one machine to the next: folder, umask, time zone, locale and user's variables."""

    folder: Path
    umask: int
    variables: Mapping[str, str] = field(default_factory=dict)


def differing(folder: Path) -> tuple[Build, Build]:
    """Return two builds that have no setting in common."""
    return (
        Build(folder / "a", 0o022, {"TZ": "UTC", "LC_ALL": "C"}),
        Build(
            folder / "b å" / "below",
            0o077,
            {"TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "7", "PYTHONUTF8": "1"},
        ),
    )


def build(how: Build, source: Path = ROOT) -> list[Path]:
    """Return sdist and wheel of the last commit of `source`, built in a new clone.

    Raises `subprocess.CalledProcessError` where a step fails.
    """
    checkout, dist = how.folder / "checkout", how.folder / "dist"
    how.folder.mkdir(parents=True)
    env = {"PATH": os.environ["PATH"], "HOME": str(how.folder), **how.variables}
    clone = ["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", str(source), str(checkout)]
    make = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(checkout)]
    for command in (clone, make):
        subprocess.run(command, check=True, capture_output=True, env=env, umask=how.umask)
    return sorted(dist.iterdir())


def digests(files: list[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file by its name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
