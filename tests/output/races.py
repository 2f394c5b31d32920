"""Races and kills of writers of one file: `python -m tests.output.races [--races N] [--kills N] [--seed N]`.

A race: two processes write the same file at once, each as process 1 of a PID namespace of its own where `unshare` may
make one. A kill: SIGKILL at a random instant. After each, the file is the whole old or a whole new one, and nothing
is left after the next run. `--scans N` does the same with whole scans: JSON, HTML, a snapshot and a history;
`--histories N` with two scans that both end, into one SQLite file, `--waives N` with two entries of one waiver file.
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
import tomllib
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.terminals import account, snapshot

ROOT = Path(__file__).parents[2]
SIZE = 2_000_000
_UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
# It says the number of its process, waits for the start of the race, and writes the file until it is stopped.
_WRITER = """
import os, sys, time
from pathlib import Path
from scanner.store.temporary import AtomicFile
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
        writer.kill()
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
        value = path.read_bytes()
    except FileNotFoundError:
        return True
    except PermissionError:
        if os.name == "posix":
            raise
        return True  # Windows, in the moment of a replacement
    return len(set(value)) == 1 and len(value) in (20, 20_000, SIZE, size)


def _left(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir() if each.name.endswith((".part", "-journal"))]


def scans(folder: Path, count: int, seed: int) -> tuple[int, int, int]:
    """Run scans two at a time, and kill one of them at a random instant. Count as `races` does."""
    chance, wrong = random.Random(seed), 0
    estate = (account(f"st{number}", allowSharedKeyAccess=True) for number in range(300))
    snapshot(folder / "night.jsonl", *estate)
    words = [*_environment(folder), "scan", "--from", "night.jsonl", "--quiet", "--fail-on", "never"]
    words += ["--out", "o.json", "--out", "o.html", "--history", "h.db"]
    for _ in range(count):
        pair = [_started(folder, words) for _ in range(2)]
        time.sleep(chance.uniform(0.2, 2.5))
        pair[0].send_signal(signal.SIGKILL)
        wrong += pair[1].wait() not in (0, 3)
        pair[0].wait()
        wrong += not _scan_is_whole(folder)
    _started(folder, words).wait()
    return count, wrong, len(_left(folder)) + len([each for each in folder.iterdir() if each.is_dir()])


def _scan_is_whole(folder: Path) -> bool:
    document = json.loads((folder / "o.json").read_text())
    html = (folder / "o.html").read_text().rstrip()
    with closing(sqlite3.connect(folder / "h.db")) as history:
        fine = history.execute("pragma integrity_check").fetchone()[0] == "ok"
    return fine and document["schema"] == "twolocks/2" and html.endswith("</html>")


def histories(folder: Path, count: int, seed: int) -> tuple[int, int, int]:
    """Run scans two at a time into one history: each is stored once, whole, and the items once. Count as `races`."""
    chance, wrong = random.Random(seed), 0
    scan = [*_environment(folder), "scan", "--quiet", "--fail-on", "never", "--history", "h.db"]
    for number in range(count):
        estate = [account(f"st{each}", supportsHttpsTrafficOnly=bool(each % (number + 2))) for each in range(60)]
        for name in "ab":
            snapshot(folder / f"{name}.jsonl", *estate)
        pair = []
        for name in "ab":
            pair.append(_started(folder, [*scan, "--from", f"{name}.jsonl", "--out", f"{name}.json"]))
            time.sleep(chance.uniform(0, 0.3))
        wrong += any(each.wait() not in (0, 3) for each in pair)
        documents = [json.loads((folder / f"{name}.json").read_text()) for name in "ab"]
        with closing(sqlite3.connect(folder / "h.db")) as history:
            stored = [row[0] for row in history.execute("select id from scans order by number")]
            twice = history.execute("select 1 from items group by kind, fingerprint having count(*) > 1").fetchall()
            wrong += history.execute("pragma integrity_check").fetchone()[0] != "ok"
        wrong += sorted(stored[-2:]) != sorted(each["scan"]["id"] for each in documents)
        wrong += len(stored) != 2 * (number + 1) or bool(twice)
    return count, wrong, len(_left(folder))


def waives(folder: Path, count: int, seed: int) -> tuple[int, int, int]:
    """Run `waive` two at a time, and kill one of them in half of the pairs. Count as `races` does.

    Each entry that was reported is there, and the file is always a whole one.
    """
    chance, wrong, written = random.Random(seed), 0, set[str]()
    program, rule = _environment(folder), "storage-plain-http"
    snapshot(folder / "n.jsonl", *(account(f"st{each}", supportsHttpsTrafficOnly=False) for each in range(2 * count)))
    _started(folder, [*program, "scan", "--quiet", "--from", "n.jsonl", "--only", rule, "--out", "o.json"]).wait()
    rows = json.loads((folder / "o.json").read_text())["findings"]
    shared = ["--in", "o.json", "--reason", "r", "--owner", "o", "--expires", _in_90_days()]
    for pair in zip(rows[::2], rows[1::2], strict=True):
        both = [_started(folder, [*program, "waive", each["fingerprint"], *shared]) for each in pair]
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0, 1.5))
            both[0].send_signal(signal.SIGKILL)
        codes = [each.wait() for each in both]
        wrong += codes[1] != 0
        written |= {row["resource"] for row, code in zip(pair, codes, strict=True) if code == 0}
        entries = [each["resource"] for each in tomllib.loads((folder / "waivers.toml").read_text())["waiver"]]
        wrong += not written <= set(entries) or len(entries) != len(set(entries))
    _started(folder, [*program, "waive", rows[0]["fingerprint"], *shared]).wait()
    return count, wrong, len(_left(folder))


def _in_90_days() -> str:
    return (datetime.now(UTC).date() + timedelta(days=90)).isoformat()


def _environment(folder: Path) -> list[str]:
    """Go into a folder and return the words that start Twolocks, each in a PID namespace of its own if possible."""
    os.chdir(folder)
    return [*(_UNSHARE if namespaces() else ()), sys.executable, "-m", "scanner"]


def _started(folder: Path, words: Sequence[str]) -> "subprocess.Popen[bytes]":
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    return subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=500)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--scans", type=int, default=20)
    parser.add_argument("--histories", type=int, default=20)
    parser.add_argument("--waives", type=int, default=40)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    print(f"seed {given.seed}; PID namespaces: {'yes' if namespaces() else 'no'}", flush=True)
    for name, run, count in (
        ("races", races, given.races),
        ("kills", kills, given.kills),
        ("scans", scans, given.scans),
        ("histories", histories, given.histories),
        ("waives", waives, given.waives),
    ):
        with tempfile.TemporaryDirectory() as folder:
            done, mixed, left = run(Path(folder), count, given.seed)
            print(f"{name}: {done}, not whole {mixed}, left over {left}", flush=True)
            os.chdir(ROOT)


if __name__ == "__main__":
    main()
