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
    ALL_IPV4,
    ALL_IPV6,
    EVERYTHING,
    PUBLIC,
    PUBLIC_IPV4,
    PUBLIC_IPV6,
    AddressSet,
    Version,
)
from scanner.model.exposure import Grant as OpenWay
from scanner.model.exposure import Hop, Reach
from scanner.model.index import Index
from scanner.model.verdict import Evidence, Unread
from scanner.reach.known_ports import KNOWN_PORTS, KnownPort
from scanner.reach.networks import ADMIN_RULES, Fabric, Target
from scanner.reach.nsg import AdminRules, Flow, Group, Receiver, RuleRef, Segment, Side, decide, everybody, shared
from scanner.reach.port_ranges import CONNECTIONS, END, WITH_PORTS, Protocol, label, place, span
from scanner.reach.senders import NOBODY, Senders
from scanner.reach.service_tags import lookup
from scanner.reach.sources import from_addresses, from_tag, phrase, remembered

Entry: TypeAlias = Literal["standard", "basic", "inside"]
"""How a packet comes: by a public address or load balancer of that SKU, or from inside (the network itself, its peers,
a firewall or a gateway in it)."""
StepKind: TypeAlias = Literal["admin-rules", "subnet-nsg", "nic-nsg", "no-nsg", "route"]

KEPT: Final = 256
"""How many passages a fabric remembers: machines that share their groups stand close together."""
SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Step:
    """A hop on the way in: what decided there, and who is left after it. `lets` None: it could not be read, or is not
    known in part."""

    kind: StepKind
    resource: str
    rules: tuple[RuleRef, ...]
    lets: bool | None
    left: Senders
    detail: str = ""

    def hop(self) -> Hop:
        """The same for an exposure."""
        name = self.resource.rstrip("/").rsplit("/", 1)[-1] or _NAMES[self.kind]
        said = [f"{rule.name} ({rule.priority})" for rule in self.rules[:SHOWN]]
        more = len(self.rules) - len(said)
        rules = phrase([*said, f"and {more} more"] if more > 0 else said)
        who = f"lets in {describe(self.left)}" if self.left else "lets nobody in"
        detail = self.detail or (f"{rules} {who}" if rules else who)
        return Hop(self.kind, name, detail, self.resource, self.lets)


_NAMES: Final[dict[StepKind, str]] = {
    "admin-rules": "security admin rules",
    "subnet-nsg": "subnet",
    "nic-nsg": "network interface",
    "no-nsg": "no network security group",
    "route": "route table",
}


@dataclass(frozen=True, slots=True)
class Opening:
    """A range of ports that somebody gets to. `protocol` "*": TCP and UDP alike. `sure` may be nobody, `may` never is.

    `doubts` say what could not be read, where `may` is more than `sure`.
    """

    protocol: str
    first: int
    last: int
    known: KnownPort | None
    certain: Senders
    possible: Senders
    possible_grants: tuple[Unread, ...]
    steps: tuple[Step, ...]

    @property
    def label(self) -> str:
        return label(self.protocol, self.first, self.last)

    def shifted(self, first: int, known: KnownPort | None = None) -> Opening:
        """The same seen from outside, where its ports start at `first`; what answers is still what stands behind."""
        return replace(self, first=first, last=first + self.last - self.first, known=known or self.known)

    def limited(self, to: Senders) -> Opening:
        """The same behind a device that lets only these senders come."""
        return replace(self, certain=self.certain & to, possible=self.possible & to)


class Mark(msgspec.Struct, frozen=True, gc=False):
    """What one level did at a place: which of the levels, the rules that let in, and who was left."""

    level: int
    rules: tuple[RuleRef, ...]
    left: Senders


class _Piece(msgspec.Struct, frozen=True, gc=False):
    first: int
    last: int
    senders: Senders
    marks: tuple[Mark, ...]


