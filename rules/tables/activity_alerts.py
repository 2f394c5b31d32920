"""The check of activity log alerts: whether one notifies someone of an operation in the whole subscription."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from scanner.model.fix import Cause
from scanner.model.ids import segments, subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, member, same, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, Pass, Unread, Verdict, not_a_list, unknown, unknown_value
from scanner.reach.sources import cached

Unheard = Callable[[Iterable[str], Index], Evidence | None]
"""Why none of these action groups (ids) notifies anyone; None where one does. Raises Unread."""
Suppressed = Callable[[Resource, tuple[str, ...], Resource, Index], Evidence | None]
"""The rule that suppresses all notifications of an alert of these categories in a subscription; None without one.
Raises Unread."""
TYPE = "Microsoft.Insights/activityLogAlerts"
CONDITIONS = "properties.condition.allOf"


def no_alert(
    subscription: Resource,
    index: Index,
    *,
    unheard: Unheard,
    suppressed: Suppressed | None = None,
    operation: tuple[str, ...] = (),
    category: tuple[str, ...] = ("Administrative",),
    incident: tuple[str, ...] = (),
) -> Verdict:
    """Fail where no enabled alert of the whole subscription notifies an action group of an operation.

    `suppressed`: see there; without it no rule can suppress the alert. `category`: those of the activity log that may
    have it. `incident`: of Service Health, the kind that is asked for.
    """
    wanted = _Wanted(subscription.key, operation, category, incident)
    almost: list[Evidence] = []
    missing: list[Unread] = []
    suppressing: list[Cause] = []
    known = cached(index, "activity log alerts", _by_subscription)
    for alert in (*known.get(subscription_of(subscription.id), ()), *known.get("", ())):
        try:
            fault = wanted.fault(alert) or _silent(alert, index, unheard)
            if fault is None and suppressed is not None:
                fault = suppressed(alert, category, subscription, index)
                suppressing += [_rule_off(fault)] if fault is not None else []
        except Unread as unread:
            missing.append(unread.with_traceback(None))
            continue
        if fault is None:
            return Pass((Evidence(Message("activity log alert"), alert.id), Evidence("condition", wanted.words)))
        almost += [fault] if fault.path else []
    gap = index.missing_in(TYPE, subscription.id)
    if gap is None and subscription.subscription in index.partial:
        gap = Unread(TYPE, Message("the subscription is visible in part"), subscription.id)
    if gap is not None:
        missing.append(gap)
    if missing:
        return unknown(*missing)
    if not suppressing and suppressed is not None:
        suppressing = _too(suppressed, category, subscription, index)
    return Fail((Evidence(Message("activity log alert"), "none", wanted.words), *almost), causes=tuple(suppressing))


def _rule_off(fault: Evidence) -> Cause:
    """Return what ends the suppression of an alert: the rule that suppresses it is disabled."""
    rule = fault.path.partition(" ")[0]
    command = "az resource update --ids {cause} --set properties.enabled=false"
    return Cause(rule, "properties.enabled", value=False, command=command, text=rule)


def _too(suppressed: Suppressed, category: tuple[str, ...], subscription: Resource, index: Index) -> list[Cause]:
    """Return what to do where no alert exists, and a rule would suppress one that is created, or may."""
    try:
        fault = suppressed(subscription, category, subscription, index)
    except Unread as unread:
        words = Message(
            "Create the alert, after it is known that no alert processing rule suppresses it ({unread}).",
            unread=unread.text,
        )
        return [Cause(subscription.id, words=(words,))]
    if fault is None:
        return []
    rule = fault.path.partition(" ")[0]
    return [
        Cause(
            rule,
            "properties.enabled",
            words=(Message("Disable the alert processing rule {rule}, then create the alert.", rule=rule),),
        )
    ]


def _by_subscription(index: Index) -> dict[str, list[Resource]]:
    """Return the alerts in and for each subscription (lower case); "": those for subscriptions that are not known."""
    result: dict[str, list[Resource]] = {}
    for alert in index.of_type(TYPE)[0]:
        for each in dict.fromkeys(_subscriptions(alert)):
            result.setdefault(each, []).append(alert)
    return result


def _subscriptions(alert: Resource) -> list[str]:
    scopes = value_at(alert.body, "properties.scopes")
    if not isinstance(scopes, list):
        return [""]
    named = [subscription_of("/" + "/".join(segments(each))) if isinstance(each, str) else "" for each in scopes]
    return [""] if "" in named else [subscription_of(alert.id), *named]


OTHER = Evidence("", None)
"""The fault of an alert that is about something else."""


class _Wanted:
    """The alert that a rule asks for."""

    def __init__(
        self, scope: str, operation: tuple[str, ...], category: tuple[str, ...], incident: tuple[str, ...]
    ) -> None:
        self.scope = scope
        self.operation = operation
        self.category = category
        self.incident = incident
        self.words = Message("enabled, for {list}, with an action group", list=", ".join(operation or category))

    def fault(self, alert: Resource) -> Evidence | None:
        """Return why an alert is not about the operation in the whole subscription; None where it is. Raises Unread."""
        conditions = alert.get(CONDITIONS)
        if not isinstance(conditions, list):
            raise not_a_list(f"{alert.id} {CONDITIONS}")
        if not self._is_about(conditions):
            return OTHER
        narrow = [each for each in conditions if not self._is_wide(each)]
        if narrow:
            field = member(narrow[0], "field")
            return Evidence(
                f"{alert.id} {CONDITIONS}",
                Message("only for one {field}", field=field),
                Message("no further condition"),
            )
        scopes = alert.get("properties.scopes")
        if not isinstance(scopes, list):
            raise not_a_list(f"{alert.id} properties.scopes")
        if not any(isinstance(each, str) and "/" + "/".join(segments(each)) == self.scope for each in scopes):
            return Evidence(f"{alert.id} properties.scopes", scopes, self.scope)
        return None

    def _is_about(self, conditions: list[Any]) -> bool:
        names = set(_values(conditions, "operationName"))
        categories = set(_values(conditions, "category"))
        wanted = {each.lower() for each in self.category}
        if not self.operation:
            return bool(categories & wanted)
        return bool({each.lower() for each in self.operation} & names) and (not categories or bool(categories & wanted))

    def _is_wide(self, condition: Any) -> bool:
        """Return whether a condition leaves out none of the events that are asked for."""
        return any(self._has(field, value) for field, value in _leaves(condition))

    def _has(self, field: str, value: str) -> bool:
        known = {
            "operationname": self.operation,
            "category": self.category,
            "properties.incidenttype": self.incident,
        }.get(field.lower(), ())
        if field.lower() in ("resourcetype", "resourceprovider"):
            return any(each.lower().startswith(f"{value}/") for each in self.operation)
        return any(value == each.lower() for each in known)


def _silent(alert: Resource, index: Index, unheard: Unheard) -> Evidence | None:
    """Return why an alert notifies no one; None where it does. Raises Unread."""
    enabled = alert.require("properties.enabled")
    if same(enabled, False):
        return Evidence(f"{alert.id} properties.enabled", enabled, True)
    if not same(enabled, True):
        raise unknown_value(f"{alert.id} properties.enabled", enabled)
    path = "properties.actions.actionGroups"
    groups = alert.get(path)
    if not is_absent(groups) and not isinstance(groups, list):
        raise not_a_list(f"{alert.id} {path}")
    ids = [member(each, "actionGroupId") for each in groups] if isinstance(groups, list) else []
    named = [each for each in ids if isinstance(each, str)]
    return unheard(named, index) if named else Evidence(f"{alert.id} {path}", "none", Message("an action group"))


def _leaves(condition: Any) -> Iterator[tuple[str, str]]:
    """Yield the field and each value (lower case) of a condition, and of those of an `anyOf`."""
    inner = member(condition, "anyOf")
    for each in inner if isinstance(inner, list) and inner else [condition]:
        field, value, several = member(each, "field"), member(each, "equals"), member(each, "containsAny")
        if isinstance(field, str) and isinstance(value, str):
            yield field, value.lower()
        if isinstance(field, str) and isinstance(several, list):
            yield from ((field, str(text).lower()) for text in several)


def _values(conditions: list[Any], field: str) -> Iterator[str]:
    for condition in conditions:
        yield from (value for name, value in _leaves(condition) if same(name, field))
