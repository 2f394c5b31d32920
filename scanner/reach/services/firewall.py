"""The network lock of a platform service, by its `Firewall` row. Rule files import from here.

Order from outside: injection into a virtual network (the resource has no public side then), the public switch, a
network security perimeter, the service's own rules. Private endpoints are access of their own.
"""

from msgspec import Struct

from scanner.model.exposure import Grant, Hop, Lock, PossibleGrant, Reach, possible
from scanner.model.fix import Cause
from scanner.model.ids import subnet_name, subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.verdict import NOT_READ, Evidence, Unread, not_a_list, not_returned, unknown_value
from scanner.reach.rules.sources import as_possible, grants_from_ids, source_hop
from scanner.reach.services.firewall_row import Firewall, RuleList
from scanner.reach.services.firewall_rules import (
    FirewallReading,
    allows,
    bypass_values,
    default_action,
    entries_of,
    entry_cause,
    rules_lock,
    text_member,
    trusted_access,
    unknown_bypass,
)
from scanner.reach.services.perimeters import CONFIGURATIONS, Perimeters, perimeters
from scanner.reach.services.private_endpoints import private_endpoints
from scanner.reach.services.public_switch import PublicSwitch, public_switch


def firewall(
    resource: Resource, index: Index, row: Firewall, rules: Lock | None = None, groups: tuple[str, ...] = ()
) -> Lock:
    """Return the network lock of a resource: grants, possible grants, hops from the source on, and identity-based
    access.

    `rules` replaces what the row's lists say, for a service whose rules are richer (see `restrictions`). `groups`: the
    sub-resources to which a private endpoint must lead, of a resource with several; () counts all of its endpoints.
    """
    if resource.has_no_properties:
        hop = Hop("switch", Message("Public network access"), resource.why_absent_is_unknown, allows=None)
        return possible(Reach.internet, Unread("properties", resource.why_absent_is_unknown), hops=(hop,))
    injected = _injected(resource, index, row)
    if injected is not None:
        return injected
    reading = FirewallReading(resource, index, row)
    reading.find_holder()
    private = private_endpoints(resource, index, row.endpoints)
    switch = public_switch(reading, private)
    # Any private endpoint turns an automatic switch; only those of its own groups lead to the endpoint.
    private = private_endpoints(resource, index, row.endpoints, groups) if groups else private
    direct = _direct(reading, switch, rules)
    around = perimeters(resource, index, row.configurations)
    public = _with_perimeters(reading, switch, direct, around)
    hops = (*_switch_hop(row, switch, around, public), *_perimeter_hops(around), *public.hops, *private.hops)
    grants, possible_grants = (
        public.grants + private.grants,
        public.possible_grants + private.possible_grants + _maybe_injected(resource, row),
    )
    if not grants and not possible_grants:
        grants = (Grant(Reach.none, _closing(reading, switch, around)),)
    admits = () if public.widest is not None and public.widest.level == Reach.internet else public.admits
    return Lock(grants, possible_grants, (source_hop(public), *hops), admits)


def _closing(reading: FirewallReading, switch: PublicSwitch, around: Perimeters) -> tuple[Evidence, ...]:
    """Return the evidence that closes a resource without any grant."""
    enforced = tuple(perimeter.evidence for perimeter in around.perimeters if perimeter.decides)
    facts = enforced or (*switch.seen, *reading.facts)
    blind = switch.state != "enabled" and not around.perimeters and not around.complete and reading.index.live
    return (*facts, Evidence(Message("perimeters outside the scanned scope"), NOT_READ)) if blind else facts


class AllowedSubnets(Struct, frozen=True):
    """The subnets that a resource's own rules allow, by id ("" where an entry names none), and what may be missing."""

    path: str
    ids: tuple[str, ...] = ()
    missing: Unread | None = None
    not_used: Message = NOTHING
    """Why such rules decide nothing; "" where they do."""
    causes: tuple[Cause, ...] = ()
    """The entries that allow them, in the same order."""