class _Open(msgspec.Struct, frozen=True, gc=False):
    first: int
    last: int
    certain: Senders
    possible: Senders
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the chain. `group` None: nothing decides there, `open` says how."""

    kind: StepKind
    resource: str
    certain: Flow
    possible: Flow
    possible_grants: tuple[Unread, ...] = ()
    group: Group | None = None
    detail: str = ""


@dataclass(slots=True)
class Passage:
    """Who gets through to a target, on every port. Targets to which the same rules apply share one passage."""

    side: Side
    version: Version
    receiver: Receiver
    levels: tuple[Level, ...]
    admin: AdminRules | None
    check: Step | None = None
    missing: Unread | None = None
    _pieces: tuple[_Open, ...] | None = None
    _openings: tuple[Opening, ...] | None = None

    @property
    def everybody(self) -> Senders:
        return everybody(self.side, self.version)

    @property
    def possible_grants(self) -> tuple[Unread, ...]:
        """What of the chain could not be read or is not known."""
        found = [possible for level in self.levels for possible in level.possible_grants]
        if self.missing is not None:
            found.append(self.missing)
        return tuple(dict.fromkeys(found))

    @property
    def pieces(self) -> tuple[_Open, ...]:
        """The open places of the line, ascending, merged where the same senders get in."""
        if self._pieces is None:
            self._pieces = tuple(_joined(self._both()))
        return self._pieces

    @property
    def openings(self) -> tuple[Opening, ...]:
        """What is open over TCP and UDP: known ports on their own, the rest in as few ranges as it takes."""
        if self._openings is None:
            self._openings = self.within("*")
        return self._openings

    def within(self, protocol: str, first: int = 0, last: int = 65535) -> tuple[Opening, ...]:
        """What is open of these ports ("*": TCP and UDP), in the same form."""
        asked = WITH_PORTS if protocol == "*" else tuple(each for each in WITH_PORTS if each == protocol)
        found: list[Opening] = []
        rest: dict[Protocol, list[_Open]] = {}
        for each in asked:
            start = place(each)
            pieces = _clipped(self.pieces, *span(each, first, last))
            found += (self._opening(each, start, piece, known) for piece, known in _known(pieces))
            rest[each] = _rest(pieces)
        both = _alike(rest)
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

    def explain(self, protocol: Protocol, port: int = 0, asked: Senders | None = None) -> tuple[Step, ...]:
        """The rules that decide on these senders (None: everybody) at one port, hop by hop, also where they deny.

        The last step's `left` is who gets through; a step after which nobody is left is the last one.
        """
        at = place(protocol, port)
        now = self.everybody if asked is None else asked & self.everybody
        steps: list[Step] = []
        delivered = NOBODY
        if self.admin is not None:
            _, delivered = decide(self.admin.always.rules(self.receiver, False), self.side, self.version, at, now)
        for level in self.levels:
            step = self._explained(level, at, now, delivered)
            steps.append(step)
            now = step.left
            if not now or now == delivered:
                break
        if self.check is not None:
            steps.append(replace(self.check, left=now))
        return tuple(steps)

    def _explained(self, level: Level, at: int, now: Senders, delivered: Senders) -> Step:
        if level.group is None:
            left = _at(level.certain, at) & now | delivered
            lets = bool(left) if level.certain == level.possible else None
            return Step(level.kind, level.resource, (), lets, left, level.detail)
        decided, let = decide(level.group.rules(self.receiver, False), self.side, self.version, at, now)
        _, possible = decide(level.group.rules(self.receiver, True), self.side, self.version, at, now)
        refs = tuple(rule.ref for rule, _ in decided)
        left = let | delivered
        return Step(level.kind, level.resource, refs, bool(left) if possible == let else None, left)

    # Working it out

    def _both(self) -> Iterator[_Open]:
        certain = self._met(wide=False)
        exact = all(level.certain is level.possible for level in self.levels) and not self._admin_unsure
        possible = certain if exact else self._met(wide=True)
        if self.missing is not None:
            possible = [_Piece(0, END - 1, self.everybody, ())]
        if possible is certain:
            for piece in certain:
                yield _Open(piece.first, piece.last, piece.senders, piece.senders, piece.marks)
            return
        for first, last, one, two in _cut(certain, possible):
            left = one.senders if one else NOBODY
            wide = shared(left | two.senders) if two else left
            yield _Open(first, last, left, wide, one.marks if one else two.marks if two else ())

    @property
    def _admin_unsure(self) -> bool:
        return self.admin is not None and not self.admin.always.exact

    def _met(self, wide: bool) -> list[_Piece]:
        whole = self.everybody
        now = [_Piece(0, END - 1, whole, ())]
        for number, level in enumerate(self.levels):
            now = list(_meet(now, level.possible if wide else level.certain, number, whole))
        if self.admin is not None:
            flow = self.admin.always.flow(self.receiver, self.side, self.version, wide)
            past = [_Piece(each.first, each.last, each.senders, (Mark(0, each.rules, each.senders),)) for each in flow]
            now = list(_added(now, past)) if past else now
        return now

    def _opening(self, protocol: str, start: int, piece: _Open, known: KnownPort | None = None) -> Opening:
        steps = [self._step(mark) for mark in piece.marks]
        if self.check is not None:
            steps.append(replace(self.check, left=piece.certain))
        possible_grants = self.possible_grants if piece.certain != piece.possible else ()
        return Opening(
            protocol,
            piece.first - start,
            piece.last - start,
            known,
            piece.certain,
            piece.possible,
            possible_grants,
            tuple(steps),
        )

    def _step(self, mark: Mark) -> Step:
        level = self.levels[mark.level]
        return Step(level.kind, level.resource, mark.rules, True, mark.left, level.detail)


def passage(fabric: Fabric, target: Target, entry: Entry) -> Passage:
    """Who gets through to a target, for packets that come that way. Cheap for targets that share their groups."""
    subnet_key, group_key = fabric.key(target.subnet), fabric.key(target.group)
    subnet = fabric.subnets.get(subnet_key)
    above = fabric.groups.get(subnet.group) if subnet is not None else None
    below = fabric.groups.get(group_key)
    receiver = target.receiver
    network = subnet.network if subnet is not None else ""
    admin = fabric.admin(network)
    aims = tuple(each.aim(receiver) for each in (above, below) if each is not None)
    # A network with admin rules of its own destinations is not shared.
    missing = fabric.admin_gap(network)
    alone = (receiver, missing) if admin is not None else missing
    where = (subnet.group, subnet.table, network if admin is not None else "") if subnet is not None else subnet_key
    key = (entry, target.version, where, group_key, aims, alone)
    found = fabric.memo.get(key)
    if found is None:
        found = _made(fabric, target, entry, receiver)
        if len(fabric.memo) >= KEPT:
            del fabric.memo[next(iter(fabric.memo))]
        fabric.memo[key] = found
    return found


def _made(fabric: Fabric, target: Target, entry: Entry, receiver: Receiver) -> Passage:
    side: Side = "inside" if entry == "inside" else "outside"
    version = target.version
    whole = _everything(everybody(side, version))
    subnet = fabric.subnets.get(fabric.key(target.subnet))
    levels: list[Level] = []
    admin = fabric.admin(subnet.network) if subnet is not None else None
    if admin is not None:
        levels.append(_level("admin-rules", admin.passed, receiver, side, version, admin.possible_grants))
    named: list[tuple[StepKind, str]] = [("nic-nsg", fabric.key(target.group))]
    if subnet is None:
        missing = Unread(target.subnet or "the subnet", "not among what was read")
        levels.append(Level("subnet-nsg", target.subnet, (), whole, (missing,), detail="the subnet was not read"))
    else:
        named.insert(0, ("subnet-nsg", subnet.group))
    groups = [(kind, key) for kind, key in named if key]
    for kind, key in groups:
        group = fabric.groups.get(key)
        if group is None:
            missing = Unread(key, "not among what was read")
            levels.append(Level(kind, key, (), whole, (missing,), detail="the network security group was not read"))
        else:
            levels.append(_level(kind, group, receiver, side, version, group.possible_grants))
    if not groups:
        levels.append(_no_group(entry, whole, subnet is None))
    missing_rules = fabric.admin_gap(subnet.network if subnet is not None else "")
    found = Passage(side, version, receiver, tuple(levels), admin, None, missing_rules)
    found.check = _check(fabric, target, found) if side == "outside" else None
    return found


def _level(
    kind: StepKind, group: Group, receiver: Receiver, side: Side, version: Version, possible_grants: tuple[Unread, ...]
) -> Level:
    certain = group.flow(receiver, side, version)
    possible = group.flow(receiver, side, version, wide=True)
    return Level(kind, group.id, certain, certain if possible == certain else possible, possible_grants, group)


def _everything(who: Senders) -> Flow:
    return (Segment(0, END - 1, who, ()),)


def _no_group(entry: Entry, whole: Flow, unsure: bool) -> Level:
    if entry == "standard":
        why = "no network security group: a Standard address is closed"
        return Level("no-nsg", "", (), whole if unsure else (), detail=why)
    kind = "a Basic address is open" if entry == "basic" else "everything inside gets in"
    return Level("no-nsg", "", whole, whole, detail=f"no network security group: {kind}")


def _check(fabric: Fabric, target: Target, outside: Passage) -> Step | None:
    """Evidence where a default route may have put every address into the tag VirtualNetwork."""
    subnet = fabric.subnets.get(fabric.key(target.subnet))
    if subnet is None or not subnet.table:
        return None
    table = fabric.tables.get(subnet.table)
    if table is not None and not table.default:
        return None
    if not passage(fabric, target, "inside").pieces:
        return None
    if table is None:
        said = (
            "check: the route table was not read; with a default route the tag VirtualNetwork may stand for everybody"
        )
        return Step("route", subnet.table, (), None, NOBODY, said)
    said = f"check: a default route through {_HOPS[table.default]} may make the tag VirtualNetwork stand for everybody"
    return Step("route", table.id, (), None, NOBODY, said)


_HOPS: Final = {"appliance": "an appliance", "gateway": "a gateway"}


# Lists of pieces


def _at(flow: Flow, at: int) -> Senders:
    return next((each.senders for each in flow if each.first <= at <= each.last), NOBODY)


def _meet(now: list[_Piece], flow: Flow, level: int, whole: Senders) -> Iterator[_Piece]:
    """What is left of the pieces after a level."""
    i = j = 0
    while i < len(now) and j < len(flow):
        one, two = now[i], flow[j]
        first, last = max(one.first, two.first), min(one.last, two.last)
        if first <= last:
            if one.senders is whole:
                who = two.senders
            elif two.senders is whole or two.senders is one.senders:
                who = one.senders
            else:
                who = shared(one.senders & two.senders)
            if who:
                yield _Piece(first, last, who, (*one.marks, Mark(level, two.rules, who)))
        if one.last < two.last:
            i += 1
        else:
            j += 1


def _cut(left: list[_Piece], right: list[_Piece]) -> Iterator[tuple[int, int, _Piece | None, _Piece | None]]:
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


def _added(now: list[_Piece], past: list[_Piece]) -> Iterator[_Piece]:
    """The pieces, and what is delivered past the groups."""
    for first, last, one, two in _cut(now, past):
        if one and two:
            yield _Piece(first, last, shared(one.senders | two.senders), _marks(two.marks, one.marks))
        else:
            piece = one or two
            assert piece is not None
            yield structs.replace(piece, first=first, last=last)


def _marks(one: tuple[Mark, ...], two: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """The marks of two places told as one."""
    if one is two or one == two:
        return one
    found: dict[int, Mark] = {}
    for mark in (*one, *two):
        known = found.get(mark.level)
        if known is None:
            found[mark.level] = mark
        elif known != mark:
            rules = known.rules
            if mark.rules is not rules:
                rules = tuple(sorted(dict.fromkeys((*rules, *mark.rules)), key=lambda rule: rule.priority))
            left = known.left if mark.left is known.left else shared(known.left | mark.left)
            found[mark.level] = Mark(mark.level, rules, left)
    return tuple(found[level] for level in sorted(found))


def _joined(pieces: Iterable[_Open]) -> Iterator[_Open]:
    """Neighbours with the same senders as one; TCP, UDP and what follows stay apart."""
    last: _Open | None = None
    for whole in pieces:
        for piece in _apart(whole):
            if last is not None and _continues(last, piece):
                last = structs.replace(last, last=piece.last, marks=_marks(last.marks, piece.marks))
                continue
            if last is not None:
                yield last
            last = piece
    if last is not None:
        yield last


def _continues(last: _Open, piece: _Open) -> bool:
    adjacent = last.last + 1 == piece.first and piece.first not in _BORDERS
    return adjacent and (last.certain, last.possible) == (piece.certain, piece.possible)


_BORDERS: Final = (CONNECTIONS // 2, CONNECTIONS, CONNECTIONS + 1, CONNECTIONS + 2)


def _apart(piece: _Open) -> Iterator[_Open]:
    first = piece.first
    for border in _BORDERS:
        if first < border <= piece.last:
            yield structs.replace(piece, first=first, last=border - 1)
            first = border
    yield structs.replace(piece, first=first)


def _clipped(pieces: Iterable[_Open], first: int, last: int) -> list[_Open]:
    return [
        structs.replace(piece, first=max(piece.first, first), last=min(piece.last, last))
        for piece in pieces
        if piece.first <= last and piece.last >= first
    ]


def _known(pieces: list[_Open]) -> Iterator[tuple[_Open, KnownPort]]:
    for piece in pieces:
        for at, known in _between(piece):
            yield structs.replace(piece, first=at, last=at), known


_KNOWN_PLACES: Final = [known.place for known in KNOWN_PORTS]


def _between(piece: _Open) -> Iterator[tuple[int, KnownPort]]:
    """The known ports of a piece, with their places."""
    first, after = bisect_left(_KNOWN_PLACES, piece.first), bisect_right(_KNOWN_PLACES, piece.last)
    return zip(_KNOWN_PLACES[first:after], KNOWN_PORTS[first:after], strict=True)


def _rest(pieces: list[_Open]) -> list[_Open]:
    """What is open beside the known ports. A known port that is at least as open does not cut a range in two."""
    out: list[_Open] = []
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
                out[-1] = structs.replace(out[-1], last=last, marks=_marks(out[-1].marks, piece.marks))
            else:
                out.append(structs.replace(piece, first=first, last=last))
            bridge = last + 1
    return out


def _parted(piece: _Open) -> Iterator[tuple[int, int, bool]]:
    first = piece.first
    for at, _ in _between(piece):
        if first < at:
            yield first, at - 1, False
        yield at, at, True
        first = at + 1
    if first <= piece.last:
        yield first, piece.last, False


def _alike(rest: dict[Protocol, list[_Open]]) -> list[_Open]:
    """The ranges that are open alike over TCP and UDP, as TCP's places."""
    if len(rest) < 2:
        return []
    start = place("udp")
    udp = {(piece.first - start, piece.last - start): piece for piece in rest["udp"]}
    found: list[_Open] = []
    for piece in rest["tcp"]:
        other = udp.get((piece.first, piece.last))
        if other is not None and (other.certain, other.possible) == (piece.certain, piece.possible):
            found.append(structs.replace(piece, marks=_marks(piece.marks, other.marks)))
    return found


