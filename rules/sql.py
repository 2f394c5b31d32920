"""Azure SQL: logical servers with their databases, and managed instances."""

from collections.abc import Iterator
from dataclasses import replace

from scanner.model.exposure import Auth, Exposure, Hop, Lock, Reach, Switch, grant, possible
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, same
from scanner.model.resource import Children, Resource
from scanner.model.rule import Fix, Read, ResourceType, judge_value
from scanner.model.verdict import (
    ABSENT,
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unknown,
    Unread,
    Verdict,
    not_returned,
    unknown,
    unknown_value,
)
from scanner.reach.firewall import Firewall, RuleList, firewall, injection_subnet, private_endpoints
from scanner.reach.open_ports import subnet_port_lock
from scanner.reach.perimeters import perimeters

from .common import (
    ISO,
    LEARN,
    MCSB,
    NIST,
    at_least,
    judge_child,
    pending_private_endpoint,
    perimeter_only_learns,
    strange_private_endpoint,
    strange_subnet,
)

API = "2025-01-01"
SERVER = ResourceType("Microsoft.Sql/servers", api=API)
INSTANCE = ResourceType("Microsoft.Sql/managedInstances", api=API)
PUBLIC = "properties.publicNetworkAccess"
ENTRA_ONLY = "properties.administrators.azureADOnlyAuthentication"


def rules_count(server: Resource) -> bool:
    """Whether the server's own rules can let anybody in: not behind a switch that is off, or left to a perimeter."""
    value = server.get(PUBLIC)
    return not same(value, "Disabled") and not same(value, "SecuredByPerimeter")


def by_perimeter(server: Resource) -> bool:
    return same(server.get(PUBLIC), "SecuredByPerimeter")


# The REST specification returns administrators inline with $expand=administrators/activedirectory, and recorded answers
# hold them without; an answer that leaves them out says nothing yet.
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
AUDITING = SERVER.child("auditingSettings/default", one=True)
DATABASES = SERVER.child("databases")
INSTANCE_ONLY = INSTANCE.child("azureADOnlyAuthentications", when=entra_only_not_inline)
INSTANCE_ADMINS = INSTANCE.child("administrators", when=admins_not_inline)


def is_user_database(database: Resource) -> bool:
    return database.name.lower() != "master"


ENCRYPTION = DATABASES.child("transparentDataEncryption/current", one=True, when=is_user_database, costly=True)
RETENTION = DATABASES.child("backupShortTermRetentionPolicies/default", one=True, when=is_user_database, costly=True)

RULES = (FIREWALL, IPV6_FIREWALL, SUBNETS)
SERVER_ACL = Firewall(
    empty="closed",
    source="azure-sql/database/firewall-configure: without a rule nobody passes the server's firewall; Azure Policy "
    "SqlServer_PublicNetworkAccess flags an absent switch",
    name="SQL firewall",
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
    source="azure-sql/managed-instance/connectivity-architecture-overview: an instance stands in its own subnet",
    name="Subnet",
    public="",
    injected=("properties.subnetId",),
)
LOGINS = Switch(
    ENTRA_ONLY,
    {True: Auth.identity, False: Auth.shared},
    descriptions={Auth.shared: "a SQL login and its password open it"},
)


def authentication(top: Resource, only: Read) -> Lock:
    """What a server or instance asks for: the inline switch, else the list of the same name, else that nothing says so."""
    if top.has(ENTRA_ONLY):
        return LOGINS.lock(top)
    says = LOGINS.descriptions[Auth.shared]
    children = top.children(only)
    for each in children:
        path = "properties.azureADOnlyAuthentication"
        value = each.get(path)
        seen = Evidence(f"{only.path}/{each.name} {path}", ABSENT if value is MISSING else value, True)
        level = LOGINS.level(value)
        if level is None:
            return possible(Auth.shared, unknown_value(seen.path), seen)
        return grant(level, seen, description=says if level is Auth.shared else "")
    if children.gap is not None and (children.gap.gap or top.has("properties.administrators")):
        return possible(Auth.shared, children.gap, top.evidence(ENTRA_ONLY, True))
    # Entra-only stands on an Entra administrator: where there is no sign of one, passwords are all that is left.
    return grant(Auth.shared, top.evidence(ENTRA_ONLY, True), description=says)


