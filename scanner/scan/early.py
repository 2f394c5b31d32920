"""Early sight: the worst endpoints that are open by what a scan has read so far. Nothing of it is in any file.

What is proven to be open stays so, whatever else is read: a read that is missing leaves a lock inconclusive, never
open. So all of it is evaluated as it is, once, and only what is proven is shown.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from msgspec.structs import replace

from scanner.document.schema import ExposureRow, FindingRow
from scanner.document.writer import Writer
from scanner.evaluate.policy import Policy
from scanner.evaluate.run import Evaluation
from scanner.model.ids import name_of
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import of_store
from scanner.snapshot.format import Header, SnapshotLine, decoder
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.text import many

SHOWN = 10
"""How many endpoints are named."""


class _Open(Writer):
    """Keeps the open endpoints of the highest severity."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[ExposureRow] = []

    def exposure(self, row: ExposureRow) -> None:
        if row.state == "open" and row.severity == "critical":
            self.rows.append(row)

    def finding(self, row: FindingRow) -> None:
        """Leave out a finding."""


class EarlySight:
    """Shows what is open already, on a terminal."""

    def __init__(self, rules: RuleSet, policy: Policy, store: Store, screen: Screen) -> None:
        self._rules, self._policy, self._store, self._screen = rules, policy, store, screen

    async def show(self, lines: list[SnapshotLine]) -> None:
        """Show what is open by the lines of the store, and by those of bundles that are not read in whole. It raises
        nothing: the evaluation that counts names what is wrong.
        """
        known, header = list(self._store.lines()), self._store.header
        rows: list[ExposureRow] = []
        with suppress(Exception):  # a rule of somebody's own may raise anything
            rows = await asyncio.to_thread(open_endpoints, self._rules, self._policy, header, known, lines)
        if rows:
            self._screen.write(list(_shown(rows)))


def open_endpoints(
    rules: RuleSet, policy: Policy, header: Header, known: Iterable[bytes], lines: Iterable[SnapshotLine]
) -> list[ExposureRow]:
    """Return the critical endpoints that are proven to be open. `known`: encoded lines; `lines`: more of them."""
    store = Store(header)
    for raw in known:
        store.add(decoder.decode(raw))
    for line in lines:
        store.add(line)
    locks = {key: rule for key, rule in rules.enabled.items() if rule.lock}
    writer = _Open()
    try:
        Evaluation(of_store(store), replace(rules, enabled=locks), policy).run(writer)
    finally:
        writer.close()
        store.close()
    return writer.rows


def _shown(rows: Sequence[ExposureRow]) -> Iterable[Line]:
    yield Line(f"{many(len(rows), 'critical endpoint')} so far; the scan goes on", "Open", whole=True)
    for row in rows[:SHOWN]:
        yield Line(f"{name_of(row.resource)} {row.endpoint}: {row.title}", "critical", tone="critical")
    if len(rows) > SHOWN:
        yield Line(f"and {len(rows) - SHOWN:,} more")
