"""Tries a release on a machine that has nothing: `make release-try`. Installs by name from an index on this machine.

Prints a line for each step with its seconds. Ends with 1 where one fails, and says what could not be tried.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.release.builds import ROOT, build, differing, digests
from tests.release.index import served, write_index
from tests.release.machine import INSTALLERS, PYTHON, Failed, Machine, fetch, leave_the_network
from tests.release.steps import STEPS


def wheels(folder: Path) -> list[Path]:
    """Return the wheels that the index holds besides ours, downloaded where the folder has none."""
    if not list(folder.glob("*.whl")):
        folder.mkdir(parents=True, exist_ok=True)
        fetch(folder, ROOT)
    return sorted(folder.glob("*.whl"))


def built(folder: Path) -> list[Path]:
    """Return sdist and wheel. Raises `Failed` where two checkouts give other bytes."""
    first, second = (build(how) for how in differing(folder))
    if digests(first) != digests(second):
        raise Failed("two checkouts of the same commit give other bytes")
    return first


def installers(folder: Path, files: Path) -> Path:
    """Return the programs of an environment with pipx and uv, which a user has before Twolocks."""
    subprocess.run([PYTHON, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--no-index", "--find-links", str(files)]
    subprocess.run([*pip, *INSTALLERS], check=True)
    return folder / "bin"


def tried(name: str, seconds: float, result: str) -> None:
    print(f"{result.splitlines()[0].split()[0]:8}{seconds:6.1f} s  {name}: {result.partition(' ')[2]}", flush=True)


def each_step(machine: Machine, dist: list[Path]) -> int:
    """Run the steps in their order; return how many failed."""
    failures = 0
    for name, step in STEPS.items():
        begin = time.monotonic()
        try:
            result = step(machine, dist)
        except Failed as failed:
            failures += 1
            result = f"FAILED {failed}"
        tried(name, time.monotonic() - begin, result)
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheels", type=Path, default=ROOT / "build" / "wheels", help="wheels of the index, kept")
    files = parser.parse_args().wheels
    with tempfile.TemporaryDirectory(prefix="twolocks-release-") as name:
        folder, home = Path(name), Path(name) / "home"
        home.mkdir()
        others, tools = wheels(files), installers(folder / "installers", files)
        alone = leave_the_network()
        begin = time.monotonic()
        dist = built(folder / "builds")
        tried("wheel and sdist, twice", time.monotonic() - begin, "ok the same bytes")
        write_index(folder / "index", [*others, *dist])
        print(f"{len(others)} wheels besides ours; {'no network but loopback' if alone else 'the network is there'}")
        with served(folder / "index") as url:
            return int(each_step(Machine(home, tools, url), dist) > 0)


if __name__ == "__main__":
    if shutil.which("git") is None:
        sys.exit("git is missing")
    sys.exit(main())
