"""Webhooks of action groups. Their URLs are secrets: scheme and host alone are kept, and shown."""

from typing import Any

from scanner.model.fix import Cause, Edit, changed
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, member, same, spelled
from scanner.model.message import Message
from scanner.model.origins import origin
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Verdict, not_returned, unknown, unknown_value

PATH = "properties.webhookReceivers"
URL = "serviceUri"
TOKEN = "useAadAuth"
NO_WEBHOOK = Message("it has no webhook")
TO_HTTPS = Message(
    "Set a URL that begins with https:// in the webhook: Monitor > Alerts > Action groups > the group > Edit > Actions."
)
TO_TOKEN = Message(
    "Let the webhook sign in: Monitor > Alerts > Action groups > the group > Edit > Actions > Secure webhook, with an application of "
    "Microsoft Entra ID whose tokens the receiver checks."
)


def plain_http(group: Resource, index: Index) -> Verdict:
    """Fail where a webhook sends alerts over HTTP."""
    webhooks = group.items(PATH)
    if not webhooks:
        return NotApplicable(NO_WEBHOOK)
    plain = [each for each in webhooks if scheme(each) == "http"]
    if plain:
        return Fail(tuple(shown(each, URL, "https://") for each in plain), causes=_causes(group, webhooks, plain, URL))
    if any(scheme(each) != "https" for each in webhooks):
        return unknown(not_returned(f"{PATH}[].{URL}", Message("its scheme")))
    return Pass(tuple(shown(each, URL) for each in webhooks))


def without_token(group: Resource, index: Index) -> Verdict:
    """Fail where a webhook sends no token of Microsoft Entra ID.

    An absent switch is off: azure-rest-api-specs, WebhookReceiver 2023-01-01: false by default.
    """
    webhooks = group.items(PATH)
    if not webhooks:
        return NotApplicable(NO_WEBHOOK)
    values = [(each, member(each, TOKEN)) for each in webhooks]
    off = [each for each, value in values if is_absent(value) or same(value, False)]
    if off:
        return Fail(tuple(shown(each, TOKEN, True) for each in off), causes=_causes(group, webhooks, off, TOKEN))
    strange = next((value for _, value in values if not same(value, True)), None)
    if strange is not None:
        return unknown(unknown_value(f"{PATH}[].{TOKEN}"))
    return Pass(tuple(shown(each, TOKEN) for each in webhooks))


def scheme(webhook: Any) -> str:
    """Return the scheme of the URL of a webhook, in lower case; "" where it is not known."""
    return origin(member(webhook, URL)).partition("://")[0].lower()


def shown(webhook: Any, name: str, expected: object = None) -> Evidence:
    """Return the evidence of a webhook: its name, and the origin of its URL or another member."""
    value = origin(member(webhook, URL)) if name == URL else member(webhook, name) is True
    return Evidence(f"{PATH}[{spelled(member(webhook, 'name'))}].{name}", value, expected)


def _causes(group: Resource, webhooks: list[Any], failing: list[Any], name: str) -> tuple[Cause, ...]:
    words = TO_HTTPS if name == URL else TO_TOKEN
    causes = []
    for position, each in enumerate(webhooks):
        if any(each is one for one in failing) and isinstance(each, dict):
            value = f"https://{origin(member(each, URL)).partition('://')[2]}" if name == URL else True
            effect = (Edit(group.id, PATH, changed(each, Edit(group.id, name, value)), each),)
            causes.append(Cause(group.id, PATH, each, position=position, words=(words,), effect=effect))
    return tuple(causes)
