"""What narrows an open port: the security rules that allow the callers, or steps where no single command does."""

from collections.abc import Iterator

from scanner.model.exposure import Lock, Reach, replace
from scanner.model.ids import group_of, name_of
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, objects_at
from scanner.model.remedy import RANGE, REMOVE, Cause, Edit, Remedy, Step, changed
from scanner.model.rule import word
from scanner.model.verdict import Unread
from scanner.reach.open_ports import OpenPorts

RULES = "properties.securityRules"
SOURCES = ("properties.sourceAddressPrefixes", "properties.sourceApplicationSecurityGroups")
CLUSTER_GROUP = "mc_"
IN_CLUSTER = (
    "The cluster owns this resource group and reverts changes in it: limit the Kubernetes Service of type LoadBalancer "
    "with loadBalancerSourceRanges, or make it internal."
)
AT_FIREWALL = (
    "In the DNAT rule of the firewall, set the source to the addresses that need the port, or remove the rule."
)
NO_RULE = (
    "No rule of yours decides: attach a network security group to the subnet or the network interface, and allow only "
    "the addresses that need the port."
)


def narrowing(open_port: OpenPorts, index: Index, *, remove: bool = False) -> Remedy:
    """Return what limits the callers of an open port to a range that the user knows; `remove`: to no one."""
    rules = open_port.rule_ids
    if any(hop.kind == "firewall" for hop in open_port.reach.hops):
        return Remedy(steps=(AT_FIREWALL,))
    if any(group_of(each).lower().startswith(CLUSTER_GROUP) for each in rules):
        return Remedy(steps=(IN_CLUSTER,))
    if not rules:
        return Remedy(steps=(NO_RULE,))
    changes = tuple(step for each in rules for step in _changes(each, index, remove))
    causes = tuple(map(Cause, rules))
    if remove:
        return Remedy(tuple(f"az network nsg rule delete --ids {word(each)}" for each in rules), (), changes, causes)
    sources = f"--source-address-prefixes {RANGE}"
    commands = tuple(f"az network nsg rule update --ids {word(each)} {sources}" for each in rules)
    return Remedy(commands, (), changes, causes, narrows=True)


def _changes(rule: str, index: Index, remove: bool) -> Iterator[Step]:
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


def caused(open_port: OpenPorts) -> Lock:
    """Return the lock of an open port, with the rules that allow the callers as the cause of its wide grants."""
    causes = tuple(map(Cause, open_port.rule_ids))
    if not causes:
        return open_port.reach
    cause = causes[0]._replace(also=causes[1:])
    grants = tuple(replace(each, cause=cause) if each.level >= Reach.wide else each for each in open_port.reach.grants)
    return replace(open_port.reach, grants=grants)
