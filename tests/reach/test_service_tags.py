"""Service tags: the ones whose reach decides a verdict, and how they may be spelled."""

import pytest

from scanner.reach.service_tags import SERVICE_TAGS, service_tag


@pytest.mark.parametrize(
    ("tag", "reach"),
    [
        ("Internet", "internet"),
        ("INTERNET", "internet"),
        ("VirtualNetwork", "vnet"),
        ("VIRTUAL_NETWORK", "vnet"),
        ("AzureLoadBalancer", "none"),
        ("AZURE_LOADBALANCER", "none"),
        ("GatewayManager", "none"),
        ("ApiManagement", "none"),
        ("ApiManagement.NorwayEast", "none"),
        ("AzureTrafficManager", "none"),
        ("AzureCloud", "azure"),
        ("azurecloud.norwaye", "azure"),
        ("AzureCloud.norwayeast", "azure"),
        ("Storage.NorwayEast", "azure"),
        ("AzureFrontDoor.Backend", "azure"),
        ("azurefrontdoor.backend", "azure"),
        ("AppService", "azure"),
        (" LogicApps ", "azure"),
        ("ActionGroup", "azure"),
    ],
)
def test_reach_of_a_tag(tag: str, reach: str) -> None:
    found = service_tag(tag)
    assert found.reach == reach
    assert found.known
    assert found.name == tag.strip()


@pytest.mark.parametrize("tag", ["NewService", "NewService.NorwayEast", "", ".", "Internet2"])
def test_a_tag_that_is_not_known_is_shared_by_many_tenants_and_never_the_internet(tag: str) -> None:
    found = service_tag(tag)
    assert (found.reach, found.known, found.name) == ("azure", False, tag)


def test_each_row_stands_once_and_has_a_source() -> None:
    names = [tag.name.lower() for tag in SERVICE_TAGS]
    assert len(names) == len(set(names))
    assert all(tag.why and tag.source.startswith("Microsoft Learn: ") for tag in SERVICE_TAGS)


def test_the_control_planes_are_not_confused_with_the_services() -> None:
    for service, management in (("LogicApps", "LogicAppsManagement"), ("DataFactory", "DataFactoryManagement")):
        assert service_tag(service).reach == "azure"
        assert service_tag(management).reach == "none"
