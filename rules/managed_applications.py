"""Managed applications: what their publisher may do in your subscription."""

from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same, spelled
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    malformed,
    not_returned_or_unknown,
    unknown_value,
)

from .reasons import FROM_TEMPLATE, NO_CALLER_LOG

APPLICATION = ResourceType(
    "Microsoft.Solutions/applications",
    api="2021-07-01",
    product=Message("Managed application"),
    no_rule=NoRule(data="what it made are resources of their own", log=NO_CALLER_LOG, loss=FROM_TEMPLATE),
)
MODE = "properties.managementMode"
RIGHTS = "properties.authorizations"
JIT = "properties.jitAccessPolicy.jitAccessEnabled"
APPROVAL = "properties.jitAccessPolicy.jitApprovalMode"
PUBLISHER = "properties.publisherTenantId"


def publisher_rights(application: Resource, index: Index) -> Verdict:
    """Fail where a publisher of another tenant has standing rights in the application's resource group."""
    if same(application.get(MODE), "Unmanaged"):
        return NotApplicable(Message("its publisher does not manage it"))
    rights = application.items(RIGHTS)
    if not rights:
        if is_absent(application.get(RIGHTS)) and application.api_version_unknown:
            raise absent_at_unknown_version(RIGHTS)
        if not isinstance(application.require("properties.provisioningState"), str):
            raise malformed("properties.provisioningState")
        return Pass((Evidence(RIGHTS, []),))
    publisher = application.require(PUBLISHER)
    home = index.subscriptions.get(application.subscription, "")
    if not home:
        raise Unread(Message("the tenant of the subscription"), Message("not collected"))
    if not isinstance(publisher, str):
        raise unknown_value(PUBLISHER, publisher)
    if index.same_owner(publisher, home):
        return NotApplicable(Message("its publisher is in your own tenant"))
    if same(application.get(JIT), True):
        return _approved(application)
    roles = Evidence(f"{RIGHTS}[].roleDefinitionId", [spelled(get_path(each, "roleDefinitionId")) for each in rights])
    return Fail((application.evidence(PUBLISHER, home), roles, application.evidence(JIT, True)))


def _approved(application: Resource) -> Verdict:
    """Return the verdict on just-in-time access: someone must approve each request."""
    mode, seen = application.get(APPROVAL), application.evidence(APPROVAL, "ManualApprove")
    if same(mode, "ManualApprove"):
        return Pass((application.evidence(JIT), seen))
    if same(mode, "AutoApprove"):
        return Fail((seen,), Message("Each request of the publisher is approved by itself."))
    raise not_returned_or_unknown(APPROVAL)
