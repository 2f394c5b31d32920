"""What limits the cost of a subscription and what may be made in it: budgets, anomaly alerts, policy assignments."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from scanner.model.ids import is_subscription, name_of, segments
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, known_text, member, same
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
from .subscription import SUBSCRIPTION

BUDGETS = SUBSCRIPTION.child(
    "providers/Microsoft.Consumption/budgets",
    api="2024-08-01",
    keep=tuple(
        f"properties.notifications.*.{each}" for each in ("enabled", "contactEmails", "contactGroups", "contactRoles")
    ),
)
ALERTS = SUBSCRIPTION.child("providers/Microsoft.CostManagement/scheduledActions", api="2024-08-01")
ASSIGNMENTS = SUBSCRIPTION.child("providers/Microsoft.Authorization/policyAssignments", api="2024-05-01")
"""The assignments on the subscription, on what is in it, and on the management groups above it."""

MANAGEMENT_GROUPS = "providers/microsoft.management/managementgroups"
DAY = len("2026-11-27")
ANOMALIES = "InsightAlert"
"""The kind of a scheduled action that reports unusual cost."""

DEFINITIONS = {
    "regions": ("e56962a6-4747-49cd-b67b-bf8b01975c4c",),
    "sizes": ("cccc23c7-8427-4f53-ad12-b6a63eb452b3",),
}
"""The built-in definitions: Allowed locations; Allowed virtual machine size SKUs."""
PARAMETERS = {"regions": "listOfAllowedLocations", "sizes": "listOfAllowedSKUs"}
"""The parameter in which these definitions have what they allow. Others have one of the same name: Allowed locations for
resource groups, Azure Cosmos DB allowed locations, Allowed storage account SKUs."""
BUILT_IN = "providers/microsoft.authorization/policydefinitions"


def budget(resource: Resource, index: Index) -> Verdict:
    """Fail where no budget of the whole subscription sends an enabled notification to someone."""
    found = resource.children(BUDGETS)
    seen: list[Evidence] = []
    missing: list[Unread] = []
    for each in found:
        try:
            why = _why_no_budget(each, index)
        except Unread as unread:
            missing.append(unread)
            continue
        if not why:
            return Pass((Evidence(f"budget {each.name}: notifications", "enabled, with a recipient"),))
        seen.append(Evidence(f"budget {each.name}", why, "whole subscription, with an enabled notification"))
    return _none(found, missing, seen, Evidence("budgets", "none", "one with an enabled notification"))


def _why_no_budget(each: Resource, index: Index) -> str:
    """Return why a budget does not report the cost of the subscription; "" where it does. Raises Unread."""
    category = each.require("properties.category")
    if not same(category, "Cost"):
        return f"its category is {category}"
    filtered = each.get("properties.filter")
    if not is_absent(filtered) and filtered != {}:
        return "it has a filter, and counts a part of the cost"
    if ended(each, "properties.timePeriod.endDate", index):
        return "its period has ended"
    notifications = each.get("properties.notifications")
    if is_absent(notifications):
        return "it has no notification"
    if not isinstance(notifications, dict):
        raise malformed("properties.notifications")
    return _why_silent(notifications.values(), index)


def _why_silent(notifications: Iterable[Any], index: Index) -> str:
    """Return why none of these notifications reaches anyone; "" where one does. Raises Unread."""
    missing: Unread | None = None
    why = "no notification is enabled and has a recipient"
    for notification in notifications:
        try:
            silent = _silence(notification, index)
        except Unread as unread:
            missing = unread
            continue
        if silent is None:
            return ""
        why = silent or why
    if missing is not None:
        raise missing
    return why


def _silence(notification: Any, index: Index) -> str | None:
    """Return why a notification reaches no one, "" where it is off or names no one; None where it reaches someone.

    Raises Unread.
    """
    enabled = member(notification, "enabled")
    if not isinstance(enabled, bool):
        raise not_returned("properties.notifications.*.enabled")
    people = [text for name in ("contactEmails", "contactRoles") for text in _texts(member(notification, name), name)]
    groups = _texts(member(notification, "contactGroups"), "contactGroups")
    if not enabled or not (people or groups):
        return ""
    if people:
        return None
    fault = unheard(groups, index)
    return None if fault is None else f"its action group notifies no one: {fault.path} is {display_value(fault.value)}"


def _texts(value: Any, name: str) -> list[str]:
    """Return a list of texts; [] where it is absent. Raises Unread for anything else."""
    if is_absent(value):
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise not_a_list(name)
    return value


def ended(resource: Resource, path: str, index: Index) -> bool:
    """Return whether a date has passed at the time of the scan. Raises Unread for what is no date."""
    text = resource.require(path)
    if not index.taken:
        raise Unread(path, "the date of the scan is not known")
    try:
        return dt.date.fromisoformat(text[:DAY]) < dt.date.fromisoformat(index.taken[:DAY])
    except (TypeError, ValueError):
        raise malformed(path) from None


def anomaly_alert(resource: Resource, index: Index) -> Verdict:
    """Fail where no enabled alert reports unusual cost of the subscription to someone."""
    found = resource.children(ALERTS)
    seen: list[Evidence] = []
    missing: list[Unread] = []
    for each in found:
        try:
            why = _why_no_alert(each, index)
        except Unread as unread:
            missing.append(unread)
            continue
        if not why:
            return Pass((Evidence(f"cost alert {each.name}: status", "Enabled"),))
        if why != ANOMALIES:
            seen.append(Evidence(f"cost alert {each.name}", why, "Enabled, with a recipient"))
    return _none(found, missing, seen, Evidence("cost alerts on anomalies", "none", "one that is enabled"))


def _why_no_alert(each: Resource, index: Index) -> str:
    """Return why a scheduled action does not report unusual cost; its kind for one of another kind; "" where it does.

    Raises Unread.
    """
    if not same(each.require("kind"), ANOMALIES):
        return ANOMALIES
    status = each.require("properties.status")
    if not same(status, "Enabled"):
        return f"its status is {status}"
    if ended(each, "properties.schedule.endDate", index):
        return "its schedule has ended"
    return "" if _texts(each.get("properties.notification.to"), "properties.notification.to") else "it has no recipient"


def allowed_only(resource: Resource, index: Index, *, what: str) -> Verdict:
    """Fail where no policy assignment on the subscription, or above it, limits what may be made in it.

    `what`: a key of `DEFINITIONS`. An assignment of one of these definitions counts. What initiatives and definitions of
    the customer contain is not read, so they may limit it.
    """
    found = resource.children(ASSIGNMENTS)
    seen: list[Evidence] = []
    missing: list[Unread] = []
    for each in _above(resource, found):
        try:
            verdict = _limits(each, what)
        except Unread as unread:
            missing.append(unread)
            continue
        if isinstance(verdict, Pass):
            return verdict
        if verdict is not None:
            seen.append(verdict)
    none = Evidence("policy assignments on the subscription or above it", "none", f"one with {PARAMETERS[what]}")
    return _none(found, missing, seen, none)


def regions(resource: Resource, index: Index) -> Verdict:
    """Fail where no policy limits regions. See `allowed_only`."""
    return allowed_only(resource, index, what="regions")


def sizes(resource: Resource, index: Index) -> Verdict:
    """Fail where no policy limits sizes of machines. See `allowed_only`."""
    return allowed_only(resource, index, what="sizes")


def _above(resource: Resource, found: Children) -> Iterator[Resource]:
    """Yield the assignments whose scope holds the whole subscription. One without a scope is yielded."""
    for each in found:
        scope = segments(known_text(each.body, "properties.scope"))
        if not (len(scope) > len(("subscriptions", "id")) and scope[0] == "subscriptions"):
            yield each


def _limits(each: Resource, what: str) -> Pass | Evidence | None:
    """Return the Pass of an assignment that limits `what`, why it does not although it would, or None where it is
    about something else. Raises Unread.
    """
    definition = each.require("properties.policyDefinitionId")
    if not isinstance(definition, str):
        raise malformed("properties.policyDefinitionId")
    values = each.get(f"properties.parameters.{PARAMETERS[what]}.value")
    name = f"policy assignment {each.name}"
    if name_of(definition).lower() not in DEFINITIONS[what]:
        path = segments(definition)
        if len(path) > len(("providers", "namespace", "type", "name")):
            raise Unread(name, "what the customer's own definition or initiative limits is not read")
        if not is_absent(values) and "/".join(path[:3]).lower() != BUILT_IN:
            raise Unread(name, "what the initiative limits is not read")
        return None
    if not (is_absent(values) or isinstance(values, list)):
        raise not_a_list(f"properties.parameters.{PARAMETERS[what]}.value")
    if is_absent(values) or values == []:
        return Evidence(name, "no values", PARAMETERS[what])
    return _in_part(each, name) or Pass((Evidence(f"{name}: {PARAMETERS[what]}", values),))


def _in_part(each: Resource, name: str) -> Evidence | None:
    """Return why an assignment does not deny in the whole subscription; None where it does. Raises Unread."""
    scope = known_text(each.body, "properties.scope")
    if not (is_subscription(scope) or same("/".join(segments(scope)[:3]), MANAGEMENT_GROUPS)):
        raise not_returned_or_unknown("properties.scope")
    mode = known_text(each.body, "properties.enforcementMode") or "Default"
    if not same(mode, "Default"):
        return Evidence(f"{name}: enforcementMode", mode, "Default")
    for part in ("notScopes", "resourceSelectors"):
        left_out = each.items(f"properties.{part}")
        if left_out:
            return Evidence(f"{name}: {part}", left_out, [])
    return _overridden(each, name)


def _overridden(each: Resource, name: str) -> Evidence | None:
    """Return the override that takes an assignment the effect deny; None where none does. Raises Unread.

    governance/policy/concepts/assignment-structure: an override changes the effect without a parameter.
    """
    for override in each.items("properties.overrides"):
        kind, value = member(override, "kind"), member(override, "value")
        if same(kind, "definitionVersion"):
            continue
        if not same(kind, "policyEffect") or not isinstance(value, str):
            raise malformed("properties.overrides")
        if not same(value, "Deny"):
            return Evidence(f"{name}: properties.overrides", value, "Deny")
    return None


def _none(found: Children, missing: list[Unread], seen: list[Evidence], none: Evidence) -> Verdict:
    """Return the verdict where nothing was found that passes."""
    missing = [*missing, *([found.gap] if found.gap is not None else [])]
    if missing:
        return unknown(*missing, evidence=seen)
    return Fail(tuple(seen) or (none,))
