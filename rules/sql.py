"""Azure SQL: logical servers with their databases, and managed instances."""

from collections.abc import Iterator

from msgspec.structs import replace

from scanner.model.bulk_reads import GraphRows
from scanner.model.exposure import Auth, Exposure, Hop, Lock, Reach, Switch, grant, possible
from scanner.model.fix import Fix
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same, text_at
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Children, Resource
from scanner.model.resource_type import Endpoint, Read, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_returned,
    unknown,
    unknown_value,
)
from scanner.reach.paths.open_ports import subnet_port_lock
from scanner.reach.services.firewall import Firewall, RuleList, firewall, injection_subnet, private_endpoints
from scanner.reach.services.perimeters import perimeters

from .common import by_perimeter, listed_logins, secured_by_perimeter, unless_running

API = "2025-01-01"
# Azure/azure-rest-api-specs, Servers_List and ManagedInstances_List: $expand, "The child resources to include in the
# response."
SERVER = ResourceType(
    "Microsoft.Sql/servers",
    api=API,
    expand="administrators/activedirectory",
    product=Message("SQL server"),
    unread={
        "connection policy": "Proxy or redirect is a choice of speed and ports. Both ask for the same sign-in and firewall rules.",
        "dynamic data masking": "It hides columns in query results, and Microsoft says that it is no protection against users who can query.",
        "secure enclaves": "preferredEnclaveType matters to columns with Always Encrypted alone, which only T-SQL shows.",
        "ledger of databases": "Whether a table is a ledger is chosen when it is created. A database without one is no fault.",
        "geo-replicas": "They are databases of servers of their own.",
        "long-term backups": "They follow the redundancy of backups. Retention and immutability are one read for each database.",
        "dropped databases": "They are kept as long as backups.",
    },
)
INSTANCE = ResourceType(
    "Microsoft.Sql/managedInstances",
    api=API,
    expand="administrators/activedirectory",
    product=Message("SQL managed instance"),
    unread={
        "failover groups": "They are listed by region and resource group, not below the instance: one request for each pair.",
        "long-term backups": "Their retention and immutability are one read for each database.",
    },
)
PUBLIC_NETWORK_ACCESS = "properties.publicNetworkAccess"
ENTRA_ONLY = "properties.administrators.azureADOnlyAuthentication"


def rules_count(server: Resource) -> bool:
    """Return whether the server's own rules are used: publicNetworkAccess is not Disabled or SecuredByPerimeter."""
    return not same(server.get(PUBLIC_NETWORK_ACCESS), "Disabled") and not secured_by_perimeter(server)


# The REST specification returns administrators inline with $expand=administrators/activedirectory, and recorded
# responses include them without it. A response that omits them does not mean that there are none.
def entra_only_not_inline(top: Resource) -> bool:
    return not top.has(ENTRA_ONLY)


def admins_not_inline(top: Resource) -> bool:
    return not top.has("properties.administrators")


FIREWALL = SERVER.child("firewallRules", when=rules_count)
IPV6_FIREWALL = SERVER.child("ipv6FirewallRules", when=rules_count)
SUBNETS = SERVER.child("virtualNetworkRules", when=rules_count)
PERIMETERS = SERVER.child("networkSecurityPerimeterConfigurations", when=by_perimeter)
SERVER_ONLY = SERVER.child("azureADOnlyAuthentications", when=entra_only_not_inline)
SERVER_ADMINS = SERVER.child("administrators", when=admins_not_inline)
AUDITING = SERVER.child("auditingSettings/default", one=True, names=("properties.storageEndpoint",))
SUPPORT_AUDITING = SERVER.child(
    "devOpsAuditingSettings/Default", one=True, names=("properties.storageEndpoint",), costly=True
)
DATABASES = SERVER.child(
    "databases",
    graph=GraphRows(
        holds=("sku.tier", "location", "properties.requestedBackupStorageRedundancy", "properties.zoneRedundant"),
        includes=("master",),
    ),
    product=Message("SQL database"),
)
FAILOVER_GROUPS = SERVER.child("failoverGroups")
INSTANCE_ONLY = INSTANCE.child("azureADOnlyAuthentications", when=entra_only_not_inline)
INSTANCE_ADMINS = INSTANCE.child("administrators", when=admins_not_inline)
INSTANCE_DATABASES = INSTANCE.child("databases", costly=True, graph=GraphRows())
INSTANCE_RETENTION = INSTANCE_DATABASES.child("backupShortTermRetentionPolicies/default", one=True, costly=True)


def is_user_database(database: Resource) -> bool:
    return database.name.lower() != "master"


ENCRYPTION = DATABASES.child("transparentDataEncryption/current", one=True, when=is_user_database)
SYNC_GROUPS = DATABASES.child("syncGroups", when=is_user_database, product=Message("Sync group"), costly=True)
RETENTION = DATABASES.child("backupShortTermRetentionPolicies/default", one=True, when=is_user_database, costly=True)

