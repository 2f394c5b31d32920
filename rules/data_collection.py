"""Azure Monitor data collection: endpoints that agents and programs send to, and rules that say where logs go."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Exposure, Hop, Lock, Reach, grant, possible, replace
from scanner.model.fix import Fix
from scanner.model.index import Index
from scanner.model.json_paths import is_absent
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.severity import Severity
from scanner.model.verdict import Unread
from scanner.reach.rules.sources import source_hop
from scanner.reach.services.firewall import Firewall
from scanner.reach.services.private_link_scopes import scoped_firewall

from .common import host
from .reasons import FROM_TEMPLATE, NO_CALLER_LOG, NO_DATA_AT_REST
from .telemetry import SCOPED, WRITE_ONLY

ENDPOINT = ResourceType(
    "Microsoft.Insights/dataCollectionEndpoints",
    api="2024-03-11",
    no_rule=NoRule(key=NO_DATA_AT_REST, log=NO_CALLER_LOG, loss=FROM_TEMPLATE),
)
RULE = ResourceType(
    "Microsoft.Insights/dataCollectionRules",
    api="2024-03-11",
    no_rule=NoRule(data=NO_DATA_AT_REST, log=NO_CALLER_LOG, loss=FROM_TEMPLATE),
)
CONFIGURATION_ONLY = Message("a caller reads which logs its own machine is to send, and no logs, so low at most")
HOSTS = {
    "configuration": (
        "properties.configurationAccess.endpoint",
        CONFIGURATION_ONLY,
        Message("The configuration of agents"),
    ),
    "logs": ("properties.logsIngestion.endpoint", WRITE_ONLY, Message("Log ingestion")),
    "metrics": ("properties.metricsIngestion.endpoint", WRITE_ONLY, Message("Metrics ingestion")),
}
ACL = Firewall(
    empty="open",
    source="azurerm_monitor_data_collection_endpoint: public_network_access_enabled is true by default, and all recorded answers "
    "have the property; an endpoint has no address rules",
    name=Message("Public network access"),
    public="properties.networkAcls.publicNetworkAccess",
    absent="enabled",
    endpoints=None,
)
DIRECT = {
    "direct/logs": ("properties.endpoints.logsIngestion", Message("Direct log ingestion")),
    "direct/metrics": ("properties.endpoints.metricsIngestion", Message("Direct metrics ingestion")),
}
MOVE = Message(
    "A rule's own endpoints have no network settings: send to a data collection endpoint in a private link scope instead, with a rule "
    "that names it, and delete this one"
)


# azure-monitor/logs/logs-ingestion-api-overview, azure-monitor-agent: every call carries a token of Microsoft Entra ID.
ALWAYS = "every call carries a token of Microsoft Entra ID"


@ENDPOINT.endpoints(
    Endpoint("configuration", "data", ports=HTTPS, no_rule=ALWAYS),
    Endpoint("logs", "data", ports=HTTPS, no_rule=ALWAYS),
    Endpoint("metrics", "data", ports=HTTPS, no_rule=ALWAYS),
)
def endpoints(endpoint: Resource, index: Index) -> Iterator[Exposure]:
    network = scoped_firewall(endpoint, index, ACL, SCOPED)
    for name, (path, why, title) in HOSTS.items():
        yield Exposure(
            name,
            "data",
            network,
            IDENTITY,
            display_name=title,
            address=host(endpoint, path),
            max_severity=Severity.low,
            justification=why,
        )


def public(rule: Resource, path: str) -> Lock | None:
    """Return the network lock of an endpoint of a rule itself: the internet, because nothing restricts it.

    None where the rule has no such endpoint.
    """
    if is_absent(rule.get(path)):
        why = rule.why_absent_is_unknown
        return possible(Reach.internet, Unread(path, why), rule.evidence(path)) if why else None
    open_ = grant(Reach.internet, rule.evidence(path))
    hop = Hop(
        "switch",
        Message("Public network access"),
        Message("a rule's own endpoints have no network settings"),
        allows=True,
    )
    return replace(open_, hops=(source_hop(open_), hop))


# azure-monitor/logs/logs-ingestion-api-overview: rules of the kind Direct have endpoints of their own.
@RULE.endpoints(
    Endpoint("direct/*", "data", ports=HTTPS, no_rule=ALWAYS),
)
def rule_endpoints(rule: Resource, index: Index) -> Iterator[Exposure]:
    for name, (path, title) in DIRECT.items():
        network = public(rule, path)
        if network is not None:
            yield Exposure(
                name,
                "data",
                network,
                IDENTITY,
                display_name=title,
                address=host(rule, path),
                max_severity=Severity.low,
                justification=WRITE_ONLY,
                fixes={"network": Fix(steps=(MOVE,), tier=True)},
            )
