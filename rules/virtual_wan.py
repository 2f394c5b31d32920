"""Virtual WAN: VPN gateways of hubs for people and for sites, who may sign in, and how tunnels are encrypted."""

from collections.abc import Iterator
from typing import Any

from scanner.model.exposure import Auth, Exposure, Hop, Lock, Reach, grant, possible, replace
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, known_objects, same, spelled, value_at
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoRule, ResourceType
from scanner.model.severity import Severity
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_a_list,
    not_returned,
    unknown,
    unknown_value,
)
from scanner.reach.rules.sources import source_hop

from .common import find, rows
from .reasons import FROM_TEMPLATE, NETWORK_KEEPS_NO_DATA, ONLY_TRAFFIC

API = "2025-09-01"
WAN = ResourceType(
    "Microsoft.Network/virtualWans",
    api=API,
    product=Message("Virtual WAN"),
    unread={
        "allowBranchToBranchTraffic": "A design, and true by default.",
    },
    no_rule=ONLY_TRAFFIC,
)
CONFIGURATION = ResourceType(
    "Microsoft.Network/vpnServerConfigurations",
    api=API,
    product=Message("VPN server configuration"),
    no_rule=ONLY_TRAFFIC,
)
USERS = ResourceType(
    "Microsoft.Network/p2svpnGateways",
    api=API,
    product=Message("VPN of a virtual hub (people)"),
    no_rule=NoRule(data=NETWORK_KEEPS_NO_DATA, loss=FROM_TEMPLATE),
)
SITES = ResourceType(
    "Microsoft.Network/vpnGateways",
    api=API,
    product=Message("VPN of a virtual hub (sites)"),
    no_rule=NoRule(data=NETWORK_KEEPS_NO_DATA, log="no category says who signed in", loss=FROM_TEMPLATE),
)

# Point-to-site: gateways for people

TYPES = "properties.vpnAuthenticationTypes"
NAMED = "properties.vpnServerConfiguration.id"
REASONS = {"certificate": Message("accepts client certificates"), "radius": Message("accepts RADIUS passwords")}
FOR_THE_INTERNET = Message(
    "a VPN gateway is there for people on the internet, and everyone signs in with Microsoft Entra ID"
)
A_NETWORK = Message("a sign-in gives access to networks, whose endpoints are rated by themselves")


def sign_in(gateway: Resource, index: Index) -> Lock:
    """Return the authentication lock, which the VPN server configuration of a gateway sets."""
    id = gateway.get(NAMED)
    if not isinstance(id, str) or not id:
        missing = not_returned(NAMED) if is_absent(id) else unknown_value(NAMED, id)
        return possible(Auth.shared, missing, gateway.evidence(NAMED))
    try:
        configuration = find(index, id, CONFIGURATION.type)
    except Unread as missing:
        return possible(Auth.shared, missing, gateway.evidence(NAMED))
    return methods(configuration)


def methods(configuration: Resource) -> Lock:
    """Return the authentication lock of a VPN server configuration. Any of its methods opens the gateway."""
    path = f"vpnServerConfiguration {TYPES}"
    value = configuration.get(TYPES)
    if not isinstance(value, list) or not value:
        missing = not_returned(path) if is_absent(value) or value == [] else not_a_list(path)
        return possible(Auth.shared, missing, Evidence(path, None, ["AAD"]))
    seen, lock = Evidence(path, value, ["AAD"]), Lock()
    for each in value:
        words = REASONS.get(each.lower(), NOTHING) if isinstance(each, str) else NOTHING
        if same(each, "AAD"):
            lock |= grant(Auth.identity, seen)
        elif words:
            lock |= grant(Auth.shared, seen, description=words)
        else:
            lock |= possible(Auth.shared, unknown_value(path, each), seen)
    return lock


# virtual-wan/point-to-site-concepts: clients reach the gateway at addresses of Azure, which ARM does not return.
@USERS.endpoints(
    Endpoint(
        "vpn",
        "admin",
        ports=("tcp/443", "udp/500", "udp/4500"),
        no_rule={
            "anonymous-access": "every client signs in with a certificate, RADIUS or Microsoft Entra ID",
            "network": "it is there for people on the internet",
        },
    ),
)
def endpoints(gateway: Resource, index: Index) -> Iterator[Exposure]:
    lock = sign_in(gateway, index)
    reach = grant(Reach.internet, Evidence("network", Message("no setting of the gateway limits it")))
    reach = replace(
        reach, hops=(source_hop(reach), Hop("switch", Message("VPN gateway"), Message("public by purpose")))
    )
    made = Exposure("vpn", "admin", reach, lock, display_name=Message("The VPN for people"))
    if lock.possible_grants or not lock.grants or lock.widest is None or lock.widest.level != Auth.identity:
        yield replace(made, max_severity=Severity.medium, justification=A_NETWORK)
    else:
        yield replace(made, counts_as_closed_up_to=Reach.internet, justification=FOR_THE_INTERNET)


