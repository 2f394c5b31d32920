"""One network security group, or one list of security admin rules: parsed once, then asked who gets to which port.

A rule that cannot be read in full stands twice: in the list that proves what is sure (`sure`: an Allow by what it
certainly matches, a Deny by what it may match) and in the list of what may be (`may`: the other way round). Where all
is known both are the same object. Semantics: Microsoft Learn, virtual-network/network-security-groups-overview; what
it leaves open is decided towards open.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from scanner.addresses import EMPTY, EVERYTHING, PUBLIC, AddressSet, BadAddress, Version, parse, union
from scanner.reach.packets import ALL_PORTS, END, BadPort, Protocol, Spans, merged, places, ports, protocols
from scanner.reach.senders import INSIDE, NOBODY, OUTSIDE, Senders, Term, senders, tag_name
from scanner.reach.tags import lookup
from scanner.resource import MISSING, Resource, member, segments
from scanner.verdict import Unread

Side: TypeAlias = Literal["outside", "inside"]
"""Where the senders are: on the internet, or in what the tag VirtualNetwork stands for."""
UNIVERSES: Final[dict[Side, AddressSet]] = {"outside": PUBLIC, "inside": EVERYTHING}

EARLY: Final = -1
LATE: Final = 64999
"""The places of a rule without a readable priority: before all others, or after the customer's own."""

_TAG: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_NO_SENDERS: Final = frozenset({"AzureLoadBalancer"})
"""Tags that stand for the platform's own host address: nobody sends from there."""


@dataclass(frozen=True, slots=True)
class Match:
    """The senders of one side that a rule names: addresses and tags."""

    addresses: AddressSet = EMPTY
    tags: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tags) or not self.addresses.is_empty


NO_MATCH: Final = Match()


@dataclass(frozen=True, slots=True)
class Source:
    """What the source of a rule stands for, on each side."""

    outside: Match = NO_MATCH
    inside: Match = NO_MATCH


ANY_SOURCE: Final = Source(Match(PUBLIC), Match(EVERYTHING))
NO_SOURCE: Final = Source()


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whom a packet reaches, as a rule sees it: the private addresses (None: not known) and the application groups."""

    addresses: AddressSet | None = None
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a rule applies: addresses, application security groups, and tags, which no private address bears."""

    addresses: AddressSet = EMPTY
    groups: frozenset[str] = frozenset()
    tags: bool = False

    def matches(self, receiver: Receiver) -> bool | None:
        """Whether the rule applies to that receiver; None where its address is not known or only a part of it fits."""
        if self.groups & receiver.groups:
            return True
        if receiver.addresses is None:
            return None if self.tags or self.addresses else False
        if self.addresses.covers(receiver.addresses):
            return True
        return None if self.addresses & receiver.addresses else False


NOWHERE: Final = Destination()


@dataclass(frozen=True, slots=True)
class Rule:
    """A parsed inbound rule. `destination` None: everywhere. `always`: an admin rule that skips the groups."""

    name: str
    priority: int
    allow: bool
    spans: Spans
    source: Source
    destination: Destination | None = None
    always: bool = False
    resource: str = ""


class Segment(NamedTuple):
    """The places from `first` to `last`: who gets there, and by which rules."""

    first: int
    last: int
    senders: Senders
    rules: tuple[Rule, ...]


Flow: TypeAlias = tuple[Segment, ...]
"""The open places of a group, ascending and disjoint."""


