"""Nights of an invented estate: what stands open in each, drawn from its number, and what a history must make of it."""

import random
from collections.abc import Callable, Mapping

from scanner.history.compare import compare
from scanner.history.items import Changes, Item, ItemKey, ScanRecord, top_of
from scanner.history.observation import Observation, ScanCoverage
from scanner.history.store import History
from scanner.model.ids import subscription_of

SUB, OTHER = "11111111-aaaa", "22222222-bbbb"
SEVERITIES = ("critical", "high", "medium", "low")
Comparison = Callable[[Mapping[ItemKey, Item], Callable[[str, str], bool], ScanRecord | None], Changes]


def taken(scheduled_run: int) -> str:
    return f"2026-{1 + scheduled_run // 28:02}-{1 + scheduled_run % 28:02}T02:00:00Z"


def item(
    position: int, scheduled_run: int = 0, *, subscription: str = SUB, severity: str = "high", **more: str
) -> Item:
    """One that stands open: an exposure for even places, a finding for odd ones."""
    group = f"/subscriptions/{subscription}/resourceGroups/rg{position % 40}"
    words = {"endpoint": "blob", "reach": "internet", "authentication": "shared"}
    if position % 2:
        words = {"rule": "storage-plain-http", "category": "transport"}
    return Item(
        kind="finding" if position % 2 else "exposure",
        fingerprint=f"{position:08x}{subscription[:8]}",
        resource=f"{group}/providers/Microsoft.Storage/storageAccounts/st{position:05}",
        title="Storage accepts plain HTTP" if position % 2 else "Anybody with a key can read all files",
        severity=severity,
        since=taken(scheduled_run),
        seen=taken(scheduled_run),
        **{**words, **more},  # type: ignore[arg-type]
    )


def standing(scheduled_run: int, size: int = 200, change: float = 0.3, *, subscription: str = SUB) -> list[Item]:
    """What stands open in a night: each item may be closed for some nights, or have another severity."""
    items = []
    for position in range(size):
        turn = random.Random(position).randrange(10_000)
        phase = int((scheduled_run + turn) * change)
        if phase % 4 != 3:
            items.append(
                item(position, scheduled_run, subscription=subscription, severity=SEVERITIES[(turn + phase) % 4])
            )
    return items


def comparison_of(scheduled_run: int, items: list[Item], *, closed: bool = True) -> Comparison:
    """A scan that saw these and, where `closed`, read all that is known, so that what it did not see is fixed."""

    def evaluated(
        known: Mapping[ItemKey, Item], before: Callable[[str, str], bool], last: ScanRecord | None
    ) -> Changes:
        observation = Observation(known, taken(scheduled_run))
        observation.items = {each.key: each for each in items}
        if closed:
            observation._present = {top_of(each.resource) for each in known.values()}
        subscriptions = {subscription_of(each.resource) for each in items} or {SUB}
        coverage = ScanCoverage(subscriptions, {"storage-plain-http"}, {"microsoft.storage/storageaccounts"})
        return compare(known, observation, coverage, before)

    return evaluated


def scan(scheduled_run: int, *subscriptions: str, selection: str = "all", id: str = "", count: int = 0) -> ScanRecord:
    of = subscriptions or (SUB,)
    return ScanRecord(
        id=id or f"scan{scheduled_run:012}",
        taken=taken(scheduled_run),
        started=taken(scheduled_run),
        finished=taken(scheduled_run),
        tool="twolocks 0.1.0",
        selection=selection,
        subscriptions=of,
        scopes=tuple(f"/subscriptions/{each}" for each in of),
        rules_and_types=frozenset({"storage-plain-http", "microsoft.storage/storageaccounts"}),
        standing={"high": count},
    )


def scheduled_run(history: History, number: int, size: int = 200) -> Changes:
    """Record one night."""
    items = standing(number, size)
    return history.record(scan(number, count=len(items)), comparison_of(number, items))


def after(known: Mapping[ItemKey, Item], changes: Changes) -> dict[ItemKey, Item]:
    """What is remembered after a scan, by the book."""
    return {
        **known,
        **{each.item.key: each.item for each in changes.changed},
        **{each.key: each for each in changes.unchanged},
    }


def expected(runs: int, size: int = 200) -> tuple[dict[ItemKey, Item], Changes]:
    """What is known after that many nights, and what changed in the last of them."""
    known: dict[ItemKey, Item] = {}
    changes = Changes()
    for number in range(1, runs + 1):
        started = number > 1
        changes = comparison_of(number, standing(number, size))(known, lambda *_, started=started: started, None)
        known = after(known, changes)
    return known, changes
