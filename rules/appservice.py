"""App Service: web apps, function apps and Logic Apps Standard, and their slots."""

from collections.abc import Iterator
from typing import Any

from scanner.model.exposure import (
    IDENTITY,
    Auth,
    Exposure,
    Grant,
    Hop,
    Lock,
    Reach,
    closed,
    grant,
    possible,
    replace,
)
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, get_path, member, same
from scanner.model.resource import Resource
from scanner.model.rule import Controls, Fix, ResourceType, SeverityName, judge_value
from scanner.model.verdict import (
    ABSENT,
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unknown,
    Unread,
    Verdict,
    absent_at_unknown_version,
    not_read,
    not_returned,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.access_restrictions import FRONT_DOOR, restricted_subnets, restrictions
from scanner.reach.firewall import AllowedSubnets, Firewall, firewall, why_rules_not_used
from scanner.reach.front_ends import publishers
from scanner.reach.sources import as_possible, source_hop

from .common import ISO, LEARN, MCSB, NIST, NSM, strange_subnets
from .easy_auth import NO_LOGIN, easy_auth

SITE = ResourceType("Microsoft.Web/sites", "Microsoft.Web/sites/slots", api="2025-03-01")


def runs(site: Resource) -> str:
    """What stands behind the app's addresses: "web", "functions", "workflows", or "" where its kind is not known."""
    kind = site.get("kind")
    words = {word.strip() for word in kind.lower().split(",")} if isinstance(kind, str) else set()
    if "workflowapp" in words:
        return "workflows"
    if "functionapp" in words:
        return "functions"
    return "web" if words & {"app", "api", "mobileapp"} else ""


def stopped(site: Resource) -> bool:
    return same(site.get("properties.state"), "Stopped")


def has_functions(site: Resource) -> bool:
    # An app whose kind is not known is asked.
    return runs(site) in ("functions", "")


def has_workflows(site: Resource) -> bool:
    return runs(site) in ("workflows", "")


def asks_for_login(site: Resource) -> bool:
    # Easy Auth is not in the way of a signed trigger address, and a logic app has no other door.
    return runs(site) != "workflows"


def endpoints_decide(site: Resource) -> bool:
    # app-service/overview-access-restrictions: with an explicit "Enabled" private endpoints change nothing for others.
    return not same(site.get("properties.publicNetworkAccess"), "Enabled")


WEB = SITE.child(
    "config/web",
    one=True,
    keep=(
        "properties.cors",
        "properties.ftpsState",
        "properties.ipSecurityRestrictions",
        "properties.ipSecurityRestrictionsDefaultAction",
        "properties.minTlsVersion",
        "properties.remoteDebuggingEnabled",
        "properties.scmIpSecurityRestrictions",
        "properties.scmIpSecurityRestrictionsDefaultAction",
        "properties.scmIpSecurityRestrictionsUseMain",
        "properties.scmMinTlsVersion",
    ),
)
LOGIN = SITE.child("config/authsettingsV2", one=True, none=("AuthConfigNotFound",), when=asks_for_login)
POLICIES = SITE.child("basicPublishingCredentialsPolicies")
CONNECTIONS = SITE.child("privateEndpointConnections", when=endpoints_decide)
# The host answers these two, and a stopped app has none.
FUNCTIONS = SITE.child(
    "functions",
    when=lambda site: has_functions(site) and not stopped(site),
    keep=("properties.isDisabled", "properties.config.bindings[].type", "properties.config.bindings[].authLevel"),
)
WORKFLOWS = SITE.child(
    "workflows",
    each=True,
    when=lambda site: has_workflows(site) and not stopped(site),
    keep=("properties.flowState", "properties.files.*.definition.triggers.*.type"),
)

SWITCH = Firewall(
    empty="open",
    source="app-service/overview-access-restrictions: an unset switch is on until a private endpoint is approved",
    name="Access restrictions",
    absent="auto",
    endpoints=CONNECTIONS,
)

# Which doors an internal load balancer holds: azure-mgmt-web LoadBalancingMode (Web: ports 80 and 443, Publishing: FTP).
INTERNAL: dict[str, tuple[str, ...]] = {
    "none": (),
    "0": (),
    "web": ("web",),
    "1": ("web",),
    "publishing": ("ftp",),
    "2": ("ftp",),
    "web,publishing": ("web", "ftp"),
    "3": ("web", "ftp"),
}


def config_of(site: Resource) -> Resource:
    """The app's `config/web`; Unread where it was not read."""
    config = site.child(WEB)
    if config is None:
        raise not_returned(WEB.path)
    if config.has_no_properties:
        raise Unread(WEB.path, config.why_absent_is_unknown)
    return config


def reach_of(site: Resource, index: Index, *, scm: bool = False) -> Lock:
    """Who can reach the app, or its SCM site: switch, restrictions, private endpoints, and its environment."""
    try:
        rules = restrictions(site, index, config_of(site), scm=scm)
    except Unread as gap:
        rules = possible(Reach.internet, gap, hops=(Hop("firewall", "Access restrictions", gap.why, allows=None),))
    return placed(site, index, firewall(site, index, SWITCH, rules), "web")


def placed(site: Resource, index: Index, usual: Lock, door: str) -> Lock:
    """The reach of a door; in an App Service Environment with an internal load balancer it has no public side."""
    path = "properties.hostingEnvironmentProfile.id"
    environment = site.get(path)
    if not isinstance(environment, str) or not environment:
        return usual
    try:
        mode = _found(index, environment).require("properties.internalLoadBalancingMode")
    except Unread as missing:
        return as_possible(usual, missing) | possible(Reach.private, missing, site.evidence(path))
    held = INTERNAL.get(str(mode).lower().replace(" ", ""))
    seen = Evidence("hostingEnvironments properties.internalLoadBalancingMode", mode, "Web, Publishing")
    if held is None:
        strange = unknown_value(seen.path, mode)
        return as_possible(usual, strange) | possible(Reach.private, strange, seen)
    if door not in held:
        return usual
    inside = grant(Reach.private, site.evidence(path), seen)
    name = environment.rstrip("/").rsplit("/", 1)[-1]
    return replace(inside, hops=(source_hop(inside), Hop("environment", name, "internal load balancer", environment)))


def _found(index: Index, id: str) -> Resource:
    try:
        return index.find(id)
    except Unread as missing:
        raise index.of_type("Microsoft.Web/hostingEnvironments")[1] or missing from None


def login(site: Resource) -> Lock:
    """What Easy Auth asks in front of the app."""
    try:
        settings = site.child(LOGIN)
    except Unread as gap:
        return possible(Auth.anonymous, gap)
    if settings is None:
        seen = Evidence("config/authsettingsV2 properties.platform.enabled", ABSENT, True)
        return grant(Auth.anonymous, seen, description=NO_LOGIN)
    return easy_auth(settings, LOGIN.path)


def behind(front: Lock, own: Lock) -> Lock:
    """What is asked in all: Easy Auth's identity where it is enforced, else what the function itself asks."""
    if front.widest is not None and front.widest_possible is None:
        return front if front.widest.level == Auth.identity else own
    missing = front.widest_possible.missing if front.widest_possible is not None else not_read(LOGIN.path)
    return replace(
        as_possible(own, missing), grants=tuple(each for each in front.grants if each.level == Auth.identity)
    )


def host(site: Resource) -> str:
    value = site.get("properties.defaultHostName")
    return value if isinstance(value, str) else ""


def own_hosts(site: Resource) -> list[str]:
    """The host names that people gave it: its default one is the address of its endpoints."""
    names = site.get("properties.hostNames")
    return [each for each in names if isinstance(each, str)] if isinstance(names, list) else []


def scm_host(site: Resource) -> str:
    states = site.get("properties.hostNameSslStates")
    for each in states if isinstance(states, list) else ():
        name = get_path(each, "name")
        if same(get_path(each, "hostType"), "Repository") and isinstance(name, str):
            return name
    return ""


@SITE.endpoints(
    admin=("scm", "ftp"),
    app=("app", "function/*", "host-keys", "trigger/*"),
    reads=(WEB, LOGIN, POLICIES, CONNECTIONS, FUNCTIONS, WORKFLOWS),
)
def endpoints(site: Resource, index: Index) -> Iterator[Exposure]:
    reach = reach_of(site, index)
    if stopped(site):
        state = site.evidence("properties.state")
        yield closed("app", "app", "the app is stopped", state, display_name="The app")
        yield closed("host-keys", "app", "the app is stopped", state, display_name="The function host")
    else:
        front = login(site)
        told = publishers(index).publishers(own_hosts(site))
        doors = (app(site, reach, front), host_keys(site, reach, front), *functions(site, reach, front))
        for each in (*doors, *triggers(site, reach)):
            yield each if each.disabled_reason else replace(each, admits=told)
    yield scm(site, index)
    yield ftp(site, index)


def app(site: Resource, reach: Lock, front: Lock) -> Exposure:
    kind = runs(site)
    if kind == "functions":
        why = "a function app is reached by its functions and its host's own addresses"
        return closed("app", "app", why, site.evidence("kind"), display_name="The app")
    if kind == "workflows":
        return closed(
            "app", "app", "a logic app is reached by its triggers", site.evidence("kind"), display_name="The app"
        )
    return Exposure("app", "app", reach, front, display_name="The app", address=host(site))


def host_keys(site: Resource, reach: Lock, front: Lock) -> Exposure:
    """/admin and /runtime/webhooks are always there, and ask for a key (azure-functions/function-keys-how-to)."""
    kind = runs(site)
    what = "The function host"
    if kind in ("web", "workflows"):
        return closed("host-keys", "app", "only a function app has host keys", site.evidence("kind"), display_name=what)
    seen = site.evidence("kind")
    key = grant(Auth.shared, seen, description="a key of the host opens /admin and /runtime/webhooks")
    if not kind:
        key = possible(Auth.shared, Unread("kind", "whether it is a function app is not known"), seen)
    return Exposure("host-keys", "app", reach, behind(front, key), display_name=what, address=host(site))


def functions(site: Resource, reach: Lock, front: Lock) -> Iterator[Exposure]:
    if not has_functions(site):
        return
    found = site.children(FUNCTIONS)
    for function in found:
        own = function_asks(function)
        if own is not None and not same(function.get("properties.isDisabled"), True):
            what = f"Function {function.name}"
            authentication = behind(front, own)
            yield Exposure(
                f"function/{function.name}",
                "app",
                reach,
                authentication,
                display_name=what,
                subject=function,
                address=host(site),
            )
    missing = found.gap
    if missing is None and not found.items:
        # The host answers with an empty list also where it never synced its triggers.
        missing = Unread(
            FUNCTIONS.path, "a running app answered with an empty list, as one does that never told its functions"
        )
    if missing is not None:
        authentication = behind(front, possible(Auth.anonymous, missing) | possible(Auth.shared, missing))
        yield Exposure("function/*", "app", reach, authentication, display_name="A function of the app")


def function_asks(function: Resource) -> Lock | None:
    """What a function asks by itself, by the level of its HTTP trigger; None where it has no such trigger."""
    path = f"functions/{function.name} properties.config.bindings"
    bindings = function.get("properties.config.bindings")
    if not isinstance(bindings, list):
        missing = not_returned(path, "them")
        return possible(Auth.anonymous, missing) | possible(Auth.shared, missing)
    lock: Lock | None = None
    for binding in bindings:
        type = get_path(binding, "type")
        if not isinstance(type, str):
            missing = not_returned(f"{path}[].type")
            lock = (lock or Lock()) | possible(Auth.anonymous, missing) | possible(Auth.shared, missing)
        elif same(type, "httpTrigger"):
            lock = (lock or Lock()) | _level(get_path(binding, "authLevel"), f"{path}[].authLevel")
    if lock is None and not any(str(get_path(each, "type")).lower().endswith("trigger") for each in bindings):
        missing = Unread(path, "no trigger is among them")
        return possible(Auth.anonymous, missing) | possible(Auth.shared, missing)
    return lock


def _level(level: Any, path: str) -> Lock:
    seen = Evidence(path, ABSENT if level is MISSING else level, "function")
    if same(level, "anonymous"):
        return grant(Auth.anonymous, seen, description="it asks for no key")
    key = grant(Auth.shared, seen, description="a function key, which is copied along with the address, opens it")
    if same(level, "function") or same(level, "admin"):
        return key
    if level in (MISSING, None):
        # The default is "function" in function.json and "anonymous" in the newer model of Node.js
        # (azure-functions/functions-bindings-http-webhook-trigger).
        return key | possible(Auth.anonymous, Unread(path, "its default hangs on the language"), seen)
    missing = unknown_value(path, level)
    return possible(Auth.anonymous, missing, seen) | possible(Auth.shared, missing, seen)


# Triggers that no call starts: logic-apps/logic-apps-workflow-actions-triggers, "Trigger types list" (the last two poll).
QUIET = ("Recurrence", "SlidingWindow", "ApiConnection", "Http")


def triggers(site: Resource, reach: Lock) -> Iterator[Exposure]:
    if not has_workflows(site):
        return
    found = site.children(WORKFLOWS)
    for workflow in found:
        authentication = signature(workflow)
        if authentication is not None and not same(workflow.get("properties.flowState"), "Disabled"):
            name = workflow.name
            yield Exposure(
                f"trigger/{name}", "app", reach, authentication, display_name=f"Workflow {name}", address=host(site)
            )
    missing = found.gap
    if missing is None and not found.items:
        missing = Unread(
            WORKFLOWS.path, "a running app answered with an empty list, as one does that never told its workflows"
        )
    if missing is not None:
        yield Exposure("trigger/*", "app", reach, possible(Auth.shared, missing), display_name="Its workflows")


def signature(workflow: Resource) -> Lock | None:
    """A Request trigger carries its key, a signature, in its address; None where no call starts the workflow."""
    path = f"workflows/{workflow.name} properties.files.workflow.json.definition.triggers"
    triggers = get_path(member(workflow.get("properties.files"), "workflow.json"), "definition.triggers")
    if not isinstance(triggers, dict):
        gap = workflow.bundle.gaps.get(workflow.key)
        missing = not_returned(path, "them") if gap is None else Unread(path, gap.why(), gap.url)
        return possible(Auth.shared, missing)
    types = [get_path(each, "type") for each in triggers.values()]
    seen = Evidence(path, [str(each) for each in types])
    if any(same(each, "Request") for each in types):
        return grant(Auth.shared, seen, description="whoever holds its signed address starts it")
    if all(any(same(each, quiet) for quiet in QUIET) for each in types):
        return None
    return possible(Auth.shared, Unread(path, "whether a call starts it is not known"), seen)


def publishing(site: Resource, name: str) -> tuple[Any, Evidence, Unread]:
    """Whether user name and password are taken by "scm" or "ftp": the value, its evidence, and why it may be unread."""
    path = f"basicPublishingCredentialsPolicies/{name} properties.allow"
    found = site.children(POLICIES)
    policy = next((each for each in found if each.name.lower() == name), None)
    if policy is None:
        return MISSING, Evidence(path, ABSENT, False), found.gap or not_returned(path)
    value = policy.get("properties.allow")
    seen = Evidence(path, ABSENT if value is MISSING else value, False)
    return value, seen, not_returned_or_unknown(path)


PROFILE = "a user name and password of the publish profile opens it"


def scm(site: Resource, index: Index) -> Exposure:
    """The deployment site: console, files and environment of the app. It stays up when the app is stopped."""
    allow, seen, missing = publishing(site, "scm")
    if same(allow, True):
        authentication = grant(Auth.shared, seen, description=PROFILE)
    elif same(allow, False):
        authentication = grant(Auth.identity, seen)
    else:
        authentication = IDENTITY | possible(Auth.shared, missing, seen)
    reach = reach_of(site, index, scm=True)
    return Exposure(
        "scm", "admin", reach, authentication, display_name="The deployment site (SCM)", address=scm_host(site)
    )


def ftp(site: Resource, index: Index) -> Exposure:
    """FTP knows basic credentials alone. It comes in by the public address, never through a private endpoint."""
    what = "FTP"
    allow, seen, missing = publishing(site, "ftp")
    if same(allow, False):
        why = "FTP knows only basic credentials, and they are off"
        return closed("ftp", "admin", why, seen, display_name=what)
    possible_grants = [] if same(allow, True) else [missing]
    path = "config/web properties.ftpsState"
    proof = Evidence(path, ABSENT, "Disabled")
    try:
        state = config_of(site).get("properties.ftpsState")
        proof = Evidence(path, ABSENT if state is MISSING else state, "Disabled")
        if same(state, "Disabled"):
            return closed("ftp", "admin", "FTP is switched off", proof, display_name=what)
        if not any(same(state, each) for each in ("AllAllowed", "FtpsOnly")):
            possible_grants.append(not_returned_or_unknown(path))
    except Unread as gap:
        possible_grants.append(gap)
    reach = ftp_reach(site, index)
    if possible_grants and reach.widest is not None and reach.widest.level > Reach.none:
        reach = as_possible(reach, possible_grants[0])
    authentication = grant(Auth.shared, proof, seen, description=PROFILE)
    return Exposure("ftp", "admin", reach, authentication, display_name=what)


def ftp_reach(site: Resource, index: Index) -> Lock:
    """By the public switch alone: whether access restrictions filter FTP is not documented, so they do not count."""
    lock = firewall(site, index, SWITCH, restricted_by_nothing())
    grants = tuple(each for each in lock.grants if each.level > Reach.selected)
    possible_grants = tuple(each for each in lock.possible_grants if each.level > Reach.selected)
    if not grants and not possible_grants:
        grants = (Grant(Reach.none, (site.evidence("properties.publicNetworkAccess"),)),)
    hops = tuple(hop for hop in lock.hops if hop.kind != "private-endpoint")
    return placed(site, index, replace(lock, grants=grants, possible_grants=possible_grants, hops=hops), "ftp")


def restricted_by_nothing() -> Lock:
    hop = Hop("firewall", "Access restrictions", "not known to hold FTP")
    return grant(Reach.internet, hops=(hop,))


CONFIG = "az resource update --ids {id}/config/web --set properties."
LOGIN_AZ = (
    "az resource update --ids {top_id}/config/authsettingsV2 --set properties.platform.enabled=true "
    "properties.globalValidation.requireAuthentication=true properties.globalValidation.unauthenticatedClientAction=Return401"
)
LOGIN_STEP = "az resource show --ids {top_id}/config/authsettingsV2 --query properties"
LOGIN_FIX = {
    "az": LOGIN_AZ,
    "first_step": LOGIN_STEP,
    "bicep": "config/authsettingsV2: { globalValidation: { requireAuthentication: true } }",
    "terraform": "azurerm_linux_web_app.auth_settings_v2.require_authentication = true",
    "terraform_page": "linux_web_app",
    "portal": "App > Authentication > Add identity provider, Restrict access: Require authentication",
}
EASY_AUTH = f"{LEARN}/app-service/overview-authentication-authorization"
PAGE = "linux_web_app"

SITE.lock(
    "app-answers-anybody",
    "anonymous-access",
    "The app answers anybody, and the platform asks for no login (the app's own login is not visible)",
    only=("app",),
    why="Every request reaches the program itself: each of its pages, and each flaw in it, is open to whoever finds the address. "
    "For a public site that is meant; name it as intended. For anything else let the platform ask first.",
    fix=Fix(
        **LOGIN_FIX,
        breaks="Callers that do not sign in, health probes and webhooks among them. Set up the identity provider of your own tenant first.",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-3", "IA-2")},
    references=(EASY_AUTH,),
)
SITE.lock(
    "function-answers-anybody",
    "anonymous-access",
    "An HTTP function answers anybody",
    only=("function/*",),
    subject=FUNCTIONS,
    why="The level of the function is anonymous: whoever knows the address starts it, with the rights of the app's identity behind it. "
    "The level stands in the code, so it is easily left over from a test.",
    fix=Fix(
        **LOGIN_FIX,
        breaks="Callers that do not sign in. To ask for a key instead, set authLevel in the function's code and deploy it.",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-3", "IA-2"), ISO: ("A.8.3",)},
    references=(f"{LEARN}/azure-functions/security-concepts",),
)
SITE.lock(
    "function-key-only",
    "authentication",
    "An HTTP function asks for nothing but a key",
    only=("function/*",),
    subject=FUNCTIONS,
    why="A function key travels in addresses and headers, ends up in logs and scripts, never expires and names nobody.",
    fix=Fix(
        **LOGIN_FIX,
        breaks="Callers that send the key alone; they need a token of your tenant.",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("IA-2",), ISO: ("A.8.3",)},
    references=(f"{LEARN}/azure-functions/function-keys-how-to",),
)
SITE.lock(
    "function-host-keys",
    "authentication",
    "The function host is administered with a key",
    only=("host-keys",),
    why="The master key opens /admin, which starts every function and hands out the other keys; system keys open the webhooks of "
    "extensions. The keys never expire and name nobody.",
    fix=Fix(
        **LOGIN_FIX,
        breaks="Event Grid and other services that call /runtime/webhooks with a key: restrict them by network instead.",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("IA-2",), ISO: ("A.8.3",)},
    references=(f"{LEARN}/azure-functions/function-keys-how-to",),
)
SITE.lock(
    "logic-app-trigger-signature",
    "authentication",
    "A workflow starts for whoever has its signed address",
    only=("trigger/*",),
    why="The signature stands in the address, does not expire, and is the same for every caller. Whoever sees the address once, in a log or "
    "a mail, can start the workflow.",
    fix=Fix(
        az="az resource update --ids {id}/config/web --set properties.ipSecurityRestrictionsDefaultAction=Deny",
        first_step="az resource show --ids {id}/config/web --query properties.ipSecurityRestrictions",
        breaks="Callers outside the networks that the restrictions name; add an Allow rule for each first.",
        bicep="siteConfig: { ipSecurityRestrictionsDefaultAction: 'Deny' }",
        terraform="azurerm_logic_app_standard.site_config.ip_restriction",
        terraform_page="logic_app_standard",
        portal="Logic app > Networking > Public network access > Enabled from select virtual networks and IP addresses",
        cost=2,
    ),
    controls={MCSB: ("IM-1",), NIST: ("IA-2",)},
    references=(f"{LEARN}/logic-apps/logic-apps-securing-a-logic-app",),
)
SITE.lock(
    "app-scm-basic-credentials",
    "authentication",
    "The deployment site accepts user name and password",
    only=("scm",),
    why="The publish profile's password opens the console, the files and the settings of the app, secrets included. It is one for "
    "everybody, lies in pipelines and mailboxes, and no second factor protects it.",
    fix=Fix(
        az="az resource update --ids {id}/basicPublishingCredentialsPolicies/scm --set properties.allow=false",
        first_step="az resource show --ids {id}/basicPublishingCredentialsPolicies/scm",
        breaks="Deployments with a publish profile, local Git and older pipeline tasks; they must sign in with Entra ID.",
        bicep="basicPublishingCredentialsPolicies/scm: { allow: false }",
        terraform="azurerm_linux_web_app.webdeploy_publish_basic_authentication_enabled = false",
        terraform_page=PAGE,
        portal="App > Configuration > General settings > SCM Basic Auth Publishing: Off",
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-3", "IA-2"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/app-service/configure-basic-auth-disable",),
)
SITE.lock(
    "app-scm-open-network",
    "network",
    "The deployment site answers networks that are not yours",
    only=("scm",),
    why="The deployment site has rules of its own: restrictions on the app do not protect it unless it is told to follow them. "
    "Whoever gets hold of a credential can use it from anywhere.",
    fix=Fix(
        az="az resource update --ids {id}/config/web --set properties.scmIpSecurityRestrictionsDefaultAction=Deny",
        first_step="az resource show --ids {id}/config/web --query properties.scmIpSecurityRestrictions",
        breaks="Deployments from outside the networks that the rules name: add the build agents first.",
        bicep="siteConfig: { scmIpSecurityRestrictionsDefaultAction: 'Deny' }",
        terraform='azurerm_linux_web_app.site_config.scm_ip_restriction_default_action = "Deny"',
        terraform_page=PAGE,
        portal="App > Networking > Public network access > Advanced tool site > Unmatched rule action: Deny",
        cost=2,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)},
    references=(f"{LEARN}/app-service/overview-access-restrictions",),
)
SITE.lock(
    "app-ftp-basic-credentials",
    "authentication",
    "FTP accepts user name and password",
    only=("ftp",),
    why="FTP writes the app's files, and knows no other login than a password that is one for everybody.",
    fix=Fix(
        az="az resource update --ids {id}/basicPublishingCredentialsPolicies/ftp --set properties.allow=false",
        first_step="az resource show --ids {id}/basicPublishingCredentialsPolicies/ftp",
        breaks="Deployments by FTP; deploy as a package instead.",
        bicep="basicPublishingCredentialsPolicies/ftp: { allow: false }",
        terraform="azurerm_linux_web_app.ftp_publish_basic_authentication_enabled = false",
        terraform_page=PAGE,
        portal="App > Configuration > General settings > FTP Basic Auth Publishing: Off",
    ),
    controls={MCSB: ("IM-1",), NIST: ("AC-3", "IA-2"), ISO: ("A.5.17",)},
    references=(f"{LEARN}/app-service/configure-basic-auth-disable",),
)
SITE.lock(
    "app-ftp-open-network",
    "network",
    "FTP answers networks that are not yours",
    only=("ftp",),
    why="FTP comes in by the public address of App Service. Whether access restrictions hold it is not documented, so they do not "
    "count here: only the public switch does, or FTP itself being off.",
    fix=Fix(
        az="az resource update --ids {id}/config/web --set properties.ftpsState=Disabled",
        first_step="az resource show --ids {id}/config/web --query properties.ftpsState",
        breaks="Deployments by FTP; deploy as a package instead.",
        bicep="siteConfig: { ftpsState: 'Disabled' }",
        terraform='azurerm_linux_web_app.site_config.ftps_state = "Disabled"',
        terraform_page=PAGE,
        portal="App > Configuration > General settings > FTP state: Disabled",
    ),
    controls={MCSB: ("NS-2", "NS-8"), NIST: ("AC-4", "SC-7"), ISO: ("A.8.20",)},
    references=(f"{LEARN}/app-service/deploy-ftp",),
)


def let_in(site: Resource, index: Index) -> AllowedSubnets:
    """The subnets that its access restrictions let in, where its switch lets them decide."""
    if site.has_no_properties:
        return AllowedSubnets(WEB.path, missing=Unread("properties", site.why_absent_is_unknown))
    why = why_rules_not_used(site, index, SWITCH)
    return AllowedSubnets(WEB.path, not_used=why) if why else restricted_subnets(site, index, config_of(site))


strange_subnets(
    SITE,
    "app-subnet-of-strangers",
    "the app",
    let_in,
    (WEB, CONNECTIONS),
    "az resource update --ids {id}/config/web --set properties.ipSecurityRestrictions=RULES_WITHOUT_IT",
    "az resource show --ids {id}/config/web --query properties.ipSecurityRestrictions",
    "App > Networking > Public network access > Site access and rules",
)

FORGEABLE = ("x-forwarded-for", "x-forwarded-host")


def _names(headers: Any) -> set[str]:
    return {name.lower() for name, value in headers.items() if value} if isinstance(headers, dict) else set()


def _locked(rule: Any, names: set[str]) -> bool:
    """Whether the header comes from Front Door, which sets it itself and is named as the only source."""
    tag = get_path(rule, "ipAddress")
    from_front_door = (
        isinstance(tag, str) and tag.strip().lower() == FRONT_DOOR and same(get_path(rule, "tag"), "ServiceTag")
    )
    return "x-azure-fdid" in names and from_front_door


@SITE.rule(
    "app-forgeable-header-filter",
    "network",
    "An access restriction trusts a header that anybody can forge",
    severity="low",
    reads=(WEB,),
    why="A caller writes X-Forwarded-For and X-Forwarded-Host at will, and X-Azure-FDID too where he need not come through Front "
    "Door. A rule that lets in by such a header lets in everybody who knows of it.",
    fix=Fix(
        az="az resource show --ids {id}/config/web --query properties.ipSecurityRestrictions",
        breaks="Callers that the rule lets in today; give them a rule by address, subnet, or Front Door with the id of your profile.",
        portal="App > Networking > Public network access > the rule > Http headers filter settings",
        cost=2,
    ),
    controls={MCSB: ("NS-2",), NIST: ("AC-4", "SC-7")},
    references=(f"{LEARN}/app-service/overview-access-restrictions",),
)
def forgeable_header_filter(site: Resource, index: Index) -> Verdict:
    path = "config/web properties.ipSecurityRestrictions[].headers"
    entries = config_of(site).get("properties.ipSecurityRestrictions")
    if not isinstance(entries, list):
        return unknown(not_returned("config/web properties.ipSecurityRestrictions"))
    filters = [
        (each, get_path(each, "headers"))
        for each in entries
        if get_path(each, "headers") not in (MISSING, None, {}) and not same(get_path(each, "action"), "Deny")
    ]
    if not filters:
        return NotApplicable("no rule lets in by a header")
    weak = [
        sorted(_names(headers)) for each, headers in filters if _names(headers) and not _locked(each, _names(headers))
    ]
    if weak:
        return Fail((Evidence(path, weak, "x-azure-fdid, with the tag AzureFrontDoor.Backend"),))
    if not all(isinstance(headers, dict) for _, headers in filters):
        return unknown(unknown_value(path))
    return Pass((Evidence(path, [sorted(_names(headers)) for _, headers in filters]),))


SITE.setting(
    "app-plain-http",
    "transport",
    "The app accepts plain HTTP",
    "properties.httpsOnly",
    allowed=(True,),
    severity="medium",
    why="Over plain HTTP cookies, tokens and pages travel readable, and whoever sits on the way can change them.",
    fix=Fix(
        az="az resource update --ids {id} --set properties.httpsOnly=true",
        breaks="Clients that call http:// and do not follow a redirect.",
        bicep="httpsOnly: true",
        terraform="azurerm_linux_web_app.https_only = true",
        terraform_page=PAGE,
        portal="App > Configuration > General settings > HTTPS Only: On",
    ),
    controls={MCSB: ("DP-3",), NIST: ("SC-8",), ISO: ("A.8.24",), NSM: ("2.7.4",)},
    references=(f"{LEARN}/app-service/configure-ssl-bindings",),
)


def config_setting(
    id: str,
    category: str,
    title: str,
    path: str,
    *,
    allowed: tuple[Any, ...],
    bad: tuple[Any, ...],
    severity: SeverityName,
    why: str,
    fix: Fix,
    controls: Controls,
    references: tuple[str, ...],
) -> None:
    """A rule that is one property of `config/web`."""

    @SITE.rule(
        id, category, title, severity=severity, why=why, fix=fix, controls=controls, references=references, reads=(WEB,)
    )
    def judge(site: Resource, index: Index) -> Verdict:
        return _in_config(judge_value(config_of(site), path, allowed=allowed, bad=bad))


def _in_config(verdict: Verdict) -> Verdict:
    if isinstance(verdict, NotApplicable):
        return verdict
    seen = tuple(Evidence(f"config/web {each.path}", each.value, each.expected) for each in verdict.evidence)
    return replace(verdict, evidence=seen)


TLS: Controls = {MCSB: ("DP-3",), NIST: ("SC-8",), ISO: ("A.8.24",), NSM: ("2.7.4",)}

config_setting(
    "app-old-tls",
    "transport",
    "The app accepts old TLS versions",
    "properties.minTlsVersion",
    allowed=("1.2", "1.3"),
    bad=("1.0", "1.1"),
    severity="medium",
    why="TLS 1.0 and 1.1 have known weaknesses; a client can be talked down to them.",
    fix=Fix(
        az=f"{CONFIG}minTlsVersion=1.2",
        breaks="Clients that know no newer version than TLS 1.1.",
        bicep="siteConfig: { minTlsVersion: '1.2' }",
        terraform='azurerm_linux_web_app.site_config.minimum_tls_version = "1.2"',
        terraform_page=PAGE,
        portal="App > Configuration > General settings > Minimum Inbound TLS Version: 1.2",
    ),
    controls=TLS,
    references=(f"{LEARN}/app-service/configure-ssl-bindings",),
)
config_setting(
    "app-scm-old-tls",
    "transport",
    "The deployment site accepts old TLS versions",
    "properties.scmMinTlsVersion",
    allowed=("1.2", "1.3"),
    bad=("1.0", "1.1"),
    severity="low",
    why="Deployments carry the app's files and credentials; over TLS 1.0 and 1.1 they travel less safely than they need to.",
    fix=Fix(
        az=f"{CONFIG}scmMinTlsVersion=1.2",
        breaks="Deployment tools that know no newer version than TLS 1.1.",
        bicep="siteConfig: { scmMinTlsVersion: '1.2' }",
        terraform='azurerm_linux_web_app.site_config.scm_minimum_tls_version = "1.2"',
        terraform_page=PAGE,
        portal="App > Configuration > General settings > SCM Minimum Inbound TLS Version: 1.2",
    ),
    controls=TLS,
    references=(f"{LEARN}/app-service/configure-ssl-bindings",),
)
config_setting(
    "app-plain-ftp",
    "transport",
    "Files travel to the app over plain FTP",
    "properties.ftpsState",
    allowed=("FtpsOnly", "Disabled"),
    bad=("AllAllowed",),
    severity="medium",
    why="Plain FTP sends the password and the files readable for everybody on the way.",
    fix=Fix(
        az=f"{CONFIG}ftpsState=FtpsOnly",
        breaks="FTP clients that do not speak FTPS.",
        bicep="siteConfig: { ftpsState: 'FtpsOnly' }",
        terraform='azurerm_linux_web_app.site_config.ftps_state = "FtpsOnly"',
        terraform_page=PAGE,
        portal="App > Configuration > General settings > FTP state: FTPS only",
    ),
    controls=TLS,
    references=(f"{LEARN}/app-service/deploy-ftp",),
)
SITE.setting(
    "app-plain-inner-hop",
    "transport",
    "Traffic between the front end and the app is not encrypted",
    "properties.endToEndEncryptionEnabled",
    allowed=(True,),
    severity="info",
    why="The front end of App Service ends TLS and passes requests on inside Microsoft's network in the clear, unless told otherwise.",
    fix=Fix(
        az="az resource update --ids {id} --set properties.endToEndEncryptionEnabled=true",
        breaks="Nothing that is known; it needs a plan of a tier that has it (Standard and above).",
        bicep="endToEndEncryptionEnabled: true",
        portal="App > Configuration > General settings > End-to-end TLS encryption: On",
    ),
    controls={MCSB: ("DP-3",), NIST: ("SC-8",)},
    references=(f"{LEARN}/app-service/overview-tls",),
)
config_setting(
    "app-remote-debugging",
    "governance",
    "A remote debugger can be attached to the app",
    "properties.remoteDebuggingEnabled",
    allowed=(False,),
    bad=(True,),
    severity="medium",
    why="Remote debugging opens more ports on the app, and whoever attaches reads its memory, secrets included, and stops it.",
    fix=Fix(
        az=f"{CONFIG}remoteDebuggingEnabled=false",
        breaks="A debugging session that runs now.",
        bicep="siteConfig: { remoteDebuggingEnabled: false }",
        terraform="azurerm_linux_web_app.site_config.remote_debugging_enabled = false",
        terraform_page=PAGE,
        portal="App > Configuration > General settings > Remote debugging: Off",
    ),
    controls={MCSB: ("PV-2",), NIST: ("CM-7",)},
    references=(f"{LEARN}/app-service/configure-common",),
)


@SITE.rule(
    "app-cors-any-origin",
    "governance",
    "Any web site may call the app from a visitor's browser",
    severity="low",
    reads=(WEB,),
    why="With the origin * a page anywhere can read what the app answers to a visitor's browser, from inside the visitor's network.",
    fix=Fix(
        az="az resource update --ids {id}/config/web --set properties.cors.allowedOrigins='[\"https://www.example.com\"]'",
        first_step="az resource show --ids {id}/config/web --query properties.cors",
        breaks="Web pages of other origins that call the app; name each one that is meant.",
        bicep="siteConfig: { cors: { allowedOrigins: [ 'https://www.example.com' ] } }",
        terraform="azurerm_linux_web_app.site_config.cors.allowed_origins",
        terraform_page=PAGE,
        portal="App > API > CORS > Allowed Origins",
    ),
    controls={MCSB: ("PV-2",), NIST: ("CM-6",)},
    references=(f"{LEARN}/app-service/app-service-web-tutorial-rest-api",),
)
def cors_any_origin(site: Resource, index: Index) -> Verdict:
    config = config_of(site)
    cors = config.get("properties.cors")
    path = "config/web properties.cors.allowedOrigins"
    if cors is MISSING or cors is None:
        if config.api_version_unknown:
            return unknown(absent_at_unknown_version(path))
        return NotApplicable("no other origin may call it from a browser")
    origins = get_path(cors, "allowedOrigins")
    if isinstance(cors, dict) and (origins is MISSING or origins is None or origins == []):
        return NotApplicable("no other origin may call it from a browser")
    if not isinstance(origins, list):
        return Unknown(f"{path}: this is no list")
    seen = Evidence(path, origins, "the origins that are meant")
    return Fail((seen,)) if "*" in origins else Pass((seen,))
