"""Event Grid: custom topics, domains and namespaces, their access keys and inbound rules."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Hop, Lock, Reach, Switch, closed, grant, possible
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.rule import Controls, Fix, ResourceType
from scanner.model.verdict import Evidence
from scanner.reach.firewall import Firewall, RuleList, firewall

from .common import ISO, LEARN, MCSB, NIST, host

API = "2025-02-15"
TOPIC = ResourceType("Microsoft.EventGrid/topics", "Microsoft.EventGrid/domains", api=API)
NAMESPACE = ResourceType("Microsoft.EventGrid/namespaces", api=API)

ACL = Firewall(
    empty="open",
    source="event-grid/network-security: by default topics and domains are reached from the internet; azure-mgmt-eventgrid: "
    "public network access is enabled by default, inbound rules restrict it",
    name="Inbound IP rules",
    absent="enabled",
    addresses=(RuleList("properties.inboundIpRules", address="ipMask", action="action"),),
)
KEYS = TOPIC.local_auth(
    "properties.disableLocalAuth",
    off=(True,),
    on=(False,),
    absent=False,
    source="azure-mgmt-eventgrid: the default value of disableLocalAuth is false",
    says="an access key or a signature made with it opens it",
)
MQTT = Switch(
    "properties.topicSpacesConfiguration.state",
    {"Disabled": Reach.none, "Enabled": Reach.internet},
    absent="Disabled",
    source='azure-mgmt-eventgrid TopicSpacesConfiguration.state: "Default is Disabled"',
)


@TOPIC.endpoints(data=("publish",))
def topic_endpoints(topic: Resource, index: Index) -> Iterator[Exposure]:
    what = "The Event Grid domain" if topic.type.lower().endswith("/domains") else "The Event Grid topic"
    # Azure Policy 1adadefe leaves topics of this kind out: they run in the customer's Kubernetes cluster.
    if same(topic.get("kind"), "AzureArc"):
        why = "a topic of kind AzureArc runs in an own Kubernetes cluster, not in Azure"
        yield closed("publish", "data", why, topic.evidence("kind"), display_name=what)
        return
    address = host(topic, "properties.endpoint")
    yield Exposure("publish", "data", firewall(topic, index, ACL), KEYS.lock(topic), display_name=what, address=address)


KEYS_STAY = (
    "The access keys of a namespace cannot be turned off (azure-mgmt-eventgrid NamespaceProperties has no disableLocalAuth), "
    "so once its network is narrow nothing is left to close"
)


@NAMESPACE.endpoints(data=("publish", "mqtt"))
def namespace_endpoints(namespace: Resource, index: Index) -> Iterator[Exposure]:
    reach = firewall(namespace, index, ACL)
    keys = grant(
        Auth.shared,
        Evidence("access keys", "cannot be turned off on a namespace"),
        description="an access key opens it, and keys of a namespace cannot be turned off",
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
    """The MQTT broker on port 8883: its clients are registered, each with a certificate or a token of its own."""
    what = "The MQTT broker"
    on = MQTT.lock(namespace)
    if on.widest is not None and on.widest.level == Reach.none:
        return closed("mqtt", "data", "the namespace has no topic spaces", *on.widest.evidence, display_name=what)
    if on.possible_grants:
        missing = on.possible_grants[0].missing
        hop = Hop("switch", what, missing.why, allows=None)
        reach = possible(Reach.internet, missing, *on.possible_grants[0].evidence, hops=(*reach.hops, hop))
    says = "a client shows a certificate or token of its own"
    authentication = grant(
        Auth.identity, Evidence("clients", "are registered, each with a certificate or a token"), description=says
    )
    address = host(namespace, "properties.topicSpacesConfiguration.hostname")
    return Exposure("mqtt", "data", reach, authentication, display_name=what, address=address)


NETWORK: Controls = {MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)}
TLS: Controls = {MCSB: ("DP-3",), NIST: ("SC-8",), ISO: ("A.8.24",)}
RULE = 'properties.inboundIpRules=\'[{{"ipMask": "YOUR_RANGE", "action": "Allow"}}]\''

TOPIC.lock(
    "eventgrid-access-keys",
    "authentication",
    "Event Grid accepts access keys",
    only=("publish",),
    why="Whoever holds a key publishes events, and what listens believes them: functions run, workflows start. A key names "
    "nobody and never expires.",
    fix=Fix(
        az="az resource update --ids {id} --set properties.disableLocalAuth=true",
        first_step="az monitor metrics list --resource {id} --metric PublishSuccessCount --interval PT1H",
        breaks="Every publisher that uses a key or a signature: give it a managed identity and the role EventGrid Data "
        "Sender first.",
        bicep="disableLocalAuth: true",
        terraform="azurerm_eventgrid_topic.local_auth_enabled = false",
        terraform_page="eventgrid_topic",
        portal="Event Grid topic or domain > Configuration > Enable local authentication: off",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-3", "IA-2"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/event-grid/authenticate-with-microsoft-entra-id",),
)
TOPIC.lock(
    "eventgrid-open-network",
    "network",
    "Event Grid takes events from networks that are not yours",
    only=("publish",),
    why="One lock is left: a key or a token that got lost is enough to send events from anywhere. Without an inbound rule "
    "every address may publish.",
    fix=Fix(
        az=f"az resource update --ids {{id}} --set {RULE}",
        first_step="az resource show --ids {id} --query properties.inboundIpRules",
        breaks="Publishers outside the ranges and private endpoints that the topic names. With private endpoints alone, "
        "set properties.publicNetworkAccess to Disabled instead.",
        bicep="inboundIpRules: [{ ipMask: '...', action: 'Allow' }]",
        terraform='azurerm_eventgrid_topic.inbound_ip_rule.action = "Allow"',
        terraform_page="eventgrid_topic",
        portal="Event Grid topic or domain > Networking > Public access",
        cost=2,
    ),
    controls=NETWORK,
    references=(f"{LEARN}/event-grid/network-security", f"{LEARN}/event-grid/configure-firewall"),
)
NAMESPACE.lock(
    "eventgrid-namespace-open-network",
    "network",
    "The Event Grid namespace answers networks that are not yours",
    only=("publish", "mqtt"),
    why="A namespace takes access keys whatever its settings say, so its network is the lock that can be closed. Left open, "
    "a key that got lost publishes from anywhere, and the MQTT broker answers everybody on port 8883.",
    fix=Fix(
        az=f"az resource update --ids {{id}} --set {RULE}",
        first_step="az resource show --ids {id} --query properties.inboundIpRules",
        breaks="Publishers, subscribers and MQTT clients outside the ranges and private endpoints that the namespace names.",
        bicep="inboundIpRules: [{ ipMask: '...', action: 'Allow' }]",
        terraform='azurerm_eventgrid_namespace.inbound_ip_rule.action = "Allow"',
        terraform_page="eventgrid_namespace",
        portal="Event Grid namespace > Networking > Public access",
        cost=2,
    ),
    controls=NETWORK,
    references=(f"{LEARN}/event-grid/configure-firewall-namespaces", f"{LEARN}/event-grid/mqtt-client-authentication"),
)


def old_tls(kind: ResourceType, id: str, title: str, why: str) -> None:
    """The row for the lowest TLS version."""
    kind.setting(
        id,
        "transport",
        title,
        "properties.minimumTlsVersionAllowed",
        allowed=("1.2", "1.3"),
        bad=("1.0", "1.1"),
        severity="low",
        why=why,
        fix=Fix(
            az="az resource update --ids {id} --set properties.minimumTlsVersionAllowed=1.2 --force-string",
            first_step="az resource show --ids {id} --query properties.minimumTlsVersionAllowed",
            breaks="Publishers that speak nothing newer than TLS 1.1.",
            bicep="minimumTlsVersionAllowed: '1.2'",
            portal="Event Grid > Configuration > Minimum TLS version",
        ),
        controls=TLS,
        references=(f"{LEARN}/event-grid/transport-layer-security-configure-minimum-version",),
    )


old_tls(
    TOPIC,
    "eventgrid-old-tls",
    "Event Grid accepts old TLS versions",
    "TLS 1.0 and 1.1 have known weaknesses. A publisher that is made to speak them can be listened to, and its key read.",
)
