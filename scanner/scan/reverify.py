"""Re-verification: a second, live read of the resources that seem new and critical, fixed, or gone."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from scanner.collect.plan import Plan, Scope
from scanner.config.settings import Settings
from scanner.errors import UserError
from scanner.history import baseline
from scanner.history.baseline import Doubts, Noting, Past
from scanner.history.compare import compare
from scanner.model.ids import root_of
from scanner.model.resource import Gap
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.files import Head, Snapshot, Store
from scanner.terminal.screen import Line, Screen
from scanner.terminal.signals import Stop


def wanted(rules: RuleSet, past: Past, taken: Snapshot, noting: Noting) -> list[str]:
    """Return the ids of the resources to re-verify, the worst first."""
    looked = baseline.looked(taken, rules, past)
    found = compare(past.known, noting.sight, looked, past.before)
    return baseline.doubtful(found, noting.sight, looked.subscriptions)


@dataclass(frozen=True, slots=True)
class Reverification:
    """Reads resources a second time, as the settings say."""

    settings: Settings
    rules: RuleSet
    tool: str
    screen: Screen
    stop: Stop

    def run(self, store: Store, asked: Sequence[str], rest: Iterable[str]) -> tuple[Store, Doubts]:
        """Return both reads in one collection, and what could not be confirmed.

        One GET of each resource, with what lies below it, and the networks of its subscription. Where Azure cannot be
        reached any more, nothing counts as fixed, what is new is reported, and the scan is incomplete. `rest`:
        resources that are not read again, and so not confirmed.
        """
        with closing(Store(Head(taken=store.head.taken))) as second:
            self.screen.begin("Again", lambda: f"a second look at {len(asked):,} resources whose state changed")
            try:
                gone = self.stop.run(self._read(asked, second))
            except UserError as error:
                said = f"no second look: {error.what}"
                self.screen.write([Line(said, "Note")], "scope", said)
                return store, Doubts(all_unconfirmed=True, gaps=(Gap("/subscriptions", 0, "NoSecondLook"),))
            finally:
                self.screen.finish()
            both, doubts = baseline.settled(store, second, asked, gone, baseline.networked(self.rules))
        show_gaps(doubts.gaps, self.screen)
        unconfirmed = doubts.unconfirmed | {root_of(each) for each in rest}
        return both, replace(doubts, unconfirmed=unconfirmed)

    async def _read(self, asked: Sequence[str], second: Store) -> frozenset[str]:
        """Read these resources into `second`. Return the ids (lower case) that ARM says no longer exist."""
        # The SDKs are imported here, after the first line was printed.
        from scanner.azure.clients import Way, connect
        from scanner.collect.collector import again

        settings, screen = self.settings, self.screen
        way = Way.of(settings, agent=self.tool, more=True)
        scope = Scope(resources=tuple(asked), graph=not settings["no-graph"])
        plan = Plan(self.rules.read(), self.rules.reads())
        async with connect(way, wait=screen.wait, tell=screen.tell, heard=screen.heard) as reader:
            return await again(reader, scope, plan, second, QuietProgress())


def show_gaps(gaps: Iterable[Gap], screen: Screen) -> None:
    for gap in gaps:
        screen.gap(gap.url, gap.status, gap.code, gap.action)


class QuietProgress:
    """Ignores the progress of a re-verification: the first read has reported account and scopes."""

    def account(self, name: str, kind: str, tenant: str, others: Sequence[str]) -> None: ...
    def scope(self, subscription: str, name: str, view: str) -> None: ...
    def counts(self, done: int, to_come: int, resources: int, failed: int) -> None: ...
    def reading(self, what: str, done: int, total: int, of: str) -> None: ...
    def gap(self, url: str, status: int, code: str, action: str) -> None: ...
