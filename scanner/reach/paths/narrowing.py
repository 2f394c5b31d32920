"""What narrows an open port: the rules that allow its callers, or steps where no single command does."""

from collections.abc import Iterator

from scanner.model.exposure import Grant, Lock, Reach, replace
from scanner.model.fix import RANGE, REMOVE, Cause, Change, Edit, Fix, changed
from scanner.model.ids import group_of, name_of, segments, subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, copied, get_path, objects_at, texts_at
from scanner.model.message import Message
from scanner.model.rule import word
from scanner.model.verdict import Unread
from scanner.reach.paths.closing import Closing
from scanner.reach.paths.network_paths import DnatRule
from scanner.reach.paths.open_ports import OpenPorts
from scanner.reach.rules.source_grants import grants_from_sources

RULES = "properties.securityRules"
SOURCES = ("properties.sourceAddressPrefixes", "properties.sourceApplicationSecurityGroups")
CLUSTER_GROUP = "mc_"
IN_CLUSTER = Message(
    "The cluster owns this resource group and reverts changes in it: limit the Kubernetes Service of type LoadBalancer "
    "with loadBalancerSourceRanges, or make it internal."
)


def narrowing(open_port: OpenPorts, index: Index, *, remove: bool = False) -> Fix:
    """Return what limits the callers of an open port to a range that the user knows; `remove`: to no one."""
    closing = open_port.close if remove else open_port.narrow
    steps = _why_not(closing)
    if steps:
        return Fix(steps=steps)
    fix = Fix(narrows=not remove)
    for deployed in closing.admin:
        fix += _admin_rule(deployed, index, remove)
    for each in closing.dnat:
        fix += _dnat_rule(each, remove)
    for rule in closing.rules:
        fix += _security_rule(rule, index, remove)
    return fix


def _why_not(closing: Closing) -> tuple[Message, ...]:
    """Return the steps where no change of rules closes the port, or must not be made."""
    if any(group_of(each).lower().startswith(CLUSTER_GROUP) for each in closing.rules):
        return (*closing.steps, IN_CLUSTER)
    return closing.steps


def _security_rule(rule: str, index: Index, remove: bool) -> Fix:
    action, sources = ("delete", "") if remove else ("update", f" --source-address-prefixes {RANGE}")
    command = f"az network nsg rule {action} --ids {word(rule)}{sources}"
    shown = f"az network nsg rule show --ids {word(rule)}"
    return Fix((command,), (), tuple(_changes(rule, index, remove)), (Cause(rule),), check_first=shown)


def _changes(rule: str, index: Index, remove: bool) -> Iterator[Change]:
    """Yield the change of a rule in the body of its group."""
    group = rule.rsplit("/securityRules/", 1)[0]
    try:
        body = index.find(group).body
    except Unread:
        return
    for each in objects_at(body, RULES):
        if str(get_path(each, "name")).lower() == name_of(rule).lower():
            if remove:
                yield Edit(group, RULES, REMOVE, each)
                continue
            narrowed = changed(each, Edit(rule, "properties.sourceAddressPrefix", RANGE))
            for path in SOURCES:
                if get_path(narrowed, path) is not MISSING:
                    narrowed = changed(narrowed, Edit(rule, path, REMOVE))
            yield Edit(group, RULES, narrowed, each)


def _admin_rule(deployed: str, index: Index, remove: bool) -> Fix:
    """Return the steps at the collection of a deployed security admin rule (its key).

    A rule takes effect with the deployment of its configuration, so that no single command changes it.
    """
    resource = index.resources.get(deployed)
    rule = (resource.id if resource is not None else deployed).partition("/snapshots/")[0]
    names = dict(zip(segments(rule)[::2], segments(rule)[1::2], strict=False))
    manager, configuration, collection = (
        next((name for kind, name in names.items() if kind.lower() == wanted), "?")
        for wanted in ("networkmanagers", "securityadminconfigurations", "rulecollections")
    )
    change = (
        Message("change its access from AlwaysAllow to Allow")
        if remove
        else Message("limit its sources to {range}", range=RANGE)
    )
    steps = (
        Message(
            "In network manager {manager}, security admin configuration {configuration}, rule collection {collection}: "
            "open the rule {rule} and {change}. A network security group cannot block what it allows.",
            manager=manager,
            configuration=configuration,
            collection=collection,
            rule=name_of(rule),
            change=change,
        ),
        Message(
            "Deploy the security admin configuration {configuration} of {manager} to its regions again (Deployments, "
            "or az network manager post-commit): until then the deployed rule stays in force.",
            configuration=configuration,
            manager=manager,
        ),
    )
    sources = [{"addressPrefix": RANGE, "addressPrefixType": "IPPrefix"}]
    edit = Edit(deployed, "properties.access", "Allow") if remove else Edit(deployed, "properties.sources", sources)
    return Fix(steps=steps, changes=(edit,), closes=(Cause(deployed),), check_first=_show(rule))


