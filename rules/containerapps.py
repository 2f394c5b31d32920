"""Container Apps: the ingress of apps, and the environments that they run in."""

from collections.abc import Iterator
from typing import Any

from scanner.model.checks import check_value
from scanner.model.exposure import Auth, Exposure, Lock, closed, grant, possible
from scanner.model.fix import Cause, Edit, Fix
from scanner.model.index import Index
from scanner.model.json_paths import MISSING, copied, is_absent, same, value_at
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.resource_type import HTTP_AND_HTTPS, Endpoint, NoPort, NoRule, ResourceType
from scanner.model.verdict import (
    ABSENT,
    Evidence,
    Fail,
    NotApplicable,
    Pass,
    Unread,
    Verdict,
    absent_at_unknown_version,
    malformed,
    not_a_list,
    not_returned,
    unknown,
    unknown_value,
)
from scanner.reach.rules.sources import as_possible
from scanner.reach.services.access_restrictions import address_list

from .common import unless_running
from .container_environments import environment_lock, named_environment, without_environment
from .easy_auth import NO_LOGIN, easy_auth
from .reasons import FROM_TEMPLATE, NO_CUSTOMER_KEY, NO_OTHER_LOCATION

INGRESS = "properties.configuration.ingress"
# azure-mgmt-appcontainers ContainerAppRunningStatus.
RUNNING = "properties.runningStatus"
REGISTRIES = "properties.configuration.registries"

# The bodies hold environment variables of containers and keys of log workspaces in plain text.
APP = ResourceType(
    "Microsoft.App/containerApps",
    api="2025-07-01",
    product=Message("Container app"),
    unread={
        "template.scale.maxReplicas": "It is 10 where it is absent, and at most 1,000.",
    },
    no_rule=NoRule(
        copy=NO_OTHER_LOCATION, key=NO_CUSTOMER_KEY, log="its logs are those of its environment", loss=FROM_TEMPLATE
    ),
)
ENVIRONMENT = ResourceType(
    "Microsoft.App/managedEnvironments",
    api="2025-07-01",
    names=("properties.appLogsConfiguration.logAnalyticsConfiguration.customerId",),
    product=Message("Container Apps environment"),
    no_rule=NoRule(
        region="it runs apps and jobs, whose region is evaluated",
        copy="the workspace of its log is named by a key, not by an id",
        key=NO_CUSTOMER_KEY,
        loss=FROM_TEMPLATE,
    ),
)

# container-apps/ingress-how-to: without ingress the app is not reachable from outside; `external` is false by default.
NO_INGRESS = Message("it has no ingress")
INTERNAL = Message("its ingress serves only the environment")


def ingress_of(app: Resource) -> Any:
    """Return the ingress, None if there is none. Raise Unread if the record may omit it."""
    value = app.get(INGRESS)
    if app.api_version_unknown and is_absent(value):
        raise absent_at_unknown_version(INGRESS)
    if not isinstance(app.get("properties.configuration"), dict):
        raise not_returned("properties.configuration")
    if not is_absent(value) and not isinstance(value, dict):
        raise Unread(INGRESS, Message("not an object"))
    return None if value is MISSING else value


def serves_outside(app: Resource) -> bool:
    """Return whether platform sign-in is relevant: the ingress may serve callers outside the environment."""
    ingress = ingress_of(app)
    return ingress is not None and (not same(value_at(ingress, "external"), False) or bool(ports(ingress)))


def ports(ingress: Any) -> list[Any]:
    """Return the additional ports that are not known to be internal."""
    value = value_at(ingress, "additionalPortMappings")
    mappings = value if isinstance(value, list) else []
    return [each for each in mappings if not same(value_at(each, "external"), False)]


LOGIN = APP.child("authConfigs", when=serves_outside)


def reach_of(app: Resource, index: Index) -> Lock:
    """Return the network lock of an external ingress: the environment's network, its public switch, the app's address rules."""
    listed = address_list(app, index, f"{INGRESS}.ipSecurityRestrictions")
    environment = named_environment(app, "properties.environmentId", "properties.managedEnvironmentId")
    if not environment:
        return without_environment(listed, not_returned("properties.environmentId"))
    return environment_lock(index, environment, listed)


