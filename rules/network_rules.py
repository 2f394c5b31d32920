"""Rules of security groups that have no effect, what data services may call, and DDoS protection of single addresses."""

from typing import TYPE_CHECKING, Any, NamedTuple

from scanner.model.addresses import ALL_ADDRESSES, NO_ADDRESSES, AddressSet, BadAddress, breadth, parse, union
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, known_objects, known_text, same, text_at, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, unknown, unknown_value
from scanner.reach.networks.fabric import RouteTable, fabric_of, id_or_empty
from scanner.reach.networks.routes import parsed_addresses
from scanner.reach.rules.port_ranges import ALL_PORTS, BadPort, merged, ports, protocols

from .common import rows

if TYPE_CHECKING:
    from scanner.reach.rules.port_ranges import Spans

RULES = "properties.securityRules"


class Side(NamedTuple):
    """The sources or destinations of a rule: addresses, and the tags and application security groups by name."""

    addresses: AddressSet
    names: frozenset[str]

    def covers(self, other: "Side") -> bool:
        """Return whether every packet of the other side is one of this side."""
        if self.addresses == ALL_ADDRESSES:
            return True
        return self.addresses.covers(other.addresses) and self.names >= other.names


class Filter(NamedTuple):
    """A custom rule, parsed. `position`: its place in the list."""

    name: str
    position: int
    inbound: bool
    priority: int
    allow: bool
    protocols: frozenset[str]
    source_ports: "Spans"
    ports: "Spans"
    source: Side
    destination: Side

    def covers(self, other: "Filter") -> bool:
        """Return whether this rule decides on every packet that the other one matches."""
        return (
            self.inbound == other.inbound
            and self.priority < other.priority
            and self.protocols >= other.protocols
            and _has(self.source_ports, other.source_ports)
            and _has(self.ports, other.ports)
            and self.source.covers(other.source)
            and self.destination.covers(other.destination)
        )


def _has(whole: "Spans", inner: "Spans") -> bool:
    return all(any(first <= low and high <= last for first, last in whole) for low, high in inner)


def filters(group: Resource) -> tuple[list[Filter], list[str]]:
    """Return the custom rules of a group that can be read, and the names of the others."""
    matches, unread = [], []
    for position, each in enumerate(rows(group, RULES)):
        try:
            matches.append(_filter(each, position))
        except (BadAddress, BadPort, ValueError):
            name = value_at(each, "name") if isinstance(each, dict) else None
            unread.append(name if isinstance(name, str) else Message("rule {value}", value=position + 1))
    return matches, unread


def _filter(rule: Any, position: int) -> Filter:
    """Return a rule, parsed. Raises ValueError for a value that is not known."""
    name, priority = text_at(rule, "name"), get_path(rule, "properties.priority")
    direction, access = text_at(rule, "properties.direction").lower(), text_at(rule, "properties.access").lower()
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise ValueError(name)
    if not name or direction not in ("inbound", "outbound") or access not in ("allow", "deny"):
        raise ValueError(name)
    return Filter(
        name,
        position,
        direction == "inbound",
        priority,
        access == "allow",
        frozenset(protocols(text_at(rule, "properties.protocol"))),
        _ports(rule, "sourcePortRange"),
        _ports(rule, "destinationPortRange"),
        _side(rule, "source"),
        _side(rule, "destination"),
    )


SEVERAL = {
    "sourcePortRange": "sourcePortRanges",
    "destinationPortRange": "destinationPortRanges",
    "sourceAddressPrefix": "sourceAddressPrefixes",
    "destinationAddressPrefix": "destinationAddressPrefixes",
}
"""The list beside each member of a rule."""


def _texts(rule: Any, one: str) -> list[str]:
    """Return what a rule names by one member and by the list beside it. Raises ValueError for anything but texts."""
    value, several = get_path(rule, f"properties.{one}"), get_path(rule, f"properties.{SEVERAL[one]}")
    if not is_absent(several) and not isinstance(several, list):
        raise ValueError(one)
    values = [*([] if is_absent(value) or value == "" else [value]), *([] if is_absent(several) else several)]
    if not all(isinstance(each, str) and each for each in values):
        raise ValueError(one)
    return values


