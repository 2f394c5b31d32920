"""Can this caller open a connection to that endpoint? Yes, no or not known, with the rule that decides at each lock.

Pure: exposures, paths and a caller in, answers out. What the exposure functions and the chain of groups worked out is
asked with one address; nothing is judged a second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from scanner.model.addresses import (
    ALL_ADDRESSES,
    ALL_IPV4,
    ALL_IPV6,
    NO_ADDRESSES,
    PUBLIC_ADDRESSES,
    AddressSet,
    BadAddress,
    parse,
    union,
)
from scanner.model.exposure import (
    AUTH_DESCRIPTIONS,
    REACH_DESCRIPTIONS,
    Exposure,
    Grant,
    Hop,
    Lock,
    PossibleGrant,
    Reach,
)
from scanner.model.ids import type_of
from scanner.model.index import Index
from scanner.model.resource import Resource
from scanner.model.verdict import NOT_LISTED, Unread
from scanner.reach.filtering import FilterStep, OpenRange, describe_sources, filter_chain, grants_from_sources
from scanner.reach.networks import destination_of, key_of
from scanner.reach.nsg import DestinationFields, SecurityRule
from scanner.reach.port_ranges import ALL_PORTS, CONNECTIONS, Protocol, cut, label
from scanner.reach.source_sets import SourceSet, SourceTerm
from scanner.reach.sources import join_with_and
from scanner.reach.topology import EVERY_PORT, NOT_SEEN, FrontEnd, NetworkPath, Topology, text, texts

ReachVerdict = Literal["yes", "no", "not known"]
_ASKS: Final = {**{auth.name: says for auth, says in AUTH_DESCRIPTIONS.items()}, "shared": "a password or key opens it"}
_ENDPOINT: Final = "microsoft.network/privateendpoints"
TENANTS: Final = "every Azure tenant"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for a connection. Neither `addresses` nor `subnets`: the internet as a whole.

    `addresses`: the public ones that it comes from, EMPTY where they are not known. A resource in a virtual network
    also has `subnets` (keys), its `private_addresses` addresses there and its application security groups.
    """

    name: str
    addresses: AddressSet | None = None
    subnets: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    private_addresses: AddressSet = NO_ADDRESSES
    application_groups: frozenset[str] = frozenset()

    @property
    def in_network(self) -> bool:
        return bool(self.subnets or self.networks)

    @property
    def is_internet(self) -> bool:
        return self.addresses is None and not self.in_network


INTERNET: Final = Caller("the internet")


@dataclass(frozen=True, slots=True)
class ReachAnswer:
    """The answer for one endpoint: the sentence after the verdict, and the hops from the caller on.

    `also_published`: what else leads to the endpoint, and is not on this way: a gateway that publishes it, a name in DNS.
    """

    verdict: ReachVerdict
    sentence: str
    hops: tuple[Hop, ...]
    also_published: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AskedPort:
    """A port that is asked about; `name` where it stands for a range."""

    protocol: Protocol
    number: int
    name: str = ""

    @property
    def label(self) -> str:
        return self.name or label(self.protocol, self.number, self.number)

    def within(self, protocol: str, first: int, last: int) -> bool:
        return protocol in ("*", self.protocol) and first <= self.number <= last


def parse_port(text: str) -> AskedPort | None:
    """`tcp/22`; None for a text that is none."""
    protocol, _, number = text.strip().lower().partition("/")
    if protocol in ("tcp", "udp") and number.isascii() and number.isdecimal() and len(number) <= 5:
        return AskedPort("udp" if protocol == "udp" else "tcp", int(number)) if int(number) <= 65535 else None
    return None


def port_of_endpoint(endpoint: str) -> AskedPort | None:
    """The port that an endpoint of a machine stands for: the first of a range. None for a name that is none."""
    protocol, _, numbers = endpoint.partition("/")
    first = "0" if numbers == "*" else numbers.partition("-")[0]
    found = parse_port(f"{'tcp' if protocol == '*' else protocol}/{first}")
    return None if found is None else replace(found, name=endpoint)


def endpoint_covers(endpoint: str, asked: AskedPort) -> bool:
    """Whether an endpoint that is named by its ports (`tcp/22`, `udp/500-600`, `*/*`) holds a port."""
    protocol, _, numbers = endpoint.partition("/")
    if numbers == "*":
        return protocol in ("*", asked.protocol)
    first, _, last = numbers.partition("-")
    return first.isdecimal() and asked.within(protocol, int(first), int(last or first))


