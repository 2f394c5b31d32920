"""Static Web Apps: the site and its preview environments, their password, public access and private endpoints."""

from collections.abc import Iterator

from scanner.model.exposure import Auth, Exposure, Lock, grant, possible, unread
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, is_list_of_texts, same, text_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTP_AND_HTTPS, Endpoint, NoRule, ResourceType
from scanner.model.verdict import Evidence, not_returned, unknown_value
from scanner.reach.services.firewall import Firewall, firewall

from .reasons import FROM_TEMPLATE, NO_CALLER_LOG, NO_CUSTOMER_KEY

SITE = ResourceType(
    "Microsoft.Web/staticSites",
    api="2025-03-01",
    product=Message("Static web app"),
    unread={
        "linkedBackends, userProvidedFunctionApps": "The apps behind are evaluated as apps.",
    },
    no_rule=NoRule(
        copy="its content is served worldwide by design, and its functions are in its region",
        key=NO_CUSTOMER_KEY,
        log=NO_CALLER_LOG,
        loss=FROM_TEMPLATE,
    ),
)


def has_connections(site: Resource) -> bool:
    """Return whether a site names private endpoints; its body has them in another form than other types."""
    value = site.get("properties.privateEndpointConnections")
    return is_absent(value) or value != []


CONNECTIONS = SITE.child("privateEndpointConnections", when=has_connections)
PASSWORD = SITE.child("basicAuth")
BUILDS = SITE.child("builds")
ACL = Firewall(
    empty="open",
    source="static-web-apps/private-endpoint: a site with a private endpoint is closed to the public; azure-mgmt-web StaticSite: an absent "
    "publicNetworkAccess counts as enabled until then",
    name=Message("Public network access"),
    absent="auto",
    endpoints=CONNECTIONS,
)
MODE = "properties.applicableEnvironmentsMode"
NO_PASSWORD = Message("requires no password (whether its configuration file requires a sign-in is not visible)")
IN_FILE = Message(
    "the configuration file in the site's repository may require a sign-in for some paths, so one step lower"
)


def protection(site: Resource, environment: str) -> Lock:
    """Return the authentication lock of an environment: the password of the site, or none.

    static-web-apps/password-protection: the password is for all environments, for all but production, or for those named.
    """
    children = site.children(PASSWORD)
    if children.gap is not None:
        return possible(Auth.anonymous, children.gap)
    locks = [_by_mode(each, environment) for each in children]
    if not locks:
        return grant(Auth.anonymous, Evidence("basicAuth", "none", Message("a password")), description=NO_PASSWORD)
    return locks[0]


def _by_mode(password: Resource, environment: str) -> Lock:
    mode, seen = password.get(MODE), Evidence(f"basicAuth {MODE}", text_at(password.body, MODE), "AllEnvironments")
    production = environment == "default"
    if same(mode, "AllEnvironments") or (same(mode, "StagingEnvironments") and not production):
        return grant(Auth.shared, seen, description=Message("accepts the password of the site"))
    if same(mode, "SpecifiedEnvironments"):
        names = password.get("properties.environments")
        if not is_list_of_texts(names):
            return possible(Auth.anonymous, not_returned("properties.environments"), seen)
        if any(same(each, environment) for each in names):
            return grant(Auth.shared, seen, description=Message("accepts the password of the site"))
        return grant(Auth.anonymous, seen, description=NO_PASSWORD)
    if same(mode, "StagingEnvironments") or same(mode, "None"):
        return grant(Auth.anonymous, seen, description=NO_PASSWORD)
    return possible(Auth.anonymous, not_returned(MODE) if is_absent(mode) else unknown_value(MODE, mode), seen)


NO_RULE = {
    "authentication": "a site with a password counts as protected: what it shows is for everyone who has the password"
}


@SITE.endpoints(
    Endpoint("site", "app", ports=HTTP_AND_HTTPS, hosts=("properties.customDomains[]",), no_rule=NO_RULE),
    Endpoint("preview/*", "app", ports=HTTP_AND_HTTPS, no_rule=NO_RULE),
    reads=(CONNECTIONS, PASSWORD, BUILDS),
)
def endpoints(site: Resource, index: Index) -> Iterator[Exposure]:
    reach = firewall(site, index, ACL)
    yield Exposure(
        "site",
        "app",
        reach,
        protection(site, "default"),
        display_name=Message("The static web app"),
        address=text_at(site.body, "properties.defaultHostname"),
        severity_steps_down=1,
        justification=IN_FILE,
    )
    builds = site.children(BUILDS)
    if builds.gap is not None:
        yield unread(
            "preview/*", "app", builds.gap, display_name=Message("The preview environments of the static web app")
        )
    for build in builds:
        name = build.name.rsplit("/", 1)[-1]
        if name.lower() == "default":
            continue
        yield Exposure(
            f"preview/{name}",
            "app",
            reach,
            protection(site, name),
            display_name=Message("The preview environment {name} of the static web app", name=name),
            subject=build,
            address=text_at(build.body, "properties.hostname"),
            severity_steps_down=1,
            justification=IN_FILE,
        )
