"""What the history knows when a scan begins, what the scan evaluates, and the section `changes` of its document."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from scanner.config.settings import Settings
from scanner.config.tenants import TenantSettings
from scanner.document import schema as rows
from scanner.document.writer import RowsFragment, Writer
from scanner.history.compare import EvaluatedBefore, compare
from scanner.history.first_ids import first_ids
from scanner.history.items import WITHOUT, Change, ChangeKind, Changes, Item, ItemKey, ScanRecord
from scanner.history.observation import FirstId, Observation, ObservationFragment, ScanCoverage
from scanner.history.reverify import Reverification
from scanner.model.ids import group_of, root_of, subscription_of, type_of
from scanner.model.message import Message, Number, message_text
from scanner.rulebook.loader import RuleSet
from scanner.snapshot.bundles import Snapshot

Row = TypeVar("Row", rows.ExposureRow, rows.FindingRow)

TREND = 60
"""Scans that a trend shows."""
LISTED = (
    ChangeKind.reopened,
    ChangeKind.raised,
    ChangeKind.lowered,
    ChangeKind.fixed,
    ChangeKind.no_longer_visible,
)
"""The kinds that the document lists. A new item is marked in its own row instead."""
COUNTS = (ChangeKind.new, ChangeKind.first_evaluated, *LISTED)
"""The kinds that the document counts."""


class Baseline(Struct, frozen=True):
    """What the history knows of the subscriptions that a scan evaluates, and the last scan of the same selection."""

    known: Mapping[ItemKey, Item] = field(default_factory=dict)
    evaluated_before: EvaluatedBefore = lambda resource, rule_or_type: False
    last: ScanRecord | None = None
    last_seen: Mapping[str, str] = field(default_factory=dict)
    """For a scan of a snapshot file: the time of the last scan that saw an item, by subscription (lower case)."""

    @property
    def previous_subscriptions(self) -> frozenset[str]:
        """The subscriptions of the last scan of the same selection."""
        return frozenset(self.last.subscriptions) if self.last is not None else frozenset()

    @property
    def since(self) -> str | None:
        """The time that changes are counted from; None where nothing is known."""
        if self.last is not None:
            return self.last.taken
        return max((item.seen for item in self.known.values()), default=None)

    def as_of(self, taken: str) -> "Baseline":
        """Return the baseline for a snapshot file that was taken at a time, which may be older than the last scan."""
        last_seen: dict[str, str] = {}
        for item in self.known.values():
            subscription = subscription_of(item.resource)
            last_seen[subscription] = max(item.seen, last_seen.get(subscription, ""))

        def evaluated_before(resource: str, rule_or_type: str) -> bool:
            newest = last_seen.get(subscription_of(resource), "")
            return newest <= taken and self.evaluated_before(resource, rule_or_type)

        return Baseline(self.known, evaluated_before, self.last, last_seen)

    def is_superseded(self, resource: str, was: Item | None, taken: str) -> bool:
        """Return whether a later scan saw the resource, so that a file of that time changes nothing there."""
        seen = was.seen if was is not None else self.last_seen.get(subscription_of(resource), "")
        return bool(self.last_seen) and seen > taken


class _Seen(msgspec.Struct, array_like=True):
    observation: ObservationFragment
    tags: dict[str, dict[str, str]]


_seen_encoder = msgspec.msgpack.Encoder(enc_hook=message_text)
_seen_decoder = msgspec.msgpack.Decoder(_Seen)


class HistoryWriter(Writer):
    """A writer that sets `new` and `since` in each row, and collects the observation for the comparison."""

    def __init__(
        self,
        baseline: Baseline,
        taken: str,
        first_id: FirstId,
        observation: Observation | None = None,
    ) -> None:
        super().__init__()
        self.baseline = baseline
        self.observation = observation or Observation(baseline.known, taken, first_id)
        self.tags: dict[str, dict[str, str]] = {}
        """The chosen tags of each resource that has any, by its id in lower case."""

    def fork(self) -> "HistoryWriter":
        observation = self.observation.fork()
        return HistoryWriter(self.baseline, observation.taken, observation.first_id, observation)

    def fragment(self) -> RowsFragment:
        rows_fragment = super().fragment()
        rows_fragment.seen = _seen_encoder.encode(_Seen(self.observation.fragment(), self.tags))
        return rows_fragment

    def join(self, fragment: RowsFragment) -> None:
        super().join(fragment)
        seen = _seen_decoder.decode(fragment.seen)
        self.observation.join(seen.observation)
        self.tags |= seen.tags

    def exposure(self, row: rows.ExposureRow) -> None:
        self.observation.exposure(row)
        if row.severity is not None and row.state not in ("closed", "unknown"):
            key: ItemKey = ("exposure", row.fingerprint)
            row = self._marked(row, key, type_of(row.resource).lower(), is_open=row.state == "open")
        super().exposure(row)

    def finding(self, row: rows.FindingRow) -> None:
        self.observation.finding(row)
        if row.status in ("fail", "waived"):
            rule = self.observation.first_id(row.rule, row.resource, row.fingerprint)
            row = self._marked(row, ("finding", row.fingerprint), rule, is_open=row.status == "fail")
        super().finding(row)

    def _marked(self, row: Row, key: ItemKey, rule_or_type: str, *, is_open: bool) -> Row:
        was = self.baseline.known.get(key)
        is_carried = getattr(row, "read_at", msgspec.UNSET) is not msgspec.UNSET
        is_new = (
            was is None and is_open and not is_carried and self.baseline.evaluated_before(row.resource, rule_or_type)
        )
        return msgspec.structs.replace(row, since=self.observation.taken if was is None else was.since, new=is_new)

    def resource(self, id: str, row: rows.ResourceRow) -> None:
        self.observation.resource(id)
        if row.tags:
            self.tags[id.lower()] = row.tags
        super().resource(id, row)

    def carried(self, id: str, rule: str) -> None:
        self.observation.carry(id, rule)

    def passed(self, id: str, rules: list[str]) -> None:
        self.observation.passed(id, rules)
        super().passed(id, rules)

    def not_applicable(self, id: str, rules: dict[str, str]) -> None:
        self.observation.passed(id, rules)
        super().not_applicable(id, rules)


# What a scan evaluates


def rules_and_types(rules: RuleSet) -> frozenset[str]:
    """Return the first ids of the enabled rules, and the types (lower case) whose endpoints they evaluate."""
    return _enabled(rules) | _types(rules)


def _enabled(rules: RuleSet) -> frozenset[str]:
    return frozenset(rule.first_id for rule in rules.enabled.values())


def endpoint_types(document: rows.Document, rules: RuleSet) -> frozenset[str]:
    """Return the types (lower case) whose endpoints a document's rules evaluate, whether or not it holds one."""
    evaluated = first_ids(rules).evaluated(document)
    of_locks = (rule for rule in rules.rules.values() if rule.lock and rule.first_id in evaluated)
    known = {type.lower() for rule in of_locks for type in rule.resource_type.types}
    return frozenset(known | {type_of(row.resource).lower() for row in document.exposures})


