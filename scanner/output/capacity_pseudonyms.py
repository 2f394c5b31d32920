"""Rows about capacity for a redacted document: pseudonyms for what has a name, our own texts, no reasons."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from scanner.document.capacity_rows import (
    QUOTA_STATES,
    CapacityRow,
    ControlPlaneRow,
    QuotaRow,
    ReservationRow,
    SpreadRow,
)
from scanner.model.control_planes import CONTROL_PLANES
from scanner.model.ids import QUOTA_TYPES
from scanner.output.pseudonyms import WITHHELD, Pseudonyms, one_of

_PROVIDERS: Final = frozenset(each.partition("/")[0] for each in QUOTA_TYPES)
_QUOTAS: Final = frozenset(
    {
        "availabilitySets", "cores", "lowPriorityCores", "virtualMachines", "virtualMachineScaleSets",
        "StandardDiskCount", "PremiumDiskCount", "StandardSSDDiskCount", "UltraSSDDiskCount",
        "StandardSnapshotCount", "PremiumSnapshotCount",
        "ApplicationGateways", "LoadBalancers", "NatGateways", "NetworkInterfaces", "NetworkSecurityGroups",
        "PrivateEndpoints", "PublicIPAddresses", "RouteTables", "StandardSkuPublicIpAddresses",
        "StaticPublicIPAddresses", "VirtualNetworks",
    }
)  # fmt: skip
"""Quotas that every subscription has. Those of a family of machines tell what an estate runs on."""
_ZONES: Final = frozenset("123")
_OVER: Final = ("zones", "regions")


def redacted_capacity(
    rows: Iterable[CapacityRow], names: Pseudonyms, rule: Callable[[str], str], title: Callable[[str], str]
) -> Iterator[CapacityRow]:
    """Yield the rows with pseudonyms. `rule`, `title`: how the document's rules are redacted.

    A control plane has our own texts, whatever the document says. What is none of ours is left out.
    """
    planes = {each.id: each for each in CONTROL_PLANES}
    for row in rows:
        if isinstance(row, QuotaRow):
            yield _quota(row, names)
        elif isinstance(row, ReservationRow):
            yield _reservation(row, names)
        elif isinstance(row, SpreadRow):
            if row.over in _OVER:
                yield replace(row, rule=rule(row.rule), title=title(row.rule), texts=UNSET)
        elif (plane := planes.get(row.id)) is not None:
            yield ControlPlaneRow(
                id=plane.id,
                service=plane.service,
                resources=row.resources,
                complete=row.complete,
                reason=plane.reason,
                source=plane.source,
            )


def _quota(row: QuotaRow, names: Pseudonyms) -> QuotaRow:
    quota = row.quota if row.quota in _QUOTAS else names.word("quota", row.quota)
    return QuotaRow(
        subscription=names.uuid("subscription", row.subscription),
        region=names.word("region", row.region),
        provider=row.provider if row.provider in _PROVIDERS else names.word("type", row.provider),
        quota=quota,
        name=quota,
        used=row.used,
        limit=row.limit,
        left=row.left,
        share=row.share,
        state=one_of(QUOTA_STATES, row.state),
        why=WITHHELD if row.why else "",
    )


def _reservation(row: ReservationRow, names: Pseudonyms) -> ReservationRow:
    return ReservationRow(
        resource=names.id(row.resource),
        subscription=names.uuid("subscription", row.subscription),
        sku=names.word("size", row.sku),
        region=names.word("region", row.region),
        zones=[each if each in _ZONES else names.word("zone", each) for each in row.zones],
        reserved=row.reserved,
        used=row.used,
        left=row.left,
        state=one_of(QUOTA_STATES, row.state),
        why=WITHHELD if row.why else "",
    )
