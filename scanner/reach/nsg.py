"""One network security group, or one list of security admin rules: parsed once, then asked who gets to which port.

A rule that cannot be read in full stands twice: in the list that proves what is sure (`sure`: an Allow by what it
certainly matches, a Deny by what it may match) and in the list of what may be (`may`: the other way round). Where all
is known both are the same object. Semantics: Microsoft Learn, virtual-network/network-security-groups-overview; what
it leaves open is decided towards open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from scanner.model.addresses import (
    ALL_ADDRESSES,
    NO_ADDRESSES,
    Version,
)
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, not_returned
from scanner.reach.packed_ranges import keep_recent, pack_ranges, unpack_ranges
from scanner.reach.port_ranges import ALL_PORTS, Protocol, places, protocols
from scanner.reach.rule_evaluation import allowed_ranges
from scanner.reach.rule_fields import PackedRule, RuleFields, packed_admin_rule, packed_rule, unpack_fields
from scanner.reach.rule_parsing import AFTER_CUSTOM_RULES, BEFORE_ALL_RULES, RulePair, rule_pair
from scanner.reach.security_rules import (
    ANY_SOURCE,
    AllowedRanges,
    DestinationFields,
    RuleDestination,
    RuleSource,
    SecurityRule,
    SourceSide,
)

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
    return ParsedRules(
        first, second, tuple(missing), (conditional, conditional if same else _conditional_rules(second))
    )


def _conditional_rules(rules: tuple[SecurityRule, ...]) -> tuple[ConditionalRule, ...]:
    found = enumerate(rules)
    return tuple((bit, rule.allow, rule.destination) for bit, rule in found if rule.destination is not None)


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
