"""Managed disks, snapshots, disk accesses, galleries, restore points: who can download what disks hold, and where copies are."""

from collections.abc import Iterator

from scanner.model.bulk_reads import GraphRows
from scanner.model.exposure import Auth, Exposure, Hop, Lock, Reach, Switch, possible, replace
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    not_returned,
    unknown_value,
)
from scanner.reach.services.firewall import Firewall, firewall
from scanner.reach.services.private_endpoints import private_endpoints

from .common import find
from .reasons import COPY_OR_PROTECTED, FROM_TEMPLATE, NO_CALLER_LOG

DISK = ResourceType(
    "Microsoft.Compute/disks",
    api="2025-01-02",
    product=Message("Managed disk"),
    unread={
        "a Microsoft-managed key of an attached disk": "machine-platform-key says it of machines: a row for each disk would repeat it.",
    },
    no_rule=NoRule(
        copy="no SKU is geo-redundant, and the source of a copied disk is a resource of its own",
        log=NO_CALLER_LOG,
        lock=COPY_OR_PROTECTED,
        backup="machine-not-backed-up asks for it with its machine; disk-unattached names one without a machine",
        zone="not evaluated: its SKU and its zones",
    ),
)
SNAPSHOT = ResourceType(
    "Microsoft.Compute/snapshots",
    api="2025-01-02",
    no_rule=NoRule(
        copy="no SKU is geo-redundant, and its source is a resource of its own",
        log=NO_CALLER_LOG,
        loss=COPY_OR_PROTECTED,
    ),
)
ACCESSES = "Microsoft.Compute/diskAccesses"
ACCESS = ResourceType(
    ACCESSES,
    api="2025-01-02",
    product=Message("Disk access"),
    no_rule=NoRule(
        data="it is a way to disks, whose region and keys are evaluated", log=NO_CALLER_LOG, loss=FROM_TEMPLATE
    ),
)
GALLERY = ResourceType(
    "Microsoft.Compute/galleries",
    api="2025-12-03",
    product=Message("Compute gallery"),
    unread={
        "sharingProfile.groups": "A list does not return them: the rule says that it may be shared, and its first command shows with whom.",
    },
    no_rule=NoRule(
        key="its images are encrypted as the disks that they are made from, which are evaluated",
        log=NO_CALLER_LOG,
        loss=FROM_TEMPLATE,
        backup="not evaluated: softDeletePolicy; images are built again",
    ),
)
IMAGES = GALLERY.child("images", graph=GraphRows(holds=()))
# azure-mgmt-compute: versions are tracked resources, with the regions that each is published to.
VERSIONS = IMAGES.child("versions", graph=GraphRows(holds=("properties.publishingProfile.targetRegions",)))
RESTORE_POINTS = ResourceType(
    "Microsoft.Compute/restorePointCollections",
    api="2025-11-01",
    product=Message("Restore point collection"),
    unread={
        "restorePoints": "One request for each restore point. A running export is a state of a disk or snapshot, which is evaluated.",
    },
    no_rule=NoRule(
        copy="the machine that it was made from is a resource of its own",
        key="its restore points are encrypted as the disks that they are made from, which are evaluated",
        log=NO_CALLER_LOG,
        loss="it is a copy itself, beside the machine",
    ),
)

STATE = "properties.diskState"
POLICY = "properties.networkAccessPolicy"
ACCESS_ID = "properties.diskAccessId"
SWITCH = Firewall(
    empty="closed",
    source="azure-mgmt-compute PublicNetworkAccess: Disabled allows no public access even with AllowAll, and AllowPrivate allows private "
    "endpoints alone; Azure Policy 8405fdab: an absent value of either is non-compliant",
    name=Message("Network access of exports"),
    absent="enabled",
    default=POLICY,
    allow=("AllowAll",),
    deny=("DenyAll", "AllowPrivate"),
    default_absent="allow",
    endpoints=None,
)
SIGN_IN = Switch(
    "properties.dataAccessAuthMode",
    {"AzureActiveDirectory": Auth.identity, "None": Auth.shared},
    "None",
    "azure-mgmt-compute DataAccessAuthMode: None asks for no more than the URL; Azure Policy flags everything but AzureActiveDirectory",
    {Auth.shared: Message("accepts the signed URL of a running export or upload")},
)
# azure-mgmt-compute DiskState. The URL of an upload can read what was written too, so it counts as one of an export.
SIGNED = ("ActiveSAS", "ActiveSASFrozen", "ActiveUpload")
UNSIGNED = ("Unattached", "Attached", "Reserved", "Frozen", "ReadyToUpload")
HOST = "blob.storage.azure.net"


