"""Sets of packet sources: addresses, and service tags whose addresses only Azure knows.

A source has an address and tags. A set is a union of terms and exact: a Deny of one tag and an Allow of another need no
guess, because what a tag covers is decided only when the set is rated.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from scanner.model.addresses import (
    ALL_ADDRESSES,
    ALL_IPV4,
    ALL_IPV6,
    NO_ADDRESSES,
    PUBLIC_ADDRESSES,
    AddressSet,
    Version,
    union,
)
from scanner.reach.rules.service_tags import SERVICE_TAGS, service_tag

TagNames = frozenset[str]
NO_TAGS: Final[TagNames] = frozenset()
UNKNOWN_APPLICATION_GROUP: Final = "?"
"""A member of the application security groups of an address: there may be others, which could not be read."""
EVERY_GROUP: Final = "/"
"""The tag that the members of every application security group (`/id/`) have."""

_SPELLED: Final = {tag.name.lower(): tag.name for tag in SERVICE_TAGS}


@lru_cache(maxsize=4096)
def tag_name(text: str) -> str:
    """Return one spelling of a tag, whatever its case: as the table has it, the region in lower case."""
    key = service_tag(text).name.lower().replace("azure_loadbalancer", "azureloadbalancer")
    key = key.replace("virtual_network", "virtualnetwork")
    stem = key
    while stem and stem not in _SPELLED:
        stem = stem.rpartition(".")[0]
    return _SPELLED[stem] + key[len(stem) :] if stem else key


def _within(tag: str, other: str) -> bool:
    """Return whether a source with `tag` certainly has `other` too: the same tag, a region or part of it, a group."""
    return tag == other or tag.startswith(f"{other}.") or (other == EVERY_GROUP and tag.startswith(EVERY_GROUP))


class SourceTerm(msgspec.Struct, frozen=True, gc=False):
    """The sources with an address in `addresses` that have every tag of `tags` and none of `without`."""

    addresses: AddressSet
    tags: TagNames = NO_TAGS
    without: TagNames = NO_TAGS

    @property
    def is_empty(self) -> bool:
        if self.addresses.is_empty:
            return True
        if not self.tags or not self.without:
            return False
        return any(_within(tag, other) for tag in self.tags for other in self.without)

    def __and__(self, other: SourceTerm) -> SourceTerm:
        tags, without = self.tags | other.tags, self.without | other.without
        if len(tags) > 1:
            tags = frozenset(tag for tag in tags if not any(each != tag and _within(each, tag) for each in tags))
        if len(without) > 1:
            without = frozenset(t for t in without if not any(each != t and _within(t, each) for each in without))
        return SourceTerm(self.addresses & other.addresses, tags, without)

    def holds(self, addresses: AddressSet, tags: Iterable[str]) -> bool:
        """Return whether the term has every source of these addresses with these tags and the tags that include
        them.
        """
        bears = tuple(tags)
        return (
            self.addresses.covers(addresses)
            and all(any(_within(each, tag) for each in bears) for tag in self.tags)
            and not any(_within(each, tag) for each in bears for tag in self.without)
        )


class SourceSet(msgspec.Struct, frozen=True, gc=False):
    """A set of sources. Make it with `source_set`, so that equal sets mostly compare equal."""

    terms: tuple[SourceTerm, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __and__(self, other: SourceSet) -> SourceSet:
        if self is other or not self.terms:
            return self
        if not other.terms:
            return other
        return source_set(one & two for one in self.terms for two in other.terms)

    def __or__(self, other: SourceSet) -> SourceSet:
        if self is other or not other.terms:
            return self
        return source_set((*self.terms, *other.terms)) if self.terms else other

    def holds(self, address: AddressSet, *tags: str) -> bool:
        """Return whether the set has a source with this one address and exactly these tags (and those that include
        them).

        `/id/` of an application security group is a tag too.
        """
        bears = [each if each.startswith("/") else tag_name(each) for each in tags]
        return any(term.holds(address, bears) for term in self.terms)

    def of(self, version: Version) -> SourceSet:
        """Return the sources of one IP version."""
        return self & (_VERSIONS[version])

    @property
    def addresses(self) -> AddressSet:
        """Return the addresses of the terms that require no tag."""
        return union(term.addresses for term in self.terms if not term.tags)

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the tags that are allowed by name, sorted; of a term with several tags all of them."""
        return tuple(sorted({tag for term in self.terms for tag in term.tags}))

    @property
    def without(self) -> tuple[str, ...]:
        """Return the tags that a Deny removed from the addresses, sorted."""
        return tuple(sorted({tag for term in self.terms if not term.tags for tag in term.without}))


