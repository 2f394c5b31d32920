"""De-identification services of Azure Health Data Services: texts about patients, sent to one address."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Exposure
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.reach.services.firewall import Firewall, firewall

from .common import host
from .reasons import NO_CALLER_LOG, NO_CUSTOMER_KEY, NO_OTHER_LOCATION, STORED_ELSEWHERE

SERVICE = ResourceType(
    "Microsoft.HealthDataAIServices/deidServices",
    api="2024-09-20",
    product=Message("De-identification service"),
    no_rule=NoRule(copy=NO_OTHER_LOCATION, key=NO_CUSTOMER_KEY, log=NO_CALLER_LOG, loss=STORED_ELSEWHERE),
)
ACL = Firewall(
    empty="open",
    source="Azure Policy c5f34731: an absent switch is non-compliant, as everything but Disabled",
    name=Message("Public network access"),
    absent="enabled",
)


# healthcare-apis/deidentification/manage-access-rbac: every call carries a token of Microsoft Entra ID.
@SERVICE.endpoints(
    Endpoint("deid", "data", ports=HTTPS, no_rule="every call carries a token of Microsoft Entra ID"),
)
def endpoints(service: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "deid",
        "data",
        firewall(service, index, ACL),
        IDENTITY,
        display_name=Message("The de-identification service"),
        address=host(service, "properties.serviceUrl"),
    )
