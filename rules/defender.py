"""Microsoft Defender for Cloud: its plans on a subscription, and who is notified of alerts."""

from typing import Any

from scanner.model.fix import Cause
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, is_one, member, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import Read
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

from .subscription import SUBSCRIPTION

PRICINGS = SUBSCRIPTION.child("providers/Microsoft.Security/pricings", api="2024-01-01")
CONTACTS = SUBSCRIPTION.child("providers/Microsoft.Security/securityContacts", api="2023-12-01-preview")
ASSESSMENTS = SUBSCRIPTION.child(
    "providers/Microsoft.Security/serverVulnerabilityAssessmentsSettings", api="2023-05-01"
)
SETTINGS = SUBSCRIPTION.child("providers/Microsoft.Security/settings", api="2022-05-01")
TIER = "properties.pricingTier"
COVERAGE = "properties.resourcesCoverageStatus"
EXTENSIONS = "properties.extensions"
SOURCE_TYPE = "properties.notificationsSources"
ROLES = "properties.notificationsByRole"


ON_RESOURCES = Message(
    "Enable the plan on the resources that it is switched off for: Defender for Cloud > Environment settings lists them, "
    "or remove the policy or setting that switches it off there."
)


def plan_off(subscription: Resource, index: Index, *, read: Read, plan: tuple[str, ...]) -> Verdict:
    """Fail where a plan has the tier Free, or some resources have none of it. A plan that Azure did not list is
    inconclusive: no page says what that means.

    azure-rest-api-specs, pricings 2024-01-01: a resource may have a plan of its own, which resourcesCoverageStatus shows.
    """
    plans = subscription.children(read)
    resource = next((each for each in plans if same(each.name, plan[0])), None)
    if resource is None:
        missing = plans.gap or not_returned(f"pricings/{plan[0]}", Message("the plan"))
        return unknown(missing)
    tier = resource.require(TIER)
    seen = Evidence(f"pricings/{resource.name} {TIER}", tier, "Standard")
    if not same(tier, "Standard"):
        return Fail((seen,)) if same(tier, "Free") else unknown(unknown_value(seen.path, tier))
    more, coverage = resource.get("properties.subPlan"), resource.get(COVERAGE)
    facts = (seen,) if is_absent(more) else (seen, Evidence("properties.subPlan", more))
    if is_absent(coverage) or same(coverage, "FullyCovered"):
        return Pass(facts)
    of_resources = Evidence(f"pricings/{resource.name} {COVERAGE}", coverage, "FullyCovered")
    if any(same(coverage, each) for each in ("PartiallyCovered", "NotCovered")):
        cause = Cause(resource.id, COVERAGE, words=(ON_RESOURCES,))
        return Fail((*facts, of_resources), Message("The plan is switched off on resources."), causes=(cause,))
    return unknown(unknown_value(of_resources.path, coverage))


def no_posture_management(subscription: Resource, index: Index) -> Verdict:
    """Fail where neither the free plan assesses the settings of a subscription, nor Defender CSPM, which has all of it.

    A plan that Azure did not list is inconclusive: no page says what that means.
    """
    paid = plan_off(subscription, index, read=PRICINGS, plan=("CloudPosture",))
    return paid if isinstance(paid, Pass) else plan_off(subscription, index, read=PRICINGS, plan=("FoundationalCspm",))


def extension_off(
    subscription: Resource, index: Index, *, read: Read, extension: tuple[str, ...], plans: tuple[str, ...]
) -> Verdict:
    """Fail where an extension is off in each plan that has it and is on; one plan in which it is on is enough.

    `plans`: their names, with a dot before the sub-plan that lacks the extension: `VirtualMachines.P1`. A plan that
    Azure did not list, and one that is on and lists no such extension, is inconclusive.
    """
    listed = subscription.children(read)
    off: list[Evidence] = []
    missing: list[Unread] = []
    for each in plans:
        name, _, without = each.partition(".")
        plan = next((one for one in listed if same(one.name, name)), None)
        try:
            state = _extension(plan, name, without, extension[0], listed.gap)
        except Unread as unread:
            missing.append(unread.with_traceback(None))
            continue
        if state is not None and same(state.value, True):
            return Pass((state,))
        off += [] if state is None else [state]
    if missing:
        return unknown(*missing, evidence=off)
    return (
        Fail(tuple(off))
        if off
        else NotApplicable(Message("no plan that has it is on: {list}", list=", ".join(_names(plans))))
    )