@dataclass(slots=True)
class Group:
    """A parsed list of rules. `doubts`: what of it could not be read or is not known. Answers are kept by what matters.

    `aimed`: the rules with a destination of their own, by their place in `sure` and in `may`.
    """

    id: str
    sure: tuple[Rule, ...]
    may: tuple[Rule, ...]
    doubts: tuple[Unread, ...] = ()
    aimed: tuple[tuple[tuple[int, Rule], ...], tuple[tuple[int, Rule], ...]] = ((), ())
    flows: dict[tuple[bool, int, Side, Version], Flow] = field(default_factory=dict)

    def aim(self, receiver: Receiver) -> tuple[int, int]:
        """What of a receiver matters here: equal for those to which the same rules apply."""
        if not self.aimed[0] and not self.aimed[1]:
            return 0, 0
        sure = self._skipped(receiver, wide=False)
        return sure, self._skipped(receiver, wide=True)

    def rules(self, receiver: Receiver, wide: bool) -> tuple[Rule, ...]:
        """The rules that apply to a receiver, in order; `wide`: of what may be, else of what is sure."""
        rules = self.may if wide else self.sure
        skipped = self._skipped(receiver, wide)
        return tuple(rule for bit, rule in enumerate(rules) if not skipped >> bit & 1) if skipped else rules

    def flow(self, receiver: Receiver, side: Side, version: Version, wide: bool = False) -> Flow:
        """Who gets to which place of that receiver. Receivers to which the same rules apply share one answer."""
        apart = wide and self.may is not self.sure
        key = (apart, self._skipped(receiver, wide), side, version)
        found = self.flows.get(key)
        if found is None:
            found = self.flows[key] = walk(self.rules(receiver, wide), side, version)
        return found

    def _skipped(self, receiver: Receiver, wide: bool) -> int:
        """A bit for each rule that does not apply."""
        skipped = 0
        for bit, rule in self.aimed[wide]:
            assert rule.destination is not None
            fits = rule.destination.matches(receiver)
            # Not known: what may be holds the Allow, what is sure holds the Deny.
            if not (rule.allow is wide if fits is None else fits):
                skipped |= 1 << bit
        return skipped


# The walk


class _State(NamedTuple):
    """What the rules so far decided at a place: addresses and tags that are done with, and who was let in by which."""

    decided: AddressSet = EMPTY
    without: frozenset[str] = frozenset()
    let: tuple[tuple[Term, Rule], ...] = ()


_START: Final = _State()


def walk(rules: Iterable[Rule], side: Side, version: Version) -> Flow:
    """First match wins, at each place of the line for each sender; what no rule matches is denied.

    The line is cut where a rule starts or ends. Places with the same history share one state, so that a rule is worked
    out once for all of them.
    """
    universe = UNIVERSES[side]
    matches = [(rule, _match(rule, side)) for rule in rules]
    relevant = [(rule, match) for rule, match in matches if match]
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
    return _segments(cuts, [states[number].let for number in here], version)


def decide(rules: Iterable[Rule], side: Side, at: int, asked: Senders) -> tuple[list[tuple[Rule, Senders]], Senders]:
    """The rules that decide on these senders at one place, each with those it decides on; and who is let in."""
    universe = UNIVERSES[side]
    state, decided, let = _START, [], NOBODY
    for rule in rules:
        match = _match(rule, side)
        if not match or not any(first <= at <= last for first, last in rule.spans):
            continue
        part = senders(portion(state, match, universe)) & asked
        if part:
            decided.append((rule, part))
            let = let | part if rule.allow else let
        state = _step(state, rule, match, universe)
    return decided, let


def _match(rule: Rule, side: Side) -> Match:
    return rule.source.outside if side == "outside" else rule.source.inside


def portion(state: _State, match: Match, universe: AddressSet) -> list[Term]:
    """The senders that a rule decides on: those it matches and no rule before it did."""
    left = match.addresses - state.decided
    terms = [] if left.is_empty else [Term(left, frozenset(), state.without)]
    if match.tags:
        rest = universe - state.decided
        terms += (Term(rest, frozenset((tag,)), state.without) for tag in match.tags)
    return terms


def _step(state: _State, rule: Rule, match: Match, universe: AddressSet) -> _State:
    let = state.let
    if rule.allow:
        let += tuple((term, rule) for term in portion(state, match, universe) if not term.is_empty)
    decided = universe if match.addresses is universe else state.decided | match.addresses
    return _State(decided, state.without.union(match.tags) if match.tags else state.without, let)


