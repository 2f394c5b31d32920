"""Microsoft Purview: the three APIs of an account behind its public network access."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Exposure
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.reach.services.firewall import Firewall, firewall

from .common import host
from .reasons import NO_BACKUP, NO_CUSTOMER_KEY, NO_ZONES

ACCOUNT = ResourceType(
    "Microsoft.Purview/accounts",
    api="2021-12-01",
    product=Message("Purview account"),
    unread={
        "kafkaConfigurations, listkeys": "Outbound, and a POST with keys. What Purview scans is in its data plane.",
    },
    no_rule=NoRule(copy="what it scans is in its data plane", key=NO_CUSTOMER_KEY, backup=NO_BACKUP, zone=NO_ZONES),
)
ACL = Firewall(
    empty="open",
    source="azure-mgmt-purview Account.publicNetworkAccess: Enabled by default; an account has no address rules. What NotSpecified "
    "means is not documented, so it counts as Enabled",
    name=Message("Public network access"),
    enabled=("Enabled", "NotSpecified"),
    absent="enabled",
)
NAMES = {
    "catalog": Message("The Purview catalog"),
    "scan": Message("The Purview scans"),
    "guardian": Message("The Purview access policies"),
}


ALWAYS = "every call carries a token of Microsoft Entra ID"


@ACCOUNT.endpoints(
    Endpoint("catalog", "data", ports=HTTPS, no_rule=ALWAYS),
    Endpoint("scan", "data", ports=HTTPS, no_rule=ALWAYS),
    Endpoint("guardian", "data", ports=HTTPS, no_rule=ALWAYS),
)
def endpoints(account: Resource, index: Index) -> Iterator[Exposure]:
    # `portal` is the group of the web page alone: purview/catalog-private-link.
    reach = firewall(account, index, ACL, groups=("account", "platform"))
    for name, title in NAMES.items():
        yield Exposure(
            name, "data", reach, IDENTITY, display_name=title, address=host(account, f"properties.endpoints.{name}")
        )
