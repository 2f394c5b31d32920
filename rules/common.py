"""Helpers that the rule files of several services share."""

from scanner.model.exposure import Auth, Lock
from scanner.model.json_paths import same, text_at
from scanner.model.resource import Resource


def host(resource: Resource, path: str) -> str:
    """Return the host of the URL at a path, "" where there is none."""
    return text_at(resource.body, path).split("://", 1)[-1].split("/", 1)[0].split(":", 1)[0]


def by_perimeter(resource: Resource) -> bool:
    """Return whether a perimeter may decide over a resource: its public switch says so, or has no known value."""
    value = resource.get("properties.publicNetworkAccess")
    return not same(value, "Enabled") and not same(value, "Disabled")


def closing(resource: Resource, authentication: Lock, tiers: tuple[str, ...], disable: str, move: str) -> str:
    """Return the fix of a resource whose tier has no firewall: `disable` its keys, or the `move` where these are off.

    "" for a resource of another tier.
    """
    if not any(same(resource.get("sku.name"), tier) for tier in tiers):
        return ""
    levels = [each.level for each in authentication.grants]
    levels += [each.level for each in authentication.possible_grants]
    return disable if Auth.shared in levels else move
