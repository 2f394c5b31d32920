"""Azure Firewall: the DNAT rules in force, and the private addresses that they publish.

Sources: Microsoft Learn, firewall/rule-processing. The machine behind sees one of the addresses of the firewall's
subnet as the source: Microsoft Tech Community, "Azure Firewall NAT Behaviors".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec.structs import replace

from scanner.model.addresses import AddressSet, Version
from scanner.model.exposure import Hop
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, is_absent, member, objects_at, same, text_at, texts_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, malformed, not_listed
from scanner.reach.networks.areas import AnyArea
from scanner.reach.networks.fabric import Fabric, id_or_empty
from scanner.reach.networks.peerings import areas_of_hub, areas_of_subnet, peerings_known, peers_of
from scanner.reach.networks.public_addresses import public_address, public_addresses
from scanner.reach.paths.load_balancer_rules import PROTOCOLS
from scanner.reach.paths.load_balancers import LoadBalancers, front_end_address_unread
from scanner.reach.paths.network_paths import DnatRule, FrontEnd, PortMapping, lacks_id, parsed_addresses, port_at
from scanner.reach.rules.port_ranges import LAST_PORT, BadPort, ports
from scanner.reach.rules.source_grants import describe_sources
from scanner.reach.rules.source_sets import OUTSIDE_SOURCES, SourceSet, sources_from_addresses
from scanner.reach.rules.sources import cached

FIREWALLS: Final = "Microsoft.Network/azureFirewalls"
RULE_COLLECTION_GROUPS: Final = "Microsoft.Network/firewallPolicies/ruleCollectionGroups"

ReadRule = tuple[DnatRule | None, Unread | None]
"""A DNAT rule, or what was not read in its place."""


def firewalls_unread(index: Index, subscription: str, network: str) -> Unread | None:
    """Return why an unseen firewall may lead into a network: one in the network, in a peer or in a virtual hub."""
    if FIREWALLS.lower() not in index.missing:
        return None
    known: dict[tuple[str, str], Unread | None] = cached(index, "unread firewalls", lambda _: {})
    if (subscription, network) not in known:
        known[subscription, network] = _firewalls_unread(index, subscription, network)
    return known[subscription, network]


def _firewalls_unread(index: Index, subscription: str, network: str) -> Unread | None:
    peers = peers_of(index).get(network, ())
    if not (peerings_known(index, network) and all(map(index.is_visible, peers))):
        return index.missing[FIREWALLS.lower()]
    gaps = (index.missing_in(FIREWALLS, each) for each in (f"/subscriptions/{subscription}", network, *peers))
    return next((each for each in gaps if each is not None), None)


def add_firewall(firewall: Resource, fabric: Fabric, balancers: LoadBalancers) -> None:
    """Add the front ends that the DNAT rules of a firewall publish."""
    index = balancers.index
    if is_deallocated(firewall):
        return
    configurations = objects_at(firewall.body, "properties.ipConfigurations")
    subnets = [id_or_empty(text_at(each, "properties.subnet.id")) for each in configurations]
    subnet = next((fabric.subnets[each] for each in subnets if each in fabric.subnets), None)
    inside = parsed_addresses(subnet.prefixes if subnet is not None else _hub_prefixes(index, firewall))[0]
    areas = _areas(index, firewall, subnets)
    addresses, unread = _public_addresses(index, firewall)
    known = parsed_addresses(addresses)[0]
    for dnat_rule, missing in _dnat_rules(index, firewall):
        if dnat_rule is None:
            if missing is None:
                continue
            hop = Hop("firewall", firewall.name, Message("its rules could not be read completely"), firewall.id, None)
            front = FrontEnd("", "inside", hops=(hop,), allowed_sources=OUTSIDE_SOURCES, missing=(missing,))
            for area, uncertain in areas:
                _publish(front, "", area, uncertain, balancers)
            continue
        rule = dnat_rule.body
        allowed, open_question = _allowed_sources(index, rule)
        unread_reasons = tuple(each for each in (open_question, unread) if each is not None)
        for address in texts_at(rule, "destinationAddresses"):
            if addresses and unread is None and not (known and (address in addresses or _overlap(address, known))):
                continue
            for front in _front_ends(rule, address, firewall, allowed):
                published = replace(front, translated_addresses=inside or None, missing=unread_reasons, dnat=dnat_rule)
                for area, uncertain in areas:
                    _translate(published if uncertain is None else published.without(uncertain), rule, area, balancers)


def is_deallocated(firewall: Resource) -> bool:
    """Return whether a firewall is stopped: Azure keeps its rules, and returns no IP configuration and no hub.

    Sources: firewall/firewall-faq, "How can I stop and start Azure Firewall"; Deallocate of Az.Network empties
    ipConfigurations; recorded answers have the empty list, with provisioningState Succeeded.
    """
    no_network = get_path(firewall.body, "properties.ipConfigurations") == []
    return no_network and all(
        is_absent(get_path(firewall.body, f"properties.{each}")) for each in ("virtualHub", "hubIPAddresses")
    )


def _areas(index: Index, firewall: Resource, subnets: list[str]) -> list[tuple[AnyArea, Unread | None]]:
    """Return the networks that a firewall leads to: those connected to its hub, or its network and the peers."""
    hub = text_at(firewall.body, "properties.virtualHub.id")
    if hub:
        return areas_of_hub(index, id_or_empty(hub))
    subnet = next((each for each in subnets if each), "")
    return areas_of_subnet(index, subnet) if subnet else [(None, None)]


def _hub_prefixes(index: Index, firewall: Resource) -> list[str]:
    """Return the address prefix of the virtual hub of a firewall; [] where it is not known."""
    hub = index.resources.get(id_or_empty(text_at(firewall.body, "properties.virtualHub.id")))
    prefix = text_at(hub.body, "properties.addressPrefix") if hub is not None else ""
    return [prefix] if prefix else []


def _overlap(address: str, known: AddressSet) -> bool:
    return bool(parsed_addresses([address])[0] & known)


def _public_addresses(index: Index, firewall: Resource) -> tuple[set[str], Unread | None]:
    """Return the public addresses of a firewall, and why there may be others."""
    path = "properties.hubIPAddresses.publicIPs.addresses"
    matches = {text_at(each, "address") for each in objects_at(firewall.body, path)}
    if "" in matches:
        return matches - {""}, malformed(f"{firewall.name} {path}")
    for each in objects_at(firewall.body, "properties.ipConfigurations"):
        id = text_at(each, "properties.publicIPAddress.id")
        if lacks_id(each, "publicIPAddress"):
            return matches, malformed(f"{firewall.name} ipConfigurations")
        if not id:
            continue
        address = public_address(index, id).address
        if id_or_empty(id) not in public_addresses(index) or not address:
            return matches, not_listed(id)
        matches.add(address)
    return matches, None


def _dnat_rules(index: Index, firewall: Resource) -> Iterator[ReadRule]:
    """Return the DNAT rules in force: the firewall's own, and those of its policy.

    A policy does not inherit NAT rule collections of its parent (Microsoft Learn, firewall-manager/policy-overview).
    """
    properties = get_path(firewall.body, "properties")
    if not isinstance(properties, dict) or not properties:
        yield None, malformed(f"{firewall.name} properties")
    yield from _rules_in(firewall, "properties.natRuleCollections", "properties.rules")
    reference = get_path(properties, "firewallPolicy")
    if is_absent(reference):
        return
    policy = id_or_empty(text_at(reference, "id"))
    unread = index.missing_in(RULE_COLLECTION_GROUPS, policy)
    if unread is not None:
        yield None, unread
    for group in cached(index, "groups of policies", _groups_of_policies).get(policy, ()):
        yield from _rules_in(group, "properties.ruleCollections", "rules")
    resource = index.resources.get(policy)
    if resource is None or not isinstance(get_path(resource.body, "properties"), dict):
        yield None, not_listed(policy or f"{firewall.name} firewallPolicy")


def _groups_of_policies(index: Index) -> dict[str, list[Resource]]:
    result: dict[str, list[Resource]] = {}
    for group in index.of_type(RULE_COLLECTION_GROUPS)[0]:
        result.setdefault(group.key.partition("/rulecollectiongroups/")[0], []).append(group)
    return result


def _rules_in(holder: Resource, path: str, inner: str) -> Iterator[ReadRule]:
    """Return the DNAT rules of a list of collections, with an Unread for each that is malformed."""
    value = holder.get(path)
    unread = malformed(f"{holder.name} {path}")
    if value is None or (value is MISSING and isinstance(holder.get("properties"), dict)):
        return
    number = -1
    for collection in value if isinstance(value, list) else (None,):
        if inner == "rules" and same(member(collection, "ruleCollectionType"), "FirewallPolicyFilterRuleCollection"):
            continue
        rules, name = get_path(collection, inner), text_at(collection, "name")
        for rule in rules if isinstance(rules, list) else (None,):
            number += 1
            dnat_rule = DnatRule(holder.id, path, inner, name, number, rule)
            yield (dnat_rule, None) if _is_complete(rule) else (None, unread)


def _is_complete(rule: Any) -> bool:
    """Return whether a DNAT rule says which addresses and ports it translates, and to what."""
    lists = all(
        texts_at(rule, path) and texts_at(rule, path) == get_path(rule, path)
        for path in ("destinationAddresses", "destinationPorts")
    )
    to = text_at(rule, "translatedAddress")
    ends = [*texts_at(rule, "destinationAddresses"), *([to] if to else [])]
    translated = bool(to or text_at(rule, "translatedFqdn")) and port_at(rule, "translatedPort") is not None
    return lists and translated and not parsed_addresses(ends)[1]


def _allowed_sources(index: Index, rule: Any) -> tuple[SourceSet, Unread | None]:
    """Return the sources that a DNAT rule allows, and what of them was not read; then they are all sources."""
    texts = list(texts_at(rule, "sourceAddresses"))
    missing: Unread | None = None
    for id in texts_at(rule, "sourceIpGroups"):
        group = index.resources.get(id_or_empty(id))
        if group is None:
            missing = not_listed(id)
            continue
        texts += texts_at(group.body, "properties.ipAddresses")
    if not texts and missing is None:
        return OUTSIDE_SOURCES, None
    address_set, broken = parsed_addresses(texts)
    if missing is not None or broken:
        return OUTSIDE_SOURCES, missing or Unread(
            "sourceAddresses", Message("{broken} is not an address", broken=repr(broken))
        )
    return sources_from_addresses(address_set) & OUTSIDE_SOURCES, None


def _front_ends(rule: Any, address: str, firewall: Resource, allowed: SourceSet) -> Iterator[FrontEnd]:
    """Return the front ends of a DNAT rule at one of its destination addresses."""
    to = text_at(rule, "translatedAddress") or text_at(rule, "translatedFqdn")
    name = text_at(rule, "name") or "?"
    version: Version = 6 if ":" in address else 4
    for port in _port_mappings(rule):
        target = f"{to}:{port.backend}"
        detail = Message(
            "DNAT rule {name}: {label} to {target}, for {allowed}",
            name=name,
            label=port.label,
            target=target,
            allowed=describe_sources(allowed) or Message("no one"),
        )
        hops = (Hop("firewall", firewall.name, detail, firewall.id),)
        yield FrontEnd(address, "inside", port, version, hops, allowed_sources=allowed)


def _port_mappings(rule: Any) -> Iterator[PortMapping]:
    backend = port_at(rule, "translatedPort")
    for text in texts_at(rule, "protocols") or texts_at(rule, "ipProtocols") or ["any"]:
        protocol = PROTOCOLS.get(text.lower(), "*")
        for first, last in _spans(texts_at(rule, "destinationPorts")):
            single = bool(backend) and first != last
            yield PortMapping(protocol, first, last, backend or first, single_backend=single)


def _spans(texts: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Return the port ranges of some texts; every port for a text that is none."""
    for text in texts:
        try:
            yield from ports(text)
        except BadPort:
            yield 0, LAST_PORT


def _translate(front: FrontEnd, rule: Any, area: AnyArea, balancers: LoadBalancers) -> None:
    """Add what a DNAT rule publishes in an area: a private address, or what is behind an internal load balancer."""
    address = text_at(rule, "translatedAddress")
    if not address:
        name = text_at(rule, "translatedFqdn")
        missing = Unread(
            Message("the name {name} of a DNAT rule", name=repr(name)), Message("the machine that has it is not known")
        )
        _publish(front, "", area, missing, balancers)
        return
    internal = balancers.internal.at(address, area)
    for key in internal:
        balancers.follow(key, front, address, depth=1)
    if internal:
        return
    for key in balancers.internal.possibly_at(address, area):
        balancers.follow(key, front.without(front_end_address_unread()), "", depth=1)
    _publish(front, address, area, None, balancers)


def _publish(front: FrontEnd, address: str, area: AnyArea, uncertain: Unread | None, balancers: LoadBalancers) -> None:
    """Add a front end that leads to a private address ("": not known) in an area."""
    balancers.front_ends.publish(front if uncertain is None else front.without(uncertain), address, area)
