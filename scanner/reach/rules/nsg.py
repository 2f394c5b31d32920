"""The inbound rules of one network security group, or one list of security admin rules.

A rule that cannot be read in full is in two lists. In the certain one an Allow counts by what it certainly matches and
a Deny by what it possibly matches; in the possible one it is the other way round. Where all is known both lists are the
same object.
Semantics: Microsoft Learn, virtual-network/network-security-groups-overview. What it leaves open counts as allowed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from scanner.model.addresses import ALL_ADDRESSES, NO_ADDRESSES, Version
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.verdict import Unread, not_returned
from scanner.reach.rules.packed_ranges import keep_recent, pack_ranges, unpack_ranges
from scanner.reach.rules.port_ranges import ALL_PORTS, Protocol, positions, protocols
from scanner.reach.rules.rule_evaluation import allowed_ranges
from scanner.reach.rules.rule_fields import PackedRule, RuleFields, packed_admin_rule, packed_rule, unpack_fields
from scanner.reach.rules.rule_parsing import AFTER_CUSTOM_RULES, BEFORE_ALL_RULES, RulePair, rule_pair
from scanner.reach.rules.security_rules import (
    ANY_SOURCE,
    AllowedRanges,
    DestinationFields,
    RuleDestination,
    RuleSource,
    SecurityRule,
    SourceSide,
)

ConditionalRule: TypeAlias = tuple[int, bool, RuleDestination]
"""A rule that names destinations: its place in the list, whether it allows, and the destinations."""


class ParsedRules(NamedTuple):
    """The certain and the possible rules, why they differ, and of each list the rules that name destinations."""

    certain: tuple[SecurityRule, ...]
    possible: tuple[SecurityRule, ...]
    missing: tuple[Unread, ...]
    conditional: tuple[tuple[ConditionalRule, ...], tuple[ConditionalRule, ...]]


class SecurityRules(Struct, eq=False):
    """A list of inbound rules in packed form, parsed on use. Answers are kept packed, because they are much smaller."""

    id: str
    packed: bytes = b""
    """The packed rules, and the priorities of the default rules that the body lacks."""
    unpacked: ParsedRules | None = None
    """The parsed rules of a list that is kept parsed."""
    answers: dict[tuple[bool, int, SourceSide, Version], bytes] = field(default_factory=dict)
    _known: tuple[tuple[Unread, ...], tuple[tuple[ConditionalRule, ...], tuple[ConditionalRule, ...]]] | None = None

    @property
    def parsed(self) -> ParsedRules:
        return self.unpacked or _unpacked(self)

    @property
    def missing(self) -> tuple[Unread, ...]:
        """Return what of the rules could not be read or is not known."""
        return self._learned[0]

    @property
    def exact(self) -> bool:
        """Return whether the certain and the possible rules are the same."""
        return not self.missing

    @property
    def _learned(self) -> tuple[tuple[Unread, ...], tuple[tuple[ConditionalRule, ...], tuple[ConditionalRule, ...]]]:
        if self._known is None:
            parsed = self.parsed
            self._known = (parsed.missing, parsed.conditional)
        return self._known

    def skipped(self, target: DestinationFields) -> tuple[int, int]:
        """Return bits for the certain and the possible rules that do not apply to a destination.

        They are equal for destinations to which the same rules apply.
        """
        conditional = self._learned[1]
        certain, open_question = _skipped(conditional[0], target, wide=False)
        if conditional[1] is conditional[0] and not open_question:
            return certain, certain
        return certain, _skipped(conditional[1], target, wide=True)[0]

    def rules(self, target: DestinationFields, wide: bool) -> tuple[SecurityRule, ...]:
        """Return the rules that apply to a destination, in order; `wide`: the possible ones, else the certain ones."""
        parsed = self.parsed
        rules = parsed.possible if wide else parsed.certain
        skipped = self.skipped(target)[wide]
        return tuple(rule for bit, rule in enumerate(rules) if not skipped >> bit & 1) if skipped else rules

    def allowed(
        self, target: DestinationFields, side: SourceSide, version: Version, wide: bool = False
    ) -> AllowedRanges:
        """Return what the rules allow to a destination. Destinations to which the same rules apply share one answer."""
        apart = wide and not self.exact
        key = (apart, self.skipped(target)[wide], side, version)
        packed = self.answers.get(key)
        if packed is not None:
            return unpack_ranges(packed, side, version)
        ranges = allowed_ranges(self.rules(target, wide), side, version)
        packed = self.answers[key] = pack_ranges(ranges)
        return keep_recent(packed, side, version, ranges)


def _skipped(conditional: tuple[ConditionalRule, ...], target: DestinationFields, wide: bool) -> tuple[int, bool]:
    """Return a bit for each rule that does not apply, and whether that is not known for one.

    Such a rule applies in the possible list where it allows, and in the certain list where it denies.
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


