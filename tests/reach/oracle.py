"""A packet oracle: a slow walk over raw ARM bodies, one packet at a time, written apart from the evaluator.

It shares nothing with `scanner` but the question. Where a value is not known it follows every reading and answers with
all verdicts that are possible; the evaluator's `sure` must then be "in every reading", its `may` "in some reading".

    python -m tests.reach.oracle [PACKETS [SEED]]       compares, prints the seeds; ends with 1 on a disagreement
"""

from __future__ import annotations

import ipaddress
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from tests.reach.estates import MANAGED, PREFIXES, ROOT, SCOPES, SPACE, WALLS, Estate, Maker, Packet

Verdicts = frozenset[bool]
LET: Verdicts = frozenset({True})
HELD: Verdicts = frozenset({False})
EITHER: Verdicts = frozenset({True, False})
UNPUBLISHED = "fooservice"
"""A tag that Azure does not publish: which end of a rule has it is not known."""
PORTLESS = ("icmp", "esp", "ah")


def member(body: Any, name: str) -> Any:
    """A member whatever its case; None where there is none."""
    if isinstance(body, dict):
        for key, value in body.items():
            if key.lower() == name.lower():
                return value
    return None


def texts(rule: Any, one: str, many: str) -> list[Any]:
    value, values = member(rule, one), member(rule, many)
    matches = [value] if value not in (None, "") else []
    matches += values if isinstance(values, list) else []
    return [piece.strip() for each in matches for piece in (each.split(",") if isinstance(each, str) else [each])]


def tidy(identity: Any) -> str:
    return str(identity).lower().strip("/")


# One rule against one packet: True, False, or None where that is not known


def some(answers: Iterable[bool | None]) -> bool | None:
    matches = list(answers)
    return True if True in matches else None if None in matches else False


def every(answers: Iterable[bool | None]) -> bool | None:
    matches = list(answers)
    return False if False in matches else None if None in matches else True


def bears(packet: Packet, tag: str) -> bool:
    """Who bears the tag of a region bears the whole service's tag too."""
    low = tag.lower()
    return any(each.lower() == low or each.lower().startswith(low + ".") for each in packet.tags)


def from_source(packet: Packet, text: Any) -> bool | None:
    low = text.lower() if isinstance(text, str) else ""
    if low in ("*", "any"):
        return True
    if re.fullmatch("[a-z][a-z0-9_.]*", low):
        if low == "internet":
            return packet.entry != "inside"
        if low.replace("_", "") == "virtualnetwork":
            return packet.entry == "inside"
        return low != "azureloadbalancer" and packet.entry != "inside" and bears(packet, low)
    try:
        return ipaddress.ip_address(packet.sender) in ipaddress.ip_network(low, strict=False)
    except ValueError:
        return None


def to_destination(address: str | None, text: Any, floats: bool) -> bool | None:
    """`floats`: the packet bears the public address of a front, which VirtualNetwork may or may not hold."""
    low = text.lower() if isinstance(text, str) else ""
    if low in ("*", "any"):
        return True
    if low.replace("_", "") == "virtualnetwork":
        return None if floats else True
    if low == "internet":
        return None if address is None else False
    if not floats and low != UNPUBLISHED and re.fullmatch("[a-z][a-z0-9_.]*", low):
        return None if address is None else False
    try:
        network = ipaddress.ip_network(low, strict=False)
    except ValueError:
        return None
    return None if address is None else ipaddress.ip_address(address) in network


def has_port(port: int, text: Any) -> bool | None:
    if not isinstance(text, str):
        return None
    if text.lower() in ("*", "any"):
        return True
    match = re.fullmatch("([0-9]{1,5})(?:-([0-9]{1,5}))?", text)
    if match is None or int(match[2] or match[1]) > 65535:
        return None
    return int(match[1]) <= port <= int(match[2] or match[1])


def all_ports(given: list[Any]) -> bool | None:
    """Whether a list names every port there is."""
    return _all_ports(tuple(given)) if given else None


