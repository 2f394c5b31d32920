"""AI Search services: API keys, IP rules and private endpoints."""

from collections.abc import Iterator

from scanner.model.exposure import Exposure
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.reach.services.firewall import Firewall, RuleList, firewall

from .common import by_perimeter, host, local_auth, moved, unless_running

SERVICE = ResourceType(
    "Microsoft.Search/searchServices",
    api="2025-05-01",
    product=Message("AI Search service"),
    unread={
        "CORS, customer-managed keys of indexes": "They are set on each index, in the data plane.",
    },
    no_rule=NoRule(copy="indexers are in the data plane", backup="an index is built again"),
)
PERIMETERS = SERVICE.child("networkSecurityPerimeterConfigurations", when=by_perimeter)
# What a service connects to is looked up where another resource has the connection: scanner/reach/networks/managed_endpoints.py.
LINKS = SERVICE.child(
    "sharedPrivateLinkResources", always=True, keep=("properties.privateLinkResourceId", "properties.status")
)
WITHOUT_FIREWALL = ("free",)
# azure-mgmt-search SkuName: the others.
WITH_FIREWALL = ("basic", "standard", "standard2", "standard3", "storage_optimized_l1", "storage_optimized_l2")
ACL = Firewall(
    empty="open",
    source="Azure Policy 037eea7a: a service without IP rules is not restricted; azure-mgmt-search: publicNetworkAccess is "
    "enabled by default",
    name=Message("IP rules"),
    absent="enabled",
    acl="properties.networkRuleSet",
    addresses=(RuleList("properties.networkRuleSet.ipRules", address="value"),),
    bypass="properties.networkRuleSet.bypass",
    # search/service-configure-firewall: IP rules need the Basic tier or above.
    sku_without_network_rules=("sku.name", WITHOUT_FIREWALL, WITH_FIREWALL),
    configurations=PERIMETERS,
)
KEYS = local_auth(
    SERVICE,
    source="Azure Policy 6300012e: everything but true is non-compliant; search/search-security-api-keys: keys are the default",
    message=Message("accepts API keys"),
)
MOVE = Message(
    "The free tier has neither IP rules nor private endpoints: recreate the index in a service of the Basic tier"
)


@SERVICE.endpoints(
    Endpoint("search", "data", ports=HTTPS, no_rule={"anonymous-access": "every query requires a key or a token"}),
    reads=(PERIMETERS,),
)
def endpoints(service: Resource, index: Index) -> Iterator[Exposure]:
    authentication = KEYS.lock(service)
    made = Exposure(
        "search",
        "data",
        firewall(service, index, ACL),
        authentication,
        display_name=Message("The search service"),
        address=host(service, "properties.endpoint"),
        fixes=moved(service, WITHOUT_FIREWALL, MOVE, Message("Clients need the address of the new service.")),
    )
    # azure-mgmt-search SearchServiceStatus: a stopped service is in a subscription that is disabled.
    yield unless_running(made, service, "properties.status")
