"""What is known of regions: their availability zones, from Microsoft's list and from ARM's."""

from scanner.azure.clouds import CLOUDS
from scanner.model.regions import TABLE, WITHOUT_ZONES, authority_of, of_arm


def of(**more: object) -> dict[str, object]:
    return {"name": "northcentralus", "metadata": {"geography": "United States", "regionType": "Physical"}, **more}


def test_regions_without_zones_are_regions_of_the_table() -> None:
    assert set(TABLE) >= WITHOUT_ZONES
    assert TABLE["northcentralus"].lacks_zones
    assert not TABLE["norwayeast"].lacks_zones


def test_a_region_for_which_arm_names_zones_has_some() -> None:
    assert of_arm([of()])["northcentralus"].lacks_zones
    assert of_arm([of(availabilityZoneMappings=None)])["northcentralus"].lacks_zones
    zones = [{"logicalZone": "1", "physicalZone": "northcentralus-az1"}]
    assert not of_arm([of(availabilityZoneMappings=zones)])["northcentralus"].lacks_zones


def test_a_region_that_only_arm_lists_counts_as_one_with_zones() -> None:
    new = {"name": "denmarkeast", "metadata": {"geography": "Denmark", "regionType": "Physical"}}
    assert not of_arm([new])["denmarkeast"].lacks_zones


def test_the_region_tells_who_signs_in_to_its_cloud() -> None:
    regions = {"public": "Norway East", "us-government": "USGov Virginia", "china": "China North 3"}
    assert {name: authority_of(region) for name, region in regions.items()} == {
        name: each.authority for name, each in CLOUDS.items()
    }
    assert authority_of("usdodeast") == CLOUDS["us-government"].authority
    assert authority_of(None) == authority_of("") == authority_of("global") == CLOUDS["public"].authority