def sign_in_of(app: Resource, ingress: Any, index: Index) -> Lock:
    """Return the authentication lock of the main port: Easy Auth, or none. TCP has none."""
    transport = value_at(ingress, "transport")
    seen = Evidence(f"{INGRESS}.transport", ABSENT if transport is MISSING else transport, "http")
    if same(transport, "tcp"):
        return grant(Auth.anonymous, seen, description=OVER_TCP)
    sign_in = login(app, index)
    absent = is_absent(transport)
    if (absent and not app.api_version_unknown) or any(same(transport, each) for each in ("auto", "http", "http2")):
        return sign_in
    missing = not_returned(seen.path) if absent else unknown_value(seen.path, transport)
    return sign_in | possible(Auth.anonymous, missing, seen)


OVER_TCP = Message("requires no platform sign-in over TCP")
INTERNAL_ONLY = Fix(
    commands=("az containerapp ingress update --ids {id} --type internal",),
    changes=(Edit("", f"{INGRESS}.external", False),),
    impact=Message("Callers outside of the environment lose access."),
)
"""What closes an ingress over TCP, which has no sign-in."""


def login(app: Resource, index: Index) -> Lock:
    children = app.children(LOGIN)
    current = next((each for each in children if each.name.lower() == "current"), None)
    if current is not None:
        return easy_auth(current, "authConfigs/current", index)
    if children.gap is not None:
        return possible(Auth.anonymous, children.gap)
    return grant(Auth.anonymous, Evidence("authConfigs", "none", "current"), description=NO_LOGIN)


NO_RULE = {"authentication": "in front of a container app stands Easy Auth or nothing"}


@APP.endpoints(
    Endpoint(
        "ingress",
        "app",
        ports=HTTP_AND_HTTPS,
        hosts=(
            "properties.configuration.ingress.customDomains[].name",
            "properties.latestRevisionFqdn",
        ),
        no_rule=NO_RULE,
    ),
    Endpoint("ingress/*", "app", ports=NoPort(Message("the number of the port is not known")), no_rule=NO_RULE),
    reads=(LOGIN,),
)
def endpoints(app: Resource, index: Index) -> Iterator[Exposure]:
    ingress = ingress_of(app)
    what = Message("The container app")
    if ingress is None:
        yield closed("ingress", "app", NO_INGRESS, app.evidence(INGRESS), display_name=what)
        return
    for each in served(app, ingress, index):
        yield unless_running(each, app, RUNNING)


def served(app: Resource, ingress: Any, index: Index) -> Iterator[Exposure]:
    """Yield the exposures of an ingress, as it is set."""
    reach = reach_of(app, index)
    yield main_port(app, ingress, reach, index)
    for mapping in ports(ingress):
        yield port(app, mapping, reach)
    mappings = value_at(ingress, "additionalPortMappings")
    hidden = app.api_version_unknown and is_absent(mappings)
    if hidden or (not is_absent(mappings) and not isinstance(mappings, list)):
        path = f"{INGRESS}.additionalPortMappings"
        missing = absent_at_unknown_version(path) if hidden else not_a_list(path)
        yield Exposure(
            "ingress/*",
            "app",
            as_possible(reach, missing),
            possible(Auth.anonymous, missing),
            display_name=Message("An additional port of the container app"),
        )


def main_port(app: Resource, ingress: Any, reach: Lock, index: Index) -> Exposure:
    what = Message("The container app")
    external = value_at(ingress, "external")
    path = f"{INGRESS}.external"
    absent = is_absent(external)
    if same(external, False) or (absent and not app.api_version_unknown):
        return closed("ingress", "app", INTERNAL, app.evidence(path), display_name=what)
    if not same(external, True):
        reach = as_possible(reach, not_returned(path) if absent else unknown_value(path, external))
    tcp = same(value_at(ingress, "transport"), "tcp")
    value = value_at(ingress, "fqdn")
    address = value if isinstance(value, str) else ""
    return Exposure(
        "ingress",
        "app",
        reach,
        sign_in_of(app, ingress, index).with_switch(Cause("", path, value=False)),
        display_name=what,
        address=address,
        fixes={"anonymous-access": INTERNAL_ONLY} if tcp else {},
        ports=_ports(value_at(ingress, "exposedPort"), value_at(ingress, "targetPort")) if tcp else (),
    )


