"""Azure Cosmos DB: accounts with all their APIs, and MongoDB clusters (vCore)."""

from collections.abc import Iterator

from scanner.model.checks import check_value
from scanner.model.exposure import Auth, Exposure, Lock, Reach, grant, possible, replace, unread
from scanner.model.fix import Edit, Fix
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, objects_at, same, text_at, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import NotApplicable, Unread, Verdict, unknown_value
from scanner.reach.rules.sources import as_possible
from scanner.reach.services.firewall import Firewall, RuleList, firewall, private_endpoints

from .common import by_perimeter, host, local_auth, unless_running

ACCOUNT = ResourceType(
    "Microsoft.DocumentDB/databaseAccounts",
    api="2025-10-15",
    product=Message("Cosmos DB account"),
    unread={
        "second layer of encryption": "A customer-managed key is the second layer.",
        "soft delete": "Microsoft support restores a deleted account from its backup.",
    },
    no_rule=NoRule(region="its regions are those of its list of locations"),
)
CLUSTER = ResourceType(
    "Microsoft.DocumentDB/mongoClusters",
    api="2026-06-01",
    product=Message("Cosmos DB cluster (vCore)"),
    no_rule=NoRule(
        copy="no property says where its backups are, and a replica is a cluster of its own",
        backup="always on, and kept as long as the tier says",
    ),
)
PUBLIC_NETWORK_ACCESS = "properties.publicNetworkAccess"
FILTER = "properties.isVirtualNetworkFilterEnabled"


# No stable version has this read: azure-sdk-for-go armcosmos, generated from 2024-12-01-preview.
PERIMETERS = ACCOUNT.child("networkSecurityPerimeterConfigurations", api="2024-12-01-preview", when=by_perimeter)


def may_have_gateway(account: Resource) -> bool:
    """Return whether an account may have a dedicated gateway: cosmos-db/dedicated-gateway, for the API for NoSQL alone."""
    return keys_remain(account) is not True


SERVICES = ACCOUNT.child("services", when=may_have_gateway)
CLUSTER_RULES = CLUSTER.child(
    "firewallRules", when=lambda cluster: not same(cluster.get(PUBLIC_NETWORK_ACCESS), "Disabled")
)

WITHOUT_FILTER = Firewall(
    empty="open",
    source="cosmos-db/how-to-configure-firewall: without a rule the account accepts requests from the whole internet; Azure Policy "
    "Cosmos_PrivateNetworkAccess flags an absent switch",
    name=Message("Cosmos DB firewall"),
    absent="enabled",
    addresses=(RuleList("properties.ipRules", address="ipAddressOrRange"),),
    instances=(RuleList("properties.networkAclBypassResourceIds", id=""),),
    zero=True,
    bypass="properties.networkAclBypass",
    configurations=PERIMETERS,
)
WITH_FILTER = replace(
    WITHOUT_FILTER,
    empty="closed",
    source="azure-mgmt-cosmosdb: isVirtualNetworkFilterEnabled turns the virtual network rules on, and blocks every "
    "caller that no rule allows",
    subnets=(RuleList("properties.virtualNetworkRules", id="id"),),
)
ONLY_PRIVATE = replace(
    WITHOUT_FILTER,
    empty="closed",
    source="cosmos-db/how-to-configure-private-endpoints, Private Link combined with firewall rules: with private endpoints, and "
    "without public traffic or a service endpoint, an account is accessible through the private endpoints only",
)
CLUSTER_ACL = Firewall(
    empty="closed",
    source='cosmos-db/mongodb/vcore/how-to-public-access: "If no firewall rules are added ... public network access is '
    'disabled"',
    name=Message("MongoDB cluster firewall"),
    addresses=(RuleList(child=CLUSTER_RULES, start="properties.startIpAddress", end="properties.endIpAddress"),),
    zero=True,
    bypass="properties.networkBypassMode",
    # azure-mgmt-mongocluster NetworkBypassMode: the Azure Cosmos DB service itself.
    bypass_trusted=("AzureCosmosDB",),
)
KEYS = local_auth(
    ACCOUNT,
    source="Azure Policy Cosmos_DisableLocalAuth flags an absent value; terraform-provider-azurerm reads it as keys allowed",
    message=Message("accepts account keys"),
)
# disableLocalAuth is documented for NoSQL, Table and Gremlin. The built-in policy 5450f5bd leaves out Mongo and Cassandra,
# for which no lasting effect could be verified.
KEYS_REMAIN = ("enablemongo", "enablecassandra")


