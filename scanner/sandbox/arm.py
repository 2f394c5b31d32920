"""Answers reads as Azure Resource Manager does, from a served estate."""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote

from scanner.model.regions import TABLE
from scanner.sandbox import errors, management_groups
from scanner.sandbox.errors import HttpAnswer, answer, arm_error
from scanner.sandbox.paths import CONTAINER_KINDS, ArmPath, below, matches, owner, parse_path
from scanner.sandbox.served_estate import Json, RoleGrant, ServedEstate, ServedResource

_Row = TypeVar("_Row")

PLAIN = ("id", "name", "type", "location", "kind", "sku", "identity", "managedBy", "plan", "tags", "zones")
"""The members that the generic list of resources has."""

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
"""The members of siteConfig that recorded `sites` answer with null, in lists and in GET. config/web has them."""

VIRTUAL_MACHINES = "microsoft.compute/virtualmachines"
ADMINISTRATORS = "administrators/activedirectory"
"""What `$expand` adds to the list of SQL servers."""

SINCE = {"microsoft.storage/storageaccounts/blobservices:properties.staticWebsite": "2025-06-01"}

TOKENS = {
    "microsoft.keyvault": "%24skiptoken",
    "microsoft.resources": "%24skiptoken",
    "microsoft.containerservice": "%24skipToken",
    "microsoft.recoveryservices": "$skipToken",
    "microsoft.web": "$skiptoken",
    "microsoft.sql": "$skip",
}
"""The parameter that continues a list, by provider. The others use $skipToken."""

LAST: dict[str, Any] = {"microsoft.web": None, "microsoft.authorization": None, "microsoft.eventhub": None}
"""`nextLink` on the last page, by provider. The others omit the key."""

VERSION = re.compile(r"^(20\d\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(-[a-z]+(\.\d+)?)?$")

REGION = re.compile(r"^/subscriptions/[^/]+/providers/[^/]+/locations/[a-z0-9]+$")
"""A region of a provider, which exists without being a resource."""

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
"""Name, display name, geography group, physical location, paired region."""


BY_GROUP = frozenset({"microsoft.network/virtualnetworkgateways"})
"""Types (lower case) that ARM lists in a resource group, and not in a subscription."""


@lru_cache(maxsize=1)
def known_types() -> frozenset[str]:
    """Return the types, in lower case, that ARM knows whether or not the estate has one."""
    text = Path(__file__).with_name("types.txt").read_text("utf-8")
    return frozenset(line.strip().lower() for line in text.splitlines() if line.strip() and not line.startswith("#"))


class ArmRequest:
    """A request: its path taken apart, its query, and the address of the server that the client uses."""

    def __init__(self, at: ArmPath, query: Mapping[str, str], base: str, tenant: str) -> None:
        self.at = at
        self.query = query
        self.base = base
        self.tenant = tenant
        self.version = query.get("api-version", "")
        self.filter = query.get("$filter", "")

    @property
    def top(self) -> int:
        """Return the page size that the request asks for."""
        text = self.query.get("$top", "")
        return int(text) if text.isdigit() and int(text) else 1_000_000

    @property
    def start(self) -> int:
        """Return the row where the page starts; -1 for the first page of a list."""
        token = self.query.get("$skiptoken") or self.query.get("$skip")
        if not token:
            return -1
        try:
            return int(base64.urlsafe_b64decode(token.encode()).decode().removeprefix("row:"))
        except ValueError:
            return 0

    def link(self, spelled: str, row: int) -> str:
        """Return the nextLink to a row. `spelled`: the name of its parameter."""
        token = base64.urlsafe_b64encode(f"row:{row}".encode()).decode()
        skip = {"$skiptoken", "$skip"}
        rest = "&".join(f"{quote(k, safe='$-')}={quote(v, safe='')}" for k, v in self.query.items() if k not in skip)
        return f"{self.base}{quote(self.at.path)}?{rest}&{spelled}={quote(token)}"


