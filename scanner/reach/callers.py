"""The caller of a reach query: the internet, an address, or a resource of the snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from scanner.model.addresses import NO_ADDRESSES, AddressSet, BadAddress, parse, union
from scanner.model.json_paths import texts_at
from scanner.model.resource import Resource
from scanner.reach.networks import key_of, network_of
from scanner.reach.peerings import peers_of
from scanner.reach.public_addresses import public_address, public_addresses
from scanner.reach.topology import Topology


@dataclass(frozen=True, slots=True)
class Caller:
    """The source of a connection. Without `addresses` and `subnets` it is the internet as a whole.

    `addresses`: its public ones, NO_ADDRESSES where they are not known. A resource in a virtual network also has
    `subnets` (keys), `networks` (keys: its own and their peers), `private_addresses` and `application_groups`.
    """

    name: str
    addresses: AddressSet | None = None
    subnets: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    private_addresses: AddressSet = NO_ADDRESSES
    application_groups: frozenset[str] = frozenset()

    @property
    def in_network(self) -> bool:
        return bool(self.subnets or self.networks)

    @property
    def is_internet(self) -> bool:
        return self.addresses is None and not self.in_network


INTERNET: Final = Caller("the internet")


def caller_of_resource(name: str, resource_id: str, found: Topology, nics: Iterable[str] = ()) -> Caller | None:
    """Return a resource of the snapshot as a caller: a network, a subnet, a network interface, or what has such
    (`nics`).

    None where it is not known in which subnet, or at which address, the resource is.
    """
    fabric, key = found.fabric, key_of(resource_id)
    subnets: set[str] = set()
    private: list[AddressSet] = []
    public: list[AddressSet] = []
    groups: frozenset[str] = frozenset()
    if key in fabric.subnets:
        subnets.add(key)
    subnets |= {each for each in fabric.subnets if network_of(each) == key}
    for id in (key, *map(key_of, nics)):
        nic = fabric.nics.get(id)
        for each in nic.configurations if nic is not None else ():
            subnets.add(each.subnet)
            groups |= each.application_groups
            private += parsed_addresses(each.address)
            public += parsed_addresses(public_address(found.index, each.public).address) if each.public else []
    if key in public_addresses(found.index):
        public += parsed_addresses(public_addresses(found.index)[key].address)
    if not subnets and not public:
        return None
    for subnet in subnets if not private else ():
        for prefix in fabric.subnets[subnet].prefixes if subnet in fabric.subnets else ():
            private += parsed_addresses(prefix)
    for subnet in subnets:
        public += _gateway(subnet, found)
    networks = {network_of(each) for each in subnets}
    networks |= {peer for each in networks for peer in peers_of(found.index).get(each, ())}
    return Caller(name, union(public), frozenset(subnets), frozenset(networks), union(private), groups)


def _gateway(subnet: str, found: Topology) -> list[AddressSet]:
    """Return the public addresses of the NAT gateway of a subnet."""
    out: list[AddressSet] = []
    for gateway in found.index.of_type("Microsoft.Network/natGateways")[0]:
        ids = [key_of(str(each)) for each in _ids(gateway, "properties.subnets")]
        if subnet in ids:
            for path in ("properties.publicIpAddresses", "properties.publicIpPrefixes"):
                for each in _ids(gateway, path):
                    out += parsed_addresses(public_address(found.index, each).address)
    return out


def _ids(resource: Resource, path: str) -> list[str]:
    value = resource.get(path)
    found = [each.get("id") for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return [each for each in found if isinstance(each, str)] or texts_at(resource.body, path)


def parsed_addresses(text: str) -> list[AddressSet]:
    try:
        return [parse(text)] if text else []
    except BadAddress:
        return []
