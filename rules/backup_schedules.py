"""The policies of Azure Backup as the vaults list them: what they keep, and whether they make backups at all."""

from typing import Any, Final

from scanner.model.json_paths import get_path, is_absent, member, objects_at, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import ABSENT, Evidence, Unread, malformed

SCHEDULES: Final = ("dailySchedule", "weeklySchedule", "monthlySchedule", "yearlySchedule")
_ROOTS: Final = (
    "properties.retentionPolicy",
    "properties.vaultRetentionPolicy.vaultRetention",
    "properties.subProtectionPolicy[].retentionPolicy",
)
_OF_ROOT: Final = ("retentionDuration", *(f"{each}.retentionDuration" for each in SCHEDULES))
_SCHEDULE: Final = "properties.schedulePolicy"
_SCHEDULES: Final = ("hourlySchedule", "dailySchedule", "weeklySchedule")
"""Where a schedule of the second version has its times."""
_FREQUENCIES: Final = ("Daily", "Hourly", "Weekly")
KEEP: Final = (
    "properties.subProtectionPolicy[].policyType",
    *(f"{root}.{each}.{leaf}" for root in _ROOTS for each in _OF_ROOT for leaf in ("count", "durationType")),
    *(
        f"{root}.{leaf}"
        for root in (_SCHEDULE, "properties.subProtectionPolicy[].schedulePolicy")
        for leaf in ("schedulePolicyType", "scheduleRunFrequency", "scheduleRunTimes")
    ),
)
"""What is kept of a policy of a Recovery Services vault."""


def has_retention(policy: Resource) -> bool:
    """Return whether a policy says how long it keeps something."""
    return any(policy.has(each.partition("[]")[0]) for each in _ROOTS)


def no_schedule(policy: Resource) -> Evidence | None:
    """Return that a policy of a Recovery Services vault makes no backups; None where it does. Raises Unread.

    azure-mgmt-recoveryservicesbackup ScheduleRunType: Invalid is none. A policy of databases has a schedule for each
    kind of backup, of which the full one counts.
    """
    schedule = policy.get(_SCHEDULE)
    if is_absent(schedule) and policy.why_absent_is_unknown:
        raise Unread(
            Message("policy {name}: {schedule}", name=policy.name, schedule=_SCHEDULE), policy.why_absent_is_unknown
        )
    full = [each for each in policy.items("properties.subProtectionPolicy") if same(member(each, "policyType"), "Full")]
    matches = [schedule] if not is_absent(schedule) else [get_path(each, "schedulePolicy") for each in full]
    frequencies = [_frequency(each) for each in matches if not is_absent(each)]
    if any(each in _FREQUENCIES for each in frequencies):
        return None
    seen = ", ".join(frequencies) or ABSENT
    return Evidence(
        Message("policy {name}: {schedule}.scheduleRunFrequency", name=policy.name, schedule=_SCHEDULE),
        seen,
        Message("Daily, Hourly or Weekly"),
    )


def _frequency(schedule: Any) -> str:
    value = get_path(schedule, "scheduleRunFrequency")
    if get_path(schedule, "scheduleRunTimes") == [] and all(is_absent(get_path(schedule, each)) for each in _SCHEDULES):
        return Message("no times")
    known = next((each for each in (*_FREQUENCIES, "Invalid") if same(value, each)), None)
    if known is None:
        raise malformed(f"{_SCHEDULE}.scheduleRunFrequency")
    return known


def no_trigger(policy: Resource, *, is_continuous: bool) -> Evidence | None:
    """Return that a policy of a Backup vault makes no backups by itself; None where it does. Raises Unread.

    azure-mgmt-dataprotection: an AzureBackupRule has a schedule, or is run by hand (AdhocBasedTriggerContext).
    `is_continuous`: operational backups of blobs have no such rule, because they are made all the time.
    """
    path = "properties.policyRules"
    if not policy.items(path):
        raise Unread(Message("policy {name}: {path}", name=policy.name, path=path), Message("Azure did not return it"))
    rules = [each for each in objects_at(policy.body, path) if same(get_path(each, "objectType"), "AzureBackupRule")]
    if is_continuous and not rules:
        return None
    triggers = [get_path(each, "trigger.objectType") for each in rules]
    if any(same(each, "ScheduleBasedTriggerContext") for each in triggers):
        return None
    if not all(same(each, "AdhocBasedTriggerContext") for each in triggers):
        raise malformed(f"{path}[].trigger.objectType")
    return Evidence(
        Message("policy {name}: {path}[].trigger", name=policy.name, path=path),
        [str(each) for each in triggers],
        Message("a schedule"),
    )
