"""App Service: web apps, function apps and Logic Apps Standard, and their slots."""

from collections.abc import Iterator
from typing import Any

from scanner.model.exposure import IDENTITY, Auth, Exposure, Grant, Hop, Lock, Reach, closed, grant, possible, replace
from scanner.model.fix import Cause, Edit
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, is_absent, is_list_of_texts, member, same, text_at, value_at
from scanner.model.message import Message
from scanner.model.origins import is_any_website
from scanner.model.resource import Children, Resource
from scanner.model.resource_type import HTTP_AND_HTTPS, HTTPS, Endpoint, NoRule, Read, ResourceType
from scanner.model.severity import Severity
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
    malformed,
    not_a_list,
    not_read,
    not_returned,
    not_returned_or_unknown,
    unknown,
    unknown_value,
)
from scanner.reach.paths.front_ends import publishers
from scanner.reach.rules.sources import as_possible
from scanner.reach.services.access_restrictions import FRONT_DOOR, restricted_subnets, restrictions
from scanner.reach.services.firewall import AllowedSubnets, Firewall, firewall, why_rules_not_used

from .common import child_evidence, find, perhaps_private, private_only, unless_running
from .container_environments import environment_lock
from .easy_auth import NO_LOGIN, easy_auth
from .function_bindings import function_lock
from .hosting import CONTAINERS, admits_no_one, container_environment, environment_switch, limited, remote_debugging
from .reasons import FROM_TEMPLATE, NO_CUSTOMER_KEY

SITE = ResourceType(
    "Microsoft.Web/sites",
    "Microsoft.Web/sites/slots",
    api="2025-03-01",
    product=(
        Message("App Service app"),
        Message("App Service slot"),
    ),
    unread={
        "private endpoint connections of apps whose public network access is Enabled": "It would be one request for each app. They are read where access restrictions admit no one.",
        "backups of an app": "App Service makes them each hour from the Basic tier on, without a setting. The settings of further backups are behind a POST request, which hands out a signed address.",
        "client certificates that are not asked for": "A rule would fail on nearly all apps. app-client-certificate-optional has those that are asked for and not required.",
        "hybridConnectionNamespaces/relays": "An outbound path of an app. The relay at its other end is evaluated.",
        "network integration that is absent": "An app needs none. app-outbound-beside-network has those that are integrated and call the internet directly.",
        "functionAppScaleLimit, maximumInstanceCount": "Flex Consumption always has maximumInstanceCount. The service limits Consumption to 200, and a limit below that is a choice.",
    },
    no_rule=NoRule(
        copy="what the code of an app sends is not in ARM",
        key=NO_CUSTOMER_KEY,
        loss=FROM_TEMPLATE,
        zone="its zones are those of its plan: plan-single-zone",
    ),
)


def runs(site: Resource) -> str:
    """Return what the app runs: "web", "functions", "workflows", or "" if its kind is unknown."""
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
    # Also read the functions of an app of unknown kind.
    return runs(site) in ("functions", "")


def has_workflows(site: Resource) -> bool:
    return runs(site) in ("workflows", "")


def sign_in_applies(site: Resource) -> bool:
    # Easy Auth does not apply to a signed trigger address, and a logic app has no other endpoint.
    return runs(site) != "workflows"


def endpoints_decide(site: Resource) -> bool:
    # app-service/overview-access-restrictions: with an explicit "Enabled", private endpoints do not affect other callers.
    return not same(site.get("properties.publicNetworkAccess"), "Enabled")


WEB = SITE.child(
    "config/web",
    one=True,
    alone="recorded answers have null for CORS and default actions, and null in a row of Resource Graph is not absence",
)
LOGIN = SITE.child(
    "config/authsettingsV2",
    one=True,
    none=("AuthConfigNotFound",),
    when=sign_in_applies,
    alone="what it accepts is shown of each endpoint, also where no one can connect to it",
)
POLICIES = SITE.child("basicPublishingCredentialsPolicies", alone=LOGIN.alone)
CONNECTIONS = SITE.child("privateEndpointConnections", when=endpoints_decide, also_after=(WEB, admits_no_one))
# The app's host serves these two reads, and a stopped app has no host.
FUNCTIONS = SITE.child(
    "functions", when=lambda site: has_functions(site) and not stopped(site), product=Message("Function")
)
WORKFLOWS = SITE.child(
    "workflows",
    each=True,
    alone="no recorded row of appserviceresources shows that it has the triggers",
    when=lambda site: has_workflows(site) and not stopped(site),
    keep=("properties.files.*.definition.triggers.*.type",),  # files have any name
)