def port(app: Resource, mapping: Any, reach: Lock) -> Exposure:
    """Return the exposure of an additional port: always TCP (container-apps/ingress-overview), so without sign-in."""
    number = value_at(mapping, "exposedPort")
    if number in (MISSING, None, 0):
        number = value_at(mapping, "targetPort")
    path = f"{INGRESS}.additionalPortMappings[].external"
    seen = Evidence(path, value_at(mapping, "external"), False)
    if not same(seen.value, True):
        reach = as_possible(reach, unknown_value(path, seen.value))
    authentication = grant(Auth.anonymous, seen, description=OVER_TCP, cause=_external(app))
    name = "*" if is_absent(number) else number
    return Exposure(
        f"ingress/{name}",
        "app",
        reach,
        authentication,
        display_name=Message("Port {name} of the container app", name=name),
        ports=_ports(number),
    )


def _ports(*numbers: object) -> tuple[str, ...]:
    """Return the first of these that is a port; () without one."""
    known = [each for each in numbers if isinstance(each, int) and not isinstance(each, bool) and 0 < each < 65536]
    return (f"tcp/{known[0]}",) if known else ()


def _external(app: Resource) -> Cause:
    """Return the additional ports as the cause of an endpoint: a command that writes one writes all of them, internal."""
    path = f"{INGRESS}.additionalPortMappings"
    mappings = app.get(path)
    closed_mappings = [{**copied(each), "external": False} if isinstance(each, dict) else each for each in mappings]
    return Cause(app.id, path, value=closed_mappings)


def plain_http(app: Resource, index: Index) -> Verdict:
    ingress = ingress_of(app)
    if ingress is None:
        return NotApplicable(NO_INGRESS)
    if same(value_at(ingress, "transport"), "tcp"):
        return NotApplicable(Message("its ingress uses TCP"))
    return check_value(app, f"{INGRESS}.allowInsecure", good=(False,), bad=(True,), absent=False)


IMPORT = Message(
    "{server} accepts no managed identity: import its images into an Azure Container Registry (`az acr import`), pull them from there with "
    "an identity, and remove this registry"
)
_OF_AZURE = (".azurecr.io", ".azurecr.cn", ".azurecr.us")
"""container-apps/managed-identity-image-pull: a managed identity signs in to an Azure Container Registry alone."""


def _identified(registries: list[Any], weak: list[str]) -> Iterator[Cause]:
    """Yield the registries with a password as the causes of a failure, which a system-assigned identity closes."""
    for position, each in enumerate(registries):
        server = str(value_at(each, "server"))
        if server in weak and value_at(each, "passwordSecretRef"):
            value = {**copied(each), "passwordSecretRef": "", "identity": "system"}
            words = () if server.lower().endswith(_OF_AZURE) else (Message(IMPORT, server=server),)
            yield Cause("", REGISTRIES, each, value, text=server, position=position, words=words)


def registry_password(app: Resource, index: Index) -> Verdict:
    path = f"{REGISTRIES}[].passwordSecretRef"
    registries = app.items(REGISTRIES)
    if not registries:
        if app.api_version_unknown:
            return unknown(absent_at_unknown_version(REGISTRIES))
        return NotApplicable(Message("it pulls from no registry that requires sign-in"))
    named = [
        (str(value_at(each, "server")), value_at(each, "passwordSecretRef"), value_at(each, "identity"))
        for each in registries
    ]
    weak = [server for server, secret, _ in named if isinstance(secret, str) and secret]
    if weak:
        return Fail((Evidence(path, weak, Message("a managed identity")),), causes=tuple(_identified(registries, weak)))
    if not all(is_absent(secret) or secret == "" for _, secret, _ in named):
        return unknown(malformed(path))
    if not all(isinstance(identity, str) and identity for *_, identity in named):
        return unknown(Unread(path, Message("Azure returned neither a password nor an identity")))
    return Pass((Evidence(f"{REGISTRIES}[].identity", [identity for _, _, identity in named]),))
