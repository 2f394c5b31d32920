"""IoT Hub and its Device Provisioning Service: keys of hubs and devices, two rule systems, routing, certificates."""

import email.utils
from collections.abc import Iterator
from typing import Any

from scanner.model.addresses import NO_ADDRESSES, BadAddress, parse
from scanner.model.dates import seconds_of
from scanner.model.exposure import Auth, Exposure, Grant, Hop, Lock, PossibleGrant, Reach, grant, possible
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_list_of_texts, same, spelled, text_at
from scanner.model.message import NOTHING, Message
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
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.rules.owners import rated
from scanner.reach.rules.sources import as_possible, grant_from_addresses, in_same_tenant
from scanner.reach.services.firewall import Firewall, RuleList, firewall

from .common import host, local_auth
from .reasons import KEY_IN_PREVIEW, NO_BACKUP, ZONES_BY_AZURE

# Keys of policies come from listkeys alone, which is never called. Connection strings of routing endpoints and of linked
# hubs are masked by Azure: no rule reads them, so no snapshot keeps them.
HUB = ResourceType(
    "Microsoft.Devices/IotHubs",
    api="2023-06-30",
    keep=("properties.routing.fallbackRoute.isEnabled", "properties.routing.fallbackRoute.endpointNames"),
    product=Message("IoT hub"),
    unread={
        "cloudToDevice, retentionTimeInDays": "How long a message waits.",
        "encryption": "In preview versions alone.",
        "isVerified of certificates": "Azure ignores a certificate that is not verified.",
        "rights of authorizationPolicies": "The list returns none, and listkeys is a POST with keys.",
    },
    no_rule=NoRule(key=KEY_IN_PREVIEW, backup=NO_BACKUP, zone=ZONES_BY_AZURE),
)
HUB_CERTIFICATES = HUB.child("certificates")
# azure-rest-api-specs has 2026-04-01 too, of which no recording and no reference page is known.
PROVISIONING = ResourceType(
    "Microsoft.Devices/provisioningServices",
    api="2022-12-12",
    product=Message("Provisioning service"),
    unread={
        "allocationPolicy": "Which hub a device gets is a choice. Where the hubs are is evaluated.",
        "encryption": "In preview versions alone.",
        "enrollments": "Not in ARM, so the device endpoint counts as closed.",
    },
    no_rule=NoRule(key=KEY_IN_PREVIEW, backup=NO_BACKUP, zone=ZONES_BY_AZURE),
)
PROVISIONING_CERTIFICATES = PROVISIONING.child("certificates")

HUB_SWITCH = Firewall(
    empty="open",
    source="Azure Policy 2d6830fb: everything but Disabled is non-compliant; iot-hub/virtual-network-support: by default a hub "
    "is reachable from the internet",
    name=Message("IP filter"),
    absent="enabled",
)
SETS = "properties.networkRuleSets"
RULE_SET = Firewall(
    empty="closed",
    source="iot-hub/iot-hub-ip-filtering: without a rule every address is blocked",
    name=Message("IP filter"),
    public="",
    default=f"{SETS}.defaultAction",
    acl=SETS,
    addresses=(RuleList("properties.networkRuleSets.ipRules", address="ipMask", action="action"),),
    endpoints=None,
)
FILTERS = "properties.ipFilterRules"
# iot-hub/iot-hub-ip-filtering: rules are about IPv4 addresses; a hub has no other.
EVERY_ADDRESS = parse("0.0.0.0/0")
BUILT_IN = "properties.networkRuleSets.applyToBuiltInEventHubEndpoint"
TWO_SYSTEMS = Message("which of the two rule systems decides where both have rules is not documented")
POLICIES = local_auth(
    HUB,
    source="Azure Policy 672d56b3: everything but true is non-compliant",
    message=Message("accepts its shared access policy keys"),
)
_SAS = Message("azure-rest-api-specs, Microsoft.Devices 2023-06-30 IotHubProperties: keys are refused where it is true")
DEVICES = HUB.local_auth(
    "properties.disableDeviceSAS",
    off=(True,),
    on=(False,),
    absent=False,
    source=_SAS,
    message=Message("accepts device keys"),
)
MODULES = HUB.local_auth(
    "properties.disableModuleSAS",
    off=(True,),
    on=(False,),
    absent=False,
    source=_SAS,
    message=Message("accepts module keys"),
)


NO_RULE = {"anonymous-access": "every caller signs in: with a key, a certificate or a token"}


