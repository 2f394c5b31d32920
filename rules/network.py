"""Networks, network security groups, public addresses, and the gateways and firewalls of services."""

from collections.abc import Iterator
from typing import Any

from scanner.model.bulk_reads import GraphRows
from scanner.model.checks import check_value
from scanner.model.fix import Cause, Edit, changed
from scanner.model.ids import name_of as id_name
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, known_objects, known_text, same, spelled, value_at
from scanner.model.message import Message, joined
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    malformed,
    not_listed,
    not_returned,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.networks.fabric import fabric_of, id_or_empty
from scanner.reach.networks.peerings import hubs_named, is_connected, is_hub_network
from scanner.reach.paths.open_ports import broad_allow_rules
from scanner.reach.paths.topology import groups_on_paths, topology
from scanner.reach.rules.owners import rated
from scanner.reach.rules.sources import cached, in_same_tenant

from . import apim
from .common import NOT_FORWARDING, rows
from .gateway_tls import main_tls, old_policies, profile_tls
from .reasons import (
    FROM_TEMPLATE,
    IS_GLOBAL,
    NETWORK_KEEPS_NO_DATA,
    NO_DATA_AT_REST,
    ONLY_TRAFFIC,
    ZONES_NOT_READ,
)

API = "2025-09-01"
GROUP = ResourceType(
    "Microsoft.Network/networkSecurityGroups", api=API, no_rule=NoRule(data=NETWORK_KEEPS_NO_DATA, loss=FROM_TEMPLATE)
)
VNET = ResourceType(
    "Microsoft.Network/virtualNetworks",
    api=API,
    no_rule=NoRule(data=NETWORK_KEEPS_NO_DATA, loss=FROM_TEMPLATE),
)
ADDRESS = ResourceType(
    "Microsoft.Network/publicIPAddresses",
    api=API,
    product=Message("Public IP address"),
    no_rule=NoRule(data=NETWORK_KEEPS_NO_DATA, loss=FROM_TEMPLATE, zone=ZONES_NOT_READ),
)
BALANCER = ResourceType(
    "Microsoft.Network/loadBalancers",
    api=API,
    no_rule=NoRule(
        data=NETWORK_KEEPS_NO_DATA,
        log="its log has events of its health, and no connections: network-no-flow-logs asks for those",
        loss=FROM_TEMPLATE,
        zone=ZONES_NOT_READ,
    ),
)
GATEWAY = ResourceType(
    "Microsoft.Network/applicationGateways",
    api=API,
    unread={
        "autoscaleConfiguration.maxCapacity": "10 instances where it is absent, and never more than 125.",
    },
    no_rule=NoRule(data=NETWORK_KEEPS_NO_DATA, loss=FROM_TEMPLATE, zone=ZONES_NOT_READ),
)
WAF = ResourceType(
    "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies",
    api=API,
    unread={
        "rate limits": "The right number depends on the site.",
    },
    no_rule=ONLY_TRAFFIC,
)
FRONT_WAF = ResourceType(
    "Microsoft.Network/FrontDoorWebApplicationFirewallPolicies",
    api="2024-02-01",
    no_rule=ONLY_TRAFFIC,
)
FIREWALL = ResourceType(
    "Microsoft.Network/azureFirewalls",
    api=API,
    no_rule=NoRule(data=NETWORK_KEEPS_NO_DATA, loss=FROM_TEMPLATE, zone=ZONES_NOT_READ),
)
POLICY = ResourceType(
    "Microsoft.Network/firewallPolicies",
    api=API,
    no_rule=ONLY_TRAFFIC,
)
BASTION = ResourceType(
    "Microsoft.Network/bastionHosts",
    api=API,
    no_rule=NoRule(data=NETWORK_KEEPS_NO_DATA, loss=FROM_TEMPLATE, zone=ZONES_NOT_READ),
)
VPN = ResourceType(
    "Microsoft.Network/virtualNetworkGateways",
    api=API,
    unread={
        "VPN protocols": "SSTP, OpenVPN and IKEv2 are all encrypted. Who signs in decides.",
        "connections of a gateway that is not used": "One more list for each gateway, and point-to-site needs none.",
    },
    no_rule=NoRule(data=NETWORK_KEEPS_NO_DATA, loss=FROM_TEMPLATE, zone="not evaluated: zones, which its SKU names"),
)
LINK = ResourceType(
    "Microsoft.Network/privateLinkServices",
    api=API,
    no_rule=ONLY_TRAFFIC,
)
FRONT = ResourceType(
    "Microsoft.Network/frontDoors",
    api="2025-10-01",
    keep=("properties.backendPools[].properties.backends[].privateEndpointStatus",),
    product=Message("Front Door (classic)"),
    no_rule=NoRule(region=IS_GLOBAL, key=NO_DATA_AT_REST, loss=FROM_TEMPLATE),
)
PROFILE = ResourceType(
    "Microsoft.Cdn/profiles",
    api="2025-12-01",
    product=Message("Front Door profile"),
    unread={
        "customDomains minimumTlsVersion": "Front Door and CDN serve no TLS below 1.2 since 1 March 2025.",
        "urlSigningKeys": "A feature of retired Verizon tiers.",
    },
    no_rule=NoRule(region=IS_GLOBAL, key=NO_DATA_AT_REST, loss=FROM_TEMPLATE),
)