def _names(plans: tuple[str, ...]) -> list[str]:
    return [each.partition(".")[0] for each in plans]


def _extension(plan: Resource | None, name: str, without: str, extension: str, gap: Unread | None) -> Evidence | None:
    """Return whether an extension of a plan is on; None where the plan is off, or has none. Raises Unread."""
    if plan is None:
        raise not_returned(f"pricings/{name}", Message("the plan")) if gap is None else gap.again()
    tier = plan.require(TIER)
    if not is_one(tier, ("Standard", "Free")):
        raise unknown_value(f"pricings/{name} {TIER}", tier)
    if same(tier, "Free") or (without and same(plan.get("properties.subPlan"), without)):
        return None
    path = f"pricings/{name} {EXTENSIONS}[{extension}].isEnabled"
    value = next((one for one in plan.items(EXTENSIONS) if same(member(one, "name"), extension)), None)
    enabled = member(value, "isEnabled")
    if is_absent(enabled):
        raise not_returned(path)
    if same(enabled, False):
        return Evidence(path, enabled, "True")
    if not same(enabled, True):
        raise unknown_value(path, enabled)
    if same(member(member(value, "operationStatus"), "code"), "Failed"):
        raise Unread(path, Message("it is enabled, and Azure says that enabling it failed"))
    return Evidence(path, enabled)


# Parts of Defender for Servers that are no extensions of its plan

SERVERS_OFF = Message("Defender for Servers is off")


def no_vulnerability_assessment(subscription: Resource, index: Index) -> Verdict:
    """Fail where Defender for Servers is on, and no provider assesses the vulnerabilities of machines."""
    if not _has_servers(subscription):
        return NotApplicable(SERVERS_OFF)
    settings = subscription.children(ASSESSMENTS)
    for each in settings:
        if same(each.require("kind"), "AzureServersSetting"):
            path = f"serverVulnerabilityAssessmentsSettings/{each.name} properties.selectedProvider"
            provider = each.require("properties.selectedProvider")
            return (
                Pass((Evidence(path, provider),))
                if same(provider, "MdeTvm")
                else unknown(unknown_value(path, provider))
            )
    if settings.gap is not None:
        return unknown(settings.gap)
    return Fail(
        (Evidence("serverVulnerabilityAssessmentsSettings", "none", Message("AzureServersSetting with MdeTvm")),)
    )


def no_endpoint_protection(subscription: Resource, index: Index) -> Verdict:
    """Fail where Defender for Servers is on, and Defender for Endpoint is not integrated. A setting that Azure did not
    list is inconclusive: no page says what that means.
    """
    if not _has_servers(subscription):
        return NotApplicable(SERVERS_OFF)
    settings = subscription.children(SETTINGS)
    resource = next((each for each in settings if same(each.name, "WDATP")), None)
    if resource is None:
        return unknown(settings.gap or not_returned("settings/WDATP", Message("the setting")))
    enabled = resource.require("properties.enabled")
    seen = Evidence("settings/WDATP properties.enabled", enabled, "True")
    if same(enabled, True):
        return Pass((Evidence(seen.path, enabled),))
    return Fail((seen,)) if same(enabled, False) else unknown(unknown_value(seen.path, enabled))


def _has_servers(subscription: Resource) -> bool:
    """Return whether Defender for Servers is on. Raises Unread."""
    plans = subscription.children(PRICINGS)
    plan = next((each for each in plans if same(each.name, "VirtualMachines")), None)
    if plan is None:
        raise plans.gap or not_returned("pricings/VirtualMachines", Message("the plan"))
    tier = plan.require(TIER)
    if not any(same(tier, each) for each in ("Standard", "Free")):
        raise unknown_value(f"pricings/VirtualMachines {TIER}", tier)
    return same(tier, "Standard")


