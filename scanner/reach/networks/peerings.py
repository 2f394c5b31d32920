"""Virtual network peerings, and the peered networks that the scan did not see.

Source: Microsoft Learn, virtual-network/virtual-network-manage-peering.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from scanner.model.ids import name_of, subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, objects_at, same, text_at, texts_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, malformed, not_listed
from scanner.reach.networks.areas import AnyArea, Area, NetworkSet
from scanner.reach.networks.fabric import id_or_empty, network_of
from scanner.reach.rules.sources import cached

MAY_PUBLISH: Final = Message("may publish this machine")
NOT_SEEN: Final = Message("is not visible to this scan: a firewall there {may_publish}", may_publish=MAY_PUBLISH)


def is_connected(peering: Any) -> bool:
    """Return whether a side of a peering is connected, or its state is not known.

    "Initiated" is one side alone, "Disconnected" is a peering of which the other side was deleted. Traffic flows where
    both sides are connected.
    """
    state = get_path(peering, "properties.peeringState")
    return not (same(state, "Initiated") or same(state, "Disconnected"))


class Link(NamedTuple):
    """What two peered networks exchange: the subnets (keys) of each side, None for all of them."""

    local_subnets: frozenset[str] | None = None
    other: frozenset[str] | None = None
    uncertain: Unread | None = None
    """Why no traffic may flow; None where it does."""
    proven: bool = True
    """Both sides were read, and say that they are connected."""


def links_of(index: Index) -> dict[str, dict[str, Link]]:
    """Return the links of each virtual network by its peers, as either side states them. All are network keys."""
    return cached(index, "links", _links)


def peers_of(index: Index) -> dict[str, list[str]]:
    """Return the peers of each virtual network with a connected peering. Keys and values are network keys."""
    return cached(index, "peers", _peers)


def _peers(index: Index) -> dict[str, list[str]]:
    links = links_of(index)
    result: dict[str, list[str]] = {}
    for network, peer in _sides(index):
        if peer in links.get(network, {}):
            result.setdefault(network, []).append(peer)
    return result


def _sides(index: Index) -> dict[tuple[str, str], Any]:
    """Return the peerings by network and peer (keys) that are connected on each side that was read."""
    return cached(index, "sides of peerings", _connected_sides)


def _connected_sides(index: Index) -> dict[tuple[str, str], Any]:
    every: dict[tuple[str, str], Any] = {}
    for network in index.of_type("Microsoft.Network/virtualNetworks")[0]:
        for each in objects_at(network.body, "properties.virtualNetworkPeerings"):
            remote = text_at(each, "properties.remoteVirtualNetwork.id")
            if remote and (is_connected(each) or (network.key, id_or_empty(remote)) not in every):
                every[network.key, id_or_empty(remote)] = each
    live = {pair for pair, each in every.items() if is_connected(each)}
    return {
        (network, peer): every[network, peer]
        for network, peer in live
        if (peer, network) in live or (peer, network) not in every
    }


def is_live(index: Index, network: str, peering: Any) -> bool:
    """Return whether traffic flows over a peering of a network (its key), as far as both sides were read."""
    remote = text_at(peering, "properties.remoteVirtualNetwork.id")
    return is_connected(peering) and (not remote or (network, id_or_empty(remote)) in _sides(index))


def _links(index: Index) -> dict[str, dict[str, Link]]:
    sides = _sides(index)
    result: dict[str, dict[str, Link]] = {}
    for (network, peer), body in sides.items():
        link = _link(network, peer, body, sides.get((peer, network)))
        if link is not None and peer not in index.resources and not is_hub_network(peer):
            link = link._replace(uncertain=link.uncertain or not_listed(peer))
        if link is not None:
            result.setdefault(network, {})[peer] = link
            result.setdefault(peer, {})[network] = Link(link.other, link.local_subnets, link.uncertain, link.proven)
    return result


def _link(network: str, peer: str, body: Any, back: Any) -> Link | None:
    """Return the link of two networks from the peering and the one back (None: not seen); None where no traffic flows.

    Both sides together decide (Microsoft Learn, virtual-network/virtual-network-manage-peering).
    """
    seen = [each for each in (body, back) if each is not None]
    closed = [same(get_path(each, "properties.allowVirtualNetworkAccess"), False) for each in seen]
    if len(closed) == 2 and all(closed):
        return None
    what = Message("the peering of {network} and {peer}", network=name_of(network), peer=name_of(peer))
    uncertain = (
        Unread(what, Message("one of its sides does not allow access to the other network")) if any(closed) else None
    )
    local_subnets, other = _peered_subnets(body, network, peer)
    if back is not None:
        back_other, back_local = _peered_subnets(back, peer, network)
        local_subnets, other = _both(local_subnets, back_local), _both(other, back_other)
    partial = any(same(get_path(each, "properties.peerCompleteVnets"), False) for each in seen)
    if partial and (local_subnets is None or other is None):
        uncertain = uncertain or malformed(Message("the subnets of {what}", what=what))
    connected = [same(get_path(each, "properties.peeringState"), "Connected") for each in seen]
    return Link(local_subnets, other, uncertain, len(connected) == 2 and all(connected))


def _peered_subnets(peering: Any, local: str, remote: str) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """Return the subnets (keys) of both sides that a subnet peering names; None for all.

    Source: Microsoft Learn, virtual-network/how-to-configure-subnet-peering.
    """
    if not same(get_path(peering, "properties.peerCompleteVnets"), False):
        return None, None
    local_names, other = (texts_at(peering, f"properties.{name}") for name in ("localSubnetNames", "remoteSubnetNames"))
    return _keys(local, local_names), _keys(remote, other)


def _keys(network: str, names: list[str]) -> frozenset[str] | None:
    return frozenset(f"{network}/subnets/{each.lower()}" for each in names) or None


def _both(one: frozenset[str] | None, two: frozenset[str] | None) -> frozenset[str] | None:
    return two if one is None else one if two is None else one & two


def peerings_known(index: Index, network: str) -> bool:
    """Return whether a network (its key) was read and each of its connected peerings names the other side."""
    resource = index.resources.get(network)
    peerings = resource.get("properties.virtualNetworkPeerings") if resource is not None else None
    if not isinstance(peerings, list):
        return False
    return all(text_at(each, "properties.remoteVirtualNetwork.id") or not is_connected(each) for each in peerings)


def areas_of_subnet(index: Index, subnet: str) -> list[tuple[AnyArea, Unread | None]]:
    """Return where a subnet (key) sends to: its network and the peers, each area with why that is not certain."""
    network = network_of(subnet)
    certain: dict[str, frozenset[str] | None] = {network: None}
    result: list[tuple[AnyArea, Unread | None]] = [(Area((NetworkSet(certain),)), None)]
    for peer, link in links_of(index).get(network, {}).items():
        if link.local_subnets is None or subnet in link.local_subnets:
            if link.uncertain is None:
                certain[peer] = link.other
            else:
                result.append((Area((NetworkSet({peer: link.other}),)), link.uncertain))
    if not peerings_known(index, network):
        result.append((None, malformed(Message("the peerings of {network}", network=name_of(network)))))
    return result


def areas_of_hub(index: Index, hub: str) -> list[tuple[AnyArea, Unread | None]]:
    """Return where a virtual hub (key) sends to: the networks that are connected to it, and those that may be."""
    resource, known = index.resources.get(hub), cached(index, "networks of hubs", HubNetworks)
    connected, others = known.connected_to(hub), known.others(resource)
    uncertain = Unread(
        Message("the networks of the virtual hub {hub}", hub=name_of(hub)),
        Message("whether this one is connected is not known"),
    )
    return [(connected, None)] if others.is_empty() else [(connected, None), (others, uncertain)]


class HubNetworks:
    """The networks (keys) that are connected to virtual hubs, by hub and by virtual WAN.

    A network names the managed network of its hub, and that one the hub by its name alone: a name may be of several
    hubs, or of none that was seen. Sets of a WAN are made once, and shared by its hubs.
    """

    def __init__(self, index: Index) -> None:
        self._named = _networks_of_managed(index)
        self._names_of_hub: dict[str, list[str]] = {}
        self._names_of_network: dict[str, list[str]] = {}
        self._wans_of_name: dict[str, set[str]] = {}
        every: dict[str, None] = {}
        of_wan: dict[str, dict[str, None]] = {"": {}}
        for name, networks in self._named.items():
            owners = hubs_named(index, name)
            for each in owners:
                self._names_of_hub.setdefault(each.key, []).append(name)
            wans = {_wan_of(each) for each in owners} or {""}
            self._wans_of_name[name] = {""} if "" in wans else wans
            for wan in self._wans_of_name[name]:
                of_wan.setdefault(wan, {}).update(dict.fromkeys(networks))
            every.update(dict.fromkeys(networks))
            for network in networks:
                self._names_of_network.setdefault(network, []).append(name)
        seen = index.of_type("Microsoft.Network/virtualNetworks")[0]
        unknown = dict.fromkeys(each.key for each in seen if not peerings_known(index, each.key))
        self._all, self._unknown = NetworkSet(every), NetworkSet(unknown)
        self._of_wan = {wan: NetworkSet(networks) for wan, networks in of_wan.items()}
        """By virtual WAN; "": the networks of which the WAN is not known, so that they may be of each."""

    def connected_to(self, hub: str) -> Area:
        """Return the networks that are connected to a hub (key)."""
        result = dict.fromkeys(each for name in self._names_of_hub.get(hub, ()) for each in self._named[name])
        return Area((NetworkSet(result),))

    def others(self, hub: Resource | None) -> Area:
        """Return the networks that may be connected to a hub, or to one of the same virtual WAN, besides its own."""
        names = self._names_of_hub.get(hub.key, ()) if hub is not None else ()
        wan = _wan_of(hub) if hub is not None else ""
        known = {
            network
            for name in names
            for network in self._named[name]
            if all(other in names or not self._may_be_of(other, wan) for other in self._names_of_network[network])
        }
        sets = (self._of_wan.get(wan, NetworkSet({})), self._of_wan[""]) if wan else (self._all,)
        return Area((*sets, self._unknown), frozenset(known - self._unknown.subnets.keys()))

    def _may_be_of(self, name: str, wan: str) -> bool:
        """Return whether a managed network may be of a hub of that virtual WAN, "" where that is not known."""
        return not wan or not self._wans_of_name[name].isdisjoint((wan, ""))


def _networks_of_managed(index: Index) -> dict[str, list[str]]:
    """Return the networks (keys) by the managed network of the hub that they are connected to."""
    result: dict[str, list[str]] = {}
    for network, peer in _sides(index):
        if is_hub_network(peer):
            result.setdefault(name_of(peer), []).append(network)
    return result


def _wan_of(hub: Resource) -> str:
    """Return the virtual WAN (key) of a hub, "" where the record has none."""
    return id_or_empty(text_at(hub.body, "properties.virtualWan.id"))


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
    result: dict[str, list[Resource]] = {}
    for each in index.of_type("Microsoft.Network/virtualHubs")[0]:
        name = name_of(each.id).lower()
        result.setdefault(name, []).append(each)
        if len(name) > _HUB_NAME:
            result.setdefault(f"{name[:_HUB_NAME]}*", []).append(each)
    return result


_HUB_NETWORK: Final = "hv_"
_HUB_NAME: Final = 20


def unseen_peers(index: Index, subnets: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for each peer of these subnets (keys) that may have a firewall that was not seen."""
    known: dict[tuple[str, frozenset[str]], dict[str, str]] = cached(index, "unseen peers", lambda _: {})
    result: dict[str, str] = {}
    for network in dict.fromkeys(network_of(each) for each in subnets):
        key = (network, index.partial)
        if key not in known:
            known[key] = _unseen_peers(index, network)
        result |= known[key]
    return tuple(result.values())


def _unseen_peers(index: Index, network: str) -> dict[str, str]:
    """Return the sentences about the peers of a network, by peer. All are network keys."""
    result: dict[str, str] = {}
    for each in peers_of(index).get(network, ()):
        seen = each in index.resources
        if seen and subscription_of(each) in index.partial:
            result[each] = Message(
                "part of the subscription of the peered network {each} {not_seen}",
                each=name_of(each),
                not_seen=NOT_SEEN,
            )
        elif not seen and not (is_hub_network(each) and hubs_named(index, each)):
            result[each] = Message("the peered network {each} {not_seen}", each=name_of(each), not_seen=NOT_SEEN)
    return result
