"""What a crisis would run into, as rows of the document: quotas, reservations, single zones, global control planes.

Information for planning, and no verdicts. What was not read is not known, never free.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from scanner.document.capacity_rows import CapacityRow, ControlPlaneRow, QuotaRow, ReservationRow, SpreadRow
from scanner.document.schema import TypeRow
from scanner.evaluate.frameworks import Tally
from scanner.model.control_planes import CONTROL_PLANES
from scanner.model.ids import QUOTA_TYPES, list_of, resource_type_of, segments, subscription_of, type_of
from scanner.model.json_paths import peek
from scanner.model.message import Message, name
from scanner.model.resource import Bundle, Gap, Resource
from scanner.rulebook.loader import SPREADS, RuleSet
from scanner.snapshot.bundles import Snapshot

GROUPS: Final = "Microsoft.Compute/capacityReservationGroups"
UNNAMED: Final = Message("without a name")
NOT_COLLECTED: Final = Message("not collected")
PARTIALLY_VISIBLE: Final = Message("the subscription is visible in part")
NO_USAGE: Final = Message("Azure returned no number for what is used")
NO_QUOTA_LIMIT: Final = Message("Azure returned no number for the limit")
NO_NUMBER: Final = Message("Azure returned no number of reserved machines")
NO_MACHINES: Final = Message("Azure returned no list of the machines of the reservation")
NEAR: Final = 20
"""The percentage of a quota at which little of it is left."""
NO_LIMIT: Final = (1 << 31) - 1
"""A limit from which on a quota has none: the largest number that Azure's quotas state."""
UNLIMITED: Final = -1
BY_DESIGN: Final = frozenset({"NetworkWatchers"})
"""Quotas that are full in every region in use: Azure makes one watcher a region, and allows one."""
MOST: Final = (1 << 63) - 1
"""The largest number that a document holds."""
_PROVIDERS = {each.partition("/")[0].lower(): each.partition("/")[0] for each in QUOTA_TYPES}


class CapacityLedger:
    """Collects, while bundles are evaluated, what a document says of capacity."""

    def __init__(self, snapshot: Snapshot, rules: RuleSet) -> None:
        self._snapshot = snapshot
        self._rules = rules
        self._reservations: list[ReservationRow] = []

    def add(self, bundle: Bundle) -> None:
        """Add the reservations of a bundle that is a group of them."""
        if resource_type_of(bundle.id).lower() == GROUPS.lower():
            self._reservations += _reservations(bundle)

    def fork(self) -> "CapacityLedger":
        """Return a ledger for a part of the evaluation."""
        return CapacityLedger(self._snapshot, self._rules)

    def fragment(self) -> list[ReservationRow]:
        """Return what the bundles of a part say."""
        return self._reservations

    def join(self, reservations: Iterable[ReservationRow]) -> None:
        """Add what the bundles of the part that comes next in the document say."""
        self._reservations += reservations

    def rows(self, tally: Tally, types: Iterable[TypeRow]) -> Iterator[CapacityRow]:
        """Yield every row, after the last bundle. `tally`: the checks by rule; `types`: the resources by type."""
        if self._snapshot.header.live:
            yield from quotas(self._snapshot)
            yield from self._unlisted()
        yield from sorted(self._reservations, key=lambda row: row.resource.lower())
        yield from self._spreads(tally)
        yield from control_planes(list(types))

    def _unlisted(self) -> Iterator[ReservationRow]:
        """Yield a row for each subscription whose reservations are not known."""
        snapshot = self._snapshot
        gaps = {subscription_of(each.url): each for each in snapshot.gaps if _is_of(each, GROUPS)}
        for scope in snapshot.evaluated_scopes:
            subscription = scope.subscription.lower()
            listed = f"/subscriptions/{subscription}/providers/{GROUPS.lower()}"
            if subscription in gaps:
                why = gaps[subscription].why()
            elif scope.view != "full":
                why = PARTIALLY_VISIBLE
            elif listed in snapshot.reads:
                continue
            else:
                why = name(snapshot.skips[listed]) if listed in snapshot.skips else NOT_COLLECTED
            yield ReservationRow(resource=f"/subscriptions/{scope.subscription}", subscription=subscription, why=why)

    def _spreads(self, tally: Tally) -> Iterator[SpreadRow]:
        for id, question in sorted(self._rules.enabled_questions().items()):
            over = next((word for end, word in SPREADS.items() if id.endswith(end)), "")
            single, spread, unknown = spread_counts(tally.checks.get(id, Counter()))
            if over and single + spread + unknown:
                yield SpreadRow(
                    rule=id, title=Message(question.title), over=over, single=single, spread=spread, unknown=unknown
                )


def spread_counts(checks: Mapping[str, int]) -> tuple[int, int, int]:
    """Return how many checks of a rule found one place only, how many found several, and how many are inconclusive."""
    single, unknown = checks.get("fail", 0) + checks.get("waived", 0), checks.get("unknown", 0) + checks.get("error", 0)
    return single, checks.get("pass", 0), unknown


