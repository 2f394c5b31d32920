"""Ranges of places (protocol and port) with the sources that reach them: intersect, join, clip and group them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

import msgspec
from msgspec import structs

from scanner.reach.rules.known_ports import KNOWN_PORTS, KnownPort
from scanner.reach.rules.port_ranges import CONNECTIONS, Protocol, position
from scanner.reach.rules.rule_evaluation import interned
from scanner.reach.rules.security_rules import AllowedRanges, RuleRef
from scanner.reach.rules.source_sets import SourceSet


class LevelDecision(msgspec.Struct, frozen=True, gc=False):
    """What one level decided at a place: the number of the level, the rules that allow, and the sources that remain."""

    level: int
    rules: tuple[RuleRef, ...]
    remaining: SourceSet


class ChainRange(msgspec.Struct, frozen=True, gc=False):
    first: int
    last: int
    sources: SourceSet
    decisions: tuple[LevelDecision, ...]


class OpenSpan(msgspec.Struct, frozen=True, gc=False):
    first: int
    last: int
    certain: SourceSet
    possible: SourceSet
    decisions: tuple[LevelDecision, ...]


def met(now: list[ChainRange], flow: AllowedRanges, level: int, whole: SourceSet) -> Iterator[ChainRange]:
    """Return what remains of ranges after a level."""
    i = j = 0
    while i < len(now) and j < len(flow):
        one, two = now[i], flow[j]
        first, last = max(one.first, two.first), min(one.last, two.last)
        if first <= last:
            if one.sources is whole:
                sources = two.sources
            elif two.sources is whole or two.sources is one.sources:
                sources = one.sources
            else:
                sources = interned(one.sources & two.sources)
            if sources:
                yield ChainRange(first, last, sources, (*one.decisions, LevelDecision(level, two.rules, sources)))
        if one.last < two.last:
            i += 1
        else:
            j += 1


def cut_ranges(
    left: list[ChainRange], right: list[ChainRange]
) -> Iterator[tuple[int, int, ChainRange | None, ChainRange | None]]:
    """Return the places of either list, cut where a range of one starts or ends."""
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
    """Return the ranges together with what admin rules deliver past the groups."""
    for first, last, one, two in cut_ranges(now, past):
        if one and two:
            yield ChainRange(
                first, last, interned(one.sources | two.sources), merged_decisions(two.decisions, one.decisions)
            )
        else:
            piece = one or two
            assert piece is not None
            yield structs.replace(piece, first=first, last=last)


def merged_decisions(one: tuple[LevelDecision, ...], two: tuple[LevelDecision, ...]) -> tuple[LevelDecision, ...]:
    """Return the decisions at two places as those of one."""
    if one is two or one == two:
        return one
    result: dict[int, LevelDecision] = {}
    for mark in (*one, *two):
        known = result.get(mark.level)
        if known is None:
            result[mark.level] = mark
        elif known != mark:
            rules = known.rules
            if mark.rules is not rules:
                rules = tuple(sorted(dict.fromkeys((*rules, *mark.rules)), key=lambda rule: rule.priority))
            left = known.remaining if mark.remaining is known.remaining else interned(known.remaining | mark.remaining)
            result[mark.level] = LevelDecision(mark.level, rules, left)
    return tuple(result[level] for level in sorted(result))


def joined(pieces: Iterable[OpenSpan]) -> Iterator[OpenSpan]:
    """Return neighbours with the same sources as one; TCP, UDP and the protocols without ports stay apart."""
    last: OpenSpan | None = None
    for whole in pieces:
        for piece in _apart(whole):
            if last is not None and _continues(last, piece):
                last = structs.replace(
                    last, last=piece.last, decisions=merged_decisions(last.decisions, piece.decisions)
                )
                continue
            if last is not None:
                yield last
            last = piece
    if last is not None:
        yield last


def _continues(last: OpenSpan, piece: OpenSpan) -> bool:
    adjacent = last.last + 1 == piece.first and piece.first not in _BORDERS
    return adjacent and (last.certain, last.possible) == (piece.certain, piece.possible)


_BORDERS: Final = (CONNECTIONS // 2, CONNECTIONS, CONNECTIONS + 1, CONNECTIONS + 2)


def _apart(piece: OpenSpan) -> Iterator[OpenSpan]:
    first = piece.first
    for border in _BORDERS:
        if first < border <= piece.last:
            yield structs.replace(piece, first=first, last=border - 1)
            first = border
    yield structs.replace(piece, first=first)


def clipped(pieces: Iterable[OpenSpan], first: int, last: int) -> list[OpenSpan]:
    return [
        structs.replace(piece, first=max(piece.first, first), last=min(piece.last, last))
        for piece in pieces
        if piece.first <= last and piece.last >= first
    ]


def known_ports_of(pieces: list[OpenSpan]) -> Iterator[tuple[OpenSpan, KnownPort]]:
    for piece in pieces:
        for at, known in _between(piece):
            yield structs.replace(piece, first=at, last=at), known


_KNOWN_POSITIONS: Final = [known.position for known in KNOWN_PORTS]


def _between(piece: OpenSpan) -> Iterator[tuple[int, KnownPort]]:
    """Return the known ports of a range, with their places."""
    first, after = bisect_left(_KNOWN_POSITIONS, piece.first), bisect_right(_KNOWN_POSITIONS, piece.last)
    return zip(_KNOWN_POSITIONS[first:after], KNOWN_PORTS[first:after], strict=True)


def rest_of(pieces: list[OpenSpan]) -> list[OpenSpan]:
    """Return what is open beside the known ports. A known port that is at least as open does not cut a range in two."""
    out: list[OpenSpan] = []
    bridge: int | None = None
    """The place after the last range, or after the known ports that continue it; None where the range ended."""
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
                out[-1] = structs.replace(
                    out[-1], last=last, decisions=merged_decisions(out[-1].decisions, piece.decisions)
                )
            else:
                out.append(structs.replace(piece, first=first, last=last))
            bridge = last + 1
    return out


def _parted(piece: OpenSpan) -> Iterator[tuple[int, int, bool]]:
    first = piece.first
    for at, _ in _between(piece):
        if first < at:
            yield first, at - 1, False
        yield at, at, True
        first = at + 1
    if first <= piece.last:
        yield first, piece.last, False


def alike(rest: dict[Protocol, list[OpenSpan]]) -> list[OpenSpan]:
    """Return the ranges that are open alike over TCP and UDP, as places of TCP."""
    if len(rest) < 2:
        return []
    start = position("udp")
    udp = {(piece.first - start, piece.last - start): piece for piece in rest["udp"]}
    open_spans: list[OpenSpan] = []
    for piece in rest["tcp"]:
        other = udp.get((piece.first, piece.last))
        if other is not None and (other.certain, other.possible) == (piece.certain, piece.possible):
            open_spans.append(structs.replace(piece, decisions=merged_decisions(piece.decisions, other.decisions)))
    return open_spans