# Endpoints whose reach is a set of ways


def ask_endpoint(exposure: Exposure, top: Resource, caller: Caller, index: Index) -> ReachAnswer:
    """The answer for an endpoint by its exposure."""
    place = _place(exposure.endpoint, top)
    if exposure.disabled_reason:
        return ReachAnswer(
            "no", _cannot(caller, place), (Hop("off", "switched off", exposure.disabled_reason, allows=False),)
        )
    verdict, grant, missing = _decided(exposure.reach, caller, index)
    hops = tuple(_hops(exposure.reach, verdict, grant, missing, caller))
    if verdict == "yes":
        place = _place(exposure.endpoint, top, opens=True)
        return ReachAnswer("yes", f"{_can(caller, place)}; {_asked(exposure)}", hops)
    if verdict == "not known":
        assert missing is not None
        return ReachAnswer(verdict, _unread(missing, top), hops)
    return ReachAnswer(
        "no", _cannot(caller, place) + _others(exposure.reach, caller) + _not_seen([exposure], caller), hops
    )


def _not_seen(exposures: Iterable[Exposure], caller: Caller) -> str:
    """What may let somebody in from outside and was not seen."""
    if caller.in_network:
        return ""
    told = dict.fromkeys(each for exposure in exposures for each in exposure.admits if each.endswith(NOT_SEEN))
    return "".join(f"; {each}" for each in told)


def _place(endpoint: str, top: Resource, *, opens: bool = False) -> str:
    return f"{'every' if opens else 'any'} port of {top.name}" if endpoint == "*/*" else f"{endpoint} on {top.name}"


def _can(caller: Caller, place: str) -> str:
    return f"{caller.name} can open {place}"


def _cannot(caller: Caller, place: str) -> str:
    return f"{caller.name} cannot open {place}"


def _asked(exposure: Exposure) -> str:
    authentication = exposure.authentication.widest
    if authentication is None:
        return "what it asks is not known"
    name = authentication.level.name
    says = authentication.description or _ASKS[name]
    return f"{says}: {name}" if says.endswith(")") else f"{says} ({name})"


def _others(lock: Lock, caller: Caller) -> str:
    """Who can, where the question was about the whole internet."""
    if not caller.is_internet:
        return ""
    names = {**REACH_DESCRIPTIONS, Reach.private: "private networks"}
    found = [each.description or names[Reach(each.level)] for each in lock.grants if each.level > Reach.none]
    return f"; only {join_with_and(list(dict.fromkeys(found)))} can" if found else ""


def _decided(lock: Lock, caller: Caller, index: Index) -> tuple[ReachVerdict, Grant | None, Unread | None]:
    """The verdict, the way that lets the caller in, and what leaves it open."""
    maybe: Grant | None = None
    for grant in sorted(lock.grants, key=lambda each: -each.level):
        fits = _fits(grant, caller, index, injected=_injected(lock))
        if fits:
            return "yes", grant, None
        maybe = maybe or (grant if fits is None else None)
    for possible in lock.possible_grants:
        if _matters(possible, caller, index):
            return "not known", None, possible.missing
    if maybe is not None:
        return "not known", maybe, _undecided(maybe, caller)
    return "no", None, None


def _injected(lock: Lock) -> bool:
    return any(hop.kind == "subnet" for hop in lock.hops)


def _undecided(grant: Grant, caller: Caller) -> Unread:
    if caller.in_network and not caller.addresses:
        return Unread(f"the address from which {caller.name} goes out", "it has no public address of its own")
    if grant.description == TENANTS:
        return Unread(f"whether {caller.name} is an address of Azure", "every Azure tenant is let in")
    says = grant.description or "this source"
    return Unread(f"whether {caller.name} belongs to {says}", "only Azure knows the addresses")


def _fits(grant: Grant, caller: Caller, index: Index, *, injected: bool = False) -> bool | None:
    """Whether a way lets the caller in; None where nobody here can know."""
    level = grant.level
    if level == Reach.none:
        return False
    if level == Reach.internet and grant.addresses is None:
        return True
    if caller.is_internet:
        return level == Reach.internet
    if grant.addresses is not None:
        if caller.addresses:
            return grant.addresses.covers(caller.addresses)
        return None if caller.in_network else False
    if grant.ids:
        return caller.in_network and any(_stands(each, caller, index, injected) for each in grant.ids)
    if level == Reach.azure:
        return True if caller.in_network and grant.description == TENANTS else None
    return None if caller.in_network else False