def gone(resource: Resource, path: str) -> bool:
    """Return whether a path has no value. Raise Unread if the record may omit it."""
    if not is_absent(resource.get(path)):
        return False
    if resource.api_version_unknown:
        raise absent_at_unknown_version(path)
    return True


# Security groups

REPORTED_BEHIND = Message("the traffic that it allows is reported on the resources behind it")


def unused_internet_rule(nsg: Resource, index: Index) -> Verdict:
    rows(nsg, "properties.securityRules")
    nsg.objects("properties.securityRules")
    group = fabric_of(index).groups.get(nsg.key)
    if group is None:
        raise Unread("properties.securityRules", Message("they could not be parsed"))
    seen = broad_allow_rules(group, index)
    if not seen:
        return (
            Pass((nsg.evidence("properties.securityRules[].name"),)) if not group.missing else unknown(*group.missing)
        )
    if serves_platform(nsg, index) or nsg.key in groups_on_paths(topology(index)):
        return NotApplicable(REPORTED_BEHIND)
    gaps = [index.missing_in(each, nsg.id) for each in NETWORK_TYPES] + [index.missing.get(each) for each in FAR_TYPES]
    unseen = [each for each in gaps if each is not None]
    if not unseen and nsg.key in groups_on_paths(topology(index), certain=False):
        unseen.append(
            Unread(
                Message("the paths from outside"),
                Message("a load balancer or firewall on a network path could not be assessed"),
            )
        )
    if unseen or group.missing:
        return unknown(*unseen, *group.missing, evidence=seen)
    names = {each.path.lower() for each in seen}
    rules = rows(index.resources.get(nsg.key, nsg), "properties.securityRules")
    causes = tuple(
        Cause("", "properties.securityRules", each, text=f"{nsg.id}/securityRules/{name_of(each)}", position=position)
        for position, each in enumerate(rules)
        if name_of(each).lower() in names
    )
    return Fail(seen, causes=causes)


# A group applies to subnets and interfaces of its own subscription, whose addresses are in it too.
NETWORK_TYPES = tuple(
    f"Microsoft.Network/{each}" for each in ("virtualNetworks", "networkInterfaces", "publicIPAddresses")
)
# These also send traffic into networks of other subscriptions.
FAR_TYPES = tuple(f"microsoft.network/{each}" for each in ("loadbalancers", "azurefirewalls", "applicationgateways"))


def serves_platform(nsg: Resource, index: Index) -> bool:
    """Return whether the group applies to scale sets, gateways or platform services, which have addresses of their own."""
    if any(
        "/virtualmachinescalesets/" in spelled(value_at(each, "id")).lower()
        for each in nsg.items("properties.networkInterfaces")
    ):
        return True
    group_subnets = cached(index, "subnets of groups", subnets_of_groups).get(nsg.key, ())
    platform = cached(index, "platform subnets", platform_subnets)
    if any((key in platform and platform[key] is None) or key.endswith("/azurebastionsubnet") for key in group_subnets):
        return True
    for key in group_subnets:
        missing = platform.get(key)
        if missing is not None:
            raise missing
    return False


def subnets_of_groups(index: Index) -> dict[str, list[str]]:
    """Return the subnets (keys) of each network security group (key)."""
    result: dict[str, list[str]] = {}
    for key, subnet in fabric_of(index).subnets.items():
        result.setdefault(subnet.group, []).append(key)
    return result


