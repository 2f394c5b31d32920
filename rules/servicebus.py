"""Service Bus namespaces: shared access keys, the rule set of the Premium tier, and their authorization rules."""

from collections.abc import Iterator

from scanner.model.exposure import Exposure
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType
from scanner.reach.firewall import firewall

from .common import (
    ISO,
    LEARN,
    MCSB,
    NIST,
    host,
    pending_private_endpoint,
    perimeter_only_learns,
    strange_private_endpoint,
    strange_subnet,
)
from .messaging import KEYS_OFF, RETIRED, TLS, closing, extra_manage_rule, keys, rule_set

NAMESPACE = ResourceType("Microsoft.ServiceBus/namespaces", api="2024-01-01")
WITHOUT_FIREWALL = ("Basic", "Standard")


def has_firewall(namespace: Resource) -> bool:
    # service-bus-messaging/service-bus-service-endpoints: rules for virtual networks are a feature of the Premium tier.
    # What IP rules do below it is told in two ways (service-bus-ip-filtering, 2020 and 2023), so they close nothing here.
    return not any(same(namespace.get("sku.name"), tier) for tier in WITHOUT_FIREWALL)


def keys_on(namespace: Resource) -> bool:
    return not same(namespace.get("properties.disableLocalAuth"), True)


RULE_SET = NAMESPACE.child("networkRuleSets/default", one=True, when=has_firewall)
RULES = NAMESPACE.child("authorizationRules", when=keys_on)
ACL = rule_set(
    RULE_SET,
    WITHOUT_FIREWALL,
    "service-bus-messaging/service-bus-ip-filtering: a rule set that denies without any rule leaves the namespace open; "
    "azure-mgmt-servicebus: public network access is enabled by default",
    lacks="has neither private endpoints nor rules for virtual networks",
)
KEYS = keys(NAMESPACE, "Azure Policy cfb11c26: everything but true is non-compliant")
UPDATE = "az servicebus namespace update --name {name} --resource-group {group}"
DISABLE = f"{UPDATE} --disable-local-auth true"
MOVE = (
    "Only the Premium tier has private endpoints and rules for virtual networks: migrate the namespace to Premium, and "
    "close its network there"
)
PAGE = "servicebus_namespace"


@NAMESPACE.endpoints(data=("messages",), reads=(RULE_SET,))
def endpoints(namespace: Resource, index: Index) -> Iterator[Exposure]:
    authentication = KEYS.lock(namespace)
    yield Exposure(
        "messages",
        "data",
        firewall(namespace, index, ACL),
        authentication,
        display_name="The Service Bus namespace",
        address=host(namespace, "properties.serviceBusEndpoint"),
        fix_instruction=closing(namespace, authentication, WITHOUT_FIREWALL, DISABLE, MOVE),
    )


NAMESPACE.lock(
    "servicebus-sas-keys",
    "authentication",
    "Service Bus accepts shared access keys",
    only=("messages",),
    why="A shared access key takes messages out of every queue, or puts false ones in, for whoever holds it. It names "
    "nobody and never expires. Below the Premium tier it is the lock that can be closed.",
    fix=Fix(
        az=DISABLE,
        first_step="az servicebus namespace authorization-rule list --namespace-name {name} --resource-group {group} "
        "--output table",
        breaks="Every sender and receiver with a connection string: give them a managed identity and a role first.",
        bicep="disableLocalAuth: true",
        terraform="azurerm_servicebus_namespace.local_auth_enabled = false",
        terraform_page=PAGE,
        portal="Service Bus namespace > Overview > Local Authentication: Disabled",
        cost=2,
    ),
    controls=KEYS_OFF,
    references=(f"{LEARN}/service-bus-messaging/disable-local-authentication",),
)
NAMESPACE.lock(
    "servicebus-open-network",
    "network",
    "Service Bus answers networks that are not yours",
    only=("messages",),
    why="One lock is left: whoever holds a key or a token takes the messages from anywhere. Below the Premium tier there "
    "are no private endpoints and no rules for virtual networks; IP rules there are not judged, so the namespace counts "
    "as open. On Premium a rule set that denies by default but has no rule at all closes nothing.",
    fix=Fix(
        az="az servicebus namespace network-rule-set ip-rule add --namespace-name {name} --resource-group {group} "
        "--ip-rule ip-address=YOUR_RANGE action=Allow && "
        "az servicebus namespace network-rule-set update --namespace-name {name} --resource-group {group} "
        "--default-action Deny",
        first_step="az servicebus namespace network-rule-set show --namespace-name {name} --resource-group {group}",
        breaks="Senders and receivers outside the ranges, subnets and private endpoints that the namespace names.",
        bicep="networkRuleSets: { defaultAction: 'Deny', ipRules: [{ ipMask: '...', action: 'Allow' }] }",
        terraform='azurerm_servicebus_namespace.network_rule_set.default_action = "Deny"',
        terraform_page=PAGE,
        portal="Service Bus namespace > Networking > Selected networks (Premium)",
        cost=2,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)},
    references=(f"{LEARN}/service-bus-messaging/service-bus-ip-filtering",),
)
perimeter_only_learns(NAMESPACE, "servicebus-perimeter-only-learning", "the Service Bus namespace")
pending_private_endpoint(NAMESPACE, "servicebus-private-endpoint-pending", "Service Bus")
strange_private_endpoint(NAMESPACE, "servicebus-private-endpoint-of-strangers", "Service Bus")
strange_subnet(
    NAMESPACE,
    "servicebus-subnet-of-strangers",
    "the Service Bus namespace",
    ACL,
    "az servicebus namespace network-rule-set virtual-network-rule remove --namespace-name {name} --resource-group {group} --subnet id=SUBNET_ID",
    "az servicebus namespace network-rule-set show --namespace-name {name} --resource-group {group}",
)
NAMESPACE.setting(
    "servicebus-old-tls",
    "transport",
    "The Service Bus namespace still allows a TLS version that Azure no longer serves",
    "properties.minimumTlsVersion",
    allowed=("1.2", "1.3"),
    bad=("1.0", "1.1"),
    severity="info",
    retired_on=RETIRED,
    why="Service Bus stopped serving TLS 1.0 and 1.1 in October 2025, so the setting opens nothing any more. Setting it "
    "still keeps the namespace right where the same template is used elsewhere.",
    fix=Fix(
        az=f"{UPDATE} --minimum-tls-version 1.2",
        breaks="Nothing that still works.",
        bicep="minimumTlsVersion: '1.2'",
        terraform='azurerm_servicebus_namespace.minimum_tls_version = "1.2"',
        terraform_page=PAGE,
        portal="Service Bus namespace > Configuration > Minimum TLS version",
    ),
    controls=TLS,
    references=(f"{LEARN}/service-bus-messaging/transport-layer-security-configure-minimum-version",),
)
extra_manage_rule(
    NAMESPACE,
    "servicebus-extra-manage-rule",
    "Service Bus",
    RULES,
    "az servicebus namespace authorization-rule update --namespace-name {name} --resource-group {group} --name RULE "
    "--rights Listen Send",
    "az servicebus namespace authorization-rule list --namespace-name {name} --resource-group {group} --output table",
    "service-bus-messaging/service-bus-sas",
)
