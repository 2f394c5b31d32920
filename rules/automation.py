"""Azure Automation: webhooks that start runbooks, the service of hybrid workers, and what an account stores."""

from collections.abc import Iterator
from typing import Any

from scanner.model.dates import seconds_of
from scanner.model.exposure import Exposure, closed
from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, not_returned_or_unknown, unknown
from scanner.reach.services.firewall import Firewall, firewall

from .common import host, local_auth
from .reasons import OVER_ZONES

ACCOUNT = ResourceType(
    "Microsoft.Automation/automationAccounts",
    api="2024-10-23",
    product=Message("Automation account"),
    unread={
        "connections, credentials": "Run-as accounts were retired on 30 September 2023. A connection names an application, whose roles are role assignments.",
        "hybridRunbookWorkerGroups": "A list says which machines are workers, not whether one may be.",
        "runbooks, jobs": "Content. What a runbook may do are the roles of the identity of the account.",
    },
    no_rule=NoRule(
        copy="hybrid workers are where their machines are",
        backup="no vault takes it, and runbooks are in source control or nowhere else; Azure keeps a deleted account for 30 days, without a setting",
        zone=OVER_ZONES,
    ),
)


def only(*names: str) -> Any:
    """Return what keeps of a child its name and these properties: an address of a webhook and a value are secrets."""

    def reduced(body: dict[str, Any]) -> dict[str, Any]:
        properties = body.get("properties")
        if not isinstance(properties, dict):
            return body
        return {**body, "properties": {name: properties[name] for name in names if name in properties}}

    return reduced


WEBHOOKS = ACCOUNT.child("webhooks", reduce=only("isEnabled", "expiryTime"))
VARIABLES = ACCOUNT.child("variables", reduce=only("isEncrypted"))
ENABLED, EXPIRY = "properties.isEnabled", "properties.expiryTime"
YEAR = 366 * 24 * 3600
SERVICE = "properties.automationHybridServiceUrl"

ACL = Firewall(
    empty="open",
    source="Azure Policy 955a914f: everything but false is non-compliant; recorded answers of new accounts have no such property; "
    "automation/how-to/private-link-security: with false, only private endpoints are served. An account has no address rules",
    name=Message("Public network access"),
    enabled=(True,),
    disabled=(False,),
    absent="enabled",
)
# automation/disable-local-authentication: webhooks, State Configuration and agent-based workers stop working.
KEYS = local_auth(
    ACCOUNT,
    source="automation/disable-local-authentication: the flag is false by default; Azure Policy 48c5f1cb: everything but true is "
    "non-compliant",
    message=Message("accepts access keys"),
)


def webhook_host(account: Resource) -> str:
    """Return the host of the webhooks; "" where it is not known. Webhooks of before 2020 have a host of the region.

    automation/automation-webhooks: it begins with the same id as the host of hybrid workers.
    """
    agent = host(account, SERVICE)
    return agent.replace(".jrds.", ".webhooks.", 1) if ".jrds." in agent else ""


def expired(webhook: Resource, index: Index) -> bool:
    """Return whether a webhook had expired when the scan took place. An expiry that is not known has not passed."""
    text = webhook.get(EXPIRY)
    ends, now = seconds_of(text) if isinstance(text, str) else None, seconds_of(index.taken)
    return ends is not None and now is not None and ends <= now


NO_RULE = {
    "anonymous-access": "workers and nodes sign in with a key or a token of Microsoft Entra ID, and the URL of a webhook holds a token"
}


@ACCOUNT.endpoints(
    Endpoint("agent", "data", ports=HTTPS, hosts=("properties.RegistrationUrl",), no_rule=NO_RULE),
    Endpoint("webhook/*", "app", ports=HTTPS, no_rule=NO_RULE),
    reads=(WEBHOOKS,),
)
def endpoints(account: Resource, index: Index) -> Iterator[Exposure]:
    # automation/how-to/private-link-security: the group ids of private endpoints.
    agents = firewall(account, index, ACL, groups=("DSCAndHybridWorker",))
    reach, keys = firewall(account, index, ACL, groups=("Webhook",)), KEYS.lock(account)
    title = Message("The service of hybrid workers")
    yield Exposure("agent", "data", agents, keys, display_name=title, address=host(account, SERVICE))
    webhooks, address = account.children(WEBHOOKS), webhook_host(account)
    for webhook in webhooks:
        name, what, enabled = (
            f"webhook/{webhook.name}",
            Message("The webhook {name}", name=webhook.name),
            webhook.get(ENABLED),
        )
        if same(enabled, False):
            yield closed(name, "app", Message("it is disabled"), webhook.evidence(ENABLED), display_name=what)
        elif expired(webhook, index):
            yield closed(name, "app", Message("it has expired"), webhook.evidence(EXPIRY), display_name=what)
        else:
            lock = keys if same(enabled, True) else keys.as_possible(not_returned_or_unknown(ENABLED))
            yield Exposure(name, "app", reach, lock, display_name=what, address=address)
    if webhooks.gap is not None:
        lock = keys.as_possible(webhooks.gap)
        yield Exposure("webhook/*", "app", reach, lock, display_name=Message("The webhooks"), address=address)


def long_lived(webhook: Resource, index: Index) -> Verdict:
    """Fail where an enabled webhook works for more than a year from the scan on."""
    if same(webhook.get(ENABLED), False):
        return NotApplicable(Message("it is disabled"))
    text = webhook.require(EXPIRY)
    ends, now = seconds_of(text) if isinstance(text, str) else None, seconds_of(index.taken)
    if ends is None or now is None:
        return unknown(Unread(EXPIRY, Message("it is no time")))
    if ends <= now:
        return NotApplicable(Message("it has expired"))
    seen = Evidence(EXPIRY, text[:10], Message("a year from now at the latest"))
    return Fail((seen,)) if ends - now > YEAR else Pass((seen,))
