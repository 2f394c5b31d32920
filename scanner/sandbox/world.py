"""What the sandbox serves: resources indexed by id and by list, who may see them, and what is odd about them.

Formats that an estate may use (each also as a plain dict with the same names):

- subscriptions: ARM dicts (`subscriptionId`, `displayName`, `tenantId`, `state`) or bare ids
- resources: ARM dicts with `id`, children included; resource groups too (missing ones are made up)
- grants: `Grant(scope, actions, not_actions)`; default: `*/read` on everything
- refusals: `Refusal(path, action, scope, code, status)`, or text: a path pattern (starts with `/`) or an action pattern
- quirks: `Quirks(...)`
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

import msgspec

Json = dict[str, Any]

TENANT = "11111111-1111-1111-1111-111111111111"


class RoleGrant(msgspec.Struct, frozen=True):
    """A role at a scope. Patterns of actions use `*`, as role definitions do."""

    scope: str = "/"
    actions: tuple[str, ...] = ("*/read",)
    not_actions: tuple[str, ...] = ()


class Refusal(msgspec.Struct, frozen=True):
    """A read that is refused whatever the grants say. All of `path` (pattern over the URL's path), `action` and `scope`
    (an id, and what is below it) must fit. An `action` also takes the rows out of Resource Graph and of mixed lists.
    `denied_by` gives ARM's answer for a deny assignment."""

    path: str = "*"
    action: str = "*"
    scope: str = "/"
    denied_by: str | None = None


class Reply(msgspec.Struct, frozen=True):
    """An error that ARM gives on a path by rights (a feature that the SKU lacks): pattern, status, code, message."""

    path: str
    status: int = 404
    code: str = "NotFound"
    message: str = "Not found."


class Quirks(msgspec.Struct, frozen=True):
    """Oddities of an estate. All patterns match the path or id without case."""

    replies: tuple[Reply, ...] = ()
    absent_from_graph: tuple[str, ...] = ()
    """Ids that Resource Graph does not know (yet)."""
    thin: tuple[str, ...] = ()
    """Ids that lists and Resource Graph answer without `properties`; GET has them."""
    empty_pages: tuple[str, ...] = ()
    """Lists whose first page is empty and has a nextLink."""
    since: Mapping[str, str] = {}
    """`type:property.path` -> the api-version before which ARM does not return it."""
    no_permissions: int = 0
    """The status (404, 405) with which the permissions of a whole subscription are refused: ARM documents them for
    groups and resources. 0: they are answered."""


class Node(msgspec.Struct, frozen=True):
    """A resource: its JSON, and what its id says (all in lower case)."""

    json: Json
    id: str
    type: str
    subscription: str
    group: str
    top: bool
    """Not a child: the id ends with `{namespace}/{type}/{name}`."""


class Target(msgspec.Struct, frozen=True):
    """A path, taken apart. `kind` is the type that is read, spelled as in the path; `name` is empty where the path is a
    list; `scope` is what permission is asked for on."""

    path: str
    kind: str
    name: str
    scope: str
    subscription: str
    group: str
    parents: tuple[str, ...]
    """Names above the last one, outermost first."""

    @property
    def action(self) -> str:
        return f"{self.kind}/read"


SUBSCRIPTION = re.compile(r"^/subscriptions/(?!providers(?:/|$)|resourcegroups(?:/|$))([^/]+)")
GROUP = re.compile(r"^/subscriptions/[^/]+/resourcegroups/([^/]+)")
CONTAINER_KINDS = {
    "resourcegroups": "Microsoft.Resources/subscriptions/resourceGroups",
    "resources": "Microsoft.Resources/subscriptions/resources",
    "locations": "Microsoft.Resources/subscriptions/locations",
    "providers": "Microsoft.Resources/subscriptions/providers",
}


SINGLE = frozenset({"instanceview"})
"""Single resources whose path ends like a list."""


def target(path: str) -> Target | None:
    """The path of a read taken apart, or None where it is no ARM path."""
    path = "/" + "/".join(part for part in unquote(path).split("/") if part)
    lower = path.lower()
    found = SUBSCRIPTION.match(lower)
    subscription = found[1] if found else ""
    found = GROUP.match(lower)
    group = path[found.start(1) : found.end(1)] if found else ""
    cut = lower.rfind("/providers/")
    if cut < 0 or cut + len("/providers/") == len(lower):
        return _container(path, subscription, group)
    parts = path[cut + len("/providers/") :].split("/")
    if len(parts) < 2:
        return Target(
            path, "Microsoft.Resources/subscriptions/providers", parts[0], path[:cut], subscription, group, ()
        )
    types, names = parts[1::2], parts[2::2]
    if types[-1].lower() in SINGLE and len(types) > len(names):
        return Target(path, "/".join([parts[0], *types]), types[-1], path, subscription, group, tuple(names))
    listed = len(types) > len(names)
    kind = "/".join([parts[0], *types])
    scope = (path.rsplit("/", 1)[0] if len(parts) > 2 else path[:cut]) if listed else path
    name = "" if listed else names[-1]
    return Target(path, kind, name, scope or "/", subscription, group, tuple(names if listed else names[:-1]))


def _container(path: str, subscription: str, group: str) -> Target | None:
    parts = path.strip("/").split("/")
    match [parts[0].lower(), *parts[1:]]:
        case ["subscriptions"]:
            return Target(path, "Microsoft.Resources/subscriptions", "", "/", "", "", ())
        case ["tenants"]:
            return Target(path, "Microsoft.Resources/tenants", "", "/", "", "", ())
        case ["subscriptions", name]:
            return Target(path, "Microsoft.Resources/subscriptions", name, path, subscription, "", ())
        case ["subscriptions", _, word] if word.lower() in CONTAINER_KINDS:
            return Target(path, CONTAINER_KINDS[word.lower()], "", path.rsplit("/", 1)[0], subscription, "", ())
        case ["subscriptions", _, word, name] if word.lower() == "resourcegroups":
            return Target(path, CONTAINER_KINDS["resourcegroups"], name, path, subscription, group, ())
        case ["subscriptions", _, word, _, "resources"] if word.lower() == "resourcegroups":
            return Target(path, CONTAINER_KINDS["resources"], "", path.rsplit("/", 1)[0], subscription, group, ())
    return None


def owner(at: Target) -> str | None:
    """The id of the top-level resource that a child or extension path lies below, None for top-level paths."""
    before = at.path[: at.path.lower().rfind("/providers/")]
    if "/providers/" in before.lower():
        return before
    if not at.parents:
        return None
    return "/".join(at.path.split("/")[: before.count("/") + 1 + 4])


def node(resource: Json) -> Node | None:
    """The node of a resource, or None where its id says nothing."""
    given = resource.get("id")
    if not isinstance(given, str) or "/" not in given:
        return None
    at = target(given)
    if at is None or not at.name or not (at.subscription or "/providers/" in given.lower()):
        return None
    if not at.subscription and at.path.lower().startswith("/subscriptions/"):
        return None
    return Node(resource, at.path.lower(), at.kind.lower(), at.subscription, at.group.lower(), not at.parents)


def below(scope: str, path: str) -> bool:
    """Is `path` the scope or something below it? Without case."""
    scope, path = scope.lower().rstrip("/"), path.lower()
    return path == scope or path.startswith(scope + "/")


class World:
    """The indexed estate. Immutable once made; the same for every request."""

    def __init__(
        self,
        resources: Iterable[Json],
        subscriptions: Iterable[Json | str] = (),
        *,
        grants: Iterable[RoleGrant | Json] = (),
        refusals: Iterable[Refusal | Json | str] = (),
        quirks: Quirks | Json | None = None,
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
        self.quirks = quirks if isinstance(quirks, Quirks) else msgspec.convert(quirks or {}, Quirks)
        self.management_groups = [dict(group) for group in management_groups]
        self.unregistered = {s.lower(): {n.lower() for n in names} for s, names in (unregistered or {}).items()}
        self.nodes: dict[str, Node] = {}
        self.dropped = 0
        self._index(resources)
        self.subscriptions = self._subscriptions(subscriptions)
        self._groups()
        self._lists()

    def _index(self, resources: Iterable[Json]) -> None:
        for resource in resources:
            made = node(resource)
            if made is None:
                self.dropped += 1
            else:
                self.nodes[made.id] = made

    def _subscriptions(self, given: Iterable[Json | str]) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for one in given:
            subscription = subscription_json(one, self.tenant)
            found[subscription["subscriptionId"].lower()] = subscription
        for made in self.nodes.values():
            if made.subscription and made.subscription not in found:
                found[made.subscription] = subscription_json(made.subscription, self.tenant)
        return found

    def _groups(self) -> None:
        """Make the resource groups that resources are in and that the estate does not list."""
        for made in list(self.nodes.values()):
            if not made.group:
                continue
            spelled = str(made.json["id"]).strip("/").split("/")
            path = (
                f"/subscriptions/{self.subscriptions[made.subscription]['subscriptionId']}/resourceGroups/{spelled[3]}"
            )
            if path.lower() not in self.nodes:
                location = str(made.json.get("location") or "norwayeast")
                group: Json = {
                    "id": path,
                    "name": spelled[3],
                    "type": "Microsoft.Resources/resourceGroups",
                    "location": location,
                    "properties": {"provisioningState": "Succeeded"},
                }
                kind = CONTAINER_KINDS["resourcegroups"].lower()
                self.nodes[path.lower()] = Node(group, path.lower(), kind, made.subscription, made.group, True)

    def _lists(self) -> None:
        self.collections: dict[str, list[Node]] = defaultdict(list)
        self.types: set[str] = set()
        for made in self.nodes.values():
            collection = made.id.rsplit("/", 1)[0]
            self.collections[collection].append(made)
            self.types.add(made.type)
            if made.top and made.subscription:
                whole = f"/subscriptions/{made.subscription}/providers/{made.type}"
                if whole != collection:
                    self.collections[whole].append(made)

    def rows(self, path: str) -> list[Node]:
        """The resources of a list path: a provider's list in a subscription or group, or a parent's children."""
        return self.collections.get(path.lower().rstrip("/"), [])

    def region(self, at: Target) -> str:
        """The location of the top-level resource that a path is or lies below, "" of lists above."""
        top = self.nodes.get(at.path.lower()) if not at.parents else self.nodes.get(str(owner(at)).lower())
        return str(top.json.get("location") or "") if top else ""

    def all_of(self, subscription: str, group: str = "") -> list[Node]:
        """Top-level resources of a subscription, or of one of its groups (without the groups themselves)."""
        kind = CONTAINER_KINDS["resourcegroups"].lower()
        rows = (n for n in self.nodes.values() if n.subscription == subscription and n.top and n.type != kind)
        return [n for n in rows if not group or n.group == group.lower()]

    # Who may see what

    def may(self, action: str, scope: str, path: str = "") -> bool:
        """May the caller do this? `path` is the URL's path where it differs from the scope (a list)."""
        return not self.refused(action, scope, path or scope) and any(
            below(grant.scope, scope) and _allows(grant, action) for grant in self.grants
        )

    def refused(self, action: str, scope: str, path: str) -> Refusal | None:
        for one in self.refusals:
            if matches(one.path, path) and matches(one.action, action) and below(one.scope, scope):
                return one
        return None

    def sees(self, made: Node) -> bool:
        """Is this row in what Resource Graph and mixed lists show to the caller?"""
        action = f"{made.type}/read"
        if any(r.path == "*" and matches(r.action, action) and below(r.scope, made.id) for r in self.refusals):
            return False
        return any(below(grant.scope, made.id) and _allows(grant, action) for grant in self.grants)

    def enters(self, subscription: str) -> bool:
        """Has the caller any role in the subscription, or above it? ARM lists only those."""
        scope = f"/subscriptions/{subscription}"
        return any(below(grant.scope, scope) or below(scope, grant.scope) for grant in self.grants)


def _allows(grant: RoleGrant, action: str) -> bool:
    return any(matches(p, action) for p in grant.actions) and not any(matches(p, action) for p in grant.not_actions)


def matches(pattern: str, text: str) -> bool:
    """`*` and `?` as in a shell, without case; `*` also spans `/`."""
    return pattern == "*" or fnmatchcase(text.lower(), pattern.lower().replace("[", "[[]"))


def refusal(given: Refusal | Json | str) -> Refusal:
    if isinstance(given, Refusal):
        return given
    if isinstance(given, str):
        return Refusal(path=given) if given.startswith("/") else Refusal(action=given)
    return msgspec.convert(given, Refusal)


def subscription_json(given: Json | str, tenant: str) -> Json:
    """A subscription as `GET /subscriptions` has it, from what an estate gives."""
    data = {"subscriptionId": given} if isinstance(given, str) else dict(given)
    name = str(data.get("subscriptionId") or str(data.get("id", "")).rsplit("/", 1)[-1])
    policies = {"locationPlacementId": "Public_2014-09-01", "quotaId": "EnterpriseAgreement_2014-09-01"}
    return {
        "id": f"/subscriptions/{name}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": name,
        "tenantId": data.get("tenantId") or data.get("tenant") or tenant,
        "displayName": data.get("displayName") or data.get("name") or name,
        "state": data.get("state") or "Enabled",
        "subscriptionPolicies": data.get("subscriptionPolicies") or {**policies, "spendingLimit": "Off"},
        **({"tags": data["tags"]} if data.get("tags") else {}),
    }
