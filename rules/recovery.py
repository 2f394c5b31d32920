"""Azure Backup: Recovery Services vaults and Backup vaults, what they protect, and how they are protected themselves."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from scanner.model.exposure import IDENTITY, Exposure
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, objects_at, same, text_at
from scanner.model.resource import Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unknown,
    Unread,
    Verdict,
    unknown,
    unknown_value,
)
from scanner.reach.firewall import Firewall, firewall
from scanner.reach.sources import cached

from .common import rows

# A list of vaults lacks securitySettings and redundancySettings (17 of 17 recorded lists, 2023-02-01); GET has them.
VAULT = ResourceType("Microsoft.RecoveryServices/vaults", api="2025-08-01", each=True)
ITEMS = VAULT.child("backupProtectedItems", always=True)
BACKUP_VAULT = ResourceType("Microsoft.DataProtection/backupVaults", api="2025-09-01")
INSTANCES = BACKUP_VAULT.child("backupInstances", always=True)

ACL = Firewall(
    empty="open",
    source="azure-mgmt-recoveryservices VaultProperties: publicNetworkAccess is Enabled or Disabled; backup/private-endpoints: "
    "denying public access is a setting of its own, so an absent one counts as enabled",
    name="Public network access",
    absent="enabled",
)


# Agents register with a certificate that the vault issues for ten days (backup/backup-azure-backup-faq). Machines, shares
# and databases of Azure are backed up by identities.
@VAULT.endpoints(data=("backup",))
def endpoints(vault: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure("backup", "data", firewall(vault, index, ACL), IDENTITY, display_name="The vault's backup service")


# What a vault protects

SOURCE = "properties.sourceResourceId"
INSTANCE_SOURCE = "properties.dataSourceInfo.resourceID"
STATE = "properties.protectionState"
INSTANCE_STATE = "properties.currentProtectionState"
DELETED = "properties.isScheduledForDeferredDelete"
# azure-mgmt-recoveryservicesbackup ProtectionState, azure-mgmt-dataprotection CurrentProtectionState.
ACTIVE = ("Protected", "IRPending", "ProtectionConfigured", "ConfiguringProtection", "UpdatingProtection")
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
    return Evidence(f"{vault_of(item)}: {path}", item.get(path), ACTIVE[0] if is_item(item) else ACTIVE[2])


def vault_of(item: Resource) -> str:
    """Return the name of the vault of a protected item."""
    top = item.bundle.top
    return top.name if top is not None else item.id


def is_deleted(item: Resource) -> bool:
    """Return whether the item is deleted, and kept by soft delete only."""
    if is_item(item):
        return same(item.get(DELETED), True)
    return any(same(item.get(INSTANCE_STATE), each) for each in GONE)


def is_active(item: Resource) -> bool | None:
    """Return whether backups of the item are made; None where the state is not known."""
    state = item.get(STATE if is_item(item) else INSTANCE_STATE)
    if any(same(state, each) for each in ACTIVE):
        return True
    return False if any(same(state, each) for each in INACTIVE) else None


@dataclass(slots=True)
class Backups:
    """The protected items of all vaults by the id of their source, in lower case; `missing`: why some may be unknown."""

    of_source: dict[str, list[Resource]] = field(default_factory=dict)
    missing: list[Unread] = field(default_factory=list)

    def add(self, vault: Resource, index: Index) -> None:
        """Add what a vault protects."""
        read, path = (ITEMS, SOURCE) if vault.type.lower() == VAULT.type.lower() else (INSTANCES, INSTANCE_SOURCE)
        found = vault.children(read)
        if found.gap is not None:
            self.missing.append(found.gap)
        for item in found:
            source = item.get(path)
            if isinstance(source, str) and source.startswith("/"):
                self.of_source.setdefault(source.lower().rstrip("/"), []).append(item)
            elif read is INSTANCES or not any(
                same(item.get("properties.backupManagementType"), each) for each in WITHOUT_SOURCE
            ):
                self.missing.append(Unread(f"{vault.name}: {path}", "Azure did not return it"))


def backups(index: Index) -> Backups:
    """Return what the vaults of the scan protect. Of a file without listings, and where a list was refused, vaults may
    be missing."""
    found = Backups()
    for type in (VAULT.type, BACKUP_VAULT.type):
        vaults, missing = index.of_type(type)
        for vault in vaults:
            found.add(vault, index)
        if missing is not None or not index.live:
            found.missing.append(missing or Unread(type, "not collected"))
    return found


# Whether a vault protects a resource

NO_VAULT = "protected items of the scanned vaults"


def found_backups(index: Index) -> Backups:
    """Return what the vaults of the scan protect, made once."""
    return cached(index, "backups", backups)


def items_of(index: Index, *sources: str) -> list[Resource]:
    """Return the protected items of resources, without those that are deleted."""
    known = found_backups(index).of_source
    return [item for id in sources for item in known.get(id.lower().rstrip("/"), ()) if not is_deleted(item)]


def protected(resource: Resource, index: Index, items: Iterable[Resource]) -> Verdict:
    """Pass where backups are made of one of the items, Fail where of none and every vault was read."""
    found = list(items)
    seen = tuple(state_of(each) for each in found)
    states = [is_active(each) for each in found]
    if any(states):
        return Pass(tuple(each for each, state in zip(seen, states, strict=True) if state))
    missing = list(dict.fromkeys(found_backups(index).missing))
    if None in states:
        missing.append(
            Unread(seen[states.index(None)].path, "Azure did not return it, or returned an unrecognized value")
        )
    if resource.subscription.lower() in index.partial:
        missing.append(Unread("vaults of the subscription", "this identity cannot read everything in it"))
    if missing:
        return unknown(*missing[:5], evidence=seen)
    return Fail(seen or (Evidence(NO_VAULT, [], resource.id),))


# Machines

DISKS = "properties.storageProfile"


def machine(resource: Resource, index: Index) -> Verdict:
    """Fail where no vault protects a machine, nor all of its disks."""
    if resource.type.lower() != "microsoft.compute/virtualmachines":
        return NotApplicable("instances of a scale set are made from its model")
    if resource.has("properties.virtualMachineScaleSet.id"):
        return NotApplicable("it belongs to a scale set, and is made from its model")
    resource.require(DISKS)
    data = f"{DISKS}.dataDisks"
    is_known = isinstance(resource.get(data), list)
    disks = [resource.get(f"{DISKS}.osDisk"), *objects_at(resource.body, data)]
    is_ephemeral = same(resource.get(f"{DISKS}.osDisk.diffDiskSettings.option"), "Local")
    kept = disks[1:] if is_ephemeral else disks
    if not kept and is_known:
        return NotApplicable("its only disk is ephemeral, and holds nothing that a restart keeps")
    items = items_of(index, resource.id)
    whole = [each for each in items if is_item(each) and same(each.get("properties.workloadType"), "VM")]
    ids = [text_at(each, "managedDisk.id") for each in kept if isinstance(each, dict)]
    of_disks = [items_of(index, id) if id else [] for id in ids]
    is_each = all(any(is_active(each) for each in found) for found in of_disks)
    if not whole and ids and is_each and is_known:
        return Pass(tuple(state_of(each) for found in of_disks for each in found))
    verdict = protected(resource, index, whole)
    if isinstance(verdict, Fail) and is_each and not is_known:
        return unknown(Unread(data, "Azure did not return it"), evidence=verdict.evidence)
    databases = [each for each in items if each not in whole and is_active(each)]
    if isinstance(verdict, Fail) and databases:
        names = tuple(
            Evidence(f"{vault_of(each)}: properties.friendlyName", each.get("properties.friendlyName"))
            for each in databases
        )
        return Fail((*verdict.evidence, *names), "Its databases are in a vault, the machine is not.")
    return verdict


# Storage accounts

BLOBS = ("Microsoft.Storage/storageAccounts/blobServices", "Microsoft.Storage/storageAccounts/adlsBlobServices")
RESTORE = "properties.restorePolicy.enabled"


def blobs(resource: Resource, index: Index, *, service: Read) -> Verdict:
    """Fail where no vault protects the blobs of an account, and they cannot be restored to a point in time either.

    `service`: the read of the blob service.
    """
    if not service.needed(resource):
        return NotApplicable("the account has no blob service")
    items = [
        each
        for each in items_of(index, resource.id)
        if not is_item(each) and any(same(each.get("properties.dataSourceInfo.datasourceType"), type) for type in BLOBS)
    ]
    verdict = protected(resource, index, items)
    if isinstance(verdict, Pass):
        return verdict
    found = resource.child(service)
    if found is not None and same(found.get(RESTORE), True):
        return Pass((Evidence(f"{service.path} {RESTORE}", True, True),))
    return NotApplicable("the account has no blob service") if found is None else verdict


def shares(resource: Resource, index: Index, *, premium: Read, standard: Read) -> Verdict:
    """Fail where no vault protects a file share of an account. `premium`, `standard`: the reads that list its shares."""
    read = premium if premium.needed(resource) else standard
    if not read.needed(resource):
        return NotApplicable("the account has no file service")
    known = resource.children(read)
    verdicts = {each.name: protected(resource, index, _of_share(each, resource, index)) for each in known}
    failing = {name: verdict.evidence for name, verdict in verdicts.items() if isinstance(verdict, Fail)}
    if failing:
        seen = tuple(fact for facts in failing.values() for fact in facts if fact.path != NO_VAULT)
        return Fail((Evidence("file shares in no vault", list(failing), []), *seen))
    known.all()
    unread = [verdict for verdict in verdicts.values() if isinstance(verdict, Unknown)]
    if unread:
        return unread[0]
    if not verdicts:
        return NotApplicable("the account has no file share")
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
        return NotApplicable("the item is deleted, and kept by soft delete")
    if any(same(item.get("properties.backupManagementType"), each) for each in NOT_SHOWN):
        return NotApplicable("the backup server has the state of this item, not the vault")
    state = item.get(STATE)
    if is_active(item) is False and not same(state, "ProtectionError"):
        return NotApplicable("backups of this item are stopped")
    path = "properties.lastBackupStatus"
    status = item.get(path)
    seen = (item.evidence(path, "Completed"), item.evidence("properties.lastBackupTime"), item.evidence(STATE))
    if same(state, "ProtectionError") or any(same(status, each) for each in ("Failed", "Unhealthy")):
        return Fail(seen)
    if same(state, "IRPending") or any(same(status, each) for each in ("IRPending", "")):
        return Fail(seen, "No backup has been made yet.")
    if any(same(status, each) for each in ("Completed", "Healthy", "CompletedWithWarnings")):
        return Pass(seen)
    return unknown(Unread(path, "Azure did not return it") if is_absent(status) else unknown_value(path, status))


# How a vault is protected

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
    if types and all(any(same(each, good) for good in ("GeoRedundant", "ZoneRedundant")) for each in types):
        return Pass(seen)
    return unknown(unknown_value(path), evidence=seen)