def _ports(rule: Any, name: str) -> "Spans":
    values = _texts(rule, name)
    if not values:
        raise ValueError(name)
    return merged(span for each in values for span in ports(each))


def _side(rule: Any, name: str) -> Side:
    addresses, names = NO_ADDRESSES, set()
    for each in _texts(rule, f"{name}AddressPrefix"):
        if each == "*" or each.lower() == "any":
            addresses = ALL_ADDRESSES
        elif each[0].isalpha() and ":" not in each:
            names.add(each.lower())
        else:
            addresses |= parse(each)
    groups = get_path(rule, f"properties.{name}ApplicationSecurityGroups")
    for each in [] if is_absent(groups) else groups if isinstance(groups, list) else [groups]:
        id = text_at(each, "id")
        if not id:
            raise ValueError(name)
        names.add(id_or_empty(id))
    if addresses.is_empty and not names:
        raise ValueError(name)
    return Side(addresses, frozenset(names))


def shadowed(group: Resource) -> tuple[list[tuple[Filter, Filter]], list[str]]:
    """Return each rule that another one decides for in whole, with that one; and the names of rules that are unread."""
    matches, unread = filters(group)
    ordered = sorted(matches, key=lambda each: each.priority)
    pairs = []
    for each in ordered:
        above = next((other for other in ordered if other.covers(each)), None)
        if above is not None:
            pairs.append((each, above))
    return pairs, unread


def deny_without_effect(group: Resource, index: Index) -> Verdict:
    """Fail where a rule that allows decides for all that a later rule would deny."""
    return _verdict(group, deny=True)


def rule_without_effect(group: Resource, index: Index) -> Verdict:
    """Fail where a rule decides nothing, because an earlier one decides for all of it."""
    return _verdict(group, deny=False)


def _verdict(group: Resource, *, deny: bool) -> Verdict:
    pairs, unread = shadowed(group)
    mine = [(each, above) for each, above in pairs if (not each.allow and above.allow) == deny]
    if mine:
        listed = rows(group, RULES)
        seen = Evidence(
            f"{RULES}[].name",
            [Message("{name}, after {name2}", name=each.name, name2=above.name) for each, above in mine],
            Message("no such rule"),
        )
        causes = tuple(
            Cause(
                "", RULES, listed[each.position], text=f"{group.id}/securityRules/{each.name}", position=each.position
            )
            for each, _ in mine
        )
        # Of a deny rule the order is wrong, or the rule: removing it is no fix by itself.
        return Fail((seen,), causes=() if deny else causes)
    if unread:
        return unknown(Unread(RULES, Message("not understood: {list}", list=", ".join(unread[:3]))))
    if not rows(group, RULES):
        return NotApplicable(Message("it has no rules of its own"))
    return Pass((Evidence(f"{RULES}[].name", Message("each decides something")),))


# What data services may call

DATA_SERVICES = (
    "Microsoft.DBforPostgreSQL/flexibleServers",
    "Microsoft.DBforMySQL/flexibleServers",
    "Microsoft.Sql/managedInstances",
    "Microsoft.Databricks/workspaces",
)
"""Services whose users can send data out: by functions of the database, links between servers, or notebooks."""
SUBNETS = "properties.subnets"


def data_outbound(network: Resource, index: Index) -> Verdict:
    """Fail where a subnet of a data service may call the internet: no route leads to an appliance, and no rule of its
    security group denies it.
    """
    subnets = [each for each in rows(network, SUBNETS) if _holds_data(each)]
    if not subnets:
        return NotApplicable(Message("no subnet is delegated to a data service whose users can call the internet"))
    open_ones: list[str] = []
    closed: list[str] = []
    missing: list[Unread] = []
    for each in subnets:
        name = text_at(each, "name")
        try:
            (open_ones if _may_call_out(each, index) else closed).append(name)
        except Unread as unread:
            missing.append(unread.with_traceback(None))
    path = f"{SUBNETS}[].properties"
    if open_ones:
        return Fail((Evidence(path, open_ones, Message("a route to a firewall, or a rule that denies the internet")),))
    if missing:
        return unknown(*missing)
    return Pass((Evidence(path, closed),))


