"""Azure Database for PostgreSQL, flexible servers."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Switch
from scanner.model.index import Index
from scanner.model.json_paths import text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, ResourceType
from scanner.reach.firewall import firewall

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
FIREWALL = SERVER.child("firewallRules", when=rules_count)
PARAMETERS = SERVER.child(
    "configurations",
    matters=named(
        "log_connections",
        "log_disconnections",
        "log_checkpoints",
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