def _segments(cuts: list[int], lets: list[tuple[tuple[Term, Rule], ...]], version: Version) -> Flow:
    known: dict[int, tuple[Senders, tuple[Rule, ...]]] = {}
    out: list[Segment] = []
    previous: object = None
    for cell, let in enumerate(lets):
        if let is not previous:
            previous = let
            if id(let) not in known:
                known[id(let)] = _let(let, version)
            who, rules = known[id(let)]
            out.append(Segment(cuts[cell], cuts[cell + 1] - 1, who, rules))
        else:
            out[-1] = out[-1]._replace(last=cuts[cell + 1] - 1)
    return tuple(each for each in out if each.senders)


def _let(let: tuple[tuple[Term, Rule], ...], version: Version) -> tuple[Senders, tuple[Rule, ...]]:
    """Who of one IP version was let in, and by which rules."""
    kept = [(term, rule) for term, rule in let if term.addresses.intervals(version)]
    who = senders(term for term, _ in kept).of(version)
    return shared(who), tuple(dict.fromkeys(rule for _, rule in kept))


@lru_cache(maxsize=16384)
def shared(group: Senders) -> Senders:
    """One object for equal sets; those of everybody are the ones of `everybody`."""
    return group


@lru_cache(maxsize=8)
def everybody(side: Side, version: Version) -> Senders:
    """Every sender of a side and an IP version."""
    return shared((OUTSIDE if side == "outside" else INSIDE).of(version))


# Parsing


class _Read(NamedTuple):
    """A field of a rule: what it certainly stands for, and what it may stand for."""

    narrow: Any
    wide: Any
    why: str = ""


@dataclass(slots=True)
class Body:
    """The properties of a rule."""

    properties: Mapping[str, Any]

    def texts(self, singular: str, plural: str) -> tuple[tuple[str, ...], bool]:
        """The texts of a field, and whether there is one that is no text."""
        found: list[str] = []
        broken = False
        one, many = member(self.properties, singular), member(self.properties, plural)
        for each in (one, *(many if isinstance(many, list) else (many,))):
            if isinstance(each, str):
                if each.strip():
                    found.append(each)
            elif each is not None and each is not MISSING:
                broken = True
        return tuple(found), broken

    def ids(self, name: str) -> tuple[str, ...]:
        """The ids of a list of references, in lower case."""
        value = member(self.properties, name)
        found = [member(each, "id") for each in value] if isinstance(value, list) else []
        return tuple("/" + "/".join(segments(each)) for each in found if isinstance(each, str))


def group_of(resource: Resource) -> Group:
    """A network security group, from its body."""
    custom = resource.look("properties.securityRules")
    if not isinstance(custom, list):
        missing = Unread("properties.securityRules", "the answer did not hold it")
        return _group(resource.id, [], [_everybody("rules that were not read", EARLY)], [missing])
    defaults = resource.look("properties.defaultSecurityRules")
    if not isinstance(defaults, list):
        defaults = []
    doubts: list[Unread] = []
    sure, may = _both((read_rule(body) for body in (*custom, *defaults)), doubts)
    given = {priority for body in defaults if (priority := _inbound_priority(body)) is not None}
    lacking = [rule for rule in DEFAULTS if rule.priority not in given]
    return _group(resource.id, sure + lacking, may + lacking, doubts)


def _inbound_priority(body: Any) -> Any:
    properties = member(body, "properties")
    direction = member(properties, "direction")
    inbound = isinstance(direction, str) and direction.lower() == "inbound"
    priority = member(properties, "priority")
    return priority if inbound and isinstance(priority, int) else None


Pair: TypeAlias = tuple[Rule | None, Rule | None, str]
"""A rule as it surely acts and as it may act (None: not at all), and what of it is not known ("": everything is)."""


def _both(pairs: Iterable[Pair], doubts: list[Unread]) -> tuple[list[Rule], list[Rule]]:
    sure: list[Rule] = []
    may: list[Rule] = []
    for narrow, wide, why in pairs:
        if narrow is not None:
            sure.append(narrow)
        if wide is not None:
            may.append(wide)
        if why:
            doubts.append(Unread("rule", why))
    return sure, may


