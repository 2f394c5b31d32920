"""The topology of an index: every network path from outside to a network interface.

Sources: Microsoft Learn, virtual-network/ip-services/public-ip-addresses, and those of `load_balancers` and
`azure_firewall`. Outbound rules, NAT gateways and Traffic Manager (which answers DNS) make no path.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from scanner.model.addresses import Version
from scanner.model.ids import name_of, subscription_of
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.verdict import Unread
from scanner.reach.networks.fabric import (
    Destination,
    Fabric,
    IpConfiguration,
    Nic,
    destination_of,
    fabric_of,
    network_of,
)
from scanner.reach.networks.public_addresses import public_address
from scanner.reach.paths.azure_firewall import FIREWALLS, add_firewall, firewalls_unread
from scanner.reach.paths.load_balancers import LOAD_BALANCERS, LoadBalancers
from scanner.reach.paths.network_paths import (
    FrontEnd,
    FrontEnds,
    NetworkPath,
    configuration_key,
    gateway_hop,
    possible_front_end,
    unread_front_ends,
)
from scanner.reach.rules.sources import cached

_VERSIONS: Final[tuple[Version, ...]] = (4, 6)


@dataclass(slots=True)
class Topology:
    """The front ends of an index, and the network paths that they make."""

    index: Index
    fabric: Fabric
    front_ends: FrontEnds = field(default_factory=FrontEnds)
    load_balancers: LoadBalancers = field(init=False)

    def __post_init__(self) -> None:
        self.load_balancers = LoadBalancers(self.index, self.front_ends)
        self.load_balancers.read()
        for each in self.index.of_type(FIREWALLS)[0]:
            add_firewall(each, self.fabric, self.load_balancers)

    def paths(self, nic: Nic) -> list[NetworkPath]:
        """Return the paths to a network interface, on every address of it."""
        network_paths = [path for each in nic.configurations for path in self.paths_to(nic, each)]
        if nic.malformed:
            front = possible_front_end(
                Unread(nic.malformed, Message("{id} has an undocumented form", id=name_of(nic.id)))
            )
            ends = [Destination("", nic.group, version=version) for version in _VERSIONS]
            network_paths += [NetworkPath(front, end, nic.id) for end in ends]
        return network_paths

    def paths_to(self, nic: Nic, configuration: IpConfiguration) -> list[NetworkPath]:
        """Return the paths to one IP configuration of a network interface."""
        destination = destination_of(nic, configuration)
        network, address = network_of(configuration.subnet), configuration.address
        key = configuration_key(nic.id, configuration.name)
        balancers = self.load_balancers
        fronts = [self.public_front_end(configuration.public, configuration.gateway)] if configuration.public else []
        pools = [*balancers.pools_of_configuration.get(key, ()), *balancers.pools_at(network, address)]
        for pool in dict.fromkeys((*pools, *configuration.pools)):
            fronts += self.front_ends.by_pool.get(pool, ())
        fronts += balancers.to_unknown_address(network, address)
        fronts += self.front_ends.by_configuration.get(key, ())
        fronts += self.front_ends.at(network, address, configuration.subnet)
        fronts += balancers.of_unread(configuration.pools)
        fronts += self.possible_front_ends(nic.id, network, (key, *pools, *configuration.pools))
        return [NetworkPath(front, destination, nic.id) for front in fronts]

    def public_front_end(self, public: str, gateway: str = "") -> FrontEnd:
        """Return the front end of a public address (its id) on a network interface.

        `gateway`: the front end (key) of a gateway load balancer that the interface is chained to.
        """
        address = public_address(self.index, public)
        hops = (address.hop, gateway_hop(gateway)) if gateway else (address.hop,)
        return FrontEnd(
            address.address, address.entry, version=address.version, hops=hops, sku_unread=address.sku_unread
        )

    def possible_front_ends(self, id: str, network: str, named: Iterable[str] = ()) -> list[FrontEnd]:
        """Return what may lead to an id, because load balancers or firewalls were not read.

        `network`: the key of its network; `named`: its own key, and those of the pools that it is in.
        """
        index, subscription = self.index, subscription_of(id)
        # A pool may name addresses in a network of another subscription, which shows nothing of it.
        firewalls = firewalls_unread(index, subscription, network)
        front_ends = unread_front_ends(index.missing.get(LOAD_BALANCERS.lower()), firewalls)
        if self.load_balancers.malformed:
            keys, known = tuple(named), index.resources.get(network)
            region = known.location if known is not None else ""
            front_ends += [
                each.front_end for each in self.load_balancers.malformed if each.reaches(network, region, keys)
            ]
        if subscription in index.partial:
            missing = Unread(
                f"/subscriptions/{subscription}", Message("only part of the subscription is visible to this scan")
            )
            front_ends += unread_front_ends(missing, missing)
        return front_ends


def groups_on_paths(result: Topology, *, certain: bool = True) -> set[str]:
    """Return the keys of the network security groups on a path from outside; not `certain`: also on a possible one."""
    return cached(result.index, f"groups on a path {certain}", lambda _: _groups_on_paths(result, certain))


def _groups_on_paths(topology: Topology, certain: bool) -> set[str]:
    matches: set[str] = set()
    for nic in topology.fabric.nics.values():
        for each in nic.configurations:
            subnet = topology.fabric.subnets.get(each.subnet)
            above = subnet.group if subnet is not None else ""
            if {nic.group, above} <= matches | {""}:
                continue
            if any(not (certain and path.front_end.missing) for path in topology.paths_to(nic, each)):
                matches |= {nic.group, above}
    return matches - {""}


def topology(index: Index) -> Topology:
    """Return the topology of an index, made once."""
    return cached(index, "topology", lambda _: Topology(index, fabric_of(index)))
