"""Whose a resource is, by the tag that the settings name."""

from scanner.document.reader import without_case
from scanner.document.schema import Document


class ResourceOwners:
    """The value of the owner tag of resources; of a resource without the tag that of its parent."""

    def __init__(self, document: Document) -> None:
        self._tag = (document.scan.owner_tag or "").lower()
        self._find = without_case(document.resources if self._tag else {})
        self.known = bool(self._tag) and any(self._tagged(row.tags) for row in document.resources.values())

    def _tagged(self, tags: dict[str, str]) -> str:
        return next((value for name, value in tags.items() if name.lower() == self._tag), "")

    def of(self, resource: str) -> str:
        """Return the owner of a resource, "" where none is known."""
        _, row = self._find(resource) or ("", None)
        if row is None:
            return ""
        _, above = self._find(row.parent or "") or ("", None)
        return self._tagged(row.tags) or (self._tagged(above.tags) if above else "")
