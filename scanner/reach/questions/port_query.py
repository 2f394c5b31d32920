"""Reach queries about the ports of a machine: the best of its network paths, hop by hop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from scanner.model.addresses import ALL_ADDRESSES, ALL_IPV4, ALL_IPV6, NO_ADDRESSES, PUBLIC_ADDRESSES, AddressSet, union
from scanner.model.exposure import Exposure, Hop, Reach
from scanner.model.ids import name_of
from scanner.model.index import Index
from scanner.model.message import Message, listed
from scanner.model.resource import Resource
from scanner.model.verdict import Unread
from scanner.reach.networks.fabric import id_or_empty
from scanner.reach.networks.filtering import FilterStep, OpenRange, filter_chain
from scanner.reach.networks.routes import Passage
from scanner.reach.paths.internal_paths import BALANCED, return_route, why_not_linked
from scanner.reach.paths.network_paths import EVERY_PORT, FrontEnd, NetworkPath
from scanner.reach.paths.topology import Topology
from scanner.reach.questions.answers import (
    ORDER,
    ReachAnswer,
    ReachVerdict,
    SenderAnswer,
    authentication_text,
    can_open,
    cannot_open,
    combined,
    endpoint_text,
    next_step,
    overlap_can_open,
    unread_answer,
    unread_text,
    unseen_text,
)
from scanner.reach.questions.callers import Caller, Sender
from scanner.reach.questions.senders import PacketTarget, outbound, parsed_addresses, routed
from scanner.reach.rules.port_ranges import ALL_PORTS, CONNECTIONS, Protocol, cut, label
from scanner.reach.rules.security_rules import DestinationFields, SecurityRule
from scanner.reach.rules.source_grants import describe_sources, grants_from_sources
from scanner.reach.rules.source_sets import (
    UNKNOWN_APPLICATION_GROUP,
    SourceSet,
    SourceTerm,
    reached_addresses,
    sources_in_no_group,
)


class AskedPort(Struct, frozen=True):
    """The port of a query; `name` where it represents a range."""

    protocol: Protocol
    number: int
    name: str = ""

    @property
    def label(self) -> str:
        return self.name or label(self.protocol, self.number, self.number)

    def within(self, protocol: str, first: int, last: int) -> bool:
        return protocol in ("*", self.protocol) and first <= self.number <= last


def parse_port(text: str) -> AskedPort | None:
    """Return the port of a text as `tcp/22`; None for any other text."""
    protocol, _, number = text.strip().lower().partition("/")
    if protocol in ("tcp", "udp") and number.isascii() and number.isdecimal() and len(number) <= 5:
        return AskedPort("udp" if protocol == "udp" else "tcp", int(number)) if int(number) <= 65535 else None
    return None


def port_of_endpoint(endpoint: str) -> AskedPort | None:
    """Return the port that represents an endpoint of a machine: the first of a range. None for a name without ports."""
    protocol, _, numbers = endpoint.partition("/")
    first = "0" if numbers == "*" else numbers.partition("-")[0]
    asked_port = parse_port(f"{'tcp' if protocol == '*' else protocol}/{first}")
    return None if asked_port is None else replace(asked_port, name=endpoint)


def endpoint_covers(endpoint: str, asked: AskedPort) -> bool:
    """Return whether an endpoint that is named by its ports (`tcp/22`, `udp/500-600`, `*/*`) includes a port."""
    protocol, _, numbers = endpoint.partition("/")
    if numbers == "*":
        return protocol in ("*", asked.protocol)
    first, _, last = numbers.partition("-")
    return first.isdecimal() and asked.within(protocol, int(first), int(last or first))


def ask_port(
    asked: AskedPort,
    paths: Sequence[NetworkPath],
    missing: Sequence[Unread],
    top: Resource,
    caller: Caller,
    topology: Topology,
    exposures: Iterable[Exposure] = (),
) -> ReachAnswer:
    """Return the answer for a port of a machine: the best of its paths, hop by hop."""
    endpoint = endpoint_text(asked.label, top)
    best = combined(_without_target(caller, paths), lambda one: _best(asked, paths, missing, top, one, topology))
    if best.verdict == "yes":
        how = next((authentication_text(each) for each in exposures if endpoint_covers(each.endpoint, asked)), "")
        endpoint = endpoint_text(asked.label, top, opens=True)
        return ReachAnswer("yes", can_open(caller, endpoint) + (f"; {how}" if how else ""), best.hops)
    if best.verdict == "in part":
        return ReachAnswer("in part", overlap_can_open(listed(best.overlap.describe(3)), caller, endpoint), best.hops)
    if best.missing is not None:
        step = next_step(best.missing, caller)
        return ReachAnswer("not known", unread_text(best.missing, top), best.hops, next_step=step)
    return ReachAnswer("no", cannot_open(caller, endpoint) + best.more + unseen_text(exposures, caller), best.hops)


ITSELF: Final = Unread(
    "the path inside",
    Message("whether network security groups filter traffic from a machine to itself is not documented"),
)


def _without_target(caller: Caller, paths: Sequence[NetworkPath]) -> Caller:
    """Return the caller without the addresses of the machine that is asked for: packets to oneself leave no machine."""
    targets = {
        path.destination for path in paths if path.nic and is_inside(path.front_end) and path.destination.address
    }
    left = tuple(each for each in caller.senders if each.destination not in targets)
    if len(left) == len(caller.senders):
        return caller
    return replace(caller, senders=left, missing=caller.missing or (() if left else (ITSELF,)))


def _best(
    asked: AskedPort,
    paths: Sequence[NetworkPath],
    missing: Sequence[Unread],
    top: Resource,
    caller: Caller,
    topology: Topology,
) -> SenderAnswer:
    """Return the best of the paths for one sender, an instance of a scale set among them, to any machine but itself."""
    destination = caller.senders[0].destination if caller.senders and caller.senders[0].destination.address else None
    if destination is not None and paths and all(each.destination == destination for each in paths):
        return unread_answer(ITSELF)
    paths = [each for each in paths if destination is None or each.destination != destination]
    tried = [each for each in (_along(path, asked, caller, topology) for path in paths) if each is not None]
    best = min(tried, key=lambda each: ORDER.index(each.verdict), default=None)
    if best is not None and best.verdict != "no":
        return best
    if missing:
        hops = best.hops if best is not None else (Hop("path", top.name, missing[0].why, allows=None),)
        return SenderAnswer("not known", hops, missing[0])
    if best is not None:
        return best
    if paths:
        why = Message("its network paths from outside are for other ports")
    else:
        why = Message("it has no public address, load balancer or firewall in front of it")
    return SenderAnswer("no", (Hop("path", top.name, why, allows=False),))


def _along(path: NetworkPath, asked: AskedPort, caller: Caller, topology: Topology) -> SenderAnswer | None:
    """Return the answer on one path for one sender; None where the port does not lead onto it."""
    front, sender = path.front_end, caller.senders[0] if caller.senders else None
    if not asked.within(front.port.protocol, front.port.first, front.port.last):
        return None
    opened = [
        each
        for each in path.open_ranges(topology.fabric)
        if asked.within(each.protocol, each.first, each.last) or _may_lead_anywhere(front)
    ]
    if front.translates:
        # Callers of a private link service may be anywhere, and what is behind it sees the service alone.
        return SenderAnswer("not known", front.hops, front.missing[0]) if opened else None
    stopped = _stopped(front, caller)
    if stopped is not None and not any(each.missing for each in opened):
        return SenderAnswer("no", stopped)
    verdict, missing, overlap = _through(opened, front, caller, topology.index)
    gap = next((each.chain.admin_gap for each in opened if each.chain is not None and each.chain.admin_gap), None)
    if gap is not None and verdict in ("yes", "in part"):
        verdict, missing = "not known", gap
    if sender is not None and (verdict != "no" or (opened and _may_be_translated(path, sender, topology))):
        sent = _answer_of_sender(path, asked, sender, topology)
        if sent is not None:
            return sent
    return SenderAnswer(
        verdict,
        _hops(path, asked, caller, topology, opened, verdict, missing),
        missing,
        overlap,
        _only(opened, caller) if verdict == "no" else "",
    )


def _may_lead_anywhere(front: FrontEnd) -> bool:
    """Return whether a front end is one of an internal load balancer whose rules were not read."""
    balanced = is_inside(front) and front.port == EVERY_PORT and front.hops[0].kind == "load-balancer"
    return balanced and front.missing != (BALANCED,)


def _only(opened: Sequence[OpenRange], caller: Caller) -> str:
    """Return a clause about who can connect, where the internet cannot; "" without."""
    if not caller.is_internet or not any(each.certain for each in opened):
        return ""
    return f"; only {describe_sources(opened[0].certain)} can"


def _hops(
    path: NetworkPath,
    asked: AskedPort,
    caller: Caller,
    topology: Topology,
    opened: Sequence[OpenRange],
    verdict: ReachVerdict,
    missing: Unread | None,
) -> tuple[Hop, ...]:
    """Return the hops of a path for one sender, up to the one that blocks or is not known."""
    front = path.front_end
    hops = (
        *_before(front),
        *_steps(path, asked, caller, topology),
        *(path.end_hops if verdict in ("yes", "in part") else ()),
    )
    if verdict == "no" and front.allowed_sources is not None and front.hops and any(each.certain for each in opened):
        hops = _at_firewall(front)
    if verdict == "no" and all(hop.allows is not False for hop in hops) and hops:
        hops = (*hops[:-1], replace(hops[-1], allows=False))
    if verdict == "not known" and all(hop.allows is not None for hop in hops) and missing is not None:
        passed = (hop for hop in hops if hop.allows)
        hops = (*passed, Hop("path", "not known", missing.why, allows=None))
    return hops


def _answer_of_sender(path: NetworkPath, asked: AskedPort, sender: Sender, topology: Topology) -> SenderAnswer | None:
    """Return the answer that the rules and routes of a sender give before the target's own; None where they let its
    packets onto the path.
    """
    if sender.missing is not None:
        return unread_answer(sender.missing)
    sent = _sent(path, asked, sender, topology)
    if sent.allows is False and sent.hop is not None:
        return SenderAnswer("no", (sent.hop,))
    unclear = _unclear(path, sent, sender, topology)
    if unclear is None:
        return None
    front = path.front_end
    hops = (*_before(front), replace(unclear.hop, allows=None)) if unclear.hop else _before(front)
    return SenderAnswer("not known", hops, unclear.missing)


def _unclear(path: NetworkPath, sent: Passage, sender: Sender, topology: Topology) -> Passage | None:
    """Return what of the way of a sender onto a path, and of the answers to it, is not known; None where all is."""
    if is_inside(path.front_end):
        target, sender_subnet = (
            topology.fabric.key(path.destination.subnet),
            topology.fabric.key(sender.destination.subnet),
        )
        missing = why_not_linked(topology.index, sender_subnet, target)
        if missing is not None:
            return Passage(None, unread_answer(missing).hops[0], missing)
        if sent.allows is None:
            return sent
        back = return_route(topology.index, topology.fabric, target, sender.destination)
        return back if back.allows is not True else None
    return sent if sent.allows is None else None


def _may_be_translated(path: NetworkPath, sender: Sender, topology: Topology) -> bool:
    """Return whether the target may see another private address than the sender's: what is on the way is not known."""
    front = path.front_end
    if not is_inside(front) or sender.destination.version != front.version:
        return False
    linked = why_not_linked(
        topology.index, topology.fabric.key(sender.destination.subnet), topology.fabric.key(path.destination.subnet)
    )
    aim = _target_inside(path, topology)
    return linked is not None or (
        aim is not None and routed(topology.index, topology.fabric, sender.destination, aim).allows is None
    )


