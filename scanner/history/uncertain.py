"""Where something that was not read may hide an endpoint. Pure."""

from collections.abc import Iterable

from msgspec import Struct, field

from scanner.document.schema import ExposureRow, FindingRow
from scanner.history.items import lineage, rank, top_of
from scanner.model.exposure import LOCKS
from scanner.model.ids import type_of


def is_uncertain_exposure(row: ExposureRow) -> bool:
    """Return whether a part that was not read may open an endpoint, or open it wider."""
    return row.state == "unknown" or rank(row.worst) > rank(row.severity)


class Uncertain(Struct):
    """The resources and scopes where an endpoint may be that a scan could not see. Ids and types in lower case."""

    resources: set[str] = field(default_factory=set)
    tops: set[str] = field(default_factory=set)
    """The top-level resources that `resources` belong to."""
    lists: set[tuple[str, str]] = field(default_factory=set)
    """Scopes above resources, each with a type that could not be listed there; "" for any."""

    def exposure(self, row: ExposureRow) -> None:
        """Add the resource of an endpoint that is not certain."""
        if is_uncertain_exposure(row):
            self._add(row.resource)

    def finding(self, row: FindingRow) -> None:
        """Add the resource or the list of an inconclusive check of a lock."""
        if row.status in ("unknown", "error") and row.category in LOCKS:
            self._add(row.resource, row.gaps)

    def _add(self, id: str, gaps: Iterable[str] = ()) -> None:
        scope = id.lower().rstrip("/")
        if not type_of(id):
            self.lists |= {(scope, _top_type(url)) for url in gaps or ("",)}
            return
        self.resources.add(scope)
        self.tops.add(top_of(id))

    def hides(self, id: str) -> bool:
        """Return whether an endpoint of a resource, or of what is below it, may be hidden."""
        above = lineage(id)
        if top_of(id) in self.tops or self.resources & above:
            return True
        types = ("", _top_type(id))
        return any((scope, type) in self.lists for scope in above for type in types)


def _top_type(id: str) -> str:
    """Return the type (lower case) of the top-level resource that an id or a list's path names."""
    return "/".join(type_of(id).lower().split("/")[:2])
