"""Durable Task Scheduler: the endpoint of its task hubs, which every call reaches with a token of Microsoft Entra ID."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Exposure
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.reach.services.firewall import Firewall, RuleList, firewall

from .common import host
from .reasons import NO_BACKUP, NO_CUSTOMER_KEY, NO_LOG_CATEGORY, NO_OTHER_LOCATION

SCHEDULER = ResourceType(
    "Microsoft.DurableTask/schedulers",
    api="2026-02-01",
    product=Message("Durable Task scheduler"),
    unread={
        "taskHubs, retentionPolicies": "Hubs have the locks of their scheduler. Retention is a choice of the application.",
    },
    no_rule=NoRule(copy=NO_OTHER_LOCATION, key=NO_CUSTOMER_KEY, log=NO_LOG_CATEGORY, backup=NO_BACKUP),
)
ACL = Firewall(
    empty="open",
    source="durable-task/scheduler/durable-task-scheduler-private-endpoints: apps connect over a public address by default, and "
    "public access can be disabled; versions before 2026-02-01 have no switch. That a list without an entry denies everyone is not "
    "in the documentation of the service, so it counts as open",
    name=Message("IP allowlist"),
    absent="enabled",
    addresses=(RuleList("properties.ipAllowlist"),),
)


# durable-task/scheduler/durable-task-scheduler-identity: managed identities and roles alone; there are no keys.
@SCHEDULER.endpoints(
    Endpoint("scheduler", "data", ports=HTTPS, no_rule="every call carries a token of Microsoft Entra ID"),
)
def endpoints(scheduler: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "scheduler",
        "data",
        firewall(scheduler, index, ACL),
        IDENTITY,
        display_name=Message("The Durable Task scheduler"),
        address=host(scheduler, "properties.endpoint"),
    )
