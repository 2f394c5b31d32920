"""Key Vault: vaults and managed HSMs, their firewalls, deletion, access policies, and expiry dates of keys and secrets."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, grant
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same
from scanner.model.remedy import Cause
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unknown,
    Verdict,
    not_returned,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.firewall import firewall

from .common import host, network_acls

VAULT = ResourceType("Microsoft.KeyVault/vaults", api="2026-02-01")
KEYS = VAULT.child("keys", costly=True)
SECRETS = VAULT.child("secrets", costly=True)
HSM = ResourceType("Microsoft.KeyVault/managedHSMs", api="2026-02-01")
FIREWALL = "Key Vault firewall"
VAULT_ACL = network_acls(
    FIREWALL,
    "azure-mgmt-keyvault VaultProperties: publicNetworkAccess is enabled by default; key-vault/general/network-security: "
    "without a firewall all networks are allowed",
)
HSM_ACL = network_acls(
    FIREWALL,
    "azure-mgmt-keyvault ManagedHsmProperties: publicNetworkAccess is Enabled by default; Azure Policy "
    "ManagedHsm_FirewallEnabled flags a firewall that is not Deny",
)
TOKEN = grant(Auth.identity, Evidence("every call", "requires a Microsoft Entra ID token"))


@VAULT.endpoints(data=("vault",))
def vault_endpoints(vault: Resource, index: Index) -> Iterator[Exposure]:
    address = host(vault, "properties.vaultUri")
    yield Exposure("vault", "data", firewall(vault, index, VAULT_ACL), TOKEN, display_name="The vault", address=address)


@HSM.endpoints(data=("hsm",))
def hsm_endpoints(hsm: Resource, index: Index) -> Iterator[Exposure]:
    address = host(hsm, "properties.hsmUri")
    yield Exposure("hsm", "data", firewall(hsm, index, HSM_ACL), TOKEN, display_name="The managed HSM", address=address)


def policy_grants_all(vault: Resource, index: Index) -> Verdict:
    if same(vault.get("properties.enableRbacAuthorization"), True):
        return NotApplicable("the vault uses Azure RBAC, so its access policies have no effect")
    path = "properties.accessPolicies"
    vault.require(path)
    policies = vault.items(path)
    if not policies:
        return NotApplicable("it has no access policy")
    wide, unrecognized, causes = [], [], []
    for place, policy in enumerate(policies):
        permissions = get_path(policy, "permissions")
        groups = list(permissions.values()) if isinstance(permissions, dict) else [str(permissions)]
        who = str(get_path(policy, "objectId"))
        if any(same(each, "all") for group in groups if isinstance(group, list) for each in group):
            wide.append(who)
            value = {**policy, "permissions": {key: ["get", "list"] for key in ("keys", "secrets", "certificates")}}
            causes.append(Cause("", path, policy, value, text=who, place=place))
        elif any(group is not None and not isinstance(group, list) for group in groups):
            unrecognized.append(who)
    if wide:
        seen = Evidence(f"{path}[].permissions", [f"all for {who}" for who in wide], "the permissions in use")
        return Fail((seen,), causes=tuple(causes))
    if unrecognized:
        return unknown(not_returned(f"{path}[].permissions", "lists of permissions"))
    return Pass((Evidence(f"{path}[].permissions", f"{len(policies)} policies, none grants all"),))


def deployment_access(vault: Resource, index: Index) -> Verdict:
    paths = ("properties.enabledForTemplateDeployment", "properties.enabledForDeployment")
    seen = tuple(vault.evidence(path, False) for path in paths)
    if any(same(vault.get(path), True) for path in paths):
        return Fail(seen)
    for path in paths:
        if path == paths[0] and not vault.has(path) and not vault.why_absent_is_unknown:
            continue
        if not same(vault.get(path), False):
            return unknown(not_returned_or_unknown(path), evidence=seen)
    return Pass(seen)


def expiry(item: Resource, index: Index) -> Verdict:
    """Fail where a key or secret has no expiry date: seconds since 1970, absent on one that never expires."""
    if not isinstance(item.require("properties.attributes"), dict):
        return Unknown("properties.attributes: not an object")
    if same(item.get("properties.attributes.enabled"), False):
        return NotApplicable("it is disabled")
    path = "properties.attributes.exp"
    value = item.get(path)
    seen = item.evidence(path, "a date")
    if is_absent(value):
        return Fail((seen,))
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return Pass((seen,))
    return unknown(unknown_value(path, value), evidence=(seen,))
