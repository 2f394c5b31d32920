"""The rules that must go, so that an open range of ports is closed: also those that take over once others are gone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from scanner.model.exposure import Reach
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.reach.networks.filtering import FilterChain, FilterLevel, OpenRange
from scanner.reach.paths.network_paths import DnatRule, FrontEnd
from scanner.reach.rules.known_ports import KNOWN_PORTS
from scanner.reach.rules.port_ranges import Span
from scanner.reach.rules.rule_evaluation import deciding_rules
from scanner.reach.rules.security_rules import SecurityRule
from scanner.reach.rules.source_grants import grants_from_sources
from scanner.reach.rules.source_sets import NO_SOURCES, SourceSet

FIRST_DEFAULT_PRIORITY = 65000
"""The priority from which on the rules are Azure's own, which cannot be changed."""


class Closing(NamedTuple):
    """What must be narrowed or removed, so that a range is closed to all callers of some reach and more."""

    rules: tuple[str, ...] = ()
    """Ids of security rules."""
    admin: tuple[str, ...] = ()
    """Ids (keys) of deployed security admin rules."""
    dnat: tuple[DnatRule, ...] = ()
    """Rules of firewalls."""
    steps: tuple[Message, ...] = ()
    """Why that is not sufficient, as steps; then the rest says little."""
    rest: SourceSet = NO_SOURCES
    """The sources that still get in."""

    def __or__(self, other: Closing) -> Closing:
        """Return what closes the ranges of both."""
        return Closing(
            tuple(dict.fromkeys((*self.rules, *other.rules))),
            tuple(dict.fromkeys((*self.admin, *other.admin))),
            (*self.dnat, *(each for each in other.dnat if each not in self.dnat)),
            tuple(dict.fromkeys((*self.steps, *other.steps))),
            self.rest | other.rest,
        )


NOTHING: Final = Closing()
AT_FIREWALL: Final = Message(
    "In the DNAT rule of the firewall, set the source to the addresses that need the port, or remove the rule."
)
NO_RULE: Final = Message(
    "No rule of yours decides: attach a network security group to the subnet or the network interface, and allow only "
    "the addresses that need the port."
)


def closing_of(opened: OpenRange, front: FrontEnd, index: Index, limit: Reach) -> Closing:
    """Return what closes an open range on a path to callers of the reach `limit` and more."""
    if not opened.certain:
        return NOTHING
    if front.allowed_sources is not None:
        return Closing(dnat=(front.dnat,)) if front.dnat is not None else Closing(steps=(AT_FIREWALL,))
    if opened.chain is None:
        return Closing(steps=(NO_RULE,))
    key = (opened.spans, opened.known_port is None, limit)
    result = opened.chain.closings.get(key)
    if result is None:
        search = _Search(opened.chain, index, limit)
        result = opened.chain.closings[key] = search.closing(opened.spans, is_known=opened.known_port is not None)
    return result  # type: ignore[return-value]


_Named = tuple[str, str]
"""A rule by the id of its group and its name; an admin rule by "" and its id."""


