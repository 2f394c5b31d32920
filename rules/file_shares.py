"""File shares of their own (Microsoft.FileShares): NFS 4.1 without a storage account."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock, Reach, grant, possible
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, is_list_of_texts, same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Endpoint, NoRule, ResourceType
from scanner.model.verdict import not_a_list
from scanner.reach.services.firewall import Firewall, RuleList, firewall

from .reasons import NO_BACKUP, NO_CUSTOMER_KEY, NO_LOG_CATEGORY

# 2026-06-01 is the first stable version, and younger than six months.
SHARE = ResourceType(
    "Microsoft.FileShares/fileShares",
    api="2026-06-01",
    product=Message("File share"),
    no_rule=NoRule(
        copy="its redundancy is within the region", key=NO_CUSTOMER_KEY, log=NO_LOG_CATEGORY, backup=NO_BACKUP
    ),
)
SUBNETS = "properties.publicAccessProperties.allowedSubnets"
ACL = Firewall(
    empty="open",
    source="bicep-types-az, FileShares 2026-06-01: allowedSubnets restricts access, and nothing says that an empty list allows no one; Azure "
    "Policy edfb40e6 flags an absent publicNetworkAccess",
    name=Message("Rules of the file share"),
    absent="enabled",
    subnets=(RuleList(SUBNETS, id=""),),
)
NO_SIGN_IN = Message("the protocol has no authentication; restrict the network")


def reach(share: Resource, index: Index) -> Lock:
    """Return the network lock. Without a list of subnets that can be read, there may be none, which counts as open."""
    lock = firewall(share, index, ACL)
    value = share.get(SUBNETS)
    closed = same(share.get(ACL.public), "Disabled")
    if closed or is_absent(value) or is_list_of_texts(value):
        return lock
    return lock | possible(Reach.internet, not_a_list(SUBNETS), share.evidence(SUBNETS))


@SHARE.endpoints(
    Endpoint("share", "data", ports=("tcp/2049",), no_rule={"authentication": "NFS has no sign-in to ask for"}),
)
def endpoints(share: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "share",
        "data",
        reach(share, index),
        grant(Auth.anonymous, description=Message("requires no authentication")),
        display_name=Message("The file share"),
        address=text_at(share.body, "properties.hostName"),
        counts_as_closed_up_to=Reach.private,
        justification=NO_SIGN_IN,
    )