def lists(server: Resource) -> list[Children]:
    return [server.children(each) for each in RULES]


def without_rules(server: Resource, index: Index) -> bool:
    """Whether the public side is on, no perimeter decides, and no rule of the server was seen."""
    value = server.get(PUBLIC)
    on = value is MISSING or value is None or same(value, "Enabled")
    around = perimeters(server, index, PERIMETERS)
    enforced = any(each.enforced for each in around.found)
    return on and not enforced and not any(len(each) for each in lists(server))


HIDDEN = (
    "no server rule lets anybody in, but rules inside the databases are asked first, and only T-SQL shows them "
    "(sys.database_firewall_rules)"
)
SYNAPSE = (
    "Fix it at the Synapse workspace that owns this server: Networking > Public network access, and Microsoft Entra ID > "
    "Entra-only authentication"
)


def of_synapse(server: Resource) -> bool:
    return "analytics" in str(server.get("kind")).lower()


def host(resource: Resource) -> str:
    value = resource.get("properties.fullyQualifiedDomainName")
    return value if isinstance(value, str) else ""


def as_far_as_shown(reach: Lock) -> Lock:
    """The same reach, where "nobody" says that this is what the server's own rules come to."""
    says = "nobody by the server's rules, but rules inside the databases are not shown"
    return replace(
        reach, grants=tuple(replace(each, description=says) if not each.level else each for each in reach.grants)
    )


@SERVER.endpoints(data=("tds",), reads=(*RULES, PERIMETERS, SERVER_ONLY))
def server_endpoints(server: Resource, index: Index) -> Iterator[Exposure]:
    synapse = of_synapse(server)
    hidden = without_rules(server, index)
    reach = firewall(server, index, SERVER_ACL)
    yield Exposure(
        "tds",
        "data",
        as_far_as_shown(reach) if hidden else reach,
        authentication(server, SERVER_ONLY),
        display_name="The SQL server of a Synapse workspace" if synapse else "The SQL server",
        address=host(server),
        fix_instruction=SYNAPSE if synapse else "",
        hidden_rules=HIDDEN if hidden else "",
    )


def inside(instance: Resource, index: Index) -> Lock:
    """An instance is always reachable in its subnet, and through private endpoints."""
    if injection_subnet(instance, "properties.subnetId"):
        reach = firewall(instance, index, INSTANCE_ACL)
    else:
        reach = grant(Reach.private, instance.evidence("properties.subnetId"), hops=(Hop("subnet", "its subnet"),))
    return reach | private_endpoints(instance, index, INSTANCE_ACL.endpoints)


PUBLIC_PORT = 3342


def outside(instance: Resource, index: Index) -> Lock:
    """Who reaches port 3342: nobody while it is off; else whom the network security group of the subnet lets in."""
    path = "properties.publicDataEndpointEnabled"
    value, seen = instance.get(path), instance.evidence(path, False)
    if same(value, False):
        return grant(Reach.none, seen, hops=(Hop("switch", "Public data endpoint", "off", allows=False),))
    subnet = instance.get("properties.subnetId")
    if same(value, True) and isinstance(subnet, str) and subnet:
        return subnet_port_lock(index, subnet, PUBLIC_PORT, Hop("switch", "Public data endpoint", "on"))
    gone = value is MISSING or value is None
    why = "the answer did not hold it" if gone else f"its value {value!r} is not known"
    missing = not_returned("properties.subnetId") if same(value, True) else Unread(path, why)
    return possible(
        Reach.internet, missing, seen, hops=(Hop("switch", "Public data endpoint", missing.why, allows=None),)
    )


