"""Paths from outside: through which public addresses, load balancers and firewalls a packet gets to a machine.

Each path says which ports it has outside and behind, whom it lets come, and its hops up to the network interface; the
chain (`scanner.reach.filtering`) says what passes from there. Sources: Microsoft Learn, virtual-network/ip-services/
public-ip-addresses, load-balancer/skus, load-balancer/manage-inbound-nat-rules, load-balancer/cross-region-overview,
firewall/rule-processing. Outbound rules, NAT gateways and Traffic Manager (DNS) make no path.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from scanner.model.addresses import NO_ADDRESSES, AddressSet, BadAddress, Version, parse, union
from scanner.model.exposure import Hop
from scanner.model.ids import root_of, subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, member, same
from scanner.model.resource import Children, Resource
from scanner.model.verdict import Unread, malformed, not_listed, not_returned, unknown_value
from scanner.reach.filtering import EntryKind, FilterStep, OpenRange, filter_chain
from scanner.reach.known_ports import known
from scanner.reach.networks import (
    UNKNOWN_SECURITY_GROUP,
    Destination,
    Fabric,
    IpConfiguration,
    Nic,
    application_groups,
    destination_of,
    fabric_of,
    key_of,
    network_of,
)
from scanner.reach.port_ranges import BadPort, Protocol, label, ports
from scanner.reach.source_grants import describe_sources
from scanner.reach.source_sets import NO_SOURCES, OUTSIDE_SOURCES, SourceSet, sources_from_addresses
from scanner.reach.sources import cached, join_with_and

NETWORK: Final = "Microsoft.Network"
LAST: Final = 65535
BALANCERS, FIREWALLS, COLLECTIONS = (
    f"{NETWORK}/{each}" for each in ("loadBalancers", "azureFirewalls", "firewallPolicies/ruleCollectionGroups")
)


NOT_SEEN: Final = "was not seen: a firewall there may publish this machine"


class PortMapping(NamedTuple):
    """The ports of a translation: outside from `first` to `last`; behind from `backend`, or all to `backend` (`single_backend`)."""

    protocol: str
    first: int
    last: int
    backend: int
    single_backend: bool = False

    @property
    def label(self) -> str:
        return label(self.protocol, self.first, self.last)

    def within(self, opening: OpenRange) -> OpenRange:
        """An opening of ports behind as it looks from outside."""
        if self.single_backend:
            there, first, last = opening.known_port, self.first, self.last
        else:
            first = self.first + opening.first - self.backend
            last, there = first + opening.last - opening.first, opening.known_port
        if there is None and first == last and opening.protocol in ("tcp", "udp"):
            there = known(opening.protocol, first)  # type: ignore[arg-type]
        return replace(opening, first=first, last=last, known_port=there)


EVERY_PORT: Final = PortMapping("*", 0, LAST, 0)


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """A way in up to a machine: `address` "" where it is not known; `version` of what callers dial.

    `floating`: the packet keeps the address that it had, `kept_address`, "" where nobody knows which. `allowed_sources`: whom a
    firewall in front lets come (None: everybody); `translated_sources`: the addresses that such a firewall shows to what stands
    behind (None: not known). `missing`: what was not read, so that the path may not be there; `sku_unread`: the same of the
    kind of address.
    """

    address: str
    entry: EntryKind
    port: PortMapping = EVERY_PORT
    version: Version = 4
    hops: tuple[Hop, ...] = ()
    floating: bool = False
    kept_address: str = ""
    allowed_sources: SourceSet | None = None
    translated_sources: SourceSet | None = None
    missing: tuple[Unread, ...] = ()
    sku_unread: Unread | None = None


@dataclass(frozen=True, slots=True)
class NetworkPath:
    """A way in to a target."""

    front_end: FrontEnd
    destination: Destination
    nic: str = ""

    @property
    def effective_destination(self) -> Destination:
        """The target with the address that a packet bears there."""
        return (
            replace(self.destination, address=self.front_end.kept_address)
            if self.front_end.floating
            else self.destination
        )

    @property
    def end_hops(self) -> tuple[Hop, ...]:
        """The hop at the end of the chain: the network interface, where it is one of its own."""
        said = self.destination.address or "its private address is not known"
        return (Hop("network-interface", _name(self.nic), said, self.nic),) if self.nic else ()

    def explain(self, fabric: Fabric) -> tuple[FilterStep, ...]:
        """What decides on the path, at the port behind; at SSH's where every port is asked about."""
        port = self.front_end.port
        protocol: Protocol = "udp" if port.protocol == "udp" else "tcp"
        return filter_chain(fabric, self.effective_destination, self.front_end.entry).explain(
            protocol, 22 if port is EVERY_PORT else port.backend
        )

    def open_ranges(self, fabric: Fabric) -> tuple[OpenRange, ...]:
        """What is open on it, by the ports that callers see."""
        front = self.front_end
        found = self._passed(fabric, front.entry)
        if front.sku_unread is not None and not found:
            found = [_doubted(each, front.sku_unread) for each in self._passed(fabric, "basic")]
        for missing in front.missing:
            found = [_doubted(each, missing) for each in found]
        return tuple(front.port.within(each) for each in found)

    def _passed(self, fabric: Fabric, entry: EntryKind) -> list[OpenRange]:
        port = self.front_end.port
        last = port.backend if port.single_backend else port.backend + port.last - port.first
        passed = filter_chain(fabric, self.effective_destination, entry)
        found = (
            passed.open_ranges if port == EVERY_PORT else passed.within(port.protocol, port.backend, min(last, LAST))
        )
        return [each for each in map(self._called, found) if each.possible]

    def _called(self, opening: OpenRange) -> OpenRange:
        front = self.front_end
        if front.allowed_sources is None:
            return opening
        grants, possible = (
            each if front.translated_sources is None else each & front.translated_sources
            for each in (opening.certain, opening.possible)
        )
        return replace(
            opening,
            certain=front.allowed_sources if grants else NO_SOURCES,
            possible=front.allowed_sources if possible else NO_SOURCES,
        )


def _doubted(opening: OpenRange, missing: Unread) -> OpenRange:
    return replace(opening, certain=NO_SOURCES, missing=(*opening.missing, missing))


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """A public address or prefix: what callers dial ("" where it has none now), and how it opens."""

    id: str
    address: str
    version: Version
    entry: EntryKind
    sku_unread: Unread | None = None

    @property
    def hop(self) -> Hop:
        said = "could not be read" if self.sku_unread else self.address or "has no address now"
        return Hop("public-ip", _name(self.id), said, self.id, None if self.sku_unread else True)


