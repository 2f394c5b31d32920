"""The evaluation of ordered security rules: the first rule that matches decides, at each port for each source."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from scanner.model.addresses import NO_ADDRESSES, AddressSet, Version
from scanner.reach.rules.port_ranges import END
from scanner.reach.rules.security_rules import (
    SIDE_ADDRESSES,
    AllowedRange,
    AllowedRanges,
    RuleRef,
    SecurityRule,
    SourceMatch,
    SourceSide,
)
from scanner.reach.rules.source_sets import (
    INSIDE_SOURCES,
    NO_SOURCES,
    NO_TAGS,
    OUTSIDE_SOURCES,
    SourceSet,
    SourceTerm,
    source_set,
)


class _Allowed(Struct, frozen=True, eq=False):
    """The allowed sources, each with its rule. Places with the same history share it: it equals itself alone."""

    terms: tuple[tuple[SourceTerm, SecurityRule], ...] = ()


_NOTHING_ALLOWED: Final = _Allowed()


class _EvaluationState(NamedTuple):
    """What the rules so far decided at a place: the decided addresses and tags, and the allowed sources with their
    rule.
    """

    decided: AddressSet = NO_ADDRESSES
    without: frozenset[str] = frozenset()
    allowed: _Allowed = _NOTHING_ALLOWED


_START: Final = _EvaluationState()


def allowed_ranges(rules: Iterable[SecurityRule], side: SourceSide, version: Version) -> AllowedRanges:
    """Return what rules allow: at each place the first rule that matches a source decides, and the rest is denied.

    The line is cut where a rule starts or ends. Places with the same history share one state, so that each rule is
    evaluated once for all of them.
    """
    universe = _universe(side, version)
    matches = [(rule, rule.source.of(side, version)) for rule in rules]
    relevant = [(rule, match) for rule, match in matches if match[1] or match[0]]
    cuts = sorted({0, END}.union(*((first, last + 1) for rule, _ in relevant for first, last in rule.spans)))
    at = {cut: number for number, cut in enumerate(cuts)}
    states = [_START]
    state_at: list[int] = [0] * (len(cuts) - 1)
    closed: set[int] = set()
    for rule, match in relevant:
        moved: dict[int, int] = {}
        for first, last in rule.spans:
            for cell in range(at[first], at[last + 1]):
                old = state_at[cell]
                if old in closed:
                    continue
                new = moved.get(old)
                if new is None:
                    new = moved[old] = len(states)
                    states.append(_step(states[old], rule, match, universe))
                    if states[new].decided == universe:
                        closed.add(new)
                state_at[cell] = new
    return _merged_ranges(cuts, [states[number].allowed for number in state_at])


def deciding_rules(
    rules: Iterable[SecurityRule], side: SourceSide, version: Version, at: int, asked: SourceSet
) -> tuple[list[tuple[SecurityRule, SourceSet]], SourceSet]:
    """Return the rules that decide on the `asked` sources at one place, each with its sources; and the allowed
    sources.
    """
    universe = _universe(side, version)
    state, allowed = _START, NO_SOURCES
    decided: list[tuple[SecurityRule, SourceSet]] = []
    for rule in rules:
        match = rule.source.of(side, version)
        if not (match[0] or match[1]) or not any(first <= at <= last for first, last in rule.spans):
            continue
        overlap = source_set(undecided_terms(state, match, universe)) & asked
        if overlap:
            decided.append((rule, overlap))
            allowed = allowed | overlap if rule.allow else allowed
        state = _step(state, rule, match, universe)
    return decided, allowed


@lru_cache(maxsize=8)
def _universe(side: SourceSide, version: Version) -> AddressSet:
    return SIDE_ADDRESSES[side].of_version(version)


def undecided_terms(state: _EvaluationState, match: SourceMatch, universe: AddressSet) -> list[SourceTerm]:
    """Return the sources that a rule decides on: those that it matches and that no earlier rule matched."""
    addresses, tags = match
    left = addresses - state.decided
    terms = [] if left.is_empty else [SourceTerm(left, NO_TAGS, state.without)]
    if tags:
        rest = universe - state.decided
        terms += (SourceTerm(rest, frozenset((tag,)), state.without) for tag in tags)
    return terms


def _step(state: _EvaluationState, rule: SecurityRule, match: SourceMatch, universe: AddressSet) -> _EvaluationState:
    addresses, tags = match
    allowed = state.allowed
    if rule.allow:
        terms = tuple((term, rule) for term in undecided_terms(state, match, universe) if not term.is_empty)
        allowed = _Allowed(allowed.terms + terms) if terms else allowed
    decided = universe if addresses == universe else state.decided | addresses
    return _EvaluationState(decided, state.without.union(tags) if tags else state.without, allowed)


def _merged_ranges(cuts: list[int], allowed_at: list[_Allowed]) -> AllowedRanges:
    refs: dict[SecurityRule, RuleRef] = {}
    known: dict[_Allowed, tuple[SourceSet, tuple[RuleRef, ...]]] = {}
    out: list[AllowedRange] = []
    previous: object = None
    for cell, allowed in enumerate(allowed_at):
        if not allowed.terms:
            previous = None
        elif allowed is previous:
            out[-1] = replace(out[-1], last=cuts[cell + 1] - 1)
        else:
            previous = allowed
            if allowed not in known:
                sources = interned(source_set(term for term, _ in allowed.terms))
                known[allowed] = (sources, tuple({rule: _ref(refs, rule) for _, rule in allowed.terms}.values()))
            out.append(AllowedRange(cuts[cell], cuts[cell + 1] - 1, *known[allowed]))
    return tuple(out)


def _ref(refs: dict[SecurityRule, RuleRef], rule: SecurityRule) -> RuleRef:
    """Return one reference object for all places of a rule."""
    return refs.setdefault(rule, rule.ref)


@lru_cache(maxsize=4096)
def interned(group: SourceSet) -> SourceSet:
    """Return one object for equal sets; for the set of all sources the object of `all_sources`."""
    return group


@lru_cache(maxsize=8)
def all_sources(side: SourceSide, version: Version) -> SourceSet:
    """Return every source of a side and an IP version."""
    return interned((OUTSIDE_SOURCES if side == "outside" else INSIDE_SOURCES).of(version))
