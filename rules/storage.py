"""Storage accounts: blobs, files, queues, tables, static sites, SFTP and NFS."""

import re
from collections.abc import Iterator

from scanner.model.exposure import (
    IDENTITY,
    NO_GRANT,
    Auth,
    Exposure,
    Hop,
    Lock,
    Reach,
    Switch,
    closed,
    grant,
    possible,
    replace,
)
from scanner.model.fix import Cause, Edit, Fix
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, is_absent, same, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTP_AND_HTTPS, Endpoint, Read, ResourceType
from scanner.model.severity import Severity
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    not_returned,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.services.firewall import RuleList, bypass_values, firewall, private_endpoints

from .common import by_perimeter, child_evidence, host, network_acls

ACCOUNT = ResourceType(
    "Microsoft.Storage/storageAccounts",
    api="2026-04-01",
    unread={
        "encryption scopes of an account with a Microsoft-managed key": "storage-platform-key says it of the account.",
        "immutability policies of containers": "Whether a container needs one depends on what it holds. The list is read only where containers may be public.",
        "defaultToOAuthAuthentication": "It chooses what the portal tries first, and refuses nothing: storage-shared-key-enabled asks whether keys work.",
        "keyPolicy": "It reminds, and renews nothing: storage-old-keys asks whether the keys were renewed in its period.",
        "managementPolicies": "They delete by prefix and age, and no property says which blobs are logs.",
    },
)

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
    """Return the services that an account of this kind has, all of them for an unknown kind."""
    kind = account.get("kind")
    kind = kind.lower() if isinstance(kind, str) else ""
    if kind == "storagev2" and str(account.get("sku.name")).lower().startswith("premium"):
        return PREMIUM_PAGES
    return SERVICES.get(kind, SERVICES["storagev2"])


def has_blobs(account: Resource) -> bool:
    return "blob" in services(account)


def anonymous_possible(account: Resource) -> bool:
    """Return whether containers may be anonymous.

    Absent counts as allowed: sources conflict (REST specification: false; anonymous-read-access-prevent: true)."""
    return has_blobs(account) and not same(account.get("properties.allowBlobPublicAccess"), False)


def has_files(account: Resource) -> bool:
    return "file" in services(account)


def premium_files(account: Resource) -> bool:
    # Only premium file shares support NFS: storage/files/files-nfs-protocol.
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
    on = bool(account.why_absent_is_unknown) if is_absent(value) else not same(value, False)
    return on and not same(account.get("properties.isLocalUserEnabled"), False)


BLOB_SERVICE = ACCOUNT.child("blobServices/default", one=True, when=has_blobs, off=("FeatureNotSupportedForAccount",))
CONTAINERS = ACCOUNT.child(
    "blobServices/default/containers",
    when=anonymous_possible,
    off=("FeatureNotSupportedForAccount",),
    alone="a perimeter may admit callers where public access is disabled, and its list is read at the same time",
    product=Message("Blob container"),
)
FILE_SERVICE = ACCOUNT.child(
    "fileServices/default",
    one=True,
    when=has_files,
    off=("FeatureNotSupportedForAccount",),
    alone="nothing of the account says how long its shares are kept, and who may call it from a browser",
)
SHARES = ACCOUNT.child(
    "fileServices/default/shares",
    when=premium_files,
    off=("FeatureNotSupportedForAccount",),
    product=Message("File share"),
)
STANDARD_SHARES = ACCOUNT.child(
    "fileServices/default/shares",
    when=lambda account: has_files(account) and not premium_files(account),
    off=("FeatureNotSupportedForAccount",),
    costly=True,
    product=Message("File share"),
)
USERS = ACCOUNT.child("localUsers", when=sftp_may_have_users)
REPLICATIONS = ACCOUNT.child("objectReplicationPolicies", when=has_blobs, costly=True)
SCOPES = ACCOUNT.child("encryptionScopes", costly=True)
PERIMETERS = ACCOUNT.child("networkSecurityPerimeterConfigurations", when=by_perimeter)