def _stopped(front: FrontEnd, caller: Caller) -> tuple[Hop, ...] | None:
    """Return the hops up to one before the chain that blocks this caller: another IP version, or a firewall's
    sources.
    """
    if caller.senders and front.hops and caller.senders[0].destination.version != front.version:
        what = "IPv6" if front.version == 6 else "IPv4"
        return (replace(front.hops[0], detail=f"{front.address or what}, a different IP version", allows=False),)
    if not front.hops or not caller.addresses:
        return None
    family = ALL_IPV4 if front.version == 4 else ALL_IPV6
    if front.entry != "inside" and front.sku_unread is None and not caller.addresses & family:
        first = replace(front.hops[0], detail=f"{front.hops[0].detail}, a different IP version", allows=False)
        return (first,)
    if front.allowed_sources is not None and not any(
        term.addresses & caller.addresses for term in front.allowed_sources.terms
    ):
        return _at_firewall(front)
    return None


def _at_firewall(front: FrontEnd) -> tuple[Hop, ...]:
    """Return the hops up to the firewall, whose sources block the caller."""
    at = next((number for number, hop in enumerate(front.hops) if hop.kind == "firewall"), len(front.hops) - 1)
    return (*front.hops[:at], replace(front.hops[at], allows=False))


def _through(
    opened: Sequence[OpenRange], front: FrontEnd, caller: Caller, index: Index
) -> tuple[ReachVerdict, Unread | None, AddressSet]:
    """Return whether a caller passes the chain, why that is not known, and the part of its addresses that does."""
    addresses = _caller_addresses(front, caller)
    unsure: Unread | None = None
    for each in opened:
        if _holds(each.certain, caller, addresses, index):
            return "yes", None, NO_ADDRESSES
        if addresses and reached_addresses(each.certain, addresses, caller.application_groups)[0]:
            if not caller.in_network or (caller.is_area and is_inside(front)):
                reached = (reached_addresses(one.certain, addresses, caller.application_groups)[0] for one in opened)
                return "in part", None, union(reached)
            unsure = Unread(f"the address of {caller.name}", Message("only some of its addresses are allowed"))
        tags = [tag for tag in each.certain.tags if not tag.startswith("/")]
        if unsure is None and _holds(each.certain, caller, addresses, index) is None:
            named = listed([*tags, *(tag for tag in each.certain.without if not tag.startswith("/"))])
            unsure = _why_no_address(front, caller)
            if named:
                unsure = Unread(
                    f"whether {caller.name} belongs to {named}",
                    Message("the addresses of a tag are known only to Azure"),
                )
        if _holds(each.possible, caller, addresses, index) is not False and each.certain != each.possible:
            unsure = unsure or next(
                iter(each.missing), Unread("the private address", Message("a rule names single addresses"))
            )
    return ("not known" if unsure is not None else "no"), unsure, NO_ADDRESSES


