"""Azure Communication Services (chat, calls, SMS, e-mail) and their e-mail services."""

from collections.abc import Iterator

from scanner.model.exposure import Exposure
from scanner.model.index import Index
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import Fail, Pass, Unread, Verdict, unknown, unknown_value
from scanner.reach.services.firewall import Firewall, firewall

from .common import host, local_auth
from .reasons import FROM_TEMPLATE, NAMES_A_GEOGRAPHY, NO_CALLER_LOG, NO_CUSTOMER_KEY, NO_ZONES, PASSED_ON

# The first stable version with publicNetworkAccess, eight months old.
API = "2026-03-18"
SERVICE = ResourceType(
    "Microsoft.Communication/communicationServices",
    api=API,
    product=Message("Communication Services"),
    no_rule=NoRule(region=NAMES_A_GEOGRAPHY, key=NO_CUSTOMER_KEY, backup=PASSED_ON, zone=NO_ZONES),
)
SMTP_USERS = SERVICE.child("smtpUsernames")
EMAIL = ResourceType(
    "Microsoft.Communication/emailServices",
    api=API,
    product=Message("E-mail service"),
    unread={
        "domains": "No endpoint; its geography is that of the service. Tracking of recipients is a question of privacy.",
    },
    no_rule=NoRule(region=NAMES_A_GEOGRAPHY, key=NO_CUSTOMER_KEY, log=NO_CALLER_LOG, loss=FROM_TEMPLATE),
)
ACL = Firewall(
    empty="open",
    source="bicep-types-az Microsoft.Communication 2026-03-18: the value of publicNetworkAccess is optional. Versions before "
    "it had no network setting at all, so an absent one counts as enabled",
    name=Message("Public network access"),
    absent="enabled",
    # The type has neither private endpoints nor address rules: a network security perimeter alone allows callers.
    endpoints=None,
)
KEYS = local_auth(
    SERVICE,
    source="Azure Policy fc264132: everything but true is non-compliant",
    message=Message("accepts access keys"),
)


# The SMTP server (smtp.azurecomm.net) is no endpoint of the resource: all customers share it, no setting closes it, and a
# login is an application of Microsoft Entra ID (communication-services/quickstarts/email/send-email-smtp/smtp-authentication).
@SERVICE.endpoints(
    Endpoint(
        "api",
        "data",
        ports=HTTPS,
        no_rule={"anonymous-access": "every call carries a key, a token of a user or a token of Microsoft Entra ID"},
    ),
)
def endpoints(service: Resource, index: Index) -> Iterator[Exposure]:
    yield Exposure(
        "api",
        "data",
        firewall(service, index, ACL),
        KEYS.lock(service),
        display_name=Message("The Communication Services API"),
        address=host(service, "properties.hostName"),
    )


def foreign_application(user: Resource, index: Index) -> Verdict:
    """Fail where the application of an SMTP login is of an external tenant."""
    tenant = user.require("properties.tenantId")
    if not isinstance(tenant, str) or not tenant:
        return unknown(unknown_value("properties.tenantId", tenant))
    home = index.subscriptions.get(user.subscription, "")
    if not home:
        return unknown(Unread(Message("the tenant of the subscription"), Message("not collected")))
    if index.same_owner(tenant, home):
        return Pass((user.evidence("properties.tenantId"),))
    return Fail((user.evidence("properties.tenantId", home), user.evidence("properties.entraApplicationId")))
