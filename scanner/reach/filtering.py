"""From whom a packet gets through to a network interface: security admin rules, the subnet's group, its own group.

Both groups must let it in. A level without a group lets everything in; without one at either level a Standard address
is closed and a Basic one open (Microsoft Learn, virtual-network/ip-services/public-ip-addresses). Paths from outside
(addresses, load balancers, firewalls) stand in front of this and ask it for back-end ports.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import structs

from scanner.model.addresses import (
    ALL_ADDRESSES,
    ALL_IPV4,
    ALL_IPV6,
    PUBLIC_ADDRESSES,
    PUBLIC_IPV4,
    PUBLIC_IPV6,
    AddressSet,
    Version,
)
from scanner.model.exposure import Grant, Hop, Reach
from scanner.model.index import Index
from scanner.model.verdict import Evidence, Unread, not_listed
from scanner.reach.known_ports import KNOWN_PORTS, KnownPort
from scanner.reach.networks import ADMIN_RULES, Destination, Fabric
from scanner.reach.nsg import (
    AdminRules,
    AllowedRange,
    AllowedRanges,
    DestinationFields,
    RuleRef,
    SecurityRules,
    SourceSide,
    all_sources,
    deciding_rules,
    interned,
)
from scanner.reach.port_ranges import CONNECTIONS, END, WITH_PORTS, Protocol, label, place, span
from scanner.reach.source_sets import NO_SOURCES, SourceSet
from scanner.reach.service_tags import service_tag
from scanner.reach.sources import cached, grant_from_addresses, grant_from_tag, join_with_and

EntryKind: TypeAlias = Literal["standard", "basic", "inside"]
"""How a packet comes: by a public address or load balancer of that SKU, or from inside (the network itself, its peers,
a firewall or a gateway in it)."""
FilterKind: TypeAlias = Literal["admin-rules", "subnet-nsg", "nic-nsg", "no-nsg", "route"]

MAX_CACHED_CHAINS: Final = 256
"""How many passages a fabric remembers: machines that share their groups stand close together."""
MAX_NAMED_RULES: Final = 3


@dataclass(frozen=True, slots=True)
class FilterStep:
    """A hop on the way in: what decided there, and who is left after it. `allows` None: it could not be read, or is not
    known in part."""

    kind: FilterKind
    resource: str
    rules: tuple[RuleRef, ...]
    allows: bool | None
    remaining: SourceSet
    detail: str = ""

    def hop(self) -> Hop:
        """The same for an exposure."""
        name = self.resource.rstrip("/").rsplit("/", 1)[-1] or _NAMES[self.kind]
        said = [f"{rule.name} ({rule.priority})" for rule in self.rules[:MAX_NAMED_RULES]]
        more = len(self.rules) - len(said)
        rules = join_with_and([*said, f"and {more} more"] if more > 0 else said)
        who = f"lets in {describe_sources(self.remaining)}" if self.remaining else "lets nobody in"
        detail = self.detail or (f"{rules} {who}" if rules else who)
        return Hop(self.kind, name, detail, self.resource, self.allows)


_NAMES: Final[dict[FilterKind, str]] = {
    "admin-rules": "security admin rules",
    "subnet-nsg": "subnet",
    "nic-nsg": "network interface",
    "no-nsg": "no network security group",
    "route": "route table",
}


@dataclass(frozen=True, slots=True)
class OpenRange:
    """A range of ports that somebody gets to. `protocol` "*": TCP and UDP alike. `sure` may be nobody, `may` never is.

    `doubts` say what could not be read, where `may` is more than `sure`.
    """

    protocol: str
    first: int
    last: int
    known_port: KnownPort | None
    certain: SourceSet
    possible: SourceSet
    missing: tuple[Unread, ...]
    steps: tuple[FilterStep, ...]

    @property
    def label(self) -> str:
        return label(self.protocol, self.first, self.last)

    def shifted(self, first: int, known: KnownPort | None = None) -> OpenRange:
        """The same seen from outside, where its ports start at `first`; what answers is still what stands behind."""
        return replace(self, first=first, last=first + self.last - self.first, known_port=known or self.known_port)

    def limited(self, to: SourceSet) -> OpenRange:
        """The same behind a device that lets only these senders come."""
        return replace(self, certain=self.certain & to, possible=self.possible & to)


class LevelDecision(msgspec.Struct, frozen=True, gc=False):
    """What one level did at a place: which of the levels, the rules that let in, and who was left."""

    level: int
    rules: tuple[RuleRef, ...]
    remaining: SourceSet


class ChainRange(msgspec.Struct, frozen=True, gc=False):
    first: int
    last: int
    sources: SourceSet
    decisions: tuple[LevelDecision, ...]


class OpenPlaces(msgspec.Struct, frozen=True, gc=False):
    first: int
    last: int
    certain: SourceSet
    possible: SourceSet
    decisions: tuple[LevelDecision, ...]


@dataclass(frozen=True, slots=True)
class FilterLevel:
    """One level of the chain. `group` None: nothing decides there, `open` says how."""

    kind: FilterKind
    resource: str
    certain: AllowedRanges
    possible: AllowedRanges
    missing: tuple[Unread, ...] = ()
    group: SecurityRules | None = None
    detail: str = ""


@dataclass(slots=True)
class FilterChain:
    """Who gets through to a target, on every port. Targets to which the same rules apply share one passage."""

    side: SourceSide
    version: Version
    destination: DestinationFields
    levels: tuple[FilterLevel, ...]
    admin: AdminRules | None
    route_warning: FilterStep | None = None
    admin_gap: Unread | None = None
    _places: tuple[OpenPlaces, ...] | None = None
    _open_ranges: tuple[OpenRange, ...] | None = None

    @property
    def all_sources(self) -> SourceSet:
        return all_sources(self.side, self.version)

    @property
    def missing(self) -> tuple[Unread, ...]:
        """What of the chain could not be read or is not known."""
        found = [possible for level in self.levels for possible in level.missing]
        if self.admin_gap is not None:
            found.append(self.admin_gap)
        return tuple(dict.fromkeys(found))

    @property
    def places(self) -> tuple[OpenPlaces, ...]:
        """The open places of the line, ascending, merged where the same senders get in."""
        if self._places is None:
            self._places = tuple(joined(self._both()))
        return self._places

    @property
    def open_ranges(self) -> tuple[OpenRange, ...]:
        """What is open over TCP and UDP: known ports on their own, the rest in as few ranges as it takes."""
        if self._open_ranges is None:
            self._open_ranges = self.within("*")
        return self._open_ranges

    def within(self, protocol: str, first: int = 0, last: int = 65535) -> tuple[OpenRange, ...]:
        """What is open of these ports ("*": TCP and UDP), in the same form."""
        asked = WITH_PORTS if protocol == "*" else tuple(each for each in WITH_PORTS if each == protocol)
        found: list[OpenRange] = []
        rest: dict[Protocol, list[OpenPlaces]] = {}
        for each in asked:
            start = place(each)
            pieces = clipped(self.places, *span(each, first, last))
            found += (self._opening(each, start, piece, known) for piece, known in known_ports_of(pieces))
            rest[each] = rest_of(pieces)
        both = alike(rest)
        found += (self._opening("*", 0, piece) for piece in both)
        skip = {(piece.first, piece.last) for piece in both}
        for each in asked:
            start = place(each)
            found += (
                self._opening(each, start, piece)
                for piece in rest[each]
                if (piece.first - start, piece.last - start) not in skip
            )
        return tuple(sorted(found, key=lambda one: (one.protocol, one.first, one.last)))

    def explain(self, protocol: Protocol, port: int = 0, asked: SourceSet | None = None) -> tuple[FilterStep, ...]:
        """The rules that decide on these senders (None: everybody) at one port, hop by hop, also where they deny.

        The last step's `left` is who gets through; a step after which nobody is left is the last one.
        """
        at = place(protocol, port)
        now = self.all_sources if asked is None else asked & self.all_sources
        steps: list[FilterStep] = []
        delivered = NO_SOURCES
        if self.admin is not None:
            _, delivered = deciding_rules(
                self.admin.always.rules(self.destination, False), self.side, self.version, at, now
            )
        for level in self.levels:
            step = self._explained(level, at, now, delivered)
            steps.append(step)
            now = step.remaining
            if not now or now == delivered:
                break
        if self.route_warning is not None:
            steps.append(replace(self.route_warning, remaining=now))
        return tuple(steps)

    def _explained(self, level: FilterLevel, at: int, now: SourceSet, delivered: SourceSet) -> FilterStep:
        if level.group is None:
            left = _at(level.certain, at) & now | delivered
            lets = bool(left) if level.certain == level.possible else None
            return FilterStep(level.kind, level.resource, (), lets, left, level.detail)
        decided, let = deciding_rules(level.group.rules(self.destination, False), self.side, self.version, at, now)
        _, possible = deciding_rules(level.group.rules(self.destination, True), self.side, self.version, at, now)
        refs = tuple(rule.ref for rule, _ in decided)
        left = let | delivered
        return FilterStep(level.kind, level.resource, refs, bool(left) if possible == let else None, left)

    # Working it out

    def _both(self) -> Iterator[OpenPlaces]:
        certain = self._met(wide=False)
        exact = all(level.certain is level.possible for level in self.levels) and not self._admin_unsure
        possible = certain if exact else self._met(wide=True)
        if self.admin_gap is not None:
            possible = [ChainRange(0, END - 1, self.all_sources, ())]
        if possible is certain:
            for piece in certain:
                yield OpenPlaces(piece.first, piece.last, piece.sources, piece.sources, piece.decisions)
            return
        for first, last, one, two in cut_ranges(certain, possible):
            left = one.sources if one else NO_SOURCES
            wide = interned(left | two.sources) if two else left
            yield OpenPlaces(first, last, left, wide, one.decisions if one else two.decisions if two else ())

    @property
    def _admin_unsure(self) -> bool:
        return self.admin is not None and not self.admin.always.exact

    def _met(self, wide: bool) -> list[ChainRange]:
        whole = self.all_sources
        now = [ChainRange(0, END - 1, whole, ())]
        for number, level in enumerate(self.levels):
            now = list(met(now, level.possible if wide else level.certain, number, whole))
        if self.admin is not None:
            flow = self.admin.always.allowed(self.destination, self.side, self.version, wide)
            past = [
                ChainRange(each.first, each.last, each.sources, (LevelDecision(0, each.rules, each.sources),))
                for each in flow
            ]
            now = list(added(now, past)) if past else now
        return now

    def _opening(self, protocol: str, start: int, piece: OpenPlaces, known: KnownPort | None = None) -> OpenRange:
        steps = [self._step(mark) for mark in piece.decisions]
        if self.route_warning is not None:
            steps.append(replace(self.route_warning, remaining=piece.certain))
        missing = self.missing if piece.certain != piece.possible else ()
        return OpenRange(
            protocol,
            piece.first - start,
            piece.last - start,
            known,
            piece.certain,
            piece.possible,
            missing,
            tuple(steps),
        )

    def _step(self, mark: LevelDecision) -> FilterStep:
        level = self.levels[mark.level]
        return FilterStep(level.kind, level.resource, mark.rules, True, mark.remaining, level.detail)


def filter_chain(fabric: Fabric, target: Destination, entry: EntryKind) -> FilterChain:
    """Who gets through to a target, for packets that come that way. Cheap for targets that share their groups."""
    subnet_key, group_key = fabric.key(target.subnet), fabric.key(target.group)
    subnet = fabric.subnets.get(subnet_key)
    above = fabric.groups.get(subnet.group) if subnet is not None else None
    below = fabric.groups.get(group_key)
    fields = target.fields
    network = subnet.network if subnet is not None else ""
    admin = fabric.admin(network)
    aims = tuple(each.skipped(fields) for each in (above, below) if each is not None)
    # A network with admin rules of its own destinations is not shared.
    missing = fabric.admin_gap(network)
    alone = (fields, missing) if admin is not None else missing
    where = (subnet.group, subnet.table, network if admin is not None else "") if subnet is not None else subnet_key
    key = (entry, target.version, where, group_key, aims, alone)
    found = fabric.memo.get(key)
    if found is None:
        found = _made(fabric, target, entry, fields)
        if len(fabric.memo) >= MAX_CACHED_CHAINS:
            del fabric.memo[next(iter(fabric.memo))]
        fabric.memo[key] = found
    return found


def _made(fabric: Fabric, target: Destination, entry: EntryKind, fields: DestinationFields) -> FilterChain:
    side: SourceSide = "inside" if entry == "inside" else "outside"
    version = target.version
    whole = _everything(all_sources(side, version))
    subnet = fabric.subnets.get(fabric.key(target.subnet))
    levels: list[FilterLevel] = []
    admin = fabric.admin(subnet.network) if subnet is not None else None
    if admin is not None:
        levels.append(_level("admin-rules", admin.passed, fields, side, version, admin.missing))
    named: list[tuple[FilterKind, str]] = [("nic-nsg", fabric.key(target.group))]
    if subnet is None:
        missing = not_listed(target.subnet or "the subnet")
        levels.append(FilterLevel("subnet-nsg", target.subnet, (), whole, (missing,), detail="the subnet was not read"))
    else:
        named.insert(0, ("subnet-nsg", subnet.group))
    groups = [(kind, key) for kind, key in named if key]
    for kind, key in groups:
        group = fabric.groups.get(key)
        if group is None:
            missing = not_listed(key)
            levels.append(
                FilterLevel(kind, key, (), whole, (missing,), detail="the network security group was not read")
            )
        else:
            levels.append(_level(kind, group, fields, side, version, group.missing))
    if not groups:
        levels.append(_no_group(entry, whole, subnet is None))
    missing_rules = fabric.admin_gap(subnet.network if subnet is not None else "")
    found = FilterChain(side, version, fields, tuple(levels), admin, None, missing_rules)
    found.route_warning = _check(fabric, target, found) if side == "outside" else None
    return found


def _level(
    kind: FilterKind,
    group: SecurityRules,
    fields: DestinationFields,
    side: SourceSide,
    version: Version,
    missing: tuple[Unread, ...],
) -> FilterLevel:
    certain = group.allowed(fields, side, version)
    possible = group.allowed(fields, side, version, wide=True)
    return FilterLevel(kind, group.id, certain, certain if possible == certain else possible, missing, group)


def _everything(who: SourceSet) -> AllowedRanges:
    return (AllowedRange(0, END - 1, who, ()),)


def _no_group(entry: EntryKind, whole: AllowedRanges, unsure: bool) -> FilterLevel:
    if entry == "standard":
        why = "no network security group: a Standard address is closed"
        return FilterLevel("no-nsg", "", (), whole if unsure else (), detail=why)
    kind = "a Basic address is open" if entry == "basic" else "everything inside gets in"
    return FilterLevel("no-nsg", "", whole, whole, detail=f"no network security group: {kind}")


def _check(fabric: Fabric, target: Destination, outside: FilterChain) -> FilterStep | None:
    """Evidence where a default route may have put every address into the tag VirtualNetwork."""
    subnet = fabric.subnets.get(fabric.key(target.subnet))
    if subnet is None or not subnet.table:
        return None
    table = fabric.tables.get(subnet.table)
    if table is not None and not table.default:
        return None
    if not filter_chain(fabric, target, "inside").places:
        return None
    if table is None:
        said = (
            "check: the route table was not read; with a default route the tag VirtualNetwork may stand for everybody"
        )
        return FilterStep("route", subnet.table, (), None, NO_SOURCES, said)
    said = f"check: a default route through {_HOPS[table.default]} may make the tag VirtualNetwork stand for everybody"
    return FilterStep("route", table.id, (), None, NO_SOURCES, said)


_HOPS: Final = {"appliance": "an appliance", "gateway": "a gateway"}


# Lists of pieces


def _at(flow: AllowedRanges, at: int) -> SourceSet:
    return next((each.sources for each in flow if each.first <= at <= each.last), NO_SOURCES)


def met(now: list[ChainRange], flow: AllowedRanges, level: int, whole: SourceSet) -> Iterator[ChainRange]:
    """What is left of the pieces after a level."""
    i = j = 0
    while i < len(now) and j < len(flow):
        one, two = now[i], flow[j]
        first, last = max(one.first, two.first), min(one.last, two.last)
        if first <= last:
            if one.sources is whole:
                who = two.sources
            elif two.sources is whole or two.sources is one.sources:
                who = one.sources
            else:
                who = interned(one.sources & two.sources)
            if who:
                yield ChainRange(first, last, who, (*one.decisions, LevelDecision(level, two.rules, who)))
        if one.last < two.last:
            i += 1
        else:
            j += 1


def cut_ranges(
    left: list[ChainRange], right: list[ChainRange]
) -> Iterator[tuple[int, int, ChainRange | None, ChainRange | None]]:
    """The places of either list, cut where a piece of one starts or ends."""
    cuts = sorted({cut for piece in (*left, *right) for cut in (piece.first, piece.last + 1)})
    i = j = 0
    for first, after in pairwise(cuts):
        while i < len(left) and left[i].last < first:
            i += 1
        while j < len(right) and right[j].last < first:
            j += 1
        one = left[i] if i < len(left) and left[i].first <= first else None
        two = right[j] if j < len(right) and right[j].first <= first else None
        if one or two:
            yield first, after - 1, one, two


def added(now: list[ChainRange], past: list[ChainRange]) -> Iterator[ChainRange]:
    """The pieces, and what is delivered past the groups."""
    for first, last, one, two in cut_ranges(now, past):
        if one and two:
            yield ChainRange(first, last, interned(one.sources | two.sources), merged_decisions(two.decisions, one.decisions))
        else:
            piece = one or two
            assert piece is not None
            yield structs.replace(piece, first=first, last=last)


def merged_decisions(one: tuple[LevelDecision, ...], two: tuple[LevelDecision, ...]) -> tuple[LevelDecision, ...]:
    """The marks of two places told as one."""
    if one is two or one == two:
        return one
    found: dict[int, LevelDecision] = {}
    for mark in (*one, *two):
        known = found.get(mark.level)
        if known is None:
            found[mark.level] = mark
        elif known != mark:
            rules = known.rules
            if mark.rules is not rules:
                rules = tuple(sorted(dict.fromkeys((*rules, *mark.rules)), key=lambda rule: rule.priority))
            left = known.remaining if mark.remaining is known.remaining else interned(known.remaining | mark.remaining)
            found[mark.level] = LevelDecision(mark.level, rules, left)
    return tuple(found[level] for level in sorted(found))


def joined(pieces: Iterable[OpenPlaces]) -> Iterator[OpenPlaces]:
    """Neighbours with the same senders as one; TCP, UDP and what follows stay apart."""
    last: OpenPlaces | None = None
    for whole in pieces:
        for piece in _apart(whole):
            if last is not None and _continues(last, piece):
                last = structs.replace(last, last=piece.last, decisions=merged_decisions(last.decisions, piece.decisions))
                continue
            if last is not None:
                yield last
            last = piece
    if last is not None:
        yield last


def _continues(last: OpenPlaces, piece: OpenPlaces) -> bool:
    adjacent = last.last + 1 == piece.first and piece.first not in _BORDERS
    return adjacent and (last.certain, last.possible) == (piece.certain, piece.possible)


_BORDERS: Final = (CONNECTIONS // 2, CONNECTIONS, CONNECTIONS + 1, CONNECTIONS + 2)


def _apart(piece: OpenPlaces) -> Iterator[OpenPlaces]:
    first = piece.first
    for border in _BORDERS:
        if first < border <= piece.last:
            yield structs.replace(piece, first=first, last=border - 1)
            first = border
    yield structs.replace(piece, first=first)


def clipped(pieces: Iterable[OpenPlaces], first: int, last: int) -> list[OpenPlaces]:
    return [
        structs.replace(piece, first=max(piece.first, first), last=min(piece.last, last))
        for piece in pieces
        if piece.first <= last and piece.last >= first
    ]


def known_ports_of(pieces: list[OpenPlaces]) -> Iterator[tuple[OpenPlaces, KnownPort]]:
    for piece in pieces:
        for at, known in _between(piece):
            yield structs.replace(piece, first=at, last=at), known


_KNOWN_PLACES: Final = [known.place for known in KNOWN_PORTS]


def _between(piece: OpenPlaces) -> Iterator[tuple[int, KnownPort]]:
    """The known ports of a piece, with their places."""
    first, after = bisect_left(_KNOWN_PLACES, piece.first), bisect_right(_KNOWN_PLACES, piece.last)
    return zip(_KNOWN_PLACES[first:after], KNOWN_PORTS[first:after], strict=True)


def rest_of(pieces: list[OpenPlaces]) -> list[OpenPlaces]:
    """What is open beside the known ports. A known port that is at least as open does not cut a range in two."""
    out: list[OpenPlaces] = []
    bridge: int | None = None
    """The first place after the last range that no known port carried on to."""
    for piece in pieces:
        for first, last, is_known in _parted(piece):
            if is_known:
                wide = (
                    out
                    and out[-1].certain & piece.certain == out[-1].certain
                    and out[-1].possible & piece.possible == out[-1].possible
                )
                bridge = last + 1 if wide and bridge == first else None
                continue
            if out and bridge == first and (out[-1].certain, out[-1].possible) == (piece.certain, piece.possible):
                out[-1] = structs.replace(out[-1], last=last, decisions=merged_decisions(out[-1].decisions, piece.decisions))
            else:
                out.append(structs.replace(piece, first=first, last=last))
            bridge = last + 1
    return out


def _parted(piece: OpenPlaces) -> Iterator[tuple[int, int, bool]]:
    first = piece.first
    for at, _ in _between(piece):
        if first < at:
            yield first, at - 1, False
        yield at, at, True
        first = at + 1
    if first <= piece.last:
        yield first, piece.last, False


def alike(rest: dict[Protocol, list[OpenPlaces]]) -> list[OpenPlaces]:
    """The ranges that are open alike over TCP and UDP, as TCP's places."""
    if len(rest) < 2:
        return []
    start = place("udp")
    udp = {(piece.first - start, piece.last - start): piece for piece in rest["udp"]}
    found: list[OpenPlaces] = []
    for piece in rest["tcp"]:
        other = udp.get((piece.first, piece.last))
        if other is not None and (other.certain, other.possible) == (piece.certain, piece.possible):
            found.append(structs.replace(piece, decisions=merged_decisions(piece.decisions, other.decisions)))
    return found