COMMON_ACL = network_acls(
    Message("Storage firewall"),
    "azure-mgmt-storage NetworkRuleSet: defaultAction is Allow or Deny; Azure Policy b2982f36 flags an absent switch",
    PERIMETERS,
)
ACL = replace(
    COMMON_ACL,
    addresses=(*COMMON_ACL.addresses, RuleList("properties.networkAcls.ipv6Rules", address="value")),
    bypass_other=("Logging", "Metrics"),
    instances=(RuleList("properties.networkAcls.resourceAccessRules", id="resourceId"),),
)
KEYS = ACCOUNT.local_auth(
    "properties.allowSharedKeyAccess",
    off=(False,),
    on=(True,),
    absent=True,
    source='REST specification: "the default value is null, which is equivalent to true"',
    message=Message("accepts account keys"),
)


KEYED = ("blob", "file", "queue", "table")


def _switch_of(service: str) -> str:
    """Return the path of the newer switch of account keys, that of one service."""
    return f"properties.allowSharedKeyAccessForServices.{service}.enabled"


def refuses_keys(account: Resource, services: tuple[str, ...] = KEYED) -> bool:
    """Return whether none of these services accepts account keys. A service whose switch is on may: see `keys`."""
    off = same(account.get(KEYS.path), False)
    values = [account.get(_switch_of(each)) for each in services]
    return all(same(each, False) or (off and is_absent(each)) for each in values)


def keys(account: Resource, service: str) -> Lock:
    """Return the authentication lock of a service.

    The account's switch sets it; the newer switch of the service can restrict it. Nothing documents which one wins where
    the service's is on and the account's is off."""
    lock = KEYS.lock(account)
    path = _switch_of("blob" if service == "dfs" else service)
    value = account.get(path)
    if is_absent(value):
        return lock
    if same(value, True) and lock.has(Auth.shared):
        # Both switches must be off, or they contradict each other.
        cause = Cause("", KEYS.path, value=False, also=(Cause("", path, value=False),))
        return replace(lock, grants=tuple(replace(each, cause=cause) for each in lock.grants))
    if same(value, False):
        return grant(Auth.identity, account.evidence(path, False))
    missing = unknown_value(path, value)
    if same(value, True):
        missing = Unread(path, Message("it contradicts {path}, and which one wins is not documented", path=KEYS.path))
    return lock | possible(Auth.shared, missing, account.evidence(path, False))


def anonymous_containers(account: Resource) -> Lock:
    """Return the possible anonymous grant of containers that were not read.

    A container that was read is an endpoint of its own."""
    if not anonymous_possible(account):
        return NO_GRANT
    gap = account.children(CONTAINERS).gap
    return NO_GRANT if gap is None else possible(Auth.anonymous, gap)


ANONYMOUS_OFF = Cause("", "properties.allowBlobPublicAccess", value=False)


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
        where = f"blobServices/default/containers/{container.name}"
        proof = child_evidence(container, where, "properties.publicAccess", "None")
        what = Message("Container {name}", name=container.name)
        cause = Cause(container.id, "properties.publicAccess", value="None")
        if same(access, "Blob"):
            message = Message("allows anyone who knows a blob's URL to read it")
            authentication = grant(Auth.anonymous, proof, seen, description=message, cause=cause).with_switch(
                ANONYMOUS_OFF
            )
        elif same(access, "Container"):
            message = Message("allows anyone to list and read its blobs")
            authentication = grant(Auth.anonymous, proof, seen, description=message, cause=cause).with_switch(
                ANONYMOUS_OFF
            )
        else:
            authentication = IDENTITY | possible(Auth.anonymous, unknown_value(proof.path), proof)
        yield Exposure(f"blob/{container.name}", "data", reach, authentication, display_name=what, subject=container)


def static_site(account: Resource, reach: Lock) -> Exposure:
    try:
        service = account.child(BLOB_SERVICE)
        value = service.get("properties.staticWebsite.enabled") if service is not None else MISSING
        if is_absent(value):
            raise not_returned("blobServices/default properties.staticWebsite.enabled")
        if not same(value, True) and not same(value, False):
            raise unknown_value("blobServices/default properties.staticWebsite.enabled", value)
    except Unread as missing:
        return Exposure(
            "web",
            "app",
            reach,
            possible(Auth.anonymous, missing),
            display_name=Message("The static website (if enabled)"),
        )
    proof = Evidence("blobServices/default properties.staticWebsite.enabled", value, False)
    if same(value, False):
        return closed(
            "web",
            "app",
            Message("static website hosting is disabled"),
            proof,
            display_name=Message("The static website"),
        )
    description = Message("requires no sign-in: confirm that $web contains no private data")
    cause = Cause(f"{account.id}/blobServices/default", "properties.staticWebsite.enabled", value=False)
    authentication = grant(Auth.anonymous, proof, description=description, cause=cause)
    return Exposure("web", "app", reach, authentication, display_name=Message("The static website"))


