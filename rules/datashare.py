"""Azure Data Share: who receives the shares of an account."""

from scanner.model.index import Index
from scanner.model.json_paths import is_one, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.verdict import Fail, NotApplicable, Verdict, unknown, unknown_value

from .reasons import NO_CUSTOMER_KEY, NO_LOG_CATEGORY, NO_OTHER_LOCATION, STORED_ELSEWHERE

ACCOUNT = ResourceType(
    "Microsoft.DataShare/accounts",
    api="2021-08-01",
    product=Message("Data Share account"),
    unread={
        "shares/invitations": "It gives nothing until it is accepted, and it has e-mail addresses of people.",
    },
    no_rule=NoRule(copy=NO_OTHER_LOCATION, key=NO_CUSTOMER_KEY, log=NO_LOG_CATEGORY, loss=STORED_ELSEWHERE),
)
SHARES = ACCOUNT.child("shares")
RECEIVERS = SHARES.child("providerShareSubscriptions")
STATUS = "properties.shareSubscriptionStatus"
ENDED = ("Revoked", "SourceDeleted", "Revoking")


def receiver_outside(receiver: Resource, index: Index) -> Verdict:
    """Fail where a share has an active receiver. Azure names the receiver's tenant, but not the one that shares."""
    status = receiver.require(STATUS)
    if is_one(status, ENDED):
        return NotApplicable(Message("nothing is sent any more"))
    if not same(status, "Active"):
        return unknown(unknown_value(STATUS, status))
    tenant = receiver.evidence("properties.consumerTenantName", Message("a tenant that you agreed to share with"))
    return Fail((tenant, receiver.evidence("properties.consumerName")))
