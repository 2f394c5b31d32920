"""Reach queries about platform services that a sender inside a virtual network asks.

A service has three sides: its public one, a private endpoint, and a subnet that it is injected into. Both "yes" and
"no" need the rules and the routes of the sender as well as the locks of the service.
Sources: Microsoft Learn, virtual-network/virtual-network-service-endpoints-overview (with a service endpoint the
service sees the private address; its routes come before a default route), private-link/private-endpoint-overview,
private-link/disable-private-endpoint-network-policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from scanner.model.addresses import PUBLIC_ADDRESSES, AddressSet, union
from scanner.model.exposure import Exposure, Grant, Hop, Lock, PossibleGrant, Reach
from scanner.model.ids import name_of, type_of
from scanner.model.json_paths import get_path, objects_at, same, text_at, texts_at
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoPort, Ports
from scanner.model.verdict import Unread, not_listed
from scanner.reach.networks.fabric import Destination, destination_of, id_or_empty, network_of
from scanner.reach.networks.filtering import filter_chain
from scanner.reach.networks.routes import PASSES, Passage, parsed_addresses
from scanner.reach.paths.internal_paths import return_route, why_not_linked
from scanner.reach.paths.topology import Topology
from scanner.reach.questions.answers import ORDER, SenderAnswer, unread_answer
from scanner.reach.questions.callers import Caller, Sender
from scanner.reach.questions.port_query import AskedPort, port_of_endpoint
from scanner.reach.questions.senders import PacketTarget, outbound, routed
from scanner.reach.rules.port_ranges import position
from scanner.reach.rules.source_sets import UNKNOWN_APPLICATION_GROUP, reached_addresses

ENDPOINT: Final = "microsoft.network/privateendpoints"
TENANTS: Final = Message("any Azure tenant")
ENDPOINT_SERVICES: Final = {
    "microsoft.documentdb": ("microsoft.azurecosmosdb",),
    "microsoft.storage": ("microsoft.storage", "microsoft.storage.global"),
    "microsoft.synapse": ("microsoft.sql",),
    "microsoft.dbformysql": ("microsoft.sql",),
    "microsoft.dbforpostgresql": ("microsoft.sql",),
}
"""The services of service endpoints by the provider of a type, where the name is another one (Microsoft Learn,
virtual-network/virtual-network-service-endpoints-overview).
"""
_WITHOUT_RULES: Final = ("microsoft.netapp/",)
"""Types whose injected endpoints may ignore groups and routes (azure-netapp-files/configure-network-features)."""


class AskedService(Struct, frozen=True):
    """The endpoint that is asked for: `ports` are its own; `names` those of all endpoints of its type."""

    exposure: Exposure
    top: Resource
    ports: Ports
    names: frozenset[str] = frozenset()
    asked: AskedPort | None = None
    """The port of the query, where it names one."""

    @property
    def numbers(self) -> list[AskedPort]:
        """Return the ports that the sender calls; [] where they are not known."""
        if self.asked is not None:
            return [self.asked]
        known = () if isinstance(self.ports, NoPort) else self.ports
        return [each for each in map(port_of_endpoint, known) if each is not None]


class Side(Struct, frozen=True):
    """What one side of a service answers: `grant` allows the sender, None where none or none alone does."""

    allows: bool | None
    hops: tuple[Hop, ...] = ()
    missing: Unread | None = None
    grant: Grant | None = None


def ask_service(service: AskedService, caller: Caller, topology: Topology) -> tuple[SenderAnswer, Grant | None]:
    """Return the answer for one sender, and the grant of the service that allows it."""
    sender = caller.senders[0]
    if sender.missing is not None:
        return unread_answer(sender.missing), None
    sides = [*_sides(service, sender, caller.name, topology), *_sides_inside(service)]
    words = {True: "yes", None: Message("not known"), False: "no"}
    best = min(sides, key=lambda each: ORDER.index(words[each.allows]))
    if best.allows is None:
        return SenderAnswer("not known", best.hops, best.missing), best.grant
    return SenderAnswer("yes" if best.allows else "no", best.hops), best.grant


def _sides(service: AskedService, sender: Sender, name: str, topology: Topology) -> Iterator[Side]:
    lock = service.exposure.reach
    injected = any(hop.kind == "subnet" for hop in lock.hops)
    public = [each for each in lock.grants if not _is_private(each, injected)]
    yield _public_side(service, public, lock, sender, name, topology)
    for each in lock.grants:
        if _is_private(each, injected):
            for id in each.ids:
                if type_of(id).lower() == ENDPOINT:
                    yield _endpoint_side(service, id, each, sender, topology)
                else:
                    yield _injected_side(service, id, each, sender, topology)
    for possible in lock.possible_grants:
        if _may_be_private(possible):
            yield Side(None, (), possible.missing)


def _sides_inside(service: AskedService) -> Iterator[Side]:
    """Yield a side that is not known for what has an address inside a network and is evaluated from outside alone."""
    lock = service.exposure.reach
    ports = service.exposure.endpoint == "*/*" and all(each.level == Reach.none for each in lock.grants)
    if ports or any(hop.kind in _IN_NETWORK for hop in lock.hops):
        missing = Unread(
            Message("the path inside"),
            Message("{name} is evaluated for callers outside its network alone", name=service.top.name),
        )
        yield Side(None, (Hop("path", Message("not known"), missing.why, allows=None),), missing)


_IN_NETWORK: Final = ("subnet-nsg", "nic-nsg", "no-nsg", "admin-rules", "network-interface")
"""The hops to an address inside a virtual network."""


def _is_private(grant: Grant, injected: bool) -> bool:
    """Return whether a grant is one of private endpoints, or of the subnet that the service is in."""
    return bool(grant.ids) and (injected or type_of(grant.ids[0]).lower() == ENDPOINT)


def _may_be_private(possible: PossibleGrant) -> bool:
    return possible.addresses is None and possible.level in (Reach.private, Reach.selected)


# The public side


def _public_side(
    service: AskedService, grants: list[Grant], lock: Lock, sender: Sender, name: str, topology: Topology
) -> Side:
    direct = _has_service_endpoint(service.top, sender, topology)
    allows, grant, missing = _best_grant(grants, lock, sender, name, direct, topology)
    if allows is False and service.exposure.further_rules is not None:
        allows, missing = None, service.exposure.further_rules
    six = sender.destination.version == 6
    if allows and six:
        allows, missing = (
            None,
            Unread(
                Message("the addresses of {name}", name=service.top.name), Message("whether one is an IPv6 address")
            ),
        )
    if allows is False:
        return Side(False)
    if direct and _has_policies(service.top, sender, topology):
        missing = Unread(
            Message("the service endpoint policies of its subnet"),
            Message("which storage accounts they allow is not evaluated"),
        )
        return Side(None, (), missing, grant)
    sent = _sent_outside(service, sender, bool(direct), topology)
    hops = (sent.hop,) if sent.hop else ()
    if sent.allows is False:
        return Side(False, hops)
    if allows is None:
        return Side(None, (), missing, grant)
    if sent.allows is None:
        return Side(None, hops, sent.missing, grant)
    if not direct and not sender.egress.exists:
        why = Message("{why}; whether it has default outbound access is not known", why=sender.egress.why)
        return Side(None, (), Unread(Message("the outbound address of {name}", name=name), why), grant)
    return Side(True, (), None, grant)


def _best_grant(
    grants: list[Grant], lock: Lock, sender: Sender, name: str, direct: bool | None, topology: Topology
) -> tuple[bool | None, Grant | None, Unread | None]:
    """Return whether a grant allows the sender, that grant, and why it is not known."""
    tried = [
        (each, *_admits(each, sender, name, direct, topology)) for each in sorted(grants, key=lambda one: -one.level)
    ]
    for wanted in (True, None):
        for grant, fits, missing in tried:
            if fits is wanted:
                return fits, grant, missing
    possible = next((each for each in lock.possible_grants if _may_admit(each, sender)), None)
    return (False, None, None) if possible is None else (None, None, possible.missing)


def _has_service_endpoint(top: Resource, sender: Sender, topology: Topology) -> bool | None:
    """Return whether the subnet of a sender has a service endpoint for a service, in its region; None where that is not
    known.
    """
    subnet = topology.fabric.subnets.get(topology.fabric.key(sender.destination.subnet))
    if subnet is None or subnet.services is None:
        return None
    wanted, region = _endpoint_services(top), top.location.replace(" ", "").lower()
    regions = [each.split()[1:] for each in subnet.services if each.split()[0] in wanted]
    if any(not each or "*" in each or region in each for each in regions):
        return True
    return None if regions else False


def _has_policies(top: Resource, sender: Sender, topology: Topology) -> bool:
    """Return whether service endpoint policies of the sender's subnet, which are for storage alone, may block it."""
    subnet = topology.fabric.subnets.get(topology.fabric.key(sender.destination.subnet))
    return subnet is not None and subnet.limited and top.type.lower().startswith("microsoft.storage/")


