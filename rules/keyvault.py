"""Key Vault: vaults and managed HSMs, their firewalls, deletion, access policies, and expiry dates of keys and secrets."""

from collections.abc import Iterator
from typing import Any

from scanner.model.dates import date_of, seconds_of
from scanner.model.exposure import Auth, Exposure, grant
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import copied, is_absent, same, value_at
from scanner.model.message import NOTHING, Message, joined
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unknown,
    Unread,
    Verdict,
    not_returned,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.services.firewall import firewall

from .common import host, network_acls
from .reasons import KEY_STORE, OVER_ZONES

VAULT = ResourceType(
    "Microsoft.KeyVault/vaults",
    api="2026-02-01",
    product=Message("Key vault"),
    no_rule=NoRule(key=KEY_STORE, zone=OVER_ZONES),
)
# Each key is read by itself too: the list has neither the version nor the rotation policy (Azure/azure-rest-api-specs,
# example listKeys of Microsoft.KeyVault).
KEYS = VAULT.child(
    "keys", each=True, alone="a vault has the only list of its keys, and that list has no rotation policy"
)
SECRETS = VAULT.child("secrets", costly=True)
HSM = ResourceType(
    "Microsoft.KeyVault/managedHSMs",
    api="2026-02-01",
    product=Message("Managed HSM"),
    unread={
        "a single region": "A second region is a choice of latency.",
    },
    no_rule=NoRule(key=KEY_STORE, zone=OVER_ZONES),
)
HSM_KEYS = HSM.child("keys", each=True, alone=KEYS.alone)
# Of keys with an older version in use alone. Rows of this list have attributes (Azure/azure-rest-api-specs, example
# listKeyVersions).
VERSIONS = KEYS.child("versions", joined=True)
HSM_VERSIONS = HSM_KEYS.child("versions", joined=True)
FIREWALL = Message("Key Vault firewall")
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
TOKEN = grant(Auth.identity, Evidence(Message("every call"), Message("requires a Microsoft Entra ID token")))

# azure-mgmt-keyvault KeyPermissions, SecretPermissions, CertificatePermissions, StoragePermissions, without those of
# later years (release, rotate and the rotation policy): a policy that was given everything before them lacks these.
EVERY = {
    "keys": "get list update create import delete recover backup restore decrypt encrypt unwrapKey wrapKey verify sign",
    "secrets": "get list set delete recover backup restore",
    "certificates": "get list update create import delete recover backup restore managecontacts manageissuers getissuers "
    "listissuers setissuers deleteissuers",
    "storage": "get list delete set update regeneratekey recover backup restore getsas listsas deletesas setsas",
}


ALWAYS = "every request requires a Microsoft Entra ID token"


@VAULT.endpoints(
    Endpoint("vault", "data", ports=HTTPS, no_rule=ALWAYS),
)
def vault_endpoints(vault: Resource, index: Index) -> Iterator[Exposure]:
    address = host(vault, "properties.vaultUri")
    yield Exposure(
        "vault", "data", firewall(vault, index, VAULT_ACL), TOKEN, display_name=Message("The vault"), address=address
    )


@HSM.endpoints(
    Endpoint("hsm", "data", ports=HTTPS, no_rule=ALWAYS),
)
def hsm_endpoints(hsm: Resource, index: Index) -> Iterator[Exposure]:
    address = host(hsm, "properties.hsmUri")
    yield Exposure(
        "hsm", "data", firewall(hsm, index, HSM_ACL), TOKEN, display_name=Message("The managed HSM"), address=address
    )


def granted(permissions: dict[str, Any], *, purge_works: bool) -> list[str]:
    """Return what an access policy grants too widely: every permission, as `all` or by name, or purge.

    The portal and Terraform write each permission by its name.
    """
    result: list[str] = []
    for group, names in permissions.items():
        held = {each.lower() for each in names if isinstance(each, str)} if isinstance(names, list) else set()
        every = EVERY.get(group.lower(), "").lower().split()
        if "all" in held:
            result.append(Message("all"))
        elif "purge" in held and every and held.issuperset(every):
            result.append(Message("every permission on {lower}", lower=group.lower()))
        elif "purge" in held and purge_works:
            result.append(Message("purge of {lower}", lower=group.lower()))
    return result


