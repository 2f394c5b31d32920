"""Container registries: anonymous pull, the admin user, tokens with passwords, the firewall of the Premium tier."""

from collections.abc import Iterator
from typing import Any

from scanner.model.bulk_reads import GraphRows
from scanner.model.dates import seconds_of
from scanner.model.exposure import IDENTITY, Auth, Exposure, Lock, Reach, Switch, grant, possible
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same, spelled, value_at
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import Evidence, Unread, not_returned, unknown_value
from scanner.reach.services.firewall import Firewall, RuleList, firewall

from .common import host, in_tier

REGISTRY = ResourceType(
    "Microsoft.ContainerRegistry/registries",
    api="2025-11-01",
    product=Message("Container registry"),
    unread={
        "policies.quarantinePolicy": "It holds back each image until a scanner of your own releases it: without one, no image can be pulled.",
        "policies.retentionPolicy": "It deletes untagged images, which are built again.",
    },
    no_rule=NoRule(
        backup="softDeletePolicy is in no stable version (azure-mgmt-containerregistry 15.0.0), locks of images are in the data plane, and images are built again"
    ),
)
CONNECTIONS = "properties.privateEndpointConnections"


def maybe_reached(registry: Resource) -> bool:
    """Return whether any network may reach the registry: its tokens do not count while public access is off."""
    if not same(registry.get("properties.publicNetworkAccess"), "Disabled"):
        return True
    value = registry.get(CONNECTIONS)
    if is_absent(value):
        return registry.api_version_unknown
    if not isinstance(value, list):
        return True
    path = "properties.privateLinkServiceConnectionState.status"
    return any(
        not same(value_at(each, path), "Pending") and not same(value_at(each, path), "Rejected") for each in value
    )


TOKENS = REGISTRY.child("tokens", when=maybe_reached)
# container-registry/container-registry-skus: geo-replication is a feature of Premium.
REPLICATIONS = REGISTRY.child(
    "replications",
    when=lambda registry: not in_tier(registry, ("Basic", "Standard", "Classic")),
    graph=GraphRows(holds=("location",)),
)
ACL = Firewall(
    empty="closed",
    source="azure-mgmt-containerregistry: defaultAction is Allow by default; Azure Policy d0793b48 flags an absent rule set, "
    "0fdf0491 an absent switch",
    name=Message("Registry firewall"),
    absent="enabled",
    default="properties.networkRuleSet.defaultAction",
    default_absent="allow",
    acl="properties.networkRuleSet",
    addresses=(RuleList("properties.networkRuleSet.ipRules", address="value", action="action"),),
    bypass="properties.networkRuleBypassOptions",
    # container-registry/container-registry-skus: firewall rules and private endpoints are features of Premium.
    sku_without_network_rules=("sku.name", ("Classic", "Basic", "Standard"), ("Premium",)),
)
# Both are off by default, but this api-version always returns them: an absent one is unknown.
ANONYMOUS_PULL = Switch(
    "properties.anonymousPullEnabled",
    {False: Auth.identity, True: Auth.anonymous},
    descriptions={Auth.anonymous: Message("allows anonymous pull")},
)
ADMIN = Switch(
    "properties.adminUserEnabled",
    {False: Auth.identity, True: Auth.shared},
    descriptions={Auth.shared: Message("accepts the password of the admin user")},
)


def credentials(token: Resource) -> list[Any] | None:
    """Return the passwords and certificates of a token, None if Azure did not return them."""
    passwords = token.get("properties.credentials.passwords")
    certificates = token.get("properties.credentials.certificates")
    matches = [each for value in (passwords, certificates) if isinstance(value, list) for each in value]
    return matches if matches or isinstance(passwords, list) else None


def expires(credential: Any) -> bool:
    value = value_at(credential, "expiry")
    return isinstance(value, str) and value != ""


YEAR = 366 * 24 * 3600


def ends_within_a_year(credential: Any, index: Index) -> bool:
    """Return whether a credential is valid for a year from the scan on at most."""
    value = value_at(credential, "expiry")
    end, now = seconds_of(value) if isinstance(value, str) else None, seconds_of(index.taken)
    return end is not None and now is not None and end - now <= YEAR


def has_expired(credential: Any, index: Index) -> bool:
    """Return whether a credential had expired when the scan took place. An expiry that is not known has not passed."""
    value = value_at(credential, "expiry")
    end, now = seconds_of(value) if isinstance(value, str) else None, seconds_of(index.taken)
    return end is not None and now is not None and end <= now


def tokens(registry: Resource, reach: Lock, index: Index) -> tuple[Lock, bool]:
    """Return the grants of the registry's tokens, and whether each of their passwords ends within a year."""
    children = registry.children(TOKENS)
    lock = Lock()
    dated = True
    for token in children:
        if same(token.get("properties.status"), "disabled"):
            continue
        matches = credentials(token)
        path = f"tokens/{token.name} properties.credentials"
        if matches is None:
            lock |= possible(Auth.shared, not_returned(path, "them"))
            continue
        matches = [each for each in matches if not has_expired(each, index)]
        if not matches:
            continue
        ends = [spelled(value_at(each, "expiry")) if expires(each) else "never" for each in matches]
        proof = Evidence(path, [Message("expires {each}", each=each) for each in ends], Message("no password"))
        if same(token.get("properties.status"), "enabled"):
            cause = Cause(token.id, "properties.status", value="disabled", text=token.name)
            message = Message("accepts a password or certificate of the token {name}", name=token.name)
            lock |= grant(Auth.shared, proof, description=message, cause=cause)
        else:
            lock |= possible(Auth.shared, unknown_value(f"tokens/{token.name} properties.status"), proof)
        dated = dated and all(ends_within_a_year(each, index) for each in matches)
    missing = children.gap
    if missing is None and not maybe_reached(registry) and _open(reach):
        missing = Unread("tokens", Message("not collected, because public network access to the registry is disabled"))
    if missing is not None:
        lock |= possible(Auth.shared, missing)
    return lock, dated


def _open(reach: Lock) -> bool:
    return bool(reach.possible_grants) or any(each.level > Reach.none for each in reach.grants)


# container-registry/container-registry-dedicated-data-endpoints: layers are pulled from there, with the registry's tokens.
@REGISTRY.endpoints(
    Endpoint("registry", "data", ports=HTTPS, hosts=("properties.dataEndpointHostNames[]",)),
    reads=(TOKENS,),
)
def endpoints(registry: Resource, index: Index) -> Iterator[Exposure]:
    reach = firewall(registry, index, ACL)
    pull, admin = ANONYMOUS_PULL.lock(registry), ADMIN.lock(registry)
    named, dated = tokens(registry, reach, index)
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
        display_name=Message("The registry"),
        address=host(registry, "properties.loginServer"),
        severity_steps_down=1 if ends else 0,
        justification=Message(
            "Besides Microsoft Entra ID, only tokens are accepted: each is limited to its scope, and each password expires within a year"
        )
        if ends
        else NOTHING,
    )