class _LoadBalancerRule(NamedTuple):
    """A rule of a load balancer on one of its fronts."""

    balancer: str
    name: str
    port: PortMapping
    floating: bool | None
    """None: its value is not known."""
    pools: tuple[str, ...]
    configurations: tuple[str, ...] = ()


class _MalformedLoadBalancer(NamedTuple):
    """A load balancer that does not hold what it should, and what it could reach. Ids are keys.

    `members`: the IP configurations and networks that it names, None where that cannot be read.
    """

    front: FrontEnd
    id: str
    region: str
    everywhere: bool
    members: frozenset[str] | None

    def reaches(self, subscription: str, network: str, region: str, named: tuple[str, ...]) -> bool:
        """Whether it could lead to a machine; `named`: the machine's key and the pools that it is in.

        Its members stand in its own region, in any subscription where it names them by network or address.
        """
        if any(each.startswith(f"{self.id}/") for each in named):
            return True
        if self.everywhere:  # its members are fronts of other load balancers
            return any("/loadbalancers/" in each for each in named)
        if self.region and region and self.region != region:
            return False
        if self.members is not None:
            return network in self.members or not self.members.isdisjoint(named)
        return True


@dataclass(slots=True)
class Topology:
    """The paths of a whole index. Dictionaries go by `key_of` the id."""

    index: Index
    fabric: Fabric
    public_addresses: dict[str, PublicAddress] = field(default_factory=dict)
    by_pool: dict[str, list[FrontEnd]] = field(default_factory=lambda: defaultdict(list))
    by_nat_pool: dict[str, list[FrontEnd]] = field(default_factory=lambda: defaultdict(list))
    by_configuration: dict[str, list[FrontEnd]] = field(default_factory=lambda: defaultdict(list))
    by_address: dict[tuple[str, str], list[FrontEnd]] = field(default_factory=lambda: defaultdict(list))
    """By network ("": any) and private address."""
    pools_of_configuration: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The pools that an IP configuration (its key) is in."""
    pools_of_address: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    peers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _rules: dict[str, list[_LoadBalancerRule]] = field(default_factory=lambda: defaultdict(list))
    _internal: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    """By private address ("": it is not known): the fronts of internal load balancers there, with their networks."""
    _own: dict[str, str] = field(default_factory=dict)
    """The address of each front of a load balancer."""
    _odd: list[_MalformedLoadBalancer] = field(default_factory=list)
    """The load balancers that do not hold what they should."""

    # Questions

    def paths(self, nic: Nic) -> list[NetworkPath]:
        """The paths to a network interface, on every address of it."""
        led = [path for each in nic.configurations for path in self.paths_to(nic, each)]
        if nic.malformed:
            front = _possible_front_end(Unread(nic.malformed, f"{_name(nic.id)} does not hold what it should"))
            led += [NetworkPath(front, Destination("", nic.group, version=version), nic.id) for version in _VERSIONS]
        return led

    def paths_to(self, nic: Nic, configuration: IpConfiguration) -> list[NetworkPath]:
        """The paths to one IP configuration."""
        target = destination_of(nic, configuration)
        network = network_of(configuration.subnet)
        key = configuration_key(nic.id, configuration.name)
        fronts = [self.public_front_end(configuration.public)] if configuration.public else []
        pools = [*self.pools_of_configuration.get(key, ()), *self._pools_at(network, configuration.address)]
        for pool in dict.fromkeys((*pools, *configuration.pools)):
            fronts += self.by_pool.get(pool, ())
        fronts += self._pooled(network, configuration.address)
        fronts += self.by_configuration.get(key, ())
        fronts += self.firewall_front_ends(network, configuration.address)
        fronts += self._unread(configuration.pools)
        fronts += self.possible_front_ends(nic.id, network, (key, *pools, *configuration.pools))
        return [NetworkPath(front, target, nic.id) for front in fronts]

    def _pools_at(self, network: str, address: str) -> list[str]:
        """The pools that name an address as their member; none where it is not known."""
        places = ((where, address) for where in (network, "") if address)
        return [pool for place in places for pool in self.pools_of_address.get(place, ())]

    def _pooled(self, network: str, address: str) -> list[FrontEnd]:
        """What may come by pools that name their members by address, where that of a machine is not known."""
        if address or not self.pools_of_address:
            return []
        missing = Unread("the private address", "it is not known, and a load balancer leads to single ones")
        pools = [
            pool for (where, _), found in self.pools_of_address.items() if where in (network, "") for pool in found
        ]
        fronts = [front for pool in dict.fromkeys(pools) for front in self.by_pool.get(pool, ())]
        return [replace(front, missing=(*front.missing, missing)) for front in fronts]

    def firewall_front_ends(self, network: str, address: str) -> list[FrontEnd]:
        """The fronts that firewalls lead, or may lead, to a private address in a network ("": it is not known)."""
        if address:
            places = [(where, each) for where in (network, "") for each in (address, "")]
            return [front for place in places for front in self.by_address.get(place, ())]
        missing = Unread("the private address", "it is not known, and a firewall leads to single ones")
        return [
            replace(front, missing=(*front.missing, missing))
            for (where, _), fronts in self.by_address.items()
            if where in (network, "")
            for front in fronts
        ]

    def _unread(self, pools: Iterable[str]) -> list[FrontEnd]:
        """What may come by pools (keys) whose load balancer was not read, as that of another subscription."""
        return [
            _possible_front_end(not_listed(each), "load-balancer")
            for each in dict.fromkeys(root_of(pool) or pool for pool in pools)
            if each not in self.index.resources
        ]

    def public_front_end(self, public: str) -> FrontEnd:
        """The front of a public address (its id) on a network interface."""
        found = self.public_address(public)
        return FrontEnd(
            found.address, found.entry, version=found.version, hops=(found.hop,), sku_unread=found.sku_unread
        )

    def public_address(self, id: str) -> PublicAddress:
        """A public address or prefix by its id; one that was not read may be a Basic one."""
        found = self.public_addresses.get(key_of(id))
        if found is not None:
            return found
        missing = self.index.missing_in(f"{NETWORK}/publicIPAddresses", id)
        return PublicAddress(id, "", 4, "standard", missing or not_listed(id))

    def possible_front_ends(self, id: str, network: str, named: Iterable[str] = ()) -> list[FrontEnd]:
        """What may lead to an id since load balancers or firewalls could not be read.

        `network`: the key of its network; `named`: its own key, and those of the pools that it is in.
        """
        subscription = subscription_of(id)
        # A pool may name addresses in a network of another subscription, which shows nothing of it.
        found = _hidden(self.index.missing.get(BALANCERS.lower()), self._firewalls_gap(subscription, network))
        if self._odd:
            keys, region = tuple(named), self._region(network)
            found += [each.front for each in self._odd if each.reaches(subscription, network, region, keys)]
        if subscription in self.index.partial:
            missing = Unread(f"/subscriptions/{subscription}", "only a part of the subscription is seen")
            found += _hidden(missing, missing)
        return found

    def _firewalls_gap(self, subscription: str, network: str) -> Unread | None:
        """Why a firewall may lead there unseen: it stands in the network itself, in a peer, or in a virtual hub."""
        whole = self.index.missing.get(FIREWALLS.lower())
        if whole is None:
            return None
        peers = self.peers.get(network, ())
        if not (self._peerings_known(network) and all(map(self.index.is_visible, peers))):
            return whole
        gaps = (self.index.missing_in(FIREWALLS, each) for each in (f"/subscriptions/{subscription}", network, *peers))
        return next((each for each in gaps if each is not None), None)

    def _peerings_known(self, network: str) -> bool:
        """Whether a network was read, and each peering of it names its other side."""
        found = self.index.resources.get(network)
        peerings = found.get("properties.virtualNetworkPeerings") if found is not None else None
        if not isinstance(peerings, list):
            return False
        return all(text(each, "properties.remoteVirtualNetwork.id") or not is_connected(each) for each in peerings)

    def _region(self, network: str) -> str:
        found = self.index.resources.get(network)
        return _region(found) if found is not None else ""

    def unseen_publishers(self, subnets: Iterable[str]) -> tuple[str, ...]:
        """What may publish a machine in these subnets (keys): the firewalls of peers that were not seen, in words."""
        networks = dict.fromkeys(network_of(each) for each in subnets)
        peers = dict.fromkeys(peer for network in networks for peer in self.peers.get(network, ()))
        said: list[str] = []
        for each in peers:
            seen = each in self.index.resources
            if seen and subscription_of(each) in self.index.partial:
                said.append(f"a part of the subscription of the peered network {_name(each)} {NOT_SEEN}")
            elif not seen and not self._is_hub(each):
                said.append(f"the peered network {_name(each)} {NOT_SEEN}")
        return tuple(said)

    def _is_hub(self, peer: str) -> bool:
        """Whether a peer is the network of a virtual hub that was read, whose firewalls lead anywhere."""
        name = _name(peer)
        hubs = {each.name.lower() for each in self._all("virtualHubs")}
        return name.startswith("hv_") and name.removeprefix("hv_").rpartition("_")[0] in hubs

    def groups_on_paths(self, grants: bool = True) -> set[str]:
        """The security groups (keys) that stand on a path from outside; not `sure`: also on one that may be there."""
        return cached(self.index, f"groups on a path {grants}", lambda _: self._led(grants))

    def _led(self, grants: bool) -> set[str]:
        found: set[str] = set()
        for nic in self.fabric.nics.values():
            for each in nic.configurations:
                subnet = self.fabric.subnets.get(each.subnet)
                above = subnet.group if subnet is not None else ""
                if {nic.group, above} <= found | {""}:
                    continue
                if any(not (grants and path.front_end.missing) for path in self.paths_to(nic, each)):
                    found |= {nic.group, above}
        return found - {""}

    def behind_front_end(self, key: str) -> list[str]:
        """The pools and IP configurations (keys) that the rules on a load balancer's front lead to."""
        return [each for rule in self._rules.get(key, ()) for each in (*rule.pools, *rule.configurations)]

    def scale_set_paths(self, models: Iterable[Any], nics: Children, publics: Children) -> list[NetworkPath]:
        """The paths to the instances of a Uniform scale set.

        `models`: the network interface configurations of its model; `nics`, `publics`: what was read of its instances,
        which may differ from the model until they are upgraded.
        """
        public = _InstanceAddresses(publics)
        found: list[NetworkPath] = []
        for model in models:
            _shaped(model)
            group = _group_of(model)
            for each in objects(model, "properties.ipConfigurations"):
                targets = list(_instances(nics, _called(model), each)) or [(_target(each, group), each)]
                for target, body in targets:
                    found += [NetworkPath(front, target) for front in self._instance(each, body, target, public)]
                    if target.address or nics.gap is not None:
                        network = network_of(key_of(target.subnet))
                        at = [
                            *self.firewall_front_ends(network, target.address),
                            *self._pooled(network, target.address),
                        ]
                        found += [NetworkPath(front, target) for front in at]
        return found

    def _instance(self, model: Any, body: Any, target: Destination, public: _InstanceAddresses) -> Iterator[FrontEnd]:
        pools = [text(one, "id") for source in (model, body) for one in objects(source, f"properties.{_POOLS}")]
        nat_pools = [text(one, "id") for one in objects(model, "properties.loadBalancerInboundNatPools")]
        network = network_of(key_of(target.subnet))
        named = [
            *self.pools_of_configuration.get(key_of(text(body, "id")), ()),
            *self._pools_at(network, target.address),
        ]
        for pool in dict.fromkeys((*map(key_of, pools), *named)):
            yield from self.by_pool.get(pool, ())
        for pool in dict.fromkeys(map(key_of, nat_pools)):
            yield from self.by_nat_pool.get(pool, ())
        yield from self._unread(key_of(each) for each in (*pools, *nat_pools) if each)
        yield from public.fronts(model, text(body, "id"))
        own = key_of(text(body, "id"))
        yield from self.possible_front_ends(target.subnet, network, (own, *map(key_of, (*pools, *nat_pools)), *named))

    # Building

    def read(self) -> None:
        """Take the whole index."""
        for body in self._all("publicIPAddresses"):
            self._public(body, "properties.ipAddress")
        for body in self._all("publicIPPrefixes"):
            self._public(body, "properties.ipPrefix")
        readers = (
            ("virtualNetworks", self._peers),
            ("loadBalancers", self._balancer),
            ("loadBalancers", self._fronts),
            ("azureFirewalls", self._firewall),
        )
        for type, reader in readers:
            for each in self._all(type):
                reader(each)

    def _peers(self, network: Resource) -> None:
        for each in objects(network.body, "properties.virtualNetworkPeerings"):
            remote = text(each, "properties.remoteVirtualNetwork.id")
            if remote and is_connected(each):
                self.peers[network.key].append(key_of(remote))

    def _all(self, type: str) -> list[Resource]:
        return self.index.of_type(f"{NETWORK}/{type}")[0]

    def _public(self, resource: Resource, path: str) -> None:
        address = text(resource.body, path)
        said = text(resource.body, "sku.name") or ""
        sku, entry = None, "standard"
        if same(said, "Basic") or not said:
            entry = "basic"
        elif said.lower() not in ("standard", "standardv2"):
            sku = unknown_value(f"{resource.name} sku.name", said)
        six = same(get_path(resource.body, "properties.publicIPAddressVersion"), "IPv6") or ":" in address
        self.public_addresses[resource.key] = PublicAddress(resource.id, address, 6 if six else 4, entry, sku)  # type: ignore[arg-type]

    # Load balancers

    def _balancer(self, balancer: Resource) -> None:
        """Take the members of its pools, its rules by front, and its internal fronts."""
        odd = _odd_balancer(balancer)
        if odd:
            missing = malformed(f"{balancer.name} {odd}")
            self._odd.append(_confined(balancer, _possible_front_end(missing, "load-balancer")))
        for pool in objects(balancer.body, "properties.backendAddressPools"):
            self._members(key_of(text(pool, "id")), pool)
        for front in objects(balancer.body, "properties.frontendIPConfigurations"):
            private = text(front, "properties.privateIPAddress")
            shown = text(front, "properties.publicIPAddress.id") or text(front, "properties.publicIPPrefix.id")
            self._own[key_of(text(front, "id"))] = self.public_address(shown).address if shown else private
            network = network_of(key_of(text(front, "properties.subnet.id")))
            if network or not (shown or _nothing(front, "privateIPAddress")):
                known = "" if _parsed([private])[1] else private
                self._internal[known].append((network, key_of(text(front, "id"))))
        for rule in objects(balancer.body, "properties.loadBalancingRules"):
            port = _balanced(rule)
            pools = [member(each, "id") for each in objects(rule, "properties.backendAddressPools")]
            pools.append(get_path(rule, "properties.backendAddressPool.id"))
            self._rule(balancer, rule, port, pools)
        for rule in objects(balancer.body, "properties.inboundNatRules"):
            one = text(rule, "properties.backendIPConfiguration.id")
            pool = text(rule, "properties.backendAddressPool.id")
            self._rule(balancer, rule, _translated(rule, bool(pool)), [pool], [one])
        for rule in objects(balancer.body, "properties.inboundNatPools"):
            self._rule(
                balancer, rule, _translated(rule, spread=True), [f"{balancer.id}/inboundNatPools/{_called(rule)}"]
            )

    def _members(self, pool: str, body: Any) -> None:
        for each in objects(body, "properties.backendIPConfigurations"):
            self.pools_of_configuration[key_of(text(each, "id"))].append(pool)
        for each in objects(body, "properties.loadBalancerBackendAddresses"):
            linked = text(each, "properties.networkInterfaceIPConfiguration.id")
            address = text(each, "properties.ipAddress")
            front = text(each, "properties.loadBalancerFrontendIPConfiguration.id")
            if linked:
                self.pools_of_configuration[key_of(linked)].append(pool)
            elif front:
                self.pools_of_configuration[key_of(front)].append(pool)
            elif address:
                network = key_of(
                    text(each, "properties.virtualNetwork.id") or text(body, "properties.virtualNetwork.id")
                )
                network = network or key_of(text(each, "properties.subnet.id")).partition("/subnets/")[0]
                self.pools_of_address[network, address].append(pool)

    def _rule(
        self, balancer: Resource, rule: Any, port: PortMapping | None, pools: Iterable[Any], ones: Iterable[str] = ()
    ) -> None:
        front = key_of(text(rule, "properties.frontendIPConfiguration.id"))
        if port is None or not front:
            return
        floating = _floating(rule)
        keys = tuple(dict.fromkeys(key_of(each) for each in pools if isinstance(each, str) and each))
        self._rules[front].append(
            _LoadBalancerRule(
                balancer.id, _called(rule), port, floating, keys, tuple(key_of(each) for each in ones if each)
            )
        )

    def _fronts(self, balancer: Resource) -> None:
        """The public fronts of a load balancer, led on to what stands behind their rules."""
        for body in objects(balancer.body, "properties.frontendIPConfigurations"):
            id = text(body, "properties.publicIPAddress.id") or text(body, "properties.publicIPPrefix.id")
            if not id:
                continue
            public = self.public_address(id)
            hops: tuple[Hop, ...] = (public.hop,)
            chained = text(body, "properties.gatewayLoadBalancer.id")
            if chained:
                said = "an appliance sees every packet first; what it lets through is not known"
                hops += (Hop("gateway-load-balancer", _name(chained.rsplit("/", 2)[0]), said, chained, None),)
            basic = same(get_path(balancer.body, "sku.name"), "Basic")
            entry: EntryKind = "basic" if basic else public.entry
            front = FrontEnd(public.address, entry, version=public.version, hops=hops, sku_unread=public.sku_unread)
            self._lead(key_of(text(body, "id")), front, public.address)

    def _lead(self, key: str, front: FrontEnd, own: str, depth: int = 0) -> None:
        """Lead what arrives at a front of a load balancer, whose address is `own`, to what stands behind its rules."""
        for rule in self._rules.get(key, ()):
            port = _through(front.port, rule.port)
            if port is None:
                continue
            said = f"{rule.name}: {rule.port.label} to {_behind(rule.port)}"
            hop = Hop("load-balancer", _name(rule.balancer), said, rule.balancer)
            # A front that is kept over two load balancers, or a value that nobody knows: no address is sure.
            borne = own if rule.floating and not front.floating else ""
            floating = front.floating or rule.floating is not False
            led = replace(front, port=port, hops=(*front.hops, hop), floating=floating, kept_address=borne)
            for one in rule.configurations:
                self.by_configuration[one].append(led)
            for pool in rule.pools:
                (self.by_nat_pool if "/inboundnatpools/" in pool else self.by_pool)[pool].append(led)
                if depth == 0:  # a global load balancer: its members are fronts of regional ones
                    for regional in self._regional(pool):
                        self._lead(regional, led, self._own.get(regional, ""), depth + 1)

    def _regional(self, pool: str) -> list[str]:
        return cached(self.index, "regional fronts", lambda _: self._turned()).get(pool, [])

    def _turned(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for key, pools in self.pools_of_configuration.items():
            if "/frontendipconfigurations/" in key:
                for pool in pools:
                    found[pool].append(key)
        return found

    # Azure Firewall

    def _firewall(self, firewall: Resource) -> None:
        addresses, unread = self._addresses(firewall)
        body = firewall.body
        subnets = [key_of(text(each, "properties.subnet.id")) for each in objects(body, "properties.ipConfigurations")]
        subnet = next((self.fabric.subnets[each] for each in subnets if each in self.fabric.subnets), None)
        network = subnet.network if subnet is not None else ""
        inside = sources_from_addresses(_parsed(subnet.prefixes)[0]) if subnet is not None else None
        near, lost = self._near(network)
        for rule, missing in self._nat_rules(firewall):
            if missing is not None:
                hop = Hop("firewall", firewall.name, "its rules could not be read in full", firewall.id, None)
                front = FrontEnd("", "inside", hops=(hop,), allowed_sources=OUTSIDE_SOURCES, missing=(missing,))
                for where in near if near and not lost else {""}:
                    self.by_address[where, ""].append(front)
                continue
            callers, possible = self._callers(rule)
            unsure = tuple(each for each in (possible, unread) if each is not None)
            for address in texts(rule, "destinationAddresses"):
                if addresses and unread is None and not _parsed([address])[0] & _parsed(addresses)[0]:
                    continue
                for front in _translations(rule, address, firewall, callers):
                    led = replace(front, translated_sources=inside or None, missing=unsure)
                    self._translate(led, rule, near)
                    if lost is not None:
                        self._translate(replace(led, missing=(*unsure, lost)), rule, set())

    def _near(self, network: str) -> tuple[set[str], Unread | None]:
        """The networks that a firewall in this one leads to (none: any), and why there may be others."""
        if not network:
            return set(), None
        back = (each for each, peers in self.peers.items() if network in peers)
        lost = malformed(f"the peerings of {_name(network)}")
        return {network, *self.peers.get(network, ()), *back}, None if self._peerings_known(network) else lost

    def _addresses(self, firewall: Resource) -> tuple[set[str], Unread | None]:
        path = "properties.hubIPAddresses.publicIPs.addresses"
        found = {text(each, "address") for each in objects(firewall.body, path)}
        if "" in found:
            return found - {""}, malformed(f"{firewall.name} {path}")
        for each in objects(firewall.body, "properties.ipConfigurations"):
            id = text(each, "properties.publicIPAddress.id")
            if _no_reference(each, "publicIPAddress"):
                return found, malformed(f"{firewall.name} ipConfigurations")
            if not id:
                continue
            if key_of(id) not in self.public_addresses or not self.public_address(id).address:
                return found, not_listed(id)
            found.add(self.public_address(id).address)
        return found, None

    def _nat_rules(self, firewall: Resource) -> Iterator[tuple[Any, Unread | None]]:
        """The DNAT rules that are in force: its own, and those of its policy and of the policies above that.

        With an Unread in place of one that could not be read.
        """
        properties = get_path(firewall.body, "properties")
        if not isinstance(properties, dict) or not properties:
            yield None, malformed(f"{firewall.name} properties")
        yield from _collected(firewall, "properties.natRuleCollections", "properties.rules")
        above: Any = get_path(properties, "firewallPolicy")
        seen: set[str] = set()
        while above is not MISSING and above is not None:
            policy = key_of(text(above, "id"))
            if policy in seen:
                return
            seen.add(policy)
            hidden = self.index.missing_in(COLLECTIONS, policy)
            if hidden is not None:
                yield None, hidden
            for group in self._all("firewallPolicies/ruleCollectionGroups"):
                if policy and group.key.startswith(f"{policy}/"):
                    yield from _collected(group, "properties.ruleCollections", "rules")
            found = self.index.resources.get(policy)
            if found is None or not isinstance(get_path(found.body, "properties"), dict):
                yield None, not_listed(policy or f"{firewall.name} firewallPolicy")
                return
            above = get_path(found.body, "properties.basePolicy")

    def _callers(self, rule: Any) -> tuple[SourceSet, Unread | None]:
        """Whom a DNAT rule lets come; with what of it could not be read."""
        said = list(texts(rule, "sourceAddresses"))
        missing: Unread | None = None
        for id in texts(rule, "sourceIpGroups"):
            group = self.index.resources.get(key_of(id))
            if group is None:
                missing = not_listed(id)
                continue
            said += texts(group.body, "properties.ipAddresses")
        if not said and missing is None:
            return OUTSIDE_SOURCES, None
        found, broken = _parsed(said)
        if missing is not None or broken:
            return OUTSIDE_SOURCES, missing or Unread("sourceAddresses", f"{broken!r} is no address")
        return sources_from_addresses(found) & OUTSIDE_SOURCES, None

    def _translate(self, front: FrontEnd, rule: Any, near: set[str]) -> None:
        """Lead what a firewall translates to an address: a machine, or the front of an internal load balancer.

        `near`: the networks that it leads to, none for any.
        """
        address = text(rule, "translatedAddress")
        if not address:
            name = text(rule, "translatedFqdn")
            missing = Unread(f"the name {name!r} of a DNAT rule", "which machine has it is not known")
            for where in near or {""}:
                self.by_address[where, ""].append(replace(front, missing=(*front.missing, missing)))
            return
        balancers = [key for where, key in self._internal.get(address, ()) if not near or where in near]
        for key in balancers:
            self._lead(key, front, address, depth=1)
        if not balancers:
            missing = not_returned("the private address of a load balancer")
            hidden = [key for where, key in self._internal.get("", ()) if not near or not where or where in near]
            hidden += [key for where, key in self._internal.get(address, ()) if not where]
            for key in hidden:
                self._lead(key, replace(front, missing=(*front.missing, missing)), "", depth=1)
            for where in near or {""}:
                self.by_address[where, address].append(front)


_POOLS: Final = "loadBalancerBackendAddressPools"
_OWN: Final = "properties.publicIPAddressConfiguration"


@dataclass(slots=True)
class _InstanceAddresses:
    """The public addresses of a scale set's instances, by its model and by what was read of them."""

    rows: Children

    def fronts(self, model: Any, configuration: str) -> Iterator[FrontEnd]:
        """What an IP configuration has: one front for all instances, since their addresses come and go."""
        own = get_path(model, _OWN)
        version: Version = 6 if same(get_path(model, "properties.privateIPAddressVersion"), "IPv6") else 4
        mine = [row for row in self.rows if self._of(row, configuration)]
        if isinstance(own, dict) or mine:
            said = text(own, "sku.name") or next((text(row.body, "sku.name") for row in mine), "")
            entry: EntryKind = "standard" if said.lower().startswith("standard") else "basic"
            shown = [text(row.body, "properties.ipAddress") for row in self.rows]
            detail = join_with_and([*(each for each in shown if each)][:3]) or "each instance has an address of its own"
            name = text(own, "name") or "instance addresses"
            yield FrontEnd("", entry, version=version, hops=(Hop("public-ip", name, detail),))
        elif self.rows.gap is not None:
            hop = Hop("public-ip", "instance addresses", "could not be read", allows=None)
            yield FrontEnd("", "standard", version=version, hops=(hop,), missing=(self.rows.gap,))

    @staticmethod
    def _of(row: Resource, configuration: str) -> bool:
        where = text(row.body, "properties.ipConfiguration.id")
        return not configuration or not where or key_of(where) == key_of(configuration)


def _target(body: Any, group: str) -> Destination:
    """The target of an IP configuration of a model or of an instance."""
    address = text(body, "properties.privateIPAddress")
    six = same(get_path(body, "properties.privateIPAddressVersion"), "IPv6") or ":" in address
    groups = application_groups(member(body, "properties"))
    return Destination(key_of(text(body, "properties.subnet.id")), key_of(group), address, 6 if six else 4, groups)


def _instances(nics: Children, nic: str, model: Any) -> Iterator[tuple[Destination, Any]]:
    """The same IP configuration on every instance that was read."""
    for each in nics:
        name = text(each.body, "name").lower()
        if name and name != nic.lower() and not name.endswith(f"-{nic.lower()}"):
            continue
        group = _group_of(each.body)
        for body in objects(each.body, "properties.ipConfigurations"):
            if _called(body).lower() == _called(model).lower():
                yield _target(body, group), body


def is_connected(peering: Any) -> bool:
    """Whether traffic flows over a peering: once both sides are connected; a state that is not known counts as that.

    Microsoft Learn, virtual-network/virtual-network-manage-peering: Initiated is one side alone, Disconnected is over.
    """
    state = get_path(peering, "properties.peeringState")
    return not (same(state, "Initiated") or same(state, "Disconnected"))


def private_endpoint_scope(index: Index, endpoint: str) -> str:
    """What a private endpoint (its id) is open to, as a clause: its network, the peers, a gateway; "" if not known."""
    found = index.resources.get(key_of(endpoint))
    subnet = key_of(text(found.body, "properties.subnet.id")) if found is not None else ""
    network = index.resources.get(subnet.partition("/subnets/")[0])
    if network is None:
        return ""
    peers = topology(index).peers.get(network.key, [])
    seen = [index.resources[each] for each in peers if each in index.resources]
    prefixes = [
        each for body in (network, *seen) for each in texts(body.body, "properties.addressSpace.addressPrefixes")
    ]
    parts = [network.name]
    if peers:
        unseen = f" ({len(peers) - len(seen)} not seen)" if len(seen) < len(peers) else ""
        parts.append(f"{len(peers)} peer{'s' if len(peers) > 1 else ''}{unseen}")
    every = objects(network.body, "properties.virtualNetworkPeerings")
    parts += _carried([each for each in every if is_connected(each)])
    if f"{network.key}/subnets/gatewaysubnet" in topology(index).fabric.subnets:
        parts.append("what comes through its gateway")
    dead = sum(not is_connected(each) for each in every)
    rest = f"; {dead} peering{'s are' if dead > 1 else ' is'} not connected" if dead else ""
    return f"open to {join_with_and(parts)}: {_parsed(prefixes)[0].size(4):,} addresses{rest}"


def _carried(peerings: list[Any]) -> Iterator[str]:
    """What comes over peerings besides the peers themselves."""
    if any(same(get_path(each, "properties.allowForwardedTraffic"), True) for each in peerings):
        yield "what is forwarded over a peering"
    for each in peerings:
        if same(get_path(each, "properties.useRemoteGateways"), True):
            yield f"what comes through the gateway of {_name(text(each, 'properties.remoteVirtualNetwork.id')) or '?'}"


def _hidden(balancers: Unread | None, behind: Unread | None) -> list[FrontEnd]:
    """What load balancers and firewalls may add, where they were not read."""
    found: list[FrontEnd] = []
    if balancers is not None:
        hop = Hop("load-balancer", "load balancers", "could not be read", allows=None)
        found.append(FrontEnd("", "standard", hops=(hop,), floating=True, missing=(balancers,), sku_unread=balancers))
    if behind is not None:
        hop = Hop("firewall", "firewalls", "their rules could not be read", allows=None)
        found.append(FrontEnd("", "inside", hops=(hop,), allowed_sources=OUTSIDE_SOURCES, missing=(behind,)))
    return found


def _through(outer: PortMapping, inner: PortMapping) -> PortMapping | None:
    """Two translations in a row: the ports of the outer one that the inner one takes."""
    if outer is EVERY_PORT:
        return inner
    if outer.protocol != "*" and inner.protocol != "*" and outer.protocol != inner.protocol:
        return None
    protocol = inner.protocol if outer.protocol == "*" else outer.protocol
    last = outer.backend if outer.single_backend else outer.backend + outer.last - outer.first
    first, end = max(outer.backend, inner.first), min(last, inner.last)
    if first > end:
        return None
    back = inner.backend if inner.single_backend else inner.backend + first - inner.first
    if outer.single_backend:
        return PortMapping(protocol, outer.first, outer.last, back, single_backend=True)
    start = outer.first + first - outer.backend
    return PortMapping(protocol, start, start + end - first, back, inner.single_backend)


def _behind(port: PortMapping) -> str:
    if port == EVERY_PORT:
        return "every port"
    return f"port {port.backend}" if port.single_backend or port.first == port.last else f"ports from {port.backend}"


_PROTOCOLS: Final = {"tcp": "tcp", "udp": "udp", "all": "*", "any": "*", "*": "*"}


def _protocol(body: Any) -> str:
    """The protocol of a rule; one that nobody knows counts as both."""
    return _PROTOCOLS.get(text(body, "properties.protocol").lower(), "*")


def _floating(rule: Any) -> bool | None:
    """Whether a rule keeps the address of its front; None where its value is not known."""
    value = get_path(rule, "properties.enableFloatingIP")
    if value is MISSING or value is None or same(value, False):
        return False
    return True if same(value, True) else None


def _balanced(rule: Any) -> PortMapping | None:
    """The ports of a load balancing rule; 0 to 0 with every protocol are HA ports."""
    first, back = number(rule, "properties.frontendPort"), number(rule, "properties.backendPort")
    if not first and not back:
        return EVERY_PORT
    if first is None:
        return None
    floating = _floating(rule) is not False
    return PortMapping(_protocol(rule), first, first, first if back is None or (floating and not back) else back)


def _translated(rule: Any, spread: bool) -> PortMapping | None:
    """The ports of an inbound NAT rule: one, or a range of which every machine gets one."""
    back = number(rule, "properties.backendPort")
    first = number(rule, "properties.frontendPortRangeStart") if spread else number(rule, "properties.frontendPort")
    last = number(rule, "properties.frontendPortRangeEnd") if spread else first
    if back is None or first is None:
        return None
    return PortMapping(_protocol(rule), first, first if last is None else max(first, last), back, single_backend=spread)


def _collected(holder: Resource, path: str, inner: str) -> Iterator[tuple[Any, Unread | None]]:
    """The DNAT rules of a list of collections; those that are not what they should be as an Unread."""
    value = holder.get(path)
    odd = malformed(f"{holder.name} {path}")
    if value is None or (value is MISSING and isinstance(holder.get("properties"), dict)):
        return
    for collection in value if isinstance(value, list) else (None,):
        if inner == "rules" and same(member(collection, "ruleCollectionType"), "FirewallPolicyFilterRuleCollection"):
            continue
        rules = get_path(collection, inner)
        for rule in rules if isinstance(rules, list) else (None,):
            yield (rule, None) if _is_translation(rule) else (None, odd)


def _is_translation(rule: Any) -> bool:
    """Whether a DNAT rule says what it translates, and to which address or name."""
    lists = all(
        texts(rule, path) and texts(rule, path) == get_path(rule, path)
        for path in ("destinationAddresses", "destinationPorts")
    )
    to = text(rule, "translatedAddress")
    ends = [*texts(rule, "destinationAddresses"), *([to] if to else [])]
    led = bool(to or text(rule, "translatedFqdn")) and number(rule, "translatedPort") is not None
    return lists and led and not _parsed(ends)[1]


_OF_RULES: Final = ("loadBalancingRules", "inboundNatRules", "inboundNatPools")


def _odd_balancer(balancer: Resource) -> str:
    """The first member of a load balancer that is not what it should be; "" where all is well."""
    if not isinstance(balancer.get("properties.frontendIPConfigurations"), list):
        return "frontendIPConfigurations"
    for name in ("frontendIPConfigurations", "backendAddressPools", *_OF_RULES):
        value = balancer.get(f"properties.{name}")
        if value is not MISSING and value is not None and not _all_shaped(value):
            return name
    return _odd_ends(balancer) or _odd_rules(balancer)


def _region(resource: Resource) -> str:
    """The region, as `norwayeast`; "" where it is not known."""
    value = resource.get("location")
    return value.replace(" ", "").lower() if isinstance(value, str) else ""


def _confined(balancer: Resource, front: FrontEnd) -> _MalformedLoadBalancer:
    """What an odd load balancer could reach."""
    everywhere = same(balancer.get("sku.tier"), "Global")
    return _MalformedLoadBalancer(front, balancer.key, _region(balancer), everywhere, _members_of(balancer))


def _members_of(balancer: Resource) -> frozenset[str] | None:
    """The IP configurations and networks that its pools and NAT rules name; None where some may not be seen."""
    pools, rules = (balancer.get(f"properties.{each}") for each in ("backendAddressPools", "inboundNatRules"))
    if not _all_shaped(pools) or not (rules is MISSING or rules is None or _all_shaped(rules)):
        return None
    known = {key_of(text(each, "id")) for each in pools}
    every = ((rule, name) for name in _OF_RULES for rule in objects(balancer.body, f"properties.{name}"))
    if not all(known.issuperset(_pools_named(rule, name) or ()) for rule, name in every):
        return None
    found: list[str] = []
    for pool in objects(balancer.body, "properties.backendAddressPools"):
        networks = [each for each in _networks_of(pool) if each]
        if not (text(pool, "id") and _members_named(pool) and (networks or not _by_address(pool))):
            return None
        found += networks
    for rule in objects(balancer.body, "properties.inboundNatRules"):
        if _no_reference(rule, "backendIPConfiguration"):
            return None
        found.append(text(rule, "properties.backendIPConfiguration.id"))
    return frozenset(map(key_of, found)) - {""}


def _networks_of(pool: Any) -> Iterator[str]:
    """The networks in which a pool names addresses."""
    yield text(pool, "properties.virtualNetwork.id")
    for each in objects(pool, "properties.loadBalancerBackendAddresses"):
        yield text(each, "properties.virtualNetwork.id")
        yield network_of(key_of(text(each, "properties.subnet.id")))


def _odd_ends(balancer: Resource) -> str:
    for front in objects(balancer.body, "properties.frontendIPConfigurations"):
        names = ("publicIPAddress", "publicIPPrefix", "subnet")
        if not text(front, "id") or any(_no_reference(front, each) for each in names):
            return "frontendIPConfigurations"
        if not text(front, "properties.privateIPAddress") and all(_nothing(front, each) for each in names):
            return "frontendIPConfigurations"
    for pool in objects(balancer.body, "properties.backendAddressPools"):
        if not (_members_named(pool) and all(text(each, "properties.ipAddress") for each in _by_address(pool))):
            return "backendAddressPools"
    return ""


def _members_named(pool: Any) -> bool:
    path = "backendIPConfigurations"
    named = _nothing_or_dicts(pool, path) and all(text(each, "id") for each in objects(pool, f"properties.{path}"))
    return named and _nothing_or_dicts(pool, "loadBalancerBackendAddresses")


def _by_address(pool: Any) -> list[Any]:
    """The members that a pool can name by their address alone."""
    if objects(pool, "properties.backendIPConfigurations"):
        return []
    ends = ("networkInterfaceIPConfiguration", "loadBalancerFrontendIPConfiguration")
    addresses = objects(pool, "properties.loadBalancerBackendAddresses")
    return [each for each in addresses if not any(text(each, f"properties.{end}.id") for end in ends)]


def _odd_rules(balancer: Resource) -> str:
    fronts, pools = (
        {key_of(text(each, "id")) for each in objects(balancer.body, f"properties.{name}")} - {""}
        for name in ("frontendIPConfigurations", "backendAddressPools")
    )
    for name in _OF_RULES:
        for rule in objects(balancer.body, f"properties.{name}"):
            led = _pools_named(rule, name)
            refers = led is not None and pools.issuperset(led) and not _lost(rule, name)
            if key_of(text(rule, "properties.frontendIPConfiguration.id")) not in fronts or not refers:
                return name
            spread = name == "inboundNatPools" or bool(led)
            port = _balanced(rule) if name == "loadBalancingRules" else _translated(rule, spread)
            if port is None or _called(rule) == "?" or number(rule, "properties.backendPort") is None:
                return name
    return ""


def _pools_named(rule: Any, list_name: str) -> list[str] | None:
    """The pools (keys) that a rule of that list names; None where that cannot be read."""
    if list_name == "inboundNatPools":
        return []
    several = get_path(rule, "properties.backendAddressPools") if list_name == "loadBalancingRules" else None
    broken = several is not MISSING and several is not None and not _all_dicts(several)
    if broken or _no_reference(rule, "backendAddressPool"):
        return None
    ids = [text(each, "id") for each in several] if isinstance(several, list) else []
    one = text(rule, "properties.backendAddressPool.id")
    return [key_of(each) for each in (*ids, *([one] if one else []))] if all(ids) else None


def _lost(rule: Any, list_name: str) -> bool:
    return list_name == "inboundNatRules" and _no_reference(rule, "backendIPConfiguration")


_VERSIONS: Final[tuple[Version, ...]] = (4, 6)


def _nothing(body: Any, name: str) -> bool:
    value = get_path(body, f"properties.{name}")
    return value is MISSING or value is None


def _nothing_or_dicts(body: Any, name: str) -> bool:
    value = get_path(body, f"properties.{name}")
    return value is MISSING or value is None or _all_dicts(value)


def _all_dicts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _all_shaped(value: Any) -> bool:
    """Whether it is a list of resources with properties."""
    return _all_dicts(value) and all(isinstance(get_path(each, "properties"), dict) for each in value)


def _no_reference(body: Any, name: str) -> bool:
    """Whether something is there that should name a resource, and does not."""
    value = get_path(body, f"properties.{name}")
    return value is not MISSING and value is not None and not text(value, "id")


def _shaped(model: Any) -> None:
    """Raises Unread for a network interface of a scale set's model that is not what it should be."""
    configurations = get_path(model, "properties.ipConfigurations")
    if not configurations or not _all_shaped(configurations):
        raise malformed(f"{_called(model)} ipConfigurations")
    for body in configurations:
        own = get_path(body, _OWN)
        lists = (get_path(body, f"properties.{each}") for each in (_POOLS, "loadBalancerInboundNatPools"))
        if own is not MISSING and own is not None and not isinstance(own, dict):
            raise malformed("publicIPAddressConfiguration")
        for value in lists:
            known = value is MISSING or value is None or _all_dicts(value)
            if not known or (isinstance(value, list) and not all(text(each, "id") for each in value)):
                raise malformed("load balancer pools")


def _group_of(body: Any) -> str:
    """The id of a security group, "" without one; what cannot be read is a group that nobody knows."""
    if _no_reference(body, "networkSecurityGroup"):
        return UNKNOWN_SECURITY_GROUP
    return text(body, "properties.networkSecurityGroup.id")


def _possible_front_end(missing: Unread, kind: str = "path") -> FrontEnd:
    """A front that may be there: what would tell was not read."""
    hop = Hop(kind, _name(missing.what), "could not be read", allows=None)
    return FrontEnd(
        "", "standard", hops=(hop,), floating=kind == "load-balancer", missing=(missing,), sku_unread=missing
    )


def _translations(rule: Any, address: str, firewall: Resource, callers: SourceSet) -> Iterator[FrontEnd]:
    name = text(rule, "name") or "?"
    translated = str(number(rule, "translatedPort") or "")
    protocols = texts(rule, "protocols") or texts(rule, "ipProtocols")
    for said in protocols or ["any"]:
        protocol = _PROTOCOLS.get(said.lower())
        for span in texts(rule, "destinationPorts"):
            try:
                spans = ports(span)
            except BadPort:
                spans = ((0, LAST),)
            for first, last in spans:
                back = int(translated) if translated.isdecimal() and int(translated) <= LAST else first
                port = PortMapping(
                    protocol or "*", first, last, back, single_backend=bool(translated) and first != last
                )
                to = f"{text(rule, 'translatedAddress') or text(rule, 'translatedFqdn')}:{back}"
                detail = f"DNAT rule {name}: {port.label} to {to}, for {describe_sources(callers) or 'nobody'}"
                hops = (Hop("firewall", firewall.name, detail, firewall.id),)
                version: Version = 6 if ":" in address else 4
                yield FrontEnd(address, "inside", port, version, hops, allowed_sources=callers)


def _parsed(said: Iterable[str]) -> tuple[AddressSet, str]:
    """The addresses of some texts, and the first that is none."""
    found: list[AddressSet] = []
    for each in said:
        try:
            found.append(parse("0.0.0.0/0" if each.strip() == "*" else each))
        except BadAddress:
            return NO_ADDRESSES, each
    return union(found), ""


def configuration_key(nic: str, name: str) -> str:
    """The key of an IP configuration of a network interface."""
    return f"{key_of(nic)}/ipconfigurations/{name.lower()}"


def objects(body: Any, path: str) -> list[Any]:
    """The objects of a list; [] where there is none."""
    value = get_path(body, path)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def texts(body: Any, path: str) -> list[str]:
    value = get_path(body, path)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def text(body: Any, path: str) -> str:
    value = get_path(body, path)
    return value if isinstance(value, str) else ""


def number(body: Any, path: str) -> int | None:
    """A port; None where the body has none that is one."""
    value = get_path(body, path)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LAST else None


def _name(id: str) -> str:
    return id.rstrip("/").rsplit("/", 1)[-1]


def _called(body: Any) -> str:
    return text(body, "name") or _name(text(body, "id")) or "?"


def topology(index: Index) -> Topology:
    """The topology of an index, made once."""
    return cached(index, "topology", _made)


def _made(index: Index) -> Topology:
    found = Topology(index, fabric_of(index))
    found.read()
    return found


__all__ = [
    "EVERY_PORT",
    "FrontEnd",
    "NetworkPath",
    "PortMapping",
    "PublicAddress",
    "Topology",
    "configuration_key",
    "is_connected",
    "private_endpoint_scope",
    "topology",
]
