"""Scans of a sandbox in parts, with workers as processes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scanner.sandbox.server import Sandbox
from tests.azure.requests import ESTATE, SUBSCRIPTIONS, account
from tests.fleet.broker import Worker
from tests.terminals import Ended, twolocks

S3, LOST = (f"aaaaaaaa-0000-0000-0000-00000000000{digit}" for digit in "34")
RANGE = 3_000
PROGRAM = f"""
import sys
from scanner.cli.app import main
from scanner.fleet import spreading
spreading.LEAST_BYTES, spreading.RANGE_BYTES = 1, {RANGE}
main(sys.argv[1:])
"""
"""Twolocks, where workers evaluate however little there is."""
RESOURCES = [*ESTATE, *account("st3", subscription=S3)]
FOUR = [
    *SUBSCRIPTIONS,
    {"subscriptionId": S3, "displayName": "tredje"},
    {"subscriptionId": LOST, "displayName": "stengt", "state": "Disabled"},
]
"""Four subscriptions, one of which is disabled."""
RULES = ("--only", "category:authentication")


class Lab:
    """Scans of one sandbox in parts, in a folder of their own."""

    def __init__(self, box: Sandbox, url: str, folder: Path) -> None:
        self.box, self.url, self.folder = box, url, folder
        self.location = folder / "parts"

    @property
    def env(self) -> dict[str, str]:
        return {**self.box.environment(), "TWOLOCKS_SCAN_ARM_ENDPOINT": self.box.url}

    def scan(self, *words: object, out: str = "f.json") -> Ended:
        self.box.requests.clear()
        return twolocks("scan", "--no-journal", *RULES, "--out", self.folder / out, *words, env=self.env)

    def parted(self, *words: object) -> Ended:
        return self.scan("--parts", self.location, *words)

    def spread(self, *words: object) -> Ended:
        return self.parted("--broker", self.url, "--redeliver-after", "1s", *words)

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        made = Worker(
            self.folder, self.env, *("--broker", self.url, "--parts", self.location), *("--redeliver-after", "1s")
        )
        try:
            yield made
        finally:
            if made.process.poll() is None:
                made.kill()

    def found(self, out: str = "f.json") -> dict[str, Any]:
        result: dict[str, Any] = json.loads((self.folder / out).read_bytes())
        for name in ("id", "taken", "started", "finished"):
            del result["scan"][name]
        return result

    @property
    def run(self) -> Path:
        (path,) = self.location.iterdir()
        return path

    def shard(self, id: str) -> Path:
        return self.run / "parts" / f"{id}.jsonl.zst"

    @property
    def read(self) -> set[str]:
        """The subscriptions of which something but itself was read."""
        paths = [each.path.lower().split("/") for each in self.box.requests]
        return {path[2] for path in paths if path[1] == "subscriptions" and len(path) > 5}


@contextmanager
def meanwhile(work: Any) -> Iterator[None]:
    """Do something in another thread while a scan runs in this one, and raise what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    thread.join(60)
    assert not raised, raised[0]
