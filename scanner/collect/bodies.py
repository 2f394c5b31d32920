"""Functions on bodies, ids, paths and permissions as Azure sends them."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from scanner.model.ids import list_of, segments, subscription_of

Json = dict[str, Any]

_ABOVE = ("providers", "microsoft.management", "managementgroups")
_NAMED_BY_PEOPLE = ("policyassignments", "policydefinitions", "policyexemptions", "policysetdefinitions")
"""What a list of a subscription has of the management groups above it too, by names that are not unique among them."""

_GROUP = re.compile(r"[\w().-]{1,90}")


def has_usable_id(row: Json, subscription: str) -> bool:
    """Return whether a row has an id in the subscription of the request, from which a read can be built."""
    id = row.get("id")
    return isinstance(id, str) and subscription_of(id) == subscription.lower() and not {".", ".."} & set(id.split("/"))


def with_child_id(row: Json, url: str) -> Json:
    """Return a child with an id below its list. An id that is missing or elsewhere is made from the child's names."""
    given = row.get("id")
    id = given if isinstance(given, str) else ""
    if segments(id)[:-1] == segments(url) and id.rsplit("/", 1)[-1] not in (".", ".."):
        return row
    # A lock or role assignment of the subscription's list may be set on a resource group, or on a resource.
    if id and list_of(id) == list_of(f"{url}/x") and not {".", ".."} & set(id.split("/")):
        return row
    parent = url.rsplit("/", 1)[0]
    inside = id[len(parent) :].strip("/").split("/") if id.lower().startswith(f"{parent.lower()}/") else []
    name = "-".join(inside[1::2])  # virtualMachines/0/networkInterfaces/nic: one name for each instance
    name = name or str(row.get("name") or id).rstrip("/").rsplit("/", 1)[-1] or "-"
    above = segments(id)
    if above[:3] == _ABOVE and url.lower().rsplit("/", 1)[-1] in _NAMED_BY_PEOPLE:
        name = f"{above[3]}:{name}"
    name = name.replace("..", "-").replace("?", "-")  # what follows a question mark is no part of a path
    return {**row, "id": f"{url}/{'-' if name == '.' else name}"}


def is_group_name(name: str) -> bool:
    """Return whether a text can be the name of a resource group, and so a part of a path."""
    return _GROUP.fullmatch(name) is not None and name not in (".", "..")


def quoted_path(path: str) -> str:
    """Return a path quoted for a URL. Escapes in it stay."""
    return quote("/" + "/".join(segment for segment in path.split("/") if segment), safe="/-._~!$&'()*+,;=:@%")


def list_path(subscription: str, type: str, group: str = "") -> str:
    """Return the ARM path that lists a type in a subscription, or in one of its resource groups."""
    where = f"/resourceGroups/{group}" if group else ""
    return f"/subscriptions/{subscription}{where}/providers/{type}"


def top_type(type: str) -> str:
    """Return the top-level type of a type, e.g. `Microsoft.Sql/servers` of `Microsoft.Sql/servers/databases`."""
    return "/".join(type.split("/")[:2])


def texts(value: Any) -> list[str]:
    """Return the strings in a list; [] where the value is no list."""
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


Role = tuple[list[str], list[str]]
"""One role: the patterns of its actions, and those of its not-actions."""


def roles(rows: Iterable[Json]) -> list[Role]:
    """Return the roles in an answer about permissions. A role whose not-actions cannot be read is left out."""
    result: list[Role] = []
    for row in rows:
        not_actions = row.get("notActions")
        if not_actions is None or (isinstance(not_actions, list) and len(texts(not_actions)) == len(not_actions)):
            result.append((texts(row.get("actions")), not_actions or []))
    return result


def allows(role: Role, action: str) -> bool:
    """Return whether a role's actions without its not-actions include an action. Without case; `*` is any text."""
    included, excluded = (any(fnmatchcase(action.lower(), _only_stars(each.lower())) for each in side) for side in role)
    return included and not excluded


def _only_stars(pattern: str) -> str:
    return pattern.replace("[", "[[]").replace("?", "[?]")


def kusto_list(types: Iterable[str]) -> str:
    """Return types as the items of a Kusto list."""
    return ", ".join(f"'{type}'" for type in types)


_GRAPH_ONLY = ("tenantId", "subscriptionId", "resourceGroup")
"""Columns of a Resource Graph row that ARM's bodies do not have."""


def graph_body(row: Json) -> Json:
    """Return a Resource Graph row in the form of an ARM body."""
    return {key: value for key, value in row.items() if key not in _GRAPH_ONLY and value != ""}


def letters_of(text: str) -> str:
    """Return the first 40 ASCII letters of a text, for an error code."""
    return re.sub(r"[^A-Za-z]", "", text)[:40]


@lru_cache(maxsize=1024)
def display_name(path: str) -> str:
    """Return what a path segment or type is called in messages: `blobServices/default/containers` -> "containers"."""
    last = path.rsplit("/", 1)[-1]
    name = last if last.lower() not in ("default", "web") else " ".join(path.split("/")[-2:])
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
