"""Front Door and classic CDN: unencrypted traffic from clients and to origins, and names of certificates."""

from collections.abc import Iterator
from typing import Any

from scanner.model.bulk_reads import GraphRows
from scanner.model.checks import check_value
from scanner.model.fix import Cause
from scanner.model.ids import name_of, normalized_id
from scanner.model.index import Index
from scanner.model.json_paths import (
    get_path,
    is_absent,
    is_list_of_texts,
    is_one,
    known_objects,
    known_text,
    same,
    spelled,
    value_at,
)
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    malformed,
    not_a_list,
    not_returned,
    unknown,
    unknown_value,
)

from . import network
from .common import NOT_FORWARDING, rows


def is_cdn(profile: Resource) -> bool:
    """Return whether the profile is a classic CDN."""
    return not network.is_front_door(profile)


CDN_ENDPOINTS = network.PROFILE.child("endpoints", when=is_cdn, always=True, graph=GraphRows())
CDN_DOMAINS = CDN_ENDPOINTS.child("customDomains")

DISABLED = Message("it is disabled")
STATE = "properties.enabledState"
PROTOCOLS = "properties.supportedProtocols"
REDIRECT = "properties.httpsRedirect"
DEFAULT_DOMAIN = "properties.linkToDefaultDomain"
FORWARDING = "properties.forwardingProtocol"


# Front Door Standard and Premium


def live_routes(profile: Resource) -> tuple[list[tuple[Resource, Resource]], Unread | None]:
    """Return the enabled routes of enabled endpoints, each with its endpoint, and why there may be more."""
    endpoints = profile.children(network.AFD_ENDPOINTS)
    gap, matches = endpoints.gap, []
    for endpoint in endpoints:
        if not is_enabled(endpoint):
            continue
        routes = endpoint.children(network.ROUTES)
        gap = gap or routes.gap
        matches += [(endpoint, route) for route in routes if is_enabled(route)]
    return matches, gap


def is_enabled(resource: Resource) -> bool:
    """Return whether an endpoint, route or origin is enabled. Raises Unread where that is not known."""
    value = resource.require(STATE)
    if not is_one(value, ("Enabled", "Disabled")):
        raise unknown_value(f"{resource.name} {STATE}", value)
    return same(value, "Enabled")


def domains_of(endpoint: Resource, route: Resource) -> list[tuple[str, str]]:
    """Return the domains of a route: the key and the name of the endpoint's own, and of custom ones."""
    default = route.require(DEFAULT_DOMAIN)
    if not is_one(default, ("Enabled", "Disabled")):
        raise unknown_value(DEFAULT_DOMAIN, default)
    result = [(endpoint.key, endpoint.name)] if same(default, "Enabled") else []
    route.require("properties.customDomains")
    for each in route.objects("properties.customDomains"):
        id = known_text(each, "id")
        if not id:
            raise malformed("properties.customDomains[].id")
        result.append((normalized_id(id), name_of(id)))
    return result


def why_not_served(route: Resource) -> Message:
    """Return why a route serves nothing: it, its endpoint or its profile has no effect; "" where it may."""
    if same(route.get(STATE), "Disabled"):
        return DISABLED
    endpoint = route.bundle.resources.get(route.key.rpartition("/routes/")[0])
    if endpoint is not None and same(endpoint.get(STATE), "Disabled"):
        return Message("its endpoint is disabled")
    if same(route.get(DEFAULT_DOMAIN), "Disabled") and route.get("properties.customDomains") == []:
        return Message("no domain leads to it")
    return NOTHING


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


RULE_SETS = network.PROFILE.child("ruleSets", when=network.is_front_door)
DELIVERY_RULES = RULE_SETS.child("rules")
SETS = "properties.ruleSets"
TO_HTTP = "properties.actions[].parameters.destinationProtocol"


