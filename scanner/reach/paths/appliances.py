"""Network appliances on the default route of a subnet: what they translate to its machines is not visible to Azure.

Source: Microsoft Learn, architecture/networking/guide/network-virtual-appliance-high-availability. What an Azure
Firewall translates is known, and not told here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from scanner.model.ids import name_of
from scanner.model.index import Index
from scanner.model.json_paths import objects_at, same, text_at
from scanner.model.message import Message, listed, more, plural
from scanner.reach.networks.peerings import MAY_PUBLISH
from scanner.reach.paths.azure_firewall import FIREWALLS
from scanner.reach.paths.topology import Topology
from scanner.reach.rules.sources import cached

_DEFAULT_PREFIXES: Final = ("0.0.0.0/0", "::/0")


def appliances_before(topology: Topology, subnets: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for each appliance on the default route of these subnets (keys), but for Azure Firewalls."""
    texts: dict[str, None] = {}
    for key in dict.fromkeys(subnets):
        subnet = topology.fabric.subnets.get(key)
        table = topology.fabric.tables.get(subnet.table) if subnet is not None else None
        for route in table.routes if table is not None else ():
            if route.prefix not in _DEFAULT_PREFIXES or not same(route.hop, "VirtualAppliance") or not route.address:
                continue
            if route.address not in cached(topology.index, "addresses of firewalls", _firewall_addresses):
                known: dict[str, str] = cached(topology.index, "names at addresses", lambda _: {})
                if route.address not in known:
                    known[route.address] = _names_at(topology, route.address)
                names = known[route.address]
                text = Message(
                    "{names}, on the default route of its subnet, {may_publish}", names=names, may_publish=MAY_PUBLISH
                )
                texts[text] = None
    return tuple(texts)


def _names_at(topology: Topology, address: str) -> str:
    """Return what is at a private address: an interface, or the members of an internal load balancer."""
    fronts = topology.load_balancers.internal.at(address, None)
    pools = {pool for front in fronts for pool in topology.load_balancers.behind_front_end(front)}
    interfaces = cached(topology.index, "interfaces by address", lambda _: _interfaces(topology))
    keys = [*interfaces.get(address, ()), *(key for pool in sorted(pools) for key in _members(topology, pool))]
    names = [name_of(each) for each in dict.fromkeys(keys)]
    if not names:
        return Message("the appliance at {address}", address=address)
    shown = listed([*names[:2], more(len(names) - 2)] if len(names) > 2 else names)
    return plural("the appliance {names}", "the appliances {names}", count=len(names), names=shown)


def _members(topology: Topology, pool: str) -> list[str]:
    """Return the interfaces (keys) that are in a pool."""
    members = cached(topology.index, "interfaces by pool", lambda _: _interfaces_of_pools(topology))
    return members.get(pool, [])


def _interfaces(topology: Topology) -> dict[str, list[str]]:
    addresses: dict[str, list[str]] = {}
    for nic in topology.fabric.nics.values():
        for each in nic.configurations:
            addresses.setdefault(each.address, []).append(nic.id)
    return addresses


def _interfaces_of_pools(topology: Topology) -> dict[str, list[str]]:
    pools: dict[str, list[str]] = {}
    for nic in topology.fabric.nics.values():
        for each in nic.configurations:
            for pool in each.pools:
                pools.setdefault(pool, []).append(nic.id)
    for configuration, named in topology.load_balancers.pools_of_configuration.items():
        for pool in named:
            pools.setdefault(pool, []).append(configuration.partition("/ipconfigurations/")[0])
    return pools


def _firewall_addresses(index: Index) -> frozenset[str]:
    """Return the private addresses of Azure Firewalls."""
    matches: set[str] = set()
    for firewall in index.of_type(FIREWALLS)[0]:
        matches.add(text_at(firewall.body, "properties.hubIPAddresses.privateIPAddress"))
        configurations = objects_at(firewall.body, "properties.ipConfigurations")
        matches.update(text_at(each, "properties.privateIPAddress") for each in configurations)
    return frozenset(matches)