def _group(resource: str, sure: list[Rule], may: list[Rule], doubts: list[Unread]) -> Group:
    # Two rules of one priority: which of them is first is not known.
    sure.sort(key=lambda rule: (rule.priority, rule.allow))
    may.sort(key=lambda rule: (rule.priority, not rule.allow))
    same = len(sure) == len(may) and all(one is two for one, two in zip(sure, may, strict=True))
    first = tuple(sure)
    second = first if same else tuple(may)
    if not same and not doubts:
        doubts.append(Unread("priority", "two rules share one, and which comes first is not known"))
    aimed = _aimed(first)
    return Group(resource, first, second, tuple(doubts), (aimed, aimed if same else _aimed(second)))


def _aimed(rules: tuple[Rule, ...]) -> tuple[tuple[int, Rule], ...]:
    return tuple((bit, rule) for bit, rule in enumerate(rules) if rule.destination is not None)


def read_rule(body: Any) -> Pair:
    """One entry of `securityRules` or `defaultSecurityRules`; (None, None, "") for one that is not inbound."""
    properties = member(body, "properties")
    fields = Body(properties if isinstance(properties, dict) else {})
    inbound = _word(fields, "direction", _DIRECTIONS)
    if inbound is False:
        return None, None, ""
    name = member(body, "name")
    source = fields.texts("sourceAddressPrefix", "sourceAddressPrefixes")
    target = fields.texts("destinationAddressPrefix", "destinationAddressPrefixes")
    return _pair(
        fields,
        sys.intern(name) if isinstance(name, str) else "?",
        (_word(fields, "access", _ACCESS), inbound, False),
        _source(source[0], fields.ids("sourceApplicationSecurityGroups"), source[1]),
        _destination(target[0], fields.ids("destinationApplicationSecurityGroups"), target[1]),
    )


_DIRECTIONS: Final = {"inbound": True, "outbound": False}
_ACCESS: Final = {"allow": True, "deny": False}
_ADMIN_ACCESS: Final = {"allow": True, "alwaysallow": True, "deny": False}


def _word(fields: Body, name: str, words: Mapping[str, bool]) -> bool | None:
    value = member(fields.properties, name)
    return words.get(value.strip().lower()) if isinstance(value, str) else None


def _pair(
    fields: Body,
    name: str,
    acts: tuple[bool | None, bool | None, bool],
    source: _Read,
    destination: _Read,
    resource: str = "",
) -> Pair:
    """A rule as it surely acts and as it may act; `acts`: whether it allows, is inbound, skips the groups."""
    allow, inbound, always = acts
    priority = member(fields.properties, "priority")
    known = isinstance(priority, int) and not isinstance(priority, bool)
    named = _protocol(member(fields.properties, "protocol"))
    numbers = _ports(*fields.texts("destinationPortRange", "destinationPortRanges"))
    origin_ports = _ports(*fields.texts("sourcePortRange", "sourcePortRanges"))

    def make(as_allow: bool, wide: bool) -> Rule | None:
        end = 1 if wide else 0
        spans = places(named[end], numbers[end], as_allow)
        locked = not as_allow and origin_ports[end] != ALL_PORTS  # whoever calls chooses the source port
        if locked or not spans or source[end] is NO_SOURCE or destination[end] is NOWHERE:
            return None
        at = priority if known else EARLY if wide else LATE
        return Rule(name, at, as_allow, spans, source[end], destination[end], always and as_allow, resource)

    whys = [read.why for read in (named, numbers, source, destination) if read.why]
    if origin_ports.why and allow is not True:
        whys.append(origin_ports.why)
    for what, sure in (("priority", known), ("access", allow is not None), ("direction", inbound is not None)):
        if not sure:
            whys.append(f"its {what} is not known")
    if not whys:
        rule = make(bool(allow), True)
        return rule, rule, ""
    certain = inbound is True
    sure_rule = (make(True, False) if certain else None) if allow is True else make(False, True)
    may_rule = (make(False, False) if certain else None) if allow is False else make(True, True)
    return sure_rule, may_rule, f"{name}: {'; '.join(whys)}"


