"""Azure Kubernetes Service: the API server of a cluster, and how the cluster itself is governed."""

from collections.abc import Iterator

from scanner.model.addresses import AddressSet, BadAddress, parse, union
from scanner.model.exposure import Exposure, Grant, Hop, Lock, PossibleGrant, Reach, grant, possible, replace
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, same
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    not_a_list,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.firewall import Firewall, firewall
from scanner.reach.sources import (
    MAX_LISTED,
    as_possible,
    grant_from_addresses,
    grant_from_tag,
    join_with_and,
    private_range_evidence,
    source_hop,
)

from .common import ISO, LEARN, MCSB, NIST

CLUSTER = ResourceType(
    "Microsoft.ContainerService/managedClusters",
    api="2025-10-01",
    keep=(
        "properties.fqdn",
        "properties.privateFQDN",
        "properties.apiServerAccessProfile",
        "properties.disableLocalAccounts",
        "properties.aadProfile.managed",
        "properties.aadProfile.enableAzureRBAC",
        "properties.enableRBAC",
        "properties.agentPoolProfiles[].name",
        "properties.agentPoolProfiles[].enableNodePublicIP",
    ),
)

PRIVATE = "properties.apiServerAccessProfile.enablePrivateCluster"
RANGES = "properties.apiServerAccessProfile.authorizedIPRanges"

# The API server has no public switch of its own: properties.publicNetworkAccess is never returned and says nothing.
SERVER = Firewall(
    empty="open",
    source="aks/api-server-authorized-ip-ranges: without ranges the API server is reachable from everywhere",
    name="Authorized address ranges",
    public="",
    endpoints=None,
)
ACCOUNTS = CLUSTER.local_auth(
    "properties.disableLocalAccounts",
    off=(True,),
    on=(False,),
    absent=False,
    source="aks/local-accounts: local accounts are enabled by default",
    says="a copy of its local administrator certificate opens it",
)


def authorized(cluster: Resource, index: Index) -> Lock:
    """Whom the authorized ranges let in: addresses, or a service tag; none at all is everybody.

    0.0.0.0/32 stands for the cluster's own way out and adds nobody.
    """
    value = cluster.get(RANGES)
    if value in (MISSING, None):
        value = []
    if not isinstance(value, list):
        missing = not_a_list(RANGES)
        return possible(Reach.internet, missing, hops=(Hop("firewall", SERVER.name, missing.why, allows=None),))
    seen = cluster.evidence(RANGES, "the ranges that are yours")
    if not value:
        return grant(Reach.internet, seen, hops=(Hop("firewall", SERVER.name, "none"),))
    found: list[AddressSet] = []
    ways: list[Grant] = []
    possible_grants: list[PossibleGrant] = []
    for entry in value:
        if isinstance(entry, str) and entry[:1].isalpha() and ":" not in entry:
            named, tag = grant_from_tag(entry, Evidence(RANGES, entry))
            if named is not None:
                ways.append(replace(named, description=f"{tag.why} (the service tag {tag.name})"))
            continue
        try:
            found.append(parse(entry))
        except BadAddress as bad:
            possible_grants.append(PossibleGrant(Reach.internet, Unread(RANGES, str(bad))))
    shown = Evidence(
        RANGES, value if len(value) <= MAX_LISTED else [*value[:MAX_LISTED], f"and {len(value) - MAX_LISTED} more"]
    )
    own = grant_from_addresses(union(found), index, shown, *private_range_evidence(RANGES, union(found)))
    ways += [own] if own is not None else []
    detail = join_with_and([each.description or each.level.name for each in ways]) or "nobody but the cluster itself"
    hop = Hop("firewall", SERVER.name, detail, allows=True if ways else None if possible_grants else False)
    if not ways and not possible_grants:
        ways = [Grant(Reach.none, (shown,))]
    return Lock(tuple(ways), tuple(possible_grants), (hop,))


def reach_of(cluster: Resource, index: Index) -> Lock:
    """Who can reach the API server: a private cluster has no public side, whatever else is set."""
    private = cluster.get(PRIVATE)
    inside = grant(Reach.private, cluster.evidence(PRIVATE, True))
    if same(private, True):
        hop = Hop("private-cluster", "Private cluster", "the API server has a private address")
        return replace(inside, hops=(source_hop(inside), hop))
    usual = firewall(cluster, index, SERVER, authorized(cluster, index))
    if private is MISSING or private is None or same(private, False):
        return usual
    strange = unknown_value(PRIVATE, private)
    return as_possible(usual, strange) | possible(Reach.private, strange)


def address(cluster: Resource) -> str:
    names = (cluster.get("properties.fqdn"), cluster.get("properties.privateFQDN"))
    return next((name for name in names if isinstance(name, str) and name), "")