@INSTANCE.endpoints(data=("tds", "tds-public"), reads=(INSTANCE_ONLY,))
def instance_endpoints(instance: Resource, index: Index) -> Iterator[Exposure]:
    lock = authentication(instance, INSTANCE_ONLY)
    yield Exposure(
        "tds",
        "data",
        inside(instance, index),
        lock,
        display_name="The managed instance in its subnet",
        address=host(instance),
    )
    yield Exposure(
        "tds-public", "data", outside(instance, index), lock, display_name="The managed instance's public endpoint"
    )


UPDATE = "az sql server update --ids {id}"
UPDATE_INSTANCE = "az sql mi update --ids {id}"
PAGE = "mssql_server"
DATABASE_PAGE = "mssql_database"
INSTANCE_PAGE = "mssql_managed_instance"
LOGIN = {MCSB: ("IM-1",), NIST: ("AC-2", "AC-3", "IA-2", "IA-4"), ISO: ("A.5.17",)}
OPEN = {MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)}
OWN_KEY = {MCSB: ("DP-5",), NIST: ("SC-12",), ISO: ("A.8.24",)}
TLS = {MCSB: ("DP-3",), NIST: ("SC-8",), ISO: ("A.8.24",)}
BACKUP = {MCSB: ("BR-1",), NIST: ("CP-6", "CP-9"), ISO: ("A.8.13",)}

SERVER.lock(
    "sql-password-login",
    "authentication",
    "The SQL server accepts passwords",
    only=("tds",),
    why="A SQL login is a name and a password in some connection string. No second factor guards it, nobody takes it "
    "away when a person leaves, and it can be guessed from wherever the server answers.",
    fix=Fix(
        az="az sql server ad-only-auth enable --name {name} --resource-group {group}",
        first_step="az sql server ad-admin list --server {name} --resource-group {group}",
        breaks="Every client that signs in with a SQL login; the server needs an Entra administrator before.",
        bicep="administrators: { azureADOnlyAuthentication: true }",
        terraform="azurerm_mssql_server.azuread_administrator.azuread_authentication_only = true",
        terraform_page=PAGE,
        portal="SQL server > Microsoft Entra ID > Support only Microsoft Entra authentication for this server",
        cost=2,
    ),
    controls=LOGIN,
    references=(f"{LEARN}/azure-sql/database/authentication-azure-ad-only-authentication",),
)
SERVER.lock(
    "sql-open-network",
    "network",
    "The SQL server answers networks that are not yours",
    only=("tds",),
    why="The login is the only lock that is left, and the whole range of addresses may try it. The rule that admits "
    '"Azure services" admits the machines of every other customer of Azure.',
    fix=Fix(
        az=f"{UPDATE} --enable-public-network false",
        first_step="az sql server firewall-rule list --server {name} --resource-group {group} --output table",
        breaks="Callers without a private endpoint. To keep some, delete the wide rules alone: az sql server firewall-rule delete.",
        bicep="publicNetworkAccess: 'Disabled'",
        terraform="azurerm_mssql_server.public_network_access_enabled = false",
        terraform_page=PAGE,
        portal="SQL server > Networking > Public access: Disable, or remove wide firewall rules",
        cost=2,
    ),
    controls=OPEN,
    references=(f"{LEARN}/azure-sql/database/firewall-configure",),
)