def is_inside(front: FrontEnd) -> bool:
    """Return whether packets come over a front end from inside a network, with their private addresses."""
    return front.entry == "inside" and front.allowed_sources is None


def _why_no_address(front: FrontEnd, caller: Caller) -> Unread:
    if is_inside(front):
        if UNKNOWN_APPLICATION_GROUP in caller.application_groups:
            return Unread(f"the application security groups of {caller.name}", Message("they could not be read"))
        return Unread(f"the private address of {caller.name}", Message("it is not known"))
    return Unread(f"the outbound address of {caller.name}", caller.why_no_address or Message("it is not known"))


def _caller_addresses(front: FrontEnd, caller: Caller) -> AddressSet | None:
    """Return the addresses that the chain meets of a caller; None: all addresses."""
    if is_inside(front):
        return caller.private_addresses if caller.in_network else caller.addresses
    if caller.senders and not caller.addresses and caller.senders[0].egress.exists:
        return PUBLIC_ADDRESSES.of_version(front.version)  # one of them, which is not known
    return caller.addresses


def _holds(sources: SourceSet, caller: Caller, addresses: AddressSet | None, index: Index) -> bool | None:
    """Return whether a set has all these addresses (None of them known: the internet); None where only Azure knows."""
    if addresses is None:
        return any(grant.level == Reach.internet for grant in grants_from_sources(sources, index))
    if addresses.is_empty:
        return None if sources else False
    certain, possible = reached_addresses(sources, addresses, caller.application_groups)
    return True if certain.covers(addresses) else None if possible - certain else False