def exported(disk: Resource, index: Index) -> Lock:
    """Return the network lock of a running export: the disk's own switches, and the private endpoints of its disk access."""
    public = firewall(disk, index, SWITCH)
    named = disk.get(ACCESS_ID)
    if same(disk.get(POLICY), "DenyAll"):
        return public
    if not is_absent(named) and not isinstance(named, str):
        return public | possible(Reach.selected, unknown_value(ACCESS_ID, named), disk.evidence(ACCESS_ID))
    if is_absent(named) or not named:
        gone = absent_at_unknown_version(ACCESS_ID) if disk.api_version_unknown else None
        return public | possible(Reach.selected, gone) if gone is not None else public
    try:
        private = private_endpoints(find(index, named, ACCESSES), index, "properties.privateEndpointConnections")
    except Unread as missing:
        hop = Hop("private-endpoint", Message("Disk access"), missing.why, named, allows=None)
        private = possible(Reach.selected, missing, disk.evidence(ACCESS_ID), hops=(hop,))
    if private.grants:
        public = replace(public, grants=tuple(each for each in public.grants if each.level))
    return public | private


def _export(disk: Resource, index: Index, what: Message) -> Iterator[Exposure]:
    """Yield the endpoint of a disk of which a signed URL exists, or may exist."""
    state = disk.get(STATE)
    if any(same(state, each) for each in UNSIGNED):
        return
    reach = exported(disk, index)
    if not any(same(state, each) for each in SIGNED):
        missing = not_returned(STATE) if is_absent(state) else unknown_value(STATE, state)
        reach = reach.as_possible(missing)
    else:
        seen = (disk.evidence(STATE, Message("no export")),)
        reach = replace(reach, grants=tuple(each.with_evidence(seen) for each in reach.grants))
    yield Exposure("export/url", "data", reach, SIGN_IN.lock(disk), display_name=what, address=HOST)


NO_RULE = {"anonymous-access": "without a signed URL nothing is answered"}


@DISK.endpoints(
    Endpoint("export/*", "data", ports=HTTPS, no_rule=NO_RULE),
)
def disk_export(disk: Resource, index: Index) -> Iterator[Exposure]:
    yield from _export(disk, index, Message("The export of the disk"))


@SNAPSHOT.endpoints(
    Endpoint("export/*", "data", ports=HTTPS, no_rule=NO_RULE),
)
def snapshot_export(snapshot: Resource, index: Index) -> Iterator[Exposure]:
    yield from _export(snapshot, index, Message("The export of the snapshot"))


PERMISSIONS = "properties.sharingProfile.permissions"
PUBLISHED = "properties.sharingProfile.communityGalleryInfo.communityGalleryEnabled"


def published(gallery: Resource, index: Index) -> Verdict:
    """Fail where every customer of Azure can create machines from the images of a gallery."""
    value, seen = gallery.get(PERMISSIONS), gallery.evidence(PERMISSIONS, "Private")
    if is_absent(value) and gallery.why_absent_is_unknown:
        raise Unread(PERMISSIONS, gallery.why_absent_is_unknown)
    if is_absent(value) or any(same(value, each) for each in ("Private", "Groups")):
        return Pass((seen,))
    if not same(value, "Community"):
        raise unknown_value(PERMISSIONS, value)
    on = gallery.require(PUBLISHED)
    if same(on, False):
        return NotApplicable(Message("it is a community gallery that is not published"))
    if not same(on, True):
        raise unknown_value(PUBLISHED, on)
    return Fail((seen, Evidence(PUBLISHED, on, False)))
