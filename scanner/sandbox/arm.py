"""Answers reads as Azure Resource Manager does, from a `World`."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote

from scanner.sandbox import errors
from scanner.sandbox.errors import Answer, answer, arm_error
from scanner.sandbox.world import CONTAINER_KINDS, Json, Node, RoleGrant, Target, World, below, matches, owner, target

_Row = TypeVar("_Row")

PLAIN = ("id", "name", "type", "location", "kind", "sku", "identity", "managedBy", "plan", "tags", "zones")
"""What the generic list of resources says of each."""

SITES = ("microsoft.web/sites", "microsoft.web/sites/slots")
SITE_CONFIG_KEPT = {
    "numberOfWorkers", "linuxFxVersion", "acrUseManagedIdentityCreds", "alwaysOn", "http20Enabled",
    "functionAppScaleLimit", "minimumElasticInstanceCount",
}  # fmt: skip
SITE_CONFIG_NULL = (
    "publicNetworkAccess", "ipSecurityRestrictions", "ipSecurityRestrictionsDefaultAction", "scmIpSecurityRestrictions",
    "scmIpSecurityRestrictionsDefaultAction", "scmIpSecurityRestrictionsUseMain", "minTlsVersion", "scmMinTlsVersion",
    "ftpsState", "remoteDebuggingEnabled", "cors", "vnetName", "vnetRouteAllEnabled",
)  # fmt: skip
"""Recorded `sites` answer these members of siteConfig with null, in lists and in GET alike; config/web has them."""

SINCE = {"microsoft.storage/storageaccounts/blobservices:properties.staticWebsite": "2025-06-01"}

TOKENS = {
    "microsoft.keyvault": "%24skiptoken",
    "microsoft.resources": "%24skiptoken",
    "microsoft.containerservice": "%24skipToken",
    "microsoft.recoveryservices": "$skipToken",
    "microsoft.web": "$skiptoken",
    "microsoft.sql": "$skip",
}
"""How providers spell the parameter that continues a list; the others say $skipToken."""

LAST: dict[str, Any] = {"microsoft.web": None, "microsoft.authorization": None, "microsoft.eventhub": None}
"""What stands as nextLink on the last page where it is not absent."""

VERSION = re.compile(r"^(20\d\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(-[a-z]+(\.\d+)?)?$")

LOCATIONS = (
    ("norwayeast", "Norway East", "Europe", "Oslo", "norwaywest"),
    ("norwaywest", "Norway West", "Europe", "Stavanger", "norwayeast"),
    ("swedencentral", "Sweden Central", "Europe", "Gävle", "swedensouth"),
    ("westeurope", "West Europe", "Europe", "Netherlands", "northeurope"),
    ("northeurope", "North Europe", "Europe", "Ireland", "westeurope"),
    ("germanywestcentral", "Germany West Central", "Europe", "Frankfurt", "germanynorth"),
    ("francecentral", "France Central", "Europe", "Paris", "francesouth"),
    ("uksouth", "UK South", "Europe", "London", "ukwest"),
    ("eastus", "East US", "US", "Virginia", "westus"),
    ("eastus2", "East US 2", "US", "Virginia", "centralus"),
    ("westus", "West US", "US", "California", "eastus"),
    ("centralus", "Central US", "US", "Iowa", "eastus2"),
)
"""Name, display name, geography group, where it is, paired region."""


@lru_cache(maxsize=1)
def known_types() -> frozenset[str]:
    """Types, in lower case, that ARM has whether or not the estate holds one."""
    text = Path(__file__).with_name("types.txt").read_text("utf-8")
    return frozenset(line.strip().lower() for line in text.splitlines() if line.strip() and not line.startswith("#"))


class Arm:
    """ARM over a world.

    `page_size` is the number of rows a page: one number, or one a type in lower case with `*` for the others.
    `api_versions` are the only versions served of a type (lower case); types without a line take any real date.
    """

    def __init__(
        self,
        world: World,
        page_size: int | Mapping[str, int] = 100,
        api_versions: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        self.world = world
        self.page_sizes = {"*": page_size} if isinstance(page_size, int) else {"*": 100, **page_size}
        self.api_versions = {kind.lower(): tuple(v) for kind, v in (api_versions or {}).items()}
        self.since = [(*key.lower().split(":", 1), v) for key, v in {**SINCE, **world.quirks.since}.items()]
        self.kept: dict[str, Answer] = {}

    def read(self, path: str, query: str, base: str, tenant: str) -> Answer:
        """The answer to GET `path?query`; `base` is how the client calls the server (`https://host:port`)."""
        key = f"{base}|{tenant}|{path}?{query}"
        found = self.kept.get(key)
        if found is None:
            found = self.kept[key] = self._answer(path, query, base, tenant)
        return found

    def _answer(self, path: str, query: str, base: str, tenant: str) -> Answer:
        at = target(path)
        if at is None:
            return arm_error(404, "InvalidResourceType", f"The path '{path}' is not served.")
        given = {name.lower(): text for name, text in parse_qsl(query, keep_blank_values=True)}
        asked = Asked(at, given, base, tenant)
        return self._version(asked) or self._subscription(asked) or self._special(asked) or self._generic(asked)

    # What is wrong with a request

    def _version(self, asked: Asked) -> Answer | None:
        version = asked.version
        if not version:
            return errors.missing_api_version()
        kind = asked.at.kind.partition("/")[2]
        served = self.api_versions.get(asked.at.kind.lower())
        if served is not None and version not in served:
            return errors.no_registered_provider(kind, version, ", ".join(served))
        found = VERSION.match(version)
        if found is None:
            return errors.invalid_api_version(version)
        if not 2014 <= int(found[1]) <= 2026:
            return errors.no_registered_provider(kind, version, "2025-08-01, 2024-01-01")
        return None

    def _subscription(self, asked: Asked) -> Answer | None:
        name = asked.at.subscription
        if not name:
            return None
        known = self.world.subscriptions.get(name.lower())
        if known is None:
            return errors.no_subscription(name)
        if known["tenantId"].lower() != asked.tenant.lower():
            text = (
                f"The access token is from the wrong issuer. It must match the tenant '{known['tenantId']}' "
                "associated with this subscription."
            )
            return errors.unauthenticated(known["tenantId"], asked.base, "InvalidAuthenticationTokenTenant", text)
        namespace = asked.at.kind.split("/")[0]
        if namespace.lower() in self.world.unregistered.get(name.lower(), ()):
            return errors.not_registered(namespace)
        return None

    def _permission(self, asked: Asked) -> Answer | None:
        at = asked.at
        if self.world.may(at.action, at.scope, at.path):
            return None
        refused = self.world.refused(at.action, at.scope, at.path)
        return errors.forbidden(self.world.principal, at.action, at.scope, refused.denied_by if refused else None)

    # Paths with answers of their own

    def _special(self, asked: Asked) -> Answer | None:
        at = asked.at
        kind = at.kind.lower()
        if kind.startswith("microsoft.resources/"):
            return self._containers(asked, kind)
        if kind.endswith("microsoft.authorization/permissions"):
            return self._permissions(asked)
        if kind.startswith("microsoft.management/managementgroups"):
            return self._permission(asked) or self._management_groups(asked, kind)
        return None

    def _containers(self, asked: Asked, kind: str) -> Answer | None:
        at, world = asked.at, self.world
        if kind == "microsoft.resources/tenants":
            tenants = dict.fromkeys([world.tenant, *(s["tenantId"] for s in world.subscriptions.values())])
            rows = [{"id": f"/tenants/{t}", "tenantId": t, "tenantCategory": "Home"} for t in tenants]
            return answer({"value": rows})
        if kind == "microsoft.resources/subscriptions":
            return self._subscriptions(asked)
        if not world.enters(at.subscription):
            return errors.forbidden(world.principal, at.action, at.scope)
        refused = world.refused(at.action, at.scope, at.path)
        if refused:
            return errors.forbidden(world.principal, at.action, at.scope, refused.denied_by)
        if at.name and kind == CONTAINER_KINDS["providers"].lower():
            return answer(self._provider(at, at.name.lower()))
        if at.name:
            return None
        if kind == CONTAINER_KINDS["locations"].lower():
            return answer({"value": [location(at.subscription, *words) for words in LOCATIONS]})
        if kind == CONTAINER_KINDS["resourcegroups"].lower():
            groups = [n for n in world.rows(f"/subscriptions/{at.subscription}/resourcegroups") if self._enters(n)]
            return self._pages(asked, groups, lambda n: n.json)
        if kind == CONTAINER_KINDS["resources"].lower():
            nodes = [n for n in world.all_of(at.subscription, at.group) if world.sees(n) and filtered(n, asked.filter)]
            return self._pages(asked, nodes, lambda n: {k: v for k, v in n.json.items() if k in PLAIN})
        return self._providers(at)

    def _enters(self, group: Node) -> bool:
        return any(below(g.scope, group.id) or below(group.id, g.scope) for g in self.world.grants)

    def _subscriptions(self, asked: Asked) -> Answer:
        at, world = asked.at, self.world
        if at.name:
            found = world.subscriptions[at.subscription]
            if world.enters(at.subscription) and not world.refused(at.action, at.scope, at.path):
                return answer(found)
            return errors.forbidden(world.principal, at.action, at.scope)
        if world.refused(at.action, at.scope, at.path):
            return errors.forbidden(world.principal, at.action, at.scope)
        own = [s for s in world.subscriptions.values() if s["tenantId"].lower() == asked.tenant.lower()]
        rows = [s for s in own if world.enters(s["subscriptionId"])]
        return answer({"value": rows, "count": {"type": "Total", "value": len(rows)}})

    def _providers(self, at: Target) -> Answer:
        off = self.world.unregistered.get(at.subscription, set())
        spaces = sorted({kind.split("/")[0] for kind in self.world.types} | off)
        return answer({"value": [self._provider(at, space) for space in spaces]})

    def _provider(self, at: Target, space: str) -> Json:
        off = space in self.world.unregistered.get(at.subscription, ())
        return {
            "id": f"/subscriptions/{at.subscription}/providers/{space}",
            "namespace": space,
            "registrationState": "NotRegistered" if off else "Registered",
            "resourceTypes": [],
        }

    def _permissions(self, asked: Asked) -> Answer:
        """The caller's roles on a scope, those above it included, a page at a time."""
        at, world = asked.at, self.world
        if world.quirks.no_permissions and at.scope.lower() == f"/subscriptions/{at.subscription}":
            return errors.no_permissions(world.quirks.no_permissions)
        if at.group and f"/subscriptions/{at.subscription}/resourcegroups/{at.group.lower()}" not in world.nodes:
            return errors.no_group(at.group)
        refused = self._permission(asked)
        if refused:
            return refused
        grants = [grant for grant in world.grants if below(grant.scope, at.scope)]
        return self._pages(asked, grants, permission)

    def _management_groups(self, asked: Asked, kind: str) -> Answer:
        at = asked.at
        groups = {str(g["name"]).lower(): g for g in self.world.management_groups}
        name = at.parents[0] if at.parents else at.name
        if name and name.lower() not in groups:
            return arm_error(404, "NotFound", f"'/providers/Microsoft.Management/managementGroups/{name}' not found")
        if kind.endswith("/descendants"):
            return answer({"value": self._descendants(name.lower(), groups), "@nextLink": None})
        if name:
            return answer(management_group(groups[name.lower()], self.world.tenant))
        return answer({"value": [management_group(g, self.world.tenant) for g in groups.values()], "@nextLink": None})

    def _descendants(self, name: str, groups: Mapping[str, Json]) -> list[Json]:
        parent = {"id": f"/providers/Microsoft.Management/managementGroups/{groups[name]['name']}"}
        rows: list[Json] = []
        for subscription in groups[name].get("subscriptions", ()):
            known = self.world.subscriptions.get(str(subscription).lower(), {})
            shown = {"displayName": known.get("displayName", subscription), "parent": parent}
            rows.append(
                {
                    "id": f"/subscriptions/{subscription}",
                    "type": "/subscriptions",
                    "name": subscription,
                    "properties": shown,
                }
            )
        for child, group in groups.items():
            if str(group.get("parent", "")).lower() == name:
                row = management_group(group, self.world.tenant)
                shown = {"displayName": row["properties"]["displayName"], "parent": parent}
                rows += [{**row, "properties": shown}, *self._descendants(child, groups)]
        return rows

    # All other resources

    def _generic(self, asked: Asked) -> Answer:
        at, world = asked.at, self.world
        wrong = self._permission(asked) or self._reply(at) or self._missing(asked)
        if wrong:
            return wrong
        if at.name:
            return answer(self._dated(world.nodes[at.path.lower()], asked.version))
        rows = [n for n in world.rows(at.path) if not world.refused(f"{n.type}/read", n.id, n.id)]
        return self._pages(asked, rows, lambda n: self._dated(n, asked.version, thin(n, world)))

    def _reply(self, at: Target) -> Answer | None:
        for reply in self.world.quirks.replies:
            if matches(reply.path, at.path):
                return arm_error(reply.status, reply.code, reply.message, "service")
        return None

    def _missing(self, asked: Asked) -> Answer | None:
        """What ARM says where group, parent, type or resource do not exist; None where they do."""
        at, nodes = asked.at, self.world.nodes
        path, kind = at.path.lower(), at.kind.lower()
        if path in nodes:
            return None
        if at.group and f"/subscriptions/{at.subscription}/resourcegroups/{at.group.lower()}" not in nodes:
            return errors.no_group(at.group)
        above = owner(at)
        if above and above.lower() not in nodes:
            return errors.no_parent(above.rsplit("/", 1)[-1])
        if kind not in self.world.types and kind not in known_types():
            namespace, _, rest = at.kind.partition("/")
            return errors.invalid_type(namespace, rest, asked.version)
        if not at.name:
            return None
        return errors.no_child(kind, at.name) if at.parents else errors.no_resource(at.kind, at.name, at.group)

    def _dated(self, made: Node, version: str, given: Json | None = None) -> Json:
        """The resource without what its api-version does not return yet."""
        shown = made.json if given is None else given
        for kind, path, first in self.since:
            if kind == made.type and version < first:
                shown = without(shown, path.split("."))
        return shown

    def _pages(self, asked: Asked, rows: list[_Row], view: Callable[[_Row], Json]) -> Answer:
        at = asked.at
        kind = at.kind.lower()
        size = min(self.page_sizes.get(kind, self.page_sizes["*"]), asked.top)
        start = asked.start
        empty = start < 0 and any(matches(p, at.path) for p in self.world.quirks.empty_pages)
        start = max(start, 0)
        end = start if empty else start + size
        body: Json = {"value": [view(n) for n in rows[start:end]]}
        namespace = kind.split("/")[0]
        if empty or end < len(rows):
            body["nextLink"] = asked.link(TOKENS.get(namespace, "$skipToken"), end)
        elif namespace in LAST:
            body["nextLink"] = LAST[namespace]
        return answer(body)


