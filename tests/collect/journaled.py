"""Collections that keep a journal, and go on from a part of it."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from scanner.azure.clients import ConnectionOptions, connect
from scanner.collect.collector import Plan, Scope, collect
from scanner.sandbox.server import Sandbox
from scanner.snapshot import changes
from scanner.snapshot.answer_shape import AnswerShape
from scanner.snapshot.format import Header
from scanner.snapshot.journal import Journal
from scanner.snapshot.journal_lines import JournalHeader
from scanner.snapshot.store import Store
from tests.azure.requests import PLAN, RecordedProgress, environment

TAKEN = "2026-11-25T02:00:00Z"
OVERHEAD = ("/oauth2/", "/metadata/", "/.well-known/", "/common/")


@dataclass
class Collected:
    """The lines of a collection, and the reads that it made: method, URL and body of each, with the status."""

    lines: list[bytes]
    reads: list[tuple[str, str, str, int]]
    journal: Journal


def reads_of(box: Sandbox) -> list[tuple[str, str, str, int]]:
    return [
        (each.method, each.url, each.body, each.status)
        for each in box.requests
        if not any(segment in each.url.lower() for segment in OVERHEAD)
    ]


async def free(port: int) -> None:
    """Wait until no connection of another test has the port of a sandbox that starts again."""
    for _ in range(100 if port else 0):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            await asyncio.sleep(0.1)
        else:
            return


def journaled(
    box: Sandbox,
    path: Path,
    *,
    resumed: bool = False,
    plan: Plan = PLAN,
    kept: Mapping[str, list[str]] | None = None,
    scope: Scope | None = None,
) -> Collected:
    """Collect from a sandbox with a new journal, or from that of an interrupted collection."""
    store = Store(Header(taken=TAKEN, kept=dict(kept) if kept is not None else None))
    shape = AnswerShape(store.kept, plan.reads)
    header = JournalHeader(taken=TAKEN, tool="twolocks 0.1.0", kept=store.header.kept)
    made: Any = Journal.resume if resumed else Journal.create
    journal: Journal = made(path, header, shape)
    scope = scope or Scope()

    async def main() -> list[tuple[str, str, str, int]]:
        box.requests.clear()
        await free(box.port)
        async with box:
            with environment(box):
                way = ConnectionOptions(arm_endpoint=box.url, auth="environment", limits=False)
                async with connect(way, journal=journal) as reader:
                    if resumed:
                        await freshened(reader, journal, scope.graph)
                    await collect(reader, scope, replace(plan, resumed=resumed), store, RecordedProgress())
        return reads_of(box)

    try:
        reads = asyncio.run(main())
    finally:
        journal.close(delete=False)
    return Collected(list(store.lines()), reads, journal)


async def freshened(reader: Any, journal: Journal, graph: bool) -> None:
    """Make the reads again that changes concern, as a scan does."""
    from scanner.model.ids import subscription_of

    subscriptions = sorted({subscription_of(kept.path) for _, kept in journal.kept()} - {""})
    if not graph:
        journal.relisted = True
    elif subscriptions:
        changes.forget_changed(journal, await reader.query(changes.query(TAKEN), subscriptions))


def cut(path: Path, lines: int, extra: bytes = b"") -> Path:
    """Return a copy of a journal after its first lines, and some bytes of the next one."""
    made = path.with_name(f"{lines}-{path.name}")
    made.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]) + extra)
    return made
