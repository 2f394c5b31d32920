"""Networks themselves: what has no path yet, and the gateways and firewalls that stand in front."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, same
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType
from scanner.model.verdict import (
    ABSENT,
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    not_a_list,
    not_returned,
    unknown,
    unknown_value,
)
from scanner.reach.networks import fabric_of, key_of
from scanner.reach.open_ports import broad_allow_rules
from scanner.reach.peerings import is_connected
from scanner.reach.sources import in_own_tenant
from scanner.reach.topology import groups_on_paths, topology

from .common import CIS, ISO, LEARN, MCSB, NETWORK, NIST

API = "2025-09-01"
GROUP = ResourceType("Microsoft.Network/networkSecurityGroups", api=API)
VNET = ResourceType("Microsoft.Network/virtualNetworks", api=API)
ADDRESS = ResourceType("Microsoft.Network/publicIPAddresses", api=API)
BALANCER = ResourceType("Microsoft.Network/loadBalancers", api=API)
GATEWAY = ResourceType("Microsoft.Network/applicationGateways", api=API)
WAF = ResourceType("Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies", api=API)
FRONT_WAF = ResourceType("Microsoft.Network/FrontDoorWebApplicationFirewallPolicies", api="2024-02-01")
FIREWALL = ResourceType("Microsoft.Network/azureFirewalls", api=API)
POLICY = ResourceType("Microsoft.Network/firewallPolicies", api=API)
BASTION = ResourceType("Microsoft.Network/bastionHosts", api=API)
VPN = ResourceType("Microsoft.Network/virtualNetworkGateways", api=API)
LINK = ResourceType("Microsoft.Network/privateLinkServices", api=API)
FRONT = ResourceType("Microsoft.Network/frontDoors", api="2025-10-01")
PROFILE = ResourceType("Microsoft.Cdn/profiles", api="2025-12-01")
GATES = ResourceType(
    "Microsoft.ApiManagement/service",
    api="2024-05-01",
    keep=("properties.publicNetworkAccess", "properties.virtualNetworkType"),
)

TLS = {MCSB: ("DP-3",), NIST: ("SC-8",), ISO: ("A.8.24",)}
WEB = {MCSB: ("NS-6",), NIST: ("SI-4", "SC-7"), ISO: ("A.8.23",)}
LOGIN = {MCSB: ("IM-1",), NIST: ("AC-2", "IA-2"), ISO: ("A.5.17",)}


def rows(resource: Resource, path: str) -> list[Any]:
    """The list there; Unread where it was not returned, or is no list."""
    value = resource.require(path)
    if not isinstance(value, list):
        raise not_a_list(path)
    return value


def gone(resource: Resource, path: str) -> bool:
    """Whether there is nothing there; Unread where the record is too thin to say."""
    value = resource.get(path)
    if value is not MISSING and value is not None:
        return False
    if resource.api_version_unknown:
        raise absent_at_unknown_version(path)
    return True


# Security groups

SERVED = "what stands behind it answers for what it lets in"


@GROUP.rule(
    "nsg-open-to-nobody",
    "network",
    "A network security group lets in the world where nothing answers yet",
    severity="low",
    why="No public address, load balancer or firewall leads to what the group guards, so its open rule harms nobody today. The first "
    "public address that somebody attaches makes it an open door, without another change.",
    fix=Fix(
        az="az network nsg rule list --resource-group {group} --nsg-name {name} --subscription {subscription} --output table",
        breaks="Nothing today: nobody comes through the rule. Narrow its source, or delete it.",
        bicep="securityRules: [ { properties: { sourceAddressPrefix: '203.0.113.0/24' } } ]",
        terraform="azurerm_network_security_rule.source_address_prefix",
        terraform_page="network_security_rule",
        portal="Network security group > Inbound security rules",
    ),
    controls=NETWORK,
    references=(f"{LEARN}/virtual-network/network-security-groups-overview",),
)
def open_to_nobody(nsg: Resource, index: Index) -> Verdict:
    rows(nsg, "properties.securityRules")
    group = fabric_of(index).groups.get(nsg.key)
    if group is None:
        raise Unread("properties.securityRules", "they could not be parsed")
    seen = broad_allow_rules(group, index)
    if not seen:
        return (
            Pass((nsg.evidence("properties.securityRules[].name"),)) if not group.missing else unknown(*group.missing)
        )
    if serves_platform(nsg, index) or nsg.key in groups_on_paths(topology(index)):
        return NotApplicable(SERVED)
    gaps = [index.missing_in(each, nsg.id) for each in OWN_TYPES] + [index.missing.get(each) for each in FAR_TYPES]
    unseen = [each for each in gaps if each is not None]
    if not unseen and nsg.key in groups_on_paths(topology(index), certain=False):
        unseen.append(Unread("the paths from outside", "a load balancer or firewall on the way could not be read"))
    if unseen or group.missing:
        return unknown(*unseen, *group.missing, evidence=seen)
    return Fail(seen)


# A group guards subnets and interfaces of its own subscription, and they have addresses of it.
OWN_TYPES = tuple(f"Microsoft.Network/{each}" for each in ("virtualNetworks", "networkInterfaces", "publicIPAddresses"))
# These lead into networks of other subscriptions as well.
FAR_TYPES = tuple(f"microsoft.network/{each}" for each in ("loadbalancers", "azurefirewalls", "applicationgateways"))


def serves_platform(nsg: Resource, index: Index) -> bool:
    """Whether it guards scale sets, gateways or platform services, which have addresses of their own."""
    if any(
        "/virtualmachinescalesets/" in str(get_path(each, "id")).lower()
        for each in nsg.items("properties.networkInterfaces")
    ):
        return True
    fabric = fabric_of(index)
    guarded = {key for key, subnet in fabric.subnets.items() if subnet.group == nsg.key}
    return any(key in guarded for key in platform_subnets(index)) or any(
        key.endswith("/azurebastionsubnet") for key in guarded
    )


def platform_subnets(index: Index) -> set[str]:
    """Subnets that are delegated to a service, or hold scale sets or application gateways."""
    found: set[str] = set()
    for network in index.of_type(VNET.type)[0]:
        for each in network.items("properties.subnets"):
            delegated = get_path(each, "properties.delegations")
            members = get_path(each, "properties.ipConfigurations")
            ids = [str(get_path(one, "id")).lower() for one in members] if isinstance(members, list) else []
            foreign = any(
                "/microsoft.network/networkinterfaces/" not in one or "/virtualmachinescalesets/" in one for one in ids
            )
            if (isinstance(delegated, list) and delegated) or foreign:
                found.add(key_of(str(get_path(each, "id"))))
    return found


# Virtual networks

# Sources, in this order: vpn-gateway/vpn-gateway-about-vpn-gateway-settings (not supported there), firewall/firewall-faq
# (the platform guards both), route-server/route-server-faq (not supported), bastion/bastion-nsg (optional).
WITHOUT = (
    "gatewaysubnet",
    "azurefirewallsubnet",
    "azurefirewallmanagementsubnet",
    "routeserversubnet",
    "azurebastionsubnet",
)


@VNET.rule(
    "subnet-without-nsg",
    "network",
    "A subnet has no network security group",
    severity="low",
    why="Inside the network, its peers and everything behind its gateways, everybody reaches every port of what stands in the subnet. One "
    "machine that is taken over sees them all.",
    fix=Fix(
        az="az network vnet subnet update --resource-group {group} --vnet-name {name} --subscription {subscription} --name SUBNET --network-security-group NSG",
        first_step="az network vnet subnet list --resource-group {group} --vnet-name {name} --subscription {subscription} --output table",
        breaks="Traffic that no rule of the group names: an empty group lets in the network itself, and nobody from the internet.",
        bicep="subnets: [ { properties: { networkSecurityGroup: { id: nsg.id } } } ]",
        terraform="azurerm_subnet_network_security_group_association.network_security_group_id",
        terraform_page="subnet_network_security_group_association",
        portal="Virtual network > Subnets > the subnet > Network security group",
        cost=2,
    ),
    controls={MCSB: ("NS-1",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.22",)},
    references=(f"{LEARN}/virtual-network/network-security-groups-overview",),
)
def subnet_without_nsg(network: Resource, index: Index) -> Verdict:
    path = "properties.subnets[].properties.networkSecurityGroup"
    subnets = [each for each in rows(network, "properties.subnets") if name_of(each).lower() not in WITHOUT]
    has_other_reasons = [
        name_of(each) for each in subnets if get_path(each, "properties.networkSecurityGroup.id") in (MISSING, None)
    ]
    if has_other_reasons:
        return Fail((Evidence(path, has_other_reasons, "no subnet"),))
    if not subnets:
        return NotApplicable("it has no subnet that takes a network security group")
    return Pass((Evidence(path, "on every subnet"),))


def name_of(body: Any) -> str:
    name = get_path(body, "name")
    return name if isinstance(name, str) and name else str(get_path(body, "id")).rsplit("/", 1)[-1]


@VNET.rule(
    "network-peered-with-strangers",
    "network",
    "The network is peered with one in a subscription that is not yours",
    severity="medium",
    why="A peered network is inside: the tag VirtualNetwork, which the default rules let in, holds all its addresses, and whoever governs it "
    "decides who is there.",
    fix=Fix(
        az="az network vnet peering list --resource-group {group} --vnet-name {name} --subscription {subscription} --output table",
        breaks="Nothing: the command lists the peerings. Delete those that nobody knows, and let network security groups name what the others may reach.",
        terraform="azurerm_virtual_network_peering.remote_virtual_network_id",
        terraform_page="virtual_network_peering",
        portal="Virtual network > Peerings",
        cost=2,
    ),
    controls=NETWORK,
    references=(f"{LEARN}/virtual-network/virtual-network-peering-overview",),
)
def peered_with_strangers(network: Resource, index: Index) -> Verdict:
    path = "properties.virtualNetworkPeerings"
    if gone(network, path):
        raise not_returned(path)
    found = rows(network, path)
    if not found:
        return NotApplicable("it has no peering")
    live = [each for each in found if is_connected(each)]
    if not live:
        return NotApplicable("no peering of it is connected, so no traffic flows over one")
    remote = "properties.remoteVirtualNetwork.id"
    ids = [get_path(each, remote) for each in live]
    foreign = [
        each
        for each, id in zip(live, ids, strict=True)
        if isinstance(id, str) and not in_own_tenant(network, index, id)
    ]
    if foreign:
        seen = Evidence(
            f"{path}[].{remote}", [get_path(each, remote) for each in foreign], "networks of the own tenant"
        )
        return Fail((seen, *carries(foreign, path)))
    if not all(isinstance(each, str) for each in ids):
        raise not_returned(f"{path}[].{remote}")
    return Pass((Evidence(f"{path}[].{remote}", ids), *carries(live, path)))


def carries(peerings: list[Any], path: str) -> Iterator[Evidence]:
    """What peerings say of themselves: their state, and what else they let through."""
    for name in ("peeringState", "allowForwardedTraffic", "allowGatewayTransit", "useRemoteGateways"):
        values = [get_path(each, f"properties.{name}") for each in peerings]
        if any(each is not MISSING and each is not None for each in values):
            yield Evidence(f"{path}[].properties.{name}", [ABSENT if each is MISSING else each for each in values])


VNET.setting(
    "network-without-ddos-protection",
    "network",
    "The network has no DDoS protection plan",
    "properties.enableDdosProtection",
    allowed=(True,),
    absent=False,
    source="azure-mgmt-network VirtualNetwork.enableDdosProtection: false by default",
    severity="info",
    why="Without a plan the public addresses of the network have only the protection that Azure keeps for itself: no tuning to the "
    "service, no help during an attack, no refund for what it cost.",
    fix=Fix(
        az="az network vnet update --ids {id} --ddos-protection true --ddos-protection-plan PLAN_ID",
        breaks="Nothing; a plan costs a lot each month, so one serves all networks of a tenant, or single addresses are protected alone.",
        bicep="enableDdosProtection: true",
        terraform="azurerm_virtual_network.ddos_protection_plan.enable = true",
        terraform_page="virtual_network",
        portal="Virtual network > DDoS protection",
        cost=3,
    ),
    controls={MCSB: ("NS-5",), NIST: ("SC-5",)},
    references=(f"{LEARN}/ddos-protection/ddos-protection-overview",),
)


@VNET.rule(
    "network-without-flow-logs",
    "logging",
    "Nothing logs who talks in the network",
    severity="low",
    source="azure-mgmt-network VirtualNetwork.flowLogs: the flow logs of the network, read-only",
    why="Without flow logs nobody can say afterwards which machine talked to whom, and no rule can be narrowed by what is really used.",
    fix=Fix(
        az="az network watcher flow-log create --location {location} --name flow-{name} --vnet {id} --storage-account STORAGE_ID",
        breaks="Nothing; the logs cost storage.",
        terraform="azurerm_network_watcher_flow_log.target_resource_id",
        terraform_page="network_watcher_flow_log",
        portal="Network Watcher > Flow logs > Create",
    ),
    controls={CIS: ("6.1.1.7",), MCSB: ("LT-4",), NIST: ("AU-12", "SI-4"), ISO: ("A.8.15",)},
    references=(f"{LEARN}/network-watcher/vnet-flow-logs-overview",),
)
def without_flow_logs(network: Resource, index: Index) -> Verdict:
    path = "properties.flowLogs"
    value = network.get(path)
    if isinstance(value, list) and value:
        return Pass((Evidence(path, [str(get_path(each, "id")) for each in value]),))
    groups = index.of_type(GROUP.type)[0]
    mine = {
        key_of(str(get_path(each, "properties.networkSecurityGroup.id")))
        for each in network.items("properties.subnets")
    }
    logged = [group.id for group in groups if group.key in mine and group.items(path)]
    if logged:
        return Pass((Evidence(f"networkSecurityGroup.{path}", logged),))
    if gone(network, path) or value == []:
        return Fail((network.evidence(path, "a flow log"),))
    return unknown(not_a_list(path))


# Public addresses and load balancers


@ADDRESS.rule(
    "public-address-unattached",
    "network",
    "A public address leads nowhere",
    severity="low",
    source="azure-mgmt-network PublicIPAddress: ipConfiguration and natGateway name what it is attached to",
    why="It costs money, and the next machine that somebody attaches it to is reachable under an address that old firewall rules and DNS "
    "names may still trust.",
    fix=Fix(
        az="az network public-ip delete --ids {id}",
        first_step="az network public-ip show --ids {id} --query dnsSettings",
        breaks="DNS names and allow lists that still name the address.",
        portal="Public IP address > Delete",
    ),
    controls={MCSB: ("AM-3",), NIST: ("CM-8",)},
    references=(f"{LEARN}/virtual-network/ip-services/public-ip-addresses",),
)
def address_unattached(address: Resource, index: Index) -> Verdict:
    for path in ("properties.ipConfiguration.id", "properties.natGateway.id"):
        value = address.get(path)
        if isinstance(value, str) and value:
            return Pass((address.evidence(path),))
    return Fail((address.evidence("properties.ipConfiguration", "what it is attached to"),))


RETIRED = "Microsoft Learn, virtual-network/ip-services/public-ip-basic-upgrade-guidance: retired on 30 September 2025"


def basic(kind: ResourceType, id: str, title: str, what: str, az: str, page: str) -> None:
    kind.setting(
        id,
        "network",
        title,
        "sku.name",
        allowed=("Standard", "StandardV2", "Gateway"),
        bad=("Basic",),
        severity="low",
        source=RETIRED,
        why=f"A Basic {what} is open by default: where no network security group stands before a machine, everybody gets to every port. "
        "Basic was retired on 30 September 2025.",
        fix=Fix(
            az=az,
            breaks="Standard is closed until a network security group lets somebody in: add the rules that are needed first.",
            bicep="sku: { name: 'Standard' }",
            terraform=f'azurerm_{page}.sku = "Standard"',
            terraform_page=page,
            portal="Overview > Upgrade",
            cost=3,
        ),
        controls=NETWORK,
        references=(f"{LEARN}/virtual-network/ip-services/public-ip-basic-upgrade-guidance",),
    )


basic(
    ADDRESS,
    "public-address-basic",
    "A public address is of the Basic kind, which is open by default",
    "address",
    "az network public-ip update --ids {id} --sku Standard --allocation-method Static",
    "public_ip",
)
basic(
    BALANCER,
    "load-balancer-basic",
    "A load balancer is of the Basic kind, which is open by default",
    "load balancer",
    "az network lb show --ids {id} --query sku",
    "lb",
)


# Application gateways

PREDEFINED_OLD = ("AppGwSslPolicy20150501", "AppGwSslPolicy20170401")
PREDEFINED = ("AppGwSslPolicy20170401S", "AppGwSslPolicy20220101", "AppGwSslPolicy20220101S")


def public_fronts(gateway: Resource) -> bool:
    fronts = rows(gateway, "properties.frontendIPConfigurations")
    if not fronts:
        raise Unread("properties.frontendIPConfigurations", "the answer held none")
    return any(get_path(each, "properties.publicIPAddress.id") not in (MISSING, None) for each in fronts)


@GATEWAY.rule(
    "application-gateway-without-waf",
    "network",
    "Nothing filters what the application gateway takes from the internet",
    severity="medium",
    source="web-application-firewall/ag/policy-overview: a policy may stand on the gateway, on a listener or on a path",
    why="The gateway passes on whatever the internet sends. A web application firewall in prevention mode stops what every robot tries first.",
    fix=Fix(
        az="az network application-gateway update --ids {id} --set firewallPolicy.id=WAF_POLICY_ID",
        first_step="az network application-gateway show --ids {id} --query sku",
        breaks="Requests that the rules take for attacks: begin in detection mode, read the log, then prevent. It needs the WAF_v2 tier.",
        bicep="firewallPolicy: { id: wafPolicy.id }",
        terraform="azurerm_application_gateway.firewall_policy_id",
        terraform_page="application_gateway",
        portal="Application gateway > Web application firewall",
        cost=2,
    ),
    controls=WEB,
    references=(f"{LEARN}/web-application-firewall/ag/ag-overview",),
)
def gateway_without_waf(gateway: Resource, index: Index) -> Verdict:
    policy = gateway.get("properties.firewallPolicy.id")
    if isinstance(policy, str) and policy:
        return Pass((gateway.evidence("properties.firewallPolicy.id"),))
    old = "properties.webApplicationFirewallConfiguration"
    if same(gateway.get(f"{old}.enabled"), True):
        mode = gateway.get(f"{old}.firewallMode")
        seen = gateway.evidence(f"{old}.firewallMode", "Prevention")
        if same(mode, "Prevention"):
            return Pass((seen,))
        return Fail((seen,)) if same(mode, "Detection") else unknown(unknown_value(f"{old}.firewallMode"))
    if not public_fronts(gateway):
        return NotApplicable("it has no public front")
    listeners = rows(gateway, "properties.httpListeners")
    has_other_reasons = [
        name_of(each) for each in listeners if not isinstance(get_path(each, "properties.firewallPolicy.id"), str)
    ]
    if listeners and not has_other_reasons:
        return Pass((Evidence("properties.httpListeners[].properties.firewallPolicy.id", "on every listener"),))
    return Fail(
        (
            gateway.evidence("properties.firewallPolicy", "a policy"),
            Evidence("properties.httpListeners", has_other_reasons),
        )
    )


@GATEWAY.rule(
    "application-gateway-old-tls",
    "transport",
    "The application gateway accepts old TLS versions",
    severity="medium",
    source="application-gateway/application-gateway-ssl-policy-overview: minimum versions of the predefined policies",
    why="TLS 1.0 and 1.1 have broken ciphers, and somebody on the way can make a client speak them.",
    fix=Fix(
        az="az network application-gateway ssl-policy set --resource-group {group} --gateway-name {name} --subscription {subscription} "
        "--policy-type Predefined --name AppGwSslPolicy20220101",
        breaks="Browsers and programs older than about 2014.",
        bicep="sslPolicy: { policyName: 'AppGwSslPolicy20220101' }",
        terraform='azurerm_application_gateway.ssl_policy.policy_name = "AppGwSslPolicy20220101"',
        terraform_page="application_gateway",
        portal="Application gateway > Listeners > SSL policy",
    ),
    controls=TLS,
    references=(f"{LEARN}/application-gateway/application-gateway-ssl-policy-overview",),
)
def gateway_old_tls(gateway: Resource, index: Index) -> Verdict:
    """Its own policy, and those of the profiles that a listener may take instead."""
    path = "properties.sslProfiles[].properties.sslPolicy"
    profiles = gateway.items("properties.sslProfiles")
    said = [profile_tls(each) for each in profiles]
    old = [get_path(each, "name") for each, new in zip(profiles, said, strict=True) if new is False]
    weak = [ABSENT if name is MISSING else name for name in old]
    if weak:
        return Fail((Evidence(path, weak, "TLSv1_2"),))
    verdict = main_tls(gateway)
    if isinstance(verdict, Pass):
        rows(gateway, "properties.sslProfiles")
        if None in said:
            return unknown(unknown_value(path), evidence=verdict.evidence)
    return verdict


OWN_TLS = "properties.sslPolicy"


def profile_tls(profile: Any) -> bool | None:
    """Whether a profile is good, which one without a policy of its own leaves to the gateway; None: not known."""
    policy = get_path(profile, OWN_TLS)
    if policy is MISSING or policy is None:
        return True if isinstance(get_path(profile, "properties"), dict) else None
    return is_new_tls(policy)


def is_new_tls(policy: Any) -> bool | None:
    """Whether a policy asks for TLS 1.2 at least; None where that is not known."""
    lowest, name = get_path(policy, "minProtocolVersion"), get_path(policy, "policyName")
    if isinstance(lowest, str):
        return {"tlsv1_0": False, "tlsv1_1": False, "tlsv1_2": True, "tlsv1_3": True}.get(lowest.lower())
    if any(same(name, each) for each in PREDEFINED_OLD):
        return False
    return True if any(same(name, each) for each in PREDEFINED) else None


def main_tls(gateway: Resource) -> Verdict:
    lowest = gateway.get("properties.sslPolicy.minProtocolVersion")
    if isinstance(lowest, str):
        seen = gateway.evidence("properties.sslPolicy.minProtocolVersion", "TLSv1_2")
        if lowest.lower() in ("tlsv1_2", "tlsv1_3"):
            return Pass((seen,))
        return Fail((seen,)) if lowest.lower() in ("tlsv1_0", "tlsv1_1") else unknown(unknown_value(seen.path))
    path = "properties.sslPolicy.policyName"
    chosen = gateway.has(path)
    if not chosen:
        path = "properties.defaultPredefinedSslPolicy"
    name, seen = gateway.require(path), gateway.evidence(path, "AppGwSslPolicy20220101")
    if any(same(name, each) for each in PREDEFINED_OLD):
        return Fail((seen,))
    if not any(same(name, each) for each in PREDEFINED):
        return unknown(unknown_value(path))
    return Pass((seen,)) if chosen else unknown(Unread("properties.sslPolicy", DEFAULT_TLS), evidence=(seen,))


# application-gateway-ssl-policy-overview: AppGwSslPolicy20150501 (TLS 1.0) before api-version 2023-02-01.
DEFAULT_TLS = "none is chosen, and the default is that of the api-version which made the gateway: no answer names it"


@GATEWAY.rule(
    "application-gateway-plain-http",
    "transport",
    "The application gateway answers plain HTTP with content",
    severity="medium",
    why="Whoever is on the way reads and changes what is sent. A listener on port 80 should only lead on to HTTPS.",
    fix=Fix(
        az="az network application-gateway redirect-config create --resource-group {group} --gateway-name {name} --subscription {subscription} "
        "--name to-https --type Permanent --target-listener HTTPS_LISTENER",
        breaks="Clients that follow no redirect; then let the rule of the plain listener use the redirect.",
        terraform="azurerm_application_gateway.request_routing_rule.redirect_configuration_name",
        terraform_page="application_gateway",
        portal="Application gateway > Rules > Backend targets: Redirection",
        cost=2,
    ),
    controls=TLS,
    references=(f"{LEARN}/application-gateway/redirect-http-to-https-portal",),
)
def gateway_plain_http(gateway: Resource, index: Index) -> Verdict:
    listeners, rules = rows(gateway, "properties.httpListeners"), rows(gateway, "properties.requestRoutingRules")
    path = "properties.httpListeners[].properties.protocol"
    plain = [each for each in listeners if not same(get_path(each, "properties.protocol"), "Https")]
    unread = [name_of(each) for each in plain if not same(get_path(each, "properties.protocol"), "Http")]
    led = {
        str(get_path(each, "properties.httpListener.id")).lower()
        for each in rules
        if isinstance(get_path(each, "properties.redirectConfiguration.id"), str)
    }
    open_ones = [
        name_of(each) for each in plain if str(get_path(each, "id")).lower() not in led and name_of(each) not in unread
    ]
    if open_ones:
        return Fail((Evidence(path, open_ones, "Https, or a redirect"),))
    if unread:
        raise Unread(path, f"it is not known for {', '.join(unread)}")
    return Pass((Evidence(path, [str(get_path(each, "properties.protocol")) for each in listeners]),))


def waf(kind: ResourceType, id: str, page: str, argument: str, az: str, mode: str) -> None:
    """The rule of a policy of a web application firewall that stops nothing."""

    @kind.rule(
        id,
        "network",
        "The web application firewall stops nothing",
        severity="medium",
        why="In detection mode, or switched off, the firewall writes down the attack and lets it through.",
        fix=Fix(
            az=az,
            first_step="az monitor diagnostic-settings list --resource {id} --output table",
            breaks="Requests that the rules take for attacks: read the log of some weeks, and exclude what is wrong, before.",
            bicep=f"policySettings: {{ {'state' if mode == 'state' else 'enabledState'}: 'Enabled', mode: 'Prevention' }}",
            terraform=f'azurerm_{page}.{argument} = "Prevention"',
            terraform_page=page,
            portal="Web application firewall policy > Overview > Switch to prevention mode",
        ),
        controls=WEB,
        references=(f"{LEARN}/web-application-firewall/overview",),
    )
    def only_detects(policy: Resource, index: Index) -> Verdict:
        on, how = f"properties.policySettings.{mode}", "properties.policySettings.mode"
        seen = (policy.evidence(on, "Enabled"), policy.evidence(how, "Prevention"))
        if same(policy.get(on), "Disabled") or same(policy.get(how), "Detection"):
            return Fail(seen)
        if same(policy.require(on), "Enabled") and same(policy.require(how), "Prevention"):
            return Pass(seen)
        return unknown(unknown_value(how), evidence=seen)


waf(
    WAF,
    "waf-policy-only-detects",
    "web_application_firewall_policy",
    "policy_settings.mode",
    "az network application-gateway waf-policy policy-setting update --resource-group {group} --policy-name {name} --mode Prevention --state Enabled",
    "state",
)
waf(
    FRONT_WAF,
    "front-door-waf-only-detects",
    "cdn_frontdoor_firewall_policy",
    "mode",
    "az resource update --ids {id} --set properties.policySettings.mode=Prevention properties.policySettings.enabledState=Enabled",
    "enabledState",
)


# Front Door


def rule_without_waf(
    kind: ResourceType,
    id: str,
    az: str,
    page: str,
    argument: str,
    judge: Callable[[Resource, Index], Verdict],
    reads: Iterable[Any] = (),
) -> None:
    kind.rule(
        id,
        "network",
        "Nothing filters what Front Door takes from the internet",
        severity="medium",
        reads=tuple(reads),
        why="Front Door passes on whatever the internet sends. A web application firewall in prevention mode stops what every robot tries first.",
        fix=Fix(
            az=az,
            breaks="Requests that the rules take for attacks: begin in detection mode, read the log, then prevent.",
            terraform=f"azurerm_{page}.{argument}",
            terraform_page=page,
            portal="Front Door > Security policies",
            cost=2,
        ),
        controls=WEB,
        references=(f"{LEARN}/web-application-firewall/afds/afds-overview",),
    )(judge)


def classic_without_waf(door: Resource, index: Index) -> Verdict:
    path = "properties.frontendEndpoints"
    ends = rows(door, path)
    if not ends:
        raise Unread(path, "the answer held none")
    link = f"{path}[].properties.webApplicationFirewallPolicyLink.id"
    has_other_reasons = [
        name_of(each)
        for each in ends
        if not isinstance(get_path(each, "properties.webApplicationFirewallPolicyLink.id"), str)
    ]
    return (
        Fail((Evidence(link, has_other_reasons, "a policy on every host"),))
        if has_other_reasons
        else Pass((Evidence(link, "on every host"),))
    )


def is_front_door(profile: Resource) -> bool:
    """azure-mgmt-cdn: the SKUs Standard_AzureFrontDoor and Premium_AzureFrontDoor; the others are classic CDN."""
    return str(profile.require("sku.name")).lower().endswith("_azurefrontdoor")


SECURITY = PROFILE.child("securityPolicies", when=is_front_door)
ORIGINS = PROFILE.child("originGroups", when=is_front_door).child("origins", always=True)
ROUTES = PROFILE.child("afdEndpoints", when=is_front_door).child("routes", always=True)
BACKENDS = GATES.child("backends", keep=("properties.resourceId", "properties.url"), always=True)
APIS = GATES.child("apis", keep=("properties.serviceUrl", "properties.subscriptionRequired"), always=True)


def profile_without_waf(profile: Resource, index: Index) -> Verdict:
    if not is_front_door(profile):
        return NotApplicable("a classic CDN profile takes no web application firewall here")
    path = "properties.parameters.type"
    found = profile.children(SECURITY)
    if any(same(each.get(path), "WebApplicationFirewall") for each in found):
        return Pass((Evidence(f"securityPolicies[].{path}", "WebApplicationFirewall"),))
    found.all()
    if any(each.get(path) in (MISSING, None) for each in found):
        raise not_returned(f"securityPolicies[].{path}")
    return Fail((Evidence("securityPolicies", [each.name for each in found], "one with a web application firewall"),))


rule_without_waf(
    FRONT,
    "front-door-classic-without-waf",
    "az resource update --ids {id} --set 'properties.frontendEndpoints[0].properties.webApplicationFirewallPolicyLink.id=WAF_POLICY_ID'",
    "frontdoor",
    "frontend_endpoint.web_application_firewall_policy_link_id",
    classic_without_waf,
)
rule_without_waf(
    PROFILE,
    "front-door-without-waf",
    "az deployment group create --resource-group {group} --subscription {subscription} --template-file security-policy.bicep --parameters profile={name}",
    "cdn_frontdoor_security_policy",
    "security_policies.firewall.cdn_frontdoor_firewall_policy_id",
    profile_without_waf,
    (SECURITY,),
)


# Firewalls, Bastion, VPN, private link


def learns(resource: Resource) -> str | None:
    """firewall/basic-features: threat intelligence of the Basic tier alerts only."""
    return "the Basic tier can only alert" if same(resource.get("properties.sku.tier"), "Basic") else None


def by_policy(firewall: Resource) -> str | None:
    return "its policy decides" if firewall.has("properties.firewallPolicy.id") else learns(firewall)


THREATS: dict[str, Any] = {
    "allowed": ("Deny",),
    "bad": ("Off", "Alert"),
    "severity": "low",
    "why": "Azure Firewall knows addresses and names that are used in attacks. Off, or in alert mode, it lets them through all the same.",
    "controls": {MCSB: ("NS-3",), NIST: ("SC-7", "SI-4")},
    "references": (f"{LEARN}/firewall/threat-intel",),
}
POLICY.setting(
    "firewall-policy-lets-known-attackers-through",
    "network",
    "The firewall policy lets known attackers through",
    "properties.threatIntelMode",
    fix=Fix(
        az="az resource update --ids {id} --set properties.threatIntelMode=Deny",
        breaks="Traffic to addresses that Microsoft lists: read the alerts of some weeks before.",
        bicep="threatIntelMode: 'Deny'",
        terraform='azurerm_firewall_policy.threat_intelligence_mode = "Deny"',
        terraform_page="firewall_policy",
        portal="Firewall policy > Threat intelligence > Alert and deny",
    ),
    unless=learns,
    **THREATS,
)
FIREWALL.setting(
    "firewall-lets-known-attackers-through",
    "network",
    "The firewall lets known attackers through",
    "properties.threatIntelMode",
    fix=Fix(
        az="az resource update --ids {id} --set properties.threatIntelMode=Deny",
        breaks="Traffic to addresses that Microsoft lists: read the alerts of some weeks before.",
        bicep="threatIntelMode: 'Deny'",
        terraform='azurerm_firewall.threat_intel_mode = "Deny"',
        terraform_page="firewall",
        portal="Firewall > Threat intelligence > Alert and deny",
    ),
    unless=by_policy,
    **THREATS,
)


def without_links(bastion: Resource) -> str | None:
    """bastion/shareable-link: the Standard tier or higher."""
    sku = str(bastion.get("sku.name")).lower()
    return "this tier has no shareable links" if sku in ("basic", "developer") else None


BASTION.setting(
    "bastion-shareable-links",
    "authentication",
    "Bastion hands out links that need no sign-in to Azure",
    "properties.enableShareableLink",
    allowed=(False,),
    absent=False,
    source="terraform-provider-azurerm bastion_host: shareable_link_enabled is false by default, and read as false where it is absent",
    severity="medium",
    unless=without_links,
    why="Whoever holds such a link gets to the login of the machine without an Entra identity, without a second factor, and without a right in Azure.",
    fix=Fix(
        az="az resource update --ids {id} --set properties.enableShareableLink=false",
        breaks="People who come in by such links; give them a role on the machine.",
        bicep="enableShareableLink: false",
        terraform="azurerm_bastion_host.shareable_link_enabled = false",
        terraform_page="bastion_host",
        portal="Bastion > Configuration > Shareable link",
    ),
    controls=LOGIN,
    references=(f"{LEARN}/bastion/shareable-link",),
)


@VPN.rule(
    "vpn-gateway-without-entra",
    "authentication",
    "People come into the network by VPN without an Entra identity",
    severity="medium",
    source="azure-policy 21a6bc25: VPN gateways should use only Microsoft Entra ID for point-to-site users",
    why="A certificate or a RADIUS password is inside the network at once: no conditional access, and no end when the person leaves.",
    fix=Fix(
        az="az network vnet-gateway update --ids {id} --vpn-auth-type AAD --aad-tenant TENANT_URL --aad-audience AUDIENCE --aad-issuer ISSUER",
        breaks="Clients with certificates: hand out the new profile first.",
        bicep="vpnClientConfiguration: { vpnAuthenticationTypes: [ 'AAD' ] }",
        terraform='azurerm_virtual_network_gateway.vpn_client_configuration.vpn_auth_types = ["AAD"]',
        terraform_page="virtual_network_gateway",
        portal="Virtual network gateway > Point-to-site configuration > Authentication type",
        cost=2,
    ),
    controls=LOGIN,
    references=(f"{LEARN}/vpn-gateway/point-to-site-entra-gateway",),
)
def vpn_without_entra(gateway: Resource, index: Index) -> Verdict:
    if same(gateway.require("properties.gatewayType"), "ExpressRoute"):
        return NotApplicable("ExpressRoute has no people who dial in")
    # azure-policy 21a6bc25 flags gateways with a client configuration only.
    if gone(gateway, "properties.vpnClientConfiguration"):
        return NotApplicable("nobody dials in: it has no client configuration")
    client = "properties.vpnClientConfiguration"
    path = f"{client}.vpnAuthenticationTypes"
    if (
        gone(gateway, f"{client}.vpnClientAddressPool")
        or gateway.get(f"{client}.vpnClientAddressPool.addressPrefixes") == []
    ):
        return NotApplicable("nobody dials in: there is no pool of addresses for clients")
    certificates = gateway.get(f"{client}.vpnClientRootCertificates")
    if not gateway.has(path) and isinstance(certificates, list) and certificates:
        return Fail((Evidence(f"{client}.vpnClientRootCertificates", [name_of(each) for each in certificates]),))
    found = rows(gateway, path)
    seen = gateway.evidence(path, ["AAD"])
    if any(same(each, "Certificate") or same(each, "Radius") for each in found):
        return Fail((seen,))
    if found and all(same(each, "AAD") for each in found):
        return Pass((seen,))
    raise unknown_value(path)


@LINK.rule(
    "private-link-service-lets-strangers-in",
    "network",
    "A private link service approves subscriptions that are not yours",
    severity="medium",
    why="Whoever is named for automatic approval puts a private endpoint into his own network and is connected to the load balancer behind "
    "it, without anybody here looking.",
    fix=Fix(
        az="az network private-link-service update --ids {id} --auto-approval OWN_SUBSCRIPTION",
        first_step="az network private-link-service show --ids {id} --query privateEndpointConnections",
        breaks="New connections wait until somebody approves them; those that stand go on.",
        bicep="autoApproval: { subscriptions: [ subscription().subscriptionId ] }",
        terraform="azurerm_private_link_service.auto_approval_subscription_ids",
        terraform_page="private_link_service",
        portal="Private link service > Auto-approval",
    ),
    controls=NETWORK,
    references=(f"{LEARN}/private-link/private-link-service-overview",),
)
def link_lets_strangers_in(service: Resource, index: Index) -> Verdict:
    path = "properties.autoApproval.subscriptions"
    # private-link/private-link-service-overview: without automatic approval each connection waits for approval.
    if gone(service, path) and service.has("properties"):
        return Pass((service.evidence(path),))
    found = rows(service, path)
    foreign = [each for each in found if each == "*" or not in_own_tenant(service, index, f"/subscriptions/{each}")]
    if foreign:
        return Fail((Evidence(path, foreign, "subscriptions of the own tenant"),))
    return Pass((service.evidence(path),))
