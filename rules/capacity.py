"""Capacity reservations: what Azure keeps free for machines of a subscription. There are no rules on them."""

from scanner.model.bulk_reads import GraphRows
from scanner.model.resource_type import ResourceType

from .reasons import FROM_TEMPLATE, NO_CALLER_LOG, NO_DATA_AT_REST

GROUP = ResourceType(
    "Microsoft.Compute/capacityReservationGroups",
    api="2025-11-01",
    no_rule={
        "region": "it reserves machines, whose region is evaluated",
        "key": NO_DATA_AT_REST,
        "log": NO_CALLER_LOG,
        "lock": FROM_TEMPLATE,
    },
)
RESERVATIONS = GROUP.child(
    "capacityReservations",
    always=True,
    keep=("sku.capacity", "properties.virtualMachinesAssociated[].id"),
    graph=GraphRows(holds=("sku.capacity", "properties.virtualMachinesAssociated")),
)
