"""The index of a snapshot, and what was not read: types of the index, types of a subscription, whole resources."""

from collections.abc import Collection, Iterator
from functools import lru_cache, partial

from scanner.evaluate.policy import Policy
from scanner.model.ids import SUBSCRIPTION, is_subscription, resource_type_of, segments, subscription_of, type_of
from scanner.model.index import EXTENSIONS, INDEX_TYPES, Index
from scanner.model.message import Message
from scanner.model.regions import TABLE, of_arm
from scanner.model.residency import Residency
from scanner.model.resource import Bundle, Gap
from scanner.model.verdict import Unread
from scanner.reach.networks.fabric import ADMIN_RULES
from scanner.snapshot.bundles import Snapshot
from scanner.snapshot.stored import StoredBundle

_FEW = 10_000
"""How many resources of an index are found by a dictionary."""


def index_of(snapshot: Snapshot, policy: Policy) -> Index:
    """Return the index of a snapshot: network resources, what of them is missing, and the networks of the settings."""
    index = Index(
        subscriptions={scope.subscription.lower(): scope.tenant for scope in snapshot.scopes if scope.view != "none"},
        tenants=frozenset(snapshot.header.tenants),
        networks=policy.networks,
        wide_ipv4=policy.wide_ipv4,
        wide_ipv6=policy.wide_ipv6,
        live=snapshot.header.live,
        named=snapshot.named,
        unanswered=None if snapshot.unanswered is None else unread_of(snapshot.unanswered),
        taken=snapshot.header.taken,
    )
    for bundle in snapshot.index:
        for resource in bundle.stored if isinstance(bundle, StoredBundle) else bundle.resources.values():
            index.add(resource)
    if len(index.resources) > _FEW:
        index.resources.pack()
    index.residency = residency_of(snapshot, policy)
    index.whole, index.names = partial(why_more, snapshot), lru_cache(maxsize=1)(snapshot.names)
    index.closed = lru_cache(maxsize=1)(snapshot.closed)
    index.memo["fabric"] = snapshot.fabric
    snapshot.fabric.security_admin.tenants = frozenset(each.lower() for each in index.subscriptions.values())
    if snapshot.header.live:
        index.partial = frozenset(scope.subscription.lower() for scope in snapshot.scopes if scope.view == "partial")
        _missing_types(snapshot, index)
        index.missing |= snapshot.unread_types
        snapshot.fabric.admin_missing = index.missing.get(ADMIN_RULES)
        snapshot.fabric.admin_unlisted = index.unlisted.get(ADMIN_RULES)
    return index


def why_more(snapshot: Snapshot, type: str, subscription: str = "") -> Unread | None:
    """Return why more resources of a type may exist than a snapshot has; None where every subscription was listed.

    `subscription`: its id (lower case) where one alone is asked for.
    """
    if not snapshot.header.live or snapshot.is_partial or snapshot.header.excluded:
        return Unread(type, Message("the scan was limited, and others may exist"))
    if snapshot.raw is None:
        return Unread(type, Message("the snapshot cannot be read a second time"))
    lower = type.lower()
    for gap in snapshot.gaps:
        if type_of(gap.url).lower() == lower and subscription in ("", subscription_of(gap.url)):
            return unread_of(gap)
    for scope in snapshot.scopes:
        if subscription not in ("", scope.subscription.lower()):
            continue
        listed = f"/subscriptions/{scope.subscription.lower()}/providers/{lower}"
        if scope.view != "full":
            return Unread(
                f"/subscriptions/{scope.subscription}", Message("only part of the subscription is visible to this scan")
            )
        if listed not in snapshot.reads and listed not in snapshot.skips:
            return Unread(type, Message("not collected"))
    return None


def residency_of(snapshot: Snapshot, policy: Policy) -> Residency:
    """Return what a snapshot and the settings say of places."""
    groups = {subscription_of(gap.url): unread_group(gap) for gap in snapshot.gaps if _is_group_list(gap.url)}
    return Residency(
        policy=policy.residency,
        regions={**TABLE, **of_arm(snapshot.locations)},
        groups=snapshot.group_regions,
        unread=groups,
        names={scope.subscription.lower(): scope.name for scope in snapshot.scopes if scope.view != "none"},
        locate=snapshot.locate,
    )


def unread_group(gap: Gap) -> Unread:
    return Unread(Message("the region of the resource group"), gap.why(), gap.url)


def _is_group_list(url: str) -> bool:
    return segments(url)[2:] == ("resourcegroups",)