@lru_cache
def _all_ports(given: tuple[Any, ...]) -> bool | None:
    left = set(range(65536))
    unknown = False
    for text in given:
        if isinstance(text, str) and text.lower() in ("*", "any"):
            return True
        match = re.fullmatch("([0-9]{1,5})(?:-([0-9]{1,5}))?", text) if isinstance(text, str) else None
        if match is None or int(match[2] or match[1]) > 65535:
            unknown = True
        else:
            left -= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return True if not left else None if unknown else False


def of_protocol(packet: Packet, value: Any) -> bool | None:
    low = value.lower() if isinstance(value, str) else ""
    if low in ("*", "any"):
        return True
    return low == packet.protocol if low in ("tcp", "udp", *PORTLESS) else None


def ports_fit(packet: Packet, rule: Any, allow: bool) -> bool | None:
    """The receiver's port; and the sender's own, which it chooses: only a Deny of all of them holds."""
    given = texts(rule, "destinationPortRange", "destinationPortRanges")
    if packet.protocol in PORTLESS:
        here = True if allow else all_ports(given)
    else:
        here = some(has_port(packet.port, text) for text in given) if given else None
    if allow:
        return here
    return every((here, all_ports(texts(rule, "sourcePortRange", "sourcePortRanges"))))


def ends_fit(packet: Packet, rule: Any, address: str | None, members: set[str], leaves: bool = False) -> bool | None:
    far, near = ("destination", "source") if leaves else ("source", "destination")
    senders = {tidy(member(each, "id")) for each in member(rule, f"{far}ApplicationSecurityGroups") or ()}
    receivers = {tidy(member(each, "id")) for each in member(rule, f"{near}ApplicationSecurityGroups") or ()}
    sources = texts(rule, f"{far}AddressPrefix", f"{far}AddressPrefixes")
    targets = texts(rule, f"{near}AddressPrefix", f"{near}AddressPrefixes")
    came = bool(senders & {tidy(each) for each in packet.groups})
    went = bool(receivers & members)
    source = some((came, *(from_source(packet, each) for each in sources))) if sources or senders else None
    target = (
        some((went, *(to_destination(address, each, packet.floats) for each in targets)))
        if targets or receivers
        else None
    )
    return every((source, target))


# A list of rules against one packet


def verdicts(rules: list[tuple[bool | None, Any, Any]]) -> Verdicts:
    """First match wins; `rules`: whether it matches, whether it allows (None: not known either)."""
    matches: set[bool] = set()
    for fits, allows, _ in rules:
        if fits is False:
            continue
        matches |= {True, False} if allows is None else {allows}
        if fits is True:
            return frozenset(matches)
    return frozenset(matches | {False})


def in_order(rules: list[tuple[bool | None, Any, Any]]) -> Verdicts:
    """The same, where a rule without a readable priority may stand anywhere among the customer's own."""
    matches: set[bool] = set()
    loose = [rule for rule in rules if not isinstance(rule[2], int)]
    fixed = sorted((rule for rule in rules if isinstance(rule[2], int)), key=lambda rule: rule[2])
    own = [rule for rule in fixed if rule[2] < 65000]
    rest = [rule for rule in fixed if rule[2] >= 65000]
    if not loose:
        return verdicts(fixed)
    first, *others = loose
    for at in range(len(own) + 1):
        moved = [*own[:at], first, *own[at:]]
        numbered = [(fits, allows, number) for number, (fits, allows, _) in enumerate(moved)]
        matches |= in_order([*numbered, *others, *rest])
    return frozenset(matches)


def read_access(value: Any, words: dict[str, Any]) -> Any:
    return words.get(value.lower()) if isinstance(value, str) else None