def policy_grants_all(vault: Resource, index: Index) -> Verdict:
    if same(vault.get("properties.enableRbacAuthorization"), True):
        return NotApplicable(Message("the vault uses Azure RBAC, so its access policies have no effect"))
    path = "properties.accessPolicies"
    vault.require(path)
    policies = vault.items(path)
    if not policies:
        return NotApplicable(Message("it has no access policy"))
    # key-vault/general/soft-delete-overview: with purge protection, nothing can be purged before its retention ends.
    purge_works = not same(vault.get("properties.enablePurgeProtection"), True)
    wide, unrecognized, causes = [], [], []
    for position, policy in enumerate(policies):
        permissions = value_at(policy, "permissions")
        groups = permissions if isinstance(permissions, dict) else {"": str(permissions)}
        who = str(value_at(policy, "objectId"))
        too_much = granted(groups, purge_works=purge_works)
        if too_much:
            wide.append(Message("{list} for {who}", list=joined(", ", dict.fromkeys(too_much)), who=who))
            value = {
                **copied(policy),
                "permissions": {key: ["get", "list"] for key in ("keys", "secrets", "certificates")},
            }
            causes.append(Cause("", path, policy, value, text=who, position=position))
        elif any(not is_absent(group) and not _is_list_of_names(group) for group in groups.values()):
            unrecognized.append(who)
    if wide:
        seen = Evidence(f"{path}[].permissions", wide, Message("the permissions in use"))
        return Fail((seen,), causes=tuple(causes))
    if unrecognized:
        return unknown(not_returned(f"{path}[].permissions", Message("lists of permissions")))
    return Pass(
        (
            Evidence(
                f"{path}[].permissions",
                Message("{policies} policies, none grants all or purge", policies=len(policies)),
            ),
        )
    )


def _is_list_of_names(group: Any) -> bool:
    return isinstance(group, list) and all(isinstance(each, str) for each in group)


SWITCHES = {
    "properties.enabledForTemplateDeployment": "--enabled-for-template-deployment",
    "properties.enabledForDeployment": "--enabled-for-deployment",
    "properties.enabledForDiskEncryption": "--enabled-for-disk-encryption",
}
"""What opens a vault to Azure's own resource providers, with the option of the command."""
NEVER_SET = ("properties.enabledForTemplateDeployment", "properties.enabledForDiskEncryption")
"""Switches that most responses omit where they were never set."""


def _off(option: str) -> str:
    """Return the command that turns a switch of a vault off."""
    return (
        f"az keyvault update --name {{name}} --resource-group {{group}} {option} false --subscription {{subscription}}"
    )


def deployment_access(vault: Resource, index: Index) -> Verdict:
    seen = tuple(vault.evidence(path, False) for path in SWITCHES)
    on = [path for path in SWITCHES if same(vault.get(path), True)]
    if on:
        return Fail(seen, causes=tuple(Cause("", path, value=False, command=_off(SWITCHES[path])) for path in on))
    for path in SWITCHES:
        if path in NEVER_SET and not vault.has(path) and not vault.why_absent_is_unknown:
            continue
        if not same(vault.get(path), False):
            return unknown(not_returned_or_unknown(path), evidence=seen)
    return Pass(seen)


def expiry(item: Resource, index: Index) -> Verdict:
    """Fail where a key or secret has no expiry date: seconds since 1970, absent on one that never expires."""
    if not isinstance(item.require("properties.attributes"), dict):
        return Unknown(Message("properties.attributes: not an object"))
    if same(item.get("properties.attributes.enabled"), False):
        return NotApplicable(Message("it is disabled"))
    path = "properties.attributes.exp"
    value = item.get(path)
    seen = item.evidence(path, Message("a date"))
    if is_absent(value):
        return Fail((seen,))
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return Pass((seen,))
    return unknown(unknown_value(path, value), evidence=(seen,))


SOON = 30 * 86400


def secret_expires(secret: Resource, index: Index) -> Verdict:
    """Fail where a secret that is enabled has expired, or expires within 30 days."""
    if not isinstance(secret.require("properties.attributes"), dict):
        return Unknown(Message("properties.attributes: not an object"))
    if same(secret.get("properties.attributes.enabled"), False):
        return NotApplicable(Message("it is disabled"))
    path = "properties.attributes.exp"
    value, now = secret.get(path), seconds_of(index.taken)
    if is_absent(value):
        return NotApplicable(Message("it has no expiry date"))
    seen = Evidence(path, date_of(value), Message("30 days from now, or later"))
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return unknown(unknown_value(path, value))
    if now is None:
        return unknown(Unread(Message("the time of the scan"), Message("not in the snapshot")))
    if value - now >= SOON:
        return Pass((seen,))
    return Fail((seen,), Message("The secret expired on {value}.", value=date_of(value)) if value < now else NOTHING)
