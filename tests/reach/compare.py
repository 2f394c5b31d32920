"""The evaluator's answers to the questions that the oracle is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from scanner.model.addresses import parse
from scanner.model.index import build
from scanner.model.resource import Children, Resource
from scanner.reach.networks import filtering as chain
from scanner.reach.networks.fabric import Destination, Fabric, destination_of
from scanner.reach.paths.load_balancer_rules import translated_ports
from scanner.reach.paths.network_paths import NetworkPath
from scanner.reach.paths.scale_sets import scale_set_paths
from scanner.reach.paths.topology import Topology
from scanner.reach.questions.senders import PacketTarget, outbound
from scanner.reach.rules.port_ranges import Protocol, position
from scanner.reach.rules.source_sets import SourceSet
from tests.reach.estates import EVERYWHERE, FRONTS, TENANT, WALLS, Estate, Maker, Packet
from tests.reach.oracle import Oracle, Verdicts, member


def fabric(estate: Estate) -> Fabric:
    out = Fabric()
    for body in estate.resources:
        assert out.add(Resource(body))
    out.add(Resource(estate.walls[0]))
    out.security_admin.tenants = frozenset({TENANT})
    return out


def answers(networks: Fabric, estate: Estate, packet: Packet) -> Iterator[tuple[str, bool, bool]]:
    """Every form in which the evaluator says whether a packet gets in: (form, surely, maybe)."""
    nic = networks.nics[networks.key(estate.nics[packet.nic]["id"])]
    target = destination_of(nic, nic.configurations[packet.configuration])
    passage = chain.filter_chain(networks, target, cast("chain.EntryKind", packet.entry))
    protocol = cast("Protocol", packet.protocol)
    at = position(protocol, packet.port)
    pieces = [each for each in passage.open_spans if each.first <= at <= each.last]
    yield (
        "pieces",
        any(lets(each.certain, packet) for each in pieces),
        any(lets(each.possible, packet) for each in pieces),
    )
    steps = passage.explain(protocol, packet.port)
    left = steps[-1].remaining if steps else passage.all_sources
    yield "explain", lets(left, packet), any(lets(each.possible, packet) for each in pieces)
    if packet.protocol in ("tcp", "udp"):
        here = [
            each
            for each in passage.open_ranges
            if each.protocol in ("*", packet.protocol) and each.first <= packet.port <= each.last
        ]
        yield (
            "openings",
            any(lets(each.certain, packet) for each in here),
            any(lets(each.possible, packet) for each in here),
        )
        one = passage.within(packet.protocol, packet.port, packet.port)
        yield (
            "within",
            any(lets(each.certain, packet) for each in one),
            any(lets(each.possible, packet) for each in one),
        )


def by_nat(networks: Fabric, estate: Estate, packet: Packet, rule: Any) -> tuple[str, bool, bool]:
    """A NAT rule: the opening of its back-end port, seen at its port outside."""
    properties = member(rule, "properties")
    identity, _, name = member(member(properties, "backendIPConfiguration"), "id").rpartition("/ipConfigurations/")
    nic = networks.nics[networks.key(identity)]
    configuration = next(each for each in nic.configurations if each.name == name)
    passage = chain.filter_chain(networks, destination_of(nic, configuration), cast("chain.EntryKind", packet.entry))
    port = member(properties, "backendPort")
    ports = translated_ports(rule, ranged=False)
    assert ports is not None
    result = map(ports.outside, passage.within(member(properties, "protocol").lower(), port, port))
    here = [
        each for each in result if each.first <= packet.port <= each.last and each.protocol in (packet.protocol, "*")
    ]
    return "nat", any(lets(each.certain, packet) for each in here), any(lets(each.possible, packet) for each in here)


def topology(networks: Fabric, estate: Estate) -> Topology:
    return Topology(
        build(Resource(body) for body in (*estate.resources, *estate.balanced, *estate.over, *estate.walls)), networks
    )


def by_balancer(
    paths: Topology, estate: Estate, packet: Packet, dialled: str, scaled: bool = False
) -> tuple[str, bool, bool]:
    """The openings of the paths that begin at an address; `scaled`: to the interface as the instance of a scale set."""
    here = [
        opening
        for path in (instance if scaled else interface)(paths, estate, packet)
        if path.front_end.address == dialled
        for opening in path.open_ranges(paths.fabric)
        if opening.first <= packet.port <= opening.last and opening.protocol in (packet.protocol, "*")
    ]
    form = f"{'instance' if scaled else 'balancer'} at {dialled}"
    return form, any(lets(each.certain, packet) for each in here), any(lets(each.possible, packet) for each in here)


def interface(paths: Topology, estate: Estate, packet: Packet) -> list[NetworkPath]:
    nic = paths.fabric.nics[paths.fabric.key(estate.nics[packet.nic]["id"])]
    return paths.paths_to(nic, nic.configurations[packet.configuration])


def instance(paths: Topology, estate: Estate, packet: Packet) -> list[NetworkPath]:
    model = estate.models[packet.nic]
    asked = [model["properties"]["ipConfigurations"][packet.configuration]]
    rows = Children([Resource(estate.nics[packet.nic])])
    return scale_set_paths(paths, [{**model, "properties": {"ipConfigurations": asked}}], rows, Children([]))


def lets(who: SourceSet, packet: Packet) -> bool:
    groups = (f"/{each.lower().strip('/')}/" for each in packet.groups)
    return who.holds(parse(packet.sender), *packet.tags, *groups)


def compare(maker: Maker, packets: int) -> Iterator[str]:
    """The disagreements over that many packets of one estate."""
    estate = maker.estate()
    oracle, networks = Oracle(estate), fabric(estate)
    paths = topology(networks, estate)
    for _ in range(packets):
        packet = maker.packet(estate)
        yield from _differ(oracle.ask(packet), answers(networks, estate, packet), packet)
        yield from _sent(oracle, paths, estate, packet, maker)
        if packet.entry != "inside":
            rule = maker.dice.choice(estate.balancers[0]["properties"]["inboundNatRules"])
            yield from _through_nat(oracle, networks, estate, packet, rule)
            if packet.protocol in ("tcp", "udp"):
                yield from _through_balancers(oracle, paths, estate, packet, maker)


def _sent(oracle: Oracle, paths: Topology, estate: Estate, packet: Packet, maker: Maker) -> Iterator[str]:
    """What the interface of a packet may send to another one."""
    sender = _configuration(paths.fabric, estate, packet.nic, packet.configuration)
    number = maker.leaving.randrange(len(estate.nics))
    other = maker.leaving.randrange(len(estate.nics[number]["properties"]["ipConfigurations"]))
    target = _configuration(paths.fabric, estate, number, other)
    if not target.address or target.version != sender.version:
        return
    groups = tuple(sorted(target.application_groups))
    asked = replace(packet, entry="inside", sender=target.address, tags=(), groups=groups)
    to = PacketTarget(parse(target.address), True, target.application_groups)
    stated = outbound(paths.index, paths.fabric, sender, to, cast("Protocol", packet.protocol), packet.port).allows
    yield from _differ(oracle.send(asked), iter([("outbound", stated is True, stated is not False)]), asked)


def _configuration(networks: Fabric, estate: Estate, nic: int, number: int) -> Destination:
    result = networks.nics[networks.key(estate.nics[nic]["id"])]
    return destination_of(result, result.configurations[number])


DIALLED = (22, 80, 443, 8443, 50000, 50003, 50010, 50022)


def _through_balancers(oracle: Oracle, paths: Topology, estate: Estate, packet: Packet, maker: Maker) -> Iterator[str]:
    six, scaled = ":" in packet.sender, maker.own.random() < 0.4
    dialled = replace(packet, port=maker.own.choice((packet.port, *DIALLED)))
    if maker.own.random() < 0.4:
        matches = by_balancer(paths, estate, dialled, EVERYWHERE[six], scaled)
        yield from _differ(oracle.through_global(dialled, six, scaled), iter([matches]), dialled)
    elif not six and maker.own.random() < 0.5:
        number = maker.own.randrange(2)
        asked = _aimed(estate, dialled, maker, number)
        matches = by_balancer(paths, estate, asked, WALLS[number])
        yield from _differ(oracle.through_wall(asked, number), iter([matches]), asked)
    else:
        matches = by_balancer(paths, estate, dialled, FRONTS[six], scaled)
        yield from _differ(oracle.through_balancer(dialled, six, scaled), iter([matches]), dialled)


def _aimed(estate: Estate, packet: Packet, maker: Maker, number: int) -> Packet:
    """The packet at a port that a DNAT rule of a firewall's policy, or of the parent, translates to its interface."""
    policy = f"/firewallPolicies/{('one', 'two')[number]}{maker.own.choice(('', '', '', '-parent'))}/"
    configuration = estate.nics[packet.nic]["properties"]["ipConfigurations"][packet.configuration]
    rules = [
        rule
        for body in estate.walls
        if policy in body["id"]
        for collection in body["properties"].get("ruleCollections", ())
        for rule in collection["rules"]
        if rule.get("translatedAddress", "") == configuration["properties"]["privateIPAddress"]
    ]
    if not rules:
        return replace(packet, port=443)
    rule = maker.own.choice(rules)
    return replace(packet, port=int(rule["destinationPorts"][0]), protocol=rule["ipProtocols"][0].lower())


