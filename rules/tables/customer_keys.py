"""Customer-managed keys of resources with several disks: each disk needs a disk encryption set of its own."""

from typing import Any

from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same, text_at
from scanner.model.keys import with_known_key
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import ABSENT, Evidence, Fail, Pass, Unread, Verdict, malformed, not_returned

PROFILE = "properties.storageProfile"
"""Where a machine names its disks."""
PROFILE_OF_SET = "properties.virtualMachineProfile.storageProfile"
"""Where a scale set does."""
SETS = ("managedDisk.diskEncryptionSet.id", "managedDisk.securityProfile.diskEncryptionSet.id")
"""Where a disk names its set; that of a confidential machine is the second."""
WANTED = Message("a disk encryption set")
MASTER = "properties.masterProfile.diskEncryptionSetId"
WORKERS = "properties.workerProfilesStatus"


def platform_key_on_disk(machine: Resource, index: Index) -> Verdict:
    """Fail where a disk of a machine or scale set names no disk encryption set."""
    is_set = same(machine.type, "Microsoft.Compute/virtualMachineScaleSets")
    path = PROFILE_OF_SET if is_set else PROFILE
    if not is_set:
        # A scale set leaves out an empty list, a machine does not.
        machine.require(f"{path}.dataDisks")
    disks = [("osDisk", machine.require(f"{path}.osDisk"))]
    disks += [(f"dataDisks[{text_at(each, 'name') or at}]", each) for at, each in _data_disks(machine, path)]
    matches = [(f"{path}.{name}.{SETS[0]}", _set_of(disk)) for name, disk in disks]
    if all(not id for _, id in matches) and machine.why_absent_is_unknown:
        raise Unread(matches[0][0], machine.why_absent_is_unknown)
    return _verdict(matches, machine, index, f"{path}.osDisk.{SETS[0]}")


def _data_disks(machine: Resource, path: str) -> list[tuple[int, Any]]:
    return list(enumerate(machine.items(f"{path}.dataDisks")))


def _set_of(disk: Any) -> Any:
    """Return the id of the set of a disk; "" where it names none."""
    if not isinstance(disk, dict):
        raise malformed("storageProfile")
    return next((value for path in SETS if not is_absent(value := get_path(disk, path))), "")


def platform_key_on_node(cluster: Resource, index: Index) -> Verdict:
    """Fail where the control plane or a worker profile of an OpenShift cluster names no disk encryption set."""
    master = cluster.get(MASTER)
    if is_absent(master) and (cluster.why_absent_is_unknown or is_absent(cluster.get("properties.masterProfile"))):
        raise Unread(MASTER, cluster.why_absent_is_unknown or Message("Azure did not return it"))
    matches = [(MASTER, "" if is_absent(master) else master)]
    for at, worker in enumerate(cluster.items(WORKERS)):
        value = get_path(worker, "diskEncryptionSetId")
        path = f"{WORKERS}[{text_at(worker, 'name') or at}].diskEncryptionSetId"
        matches.append((path, "" if is_absent(value) else value))
    if len(matches) == 1 and master:
        raise not_returned(WORKERS)
    return _verdict(matches, cluster, index, MASTER)


def _verdict(matches: list[tuple[str, Any]], resource: Resource, index: Index, path: str) -> Verdict:
    """Return Fail where a disk has no set; else whether the keys of the sets are known."""
    lacking = tuple(Evidence(each, ABSENT, WANTED) for each, id in matches if id == "")
    if lacking:
        return Fail(lacking)
    return with_known_key(Pass(tuple(Evidence(each, id) for each, id in matches)), path, resource, index)
