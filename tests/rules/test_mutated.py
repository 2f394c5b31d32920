"""A value of a type that a property cannot have passes no rule that needs it, and crashes none."""

from collections.abc import Iterator

import pytest

from scanner.model.ids import type_of
from tests.rules.hostile import JsonPath
from tests.rules.mutated import Counts, Example, all_examples, path_of, run
from tests.sampled import is_all

FOUND = (
    ("Microsoft.Cache/redis", "properties.redisconfiguration"),
    ("Microsoft.Cdn/profiles", "sku.name"),
    ("Microsoft.ContainerService/managedClusters", "properties.agentpoolprofiles"),
    ("Microsoft.App/containerApps", "properties.configuration.registries[].passwordsecretref"),
    ("Microsoft.DocumentDB/databaseAccounts", "properties.networkaclbypass"),
    ("Microsoft.EventHub/namespaces/networkRuleSets", "properties.virtualnetworkrules"),
    ("Microsoft.KeyVault/vaults", "properties.networkacls"),
    ("Microsoft.Network/applicationGateways", "properties.frontendipconfigurations"),
    ("Microsoft.Network/applicationGateways", "properties.httplisteners"),
    ("Microsoft.Network/networkManagers", "properties.networkmanagerscopes.managementgroups"),
    ("Microsoft.Network/networkSecurityGroups", "properties.securityrules"),
    ("Microsoft.Network/networkSecurityPerimeters/resourceAssociations", "properties.privatelinkresource.id"),
    ("Microsoft.Network/virtualNetworks", "properties.flowlogs"),
    ("Microsoft.Network/virtualNetworks", "properties.subnets[].properties.delegations[]"),
    ("Microsoft.Sql/servers", "properties"),
    ("Microsoft.Storage/storageAccounts", "properties.networkacls.bypass"),
    ("Microsoft.Storage/storageAccounts", "properties.networkacls.virtualnetworkrules"),
    ("Microsoft.Web/sites/config", "properties.cors"),
    ("Microsoft.Web/sites/config", "properties.cors.allowedorigins"),
    ("Microsoft.Web/sites/config", "properties.identityproviders.azureactivedirectory.enabled"),
    ("Microsoft.Web/sites/config", "properties.ipsecurityrestrictions"),
    ("Microsoft.Web/sites/slots/config", "properties.ipsecurityrestrictions[].headers.x-azure-fdid"),
    ("Microsoft.Web/sites/config", "properties.ipsecurityrestrictions[].ipaddress"),
    ("Microsoft.Web/sites/config", "properties.scmipsecurityrestrictionsusemain"),
)
"""Properties with which rules passed, or did not apply, by a value of a wrong type."""
IN_ONE = (
    ("a key for everyone", "Microsoft.CognitiveServices/accounts/projects/connections", "properties.category"),
    ("takes keys alone", "Microsoft.MachineLearningServices/workspaces/connections", "properties.category"),
    (
        "a filter that only notes",
        "Microsoft.CognitiveServices/accounts/raiPolicies",
        "properties.contentfilters[].name",
    ),
    ("the only replica is the registry itself", "Microsoft.ContainerRegistry/registries", "location"),
    ("whose only receiver unsubscribed", "Microsoft.Insights/actionGroups", "properties.emailreceivers[].status"),
    (
        "only one address may call, by the policy of the service",
        "Microsoft.ApiManagement/service/apis",
        "properties.subscriptionrequired",
    ),
    ("an app that was left alone", "Microsoft.Web/sites", "properties"),
    (".NET 8 on Windows", "Microsoft.Web/sites", "kind"),
    (
        "without a TLS policy and without TLS profiles",
        "Microsoft.Network/applicationGateways",
        "properties.httplisteners",
    ),
    ("a rule of an account allows an external subnet", "Microsoft.DocumentDB/databaseAccounts", "properties"),
    ("Event Hubs allows an external subnet", "Microsoft.EventHub/namespaces/networkRuleSets", "properties"),
    ("Service Bus allows an external subnet", "Microsoft.ServiceBus/namespaces/networkRuleSets", "properties"),
    ("Plan 1 of Defender for Servers", "Microsoft.Security/pricings", "properties.pricingtier"),
    ("a plan that some machines are left out of", "Microsoft.Security/pricings", "properties.pricingtier"),
    ("an app with a host of its own, of the scan", "Microsoft.Web/sites", "properties.defaulthostname"),
    ("a namespace in a dedicated cluster", "Microsoft.EventHub/namespaces", "properties"),
    ("the newest version is disabled, and both are in use, a vault", "Microsoft.Storage/storageAccounts", "properties"),
    (
        "the newest version is disabled, and both are in use, a vault",
        "Microsoft.Storage/storageAccounts",
        "properties.encryption",
    ),
    (
        "the newest version is disabled, and both are in use, a vault",
        "Microsoft.Storage/storageAccounts",
        "properties.encryption.keysource",
    ),
    (
        "the newest version is disabled, and both are in use, a vault",
        "Microsoft.Storage/storageAccounts",
        "properties.encryption.keyvaultproperties",
    ),
    (
        "the newest version is disabled, and both are in use, a vault",
        "Microsoft.Storage/storageAccounts",
        "properties.encryption.keyvaultproperties.keyname",
    ),
    (
        "the newest version is disabled, and both are in use, a vault",
        "Microsoft.Storage/storageAccounts",
        "properties.encryption.keyvaultproperties.keyvaulturi",
    ),
    (
        "the newest version is disabled, and both are in use, a vault",
        "Microsoft.Storage/storageAccounts",
        "properties.encryption.keyvaultproperties.keyversion",
    ),
    (
        "both versions in use are disabled, a vault",
        "Microsoft.Storage/storageAccounts",
        "properties.encryption.keyvaultproperties.keyversion",
    ),
    ("a Basic load balancer", "Microsoft.Network/loadBalancers", "sku"),
    ("a Basic load balancer", "Microsoft.Network/loadBalancers", "sku.name"),
    (
        "a firewall in front of an internal load balancer",
        "Microsoft.Network/loadBalancers",
        "properties.loadbalancingrules[].properties.backendport",
    ),
    ("address without any network security group", "Microsoft.Network/publicIPAddresses", "sku.name"),
    ("that is no longer deployed", "Microsoft.Network/networkManagers/securityAdminRegionalGoalStates", "properties"),
    ("disks is in a Backup vault", "Microsoft.Compute/virtualMachines", "properties.storageprofile.datadisks"),
    ("disks are in a Backup vault", "Microsoft.Compute/virtualMachines", "properties.storageprofile.datadisks[]"),
    (
        "a deployment",
        "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
        "properties.endpointcomputetype",
    ),
    (
        "a deployment that calls out",
        "Microsoft.MachineLearningServices/workspaces",
        "properties.managednetwork.isolationmode",
    ),
    (
        "for every host that Azure needs",
        "Microsoft.MachineLearningServices/workspaces/outboundRules",
        "properties.type",
    ),
    ("in the region of the copy", "Microsoft.DBforPostgreSQL/flexibleServers", "location"),
    ("an error of protection", "Microsoft.RecoveryServices/vaults/backupProtectedItems", "properties.protectionstate"),
)
"""The same, which only some examples show: words of such an example, the type, and the property."""
MOST = 3
"""The number of examples of each property of `FOUND`."""


def paths_of(type: str, path: str, words: str = "") -> Iterator[tuple[Example, str, JsonPath]]:
    for example in (each for each in all_examples() if words in each.case.id):
        for key, at in example.paths():
            if path_of(at) == path and type_of(str(example.body(key)["id"])).lower() == type.lower():
                yield example, key, at
                if not words:
                    break


@pytest.mark.parametrize(("words", "type", "path"), [*(("", *each) for each in FOUND), *IN_ONE])
def test_what_was_found(words: str, type: str, path: str) -> None:
    counts = Counts()
    for example, key, at in paths_of(type, path, words):
        counts.add(example, key, at, example.statuses())
        if counts.paths == MOST and not words:
            break
    assert counts.paths
    assert counts.errors == []
    assert counts.wrong == []


def test_a_sample_of_all_places_and_values() -> None:
    """`python -m tests.rules.mutated` runs all of them."""
    counts = run(seed=20261127, count=3000 if is_all() else 1000)
    assert counts.errors == []
    assert counts.wrong == []
