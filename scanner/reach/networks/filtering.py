"""The filter chain of a network interface: security admin rules, the subnet's group, the interface's own group.

Both groups must allow a packet. A level without a group allows everything; without one at either level a Standard
address is closed and a Basic one open (Microsoft Learn, virtual-network/ip-services/public-ip-addresses). Network paths
(`scanner.reach.paths.network_paths`) ask the chain for back-end ports.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.model.addresses import Version
from scanner.model.exposure import Hop
from scanner.model.ids import name_of
from scanner.model.message import NOTHING, Message, listed, more
from scanner.model.message import joined as texts_joined
from scanner.model.verdict import Unread, not_listed
from scanner.reach.networks.fabric import Destination, Fabric
from scanner.reach.rules.known_ports import KnownPort
from scanner.reach.rules.nsg import AdminRules, SecurityRules
from scanner.reach.rules.open_spans import (
    ChainRange,
    LevelDecision,
    OpenSpan,
    added,
    alike,
    clipped,
    cut_ranges,
    joined,
    known_ports_of,
    met,
    rest_of,
)
from scanner.reach.rules.port_ranges import END, WITH_PORTS, Protocol, Span, label, position, span
from scanner.reach.rules.rule_evaluation import all_sources, deciding_rules, interned
from scanner.reach.rules.security_rules import AllowedRange, AllowedRanges, DestinationFields, RuleRef, SourceSide
from scanner.reach.rules.source_grants import EVERY_ADDRESS, MAX_NAMED_RULES, describe_sources
from scanner.reach.rules.source_sets import NO_SOURCES, SourceSet

EntryKind: TypeAlias = Literal["standard", "basic", "inside"]
"""How a packet arrives: by a public address or load balancer of that SKU, or from inside (the network itself, its
peers, a firewall or a gateway in it).
"""

FilterKind: TypeAlias = Literal["admin-rules", "subnet-nsg", "nic-nsg", "no-nsg", "route"]

MAX_CACHED_CHAINS: Final = 256
"""The number of chains that a fabric keeps, because machines that share their groups follow each other."""


class FilterStep(Struct, frozen=True):
    """One step of the chain: the rules that decided, and the sources that remain after it.

    `allows` None: the step could not be read, or is not known in part.
    """

    kind: FilterKind
    resource: str
    rules: tuple[RuleRef, ...]
    allows: bool | None
    remaining: SourceSet
    detail: Message = NOTHING

    def hop(self, *, inside: bool = False) -> Hop:
        """Return the step as a hop of an exposure. `inside`: every caller is the firewall before it."""
        name = name_of(self.resource) or _NAMES[self.kind]
        texts = [rule.text for rule in self.rules[:MAX_NAMED_RULES]]
        left = len(self.rules) - len(texts)
        rules = listed([*texts, more(left)] if left > 0 else texts)
        sources = describe_sources(self.remaining) if self.remaining else Message("no one")
        if inside and sources == EVERY_ADDRESS:
            sources = Message("the firewall")
        detail = self.detail or (
            Message("{rules} allows {sources}", rules=rules, sources=sources)
            if rules
            else Message("allows {sources}", sources=sources)
        )
        return Hop(self.kind, name, detail, self.resource, self.allows)


_NAMES: Final[dict[FilterKind, str]] = {
    "admin-rules": Message("security admin rules"),
    "subnet-nsg": "subnet",
    "nic-nsg": Message("network interface"),
    "no-nsg": Message("no network security group"),
    "route": Message("route table"),
}


class OpenRange(Struct, frozen=True, eq=False):
    """A range of ports that some source reaches. `protocol` "*": TCP and UDP alike. Compared by identity.

    `certain` may be empty, `possible` never is.
    """

    protocol: str
    first: int
    last: int
    known_port: KnownPort | None
    certain: SourceSet
    possible: SourceSet
    missing: tuple[Unread, ...]
    """What could not be read, where `possible` is more than `certain`."""
    steps: tuple[FilterStep, ...]
    chain: FilterChain | None = None
    """The chain that allows it."""
    spans: tuple[Span, ...] = ()
    """The places behind, as the chain sees them."""

    @property
    def label(self) -> str:
        return label(self.protocol, self.first, self.last)

    def limited(self, to: SourceSet) -> OpenRange:
        """Return the range behind a device that allows only these sources."""
        return replace(self, certain=self.certain & to, possible=self.possible & to)


class FilterLevel(Struct, frozen=True):
    """One level of the chain. `group` None: no rules decide there, and `detail` says why."""

    kind: FilterKind
    resource: str
    certain: AllowedRanges
    possible: AllowedRanges
    missing: tuple[Unread, ...] = ()
    group: SecurityRules | None = None
    detail: Message = NOTHING


class FilterChain(Struct):
    """The sources that reach a destination, on every port. Destinations to which the same rules apply share one
    chain.
    """

    side: SourceSide
    version: Version
    destination: DestinationFields
    levels: tuple[FilterLevel, ...]
    admin: AdminRules | None
    route_warning: FilterStep | None = None
    admin_gap: Unread | None = None
    _open_spans: tuple[OpenSpan, ...] | None = None
    _open_ranges: tuple[OpenRange, ...] | None = None
    closings: dict[object, object] = field(default_factory=dict)
    """What closes a range of it, see `scanner.reach.paths.closing`."""

    @property
    def all_sources(self) -> SourceSet:
        return all_sources(self.side, self.version)

    @property
    def missing(self) -> tuple[Unread, ...]:
        """Return what of the chain could not be read or is not known."""
        unreads = [possible for level in self.levels for possible in level.missing]
        if self.admin_gap is not None:
            unreads.append(self.admin_gap)
        return tuple(dict.fromkeys(unreads))

    @property
    def open_spans(self) -> tuple[OpenSpan, ...]:
        """Return the open places of the line, ascending; neighbours with the same sources are merged."""
        if self._open_spans is None:
            self._open_spans = tuple(joined(self._both()))
        return self._open_spans

    @property
    def open_ranges(self) -> tuple[OpenRange, ...]:
        """Return what is open over TCP and UDP: each known port by itself, the rest in as few ranges as possible."""
        if self._open_ranges is None:
            self._open_ranges = self.within("*")
        return self._open_ranges

    def within(self, protocol: str, first: int = 0, last: int = 65535) -> tuple[OpenRange, ...]:
        """Return what is open of these ports ("*": TCP and UDP), in the form of `open_ranges`."""
        asked = WITH_PORTS if protocol == "*" else tuple(each for each in WITH_PORTS if each == protocol)
        open_ranges: list[OpenRange] = []
        rest: dict[Protocol, list[OpenSpan]] = {}
        for each in asked:
            start = position(each)
            pieces = clipped(self.open_spans, *span(each, first, last))
            open_ranges += (self._opening(each, start, piece, known) for piece, known in known_ports_of(pieces))
            rest[each] = rest_of(pieces)
        both = alike(rest)
        open_ranges += (self._opening("*", 0, piece) for piece in both)
        skip = {(piece.first, piece.last) for piece in both}
        for each in asked:
            start = position(each)
            open_ranges += (
                self._opening(each, start, piece)
                for piece in rest[each]
                if (piece.first - start, piece.last - start) not in skip
            )
        return tuple(sorted(open_ranges, key=lambda one: (one.protocol, one.first, one.last)))

    def explain(self, protocol: Protocol, port: int = 0, asked: SourceSet | None = None) -> tuple[FilterStep, ...]:
        """Return the rules that decide on these sources (None: all) at one port, step by step, also where they deny.

        `remaining` of the last step are the allowed sources. A step after which no source remains is the last one.
        """
        at = position(protocol, port)
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
            allows = bool(left) if level.certain == level.possible else None
            return FilterStep(level.kind, level.resource, (), allows, left, level.detail)
        decided, allowed = deciding_rules(level.group.rules(self.destination, False), self.side, self.version, at, now)
        _, possible = deciding_rules(level.group.rules(self.destination, True), self.side, self.version, at, now)
        refs = tuple(rule.ref for rule, _ in decided)
        left = allowed | delivered
        return FilterStep(level.kind, level.resource, refs, bool(left) if possible == allowed else None, left)

    def _both(self) -> Iterator[OpenSpan]:
        certain = self._met(wide=False)
        exact = all(level.certain is level.possible for level in self.levels) and not self._admin_unsure
        possible = certain if exact else self._met(wide=True)
        if self.admin_gap is not None:
            possible = [ChainRange(0, END - 1, self.all_sources, ())]
        if possible is certain:
            for piece in certain:
                yield OpenSpan(piece.first, piece.last, piece.sources, piece.sources, piece.decisions)
            return
        for first, last, one, two in cut_ranges(certain, possible):
            left = one.sources if one else NO_SOURCES
            wide = interned(left | two.sources) if two else left
            yield OpenSpan(first, last, left, wide, one.decisions if one else two.decisions if two else ())

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

    def _opening(self, protocol: str, start: int, piece: OpenSpan, known: KnownPort | None = None) -> OpenRange:
        steps = [self._step(mark) for mark in piece.decisions]
        if self.route_warning is not None:
            steps.append(replace(self.route_warning, remaining=piece.certain))
        missing = self.missing if piece.certain != piece.possible else ()
        starts = [position(each) for each in WITH_PORTS] if protocol == "*" else [start]
        return OpenRange(
            protocol,
            piece.first - start,
            piece.last - start,
            known,
            piece.certain,
            piece.possible,
            missing,
            tuple(steps),
            self,
            tuple((piece.first - start + each, piece.last - start + each) for each in starts),
        )

    def _step(self, mark: LevelDecision) -> FilterStep:
        level = self.levels[mark.level]
        return FilterStep(level.kind, level.resource, mark.rules, True, mark.remaining, level.detail)


def filter_chain(fabric: Fabric, target: Destination, entry: EntryKind) -> FilterChain:
    """Return the chain to a destination for packets that arrive so. Destinations that share their groups share it."""
    subnet_key, group_key = fabric.key(target.subnet), fabric.key(target.group)
    subnet = fabric.subnets.get(subnet_key)
    above = fabric.groups.get(subnet.group) if subnet is not None else None
    below = fabric.groups.get(group_key)
    fields = target.fields
    network = subnet.network if subnet is not None else ""
    admin = fabric.admin_of(subnet)
    aims = tuple(each.skipped(fields) for each in (above, below) if each is not None)
    # A network with admin rules of its own destinations is not shared.
    missing = None if subnet is not None and subnet.exempt else fabric.admin_gap(network)
    alone = (fields, missing) if admin is not None else missing
    where = (subnet.group, subnet.table, network if admin is not None else "") if subnet is not None else subnet_key
    key = (entry, target.version, where, group_key, aims, alone)
    result = fabric.memo.get(key)
    if result is None:
        result = _made(fabric, target, entry, fields)
        if len(fabric.memo) >= MAX_CACHED_CHAINS:
            del fabric.memo[next(iter(fabric.memo))]
        fabric.memo[key] = result
    return result


def _made(fabric: Fabric, target: Destination, entry: EntryKind, fields: DestinationFields) -> FilterChain:
    side: SourceSide = "inside" if entry == "inside" else "outside"
    version = target.version
    whole = _everything(all_sources(side, version))
    subnet = fabric.subnets.get(fabric.key(target.subnet))
    levels: list[FilterLevel] = []
    admin = fabric.admin_of(subnet)
    if admin is not None:
        levels.append(_level("admin-rules", admin.passed, fields, side, version, admin.missing))
    named: list[tuple[FilterKind, str]] = [("nic-nsg", fabric.key(target.group))]
    if subnet is None:
        missing = not_listed(target.subnet or Message("the subnet"))
        levels.append(
            FilterLevel(
                "subnet-nsg", target.subnet, (), whole, (missing,), detail=Message("the subnet was not collected")
            )
        )
    else:
        named.insert(0, ("subnet-nsg", subnet.group))
    groups = [(kind, key) for kind, key in named if key]
    for kind, key in groups:
        group = fabric.groups.get(key)
        if group is None:
            missing = not_listed(key)
            levels.append(
                FilterLevel(
                    kind, key, (), whole, (missing,), detail=Message("the network security group was not collected")
                )
            )
        else:
            levels.append(_level(kind, group, fields, side, version, group.missing))
    if not groups:
        levels.append(_no_group(entry, whole, subnet is None))
    exempt = subnet is not None and subnet.exempt
    missing_rules = None if exempt else fabric.admin_gap(subnet.network if subnet is not None else "")
    if subnet is None and fabric.may_have_admin_rules(target.subnet):
        missing_rules = missing_rules or not_listed(target.subnet or Message("the subnet"))
    chain = FilterChain(side, version, fields, tuple(levels), admin, None, missing_rules)
    chain.route_warning = _route_warning(fabric, target) if side == "outside" else None
    return chain


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


def _everything(sources: SourceSet) -> AllowedRanges:
    return (AllowedRange(0, END - 1, sources, ()),)


def _no_group(entry: EntryKind, whole: AllowedRanges, unsure: bool) -> FilterLevel:
    if entry == "standard":
        why = Message("no network security group: a Standard address blocks all inbound traffic")
        return FilterLevel("no-nsg", "", (), whole if unsure else (), detail=why)
    allowed = (
        Message("a Basic address allows all inbound traffic")
        if entry == "basic"
        else Message("all inside traffic is allowed")
    )
    return FilterLevel(
        "no-nsg", "", whole, whole, detail=Message("no network security group: {allowed}", allowed=allowed)
    )


def _route_warning(fabric: Fabric, target: Destination) -> FilterStep | None:
    """Return a step of evidence about the default route: what becomes of answers, and whom VirtualNetwork may include.

    A route to None drops the answers (Microsoft Learn, virtual-network/virtual-networks-udr-overview), and so does a
    stateful appliance that never saw the request (firewall/integrate-lb). The packets themselves arrive.
    """
    subnet = fabric.subnets.get(fabric.key(target.subnet))
    if subnet is None or not subnet.table:
        return None
    table = fabric.tables.get(subnet.table)
    if table is not None and not table.default:
        return None
    widens = bool(filter_chain(fabric, target, "inside").open_spans)
    if table is None:
        warning = Message(
            "check: route table not collected; a default route may extend the tag VirtualNetwork to every address"
        )
        return FilterStep("route", subnet.table, (), None, NO_SOURCES, warning) if widens else None
    texts = [_ANSWERS[table.default]] if table.default in _ANSWERS else []
    if widens and table.default in _HOPS:
        texts.append(
            Message(
                "a default route through {hops} may extend the tag VirtualNetwork to every address",
                hops=_HOPS[table.default],
            )
        )
    return (
        FilterStep("route", table.id, (), None, NO_SOURCES, Message("check: {list}", list=texts_joined("; ", texts)))
        if texts
        else None
    )


_HOPS: Final = {"appliance": Message("an appliance"), "gateway": Message("a gateway")}
_ANSWERS: Final = {
    "none": Message("packets arrive, but the default route to None drops the answers"),
    "appliance": Message("packets arrive, but answers go to an appliance, and a stateful one drops them"),
}


def _at(flow: AllowedRanges, at: int) -> SourceSet:
    return next((each.sources for each in flow if each.first <= at <= each.last), NO_SOURCES)
