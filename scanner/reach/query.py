"""Can this caller open a connection to that endpoint? Yes, no or not known, with the rule that decides at each lock.

Pure: exposures, paths and a caller in, answers out. What the exposure functions and the chain of groups worked out is
asked with one address; nothing is judged a second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from scanner.model.addresses import ALL_IPV4, ALL_IPV6, EMPTY, EVERYTHING, PUBLIC, AddressSet, BadAddress, parse, union
from scanner.model.exposure import AUTH_SAYS, REACH_SAYS, Exposure, Grant, Hop, Lock, PossibleGrant, Reach
from scanner.model.ids import type_of
from scanner.model.index import Index
from scanner.model.resource import Resource
from scanner.model.verdict import Unread
from scanner.reach.filtering import Opening, Step, describe, passage, ways
from scanner.reach.networks import key_of, target_of
from scanner.reach.nsg import Receiver, Rule
from scanner.reach.port_ranges import ALL_PORTS, CONNECTIONS, Protocol, cut, label
from scanner.reach.senders import Senders, Term
from scanner.reach.sources import phrase
from scanner.reach.topology import EVERY, NOT_SEEN, Front, Path, Topology, text, texts

Verdict = Literal["yes", "no", "not known"]
_ASKS: Final = {**{auth.name: says for auth, says in AUTH_SAYS.items()}, "shared": "a password or key opens it"}
_ENDPOINT: Final = "microsoft.network/privateendpoints"
TENANTS: Final = "every Azure tenant"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for a connection. Neither `addresses` nor `subnets`: the internet as a whole.

    `addresses`: the public ones that it comes from, EMPTY where they are not known. A resource in a virtual network
    also has `subnets` (keys), its `private` addresses there and its application security groups.
    """

    name: str
    addresses: AddressSet | None = None
    subnets: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    private: AddressSet = EMPTY
    groups: frozenset[str] = frozenset()

    @property
    def inside(self) -> bool:
        return bool(self.subnets or self.networks)

    @property
    def everybody(self) -> bool:
        return self.addresses is None and not self.inside


