"""Storage accounts: blobs, files, queues, tables, static sites, SFTP and NFS."""

from collections.abc import Iterator

from scanner.model.exposure import (
    IDENTITY,
    NO_GRANT,
    Auth,
    Exposure,
    Grant,
    Hop,
    Lock,
    Reach,
    Switch,
    closed,
    grant,
    possible,
)
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, same
from scanner.model.resource import Resource
from scanner.model.rule import Fix, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Severity,
    Unread,
    Verdict,
    absent_at_unknown_version,
    not_returned,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.firewall import Firewall, RuleList, firewall

from .common import (
    CIS,
    ISO,
    LEARN,
    MCSB,
    NIST,
    NSM,
    pending_private_endpoint,
    perimeter_only_learns,
    strange_private_endpoint,
    strange_subnet,
)

ACCOUNT = ResourceType("Microsoft.Storage/storageAccounts", api="2026-04-01")

# Which services an account of a kind has: storage/common/storage-account-overview, "Types of storage accounts".
SERVICES = {
    "storagev2": ("blob", "dfs", "file", "queue", "table", "web", "sftp", "nfs"),
    "storage": ("blob", "file", "queue", "table"),
    "blobstorage": ("blob", "dfs"),
    "blockblobstorage": ("blob", "dfs", "web", "sftp", "nfs"),
    "filestorage": ("file", "nfs"),
}
PREMIUM_PAGES = ("blob",)


def services(account: Resource) -> tuple[str, ...]:
    """The services that an account of this kind has; all of them where the kind is not known."""
    kind = account.get("kind")
    kind = kind.lower() if isinstance(kind, str) else ""
    if kind == "storagev2" and str(account.get("sku.name")).lower().startswith("premium"):
        return PREMIUM_PAGES
    return SERVICES.get(kind, SERVICES["storagev2"])


def has_blobs(account: Resource) -> bool:
    return "blob" in services(account)


def anonymous_possible(account: Resource) -> bool:
    """Absent counts as allowed: sources conflict (REST specification: false; anonymous-read-access-prevent: true)."""
    return has_blobs(account) and not same(account.get("properties.allowBlobPublicAccess"), False)


def has_files(account: Resource) -> bool:
    return "file" in services(account)


def premium_files(account: Resource) -> bool:
    # Only premium file shares speak NFS: storage/files/files-nfs-protocol.
    kind = account.get("kind")
    return not isinstance(kind, str) or kind.lower() in ("filestorage", "") or kind.lower() not in SERVICES


SFTP = Switch(
    "properties.isSftpEnabled",
    {False: Reach.none, True: Reach.internet},
    absent=False,
    source='REST specification: "enables Secure File Transfer Protocol, if set to true"',
)
NFS = Switch(
    "properties.isNfsV3Enabled",
    {False: Reach.none, True: Reach.internet},
    absent=False,
    source='REST specification: "NFS 3.0 protocol support enabled if set to true"',
)


def sftp_may_have_users(account: Resource) -> bool:
    value = account.get("properties.isSftpEnabled")
    on = bool(account.why_absent_is_unknown) if value is MISSING or value is None else not same(value, False)
    return on and not same(account.get("properties.isLocalUserEnabled"), False)


def by_perimeter(account: Resource) -> bool:
    return same(account.get("properties.publicNetworkAccess"), "SecuredByPerimeter")


BLOB_SERVICE = ACCOUNT.child("blobServices/default", one=True, when=has_blobs, off=("FeatureNotSupportedForAccount",))
CONTAINERS = ACCOUNT.child(
    "blobServices/default/containers", when=anonymous_possible, off=("FeatureNotSupportedForAccount",)
)
FILE_SERVICE = ACCOUNT.child("fileServices/default", one=True, when=has_files, off=("FeatureNotSupportedForAccount",))
SHARES = ACCOUNT.child("fileServices/default/shares", when=premium_files, off=("FeatureNotSupportedForAccount",))
USERS = ACCOUNT.child("localUsers", when=sftp_may_have_users)
PERIMETERS = ACCOUNT.child("networkSecurityPerimeterConfigurations", when=by_perimeter)

ACL = Firewall(
    empty="closed",
    source="azure-mgmt-storage NetworkRuleSet: defaultAction is Allow or Deny; Azure Policy b2982f36 flags an absent switch",
    name="Storage firewall",
    absent="enabled",
    default="properties.networkAcls.defaultAction",
    default_absent="allow",
    acl="properties.networkAcls",
    addresses=(
        RuleList("properties.networkAcls.ipRules", address="value"),
        RuleList("properties.networkAcls.ipv6Rules", address="value"),
    ),
    subnets=(RuleList("properties.networkAcls.virtualNetworkRules", id="id"),),
    instances=(RuleList("properties.networkAcls.resourceAccessRules", id="resourceId"),),
    bypass="properties.networkAcls.bypass",
    configurations=PERIMETERS,
)
KEYS = ACCOUNT.local_auth(
    "properties.allowSharedKeyAccess",
    off=(False,),
    on=(True,),
    absent=True,
    source='REST specification: "the default value is null, which is equivalent to true"',
    says="an account key opens it",
)


