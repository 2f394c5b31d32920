"""Load balancers whose body is not what Azure documents, and the machines that such a one may lead to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from scanner.model.json_paths import get_path, is_absent, objects_at, same, text_at
from scanner.model.resource import Resource
from scanner.model.verdict import malformed
from scanner.reach.networks.fabric import id_or_empty, network_of
from scanner.reach.networks.public_addresses import sku_of
from scanner.reach.paths.load_balancer_rules import (
    RULE_LISTS,
    balanced_ports,
    is_list_of_objects,
    is_list_of_resources,
    name_in,
    pools_named,
    translated_ports,
)
from scanner.reach.paths.network_paths import FrontEnd, lacks_id, port_at, possible_front_end

SKUS: Final = ("Basic", "Standard", "Gateway", "Service")
"""azure-mgmt-network LoadBalancerSkuName."""


class MalformedLoadBalancer(NamedTuple):
    """A load balancer with a malformed body, and what it may lead to. Ids are keys."""

    front_end: FrontEnd
    id: str
    region: str
    is_global: bool
    """Its members are front ends of other load balancers."""
    members: frozenset[str] | None
    """The IP configurations and networks that it names; None where these cannot be read."""

    def reaches(self, network: str, region: str, named: tuple[str, ...]) -> bool:
        """Return whether it may lead to a machine; `named`: the machine's key and the pools that it is in.

        Its members are in its own region, in any subscription, because it names them by network or address.
        """
        if any(each.startswith(f"{self.id}/") for each in named):
            return True
        if self.is_global:
            return any("/loadbalancers/" in each for each in named)
        if self.region and region and self.region != region:
            return False
        if self.members is not None:
            return network in self.members or not self.members.isdisjoint(named)
        return True


def malformed_load_balancer(balancer: Resource) -> MalformedLoadBalancer | None:
    """Return what a load balancer with a malformed body may lead to; None where the body is as documented."""
    member = _malformed_member(balancer)
    if not member:
        return None
    front = possible_front_end(malformed(f"{balancer.name} {member}"), "load-balancer")
    is_global = same(balancer.get("sku.tier"), "Global")
    return MalformedLoadBalancer(front, balancer.key, balancer.location, is_global, _members(balancer))


def _malformed_member(balancer: Resource) -> str:
    """Return the first member of a load balancer that is malformed; "" where none is."""
    if not isinstance(balancer.get("properties.frontendIPConfigurations"), list):
        return "frontendIPConfigurations"
    for name in ("frontendIPConfigurations", "backendAddressPools", *RULE_LISTS):
        value = balancer.get(f"properties.{name}")
        if not is_absent(value) and not is_list_of_resources(value):
            return name
    if sku_of(balancer, SKUS)[1] is not None:
        return "sku"
    return _malformed_ends(balancer) or _malformed_rules(balancer)


def _malformed_ends(balancer: Resource) -> str:
    for front in objects_at(balancer.body, "properties.frontendIPConfigurations"):
        names = ("publicIPAddress", "publicIPPrefix", "subnet")
        if not text_at(front, "id") or any(lacks_id(front, each) for each in names):
            return "frontendIPConfigurations"
        referred = not all(is_absent(get_path(front, f"properties.{each}")) for each in names)
        if not text_at(front, "properties.privateIPAddress") and not referred:
            return "frontendIPConfigurations"
    for pool in objects_at(balancer.body, "properties.backendAddressPools"):
        addressed = all(text_at(each, "properties.ipAddress") for each in _members_by_address(pool))
        if not (_has_named_members(pool) and addressed):
            return "backendAddressPools"
    return ""


def _malformed_rules(balancer: Resource) -> str:
    fronts, pools = (
        {id_or_empty(text_at(each, "id")) for each in objects_at(balancer.body, f"properties.{name}")} - {""}
        for name in ("frontendIPConfigurations", "backendAddressPools")
    )
    for name in RULE_LISTS:
        for rule in objects_at(balancer.body, f"properties.{name}"):
            named = pools_named(rule, name)
            if named is None or not pools.issuperset(named):
                return name
            if name == "inboundNatRules" and lacks_id(rule, "backendIPConfiguration"):
                return name
            if id_or_empty(text_at(rule, "properties.frontendIPConfiguration.id")) not in fronts:
                return name
            ranged = name == "inboundNatPools" or bool(named)
            port = balanced_ports(rule) if name == "loadBalancingRules" else translated_ports(rule, ranged)
            protocol = get_path(rule, "properties.protocol")
            if not is_absent(protocol) and not isinstance(protocol, str):
                return name
            if port is None or name_in(rule) == "?" or port_at(rule, "properties.backendPort") is None:
                return name
    return ""


def _has_named_members(pool: Any) -> bool:
    """Return whether the lists of members of a pool are readable and each IP configuration has an id."""
    lists = (
        get_path(pool, f"properties.{each}") for each in ("backendIPConfigurations", "loadBalancerBackendAddresses")
    )
    readable = all(is_absent(each) or is_list_of_objects(each) for each in lists)
    return readable and all(text_at(each, "id") for each in objects_at(pool, "properties.backendIPConfigurations"))


def _members_by_address(pool: Any) -> list[Any]:
    """Return the members that a pool can name by their address alone."""
    if objects_at(pool, "properties.backendIPConfigurations"):
        return []
    ends = ("networkInterfaceIPConfiguration", "loadBalancerFrontendIPConfiguration")
    addresses = objects_at(pool, "properties.loadBalancerBackendAddresses")
    return [each for each in addresses if not any(text_at(each, f"properties.{end}.id") for end in ends)]


def _members(balancer: Resource) -> frozenset[str] | None:
    """Return the IP configurations and networks (keys) that pools and NAT rules name; None where one is not seen."""
    pools, rules = (balancer.get(f"properties.{each}") for each in ("backendAddressPools", "inboundNatRules"))
    if not is_list_of_resources(pools) or not (is_absent(rules) or is_list_of_resources(rules)):
        return None
    known = {id_or_empty(text_at(each, "id")) for each in pools}
    every = ((rule, name) for name in RULE_LISTS for rule in objects_at(balancer.body, f"properties.{name}"))
    if not all(known.issuperset(pools_named(rule, name) or ()) for rule, name in every):
        return None
    matches: list[str] = []
    for pool in objects_at(balancer.body, "properties.backendAddressPools"):
        networks = [each for each in _networks_of(pool) if each]
        if not (text_at(pool, "id") and _has_named_members(pool) and (networks or not _members_by_address(pool))):
            return None
        matches += networks
    for rule in objects_at(balancer.body, "properties.inboundNatRules"):
        if lacks_id(rule, "backendIPConfiguration"):
            return None
        matches.append(text_at(rule, "properties.backendIPConfiguration.id"))
    return frozenset(map(id_or_empty, matches)) - {""}


def _networks_of(pool: Any) -> Iterator[str]:
    """Return the ids of the networks in which a pool names addresses."""
    yield text_at(pool, "properties.virtualNetwork.id")
    for each in objects_at(pool, "properties.loadBalancerBackendAddresses"):
        yield text_at(each, "properties.virtualNetwork.id")
        yield network_of(id_or_empty(text_at(each, "properties.subnet.id")))
