"""Application Gateway for Containers: frontends. What they publish, and who may call it, is in Kubernetes."""

from collections.abc import Iterator

from scanner.model.bulk_reads import GraphRows
from scanner.model.exposure import Auth, Exposure, Hop, Reach, grant, possible, replace, unread
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTP_AND_HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_returned,
    unknown,
    unknown_value,
)
from scanner.reach.rules.sources import source_hop

from .reasons import FROM_TEMPLATE, NO_DATA_AT_REST, NO_OTHER_LOCATION
from .waf_effect import GATEWAY_POLICY
from .waf_links import Published, protected

CONTROLLER = ResourceType(
    "Microsoft.ServiceNetworking/trafficControllers",
    api="2025-01-01",
    product=Message("Application Gateway for Containers"),
    no_rule=NoRule(copy=NO_OTHER_LOCATION, key=NO_DATA_AT_REST, loss=FROM_TEMPLATE),
)
FRONTENDS = CONTROLLER.child("frontends", graph=GraphRows(holds=("properties.fqdn",)))
POLICIES = CONTROLLER.child("securityPolicies", graph=GraphRows(holds=("properties.wafPolicy.id",)))

IN_KUBERNETES = Unread(
    Message("the routes of the frontend"), Message("they are in Kubernetes, which this scan does not read")
)
PUBLIC = Message("a public name without address rules")
WAF = "properties.wafPolicy.id"


# application-gateway/for-containers/overview: a frontend has a public name; gateways, listeners and routes are resources
# of Kubernetes. Address rules are in preview versions of the API alone, and Kubernetes says what they apply to.
@CONTROLLER.endpoints(
    Endpoint(
        "frontend/*",
        "app",
        ports=HTTP_AND_HTTPS,
        no_rule={"authentication": "credentials are checked behind the frontend, in Kubernetes"},
    ),
    reads=(FRONTENDS,),
)
def endpoints(controller: Resource, index: Index) -> Iterator[Exposure]:
    frontends = controller.children(FRONTENDS)
    for each in frontends:
        reach = grant(Reach.internet, Evidence("network", Message("no setting of the gateway limits it")))
        yield Exposure(
            f"frontend/{each.name}",
            "app",
            replace(reach, hops=(source_hop(reach), Hop("switch", "Frontend", PUBLIC))),
            possible(Auth.anonymous, IN_KUBERNETES),
            display_name=Message("The frontend {name}", name=each.name),
            subject=each,
            address=text_at(each.body, "properties.fqdn"),
        )
    if frontends.gap is not None:
        yield unread("frontend/*", "app", frontends.gap, Message("The frontends"))


def without_waf(controller: Resource, index: Index) -> Verdict:
    """Fail where no security policy names a WAF policy, or one names a policy that does not block. With one that blocks
    it is not known whether each route uses it, because the routes are in Kubernetes.
    """
    frontends = controller.children(FRONTENDS)
    if not list(frontends) and frontends.gap is None:
        return NotApplicable(Message("it has no frontend"))
    children = controller.children(POLICIES)
    values = {each.name: each.get(WAF) for each in children}
    strange = [value for value in values.values() if not is_absent(value) and not isinstance(value, str)]
    named = [Published(name, value) for name, value in values.items() if isinstance(value, str) and value]
    path = f"securityPolicies[].{WAF}"
    verdict = protected(named, GATEWAY_POLICY, index, NOTHING)
    if isinstance(verdict, Fail):
        return verdict
    children.all()
    if strange:
        return unknown(unknown_value(path, strange[0]))
    if named and len(named) < len(values):
        return unknown(not_returned(path))
    if not named:
        return Fail((Evidence("securityPolicies", list(values), Message("one with a WAF policy")),))
    if not isinstance(verdict, Pass):
        return verdict
    return unknown(Unread(Message("the routes that use the WAF policy"), IN_KUBERNETES.why), evidence=verdict.evidence)


NOTHING = Cause("")
"""A policy that is named is attached."""
