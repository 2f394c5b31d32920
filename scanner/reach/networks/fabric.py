"""The virtual networks of a scan in the small form that filtering needs: groups, subnets, interfaces, route tables.

A body is read once and not kept. Ids that many records name (subnets, groups) are one object for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, field

from scanner.model.addresses import ALL_IPV4, ALL_IPV6, AddressSet, BadAddress, Version, parse
from scanner.model.ids import name_of, normalized_id, subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, member, objects_at, same, text_at, texts_at
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread
from scanner.reach.rules.nsg import AdminRules, SecurityRules, security_rules_of
from scanner.reach.rules.security_admin import (
    EFFECTIVE_ROWS,
    ROW_TYPES,
    SecurityAdmin,
    has_intent_policies,
    is_exempt,
    region_of,
)
from scanner.reach.rules.security_rules import DestinationFields
from scanner.reach.rules.source_sets import UNKNOWN_APPLICATION_GROUP
from scanner.reach.rules.sources import cached

_NETWORK: Final = "microsoft.network"
ADMIN_RULES: Final = EFFECTIVE_ROWS
UNKNOWN_SECURITY_GROUP: Final = "/networksecuritygroup"
"""The key of a network security group whose id could not be read; no group has it."""
UNKNOWN_ROUTE_TABLE: Final = "/routetable"
"""The same for a route table."""
_NO_GROUPS: Final[frozenset[str]] = frozenset()


def id_or_empty(identity: str) -> str:
    """Return the form in which ids compare (see `normalized_id`); "" for no id."""
    return normalized_id(identity) if identity else ""


def network_of(subnet: str) -> str:
    """Return the key of the virtual network that a subnet's key names."""
    return subnet.partition("/subnets/")[0]


class IpConfiguration(msgspec.Struct, frozen=True, gc=False):
    """An IP configuration of a network interface. `address` is "" where it is not known; ids are keys, as of
    `key_of`.
    """

    name: str
    address: str
    version: Version
    subnet: str
    application_groups: frozenset[str]
    public: str
    pools: tuple[str, ...] = ()
    """The pools and NAT rules of load balancers that the configuration itself names (keys)."""
    gateway: str = ""
    """The front end (key) of the gateway load balancer that it is chained to, "" without one."""


class Nic(msgspec.Struct, frozen=True, gc=False):
    """A network interface: `id` is a key, `group` the key of its network security group, "" without one."""

    id: str
    group: str
    configurations: tuple[IpConfiguration, ...]
    malformed: str = ""
    """A malformed member, so that a path may not be seen; "" without one."""


class Subnet(msgspec.Struct, frozen=True, gc=False):
    """A subnet: its network, its network security group and its route table (keys, "" without), and its prefixes."""

    id: str
    network: str
    group: str
    table: str
    prefixes: tuple[str, ...] = ()
    exempt: bool = False
    """Security admin rules skip it."""
    services: tuple[str, ...] | None = None
    """The services that it has service endpoints for, each with its regions ("microsoft.sql norwayeast", lower case),
    None where Azure did not return them.
    """
    limited: bool = False
    """Policies limit these."""
    gateway: str = ""
    """Its NAT gateway (a key), "" where it names none."""
    outbound: bool | None = None
    """The value of `defaultOutboundAccess`, None where Azure did not return it."""
    policies: str = ""
    """The value of `privateEndpointNetworkPolicies` in lower case, "" where Azure did not return it."""


DefaultRoute = Literal["", "appliance", "gateway", "none"]


class Route(msgspec.Struct, frozen=True, gc=False):
    """A route: its prefix, the type of the next hop as Azure returned it, and the next hop's address, "" without."""

    prefix: str
    hop: str
    address: str = ""


class RouteTable(Struct, frozen=True):
    """A route table: the next hop of its default route, "" without one that matters, and its routes."""

    id: str
    default: DefaultRoute = ""
    routes: tuple[Route, ...] = ()
    unclear: Message = NOTHING
    """Why it may have further routes; "" where all were read."""
    isolated: bool = False
    """It takes no routes of gateways."""


class Destination(Struct, frozen=True):
    """The destination of a packet after all translations. Ids in any case; `group` "" without; `address` "" if not
    known.
    """

    subnet: str
    group: str = ""
    address: str = ""
    version: Version = 4
    application_groups: frozenset[str] = frozenset()
    public: bool = False
    """The address is that of a public front end, which floating IP keeps."""

    @property
    def fields(self) -> DestinationFields:
        return _fields_of(self.address, self.version, self.application_groups, self.public)


