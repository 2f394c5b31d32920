"""Paths inside a virtual network: from a sender in it, or in a peered one, to the interfaces of a machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.model.exposure import Hop
from scanner.model.ids import name_of
from scanner.model.index import Index
from scanner.model.json_paths import objects_at, text_at
from scanner.model.message import Message
from scanner.model.resource import Children
from scanner.model.verdict import Unread, not_listed
from scanner.reach.networks.fabric import Destination, Fabric, destination_of, id_or_empty, network_of
from scanner.reach.networks.peerings import links_of, peerings_known
from scanner.reach.networks.routes import PASSES, Passage, inside_route, parsed_addresses, system_length
from scanner.reach.paths.load_balancers import LOAD_BALANCERS
from scanner.reach.paths.network_paths import EVERY_PORT, FrontEnd, NetworkPath, configuration_key
from scanner.reach.paths.scale_sets import pools_of, scale_set_ends
from scanner.reach.paths.topology import Topology
from scanner.reach.rules.sources import cached

BEYOND_PEERING: Final = Unread(
    Message("the path inside"),
    Message("paths beyond direct peering (virtual WAN, spokes through a firewall, connected groups) are not evaluated"),
)
BALANCED: Final = Unread(
    Message("the path inside"),
    Message("paths through an internal load balancer are not evaluated; ask for the port behind it"),
)
LINKED: Final = Unread(Message("the path inside"), Message("paths through a private link service are not evaluated"))
LINK_SERVICES: Final = "Microsoft.Network/privateLinkServices"


class PrivateLinks(Struct):
    """The private link services by what they lead to: front ends of load balancers (keys), or an address ("?": one that
    is not known).

    A service shows an address of its own to what is behind it, for any caller of its private endpoints (private-link/
    private-link-service-overview). Callers may be in networks that the scan does not see.
    """

    front_ends: dict[str, list[str]] = field(default_factory=dict)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    gap: bool = False
    """Whether there may be more of them."""

    def at_front_end(self, key: str) -> list[str]:
        """Return the ids of the services before a front end; "" for one that may be."""
        return [*self.front_ends.get(key, ()), *([""] if self.gap else ())]

    def at_address(self, address: str) -> list[str]:
        """Return the ids of the services that lead to an address without a load balancer."""
        return [*self.addresses.get(address, ()), *self.addresses.get("?", ())] if address else []


def private_links(index: Index) -> PrivateLinks:
    return cached(index, "private link services", _private_links)


def _private_links(index: Index) -> PrivateLinks:
    links = PrivateLinks(gap=index.missing.get(LINK_SERVICES.lower()) is not None)
    for each in index.of_type(LINK_SERVICES)[0]:
        for front in objects_at(each.body, "properties.loadBalancerFrontendIpConfigurations"):
            links.front_ends.setdefault(id_or_empty(text_at(front, "id")), []).append(each.id)
        try:
            address = text_at(each.body, "properties.destinationIPAddress")
        except Unread:
            address = "?"  # an older snapshot did not keep it
        if address:
            links.addresses.setdefault(address, []).append(each.id)
    return links


def internal_paths(topology: Topology, nics: Iterable[str]) -> list[NetworkPath]:
    """Return the paths inside virtual networks to these network interfaces (ids): to their own addresses, and over the
    front ends of internal load balancers.
    """
    paths: list[NetworkPath] = []
    for id in nics:
        nic = topology.fabric.nics.get(id_or_empty(id))
        for each in nic.configurations if nic is not None else ():
            assert nic is not None
            key = configuration_key(nic.id, each.name)
            end = destination_of(nic, each)
            balancers = topology.load_balancers
            named = [
                *balancers.pools_of_configuration.get(key, ()),
                *balancers.pools_at(network_of(end.subnet), end.address),
            ]
            paths.append(_direct(end, nic.id))
            paths += _balanced(topology, end, (*each.pools, *named), key, nic.id)
    return paths


def scale_set_internal_paths(topology: Topology, models: Iterable[Any], nics: Children) -> list[NetworkPath]:
    """Return the same to the instances of a scale set (see `scale_set_paths`). Raises Unread for a malformed model."""
    paths: list[NetworkPath] = []
    for model, body, end in scale_set_ends(models, nics):
        missing = (nics.gap,) if nics.gap is not None else ()
        paths.append(_direct(end, "", missing))
        paths += _balanced(topology, end, pools_of(topology, model, body, end), "", "")
    return list(dict.fromkeys(paths))


def _direct(end: Destination, nic: str, missing: tuple[Unread, ...] = ()) -> NetworkPath:
    network = network_of(id_or_empty(end.subnet))
    hop = Hop("network", name_of(network), Message("inside the virtual network or its peers"), network)
    front = FrontEnd(end.address, "inside", EVERY_PORT, end.version, (hop,), missing=missing)
    return NetworkPath(front, end, nic)


def _balanced(
    topology: Topology, end: Destination, pools: tuple[str, ...], configuration: str, nic: str
) -> Iterator[NetworkPath]:
    """Yield the paths over internal front ends, which are not evaluated to the end, and one that may exist."""
    gap = topology.index.missing.get(LOAD_BALANCERS.lower())
    if gap is not None:
        hop = Hop("load-balancer", Message("load balancers"), Message("could not be read"), "", None)
        yield NetworkPath(FrontEnd("", "inside", EVERY_PORT, end.version, (hop,), True, missing=(gap,)), end, nic)
    linked = private_links(topology.index)
    for key, address, rule in topology.load_balancers.inside(pools, configuration):
        hop = Hop("load-balancer", name_of(rule.balancer), rule.detail, rule.balancer, None)
        port = EVERY_PORT if rule.missing is not None else rule.port
        floating = rule.floating is not False
        kept, missing = address if rule.floating else "", (rule.missing or BALANCED,)
        front = FrontEnd(address, "inside", port, end.version, (hop,), floating, kept, missing=missing)
        yield NetworkPath(front, end, nic)
        for service in linked.at_front_end(key):
            reached = replace(front, address="", hops=(_hop_of(service), hop), translates=True, missing=(LINKED,))
            yield NetworkPath(reached, end, nic)
    for service in linked.at_address(end.address):
        front = FrontEnd("", "inside", EVERY_PORT, end.version, (_hop_of(service),), translates=True, missing=(LINKED,))
        yield NetworkPath(front, end, nic)


def _hop_of(service: str) -> Hop:
    return Hop("private-endpoint", name_of(service) or Message("private link services"), LINKED.why, service, None)


def why_not_linked(index: Index, sender: str, target: str) -> Unread | None:
    """Return why packets of a subnet (key) may not get to another one; None where they do.

    Both sides of a peering decide, so that both networks have to be read.
    """
    sender_network, other = network_of(sender), network_of(target)
    if not sender_network or not other:
        return Unread(Message("the path inside"), Message("the virtual network of one of its ends is not known"))
    unread = next((each for each in (sender_network, other) if each not in index.resources), None)
    if unread is not None:
        return not_listed(unread)
    if sender_network == other:
        return None
    link = links_of(index).get(sender_network, {}).get(other)
    if link is None or (link.local_subnets is not None and sender not in link.local_subnets):
        return BEYOND_PEERING
    if link.other is not None and target not in link.other:
        return BEYOND_PEERING
    gap = next((each for each in (sender_network, other) if not peerings_known(index, each)), None)
    if gap is not None:
        return Unread(Message("the peerings of {gap}", gap=name_of(gap)), Message("Azure did not return them"))
    state = Unread(
        Message("the peering of {own} and {other}", own=name_of(sender_network), other=name_of(other)),
        Message("whether it is connected is not known"),
    )
    return link.uncertain or (None if link.proven else state)


THE_ANSWERS: Final = Message("the answers")


def return_route(index: Index, fabric: Fabric, target: str, sender: Destination) -> Passage:
    """Return what the routes of the target's subnet (key) do with the answers to a sender.

    They never block, because the packets themselves arrive.
    """
    subnet = fabric.subnets.get(target)
    if subnet is None or not subnet.table:
        return PASSES
    addresses = parsed_addresses(sender.address)
    if not addresses:
        text = Message("the private address of the sender is not known, so neither is the route of the answers")
        return Passage(
            None, Hop("route", name_of(subnet.table), text, subnet.table, None), Unread(Message("the route back"), text)
        )
    passage = inside_route(index, fabric, subnet, addresses[0], system_length(index, target, addresses[0]), THE_ANSWERS)
    if passage.allows is not False or passage.hop is None:
        return passage
    text = Message("packets arrive, but {detail}", detail=passage.hop.detail)
    return Passage(
        None, Hop("route", passage.hop.name, text, passage.hop.resource, None), Unread(Message("the route back"), text)
    )