INTERNET: Final = Caller("the internet")


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one endpoint: the sentence after the verdict, and the hops from the caller on.

    `beside`: what else leads to the endpoint, and is not on this way: a gateway that publishes it, a name in DNS.
    """

    verdict: Verdict
    says: str
    hops: tuple[Hop, ...]
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Port:
    """A port that is asked about; `name` where it stands for a range."""

    protocol: Protocol
    number: int
    name: str = ""

    @property
    def label(self) -> str:
        return self.name or label(self.protocol, self.number, self.number)

    def within(self, protocol: str, first: int, last: int) -> bool:
        return protocol in ("*", self.protocol) and first <= self.number <= last


def port(text: str) -> Port | None:
    """`tcp/22`; None for a text that is none."""
    protocol, _, number = text.strip().lower().partition("/")
    if protocol in ("tcp", "udp") and number.isascii() and number.isdecimal() and len(number) <= 5:
        return Port("udp" if protocol == "udp" else "tcp", int(number)) if int(number) <= 65535 else None
    return None


def of_endpoint(endpoint: str) -> Port | None:
    """The port that an endpoint of a machine stands for: the first of a range. None for a name that is none."""
    protocol, _, numbers = endpoint.partition("/")
    first = "0" if numbers == "*" else numbers.partition("-")[0]
    found = port(f"{'tcp' if protocol == '*' else protocol}/{first}")
    return None if found is None else replace(found, name=endpoint)


def covers(endpoint: str, asked: Port) -> bool:
    """Whether an endpoint that is named by its ports (`tcp/22`, `udp/500-600`, `*/*`) holds a port."""
    protocol, _, numbers = endpoint.partition("/")
    if numbers == "*":
        return protocol in ("*", asked.protocol)
    first, _, last = numbers.partition("-")
    return first.isdecimal() and asked.within(protocol, int(first), int(last or first))


# Endpoints whose reach is a set of ways


def at_endpoint(exposure: Exposure, top: Resource, caller: Caller, index: Index) -> Answer:
    """The answer for an endpoint by its exposure."""
    place = _place(exposure.endpoint, top)
    if exposure.off:
        return Answer("no", _cannot(caller, place), (Hop("off", "switched off", exposure.off, lets=False),))
    verdict, grant, missing = _decided(exposure.reach, caller, index)
    hops = tuple(_hops(exposure.reach, verdict, grant, missing, caller))
    if verdict == "yes":
        place = _place(exposure.endpoint, top, opens=True)
        return Answer("yes", f"{_can(caller, place)}; {_asked(exposure)}", hops)
    if verdict == "not known":
        assert missing is not None
        return Answer(verdict, _unread(missing, top), hops)
    return Answer("no", _cannot(caller, place) + _others(exposure.reach, caller) + _not_seen([exposure], caller), hops)


def _not_seen(exposures: Iterable[Exposure], caller: Caller) -> str:
    """What may let somebody in from outside and was not seen."""
    if caller.inside:
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
    says = authentication.says or _ASKS[name]
    return f"{says}: {name}" if says.endswith(")") else f"{says} ({name})"


def _others(lock: Lock, caller: Caller) -> str:
    """Who can, where the question was about the whole internet."""
    if not caller.everybody:
        return ""
    names = {**REACH_SAYS, Reach.private: "private networks"}
    found = [each.says or names[Reach(each.level)] for each in lock.grants if each.level > Reach.none]
    return f"; only {phrase(list(dict.fromkeys(found)))} can" if found else ""


def _decided(lock: Lock, caller: Caller, index: Index) -> tuple[Verdict, Grant | None, Unread | None]:
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
    if caller.inside and not caller.addresses:
        return Unread(f"the address from which {caller.name} goes out", "it has no public address of its own")
    if grant.says == TENANTS:
        return Unread(f"whether {caller.name} is an address of Azure", "every Azure tenant is let in")
    says = grant.says or "this source"
    return Unread(f"whether {caller.name} belongs to {says}", "only Azure knows the addresses")


def _fits(grant: Grant, caller: Caller, index: Index, *, injected: bool = False) -> bool | None:
    """Whether a way lets the caller in; None where nobody here can know."""
    level = grant.level
    if level == Reach.none:
        return False
    if level == Reach.internet and grant.who is None:
        return True
    if caller.everybody:
        return level == Reach.internet
    if grant.who is not None:
        if caller.addresses:
            return grant.who.covers(caller.addresses)
        return None if caller.inside else False
    if grant.ids:
        return caller.inside and any(_stands(each, caller, index, injected) for each in grant.ids)
    if level == Reach.azure:
        return True if caller.inside and grant.says == TENANTS else None
    return None if caller.inside else False


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
    if caller.everybody:
        return possible.level == Reach.internet
    if possible.who is not None:
        return not caller.addresses or possible.who.covers(caller.addresses)
    if possible.level >= Reach.wide:
        return True
    if possible.ids:
        return caller.inside and any(_stands(each, caller, index, True) for each in possible.ids)
    return caller.inside and possible.level > Reach.none


def _hops(lock: Lock, verdict: Verdict, grant: Grant | None, missing: Unread | None, caller: Caller) -> Iterable[Hop]:
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
        decided = decided or hop.lets is not True
        yield hop
        if hop.lets is False and verdict == "no":
            return
    if verdict == "no" and not decided:
        yield Hop("firewall", "network rules", f"none lets {caller.name} in", lets=False)
    if verdict == "not known" and not decided and missing is not None:
        yield Hop("firewall", "network rules", missing.why, lets=None)


def _lock(hop: Hop, lock: Lock, verdict: Verdict, grant: Grant | None, missing: Unread | None, caller: Caller) -> Hop:
    if verdict == "yes" and grant is not None:
        if hop.kind == "perimeter" and not hop.lets:
            return hop
        return replace(hop, detail=_which(grant, caller) or hop.detail, lets=True)
    if verdict == "no":
        if hop.lets is None:
            return hop
        if caller.everybody and hop.lets:
            return replace(hop, detail=f"only {hop.detail.removesuffix(' only')}", lets=False)
        return replace(hop, detail=_none_of(lock, caller) or hop.detail, lets=False)
    return replace(hop, detail=missing.why if missing is not None else hop.detail, lets=None)


def _which(grant: Grant, caller: Caller) -> str:
    """The rule that lets an address in."""
    if not caller.addresses or not grant.rules:
        return grant.says
    for rule, addresses in grant.rules:
        if addresses.covers(caller.addresses):
            name = text(rule, "name") if isinstance(rule, dict) else ""
            return f"{name}: {phrase(addresses.describe(3))}" if name else phrase(addresses.describe(3))
    return f"{len(grant.rules):,} rules together hold {caller.name}"


def _none_of(lock: Lock, caller: Caller) -> str:
    """What stands there instead of the caller."""
    if caller.everybody:
        return ""
    rules = sum(len(grant.rules) for grant in lock.grants)
    sets = [grant.who for grant in lock.grants if grant.who is not None]
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
    if missing.gap or missing.why == "not among what was read":
        return f"the {spoken} of {top.name} could not be read"
    return f"{name} of {top.name}: {missing.why}"


# Ports of machines


def at_port(
    asked: Port,
    led: Sequence[Path],
    missing: Sequence[Unread],
    top: Resource,
    caller: Caller,
    found: Topology,
    exposures: Iterable[Exposure] = (),
) -> Answer:
    """The answer for a port of a machine: the best of its paths, hop by hop."""
    place = _place(asked.label, top)
    tried = [each for each in (_along(path, asked, caller, found) for path in led) if each is not None]
    order = ("yes", "not known", "no")
    best = min(tried, key=lambda each: order.index(each[0]), default=None)
    if best is not None and best[0] == "yes":
        how = next((_asked(each) for each in exposures if covers(each.endpoint, asked)), "")
        place = _place(asked.label, top, opens=True)
        return Answer("yes", _can(caller, place) + (f"; {how}" if how else ""), best[1])
    unread = best[2] if best is not None and best[0] == "not known" else next(iter(missing), None)
    if unread is not None:
        hops = best[1] if best is not None else (Hop("path", top.name, unread.why, lets=None),)
        return Answer("not known", _unread(unread, top), hops)
    hidden = _not_seen(exposures, caller)
    if best is not None:
        return Answer("no", _cannot(caller, place) + best[3] + hidden, best[1])
    if led:
        why = "what leads to it from outside is for other ports"
    else:
        why = "no public address, load balancer or firewall leads to it"
    return Answer("no", _cannot(caller, place) + hidden, (Hop("path", top.name, why, lets=False),))


_Tried = tuple[Verdict, tuple[Hop, ...], Unread | None, str]


def _along(path: Path, asked: Port, caller: Caller, found: Topology) -> _Tried | None:
    """The answer on one path; None where the port does not lead onto it."""
    front = path.front
    if not asked.within(front.port.protocol, front.port.first, front.port.last):
        return None
    openings = [each for each in path.openings(found.fabric) if asked.within(each.protocol, each.first, each.last)]
    stopped = _stopped(front, caller)
    if stopped is not None and not any(each.possible_grants for each in openings):
        return "no", stopped, None, ""
    verdict, missing = _through(openings, front, caller, found.index)
    hops = (*_before(front), *_steps(path, asked, caller, found), *(path.last if verdict == "yes" else ()))
    others = ""
    if verdict == "no" and caller.everybody and any(each.certain for each in openings):
        others = f"; only {describe(openings[0].certain)} can"
    if verdict == "no" and all(hop.lets is not False for hop in hops) and hops:
        hops = (*hops[:-1], replace(hops[-1], lets=False))
    if verdict == "not known" and all(hop.lets for hop in hops) and missing is not None:
        hops = (*hops, Hop("path", "not known", missing.why, lets=None))
    return verdict, hops, missing, others


def _stopped(front: Front, caller: Caller) -> tuple[Hop, ...] | None:
    """The hops up to one before the chain that does not take this caller: another IP version, a firewall's sources."""
    if not front.hops or not caller.addresses:
        return None
    family = ALL_IPV4 if front.version == 4 else ALL_IPV6
    if front.entry != "inside" and front.sku is None and not caller.addresses & family:
        first = replace(front.hops[0], detail=f"{front.hops[0].detail}, not the same version of IP", lets=False)
        return (first,)
    if front.callers is not None and not any(term.addresses & caller.addresses for term in front.callers.terms):
        return (*front.hops[:-1], replace(front.hops[-1], lets=False))
    return None