@SERVER.rule(
    "sql-public-endpoint-without-rules",
    "network",
    "The SQL server's public endpoint is on though no server rule needs it",
    severity="low",
    reads=(*RULES, PERIMETERS),
    source="azure-sql/database/firewall-configure: database rules are checked before server rules",
    why="No rule of the server lets anybody in, but whoever may administer one database can add a rule inside it, which "
    "Azure Resource Manager does not show and no policy sees. With the endpoint off such a rule opens nothing.",
    fix=Fix(
        az=f"{UPDATE} --enable-public-network false",
        first_step="az sql server firewall-rule list --server {name} --resource-group {group} --output table",
        breaks="Callers that a rule inside a database admits: select * from sys.database_firewall_rules in each of them.",
        bicep="publicNetworkAccess: 'Disabled'",
        terraform="azurerm_mssql_server.public_network_access_enabled = false",
        terraform_page=PAGE,
        portal="SQL server > Networking > Public access: Disable",
    ),
    controls=OPEN,
    references=(f"{LEARN}/azure-sql/database/firewall-configure",),
)
def public_endpoint_without_rules(server: Resource, index: Index) -> Verdict:
    value, seen = server.get(PUBLIC), server.evidence(PUBLIC, "Disabled")
    if same(value, "Disabled"):
        return Pass((seen,))
    if same(value, "SecuredByPerimeter"):
        return NotApplicable("a perimeter decides, not the server's rules")
    around = perimeters(server, index, PERIMETERS)
    if any(each.enforced for each in around.found):
        return NotApplicable("an enforced perimeter decides, not the server's rules")
    found = lists(server)
    if any(len(each) for each in found):
        return NotApplicable("server rules use the public endpoint")
    missing = [each.gap for each in found if each.gap is not None]
    if value is not MISSING and value is not None and not same(value, "Enabled"):
        missing.append(unknown_value(PUBLIC, value))
    if around.missing is not None:
        missing.append(around.missing)
    if missing:
        return unknown(*missing, evidence=(seen,))
    return Fail((seen, *(Evidence(each.path, "0 rules") for each in RULES)))


perimeter_only_learns(SERVER, "sql-perimeter-only-learning", "the SQL server", PERIMETERS)
pending_private_endpoint(SERVER, "sql-private-endpoint-pending", "the SQL server")
strange_private_endpoint(SERVER, "sql-private-endpoint-of-strangers", "the SQL server")
strange_subnet(
    SERVER,
    "sql-subnet-of-strangers",
    "the SQL server",
    SERVER_ACL,
    "az sql server vnet-rule delete --server {name} --resource-group {group} --name RULE",
    "az sql server vnet-rule list --server {name} --resource-group {group}",
)

SERVER.setting(
    "sql-old-tls",
    "transport",
    "The SQL server accepts old TLS versions",
    "properties.minimalTlsVersion",
    allowed=("1.2", "1.3"),
    bad=("None", "1.0", "1.1"),
    absent="None",
    source="azure-sql/database/connectivity-settings: the default is to allow all versions",
    severity="medium",
    why="Without a minimum a client may speak TLS 1.0, whose ciphers are broken, and somebody on the way can make it do so.",
    fix=Fix(
        az=f"{UPDATE} --minimal-tls-version 1.2",
        breaks="Drivers that are older than TLS 1.2; most of them are from before 2016.",
        bicep="minimalTlsVersion: '1.2'",
        terraform='azurerm_mssql_server.minimum_tls_version = "1.2"',
        terraform_page=PAGE,
        portal="SQL server > Networking > Connectivity > Minimum TLS version",
    ),
    controls=TLS,
    references=(f"{LEARN}/azure-sql/database/connectivity-settings",),
)


def own_key(resource: Resource) -> Verdict:
    """The verdict on the key that protects the databases: an address in a vault, or nothing for the service's own."""
    path = "properties.keyId"
    value, seen = resource.get(path), resource.evidence(path, "a key in an own vault")
    if value is MISSING or value is None or value == "":
        return Fail((seen,))
    if isinstance(value, str) and value.lower().startswith("https://"):
        return Pass((seen,))
    return Unknown(f"{path}: its value {value!r} is not known", evidence=(seen,))


def entra_admin(top: Resource, administrators: Read) -> Verdict:
    """The verdict on the Entra administrator, inline or in the list of administrators."""
    path = "properties.administrators.login"
    if top.has("properties.administrators"):
        top.require(path)
        return Pass((top.evidence(path),))
    children = top.children(administrators)
    for each in children:
        return Pass((Evidence(f"administrators/{each.name}", "there"),))
    if children.gap is not None and children.gap.gap:
        return unknown(children.gap, evidence=(top.evidence(path),))
    return Fail((top.evidence(path, "an Entra group or user"),))


