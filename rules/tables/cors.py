"""Cross-origin requests (CORS): from which websites a browser may send calls, and read the answers."""

import functools
from typing import Any, NamedTuple

from scanner.model.checks import check_child
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_list_of_texts, same
from scanner.model.message import Message
from scanner.model.origins import is_any_website
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
from scanner.model.severity import Severity
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_a_list,
    unknown,
    unknown_value,
)

ANY = "*"
PUB_SUB = "Microsoft.SignalRService/webPubSub"
NO_SERVICE = Message("it has no such service")
NONE = Message("no other origin is allowed")
INTENDED = Message("the intended origins")
WITH_SIGN_IN = Message("Any website may send requests with the visitor's sign-in, and read the answers.")


class Origins(NamedTuple):
    """Where a type has its allowed origins.

    `path`: a list, or LIST[].PROPERTY for rules that each have one. `credentials`: the switch beside it that lets
    requests carry the sign-in of the visitor. `absent`: what no list means. `is_text`: the origins are one
    text with commas.
    """

    path: str
    credentials: str = ""
    absent: str = ""
    is_text: bool = False


HEALTH = Origins("properties.corsConfiguration.origins", "properties.corsConfiguration.allowCredentials")
STORAGE = Origins("properties.cors.corsRules[].allowedOrigins")
COSMOS = Origins("properties.cors[].allowedOrigins", is_text=True)
# javascript/api/@azure/arm-signalr SignalRCorsSettings.allowedOrigins: without it every origin is allowed.
SIGNALR = Origins("properties.cors.allowedOrigins", absent=ANY)
CONTAINER_APP = Origins(
    "properties.configuration.ingress.corsPolicy.allowedOrigins",
    "properties.configuration.ingress.corsPolicy.allowCredentials",
)


def any_origin(resource: Resource, index: Index, *, origins: Origins, service: Read | None = None) -> Verdict:
    """Fail where any website is an allowed origin; medium where requests may carry the sign-in of the visitor too.

    `service`: the single child that has the list.
    """
    if same(resource.type, PUB_SUB):
        return NotApplicable(Message("Web PubSub has no list of origins"))
    fact = functools.partial(_rules if "[]." in origins.path else _list, origins=origins)
    if service is None:
        return fact(resource)
    if not service.needed(resource):
        return NotApplicable(NO_SERVICE)
    return check_child(resource.child(service), service, fact, none=NO_SERVICE)


def _list(holder: Resource, origins: Origins) -> Verdict:
    value, seen = holder.get(origins.path), holder.evidence(origins.path, INTENDED)
    if is_absent(value):
        if why := holder.why_absent_is_unknown:
            return unknown(Unread(origins.path, why))
        return Fail((seen,)) if origins.absent == ANY else NotApplicable(NONE)
    matches = _origins(value, is_text=False)
    if matches is None:
        return unknown(not_a_list(origins.path), evidence=(seen,))
    if not any(map(is_any_website, matches)):
        return Pass((seen,)) if matches else NotApplicable(NONE)
    if not origins.credentials or holder.get(origins.credentials) is not True:
        return Fail((seen,))
    return Fail((seen, holder.evidence(origins.credentials, False)), WITH_SIGN_IN, Severity.medium)


def _rules(holder: Resource, origins: Origins) -> Verdict:
    rules, path = origins.path.split("[].", 1)
    entries = holder.get(rules)
    if is_absent(entries):
        why = holder.why_absent_is_unknown
        return unknown(Unread(rules, why)) if why else NotApplicable(NONE)
    if not isinstance(entries, list):
        return unknown(not_a_list(rules))
    matches = [(get_path(each, path), _origins(get_path(each, path), is_text=origins.is_text)) for each in entries]
    named = [origin for _, each in matches for origin in each or ()]
    seen = Evidence(origins.path, named, INTENDED)
    if any(map(is_any_website, named)):
        return Fail((seen,))
    strange = next((value for value, each in matches if each is None), None)
    if any(each is None for _, each in matches):
        return unknown(unknown_value(origins.path, strange))
    return Pass((seen,)) if named else NotApplicable(NONE)


def _origins(value: Any, *, is_text: bool) -> list[str] | None:
    """Return the origins of a list, or of a text with commas; None for a value of another form."""
    if is_text:
        return [each for piece in value.split(",") if (each := piece.strip())] if isinstance(value, str) else None
    return list(value) if isinstance(value, list) and (not value or is_list_of_texts(value)) else None
