"""Azure Cosmos DB: accounts with all their APIs, and MongoDB clusters (vCore)."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock, Reach, grant, possible
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, same
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType
from scanner.model.verdict import Fail, Pass, Unknown, Unread, Verdict, unknown_value
from scanner.reach.firewall import Firewall, RuleList, firewall
from scanner.reach.sources import as_possible

from .common import (
    ISO,
    LEARN,
    MCSB,
    NIST,
    pending_private_endpoint,
    perimeter_only_learns,
    strange_private_endpoint,
    strange_subnet,
)

ACCOUNT = ResourceType("Microsoft.DocumentDB/databaseAccounts", api="2025-10-15")
CLUSTER = ResourceType("Microsoft.DocumentDB/mongoClusters", api="2026-06-01")
PUBLIC = "properties.publicNetworkAccess"
FILTER = "properties.isVirtualNetworkFilterEnabled"


def by_perimeter(account: Resource) -> bool:
    return same(account.get(PUBLIC), "SecuredByPerimeter")


# No stable version has this read: azure-sdk-for-go armcosmos, generated from 2024-12-01-preview.
PERIMETERS = ACCOUNT.child("networkSecurityPerimeterConfigurations", api="2024-12-01-preview", when=by_perimeter)
CLUSTER_RULES = CLUSTER.child("firewallRules", when=lambda cluster: not same(cluster.get(PUBLIC), "Disabled"))

IP_RULES = RuleList("properties.ipRules", address="ipAddressOrRange")
SUBNETS = RuleList("properties.virtualNetworkRules", id="id")
BYPASS = RuleList("properties.networkAclBypassResourceIds", id="")
SOURCE = (
    "cosmos-db/how-to-configure-firewall: without a rule the account takes requests from the whole internet; Azure Policy "
    "Cosmos_PrivateNetworkAccess flags an absent switch"
)
WITHOUT_FILTER = Firewall(
    empty="open",
    source=SOURCE,
    name="Cosmos DB firewall",
    absent="enabled",
    addresses=(IP_RULES,),
    instances=(BYPASS,),
    zero=True,
    bypass="properties.networkAclBypass",
    configurations=PERIMETERS,
)
WITH_FILTER = Firewall(
    empty="closed",
    source="azure-mgmt-cosmosdb: isVirtualNetworkFilterEnabled turns the virtual network rules on, and the account off for "
    "everybody that no rule names",
    name="Cosmos DB firewall",
    absent="enabled",
    addresses=(IP_RULES,),
    subnets=(SUBNETS,),
    instances=(BYPASS,),
    zero=True,
    bypass="properties.networkAclBypass",
    configurations=PERIMETERS,
)
CLUSTER_ACL = Firewall(
    empty="closed",
    source='cosmos-db/mongodb/vcore/how-to-public-access: "If no firewall rules are added ... public network access is '
    'disabled"',
    name="MongoDB cluster firewall",
    addresses=(RuleList(child=CLUSTER_RULES, start="properties.startIpAddress", end="properties.endIpAddress"),),
    zero=True,
    bypass="properties.networkBypassMode",
)
KEYS = ACCOUNT.local_auth(
    "properties.disableLocalAuth",
    off=(True,),
    on=(False,),
    absent=False,
    source="Azure Policy Cosmos_DisableLocalAuth flags an absent value; terraform-provider-azurerm reads it as keys allowed",
    says="an account key opens it",
)
# Which APIs obey disableLocalAuth: documented for NoSQL, Table and Gremlin; the built-in policy 5450f5bd leaves out Mongo
# and Cassandra, for which no lasting effect could be verified.
KEYS_STAY = ("enablemongo", "enablecassandra")


def reach(account: Resource, index: Index) -> Lock:
    """Rules of subnets count only while the filter is on; left over without it, they close nothing."""
    value = account.get(FILTER)
    if same(value, True):
        return firewall(account, index, WITH_FILTER)
    lock = firewall(account, index, WITHOUT_FILTER)
    known = value is MISSING or value is None or same(value, False)
    if known or (lock.widest is not None and lock.widest.level == Reach.none):
        return lock
    return as_possible(lock, unknown_value(FILTER, value))


def without_filter(account: Resource) -> str | None:
    """Why the account's rules for virtual networks decide nothing, None where they do."""
    value = account.get(FILTER)
    if same(value, True):
        return None
    absent = value is MISSING or value is None
    if (absent and account.api_version_unknown) or not (absent or same(value, False)):
        raise Unread(FILTER, "it does not say whether the rules for virtual networks count")
    return "its filter for virtual networks is off, so no such rule decides"


