"""The sample estate: a public agency's two subscriptions, written by hand as TOML, turned into ARM's JSON.

`sample/estate.toml` names the subscriptions, the resource groups, and what is refused or odd. Every other file holds
resources: `[base."<type>"]` is a body that all resources of the type start from, `[[resource]]` an entry that overrides
it; a base may start from another one (`like`). `[more."<name>"]` and `[more_base."<type>"]` are laid on what another
file has, so that a topic has a file of its own. Keys of an entry beside ARM's own:

- `names`: several resources with the same body, instead of `name`
- `children."<path below the resource>"`: a child's body; a base's children are on every resource of the type
- `drop`, `null`: dotted paths that the body does not have, or has as null (TOML has no null); on children too
- `id_case`: `odd` spells the id as Azure sometimes does: lower-case `resourcegroups` and namespace, upper-case group
- `bare`: true leaves out `properties` altogether
- `to`, `group_id`, `status` (private endpoints): the resource that it leads to; both sides get the connection
- `foreign_endpoints` = [{ id, status }]: private endpoints of subscriptions that are not visible

`[[scope]]` is what is set on a subscription, a resource group or resources (`on`, a name or a list of names) at
`path`: a lock, a budget, a diagnostic setting.

In texts `{name}` is the resource's name, `{guid}` an id that is always the same for it; a text `@name` or
`@name/below` is the id of the resource with that name. The text `{days:20}` is the time in 20 days, in seconds since
1970.
"""

import re
import time
import tomllib
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from scanner.model.ids import name_of, type_of
from scanner.sandbox.served_estate import Json, Refusal, ResponseOverrides, RoleGrant

FOLDER = Path(__file__).parent / "sample"
SPACE = uuid.UUID("3f0c7a52-9d1e-4b60-8c2f-5e7d1a904b36")
KEYWORDS = {"names", "name", "type", "group", "children", "drop", "null", "id_case", "bare", "to", "group_id", "status"}
KEYWORDS |= {"foreign_endpoints", "why"}
_DAYS = re.compile(r"\{days:(-?\d+)\}")
DAY = 86400
PERIMETER = "Microsoft.Network/networkSecurityPerimeters"


_MESSAGING = ("microsoft.eventhub/", "microsoft.servicebus/")
"""The providers that write EnforcedMode where others write Enforced."""


class Estate(Struct, frozen=True):
    """What a sandbox can serve, in the formats of `scanner.sandbox.served_estate`."""

    tenant: str
    subscriptions: list[Json]
    """ARM's JSON. Those of the sample have `view` ("full" or "partial") too."""
    resources: list[Json]
    """ARM's JSON, children included."""
    grants: Sequence[RoleGrant | Json]
    refusals: Sequence[Refusal | Json | str]
    overrides: ResponseOverrides | Json
    ids: dict[str, str] = field(default_factory=dict)
    """The id of each top-level resource by its name, for an estate that was written by hand."""


def load_estate(folder: Path | None = None) -> Estate:
    """Return the estate in `folder`, else the sample estate.

    Raises ValueError, naming the file or the resource, where a file is no TOML, an entry refers to a name or a group
    that does not exist, or a name is used twice.
    """
    return _Builder(folder or FOLDER).build()