def _through_nat(oracle: Oracle, networks: Fabric, estate: Estate, packet: Packet, rule: Any) -> Iterator[str]:
    properties = rule["properties"]
    identity, _, name = properties["backendIPConfiguration"]["id"].rpartition("/ipConfigurations/")
    nic = next(each for each in estate.nics if each["id"] == identity)
    configuration = next(each for each in nic["properties"]["ipConfigurations"] if each["name"] == name)
    six = configuration["properties"].get("privateIPAddressVersion") == "IPv6"
    if six != (":" in packet.sender):
        return
    outside = Packet(
        packet.nic,
        packet.configuration,
        packet.entry,
        properties["protocol"].lower(),
        properties["frontendPort"],
        packet.sender,
        packet.tags,
        packet.groups,
    )
    matches = by_nat(networks, estate, outside, rule)
    yield from _differ(oracle.through_nat(outside, rule), iter([matches]), outside)


def _differ(truth: Verdicts, stated: Iterator[tuple[str, bool, bool]], packet: Packet) -> Iterator[str]:
    surely, maybe = truth == {True}, True in truth
    for form, certain, possible in stated:
        if (certain, possible) != (surely, maybe):
            yield f"{form} says {certain} and may be {possible}, the oracle {surely} and {maybe}: {packet}"