def source_set(terms: Iterable[SourceTerm]) -> SourceSet:
    """Return the union of terms, without empty ones, in a fixed order; terms with the same tags become one."""
    terms = tuple(terms)
    if len(terms) == 1:
        return NO_SOURCES if terms[0].is_empty else SourceSet(terms)
    groups: dict[tuple[TagNames, TagNames], list[AddressSet]] = {}
    for term in terms:
        if not term.is_empty:
            groups.setdefault((term.tags, term.without), []).append(term.addresses)
    if not groups:
        return NO_SOURCES
    source_terms = [
        SourceTerm(union(sets) if len(sets) > 1 else sets[0], tags, without) for (tags, without), sets in groups.items()
    ]
    if len(source_terms) > 1:
        source_terms.sort(key=_order)
    return SourceSet(tuple(source_terms))


def _order(term: SourceTerm) -> tuple[list[str], list[str]]:
    return sorted(term.tags), sorted(term.without)


NO_SOURCES: Final = SourceSet()
OUTSIDE_SOURCES: Final = SourceSet((SourceTerm(PUBLIC_ADDRESSES),))
"""Every caller from the internet, Azure addresses of other tenants included."""
INSIDE_SOURCES: Final = SourceSet((SourceTerm(ALL_ADDRESSES),))
"""Every caller that the tag VirtualNetwork covers, whatever its address."""
_VERSIONS: Final = {4: SourceSet((SourceTerm(ALL_IPV4),)), 6: SourceSet((SourceTerm(ALL_IPV6),))}


def sources_from_addresses(addresses: AddressSet) -> SourceSet:
    """Return the sources with these addresses."""
    return SourceSet((SourceTerm(addresses),)) if addresses else NO_SOURCES


def sources_in_no_group(addresses: AddressSet) -> SourceSet:
    """Return the sources with these addresses that are in no application security group."""
    return SourceSet((SourceTerm(addresses, without=frozenset((EVERY_GROUP,))),)) if addresses else NO_SOURCES


__all__ = [
    "INSIDE_SOURCES",
    "NO_ADDRESSES",
    "NO_SOURCES",
    "NO_TAGS",
    "OUTSIDE_SOURCES",
    "SourceSet",
    "SourceTerm",
    "source_set",
    "sources_from_addresses",
    "sources_in_no_group",
    "tag_name",
]


def reached_addresses(sources: SourceSet, trusted: AddressSet, groups: frozenset[str]) -> tuple[AddressSet, AddressSet]:
    """Return which of these addresses a set has whatever tags Azure gives them, and which it has with some tags.

    With UNKNOWN_APPLICATION_GROUP among the groups they may be in others too: each such group counts as one more tag.
    """
    known_groups, more = {each.strip("/") for each in groups}, UNKNOWN_APPLICATION_GROUP in groups
    terms: list[tuple[AddressSet, frozenset[str], frozenset[str]]] = []
    for term in sources.terms:
        needs, without = ({tag.strip("/") for tag in tags if tag.startswith("/")} for tags in (term.tags, term.without))
        if (more or needs <= known_groups) and not without & known_groups and term.addresses & trusted:
            named, denied = (frozenset(tag for tag in tags if tag[0] != "/") for tags in (term.tags, term.without))
            if more:
                named, denied = named | (needs - known_groups), denied | without
            terms.append((term.addresses & trusted, named, denied))
    names = sorted({tag for _, named, denied in terms for tag in (*named, *denied)})
    possible = union(addresses for addresses, _, _ in terms)
    if len(names) > MAX_TAGS:
        return union(addresses for addresses, named, denied in terms if not named and not denied), possible
    certain = possible
    for number in range(1 << len(names)):
        tags = {name for bit, name in enumerate(names) if number >> bit & 1}
        certain &= union(addresses for addresses, named, denied in terms if named <= tags and not denied & tags)
    return certain, possible


MAX_TAGS: Final = 8
"""The number of tags of which every combination is tried."""
