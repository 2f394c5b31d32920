"""`--effective`: reads from Azure which rules apply to network interfaces with a path from outside, and compares."""

import asyncio
from typing import TYPE_CHECKING, Any

from scanner.azure.errors import ReadError
from scanner.collect.bodies import quoted_path
from scanner.collect.plan import Progress
from scanner.evaluate.missing import index_of
from scanner.evaluate.policy import Policy
from scanner.reach.paths.effective_rules import ADMIN, GROUPS, all_differences, reachable_interfaces
from scanner.reach.paths.topology import topology
from scanner.snapshot.bundles import of_store
from scanner.snapshot.store import Store

if TYPE_CHECKING:
    from scanner.azure.reader import AzureReader

WIDTH = 16
"""The number of requests that are under way at once."""


async def differences(reader: "AzureReader", store: Store, progress: Progress) -> list[str]:
    """Return a sentence for each place where Azure disagrees. A request that fails is a gap in the store."""
    taken = of_store(store)
    taken.load(frozenset())
    result = topology(index_of(taken, Policy()))
    nics, networks = reachable_interfaces(result)
    slots = asyncio.Semaphore(WIDTH)

    async def read(path: str) -> dict[str, Any] | None:
        async with slots:
            try:
                return await reader.effective(quoted_path(path))
            except ReadError as error:
                store.gap(path, error.status, error.code, error.action)
                progress.gap(path, error.status, error.code, error.action)
                return None

    groups = await asyncio.gather(*(read(f"{nic.id}/{GROUPS}") for nic in nics))
    admin = await asyncio.gather(*(read(f"{network}/{ADMIN}") for network in networks))
    return all_differences(
        result,
        [(nic, answer) for nic, answer in zip(nics, groups, strict=True) if answer is not None],
        [(network, answer) for network, answer in zip(networks, admin, strict=True) if answer is not None],
    )
