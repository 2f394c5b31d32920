"""Reach queries: can this caller connect to that endpoint? Yes, no or not known, with the rule that decides at each
lock.

Pure: exposures, paths and a caller in, answers out. The results of exposure functions and of the filter chain are asked
for one caller; no rule is evaluated a second time.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from scanner.model.addresses import NO_ADDRESSES, AddressSet, union
from scanner.model.exposure import REACH_DESCRIPTIONS, Exposure, Grant, Hop, Lock, PossibleGrant, Reach
from scanner.model.index import Index
from scanner.model.json_paths import text_at
from scanner.model.message import Message, listed
from scanner.model.resource import Resource
from scanner.model.resource_type import NO_PORT, ResourceType
from scanner.model.verdict import Unread
from scanner.reach.paths.topology import topology
from scanner.reach.questions.answers import (
    ReachAnswer,
    ReachVerdict,
    SenderAnswer,
    authentication_text,
    can_open,
    cannot_open,
    combined,
    endpoint_text,
    next_step,
    overlap_can_open,
    unread_text,
    unseen_text,
)
from scanner.reach.questions.callers import Caller
from scanner.reach.questions.port_query import AskedPort
from scanner.reach.questions.service_query import TENANTS, AskedService, ask_service


def ask_endpoint(
    exposure: Exposure,
    top: Resource,
    caller: Caller,
    index: Index,
    kind: ResourceType | None = None,
    asked: AskedPort | None = None,
) -> ReachAnswer:
    """Return the answer for an endpoint by its exposure.

    `kind`: its type, which says its port; `asked`: the port of the query, where it names one.
    """
    endpoint = endpoint_text(exposure.endpoint, top)
    if exposure.disabled_reason:
        return ReachAnswer(
            "no", cannot_open(caller, endpoint), (Hop("off", "disabled", exposure.disabled_reason, allows=False),)
        )
    if caller.in_network:
        ports = kind.ports_of(exposure) if kind is not None else NO_PORT
        names = frozenset(each.partition("/")[0].lower() for each in kind.endpoint_names) if kind else frozenset[str]()
        service = AskedService(exposure, top, ports, names, asked)
        sender_answer = combined(caller, lambda one: _ask_inside(service, one, index))
    else:
        sender_answer = _ask_outside(exposure, caller)
    if sender_answer.verdict == "yes":
        endpoint = endpoint_text(exposure.endpoint, top, opens=True)
        return ReachAnswer("yes", f"{can_open(caller, endpoint)}; {authentication_text(exposure)}", sender_answer.hops)
    if sender_answer.verdict == "in part":
        return ReachAnswer(
            "in part", overlap_can_open(listed(sender_answer.overlap.describe(3)), caller, endpoint), sender_answer.hops
        )
    if sender_answer.verdict == "not known":
        assert sender_answer.missing is not None
        step = next_step(sender_answer.missing, caller)
        return ReachAnswer("not known", unread_text(sender_answer.missing, top), sender_answer.hops, next_step=step)
    more = _others(exposure.reach, caller) + unseen_text([exposure], caller)
    return ReachAnswer("no", cannot_open(caller, endpoint) + more, sender_answer.hops)


def _ask_inside(service: AskedService, caller: Caller, index: Index) -> SenderAnswer:
    """Return the answer for one sender in a virtual network."""
    sender_answer, grant = ask_service(service, caller, topology(index))
    lock = service.exposure.reach
    return sender_answer._replace(
        hops=sender_answer.hops or tuple(_hops(lock, sender_answer.verdict, grant, sender_answer.missing, caller))
    )


def _ask_outside(exposure: Exposure, caller: Caller) -> SenderAnswer:
    verdict, grant, missing = _decided(exposure.reach, caller)
    if verdict == "no" and exposure.further_rules is not None:
        verdict, missing = "not known", exposure.further_rules
    hops = tuple(_hops(exposure.reach, verdict, grant, missing, caller))
    overlap = union(_common(each, caller) for each in exposure.reach.grants) if verdict == "in part" else NO_ADDRESSES
    return SenderAnswer(verdict, hops, missing, overlap)


def _others(lock: Lock, caller: Caller) -> str:
    """Return who can connect, where the query was about the whole internet."""
    if not caller.is_internet:
        return ""
    names = {**REACH_DESCRIPTIONS, Reach.private: "private networks"}
    matches = [each.description or names[Reach(each.level)] for each in lock.grants if each.level > Reach.none]
    matches = ["Azure tenants" if each == TENANTS else each for each in matches]
    return f"; only {listed(list(dict.fromkeys(matches)))} can" if matches else ""


def _decided(lock: Lock, caller: Caller) -> tuple[ReachVerdict, Grant | None, Unread | None]:
    """Return the verdict for an outside caller, the grant that allows it, and why it is not known."""
    maybe: Grant | None = None
    for grant in sorted(lock.grants, key=lambda each: -each.level):
        fits = _fits(grant, caller)
        if fits:
            return "yes", grant, None
        maybe = maybe or (grant if fits is None else None)
    partial = next((each for each in lock.grants if each.addresses and _common(each, caller)), None)
    if partial is not None:
        whole = union(_common(each, caller) for each in lock.grants)
        return ("yes" if whole.covers(caller.addresses or NO_ADDRESSES) else "in part"), partial, None
    for possible in lock.possible_grants:
        if _matters(possible, caller):
            return "not known", None, possible.missing
    if maybe is not None:
        return "not known", maybe, _undecided(maybe, caller)
    return "no", None, None


def _common(grant: Grant, caller: Caller) -> AddressSet:
    """Return the addresses of the caller that a grant allows by address."""
    return grant.addresses & caller.addresses if grant.addresses and caller.addresses else NO_ADDRESSES


def _undecided(grant: Grant, caller: Caller) -> Unread:
    if grant.description == TENANTS:
        return Unread(f"whether {caller.name} has an Azure address", Message("any Azure tenant is allowed"))
    description = grant.description or "this source"
    return Unread(f"whether {caller.name} belongs to {description}", Message("its addresses are known only to Azure"))


def _fits(grant: Grant, caller: Caller) -> bool | None:
    """Return whether a grant allows an outside caller; None where that cannot be known."""
    level = grant.level
    if level == Reach.none:
        return False
    if level == Reach.internet and grant.addresses is None:
        return True
    if caller.is_internet:
        return level == Reach.internet
    if grant.addresses is not None:
        return grant.addresses.covers(caller.addresses) if caller.addresses else False
    if grant.ids:
        return False
    return None if level == Reach.azure else False


def _matters(possible: PossibleGrant, caller: Caller) -> bool:
    """Return whether a possible grant could allow an outside caller."""
    if caller.is_internet:
        return possible.level == Reach.internet
    if possible.addresses is not None:
        return not caller.addresses or bool(possible.addresses & caller.addresses)
    return possible.level >= Reach.wide


def _hops(
    lock: Lock, verdict: ReachVerdict, grant: Grant | None, missing: Unread | None, caller: Caller
) -> Iterable[Hop]:
    """Return the hops for this caller, up to the lock that blocks."""
    by_id = grant is not None and bool(grant.ids)
    decided = False
    for each in lock.hops:
        hop = each
        if hop.kind == "source" or (hop.kind == "private-endpoint" and not by_id):
            continue
        if hop.kind in ("firewall", "perimeter") and not (verdict == "not known" and decided):
            hop = _lock(hop, lock, verdict, grant, missing, caller)
        decided = decided or hop.allows is not True
        yield hop
        if hop.allows is False and verdict == "no":
            return
    if verdict == "no" and not decided:
        yield Hop("firewall", "network rules", Message("no rule allows {name}", name=caller.name), allows=False)
    if verdict == "not known" and not decided and missing is not None:
        yield Hop("firewall", "network rules", missing.why, allows=None)


def _lock(
    hop: Hop, lock: Lock, verdict: ReachVerdict, grant: Grant | None, missing: Unread | None, caller: Caller
) -> Hop:
    if verdict in ("yes", "in part") and grant is not None:
        if hop.kind == "perimeter" and not hop.allows:
            return hop
        return replace(hop, detail=_which(grant, caller) or hop.detail, allows=True)
    if verdict == "no":
        if hop.allows is None:
            return hop
        if caller.is_internet and hop.allows:
            return replace(
                hop, detail=f"only {hop.detail.removesuffix(' only').replace(TENANTS, 'Azure tenants')}", allows=False
            )
        return replace(hop, detail=_none_of(lock, caller) or hop.detail, allows=False)
    return replace(hop, detail=missing.why if missing is not None else hop.detail, allows=None)


def _which(grant: Grant, caller: Caller) -> str:
    """Return the rule that allows an address."""
    if not caller.addresses or not grant.rules:
        return grant.description
    for rule, addresses in grant.rules:
        if addresses.covers(caller.addresses):
            name = text_at(rule, "name") if isinstance(rule, dict) else ""
            return f"{name}: {listed(addresses.describe(3))}" if name else listed(addresses.describe(3))
    if not grant.addresses or not grant.addresses.covers(caller.addresses):
        return listed(_common(grant, caller).describe(3))
    return f"{len(grant.rules):,} rules together include {caller.name}"


def _none_of(lock: Lock, caller: Caller) -> str:
    """Return what the rules allow in place of the caller."""
    if caller.is_internet:
        return ""
    rules = sum(len(grant.rules) for grant in lock.grants)
    sets = [grant.addresses for grant in lock.grants if grant.addresses is not None]
    size = sum(each.size(4) for each in sets)
    if not sets:
        return f"no rule for {caller.name}" if lock.grants and lock.widest and lock.widest.level > Reach.none else ""
    counted = f"{rules:,} {'rule' if rules == 1 else 'rules'}, " if rules else ""
    many = f"{size:,} {'address' if size == 1 else 'addresses'}"
    if caller.addresses and any(each & caller.addresses for each in sets):
        return f"{counted}{many}; they include only part of {caller.name}"
    return f"{counted}{many}; none is {caller.name}"
