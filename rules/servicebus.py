"""Service Bus namespaces: shared access keys, the rule set of the Premium tier, and their authorization rules."""

from collections.abc import Iterator

from scanner.model.exposure import Exposure
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoRule, ResourceType
from scanner.reach.services.firewall import firewall

from .common import by_perimeter, host, in_tier, moved
from .messaging import acl, alias_hosts, keys, keys_on, rule_set_of
from .reasons import PASSED_ON

NAMESPACE = ResourceType(
    "Microsoft.ServiceBus/namespaces",
    api="2026-01-01",
    product=Message("Service Bus namespace"),
    unread={
        "rights on hybrid connections and relays": "relay-additional-manage-rule has those of the namespace.",
    },
    no_rule=NoRule(backup=PASSED_ON, zone="over zones by itself, although zoneRedundant may say false"),
)
# service-bus-messaging/service-bus-service-endpoints: rules for virtual networks are a feature of the Premium tier.
# The documentation of IP rules below it is contradictory (service-bus-ip-filtering, 2020 and 2023), so they do not count.
WITHOUT_FIREWALL = ("Basic", "Standard")

RULE_SET = rule_set_of(NAMESPACE, WITHOUT_FIREWALL)
RULES = NAMESPACE.child("authorizationRules", when=keys_on)
# service-bus-messaging/service-bus-geo-dr: a feature of the Premium tier.
ALIASES = NAMESPACE.child(
    "disasterRecoveryConfigs", when=lambda namespace: not in_tier(namespace, ("Basic", "Standard"))
)
# azure-mgmt-servicebus 10.0.0: the first stable version that has this read.
PERIMETERS = NAMESPACE.child("networkSecurityPerimeterConfigurations", when=by_perimeter)
ACL = acl(
    RULE_SET,
    WITHOUT_FIREWALL,
    "service-bus-messaging/service-bus-ip-filtering: a rule set that denies by default but has no rule blocks nothing; "
    "azure-mgmt-servicebus: public network access is enabled by default",
    PERIMETERS,
    lacks=Message("has neither private endpoints nor rules for virtual networks"),
)
KEYS = keys(NAMESPACE, "Azure Policy cfb11c26: every value except true is non-compliant")
MOVE = Message(
    "Only the Premium tier has private endpoints and rules for virtual networks: migrate the namespace to Premium, and "
    "restrict its network there"
)


@NAMESPACE.endpoints(
    Endpoint(
        "messages",
        "data",
        ports=("tcp/5671", "tcp/5672", "tcp/443"),
        no_rule={"anonymous-access": "every call carries a signature or a token"},
    ),
    reads=(RULE_SET, PERIMETERS),
)
def endpoints(namespace: Resource, index: Index) -> Iterator[Exposure]:
    authentication = KEYS.lock(namespace)
    yield Exposure(
        "messages",
        "data",
        firewall(namespace, index, ACL),
        authentication,
        display_name=Message("The Service Bus namespace"),
        address=host(namespace, "properties.serviceBusEndpoint"),
        hosts=alias_hosts(namespace, ALIASES),
        fixes=moved(namespace, WITHOUT_FIREWALL, MOVE),
    )
