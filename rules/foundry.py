"""Foundry accounts beside their two locks: projects, connections, content filters of models, the network of agents."""

from scanner.model.bulk_reads import GraphRows
from scanner.model.checks import is_one
from scanner.model.index import Index
from scanner.model.json_paths import get_path, is_absent, same, spelled
from scanner.model.message import Message
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
    unknown,
    unknown_value,
)

from .ai import ACCOUNT, DEPLOYMENTS
from .connections import without_credentials


def is_foundry(account: Resource) -> bool:
    """Return whether an account may have projects and connections: ai-foundry/concepts/resource-types, kind AIServices alone."""
    return same(account.get("kind"), "AIServices")


def has_models(account: Resource) -> bool:
    """Return whether content filters of an account decide anything: the models of Azure OpenAI and Foundry."""
    return is_one(account.get("kind"), ("AIServices", "OpenAI"))


PROJECTS = ACCOUNT.child("projects", when=is_foundry, graph=GraphRows(holds=()))
CONNECTIONS = ACCOUNT.child("connections", when=is_foundry, reduce=without_credentials)
PROJECT_CONNECTIONS = PROJECTS.child("connections", reduce=without_credentials)

# Content filters

POLICY = "properties.raiPolicyName"
FILTERS = "properties.contentFilters"
BASE = "properties.basePolicyName"
GUARDED = ("Hate", "Sexual", "Violence", "Selfharm", "Jailbreak")
"""The filters that Azure's own policies have on: ai-services/openai/concepts/default-safety-policies."""
COMPLETE = (
    *(f"{name} ({source})" for name in GUARDED[:4] for source in ("Prompt", "Completion")),
    "Jailbreak (Prompt)",
)
"""The filters that a policy names where it inherits none: harm in both directions, and attacks in what users send."""
MANAGED = ("Microsoft.Default", "Microsoft.DefaultV2")
"""Policies of Azure's own, which no customer changes."""


def names_custom_policy(deployment: Resource) -> bool:
    """Return whether a deployment names a policy that Azure does not manage."""
    name = deployment.get(POLICY)
    return not is_absent(name) and name != "" and not is_one(name, MANAGED)


POLICIES = ACCOUNT.child("raiPolicies", when=has_models, after=(DEPLOYMENTS, names_custom_policy))


def weak_filter(deployment: Resource, index: Index) -> Verdict:
    """Fail where the policy of a deployment has a filter of harmful content or of attacks off, or allows what it finds.

    Without a policy Azure's own one applies: ai-services/openai/concepts/content-filter.
    """
    name = deployment.get(POLICY)
    if is_absent(name) or name == "":
        if deployment.why_absent_is_unknown:
            return unknown(Unread(POLICY, deployment.why_absent_is_unknown))
        return NotApplicable(Message("it names no policy, so Azure's own filters apply"))
    if not isinstance(name, str):
        return unknown(unknown_value(POLICY, name))
    seen = deployment.evidence(POLICY)
    if is_one(name, MANAGED):
        return Pass((seen,))
    account = deployment.bundle.top
    if account is None:
        return unknown(Unread("raiPolicies", Message("not collected")), evidence=(seen,))
    children = account.children(POLICIES)
    policy = next((each for each in children if same(each.name, name)), None)
    if policy is None:
        return unknown(
            children.gap or Unread(f"raiPolicies/{name}", Message("Azure did not return it")), evidence=(seen,)
        )
    return _judged(policy, seen)


def _judged(policy: Resource, seen: Evidence) -> Verdict:
    filters = policy.require(FILTERS)
    if not isinstance(filters, list):
        return unknown(not_a_list(FILTERS), evidence=(seen,))
    if not all(isinstance(each, dict) for each in filters):
        return unknown(malformed(f"{FILTERS}[]"), evidence=(seen,))
    guarded = [each for each in filters if is_one(get_path(each, "name"), GUARDED)]
    off = [
        each for each in guarded if same(get_path(each, "enabled"), False) or same(get_path(each, "blocking"), False)
    ]
    where = f"raiPolicies/{policy.name} {FILTERS}[].name"
    if off:
        names = [f"{spelled(get_path(each, 'name'))} ({spelled(get_path(each, 'source'))})" for each in off]
        return Fail((seen, Evidence(where, names, Message("no filter of these that is off"))))
    if not all(isinstance(get_path(each, "name"), str) for each in filters):
        return unknown(malformed(f"{FILTERS}[].name"), evidence=(seen,))
    for each in guarded:
        for member in ("enabled", "blocking"):
            if not same(get_path(each, member), True):
                path = f"{FILTERS}[].{member}"
                return unknown(
                    Unread(path, Message("not known for the filter {each}", each=spelled(get_path(each, "name")))),
                    evidence=(seen,),
                )
    names = [f"{spelled(get_path(each, 'name'))} ({spelled(get_path(each, 'source'))})" for each in guarded]
    if not is_one(policy.get(BASE), MANAGED) and not all(is_one(each, tuple(names)) for each in COMPLETE):
        return unknown(
            Unread(where, Message("it does not name every filter, and its base is no policy of Azure's own")),
            evidence=(seen,),
        )
    return Pass((seen, Evidence(where, names)))


# Agents

PROJECTS_ALLOWED = "properties.allowProjectManagement"
INJECTIONS = "properties.networkInjections"


def agents_outside(account: Resource, index: Index) -> Verdict:
    """Fail where agents run in a network of Microsoft's that reaches the internet, and none of your own.

    ai-foundry/agents/how-to/virtual-networks: without an injection agents have public outbound access.
    """
    projects = account.get(PROJECTS_ALLOWED)
    if same(projects, False) or (is_absent(projects) and not account.why_absent_is_unknown):
        return NotApplicable(Message("it has no projects, so it has no agents"))
    value = account.get(INJECTIONS)
    seen = Evidence(f"{INJECTIONS}[].subnetArmId", None, Message("a subnet of yours"))
    if is_absent(value):
        why = account.why_absent_is_unknown
        return unknown(Unread(INJECTIONS, why)) if why else Fail((seen,))
    if not isinstance(value, list):
        return unknown(not_a_list(INJECTIONS))
    agents = [each for each in value if same(get_path(each, "scenario"), "agent")]
    if not agents:
        strange = [each for each in value if not same(get_path(each, "scenario"), "none")]
        return unknown(unknown_value(f"{INJECTIONS}[].scenario")) if strange else Fail((seen,))
    subnets = [get_path(each, "subnetArmId") for each in agents]
    if all(isinstance(each, str) and each.startswith("/subscriptions/") for each in subnets):
        return Pass((Evidence(f"{INJECTIONS}[].subnetArmId", [str(each) for each in subnets]),))
    if any(same(get_path(each, "useMicrosoftManagedNetwork"), True) for each in agents):
        return NotApplicable(Message("agents are in a managed network, whose rules no stable API version shows"))
    return unknown(unknown_value(f"{INJECTIONS}[].subnetArmId"))


__all__ = ["ACCOUNT", "CONNECTIONS", "DEPLOYMENTS", "POLICIES", "PROJECTS", "PROJECT_CONNECTIONS"]