SWITCH = Firewall(
    empty="open",
    source="app-service/overview-access-restrictions: an unset switch means enabled until a private endpoint is approved",
    name=Message("Access restrictions"),
    absent="auto",
    endpoints=CONNECTIONS,
)

# The endpoints behind an internal load balancer: azure-mgmt-web LoadBalancingMode (Web: ports 80 and 443, Publishing: FTP).
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
    """Return the app's `config/web`. Raise Unread if it was not read."""
    config = site.child(WEB)
    if config is None:
        raise not_returned(WEB.path)
    if config.has_no_properties:
        raise Unread(WEB.path, config.why_absent_is_unknown)
    return config


def reach_of(site: Resource, index: Index, *, scm: bool = False) -> Lock:
    """Return the network lock of the app, or of its SCM site: switch, restrictions, private endpoints, environment."""
    containers = container_environment(site)
    if containers:
        # azure-functions/functions-container-apps-hosting: its network is configured at the environment.
        hop = Hop(
            "firewall",
            Message("Access restrictions"),
            Message("not documented to apply to functions on Container Apps"),
        )
        return environment_lock(index, containers, grant(Reach.internet, hops=(hop,)))
    try:
        rules = restrictions(site, index, config_of(site), scm=scm)
    except Unread as gap:
        rules = possible(
            Reach.internet, gap, hops=(Hop("firewall", Message("Access restrictions"), gap.why, allows=None),)
        )
    return network_lock(site, index, _by_both_switches(site, firewall(site, index, SWITCH, rules), rules), "web")


PUBLIC = "properties.publicNetworkAccess"


def _by_both_switches(site: Resource, lock: Lock, rules: Lock) -> Lock:
    """Return the network lock of an app, by its switch and the one of its `config/web`.

    Which of the two wins is not documented: where the second one alone is on, it may admit whom the `rules` allow.
    """
    try:
        second = config_of(site).evidence(PUBLIC, "Disabled")
    except Unread:
        return lock
    if not same(second.value, "Enabled") or same(site.get(PUBLIC), "Enabled"):
        return lock
    missing = Unread(f"{WEB.path} {PUBLIC}", Message("it is on, and that of the app is not"))
    return lock | Lock(possible_grants=as_possible(rules, missing).possible_grants)


def network_lock(site: Resource, index: Index, usual: Lock, service: str) -> Lock:
    """Return the network lock of an endpoint. An App Service Environment with an internal load balancer has no public endpoint."""
    path = "properties.hostingEnvironmentProfile.id"
    environment = site.get(path)
    if not isinstance(environment, str) or not environment:
        return usual
    try:
        resource = find(index, environment, "Microsoft.Web/hostingEnvironments")
        mode = resource.require("properties.internalLoadBalancingMode")
    except Unread as missing:
        return perhaps_private(usual, missing, site.evidence(path))
    internal = INTERNAL.get(str(mode).lower().replace(" ", ""))
    seen = Evidence("hostingEnvironments properties.internalLoadBalancingMode", mode, "Web, Publishing")
    if internal is None:
        return perhaps_private(usual, unknown_value(seen.path, mode), seen)
    if service not in internal:
        return usual
    name = environment.rstrip("/").rsplit("/", 1)[-1]
    hop = Hop("environment", name, Message("internal load balancer"), environment)
    return private_only(hop, site.evidence(path), seen)


def login(site: Resource, index: Index) -> Lock:
    """Return the authentication lock of Easy Auth."""
    try:
        settings = site.child(LOGIN)
    except Unread as gap:
        return possible(Auth.anonymous, gap)
    if settings is None:
        seen = Evidence("config/authsettingsV2 properties.platform.enabled", ABSENT, True)
        return grant(Auth.anonymous, seen, description=NO_LOGIN)
    return easy_auth(settings, LOGIN.path, index)


