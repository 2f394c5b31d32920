"""One parsed inbound security rule, the sources and destinations that it matches, and the ranges that rules allow."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from scanner.model.addresses import (
    ALL_ADDRESSES,
    NO_ADDRESSES,
    PUBLIC_ADDRESSES,
    AddressSet,
    Version,
)
from scanner.reach.port_ranges import Spans
from scanner.reach.source_sets import (
    SourceSet,
)

SourceSide: TypeAlias = Literal["outside", "inside"]
"""Where the senders are: on the internet, or in what the tag VirtualNetwork stands for."""

SIDE_ADDRESSES: Final[dict[SourceSide, AddressSet]] = {"outside": PUBLIC_ADDRESSES, "inside": ALL_ADDRESSES}


class RuleSource(msgspec.Struct, frozen=True, gc=False):
    """The senders that a rule names: from outside addresses and service tags, from inside addresses and groups."""

    outside: AddressSet = NO_ADDRESSES
    inside: AddressSet = NO_ADDRESSES
    tags: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def of(self, side: SourceSide, version: Version) -> SourceMatch:
        """The senders of one side and IP version."""
        if side == "outside":
            return self.outside.of_version(version), self.tags
        return self.inside.of_version(version), self.groups


SourceMatch: TypeAlias = tuple[AddressSet, tuple[str, ...]]


ANY_SOURCE: Final = RuleSource(PUBLIC_ADDRESSES, ALL_ADDRESSES)

MATCHES_NO_SOURCE: Final = RuleSource()


UNKNOWN_APPLICATION_GROUP: Final = "?"
"""Among the application groups of a target: there may be others, which could not be read."""


class DestinationFields(msgspec.Struct, frozen=True, gc=False):
    """Whom a packet reaches, as a rule sees it: the private addresses (None: not known) and the application groups."""

    addresses: AddressSet | None = None
    application_groups: frozenset[str] = frozenset()
    single: bool = False
    """Whether it is one address, which is in a set or not."""


class RuleDestination(msgspec.Struct, frozen=True, gc=False):
    """Where a rule applies: addresses, application security groups, and tags, which no private address bears."""

    addresses: AddressSet = NO_ADDRESSES
    groups: frozenset[str] = frozenset()
    tags: bool = False

    def matches(self, target: DestinationFields) -> bool | None:
        """Whether the rule applies to that target; None where its address is not known or only a part of it fits."""
        if self.groups and self.groups & target.application_groups:
            return True
        if self.groups and UNKNOWN_APPLICATION_GROUP in target.application_groups:
            return None
        address = target.addresses
        if address is None:
            return None if self.tags or self.addresses else False
        if self.addresses.covers(address):
            return True
        return None if not target.single and self.addresses & address else False


MATCHES_NO_DESTINATION: Final = RuleDestination()


class RuleRef(NamedTuple):
    """A rule that decided. `resource`: its own id, where it has one (admin rules)."""

    name: str
    priority: int
    allows: bool
    resource: str = ""


class SecurityRule(msgspec.Struct, eq=False, gc=False):
    """A parsed inbound rule. `destination` None: everywhere. `always`: an admin rule that skips the groups."""

    name: str
    priority: int
    allow: bool
    spans: Spans
    source: RuleSource
    destination: RuleDestination | None = None
    always: bool = False
    resource: str = ""

    @property
    def ref(self) -> RuleRef:
        return RuleRef(self.name, self.priority, self.allow, self.resource)


class AllowedRange(msgspec.Struct, frozen=True, gc=False):
    """The places from `first` to `last`: who gets there, and by which rules."""

    first: int
    last: int
    sources: SourceSet
    rules: tuple[RuleRef, ...]


AllowedRanges: TypeAlias = tuple[AllowedRange, ...]
"""The open places of a group, ascending and disjoint."""