def _endpoint_services(top: Resource) -> tuple[str, ...]:
    provider = top.type.lower().partition("/")[0]
    return ENDPOINT_SERVICES.get(provider, (provider,))


def _admits(
    grant: Grant, sender: Sender, name: str, direct: bool | None, topology: Topology
) -> tuple[bool | None, Unread | None]:
    """Return whether a grant of the public side allows a sender, and why that is not known.

    `direct`: whether its subnet has a service endpoint for the service.
    """
    if grant.level == Reach.none:
        return False, None
    if grant.level == Reach.internet and grant.addresses is None:
        return True, None
    if grant.addresses is not None:
        return _admits_address(grant.addresses, sender, name, direct)
    if grant.ids:
        return _admits_subnet(grant.ids, sender, direct, topology)
    if grant.description == TENANTS and sender.egress.addresses and direct is False:
        return True, None
    what = (
        Message("whether {name} belongs to {description}", name=name, description=grant.description)
        if grant.description
        else Message("the callers that it allows")
    )
    return None, Unread(
        what,
        Message("its addresses are known only to Azure") if grant.description else Message("they are not evaluated"),
    )


def _admits_address(
    addresses: AddressSet, sender: Sender, name: str, direct: bool | None
) -> tuple[bool | None, Unread | None]:
    what = Message("the outbound address of {name}", name=name)
    if direct:
        return None, Unread(
            what, Message("the service sees the private address, because the subnet has a service endpoint")
        )
    sender_addresses = sender.egress.addresses
    if not sender_addresses:
        return None, Unread(what, sender.egress.why or Message("it is not known"))
    if not addresses & sender_addresses:
        return False, None
    if direct is None:
        return None, Unread(Message("the service endpoints of its subnet"), Message("Azure did not return them"))
    return (
        (True, None)
        if addresses.covers(sender_addresses)
        else (None, Unread(what, Message("only some of its addresses are allowed")))
    )