def _before(front: FrontEnd) -> tuple[Hop, ...]:
    """Return the hops up to the chain; a public address with its SKU."""
    return tuple(
        replace(hop, detail=f"{hop.detail}, {front.entry.capitalize()}")
        if hop.kind == "public-ip" and front.entry != "inside" and hop.allows
        else hop
        for hop in front.hops
    )


def _steps(path: NetworkPath, asked: AskedPort, caller: Caller, topology: Topology) -> tuple[Hop, ...]:
    """Return the chain's hops with the rules that decide on this caller."""
    front = path.front_end
    back = front.port.backend if front.port.single_backend else front.port.backend + asked.number - front.port.first
    chain = filter_chain(topology.fabric, path.effective_destination, front.entry)
    addresses = _caller_addresses(front, caller)
    senders = (
        SourceSet((SourceTerm(addresses, frozenset(each for each in _groups(front, caller) if each.startswith("/"))),))
        if addresses
        else None
    )
    if front.allowed_sources is not None:
        shown = front.translated_addresses
        senders = sources_in_no_group(shown) if shown is not None else None
    steps = chain.explain(asked.protocol, back, senders)
    hops: list[Hop] = []
    for step in steps:
        if step.kind == "admin-rules" and step.allows and not any(ref.resource for ref in step.rules):
            continue
        hops.append(_hop_with_rules(step, topology, chain.destination))
        if senders is None and step.allows and not _holds(step.remaining, caller, None, topology.index):
            only = f"only by {hops[-1].detail}" if step.rules else hops[-1].detail
            hops[-1] = replace(hops[-1], detail=only, allows=False)
            break
    return tuple(hops)


