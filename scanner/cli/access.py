"""`twolocks access`: the rules that the current identity can evaluate, and the least-privilege role for them."""

import os
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from scanner import version
from scanner.cli.common import print_json, show_broken, stopping
from scanner.collect.permissions import SubscriptionPermissions, read_group_roles
from scanner.collect.plan import Plan, Scope
from scanner.config.settings import Settings
from scanner.document.schema import now
from scanner.errors import InputError
from scanner.exit_codes import FINE, INCOMPLETE
from scanner.model.ids import SUBSCRIPTION, group_of, name_of, subscription_of
from scanner.model.rule import Rule
from scanner.reach.effective_rules import ACTIONS as EFFECTIVE
from scanner.rulebook import permissions as access
from scanner.rulebook.loader import RuleSet
from scanner.rulebook.registered_actions import granted, unverified
from scanner.scan.job import chosen
from scanner.scan.sources import show_logins
from scanner.snapshot.format import Header
from scanner.snapshot.store import Store
from scanner.terminal.lines import Line
from scanner.terminal.screen import VIEWS, Screen
from scanner.terminal.signals import Stop
from scanner.terminal.tables import table
from scanner.terminal.text import clean, many

DENIED = "Azure's response does not include deny assignments; one may still block a read that a role allows"
SHOWN = 3
_UNVERIFIED = ": not verified; Azure refuses the whole role if it has not registered this action"
_GROUPS = "Microsoft.Management/managementGroups/"
"""The prefix of actions that the roles of a subscription do not show. A scan that requires one has used it."""


# What can be evaluated


class ScopeAccess(Struct, frozen=True):
    """The access to a subscription, or to a group in it, and the enabled rules that cannot be evaluated with it.

    `lacking`: the rules that are inconclusive because of missing actions, with these actions; `unknown`: the rules for
    which Azure returned too little; `denied`: all missing actions, required by a rule or not. Lower case.
    """

    rights: SubscriptionPermissions
    lacking: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()

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
    """A missing action, the rules that it leaves inconclusive, and the scopes (names and ids) without it.

    `for_view`: its refusal shows that a subscription is visible in part; a scan reports the same gap.
    """

    action: str
    rules: tuple[str, ...]
    names: tuple[str, ...]
    scopes: tuple[str, ...]
    for_view: bool = False


def wanted(rules: RuleSet, effective: bool = False) -> dict[str, bool]:
    """Return the actions that the rules require, and for each whether a scan lists whole subscriptions with it."""
    lists = access.listed(rules)
    return {each: each in lists for each in access.actions(rules, effective) if not each.startswith(_GROUPS)}


def assess(rules: RuleSet, found: Sequence[SubscriptionPermissions], effective: bool = False) -> list[ScopeAccess]:
    """Return the access in each scope. An action for lookups is required in all scopes."""
    asked = wanted(rules, effective)
    said = [{each.lower(): right.allows(each, listed=listed) for each, listed in asked.items()} for right in found]
    seen = [each for each, right in zip(said, found, strict=True) if right.view != "none"]
    everywhere = {each.lower(): _least(answers[each.lower()] for answers in seen) for each in asked}
    wanted_by = [_Wanted.of(rule) for rule in rules.enabled.values()]
    is_hidden = any(right.view == "partial" for right in found)
    return [
        _place(wanted_by, right, answers, everywhere, is_hidden=is_hidden)
        for right, answers in zip(found, said, strict=True)
    ]


def _least(answers: Iterable[bool | None]) -> bool | None:
    said = list(answers)
    return False if False in said else None if None in said else True


Answers = Mapping[str, bool | None]


class _Wanted(Struct, frozen=True):
    """The actions (lower case) of a rule. `looked`: in every subscription; `whole`: on the subscription itself.

    `at_all`: any resource that is not visible may decide. `is_of_subscription`: the rule is about the subscription.
    """

    id: str
    needed: frozenset[str]
    looked: frozenset[str]
    whole: frozenset[str]
    at_all: bool
    is_of_subscription: bool

    @classmethod
    def of(cls, rule: Rule) -> "_Wanted":
        """Return the actions of a rule."""
        asked = (access.needs(rule), access.looks(rule), access.of_subscription(rule))
        needed, looked, whole = (frozenset(map(str.lower, each)) for each in asked)
        is_own = rule.resource_type.type == SUBSCRIPTION
        return cls(rule.id, needed, looked, whole, access.looks_at_all(rule), is_own)


