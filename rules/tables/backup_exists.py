"""The check that a vault of Azure Backup protects a resource, by the id of the protected item's source."""

from collections.abc import Iterable

from scanner.model.index import Index
from scanner.model.json_paths import objects_at, same, text_at
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Severity, Unknown, Unread, Verdict, unknown
from scanner.reach.sources import cached

from ..recovery import Backups, backups, is_active, is_deleted, is_item, state_of

NO_VAULT = "protected items of the scanned vaults"


def found_backups(index: Index) -> Backups:
    """Return what the vaults of the scan protect, made once."""
    return cached(index, "backups", backups)


def items_of(index: Index, *sources: str) -> list[Resource]:
    """Return the protected items of resources, without those that are deleted."""
    known = found_backups(index).of_source
    return [item for id in sources for item in known.get(id.lower().rstrip("/"), ()) if not is_deleted(item)]


def protected(resource: Resource, index: Index, items: Iterable[Resource], severity: Severity | None = None) -> Verdict:
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
    return Fail(seen or (Evidence(NO_VAULT, [], resource.id),), severity=severity)


# Machines

DISKS = "properties.storageProfile"


def machine(resource: Resource, index: Index) -> Verdict:
    """Fail where no vault protects a machine, nor all of its disks."""
    if resource.type.lower() != "microsoft.compute/virtualmachines":
        return NotApplicable("instances of a scale set are made from its model")
    if resource.has("properties.virtualMachineScaleSet.id"):
        return NotApplicable("it belongs to a scale set, and is made from its model")
    resource.require(DISKS)
    disks = [resource.get(f"{DISKS}.osDisk"), *objects_at(resource.body, f"{DISKS}.dataDisks")]
    is_ephemeral = same(resource.get(f"{DISKS}.osDisk.diffDiskSettings.option"), "Local")
    kept = disks[1:] if is_ephemeral else disks
    if not kept:
        return NotApplicable("its only disk is ephemeral, and holds nothing that a restart keeps")
    items = items_of(index, resource.id)
    whole = [each for each in items if is_item(each) and same(each.get("properties.workloadType"), "VM")]
    ids = [text_at(each, "managedDisk.id") for each in kept if isinstance(each, dict)]
    of_disks = [items_of(index, id) if id else [] for id in ids]
    if not whole and ids and all(any(is_active(each) for each in found) for found in of_disks):
        return Pass(tuple(state_of(each) for found in of_disks for each in found))
    verdict = protected(resource, index, whole)
    databases = [each for each in items if each not in whole and is_active(each)]
    if isinstance(verdict, Fail) and databases:
        names = tuple(
            Evidence(f"{state_of(each).path} of {each.get('properties.friendlyName')}", "Protected")
            for each in databases
        )
        return Fail((*verdict.evidence, *names), "Its databases are in a vault, the machine is not.", Severity.low)
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
    failing = tuple(name for name, verdict in verdicts.items() if isinstance(verdict, Fail))
    if failing:
        seen = tuple(fact for name in failing for fact in verdicts[name].evidence if fact.path != NO_VAULT)
        return Fail((Evidence("file shares in no vault", list(failing), []), *seen))
    known.all()
    unread = [verdict for verdict in verdicts.values() if isinstance(verdict, Unknown)]
    if unread:
        return unread[0]
    if not verdicts:
        return NotApplicable("the account has no file share")
    return Pass(tuple(fact for verdict in verdicts.values() for fact in verdict.evidence))


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
