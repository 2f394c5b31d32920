"""Azure Monitor's action groups: whether a group notifies someone.

The address of a receiver is personal data, and the URL of a webhook is a secret. Of a receiver is read that it is there,
and of e-mail and SMS receivers whether they are enabled.
"""

from collections.abc import Iterable
from typing import Any

from scanner.model.fix import Cause
from scanner.model.ids import segments, type_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, member, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    Pass,
    Unread,
    Verdict,
    malformed,
    not_a_list,
    not_listed,
    not_returned,
    unknown_value,
)

from .reasons import FROM_TEMPLATE

GROUP = ResourceType(
    "Microsoft.Insights/actionGroups",
    api="2023-01-01",
    no_rule=NoRule(
        data="it holds no customer data: those it notifies are named in it",
        log="not evaluated: its diagnostic settings",
        loss=FROM_TEMPLATE,
    ),
)
ENABLED = "properties.enabled"
RECEIVERS = "receivers"
WITH_STATUS = ("emailReceivers", "smsReceivers")
"""The receivers that have a status: one that unsubscribed is Disabled (azure-rest-api-specs, ReceiverStatus)."""
ADD_RECEIVER = Message(
    "Add a receiver to the action group: Monitor > Alerts > Action groups > the group > Edit > Notifications, and set "
    "Enabled. A receiver that unsubscribed must subscribe again by itself."
)


def silence(group: Resource) -> Evidence | None:
    """Return why an action group notifies no one; None where it notifies someone. Raises Unread.

    azure-rest-api-specs, ActionGroup 2023-01-01: none of the receivers of a group that is not enabled gets anything.
    """
    enabled = group.require(ENABLED)
    if same(enabled, False):
        return Evidence(ENABLED, enabled, True)
    if not same(enabled, True):
        raise unknown_value(ENABLED, enabled)
    return _no_receiver(group)


def _no_receiver(group: Resource) -> Evidence | None:
    """Return that no receiver of a group gets anything; None where one does. A list of an unknown kind counts."""
    properties = group.require("properties")
    if not isinstance(properties, dict):
        raise malformed("properties")
    lists = {name: each for name, each in properties.items() if name.lower().endswith(RECEIVERS)}
    if not lists:
        raise not_returned("properties.*Receivers", Message("the receivers"))
    off: list[Any] = []
    for name, receivers in lists.items():
        if is_absent(receivers):
            continue
        if not isinstance(receivers, list):
            raise not_a_list(f"properties.{name}")
        has_status = any(same(name, each) for each in WITH_STATUS)
        known = [each for each in receivers if isinstance(each, dict)]
        strange = [each for each in known if has_status and not _is_status(member(each, "status"))]
        silent = [each for each in known if has_status and same(member(each, "status"), "Disabled")]
        if len(silent) + len(strange) < len(known):
            return None
        if strange or len(known) < len(receivers):
            raise malformed(f"properties.{name}")
        off += silent
    if off:
        return Evidence(
            RECEIVERS, Message("{off}, each with the status Disabled", off=len(off)), Message("one that is enabled")
        )
    return Evidence(RECEIVERS, "none", Message("at least one"))


def _is_status(value: object) -> bool:
    return is_absent(value) or isinstance(value, str)


def notifies_no_one(group: Resource, index: Index) -> Verdict:
    """Fail where an action group is disabled, or has no receiver that is enabled."""
    fault = silence(group)
    if fault is None:
        return Pass((group.evidence(ENABLED),))
    if fault.path == ENABLED and _no_receiver(group) is None:
        return Fail((fault,))
    return Fail((fault,), causes=(Cause(group.id, "properties.emailReceivers", words=(ADD_RECEIVER,)),))


def unheard(groups: Iterable[str], index: Index) -> Evidence | None:
    """Return why none of these action groups (ids) notifies anyone; None where one does, or none is given.

    Raises Unread where that is not known, as with a group in a subscription that the scan does not see.
    """
    evidence: Evidence | None = None
    missing: Unread | None = None
    for id in groups:
        try:
            fault = _silence_of(id, index)
        except Unread as unread:
            missing = missing or unread.with_traceback(None)
            continue
        if fault is None:
            return None
        evidence = evidence or fault
    if missing is not None:
        raise missing
    return evidence


def _silence_of(id: str, index: Index) -> Evidence | None:
    if not same(type_of(id), GROUP.type):
        raise unknown_value(Message("action group"), id)
    group = index.resources.get("/" + "/".join(segments(id)))
    if group is not None:
        fault = silence(group)
        return None if fault is None else Evidence(f"{group.id} {fault.path}", fault.value, fault.expected)
    if index.exists(id):
        raise not_listed(id)
    return Evidence(id, Message("it does not exist"), Message("an action group that exists"))