def _place(
    rules: Sequence[_Wanted], right: SubscriptionPermissions, said: Answers, everywhere: Answers, *, is_hidden: bool
) -> ScopeAccess:
    """Return the access in a scope. `is_hidden`: some subscription is visible in part."""
    if right.view == "none":
        return ScopeAccess(right, unknown=frozenset(each.id for each in rules))
    lacking: dict[str, frozenset[str]] = {}
    unknown: set[str] = set()
    denied = {each for each, answer in said.items() if answer is False}
    for rule in rules:
        if right.named and rule.is_of_subscription:
            continue  # A scan of groups does not evaluate the subscription.
        answers = {
            each: right.allows_on_whole(each)
            if each in rule.whole
            else (everywhere if each in rule.looked else said)[each]
            for each in rule.needed
        }
        denied |= {each for each in rule.whole & access.SET_ON_SUBSCRIPTION if answers[each] is False}
        missing = frozenset(each for each, answer in answers.items() if answer is False)
        if missing:
            lacking[rule.id] = missing
        elif None in answers.values() or (is_hidden and rule.at_all):
            unknown.add(rule.id)
    return ScopeAccess(right, lacking, frozenset(unknown), frozenset(denied))


def missing(rules: RuleSet, places: Sequence[ScopeAccess], effective: bool = False) -> list[MissingAction]:
    """Return the missing actions, those that affect the most rules first."""
    affected: dict[str, set[str]] = defaultdict(set)
    for place in places:
        for id, lacks in place.lacking.items():
            for each in lacks:
                affected[each].add(id)
    rows = []
    for action in wanted(rules, effective):
        where = [place for place in places if action.lower() in place.denied]
        if where:
            ids = tuple(each.scope for each in where)
            rows.append(
                MissingAction(action, tuple(sorted(affected[action.lower()])), tuple(each.name for each in where), ids)
            )
    return sorted(rows, key=lambda row: (-len(row.rules), row.action.lower()))


def for_view(places: Sequence[ScopeAccess], refused: Mapping[str, str]) -> list[MissingAction]:
    """Return the action that was refused for each subscription (lower case) that is visible in part or not at all."""
    named = {place.rights.id.lower(): place.rights.name for place in places}
    return [
        MissingAction(action, (), (named[id],), (f"/subscriptions/{id}",), for_view=True)
        for id, action in sorted(refused.items())
        if id in named
    ]


# The answer


def check(settings: Settings) -> int:
    """Print which rules can be evaluated, and return the exit code. Raises InputError and errors of a collection."""
    screen = Screen()
    rules = chosen(settings, screen)
    with stopping(screen) as stop:
        code = _check(rules, settings, screen, stop)
    show_broken(rules.broken)
    return 2 if rules.broken else code


def role(settings: Settings) -> int:
    """Print the least-privilege role, and return the exit code. Raises InputError."""
    scopes = [access.scope(each, settings.at("scope", each)) for each in settings["scope"]]
    rules = chosen(settings, Screen())
    needed = access.actions(rules, settings["effective"])
    actions = [each for each in needed if access.is_safe(each)]
    sys.stdout.write(access.role(actions, scopes, settings["format"]) + "\n")
    show_broken(rules.broken)
    left_out = [each for each in needed if each not in actions]
    Screen().last([Line(f"{clean(each)}, because it does not read one type", "Left out") for each in left_out])
    Screen().last([Line(f"{clean(each)}{_UNVERIFIED}", "Note") for each in unverified(actions)])
    is_json = settings["format"] == "json"
    said = f"Role: {len(granted(actions))} read actions for {len(rules.enabled)} rules; no secrets, no writes."
    if not settings["scope"]:
        said += " Add your subscription to it, or use --scope /subscriptions/ID."
    command = Line("az role definition create --role-definition role.json", column=0, whole=True)
    Screen().last([Line(f"{said} Next:", column=0), command] if is_json else [Line(said, column=0)])
    return 2 if rules.broken else 0