KEY_WHY = (
    "With a key of your own you can withdraw access to the data at rest; with Microsoft's you cannot. Some contracts ask "
    "for it."
)
KEY_BREAKS = (
    "The databases stop when the key is lost or its vault cannot be reached: protect the vault from purging first."
)
ADMIN_WHY = (
    "Without an Entra administrator nobody can sign in with an identity: every person and program uses a SQL login with "
    "a password, and Entra-only authentication cannot be turned on."
)
COPIES_WHY = (
    "Local backups lie in the datacentre of the database. A fire that takes the one takes the other, and nothing is left "
    "to restore from."
)


@SERVER.rule(
    "sql-platform-key",
    "encryption",
    "SQL databases are encrypted with a key that Microsoft holds",
    severity="info",
    source="azure-mgmt-sql Server.keyId: a CMK URI of the key to use for encryption; Azure Policy 0a370ff3",
    why=KEY_WHY,
    fix=Fix(
        az="az sql server tde-key set --server {name} --resource-group {group} --server-key-type AzureKeyVault --kid KEY_ID",
        breaks=KEY_BREAKS,
        bicep="keyId: 'https://VAULT.vault.azure.net/keys/KEY/VERSION'",
        terraform="azurerm_mssql_server.transparent_data_encryption_key_vault_key_id",
        terraform_page=PAGE,
        portal="SQL server > Transparent data encryption > Customer-managed key",
        cost=3,
    ),
    controls=OWN_KEY,
    references=(f"{LEARN}/azure-sql/database/transparent-data-encryption-byok-overview",),
)
def platform_key(server: Resource, index: Index) -> Verdict:
    return own_key(server)


@DATABASES.rule(
    "sql-database-unencrypted",
    "encryption",
    "A SQL database is not encrypted at rest",
    severity="high",
    reads=(ENCRYPTION,),
    costly=True,
    why="Its files, logs and backups lie readable on the disk. Azure encrypts every new database, so somebody turned it off.",
    fix=Fix(
        az="az sql db tde set --server {top} --resource-group {group} --database {name} --status Enabled",
        breaks="Nothing; encrypting a large database takes hours and some load.",
        bicep="transparentDataEncryption: { state: 'Enabled' }",
        terraform="azurerm_mssql_database.transparent_data_encryption_enabled = true",
        terraform_page=DATABASE_PAGE,
        portal="SQL database > Data encryption > Transparent data encryption",
    ),
    controls={MCSB: ("DP-4",), NIST: ("SC-28",), ISO: ("A.8.24",)},
    references=(f"{LEARN}/azure-sql/database/transparent-data-encryption-tde-overview",),
)
def database_unencrypted(database: Resource, index: Index) -> Verdict:
    if not is_user_database(database):
        return NotApplicable("master holds no data of yours and follows the service")
    return judge_child(database, ENCRYPTION, "properties.state", allowed=("Enabled",), bad=("Disabled",))


@DATABASES.rule(
    "sql-local-backup",
    "recovery",
    "Backups of a SQL database lie in one place only",
    severity="low",
    why=COPIES_WHY,
    fix=Fix(
        az="az sql db update --ids {id} --backup-storage-redundancy Geo",
        breaks="Nothing; backups go to the paired region, so look at what must not leave the country, and cost more.",
        bicep="requestedBackupStorageRedundancy: 'Geo'",
        terraform='azurerm_mssql_database.storage_account_type = "Geo"',
        terraform_page=DATABASE_PAGE,
        portal="SQL database > Compute + storage > Backup storage redundancy",
    ),
    controls=BACKUP,
    references=(f"{LEARN}/azure-sql/database/automated-backups-overview",),
)
def local_backup(database: Resource, index: Index) -> Verdict:
    if not is_user_database(database):
        return NotApplicable("master holds no data of yours and follows the service")
    return redundancy(database)