def capabilities(account: Resource) -> list[str] | None:
    """The names of the account's capabilities in lower case, None where the answer does not hold them."""
    value = account.get("properties.capabilities")
    names = [get_path(each, "name") for each in value] if isinstance(value, list) else [None]
    return [str(name).lower() for name in names] if all(isinstance(name, str) for name in names) else None


def keys_stay(account: Resource) -> bool | None:
    """Whether the account's API takes keys whatever disableLocalAuth says; None where the API is not known."""
    names = capabilities(account)
    if same(account.get("kind"), "MongoDB") or any(name in KEYS_STAY for name in names or ()):
        return True
    return False if names is not None and same(account.get("kind"), "GlobalDocumentDB") else None


def authentication(account: Resource) -> Lock:
    lock = KEYS.lock(account)
    if lock.widest is None or lock.widest.level is not Auth.identity:
        return lock
    stay = keys_stay(account)
    if stay is None:
        missing = Unread("kind and properties.capabilities", "which API the account has is not known")
        return lock | possible(
            Auth.shared, missing, account.evidence("kind"), account.evidence("properties.capabilities")
        )
    if not stay:
        return lock
    seen = (account.evidence(KEYS.path), account.evidence("kind"), account.evidence("properties.capabilities"))
    return grant(Auth.shared, *seen, description="an account key opens it, since this API cannot do without")


def host(account: Resource) -> str:
    value = account.get("properties.documentEndpoint")
    return value.removeprefix("https://").split("/")[0].split(":")[0] if isinstance(value, str) else ""


CLOSE = "az cosmosdb update --ids {id} --public-network-access DISABLED"


@ACCOUNT.endpoints(data=("cosmos",), reads=(PERIMETERS,))
def account_endpoints(account: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "cosmos",
        "data",
        reach(account, index),
        authentication(account),
        display_name="The Cosmos DB account",
        address=host(account),
        fix_instruction=CLOSE if keys_stay(account) else "",
    )


def cluster_asks(cluster: Resource) -> Lock:
    path = "properties.authConfig.allowedModes"
    value, seen = cluster.get(path), cluster.evidence(path, ["MicrosoftEntraID"])
    says = "a user's name and password open it"
    if value is MISSING or value is None:
        # terraform-provider-azurerm mongo_cluster: NativeAuth where authConfig is not set.
        return grant(Auth.shared, seen, description=says)
    if not isinstance(value, list) or not value:
        return possible(Auth.shared, Unread(path, "this names no way to sign in"), seen)
    if any(same(each, "NativeAuth") for each in value):
        return grant(Auth.shared, seen, description=says)
    if all(same(each, "MicrosoftEntraID") for each in value):
        return grant(Auth.identity, seen)
    return possible(Auth.shared, unknown_value(path, value), seen)


@CLUSTER.endpoints(data=("mongo",), reads=(CLUSTER_RULES,))
def cluster_endpoints(cluster: Resource, index: Index) -> Iterator[Exposure]:
    lock = firewall(cluster, index, CLUSTER_ACL)
    yield Exposure("mongo", "data", lock, cluster_asks(cluster), display_name="The MongoDB cluster")


