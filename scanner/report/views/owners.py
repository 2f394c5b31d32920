"""Whose a resource is, by the tag that the settings name."""

from functools import cached_property, lru_cache

from scanner.document.reader import without_case
from scanner.document.schema import Document


class ResourceOwners:
    """The value of the owner tag of resources; of one without the tag that of what it lies below."""

    def __init__(self, document: Document) -> None:
        self._tag = (document.scan.owner_tag or "").casefold()
        self._resources = document.resources if self._tag else {}
        self._find = without_case(self._resources)
        # Rows stand in the order of their resources.
        self.of = lru_cache(maxsize=1024)(self._of)

    @cached_property
    def known(self) -> bool:
        """Whether any resource has an owner."""
        return any(self._tagged(row.tags) for row in self._resources.values())

    def _tagged(self, tags: dict[str, str]) -> str:
        return next((value for name, value in tags.items() if name.casefold() == self._tag), "").strip()

    def _of(self, resource: str) -> str:
        """Return the owner of a resource, "" where none is known."""
        _, row = self._find(resource) or ("", None)
        if row is None:
            return ""
        # A parent is shorter, so that this ends whatever a file says.
        above = row.parent if row.parent and len(row.parent) < len(resource) else ""
        return self._tagged(row.tags) or (self.of(above) if above else "")
