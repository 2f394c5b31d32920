"""Helpers that the rule files of several services share."""

from scanner.model.json_paths import same, text_at
from scanner.model.remedy import Remedy
from scanner.model.resource import Resource


def host(resource: Resource, path: str) -> str:
    """Return the host of the URL at a path; "" without one."""
    return text_at(resource.body, path).split("://", 1)[-1].split("/", 1)[0].split(":", 1)[0]


def by_perimeter(resource: Resource) -> bool:
    """Return whether a perimeter may control access to a resource: publicNetworkAccess is neither Enabled nor Disabled."""
    value = resource.get("properties.publicNetworkAccess")
    return not same(value, "Enabled") and not same(value, "Disabled")


def moved(resource: Resource, tiers: tuple[str, ...], move: str) -> dict[str, Remedy]:
    """Return the steps that close the network of a resource in a tier without a firewall; {} in another tier."""
    lacks = any(same(resource.get("sku.name"), tier) for tier in tiers)
    return {"network": Remedy(steps=(move,))} if lacks else {}