def keys(account: Resource, service: str) -> Lock:
    """What the service asks for: the switch of the account, and the newer one of the service, which may close alone."""
    lock = KEYS.lock(account)
    path = f"properties.allowSharedKeyAccessForServices.{'blob' if service == 'dfs' else service}.enabled"
    value = account.get(path)
    if value is MISSING or value is None or same(value, True):
        return lock
    if same(value, False):
        return grant(Auth.identity, account.evidence(path, False))
    return lock | possible(Auth.shared, unknown_value(path, value), account.evidence(path, False))


def anonymous_containers(account: Resource) -> Lock:
    """Each container that is known to be anonymous is an endpoint of its own; this is about those that are not known."""
    if not anonymous_possible(account):
        return NO_GRANT
    gap = account.children(CONTAINERS).gap
    return NO_GRANT if gap is None else possible(Auth.anonymous, gap)


def containers(account: Resource, reach: Lock) -> Iterator[Exposure]:
    if not anonymous_possible(account):
        return
    seen = account.evidence("properties.allowBlobPublicAccess", False)
    for container in account.children(CONTAINERS):
        if same(container.get("properties.deleted"), True):
            continue
        access = container.get("properties.publicAccess")
        if same(access, "None"):
            continue
        path = f"blobServices/default/containers/{container.name} properties.publicAccess"
        proof = Evidence(path, "absent" if access is MISSING else access, "None")
        what = f"Container {container.name}"
        if same(access, "Blob"):
            authentication = grant(Auth.anonymous, proof, seen, description="whoever knows a file's address reads it")
        elif same(access, "Container"):
            authentication = grant(Auth.anonymous, proof, seen, description="anybody can list and read it")
        else:
            authentication = IDENTITY | possible(Auth.anonymous, unknown_value(path), proof)
        yield Exposure(f"blob/{container.name}", "data", reach, authentication, display_name=what, subject=container)


def static_site(account: Resource, reach: Lock) -> Exposure:
    try:
        service = account.child(BLOB_SERVICE)
        value = service.get("properties.staticWebsite.enabled") if service is not None else MISSING
        if value is MISSING or value is None:
            raise not_returned("blobServices/default properties.staticWebsite.enabled")
        if not same(value, True) and not same(value, False):
            raise unknown_value("blobServices/default properties.staticWebsite.enabled", value)
    except Unread as missing:
        return Exposure(
            "web", "app", reach, possible(Auth.anonymous, missing), display_name="The static website, if there is one,"
        )
    proof = Evidence("blobServices/default properties.staticWebsite.enabled", value, False)
    if same(value, False):
        return closed("web", "app", "no static website is switched on", proof, display_name="The static website")
    says = "it asks for no login: confirm that nothing private lies in $web"
    return Exposure(
        "web", "app", reach, grant(Auth.anonymous, proof, description=says), display_name="The static website"
    )


def sftp(account: Resource, reach: Lock) -> Exposure:
    what = "SFTP"
    on = SFTP.lock(account)
    if on.widest is not None and on.widest.level == Reach.none:
        return closed("sftp", "data", "SFTP is not switched on", *on.widest.evidence, display_name=what)
    lock = _gated(reach, on)
    seen = account.evidence("properties.isLocalUserEnabled", False)
    if same(account.get("properties.isLocalUserEnabled"), False):
        return Exposure("sftp", "data", lock, grant(Auth.identity, seen), display_name=what)
    authentication = IDENTITY
    users = account.children(USERS)
    for user in users:
        for path in ("hasSshPassword", "hasSharedKey", "hasSshKey"):
            value = user.get(f"properties.{path}")
            proof = Evidence(
                f"localUsers/{user.name} properties.{path}", "absent" if value is MISSING else value, False
            )
            if same(value, True):
                authentication |= grant(Auth.shared, proof, description="a password or key of a local user opens it")
            elif not same(value, False):
                authentication |= possible(Auth.shared, not_returned(proof.path), proof)
    if users.gap is not None:
        authentication |= possible(Auth.shared, users.gap)
    return Exposure("sftp", "data", lock, authentication, display_name=what)


def _gated(reach: Lock, on: Lock) -> Lock:
    """The reach of a service whose own switch is not known: all of it is a doubt."""
    if on.possible_grants and not on.grants:
        missing = on.possible_grants[0].missing
        level = max(reach.levels)
        return Lock(
            possible_grants=(*possible(level, missing).possible_grants, *reach.possible_grants), hops=reach.hops
        )
    return reach


NFS_ARGUMENT = (
    "NFS has no login by design and takes traffic of virtual networks only (storage/blobs/network-file-system-protocol-support):"
    " from the own network it is low"
)


