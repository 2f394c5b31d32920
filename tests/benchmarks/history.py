"""A hundred scans of 10,000 findings: python -m tests.benchmarks.history sqlite|postgresql [FINDINGS [NIGHTS]].

Of the open findings 1 % change each scan: a third is raised or lowered, a third is fixed, a third is new or reopened.
The estate has 20 subscriptions and 300 words (rules and types). Prints figures as JSON.
"""

import itertools
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from scanner.document.schema import exposure_fingerprint, finding_fingerprint
from scanner.history.compare import compare
from scanner.history.items import Changes, Item, ItemKey, ScanRecord
from scanner.history.observation import Observation, ScanCoverage
from scanner.history.queries import diff, prune, show, upgrade
from scanner.history.store import History
from tests.history.server import Server, serving

SUBSCRIPTIONS = tuple(f"5f1c0f9a-{position:04}-4c1e-9a52-0d2f4b7c1a01" for position in range(20))
RULES = frozenset(f"storage-setting-{position:03}" for position in range(260))
TYPES = frozenset(
    {"microsoft.storage/storageaccounts", *(f"microsoft.sql/servers{position}" for position in range(39))}
)
SEVERITIES = ("critical", "high", "medium", "low")
CHANGE = 0.01


def taken(scheduled_run: int) -> str:
    return f"{2026 + scheduled_run // 336}-{1 + scheduled_run // 28 % 12:02}-{1 + scheduled_run % 28:02}T02:00:00Z"


def item(position: int) -> Item:
    of = SUBSCRIPTIONS[position % len(SUBSCRIPTIONS)]
    name = f"stjournal{position // 3:06}"
    group = f"/subscriptions/{of}/resourceGroups/rg-innsyn-{position % 200:03}"
    resource = f"{group}/providers/Microsoft.Storage/storageAccounts/{name}"
    if position % 3:
        rule = f"storage-setting-{position % 260:03}"
        return Item(
            kind="finding",
            fingerprint=finding_fingerprint(rule, f"{resource}/{position}"),
            resource=resource,
            rule=rule,
            category="transport",
            title="Storage accepts plain HTTP from anybody who asks",
            severity=SEVERITIES[position % 4],
        )
    return Item(
        kind="exposure",
        fingerprint=exposure_fingerprint(resource, "blob", ""),
        resource=resource,
        endpoint="blob",
        title="Anybody who has a key can read and write every file",
        severity=SEVERITIES[position % 4],
        reach="internet",
        authentication="shared",
    )


class Estate:
    """Return the open findings: `size` items, of which 1 % change each scan."""

    def __init__(self, size: int) -> None:
        self.chance = random.Random(4)
        self.open = {each.key: each for each in map(item, range(size))}
        self.closed: list[Item] = []
        self.made = size
        self.tops = frozenset(each.resource.lower() for each in self.open.values())

    def pass_night(self) -> None:
        some = self.chance.sample(sorted(self.open), round(len(self.open) * CHANGE))
        third = len(some) // 3
        for key in some[:third]:
            was = self.open[key]
            self.open[key] = msgspec.structs.replace(was, severity=self.chance.choice(SEVERITIES))
        for key in some[third : 2 * third]:
            self.closed.append(self.open.pop(key))
        for position in range(third):
            if position % 4 == 0 and self.closed:
                back = self.closed.pop(self.chance.randrange(len(self.closed)))
            else:
                back = item(self.made)
                self.made += 1
            self.open[back.key] = back

    def comparison_of(
        self, scheduled_run: int
    ) -> Callable[[Mapping[ItemKey, Item], Callable[[str, str], bool], ScanRecord | None], Changes]:
        def evaluated(
            known: Mapping[ItemKey, Item], before: Callable[[str, str], bool], last: ScanRecord | None
        ) -> Changes:
            observation = Observation(known, taken(scheduled_run))
            observation.items = {
                key: msgspec.structs.replace(each, since=taken(scheduled_run), seen=taken(scheduled_run))
                for key, each in self.open.items()
            }
            for each in known.values():
                observation.resource(each.resource)
            return compare(known, observation, ScanCoverage(set(SUBSCRIPTIONS), RULES, TYPES), before)

        return evaluated


def scan(scheduled_run: int, count: int) -> ScanRecord:
    return ScanRecord(
        id=f"{scheduled_run:016x}",
        taken=taken(scheduled_run),
        started=taken(scheduled_run),
        finished=taken(scheduled_run),
        tool="twolocks 0.1.0",
        selection="all",
        subscriptions=SUBSCRIPTIONS,
        scopes=tuple(f"/subscriptions/{each}" for each in SUBSCRIPTIONS),
        rules_and_types=RULES | TYPES,
        standing={"high": count},
    )


@contextmanager
def new_history(kind: str) -> Iterator[tuple[str, Callable[[], int]]]:
    """The URL of a new history, and what says how many bytes it takes."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "history.db"
            yield str(file), lambda: sum(each.stat().st_size for each in Path(folder).iterdir())
        return
    with serving() as server:
        name = server.database()
        upgrade(server.url(name))
        yield server.url(name), lambda: _size(server, name)


def _size(server: Server, name: str) -> int:
    return int(server.run(f"SELECT pg_database_size('{name}')")[0][0])


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def asked(url: str, work: Callable[[History], Any]) -> float:
    """Seconds of a question, with the opening of the history; the median of five."""

    def once() -> None:
        with History.open(url) as history:
            work(history)

    return round(statistics.median(timed(once) for _ in range(5)), 3)


def measure(url: str, size_of: Callable[[], int], size: int, runs: int) -> dict[str, Any]:
    estate = Estate(size)
    spans: list[float] = []
    sizes = [size_of() if "://" in url else 0]
    for scheduled_run in range(1, runs + 1):

        def once(scheduled_run: int = scheduled_run) -> None:
            with History.open(url) as history:
                history.record(scan(scheduled_run, len(estate.open)), estate.comparison_of(scheduled_run))

        spans.append(timed(once))
        sizes.append(size_of())
        estate.pass_night()
    growth = [after - before for before, after in itertools.pairwise(sizes[1:])]
    return {
        "findings": size,
        "runs": runs,
        "first_night_s": round(spans[0], 2),
        "night_s": round(statistics.median(spans[1:]), 2),
        "worst_night_s": round(max(spans[1:]), 2),
        "first_night_mb": round((sizes[1] - sizes[0]) / 1e6, 2),
        "mb": round((sizes[-1] - sizes[0]) / 1e6, 2),
        "growth_mb": round(sum(growth) / len(growth) / 1e6, 3),
        "worst_growth_mb": round(max(growth) / 1e6, 2),
        "diff_last_s": asked(url, lambda history: diff(history, str(runs - 1), str(runs))),
        "diff_all_s": asked(url, lambda history: diff(history, "1", str(runs))),
        "show_s": asked(url, show),
        "trend_s": asked(url, lambda history: history.trend("all")),
        "prune_s": round(timed(lambda: prune(History.open(url), taken(runs // 2)[:10])), 2),
    }


def main() -> None:
    kind = sys.argv[1]
    size, runs = (int(word) for word in (*sys.argv[2:], *("10000", "100")[len(sys.argv) - 2 :]))
    with new_history(kind) as (url, size_of):
        print(json.dumps(measure(url, size_of, size, runs)))


if __name__ == "__main__":
    main()