@CLUSTER.endpoints(admin=("api-server",))
def endpoints(cluster: Resource, index: Index) -> Iterator[Exposure]:
    reach = reach_of(cluster, index)
    yield Exposure(
        "api-server", "admin", reach, ACCOUNTS.lock(cluster), display_name="The API server", address=address(cluster)
    )


UPDATE = "az aks update --name {name} --resource-group {group} --subscription {subscription}"
SHOW = "az aks show --name {name} --resource-group {group} --subscription {subscription} --query"
PAGE = "kubernetes_cluster"

CLUSTER.lock(
    "aks-local-accounts",
    "authentication",
    "The cluster accepts its local administrator certificate",
    only=("api-server",),
    why="The certificate of the local administrator may do everything in the cluster, names nobody, and cannot be taken back one by one: "
    "only a rotation of all certificates ends a copy.",
    fix=Fix(
        az=f"{UPDATE} --disable-local-accounts",
        first_step=f"{SHOW} properties.aadProfile",
        breaks="Scripts and pipelines that use the administrator's kubeconfig. The cluster needs Entra ID first; rotate its certificates after.",
        bicep="disableLocalAccounts: true",
        terraform="azurerm_kubernetes_cluster.local_account_disabled = true",
        terraform_page=PAGE,
        portal="Kubernetes service > Cluster configuration > Kubernetes local accounts: off",
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-3", "IA-2"), ISO: ("A.5.16",)},
    references=(f"{LEARN}/aks/local-accounts",),
)
CLUSTER.lock(
    "aks-open-api-server",
    "network",
    "The API server answers networks that are not yours",
    only=("api-server",),
    why="The API server governs everything that runs in the cluster. Open to the world, one stolen token or one flaw in it is enough.",
    fix=Fix(
        az=f"{UPDATE} --api-server-authorized-ip-ranges 203.0.113.0/24",
        first_step=f"{SHOW} properties.apiServerAccessProfile",
        breaks="Callers outside the ranges: put the addresses of offices, build agents and the cluster's own way out in place of the example.",
        bicep="apiServerAccessProfile: { authorizedIPRanges: [ '203.0.113.0/24' ] }",
        terraform="azurerm_kubernetes_cluster.api_server_access_profile.authorized_ip_ranges",
        terraform_page=PAGE,
        portal="Kubernetes service > Networking > Resource settings > Set authorized IP ranges",
        cost=2,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)},
    references=(f"{LEARN}/aks/api-server-authorized-ip-ranges",),
)