def quotas(snapshot: Snapshot) -> Iterator[QuotaRow]:
    """Yield the quotas of every subscription, each with a row for what is not known of it."""
    unread: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for path, why in _unread(snapshot):
        pieces = segments(path)
        unread[pieces[1]].append((pieces[5] if len(pieces) > 5 else "", _PROVIDERS.get(pieces[3], ""), why))
    lists: dict[str, list[str]] = defaultdict(list)
    for path in sorted(snapshot.quotas):
        lists[segments(path)[1]].append(path)
    for scope in sorted(snapshot.evaluated_scopes, key=lambda each: each.subscription.lower()):
        subscription = scope.subscription.lower()
        if subscription not in unread and subscription not in lists:
            yield QuotaRow(subscription=subscription, why=NOT_COLLECTED if scope.view == "full" else PARTIALLY_VISIBLE)
        yield from _of_places(unread.get(subscription, ()), subscription)
        for path in lists.get(subscription, ()):
            yield from _of_list(path, snapshot.quotas[path])


def _unread(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield the lists of quotas that were not read, each with why."""
    for gap in snapshot.gaps:
        if any(_is_of(gap, type) for type in QUOTA_TYPES):
            yield gap.url, gap.why()
    wanted = {each.lower() for type in QUOTA_TYPES for each in (type, type.removesuffix("/usages"))}
    for path, why in snapshot.skips.items():
        if type_of(path).lower() in wanted:
            yield path, name(why)


def _of_places(matches: Collection[tuple[str, str, str]], subscription: str) -> Iterator[QuotaRow]:
    """Yield a row for each region and reason; one for both providers where both say the same."""
    by: dict[tuple[str, str], set[str]] = defaultdict(set)
    for region, provider, why in matches:
        by[region, why].add(provider)
    for (region, why), providers in sorted(by.items()):
        provider = "" if len(providers) > 1 or not region else next(iter(providers))
        yield QuotaRow(subscription=subscription, region=region, provider=provider, why=why)


def _of_list(path: str, body: Mapping[str, Any]) -> Iterator[QuotaRow]:
    pieces = segments(path)
    quota_row = QuotaRow(subscription=pieces[1], region=pieces[5], provider=_PROVIDERS.get(pieces[3], pieces[3]))
    rows = peek(body, "properties.quotas")
    if not isinstance(rows, list) or not rows:
        yield replace(quota_row, why=Message("Azure returned no quota that is in use"))
        return
    for row in rows:
        result = quota(row, quota_row)
        if result.quota not in BY_DESIGN:
            yield result


def quota(row: object, quota_row: QuotaRow) -> QuotaRow:
    """Return a quota with what is left of it. Values that are no whole numbers of at least 0 are not known."""
    name, label = peek(row, "name"), peek(row, "label")
    used, limit = _count(peek(row, "used")), peek(row, "limit")
    id = name if isinstance(name, str) and name else UNNAMED
    result = replace(quota_row, quota=id, name=label if isinstance(label, str) and label else id, used=used)
    if _is_number(limit) and (limit == UNLIMITED or limit >= NO_LIMIT):
        return replace(result, state="unlimited")
    most = _count(limit)
    if used is None or most is None:
        return replace(result, limit=most, why=NO_USAGE if used is None else NO_QUOTA_LIMIT)
    left = max(0, most - used)
    share = 100 * left // most if most else 0
    return replace(result, limit=most, left=left, share=share, state=state_of(left, most))


def state_of(left: int, most: int) -> str:
    """Return the state of what is left of a limit."""
    return "full" if not left else "near" if 100 * left <= NEAR * most else "room"


def _reservations(bundle: Bundle) -> Iterator[ReservationRow]:
    """Yield the reservations of a group, and a row for those that could not be read."""
    listed = f"{bundle.id}/capacityReservations".lower()
    for resource in bundle.resources.values():
        if list_of(resource.id) == listed:
            yield _reservation(resource)
    gap = bundle.gaps.get(listed) or bundle.gaps.get(bundle.id.lower())
    if gap is not None or listed not in bundle.reads:
        top = bundle.top
        resource_id = top.id if top is not None else bundle.id
        why = gap.why() if gap is not None else NOT_COLLECTED
        yield ReservationRow(resource=resource_id, subscription=subscription_of(bundle.id), why=why)


def _reservation(resource: Resource) -> ReservationRow:
    zones, machines = peek(resource.body, "zones"), peek(resource.body, "properties.virtualMachinesAssociated")
    sku = peek(resource.body, "sku.name")
    reserved = _count(peek(resource.body, "sku.capacity"))
    used = len(machines) if isinstance(machines, list) else None
    left = max(0, reserved - used) if reserved is not None and used is not None else None
    return ReservationRow(
        resource=resource.id,
        subscription=resource.subscription,
        sku=sku if isinstance(sku, str) else "",
        region=resource.location,
        zones=[each for each in zones if isinstance(each, str)] if isinstance(zones, list) else [],
        reserved=reserved,
        used=used,
        left=left,
        state="unknown" if left is None or reserved is None else state_of(left, reserved),
        why="" if left is not None else NO_NUMBER if reserved is None else NO_MACHINES,
    )


def control_planes(types: Collection[TypeRow]) -> Iterator[ControlPlaneRow]:
    """Yield the services with a global control plane that an estate depends on."""
    if not any(row.resources for row in types):
        return
    for each in CONTROL_PLANES:
        rows = [row for row in types if row.type.lower() in each.types]
        count = sum(row.resources for row in rows)
        is_complete = all(row.complete for row in rows)
        if not each.types or count or not is_complete:
            yield ControlPlaneRow(
                id=each.id,
                service=each.service,
                resources=count if each.types else None,
                complete=is_complete,
                reason=each.reason,
                source=each.source,
            )


def _is_of(gap: Gap, type: str) -> bool:
    return type_of(gap.url).lower() == type.lower()


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _count(value: Any) -> int | None:
    """Return a whole number of at least 0, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST else None