def application_groups(properties: Any, key: Callable[[str], str] = id_or_empty) -> frozenset[str]:
    """Return the application security groups (keys) of an IP configuration.

    UNKNOWN_APPLICATION_GROUP is among them where some could not be read.
    """
    groups = member(properties, "applicationSecurityGroups")
    if is_absent(groups) or groups == []:
        return _NO_GROUPS
    ids = [member(each, "id") for each in groups] if isinstance(groups, list) else [None]
    return frozenset(key(each) if isinstance(each, str) and each else UNKNOWN_APPLICATION_GROUP for each in ids)


def destination_of(nic: Nic, configuration: IpConfiguration) -> Destination:
    """Return the destination of an IP configuration."""
    return Destination(
        configuration.subnet, nic.group, configuration.address, configuration.version, configuration.application_groups
    )


def _fields_of(address: str, version: Version, groups: frozenset[str], public: bool) -> DestinationFields:
    try:
        address_set = parse(address) if address else None
    except BadAddress:
        address_set = None
    if address_set is not None:
        address_set = address_set & (ALL_IPV4 if version == 4 else ALL_IPV6)
    return DestinationFields(
        address_set or None, groups, address_set is not None and address_set.size(version) == 1, public
    )


class Fabric(Struct):
    """The parsed virtual networks, by key."""

    groups: dict[str, SecurityRules] = field(default_factory=dict)
    subnets: dict[str, Subnet] = field(default_factory=dict)
    nics: dict[str, Nic] = field(default_factory=dict)
    tables: dict[str, RouteTable] = field(default_factory=dict)
    security_admin: SecurityAdmin = field(default_factory=SecurityAdmin)
    admin_missing: Unread | None = None
    """Why the security admin rules were not read; None where they were, or count as not in use."""
    admin_unlisted: dict[str, Unread] | None = None
    """Why they were not read in a subscription (lower case), where it is known which ones lack the list."""
    memo: dict[object, Any] = field(default_factory=dict)
    """Filter chains, a bounded number."""
    _keys: dict[str, str] = field(default_factory=dict)
    _admin: dict[str, AdminRules | None] = field(default_factory=dict)
    _outbound_admin: dict[str, AdminRules | None] = field(default_factory=dict)
    _regions: dict[str, str] = field(default_factory=dict)
    _intent_networks: set[str] = field(default_factory=set)
    """The networks (keys) with a service whose networks security admin rules skip by default."""

    def add(self, resource: Resource) -> bool:
        """Add a record. Return whether its type is one that the fabric keeps, so that its body is not needed any
        more.
        """
        reader = _READERS.get(resource.type.lower())
        if reader is None:
            return False
        reader(self, resource)
        return True

    @contextmanager
    def with_group(self, group: Resource) -> Iterator[None]:
        """Have another body of a network security group for a while, to ask what it would do."""
        key, memo = self.key(group.id), self.memo
        known = self.groups.get(key)
        self.groups[key], self.memo = security_rules_of(group), {}
        try:
            yield
        finally:
            self.memo = memo
            del self.groups[key]
            if known is not None:
                self.groups[key] = known

    def key(self, identity: object) -> str:
        """Return the key of an id, one object for equal ones; "" for what is no id."""
        if not isinstance(identity, str) or not identity:
            return ""
        key = id_or_empty(identity)
        return self._keys.setdefault(key, key)

    def admin(self, network: str) -> AdminRules | None:
        """Return the security admin rules in force in a network (its key); None without any."""
        if network not in self.security_admin.applied:
            return None
        if network not in self._admin:
            region, skips = self._regions.get(network, ""), network in self._intent_networks
            self._admin[network] = self.security_admin.rules_of(network, region, skips)
        return self._admin[network]

    def outbound_admin_of(self, subnet: Subnet) -> AdminRules | None:
        """Return the security admin rules that filter what a subnet sends, turned; None without any."""
        network = subnet.network
        if subnet.exempt or network not in self.security_admin.applied:
            return None
        if network not in self._outbound_admin:
            region, skips = self._regions.get(network, ""), network in self._intent_networks
            self._outbound_admin[network] = self.security_admin.outbound_rules_of(network, region, skips)
        return self._outbound_admin[network]

    def admin_of(self, subnet: Subnet | None) -> AdminRules | None:
        """Return the security admin rules that filter packets to a subnet; None without any."""
        return self.admin(subnet.network) if subnet is not None and not subnet.exempt else None

    def may_have_admin_rules(self, subnet: str) -> bool:
        """Return whether security admin rules may be in force in the network of a subnet (its id) that was not read."""
        network = network_of(self.key(subnet))
        applied = self.security_admin.applied
        return network in applied if network else bool(applied)

    def admin_gap(self, network: str) -> Unread | None:
        """Return why security admin rules of a network (its key, "" if not known) may be missing; they are listed
        below it.
        """
        where = subscription_of(network)
        if self.admin_missing is None or self.admin_unlisted is None or not where:
            return self.admin_missing
        return self.admin_unlisted.get(where)

    def _group(self, resource: Resource) -> None:
        self.groups[self.key(resource.id)] = security_rules_of(resource)

    def _network(self, resource: Resource) -> None:
        network = self.key(resource.id)
        self._regions[network] = self._shared(region_of(resource.body))
        value = resource.get("properties.subnets")
        for body in value if isinstance(value, list) else ():
            identity, name = member(body, "id"), member(body, "name")
            if isinstance(identity, str) and identity:
                self._add_subnet(network, identity, body)
            elif (is_absent(identity) or identity == "") and isinstance(name, str) and name:
                self._add_subnet(network, f"{resource.id}/subnets/{name}", body)

    def _subnet(self, resource: Resource) -> None:
        self._add_subnet(self.key(resource.id.rsplit("/", 2)[0]), resource.id, resource.body)

    def _add_subnet(self, network: str, identity: str, body: Any) -> None:
        one, many = get_path(body, "properties.addressPrefix"), get_path(body, "properties.addressPrefixes")
        prefixes = [each for each in (one, *(many if isinstance(many, list) else ())) if isinstance(each, str) and each]
        self.subnets[self.key(identity)] = Subnet(
            identity,
            network,
            self._group_key(body),
            self._table_key(body),
            tuple(dict.fromkeys(prefixes)),
            is_exempt(name_of(identity), body),
            self._services(body),
            bool(objects_at(body, "properties.serviceEndpointPolicies")),
            self.key(get_path(body, "properties.natGateway.id")),
            _boolean(get_path(body, "properties.defaultOutboundAccess")),
            self._shared(text_at(body, "properties.privateEndpointNetworkPolicies").lower()),
        )
        if has_intent_policies(body):
            self._intent_networks.add(network)

    def _nic(self, resource: Resource) -> None:
        value = resource.get("properties.ipConfigurations")
        configurations = tuple(self._configuration(each) for each in (value if isinstance(value, list) else ()))
        key = id_or_empty(resource.id)
        self.nics[key] = Nic(key, self._group_key(resource.body), configurations, _malformed_member(value))

    def _group_key(self, body: Any) -> str:
        """Return the key of a network security group, "" without one; UNKNOWN_SECURITY_GROUP where it cannot be
        read.
        """
        properties = member(body, "properties")
        if not isinstance(properties, dict):
            return UNKNOWN_SECURITY_GROUP
        value = member(properties, "networkSecurityGroup")
        return "" if is_absent(value) else self.key(member(value, "id")) or UNKNOWN_SECURITY_GROUP

    def _table_key(self, body: Any) -> str:
        """Return the key of a route table, "" without one; UNKNOWN_ROUTE_TABLE where it cannot be read."""
        value = get_path(body, "properties.routeTable")
        return "" if is_absent(value) else self.key(member(value, "id")) or UNKNOWN_ROUTE_TABLE

    def _services(self, body: Any) -> tuple[str, ...] | None:
        """Return the services of the service endpoints of a subnet; None where Azure did not return them."""
        if not isinstance(get_path(body, "properties.serviceEndpoints"), list):
            return None
        every = objects_at(body, "properties.serviceEndpoints")
        live = [each for each in every if not same(member(each, "provisioningState"), "Failed")]
        return tuple(
            sorted({self._shared(" ".join((text_at(each, "service").lower(), *_regions(each)))) for each in live})
        )

    def _configuration(self, body: Any) -> IpConfiguration:
        properties, name = member(body, "properties"), member(body, "name")
        address = member(properties, "privateIPAddress")
        text = address if isinstance(address, str) else ""
        six = ":" in text or same(member(properties, "privateIPAddressVersion"), "IPv6")
        public = member(member(properties, "publicIPAddress"), "id")
        return IpConfiguration(
            self._shared(name if isinstance(name, str) else ""),
            text,
            6 if six else 4,
            self.key(member(member(properties, "subnet"), "id")),
            application_groups(properties, self.key),
            id_or_empty(public) if isinstance(public, str) else "",
            tuple(dict.fromkeys(self._pools(properties))),
            self.key(member(member(properties, "gatewayLoadBalancer"), "id")),
        )

    def _pools(self, properties: Any) -> Iterator[str]:
        for name in ("loadBalancerBackendAddressPools", "loadBalancerInboundNatRules"):
            value = member(properties, name)
            for each in value if isinstance(value, list) else ():
                id = member(each, "id")
                if isinstance(id, str) and id:
                    yield self.key(id)

    def _shared(self, text: str) -> str:
        return self._keys.setdefault(text, text)

    def _table(self, resource: Resource) -> None:
        value = resource.get("properties.routes")
        routes = [_default_route(each) for each in (value if isinstance(value, list) else ())]
        default: DefaultRoute = next((each for each in ("appliance", "none", "gateway") if each in routes), "")
        matches = tuple(_routes(value))
        unclear = NOTHING if isinstance(value, list) else Message("its routes were not returned")
        if not unclear and len(matches) != len(value):
            unclear = Message("a route has an undocumented form")
        isolated = same(get_path(resource.body, "properties.disableBgpRoutePropagation"), True)
        self.tables[self.key(resource.id)] = RouteTable(resource.id, default, matches, unclear, isolated)

    def _admin_row(self, resource: Resource) -> None:
        self.security_admin.add(resource)


