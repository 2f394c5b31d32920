"""What is published without a web application firewall that blocks: listeners, paths, domains and routes.

A link to a policy is not yet protection: the policy must block (`waf_effect`), and apply to what is published.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from scanner.model.fix import Cause
from scanner.model.ids import name_of, normalized_id
from scanner.model.index import Index
from scanner.model.json_paths import (
    is_absent,
    is_list_of_texts,
    is_one,
    known_objects,
    known_text,
    same,
    value_at,
)
from scanner.model.message import NOTHING, Message, Number, joined
from scanner.model.resource import Resource
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unknown,
    Unread,
    Verdict,
    malformed,
    not_a_list,
    not_returned,
    unknown,
    unknown_value,
)

from . import network
from .common import NOT_FORWARDING, find, rows
from .edge import classic_live_rules, domains_of, forwards, live_routes
from .network import LISTENERS, ROUTING, name_in, reference
from .waf_effect import FRONT_POLICY, GATEWAY_POLICY, corrected, effect

NO_POLICY = Message("no policy")
POLICIES = Message("web application firewall policies")
"""Not a property: the value of this evidence is a text of ours, and is translated."""
ONLY_REDIRECTS = Message("it only redirects, so no request reaches a back end")


class Published(NamedTuple):
    """One thing that forwards requests, and the id of the policy that applies to it ("" without one).

    `fault`: why nothing blocks there, "" where something does; None leaves it to the policy. `causes`: of this fault.
    `doubt`: why it is not known whether the policy applies.
    """

    name: str
    policy: str
    fault: str | None = None
    causes: tuple[Cause, ...] = ()
    doubt: Unread | None = None


def protected(published: Iterable[Published], type: str, index: Index, attach: Cause) -> Verdict:
    """Fail where something that forwards requests has no policy that blocks. `attach`: what gives it a policy."""
    faults: dict[str, str] = {}
    causes: dict[str, Cause] = {}
    unclear: list[Unread] = []
    names: list[str] = []
    for each in published:
        names.append(each.name)
        fault = NO_POLICY if each.fault is None and not each.policy else each.fault
        if fault is not None:
            if fault:
                faults[each.name] = fault
                causes.update((cause.id(), cause) for cause in each.causes or (attach,))
            continue
        try:
            policy = find(index, each.policy, type)
        except Unread as missing:
            unclear.append(
                Unread(Message("the WAF policy {policy}", policy=name_of(each.policy)), missing.why, missing.gap)
            )
            continue
        verdict = effect(policy, index)
        if isinstance(verdict, Fail):
            faults[each.name] = Message("the policy {name} {message}", name=policy.name, message=verdict.message)
            causes.update((cause.id(), cause) for cause in corrected(policy, verdict.message))
        elif isinstance(verdict, Unknown):
            unclear.append(Unread(Message("the WAF policy {name}", name=policy.name), verdict.why))
        elif each.doubt is not None:
            unclear.append(each.doubt)
    if faults:
        told = [joined(": ", (name, fault)) for name, fault in faults.items()]
        more = Message("and {count} more", count=Number(len(told) - _MOST)) if len(told) > _MOST else NOTHING
        text = joined("; ", (*told[:_MOST], more))
        return Fail(
            (Evidence(POLICIES, told, Message("a policy that blocks")),),
            Message("{told}.", told=text),
            causes=tuple(causes.values()),
        )
    if unclear:
        return unknown(*unclear)
    return Pass((Evidence(POLICIES, names, Message("a policy that blocks")),))


_MOST = 3


# Application Gateway

POLICY_ID = "properties.firewallPolicy.id"
LEGACY = "properties.webApplicationFirewallConfiguration"
LEGACY_OFF = Message("the gateway's own configuration is disabled")
LEGACY_DETECTS = Message("the gateway's own configuration is in detection mode")
PREVENT = (
    "az network application-gateway update --ids {cause} --set webApplicationFirewallConfiguration.enabled=true "
    "webApplicationFirewallConfiguration.firewallMode=Prevention"
)
CORRECT_LEGACY = (
    Cause("", f"{LEGACY}.enabled", value=True, command=PREVENT),
    Cause("", f"{LEGACY}.firewallMode", value="Prevention", command=PREVENT),
)
"""A policy that differs from the configuration is refused without forceFirewallPolicyAssociation (azure-mgmt-network)."""
WITH_WAF = ("WAF", "WAF_v2")
WITHOUT_WAF = ("Standard", "Standard_v2", "Basic")
"""azure-mgmt-network, ApplicationGatewayTier."""
ATTACH = Cause("", "properties.firewallPolicy", value={"id": "<WAF_POLICY_ID>"})
TO_WAF = "az network application-gateway update --ids {cause} --set sku.name=WAF_v2 sku.tier=WAF_v2 firewallPolicy.id=<WAF_POLICY_ID>"
LIFT = (
    Cause("", "properties.sku", value={"name": "WAF_v2", "tier": "WAF_v2"}, command=TO_WAF),
    ATTACH._replace(command=TO_WAF),
)
REPLACE = Cause(
    "",
    "properties.sku",
    words=(
        Message(
            "Replace the gateway by one of the tier WAF_v2: its own tier has no web application firewall, and cannot be changed."
        ),
    ),
)
REPLACE_VERSION_1 = Cause(
    "",
    "properties.sku",
    words=(Message("Replace the gateway by one of the tier WAF_v2: the tier WAF takes no WAF policy."),),
)
"""web-application-firewall/ag/upgrade-ag-waf-policy: WAF policies need WAF_v2."""


def gateway_without_waf(gateway: Resource, index: Index) -> Verdict:
    """Fail where a public listener, or a path behind it, forwards requests that no firewall blocks.

    web-application-firewall/ag/policy-overview: the policy of a path comes before that of its listener, and that
    before the gateway's.
    """
    if network.is_stopped(gateway):
        return NotApplicable(NOT_FORWARDING)
    public = public_frontends(gateway)
    if not public:
        return NotApplicable(Message("it has no public frontend"))
    listeners = {name_in(each): each for each in rows(gateway, LISTENERS) if is_public(each, public)}
    published: list[Published] = []
    rules = rows(gateway, ROUTING)
    for rule in rules:
        listener = listeners.get(reference(rule, "httpListener"))
        if listener is not None:
            published += _of_rule(gateway, listener, rule)
    if not published:
        return NotApplicable(ONLY_REDIRECTS if rules else Message("no rule leads from a public listener to a back end"))
    return protected(published, GATEWAY_POLICY, index, ATTACH)


def public_frontends(gateway: Resource) -> set[str]:
    """Return the names (lower case) of the frontends with a public address. Raises Unread where none was returned."""
    path = "properties.frontendIPConfigurations"
    frontends = rows(gateway, path)
    if not frontends:
        raise Unread(path, Message("Azure returned none"))
    return {name_in(each) for each in frontends if known_text(each, "properties.publicIPAddress.id")}


def is_public(listener: Any, public: set[str]) -> bool:
    """Return whether a listener has a public frontend. One that names none counts as public."""
    name = reference(listener, "frontendIPConfiguration")
    return not name or name in public


def _of_rule(gateway: Resource, listener: Any, rule: Any) -> Iterator[Published]:
    """Yield what a routing rule forwards. What it redirects reaches no back end."""
    name = network.name_of(listener)
    if reference(rule, "redirectConfiguration"):
        return
    policy_id = known_text(listener, POLICY_ID)
    path_map = reference(rule, "urlPathMap")
    if not path_map:
        yield _under(gateway, name, policy_id)
        return
    value = network.child_named(gateway, network.MAPS, path_map)
    if not reference(value, "defaultRedirectConfiguration"):
        yield _under(gateway, name, policy_id)
    for each in known_objects(value, "properties.pathRules"):
        if not reference(each, "redirectConfiguration"):
            yield _under(gateway, f"{name}/{network.name_of(each)}", known_text(each, POLICY_ID) or policy_id)


def _under(gateway: Resource, name: str, policy: str) -> Published:
    """Return what applies to something published: its own policy, the gateway's, or the configuration of old gateways."""
    tier = gateway.require("properties.sku.tier")
    if is_one(tier, WITHOUT_WAF):
        causes = LIFT if same(tier, "Standard_v2") else (REPLACE,)
        return Published(name, "", Message("the tier {tier} has no web application firewall", tier=tier), causes)
    if not is_one(tier, WITH_WAF):
        raise unknown_value("properties.sku.tier", tier)
    policy = policy or known_text(gateway.body, POLICY_ID)
    if policy:
        return Published(name, policy)
    fault = _legacy(gateway)
    if fault in (LEGACY_OFF, LEGACY_DETECTS):
        return Published(name, "", fault, CORRECT_LEGACY)
    return Published(name, "", fault, () if same(tier, "WAF_v2") else (REPLACE_VERSION_1,))


