"""A scan that remembers: what the history knows, a second live look before anything is told, and what is written."""

from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field

from scanner.config.settings import Settings
from scanner.document import schema as rows
from scanner.evaluate.counts import Counting
from scanner.history import compare as news
from scanner.history.compare import Change, Changes, Item, Key, Looked, News, Sight
from scanner.model.ids import root_of, segments, subscription_of, type_of
from scanner.model.resource import LOST, Gap
from scanner.model.verdict import Severity
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.files import Snapshot, Store

AGAIN = 1000
"""Resources that are looked at a second time in one night; what is beyond stays open until a later night."""
TREND = 60
"""Scans that a trend shows."""


LISTS: tuple[News, ...] = ("reopened", "worse", "better", "fixed", "unseen")
"""What the document lists; what is new stands in its row."""
COUNTS: tuple[News, ...] = ("new", "first-looked", *LISTS)


@dataclass(frozen=True, slots=True)
class Last:
    """The last scan of the same selection: its time, its tool, and the subscriptions that it saw."""

    taken: str
    tool: str
    subscriptions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Past:
    """What the history knows of what a scan looks at."""

    known: Mapping[Key, Item] = field(default_factory=dict)
    before: Callable[[str, str], bool] = lambda resource, word: False
    last: Last | None = None
    latest: Mapping[str, str] = field(default_factory=dict)
    """For a file: when a scan last saw something of a subscription (lower case)."""

    def later(self, resource: str, was: Item | None, taken: str) -> bool:
        """Whether a scan has looked since: what a file holds of the time before changes nothing."""
        known = was.seen if was is not None else self.latest.get(subscription_of(resource), "")
        return bool(self.latest) and known > taken


def since_then(past: Past, taken: str) -> Past:
    """The past as a file of that time sees it."""
    latest: dict[str, str] = {}
    for item in past.known.values():
        subscription = subscription_of(item.resource)
        latest[subscription] = max(item.seen, latest.get(subscription, ""))

    def before(resource: str, word: str) -> bool:
        return latest.get(subscription_of(resource), "") <= taken and past.before(resource, word)

    return Past(past.known, before, past.last, latest)


class Noting(Counting):
    """A writer that says of each row whether it is new and since when, and keeps what the comparison needs."""

    def __init__(self, past: Past, taken: str, first: Callable[[str], str]) -> None:
        super().__init__()
        self.past = past
        self.sight = Sight(past.known, taken, first)
        self.tags: dict[str, dict[str, str]] = {}
        """The chosen tags of each resource that has any, by its id in lower case."""

    def exposure(self, row: rows.ExposureRow) -> None:
        self.sight.exposure(row)
        if row.severity is not None and row.state != "closed":
            key: Key = ("exposure", row.fingerprint)
            self._note(row, key, type_of(row.resource).lower(), is_open=row.state == "open")
        super().exposure(row)

    def finding(self, row: rows.FindingRow) -> None:
        self.sight.finding(row)
        if row.status in ("fail", "waived"):
            self._note(row, ("finding", row.fingerprint), self.sight.first(row.rule), is_open=row.status == "fail")
        super().finding(row)

    def _note(self, row: rows.ExposureRow | rows.FindingRow, key: Key, word: str, *, is_open: bool) -> None:
        was = self.past.known.get(key)
        row.since = was.since if was is not None else self.sight.taken
        row.new = was is None and is_open and self.past.before(row.resource, word)

    def resource(self, id: str, row: rows.ResourceRow) -> None:
        self.sight.resource(id)
        if row.tags:
            self.tags[id.lower()] = row.tags
        super().resource(id, row)

    def passed(self, id: str, rules: list[str]) -> None:
        self.sight.passed(id, rules)
        super().passed(id, rules)

    def not_applicable(self, id: str, rules: dict[str, str]) -> None:
        self.sight.passed(id, rules)
        super().not_applicable(id, rules)


# What a scan looks at


def first_ids(rules: RuleSet) -> Callable[[str], str]:
    """The first id of a rule by any of its ids."""
    first = {id: rule.first_id for rule in rules.rules.values() for id in (rule.id, *rule.aliases)}
    return lambda id: first.get(id, id)


def words(rules: RuleSet) -> frozenset[str]:
    """What the enabled rules look at: their first ids, and the types (lower case) whose endpoints they read."""
    return frozenset({rule.first_id for rule in rules.enabled.values()} | _types(rules))


def _types(rules: RuleSet) -> frozenset[str]:
    return frozenset(
        type.lower()
        for kind in rules.kinds
        if kind.endpoint_function is not None
        and any(rule.lock and rule.id in rules.enabled for rule in rules.rules_of(kind))
        for type in kind.types
    )


