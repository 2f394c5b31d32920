"""Kills scans at random instants (SIGKILL), goes on from their journals, and compares with an uninterrupted scan.

    python -m tests.scan.kills [COUNT [OPTION...]]    100 kills by default, options of scan; prints the figures as JSON

The sample estate is served by this process; each scan is a process of its own. A read counts as repeated where its
answer was in the journal, and where Azure answered it so long before the kill that it was no longer on its way.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scanner.azure.transport import MAX_REQUESTS
from scanner.sandbox.estate import load_estate
from scanner.sandbox.server import RecordedRequest, Sandbox, running
from scanner.snapshot.changes import TABLE
from scanner.snapshot.journal_lines import parsed
from tests.processes import Started, start

Read = tuple[str, str, str]
_CHAIN = re.compile(rb',"chain":"[0-9a-f]*"')


def reads(requests: list[RecordedRequest], *, succeeded: bool = False) -> list[Read]:
    """The reads among requests: method, URL and body; without sign-in and the question what changed."""
    recorded_requests = [
        each for each in requests if "/oauth2/" not in each.url and "/subscriptions" in each.url + each.body
    ]
    return [
        (each.method, each.url, each.body)
        for each in recorded_requests
        if TABLE not in each.body and (each.status == 200 or not succeeded)
    ]


@dataclass
class Killing:
    """Scans of one sandbox, in a folder."""

    box: Sandbox
    folder: Path
    words: tuple[str, ...] = ()
    seed: int = 1
    figures: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("kills", "repeated", "differences"), 0))

    @property
    def journals(self) -> Path:
        return self.folder / "cache" / "twolocks" / "journals"

    def start(self, *more: str) -> Started:
        own = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache")}
        words = ("--arm-endpoint", self.box.url, "--out", "f.json", "--snapshot", "s.jsonl", *self.words, *more)
        env = {**own, **self.box.environment()}
        return start("scan", *words, cwd=self.folder, env=env, stderr=subprocess.PIPE, text=True)

    def end(self, process: Started) -> str:
        text = str(process.communicate(timeout=600)[1])
        assert process.returncode in (0, 1, 3), text[-2000:]
        return text

    def result(self) -> tuple[dict[str, Any], set[bytes]]:
        """The findings without the row of the scan, and the lines of the snapshot without header and chain."""
        document = json.loads((self.folder / "f.json").read_bytes())
        del document["scan"]
        lines = (self.folder / "s.jsonl").read_bytes().splitlines()[1:]
        return document, {_CHAIN.sub(b"", line) for line in lines}

    def whole(self) -> float:
        """Scan without an interruption. Return how long it took after its first answer."""
        self.box.requests.clear()
        process = self.start()
        self._first_answer(process)
        began = time.monotonic()
        self.end(process)
        self.expected = self.result()
        assert not list(self.journals.iterdir()), "a scan that ends well leaves no journal"
        return time.monotonic() - began

    def _first_answer(self, process: Started) -> None:
        while process.poll() is None and not any(b'"answer"' in each.read_bytes() for each in self.journals.glob("*")):
            time.sleep(0.005)

    def kill(self, wait: float) -> bool:
        """Kill a scan some seconds after its first answer, and go on. Return False where it had ended before."""
        self.box.requests.clear()
        process = self.start()
        self._first_answer(process)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        left = list(self.journals.glob("*.journal"))
        if not left:
            return False
        before = reads(list(self.box.requests), succeeded=True)
        kept = self._keys(left[0])
        self.box.requests.clear()
        text = self.end(self.start("--resume", str(left[0])))
        assert "resumed:" in text, text
        after = reads(list(self.box.requests))
        # What Azure answered last may not have arrived: at most as many as are on their way at once.
        arrived = set(before[: max(0, len(before) - MAX_REQUESTS)])
        self.figures["kills"] += 1
        self.figures["repeated"] += sum(each in arrived for each in after)
        self.figures["kept"] = self.figures.get("kept", 0) + kept
        self.figures["read"] = self.figures.get("read", 0) + len(after)
        matches = self.result()
        self.figures["differences"] += len(self.expected[1] ^ matches[1]) + (self.expected[0] != matches[0])
        assert not list(self.journals.iterdir())
        return True

    def _keys(self, path: Path) -> int:
        rows = [parsed(line) for line in path.read_bytes().splitlines(keepends=True)]
        keys = [each.answer.key for each in rows if each is not None and each.answer is not None]
        assert len(keys) == len(set(keys)), "no answer is kept twice"
        return len(keys)


def kills(count: int, folder: Path, box: Sandbox, seed: int, words: tuple[str, ...] = ()) -> Mapping[str, int]:
    """The figures of `count` kills: kills, repeated reads, differences."""
    chance = random.Random(seed)
    killing = Killing(box, folder, words)
    took = killing.whole()
    while killing.figures["kills"] < count:
        if killing.kill(chance.uniform(0, took)) and killing.figures["kills"] % 10 == 0:
            print(json.dumps(killing.figures), file=sys.stderr, flush=True)
    return killing.figures


if __name__ == "__main__":
    seed = random.randrange(10**6)
    print(f"seed {seed}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as name, running(Sandbox.from_estate(load_estate(), latency=0.01)) as served:
        words = tuple(sys.argv[2:])
        print(json.dumps(kills(int(sys.argv[1]) if len(sys.argv) > 1 else 100, Path(name), served, seed, words)))
