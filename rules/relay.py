"""Azure Relay: namespaces with shared access keys and IP rules, their hybrid connections and WCF relays."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock, Reach, Switch, replace, unread
from scanner.model.index import Index
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.reach.services.firewall import firewall

from .common import host
from .messaging import NAMESPACE_KEYS, acl, rule_set_of
from .reasons import FROM_TEMPLATE, NO_CUSTOMER_KEY, NO_OTHER_LOCATION

# Namespaces need no rule on TLS: bicep-types-az RelayNamespaceProperties.minimumTlsVersion knows 1.2 and 1.3 alone.
NAMESPACE = ResourceType(
    "Microsoft.Relay/namespaces",
    api="2026-01-01",
    product=Message("Relay namespace"),
    no_rule=NoRule(copy=NO_OTHER_LOCATION, key=NO_CUSTOMER_KEY, loss=FROM_TEMPLATE),
)
RULE_SET = rule_set_of(NAMESPACE, ())
RULES = NAMESPACE.child("authorizationRules")
HYBRID = NAMESPACE.child("hybridConnections")
WCF = NAMESPACE.child("wcfRelays")
ACL = acl(
    RULE_SET,
    (),
    "azure-relay/ip-firewall-virtual-networks: by default a namespace is reachable from the internet; bicep-types-az: public "
    "network access is enabled by default. That a rule set which denies without a rule is enforced is not documented "
    "(event-hubs/event-hubs-ip-filtering says of Event Hubs that it is not)",
)
KEYS_REMAIN = Message(
    "The shared access keys of a namespace cannot be disabled (bicep-types-az RelayNamespaceProperties 2026-01-01 has no "
    "disableLocalAuth), so once its network is restricted there is nothing left to fix"
)
KEYS_OF_NAMESPACE = Message("its keys are those of the namespace, whose own endpoint says who can use them")
SENDERS = Switch(
    "properties.requiresClientAuthorization",
    {True: Auth.shared, False: Auth.anonymous},
    descriptions={
        Auth.shared: Message("accepts shared access keys and signatures made with them"),
        Auth.anonymous: Message("allows anonymous senders"),
    },
)
SUBJECTS = (
    (HYBRID, "hybrid", Message("The hybrid connection"), Message("The hybrid connections")),
    (WCF, "wcf", Message("The WCF relay"), Message("The WCF relays")),
)


NO_RULE = {
    "authentication": "the keys are those of the namespace and cannot be disabled; its own endpoint reports the cell"
}


@NAMESPACE.endpoints(
    Endpoint(
        "relay",
        "data",
        ports=("tcp/443", "tcp/5671", "tcp/9350-9354"),
        no_rule={
            "anonymous-access": "a listener always signs in; relays for anonymous senders are endpoints of their own",
            "authentication": "the keys of a namespace cannot be disabled in the pinned version; its network rule reports the cell",
        },
    ),
    Endpoint("hybrid/*", "app", ports=HTTPS, no_rule=NO_RULE),
    Endpoint("wcf/*", "app", ports=("tcp/443", "tcp/5671", "tcp/9350-9354"), no_rule=NO_RULE),
    reads=(RULE_SET, HYBRID, WCF),
)
def endpoints(namespace: Resource, index: Index) -> Iterator[Exposure]:
    reach, address = firewall(namespace, index, ACL), host(namespace, "properties.serviceBusEndpoint")
    yield Exposure(
        "relay",
        "data",
        reach,
        NAMESPACE_KEYS,
        display_name=Message("The Relay namespace"),
        address=address,
        counts_as_closed_up_to=Reach.selected,
        justification=KEYS_REMAIN,
    )
    for read, kind, what, all_of_them in SUBJECTS:
        relays = namespace.children(read)
        for relay in relays:
            sign_in, name = senders(relay), Message("{what} {name}", what=what, name=relay.name)
            # The listener, in an own network, receives what senders send.
            needs_key = Auth.anonymous not in sign_in.levels
            yield Exposure(
                f"{kind}/{relay.name}",
                "app",
                reach,
                sign_in,
                name,
                subject=relay,
                address=address,
                counts_as_closed_up_to=Reach.internet if needs_key else Reach.none,
                justification=KEYS_OF_NAMESPACE if needs_key else NOTHING,
            )
        if relays.gap is not None:
            yield unread(f"{kind}/*", "app", relays.gap, all_of_them)


def senders(relay: Resource) -> Lock:
    """Return what senders need. The choice is made when a relay is created, so it is no cause that a fix changes."""
    lock = SENDERS.lock(relay)
    return replace(lock, grants=tuple(replace(each, cause=None, then=None) for each in lock.grants))