def sftp(account: Resource, reach: Lock) -> Exposure:
    what = Message("SFTP")
    on = SFTP.lock(account)
    if on.widest is not None and on.widest.level == Reach.none:
        return closed("sftp", "data", Message("SFTP support is disabled"), *on.widest.evidence, display_name=what)
    lock = _gated(reach, on)
    seen = account.evidence("properties.isLocalUserEnabled", False)
    if same(account.get("properties.isLocalUserEnabled"), False):
        return Exposure("sftp", "data", lock, grant(Auth.identity, seen), display_name=what)
    authentication = IDENTITY
    users = account.children(USERS)
    for user in users:
        for path in ("hasSshPassword", "hasSharedKey", "hasSshKey"):
            proof = child_evidence(user, f"localUsers/{user.name}", f"properties.{path}", False)
            if same(proof.value, True):
                authentication |= grant(
                    Auth.shared, proof, description=Message("accepts passwords or keys of local users")
                )
            elif not same(proof.value, False):
                authentication |= possible(Auth.shared, not_returned(proof.path), proof)
    if users.gap is not None:
        authentication |= possible(Auth.shared, users.gap)
    return Exposure("sftp", "data", lock, authentication, display_name=what)


def _gated(reach: Lock, on: Lock) -> Lock:
    """Return the network lock of a service with an unknown switch of its own: all of its grants are possible grants."""
    if on.possible_grants and not on.grants:
        missing = on.possible_grants[0].missing
        level = max(reach.levels)
        return Lock(
            possible_grants=(*possible(level, missing).possible_grants, *reach.possible_grants), hops=reach.hops
        )
    return reach


# storage/common/storage-network-security, Exceptions: "Allow read access to storage logging/metrics from any network".
# The logs are blobs in $logs, the metrics are tables: storage/common/storage-analytics.
EXCEPTIONS = (
    ("Logging", "exception/logging", "blob", Message("The storage logging endpoint ($logs)")),
    ("Metrics", "exception/metrics", "table", Message("The storage metrics endpoint")),
)
READ_ONLY = Message("the exception allows reading logs or metrics of requests, not the data of the account")


def exceptions(account: Resource, index: Index, reach: Lock) -> Iterator[Exposure]:
    """Yield what the firewall's exceptions let anyone with a credential read, where the firewall blocks the rest."""
    seen = account.evidence(ACL.bypass, Message("AzureServices or None"))
    values = bypass_values(account, ACL)
    keep = "AzureServices" if any(same(each, "AzureServices") for each in values) else "None"
    exception = Cause("", ACL.bypass, value=keep)
    if reach.widest is not None and reach.widest.level == Reach.internet:
        return
    for value, endpoint, service, what in EXCEPTIONS:
        if service not in services(account) or not any(same(each, value) for each in values):
            continue
        hop = Hop("firewall", ACL.name, Message("exception: {value} can be read from any network", value=value))
        yield Exposure(
            endpoint,
            "data",
            firewall(account, index, ACL, grant(Reach.internet, seen, hops=(hop,), cause=exception), (service,)),
            keys(account, service),
            display_name=what,
            address=host(account, f"properties.primaryEndpoints.{service}"),
            max_severity=Severity.medium,
            justification=READ_ONLY,
            fixes={
                "network": Fix(
                    commands=(f"az storage account update --ids {{id}} --bypass {keep}",),
                    changes=(Edit("", ACL.bypass, keep),),
                    impact=Message(
                        "Readers of these logs or metrics outside the account's allowed networks lose access."
                    ),
                )
            },
        )


NFS_ARGUMENT = Message(
    "NFS has no authentication by design and accepts traffic from virtual networks only "
    "(storage/blobs/network-file-system-protocol-support): from your own network the severity is low"
)


