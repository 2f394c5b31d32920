"""Azure Managed Grafana: the portal and its API, tokens of service accounts, public network access."""

from collections.abc import Iterator

from scanner.model.exposure import Exposure
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.reach.services.firewall import Firewall, firewall

from .common import host
from .reasons import NO_CUSTOMER_KEY, NO_OTHER_LOCATION

GRAFANA = ResourceType(
    "Microsoft.Dashboard/grafana",
    api="2025-08-01",
    product=Message("Grafana workspace"),
    unread={
        "deterministicOutboundIP": "A choice of the data source, whose firewall can name Grafana where it is enabled.",
        "viewersCanEdit, editorsCanAdmin, csrfAlwaysCheck": "Off by default, and within the rights of someone who signed in.",
    },
    no_rule=NoRule(copy=NO_OTHER_LOCATION, key=NO_CUSTOMER_KEY, backup="dashboards are exported by the API of Grafana"),
)
# What a workspace connects to is looked up where another resource has the connection: scanner/reach/networks/managed_endpoints.py.
MANAGED = GRAFANA.child(
    "managedPrivateEndpoints",
    always=True,
    keep=("properties.privateLinkResourceId", "properties.connectionState.status"),
)
ACL = Firewall(
    empty="open",
    source="azure-mgmt-dashboard 1.1.0 ManagedGrafanaProperties: publicNetworkAccess is Enabled by default; Azure Policy e8775d5a: "
    "everything but Disabled is non-compliant; a workspace has no address rules",
    name=Message("Public network access"),
    absent="enabled",
)
# No `absent`: all recorded answers have the property.
TOKENS = GRAFANA.local_auth(
    "properties.apiKey", off=("Disabled",), on=("Enabled",), message=Message("accepts tokens of service accounts")
)


@GRAFANA.endpoints(
    Endpoint(
        "grafana",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "a user signs in with Microsoft Entra ID, a program with a token: anonymous access cannot be enabled"
        },
    ),
)
def endpoints(grafana: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "grafana",
        "data",
        firewall(grafana, index, ACL),
        TOKENS.lock(grafana),
        display_name=Message("Grafana"),
        address=host(grafana, "properties.endpoint"),
    )
