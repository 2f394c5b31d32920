"""Helpers that the rule files of several services share."""

from typing import Any

from scanner.model.exposure import Auth, Exposure, Hop, Level, Lock, Reach, Switch, grant, possible, replace
from scanner.model.fix import Fix
from scanner.model.ids import subnet_name
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same, text_at
from scanner.model.message import NOTHING, Message, joined
from scanner.model.resource import Children, Resource
from scanner.model.resource_type import Read, ResourceType
from scanner.model.verdict import Evidence, Unread, not_a_list, not_returned, unknown_value
from scanner.reach.rules.sources import as_possible, grants_from_ids, source_hop
from scanner.reach.services.firewall import Firewall, RuleList, injection_subnet


def host(resource: Resource, path: str) -> str:
    """Return the host of the URL at a path; "" without one."""
    return text_at(resource.body, path).split("://", 1)[-1].split("/", 1)[0].split(":", 1)[0]


def child_evidence(child: Resource, where: str, path: str, expected: object = None) -> Evidence:
    """Return the evidence for the value below a path of a child; `where` is the child's path below its parent."""
    return replace(child.evidence(path, expected), path=f"{where} {path}")


def listed_logins(logins: Switch, children: Children, read: Read, path: str) -> Lock | None:
    """Return the authentication lock of a switch that a list has at `path`; None where the list is empty."""
    for each in children:
        seen = child_evidence(each, f"{read.path}/{each.name}", path, True)
        level = logins.level(seen.value)
        if level is None:
            return possible(Auth.shared, unknown_value(seen.path), seen)
        return grant(level, seen, description=logins.descriptions[Auth.shared] if level is Auth.shared else NOTHING)
    return None


def rows(resource: Resource, path: str) -> list[Any]:
    """Return the list at a path. Raise Unread if it was not returned or is not a list."""
    value = resource.require(path)
    if not isinstance(value, list):
        raise not_a_list(path)
    return value


def in_tier(resource: Resource, tiers: tuple[str, ...]) -> bool:
    """Return whether the SKU of a resource is one of the tiers."""
    return any(same(resource.get("sku.name"), tier) for tier in tiers)


def find(index: Index, id: str, type: str) -> Resource:
    """Return a resource that another one names. Raise Unread with the reason why the list of its type was not read."""
    try:
        return index.find(id)
    except Unread as missing:
        raise index.of_type(type)[1] or missing from None


# Network


def by_perimeter(resource: Resource) -> bool:
    """Return whether the rules of a perimeter alone may allow callers: publicNetworkAccess is not Enabled.

    In Learning mode they do so behind Disabled too: private-link/network-security-perimeter-transition.
    """
    return not same(resource.get("properties.publicNetworkAccess"), "Enabled")


def secured_by_perimeter(resource: Resource) -> bool:
    """Return whether a perimeter controls access to a resource."""
    return same(resource.get("properties.publicNetworkAccess"), "SecuredByPerimeter")


def rules_count(resource: Resource, subnet: str, public: str = "properties.publicNetworkAccess") -> bool:
    """Return whether firewall rules may allow callers.

    They allow no one inside a virtual network (a subnet at the path `subnet`), or with public network access disabled.
    """
    return not injection_subnet(resource, subnet) and not same(resource.get(public), "Disabled")


def network_acls(name: str, source: str, configurations: Read | None = None) -> Firewall:
    """Return the firewall row of a service whose rules are in `networkAcls`. Without any it allows every network."""
    return Firewall(
        empty="closed",
        source=source,
        name=name,
        absent="enabled",
        default="properties.networkAcls.defaultAction",
        default_absent="allow",
        acl="properties.networkAcls",
        addresses=(RuleList("properties.networkAcls.ipRules", address="value"),),
        subnets=(RuleList("properties.networkAcls.virtualNetworkRules", id="id"),),
        bypass="properties.networkAcls.bypass",
        configurations=configurations,
    )


def private_only(hop: Hop, *seen: Evidence) -> Lock:
    """Return the network lock of an endpoint without a public address, because of what `hop` says."""
    inside = grant(Reach.private, *seen)
    return replace(inside, hops=(source_hop(inside), hop))


def perhaps_private(usual: Lock, missing: Unread, *seen: Evidence) -> Lock:
    """Return the network lock of an endpoint of which it is not known whether it has a public address, as `usual`."""
    return as_possible(usual, missing) | possible(Reach.private, missing, *seen)


def in_subnet(resource: Resource, index: Index, path: str) -> Lock:
    """Return the network lock of an endpoint that has an address in the subnet at a path, and no other."""
    subnet = injection_subnet(resource, path)
    if not subnet:
        value = resource.get(path)
        missing = not_returned(path) if is_absent(value) else unknown_value(path, value)
        seen = resource.evidence(path, Message("a subnet"))
        return possible(Reach.selected, missing, seen, hops=(Hop("subnet", "Subnet", missing.why, allows=None),))
    inside = Lock(grants_from_ids(resource, index, path, (subnet,), Message("a subnet")))
    hop = Hop("subnet", subnet_name(subnet), Message("inside a virtual network"), subnet)
    return replace(inside, hops=(source_hop(inside), hop))


def perhaps_off(reach: Lock, on: Lock, level: Level, what: str) -> Lock:
    """Return the network lock of a service with a switch of its own, `on`; `level` if the switch is not known."""
    if not on.possible_grants:
        return reach
    unclear = on.possible_grants[0]
    hop = Hop("switch", what, unclear.missing.why, allows=None)
    return possible(level, unclear.missing, *unclear.evidence, hops=(*reach.hops, hop))


# What is stopped (decision 0048)

STOPPED = Message("stopped: would be reachable when started, so it is rated one step lower")
NOT_FORWARDING = Message("it is stopped, and forwards nothing")
"""Why a rule on what a gateway or a CDN endpoint forwards does not apply."""


def when_started(exposure: Exposure, *seen: Evidence) -> Exposure:
    """Return the exposure of an endpoint whose resource is stopped, as `seen` shows: as it is set, one step lower."""
    if exposure.disabled_reason:
        return exposure
    reach = replace(exposure.reach, grants=tuple(each.with_evidence(seen) for each in exposure.reach.grants))
    return replace(
        exposure,
        reach=reach,
        stopped=True,
        severity_steps_down=exposure.severity_steps_down + 1,
        justification=joined("; ", (exposure.justification, STOPPED)),
    )


def unless_running(exposure: Exposure, resource: Resource, path: str) -> Exposure:
    """Return the exposure of an endpoint, by the state of its resource at a path."""
    stopped = same(resource.get(path), "Stopped")
    return when_started(exposure, resource.evidence(path)) if stopped else exposure


# Authentication

DISABLE_LOCAL_AUTH = "properties.disableLocalAuth"


def local_auth(kind: ResourceType, source: str, message: Message) -> Switch:
    """Return the switch `disableLocalAuth` of a type that accepts keys where the switch is absent, as `source` states."""
    return kind.local_auth(DISABLE_LOCAL_AUTH, off=(True,), on=(False,), absent=False, source=source, message=message)


def moved(resource: Resource, tiers: tuple[str, ...], move: Message, impact: Message = NOTHING) -> dict[str, Fix]:
    """Return the steps that close the network of a resource in a tier without a firewall; {} in another tier."""
    return {"network": Fix(steps=(move,), tier=True, impact=impact)} if in_tier(resource, tiers) else {}