def _regions(endpoint: Any) -> list[str]:
    """Return the regions of a service endpoint in lower case, without spaces."""
    return sorted(each.replace(" ", "").lower() for each in texts_at(endpoint, "locations"))


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _malformed_member(configurations: Any) -> str:
    """Return the first malformed member of IP configurations, because a path from outside may be behind it; ""
    without one.
    """
    path = "properties.ipConfigurations"
    if not isinstance(configurations, list) or not configurations:
        return path
    for body in configurations:
        properties = member(body, "properties")
        if not isinstance(member(member(properties, "subnet"), "id"), str):
            return f"{path}[].properties.subnet.id"
        if not isinstance(member(body, "name"), str):
            return f"{path}[].name"
        public = member(properties, "publicIPAddress")
        if not is_absent(public) and not isinstance(member(public, "id"), str):
            return f"{path}[].properties.publicIPAddress.id"
    return ""


def _routes(values: Any) -> Iterator[Route]:
    for each in values if isinstance(values, list) else ():
        prefix, hop, address = (
            get_path(each, f"properties.{name}") for name in ("addressPrefix", "nextHopType", "nextHopIpAddress")
        )
        if isinstance(prefix, str) and isinstance(hop, str):
            yield Route(prefix, hop, address if isinstance(address, str) else "")


