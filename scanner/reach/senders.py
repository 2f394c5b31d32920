"""What a sender inside a virtual network may send: its outbound rules, its routes, and the address that others see.

Sources: Microsoft Learn, virtual-network/network-security-group-how-it-works, virtual-networks-udr-overview,
nat-gateway/nat-overview (an appliance comes before the NAT gateway, which comes before the instance's address).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from scanner.model.addresses import NO_ADDRESSES, AddressSet, BadAddress, Version, parse, union
from scanner.model.exposure import Hop
from scanner.model.ids import name_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, member, objects_at, same, text_at, texts_at
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, not_listed
from scanner.reach.networks import Destination, Fabric, Route, key_of
from scanner.reach.nsg import AdminRules, SecurityRules, security_rules_of
from scanner.reach.port_ranges import Protocol, place
from scanner.reach.public_addresses import public_address
from scanner.reach.rule_evaluation import deciding_rules
from scanner.reach.security_rules import SecurityRule, SourceSide
from scanner.reach.source_sets import SourceSet, sources_from_addresses

INTERNET_DEFAULT: Final = {
    "name": "AllowInternetOutBound",
    "properties": {
        "priority": 65001,
        "access": "Allow",
        "direction": "Outbound",
        "protocol": "*",
        "sourcePortRange": "*",
        "destinationPortRange": "*",
        "sourceAddressPrefix": "*",
        "destinationAddressPrefix": "Internet",
    },
}
SIDES: Final[dict[bool, SourceSide]] = {True: "inside", False: "outside"}
_SWAPPED: Final = {"source": "destination", "destination": "source"}


class Outbound(NamedTuple):
    """Whether a sender may send a packet; `hop`: what decides; `missing`: why it is not known (`allows` None)."""

    allows: bool | None
    hop: Hop | None = None
    missing: Unread | None = None


def outbound(
    index: Index, fabric: Fabric, sender: Destination, target: AddressSet, protocol: Protocol, port: int, inside: bool
) -> Outbound:
    """Return whether a sender may send a packet to an address. `inside`: it is one of a virtual network."""
    subnet = fabric.subnets.get(fabric.key(sender.subnet))
    at, side = place(protocol, port), SIDES[inside]
    inconclusive: Outbound | None = None
    admin = fabric.outbound_admin_of(subnet) if subnet is not None else None
    delivered = False
    if admin is not None and subnet is not None:
        governed, delivered = _by_admin(admin, subnet.network, sender, target, at, side)
        if governed.allows is False:
            return governed
        inconclusive = governed if governed.allows is None else None
    for kind, key in (("nic-nsg", sender.group), ("subnet-nsg", subnet.group if subnet is not None else "")):
        if not key or delivered:
            continue
        found = _by_group(index, kind, key, sender, target, at, side)
        if found.allows is False:
            return found if inconclusive is None else inconclusive
        inconclusive = inconclusive or (found if found.allows is None else None)
    routed = _by_route(index, fabric, subnet.table if subnet is not None else "", sender, target, inside)
    return routed if routed.allows is False else inconclusive or routed


def _by_admin(
    admin: AdminRules, network: str, sender: Destination, target: AddressSet, at: int, side: SourceSide
) -> tuple[Outbound, bool]:
    """Return what the outbound security admin rules decide, and whether AlwaysAllow bypasses the groups.

    They come before the groups, in both directions (Microsoft Learn, virtual-network-manager/concept-security-admins).
    """
    asked = sources_from_addresses(target)
    version: Version = 6 if target.v6 else 4

    def decide(rules: SecurityRules, wide: bool) -> tuple[list[tuple[SecurityRule, SourceSet]], SourceSet]:
        return deciding_rules(rules.rules(sender.fields, wide), side, version, at, asked)

    decided, passed = decide(admin.passed, False)
    refs = ", ".join(rule.ref.text for rule, _ in decided[:3])
    name = f"security admin rules of {name_of(network)}"
    if not decide(admin.passed, True)[1]:
        return Outbound(False, Hop("admin-rules", name, f"outbound: {refs} blocks the packet", network, False)), False
    delivered = _is_whole(decide(admin.always, False)[1], asked)
    bypassed_in_part = not delivered and bool(decide(admin.always, True)[1])
    if _is_whole(passed, asked) and not bypassed_in_part:
        return Outbound(True), delivered
    why = Unread(f"the outbound {name}", f"whether {refs or 'one of them'} includes the target is not known")
    return Outbound(None, Hop("admin-rules", name, why.why, network, None), why), False


def _by_group(
    index: Index, kind: str, key: str, sender: Destination, target: AddressSet, at: int, side: SourceSide
) -> Outbound:
    group = index.resources.get(key)
    if group is None:
        return Outbound(
            None, Hop(kind, name_of(key), "its outbound rules could not be read", key, None), not_listed(key)
        )
    rules = security_rules_of(Resource(mirrored(group.body)))
    asked = sources_from_addresses(target)
    fields = sender.fields
    version: Version = 6 if target.v6 else 4
    decided, certain = deciding_rules(rules.rules(fields, False), side, version, at, asked)
    _, possible = deciding_rules(rules.rules(fields, True), side, version, at, asked)
    refs = ", ".join(rule.ref.text for rule, _ in decided[:3]) or "no rule"
    if not possible:
        return Outbound(False, Hop(kind, group.name, f"outbound: {refs} blocks the packet", group.id, False))
    if _is_whole(certain, asked):
        return Outbound(True)
    why = Unread(f"the outbound rules of {group.name}", f"whether {refs} includes the target is not known")
    return Outbound(None, Hop(kind, group.name, f"outbound: {refs}", group.id, None), why)


def _is_whole(allowed: SourceSet, asked: SourceSet) -> bool:
    plain = union(term.addresses for term in allowed.terms if not term.tags and not term.without)
    return all(plain.covers(term.addresses) for term in asked.terms)


def mirrored(body: Any) -> Any:
    """Return a group whose inbound rules are the outbound ones of `body`, with source and destination exchanged."""
    own = [_mirrored_rule(each) for each in objects_at(body, "properties.securityRules")]
    known = [each for each in objects_at(body, "properties.defaultSecurityRules") if _is_outbound(each)]
    usual = [] if known else [INTERNET_DEFAULT]
    defaults = [_mirrored_rule(each) for each in (*known, *usual)]
    properties = {"securityRules": own, "defaultSecurityRules": defaults}
    return {"id": member(body, "id"), "properties": properties}


def _is_outbound(rule: Any) -> bool:
    return same(get_path(rule, "properties.direction"), "Outbound")


def _mirrored_rule(rule: Any) -> Any:
    """Return a rule with source and destination addresses exchanged; ports stay, because they are the target's."""
    properties = member(rule, "properties")
    made: dict[str, Any] = {}
    for name, value in properties.items() if isinstance(properties, dict) else ():
        low = name.lower()
        stem = next((each for each in _SWAPPED if low.startswith(each) and "port" not in low), "")
        made[_SWAPPED[stem] + low[len(stem) :] if stem else low] = value
    made["direction"] = "Inbound" if _is_outbound(rule) else "Outbound"
    return {"name": member(rule, "name"), "properties": made}


