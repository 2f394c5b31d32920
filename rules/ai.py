"""Azure AI services (Cognitive Services accounts, Azure OpenAI, AI Foundry): keys, network rules, the custom subdomain."""

from collections.abc import Iterator

from scanner.model.checks import is_one
from scanner.model.exposure import Auth, Exposure, Lock, grant
from scanner.model.index import Index
from scanner.model.json_paths import is_absent
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.reach.services.firewall import firewall

from .common import by_perimeter, host, local_auth, network_acls
from .reasons import OVER_ZONES, STORED_ELSEWHERE

ACCOUNT = ResourceType(
    "Microsoft.CognitiveServices/accounts",
    api="2025-09-01",
    product=Message("AI services account"),
    unread={
        "capabilityHosts, managedNetworks": "Stable for less than six months. networkInjections tells where agents run.",
        "dates on which models retire": "A list of hundreds of models for each account. foundry-deployment-no-upgrade tells which deployments would stop.",
        "defenderForAISettings": "The Defender plan is evaluated for the subscription.",
        "dynamicThrottlingEnabled": "A question of cost and quota.",
    },
    no_rule=NoRule(
        lock=STORED_ELSEWHERE, backup="Azure keeps a deleted account for 48 hours, without a setting", zone=OVER_ZONES
    ),
)
PERIMETERS = ACCOUNT.child("networkSecurityPerimeterConfigurations", when=by_perimeter)
WITHOUT_DEPLOYMENTS = (
    *("ComputerVision", "ContentSafety", "CustomVision.Prediction", "CustomVision.Training", "Face", "FormRecognizer"),
    *("ImmersiveReader", "SpeechServices", "TextAnalytics", "TextTranslation"),
)
# Kinds without deployments of models. Every other kind is read.
DEPLOYMENTS = ACCOUNT.child("deployments", when=lambda account: not is_one(account.get("kind"), WITHOUT_DEPLOYMENTS))
ACL = network_acls(
    name=Message("AI services firewall"),
    source="ai-services/cognitive-services-virtual-networks: by default an account is reachable from all networks; Azure Policy "
    "037eea7a flags an absent switch and everything but Deny",
    configurations=PERIMETERS,
)
KEYS = local_auth(
    ACCOUNT,
    source="Azure Policy 71ef260a: everything but true is non-compliant; most responses do not include it",
    message=Message("accepts account keys"),
)
NAME = "properties.customSubDomainName"


def authentication(account: Resource) -> Lock:
    """Return the authentication lock.

    An account without a custom subdomain uses the host of its region, which does not accept tokens. With keys disabled
    it accepts no keys there either (Azure Policy 71ef260a, 55eff01b), so the switch alone decides."""
    lock = KEYS.lock(account)
    value = account.get(NAME)
    nameless = value == "" or (is_absent(value) and not account.api_version_unknown)
    if not nameless or not lock.has(Auth.shared):
        return lock
    seen = account.evidence(NAME, Message("a name"))
    return lock | grant(Auth.shared, seen, description=Message("accepts only keys, because it has no custom subdomain"))


@ACCOUNT.endpoints(
    Endpoint(
        "ai",
        "data",
        ports=HTTPS,
        hosts=("properties.endpoints.*",),
        no_rule={"anonymous-access": "every request requires a key or a token"},
    ),
    reads=(PERIMETERS,),
)
def endpoints(account: Resource, index: Index) -> Iterator[Exposure]:
    address = host(account, "properties.endpoint")
    yield Exposure(
        "ai",
        "data",
        firewall(account, index, ACL),
        authentication(account),
        display_name=Message("The AI service"),
        address=address,
    )
