"""Container registries: anonymous pull, the admin user, tokens with passwords, the firewall of the Premium tier."""

from collections.abc import Iterator
from typing import Any

from scanner.model.exposure import IDENTITY, Auth, Exposure, Lock, Reach, Switch, grant, possible
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, same
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType
from scanner.model.verdict import Evidence, Unread, not_returned
from scanner.reach.firewall import Firewall, RuleList, firewall

from .common import ISO, LEARN, MCSB, NIST, host, pending_private_endpoint, strange_private_endpoint

REGISTRY = ResourceType("Microsoft.ContainerRegistry/registries", api="2025-11-01")
CONNECTIONS = "properties.privateEndpointConnections"


def maybe_reached(registry: Resource) -> bool:
    """Whether anybody may get to the registry at all: its tokens count for nothing behind a switch that is off."""
    if not same(registry.get("properties.publicNetworkAccess"), "Disabled"):
        return True
    value = registry.get(CONNECTIONS)
    if value is MISSING or value is None:
        return registry.api_version_unknown
    if not isinstance(value, list):
        return True
    path = "properties.privateLinkServiceConnectionState.status"
    return any(
        not same(get_path(each, path), "Pending") and not same(get_path(each, path), "Rejected") for each in value
    )


TOKENS = REGISTRY.child("tokens", when=maybe_reached)
ACL = Firewall(
    empty="closed",
    source="azure-mgmt-containerregistry: defaultAction is Allow by default; Azure Policy d0793b48 flags an absent rule set, "
    "0fdf0491 an absent switch",
    name="Registry firewall",
    absent="enabled",
    default="properties.networkRuleSet.defaultAction",
    default_absent="allow",
    acl="properties.networkRuleSet",
    addresses=(RuleList("properties.networkRuleSet.ipRules", address="value", action="action"),),
    bypass="properties.networkRuleBypassOptions",
    # container-registry/container-registry-skus: firewall rules and private endpoints are features of Premium.
    sku_without_network_rules=("sku.name", ("Classic", "Basic", "Standard"), ("Premium",)),
)
# Both are off by default, but this api-version always returns them: one that is missing says nothing.
ANONYMOUS_PULL = Switch(
    "properties.anonymousPullEnabled",
    {False: Auth.identity, True: Auth.anonymous},
    descriptions={Auth.anonymous: "anybody may pull its images without signing in"},
)
ADMIN = Switch(
    "properties.adminUserEnabled",
    {False: Auth.identity, True: Auth.shared},
    descriptions={Auth.shared: "the password of the admin user opens it"},
)


def credentials(token: Resource) -> list[Any] | None:
    """The passwords and certificates of a token; None where the answer did not hold them."""
    passwords = token.get("properties.credentials.passwords")
    certificates = token.get("properties.credentials.certificates")
    found = [each for value in (passwords, certificates) if isinstance(value, list) for each in value]
    return found if found or isinstance(passwords, list) else None


def expires(credential: Any) -> bool:
    value = get_path(credential, "expiry")
    return isinstance(value, str) and value != ""


def tokens(registry: Resource, reach: Lock) -> tuple[Lock, bool]:
    """What the registry's tokens let in, and whether each of their passwords has a date on which it ends."""
    children = registry.children(TOKENS)
    lock = Lock()
    dated = True
    for token in children:
        if same(token.get("properties.status"), "disabled"):
            continue
        found = credentials(token)
        path = f"tokens/{token.name} properties.credentials"
        if found is None:
            lock |= possible(Auth.shared, not_returned(path, "them"))
            continue
        if not found:
            continue
        ends = [str(get_path(each, "expiry")) if expires(each) else "never" for each in found]
        proof = Evidence(path, [f"expires {each}" for each in ends], "no password")
        if same(token.get("properties.status"), "enabled"):
            lock |= grant(
                Auth.shared, proof, description=f"the token {token.name} and its password or certificate open it"
            )
        else:
            lock |= possible(Auth.shared, Unread(f"tokens/{token.name} properties.status", "it is not known"), proof)
        dated = dated and all(expires(each) for each in found)
    missing = children.gap
    if missing is None and not maybe_reached(registry) and _open(reach):
        missing = Unread("tokens", "not read, since the registry's own switch is off")
    if missing is not None:
        lock |= possible(Auth.shared, missing)
    return lock, dated


