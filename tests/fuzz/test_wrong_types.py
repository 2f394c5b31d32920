"""A value of a type that Azure does not document passes no rule that needs the value."""

import random
from collections.abc import Iterator

import pytest

from scanner.evaluate.run import Evaluation
from scanner.model.resource import Bundle, Resource
from tests.fuzz.bodies import WRONG, is_setting, passed_by_wrong_type, undecided
from tests.rules import examples
from tests.rules.hostile import Place, places
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


def settings(type: str = "") -> Iterator[tuple[Evaluation, Bundle, Resource, Place]]:
    for case in examples.cases():
        bundle = examples.bundle(case)
        found = [each for each in bundle.resources.values() if type in ("", each.type)]
        if not found:
            continue
        run = examples.evaluation(case)
        for resource in found:
            for at in places(resource.body):
                if is_setting(resource.body, at):
                    yield run, bundle, resource, at


@pytest.mark.parametrize(("type", "path"), FOUND)
def test_what_was_found(type: str, path: str) -> None:
    tried = 0
    for run, bundle, resource, at in settings(type):
        if ".".join(map(str, at)) == path:
            tried += 1
            for value in WRONG:
                assert passed_by_wrong_type(run, bundle, resource, at, value) == []
    assert tried


def test_settings_of_every_example() -> None:
    chance = random.Random(4)
    last, before = None, set[str]()
    for run, bundle, resource, at in settings():
        if chance.random() < (0.1 if is_all() else 0.03):
            value = chance.choice(WRONG)
            if run is not last:
                last, before = run, undecided(run, bundle)
            rules = passed_by_wrong_type(run, bundle, resource, at, value, before)
            assert rules == [], f"{resource.id} {at} {value!r}"
