"""The capacity of a document, ordered and counted, for the terminal and for the report."""

from collections.abc import Iterable

from msgspec import Struct, field

from scanner.document.capacity_rows import (
    QUOTA_STATES,
    CapacityRow,
    ControlPlaneRow,
    QuotaRow,
    ReservationRow,
    SpreadRow,
)
from scanner.document.schema import Document
from scanner.model.ids import path_of

TIGHT = ("full", "near")
"""The states of a quota of which little or nothing is left."""
STATES = {
    "full": "nothing left",
    "near": "little left",
    "room": "room",
    "unlimited": "no limit",
    "unknown": "not known",
}


class RegionQuotas(Struct):
    """The quotas of one region of a subscription, counted by state. `whys`: why quotas are not known."""

    subscription: str
    region: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUOTA_STATES, 0))
    whys: list[str] = field(default_factory=list)

    @property
    def is_known(self) -> bool:
        """Return whether any quota was read."""
        return any(self.counts.values())


class Capacity(Struct):
    """The rows of a document by kind, each in the order of reports."""

    quotas: list[QuotaRow]
    reservations: list[ReservationRow]
    spreads: list[SpreadRow]
    control_planes: list[ControlPlaneRow]

    @classmethod
    def of(cls, rows: Iterable[CapacityRow]) -> "Capacity":
        """Return the rows by kind: of quotas and reservations those with the least left first."""
        whole = list(rows)
        return cls(
            sorted((each for each in whole if isinstance(each, QuotaRow)), key=_by_rest),
            sorted(
                (each for each in whole if isinstance(each, ReservationRow)),
                key=lambda each: (QUOTA_STATES.index(each.state), each.resource.lower()),
            ),
            sorted(
                (each for each in whole if isinstance(each, SpreadRow)),
                key=lambda each: (each.over != "zones", -each.single, each.rule),
            ),
            [each for each in whole if isinstance(each, ControlPlaneRow)],
        )

    @property
    def rows(self) -> list[CapacityRow]:
        """Return every row, in the order of reports."""
        return [*self.quotas, *self.reservations, *self.spreads, *self.control_planes]

    def regions(self) -> list[RegionQuotas]:
        """Return the quotas by subscription and region, those with the most that is tight first."""
        result: dict[tuple[str, str], RegionQuotas] = {}
        for row in self.quotas:
            group = result.setdefault((row.subscription, row.region), RegionQuotas(row.subscription, row.region))
            group.counts[row.state] += bool(row.quota)
            if row.why:
                of = row.name or row.provider
                group.whys.append(f"{of}: {row.why}" if of else row.why)
        return sorted(
            result.values(),
            key=lambda each: (-each.counts["full"], -each.counts["near"], each.subscription, each.region),
        )

    def counts(self) -> dict[str, int]:
        """Return how many quotas there are by state. Lists that were not read are no quotas: see `unread`."""
        return {state: sum(bool(each.quota) and each.state == state for each in self.quotas) for state in QUOTA_STATES}

    def unread(self) -> int:
        """Return of how many regions, or of subscriptions as a whole, some quotas are not known."""
        return len({(each.subscription, each.region) for each in self.quotas if each.state == "unknown"})


def is_tight(row: CapacityRow) -> bool:
    """Return whether little or nothing is known to be left; of a rule, whether something is in one place only."""
    if isinstance(row, QuotaRow | ReservationRow):
        return row.state in (*TIGHT, "unknown")
    return isinstance(row, SpreadRow) and bool(row.single or row.unknown)


def sentence(document: Document) -> str:
    """Return how many quotas are tight, in how many regions they are not known, and what is reserved."""
    capacity = Capacity.of(document.capacity)
    if not capacity.rows:
        return "This document has nothing on capacity."
    single = sum(each.single for each in capacity.spreads)
    if not capacity.quotas:
        return f"This document has no quotas. {single:,} checks found one zone or region only."
    counts = capacity.counts()
    regions = len({(each.subscription, each.region) for each in capacity.quotas if each.quota})
    text = f"{sum(counts.values()):,} quotas in {regions:,} regions: {counts['full']:,} with nothing left"
    text += f", {counts['near']:,} with little; in {capacity.unread():,} places they are not known."
    return f"{text} {single:,} checks found one zone or region only."


def reservation_name(row: ReservationRow) -> str:
    """Return the name of a reservation after that of its group; of a subscription its id."""
    return path_of(row.resource)


def _by_rest(row: QuotaRow) -> tuple[object, ...]:
    share = 101 if row.share is None else row.share
    return QUOTA_STATES.index(row.state), share, row.subscription, row.region, row.name.lower(), row.quota