def rules_of(route: Resource) -> tuple[list[Resource], Unread | None]:
    """Return the rules of the rule sets of a route in their order, and why there may be more."""
    resources: list[Resource] = []
    route.require(SETS)
    for named in route.objects(SETS):
        id = known_text(named, "id")
        rule_set = route.bundle.resources.get(normalized_id(id)) if id else None
        if rule_set is None:
            return resources, Unread(SETS, Message("the rule set {id} was not collected", id=name_of(id)))
        rules = rule_set.children(DELIVERY_RULES)
        if rules.gap is not None:
            return resources, rules.gap
        for each in rules:
            each.require("properties.actions")
        resources += sorted(rules, key=_order)
    return resources, None


def _order(rule: Resource) -> int:
    value = rule.require("properties.order")
    if isinstance(value, bool) or not isinstance(value, int):
        raise malformed("properties.order")
    return value


def to_http(rules: list[Resource]) -> list[Resource]:
    """Return the rules that redirect to HTTP. `MatchRequest` keeps the protocol of the client."""
    return [each for each in rules if _redirects_to(each.get("properties"), "Http")]


def redirects_http(rules: list[Resource]) -> Resource | None:
    """Return the rule that redirects every request over HTTP to HTTPS; None without one that each request meets."""
    for each in rules:
        if _redirects_all(each.get("properties")):
            return each
        if not same(each.get("properties.matchProcessingBehavior"), "Continue"):
            return None
    return None


def route_plain_http(route: Resource, index: Index) -> Verdict:
    """Fail where a route serves HTTP, or a rule of it sends visitors to HTTP."""
    why = why_not_served(route)
    if why:
        return NotApplicable(why)
    rules, gap = rules_of(route)
    bad = to_http(rules)
    if bad:
        causes = tuple(
            Cause(each.id, TO_HTTP, words=(Message("Let the rule {name} redirect to HTTPS.", name=each.name),))
            for each in bad
        )
        names = [each.name for each in bad]
        return Fail(
            (Evidence(TO_HTTP, names, "Https"),),
            Message("Redirects to HTTP: {list}.", list=", ".join(names)),
            causes=causes,
        )
    seen: tuple[Evidence, ...]
    if not accepts_http(route, PROTOCOLS):
        seen = (route.evidence(PROTOCOLS, ["Https"]),)
    elif redirects(route):
        seen = (route.evidence(REDIRECT, "Enabled"),)
    elif (rule := redirects_http(rules)) is not None:
        seen = (Evidence(SETS, rule.name, Message("a redirect to HTTPS")),)
    else:
        seen = (route.evidence(REDIRECT, "Enabled"), route.evidence(PROTOCOLS))
        return Fail(seen) if gap is None else unknown(gap, evidence=seen)
    return Pass(seen) if gap is None else unknown(gap, evidence=seen)


NAME_CHECK = "properties.enforceCertificateNameCheck"


def origin_name_unchecked(origin: Resource, index: Index) -> Verdict:
    """Fail where Front Door does not check the name of the certificate of an origin that it calls."""
    if same(origin.get(STATE), "Disabled"):
        return NotApplicable(DISABLED)
    verdict = check_value(origin, NAME_CHECK, good=(True,), bad=(False,))
    if isinstance(verdict, Fail) and not _is_called(origin):
        return NotApplicable(Message("no enabled route leads to its origin group"))
    return verdict


def _is_called(origin: Resource) -> bool:
    """Return whether a live route may lead to an origin: by its origin group, or by a rule, which may name another."""
    profile, group = origin.bundle.top, origin.key.rpartition("/origins/")[0]
    if profile is None:
        return True
    try:
        routes, gap = live_routes(profile)
    except Unread:
        return True
    for _, route in routes:
        named = known_text(route.body, "properties.originGroup.id")
        if not named or normalized_id(named) == group or route.get(SETS) != []:
            return True
    return gap is not None


OVERRIDE = "parameters.originGroupOverride.forwardingProtocol"


