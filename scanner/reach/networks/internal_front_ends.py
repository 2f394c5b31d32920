"""The internal front ends of load balancers, by the private address that a DNAT rule translates to.

Large estates have the same address in many networks, so that the front ends of a shared set of networks are looked
up once for an address, not once a rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from scanner.reach.networks.areas import AnyArea, NetworkSet, in_area
from scanner.reach.networks.fabric import network_of


class InternalFrontEnd(NamedTuple):
    """A front end in a subnet ("": not known); `number` is its place in the record. Ids are keys."""

    number: int
    subnet: str
    key: str


class InternalFrontEnds:
    """Internal front ends by private address ("": not known) and by virtual network ("": not known)."""

    def __init__(self) -> None:
        self._count = 0
        self._by_address: dict[str, dict[str, list[InternalFrontEnd]]] = defaultdict(lambda: defaultdict(list))
        self._of_set: dict[tuple[NetworkSet, str], list[InternalFrontEnd]] = {}

    def add(self, address: str, subnet: str, key: str) -> None:
        """Add a front end. All are added before the first question."""
        self._by_address[address][network_of(subnet)].append(InternalFrontEnd(self._count, subnet, key))
        self._count += 1

    def at(self, address: str, area: AnyArea) -> list[str]:
        """Return the front ends at an address in an area."""
        return _keys(self._at(address, area))

    def possibly_at(self, address: str, area: AnyArea) -> list[str]:
        """Return the front ends that may be at an address: theirs, or their network, is not known."""
        unknown = {*self._at("", area), *self._in_network("", "")}
        return _keys(unknown) + _keys(self._in_network(address, ""))

    def _at(self, address: str, area: AnyArea) -> Iterable[InternalFrontEnd]:
        if area is None:
            return [
                each
                for internal_front_ends in self._by_address.get(address, {}).values()
                for each in internal_front_ends
            ]
        internal_front_ends = {each for networks in area.sets for each in self._in_set(address, networks)}
        return [each for each in internal_front_ends if in_area(area, network_of(each.subnet), each.subnet)]

    def _in_set(self, address: str, networks: NetworkSet) -> list[InternalFrontEnd]:
        """Return the front ends at an address in a set of networks, whatever their subnets."""
        key = (networks, address)
        if key not in self._of_set:
            there = self._by_address.get(address, {})
            fewer, more = sorted((there, networks.subnets), key=len)
            self._of_set[key] = [each for network in fewer if network in more for each in there[network]]
        return self._of_set[key]

    def _in_network(self, address: str, network: str) -> list[InternalFrontEnd]:
        return self._by_address.get(address, {}).get(network, [])


def _keys(internal_front_ends: Iterable[InternalFrontEnd]) -> list[str]:
    """Return the keys of front ends, in the order of the record."""
    return [each.key for each in sorted(internal_front_ends)]