def _holds_data(subnet: Any) -> bool:
    names = (known_text(each, "properties.serviceName") for each in known_objects(subnet, "properties.delegations"))
    return any(same(name, each) for name in names for each in DATA_SERVICES)


def _may_call_out(subnet: Any, index: Index) -> bool:
    """Return whether a subnet may call the internet. Raises Unread for a route table or group that was not read."""
    table = known_text(subnet, "properties.routeTable.id")
    if table:
        route_table = fabric_of(index).tables.get(id_or_empty(table))
        if route_table is None:
            raise index.missing_in("Microsoft.Network/routeTables", table) or Unread(table, Message("not collected"))
        if not _goes_out(route_table, index):
            if route_table.unclear:
                raise Unread(table, route_table.unclear)
            return False
    id = known_text(subnet, "properties.networkSecurityGroup.id")
    if not id:
        return True
    group = index.resources.get(id_or_empty(id))
    if group is None:
        raise index.missing_in("Microsoft.Network/networkSecurityGroups", id) or Unread(id, Message("not collected"))
    found_rules, unread = filters(group)
    for each in sorted(found_rules, key=lambda one: one.priority):
        if not each.inbound and not each.allow and _denies_internet(each):
            if unread:
                raise Unread(RULES, Message("not understood: {list}", list=", ".join(unread[:3])))
            return _allowed_before(each, found_rules, index)
    return True


def _denies_internet(rule: Filter) -> bool:
    everywhere = rule.destination.addresses.covers(parse("0.0.0.0/0")) or "internet" in rule.destination.names
    return (
        everywhere
        and "tcp" in rule.protocols
        and rule.ports == ALL_PORTS
        and rule.source_ports == ALL_PORTS
        and _all(rule.source)
    )


def _all(side: Side) -> bool:
    return (
        side.addresses == ALL_ADDRESSES or "virtualnetwork" in side.names or side.addresses.covers(parse("0.0.0.0/0"))
    )


def _allowed_before(deny: Filter, matches: list[Filter], index: Index) -> bool:
    """Return whether earlier rules allow the internet as a whole. Those that name addresses or services are a choice."""
    earlier = [each for each in matches if not each.inbound and each.allow and each.priority < deny.priority]
    if any("internet" in each.destination.names for each in earlier):
        return True
    return _is_internet(union(each.destination.addresses for each in earlier), index)


EVERYWHERE = parse("0.0.0.0/0")


def _goes_out(table: RouteTable, index: Index) -> bool:
    """Return whether the routes of a table lead to the internet as a whole: the longest prefix decides."""
    rest, out = EVERYWHERE, NO_ADDRESSES
    known = ((each, addresses) for each in table.routes for addresses in parsed_addresses(each.prefix))
    for route, addresses in sorted(known, key=lambda each: each[1].size(4)):
        if same(route.hop, "Internet"):
            out |= addresses & rest
        rest -= addresses
    return _is_internet(out | rest, index)


def _is_internet(addresses: AddressSet, index: Index) -> bool:
    return breadth(addresses & EVERYWHERE, index.networks, index.wide_ipv4, index.wide_ipv6) == "internet"


# DDoS protection of a single address

MODE = "properties.ddosSettings.protectionMode"


def ddos_disabled(address: Resource, index: Index) -> Verdict:
    """Fail where protection of an address is off, whatever the plan of its network says."""
    value, seen = address.get(MODE), address.evidence(MODE, "VirtualNetworkInherited")
    if same(value, "Enabled"):
        return Pass((seen,))
    if same(value, "Disabled"):
        return Fail((seen,))
    if same(value, "VirtualNetworkInherited"):
        return NotApplicable(Message("the plan of its network decides"))
    if is_absent(value) and not address.why_absent_is_unknown:
        return NotApplicable(Message("the plan of its network decides"))
    return unknown(
        unknown_value(MODE, value) if not is_absent(value) else Unread(MODE, address.why_absent_is_unknown),
        evidence=(seen,),
    )