UPDATE = "az cosmosdb update --ids {id}"
PAGE = "cosmosdb_account"
CLUSTER_PAGE = "mongo_cluster"
OPEN = {MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)}
LOGIN = {MCSB: ("IM-1",), NIST: ("AC-3", "IA-2"), ISO: ("A.5.17",)}
OWN_KEY = {MCSB: ("DP-5",), NIST: ("SC-12",), ISO: ("A.8.24",)}

ACCOUNT.lock(
    "cosmos-account-keys",
    "authentication",
    "Cosmos DB accepts account keys",
    only=("cosmos",),
    why="An account key reads and writes everything, never expires and names nobody. For the MongoDB and Cassandra APIs "
    "we could not verify that the switch turns it off, so there the network is the lock to close.",
    fix=Fix(
        az="az resource update --ids {id} --set properties.disableLocalAuth=true",
        first_step="az cosmosdb sql role assignment list --account-name {name} --resource-group {group}",
        breaks="Every client that uses a key or a connection string; the data explorer of the portal with keys.",
        bicep="disableLocalAuth: true",
        terraform="azurerm_cosmosdb_account.local_authentication_disabled = true",
        terraform_page=PAGE,
        portal="Cosmos DB account > Settings > Features; there is no switch in the portal for every API",
        cost=2,
    ),
    controls=LOGIN,
    references=(f"{LEARN}/cosmos-db/how-to-setup-rbac",),
)
ACCOUNT.lock(
    "cosmos-open-network",
    "network",
    "Cosmos DB answers networks that are not yours",
    only=("cosmos",),
    why="A key or a token is the only lock that is left, and it works from anywhere. The entry 0.0.0.0 admits the machines "
    "of every other customer of Azure.",
    fix=Fix(
        az=CLOSE,
        first_step="az cosmosdb network-rule list --name {name} --resource-group {group}",
        breaks="Callers without a private endpoint. To keep some, name their addresses: az cosmosdb update --ip-range-filter.",
        bicep="publicNetworkAccess: 'Disabled'",
        terraform="azurerm_cosmosdb_account.public_network_access_enabled = false",
        terraform_page=PAGE,
        portal="Cosmos DB account > Networking > Public network access: Selected networks, or Disabled",
        cost=2,
    ),
    controls=OPEN,
    references=(f"{LEARN}/cosmos-db/how-to-configure-firewall",),
)
perimeter_only_learns(ACCOUNT, "cosmos-perimeter-only-learning", "the Cosmos DB account", PERIMETERS)
pending_private_endpoint(ACCOUNT, "cosmos-private-endpoint-pending", "Cosmos DB")
strange_private_endpoint(ACCOUNT, "cosmos-private-endpoint-of-strangers", "Cosmos DB")
strange_subnet(
    ACCOUNT,
    "cosmos-subnet-of-strangers",
    "Cosmos DB",
    WITH_FILTER,
    "az cosmosdb network-rule remove --name {name} --resource-group {group} --subnet SUBNET_ID",
    "az cosmosdb network-rule list --name {name} --resource-group {group}",
    without_filter,
)

ACCOUNT.setting(
    "cosmos-old-tls",
    "transport",
    "Cosmos DB accepts old TLS versions",
    "properties.minimalTlsVersion",
    allowed=("Tls12", "Tls13"),
    bad=("Tls", "Tls11"),
    severity="medium",
    why="TLS 1.0 and 1.1 rest on ciphers that are broken, and somebody on the way can make a client fall back to them.",
    fix=Fix(
        az=f"{UPDATE} --minimal-tls-version Tls12",
        breaks="SDKs that are older than TLS 1.2.",
        bicep="minimalTlsVersion: 'Tls12'",
        terraform='azurerm_cosmosdb_account.minimal_tls_version = "Tls12"',
        terraform_page=PAGE,
        portal="Cosmos DB account > Networking > Connectivity > Minimum Transport Layer Security Protocol",
    ),
    controls={MCSB: ("DP-3",), NIST: ("SC-8",), ISO: ("A.8.24",)},
    references=(f"{LEARN}/cosmos-db/self-serve-minimum-tls-enforcement",),
)


