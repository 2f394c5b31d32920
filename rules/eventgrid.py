"""Event Grid: custom topics, domains and namespaces, their access keys and inbound rules."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock, Reach, Switch, closed, grant, replace
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.model.verdict import Evidence
from scanner.reach.firewall import Firewall, RuleList, firewall

from .common import by_perimeter, host, local_auth, perhaps_off

API = "2025-02-15"
TOPIC = ResourceType("Microsoft.EventGrid/topics", "Microsoft.EventGrid/domains", api=API)
# Namespaces need no rule on TLS: azure-mgmt-eventgrid Namespace.minimum_tls_version_allowed, "Only TLS version 1.2 is supported".
NAMESPACE = ResourceType("Microsoft.EventGrid/namespaces", api=API)

EVENT_SUBSCRIPTIONS = TOPIC.child("eventSubscriptions")
# No stable version has this read: azure-mgmt-eventgrid 10.5.0b2. Namespaces have none (PerimeterResourceType).
PERIMETERS = TOPIC.child("networkSecurityPerimeterConfigurations", api="2025-07-15-preview", when=by_perimeter)
ACL = Firewall(
    empty="open",
    source="event-grid/network-security: by default topics and domains are reachable from the internet; azure-mgmt-eventgrid: "
    "public network access is enabled by default, inbound rules restrict it",
    name="Inbound IP rules",
    absent="enabled",
    addresses=(RuleList("properties.inboundIpRules", address="ipMask", action="action"),),
)
TOPIC_ACL = replace(ACL, configurations=PERIMETERS)
KEYS = local_auth(
    TOPIC,
    source="azure-mgmt-eventgrid: the default value of disableLocalAuth is false",
    says="accepts access keys and signatures made with them",
)
MQTT = Switch(
    "properties.topicSpacesConfiguration.state",
    {"Disabled": Reach.none, "Enabled": Reach.internet},
    absent="Disabled",
    source='azure-mgmt-eventgrid TopicSpacesConfiguration.state: "Default is Disabled"',
)


@TOPIC.endpoints(data=("publish",), reads=(PERIMETERS,))
def topic_endpoints(topic: Resource, index: Index) -> Iterator[Exposure]:
    what = "The Event Grid domain" if topic.type.lower().endswith("/domains") else "The Event Grid topic"
    # Azure Policy 1adadefe excludes topics of this kind: they run in the customer's Kubernetes cluster.
    if same(topic.get("kind"), "AzureArc"):
        why = "a topic of kind AzureArc runs in the customer's Kubernetes cluster, not in Azure"
        yield closed("publish", "data", why, topic.evidence("kind"), display_name=what)
        return
    address = host(topic, "properties.endpoint")
    yield Exposure(
        "publish", "data", firewall(topic, index, TOPIC_ACL), KEYS.lock(topic), display_name=what, address=address
    )


KEYS_STAY = (
    "The access keys of a namespace cannot be disabled (azure-mgmt-eventgrid NamespaceProperties has no disableLocalAuth), "
    "so once its network is restricted there is nothing left to fix"
)


@NAMESPACE.endpoints(data=("publish", "mqtt"))
def namespace_endpoints(namespace: Resource, index: Index) -> Iterator[Exposure]:
    reach = firewall(namespace, index, ACL)
    keys = grant(
        Auth.shared,
        Evidence("access keys", "cannot be disabled on a namespace"),
        description="accepts access keys, which cannot be disabled on a namespace",
    )
    yield Exposure(
        "publish",
        "data",
        reach,
        keys,
        display_name="The Event Grid namespace",
        address=host(namespace, "properties.topicsConfiguration.hostname"),
        counts_as_closed_up_to=Reach.selected,
        justification=KEYS_STAY,
    )
    yield mqtt(namespace, reach)


def mqtt(namespace: Resource, reach: Lock) -> Exposure:
    """Return the exposure of the MQTT broker on port 8883. Each client is registered with a certificate or token of its own."""
    what = "The MQTT broker"
    on = MQTT.lock(namespace)
    if on.widest is not None and on.widest.level == Reach.none:
        return closed("mqtt", "data", "topic spaces are disabled", *on.widest.evidence, display_name=what)
    reach = perhaps_off(reach, on, Reach.internet, what)
    says = "requires each client's own certificate or token"
    authentication = grant(
        Auth.identity, Evidence("clients", "are registered, each with a certificate or a token"), description=says
    )
    address = host(namespace, "properties.topicSpacesConfiguration.hostname")
    return Exposure("mqtt", "data", reach, authentication, display_name=what, address=address)
