"""Azure Backup: Recovery Services vaults and Backup vaults, what they protect, and how they are protected themselves."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.model.exposure import IDENTITY, Exposure
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, unknown, unknown_value
from scanner.reach.firewall import Firewall, firewall

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
