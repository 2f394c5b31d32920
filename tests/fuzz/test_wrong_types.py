"""A value of a type that Azure does not document passes no rule that needs the value."""

import random
from collections.abc import Iterator

import pytest

from scanner.model.resource import Resource
from tests.fuzz.bodies import WRONG, is_setting, passed_by_wrong_type
from tests.rules import examples
from tests.rules.hostile import JsonPath, paths_of
from tests.rules.mutated import Example
from tests.sampled import is_all

FOUND = (
    ("Microsoft.Sql/servers", "properties.administrators.login"),
    ("Microsoft.Sql/managedInstances", "properties.administrators.login"),
    ("Microsoft.Network/virtualNetworkGateways", "properties.gatewayType"),
    ("Microsoft.Storage/storageAccounts/fileServices/shares", "properties.enabledProtocols"),
    ("Microsoft.ServiceFabric/clusters", "properties.certificate.thumbprint"),
    ("Microsoft.ServiceFabric/managedClusters", "properties.azureActiveDirectory.tenantId"),
    ("Microsoft.Network/natGateways", "properties.provisioningState"),
    ("Microsoft.Network/natGateways", "properties.sourceVirtualNetwork.id"),
)
"""What passed before: `make fuzz` found it."""


def settings(type: str = "") -> Iterator[tuple[Example, Resource, JsonPath]]:
    for example in map(Example, examples.cases()):
        for resource in example.bundle.resources.values():
            for at in paths_of(resource.body) if type in ("", resource.type) else ():
                if is_setting(resource.body, at):
                    yield example, resource, at


@pytest.mark.parametrize(("type", "path"), FOUND)
def test_what_was_found(type: str, path: str) -> None:
    tried = 0
    for example, resource, at in settings(type):
        if ".".join(map(str, at)) == path:
            tried += 1
            for value in WRONG:
                assert passed_by_wrong_type(example.run, example.bundle, resource, at, value) == []
    assert tried


def test_settings_of_every_example() -> None:
    chance = random.Random(4)
    for example, resource, at in settings():
        if chance.random() < (0.1 if is_all() else 0.03):
            value = chance.choice(WRONG)
            rules = passed_by_wrong_type(example.run, example.bundle, resource, at, value)
            assert rules == [], f"{resource.id} {at} {value!r}"
