"""The checks of resource logs: which categories leave a resource, and where they go."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from scanner.model.diagnostic_settings import WORKSPACES, SentLogs, refused, sent_logs
from scanner.model.index import NO_ROW, Index, unnamed_id
from scanner.model.json_paths import same
from scanner.model.message import NOTHING, Message, either, joined
from scanner.model.resource import Children, Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_returned,
    unknown,
    unknown_value,
)

ALL = ("allLogs",)
AUDIT = ("audit", "allLogs")
"""Category groups. azure-monitor/platform/diagnostic-settings: `audit` has the logs of what customers do with data or
settings, as each service decides, `allLogs` every log. `audit?`: which logs of the type the group has is not documented.
"""
DOUBTFUL = "?"
CUSTOMER = "properties.appLogsConfiguration.logAnalyticsConfiguration.customerId"


def _doubtful(logs: SentLogs, groups: Iterable[str]) -> str:
    """Return the group that is sent, of which it is not known which logs it has; "" without one."""
    doubtful = (each.removesuffix(DOUBTFUL) for each in groups if each.endswith(DOUBTFUL))
    sent = {*logs.categories, *logs.unclear}
    return next((each for each in doubtful if each.lower() in sent), "")


class Further(NamedTuple):
    """A category of logs that some resources of a type have. `has`: returns whether one has it. Raises Unread."""

    category: str
    has: Callable[[Resource], bool]


def lacks_logs(
    resource: Resource,
    index: Index,
    *,
    read: Read,
    categories: tuple[str, ...],
    groups: tuple[str, ...] = AUDIT,
    below: Read | None = None,
    only: Callable[[Resource], bool] | None = None,
    otherwise: tuple[str, ...] = (),
    instead: Callable[[Resource], str] | None = None,
    further: Further | None = None,
) -> Verdict:
    """Fail where the diagnostic settings of a resource send not each of these categories (`a|b`: one of them).

    `groups`: the category groups that have them. `below`: the single child whose settings these are. `only`: which
    resources have such logs, and `otherwise` in words why the others have none. `instead`: the category of a resource
    that has the same as the first one; "" for none. `further`: one more, which some resources have.
    """
    if only is not None and not only(resource):
        return NotApplicable(Message(otherwise[0]))
    of: Resource | None = resource
    if below is not None:
        of = resource.child(below)
        if of is None:
            return NotApplicable(Message("the account has no such service"))
    elif not read.needed(resource):
        return NotApplicable(Message(otherwise[0]) if otherwise else Message("it has no such logs"))
    assert of is not None
    alternative = instead(resource) if instead is not None else ""
    if alternative:
        categories = (f"{categories[0]}|{alternative}", *categories[1:])
    settings = of.children(read)
    if further is None:
        return judged(settings, index, categories, groups)
    both = judged(settings, index, (*categories, further.category), groups)
    if isinstance(both, Pass):
        return both
    verdict = judged(settings, index, categories, groups)
    try:
        return both if further.has(resource) else verdict
    except Unread as unread:
        return unknown(unread) if isinstance(verdict, Pass) else verdict


def judged(settings: Children, index: Index, categories: tuple[str, ...], groups: tuple[str, ...]) -> Verdict:
    """Return the verdict on what diagnostic settings send, and whether it arrives."""
    logs = sent_logs(settings, index)
    lacking = [each for each in categories if not logs.has(each, groups)]
    where = tuple(Evidence("destination", each) for each in dict.fromkeys(logs.where))
    if not lacking:
        return Pass((Evidence(Message("logs that are sent"), sorted(logs.categories.values())), *where))
    missing = [*logs.missing, *([settings.gap] if settings.gap is not None else [])]
    missing += [doubt for each in lacking if (doubt := logs.may_have(each, groups)) is not None]
    if doubtful := _doubtful(logs, groups):
        missing.append(
            Unread(
                Message("category group {doubtful}", doubtful=doubtful),
                Message("which logs of this type it has is not documented"),
            )
        )
    if missing:
        return unknown(*missing)
    groups = tuple(each for each in groups if not each.endswith(DOUBTFUL))
    expected = Message(
        "{list}, or the group {list2}",
        list=joined(", ", map(_either, categories)),
        list2=either(groups),
    )
    shown = sorted(logs.categories.values()) or Message("none")
    names = joined(", ", map(_either, lacking))
    message = Message("Not sent: {names}.", names=names) if logs.categories else NOTHING
    if logs.faults and not logs.categories:
        message = _why_none(logs.faults)
    return Fail(
        (Evidence(Message("logs that are sent"), shown, expected), *dict.fromkeys(logs.faults), *where), message
    )


def _either(categories: str) -> str:
    """Return a category, or those of which one is enough, in words."""
    return either(categories.split("|"))


def _why_none(faults: list[Evidence]) -> Message:
    """Return why nothing arrives, although settings send logs."""
    if all(each.path == "destination" for each in faults):
        return Message("The destination of its diagnostic setting no longer exists.")
    return Message("The destination of its diagnostic setting receives nothing.")


def environment_logs(environment: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where the logs of a Container Apps environment go nowhere."""
    path = "properties.appLogsConfiguration.destination"
    value = environment.get(path)
    if same(value, "log-analytics"):
        workspace = _workspace(environment.text(CUSTOMER), index)
        fault = refused(workspace)
        seen = (environment.evidence(path), Evidence("destination", workspace.id))
        return Pass(seen) if fault is None else Fail((environment.evidence(path), fault), _why_none([fault]))
    if same(value, "azure-monitor"):
        return judged(environment.children(read), index, ("ContainerAppConsoleLogs", "ContainerAppSystemLogs"), ALL)
    if same(value, "none") or value == "":
        return Fail((environment.evidence(path, Message("log-analytics or azure-monitor")),))
    environment.require(path)
    return unknown(unknown_value(path, value))