class SandboxArm:
    """Answer reads of an estate as ARM does.

    `page_size` is the number of rows a page: one number, or one a type in lower case with `*` for the others.
    `api_versions` are the only versions served of a type (lower case); types without a line take any real date.
    `version_refusal` is the code with which others are refused.
    """

    def __init__(
        self,
        estate: ServedEstate,
        page_size: int | Mapping[str, int] = 100,
        api_versions: Mapping[str, Iterable[str]] | None = None,
        version_refusal: errors.VersionRefusal = "NoRegisteredProviderFound",
    ) -> None:
        self.estate = estate
        self.page_sizes = {"*": page_size} if isinstance(page_size, int) else {"*": 100, **page_size}
        self.api_versions = {kind.lower(): tuple(v) for kind, v in (api_versions or {}).items()}
        self.version_refusal = version_refusal
        self.since = [(*key.lower().split(":", 1), v) for key, v in {**SINCE, **estate.overrides.since}.items()]
        self.kept: dict[str, HttpAnswer] = {}

    def read(self, path: str, query: str, base: str, tenant: str) -> HttpAnswer:
        """Return the answer to GET `path?query`. `base`: the address of the server (`https://host:port`)."""
        key = f"{base}|{tenant}|{path}?{query}"
        http_answer = self.kept.get(key)
        if http_answer is None:
            http_answer = self.kept[key] = self._answer(path, query, base, tenant)
        return http_answer

    def _answer(self, path: str, query: str, base: str, tenant: str) -> HttpAnswer:
        at = parse_path(path)
        if at is None:
            return arm_error(404, "InvalidResourceType", f"The path '{path}' is not served.")
        given = {name.lower(): text for name, text in parse_qsl(query, keep_blank_values=True)}
        request = ArmRequest(at, given, base, tenant)
        return self._version(request) or self._subscription(request) or self._special(request) or self._generic(request)

    def _version(self, request: ArmRequest) -> HttpAnswer | None:
        version = request.version
        if not version:
            return errors.missing_api_version()
        kind = request.at.kind
        served = self.api_versions.get(kind.lower())
        if served is not None and version not in served:
            return errors.unserved_version(self.version_refusal, kind, version, served)
        match = VERSION.match(version)
        if match is None:
            return errors.invalid_api_version(version)
        if not 2014 <= int(match[1]) <= 2026:
            return errors.no_registered_provider(kind.partition("/")[2], version, "2025-08-01, 2024-01-01")
        return None

    def _subscription(self, request: ArmRequest) -> HttpAnswer | None:
        name = request.at.subscription
        if not name:
            return None
        known = self.estate.subscriptions.get(name.lower())
        if known is None:
            return errors.no_subscription(name)
        if not self.estate.serves(known, request.tenant):
            text = (
                f"The access token is from the wrong issuer. It must match the tenant '{known['tenantId']}' "
                "associated with this subscription."
            )
            return errors.unauthenticated(known["tenantId"], request.base, "InvalidAuthenticationTokenTenant", text)
        namespace = request.at.kind.split("/")[0]
        if namespace.lower() in self.estate.unregistered.get(name.lower(), ()):
            return errors.not_registered(namespace)
        return None

    def _permission(self, request: ArmRequest) -> HttpAnswer | None:
        at = request.at
        if self.estate.may(at.action, at.scope, at.path):
            return None
        refused = self.estate.refused(at.action, at.scope, at.path)
        return errors.forbidden(self.estate.principal, at.action, at.scope, refused.denied_by if refused else None)

    def _special(self, request: ArmRequest) -> HttpAnswer | None:
        at = request.at
        kind = at.kind.lower()
        if kind.startswith("microsoft.resources/") and kind != "microsoft.resources/deploymentscripts":
            return self._containers(request, kind)
        if kind.endswith("microsoft.authorization/permissions"):
            return self._permissions(request)
        if kind.startswith("microsoft.management/managementgroups"):
            return self._permission(request) or management_groups.answer_read(self.estate, at)
        return None

    def _containers(self, request: ArmRequest, kind: str) -> HttpAnswer | None:
        at, estate = request.at, self.estate
        if kind == "microsoft.resources/tenants":
            tenants = dict.fromkeys([estate.tenant, *(s["tenantId"] for s in estate.subscriptions.values())])
            rows = [{"id": f"/tenants/{t}", "tenantId": t, "tenantCategory": "Home"} for t in tenants]
            return answer({"value": rows})
        if kind == "microsoft.resources/subscriptions":
            return self._subscriptions(request)
        if not estate.enters(at.subscription):
            return errors.forbidden(estate.principal, at.action, at.scope)
        refused = estate.refused(at.action, at.scope, at.path)
        if refused:
            return errors.forbidden(estate.principal, at.action, at.scope, refused.denied_by)
        if at.name and kind == CONTAINER_KINDS["providers"].lower():
            return answer(provider_json(estate, at.subscription, at.name.lower()))
        if at.name:
            return None
        if kind == CONTAINER_KINDS["locations"].lower():
            return answer({"value": [region_json(at.subscription, *row) for row in LOCATIONS]})
        if kind == CONTAINER_KINDS["resourcegroups"].lower():
            groups = [n for n in estate.rows(f"/subscriptions/{at.subscription}/resourcegroups") if self._enters(n)]
            return self._pages(request, groups, lambda n: n.json)
        if kind == CONTAINER_KINDS["resources"].lower():
            nodes = [
                n for n in estate.all_of(at.subscription, at.group) if estate.sees(n) and filtered(n, request.filter)
            ]
            return self._pages(request, nodes, lambda n: {k: v for k, v in n.json.items() if k in PLAIN})
        off = estate.unregistered.get(at.subscription, set())
        spaces = sorted({each.split("/")[0] for each in estate.types} | off)
        return answer({"value": [provider_json(estate, at.subscription, space) for space in spaces]})

    def _enters(self, group: ServedResource) -> bool:
        return any(below(g.scope, group.id) or below(group.id, g.scope) for g in self.estate.grants)

    def _subscriptions(self, request: ArmRequest) -> HttpAnswer:
        at, estate = request.at, self.estate
        if at.name:
            result = estate.subscriptions[at.subscription]
            if estate.enters(at.subscription) and not estate.refused(at.action, at.scope, at.path):
                return answer(result)
            return errors.forbidden(estate.principal, at.action, at.scope)
        if estate.refused(at.action, at.scope, at.path):
            return errors.forbidden(estate.principal, at.action, at.scope)
        rows = [each for each in estate.subscriptions.values() if estate.shows(each, request.tenant)]
        return answer({"value": rows, "count": {"type": "Total", "value": len(rows)}})

    def _permissions(self, request: ArmRequest) -> HttpAnswer:
        """Return the roles of the caller on a scope and above it, in pages."""
        at, estate = request.at, self.estate
        if estate.overrides.no_permissions and at.scope.lower() == f"/subscriptions/{at.subscription}":
            return errors.no_permissions(estate.overrides.no_permissions)
        if at.group and f"/subscriptions/{at.subscription}/resourcegroups/{at.group.lower()}" not in estate.nodes:
            return errors.no_group(at.group)
        refused = self._permission(request)
        if refused:
            return refused
        grants = [grant for grant in estate.grants if below(grant.scope, at.scope)]
        return self._pages(request, grants, permission)

    def _generic(self, request: ArmRequest) -> HttpAnswer:
        at, estate = request.at, self.estate
        wrong = self._permission(request) or self._reply(at) or self._missing(request)
        if wrong:
            return wrong
        if at.name:
            return answer(self._dated(estate.nodes[at.path.lower()], request.version))
        rows = [n for n in estate.rows(at.path) if not estate.refused(f"{n.type}/read", n.id, n.id)]
        rows = [n for n in rows if passes(n, request.filter)]
        return self._pages(request, rows, lambda n: self._dated(n, request.version, self._expanded(request, n)))

    def _expanded(self, request: ArmRequest, node: ServedResource) -> Json:
        """Return a resource as a list shows it, with what the query of the list adds."""
        shown = list_form(node, self.estate)
        given = shown.get("properties")
        if node.type == VIRTUAL_MACHINES and request.query.get("statusonly") == "true" and isinstance(given, dict):
            view = self.estate.nodes.get(f"{node.id}/instanceview")
            more = {name: value for name, value in view.json.items() if name != "id"} if view is not None else None
            return {**shown, "properties": {**given, "instanceView": more}}
        if request.query.get("$expand") == ADMINISTRATORS and isinstance(given, dict) and "administrators" not in given:
            served_resource = self.estate.nodes.get(f"{node.id}/administrators/activedirectory")
            only = self.estate.nodes.get(f"{node.id}/azureadonlyauthentications/default")
            if served_resource is not None:
                more = {**served_resource.json["properties"], **(only.json["properties"] if only is not None else {})}
                return {**shown, "properties": {**given, "administrators": more}}
        return shown

    def _reply(self, at: ArmPath) -> HttpAnswer | None:
        for reply in self.estate.overrides.replies:
            if matches(reply.path, at.path):
                return arm_error(reply.status, reply.code, reply.message, "service")
        return None

    def _missing(self, request: ArmRequest) -> HttpAnswer | None:
        """Return ARM's answer where group, parent, type or resource do not exist; None where they do."""
        at, nodes = request.at, self.estate.nodes
        path, kind = at.path.lower(), at.kind.lower()
        if path in nodes:
            return None
        if at.group and f"/subscriptions/{at.subscription}/resourcegroups/{at.group.lower()}" not in nodes:
            return errors.no_group(at.group)
        above = owner(at)
        if above and above.lower() not in nodes and not REGION.search(above.lower()):
            return errors.no_parent(above.rsplit("/", 1)[-1])
        if (kind not in self.estate.types and kind not in known_types()) or (kind in BY_GROUP and not at.group):
            namespace, _, rest = at.kind.partition("/")
            return errors.invalid_type(namespace, rest, request.version)
        if not at.name:
            return None
        return errors.no_child(kind, at.name) if at.parents else errors.no_resource(at.kind, at.name, at.group)

    def _dated(self, node: ServedResource, version: str, given: Json | None = None) -> Json:
        """Return a resource without the properties that its api-version does not return yet."""
        shown = node.json if given is None else given
        for kind, path, first in self.since:
            if kind == node.type and version < first:
                shown = without(shown, path.split("."))
        return shown

    def _pages(self, request: ArmRequest, rows: list[_Row], view: Callable[[_Row], Json]) -> HttpAnswer:
        at = request.at
        kind = at.kind.lower()
        size = min(self.page_sizes.get(kind, self.page_sizes["*"]), request.top)
        start = request.start
        empty = start < 0 and any(matches(p, at.path) for p in self.estate.overrides.empty_pages)
        start = max(start, 0)
        end = start if empty else start + size
        body: Json = {"value": [view(n) for n in rows[start:end]]}
        namespace = kind.split("/")[0]
        if empty or end < len(rows):
            body["nextLink"] = request.link(TOKENS.get(namespace, "$skipToken"), end)
        elif namespace in LAST:
            body["nextLink"] = LAST[namespace]
        return answer(body)