# cosmos-db/how-to-configure-private-endpoints, the sub-resources of each API. Analytical and SqlDedicated are others: of
# the analytical store, and of a dedicated gateway.
GROUPS = ("Sql", "MongoDB", "Cassandra", "Gremlin", "Table")
GATEWAY_GROUPS = ("SqlDedicated",)
OTHER_STORE = Unread(
    "properties.privateEndpointConnections",
    Message(
        "whether a private endpoint of the analytical store or of a dedicated gateway closes the public network is not documented"
    ),
)


def without_rules(account: Resource, index: Index, groups: tuple[str, ...]) -> Lock:
    """Return the network lock of an account without a filter.

    With an approved private endpoint and no rule, the private endpoint alone leads in."""
    lock = firewall(account, index, WITHOUT_FILTER, groups=groups)
    if any(account.get(path) != [] for path in ("properties.ipRules", "properties.virtualNetworkRules")):
        return lock
    private = private_endpoints(account, index, WITHOUT_FILTER.endpoints, GROUPS)
    if private.grants:
        return firewall(account, index, ONLY_PRIVATE, groups=groups)
    if private.possible_grants:
        return as_possible(lock, private.possible_grants[0].missing)
    others = private_endpoints(account, index, WITHOUT_FILTER.endpoints)
    open_now = lock.widest is not None and lock.widest.level > Reach.private
    return as_possible(lock, OTHER_STORE) if others.grants and open_now else lock


def reach(account: Resource, index: Index, groups: tuple[str, ...] = GROUPS) -> Lock:
    """Return the network lock. Virtual network rules are used only while the filter is on.

    `groups`: the sub-resources whose private endpoints lead to what is asked for."""
    value = account.get(FILTER)
    if same(value, True):
        return firewall(account, index, WITH_FILTER, groups=groups)
    lock = without_rules(account, index, groups)
    known = is_absent(value) or same(value, False)
    if known or (lock.widest is not None and lock.widest.level == Reach.none):
        return lock
    return as_possible(lock, unknown_value(FILTER, value))


def without_filter(account: Resource) -> Message | None:
    """Return why the account's virtual network rules are not used; None where they are."""
    value = account.get(FILTER)
    if same(value, True):
        return None
    absent = is_absent(value)
    if (absent and account.api_version_unknown) or not (absent or same(value, False)):
        raise Unread(FILTER, Message("the response does not show whether virtual network rules are used"))
    return Message("its virtual network filter is off, so virtual network rules are not used")


def periodic_backup(account: Resource, index: Index) -> Verdict:
    """Fail where an account has periodic backups alone. The API for Cassandra has no others."""
    if "enablecassandra" in (capabilities(account) or []):
        return NotApplicable(Message("the API for Cassandra supports no continuous backup"))
    return check_value(account, "properties.backupPolicy.type", good=("Continuous",), bad=("Periodic",))


def capabilities(account: Resource) -> list[str] | None:
    """Return the names of the account's capabilities in lower case; None where the response does not include them."""
    value = account.get("properties.capabilities")
    names = [value_at(each, "name") for each in value] if isinstance(value, list) else [None]
    return [str(name).lower() for name in names] if all(isinstance(name, str) for name in names) else None


def keys_remain(account: Resource) -> bool | None:
    """Return whether the account's API accepts keys regardless of disableLocalAuth; None for an unknown API."""
    names = capabilities(account)
    if same(account.get("kind"), "MongoDB") or any(name in KEYS_REMAIN for name in names or ()):
        return True
    return False if names is not None and same(account.get("kind"), "GlobalDocumentDB") else None


def authentication(account: Resource) -> Lock:
    lock = KEYS.lock(account)
    if lock.widest is None or lock.widest.level is not Auth.identity:
        return lock
    remains = keys_remain(account)
    if remains is None:
        missing = Unread(Message("kind and properties.capabilities"), Message("the account's API is not known"))
        return lock | possible(
            Auth.shared, missing, account.evidence("kind"), account.evidence("properties.capabilities")
        )
    if not remains:
        return lock
    seen = (account.evidence(KEYS.path), account.evidence("kind"), account.evidence("properties.capabilities"))
    return grant(Auth.shared, *seen, description=Message("accepts account keys, because this API cannot disable them"))


WITHOUT_PUBLIC_ACCESS = Fix(
    commands=("az cosmosdb update --ids {id} --public-network-access DISABLED",),
    changes=(Edit("", PUBLIC_NETWORK_ACCESS, "Disabled"),),
    impact=Message("Clients without a private endpoint lose access."),
)
"""What is left where an API always accepts keys."""


OTHER_SERVICES = ("DataTransfer", "MaterializedViewsBuilder")
"""Services of an account that answer no caller of their own: azure-mgmt-cosmosdb ServiceType."""
WITHOUT_GATEWAY = Message(
    "Move the clients of the gateway to the account's own address, and delete the gateway: `az resource delete --ids {id}`."
)
NOT_DOCUMENTED = Message("whether the network rules of the account apply to its dedicated gateway is not documented")