def behind(sign_in: Lock, direct: Lock) -> Lock:
    """Return the authentication lock of both: Easy Auth's identity if it is enforced, else the function's own."""
    if sign_in.widest is not None and sign_in.widest_possible is None:
        return sign_in if sign_in.widest.level == Auth.identity else direct
    missing = sign_in.widest_possible.missing if sign_in.widest_possible is not None else not_read(LOGIN.path)
    return replace(
        as_possible(direct, missing), grants=tuple(each for each in sign_in.grants if each.level == Auth.identity)
    )


def host(site: Resource) -> str:
    return text_at(site.body, "properties.defaultHostName")


def host_names(site: Resource) -> list[str]:
    """Return the app's host names, the default one and custom ones."""
    names = site.get("properties.hostNames")
    return [each for each in names if isinstance(each, str)] if isinstance(names, list) else []


def scm_host(site: Resource) -> str:
    states = site.get("properties.hostNameSslStates")
    for each in states if isinstance(states, list) else ():
        name = value_at(each, "name")
        if same(value_at(each, "hostType"), "Repository") and isinstance(name, str):
            return name
    return ""


@SITE.endpoints(
    Endpoint("scm", "admin", ports=HTTPS, no_rule={"anonymous-access": "the deployment site always asks for a login"}),
    Endpoint("ftp", "admin", ports=("tcp/21", "tcp/990"), no_rule={"anonymous-access": "FTP always asks for a login"}),
    Endpoint(
        "app",
        "app",
        ports=HTTP_AND_HTTPS,
        hosts=("properties.hostNameSslStates[hostType=Standard].name",),
        no_rule={"authentication": "in front of an app stands Easy Auth or nothing"},
    ),
    Endpoint(
        "function/*", "app", ports=HTTP_AND_HTTPS, hosts=("properties.hostNameSslStates[hostType=Standard].name",)
    ),
    Endpoint(
        "host-keys",
        "app",
        ports=HTTP_AND_HTTPS,
        hosts=("properties.hostNameSslStates[hostType=Standard].name",),
        no_rule={"anonymous-access": "/admin and /runtime/webhooks ask for a key"},
    ),
    Endpoint(
        "trigger/*",
        "app",
        ports=HTTP_AND_HTTPS,
        hosts=("properties.hostNameSslStates[hostType=Standard].name",),
        no_rule={"anonymous-access": "the address carries a signature"},
    ),
    reads=(WEB, LOGIN, POLICIES, CONNECTIONS, FUNCTIONS, WORKFLOWS),
)
def endpoints(site: Resource, index: Index) -> Iterator[Exposure]:
    reach = reach_of(site, index)
    sign_in = login(site, index)
    hosts, known = host_names(site), publishers(index)
    published_by, chains = known.publishers(hosts), known.chains(hosts)
    exposures = [app(site, reach, sign_in), host_keys(site, reach, sign_in)]
    if not stopped(site):
        exposures += [*functions(site, reach, sign_in), *triggers(site, reach)]
    for each in exposures:
        one = each if each.disabled_reason else replace(each, admits=published_by, publishers=chains)
        yield unless_running(one, site, "properties.state")
    yield scm(site, index)
    yield ftp(site, index)


def app(site: Resource, reach: Lock, sign_in: Lock) -> Exposure:
    kind = runs(site)
    if kind == "functions":
        why = Message("a function app is called through its functions and host endpoints")
        return closed("app", "app", why, site.evidence("kind"), display_name=Message("The app"))
    if kind == "workflows":
        return closed(
            "app",
            "app",
            Message("a logic app is called through its triggers"),
            site.evidence("kind"),
            display_name=Message("The app"),
        )
    return Exposure("app", "app", reach, sign_in, display_name=Message("The app"), address=host(site))


def host_keys(site: Resource, reach: Lock, sign_in: Lock) -> Exposure:
    """Return the exposure of /admin and /runtime/webhooks, which always exist and require a key.

    Source: azure-functions/function-keys-how-to."""
    kind = runs(site)
    what = Message("The function host")
    if kind in ("web", "workflows"):
        return closed(
            "host-keys", "app", Message("only a function app has host keys"), site.evidence("kind"), display_name=what
        )
    seen = site.evidence("kind")
    key = grant(Auth.shared, seen, description=Message("accepts a host key for /admin and /runtime/webhooks"))
    if not kind:
        key = possible(Auth.shared, Unread("kind", Message("it is not known whether this is a function app")), seen)
    return Exposure("host-keys", "app", reach, behind(sign_in, key), display_name=what, address=host(site))


