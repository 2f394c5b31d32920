"""Areas: the networks that a firewall leads to, in a form that many firewalls share.

The hubs of a virtual WAN lead to each other's networks, and a hub network to all of its spokes. An area names such sets
and does not copy them, so that a firewall costs the same in a large WAN as in a small one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct


class NetworkSet(Struct, frozen=True, eq=False):
    """Networks (keys), each with the subnets (keys) of it that count, None for all. Areas share it: a set equals itself
    alone, and is not changed.
    """

    subnets: Mapping[str, frozenset[str] | None]


class Area(Struct, frozen=True, eq=False):
    """All networks of some sets, but for the excluded ones (keys)."""

    sets: tuple[NetworkSet, ...]
    excluded: frozenset[str] = frozenset()

    def __contains__(self, network: object) -> bool:
        return network not in self.excluded and any(network in each.subnets for each in self.sets)

    def subnets(self, network: str) -> frozenset[str] | None:
        """Return the subnets of a network (keys) that count, None for all."""
        if network in self.excluded:
            return frozenset()
        return next((each.subnets[network] for each in self.sets if network in each.subnets), frozenset())

    def is_empty(self) -> bool:
        """Return whether the area has no network."""
        return not any(network not in self.excluded for each in self.sets for network in each.subnets)


AnyArea: TypeAlias = "Area | None"
"""None: any network."""


def in_area(area: AnyArea, network: str, subnet: str) -> bool:
    """Return whether a subnet of a network (keys) is in an area."""
    if area is None:
        return True
    subnets = area.subnets(network)
    return subnets is None or subnet in subnets