def security_rules_of(resource: Resource) -> SecurityRules:
    """Return the inbound rules of a network security group, from its body."""
    custom = resource.get("properties.securityRules")
    if not isinstance(custom, list):
        missing = not_returned("properties.securityRules")
        return SecurityRules(
            resource.id,
            unpacked=_parsed_rules([], [_allow_everything(Message("uncollected rules"), BEFORE_ALL_RULES)], [missing]),
        )
    defaults = resource.get("properties.defaultSecurityRules")
    custom_rules = [row for body in custom if (row := packed_rule(body)) is not None]
    given = [row for body in (defaults if isinstance(defaults, list) else ()) if (row := packed_rule(body)) is not None]
    changed = [row for row in given if row not in _PACKED_DEFAULTS]
    there = {row.priority for row in changed if unpack_fields(row.fields).inbound}
    usual = [rule.priority for rule in DEFAULT_RULES if rule.priority not in there]
    return SecurityRules(resource.id, _ENCODER.encode((custom_rules + changed, usual)))


_UNPACKER: Final = msgspec.msgpack.Decoder(tuple[list[PackedRule], list[int]])

_ENCODER: Final = msgspec.msgpack.Encoder()


@lru_cache(maxsize=64)
def _unpacked(group: SecurityRules) -> ParsedRules:
    rows, defaults = _UNPACKER.decode(group.packed)
    missing: list[Unread] = []
    certain, possible = _certain_and_possible((rule_pair(row) for row in rows), missing)
    rest = [rule for rule in DEFAULT_RULES if rule.priority in defaults]
    return _parsed_rules(certain + rest, possible + rest, missing)


def _certain_and_possible(
    pairs: Iterable[RulePair], missing: list[Unread]
) -> tuple[list[SecurityRule], list[SecurityRule]]:
    certain: list[SecurityRule] = []
    possible: list[SecurityRule] = []
    for sure, maybe, unclear in pairs:
        if sure is not None:
            certain.append(sure)
        if maybe is not None:
            possible.append(maybe)
        if unclear:
            missing.append(Unread("rule", unclear))
    return certain, possible


def _parsed_rules(certain: list[SecurityRule], possible: list[SecurityRule], missing: list[Unread]) -> ParsedRules:
    # Two rules of one priority: which of them is first is not known.
    certain.sort(key=lambda rule: (rule.priority, rule.allow))
    possible.sort(key=lambda rule: (rule.priority, not rule.allow))
    return _in_order(certain, possible, missing)


def _in_order(certain: list[SecurityRule], possible: list[SecurityRule], missing: list[Unread]) -> ParsedRules:
    same = len(certain) == len(possible) and all(one is two for one, two in zip(certain, possible, strict=True))
    first = tuple(certain)
    second = first if same else tuple(possible)
    if not same and not missing:
        missing.append(
            Unread("priority", Message("two rules have the same priority, and which one applies first is not known"))
        )
    conditional = _conditional_rules(first)
    return ParsedRules(
        first, second, tuple(missing), (conditional, conditional if same else _conditional_rules(second))
    )


def _conditional_rules(rules: tuple[SecurityRule, ...]) -> tuple[ConditionalRule, ...]:
    result = enumerate(rules)
    return tuple((bit, rule.allow, rule.destination) for bit, rule in result if rule.destination is not None)


def _allow_everything(name: str, priority: int, resource: str = "") -> SecurityRule:
    """Return a rule that allows everything."""
    return SecurityRule(name, priority, True, positions(_EVERY, ALL_PORTS, True), ANY_SOURCE, resource=resource)