def not_listed(children: Children, read: Read) -> Unread | None:
    """Return why some functions or workflows may be missing: the host also returns an empty list if it never synced them."""
    if children.gap is not None or children.items:
        return children.gap
    return Unread(
        read.path,
        Message(
            "the running app returned an empty list, as it also does if it never synced its {path}", path=read.path
        ),
    )


def functions(site: Resource, reach: Lock, sign_in: Lock) -> Iterator[Exposure]:
    if not has_functions(site):
        return
    children = site.children(FUNCTIONS)
    for function in children:
        direct = function_lock(function)
        if direct is not None and not same(function.get("properties.isDisabled"), True):
            what = Message("Function {name}", name=function.name)
            authentication = behind(sign_in, direct)
            yield Exposure(
                f"function/{function.name}",
                "app",
                reach,
                authentication,
                display_name=what,
                subject=function,
                address=host(site),
            )
    missing = not_listed(children, FUNCTIONS)
    if missing is not None:
        authentication = behind(sign_in, possible(Auth.anonymous, missing) | possible(Auth.shared, missing))
        yield Exposure("function/*", "app", reach, authentication, display_name=Message("A function of the app"))


# Triggers that no call can start: logic-apps/logic-apps-workflow-actions-triggers, "Trigger types list" (the last two poll).
NOT_CALLABLE = ("Recurrence", "SlidingWindow", "ApiConnection", "Http")


def triggers(site: Resource, reach: Lock) -> Iterator[Exposure]:
    if not has_workflows(site):
        return
    children = site.children(WORKFLOWS)
    for workflow in children:
        authentication = signature(workflow)
        if authentication is not None and not same(workflow.get("properties.flowState"), "Disabled"):
            name = workflow.name
            yield Exposure(
                f"trigger/{name}",
                "app",
                reach,
                authentication,
                display_name=Message("Workflow {name}", name=name),
                address=host(site),
            )
    missing = not_listed(children, WORKFLOWS)
    if missing is not None:
        yield Exposure(
            "trigger/*", "app", reach, possible(Auth.shared, missing), display_name=Message("A workflow of the app")
        )


def signature(workflow: Resource) -> Lock | None:
    """Return the authentication lock of a workflow, None if no call can start it.

    The URL of a Request trigger contains its key, a signature."""
    path = f"workflows/{workflow.name} properties.files.workflow.json.definition.triggers"
    triggers = value_at(member(workflow.get("properties.files"), "workflow.json"), "definition.triggers")
    if not isinstance(triggers, dict):
        gap = workflow.bundle.gaps.get(workflow.key)
        missing = not_returned(path, "them") if gap is None else Unread(path, gap.why(), gap.url)
        return possible(Auth.shared, missing)
    types = [value_at(each, "type") for each in triggers.values()]
    seen = Evidence(path, [str(each) for each in types])
    if any(same(each, "Request") for each in types):
        return grant(Auth.shared, seen, description=Message("accepts every caller that has its signed URL"))
    if all(any(same(each, type_without_call) for type_without_call in NOT_CALLABLE) for each in types):
        return None
    return possible(Auth.shared, Unread(path, Message("it is not known whether a call can start it")), seen)


def publishing(site: Resource, name: str) -> tuple[Any, Evidence, Unread]:
    """Return whether "scm" or "ftp" accepts user name and password: the value, its evidence, and why it may be unread."""
    where, path = f"basicPublishingCredentialsPolicies/{name}", "properties.allow"
    children = site.children(POLICIES)
    policy = next((each for each in children if each.name.lower() == name), None)
    if policy is None:
        return MISSING, Evidence(f"{where} {path}", ABSENT, False), children.gap or not_returned(f"{where} {path}")
    seen = child_evidence(policy, where, path, False)
    return policy.get(path), seen, not_returned_or_unknown(seen.path)


PROFILE = Message("accepts the user name and password of the publish profile")