NO_RULE = {"anonymous-access": "every request requires a key, a resource token or a Microsoft Entra ID token"}


@ACCOUNT.endpoints(
    Endpoint(
        "cosmos",
        "data",
        ports=("tcp/443", "tcp/10000-20000"),
        hosts=(
            "properties.sqlEndpoint",
            "properties.mongoEndpoint",
            "properties.cassandraEndpoint",
            "properties.gremlinEndpoint",
            "properties.tableEndpoint",
            "properties.locations[].documentEndpoint",
            "properties.readLocations[].documentEndpoint",
            "properties.writeLocations[].documentEndpoint",
        ),
        no_rule=NO_RULE,
    ),
    Endpoint("gateway/*", "data", ports=HTTPS, no_rule=NO_RULE),
    reads=(PERIMETERS, SERVICES),
)
def account_endpoints(account: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "cosmos",
        "data",
        reach(account, index),
        authentication(account),
        display_name=Message("The Cosmos DB account"),
        address=host(account, "properties.documentEndpoint"),
        fixes={"authentication": WITHOUT_PUBLIC_ACCESS} if keys_remain(account) else {},
        ports=_ports(account),
    )
    yield from gateways(account, index)


def _ports(account: Resource) -> tuple[str, ...]:
    """Return the ports of the API of an account where it has its own; () for the others."""
    if same(account.get("kind"), "MongoDB"):
        return ("tcp/10255", "tcp/443")
    names = [text_at(each, "name") for each in objects_at(account.body, "properties.capabilities")]
    return ("tcp/10350", "tcp/443") if any(same(each, "EnableCassandra") for each in names) else ()


def gateways(account: Resource, index: Index) -> Iterator[Exposure]:
    """Yield the dedicated gateway of an account, a front end with an address of its own and the keys of the account."""
    children = account.children(SERVICES)
    if children.gap is not None:
        yield unread("gateway/*", "data", children.gap, display_name=Message("The dedicated gateway of the account"))
    for service in children:
        kind = service.get("properties.serviceType")
        if any(same(kind, each) for each in OTHER_SERVICES):
            continue
        # cosmos-db/dedicated-gateway: it needs a private endpoint of its own.
        lock = reach(account, index, GATEWAY_GROUPS)
        yield Exposure(
            f"gateway/{service.name.rsplit('/', 1)[-1]}",
            "data",
            lock
            | possible(
                Reach.internet,
                Unread("properties.serviceType", NOT_DOCUMENTED),
                service.evidence("properties.serviceType"),
            ),
            authentication(account),
            display_name=Message("The dedicated gateway of the account"),
            subject=service,
            address=host(service, "properties.sqlDedicatedGatewayEndpoint"),
            fixes={"network": Fix(steps=(WITHOUT_GATEWAY,))},
        )


def cluster_authentication(cluster: Resource) -> Lock:
    path = "properties.authConfig.allowedModes"
    value, seen = cluster.get(path), cluster.evidence(path, ["MicrosoftEntraID"])
    description = Message("accepts user passwords")
    if is_absent(value):
        # terraform-provider-azurerm mongo_cluster: NativeAuth where authConfig is not set.
        return grant(Auth.shared, seen, description=description)
    if not isinstance(value, list) or not value:
        return possible(Auth.shared, Unread(path, Message("it names no authentication mode")), seen)
    if any(same(each, "NativeAuth") for each in value):
        return grant(Auth.shared, seen, description=description)
    if all(same(each, "MicrosoftEntraID") for each in value):
        return grant(Auth.identity, seen)
    return possible(Auth.shared, unknown_value(path, value), seen)


@CLUSTER.endpoints(
    Endpoint(
        "mongo", "data", ports=("tcp/10260",), no_rule={"anonymous-access": "the cluster always requires a login"}
    ),
    reads=(CLUSTER_RULES,),
)
def cluster_endpoints(cluster: Resource, index: Index) -> Iterator[Exposure]:
    lock = firewall(cluster, index, CLUSTER_ACL)
    exposure = Exposure(
        "mongo", "data", lock, cluster_authentication(cluster), display_name=Message("The MongoDB cluster")
    )
    # azure-mgmt-mongocluster MongoClusterStatus.
    yield unless_running(exposure, cluster, "properties.clusterStatus")


def key_metadata_writes(account: Resource, index: Index) -> Verdict:
    lock = authentication(account)
    if lock.widest is not None and lock.widest.level is Auth.identity and lock.widest_possible is None:
        return NotApplicable(Message("the account does not accept keys"))
    return check_value(account, "properties.disableKeyBasedMetadataWriteAccess", good=(True,), bad=(False,))
