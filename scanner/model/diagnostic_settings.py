"""What a diagnostic setting sends, and whether it arrives: the one reading of it, for rules on logs and on places."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from msgspec import Struct, field

from scanner.model.ids import root_of, subscription_of, type_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, member, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Unread, absent_at_unknown_version, not_returned_or_unknown, unknown_value

# azure-rest-api-specs, DiagnosticSettings 2021-05-01-preview: the last one is what settings of before 2017 name.
DESTINATIONS: Final = (
    "workspaceId",
    "storageAccountId",
    "eventHubAuthorizationRuleId",
    "marketplacePartnerId",
    "serviceBusRuleId",
)
ACCOUNTS: Final = "Microsoft.Storage/storageAccounts"
WORKSPACES: Final = "Microsoft.OperationalInsights/workspaces"
_EXISTS: Final = Message("a destination that exists")
_NOUNS: Final = {
    WORKSPACES.lower(): Message("a workspace that exists"),
    ACCOUNTS.lower(): Message("a storage account that exists"),
    "microsoft.eventhub/namespaces": Message("an Event Hubs namespace that exists"),
    "microsoft.servicebus/namespaces": Message("a namespace that exists"),
}
_INGESTION: Final = "properties.workspaceCapping.dataIngestionStatus"
_QUOTA: Final = "properties.workspaceCapping.dailyQuotaGb"
_PUBLIC: Final = "properties.publicNetworkAccess"
_DEFAULT: Final = "properties.networkAcls.defaultAction"
_BYPASS: Final = "properties.networkAcls.bypass"
_INSTANCES: Final = "properties.networkAcls.resourceAccessRules"
_TRUSTED: Final = "properties.trustedServiceAccessEnabled"
RULE_SETS: Final = frozenset({"microsoft.eventhub/namespaces/networkrulesets"})
"""The types (lower case) of the firewalls of namespaces that logs are sent to."""
_WITH_FIREWALL: Final = frozenset({ACCOUNTS.lower(), "microsoft.eventhub/namespaces"})
DECIDES: Final = {
    WORKSPACES.lower(): (_INGESTION, _QUOTA, "properties.customerId"),
    ACCOUNTS.lower(): (_PUBLIC, _DEFAULT, _BYPASS, _INSTANCES),
}
"""What of a destination outside of what was read decides whether logs arrive there, by type in lower case."""
_STOPPED: Final = ("ForceOff", "SubscriptionSuspended")
"""azure-rest-api-specs, DataIngestionStatus: ingestion was stopped by a setting or with the subscription. OverQuota
ends with the day, and log-workspace-daily-cap reports the cap.
"""


class LogDestination(NamedTuple):
    """A destination of logs."""

    path: str
    """The property that names it."""
    id: str
    """"" where it is no id of a resource."""
    fault: Evidence | None = None
    """Why nothing arrives; None where something does."""
    missing: Unread | None = None
    """Why that is not known."""

    @property
    def is_gone(self) -> bool:
        """Return whether it no longer exists."""
        return self.fault is not None and self.fault.path == "destination"

    @property
    def arrives(self) -> bool:
        """Return whether what is sent arrives there."""
        return self.fault is None and self.missing is None


class SentLogs(Struct):
    """What diagnostic settings send."""

    categories: dict[str, str] = field(default_factory=dict)
    """The names of those that arrive, groups too, by their lower case."""
    unclear: dict[str, Unread] = field(default_factory=dict)
    """Of those of which it is not known whether they arrive."""
    where: list[str] = field(default_factory=list)
    """The ids of the destinations that exist, or may."""
    faults: list[Evidence] = field(default_factory=list)
    """Why nothing arrives at the others."""
    missing: list[Unread] = field(default_factory=list)
    """What of the settings is not known."""

    def has(self, wanted: str, groups: Iterable[str]) -> bool:
        """Return whether a category arrives: one of `a|b`, or a group that has it."""
        return any(each.lower() in self.categories for each in (*wanted.split("|"), *groups))

    def may_have(self, wanted: str, groups: Iterable[str]) -> Unread | None:
        """Return why it is not known whether a category arrives; None where it is known."""
        names = (each.lower() for each in (*wanted.split("|"), *groups))
        return next((self.unclear[each] for each in names if each in self.unclear), None)


def sent_logs(settings: Iterable[Resource], index: Index) -> SentLogs:
    """Return which logs diagnostic settings send, and where they arrive. Metrics are no logs."""
    logs = SentLogs()
    for setting in settings:
        try:
            names = list(categories(setting, logs.missing))
            ends = list(destinations(setting, index)) if names else []
        except Unread as unread:
            logs.missing.append(unread.with_traceback(None))
            continue
        logs.where += [each.id for each in ends if each.fault is None and each.id]
        logs.faults += [each.fault for each in ends if each.fault is not None]
        doubt = next((each.missing for each in ends if each.missing is not None), None)
        if any(each.arrives for each in ends):
            logs.categories |= {name.lower(): name for name in names}
        elif doubt is not None:
            logs.unclear |= dict.fromkeys(map(str.lower, names), doubt)
    return logs


def categories(setting: Resource, missing: list[Unread]) -> Iterator[str]:
    """Yield the categories and category groups that a setting sends. `missing` gets what is not known.

    Raises Unread where nothing is.
    """
    if not isinstance(setting.get("properties"), dict):
        raise unknown_value(f"{setting.name} properties", setting.get("properties"))
    logs = setting.get("properties.logs")
    if is_absent(logs):
        return
    if not isinstance(logs, list):
        raise unknown_value(f"{setting.name} properties.logs")
    for entry in logs:
        enabled = member(entry, "enabled")
        if same(enabled, True):
            names = [name for name in map(_text, (member(entry, "category"), member(entry, "categoryGroup"))) if name]
            if not names:
                missing.append(unknown_value(f"{setting.name} properties.logs[].category", member(entry, "category")))
            yield from names
        elif not same(enabled, False):
            missing.append(unknown_value(f"{setting.name} properties.logs[].enabled", enabled))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def destinations(setting: Resource, index: Index) -> Iterator[LogDestination]:
    """Yield the destinations of a setting."""
    for name in DESTINATIONS:
        value = setting.get(f"properties.{name}")
        if not is_absent(value) and value != "":
            yield _destination(f"properties.{name}", value, setting, index)


def _destination(path: str, value: Any, setting: Resource, index: Index) -> LogDestination:
    if not isinstance(value, str) or not subscription_of(value) or not type_of(value):
        return LogDestination(path, "", missing=unknown_value(f"{setting.name} {path}", value))
    try:
        return LogDestination(path, value, fault(value, index))
    except Unread as unread:
        return LogDestination(path, value, missing=unread.with_traceback(None))


def fault(destination: str, index: Index) -> Evidence | None:
    """Return why nothing arrives at a destination; None where something does. Raises Unread where that is not known."""
    top = root_of(destination)
    shown = index.resources.get(top) or index.named.get(top)
    return gone(destination, index) or refused(shown) or closed(shown) or _closed_in_scan(top, index)


def _closed_in_scan(top: str, index: Index) -> Evidence | None:
    result = index.closed().get(top) if type_of(top) in _WITH_FIREWALL else None
    if isinstance(result, Unread):
        raise result.again()
    return result


def gone(destination: str, index: Index) -> Evidence | None:
    """Return that a destination does not exist; None where it does. Raises Unread where that is not known."""
    if index.exists(destination):
        return None
    return Evidence("destination", destination, _NOUNS.get(_top_type(destination), _EXISTS))


def closed(store: Resource | None) -> Evidence | None:
    """Return which setting of a firewall keeps Azure Monitor out of a storage account or namespace; None where none
    does, and for resources of other types. Raises Unread where that is not known.

    Azure Monitor and Network Watcher write as trusted services alone (storage/common/storage-network-security-trusted
    and event-hubs/event-hubs-ip-filtering). What a perimeter allows is not followed.
    """
    type = "" if store is None else store.type.lower()
    if store is not None and type == ACCOUNTS.lower():
        return _closed_account(store)
    return _closed_namespace(store) if store is not None and type in RULE_SETS else None


def _closed_account(account: Resource) -> Evidence | None:
    default, bypass, public = account.get(_DEFAULT), account.get(_BYPASS), account.get(_PUBLIC)
    if isinstance(bypass, str) and any(same(each.strip(), "AzureServices") for each in bypass.split(",")):
        return None
    if is_absent(account.get("properties.networkAcls")) and not account.api_version_unknown:
        return None  # azure-rest-api-specs, NetworkRuleSet.bypass: AzureServices by default
    is_open = same(default, "Allow") and (is_absent(public) or same(public, "Enabled"))
    if is_open or same(public, "SecuredByPerimeter"):
        return None
    if not (same(default, "Deny") or same(public, "Disabled")):
        raise not_returned_or_unknown(f"{account.name} {_DEFAULT}")
    if not isinstance(bypass, str):
        raise not_returned_or_unknown(f"{account.name} {_BYPASS}")
    if account.get(_INSTANCES):
        raise Unread(f"{account.name} {_INSTANCES}", Message("whether it allows logs is not documented"))
    return Evidence(f"{account.id} {_BYPASS}", bypass, "AzureServices")


def _closed_namespace(rules: Resource) -> Evidence | None:
    """Without a rule, a rule set that denies by default blocks nothing."""
    trusted, default, public = rules.get(_TRUSTED), rules.get("properties.defaultAction"), rules.get(_PUBLIC)
    has_rules = any(rules.get(f"properties.{each}") for each in ("ipRules", "virtualNetworkRules"))
    is_open = same(default, "Allow") or not has_rules
    if same(trusted, True) or same(public, "SecuredByPerimeter"):
        return None
    if is_open and (is_absent(public) or same(public, "Enabled")):
        return None
    if not (same(default, "Deny") or same(public, "Disabled")):
        raise not_returned_or_unknown(f"{rules.id} properties.defaultAction")
    if not same(trusted, False):
        raise not_returned_or_unknown(f"{rules.id} {_TRUSTED}")
    return Evidence(f"{rules.id} {_TRUSTED}", False, True)


def _top_type(id: str) -> str:
    return "/".join(type_of(id).lower().split("/")[:2])


def refused(workspace: Resource | None) -> Evidence | None:
    """Return why a workspace receives nothing; None where it does, and for resources of other types. Raises Unread
    where a row of Resource Graph does not say.
    """
    if workspace is None or not same(workspace.type, WORKSPACES):
        return None
    status, quota = workspace.get(_INGESTION), workspace.get(_QUOTA)
    if is_absent(status) and workspace.api_version_unknown:
        raise absent_at_unknown_version(f"{workspace.name} {_INGESTION}")
    if any(same(status, each) for each in _STOPPED):
        return Evidence(f"{workspace.id} {_INGESTION}", status, "RespectQuota")
    if quota == 0 and not isinstance(quota, bool):
        return Evidence(f"{workspace.id} {_QUOTA}", quota, -1)
    return None
