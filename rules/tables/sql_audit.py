"""The checks of SQL auditing: where the audit log goes, how long it is kept, and what it holds."""

from collections.abc import Callable
from typing import NamedTuple

from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_a_list,
    not_returned,
    unknown,
    unknown_value,
)

from .resource_logs import AUDIT, judged

DAYS = 90
ENDPOINT = "properties.storageEndpoint"
SUBSCRIPTION = "properties.storageAccountSubscriptionId"
"""The subscription of the storage account; only zeros, and absent, where Azure does not say it."""
ACCOUNTS = "Microsoft.Storage/storageAccounts"
GROUPS = "properties.auditActionsAndGroups"
NEEDED = (
    "SUCCESSFUL_DATABASE_AUTHENTICATION_GROUP",
    "FAILED_DATABASE_AUTHENTICATION_GROUP",
    "BATCH_COMPLETED_GROUP",
)
"""What Azure audits where no groups are named: azure-sql/database/auditing-overview."""


class Sent(NamedTuple):
    """A log that a diagnostic setting of the database master sends, and the category groups that have it.

    `where`: the policy that makes it. Microsoft documents no group for that of support operations, but the group of all.
    """

    where: str
    category: str
    groups: tuple[str, ...] = AUDIT


STATEMENTS = Sent("auditingSettings/default", "SQLSecurityAuditEvents")
SUPPORT = Sent("devOpsAuditingSettings/Default", "DevOpsOperationsAudit", ("allLogs", "audit?"))
OFF = NotApplicable(Message("auditing is disabled: see sql-auditing-disabled"))


def _policy(server: Resource, read: Read) -> Resource | None:
    """Return the auditing policy of a server, None where it is disabled. Raises Unread for what was not read."""
    policy = server.child(read)
    if policy is None or same(policy.require("properties.state"), "Disabled"):
        return None
    if not same(policy.require("properties.state"), "Enabled"):
        raise unknown_value("auditingSettings/default properties.state", policy.get("properties.state"))
    return policy


def _to_storage(policy: Resource, where: str = "auditingSettings/default") -> bool:
    """Return whether an auditing policy writes to a storage account. Raises Unread where that is not known."""
    value = policy.get(ENDPOINT)
    if not is_absent(value) and not isinstance(value, str):
        raise unknown_value(f"{where} {ENDPOINT}", value)
    return bool(value) and not is_absent(value)


def no_destination(server: Resource, index: Index, *, read: Read, databases: Read, logs: Read) -> Verdict:
    """Fail where auditing is enabled and its log goes nowhere."""
    policy = _policy(server, read)
    if policy is None:
        return OFF
    return _arrives(policy, index, read, lambda: _to_monitor(server, index, policy, databases, logs))


def support_not_audited(server: Resource, index: Index, *, read: Read, databases: Read, logs: Read) -> Verdict:
    """Fail where what Microsoft's support does on a server is not audited, or its log goes nowhere."""
    policy, path = server.child(read), "properties.state"
    if policy is None:
        raise not_returned(read.path)
    state = policy.require(path)
    if same(state, "Disabled"):
        return Fail((policy.evidence(path, "Enabled"),))
    if not same(state, "Enabled"):
        raise unknown_value(f"{read.path} {path}", state)
    return _arrives(policy, index, read, lambda: _to_monitor(server, index, policy, databases, logs, SUPPORT))


def _arrives(policy: Resource, index: Index, read: Read, by_monitor: Callable[[], Verdict]) -> Verdict:
    """Fail where neither a storage account that exists nor Azure Monitor gets the log of a policy."""
    gone: tuple[Evidence, ...] = ()
    doubt: Unread | None = None
    if _to_storage(policy, read.path):
        try:
            if _has_account(policy, index, read.path):
                return Pass((policy.evidence(ENDPOINT),))
            gone = (policy.evidence(ENDPOINT, Message("a storage account that exists")),)
        except Unread as unread:
            doubt = unread.with_traceback(None)
    verdict = by_monitor()
    if isinstance(verdict, Pass):
        return verdict
    if doubt is not None:
        return unknown(doubt, evidence=(policy.evidence(ENDPOINT),))
    if isinstance(verdict, Fail) and gone:
        return Fail((*gone, *verdict.evidence), Message("The storage account of the audit log no longer exists."))
    return verdict


def _has_account(policy: Resource, index: Index, where: str) -> bool:
    """Return whether the storage account of an auditing policy exists. Raises Unread where that is not known."""
    name = policy.text(ENDPOINT).partition("://")[2].partition(".")[0]
    if not name:
        raise unknown_value(f"{where} {ENDPOINT}", policy.get(ENDPOINT))
    subscription = policy.text(SUBSCRIPTION)
    return index.exists_by_name(ACCOUNTS, name, "" if subscription.strip("0-") == "" else subscription)


def _to_monitor(
    server: Resource, index: Index, policy: Resource, databases: Read, logs: Read, sent: Sent = STATEMENTS
) -> Verdict:
    """Fail where Azure Monitor gets no audit log either."""
    path = "properties.isAzureMonitorTargetEnabled"
    value = policy.get(path)
    if same(value, False) or is_absent(value):
        return Fail((policy.evidence(ENDPOINT, Message("a storage account")), policy.evidence(path, True)))
    if not same(value, True):
        return unknown(unknown_value(f"{sent.where} {path}", value))
    children = server.children(databases)
    master = next((each for each in children if same(each.name, "master")), None)
    if master is None:
        missing = children.gap
        return unknown(missing) if missing is not None else unknown(unknown_value("databases/master"))
    return judged(master.children(logs), index, (sent.category,), sent.groups)


def short_retention(server: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where the audit log in a storage account is deleted before 90 days. 0 days: never."""
    policy = _policy(server, read)
    if policy is None:
        return OFF
    if not _to_storage(policy):
        return NotApplicable(Message("the log does not go to a storage account: its destination keeps it"))
    path = "properties.retentionDays"
    days = policy.require(path)
    if isinstance(days, bool) or not isinstance(days, int):
        return unknown(unknown_value(f"auditingSettings/default {path}", days))
    seen = (policy.evidence(path, Message("90, or 0 without expiry")),)
    return Pass(seen) if days == 0 or days >= DAYS else Fail(seen)


def groups_missing(server: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where sign-ins or statements are not audited."""
    policy = _policy(server, read)
    if policy is None:
        return OFF
    groups = policy.require(GROUPS)
    if not isinstance(groups, list):
        return unknown(not_a_list(f"auditingSettings/default {GROUPS}"))
    lacking = [each for each in NEEDED if not any(same(each, group) for group in groups)]
    if not lacking:
        return Pass((policy.evidence(GROUPS),))
    message = Message("Not audited: {list}.", list=", ".join(lacking))
    return Fail((Evidence(GROUPS, groups, list(NEEDED)),), message)


def storage_key(server: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where the audit log is written with the key of a storage account."""
    policy = _policy(server, read)
    if policy is None:
        return OFF
    if not _to_storage(policy):
        return NotApplicable(Message("the log does not go to a storage account"))
    path = "properties.isManagedIdentityInUse"
    value = policy.require(path)
    if same(value, True):
        return Pass((policy.evidence(path),))
    return Fail((policy.evidence(path, True),)) if same(value, False) else unknown(unknown_value(path, value))