def _legacy(gateway: Resource) -> str:
    """Return why the configuration of a gateway without a policy blocks nothing. Raises Unread where that is not known."""
    switch, mode = f"{LEGACY}.enabled", f"{LEGACY}.firewallMode"
    if is_absent(gateway.get(LEGACY)):
        return NO_POLICY
    if same(gateway.get(switch), False):
        return LEGACY_OFF
    if not same(gateway.require(switch), True):
        raise unknown_value(switch, gateway.get(switch))
    if same(gateway.get(mode), "Detection"):
        return LEGACY_DETECTS
    if not same(gateway.require(mode), "Prevention"):
        raise unknown_value(mode, gateway.get(mode))
    return ""


# Front Door (classic)

LINK = "properties.webApplicationFirewallPolicyLink.id"
ENDS = "properties.frontendEndpoints"
ATTACH_TO_HOST = Cause(
    "",
    ENDS,
    words=(
        Message(
            "Attach a web application firewall policy in prevention mode to each frontend host that the finding names."
        ),
    ),
)


def classic_front_door_without_waf(front_door: Resource, index: Index) -> Verdict:
    """Fail where a host forwards requests that no firewall blocks. A routing rule may have a policy of its own."""
    if same(front_door.get("properties.enabledState"), "Disabled"):
        return NotApplicable(Message("it is disabled"))
    ends = {name_in(each): each for each in rows(front_door, ENDS)}
    if not ends:
        raise Unread(ENDS, Message("Azure returned none"))
    published: list[Published] = []
    for rule in classic_live_rules(front_door):
        if not forwards(rule):
            continue
        for name in _ends_of(rule):
            if name not in ends:
                raise not_returned(f"{ENDS}[{name}]")
            policies = dict.fromkeys(filter(None, (known_text(ends[name], LINK), known_text(rule, LINK))))
            # Which of two policies comes first is not documented, so that both must block.
            published += [Published(network.name_of(ends[name]), each) for each in policies or ("",)]
    if not published:
        return NotApplicable(ONLY_REDIRECTS)
    return protected(published, FRONT_POLICY, index, ATTACH_TO_HOST)


