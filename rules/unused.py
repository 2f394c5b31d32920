"""Resources that cost money and serve nothing: load balancers and gateways without a back end, disks, NAT gateways."""

from scanner.model.index import Index
from scanner.model.json_paths import is_absent, known_objects, known_text, member, same, spelled, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, malformed, unknown_value

from . import network
from .common import rows
from .reasons import FROM_TEMPLATE, METRICS_ONLY, NETWORK_KEEPS_NO_DATA, ZONES_NOT_READ

NAT = ResourceType(
    "Microsoft.Network/natGateways",
    api="2025-09-01",
    no_rule=NoRule(data=NETWORK_KEEPS_NO_DATA, log=METRICS_ONLY, loss=FROM_TEMPLATE, zone=ZONES_NOT_READ),
)
POOLS = "properties.backendAddressPools"


def _members(pool: object, *paths: str) -> bool:
    """Return whether one of the lists of a back-end pool has a member. Raise Unread where one is no list."""
    return any(bool(known_objects(pool, path)) for path in paths)


def empty_balancer(balancer: Resource, index: Index) -> Verdict:
    """Fail where a load balancer that is billed sends its traffic nowhere."""
    sku = balancer.require("sku.name")
    if same(sku, "Basic"):
        return NotApplicable(Message("a Basic load balancer costs nothing"))
    if not isinstance(sku, str):
        raise malformed("sku.name")
    lists = ("properties.backendIPConfigurations", "properties.loadBalancerBackendAddresses")
    pools = rows(balancer, POOLS)
    filled = [spelled(member(each, "name")) for each in pools if _members(each, *lists)]
    rules = [
        each
        for each in balancer.items("properties.inboundNatRules")
        if known_text(each, "properties.backendIPConfiguration.id")
    ]
    if filled or rules:
        return Pass((Evidence(f"{POOLS}[].name", filled or ["inboundNatRules"]),))
    # The addresses of a pool that is made of addresses stand in the pool itself: azure-mgmt-network BackendAddressPool.
    if any(value_at(each, "properties.virtualNetwork.id") for each in pools):
        raise Unread(f"{POOLS}[].properties.loadBalancerBackendAddresses", Message("Azure did not return them"))
    return Fail((Evidence(f"{POOLS}[].name", [], Message("one with members")),))


def empty_gateway(gateway: Resource, index: Index) -> Verdict:
    """Fail where an application gateway has no back end, and redirects nothing either."""
    lists = ("properties.backendAddresses", "properties.backendIPConfigurations")
    filled = [spelled(member(each, "name")) for each in rows(gateway, POOLS) if _members(each, *lists)]
    redirects = [] if filled else redirected(gateway)
    if filled or redirects:
        return Pass((Evidence(f"{POOLS}[].name", filled or redirects),))
    return Fail((Evidence(f"{POOLS}[].name", [], Message("one with members")),))


def redirected(gateway: Resource) -> list[str]:
    """Return the redirects of an application gateway that a rule, or a path of one, leads to."""
    if not gateway.objects("properties.redirectConfigurations"):
        return []
    maps = gateway.objects(network.MAPS)
    matches = [network.reference(each, "redirectConfiguration") for each in rows(gateway, network.ROUTING)]
    matches += [network.reference(each, "defaultRedirectConfiguration") for each in maps]
    for each in maps:
        paths = known_objects(each, "properties.pathRules")
        matches += [network.reference(one, "redirectConfiguration") for one in paths]
    return [each for each in matches if each]


def unused_nat(gateway: Resource, index: Index) -> Verdict:
    """Fail where no subnet uses a NAT gateway."""
    source = "properties.sourceVirtualNetwork.id"
    subnets, network = gateway.objects("properties.subnets"), gateway.get(source)
    if not isinstance(gateway.require("properties.provisioningState"), str):
        raise malformed("properties.provisioningState")
    if not is_absent(network) and not isinstance(network, str):
        raise malformed(source)
    if subnets or network:
        return Pass((Evidence("properties.subnets", [spelled(member(each, "id")) for each in subnets]),))
    if gateway.api_version_unknown:
        raise Unread("properties.subnets", gateway.why_absent_is_unknown)
    return Fail((gateway.evidence("properties.subnets", Message("one or more")),))


def unattached_disk(disk: Resource, index: Index) -> Verdict:
    """Fail where no machine uses a disk."""
    path = "properties.diskState"
    state, seen = disk.require(path), disk.evidence("properties.diskState", "Attached")
    if same(state, "Unattached"):
        return Fail((seen,))
    # azure-mgmt-compute DiskState: Reserved is attached to a machine that is stopped, Frozen to one that hibernates.
    if any(same(state, each) for each in ("Attached", "Reserved", "Frozen", "ActiveSASFrozen")):
        return Pass((seen,))
    if any(same(state, each) for each in ("ReadyToUpload", "ActiveUpload")):
        return NotApplicable(Message("the disk is being uploaded"))
    if same(state, "ActiveSAS"):
        return _exported(disk, seen)
    raise unknown_value(path, state)


def _exported(disk: Resource, seen: Evidence) -> Verdict:
    """Return the verdict on a disk that is exported: its state does not say whether a machine has it."""
    if isinstance(disk.get("managedBy"), str):
        return Pass((seen, disk.evidence("managedBy")))
    if disk.items("managedByExtended"):
        return Pass((seen, disk.evidence("managedByExtended")))
    if disk.api_version_unknown:
        raise Unread("managedBy", disk.why_absent_is_unknown)
    return Fail((seen, disk.evidence("managedBy", Message("a machine"))))
