"""Microsoft Fabric: capacities. Networks and sign-in are settings of the Fabric tenant, which ARM does not show."""

from scanner.model.message import Message
from scanner.model.resource_type import NoRule, ResourceType

from .reasons import FROM_TEMPLATE, NO_CUSTOMER_KEY, NO_LOG_CATEGORY, NO_OTHER_LOCATION

CAPACITY = ResourceType(
    "Microsoft.Fabric/capacities",
    api="2023-11-01",
    product=Message("Fabric capacity"),
    unread={
        "administration.members": "Who administers a capacity is a question of rights. Networks and sign-in are settings of the Fabric tenant, which are not in ARM.",
    },
    no_rule=NoRule(copy=NO_OTHER_LOCATION, key=NO_CUSTOMER_KEY, log=NO_LOG_CATEGORY, loss=FROM_TEMPLATE),
)
