"""The fix of a failed check: what removes its causes, and which endpoints that closes, without a second evaluation."""

import json
import operator
import shlex
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, cast

from msgspec import Struct, field
from msgspec.structs import replace

from scanner.fix.by_value import removals
from scanner.fix.checked import checked
from scanner.fix.placeholders import filled, words_of
from scanner.fix.set_commands import PATCHED, patch_command, subject_command, with_parents
from scanner.model.addresses import AddressSet, union
from scanner.model.exposure import IDENTITY, Auth, Exposure, Grant, Lock, Reach, grant
from scanner.model.fix import Cause, Change, Edit, Fix
from scanner.model.ids import type_of
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.message import NOTHING, Message
from scanner.model.regions import PUBLIC_AUTHORITY, authority_of
from scanner.model.resource import Resource
from scanner.model.rule import Rule
from scanner.reach.rules.sources import grant_from_addresses

ASKED = {"anonymous-access": Auth.anonymous, "authentication": Auth.shared}
"""The level of authentication on which a lock rule of a category fails."""
SELECTED = grant(Reach.selected).grants[0]


class Removal(Struct):
    """What a fix removes."""

    top: Resource
    index: Index
    cause_ids: set[str] = field(default_factory=set)
    """Those of causes."""
    templates: set[str] = field(default_factory=set)
    """The commands of rules that it runs as a whole."""
    fix: Fix = field(default_factory=Fix)
    last: "tuple[Lock, bool, Lock] | None" = None
    """The network lock that was asked last, once the removal is complete: whether its rule's own fix runs, and what is
    left of it. Endpoints that share a lock follow each other.
    """

    def removes(self, cause: Cause | None) -> bool:
        """Return whether a cause is removed, or a setting changed to what closes it."""
        if cause is None:
            return False
        cause = cause.at(self.top.id)
        is_removed = cause.id() in self.cause_ids or covers(self.fix.changes, cause)
        return is_removed and all(map(self.removes, cause.also))


def covers(changes: Iterable[Change], cause: Cause) -> bool:
    """Return whether changes set the property of a cause, or the whole list of an entry."""
    for each in changes:
        if not isinstance(each, Edit) or each.entry is not None:
            continue
        if each.resource.lower() == cause.resource.lower() and each.path.lower() == cause.path.lower():
            if cause.among:
                return cause.entry not in each.value
            if isinstance(cause.value, list) and cause.entry is None:
                return bool(each.value == cause.value)
            return cause.entry is not None or same(each.value, cause.value) or not isinstance(cause.value, str | bool)
    return False


# The fix


def rule_fix(rule: Rule, subject: Resource, top: Resource) -> Fix:
    """Return a rule's own fix for a resource."""
    fix_template = rule.fix
    templates = templates_of(fix_template.az)
    if templates is None:
        return Fix(
            steps=(fix_template.portal,) if fix_template.portal else (), impact=fix_template.impact, of_rule=True
        )
    if len(templates) == 1:
        commands: tuple[str, ...] = (subject_command(templates[0], subject, top),)
    else:
        commands = tuple([filled(each, subject, top) for each in templates])
    steps = tuple([words_of(each, subject, top) for each in fix_template.steps])
    fix = Fix(
        commands,
        steps,
        tuple(fix_template.changes(subject, top)),
        narrows="YOUR_RANGE" in fix_template.az,
        impact=fix_template.impact,
        of_rule=True,
    )
    return _of_cloud(fix, subject.location or top.location)


def _of_cloud(fix: Fix, location: str) -> Fix:
    """Return the fix of a rule, which names who signs in to the public cloud, with who does in a region's cloud.

    What the rule says in other forms is of the public cloud, and is left out then.
    """
    authority = authority_of(location)
    if authority == PUBLIC_AUTHORITY or not any(PUBLIC_AUTHORITY in each for each in fix.commands):
        return fix
    return replace(
        fix,
        commands=tuple(each.replace(PUBLIC_AUTHORITY, authority) for each in fix.commands),
        changes=tuple(
            each._replace(value=_with_authority(each.value, authority)) if isinstance(each, Edit) else each
            for each in fix.changes
        ),
        of_rule=False,
    )