def _check(rules: RuleSet, settings: Settings, screen: Screen, stop: Stop) -> int:
    asked = _asked(rules, settings, screen, stop)
    places = assess(rules, asked.found, settings["effective"])
    lacks = [*missing(rules, places, settings["effective"]), *for_view(places, asked.refused)]
    code, why = end(places, lacks, len(rules.enabled), asked.unread)
    if settings["format"] == "json":
        document = _document(places, lacks, rules, code)
        print_json(document | ({"not-read": asked.unread} if asked.unread else {}))
    else:
        _text(places, lacks, len(rules.enabled))
    screen.last([*_notes(places, lacks, settings), Line(why, f"Exit {code}")])
    return code


def end(
    places: Sequence[ScopeAccess], lacks: Sequence[MissingAction], count: int, unread: Sequence[str] = ()
) -> tuple[int, str]:
    """Return the exit code and its reason. `unread`: what of the scope could not be listed."""
    short = [each for each in places if each.inconclusive]
    partly = [each.name for each in places if each.rights.view == "partial"]
    said = []
    if len(short) > SHOWN:
        most = max(each.inconclusive for each in short)
        said.append(
            f"up to {many(most, 'rule')} in {len(short):,} of {len(places):,} subscriptions cannot be evaluated"
        )
    elif short:
        first, *others = [(each.inconclusive, each.name) for each in short]
        more = _and([f"{many(first[0], 'rule')} in {first[1]}", *(f"{number:,} in {name}" for number, name in others)])
        said.append(f"{more} cannot be evaluated")
    if partly:
        said.append(
            f"{_named(partly)} {'has' if len(partly) == 1 else 'have'} partial visibility; other resources may exist"
        )
    if unread:
        said.append(f"{_and(unread)} could not be read")
    if any(each.action in EFFECTIVE for each in lacks):
        said.append("scan --effective would be incomplete")
    if said:
        return INCOMPLETE, "; ".join(said)
    return (
        FINE,
        f"the roles of this identity allow all reads of {count:,} rules in {_named([each.name for each in places])}",
    )


def _named(names: Sequence[str]) -> str:
    return _and(names) if len(names) <= SHOWN else f"{len(names):,} subscriptions"


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _text(places: Sequence[ScopeAccess], lacks: Sequence[MissingAction], count: int) -> None:
    piped = not sys.stdout.isatty()
    rows = []
    for each in places:
        said = f"{count - each.inconclusive:,} of {many(count, 'rule')} can be evaluated"
        said += f", {len(each.unknown):,} unknown" if each.unknown else ""
        # A name of Azure never comes first, because a CI system may read the beginning of a line as a command.
        rows.append(["scope", each.name, said, VIEWS[each.rights.view], *([each.scope] if piped else [])])
    table(rows, sys.stdout, os.environ, 1)
    if piped:
        more = [["missing", _affected(row), row.action, ", ".join(row.names), ", ".join(row.rules)] for row in lacks]
        table(more, sys.stdout, os.environ)
        return
    wide = max((len(_affected(row)) for row in lacks), default=0)
    for row in lacks:
        sys.stdout.write(f"missing  {_affected(row):<{wide}}  {clean(row.action)}\n")


def _affected(row: MissingAction) -> str:
    if row.for_view:
        return "visibility"
    return "scan --effective" if row.action in EFFECTIVE else many(len(row.rules), "rule")


def _notes(places: Sequence[ScopeAccess], lacks: Sequence[MissingAction], settings: Settings) -> list[Line]:
    lines = []
    for place in places:
        silent = [f"{name} ({why})" for name, why in place.rights.reasons.items() if name != "*"]
        if "*" in place.rights.reasons:
            lines.append(
                Line(f"the resource groups of {place.name} could not be listed: {place.rights.reasons['*']}", "Unknown")
            )
        if silent:
            more = f" and {len(silent) - SHOWN:,} more" if len(silent) > SHOWN else ""
            lines.append(Line(f"resource groups of {place.name}: {', '.join(silent[:SHOWN])}{more}", "Unknown"))
    lines.append(Line(DENIED, "Note"))
    if lacks:
        command = ["twolocks", "access", "role", *(["--effective"] if settings["effective"] else [])]
        command += [
            word
            for name in ("only", "skip", "rules", "rules-code")
            for each in settings[name]
            for word in (f"--{name}", each)
        ]
        command += ["--no-rule-packages"] if settings["no-rule-packages"] else []
        lines += [
            Line("create a role that allows all of them:", "Next"),
            Line(f"{shlex.join(command)} > role.json", whole=True),
        ]
    return lines


