"""What the source of a rule stands for, as a way in: addresses, subnets and private endpoints, subscriptions, tags."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, cast

from scanner.model.addresses import PUBLIC, AddressSet, breadth
from scanner.model.exposure import Grant, Hop, Lock, PossibleGrant, Reach
from scanner.model.ids import subscription_of
from scanner.model.index import Index
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Unread
from scanner.reach.service_tags import Tag, lookup

_T = TypeVar("_T")

SHOWN = 3
KEPT = 20
NO_EFFECT = "no effect: a private range never calls a public address"


def phrase(parts: Sequence[str]) -> str:
    """Texts as one clause: "a, b and c", "a, b and 4 more"."""
    if len(parts) < 2:
        return "".join(parts)
    last = parts[-1] if parts[-1].startswith("and ") else f"and {parts[-1]}"
    return f"{', '.join(parts[:-1])} {last}"


def from_addresses(addresses: AddressSet, index: Index, *evidence: Evidence) -> Grant | None:
    """The way in that a union of addresses opens on a public firewall; None where it has no public address."""
    width = breadth(addresses, index.networks, index.wide_ipv4, index.wide_ipv6)
    public = addresses & PUBLIC
    if width == "none":
        return None
    if width == "own":
        says = f"the organisation's own networks ({phrase(public.describe(SHOWN))})"
        return Grant(Reach.selected, evidence, says, who=public)
    if width == "internet":
        return Grant(Reach.internet, evidence, who=public)
    foreign = public - index.networks
    if width == "wide":
        return Grant(Reach.wide, evidence, f"{_count(foreign)} ({phrase(foreign.describe(SHOWN))})", who=public)
    return Grant(Reach.selected, evidence, phrase(foreign.describe(SHOWN)), who=public)


def without_effect(path: str, addresses: AddressSet) -> tuple[Evidence, ...]:
    """Evidence of the private ranges in the rules of a public firewall, none where there are none."""
    if addresses.is_empty or PUBLIC.covers(addresses) or breadth(addresses) == "internet":
        return ()
    return (Evidence(path, phrase((addresses - PUBLIC).describe(SHOWN)), NO_EFFECT),)


def is_own(resource: Resource, index: Index, other: str) -> bool:
    """Whether an id names something in a subscription of the resource's tenant that the caller can see."""
    subscription = subscription_of(other)
    if not subscription:
        return False
    if subscription == resource.subscription:
        return True
    tenant = index.subscriptions.get(subscription)
    home = index.subscriptions.get(resource.subscription)
    return tenant is not None and (not home or not tenant or tenant.lower() == home.lower())


def from_ids(resource: Resource, index: Index, path: str, ids: Iterable[str], what: str) -> tuple[Grant, ...]:
    """The ways in from subnets, private endpoints or subscriptions: `private` from own ones, `selected` from others."""
    own: list[str] = []
    foreign: list[str] = []
    for each in ids:
        (own if is_own(resource, index, each) else foreign).append(each)
    ways: list[Grant] = []
    if foreign:
        says = f"{phrase(_names(foreign))}, {what} of a subscription that cannot be seen"
        seen = Evidence(path, foreign[:KEPT], f"{what} of a visible subscription")
        ways.append(Grant(Reach.selected, (seen,), says, ids=tuple(foreign)))
    if own:
        ways.append(Grant(Reach.private, (Evidence(path, own[:KEPT]),), ids=tuple(own)))
    return tuple(ways)


def from_tag(text: str, *evidence: Evidence) -> tuple[Grant | None, Tag]:
    """The way in that a service tag opens, None for Microsoft's own management and probes; and the tag's row."""
    tag = lookup(text)
    if tag.reach == "none":
        return None, tag
    level = {"internet": Reach.internet, "azure": Reach.azure, "vnet": Reach.private}[tag.reach]
    return Grant(level, evidence, f"the service tag {tag.name}" if level is Reach.azure else ""), tag


def remembered(index: Index, key: str, make: Callable[[Index], _T]) -> _T:
    """What `make` answers, made once an index."""
    if key not in index.memo:
        index.memo[key] = make(index)
    return cast("_T", index.memo[key])


def unproven(lock: Lock, missing: Unread) -> Lock:
    """The same ways, none of them sure any more."""
    ways = tuple(
        PossibleGrant(grant.level, missing, grant.evidence, who=grant.who, ids=grant.ids)
        for grant in lock.grants
        if grant.level > Reach.none
    )
    return Lock((), lock.possible_grants + ways, lock.hops, lock.admits)


def source_hop(lock: Lock) -> Hop:
    """Where the widest way comes from; the internet where there is none, since that is what the locks hold off."""
    widest = lock.widest
    if widest is None or widest.level in (Reach.none, Reach.internet):
        return Hop("source", "Internet", "every address")
    if widest.level == Reach.azure:
        return Hop("source", "Azure", widest.says or "every tenant")
    if widest.level == Reach.private:
        return Hop("source", "Private network", widest.says)
    return Hop("source", "Named networks", widest.says)


def _names(ids: Sequence[str]) -> list[str]:
    names = [each.rstrip("/").rsplit("/", 1)[-1] for each in ids[:SHOWN]]
    return names if len(ids) <= SHOWN else [*names, f"and {len(ids) - SHOWN} more"]


def _count(addresses: AddressSet) -> str:
    ipv4 = f"{addresses.size(4):,} public IPv4 addresses" if addresses.v4 else ""
    ipv6 = "large IPv6 ranges" if addresses.v6 else ""
    return " and ".join(filter(None, (ipv4, ipv6)))


__all__ = [
    "KEPT",
    "NO_EFFECT",
    "from_addresses",
    "from_ids",
    "from_tag",
    "is_own",
    "phrase",
    "remembered",
    "source_hop",
    "unproven",
    "without_effect",
]