def provider_json(estate: ServedEstate, subscription: str, space: str) -> Json:
    """Return a resource provider of a subscription as ARM answers it. `space`: its namespace in lower case."""
    off = space in estate.unregistered.get(subscription, ())
    return {
        "id": f"/subscriptions/{subscription}/providers/{space}",
        "namespace": space,
        "registrationState": "NotRegistered" if off else "Registered",
        "resourceTypes": [],
    }


def permission(grant: RoleGrant) -> Json:
    """Return a role as the permissions of a scope show it."""
    actions, taken = list(grant.actions), list(grant.not_actions)
    return {"actions": actions, "notActions": taken, "dataActions": [], "notDataActions": []}


def list_form(node: ServedResource, estate: ServedEstate) -> Json:
    """Return a resource as a list, or Resource Graph, shows it."""
    shown = node.json
    if node.type in SITES and isinstance(shown.get("properties"), dict):
        config = shown["properties"].get("siteConfig") or {}
        nulls = dict.fromkeys([*SITE_CONFIG_NULL, *config])
        kept = {name: value for name, value in config.items() if name in SITE_CONFIG_KEPT}
        shown = {**shown, "properties": {**shown["properties"], "siteConfig": {**nulls, **kept}}}
        shown["properties"]["privateEndpointConnections"] = None
    if any(matches(pattern, node.id) for pattern in estate.overrides.without_properties):
        shown = {name: value for name, value in shown.items() if name != "properties"}
    return shown