def route_plain_origin(route: Resource, index: Index) -> Verdict:
    """Fail where Front Door calls origins over HTTP: always, or where the client does. A rule may override the route."""
    why = why_not_served(route)
    if why:
        return NotApplicable(why)
    rules, gap = rules_of(route)
    overrides = [(each, text) for each in rules for text in _overrides(each)]
    value, seen = route.require(FORWARDING), route.evidence(FORWARDING, "HttpsOnly")
    if not is_one(value, ("HttpsOnly", "HttpOnly", "MatchRequest")):
        return unknown(unknown_value(FORWARDING, value), evidence=(seen,))
    plain = [each for each, text in overrides if same(text, "HttpOnly")]
    as_called = same(value, "MatchRequest") or any(same(text, "MatchRequest") for _, text in overrides)
    if plain:
        names = [each.name for each in plain]
        causes = tuple(
            Cause(each.id, OVERRIDE, words=(Message("Let the rule {name} forward over HTTPS only.", name=each.name),))
            for each in plain
        )
        return Fail(
            (Evidence(f"{SETS}[].{OVERRIDE}", names, "HttpsOnly"),),
            Message("A rule calls origins over HTTP: {list}.", list=", ".join(names)),
            causes=causes,
        )
    if same(value, "HttpOnly"):
        return Fail((seen,))
    if as_called and accepts_http(route, PROTOCOLS) and not redirects(route) and redirects_http(rules) is None:
        matches = (seen, route.evidence(PROTOCOLS))
        return Fail(matches) if gap is None else unknown(gap, evidence=matches)
    return Pass((seen,)) if gap is None else unknown(gap, evidence=(seen,))


def _overrides(rule: Resource) -> Iterator[str]:
    for each in rule.objects("properties.actions"):
        value = value_at(each, OVERRIDE)
        if not is_absent(value):
            if not is_one(value, ("HttpsOnly", "HttpOnly", "MatchRequest")):
                raise unknown_value(f"{SETS}[].{OVERRIDE}", value)
            yield str(value)


# Front Door (classic)

RULES = "properties.routingRules"
ENGINE = "properties.rulesEngine.id"


def classic_live_rules(front_door: Resource) -> list[Any]:
    """Return the routing rules that are enabled; none of a Front Door that is disabled."""
    if same(front_door.get(STATE), "Disabled"):
        return []
    return [each for each in rows(front_door, RULES) if not same(value_at(each, STATE), "Disabled")]


def forwards(rule: Any) -> bool:
    """Return whether a routing rule forwards. Raises Unread for one that neither forwards nor redirects."""
    to = "properties.routeConfiguration"
    if isinstance(value_at(rule, f"{to}.redirectType"), str):
        return False
    if not known_text(rule, f"{to}.backendPool.id"):
        raise not_returned(f"{RULES}[].{to}.backendPool.id")
    return True


def _named(rule: Any) -> str:
    name = value_at(rule, "name")
    return name if isinstance(name, str) else spelled(value_at(rule, "id")).rsplit("/", 1)[-1]


def _http(rule: Any) -> bool:
    path = "properties.acceptedProtocols"
    value = value_at(rule, path)
    if not is_list_of_texts(value) or not value:
        raise not_a_list(f"{RULES}[].{path}") if not is_absent(value) else not_returned(f"{RULES}[].{path}")
    return any(same(each, "Http") for each in value)


TO = "properties.routeConfiguration.redirectProtocol"


def _leads_to_http(rule: Any) -> bool:
    """Return whether a routing rule that redirects sends a request to HTTP. Raises Unread where that is not known."""
    value = value_at(rule, TO)
    if not is_one(value, ("HttpOnly", "HttpsOnly", "MatchRequest")):
        raise not_returned(f"{RULES}[].{TO}") if is_absent(value) else unknown_value(f"{RULES}[].{TO}", value)
    return same(value, "HttpOnly") or (same(value, "MatchRequest") and _http(rule))


def classic_plain_http(front_door: Resource, index: Index) -> Verdict:
    """Fail where a routing rule forwards HTTP or redirects to it. A rules engine, which is not read, may redirect."""
    if same(front_door.get(STATE), "Disabled"):
        return NotApplicable(DISABLED)
    live, path = classic_live_rules(front_door), f"{RULES}[].properties.acceptedProtocols"
    plain, back = [], []
    for each in live:
        if forwards(each):
            plain += [each] if _http(each) else []
        elif _leads_to_http(each):
            back.append(each)
    if back:
        return Fail((Evidence(f"{RULES}[].{TO}", [_named(each) for each in back], "HttpsOnly"),))
    if not plain:
        return Pass((Evidence(path, [_named(each) for each in live]),))
    seen = (Evidence(path, [_named(each) for each in plain], Message("Https, or a redirect to HTTPS")),)
    sure = [each for each in plain if is_absent(value_at(each, "properties.rulesEngine"))]
    if not sure:
        return unknown(Unread(f"{RULES}[].{ENGINE}", Message("a rules engine may redirect to HTTPS")), evidence=seen)
    return Fail(seen)


