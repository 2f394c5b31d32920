"""Where an app runs, what that place does not have (FTP, a deployment site, remote debugging), and whom it admits.

App Service Environments v3 have switches of their own for FTP and remote debugging.
"""

from collections.abc import Callable
from typing import Any

from scanner.model.index import Index
from scanner.model.json_paths import same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, not_returned_or_unknown, unknown
from scanner.reach.rules.service_tags import service_tag

from .common import child_evidence
from .container_environments import named_environment

CONTAINERS = "properties.managedEnvironmentId"
PLAN = "properties.sku"
ENVIRONMENT = "properties.hostingEnvironmentProfile.id"
# azure-mgmt-web AseV3NetworkingConfiguration.
SWITCHES = "properties.networkingConfiguration.properties"


def container_environment(site: Resource) -> str:
    """Return the id of the Container Apps environment that a function app runs in; "" for any other app."""
    return named_environment(site, CONTAINERS)


def limited(site: Resource) -> tuple[Callable[[Message], Message], Evidence] | None:
    """Return why a place has neither FTP nor remote debugging, with its evidence; None where it has.

    Source: azure-functions/functions-deployment-technologies, the table of technologies by plan.
    """
    if container_environment(site):
        return lambda what: Message("function apps on Container Apps have no {what}", what=what), site.evidence(
            CONTAINERS
        )
    if same(site.get(PLAN), "FlexConsumption"):
        return lambda what: Message("the Flex Consumption plan has no {what}", what=what), site.evidence(PLAN)
    if same(site.get(PLAN), "Dynamic") and same(site.get("properties.reserved"), True):
        return lambda what: Message("the Consumption plan on Linux has no {what}", what=what), site.evidence(PLAN)
    return None


def environment_switch(site: Resource, index: Index, name: str) -> tuple[bool, Evidence] | None:
    """Return whether the App Service Environment v3 of an app has a feature on; None where the app is in none.

    Raise Unread where it is in one that does not say so.
    """
    environment_id = named_environment(site, ENVIRONMENT)
    try:
        environment = index.find(environment_id) if environment_id else None
    except Unread:
        return None
    if environment is None or not same(environment.get("kind"), "ASEV3"):
        return None
    path = f"{SWITCHES}.{name}"
    value = environment.get(path)
    if not same(value, True) and not same(value, False):
        raise not_returned_or_unknown(f"hostingEnvironments {path}")
    return same(value, True), Evidence(f"hostingEnvironments {path}", value, False)


def remote_debugging(site: Resource, index: Index, config: Resource) -> Verdict:
    """Return the verdict on an app whose place has remote debugging, by its `config/web`."""
    path = "properties.remoteDebuggingEnabled"
    seen = child_evidence(config, "config/web", path, False)
    if same(config.get(path), False):
        return Pass((seen,))
    try:
        switch = environment_switch(site, index, "remoteDebugEnabled")
    except Unread as missing:
        return unknown(missing, evidence=(seen,))
    if switch is not None and not switch[0]:
        return NotApplicable(Message("remote debugging is disabled in its App Service Environment"))
    if same(config.get(path), True):
        return Fail((seen,))
    return unknown(not_returned_or_unknown(seen.path), evidence=(seen,))


def admits_no_one(web: Resource) -> bool:
    """Return whether restrictions admit no public caller: then a private endpoint is the only way to the app."""
    for prefix in ("ip", "scmIp"):
        name = f"properties.{prefix}SecurityRestrictions"
        default = web.get(f"{name}DefaultAction")
        if same(default, "Allow"):
            continue
        entries = web.items(name) if web.has(name) else []
        if not any(map(_may_admit, entries)) and (entries or same(default, "Deny")):
            return True
    return False


def _may_admit(entry: Any) -> bool:
    """Return whether a restriction may admit a caller from outside Microsoft."""
    is_tag = text_at(entry, "tag").lower() == "servicetag"
    no_one = is_tag and service_tag(text_at(entry, "ipAddress")).reach == "none"
    return text_at(entry, "action").lower() != "deny" and not no_one