@HUB.endpoints(
    Endpoint("service", "data", ports=("tcp/443", "tcp/5671"), no_rule=NO_RULE),
    Endpoint("events", "data", ports=("tcp/443", "tcp/5671"), no_rule=NO_RULE),
    Endpoint("device", "app", ports=("tcp/8883", "tcp/5671", "tcp/443"), no_rule=NO_RULE),
)
def hub_endpoints(hub: Resource, index: Index) -> Iterator[Exposure]:
    reach, address = hub_network(hub, index), host(hub, "properties.hostName")
    policies = POLICIES.lock(hub).with_name("policies")
    devices = DEVICES.lock(hub).with_name("devices") | MODULES.lock(hub).with_name("devices")
    yield Exposure("service", "data", reach, policies, Message("The service API of the IoT hub"), address=address)
    yield Exposure(
        "events",
        "data",
        hub_network(hub, index, built_in=True),
        policies,
        Message("The built-in event endpoint"),
        address=host(hub, "properties.eventHubEndpoints.events.endpoint"),
    )
    yield Exposure(
        "device", "app", reach, policies | devices, Message("The device endpoint of the IoT hub"), address=address
    )


# Network


def hub_network(hub: Resource, index: Index, built_in: bool = False) -> Lock:
    """Return the network lock of a hub. A hub has the rule set, or the classic rules that it replaced.

    iot-hub/iot-hub-ip-filter-classic: classic rules do not hold for the built-in endpoint, and allow what no rule
    matches; the rule set holds for it where `applyToBuiltInEventHubEndpoint` is true.
    """
    return firewall(hub, index, HUB_SWITCH, _hub_rules(hub, index, built_in))


def _hub_rules(hub: Resource, index: Index, built_in: bool) -> Lock:
    sets = hub.get(SETS)
    if is_absent(sets):
        return _open(hub.evidence(SETS, Message("a rule set"))) if built_in else filtered(hub, index)
    if not isinstance(sets, dict):
        return _maybe(unknown_value(SETS))
    inner = firewall(hub, index, RULE_SET)
    rules = Lock(inner.grants, inner.possible_grants, inner.hops[1:])
    if not built_in:
        if is_absent(hub.get(FILTERS)) or hub.get(FILTERS) == []:
            return rules
        missing = Unread(FILTERS, TWO_SYSTEMS)
        return as_possible(rules, missing) | as_possible(filtered(hub, index), missing)
    applied = hub.get(BUILT_IN)
    if applied is True:
        return rules
    seen = hub.evidence(BUILT_IN, True)
    return _open(seen) if applied is False else _maybe(not_returned_or_unknown(BUILT_IN), seen)


def _open(*seen: Evidence) -> Lock:
    return grant(Reach.internet, *seen, hops=(Hop("firewall", HUB_SWITCH.name, Message("no rule applies to it")),))


def _maybe(missing: Unread, *seen: Evidence) -> Lock:
    return possible(Reach.internet, missing, *seen, hops=(Hop("firewall", HUB_SWITCH.name, missing.why, allows=None),))


def filtered(resource: Resource, index: Index, target: str = "") -> Lock:
    """Return what ordered rules allow: the first one that matches an address accepts or rejects it, and what none
    matches is accepted (iot-dps/iot-dps-ip-filtering). `target`: the API whose rules count, beside those of all.
    """
    entries = resource.get(FILTERS)
    if not is_absent(entries) and not isinstance(entries, list):
        return _maybe(not_a_list(FILTERS))
    allowed, rest = NO_ADDRESSES, EVERY_ADDRESS
    strange: tuple[PossibleGrant, ...] = ()
    texts: list[str] = []
    for entry in entries if isinstance(entries, list) else ():
        value, action, kind = get_path(entry, "ipMask"), get_path(entry, "action"), get_path(entry, "target")
        if target and _of_other(kind, target):
            continue
        texts.append(f"{spelled(action)} {spelled(value)}")
        missing = _strange(action, kind, target)
        try:
            addresses = parse(value)
        except BadAddress as bad:
            missing = missing or Unread(f"{FILTERS}[].ipMask", bad.why)
        if missing is not None:
            strange = (*strange, PossibleGrant(Reach.internet, missing))
            continue
        allowed = allowed | (addresses & rest) if same(action, "Accept") else allowed
        rest = rest - addresses
    shown = Evidence(FILTERS, texts, Message("Reject 0.0.0.0/0 last")) if texts else resource.evidence(FILTERS)
    result = grant_from_addresses(allowed | rest, index, shown)
    grants = (result,) if result is not None else () if strange else (Grant(Reach.none, (shown,)),)
    allows = True if result is not None else None if strange else False
    hop = Hop(
        "firewall",
        HUB_SWITCH.name,
        Message("{texts} rules, in their order", texts=len(texts)) if texts else Message("no rule"),
        allows=allows,
    )
    return Lock(grants, strange, (hop,))