RULES = (FIREWALL, IPV6_FIREWALL, SUBNETS)
SERVER_ACL = Firewall(
    empty="closed",
    source="azure-sql/database/firewall-configure: without a rule the server's firewall allows no one; Azure Policy "
    "SqlServer_PublicNetworkAccess flags an absent switch",
    name=Message("SQL firewall"),
    absent="enabled",
    addresses=(
        RuleList(child=FIREWALL, start="properties.startIpAddress", end="properties.endIpAddress"),
        RuleList(child=IPV6_FIREWALL, start="properties.startIPv6Address", end="properties.endIPv6Address"),
    ),
    subnets=(RuleList(child=SUBNETS, id="properties.virtualNetworkSubnetId"),),
    zero=True,
    configurations=PERIMETERS,
)
INSTANCE_ACL = Firewall(
    empty="closed",
    source="azure-sql/managed-instance/connectivity-architecture-overview: an instance is deployed in its own subnet",
    name="Subnet",
    public="",
    injected=("properties.subnetId",),
)
LOGINS = Switch(
    ENTRA_ONLY,
    {True: Auth.identity, False: Auth.shared},
    descriptions={Auth.shared: Message("accepts SQL logins with a password")},
)


def authentication(top: Resource, only: Read) -> Lock:
    """Return the authentication lock of a server or instance, from the inline switch, else from the list."""
    if top.has(ENTRA_ONLY):
        return LOGINS.lock(top)
    description = LOGINS.descriptions[Auth.shared]
    children = top.children(only)
    listed = listed_logins(LOGINS, children, only, "properties.azureADOnlyAuthentication")
    if listed is not None:
        return listed
    if children.gap is not None and (children.gap.gap or top.has("properties.administrators")):
        return possible(Auth.shared, children.gap, top.evidence(ENTRA_ONLY, True))
    # Entra-only needs an Entra administrator: without any sign of one, only passwords remain.
    return grant(Auth.shared, top.evidence(ENTRA_ONLY, True), description=description)


def lists(server: Resource) -> list[Children]:
    return [server.children(each) for each in RULES]


def server_rules_decide(server: Resource, index: Index) -> bool:
    """Return whether the rules of the server and its databases decide: public network access is on, and no perimeter is
    enforced."""
    value = server.get(PUBLIC_NETWORK_ACCESS)
    on = is_absent(value) or same(value, "Enabled")
    return on and not any(each.decides for each in perimeters(server, index, PERIMETERS).perimeters)


def without_rules(server: Resource, index: Index) -> bool:
    """Return whether its own rules decide, and no server rule was read."""
    return server_rules_decide(server, index) and not any(len(each) for each in lists(server))


HIDDEN = Message(
    "no server rule allows a caller, but rules inside the databases are evaluated first, and only T-SQL shows them "
    "(sys.database_firewall_rules)"
)
OF_DATABASES = Unread(
    Message("the firewall rules of its databases"),
    Message("they are evaluated before those of the server, and only T-SQL shows them (sys.database_firewall_rules)"),
)
SYNAPSE = Fix(
    steps=(
        Message(
            "Fix it at the Synapse workspace that owns this server: Networking > Public network access, and Microsoft Entra ID "
            "> Entra-only authentication"
        ),
    )
)


def of_synapse(server: Resource) -> bool:
    return "analytics" in str(server.get("kind")).lower()


def as_far_as_shown(reach: Lock) -> Lock:
    """Return the same lock, where the description of a closed grant refers to the server's own rules."""
    description = Message("no network by the server's rules, but rules inside the databases are not shown")
    return replace(
        reach, grants=tuple(replace(each, description=description) if not each.level else each for each in reach.grants)
    )


def group_hosts(server: Resource) -> tuple[str, ...]:
    """Return the hosts of the failover groups that lead to a server now (azure-sql/database/failover-group-sql-db)."""
    domain = text_at(server.body, "properties.fullyQualifiedDomainName").partition(".")[2]
    matches: list[str] = []
    for each in server.children(FAILOVER_GROUPS) if domain else ():
        role = each.get("properties.replicationRole")
        if same(role, "Primary"):
            matches.append(f"{each.name}.{domain}")
        elif same(role, "Secondary"):
            matches.append(f"{each.name}.secondary.{domain}")
    return tuple(matches)


NO_RULE = {"anonymous-access": "TDS always requires a login"}


@SERVER.endpoints(
    Endpoint("tds", "data", ports=("tcp/1433", "tcp/11000-11999"), no_rule=NO_RULE),
    reads=(*RULES, PERIMETERS, SERVER_ONLY),
)
def server_endpoints(server: Resource, index: Index) -> Iterator[Exposure]:
    synapse = of_synapse(server)
    hidden = without_rules(server, index)
    reach = firewall(server, index, SERVER_ACL)
    yield Exposure(
        "tds",
        "data",
        as_far_as_shown(reach) if hidden else reach,
        authentication(server, SERVER_ONLY),
        display_name=Message("The SQL server of a Synapse workspace") if synapse else Message("The SQL server"),
        address=text_at(server.body, "properties.fullyQualifiedDomainName"),
        hosts=group_hosts(server),
        fixes=dict.fromkeys(("network", "authentication"), SYNAPSE) if synapse else {},
        hidden_rules=HIDDEN if hidden else NOTHING,
        further_rules=OF_DATABASES if server_rules_decide(server, index) else None,
    )


