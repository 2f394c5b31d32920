"""Azure Data Explorer: clusters with their two addresses, IP rules, and the tenants whose users they trust."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Exposure, Hop, Lock, Reach, possible
from scanner.model.fix import Fix
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.severity import Severity
from scanner.model.verdict import (
    Evidence,
    Fail,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    not_a_list,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.paths.open_ports import subnet_port_lock
from scanner.reach.services.firewall import Firewall, RuleList, firewall, private_endpoints

from .common import host, unless_running
from .reasons import NO_BACKUP

CLUSTER = ResourceType(
    "Microsoft.Kusto/clusters",
    api="2025-02-14",
    product=Message("Data Explorer cluster"),
    unread={
        "attachedDatabaseConfigurations": "They name the leader of a follower. Who follows is listed by a POST.",
        "databases": "One list for each cluster. Rights in the whole cluster are evaluated.",
        "enablePurge": "A purge is asked for by someone who may administer the database.",
    },
    no_rule=NoRule(copy="a follower is named by the follower", backup=NO_BACKUP),
)
PRINCIPALS = CLUSTER.child("principalAssignments")
# What a cluster connects to is looked up where another resource has the connection: scanner/reach/networks/managed_endpoints.py.
MANAGED = CLUSTER.child("managedPrivateEndpoints", always=True, keep=("properties.privateLinkResourceId",))
ACL = Firewall(
    empty="open",
    source="azure-mgmt-kusto Cluster.publicNetworkAccess: enabled by default; data-explorer/security-network-restrict-public-access: "
    "addresses may be named, without any every address is allowed (data-explorer/security-network-overview)",
    name=Message("Public network access"),
    absent="enabled",
    addresses=(RuleList("properties.allowedIpRangeList"),),
)
INJECTION = "properties.virtualNetworkConfiguration"
SUBNET = f"{INJECTION}.subnetId"
TENANTS = "properties.trustedExternalTenants"
LEAVE = Fix(
    steps=(
        Message(
            "Filter port 443 of the subnet with its network security group, or take the cluster out of the subnet and disable "
            "public network access"
        ),
    )
)
NAMES = {
    "query": (Message("The query endpoint"), "properties.uri"),
    "ingest": (Message("The ingestion endpoint"), "properties.dataIngestionUri"),
}


def in_subnet(cluster: Resource) -> bool:
    """Return whether the public addresses of a cluster are in a subnet, where its switch decides nothing."""
    return not is_absent(cluster.get(INJECTION)) and not same(cluster.get(f"{INJECTION}.state"), "Disabled")


def network(cluster: Resource, index: Index) -> Lock:
    """Return the network lock. A cluster in a subnet has public addresses there, which its security group filters."""
    subnet = cluster.get(SUBNET)
    if not in_subnet(cluster):
        return firewall(cluster, index, ACL)
    if not isinstance(subnet, str) or not subnet:
        return possible(Reach.internet, not_returned_or_unknown(SUBNET), cluster.evidence(SUBNET))
    inside = subnet_port_lock(
        index, subnet, 443, Hop("switch", Message("Virtual network"), Message("public addresses in a subnet"))
    )
    return inside | private_endpoints(cluster, index, ACL.endpoints)


ALWAYS = "every call carries a token of Microsoft Entra ID"


@CLUSTER.endpoints(
    Endpoint("query", "data", ports=HTTPS, no_rule=ALWAYS),
    Endpoint("ingest", "data", ports=HTTPS, no_rule=ALWAYS),
)
def endpoints(cluster: Resource, index: Index) -> Iterator[Exposure]:
    reach = network(cluster, index)
    for name, (title, path) in NAMES.items():
        exposure = Exposure(
            name,
            "data",
            reach,
            IDENTITY,
            display_name=title,
            address=host(cluster, path),
            fixes={"network": LEAVE} if in_subnet(cluster) else {},
        )
        yield unless_running(exposure, cluster, "properties.state")


# Tenants


def _home(resource: Resource, index: Index) -> str:
    """Return the tenant of the subscription. Raise Unread where it is not known."""
    home = index.subscriptions.get(resource.subscription, "")
    if not home:
        raise Unread(Message("the tenant of the subscription"), Message("not collected"))
    return home


def trusted_tenants(cluster: Resource, index: Index) -> Verdict:
    """Fail where users of every tenant, or of external tenants, may be given rights in a cluster.

    kusto/access-control/cross-tenant-query-and-commands: the default is every tenant, an empty list the own one alone.
    """
    value = cluster.get(TENANTS)
    if is_absent(value):
        if cluster.api_version_unknown or cluster.has_no_properties:
            return unknown(absent_at_unknown_version(TENANTS))
        return Fail((cluster.evidence(TENANTS, []),))
    if not isinstance(value, list):
        return unknown(not_a_list(TENANTS))
    names = [get_path(each, "value") for each in value]
    seen = Evidence(f"{TENANTS}[].value", [each if isinstance(each, str) else None for each in names], [])
    if any(same(each, "*") for each in names):
        return Fail((seen,))
    strange = [each for each in names if not isinstance(each, str) or not each]
    if strange:
        return unknown(unknown_value(seen.path, strange[0]), evidence=(seen,))
    if not names:
        return Pass((cluster.evidence(TENANTS),))
    home = _home(cluster, index)
    if all(index.same_owner(each, home) for each in names):
        return Pass((seen,))
    return Fail((seen,), Message("The cluster trusts users of external tenants"), Severity.low)


def foreign_principal(assignment: Resource, index: Index) -> Verdict:
    """Fail where a user, group or application of an external tenant has rights in the whole cluster."""
    tenant = assignment.require("properties.tenantId")
    if not isinstance(tenant, str) or not tenant:
        return unknown(unknown_value("properties.tenantId", tenant))
    home = _home(assignment, index)
    if index.same_owner(tenant, home):
        return Pass((assignment.evidence("properties.tenantId"),))
    return Fail((assignment.evidence("properties.tenantId", home), assignment.evidence("properties.role")))