# How tunnels are encrypted

WEAK = {
    "ipsecEncryption": ("None", "DES", "DES3"),
    "ipsecIntegrity": ("MD5", "SHA1"),
    "ikeEncryption": ("DES", "DES3"),
    "ikeIntegrity": ("MD5", "SHA1"),
    "dhGroup": ("None", "DHGroup1", "DHGroup2"),
    "pfsGroup": ("PFS1", "PFS2"),
}
"""Algorithms of an IPsec policy that are broken or too short (vpn-gateway/vpn-gateway-about-compliance-crypto)."""
STRONG = {
    "ipsecEncryption": ("AES128", "AES192", "AES256", "GCMAES128", "GCMAES192", "GCMAES256"),
    "ipsecIntegrity": ("SHA256", "GCMAES128", "GCMAES192", "GCMAES256"),
    "ikeEncryption": ("AES128", "AES192", "AES256", "GCMAES128", "GCMAES256"),
    "ikeIntegrity": ("SHA256", "SHA384", "GCMAES128", "GCMAES256"),
    "dhGroup": ("DHGroup14", "DHGroup2048", "DHGroup24", "ECP256", "ECP384"),
    "pfsGroup": ("None", "PFS2048", "PFS14", "PFS24", "PFSMM", "ECP256", "ECP384"),
}
DEFAULTS = Message("no IPsec policy is set: Azure's default proposals apply")
CLIENT_POLICIES = "properties.vpnClientIpsecPolicies"
GATEWAY_POLICIES = "properties.vpnClientConfiguration.vpnClientIpsecPolicies"


def weak_client_policy(resource: Resource, index: Index, *, path: str) -> Verdict:
    """Return the verdict on the IPsec policies that VPN clients use."""
    if is_absent(resource.get(path)) and not resource.why_absent_is_unknown:
        return NotApplicable(DEFAULTS)
    return _of_policies(path, rows(resource, path))


def weak_site_policy(gateway: Resource, index: Index) -> Verdict:
    """Return the verdict on the IPsec policies of the connections to sites. Pre-shared keys are not read."""
    policies: list[Any] = []
    for each in _links(gateway):
        value = value_at(each, "properties.ipsecPolicies")
        if not is_absent(value) and not isinstance(value, list):
            raise not_a_list(f"{CONNECTIONS}[].properties.ipsecPolicies")
        policies += value if isinstance(value, list) else []
    return _of_policies(f"{CONNECTIONS}[].properties.ipsecPolicies", policies)


def _of_policies(path: str, policies: list[Any]) -> Verdict:
    if not policies:
        return NotApplicable(DEFAULTS)
    weak: dict[str, None] = {}
    strange: list[Unread] = []
    for policy in policies:
        for name, bad in WEAK.items():
            value = value_at(policy, name)
            if any(same(value, each) for each in bad):
                weak[f"{name} {value}"] = None
            elif not any(same(value, each) for each in STRONG[name]):
                missing = not_returned if is_absent(value) else unknown_value
                strange.append(missing(f"{path}[].{name}"))
    if weak:
        return Fail((Evidence(path, list(weak), Message("AES, SHA-2, and groups of at least 2048 bits")),))
    if strange:
        return unknown(*strange)
    return Pass((Evidence(path, [spelled(value_at(each, "ikeEncryption")) for each in policies]),))


CONNECTIONS = "properties.connections"
LINKS = "properties.vpnLinkConnections"


def _links(gateway: Resource) -> list[Any]:
    """Return the connections of a gateway and the links of each, which have settings of their own."""
    result: list[Any] = []
    for each in rows(gateway, CONNECTIONS):
        links = value_at(each, LINKS)
        if not is_absent(links) and not isinstance(links, list):
            raise not_a_list(f"{CONNECTIONS}[].{LINKS}")
        result += [each, *known_objects(each, LINKS)]
    return result


PROTOCOL = "properties.vpnConnectionProtocolType"


def old_protocol(gateway: Resource, index: Index) -> Verdict:
    """Fail where a connection to a site uses IKEv1. A connection with links leaves the protocol to them."""
    path = f"{CONNECTIONS}[].{LINKS}[].{PROTOCOL}"
    links = [link for each in rows(gateway, CONNECTIONS) for link in (known_objects(each, LINKS) or [each])]
    if not links:
        return NotApplicable(Message("it has no connection"))
    values = [value_at(each, PROTOCOL) for each in links]
    old = [spelled(value_at(each, "name")) for each, value in zip(links, values, strict=True) if same(value, "IKEv1")]
    if old:
        return Fail((Evidence(path, old, "IKEv2"),))
    strange = [each for each in values if not same(each, "IKEv2")]
    if strange:
        return unknown(not_returned(path) if is_absent(strange[0]) else unknown_value(path, strange[0]))
    return Pass((Evidence(path, values),))
