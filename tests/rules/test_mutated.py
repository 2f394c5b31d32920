"""A value of a type that a property cannot have passes no rule that needs it, and crashes none."""

from collections.abc import Iterator
from functools import lru_cache

import pytest

from scanner.model.ids import type_of
from tests.rules import examples
from tests.rules.hostile import Place
from tests.rules.mutated import Counts, Example, path_of, run

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
)
"""The same, which only some examples show: words of such an example, the type, and the property."""
MOST = 3
"""The number of examples of each."""


@lru_cache
def every() -> list[Example]:
    return [Example.of(case) for case in examples.cases()]


def places(type: str, path: str, words: str = "") -> Iterator[tuple[Example, str, Place]]:
    for example in (each for each in every() if words in each.case.id):
        for key, at in example.places():
            if path_of(at) == path and type_of(str(example.body(key)["id"])).lower() == type.lower():
                yield example, key, at
                break


@pytest.mark.parametrize(("words", "type", "path"), [*(("", *each) for each in FOUND), *IN_ONE])
def test_what_was_found(words: str, type: str, path: str) -> None:
    counts = Counts()
    for example, key, at in places(type, path, words):
        counts.add(example, key, at, example.statuses())
        if counts.places == MOST:
            break
    assert counts.places
    assert counts.errors == []
    assert counts.wrong == []


def test_a_sample_of_all_places_and_values() -> None:
    """`python -m tests.rules.mutated` runs all of them."""
    found = run(seed=20261127, count=3000)
    assert found.errors == []
    assert found.wrong == []
