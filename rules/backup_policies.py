"""How long the policies of Azure Backup keep what they back up."""

from collections.abc import Iterator
from typing import Any, Final

from scanner.model.checks import period_seconds
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, member, objects_at, same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, malformed, unknown

from .backup_schedules import SCHEDULES
from .recovery import INSTANCE_POLICIES, INSTANCES, POLICIES, is_deleted

__all__ = ["INSTANCE_POLICIES", "POLICIES", "of_instances", "of_items"]
LEAST: Final = 30
"""Days. The policies that Azure makes in each vault keep as long (recorded DefaultPolicy, EnhancedPolicy)."""
_DAY: Final = 86400
_DAYS: Final = {"days": 1, "weeks": 7, "months": 30, "years": 365}
"""azure-mgmt-recoveryservicesbackup RetentionDurationType."""
_UNUSED: Final = NotApplicable(Message("nothing is backed up by the policy"))
_RULES: Final = "properties.policyRules"
_POLICY_ID: Final = "properties.policyInfo.policyId"


def _decided(kept: list[int], missing: list[Unread]) -> Verdict:
    """Return the verdict on the days that kinds of recovery points are kept: the longest one counts."""
    seen = (
        Evidence(
            Message("days until the last recovery point is deleted"),
            max(kept, default=None),
            Message("{least} or more", least=LEAST),
        ),
    )
    if kept and max(kept) >= LEAST:
        return Pass(seen)
    if missing or not kept:
        return unknown(
            *(missing or [Unread("retention", Message("Azure did not return it"))]), evidence=seen if kept else ()
        )
    return Fail(seen)


# Recovery Services vaults


def of_items(policy: Resource, index: Index) -> Verdict:
    """Fail where a policy that protects something deletes each recovery point in less than 30 days."""
    count = policy.get("properties.protectedItemsCount")
    if not (is_absent(count) or (isinstance(count, int) and not isinstance(count, bool))):
        return unknown(malformed("properties.protectedItemsCount"))
    if count == 0:
        return _UNUSED
    kept: list[int] = []
    missing: list[Unread] = []
    for each in _retentions(policy):
        for duration in _durations(each):
            try:
                kept.append(_days(duration))
            except Unread as unread:
                missing.append(unread.with_traceback(None))
    return _decided(kept, missing)


def _retentions(policy: Resource) -> Iterator[Any]:
    """Yield the retention policies of whole backups: of machines and shares, of the vault tier, of databases."""
    for path in ("properties.retentionPolicy", "properties.vaultRetentionPolicy.vaultRetention"):
        if not is_absent(value := policy.get(path)):
            yield value
    for each in policy.items("properties.subProtectionPolicy"):
        # A log is of no use without the full backup before it.
        if same(get_path(each, "policyType"), "Full"):
            yield get_path(each, "retentionPolicy")


def _durations(retention: Any) -> list[Any]:
    """Return the durations of a LongTermRetentionPolicy, or the one of a SimpleRetentionPolicy."""
    if not isinstance(retention, dict):
        return [retention]
    schedules = [each for name in SCHEDULES if not is_absent(each := get_path(retention, name))]
    duration = get_path(retention, "retentionDuration")
    return [*(get_path(each, "retentionDuration") for each in schedules), *([] if is_absent(duration) else [duration])]


def _days(duration: Any) -> int:
    count, unit = member(duration, "count"), member(duration, "durationType")
    days = _DAYS.get(unit.lower()) if isinstance(unit, str) else None
    if days is None or not isinstance(count, int) or isinstance(count, bool):
        raise malformed("retentionDuration")
    return count * days


# Backup vaults


def of_instances(policy: Resource, index: Index) -> Verdict:
    """Fail where a policy of a Backup vault that protects something deletes each recovery point in less than 30 days."""
    vault = policy.bundle.top
    instances = vault.children(INSTANCES) if vault is not None else None
    live = [each for each in instances or () if not is_deleted(each)]
    users = [each for each in live if _names(each, policy)]
    strange = next((each for each in live if not _names_a_policy(each)), None)
    if instances is not None and instances.gap is None and not users and strange is None:
        return _UNUSED
    kept: list[int] = []
    missing: list[Unread] = []
    for rule in _retention_rules(policy):
        for lifecycle in rule:
            try:
                kept.append(_period(lifecycle))
            except Unread as unread:
                missing.append(unread.with_traceback(None))
    verdict = _decided(kept, missing)
    if isinstance(verdict, Fail) and not users:
        gap = instances.gap if instances is not None else None
        if gap is None and strange is not None:
            gap = malformed(f"{strange.name} {_POLICY_ID}")
        return unknown(gap or Unread(Message("backup instances"), Message("not collected")), evidence=verdict.evidence)
    return verdict


def _names(instance: Resource, policy: Resource) -> bool:
    return same(instance.get(_POLICY_ID), policy.id)


def _names_a_policy(instance: Resource) -> bool:
    """Return whether it is known which policy protects an instance: an absent id is none."""
    value = instance.get(_POLICY_ID)
    return not instance.has_no_properties and (is_absent(value) or isinstance(value, str))


def _retention_rules(policy: Resource) -> Iterator[list[Any]]:
    """Yield the lifecycles of the retention rules that hold: the default one, and those that a backup is tagged for."""
    rules = policy.items(_RULES)
    tags = {
        text_at(each, "tagInfo.tagName").lower()
        for rule in rules
        for each in objects_at(rule, "trigger.taggingCriteria")
    }
    tags.discard("")
    for rule in rules:
        if not same(get_path(rule, "objectType"), "AzureRetentionRule"):
            continue
        if same(get_path(rule, "isDefault"), True) or text_at(rule, "name").lower() in tags:
            lifecycles = get_path(rule, "lifecycles")
            yield lifecycles if isinstance(lifecycles, list) else [lifecycles]


def _period(lifecycle: Any) -> int:
    """Return how many days a lifecycle keeps a recovery point. Raises Unread."""
    seconds = period_seconds(get_path(lifecycle, "deleteAfter.duration"))
    if seconds is None:
        raise malformed(f"{_RULES}[].lifecycles[].deleteAfter.duration")
    return seconds // _DAY
