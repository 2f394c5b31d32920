"""Network paths: through which public addresses, load balancers and firewalls a packet gets to a machine.

A path has the ports outside and behind, the sources that a firewall on it allows, and its hops up to the network
interface. The filter chain (`scanner.reach.networks.filtering`) decides what passes from there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.model.addresses import ALL_IPV4, ALL_IPV6, NO_ADDRESSES, AddressSet, BadAddress, Version, parse, union
from scanner.model.exposure import Hop
from scanner.model.ids import name_of, subnet_name
from scanner.model.json_paths import get_path, is_absent, text_at
from scanner.model.message import Message, joined
from scanner.model.verdict import Unread
from scanner.reach.networks.areas import AnyArea, NetworkSet
from scanner.reach.networks.fabric import Destination, Fabric, id_or_empty
from scanner.reach.networks.filtering import EntryKind, FilterStep, OpenRange, filter_chain
from scanner.reach.rules.known_ports import known
from scanner.reach.rules.port_ranges import LAST_PORT, Protocol, label
from scanner.reach.rules.source_sets import NO_SOURCES, OUTSIDE_SOURCES, SourceSet


class PortMapping(NamedTuple):
    """The ports of a translation: `first` to `last` outside, from `backend` on behind."""

    protocol: str
    first: int
    last: int
    backend: int
    single_backend: bool = False
    """Every port outside leads to the one port `backend`, each on another machine."""

    @property
    def label(self) -> str:
        return label(self.protocol, self.first, self.last)

    @property
    def backend_text(self) -> Message:
        """Return the ports behind as a phrase."""
        if self == EVERY_PORT:
            return Message("every port")
        one = self.single_backend or self.first == self.last
        return (
            Message("port {backend}", backend=self.backend)
            if one
            else Message("ports from {backend}", backend=self.backend)
        )

    def outside(self, opened: OpenRange) -> OpenRange:
        """Return an open range of ports behind as it looks from outside."""
        if self.single_backend:
            known_there, first, last = opened.known_port, self.first, self.last
        else:
            first = self.first + opened.first - self.backend
            last, known_there = first + opened.last - opened.first, opened.known_port
        if known_there is None and first == last and opened.protocol in ("tcp", "udp"):
            known_there = known(opened.protocol, first)  # type: ignore[arg-type]
        return replace(opened, first=first, last=last, known_port=known_there)


EVERY_PORT: Final = PortMapping("*", 0, LAST_PORT, 0)
FIREWALL_ADDRESS: Final = Unread(
    Message("the address that the firewall shows inside"), Message("a rule allows some of its addresses alone")
)


def chained(outer: PortMapping, inner: PortMapping) -> PortMapping | None:
    """Return two translations in a row: the ports of `outer` that `inner` takes; None where it takes none."""
    if outer is EVERY_PORT:
        return inner
    if outer.protocol != "*" and inner.protocol != "*" and outer.protocol != inner.protocol:
        return None
    protocol = inner.protocol if outer.protocol == "*" else outer.protocol
    last = outer.backend if outer.single_backend else outer.backend + outer.last - outer.first
    first, end = max(outer.backend, inner.first), min(last, inner.last)
    if first > end:
        return None
    backend = inner.backend if inner.single_backend else inner.backend + first - inner.first
    if outer.single_backend:
        return PortMapping(protocol, outer.first, outer.last, backend, single_backend=True)
    start = outer.first + first - outer.backend
    return PortMapping(protocol, start, start + end - first, backend, inner.single_backend)


class DnatRule(NamedTuple):
    """A DNAT rule: the firewall or rule collection group (id) that has it, and the names in there."""

    holder: str
    path: str
    inner: str
    collection: str
    number: int
    """Its place among all rules of the holder."""
    body: Any

    @property
    def name(self) -> str:
        return text_at(self.body, "name") or "?"

    @property
    def is_of_policy(self) -> bool:
        return self.inner == "rules"


class FrontEnd(Struct, frozen=True):
    """The way of a packet from outside up to a machine."""

    address: str
    """What callers dial, "" where that is not known."""
    entry: EntryKind
    port: PortMapping = EVERY_PORT
    version: Version = 4
    """Its IP version."""
    hops: tuple[Hop, ...] = ()
    floating: bool = False
    """The packet keeps its destination address, `kept_address`, "" where that is not known."""
    kept_address: str = ""
    allowed_sources: SourceSet | None = None
    """The sources that a firewall on the way allows; None: all of them."""
    translated_addresses: AddressSet | None = None
    """The addresses of which such a firewall shows one to what is behind it; None: not known."""
    translates: bool = False
    """A private link service is before it, so that what is behind sees an address of that service."""
    only_subnets: frozenset[str] | None = None
    """The subnets (keys) that it leads to; None: all of the network."""
    missing: tuple[Unread, ...] = ()
    """What was not read, so that the path may not exist."""
    sku_unread: Unread | None = None
    """The same for the SKU of the address."""
    dnat: DnatRule | None = None
    """The rule of a firewall that publishes it."""

    def without(self, missing: Unread) -> FrontEnd:
        """Return the same front end with one more thing that was not read."""
        return replace(self, missing=(*self.missing, missing))


class FrontEnds(Struct):
    """The front ends that lead to something, by what they lead to. Ids are keys, as `key_of` returns them."""

    by_pool: dict[str, list[FrontEnd]] = field(default_factory=lambda: defaultdict(list))
    by_nat_pool: dict[str, list[FrontEnd]] = field(default_factory=lambda: defaultdict(list))
    by_configuration: dict[str, list[FrontEnd]] = field(default_factory=lambda: defaultdict(list))
    _published: list[tuple[FrontEnd, AnyArea]] = field(default_factory=list)
    """The front ends of firewalls and where they lead to, in the order in which they were published."""
    _at_address: dict[tuple[NetworkSet, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    """The places in `_published` by set of networks and private address ("": not known)."""
    _addresses_of_set: dict[NetworkSet, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    _sets_of_network: dict[str, list[NetworkSet]] = field(default_factory=lambda: defaultdict(list))

    def publish(self, front: FrontEnd, address: str, area: AnyArea) -> None:
        """Add the front end of a firewall that leads to a private address ("": not known) in an area."""
        number = len(self._published)
        self._published.append((front, area))
        for networks in (_ANYWHERE,) if area is None else area.sets:
            if networks not in self._addresses_of_set:
                for network in networks.subnets:
                    self._sets_of_network[network].append(networks)
            self._addresses_of_set[networks][address] = None
            self._at_address[networks, address].append(number)

    def at(self, network: str, address: str, subnet: str = "") -> list[FrontEnd]:
        """Return the front ends of firewalls that lead, or may lead, to a private address ("": unknown) of a subnet."""
        if address:
            numbers = [
                number
                for where in (network, "")
                for each in (address, "")
                for number in self._numbers(where, (each,)).get(each, ())
            ]
            return [front for number in numbers for front in self._leading_to(number, network, subnet)]
        missing = Unread(
            Message("the private address"), Message("it is not known, and a DNAT rule names single addresses")
        )
        groups = [numbers for where in {network, ""} for numbers in self._numbers(where).values()]
        return [
            front.without(missing)
            for numbers in sorted(groups)
            for number in numbers
            for front in self._leading_to(number, network, subnet)
        ]

    def _numbers(self, network: str, addresses: tuple[str, ...] | None = None) -> dict[str, list[int]]:
        """Return places in `_published` by private address (None: all of them) for a network, "" for any network."""
        result: dict[str, set[int]] = {}
        for networks in self._sets_of_network.get(network, ()):
            for address in self._addresses_of_set[networks] if addresses is None else addresses:
                result.setdefault(address, set()).update(self._at_address.get((networks, address), ()))
        sure: dict[str, list[int]] = {}
        for address, numbers in result.items():
            areas = ((number, self._published[number][1]) for number in sorted(numbers))
            kept = [number for number, area in areas if area is None or network not in area.excluded]
            if kept:
                sure[address] = kept
        return sure

    def _leading_to(self, number: int, network: str, subnet: str) -> Iterator[FrontEnd]:
        """Yield a published front end where it leads to a subnet of a network."""
        front, area = self._published[number]
        subnets = area.subnets(network) if area is not None else None
        if subnets is None:
            yield front
        elif subnet in subnets:
            yield replace(front, only_subnets=subnets)


_ANYWHERE: Final = NetworkSet({"": None})
"""The set of networks of a front end that may lead to any network."""


def possible_front_end(missing: Unread, kind: str = "path") -> FrontEnd:
    """Return a front end that may exist, because what would tell was not read."""
    hop = Hop(kind, name_of(missing.what), Message("could not be read"), allows=None)
    floating = kind == "load-balancer"
    return FrontEnd("", "standard", hops=(hop,), floating=floating, missing=(missing,), sku_unread=missing)


def gateway_hop(front: str) -> Hop:
    """Return the hop of a gateway load balancer, by the id of its front end (load-balancer/gateway-overview)."""
    detail = Message("an appliance filters every packet first; what it allows is not known")
    return Hop("gateway-load-balancer", name_of(front.rsplit("/", 2)[0]), detail, front, None)


def unread_front_ends(load_balancers: Unread | None, firewalls: Unread | None) -> list[FrontEnd]:
    """Return the front ends that load balancers and firewalls may add, where these were not read."""
    front_ends: list[FrontEnd] = []
    if load_balancers is not None:
        hop = Hop("load-balancer", Message("load balancers"), Message("could not be read"), allows=None)
        front_ends.append(
            FrontEnd("", "standard", hops=(hop,), floating=True, missing=(load_balancers,), sku_unread=load_balancers)
        )
    if firewalls is not None:
        hop = Hop("firewall", "firewalls", Message("their rules could not be read"), allows=None)
        front_ends.append(FrontEnd("", "inside", hops=(hop,), allowed_sources=OUTSIDE_SOURCES, missing=(firewalls,)))
    return front_ends


class NetworkPath(Struct, frozen=True):
    """A front end and the destination that it leads to."""

    front_end: FrontEnd
    destination: Destination
    nic: str = ""
    """The key of the network interface, "" without one."""

    @property
    def effective_destination(self) -> Destination:
        """Return the destination with the address that a packet has when it arrives."""
        front = self.front_end
        if not front.floating:
            return self.destination
        return replace(self.destination, address=front.kept_address, public=front.entry != "inside")

    @property
    def end_hops(self) -> tuple[Hop, ...]:
        """Return the last hop, the network interface and its network; without an interface the subnet alone."""
        address, subnet = self.destination.address, subnet_name(self.destination.subnet)
        if not self.nic:
            return (
                (Hop("subnet", subnet, Message("inside a virtual network"), self.destination.subnet),) if subnet else ()
            )
        shown = address or Message("its private address is not known")
        detail = Message("{address} in {place}", address=shown, place=subnet) if subnet else joined("", (shown,))
        return (Hop("network-interface", name_of(self.nic), detail, self.nic),)

    def explain(self, fabric: Fabric) -> tuple[FilterStep, ...]:
        """Return what the filter chain decides at the port behind; at port 22 where the path takes every port."""
        port = self.front_end.port
        protocol: Protocol = "udp" if port.protocol == "udp" else "tcp"
        chain = filter_chain(fabric, self.effective_destination, self.front_end.entry)
        return chain.explain(protocol, 22 if port is EVERY_PORT else port.backend)

    def open_ranges(self, fabric: Fabric) -> tuple[OpenRange, ...]:
        """Return what is open on the path, by the ports that callers see."""
        front = self.front_end
        open_ranges = self._passed(fabric, front.entry)
        if front.sku_unread is not None and not open_ranges:
            open_ranges = [_unproven(each, front.sku_unread) for each in self._passed(fabric, "basic")]
        for missing in front.missing:
            open_ranges = [_unproven(each, missing) for each in open_ranges]
        return tuple(front.port.outside(each) for each in open_ranges)

    def _passed(self, fabric: Fabric, entry: EntryKind) -> list[OpenRange]:
        port = self.front_end.port
        last = port.backend if port.single_backend else port.backend + port.last - port.first
        chain = filter_chain(fabric, self.effective_destination, entry)
        every = port == EVERY_PORT
        open_ranges = chain.open_ranges if every else chain.within(port.protocol, port.backend, min(last, LAST_PORT))
        return [each for each in map(self._from_allowed_sources, open_ranges) if each.possible]

    def _from_allowed_sources(self, opened: OpenRange) -> OpenRange:
        """Return an open range as callers meet it: a firewall on the path translates and limits its sources."""
        front = self.front_end
        if front.allowed_sources is None:
            return opened
        family = ALL_IPV6 if self.destination.version == 6 else ALL_IPV4
        shown = family if front.translated_addresses is None else front.translated_addresses & family
        # A firewall is in no application security group: `addresses` are those that require no tag.
        possible = bool(opened.possible.addresses & shown)
        certain = possible and opened.certain.addresses.covers(shown)
        partly = opened.certain and possible and not certain
        return replace(
            opened,
            certain=front.allowed_sources if certain else NO_SOURCES,
            possible=front.allowed_sources if possible else NO_SOURCES,
            missing=(*opened.missing, FIREWALL_ADDRESS) if partly else opened.missing,
        )


def _unproven(opened: OpenRange, missing: Unread) -> OpenRange:
    return replace(opened, certain=NO_SOURCES, missing=(*opened.missing, missing))


def configuration_key(nic: str, name: str) -> str:
    """Return the key of an IP configuration of a network interface (its id)."""
    return f"{id_or_empty(nic)}/ipconfigurations/{name.lower()}"


def port_at(body: Any, path: str) -> int | None:
    """Return the port number below a dotted path, given as a number or a text; None where there is none."""
    value = get_path(body, path)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LAST_PORT else None


def lacks_id(body: Any, name: str) -> bool:
    """Return whether the reference `properties.<name>` is present and has no id."""
    value = get_path(body, f"properties.{name}")
    return not is_absent(value) and not text_at(value, "id")


def parsed_addresses(texts: Iterable[str]) -> tuple[AddressSet, str]:
    """Return the addresses of some texts and ""; no addresses and the text where one of them is no address."""
    address_sets: list[AddressSet] = []
    for each in texts:
        try:
            address_sets.append(parse("0.0.0.0/0" if each.strip() == "*" else each))
        except BadAddress:
            return NO_ADDRESSES, each
    return union(address_sets), ""