def one_rule(
    packet: Packet, properties: Any, address: str | None, members: set[str], leaves: bool
) -> list[tuple[bool | None, Any, Any]]:
    """A rule as (fits, allows, priority); two of them where its access is not known, since it fits differently."""
    direction = member(properties, "direction")
    counts = read_access(direction, {"inbound": not leaves, "outbound": leaves})
    if counts is False:
        return []
    access = read_access(member(properties, "access"), {"allow": True, "deny": False})
    common = (
        of_protocol(packet, member(properties, "protocol")),
        ends_fit(packet, properties, address, members, leaves),
    )
    fits = {kind: every((counts, *common, ports_fit(packet, properties, kind))) for kind in (True, False)}
    priority = member(properties, "priority")
    if access is not None:
        return [(fits[access], access, priority)]
    # Either an Allow or a Deny: what neither would match is not matched.
    answer = fits[True] if fits[True] == fits[False] else None
    allows: Any = None if fits[False] is not False else True
    return [(answer, allows, priority)] if answer is not False else []


DEFAULTS = (
    ("Allow", 65000, "VirtualNetwork"),
    ("Allow", 65001, "AzureLoadBalancer"),
    ("Deny", 65500, "*"),
)


def through_group(packet: Packet, body: Any, address: str | None, members: set[str], leaves: bool = False) -> Verdicts:
    """What one network security group says."""
    way = "Outbound" if leaves else "Inbound"
    properties = member(body, "properties")
    rules = list(member(properties, "securityRules"))
    defaults = list(member(properties, "defaultSecurityRules") or [])
    inbound = [member(each, "properties") for each in defaults]
    there = {member(each, "priority") for each in inbound if str(member(each, "direction")).lower() == way.lower()}
    for access, priority, source in DEFAULTS:
        if priority not in there:
            made = {"access": access, "priority": priority, "direction": way, "protocol": "*"}
            ends = ("*", source) if leaves else (source, "*")
            made |= dict(zip(("sourceAddressPrefix", "destinationAddressPrefix"), ends, strict=True))
            made |= {"sourcePortRange": "*", "destinationPortRange": "*"}
            defaults.append({"properties": made})
    matches: list[tuple[bool | None, Any, Any]] = []
    for rule in (*rules, *defaults):
        matches += one_rule(packet, member(rule, "properties"), address, members, leaves)
    return in_order(matches)


def through_admin(
    packet: Packet, rules: list[tuple[Any, bool]], address: str | None, evades: bool, leaves: bool = False
) -> set[str]:
    """What the security admin rules may say: "deny", "allow" (also where none fits), "alwaysallow".

    `rules`: bodies in order, and whether they are in force for sure. `evades`: the sender avoids an Allow that names
    source ports, or ports where the protocol has none; an AlwaysAllow after it then delivers.
    """
    result: set[str] = set()
    for rule, sure in rules:
        properties = member(rule, "properties")
        if str(member(properties, "direction")).lower() != ("outbound" if leaves else "inbound"):
            continue
        access = str(member(properties, "access")).lower()
        sources = [member(each, "addressPrefix") for each in member(properties, "sources")]
        targets = [member(each, "addressPrefix") for each in member(properties, "destinations")]
        flat = {"sourceAddressPrefixes": sources, "destinationAddressPrefixes": targets}
        fits = every(
            (
                of_protocol(packet, member(properties, "protocol")),
                ports_fit(packet, properties, access == "alwaysallow" or (access == "allow" and not evades)),
                ends_fit(packet, flat, address, set(), leaves),
                True if sure else None,
            )
        )
        if fits is not False:
            result.add(access)
        if fits:
            return result
    return result | {"allow"}


def port_behind(packet: Packet, stated: Any) -> int | None:
    """The port behind that a rule of a load balancer sends a packet to; None where it does not take it."""
    if stated.get("frontendPort") == 0 and stated["backendPort"] == 0:
        return packet.port
    first = stated.get("frontendPort", stated.get("frontendPortRangeStart"))
    last = stated.get("frontendPort", stated.get("frontendPortRangeEnd"))
    taken = stated["protocol"].lower() in ("all", packet.protocol) and first <= packet.port <= last
    return stated["backendPort"] if taken else None


def any_of(matches: set[Verdicts]) -> Verdicts:
    return LET if LET in matches else EITHER if EITHER in matches else HELD


