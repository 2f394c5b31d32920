"""Where Azure's own answer about effective rules differs from Twolocks; a difference is a defect of Twolocks. Pure.

Sources: Microsoft Learn, rest/api/virtualnetwork/network-interfaces/list-effective-network-security-groups and
virtual-network-manager/effective-security-admin-rules. The allowed outside callers are compared.
Effective rules spell every address as 0.0.0.0/0. Whether that includes IPv6 is taken from our own rule of the same
priority, because no page says so.
"""

from collections.abc import Container, Iterable, Iterator
from typing import Any, Final

from scanner.model.addresses import PUBLIC_IPV6, Version
from scanner.model.ids import name_of
from scanner.model.json_paths import get_path, member, same
from scanner.model.resource import Resource
from scanner.reach.networks.fabric import Fabric, Nic, destination_of, id_or_empty
from scanner.reach.paths.topology import Topology
from scanner.reach.rules.nsg import SecurityRules, security_rules_of
from scanner.reach.rules.port_ranges import CONNECTIONS, cut, label
from scanner.reach.rules.security_rules import AllowedRanges, DestinationFields
from scanner.reach.rules.source_grants import describe_sources
from scanner.reach.rules.source_sets import NO_SOURCES, SourceSet

GROUPS: Final = "effectiveNetworkSecurityGroups"
ADMIN: Final = "listNetworkManagerEffectiveSecurityAdminRules"
ACTIONS: Final = (
    f"Microsoft.Network/networkInterfaces/{GROUPS}/action",
    f"Microsoft.Network/virtualNetworks/{ADMIN}/action",
)
"""The actions that a role needs for `--effective`, besides those of a scan."""
_NONE: Final = "no network security group"


def reachable_interfaces(topology: Topology) -> tuple[list[Nic], list[str]]:
    """Return the network interfaces with a path from outside, and the keys of their networks; both sorted."""
    nics = [
        nic for nic in topology.fabric.nics.values() if any(not path.front_end.missing for path in topology.paths(nic))
    ]
    subnets = [topology.fabric.subnets.get(each.subnet) for nic in nics for each in nic.configurations]
    return sorted(nics, key=lambda nic: nic.id), sorted({subnet.network for subnet in subnets if subnet is not None})


def group_differences(nic: Nic, fabric: Fabric, answer: Any) -> Iterator[str]:
    """Return the differences for a network interface; `answer`: what Azure returned for it."""
    theirs = _levels(answer)
    name = name_of(nic.id)
    for configuration in nic.configurations:
        subnet = fabric.subnets.get(configuration.subnet)
        if subnet is None:
            continue
        for level, key in ((configuration.subnet, subnet.group), (nic.id, nic.group)):
            ours = fabric.groups.get(key) if key else None
            if key and ours is None:
                continue  # what was not read is said elsewhere
            other = theirs.get(level)
            if ours is None and other is None:
                continue
            level_text = f"{name}, at {name_of(level)}"
            id = other[0] if other is not None else ""
            if ours is None or other is None or id_or_empty(ours.id) != id_or_empty(id):
                yield f"{level_text}: Azure applies {_called(id)}, Twolocks {_called(ours.id if ours else '')}"
                continue
            version, receiver = configuration.version, destination_of(nic, configuration).fields
            every_source, every_destination = _wide(ours, receiver) if version == 6 else (None, None)
            theirs_now = _group(id, _rules(other[1], every_source, every_destination))
            yield from _group_differs(level_text, ours, theirs_now, receiver, version)


def admin_rule_differences(network: str, fabric: Fabric, answer: Any) -> Iterator[str]:
    """Return the differences of the security admin rules of a network (its key), for each of its network interfaces."""
    values = member(answer, "value")
    bodies = [(str(member(each, "id") or ""), each) for each in values if isinstance(each, dict)]
    ours, theirs = fabric.admin(network), fabric.security_admin.returned(network, bodies)
    if ours is None and not bodies:
        return
    if fabric.admin_gap(network) is not None and ours is None:
        return
    name = name_of(network)
    if ours is None:
        yield f"{name}: Azure applies {len(bodies)} security admin rules, Twolocks none"
        return
    for receiver, version in _receivers(network, fabric):
        yield from _group_differs(f"{name}, security admin rules", ours.passed, theirs.passed, receiver, version)
        yield from _group_differs(
            f"{name}, rules that override the network security groups", ours.always, theirs.always, receiver, version
        )


def _receivers(network: str, fabric: Fabric) -> Iterator[tuple[DestinationFields, Version]]:
    for nic in fabric.nics.values():
        for each in nic.configurations:
            subnet = fabric.subnets.get(each.subnet)
            if subnet is not None and subnet.network == network:
                yield destination_of(nic, each).fields, each.version


def _wide(ours: SecurityRules, receiver: DestinationFields) -> tuple[set[int], set[int]]:
    """Return the priorities of our rules that name every IPv6 source, and of those that name every destination."""
    rules = ours.rules(receiver, False)
    every_source = {rule.priority for rule in rules if rule.source.outside.covers(PUBLIC_IPV6)}
    return every_source, {rule.priority for rule in rules if rule.destination is None}