@CLUSTER.rule(
    "aks-node-public-ip",
    "network",
    "Nodes of the cluster have public addresses",
    severity="medium",
    source='azure-mgmt-containerservice ManagedClusterAgentPoolProfile.enableNodePublicIP: "The default is false."',
    why="A node with a public address of its own is one rule of a network security group away from the internet, SSH and kubelet included.",
    fix=Fix(
        az="az aks nodepool add --cluster-name {name} --resource-group {group} --subscription {subscription} --name NEWPOOL",
        first_step="az aks nodepool list --cluster-name {name} --resource-group {group} --subscription {subscription} --output table",
        breaks="It cannot be changed on a pool: add a pool without public addresses, move the workloads, delete the old pool.",
        bicep="agentPoolProfiles: [ { enableNodePublicIP: false } ]",
        terraform="azurerm_kubernetes_cluster.default_node_pool.node_public_ip_enabled = false",
        terraform_page=PAGE,
        portal="Kubernetes service > Node pools > Add node pool > Enable public IP per node: off",
        cost=3,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7")},
    references=(f"{LEARN}/aks/use-node-public-ips",),
)
def node_public_ip(cluster: Resource, index: Index) -> Verdict:
    path = "properties.agentPoolProfiles[].enableNodePublicIP"
    pools = cluster.require("properties.agentPoolProfiles")
    if not isinstance(pools, list) or not pools:
        return unknown(Unread("properties.agentPoolProfiles", "the answer held no node pool"))
    values = {str(get_path(pool, "name")): get_path(pool, "enableNodePublicIP") for pool in pools}
    public = [name for name, value in values.items() if same(value, True)]
    if public:
        return Fail((Evidence(path, public, "no pool"),))
    off = (MISSING, None) if not cluster.why_absent_is_unknown else ()
    undecided = [name for name, value in values.items() if not same(value, False) and value not in off]
    if undecided:
        return unknown(Unread(path, f"the answer did not hold it for {join_with_and(undecided)}"))
    return Pass((Evidence(path, [False for _ in pools], False),))


@CLUSTER.rule(
    "aks-no-entra",
    "governance",
    "The cluster does not know Entra ID",
    severity="medium",
    source="azure-policy 450d2877: a cluster without aadProfile is not compliant; terraform reads an absent one as none",
    why="Without Entra ID people come in with certificates: nobody is named in the log, and nobody loses access when he leaves.",
    fix=Fix(
        az=f"{UPDATE} --enable-aad",
        first_step=f"{SHOW} properties.aadProfile",
        breaks="It cannot be undone. Kubeconfigs made before must be fetched again; name a group of administrators in the same step.",
        bicep="aadProfile: { managed: true, enableAzureRBAC: true }",
        terraform="azurerm_kubernetes_cluster.azure_active_directory_role_based_access_control",
        terraform_page=PAGE,
        portal="Kubernetes service > Cluster configuration > Authentication and authorization",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-2", "IA-2")},
    references=(f"{LEARN}/aks/enable-authentication-microsoft-entra-id",),
)
def no_entra(cluster: Resource, index: Index) -> Verdict:
    seen = cluster.evidence("properties.aadProfile")
    if seen.value is None or cluster.get("properties.aadProfile") is MISSING:
        return Fail((cluster.evidence("properties.aadProfile", "a profile"),))
    if not isinstance(seen.value, dict):
        return unknown(Unread("properties.aadProfile", "this is no profile"))
    return Pass((Evidence("properties.aadProfile", "set", "a profile"),))


@CLUSTER.rule(
    "aks-no-azure-rbac",
    "governance",
    "Roles in the cluster are not governed by Azure",
    severity="low",
    why="Roles that stand in the cluster alone are seen by no review of access, and stay when a person's other rights end.",
    fix=Fix(
        az=f"{UPDATE} --enable-azure-rbac",
        first_step="az role assignment list --scope {id} --include-inherited --output table",
        breaks="People whose rights come from Kubernetes role bindings keep them; grant the Azure roles before the bindings are taken away.",
        bicep="aadProfile: { enableAzureRBAC: true }",
        terraform="azurerm_kubernetes_cluster.azure_active_directory_role_based_access_control.azure_rbac_enabled = true",
        terraform_page=PAGE,
        portal="Kubernetes service > Cluster configuration > Microsoft Entra ID authentication with Azure RBAC",
        cost=2,
    ),
    controls={MCSB: ("PA-7",), NIST: ("AC-3",)},
    references=(f"{LEARN}/aks/manage-azure-rbac",),
)
def no_azure_rbac(cluster: Resource, index: Index) -> Verdict:
    profile = cluster.get("properties.aadProfile")
    if profile is MISSING or profile is None:
        if cluster.api_version_unknown:
            return unknown(absent_at_unknown_version("properties.aadProfile"))
        return NotApplicable("the cluster does not know Entra ID")
    path = "properties.aadProfile.enableAzureRBAC"
    value = cluster.get(path)
    seen = cluster.evidence(path, True)
    if same(value, True):
        return Pass((seen,))
    if same(value, False):
        return Fail((seen,))
    return unknown(not_returned_or_unknown(path), evidence=(seen,))


CLUSTER.setting(
    "aks-rbac-off",
    "governance",
    "Everybody who gets into the cluster may do everything",
    "properties.enableRBAC",
    allowed=(True,),
    severity="high",
    why="Without Kubernetes RBAC there are no roles: every account that the cluster knows, each workload's own included, governs all of it.",
    fix=Fix(
        az="az aks create --name NEW --resource-group {group} --subscription {subscription} --enable-aad --enable-azure-rbac",
        breaks="It cannot be changed afterwards: make a new cluster and move the workloads.",
        bicep="enableRBAC: true",
        terraform="azurerm_kubernetes_cluster.role_based_access_control_enabled = true",
        terraform_page=PAGE,
        portal="Create a Kubernetes cluster > Authentication and authorization",
        cost=3,
    ),
    controls={MCSB: ("PA-7",), NIST: ("AC-3",)},
    references=(f"{LEARN}/aks/concepts-identity",),
)
CLUSTER.setting(
    "aks-run-command-on",
    "governance",
    "Commands can be run in the cluster through Azure Resource Manager",
    "properties.apiServerAccessProfile.disableRunCommand",
    allowed=(True,),
    absent=False,
    source="terraform-provider-azurerm reads an absent disableRunCommand as false; azure-policy 89f2d532 flags absence",
    severity="low",
    why="Whoever has a certain right in Azure runs commands inside the cluster as its administrator, also in a private one, past every network "
    "rule. Keep it only if it is the planned way in for emergencies.",
    fix=Fix(
        az=f"{UPDATE} --disable-run-command",
        breaks="`az aks command invoke`, and pipelines that use it.",
        bicep="apiServerAccessProfile: { disableRunCommand: true }",
        terraform="azurerm_kubernetes_cluster.run_command_enabled = false",
        terraform_page=PAGE,
        portal="Kubernetes service > Run command (it can be switched off by command only)",
    ),
    controls={MCSB: ("PV-2",), NIST: ("CM-7",)},
    references=(f"{LEARN}/aks/access-private-cluster",),
)
