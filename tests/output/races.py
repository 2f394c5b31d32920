"""Races and kills of writers of one file: `python -m tests.output.races [--races N] [--kills N] [--seed N]`.

A race: two processes write the same file at once, each as process 1 of a PID namespace of its own where `unshare` may
make one. A kill: SIGKILL at a random instant. After each, the file is the whole old or a whole new one, and nothing
is left after the next run. `--scans N` does the same with whole scans: JSON, HTML, a snapshot and a history.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tests.terminals import account, snapshot

ROOT = Path(__file__).parents[2]
SIZE = 2_000_000
_UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
# It says the number of its process, waits for the start of the race, and writes the file until it is stopped.
_WRITER = """
import os, sys, time
from pathlib import Path
from scanner.document.temporary import AtomicFile
path, mark, size, count = Path(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3]), int(sys.argv[4])
print(os.getpid(), flush=True)
sys.stdin.readline()
for _ in range(count):
    with AtomicFile(path) as file:
        for _ in range(20):
            file.write(mark * (size // 20))
"""


def namespaces() -> bool:
    """Return whether PID namespaces may be made here."""
    if not shutil.which("unshare"):
        return False
    return subprocess.run([*_UNSHARE, "true"], check=False, capture_output=True).returncode == 0


def races(folder: Path, count: int, seed: int, *, unshare: bool | None = None) -> tuple[int, int, int]:
    """Return how many races there were, how many left a mixed file, and how many files were left over."""
    chance, mixed = random.Random(seed), 0
    path = folder / "race.json"
    before = _UNSHARE if (namespaces() if unshare is None else unshare) else ()
    each_time = 10
    for _ in range(count // each_time):
        size = chance.choice((20, 20_000, SIZE))
        writers = [_writer(path, mark, size, each_time, before) for mark in "ab"]
        for writer in writers:
            _start(writer)
        while any(writer.poll() is None for writer in writers):
            mixed += not _is_whole(path, size)
        for writer in writers:
            assert writer.wait() == 0
            _close(writer)
        mixed += not _is_whole(path, size)
    return count, mixed, len(_left(folder))


def kills(folder: Path, count: int, seed: int) -> tuple[int, int, int]:
    """Return how many writers were killed, how many left a file that is not whole, and files left after another run."""
    chance, mixed = random.Random(seed), 0
    path = folder / "killed.json"
    _write(path, "o", SIZE)
    for _ in range(count):
        writer = _writer(path, "n", SIZE, 1000, ())
        _start(writer)
        time.sleep(chance.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        _close(writer)
        mixed += not _is_whole(path, SIZE)
    _write(path, "o", SIZE)
    return count, mixed, len(_left(folder))


def _writer(path: Path, mark: str, size: int, count: int, before: Sequence[str]) -> "subprocess.Popen[str]":
    words = [*before, sys.executable, "-c", _WRITER, str(path), mark, str(size), str(count)]
    pipe = subprocess.PIPE
    writer = subprocess.Popen(words, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
    assert writer.stdout is not None
    number = writer.stdout.readline().strip()
    assert number == "1" or not before, f"process {number} is not the first of its namespace"
    return writer


def _start(writer: "subprocess.Popen[str]") -> None:
    assert writer.stdin is not None
    writer.stdin.write("\n")
    writer.stdin.flush()


def _close(writer: "subprocess.Popen[str]") -> None:
    for stream in (writer.stdin, writer.stdout):
        assert stream is not None
        stream.close()


def _write(path: Path, mark: str, size: int) -> None:
    writer = _writer(path, mark, size, 1, ())
    _start(writer)
    assert writer.wait() == 0
    _close(writer)


def _is_whole(path: Path, size: int) -> bool:
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return True
    return len(set(found)) == 1 and len(found) in (20, 20_000, SIZE, size)


def _left(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if each.name.endswith((".part", "-journal"))]


def scans(folder: Path, count: int, seed: int) -> tuple[int, int, int]:
    """Run scans two at a time, and kill one of them at a random instant. Count as `races` does."""
    chance, wrong = random.Random(seed), 0
    os.chdir(folder)
    estate = (account(f"st{number}", allowSharedKeyAccess=True) for number in range(300))
    snapshot(folder / "night.jsonl", *estate)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    words = [sys.executable, "-m", "scanner", "scan", "--from", "night.jsonl", "--quiet", "--fail-on", "never"]
    words += ["--out", "o.json", "--out", "o.html", "--history", "h.db"]
    before = _UNSHARE if namespaces() else ()
    for _ in range(count):
        pair = [subprocess.Popen([*before, *words], env=env, stderr=subprocess.DEVNULL) for _ in range(2)]
        time.sleep(chance.uniform(0.2, 2.5))
        pair[0].send_signal(signal.SIGKILL)
        wrong += pair[1].wait() not in (0, 3)
        pair[0].wait()
        wrong += not _scan_is_whole(folder)
    subprocess.run(words, env=env, check=False, stderr=subprocess.DEVNULL)
    return count, wrong, len(_left(folder)) + len([each for each in folder.iterdir() if each.is_dir()])


def _scan_is_whole(folder: Path) -> bool:
    document = json.loads((folder / "o.json").read_text())
    html = (folder / "o.html").read_text().rstrip()
    with closing(sqlite3.connect(folder / "h.db")) as history:
        fine = history.execute("pragma integrity_check").fetchone()[0] == "ok"
    return fine and document["schema"] == "twolocks/2" and html.endswith("</html>")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=500)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--scans", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    print(f"seed {given.seed}; PID namespaces: {'yes' if namespaces() else 'no'}", flush=True)
    for name, run, count in (
        ("races", races, given.races),
        ("kills", kills, given.kills),
        ("scans", scans, given.scans),
    ):
        with tempfile.TemporaryDirectory() as folder:
            done, mixed, left = run(Path(folder), count, given.seed)
            print(f"{name}: {done}, not whole {mixed}, left over {left}", flush=True)
            os.chdir(ROOT)


if __name__ == "__main__":
    main()
