"""The checks of availability zones that a row cannot express: a list of regions, of node pools, or two properties."""

from collections.abc import Iterator

from scanner.model.index import Index
from scanner.model.json_paths import is_absent, is_list_of_texts, same, spelled, value_at
from scanner.model.message import Message
from scanner.model.regions import region_name
from scanner.model.resource import Resource
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    malformed,
    unknown,
    unknown_value,
)


def _rows(resource: Resource, path: str) -> list[object]:
    """Return the rows of a list. Raise Unread where it was not returned, or is empty."""
    value = resource.require(path)
    if not isinstance(value, list) or not value:
        raise Unread(path, Message("Azure returned no items"))
    return value


def _lacks_zones(location: object, index: Index) -> bool:
    """Return whether a region is known to have no availability zones."""
    known = index.residency.regions.get(region_name(location))
    return known is not None and known.lacks_zones


def cosmos_region(resource: Resource, index: Index) -> Verdict:
    """Fail where a region of a Cosmos DB account is not zone-redundant."""
    path = "properties.locations"
    every = _rows(resource, path)
    matches = [each for each in every if not _lacks_zones(value_at(each, "locationName"), index)]
    if not matches:
        return NotApplicable(Message("none of its regions has availability zones"))
    names = [spelled(value_at(each, "locationName")) for each in matches]
    zones = [value_at(each, "isZoneRedundant") for each in matches]
    single = [name for name, value in zip(names, zones, strict=True) if same(value, False)]
    if single:
        return Fail((Evidence(f"{path}[].isZoneRedundant", single, True),))
    seen = Evidence(f"{path}[].isZoneRedundant", [None if is_absent(each) else each for each in zones], True)
    if all(same(each, True) for each in zones):
        return Pass((seen,))
    return unknown(
        Unread(seen.path, Message("Azure did not return it, or returned an unrecognized value")), evidence=(seen,)
    )


def redis_cache(resource: Resource, index: Index) -> Verdict:
    """Fail where a Redis cache is in one zone, or in none."""
    policy, zones = resource.get("properties.zonalAllocationPolicy"), resource.get("zones")
    tier = resource.require("properties.sku.name")
    if same(tier, "Basic"):
        return NotApplicable(Message("a cache of the Basic tier is one node"))
    if not isinstance(tier, str):
        raise malformed("properties.sku.name")
    if not is_absent(zones) and not is_list_of_texts(zones):
        raise malformed("zones")
    seen = (resource.evidence("properties.zonalAllocationPolicy", "Automatic"), resource.evidence("zones"))
    if same(policy, "Automatic") or (isinstance(zones, list) and len(zones) > 1):
        return Pass(seen)
    if same(policy, "NoZones") or (isinstance(zones, list) and len(zones) == 1):
        return Fail(seen)
    # azure-mgmt-redis ZonalAllocationPolicy: what an absent policy is depends on the region and the age of the cache.
    path = "properties.zonalAllocationPolicy"
    return unknown(
        Unread(path, Message("Azure did not return it")) if is_absent(policy) else unknown_value(path, policy)
    )


def node_pools(resource: Resource, index: Index) -> Verdict:
    """Fail where a node pool of a cluster is in fewer than two zones."""
    path = "properties.agentPoolProfiles"
    single, seen = [], []
    for each in _rows(resource, path):
        zones = value_at(each, "availabilityZones")
        if not is_absent(zones) and not isinstance(zones, list):
            raise malformed(f"{path}[].availabilityZones")
        if is_absent(zones) and resource.api_version_unknown:
            raise Unread(f"{path}[].availabilityZones", Message("missing from a record of unknown API version"))
        known = zones if isinstance(zones, list) else []
        seen.append(len(known))
        if len(known) < 2:
            single.append(spelled(value_at(each, "name")))
    if single:
        return Fail((Evidence(f"{path}[].availabilityZones", single, Message("two or more")),))
    return Pass((Evidence(f"{path}[].availabilityZones", seen, Message("two or more")),))


def api_management(resource: Resource, index: Index) -> Verdict:
    """Fail where a region of an API Management instance is in one zone. Without zones Azure chooses them by region and
    platform.
    """
    tier = resource.require("sku.name")
    if not isinstance(tier, str):
        return unknown(unknown_value("sku.name", tier))
    if not same(tier, "Premium"):
        return NotApplicable(Message("zones can be chosen in the Premium tier only"))
    single: list[Evidence] = []
    spread: list[Evidence] = []
    unclear: list[Unread] = []
    for where, zones, path in _gateways(resource, index):
        if not isinstance(zones, list) or not zones:
            unclear.append(Unread(path, Message("Azure chooses the zones, and does not return them")))
            continue
        seen = Evidence(path, f"{where}: {', '.join(map(spelled, zones))}", Message("two or more"))
        (single if len(zones) == 1 else spread).append(seen)
    if single:
        return Fail(tuple(single))
    if unclear:
        return unknown(*unclear, evidence=tuple(spread))
    return Pass(tuple(spread)) if spread else NotApplicable(Message("none of its regions has availability zones"))


def _gateways(service: Resource, index: Index) -> Iterator[tuple[str, object, str]]:
    """Yield region, zones and path of each gateway of an API Management instance, of regions with availability zones."""
    path = "properties.additionalLocations"
    regions = [(service.location, service.get("zones"), "zones")]
    more = [(value_at(each, "location"), value_at(each, "zones"), f"{path}[].zones") for each in service.objects(path)]
    for where, zones, at in (*regions, *more):
        if not _lacks_zones(where, index):
            yield spelled(where), zones, at


def zones_of(resource: Resource, index: Index) -> Verdict:
    """Fail where a cluster is in fewer than two zones. None is one, which Azure chose."""
    value = resource.get("zones")
    seen = resource.evidence("zones", ["1", "2", "3"])
    if is_absent(value) or value == []:
        return unknown(Unread("zones", why)) if (why := resource.why_absent_is_unknown) else Fail((seen,))
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        return unknown(unknown_value("zones", value))
    return Pass((seen,)) if len(set(value)) > 1 else Fail((seen,))
