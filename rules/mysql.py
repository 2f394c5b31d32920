"""Azure Database for MySQL, flexible servers."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock, Switch, possible
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.model.verdict import Evidence, Fail, Pass, Unknown, Unread, Verdict, unknown
from scanner.reach.firewall import Firewall, Rules, firewall, injected

from .common import text

SERVER = ResourceType("Microsoft.DBforMySQL/flexibleServers", api="2024-12-30")
PUBLIC = "properties.network.publicNetworkAccess"
SUBNET = "properties.network.delegatedSubnetResourceId"


def rules_count(server: Resource) -> bool:
    # mysql/flexible-server/concepts-networking-vnet: inside a virtual network firewall rules do not apply.
    return not injected(server, SUBNET) and not same(server.get(PUBLIC), "Disabled")


FIREWALL = SERVER.child("firewallRules", when=rules_count)
ENTRA_ONLY = SERVER.child("configurations/aad_auth_only", one=True)
ENCRYPTED = SERVER.child("configurations/require_secure_transport", one=True)
TLS_VERSION = SERVER.child("configurations/tls_version", one=True)

ACL = Firewall(
    empty="closed",
    source="mysql/flexible-server/concepts-networking-public: without a firewall rule no address is let in",
    name="MySQL firewall",
    public=PUBLIC,
    addresses=(Rules(child=FIREWALL, start="properties.startIpAddress", end="properties.endIpAddress"),),
    zero=True,
    injected=(SUBNET,),
)
LOGINS = Switch(
    "properties.value",
    {"ON": Auth.identity, "OFF": Auth.shared},
    says={Auth.shared: "a user's name and password open it"},
)


def authentication(server: Resource) -> Lock:
    """Return the authentication lock. Entra-only is a server parameter."""
    try:
        parameter = server.child(ENTRA_ONLY)
    except Unread as missing:
        return possible(Auth.shared, missing)
    if parameter is None:
        return possible(Auth.shared, Unread(ENTRA_ONLY.path, "Azure says that there is none"))
    return LOGINS.lock(parameter)


@SERVER.endpoints(data=("mysql",), reads=(FIREWALL, ENTRA_ONLY))
def endpoints(server: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "mysql",
        "data",
        firewall(server, index, ACL),
        authentication(server),
        what="The MySQL server",
        address=text(server, "properties.fullyQualifiedDomainName"),
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