def _stands(id: str, caller: Caller, index: Index, injected: bool) -> bool:
    """Whether the caller is in that subnet, or can use that private endpoint from its network or a peered one."""
    key = key_of(id)
    if type_of(id).lower() == _ENDPOINT:
        found = index.resources.get(key)
        subnet = found.get("properties.subnet.id") if found is not None else ""
        return isinstance(subnet, str) and network_of(key_of(subnet)) in caller.networks
    return network_of(key) in caller.networks if injected else key in caller.subnets


def network_of(subnet: str) -> str:
    """The key of the network that a subnet's key names."""
    return subnet.split("/subnets/", 1)[0]


def _matters(possible: PossibleGrant, caller: Caller, index: Index) -> bool:
    """Whether what was not read could let the caller in."""
    if caller.is_internet:
        return possible.level == Reach.internet
    if possible.addresses is not None:
        return not caller.addresses or possible.addresses.covers(caller.addresses)
    if possible.level >= Reach.wide:
        return True
    if possible.ids:
        return caller.in_network and any(_stands(each, caller, index, True) for each in possible.ids)
    return caller.in_network and possible.level > Reach.none


def _hops(
    lock: Lock, verdict: ReachVerdict, grant: Grant | None, missing: Unread | None, caller: Caller
) -> Iterable[Hop]:
    """The hops as this caller meets them, up to the lock that holds."""
    by_id = grant is not None and bool(grant.ids)
    decided = False
    for each in lock.hops:
        hop = each
        if hop.kind == "source" or (hop.kind == "private-endpoint" and not by_id):
            continue
        if by_id and hop.kind in ("switch", "firewall", "perimeter") and _ENDPOINT in str(grant and grant.ids).lower():
            continue
        if hop.kind in ("firewall", "perimeter") and not (verdict == "not known" and decided):
            hop = _lock(hop, lock, verdict, grant, missing, caller)
        decided = decided or hop.allows is not True
        yield hop
        if hop.allows is False and verdict == "no":
            return
    if verdict == "no" and not decided:
        yield Hop("firewall", "network rules", f"none lets {caller.name} in", allows=False)
    if verdict == "not known" and not decided and missing is not None:
        yield Hop("firewall", "network rules", missing.why, allows=None)


def _lock(
    hop: Hop, lock: Lock, verdict: ReachVerdict, grant: Grant | None, missing: Unread | None, caller: Caller
) -> Hop:
    if verdict == "yes" and grant is not None:
        if hop.kind == "perimeter" and not hop.allows:
            return hop
        return replace(hop, detail=_which(grant, caller) or hop.detail, allows=True)
    if verdict == "no":
        if hop.allows is None:
            return hop
        if caller.is_internet and hop.allows:
            return replace(hop, detail=f"only {hop.detail.removesuffix(' only')}", allows=False)
        return replace(hop, detail=_none_of(lock, caller) or hop.detail, allows=False)
    return replace(hop, detail=missing.why if missing is not None else hop.detail, allows=None)


def _which(grant: Grant, caller: Caller) -> str:
    """The rule that lets an address in."""
    if not caller.addresses or not grant.rules:
        return grant.description
    for rule, addresses in grant.rules:
        if addresses.covers(caller.addresses):
            name = text(rule, "name") if isinstance(rule, dict) else ""
            return f"{name}: {join_with_and(addresses.describe(3))}" if name else join_with_and(addresses.describe(3))
    return f"{len(grant.rules):,} rules together hold {caller.name}"


def _none_of(lock: Lock, caller: Caller) -> str:
    """What stands there instead of the caller."""
    if caller.is_internet:
        return ""
    rules = sum(len(grant.rules) for grant in lock.grants)
    sets = [grant.addresses for grant in lock.grants if grant.addresses is not None]
    size = sum(each.size(4) for each in sets)
    if not sets:
        return f"no rule for {caller.name}" if lock.grants and lock.widest and lock.widest.level > Reach.none else ""
    counted = f"{rules:,} {'rule' if rules == 1 else 'rules'}, " if rules else ""
    many = f"{size:,} {'address' if size == 1 else 'addresses'}"
    if caller.addresses and any(each & caller.addresses for each in sets):
        return f"{counted}{many}; they hold only a part of {caller.name}"
    return f"{counted}{many}; none is {caller.name}"