# Rating


@lru_cache(maxsize=4096)
def describe_sources(who: SourceSet, limit: int = MAX_NAMED_RULES) -> str:
    """Senders as a clause: "every address", "every address but 20.0.0.0/8", "the service tag Storage"."""
    parts = _addresses(who.addresses, limit)
    if parts and who.without:
        parts[-1] += f" except of {_few(who.without, limit)}"
    tags = [tag for tag in who.tags if not tag.startswith("/")]
    groups = [tag.strip("/").rsplit("/", 1)[-1] for tag in who.tags if tag.startswith("/")]
    named = [f"the service tag{'s' if len(tags) > 1 else ''} {_few(tags, limit)}"] if tags else []
    named += [f"members of {_few(groups, limit)}"] if groups else []
    return join_with_and([*named, *parts] if parts and parts[-1].startswith("and ") else [*parts, *named])


def _few(names: Sequence[str], limit: int) -> str:
    shown = list(names[:limit])
    return join_with_and([*shown, f"and {len(names) - limit} more"] if len(names) > limit else shown)


def _addresses(addresses: AddressSet, limit: int) -> list[str]:
    for universe in _UNIVERSES:
        missing = universe - addresses
        if addresses and universe.covers(addresses) and _count(missing) < _count(addresses):
            return [f"every address but {join_with_and(missing.describe(limit))}" if missing else "every address"]
    return addresses.describe(limit)


