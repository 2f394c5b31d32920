"""Azure Database for PostgreSQL, flexible servers."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Switch
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType
from scanner.model.verdict import Verdict
from scanner.reach.firewall import Firewall, RuleList, firewall, injection_subnet

from .common import ISO, LEARN, MCSB, NIST, at_least, judge_child

SERVER = ResourceType("Microsoft.DBforPostgreSQL/flexibleServers", api="2025-08-01")
PUBLIC = "properties.network.publicNetworkAccess"
SUBNET = "properties.network.delegatedSubnetResourceId"


def rules_count(server: Resource) -> bool:
    # postgresql/flexible-server/concepts-networking-private: inside a virtual network firewall rules do not apply.
    return not injection_subnet(server, SUBNET) and not same(server.get(PUBLIC), "Disabled")


FIREWALL = SERVER.child("firewallRules", when=rules_count)
ENCRYPTED = SERVER.child("configurations/require_secure_transport", one=True)
TLS_VERSION = SERVER.child("configurations/ssl_min_protocol_version", one=True)

ACL = Firewall(
    empty="closed",
    source="postgresql/flexible-server/concepts-networking-public: without a firewall rule no address is let in",
    name="PostgreSQL firewall",
    public=PUBLIC,
    addresses=(RuleList(child=FIREWALL, start="properties.startIpAddress", end="properties.endIpAddress"),),
    zero=True,
    injected=(SUBNET,),
)
PASSWORDS = Switch(
    "properties.authConfig.passwordAuth",
    {"Disabled": Auth.identity, "Enabled": Auth.shared},
    absent="Enabled",
    source="azure-mgmt-postgresqlflexibleservers AuthConfig: password authentication is on by default; Azure Policy fa498b91",
    descriptions={Auth.shared: "a role's name and password open it"},
)


@SERVER.endpoints(data=("postgres",), reads=(FIREWALL,))
def endpoints(server: Resource, index: Index) -> Iterator[Exposure]:
    host = server.get("properties.fullyQualifiedDomainName")
    yield Exposure(
        "postgres",
        "data",
        firewall(server, index, ACL),
        PASSWORDS.lock(server),
        display_name="The PostgreSQL server",
        address=host if isinstance(host, str) else "",
    )


UPDATE = "az postgres flexible-server update --ids {id}"
PARAMETER = "az postgres flexible-server parameter set --server-name {name} --resource-group {group}"
PAGE = "postgresql_flexible_server"
PARAMETER_PAGE = "postgresql_flexible_server_configuration"

SERVER.lock(
    "postgres-password-login",
    "authentication",
    "The PostgreSQL server accepts passwords",
    only=("postgres",),
    why="A role's password lies in connection strings, names no person, and asks for no second factor. The server's "
    "administrator can be guessed at from wherever the server answers.",
    fix=Fix(
        az=f"{UPDATE} --microsoft-entra-auth Enabled --password-auth Disabled",
        first_step="az postgres flexible-server microsoft-entra-admin list --server-name {name} --resource-group {group}",
        breaks="Every client that signs in with a password; make roles for the identities of applications first.",
        bicep="authConfig: { activeDirectoryAuth: 'Enabled', passwordAuth: 'Disabled' }",
        terraform="azurerm_postgresql_flexible_server.authentication.password_auth_enabled = false",
        terraform_page=PAGE,
        portal="PostgreSQL flexible server > Authentication > Microsoft Entra authentication only",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-2", "AC-3", "IA-2"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/postgresql/flexible-server/concepts-azure-ad-authentication",),
)
SERVER.lock(
    "postgres-open-network",
    "network",
    "The PostgreSQL server answers networks that are not yours",
    only=("postgres",),
    why="The login is the only lock that is left, and everybody in the range may try it. The rule that admits "
    '"Azure services" admits the machines of every other customer of Azure.',
    fix=Fix(
        az=f"{UPDATE} --public-access Disabled",
        first_step="az postgres flexible-server firewall-rule list --server-name {name} --resource-group {group} --output table",
        breaks="Callers without a private endpoint. To keep some, delete the wide firewall rules alone.",
        bicep="network: { publicNetworkAccess: 'Disabled' }",
        terraform="azurerm_postgresql_flexible_server.public_network_access_enabled = false",
        terraform_page=PAGE,
        portal="PostgreSQL flexible server > Networking > Public access, or remove wide firewall rules",
        cost=2,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20", "A.8.3")},
    references=(f"{LEARN}/postgresql/flexible-server/concepts-networking-public",),
)


@SERVER.rule(
    "postgres-plaintext",
    "transport",
    "The PostgreSQL server accepts unencrypted connections",
    severity="high",
    reads=(ENCRYPTED,),
    why="A client that is set up wrongly sends its password and all rows readable for everybody on the way, and nobody notices.",
    fix=Fix(
        az=f"{PARAMETER} --name require_secure_transport --value on",
        breaks="Clients that connect without TLS.",
        bicep="configurations: { name: 'require_secure_transport', properties: { value: 'on', source: 'user-override' } }",
        terraform='azurerm_postgresql_flexible_server_configuration.value = "on"',
        terraform_page=PARAMETER_PAGE,
        portal="PostgreSQL flexible server > Server parameters > require_secure_transport",
    ),
    controls={MCSB: ("DP-3",), NIST: ("SC-8",), ISO: ("A.8.24",)},
    references=(f"{LEARN}/postgresql/flexible-server/how-to-connect-tls-ssl",),
)
def plaintext(server: Resource, index: Index) -> Verdict:
    return judge_child(server, ENCRYPTED, "properties.value", allowed=("on",), bad=("off",))


@SERVER.rule(
    "postgres-old-tls",
    "transport",
    "The PostgreSQL server accepts old TLS versions",
    severity="medium",
    reads=(TLS_VERSION,),
    why="TLS 1.0 and 1.1 rest on ciphers that are broken, and somebody on the way can make a client fall back to them.",
    fix=Fix(
        az=f"{PARAMETER} --name ssl_min_protocol_version --value TLSv1.2",
        first_step="az postgres flexible-server parameter show --server-name {name} --resource-group {group} "
        "--name ssl_min_protocol_version",
        breaks="Drivers that are older than TLS 1.2.",
        bicep="configurations: { name: 'ssl_min_protocol_version', properties: { value: 'TLSv1.2' } }",
        terraform='azurerm_postgresql_flexible_server_configuration.value = "TLSv1.2"',
        terraform_page=PARAMETER_PAGE,
        portal="PostgreSQL flexible server > Server parameters > ssl_min_protocol_version",
    ),
    controls={MCSB: ("DP-3",), NIST: ("SC-8",), ISO: ("A.8.24",)},
    references=(f"{LEARN}/postgresql/flexible-server/how-to-connect-tls-ssl",),
)
def old_tls(server: Resource, index: Index) -> Verdict:
    return judge_child(
        server, TLS_VERSION, "properties.value", allowed=("TLSv1.2", "TLSv1.3"), bad=("TLSv1", "TLSv1.0", "TLSv1.1")
    )


SERVER.setting(
    "postgres-platform-key",
    "encryption",
    "The PostgreSQL server is encrypted with a key that Microsoft holds",
    "properties.dataEncryption.type",
    allowed=("AzureKeyVault",),
    bad=("SystemManaged", "SystemAssigned"),
    absent="SystemManaged",
    source="Azure Policy 12c74c95 flags an absent value; terraform-provider-azurerm reads it as no own key",
    severity="info",
    why="With a key of your own you can withdraw access to the data at rest; with Microsoft's you cannot.",
    fix=Fix(
        az="az postgres flexible-server create --name NEW --resource-group {group} --location {location} --key KEY_ID "
        "--identity IDENTITY_ID",
        breaks="The key is chosen when a server is made: make a new one and move the data. It stops when the key is lost.",
        bicep="dataEncryption: { type: 'AzureKeyVault', primaryKeyURI: 'KEY_ID', primaryUserAssignedIdentityId: 'IDENTITY_ID' }",
        terraform="azurerm_postgresql_flexible_server.customer_managed_key.key_vault_key_id",
        terraform_page=PAGE,
        portal="Create a PostgreSQL flexible server > Security > Data encryption key",
        cost=3,
    ),
    controls={MCSB: ("DP-5",), NIST: ("SC-12",), ISO: ("A.8.24",)},
    references=(f"{LEARN}/postgresql/flexible-server/concepts-data-encryption",),
)
SERVER.setting(
    "postgres-local-backup",
    "recovery",
    "Backups of the PostgreSQL server lie in one region only",
    "properties.backup.geoRedundantBackup",
    allowed=("Enabled",),
    bad=("Disabled",),
    severity="low",
    why="When the region is lost, its backups are lost with it. A copy in the paired region can be restored there.",
    fix=Fix(
        az="az postgres flexible-server create --name NEW --resource-group {group} --location {location} "
        "--geo-redundant-backup Enabled",
        breaks="It is chosen when a server is made: make a new one and move the data. Look at what must not leave the country.",
        bicep="backup: { geoRedundantBackup: 'Enabled' }",
        terraform="azurerm_postgresql_flexible_server.geo_redundant_backup_enabled = true",
        terraform_page=PAGE,
        portal="Create a PostgreSQL flexible server > Compute + storage > Backup redundancy",
        cost=3,
    ),
    controls={MCSB: ("BR-1",), NIST: ("CP-6", "CP-9"), ISO: ("A.8.13",)},
    references=(f"{LEARN}/postgresql/flexible-server/concepts-backup-restore",),
)


@SERVER.rule(
    "postgres-short-backup-retention",
    "recovery",
    "The PostgreSQL server can be restored to less than 14 days back",
    severity="low",
    why="Damage that creeps in is often found after more than a week. Seven days, the least that Azure allows, are then "
    "not enough.",
    fix=Fix(
        az=f"{UPDATE} --backup-retention 14",
        breaks="Nothing; longer retention costs more storage.",
        bicep="backup: { backupRetentionDays: 14 }",
        terraform="azurerm_postgresql_flexible_server.backup_retention_days = 14",
        terraform_page=PAGE,
        portal="PostgreSQL flexible server > Compute + storage > Backup retention period",
    ),
    controls={MCSB: ("BR-1",), NIST: ("CP-9",), ISO: ("A.8.13",)},
    references=(f"{LEARN}/postgresql/flexible-server/concepts-backup-restore",),
)
def short_backup_retention(server: Resource, index: Index) -> Verdict:
    return at_least(server, "properties.backup.backupRetentionDays", 14)


SERVER.setting(
    "postgres-entra-off",
    "governance",
    "Nobody can sign in to the PostgreSQL server with Entra ID",
    "properties.authConfig.activeDirectoryAuth",
    allowed=("Enabled",),
    bad=("Disabled",),
    absent="Disabled",
    source="Azure Policy fa498b91 flags an absent value; terraform-provider-azurerm reads it as false",
    severity="low",
    why="Persons and programs can use nothing but passwords, so passwords cannot be turned off either.",
    fix=Fix(
        az=f"{UPDATE} --microsoft-entra-auth Enabled",
        breaks="Nothing: passwords go on working beside it.",
        bicep="authConfig: { activeDirectoryAuth: 'Enabled' }",
        terraform="azurerm_postgresql_flexible_server.authentication.active_directory_auth_enabled = true",
        terraform_page=PAGE,
        portal="PostgreSQL flexible server > Authentication",
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-2", "IA-2"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/postgresql/flexible-server/concepts-azure-ad-authentication",),
)
