"""App Service plans: the machines that apps run on."""

from scanner.model.index import Index
from scanner.model.json_paths import is_one
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.verdict import Fail, NotApplicable, Pass, Verdict, unknown_value

from .reasons import FROM_TEMPLATE, NO_CALLER_LOG

PLAN = ResourceType(
    "Microsoft.Web/serverfarms",
    api="2025-03-01",
    unread={
        "maximumElasticWorkerCount": "It is always set. Where a plan scales by rules, the maximum of a profile is required (Microsoft.Insights/autoscalesettings).",
    },
    no_rule=NoRule(data="it is the machines of apps, whose region is evaluated", log=NO_CALLER_LOG, loss=FROM_TEMPLATE),
)
# app-service/overview-hosting-plans: a plan of these tiers is billed by use, or not at all.
UNBILLED = ("Free", "Shared", "Dynamic", "FlexConsumption")


def empty_plan(plan: Resource, index: Index) -> Verdict:
    """Fail where no app uses a plan that is billed by the hour."""
    tier = plan.require("sku.tier")
    if not isinstance(tier, str):
        raise unknown_value("sku.tier", tier)
    if is_one(tier, UNBILLED):
        return NotApplicable(Message("a plan of this tier costs nothing without apps"))
    path = "properties.numberOfSites"
    count = plan.require(path)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise unknown_value(path, count)
    seen = plan.evidence(path, Message("one or more"))
    return Pass((seen,)) if count else Fail((seen,))
