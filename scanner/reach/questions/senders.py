"""What a sender inside a virtual network may send: its outbound rules, its routes, and the address that others see.

Sources: Microsoft Learn, virtual-network/network-security-group-how-it-works, virtual-networks-udr-overview,
nat-gateway/nat-overview (an appliance comes before the NAT gateway, which comes before the instance's address).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

from scanner.model.addresses import BITS, NO_ADDRESSES, AddressSet, Version, union
from scanner.model.exposure import Hop
from scanner.model.ids import name_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, member, objects_at, same, text_at
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, not_listed
from scanner.reach.networks.fabric import Destination, Fabric, Route, Subnet, id_or_empty, network_of
from scanner.reach.networks.public_addresses import public_address
from scanner.reach.networks.routes import Passage, detour, inside_route, outside_route, parsed_addresses, system_length
from scanner.reach.rules.nsg import SecurityRules, security_rules_of
from scanner.reach.rules.port_ranges import Protocol, position
from scanner.reach.rules.rule_evaluation import deciding_rules
from scanner.reach.rules.security_rules import SecurityRule, SourceSide
from scanner.reach.rules.source_sets import SourceSet, reached_addresses, sources_from_addresses
from scanner.reach.rules.sources import cached

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


Outbound: TypeAlias = Passage
"""Whether a sender may send a packet."""


class PacketTarget(NamedTuple):
    """Where a packet goes: to all of these addresses, or to one of them, where it is not known which."""

    addresses: AddressSet
    inside: bool
    """To a virtual network."""
    groups: frozenset[str] = frozenset()
    """The application security groups there (keys)."""
    direct: bool = False
    """The routes to it are those of a service endpoint, or the one of a private endpoint, so that default routes do not
    count.
    """

    def decided(self, rules: tuple[SecurityRule, ...], at: int) -> tuple[str, SourceSet]:
        """Return the rules that decide on it at a port, as text, and the part of it that they allow."""
        side, version = SIDES[self.inside], self.version
        matches, allowed = deciding_rules(rules, side, version, at, sources_from_addresses(self.addresses))
        return ", ".join(rule.ref.text for rule, _ in matches[:3]), allowed

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
    """What outbound security admin rules say: whether they pass a packet on, and whether AlwaysAllow delivers it."""

    passes: Outbound
    delivers: bool | None
    unclear: Outbound = Outbound(True)
    """The answer where the latter decides and is not known."""


NOT_GOVERNED: Final = Governed(Outbound(True), False)


def outbound(
    index: Index, fabric: Fabric, sender: Destination, target: PacketTarget, protocol: Protocol, port: int
) -> Outbound:
    """Return whether a sender may send a packet to a target."""
    subnet, at = fabric.subnets.get(fabric.key(sender.subnet)), position(protocol, port)
    if subnet is not None:
        governed = _by_admin(fabric, subnet, sender, target, at)
    elif fabric.may_have_admin_rules(sender.subnet) or fabric.admin_gap(network_of(fabric.key(sender.subnet))):
        governed = Governed(unread_subnet(sender.subnet), None, unread_subnet(sender.subnet))
    else:
        governed = NOT_GOVERNED
    allowed = _by_rules(index, governed, subnet, sender, target, at)
    if allowed.allows is False:
        widened = _widened(index, fabric, governed, subnet, sender, target, at) if not target.inside else None
        return widened or allowed
    if subnet is None:
        return unread_subnet(sender.subnet)
    way = _by_route(index, fabric, subnet, target)
    return way if way.allows is False or allowed.allows else allowed


def _widened(
    index: Index,
    fabric: Fabric,
    governed: Governed,
    subnet: Subnet | None,
    sender: Destination,
    target: PacketTarget,
    at: int,
) -> Outbound | None:
    """Return why rules that block public addresses may allow them: a default route through an appliance or a gateway
    may extend the tag VirtualNetwork to every address (virtual-network/service-tags-overview). None where they block.
    """
    table = fabric.tables.get(subnet.table) if subnet is not None and subnet.table else None
    if subnet is None or not subnet.table or (table is not None and table.default in ("", "none")):
        return None
    if _by_rules(index, governed, subnet, sender, target._replace(inside=True), at).allows is False:
        return None
    text = Message("its default route may extend the tag VirtualNetwork of the outbound rules to every address")
    return Outbound(
        None, Hop("route", name_of(subnet.table), text, subnet.table, None), Unread(Message("outbound rules"), text)
    )


def routed(index: Index, fabric: Fabric, sender: Destination, target: PacketTarget) -> Outbound:
    """Return what the routes of a sender do with a packet to a target.

    Where that is not known, an appliance on the way may show the target another address than the sender's.
    """
    subnet = fabric.subnets.get(fabric.key(sender.subnet))
    return unread_subnet(sender.subnet) if subnet is None else _by_route(index, fabric, subnet, target)


def unread_subnet(subnet: str) -> Outbound:
    """Return the answer for a sender whose subnet was not read, so that its rules and routes are not known."""
    missing = (
        not_listed(subnet)
        if subnet
        else Unread(Message("the subnet of the sender"), Message("its id was not returned"))
    )
    name = name_of(subnet) or "subnet"
    return Outbound(
        None, Hop("subnet", name, Message("its rules and routes were not collected"), subnet, None), missing
    )


def _by_route(index: Index, fabric: Fabric, subnet: Subnet, target: PacketTarget) -> Outbound:
    if not target.inside:
        return outside_route(index, fabric, subnet, target.addresses, direct=target.direct)
    length = BITS[target.version] if target.direct else system_length(index, id_or_empty(subnet.id), target.addresses)
    return inside_route(index, fabric, subnet, target.addresses, length)


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
    name = Message("security admin rules of {network}", network=name_of(subnet.network))
    gap = None if subnet.exempt else fabric.admin_gap(subnet.network)
    if gap is not None:
        unread = Outbound(None, Hop("admin-rules", name, gap.why, subnet.network, None), gap)
        return Governed(unread, None, unread)
    admin = fabric.outbound_admin_of(subnet)
    if admin is None:
        return NOT_GOVERNED
    fields = sender.fields
    refs, passed = target.decided(admin.passed.rules(fields, False), at)
    delivers = target.is_in(target.decided(admin.always.rules(fields, False), at)[1])
    may_deliver = target.may_be_in(target.decided(admin.always.rules(fields, True), at)[1])
    may_pass = target.may_be_in(target.decided(admin.passed.rules(fields, True), at)[1])
    if not may_pass and not may_deliver:
        text = Message("outbound: {refs} blocks the packet", refs=refs)
        return Governed(Outbound(False, Hop("admin-rules", name, text, subnet.network, False)), False)
    why = Unread(
        Message("the outbound {name}", name=name),
        Message("whether {refs} includes the target is not known", refs=refs or Message("one of them")),
    )
    unclear = Outbound(None, Hop("admin-rules", name, why.why, subnet.network, None), why)
    passes = Outbound(True) if delivers or target.is_in(passed) else unclear
    return Governed(passes, None if may_deliver and not delivers else delivers, unclear)


def _by_group(index: Index, kind: str, key: str, sender: Destination, target: PacketTarget, at: int) -> Outbound:
    group = index.resources.get(key)
    if group is None:
        return Outbound(
            None, Hop(kind, name_of(key), Message("its outbound rules could not be read"), key, None), not_listed(key)
        )
    if not isinstance(get_path(group.body, "properties.securityRules"), list):
        missing = Unread(Message("the outbound rules of {name}", name=group.name), Message("Azure did not return them"))
        return Outbound(None, Hop(kind, group.name, missing.why, key, None), missing)
    known: dict[str, SecurityRules] = cached(index, "outbound rules of groups", lambda _: {})
    if key not in known:
        known[key] = security_rules_of(Resource(mirrored(group.body)))
    rules = known[key]
    refs, certain = target.decided(rules.rules(sender.fields, False), at)
    refs = refs or Message("no rule")
    if not target.may_be_in(target.decided(rules.rules(sender.fields, True), at)[1]):
        return Outbound(
            False, Hop(kind, group.name, Message("outbound: {refs} blocks the packet", refs=refs), group.id, False)
        )
    if target.is_in(certain):
        return Outbound(True)
    why = Unread(
        Message("the outbound rules of {name}", name=group.name),
        Message("whether {refs} includes the target is not known", refs=refs),
    )
    return Outbound(None, Hop(kind, group.name, Message("outbound: {refs}", refs=refs), group.id, None), why)


def mirrored(body: Any) -> Any:
    """Return a group whose inbound rules are the outbound ones of `body`, with source and destination exchanged."""
    custom_rules = [_mirrored_rule(each) for each in objects_at(body, "properties.securityRules")]
    known = [each for each in objects_at(body, "properties.defaultSecurityRules") if _is_outbound(each)]
    usual = [] if known else [INTERNET_DEFAULT]
    defaults = [_mirrored_rule(each) for each in (*known, *usual)]
    properties = {"securityRules": custom_rules, "defaultSecurityRules": defaults}
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


# The address that others see


class Egress(NamedTuple):
    """The public addresses that a sender may show to others (none: not known, for the reason `why`)."""

    addresses: AddressSet
    why: Message = NOTHING
    exists: bool | None = True
    """Whether it has a way to public addresses at all; None where that is not known."""


def egress(index: Index, fabric: Fabric, sender: Destination, public: str, *, pooled: bool = True) -> Egress:
    """Return the public addresses of a sender.

    `public`: the id of the public address of its IP configuration, "" without one. `pooled`: whether it is, or may be,
    a member of a load balancer, whose address it may show then.
    """
    subnet = fabric.subnets.get(fabric.key(sender.subnet))
    if subnet is None:
        return _unknown(Message("its subnet was not collected"))
    table = fabric.tables.get(subnet.table) if subnet.table else None
    if subnet.table and table is None:
        return _unknown(Message("the route table of its subnet was not collected"))
    other = detour(index, fabric, subnet, sender.version)
    if other:
        return _unknown(other)
    default = "::/0" if sender.version == 6 else "0.0.0.0/0"
    route = next((each for each in table.routes if each.prefix == default), None) if table else None
    if route is not None and not same(route.hop, "Internet"):
        behind = _addresses_of_appliance(index, route.address).of_version(sender.version)
        return (
            Egress(behind)
            if behind
            else _unknown(Message("the default route of its subnet leads to {route}", route=_hop_of(route)))
        )
    gateways = _gateways_of(index, subnet)
    if isinstance(gateways, Message):
        return _unknown(gateways)
    if gateways:
        return _known(
            [id for each in gateways for id in _public_ids(each)], index, Message("its NAT gateway"), sender.version
        )
    if public:
        return _known([public], index, "it", sender.version)
    if subnet.outbound and not pooled:
        return Egress(NO_ADDRESSES, Message("it has no own public address"))
    return _unknown(Message("it has no own public address"))


def _unknown(why: Message) -> Egress:
    return Egress(NO_ADDRESSES, why, None)


def _known(ids: list[str], index: Index, whose: str, version: Version) -> Egress:
    """Return the egress over these public addresses (ids); not known where one of them was not read."""
    matches = [parsed_addresses(public_address(index, each).address) for each in ids]
    if matches and all(matches):
        shown = union(addresses for each in matches for addresses in each).of_version(version)
        return (
            Egress(shown)
            if shown
            else _unknown(Message("{whose} has no public address of IPv{version}", whose=whose, version=version))
        )
    return _unknown(
        Message("a public address of {whose} is not known", whose=whose)
        if whose != "it"
        else Message("its public address is not known")
    )


def _hop_of(route: Route) -> str:
    return route.address or route.hop


def _addresses_of_appliance(index: Index, address: str) -> AddressSet:
    """Return the public addresses of the Azure Firewall at a private address; none where one of them is not known."""
    matches: list[list[AddressSet]] = []
    for firewall in index.of_type("Microsoft.Network/azureFirewalls")[0] if address else ():
        configurations = objects_at(firewall.body, "properties.ipConfigurations")
        private_addresses = [text_at(each, "properties.privateIPAddress") for each in configurations]
        if address not in (*private_addresses, text_at(firewall.body, "properties.hubIPAddresses.privateIPAddress")):
            continue
        ids = [text_at(each, "properties.publicIPAddress.id") for each in configurations]
        matches += [parsed_addresses(public_address(index, each).address) for each in ids if each]
        for each in objects_at(firewall.body, "properties.hubIPAddresses.publicIPs.addresses"):
            matches.append(parsed_addresses(text_at(each, "address")))
    return union(addresses for each in matches for addresses in each) if all(matches) else NO_ADDRESSES


def _gateways_of(index: Index, subnet: Subnet) -> list[Resource] | Message:
    """Return the NAT gateways of a subnet, or why they are not known."""
    key = id_or_empty(subnet.id)
    every, _ = index.of_type(NAT_GATEWAYS)
    resources = [each for each in every if subnet.gateway == each.key or key in map(id_or_empty, _ids(each, _SUBNETS))]
    if subnet.gateway and all(each.key != subnet.gateway for each in resources):
        return Message("its NAT gateway {gateway} was not collected", gateway=name_of(subnet.gateway))
    if not resources and index.missing_in(NAT_GATEWAYS, subnet.id) is not None:
        return Message("NAT gateways were not collected")
    return resources


def _public_ids(gateway: Resource) -> list[str]:
    """Return the ids of the public addresses and prefixes of a NAT gateway."""
    names = ("publicIpAddresses", "publicIpPrefixes", "publicIpAddressesV6", "publicIpPrefixesV6")
    return [id for name in names for id in _ids(gateway, f"properties.{name}")]


NAT_GATEWAYS: Final = "Microsoft.Network/natGateways"
_SUBNETS: Final = "properties.subnets"


def _ids(resource: Resource, path: str) -> list[str]:
    return [id for each in objects_at(resource.body, path) if (id := text_at(each, "id"))]


__all__ = ["Egress", "Outbound", "PacketTarget", "egress", "mirrored", "outbound", "parsed_addresses"]
