"""One parsed inbound security rule, the sources and destinations that it matches, and the ranges that rules allow."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from scanner.model.addresses import ALL_ADDRESSES, NO_ADDRESSES, PUBLIC_ADDRESSES, AddressSet, Version
from scanner.reach.rules.port_ranges import Spans
from scanner.reach.rules.source_sets import UNKNOWN_APPLICATION_GROUP, SourceSet

SourceSide: TypeAlias = Literal["outside", "inside"]
"""Where a packet comes from: the internet ("outside"), or what the tag VirtualNetwork covers ("inside")."""

SIDE_ADDRESSES: Final[dict[SourceSide, AddressSet]] = {"outside": PUBLIC_ADDRESSES, "inside": ALL_ADDRESSES}


class RuleSource(msgspec.Struct, frozen=True, gc=False):
    """The sources that a rule names: addresses and service tags for "outside", addresses and groups for "inside"."""

    outside: AddressSet = NO_ADDRESSES
    inside: AddressSet = NO_ADDRESSES
    tags: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def of(self, side: SourceSide, version: Version) -> SourceMatch:
        """Return the sources of one side and IP version."""
        if side == "outside":
            return self.outside.of_version(version), self.tags
        return self.inside.of_version(version), self.groups


SourceMatch: TypeAlias = tuple[AddressSet, tuple[str, ...]]


ANY_SOURCE: Final = RuleSource(PUBLIC_ADDRESSES, ALL_ADDRESSES)

MATCHES_NO_SOURCE: Final = RuleSource()


class DestinationFields(msgspec.Struct, frozen=True, gc=False):
    """The fields of a destination that a rule compares: its private addresses (None: not known) and application
    groups.
    """

    addresses: AddressSet | None = None
    application_groups: frozenset[str] = frozenset()
    single: bool = False
    """Whether it is exactly one address, which a rule either covers or not."""
    public: bool = False
    """Whether it is the public address of a front end, which floating IP keeps."""


class RuleDestination(msgspec.Struct, frozen=True, gc=False):
    """The destinations that a rule names: addresses, application security groups, and tags, which cover no private
    address.
    """

    addresses: AddressSet = NO_ADDRESSES
    groups: frozenset[str] = frozenset()
    tags: bool = False
    network: bool = False
    """The tag VirtualNetwork."""

    def matches(self, target: DestinationFields) -> bool | None:
        """Return whether the rule applies to a destination; None where its address is not known or is covered in
        part.

        Whether VirtualNetwork includes the public address that floating IP keeps is not documented: the tag does not
        list it (virtual-network/service-tags-overview), and the packet is in the network.
        """
        if self.network:
            return None if target.public and self._named(target) is not True else True
        return self._named(target)

    def _named(self, target: DestinationFields) -> bool | None:
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
    """A reference to a rule that decided."""

    name: str
    priority: int
    allows: bool
    resource: str = ""
    """Its own id, which only admin rules have."""

    @property
    def text(self) -> str:
        """Return the name and the priority; the name alone where the priority is not known."""
        return f"{self.name} ({self.priority})" if self.priority >= 0 else self.name


class SecurityRule(msgspec.Struct, eq=False, gc=False):
    """A parsed inbound rule. `destination` None: every destination."""

    name: str
    priority: int
    allow: bool
    spans: Spans
    source: RuleSource
    destination: RuleDestination | None = None
    resource: str = ""

    @property
    def ref(self) -> RuleRef:
        return RuleRef(self.name, self.priority, self.allow, self.resource)


class AllowedRange(msgspec.Struct, frozen=True, gc=False):
    """The places from `first` to `last` on the line of `port_ranges`: the sources that rules allow there, and these
    rules.
    """

    first: int
    last: int
    sources: SourceSet
    rules: tuple[RuleRef, ...]


AllowedRanges: TypeAlias = tuple[AllowedRange, ...]
"""The allowed places of a list of rules, ascending and disjoint."""