def _workspace(customer: str, index: Index) -> Resource:
    """Return the workspace with a customer id, which says nothing of its subscription. Raises Unread."""
    if not customer:
        raise not_returned(CUSTOMER, Message("the workspace"))
    known, missing = index.of_type(WORKSPACES)
    elsewhere = (each for each in index.named.values() if each is not None and same(each.type, WORKSPACES))
    resource = next((each for each in (*known, *elsewhere) if same(each.get("properties.customerId"), customer)), None)
    if resource is None and unnamed_id(WORKSPACES, customer) in index.named:
        raise Unread(Message("workspace {customer}", customer=customer), NO_ROW)
    if resource is None:
        raise missing or Unread(
            Message("workspace {customer}", customer=customer),
            Message("not in the snapshot, and its subscription is not known"),
        )
    return resource


# The activity log

ACTIVITY = ("Administrative", "Security", "Alert", "Policy")
"""The categories that CIS names."""


def not_exported(subscription: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where no diagnostic setting sends the activity log of a subscription anywhere."""
    settings = subscription.children(read)
    logs = sent_logs(settings, index)
    if logs.categories:
        return Pass(tuple(Evidence("destination", each) for each in dict.fromkeys(logs.where)))
    missing = [*logs.missing, *logs.unclear.values(), *([settings.gap] if settings.gap is not None else [])]
    if missing:
        return unknown(*missing)
    none = Evidence(Message("diagnostic settings that send logs"), "none", Message("one with a destination"))
    return Fail((none, *dict.fromkeys(logs.faults)), _why_none(logs.faults) if logs.faults else NOTHING)


def categories_missing(subscription: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where a category that CIS names is not sent; not applicable where nothing is."""
    settings = subscription.children(read)
    logs = sent_logs(settings, index)
    if settings.gap is None and not (logs.categories or logs.unclear or logs.missing):
        return NotApplicable(Message("no diagnostic setting sends the activity log: see activity-log-not-exported"))
    return judged(settings, index, ACTIVITY, ALL)