class _Builder:
    def __init__(self, folder: Path) -> None:
        self.frame = _read(folder / "estate.toml")
        self.bases: dict[str, Json] = {}
        self.entries: list[Json] = []
        self.scoped: list[Json] = []
        more: Json = {"more": {}, "more_base": {}}
        for file in sorted(folder.glob("*.toml")):
            if file.name == "estate.toml":
                continue
            data = _read(file)
            self.bases |= data.get("base", {})
            for kind, base in data.get("base", {}).items():
                if "like" in base:
                    self.bases[kind] = _merge(self.bases[base.pop("like")], base)
            self.scoped += data.get("scope", [])
            for entry in data.get("resource", []):
                self.entries += [entry | {"name": name} for name in entry.get("names", [entry.get("name")])]
            more = _merge(more, {name: data.get(name, {}) for name in more})
        self._lay_on(more["more"], more["more_base"])
        self.ids: dict[str, str] = {}
        for entry in self.entries:
            name = entry["name"]
            if name in self.ids:
                raise ValueError(f"the estate has two resources named {name}")
            self.ids[name] = self._id(entry)
        self.bodies: dict[str, Json] = {}

    def _lay_on(self, entries: Json, bases: Json) -> None:
        """Lay parts on entries and bases. Raises ValueError for one that does not exist."""
        lacking = [*(set(entries) - {each["name"] for each in self.entries}), *(set(bases) - set(self.bases))]
        if lacking:
            raise ValueError(f"more of {lacking[0]}, which is not in the estate")
        self.entries = [_merge(each, entries.get(each["name"], {})) for each in self.entries]
        self.bases |= {type: _merge(self.bases[type], each) for type, each in bases.items()}

    def build(self) -> Estate:
        for entry in self.entries:
            for body in self._bodies(entry):
                self.bodies[body["id"].lower()] = body
        for entry in self.entries:
            self._connect(entry)
        self._associate()
        return Estate(
            tenant=self.frame["tenant"],
            subscriptions=list(_subscriptions(self.frame)),
            resources=[*self._groups(), *self._of_scopes(), *self.bodies.values()],
            grants=list(_grants(self.frame)),
            refusals=[self._refusal(one) for one in self.frame.get("refusal", [])],
            overrides={
                "without_properties": tuple(
                    self.ids[name] for name in self.frame["overrides"].get("without_properties", [])
                ),
                "absent_from_graph": tuple(
                    self.ids[name] for name in self.frame["overrides"].get("absent_from_graph", [])
                ),
            },
            ids=dict(self.ids),
        )

    def _id(self, entry: Json) -> str:
        group = self.frame["groups"].get(entry["group"])
        if group is None:
            raise ValueError(f"{entry['name']}: no resource group {entry['group']} in the estate")
        sub = self.frame["subscriptions"][group["subscription"]]["id"]
        types, names = entry["type"].split("/"), entry["name"].split("/")
        below = "/".join(f"{kind}/{name}" for kind, name in zip(types[1:], names, strict=True))
        if entry.get("id_case") == "odd":
            return f"/subscriptions/{sub}/resourcegroups/{entry['group'].upper()}/providers/{types[0].lower()}/{below}"
        return f"/subscriptions/{sub}/resourceGroups/{entry['group']}/providers/{types[0]}/{below}"

    def _bodies(self, entry: Json) -> Iterator[Json]:
        base = self.bases.get(entry["type"], {})
        resource_id = self.ids[entry["name"]]
        words = {"name": entry["name"].replace("/", "-"), "guid": str(uuid.uuid5(SPACE, resource_id.lower()))}
        body = _merge(_cut(_body_fields(base), base), _body_fields(entry))
        body = {"id": resource_id, "name": entry["name"], "type": entry["type"]} | body
        body.setdefault("location", self.frame["groups"][entry["group"]].get("location", "norwayeast"))
        if entry.get("bare"):
            body.pop("properties", None)
        yield _cut(self._fill(body, words, entry["name"]), entry)
        common = {path: _settled(child) for path, child in base.get("children", {}).items()}
        children = _merge(common, entry.get("children", {}))
        for path, child in children.items():
            if child.get("drop") == ["*"]:
                continue
            yield self._child(entry, resource_id, path, child, words)

    def _child(self, entry: Json, parent: str, path: str, child: Json, words: Json) -> Json:
        segments = path.split("/")
        kind = "/".join([entry["type"], *segments[0::2]])
        child_id = f"{parent}/{path}"
        if "providers" in segments:
            kind = type_of(child_id)
        base = self.bases.get(kind, {})
        merged = _merge(_cut(_body_fields(base), base), _body_fields(child))
        more = words | {"child": segments[-1], "guid": str(uuid.uuid5(SPACE, child_id.lower()))}
        body = {"id": child_id, "name": segments[-1], "type": kind} | merged
        return _cut(self._fill(body, more, f"{entry['name']}/{path}"), child)

    def _fill(self, value: Any, words: Json, where: str) -> Any:
        match value:
            case dict():
                return {key: self._fill(each, words, where) for key, each in value.items()}
            case list():
                return [self._fill(each, words, where) for each in value]
            case str() if value.startswith("@"):
                return self._reference(value[1:], where)
            case str() if match := _DAYS.fullmatch(value):
                return (int(time.time()) // DAY + int(match[1])) * DAY
            case str():
                for word, text in words.items():
                    value = value.replace("{" + word + "}", text)
                return value.replace("{tenant}", self.frame["tenant"])
            case _:
                return value

    def _reference(self, text: str, where: str) -> str:
        name, _, below = text.partition("/")
        if name not in self.ids:
            raise ValueError(f"{where}: no resource named {name} in the estate")
        return self.ids[name] + (f"/{below}" if below else "")

    def _connect(self, entry: Json) -> None:
        """Add a private endpoint on both sides, and private endpoints of other subscriptions on the visible side."""
        for one in entry.get("foreign_endpoints", []):
            self._add_connection(entry["name"], one["id"], one.get("status", "Approved"))
        if "to" not in entry:
            return
        status = entry.get("status", "Approved")
        here = self.ids[entry["name"]]
        link = {
            "name": entry["name"],
            "id": f"{here}/privateLinkServiceConnections/{entry['name']}",
            "properties": {
                "provisioningState": "Succeeded",
                "privateLinkServiceId": self._reference(entry["to"], entry["name"]),
                "groupIds": [entry["group_id"]] if entry.get("group_id") else [],
                "privateLinkServiceConnectionState": _state(status),
            },
        }
        by_hand = "manualPrivateLinkServiceConnections" if status == "Pending" else "privateLinkServiceConnections"
        self.bodies[here.lower()]["properties"][by_hand] = [link]
        self._add_connection(entry["to"], here, status)

    def _add_connection(self, target: str, endpoint: str, status: str) -> None:
        target_id = self._reference(target, target)
        body = self.bodies[target_id.lower()]
        name = f"{target.rsplit('/', 1)[-1]}.{uuid.uuid5(SPACE, endpoint.lower())}"
        properties: Json = {
            "privateEndpoint": {"id": endpoint},
            "privateLinkServiceConnectionState": _state(status),
            "provisioningState": "Succeeded",
        }
        row: Json = {
            "id": f"{target_id}/privateEndpointConnections/{name}",
            "name": name,
            "type": f"{body['type']}/privateEndpointConnections",
            "properties": properties,
        }
        kind, inline = body["type"].lower(), "privateEndpointConnections"
        if kind.startswith("microsoft.web/sites"):
            self.bodies[row["id"].lower()] = row
            return
        if kind == "microsoft.web/staticsites":
            row = {**row, "properties": {**row}}
        if kind == "microsoft.machinelearningservices/registries":
            inline = "registryPrivateEndpointConnections"
            properties["registryPrivateLinkServiceConnectionState"] = properties.pop(
                "privateLinkServiceConnectionState"
            )
        body["properties"][inline] = [*(body["properties"].get(inline) or []), row]

    def _associate(self) -> None:
        """Add each association of a perimeter on the resource too, with the access rules of its profile."""
        for body in list(self.bodies.values()):
            if body["type"] != f"{PERIMETER}/resourceAssociations":
                continue
            properties = body["properties"]
            profile = properties["profile"]["id"]
            rules = [each for key, each in self.bodies.items() if key.startswith(f"{profile.lower()}/accessrules/")]
            resource_id = properties["privateLinkResource"]["id"]
            perimeter = body["id"].rsplit("/resourceAssociations/", 1)[0]
            name = f"{uuid.uuid5(SPACE, perimeter.lower())}.{body['name']}"
            row_id = f"{resource_id}/networkSecurityPerimeterConfigurations/{name}"
            is_messaging = resource_id.lower().split("/providers/")[1].startswith(_MESSAGING)
            self.bodies[row_id.lower()] = {
                "id": row_id,
                "name": name,
                "type": f"{self.bodies[resource_id.lower()]['type']}/networkSecurityPerimeterConfigurations",
                "properties": {
                    "provisioningState": "Succeeded",
                    "provisioningIssues": [],
                    "networkSecurityPerimeter": {
                        "id": perimeter,
                        "perimeterGuid": str(uuid.uuid5(SPACE, perimeter.lower())),
                        "location": self.bodies[perimeter.lower()]["location"],
                    },
                    "resourceAssociation": {
                        "name": body["name"],
                        "accessMode": properties["accessMode"] + "Mode" * is_messaging,
                    },
                    "profile": {
                        "name": profile.rsplit("/", 1)[-1],
                        "accessRulesVersion": 1,
                        "accessRules": [
                            {"name": each["name"], "properties": _copied(each["properties"])} for each in rules
                        ],
                        "diagnosticSettingsVersion": 0,
                        "enabledLogCategories": [],
                    },
                },
            }

    def _groups(self) -> Iterator[Json]:
        for name, group in self.frame["groups"].items():
            sub = self.frame["subscriptions"][group["subscription"]]["id"]
            yield {
                "id": f"/subscriptions/{sub}/resourceGroups/{name}",
                "name": name,
                "type": "Microsoft.Resources/resourceGroups",
                "location": group.get("location", "norwayeast"),
                "tags": group.get("tags", {}),
                "properties": {"provisioningState": "Succeeded"},
            } | ({"managedBy": self._reference(group["managed_by"][1:], name)} if "managed_by" in group else {})

    def _of_scopes(self) -> Iterator[Json]:
        """Yield what is set on a subscription or a resource group: locks, budgets, Defender plans."""
        for on, entry in _single(self.scoped):
            id = f"{self._scope_id(on)}/{entry['path']}"
            properties = {key: value for key, value in entry.items() if key not in ("on", "path")}
            yield self._fill(
                {"id": id, "name": name_of(id), "type": type_of(id)} | properties, {}, f"{on}/{entry['path']}"
            )

    def _scope_id(self, name: str) -> str:
        """Return the id of a subscription, resource group or resource. Raises ValueError for a name of neither."""
        if name in self.ids:
            return self.ids[name]
        subscriptions, group = self.frame["subscriptions"], self.frame["groups"].get(name)
        if group is None and name not in subscriptions:
            raise ValueError(f"no subscription, resource group or resource {name} in the estate")
        sub = subscriptions[name if group is None else group["subscription"]]["id"]
        return f"/subscriptions/{sub}" + ("" if group is None else f"/resourceGroups/{name}")

    def _refusal(self, given: Json) -> Json:
        name, _, below = given["path"][1:].partition("/")
        return {"path": self._scope_id(name) + (f"/{below}" if below else "")} | {
            key: value for key, value in given.items() if key != "path"
        }


def _subscriptions(frame: Json) -> Iterator[Json]:
    for name, one in frame["subscriptions"].items():
        yield {
            "id": f"/subscriptions/{one['id']}",
            "subscriptionId": one["id"],
            "displayName": name,
            "tenantId": frame["tenant"],
            "state": one["state"],
            "view": one["view"],
        }


def _grants(frame: Json) -> Iterator[Json]:
    """Yield the roles of the identity. An action that a group lacks is granted on the other groups alone."""
    for name, one in frame["subscriptions"].items():
        groups = {key: group for key, group in frame["groups"].items() if group["subscription"] == name}
        scope = f"/subscriptions/{one['id']}"
        if one["view"] != "full":
            seen = (key for key, group in groups.items() if group.get("seen", True))
            yield from ({"scope": f"{scope}/resourceGroups/{key}"} for key in seen)
            continue
        lacking = sorted({action for group in groups.values() for action in group.get("lacks", ())})
        yield {"scope": scope, "not_actions": lacking}
        for key, group in groups.items():
            actions = [action for action in lacking if action not in group.get("lacks", ())]
            if actions:
                yield {"scope": f"{scope}/resourceGroups/{key}", "actions": actions}


def _single(entries: list[Json]) -> Iterator[tuple[str, Json]]:
    """Yield each name that an entry is set on, with the entry."""
    for entry in entries:
        yield from ((on, entry) for on in ([entry["on"]] if isinstance(entry["on"], str) else entry["on"]))


def _read(file: Path) -> Json:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file.name}: {error}") from error