def _ends_of(rule: Any) -> list[str]:
    """Return the names (lower case) of the frontend hosts of a routing rule. Raises Unread for one without any."""
    result = [name_of(known_text(each, "id")).lower() for each in known_objects(rule, "properties.frontendEndpoints")]
    if not result or not all(result):
        raise not_returned("properties.routingRules[].properties.frontendEndpoints")
    return result


# Front Door Standard and Premium

SECURITY = network.PROFILE.child("securityPolicies", when=network.is_front_door)
ATTACH_TO_DOMAIN = Cause(
    "",
    "properties.associations",
    words=(
        Message(
            "Attach a web application firewall policy in prevention mode to each domain and path that the finding names, by a security policy of the profile."
        ),
    ),
)


class Association(NamedTuple):
    """What a security policy ties together: a WAF policy, domains (ids in lower case) and path patterns.

    `inactive`: those of the domains for which Azure says that the association is not active. `doubt`: why it is not known
    whether the policy applies at all.
    """

    policy: str
    domains: frozenset[str]
    patterns: tuple[str, ...]
    inactive: frozenset[str]
    doubt: Unread | None


def profile_without_waf(profile: Resource, index: Index) -> Verdict:
    """Fail where a domain of a live route forwards requests that no firewall blocks."""
    if not network.is_front_door(profile):
        return NotApplicable(Message("a classic CDN profile has no security policies"))
    policies = profile.children(SECURITY)
    associations = [each for policy in policies for each in _associations(policy)]
    routes, gap = live_routes(profile)
    published = [
        each
        for endpoint, route in routes
        for domain, host in domains_of(endpoint, route)
        for each in _on_domain(route, domain, host, associations)
    ]
    if policies.gap is not None and any(not each.policy for each in published):
        raise policies.gap
    verdict = protected(published, FRONT_POLICY, index, ATTACH_TO_DOMAIN)
    if isinstance(verdict, Fail):
        return verdict
    for missing in (gap, policies.gap):
        if missing is not None:
            raise missing
    return verdict if published else NotApplicable(Message("no enabled route has a domain"))


