"""One network security group, or one list of security admin rules: parsed once, then asked who gets to which port.

A rule that cannot be read in full stands twice: in the list that proves what is sure (`sure`: an Allow by what it
certainly matches, a Deny by what it may match) and in the list of what may be (`may`: the other way round). Where all
is known both are the same object. Semantics: Microsoft Learn, virtual-network/network-security-groups-overview; what
it leaves open is decided towards open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from scanner.model.addresses import (
    ALL_ADDRESSES,
    NO_ADDRESSES,
    PUBLIC_ADDRESSES,
    AddressSet,
    BadAddress,
    Version,
    parse,
    union,
)
from scanner.model.ids import segments
from scanner.model.json_paths import member
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, not_returned
from scanner.reach.port_ranges import ALL_PORTS, END, BadPort, Protocol, Spans, merged, places, ports, protocols
from scanner.reach.source_sets import (
    INSIDE_SOURCES,
    NO_SOURCES,
    NO_TAGS,
    OUTSIDE_SOURCES,
    SourceSet,
    SourceTerm,
    source_set,
    tag_name,
)
from scanner.reach.service_tags import service_tag

SourceSide: TypeAlias = Literal["outside", "inside"]
"""Where the senders are: on the internet, or in what the tag VirtualNetwork stands for."""
SIDE_ADDRESSES: Final[dict[SourceSide, AddressSet]] = {"outside": PUBLIC_ADDRESSES, "inside": ALL_ADDRESSES}

BEFORE_ALL_RULES: Final = -1
AFTER_CUSTOM_RULES: Final = 64999
"""The places of a rule without a readable priority: before all others, or after the customer's own."""

_TAG: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_NO_SENDERS: Final = frozenset({"AzureLoadBalancer"})
"""Tags that stand for the platform's own host address: nobody sends from there."""


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
ConditionalRule: TypeAlias = tuple[int, bool, RuleDestination]
"""A rule with a destination of its own: its place in the list, whether it allows, and where it applies."""


class ParsedRules(NamedTuple):
    """The rules of a group, what of them is not known, and those of `sure` and of `may` with a destination."""

    certain: tuple[SecurityRule, ...]
    possible: tuple[SecurityRule, ...]
    missing: tuple[Unread, ...]
    conditional: tuple[tuple[ConditionalRule, ...], tuple[ConditionalRule, ...]]


@dataclass(slots=True, eq=False)
class SecurityRules:
    """A list of rules, packed; parsed when somebody asks, and what was answered is kept: it is much smaller.

    `packed`: the rows of the inbound rules. `unpacked`: the parsed rules of a list that is kept as it is.
    """

    id: str
    packed: bytes = b""
    unpacked: ParsedRules | None = None
    answers: dict[tuple[bool, int, SourceSide, Version], bytes] = field(default_factory=dict)
    _known: tuple[tuple[Unread, ...], tuple[tuple[ConditionalRule, ...], tuple[ConditionalRule, ...]]] | None = None

    @property
    def parsed(self) -> ParsedRules:
        return self.unpacked or _parsed(self)

    @property
    def missing(self) -> tuple[Unread, ...]:
        """What of the rules could not be read or is not known."""
        return self._learned[0]

    @property
    def exact(self) -> bool:
        """Whether what is sure and what may be are the same, as far as rules go."""
        return not self.missing

    @property
    def _learned(self) -> tuple[tuple[Unread, ...], tuple[tuple[ConditionalRule, ...], tuple[ConditionalRule, ...]]]:
        if self._known is None:
            parsed = self.parsed
            self._known = (parsed.missing, parsed.conditional)
        return self._known

    def skipped(self, target: DestinationFields) -> tuple[int, int]:
        """What of a target matters here: equal for those to which the same rules apply."""
        conditional = self._learned[1]
        certain, open_question = _skipped(conditional[0], target, wide=False)
        if conditional[1] is conditional[0] and not open_question:
            return certain, certain
        return certain, _skipped(conditional[1], target, wide=True)[0]

    def rules(self, target: DestinationFields, wide: bool) -> tuple[SecurityRule, ...]:
        """The rules that apply to a target, in order; `wide`: of what may be, else of what is sure."""
        parsed = self.parsed
        rules = parsed.possible if wide else parsed.certain
        skipped = self.skipped(target)[wide]
        return tuple(rule for bit, rule in enumerate(rules) if not skipped >> bit & 1) if skipped else rules

    def allowed(
        self, target: DestinationFields, side: SourceSide, version: Version, wide: bool = False
    ) -> AllowedRanges:
        """Who gets to which place of that target. Receivers to which the same rules apply share one answer."""
        apart = wide and not self.exact
        key = (apart, self.skipped(target)[wide], side, version)
        packed = self.answers.get(key)
        if packed is not None:
            return unpack_ranges(packed, side, version)
        ranges = allowed_ranges(self.rules(target, wide), side, version)
        packed = self.answers[key] = pack_ranges(ranges)
        return keep_recent(packed, side, version, ranges)