def redundancy(resource: Resource) -> Verdict:
    path = "properties.requestedBackupStorageRedundancy"
    return judge_value(resource, path, allowed=("Geo", "GeoZone", "Zone"), bad=("Local",))


@DATABASES.rule(
    "sql-short-backup-retention",
    "recovery",
    "A SQL database can be restored to less than 7 days back",
    severity="low",
    reads=(RETENTION,),
    costly=True,
    why="A wrong delete is often found after the weekend. With a day of backups it is then too late.",
    fix=Fix(
        az="az sql db str-policy set --server {top} --resource-group {group} --name {name} --retention-days 14",
        first_step="az sql db str-policy show --server {top} --resource-group {group} --name {name}",
        breaks="Nothing; longer retention costs more storage. Basic databases keep seven days at most.",
        bicep="backupShortTermRetentionPolicies: { retentionDays: 14 }",
        terraform="azurerm_mssql_database.short_term_retention_policy.retention_days = 14",
        terraform_page=DATABASE_PAGE,
        portal="SQL server > Backups > Retention policies",
    ),
    controls={MCSB: ("BR-1",), NIST: ("CP-9",), ISO: ("A.8.13",)},
    references=(f"{LEARN}/azure-sql/database/automated-backups-overview",),
)
def short_backup_retention(database: Resource, index: Index) -> Verdict:
    if not is_user_database(database):
        return NotApplicable("master holds no data of yours and follows the service")
    policy = database.child(RETENTION)
    if policy is None:
        return unknown(Unread(RETENTION.path, "Azure says that there is none"))
    return at_least(policy, "properties.retentionDays", 7, RETENTION.path)


