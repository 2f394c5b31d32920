"""Oracle Database@Azure: autonomous databases. Exadata VM clusters have addresses in a delegated subnet alone."""

from collections.abc import Iterator

from scanner.model.exposure import SHARED, Exposure, Lock, Reach, possible
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, is_list_of_texts, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoRule, ResourceType
from scanner.model.verdict import not_a_list
from scanner.reach.services.firewall import Firewall, RuleList, firewall, injection_subnet

from .common import host, unless_running
from .reasons import KEY_IN_ORACLE, LOG_IN_ORACLE, ZONES_NOT_READ

DATABASE = ResourceType(
    "Oracle.Database/autonomousDatabases",
    api="2025-09-01",
    product=Message("Oracle database"),
    no_rule=NoRule(
        copy="backups and logs are in Oracle's cloud, and a peer is a database of its own",
        key=KEY_IN_ORACLE,
        log=LOG_IN_ORACLE,
    ),
)
VM_CLUSTER = ResourceType(
    "Oracle.Database/cloudVmClusters",
    api="2025-09-01",
    product=Message("Exadata VM cluster"),
    no_rule=NoRule(
        copy="backups and logs are in Oracle's cloud",
        key=KEY_IN_ORACLE,
        log=LOG_IN_ORACLE,
        backup="its backups are in Oracle's cloud, not in ARM",
        zone=ZONES_NOT_READ,
    ),
)
SUBNET = "properties.subnetId"
ALLOWED = "properties.whitelistedIps"
ACL = Firewall(
    empty="open",
    source="docs.oracle.com, Autonomous Database, Configure Network Access: a database is reachable from everywhere unless it has a private "
    "endpoint or an access control list",
    name=Message("Access control list"),
    public="",
    addresses=(RuleList(ALLOWED, address=""),),
    endpoints=None,
    injected=(SUBNET,),
)
PASSWORDS_ONLY = Message(
    "no setting of Azure refuses passwords of database users, so what chosen networks alone reach counts as closed"
)


def reach(database: Resource, index: Index) -> Lock:
    """Return the network lock. A list that cannot be read may be empty, which allows every address."""
    lock = firewall(database, index, ACL)
    value = database.get(ALLOWED)
    if injection_subnet(database, SUBNET) or is_absent(value) or is_list_of_texts(value):
        return lock
    return lock | possible(Reach.internet, not_a_list(ALLOWED), database.evidence(ALLOWED))


@DATABASE.endpoints(
    Endpoint(
        "database",
        "data",
        ports=("tcp/1521", "tcp/1522", "tcp/443"),
        no_rule={
            "anonymous-access": "every session signs in",
            "authentication": "no setting of Azure refuses passwords of database users",
        },
    ),
)
def endpoints(database: Resource, index: Index) -> Iterator[Exposure]:
    made = Exposure(
        "database",
        "data",
        reach(database, index),
        SHARED,
        display_name=Message("The Oracle database"),
        address=text_at(database.body, "properties.privateEndpoint")
        or host(database, "properties.connectionUrls.ordsUrl"),
        counts_as_closed_up_to=Reach.selected,
        justification=PASSWORDS_ONLY,
    )
    yield unless_running(made, database, "properties.lifecycleState")
