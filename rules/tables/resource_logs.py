"""The checks of resource logs: which categories leave a resource, and where they go."""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct, field

from scanner.model.ids import segments, subscription_of, type_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, member, same
from scanner.model.resource import Children, Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, unknown, unknown_value

DESTINATIONS = ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId")
ALL = ("allLogs",)
AUDIT = ("audit", "allLogs")
"""Category groups. azure-monitor/platform/diagnostic-settings: `audit` has the logs of what customers do with data or
settings, as each service decides, `allLogs` every log. `audit?`: which logs of the type the group has is not documented.
"""
DOUBTFUL = "?"
WORKSPACES = "Microsoft.OperationalInsights/workspaces"


class Sent(Struct):
    """What the diagnostic settings of a resource send. `categories`: their names, groups too, in lower case.

    `where`: the ids of their destinations. `gone`: the workspaces among them that no longer exist.
    """

    categories: dict[str, str] = field(default_factory=dict)
    where: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    missing: list[Unread] = field(default_factory=list)

    def has(self, wanted: str, groups: Iterable[str]) -> bool:
        """Return whether a category is sent: one of `a|b`, or a group that has it."""
        return any(each.lower() in self.categories for each in (*wanted.split("|"), *groups))

    def may_have(self, groups: Iterable[str]) -> str:
        """Return the group that is sent, of which it is not known which logs it has; "" without one."""
        doubtful = (each.removesuffix(DOUBTFUL) for each in groups if each.endswith(DOUBTFUL))
        return next((each for each in doubtful if each.lower() in self.categories), "")


def sent(settings: Iterable[Resource], index: Index) -> Sent:
    """Return what diagnostic settings send. One without a destination that exists sends nothing."""
    found = Sent()
    for setting in settings:
        properties = setting.get("properties")
        if not isinstance(properties, dict):
            found.missing.append(unknown_value(f"{setting.name} properties", properties))
            continue
        if not _reaches(setting, index, found):
            continue
        logs = setting.get("properties.logs")
        if not isinstance(logs, list):
            if not is_absent(logs):
                found.missing.append(unknown_value(f"{setting.name} properties.logs"))
            continue
        for entry in logs:
            _add(found, setting, entry)
    return found


def _add(found: Sent, setting: Resource, entry: Any) -> None:
    enabled, names = member(entry, "enabled"), (member(entry, "category"), member(entry, "categoryGroup"))
    if same(enabled, False):
        return
    if not same(enabled, True):
        found.missing.append(unknown_value(f"{setting.name} properties.logs[].enabled", enabled))
        return
    for name in (each for each in names if isinstance(each, str) and each):
        found.categories[name.lower()] = name


def _reaches(setting: Resource, index: Index, found: Sent) -> bool:
    """Return whether a setting has a destination that is not known to be gone. Notes each."""
    reaches = False
    for name in DESTINATIONS:
        value = setting.get(f"properties.{name}")
        if is_absent(value) or value == "":
            continue
        if not isinstance(value, str) or not subscription_of(value) or not type_of(value):
            found.missing.append(unknown_value(f"{setting.name} properties.{name}", value))
        elif is_gone(value, index):
            found.gone.append(value)
        else:
            found.where.append(value)
            reaches = True
    return reaches


def is_gone(workspace: str, index: Index) -> bool:
    """Return whether a workspace does not exist: its subscription is visible in full, and its list lacks it."""
    if not same(type_of(workspace), WORKSPACES) or not index.live:
        return False
    if not index.is_visible(workspace) or subscription_of(workspace) in index.partial:
        return False
    if index.missing_in(WORKSPACES, workspace) is not None:
        return False
    return "/" + "/".join(segments(workspace)) not in index.resources


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
) -> Verdict:
    """Fail where the diagnostic settings of a resource send not each of these categories (`a|b`: one of them).

    `groups`: the category groups that have them. `below`: the single child whose settings these are. `only`: which
    resources have such logs, and `otherwise` in words why the others have none. `instead`: the category of a resource
    that has the same as the first one; "" for none.
    """
    if only is not None and not only(resource):
        return NotApplicable(otherwise[0])
    of: Resource | None = resource
    if below is not None:
        of = resource.child(below)
        if of is None:
            return NotApplicable("the account has no such service")
    elif not read.needed(resource):
        return NotApplicable(otherwise[0] if otherwise else "it has no such logs")
    assert of is not None
    own = instead(resource) if instead is not None else ""
    if own:
        categories = (f"{categories[0]}|{own}", *categories[1:])
    return judged(of.children(read), index, categories, groups)


def judged(settings: Children, index: Index, categories: tuple[str, ...], groups: tuple[str, ...]) -> Verdict:
    """Return the verdict on what diagnostic settings send."""
    found = sent(settings, index)
    lacking = [each.replace("|", " or ") for each in categories if not found.has(each, groups)]
    where = tuple(Evidence("destination", each) for each in dict.fromkeys(found.where))
    if not lacking:
        return Pass((Evidence("logs that are sent", sorted(found.categories.values())), *where))
    missing = [*found.missing, *([settings.gap] if settings.gap is not None else [])]
    if doubtful := found.may_have(groups):
        missing.append(Unread(f"category group {doubtful}", "which logs of this type it has is not documented"))
    if missing:
        return unknown(*missing)
    groups = tuple(each for each in groups if not each.endswith(DOUBTFUL))
    expected = f"{', '.join(each.replace('|', ' or ') for each in categories)}, or the group {' or '.join(groups)}"
    gone = tuple(Evidence("destination", each, "a workspace that exists") for each in dict.fromkeys(found.gone))
    shown = sorted(found.categories.values()) or "none"
    message = f"Not sent: {', '.join(lacking)}." if found.categories else ""
    if gone and not found.categories:
        message = "The workspace of its diagnostic setting no longer exists."
    return Fail((Evidence("logs that are sent", shown, expected), *gone, *where), message)


def environment_logs(environment: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where the logs of a Container Apps environment go nowhere."""
    path = "properties.appLogsConfiguration.destination"
    value = environment.get(path)
    if same(value, "log-analytics"):
        return Pass((environment.evidence(path),))
    if same(value, "azure-monitor"):
        return judged(environment.children(read), index, ("ContainerAppConsoleLogs", "ContainerAppSystemLogs"), ALL)
    if same(value, "none") or value == "":
        return Fail((environment.evidence(path, "log-analytics or azure-monitor"),))
    environment.require(path)
    return unknown(unknown_value(path, value))


# The activity log

ACTIVITY = ("Administrative", "Security", "Alert", "Policy")
"""The categories that CIS names."""


def not_exported(subscription: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where no diagnostic setting sends the activity log of a subscription anywhere."""
    settings = subscription.children(read)
    found = sent(settings, index)
    if found.categories:
        return Pass(tuple(Evidence("destination", each) for each in dict.fromkeys(found.where)))
    missing = [*found.missing, *([settings.gap] if settings.gap is not None else [])]
    if missing:
        return unknown(*missing)
    gone = tuple(Evidence("destination", each, "a workspace that exists") for each in dict.fromkeys(found.gone))
    return Fail((Evidence("diagnostic settings that send logs", "none", "one with a destination"), *gone))


def categories_missing(subscription: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where a category that CIS names is not sent; not applicable where nothing is."""
    settings = subscription.children(read)
    if settings.gap is None and not sent(settings, index).categories and not sent(settings, index).missing:
        return NotApplicable("no diagnostic setting sends the activity log: see activity-log-not-exported")
    return judged(settings, index, ACTIVITY, ALL)
