"""Where an app runs, and what that place does not have: FTP, a deployment site, remote debugging.

App Service Environments v3 have switches of their own for FTP and remote debugging.
"""

from scanner.model.index import Index
from scanner.model.json_paths import same
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Fail, NotApplicable, Pass, Unread, Verdict, not_returned_or_unknown, unknown

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


def limited(site: Resource) -> tuple[str, Evidence] | None:
    """Return why a place has neither FTP nor remote debugging, with its evidence; None where it has.

    Source: azure-functions/functions-deployment-technologies, the table of technologies by plan.
    """
    if container_environment(site):
        return "function apps on Container Apps have no {}", site.evidence(CONTAINERS)
    if same(site.get(PLAN), "FlexConsumption"):
        return "the Flex Consumption plan has no {}", site.evidence(PLAN)
    if same(site.get(PLAN), "Dynamic") and same(site.get("properties.reserved"), True):
        return "the Consumption plan on Linux has no {}", site.evidence(PLAN)
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
        return NotApplicable("remote debugging is disabled in its App Service Environment")
    if same(config.get(path), True):
        return Fail((seen,))
    return unknown(not_returned_or_unknown(seen.path), evidence=(seen,))
