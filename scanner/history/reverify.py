"""The re-verification of a live scan: the resources to read again before changes are reported, and what it showed."""

from collections.abc import Callable, Collection, Iterator, Set

from msgspec import Struct

from scanner.history.items import ChangeKind, Changes, first_segments, top_of, worst_first
from scanner.history.observation import Observation
from scanner.model.ids import SUBSCRIPTION, bundle_of, is_subscription, root_of, segments, subscription_of, type_of
from scanner.model.resource import LOST, Gap
from scanner.model.severity import Severity
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import Snapshot
from scanner.snapshot.store import Store

LIMIT = 1000
"""Resources that one scan reads again. What is beyond stays open until a later scan."""


class Reverification(Struct, frozen=True):
    """What a re-verification showed."""

    gone: frozenset[str] = frozenset()
    """Resources that ARM says do not exist."""
    unconfirmed: frozenset[str] = frozenset()
    """Resources that could not be read again. Both hold the ids of bundles in lower case."""
    unread: frozenset[str] = frozenset()
    """Subscriptions (lower case) of which a read failed that holds what is set on them and in them, such as locks:
    nothing there is confirmed.
    """
    all_unconfirmed: bool = False
    gaps: tuple[Gap, ...] = ()
    """Reads that failed now, and did not fail, or were not made, before."""

    def is_gone(self, resource: str) -> bool:
        """Return whether ARM says that a resource does not exist."""
        return bool({root_of(resource), top_of(resource)} & self.gone)

    def is_unconfirmed(self, resource: str) -> bool:
        """Return whether a resource could not be read again."""
        is_unread = subscription_of(resource) in self.unread
        return self.all_unconfirmed or is_unread or bundle_of(resource) in self.unconfirmed


def resources_to_verify(changes: Changes, observation: Observation, subscriptions: Set[str]) -> list[str]:
    """Return the resources to read again, the most severe first.

    They are those that seem fixed, those that are not visible, and those with a new, reopened or raised exposure of
    critical severity, in the subscriptions (lower case) that the scan saw. A subscription is one of them.
    """
    wanted = [each.item for each in changes.of(ChangeKind.fixed)]
    wanted += [each.item for each in changes.alerts(Severity.critical) if each.item.kind == "exposure"]
    hidden = [each.item for each in changes.of(ChangeKind.no_longer_visible)]
    hidden += [each for each in changes.unchanged if not each.visible]
    wanted += [each for each in hidden if not observation.is_present(each.resource)]
    roots: dict[str, str] = {}
    for item in sorted(wanted, key=worst_first):
        root = bundle_of(item.resource)
        if root and subscription_of(root) in subscriptions:
            roots.setdefault(root, first_segments(item.resource, root))
    return list(roots.values())


def merged(
    first: Store,
    second: Store,
    asked: Collection[str],
    gone: frozenset[str],
    on_network: Callable[[str], bool] = lambda _: True,
) -> tuple[Store, Reverification]:
    """Return one collection of both readings, and what the second one showed.

    A bundle that could be read less well than before stays as it was. A login with partial visibility of a
    subscription can list no networks there: then no resource that is `on_network` is confirmed.
    """
    known, roots = {_path(gap) for gap in _gaps(first)}, {bundle_of(each) for each in asked}
    failed = tuple(gap for gap in _gaps(second) if _path(gap) not in known)
    partial = {subscription_of(url) for url in known if len(segments(url)) == 2}
    no_networks = {subscription_of(gap.url) for gap in failed if not _root(gap)} & partial
    failed = tuple(gap for gap in failed if _root(gap) or subscription_of(gap.url) not in no_networks)
    unread = frozenset(subscription_of(gap.url) for gap in failed if is_subscription(_root(gap)))
    if any(_root(gap) not in roots and not is_subscription(_root(gap)) for gap in failed):
        return first, Reverification(gone, all_unconfirmed=True, gaps=failed)
    kept = frozenset(map(_root, failed))
    unsure = {root_of(each) for each in asked if subscription_of(each) in no_networks and on_network(each)}
    return first.merged_with(second, kept, gone, no_networks), Reverification(gone, kept | unsure, unread, gaps=failed)


def exposed_by_networks(rules: RuleSet) -> Callable[[str], bool]:
    """Return whether the endpoints of a resource follow from networks, as those of virtual machines do."""
    types = {type.lower() for kind in rules.kinds if kind.path_function is not None for type in kind.types}
    return lambda id: type_of(id).lower() in types


def history_gaps(previous_subscriptions: Set[str], snapshot: Snapshot, verified: Reverification) -> list[Gap]:
    """Return the gaps that the history adds to a scan.

    They are the reads of the re-verification that failed, and the subscriptions of the scan before that this login is
    not shown any more.
    """
    there = {scope.subscription.lower() for scope in snapshot.scopes}
    missing = [Gap(f"/subscriptions/{each}", 0, LOST) for each in sorted(previous_subscriptions - there)]
    return [*missing, *verified.gaps]


def _gaps(store: Store) -> Iterator[Gap]:
    gap_lines = (line.gap for line in store.decoded() if line.gap is not None)
    return (Gap(each.url, each.status, each.code, each.action) for each in gap_lines)


def _root(gap: Gap) -> str:
    """Return the id (lower case) of the bundle that a failed read belongs to; "" for a list."""
    is_of_subscription = type_of(gap.url).lower() == SUBSCRIPTION.lower()
    return f"/subscriptions/{subscription_of(gap.url)}" if is_of_subscription else root_of(gap.url)


def _path(gap: Gap) -> str:
    return gap.url.lower().rstrip("/")