def nfs(account: Resource, reach: Lock) -> Exposure:
    """Return the exposure of NFS 3.0 on blobs, or of NFS shares: no authentication, and virtual networks only."""
    what = Message("NFS")
    authentication, gap = _nfs_offered(account)
    if authentication is None and gap is None:
        return closed(
            "nfs",
            "data",
            Message("NFS 3.0 is disabled, and there is no NFS share"),
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
        fixes={"anonymous-access": _fewer_networks(account, lock)},
    )


def _fewer_networks(account: Resource, lock: Lock) -> Fix:
    """Return what limits NFS to the networks that mount it."""
    if not any(each.cause is not None and each.cause.path == ACL.default for each in lock.grants):
        return Fix(steps=(NFS_NETWORKS,))
    return Fix(
        ("az storage account update --ids {id} --default-action Deny",), changes=(Edit("", ACL.default, "Deny"),)
    )


NFS_NETWORKS = Message(
    "NFS has no sign-in: allow only the subnets and private endpoints of the machines that mount it."
)


def _nfs_offered(account: Resource) -> tuple[Lock | None, Unread | None]:
    description = Message("requires no authentication")
    on = NFS.lock(account)
    if on.widest is not None and on.widest.level == Reach.internet:
        return grant(Auth.anonymous, *on.widest.evidence, description=description), None
    gap = on.widest_possible.missing if on.widest_possible is not None else None
    shares = account.children(SHARES)
    for share in shares:
        path = f"fileServices/default/shares/{share.name} properties.enabledProtocols"
        protocol = share.get("properties.enabledProtocols")
        if isinstance(protocol, str) and "nfs" in protocol.lower():
            return grant(Auth.anonymous, Evidence(path, protocol, "SMB"), description=description), None
        if not same(protocol, "SMB"):
            gap = gap or not_returned_or_unknown(path)
    return None, gap or (shares.gap if premium_files(account) else None)


def _nfs_reach(reach: Lock) -> Lock:
    """Return the network lock of NFS: if the firewall allows every network, any virtual network with a route.

    Traffic from outside a virtual network is blocked."""
    hop = Hop("nfs", "NFS", Message("accepts traffic from virtual networks only"))
    description = Message("virtual networks that have a route to it")
    grants = tuple(
        replace(
            each,
            level=min(each.level, Reach.selected),
            description=description,
            addresses=None,
            rules=(),
            components=(),
        )
        if each.level > Reach.private
        else each
        for each in reach.grants
    )
    possible_grants = tuple(
        possible(min(each.level, Reach.selected), each.missing, *each.evidence).possible_grants[0]
        for each in reach.possible_grants
    )
    return Lock(grants, possible_grants, (*reach.hops, hop), reach.admits)


def _hosts(service: str) -> tuple[str, ...]:
    """Return where the secondary of a service is, and its names with another routing (storage-network-routing-preference)."""
    routed = (
        f"properties.{side}Endpoints.{way}Endpoints.{service}" for side in SIDES for way in ("microsoft", "internet")
    )
    custom = ("properties.customDomain.name",) if service == "blob" else ()
    return (f"properties.secondaryEndpoints.{service}", *routed, *custom)


SIDES = ("primary", "secondary")