def _associations(policy: Resource) -> Iterator[Association]:
    kind, parameters = policy.require("properties.parameters.type"), "properties.parameters"
    # azure-mgmt-cdn, SecurityPolicyType: there is no other.
    if not same(kind, "WebApplicationFirewall"):
        raise unknown_value("securityPolicies[].properties.parameters.type", kind)
    waf = policy.text(f"{parameters}.wafPolicy.id")
    policy.require(f"{parameters}.associations")
    doubt = _not_deployed(policy)
    for each in policy.objects(f"{parameters}.associations"):
        patterns = value_at(each, "patternsToMatch")
        if not is_list_of_texts(patterns):
            raise not_a_list(f"securityPolicies[].{parameters}.associations[].patternsToMatch")
        named = known_objects(each, "domains")
        domains = [known_text(one, "id") for one in named]
        if not all(domains):
            raise malformed(f"securityPolicies[].{parameters}.associations[].domains")
        inactive = frozenset(
            normalized_id(known_text(one, "id")) for one in named if same(value_at(one, "isActive"), False)
        )
        yield Association(waf, frozenset(normalized_id(one) for one in domains), tuple(patterns), inactive, doubt)


def _not_deployed(policy: Resource) -> Unread | None:
    """Return that Azure could not apply a security policy (azure-mgmt-cdn, DeploymentStatus, AfdProvisioningState).

    A deployment that is NotStarted says nothing: recorded profiles in use have it.
    """
    for path in ("properties.deploymentStatus", "properties.provisioningState"):
        if same(policy.get(path), "Failed"):
            return Unread(
                f"securityPolicies/{policy.name} {path}", Message("Failed, so whether it applies is not known")
            )
    return None


def _on_domain(route: Resource, domain: str, host: str, associations: list[Association]) -> Iterator[Published]:
    """Yield the policies that see requests of a route at a domain, and that a part of its paths has none."""
    patterns = route.require("properties.patternsToMatch")
    if not is_list_of_texts(patterns) or not patterns:
        raise not_a_list("routes[].properties.patternsToMatch")
    name = Message("{name} at {host}", name=route.name, host=host)
    mine = [each for each in associations if domain in each.domains]
    for each in patterns:
        if not any(covers(one, each) for association in mine for one in association.patterns):
            yield Published(name, "", Message("no policy for its domain and path") if mine else NO_POLICY)
            return
    for association in mine:
        if any(covers(one, each) or covers(each, one) for one in association.patterns for each in patterns):
            inactive = Unread(
                Message("the association of {name}", name=name), Message("Azure says that it is not active")
            )
            doubt = inactive if domain in association.inactive else association.doubt
            yield Published(name, association.policy, doubt=doubt)


def covers(wide: str, narrow: str) -> bool:
    """Return whether every path of one pattern is one of another. A pattern ends with `*`, or is a path."""
    wide, narrow = wide.lower(), narrow.lower()
    if not wide.endswith("*"):
        return wide == narrow
    return narrow.startswith(wide[:-1]) or f"{narrow}/*" == wide
