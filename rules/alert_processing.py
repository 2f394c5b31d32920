"""Alert processing rules: those that take the action groups of alerts away, so that no one is notified."""

from typing import Any, Final

from scanner.model.dates import seconds_of
from scanner.model.ids import normalized_id
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, is_list_of_texts, member, same, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Unread, malformed, not_a_list, unknown_value

from .subscription import SUBSCRIPTION

RULES: Final = SUBSCRIPTION.child("providers/Microsoft.AlertsManagement/actionRules", api="2021-08-08")
"""Those of the subscription: azure-monitor/alerts/alerts-processing-rules, none is for resources of another one."""
SUPPRESSION: Final = "RemoveAllActionGroups"
_CONDITIONS: Final = "properties.conditions"


def suppression(alert: Resource, categories: tuple[str, ...], subscription: Resource, index: Index) -> Evidence | None:
    """Return the rule that suppresses every notification of an alert in a whole subscription; None without one.

    `categories`: of the activity log, of the alert. Raises Unread where a rule may suppress them. A rule for a part of
    the subscription leaves the rest of the alert.
    """
    children = subscription.children(RULES)
    missing = children.gap
    for each in children:
        try:
            if _suppresses(each, alert, categories, subscription, index):
                path = "properties.actions[].actionType"
                return Evidence(f"{each.id} {path}", SUPPRESSION, Message("no rule that suppresses notifications"))
        except Unread as unread:
            missing = missing or Unread(f"{each.id} {unread.what}", unread.why, unread.gap)
    if missing is not None:
        raise missing
    return None


def _suppresses(
    rule: Resource, alert: Resource, categories: tuple[str, ...], subscription: Resource, index: Index
) -> bool:
    """Return whether a rule suppresses an alert at the time of the scan. An absent `enabled` is true. Raises Unread."""
    if same(rule.get("properties.enabled"), False):
        return False
    rule.require("properties.actions")
    actions = rule.objects("properties.actions")
    if not any(same(member(each, "actionType"), SUPPRESSION) for each in actions):
        return False
    scopes = rule.require("properties.scopes")
    if not is_list_of_texts(scopes):
        raise not_a_list("properties.scopes")
    if not any(normalized_id(each) == subscription.key for each in scopes) or _is_over(rule, index):
        return False
    matches = [_matches(each, alert, categories) for each in rule.objects(_CONDITIONS)]
    if False in matches:
        return False
    if None in matches:
        raise Unread(_CONDITIONS, Message("whether they are met by the alert is not evaluated"))
    if rule.items("properties.schedule.recurrences"):
        raise Unread("properties.schedule.recurrences", Message("it suppresses notifications at certain times"))
    return True


def _is_over(rule: Resource, index: Index) -> bool:
    """Return whether the time of a rule has not begun, or is over. Its times are local ones, so a day is added."""
    now = seconds_of(index.taken)
    for path, sign in (("properties.schedule.effectiveFrom", 1), ("properties.schedule.effectiveUntil", -1)):
        text = rule.get(path)
        if is_absent(text):
            continue
        at = seconds_of(text) if isinstance(text, str) else None
        if at is None or now is None:
            raise malformed(path)
        if sign * (at - now) > _DAY:
            return True
    return False


_DAY: Final = 86400


def _matches(condition: Any, alert: Resource, categories: tuple[str, ...]) -> bool | None:
    """Return whether an alert meets a condition; None where that is not known."""
    field, operator = member(condition, "field"), member(condition, "operator")
    values = value_at(condition, "values")
    if not isinstance(field, str) or not isinstance(operator, str) or not is_list_of_texts(values):
        raise malformed(f"{_CONDITIONS}[]")
    field_values = {
        "alertruleid": [alert.key],
        "alertrulename": [alert.name.lower()],
        "monitorservice": [_folded(f"ActivityLog{each}") for each in categories],
    }.get(field.lower())
    if field_values is None:
        return None
    wanted = [normalized_id(each) if field.lower() == "alertruleid" else each.lower() for each in values]
    if field.lower() == "monitorservice":
        wanted = [_folded(each) for each in wanted]
    is_equal = any(each in wanted for each in field_values)
    is_substring = any(text in each for each in field_values for text in wanted)
    answers = {
        "equals": is_equal,
        "notequals": not is_equal,
        "contains": is_substring,
        "doesnotcontain": not is_substring,
    }
    if operator.lower() not in answers:
        raise unknown_value(f"{_CONDITIONS}[].operator", operator)
    return answers[operator.lower()]


def _folded(text: str) -> str:
    """Return a text in lower case without what the portal and the API write differently: spaces and dashes."""
    return "".join(each for each in text.lower() if each.isalnum())