def _of_other(kind: Any, target: str) -> bool:
    """Return whether a rule is about another API than `target`."""
    return any(same(kind, each) for each in ("serviceApi", "deviceApi") if each != target)


def _strange(action: Any, kind: Any, target: str) -> Unread | None:
    if not (same(action, "Accept") or same(action, "Reject")):
        return unknown_value(f"{FILTERS}[].action", action)
    if target and not is_absent(kind) and not any(same(kind, each) for each in ("all", target)):
        return unknown_value(f"{FILTERS}[].target", kind)
    return None


# Device Provisioning Service

PROVISIONING_SWITCH = Firewall(
    empty="open",
    source="Azure Policy d82101f3: everything but Disabled is non-compliant; iot-dps/iot-dps-ip-filtering: by default every "
    "address is accepted",
    name=Message("IP filter"),
    absent="enabled",
)
KEYS_REMAIN = Message(
    "The keys of the shared access policies cannot be disabled (azure-rest-api-specs, IotDpsPropertiesDescription 2022-12-12 has "
    "no disableLocalAuth), so once its network is restricted there is nothing left to fix"
)
ENROLLED = Message(
    "each device has the key, certificate or TPM of its enrollment, which ARM does not show, and no setting refuses keys: devices "
    "connect from wherever they are"
)


@PROVISIONING.endpoints(
    Endpoint(
        "service",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "every caller signs in: with a key, a certificate or a token",
            "authentication": "the keys of the policies cannot be disabled in the pinned version; its network rule reports the cell",
        },
    ),
    Endpoint(
        "device",
        "app",
        ports=("tcp/8883", "tcp/5671", "tcp/443"),
        no_rule={
            "anonymous-access": "every caller signs in: with a key, a certificate or a token",
            "authentication": "no setting refuses the enrollment keys, which ARM does not show",
        },
    ),
)
def provisioning_endpoints(service: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "service",
        "data",
        provisioning_network(service, index, "serviceApi"),
        grant(
            Auth.shared,
            Evidence(Message("shared access policies"), Message("cannot be disabled")),
            description=Message("accepts its shared access policy keys, which cannot be disabled"),
        ),
        Message("The service API of the provisioning service"),
        address=host(service, "properties.serviceOperationsHostName"),
        counts_as_closed_up_to=Reach.selected,
        justification=KEYS_REMAIN,
    )
    yield Exposure(
        "device",
        "app",
        provisioning_network(service, index, "deviceApi"),
        grant(
            Auth.shared,
            Evidence(Message("enrollment keys"), Message("cannot be refused")),
            description=Message("accepts the enrollment keys"),
        ),
        Message("The device endpoint of the provisioning service"),
        address=host(service, "properties.deviceProvisioningHostName"),
        counts_as_closed_up_to=Reach.internet,
        justification=ENROLLED,
    )


def provisioning_network(service: Resource, index: Index, target: str) -> Lock:
    """Return the network lock of one API. A rule without a target counts for both."""
    return firewall(service, index, PROVISIONING_SWITCH, filtered(service, index, target))


# Where messages go

_LISTS = (
    "properties.routing.endpoints.eventHubs",
    "properties.routing.endpoints.serviceBusQueues",
    "properties.routing.endpoints.serviceBusTopics",
    "properties.routing.endpoints.storageContainers",
    "properties.routing.endpoints.cosmosDBSqlContainers",
)
UPLOADS = "properties.storageEndpoints.$default.containerName"
UPLOADS_AUTH = "properties.storageEndpoints.$default.authenticationType"


def _routes(hub: Resource) -> list[tuple[str, Any]]:
    """Return the routing endpoints, each with the path of its list. Raise Unread for a list that could not be read."""
    if hub.why_absent_is_unknown and is_absent(hub.get("properties.routing.endpoints")):
        raise absent_at_unknown_version("properties.routing.endpoints")
    return [(path, each) for path in _LISTS for each in hub.objects(path)]