def _skipped(conditional: tuple[ConditionalRule, ...], target: DestinationFields, wide: bool) -> tuple[int, bool]:
    """A bit for each rule that does not apply, and whether one left the question open.

    Open: what may be holds the Allow, what is sure holds the Deny.
    """
    skipped, unknown = 0, False
    for bit, allow, destination in conditional:
        fits = destination.matches(target)
        if fits is None:
            unknown = True
            fits = allow is wide
        if not fits:
            skipped |= 1 << bit
    return skipped, unknown


# The walk


class _EvaluationState(NamedTuple):
    """What the rules so far decided at a place: addresses and tags that are done with, and who was let in by which."""

    decided: AddressSet = NO_ADDRESSES
    without: frozenset[str] = frozenset()
    let: tuple[tuple[SourceTerm, SecurityRule], ...] = ()


_START: Final = _EvaluationState()


def allowed_ranges(rules: Iterable[SecurityRule], side: SourceSide, version: Version) -> AllowedRanges:
    """First match wins, at each place of the line for each sender; what no rule matches is denied.

    The line is cut where a rule starts or ends. Places with the same history share one state, so that a rule is worked
    out once for all of them.
    """
    universe = _universe(side, version)
    matches = [(rule, rule.source.of(side, version)) for rule in rules]
    relevant = [(rule, match) for rule, match in matches if match[1] or match[0]]
    cuts = sorted({0, END}.union(*((first, last + 1) for rule, _ in relevant for first, last in rule.spans)))
    at = {cut: number for number, cut in enumerate(cuts)}
    states = [_START]
    here: list[int] = [0] * (len(cuts) - 1)
    closed: set[int] = set()
    for rule, match in relevant:
        moved: dict[int, int] = {}
        for first, last in rule.spans:
            for cell in range(at[first], at[last + 1]):
                old = here[cell]
                if old in closed:
                    continue
                new = moved.get(old)
                if new is None:
                    new = moved[old] = len(states)
                    states.append(_step(states[old], rule, match, universe))
                    if states[new].decided == universe:
                        closed.add(new)
                here[cell] = new
    return _merged_ranges(cuts, [states[number].let for number in here])


def deciding_rules(
    rules: Iterable[SecurityRule], side: SourceSide, version: Version, at: int, asked: SourceSet
) -> tuple[list[tuple[SecurityRule, SourceSet]], SourceSet]:
    """The rules that decide on these senders at one place, each with those it decides on; and who is let in."""
    universe = _universe(side, version)
    state, let = _START, NO_SOURCES
    decided: list[tuple[SecurityRule, SourceSet]] = []
    for rule in rules:
        match = rule.source.of(side, version)
        if not (match[0] or match[1]) or not any(first <= at <= last for first, last in rule.spans):
            continue
        part = source_set(undecided_terms(state, match, universe)) & asked
        if part:
            decided.append((rule, part))
            let = let | part if rule.allow else let
        state = _step(state, rule, match, universe)
    return decided, let


@lru_cache(maxsize=8)
def _universe(side: SourceSide, version: Version) -> AddressSet:
    return SIDE_ADDRESSES[side].of_version(version)


def undecided_terms(state: _EvaluationState, match: SourceMatch, universe: AddressSet) -> list[SourceTerm]:
    """The senders that a rule decides on: those it matches and no rule before it did."""
    addresses, tags = match
    left = addresses - state.decided
    terms = [] if left.is_empty else [SourceTerm(left, NO_TAGS, state.without)]
    if tags:
        rest = universe - state.decided
        terms += (SourceTerm(rest, frozenset((tag,)), state.without) for tag in tags)
    return terms


def _step(state: _EvaluationState, rule: SecurityRule, match: SourceMatch, universe: AddressSet) -> _EvaluationState:
    addresses, tags = match
    let = state.let
    if rule.allow:
        let += tuple((term, rule) for term in undecided_terms(state, match, universe) if not term.is_empty)
    decided = universe if addresses == universe else state.decided | addresses
    return _EvaluationState(decided, state.without.union(tags) if tags else state.without, let)


