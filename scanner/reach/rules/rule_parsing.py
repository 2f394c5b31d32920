"""From the fields of a security rule to the rule as it certainly acts and as it possibly acts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from scanner.model.addresses import ALL_ADDRESSES, PUBLIC_ADDRESSES, AddressSet, BadAddress, parse, union
from scanner.model.message import NOTHING, Message, joined
from scanner.reach.rules.port_ranges import ALL_PORTS, BadPort, Spans, merged, ports, positions, protocols
from scanner.reach.rules.rule_fields import (
    BROKEN_DESTINATIONS,
    BROKEN_PORTS,
    BROKEN_SOURCE_PORTS,
    BROKEN_SOURCES,
    PackedRule,
    RuleFields,
    unpack_fields,
)
from scanner.reach.rules.security_rules import (
    ANY_SOURCE,
    MATCHES_NO_DESTINATION,
    MATCHES_NO_SOURCE,
    RuleDestination,
    RuleSource,
    SecurityRule,
)
from scanner.reach.rules.service_tags import service_tag
from scanner.reach.rules.source_sets import tag_name

BEFORE_ALL_RULES: Final = -1

AFTER_CUSTOM_RULES: Final = 64999
"""The priorities of a rule whose own cannot be read: before all others, or after the customer's rules."""

_TAG: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")

_PLATFORM_TAGS: Final = frozenset({"AzureLoadBalancer"})
"""Tags of the platform's own host address, from which no caller sends."""


RulePair: TypeAlias = tuple[SecurityRule | None, SecurityRule | None, Message]
"""A rule as it certainly acts and as it possibly acts (None: not at all), and what of it is not known (""  where all
is).
"""


def rule_pair(row: PackedRule) -> RulePair:
    """Return a rule as it certainly acts and as it possibly acts."""
    effects = _rule_effects(row.fields)
    if row.priority is not None and not effects.unclear and not effects.switches:
        rule = _rule(row, effects.certain, row.priority)
        return rule, rule, NOTHING
    unclear = (*effects.unclear, *((Message("unknown priority"),) if row.priority is None else ()), *effects.switches)
    certain, possible = (
        _rule(row, effects.certain, AFTER_CUSTOM_RULES, BEFORE_ALL_RULES),
        _rule(row, effects.possible, BEFORE_ALL_RULES, AFTER_CUSTOM_RULES),
    )
    return certain, possible, Message("{name}: {list}", name=row.name, list=joined("; ", unclear))


def _rule(row: PackedRule, effect: _RuleEffect | None, allow_at: int, deny_at: int = 0) -> SecurityRule | None:
    """Return the rule with that effect, None without one. The priorities count where its own is not known."""
    if effect is None:
        return None
    at = row.priority if row.priority is not None else allow_at if effect.allow else deny_at
    return SecurityRule(row.name, at, effect.allow, effect.spans, effect.source, effect.destination, row.resource)


class _RuleEffect(NamedTuple):
    """What a rule does, without its priority: members of `SecurityRule`."""

    allow: bool
    spans: Spans
    source: RuleSource
    destination: RuleDestination | None


class _RuleEffects(NamedTuple):
    """What a rule certainly and possibly does (None: nothing), and why its fields and its switches are not known."""

    certain: _RuleEffect | None
    possible: _RuleEffect | None
    unclear: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def _rule_effects(packed: bytes) -> _RuleEffects:
    fields = unpack_fields(packed)
    named = _ALL_PROTOCOLS if fields.protocol is None else _protocol(fields.protocol)
    numbers = _numbers(fields.ports, fields.broken & BROKEN_PORTS > 0)
    sources_of = (
        _ANY_PORT
        if fields.source_ports == ("*",)
        else _numbers(fields.source_ports, fields.broken & BROKEN_SOURCE_PORTS > 0)
    )
    source = _source(fields.sources, fields.source_groups, fields.broken & BROKEN_SOURCES > 0, fields.admin)
    destination = _ANYWHERE if fields.destinations == ("*",) else _destination(fields)
    values = (named, numbers, sources_of, source, destination)
    # The caller chooses the source port: it matters to a Deny only.
    asked = (
        named.unclear,
        numbers.unclear,
        source.unclear,
        destination.unclear,
        "" if fields.allow else sources_of.unclear,
    )
    unclear = tuple(each for each in asked if each)
    switches = (("access", fields.allow), ("direction", fields.inbound))
    unknown = tuple(Message("its {what} is not known", what=what) for what, value in switches if value is None)
    if not unclear and not unknown:
        effect = _rule_effect(fields, values, fields.allow is True, wide=True)
        return _RuleEffects(effect, effect)
    certain = (
        _rule_effect(fields, values, True, wide=False)
        if fields.allow is True
        else _rule_effect(fields, values, False, wide=True)
    )
    possible = (
        _rule_effect(fields, values, False, wide=False)
        if fields.allow is False
        else _rule_effect(fields, values, True, wide=True)
    )
    return _RuleEffects(certain, possible, unclear, unknown)


def _rule_effect(fields: RuleFields, values: tuple[_FieldValue, ...], allow: bool, wide: bool) -> _RuleEffect | None:
    """Return the effect by what the fields possibly match (`wide`) or certainly match; None where that is nothing."""
    if not wide and not fields.inbound:
        return None
    named, numbers, sources_of, origin, target = values
    source: Any = origin[wide]
    destination: Any = target[wide]
    locked = not allow and sources_of[wide] != ALL_PORTS
    if locked or source is MATCHES_NO_SOURCE or destination is MATCHES_NO_DESTINATION:
        return None
    spans = positions(named.possible if wide else named.certain, numbers.possible if wide else numbers.certain, allow)
    return _RuleEffect(allow, spans, source, destination) if spans else None


