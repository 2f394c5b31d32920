"""Azure NetApp Files: accounts, and the volumes of their capacity pools with export policies."""

import shlex
from collections.abc import Iterator
from typing import Any

from scanner.model.bulk_reads import GraphRows
from scanner.model.checks import check_value
from scanner.model.exposure import IDENTITY, Auth, Exposure, Lock, Reach, grant, possible, replace, unread
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_list_of_texts, same
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoRule, Read, ResourceType
from scanner.model.severity import Severity
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    malformed,
    not_a_list,
    not_listed,
    unknown,
    unknown_value,
)

from .common import in_subnet
from .reasons import NO_LOG_CATEGORY

ACCOUNT = ResourceType(
    "Microsoft.NetApp/netAppAccounts",
    api="2025-12-01",
    product=Message("NetApp account"),
    unread={
        "retention of snapshots": "It is in the snapshot policy: one read each.",
    },
    no_rule=NoRule(log=NO_LOG_CATEGORY, zone="a volume is in one zone by design"),
)
POOLS = ACCOUNT.child("capacityPools", graph=GraphRows(holds=()))
VOLUMES = POOLS.child("volumes", graph=GraphRows())
SNAPSHOT_POLICIES = ACCOUNT.child("snapshotPolicies")
BACKUP_POLICIES = ACCOUNT.child("backupPolicies")
PROTOCOLS = "properties.protocolTypes"
KERBEROS = "properties.kerberosEnabled"
RULES = "properties.exportPolicy.rules"
EVERYONE = 8
"""An IPv4 prefix that is shorter names more than one private network, so it counts as every client."""
NFS_ARGUMENT = Message(
    "NFS 3 has no sign-in, and a volume has an address in one virtual network alone, so low where each machine there may mount it"
)
NAMED = Message("the export policy names the clients, and a volume has only an address in one virtual network")


def protocols(volume: Resource) -> list[str]:
    """Return the protocols of a volume in lower case. Raises Unread where they are not known.

    Absent is NFSv3: REST specification, "Set of protocol types, default NFSv3".
    """
    value = volume.get(PROTOCOLS)
    if is_absent(value):
        if volume.why_absent_is_unknown:
            raise Unread(PROTOCOLS, volume.why_absent_is_unknown)
        return ["nfsv3"]
    if not is_list_of_texts(value) or not value:
        raise not_a_list(PROTOCOLS)
    names = [each.lower() for each in value]
    strange = [each for each in names if each not in ("nfsv3", "nfsv4.1", "cifs")]
    if strange:
        raise unknown_value(PROTOCOLS, strange[0])
    return names


def is_everyone(clients: Any) -> bool:
    """Return whether the clients of an export rule are not narrowed: a wide range, or nothing that is a text."""
    if not isinstance(clients, str) or not clients.strip():
        return True
    for each in clients.split(","):
        _, slash, bits = each.strip().partition("/")
        if each.strip() in ("0.0.0.0", "*") or (slash and (not bits.isdigit() or int(bits) < EVERYONE)):  # noqa: S104
            return True
    return False


def _allows_nothing(rule: Any) -> bool:
    """Return whether an export rule allows neither to read nor to write, or no NFS."""
    closed = ("unixReadOnly", "unixReadWrite")
    nfs = ("nfsv3", "nfsv41")
    return all(same(get_path(rule, each), False) for each in closed) or all(
        same(get_path(rule, each), False) for each in nfs
    )


def exported_to_everyone(volume: Resource) -> Evidence | None:
    """Return the evidence that the export policy allows every client; None where each rule names some.

    Raises Unread where the policy was not returned or has no rule: what then holds is not documented.
    """
    rules = volume.get(RULES)
    if is_absent(rules):
        raise Unread(RULES, volume.why_absent_is_unknown or Message("Azure did not return it"))
    if not isinstance(rules, list) or not rules:
        raise not_a_list(RULES) if not isinstance(rules, list) else Unread(RULES, Message("it has no rule"))
    wide = [get_path(each, "allowedClients") for each in rules if not _allows_nothing(each)]
    wide = [each for each in wide if is_everyone(each)]
    return Evidence(f"{RULES}[].allowedClients", wide, Message("the addresses of clients")) if wide else None


def sign_in(volume: Resource) -> Lock:
    """Return the authentication lock: none for NFS without Kerberos, else accounts of the domain."""
    try:
        names = protocols(volume)
    except Unread as missing:
        return possible(Auth.anonymous, missing)
    domain = grant(Auth.identity, volume.evidence(PROTOCOLS), description=Message("requires an account of the domain"))
    if "nfsv3" not in names and "nfsv4.1" not in names:
        return domain
    value = volume.get(KERBEROS)
    seen = (volume.evidence(PROTOCOLS), volume.evidence(KERBEROS, True))
    open_to_all = grant(Auth.anonymous, *seen, description=Message("requires no authentication"))
    if "nfsv3" in names or same(value, False):
        return open_to_all
    if same(value, True):
        return grant(Auth.identity, *seen, description=Message("requires an account of the domain"))
    # Azure Policy 7c6c7139 flags an absent value.
    return open_to_all if is_absent(value) else possible(Auth.anonymous, unknown_value(KERBEROS, value), *seen)