# Contacts


def contact_of(subscription: Resource, read: Read) -> tuple[Resource | None, Unread | None]:
    """Return the security contact that is switched on, and why it may be missing."""
    contacts, path = subscription.children(read), "properties.isEnabled"
    strange = None
    for each in contacts:
        value = each.get(path)
        if is_absent(value) or same(value, True):
            return each, None
        if not same(value, False):
            strange = unknown_value(path, value)
    return None, strange or contacts.gap


def no_email(subscription: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where alerts go to no address beside those of roles."""
    contact, gap = contact_of(subscription, read)
    if contact is None:
        return (
            unknown(gap)
            if gap is not None
            else Fail((Evidence("securityContacts", "none", Message("an e-mail address")),))
        )
    emails = contact.get("properties.emails")
    # An address is personal data: the evidence says that there is one, not which.
    if isinstance(emails, str) and "@" in emails:
        return Pass((Evidence("properties.emails", "set"),))
    if emails == "" or is_absent(emails):
        return Fail((Evidence("properties.emails", "none", Message("an e-mail address")),))
    return unknown(unknown_value("properties.emails"))


DEFAULT = Unread(
    "securityContacts",
    Message("no contact is set, and what Azure sends then is not in ARM (documented: high alerts to owners)"),
)


def owners_not_notified(subscription: Resource, index: Index, *, read: Read) -> Verdict:
    """Fail where a contact is set and the owners of the subscription get no notices."""
    contact, gap = contact_of(subscription, read)
    if contact is None:
        return unknown(gap or DEFAULT)
    state, roles = contact.get(f"{ROLES}.state"), contact.get(f"{ROLES}.roles")
    seen = Evidence(f"{ROLES}.roles", roles if isinstance(roles, list) else state, "Owner")
    if same(state, "Off"):
        return Fail((Evidence(f"{ROLES}.state", state, "On"),))
    if not same(state, "On"):
        return unknown(not_returned(f"{ROLES}.state") if is_absent(state) else unknown_value(f"{ROLES}.state", state))
    if not isinstance(roles, list):
        return unknown(not_a_list(f"{ROLES}.roles"))
    if any(same(each, "Owner") for each in roles):
        return Pass((seen,))
    known = all(any(same(each, name) for name in ("AccountAdmin", "ServiceAdmin", "Contributor")) for each in roles)
    return Fail((seen,)) if known else unknown(unknown_value(f"{ROLES}.roles"))


def notices_off(
    subscription: Resource, index: Index, *, read: Read, source: tuple[str, ...], level: tuple[str, ...]
) -> Verdict:
    """Fail where a contact is set and gets no notice of a source: `Alert`, `AttackPath`.

    `level`: the property of the level from which on it gets them, then the levels that leave out the severe ones.
    """
    contact, gap = contact_of(subscription, read)
    if contact is None:
        return unknown(gap or DEFAULT)
    sources = contact.get(SOURCE_TYPE)
    if is_absent(sources):
        raise not_returned(SOURCE_TYPE)
    if not isinstance(sources, list):
        raise not_a_list(SOURCE_TYPE)
    known: list[Any] = [member(each, "sourceType") for each in sources]
    for each in sources:
        if same(member(each, "sourceType"), source[0]):
            value = member(each, level[0])
            seen = Evidence(f"{SOURCE_TYPE}[].{level[0]}", value)
            is_known = any(same(value, name) for name in level[1:])
            return Pass((seen,)) if is_known else unknown(unknown_value(seen.path, value))
    if not all(any(same(each, name) for name in ("Alert", "AttackPath")) for each in known):
        return unknown(unknown_value(f"{SOURCE_TYPE}[].sourceType"))
    return Fail((Evidence(f"{SOURCE_TYPE}[].sourceType", known or "none", source[0]),))
