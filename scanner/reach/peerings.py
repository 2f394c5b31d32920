"""Virtual network peerings, and the peered networks that the scan did not see.

Source: Microsoft Learn, virtual-network/virtual-network-manage-peering.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from scanner.model.ids import name_of, subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, objects_at, same, text_at
from scanner.model.verdict import Unread, malformed
from scanner.reach.networks import key_of, network_of
from scanner.reach.sources import cached

NOT_SEEN: Final = "is not visible to this scan: a firewall there may publish this machine"


def is_connected(peering: Any) -> bool:
    """Return whether traffic flows over a peering: both sides are connected, or the state is not known.

    "Initiated" is one side alone, "Disconnected" is a peering of which the other side was deleted.
    """
    state = get_path(peering, "properties.peeringState")
    return not (same(state, "Initiated") or same(state, "Disconnected"))


def peers_of(index: Index) -> dict[str, list[str]]:
    """Return the peers of each virtual network with a connected peering. Keys and values are network keys."""
    return cached(index, "peers", _peers)


def _peers(index: Index) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for network in index.of_type("Microsoft.Network/virtualNetworks")[0]:
        for each in objects_at(network.body, "properties.virtualNetworkPeerings"):
            remote = text_at(each, "properties.remoteVirtualNetwork.id")
            if remote and is_connected(each):
                found.setdefault(network.key, []).append(key_of(remote))
    return found


def peerings_known(index: Index, network: str) -> bool:
    """Return whether a network (its key) was read and each of its connected peerings names the other side."""
    found = index.resources.get(network)
    peerings = found.get("properties.virtualNetworkPeerings") if found is not None else None
    if not isinstance(peerings, list):
        return False
    return all(text_at(each, "properties.remoteVirtualNetwork.id") or not is_connected(each) for each in peerings)


def networks_near(index: Index, network: str) -> tuple[set[str], Unread | None]:
    """Return a network, its peers and the networks that peer with it (empty: any network), and why others may exist."""
    if not network:
        return set(), None
    peers = peers_of(index)
    back = (each for each, others in peers.items() if network in others)
    unread = malformed(f"the peerings of {name_of(network)}")
    return {network, *peers.get(network, ()), *back}, None if peerings_known(index, network) else unread


def unseen_peers(index: Index, subnets: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for each peer of these subnets (keys) that may have a firewall that was not seen."""
    networks = dict.fromkeys(network_of(each) for each in subnets)
    found: list[str] = []
    for each in dict.fromkeys(peer for network in networks for peer in peers_of(index).get(network, ())):
        seen = each in index.resources
        if seen and subscription_of(each) in index.partial:
            found.append(f"part of the subscription of the peered network {name_of(each)} {NOT_SEEN}")
        elif not seen and not _is_virtual_hub(index, each):
            found.append(f"the peered network {name_of(each)} {NOT_SEEN}")
    return tuple(found)


def _is_virtual_hub(index: Index, peer: str) -> bool:
    """Return whether a peer is the network of a virtual hub that was read; a firewall in a hub leads anywhere."""
    name = name_of(peer)
    hubs = {each.name.lower() for each in index.of_type("Microsoft.Network/virtualHubs")[0]}
    return name.startswith("hv_") and name.removeprefix("hv_").rpartition("_")[0] in hubs
