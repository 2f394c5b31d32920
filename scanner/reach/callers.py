"""The caller of a reach query: the internet, an address, or a resource of the snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from scanner.model.addresses import NO_ADDRESSES, AddressSet, union
from scanner.reach.networks import Destination, Fabric, destination_of, key_of, network_of
from scanner.reach.peerings import peers_of
from scanner.reach.public_addresses import public_addresses
from scanner.reach.senders import egress, parsed_addresses
from scanner.reach.topology import Topology


class Caller(Struct, frozen=True):
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
    senders: tuple[Destination, ...] = ()
    """Where its packets come from, for the outbound rules and routes."""
    why_no_address: str = ""
    """Why its public addresses are not known."""

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
    senders = list(dict.fromkeys(_senders(found.fabric, key_of(resource_id), nics)))
    own = [egress(found.index, found.fabric, sender, public) for sender, public in senders]
    public = [addresses for addresses, _ in own if addresses]
    key = key_of(resource_id)
    if key in public_addresses(found.index):
        public += parsed_addresses(public_addresses(found.index)[key].address)
    subnets = {found.fabric.key(sender.subnet) for sender, _ in senders}
    if not subnets and not public:
        return None
    networks = {network_of(each) for each in subnets}
    networks |= {peer for each in networks for peer in peers_of(found.index).get(each, ())}
    return Caller(
        name,
        union(public) if all(addresses for addresses, _ in own) else NO_ADDRESSES,
        frozenset(subnets),
        frozenset(networks),
        union(_private(found.fabric, [sender for sender, _ in senders])),
        frozenset(group for sender, _ in senders for group in sender.application_groups),
        tuple(sender for sender, _ in senders),
        next((why for addresses, why in own if not addresses), ""),
    )


def _senders(fabric: Fabric, key: str, nics: Iterable[str]) -> Iterator[tuple[Destination, str]]:
    """Yield where packets of a network, a subnet or network interfaces come from, with the id of a public address."""
    for id in (key, *map(key_of, nics)):
        nic = fabric.nics.get(id)
        if nic is None:
            continue
        for each in nic.configurations:
            yield destination_of(nic, each), each.public
    for id in fabric.subnets:
        if key in (id, network_of(id)):
            yield Destination(id), ""


def _private(fabric: Fabric, senders: list[Destination]) -> Iterator[AddressSet]:
    """Yield the private addresses of senders: their own, or the prefixes of their subnets."""
    for each in senders:
        if each.address:
            yield from parsed_addresses(each.address)
        elif each.subnet in fabric.subnets:
            for prefix in fabric.subnets[each.subnet].prefixes:
                yield from parsed_addresses(prefix)