def _unread(missing: Unread, top: Resource) -> str:
    """`the firewall rules of sqlfag could not be read`."""
    what = missing.what
    if " " in what:
        return f"{what}: {missing.why}"
    if what.startswith("/"):
        return f"{what.rstrip('/').rsplit('/', 1)[-1]}, on the way to {top.name}, could not be read"
    name = what.rsplit(".", 1)[-1] if what.startswith("properties.") else what.rsplit("/", 1)[-1]
    spoken = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
    if missing.gap or missing.why == NOT_LISTED:
        return f"the {spoken} of {top.name} could not be read"
    return f"{name} of {top.name}: {missing.why}"


# Ports of machines


def ask_port(
    asked: AskedPort,
    led: Sequence[NetworkPath],
    missing: Sequence[Unread],
    top: Resource,
    caller: Caller,
    found: Topology,
    exposures: Iterable[Exposure] = (),
) -> ReachAnswer:
    """The answer for a port of a machine: the best of its paths, hop by hop."""
    place = _place(asked.label, top)
    tried = [each for each in (_along(path, asked, caller, found) for path in led) if each is not None]
    order = ("yes", "not known", "no")
    best = min(tried, key=lambda each: order.index(each[0]), default=None)
    if best is not None and best[0] == "yes":
        how = next((_asked(each) for each in exposures if endpoint_covers(each.endpoint, asked)), "")
        place = _place(asked.label, top, opens=True)
        return ReachAnswer("yes", _can(caller, place) + (f"; {how}" if how else ""), best[1])
    unread = best[2] if best is not None and best[0] == "not known" else next(iter(missing), None)
    if unread is not None:
        hops = best[1] if best is not None else (Hop("path", top.name, unread.why, allows=None),)
        return ReachAnswer("not known", _unread(unread, top), hops)
    hidden = _not_seen(exposures, caller)
    if best is not None:
        return ReachAnswer("no", _cannot(caller, place) + best[3] + hidden, best[1])
    if led:
        why = "what leads to it from outside is for other ports"
    else:
        why = "no public address, load balancer or firewall leads to it"
    return ReachAnswer("no", _cannot(caller, place) + hidden, (Hop("path", top.name, why, allows=False),))


_Tried = tuple[ReachVerdict, tuple[Hop, ...], Unread | None, str]


def _along(path: NetworkPath, asked: AskedPort, caller: Caller, found: Topology) -> _Tried | None:
    """The answer on one path; None where the port does not lead onto it."""
    front = path.front_end
    if not asked.within(front.port.protocol, front.port.first, front.port.last):
        return None
    openings = [each for each in path.open_ranges(found.fabric) if asked.within(each.protocol, each.first, each.last)]
    stopped = _stopped(front, caller)
    if stopped is not None and not any(each.missing for each in openings):
        return "no", stopped, None, ""
    verdict, missing = _through(openings, front, caller, found.index)
    hops = (*_before(front), *_steps(path, asked, caller, found), *(path.end_hops if verdict == "yes" else ()))
    others = ""
    if verdict == "no" and caller.is_internet and any(each.certain for each in openings):
        others = f"; only {describe_sources(openings[0].certain)} can"
    if verdict == "no" and all(hop.allows is not False for hop in hops) and hops:
        hops = (*hops[:-1], replace(hops[-1], allows=False))
    if verdict == "not known" and all(hop.allows for hop in hops) and missing is not None:
        hops = (*hops, Hop("path", "not known", missing.why, allows=None))
    return verdict, hops, missing, others


def _stopped(front: FrontEnd, caller: Caller) -> tuple[Hop, ...] | None:
    """The hops up to one before the chain that does not take this caller: another IP version, a firewall's sources."""
    if not front.hops or not caller.addresses:
        return None
    family = ALL_IPV4 if front.version == 4 else ALL_IPV6
    if front.entry != "inside" and front.sku_unread is None and not caller.addresses & family:
        first = replace(front.hops[0], detail=f"{front.hops[0].detail}, not the same version of IP", allows=False)
        return (first,)
    if front.allowed_sources is not None and not any(
        term.addresses & caller.addresses for term in front.allowed_sources.terms
    ):
        return (*front.hops[:-1], replace(front.hops[-1], allows=False))
    return None