def allowed_subnets(resource: Resource, index: Index, row: Firewall) -> AllowedSubnets:
    """Return the subnets that the resource's rules for virtual networks allow, where its other locks leave it to
    them.
    """
    path = next(iter(row.subnets)).name
    if resource.has_no_properties:
        return AllowedSubnets(path, missing=Unread("properties", resource.why_absent_is_unknown))
    reading = FirewallReading(resource, index, row)
    reading.find_holder()
    not_used = _why_rules_not_used(reading)
    if not_used:
        return AllowedSubnets(path, not_used=not_used)
    if reading.holder_gap is not None:
        return AllowedSubnets(path, missing=reading.holder_gap)
    holder = reading.holder or resource
    if holder.has_no_properties:
        return AllowedSubnets(path, missing=Unread("properties", holder.why_absent_is_unknown))
    read = [(rules, *entries_of(reading, rules)) for rules in row.subnets]
    ids = tuple(text_member(entry, rules.id) for rules, entries, _ in read for entry in entries)
    causes = tuple(
        entry_cause(reading, rules, entry, position, rules.id)
        for rules, entries, _ in read
        for position, entry in enumerate(entries)
    )
    missing = next((gap for _, _, gap in read if gap is not None), None)
    malformed = missing is not None and missing.why == not_a_list(path).why
    if not ids and not malformed and default_action(reading)[0] and not holder.api_version_unknown:
        return AllowedSubnets(path, not_used=Message("it allows every network and names none"))
    # A rule set that allows every network is known to name no subnets without a list; any other needs its list.
    absent = reading.holder is not None and any(
        rules.child is None and not isinstance(reading.holder.get(rules.path), list) for rules in row.subnets
    )
    if absent and missing is None:
        missing = not_returned(path)
    return AllowedSubnets(path, ids, missing, causes=causes)


def why_rules_not_used(resource: Resource, index: Index, row: Firewall) -> Message:
    """Return why no rule of the resource's own allows a caller; "" where one may."""
    reading = FirewallReading(resource, index, row)
    reading.find_holder()
    return _why_rules_not_used(reading)


def _why_rules_not_used(reading: FirewallReading) -> Message:
    resource, row = reading.resource, reading.row
    switch = public_switch(reading, private_endpoints(resource, reading.index, row.endpoints))
    if switch.state != "enabled" and switch.possible is None:
        return Message("its public network access is disabled, so its rules allow no one")
    sku, lacking, _ = row.sku_without_network_rules
    if sku and any(same(resource.get(sku), each) for each in lacking):
        return Message("this tier does not support virtual network rules")
    if any(each.decides for each in perimeters(resource, reading.index, row.configurations).perimeters):
        return Message("its network security perimeter replaces them")
    return NOTHING


def injection_subnet(resource: Resource, path: str) -> str:
    """Return the id of the subnet that a path, or the object there, names; "" where it names none."""
    value = resource.get(path)
    subnet = get_path(value, "id") if isinstance(value, dict) else value
    return subnet if isinstance(subnet, str) and subscription_of(subnet) else ""


def _injected(resource: Resource, index: Index, row: Firewall) -> Lock | None:
    for path in row.injected:
        subnet = injection_subnet(resource, path)
        if subnet:
            ways = grants_from_ids(resource, index, path, (subnet,), Message("a subnet"))
            hop = Hop("subnet", subnet_name(subnet), Message("inside a virtual network"), subnet)
            return Lock(ways, hops=(source_hop(Lock(ways)), hop))
    return None


def _maybe_injected(resource: Resource, row: Firewall) -> tuple[PossibleGrant, ...]:
    """Return a possible grant for each path that does not say whether the resource is in a virtual network."""
    possible_grants = []
    for path in row.injected:
        value = resource.get(path)
        if is_absent(value):
            if resource.api_version_unknown:
                why = Message("missing from a record of unknown API version")
                possible_grants.append(PossibleGrant(Reach.private, Unread(path, why)))
        elif not injection_subnet(resource, path) and value != "":
            possible_grants.append(PossibleGrant(Reach.private, unknown_value(path, value)))
    return tuple(possible_grants)


