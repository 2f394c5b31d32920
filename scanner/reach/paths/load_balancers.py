"""Load balancers: the machines behind the rules of their public front ends.

Sources: Microsoft Learn, load-balancer/skus, load-balancer/manage-inbound-nat-rules,
load-balancer/cross-region-overview. Outbound rules make no network path.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.model.exposure import Hop
from scanner.model.ids import name_of, root_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, member, objects_at, same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, malformed, not_listed, not_returned
from scanner.reach.networks.fabric import id_or_empty, network_of
from scanner.reach.networks.filtering import EntryKind
from scanner.reach.networks.internal_front_ends import InternalFrontEnds
from scanner.reach.networks.public_addresses import public_address
from scanner.reach.paths.load_balancer_checks import MalformedLoadBalancer, malformed_load_balancer
from scanner.reach.paths.load_balancer_rules import balanced_ports, is_floating, name_in, translated_ports
from scanner.reach.paths.network_paths import (
    EVERY_PORT,
    FrontEnd,
    FrontEnds,
    PortMapping,
    chained,
    gateway_hop,
    parsed_addresses,
    port_at,
    possible_front_end,
)

LOAD_BALANCERS: Final = "Microsoft.Network/loadBalancers"


class LoadBalancerRule(NamedTuple):
    """A rule of a load balancer on one of its front ends; `floating` None: its value is not known. Ids are keys."""

    balancer: str
    name: str
    port: PortMapping
    floating: bool | None
    pools: tuple[str, ...]
    configurations: tuple[str, ...] = ()
    missing: Unread | None = None
    """Why its ports are not known, so that it may lead to any port."""

    @property
    def detail(self) -> Message:
        if self.missing is not None:
            return Message("{name}: its ports could not be read", name=self.name)
        return Message(
            "{name}: {label} to {backend_text}",
            name=self.name,
            label=self.port.label,
            backend_text=self.port.backend_text,
        )


class LoadBalancers(Struct):
    """The load balancers of an index: the members of their pools and the rules of their front ends. Ids are keys."""

    index: Index
    front_ends: FrontEnds
    pools_of_configuration: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The pools that an IP configuration is in."""
    pools_of_address: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    """The pools that name an address as their member, by virtual network ("": any) and address."""
    malformed: list[MalformedLoadBalancer] = field(default_factory=list)
    _rules: dict[str, list[LoadBalancerRule]] = field(default_factory=lambda: defaultdict(list))
    """By front end."""
    internal: InternalFrontEnds = field(default_factory=InternalFrontEnds)
    _addresses: dict[str, str] = field(default_factory=dict)
    """The address of each front end."""
    _inside: set[str] = field(default_factory=set)
    """The internal front ends."""
    _regional: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The front ends of regional load balancers in a pool of a global one."""

    def read(self) -> None:
        """Read every load balancer of the index, and follow the rules of the public front ends."""
        balancers = self.index.of_type(LOAD_BALANCERS)[0]
        for each in balancers:
            self._add(each)
        for key, pools in self.pools_of_configuration.items():
            if "/frontendipconfigurations/" in key:
                for pool in pools:
                    self._regional[pool].append(key)
        for each in balancers:
            self._follow_public(each)

    def pools_at(self, network: str, address: str) -> list[str]:
        """Return the pools that name an address as their member; none where the address is not known ("")."""
        addresses = ((where, address) for where in (network, "") if address)
        return [pool for end in addresses for pool in self.pools_of_address.get(end, ())]

    def to_unknown_address(self, network: str, address: str) -> list[FrontEnd]:
        """Return what may lead to a machine without a known address by pools that name members by address."""
        if address or not self.pools_of_address:
            return []
        missing = Unread(
            Message("the private address"), Message("it is not known, and a load balancer rule names single addresses")
        )
        pools = [
            pool for (where, _), matches in self.pools_of_address.items() if where in (network, "") for pool in matches
        ]
        fronts = [front for pool in dict.fromkeys(pools) for front in self.front_ends.by_pool.get(pool, ())]
        return [front.without(missing) for front in fronts]

    def of_unread(self, pools: Iterable[str]) -> list[FrontEnd]:
        """Return what may lead to pools whose load balancer was not read, as one in another subscription."""
        return [
            possible_front_end(not_listed(each), "load-balancer")
            for each in dict.fromkeys(root_of(pool) or pool for pool in pools)
            if each not in self.index.resources
        ]

    def behind_front_end(self, key: str) -> list[str]:
        """Return the pools and IP configurations that the rules of a front end lead to."""
        return [each for rule in self._rules.get(key, ()) for each in (*rule.pools, *rule.configurations)]

    def called_behind(self, key: str, ports: Iterable[int]) -> Iterator[tuple[str, list[int]]]:
        """Yield the pools and IP configurations behind a front end, with the ports there of these ports of the front;
        none where these, or the ports of the rule, are not known.
        """
        called = tuple(ports)
        for rule in self._rules.get(key, ()):
            port, behind = rule.port, list[int]()
            if called and rule.missing is None:
                fits = [each for each in called if port.protocol != "udp" and port.first <= each <= port.last]
                if not fits:
                    continue
                behind = [port.backend if port.single_backend else port.backend + each - port.first for each in fits]
            yield from ((each, behind) for each in (*rule.pools, *rule.configurations))

    def inside(self, pools: Iterable[str], configuration: str) -> Iterator[tuple[str, str, LoadBalancerRule]]:
        """Yield key, address and rule of the internal front ends that lead to these pools, or to an IP
        configuration.
        """
        wanted = {*pools}
        for key, rules in self._rules.items():
            if key not in self._inside:
                continue
            for rule in rules:
                if not wanted.isdisjoint(rule.pools) or configuration in rule.configurations:
                    yield key, self._addresses.get(key, ""), rule

    def follow(self, key: str, front: FrontEnd, address: str, depth: int = 0) -> None:
        """Add what a packet reaches that arrives over `front` at a front end (`key`) whose address is `address`.

        `depth` 0: the load balancer may be a global one, whose members are front ends of regional ones.
        """
        for rule in self._rules.get(key, ()):
            port = chained(front.port, rule.port)
            if port is None:
                continue
            hop = Hop("load-balancer", name_of(rule.balancer), rule.detail, rule.balancer)
            # With floating IP over two load balancers, or with a value that is not known, no address is certain.
            kept_address = address if rule.floating and not front.floating else ""
            floating = front.floating or rule.floating is not False
            reached = replace(front, port=port, hops=(*front.hops, hop), floating=floating, kept_address=kept_address)
            if rule.missing is not None:
                reached = replace(reached, port=EVERY_PORT).without(rule.missing)
            for one in rule.configurations:
                self.front_ends.by_configuration[one].append(reached)
            for pool in rule.pools:
                nat = "/inboundnatpools/" in pool
                (self.front_ends.by_nat_pool if nat else self.front_ends.by_pool)[pool].append(reached)
                for regional in self._regional.get(pool, ()) if depth == 0 else ():
                    self.follow(regional, reached, self._addresses.get(regional, ""), depth + 1)

    def _add(self, balancer: Resource) -> None:
        """Read the members of the pools, the front ends and the rules of a load balancer."""
        matches = malformed_load_balancer(balancer)
        if matches is not None:
            self.malformed.append(matches)
        for pool in objects_at(balancer.body, "properties.backendAddressPools"):
            self._add_members(id_or_empty(text_at(pool, "id")), pool)
        for front in objects_at(balancer.body, "properties.frontendIPConfigurations"):
            self._add_front_end(front)
        for rule in objects_at(balancer.body, "properties.loadBalancingRules"):
            pools = [member(each, "id") for each in objects_at(rule, "properties.backendAddressPools")]
            pools.append(get_path(rule, "properties.backendAddressPool.id"))
            self._add_rule(balancer, rule, balanced_ports(rule), pools)
        for rule in objects_at(balancer.body, "properties.inboundNatRules"):
            one = text_at(rule, "properties.backendIPConfiguration.id")
            pool = text_at(rule, "properties.backendAddressPool.id")
            self._add_rule(balancer, rule, translated_ports(rule, bool(pool)), [pool], [one])
        for rule in objects_at(balancer.body, "properties.inboundNatPools"):
            pool = f"{balancer.id}/inboundNatPools/{name_in(rule)}"
            self._add_rule(balancer, rule, translated_ports(rule, ranged=True), [pool])

    def _add_front_end(self, front: Any) -> None:
        key, private = id_or_empty(text_at(front, "id")), text_at(front, "properties.privateIPAddress")
        public = _public_id(front)
        self._addresses[key] = public_address(self.index, public).address if public else private
        subnet = id_or_empty(text_at(front, "properties.subnet.id"))
        if subnet or not (public or is_absent(get_path(front, "properties.privateIPAddress"))):
            self._inside.add(key)
            known = "" if parsed_addresses([private])[1] else private
            self.internal.add(known, subnet, key)

    def _add_members(self, pool: str, body: Any) -> None:
        for each in objects_at(body, "properties.backendIPConfigurations"):
            self.pools_of_configuration[id_or_empty(text_at(each, "id"))].append(pool)
        for each in objects_at(body, "properties.loadBalancerBackendAddresses"):
            linked = text_at(each, "properties.networkInterfaceIPConfiguration.id")
            front = text_at(each, "properties.loadBalancerFrontendIPConfiguration.id")
            address = text_at(each, "properties.ipAddress")
            if linked or front:
                self.pools_of_configuration[id_or_empty(linked or front)].append(pool)
            elif address:
                member_network, whole = (text_at(body_of, "properties.virtualNetwork.id") for body_of in (each, body))
                network = id_or_empty(member_network or whole) or network_of(
                    id_or_empty(text_at(each, "properties.subnet.id"))
                )
                self.pools_of_address[network, address].append(pool)

    def _add_rule(
        self, balancer: Resource, rule: Any, port: PortMapping | None, pools: Iterable[Any], ones: Iterable[str] = ()
    ) -> None:
        """Add a rule that leads to `pools` and to the IP configurations `ones` (ids)."""
        front = id_or_empty(text_at(rule, "properties.frontendIPConfiguration.id"))
        if not front:
            return
        missing = None
        if port is None or port_at(rule, "properties.backendPort") is None:
            missing = malformed(f"{balancer.name} {name_in(rule)}")
        keys = tuple(dict.fromkeys(id_or_empty(each) for each in pools if isinstance(each, str) and each))
        configurations = tuple(id_or_empty(each) for each in ones if each)
        own = port or EVERY_PORT
        made = LoadBalancerRule(balancer.id, name_in(rule), own, is_floating(rule), keys, configurations, missing)
        self._rules[front].append(made)

    def _follow_public(self, balancer: Resource) -> None:
        for body in objects_at(balancer.body, "properties.frontendIPConfigurations"):
            id = _public_id(body)
            if not id:
                continue
            public = public_address(self.index, id)
            hops: tuple[Hop, ...] = (public.hop,)
            gateway = text_at(body, "properties.gatewayLoadBalancer.id")
            if gateway:
                hops += (gateway_hop(gateway),)
            basic = same(get_path(balancer.body, "sku.name"), "Basic")
            entry: EntryKind = "basic" if basic else public.entry
            front = FrontEnd(public.address, entry, version=public.version, hops=hops, sku_unread=public.sku_unread)
            self.follow(id_or_empty(text_at(body, "id")), front, public.address)


def _public_id(front: Any) -> str:
    """Return the id of the public IP address or prefix of a front end; "" for an internal one."""
    return text_at(front, "properties.publicIPAddress.id") or text_at(front, "properties.publicIPPrefix.id")


def front_end_address_unread() -> Unread:
    """Return the Unread for an internal front end whose private address is not known."""
    return not_returned(Message("the private address of a load balancer"))
