"""Capacity reservations: what Azure keeps free for machines of a subscription. There are no rules on them."""

from scanner.model.bulk_reads import GraphRows
from scanner.model.resource_type import ResourceType

GROUP = ResourceType("Microsoft.Compute/capacityReservationGroups", api="2025-11-01")
RESERVATIONS = GROUP.child(
    "capacityReservations",
    always=True,
    keep=("sku.capacity", "properties.virtualMachinesAssociated[].id"),
    graph=GraphRows(holds=("sku.capacity", "properties.virtualMachinesAssociated")),
)
