"""Event Hubs namespaces: shared access keys, the rule set, and their authorization rules."""

from collections.abc import Iterator

from scanner.model.exposure import Exposure
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoRule, ResourceType
from scanner.reach.services.firewall import firewall

from .common import by_perimeter, host, in_tier, moved
from .messaging import acl, alias_hosts, keys, keys_on, rule_set_of

NAMESPACE = ResourceType(
    "Microsoft.EventHub/namespaces",
    api="2026-01-01",
    product=Message("Event Hubs namespace"),
    unread={
        "maximumThroughputUnits": "Auto-inflate ends at 40 units by the service.",
    },
    no_rule=NoRule(
        backup="a stream: how long it is kept is a choice of its readers",
        zone="over zones by itself, although zoneRedundant may say false",
    ),
)
# event-hubs/event-hubs-ip-filtering: "This feature isn't supported in the basic tier."
WITHOUT_FIREWALL = ("Basic",)

RULE_SET = rule_set_of(NAMESPACE, WITHOUT_FIREWALL)
RULES = NAMESPACE.child("authorizationRules", when=keys_on)
# event-hubs/event-hubs-geo-dr: not in the Basic tier.
ALIASES = NAMESPACE.child("disasterRecoveryConfigs", when=lambda namespace: not in_tier(namespace, ("Basic",)))
# event-hubs/event-hubs-capture-overview: not in the Basic tier.
HUBS = NAMESPACE.child("eventhubs", when=lambda namespace: not in_tier(namespace, ("Basic",)))
PERIMETERS = NAMESPACE.child("networkSecurityPerimeterConfigurations", when=by_perimeter)
ACL = acl(
    RULE_SET,
    WITHOUT_FIREWALL,
    "event-hubs/event-hubs-ip-filtering: a rule set that denies by default but has no rule blocks nothing; "
    "azure-mgmt-eventhub: public network access is enabled by default",
    PERIMETERS,
)
KEYS = keys(NAMESPACE, "Azure Policy 5d4e3c65: every value except true is non-compliant")
MOVE = Message(
    "The Basic tier has no firewall and no private endpoint: move to a namespace of the Standard tier or above, and restrict "
    "its network there"
)


@NAMESPACE.endpoints(
    Endpoint(
        "events",
        "data",
        ports=("tcp/5671", "tcp/5672", "tcp/9093", "tcp/443"),
        no_rule={"anonymous-access": "every call carries a signature or a token"},
    ),
    reads=(RULE_SET, PERIMETERS),
)
def endpoints(namespace: Resource, index: Index) -> Iterator[Exposure]:
    authentication = KEYS.lock(namespace)
    yield Exposure(
        "events",
        "data",
        firewall(namespace, index, ACL),
        authentication,
        display_name=Message("The Event Hubs namespace"),
        address=host(namespace, "properties.serviceBusEndpoint"),
        hosts=alias_hosts(namespace, ALIASES),
        fixes=moved(
            namespace, WITHOUT_FIREWALL, MOVE, Message("Senders and receivers need the address of the new namespace.")
        ),
    )