class Asked:
    """A request: the path taken apart, its query, and how the client calls the server."""

    def __init__(self, at: Target, query: Mapping[str, str], base: str, tenant: str) -> None:
        self.at = at
        self.query = query
        self.base = base
        self.tenant = tenant
        self.version = query.get("api-version", "")
        self.filter = query.get("$filter", "")

    @property
    def top(self) -> int:
        text = self.query.get("$top", "")
        return int(text) if text.isdigit() and int(text) else 1_000_000

    @property
    def start(self) -> int:
        """Where the page starts; -1 for the first page of a list."""
        token = self.query.get("$skiptoken") or self.query.get("$skip")
        if not token:
            return -1
        try:
            return int(base64.urlsafe_b64decode(token.encode()).decode().removeprefix("row:"))
        except ValueError:
            return 0

    def link(self, spelled: str, row: int) -> str:
        token = base64.urlsafe_b64encode(f"row:{row}".encode()).decode()
        skip = {"$skiptoken", "$skip"}
        rest = "&".join(f"{quote(k, safe='$-')}={quote(v, safe='')}" for k, v in self.query.items() if k not in skip)
        return f"{self.base}{quote(self.at.path)}?{rest}&{spelled}={quote(token)}"


def permission(grant: RoleGrant) -> Json:
    """A role as the permissions of a scope show it."""
    actions, taken = list(grant.actions), list(grant.not_actions)
    return {"actions": actions, "notActions": taken, "dataActions": [], "notDataActions": []}