def classic_plain_origin(front_door: Resource, index: Index) -> Verdict:
    """Fail where Front Door calls a back end over HTTP: always, or where the client does."""
    path = "properties.routeConfiguration.forwardingProtocol"
    if same(front_door.get(STATE), "Disabled"):
        return NotApplicable(DISABLED)
    live = [each for each in classic_live_rules(front_door) if forwards(each)]
    if not live:
        return NotApplicable(Message("no routing rule forwards"))
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
    return Pass((Evidence(f"{RULES}[].{path}", [spelled(value_at(each, path)) for each in live], "HttpsOnly"),))


# Classic CDN

HTTP_ALLOWED = "properties.isHttpAllowed"
DELIVERY = "properties.deliveryPolicy.rules"


def is_stopped(endpoint: Resource) -> bool:
    """Return whether a CDN endpoint serves no one (azure-mgmt-cdn, EndpointResourceState)."""
    return same(endpoint.get("properties.resourceState"), "Stopped")


def cdn_plain_http(endpoint: Resource, index: Index) -> Verdict:
    """Fail where an endpoint serves HTTP and no delivery rule redirects every such request, or a rule leads to HTTP."""
    if is_stopped(endpoint):
        return NotApplicable(NOT_FORWARDING)
    value, seen = endpoint.get(HTTP_ALLOWED), endpoint.evidence(HTTP_ALLOWED, False)
    delivery = known_objects(endpoint.body, DELIVERY)
    if endpoint.has("properties.deliveryPolicy"):
        endpoint.require(DELIVERY)
    back = [spelled(value_at(each, "name")) for each in delivery if _redirects_to(each, "Http")]
    if back:
        return Fail(
            (Evidence(DELIVERY, back, Message("redirects to HTTPS")),), causes=(Cause("", DELIVERY, words=(TO_HTTPS,)),)
        )
    if value is False:
        return Pass((seen,))
    # azure-mgmt-cdn Endpoint.isHttpAllowed: true by default.
    if value is not True and (not is_absent(value) or endpoint.has_no_properties):
        return unknown(unknown_value(HTTP_ALLOWED, value), evidence=(seen,))
    for each in delivery:
        if _redirects_all(each):
            return Pass((seen, Evidence(DELIVERY, spelled(value_at(each, "name")), Message("a redirect to HTTPS"))))
    return Fail((seen,))


TO_HTTPS = Message("Let the delivery rules that the finding names redirect to HTTPS.")
HTTPS = "properties.customHttpsProvisioningState"


def cdn_domain_plain(domain: Resource, index: Index) -> Verdict:
    """Fail where no certificate is deployed for a custom domain. While one is issued, the verdict is unknown."""
    endpoint = domain.bundle.resources.get(domain.key.rpartition("/customdomains/")[0])
    if endpoint is not None and is_stopped(endpoint):
        return NotApplicable(Message("its endpoint is stopped"))
    return check_value(domain, HTTPS, good=("Enabled",), bad=("Disabled", "Disabling", "Failed"))


def _redirects_to(rule: Any, protocol: str) -> bool:
    """Return whether a delivery rule redirects requests to a protocol."""
    return any(
        same(value_at(each, "name"), "UrlRedirect") and same(get_path(each, "parameters.destinationProtocol"), protocol)
        for each in known_objects(rule, "actions")
    )


def _redirects_all(rule: Any) -> bool:
    """Return whether a delivery rule redirects each request over HTTP to HTTPS."""
    conditions = known_objects(rule, "conditions")
    return _redirects_to(rule, "Https") and bool(conditions) and all(_is_http(each) for each in conditions)


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
