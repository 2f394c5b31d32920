"""Event Hubs, Service Bus and Relay: namespaces with a rule set, shared access keys, and authorization rules."""

from scanner.model.exposure import Auth, Switch, grant
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, unknown
from scanner.reach.services.firewall import Firewall, RuleList

from .common import DISABLE_LOCAL_AUTH, host, in_tier, local_auth

NAMESPACE_KEYS = grant(
    Auth.shared,
    Evidence(Message("shared access keys"), Message("cannot be disabled on a namespace")),
    description=Message("accepts shared access keys, which cannot be disabled on a namespace"),
)
"""The authentication lock of services whose namespaces have no switch for keys."""
RIGHTS = "properties.rights"
ROOT = "RootManageSharedAccessKey"
TIERS = ("Basic", "Standard", "Premium")


def rule_set_of(kind: ResourceType, tiers: tuple[str, ...]) -> Read:
    """Return the read of a namespace's rule set, which it does not have on the tiers `tiers`."""
    return kind.child(
        "networkRuleSets/default",
        one=True,
        when=lambda namespace: not in_tier(namespace, tiers),
        alone="it has a switch of its own: where that contradicts a namespace that is disabled, the network is inconclusive",
    )


def acl(
    holder: Read,
    tiers: tuple[str, ...],
    source: str,
    configurations: Read | None = None,
    lacks: str = Message("has no firewall"),
) -> Firewall:
    """Return the firewall row of a namespace: its rule set `default`, which does not count on the tiers `tiers`.

    A rule set that denies by default but has no rule is not enforced, so it blocks nothing.
    """
    return Firewall(
        empty="open",
        source=source,
        name=Message("Namespace firewall"),
        absent="enabled",
        second="properties.publicNetworkAccess",
        holder=holder,
        default="properties.defaultAction",
        default_absent="allow",
        acl="properties",
        addresses=(RuleList("properties.ipRules", address="ipMask", action="action"),),
        subnets=(RuleList("properties.virtualNetworkRules", id="subnet.id"),),
        bypass="properties.trustedServiceAccessEnabled",
        bypass_off=(False,),
        bypass_trusted=(True,),
        sku_without_network_rules=("sku.name", tiers, tuple(each for each in TIERS if each not in tiers)),
        lacks=lacks,
        configurations=configurations,
    )


def keys(kind: ResourceType, source: str) -> Switch:
    """Return the switch of the shared access keys."""
    return local_auth(kind, source, Message("accepts shared access keys and signatures made with them"))


def keys_on(namespace: Resource) -> bool:
    """Return whether the namespace may accept shared access keys. Types without the switch always do."""
    return not same(namespace.get(DISABLE_LOCAL_AUTH), True)


def alias_hosts(namespace: Resource, read: Read) -> tuple[str, ...]:
    """Return the hosts of the recovery aliases that lead to a namespace now: those of which it is not the secondary."""
    domain = host(namespace, "properties.serviceBusEndpoint").partition(".")[2]
    if not domain or not read.needed(namespace):
        return ()
    resources = [each for each in namespace.children(read) if not same(each.get("properties.role"), "Secondary")]
    return tuple(f"{each.name}.{domain}" for each in resources)


def manages(rule: Resource) -> bool | None:
    """Return whether an authorization rule grants Manage, None if its rights are unknown."""
    rights = rule.get("properties.rights")
    if not isinstance(rights, list):
        return None
    if any(same(each, "Manage") for each in rights):
        return True
    return False if all(same(each, "Listen") or same(each, "Send") for each in rights) else None


def extra_manage_rule(namespace: Resource, index: Index, *, rules: Read) -> Verdict:
    """Fail if an authorization rule other than the default one has the Manage right."""
    if not keys_on(namespace):
        return NotApplicable(Message("shared access keys are disabled"))
    children = namespace.children(rules)
    others = [each for each in children if each.name.lower() != ROOT.lower()]
    wide_rules = [each for each in others if manages(each) is True]
    wide = [each.name for each in wide_rules]
    strange = [each.name for each in others if manages(each) is None]
    path = f"{rules.path}[].properties.rights"
    if wide:
        seen = Evidence(
            path,
            [Message("Manage for {name}", name=name) for name in wide],
            Message("Manage only for {root}", root=ROOT),
        )
        return Fail((seen,), causes=tuple(Cause(each.id, RIGHTS, value=["Listen", "Send"]) for each in wide_rules))
    if children.gap is not None:
        return unknown(children.gap)
    if strange:
        return unknown(
            Unread(
                path,
                Message(
                    "Azure did not return them, or returned unrecognized values, for {list}",
                    list=", ".join(strange[:5]),
                ),
            )
        )
    return Pass(
        (Evidence(path, Message("{children} rules, none except {root} has Manage", children=len(children), root=ROOT)),)
    )