@SERVER.rule(
    "sql-no-entra-admin",
    "governance",
    "No Entra administrator is set on the SQL server",
    severity="medium",
    reads=(SERVER_ADMINS,),
    source="terraform-provider-azurerm mssql_server: administrators are filled where one is set; Azure Policy 1f314764",
    why=ADMIN_WHY,
    fix=Fix(
        az="az sql server ad-admin create --server {name} --resource-group {group} --display-name GROUP --object-id OBJECT_ID",
        breaks="Nothing: SQL logins go on working beside it. Use a group, not a person.",
        bicep="administrators: { administratorType: 'ActiveDirectory', login: 'GROUP', sid: 'OBJECT_ID' }",
        terraform="azurerm_mssql_server.azuread_administrator.login_username",
        terraform_page=PAGE,
        portal="SQL server > Microsoft Entra ID > Set admin",
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-2", "AC-3", "IA-2", "IA-4")},
    references=(f"{LEARN}/azure-sql/database/authentication-aad-configure",),
)
def no_entra_admin(server: Resource, index: Index) -> Verdict:
    return entra_admin(server, SERVER_ADMINS)


SERVER.setting(
    "sql-outbound-open",
    "governance",
    "The SQL server may send data to any address",
    "properties.restrictOutboundNetworkAccess",
    allowed=("Enabled",),
    bad=("Disabled",),
    severity="info",
    why="Whoever may run T-SQL can export a table, or write an audit log, to a storage account of somebody else. With the "
    "restriction on, only the hosts that are named can be written to.",
    fix=Fix(
        az=f"{UPDATE} --restrict-outbound-network-access true",
        first_step="az sql server outbound-firewall-rule list --server {name} --resource-group {group}",
        breaks="Exports, auditing and scans that write to hosts which no outbound rule names yet.",
        bicep="restrictOutboundNetworkAccess: 'Enabled'",
        terraform="azurerm_mssql_server.outbound_network_restriction_enabled = true",
        terraform_page=PAGE,
        portal="SQL server > Networking > Connectivity > Outbound networking",
        cost=2,
    ),
    controls={MCSB: ("DP-2",), NIST: ("AC-4", "SC-7")},
    references=(f"{LEARN}/azure-sql/database/outbound-firewall-rule-overview",),
)


@SERVER.rule(
    "sql-auditing-off",
    "logging",
    "The SQL server keeps no audit log",
    severity="medium",
    reads=(AUDITING,),
    why="After a break-in nobody can say who read what. Auditing writes logins and statements to a place where the "
    "database's own administrators cannot take them away.",
    fix=Fix(
        az="az sql server audit-policy update --name {name} --resource-group {group} --state Enabled "
        "--log-analytics-target-state Enabled --log-analytics-workspace-resource-id WORKSPACE_ID",
        first_step="az sql server audit-policy show --name {name} --resource-group {group}",
        breaks="Nothing; the log costs storage, and holds statements with the values in them.",
        bicep="auditingSettings: { state: 'Enabled', isAzureMonitorTargetEnabled: true }",
        terraform="azurerm_mssql_server_extended_auditing_policy.enabled = true",
        terraform_page="mssql_server_extended_auditing_policy",
        portal="SQL server > Auditing > Enable Azure SQL Auditing",
    ),
    controls={MCSB: ("LT-3",), NIST: ("AU-2", "AU-12"), ISO: ("A.8.15",)},
    references=(f"{LEARN}/azure-sql/database/auditing-overview",),
)
def auditing_off(server: Resource, index: Index) -> Verdict:
    return judge_child(server, AUDITING, "properties.state", allowed=("Enabled",), bad=("Disabled",))


INSTANCE.lock(
    "sql-mi-password-login",
    "authentication",
    "The managed instance accepts passwords",
    only=("tds", "tds-public"),
    why="A SQL login is a name and a password in some connection string. No second factor guards it, and whoever is in "
    "the network can try it.",
    fix=Fix(
        az="az sql mi ad-only-auth enable --name {name} --resource-group {group}",
        first_step="az sql mi ad-only-auth get --name {name} --resource-group {group}",
        breaks="Every client that signs in with a SQL login; the instance needs an Entra administrator before.",
        bicep="administrators: { azureADOnlyAuthentication: true }",
        terraform="azurerm_mssql_managed_instance_active_directory_administrator.azuread_authentication_only = true",
        terraform_page="mssql_managed_instance_active_directory_administrator",
        portal="SQL managed instance > Microsoft Entra ID > Support only Microsoft Entra authentication",
        cost=2,
    ),
    controls=LOGIN,
    references=(f"{LEARN}/azure-sql/database/authentication-azure-ad-only-authentication",),
)
INSTANCE.lock(
    "sql-mi-public-endpoint",
    "network",
    "The managed instance answers on its public endpoint",
    only=("tds-public",),
    why="Port 3342 answers outside the virtual network. How far is decided by the network security group of the subnet: "
    "one rule there is all that stands between the instance and the internet.",
    fix=Fix(
        az=f"{UPDATE_INSTANCE} --public-data-endpoint-enabled false",
        first_step="az sql mi show --ids {id} --query subnetId",
        breaks="Callers that use port 3342; private endpoints and the virtual network go on working.",
        bicep="publicDataEndpointEnabled: false",
        terraform="azurerm_mssql_managed_instance.public_data_endpoint_enabled = false",
        terraform_page=INSTANCE_PAGE,
        portal="SQL managed instance > Networking > Public endpoint (data): Disable",
        cost=2,
    ),
    controls=OPEN,
    references=(f"{LEARN}/azure-sql/managed-instance/public-endpoint-overview",),
)
INSTANCE.setting(
    "sql-mi-old-tls",
    "transport",
    "The managed instance accepts old TLS versions",
    "properties.minimalTlsVersion",
    allowed=("1.2", "1.3"),
    bad=("None", "1.0", "1.1"),
    severity="medium",
    why="Without a minimum a client may speak TLS 1.0, whose ciphers are broken, and somebody on the way can make it do so.",
    fix=Fix(
        az=f"{UPDATE_INSTANCE} --minimal-tls-version 1.2",
        breaks="Drivers that are older than TLS 1.2; most of them are from before 2016.",
        bicep="minimalTlsVersion: '1.2'",
        terraform='azurerm_mssql_managed_instance.minimum_tls_version = "1.2"',
        terraform_page=INSTANCE_PAGE,
        portal="SQL managed instance > Networking > Minimum TLS version",
    ),
    controls=TLS,
    references=(f"{LEARN}/azure-sql/managed-instance/minimal-tls-version-configure",),
)


@INSTANCE.rule(
    "sql-mi-platform-key",
    "encryption",
    "The managed instance is encrypted with a key that Microsoft holds",
    severity="info",
    source="azure-mgmt-sql ManagedInstance.keyId: a CMK URI of the key to use for encryption; Azure Policy ac01ad65",
    why=KEY_WHY,
    fix=Fix(
        az="az sql mi tde-key set --managed-instance {name} --resource-group {group} --server-key-type AzureKeyVault --kid KEY_ID",
        breaks=KEY_BREAKS,
        bicep="keyId: 'https://VAULT.vault.azure.net/keys/KEY/VERSION'",
        terraform="azurerm_mssql_managed_instance_transparent_data_encryption.key_vault_key_id",
        terraform_page="mssql_managed_instance_transparent_data_encryption",
        portal="SQL managed instance > Transparent data encryption > Customer-managed key",
        cost=3,
    ),
    controls=OWN_KEY,
    references=(f"{LEARN}/azure-sql/database/transparent-data-encryption-byok-overview",),
)
def instance_platform_key(instance: Resource, index: Index) -> Verdict:
    return own_key(instance)


@INSTANCE.rule(
    "sql-mi-local-backup",
    "recovery",
    "Backups of the managed instance lie in one place only",
    severity="low",
    why=COPIES_WHY,
    fix=Fix(
        az=f"{UPDATE_INSTANCE} --backup-storage-redundancy Geo",
        breaks="Nothing; backups go to the paired region, so look at what must not leave the country, and cost more.",
        bicep="requestedBackupStorageRedundancy: 'Geo'",
        terraform='azurerm_mssql_managed_instance.storage_account_type = "GRS"',
        terraform_page=INSTANCE_PAGE,
        portal="SQL managed instance > Compute + storage > Backup storage redundancy",
    ),
    controls=BACKUP,
    references=(f"{LEARN}/azure-sql/managed-instance/automated-backups-overview",),
)
def instance_local_backup(instance: Resource, index: Index) -> Verdict:
    return redundancy(instance)


@INSTANCE.rule(
    "sql-mi-no-entra-admin",
    "governance",
    "No Entra administrator is set on the managed instance",
    severity="medium",
    reads=(INSTANCE_ADMINS,),
    source="terraform-provider-azurerm mssql_managed_instance: administrators are filled where one is set",
    why=ADMIN_WHY,
    fix=Fix(
        az="az sql mi ad-admin create --managed-instance {name} --resource-group {group} --display-name GROUP --object-id OBJECT_ID",
        breaks="Nothing: SQL logins go on working beside it. The instance needs the right to read the directory.",
        bicep="administrators: { administratorType: 'ActiveDirectory', login: 'GROUP', sid: 'OBJECT_ID' }",
        terraform="azurerm_mssql_managed_instance.azure_active_directory_administrator.login_username",
        terraform_page=INSTANCE_PAGE,
        portal="SQL managed instance > Microsoft Entra ID > Set admin",
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-2", "AC-3", "IA-2", "IA-4")},
    references=(f"{LEARN}/azure-sql/database/authentication-aad-configure",),
)
def instance_no_entra_admin(instance: Resource, index: Index) -> Verdict:
    return entra_admin(instance, INSTANCE_ADMINS)