def _merged_ranges(cuts: list[int], lets: list[tuple[tuple[SourceTerm, SecurityRule], ...]]) -> AllowedRanges:
    refs: dict[int, RuleRef] = {}
    known: dict[int, tuple[SourceSet, tuple[RuleRef, ...]]] = {}
    out: list[AllowedRange] = []
    previous: object = None
    for cell, let in enumerate(lets):
        if not let:
            previous = None
        elif let is previous:
            out[-1] = replace(out[-1], last=cuts[cell + 1] - 1)
        else:
            previous = let
            if id(let) not in known:
                who = interned(source_set(term for term, _ in let))
                known[id(let)] = (who, tuple({id(rule): _ref(refs, rule) for _, rule in let}.values()))
            out.append(AllowedRange(cuts[cell], cuts[cell + 1] - 1, *known[id(let)]))
    return tuple(out)


def _ref(refs: dict[int, RuleRef], rule: SecurityRule) -> RuleRef:
    """One object for all places of a rule."""
    return refs.setdefault(id(rule), rule.ref)


@lru_cache(maxsize=4096)
def interned(group: SourceSet) -> SourceSet:
    """One object for equal sets; those of everybody are the ones of `all_sources`."""
    return group


@lru_cache(maxsize=8)
def all_sources(side: SourceSide, version: Version) -> SourceSet:
    """Every sender of a side and an IP version."""
    return interned((OUTSIDE_SOURCES if side == "outside" else INSIDE_SOURCES).of(version))


# Answers, packed: as objects they are five times as large, and Python's collector walks over them again and again


class _Term(msgspec.Struct, array_like=True, frozen=True):
    """A term: v4 as first, last, first...; v6 the same in 16 bytes each."""

    v4: tuple[int, ...]
    v6: bytes
    tags: tuple[str, ...]
    without: tuple[str, ...]


class _Answer(msgspec.Struct, array_like=True, frozen=True):
    """A ranges: of each segment first, last, the number of its senders and of its rules in the lists that follow."""

    segments: tuple[tuple[int, int, int, int], ...]
    sources: tuple[tuple[_Term, ...], ...]
    rules: tuple[tuple[int, ...], ...]
    refs: tuple[tuple[str, int, bool, str], ...]


_ANSWER_ENCODER: Final = msgspec.msgpack.Encoder()
_ANSWERS: Final = msgspec.msgpack.Decoder(_Answer)


def pack_ranges(ranges: AllowedRanges) -> bytes:
    who = {id(each.sources): each.sources for each in ranges}
    place = {key: number for number, key in enumerate(who)}
    refs = {ref: number for number, ref in enumerate(dict.fromkeys(ref for each in ranges for ref in each.rules))}
    rules = {each: number for number, each in enumerate(dict.fromkeys(each.rules for each in ranges))}
    answer = _Answer(
        tuple((each.first, each.last, place[id(each.sources)], rules[each.rules]) for each in ranges),
        tuple(tuple(map(_packed, group.terms)) for group in who.values()),
        tuple(tuple(refs[ref] for ref in each) for each in rules),
        tuple(refs),
    )
    return _ANSWER_ENCODER.encode(answer)


def _packed(term: SourceTerm) -> _Term:
    v4 = tuple(each for interval in term.addresses.v4 for each in interval)
    v6 = b"".join(each.to_bytes(16, "big") for interval in term.addresses.v6 for each in interval)
    return _Term(v4, v6, tuple(sorted(term.tags)), tuple(sorted(term.without)))


_RECENT: Final[dict[tuple[bytes, SourceSide, Version], AllowedRanges]] = {}
"""The flows that were asked for last, as objects: machines that share groups stand close together."""


def keep_recent(packed: bytes, side: SourceSide, version: Version, ranges: AllowedRanges) -> AllowedRanges:
    if len(_RECENT) >= 256:
        del _RECENT[next(iter(_RECENT))]
    _RECENT[packed, side, version] = ranges
    return ranges


def unpack_ranges(packed: bytes, side: SourceSide, version: Version) -> AllowedRanges:
    """Return the ranges that `pack_ranges` packed."""
    known = _RECENT.get((packed, side, version))
    return known or keep_recent(packed, side, version, _unpacked_ranges(packed, side, version))


def _unpacked_ranges(packed: bytes, side: SourceSide, version: Version) -> AllowedRanges:
    answer = _ANSWERS.decode(packed)
    whole = all_sources(side, version)
    found = (SourceSet(tuple(map(_unpacked, terms))) for terms in answer.sources)
    who = [whole if each == whole else each for each in found]
    refs = [RuleRef(*each) for each in answer.refs]
    rules = [tuple(refs[number] for number in each) for each in answer.rules]
    return tuple(AllowedRange(first, last, who[group], rules[by]) for first, last, group, by in answer.segments)


