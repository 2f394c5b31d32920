"""Container Apps environments: the network of what runs in them, container apps and function apps."""

from scanner.model.exposure import Hop, Lock, replace
from scanner.model.ids import type_of
from scanner.model.index import Index
from scanner.model.json_paths import is_absent, same
from scanner.model.message import Message
from scanner.model.resource import Resource
from scanner.model.verdict import Evidence, Unread, unknown_value
from scanner.reach.services.firewall import Firewall, firewall

from .common import find, perhaps_private, private_only

ENVIRONMENT_FIREWALL = Firewall(
    empty="open",
    source="container-apps/networking: the switch may be Enabled or Disabled; the meaning of an absent switch is not documented",
    name=Message("Address restrictions"),
)


ARC = Message("an Arc-enabled Kubernetes cluster; Azure does not show who can reach it, so it counts as open")


def named_environment(app: Resource, *paths: str) -> str:
    """Return the id of the environment that an app names at the first of these paths; "" where it names none."""
    values = (app.get(path) for path in paths)
    return next((value for value in values if isinstance(value, str) and value), "")


def environment_lock(index: Index, environment_id: str, rules: Lock) -> Lock:
    """Return the network lock of an external ingress: the environment's network, its public switch, the app's `rules`."""
    if type_of(environment_id).lower() == "microsoft.app/connectedenvironments":
        # Outside Azure: container-apps/azure-arc-overview.
        return replace(rules, hops=(*rules.hops, Hop("environment", "Azure Arc", ARC, environment_id)))
    try:
        environment = find(index, environment_id, "Microsoft.App/managedEnvironments")
    except Unread as missing:
        return without_environment(rules, missing)
    return lock_in(environment, index, rules)


def lock_in(environment: Resource, index: Index, rules: Lock) -> Lock:
    """Return the network lock of what an environment serves: its network, its public switch, and the `rules` of what it is."""
    path = f"environment {environment.name} properties.vnetConfiguration.internal"
    internal = environment.get("properties.vnetConfiguration.internal")
    if same(internal, True):
        hop = Hop("environment", environment.name, Message("internal: no public address"), environment.id)
        return private_only(hop, Evidence(path, internal, True))
    usual = _named(firewall(environment, index, ENVIRONMENT_FIREWALL, rules), environment)
    if is_absent(internal) or same(internal, False):
        return usual
    return perhaps_private(usual, unknown_value(path, internal))


def without_environment(rules: Lock, missing: Unread) -> Lock:
    """Return the network lock of an app whose environment was not read."""
    lock = perhaps_private(rules, missing)
    return replace(lock, hops=(*lock.hops, Hop("environment", "Environment", missing.why, allows=None)))


def _named(lock: Lock, environment: Resource) -> Lock:
    """Return the same lock, with the environment named in the evidence that comes from it."""
    direct = (ENVIRONMENT_FIREWALL.public, ENVIRONMENT_FIREWALL.endpoints)

    def named(seen: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        return tuple(
            replace(each, path=Message("environment {name} {path}", name=environment.name, path=each.path))
            if each.path in direct
            else each
            for each in seen
        )

    grants = tuple(replace(each, evidence=named(each.evidence)) for each in lock.grants)
    possible_grants = tuple(replace(each, evidence=named(each.evidence)) for each in lock.possible_grants)
    return replace(lock, grants=grants, possible_grants=possible_grants)