def _by_route(
    index: Index, fabric: Fabric, table: str, sender: Destination, target: AddressSet, inside: bool
) -> Outbound:
    """Return what the most specific route of the sender's table does with a packet."""
    if not table:
        return Outbound(True)
    known = fabric.tables.get(table)
    if known is None:
        return Outbound(None, Hop("route", name_of(table), "could not be read", table, None), not_listed(table))
    best = _best_route(known.routes, target, _own_length(index, target) if inside else -1)
    if best is None or same(best.hop, "VnetLocal") or (same(best.hop, "Internet") and not inside):
        return Outbound(True)
    name = name_of(known.id)
    if same(best.hop, "None"):
        return Outbound(False, Hop("route", name, f"the route {best.prefix} to None drops the packet", known.id, False))
    text = f"the route {best.prefix} leads to {best.address or best.hop}"
    hop = Hop("route", name, text, known.id, None)
    return Outbound(None, hop, Unread(text, "what is allowed there is not known"))


def _best_route(routes: tuple[Route, ...], target: AddressSet, at_least: int) -> Route | None:
    """Return the route with the longest prefix that covers the target. A system route is `at_least` that long."""
    found: list[tuple[int, Route]] = []
    for each in routes:
        addresses = parsed_addresses(each.prefix)
        if addresses and union(addresses).covers(target):
            length = int(each.prefix.rpartition("/")[2]) if "/" in each.prefix else 128
            if length >= at_least:
                found.append((length, each))
    return max(found, key=lambda one: one[0])[1] if found else None