def _direct(reading: FirewallReading, switch: PublicSwitch, rules: Lock | None) -> Lock:
    """Return the lock that the switch and the rules of the resource itself set."""
    if switch.state == "secured" and switch.possible is None:
        # private-link/network-security-perimeter-transition: SecuredByPerimeter refuses trusted services too.
        return Lock()
    if switch.state != "enabled" and switch.possible is None:
        return Lock(possible_grants=unknown_bypass(reading), admits=trusted_access(reading))
    lock = rules if rules is not None else rules_lock(reading)
    lock |= Lock(possible_grants=unknown_bypass(reading))
    public = reading.row.public
    off = Cause(reading.resource.id, public, value=reading.row.disabled[0]) if public else None
    ways = tuple(grant.with_evidence(switch.seen, off) for grant in lock.grants if grant.level)
    reading.facts += [fact for grant in lock.grants if not grant.level for fact in grant.evidence]
    lock = Lock(ways, lock.possible_grants, lock.hops, lock.admits or trusted_access(reading))
    if switch.possible is None:
        return lock
    unknown = (PossibleGrant(Reach.internet, switch.possible, switch.seen),) if switch.unknown else ()
    return as_possible(lock, switch.possible) | Lock(possible_grants=unknown)


def _with_perimeters(reading: FirewallReading, switch: PublicSwitch, direct: Lock, around: Perimeters) -> Lock:
    admitted = Lock()
    for perimeter in around.perimeters:
        admitted |= perimeter.allowed
    if any(perimeter.decides for perimeter in around.perimeters):
        return Lock(admitted.grants, admitted.possible_grants)
    not_applied = next((each.not_applied for each in around.perimeters if each.enforced and each.not_applied), None)
    if not_applied is not None:
        direct = as_possible(direct, not_applied)
    public = Lock(
        direct.grants + admitted.grants, direct.possible_grants + admitted.possible_grants, direct.hops, direct.admits
    )
    missing = _unseen(reading, switch, around)
    return public if missing is None else public | Lock(possible_grants=(PossibleGrant(Reach.internet, missing),))


def _unseen(reading: FirewallReading, switch: PublicSwitch, around: Perimeters) -> Unread | None:
    """Return why a perimeter that was not read may allow callers.

    One outside the scanned scope may: behind SecuredByPerimeter always, unless the resource's own configurations were
    read; behind Disabled where that read was refused. Without such a read, behind Disabled it is evidence (`_closing`).
    """
    refused = around.read_error if around.read_error is not None and around.read_error.gap else None
    outside = switch.state == "secured" or (switch.state == "disabled" and refused is not None)
    if not outside or around.perimeters or around.complete or not reading.index.live:
        return around.missing
    why = Message("a perimeter outside the scanned scope is not visible to this scan")
    return refused or around.missing or around.read_error or Unread(CONFIGURATIONS, why)


def _switch_hop(row: Firewall, switch: PublicSwitch, around: Perimeters, public: Lock) -> tuple[Hop, ...]:
    if not row.public:
        return ()
    detail = switch.detail
    if around.perimeters and (public.grants or public.possible_grants):
        return (
            Hop(
                "switch",
                Message("Public network access"),
                Message("{detail}; the perimeter allows access", detail=detail),
                allows=True,
            ),
        )
    if switch.possible is not None:
        return (Hop("switch", Message("Public network access"), detail, allows=None),)
    return (Hop("switch", Message("Public network access"), detail, allows=switch.state == "enabled"),)


def _perimeter_hops(around: Perimeters) -> tuple[Hop, ...]:
    hops = [
        Hop(
            "perimeter",
            perimeter.name,
            Message(
                "{mode}, access rules: {count}", mode=perimeter.mode or Message("unknown mode"), count=perimeter.count
            ),
            perimeter.id,
            allows(perimeter.allowed, otherwise=not perimeter.decides),
        )
        for perimeter in around.perimeters
    ]
    if around.missing is not None:
        hops.append(Hop("perimeter", Message("Network security perimeter"), around.missing.why, allows=None))
    return tuple(hops)


# Rule files import from here only.
__all__ = [
    "AllowedSubnets",
    "Firewall",
    "RuleList",
    "allowed_subnets",
    "bypass_values",
    "firewall",
    "injection_subnet",
    "private_endpoints",
    "why_rules_not_used",
]