def _count(addresses: AddressSet) -> int:
    return len(addresses.v4) + len(addresses.v6)


_UNIVERSES: Final = (PUBLIC_IPV4, PUBLIC_IPV6, PUBLIC_ADDRESSES, ALL_IPV4, ALL_IPV6, ALL_ADDRESSES)


def grants_from_sources(who: SourceSet, index: Index, *evidence: Evidence) -> tuple[Grant, ...]:
    """The ways in that these senders are, in the words of the design: addresses by their breadth, tags as `azure`.

    Tags of Microsoft's own control planes give none; a tag that also had to come from few addresses counts as these.
    The same senders come through many ports: their ways are kept, without the evidence.
    """
    memo: dict[SourceSet, tuple[Grant, ...]] = cached(index, "ways", _no_ways)
    found = memo.get(who)
    if found is None:
        if len(memo) >= MAX_CACHED_GRANTS:
            memo.clear()
        found = memo[who] = _grants_from_sources(who, index)
    return tuple(grant.with_evidence(evidence) for grant in found) if evidence else found


MAX_CACHED_GRANTS: Final = 4096


def _no_ways(index: Index) -> dict[SourceSet, tuple[Grant, ...]]:
    return {}


def _grants_from_sources(who: SourceSet, index: Index) -> tuple[Grant, ...]:
    found: list[Grant] = []
    addresses = grant_from_addresses(who.addresses, index)
    if addresses is not None:
        found.append(addresses)
    for term in who.terms:
        open_ways = [grant_from_tag(tag)[0] for tag in sorted(term.tags) if not tag.startswith("/")]
        if not open_ways or None in open_ways:
            continue
        bound = grant_from_addresses(term.addresses, index)
        narrow = min((grant for grant in open_ways if grant is not None), key=lambda grant: grant.level)
        if bound is not None:
            found.append(bound if bound.level < Reach.azure else narrow)
    return tuple(dict.fromkeys(found))


def platform_tags(who: SourceSet) -> tuple[str, ...]:
    """The tags of Microsoft's own management and probes among the senders, with what they are: told, never reach."""
    found = [service_tag(tag) for tag in who.tags if not tag.startswith("/")]
    return tuple(f"{tag.name}: {tag.why}" for tag in found if tag.reach == "none")


def fabric_of(index: Index) -> Fabric:
    """The fabric of a whole index, made once."""
    return cached(index, "fabric", _fabric)


def _fabric(index: Index) -> Fabric:
    fabric = Fabric()
    for resource in index.resources.values():
        fabric.add(resource)
    if index.live:
        fabric.admin_missing = index.missing.get(ADMIN_RULES)
        fabric.admin_unlisted = index.unlisted.get(ADMIN_RULES)
    return fabric


__all__ = [
    "EntryKind",
    "FilterChain",
    "FilterStep",
    "OpenRange",
    "RuleRef",
    "describe_sources",
    "fabric_of",
    "filter_chain",
    "grants_from_sources",
    "platform_tags",
]
