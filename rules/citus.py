"""Azure Cosmos DB for PostgreSQL: the coordinator and the worker nodes of a cluster."""

import re
from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Switch, closed, replace
from scanner.model.index import Index
from scanner.model.json_paths import get_path, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoRule, ResourceType
from scanner.reach.services.firewall import Firewall, RuleList, firewall

from .common import unless_running

# cosmos-db/postgresql/concepts-private-access: a private endpoint leads to one node, usually the coordinator.
# 2022-11-08, the only stable version, has neither authConfig nor dataEncryption.
CLUSTER = ResourceType(
    "Microsoft.DBforPostgreSQL/serverGroupsv2",
    api="2023-03-02-preview",
    product=Message("PostgreSQL cluster"),
    unread={
        "replicas": "A replica is a cluster of its own, with its region.",
    },
    no_rule=NoRule(backup="always on, and kept for 35 days, without a setting"),
)
COORDINATOR = "properties.coordinatorEnablePublicIpAccess"
NODES = "properties.nodeEnablePublicIpAccess"


def rules_count(cluster: Resource) -> bool:
    """Return whether firewall rules may allow callers: one of the two public switches is not off."""
    return not (same(cluster.get(COORDINATOR), False) and same(cluster.get(NODES), False))


FIREWALL = CLUSTER.child("firewallRules", when=rules_count)
ACL = Firewall(
    empty="closed",
    source="cosmos-db/postgresql/concepts-firewall-rules: the firewall blocks all access until a rule allows it; an absent switch counts as "
    "on, because no source says what it means",
    name=Message("Firewall of the cluster"),
    public=COORDINATOR,
    enabled=(True,),
    disabled=(False,),
    secured=(),
    absent="enabled",
    addresses=(RuleList(child=FIREWALL, start="properties.startIpAddress", end="properties.endIpAddress"),),
    zero=True,
)
NODE_ACL = replace(ACL, public=NODES)
PASSWORDS = Switch(
    "properties.authConfig.passwordAuth",
    {"disabled": Auth.identity, "enabled": Auth.shared},
    absent="enabled",
    source="cosmos-db/postgresql/concepts-authentication: each cluster is created with PostgreSQL authentication enabled",
    descriptions={Auth.shared: Message("accepts role passwords")},
)


NO_RULE = {"anonymous-access": "every PostgreSQL session signs in"}


@CLUSTER.endpoints(
    Endpoint("coordinator", "data", ports=("tcp/5432", "tcp/6432"), no_rule=NO_RULE),
    Endpoint("nodes", "data", ports=("tcp/5432", "tcp/6432"), no_rule=NO_RULE),
    reads=(FIREWALL,),
)
def endpoints(cluster: Resource, index: Index) -> Iterator[Exposure]:
    state = "properties.state"
    made = Exposure(
        "coordinator",
        "data",
        firewall(cluster, index, ACL, groups=("coordinator",)),
        PASSWORDS.lock(cluster),
        display_name=Message("The coordinator of the cluster"),
        address=_host(cluster, coordinator=True),
    )
    yield unless_running(made, cluster, state)
    if same(cluster.get("properties.nodeCount"), 0):
        seen = cluster.evidence("properties.nodeCount")
        yield closed(
            "nodes", "data", Message("the cluster has no worker node"), seen, display_name=Message("The worker nodes")
        )
        return
    nodes = Exposure(
        "nodes",
        "data",
        firewall(cluster, index, NODE_ACL, groups=("!coordinator",)),
        PASSWORDS.lock(cluster),
        display_name=Message("The worker nodes of the cluster"),
        address=_host(cluster, coordinator=False),
    )
    yield unless_running(nodes, cluster, state)


def _host(cluster: Resource, *, coordinator: bool) -> str:
    """Return the host name of the coordinator, or of the first worker; "" where none was returned.

    `c-NAME.ID` and `w0-NAME.ID`, of older clusters `c.NAME` and `w0.NAME`: cosmos-db/postgresql/concepts-node-domain-name.
    The examples of the REST specification have `NAME-c` and `NAME-w0`.
    """
    servers = cluster.get("properties.serverNames")
    wanted = _COORDINATOR if coordinator else _WORKER
    for each in servers if isinstance(servers, list) else ():
        host = get_path(each, "fullyQualifiedDomainName")
        if isinstance(host, str) and wanted.match(host):
            return host
    return ""


_COORDINATOR = re.compile(r"c[-.]|[^.]*-c\.", re.IGNORECASE)
_WORKER = re.compile(r"w\d+[-.]|[^.]*-w\d+\.", re.IGNORECASE)
