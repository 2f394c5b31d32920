"""Azure Managed Instance for Apache Cassandra: clusters, and the data centers that have their nodes."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Auth, Exposure, Lock, Reach, Switch, closed, possible, replace
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoRule, ResourceType
from scanner.model.verdict import Evidence, Fail, Pass, Unread, Verdict, not_returned_or_unknown, unknown
from scanner.reach.rules.sources import source_hop

from .common import in_subnet, when_started

CLUSTER = ResourceType(
    "Microsoft.DocumentDB/cassandraClusters",
    api="2026-03-15",
    product=Message("Cassandra cluster"),
    unread={
        "a single data center": "Data centers are a choice of latency.",
    },
    no_rule=NoRule(region="its regions are those of its data centers"),
)
DATA_CENTERS = CLUSTER.child("dataCenters")
METHOD = Switch(
    "properties.authenticationMethod",
    {"Cassandra": Auth.shared, "Ldap": Auth.shared, "None": Auth.anonymous},
    absent="Cassandra",
    source="azure-mgmt-cosmosdb AuthenticationMethod: None turns authentication off; Cassandra is the default",
    descriptions={
        Auth.shared: Message("accepts user passwords"),
        Auth.anonymous: Message("requires no authentication"),
    },
)
PASSWORDS_ONLY = Message(
    "Cassandra knows passwords alone, so a cluster that chosen networks alone reach counts as closed"
)


def reach(cluster: Resource, index: Index) -> Lock | None:
    """Return the network lock: the subnets of the data centers; None where there is none."""
    if cluster.has_no_properties:
        return possible(Reach.selected, Unread("properties", cluster.why_absent_is_unknown))
    children = cluster.children(DATA_CENTERS)
    lock = Lock() if children.gap is None else possible(Reach.selected, children.gap)
    for center in children:
        inside = in_subnet(center, index, "properties.delegatedSubnetId")
        lock |= Lock(inside.grants, inside.possible_grants, inside.hops[-1:])
    if not lock.grants and not lock.possible_grants:
        return None
    return Lock(lock.grants, lock.possible_grants, (source_hop(lock), *lock.hops))


@CLUSTER.endpoints(
    Endpoint(
        "cassandra",
        "data",
        ports=("tcp/9042",),
        no_rule={
            "authentication": "Cassandra knows passwords alone, of its own users or of a directory over LDAP",
            "network": "nodes have addresses in delegated subnets alone, and no setting gives them others",
        },
    ),
    reads=(DATA_CENTERS,),
)
def endpoints(cluster: Resource, index: Index) -> Iterator[Exposure]:
    what, lock = Message("The Cassandra cluster"), reach(cluster, index)
    if lock is None:
        yield closed("cassandra", "data", Message("the cluster has no data center"), display_name=what)
        return
    authentication = METHOD.lock(cluster)
    with_passwords = all(level is Auth.shared for level in authentication.levels)
    if authentication.has(Auth.anonymous):
        # Once users sign in, passwords that chosen networks alone reach count as closed.
        authentication = Lock(tuple(replace(each, then=IDENTITY) for each in authentication.grants))
    made = Exposure(
        "cassandra",
        "data",
        lock,
        authentication,
        display_name=what,
        address=_first_node(cluster),
        counts_as_closed_up_to=Reach.selected if with_passwords else Reach.none,
        justification=PASSWORDS_ONLY if with_passwords else NOTHING,
    )
    if not same(cluster.get("properties.deallocated"), True):
        yield made
        return
    yield when_started(made, Evidence("properties.deallocated", cluster.get("properties.deallocated")))


def _first_node(cluster: Resource) -> str:
    """Return the address of a seed node; "" where none was returned."""
    for center in cluster.children(DATA_CENTERS):
        nodes = center.get("properties.seedNodes")
        for each in nodes if isinstance(nodes, list) else ():
            address = get_path(each, "ipAddress")
            if isinstance(address, str) and address:
                return address
    return ""


def not_backed_up(cluster: Resource, index: Index) -> Verdict:
    """Fail where no backup is scheduled: neither in backupSchedules nor by hoursBetweenBackups, which came before them."""
    path, hours = "properties.backupSchedules", cluster.get("properties.hoursBetweenBackups")
    schedules = cluster.get(path)
    if isinstance(schedules, list) and any(get_path(each, "cronExpression") for each in schedules):
        return Pass((Evidence(path, [get_path(each, "scheduleName") for each in schedules]),))
    if isinstance(hours, int) and not isinstance(hours, bool) and hours > 0:
        return Pass((cluster.evidence("properties.hoursBetweenBackups"),))
    if schedules == [] and (is_absent(hours) or same(hours, 0)):
        return Fail((Evidence(path, "none", Message("a schedule")),))
    return unknown(not_returned_or_unknown(path))