# Rating


@lru_cache(maxsize=4096)
def describe(who: Senders, limit: int = SHOWN) -> str:
    """Senders as a clause: "every address", "every address but 20.0.0.0/8", "the service tag Storage"."""
    parts = _addresses(who.addresses, limit)
    if parts and who.without:
        parts[-1] += f" except of {_few(who.without, limit)}"
    tags = [tag for tag in who.tags if not tag.startswith("/")]
    groups = [tag.strip("/").rsplit("/", 1)[-1] for tag in who.tags if tag.startswith("/")]
    named = [f"the service tag{'s' if len(tags) > 1 else ''} {_few(tags, limit)}"] if tags else []
    named += [f"members of {_few(groups, limit)}"] if groups else []
    return phrase([*named, *parts] if parts and parts[-1].startswith("and ") else [*parts, *named])


def _few(names: Sequence[str], limit: int) -> str:
    shown = list(names[:limit])
    return phrase([*shown, f"and {len(names) - limit} more"] if len(names) > limit else shown)


def _addresses(addresses: AddressSet, limit: int) -> list[str]:
    for universe in _UNIVERSES:
        missing = universe - addresses
        if addresses and universe.covers(addresses) and _count(missing) < _count(addresses):
            return [f"every address but {phrase(missing.describe(limit))}" if missing else "every address"]
    return addresses.describe(limit)