_EVERY: Final[tuple[Protocol, ...]] = protocols("*")


def _packed_default(allow: bool, to: str) -> bytes:
    return RuleFields(allow, True, "*", ("*",), ("*",), (to,), (to,)).packed


DEFAULT_RULES: Final = (
    SecurityRule(
        "AllowVnetInBound", 65000, True, positions(_EVERY, ALL_PORTS, True), RuleSource(NO_ADDRESSES, ALL_ADDRESSES)
    ),
    SecurityRule("DenyAllInBound", 65500, False, positions(_EVERY, ALL_PORTS, False), ANY_SOURCE),
)
"""The default inbound rules that decide on a caller. They cannot be removed, and count where a body lacks them.

AllowAzureLoadBalancerInBound (65001) is not among them, because it allows only the platform's probes.
"""


_PACKED_DEFAULTS: Final = (
    PackedRule("AllowVnetInBound", 65000, _packed_default(True, "VirtualNetwork")),
    PackedRule("DenyAllInBound", 65500, _packed_default(False, "*")),
)
"""The default rules as Azure returns them; these are not kept."""


class AdminRules(Struct):
    """The deployed security admin rules of a network: `always` bypasses the groups, `passed` goes on to them."""

    always: SecurityRules
    passed: SecurityRules

    @property
    def missing(self) -> tuple[Unread, ...]:
        return tuple(dict.fromkeys((*self.always.missing, *self.passed.missing)))


class DeployedRule(NamedTuple):
    """A security admin rule that a network manager deployed to a network."""

    rank: int
    """The place of its manager among those of the network, 0 the highest scope; the priority counts within a rank."""
    ordered: bool
    """False where two managers share the rank, and which of them comes first is not known. `body` None: the rules of a
    whole configuration (`id`) could not be read.
    """
    id: str
    body: Any
    uncertain: Message = NOTHING
    """Why it may not apply, or ""."""


def admin_rules(network: str, deployed: Iterable[DeployedRule]) -> AdminRules:
    """Return the admin rules in force in a network. The first match decides, of the highest manager first."""
    rules = tuple(deployed)
    missing: list[Unread] = []
    always = _admin_list(rules, True, missing)
    passed = _admin_list(rules, False, missing)
    rest = [_allow_everything(Message("no security admin rule"), AFTER_CUSTOM_RULES)]
    return AdminRules(
        SecurityRules(network, unpacked=_in_order(*always, list(missing))),
        SecurityRules(network, unpacked=_in_order(passed[0] + rest, passed[1] + rest, list(missing))),
    )


def _admin_list(
    rules: Iterable[DeployedRule], always: bool, missing: list[Unread]
) -> tuple[list[SecurityRule], list[SecurityRule]]:
    """Return the certain and the possible rules in order. `always`: of those that bypass the groups, where every other
    rule ends the search.
    """
    certain: list[tuple[tuple[int, int], SecurityRule]] = []
    possible: list[tuple[tuple[int, int], SecurityRule]] = []
    for each in rules:
        sure, maybe, unclear = _admin_pair(each, always)
        for matches, rule in ((certain, sure), (possible, maybe)):
            if rule is not None:
                matches.append(((each.rank, rule.priority if each.ordered else 0), rule))
        if unclear and (gap := Unread("rule" if each.body else each.id, unclear)) not in missing:
            missing.append(gap)
    certain.sort(key=lambda one: (one[0], one[1].allow))
    possible.sort(key=lambda one: (one[0], not one[1].allow))
    return [rule for _, rule in certain], [rule for _, rule in possible]


def _admin_pair(deployed: DeployedRule, always: bool) -> RulePair:
    if deployed.body is None:
        allow = _allow_everything(deployed.uncertain, BEFORE_ALL_RULES, deployed.id)
        return replace(allow, allow=False), allow, deployed.uncertain
    row = packed_admin_rule(deployed.id, deployed.body, always)
    if row is None:
        return None, None, NOTHING
    certain, possible, unclear = rule_pair(row)
    if not deployed.uncertain:
        return certain, possible, unclear
    certain = None if certain is None or certain.allow else certain
    possible = possible if possible is not None and possible.allow else None
    return certain, possible, Message("{rule}: {uncertain}", rule=row.name, uncertain=deployed.uncertain)