@ACCOUNT.endpoints(
    Endpoint(
        "blob",
        "data",
        ports=HTTP_AND_HTTPS,
        hosts=_hosts("blob"),
    ),
    Endpoint(
        "blob/*",
        "data",
        ports=HTTP_AND_HTTPS,
        hosts=_hosts("blob"),
        no_rule={"authentication": "an anonymous container requires no key"},
    ),
    Endpoint(
        "dfs",
        "data",
        ports=HTTP_AND_HTTPS,
        hosts=_hosts("dfs"),
        no_rule={"anonymous-access": "Data Lake always requires a key, a SAS or a token"},
    ),
    Endpoint(
        "file",
        "data",
        ports=("tcp/445", "tcp/443"),
        hosts=_hosts("file"),
        no_rule={"anonymous-access": "the file service always requires a key, a SAS or a token"},
    ),
    Endpoint(
        "queue",
        "data",
        ports=HTTP_AND_HTTPS,
        hosts=_hosts("queue"),
        no_rule={"anonymous-access": "the queue service always requires a key, a SAS or a token"},
    ),
    Endpoint(
        "table",
        "data",
        ports=HTTP_AND_HTTPS,
        hosts=_hosts("table"),
        no_rule={"anonymous-access": "the table service always requires a key, a SAS or a token"},
    ),
    Endpoint(
        "exception/*",
        "data",
        ports=HTTP_AND_HTTPS,
        no_rule={"anonymous-access": "logs and metrics always require a key, a SAS or a token"},
    ),
    Endpoint(
        "sftp",
        "data",
        ports=("tcp/22",),
        no_rule={"anonymous-access": "SFTP requires a local user or a Microsoft Entra ID identity"},
    ),
    Endpoint(
        "nfs",
        "data",
        ports=("tcp/2049", "tcp/111", "tcp/2048"),
        no_rule={
            "authentication": "NFS requires no authentication",
            "network": "NFS accepts traffic from virtual networks only; storage-nfs-no-authentication names its reach",
        },
    ),
    Endpoint(
        "web",
        "app",
        ports=HTTP_AND_HTTPS,
        hosts=_hosts("web"),
        no_rule={"authentication": "a static website requires no authentication"},
    ),
    reads=(BLOB_SERVICE, CONTAINERS, SHARES, USERS, PERIMETERS),
)
def endpoints(account: Resource, index: Index) -> Iterator[Exposure]:
    served, reach = services(account), by_service(account, index)
    names = {
        "blob": Message("The blob service"),
        "dfs": Message("The Data Lake service"),
        "file": Message("The file service"),
    }
    for name in ("blob", "dfs", "file", "queue", "table"):
        what = names.get(name) or Message("The {name} service", name=name)
        if name not in served:
            yield _not_served(account, name)
            continue
        authentication = keys(account, name)
        if name == "blob":
            authentication |= anonymous_containers(account)
        yield Exposure(
            name,
            "data",
            reach[name],
            authentication,
            display_name=what,
            address=host(account, f"properties.primaryEndpoints.{name}"),
        )
    yield from containers(account, reach["blob"])
    yield from exceptions(account, index, reach["blob"])
    yield static_site(account, reach["web"]) if "web" in served else _not_served(account, "web")
    yield sftp(account, reach["blob"]) if "sftp" in served else _not_served(account, "sftp")
    on_blobs = same(account.get("properties.isNfsV3Enabled"), True)
    yield (nfs(account, reach["blob" if on_blobs else "file"]) if "nfs" in served else _not_served(account, "nfs"))


def by_service(account: Resource, index: Index) -> dict[str, Lock]:
    """Return the network lock of each service: a private endpoint leads to its own alone, as `blob` or `file`
    (storage/common/storage-private-endpoints).
    """
    names = ("blob", "dfs", "file", "queue", "table", "web")
    if not private_endpoints(account, index, ACL.endpoints).grants:
        return dict.fromkeys(names, firewall(account, index, ACL))
    return {name: firewall(account, index, ACL, groups=(name,)) for name in names}


def _not_served(account: Resource, name: str) -> Exposure:
    why = Message("accounts of kind {value} do not support it", value=account.get("kind"))
    return closed(
        name,
        "app" if name == "web" else "data",
        why,
        account.evidence("kind"),
        display_name=Message("{name}", name=name),
    )


SAS_PERIOD, SAS_ACTION = "properties.sasPolicy.sasExpirationPeriod", "properties.sasPolicy.expirationAction"
LONGEST_SAS = 365
"""The most days that a period may have: a longer one limits nothing."""


def unlimited_sas(account: Resource, index: Index) -> Verdict:
    """Fail where nothing refuses a SAS that is valid for long: no policy, one that only logs, or one of years.

    azure-mgmt-storage ExpirationAction: Log is for audits, and Block denies a SAS that does not keep to the period.
    """
    if refuses_keys(account):
        return NotApplicable(Message("shared keys are disabled, so user delegation SAS alone work, for at most 7 days"))
    period, action = account.get(SAS_PERIOD), account.get(SAS_ACTION)
    seen = account.evidence(SAS_PERIOD, Message("a period such as 7.00:00:00"))
    if is_absent(period) or period == "":
        return Fail((seen,))
    days = _DAYS.match(period) if isinstance(period, str) else None
    if days is None:
        return unknown(unknown_value(SAS_PERIOD, period), evidence=(seen,))
    if int(days[1] or 0) > LONGEST_SAS:
        return Fail((seen,), Message("The period of the policy is {days} days.", days=days[1]))
    blocks = account.evidence(SAS_ACTION, "Block")
    if same(action, "Log"):
        return Fail((blocks,), Message("A SAS that is valid for longer is logged, and not refused."))
    return Pass((seen, blocks)) if same(action, "Block") else unknown(not_returned_or_unknown(SAS_ACTION))


