"""Capacity reservations: what Azure keeps free for machines of a subscription. There are no rules on them."""

from scanner.model.bulk_reads import GraphRows
from scanner.model.resource_type import NoRule, ResourceType

from .reasons import FROM_TEMPLATE, NO_CALLER_LOG

GROUP = ResourceType(
    "Microsoft.Compute/capacityReservationGroups",
    api="2025-11-01",
    no_rule=NoRule(
        data="it reserves machines, whose region and keys are evaluated",
        log=NO_CALLER_LOG,
        loss=FROM_TEMPLATE,
        zone="its zones are information for planning, not a finding",
    ),
)
RESERVATIONS = GROUP.child(
    "capacityReservations",
    always=True,
    keep=("sku.capacity", "properties.virtualMachinesAssociated[].id"),
    graph=GraphRows(holds=("sku.capacity", "properties.virtualMachinesAssociated")),
)
