"""Grants and descriptions of a set of sources."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from scanner.model.addresses import (
    ALL_ADDRESSES,
    ALL_IPV4,
    ALL_IPV6,
    PUBLIC_ADDRESSES,
    PUBLIC_IPV4,
    PUBLIC_IPV6,
    AddressSet,
)
from scanner.model.exposure import Grant, Reach
from scanner.model.ids import name_of
from scanner.model.index import Index
from scanner.model.message import Message, is_rest, listed, more
from scanner.model.verdict import Evidence
from scanner.reach.rules.service_tags import service_tag
from scanner.reach.rules.source_sets import SourceSet
from scanner.reach.rules.sources import cached, grant_from_addresses, grant_from_tag

MAX_NAMED_RULES: Final = 3
EVERY_ADDRESS: Final = Message("every address")


@lru_cache(maxsize=4096)
def describe_sources(sources: SourceSet, limit: int = MAX_NAMED_RULES) -> str:
    """Return sources as a clause: "every address", "every address except 20.0.0.0/8", "the service tag Storage"."""
    texts = _addresses(sources.addresses, limit)
    if texts and sources.without:
        texts[-1] = Message("{part} except {without}", part=texts[-1], without=_few(sources.without, limit))
    tags = [tag for tag in sources.tags if not tag.startswith("/")]
    groups = [name_of(tag) for tag in sources.tags if tag.startswith("/")]
    shown = _few(tags, limit)
    several = len(tags) > 1
    named = (
        [Message("the service tags {tags}", tags=shown) if several else Message("the service tag {tags}", tags=shown)]
        if tags
        else []
    )
    named += [Message("members of {groups}", groups=_few(groups, limit))] if groups else []
    return listed([*named, *texts] if texts and is_rest(texts[-1]) else [*texts, *named])


def _few(names: Sequence[str], limit: int) -> str:
    shown = list(names[:limit])
    return listed([*shown, more(len(names) - limit)] if len(names) > limit else shown)


def _addresses(addresses: AddressSet, limit: int) -> list[str]:
    for universe in _UNIVERSES:
        missing = universe - addresses
        if addresses and universe.covers(addresses) and _count(missing) < _count(addresses):
            return [
                Message("every address except {limit}", limit=listed(missing.describe(limit)))
                if missing
                else EVERY_ADDRESS
            ]
    return addresses.describe(limit)


def _count(addresses: AddressSet) -> int:
    return len(addresses.v4) + len(addresses.v6)


_UNIVERSES: Final = (PUBLIC_IPV4, PUBLIC_IPV6, PUBLIC_ADDRESSES, ALL_IPV4, ALL_IPV6, ALL_ADDRESSES)


def grants_from_sources(sources: SourceSet, index: Index, *evidence: Evidence) -> tuple[Grant, ...]:
    """Return the grants that sources make: addresses by their breadth, service tags as `azure`.

    Tags of Microsoft's own control planes make none. A tag that also requires few addresses counts as these addresses.
    Grants are kept by sources without the evidence, because the same sources reach many ports.
    """
    memo: dict[SourceSet, tuple[Grant, ...]] = cached(index, "ways", _no_ways)
    grants = memo.get(sources)
    if grants is None:
        if len(memo) >= MAX_CACHED_GRANTS:
            memo.clear()
        grants = memo[sources] = _grants_from_sources(sources, index)
    return tuple(grant.with_evidence(evidence) for grant in grants) if evidence else grants


MAX_CACHED_GRANTS: Final = 4096


def _no_ways(index: Index) -> dict[SourceSet, tuple[Grant, ...]]:
    return {}


def _grants_from_sources(sources: SourceSet, index: Index) -> tuple[Grant, ...]:
    grants: list[Grant] = []
    addresses = grant_from_addresses(sources.addresses, index)
    if addresses is not None:
        grants.append(addresses)
    for term in sources.terms:
        open_ways = [grant_from_tag(tag)[0] for tag in sorted(term.tags) if not tag.startswith("/")]
        if not open_ways or None in open_ways:
            continue
        bound = grant_from_addresses(term.addresses, index)
        narrow = min((grant for grant in open_ways if grant is not None), key=lambda grant: grant.level)
        if bound is not None:
            grants.append(bound if bound.level < Reach.azure else narrow)
    return tuple(dict.fromkeys(grants))


def platform_tags(sources: SourceSet) -> tuple[Message, ...]:
    """Return the tags of Microsoft's own management and probes among the sources, with what they are: shown, never
    reach.
    """
    service_tags = [service_tag(tag) for tag in sources.tags if not tag.startswith("/")]
    return tuple(Message("{name}: {why}", name=tag.name, why=tag.why) for tag in service_tags if tag.reach == "none")
