"""Key Vault: vaults and managed HSMs, their firewalls, deletion, access policies, and dates of keys and secrets."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, grant
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, same
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unknown,
    Unread,
    Verdict,
    not_returned_or_unknown,
    unknown,
)
from scanner.reach.firewall import Firewall, RuleList, firewall

from .common import (
    CIS,
    ISO,
    LEARN,
    MCSB,
    NIST,
    at_least,
    pending_private_endpoint,
    perimeter_only_learns,
    strange_private_endpoint,
    strange_subnet,
)

VAULT = ResourceType("Microsoft.KeyVault/vaults", api="2026-02-01")
KEYS = VAULT.child("keys", costly=True)
SECRETS = VAULT.child("secrets", costly=True)
HSM = ResourceType("Microsoft.KeyVault/managedHSMs", api="2026-02-01")


def acl(source: str) -> Firewall:
    """The firewall that vaults and managed HSMs share."""
    return Firewall(
        empty="closed",
        source=source,
        name="Key Vault firewall",
        absent="enabled",
        default="properties.networkAcls.defaultAction",
        default_absent="allow",
        acl="properties.networkAcls",
        addresses=(RuleList("properties.networkAcls.ipRules", address="value"),),
        subnets=(RuleList("properties.networkAcls.virtualNetworkRules", id="id"),),
        bypass="properties.networkAcls.bypass",
    )


VAULT_ACL = acl(
    "azure-mgmt-keyvault VaultProperties: publicNetworkAccess is enabled by default; key-vault/general/network-security: "
    "without a firewall all networks are let in"
)
HSM_ACL = acl(
    "azure-mgmt-keyvault ManagedHsmProperties: publicNetworkAccess is Enabled by default; Azure Policy "
    "ManagedHsm_FirewallEnabled flags a firewall that is not Deny"
)


def host(resource: Resource, path: str) -> str:
    """The host of the address that the resource names."""
    value = resource.get(path)
    return value.removeprefix("https://").rstrip("/") if isinstance(value, str) else ""


@VAULT.endpoints(data=("vault",))
def vault_endpoints(vault: Resource, index: Index) -> Iterator[Exposure]:
    authentication = grant(Auth.identity, Evidence("every call", "carries an Entra token"))
    address = host(vault, "properties.vaultUri")
    yield Exposure(
        "vault", "data", firewall(vault, index, VAULT_ACL), authentication, display_name="The vault", address=address
    )


@HSM.endpoints(data=("hsm",))
def hsm_endpoints(hsm: Resource, index: Index) -> Iterator[Exposure]:
    authentication = grant(Auth.identity, Evidence("every call", "carries an Entra token"))
    address = host(hsm, "properties.hsmUri")
    yield Exposure(
        "hsm", "data", firewall(hsm, index, HSM_ACL), authentication, display_name="The managed HSM", address=address
    )


UPDATE = "az keyvault update --name {name} --resource-group {group}"
UPDATE_HSM = "az keyvault update-hsm --hsm-name {name} --resource-group {group}"
PAGE = "key_vault"
HSM_PAGE = "key_vault_managed_hardware_security_module"
DELETION = {CIS: ("8.3.5",), MCSB: ("DP-8",), NIST: ("CP-9",), ISO: ("A.8.13",)}

VAULT.lock(
    "keyvault-open-network",
    "network",
    "The vault answers networks that are not yours",
    only=("vault",),
    why="A token of the directory is the only lock that is left. Whoever steals one, or the secret of an application, "
    "reads the keys and passwords of everything else from wherever they are.",
    fix=Fix(
        az=f"{UPDATE} --default-action Deny",
        first_step="az keyvault network-rule list --name {name} --resource-group {group}",
        breaks="Callers outside the networks that the vault names: add their ranges, subnets or private endpoints first. "
        "Pipelines with changing addresses need a private agent.",
        bicep="networkAcls: { defaultAction: 'Deny', bypass: 'AzureServices' }",
        terraform='azurerm_key_vault.network_acls.default_action = "Deny"',
        terraform_page=PAGE,
        portal="Key vault > Networking > Allow public access from specific virtual networks and IP addresses",
        cost=2,
    ),
    controls={CIS: ("8.3.7",), MCSB: ("NS-2", "DP-8"), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)},
    references=(f"{LEARN}/key-vault/general/network-security",),
)
HSM.lock(
    "managed-hsm-open-network",
    "network",
    "The managed HSM answers networks that are not yours",
    only=("hsm",),
    why="The HSM holds the keys that encrypt everything else. With its firewall open, one stolen token is enough to use "
    "them from anywhere.",
    fix=Fix(
        az=f"{UPDATE_HSM} --default-action Deny",
        first_step="az keyvault network-rule list --hsm-name {name} --resource-group {group}",
        breaks="Callers without a private endpoint; services that encrypt with its keys come in as trusted services.",
        bicep="networkAcls: { defaultAction: 'Deny', bypass: 'AzureServices' }",
        terraform=f'azurerm_{HSM_PAGE}.network_acls.default_action = "Deny"',
        terraform_page=HSM_PAGE,
        portal="Managed HSM > Networking > Public access: Disabled",
        cost=2,
    ),
    controls={MCSB: ("NS-2", "DP-8"), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)},
    references=(f"{LEARN}/key-vault/managed-hsm/network-security",),
)
perimeter_only_learns(VAULT, "keyvault-perimeter-only-learning", "the vault")
pending_private_endpoint(VAULT, "keyvault-private-endpoint-pending", "the vault")
strange_private_endpoint(VAULT, "keyvault-private-endpoint-of-strangers", "the vault")
strange_subnet(
    VAULT,
    "keyvault-subnet-of-strangers",
    "the vault",
    VAULT_ACL,
    "az keyvault network-rule remove --name {name} --resource-group {group} --subnet SUBNET_ID",
    "az keyvault network-rule list --name {name} --resource-group {group}",
)
strange_subnet(
    HSM,
    "keyvault-hsm-subnet-of-strangers",
    "the managed HSM",
    HSM_ACL,
    "az keyvault network-rule remove --hsm-name {name} --resource-group {group} --subnet SUBNET_ID",
    "az keyvault network-rule list --hsm-name {name} --resource-group {group}",
)

VAULT.setting(
    "keyvault-soft-delete-off",
    "recovery",
    "Deleted secrets and keys are gone at once",
    "properties.enableSoftDelete",
    allowed=(True,),
    severity="high",
    why="What is encrypted with a deleted key is lost with it. Soft delete keeps deleted keys, secrets and certificates, "
    "and the vault itself, so that they can be brought back.",
    fix=Fix(
        az="az resource update --ids {id} --set properties.enableSoftDelete=true",
        breaks="Scripts that delete something and make it anew under the same name; it cannot be turned off again.",
        bicep="enableSoftDelete: true",
        terraform="azurerm_key_vault.soft_delete_retention_days = 90",
        terraform_page=PAGE,
        portal="Key vault > Properties > Soft-delete: enabled",
    ),
    controls=DELETION,
    references=(f"{LEARN}/key-vault/general/soft-delete-overview",),
)
VAULT.setting(
    "keyvault-purge-protection-off",
    "recovery",
    "Deleted secrets and keys can be destroyed at once",
    "properties.enablePurgeProtection",
    allowed=(True,),
    absent=False,
    source='key-vault/general/soft-delete-overview: "not enabled by default"; the service returns true or nothing',
    severity="medium",
    why="Soft delete protects from mistakes, not from intent: whoever may purge destroys at once what was deleted. With "
    "purge protection nobody can, before its time has passed.",
    fix=Fix(
        az=f"{UPDATE} --enable-purge-protection true",
        breaks="It cannot be turned off again, and the name of a deleted vault stays taken for the whole retention.",
        bicep="enablePurgeProtection: true",
        terraform="azurerm_key_vault.purge_protection_enabled = true",
        terraform_page=PAGE,
        portal="Key vault > Properties > Enable purge protection",
    ),
    controls=DELETION,
    references=(f"{LEARN}/key-vault/general/soft-delete-overview",),
)


@VAULT.rule(
    "keyvault-short-retention",
    "recovery",
    "Deleted secrets and keys are kept for less than 30 days",
    severity="low",
    why="A key that is used once a month is missed only after the next run. Kept for a week, it is gone by then.",
    fix=Fix(
        az="az keyvault create --name NEW --resource-group {group} --location {location} "
        "--retention-days 90 --enable-purge-protection true",
        first_step="az keyvault show --name {name} --resource-group {group} "
        "--query properties.softDeleteRetentionInDays",
        breaks="The retention of a vault cannot be changed: the contents move to a new vault, and callers to its name.",
        bicep="softDeleteRetentionInDays: 90",
        terraform="azurerm_key_vault.soft_delete_retention_days = 90",
        terraform_page=PAGE,
        portal="Create a key vault > Days to retain deleted vaults",
        cost=3,
    ),
    controls={MCSB: ("DP-8",), NIST: ("CP-9",), ISO: ("A.8.13",)},
    references=(f"{LEARN}/key-vault/general/soft-delete-overview",),
)
def short_retention(vault: Resource, index: Index) -> Verdict:
    if same(vault.get("properties.enableSoftDelete"), False):
        return NotApplicable("soft delete is off, so nothing is kept at all")
    return at_least(vault, "properties.softDeleteRetentionInDays", 30)


HSM.setting(
    "managed-hsm-purge-protection-off",
    "recovery",
    "The managed HSM can be destroyed at once",
    "properties.enablePurgeProtection",
    allowed=(True,),
    severity="medium",
    why="A managed HSM that is deleted and purged takes every key in it along, and with them what they encrypt. With "
    "purge protection nobody can purge it before its time has passed.",
    fix=Fix(
        az=f"{UPDATE_HSM} --enable-purge-protection true",
        breaks="It cannot be turned off again; a deleted HSM is billed until its retention has passed.",
        bicep="enablePurgeProtection: true",
        terraform=f"azurerm_{HSM_PAGE}.purge_protection_enabled = true",
        terraform_page=HSM_PAGE,
        portal="Managed HSM > Properties > Purge protection",
    ),
    controls={MCSB: ("DP-8",), NIST: ("CP-9",), ISO: ("A.8.13",)},
    references=(f"{LEARN}/key-vault/managed-hsm/soft-delete-overview",),
)
VAULT.setting(
    "keyvault-access-policies",
    "governance",
    "The vault is governed by access policies instead of roles",
    "properties.enableRbacAuthorization",
    allowed=(True,),
    absent=False,
    source="key-vault/general/access-control-default: null on a vault that exists means access policies",
    severity="low",
    why="Whoever may edit the vault as a resource, a Contributor for example, can give himself access to its contents "
    "by an access policy. With roles that takes an owner, can be limited to one secret, and can expire.",
    fix=Fix(
        az=f"{UPDATE} --enable-rbac-authorization true",
        first_step="az keyvault show --name {name} --resource-group {group} --query properties.accessPolicies",
        breaks="Everybody whose access stands in a policy alone: assign roles that match the policies first.",
        bicep="enableRbacAuthorization: true",
        terraform="azurerm_key_vault.rbac_authorization_enabled = true",
        terraform_page=PAGE,
        portal="Key vault > Access configuration > Azure role-based access control",
        cost=2,
    ),
    controls={CIS: ("8.3.6",), MCSB: ("PA-7",), ISO: ("A.5.15", "A.5.18")},
    references=(f"{LEARN}/key-vault/general/rbac-migration",),
)


@VAULT.rule(
    "keyvault-policy-grants-all",
    "governance",
    "An access policy grants every permission",
    severity="medium",
    why='"All" includes deleting and purging, and whatever Key Vault adds later. An application that reads one secret '
    "needs one permission.",
    fix=Fix(
        az="az keyvault set-policy --name {name} --resource-group {group} "
        "--object-id OBJECT_ID --secret-permissions get list",
        first_step="az keyvault show --name {name} --resource-group {group} --query properties.accessPolicies",
        breaks="What the identity really does beyond the permissions that are left; the vault's log shows it.",
        bicep="accessPolicies: [{ permissions: { secrets: ['get', 'list'] } }]",
        terraform='azurerm_key_vault.access_policy.secret_permissions = ["Get", "List"]',
        terraform_page=PAGE,
        portal="Key vault > Access policies",
        cost=2,
    ),
    controls={MCSB: ("PA-7",), NIST: ("AC-6",), ISO: ("A.5.15", "A.8.2")},
    references=(f"{LEARN}/key-vault/general/assign-access-policy",),
)
def policy_grants_all(vault: Resource, index: Index) -> Verdict:
    if same(vault.get("properties.enableRbacAuthorization"), True):
        return NotApplicable("roles govern the vault, so its access policies have no effect")
    path = "properties.accessPolicies"
    vault.require(path)
    policies = vault.items(path)
    if not policies:
        return NotApplicable("it has no access policy")
    wide, strange = [], []
    for policy in policies:
        permissions = get_path(policy, "permissions")
        groups = list(permissions.values()) if isinstance(permissions, dict) else [str(permissions)]
        who = str(get_path(policy, "objectId"))
        if any(same(each, "all") for group in groups if isinstance(group, list) for each in group):
            wide.append(who)
        elif any(group is not None and not isinstance(group, list) for group in groups):
            strange.append(who)
    if wide:
        return Fail((Evidence(f"{path}[].permissions", [f"all for {who}" for who in wide], "the permissions in use"),))
    if strange:
        return unknown(Unread(f"{path}[].permissions", "the answer did not hold lists of permissions"))
    return Pass((Evidence(f"{path}[].permissions", f"{len(policies)} policies, none grants all"),))


@VAULT.rule(
    "keyvault-deployment-access",
    "governance",
    "Deployments may read secrets past the vault's firewall",
    severity="low",
    source="azure-resource-manager/templates/key-vault-parameter: to let deployments in, set enabledForTemplateDeployment to "
    "true; most answers leave it out where nobody did, and spell out the other switch",
    why="While these switches are on, Azure Resource Manager or the machines' provider fetch secrets for whoever may "
    "deploy, whatever the firewall says. On a vault that no deployment uses they are a way in for nothing.",
    fix=Fix(
        az=f"{UPDATE} --enabled-for-template-deployment false --enabled-for-deployment false",
        first_step="az deployment group list --resource-group {group} --output table",
        breaks="Templates that refer to secrets of the vault, and machines that get certificates from it.",
        bicep="enabledForTemplateDeployment: false, enabledForDeployment: false",
        terraform="azurerm_key_vault.enabled_for_template_deployment = false",
        terraform_page=PAGE,
        portal="Key vault > Access configuration > Resource access",
    ),
    controls={MCSB: ("DP-8",), NIST: ("AC-6",)},
    references=(f"{LEARN}/azure-resource-manager/templates/key-vault-parameter",),
)
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


def expiry(item: Resource) -> Verdict:
    """The verdict on the expiry of a key or secret: seconds since 1970, absent on one that never expires."""
    if not isinstance(item.require("properties.attributes"), dict):
        return Unknown("properties.attributes: this is no object")
    if same(item.get("properties.attributes.enabled"), False):
        return NotApplicable("it is disabled")
    path = "properties.attributes.exp"
    value = item.get(path)
    seen = item.evidence(path, "a date")
    if value is MISSING or value is None:
        return Fail((seen,))
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return Pass((seen,))
    return Unknown(f"{path}: its value {value!r} is not known", evidence=(seen,))


@KEYS.rule(
    "keyvault-key-without-expiry",
    "governance",
    "A key never expires",
    severity="low",
    costly=True,
    source="Key Vault REST specification: exp is the expiry date, present where one was set",
    why="A key without a date is used until somebody remembers it. With a date, and a rotation policy that renews it "
    "before, a copy that was stolen loses its worth.",
    fix=Fix(
        az="az keyvault key set-attributes --vault-name {top} --name {name} --expires 2027-12-31T00:00:00Z",
        first_step="az keyvault key list-versions --vault-name {top} --name {name} --output table",
        breaks="Callers that still use this version after the date; set a rotation policy with it.",
        bicep="attributes: { exp: 1830211200 }",
        terraform='azurerm_key_vault_key.expiration_date = "2027-12-31T00:00:00Z"',
        terraform_page="key_vault_key",
        portal="Key vault > Keys > Set expiration date, and Rotation policy",
        cost=2,
    ),
    controls={MCSB: ("DP-6",), NIST: ("SC-12",), ISO: ("A.8.24",)},
    references=(f"{LEARN}/key-vault/keys/how-to-configure-key-rotation",),
)
def key_without_expiry(key: Resource, index: Index) -> Verdict:
    return expiry(key)


@SECRETS.rule(
    "keyvault-secret-without-expiry",
    "governance",
    "A secret never expires",
    severity="low",
    costly=True,
    source="Key Vault REST specification: exp is the expiry date, present where one was set",
    why="A password without a date stays valid for whoever copied it years ago. The date makes somebody renew it, and "
    "Event Grid tells thirty days before.",
    fix=Fix(
        az="az keyvault secret set-attributes --vault-name {top} --name {name} --expires 2027-12-31T00:00:00Z",
        first_step="az keyvault secret list-versions --vault-name {top} --name {name} --output table",
        breaks="Callers that still read this version after the date, if the vault is told to refuse it.",
        bicep="attributes: { exp: 1830211200 }",
        terraform='azurerm_key_vault_secret.expiration_date = "2027-12-31T00:00:00Z"',
        terraform_page="key_vault_secret",
        portal="Key vault > Secrets > Set expiration date",
        cost=2,
    ),
    controls={MCSB: ("IM-8",), NIST: ("IA-5",), ISO: ("A.5.17",)},
    references=(f"{LEARN}/key-vault/secrets/secrets-best-practices",),
)
def secret_without_expiry(secret: Resource, index: Index) -> Verdict:
    return expiry(secret)