def _with_authority(value: Any, authority: str) -> Any:
    if isinstance(value, dict):
        return {key: _with_authority(each, authority) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_authority(each, authority) for each in value]
    return value.replace(PUBLIC_AUTHORITY, authority) if isinstance(value, str) else value


@lru_cache(maxsize=4096)
def templates_of(az: str) -> tuple[str, ...] | None:
    """Return the templates of the commands of a fix; None where they name the cause that they remove."""
    return None if "{cause}" in az or "{entry}" in az else tuple(each for each in az.split(" && ") if each)


def more_of(cause: Cause) -> dict[str, str]:
    """Return the words of a cause that templates may name."""
    return {"cause": cause.resource, "entry": cause.text, "path": cause.path, "place": str(cause.position)}


def names_cause(template: str) -> bool:
    """Return whether a template names what is removed, so that it needs a cause."""
    return any(each in template for each in ("{cause}", "{entry}", "{path}", "{place}"))


RULE_REMOVED = Message("Callers that only the removed rule allows lose access.")
RULES_REMOVED = Message("Callers that only the removed rules allow lose access.")
LAST_RULE = Message(
    "Add a rule for your own networks first, then remove this one: without any rule the firewall allows every network."
)


def cause_fix(rule: Rule, causes: Sequence[Cause], subject: Resource, top: Resource) -> Fix:
    """Return a rule's own fix for each of some causes, the last entry of a list first."""
    causes = sorted((each.at(subject.id) for each in causes), key=lambda each: -each.position)
    if any(each.out_of and each.out_of <= len(causes) for each in causes):
        return Fix(steps=(LAST_RULE,), impact=rule.fix.impact)
    unsure = [each for each in causes if not each.words and _is_unsure(each, rule, subject)]
    causes = [each._replace(words=(BY_HAND,), effect=each.change()) if each in unsure else each for each in causes]
    commands = tuple(
        made
        for each in causes
        for template in (each.command or rule.fix.az).split(" && ")
        if template and not each.words
        for made in _of_entry(template, each, subject, top)
    )
    # Causes that all say how they are removed need no words of the rule, which are about another cause.
    rule_steps = rule.fix.steps if not all(each.command or each.words for each in causes) else ()
    steps = (*(words_of(each, subject, top) for each in rule_steps), *(step for each in causes for step in each.words))
    changes = tuple(step for each in causes for step in each.change())
    return Fix(
        tuple(dict.fromkeys(commands)),
        tuple(dict.fromkeys(steps)),
        changes,
        tuple(causes),
        narrows="YOUR_RANGE" in rule.fix.az,
        impact=rule.fix.impact,
        of_rule=not any(each.command or each.words for each in causes),
    )


BY_HAND = Message("Change the entry in the portal: it has nothing by which a command could tell it from the others.")
PLACE = "{place}"
REMOVES = "--remove {path} {place}"


def _is_unsure(cause: Cause, rule: Rule, subject: Resource) -> bool:
    """Return whether the command of a cause names its position, and no check can tell the entry from others."""
    template = cause.command or rule.fix.az
    return PLACE in template and not checked("az", subject.id, cause.path, ((cause.position, cause.entry),))


def _of_entry(template: str, cause: Cause, subject: Resource, top: Resource) -> tuple[str, ...]:
    """Return the commands of a template for one cause: by the value of its entry, or behind a check of it."""
    command = filled(template, subject, top, **more_of(cause))
    if PLACE not in template:
        return (command,)
    entries = ((cause.position, cause.entry),)
    start, _, end = template.partition(f" {REMOVES}")
    if start in ("az resource update --ids {id}", "az resource update --ids {cause}") and end != template:
        id = subject.id if "{id}" in start else cause.resource
        more = filled(end.strip(), subject, top, **more_of(cause))
        return removals(id, cause.path, entries, more)
    return (checked(command, cause.resource, cause.path, entries),)


