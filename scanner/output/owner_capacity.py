"""The capacity of a part of a document: its quotas and reservations, and what is counted again for it.

Quotas belong to a subscription, so an owner of single groups or resources has none of them. A reservation belongs to
the owner of its resource. How many resources are in one zone, and how many depend on a global control plane, are
counts: each part has its own, and those of all parts add up to the whole.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from msgspec.structs import replace

from scanner.document.capacity_rows import CapacityRow, ControlPlaneRow, QuotaRow, ReservationRow, SpreadRow
from scanner.document.schema import TypeRow
from scanner.evaluate.capacity import control_planes, spread_counts
from scanner.evaluate.frameworks import Tally


def owned_by(row: CapacityRow) -> str:
    """Return the id of the resource or subscription that a row belongs to, "" for a row that is counted again."""
    if isinstance(row, QuotaRow):
        return f"/subscriptions/{row.subscription}"
    return row.resource if isinstance(row, ReservationRow) else ""


def is_unlisted(row: CapacityRow) -> bool:
    """Return whether a row says that the reservations of a subscription, or of a group of them, are not known."""
    return isinstance(row, ReservationRow) and "/capacityreservations/" not in row.resource.lower()


def spreads(rows: Iterable[CapacityRow], tally: Tally) -> Iterator[SpreadRow]:
    """Yield the counts of zones and regions of the whole with those of a part; none for what the part does not have.

    `tally`: the checks of the part.
    """
    for row in rows:
        if isinstance(row, SpreadRow):
            single, spread, unknown = spread_counts(tally.checks.get(row.rule, Counter()))
            if single + spread + unknown:
                yield replace(row, single=single, spread=spread, unknown=unknown)


def planes(rows: Iterable[CapacityRow], types: Collection[TypeRow]) -> Iterator[ControlPlaneRow]:
    """Yield the control planes of the whole that a part depends on. `types`: the types of the part."""
    result = {each.id: each for each in control_planes(types)}
    for row in rows:
        if isinstance(row, ControlPlaneRow) and (own := result.get(row.id)) is not None:
            yield replace(row, resources=own.resources, complete=own.complete)