@ACCOUNT.rule(
    "cosmos-platform-key",
    "encryption",
    "Cosmos DB is encrypted with a key that Microsoft holds",
    severity="info",
    source="Azure Policy Cosmos_CMK_Deny: an absent keyVaultKeyUri is no key of one's own",
    why="With a key of your own you can withdraw access to the data at rest; with Microsoft's you cannot.",
    fix=Fix(
        az=f"{UPDATE} --key-uri KEY_URI",
        breaks="The account stops when the key is lost or its vault cannot be reached: protect the vault from purging first.",
        bicep="keyVaultKeyUri: 'https://VAULT.vault.azure.net/keys/KEY'",
        terraform="azurerm_cosmosdb_account.key_vault_key_id",
        terraform_page=PAGE,
        portal="Cosmos DB account > Data Encryption",
        cost=3,
    ),
    controls=OWN_KEY,
    references=(f"{LEARN}/cosmos-db/how-to-setup-customer-managed-keys",),
)
def platform_key(account: Resource, index: Index) -> Verdict:
    path = "properties.keyVaultKeyUri"
    value, seen = account.get(path), account.evidence(path, "a key in an own vault")
    if value is MISSING or value is None or value == "":
        return Fail((seen,))
    if isinstance(value, str) and value.lower().startswith("https://"):
        return Pass((seen,))
    return Unknown(f"{path}: its value {value!r} is not known", evidence=(seen,))


ACCOUNT.setting(
    "cosmos-periodic-backup",
    "recovery",
    "Cosmos DB cannot be restored to a point in time",
    "properties.backupPolicy.type",
    allowed=("Continuous",),
    bad=("Periodic",),
    severity="low",
    why="Periodic backups are made every few hours, only the last ones are kept, and Microsoft's support restores them. With "
    "continuous backup you restore yourself, to the minute before the damage.",
    fix=Fix(
        az=f"{UPDATE} --backup-policy-type Continuous --continuous-tier Continuous7Days",
        breaks="Nothing, but there is no way back to periodic backup.",
        bicep="backupPolicy: { type: 'Continuous', continuousModeProperties: { tier: 'Continuous7Days' } }",
        terraform='azurerm_cosmosdb_account.backup.type = "Continuous"',
        terraform_page=PAGE,
        portal="Cosmos DB account > Backup & Restore > Change to continuous",
    ),
    controls={MCSB: ("BR-1",), NIST: ("CP-9", "CP-10"), ISO: ("A.8.13",)},
    references=(f"{LEARN}/cosmos-db/continuous-backup-restore-introduction",),
)
ACCOUNT.setting(
    "cosmos-local-backup",
    "recovery",
    "Backups of Cosmos DB lie in one place only",
    "properties.backupPolicy.periodicModeProperties.backupStorageRedundancy",
    allowed=("Geo", "Zone"),
    bad=("Local",),
    severity="low",
    why="Local backups lie in the datacentre of the account. What takes the one takes the other.",
    fix=Fix(
        az=f"{UPDATE} --backup-redundancy Geo",
        breaks="Nothing; backups go to the paired region, so look at what must not leave the country, and cost more.",
        bicep="backupPolicy: { periodicModeProperties: { backupStorageRedundancy: 'Geo' } }",
        terraform='azurerm_cosmosdb_account.backup.storage_redundancy = "Geo"',
        terraform_page=PAGE,
        portal="Cosmos DB account > Backup & Restore > Backup storage redundancy",
    ),
    controls={MCSB: ("BR-1",), NIST: ("CP-6", "CP-9"), ISO: ("A.8.13",)},
    references=(f"{LEARN}/cosmos-db/periodic-backup-storage-redundancy",),
    unless=lambda account: (
        "continuous backups lie where the account lies"
        if same(account.get("properties.backupPolicy.type"), "Continuous")
        else None
    ),
)


def keys_are_off(account: Resource) -> str | None:
    lock = authentication(account)
    grants = lock.widest is not None and lock.widest.level is Auth.identity and lock.widest_possible is None
    return "the account takes no keys" if grants else None