def _unpacked(term: _Term) -> SourceTerm:
    v6 = [int.from_bytes(term.v6[at : at + 16], "big") for at in range(0, len(term.v6), 16)]
    addresses = AddressSet(
        tuple(zip(term.v4[::2], term.v4[1::2], strict=True)), tuple(zip(v6[::2], v6[1::2], strict=True))
    )
    return SourceTerm(
        addresses,
        frozenset(term.tags) if term.tags else NO_TAGS,
        frozenset(term.without) if term.without else NO_TAGS,
    )


# Rows: what of a rule's body matters, in a fixed order


class PackedRule(msgspec.Struct, array_like=True, frozen=True):
    """An inbound rule, or one whose direction is not known. `fields`: a `RuleFields`, packed: many rules say the same."""

    name: str
    priority: int | None
    fields: bytes
    resource: str = ""


class RuleFields(msgspec.Struct, array_like=True, frozen=True):
    """What a rule fields. Texts of a field are those of both its forms.

    `allow`, `inbound`: None where the value is not known. `broken`: bits of the fields that hold what is no text.
    `admin`: whether it is a security admin rule.
    """

    allow: bool | None
    inbound: bool | None
    always: bool
    protocol: str | None
    ports: tuple[str, ...]
    own_ports: tuple[str, ...]
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    source_groups: tuple[str, ...] = ()
    destination_groups: tuple[str, ...] = ()
    broken: int = 0
    admin: bool = False

    @property
    def packed(self) -> bytes:
        return _FIELDS_ENCODER.encode(self)


_FIELDS_ENCODER: Final = msgspec.msgpack.Encoder()
_FIELDS_DECODER: Final = msgspec.msgpack.Decoder(RuleFields)


def unpack_fields(packed: bytes) -> RuleFields:
    """Return the fields that `RuleFields.packed` packed."""
    return _FIELDS_DECODER.decode(packed)


BROKEN_PORTS, BROKEN_SOURCE_PORTS, BROKEN_SOURCES, BROKEN_DESTINATIONS = 1, 2, 4, 8
_FIELDS: Final = (
    *("direction", "access", "priority", "protocol"),
    *("destinationPortRange", "destinationPortRanges", "sourcePortRange", "sourcePortRanges"),
    *("sourceAddressPrefix", "sourceAddressPrefixes", "destinationAddressPrefix", "destinationAddressPrefixes"),
    *("sourceApplicationSecurityGroups", "destinationApplicationSecurityGroups", "sources", "destinations"),
)
_DIRECTIONS: Final = {"inbound": True, "outbound": False}
_ACCESS: Final = {"allow": True, "deny": False}
_ADMIN_ACCESS: Final = {**_ACCESS, "alwaysallow": True}
_MOST: Final = 1 << 31


@lru_cache(maxsize=1024)
def _spelled(keys: tuple[str, ...]) -> tuple[str | None, ...]:
    """How a body with these keys spells each of the fields."""
    folded = {key.lower(): key for key in reversed(keys)}
    return tuple(name if name in keys else folded.get(name.lower()) for name in _FIELDS)


def _values(properties: Any) -> list[Any]:
    if not isinstance(properties, dict):
        return [None] * len(_FIELDS)
    return [None if key is None else properties[key] for key in _spelled(tuple(properties))]


def packed_rule(body: Any) -> PackedRule | None:
    """The row of one entry of `securityRules` or `defaultSecurityRules`; None for an outbound rule."""
    values = _values(member(body, "properties"))
    inbound = _word(values[0], _DIRECTIONS)
    if inbound is False:
        return None
    name = member(body, "name")
    numbers, broken = _texts(values[4], values[5])
    own, broken_own = _texts(values[6], values[7])
    sources, broken_sources = _texts(values[8], values[9])
    destinations, broken_destinations = _texts(values[10], values[11])
    fields = RuleFields(
        _word(values[1], _ACCESS),
        inbound,
        False,
        values[3] if isinstance(values[3], str) else None,
        numbers,
        own,
        sources,
        destinations,
        _ids(values[12]) if values[12] else (),
        _ids(values[13]) if values[13] else (),
        broken * BROKEN_PORTS | broken_own * BROKEN_SOURCE_PORTS | broken_sources * BROKEN_SOURCES | broken_destinations * BROKEN_DESTINATIONS,
    )
    return PackedRule(name if isinstance(name, str) else "?", _priority(values[2]), fields.packed)