ROUTES = "properties.routing.routes"


def _used(hub: Resource) -> set[str] | None:
    """Return the names (lower case) of the endpoints that a route which is not disabled sends to; None where all count,
    because Azure did not return the routes.

    iot-hub/iot-hub-devguide-messages-d2c: an endpoint gets what a route sends to it.
    """
    if is_absent(hub.get(ROUTES)):
        return None
    fallback = hub.get("properties.routing.fallbackRoute")
    every = [*hub.objects(ROUTES), *([] if is_absent(fallback) else [fallback])]
    names = [get_path(each, "endpointNames") for each in every if not same(get_path(each, "isEnabled"), False)]
    if not all(is_list_of_texts(each) for each in names):
        return None
    return {name.lower() for each in names for name in each}


def key_based_routes(hub: Resource, index: Index) -> Verdict:
    """Fail where the hub sends messages or files with a connection string: a key that it stores.

    An absent type counts as keyBased: there was no other before identities (iot-hub/iot-hub-managed-identity).
    """
    kinds = [
        (f"{path}[].authenticationType", get_path(each, "authenticationType"), _name(each))
        for path, each in _routes(hub)
    ]
    container = hub.get(UPLOADS)
    if not is_absent(container) and container != "":
        kinds.append((UPLOADS_AUTH, hub.get(UPLOADS_AUTH), Message("file uploads")))
    if not kinds:
        return NotApplicable(Message("it sends messages and files nowhere else"))
    keyed = [(path, name) for path, kind, name in kinds if is_absent(kind) or same(kind, "keyBased")]
    if keyed:
        paths = dict.fromkeys(path for path, _ in keyed)
        return Fail(
            tuple(
                Evidence(
                    path,
                    [Message("keyBased for {name}", name=name) for at, name in keyed if at == path],
                    "identityBased",
                )
                for path in paths
            )
        )
    strange = next(((path, kind) for path, kind, _ in kinds if not same(kind, "identityBased")), None)
    if strange is not None:
        return unknown(unknown_value(*strange))
    return Pass(tuple(Evidence(path, "identityBased") for path in dict.fromkeys(path for path, _, _ in kinds)))


def _name(entry: Any) -> str:
    name = get_path(entry, "name")
    return name if isinstance(name, str) else Message("an endpoint")


def routes_outside(hub: Resource, index: Index) -> Verdict:
    """Fail where a routing endpoint that a route uses is in an external subscription."""
    used = _used(hub)
    # One without a name counts, because a route may send to it.
    routes = [
        (path, each) for path, each in _routes(hub) if used is None or text_at(each, "name").lower() in {"", *used}
    ]
    if not routes:
        return NotApplicable(Message("it routes messages to its built-in endpoint alone"))
    others: list[str] = []
    seen: list[Evidence] = []
    for path, entry in routes:
        subscription = get_path(entry, "subscriptionId")
        where = f"{path}[].subscriptionId"
        if not isinstance(subscription, str) or not subscription:
            return unknown(not_returned_or_unknown(where))
        seen.append(Evidence(where, subscription, Message("a subscription in your own tenant")))
        id = f"/subscriptions/{subscription.lower()}/endpoints/{_name(entry)}"
        if not in_same_tenant(hub, index, id):
            others.append(id)
    if others:
        severity, message = rated(hub, index, others, Message("destination"))
        return Fail(tuple(dict.fromkeys(seen)), message, severity)
    return Pass(tuple(dict.fromkeys(seen)))


# Certificates

SOON = 30 * 86400
EXPIRY = "properties.expiry"


def certificate_expires(certificate: Resource, index: Index) -> Verdict:
    """Fail where a certificate authority that signs devices' certificates expires within 30 days, or has expired.

    `expiry` is a date of RFC 7231: "Sat, 07 May 2022 00:12:34 GMT".
    """
    value, now = certificate.require(EXPIRY), seconds_of(index.taken)
    seen = certificate.evidence(EXPIRY, Message("30 days from now, or later"))
    end = _seconds(value)
    if end is None or now is None:
        return unknown(
            unknown_value(EXPIRY, value)
            if end is None
            else Unread(Message("the time of the scan"), Message("not known"))
        )
    if end - now >= SOON:
        return Pass((seen,))
    return Fail((seen,), Message("The certificate has expired.") if end < now else NOTHING)


def _seconds(value: Any) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        return email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return seconds_of(value)
