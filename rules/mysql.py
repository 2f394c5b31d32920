"""Azure Database for MySQL, flexible servers."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock, Switch, possible
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType
from scanner.model.verdict import Evidence, Fail, Pass, Unknown, Unread, Verdict, unknown
from scanner.reach.firewall import Firewall, RuleList, firewall, injection_subnet

from .common import ISO, LEARN, MCSB, NIST, at_least, judge_child

SERVER = ResourceType("Microsoft.DBforMySQL/flexibleServers", api="2024-12-30")
PUBLIC = "properties.network.publicNetworkAccess"
SUBNET = "properties.network.delegatedSubnetResourceId"


def rules_count(server: Resource) -> bool:
    # mysql/flexible-server/concepts-networking-vnet: inside a virtual network firewall rules do not apply.
    return not injection_subnet(server, SUBNET) and not same(server.get(PUBLIC), "Disabled")


FIREWALL = SERVER.child("firewallRules", when=rules_count)
ENTRA_ONLY = SERVER.child("configurations/aad_auth_only", one=True)
ENCRYPTED = SERVER.child("configurations/require_secure_transport", one=True)
TLS_VERSION = SERVER.child("configurations/tls_version", one=True)

ACL = Firewall(
    empty="closed",
    source="mysql/flexible-server/concepts-networking-public: without a firewall rule no address is let in",
    name="MySQL firewall",
    public=PUBLIC,
    addresses=(RuleList(child=FIREWALL, start="properties.startIpAddress", end="properties.endIpAddress"),),
    zero=True,
    injected=(SUBNET,),
)
LOGINS = Switch(
    "properties.value",
    {"ON": Auth.identity, "OFF": Auth.shared},
    descriptions={Auth.shared: "a user's name and password open it"},
)


def authentication(server: Resource) -> Lock:
    """What the server asks for: Entra-only is a server parameter."""
    try:
        parameter = server.child(ENTRA_ONLY)
    except Unread as missing:
        return possible(Auth.shared, missing)
    if parameter is None:
        return possible(Auth.shared, Unread(ENTRA_ONLY.path, "Azure says that there is none"))
    return LOGINS.lock(parameter)


@SERVER.endpoints(data=("mysql",), reads=(FIREWALL, ENTRA_ONLY))
def endpoints(server: Resource, index: Index) -> Iterator[Exposure]:
    host = server.get("properties.fullyQualifiedDomainName")
    yield Exposure(
        "mysql",
        "data",
        firewall(server, index, ACL),
        authentication(server),
        display_name="The MySQL server",
        address=host if isinstance(host, str) else "",
    )


UPDATE = "az mysql flexible-server update --ids {id}"
PARAMETER = "az mysql flexible-server parameter set --server-name {name} --resource-group {group}"
PAGE = "mysql_flexible_server"
PARAMETER_PAGE = "mysql_flexible_server_configuration"

SERVER.lock(
    "mysql-password-login",
    "authentication",
    "The MySQL server accepts passwords",
    only=("mysql",),
    why="A user's password lies in connection strings, names no person, and asks for no second factor. It can be guessed "
    "at from wherever the server answers.",
    fix=Fix(
        az=f"{PARAMETER} --name aad_auth_only --value ON",
        first_step="az mysql flexible-server ad-admin list --server-name {name} --resource-group {group}",
        breaks="Every client that signs in with a password; make users for the identities of applications first.",
        bicep="configurations: { name: 'aad_auth_only', properties: { value: 'ON', source: 'user-override' } }",
        terraform='azurerm_mysql_flexible_server_configuration.value = "ON"',
        terraform_page=PARAMETER_PAGE,
        portal="MySQL flexible server > Authentication > Microsoft Entra authentication only",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-2", "AC-3", "IA-2"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/mysql/flexible-server/concepts-azure-ad-authentication",),
)
SERVER.lock(
    "mysql-open-network",
    "network",
    "The MySQL server answers networks that are not yours",
    only=("mysql",),
    why="The login is the only lock that is left, and everybody in the range may try it. The rule that admits "
    '"Azure services" admits the machines of every other customer of Azure.',
    fix=Fix(
        az=f"{UPDATE} --public-access Disabled",
        first_step="az mysql flexible-server firewall-rule list --name {name} --resource-group {group} --output table",
        breaks="Callers without a private endpoint. To keep some, delete the wide firewall rules alone.",
        bicep="network: { publicNetworkAccess: 'Disabled' }",
        terraform='azurerm_mysql_flexible_server.public_network_access = "Disabled"',
        terraform_page=PAGE,
        portal="MySQL flexible server > Networking > Public access, or remove wide firewall rules",
        cost=2,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)},
    references=(f"{LEARN}/mysql/flexible-server/concepts-networking-public",),
)


@SERVER.rule(
    "mysql-plaintext",
    "transport",
    "The MySQL server accepts unencrypted connections",
    severity="high",
    reads=(ENCRYPTED,),
    why="A client that is set up wrongly sends its password and all rows readable for everybody on the way, and nobody notices.",
    fix=Fix(
        az=f"{PARAMETER} --name require_secure_transport --value ON",
        breaks="Clients that connect without TLS.",
        bicep="configurations: { name: 'require_secure_transport', properties: { value: 'ON', source: 'user-override' } }",
        terraform='azurerm_mysql_flexible_server_configuration.value = "ON"',
        terraform_page=PARAMETER_PAGE,
        portal="MySQL flexible server > Server parameters > require_secure_transport",
    ),
    controls={MCSB: ("DP-3",), NIST: ("SC-8",), ISO: ("A.8.24",)},
    references=(f"{LEARN}/mysql/flexible-server/security-how-to-manage-tls-ssl",),
)
def plaintext(server: Resource, index: Index) -> Verdict:
    return judge_child(server, ENCRYPTED, "properties.value", allowed=("ON",), bad=("OFF",))


@SERVER.rule(
    "mysql-old-tls",
    "transport",
    "The MySQL server accepts old TLS versions",
    severity="medium",
    reads=(TLS_VERSION,),
    why="TLS 1.0 and 1.1 rest on ciphers that are broken, and somebody on the way can make a client fall back to them.",
    fix=Fix(
        az=f"{PARAMETER} --name tls_version --value TLSv1.2,TLSv1.3",
        first_step="az mysql flexible-server parameter show --server-name {name} --resource-group {group} --name tls_version",
        breaks="Drivers that are older than TLS 1.2. The server restarts.",
        bicep="configurations: { name: 'tls_version', properties: { value: 'TLSv1.2,TLSv1.3' } }",
        terraform='azurerm_mysql_flexible_server_configuration.value = "TLSv1.2,TLSv1.3"',
        terraform_page=PARAMETER_PAGE,
        portal="MySQL flexible server > Server parameters > tls_version",
    ),
    controls={MCSB: ("DP-3",), NIST: ("SC-8",), ISO: ("A.8.24",)},
    references=(f"{LEARN}/mysql/flexible-server/security-how-to-manage-tls-ssl",),
)
def old_tls(server: Resource, index: Index) -> Verdict:
    parameter = server.child(TLS_VERSION)
    if parameter is None:
        return unknown(Unread(TLS_VERSION.path, "Azure says that there is none"))
    value = parameter.require("properties.value")
    seen = Evidence(f"{TLS_VERSION.path} properties.value", value, "TLSv1.2, TLSv1.3")
    versions = [each.strip().lower() for each in str(value).split(",")]
    if any(each in ("tlsv1", "tlsv1.0", "tlsv1.1") for each in versions):
        return Fail((seen,))
    if all(each in ("tlsv1.2", "tlsv1.3") for each in versions):
        return Pass((seen,))
    return Unknown(f"{seen.path}: its value {value!r} is not known", evidence=(seen,))


SERVER.setting(
    "mysql-local-backup",
    "recovery",
    "Backups of the MySQL server lie in one region only",
    "properties.backup.geoRedundantBackup",
    allowed=("Enabled",),
    bad=("Disabled",),
    severity="low",
    why="When the region is lost, its backups are lost with it. A copy in the paired region can be restored there.",
    fix=Fix(
        az=f"{UPDATE} --geo-redundant-backup Enabled",
        breaks="Nothing; copies go to the paired region, so look at what must not leave the country, and cost more.",
        bicep="backup: { geoRedundantBackup: 'Enabled' }",
        terraform="azurerm_mysql_flexible_server.geo_redundant_backup_enabled = true",
        terraform_page=PAGE,
        portal="MySQL flexible server > Compute + storage > Geo-redundancy",
        cost=2,
    ),
    controls={MCSB: ("BR-1",), NIST: ("CP-6", "CP-9"), ISO: ("A.8.13",)},
    references=(f"{LEARN}/mysql/flexible-server/concepts-backup-restore",),
)


@SERVER.rule(
    "mysql-short-backup-retention",
    "recovery",
    "The MySQL server can be restored to less than 7 days back",
    severity="low",
    why="A wrong delete is often found after the weekend. With a day of backups it is then too late.",
    fix=Fix(
        az=f"{UPDATE} --backup-retention 14",
        breaks="Nothing; longer retention costs more storage.",
        bicep="backup: { backupRetentionDays: 14 }",
        terraform="azurerm_mysql_flexible_server.backup_retention_days = 14",
        terraform_page=PAGE,
        portal="MySQL flexible server > Compute + storage > Backup retention period",
    ),
    controls={MCSB: ("BR-1",), NIST: ("CP-9",), ISO: ("A.8.13",)},
    references=(f"{LEARN}/mysql/flexible-server/concepts-backup-restore",),
)
def short_backup_retention(server: Resource, index: Index) -> Verdict:
    return at_least(server, "properties.backup.backupRetentionDays", 7)