def packed_admin_rule(resource: str, body: Any) -> PackedRule | None:
    """The row of an effective security admin rule; None for an outbound rule."""
    values = _values(member(body, "properties"))
    inbound = _word(values[0], _DIRECTIONS)
    if inbound is False:
        return None
    allow = _word(values[1], _ADMIN_ACCESS)
    name = member(body, "name")
    numbers, broken = _texts(values[4], values[5])
    own, broken_own = _texts(values[6], values[7])
    sources, source_groups, broken_sources = _prefixes(values[14])
    destinations, destination_groups, broken_destinations = _prefixes(values[15])
    fields = RuleFields(
        allow,
        inbound,
        allow is None or values[1].strip().lower() == "alwaysallow",
        values[3] if isinstance(values[3], str) else None,
        numbers,
        own,
        sources,
        destinations,
        source_groups,
        destination_groups,
        broken * BROKEN_PORTS | broken_own * BROKEN_SOURCE_PORTS | broken_sources * BROKEN_SOURCES | broken_destinations * BROKEN_DESTINATIONS,
        admin=True,
    )
    called = name if isinstance(name, str) and name else resource.rstrip("/").rsplit("/", 1)[-1] or "?"
    return PackedRule(called, _priority(values[2]), fields.packed, resource)


def _word(value: Any, words: Mapping[str, bool]) -> bool | None:
    return words.get(value.strip().lower()) if isinstance(value, str) else None


def _priority(value: Any) -> int | None:
    known = isinstance(value, int) and not isinstance(value, bool) and -_MOST < value < _MOST
    return value if known else None


def _texts(one: Any, many: Any) -> tuple[tuple[str, ...], bool]:
    """The texts of a field in both its forms, and whether there is one that is no text."""
    if not many and isinstance(one, str) and one:
        return (one,), False
    found: list[str] = []
    broken = False
    for each in (one, *(many if isinstance(many, list) else (many,))):
        if isinstance(each, str):
            if each.strip():
                found.append(each)
        elif each is not None:
            broken = True
    return tuple(found), broken


def _ids(value: Any) -> tuple[str, ...]:
    """The ids of a list of references, in lower case."""
    found = [member(each, "id") for each in value] if isinstance(value, list) else []
    return tuple("/" + "/".join(segments(each)) for each in found if isinstance(each, str))


def _prefixes(value: Any) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """The prefixes of a list of an admin rule, the ids of its network groups, and whether one is neither."""
    texts: list[str] = []
    groups: list[str] = []
    broken = value is not None and not isinstance(value, list)
    for each in value if isinstance(value, list) else ():
        text, kind = member(each, "addressPrefix"), member(each, "addressPrefixType")
        known = kind.lower() if isinstance(kind, str) else ""
        if not isinstance(text, str) or known not in ("ipprefix", "servicetag", "networkgroup"):
            broken = True
        elif known == "networkgroup":
            groups.append("/" + "/".join(segments(text)))
        else:
            texts.append(text)
    return tuple(texts), tuple(groups), broken


# Groups


def security_rules_of(resource: Resource) -> SecurityRules:
    """A network security group, from its body."""
    custom = resource.get("properties.securityRules")
    if not isinstance(custom, list):
        missing = not_returned("properties.securityRules")
        return SecurityRules(
            resource.id,
            unpacked=_sorted([], [_allow_everything("rules that were not read", BEFORE_ALL_RULES)], [missing]),
        )
    defaults = resource.get("properties.defaultSecurityRules")
    own = [row for body in custom if (row := packed_rule(body)) is not None]
    given = [row for body in (defaults if isinstance(defaults, list) else ()) if (row := packed_rule(body)) is not None]
    odd = [row for row in given if row not in _PACKED_DEFAULTS]
    there = {row.priority for row in odd if unpack_fields(row.fields).inbound}
    usual = [rule.priority for rule in DEFAULT_RULES if rule.priority not in there]
    return SecurityRules(resource.id, _ENCODER.encode((own + odd, usual)))


_UNPACKER: Final = msgspec.msgpack.Decoder(tuple[list[PackedRule], list[int]])
_ENCODER: Final = msgspec.msgpack.Encoder()


