"""API Management: workspace gateways, which are resources of their own beside the service."""

from collections.abc import Iterator

from scanner.model.exposure import Exposure, Hop, Lock, Reach, closed, grant, replace
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTP_AND_HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import Evidence, Unread, not_returned, unknown_value
from scanner.reach.rules.sources import source_hop
from scanner.reach.services.firewall import injection_subnet

from .apim import undecided
from .common import in_subnet, perhaps_private, private_only
from .reasons import FROM_TEMPLATE, NO_CUSTOMER_KEY, NO_OTHER_LOCATION

GATEWAY = ResourceType(
    "Microsoft.ApiManagement/gateways",
    api="2024-05-01",
    product=Message("Workspace gateway"),
    unread={
        "configurationApi.hostname": "A host of Microsoft for gateways of the SKU Standard. No setting closes it.",
    },
    no_rule=NoRule(
        copy=NO_OTHER_LOCATION,
        key=NO_CUSTOMER_KEY,
        log="calls of workspaces are in the log of the service",
        loss=FROM_TEMPLATE,
    ),
)
CONNECTIONS = GATEWAY.child("configConnections")
TYPE, SUBNET = "properties.virtualNetworkType", "properties.backend.subnet.id"
OPEN = ("None", "External")
POLICIES = Unread(
    Message("the policies of its APIs"), Message("those of workspaces are not read, and they decide what a call needs")
)


def network(gateway: Resource, index: Index) -> Lock:
    """Return the network lock of a gateway.

    api-management/virtual-network-workspaces-resources: injected, it has a private address alone; integrated, its public
    address stays. workspaces-overview: it has no private endpoints. What an absent type means is not documented: open.
    """
    value = gateway.get(TYPE)
    if same(value, "Internal"):
        if injection_subnet(gateway, SUBNET):
            return in_subnet(gateway, index, SUBNET)
        return private_only(
            Hop("subnet", Message("its subnet"), Message("inside a virtual network")), gateway.evidence(TYPE)
        )
    public = grant(Reach.internet, gateway.evidence(TYPE, "Internal"))
    public = replace(
        public,
        hops=(source_hop(public), Hop("switch", Message("Virtual network"), Message("public inbound"), allows=True)),
    )
    if gateway.has_no_properties:
        return perhaps_private(public, not_returned(TYPE))
    if is_absent(value) or any(same(value, each) for each in OPEN):
        return public
    return perhaps_private(public, unknown_value(TYPE, value), gateway.evidence(TYPE))


@GATEWAY.endpoints(
    Endpoint(
        "apis",
        "app",
        ports=HTTP_AND_HTTPS,
        hosts=(
            (CONNECTIONS, "properties.defaultHostname"),
            (CONNECTIONS, "properties.hostnames[]"),
        ),
        no_rule={
            "authentication": "what a call needs is decided by policies of workspaces, which are not read: apim-workspace-gateway-no-sign-in is inconclusive",
            "network": "an app, as the APIs of the service",
        },
    ),
    reads=(CONNECTIONS,),
)
def endpoints(gateway: Resource, index: Index) -> Iterator[Exposure]:
    """Yield the one endpoint of a gateway: all APIs of the workspaces that its connections name."""
    connections, title = gateway.children(CONNECTIONS), Message("The APIs of the workspace gateway")
    if not len(connections) and connections.gap is None:
        seen = Evidence(CONNECTIONS.path, [])
        yield closed("apis", "app", Message("no workspace uses the gateway"), seen, display_name=title)
        return
    host = gateway.get("properties.frontend.defaultHostname")
    yield Exposure(
        "apis",
        "app",
        network(gateway, index),
        undecided(connections.gap or POLICIES),
        display_name=title,
        address=host if isinstance(host, str) else "",
    )