def _document(
    places: Sequence[ScopeAccess], lacks: Sequence[MissingAction], rules: RuleSet, code: int
) -> dict[str, Any]:
    return {
        "tool": f"twolocks {version()}",
        "rules": len(rules.enabled),
        "scopes": [
            {
                "scope": each.scope,
                "name": each.name,
                "view": each.rights.view,
                "decided": len(rules.enabled) - each.inconclusive,
                "undecided": sorted(each.lacking),
                "unknown": sorted(each.unknown),
                "not-asked": dict(sorted(each.rights.reasons.items())),
            }
            for each in places
        ],
        "missing": [{"action": each.action, "rules": each.rules, "scopes": each.scopes} for each in lacks],
        "exit": code,
    }


# Live


class _AccountAndScopes:
    """Reports only the account and scopes of a collection, because this command prints the rest itself."""

    def __init__(self, screen: Screen) -> None:
        self.account, self.scope = screen.account, screen.scope
        self.refused: dict[str, str] = {}
        """The action that was refused for a subscription (its id in lower case)."""
        self.unread: list[str] = []
        """The paths of the lists of subscriptions that failed: of a tenant, or of a management group."""

    def counts(self, done: int, to_come: int, resources: int, failed: int) -> None: ...
    def reading(self, what: str, done: int, total: int, of: str) -> None: ...

    def gap(self, url: str, status: int, code: str, action: str) -> None:
        if action:
            self.refused[subscription_of(url)] = action
        if not subscription_of(url):
            self.unread.append(url)


class AskedPermissions(Struct, frozen=True):
    """The permissions in each scope, the action that was refused for each subscription that is not visible in full, and
    what of the scope could not be listed.
    """

    found: list[SubscriptionPermissions]
    refused: dict[str, str]
    unread: list[str] = field(default_factory=list)


def _asked(rules: RuleSet, settings: Settings, screen: Screen, stop: Stop) -> AskedPermissions:
    screen.begin("Checking", lambda: "permissions of this identity")
    try:
        return stop.run(_ask(rules, settings, screen))
    finally:
        screen.finish()


async def _ask(rules: RuleSet, settings: Settings, screen: Screen) -> AskedPermissions:
    from scanner.azure.clients import ConnectionOptions, connect
    from scanner.collect.collector import view_subscriptions

    way = ConnectionOptions.of(settings)
    scope, groups = _scope_of(settings)
    async with connect(way, on_wait=screen.wait, prompt=screen.tell, on_request=screen.heard) as reader:
        show_logins(reader.labels, reader.notes, screen)
        store, progress = Store(Header(taken=now(), cloud=reader.cloud)), _AccountAndScopes(screen)
        seen = await view_subscriptions(reader, scope, Plan(rules.read(), ()), store, progress)
        screen.counts(0, 0, 0, 0)
        granted = {each.id.lower(): each.roles for each in seen}
        found = [
            SubscriptionPermissions(id, name, view, named, granted.get(id.lower()))
            for id, name, view in screen.scopes
            for named in groups.get(id.lower(), [()])
        ]
        await read_group_roles(reader, found, wanted(rules, settings["effective"]))
    return AskedPermissions(found, progress.refused, [screen.named(url) for url in progress.unread])


def _scope_of(settings: Settings) -> tuple[Scope, dict[str, list[tuple[str, ...]]]]:
    """Return the scope, and the resource groups by subscription id (lower case) if only groups were named.

    Raise InputError.
    """
    whole, above = list(settings["subscription"]), list(settings["management-group"])
    groups: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for text in settings["scope"]:
        place = access.scope(text, settings.at("scope", text))
        if access.in_management_group(place):
            above.append(name_of(place))
        elif group := group_of(place):
            groups[subscription_of(place)][group.lower()] = (group,)
        else:
            whole.append(subscription_of(place))
    if groups and (whole or above):
        raise InputError(
            "resource groups cannot be checked together with subscriptions or management groups",
            at="--scope",
            do="check them separately",
        )
    named = {subscription: list(each.values()) for subscription, each in groups.items()}
    return Scope(subscriptions=(*whole, *named), management_groups=tuple(above)), named