ACCOUNT.setting(
    "cosmos-key-metadata-writes",
    "governance",
    "An account key may change databases and throughput",
    "properties.disableKeyBasedMetadataWriteAccess",
    allowed=(True,),
    severity="low",
    why="Whoever holds a key can drop a database or change what it costs, past every role, lock and policy of Azure Resource "
    "Manager.",
    fix=Fix(
        az=f"{UPDATE} --disable-key-based-metadata-write-access true",
        breaks="Programs that make databases or containers with a key when they start.",
        bicep="disableKeyBasedMetadataWriteAccess: true",
        terraform="azurerm_cosmosdb_account.access_key_metadata_writes_enabled = false",
        terraform_page=PAGE,
    ),
    controls={MCSB: ("PA-7",), NIST: ("AC-6",)},
    references=(f"{LEARN}/cosmos-db/audit-control-plane-logs",),
    unless=keys_are_off,
)

CLUSTER.lock(
    "mongo-vcore-password-login",
    "authentication",
    "The MongoDB cluster accepts passwords",
    only=("mongo",),
    why="A user's password lies in connection strings, names no person, and asks for no second factor.",
    fix=Fix(
        az="az resource update --ids {id} --set properties.authConfig.allowedModes='[\"MicrosoftEntraID\"]'",
        first_step="az resource show --ids {id} --query properties.authConfig",
        breaks="Every client that signs in with a password; add the identities of applications as users first.",
        bicep="authConfig: { allowedModes: ['MicrosoftEntraID'] }",
        terraform='azurerm_mongo_cluster.auth_config_allowed_modes = ["MicrosoftEntraID"]',
        terraform_page=CLUSTER_PAGE,
        portal="MongoDB cluster > Authentication",
        cost=2,
    ),
    controls=LOGIN,
    references=(f"{LEARN}/cosmos-db/mongodb/vcore/entra-authentication",),
)
CLUSTER.lock(
    "mongo-vcore-open-network",
    "network",
    "The MongoDB cluster answers networks that are not yours",
    only=("mongo",),
    why="The login is the only lock that is left, and everybody in the range may try it. The rule from 0.0.0.0 to 0.0.0.0 "
    "admits the machines of every other customer of Azure.",
    fix=Fix(
        az="az resource update --ids {id} --set properties.publicNetworkAccess=Disabled",
        first_step="az resource show --ids {id} --query properties.publicNetworkAccess",
        breaks="Callers without a private endpoint. To keep some, delete the wide firewall rules alone.",
        bicep="publicNetworkAccess: 'Disabled'",
        terraform='azurerm_mongo_cluster.public_network_access = "Disabled"',
        terraform_page=CLUSTER_PAGE,
        portal="MongoDB cluster > Networking > Public access",
        cost=2,
    ),
    controls=OPEN,
    references=(f"{LEARN}/cosmos-db/mongodb/vcore/how-to-public-access",),
)


CLUSTER.setting(
    "mongo-vcore-data-api-on",
    "governance",
    "The MongoDB cluster also answers on its HTTPS data API",
    "properties.dataApi.mode",
    allowed=("Disabled",),
    bad=("Enabled",),
    severity="low",
    why="The data API is a second way to the same data, past the drivers and tools that you watch. Where nothing uses it, it "
    "is a door for nothing.",
    fix=Fix(
        az="az resource update --ids {id} --set properties.dataApi.mode=Disabled",
        first_step="az resource show --ids {id} --query properties.dataApi",
        breaks="Programs that call the data API. If the service refuses the change, only a new cluster without it helps.",
        bicep="dataApi: { mode: 'Disabled' }",
        terraform="azurerm_mongo_cluster.data_api_mode_enabled = false",
        terraform_page=CLUSTER_PAGE,
    ),
    controls={MCSB: ("NS-2",), NIST: ("CM-7",)},
    references=(f"{LEARN}/cosmos-db/mongodb/vcore/data-api",),
)
