"""Azure Database for PostgreSQL, flexible servers."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Switch
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, is_one, same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, ResourceType
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Verdict, not_returned_or_unknown, unknown
from scanner.reach.services.firewall import firewall

from .common import unless_running
from .flexible_servers import STATE, acl, named, rules_count

SERVER = ResourceType(
    "Microsoft.DBforPostgreSQL/flexibleServers",
    api="2025-08-01",
    product=Message("PostgreSQL server"),
    unread={
        "replicas": "A replica is a server of its own, with its region.",
    },
)
ENTRA = "properties.authConfig.activeDirectoryAuth"


def signs_in_with_entra(server: Resource) -> bool:
    return same(server.get(ENTRA), "Enabled")


FIREWALL = SERVER.child("firewallRules", when=rules_count)
ADMINISTRATORS = SERVER.child("administrators", when=signs_in_with_entra)
PARAMETERS = SERVER.child(
    "configurations",
    matters=named(
        "log_connections",
        "log_disconnections",
        "log_checkpoints",
        "logfiles.download_enable",
        "logfiles.retention_days",
        "password_encryption",
        "connection_throttle.enable",
        "require_secure_transport",
        "ssl_min_protocol_version",
    ),
)
ENCRYPTED = SERVER.child("configurations/require_secure_transport", one=True, within=PARAMETERS)
TLS_VERSION = SERVER.child("configurations/ssl_min_protocol_version", one=True, within=PARAMETERS)

ACL = acl(
    FIREWALL,
    name=Message("PostgreSQL firewall"),
    source="postgresql/flexible-server/concepts-networking-public: without a firewall rule no address is allowed",
)
PASSWORDS = Switch(
    "properties.authConfig.passwordAuth",
    {"Disabled": Auth.identity, "Enabled": Auth.shared},
    absent="Enabled",
    source="azure-mgmt-postgresqlflexibleservers AuthConfig: password authentication is on by default; Azure Policy fa498b91",
    descriptions={Auth.shared: Message("accepts role passwords")},
)


@SERVER.endpoints(
    Endpoint(
        "postgres",
        "data",
        ports=("tcp/5432", "tcp/6432"),
        no_rule={"anonymous-access": "PostgreSQL always requires a login"},
    ),
    reads=(FIREWALL,),
)
def endpoints(server: Resource, index: Index) -> Iterator[Exposure]:
    exposure = Exposure(
        "postgres",
        "data",
        firewall(server, index, ACL),
        PASSWORDS.lock(server),
        display_name=Message("The PostgreSQL server"),
        address=text_at(server.body, "properties.fullyQualifiedDomainName"),
    )
    yield unless_running(exposure, server, STATE)


def entra_admin(server: Resource, index: Index) -> Verdict:
    """Fail where a server accepts Microsoft Entra ID, and no one of it is an administrator."""
    value = server.get(ENTRA)
    if same(value, "Disabled") or (is_absent(value) and not server.why_absent_is_unknown):
        return NotApplicable(Message("Microsoft Entra ID authentication is off: see postgres-entra-disabled"))
    if not signs_in_with_entra(server):
        return unknown(not_returned_or_unknown(ENTRA))
    if is_one(server.get("properties.replicationRole"), ("AsyncReplica", "GeoAsyncReplica")):
        return NotApplicable(Message("it is a replica, whose administrators are those of its primary server"))
    administrators = server.children(ADMINISTRATORS)
    for each in administrators:
        return Pass((Evidence(f"administrators/{each.name}", "present"),))
    if administrators.gap is not None:
        return unknown(administrators.gap, evidence=(server.evidence(ENTRA),))
    return Fail(
        (server.evidence(ENTRA), Evidence("administrators", "none", Message("a Microsoft Entra group or user")))
    )
