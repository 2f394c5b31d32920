"""Azure Database for MySQL, flexible servers."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock, Switch, possible
from scanner.model.index import Index
from scanner.model.json_paths import same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, ResourceType
from scanner.model.verdict import Evidence, Fail, Pass, Unread, Verdict, unknown, unknown_value
from scanner.reach.services.firewall import firewall

from .common import unless_running
from .flexible_servers import STATE, acl, named, rules_count
from .tables.server_parameters import pending_restart

SERVER = ResourceType(
    "Microsoft.DBforMySQL/flexibleServers",
    api="2024-12-30",
    product=Message("MySQL server"),
    unread={
        "replicas": "A replica is a server of its own, with its region.",
        "advancedThreatProtectionSettings": "Not read.",
    },
)
FIREWALL = SERVER.child("firewallRules", when=rules_count)
PARAMETERS = SERVER.child(
    "configurations",
    matters=named(
        "audit_log_enabled",
        "audit_log_events",
        "audit_log_include_users",
        "local_infile",
        "aad_auth_only",
        "require_secure_transport",
        "tls_version",
    ),
)
ENTRA_ONLY = SERVER.child("configurations/aad_auth_only", one=True, within=PARAMETERS)
ENCRYPTED = SERVER.child("configurations/require_secure_transport", one=True, within=PARAMETERS)
TLS_VERSION = SERVER.child("configurations/tls_version", one=True, within=PARAMETERS)

ACL = acl(
    FIREWALL,
    name=Message("MySQL firewall"),
    source="mysql/flexible-server/concepts-networking-public: without a firewall rule no address is allowed",
)
LOGINS = Switch(
    "properties.value",
    {"ON": Auth.identity, "OFF": Auth.shared},
    descriptions={Auth.shared: Message("accepts user passwords")},
)


def authentication(server: Resource) -> Lock:
    """Return the authentication lock. Entra-only is a server parameter."""
    try:
        parameter = server.child(ENTRA_ONLY)
    except Unread as missing:
        return possible(Auth.shared, missing)
    if parameter is None:
        return possible(Auth.shared, Unread(ENTRA_ONLY.path, Message("Azure reports that it does not exist")))
    pending = pending_restart(parameter) if same(parameter.get(LOGINS.path), "ON") else None
    return (
        LOGINS.lock(parameter) if pending is None else possible(Auth.shared, pending, parameter.evidence(LOGINS.path))
    )


@SERVER.endpoints(
    Endpoint("mysql", "data", ports=("tcp/3306",), no_rule={"anonymous-access": "MySQL always requires a login"}),
    reads=(FIREWALL, ENTRA_ONLY),
)
def endpoints(server: Resource, index: Index) -> Iterator[Exposure]:
    exposure = Exposure(
        "mysql",
        "data",
        firewall(server, index, ACL),
        authentication(server),
        display_name=Message("The MySQL server"),
        address=text_at(server.body, "properties.fullyQualifiedDomainName"),
    )
    yield unless_running(exposure, server, STATE)


def old_tls(server: Resource, index: Index) -> Verdict:
    parameter = server.child(TLS_VERSION)
    if parameter is None:
        return unknown(Unread(TLS_VERSION.path, Message("Azure reports that it does not exist")))
    value = parameter.require("properties.value")
    seen = Evidence(f"{TLS_VERSION.path} properties.value", value, "TLSv1.2, TLSv1.3")
    versions = [each.strip().lower() for each in str(value).split(",")]
    if any(each in ("tlsv1", "tlsv1.0", "tlsv1.1") for each in versions):
        return Fail((seen,))
    if all(each in ("tlsv1.2", "tlsv1.3") for each in versions):
        pending = pending_restart(parameter)
        return Pass((seen,)) if pending is None else unknown(pending, evidence=(seen,))
    return unknown(unknown_value(seen.path, value), evidence=(seen,))