def scm(site: Resource, index: Index) -> Exposure:
    """Return the exposure of the deployment site: console, files and environment of the app. A stopped app still serves it.

    Flex Consumption deploys through it (api/publish). azure-functions/functions-deployment-technologies says that the
    Consumption plan on Linux has no such site, and that zip deployment, which calls it, works there: rated on both.
    """
    what = Message("The deployment site (SCM)")
    if container_environment(site):
        why = Message("function apps on Container Apps are deployed as images, without a deployment site")
        return closed("scm", "admin", why, site.evidence(CONTAINERS), display_name=what)
    allow, seen, missing = publishing(site, "scm")
    if same(allow, True):
        authentication = grant(Auth.shared, seen, description=PROFILE)
    elif same(allow, False):
        authentication = grant(Auth.identity, seen)
    else:
        authentication = IDENTITY | possible(Auth.shared, missing, seen)
    reach = reach_of(site, index, scm=True)
    return Exposure("scm", "admin", reach, authentication, display_name=what, address=scm_host(site))


def ftp(site: Resource, index: Index) -> Exposure:
    """Return the exposure of FTP, which accepts only basic credentials, at the public address, not through a private endpoint."""
    what = Message("FTP")
    lacking = limited(site)
    if lacking is not None:
        return closed("ftp", "admin", lacking[0](what), lacking[1], display_name=what)
    allow, seen, missing = publishing(site, "ftp")
    if same(allow, False):
        why = Message("FTP accepts only basic authentication, which is disabled")
        return closed("ftp", "admin", why, seen, display_name=what)
    possible_grants = [] if same(allow, True) else [missing]
    path = "config/web properties.ftpsState"
    proof = Evidence(path, ABSENT, "Disabled")
    try:
        state = config_of(site).get("properties.ftpsState")
        proof = Evidence(path, ABSENT if state is MISSING else state, "Disabled")
        if same(state, "Disabled"):
            return closed("ftp", "admin", Message("the FTP state is Disabled"), proof, display_name=what)
        if not any(same(state, each) for each in ("AllAllowed", "FtpsOnly")):
            possible_grants.append(not_returned_or_unknown(path))
        switch = environment_switch(site, index, "ftpEnabled")
        if switch is not None and not switch[0]:
            return closed(
                "ftp", "admin", Message("FTP is disabled in its App Service Environment"), switch[1], display_name=what
            )
    except Unread as gap:
        possible_grants.append(gap)
    reach = ftp_reach(site, index)
    if possible_grants and reach.widest is not None and reach.widest.level > Reach.none:
        reach = as_possible(reach, possible_grants[0])
    cause = Cause(f"{site.id}/basicPublishingCredentialsPolicies/ftp", "properties.allow", value=False)
    authentication = grant(Auth.shared, proof, seen, description=PROFILE, cause=cause)
    return Exposure("ftp", "admin", reach, authentication, display_name=what)


def ftp_reach(site: Resource, index: Index) -> Lock:
    """Return the network lock of FTP by the public switch alone.

    Access restrictions do not count, because it is not documented whether they filter FTP."""
    lock = _by_both_switches(site, firewall(site, index, SWITCH, no_restrictions()), no_restrictions())
    grants = tuple(each for each in lock.grants if each.level > Reach.selected)
    possible_grants = tuple(each for each in lock.possible_grants if each.level > Reach.selected)
    if not grants and not possible_grants:
        grants = (Grant(Reach.none, (site.evidence("properties.publicNetworkAccess"),)),)
    hops = tuple(hop for hop in lock.hops if hop.kind != "private-endpoint")
    return network_lock(site, index, replace(lock, grants=grants, possible_grants=possible_grants, hops=hops), "ftp")


def no_restrictions() -> Lock:
    hop = Hop("firewall", Message("Access restrictions"), Message("not documented to apply to FTP"))
    return grant(Reach.internet, hops=(hop,))


RESTRICTIONS = ("properties.ipSecurityRestrictions", "properties.scmIpSecurityRestrictions")
SHARED = "properties.scmIpSecurityRestrictionsUseMain"


def allowed_subnets(site: Resource, index: Index) -> AllowedSubnets:
    """Return the subnets that the access restrictions allow, if the public switch leaves the decision to them."""
    if site.has_no_properties:
        return AllowedSubnets(WEB.path, missing=Unread("properties", site.why_absent_is_unknown))
    why = why_rules_not_used(site, index, SWITCH)
    return AllowedSubnets(WEB.path, not_used=why) if why else restricted_subnets(site, index, config_of(site))


def _names(headers: Any) -> set[str]:
    return {name.lower() for name, value in headers.items() if value} if isinstance(headers, dict) else set()