def _admits_subnet(
    ids: Iterable[str], sender: Sender, direct: bool | None, topology: Topology
) -> tuple[bool | None, Unread | None]:
    sender_subnet = topology.fabric.key(sender.destination.subnet)
    keys = [id_or_empty(each) for each in ids]
    if sender_subnet in keys:
        missing = Unread(
            Message("the service endpoints of {own}", own=name_of(sender_subnet)), Message("Azure did not return them")
        )
        return direct, missing if direct is None else None
    way = routed(topology.index, topology.fabric, sender.destination, _outside(sender, direct=bool(direct)))
    if way.allows is None:
        return None, way.missing  # an appliance on the way may be in a subnet that the service allows
    if all("/subnets/" in each for each in keys):
        return False, None
    return None, Unread(
        Message("the subscriptions that it allows"),
        Message("whether the sender signs in from one of them is not known"),
    )


def _may_admit(possible: PossibleGrant, sender: Sender) -> bool:
    """Return whether a possible grant could allow the sender on the public side."""
    if possible.level == Reach.none:
        return False
    if possible.addresses is not None and sender.egress.addresses:
        return bool(possible.addresses & sender.egress.addresses)
    return True


def _sent_outside(service: AskedService, sender: Sender, direct: bool, topology: Topology) -> Passage:
    """Return whether a sender may send packets to the public address of the service, which is one of all."""
    target = _outside(sender, direct=direct)
    return _any_port(
        service,
        [
            outbound(topology.index, topology.fabric, sender.destination, target, each.protocol, each.number)
            for each in service.numbers
        ],
    )


def _outside(sender: Sender, *, direct: bool) -> PacketTarget:
    return PacketTarget(PUBLIC_ADDRESSES.of_version(sender.destination.version), False, direct=direct)


def _any_port(service: AskedService, passages: list[Passage]) -> Passage:
    """Return the best of the answers for the ports of a service."""
    if not passages:
        why = service.ports.why if isinstance(service.ports, NoPort) else Message("it is not known")
        missing = Unread(Message("the port of {endpoint}", endpoint=service.exposure.endpoint), why)
        return Passage(None, Hop("path", "port", why, allows=None), missing)
    return min(passages, key=lambda each: (True, None, False).index(each.allows))


# Private endpoints