def _own_length(index: Index, target: AddressSet) -> int:
    """Return the prefix length of the address space that has a private address, -1 where it is not known."""
    lengths = [
        int(text.rpartition("/")[2])
        for network in index.of_type("Microsoft.Network/virtualNetworks")[0]
        for text in texts_at(network.body, "properties.addressSpace.addressPrefixes")
        if "/" in text and any(each.covers(target) for each in parsed_addresses(text))
    ]
    return max(lengths, default=-1)


# The address that others see


def egress(index: Index, fabric: Fabric, sender: Destination, public: str) -> tuple[AddressSet, str]:
    """Return the public addresses of a sender, and why they are not known ("" where they are).

    `public`: the id of the public address of its IP configuration, "" without one.
    """
    subnet = fabric.subnets.get(fabric.key(sender.subnet))
    table = fabric.tables.get(subnet.table) if subnet is not None and subnet.table else None
    if subnet is not None and subnet.table and table is None:
        return NO_ADDRESSES, "the route table of its subnet was not collected"
    route = next((each for each in table.routes if each.prefix in ("0.0.0.0/0", "::/0")), None) if table else None
    if route is not None and not same(route.hop, "Internet"):
        behind = _addresses_of_appliance(index, route.address)
        if behind:
            return behind, ""
        return NO_ADDRESSES, f"the default route of its subnet leads to {route.address or route.hop}"
    gateway = union(_gateway_addresses(index, fabric.key(sender.subnet)))
    if gateway:
        return gateway, ""
    own = union(parsed_addresses(public_address(index, public).address)) if public else NO_ADDRESSES
    return own, "" if own else "it has no own public address"


def _addresses_of_appliance(index: Index, address: str) -> AddressSet:
    """Return the public addresses of the Azure Firewall at a private address."""
    found: list[AddressSet] = []
    for firewall in index.of_type("Microsoft.Network/azureFirewalls")[0] if address else ():
        configurations = objects_at(firewall.body, "properties.ipConfigurations")
        own = [text_at(each, "properties.privateIPAddress") for each in configurations]
        if address not in (*own, text_at(firewall.body, "properties.hubIPAddresses.privateIPAddress")):
            continue
        for each in configurations:
            found += parsed_addresses(public_address(index, text_at(each, "properties.publicIPAddress.id")).address)
        for each in objects_at(firewall.body, "properties.hubIPAddresses.publicIPs.addresses"):
            found += parsed_addresses(text_at(each, "address"))
    return union(found)


def _gateway_addresses(index: Index, subnet: str) -> Iterator[AddressSet]:
    """Yield the public addresses of the NAT gateway of a subnet."""
    for gateway in index.of_type("Microsoft.Network/natGateways")[0]:
        if subnet in map(key_of, _ids(gateway, "properties.subnets")):
            for path in ("properties.publicIpAddresses", "properties.publicIpPrefixes"):
                for each in _ids(gateway, path):
                    yield from parsed_addresses(public_address(index, each).address)


def _ids(resource: Resource, path: str) -> list[str]:
    return [id for each in objects_at(resource.body, path) if (id := text_at(each, "id"))]


def parsed_addresses(text: str) -> list[AddressSet]:
    """Return the addresses of a text; [] where it has none."""
    try:
        return [parse(text)] if text else []
    except BadAddress:
        return []


__all__ = ["Outbound", "egress", "mirrored", "outbound", "parsed_addresses"]
