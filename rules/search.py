"""AI Search services: API keys, IP rules and private endpoints."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType
from scanner.reach.firewall import Firewall, RuleList, firewall

from .common import ISO, LEARN, MCSB, NIST, by_perimeter, host, perimeter_only_learns

SERVICE = ResourceType("Microsoft.Search/searchServices", api="2025-05-01")
PERIMETERS = SERVICE.child("networkSecurityPerimeterConfigurations", when=by_perimeter)
WITHOUT_FIREWALL = ("free",)
# azure-mgmt-search SkuName: the others.
WITH_FIREWALL = ("basic", "standard", "standard2", "standard3", "storage_optimized_l1", "storage_optimized_l2")
ACL = Firewall(
    empty="open",
    source="Azure Policy 037eea7a: a service without IP rules is not restricted; azure-mgmt-search: publicNetworkAccess is "
    "enabled by default",
    name="IP rules",
    absent="enabled",
    acl="properties.networkRuleSet",
    addresses=(RuleList("properties.networkRuleSet.ipRules", address="value"),),
    bypass="properties.networkRuleSet.bypass",
    # search/service-configure-firewall: IP rules need the Basic tier or above.
    sku_without_network_rules=("sku.name", WITHOUT_FIREWALL, WITH_FIREWALL),
    configurations=PERIMETERS,
)
KEYS = SERVICE.local_auth(
    "properties.disableLocalAuth",
    off=(True,),
    on=(False,),
    absent=False,
    source="Azure Policy 6300012e: everything but true is non-compliant; search/search-security-api-keys: keys are the default",
    says="an API key opens it",
)
UPDATE = "az search service update --name {name} --resource-group {group}"
DISABLE = f"{UPDATE} --disable-local-auth true"


def closing(service: Resource, authentication: Lock) -> str:
    """What closes a service of the free tier, which has no IP rules: its keys, and where these are off the move."""
    if not any(same(service.get("sku.name"), tier) for tier in WITHOUT_FIREWALL):
        return ""
    if Auth.shared in [each.level for each in authentication.grants] + [
        each.level for each in authentication.possible_grants
    ]:
        return DISABLE
    return (
        "The free tier has neither IP rules nor private endpoints: make the index anew in a service of the Basic tier"
    )


@SERVICE.endpoints(data=("search",), reads=(PERIMETERS,))
def endpoints(service: Resource, index: Index) -> Iterator[Exposure]:
    authentication = KEYS.lock(service)
    yield Exposure(
        "search",
        "data",
        firewall(service, index, ACL),
        authentication,
        display_name="The search service",
        address=host(service, "properties.endpoint"),
        fix_instruction=closing(service, authentication),
    )


PAGE = "search_service"

SERVICE.lock(
    "search-api-keys",
    "authentication",
    "AI Search accepts API keys",
    only=("search",),
    why="An admin key reads, changes and deletes every index; a query key reads all of them. Neither names its holder, and "
    "query keys end in web pages, where everybody can read them.",
    fix=Fix(
        az=DISABLE,
        first_step=f"{UPDATE} --auth-options aadOrApiKey --aad-auth-failure-mode http403",
        breaks="Every client that sends a key: give it an identity and the role Search Index Data Reader first. The first "
        "step takes both, so that clients can move one by one.",
        bicep="disableLocalAuth: true",
        terraform="azurerm_search_service.local_authentication_enabled = false",
        terraform_page=PAGE,
        portal="AI Search > Keys > API Access control: Role-based access control",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-2", "AC-3", "IA-2"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/search/search-security-enable-roles",),
)
SERVICE.lock(
    "search-open-network",
    "network",
    "AI Search answers networks that are not yours",
    only=("search",),
    why="An index often holds a copy of documents whose source is well protected. Without an IP rule the service answers "
    "every address, and one key or token is enough. The first rule shuts everybody else out; the free tier has none.",
    fix=Fix(
        az=f"{UPDATE} --ip-rules YOUR_RANGE",
        first_step="az search service show --name {name} --resource-group {group} --query networkRuleSet",
        breaks="Clients, indexers and the portal outside the ranges and private endpoints that the service names.",
        bicep="networkRuleSet: { ipRules: [{ value: '...' }] }",
        terraform='azurerm_search_service.allowed_ips = ["..."]',
        terraform_page=PAGE,
        portal="AI Search > Networking > Selected IP addresses",
        cost=2,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)},
    references=(f"{LEARN}/search/service-configure-firewall",),
)
perimeter_only_learns(SERVICE, "search-perimeter-only-learning", "the search service", PERIMETERS)