def lock_removal(rule: Rule, failing: Sequence[Exposure], subject: Resource, top: Resource, index: Index) -> Removal:
    """Return what closes a lock on the endpoints that fail."""
    removal = Removal(top, index)
    entries: dict[str, Cause] = {}
    for exposure in failing:
        fix = exposure.fixes.get(rule.category)
        if fix is not None:
            removal.fix += _filled(fix, rule, subject, top)
            removal.cause_ids.update(each.at(top.id).id() for each in fix.closes)
            continue
        _add_causes(removal, entries, rule, exposure, subject)
    _remove_entries(removal, list(entries.values()), rule, subject)
    return removal


def _filled(fix: Fix, rule: Rule, subject: Resource, top: Resource) -> Fix:
    """Return the fix of an exposure with the names in its templates filled in."""
    return replace(
        fix,
        impact=fix.impact or rule.fix.impact,
        commands=tuple(filled(each, subject, top) for each in fix.commands),
        steps=tuple(words_of(each, subject, top) for each in fix.steps),
        check_first=filled(fix.check_first, subject, top),
        changes=tuple(each if each.resource else each._replace(resource=top.id) for each in fix.changes),
    )


def _add_causes(removal: Removal, entries: dict[str, Cause], rule: Rule, exposure: Exposure, subject: Resource) -> None:
    """Collect the causes of the grants on which the rule fails; those that come to light behind them follow."""
    for _ in range(4):
        grants = list(_failing(rule, without(exposure, removal, rule)))
        if not grants:
            return
        for each in grants:
            for cause in _causes(each, removal):
                _add_cause(removal, entries, rule, cause, subject)


def _add_cause(removal: Removal, entries: dict[str, Cause], rule: Rule, cause: Cause | None, subject: Resource) -> None:
    if cause is None:
        removal.templates.add(rule.fix.az)
        removal.fix += rule_fix(rule, subject, removal.top)
        return
    cause = cause.at(removal.top.id)
    if cause.words:
        removal.cause_ids.add(cause.id())
        removal.fix += Fix(steps=cause.words, changes=cause.effect, impact=_impact(rule, 1))
    elif cause.is_setting:
        fix = rule_fix(rule, subject, removal.top)
        if templates_of(rule.fix.az) is None:
            removal.fix += cause_fix(rule, (cause,), subject, removal.top)
        elif covers(fix.changes, cause):
            removal.templates.add(rule.fix.az)
            removal.fix += fix
        else:
            command = set_command(cause, subject, removal.top, before=removal.fix.commands)
            removal.fix += Fix((command,), changes=cause.change(), impact=rule.fix.impact)
        removal.cause_ids.add(cause.id())
    else:
        entries[cause.id()] = cause
        removal.cause_ids.add(cause.id())
    for each in cause.also:
        _add_cause(removal, entries, rule, each, subject)


def _remove_entries(removal: Removal, entries: list[Cause], rule: Rule, subject: Resource) -> None:
    """Add the removal of rules and entries; where none would stay and that allows every address, the rule's own fix."""
    if not entries:
        return
    limited = [each for each in entries if each.out_of]
    if any(each.out_of <= len(limited) for each in limited):
        fix = rule_fix(rule, subject, removal.top)
        removal.templates.add(rule.fix.az)
        entries = [each for each in entries if not covers(fix.changes, each) and not _off(fix.changes, removal.top)]
        removal.fix = _removed(entries, rule, removal.top) + removal.fix + fix
        return
    removal.fix = _removed(entries, rule, removal.top) + removal.fix


def _off(changes: Iterable[Change], top: Resource) -> bool:
    """Return whether changes disable public network access, so that no rule needs to go."""
    return any(isinstance(each, Edit) and each.path.lower().endswith(".publicnetworkaccess") for each in changes)


def _impact(rule: Rule, count: int) -> Message:
    """Return what the removal of so many rules breaks; of another lock than the network, what its rule says."""
    if rule.category != "network":
        return rule.fix.impact
    return RULE_REMOVED if count == 1 else RULES_REMOVED