def _group_differs(
    level_text: str, ours: SecurityRules, theirs: SecurityRules, receiver: DestinationFields, version: Version
) -> Iterator[str]:
    if not ours.exact or not theirs.exact:
        return
    matches = _first(ours.allowed(receiver, "outside", version), theirs.allowed(receiver, "outside", version))
    if matches is not None:
        at, first, other = matches
        protocol, port, _ = next(cut([(at, at)]))
        sentence = f"Azure allows {describe_sources(other) or 'no one'}, Twolocks {describe_sources(first) or 'no one'}"
        yield f"{level_text}, {label(protocol, port, port)}{' over IPv6' if version == 6 else ''}: {sentence}"


def _first(one: AllowedRanges, two: AllowedRanges) -> tuple[int, SourceSet, SourceSet] | None:
    """Return the first place at which two lists of ranges differ, with the sources of both."""
    starts = {0, *(each.first for each in (*one, *two)), *(each.last + 1 for each in (*one, *two))}
    for at in sorted(starts):
        ours, other = _at(one, at), _at(two, at)
        if at < CONNECTIONS and ours != other:
            return at, ours, other
    return None


def _at(flow: AllowedRanges, at: int) -> SourceSet:
    return next((each.sources for each in flow if each.first <= at <= each.last), NO_SOURCES)


def _called(group: str) -> str:
    return name_of(group) or _NONE


def _levels(answer: Any) -> dict[str, tuple[str, Any]]:
    """Return the groups that Azure applies and their rules, by the subnet or network interface (key) that they
    protect.
    """
    result: dict[str, tuple[str, Any]] = {}
    values = member(answer, "value")
    for each in values if isinstance(values, list) else ():
        rules = member(each, "effectiveSecurityRules")
        group = get_path(each, "networkSecurityGroup.id")
        for path in ("association.subnet.id", "association.networkInterface.id"):
            level = get_path(each, path)
            if isinstance(level, str) and level and isinstance(group, str):
                result[id_or_empty(level)] = (group, rules)
    return result


def _group(id: str, rules: list[dict[str, Any]]) -> SecurityRules:
    return security_rules_of(Resource({"id": id, "properties": {"securityRules": rules}}))


def _rules(
    values: Any, every_source: Container[int] | None, every_destination: Container[int] | None
) -> list[dict[str, Any]]:
    """Return effective rules in the form of the rules of a group.

    `every_source`, `every_destination`: the priorities at which 0.0.0.0/0 means all of them; None: at each.
    """
    matches = [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []
    return [_rule(each, every_source, every_destination) for each in matches]


def _rule(body: Any, every_source: Container[int] | None, every_destination: Container[int] | None) -> dict[str, Any]:
    protocol, priority = member(body, "protocol"), member(body, "priority")
    senders = every_source is None or priority in every_source
    is_placed = every_destination is None or priority in every_destination
    return {
        "name": str(member(body, "name") or "").rsplit("/", 1)[-1],
        "properties": {
            "priority": priority,
            "access": member(body, "access"),
            "direction": member(body, "direction"),
            "protocol": "*" if same(protocol, "All") else protocol,
            "sourcePortRanges": _texts(body, "sourcePortRange", "sourcePortRanges") or ["*"],
            "sourceAddressPrefixes": _texts(body, "sourceAddressPrefix", "sourceAddressPrefixes", senders),
            "destinationAddressPrefixes": _texts(
                body, "destinationAddressPrefix", "destinationAddressPrefixes", is_placed
            ),
            "destinationPortRanges": _texts(body, "destinationPortRange", "destinationPortRanges"),
        },
    }


def _texts(body: Any, one: str, many: str, whole: bool = True) -> list[str]:
    """Return the plural member where it has values, else the singular one; with `whole` 0.0.0.0/0 becomes `*`."""
    values = member(body, many)
    matches = [each for each in values if isinstance(each, str)] if isinstance(values, list) else []
    single = member(body, one)
    matches = matches or ([single] if isinstance(single, str) else [])
    return ["*" if each == "0-65535" or (whole and each == "0.0.0.0/0") else each for each in matches]


def all_differences(
    topology: Topology, groups: Iterable[tuple[Nic, Any]], admin: Iterable[tuple[str, Any]]
) -> list[str]:
    """Return every difference, each once, in a fixed order."""
    matches = [sentence for nic, answer in groups for sentence in group_differences(nic, topology.fabric, answer)]
    matches += [
        sentence for network, answer in admin for sentence in admin_rule_differences(network, topology.fabric, answer)
    ]
    return list(dict.fromkeys(matches))


__all__ = [
    "ACTIONS",
    "ADMIN",
    "GROUPS",
    "admin_rule_differences",
    "all_differences",
    "group_differences",
    "reachable_interfaces",
]