def _through(openings: Sequence[Opening], front: Front, caller: Caller, index: Index) -> tuple[Verdict, Unread | None]:
    own = _own(front, caller)
    unsure: Unread | None = None
    for each in openings:
        if _holds(each.certain, caller, own, index):
            return "yes", None
        tags = [tag for tag in each.certain.tags if not tag.startswith("/")]
        if unsure is None and _holds(each.certain, caller, own, index) is None:
            named = phrase([*tags, *(tag for tag in each.certain.without if not tag.startswith("/"))])
            unsure = Unread(f"the private address of {caller.name}", "it is not known")
            if named:
                unsure = Unread(f"whether {caller.name} belongs to {named}", "only Azure knows the addresses of a tag")
        if _holds(each.possible, caller, own, index) is not False and each.certain != each.possible:
            unsure = unsure or next(
                iter(each.possible_grants), Unread("the private address", "a rule is for single addresses")
            )
    return ("not known", unsure) if unsure is not None else ("no", None)


def _own(front: Front, caller: Caller) -> AddressSet | None:
    """The addresses that the chain sees of a caller; None: everybody's."""
    if front.entry == "inside" and front.callers is None:
        return caller.private
    return caller.addresses


def _holds(who: Senders, caller: Caller, own: AddressSet | None, index: Index) -> bool | None:
    if own is None:
        return any(grant.level == Reach.internet for grant in ways(who, index))
    if own.is_empty:
        return None if who else False
    answers = [_term(term, own, caller.groups) for term in who.terms]
    return True if True in answers else None if None in answers else False