@lru_cache(maxsize=64)
def _parsed(group: SecurityRules) -> ParsedRules:
    rows, defaults = _UNPACKER.decode(group.packed)
    missing: list[Unread] = []
    certain, possible = _both((rule_pair(row) for row in rows), missing)
    rest = [rule for rule in DEFAULT_RULES if rule.priority in defaults]
    return _sorted(certain + rest, possible + rest, missing)


RulePair: TypeAlias = tuple[SecurityRule | None, SecurityRule | None, str]
"""A rule as it surely acts and as it may act (None: not at all), and what of it is not known ("": everything is)."""


def _both(pairs: Iterable[RulePair], missing: list[Unread]) -> tuple[list[SecurityRule], list[SecurityRule]]:
    certain: list[SecurityRule] = []
    possible: list[SecurityRule] = []
    for narrow, wide, why in pairs:
        if narrow is not None:
            certain.append(narrow)
        if wide is not None:
            possible.append(wide)
        if why:
            missing.append(Unread("rule", why))
    return certain, possible


def _sorted(certain: list[SecurityRule], possible: list[SecurityRule], missing: list[Unread]) -> ParsedRules:
    # Two rules of one priority: which of them is first is not known.
    certain.sort(key=lambda rule: (rule.priority, rule.allow))
    possible.sort(key=lambda rule: (rule.priority, not rule.allow))
    same = len(certain) == len(possible) and all(one is two for one, two in zip(certain, possible, strict=True))
    first = tuple(certain)
    second = first if same else tuple(possible)
    if not same and not missing:
        missing.append(Unread("priority", "two rules share one, and which comes first is not known"))
    conditional = _conditional_rules(first)
    return ParsedRules(first, second, tuple(missing), (conditional, conditional if same else _conditional_rules(second)))


def _conditional_rules(rules: tuple[SecurityRule, ...]) -> tuple[ConditionalRule, ...]:
    found = enumerate(rules)
    return tuple((bit, rule.allow, rule.destination) for bit, rule in found if rule.destination is not None)


def rule_pair(row: PackedRule) -> RulePair:
    """A rule as it surely acts and as it may act."""
    meaning = _rule_effects(row.fields)
    if row.priority is not None and not meaning.whys and not meaning.switches:
        rule = _rule(row, meaning.certain, row.priority)
        return rule, rule, ""
    whys = (*meaning.whys, *(("its priority is not known",) if row.priority is None else ()), *meaning.switches)
    certain, possible = (
        _rule(row, meaning.certain, AFTER_CUSTOM_RULES, BEFORE_ALL_RULES),
        _rule(row, meaning.possible, BEFORE_ALL_RULES, AFTER_CUSTOM_RULES),
    )
    return certain, possible, f"{row.name}: {'; '.join(whys)}"


def _rule(row: PackedRule, act: _RuleEffect | None, allow_at: int, deny_at: int = 0) -> SecurityRule | None:
    """The rule that acts so, None without an act; at that place, where its priority is not known."""
    if act is None:
        return None
    at = row.priority if row.priority is not None else allow_at if act.allow else deny_at
    return SecurityRule(row.name, at, act.allow, act.spans, act.source, act.destination, act.always, row.resource)


class _RuleEffect(NamedTuple):
    """What a rule does, but for its place among the others: the members of `SecurityRule`."""

    allow: bool
    spans: Spans
    source: RuleSource
    destination: RuleDestination | None
    always: bool


class _RuleEffects(NamedTuple):
    """A rule as it surely acts and as it may act (None: not at all); what of its fields and switches is not known."""

    certain: _RuleEffect | None
    possible: _RuleEffect | None
    whys: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def _rule_effects(packed: bytes) -> _RuleEffects:
    fields = unpack_fields(packed)
    named = _ALL_PROTOCOLS if fields.protocol is None else _protocol(fields.protocol)
    numbers = _numbers(fields.ports, fields.broken & BROKEN_PORTS > 0)
    own = _ANY_PORT if fields.own_ports == ("*",) else _numbers(fields.own_ports, fields.broken & BROKEN_SOURCE_PORTS > 0)
    source = _source(fields.sources, fields.source_groups, fields.broken & BROKEN_SOURCES > 0)
    destination = _ANYWHERE if fields.destinations == ("*",) else _destination(fields)
    ends = (named, numbers, own, source, destination)
    # Whoever calls chooses the source port: it matters to a Deny only.
    asked = (named.unclear, numbers.unclear, source.unclear, destination.unclear, "" if fields.allow else own.unclear)
    whys = tuple(each for each in asked if each)
    switches = (("access", fields.allow), ("direction", fields.inbound))
    unknown = tuple(f"its {what} is not known" for what, value in switches if value is None)
    if not whys and not unknown:
        act = _rule_effect(fields, ends, fields.allow is True, wide=True)
        return _RuleEffects(act, act)
    certain = (
        _rule_effect(fields, ends, True, wide=False) if fields.allow is True else _rule_effect(fields, ends, False, wide=True)
    )
    possible = (
        _rule_effect(fields, ends, False, wide=False)
        if fields.allow is False
        else _rule_effect(fields, ends, True, wide=True)
    )
    return _RuleEffects(certain, possible, whys, unknown)


