"""Reach queries: can this caller connect to that endpoint? Yes, no or not known, with the rule that decides at each
lock.

Pure: exposures, paths and a caller in, answers out. The results of exposure functions and of the filter chain are asked
for one caller; no rule is evaluated a second time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from scanner.model.addresses import NO_ADDRESSES, AddressSet, union
from scanner.model.exposure import REACH_DESCRIPTIONS, Exposure, Grant, Hop, Lock, PossibleGrant, Reach
from scanner.model.ids import type_of
from scanner.model.index import Index
from scanner.model.json_paths import text_at
from scanner.model.resource import Resource
from scanner.model.verdict import Unread
from scanner.reach.answers import (
    ReachAnswer,
    ReachVerdict,
    authentication_text,
    can_open,
    cannot_open,
    part_can_open,
    place_text,
    unread_text,
    unseen_text,
)
from scanner.reach.callers import Caller
from scanner.reach.networks import key_of, network_of
from scanner.reach.sources import join_with_and

_ENDPOINT: Final = "microsoft.network/privateendpoints"

TENANTS: Final = "any Azure tenant"


def ask_endpoint(exposure: Exposure, top: Resource, caller: Caller, index: Index) -> ReachAnswer:
    """Return the answer for an endpoint by its exposure."""
    place = place_text(exposure.endpoint, top)
    if exposure.disabled_reason:
        return ReachAnswer(
            "no", cannot_open(caller, place), (Hop("off", "disabled", exposure.disabled_reason, allows=False),)
        )
    verdict, grant, missing = _decided(exposure.reach, caller, index)
    hops = tuple(_hops(exposure.reach, verdict, grant, missing, caller))
    if verdict == "yes":
        place = place_text(exposure.endpoint, top, opens=True)
        return ReachAnswer("yes", f"{can_open(caller, place)}; {authentication_text(exposure)}", hops)
    if verdict == "in part":
        parts = join_with_and(union(_common(each, caller) for each in exposure.reach.grants).describe(3))
        return ReachAnswer("in part", part_can_open(parts, caller, place), hops)
    if verdict == "not known":
        assert missing is not None
        return ReachAnswer(verdict, unread_text(missing, top), hops)
    return ReachAnswer(
        "no", cannot_open(caller, place) + _others(exposure.reach, caller) + unseen_text([exposure], caller), hops
    )


def _others(lock: Lock, caller: Caller) -> str:
    """Return who can connect, where the query was about the whole internet."""
    if not caller.is_internet:
        return ""
    names = {**REACH_DESCRIPTIONS, Reach.private: "private networks"}
    found = [each.description or names[Reach(each.level)] for each in lock.grants if each.level > Reach.none]
    found = ["Azure tenants" if each == TENANTS else each for each in found]
    return f"; only {join_with_and(list(dict.fromkeys(found)))} can" if found else ""


def _decided(lock: Lock, caller: Caller, index: Index) -> tuple[ReachVerdict, Grant | None, Unread | None]:
    """Return the verdict, the grant that allows the caller, and why it is not known."""
    maybe: Grant | None = None
    for grant in sorted(lock.grants, key=lambda each: -each.level):
        fits = _fits(grant, caller, index, injected=_injected(lock))
        if fits:
            return "yes", grant, None
        maybe = maybe or (grant if fits is None else None)
    part = next((each for each in lock.grants if each.addresses and _common(each, caller)), None)
    if part is not None and caller.in_network:
        missing = Unread(f"the outbound address of {caller.name}", "only some of its addresses are allowed")
        return "not known", part, missing
    if part is not None:
        whole = union(_common(each, caller) for each in lock.grants)
        return ("yes" if whole.covers(caller.addresses or NO_ADDRESSES) else "in part"), part, None
    for possible in lock.possible_grants:
        if _matters(possible, caller, index):
            return "not known", None, possible.missing
    if maybe is not None:
        return "not known", maybe, _undecided(maybe, caller)
    return "no", None, None


def _common(grant: Grant, caller: Caller) -> AddressSet:
    """Return the addresses of the caller that a grant allows by address."""
    return grant.addresses & caller.addresses if grant.addresses and caller.addresses else NO_ADDRESSES


def _injected(lock: Lock) -> bool:
    return any(hop.kind == "subnet" for hop in lock.hops)


def _undecided(grant: Grant, caller: Caller) -> Unread:
    if caller.in_network and not caller.addresses:
        return Unread(f"the outbound address of {caller.name}", caller.why_no_address or "it has no own public address")
    if grant.description == TENANTS:
        return Unread(f"whether {caller.name} has an Azure address", "any Azure tenant is allowed")
    description = grant.description or "this source"
    return Unread(f"whether {caller.name} belongs to {description}", "its addresses are known only to Azure")


def _fits(grant: Grant, caller: Caller, index: Index, *, injected: bool = False) -> bool | None:
    """Return whether a grant allows the caller; None where that cannot be known."""
    level = grant.level
    if level == Reach.none:
        return False
    if level == Reach.internet and grant.addresses is None:
        return True
    if caller.is_internet:
        return level == Reach.internet
    if grant.addresses is not None:
        if caller.addresses:
            return grant.addresses.covers(caller.addresses)
        return None if caller.in_network else False
    if grant.ids:
        return caller.in_network and any(_is_at(each, caller, index, injected) for each in grant.ids)
    if level == Reach.azure:
        return True if caller.in_network and grant.description == TENANTS else None
    return None if caller.in_network else False


def _is_at(id: str, caller: Caller, index: Index, injected: bool) -> bool:
    """Return whether the caller is in that subnet, or can use that private endpoint from its network or a peered
    one.
    """
    key = key_of(id)
    if type_of(id).lower() == _ENDPOINT:
        found = index.resources.get(key)
        subnet = found.get("properties.subnet.id") if found is not None else ""
        return isinstance(subnet, str) and network_of(key_of(subnet)) in caller.networks
    return network_of(key) in caller.networks if injected else key in caller.subnets


def _matters(possible: PossibleGrant, caller: Caller, index: Index) -> bool:
    """Return whether a possible grant could allow the caller."""
    if caller.is_internet:
        return possible.level == Reach.internet
    if possible.addresses is not None:
        return not caller.addresses or possible.addresses.covers(caller.addresses)
    if possible.level >= Reach.wide:
        return True
    if possible.ids:
        return caller.in_network and any(_is_at(each, caller, index, True) for each in possible.ids)
    return caller.in_network and possible.level > Reach.none


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
        if by_id and hop.kind in ("switch", "firewall", "perimeter") and _ENDPOINT in str(grant and grant.ids).lower():
            continue
        if hop.kind in ("firewall", "perimeter") and not (verdict == "not known" and decided):
            hop = _lock(hop, lock, verdict, grant, missing, caller)
        decided = decided or hop.allows is not True
        yield hop
        if hop.allows is False and verdict == "no":
            return
    if verdict == "no" and not decided:
        yield Hop("firewall", "network rules", f"no rule allows {caller.name}", allows=False)
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
            return f"{name}: {join_with_and(addresses.describe(3))}" if name else join_with_and(addresses.describe(3))
    if not grant.addresses or not grant.addresses.covers(caller.addresses):
        return join_with_and(_common(grant, caller).describe(3))
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