@lru_cache(maxsize=1024)
def _protocol_of(text: str) -> _Read:
    try:
        return _Read(protocols(text), protocols(text))
    except BadPort as bad:
        return _Read((), protocols("*"), str(bad))


def _protocol(value: Any) -> _Read:
    if not isinstance(value, str):
        return _Read((), protocols("*"), "its protocol is not known")
    return cast("_Read", _protocol_of(value))


@lru_cache(maxsize=16384)
def _ports(texts: tuple[str, ...], broken: bool) -> _Read:
    found: list[tuple[int, int]] = []
    why = "a port that is no text" if broken else "" if texts else "it names no ports"
    for text in texts:
        try:
            found += ports(text)
        except BadPort as bad:
            why = str(bad)
    numbers = merged(found)
    return _Read(numbers, ALL_PORTS if why else numbers, why)


def _source(texts: tuple[str, ...], groups: tuple[str, ...], broken: bool) -> _Read:
    return cast("_Read", _source_of(texts, groups, broken))


@lru_cache(maxsize=65536)
def _source_of(texts: tuple[str, ...], groups: tuple[str, ...], broken: bool) -> _Read:
    names = _names(texts)
    why = names.why or ("a source that is no text" if broken else "")
    if not texts and not groups:
        why = why or "it names no source"
    addresses, tags = names.narrow
    reaches = {tag: lookup(tag).reach for tag in tags}
    sent = tuple(tag for tag in tags if reaches[tag] in ("azure", "none") and tag not in _NO_SENDERS)
    outside = PUBLIC if "internet" in reaches.values() else _cut(addresses)
    inside = EVERYTHING if "vnet" in reaches.values() else addresses
    members = tuple(f"{group}/" for group in groups)
    narrow = Source(_matched(outside, sent), _matched(inside, members))
    narrow = NO_SOURCE if narrow == NO_SOURCE else ANY_SOURCE if narrow == ANY_SOURCE else narrow
    return _Read(narrow, ANY_SOURCE if why else narrow, why)


def _cut(addresses: AddressSet) -> AddressSet:
    public = addresses & PUBLIC
    return PUBLIC if public == PUBLIC else public


def _matched(addresses: AddressSet, tags: tuple[str, ...]) -> Match:
    return Match(addresses, tags) if tags or addresses else NO_MATCH


def _destination(texts: tuple[str, ...], groups: tuple[str, ...], broken: bool) -> _Read:
    return _ANYWHERE if texts == ("*",) else cast("_Read", _destination_of(texts, groups, broken))


_ANYWHERE: Final = _Read(None, None)


@lru_cache(maxsize=65536)
def _destination_of(texts: tuple[str, ...], groups: tuple[str, ...], broken: bool) -> _Read:
    names = _names(texts)
    why = names.why or ("a destination that is no text" if broken else "")
    if not texts and not groups:
        why = why or "it names no destination"
    addresses, tags = names.narrow
    known = [lookup(tag) for tag in tags]
    if any(tag.reach == "vnet" for tag in known) or addresses == EVERYTHING:
        return _Read(None, None, why)
    unknown = [tag.name for tag in known if not tag.known]
    if unknown:
        why = why or f"its destination {unknown[0]!r} is not known"
    narrow = Destination(addresses, frozenset(groups), bool(tags))
    return _Read(NOWHERE if narrow == NOWHERE else narrow, None if why else narrow, why)


def _names(texts: Iterable[str]) -> _Read:
    """Addresses and tags of a list of prefixes: `narrow` is the pair of both, `why` what was neither."""
    sets: list[AddressSet] = []
    tags: list[str] = []
    why = ""
    for text in texts:
        for part in text.split(","):
            bare = part.strip()
            try:
                found = parse(bare)
            except BadAddress:
                if _TAG.fullmatch(bare):
                    tags.append(tag_name(bare))
                else:
                    why = f"{bare[:60]!r} is neither an address nor a tag"
                continue
            if bare in ("0.0.0.0", "::"):  # noqa: S104
                why = f"whether {bare} stands for everybody is not documented"
            else:
                sets.append(found)
    addresses = union(sets)
    return _Read((EVERYTHING if addresses == EVERYTHING else addresses, tuple(dict.fromkeys(tags))), None, why)