def _through(
    openings: Sequence[OpenRange], front: FrontEnd, caller: Caller, index: Index
) -> tuple[ReachVerdict, Unread | None]:
    own = _own(front, caller)
    unsure: Unread | None = None
    for each in openings:
        if _holds(each.certain, caller, own, index):
            return "yes", None
        tags = [tag for tag in each.certain.tags if not tag.startswith("/")]
        if unsure is None and _holds(each.certain, caller, own, index) is None:
            named = join_with_and([*tags, *(tag for tag in each.certain.without if not tag.startswith("/"))])
            unsure = Unread(f"the private address of {caller.name}", "it is not known")
            if named:
                unsure = Unread(f"whether {caller.name} belongs to {named}", "only Azure knows the addresses of a tag")
        if _holds(each.possible, caller, own, index) is not False and each.certain != each.possible:
            unsure = unsure or next(
                iter(each.missing), Unread("the private address", "a rule is for single addresses")
            )
    return ("not known", unsure) if unsure is not None else ("no", None)


def _own(front: FrontEnd, caller: Caller) -> AddressSet | None:
    """The addresses that the chain sees of a caller; None: everybody's."""
    if front.entry == "inside" and front.allowed_sources is None:
        return caller.private_addresses
    return caller.addresses


def _holds(who: SourceSet, caller: Caller, own: AddressSet | None, index: Index) -> bool | None:
    if own is None:
        return any(grant.level == Reach.internet for grant in grants_from_sources(who, index))
    if own.is_empty:
        return None if who else False
    answers = [_term(term, own, caller.application_groups) for term in who.terms]
    return True if True in answers else None if None in answers else False


def _term(term: SourceTerm, own: AddressSet, groups: frozenset[str]) -> bool | None:
    """Whether a term holds these addresses: it may ask for tags that only Azure can tell."""
    if not term.addresses.covers(own):
        return False
    named = {tag for tag in term.tags | term.without if not tag.startswith("/")}
    tags = {tag.strip("/") for tag in term.tags if tag.startswith("/")}
    without = {tag.strip("/") for tag in term.without if tag.startswith("/")}
    mine = {each.strip("/") for each in groups}
    if not tags <= mine or without & mine:
        return False
    return None if named else True


def _before(front: FrontEnd) -> tuple[Hop, ...]:
    """The hops up to the chain; a public address with its kind."""
    return tuple(
        replace(hop, detail=f"{hop.detail}, {front.entry.capitalize()}")
        if hop.kind == "public-ip" and front.entry != "inside" and hop.allows
        else hop
        for hop in front.hops
    )


def _steps(path: NetworkPath, asked: AskedPort, caller: Caller, found: Topology) -> tuple[Hop, ...]:
    """The chain's hops with the rules that decide on this caller."""
    front = path.front_end
    back = front.port.backend if front.port.single_backend else front.port.backend + asked.number - front.port.first
    passed = filter_chain(found.fabric, path.effective_destination, front.entry)
    own = _own(front, caller)
    senders = (
        SourceSet((SourceTerm(own, caller.application_groups if own is caller.private_addresses else frozenset()),))
        if own
        else None
    )
    if front.allowed_sources is not None:
        senders = front.translated_sources
    steps = passed.explain(asked.protocol, back, senders)
    hops: list[Hop] = []
    for step in steps:
        if step.kind == "admin-rules" and step.allows and not any(ref.resource for ref in step.rules):
            continue
        hops.append(_told(step, found, passed.destination))
        if senders is None and step.allows and not _holds(step.remaining, caller, None, found.index):
            only = f"only by {hops[-1].detail}" if step.rules else hops[-1].detail
            hops[-1] = replace(hops[-1], detail=only, allows=False)
            break
    return tuple(hops)


def _told(step: FilterStep, found: Topology, receiver: DestinationFields) -> Hop:
    """`allow-ssh (300): Internet to tcp/22`."""
    hop = step.hop()
    group = found.fabric.groups.get(key_of(step.resource)) if step.resource else None
    if group is None or not step.rules or step.detail:
        return hop
    let = [ref for ref in step.rules if ref.allows] if step.allows else [ref for ref in step.rules if not ref.allows]
    rules = {rule.ref: rule for rule in group.rules(receiver, False)}
    said = [f"{ref.name} ({ref.priority}): {_rule(rules[ref])}" for ref in let[:2] if ref in rules]
    more = len(let) - len(said)
    if not said:
        return hop
    return replace(hop, detail="; ".join([*said, f"and {more} more"] if more > 0 else said))


