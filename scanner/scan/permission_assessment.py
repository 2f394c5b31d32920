"""Which rules the permissions of an identity suffice for, in each scope, and which actions are missing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from scanner.collect.permissions import SubscriptionPermissions
from scanner.model.ids import SUBSCRIPTION
from scanner.model.rule import Rule
from scanner.rulebook import permissions
from scanner.rulebook.loader import RuleSet

_GROUPS = "Microsoft.Management/managementGroups/"
"""The prefix of actions that the roles of a subscription do not show. A scan that requires one has used it."""


class ScopeAccess(Struct, frozen=True):
    """The access to a subscription, or to a group in it, and the enabled rules that cannot be evaluated with it."""

    rights: SubscriptionPermissions
    lacking: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The rules that are inconclusive because of missing actions, with these actions."""
    unknown: frozenset[str] = frozenset()
    """The rules for which Azure returned too little."""
    denied: frozenset[str] = frozenset()
    """All missing actions, required by a rule or not. Lower case."""

    @property
    def inconclusive(self) -> int:
        return len(self.lacking) + len(self.unknown)

    @property
    def name(self) -> str:
        return "/".join((self.rights.name, *self.rights.named))

    @property
    def scope(self) -> str:
        """Return its id, as role assignments name it."""
        groups = (f"resourceGroups/{each}" for each in self.rights.named)
        return "/".join((f"/subscriptions/{self.rights.id}", *groups))


class MissingAction(Struct, frozen=True):
    """A missing action, the rules that it leaves inconclusive, and the scopes (names and ids) without it."""

    action: str
    rules: tuple[str, ...]
    names: tuple[str, ...]
    scopes: tuple[str, ...]
    for_view: bool = False
    """Its refusal shows that a subscription is visible in part; a scan reports the same gap."""


def wanted(rules: RuleSet, effective: bool = False) -> dict[str, bool]:
    """Return the actions that the rules require, and for each whether a scan lists whole subscriptions with it."""
    lists = permissions.listed(rules)
    return {each: each in lists for each in permissions.actions(rules, effective) if not each.startswith(_GROUPS)}


def assess(
    rules: RuleSet, subscription_permissions: Sequence[SubscriptionPermissions], effective: bool = False
) -> list[ScopeAccess]:
    """Return the access in each scope. An action for lookups is required in all scopes."""
    asked = wanted(rules, effective)
    stated = [
        {each.lower(): right.allows(each, listed=listed) for each, listed in asked.items()}
        for right in subscription_permissions
    ]
    seen = [each for each, right in zip(stated, subscription_permissions, strict=True) if right.view != "none"]
    everywhere = {each.lower(): _least(answers[each.lower()] for answers in seen) for each in asked}
    wanted_by = [_RuleActions.of(rule) for rule in rules.enabled.values()]
    is_hidden = any(right.view == "partial" for right in subscription_permissions)
    return [
        _scope_access(wanted_by, right, answers, everywhere, is_hidden=is_hidden)
        for right, answers in zip(subscription_permissions, stated, strict=True)
    ]


def _least(answers: Iterable[bool | None]) -> bool | None:
    stated = list(answers)
    return False if False in stated else None if None in stated else True


Answers = Mapping[str, bool | None]


class _RuleActions(Struct, frozen=True):
    """The actions (lower case) of a rule."""

    id: str
    needed: frozenset[str]
    looked: frozenset[str]
    """In every subscription."""
    whole: frozenset[str]
    """On the subscription itself."""
    at_all: bool
    """Any resource that is not visible may decide."""
    is_of_subscription: bool
    """The rule is about the subscription."""

    @classmethod
    def of(cls, rule: Rule) -> "_RuleActions":
        """Return the actions of a rule."""
        asked = (permissions.needs(rule), permissions.looks(rule), permissions.of_subscription(rule))
        needed, looked, whole = (frozenset(map(str.lower, each)) for each in asked)
        is_of_subscription = rule.resource_type.type == SUBSCRIPTION
        return cls(rule.id, needed, looked, whole, permissions.looks_at_all(rule), is_of_subscription)


def _scope_access(
    rules: Sequence[_RuleActions],
    right: SubscriptionPermissions,
    stated: Answers,
    everywhere: Answers,
    *,
    is_hidden: bool,
) -> ScopeAccess:
    """Return the access in a scope. `is_hidden`: some subscription is visible in part."""
    if right.view == "none":
        return ScopeAccess(right, unknown=frozenset(each.id for each in rules))
    lacking: dict[str, frozenset[str]] = {}
    unknown: set[str] = set()
    denied = {each for each, answer in stated.items() if answer is False}
    for rule in rules:
        if right.named and rule.is_of_subscription:
            continue  # A scan of groups does not evaluate the subscription.
        answers = {
            each: right.allows_on_whole(each)
            if each in rule.whole
            else (everywhere if each in rule.looked else stated)[each]
            for each in rule.needed
        }
        denied |= {each for each in rule.whole & permissions.SET_ON_SUBSCRIPTION if answers[each] is False}
        missing = frozenset(each for each, answer in answers.items() if answer is False)
        if missing:
            lacking[rule.id] = lacking.get(rule.id, frozenset()) | missing
        elif None in answers.values() or (is_hidden and rule.at_all):
            unknown.add(rule.id)
    return ScopeAccess(right, lacking, frozenset(unknown - lacking.keys()), frozenset(denied))


def missing(rules: RuleSet, scopes: Sequence[ScopeAccess], effective: bool = False) -> list[MissingAction]:
    """Return the missing actions, those that affect the most rules first."""
    affected: dict[str, set[str]] = defaultdict(set)
    for scope in scopes:
        for id, lacks in scope.lacking.items():
            for each in lacks:
                affected[each].add(id)
    rows = []
    for action in wanted(rules, effective):
        where = [scope for scope in scopes if action.lower() in scope.denied]
        if where:
            ids = tuple(each.scope for each in where)
            rows.append(
                MissingAction(action, tuple(sorted(affected[action.lower()])), tuple(each.name for each in where), ids)
            )
    return sorted(rows, key=lambda row: (-len(row.rules), row.action.lower()))


def for_view(scopes: Sequence[ScopeAccess], refused: Mapping[str, str]) -> list[MissingAction]:
    """Return the action that was refused for each subscription (lower case) that is visible in part or not at all."""
    named = {scope.rights.id.lower(): scope.rights.name for scope in scopes}
    return [
        MissingAction(action, (), (named[id],), (f"/subscriptions/{id}",), for_view=True)
        for id, action in sorted(refused.items())
        if id in named
    ]