def _set_by_front_door(rule: Any, names: set[str]) -> bool:
    """Return whether only Front Door can set the header: the rule names its service tag, and Front Door overwrites X-Azure-FDID."""
    tag = value_at(rule, "ipAddress")
    from_front_door = (
        isinstance(tag, str) and tag.strip().lower() == FRONT_DOOR and same(value_at(rule, "tag"), "ServiceTag")
    )
    return "x-azure-fdid" in names and from_front_door


def forgeable_header_filter(site: Resource, index: Index) -> Verdict:
    """Fail where a restriction of the app, or of an SCM site with restrictions of its own, allows requests by a header
    that a caller can write.
    """
    config = config_of(site)
    lists = [each for each in RESTRICTIONS if each == RESTRICTIONS[0] or not same(config.get(SHARED), True)]
    verdicts = [_header_filters(config, each) for each in lists]
    failed = [each for each in verdicts if isinstance(each, Fail)]
    if failed:
        return Fail(
            tuple(one for each in failed for one in each.evidence),
            causes=tuple(one for each in failed for one in each.causes),
        )
    inconclusive = next((each for each in verdicts if isinstance(each, Unknown)), None)
    if inconclusive is not None:
        return inconclusive
    passed = [one for each in verdicts if isinstance(each, Pass) for one in each.evidence]
    return Pass(tuple(passed)) if passed else NotApplicable(Message("no rule allows requests by a header"))


def _header_filters(config: Resource, name: str) -> Verdict:
    """Return the verdict on the headers of one list of restrictions."""
    entries, path = config.get(name), f"config/web {name}[].headers"
    if not isinstance(entries, list):
        return unknown(not_returned(f"config/web {name}"))
    filters = [
        (each, value_at(each, "headers"))
        for each in entries
        if value_at(each, "headers") not in (MISSING, None, {}) and not same(value_at(each, "action"), "Deny")
    ]
    if not filters:
        return NotApplicable(Message("no rule allows requests by a header"))
    weak = [each for each, headers in filters if _names(headers) and not _set_by_front_door(each, _names(headers))]
    if weak:
        deny = (Edit(config.id, f"{name}DefaultAction", "Deny"),)
        causes = tuple(Cause(config.id, name, each, position=entries.index(each), effect=deny) for each in weak)
        seen = [sorted(_names(value_at(each, "headers"))) for each in weak]
        return Fail(
            (Evidence(path, seen, Message("x-azure-fdid, with the tag AzureFrontDoor.Backend")),), causes=causes
        )
    values = [each for _, headers in filters if isinstance(headers, dict) for each in headers.values()]
    if not all(isinstance(headers, dict) for _, headers in filters) or not all(map(is_list_of_texts, values)):
        return unknown(unknown_value(path))
    return Pass((Evidence(path, [sorted(_names(headers)) for _, headers in filters]),))


def remote_debugging_enabled(site: Resource, index: Index) -> Verdict:
    lacking = limited(site)
    if lacking is not None:
        return NotApplicable(lacking[0](Message("remote debugging")))
    return remote_debugging(site, index, config_of(site))


CORS_WITH_SIGN_IN = Message("Any website may send requests with the visitor's sign-in, and read the answers.")


def cors_any_origin(site: Resource, index: Index) -> Verdict:
    config = config_of(site)
    cors = config.get("properties.cors")
    path = "config/web properties.cors.allowedOrigins"
    if is_absent(cors):
        if config.api_version_unknown:
            return unknown(absent_at_unknown_version(path))
        return NotApplicable(Message("no other origin is allowed"))
    origins = value_at(cors, "allowedOrigins")
    if is_absent(origins) or origins == []:
        return NotApplicable(Message("no other origin is allowed"))
    if not isinstance(origins, list):
        return unknown(not_a_list(path))
    seen = Evidence(path, origins, Message("the intended origins"))
    if any(isinstance(each, str) and is_any_website(each) for each in origins):
        if value_at(cors, "supportCredentials") is not True:
            return Fail((seen,))
        more = Evidence("config/web properties.cors.supportCredentials", True, False)
        return Fail((seen, more), CORS_WITH_SIGN_IN, Severity.medium)
    return Pass((seen,)) if is_list_of_texts(origins) else unknown(malformed(path), evidence=(seen,))
