"""What is known of regions: their availability zones, from Microsoft's list and from ARM's."""

from scanner.model.regions import TABLE, WITHOUT_ZONES, of_arm


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