def _term(term: Term, own: AddressSet, groups: frozenset[str]) -> bool | None:
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


def _before(front: Front) -> tuple[Hop, ...]:
    """The hops up to the chain; a public address with its kind."""
    return tuple(
        replace(hop, detail=f"{hop.detail}, {front.entry.capitalize()}")
        if hop.kind == "public-ip" and front.entry != "inside" and hop.lets
        else hop
        for hop in front.hops
    )


def _steps(path: Path, asked: Port, caller: Caller, found: Topology) -> tuple[Hop, ...]:
    """The chain's hops with the rules that decide on this caller."""
    front = path.front
    back = front.port.back if front.port.spread else front.port.back + asked.number - front.port.first
    passed = passage(found.fabric, path.aim, front.entry)
    own = _own(front, caller)
    senders = Senders((Term(own, caller.groups if own is caller.private else frozenset()),)) if own else None
    if front.callers is not None:
        senders = front.inside
    steps = passed.explain(asked.protocol, back, senders)
    hops: list[Hop] = []
    for step in steps:
        if step.kind == "admin-rules" and step.lets and not any(ref.resource for ref in step.rules):
            continue
        hops.append(_told(step, found, passed.receiver))
        if senders is None and step.lets and not _holds(step.left, caller, None, found.index):
            only = f"only by {hops[-1].detail}" if step.rules else hops[-1].detail
            hops[-1] = replace(hops[-1], detail=only, lets=False)
            break
    return tuple(hops)


def _told(step: Step, found: Topology, receiver: Receiver) -> Hop:
    """`allow-ssh (300): Internet to tcp/22`."""
    hop = step.hop()
    group = found.fabric.groups.get(key_of(step.resource)) if step.resource else None
    if group is None or not step.rules or step.detail:
        return hop
    let = [ref for ref in step.rules if ref.lets] if step.lets else [ref for ref in step.rules if not ref.lets]
    rules = {rule.ref: rule for rule in group.rules(receiver, False)}
    said = [f"{ref.name} ({ref.priority}): {_rule(rules[ref])}" for ref in let[:2] if ref in rules]
    more = len(let) - len(said)
    if not said:
        return hop
    return replace(hop, detail="; ".join([*said, f"and {more} more"] if more > 0 else said))


def _rule(rule: Rule) -> str:
    """A rule as people write it: `Internet to tcp/22`, `* to *`."""
    source = rule.source
    who = [*source.tags, *(group.rstrip("/").rsplit("/", 1)[-1] for group in source.groups)]
    if source.outside == PUBLIC:
        who.insert(0, "Internet" if source.inside.is_empty else "*")
    elif source.inside == EVERYTHING:
        who.insert(0, "VirtualNetwork")
    else:
        who = [*(source.outside | source.inside).describe(3), *who]
    return f"{', '.join(who) or 'nobody'} to {_places(rule)}"


def _places(rule: Rule) -> str:
    spans = [each for each in rule.spans if each[0] < CONNECTIONS]
    found: dict[tuple[int, int], set[str]] = {}
    for protocol, first, last in cut(spans):
        if protocol in ("tcp", "udp"):
            found.setdefault((first, last), set()).add(protocol)
    if set(found) == set(ALL_PORTS) and found[ALL_PORTS[0]] == {"tcp", "udp"}:
        return "*"
    said = [label("*" if len(which) == 2 else min(which), first, last) for (first, last), which in found.items()]
    return ", ".join([*said[:3], f"and {len(said) - 3} more"] if len(said) > 3 else said) or "no port"


def from_inside(caller: Caller, found: Topology, nics: Iterable[str]) -> list[Path]:
    """The paths inside a virtual network (its peers too) from a caller to these network interfaces (ids)."""
    led: list[Path] = []
    for id in nics:
        nic = found.fabric.nics.get(key_of(id))
        if nic is None:
            continue
        for each in nic.configurations:
            if network_of(each.subnet) not in caller.networks:
                continue
            hop = Hop("network", network_of(each.subnet).rsplit("/", 1)[-1], "inside the virtual network or its peers")
            led.append(Path(Front(each.address, "inside", EVERY, each.version, (hop,)), target_of(nic, each), nic.id))
    return led


# Callers


def standing(name: str, resource_id: str, found: Topology, nics: Iterable[str] = ()) -> Caller | None:
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
            groups |= each.groups
            private += _addresses(each.address)
            public += _addresses(found.public(each.public).address) if each.public else []
    if key in found.publics:
        public += _addresses(found.publics[key].address)
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
                    out += _addresses(found.public(each).address)
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
    "Answer",
    "Caller",
    "Port",
    "at_endpoint",
    "at_port",
    "covers",
    "from_inside",
    "network_of",
    "of_endpoint",
    "port",
    "standing",
]