def _groups(front: FrontEnd, caller: Caller) -> frozenset[str]:
    return caller.application_groups if is_inside(front) else frozenset()


def _hop_with_rules(step: FilterStep, topology: Topology, receiver: DestinationFields) -> Hop:
    """Return the hop of a step with its rules: `allow-ssh (300): Internet to tcp/22`."""
    hop = step.hop()
    group = topology.fabric.groups.get(id_or_empty(step.resource)) if step.resource else None
    if group is None or not step.rules or step.detail:
        return hop
    allowing = (
        [ref for ref in step.rules if ref.allows] if step.allows else [ref for ref in step.rules if not ref.allows]
    )
    rules = {rule.ref: rule for rule in group.rules(receiver, False)}
    texts = [f"{ref.name} ({ref.priority}): {_rule(rules[ref])}" for ref in allowing[:2] if ref in rules]
    more = len(allowing) - len(texts)
    if not texts:
        return hop
    return replace(hop, detail="; ".join([*texts, Message("and {count} more", count=more)] if more > 0 else texts))


def _rule(rule: SecurityRule) -> str:
    """Return a rule as people write it: `Internet to tcp/22`, `* to *`."""
    source = rule.source
    sources = [*source.tags, *(name_of(group) for group in source.groups)]
    if source.outside == PUBLIC_ADDRESSES:
        sources.insert(0, "Internet" if source.inside.is_empty else "*")
    elif source.inside == ALL_ADDRESSES:
        sources.insert(0, "VirtualNetwork")
    else:
        sources = [*(source.outside | source.inside).describe(3), *sources]
    return f"{', '.join(sources) or 'no one'} to {_ports(rule)}"


def _ports(rule: SecurityRule) -> str:
    spans = [each for each in rule.spans if each[0] < CONNECTIONS]
    result: dict[tuple[int, int], set[str]] = {}
    for protocol, first, last in cut(spans):
        if protocol in ("tcp", "udp"):
            result.setdefault((first, last), set()).add(protocol)
    if set(result) == set(ALL_PORTS) and result[ALL_PORTS[0]] == {"tcp", "udp"}:
        return "*"
    texts = [label("*" if len(which) == 2 else min(which), first, last) for (first, last), which in result.items()]
    return ", ".join([*texts[:3], f"and {len(texts) - 3} more"] if len(texts) > 3 else texts) or "no port"


def _sent(path: NetworkPath, asked: AskedPort, sender: Sender, topology: Topology) -> Passage:
    """Return whether the outbound rules and routes of a sender let its packets onto a path."""
    front = path.front_end
    if is_inside(front):
        aim = _target_inside(path, topology)
    else:
        aim = PacketTarget(
            union(parsed_addresses(front.address)) or PUBLIC_ADDRESSES.of_version(front.version), inside=False
        )
    if aim is None:
        missing = Unread("the private address of the target", Message("it is not known"))
        return Passage(None, Hop("path", "not known", missing.why, allows=None), missing)
    return outbound(topology.index, topology.fabric, sender.destination, aim, asked.protocol, asked.number)


def _target_inside(path: NetworkPath, topology: Topology) -> PacketTarget | None:
    """Return where a packet inside a network goes: an address, or one of its subnet; None where neither is known."""
    front = path.front_end
    target = union(parsed_addresses(front.address))
    if not target:
        subnet = topology.fabric.subnets.get(topology.fabric.key(path.destination.subnet))
        prefixes = [each for text in (subnet.prefixes if subnet is not None else ()) for each in parsed_addresses(text)]
        target = union(each.of_version(front.version) for each in prefixes)
    groups = path.destination.application_groups if front.hops[0].kind == "network" else frozenset[str]()
    return PacketTarget(target, True, groups) if target else None