def without(shown: Json, path: list[str]) -> Json:
    """Return a copy without the value at a path. Names compare without case."""
    for name, value in shown.items():
        if name.lower() != path[0]:
            continue
        rest = {k: v for k, v in shown.items() if k != name}
        if len(path) > 1 and isinstance(value, dict):
            return {**rest, name: without(value, path[1:])}
        return rest if len(path) == 1 else shown
    return shown


def filtered(node: ServedResource, text: str) -> bool:
    """Return whether a resource passes `$filter`. Only `resourceType eq '...'`, joined by `or`, is understood."""
    kinds = re.findall(r"resourceType eq '([^']+)'", text, re.IGNORECASE)
    return not kinds or node.type in {kind.lower() for kind in kinds}


def passes(node: ServedResource, filter: str) -> bool:
    """Return whether a policy or a role definition passes `$filter`. Only `policyType eq '...'` and `type eq '...'` are
    understood.
    """
    asked = re.fullmatch(r"(policyType|type)\s+eq\s+'(\w+)'", filter.strip())
    properties = node.json.get("properties")
    if asked is None:
        return True
    return isinstance(properties, dict) and str(properties.get(asked[1])).lower() == asked[2].lower()


def _zones(name: str) -> list[Json]:
    return [{"logicalZone": each, "physicalZone": f"{name}-az{each}"} for each in ("1", "2", "3")]


def region_json(subscription: str, name: str, display: str, group: str, physical_location: str, paired: str) -> Json:
    """Return a region as the list of locations has it."""
    base = f"/subscriptions/{subscription}/locations"
    metadata = {
        "regionType": "Physical",
        "regionCategory": "Recommended",
        "geography": TABLE[name].geography,
        "geographyGroup": group,
        "physicalLocation": physical_location,
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
        **({} if TABLE[name].lacks_zones else {"availabilityZoneMappings": _zones(name)}),
    }
