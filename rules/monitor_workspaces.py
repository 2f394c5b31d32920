"""Azure Monitor workspaces: queries of metrics. Metrics arrive by the workspace's data collection endpoint, a resource of its own."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Exposure
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.reach.services.firewall import Firewall, firewall

from .common import host
from .reasons import NO_CALLER_LOG, NO_CUSTOMER_KEY, NO_OTHER_LOCATION, OVER_ZONES

WORKSPACE = ResourceType(
    "Microsoft.Monitor/accounts",
    api="2025-10-03",
    product=Message("Monitor workspace"),
    no_rule=NoRule(
        copy=NO_OTHER_LOCATION,
        key=NO_CUSTOMER_KEY,
        log=NO_CALLER_LOG,
        backup="Azure keeps a deleted workspace for 14 days, without a setting",
        zone=OVER_ZONES,
    ),
)
ACL = Firewall(
    empty="open",
    source="azurerm_monitor_workspace: public_network_access_enabled is true by default, and all recorded answers have the property; "
    "a workspace has no address rules",
    name=Message("Public network access"),
    absent="enabled",
)


# azure-monitor/metrics/prometheus-api-promql: every query carries a token of Microsoft Entra ID.
@WORKSPACE.endpoints(
    Endpoint("query", "data", ports=HTTPS, no_rule="every query carries a token of Microsoft Entra ID"),
)
def endpoints(workspace: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "query",
        "data",
        firewall(workspace, index, ACL),
        IDENTITY,
        display_name=Message("The query API of the Monitor workspace"),
        address=host(workspace, "properties.metrics.prometheusQueryEndpoint"),
    )
