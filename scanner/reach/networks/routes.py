"""Where the routes of a subnet send a packet: the system routes of its network, and those of its route table.

Sources: Microsoft Learn, virtual-network/virtual-networks-udr-overview (the longest prefix wins, and of two equal ones
the user-defined route; system routes of networks, peerings and service endpoints come before those that a gateway
advertises), private-link/disable-private-endpoint-network-policy (the route of a private endpoint is a /32).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from scanner.model.addresses import BITS, PUBLIC_ADDRESSES, AddressSet, BadAddress, Version, parse, union
from scanner.model.exposure import Hop
from scanner.model.ids import name_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, objects_at, same, text_at, texts_at
from scanner.model.message import NOTHING, Message
from scanner.model.verdict import Unread, not_listed
from scanner.reach.networks.fabric import Fabric, Route, RouteTable, Subnet, id_or_empty, network_of
from scanner.reach.networks.peerings import is_connected, is_hub_network, links_of

_TAG: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_GATEWAYS: Final = ("gatewaysubnet", "routeserversubnet")


class Passage(NamedTuple):
    """Whether a packet gets on."""

    allows: bool | None
    hop: Hop | None = None
    """What decides."""
    missing: Unread | None = None
    """Why it is not known (`allows` None)."""


PASSES: Final = Passage(True)
THE_PACKET: Final = Message("the packet")


def inside_route(
    index: Index, fabric: Fabric, subnet: Subnet, target: AddressSet, system: int | None, what: Message = THE_PACKET
) -> Passage:
    """Return what the routes of a subnet do with a packet to a private address.

    `system`: the length of the prefix of the system route that leads there, None where it is not known. `what`: what
    is sent, as a text says it.
    """
    table = fabric.tables.get(subnet.table) if subnet.table else None
    if subnet.table and table is None:
        return _unread(subnet.table)
    if table is None:
        return PASSES
    every = [route for route, addresses, length in _parsed(table) if addresses & target and length >= (system or 0)]
    if system is None and every:
        text = Message(
            "the address space of the target's network was not collected, and the route {prefix} may apply",
            prefix=every[0].prefix,
        )
        return Passage(None, Hop("route", name_of(table.id), text, table.id, None), Unread(_what(table), text))
    near = any(each.covers(target) for each in _spaces(index, subnet.network))
    return _decided(table, _chosen(table, target, system or 0), "VnetLocal" if near else "", what)


def outside_route(index: Index, fabric: Fabric, subnet: Subnet, target: AddressSet, *, direct: bool = False) -> Passage:
    """Return what the routes of a subnet do with a packet to public addresses; one of them, where it is not known
    which.

    `direct`: the subnet has a service endpoint for the target, whose route is more specific than a default route.
    """
    table = fabric.tables.get(subnet.table) if subnet.table else None
    if subnet.table and table is None:
        return _unread(subnet.table)
    if table is not None:
        routes = _chosen(table, target, 1 if direct else 0, tags=True)
        passage = _decided(table, routes, "Internet")
        if passage.allows is not True:
            return passage
    why = (
        NOTHING if direct or (table is not None and table.isolated) else why_more_routes(index, fabric, subnet.network)
    )
    if not why:
        return PASSES
    return Passage(None, Hop("route", name_of(subnet.network), why, subnet.network, None), Unread(_SYSTEM, why))


_SYSTEM: Final = Message("the effective routes of the sender")


def why_more_routes(index: Index, fabric: Fabric, network: str) -> Message:
    """Return why a network (its key) may have routes that no route table shows; "" where it has none."""
    body = index.resources.get(network)
    if body is None:
        return Message("the virtual network {network} was not collected", network=name_of(network))
    if any(f"{network}/subnets/{each}" in fabric.subnets for each in _GATEWAYS):
        return Message("a gateway in {name} may advertise routes", name=body.name)
    peerings = get_path(body.body, "properties.virtualNetworkPeerings")
    if not isinstance(peerings, list):
        return Message("the peerings of {name} were not returned", name=body.name)
    for each in objects_at(body.body, "properties.virtualNetworkPeerings"):
        remote = text_at(each, "properties.remoteVirtualNetwork.id")
        if not is_connected(each):
            continue
        if is_hub_network(id_or_empty(remote)):
            return Message("the virtual hub of {name} may advertise routes", name=body.name)
        if same(get_path(each, "properties.useRemoteGateways"), True):
            return Message(
                "the gateway of {remote} may advertise routes", remote=name_of(remote) or Message("a peered network")
            )
    return NOTHING


def system_length(index: Index, subnet: str, target: AddressSet) -> int | None:
    """Return the length of the prefix of the system route from a subnet (key) to private addresses, of its own network
    or of a linked one; None where it is not known.
    """
    network = network_of(subnet)
    near = [network, *(peer for peer, link in links_of(index).get(network, {}).items() if link.uncertain is None)]
    lengths: list[int] = []
    for each in near:
        lengths += [_length(space) for space in _spaces(index, each) if space.covers(target)]
    return max(lengths, default=None)


def _spaces(index: Index, network: str) -> list[AddressSet]:
    """Return the address spaces of a network (its key); [] where it was not read."""
    body = index.resources.get(network)
    texts = texts_at(body.body, "properties.addressSpace.addressPrefixes") if body is not None else []
    return [addresses for text in texts for addresses in parsed_addresses(text)]


def detour(index: Index, fabric: Fabric, subnet: Subnet, version: Version) -> Message:
    """Return why packets of a subnet to public addresses may leave over something else than its default route, which
    may show an address of its own; "" where they do not.
    """
    table = fabric.tables.get(subnet.table) if subnet.table else None
    for each in _chosen(table, PUBLIC_ADDRESSES.of_version(version), 0, tags=True) if table is not None else ():
        whole = any(
            address_set.covers(PUBLIC_ADDRESSES.of_version(version)) for address_set in parsed_addresses(each.prefix)
        )
        if not whole and _effect(each, "Internet") is None:
            return Message(
                "the route {prefix} of its subnet leads to {address}",
                prefix=each.prefix,
                address=each.address or each.hop,
            )
    if table is not None and (table.unclear or table.isolated):
        return table.unclear
    return why_more_routes(index, fabric, subnet.network)


def _chosen(table: RouteTable, target: AddressSet, at_least: int, tags: bool = False) -> list[Route]:
    """Return the routes that may take a packet to one of these addresses: the longest one that covers them all, and
    longer ones for a part. [] where the system route does.
    """
    fits = [each for each in _parsed(table) if each[2] >= at_least and each[1] & target]
    whole = [each for each in fits if each[1].covers(target)]
    best = max(whole, key=lambda each: each[2], default=None)
    least = best[2] if best is not None else at_least
    routes = [route for route, addresses, length in fits if length > least and not addresses.covers(target)]
    routes += _of_tags(table) if tags else ()
    if best is not None:
        return [best[0], *routes]
    return [_SYSTEM_ROUTE, *routes] if routes else []


_SYSTEM_ROUTE: Final = Route(Message("the system route"), "")


def _of_tags(table: RouteTable) -> list[Route]:
    """Return the routes whose prefix is a service tag, or no prefix at all."""
    return [each for each in table.routes if not parsed_addresses(each.prefix)]


def _decided(table: RouteTable, routes: list[Route], direct: str, what: Message = THE_PACKET) -> Passage:
    """Return what these routes do, where it is not known which of them applies.

    `direct`: the next hop that leads to the target and nowhere else, "" where only the system route does.
    """
    effects = [_effect(each, direct) for each in routes]
    broken = table.unclear or next(
        (
            Message("the route {prefix} is not known", prefix=each.prefix)
            for each in _of_tags(table)
            if not _TAG.fullmatch(each.prefix)
        ),
        NOTHING,
    )
    if broken:
        hop = Hop("route", name_of(table.id), broken, table.id, None)
        return Passage(None, hop, Unread(_what(table), broken))
    if all(each is True for each in effects):
        return PASSES
    route = next(each for each, effect in zip(routes, effects, strict=True) if effect is not True)
    if all(each is False for each in effects):
        text = Message("the route {prefix} to None drops {what}", prefix=route.prefix, what=what)
        return Passage(False, Hop("route", name_of(table.id), text, table.id, False))
    if same(route.hop, "None"):
        text = Message("the route {prefix} drops the packet, if the target is in it", prefix=route.prefix)
        return Passage(None, Hop("route", name_of(table.id), text, table.id, None), Unread(_what(table), text))
    text = Message("the route {prefix} leads to {address}", prefix=route.prefix, address=route.address or route.hop)
    hop = Hop("route", name_of(table.id), text, table.id, None)
    return Passage(None, hop, Unread(text, Message("what is allowed there is not known")))


def _effect(route: Route, direct: str) -> bool | None:
    if same(route.hop, "None"):
        return False
    return True if same(route.hop, direct) or route is _SYSTEM_ROUTE else None


def _parsed(table: RouteTable) -> Iterator[tuple[Route, AddressSet, int]]:
    """Yield the routes with a prefix of addresses, with these and the length of the prefix."""
    for each in table.routes:
        address_sets = parsed_addresses(each.prefix)
        if address_sets:
            addresses = union(address_sets)
            yield each, addresses, _length(addresses)


def _length(addresses: AddressSet) -> int:
    """Return the length of the prefix of a network."""
    version: Version = 4 if addresses.v4 else 6
    return BITS[version] - (addresses.size(version) - 1).bit_length()


def _what(table: RouteTable) -> Message:
    return Message("the route table {id}", id=name_of(table.id))


def _unread(table: str) -> Passage:
    """Return the passage by a route table (key) that was not read."""
    missing = (
        not_listed(table)
        if table.count("/") > 1
        else Unread(Message("the route table"), Message("its id was not returned"))
    )
    return Passage(
        None, Hop("route", name_of(table), Message("the route table was not collected"), table, None), missing
    )


def parsed_addresses(text: str) -> list[AddressSet]:
    """Return the addresses of a text; [] where it has none."""
    try:
        return [parse(text)] if text else []
    except BadAddress:
        return []


__all__ = ["PASSES", "Passage", "detour", "inside_route", "outside_route", "parsed_addresses", "system_length"]
