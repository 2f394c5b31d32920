"""The estate that the sandbox serves: resources by id and by list, who may see them, and which answers are unusual.

Each format is also accepted as a plain dict with the same names:

- subscriptions: ARM dicts (`subscriptionId`, `displayName`, `tenantId`, `state`) or bare ids; `managed_by`: the ids of
  the tenants that a subscription is delegated to
- resources: ARM dicts with `id`, children included; resource groups too (missing ones are node)
- grants: `RoleGrant(scope, actions, not_actions)`; default: `*/read` on everything
- refusals: `Refusal(path, action, scope, denied_by)`, or text: a path pattern (starts with `/`) or an action pattern
- overrides: `ResponseOverrides(...)`
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from scanner.sandbox.paths import CONTAINER_KINDS, ArmPath, below, matches, owner, parse_path

Json = dict[str, Any]

TENANT = "11111111-1111-1111-1111-111111111111"


class RoleGrant(msgspec.Struct, frozen=True):
    """A role at a scope. Patterns of actions use `*`, as role definitions do."""

    scope: str = "/"
    actions: tuple[str, ...] = ("*/read",)
    not_actions: tuple[str, ...] = ()


class Refusal(msgspec.Struct, frozen=True):
    """A read that is refused whatever the grants say.

    All of `path` (a pattern of the URL's path), `action` and `scope` (an id, and everything below it) must fit. An
    `action` also removes the rows from Resource Graph and from mixed lists.
    """

    path: str = "*"
    action: str = "*"
    scope: str = "/"
    denied_by: str | None = None
    """The id of a deny assignment, with which ARM then answers."""


class ErrorReply(msgspec.Struct, frozen=True):
    """An error with which ARM rightly answers a path, such as a feature that the SKU does not have."""

    path: str
    status: int = 404
    code: str = "NotFound"
    message: str = "Not found."


class ResponseOverrides(msgspec.Struct, frozen=True):
    """Answers of an estate that are unusual. All patterns match a path or id without case."""

    replies: tuple[ErrorReply, ...] = ()
    """Errors on paths."""
    absent_from_graph: tuple[str, ...] = ()
    """Ids that Resource Graph does not know (yet)."""
    without_properties: tuple[str, ...] = ()
    """Ids that lists and Resource Graph answer without `properties`. GET has them."""
    empty_pages: tuple[str, ...] = ()
    """Lists whose first page is empty and has a nextLink."""
    since: Mapping[str, str] = {}
    """`type:property.path` -> the api-version before which ARM does not return the property."""
    no_permissions: int = 0
    """The status (404, 405) with which the permissions of a whole subscription are refused, because ARM documents them
    for groups and resources only. 0: they are answered.
    """
    not_shown: tuple[str, ...] = ()
    """`tenant/subscription` for a subscription that a login of that tenant has no role in."""


class ServedResource(msgspec.Struct, frozen=True):
    """A resource: its JSON, and the parts of its id in lower case."""

    json: Json
    id: str
    type: str
    subscription: str
    group: str
    top: bool
    """It is not a child of another resource."""


LISTED_WITH_ALL = frozenset(
    {
        "microsoft.authorization/denyassignments",
        "microsoft.authorization/locks",
        "microsoft.authorization/roleassignments",
    }
)
"""Extensions that the list of a subscription has also where they are set on a resource. Of others, as diagnostic
settings, it has only those of the subscription itself.
"""


INHERITED = frozenset({"microsoft.authorization/denyassignments", "microsoft.authorization/roleassignments"})
"""Extensions of management groups that the list of a subscription has too."""


def served_resource(resource: Json) -> ServedResource | None:
    """Return a resource with the parts of its id, or None where the id is not usable."""
    given = resource.get("id")
    if not isinstance(given, str) or "/" not in given:
        return None
    at = parse_path(given)
    if at is None or not at.name or not (at.subscription or "/providers/" in given.lower()):
        return None
    if not at.subscription and at.path.lower().startswith("/subscriptions/"):
        return None
    on_resource = at.path.lower().count("/providers/") > 1 and at.kind.lower() not in LISTED_WITH_ALL
    top = not at.parents and not on_resource
    return ServedResource(resource, at.path.lower(), at.kind.lower(), at.subscription, at.group.lower(), top)


class ServedEstate:
    """An estate, indexed. It does not change between requests. `dropped`: the resources without a usable id."""

    def __init__(
        self,
        resources: Iterable[Json],
        subscriptions: Iterable[Json | str] = (),
        *,
        grants: Iterable[RoleGrant | Json] = (),
        refusals: Iterable[Refusal | Json | str] = (),
        overrides: ResponseOverrides | Json | None = None,
        management_groups: Iterable[Json] = (),
        unregistered: Mapping[str, Iterable[str]] | None = None,
        tenant: str = TENANT,
        principal: str = "22222222-2222-2222-2222-222222222222",
    ) -> None:
        self.tenant = tenant
        self.principal = principal
        self.grants = tuple(msgspec.convert(g, RoleGrant) if isinstance(g, dict) else g for g in grants) or (
            RoleGrant(),
        )
        self.refusals = tuple(refusal(r) for r in refusals)
        self.overrides = (
            overrides
            if isinstance(overrides, ResponseOverrides)
            else msgspec.convert(overrides or {}, ResponseOverrides)
        )
        self.management_groups = [dict(group) for group in management_groups]
        self.unregistered = {s.lower(): {n.lower() for n in names} for s, names in (unregistered or {}).items()}
        self.nodes: dict[str, ServedResource] = {}
        self.changes: list[tuple[str, str]] = []
        """The ids that Resource Graph shows as changed, each with the time."""
        self.dropped = 0
        self._index(resources)
        self.subscriptions = self._subscriptions(subscriptions)
        self._groups()
        self._lists()

    def _index(self, resources: Iterable[Json]) -> None:
        for resource in resources:
            node = served_resource(resource)
            if node is None:
                self.dropped += 1
            else:
                self.nodes[node.id] = node

    def _subscriptions(self, given: Iterable[Json | str]) -> dict[str, Json]:
        result: dict[str, Json] = {}
        for one in given:
            subscription = subscription_json(one, self.tenant)
            result[subscription["subscriptionId"].lower()] = subscription
        for node in self.nodes.values():
            if node.subscription and node.subscription not in result:
                result[node.subscription] = subscription_json(node.subscription, self.tenant)
        return result

    def _groups(self) -> None:
        """Add the resource groups of resources that the estate does not list."""
        for node in list(self.nodes.values()):
            if not node.group:
                continue
            spelled = str(node.json["id"]).strip("/").split("/")
            path = (
                f"/subscriptions/{self.subscriptions[node.subscription]['subscriptionId']}/resourceGroups/{spelled[3]}"
            )
            if path.lower() not in self.nodes:
                location = str(node.json.get("location") or "norwayeast")
                group: Json = {
                    "id": path,
                    "name": spelled[3],
                    "type": "Microsoft.Resources/resourceGroups",
                    "location": location,
                    "properties": {"provisioningState": "Succeeded"},
                }
                kind = CONTAINER_KINDS["resourcegroups"].lower()
                self.nodes[path.lower()] = ServedResource(
                    group, path.lower(), kind, node.subscription, node.group, True
                )

    def _lists(self) -> None:
        self.collections: dict[str, list[ServedResource]] = defaultdict(list)
        self.types: set[str] = set()
        for node in self.nodes.values():
            collection = node.id.rsplit("/", 1)[0]
            self.collections[collection].append(node)
            self.types.add(node.type)
            if node.top and node.subscription:
                whole = f"/subscriptions/{node.subscription}/providers/{node.type}"
                if whole != collection:
                    self.collections[whole].append(node)
            elif node.type in INHERITED and not node.subscription:
                for subscription in self.subscriptions:
                    self.collections[f"/subscriptions/{subscription}/providers/{node.type}"].append(node)

    def rows(self, path: str) -> list[ServedResource]:
        """Return the resources of a list: of a type in a subscription or group, or of the children of a resource."""
        return self.collections.get(path.lower().rstrip("/"), [])

    def region(self, at: ArmPath) -> str:
        """Return the location of the top-level resource of a path, "" for lists above resources."""
        top = self.nodes.get(at.path.lower()) if not at.parents else self.nodes.get(str(owner(at)).lower())
        return str(top.json.get("location") or "") if top else ""

    def all_of(self, subscription: str, group: str = "") -> list[ServedResource]:
        """Return the top-level resources of a subscription, or of one of its groups, without the groups themselves."""
        kind = CONTAINER_KINDS["resourcegroups"].lower()
        rows = (n for n in self.nodes.values() if n.subscription == subscription and n.top and n.type != kind)
        return [n for n in rows if not group or n.group == group.lower()]

    def may(self, action: str, scope: str, path: str = "") -> bool:
        """Return whether the caller may do an action. `path`: the URL's path where it is not the scope (a list)."""
        return not self.refused(action, scope, path or scope) and any(
            below(grant.scope, scope) and _allows(grant, action) for grant in self.grants
        )

    def refused(self, action: str, scope: str, path: str) -> Refusal | None:
        """Return the refusal that applies to a read, or None."""
        for one in self.refusals:
            if matches(one.path, path) and matches(one.action, action) and below(one.scope, scope):
                return one
        return None

    def sees(self, node: ServedResource) -> bool:
        """Return whether Resource Graph and mixed lists show a resource to the caller."""
        action = f"{node.type}/read"
        if any(r.path == "*" and matches(r.action, action) and below(r.scope, node.id) for r in self.refusals):
            return False
        return any(below(grant.scope, node.id) and _allows(grant, action) for grant in self.grants)

    def serves(self, subscription: Json, tenant: str) -> bool:
        """Return whether a token of a tenant may read a subscription: of its own tenant, or delegated to it."""
        managed = (each["tenantId"].lower() for each in subscription["managedByTenants"])
        return tenant.lower() in (subscription["tenantId"].lower(), *managed)

    def shows(self, subscription: Json, tenant: str) -> bool:
        """Return whether the list of subscriptions of a tenant has a subscription."""
        hidden = f"{tenant}/{subscription['subscriptionId']}".lower() in map(str.lower, self.overrides.not_shown)
        return self.serves(subscription, tenant) and not hidden and self.enters(subscription["subscriptionId"])

    def enters(self, subscription: str) -> bool:
        """Return whether the caller has a role in or above a subscription. ARM lists only those."""
        scope = f"/subscriptions/{subscription}"
        return any(below(grant.scope, scope) or below(scope, grant.scope) for grant in self.grants)


def _allows(grant: RoleGrant, action: str) -> bool:
    return any(matches(p, action) for p in grant.actions) and not any(matches(p, action) for p in grant.not_actions)


def refusal(given: Refusal | Json | str) -> Refusal:
    """Return a refusal from any of its formats."""
    if isinstance(given, Refusal):
        return given
    if isinstance(given, str):
        return Refusal(path=given) if given.startswith("/") else Refusal(action=given)
    return msgspec.convert(given, Refusal)


def subscription_json(given: Json | str, tenant: str) -> Json:
    """Return a subscription as `GET /subscriptions` has it, from either of its formats."""
    data = {"subscriptionId": given} if isinstance(given, str) else dict(given)
    name = str(data.get("subscriptionId") or str(data.get("id", "")).rsplit("/", 1)[-1])
    policies = {"locationPlacementId": "Public_2014-09-01", "quotaId": "EnterpriseAgreement_2014-09-01"}
    return {
        "id": f"/subscriptions/{name}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [{"tenantId": each} for each in data.get("managed_by", ())],
        "subscriptionId": name,
        "tenantId": data.get("tenantId") or data.get("tenant") or tenant,
        "displayName": data.get("displayName") or data.get("name") or name,
        "state": data.get("state") or "Enabled",
        "subscriptionPolicies": data.get("subscriptionPolicies") or {**policies, "spendingLimit": "Off"},
        **({"tags": data["tags"]} if data.get("tags") else {}),
    }
