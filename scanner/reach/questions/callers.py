"""The caller of a reach query: the internet, an address, or a resource of the snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from scanner.model.addresses import ALL_IPV4, ALL_IPV6, NO_ADDRESSES, AddressSet, Version, union
from scanner.model.ids import name_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path
from scanner.model.message import NOTHING, Message
from scanner.model.verdict import Unread, not_listed
from scanner.reach.networks.fabric import Destination, Fabric, Nic, destination_of, id_or_empty, network_of
from scanner.reach.networks.public_addresses import public_addresses
from scanner.reach.paths.network_paths import configuration_key
from scanner.reach.paths.topology import Topology
from scanner.reach.questions.senders import Egress, egress, parsed_addresses

NICS: Final = "Microsoft.Network/networkInterfaces"


class Sender(Struct, frozen=True):
    """Where packets of a caller come from: one IP configuration, or the addresses of a subnet without an interface.

    `place.address`: its private address or the prefix of the subnet, "" where it is not known.
    """

    destination: Destination
    addresses: AddressSet = NO_ADDRESSES
    """The private addresses that it may have."""
    egress: Egress = Egress(NO_ADDRESSES)
    """The public addresses that it may show."""
    missing: Unread | None = None
    """What of it was not read."""


class Caller(Struct, frozen=True):
    """The source of a connection. Without `addresses` and `senders` it is the internet as a whole."""

    name: str
    addresses: AddressSet | None = None
    """Its public ones, NO_ADDRESSES where they are not known. A resource in a virtual network has `senders`."""
    senders: tuple[Sender, ...] = ()
    missing: tuple[Unread, ...] = ()
    """Why it may have more of them."""
    is_area: bool = False
    """It is a network or a subnet, so that each of its addresses counts; of any other resource one is enough."""

    @property
    def in_network(self) -> bool:
        return bool(self.senders or self.missing)

    @property
    def is_internet(self) -> bool:
        return self.addresses is None and not self.in_network

    @property
    def private_addresses(self) -> AddressSet:
        return union(each.addresses for each in self.senders)

    @property
    def application_groups(self) -> frozenset[str]:
        """Return the application security groups of its only sender; none of several, which may differ."""
        return self.senders[0].destination.application_groups if len(self.senders) == 1 else frozenset()

    @property
    def why_no_address(self) -> Message:
        """Return why its public addresses are not known."""
        return next((each.egress.why for each in self.senders if not each.egress.addresses), NOTHING)

    def each(self) -> Iterator[Caller]:
        """Yield the caller once for each sender, as that sender alone; itself where it has none."""
        if not self.senders:
            yield self
        for one in self.senders:
            yield replace(self, addresses=one.egress.addresses, senders=(one,), missing=())


INTERNET: Final = Caller("the internet")


def caller_of_resource(
    name: str,
    resource_id: str,
    topology: Topology,
    nics: Iterable[str] = (),
    more: Iterable[Sender] = (),
    *,
    bare: bool = False,
) -> Caller | None:
    """Return a resource of the snapshot as a caller: a network, a subnet, a network interface, or what has such
    (`nics`, `more`). `bare`: it is a machine by itself, which has default outbound access where its subnet gives it.

    None where it is not known in which subnet, or at which address, the resource is.
    """
    key = id_or_empty(resource_id)
    senders, missing = list(more), []
    for id in (key, *map(id_or_empty, nics)):
        nic = topology.fabric.nics.get(id)
        if nic is not None:
            senders += _of_nic(topology, nic, bare=bare)
            missing += (
                [Unread(nic.malformed, Message("{id} has an undocumented form", id=name_of(nic.id)))]
                if nic.malformed
                else []
            )
        elif id != key:
            missing.append(topology.index.missing_in(NICS, id) or not_listed(id))
    area = [id for id in topology.fabric.subnets if key in (id, network_of(id))]
    if area or _is_network(topology.index, key):
        senders += _of_subnets(topology, area)
        missing += _why_more_interfaces(topology.index, key)
        missing += _unlisted_subnets(topology, key)
    own = public_addresses(topology.index).get(key)
    public = parsed_addresses(own.address) if own is not None else []
    if not senders and not missing and not public:
        return None
    known = all(each.egress.addresses for each in senders)
    addresses = union([*public, *(each.egress.addresses for each in senders)]) if known else NO_ADDRESSES
    return Caller(name, addresses, tuple(dict.fromkeys(senders)), tuple(dict.fromkeys(missing)), bool(area))


def _is_network(index: Index, key: str) -> bool:
    return "/virtualnetworks/" in key and "/subnets/" not in key and key in index.resources


def _why_more_interfaces(index: Index, key: str) -> Iterator[Unread]:
    """Yield why a network or a subnet may have subnets or interfaces that were not read."""
    network = index.resources.get(network_of(key))
    if network is not None and not isinstance(get_path(network.body, "properties.subnets"), list):
        yield Unread(f"the subnets of {network.name}", Message("Azure did not return them"))
    gap = index.missing_in(NICS, key)
    if gap is not None:
        yield gap
    subscription = key.split("/")[2] if key.startswith("/subscriptions/") else ""
    if subscription in index.partial:
        yield Unread(f"/subscriptions/{subscription}", Message("only part of the subscription is visible to this scan"))


def _of_nic(topology: Topology, nic: Nic, *, bare: bool = False) -> Iterator[Sender]:
    """Yield a sender for each IP configuration of a network interface."""
    balancers = topology.load_balancers
    for each in nic.configurations:
        key = configuration_key(nic.id, each.name)
        pooled = not bare or bool(each.pools or balancers.pools_of_configuration.get(key))
        pooled |= bool(balancers.pools_at(network_of(each.subnet), each.address) or balancers.malformed)
        pooled |= topology.index.missing_in("Microsoft.Network/loadBalancers", nic.id) is not None
        yield sender_at(topology, destination_of(nic, each), each.public, pooled=pooled)


def sender_at(
    topology: Topology,
    destination: Destination,
    public: str = "",
    *,
    pooled: bool = True,
    missing: Unread | None = None,
) -> Sender:
    """Return the sender of one IP configuration. `public`: the id of its public address, "" without one."""
    prefixes = parsed_addresses(destination.address) or list(_prefixes(topology.fabric, destination))
    shown = egress(topology.index, topology.fabric, destination, public, pooled=pooled)
    return Sender(destination, union(prefixes), shown, missing)


def _prefixes(fabric: Fabric, destination: Destination) -> Iterator[AddressSet]:
    """Yield the prefixes of the subnet of an IP configuration whose address is not known."""
    family = ALL_IPV6 if destination.version == 6 else ALL_IPV4
    subnet = fabric.subnets.get(fabric.key(destination.subnet))
    for prefix in subnet.prefixes if subnet is not None else ():
        for addresses in parsed_addresses(prefix):
            yield addresses & family


def _unlisted_subnets(topology: Topology, key: str) -> Iterator[Unread]:
    """Yield the subnets of a network that an interface is in, and that the network does not list."""
    known = {each.subnet for nic in topology.fabric.nics.values() for each in nic.configurations}
    for subnet in sorted(known - topology.fabric.subnets.keys()):
        if subnet and network_of(subnet) == key:
            yield Unread(subnet, Message("an interface is in it, and its network does not list it"))


def _of_subnets(topology: Topology, subnets: list[str]) -> Iterator[Sender]:
    """Yield the network interfaces in these subnets (keys), and for each prefix the addresses without one."""
    inside: dict[str, list[Sender]] = {each: [] for each in subnets}
    for nic in topology.fabric.nics.values():
        if any(each.subnet in inside for each in nic.configurations):
            for one in _of_nic(topology, nic):
                if one.destination.subnet in inside:
                    inside[one.destination.subnet].append(one)
    for id, senders in inside.items():
        yield from senders
        taken = union(parsed for each in senders for parsed in parsed_addresses(each.destination.address))
        prefixes = topology.fabric.subnets[id].prefixes
        for prefix in prefixes:
            for addresses in parsed_addresses(prefix):
                free = addresses - taken
                version: Version = 6 if addresses.v6 else 4
                destination = Destination(id, address=prefix, version=version)
                if free:
                    yield replace(sender_at(topology, destination), addresses=free)
        if not prefixes:
            missing = Unread(f"the address prefix of {name_of(id)}", Message("Azure did not return it"))
            yield sender_at(topology, Destination(id), missing=missing)