def _rule(rule: SecurityRule) -> str:
    """A rule as people write it: `Internet to tcp/22`, `* to *`."""
    source = rule.source
    who = [*source.tags, *(group.rstrip("/").rsplit("/", 1)[-1] for group in source.groups)]
    if source.outside == PUBLIC_ADDRESSES:
        who.insert(0, "Internet" if source.inside.is_empty else "*")
    elif source.inside == ALL_ADDRESSES:
        who.insert(0, "VirtualNetwork")
    else:
        who = [*(source.outside | source.inside).describe(3), *who]
    return f"{', '.join(who) or 'nobody'} to {_places(rule)}"


def _places(rule: SecurityRule) -> str:
    spans = [each for each in rule.spans if each[0] < CONNECTIONS]
    found: dict[tuple[int, int], set[str]] = {}
    for protocol, first, last in cut(spans):
        if protocol in ("tcp", "udp"):
            found.setdefault((first, last), set()).add(protocol)
    if set(found) == set(ALL_PORTS) and found[ALL_PORTS[0]] == {"tcp", "udp"}:
        return "*"
    said = [label("*" if len(which) == 2 else min(which), first, last) for (first, last), which in found.items()]
    return ", ".join([*said[:3], f"and {len(said) - 3} more"] if len(said) > 3 else said) or "no port"


def internal_paths(caller: Caller, found: Topology, nics: Iterable[str]) -> list[NetworkPath]:
    """The paths inside a virtual network (its peers too) from a caller to these network interfaces (ids)."""
    led: list[NetworkPath] = []
    for id in nics:
        nic = found.fabric.nics.get(key_of(id))
        if nic is None:
            continue
        for each in nic.configurations:
            if network_of(each.subnet) not in caller.networks:
                continue
            hop = Hop("network", network_of(each.subnet).rsplit("/", 1)[-1], "inside the virtual network or its peers")
            led.append(
                NetworkPath(
                    FrontEnd(each.address, "inside", EVERY_PORT, each.version, (hop,)),
                    destination_of(nic, each),
                    nic.id,
                )
            )
    return led


# Callers


def caller_of_resource(name: str, resource_id: str, found: Topology, nics: Iterable[str] = ()) -> Caller | None:
    """A resource of the snapshot as a caller: a network, a subnet, a network interface, or what has such (`nics`).

    None where nothing is known of where it stands.
    """
    fabric, key = found.fabric, key_of(resource_id)
    subnets: set[str] = set()
    private: list[AddressSet] = []
    public: list[AddressSet] = []
    groups: frozenset[str] = frozenset()
    if key in fabric.subnets:
        subnets.add(key)
    subnets |= {each for each in fabric.subnets if network_of(each) == key}
    for id in (key, *map(key_of, nics)):
        nic = fabric.nics.get(id)
        for each in nic.configurations if nic is not None else ():
            subnets.add(each.subnet)
            groups |= each.application_groups
            private += _addresses(each.address)
            public += _addresses(found.public_address(each.public).address) if each.public else []
    if key in found.public_addresses:
        public += _addresses(found.public_addresses[key].address)
    if not subnets and not public:
        return None
    for subnet in subnets if not private else ():
        for prefix in fabric.subnets[subnet].prefixes if subnet in fabric.subnets else ():
            private += _addresses(prefix)
    for subnet in subnets:
        public += _gateway(subnet, found)
    networks = {network_of(each) for each in subnets}
    networks |= {peer for each in networks for peer in found.peers.get(each, ())}
    return Caller(name, union(public), frozenset(subnets), frozenset(networks), union(private), groups)


def _gateway(subnet: str, found: Topology) -> list[AddressSet]:
    """The public addresses of the NAT gateway of a subnet."""
    out: list[AddressSet] = []
    for gateway in found.index.of_type("Microsoft.Network/natGateways")[0]:
        ids = [key_of(str(each)) for each in _ids(gateway, "properties.subnets")]
        if subnet in ids:
            for path in ("properties.publicIpAddresses", "properties.publicIpPrefixes"):
                for each in _ids(gateway, path):
                    out += _addresses(found.public_address(each).address)
    return out


def _ids(resource: Resource, path: str) -> list[str]:
    value = resource.get(path)
    found = [each.get("id") for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return [each for each in found if isinstance(each, str)] or texts(resource.body, path)


def _addresses(text: str) -> list[AddressSet]:
    try:
        return [parse(text)] if text else []
    except BadAddress:
        return []


__all__ = [
    "INTERNET",
    "AskedPort",
    "Caller",
    "ReachAnswer",
    "ask_endpoint",
    "ask_port",
    "caller_of_resource",
    "endpoint_covers",
    "internal_paths",
    "network_of",
    "parse_port",
    "port_of_endpoint",
]
