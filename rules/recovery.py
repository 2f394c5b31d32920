"""Azure Backup: Recovery Services vaults and Backup vaults, what they protect, and how they are protected themselves."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct, field

from scanner.model.bulk_reads import GraphRows
from scanner.model.dates import seconds_of
from scanner.model.exposure import IDENTITY, Exposure
from scanner.model.ids import name_of, subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, is_list_of_texts, is_one, objects_at, same, text_at, value_at
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, Read, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unknown,
    Unread,
    Verdict,
    malformed,
    unknown,
    unknown_value,
)
from scanner.reach.rules.sources import cached
from scanner.reach.services.firewall import Firewall, firewall

from .backup_schedules import KEEP, has_retention, no_schedule, no_trigger
from .common import rows
from .reasons import VAULT_OF_BACKUPS
from .subscription import LOCKS

# Listed vaults lack securitySettings (23 of 23 recorded vaults, 2023-02-01); those that GET returned have it (17 of 17).
VAULT = ResourceType(
    "Microsoft.RecoveryServices/vaults",
    api="2025-08-01",
    product=Message("Recovery Services vault"),
    each=True,
    unread={
        "instantRpRetentionRangeInDays": "It decides how fast a restore is. recovery-policy-short-retention asks how long backups are kept.",
    },
    no_rule=NoRule(
        key="not evaluated: its customer-managed key",
        lock=VAULT_OF_BACKUPS,
    ),
)
ITEMS = VAULT.child(
    "backupProtectedItems",
    always=True,
    graph=GraphRows(
        "recoveryservicesresources",
        "microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems",
    ),
)
REPLICATIONS = VAULT.child("replicationProtectedItems", api="2025-08-01")
BACKUP_VAULT = ResourceType(
    "Microsoft.DataProtection/backupVaults",
    api="2025-09-01",
    no_rule=NoRule(
        key="not evaluated: its customer-managed key",
        lock=VAULT_OF_BACKUPS,
    ),
)
PARAMETERS = "properties.policyInfo.policyParameters.backupDatasourceParametersList"


def names_containers(instance: Resource) -> bool:
    """Return whether a backup instance says which containers it has, where it is of blobs."""
    kind = instance.get("properties.dataSourceInfo.datasourceType")
    return instance.has(PARAMETERS) or not any(same(kind, each) for each in BLOBS)


INSTANCES = BACKUP_VAULT.child(
    "backupInstances",
    always=True,
    graph=GraphRows(
        "recoveryservicesresources",
        holds=(
            "properties.currentProtectionState",
            "properties.dataSourceInfo.datasourceType",
            "properties.dataSourceInfo.resourceID",
            "properties.policyInfo.policyId",
        ),
        check=names_containers,
    ),
)

# Always read: whether a machine is backed up depends on the schedule of the policy of its item.
POLICIES = VAULT.child(
    "backupPolicies",
    always=True,
    graph=GraphRows("recoveryservicesresources", holds=("properties.protectedItemsCount",), check=has_retention),
    keep=KEEP,
)
INSTANCE_POLICIES = BACKUP_VAULT.child(
    "backupPolicies",
    always=True,
    graph=GraphRows("recoveryservicesresources", holds=("properties.policyRules",)),
)

ACL = Firewall(
    empty="open",
    source="azure-mgmt-recoveryservices VaultProperties: publicNetworkAccess is Enabled or Disabled; backup/private-endpoints: "
    "denying public access is a setting of its own, so an absent one counts as enabled",
    name=Message("Public network access"),
    absent="enabled",
)


# Agents register with a certificate that the vault issues for ten days (backup/backup-azure-backup-faq). Machines, shares
# and databases of Azure are backed up by identities.
@VAULT.endpoints(
    Endpoint(
        "backup",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "machines of Azure are backed up by identities, agents by a certificate that the vault issued",
            "authentication": "the certificate of an agent is valid for ten days, and no setting of the vault refuses it",
        },
    ),
)
def endpoints(vault: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "backup",
        "data",
        firewall(vault, index, ACL, groups=("AzureBackup",)),
        IDENTITY,
        display_name=Message("The vault's backup service"),
    )


# What a vault protects

SOURCE = "properties.sourceResourceId"
INSTANCE_SOURCE = "properties.dataSourceInfo.resourceID"
STATE = "properties.protectionState"
INSTANCE_STATE = "properties.currentProtectionState"
DELETED = "properties.isScheduledForDeferredDelete"
# azure-mgmt-recoveryservicesbackup ProtectionState, azure-mgmt-dataprotection CurrentProtectionState.
ACTIVE = ("Protected", "ProtectionConfigured", "UpdatingProtection")
PENDING = "IRPending"
"""No backup was made yet: the recorded items with it have neither a recovery point nor a last backup."""
INACTIVE = (
    *("ProtectionError", "ProtectionStopped", "ProtectionPaused", "BackupsSuspended", "BackupSchedulesSuspended"),
    *("RetentionSchedulesSuspended", "NotProtected", "ConfiguringProtectionFailed"),
)
GONE = ("SoftDeleting", "SoftDeleted")
WITHOUT_SOURCE = ("MAB", "DPM", "AzureBackupServer", "AzureSql", "DefaultBackup")
"""What is not a resource of Azure: azure-mgmt-recoveryservicesbackup BackupManagementType."""


def is_item(item: Resource) -> bool:
    """Return whether it is an item of a Recovery Services vault, not an instance of a Backup vault."""
    return item.type.lower().startswith("microsoft.recoveryservices/")


def state_of(item: Resource) -> Evidence:
    """Return the state of a protected item as evidence."""
    path = STATE if is_item(item) else INSTANCE_STATE
    return Evidence(f"{vault_of(item)}: {path}", item.get(path), ACTIVE[0] if is_item(item) else ACTIVE[1])


def vault_of(item: Resource) -> str:
    """Return the name of the vault of a protected item."""
    top = item.bundle.top
    return top.name if top is not None else item.id


def is_deleted(item: Resource) -> bool:
    """Return whether the item is deleted, and kept by soft delete only."""
    if is_item(item):
        return same(item.get(DELETED), True)
    return any(same(item.get(INSTANCE_STATE), each) for each in GONE)


def _not_known_whether_deleted(item: Resource) -> bool:
    """Return whether a vault says of an item neither that it is deleted nor that it is not."""
    if not is_item(item):
        return False
    value = item.get(DELETED)
    return not is_absent(value) and not is_one(value, (True, False))


def is_active(item: Resource) -> bool | None:
    """Return whether backups of the item are made; None where the state is not known."""
    if _not_known_whether_deleted(item):
        return None
    state = item.get(STATE if is_item(item) else INSTANCE_STATE)
    if any(same(state, each) for each in ACTIVE):
        return True
    return False if any(same(state, each) for each in (*INACTIVE, PENDING)) else None


OLD = 8 * 86400
"""Seconds. Schedules of Azure Backup run once a week at least (azure-mgmt-recoveryservicesbackup ScheduleRunType)."""
POINT = "properties.lastRecoveryPoint"


def why_none(item: Resource, index: Index) -> Evidence | None:
    """Return why an item that is active gets no backups: a policy without a schedule, or an old last recovery point.

    None where it gets them, as far as the vault says. Raises Unread.
    """
    policy = _policy(item)
    if policy is not None:
        fault = no_schedule(policy) if is_item(item) else no_trigger(policy, is_continuous=_is_continuous(item))
        if fault is not None:
            return fault
    point = item.get(POINT) if is_item(item) else None
    made, now = seconds_of(point) if isinstance(point, str) else None, seconds_of(index.taken)
    if made is None or now is None or now - made <= OLD:
        return None
    return Evidence(f"{vault_of(item)}: {POINT}", point, Message("in the last 8 days"))


def _policy(item: Resource) -> Resource | None:
    """Return the policy of an item; None where it names none, or the policies of the vault were not read.

    Raises Unread where what it names is no text.
    """
    path = "properties.policyId" if is_item(item) else "properties.policyInfo.policyId"
    vault, id = item.bundle.top, item.get(path)
    if vault is None or is_absent(id) or id == "":
        return None
    if not isinstance(id, str):
        raise malformed(path)
    children = vault.children(POLICIES if is_item(item) else INSTANCE_POLICIES)
    return next((each for each in children if same(each.name, name_of(id))), None)


def _is_continuous(instance: Resource) -> bool:
    """Return whether an instance is of blobs, of which no containers are named: they are backed up all the time."""
    kind = instance.get("properties.dataSourceInfo.datasourceType")
    return any(same(kind, each) for each in BLOBS) and not any(
        value_at(row, "containersList") for row in instance.items(PARAMETERS)
    )


class Backups(Struct):
    """The protected items of all vaults by the id of their source, in lower case; `missing`: why some may be unknown."""

    of_source: dict[str, list[Resource]] = field(default_factory=dict)
    missing: list[Unread] = field(default_factory=list)

    def add(self, vault: Resource, index: Index) -> None:
        """Add what a vault protects."""
        read, path = (ITEMS, SOURCE) if vault.type.lower() == VAULT.type.lower() else (INSTANCES, INSTANCE_SOURCE)
        children = vault.children(read)
        if children.gap is not None:
            self.missing.append(children.gap)
        for item in children:
            source = item.get(path)
            if isinstance(source, str) and source.startswith("/"):
                self.of_source.setdefault(source.lower().rstrip("/"), []).append(index.resources.get(item.key, item))
            elif read is INSTANCES or not any(
                same(item.get("properties.backupManagementType"), each) for each in WITHOUT_SOURCE
            ):
                self.missing.append(Unread(f"{vault.name}: {path}", Message("Azure did not return it")))


def backups(index: Index) -> Backups:
    """Return what the vaults of the scan protect. Of a file without listings, and where a list was refused, vaults may
    be missing."""
    result = Backups()
    for type in (VAULT.type, BACKUP_VAULT.type):
        vaults, missing = index.of_type(type)
        for vault in vaults:
            result.add(vault, index)
        if missing is not None or not index.live:
            result.missing.append(missing or Unread(type, Message("not collected")))
    return result


# Whether a vault protects a resource

NO_VAULT = Message("protected items of the scanned vaults")


def backup_of(index: Index) -> Backups:
    """Return what the vaults of the scan protect, made once."""
    return cached(index, "backups", backups)


def items_of(index: Index, *sources: str) -> list[Resource]:
    """Return the protected items of resources, without those that are deleted."""
    known = backup_of(index).of_source
    return [item for id in sources for item in known.get(id.lower().rstrip("/"), ()) if not is_deleted(item)]


def protected(resource: Resource, index: Index, items: Iterable[Resource]) -> Verdict:
    """Pass where backups are made of one of the items, Fail where of none and every vault was read."""
    resources = list(items)
    seen = tuple(state_of(each) for each in resources)
    states = [is_active(each) for each in resources]
    faults = [why_none(each, index) for each, state in zip(resources, states, strict=True) if state]
    if None in faults:
        return Pass(tuple(each for each, state in zip(seen, states, strict=True) if state))
    seen += tuple(each for each in faults if each is not None)
    missing = list(dict.fromkeys(backup_of(index).missing))
    if None in states:
        missing.append(
            Unread(seen[states.index(None)].path, Message("Azure did not return it, or returned an unrecognized value"))
        )
    if resource.subscription.lower() in index.partial:
        missing.append(
            Unread(Message("vaults of the subscription"), Message("this identity cannot read everything in it"))
        )
    if not resources and (trace := _trace(resource, index)) is not None:
        missing.append(trace)
    if missing:
        return unknown(*missing[:5], evidence=seen)
    return Fail(seen or (Evidence(NO_VAULT, [], resource.id),), _why(resources))


def _why(items: list[Resource]) -> Message:
    """Return why items of a vault are no backup, where it is one reason."""
    is_pending = bool(items) and all(is_item(each) and same(each.get(STATE), PENDING) for each in items)
    return Message("No backup has been made yet.") if is_pending else NOTHING


# Vaults that the scan does not see

LOCK = "AzureBackupProtectionLock"
"""Azure Backup locks a storage account that a vault protects (backup/azure-file-share-backup-overview, operational
backup of blobs)."""
_COLLECTIONS = "/providers/microsoft.compute/restorepointcollections/azurebackup_"
"""Azure Backup keeps its snapshots of a machine in a collection AzureBackup_MACHINE_NUMBER of the same subscription
(azure-resource-manager/management/move-limitations, virtual machines). The vault may be in another one: azure-cli 2.90
backs up machines of other subscriptions.
"""
_ELSEWHERE = Message("Azure Backup protects it, from a vault that this scan does not see")


def _trace(resource: Resource, index: Index) -> Unread | None:
    """Return what Azure Backup left at a resource that no known vault protects; None without a trace."""
    if backup_of(index).of_source.get(resource.key):
        return None
    if resource.type.lower() == "microsoft.compute/virtualmachines":
        names = cached(index, "collections of Azure Backup", _collections)
        is_known = (resource.subscription, resource.name.lower()) in names
        return (
            Unread(Message("restore point collection AzureBackup_{name}", name=resource.name), _ELSEWHERE)
            if is_known
            else None
        )
    subscription = index.resources.get(f"/subscriptions/{resource.subscription}")
    for lock in subscription.children(LOCKS) if subscription is not None else ():
        if lock.key.startswith(f"{resource.key}/") and lock.name.lower().startswith(LOCK.lower()):
            return Unread(Message("lock {name}", name=lock.name), _ELSEWHERE)
    return None


def _collections(index: Index) -> set[tuple[str, str]]:
    """Return the subscription and name (lower case) of each machine of which Azure Backup keeps snapshots."""
    matches = (id for id in index.residency.located() if _COLLECTIONS in id)
    return {(subscription_of(id), id.partition(_COLLECTIONS)[2].rpartition("_")[0]) for id in matches}


# Machines

DISKS = "properties.storageProfile"
DATA = f"{DISKS}.dataDisks"
CHOSEN = "properties.extendedProperties.diskExclusionProperties"


def machine(resource: Resource, index: Index) -> Verdict:
    """Fail where no vault protects a machine, nor all of its disks."""
    if resource.type.lower() != "microsoft.compute/virtualmachines":
        return NotApplicable(Message("instances of a scale set are made from its model"))
    if resource.text("properties.virtualMachineScaleSet.id"):
        return NotApplicable(Message("it belongs to a scale set, and is made from its model"))
    resource.require(DISKS)
    is_ephemeral = same(resource.get(f"{DISKS}.osDisk.diffDiskSettings.option"), "Local")
    if is_ephemeral and not rows(resource, DATA):
        return NotApplicable(Message("its only disk is ephemeral, and holds nothing that a restart keeps"))
    items = items_of(index, resource.id)
    whole = [each for each in items if is_item(each) and same(each.get("properties.workloadType"), "VM")]
    active = [each for each in whole if is_active(each) and why_none(each, index) is None]
    if active:
        return _whole(resource, index, active)
    if not whole and any(items_of(index, id) for id in _ids(objects_at(resource.body, DATA), resource, is_ephemeral)):
        ids = _ids(rows(resource, DATA), resource, is_ephemeral)
        of_disks = [items_of(index, id) if id else [] for id in ids]
        if all(any(is_active(each) and why_none(each, index) is None for each in resources) for resources in of_disks):
            return Pass(tuple(state_of(each) for resources in of_disks for each in resources))
    verdict = protected(resource, index, whole)
    databases = [each for each in items if each not in whole and is_active(each)]
    if isinstance(verdict, Fail) and databases and not verdict.message:
        names = tuple(
            Evidence(f"{vault_of(each)}: properties.friendlyName", each.get("properties.friendlyName"))
            for each in databases
        )
        return Fail((*verdict.evidence, *names), Message("Its databases are in a vault, the machine is not."))
    return verdict


def _ids(data: list[Any], machine: Resource, is_ephemeral: bool) -> list[str]:
    """Return the ids of the disks of a machine, "" for one without. An ephemeral system disk holds nothing to keep.

    Raises Unread where the system disk is no object.
    """
    system = machine.get(f"{DISKS}.osDisk")
    if not isinstance(system, dict):
        raise malformed(f"{DISKS}.osDisk")
    disks = data if is_ephemeral else [system, *data]
    if not all(isinstance(each, dict) for each in disks):
        raise malformed(f"{DATA}[]")
    return [text_at(each, "managedDisk.id") for each in disks]


def _whole(machine: Resource, index: Index, active: list[Resource]) -> Verdict:
    """Pass where a backup of a machine has every disk, or a vault protects by themselves those that it leaves out."""
    left = min((_left_out(machine, each) for each in active), key=len)
    vault = vault_of(active[0])
    seen = tuple(state_of(each) for each in active)
    for disk in left:
        id = text_at(disk, "managedDisk.id")
        verdict = protected(machine, index, items_of(index, id) if id else ())
        if isinstance(verdict, Fail):
            luns = [value_at(each, "lun") for each in left]
            return Fail(
                (*seen, Evidence(Message("{vault}: disks that are left out (LUN)", vault=vault), luns, [])), PARTIAL
            )
        if not isinstance(verdict, Pass):
            return verdict
    return Pass(seen)


PARTIAL = Message("The backup of the machine leaves out data disks.")


def _left_out(machine: Resource, item: Resource) -> list[Any]:
    """Return the data disks that the backup of a machine leaves out. Raises Unread.

    azure-mgmt-recoveryservicesbackup DiskExclusionProperties: diskLunList has the disks that are backed up, where
    isInclusionList is true, otherwise those that are not. Recorded lists have null where no disk was chosen.
    """
    if is_absent(item.get(CHOSEN)):
        return []
    luns, are_kept = item.require(f"{CHOSEN}.diskLunList"), item.require(f"{CHOSEN}.isInclusionList")
    if not isinstance(luns, list) or not all(_is_lun(each) for each in luns) or not isinstance(are_kept, bool):
        raise malformed(CHOSEN)
    data = rows(machine, DATA)
    if not all(_is_lun(value_at(each, "lun")) for each in data):
        raise malformed(f"{DATA}[].lun")
    return [each for each in data if (value_at(each, "lun") in luns) is not are_kept]


def _is_lun(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# Storage accounts

BLOBS = ("Microsoft.Storage/storageAccounts/blobServices", "Microsoft.Storage/storageAccounts/adlsBlobServices")
RESTORE = "properties.restorePolicy.enabled"


def blobs(resource: Resource, index: Index, *, service: Read, containers: Read) -> Verdict:
    """Fail where no vault protects the blobs of an account, and they cannot be restored to a point in time either.

    `service`, `containers`: the reads of the blob service and of its containers.
    """
    if not service.needed(resource):
        return NotApplicable(Message("the account has no blob service"))
    items = [
        each
        for each in items_of(index, resource.id)
        if not is_item(each) and any(same(each.get("properties.dataSourceInfo.datasourceType"), type) for type in BLOBS)
    ]
    verdict = protected(resource, index, items)
    if isinstance(verdict, Pass):
        named = _containers([each for each in items if is_active(each) and why_none(each, index) is None])
        if named is None:
            return verdict
        verdict = _of_containers(resource, containers, named)
    if isinstance(verdict, Pass):
        return verdict
    result = resource.child(service)
    if result is not None and same(result.get(RESTORE), True):
        return Pass((Evidence(f"{service.path} {RESTORE}", True, True),))
    return NotApplicable(Message("the account has no blob service")) if result is None else verdict


def _containers(items: list[Resource]) -> set[str] | None:
    """Return the names of the containers that vaulted backups have, in lower case; None where one has all. Raises Unread.

    azure-mgmt-dataprotection BlobBackupDatasourceParameters.containersList; operational backups name none.
    """
    named: set[str] = set()
    for each in items:
        names: list[str] = []
        for row in each.items(PARAMETERS):
            value = value_at(row, "containersList")
            if not is_absent(value) and not is_list_of_texts(value):
                raise malformed(f"{PARAMETERS}[].containersList")
            names += [] if is_absent(value) else [str(name).lower() for name in value]
        if not names:
            return None
        named.update(names)
    return named


def _of_containers(account: Resource, read: Read, named: set[str]) -> Verdict:
    """Fail where an account has containers that no backup names."""
    seen = Evidence(Message("containers in a vault"), sorted(named))
    if not read.needed(account):
        return unknown(
            Unread("containers", Message("a vault has some by name, and the account's were not read")), evidence=(seen,)
        )
    children = account.children(read)
    lacking = [each.name for each in children if each.name.lower() not in named and not each.name.startswith("$")]
    if lacking:
        return Fail((Evidence(Message("containers in no vault"), lacking, []), seen))
    return Pass((seen,)) if children.gap is None else unknown(children.gap, evidence=(seen,))


def shares(resource: Resource, index: Index, *, premium: Read, standard: Read) -> Verdict:
    """Fail where no vault protects a file share of an account. `premium`, `standard`: the reads that list its shares."""
    read = premium if premium.needed(resource) else standard
    if not read.needed(resource):
        return NotApplicable(Message("the account has no file service"))
    known = resource.children(read)
    verdicts = {each.name: protected(resource, index, _of_share(each, resource, index)) for each in known}
    failing = {name: verdict.evidence for name, verdict in verdicts.items() if isinstance(verdict, Fail)}
    if failing:
        seen = tuple(fact for facts in failing.values() for fact in facts if fact.path != NO_VAULT)
        return Fail((Evidence(Message("file shares in no vault"), list(failing), []), *seen))
    known.all()
    unread = [verdict for verdict in verdicts.values() if isinstance(verdict, Unknown)]
    if unread:
        return unread[0]
    if not verdicts:
        return NotApplicable(Message("the account has no file share"))
    return Pass(tuple(fact for verdict in verdicts.values() if isinstance(verdict, Pass) for fact in verdict.evidence))


def _of_share(share: Resource, account: Resource, index: Index) -> list[Resource]:
    """Return the protected items of a share. An item of Azure Files names its account, and the share by name only."""
    of_account = [
        each
        for each in items_of(index, account.id)
        if is_item(each)
        and same(each.get("properties.workloadType"), "AzureFileShare")
        and same(each.get("properties.friendlyName"), share.name)
    ]
    return [*of_account, *items_of(index, share.id)]


# What a vault says of its items

NOT_SHOWN = ("DPM", "AzureBackupServer")


def last_backup(item: Resource, index: Index) -> Verdict:
    """Fail where the last backup of an item failed, or none was made yet."""
    if is_deleted(item):
        return NotApplicable(Message("the item is deleted, and kept by soft delete"))
    if _not_known_whether_deleted(item):
        raise unknown_value(DELETED, item.get(DELETED))
    if any(same(item.get("properties.backupManagementType"), each) for each in NOT_SHOWN):
        return NotApplicable(Message("the backup server has the state of this item, not the vault"))
    state = item.get(STATE)
    if is_active(item) is False and not any(same(state, each) for each in ("ProtectionError", PENDING)):
        return NotApplicable(Message("backups of this item are stopped"))
    path = "properties.lastBackupStatus"
    status = item.get(path)
    seen = (item.evidence(path, "Completed"), item.evidence("properties.lastBackupTime"), item.evidence(STATE))
    if same(state, "ProtectionError") or any(same(status, each) for each in ("Failed", "Unhealthy")):
        return Fail(seen)
    if same(state, "IRPending") or any(same(status, each) for each in ("IRPending", "")):
        return Fail(seen, Message("No backup has been made yet."))
    if any(same(status, each) for each in ("Completed", "Healthy", "CompletedWithWarnings")):
        return Pass(seen) if is_absent(state) or isinstance(state, str) else unknown(unknown_value(STATE, state))
    return unknown(
        Unread(path, Message("Azure did not return it")) if is_absent(status) else unknown_value(path, status)
    )


# How a vault is protected

IMMUTABILITY = "properties.securitySettings.immutabilitySettings.state"


def immutability(vault: Resource, index: Index) -> Verdict:
    """Fail where the immutability of a vault is not locked. Azure returns none where it was never set, beside the state of
    soft delete; without that, securitySettings were not returned.
    """
    path = "properties.securitySettings.softDeleteSettings"
    if not isinstance(vault.require(path), dict):
        return unknown(malformed(path))
    state = vault.get(IMMUTABILITY)
    seen = vault.evidence(IMMUTABILITY, "Locked")
    if same(state, "Locked"):
        return Pass((seen,))
    if is_absent(state) or any(same(state, each) for each in ("Disabled", "Unlocked")):
        return Fail((seen,))
    return unknown(unknown_value(IMMUTABILITY, state))


STORES = "properties.storageSettings"


def one_datacenter(vault: Resource, index: Index) -> Verdict:
    """Fail where a Backup vault keeps its backups in one datacenter."""
    path = f"{STORES}[].type"
    kept = [each for each in rows(vault, STORES) if isinstance(each, dict)]
    # The operational store is the snapshots beside the source: they are no copy in the vault.
    types = [each.get("type") for each in kept if not same(each.get("datastoreType"), "OperationalStore")]
    seen = (Evidence(path, types, "GeoRedundant"),)
    if any(same(each, "LocallyRedundant") for each in types):
        return Fail(seen)
    if len(kept) != len(rows(vault, STORES)):
        return unknown(malformed(f"{STORES}[]"), evidence=seen)
    if types and all(any(same(each, good) for good in ("GeoRedundant", "ZoneRedundant")) for each in types):
        return Pass(seen)
    return unknown(unknown_value(path), evidence=seen)