def selection(settings: Settings, snapshot: Snapshot) -> str:
    """What was asked for, as one line: scans with the same line are compared, and drawn as one trend."""
    head = snapshot.head
    if settings["from"]:
        parts = ["from", *sorted({scope.subscription.lower() for scope in snapshot.scopes})]
        named = (("resource", head.resources), ("resource-group", head.groups), ("tag", head.tags))
        parts += [each for name, values in named for each in sorted(f"{name}={value.lower()}" for value in values)]
    else:
        above = (f"{name}={each.lower()}" for name in ("management-group", "subscription") for each in settings[name])
        parts = sorted(above) or ["all"]
        parts += [f"tenant={settings['tenant']}"] if settings["tenant"] else []
    for name in ("resource", "resource-group", "tag", "only", "skip"):
        parts += sorted(f"{name}={each.lower()}" for each in settings[name])
    return " ".join(parts)


def scopes(snapshot: Snapshot) -> tuple[str, ...]:
    """What the rules were asked about: subscriptions, or what `--resource`, `--resource-group` and `--tag` left of
    them; what a file of bare resources holds, nobody knows.
    """
    head = snapshot.head
    found = [f"/subscriptions/{each}" for each in sorted(seen(snapshot))]
    if head.resources:
        found = [root_of(each) for each in head.resources]
    elif head.groups:
        found = [f"{scope}/resourcegroups/{group.lower()}" for scope in found for group in head.groups]
    tags = "&".join(sorted(head.tags)).lower()
    query = f"?tag={tags}" if tags else "" if head.live else "?bare"
    return tuple(f"{each}{query}" for each in found)


def seen(snapshot: Snapshot) -> frozenset[str]:
    """The subscriptions (lower case) of which something was seen."""
    return frozenset(scope.subscription.lower() for scope in snapshot.scopes if scope.view != "none")


def looked(snapshot: Snapshot, rules: RuleSet, past: Past) -> Looked:
    """The same for a comparison."""
    return Looked(
        subscriptions=seen(snapshot),
        rules={rule.first_id for rule in rules.enabled.values()},
        types=_types(rules),
        whole=not snapshot.head.part,
        expected=past.last.subscriptions if past.last is not None else frozenset(),
        groups=frozenset(scopes(snapshot)),
    )


def listed_without(snapshot: Snapshot) -> Callable[[str], bool]:
    """For a snapshot, which asks nobody: whether ARM itself listed the type of a resource in a subscription that is
    seen in full, so that one that is not there is gone.
    """
    full = {scope.subscription.lower() for scope in snapshot.scopes if scope.view == "full"}
    listed = snapshot.listed if snapshot.head.live and not snapshot.head.part else frozenset()

    def gone(resource: str) -> bool:
        subscription = subscription_of(resource)
        type = "/".join(type_of(resource).lower().split("/")[:2])
        return subscription in full and f"/subscriptions/{subscription}/providers/{type}" in listed

    return gone


# The second look


@dataclass(frozen=True, slots=True)
class Doubts:
    """What a second look came to: what ARM says is gone, and what could not be looked at; roots, in lower case."""

    gone: frozenset[str] = frozenset()
    unconfirmed: frozenset[str] = frozenset()
    all_unconfirmed: bool = False
    gaps: tuple[Gap, ...] = ()
    """What the second look could not read, and the first could, or did not see."""

    def is_gone(self, resource: str) -> bool:
        return bool({root_of(resource), news.top_of(resource)} & self.gone)

    def is_unconfirmed(self, resource: str) -> bool:
        return self.all_unconfirmed or root_of(resource) in self.unconfirmed


def doubtful(found: Changes, sight: Sight, subscriptions: Set[str]) -> list[str]:
    """The resources to look at again, the worst first: what seems fixed, what is not to be seen, new critical doors."""
    wanted = [each.item for each in found.of("fixed")]
    wanted += [each.item for each in found.paging(Severity.critical) if each.item.kind == "exposure"]
    lost = [*(each.item for each in found.of("unseen")), *(each for each in found.same if not each.sighted)]
    wanted += [each for each in lost if not sight.present(each.resource)]
    roots: dict[str, str] = {}
    for item in sorted(wanted, key=news.worst_first):
        if (root := root_of(item.resource)) and subscription_of(root) in subscriptions:
            parts = [part for part in item.resource.split("/") if part]
            roots.setdefault(root, "/" + "/".join(parts[: len(segments(root))]))
    return list(roots.values())