def _types(rules: RuleSet) -> frozenset[str]:
    kinds = (rule.resource_type for rule in rules.enabled.values() if rule.lock)
    return frozenset(type.lower() for kind in kinds if kind.endpoint_function is not None for type in kind.types)


def selection(settings: Settings, snapshot: Snapshot, first_id: FirstId) -> str:
    """Return what was asked for as one line, with the first ids of rules. Scans with the same line are compared, and
    form one trend.
    """
    head = snapshot.header
    if settings["from"]:
        words = ["from", *sorted({scope.subscription.lower() for scope in snapshot.evaluated_scopes})]
        named = (
            ("resource", head.resources),
            ("resource-group", head.groups),
            ("tag", head.tags),
            ("excluded", head.excluded),
        )
        words += [each for name, values in named for each in sorted(f"{name}={value.lower()}" for value in values)]
        return _with_filters(words, settings, first_id)
    return live_selection(settings, first_id)


def live_selection(settings: Settings, first_id: FirstId) -> str:
    """Return the selection of a scan of Azure."""
    above = (f"{name}={each.lower()}" for name in ("management-group", "subscription") for each in settings[name])
    words = sorted(above) or ["all"]
    if settings.tenants:
        words = [] if words == ["all"] else words
        words += sorted(_selected_in(each, whole=not words) for each in settings.tenants)
    elif settings["tenant"]:
        words += [f"tenant={settings['tenant']}"]
    return _with_filters(words, settings, first_id)


