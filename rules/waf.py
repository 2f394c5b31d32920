"""Policies of web application firewalls: versions of rule sets, what they inspect, and what they leave out."""

import re
from typing import Any

from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, known_objects, same, spelled, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import (
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    not_returned,
    unknown,
    unknown_value,
)

from .common import in_tier
from .waf_effect import DISABLED, ONLY_DETECTS, STANDARD, corrected, effect, is_front
from .waf_effect import RULE_SETS as GATEWAY_SETS

MINIMUM = {"owasp": (3, 2), "microsoft_defaultruleset": (2, 1), "defaultruleset": (2, 1)}
"""The oldest version that Microsoft recommends, by type of rule set: application-gateway-crs-rulegroups-rules and
web-application-firewall-drs."""
BOTS = "Microsoft_BotManagerRuleSet"
WITHOUT = Message("the Standard tier has no managed rules")
_VERSION = re.compile(r"\d+(\.\d+)*")


def without_managed_rules(policy: Resource) -> bool:
    """Return whether the tier has none: web-application-firewall/afds/afds-overview."""
    return is_front(policy) and in_tier(policy, (STANDARD,))


def does_not_block(policy: Resource, index: Index) -> Verdict:
    """Fail where a policy blocks no attack: it is disabled, only detects, or a rule allows everything first."""
    verdict = effect(policy, index)
    if not isinstance(verdict, Fail):
        return verdict
    # The command of the row sets mode and state.
    causes = () if verdict.message in (DISABLED, ONLY_DETECTS) else tuple(corrected(policy, verdict.message))
    return Fail(verdict.evidence, Message("This policy {message}.", message=verdict.message), causes=causes)


def rule_sets(policy: Resource) -> list[Any]:
    """Return the managed rule sets. Raises Unread where Azure did not return the list."""
    policy.require(GATEWAY_SETS)
    return known_objects(policy.body, GATEWAY_SETS)


def _shown(rule_set: Any) -> str:
    return " ".join(spelled(value_at(rule_set, each)) for each in ("ruleSetType", "ruleSetVersion"))


def old_rule_set(policy: Resource, index: Index) -> Verdict:
    """Fail where no rule set against attacks is assigned, or only an old version."""
    if without_managed_rules(policy):
        return NotApplicable(WITHOUT)
    sets = rule_sets(policy)
    kinds = [(each, spelled(value_at(each, "ruleSetType")).lower()) for each in sets]
    main = [(each, MINIMUM[kind]) for each, kind in kinds if kind in MINIMUM]
    seen = Evidence(GATEWAY_SETS, [_shown(each) for each in sets], "Microsoft_DefaultRuleSet 2.1")
    if not main:
        if all(kind == BOTS.lower() or kind == "microsoft_httpddosruleset" for _, kind in kinds):
            return Fail((seen,), Message("No rule set against attacks is assigned."))
        return unknown(unknown_value(f"{GATEWAY_SETS}[].ruleSetType"), evidence=(seen,))
    versions = [(_version(value_at(each, "ruleSetVersion")), least) for each, least in main]
    if any(version is not None and version >= least for version, least in versions):
        return Pass((seen,))
    if any(version is None for version, _ in versions):
        return unknown(unknown_value(f"{GATEWAY_SETS}[].ruleSetVersion"), evidence=(seen,))
    return Fail((seen,))


def _version(value: Any) -> tuple[int, ...] | None:
    """Return a version as numbers. A preview (`preview-0.1`) comes before all others; None for anything else."""
    if isinstance(value, str) and value.lower().startswith("preview"):
        return (0,)
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        return None
    return tuple(int(number) for number in value.split("."))


def no_bot_rules(policy: Resource, index: Index) -> Verdict:
    """Fail where the rule set against bots is not assigned."""
    if without_managed_rules(policy):
        return NotApplicable(WITHOUT)
    sets = rule_sets(policy)
    seen = Evidence(GATEWAY_SETS, [_shown(each) for each in sets], BOTS)
    kinds = [value_at(each, "ruleSetType") for each in sets]
    if any(same(each, BOTS) for each in kinds):
        return Pass((seen,))
    if not all(isinstance(each, str) for each in kinds):
        return unknown(not_returned(f"{GATEWAY_SETS}[].ruleSetType"), evidence=(seen,))
    return Fail((seen,))


SETTINGS = "properties.policySettings"
CHECKED, ENFORCED = f"{SETTINGS}.requestBodyCheck", f"{SETTINGS}.requestBodyEnforcement"
SIZE, INSPECTED = f"{SETTINGS}.maxRequestBodySizeInKb", f"{SETTINGS}.requestBodyInspectLimitInKB"
DEFAULT_SIZE = 128
"""Kilobytes: web-application-firewall/ag/application-gateway-waf-request-size-limits."""