def _state(status: str) -> Json:
    stated = {"Approved": "Auto-Approved", "Pending": "Please approve my connection", "Rejected": "Not known to us"}
    return {"status": status, "description": stated.get(status, ""), "actionsRequired": "None"}


def _body_fields(entry: Json) -> Json:
    return {key: _copied(value) for key, value in entry.items() if key not in KEYWORDS}


def _merge(base: Json, over: Json) -> Json:
    made = {key: None if key in over else _copied(value) for key, value in base.items()}
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        made[key] = _merge(base[key], value) if both else _copied(value)
    return made


def _copied(value: Any) -> Any:
    """Return a copy of a TOML value, of tables and lists alone."""
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _settled(child: Json) -> Json:
    """Return the child of a base with its `drop` and `null` applied, so that entries may set those paths again."""
    return _cut(_body_fields(child), child)


def _cut(body: Json, entry: Json) -> Json:
    for path in entry.get("drop", []):
        _at(body, path, keep=False)
    for path in entry.get("null", []):
        _at(body, path, keep=True)
    return body


def _at(body: Json, path: str, *, keep: bool) -> None:
    *steps, last = path.split(".")
    for step in steps:
        body = body.setdefault(step, {})
    if keep:
        body[last] = None
    else:
        body.pop(last, None)
