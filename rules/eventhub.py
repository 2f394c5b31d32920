"""Event Hubs namespaces: shared access keys, the rule set, and their authorization rules."""

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
    by_perimeter,
    host,
    pending_private_endpoint,
    perimeter_only_learns,
    strange_private_endpoint,
    strange_subnet,
)
from .messaging import KEYS_OFF, RETIRED, TLS, closing, extra_manage_rule, keys, rule_set

NAMESPACE = ResourceType("Microsoft.EventHub/namespaces", api="2024-01-01")
WITHOUT_FIREWALL = ("Basic",)


def has_firewall(namespace: Resource) -> bool:
    # event-hubs/event-hubs-ip-filtering: "This feature isn't supported in the basic tier."
    return not any(same(namespace.get("sku.name"), tier) for tier in WITHOUT_FIREWALL)


def keys_on(namespace: Resource) -> bool:
    return not same(namespace.get("properties.disableLocalAuth"), True)


RULE_SET = NAMESPACE.child("networkRuleSets/default", one=True, when=has_firewall)
RULES = NAMESPACE.child("authorizationRules", when=keys_on)
PERIMETERS = NAMESPACE.child("networkSecurityPerimeterConfigurations", when=by_perimeter)
ACL = rule_set(
    RULE_SET,
    WITHOUT_FIREWALL,
    "event-hubs/event-hubs-ip-filtering: a rule set that denies without any rule leaves the namespace open; "
    "azure-mgmt-eventhub: public network access is enabled by default",
    PERIMETERS,
)
KEYS = keys(NAMESPACE, "Azure Policy 5d4e3c65: everything but true is non-compliant")
UPDATE = "az eventhubs namespace update --name {name} --resource-group {group}"
DISABLE = f"{UPDATE} --disable-local-auth true"
MOVE = (
    "The Basic tier has no firewall and no private endpoint: move to a namespace of the Standard tier or above, and close "
    "its network there"
)
PAGE = "eventhub_namespace"


@NAMESPACE.endpoints(data=("events",), reads=(RULE_SET, PERIMETERS))
def endpoints(namespace: Resource, index: Index) -> Iterator[Exposure]:
    authentication = KEYS.lock(namespace)
    yield Exposure(
        "events",
        "data",
        firewall(namespace, index, ACL),
        authentication,
        display_name="The Event Hubs namespace",
        address=host(namespace, "properties.serviceBusEndpoint"),
        fix_instruction=closing(namespace, authentication, WITHOUT_FIREWALL, DISABLE, MOVE),
    )


NAMESPACE.lock(
    "eventhub-sas-keys",
    "authentication",
    "Event Hubs accepts shared access keys",
    only=("events",),
    why="A shared access key reads or writes the whole stream for whoever holds it, names nobody and never expires. It "
    "stands in connection strings, and these in scripts, pipelines and devices.",
    fix=Fix(
        az=DISABLE,
        first_step="az eventhubs namespace authorization-rule list --namespace-name {name} --resource-group {group} "
        "--output table",
        breaks="Every sender and receiver with a connection string, Kafka clients that sign in with $ConnectionString, "
        "and diagnostic settings of other services that send here by a key.",
        bicep="disableLocalAuth: true",
        terraform="azurerm_eventhub_namespace.local_authentication_enabled = false",
        terraform_page=PAGE,
        portal="Event Hubs namespace > Overview > Local Authentication: Disabled",
        cost=2,
    ),
    controls=KEYS_OFF,
    references=(f"{LEARN}/event-hubs/authenticate-shared-access-signature",),
)
NAMESPACE.lock(
    "eventhub-open-network",
    "network",
    "Event Hubs answers networks that are not yours",
    only=("events",),
    why="One lock is left: whoever holds a key or a token reads the stream, or writes into it, from anywhere. A rule set "
    "that denies by default but has no rule at all closes nothing: Azure does not enforce it.",
    fix=Fix(
        az="az eventhubs namespace network-rule-set ip-rule add --namespace-name {name} --resource-group {group} "
        "--ip-rule ip-address=YOUR_RANGE action=Allow && "
        "az eventhubs namespace network-rule-set update --namespace-name {name} --resource-group {group} "
        "--default-action Deny",
        first_step="az eventhubs namespace network-rule-set show --namespace-name {name} --resource-group {group}",
        breaks="Senders and receivers outside the ranges, subnets and private endpoints that the namespace names, and "
        "Azure services that send here unless trusted services are allowed.",
        bicep="networkRuleSets: { defaultAction: 'Deny', ipRules: [{ ipMask: '...', action: 'Allow' }] }",
        terraform='azurerm_eventhub_namespace.network_rulesets.default_action = "Deny"',
        terraform_page=PAGE,
        portal="Event Hubs namespace > Networking > Selected networks",
        cost=2,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)},
    references=(f"{LEARN}/event-hubs/event-hubs-ip-filtering", f"{LEARN}/event-hubs/private-link-service"),
)
perimeter_only_learns(NAMESPACE, "eventhub-perimeter-only-learning", "the Event Hubs namespace", PERIMETERS)
pending_private_endpoint(NAMESPACE, "eventhub-private-endpoint-pending", "Event Hubs")
strange_private_endpoint(NAMESPACE, "eventhub-private-endpoint-of-strangers", "Event Hubs")
strange_subnet(
    NAMESPACE,
    "eventhub-subnet-of-strangers",
    "the Event Hubs namespace",
    ACL,
    "az eventhubs namespace network-rule-set virtual-network-rule remove --namespace-name {name} --resource-group {group} --subnet id=SUBNET_ID",
    "az eventhubs namespace network-rule-set show --namespace-name {name} --resource-group {group}",
)
NAMESPACE.setting(
    "eventhub-old-tls",
    "transport",
    "The Event Hubs namespace still allows a TLS version that Azure no longer serves",
    "properties.minimumTlsVersion",
    allowed=("1.2", "1.3"),
    bad=("1.0", "1.1"),
    severity="info",
    retired_on=RETIRED,
    why="Event Hubs stopped serving TLS 1.0 and 1.1 in October 2025, so the setting opens nothing any more. Setting it "
    "still keeps the namespace right where the same template is used elsewhere.",
    fix=Fix(
        az=f"{UPDATE} --minimum-tls-version 1.2",
        breaks="Nothing that still works.",
        bicep="minimumTlsVersion: '1.2'",
        terraform='azurerm_eventhub_namespace.minimum_tls_version = "1.2"',
        terraform_page=PAGE,
        portal="Event Hubs namespace > Configuration > Minimum TLS version",
    ),
    controls=TLS,
    references=(f"{LEARN}/event-hubs/transport-layer-security-configure-minimum-version",),
)
extra_manage_rule(
    NAMESPACE,
    "eventhub-extra-manage-rule",
    "Event Hubs",
    RULES,
    "az eventhubs namespace authorization-rule update --namespace-name {name} --resource-group {group} --name RULE "
    "--rights Listen Send",
    "az eventhubs namespace authorization-rule list --namespace-name {name} --resource-group {group} --output table",
    "event-hubs/authorize-access-shared-access-signature",
)