@lru_cache
def standing_for(prefix: str) -> tuple[str, ...]:
    """Addresses of a prefix, at least one on each side of each border that a rule draws."""
    whole = ipaddress.IPv4Network(prefix)
    matches = {int(whole[0]), int(whole[-1])}
    for text in {each for item in PREFIXES for each in item.split(",") if each[0].isdigit() and ":" not in each}:
        network = ipaddress.IPv4Network(text)
        matches |= {int(network[0]) - 1, int(network[0]), int(network[-1]), int(network[-1]) + 1}
    return tuple(
        str(ipaddress.IPv4Address(each)) for each in sorted(matches) if int(whole[0]) <= each <= int(whole[-1])
    )


class Oracle:
    """An estate, looked up in raw bodies."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.bodies = {tidy(body["id"]): body for body in (*estate.resources, *estate.walls)}
        self.subnets = {
            tidy(subnet["id"]): (tidy(network["id"]), subnet)
            for network in estate.resources
            for subnet in member(network["properties"], "subnets") or ()
        }
        self.admin: dict[str, list[tuple[Any, bool]]] = {}

    def ask(self, packet: Packet, dialled: str | None = "") -> Verdicts:
        """Every verdict that is possible: does the packet get in? `dialled`: its address, where it still bears that;
        None: it is not known which one it bears.
        """
        packet = replace(packet, floats=dialled != "")
        nic = self.estate.nics[packet.nic]["properties"]
        configuration = nic["ipConfigurations"][packet.configuration]["properties"]
        address = configuration["privateIPAddress"] if dialled == "" else dialled
        members = {tidy(each["id"]) for each in configuration.get("applicationSecurityGroups", ())}
        network, subnet = self.subnets[tidy(configuration["subnet"]["id"])]
        rules = [] if member(subnet["properties"], "applicationGatewayIPConfigurations") else self.governed(network)
        return self.decided(packet, nic, subnet, address, members, rules)

    def decided(
        self,
        packet: Packet,
        nic: Any,
        subnet: Any,
        address: str | None,
        members: set[str],
        rules: list[tuple[Any, bool]],
        leaves: bool = False,
    ) -> Verdicts:
        """What security admin rules and groups say together."""
        ways: set[Verdicts] = set()
        for evades in (False, True):
            matches: set[bool] = set()
            for admin in through_admin(packet, rules, address, evades, leaves):
                known = {"deny": HELD, "alwaysallow": LET}.get(admin)
                matches |= known or self.groups(packet, subnet, nic, address, members, leaves)
            ways.add(frozenset(matches))
        return any_of(ways)

    def send(self, packet: Packet) -> Verdicts:
        """Whether the interface of a packet may send it; its `sender` and `groups` are those of the other end."""
        nic = self.estate.nics[packet.nic]["properties"]
        configuration = nic["ipConfigurations"][packet.configuration]["properties"]
        members = {tidy(each["id"]) for each in configuration.get("applicationSecurityGroups", ())}
        network, subnet = self.subnets[tidy(configuration["subnet"]["id"])]
        rules = [] if member(subnet["properties"], "applicationGatewayIPConfigurations") else self.governed(network)
        address = configuration["privateIPAddress"]
        stated = self.decided(packet, nic, subnet, address, members, rules, leaves=True)
        return frozenset({one and other for one in stated for other in self._routed(subnet, packet.sender)})

    def _routed(self, subnet: Any, target: str) -> Verdicts:
        """Whether the longest route that a target has leads to it: the network's own, or one of the table's."""
        table = member(subnet["properties"], "routeTable")
        hops = {next(ipaddress.ip_network(each) for each in SPACE if (":" in each) == (":" in target)): "VnetLocal"}
        for each in self.bodies[tidy(table["id"])]["properties"]["routes"] if table else ():
            prefix = ipaddress.ip_network(each["properties"]["addressPrefix"])
            if ipaddress.ip_address(target) in prefix:
                hops[prefix] = each["properties"]["nextHopType"]
        longest = max(hops, key=lambda prefix: prefix.prefixlen)
        return {"VnetLocal": LET, "None": HELD}.get(hops[longest], EITHER)

    def governed(self, network: str) -> list[tuple[Any, bool]]:
        """The security admin rules of a network, as they come: the higher manager's first, then by priority."""
        if network not in self.admin:
            self.admin[network] = self._governed(network)
        return self.admin[network]

    def _governed(self, network: str) -> list[tuple[Any, bool]]:
        row = self.bodies.get(f"{network}/providers/microsoft.network/effectivesecurityadminrules/default")
        stated = member(row, "properties")
        ids = [tidy(member(each, "id")) for each in member(stated, "effectiveSecurityAdminConfigurations") or ()]
        ids.sort(key=lambda each: self._height(each.split("/securityadminconfigurations/")[0]))
        chosen = "all"
        if ids and self._has_intents(network):
            services = member(self.bodies[ids[0]]["properties"], "applyOnNetworkIntentPolicyBasedServices")
            chosen = (services or ["None"])[0].lower()
        result: list[tuple[Any, bool]] = []
        for id in ids:
            own = [rule for rule in self._deployed(id) if self._applies(rule, network)]
            own.sort(key=lambda rule: int(member(self.bodies[rule]["properties"], "priority")))
            for rule in own:
                denies = str(member(self.bodies[rule]["properties"], "access")).lower() == "deny"
                if chosen == "all" or (chosen == "allowrulesonly" and not denies):
                    result.append((self.bodies[rule], member(stated, "provisioningState") != "Failed"))
        return result

    def _height(self, manager: str) -> int:
        scopes = self.bodies[manager]["properties"]["networkManagerScopes"]
        return next(number for number, each in enumerate(SCOPES) if each == scopes)

    def _has_intents(self, network: str) -> bool:
        names = [
            str(each["properties"]["serviceName"]).lower()
            for subnet in member(self.bodies[network]["properties"], "subnets")
            for each in subnet["properties"].get("delegations", ())
        ]
        return "microsoft.sql/managedinstances" in names or "microsoft.databricks/workspaces" in names

    def _deployed(self, configuration: str) -> list[str]:
        for id, body in self.bodies.items():
            if "/securityadminregionalgoalstates/" in id:
                stated = body["properties"]
                if configuration in [tidy(each["id"]) for each in stated["securityAdminConfigurations"]]:
                    return [tidy(each["id"]) for each in stated["securityAdminRules"]]
        return []

    def _applies(self, rule: str, network: str) -> bool:
        collection = rule.split("/rules/")[0]
        named = self.bodies[f"{collection}/snapshots/3"]["properties"]["appliesToGroups"]
        groups = [tidy(each["networkGroupId"]) for each in named]
        return any(
            id.split("/members/")[0] in groups and tidy(body["properties"]["memberId"]) == network
            for id, body in self.bodies.items()
            if "/members/" in id
        )

    def groups(
        self, packet: Packet, subnet: Any, nic: Any, address: str | None, members: set[str], leaves: bool
    ) -> Verdicts:
        """What the groups of subnet and interface say together."""
        names = (member(subnet["properties"], "networkSecurityGroup"), nic.get("networkSecurityGroup"))
        stated = [
            through_group(packet, self.bodies[tidy(name["id"])], address, members, leaves)
            for name in names
            if name is not None
        ]
        if not stated:
            return HELD if packet.entry == "standard" else LET
        if any(verdict == HELD for verdict in stated):
            return HELD
        return LET if all(verdict == LET for verdict in stated) else EITHER

    def through_nat(self, packet: Packet, rule: Any) -> Verdicts:
        """The same for a packet to a NAT rule's port outside: the back-end port is the one that groups see."""
        properties = member(rule, "properties")
        if packet.protocol != str(member(properties, "protocol")).lower():
            return HELD
        if packet.port != member(properties, "frontendPort"):
            return HELD
        target = tidy(member(member(properties, "backendIPConfiguration"), "id")).rsplit("/", 3)
        nic = next(n for n, each in enumerate(self.estate.nics) if tidy(each["id"]) == target[0] + "/" + target[1])
        names = [tidy(each["name"]) for each in self.estate.nics[nic]["properties"]["ipConfigurations"]]
        return self.ask(
            Packet(
                nic,
                names.index(target[3]),
                packet.entry,
                packet.protocol,
                member(properties, "backendPort"),
                packet.sender,
                packet.tags,
                packet.groups,
            )
        )

    def through_balancer(self, packet: Packet, six: bool, scaled: bool = False) -> Verdicts:
        """What a packet to the front of a family comes to at one member: any rule that leads there may deliver it.

        `scaled`: the member is the instance of a scale set, whose model names NAT pools.
        """
        public = self.estate.balanced[1 + six]
        entry = "basic" if public["sku"]["name"] == "Basic" else "standard"
        return any_of(self.behind(replace(packet, entry=entry), six, public["properties"]["ipAddress"], scaled))

    def through_global(self, packet: Packet, six: bool, scaled: bool = False) -> Verdicts:
        """The same for a packet to the load balancer over regions: its members are fronts of the other one."""
        balancer = self.estate.over[0]["properties"]
        public = self.estate.balanced[1 + six]["properties"]["ipAddress"]
        matches: set[Verdicts] = set()
        for rule in balancer["loadBalancingRules"]:
            stated = rule["properties"]
            port, front = port_behind(packet, stated), balancer["frontendIPConfigurations"][six]["id"]
            if port is None or stated["frontendIPConfiguration"]["id"] != front:
                continue
            # Which address is left where the first of two keeps it is not documented.
            bears = None if stated["enableFloatingIP"] else public
            matches |= self.behind(replace(packet, entry="standard", port=port), six, bears, scaled)
        return any_of(matches)

    def behind(self, packet: Packet, six: bool, bears: str | None, scaled: bool) -> set[Verdicts]:
        """The verdict of each rule that takes a packet at a front; `bears`: its address there, None if not known."""
        balancer = self.estate.balanced[0]["properties"]
        front = tidy(balancer["frontendIPConfigurations"][six]["id"])
        result: set[Verdicts] = set()
        for kind in ("loadBalancingRules", "inboundNatRules", "inboundNatPools"):
            for rule in balancer[kind]:
                stated = rule["properties"]
                port = port_behind(packet, stated)
                if port is None or tidy(stated["frontendIPConfiguration"]["id"]) != front:
                    continue
                if not self.leads(packet, rule, kind, scaled):
                    continue
                kept = bears if stated["enableFloatingIP"] or bears is None else ""
                result.add(self.ask(replace(packet, port=port), kept))
        return result

    def through_wall(self, packet: Packet, number: int) -> Verdicts:
        """What a packet to the address of a firewall comes to at an interface: any DNAT rule may deliver it there."""
        policy = tidy(f"{ROOT}/firewallPolicies/{('one', 'two')[number]}")
        rules = self.bodies[f"{policy}/rulecollectiongroups/g"]["properties"]["ruleCollections"][0]["rules"]
        return any_of({self._translated(packet, rule, number) for rule in rules} | {HELD})

    def _translated(self, packet: Packet, rule: Any, number: int) -> Verdicts:
        taken = (
            WALLS[number] in rule["destinationAddresses"]
            and packet.protocol.upper() in rule["ipProtocols"]
            and str(packet.port) in rule["destinationPorts"]
            and any(from_source(packet, each) for each in rule["sourceAddresses"])
        )
        configuration = self.estate.nics[packet.nic]["properties"]["ipConfigurations"][packet.configuration]
        address, subnet = (configuration["properties"][name] for name in ("privateIPAddress", "subnet"))
        if not taken or address not in (None, rule["translatedAddress"]):
            return HELD
        connected = self._connected(tidy(subnet["id"]), number)
        inside = replace(packet, entry="inside", port=int(rule["translatedPort"]), tags=(), groups=())
        matches: set[bool] = set()
        for leads in connected:
            for sender in self._shown(number) if leads else ():
                matches |= self.ask(replace(inside, sender=sender))
            matches |= HELD if not leads else set()
        return frozenset(matches | ({False} if address is None else set()))

    def _shown(self, number: int) -> tuple[str, ...]:
        """The addresses of which a firewall shows one to what is behind it; a few that stand for all."""
        prefix = member(self.bodies[tidy(f"{ROOT}/virtualHubs/whub")]["properties"], "addressPrefix")
        return standing_for(prefix or "0.0.0.0/0") if number == 1 else ("10.200.0.4",)

    def _connected(self, subnet: str, number: int) -> Verdicts:
        """Whether a firewall's network leads to a subnet."""
        network, _ = self.subnets[subnet]
        there = self.bodies[network]["properties"]["virtualNetworkPeerings"]
        if number == 1:
            return LET if any(MANAGED in each["properties"]["remoteVirtualNetwork"]["id"] for each in there) else HELD
        hub = tidy(f"{ROOT}/virtualNetworks/hub")
        sides = [
            (each["properties"], one == hub)
            for one, other in ((hub, network), (network, hub))
            for each in self.bodies[one]["properties"]["virtualNetworkPeerings"]
            if tidy(each["properties"]["remoteVirtualNetwork"]["id"]) == other
        ]
        if not sides or any(stated["peeringState"] != "Connected" for stated, _ in sides):
            return HELD
        for stated, of_hub in sides:
            if stated.get("peerCompleteVnets") is False:
                local, remote = (
                    [each.lower() for each in stated[name]] for name in ("localSubnetNames", "remoteSubnetNames")
                )
                wall, inner = (local, remote) if of_hub else (remote, local)
                if "azurefirewallsubnet" not in wall or subnet.rsplit("/", 1)[-1] not in inner:
                    return HELD
        closed = [stated.get("allowVirtualNetworkAccess") is False for stated, _ in sides]
        return HELD if all(closed) else EITHER if any(closed) else LET

    def leads(self, packet: Packet, rule: Any, kind: str, scaled: bool) -> bool:
        if kind == "inboundNatPools":
            model = self.estate.models[packet.nic]["properties"]["ipConfigurations"][packet.configuration]
            named = {tidy(each["id"]) for each in model["properties"]["loadBalancerInboundNatPools"]}
            return scaled and tidy(f"{self.estate.balanced[0]['id']}/inboundNatPools/{rule['name']}") in named
        stated = rule["properties"]
        return self.is_member(
            packet, tidy((stated.get("backendAddressPool") or stated["backendAddressPools"][0])["id"])
        )

    def is_member(self, packet: Packet, pool: str) -> bool:
        """Whether the pool names the IP configuration, or the IP configuration names the pool."""
        nic = self.estate.nics[packet.nic]
        configuration = nic["properties"]["ipConfigurations"][packet.configuration]
        mine = tidy(f"{nic['id']}/ipConfigurations/{configuration['name']}")
        named = {tidy(each["id"]) for each in configuration["properties"].get("loadBalancerBackendAddressPools", ())}
        pools = self.estate.balanced[0]["properties"]["backendAddressPools"]
        body = next(each for each in pools if tidy(each["id"]) == pool)
        members = {tidy(each["id"]) for each in body["properties"].get("backendIPConfigurations", ())}
        return pool in named or mine in members


def first(packets: int, seed: int = 1) -> str | None:
    """The first disagreement within that many packets, None where there is none."""
    from tests.reach.compare import compare

    for number in range(seed, seed + packets // 100):
        for line in compare(Maker(number, number % 3 == 0), 100):
            return f"seed {number}: {line}"
    return None


def main(packets: int = 100_000, seed: int = 1) -> int:
    from tests.reach.compare import compare

    each, started, wrong, done = 200, time.perf_counter(), 0, 0
    last = seed
    while done < packets:
        doubtful = last % 3 == 0
        for line in compare(Maker(last, doubtful), each):
            wrong += 1
            print(f"seed {last}{' doubtful' if doubtful else ''}: {line}")
        done += each
        last += 1
    took = time.perf_counter() - started
    print(f"{done:,} packets over {last - seed} estates, seeds {seed} to {last - 1}, every third doubtful")
    print(f"{wrong} disagreements; {took:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*(int(each.replace(",", "")) for each in sys.argv[1:])))
