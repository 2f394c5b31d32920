"""Helpers that the rule files of several services share."""

from scanner.model.exposure import Auth, Lock
from scanner.model.json_paths import same, text_at
from scanner.model.resource import Resource


def host(resource: Resource, path: str) -> str:
    """Return the host of the URL at a path; "" without one."""
    return text_at(resource.body, path).split("://", 1)[-1].split("/", 1)[0].split(":", 1)[0]


def by_perimeter(resource: Resource) -> bool:
    """Return whether a perimeter may control access to a resource: publicNetworkAccess is neither Enabled nor Disabled."""
    value = resource.get("properties.publicNetworkAccess")
    return not same(value, "Enabled") and not same(value, "Disabled")


def closing(resource: Resource, authentication: Lock, tiers: tuple[str, ...], disable: str, move: str) -> str:
    """Return the fix of a resource in a tier without a firewall: `disable` its keys, or `move` it where keys are disabled.

    "" for a resource of another tier.
    """
    if not any(same(resource.get("sku.name"), tier) for tier in tiers):
        return ""
    levels = [each.level for each in authentication.grants]
    levels += [each.level for each in authentication.possible_grants]
    return disable if Auth.shared in levels else move