def _everybody(name: str, priority: int) -> Rule:
    """An Allow of everything."""
    return Rule(name, priority, True, places(_EVERY, ALL_PORTS, True), ANY_SOURCE)


_EVERY: Final[tuple[Protocol, ...]] = protocols("*")
DEFAULTS: Final = (
    Rule("AllowVnetInBound", 65000, True, places(_EVERY, ALL_PORTS, True), Source(NO_MATCH, Match(EVERYTHING))),
    Rule("DenyAllInBound", 65500, False, places(_EVERY, ALL_PORTS, False), ANY_SOURCE),
)
"""The default inbound rules that decide on a caller: they cannot be removed, and are assumed where a body lacks them.
AllowAzureLoadBalancerInBound (65001) lets in nothing but the platform's probes.
"""


# Security admin rules of Virtual Network Manager


@dataclass(slots=True)
class AdminRules:
    """The deployed security admin rules of a network: `always` delivers past the groups, `passed` goes on to them."""

    always: Group
    passed: Group

    @property
    def doubts(self) -> tuple[Unread, ...]:
        return tuple(dict.fromkeys((*self.always.doubts, *self.passed.doubts)))


def admin_rules(network: str, bodies: Iterable[tuple[str, Any]]) -> AdminRules:
    """The admin rules that are in force in a network, from (id, body). Among them too the first match wins."""
    doubts: list[Unread] = []
    sure, may = _both((read_admin_rule(resource, body) for resource, body in bodies), doubts)
    always = {id(rule): rule if rule.always or not rule.allow else replace(rule, allow=False) for rule in sure + may}
    rest = [_everybody("no security admin rule", LATE)]
    return AdminRules(
        _group(network, [always[id(rule)] for rule in sure], [always[id(rule)] for rule in may], list(doubts)),
        _group(network, sure + rest, may + rest, list(doubts)),
    )


def read_admin_rule(resource: str, body: Any) -> Pair:
    """One effective security admin rule."""
    properties = member(body, "properties")
    fields = Body(properties if isinstance(properties, dict) else {})
    inbound = _word(fields, "direction", _DIRECTIONS)
    if inbound is False:
        return None, None, ""
    access = member(fields.properties, "access")
    always = isinstance(access, str) and access.strip().lower() == "alwaysallow"
    name = member(body, "name")
    return _pair(
        fields,
        name if isinstance(name, str) and name else resource.rstrip("/").rsplit("/", 1)[-1] or "?",
        (_word(fields, "access", _ADMIN_ACCESS), inbound, always),
        _source(*_prefixes(member(fields.properties, "sources"))),
        _members(*_prefixes(member(fields.properties, "destinations"))),
        resource,
    )


def _prefixes(value: Any) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """The prefixes of a list of an admin rule, the ids of its network groups, and whether one is neither."""
    texts: list[str] = []
    groups: list[str] = []
    broken = value is not MISSING and value is not None and not isinstance(value, list)
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


def _members(texts: tuple[str, ...], groups: tuple[str, ...], broken: bool) -> _Read:
    """The destination of an admin rule; who is a member of a network group is not known."""
    read = _destination(texts, (), broken)
    if not groups or (read.wide is None and not read.why):
        return read
    narrow = read.narrow if texts else NOWHERE
    return _Read(narrow, None, read.why if texts and read.why else "the members of its network group are not known")


__all__ = [
    "ANY_SOURCE",
    "DEFAULTS",
    "UNIVERSES",
    "AdminRules",
    "Destination",
    "Flow",
    "Group",
    "Match",
    "Receiver",
    "Rule",
    "Segment",
    "Side",
    "Source",
    "admin_rules",
    "decide",
    "everybody",
    "group_of",
    "read_admin_rule",
    "read_rule",
    "shared",
    "walk",
]