def platform_subnets(index: Index) -> dict[str, Unread | None]:
    """Return the subnets with addresses of a service: delegated ones, and those of scale sets, application gateways and
    API Management. An Unread says why it is not known whether a subnet has any."""
    result: dict[str, Unread | None] = {}
    for service in index.of_type(apim.SERVICE.type)[0]:
        subnet = service.get("properties.virtualNetworkConfiguration.subnetResourceId")
        path = "properties.virtualNetworkType"
        mode = service.get(path)
        if isinstance(subnet, str) and not same(mode, "Internal"):
            if is_absent(mode) or isinstance(mode, str):
                result[id_or_empty(subnet)] = None
            else:
                result.setdefault(id_or_empty(subnet), unknown_value(f"{service.name} {path}", mode))
    for network in index.of_type(VNET.type)[0]:
        for each in network.items("properties.subnets"):
            if has_service_addresses(each):
                result[id_or_empty(spelled(value_at(each, "id")))] = None
    return result


def has_service_addresses(subnet: Any) -> bool:
    """Return whether a subnet is delegated, or contains something other than interfaces of machines."""
    delegated = known_objects(subnet, "properties.delegations")
    # An application gateway is in one of the two lists (azure-mgmt-network, Subnet).
    gateways = known_objects(subnet, "properties.applicationGatewayIPConfigurations")
    if delegated or gateways:
        return True
    ids = [spelled(value_at(one, "id")).lower() for one in known_objects(subnet, "properties.ipConfigurations")]
    return any("/microsoft.network/networkinterfaces/" not in one or "/virtualmachinescalesets/" in one for one in ids)


# Virtual networks

# Sources, in this order: vpn-gateway/vpn-gateway-about-vpn-gateway-settings (not supported there), firewall/firewall-faq
# (the platform protects both), route-server/route-server-faq (not supported), bastion/bastion-nsg (optional).
SUBNETS_WITHOUT_NSG = (
    "gatewaysubnet",
    "azurefirewallsubnet",
    "azurefirewallmanagementsubnet",
    "routeserversubnet",
    "azurebastionsubnet",
)


def subnet_without_nsg(network: Resource, index: Index) -> Verdict:
    path = "properties.subnets[].properties.networkSecurityGroup"
    subnets = [each for each in rows(network, "properties.subnets") if name_of(each).lower() not in SUBNETS_WITHOUT_NSG]
    bare = [each for each in subnets if not known_text(each, "properties.networkSecurityGroup.id")]
    if bare:
        seen = Evidence(path, [name_of(each) for each in bare], Message("no subnet"))
        return Fail((seen,), causes=tuple(guarded(network, each) for each in bare))
    if not subnets:
        return NotApplicable(Message("it has no subnet that supports a network security group"))
    return Pass((Evidence(path, Message("on every subnet")),))


def guarded(network: Resource, subnet: Any) -> Cause:
    """Return a subnet without a network security group as the cause of a failure, which a group closes."""
    value = changed(subnet, Edit("", "properties.networkSecurityGroup", {"id": "<NSG_ID>"}))
    name = name_of(subnet)
    position = network.items("properties.subnets").index(subnet)
    return Cause("", "properties.subnets", subnet, value, text=f"{network.id}/subnets/{name}", position=position)


def name_of(body: Any) -> str:
    return known_text(body, "name") or spelled(value_at(body, "id")).rsplit("/", 1)[-1]


def peered_externally(network: Resource, index: Index) -> Verdict:
    path = "properties.virtualNetworkPeerings"
    if gone(network, path):
        raise not_returned(path)
    matches = rows(network, path)
    if not matches:
        return NotApplicable(Message("it has no peering"))
    live = [each for each in matches if is_connected(each)]
    if not live:
        return NotApplicable(Message("none of its peerings is connected, so no traffic flows over them"))
    remote = "properties.remoteVirtualNetwork.id"
    ids = [value_at(each, remote) for each in live]
    managed = [isinstance(id, str) and is_hub_network(id) for id in ids]
    foreign = [
        each
        for each, id, hub in zip(live, ids, managed, strict=True)
        if isinstance(id, str) and not hub and not in_same_tenant(network, index, id)
    ]
    if foreign:
        seen = Evidence(
            f"{path}[].{remote}", [value_at(each, remote) for each in foreign], Message("networks of this tenant")
        )
        causes = tuple(
            Cause.in_list(network.id, path, each, matches.index(each), "virtualNetworkPeerings") for each in foreign
        )
        severity, message = rated(
            network, index, [spelled(value_at(each, remote)) for each in foreign], Message("peered network")
        )
        return Fail((seen, *peering_evidence(foreign, path)), message, severity, causes=causes)
    if not all(isinstance(each, str) for each in ids):
        raise not_returned(f"{path}[].{remote}")
    # Azure manages the network of a virtual hub in a subscription of its own.
    strange = [str(id) for id, hub in zip(ids, managed, strict=True) if hub and not hubs_named(index, str(id))]
    if strange:
        raise Unread(
            f"{path}[].{remote}",
            Message("{strange} belongs to a virtual hub that this scan did not see", strange=id_name(strange[0])),
        )
    return Pass((Evidence(f"{path}[].{remote}", ids), *peering_evidence(live, path)))


