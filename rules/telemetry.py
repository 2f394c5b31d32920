"""Log Analytics workspaces and Application Insights: where logs are sent and queried, with which credential and from where.

Logs that reach a workspace by another way have the locks of that way: diagnostic settings use a channel of Microsoft,
agents a data collection endpoint (rules/data_collection.py).
"""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Exposure
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint
from scanner.model.severity import Severity
from scanner.reach.services.firewall import Firewall
from scanner.reach.services.private_link_scopes import scoped_firewall

from .monitoring import COMPONENT, WORKSPACE

INGESTION = "properties.publicNetworkAccessForIngestion"
QUERY = "properties.publicNetworkAccessForQuery"
CUSTOMER = "properties.customerId"
SCOPED = "properties.privateLinkScopedResources"
COMPONENT_SCOPED = "properties.PrivateLinkScopedResources"
WRITE_ONLY = Message("a caller can send logs and read none: false trails and costs, so low at most")


def not_open(workspace: Resource) -> bool:
    """Return whether the rules of a perimeter alone may allow callers: one of the switches is not Enabled."""
    return not (same(workspace.get(INGESTION), "Enabled") and same(workspace.get(QUERY), "Enabled"))


PERIMETERS = WORKSPACE.child("networkSecurityPerimeterConfigurations", when=not_open)

WORKSPACE_SOURCE = (
    "azure-mgmt-loganalytics 12.0.0 Workspace: both switches are Enabled by default; "
    "azure-monitor/fundamentals/private-link-design: a workspace has no address rules"
)
COMPONENT_SOURCE = (
    "azure-mgmt-applicationinsights 4.1.0 ApplicationInsightsComponent: both switches are Enabled by default; "
    "azure-monitor/fundamentals/private-link-design: a component has no address rules"
)
WORKSPACE_INGESTION = Firewall(
    empty="open",
    source=WORKSPACE_SOURCE,
    name=Message("Public access for ingestion"),
    public=INGESTION,
    absent="enabled",
    endpoints=None,
    configurations=PERIMETERS,
)
WORKSPACE_QUERY = Firewall(
    empty="open",
    source=WORKSPACE_SOURCE,
    name=Message("Public access for queries"),
    public=QUERY,
    absent="enabled",
    endpoints=None,
    configurations=PERIMETERS,
)
COMPONENT_INGESTION = Firewall(
    empty="open",
    source=COMPONENT_SOURCE,
    name=Message("Public access for ingestion"),
    public=INGESTION,
    absent="enabled",
    endpoints=None,
)
COMPONENT_QUERY = Firewall(
    empty="open",
    source=COMPONENT_SOURCE,
    name=Message("Public access for queries"),
    public=QUERY,
    absent="enabled",
    endpoints=None,
)
KEYS = WORKSPACE.local_auth(
    "properties.features.disableLocalAuth",
    off=(True,),
    on=(False,),
    absent=False,
    source="36 recorded workspaces omit it; azurerm_log_analytics_workspace: local authentication is enabled by default",
    message=Message("accepts the workspace key"),
)
CONNECTION = COMPONENT.local_auth(
    "properties.DisableLocalAuth",
    off=(True,),
    on=(False,),
    absent=False,
    source="recorded components omit it; azurerm_application_insights: local authentication is enabled by default",
    message=Message("accepts the connection string alone"),
)


AGENT_HOSTS = ("ods.opinsights.azure.com", "oms.opinsights.azure.com", "agentsvc.azure-automation.net")


def ingestion_hosts(workspace: Resource) -> list[str]:
    """Return the hosts that agents send to, `GUID.ods.opinsights.azure.com` first; [""] where the id is not returned."""
    customer = workspace.get(CUSTOMER)
    return [f"{customer}.{each}" for each in AGENT_HOSTS] if isinstance(customer, str) and customer else [""]


# Ingestion has hosts of the workspace (ods, oms, agentsvc); queries of all workspaces go to one host
# (azure-monitor/fundamentals/azure-monitor-network-access). A query always carries a token.
@WORKSPACE.endpoints(
    Endpoint(
        "ingestion",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "logs are sent with a key or a token, and queried with a token of Microsoft Entra ID"
        },
    ),
    Endpoint(
        "query",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "logs are sent with a key or a token, and queried with a token of Microsoft Entra ID",
            "authentication": "every query carries a token of Microsoft Entra ID",
        },
    ),
    reads=(PERIMETERS,),
)
def workspace_endpoints(workspace: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "ingestion",
        "data",
        scoped_firewall(workspace, index, WORKSPACE_INGESTION, SCOPED),
        KEYS.lock(workspace),
        display_name=Message("The workspace's log ingestion"),
        address=ingestion_hosts(workspace)[0],
        hosts=tuple(ingestion_hosts(workspace)[1:]),
        max_severity=Severity.low,
        justification=WRITE_ONLY,
    )
    yield Exposure(
        "query",
        "data",
        scoped_firewall(workspace, index, WORKSPACE_QUERY, SCOPED),
        IDENTITY,
        display_name=Message("The workspace's query API"),
        address="api.loganalytics.azure.com",
    )


# Live metrics, the profiler and the debugger send by the lock of ingestion; live metrics are watched by that of queries
# (azure-monitor/fundamentals/private-link-design). The host is in the connection string, which is a credential: it is not
# read. API keys of components no longer query since 2026-03-31.
@COMPONENT.endpoints(
    Endpoint(
        "ingestion",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "telemetry carries the instrumentation key or a token, a query a token of Microsoft Entra ID"
        },
    ),
    Endpoint(
        "query",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "telemetry carries the instrumentation key or a token, a query a token of Microsoft Entra ID",
            "authentication": "every query carries a token of Microsoft Entra ID: API keys were retired on 2026-03-31",
        },
    ),
)
def component_endpoints(component: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "ingestion",
        "data",
        scoped_firewall(component, index, COMPONENT_INGESTION, COMPONENT_SCOPED),
        CONNECTION.lock(component),
        display_name=Message("Telemetry ingestion"),
        max_severity=Severity.low,
        justification=WRITE_ONLY,
    )
    yield Exposure(
        "query",
        "data",
        scoped_firewall(component, index, COMPONENT_QUERY, COMPONENT_SCOPED),
        IDENTITY,
        display_name=Message("The query API of Application Insights"),
        address="api.applicationinsights.io",
    )
