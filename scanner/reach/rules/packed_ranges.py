"""Allowed ranges in packed form.

As objects they are five times as large, and Python's garbage collector visits them again and again.
"""

from __future__ import annotations

from typing import Final

import msgspec

from scanner.model.addresses import AddressSet, Version
from scanner.model.message import message_text
from scanner.reach.rules.rule_evaluation import all_sources
from scanner.reach.rules.security_rules import AllowedRange, AllowedRanges, RuleRef, SourceSide
from scanner.reach.rules.source_sets import NO_TAGS, SourceSet, SourceTerm


class _Term(msgspec.Struct, array_like=True, frozen=True):
    """A source term: v4 as first, last, first...; v6 the same in 16 bytes each."""

    v4: tuple[int, ...]
    v6: bytes
    tags: tuple[str, ...]
    without: tuple[str, ...]


class _Answer(msgspec.Struct, array_like=True, frozen=True):
    """Allowed ranges: each as first, last, and the numbers of its sources and of its rules in the lists that follow."""

    segments: tuple[tuple[int, int, int, int], ...]
    sources: tuple[tuple[_Term, ...], ...]
    rules: tuple[tuple[int, ...], ...]
    refs: tuple[tuple[str, int, bool, str], ...]


_ANSWER_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=message_text)

_ANSWERS: Final = msgspec.msgpack.Decoder(_Answer)


def pack_ranges(ranges: AllowedRanges) -> bytes:
    sources = {each: number for number, each in enumerate(dict.fromkeys(each.sources for each in ranges))}
    refs = {ref: number for number, ref in enumerate(dict.fromkeys(ref for each in ranges for ref in each.rules))}
    rules = {each: number for number, each in enumerate(dict.fromkeys(each.rules for each in ranges))}
    answer = _Answer(
        tuple((each.first, each.last, sources[each.sources], rules[each.rules]) for each in ranges),
        tuple(tuple(map(_packed, group.terms)) for group in sources),
        tuple(tuple(refs[ref] for ref in each) for each in rules),
        tuple(refs),
    )
    return _ANSWER_ENCODER.encode(answer)


def _packed(term: SourceTerm) -> _Term:
    v4 = tuple(each for interval in term.addresses.v4 for each in interval)
    v6 = b"".join(each.to_bytes(16, "big") for interval in term.addresses.v6 for each in interval)
    return _Term(v4, v6, tuple(sorted(term.tags)), tuple(sorted(term.without)))


_RECENT: Final[dict[tuple[bytes, SourceSide, Version], AllowedRanges]] = {}
"""The ranges that were used last, as objects, because machines that share groups follow each other."""


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
    source_sets = (SourceSet(tuple(map(_unpacked, terms))) for terms in answer.sources)
    sources = [whole if each == whole else each for each in source_sets]
    refs = [RuleRef(*each) for each in answer.refs]
    rules = [tuple(refs[number] for number in each) for each in answer.rules]
    return tuple(AllowedRange(first, last, sources[group], rules[by]) for first, last, group, by in answer.segments)


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
