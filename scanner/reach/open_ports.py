"""What stands open on the paths to a machine: a public address, a range of ports, who may come, and the hops."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from scanner.model.addresses import Version
from scanner.model.exposure import Grant, Hop, Lock, PossibleGrant, Reach
from scanner.model.index import Index
from scanner.model.verdict import Evidence, Unread
from scanner.reach.filtering import Opening, Step, admits, describe, fabric_of, passage, ways
from scanner.reach.known_ports import KnownPort
from scanner.reach.networks import Fabric, Target
from scanner.reach.nsg import Group, Receiver
from scanner.reach.port_ranges import CONNECTIONS
from scanner.reach.sources import phrase, source_hop
from scanner.reach.topology import Path

DEFAULTS = 65000
"""The priority from which on the rules are Azure's own, which nobody can change."""

NO_ADDRESS = Unread("the private address", "it is not known, and a rule is for single addresses")


@dataclass(frozen=True, slots=True)
class Door:
    """A range of ports of one public address ("" where that is not known or changes) with who may come."""

    address: str
    label: str
    known: KnownPort | None
    whole: bool
    reach: Lock
    rule: str = ""
    """The id of the security rule that lets callers in, "" where a default rule or none does."""


def doors(paths: Iterable[Path], fabric: Fabric, index: Index) -> list[Door]:
    """What is open on these paths, by address and range; the same range on several paths is one door."""
    found: dict[tuple[str, str], Door] = {}
    for path in paths:
        for opening in path.openings(fabric):
            reach = lock(opening, index, path.front.hops, path.last, inside=path.front.callers is not None)
            if not reach.grants and not reach.possible_grants:
                continue
            rule = deciding(opening.steps)
            door = Door(path.front.address, opening.label, opening.known, _whole(opening), reach, rule)
            key = (door.address, door.label)
            found[key] = _both(found[key], door) if key in found else door
    return list(found.values())


def deciding(steps: Iterable[Step]) -> str:
    """The id of the last security rule of a group that somebody wrote and that lets the packet through."""
    for step in reversed(tuple(steps)):
        if step.kind in ("subnet-nsg", "nic-nsg"):
            for rule in step.rules:
                if rule.lets and rule.priority < DEFAULTS:
                    return f"{step.resource}/securityRules/{rule.name}"
    return ""


def _whole(opening: Opening) -> bool:
    return (opening.first, opening.last) == (0, 65535)


def _both(one: Door, two: Door) -> Door:
    """One door that two paths lead to: the ways of both, and the hops of the wider one."""
    if one.reach == two.reach:
        return one
    wide, narrow = (one, two) if _level(one) >= _level(two) else (two, one)
    ways = dict.fromkeys((*wide.reach.grants, *narrow.reach.grants))
    possible_grants = dict.fromkeys((*wide.reach.possible_grants, *narrow.reach.possible_grants))
    told = dict.fromkeys((*wide.reach.admits, *narrow.reach.admits))
    known = min((each.known for each in (one, two) if each.known), key=lambda each: each.kind, default=None)
    return replace(wide, known=known, reach=Lock(tuple(ways), tuple(possible_grants), wide.reach.hops, tuple(told)))


def _level(door: Door) -> int:
    return max([grant.level for grant in door.reach.grants], default=-1)


def lock(
    opening: Opening, index: Index, before: Iterable[Hop] = (), after: Iterable[Hop] = (), inside: bool = False
) -> Lock:
    """Who may come through an opening: the hops before the chain, those of the chain, and those after.

    `inside`: the chain sees a firewall's own address, and the callers are those that the firewall lets come.
    """
    seen = evidence(opening.steps)
    grants = ways(opening.certain, index, *seen)
    possible_grants: tuple[PossibleGrant, ...] = ()
    if opening.certain != opening.possible:
        widest = max((grant.level for grant in grants), default=Reach.none)
        possible_grants = tuple(
            PossibleGrant(grant.level, missing, seen, who=grant.who)
            for grant in ways(opening.possible, index)
            if grant.level > widest
            for missing in opening.possible_grants or (NO_ADDRESS,)
        )
    hops = (source_hop(Lock(grants)), *before, *chain_hops(opening.steps, inside), *after)
    return Lock(grants, possible_grants, hops, admits(opening.certain))


def closed_path(path: Path, fabric: Fabric) -> tuple[Hop, ...]:
    """The hops of a path on which nobody gets through, up to the one that holds."""
    hops = chain_hops(path.explain(fabric), path.front.callers is not None)
    return (Hop("source", "Internet", "every address"), *path.front.hops, *hops)


def chain_hops(steps: Iterable[Step], inside: bool = False) -> tuple[Hop, ...]:
    """The hops of the chain: without those where no rule decides, and with what could not be read told as such."""
    found: list[Hop] = []
    for step in steps:
        hop = step.hop()
        if inside:
            hop = replace(hop, detail=hop.detail.replace("lets in every address", "lets in the firewall"))
        if step.kind in ("subnet-nsg", "nic-nsg") and not step.rules and step.detail:
            hop = replace(hop, lets=None)
        if not _nothing(step):
            found.append(hop)
    return tuple(found)


def _nothing(step: Step) -> bool:
    """Whether it is the security admin rules, and none of them decided."""
    return step.kind == "admin-rules" and all(not rule.resource for rule in step.rules)


def at_subnet(index: Index, subnet: str, port: int, *before: Hop) -> Lock:
    """Who gets to a TCP port of a service that stands in a subnet (its id) and has a public address there."""
    passed = passage(fabric_of(index), Target(subnet), "standard")
    found = [lock(each, index, before) for each in passed.within("tcp", port, port)]
    if found:
        return found[0]
    steps = passed.explain("tcp", port)
    seen = tuple(Evidence(_name(step), f"lets nobody in: {_rules(step)}") for step in steps if not step.left)
    hops = (Hop("source", "Internet", "every address"), *before, *chain_hops(steps))
    return Lock((Grant(Reach.none, seen),), hops=hops)


def lets_in(group: Group, index: Index) -> tuple[Evidence, ...]:
    """The rules by which a security group lets in the world (wide ranges and more), wherever it stands."""
    found: dict[str, Evidence] = {}
    for version in _VERSIONS:
        for segment in group.flow(Receiver(), "outside", version, wide=True):
            wide = any(grant.level >= Reach.wide for grant in ways(segment.senders, index))
            if segment.first >= CONNECTIONS or not wide:
                continue
            for rule in segment.rules:
                found.setdefault(
                    rule.name, Evidence(rule.name, f"priority {rule.priority} lets in {describe(segment.senders)}")
                )
    return tuple(found.values())


_VERSIONS: Final[tuple[Version, ...]] = (4, 6)


def _name(step: Step) -> str:
    return step.resource.rstrip("/").rsplit("/", 1)[-1] or "network security group"


def _rules(step: Step) -> str:
    return phrase([f"{rule.name} ({rule.priority})" for rule in step.rules]) or step.detail


def evidence(steps: Iterable[Step]) -> tuple[Evidence, ...]:
    """The rules that let the packet through."""
    found: list[Evidence] = []
    for step in steps:
        if _nothing(step):
            continue
        name = _name(step)
        found += [
            Evidence(
                f"{name} {rule.name}",
                f"priority {rule.priority} lets in {describe(step.left)}",
                "the addresses that need it",
            )
            for rule in step.rules
        ]
        if not step.rules:
            found.append(Evidence(name, step.detail))
    return tuple(found)


__all__ = ["Door", "at_subnet", "closed_path", "deciding", "doors", "evidence", "lets_in", "lock"]