def _selected_in(tenant: TenantSettings, *, whole: bool) -> str:
    """Return what is selected in one of several tenants; `whole`: by its own entry, not by the command line."""
    below = [f"management-group:{each.lower()}" for each in tenant.management_groups]
    below += [f"subscription:{each.lower()}" for each in tenant.subscriptions]
    selected = ",".join(sorted(below)) if whole else ""
    return f"tenant={tenant.id}" + (f"({selected})" if selected else "")


def _with_filters(words: list[str], settings: Settings, first_id: FirstId) -> str:
    for name in ("resource", "resource-group", "tag", "exclude"):
        words += sorted(f"{name}={each.lower()}" for each in settings[name])
    for name in ("only", "skip"):
        words += sorted(f"{name}={first_id(each.lower())}" for each in settings[name])
    words += [f"until={settings['until']}"] if settings["until"] else []
    return " ".join(dict.fromkeys(words))


def scopes(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the scopes that the rules evaluated, in lower case.

    They are subscriptions, or what `--resource`, `--resource-group` and `--tag` left of them. `?bare` marks a file of
    bare resources, because it does not say which resources it leaves out. `?without=` names the resource groups of a
    subscription that `--exclude` left out (`scanner.history.store`).
    """
    head = snapshot.header
    covered = [f"/subscriptions/{each}" for each in sorted(visible_subscriptions(snapshot))]
    if head.resources:
        covered = [root_of(each) for each in head.resources]
    elif head.groups:
        covered = [f"{scope}/resourcegroups/{group.lower()}" for scope in covered for group in head.groups]
    selection = snapshot.selection
    covered = [each for each in covered if not selection.is_excluded(each)]
    if head.excluded and not head.tags and head.live:
        covered = [_without(each, head.excluded) for each in covered]
    tags = "&".join(sorted(head.tags)).lower()
    query = f"?tag={tags}" if tags else "" if head.live else "?bare"
    return tuple(f"{each}{query}" for each in covered)


def _without(scope: str, excluded: Sequence[str]) -> str:
    """Return a scope with the names of the excluded resource groups in it."""
    groups = sorted({group_of(path).lower() for path in excluded if path.lower().startswith(f"{scope}/")})
    return f"{scope}{WITHOUT}{'&'.join(groups)}" if groups else scope


def visible_subscriptions(snapshot: Snapshot) -> frozenset[str]:
    """Return the subscriptions (lower case) of which the scan saw all or a part."""
    return frozenset(scope.subscription.lower() for scope in snapshot.evaluated_scopes if scope.view != "none")


def coverage(snapshot: Snapshot, rules: RuleSet, baseline: Baseline) -> ScanCoverage:
    """Return what a scan evaluated, for the comparison."""
    return ScanCoverage(
        subscriptions=visible_subscriptions(snapshot),
        rules=_enabled(rules),
        types=_types(rules),
        unfiltered=not snapshot.header.filtered and not snapshot.header.subscriptions,
        previous_subscriptions=baseline.previous_subscriptions,
        whole_scopes=frozenset(each.partition(WITHOUT)[0] for each in scopes(snapshot)),
        excluded=snapshot.selection.excluded,
    )


def gone_by_lists(snapshot: Snapshot) -> Callable[[str], bool]:
    """Return whether a resource that a snapshot does not hold is gone, for scans without a re-verification.

    It is gone where ARM itself listed its type in a subscription that is fully visible.
    """
    full = {scope.subscription.lower() for scope in snapshot.evaluated_scopes if scope.view == "full"}
    listed = snapshot.listed_by_arm if snapshot.header.live and not snapshot.header.filtered else frozenset()

    def is_gone(resource: str) -> bool:
        subscription = subscription_of(resource)
        type = "/".join(type_of(resource).lower().split("/")[:2])
        return subscription in full and f"/subscriptions/{subscription}/providers/{type}" in listed

    return is_gone


# Changes


def compare_with_baseline(
    known: Mapping[ItemKey, Item],
    baseline: Baseline,
    observation: Observation,
    coverage: ScanCoverage,
    verified: Reverification,
    is_gone: Callable[[str], bool],
) -> Changes:
    """Compare a scan with what is known when it is written.

    Items that another scan has added since the baseline, and that this one did not see, are left as they are. So are
    items that a scan later than this one's data has seen.
    """
    mine = {key: item for key, item in known.items() if key in baseline.known or key in observation.items}
    before, taken = baseline.evaluated_before, observation.taken
    changes = compare(mine, observation, coverage, before, is_gone=is_gone, is_unconfirmed=verified.is_unconfirmed)
    changed = [each for each in changes.changed if not baseline.is_superseded(each.item.resource, each.was, taken)]
    unchanged = [each for each in changes.unchanged if not baseline.is_superseded(each.resource, mine[each.key], taken)]
    return Changes(changed, unchanged, len(changes.changed) - len(changed))


def changes_row(
    changes: Changes,
    baseline: Baseline,
    observation: Observation,
    *,
    confirmed: bool,
    notes: list[str],
    trend: list[rows.TrendRow],
) -> rows.ChangesRow:
    """Return the section `changes` of the findings document."""
    standing = sum(item.is_counted and item.state == "open" for item in observation.items.values())
    lists: dict[str, Any] = {kind.value: [change_row(each) for each in changes.counted(kind)] for kind in LISTED}
    counts = {kind.value.replace("-", "_"): len(changes.counted(kind)) for kind in COUNTS}
    return rows.ChangesRow(
        since=baseline.since,
        baseline=baseline.last is None and not baseline.known,
        confirmed=confirmed,
        notes=notes,
        counts={**counts, "open": standing},
        trend=trend,
        **lists,
    )


def change_row(change: Change) -> rows.ChangeRow:
    """Return a change as documents hold it."""
    item, was = change.item, change.was
    return rows.ChangeRow(
        kind=item.kind,
        fingerprint=item.fingerprint,
        resource=item.resource,
        endpoint=item.endpoint,
        address=item.address,
        rule=item.rule,
        title=item.message,
        severity=item.severity,
        reach=item.reach,
        authentication=item.authentication,
        since=item.since,
        last_seen=was.seen if was is not None else item.seen,
        why=change.why,
        was=rows.CellRow(severity=was.severity, reach=was.reach, authentication=was.authentication) if was else None,
    )


FAR = 90
"""How many days after the newest scan of the history a scan is far after it."""


def _days(earlier: str, later: str) -> int:
    """Return the days between two times of scans; 0 where one is no time."""
    try:
        return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).days
    except (ValueError, TypeError):
        return 0


def notes(
    last: ScanRecord | None,
    taken: str,
    tool: str,
    *,
    confirmed: bool,
    verified: Reverification,
    unverified: int,
    superseded: int = 0,
) -> list[str]:
    """Return what must be known to read the changes.

    `confirmed`: the scan was live, so that changes were re-verified. `unverified`: the number of resources beyond the
    limit of a re-verification. `superseded`: the number of changes that a later scan has seen otherwise.
    """
    result: list[str] = []
    if last is not None and last.taken > taken:
        result.append(
            Message(
                "the clock went back: this scan is from {taken}, the previous one from {taken2}",
                taken=taken,
                taken2=last.taken,
            )
        )
    if last is not None and _days(last.taken, taken) > FAR:
        result.append(
            Message(
                "this scan is from {taken}, more than {far} days after the previous one from {taken2}: check the clock",
                taken=taken,
                far=FAR,
                taken2=last.taken,
            )
        )
    if last is not None and last.tool != tool:
        result.append(
            Message("the previous scan was evaluated by {tool}, this one by {tool2}", tool=last.tool, tool2=tool)
        )
    if not confirmed:
        result.append(Message("evaluated from a file: nothing was re-verified"))
    if superseded:
        result.append(
            Message(
                "a later scan has other results for {superseded} of these; an older file does not change them",
                superseded=Number(superseded),
            )
        )
    if verified.all_unconfirmed:
        result.append(Message("re-verification could not read the networks, so nothing counts as fixed"))
    if unverified:
        result.append(
            Message(
                "{unverified} more resources need re-verification; they remain open until a later scan",
                unverified=Number(unverified),
            )
        )
    return result
