"""Virtual network peerings, and the peered networks that the scan did not see.

Source: Microsoft Learn, virtual-network/virtual-network-manage-peering.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypeAlias

from scanner.model.ids import name_of, subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, objects_at, same, text_at, texts_at
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, malformed
from scanner.reach.networks import key_of, network_of
from scanner.reach.sources import cached

MAY_PUBLISH: Final = "may publish this machine"
NOT_SEEN: Final = f"is not visible to this scan: a firewall there {MAY_PUBLISH}"


def is_connected(peering: Any) -> bool:
    """Return whether traffic flows over a peering: both sides are connected, or the state is not known.

    "Initiated" is one side alone, "Disconnected" is a peering of which the other side was deleted.
    """
    state = get_path(peering, "properties.peeringState")
    return not (same(state, "Initiated") or same(state, "Disconnected"))


class Link(NamedTuple):
    """What two peered networks exchange: the subnets (keys) of each side, None for all of them.

    `doubt`: why no traffic may flow; None where it does.
    """

    own: frozenset[str] | None = None
    other: frozenset[str] | None = None
    doubt: Unread | None = None


def links_of(index: Index) -> dict[str, dict[str, Link]]:
    """Return the links of each virtual network by its peers, as either side states them. All are network keys."""
    return cached(index, "links", _links)


def peers_of(index: Index) -> dict[str, list[str]]:
    """Return the peers of each virtual network with a connected peering. Keys and values are network keys."""
    return cached(index, "peers", _peers)


def _peers(index: Index) -> dict[str, list[str]]:
    links = links_of(index)
    found: dict[str, list[str]] = {}
    for network, peer in _sides(index):
        if peer in links.get(network, {}):
            found.setdefault(network, []).append(peer)
    return found


def _sides(index: Index) -> dict[tuple[str, str], Any]:
    """Return the connected peerings by network and peer (keys)."""
    found: dict[tuple[str, str], Any] = {}
    for network in index.of_type("Microsoft.Network/virtualNetworks")[0]:
        for each in objects_at(network.body, "properties.virtualNetworkPeerings"):
            remote = text_at(each, "properties.remoteVirtualNetwork.id")
            if remote and is_connected(each):
                found[network.key, key_of(remote)] = each
    return found


def _links(index: Index) -> dict[str, dict[str, Link]]:
    sides = _sides(index)
    found: dict[str, dict[str, Link]] = {}
    for (network, peer), body in sides.items():
        link = _link(network, peer, body, sides.get((peer, network)))
        if link is not None:
            found.setdefault(network, {})[peer] = link
            found.setdefault(peer, {})[network] = Link(link.other, link.own, link.doubt)
    return found


def _link(network: str, peer: str, body: Any, back: Any) -> Link | None:
    """Return the link of two networks from the peering and the one back (None: not seen); None where no traffic flows.

    Both sides together decide (Microsoft Learn, virtual-network/virtual-network-manage-peering).
    """
    seen = [each for each in (body, back) if each is not None]
    closed = [same(get_path(each, "properties.allowVirtualNetworkAccess"), False) for each in seen]
    if len(closed) == 2 and all(closed):
        return None
    what = f"the peering of {name_of(network)} and {name_of(peer)}"
    doubt = Unread(what, "one of its sides does not allow access to the other network") if any(closed) else None
    own, other = _peered_subnets(body, network, peer)
    if back is not None:
        back_other, back_own = _peered_subnets(back, peer, network)
        own, other = _both(own, back_own), _both(other, back_other)
    partial = any(same(get_path(each, "properties.peerCompleteVnets"), False) for each in seen)
    if partial and (own is None or other is None):
        doubt = doubt or malformed(f"the subnets of {what}")
    return Link(own, other, doubt)


def _peered_subnets(peering: Any, local: str, remote: str) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """Return the subnets (keys) of both sides that a subnet peering names; None for all.

    Source: Microsoft Learn, virtual-network/how-to-configure-subnet-peering.
    """
    if not same(get_path(peering, "properties.peerCompleteVnets"), False):
        return None, None
    own, other = (texts_at(peering, f"properties.{name}") for name in ("localSubnetNames", "remoteSubnetNames"))
    return _keys(local, own), _keys(remote, other)


def _keys(network: str, names: list[str]) -> frozenset[str] | None:
    return frozenset(f"{network}/subnets/{each.lower()}" for each in names) or None


def _both(one: frozenset[str] | None, two: frozenset[str] | None) -> frozenset[str] | None:
    return two if one is None else one if two is None else one & two


def peerings_known(index: Index, network: str) -> bool:
    """Return whether a network (its key) was read and each of its connected peerings names the other side."""
    found = index.resources.get(network)
    peerings = found.get("properties.virtualNetworkPeerings") if found is not None else None
    if not isinstance(peerings, list):
        return False
    return all(text_at(each, "properties.remoteVirtualNetwork.id") or not is_connected(each) for each in peerings)


Area: TypeAlias = "dict[str, frozenset[str] | None] | None"
"""Networks (keys), each with the subnets (keys) of it that count, None for all; None: any network."""


def in_area(area: Area, network: str, subnet: str) -> bool:
    """Return whether a subnet of a network (keys) is in an area."""
    if area is None:
        return True
    subnets = area.get(network, frozenset())
    return subnets is None or subnet in subnets


def areas_of_subnet(index: Index, subnet: str) -> list[tuple[Area, Unread | None]]:
    """Return where a subnet (key) sends to: its network and the peers, each area with why that is not certain."""
    network = network_of(subnet)
    certain: dict[str, frozenset[str] | None] = {network: None}
    found: list[tuple[Area, Unread | None]] = [(certain, None)]
    for peer, link in links_of(index).get(network, {}).items():
        if link.own is None or subnet in link.own:
            if link.doubt is None:
                certain[peer] = link.other
            else:
                found.append(({peer: link.other}, link.doubt))
    if not peerings_known(index, network):
        found.append((None, malformed(f"the peerings of {name_of(network)}")))
    return found


def areas_of_hub(index: Index, hub: str) -> list[tuple[Area, Unread | None]]:
    """Return where a virtual hub (key) sends to: the networks that are connected to it, and those that may be."""
    found = index.resources.get(hub)
    connected, unknown = cached(index, "networks of hubs", _networks_of_hubs)
    own: dict[str, frozenset[str] | None] = {}
    others: dict[str, frozenset[str] | None] = dict.fromkeys(unknown)
    for name, networks in connected.items():
        owners = hubs_named(index, name)
        if found is not None and found in owners:
            own |= dict.fromkeys(networks)
        elif not owners or any(_same_wan(each, found) for each in owners):
            others |= dict.fromkeys(networks)
    doubt = Unread(f"the networks of the virtual hub {name_of(hub)}", "whether this one is connected is not known")
    return [(own, None), (others, doubt)] if others else [(own, None)]


def _networks_of_hubs(index: Index) -> tuple[dict[str, list[str]], list[str]]:
    """Return the networks (keys) by the managed network of the hub that they are connected to, and those with unread
    peerings.
    """
    found: dict[str, list[str]] = {}
    for network, peer in _sides(index):
        if is_hub_network(peer):
            found.setdefault(name_of(peer), []).append(network)
    every = index.of_type("Microsoft.Network/virtualNetworks")[0]
    return found, [each.key for each in every if not peerings_known(index, each.key)]


def _same_wan(one: Resource, two: Resource | None) -> bool:
    """Return whether two hubs are, or may be, of one virtual WAN."""
    ids = [key_of(text_at(each.body, "properties.virtualWan.id")) if each is not None else "" for each in (one, two)]
    return "" in ids or ids[0] == ids[1]


def is_hub_network(network: str) -> bool:
    """Return whether a network is one that Azure manages for a virtual hub, by its name."""
    return name_of(network).lower().startswith(_HUB_NETWORK)


def hubs_named(index: Index, network: str) -> list[Resource]:
    """Return the hubs of the index to which a managed network (`HV_<hub>_<id>`) may belong.

    Azure cuts the names of hubs of more than 20 characters there.
    """
    stem = name_of(network).lower().removeprefix(_HUB_NETWORK).rpartition("_")[0]
    hubs = cached(index, "hubs by name", _hubs_by_name)
    return hubs.get(stem, []) or (hubs.get(f"{stem[:_HUB_NAME]}*", []) if len(stem) >= _HUB_NAME else [])


def _hubs_by_name(index: Index) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for each in index.of_type("Microsoft.Network/virtualHubs")[0]:
        name = name_of(each.id).lower()
        found.setdefault(name, []).append(each)
        if len(name) > _HUB_NAME:
            found.setdefault(f"{name[:_HUB_NAME]}*", []).append(each)
    return found


_HUB_NETWORK: Final = "hv_"
_HUB_NAME: Final = 20


def unseen_peers(index: Index, subnets: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for each peer of these subnets (keys) that may have a firewall that was not seen."""
    networks = dict.fromkeys(network_of(each) for each in subnets)
    found: list[str] = []
    for each in dict.fromkeys(peer for network in networks for peer in peers_of(index).get(network, ())):
        seen = each in index.resources
        if seen and subscription_of(each) in index.partial:
            found.append(f"part of the subscription of the peered network {name_of(each)} {NOT_SEEN}")
        elif not seen and not (is_hub_network(each) and hubs_named(index, each)):
            found.append(f"the peered network {name_of(each)} {NOT_SEEN}")
    return tuple(found)
