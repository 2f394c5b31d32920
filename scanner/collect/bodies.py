"""Bodies, ids and paths as Azure sends them: cut, placed and made safe to ask for."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from scanner.model.ids import segments, subscription_of

Json = dict[str, Any]

_KEPT = (
    "id",
    "name",
    "type",
    "location",
    "kind",
    "sku",
    "tags",
    "identity",
    "managedBy",
    "zones",
    "etag",
    "systemData",
)

NOT_KEPT = "not kept"
"""What stands in a cut body for a value of an unexpected shape: it may be a secret, and is not nothing."""


def cut(body: Json, keep: Sequence[str]) -> Json:
    """A body that carries secrets, cut down to what names it and the paths in `keep`.

    `[]` steps into a list, `*` into each member of an object.
    """
    if not keep:
        return body
    kept = {key: value for key, value in body.items() if key in _KEPT}
    for path in keep:
        _copy(body, kept, path.split("."))
    return kept


def _copy(source: Any, target: Any, steps: Sequence[str]) -> None:
    name, rest = steps[0].removesuffix("[]"), steps[1:]
    if not isinstance(source, dict):
        return
    if name == "*":
        for each in source:
            _copy(source, target, [each, *rest])
        return
    key = next((each for each in source if each.lower() == name.lower()), None)
    if key is None:
        return
    value = source[key]
    if not rest:
        target[key] = value
    elif steps[0].endswith("[]") and isinstance(value, list):
        rows = target.setdefault(key, [{} for _ in value])
        for each, row in zip(value, rows, strict=True):
            _copy(each, row, rest)
    elif isinstance(value, dict):
        _copy(value, target.setdefault(key, {}), rest)
    else:
        target[key] = None if value is None else NOT_KEPT


def usable(row: Json, subscription: str) -> bool:
    """Whether a row has an id that a read may be built on, in the subscription that was asked."""
    id = row.get("id")
    return isinstance(id, str) and subscription_of(id) == subscription.lower() and not {".", ".."} & set(id.split("/"))


def placed(row: Json, url: str) -> Json:
    """A child with an id below its list; one without, or with one elsewhere, gets it from its names."""
    given = row.get("id")
    id = given if isinstance(given, str) else ""
    if segments(id)[:-1] == segments(url) and id.rsplit("/", 1)[-1] not in (".", ".."):
        return row
    parent = url.rsplit("/", 1)[0]
    inside = id[len(parent) :].strip("/").split("/") if id.lower().startswith(f"{parent.lower()}/") else []
    name = "-".join(inside[1::2])  # virtualMachines/0/networkInterfaces/nic: one name for each instance
    name = name or str(row.get("name") or id).rstrip("/").rsplit("/", 1)[-1] or "-"
    return {**row, "id": f"{url}/{'-' if name == '.' else name.replace('..', '-')}"}


def safe(path: str) -> str:
    """A path as it may stand in a URL; escapes that it has stay."""
    return quote("/" + "/".join(part for part in path.split("/") if part), safe="/-._~!$&'()*+,;=:@%")


def list_path(subscription: str, type: str, group: str = "") -> str:
    where = f"/resourceGroups/{group}" if group else ""
    return f"/subscriptions/{subscription}{where}/providers/{type}"


def top(type: str) -> str:
    return "/".join(type.split("/")[:2])


def texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


Role = tuple[list[str], list[str]]
"""What one role allows, and what it takes back of that: patterns of actions."""


def roles(rows: Iterable[Json]) -> list[Role]:
    """The entries of an answer about permissions; one that takes back what cannot be read allows nothing."""
    found: list[Role] = []
    for row in rows:
        taken = row.get("notActions")
        whole = taken is None or (isinstance(taken, list) and all(isinstance(each, str) for each in taken))
        if whole:
            found.append((texts(row.get("actions")), taken or []))
    return found


def allows(role: Role, action: str) -> bool:
    """Whether a role's actions, less its not-actions, hold an action: without case, `*` stands for any text."""
    given, taken = (any(fnmatchcase(action.lower(), _only_stars(each.lower())) for each in side) for side in role)
    return given and not taken


def _only_stars(pattern: str) -> str:
    return pattern.replace("[", "[[]").replace("?", "[?]")


def quoted(types: Iterable[str]) -> str:
    return ", ".join(f"'{type}'" for type in types)


def word(text: str) -> str:
    return re.sub(r"[^A-Za-z]", "", text)[:40]


def words(path: str) -> str:
    """What a path segment or type reads, for people: `blobServices/default/containers` -> "containers"."""
    last = path.rsplit("/", 1)[-1]
    name = last if last.lower() not in ("default", "web") else " ".join(path.split("/")[-2:])
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