def inside(instance: Resource, index: Index) -> Lock:
    """Return the network lock of an instance: always reachable in its subnet, and through private endpoints."""
    if injection_subnet(instance, "properties.subnetId"):
        reach = firewall(instance, index, INSTANCE_ACL)
    else:
        reach = grant(
            Reach.private, instance.evidence("properties.subnetId"), hops=(Hop("subnet", Message("its subnet")),)
        )
    return reach | private_endpoints(instance, index, INSTANCE_ACL.endpoints)


PUBLIC_PORT = 3342


def outside(instance: Resource, index: Index) -> Lock:
    """Return the network lock of port 3342: no one while it is off, else by the network security group of the subnet."""
    path = "properties.publicDataEndpointEnabled"
    value, seen = instance.get(path), instance.evidence(path, False)
    if same(value, False):
        return grant(
            Reach.none, seen, hops=(Hop("switch", Message("Public data endpoint"), Message("off"), allows=False),)
        )
    subnet = instance.get("properties.subnetId")
    if same(value, True) and isinstance(subnet, str) and subnet:
        return subnet_port_lock(
            index, subnet, PUBLIC_PORT, Hop("switch", Message("Public data endpoint"), Message("on"))
        )
    gone = is_absent(value)
    unclear = not_returned(path) if gone else unknown_value(path, value)
    missing = not_returned("properties.subnetId") if same(value, True) else unclear
    return possible(
        Reach.internet, missing, seen, hops=(Hop("switch", Message("Public data endpoint"), missing.why, allows=None),)
    )


@INSTANCE.endpoints(
    Endpoint(
        "tds",
        "data",
        ports=("tcp/1433", "tcp/11000-11999"),
        no_rule={
            "anonymous-access": "TDS always requires a login",
            "network": "it is reachable inside the instance's subnet only",
        },
    ),
    Endpoint("tds-public", "data", ports=("tcp/3342",), no_rule=NO_RULE),
    reads=(INSTANCE_ONLY,),
)
def instance_endpoints(instance: Resource, index: Index) -> Iterator[Exposure]:
    lock = authentication(instance, INSTANCE_ONLY)
    private = Exposure(
        "tds",
        "data",
        inside(instance, index),
        lock,
        display_name=Message("The managed instance in its subnet"),
        address=text_at(instance.body, "properties.fullyQualifiedDomainName"),
    )
    public = Exposure(
        "tds-public",
        "data",
        outside(instance, index),
        lock,
        display_name=Message("The managed instance's public endpoint"),
    )
    # azure-sql/managed-instance/instance-stop-start-how-to: a stopped instance has the state Stopped.
    for exposure in (private, public):
        yield unless_running(exposure, instance, "properties.state")


def public_endpoint_without_rules(server: Resource, index: Index) -> Verdict:
    value, seen = server.get(PUBLIC_NETWORK_ACCESS), server.evidence(PUBLIC_NETWORK_ACCESS, "Disabled")
    if same(value, "Disabled"):
        return Pass((seen,))
    if secured_by_perimeter(server):
        return NotApplicable(Message("a network security perimeter controls access, not the server's rules"))
    around = perimeters(server, index, PERIMETERS)
    if any(each.decides for each in around.perimeters):
        return NotApplicable(Message("an enforced network security perimeter controls access, not the server's rules"))
    children = lists(server)
    if any(len(each) for each in children):
        return NotApplicable(Message("the server has rules for its public endpoint"))
    missing = [each.gap for each in children if each.gap is not None]
    if not is_absent(value) and not same(value, "Enabled"):
        missing.append(unknown_value(PUBLIC_NETWORK_ACCESS, value))
    if around.missing is not None:
        missing.append(around.missing)
    if missing:
        return unknown(*missing, evidence=(seen,))
    return Fail((seen, *(Evidence(each.path, "0 rules") for each in RULES)))


def entra_admin(top: Resource, index: Index, *, administrators: Read) -> Verdict:
    """Fail where no Microsoft Entra administrator is set, inline or in the list of administrators."""
    path = "properties.administrators.login"
    if top.has("properties.administrators"):
        login = top.require(path)
        if not isinstance(login, str) or not login:
            return unknown(unknown_value(path, login), evidence=(top.evidence(path),))
        return Pass((top.evidence(path),))
    children = top.children(administrators)
    for each in children:
        return Pass((Evidence(f"administrators/{each.name}", "present"),))
    if children.gap is not None and children.gap.gap:
        return unknown(children.gap, evidence=(top.evidence(path),))
    return Fail((top.evidence(path, Message("a Microsoft Entra group or user")),))
