"""The evaluation of ordered security rules: the first rule that matches decides, at each port for each source."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec.structs import replace

from scanner.model.addresses import (
    NO_ADDRESSES,
    AddressSet,
    Version,
)
from scanner.reach.port_ranges import END
from scanner.reach.security_rules import (
    SIDE_ADDRESSES,
    AllowedRange,
    AllowedRanges,
    RuleRef,
    SecurityRule,
    SourceMatch,
    SourceSide,
)
from scanner.reach.source_sets import (
    INSIDE_SOURCES,
    NO_SOURCES,
    NO_TAGS,
    OUTSIDE_SOURCES,
    SourceSet,
    SourceTerm,
    source_set,
)

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
