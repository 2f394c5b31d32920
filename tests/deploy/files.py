"""What the tests of deploy/ share: where its files are, and programs that check them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
WORKFLOWS = ROOT / ".github" / "workflows"
PROGRAMS = Path(sys.executable).parent


def program(name: str) -> str:
    """A program of the virtual environment, else of the machine; without it the test fails, it is not skipped."""
    result = shutil.which(name, path=f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    assert result, f"{name} is missing: tests/machine says which package brings it, `make setup test` installs the rest"
    return result


def run(*words: str | Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> tuple[int, str]:
    """The exit code of a program, and what it printed."""
    command = [program(str(words[0])), *map(str, words[1:])]
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PATH": path, **(env or {})},
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def accepted(*words: str | Path, cwd: Path = ROOT) -> str:
    """What a program printed that must end with 0."""
    code, text = run(*words, cwd=cwd)
    assert code == 0, f"{words[0]} ended with {code}: {text}"
    return text


def files(*patterns: str, below: Path = DEPLOY) -> list[Path]:
    return sorted(path for pattern in patterns for path in below.rglob(pattern))