def _removed(entries: Sequence[Cause], rule: Rule, top: Resource) -> Fix:
    made = _together(entries)
    changes = tuple(step for each in made for step in each.change())
    impact = _impact(rule, len(entries)) if made else NOTHING
    return Fix(tuple(_commands(made, top)), changes=changes, closes=tuple(entries), impact=impact)


def _together(entries: Sequence[Cause]) -> list[Cause]:
    """Return causes with those of a list that is written as a whole as one: what stays, or what goes instead."""
    lists: dict[tuple[str, str], list[Cause]] = {}
    for each in entries:
        if each.among:
            lists.setdefault((each.resource.lower(), each.path), []).append(each)
    result = [each for each in entries if not each.among]
    for causes in lists.values():
        first, gone = causes[0], [each.entry for each in causes]
        remaining = [each for each in first.among if each not in gone]
        effect = tuple(step for each in causes for step in each.effect)
        narrowed = first._replace(entry=None, value=remaining, effect=effect, among=())
        result.append(narrowed if remaining or first.instead is None else first.instead)
    return result


def _commands(entries: Sequence[Cause], top: Resource) -> Iterator[str]:
    """Yield the commands that remove rules and entries; entries of one list together, the last one first."""
    lists: dict[tuple[str, str], list[tuple[int, Any]]] = {}
    for each in entries:
        if each.command:
            yield filled(each.command, top, top, entry=each.text)
        elif not each.path:
            yield f"az resource delete --ids {shlex.quote(each.resource)}"
        elif each.entry is None:
            yield set_command(each)
        else:
            lists.setdefault((each.resource, each.path), []).append((each.position, each.entry))
    for (resource, path), matches in lists.items():
        yield from removals(resource, path, matches)


def set_command(cause: Cause, *known: Resource, before: Sequence[str] = ()) -> str:
    """Return the general command that sets the property of a cause to the value that closes it.

    `known` and `before` as of `with_parents`.
    """
    if type_of(cause.resource).lower() in PATCHED and cause.path.startswith("properties."):
        return patch_command(cause.resource, cause.path, cause.value)
    value = cause.value if isinstance(cause.value, str) else json.dumps(cause.value)
    setting = shlex.quote(f"{cause.path}={value}")
    command = f"az resource update --ids {shlex.quote(cause.resource)} --set {setting}"
    return with_parents(command, *known, before=before)


# What remains


def _failing(rule: Rule, exposure: Exposure | None) -> Iterator[Grant]:
    """Yield the grants of an exposure on which a lock rule fails."""
    if exposure is None or exposure.severity is None:
        return
    if rule.category == "network":
        yield from (each for each in exposure.reach.grants if each.level >= Reach.wide)
        return
    names = {"", *rule.credentials}
    for each in exposure.authentication.grants:
        if each.level == ASKED[rule.category] and (not rule.credentials or each.name in names):
            yield each


def _causes(each: Grant, removal: Removal) -> list[Cause | None]:
    if not each.components:
        return [each.cause]
    return list(wide_components(each, removal))


def wide_components(each: Grant, removal: Removal) -> Iterator[Cause]:
    """Yield the rules of a union that must go, the largest first, until the rest is no longer wide."""
    left = [component for component in each.components if not removal.removes(component[0])]
    if each.addresses is None:
        yield from (cause for cause, _ in left)
        return
    left.sort(key=lambda component: -_size(component[1]))
    while left and _is_wide((addresses for _, addresses in left), removal.index):
        yield left.pop(0)[0]


def _size(addresses: AddressSet) -> int:
    return max(addresses.size(4) << 96, addresses.size(6))


def _is_wide(sets: Iterable[AddressSet], index: Index) -> bool:
    made = grant_from_addresses(union(sets), index)
    return made is not None and made.level >= Reach.wide


