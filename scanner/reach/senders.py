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
from scanner.reach.networks import Destination, Fabric, Route, Subnet, key_of
from scanner.reach.nsg import SecurityRules, security_rules_of
from scanner.reach.port_ranges import Protocol, place
from scanner.reach.public_addresses import public_address
from scanner.reach.rule_evaluation import deciding_rules
from scanner.reach.security_rules import SecurityRule, SourceSide
from scanner.reach.source_sets import SourceSet, reached_addresses, sources_from_addresses
from scanner.reach.sources import cached

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


class PacketTarget(NamedTuple):
    """Where a packet goes. `inside`: to a virtual network; `groups`: the application security groups there (keys)."""

    addresses: AddressSet
    inside: bool
    groups: frozenset[str] = frozenset()

    def decided(self, rules: tuple[SecurityRule, ...], at: int) -> tuple[str, SourceSet]:
        """Return the rules that decide on it at a port, as text, and the part of it that they allow."""
        side, version = SIDES[self.inside], self.version
        found, allowed = deciding_rules(rules, side, version, at, sources_from_addresses(self.addresses))
        return ", ".join(rule.ref.text for rule, _ in found[:3]), allowed

    @property
    def version(self) -> Version:
        return 6 if self.addresses.v6 else 4

    def is_in(self, allowed: SourceSet) -> bool:
        """Return whether a set has all of it, whatever tags Azure gives its addresses."""
        return reached_addresses(allowed, self.addresses, self.groups)[0].covers(self.addresses)

    def may_be_in(self, allowed: SourceSet) -> bool:
        """Return whether a set has some of it with some tags."""
        return bool(reached_addresses(allowed, self.addresses, self.groups)[1])


class Governed(NamedTuple):
    """What outbound security admin rules say: whether they pass a packet on, and whether AlwaysAllow delivers it.

    `unclear`: the answer where the latter decides and is not known.
    """

    passes: Outbound
    delivers: bool | None
    unclear: Outbound = Outbound(True)


NOT_GOVERNED: Final = Governed(Outbound(True), False)


def outbound(
    index: Index, fabric: Fabric, sender: Destination, target: PacketTarget, protocol: Protocol, port: int
) -> Outbound:
    """Return whether a sender may send a packet to a target."""
    subnet, at = fabric.subnets.get(fabric.key(sender.subnet)), place(protocol, port)
    governed = _by_admin(fabric, subnet, sender, target, at) if subnet is not None else NOT_GOVERNED
    allowed = _by_rules(index, governed, subnet, sender, target, at)
    if allowed.allows is False:
        return allowed
    table = subnet.table if subnet is not None else ""
    routed = _by_route(index, fabric, table, target.addresses, target.inside)
    return routed if routed.allows is False or allowed.allows else allowed


def _by_rules(
    index: Index, governed: Governed, subnet: Subnet | None, sender: Destination, target: PacketTarget, at: int
) -> Outbound:
    """Return what the security admin rules and the groups of a sender decide together.

    A group that denies is passed by AlwaysAllow alone, so that nothing else of the admin rules counts then.
    """
    if governed.delivers or governed.passes.allows is False:
        return governed.passes
    keys = (("nic-nsg", sender.group), ("subnet-nsg", subnet.group if subnet is not None else ""))
    grouped = [_by_group(index, kind, key, sender, target, at) for kind, key in keys if key]
    denied = next((each for each in grouped if each.allows is False), None)
    if denied is not None:
        return denied if governed.delivers is False else governed.unclear
    unclear = next((each for each in grouped if each.allows is None), None)
    return unclear or (governed.passes if governed.passes.allows is None else Outbound(True))


def _by_admin(fabric: Fabric, subnet: Subnet, sender: Destination, target: PacketTarget, at: int) -> Governed:
    """Return what the outbound security admin rules decide.

    They come before the groups, in both directions (Microsoft Learn, virtual-network-manager/concept-security-admins).
    """
    name = f"security admin rules of {name_of(subnet.network)}"
    gap = None if subnet.exempt else fabric.admin_gap(subnet.network)
    if gap is not None:
        return Governed(
            Outbound(True), None, Outbound(None, Hop("admin-rules", name, gap.why, subnet.network, None), gap)
        )
    admin = fabric.outbound_admin_of(subnet)
    if admin is None:
        return NOT_GOVERNED
    fields = sender.fields
    refs, passed = target.decided(admin.passed.rules(fields, False), at)
    delivers = target.is_in(target.decided(admin.always.rules(fields, False), at)[1])
    may_deliver = target.may_be_in(target.decided(admin.always.rules(fields, True), at)[1])
    may_pass = target.may_be_in(target.decided(admin.passed.rules(fields, True), at)[1])
    if not may_pass and not may_deliver:
        text = f"outbound: {refs} blocks the packet"
        return Governed(Outbound(False, Hop("admin-rules", name, text, subnet.network, False)), False)
    why = Unread(f"the outbound {name}", f"whether {refs or 'one of them'} includes the target is not known")
    unclear = Outbound(None, Hop("admin-rules", name, why.why, subnet.network, None), why)
    passes = Outbound(True) if delivers or target.is_in(passed) else unclear
    return Governed(passes, None if may_deliver and not delivers else delivers, unclear)


def _by_group(index: Index, kind: str, key: str, sender: Destination, target: PacketTarget, at: int) -> Outbound:
    group = index.resources.get(key)
    if group is None:
        return Outbound(
            None, Hop(kind, name_of(key), "its outbound rules could not be read", key, None), not_listed(key)
        )
    known: dict[str, SecurityRules] = cached(index, "outbound rules of groups", lambda _: {})
    if key not in known:
        known[key] = security_rules_of(Resource(mirrored(group.body)))
    rules = known[key]
    refs, certain = target.decided(rules.rules(sender.fields, False), at)
    refs = refs or "no rule"
    if not target.may_be_in(target.decided(rules.rules(sender.fields, True), at)[1]):
        return Outbound(False, Hop(kind, group.name, f"outbound: {refs} blocks the packet", group.id, False))
    if target.is_in(certain):
        return Outbound(True)
    why = Unread(f"the outbound rules of {group.name}", f"whether {refs} includes the target is not known")
    return Outbound(None, Hop(kind, group.name, f"outbound: {refs}", group.id, None), why)


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
    direction = get_path(rule, "properties.direction")
    if same(direction, "Inbound") or _is_outbound(rule):
        made["direction"] = "Inbound" if _is_outbound(rule) else "Outbound"
    return {"name": member(rule, "name"), "properties": made}


def _by_route(index: Index, fabric: Fabric, table: str, target: AddressSet, inside: bool) -> Outbound:
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


__all__ = ["Outbound", "PacketTarget", "egress", "mirrored", "outbound", "parsed_addresses"]
