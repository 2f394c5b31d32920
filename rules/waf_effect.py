"""What the policy of a web application firewall does to requests: whether it blocks attacks, and if not, why.

Sources: web-application-firewall/ag/custom-waf-rules-overview and web-application-firewall/afds/waf-front-door-custom-rules
(rules run in the order of their priority, before managed rules; a request that a rule allows or blocks meets no other);
web-application-firewall/afds/waf-front-door-policy-settings (a rule set whose action is Log blocks nothing).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from scanner.model.addresses import PUBLIC_ADDRESSES as EVERYONE
from scanner.model.addresses import BadAddress, breadth, parse, union
from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, is_list_of_texts, is_one, known_objects, same, text_at, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import (
    Evidence,
    Fail,
    Pass,
    Unread,
    Verdict,
    malformed,
    not_returned,
    unknown,
    unknown_value,
)

GATEWAY_POLICY = "Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies"
FRONT_POLICY = "Microsoft.Network/FrontDoorWebApplicationFirewallPolicies"
MODE = "properties.policySettings.mode"
GATEWAY_STATE = "properties.policySettings.state"
FRONT_STATE = "properties.policySettings.enabledState"
GATEWAY_RULES = "properties.customRules"
FRONT_RULES = "properties.customRules.rules"
RULE_SETS = "properties.managedRules.managedRuleSets"
STANDARD = "Standard_AzureFrontDoor"
"""The tier of Front Door without managed rules: web-application-firewall/afds/afds-overview."""
ATTACKS = ("owasp", "microsoft_defaultruleset", "defaultruleset")
"""The types of managed rule sets against attacks."""
OTHERS = ("microsoft_botmanagerruleset", "botprotection", "microsoft_httpddosruleset")
"""Those against bots and floods alone."""

DISABLED = Message("is disabled")
ONLY_DETECTS = Message("is in detection mode, which logs attacks and allows them")
ONLY_LOGS = Message("has a managed rule set whose action is Log")
NO_RULES = Message("has no rule that blocks")
NO_ATTACK_RULES = Message("has managed rules against bots and floods alone")


def is_front(policy: Resource) -> bool:
    """Return whether a policy is of Front Door, which has a SKU, and exclusions in its rule sets."""
    return same(policy.type, FRONT_POLICY)


def effect(policy: Resource, index: Index) -> Verdict:
    """Pass where a policy blocks attacks; Fail with the reason as its message, a clause about the policy."""
    state = FRONT_STATE if is_front(policy) else GATEWAY_STATE
    seen = (policy.evidence(state, "Enabled"), policy.evidence(MODE, "Prevention"))
    if same(policy.get(state), "Disabled"):
        return Fail(seen, DISABLED)
    if same(policy.get(MODE), "Detection"):
        return Fail(seen, ONLY_DETECTS)
    path = FRONT_RULES if is_front(policy) else GATEWAY_RULES
    try:
        for switch, good in ((state, "Enabled"), (MODE, "Prevention")):
            if not same(policy.require(switch), good):
                return unknown(unknown_value(switch, policy.get(switch)), evidence=seen)
        rules = custom_rules(policy, path)
        around = allows_all(rules, path, index)
        if around is not None:
            message = Message(
                "has the custom rule {name} that allows every request before the managed rules", name=around.name
            )
            return Fail(
                (Evidence(f"{path}[].name", around.name, Message("no rule that allows every request")),), message
            )
        return _managed(policy, any(each.is_enabled and each.blocks for each in rules), seen)
    except Unread as missing:
        return unknown(missing, evidence=seen)


def _managed(policy: Resource, has_custom: bool, seen: tuple[Evidence, ...]) -> Verdict:
    """Return the verdict on the managed rule sets. `has_custom`: whether a custom rule blocks something."""
    if is_front(policy) and same(policy.get("sku.name"), STANDARD):
        sets: list[Any] = []
    else:
        policy.require(RULE_SETS)
        sets = known_objects(policy.body, RULE_SETS)
    for each in sets:
        kind = value_at(each, "ruleSetType")
        if not isinstance(kind, str):
            raise malformed(f"{RULE_SETS}[].ruleSetType")
        if not is_front(policy):
            continue
        action = value_at(each, "ruleSetAction")
        if kind.lower() in ATTACKS and same(action, "Log"):
            return Fail((Evidence(f"{RULE_SETS}[].ruleSetAction", action, "Block"),), ONLY_LOGS)
        if not is_absent(action) and not is_one(action, ("Block", "Redirect", "Log")):
            raise unknown_value(f"{RULE_SETS}[].ruleSetAction", action)
    kinds = [str(value_at(each, "ruleSetType")) for each in sets]
    if has_custom or any(kind.lower() in ATTACKS for kind in kinds):
        return Pass(seen)
    strange = [kind for kind in kinds if kind.lower() not in OTHERS]
    if strange:
        raise unknown_value(f"{RULE_SETS}[].ruleSetType", strange[0])
    expected = Message("a managed rule set against attacks, or a custom rule that blocks")
    return Fail((Evidence(RULE_SETS, kinds, expected),), NO_ATTACK_RULES if kinds else NO_RULES)


GATEWAY_BLOCKS = ("Block", "JSChallenge")
FRONT_BLOCKS = ("Block", "Redirect", "JSChallenge")
"""The actions of custom rules that stop a request."""
PREVENT = "az resource update --ids {cause} --set properties.policySettings.mode=Prevention {path}=Enabled"


def corrected(policy: Resource, fault: str) -> Iterator[Cause]:
    """Yield what makes a policy block: its two settings, or words."""
    if fault in (DISABLED, ONLY_DETECTS):
        state = FRONT_STATE if is_front(policy) else GATEWAY_STATE
        yield Cause(policy.id, state, value="Enabled", command=PREVENT)
        yield Cause(policy.id, MODE, value="Prevention", command=PREVENT.replace("{path}", state))
    else:
        yield Cause(
            policy.id,
            MODE,
            words=(Message("Correct the WAF policy {name}, which {fault}.", name=policy.name, fault=fault),),
        )


# Custom rules


class CustomRule(NamedTuple):
    """A custom rule. `conditions`: all of them must match. `only_floods`: it counts requests, and stops those above a limit."""

    name: str
    priority: int
    action: str
    is_enabled: bool
    blocks: bool
    only_floods: bool
    conditions: list["Condition"]


def custom_rules(policy: Resource, path: str) -> list[CustomRule]:
    """Return the custom rules of a policy, the first one first. Raises Unread for one that is not understood."""
    rules = [_rule(each, path, is_front(policy)) for each in known_objects(policy.body, path)]
    if not rules and policy.why_absent_is_unknown and is_absent(policy.get(path)):
        raise Unread(path, policy.why_absent_is_unknown)
    return sorted(rules, key=lambda each: each.priority)


def _rule(rule: Any, path: str, front: bool) -> CustomRule:
    switch = "enabledState" if front else "state"
    priority, action, state = (value_at(rule, name) for name in ("priority", "action", switch))
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise malformed(f"{path}[].priority")
    if not isinstance(action, str):
        raise not_returned(f"{path}[].action") if is_absent(action) else malformed(f"{path}[].action")
    # azure-mgmt-network and azure-mgmt-frontdoor, state and enabledState: Enabled if not specified.
    if not is_absent(state) and not is_one(state, ("Enabled", "Disabled")):
        raise unknown_value(f"{path}[].{switch}", state)
    blocks = is_one(action, FRONT_BLOCKS if front else GATEWAY_BLOCKS)
    read = _front_condition if front else _gateway_condition
    conditions = [read(each) for each in known_objects(rule, "matchConditions")]
    return CustomRule(
        text_at(rule, "name") or Message("of priority {priority}", priority=priority),
        priority,
        action,
        not same(state, "Disabled"),
        blocks,
        same(value_at(rule, "ruleType"), "RateLimitRule"),
        conditions,
    )


def allows_all(rules: list[CustomRule], path: str, index: Index) -> CustomRule | None:
    """Return the rule that allows every request before managed rules see it; None without one.

    Raises Unread for a rule that allows requests by what callers choose, whose share is not known.
    """
    unclear: Unread | None = None
    # Whether a rule before blocks all but a part of unknown size.
    is_limited = False
    for each in rules:
        if not each.is_enabled or not (same(each.action, "Allow") or each.blocks):
            continue
        matches = matches_all(each.conditions, index)
        if same(each.action, "Block") and matches and not each.only_floods:
            left = [_matches(_negated(condition), index) for condition in each.conditions]
            if not any(one is None or one for one in left):
                break
            is_limited = is_limited or True not in left
        if matches and same(each.action, "Allow") and not is_limited:
            return each
        if matches is not False and same(each.action, "Allow"):
            why = Message(
                "the rule {name} allows requests before the managed rules, by what a caller can choose", name=each.name
            )
            unclear = unclear or Unread(f"{path}[].matchConditions", why)
    if unclear is not None:
        raise unclear
    return None


class Condition(NamedTuple):
    """A condition of a rule. `negated` is None, and `operator` "", where it is not known."""

    operator: str
    variables: tuple[str, ...]
    negated: bool | None
    values: tuple[str, ...]


def _gateway_condition(condition: Any) -> Condition:
    variables = known_objects(condition, "matchVariables")
    # The API spells it so.
    negated, values = value_at(condition, "negationConditon"), value_at(condition, "matchValues")
    return _of(condition, [text_at(each, "variableName") for each in variables], negated, values)


def _front_condition(condition: Any) -> Condition:
    negated, values = value_at(condition, "negateCondition"), value_at(condition, "matchValue")
    return _of(condition, [text_at(condition, "matchVariable")], negated, values)


def _of(condition: Any, variables: list[str], negated: Any, values: Any) -> Condition:
    return Condition(
        text_at(condition, "operator").lower(),
        tuple(each.lower() for each in variables),
        False if is_absent(negated) else negated if isinstance(negated, bool) else None,
        tuple(values) if is_list_of_texts(values) else (),
    )


def matches_all(conditions: list[Condition], index: Index) -> bool | None:
    """Return whether conditions match the requests of everyone; None where a caller may choose that they match."""
    matches = [_matches(each, index) for each in conditions]
    if not matches:
        return None
    if False in matches:
        return False
    return None if None in matches else True


_ALL_PATHS = ("", "/", "*", "/*")
_ALL_PATTERNS = ("", ".", ".*", ".+", "^", "^.*", "^.*$", "/", "^/", "/.*", "^/.*", "^/.*$")


def _matches(condition: Condition, index: Index) -> bool | None:
    """Return whether a condition matches every request (True), a limited part (False), or what a caller chooses (None)."""
    operator = condition.operator
    if not operator or condition.negated is None:
        return None
    if operator == "any":
        return not condition.negated
    if operator == "ipmatch":
        if not condition.variables or not all(each in _SENDERS for each in condition.variables):
            return None
        return _addresses(condition.values, condition.negated, index)
    everything = _is_everything(condition)
    if condition.negated:
        # Everything but what the values name.
        return not everything
    if everything:
        return True
    # A path is no choice of a caller: an attack on another path is inspected.
    is_path = condition.variables == ("requesturi",) and operator in ("equal", "beginswith")
    return False if is_path and condition.values else None


def _negated(condition: Condition) -> Condition:
    """Return the condition that matches what this one does not."""
    return condition._replace(negated=None if condition.negated is None else not condition.negated)


_SENDERS = ("remoteaddr", "socketaddr")
"""The variables that are the address of a caller. Others are what a caller writes."""


def _addresses(values: tuple[str, ...], negated: bool, index: Index) -> bool | None:
    try:
        named = union(parse(each) for each in values)
    except BadAddress:
        return None
    matched = EVERYONE - named if negated else named
    return breadth(matched, index.networks, index.wide_ipv4, index.wide_ipv6) == "internet"


def _is_everything(condition: Condition) -> bool:
    """Return whether a condition on the path has a value that every path has."""
    if condition.variables != ("requesturi",):
        return False
    if condition.operator == "regex":
        return any(each in _ALL_PATTERNS for each in condition.values)
    is_substring = condition.operator in ("contains", "beginswith", "endswith")
    return is_substring and any(each in _ALL_PATHS for each in condition.values)
