"""From the fields of a security rule to the rule as it certainly acts and as it possibly acts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from scanner.model.addresses import (
    ALL_ADDRESSES,
    PUBLIC_ADDRESSES,
    AddressSet,
    BadAddress,
    parse,
    union,
)
from scanner.reach.port_ranges import ALL_PORTS, BadPort, Spans, merged, places, ports, protocols
from scanner.reach.rule_fields import (
    BROKEN_DESTINATIONS,
    BROKEN_PORTS,
    BROKEN_SOURCE_PORTS,
    BROKEN_SOURCES,
    PackedRule,
    RuleFields,
    unpack_fields,
)
from scanner.reach.security_rules import (
    ANY_SOURCE,
    MATCHES_NO_DESTINATION,
    MATCHES_NO_SOURCE,
    RuleDestination,
    RuleSource,
    SecurityRule,
)
from scanner.reach.service_tags import service_tag
from scanner.reach.source_sets import (
    tag_name,
)

BEFORE_ALL_RULES: Final = -1

AFTER_CUSTOM_RULES: Final = 64999
"""The places of a rule without a readable priority: before all others, or after the customer's own."""

_TAG: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")

_NO_SENDERS: Final = frozenset({"AzureLoadBalancer"})
"""Tags that stand for the platform's own host address: nobody sends from there."""


RulePair: TypeAlias = tuple[SecurityRule | None, SecurityRule | None, str]
"""A rule as it surely acts and as it may act (None: not at all), and what of it is not known ("": everything is)."""


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
    own = (
        _ANY_PORT if fields.own_ports == ("*",) else _numbers(fields.own_ports, fields.broken & BROKEN_SOURCE_PORTS > 0)
    )
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
        _rule_effect(fields, ends, True, wide=False)
        if fields.allow is True
        else _rule_effect(fields, ends, False, wide=True)
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
