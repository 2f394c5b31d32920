"""Deployment scripts: what they leave behind, and where their container runs."""

from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import NoRule, ResourceType
from scanner.model.verdict import Evidence, Fail, Pass, Unread, Verdict, unknown_value

from .reasons import FROM_TEMPLATE, NO_CALLER_LOG, NO_CUSTOMER_KEY, NO_OTHER_LOCATION

SCRIPT = ResourceType(
    "Microsoft.Resources/deploymentScripts",
    api="2023-08-01",
    product=Message("Deployment script"),
    unread={
        "outputs, environment variables": "They may hold secrets. No rule reads them, so no snapshot keeps them.",
    },
    no_rule=NoRule(copy=NO_OTHER_LOCATION, key=NO_CUSTOMER_KEY, log=NO_CALLER_LOG, loss=FROM_TEMPLATE),
)
SUBNETS = "properties.containerSettings.subnetIds"


def outside_network(script: Resource, index: Index) -> Verdict:
    """Fail where the container of a script has a network of Azure's."""
    if is_absent(script.get(SUBNETS)) and script.why_absent_is_unknown:
        raise Unread(SUBNETS, script.why_absent_is_unknown)
    ids = [get_path(each, "id") for each in script.objects(SUBNETS)]
    strange = [each for each in ids if not isinstance(each, str) or not each.startswith("/")]
    if strange:
        raise unknown_value(f"{SUBNETS}[].id", strange[0])
    subnets = [str(each) for each in ids]
    seen = Evidence(SUBNETS, subnets, Message("a subnet of yours"))
    return Pass((seen,)) if subnets else Fail((seen,))
