"""Front Door and classic CDN: unencrypted traffic from clients and to origins, and names of certificates."""

from typing import Any

from scanner.model.bulk_reads import GraphRows
from scanner.model.checks import check_value
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, is_list_of_texts, known_objects, known_text, same, value_at
from scanner.model.resource import Resource
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_a_list,
    not_returned,
    unknown,
    unknown_value,
)

from . import network
from .common import rows


def is_cdn(profile: Resource) -> bool:
    """Return whether the profile is a classic CDN."""
    return not network.is_front_door(profile)


CDN_ENDPOINTS = network.PROFILE.child("endpoints", when=is_cdn, always=True, graph=GraphRows(tracked=True))
CDN_DOMAINS = CDN_ENDPOINTS.child("customDomains")

DISABLED = "it is disabled"
STATE = "properties.enabledState"
PROTOCOLS = "properties.supportedProtocols"
REDIRECT = "properties.httpsRedirect"
FORWARDING = "properties.forwardingProtocol"


# Front Door Standard and Premium


def accepts_http(resource: Resource, path: str) -> bool:
    """Return whether a list of protocols has HTTP. Raises Unread for one that is not known."""
    value = resource.require(path)
    if not is_list_of_texts(value) or not value:
        raise not_a_list(path)
    return any(same(each, "Http") for each in value)


def redirects(route: Resource) -> bool:
    """Return whether a route answers HTTP with a redirect to HTTPS."""
    value = route.require(REDIRECT)
    if not (same(value, "Enabled") or same(value, "Disabled")):
        raise unknown_value(REDIRECT, value)
    return same(value, "Enabled")


def route_plain_http(route: Resource, index: Index) -> Verdict:
    """Fail where a route serves HTTP. A rule set of the route may redirect instead, which is not read."""
    if same(route.get(STATE), "Disabled"):
        return NotApplicable(DISABLED)
    if not accepts_http(route, PROTOCOLS):
        return Pass((route.evidence(PROTOCOLS, ["Https"]),))
    if redirects(route):
        return Pass((route.evidence(REDIRECT, "Enabled"),))
    seen = (route.evidence(REDIRECT, "Enabled"), route.evidence(PROTOCOLS))
    if route.items("properties.ruleSets"):
        return unknown(Unread("properties.ruleSets", "a rule set may redirect to HTTPS"), evidence=seen)
    return Fail(seen)


def route_plain_origin(route: Resource, index: Index) -> Verdict:
    """Fail where Front Door calls origins over HTTP: always, or where the client does."""
    if same(route.get(STATE), "Disabled"):
        return NotApplicable(DISABLED)
    value, seen = route.require(FORWARDING), route.evidence(FORWARDING, "HttpsOnly")
    if same(value, "HttpsOnly"):
        return Pass((seen,))
    if same(value, "HttpOnly"):
        return Fail((seen,))
    if not same(value, "MatchRequest"):
        return unknown(unknown_value(FORWARDING, value), evidence=(seen,))
    if not accepts_http(route, PROTOCOLS) or redirects(route):
        return Pass((seen, route.evidence(PROTOCOLS)))
    return Fail((seen, route.evidence(PROTOCOLS)))


# Front Door (classic)

RULES = "properties.routingRules"
ENGINE = "properties.rulesEngine.id"


def _live_rules(front_door: Resource) -> list[Any]:
    return [each for each in rows(front_door, RULES) if not same(value_at(each, STATE), "Disabled")]


def _forwards(rule: Any) -> bool:
    """Return whether a routing rule forwards. Raises Unread for one that neither forwards nor redirects."""
    to = "properties.routeConfiguration"
    if isinstance(value_at(rule, f"{to}.redirectType"), str):
        return False
    if not known_text(rule, f"{to}.backendPool.id"):
        raise not_returned(f"{RULES}[].{to}.backendPool.id")
    return True


def _named(rule: Any) -> str:
    name = value_at(rule, "name")
    return name if isinstance(name, str) else str(value_at(rule, "id")).rsplit("/", 1)[-1]


def _http(rule: Any) -> bool:
    path = "properties.acceptedProtocols"
    value = value_at(rule, path)
    if not is_list_of_texts(value) or not value:
        raise not_a_list(f"{RULES}[].{path}") if not is_absent(value) else not_returned(f"{RULES}[].{path}")
    return any(same(each, "Http") for each in value)


