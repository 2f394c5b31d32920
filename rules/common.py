"""What rule files share: names of frameworks, and the rows that many types have."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, same
from scanner.model.resource import Resource
from scanner.model.rule import Controls, Fix, Read, ResourceType, judge_value
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unknown,
    Unread,
    Verdict,
    absent_at_unknown_version,
    not_returned_or_unknown,
    unknown,
)
from scanner.reach.firewall import AllowedSubnets, Firewall, allowed_subnets
from scanner.reach.perimeters import perimeters
from scanner.reach.sources import in_own_tenant

CIS = "CIS Azure 6.0.0"
MCSB = "MCSB v1"
NIST = "NIST 800-53 r5"
ISO = "ISO 27001:2022"
NSM = "NSM 2.0"

NETWORK: Controls = {MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)}
"""What a network rule of a platform service answers to, where no framework has a control of its own for it."""

SETTLED = ("Approved", "Rejected", "Disconnected")
"""What a private endpoint connection can be besides Pending: private-link/manage-private-endpoint."""

LEARN = "https://learn.microsoft.com/azure"


def host(resource: Resource, path: str) -> str:
    """The host of an address that the resource names, "" where it names none."""
    value = resource.get(path)
    return value.split("://", 1)[-1].split("/", 1)[0].split(":", 1)[0] if isinstance(value, str) else ""


def by_perimeter(resource: Resource) -> bool:
    """Whether a perimeter may decide over a resource: its public switch says so, or says nothing that is known."""
    value = resource.get("properties.publicNetworkAccess")
    return not same(value, "Enabled") and not same(value, "Disabled")


def pending_private_endpoint(
    kind: ResourceType, id: str, what: str, path: str = "properties.privateEndpointConnections"
) -> None:
    """The rule for private endpoints that wait for approval; `what` with its article ("the vault")."""

    @kind.rule(
        id,
        "network",
        f"Somebody waits for approval of a private endpoint to {what}",
        severity="low",
        why=f"Whoever approves the request lets the asker's network into {what}, past its firewall. "
        "A request that nobody knows should be rejected, and one that waits closes nothing.",
        fix=Fix(
            az="az network private-endpoint-connection list --id {id}",
            breaks="Nothing: the command lists the requests. Reject what nobody asked for.",
            portal="Networking > Private endpoint connections",
        ),
        controls=NETWORK,
        references=(f"{LEARN}/private-link/manage-private-endpoint",),
    )
    def pending(resource: Resource, index: Index) -> Verdict:
        if resource.api_version_unknown and resource.get(path) in (MISSING, None):
            return unknown(absent_at_unknown_version(path))
        connections = resource.items(path)
        if not connections:
            return NotApplicable("it has no private endpoint connection")
        state = "properties.privateLinkServiceConnectionState.status"
        waiting = [each for each in connections if same(get_path(each, state), "Pending")]
        if waiting:
            names = [str(get_path(each, "id") or get_path(each, "name")) for each in waiting]
            return Fail((Evidence(f"{path}[].{state}", names, "no connection that is Pending"),))
        if any(not any(same(get_path(each, state), known) for known in SETTLED) for each in connections):
            return unknown(not_returned_or_unknown(f"{path}[].{state}"))
        return Pass((Evidence(f"{path}[].{state}", [get_path(each, state) for each in connections]),))


def strange_private_endpoint(
    kind: ResourceType, id: str, what: str, path: str = "properties.privateEndpointConnections"
) -> None:
    """The rule for approved private endpoints of subscriptions that are not ours; `what` with its article."""

    @kind.rule(
        id,
        "network",
        f"A private endpoint to {what} stands in a subscription that is not yours",
        severity="medium",
        why="Private is who governs the network at the other end. An endpoint that was approved from a subscription that cannot be seen here "
        f"lets a network of somebody else into {what}, past its firewall and without a public address.",
        fix=Fix(
            az="az network private-endpoint-connection list --id {id}",
            breaks="Nothing: the command lists the connections. Reject those that nobody can explain: their callers are cut off at once.",
            portal="Networking > Private endpoint connections",
            cost=2,
        ),
        controls=NETWORK,
        references=(f"{LEARN}/private-link/manage-private-endpoint",),
    )
    def strange(resource: Resource, index: Index) -> Verdict:
        if resource.api_version_unknown and resource.get(path) in (MISSING, None):
            return unknown(absent_at_unknown_version(path))
        state = "properties.privateLinkServiceConnectionState.status"
        rows = [
            (get_path(each, state), get_path(each, "properties.privateEndpoint.id")) for each in resource.items(path)
        ]
        approved = [target for status, target in rows if same(status, "Approved")]
        others = [
            each for each in approved if isinstance(each, str) and each and not in_own_tenant(resource, index, each)
        ]
        if others:
            return Fail((Evidence(f"{path}[].properties.privateEndpoint.id", others, "endpoints of the own tenant"),))
        undecided = [status for status, _ in rows if not any(same(status, each) for each in (*SETTLED, "Pending"))]
        if undecided or not all(isinstance(each, str) and each for each in approved):
            return unknown(Unread(path, "the answer did not hold who connects, or the state is not known"))
        if not approved:
            return NotApplicable("no private endpoint is approved")
        return Pass((Evidence(f"{path}[].properties.privateEndpoint.id", approved),))


def strange_subnet(
    kind: ResourceType,
    id: str,
    what: str,
    row: Firewall,
    remove: str,
    show: str,
    unless: Callable[[Resource], str | None] | None = None,
) -> None:
    """The rule for subnets of others in the rules of a firewall; `remove` and `show`: the az commands for its rules."""
    children = (row.holder, row.configurations, *(rules.child for rules in row.subnets))

    def read(resource: Resource, index: Index) -> AllowedSubnets:
        reason = unless(resource) if unless is not None else None
        return AllowedSubnets("", not_used=reason) if reason else allowed_subnets(resource, index, row)

    strange_subnets(kind, id, what, read, tuple(each for each in children if each is not None), remove, show)


def strange_subnets(
    kind: ResourceType,
    id: str,
    what: str,
    read: Callable[[Resource, Index], AllowedSubnets],
    reads: tuple[Read, ...],
    remove: str,
    show: str,
    portal: str = "Networking > Virtual networks",
) -> None:
    """The same where `read` says which subnets a resource lets in."""

    @kind.rule(
        id,
        "network",
        f"A rule of {what} lets in a subnet of a subscription that is not yours",
        severity="medium",
        why="Whoever governs the subscription decides which machines stand in the subnet. A rule for a subnet that cannot be seen here lets "
        f"a network of somebody else past the firewall of {what}; what is left is its sign-in, so it is never more than medium.",
        fix=Fix(
            az=remove,
            first_step=show,
            breaks="Callers in that subnet are cut off at once: ask first whose it is, and keep it where a contract says so.",
            portal=portal,
            cost=2,
        ),
        controls=NETWORK,
        reads=reads,
        references=(f"{LEARN}/virtual-network/virtual-network-service-endpoints-overview",),
    )
    def strange(resource: Resource, index: Index) -> Verdict:
        known = read(resource, index)
        path = f"{known.path}[]"
        if known.not_used:
            return NotApplicable(known.not_used)
        foreign = [each for each in known.ids if each and not in_own_tenant(resource, index, each)]
        if foreign:
            return Fail((Evidence(path, foreign, "subnets of the own tenant"),))
        if known.missing is not None:
            return unknown(known.missing)
        if not all(known.ids):
            return unknown(Unread(path, "the answer did not hold which subnet it is"))
        if not known.ids:
            return NotApplicable("it has no rule for a virtual network")
        return Pass((Evidence(path, list(known.ids)),))


def perimeter_only_learns(kind: ResourceType, id: str, what: str, configurations: Read | None = None) -> None:
    """The rule for a resource whose network security perimeter refuses nothing yet; `what` with its article."""

    @kind.rule(
        id,
        "network",
        f"The perimeter of {what} only learns and refuses nothing",
        severity="low",
        why="In learning mode a network security perimeter admits what its own rules name and, besides, all that the "
        f"firewall of {what} admits. Until it is enforced it only logs.",
        fix=Fix(
            az="az resource update --ids ASSOCIATION_ID --set properties.accessMode=Enforced",
            breaks="Callers that only the old firewall admits; read the perimeter's logs before enforcing it.",
            portal="Network security perimeters > Associated resources > Change access mode",
        ),
        controls=NETWORK,
        reads=() if configurations is None else (configurations,),
        references=(f"{LEARN}/private-link/network-security-perimeter-transition",),
    )
    def learning(resource: Resource, index: Index) -> Verdict:
        known = perimeters(resource, index, configurations)
        lax = [each for each in known.found if not each.enforced]
        if lax:
            seen = tuple(Evidence(f"{each.id} accessMode", each.mode, "Enforced") for each in lax)
            return Fail(seen)
        missing = known.missing or known.read_error
        if missing is not None:
            return unknown(missing)
        if not known.found:
            return NotApplicable("it is in no network security perimeter")
        return Pass(tuple(Evidence(f"{each.id} accessMode", each.mode, "Enforced") for each in known.found))


def judge_child(parent: Resource, child: Read, path: str, *, allowed: tuple[Any, ...], bad: tuple[Any, ...]) -> Verdict:
    """The verdict on one property of a single child by its known good and bad values; Unread where it was not read."""
    found = parent.child(child)
    if found is None:
        return unknown(Unread(child.path, "Azure says that there is none"))
    verdict = judge_value(found, path, allowed=allowed, bad=bad)
    if isinstance(verdict, NotApplicable):
        return verdict
    seen = tuple(Evidence(f"{child.path} {each.path}", each.value, each.expected) for each in verdict.evidence)
    return replace(verdict, evidence=seen)


def at_least(resource: Resource, path: str, least: int, where: str = "") -> Verdict:
    """The verdict on a number that must not be smaller; `where` opens the path in the evidence."""
    value = resource.require(path)
    seen = Evidence(f"{where} {path}".strip(), value, f"{least} or more")
    if isinstance(value, bool) or not isinstance(value, int):
        return Unknown(f"{seen.path}: its value {value!r} is not known", evidence=(seen,))
    return Pass((seen,)) if value >= least else Fail((seen,))
