"""Event Grid: custom topics, domains, partner namespaces and namespaces, their access keys and inbound rules; and where
system topics deliver events.
"""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock, Reach, Switch, closed, grant, replace
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Verdict, not_returned, unknown_value
from scanner.reach.rules.owners import rated
from scanner.reach.rules.sources import in_same_tenant
from scanner.reach.services.firewall import Firewall, RuleList, firewall

from .common import by_perimeter, host, local_auth, perhaps_off
from .reasons import FROM_TEMPLATE, NO_CUSTOMER_KEY, NO_OTHER_LOCATION, OVER_ZONES

API = "2025-02-15"
TOPICS = ("Microsoft.EventGrid/topics", "Microsoft.EventGrid/domains")
PARTNER = "Microsoft.EventGrid/partnerNamespaces"
TOPIC = ResourceType(
    *TOPICS,
    PARTNER,
    api=API,
    product=(
        Message("Event Grid topic"),
        Message("Event Grid domain"),
        Message("Event Grid partner namespace"),
    ),
    no_rule=NoRule(key=NO_CUSTOMER_KEY, loss=FROM_TEMPLATE, zone=OVER_ZONES),
)
# Namespaces need no rule on TLS: azure-mgmt-eventgrid Namespace.minimum_tls_version_allowed, "Only TLS version 1.2 is supported".
NAMESPACE = ResourceType(
    "Microsoft.EventGrid/namespaces",
    api=API,
    product=Message("Event Grid namespace"),
    no_rule=NoRule(
        copy=NO_OTHER_LOCATION,
        key=NO_CUSTOMER_KEY,
        log="categories are those of a protocol, and none is an audit trail",
        loss=FROM_TEMPLATE,
    ),
)
# System topics have no endpoint: Azure services publish to them.
SYSTEM_TOPIC = ResourceType(
    "Microsoft.EventGrid/systemTopics",
    api=API,
    product=Message("Event Grid system topic"),
    no_rule=NoRule(key=NO_CUSTOMER_KEY, log="deliveries that fail are its only log", loss=FROM_TEMPLATE),
)
SUBSCRIPTIONS = SYSTEM_TOPIC.child(
    "eventSubscriptions",
    alone="the list of a region has ids of another form, and nothing documents that it has those of each kind of topic",
)

EVENT_SUBSCRIPTIONS = TOPIC.child("eventSubscriptions", only=TOPICS, alone=SUBSCRIPTIONS.alone)
# No stable version has this read: azure-mgmt-eventgrid 10.5.0b2. Namespaces have none (PerimeterResourceType).
PERIMETERS = TOPIC.child(
    "networkSecurityPerimeterConfigurations", api="2025-07-15-preview", when=by_perimeter, only=TOPICS
)
ACL = Firewall(
    empty="open",
    source="event-grid/network-security: by default topics and domains are reachable from the internet; azure-mgmt-eventgrid: "
    "public network access is enabled by default, inbound rules restrict it",
    name=Message("Inbound IP rules"),
    absent="enabled",
    addresses=(RuleList("properties.inboundIpRules", address="ipMask", action="action"),),
)
TOPIC_ACL = replace(ACL, configurations=PERIMETERS)
KEYS = local_auth(
    TOPIC,
    source="azure-mgmt-eventgrid: the default value of disableLocalAuth is false",
    message=Message("accepts access keys and signatures made with them"),
)
MQTT = Switch(
    "properties.topicSpacesConfiguration.state",
    {"Disabled": Reach.none, "Enabled": Reach.internet},
    absent="Disabled",
    source='azure-mgmt-eventgrid TopicSpacesConfiguration.state: "Default is Disabled"',
)


NAMES = {
    "topics": Message("The Event Grid topic"),
    "domains": Message("The Event Grid domain"),
    "partnernamespaces": Message("The Event Grid partner namespace"),
}


@TOPIC.endpoints(
    Endpoint(
        "publish",
        "data",
        ports=HTTPS,
        no_rule={"anonymous-access": "every publisher shows a key, a certificate or a token"},
    ),
    reads=(PERIMETERS,),
)
def topic_endpoints(topic: Resource, index: Index) -> Iterator[Exposure]:
    what = NAMES[topic.type.lower().rsplit("/", 1)[-1]]
    # Azure Policy 1adadefe excludes topics of this kind: they run in the customer's Kubernetes cluster.
    if same(topic.get("kind"), "AzureArc"):
        why = Message("a topic of kind AzureArc runs in the customer's Kubernetes cluster, not in Azure")
        yield closed("publish", "data", why, topic.evidence("kind"), display_name=what)
        return
    address = host(topic, "properties.endpoint")
    row = ACL if same(topic.type, PARTNER) else TOPIC_ACL
    yield Exposure("publish", "data", firewall(topic, index, row), KEYS.lock(topic), display_name=what, address=address)


