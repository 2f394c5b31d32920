"""The grants that the source of a rule makes: addresses, subnets, private endpoints, subscriptions, service tags."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, cast

from scanner.model.addresses import PUBLIC_ADDRESSES, AddressSet, breadth
from scanner.model.exposure import Grant, Hop, Lock, PossibleGrant, Reach
from scanner.model.ids import name_of, subscription_of
from scanner.model.index import Index
from scanner.model.message import NOTHING, Message, Number, joined, listed, more
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Unread
from scanner.reach.rules.owners import by_whereabouts
from scanner.reach.rules.service_tags import ServiceTag, service_tag

_T = TypeVar("_T")

MAX_NAMED = 3
MAX_LISTED = 20
NO_EFFECT = Message("no effect: requests from private ranges do not arrive at a public address")


def grant_from_addresses(addresses: AddressSet, index: Index, *evidence: Evidence) -> Grant | None:
    """Return the grant of a union of addresses on a public firewall; None where it has no public address."""
    width = breadth(addresses, index.networks, index.wide_ipv4, index.wide_ipv6)
    public = addresses & PUBLIC_ADDRESSES
    if width == "none":
        return None
    if width == "own":
        description = Message(
            "the organisation's own networks ({max_named})", max_named=listed(public.describe(MAX_NAMED))
        )
        return Grant(Reach.selected, evidence, description, addresses=public)
    if width == "internet":
        return Grant(Reach.internet, evidence, addresses=public)
    foreign = public - index.networks
    if width == "wide":
        return Grant(
            Reach.wide,
            evidence,
            Message("{foreign} ({max_named})", foreign=_count(foreign), max_named=listed(foreign.describe(MAX_NAMED))),
            addresses=public,
        )
    return Grant(Reach.selected, evidence, listed(foreign.describe(MAX_NAMED)), addresses=public)


def private_range_evidence(path: str, addresses: AddressSet) -> tuple[Evidence, ...]:
    """Return evidence of the private ranges in the rules of a public firewall; () without any."""
    if addresses.is_empty or PUBLIC_ADDRESSES.covers(addresses) or breadth(addresses) == "internet":
        return ()
    return (Evidence(path, listed((addresses - PUBLIC_ADDRESSES).describe(MAX_NAMED)), NO_EFFECT),)


def in_same_tenant(resource: Resource, index: Index, other: str) -> bool:
    """Return whether an id names something in a visible subscription of the resource's tenant, or of one that was
    read together with it.
    """
    subscription = subscription_of(other)
    if not subscription:
        return False
    if subscription == resource.subscription:
        return True
    tenant = index.subscriptions.get(subscription)
    home = index.subscriptions.get(resource.subscription)
    return tenant is not None and (not home or not tenant or index.same_owner(tenant, home))


def grants_from_ids(resource: Resource, index: Index, path: str, ids: Iterable[str], what: str) -> tuple[Grant, ...]:
    """Return the grants of subnets, private endpoints or subscriptions: `private` for own ones, `selected` for
    others.
    """
    same_tenant: list[str] = []
    foreign: list[str] = []
    for each in ids:
        (same_tenant if in_same_tenant(resource, index, each) else foreign).append(each)
    grants: list[Grant] = []
    if foreign:
        addresses = by_whereabouts(resource, index, foreign)
        description = joined(
            "; ",
            (
                Message("{names}, {what} {where}", names=listed(_names(each)), what=what, where=where)
                for where, each in addresses.items()
            ),
        )
        seen = Evidence(path, foreign[:MAX_LISTED], Message("{what} in a visible subscription", what=what))
        grants.append(Grant(Reach.selected, (seen,), description, ids=tuple(foreign)))
    if same_tenant:
        grants.append(Grant(Reach.private, (Evidence(path, same_tenant[:MAX_LISTED]),), ids=tuple(same_tenant)))
    return tuple(grants)


def grant_from_tag(text: str, *evidence: Evidence) -> tuple[Grant | None, ServiceTag]:
    """Return the grant of a service tag, None for Microsoft's own management and probes; and the row of the tag."""
    tag = service_tag(text)
    if tag.reach == "none":
        return None, tag
    level = {"internet": Reach.internet, "azure": Reach.azure, "vnet": Reach.private}[tag.reach]
    return Grant(
        level, evidence, Message("the service tag {name}", name=tag.name) if level is Reach.azure else NOTHING
    ), tag


def cached(index: Index, key: str, make: Callable[[Index], _T]) -> _T:
    """Return what `make` returns, made once for each index."""
    if key not in index.memo:
        index.memo[key] = make(index)
    return cast("_T", index.memo[key])


def as_possible(lock: Lock, missing: Unread) -> Lock:
    """Return the lock with its grants as possible ones, without those of level `none`."""
    grants = tuple(
        PossibleGrant(grant.level, missing, grant.evidence, addresses=grant.addresses, ids=grant.ids)
        for grant in lock.grants
        if grant.level > Reach.none
    )
    return Lock((), lock.possible_grants + grants, lock.hops, lock.admits)


def source_hop(lock: Lock) -> Hop:
    """Return the source of the widest grant as a hop; the internet without a grant, because the locks block that."""
    widest = lock.widest
    if widest is None or widest.level in (Reach.none, Reach.internet):
        return Hop("source", "Internet", Message("every address"))
    if widest.level == Reach.azure:
        return Hop("source", "Azure", widest.description or Message("any Azure tenant"))
    if widest.level == Reach.private:
        return Hop("source", Message("Private network"), widest.description)
    return Hop("source", Message("Allow-listed networks"), widest.description)


def _names(ids: Sequence[str]) -> list[str]:
    names = [name_of(each) for each in ids[:MAX_NAMED]]
    return names if len(ids) <= MAX_NAMED else [*names, more(len(ids) - MAX_NAMED)]


def _count(addresses: AddressSet) -> Message:
    ipv4 = Message("{value} public IPv4 addresses", value=Number(addresses.size(4))) if addresses.v4 else NOTHING
    ipv6 = Message("large IPv6 ranges") if addresses.v6 else NOTHING
    return listed([each for each in (ipv4, ipv6) if each])


__all__ = [
    "MAX_LISTED",
    "NO_EFFECT",
    "as_possible",
    "cached",
    "grant_from_addresses",
    "grant_from_tag",
    "grants_from_ids",
    "in_same_tenant",
    "private_range_evidence",
    "source_hop",
]