def body_beyond_limit(policy: Resource, index: Index) -> Verdict:
    """Fail where a request body may be longer than the part of it that rules look at."""
    checked = policy.require(CHECKED)
    if same(checked, False):
        return NotApplicable(Message("it inspects no request body: see waf-policy-body-not-inspected"))
    if not same(checked, True):
        return unknown(unknown_value(CHECKED, checked))
    enforced = _setting(policy, ENFORCED, True)
    if not isinstance(enforced, bool):
        return unknown(unknown_value(ENFORCED, enforced))
    size, inspected = _setting(policy, SIZE, DEFAULT_SIZE), _setting(policy, INSPECTED, DEFAULT_SIZE)
    for path, value in ((SIZE, size), (INSPECTED, inspected)):
        if not isinstance(value, int) or isinstance(value, bool):
            return unknown(unknown_value(path, value))
    seen = (Evidence(ENFORCED, enforced, True), Evidence(SIZE, size, inspected), Evidence(INSPECTED, inspected))
    causes = [] if enforced else [(ENFORCED, True)]
    causes += [(SIZE, inspected)] if size > inspected else []
    return Fail(seen, causes=tuple(_limited(*each) for each in causes)) if causes else Pass(seen)


def _setting(policy: Resource, path: str, default: Any) -> Any:
    """Return a setting, the documented default where it is absent. Raises Unread."""
    value = policy.get(path)
    if is_absent(value) and policy.why_absent_is_unknown:
        raise Unread(path, policy.why_absent_is_unknown)
    return default if is_absent(value) else value


def _limited(path: str, value: Any) -> Cause:
    """Return what limits bodies to what is inspected."""
    text = "true" if value is True else str(value)
    return Cause("", path, value=value, command=f"az resource update --ids {{id}} --set {path}={text}")


OVERRIDES = "ruleGroupOverrides"
EXCLUSIONS = "properties.managedRules.exclusions"
NO_EXCLUSIONS = ""
"""Front Door has exclusions in rule sets alone."""


def group_disabled(policy: Resource, index: Index) -> Verdict:
    """Fail where an override names a group and no rule of it, which disables them all (azure-mgmt-network and
    azure-mgmt-frontdoor, ManagedRuleGroupOverride.rules).
    """
    if without_managed_rules(policy):
        return NotApplicable(WITHOUT)
    sets, path = rule_sets(policy), f"{GATEWAY_SETS}[].{OVERRIDES}[].rules"
    groups = [group for each in sets for group in known_objects(each, OVERRIDES)]
    if not sets:
        return NotApplicable(Message("it has no managed rules"))
    front = is_front(policy)
    bare = [each for each in groups if not known_objects(each, "rules") and not (front and _excludes(each))]
    off = [spelled(value_at(each, "ruleGroupName")) for each in bare]
    if off:
        return Fail((Evidence(path, off, Message("no whole group")),))
    return Pass((Evidence(path, [spelled(value_at(each, "ruleGroupName")) for each in groups] or "none"),))


def _excludes(group: Any) -> bool:
    """Return whether an override is there for its exclusions."""
    return bool(known_objects(group, "exclusions"))


def excludes_all(policy: Resource, index: Index, *, listed: str) -> Verdict:
    """Fail where an exclusion leaves out every header, cookie or argument for every rule."""
    if without_managed_rules(policy):
        return NotApplicable(WITHOUT)
    sets = rule_sets(policy)
    path = listed or f"{GATEWAY_SETS}[].exclusions"
    exclusions = known_objects(policy.body, path) if listed and policy.require(path) is not None else []
    whole = [each for each in exclusions if not known_objects(each, "exclusionManagedRuleSets")]
    for each in sets if is_front(policy) else ():
        whole += known_objects(each, "exclusions")
    names = [spelled(value_at(each, "matchVariable")) for each in whole if _is_any(each)]
    if names:
        return Fail((Evidence(f"{path}[].selectorMatchOperator", names, Message("a name")),))
    strange = [each for each in whole if not isinstance(value_at(each, "selectorMatchOperator"), str)]
    if strange:
        operator = f"{path}[].selectorMatchOperator"
        value = value_at(strange[0], "selectorMatchOperator")
        return unknown(not_returned(operator) if is_absent(value) else unknown_value(operator, value))
    return Pass(
        (
            Evidence(
                path,
                [f"{spelled(value_at(each, 'matchVariable'))} {spelled(value_at(each, 'selector'))}" for each in whole]
                or "none",
            ),
        )
    )


def _is_any(exclusion: Any) -> bool:
    """Return whether an exclusion is about every member of a collection."""
    return same(value_at(exclusion, "selectorMatchOperator"), "EqualsAny")