def nfs(account: Resource, reach: Lock) -> Exposure:
    """NFS 3 on blobs, or NFS shares: no login at all, and only traffic that comes from a virtual network is taken."""
    what = "NFS"
    authentication, gap = _nfs_offered(account)
    if authentication is None and gap is None:
        return closed(
            "nfs",
            "data",
            "neither NFS 3.0 nor an NFS share is there",
            NFS.lock(account).grants[0].evidence[0],
            display_name=what,
        )
    lock = _nfs_reach(reach)
    if authentication is None:
        assert gap is not None
        authentication = IDENTITY | possible(Auth.anonymous, gap)
    return Exposure(
        "nfs",
        "data",
        lock,
        authentication,
        display_name=what,
        max_severity=Severity.low,
        max_severity_up_to=Reach.private,
        justification=NFS_ARGUMENT,
    )


def _nfs_offered(account: Resource) -> tuple[Lock | None, Unread | None]:
    says = "NFS has no login"
    on = NFS.lock(account)
    if on.widest is not None and on.widest.level == Reach.internet:
        return grant(Auth.anonymous, *on.widest.evidence, description=says), None
    gap = on.widest_possible.missing if on.widest_possible is not None else None
    shares = account.children(SHARES)
    for share in shares:
        path = f"fileServices/default/shares/{share.name} properties.enabledProtocols"
        protocol = share.get("properties.enabledProtocols")
        if isinstance(protocol, str) and "nfs" in protocol.lower():
            return grant(Auth.anonymous, Evidence(path, protocol, "SMB"), description=says), None
        if not same(protocol, "SMB"):
            gap = gap or not_returned_or_unknown(path)
    return None, gap or (shares.gap if premium_files(account) else None)


def _nfs_reach(reach: Lock) -> Lock:
    """Traffic from outside a virtual network is refused, so an open firewall means: any virtual network with a route."""
    hop = Hop("nfs", "NFS", "takes traffic of virtual networks only")
    says = "virtual networks that have a route to it"
    ways = tuple(
        Grant(min(each.level, Reach.selected), each.evidence, says) if each.level > Reach.private else each
        for each in reach.grants
    )
    possible_grants = tuple(
        possible(min(each.level, Reach.selected), each.missing, *each.evidence).possible_grants[0]
        for each in reach.possible_grants
    )
    return Lock(ways, possible_grants, (*reach.hops, hop), reach.admits)


@ACCOUNT.endpoints(
    data=("blob", "blob/*", "dfs", "file", "queue", "table", "sftp", "nfs"),
    app=("web",),
    reads=(BLOB_SERVICE, CONTAINERS, SHARES, USERS, PERIMETERS),
)
def endpoints(account: Resource, index: Index) -> Iterator[Exposure]:
    served = services(account)
    reach = firewall(account, index, ACL)
    names = {"blob": "The blob service", "dfs": "The Data Lake service", "file": "The file service"}
    for name in ("blob", "dfs", "file", "queue", "table"):
        what = names.get(name, f"The {name} service")
        if name not in served:
            yield _not_served(account, name)
            continue
        authentication = keys(account, name)
        if name == "blob":
            authentication |= anonymous_containers(account)
        yield Exposure(name, "data", reach, authentication, display_name=what, address=host(account, name))
    yield from containers(account, reach)
    yield static_site(account, reach) if "web" in served else _not_served(account, "web")
    yield sftp(account, reach) if "sftp" in served else _not_served(account, "sftp")
    yield nfs(account, reach) if "nfs" in served else _not_served(account, "nfs")


def _not_served(account: Resource, name: str) -> Exposure:
    why = f"accounts of kind {account.get('kind')} do not have it"
    return closed(name, "app" if name == "web" else "data", why, account.evidence("kind"), display_name=name)


def host(account: Resource, name: str) -> str:
    """The host of a service as the account names it."""
    value = account.get(f"properties.primaryEndpoints.{name}")
    return value.removeprefix("https://").rstrip("/") if isinstance(value, str) else ""


UPDATE = "az storage account update --ids {id}"
PAGE = "storage_account"