@ACCOUNT.endpoints(
    Endpoint(
        "volume/*",
        "data",
        ports=("tcp/2049", "tcp/445", "tcp/111"),
        no_rule={
            "authentication": "accounts of the domain sign in, or no one does, which the rule on anonymous access tells",
            "network": "a volume has an address in a delegated subnet alone, and no setting gives it another",
        },
    ),
    reads=(POOLS, VOLUMES),
)
def endpoints(account: Resource, index: Index) -> Iterator[Exposure]:
    pools = account.children(POOLS)
    if pools.gap is not None:
        yield unread("volume/*", "data", pools.gap, display_name=Message("The volumes of the account"))
    for pool in pools:
        volumes = pool.children(VOLUMES)
        if volumes.gap is not None:
            name = _last(pool)
            yield unread(
                f"volume/{name}/*",
                "data",
                volumes.gap,
                display_name=Message("The volumes of the pool {name}", name=name),
            )
        for volume in volumes:
            yield _exposure(volume, _last(pool), index)


def _last(resource: Resource) -> str:
    return resource.name.rsplit("/", 1)[-1]


def _ports(volume: Resource) -> tuple[str, ...]:
    """Return the ports of the protocols of a volume; NFS 3 has a port mapper too. () where they were not returned."""
    value = volume.get(PROTOCOLS)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return ()
    matches = [
        port for each in value for name, ports in PORTS_OF_PROTOCOL.items() if same(each, name) for port in ports
    ]
    return tuple(dict.fromkeys(matches))


PORTS_OF_PROTOCOL = {"NFSv3": ("tcp/2049", "tcp/111"), "NFSv4.1": ("tcp/2049",), "CIFS": ("tcp/445",)}


def _exposure(volume: Resource, pool: str, index: Index) -> Exposure:
    made = Exposure(
        f"volume/{pool}/{_last(volume)}",
        "data",
        in_subnet(volume, index, "properties.subnetId"),
        sign_in(volume),
        display_name=Message("Volume {volume}", volume=_last(volume)),
        subject=volume,
        ports=_ports(volume),
    )
    if all(level is Auth.identity for level in made.authentication.levels):
        return made
    try:
        wide = exported_to_everyone(volume)
    except Unread as missing:
        return replace(made, authentication=_perhaps(made.authentication, missing))
    if wide is None:
        return replace(made, counts_as_closed_up_to=Reach.private, justification=NAMED)
    cause = _narrows(volume)
    seen = tuple(replace(each.with_evidence((wide,)), cause=cause) for each in made.authentication.grants)
    return replace(
        made,
        authentication=replace(made.authentication, grants=seen),
        max_severity=Severity.low,
        max_severity_up_to=Reach.private,
        justification=NFS_ARGUMENT,
    )


def _narrows(volume: Resource) -> Cause:
    """Return what narrows the export rules that allow every client: a command that names each of them by its place."""
    settings = " ".join(
        f"{RULES}[{position}].allowedClients=<YOUR_RANGE>"
        for position, each in enumerate(volume.items(RULES))
        if not _allows_nothing(each) and is_everyone(get_path(each, "allowedClients"))
    )
    words = Message(
        "Name the clients in each export rule that is open: `az resource update --ids {id} "
        "--set {settings}`. Kerberos is chosen when a volume is created.",
        id=shlex.quote(volume.id),
        settings=settings,
    )
    return Cause("", RULES, words=(words,))


def _perhaps(lock: Lock, missing: Unread) -> Lock:
    """Return an authentication lock of which it is not known whether every client meets it."""
    return IDENTITY | possible(Auth.anonymous, missing, *(seen for each in lock.grants for seen in each.evidence))


def root_for_everyone(volume: Resource, index: Index) -> Verdict:
    """Fail where clients that no rule narrows act as root. Absent hasRootAccess is true: REST specification."""
    names = protocols(volume)
    if names == ["cifs"]:
        return NotApplicable(Message("the volume has no NFS"))
    if exported_to_everyone(volume) is None:
        return NotApplicable(Message("the export policy names the clients"))
    rules = [each for each in volume.items(RULES) if not _allows_nothing(each)]
    wide = [get_path(each, "hasRootAccess") for each in rules if is_everyone(get_path(each, "allowedClients"))]
    seen = Evidence(f"{RULES}[].hasRootAccess", [True if is_absent(each) else each for each in wide], False)
    if any(is_absent(each) or same(each, True) for each in wide):
        return Fail((seen,))
    strange = [each for each in wide if not same(each, False)]
    return unknown(unknown_value(f"{RULES}[].hasRootAccess", strange[0])) if strange else Pass((seen,))


