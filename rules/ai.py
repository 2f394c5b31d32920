"""Azure AI services (Cognitive Services accounts, Azure OpenAI, AI Foundry): keys, network rules, the own name."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock, grant, possible
from scanner.model.index import Index
from scanner.model.json_paths import MISSING
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType
from scanner.model.verdict import Fail, Pass, Verdict, absent_at_unknown_version, unknown, unknown_value
from scanner.reach.firewall import Firewall, RuleList, firewall

from .common import ISO, LEARN, MCSB, NIST, by_perimeter, host, perimeter_only_learns, strange_subnet

ACCOUNT = ResourceType("Microsoft.CognitiveServices/accounts", api="2025-09-01")
PERIMETERS = ACCOUNT.child("networkSecurityPerimeterConfigurations", when=by_perimeter)
ACL = Firewall(
    empty="closed",
    source="ai-services/cognitive-services-virtual-networks: by default an account is reached from all networks; Azure Policy "
    "037eea7a flags an absent switch and everything but Deny",
    name="AI services firewall",
    absent="enabled",
    default="properties.networkAcls.defaultAction",
    default_absent="allow",
    acl="properties.networkAcls",
    addresses=(RuleList("properties.networkAcls.ipRules", address="value"),),
    subnets=(RuleList("properties.networkAcls.virtualNetworkRules", id="id"),),
    bypass="properties.networkAcls.bypass",
    configurations=PERIMETERS,
)
KEYS = ACCOUNT.local_auth(
    "properties.disableLocalAuth",
    off=(True,),
    on=(False,),
    absent=False,
    source="Azure Policy 71ef260a: everything but true is non-compliant; most answers do not hold it",
    says="an account key opens it",
)
NAME = "properties.customSubDomainName"


def authentication(account: Resource) -> Lock:
    """What the account asks for. Without a name of its own it stands behind the host of the region, which takes no tokens."""
    lock = KEYS.lock(account)
    value = account.get(NAME)
    if isinstance(value, str) and value:
        return lock
    seen = account.evidence(NAME, "a name")
    if value is not MISSING and value is not None and value != "":
        return lock | possible(Auth.shared, unknown_value(NAME, value), seen)
    if account.api_version_unknown:
        return lock | possible(Auth.shared, absent_at_unknown_version(NAME), seen)
    return lock | grant(Auth.shared, seen, description="without a name of its own it takes keys only")


@ACCOUNT.endpoints(data=("ai",), reads=(PERIMETERS,))
def endpoints(account: Resource, index: Index) -> Iterator[Exposure]:
    address = host(account, "properties.endpoint")
    yield Exposure(
        "ai",
        "data",
        firewall(account, index, ACL),
        authentication(account),
        display_name="The AI service",
        address=address,
    )


PAGE = "cognitive_account"

ACCOUNT.lock(
    "ai-local-keys",
    "authentication",
    "The AI service accepts keys",
    only=("ai",),
    why="Whoever holds one of the two keys uses the models on your bill, and reads what was uploaded for training or "
    "search. A key names nobody and does not expire.",
    fix=Fix(
        az="az resource update --ids {id} --set properties.disableLocalAuth=true",
        first_step="az role assignment list --scope {id} --include-inherited --output table",
        breaks="Every client that sends a key: give it an identity and the role Cognitive Services User first. An account "
        "without a name of its own needs one before.",
        bicep="disableLocalAuth: true",
        terraform="azurerm_cognitive_account.local_auth_enabled = false",
        terraform_page=PAGE,
        portal="Azure Policy: Configure Azure AI Services resources to disable local key access",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-2", "AC-3", "IA-2"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/ai-services/disable-local-auth",),
)
ACCOUNT.lock(
    "ai-open-network",
    "network",
    "The AI service answers networks that are not yours",
    only=("ai",),
    why="One lock is left: a key or token that got lost works from anywhere in the world, on your bill and on your data.",
    fix=Fix(
        az="az cognitiveservices account network-rule add --name {name} --resource-group {group} --ip-address YOUR_RANGE && "
        "az resource update --ids {id} --set properties.networkAcls.defaultAction=Deny",
        first_step="az cognitiveservices account network-rule list --name {name} --resource-group {group}",
        breaks="Callers outside the ranges, subnets and private endpoints that the account names. An account without a name "
        "of its own needs one before.",
        bicep="networkAcls: { defaultAction: 'Deny', ipRules: [{ value: '...' }] }",
        terraform='azurerm_cognitive_account.network_acls.default_action = "Deny"',
        terraform_page=PAGE,
        portal="AI service > Networking > Selected networks and private endpoints",
        cost=2,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)},
    references=(f"{LEARN}/ai-services/cognitive-services-virtual-networks",),
)


@ACCOUNT.rule(
    "ai-without-own-name",
    "governance",
    "The AI service has no name of its own, so it takes keys only and cannot be put behind a private endpoint",
    severity="low",
    source="ai-services/cognitive-services-custom-subdomains: an account without a custom subdomain uses the host of its region",
    why="Behind the shared host of the region there is no sign-in with Entra ID, no rule for a virtual network and no private "
    "endpoint: neither lock can be closed before the account has a name.",
    fix=Fix(
        az="az cognitiveservices account update --name {name} --resource-group {group} --custom-domain {name}",
        first_step="az cognitiveservices account show --name {name} --resource-group {group} --query properties.endpoints",
        breaks="Nothing: the host of the region keeps working. The name is unique in Azure and cannot be changed again.",
        bicep="customSubDomainName: '...'",
        terraform='azurerm_cognitive_account.custom_subdomain_name = "..."',
        terraform_page=PAGE,
        portal="AI service > Overview > Generate custom domain name",
    ),
    controls={MCSB: ("IM-1", "NS-2")},
    references=(f"{LEARN}/ai-services/cognitive-services-custom-subdomains",),
)
def without_own_name(account: Resource, index: Index) -> Verdict:
    value = account.get(NAME)
    seen = account.evidence(NAME, "a name")
    if value is MISSING or value is None or value == "":
        return Fail((seen,))
    if isinstance(value, str):
        return Pass((seen,))
    return unknown(unknown_value(NAME, value), evidence=(seen,))


perimeter_only_learns(ACCOUNT, "ai-perimeter-only-learning", "the AI service", PERIMETERS)
strange_subnet(
    ACCOUNT,
    "ai-subnet-of-strangers",
    "the AI service",
    ACL,
    "az cognitiveservices account network-rule remove --name {name} --resource-group {group} --subnet SUBNET_ID",
    "az cognitiveservices account network-rule list --name {name} --resource-group {group}",
)