def without(exposure: Exposure, removal: Removal, rule: Rule | None, rules: Sequence[Rule] = ()) -> Exposure | None:
    """Return an exposure as it is once a fix has run; None where nothing is left of it.

    `rules`: the lock rules whose own fixes may have run, besides `rule`.
    """
    if not (removal.cause_ids or removal.templates or removal.fix.changes):
        return exposure
    run = _run(exposure, removal, (rule, *rules) if rule is not None else rules)
    reach = _reach_without(exposure.reach, removal, any(each.category == "network" for each in run))
    authentication = _authentication_without(exposure.authentication, removal, run)
    if authentication is None:
        return None
    if reach is exposure.reach and authentication is exposure.authentication:
        return exposure
    return replace(exposure, reach=reach, authentication=authentication)


def closes(exposure: Exposure, removal: Removal, rules: Sequence[Rule] = ()) -> bool:
    """Return whether an open endpoint is closed once a fix has run."""
    run = _run(exposure, removal, rules)
    is_fixed = any(each.category == "network" for each in run)
    if removal.last is None or removal.last[0] is not exposure.reach or removal.last[1] != is_fixed:
        removal.last = (exposure.reach, is_fixed, _reach_without(exposure.reach, removal, is_fixed))
    reach = removal.last[2]
    authentication = _authentication_without(exposure.authentication, removal, run)
    if authentication is None or reach.widest is None:
        return True
    if reach is exposure.reach and authentication is exposure.authentication:
        return False
    weakest = Auth.identity if authentication.widest is None else cast("Auth", authentication.widest.level)
    return exposure.rate(weakest, cast("Reach", reach.widest.level)) is None


def _run(exposure: Exposure, removal: Removal, rules: Sequence[Rule]) -> list[Rule]:
    """Return the rules about an endpoint whose own fix runs."""
    if not removal.templates:
        return []
    return [each for each in rules if each.fix.az in removal.templates and each.names(exposure.endpoint)]


def _reach_without(lock: Lock, removal: Removal, is_fixed: bool) -> Lock:
    left: list[Grant] = []
    for each in lock.grants:
        if removal.removes(each.switch):
            continue
        if each.components:
            left += _narrowed(each, removal)
        elif removal.removes(each.cause):
            behind = each.then.grants if each.then is not None else ()
            left += (grant for grant in behind if not removal.removes(grant.cause))
        elif not (is_fixed and each.cause is None and each.level >= Reach.wide):
            left.append(each)
    if len(left) == len(lock.grants) and all(map(operator.is_, left, lock.grants)):
        return lock
    if removal.fix.narrows:
        left.append(SELECTED)
    if not left and not lock.possible_grants:
        return grant(Reach.none)
    return replace(lock, grants=tuple(left))


def _narrowed(each: Grant, removal: Removal) -> list[Grant]:
    """Return what is left of the union of several rules."""
    components = tuple(component for component in each.components if not removal.removes(component[0]))
    if len(components) == len(each.components):
        return [each]
    if each.addresses is None:
        return [replace(each, components=components)] if components else []
    if components and all(addresses.is_empty for _, addresses in components):
        return [replace(each, components=components)]
    made = grant_from_addresses(union(addresses for _, addresses in components), removal.index)
    return [replace(made, components=components, switch=each.switch, cause=each.cause)] if made is not None else []


def _authentication_without(lock: Lock, removal: Removal, run: Sequence[Rule]) -> Lock | None:
    """Return what is left of an authentication lock; None where a fix removed all that it had."""
    left: list[Grant] = []
    for each in lock.grants:
        if removal.removes(each.switch):
            continue
        if removal.removes(each.cause):
            left += each.then.grants if each.then is not None else ()
        elif each.cause is None and any(_asks(rule, each) for rule in run):
            left += IDENTITY.grants
        else:
            left.append(each)
    if len(left) == len(lock.grants) and all(map(operator.is_, left, lock.grants)):
        return lock
    return replace(lock, grants=tuple(left)) if left or lock.possible_grants else None


def _asks(rule: Rule, each: Grant) -> bool:
    if each.level != ASKED.get(rule.category):
        return False
    return not rule.credentials or each.name in ("", *rule.credentials)