_DAYS = re.compile(r"(?:(\d+)\.)?\d{1,2}:\d{2}:\d{2}$")


def wide_resource_rule(account: Resource, index: Index) -> Verdict:
    path = "properties.networkAcls.resourceAccessRules"
    listed = account.items(path)
    if not listed:
        if account.api_version_unknown:
            return unknown(absent_at_unknown_version(path))
        return NotApplicable(Message("its firewall has no resource instance rule"))
    ids = [value_at(each, "resourceId") for each in listed]
    wide = [each for each in ids if isinstance(each, str) and "*" in each]
    if wide:
        matches = [(position, each) for position, each in enumerate(listed) if value_at(each, "resourceId") in wide]
        causes = tuple(
            Cause("", path, each, text=str(value_at(each, "resourceId")), position=position)
            for position, each in matches
        )
        return Fail((Evidence(f"{path}[].resourceId", wide, Message("the id of one resource")),), causes=causes)
    if not all(isinstance(each, str) for each in ids):
        return unknown(not_returned(f"{path}[].resourceId"))
    return Pass((Evidence(f"{path}[].resourceId", ids, Message("the id of one resource")),))


def queue_table_platform_key(account: Resource, index: Index) -> Verdict:
    source = account.require("properties.encryption.keySource")
    if same(source, "Microsoft.Storage"):
        return NotApplicable(Message("the account has no customer-managed key"))
    if not same(source, "Microsoft.Keyvault"):
        return unknown(unknown_value("properties.encryption.keySource", source))
    names = [each for each in ("queue", "table") if each in services(account)]
    if not names:
        return NotApplicable(Message("accounts of this kind have neither queues nor tables"))
    paths = [f"properties.encryption.services.{name}.keyType" for name in names]
    seen = tuple(account.evidence(path, "Account") for path in paths)
    values = [account.get(path) for path in paths]
    if any(same(value, "Service") for value in values):
        return Fail(seen)
    for path, value in zip(paths, values, strict=True):
        if not same(value, "Account"):
            return unknown(not_returned_or_unknown(path), evidence=seen)
    return Pass(seen)


def scope_platform_key(account: Resource, index: Index, *, scopes: Read) -> Verdict:
    """Fail where an encryption scope of an account with a customer-managed key uses one of Microsoft's."""
    source = account.require("properties.encryption.keySource")
    if same(source, "Microsoft.Storage"):
        return NotApplicable(Message("the account has no customer-managed key"))
    if not same(source, "Microsoft.Keyvault"):
        return unknown(unknown_value("properties.encryption.keySource", source))
    below = account.children(scopes)
    used = [each for each in below if not same(each.get("properties.state"), "Disabled")]
    seen = [(each, each.get("properties.source")) for each in used]
    wrong = [each for each, value in seen if same(value, "Microsoft.Storage")]
    if wrong:
        causes = tuple(
            Cause(each.id, "properties.source", value="Microsoft.KeyVault", text=each.name) for each in wrong
        )
        return Fail(tuple(_scope_evidence(each) for each in wrong), causes=causes)
    if below.gap is not None:
        return unknown(below.gap)
    for each, value in seen:
        if not same(value, "Microsoft.KeyVault"):
            return unknown(not_returned_or_unknown(f"encryptionScopes/{each.name} properties.source"))
    if not used:
        return NotApplicable(Message("it has no encryption scope"))
    return Pass(tuple(_scope_evidence(each) for each in used))


def _scope_evidence(scope: Resource) -> Evidence:
    return child_evidence(scope, f"encryptionScopes/{scope.name}", "properties.source", "Microsoft.KeyVault")