KEYS_REMAIN = Message(
    "The access keys of a namespace cannot be disabled (azure-mgmt-eventgrid NamespaceProperties has no disableLocalAuth), "
    "so once its network is restricted there is nothing left to fix"
)


@NAMESPACE.endpoints(
    Endpoint(
        "publish",
        "data",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "every publisher shows a key or a token",
            "authentication": "keys of a namespace cannot be disabled in the pinned version; its network rule reports the cell",
        },
    ),
    Endpoint("mqtt", "data", ports=("tcp/8883", "tcp/443"), no_rule="clients are named, by certificate or token"),
)
def namespace_endpoints(namespace: Resource, index: Index) -> Iterator[Exposure]:
    reach = firewall(namespace, index, ACL, groups=("topic",))
    keys = grant(
        Auth.shared,
        Evidence(Message("access keys"), Message("cannot be disabled on a namespace")),
        description=Message("accepts access keys, which cannot be disabled on a namespace"),
    )
    yield Exposure(
        "publish",
        "data",
        reach,
        keys,
        display_name=Message("The Event Grid namespace"),
        address=host(namespace, "properties.topicsConfiguration.hostname"),
        counts_as_closed_up_to=Reach.selected,
        justification=KEYS_REMAIN,
    )
    yield mqtt(namespace, firewall(namespace, index, ACL, groups=("topicspace",)))


def mqtt(namespace: Resource, reach: Lock) -> Exposure:
    """Return the exposure of the MQTT broker on port 8883. Each client is registered with a certificate or token of its own."""
    what = Message("The MQTT broker")
    on = MQTT.lock(namespace)
    if on.widest is not None and on.widest.level == Reach.none:
        return closed("mqtt", "data", Message("topic spaces are disabled"), *on.widest.evidence, display_name=what)
    reach = perhaps_off(reach, on, Reach.internet, what)
    message = Message("requires each client's own certificate or token")
    authentication = grant(
        Auth.identity,
        Evidence("clients", Message("are registered, each with a certificate or a token")),
        description=message,
    )
    address = host(namespace, "properties.topicSpacesConfiguration.hostname")
    return Exposure("mqtt", "data", reach, authentication, display_name=what, address=address)


# Where events go

DESTINATIONS = ("properties.destination", "properties.deliveryWithResourceIdentity.destination")
"""Where an event subscription names its destination; the second one where an identity of the topic delivers."""
RESOURCES = (
    *("EventHub", "StorageQueue", "HybridConnection", "ServiceBusQueue", "ServiceBusTopic", "AzureFunction"),
    "NamespaceTopic",
)
DEAD_LETTERS = (
    "properties.deadLetterDestination.properties.resourceId",
    "properties.deadLetterWithResourceIdentity.deadLetterDestination.properties.resourceId",
)


def _destination(subscription: Resource) -> tuple[str, str]:
    """Return the path and kind of the destination. Raises Unread where it was not returned."""
    for path in DESTINATIONS:
        kind = subscription.get(f"{path}.endpointType")
        if isinstance(kind, str) and kind:
            return path, kind
    raise not_returned(f"{DESTINATIONS[0]}.endpointType")


def delivers_outside(subscription: Resource, index: Index) -> Verdict:
    """Fail where events, or those that could not be delivered, go to a resource in an external subscription."""
    path, kind = _destination(subscription)
    paths = [each for each in DEAD_LETTERS if not is_absent(subscription.get(each))]
    if any(same(kind, each) for each in RESOURCES):
        paths.insert(0, f"{path}.properties.resourceId")
    elif not same(kind, "WebHook") and not same(kind, "MonitorAlert"):
        raise unknown_value(f"{path}.endpointType", kind)
    if not paths:
        return NotApplicable(
            Message("it delivers to no resource")
            if same(kind, "WebHook")
            else Message("it raises alerts in Azure Monitor")
        )
    ids = [subscription.require(each) for each in paths]
    strange = next((each for each, id in zip(paths, ids, strict=True) if not isinstance(id, str) or not id), None)
    if strange is not None:
        raise unknown_value(strange, subscription.get(strange))
    others = [id for id in ids if not in_same_tenant(subscription, index, id)]
    seen = tuple(subscription.evidence(each, Message("a resource in your own tenant")) for each in paths)
    if others:
        severity, message = rated(subscription, index, others, Message("destination"))
        return Fail(seen, message, severity)
    return Pass(seen)


def delivers_to_webhook(subscription: Resource, index: Index) -> Verdict:
    """Fail where events go to a webhook, with its host. The base URL has no query, so no secret."""
    path, kind = _destination(subscription)
    if not same(kind, "WebHook"):
        return NotApplicable(Message("it delivers to no webhook"))
    url = f"{path}.properties.endpointBaseUrl"
    subscription.require(url)
    value = host(subscription, url)
    if not value:
        raise unknown_value(url, subscription.get(url))
    return Fail(
        (Evidence(Message("host of {url}", url=url), value, Message("your own host")),),
        Message("Events are sent to {found}.", found=value),
    )