BACKUP = "properties.dataProtection.backup"
SNAPSHOT = "properties.dataProtection.snapshot.snapshotPolicyId"
REPLICA = "properties.dataProtection.replication.endpointType"
_KEPT = {
    SNAPSHOT_POLICIES: tuple(f"{each}Schedule.snapshotsToKeep" for each in ("hourly", "daily", "weekly", "monthly")),
    BACKUP_POLICIES: tuple(f"{each}BackupsToKeep" for each in ("daily", "weekly", "monthly")),
}
"""How many copies of each schedule the policies of a kind keep."""


def without_copies(volume: Resource, index: Index) -> Verdict:
    """Fail where neither a backup policy nor a snapshot policy that is on makes copies of a volume, nor a replication."""
    if volume.why_absent_is_unknown:
        return unknown(Unread("properties.dataProtection", volume.why_absent_is_unknown))
    off: list[Evidence] = []
    missing: list[Unread] = []
    for path, read in ((f"{BACKUP}.backupPolicyId", BACKUP_POLICIES), (SNAPSHOT, SNAPSHOT_POLICIES)):
        try:
            if not volume.text(path):
                continue
            fault = _not_enforced(volume, read) or _makes_none(volume, read, volume.text(path))
        except Unread as unread:
            missing.append(unread.with_traceback(None))
            continue
        if fault is None:
            return Pass((volume.evidence(path),))
        off.append(fault)
    if volume.text(REPLICA):
        return Pass((volume.evidence(REPLICA),))
    if missing:
        return unknown(*missing, evidence=off)
    none = Evidence(
        "properties.dataProtection", Message("no policy"), Message("a snapshot policy, a backup or a replica")
    )
    return Fail(tuple(off) or (none,), Message("Its policies make no copies.") if off else NOTHING)


def _not_enforced(volume: Resource, read: Read) -> Evidence | None:
    """Return that a backup policy is suspended for a volume (policyEnforced false); None where it is not. Raises Unread."""
    if read is not BACKUP_POLICIES:
        return None
    path = f"{BACKUP}.policyEnforced"
    enforced = volume.require(path)
    if not isinstance(enforced, bool):
        raise unknown_value(path, enforced)
    return None if enforced else volume.evidence(path, True)


def _makes_none(volume: Resource, read: Read, id: str) -> Evidence | None:
    """Return why a policy of the account makes no copies; None where it does. Raises Unread."""
    account = volume.bundle.top
    if account is None:
        raise not_listed(id)
    children = account.children(read)
    name = id.rstrip("/").rsplit("/", 1)[-1]
    policy = next((each for each in children if same(_last(each), name)), None)
    if policy is None:
        children.all()
        return Evidence(f"{read.path}/{name}", Message("it does not exist"), Message("a policy that exists"))
    enabled = policy.require("properties.enabled")
    if same(enabled, False):
        return Evidence(f"{read.path}/{name} properties.enabled", enabled, True)
    if not same(enabled, True):
        raise unknown_value(f"{read.path}/{name} properties.enabled", enabled)
    kept = [policy.get(f"properties.{each}") for each in _KEPT[read]]
    if any(isinstance(each, int) and not isinstance(each, bool) and each > 0 for each in kept):
        return None
    if not all(is_absent(each) or each == 0 for each in kept):
        raise malformed(f"{read.path}/{name} properties.{_KEPT[read][0]}")
    return Evidence(
        Message("{path}/{name}: copies that are kept", path=read.path, name=name), 0, Message("one or more")
    )


def smb_not_encrypted(volume: Resource, index: Index) -> Verdict:
    """Fail where a volume with SMB accepts traffic without encryption. Absent is false: REST specification."""
    if "cifs" not in protocols(volume):
        return NotApplicable(Message("the volume has no SMB"))
    return check_value(volume, "properties.smbEncryption", good=(True,), bad=(False,), absent=False)


def domain_setting(account: Resource, index: Index, settings: tuple[str, ...]) -> Verdict:
    """Fail where a connection to a domain has none of these settings on. Absent is off: REST specification."""
    path = "properties.activeDirectories"
    if account.why_absent_is_unknown:
        return unknown(Unread(path, account.why_absent_is_unknown))
    domains = account.items(path)
    if not domains:
        return NotApplicable(Message("no domain is connected"))
    where = f"{path}[].{settings[0]}"
    values = [[get_path(each, name) for name in settings] for each in domains]
    off = [each for each in values if all(is_absent(value) or same(value, False) for value in each)]
    if off:
        return Fail((Evidence(where, [False] * len(off), True),))
    if not all(any(same(value, True) for value in each) for each in values):
        return unknown(unknown_value(where))
    return Pass((Evidence(where, [True] * len(values), True),))
