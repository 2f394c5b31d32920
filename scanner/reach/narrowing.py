"""What narrows an open port: the security rules that allow the callers, or steps where no single command does."""

import shlex
from collections.abc import Iterator

from scanner.model.exposure import Lock, Reach, replace
from scanner.model.ids import group_of, name_of
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, objects_at
from scanner.model.remedy import RANGE, REMOVE, Cause, Edit, Remedy, Step, changed
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


def narrowing(open_port: OpenPorts, index: Index) -> Remedy:
    """Return what limits the callers of an open port to a range that the user knows."""
    rules = open_port.rule_ids
    if any(group_of(each).lower().startswith(CLUSTER_GROUP) for each in rules):
        return Remedy(steps=(IN_CLUSTER,))
    if not rules:
        behind = any(hop.kind == "firewall" for hop in open_port.reach.hops)
        return Remedy(steps=(AT_FIREWALL if behind else NO_RULE,))
    commands = tuple(
        f"az network nsg rule update --ids {shlex.quote(each)} --source-address-prefixes {RANGE}" for each in rules
    )
    commands = tuple(each.replace("{", "{{").replace("}", "}}") for each in commands)
    changes = tuple(step for each in rules for step in _changes(each, index))
    return Remedy(commands, changes=changes, closes=tuple(map(Cause, rules)), narrows=True)


def _changes(rule: str, index: Index) -> Iterator[Step]:
    """Yield the change of a rule in the body of its group."""
    group = rule.rsplit("/securityRules/", 1)[0]
    try:
        body = index.find(group).body
    except Unread:
        return
    for each in objects_at(body, RULES):
        if str(get_path(each, "name")).lower() == name_of(rule).lower():
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
