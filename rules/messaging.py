"""What Event Hubs and Service Bus share: namespaces with a rule set, shared access keys, and their authorization rules."""

from scanner.model.exposure import Auth, Lock, Switch
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, unknown
from scanner.reach.firewall import Firewall, Rules

ROOT = "RootManageSharedAccessKey"
TIERS = ("Basic", "Standard", "Premium")
DISABLE_LOCAL_AUTH = "properties.disableLocalAuth"


def rule_set(
    holder: Read,
    tiers: tuple[str, ...],
    source: str,
    configurations: Read | None = None,
    lacks: str = "has no firewall",
) -> Firewall:
    """The firewall of a namespace: it stands on the rule set `default`, which does not count on the tiers `tiers`.

    A rule set that denies without a rule is not enforced, so nothing is denied then.
    """
    return Firewall(
        empty="open",
        source=source,
        name="Namespace firewall",
        absent="enabled",
        second="properties.publicNetworkAccess",
        holder=holder,
        default="properties.defaultAction",
        default_absent="allow",
        acl="properties",
        addresses=(Rules("properties.ipRules", address="ipMask", action="action"),),
        subnets=(Rules("properties.virtualNetworkRules", id="subnet.id"),),
        bypass="properties.trustedServiceAccessEnabled",
        sku_without_network_rules=("sku.name", tiers, tuple(each for each in TIERS if each not in tiers)),
        lacks=lacks,
        configurations=configurations,
    )


def keys(kind: ResourceType, source: str) -> Switch:
    """The switch of the shared access keys."""
    return kind.local_auth(
        DISABLE_LOCAL_AUTH,
        off=(True,),
        on=(False,),
        absent=False,
        source=source,
        says="a shared access key or a signature made with it opens it",
    )


def closing(namespace: Resource, authentication: Lock, tiers: tuple[str, ...], disable: str, move: str) -> str:
    """What closes a namespace of a tier without a firewall: its keys, and where these are off the move."""
    if not any(same(namespace.get("sku.name"), tier) for tier in tiers):
        return ""
    keyed = Auth.shared in [each.level for each in authentication.grants] + [
        each.level for each in authentication.possible_grants
    ]
    return disable if keyed else move


def manages(rule: Resource) -> bool | None:
    """Whether an authorization rule grants Manage; None where its rights are not known."""
    rights = rule.get("properties.rights")
    if not isinstance(rights, list):
        return None
    if any(same(each, "Manage") for each in rights):
        return True
    return False if all(same(each, "Listen") or same(each, "Send") for each in rights) else None


def extra_manage_rule(namespace: Resource, index: Index, *, rules: Read) -> Verdict:
    """Fail where an authorization rule besides the first one may manage the whole namespace."""
    if same(namespace.get(DISABLE_LOCAL_AUTH), True):
        return NotApplicable("its keys are off, so no key manages anything")
    children = namespace.children(rules)
    others = [each for each in children if each.name.lower() != ROOT.lower()]
    wide = [each.name for each in others if manages(each) is True]
    strange = [each.name for each in others if manages(each) is None]
    path = f"{rules.path}[].properties.rights"
    if wide:
        return Fail((Evidence(path, [f"Manage for {name}" for name in wide], "no Manage beside the first key"),))
    if children.gap is not None:
        return unknown(children.gap)
    if strange:
        return unknown(Unread(path, f"not held, or not known, for {', '.join(strange[:5])}"))
    return Pass((Evidence(path, f"{len(children)} rules, none but {ROOT} may manage"),))
