"""The order of reads: by what they can decide, below all resources of a subscription, whatever their types."""

from typing import Any

import pytest
from msgspec.structs import replace

from scanner.collect import collector
from scanner.model.ids import root_of
from scanner.model.resource_type import Read
from scanner.rulebook import loader
from scanner.rulebook.ranks import rank_of
from scanner.sandbox.server import Sandbox
from scanner.sandbox.throttle import ThrottleLimits
from scanner.snapshot.format import SnapshotLine, url_of
from tests.azure.requests import (
    BLOB,
    CONFIG,
    CONTAINERS,
    PLAN,
    S1,
    SLOT_CONFIG,
    SUBSCRIPTIONS,
    account,
    child,
    resource,
    scanned,
)

ACCOUNTS = [each for number in range(60) for each in account(f"st{number}")]
SITES = [resource("Microsoft.Web/sites", f"app{number}", "rg-b") for number in range(40)]
ESTATE = [*SITES, *(child(each, "config/web", ftpsState="Disabled") for each in SITES), *ACCOUNTS]
RANKS = {CONTAINERS: 0, BLOB: 2, CONFIG: 3, SLOT_CONFIG: 3}


def paths_of(ranks: dict[Read, int], limits: ThrottleLimits | None = None) -> tuple[list[str], dict[str, Any]]:
    """What was read below resources, in order, and what could not be read."""
    box = Sandbox(ESTATE, SUBSCRIPTIONS[:1], limits=limits)
    result = scanned(box, plan=replace(PLAN, ranks=ranks), fast=False)
    assert result.views == {S1: "full"}
    below = [each.path for each in box.requests if each.path.count("/") > 8]
    return below, result.gaps


def test_reads_of_a_smaller_rank_are_made_before_all_others() -> None:
    paths, gaps = paths_of(RANKS, ThrottleLimits(reads=40, reads_a_second=400.0))
    assert gaps == {}
    names = [name for name in (path.rsplit("/", 1)[-1] for path in paths) if name in ("containers", "default", "web")]
    assert names.count("containers") == 60
    last = len(names) - 1 - names[::-1].index("containers")
    assert last < 60 + 5, "a read of a larger rank goes only while none of a smaller one waits"
    assert names[last:].count("default") + names[last:].count("web") >= 95


def test_without_ranks_all_is_read_too() -> None:
    ranked, _ = paths_of(RANKS)
    plain, _ = paths_of({})
    assert sorted(ranked) == sorted(plain)


@pytest.mark.parametrize(
    ("rule", "rank"),
    [
        ("storage-anonymous-blob-access", 0),
        ("storage-shared-key-enabled", 1),
        ("app-no-platform-sign-in", 2),
    ],
)
def test_a_read_is_worth_the_highest_severity_that_its_rule_can_give(rule: str, rank: int) -> None:
    (one,) = {rank_of(each) for each in loader.load(packages=False).rules.values() if each.id == rule}
    assert one == rank


def test_containers_are_read_before_diagnostic_settings() -> None:
    ranks = {read.type: rank for read, rank in loader.load(packages=False).ranks().items()}
    assert ranks["Microsoft.Storage/storageAccounts/blobServices/containers"] == 0
    assert ranks["Microsoft.Insights/diagnosticSettings"] > 1
    assert ranks["Microsoft.Storage/storageAccounts/fileServices"] > 1


# What can be shown early


def early_lines(monkeypatch: pytest.MonkeyPatch, seconds: float, ranks: dict[Read, int]) -> list[list[SnapshotLine]]:
    """The lines of bundles that were not read in whole, each time when they could be shown."""
    monkeypatch.setattr(collector, "EARLY_SECONDS", seconds)
    shown: list[list[SnapshotLine]] = []

    async def show(lines: list[SnapshotLine]) -> None:
        shown.append(lines)

    box = Sandbox(ESTATE, SUBSCRIPTIONS[:1], limits=ThrottleLimits(reads=40, reads_a_second=400.0))
    assert scanned(box, plan=replace(PLAN, ranks=ranks, early=show), fast=False).gaps == {}
    return shown


def test_once_all_reads_of_the_first_rank_have_ended_what_they_gave_can_be_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (lines,) = early_lines(monkeypatch, 0, RANKS)
    read = [line.read.url.lower() for line in lines if line.read is not None]
    assert sum(url.endswith("/containers") for url in read) >= 50, "but for what is read in whole already"
    assert len({root_of(url_of(line)) for line in lines if line.resource is not None}) >= 50


def test_a_fast_scan_or_one_with_nothing_left_shows_nothing_early(monkeypatch: pytest.MonkeyPatch) -> None:
    assert early_lines(monkeypatch, 3600, RANKS) == []
    assert early_lines(monkeypatch, 0, {}) == []