def _show(id: str) -> str:
    """Return the command that shows a resource of any type."""
    return f"az resource show --ids {word(id)}"


def _dnat_rule(rule: DnatRule, remove: bool) -> Fix:
    """Return the change of a DNAT rule: a command for the rule of a policy, steps for a firewall's own."""
    cause = _dnat_cause(rule)
    narrowed = {**copied(rule.body), "sourceAddresses": [RANGE]}
    if texts_at(rule.body, "sourceIpGroups"):
        narrowed["sourceIpGroups"] = []
    changes = (Edit(rule.holder, cause.path, REMOVE if remove else narrowed, rule.body),)
    change = Message("remove the rule") if remove else Message("limit the source of the rule to {range}", range=RANGE)
    if not rule.is_of_policy:
        where = Message(
            "In firewall {holder}, NAT rule collection {collection}, rule {name}",
            holder=name_of(rule.holder),
            collection=rule.collection,
            name=rule.name,
        )
        return Fix(
            (),
            (Message("{place}: {change}.", place=where, change=change),),
            changes,
            (cause,),
            check_first=_show(rule.holder),
        )
    policy, group = name_of(rule.holder.rsplit("/", 2)[0]), name_of(rule.holder)
    where = Message(
        "policy {policy}, rule collection group {group}, rule collection {collection}, rule {name}",
        policy=policy,
        group=group,
        collection=rule.collection,
        name=rule.name,
    )
    if rule.name == "?" or rule.collection in ("", "?") or (not remove and "sourceIpGroups" in narrowed):
        return Fix(
            (),
            (Message("In {place}: {change}.", place=where, change=change),),
            changes,
            (cause,),
            check_first=_show(rule.holder),
        )
    command = _rule_command(rule, "remove" if remove else "update") + ("" if remove else f" --source-addresses {RANGE}")
    steps = (
        Message(
            "The command changes the DNAT rule of {place}. It needs the CLI's extension azure-firewall.", place=where
        ),
    )
    return Fix((command,), steps, changes, (cause,), check_first=_show(rule.holder))


def _rule_command(rule: DnatRule, action: str) -> str:
    """Return a command of the extension azure-firewall, which names a rule of a policy by its name.

    Its `update` keeps what it is not told (Azure/azure-cli-extensions, src/azure-firewall, custom.py).
    """
    return (
        f"az network firewall policy rule-collection-group collection rule {action} --name {word(rule.name)} "
        f"--collection-name {word(rule.collection)} --rule-collection-group-name {word(name_of(rule.holder))} "
        f"--policy-name {word(name_of(rule.holder.rsplit('/', 2)[0]))} --resource-group {word(group_of(rule.holder))} "
        f"--subscription {word(subscription_of(rule.holder))}"
    )


def _dnat_cause(rule: DnatRule) -> Cause:
    return Cause(rule.holder, f"{rule.path}[].{rule.inner}", rule.body, position=rule.number)


def _causes(closing: Closing) -> tuple[Cause, ...]:
    if _why_not(closing):
        return ()
    return (
        *map(Cause, closing.admin),
        *map(_dnat_cause, closing.dnat),
        *map(Cause, closing.rules),
    )


def caused(open_port: OpenPorts, index: Index) -> Lock:
    """Return the lock of an open port, with the rules that allow the callers as the cause of its grants.

    All of them must go, so that the grant goes. Behind the rules that allow broad ranges come those of few addresses.
    """
    narrow, close = _causes(open_port.narrow), _causes(open_port.close)
    if not narrow and not close:
        return open_port.reach
    rest = tuple(_with(each, close) for each in grants_from_sources(open_port.narrow.rest, index)) if narrow else ()
    grants = tuple(
        replace(_with(each, narrow), then=Lock(rest)) if each.level >= Reach.wide else _with(each, close)
        for each in open_port.reach.grants
    )
    return replace(open_port.reach, grants=grants)


def _with(grant: Grant, causes: tuple[Cause, ...]) -> Grant:
    return replace(grant, cause=causes[0]._replace(also=causes[1:])) if causes else grant