def _rule_effect(fields: RuleFields, ends: tuple[_FieldValue, ...], allow: bool, wide: bool) -> _RuleEffect | None:
    """By what the rule may stand for, or by what it certainly does; None where that is nothing."""
    if not wide and not fields.inbound:
        return None
    named, numbers, own, origin, target = ends
    source: Any = origin[wide]
    destination: Any = target[wide]
    locked = not allow and own[wide] != ALL_PORTS
    if locked or source is MATCHES_NO_SOURCE or destination is MATCHES_NO_DESTINATION:
        return None
    spans = places(named.possible if wide else named.certain, numbers.possible if wide else numbers.certain, allow)
    return _RuleEffect(allow, spans, source, destination, fields.always and allow) if spans else None


class _FieldValue(NamedTuple):
    """A field of a rule: what it certainly stands for, and what it may stand for."""

    certain: Any
    possible: Any
    unclear: str = ""


_ALL_PROTOCOLS: Final = _FieldValue((), protocols("*"), "its protocol is not known")
_ANY_PORT: Final = _FieldValue(ALL_PORTS, ALL_PORTS)
_ANYWHERE: Final = _FieldValue(None, None)


@lru_cache(maxsize=256)
def _protocol(text: str) -> _FieldValue:
    try:
        return _FieldValue(protocols(text), protocols(text))
    except BadPort as bad:
        return _FieldValue((), protocols("*"), str(bad))


def _numbers(texts: tuple[str, ...], broken: bool) -> _FieldValue:
    found: list[tuple[int, int]] = []
    why = "a port that is no text" if broken else "" if texts else "it names no ports"
    for text in texts:
        try:
            found += ports(text)
        except BadPort as bad:
            why = str(bad)
    numbers = merged(found)
    return _FieldValue(numbers, ALL_PORTS if why else numbers, why)


@lru_cache(maxsize=256)
def _source(texts: tuple[str, ...], groups: tuple[str, ...], broken: bool) -> _FieldValue:
    addresses, tags, why = _names(texts)
    why = why or ("a source that is no text" if broken else "" if texts or groups else "it names no source")
    reaches = {tag: service_tag(tag).reach for tag in tags}
    sent = tuple(tag for tag in tags if reaches[tag] in ("azure", "none") and tag not in _NO_SENDERS)
    outside = PUBLIC_ADDRESSES if "internet" in reaches.values() else _cut(addresses)
    inside = ALL_ADDRESSES if "vnet" in reaches.values() else addresses
    narrow = RuleSource(outside, inside, sent, tuple(f"{group}/" for group in groups))
    narrow = MATCHES_NO_SOURCE if narrow == MATCHES_NO_SOURCE else ANY_SOURCE if narrow == ANY_SOURCE else narrow
    return _FieldValue(narrow, ANY_SOURCE if why else narrow, why)


def _cut(addresses: AddressSet) -> AddressSet:
    """The public ones, in an object that is there already where it can be."""
    if addresses is ALL_ADDRESSES:
        return PUBLIC_ADDRESSES
    public = addresses & PUBLIC_ADDRESSES
    return addresses if public == addresses else PUBLIC_ADDRESSES if public == PUBLIC_ADDRESSES else public


def _destination(fields: RuleFields) -> _FieldValue:
    read = _aimed(fields.destinations, fields.destination_groups, fields.broken & BROKEN_DESTINATIONS > 0)
    if not fields.admin or not fields.destination_groups or (read.possible is None and not read.unclear):
        return read
    # Who is a member of the network group of an admin rule is not known.
    narrow = _aimed(fields.destinations, (), False).certain if fields.destinations else MATCHES_NO_DESTINATION
    return _FieldValue(narrow, None, read.unclear or "the members of its network group are not known")