ACCOUNT.lock(
    "storage-anonymous-blob-access",
    "anonymous-access",
    "A blob container answers anybody",
    only=("blob", "blob/*"),
    subject=CONTAINERS,
    why="Whoever has the address reads the files. Nobody is asked who they are, and no log names a reader.",
    fix=Fix(
        az="az storage account update --ids {top_id} --allow-blob-public-access false",
        first_step="az storage container-rm update --storage-account {top} --resource-group {group} --name {name} --public-access off",
        breaks="Readers that do not sign in: web pages that embed the files, downloads by plain link.",
        bicep="allowBlobPublicAccess: false",
        terraform="azurerm_storage_account.allow_nested_items_to_be_public = false",
        terraform_page=PAGE,
        portal="Storage account > Configuration > Allow Blob anonymous access: Disabled",
    ),
    controls={CIS: ("9.3.8",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.3",), MCSB: ("DP-2",)},
    references=(f"{LEARN}/storage/blobs/anonymous-read-access-prevent",),
)
ACCOUNT.lock(
    "storage-public-static-website",
    "anonymous-access",
    "A static website answers anybody",
    only=("web",),
    why="Everything in the container $web is readable without a login, whatever the account says of anonymous blobs. "
    "That is what a static site is for; what must not happen is that something private lies there.",
    fix=Fix(
        az="az storage blob service-properties update --account-name {name} --static-website false --auth-mode login",
        first_step="az storage blob list --account-name {name} --container-name '$web' --auth-mode login --output table",
        breaks="The site itself. List what lies in $web first.",
        portal="Storage account > Static website > Disabled",
    ),
    controls={MCSB: ("DP-2",), ISO: ("A.8.3",)},
    references=(f"{LEARN}/storage/blobs/storage-blob-static-website",),
)
ACCOUNT.lock(
    "storage-nfs-without-login",
    "anonymous-access",
    "NFS answers without a login",
    only=("nfs",),
    why="NFS asks nobody who they are: every machine in a network that the account lets in can read and write as root. "
    "The network is the only lock, so it must be narrow.",
    fix=Fix(
        az="az storage account update --ids {id} --default-action Deny",
        first_step="az storage account network-rule list --account-name {name} --resource-group {group}",
        breaks="Clients outside the subnets and private endpoints that the account names.",
        bicep="networkAcls: { defaultAction: 'Deny' }",
        terraform='azurerm_storage_account.network_rules.default_action = "Deny"',
        terraform_page=PAGE,
        portal="Storage account > Networking > Enabled from selected virtual networks and IP addresses",
        cost=2,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7")},
    references=(f"{LEARN}/storage/blobs/network-file-system-protocol-support",),
)
ACCOUNT.lock(
    "storage-shared-key",
    "authentication",
    "Storage accepts account keys",
    only=("blob", "dfs", "file", "queue", "table"),
    why="An account key opens everything, never expires and names nobody. Whoever copied it from a script, a pipeline or "
    "a mail stays in until the key is rolled.",
    fix=Fix(
        az=f"{UPDATE} --allow-shared-key-access false",
        first_step="az monitor metrics list --resource {id} --metric Transactions --dimension Authentication",
        breaks="Every client that uses a key or a signature made with one; the metric shows whether there are any.",
        bicep="allowSharedKeyAccess: false",
        terraform="azurerm_storage_account.shared_access_key_enabled = false",
        terraform_page=PAGE,
        portal="Storage account > Configuration > Allow storage account key access: Disabled",
    ),
    controls={CIS: ("9.3.1.3",), MCSB: ("IM-1",), NIST: ("AC-3", "IA-2"), ISO: ("A.5.17",), NSM: ("2.6.4",)},
    references=(f"{LEARN}/storage/common/shared-key-authorization-prevent",),
)
ACCOUNT.lock(
    "storage-sftp-local-users",
    "authentication",
    "SFTP accepts passwords or keys of local users",
    only=("sftp",),
    why="Local users of SFTP are no identities of the directory: nobody takes them away when a person leaves, and no "
    "second factor protects them.",
    fix=Fix(
        az=f"{UPDATE} --enable-local-user false",
        first_step="az storage account local-user list --account-name {name} --resource-group {group} --output table",
        breaks="Every SFTP client that signs in as a local user.",
        bicep="isLocalUserEnabled: false",
        terraform="azurerm_storage_account.local_user_enabled = false",
        terraform_page=PAGE,
        portal="Storage account > SFTP > Disable SFTP, or remove the local users",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("IA-2",)},
    references=(f"{LEARN}/storage/blobs/secure-file-transfer-protocol-support",),
)
ACCOUNT.lock(
    "storage-open-network",
    "network",
    "Storage answers networks that are not yours",
    only=("blob", "blob/*", "dfs", "file", "queue", "table", "sftp"),
    why="One lock is left: whoever holds a key, a token or a signature can use it from anywhere in the world.",
    fix=Fix(
        az=f"{UPDATE} --default-action Deny",
        first_step="az storage account network-rule list --account-name {name} --resource-group {group}",
        breaks="Callers outside the networks that the account names. Add their ranges, subnets or private endpoints first.",
        bicep="networkAcls: { defaultAction: 'Deny' }",
        terraform='azurerm_storage_account.network_rules.default_action = "Deny"',
        terraform_page=PAGE,
        portal="Storage account > Networking > Enabled from selected virtual networks and IP addresses",
        cost=2,
    ),
    controls={CIS: ("9.3.2.2", "9.3.2.3"), MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",), NSM: ("2.2.3",)},
    references=(f"{LEARN}/storage/common/storage-network-security",),
)


@ACCOUNT.rule(
    "storage-wide-resource-rule",
    "network",
    "A resource rule of the storage firewall admits every instance of a service",
    severity="low",
    why="A resource rule whose id ends in a star lets every instance of that service in, of the whole subscription or tenant, "
    "also those that somebody makes tomorrow.",
    fix=Fix(
        az="az storage account network-rule list --account-name {name} --resource-group {group}",
        breaks="Instances that the star admits; name each one that is meant.",
        portal="Storage account > Networking > Resource instances",
        cost=2,
    ),
    controls={MCSB: ("NS-2",)},
    references=(f"{LEARN}/storage/common/storage-network-security-resource-instances",),
)
def wide_resource_rule(account: Resource, index: Index) -> Verdict:
    path = "properties.networkAcls.resourceAccessRules"
    listed = account.items(path)
    if not listed:
        if account.api_version_unknown:
            return unknown(absent_at_unknown_version(path))
        return NotApplicable("its firewall has no resource rule")
    ids = [get_path(each, "resourceId") for each in listed]
    wide = [each for each in ids if isinstance(each, str) and "*" in each]
    if wide:
        return Fail((Evidence(f"{path}[].resourceId", wide, "the id of one resource"),))
    if not all(isinstance(each, str) for each in ids):
        return unknown(not_returned(f"{path}[].resourceId"))
    return Pass((Evidence(f"{path}[].resourceId", ids, "the id of one resource"),))


perimeter_only_learns(ACCOUNT, "storage-perimeter-only-learning", "the storage account", PERIMETERS)
pending_private_endpoint(ACCOUNT, "storage-private-endpoint-pending", "the storage account")
strange_private_endpoint(ACCOUNT, "storage-private-endpoint-of-strangers", "the storage account")
strange_subnet(
    ACCOUNT,
    "storage-subnet-of-strangers",
    "the storage account",
    ACL,
    "az storage account network-rule remove --account-name {name} --resource-group {group} --subnet SUBNET_ID",
    "az storage account network-rule list --account-name {name} --resource-group {group}",
)

ACCOUNT.setting(
    "storage-plain-http",
    "transport",
    "Storage accepts plain HTTP",
    "properties.supportsHttpsTrafficOnly",
    allowed=(True,),
    severity="high",
    why="Over plain HTTP keys, signatures and data travel readable for everybody on the way.",
    fix=Fix(
        az=f"{UPDATE} --https-only true",
        breaks="Clients that call http://, and NFS 3.0, which needs the setting off.",
        bicep="supportsHttpsTrafficOnly: true",
        terraform="azurerm_storage_account.https_traffic_only_enabled = true",
        terraform_page=PAGE,
        portal="Storage account > Configuration > Secure transfer required: Enabled",
    ),
    controls={CIS: ("9.3.4",), MCSB: ("DP-3",), NIST: ("SC-8",), ISO: ("A.8.24",), NSM: ("2.7.1",)},
    references=(f"{LEARN}/storage/common/storage-require-secure-transfer",),
)
ACCOUNT.setting(
    "storage-old-tls",
    "transport",
    "The storage account still allows a TLS version that Azure no longer serves",
    "properties.minimumTlsVersion",
    allowed=("TLS1_2", "TLS1_3"),
    bad=("TLS1_0", "TLS1_1"),
    absent="TLS1_0",
    source="REST specification: the default interpretation is TLS 1.0 for this property",
    severity="low",
    retired_on="2026-02-03",
    why="Storage stopped serving TLS 1.0 and 1.1 in February 2026, so the setting opens nothing any more. "
    "Setting it still keeps the account right where the same template is used elsewhere.",
    fix=Fix(
        az=f"{UPDATE} --min-tls-version TLS1_2",
        breaks="Nothing that still works.",
        bicep="minimumTlsVersion: 'TLS1_2'",
        terraform='azurerm_storage_account.min_tls_version = "TLS1_2"',
        terraform_page=PAGE,
        portal="Storage account > Configuration > Minimum TLS version: Version 1.2",
    ),
    controls={CIS: ("9.3.6",), MCSB: ("DP-3",), NIST: ("SC-8",)},
    references=(f"{LEARN}/storage/common/transport-layer-security-configure-minimum-version",),
)
ACCOUNT.setting(
    "storage-platform-key",
    "encryption",
    "Storage is encrypted with a key that Microsoft holds",
    "properties.encryption.keySource",
    allowed=("Microsoft.Keyvault",),
    bad=("Microsoft.Storage",),
    severity="info",
    why="With a key of your own, access to the data at rest can be withdrawn by you; with Microsoft's it cannot.",
    fix=Fix(
        az=f"{UPDATE} --encryption-key-source Microsoft.Keyvault --encryption-key-vault VAULT_URI --encryption-key-name KEY",
        breaks="The account stops working when its key is lost or its vault unreachable: protect the vault from deletion first.",
        bicep="encryption: { keySource: 'Microsoft.Keyvault' }",
        terraform="azurerm_storage_account_customer_managed_key",
        terraform_page="storage_account_customer_managed_key",
        portal="Storage account > Encryption > Customer-managed keys",
        cost=3,
    ),
    controls={MCSB: ("DP-5",), NIST: ("SC-12", "SC-28"), ISO: ("A.8.24",)},
    references=(f"{LEARN}/storage/common/customer-managed-keys-overview",),
)


@ACCOUNT.rule(
    "storage-queue-table-platform-key",
    "encryption",
    "Queues or tables are left out of the account's own key",
    severity="low",
    why="The account's own key covers blobs and files. Queues and tables follow it only where that was chosen when the "
    "account was made; else their messages and rows stay on Microsoft's key.",
    fix=Fix(
        az="az storage account create --name NEW --resource-group {group} --encryption-key-type-for-queue Account "
        "--encryption-key-type-for-table Account",
        breaks="It cannot be changed afterwards: make a new account and move the data.",
        bicep="encryption: { services: { queue: { keyType: 'Account' }, table: { keyType: 'Account' } } }",
        terraform='azurerm_storage_account.queue_encryption_key_type = "Account"',
        terraform_page=PAGE,
        portal="Create a storage account > Encryption > Enable support for customer-managed keys: all service types",
        cost=3,
    ),
    controls={MCSB: ("DP-5",), NIST: ("SC-28",)},
    references=(f"{LEARN}/storage/common/account-encryption-key-create",),
)
def queue_table_platform_key(account: Resource, index: Index) -> Verdict:
    source = account.require("properties.encryption.keySource")
    if same(source, "Microsoft.Storage"):
        return NotApplicable("the account has no key of its own")
    if not same(source, "Microsoft.Keyvault"):
        return unknown(unknown_value("properties.encryption.keySource", source))
    names = [each for each in ("queue", "table") if each in services(account)]
    if not names:
        return NotApplicable("accounts of this kind have neither queues nor tables")
    paths = [f"properties.encryption.services.{name}.keyType" for name in names]
    seen = tuple(account.evidence(path, "Account") for path in paths)
    values = [account.get(path) for path in paths]
    if any(same(value, "Service") for value in values):
        return Fail(seen)
    for path, value in zip(paths, values, strict=True):
        if not same(value, "Account"):
            return unknown(not_returned_or_unknown(path), evidence=seen)
    return Pass(seen)


def blob_service(account: Resource) -> Resource | None:
    """The blob service of an account that has one; Unread where it was not read."""
    return account.child(BLOB_SERVICE) if has_blobs(account) else None


def retention(service: Resource, where: str, path: str) -> Verdict:
    """The verdict on a retention policy's switch: Pass when it is on."""
    value = service.get(path)
    seen = Evidence(f"{where} {path}", "absent" if value is MISSING else value, True)
    if same(value, True):
        return Pass((seen,))
    if same(value, False):
        return Fail((seen,))
    return unknown(not_returned_or_unknown(seen.path), evidence=(seen,))


BLOB_UPDATE = "az storage account blob-service-properties update --account-name {name} --resource-group {group}"
RECOVERY = {MCSB: ("BR-2",), NIST: ("CP-9", "CP-10"), ISO: ("A.8.13",)}


@ACCOUNT.rule(
    "storage-blob-soft-delete-off",
    "recovery",
    "Deleted blobs are gone at once",
    severity="medium",
    reads=(BLOB_SERVICE,),
    why="One wrong script, or one stolen key, and the data is gone. Soft delete keeps deleted blobs for as long as it is set.",
    fix=Fix(
        az=f"{BLOB_UPDATE} --enable-delete-retention true --delete-retention-days 14",
        breaks="Nothing; deleted data is billed until it expires.",
        bicep="blobServices: deleteRetentionPolicy: { enabled: true, days: 14 }",
        terraform="azurerm_storage_account.blob_properties.delete_retention_policy.days = 14",
        terraform_page=PAGE,
        portal="Storage account > Data protection > Enable soft delete for blobs",
    ),
    controls={CIS: ("9.2.1",), **RECOVERY},
    references=(f"{LEARN}/storage/blobs/soft-delete-blob-overview",),
)
def blob_soft_delete_off(account: Resource, index: Index) -> Verdict:
    service = blob_service(account)
    if service is None:
        return NotApplicable("the account has no blob service")
    return retention(service, "blobServices/default", "properties.deleteRetentionPolicy.enabled")


@ACCOUNT.rule(
    "storage-container-soft-delete-off",
    "recovery",
    "Deleted containers are gone at once",
    severity="medium",
    reads=(BLOB_SERVICE,),
    why="Soft delete of blobs does not bring back a container that was deleted as a whole; soft delete of containers does.",
    fix=Fix(
        az=f"{BLOB_UPDATE} --enable-container-delete-retention true --container-delete-retention-days 14",
        breaks="Nothing; deleted data is billed until it expires.",
        bicep="blobServices: containerDeleteRetentionPolicy: { enabled: true, days: 14 }",
        terraform="azurerm_storage_account.blob_properties.container_delete_retention_policy.days = 14",
        terraform_page=PAGE,
        portal="Storage account > Data protection > Enable soft delete for containers",
    ),
    controls={CIS: ("9.2.2",), **RECOVERY},
    references=(f"{LEARN}/storage/blobs/soft-delete-container-overview",),
)
def container_soft_delete_off(account: Resource, index: Index) -> Verdict:
    service = blob_service(account)
    if service is None:
        return NotApplicable("the account has no blob service")
    return retention(service, "blobServices/default", "properties.containerDeleteRetentionPolicy.enabled")


@ACCOUNT.rule(
    "storage-versioning-off",
    "recovery",
    "Overwritten blobs cannot be brought back",
    severity="low",
    reads=(BLOB_SERVICE,),
    source="terraform-provider-azurerm reads an absent isVersioningEnabled as false; the specification: enabled if set to true",
    why="Soft delete does not help against a file that was overwritten, by mistake or by ransomware; versions do.",
    fix=Fix(
        az=f"{BLOB_UPDATE} --enable-versioning true",
        breaks="Nothing; old versions are billed, so add a lifecycle rule that removes them.",
        bicep="blobServices: isVersioningEnabled: true",
        terraform="azurerm_storage_account.blob_properties.versioning_enabled = true",
        terraform_page=PAGE,
        portal="Storage account > Data protection > Enable versioning for blobs",
    ),
    controls={CIS: ("9.2.3",), **RECOVERY},
    references=(f"{LEARN}/storage/blobs/versioning-overview",),
)
def versioning_off(account: Resource, index: Index) -> Verdict:
    service = blob_service(account)
    if service is None:
        return NotApplicable("the account has no blob service")
    if same(account.get("properties.isHnsEnabled"), True):
        return NotApplicable("accounts with a hierarchical namespace have no versions")
    path = "properties.isVersioningEnabled"
    value = service.get(path)
    seen = Evidence(f"blobServices/default {path}", "absent" if value is MISSING else value, True)
    if value is MISSING or value is None or same(value, False):
        return Fail((seen,))
    if same(value, True):
        return Pass((seen,))
    return unknown(unknown_value(seen.path, value), evidence=(seen,))


@ACCOUNT.rule(
    "storage-permanent-delete-allowed",
    "recovery",
    "Soft-deleted blobs can be destroyed before their time",
    severity="low",
    reads=(BLOB_SERVICE,),
    why="With permanent delete allowed, whoever deletes a blob can also destroy the copy that soft delete keeps.",
    fix=Fix(
        az="az resource update --ids {id}/blobServices/default --set properties.deleteRetentionPolicy.allowPermanentDelete=false",
        breaks="Jobs that purge soft-deleted blobs on purpose.",
        bicep="blobServices: deleteRetentionPolicy: { allowPermanentDelete: false }",
        terraform="azurerm_storage_account.blob_properties.delete_retention_policy.permanent_delete_enabled = false",
        terraform_page=PAGE,
        portal="Storage account > Data protection > Allow permanent delete for soft deleted items",
    ),
    controls=RECOVERY,
    references=(f"{LEARN}/storage/blobs/soft-delete-blob-overview",),
)
def permanent_delete_allowed(account: Resource, index: Index) -> Verdict:
    service = blob_service(account)
    if service is None:
        return NotApplicable("the account has no blob service")
    if same(service.get("properties.deleteRetentionPolicy.enabled"), False):
        return NotApplicable("soft delete is off, so there is nothing to destroy")
    path = "properties.deleteRetentionPolicy.allowPermanentDelete"
    value = service.get(path)
    seen = Evidence(f"blobServices/default {path}", "absent" if value is MISSING else value, False)
    if same(value, True):
        return Fail((seen,))
    if same(value, False):
        return Pass((seen,))
    return unknown(not_returned_or_unknown(seen.path), evidence=(seen,))


@ACCOUNT.rule(
    "storage-share-soft-delete-off",
    "recovery",
    "Deleted file shares are gone at once",
    severity="medium",
    reads=(FILE_SERVICE,),
    why="A share that is deleted takes every file in it along. Soft delete keeps it for as long as it is set.",
    fix=Fix(
        az="az storage account file-service-properties update --account-name {name} --resource-group {group} "
        "--enable-delete-retention true --delete-retention-days 14",
        breaks="Nothing; deleted shares are billed until they expire.",
        bicep="fileServices: shareDeleteRetentionPolicy: { enabled: true, days: 14 }",
        terraform="azurerm_storage_account.share_properties.retention_policy.days = 14",
        terraform_page=PAGE,
        portal="Storage account > File shares > Soft delete",
    ),
    controls={CIS: ("9.1.1",), **RECOVERY},
    references=(f"{LEARN}/storage/files/storage-files-prevent-file-share-deletion",),
)
def share_soft_delete_off(account: Resource, index: Index) -> Verdict:
    service = account.child(FILE_SERVICE) if has_files(account) else None
    if service is None:
        return NotApplicable("the account has no file service")
    return retention(service, "fileServices/default", "properties.shareDeleteRetentionPolicy.enabled")


ACCOUNT.setting(
    "storage-cross-tenant-replication",
    "governance",
    "Blobs may be replicated into another tenant",
    "properties.allowCrossTenantReplication",
    allowed=(False,),
    absent=True,
    source='storage/blobs/object-replication-prevent-cross-tenant-policies: "null or true" permits; the newest specification differs',
    severity="medium",
    why="Whoever may edit the account can set up a copy of its blobs into an account of somebody else, and nobody sees it leave.",
    fix=Fix(
        az=f"{UPDATE} --allow-cross-tenant-replication false",
        breaks="Replication into another tenant that is meant; the command fails while such a policy exists.",
        bicep="allowCrossTenantReplication: false",
        terraform="azurerm_storage_account.cross_tenant_replication_enabled = false",
        terraform_page=PAGE,
        portal="Storage account > Object replication > Advanced settings",
    ),
    controls={CIS: ("9.3.7",), MCSB: ("DP-2",), NIST: ("AC-4",)},
    references=(f"{LEARN}/storage/blobs/object-replication-prevent-cross-tenant-policies",),
)


@ACCOUNT.rule(
    "storage-no-sas-limit",
    "governance",
    "Shared access signatures may live for ever",
    severity="low",
    source="Azure Policy StorageAccountSasPolicy: an absent policy is non-compliant",
    why="A signature that was mailed once opens the data until it expires. Without an upper limit nobody notices one that "
    "is valid for ten years.",
    fix=Fix(
        az=f"{UPDATE} --sas-expiration-period 7.00:00:00",
        breaks="Nothing: longer signatures are logged, and refused only where the policy's action says so.",
        bicep="sasPolicy: { sasExpirationPeriod: '7.00:00:00', expirationAction: 'Log' }",
        terraform='azurerm_storage_account.sas_policy.expiration_period = "7.00:00:00"',
        terraform_page=PAGE,
        portal="Storage account > Configuration > Allow recommended upper limit for SAS expiry interval",
    ),
    controls={MCSB: ("IM-8",), NIST: ("AC-2",)},
    references=(f"{LEARN}/storage/common/sas-expiration-policy",),
)
def no_sas_limit(account: Resource, index: Index) -> Verdict:
    if same(account.get("properties.allowSharedKeyAccess"), False):
        return NotApplicable("keys are off, so only signatures of an identity work, and these live for 7 days at most")
    path = "properties.sasPolicy.sasExpirationPeriod"
    value = account.get(path)
    seen = account.evidence(path, "a period such as 7.00:00:00")
    if value is MISSING or value is None or value == "":
        return Fail((seen,))
    if isinstance(value, str) and value[:1].isdigit():
        return Pass((seen,))
    return unknown(unknown_value(path, value), evidence=(seen,))


ACCOUNT.setting(
    "storage-anonymous-switch-on",
    "governance",
    "Anybody who may edit a container may make it public",
    "properties.allowBlobPublicAccess",
    allowed=(False,),
    absent=True,
    source="sources conflict (REST specification: false; storage/blobs/anonymous-read-access-prevent: null or true permits)",
    severity="low",
    why="While the account's switch is on, one call on one container is enough to publish it. Off, nobody can do so by mistake.",
    fix=Fix(
        az=f"{UPDATE} --allow-blob-public-access false",
        breaks="Containers that are public today.",
        bicep="allowBlobPublicAccess: false",
        terraform="azurerm_storage_account.allow_nested_items_to_be_public = false",
        terraform_page=PAGE,
        portal="Storage account > Configuration > Allow Blob anonymous access: Disabled",
    ),
    controls={CIS: ("9.3.8",), MCSB: ("DP-2",)},
    references=(f"{LEARN}/storage/blobs/anonymous-read-access-prevent",),
    unless=lambda account: None if has_blobs(account) else "the account has no blob service",
)


@SHARES.rule(
    "storage-nfs-root-not-squashed",
    "governance",
    "Root of any NFS client is root on the share",
    severity="medium",
    source='REST specification: rootSquash applies to NFS shares; the default is "NoRootSquash"',
    why="Without root squash whoever is root on any machine in the network owns every file on the share.",
    fix=Fix(
        az="az storage share-rm update --storage-account {top} --resource-group {group} --name {name} --root-squash RootSquash",
        breaks="Clients that write as root, for example init containers that set owners.",
        bicep="shares: rootSquash: 'RootSquash'",
        portal="Storage account > File shares > Properties > Root squash",
    ),
    controls={MCSB: ("PA-1",), NIST: ("AC-6",)},
    references=(f"{LEARN}/storage/files/nfs-root-squash",),
)
def nfs_root_not_squashed(share: Resource, index: Index) -> Verdict:
    protocol = share.require("properties.enabledProtocols")
    if same(protocol, "SMB"):
        return NotApplicable("the share speaks SMB")
    path = "properties.rootSquash"
    value = share.get(path)
    seen = share.evidence(path, "RootSquash")
    if value is MISSING or value is None or same(value, "NoRootSquash"):
        return Fail((seen,))
    if same(value, "RootSquash") or same(value, "AllSquash"):
        return Pass((seen,))
    return unknown(unknown_value(path, value), evidence=(seen,))
