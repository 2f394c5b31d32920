"""`make fuzz SECONDS=60`: every target in turn, by each engine that is installed; ends with 1 if something is found.

    python -m tests.fuzz [--seconds 60] [--seed N] [--only TARGET] [--engine hypothesis|atheris] [--found FOLDER]

SECONDS are shared by all runs. A run can be repeated by its seed. What breaks a property is written to FOLDER, and
`python -m tests.fuzz --replay FILE...` runs it again: the name of a file begins with its target's.
"""

import argparse
import importlib.util
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.fuzz.targets import TARGETS, Target


def main() -> int:
    given = _arguments()
    if given.replay:
        for path in map(Path, given.replay):
            target_of(path.name).run(path.read_bytes())
            sys.stdout.write(f"ok {path}\n")
        return 0
    targets = [each for each in TARGETS if not given.only or each.name in given.only]
    engines = [each for each in ("hypothesis", "atheris") if given.engine in (None, each) and _is_there(each)]
    if not _is_there("atheris"):
        sys.stdout.write("atheris is not installed: hypothesis only\n")
    each_gets = max(1.0, given.seconds / (len(targets) * len(engines) or 1))
    given.found.mkdir(parents=True, exist_ok=True)
    total = value = 0
    begin = time.monotonic()
    for target in targets:
        for engine in engines:
            result = _run(engine, target, each_gets, given.seed, given.found)
            total += result["executions"]
            value += len(result["found"])
            _say(engine, target, given.seed, result)
    took = time.monotonic() - begin
    sys.stdout.write(f"{len(targets)} targets, {total:,} executions, {took / 60:.1f} minutes, {value} found\n")
    return 1 if value else 0


def target_of(name: str) -> Target:
    """Return the target whose name a file's name begins with; of two the longer one."""
    return max((each for each in TARGETS if name.startswith(each.name)), key=lambda each: len(each.name))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 31))
    parser.add_argument("--only", action="append", choices=[each.name for each in TARGETS])
    parser.add_argument("--engine", choices=["hypothesis", "atheris"])
    parser.add_argument("--found", type=Path, default=Path(".fuzz"))
    parser.add_argument("--replay", nargs="+")
    return parser.parse_args()


def _is_there(engine: str) -> bool:
    return importlib.util.find_spec(engine) is not None


def _run(engine: str, target: Target, seconds: float, seed: int, folder: Path) -> dict[str, Any]:
    """Run a target in a process of its own: a crash of the interpreter, or a hang, is a find and not the end."""
    words = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.engines", engine, target.name]
    words += [str(seconds), str(seed), str(folder)]
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=seconds + 300)
        last = done.stdout.strip().splitlines()[-1:]
        result: dict[str, Any] = json.loads(last[0]) if last else {"executions": 0, "slowest": 0, "found": {}}
        if not last or done.returncode:
            result["found"][f"the process ended with {done.returncode}: {done.stderr[-400:]}"] = ""
    except subprocess.TimeoutExpired:
        return {"executions": 0, "slowest": 0, "found": {"the process did not end": ""}}
    return result


def _say(engine: str, target: Target, seed: int, result: dict[str, Any]) -> None:
    slowest, executions = result["slowest"], result["executions"]
    sys.stdout.write(f"{target.name:16}{engine:12}seed {seed:<12}{executions:>9,} executions, slowest {slowest} s\n")
    for fault, file in result["found"].items():
        sys.stdout.write(f"    FOUND {file}: {fault}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