def _endpoint_side(service: AskedService, id: str, grant: Grant, sender: Sender, topology: Topology) -> Side:
    endpoint = topology.index.resources.get(id_or_empty(id))
    hop = Hop("private-endpoint", name_of(id), Message("Approved"), id)
    if endpoint is None:
        return _unknown(hop, not_listed(id), grant)
    subnet = id_or_empty(text_at(endpoint.body, "properties.subnet.id"))
    other = _is_for_another(service, endpoint)
    missing = other or why_not_linked(topology.index, topology.fabric.key(sender.destination.subnet), subnet)
    if missing is not None:
        return _unknown(hop, missing, grant)
    destinations = _destinations_of(endpoint, subnet, topology)
    if not destinations:
        missing = Unread(
            Message("the private address of {name}", name=endpoint.name),
            Message("its network interface was not collected"),
        )
        return _unknown(hop, missing, grant)
    sides = [
        _at_address(service, each, hop, grant, sender, topology)
        for each in destinations
        if each.version == sender.destination.version
    ]
    if not sides:
        return Side(
            False, (Hop(hop.kind, hop.name, Message("its addresses are of a different IP version"), id, False),)
        )
    return min(sides, key=lambda each: (True, None, False).index(each.allows))


def _unknown(hop: Hop, missing: Unread, grant: Grant) -> Side:
    return Side(None, (Hop(hop.kind, hop.name, missing.why, hop.resource, None),), missing, grant)


def _is_for_another(service: AskedService, endpoint: Resource) -> Unread | None:
    """Return why a private endpoint may be one of another endpoint of the service; None where it is not.

    An endpoint of a storage account has a group of its own: `blob`, `file`.
    """
    groups = {
        each.lower().removesuffix("_secondary")
        for path in ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections")
        for connection in objects_at(endpoint.body, f"properties.{path}")
        if same(get_path(connection, "properties.privateLinkServiceId"), service.top.id)
        for each in texts_at(connection, "properties.groupIds")
    }
    service_name = service.exposure.endpoint.partition("/")[0].lower()
    if service_name in groups or not groups & service.names:
        return None
    what = Message("the private endpoint {name}", name=endpoint.name)
    return Unread(
        what,
        Message(
            "it is for {list}; whether it leads to {own} is not known", list=", ".join(sorted(groups)), own=service_name
        ),
    )


def _destinations_of(endpoint: Resource, subnet: str, topology: Topology) -> list[Destination]:
    """Return the addresses of a private endpoint, as destinations."""
    destinations: list[Destination] = []
    for each in objects_at(endpoint.body, "properties.networkInterfaces"):
        nic = topology.fabric.nics.get(id_or_empty(text_at(each, "id")))
        if nic is not None:
            destinations += [destination_of(nic, one) for one in nic.configurations if one.address]
    if destinations:
        return destinations
    texts = [text for each in objects_at(endpoint.body, "properties.customDnsConfigs") for text in _texts(each)]
    texts += [
        text_at(each, "properties.privateIPAddress")
        for each in objects_at(endpoint.body, "properties.ipConfigurations")
    ]
    known = dict.fromkeys(each for each in texts if parsed_addresses(each))
    groups = frozenset((UNKNOWN_APPLICATION_GROUP,))  # the interface has them, and it was not read
    return [Destination(subnet, "", each, 6 if ":" in each else 4, groups) for each in known]


def _texts(config: object) -> list[str]:
    return texts_at(config, "ipAddresses")


def _at_address(
    service: AskedService, at: Destination, hop: Hop, grant: Grant, sender: Sender, topology: Topology
) -> Side:
    """Return the answer at one address of a private endpoint."""
    subnet = topology.fabric.subnets.get(topology.fabric.key(at.subnet))
    hop = Hop(
        hop.kind,
        hop.name,
        Message("{address}, Approved; whether DNS leads there is not evaluated", address=at.address),
        hop.resource,
    )
    sent = _sent_to(service, at, sender, topology, direct=True)
    policies = subnet.policies if subnet is not None else ""
    if policies not in ("disabled", "networksecuritygroupenabled"):
        # With the policies of the subnet on, routes of the sender's table count that are as long as its network.
        routed = _sent_to(service, at, sender, topology, direct=False)
        if policies in ("enabled", "routetableenabled"):
            sent = routed
        elif routed.allows is not sent.allows:
            missing = routed.missing or Unread(
                Message("the route to the private endpoint"), routed.hop.detail if routed.hop else NOTHING
            )
            sent = Passage(None, routed.hop, missing)
    entered = _enters(service, at, sender, topology, sent)
    if policies in ("disabled", "routetableenabled"):
        governed = subnet is not None and topology.fabric.admin_of(subnet) is not None
        entered = entered if governed and entered.allows is not True else PASSES
    if entered.allows is False and policies not in ("enabled", "networksecuritygroupenabled"):
        text = Message("whether the network policies of its subnet apply to private endpoints is not known")
        entered = Passage(None, entered.hop, Unread(Message("the rules of {subnet}", subnet=name_of(at.subnet)), text))
    return _side((sent, entered), hop, grant)