def _aimed(texts: tuple[str, ...], groups: tuple[str, ...], broken: bool) -> _FieldValue:
    addresses, tags, why = _names(texts)
    why = why or ("a destination that is no text" if broken else "" if texts or groups else "it names no destination")
    known = [service_tag(tag) for tag in tags]
    if any(tag.reach == "vnet" for tag in known) or addresses == ALL_ADDRESSES:
        return _FieldValue(None, None, why)
    unknown = [tag.name for tag in known if not tag.known]
    if unknown:
        why = why or f"its destination {unknown[0]!r} is not known"
    narrow = RuleDestination(addresses, frozenset(groups), bool(tags))
    return _FieldValue(
        MATCHES_NO_DESTINATION if narrow == MATCHES_NO_DESTINATION else narrow, None if why else narrow, why
    )


def _names(texts: Iterable[str]) -> tuple[AddressSet, tuple[str, ...], str]:
    """The addresses and the tags of a list of prefixes, and what was neither."""
    sets: list[AddressSet] = []
    tags: list[str] = []
    why = ""
    for text in texts:
        for part in text.split(","):
            word = part.strip()
            try:
                found = parse(word)
            except BadAddress:
                if _TAG.fullmatch(word):
                    tags.append(tag_name(word))
                else:
                    why = f"{word[:60]!r} is neither an address nor a tag"
                continue
            if word in ("0.0.0.0", "::"):  # noqa: S104
                why = f"whether {word} stands for everybody is not documented"
            else:
                sets.append(found)
    addresses = union(sets)
    return ALL_ADDRESSES if addresses == ALL_ADDRESSES else addresses, tuple(dict.fromkeys(tags)), why


def _allow_everything(name: str, priority: int) -> SecurityRule:
    """An Allow of everything."""
    return SecurityRule(name, priority, True, places(_EVERY, ALL_PORTS, True), ANY_SOURCE)


_EVERY: Final[tuple[Protocol, ...]] = protocols("*")


def _packed_default(allow: bool, to: str) -> bytes:
    return RuleFields(allow, True, False, "*", ("*",), ("*",), (to,), (to,)).packed


DEFAULT_RULES: Final = (
    SecurityRule(
        "AllowVnetInBound", 65000, True, places(_EVERY, ALL_PORTS, True), RuleSource(NO_ADDRESSES, ALL_ADDRESSES)
    ),
    SecurityRule("DenyAllInBound", 65500, False, places(_EVERY, ALL_PORTS, False), ANY_SOURCE),
)
"""The default inbound rules that decide on a caller: they cannot be removed, and are assumed where a body lacks them.
AllowAzureLoadBalancerInBound (65001) lets in nothing but the platform's probes.
"""


_PACKED_DEFAULTS: Final = (
    PackedRule("AllowVnetInBound", 65000, _packed_default(True, "VirtualNetwork")),
    PackedRule("DenyAllInBound", 65500, _packed_default(False, "*")),
)
"""How a body spells them: then they are not kept."""


# Security admin rules of Virtual Network Manager


@dataclass(slots=True)
class AdminRules:
    """The deployed security admin rules of a network: `always` delivers past the groups, `passed` goes on to them."""

    always: SecurityRules
    passed: SecurityRules

    @property
    def missing(self) -> tuple[Unread, ...]:
        return tuple(dict.fromkeys((*self.always.missing, *self.passed.missing)))


def admin_rules(network: str, bodies: Iterable[tuple[str, Any]]) -> AdminRules:
    """The admin rules that are in force in a network, from (id, body). Among them too the first match wins."""
    missing: list[Unread] = []
    rows = [row for resource, body in bodies if (row := packed_admin_rule(resource, body)) is not None]
    certain, possible = _both((rule_pair(row) for row in rows), missing)
    always = {
        id(rule): rule if rule.always or not rule.allow else replace(rule, allow=False) for rule in certain + possible
    }
    past = ([always[id(rule)] for rule in certain], [always[id(rule)] for rule in possible])
    rest = [_allow_everything("no security admin rule", AFTER_CUSTOM_RULES)]
    return AdminRules(
        SecurityRules(network, unpacked=_sorted(*past, list(missing))),
        SecurityRules(network, unpacked=_sorted(certain + rest, possible + rest, list(missing))),
    )


__all__ = [
    "ANY_SOURCE",
    "DEFAULT_RULES",
    "SIDE_ADDRESSES",
    "AdminRules",
    "AllowedRange",
    "AllowedRanges",
    "DestinationFields",
    "PackedRule",
    "RuleDestination",
    "RuleRef",
    "RuleSource",
    "SecurityRule",
    "SecurityRules",
    "SourceSide",
    "admin_rules",
    "all_sources",
    "allowed_ranges",
    "deciding_rules",
    "interned",
    "packed_rule",
    "security_rules_of",
]
