"""Container Apps beside the apps: routes and Java dashboards of environments, jobs, session pools."""

from collections.abc import Iterator

from scanner.model.exposure import IDENTITY, Auth, Exposure, Hop, Lock, Reach, closed, grant, possible, replace, unread
from scanner.model.fix import Fix
from scanner.model.index import Index
from scanner.model.json_paths import text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTP_AND_HTTPS, HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.severity import Severity
from scanner.model.verdict import Evidence, Unread
from scanner.reach.rules.sources import source_hop

from .common import host
from .container_environments import lock_in
from .containerapps import ENVIRONMENT
from .reasons import FROM_TEMPLATE, NO_CALLER_LOG, NO_CUSTOMER_KEY, NO_OTHER_LOCATION

# azure-mgmt-appcontainers 5.1.0, 2026-01-01: the stable version that has both reads.
ROUTES = ENVIRONMENT.child("httpRouteConfigs", api="2026-01-01")
JAVA = ENVIRONMENT.child("javaComponents", api="2026-01-01")
JOB = ResourceType(
    "Microsoft.App/jobs",
    api="2026-01-01",
    product=Message("Container Apps job"),
    unread={
        "maxExecutions": "It is 100 where it is absent.",
    },
    no_rule=NoRule(
        copy=NO_OTHER_LOCATION, key=NO_CUSTOMER_KEY, log="its logs are those of its environment", loss=FROM_TEMPLATE
    ),
)
SESSION_POOL = ResourceType(
    "Microsoft.App/sessionPools",
    api="2026-01-01",
    product=Message("Session pool"),
    no_rule=NoRule(copy=NO_OTHER_LOCATION, key=NO_CUSTOMER_KEY, log=NO_CALLER_LOG, loss=FROM_TEMPLATE),
)
BEHIND = Message("the sign-in of the apps behind it decides: see their own endpoints")
NO_RULE = Message("the route has no rule, so it leads to no app")
FQDN = "properties.fqdn"
DASHBOARD = "properties.ingress.fqdn"


def _open(environment: Resource, index: Index, seen: Evidence) -> Lock:
    return lock_in(environment, index, grant(Reach.internet, seen))


@ENVIRONMENT.endpoints(
    Endpoint(
        "java/*",
        "admin",
        ports=HTTPS,
        no_rule={
            "anonymous-access": "a dashboard asks for a token of Microsoft Entra ID",
            "authentication": "a route has no credential of its own, and a dashboard asks for a token of Microsoft Entra ID",
        },
    ),
    Endpoint(
        "route/*",
        "app",
        ports=HTTP_AND_HTTPS,
        no_rule={
            "authentication": "a route has no credential of its own, and a dashboard asks for a token of Microsoft Entra ID"
        },
    ),
    reads=(ROUTES, JAVA),
)
def endpoints(environment: Resource, index: Index) -> Iterator[Exposure]:
    routes = environment.children(ROUTES)
    if routes.gap is not None:
        yield unread("route/*", "app", routes.gap, display_name=Message("The routes of the environment"))
    for route in routes:
        name = route.name.rsplit("/", 1)[-1]
        seen = Evidence(f"httpRouteConfigs/{name} {FQDN}", text_at(route.body, FQDN))
        if route.get("properties.rules") == []:
            none = Evidence(f"httpRouteConfigs/{name} properties.rules", "none")
            yield closed(
                f"route/{name}",
                "app",
                NO_RULE,
                none,
                display_name=Message("The route {name} of the environment", name=name),
            )
            continue
        yield Exposure(
            f"route/{name}",
            "app",
            _open(environment, index, seen),
            possible(Auth.anonymous, Unread("properties.rules[].targets", BEHIND), seen),
            display_name=Message("The route {name} of the environment", name=name),
            subject=route,
            address=text_at(route.body, FQDN),
        )
    components = environment.children(JAVA)
    if components.gap is not None:
        yield unread("java/*", "admin", components.gap, display_name=Message("The Java dashboards of the environment"))
    for component in components:
        # A component without a dashboard, such as a configuration server, has no host name.
        if not component.has(DASHBOARD) and not component.why_absent_is_unknown:
            continue
        name = component.name.rsplit("/", 1)[-1]
        seen = Evidence(f"javaComponents/{name} {DASHBOARD}", text_at(component.body, DASHBOARD))
        # container-apps/java-eureka-server-usage, java-admin: a dashboard asks for a token of Microsoft Entra ID.
        yield Exposure(
            f"java/{name}",
            "admin",
            _open(environment, index, seen),
            IDENTITY,
            display_name=Message("The dashboard of the Java component {name}", name=name),
            subject=component,
            address=text_at(component.body, DASHBOARD),
        )


NO_SWITCH = Message("a session pool has no network settings: its management endpoint answers the internet")
TOKENS = Message(
    "every call carries a token of Microsoft Entra ID with a role on the pool, and no setting closes it, so low at most"
)
MOVE = Message(
    "A session pool has no network settings: where no one outside may call it, run the code in a job or an app of an internal environment "
    "instead, and delete the pool"
)


# container-apps/sessions: calls to the management endpoint carry a token of Microsoft Entra ID.
@SESSION_POOL.endpoints(
    Endpoint("sessions", "data", ports=HTTPS, no_rule="every call carries a token of Microsoft Entra ID"),
)
def session_endpoints(pool: Resource, index: Index) -> Iterator[Exposure]:
    path = "properties.poolManagementEndpoint"
    reach = grant(Reach.internet, pool.evidence(path))
    hop = Hop("switch", Message("Public network access"), NO_SWITCH, allows=True)
    yield Exposure(
        "sessions",
        "data",
        replace(reach, hops=(source_hop(reach), hop)),
        IDENTITY,
        display_name=Message("The sessions of the pool"),
        address=host(pool, path),
        max_severity=Severity.low,
        justification=TOKENS,
        fixes={"network": Fix(steps=(MOVE,), tier=True)},
    )
