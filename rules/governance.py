"""What limits the cost of a subscription and what may be made in it: budgets, anomaly alerts, policy assignments."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scanner.model.ids import is_subscription, name_of, segments, type_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, known_text, member, same
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Children, Resource
from scanner.model.verdict import (
    Evidence,
    Fail,
    Pass,
    Unread,
    Verdict,
    display_value,
    malformed,
    not_a_list,
    not_returned,
    not_returned_or_unknown,
    unknown,
)

from .action_groups import unheard
from .exemptions import Exempted, exempted
from .policies import (
    BUILT_IN,
    BUILT_IN_SETS,
    REGIONS,
    SETS_OF_MICROSOFT,
    SIZES,
    Catalogue,
    Outcome,
    Subject,
    Use,
    given,
    of_definition,
    of_set,
    of_subscription,
    overridden,
)
from .subscription import SUBSCRIPTION

BUDGETS = SUBSCRIPTION.child(
    "providers/Microsoft.Consumption/budgets",
    api="2024-08-01",
    keep=tuple(
        f"properties.notifications.*.{each}" for each in ("enabled", "contactEmails", "contactGroups", "contactRoles")
    ),
)
ALERTS = SUBSCRIPTION.child("providers/Microsoft.CostManagement/scheduledActions", api="2024-08-01")
ASSIGNMENTS = SUBSCRIPTION.child(
    "providers/Microsoft.Authorization/policyAssignments",
    api="2024-05-01",
    keep=(
        "properties.parameters.*.value",
        *(f"properties.overrides[].selectors[].{each}" for each in ("kind", "in", "notIn")),
    ),
)
"""The assignments on the subscription, on what is in it, and on the management groups above it."""

MANAGEMENT_GROUPS = "providers/microsoft.management/managementgroups"
DAY = len("2026-11-27")
ANOMALIES = "InsightAlert"
"""The kind of a scheduled action that reports unusual cost."""


def budget(resource: Resource, index: Index) -> Verdict:
    """Fail where no budget of the whole subscription sends an enabled notification to someone."""
    children = resource.children(BUDGETS)
    seen: list[Evidence] = []
    missing: list[Unread] = []
    for each in children:
        try:
            why = _why_no_budget(each, index)
        except Unread as unread:
            missing.append(unread.with_traceback(None))
            continue
        if not why:
            return Pass(
                (
                    Evidence(
                        Message("budget {name}: notifications", name=each.name), Message("enabled, with a recipient")
                    ),
                )
            )
        seen.append(
            Evidence(
                Message("budget {name}", name=each.name),
                why,
                Message("whole subscription, with an enabled notification"),
            )
        )
    return _none(children, missing, seen, Evidence("budgets", "none", Message("one with an enabled notification")))


def _why_no_budget(each: Resource, index: Index) -> str:
    """Return why a budget does not report the cost of the subscription; "" where it does. Raises Unread."""
    category = each.require("properties.category")
    if not same(category, "Cost"):
        return Message("its category is {category}", category=category)
    filtered = each.get("properties.filter")
    if not is_absent(filtered) and filtered != {}:
        return Message("it has a filter, and counts a part of the cost")
    amount = each.require("properties.amount")
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        raise malformed("properties.amount")
    if amount <= 0:
        return Message("its amount is {amount}", amount=amount)
    if begins(each, "properties.timePeriod.startDate", index):
        return Message("its period has not begun")
    if ended(each, "properties.timePeriod.endDate", index):
        return Message("its period has ended")
    notifications = each.get("properties.notifications")
    if is_absent(notifications):
        return Message("it has no notification")
    if not isinstance(notifications, dict):
        raise malformed("properties.notifications")
    return _why_silent(notifications.values(), index)


def _why_silent(notifications: Iterable[Any], index: Index) -> str:
    """Return why none of these notifications reaches anyone; "" where one does. Raises Unread."""
    missing: Unread | None = None
    why = Message("no notification is enabled and has a recipient")
    for notification in notifications:
        try:
            silent = _silence(notification, index)
        except Unread as unread:
            missing = unread.with_traceback(None)
            continue
        if silent is None:
            return ""
        why = silent or why
    if missing is not None:
        raise missing
    return why


def _silence(notification: Any, index: Index) -> Message | None:
    """Return why a notification reaches no one, "" where it is off or names no one; None where it reaches someone.

    Raises Unread.
    """
    enabled = member(notification, "enabled")
    if not isinstance(enabled, bool):
        raise not_returned("properties.notifications.*.enabled")
    people = [text for name in ("contactEmails", "contactRoles") for text in _named(notification, name)]
    groups = _named(notification, "contactGroups")
    if not enabled or not (people or groups):
        return NOTHING
    if people:
        return None
    fault = unheard(groups, index)
    return (
        None
        if fault is None
        else Message(
            "its action group notifies no one: {path} is {value}", path=fault.path, value=display_value(fault.value)
        )
    )


def _named(notification: Any, name: str) -> list[str]:
    """Return the recipients of a notification in one of its lists. An empty text is no one."""
    return [each for each in _texts(member(notification, name), name) if each.strip()]


def _texts(value: Any, name: str) -> list[str]:
    """Return a list of texts; [] where it is absent. Raises Unread for anything else."""
    if is_absent(value):
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise not_a_list(name)
    return value


def ended(resource: Resource, path: str, index: Index) -> bool:
    """Return whether a date has passed at the time of the scan. Raises Unread for what is no date."""
    return _days_left(resource, path, index) < 0


def begins(resource: Resource, path: str, index: Index) -> bool:
    """Return whether a date is still to come at the time of the scan. Raises Unread for what is no date."""
    return _days_left(resource, path, index) > 0


def _days_left(resource: Resource, path: str, index: Index) -> int:
    text = resource.require(path)
    if not index.taken:
        raise Unread(path, Message("the date of the scan is not known"))
    if not isinstance(text, str):
        raise malformed(path)
    try:
        return (dt.date.fromisoformat(text[:DAY]) - dt.date.fromisoformat(index.taken[:DAY])).days
    except ValueError:
        raise malformed(path) from None


def anomaly_alert(resource: Resource, index: Index) -> Verdict:
    """Fail where no enabled alert reports unusual cost of the subscription to someone."""
    children = resource.children(ALERTS)
    seen: list[Evidence] = []
    missing: list[Unread] = []
    for each in children:
        try:
            why = _why_no_alert(each, index)
        except Unread as unread:
            missing.append(unread.with_traceback(None))
            continue
        if not why:
            return Pass((Evidence(Message("cost alert {name}: status", name=each.name), "Enabled"),))
        if why != ANOMALIES:
            seen.append(
                Evidence(Message("cost alert {name}", name=each.name), why, Message("Enabled, with a recipient"))
            )
    return _none(
        children, missing, seen, Evidence(Message("cost alerts on anomalies"), "none", Message("one that is enabled"))
    )


def _why_no_alert(each: Resource, index: Index) -> str:
    """Return why a scheduled action does not report unusual cost; its kind for one of another kind; "" where it does.

    Raises Unread.
    """
    if not same(each.require("kind"), ANOMALIES):
        return ANOMALIES
    status = each.require("properties.status")
    if not same(status, "Enabled"):
        return Message("its status is {status}", status=status)
    if begins(each, "properties.schedule.startDate", index):
        return Message("its schedule has not begun")
    if ended(each, "properties.schedule.endDate", index):
        return Message("its schedule has ended")
    return (
        NOTHING
        if _texts(each.get("properties.notification.to"), "properties.notification.to")
        else Message("it has no recipient")
    )


def allowed_only(resource: Resource, index: Index, *, subject: Subject) -> Verdict:
    """Fail where no policy assignment on the subscription, or above it, denies what a list does not have.

    Definitions and initiatives of Microsoft and of the customer count, where their rules can be evaluated.
    """
    children = resource.children(ASSIGNMENTS)
    known = of_subscription(resource)
    seen: list[Evidence] = []
    missing: list[Unread] = []
    for each in _above(resource, children):
        try:
            verdict = _limits(exempted(resource, each, index), subject, known)
        except Unread as unread:
            missing.append(unread.with_traceback(None))
            continue
        if isinstance(verdict, Pass):
            return verdict
        if verdict is not None:
            seen.append(verdict)
    none = Evidence(
        Message("policy assignments on the subscription or above it"),
        "none",
        Message("one with {parameter}", parameter=subject.parameter),
    )
    return _none(children, missing, seen, none)


def regions(resource: Resource, index: Index) -> Verdict:
    """Fail where no policy limits regions. See `allowed_only`."""
    return allowed_only(resource, index, subject=REGIONS)


def sizes(resource: Resource, index: Index) -> Verdict:
    """Fail where no policy limits sizes of machines. See `allowed_only`."""
    return allowed_only(resource, index, subject=SIZES)


def _above(resource: Resource, children: Children) -> Iterator[Resource]:
    """Yield the assignments whose scope holds the whole subscription. One without a scope is yielded."""
    for each in children:
        scope = segments(known_text(each.body, "properties.scope"))
        if not (len(scope) > len(("subscriptions", "id")) and scope[0] == "subscriptions"):
            yield each


def _limits(use: Exempted, subject: Subject, known: Catalogue) -> Pass | Evidence | None:
    """Return the Pass of an assignment that limits a subject, why it does not although it would, or None where it is
    about something else. Raises Unread.
    """
    name = Message("policy assignment {name}", name=use.assigned.name)
    try:
        outcome = _outcome(use, name, subject, known)
    except Unread:
        why = _narrowing(use.assigned, name)  # then it limits nothing, whatever could not be read
        if why is None:
            raise
        return why
    if isinstance(outcome, tuple):
        return _narrowing(use.assigned, name) or Pass(
            (Evidence(Message("{name}: {field} allowed", name=name, field=subject.field), list(outcome)),)
        )
    return None if outcome is None else Evidence(f"{name}: {outcome.path}", outcome.value, outcome.expected)


def _outcome(use: Exempted, name: str, subject: Subject, known: Catalogue) -> Outcome:
    """Return what the definition or initiative of an assignment allows, or what is exempted from it. Raises Unread."""
    each = use.assigned
    id = each.require("properties.policyDefinitionId")
    if not isinstance(id, str):
        raise malformed("properties.policyDefinitionId")
    values, version = given(each.get("properties.parameters")), each.get("properties.definitionVersion")
    if segments(id)[: len(BUILT_IN_SETS)] == BUILT_IN_SETS:
        return _of_microsoft(use, name, id, values, subject, known)
    try:
        if type_of(id).lower() == "microsoft.authorization/policysetdefinitions":
            return of_set(known.set(id, version), values, subject, known, use)
        allowed = of_definition(id, values, subject, known, Use(version, overridden(each)))
        return use.why() or allowed if isinstance(allowed, tuple) else allowed
    except Unread as unread:
        # The gap of a list stays; the reason names the assignment, because definitions have no place in the report.
        raise Unread(f"{name}: {unread.what}", unread.why, unread.gap) from None


def _of_microsoft(
    use: Exempted, name: str, id: str, values: Mapping[str, Any], subject: Subject, known: Catalogue
) -> Outcome:
    """Return what an initiative of Microsoft allows: of those that are known. Raises Unread for one that may."""
    of, reference = SETS_OF_MICROSOFT.get(name_of(id).lower(), (None, ""))
    may = not is_absent(values.get(subject.parameter.lower()))
    if of is not subject:
        if may:
            raise Unread(name, Message("what the initiative limits is not read"))
        return None
    effect = values.get("effect")
    if not (is_absent(effect) or same(effect, "Deny")):
        raise Unread(name, Message("which of its definitions have the effect of its parameter is not read"))
    built_in = f"/{'/'.join(BUILT_IN)}/{subject.built_in}"
    allowed = of_definition(built_in, values, subject, known, Use(effect=overridden(use.assigned, reference)))
    return use.why(reference) or allowed if isinstance(allowed, tuple) else allowed


def _narrowing(each: Resource, name: str) -> Evidence | None:
    """Return why an assignment does not deny in the whole subscription; None where it does. Raises Unread."""
    scope = known_text(each.body, "properties.scope")
    if not (is_subscription(scope) or same("/".join(segments(scope)[:3]), MANAGEMENT_GROUPS)):
        raise not_returned_or_unknown("properties.scope")
    mode = known_text(each.body, "properties.enforcementMode") or "Default"
    if not same(mode, "Default"):
        return Evidence(f"{name}: enforcementMode", mode, "Default")
    for narrowed in ("notScopes", "resourceSelectors"):
        left_out = each.items(f"properties.{narrowed}")
        if left_out:
            return Evidence(f"{name}: {narrowed}", left_out, [])
    return None


def _none(children: Children, missing: list[Unread], seen: list[Evidence], none: Evidence) -> Verdict:
    """Return the verdict where nothing was found that passes."""
    missing = [*missing, *([children.gap] if children.gap is not None else [])]
    if missing:
        return unknown(*missing, evidence=seen)
    return Fail(tuple(seen) or (none,))