def _open(reach: Lock) -> bool:
    return bool(reach.possible_grants) or any(each.level > Reach.none for each in reach.grants)


@REGISTRY.endpoints(data=("registry",), reads=(TOKENS,))
def endpoints(registry: Resource, index: Index) -> Iterator[Exposure]:
    reach = firewall(registry, index, ACL)
    pull, admin = ANONYMOUS_PULL.lock(registry), ADMIN.lock(registry)
    named, dated = tokens(registry, reach)
    authentication = IDENTITY | pull | admin.with_name("admin") | named.with_name("tokens")
    widest = authentication.widest
    ends = (
        dated
        and not authentication.possible_grants
        and widest is not None
        and widest.level == Auth.shared
        and widest.name == "tokens"
    )
    yield Exposure(
        "registry",
        "data",
        reach,
        authentication,
        display_name="The registry",
        address=host(registry, "properties.loginServer"),
        severity_steps_down=1 if ends else 0,
        justification="Only tokens open it besides identities: each is limited to its scope, and each password ends on a date"
        if ends
        else "",
    )


UPDATE = "az acr update --name {name} --resource-group {group}"
PAGE = "container_registry"

REGISTRY.lock(
    "acr-anonymous-pull",
    "anonymous-access",
    "Anybody can pull images",
    only=("registry",),
    why="Images hold the program, and often what was left in it: keys, addresses, tools. Whoever knows the registry's name "
    "lists and pulls all of it without signing in. For images that are meant to be public, waive it.",
    fix=Fix(
        az=f"{UPDATE} --anonymous-pull-enabled false",
        first_step="az acr repository list --name {name} --output table",
        breaks="Clusters and people that pull without signing in.",
        bicep="anonymousPullEnabled: false",
        terraform="azurerm_container_registry.anonymous_pull_enabled = false",
        terraform_page=PAGE,
    ),
    controls={MCSB: ("IM-1", "DP-2"), NIST: ("AC-3",), ISO: ("A.8.3",)},
    references=(f"{LEARN}/container-registry/anonymous-pull-access",),
)
REGISTRY.lock(
    "acr-admin-user",
    "authentication",
    "The registry's admin user is on",
    only=("registry",),
    ways=("admin",),
    why="The admin user is one account with two passwords for everybody. Whoever has one replaces an image that the clusters "
    "then run, and no log says who it was.",
    fix=Fix(
        az=f"{UPDATE} --admin-enabled false",
        first_step="az acr show --name {name} --query adminUserEnabled",
        breaks="Everything that signs in with the admin's password: web apps and pipelines that were set up by hand. Give "
        "them the role AcrPull and a managed identity first.",
        bicep="adminUserEnabled: false",
        terraform="azurerm_container_registry.admin_enabled = false",
        terraform_page=PAGE,
        portal="Container registry > Access keys > Admin user: off",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-2", "IA-2"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/container-registry/container-registry-authentication",),
)
REGISTRY.lock(
    "acr-token-passwords",
    "authentication",
    "Tokens with passwords open the registry",
    only=("registry",),
    ways=("tokens",),
    why="A token is a password that several machines can share. One without a date stays valid for whoever copied it; one "
    "with a date, and a narrow scope map, is one step milder.",
    fix=Fix(
        az="az acr token update --registry {name} --resource-group {group} --name TOKEN --status disabled",
        first_step="az acr token list --registry {name} --resource-group {group} --output table",
        breaks="Whoever signs in with the token; enabling it again brings that back.",
        bicep="tokens: { status: 'disabled' }",
        terraform="azurerm_container_registry_token.enabled = false",
        terraform_page="container_registry_token",
        portal="Container registry > Tokens > the token > Disabled",
        cost=2,
    ),
    controls={MCSB: ("IM-1", "IM-8"), NIST: ("AC-2", "IA-5"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/container-registry/container-registry-token-based-authentication",),
)
REGISTRY.lock(
    "acr-open-network",
    "network",
    "The registry answers networks that are not yours",
    only=("registry",),
    why="One lock is left: a password or a token that got lost pulls, and maybe replaces, images from anywhere. Only the "
    "Premium tier has a firewall and private endpoints; on the others turn the admin user and the tokens off.",
    fix=Fix(
        az=f"{UPDATE} --sku Premium --default-action Deny && "
        "az acr network-rule add --name {name} --resource-group {group} --ip-address YOUR_RANGE",
        first_step="az acr network-rule list --name {name} --resource-group {group}",
        breaks="Clusters, pipelines and people outside the ranges and private endpoints that the registry names. Premium "
        "costs more than Basic and Standard.",
        bicep="networkRuleSet: { defaultAction: 'Deny', ipRules: [{ action: 'Allow', value: '...' }] }",
        terraform='azurerm_container_registry.network_rule_set.default_action = "Deny"',
        terraform_page=PAGE,
        portal="Container registry > Networking > Public access > Selected networks",
        cost=3,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)},
    references=(
        f"{LEARN}/container-registry/container-registry-access-selected-networks",
        f"{LEARN}/container-registry/container-registry-skus",
    ),
)
pending_private_endpoint(REGISTRY, "acr-private-endpoint-pending", "the registry")
strange_private_endpoint(REGISTRY, "acr-private-endpoint-of-strangers", "the registry")
REGISTRY.setting(
    "acr-arm-tokens-accepted",
    "governance",
    "The registry accepts tokens that were made for Azure Resource Manager",
    "properties.policies.azureADAuthenticationAsArmPolicy.status",
    allowed=("disabled",),
    bad=("enabled",),
    severity="low",
    why="Tokens for Azure Resource Manager are made by many tools and end in many logs. A registry that takes only tokens "
    "of its own audience cannot be opened with one of those.",
    fix=Fix(
        az="az acr config authentication-as-arm update --registry {name} --resource-group {group} --status disabled",
        first_step="az acr config authentication-as-arm show --registry {name} --resource-group {group}",
        breaks="Old clients that sign in with a token for Azure Resource Manager.",
        bicep="policies: { azureADAuthenticationAsArmPolicy: { status: 'disabled' } }",
        portal="Azure Policy: Container registries should have ARM audience token authentication disabled",
    ),
    controls={MCSB: ("IM-1",), NIST: ("IA-2",)},
    references=(f"{LEARN}/container-registry/container-registry-disable-authentication-as-arm",),
)


def exports_matter(registry: Resource) -> str | None:
    if same(registry.get("properties.publicNetworkAccess"), "Enabled"):
        return "exports can be stopped only where public access is off"
    if any(same(registry.get("sku.name"), tier) for tier in ("Classic", "Basic", "Standard")):
        return "exports can be stopped only on the Premium tier"
    return None


REGISTRY.setting(
    "acr-export-allowed",
    "governance",
    "Images can be exported out of a closed registry",
    "properties.policies.exportPolicy.status",
    allowed=("disabled",),
    bad=("enabled",),
    severity="low",
    unless=exports_matter,
    why="The network of the registry is closed, but whoever may manage it can still copy its images into another registry.",
    fix=Fix(
        az=f"{UPDATE} --allow-exports false",
        breaks="Imports into other registries and transfer pipelines that start here.",
        bicep="policies: { exportPolicy: { status: 'disabled' } }",
        terraform="azurerm_container_registry.export_policy_enabled = false",
        terraform_page=PAGE,
    ),
    controls={MCSB: ("DP-2",), NIST: ("AC-4",)},
    references=(f"{LEARN}/container-registry/data-loss-prevention",),
)
