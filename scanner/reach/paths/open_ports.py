"""The open ports on the network paths to a machine: public address, range of ports, allowed callers, hops."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from scanner.model.addresses import Version
from scanner.model.exposure import Grant, Hop, Lock, PossibleGrant, Reach
from scanner.model.ids import name_of, subnet_name
from scanner.model.index import Index
from scanner.model.message import Message, joined, listed
from scanner.model.verdict import Evidence, Unread
from scanner.reach.networks.fabric import Destination, Fabric, fabric_of
from scanner.reach.networks.filtering import FilterStep, OpenRange, filter_chain
from scanner.reach.paths.closing import NOTHING, Closing, closing_of
from scanner.reach.paths.network_paths import NetworkPath
from scanner.reach.rules.known_ports import KnownPort
from scanner.reach.rules.nsg import SecurityRules
from scanner.reach.rules.port_ranges import CONNECTIONS
from scanner.reach.rules.security_rules import DestinationFields
from scanner.reach.rules.source_grants import describe_sources, grants_from_sources, platform_tags
from scanner.reach.rules.sources import source_hop

NO_ADDRESS = Unread(Message("the private address"), Message("it is not known, and a rule names single addresses"))


class OpenPorts(Struct, frozen=True):
    """A range of ports of one public address ("" where that is not known or changes) with its network lock."""

    address: str
    label: str
    known_port: KnownPort | None
    every_port: bool
    reach: Lock
    narrow: Closing = NOTHING
    """What closes it to broad ranges."""
    close: Closing = NOTHING
    """What closes it to everyone."""


def open_ports(paths: Iterable[NetworkPath], fabric: Fabric, index: Index) -> list[OpenPorts]:
    """Return what is open on these paths, by address and range; the same range on several paths is one."""
    result: dict[tuple[str, str], OpenPorts] = {}
    for path in paths:
        for opened in path.open_ranges(fabric):
            reach = open_range_lock(
                opened, index, path.front_end.hops, path.end_hops, inside=path.front_end.allowed_sources is not None
            )
            if not reach.grants and not reach.possible_grants:
                continue
            front, known_port = path.front_end, opened.known_port
            narrow = closing_of(opened, front, index, Reach.wide)
            needs_all = known_port is not None and known_port.kind == "app"
            close = closing_of(opened, front, index, Reach.selected) if needs_all else NOTHING
            ports = OpenPorts(front.address, opened.label, known_port, _whole(opened), reach, narrow, close)
            key = (ports.address, ports.label)
            result[key] = _both(result[key], ports) if key in result else ports
    return list(result.values())


def _whole(opened: OpenRange) -> bool:
    return (opened.first, opened.last) == (0, 65535)


def _both(one: OpenPorts, two: OpenPorts) -> OpenPorts:
    """Return one range of two paths: the grants of both, and the hops of the wider one."""
    narrow, close = one.narrow | two.narrow, one.close | two.close
    if one.reach == two.reach:
        return replace(one, narrow=narrow, close=close)
    wide, other = (one, two) if _level(one) >= _level(two) else (two, one)
    ways = dict.fromkeys((*wide.reach.grants, *other.reach.grants))
    possible_grants = dict.fromkeys((*wide.reach.possible_grants, *other.reach.possible_grants))
    access = dict.fromkeys((*wide.reach.admits, *other.reach.admits))
    known = min((each.known_port for each in (one, two) if each.known_port), key=lambda each: each.kind, default=None)
    return replace(
        wide,
        known_port=known,
        narrow=narrow,
        close=close,
        reach=Lock(tuple(ways), tuple(possible_grants), wide.reach.hops, tuple(access)),
    )


def _level(ports: OpenPorts) -> int:
    return max([grant.level for grant in ports.reach.grants], default=-1)


def open_range_lock(
    opened: OpenRange, index: Index, before: Iterable[Hop] = (), after: Iterable[Hop] = (), inside: bool = False
) -> Lock:
    """Return the lock of an open range: the hops before the chain, those of the chain, and those after.

    `inside`: the chain meets a firewall's own address, and the callers are those that the firewall allows.
    """
    seen = step_evidence(opened.steps)
    grants = grants_from_sources(opened.certain, index, *seen)
    possible_grants: tuple[PossibleGrant, ...] = ()
    if opened.certain != opened.possible:
        widest = max((grant.level for grant in grants), default=Reach.none)
        possible_grants = tuple(
            PossibleGrant(grant.level, missing, seen, addresses=grant.addresses)
            for grant in grants_from_sources(opened.possible, index)
            if grant.level > widest
            for missing in opened.missing or (NO_ADDRESS,)
        )
    hops = (source_hop(Lock(grants)), *before, *chain_hops(opened.steps, inside), *after)
    return Lock(grants, possible_grants, hops, platform_tags(opened.certain))


def closed_path_hops(path: NetworkPath, fabric: Fabric) -> tuple[Hop, ...]:
    """Return the hops of a path on which no source gets through, up to the one that blocks."""
    front = path.front_end
    source = Hop("source", "Internet", Message("every address"))
    if front.allowed_sources is not None and not front.allowed_sources and front.hops:
        at = next((number for number, hop in enumerate(front.hops) if hop.kind == "firewall"), 0)
        return (source, *front.hops[:at], replace(front.hops[at], allows=False))
    hops = chain_hops(path.explain(fabric), front.allowed_sources is not None)
    return (source, *front.hops, *hops)


def chain_hops(steps: Iterable[FilterStep], inside: bool = False) -> tuple[Hop, ...]:
    """Return the hops of the chain, without those where no rule decides; unread ones have `allows` None."""
    hops: list[Hop] = []
    for step in steps:
        hop = step.hop(inside=inside)
        if step.kind in ("subnet-nsg", "nic-nsg") and not step.rules and step.detail:
            hop = replace(hop, allows=None)
        if not _nothing(step):
            hops.append(hop)
    return tuple(hops)


def _nothing(step: FilterStep) -> bool:
    """Return whether the step is the security admin rules and none of them decided."""
    return step.kind == "admin-rules" and all(not rule.resource for rule in step.rules)


def subnet_port_lock(index: Index, subnet: str, port: int, *before: Hop) -> Lock:
    """Return the lock of a TCP port of a service that is in a subnet (its id) and has a public address there."""
    chain = filter_chain(fabric_of(index), Destination(subnet), "standard")
    end = Hop("subnet", subnet_name(subnet), Message("inside a virtual network"), subnet)
    locks = [open_range_lock(each, index, before, (end,)) for each in chain.within("tcp", port, port)]
    if locks:
        return locks[0]
    steps = chain.explain("tcp", port)
    seen = tuple(
        Evidence(_name(step), Message("allows no one: {step}", step=_rules(step)))
        for step in steps
        if not step.remaining
    )
    hops = (Hop("source", "Internet", Message("every address")), *before, *chain_hops(steps))
    return Lock((Grant(Reach.none, seen),), hops=hops)


def broad_allow_rules(group: SecurityRules, index: Index) -> tuple[Evidence, ...]:
    """Return the rules with which a network security group allows wide ranges and more, wherever it is attached."""
    result: dict[str, Evidence] = {}
    for version in _VERSIONS:
        for segment in group.allowed(DestinationFields(), "outside", version, wide=True):
            wide = any(grant.level >= Reach.wide for grant in grants_from_sources(segment.sources, index))
            if segment.first >= CONNECTIONS or not wide:
                continue
            for rule in segment.rules:
                result.setdefault(
                    rule.name,
                    Evidence(
                        rule.name,
                        Message(
                            "priority {priority} allows {sources}",
                            priority=rule.priority,
                            sources=describe_sources(segment.sources),
                        ),
                    ),
                )
    return tuple(result.values())


_VERSIONS: Final[tuple[Version, ...]] = (4, 6)


def _name(step: FilterStep) -> str:
    return name_of(step.resource) or Message("network security group")


def _rules(step: FilterStep) -> str:
    return listed([rule.text for rule in step.rules]) or step.detail


def step_evidence(steps: Iterable[FilterStep]) -> tuple[Evidence, ...]:
    """Return evidence of the rules that allow the packet."""
    evidence: list[Evidence] = []
    for step in steps:
        if _nothing(step):
            continue
        name = _name(step)
        evidence += [
            Evidence(
                joined(" ", (name, rule.name)) if isinstance(rule.name, Message) else f"{name} {rule.name}",
                Message(
                    "priority {priority} allows {remaining}",
                    priority=rule.priority,
                    remaining=describe_sources(step.remaining),
                ),
                Message("only the required addresses"),
            )
            for rule in step.rules
        ]
        if not step.rules:
            evidence.append(Evidence(name, step.detail))
    return tuple(evidence)


__all__ = [
    "OpenPorts",
    "broad_allow_rules",
    "closed_path_hops",
    "open_ports",
    "open_range_lock",
    "step_evidence",
    "subnet_port_lock",
]
