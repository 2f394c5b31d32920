"""Service Fabric: classic clusters, whose ports are those of their scale sets, and managed clusters with ports of their own."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from scanner.model.addresses import NO_ADDRESSES, AddressSet
from scanner.model.bulk_reads import GraphRows
from scanner.model.exposure import SHARED, Auth, Exposure, Lock, Reach, closed, grant, possible
from scanner.model.fix import Fix
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same, text_at, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoPort, NoRule, ResourceType
from scanner.model.unread import malformed
from scanner.model.verdict import (
    ABSENT,
    Evidence,
    Fail,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    not_a_list,
    not_returned,
    unknown_value,
)

from .common import host
from .port_rules import EVERYWHERE, PortRule, listed, port_lock
from .reasons import DATA_INSIDE, DISKS_ARE_RESOURCES, LOCK_STOPS_SCALING, LOG_INSIDE

_ON_SCALE_SETS = NoRule(
    copy=DISKS_ARE_RESOURCES,
    key="the disks are those of the scale sets, which are evaluated",
    log=LOG_INSIDE,
    lock=LOCK_STOPS_SCALING,
    backup=DATA_INSIDE,
)
CLUSTER = ResourceType(
    "Microsoft.ServiceFabric/clusters",
    api="2021-06-01",
    product=Message("Service Fabric cluster"),
    unread={
        "applications": "Their ports are ports of the scale sets, which are evaluated.",
    },
    no_rule=replace(_ON_SCALE_SETS, zone="not evaluated: multipleAvailabilityZones of its node types"),
)
MANAGED = ResourceType(
    "Microsoft.ServiceFabric/managedClusters",
    api="2026-02-01",
    product=Message("Service Fabric cluster (managed)"),
    no_rule=_ON_SCALE_SETS,
)
NODE_TYPES = MANAGED.child(
    "nodeTypes", graph=GraphRows("servicefabricresources", holds=("properties.enableNodePublicIP",))
)

# Classic clusters

CERTIFICATE = "properties.certificate.thumbprint"
COMMON_NAMES = "properties.certificateCommonNames.commonNames"
ENTRA = "properties.azureActiveDirectory.tenantId"
MANAGEMENT = "properties.managementEndpoint"


def unsecured(cluster: Resource, index: Index) -> Verdict:
    """Fail where a cluster has no certificate: then its management endpoint asks for nothing.

    service-fabric/service-fabric-cluster-security: without a certificate a cluster is unsecured, and anyone can connect.
    """
    address = cluster.require(MANAGEMENT)
    if not isinstance(address, str):
        raise malformed(MANAGEMENT)
    scheme = address.partition("://")[0].lower()
    seen = Evidence(MANAGEMENT, f"{scheme}://", "https://")
    names = cluster.objects(COMMON_NAMES)
    if cluster.has(CERTIFICATE) and not isinstance(cluster.get(CERTIFICATE), str):
        raise malformed(CERTIFICATE)
    if any(not text_at(each, "certificateCommonName") for each in names):
        raise malformed(f"{COMMON_NAMES}[].certificateCommonName")
    by_thumbprint = bool(text_at(cluster.body, CERTIFICATE))
    if (by_thumbprint or names) and scheme == "http":
        raise Unread(MANAGEMENT, Message("it has no TLS, although the cluster has a certificate"))
    if by_thumbprint or names:
        return Pass((Evidence(CERTIFICATE if by_thumbprint else COMMON_NAMES, "set"), seen))
    if cluster.api_version_unknown:
        raise absent_at_unknown_version(CERTIFICATE)
    if scheme not in ("http", "https"):
        raise Unread(MANAGEMENT, Message("it is no address of HTTP or HTTPS"))
    return Fail((cluster.evidence(CERTIFICATE, Message("a certificate")), seen))


SETTINGS = "properties.fabricSettings"


def unprotected(cluster: Resource, index: Index) -> Verdict:
    """Fail where messages between nodes are not encrypted and signed: Azure Policy 617c02be."""
    if is_absent(cluster.get(SETTINGS)) and cluster.why_absent_is_unknown:
        raise Unread(SETTINGS, cluster.why_absent_is_unknown)
    path = f"{SETTINGS}[Security].ClusterProtectionLevel"
    for section in cluster.items(SETTINGS):
        if not same(get_path(section, "name"), "Security"):
            continue
        parameters = get_path(section, "parameters")
        if not isinstance(parameters, list):
            raise not_a_list(f"{SETTINGS}[Security].parameters")
        value = next((get_path(each, "value") for each in parameters if _names(each)), None)
        if value is not None:
            seen = Evidence(path, value, "EncryptAndSign")
            if same(value, "EncryptAndSign"):
                return Pass((seen,))
            if any(same(value, each) for each in ("None", "Sign")):
                return Fail((seen,))
            raise unknown_value(path, value)
    return Fail((Evidence(path, ABSENT, "EncryptAndSign"),))


def _names(parameter: Any) -> bool:
    return same(get_path(parameter, "name"), "ClusterProtectionLevel")


# Managed clusters

RULES = "properties.networkSecurityRules"
CLIENTS = "properties.clients"
RDP = "properties.allowRdpAccess"
PORTS = {
    "client": ("properties.clientConnectionPort", 19000, Message("The client endpoint of the cluster")),
    "http": ("properties.httpGatewayConnectionPort", 19080, Message("The HTTP gateway of the cluster")),
}
SERVICE_SIGN_IN = Message(
    "no setting changes how users sign in to a node, so a port that chosen networks alone reach counts as closed"
)
NO_RDP = Message("RDP is not forwarded to the nodes")


def sign_in(cluster: Resource) -> Lock:
    """Return the authentication lock: client certificates, or Microsoft Entra ID alone where none is named."""
    value = cluster.get(CLIENTS)
    seen = Evidence(
        CLIENTS,
        ABSENT
        if is_absent(value)
        else Message("{value} certificates", value=len(value))
        if isinstance(value, list)
        else value,
        "none",
    )
    if not is_absent(value) and not isinstance(value, list):
        return possible(Auth.shared, not_a_list(CLIENTS), seen)
    if is_absent(value) and cluster.why_absent_is_unknown:
        return possible(Auth.shared, Unread(CLIENTS, cluster.why_absent_is_unknown), seen)
    if value:
        return grant(Auth.shared, seen, description=Message("accepts the client certificates that it names"))
    tenant = cluster.get(ENTRA)
    if not tenant or not isinstance(tenant, str):
        return possible(
            Auth.shared, Unread(CLIENTS, Message("Azure returned neither certificates nor Microsoft Entra ID")), seen
        )
    return grant(Auth.identity, seen, cluster.evidence(ENTRA))


def reach_of(cluster: Resource, index: Index, port: int, *, replaced: bool = True) -> Lock:
    """Return the network lock of a port: the cluster's own rules, then the one that Azure adds, which allows all.

    service-fabric/how-to-managed-cluster-networking: for its gateway ports (`replaced`) Azure adds none where a rule of
    the cluster has the same access, direction and protocol for the same port. It always adds the one for RDP.
    """
    value = cluster.get(RULES)
    if not is_absent(value) and not isinstance(value, list):
        return possible(Reach.internet, not_a_list(RULES))
    if is_absent(value) and cluster.why_absent_is_unknown:
        return possible(Reach.internet, Unread(RULES, cluster.why_absent_is_unknown))
    try:
        rules, rest = _rules_of(value or (), port)
        rest = rest if replaced else EVERYWHERE
    except Unread as missing:
        return possible(Reach.internet, missing)
    return port_lock(rules, RULES, index, rest=rest, name=Message("Network security rules"))


def _rules_of(entries: Iterable[Any], port: int) -> tuple[list[PortRule], AddressSet]:
    """Return the rules that decide about a port, and the addresses that Azure allows beside them. Raises Unread."""
    rules: list[PortRule] = []
    rest = EVERYWHERE
    for each in entries:
        if not is_absent(direction := value_at(each, "direction")) and not isinstance(direction, str):
            raise malformed(f"{RULES}[].direction")
        if not same(direction, "inbound") or not _is_tcp(each):
            continue
        named = listed(each, "destinationPortRange", "destinationPortRanges")
        if not all(isinstance(one, str | int) and not isinstance(one, bool) for one in named):
            raise malformed(f"{RULES}[].destinationPortRange")
        ports = [str(one) for one in named]
        if not any(_covers(one, port) for one in ports):
            continue
        if same(get_path(each, "access"), "deny") and not any(_is_known(one) and _covers(one, port) for one in ports):
            raise Unread(f"{RULES}[].destinationPortRange", Message("a rule denies a port that is not known"))
        if same(get_path(each, "access"), "deny") and not _is_for_all_nodes(each):
            raise Unread(f"{RULES}[].destinationAddressPrefix", Message("a rule denies some destinations alone"))
        sources = listed(each, "sourceAddressPrefix", "sourceAddressPrefixes")
        rules.append(PortRule(get_path(each, "priority"), get_path(each, "access"), sources, _source_ports(each)))
        if same(get_path(each, "access"), "allow") and same(get_path(each, "protocol"), "tcp") and str(port) in ports:
            rest = NO_ADDRESSES
    return rules, rest


def _is_for_all_nodes(rule: Any) -> bool:
    named = listed(rule, "destinationAddressPrefix", "destinationAddressPrefixes")
    return not named or any(same(each, one) for each in named for one in ("*", "any", "virtualnetwork", "0.0.0.0/0"))


def _is_tcp(rule: Any) -> bool:
    """Return whether a rule decides about TCP: one that denies by its name alone, one that allows unless it names another."""
    protocol = get_path(rule, "protocol")
    if same(get_path(rule, "access"), "deny"):
        return any(same(protocol, each) for each in ("tcp", "*", "any"))
    return not any(same(protocol, each) for each in ("udp", "icmp", "ah", "esp"))


def _source_ports(rule: Any) -> Any:
    ports = listed(rule, "sourcePortRange", "sourcePortRanges")
    return ports or ["*"]


def _covers(text: str, port: int) -> bool:
    """Return whether a port or range includes a port. One that is not known does, because it may."""
    if text == "*" or not _is_known(text):
        return True
    first, _, last = text.partition("-")
    return int(first) <= port <= int(last or first)


def _is_known(text: str) -> bool:
    """Return whether a text is a port, a range, or every port."""
    first, _, last = text.partition("-")
    return text == "*" or (first.isdecimal() and (last or first).isdecimal())


NO_RULE = {
    "anonymous-access": "a managed cluster always has a certificate, and asks its clients for one or for a token"
}


@MANAGED.endpoints(
    Endpoint("client", "admin", ports=NoPort(Message("the port of the cluster is not known")), no_rule=NO_RULE),
    Endpoint("http", "admin", ports=NoPort(Message("the port of the cluster is not known")), no_rule=NO_RULE),
    Endpoint(
        "rdp",
        "admin",
        ports=NoPort(Message("each node has its own port in front of RDP")),
        no_rule={
            "anonymous-access": "a managed cluster always has a certificate, and asks its clients for one or for a token",
            "authentication": "the nodes have a local administrator with a password, which no setting refuses",
        },
    ),
)
def endpoints(cluster: Resource, index: Index) -> Iterator[Exposure]:
    address = host(cluster, "properties.fqdn")
    for name, (path, usual, title) in PORTS.items():
        value = cluster.get(path)
        if is_absent(value):
            reach = reach_of(cluster, index, usual)
        elif isinstance(value, int) and not isinstance(value, bool):
            reach = reach_of(cluster, index, value)
        else:
            reach = possible(Reach.internet, unknown_value(path, value), cluster.evidence(path))
        yield Exposure(
            name,
            "admin",
            reach,
            sign_in(cluster),
            display_name=title,
            address=address,
            fixes={"authentication": Fix(steps=(TO_ENTRA,))} if not cluster.has(ENTRA) else {},
            ports=_ports(usual if is_absent(value) else value),
        )
    yield _rdp(cluster, index, address)


def _ports(value: object) -> tuple[str, ...]:
    return (f"tcp/{value}",) if isinstance(value, int) and not isinstance(value, bool) else ()


TO_ENTRA = Message(
    "Connect the cluster to Microsoft Entra ID first (service-fabric/service-fabric-cluster-creation-setup-aad), then delete its client certificates"
)


def _rdp(cluster: Resource, index: Index, address: str) -> Exposure:
    """Return the endpoint RDP of the nodes. Absent is off: azure-rest-api-specs, allowRdpAccess is false by default."""
    value, title = cluster.get(RDP), Message("RDP of the nodes")
    if same(value, True):
        reach = reach_of(cluster, index, 3389, replaced=False)
    elif same(value, False) or (is_absent(value) and not cluster.why_absent_is_unknown):
        return closed("rdp", "admin", NO_RDP, cluster.evidence(RDP), display_name=title)
    else:
        missing = not_returned(RDP) if is_absent(value) else unknown_value(RDP, value)
        reach = possible(Reach.internet, missing, cluster.evidence(RDP, False))
    return Exposure(
        "rdp",
        "admin",
        reach,
        SHARED,
        display_name=title,
        address=address,
        counts_as_closed_up_to=Reach.selected,
        justification=SERVICE_SIGN_IN,
    )