def _count(addresses: AddressSet) -> int:
    return len(addresses.v4) + len(addresses.v6)


_UNIVERSES: Final = (PUBLIC_IPV4, PUBLIC_IPV6, PUBLIC, ALL_IPV4, ALL_IPV6, EVERYTHING)


def ways(who: Senders, index: Index, *evidence: Evidence) -> tuple[OpenWay, ...]:
    """The ways in that these senders are, in the words of the design: addresses by their breadth, tags as `azure`.

    Tags of Microsoft's own control planes give none; a tag that also had to come from few addresses counts as these.
    The same senders come through many ports: their ways are kept, without the evidence.
    """
    memo: dict[Senders, tuple[OpenWay, ...]] = remembered(index, "ways", _no_ways)
    found = memo.get(who)
    if found is None:
        if len(memo) >= KEPT_WAYS:
            memo.clear()
        found = memo[who] = _ways(who, index)
    return tuple(grant.after(evidence) for grant in found) if evidence else found


KEPT_WAYS: Final = 4096


def _no_ways(index: Index) -> dict[Senders, tuple[OpenWay, ...]]:
    return {}


def _ways(who: Senders, index: Index) -> tuple[OpenWay, ...]:
    found: list[OpenWay] = []
    addresses = from_addresses(who.addresses, index)
    if addresses is not None:
        found.append(addresses)
    for term in who.terms:
        open_ways = [from_tag(tag)[0] for tag in sorted(term.tags) if not tag.startswith("/")]
        if not open_ways or None in open_ways:
            continue
        bound = from_addresses(term.addresses, index)
        narrow = min((grant for grant in open_ways if grant is not None), key=lambda grant: grant.level)
        if bound is not None:
            found.append(bound if bound.level < Reach.azure else narrow)
    return tuple(dict.fromkeys(found))


def admits(who: Senders) -> tuple[str, ...]:
    """The tags of Microsoft's own management and probes among the senders, with what they are: told, never reach."""
    found = [lookup(tag) for tag in who.tags if not tag.startswith("/")]
    return tuple(f"{tag.name}: {tag.why}" for tag in found if tag.reach == "none")


def fabric_of(index: Index) -> Fabric:
    """The fabric of a whole index, made once."""
    return remembered(index, "fabric", _fabric)


def _fabric(index: Index) -> Fabric:
    fabric = Fabric()
    for resource in index.resources.values():
        fabric.add(resource)
    if index.live:
        fabric.admin_missing = index.missing.get(ADMIN_RULES)
        fabric.admin_unlisted = index.unlisted.get(ADMIN_RULES)
    return fabric


__all__ = [
    "Entry",
    "Opening",
    "Passage",
    "RuleRef",
    "Step",
    "admits",
    "describe",
    "fabric_of",
    "passage",
    "ways",
]