def thin(made: Node, world: World) -> Json:
    """The resource as a list, or Resource Graph, shows it."""
    shown = made.json
    if made.type in SITES and isinstance(shown.get("properties"), dict):
        config = shown["properties"].get("siteConfig") or {}
        nulls = dict.fromkeys([*SITE_CONFIG_NULL, *config])
        kept = {name: value for name, value in config.items() if name in SITE_CONFIG_KEPT}
        shown = {**shown, "properties": {**shown["properties"], "siteConfig": {**nulls, **kept}}}
        shown["properties"]["privateEndpointConnections"] = None
    if any(matches(pattern, made.id) for pattern in world.quirks.thin):
        shown = {name: value for name, value in shown.items() if name != "properties"}
    return shown


def without(shown: Json, path: list[str]) -> Json:
    """A copy without the value at a path; names compare without case."""
    for name, value in shown.items():
        if name.lower() != path[0]:
            continue
        rest = {k: v for k, v in shown.items() if k != name}
        if len(path) > 1 and isinstance(value, dict):
            return {**rest, name: without(value, path[1:])}
        return rest if len(path) == 1 else shown
    return shown


def filtered(made: Node, text: str) -> bool:
    """Does the row pass `$filter`? Only `resourceType eq '...'`, joined by `or`, is understood."""
    kinds = re.findall(r"resourceType eq '([^']+)'", text, re.IGNORECASE)
    return not kinds or made.type in {kind.lower() for kind in kinds}


def location(subscription: str, name: str, display: str, group: str, place: str, paired: str) -> Json:
    base = f"/subscriptions/{subscription}/locations"
    metadata = {
        "regionType": "Physical",
        "regionCategory": "Recommended",
        "geographyGroup": group,
        "physicalLocation": place,
        "pairedRegion": [{"name": paired, "id": f"{base}/{paired}"}],
    }
    shown = f"({group}) {display}"
    return {
        "id": f"{base}/{name}",
        "name": name,
        "type": "Region",
        "displayName": display,
        "regionalDisplayName": shown,
        "metadata": metadata,
    }


def management_group(group: Json, tenant: str) -> Json:
    name = group["name"]
    return {
        "id": f"/providers/Microsoft.Management/managementGroups/{name}",
        "type": "Microsoft.Management/managementGroups",
        "name": name,
        "properties": {"tenantId": tenant, "displayName": group.get("displayName", name)},
    }
