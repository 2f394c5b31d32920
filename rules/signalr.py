"""SignalR Service and Web PubSub: keys, hubs, and network rules by request type and address."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from scanner.model.addresses import ALL_ADDRESSES, NO_ADDRESSES, AddressSet, BadAddress, parse
from scanner.model.bulk_reads import GraphRows
from scanner.model.exposure import (
    Auth,
    Exposure,
    Grant,
    Hop,
    Lock,
    PossibleGrant,
    Reach,
    Switch,
    closed,
    possible,
    replace,
)
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_list_of_texts, same, spelled
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
    not_a_list,
    unknown_value,
)
from scanner.reach.rules.sources import grant_from_addresses, grant_from_tag
from scanner.reach.services.firewall import Firewall, firewall

from .common import host, in_tier, local_auth, moved, when_started
from .reasons import FROM_TEMPLATE, NO_CUSTOMER_KEY

SERVICE = ResourceType(
    "Microsoft.SignalRService/signalR",
    "Microsoft.SignalRService/webPubSub",
    api="2024-03-01",
    product=(
        Message("SignalR service"),
        Message("Web PubSub service"),
    ),
    unread={
        "custom domains as hosts": "A list for each service, which no rule needs.",
    },
    no_rule=NoRule(key=NO_CUSTOMER_KEY, loss=FROM_TEMPLATE),
)
WITHOUT_PRIVATE_LINK = ("Free_F1",)
# azure-signalr/howto-enable-geo-replication: replicas are a feature of the Premium tier.
REPLICAS = SERVICE.child(
    "replicas",
    when=lambda service: not in_tier(service, ("Free_F1", "Standard_S1")),
    graph=GraphRows(holds=("location", "properties.provisioningState")),
)
HUBS = SERVICE.child("hubs", only=("Microsoft.SignalRService/webPubSub",))

SWITCH = Firewall(
    empty="open",
    source="bicep-types-az Microsoft.SignalRService 2024-03-01: publicNetworkAccess is Enabled by default; "
    "azure-web-pubsub/howto-secure-network-access-control",
    name=Message("Network access control"),
    absent="enabled",
)
KEYS = local_auth(
    SERVICE,
    source="Azure Policy f70eecba and b66ab71c: everything but true is non-compliant",
    message=Message("accepts access keys and tokens signed with them"),
)
ANONYMOUS = Switch(
    "properties.anonymousConnectPolicy",
    {"deny": Auth.identity, "allow": Auth.anonymous},
    absent="deny",
    source="bicep-types-az Microsoft.SignalRService 2024-03-01: anonymousConnectPolicy is deny by default",
    descriptions={Auth.anonymous: Message("allows anonymous clients")},
)
MOVE = Message(
    "The Free tier has no private endpoints: move to the Standard tier, and disable public network access there"
)
UNDOCUMENTED = Message("whether the Free tier evaluates network rules is not documented")
TOGETHER = Message("how address rules and rules by request type go together is not documented")

ACLS = "properties.networkACLs"
REQUESTS = {"server": "ServerConnection", "rest": "RESTAPI", "trace": "Trace"}
NAMES = {
    "client": Message("The client endpoint"),
    "server": Message("The endpoint for app servers"),
    "rest": Message("The REST API"),
    "trace": Message("The live trace endpoint"),
}


@SERVICE.endpoints(
    Endpoint(
        "server", "data", ports=HTTPS, no_rule={"anonymous-access": "every app server signs in with a key or a token"}
    ),
    Endpoint("rest", "data", ports=HTTPS, no_rule={"anonymous-access": "every request carries a token"}),
    Endpoint("trace", "data", ports=HTTPS, no_rule={"anonymous-access": "the tool signs in with a key or a token"}),
    Endpoint(
        "client",
        "app",
        ports=HTTPS,
        no_rule={"anonymous-access": "a client needs an access token; hubs that need none are endpoints of their own"},
    ),
    Endpoint(
        "hub/*",
        "app",
        ports=HTTPS,
        no_rule={
            "authentication": "the keys are those of the client endpoint, which signalr-access-keys-enabled reads"
        },
    ),
    reads=(HUBS,),
)
def endpoints(service: Resource, index: Index) -> Iterator[Exposure]:
    address, keys = host(service, "properties.hostName"), KEYS.lock(service)
    client = reach_of(service, index, "ClientConnection")
    yield _stopped(service, Exposure("client", "app", client, keys, NAMES["client"], address=address))
    for name, request in REQUESTS.items():
        if name == "trace" and same(service.get("properties.liveTraceConfiguration.enabled"), "false"):
            seen = service.evidence("properties.liveTraceConfiguration.enabled")
            yield closed(name, "data", Message("live trace is disabled"), seen, display_name=NAMES[name])
            continue
        reach, fixes = reach_of(service, index, request), moved(service, WITHOUT_PRIVATE_LINK, MOVE)
        exposure = Exposure(name, "data", reach, keys, NAMES[name], address=address, fixes=fixes)
        yield _stopped(service, exposure)
    if not HUBS.needed(service):
        return
    hubs = service.children(HUBS)
    for hub in hubs:
        sign_in = keys | ANONYMOUS.lock(hub)
        what = Message("The hub {name}", name=hub.name)
        exposure = Exposure(f"hub/{hub.name}", "app", client, sign_in, what, subject=hub, address=address)
        yield _stopped(service, exposure)
    if hubs.gap is not None:
        sign_in = keys | possible(Auth.anonymous, hubs.gap)
        yield Exposure("hub/*", "app", client, sign_in, Message("The hubs"), address=address)


def _stopped(service: Resource, exposure: Exposure) -> Exposure:
    path = "properties.resourceStopped"
    is_stopped = same(service.get(path), "true") or same(service.get(path), True)
    return when_started(exposure, service.evidence(path)) if is_stopped else exposure


# Network rules


def reach_of(service: Resource, index: Index, request: str) -> Lock:
    """Return the network lock of one type of request."""
    lock = firewall(service, index, SWITCH, request_lock(service, index, request))
    if in_tier(service, WITHOUT_PRIVATE_LINK) and not lock.has(Reach.internet):
        perhaps = possible(Reach.internet, Unread("sku.name", UNDOCUMENTED), service.evidence("sku.name"))
        return replace(lock, grants=tuple(each for each in lock.grants if each.level)) | perhaps
    return lock


class AddressRules(NamedTuple):
    """Address rules, evaluated in their order: what they allow, what none of them matches, and whether there are any.

    `allows`: what service tags allow. `strange`: what a rule that could not be evaluated may allow. `shown`: the rules
    as evidence.
    """

    allowed: AddressSet
    rest: AddressSet
    present: bool
    allows: tuple[Grant, ...] = ()
    strange: tuple[PossibleGrant, ...] = ()
    shown: tuple[Evidence, ...] = ()


def request_lock(service: Resource, index: Index, request: str) -> Lock:
    """Return what the network rules allow of one type of request, once public network access is enabled.

    azure-web-pubsub/howto-secure-network-access-control: address rules are evaluated in their order; where no rule
    matches, the default action is applied. A type of request that the public network rule denies may still be allowed
    by an address rule, and one that it allows beside a default action that denies may be limited to them: both are
    inconclusive.
    """
    try:
        text, action = _stated(service, request), _default(service)
        if not text and action == "deny" and service.api_version_unknown:
            raise absent_at_unknown_version(f"{ACLS}.publicNetwork")
    except Unread as missing:
        hop = Hop("firewall", SWITCH.name, missing.why, allows=None)
        return possible(Reach.internet, missing, service.evidence(f"{ACLS}.defaultAction", "Deny"), hops=(hop,))
    rules = address_rules(service)
    sure, perhaps = _combined(rules, text, action)
    listed = ("publicNetwork.allow", "publicNetwork.deny")
    shown = (service.evidence(f"{ACLS}.{each}") for each in listed)
    seen = (service.evidence(f"{ACLS}.defaultAction", "Deny"), *shown, *rules.shown)
    grant = grant_from_addresses(sure, index, *seen)
    more = grant_from_addresses(perhaps, index, *seen)
    grants = (*((grant,) if grant is not None else ()), *(rules.allows if text != "deny" else ()))
    unclear = ((more,) if more is not None else ()) + (rules.allows if text == "deny" else ())
    together = Unread(f"{ACLS}.ipRules", TOGETHER)
    strange = rules.strange + tuple(
        PossibleGrant(each.level, together, seen, addresses=each.addresses) for each in unclear
    )
    if not grants and not strange:
        grants = (Grant(Reach.none, seen),)
    allows = any(each.level for each in grants) or (None if strange else False)
    detail = Message(
        "{request} from the public network: {value}",
        request=request,
        value=Message("allowed") if allows else Message("not known") if allows is None else Message("denied"),
    )
    return Lock(grants, strange, (Hop("firewall", SWITCH.name, detail, allows=allows),))


def _combined(rules: AddressRules, text: str, action: str) -> tuple[AddressSet, AddressSet]:
    """Return the addresses that are allowed for sure, and those that may be."""
    if not rules.present:
        is_open = text == "allow" or (text == "" and action == "allow")
        return (ALL_ADDRESSES if is_open else NO_ADDRESSES), NO_ADDRESSES
    if text == "deny":
        return NO_ADDRESSES, rules.allowed
    if action == "allow":
        return rules.allowed | rules.rest, NO_ADDRESSES
    return rules.allowed, rules.rest if text == "allow" else NO_ADDRESSES


def _stated(service: Resource, request: str) -> str:
    """Return what the public network rule says of a type of request: "allow", "deny", or "" for nothing. Raises Unread
    for a list that could not be read.
    """
    for action in ("allow", "deny"):
        path = f"{ACLS}.publicNetwork.{action}"
        value = service.get(path)
        if is_absent(value):
            continue
        if not is_list_of_texts(value):
            raise not_a_list(path)
        if any(same(each, request) for each in value):
            return action
    return ""


def _default(service: Resource) -> str:
    """Return the default action: "allow" or "deny". Raises Unread for another one."""
    value = service.get(f"{ACLS}.defaultAction")
    # azure-signalr/howto-network-access-control: a service is accessible through the internet without rules.
    if is_absent(value) or same(value, "Allow"):
        return "allow"
    if same(value, "Deny"):
        return "deny"
    raise unknown_value(f"{ACLS}.defaultAction", value)


def address_rules(service: Resource) -> AddressRules:
    """Return the evaluation of the address rules."""
    path = f"{ACLS}.ipRules"
    entries = service.get(path)
    if is_absent(entries):
        return AddressRules(NO_ADDRESSES, ALL_ADDRESSES, present=False)
    if not isinstance(entries, list):
        missing = PossibleGrant(Reach.internet, not_a_list(path))
        return AddressRules(NO_ADDRESSES, ALL_ADDRESSES, present=True, strange=(missing,))
    allowed, rest = NO_ADDRESSES, ALL_ADDRESSES
    allows: tuple[Grant, ...] = ()
    strange: tuple[PossibleGrant, ...] = ()
    for entry in entries:
        value, action = get_path(entry, "value"), get_path(entry, "action")
        if not (same(action, "Allow") or same(action, "Deny")):
            strange = (*strange, PossibleGrant(Reach.internet, unknown_value(f"{path}[].action", action)))
            continue
        if not isinstance(value, str):
            strange = (*strange, PossibleGrant(Reach.internet, unknown_value(f"{path}[].value", value)))
            continue
        addresses = _addresses(value)
        if addresses is None:
            # What a tag denies is not subtracted: nothing else would be allowed less than it is.
            tag = grant_from_tag(value, Evidence(path, value))[0] if same(action, "Allow") else None
            allows = (*allows, tag) if tag is not None else allows
            continue
        allowed = allowed | (addresses & rest) if same(action, "Allow") else allowed
        rest = rest - addresses
    texts = [" ".join(spelled(get_path(each, name)) for name in ("action", "value")) for each in entries]
    return AddressRules(allowed, rest, bool(entries), allows, strange, (Evidence(path, texts),) if texts else ())


def _addresses(value: Any) -> AddressSet | None:
    try:
        return parse(value)
    except BadAddress:
        return None


# Calls to the own application

UPSTREAM, HANDLERS = "properties.upstream.templates", "properties.eventHandlers"


def unauthenticated_calls(resource: Resource, index: Index, *, path: str) -> Verdict:
    """Fail where the service calls an address of the list at `path` without an identity of its own."""
    calls = resource.items(path)
    if not calls:
        return NotApplicable(Message("it calls no application"))
    types = [get_path(each, "auth.type") for each in calls]
    without = [each for each in types if is_absent(each) or same(each, "None")]
    where = f"{path}[].auth.type"
    if without:
        seen = Evidence(
            where, Message("none for {without} of {calls}", without=len(without), calls=len(calls)), "ManagedIdentity"
        )
        return Fail((seen,))
    strange = next((each for each in types if not same(each, "ManagedIdentity")), None)
    if strange is not None:
        raise unknown_value(where, strange)
    return Pass((Evidence(where, "ManagedIdentity"),))