def peering_evidence(peerings: list[Any], path: str) -> Iterator[Evidence]:
    """Yield evidence of the peerings: their state, and the traffic that they allow."""
    for name in ("peeringState", "allowForwardedTraffic", "allowGatewayTransit", "useRemoteGateways"):
        values = [value_at(each, f"properties.{name}") for each in peerings]
        if any(not is_absent(each) for each in values):
            yield Evidence(f"{path}[].properties.{name}", values)


FLOW_LOGS = "Microsoft.Network/networkWatchers/flowLogs"
LOGS = "properties.flowLogs"


def without_ddos_plan(network: Resource, index: Index) -> Verdict:
    """Fail where a network has no DDoS protection plan, or has one and does not use it."""
    switch, plan = "properties.enableDdosProtection", "properties.ddosProtectionPlan.id"
    verdict = check_value(network, switch, good=(True,), bad=(False,), absent=False)
    if not isinstance(verdict, Pass):
        return verdict
    if network.text(plan):
        return Pass((*verdict.evidence, network.evidence(plan)))
    if network.api_version_unknown:
        raise absent_at_unknown_version(plan)
    return Fail((network.evidence(plan, Message("a plan")),), Message("Protection is enabled without a plan."))


def without_flow_logs(network: Resource, index: Index) -> Verdict:
    """Fail where no enabled flow log covers a network: neither one of its own, nor one of every subnet's group."""
    network_logs, logs_missing = _enabled_logs(network.objects(LOGS), index)
    if network_logs:
        return Pass((Evidence(f"{LOGS}[].id", network_logs, Message("an enabled flow log")),))
    missing = [logs_missing] if logs_missing is not None else []
    if network.why_absent_is_unknown and is_absent(network.get(LOGS)):
        missing.append(absent_at_unknown_version(LOGS))
    covered: dict[str, bool] = {}
    for each in network.items("properties.subnets"):
        group = index.resources.get(id_or_empty(known_text(each, "properties.networkSecurityGroup.id")))
        logs, unread = _enabled_logs(group.objects(LOGS), index) if group is not None else ([], None)
        covered[name_of(each)] = bool(logs)
        missing += [unread] if unread is not None else []
    if covered and all(covered.values()):
        return Pass(
            (Evidence(f"networkSecurityGroup.{LOGS}", Message("of every subnet"), Message("an enabled flow log")),)
        )
    if missing:
        return unknown(*missing, evidence=(network.evidence(LOGS, Message("an enabled flow log")),))
    bare = [name for name, is_logged in covered.items() if not is_logged]
    seen = (
        network.evidence(LOGS, Message("an enabled flow log")),
        Evidence(Message("subnets without a flow log"), bare),
    )
    return Fail(seen if any(covered.values()) else seen[:1], causes=tuple(_disabled(network.objects(LOGS))))


ENABLE_LOG = "az resource update --ids {cause} --set properties.enabled=true"


def _disabled(named: list[Any]) -> Iterator[Cause]:
    """Yield the flow logs of a network, all of them disabled, as what enabling them closes."""
    for each in named:
        yield Cause(known_text(each, "id"), "properties.enabled", value=True, command=ENABLE_LOG)


def _enabled_logs(named: list[Any], index: Index) -> tuple[list[str], Unread | None]:
    """Return the flow logs (ids) of a list of references that are enabled, and why there may be others."""
    matches: list[str] = []
    missing: Unread | None = None
    for each in named:
        id = known_text(each, "id")
        log = index.resources.get(id_or_empty(id)) if id else None
        if log is None:
            missing = missing or index.missing_in(FLOW_LOGS, id) or not_listed(id or LOGS)
        elif same(enabled := log.get("properties.enabled"), True):
            matches.append(id)
        elif not same(enabled, False):
            missing = missing or not_returned_or_unknown(f"{log.name} properties.enabled")
    return matches, missing


