"""`--effective`: asks Azure which rules apply to the network interfaces with a path from outside, and compares."""

import asyncio
from typing import Any, Protocol

from scanner.azure.errors import ReadError
from scanner.collect.collector import Progress
from scanner.evaluate.missing import index_of
from scanner.evaluate.policy import Policy
from scanner.reach.effective_rules import ADMIN, GROUPS, all_differ, in_question
from scanner.reach.topology import topology
from scanner.snapshot import files as snapshot
from scanner.snapshot.files import Store

WIDTH = 16
"""Questions under way at once."""


class Reader(Protocol):
    """What asks; `scanner.azure.clients.Reader` is one."""

    async def effective(self, path: str) -> dict[str, Any]: ...


async def differences(reader: Reader, store: Store, progress: Progress) -> list[str]:
    """Where Azure disagrees. What it refuses, or does not answer, is a gap in the store, and the rest goes on."""
    taken = snapshot.of_store(store)
    taken.load(frozenset())
    found = topology(index_of(taken, Policy()))
    nics, networks = in_question(found)
    turn = asyncio.Semaphore(WIDTH)

    async def ask(path: str) -> dict[str, Any] | None:
        async with turn:
            try:
                return await reader.effective(path)
            except ReadError as error:
                store.gap(path, error.status, error.code, error.action)
                progress.gap(path, error.status, error.code, error.action)
                return None

    groups = await asyncio.gather(*(ask(f"{nic.id}/{GROUPS}") for nic in nics))
    admin = await asyncio.gather(*(ask(f"{network}/{ADMIN}") for network in networks))
    return all_differ(
        found,
        [(nic, answer) for nic, answer in zip(nics, groups, strict=True) if answer is not None],
        [(network, answer) for network, answer in zip(networks, admin, strict=True) if answer is not None],
    )
