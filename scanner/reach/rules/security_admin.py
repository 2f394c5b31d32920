"""The security admin rules of Azure Virtual Network Manager that are in force in a virtual network.

Resource Graph has one row a network, with the ids of configurations, and the deployed rules as snapshots below these
(Microsoft Learn, virtual-network-manager/concept-azure-resource-graph). Which managers come first:
concept-network-manager-scope. Where rules do not apply: concept-security-admins, "Nonapplication".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from msgspec import Struct, field

from scanner.model.ids import name_of, segments, subscription_of
from scanner.model.json_paths import get_path, is_absent, is_list_of_texts, member, objects_at, same, text_at, texts_at
from scanner.model.message import NOTHING, Message
from scanner.model.resource import Resource
from scanner.reach.rules.nsg import AdminRules, DeployedRule, admin_rules

_MANAGERS: Final = "microsoft.network/networkmanagers"
_CONFIGURATIONS: Final = f"{_MANAGERS}/securityadminconfigurations"
EFFECTIVE_ROWS: Final = "microsoft.network/effectivesecurityadminrules"
_SNAPSHOTS: Final = "/snapshots/"

_EXEMPT_SUBNETS: Final = frozenset(
    {
        "gatewaysubnet",
        "azurefirewallsubnet",
        "azurefirewallmanagementsubnet",
        "azurebastionsubnet",
        "routeserversubnet",
    }
)
_INTENT_SERVICES: Final = ("microsoft.sql/managedinstances", "microsoft.databricks/workspaces")
_GATEWAYS: Final = "/applicationgateways/"

OTHER_COLLECTION: Final = Message("whether its rule collection applies to this network is not known")
OLD_SNAPSHOT: Final = Message("which of its versions is deployed is not known")
NOT_PROVISIONED: Final = Message("its deployment to this network did not succeed")
UNKNOWN_SERVICES: Final = Message("whether it applies to a network of SQL managed instances or Databricks is not known")


class AppliedConfiguration(NamedTuple):
    """A configuration that is in force in a network: the id of its snapshot as a key, and the state of its deployment.

    `id` "": the row does not say which.
    """

    row: str
    id: str
    state: str = ""

    @property
    def configuration(self) -> str:
        return self.id.partition(_SNAPSHOTS)[0]

    @property
    def manager(self) -> str:
        return _manager(self.id)


class Commit(NamedTuple):
    """What a manager deployed to a region: ids (keys) of snapshots; `rules` None: the row does not list them."""

    region: str
    time: str
    rules: tuple[str, ...] | None


class SecurityAdmin(Struct):
    """The rows of network managers, by key."""

    applied: dict[str, list[AppliedConfiguration]] = field(default_factory=dict)
    tenants: frozenset[str] = frozenset()
    """The ids of the tenants, which name their root groups."""
    _rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The bodies of rules by configuration, then by snapshot."""
    _groups_of_collection: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    _services: dict[str, Any] = field(default_factory=dict)
    _commits: dict[str, list[Commit]] = field(default_factory=dict)
    _unknown_commits: bool = False
    """Whether a commit does not say what it deployed."""
    _memberships: dict[str, set[str]] = field(default_factory=dict)
    _scopes: dict[str, Any] = field(default_factory=dict)

    def add(self, resource: Resource) -> None:
        """Add a row of one of `ROW_TYPES`."""
        _READERS[resource.type.lower()](self, resource)

    def rules_of(self, network: str, region: str, has_intent_policies: bool) -> AdminRules | None:
        """Return the inbound rules in force in a network (its key); None without any configuration.

        `has_intent_policies`: the network has a service that rules skip by default.
        """
        deployed_rules = self._in_force(network, region, has_intent_policies)
        return None if deployed_rules is None else admin_rules(network, deployed_rules)

    def outbound_rules_of(self, network: str, region: str, has_intent_policies: bool) -> AdminRules | None:
        """Return the outbound rules in force in a network as inbound ones of what it sends to; None without any."""
        deployed_rules = self._in_force(network, region, has_intent_policies)
        if deployed_rules is None:
            return None
        turned = [each if each.body is None else each._replace(body=_turned(each.body)) for each in deployed_rules]
        return admin_rules(network, turned)

    def _in_force(self, network: str, region: str, has_intent_policies: bool) -> list[DeployedRule] | None:
        applied = self.applied.get(network)
        if not applied:
            return None
        ranks = self._ranks(network, applied)
        ordered = sorted(applied, key=lambda each: ranks[each.manager][0])
        services = self._services_of(ordered[0]) if has_intent_policies else "all"
        return [
            rule for each in ordered for rule in self._deployed(each, network, region, services, ranks[each.manager])
        ]

    def _deployed(
        self, applied: AppliedConfiguration, network: str, region: str, services: str, manager_rank: tuple[int, bool]
    ) -> Iterator[DeployedRule]:
        """Yield the rules of a configuration that apply, or may apply, to a network."""
        rank, ordered = manager_rank
        if services == "none":
            return
        known = self._rules.get(applied.configuration, {})
        ids = self._committed(applied, region)
        if (ids is None and not known) or any(each not in known for each in ids or ()):
            named = name_of(applied.configuration or applied.row)
            name = Message("the rules of security admin configuration {name}", name=named)
            yield DeployedRule(
                rank,
                ordered,
                applied.configuration or applied.row,
                None,
                Message("{name} could not be read", name=name),
            )
        chosen = [each for each in known if ids is None or each in ids]
        collections = {_collection(each) for each in chosen}
        for id in chosen:
            applies = self._applies(id, applied, network)
            applies = True if applies is None and len(collections) == 1 else applies
            if applies is False or (services == "allowrulesonly" and same(_access(known[id]), "Deny")):
                continue
            uncertain = NOT_PROVISIONED if applied.state not in ("", "succeeded") else NOTHING
            uncertain = uncertain or (OTHER_COLLECTION if applies is None else NOTHING)
            uncertain = uncertain or (OLD_SNAPSHOT if ids is None and _is_repeated(id, chosen) else NOTHING)
            uncertain = uncertain or (UNKNOWN_SERVICES if services == "" else NOTHING)
            yield DeployedRule(rank, ordered, id, known[id], uncertain)

    def _committed(self, applied: AppliedConfiguration, region: str) -> tuple[str, ...] | None:
        """Return the snapshots of rules that the last commit deployed; None where no row lists them."""
        if self._unknown_commits:
            return ("",)  # no row has this id: what is in force could not be read
        commits = [each for each in self._commits.get(applied.id, ()) if each.rules is not None]
        here = [each for each in commits if region and each.region == region] or commits
        return max(here, key=lambda each: each.time).rules if here else None

    def _applies(self, rule: str, applied: AppliedConfiguration, network: str) -> bool | None:
        """Return whether the collection of a rule applies to a network; None where that is not known."""
        groups = self._groups_of_collection.get(_collection(rule), {})
        memberships = {each for each in self._memberships.get(network, ()) if each.startswith(f"{applied.manager}/")}
        if not groups or not memberships or len(set(groups.values())) > 1:
            return None
        return bool(next(iter(groups.values())) & memberships)

    def _services_of(self, applied: AppliedConfiguration) -> str:
        """Return to which rules a configuration sets networks with intent policies: none, allowrulesonly, all, ""."""
        if applied.id not in self._services:
            return ""
        value = self._services[applied.id]
        words = [each.lower() for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
        # An empty list is the default, "None" (Microsoft Learn, concept-security-admins, "Nonapplication").
        return next((each for each in words if each in ("all", "allowrulesonly")), "none")

    def _ranks(self, network: str, applied: list[AppliedConfiguration]) -> dict[str, tuple[int, bool]]:
        """Return the rank of each manager, 0 the highest, and whether the order within that rank is known."""
        managers = list(dict.fromkeys(each.manager for each in applied))
        if len(managers) < 2:
            return dict.fromkeys(managers, (0, True))
        levels = {each: self._level(each, subscription_of(network)) for each in managers}
        if None in levels.values():
            return dict.fromkeys(managers, (0, False))
        shared = list(levels.values())
        return {each: (level or 0, shared.count(level) == 1) for each, level in levels.items()}

    def _level(self, manager: str, subscription: str) -> int | None:
        """Return the level of a manager's scope over a subscription: 0 the root group, 1 a management group, 2 the
        subscription; None where it is not known.
        """
        scopes = self._scopes.get(manager)
        named = (get_path(scopes, each) for each in ("managementGroups", "subscriptions"))
        if not all(is_absent(each) or is_list_of_texts(each) for each in named):
            return None
        groups = [name_of(each).lower() for each in texts_at(scopes, "managementGroups")]
        if any(each in self.tenants for each in groups):
            return 0
        if subscription in [subscription_of(each) for each in texts_at(scopes, "subscriptions")]:
            return None if groups else 2
        return 1 if groups else None

    def returned(self, network: str, bodies: Iterable[tuple[str, Any]]) -> AdminRules:
        """Return the rules that Azure itself returned for a network, from (id, body)."""
        ranks = self._ranks(network, self.applied.get(network, []))
        ranked = [(ranks.get(_manager(key_of_row(id)), (0, True)), id, body) for id, body in bodies]
        return admin_rules(network, [DeployedRule(rank, known, id, body) for (rank, known), id, body in ranked])

    # Rows

    def _effective_row(self, resource: Resource) -> None:
        network, _, _ = key_of_row(resource.id).partition("/effectivesecurityadminrules")
        network = network.removesuffix("/providers/microsoft.network")
        rows = self.applied.setdefault(network, [])
        values = resource.get("properties.effectiveSecurityAdminConfigurations")
        state = get_path(resource.body, "properties.provisioningState")
        state = "" if is_absent(state) else str(state).lower()
        ids = [text_at(each, "id") for each in values] if isinstance(values, list) else [""]
        rows += [AppliedConfiguration(resource.id, key_of_row(each), state) for each in ids]

    def _rule_row(self, resource: Resource) -> None:
        id = key_of_row(resource.id)
        self._rules.setdefault(id.partition("/rulecollections/")[0], {})[id] = resource.body

    def _collection_row(self, resource: Resource) -> None:
        id = key_of_row(resource.id)
        groups = objects_at(resource.body, "properties.appliesToGroups")
        named = frozenset(key_of_row(text_at(each, "networkGroupId")) for each in groups)
        self._groups_of_collection.setdefault(id.partition(_SNAPSHOTS)[0], {})[id] = named

    def _configuration_row(self, resource: Resource) -> None:
        value = resource.get("properties.applyOnNetworkIntentPolicyBasedServices")
        self._services[key_of_row(resource.id)] = [] if is_absent(value) else value

    def _goal_row(self, resource: Resource) -> None:
        body = resource.body
        named = get_path(body, "properties.securityAdminRules")
        rules = tuple(key_of_row(text_at(each, "id")) for each in named) if isinstance(named, list) else None
        if not (rules is not None or is_absent(named)):
            rules = ("",)  # one that no row can have, so that the configuration could not be read
        commit = Commit(region_of(body), text_at(body, "properties.commitTimestamp"), rules)
        configurations = get_path(body, "properties.securityAdminConfigurations")
        if resource.has_no_properties or not (is_absent(configurations) or is_list_of_named_objects(configurations)):
            self._unknown_commits = True
        for each in objects_at(body, "properties.securityAdminConfigurations"):
            self._commits.setdefault(key_of_row(text_at(each, "id")), []).append(commit)

    def _member_row(self, resource: Resource) -> None:
        member = text_at(resource.body, "properties.memberId") or text_at(resource.body, "properties.resourceId")
        group, value, _ = key_of_row(resource.id).partition("/members/")
        if value and member:
            self._memberships.setdefault(key_of_row(member), set()).add(group)

    def _manager_row(self, resource: Resource) -> None:
        self._scopes[key_of_row(resource.id)] = resource.get("properties.networkManagerScopes")


def is_list_of_named_objects(value: object) -> bool:
    """Return whether a value is a list of objects with an id."""
    return isinstance(value, list) and all(isinstance(each, dict) and text_at(each, "id") for each in value)


def key_of_row(id: str) -> str:
    """Return an id in the form in which ids compare."""
    return "/" + "/".join(segments(id)) if id else ""


def region_of(body: Any) -> str:
    """Return the region of a row, without spaces and in lower case; "" without one."""
    return text_at(body, "location").replace(" ", "").lower()


def is_exempt(name: str, subnet: Any) -> bool:
    """Return whether security admin rules skip a subnet, because of the service in it."""
    if name.lower() in _EXEMPT_SUBNETS:
        return True
    if objects_at(subnet, "properties.applicationGatewayIPConfigurations"):
        return True
    return any(_GATEWAYS in text_at(each, "id").lower() for each in objects_at(subnet, "properties.ipConfigurations"))


def has_intent_policies(subnet: Any) -> bool:
    """Return whether a subnet is delegated to a service whose networks the rules skip by default."""
    names = [text_at(each, "properties.serviceName").lower() for each in objects_at(subnet, "properties.delegations")]
    return any(each in _INTENT_SERVICES for each in names)


def _turned(body: Any) -> Any:
    """Return a rule with source and destination, and its direction, exchanged."""
    known = member(body, "properties")
    named = {name.lower(): value for name, value in known.items()} if isinstance(known, dict) else {}
    directions = {"inbound": "Outbound", "outbound": "Inbound"}
    direction = text_at(body, "properties.direction")
    turned = {
        "direction": directions.get(direction.lower(), direction),
        "sources": named.get("destinations"),
        "destinations": named.get("sources"),
    }
    return {"name": member(body, "name"), "properties": {**named, **turned}}


def _manager(id: str) -> str:
    return id.partition("/securityadminconfigurations/")[0]


def _collection(rule: str) -> str:
    return rule.partition("/rules/")[0]


def _is_repeated(rule: str, rules: list[str]) -> bool:
    """Return whether there are several snapshots of a rule."""
    stem = rule.partition(_SNAPSHOTS)[0]
    return sum(each.partition(_SNAPSHOTS)[0] == stem for each in rules) > 1


def _access(body: Any) -> str:
    return text_at(body, "properties.access")


_READERS: Final[dict[str, Callable[[SecurityAdmin, Resource], None]]] = {
    EFFECTIVE_ROWS: SecurityAdmin._effective_row,
    "microsoft.network/virtualnetworks/effectivesecurityadminrules": SecurityAdmin._effective_row,
    _MANAGERS: SecurityAdmin._manager_row,
    f"{_MANAGERS}/networkgroups/members": SecurityAdmin._member_row,
    f"{_MANAGERS}/securityadminregionalgoalstates": SecurityAdmin._goal_row,
    f"{_CONFIGURATIONS}/snapshots": SecurityAdmin._configuration_row,
    f"{_CONFIGURATIONS}/rulecollections/snapshots": SecurityAdmin._collection_row,
    f"{_CONFIGURATIONS}/rulecollections/rules/snapshots": SecurityAdmin._rule_row,
}
ROW_TYPES: Final = tuple(_READERS)
"""The types of the rows, in lower case."""