# Public addresses and load balancers


def address_unattached(address: Resource, index: Index) -> Verdict:
    for path in ("properties.ipConfiguration.id", "properties.natGateway.id"):
        value = address.get(path)
        if isinstance(value, str) and value:
            return Pass((address.evidence(path),))
    return Fail((address.evidence("properties.ipConfiguration", Message("an attached resource")),))


# Application gateways


def gateway_old_tls(gateway: Resource, index: Index) -> Verdict:
    """Fail if the gateway's policy, or one of a profile that a listener may use instead, accepts TLS 1.0 or 1.1."""
    path = "properties.sslProfiles[].properties.sslPolicy"
    profiles = gateway.items("properties.sslProfiles")
    minimums = [profile_tls(each) for each in profiles]
    old = [value_at(each, "name") for each, new in zip(profiles, minimums, strict=True) if new is False]
    if old:
        return Fail((Evidence(path, old, "TLSv1_2"),), causes=tuple(old_policies(gateway, profiles, minimums)))
    verdict = main_tls(gateway)
    if isinstance(verdict, Pass):
        # A gateway without profiles may omit the list. A profile could not bring TLS 1.0 back: see main_tls.
        if gateway.api_version_unknown or gateway.has("properties.sslProfiles"):
            rows(gateway, "properties.sslProfiles")
        if None in minimums:
            return unknown(unknown_value(path), evidence=verdict.evidence)
    return verdict


# Listeners of application gateways

LISTENERS = "properties.httpListeners"
ROUTING = "properties.requestRoutingRules"
MAPS = "properties.urlPathMaps"
REDIRECTS = "properties.redirectConfigurations"


def name_in(entry: Any) -> str:
    """Return the name of a part of a gateway in lower case."""
    return name_of(entry).lower()


def reference(entry: Any, member: str) -> str:
    """Return the name (lower case) of the part of a gateway that another one names; "" where it names none."""
    return id_name(known_text(entry, f"properties.{member}.id")).lower()


def child_named(gateway: Resource, path: str, name: str) -> Any:
    """Return the part of a gateway with a name. Raises Unread where Azure did not return it."""
    result = next((each for each in gateway.objects(path) if name_in(each) == name), None)
    if result is None:
        raise not_returned(f"{path}[{name}]")
    return result


def is_stopped(gateway: Resource) -> bool:
    """Return whether an application gateway forwards nothing (azure-mgmt-network, ApplicationGatewayOperationalState)."""
    return same(gateway.get("properties.operationalState"), "Stopped")


def gateway_plain_http(gateway: Resource, index: Index) -> Verdict:
    """Fail where a listener for HTTP leads to anything but a redirect to HTTPS. One without a rule serves nothing."""
    if is_stopped(gateway):
        return NotApplicable(NOT_FORWARDING)
    rules = rows(gateway, ROUTING)
    path = f"{LISTENERS}[].properties.protocol"
    open_ones, unread, seen = [], [], []
    for each in rows(gateway, LISTENERS):
        mine = [rule for rule in rules if reference(rule, "httpListener") == name_in(each)]
        protocol = value_at(each, "properties.protocol")
        if same(protocol, "Https") or not mine:
            shown = known_text(each, "properties.protocol") if mine else Message("no rule")
            seen.append(joined(": ", (name_of(each), shown)))
        elif not same(protocol, "Http"):
            unread.append(name_of(each))
        elif all(_redirects_to_https(gateway, rule) for rule in mine):
            seen.append(Message("{each}: a redirect to HTTPS", each=name_of(each)))
        else:
            open_ones.append(name_of(each))
    if open_ones:
        return Fail((Evidence(path, open_ones, Message("Https, or a redirect to HTTPS")),))
    if unread:
        raise Unread(path, Message("missing or unrecognized for {list}", list=", ".join(unread)))
    return Pass((Evidence(path, seen),))


def _redirects_to_https(gateway: Resource, rule: Any) -> bool:
    """Return whether everything that a routing rule leads to is a redirect to HTTPS."""
    path_map = reference(rule, "urlPathMap")
    if not path_map:
        return _leads_to_https(gateway, reference(rule, "redirectConfiguration"))
    value = child_named(gateway, MAPS, path_map)
    names = [reference(each, "redirectConfiguration") for each in known_objects(value, "properties.pathRules")]
    return all(_leads_to_https(gateway, each) for each in (reference(value, "defaultRedirectConfiguration"), *names))