def settled(
    first: Store,
    second: Store,
    asked: Collection[str],
    gone: frozenset[str],
    networked: Callable[[str], bool] = lambda _: True,
) -> tuple[Store, Doubts]:
    """Both looks in one collection. A bundle that could be read less well than before stays as it was. Where a login
    sees a part of a subscription it can list no networks there: then what is `networked` is not confirmed.
    """
    known, roots = {_place(gap) for gap in _gaps(first)}, {root_of(each) for each in asked}
    failed = tuple(gap for gap in _gaps(second) if _place(gap) not in known)
    part = {subscription_of(url) for url in known if len(segments(url)) == 2}
    blind = {subscription_of(gap.url) for gap in failed if not root_of(gap.url)} & part
    failed = tuple(gap for gap in failed if root_of(gap.url) or subscription_of(gap.url) not in blind)
    if any(root_of(gap.url) not in roots for gap in failed):
        return first, Doubts(gone, all_unconfirmed=True, gaps=failed)
    kept = frozenset(root_of(gap.url) for gap in failed)
    unsure = {root_of(each) for each in asked if subscription_of(each) in blind and networked(each)}
    return first.renewed(second, kept, gone, blind), Doubts(gone, kept | unsure, gaps=failed)


def networked(rules: RuleSet) -> Callable[[str], bool]:
    """Whether the endpoints of a resource are what networks make of them: machines."""
    types = {type.lower() for kind in rules.kinds if kind.path_function is not None for type in kind.types}
    return lambda id: type_of(id).lower() in types


def _gaps(store: Store) -> Iterator[Gap]:
    found = (line.gap for line in store.decoded() if line.gap is not None)
    return (Gap(each.url, each.status, each.code, each.action) for each in found)


def _place(gap: Gap) -> str:
    return gap.url.lower().rstrip("/")


def missing(past: Past, snapshot: Snapshot, doubts: Doubts) -> list[Gap]:
    """What makes a scan incomplete by what is remembered: what a second look could not read, and a subscription that
    the scan before saw and this login is not shown any more.
    """
    there = {scope.subscription.lower() for scope in snapshot.scopes}
    before = past.last.subscriptions if past.last is not None else frozenset()
    lost = [Gap(f"/subscriptions/{each}", 0, LOST) for each in sorted(before - there)]
    return [*lost, *doubts.gaps]


# What is told


def judge(
    known: Mapping[Key, Item], past: Past, sight: Sight, at: Looked, doubts: Doubts, gone: Callable[[str], bool]
) -> Changes:
    """The comparison of a scan with what is known when it is written; what another scan has added since the sight
    was taken, and this one did not see, stays as that one left it.
    """
    mine = {key: item for key, item in known.items() if key in past.known or key in sight.items}
    found = news.compare(mine, sight, at, past.before, gone=gone, unconfirmed=doubts.is_unconfirmed)
    kept = [each for each in found.found if not past.later(each.item.resource, each.was, sight.taken)]
    same = [each for each in found.same if not past.later(each.resource, mine[each.key], sight.taken)]
    return Changes(kept, same, len(found.found) - len(kept))


def changes_row(
    found: Changes, past: Past, sight: Sight, *, confirmed: bool, notes: list[str], trend: list[rows.TrendRow]
) -> rows.ChangesRow:
    """The section `changes` of the findings document."""
    standing = sum(item.counts and item.state == "open" for item in sight.items.values())
    counts = {name.replace("-", "_"): len(found.counted(name)) for name in COUNTS}
    return rows.ChangesRow(
        since=_since(past),
        baseline=past.last is None and not past.known,
        confirmed=confirmed,
        notes=notes,
        counts={**counts, "open": standing},
        trend=trend,
        **{name: [change_row(each) for each in found.counted(name)] for name in LISTS},
    )


def _since(past: Past) -> str | None:
    if past.last is not None:
        return past.last.taken
    return max((item.seen for item in past.known.values()), default=None)


def change_row(change: Change) -> rows.ChangeRow:
    item, was = change.item, change.was
    return rows.ChangeRow(
        kind=item.kind,
        fingerprint=item.fingerprint,
        resource=item.resource,
        endpoint=item.endpoint,
        address=item.address,
        rule=item.rule,
        title=item.title,
        severity=item.severity,
        reach=item.reach,
        authentication=item.authentication,
        since=item.since,
        last_seen=was.seen if was is not None else item.seen,
        why=change.why,
        was=rows.CellRow(severity=was.severity, reach=was.reach, authentication=was.authentication) if was else None,
    )


def remarks(
    past: Past, taken: str, tool: str, *, confirmed: bool, doubts: Doubts, beyond: int, older: int = 0
) -> list[str]:
    """What must be known to read the changes."""
    found: list[str] = []
    last = past.last
    if last is not None and last.taken > taken:
        found.append(f"the clock went back: this scan is of {taken}, the one before of {last.taken}")
    if last is not None and last.tool != tool:
        found.append(f"the scan before was judged by {last.tool}, this one by {tool}")
    if not confirmed:
        found.append("judged from a file: nothing was looked at a second time")
    if older:
        found.append(f"a later scan has seen {older:,} of these otherwise; an older file changes nothing of that")
    if doubts.all_unconfirmed:
        found.append("a second look could not read the networks, so nothing counts as fixed")
    if beyond:
        found.append(f"{beyond:,} more resources would need a second look; they stay open until a later scan")
    return found
