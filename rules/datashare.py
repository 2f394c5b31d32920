"""Azure Data Share: who receives the shares of an account."""

from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.resource_type import ResourceType
from scanner.model.verdict import Fail, NotApplicable, Pass, Verdict, unknown, unknown_value

ACCOUNT = ResourceType("Microsoft.DataShare/accounts", api="2021-08-01")
SHARES = ACCOUNT.child("shares")
RECEIVERS = SHARES.child("providerShareSubscriptions")
STATUS = "properties.shareSubscriptionStatus"
ENDED = ("Revoked", "SourceDeleted", "Revoking")


def receiver_outside(receiver: Resource, index: Index) -> Verdict:
    """Fail where a share is received in another tenant than the one that shares it. Both are names, as Azure returns them."""
    status = receiver.require(STATUS)
    if any(same(status, each) for each in ENDED):
        return NotApplicable("nothing is sent any more")
    if not same(status, "Active"):
        return unknown(unknown_value(STATUS, status))
    paths = ("properties.consumerTenantName", "properties.providerTenantName")
    consumer, provider = (receiver.require(path) for path in paths)
    for path, value in zip(paths, (consumer, provider), strict=True):
        if not isinstance(value, str) or not value:
            return unknown(unknown_value(path, value))
    seen = receiver.evidence(paths[0], provider)
    return Pass((seen,)) if same(consumer, provider) else Fail((seen, receiver.evidence("properties.consumerName")))