def _missing_types(snapshot: Snapshot, index: Index) -> None:
    """Record in the index which of its types were not read, or not in whole, and in which subscriptions."""
    gaps_below = [gap for bundle in snapshot.index for gap in bundle.gaps.values()]
    for type in INDEX_TYPES:
        ending = f"/providers/{type.lower()}"
        refused = [gap for gap in snapshot.gaps if gap.url.lower().rstrip("/").endswith(ending)]
        below = [gap for gap in gaps_below if type_of(gap.url).lower() == type.lower()]
        if refused or below:
            matches = [(subscription_of(gap.url), Unread(type, gap.why(), gap.url)) for gap in (*refused, *below)]
            index.missing[type.lower()] = matches[0][1]
            if all(subscription for subscription, _ in matches):
                index.unlisted[type.lower()] = dict(reversed(matches))
        if type.lower() in EXTENSIONS:
            _unread_subscriptions(snapshot, index, type)
        above = type.lower().rsplit("/", 1)[0]
        known = type.lower() in index.missing or above in index.missing
        if not known and not any(url.endswith(ending) for url in snapshot.reads):
            index.missing[type.lower()] = _not_collected(snapshot, type)
        if above in index.missing:
            _inherit(index, type.lower(), above)


def _not_collected(snapshot: Snapshot, type: str) -> Unread:
    """Return why no list of a type was read."""
    gap = snapshot.unanswered if type.lower() in EXTENSIONS else None
    return Unread(type, Message("not collected")) if gap is None else Unread(type, gap.why(), gap.url)


def _unread_subscriptions(snapshot: Snapshot, index: Index, type: str) -> None:
    """Record the subscriptions in which a type was not read, where it was read in others.

    Only for types that Resource Graph alone lists.
    """
    lower = type.lower()
    seen = [scope.subscription.lower() for scope in snapshot.scopes if scope.view != "none"]
    lacking = [each for each in seen if f"/subscriptions/{each}/providers/{lower}" not in snapshot.reads]
    if lacking and len(lacking) < len(seen) and (lower not in index.missing or lower in index.unlisted):
        missing = dict.fromkeys(lacking, Unread(type, Message("not collected")))
        index.missing.setdefault(lower, missing[lacking[0]])
        index.unlisted[lower] = {**missing, **index.unlisted.get(lower, {})}


def _inherit(index: Index, type: str, above: str) -> None:
    """Record that what is missing of a type is missing of the type below it too."""
    if type not in index.missing:
        index.missing[type] = index.missing[above]
        if above in index.unlisted:
            index.unlisted[type] = index.unlisted[above]
    elif type in index.unlisted and above in index.unlisted:
        index.unlisted[type] = index.unlisted[above] | index.unlisted[type]
    else:
        index.unlisted.pop(type, None)


def unlisted(snapshot: Snapshot, types: Collection[str]) -> dict[tuple[str, str], list[Unread]]:
    """Return the subscriptions and types (both in lower case) that were not listed, or not in whole, and why.

    `types`: the types (lower case) that rules cover.
    """
    result: dict[tuple[str, str], list[Unread]] = {}
    selection = snapshot.selection
    for gap in (each for each in snapshot.gaps if selection.covers(each.url)):
        type = type_of(gap.url)
        result.setdefault((subscription_of(gap.url), type.lower()), []).append(unread_of(gap))
    recorded = {(subscription_of(url), type_of(url).lower()) for url in (*snapshot.reads, *snapshot.skips)}
    known = {subscription_of(bundle.id) for bundle in snapshot.index if is_subscription(bundle.id)}
    only_named = {subscription_of(url) for url in snapshot.skips if len(segments(url)) == len(("subscriptions", "id"))}
    for scope in snapshot.evaluated_scopes if snapshot.header.live else ():
        subscription = scope.subscription.lower()
        # A skip of the subscription itself: only named resources were read, and no lists.
        if scope.view != "full" or subscription in only_named:
            continue
        for type in (type for type in types if type.count("/") == 1):
            if type == SUBSCRIPTION.lower():
                if not selection.is_filtered and subscription not in known:
                    result.setdefault((subscription, type), [Unread(SUBSCRIPTION, Message("not collected"))])
            elif (subscription, type) not in recorded:
                result.setdefault((subscription, type), [Unread(type, Message("not listed"))])
    return result


def unread_top(bundle: Bundle) -> tuple[str, Unread] | None:
    """Return the id that a bundle without its top-level resource is reported on, and why that resource is missing.

    None where it was skipped, or where the bundle holds nothing.
    """
    path = "/" + "/".join(segments(bundle.id))
    gap = bundle.gaps.get(path)
    if gap is not None:
        return gap.url, Unread(resource_type_of(bundle.id), gap.why(), gap.url)
    if path in bundle.skips or not (bundle.resources or bundle.reads or bundle.gaps):
        return None
    return bundle.id, Unread(resource_type_of(bundle.id), Message("only parts of it were collected"))


def unread_below(bundle: Bundle) -> Iterator[tuple[str, Unread]]:
    """Yield the gaps below the top-level resource of a bundle, each with its URL."""
    for gap in bundle.gaps.values():
        if gap.url.lower().rstrip("/") != bundle.id.lower():
            yield gap.url, unread_of(gap)


def unread_of(gap: Gap) -> Unread:
    return Unread(type_of(gap.url), gap.why(), gap.url)
