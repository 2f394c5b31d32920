"""Azure Maps accounts: their keys. The stable version has no network setting."""

from collections.abc import Iterator

from scanner.model.exposure import Exposure, Reach, grant
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import Evidence

from .common import local_auth
from .reasons import FROM_TEMPLATE, NO_CALLER_LOG, NO_OTHER_LOCATION

ACCOUNT = ResourceType(
    "Microsoft.Maps/accounts",
    api="2023-06-01",
    product=Message("Azure Maps account"),
    unread={
        "CORS": "What an absent list means is documented nowhere, and no recorded account has one.",
        "a Microsoft-managed key": "What an account stored was data of Maps Creator, which is retired.",
        "encryption.infrastructureEncryption": "The section keys of the document shows it as double.",
    },
    no_rule=NoRule(copy=NO_OTHER_LOCATION, log=NO_CALLER_LOG, loss=FROM_TEMPLATE),
)
KEYS = local_auth(
    ACCOUNT,
    source="azure-mgmt-maps 2.1.0 MapsAccountProperties: disableLocalAuth is false by default",
    message=Message("accepts shared keys and signatures made with them"),
)
HOST = "atlas.microsoft.com"
OPEN = Evidence("network", Message("no setting of the account limits it"), None)


# Maps serve reference data to browsers, where keys are visible: an app. Uploaded data was a feature of Maps Creator,
# which is retired.
@ACCOUNT.endpoints(
    Endpoint(
        "maps", "app", ports=HTTPS, no_rule={"anonymous-access": "every request carries a key, a signature or a token"}
    ),
)
def endpoints(account: Resource, index: Index) -> Iterator[Exposure]:
    keys = KEYS.lock(account)
    yield Exposure(
        "maps", "app", grant(Reach.internet, OPEN), keys, display_name=Message("The Maps account"), address=HOST
    )