class _Search:
    """Removes the rule that allows most, and looks again, until what remains is below the limit."""

    def __init__(self, chain: FilterChain, index: Index, limit: Reach) -> None:
        self._chain = chain
        self._index = index
        self._limit = limit
        self._gone: dict[_Named, None] = {}

    def closing(self, spans: Sequence[Span], *, is_known: bool) -> Closing:
        positions = [at for span in spans for at in self._positions(span, is_known)]
        is_closed = [self._close(at) for at in positions]
        steps = () if all(is_closed) else (NO_RULE,)
        rest = NO_SOURCES
        for at in positions:
            rest = rest | self._remaining(at)[0]
        rules = tuple(f"{group}/securityRules/{name}" for group, name in self._gone if group)
        return Closing(rules, tuple(id for group, id in self._gone if not group), (), steps, rest)

    def _positions(self, span: Span, is_known: bool) -> Iterator[int]:
        """Yield one place of each part of a range on which the same rules decide, beside the known ports in it."""
        first, last = span
        cuts = {first}
        for rule in self._every_rule():
            cuts.update(at for start, end in rule.spans for at in (start, end + 1) if first < at <= last)
        ends = sorted(cuts)
        for at, end in zip(ends, [*ends[1:], last + 1], strict=True):
            free = at if is_known else _beside_known(at)
            if free < end:
                yield free

    def _every_rule(self) -> Iterator[SecurityRule]:
        for level in self._chain.levels:
            if level.group is not None:
                yield from level.group.rules(self._chain.destination, False)
        if self._chain.admin is not None:
            yield from self._chain.admin.always.rules(self._chain.destination, False)

    def _close(self, at: int) -> bool:
        """Remove rules until a place is closed. Return whether it is."""
        while True:
            remaining, candidates = self._remaining(at)
            if not self._reaches(remaining):
                return True
            if not candidates:
                return False
            self._gone[max(candidates, key=lambda each: self._weight(each[1]))[0]] = None

    def _remaining(self, at: int) -> tuple[SourceSet, list[tuple[_Named, SourceSet]]]:
        """Return the sources that reach a place, and the rules that allow them with their parts."""
        delivered, always = NO_SOURCES, list[tuple[_Named, SourceSet]]()
        if self._chain.admin is not None:
            rules = self._chain.admin.always.rules(self._chain.destination, False)
            always, delivered = self._decided("", rules, at, self._chain.all_sources, self._gone)
        if self._reaches(delivered):
            return delivered, always
        now = self._chain.all_sources
        in_group: list[tuple[_Named, SourceSet]] = []
        for level in self._chain.levels:
            matches, now = self._passed(level, at, now)
            in_group = matches or in_group
        return now | delivered, in_group or always

    def _passed(self, level: FilterLevel, at: int, now: SourceSet) -> tuple[list[tuple[_Named, SourceSet]], SourceSet]:
        if level.group is None:
            flow = next((each.sources for each in level.certain if each.first <= at <= each.last), NO_SOURCES)
            return [], flow & now
        rules = level.group.rules(self._chain.destination, False)
        is_admin = level.kind == "admin-rules"
        # AlwaysAllow that goes becomes Allow, and still comes before a Deny. One that is narrowed does not.
        gone = {} if is_admin and self._limit == Reach.selected else self._gone
        matches, allowed = self._decided("" if is_admin else level.group.id, rules, at, now, gone)
        return [] if is_admin else matches, allowed

    def _decided(
        self, group: str, rules: Iterable[SecurityRule], at: int, now: SourceSet, gone: Collection[_Named]
    ) -> tuple[list[tuple[_Named, SourceSet]], SourceSet]:
        """Return the rules of the user that allow at a place, without those that are gone, and the allowed sources."""
        left = [rule for rule in rules if _named(group, rule) not in gone]
        decided, allowed = deciding_rules(left, self._chain.side, self._chain.version, at, now)
        custom = [(rule, overlap) for rule, overlap in decided if rule.allow and _is_custom(group, rule)]
        return [(_named(group, rule), overlap) for rule, overlap in custom], allowed

    def _reaches(self, sources: SourceSet) -> bool:
        return any(each.level >= self._limit for each in grants_from_sources(sources, self._index))

    def _weight(self, sources: SourceSet) -> tuple[int, int, int]:
        level = max((each.level for each in grants_from_sources(sources, self._index)), default=-1)
        size = max(sources.addresses.size(4) << 96, sources.addresses.size(6))
        return int(level), size, len(sources.tags)


def _named(group: str, rule: SecurityRule) -> _Named:
    return (group, rule.name) if group else ("", rule.resource)


def _is_custom(group: str, rule: SecurityRule) -> bool:
    return 0 <= rule.priority < FIRST_DEFAULT_PRIORITY if group else bool(rule.resource)


_KNOWN_POSITIONS: Final = [known.position for known in KNOWN_PORTS]


def _beside_known(at: int) -> int:
    """Return the first place from one on that is no known port."""
    number = bisect_left(_KNOWN_POSITIONS, at)
    while number < len(_KNOWN_POSITIONS) and _KNOWN_POSITIONS[number] == at:
        at, number = at + 1, number + 1
    return at