class _FieldValue(NamedTuple):
    """What a field of a rule certainly matches and possibly matches, and why they differ."""

    certain: Any
    possible: Any
    unclear: Message = NOTHING


_ALL_PROTOCOLS: Final = _FieldValue((), protocols("*"), Message("unrecognized protocol"))

_ANY_PORT: Final = _FieldValue(ALL_PORTS, ALL_PORTS)

_ANYWHERE: Final = _FieldValue(None, None)


@lru_cache(maxsize=256)
def _protocol(text: str) -> _FieldValue:
    try:
        return _FieldValue(protocols(text), protocols(text))
    except BadPort as bad:
        return _FieldValue((), protocols("*"), bad.why)


def _numbers(texts: tuple[str, ...], broken: bool) -> _FieldValue:
    matches: list[tuple[int, int]] = []
    why = Message("a port is not a string") if broken else NOTHING if texts else Message("it has no ports")
    for text in texts:
        try:
            matches += ports(text)
        except BadPort as bad:
            why = bad.why
    numbers = merged(matches)
    return _FieldValue(numbers, ALL_PORTS if why else numbers, why)


@lru_cache(maxsize=256)
def _source(texts: tuple[str, ...], groups: tuple[str, ...], broken: bool, admin: bool) -> _FieldValue:
    addresses, tags, why = _addresses_and_tags(texts)
    why = why or (
        Message("a source is not a string") if broken else NOTHING if texts or groups else Message("it has no source")
    )
    reaches = {tag: service_tag(tag).reach for tag in tags}
    sent = tuple(tag for tag in tags if reaches[tag] in ("azure", "none") and tag not in _PLATFORM_TAGS)
    outside = PUBLIC_ADDRESSES if "internet" in reaches.values() else _public_addresses(addresses)
    inside = ALL_ADDRESSES if "vnet" in reaches.values() else addresses
    # The group of an admin rule is one of networks. Who is a member of it is not known; no one outside is.
    network_groups, groups = (groups, ()) if admin else ((), groups)
    certain = _known_source(RuleSource(outside, inside, sent, tuple(f"{group}/" for group in groups)))
    if why or not network_groups or inside == ALL_ADDRESSES:
        return _FieldValue(certain, ANY_SOURCE if why else certain, why)
    possible = _known_source(RuleSource(outside, ALL_ADDRESSES, sent))
    return _FieldValue(certain, possible, Message("the members of its network group are not known"))


def _known_source(source: RuleSource) -> RuleSource:
    """Return one object for the source of no one, and one for every source."""
    return MATCHES_NO_SOURCE if source == MATCHES_NO_SOURCE else ANY_SOURCE if source == ANY_SOURCE else source


def _public_addresses(addresses: AddressSet) -> AddressSet:
    """Return the public ones of these addresses, as an object that exists already where there is one."""
    if addresses is ALL_ADDRESSES:
        return PUBLIC_ADDRESSES
    public = addresses & PUBLIC_ADDRESSES
    return addresses if public == addresses else PUBLIC_ADDRESSES if public == PUBLIC_ADDRESSES else public


def _destination(fields: RuleFields) -> _FieldValue:
    read = _rule_destination(fields.destinations, fields.destination_groups, fields.broken & BROKEN_DESTINATIONS > 0)
    if not fields.admin or not fields.destination_groups or (read.possible is None and not read.unclear):
        return read
    # Who is a member of the network group of an admin rule is not known.
    certain = (
        _rule_destination(fields.destinations, (), False).certain if fields.destinations else MATCHES_NO_DESTINATION
    )
    return _FieldValue(certain, None, read.unclear or Message("the members of its network group are not known"))


def _rule_destination(texts: tuple[str, ...], groups: tuple[str, ...], broken: bool) -> _FieldValue:
    addresses, tags, why = _addresses_and_tags(texts)
    why = why or (
        Message("a destination is not a string")
        if broken
        else NOTHING
        if texts or groups
        else Message("it has no destination")
    )
    known = [service_tag(tag) for tag in tags]
    if addresses == ALL_ADDRESSES:
        return _FieldValue(None, None, why)
    network = any(tag.reach == "vnet" for tag in known)
    unknown = [tag.name for tag in known if not tag.known]
    if unknown and not network:
        why = why or Message("unrecognized destination {unknown}", unknown=repr(unknown[0]))
    certain = RuleDestination(addresses, frozenset(groups), any(tag.reach != "vnet" for tag in known), network)
    return _FieldValue(
        MATCHES_NO_DESTINATION if certain == MATCHES_NO_DESTINATION else certain, None if why else certain, why
    )


def _addresses_and_tags(texts: Iterable[str]) -> tuple[AddressSet, tuple[str, ...], Message]:
    """Return the addresses and the tags of a list of prefixes, and why one of these is neither."""
    sets: list[AddressSet] = []
    tags: list[str] = []
    why = NOTHING
    for text in texts:
        for segment in text.split(","):
            word = segment.strip()
            try:
                address_set = parse(word)
            except BadAddress:
                if _TAG.fullmatch(word):
                    tags.append(tag_name(word))
                else:
                    why = Message("{word} is not an address or a tag", word=repr(word[:60]))
                continue
            if word in ("0.0.0.0", "::"):  # noqa: S104
                why = Message("whether {word} includes every address is not documented", word=word)
            else:
                sets.append(address_set)
    addresses = union(sets)
    return ALL_ADDRESSES if addresses == ALL_ADDRESSES else addresses, tuple(dict.fromkeys(tags)), why