def _default_route(route: Any) -> DefaultRoute:
    """Return the next hop of a default route that sends every address somewhere; "" for any other route."""
    prefix = get_path(route, "properties.addressPrefix")
    try:
        address_set = parse(prefix) if isinstance(prefix, str) else AddressSet()
    except BadAddress:
        return ""
    if not (address_set.covers(ALL_IPV4) or address_set.covers(ALL_IPV6)):
        return ""
    hop = get_path(route, "properties.nextHopType")
    if same(hop, "Internet") or same(hop, "VnetLocal"):
        return ""
    if same(hop, "None"):
        return "none"
    return "gateway" if same(hop, "VirtualNetworkGateway") else "appliance"


_READERS: Final[dict[str, Callable[[Fabric, Resource], None]]] = {
    f"{_NETWORK}/networksecuritygroups": Fabric._group,
    f"{_NETWORK}/virtualnetworks": Fabric._network,
    f"{_NETWORK}/virtualnetworks/subnets": Fabric._subnet,
    f"{_NETWORK}/networkinterfaces": Fabric._nic,
    f"{_NETWORK}/routetables": Fabric._table,
    **dict.fromkeys(ROW_TYPES, Fabric._admin_row),
}


def fabric_of(index: Index) -> Fabric:
    """Return the fabric of a whole index, made once."""
    return cached(index, "fabric", _fabric)


def _fabric(index: Index) -> Fabric:
    fabric = Fabric()
    for resource in index.resources.values():
        fabric.add(resource)
    if index.live:
        fabric.admin_missing = index.missing.get(ADMIN_RULES)
        fabric.admin_unlisted = index.unlisted.get(ADMIN_RULES)
    fabric.security_admin.tenants = frozenset(each.lower() for each in index.subscriptions.values())
    return fabric
