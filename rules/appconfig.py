"""App Configuration stores: access keys, public network access (a private endpoint turns it off), deletion."""

from collections.abc import Iterator

from scanner.model.exposure import Exposure
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, ResourceType
from scanner.reach.services.firewall import Firewall, firewall

from .common import by_perimeter, host, in_tier, local_auth, moved

STORE = ResourceType(
    "Microsoft.AppConfiguration/configurationStores",
    api="2024-06-01",
    product=Message("App Configuration store"),
    unread={
        "soft delete": "It is always on but in the free tier.",
        "dataPlaneProxy.authenticationMode": "Local needs no role on the data, but only where access keys work: appconfig-access-keys-enabled says that.",
        "snapshots": "They are in the data plane.",
    },
)
# No stable version has this read: azure-mgmt-appconfiguration 6.0.0b2.
PERIMETERS = STORE.child("networkSecurityPerimeterConfigurations", api="2025-08-01-preview", when=by_perimeter)
# The Free tier has no replicas. Every other tier is read.
REPLICAS = STORE.child("replicas", when=lambda store: not in_tier(store, ("Free",)))
ACL = Firewall(
    empty="open",
    source="azure-app-configuration/howto-disable-public-access: automatic (null) allows public access until a private endpoint "
    "exists, and disables it from then on; a store has no address rules",
    name=Message("Network rules"),
    absent="auto",
    configurations=PERIMETERS,
)
KEYS = local_auth(
    STORE,
    source="azure-mgmt-appconfiguration: the default value of disableLocalAuth is false",
    message=Message("accepts access keys"),
)
MOVE = Message(
    "The free tier has no private endpoints: move the store to a paid tier, and disable public network access there"
)


@STORE.endpoints(
    Endpoint(
        "config",
        "data",
        ports=HTTPS,
        hosts=((REPLICAS, "properties.endpoint"),),
        no_rule={"anonymous-access": "every request requires a key or a token"},
    ),
    reads=(PERIMETERS,),
)
def endpoints(store: Resource, index: Index) -> Iterator[Exposure]:
    authentication = KEYS.lock(store)
    yield Exposure(
        "config",
        "data",
        firewall(store, index, ACL),
        authentication,
        display_name=Message("The App Configuration store"),
        address=host(store, "properties.endpoint"),
        fixes=moved(store, ("free",), MOVE),
    )