def _leads_to_https(gateway: Resource, redirect: str) -> bool:
    """Return whether a redirect (its name, "" for none) leads to a listener or an address for HTTPS."""
    if not redirect:
        return False
    value = child_named(gateway, REDIRECTS, redirect)
    target, url = reference(value, "targetListener"), known_text(value, "properties.targetUrl").lower()
    path = f"{REDIRECTS}[].properties.targetUrl"
    if target:
        protocol = value_at(child_named(gateway, LISTENERS, target), "properties.protocol")
        if not (same(protocol, "Https") or same(protocol, "Http")):
            raise unknown_value(f"{LISTENERS}[].properties.protocol", protocol)
        return same(protocol, "Https")
    if not url.startswith(("http://", "https://")):
        raise unknown_value(path, url) if url else not_returned(path)
    return url.startswith("https://")


# Front Door


def is_front_door(profile: Resource) -> bool:
    """Return whether the profile is a Front Door.

    azure-mgmt-cdn: the SKUs Standard_AzureFrontDoor and Premium_AzureFrontDoor. The others are classic CDN."""
    name = profile.require("sku.name")
    if not isinstance(name, str):
        raise malformed("sku.name")
    return name.lower().endswith("_azurefrontdoor")


ORIGINS = PROFILE.child("originGroups", when=is_front_door).child("origins", always=True)
# Their hosts are names that DNS records point at: rules/names.py.
AFD_ENDPOINTS = PROFILE.child(
    "afdEndpoints",
    when=is_front_door,
    keep=("properties.hostName",),
    always=True,
    graph=GraphRows(holds=("properties.hostName", "properties.enabledState")),
)
ROUTES = AFD_ENDPOINTS.child("routes", always=True)


# Firewalls, Bastion, VPN, private link


def vpn_without_entra(gateway: Resource, index: Index) -> Verdict:
    kind = gateway.require("properties.gatewayType")
    if not isinstance(kind, str):
        return unknown(unknown_value("properties.gatewayType", kind))
    if same(kind, "ExpressRoute"):
        return NotApplicable(Message("an ExpressRoute gateway has no point-to-site users"))
    # azure-policy 21a6bc25 flags gateways with a client configuration only.
    if gone(gateway, "properties.vpnClientConfiguration"):
        return NotApplicable(Message("point-to-site is not configured: there is no client configuration"))
    client = "properties.vpnClientConfiguration"
    path = f"{client}.vpnAuthenticationTypes"
    if (
        gone(gateway, f"{client}.vpnClientAddressPool")
        or gateway.get(f"{client}.vpnClientAddressPool.addressPrefixes") == []
    ):
        return NotApplicable(Message("point-to-site is not configured: there is no address pool for clients"))
    certificates = gateway.get(f"{client}.vpnClientRootCertificates")
    if not gateway.has(path) and isinstance(certificates, list) and certificates:
        return Fail((Evidence(f"{client}.vpnClientRootCertificates", [name_of(each) for each in certificates]),))
    matches = rows(gateway, path)
    seen = gateway.evidence(path, ["AAD"])
    if any(same(each, "Certificate") or same(each, "Radius") for each in matches):
        return Fail((seen,))
    if matches and all(same(each, "AAD") for each in matches):
        return Pass((seen,))
    raise unknown_value(path)


def approves_external_subscriptions(service: Resource, index: Index) -> Verdict:
    path = "properties.autoApproval.subscriptions"
    # private-link/private-link-service-overview: without automatic approval each connection waits for approval.
    if gone(service, path) and service.has("properties"):
        return Pass((service.evidence(path),))
    matches = rows(service, path)
    foreign = [each for each in matches if each == "*" or not in_same_tenant(service, index, f"/subscriptions/{each}")]
    if foreign:
        causes = tuple(Cause("", path, each, text=str(each), position=matches.index(each)) for each in foreign)
        seen = Evidence(path, foreign, Message("subscriptions of this tenant"))
        if "*" in foreign:
            return Fail((seen,), causes=causes)
        severity, message = rated(
            service, index, [f"/subscriptions/{each}" for each in foreign], Message("subscription")
        )
        return Fail((seen,), message, severity, causes=causes)
    return Pass((service.evidence(path),))
