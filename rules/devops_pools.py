"""Managed DevOps pools: which projects may use the agents, and the network that their jobs run in."""

from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, unknown_value

from .reasons import FROM_TEMPLATE, NO_CALLER_LOG, NO_CUSTOMER_KEY, NO_OTHER_LOCATION

POOL = ResourceType(
    "Microsoft.DevOpsInfrastructure/pools",
    api="2025-09-20",
    product=Message("DevOps pool"),
    unread={
        "maximumConcurrency": "It is required.",
    },
    no_rule=NoRule(copy=NO_OTHER_LOCATION, key=NO_CUSTOMER_KEY, log=NO_CALLER_LOG, loss=FROM_TEMPLATE),
)
KIND = "properties.organizationProfile.kind"
ORGANIZATIONS = "properties.organizationProfile.organizations"


def open_access(pool: Resource, index: Index) -> Verdict:
    """Fail where every pipeline of the projects that have a pool may use it without being authorized.

    An absent openAccess is false: azure-rest-api-specs, Organization.openAccess.
    """
    kind = pool.require(KIND)
    if same(kind, "GitHub"):
        return NotApplicable(Message("it is a pool of GitHub"))
    if not same(kind, "AzureDevOps"):
        raise unknown_value(KIND, kind)
    organizations = pool.objects(ORGANIZATIONS)
    if not organizations:
        raise Unread(ORGANIZATIONS, Message("Azure returned no organization"))
    path = f"{ORGANIZATIONS}[].openAccess"
    values = [get_path(each, "openAccess") for each in organizations]
    if any(same(each, True) for each in values):
        return Fail((Evidence(path, values, False),))
    if all(is_absent(each) or same(each, False) for each in values):
        if pool.api_version_unknown:
            raise Unread(path, pool.why_absent_is_unknown)
        return Pass((Evidence(path, [False for _ in values]),))
    raise unknown_value(path, next(each for each in values if not is_absent(each) and not same(each, False)))
