"""Notification Hubs: namespaces with shared access keys and network rules that grant rights."""

from collections.abc import Iterator

from scanner.model.addresses import NO_ADDRESSES, AddressSet, BadAddress, parse
from scanner.model.exposure import Exposure, Grant, Hop, Lock, PossibleGrant, Reach
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import Unread, not_a_list, unknown_value
from scanner.reach.rules.sources import grant_from_addresses
from scanner.reach.services.firewall import Firewall, firewall

from .common import host
from .messaging import NAMESPACE_KEYS
from .reasons import NO_CUSTOMER_KEY

# pnsCredentials are secrets: no rule reads them, so no snapshot keeps them.
NAMESPACE = ResourceType(
    "Microsoft.NotificationHubs/namespaces",
    api="2023-09-01",
    product=Message("Notification Hubs namespace"),
    no_rule=NoRule(key=NO_CUSTOMER_KEY, backup="apps make their registrations again"),
)
RULES = NAMESPACE.child("authorizationRules")
SWITCH = Firewall(
    empty="open",
    source="recorded answers of new namespaces have publicNetworkAccess Enabled and no rule: an absent value counts as enabled",
    name=Message("Network rules"),
    absent="enabled",
)
KEYS_REMAIN = Message(
    "The shared access keys of a namespace cannot be disabled (bicep-types-az NamespaceProperties 2023-09-01 has no "
    "disableLocalAuth), so once its network is restricted there is nothing left to fix"
)
ACLS = "properties.networkAcls"
PUBLIC = f"{ACLS}.publicNetworkRule.rights"


@NAMESPACE.endpoints(
    Endpoint(
        "hubs",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "every call carries a signature made with a key",
            "authentication": "the keys of a namespace cannot be disabled in the pinned version; its network rule reports the cell",
        },
    ),
)
def endpoints(namespace: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "hubs",
        "data",
        firewall(namespace, index, SWITCH, rights_lock(namespace, index)),
        NAMESPACE_KEYS,
        display_name=Message("The Notification Hubs namespace"),
        address=host(namespace, "properties.serviceBusEndpoint"),
        counts_as_closed_up_to=Reach.selected,
        justification=KEYS_REMAIN,
    )


def rights_lock(namespace: Resource, index: Index) -> Lock:
    """Return what the network rules allow once public network access is enabled.

    bicep-types-az NetworkAcls: `publicNetworkRule` has the rights where no other rule matches, and an address rule those
    of its addresses. A rule without rights allows no one. Without any rule a namespace is open.
    """
    entries, rights = namespace.get(f"{ACLS}.ipRules"), namespace.get(PUBLIC)
    seen = (namespace.evidence(PUBLIC, Message("no rights")),)
    missing: list[Unread] = []
    if is_absent(rights) and is_absent(entries):
        return _lock((Grant(Reach.internet, seen),), ())
    if is_absent(rights):
        missing.append(Unread(PUBLIC, Message("which rights the internet has without it is not documented")))
    elif not isinstance(rights, list):
        missing.append(not_a_list(PUBLIC))
    elif rights:
        return _lock((Grant(Reach.internet, seen),), ())
    if is_absent(entries) and namespace.api_version_unknown:
        missing.append(Unread(f"{ACLS}.ipRules", Message("missing from a record of unknown API version")))
    allowed, more = _addresses(namespace)
    missing += more
    grant = grant_from_addresses(allowed, index, *seen)
    possible = tuple(PossibleGrant(Reach.internet, each, seen) for each in missing)
    grants = (grant,) if grant is not None else () if possible else (Grant(Reach.none, seen),)
    return _lock(grants, possible)


def _addresses(namespace: Resource) -> tuple[AddressSet, list[Unread]]:
    """Return the addresses with a right, and which rules could not be evaluated."""
    path = f"{ACLS}.ipRules"
    entries = namespace.get(path)
    if is_absent(entries):
        return NO_ADDRESSES, []
    if not isinstance(entries, list):
        return NO_ADDRESSES, [not_a_list(path)]
    allowed, missing = NO_ADDRESSES, list[Unread]()
    for entry in entries:
        rights, mask = get_path(entry, "rights"), get_path(entry, "ipMask")
        if rights == []:
            continue
        if not isinstance(rights, list) or not all(isinstance(each, str) for each in rights):
            missing.append(unknown_value(f"{path}[].rights", rights))
        try:
            allowed = allowed | parse(mask)
        except BadAddress as bad:
            missing.append(Unread(f"{path}[].ipMask", bad.why))
    return allowed, missing


def _lock(grants: tuple[Grant, ...], possible: tuple[PossibleGrant, ...]) -> Lock:
    allows = any(each.level for each in grants) or (None if possible else False)
    detail = {True: Message("rights for callers"), False: Message("no rights"), None: Message("not read")}[allows]
    return Lock(grants, possible, (Hop("firewall", SWITCH.name, detail, allows=allows),))