def _side(passages: tuple[Passage, ...], hop: Hop, grant: Grant) -> Side:
    """Return the side that a packet reaches where all of these pass it."""
    blocked = next((each for each in passages if each.allows is False), None)
    if blocked is not None:
        return Side(False, (blocked.hop,) if blocked.hop else (), None, grant)
    unclear = next((each for each in passages if each.allows is None), None)
    if unclear is not None:
        hops = (hop, replace(unclear.hop, allows=None)) if unclear.hop is not None else (hop,)
        return Side(None, hops, unclear.missing, grant)
    return Side(True, (hop,), None, grant)


def _sent_to(service: AskedService, at: Destination, sender: Sender, topology: Topology, *, direct: bool) -> Passage:
    addresses = union(parsed_addresses(at.address))
    target = PacketTarget(addresses, True, at.application_groups, direct)
    return _any_port(
        service,
        [
            outbound(topology.index, topology.fabric, sender.destination, target, each.protocol, each.number)
            for each in service.numbers
        ],
    )


def _enters(service: AskedService, at: Destination, sender: Sender, topology: Topology, sent: Passage) -> Passage:
    """Return whether the inbound rules at a destination allow the sender, or what an appliance on its way (`sent`)
    may show in its place.
    """
    chain = filter_chain(topology.fabric, at, "inside")
    detour = sent.allows is None and sent.hop is not None and sent.hop.kind in ("route", "subnet")
    results: list[Passage] = []
    for port in service.numbers:
        line = position(port.protocol, port.number)
        piece = next((each for each in chain.open_spans if each.first <= line <= each.last), None)
        hop = Hop("subnet-nsg", name_of(at.subnet), Message("its inbound rules block the packet"), at.subnet, False)
        if piece is None:
            results.append(Passage(False, hop))
            continue
        groups = sender.destination.application_groups
        certain = reached_addresses(piece.certain, sender.addresses, groups)[0]
        possible = reached_addresses(piece.possible, sender.addresses, groups)[1]
        if sender.addresses and certain.covers(sender.addresses) and chain.admin_gap is None:
            results.append(PASSES)
        elif (sender.addresses and not possible) and not (detour and piece.possible):
            results.append(Passage(False, hop))
        else:
            missing = next(
                iter(chain.missing),
                Unread(Message("the inbound rules"), Message("they allow some of its addresses alone")),
            )
            text = Message("its inbound rules: {why}", why=missing.why)
            results.append(Passage(None, Hop("subnet-nsg", name_of(at.subnet), text, at.subnet, None), missing))
    return _any_port(service, results)


# Services in a subnet


def _injected_side(service: AskedService, id: str, grant: Grant, sender: Sender, topology: Topology) -> Side:
    key = id_or_empty(id)
    subnet = topology.fabric.subnets.get(key)
    hop = Hop("subnet", name_of(key), Message("inside {key}", key=name_of(network_of(key))), id)
    missing = (
        not_listed(id)
        if subnet is None
        else why_not_linked(topology.index, topology.fabric.key(sender.destination.subnet), key)
    )
    if missing is not None or subnet is None:
        return _unknown(hop, missing or not_listed(id), grant)
    prefixes = [each for each in subnet.prefixes if (":" in each) == (sender.destination.version == 6)]
    if not prefixes:
        return _unknown(
            hop,
            Unread(Message("the address prefix of {key}", key=name_of(key)), Message("Azure did not return it")),
            grant,
        )
    sides = []
    for prefix in prefixes:
        at = Destination(key, address=prefix, version=sender.destination.version)
        sent = _sent_to(service, at, sender, topology, direct=False)
        entered = _enters(service, at, sender, topology, sent)
        if entered.allows is False and service.top.type.lower().startswith(_WITHOUT_RULES):
            text = Message("whether the rules of its subnet apply to it is not known")
            entered = Passage(None, entered.hop, Unread(Message("the inbound rules"), text))
        back = return_route(topology.index, topology.fabric, key, sender.destination)
        sides.append(_side((sent, entered, back), hop, grant))
    if len({each.allows for each in sides}) == 1:
        return sides[0]
    missing = Unread(
        Message("the private address of the service"), Message("it is one of several prefixes of its subnet")
    )
    return _unknown(hop, missing, grant)
