"""The check of activity log alerts: of which operations in the whole subscription no alert notifies anyone."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from scanner.model.fix import Cause
from scanner.model.ids import segments, subscription_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, member, same, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, Pass, Unread, Verdict, not_a_list, unknown, unknown_value
from scanner.reach.rules.sources import cached

Unheard = Callable[[Iterable[str], Index], Evidence | None]
"""Why none of these action groups (ids) notifies anyone; None where one does. Raises Unread."""
Suppressed = Callable[[Resource, tuple[str, ...], Resource, Index], Evidence | None]
"""The rule that suppresses all notifications of an alert of these categories in a subscription; None without one.
Raises Unread."""
TYPE = "Microsoft.Insights/activityLogAlerts"
CONDITIONS = "properties.condition.allOf"


def alerts_missing(
    subscription: Resource,
    index: Index,
    *,
    unheard: Unheard,
    suppressed: Suppressed,
    operations: tuple[str, ...],
    incidents: tuple[str, ...],
) -> Verdict:
    """Fail where no enabled alert of the whole subscription notifies an action group of one of these operations.

    `operations`: those of the category Administrative. `incidents`: of Service Health, the kinds that are asked for; no
    alert processing rule suppresses those.
    """
    scope = subscription.key
    of_changes = _Search(subscription, index, unheard, suppressed)
    of_health = _Search(subscription, index, unheard, None)
    answers = [of_changes.answer(_Wanted(scope, (each,), ADMINISTRATIVE, ())) for each in operations]
    answers.append(of_health.answer(_Wanted(scope, (), HEALTH, incidents)))
    missing = [each for each in answers if not each.alert and not each.unread]
    undecided = tuple(unread for each in answers if not each.alert for unread in each.unread)
    if not missing:
        alerts = dict.fromkeys(each.alert for each in answers if each.alert)
        seen = [Evidence(Message("activity log alert"), each) for each in alerts]
        return unknown(*undecided, evidence=seen) if undecided else Pass(tuple(seen))
    return Fail(
        tuple(line for each in missing for line in (Evidence(each.wanted.name, "none", ENABLED), *each.almost)),
        Message("{count} of {all} operations raise no alert.", count=len(missing), all=len(answers)),
        undecided=undecided,
        causes=tuple(_causes(answers, of_changes)),
    )


ADMINISTRATIVE = ("Administrative",)
HEALTH = ("ServiceHealth",)
ENABLED = Message("an enabled alert with an action group")


class _Answer(NamedTuple):
    """What the alerts of a subscription say of an operation. `alert`: the id of one that notifies someone; "": none.

    `almost`: why others do not. `unread`: what leaves open whether one does. `suppressing`: what ends that a rule
    suppresses one.
    """

    wanted: "_Wanted"
    alert: str = ""
    almost: tuple[Evidence, ...] = ()
    unread: tuple[Unread, ...] = ()
    suppressing: tuple[Cause, ...] = ()


class _Search(Struct, frozen=True):
    """Looks for the alerts of a subscription. `suppressed`: None where no rule can suppress them."""

    subscription: Resource
    known: Index
    unheard: Unheard
    suppressed: Suppressed | None

    def answer(self, wanted: "_Wanted") -> _Answer:
        """Return what the alerts say of an operation."""
        almost: list[Evidence] = []
        unread: list[Unread] = []
        suppressing: list[Cause] = []
        for alert in self._alerts():
            try:
                fault = wanted.fault(alert) or _silent(alert, self.known, self.unheard)
                if fault is None and self.suppressed is not None:
                    fault = self.suppressed(alert, wanted.category, self.subscription, self.known)
                    suppressing += [_rule_off(fault)] if fault is not None else []
            except Unread as error:
                unread.append(error.with_traceback(None))
                continue
            if fault is None:
                return _Answer(wanted, alert.id)
            almost += [fault] if fault.path else []
        gap = self._gap()
        return _Answer(wanted, "", tuple(almost), (*unread, *gap), tuple(suppressing))

    def _alerts(self) -> tuple[Resource, ...]:
        alerts = cached(self.known, "activity log alerts", _by_subscription)
        return (*alerts.get(subscription_of(self.subscription.id), ()), *alerts.get("", ()))

    def _gap(self) -> tuple[Unread, ...]:
        """Return why there may be further alerts; empty where all were listed."""
        gap = self.known.missing_in(TYPE, self.subscription.id)
        if gap is None and self.subscription.subscription in self.known.partial:
            gap = Unread(TYPE, Message("the subscription is visible in part"), self.subscription.id)
        return () if gap is None else (gap,)


def _causes(answers: Sequence[_Answer], search: _Search) -> Iterator[Cause]:
    """Yield what the fix does: rules that suppress alerts are disabled, and alerts created for all that have none."""
    open_answers = [each for each in answers if not each.alert]
    off = tuple(dict.fromkeys(cause for each in open_answers for cause in each.suppressing))
    yield from off
    without = [each.wanted for each in open_answers if each.wanted.operation and not each.suppressing]
    if without:
        yield from () if off else _too(search)
        yield _new_alert(search.subscription, "alert-changes", [_leaf("category", ADMINISTRATIVE[0]), _any(without)])
    for each in (each.wanted for each in open_answers if not each.wanted.operation):
        kinds = [_leaf("properties.incidentType", kind) for kind in each.incident]
        yield _new_alert(search.subscription, "alert-service-health", [_leaf("category", HEALTH[0]), {"anyOf": kinds}])


CREATE = (
    "az monitor activity-log alert create --name {name} --resource-group <RESOURCE_GROUP> --scope {{id}} --all-of "
    "{{entry}} --action-group <ACTION_GROUP_ID> --subscription {{subscription}}"
)
"""The command of an alert with several values for a field: `--condition` takes one."""


def _leaf(field: str, value: str) -> dict[str, Any]:
    return {"field": field, "equals": value}


def _any(wanted: Iterable["_Wanted"]) -> dict[str, Any]:
    return {"anyOf": [_leaf("operationName", operation) for each in wanted for operation in each.operation]}


def _new_alert(subscription: Resource, name: str, conditions: list[dict[str, Any]]) -> Cause:
    """Return the creation of an alert. The command line has `any-of` where the API has `anyOf`."""
    text = json.dumps(conditions, separators=(",", ":")).replace('"anyOf"', '"any-of"')
    groups = {"actionGroups": [{"actionGroupId": "<ACTION_GROUP_ID>"}]}
    value = {"enabled": True, "scopes": [subscription.id], "condition": {"allOf": conditions}, "actions": groups}
    id = f"{subscription.id}/resourceGroups/rg-alerts/providers/{TYPE}/{name}"
    return Cause(id, "properties", value=value, command=CREATE.format(name=name), text=text)


def _rule_off(fault: Evidence) -> Cause:
    """Return what ends the suppression of an alert: the rule that suppresses it is disabled."""
    rule = fault.path.partition(" ")[0]
    command = "az resource update --ids {cause} --set properties.enabled=false"
    return Cause(rule, "properties.enabled", value=False, command=command, text=rule)


def _too(search: _Search) -> list[Cause]:
    """Return what to do where no alert exists, and a rule would suppress one that is created, or may."""
    subscription, suppressed = search.subscription, search.suppressed
    if suppressed is None:
        return []
    try:
        fault = suppressed(subscription, ADMINISTRATIVE, subscription, search.known)
    except Unread as unread:
        words = Message(
            "Create the alert, after it is known that no alert processing rule suppresses it ({unread}).",
            unread=unread.text,
        )
        return [Cause(subscription.id, words=(words,))]
    if fault is None:
        return []
    rule = fault.path.partition(" ")[0]
    words = Message("Disable the alert processing rule {rule}, then create the alert.", rule=rule)
    return [Cause(rule, "properties.enabled", words=(words,))]


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
    """The alert that is asked for."""

    def __init__(
        self, scope: str, operation: tuple[str, ...], category: tuple[str, ...], incident: tuple[str, ...]
    ) -> None:
        self.scope = scope
        self.operation = operation
        self.category = category
        self.incident = incident

    @property
    def name(self) -> str:
        """Return the operation, or the category of incidents."""
        return ", ".join(self.operation or self.category)

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
        if field.lower() == "resourcetype":
            return any(_type_of(each) == value for each in self.operation)
        if field.lower() == "resourceprovider":
            return any(value in (_type_of(each), each.lower().partition("/")[0]) for each in self.operation)
        return any(value == each.lower() for each in known)


def _type_of(operation: str) -> str:
    """Return the resource type of an operation (lower case), such as that of `TYPE/write`."""
    return operation.lower().rpartition("/")[0]


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
