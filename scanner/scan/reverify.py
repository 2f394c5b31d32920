"""Re-verification: a second, live read of resources with new critical findings, fixed findings, or that are gone."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from scanner.collect.plan import Plan, Scope
from scanner.config.settings import Settings
from scanner.errors import UserError
from scanner.history import baseline as baselines
from scanner.history import reverify
from scanner.history.baseline import Baseline, HistoryWriter
from scanner.history.compare import compare
from scanner.history.reverify import Reverification
from scanner.model.ids import bundle_of
from scanner.model.resource import Gap
from scanner.rulebook.loader import RuleSet
from scanner.scan.joined import joined
from scanner.snapshot.bundles import Snapshot
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import Screen
from scanner.terminal.signals import Stop


def wanted(rules: RuleSet, baseline: Baseline, taken: Snapshot, writer: HistoryWriter) -> list[str]:
    """Return the ids of the resources to re-verify, the worst first."""
    at = baselines.coverage(taken, rules, baseline)
    changes = compare(baseline.known, writer.observation, at, baseline.evaluated_before)
    return reverify.resources_to_verify(changes, writer.observation, at.subscriptions)


class Reverifier(Struct, frozen=True):
    """Reads resources a second time, with the settings of the scan."""

    settings: Settings
    rules: RuleSet
    tool: str
    screen: Screen
    stop: Stop
    ends: float | None = None
    """The deadline of the scan, by the monotonic clock."""

    def run(self, store: Store, asked: Sequence[str], rest: Iterable[str]) -> tuple[Store, Reverification]:
        """Return both reads in one collection, and what could not be confirmed.

        One GET of each resource, with what lies below it, and the networks of its subscription. Where Azure cannot be
        reached any more, nothing counts as fixed, what is new is reported, and the scan is incomplete. `rest`:
        resources that are not read again, and so not confirmed.
        """
        with closing(
            Store(Header(taken=store.header.taken, kept=store.header.kept, kept_tags=store.header.kept_tags))
        ) as second:
            self.screen.begin("Verifying", lambda: f"re-verification of {len(asked):,} resources whose state changed")
            try:
                gone = self.stop.run(self._read(asked, store, second))
            except UserError as error:
                text = f"re-verification failed: {error.what}"
                self.screen.write([Line(text, "Note")], "scope", text)
                return store, Reverification(all_unconfirmed=True, gaps=(Gap("/subscriptions", 0, "NoSecondLook"),))
            finally:
                self.screen.finish()
            both, verified = reverify.merged(store, second, asked, gone, reverify.exposed_by_networks(self.rules))
        show_gaps(verified.gaps, self.screen)
        unconfirmed = verified.unconfirmed | {bundle_of(each) for each in rest}
        return both, replace(verified, unconfirmed=unconfirmed)

    async def _read(self, asked: Sequence[str], first: Store, second: Store) -> frozenset[str]:
        """Read these resources into `second`. Return the ids (lower case) that ARM says no longer exist."""
        # The SDKs are imported here, after the first line was printed.
        from scanner.azure.clients import ConnectionOptions, connect
        from scanner.collect.collector import reread

        settings, screen = self.settings, self.screen
        options = ConnectionOptions.of(settings, agent=self.tool, append_record=True, ends=self.ends)
        scope = Scope(resources=tuple(asked), graph=not settings["no-graph"])
        last = partial(joined, self.rules, first, second, graph=scope.graph)
        unasked = self.rules.unasked_reads()
        plan = Plan(self.rules.read(), self.rules.reads(), ranks=self.rules.ranks(), unasked=unasked, joined=last)
        async with connect(options, on_wait=screen.wait, prompt=screen.tell, on_request=screen.note_response) as reader:
            return await reread(reader, scope, plan, second, QuietProgress())


def show_gaps(gaps: Iterable[Gap], screen: Screen) -> None:
    for gap in gaps:
        screen.gap(gap.url, gap.status, gap.code, gap.action)


class QuietProgress:
    """Ignores the progress of a re-verification: the first read has reported account and scopes."""

    def account(self, name: str, kind: str, tenant: str, others: Sequence[str]) -> None: ...
    def scope(self, subscription: str, name: str, view: str) -> None: ...
    def counts(self, done: int, to_come: int, resources: int, failed: int) -> None: ...
    def reading(self, what: str, done: int, total: int) -> None: ...
    def gap(self, url: str, status: int, code: str, action: str) -> None: ...
