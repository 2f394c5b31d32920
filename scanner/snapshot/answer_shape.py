"""What a journal keeps of an answer: what a snapshot keeps of its resources, and what the collection itself needs."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any

from scanner.model.ids import QUOTA_TYPES, resource_type_of
from scanner.model.json_paths import get_path
from scanner.model.kept import KeptPaths
from scanner.model.resource_type import Read
from scanner.text.masks import has_secret

Json = dict[str, Any]
Reduce = Callable[[Json], Json]

GRAPH = "/providers/microsoft.resourcegraph/resources"
_LINKS = ("nextLink", "@nextLink", "@odata.nextLink", "$skipToken")
_GRAPH_COLUMNS = ("type", "subscriptionId", "resourceGroup", "tenantId")
_ARM_COLUMNS = frozenset(
    ("id", "name", "kind", "location", "managedBy", "sku", "plan", "properties", "tags", "identity", "zones")
)
_KNOWN = _ARM_COLUMNS | {*_GRAPH_COLUMNS, "extendedLocation", "apiVersion"}
"""The columns of a row of Resource Graph that is a resource. Of others it is not known what may be kept."""
_SUBSCRIPTION = ("id", "subscriptionId", "displayName", "state", "tenantId", "homeTenantId")
_LISTS = {
    "/subscriptions": _SUBSCRIPTION,
    "/tenants": ("tenantId", "defaultDomain", "displayName"),
}
"""The members that are kept of lists whose rows are no resources, by path."""
_TYPES = {
    "microsoft.authorization/permissions": ("actions", "notActions"),
    "microsoft.management/managementgroups/descendants": ("name", "type", "properties.displayName"),
    **dict.fromkeys(
        (each.lower() for each in QUOTA_TYPES), ("name.value", "name.localizedValue", "currentValue", "limit")
    ),
}
"""The same by type: paths of at most two steps."""


class AnswerShape:
    """What is kept of answers. `kept`: the paths of resources by type; None: all. `reads`: what is read below
    resources: of a reduced answer the reduced one is kept, and of a row that holds what a read returns that too.
    """

    def __init__(self, kept: KeptPaths | None, reads: Iterable[Read] = ()) -> None:
        self.kept = kept
        self._reduce: dict[str, Reduce] = {}
        self._within: dict[str, list[tuple[str, str]]] = defaultdict(list)
        """By a type (lower case) the paths in its rows at which there is a resource of another type, and that type."""
        for read in reads:
            for type in read.types:
                if read.reduce is not None:
                    self._reduce[type.lower()] = read.reduce
                if read.together is not None:
                    self._within[type.lower().rpartition("/")[0]].append((read.together.at, type))

    def of(self, path: str, body: Any, *, listing: bool) -> Any:
        """Return what is kept of the answer to a read of `path`; None where its form is not known.

        What looks like a secret in it is masked when it is written.
        """
        if isinstance(body, dict) and any(
            isinstance(body.get(name), str) and has_secret(body[name]) for name in _LINKS
        ):
            return None
        try:
            return self._of(path, body, listing=listing)
        except Exception:  # noqa: BLE001 - a function of a rule file may raise anything; the answer is read again then
            return None

    def _of(self, path: str, body: Any, *, listing: bool) -> Any:
        lower = path.lower().rstrip("/")
        if lower == GRAPH:
            return self._graph(body)
        if not listing:
            return self._row(body, resource_type_of(path)) if isinstance(body, dict) else None
        rows = body.get("value") if isinstance(body, dict) else body
        if not isinstance(rows, list) or not _are_objects(rows):
            return None
        type = resource_type_of(f"{path}/x")
        members = _LISTS.get(lower) or _TYPES.get(type.lower())
        kept = [_members(row, members) if members else self._row(row, type) for row in rows]
        if not isinstance(body, dict):
            return kept
        return {"value": kept, **{name: body[name] for name in (*_LINKS, "count") if name in body}}

    def _graph(self, body: Any) -> Any:
        """Return an answer of Resource Graph. Rows without an id are sums: texts, numbers and lists of them."""
        if not isinstance(body, dict) or not _are_objects(body.get("data")):
            return None
        if not all(_is_known(row) for row in body["data"]):
            return None
        names = ("totalRecords", "count", "resultTruncated", "$skipToken")
        rows = [self._graph_row(row) if isinstance(row.get("id"), str) else row for row in body["data"]]
        return {**{name: body[name] for name in names if name in body}, "data": rows}

    def _graph_row(self, row: Json) -> Json:
        kept = self._row(row, resource_type_of(row["id"]))
        kept |= {name: row[name] for name in _GRAPH_COLUMNS if name in row}
        return {name: kept[name] for name in row if name in kept} | kept

    def _row(self, row: Json, type: str) -> Json:
        """Return what is kept of a resource."""
        reduce = self._reduce.get(type.lower())
        body = reduce(row) if reduce is not None else row
        if self.kept is None:
            return body
        kept = self.kept.cut(body, type)
        for path, inner in self._within.get(type.lower(), ()):
            value = get_path(body, path)
            if isinstance(value, dict):
                above, _, name = path.rpartition(".")
                kept[above] = {**kept.get(above, {}), name: self.kept.cut(value, inner)}
        return kept

    def differing(self, kept: Mapping[str, list[str]] | None) -> Callable[[str], bool]:
        """Return the function that says of a path whether a scan that kept these paths kept other ones there."""
        paths = self.kept.paths if self.kept is not None else None
        if paths is None or kept is None:
            return lambda path: (paths is None) != (kept is None)
        other = {type.lower(): tuple(paths) for type, paths in kept.items()}
        differs = {type for type in paths if paths[type] != other.get(type, ())} | (other.keys() - paths.keys())
        for type, matches in self._within.items():
            if any(inner.lower() in differs for _, inner in matches):
                differs.add(type)

        def is_other(path: str) -> bool:
            if path.lower().rstrip("/") == GRAPH:
                return bool(differs)
            return not differs.isdisjoint((resource_type_of(path).lower(), resource_type_of(f"{path}/x").lower()))

        return is_other


def _is_known(row: Json) -> bool:
    """Return whether it is known what may be kept of a row of Resource Graph."""
    if isinstance(row.get("id"), str):
        return _KNOWN.issuperset(row)
    values = [inner for each in row.values() for inner in (each if isinstance(each, list) else (each,))]
    return not any(isinstance(each, dict | list) for each in values)


def _are_objects(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def following(body: Any) -> bool:
    """Return whether an answer links to another page."""
    return isinstance(body, dict) and any(body.get(name) for name in _LINKS)


def rows_of(body: Any) -> list[Any]:
    """Return the rows of a list, or the only resource of another answer."""
    if isinstance(body, list):
        return body
    rows = body.get("value") if isinstance(body, dict) else None
    return rows if isinstance(rows, list) else [body]


def etags_of(body: Any) -> list[str]:
    """Return of each resource of an answer its etag in short, [] where none has one."""
    matches = [etag_of(row) for row in rows_of(body)]
    return matches if any(matches) else []


def etag_of(row: Any) -> str:
    """Return the digest of the etag of a resource, "" where it has none."""
    given = row.get("etag", row.get("eTag")) if isinstance(row, dict) else None
    return blake2b(given.encode("utf-8", "replace"), digest_size=8).hexdigest() if isinstance(given, str) else ""


def _members(row: Json, paths: tuple[str, ...]) -> Json:
    """Return of an object what paths of at most two steps name."""
    result: Json = {}
    for path in paths:
        name, _, below = path.partition(".")
        if name not in row:
            continue
        if not below or not isinstance(row[name], dict):
            result[name] = row[name] if not below or not isinstance(row[name], list) else None
        elif below in row[name]:
            result.setdefault(name, {})[below] = row[name][below]
    return result