def classic_plain_http(front_door: Resource, index: Index) -> Verdict:
    """Fail where a routing rule forwards HTTP. A rules engine may redirect instead, which is not read."""
    live, path = _live_rules(front_door), f"{RULES}[].properties.acceptedProtocols"
    plain = [each for each in live if _http(each) and _forwards(each)]
    if not plain:
        return Pass((Evidence(path, [_named(each) for each in live]),))
    seen = (Evidence(path, [_named(each) for each in plain], "Https, or a redirect"),)
    sure = [each for each in plain if is_absent(value_at(each, "properties.rulesEngine"))]
    if not sure:
        return unknown(Unread(f"{RULES}[].{ENGINE}", "a rules engine may redirect to HTTPS"), evidence=seen)
    return Fail(seen)


def classic_plain_origin(front_door: Resource, index: Index) -> Verdict:
    """Fail where Front Door calls a back end over HTTP: always, or where the client does."""
    path = "properties.routeConfiguration.forwardingProtocol"
    live = [each for each in _live_rules(front_door) if _forwards(each)]
    if not live:
        return NotApplicable("no routing rule forwards")
    plain, strange = [], []
    for each in live:
        value = value_at(each, path)
        if same(value, "HttpOnly") or (same(value, "MatchRequest") and _http(each)):
            plain.append(each)
        elif not same(value, "HttpsOnly") and not same(value, "MatchRequest"):
            strange.append(not_returned(path) if is_absent(value) else unknown_value(path, value))
    if plain:
        return Fail((Evidence(f"{RULES}[].{path}", [_named(each) for each in plain], "HttpsOnly"),))
    if strange:
        return unknown(*strange)
    return Pass((Evidence(f"{RULES}[].{path}", [str(value_at(each, path)) for each in live], "HttpsOnly"),))


# Classic CDN

HTTP_ALLOWED = "properties.isHttpAllowed"
DELIVERY = "properties.deliveryPolicy.rules"


def cdn_plain_http(endpoint: Resource, index: Index) -> Verdict:
    """Fail where an endpoint serves HTTP and no delivery rule redirects every such request."""
    if same(endpoint.get("properties.resourceState"), "Stopped"):
        return NotApplicable("it is stopped")
    value, seen = endpoint.get(HTTP_ALLOWED), endpoint.evidence(HTTP_ALLOWED, False)
    if value is False:
        return Pass((seen,))
    # azure-mgmt-cdn Endpoint.isHttpAllowed: true by default.
    if value is not True and (not is_absent(value) or endpoint.has_no_properties):
        return unknown(unknown_value(HTTP_ALLOWED, value), evidence=(seen,))
    for each in known_objects(endpoint.body, DELIVERY):
        if _redirects_all(each):
            return Pass((seen, Evidence(DELIVERY, str(value_at(each, "name")), "a redirect to HTTPS")))
    return Fail((seen,))


HTTPS = "properties.customHttpsProvisioningState"


def cdn_domain_plain(domain: Resource, index: Index) -> Verdict:
    """Fail where no certificate is deployed for a custom domain. While one is issued, the verdict is unknown."""
    return check_value(domain, HTTPS, good=("Enabled",), bad=("Disabled", "Disabling", "Failed"))


def _redirects_all(rule: Any) -> bool:
    """Return whether a delivery rule redirects each request over HTTP, or each request."""
    conditions, actions = known_objects(rule, "conditions"), known_objects(rule, "actions")
    to_https = any(
        same(value_at(each, "name"), "UrlRedirect") and same(get_path(each, "parameters.destinationProtocol"), "Https")
        for each in actions
    )
    return to_https and bool(conditions) and all(_is_http(each) for each in conditions)


def _is_http(condition: Any) -> bool:
    values = get_path(condition, "parameters.matchValues")
    negated = get_path(condition, "parameters.negateCondition")
    return (
        same(value_at(condition, "name"), "RequestScheme")
        and isinstance(values, list)
        and len(values) == 1
        and same(values[0], "HTTP")
        and (is_absent(negated) or negated is False)
    )
