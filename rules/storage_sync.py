"""Azure File Sync: the endpoint that registered servers synchronize through."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Exposure
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.severity import Severity
from scanner.reach.services.firewall import Firewall, firewall

from .reasons import NO_CUSTOMER_KEY, NO_LOG_CATEGORY, STORED_ELSEWHERE

SERVICE = ResourceType(
    "Microsoft.StorageSync/storageSyncServices",
    api="2025-12-01",
    product=Message("Storage Sync Service"),
    unread={
        "syncGroups": "Outbound: its endpoints name storage accounts, which are evaluated.",
    },
    no_rule=NoRule(
        copy="its cloud endpoints name storage accounts, which are evaluated",
        key=NO_CUSTOMER_KEY,
        log=NO_LOG_CATEGORY,
        loss=STORED_ELSEWHERE,
    ),
)
ACL = Firewall(
    empty="open",
    source="storage/file-sync/file-sync-networking-endpoints: the public endpoint is enabled or disabled, and has no rules; Azure Policy "
    "21a8cd35 flags an absent incomingTrafficPolicy",
    name=Message("Public endpoint"),
    public="properties.incomingTrafficPolicy",
    enabled=("AllowAllTraffic",),
    disabled=("AllowVirtualNetworksOnly",),
    secured=(),
    absent="enabled",
)
SERVERS_ONLY = Message(
    "registered servers alone sign in, each with an identity or a certificate of its own, and files go to the storage account, so low "
    "at most"
)


@SERVICE.endpoints(
    Endpoint(
        "sync",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "registered servers alone are answered",
            "authentication": "each registered server has an identity or a certificate of its own",
        },
    ),
)
def endpoints(service: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "sync",
        "data",
        firewall(service, index, ACL),
        IDENTITY,
        display_name=Message("The sync service"),
        max_severity=Severity.low,
        justification=SERVERS_ONLY,
    )
